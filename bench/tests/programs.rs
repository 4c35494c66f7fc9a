//! Our side of the programs computes what it should, whatever the number of workers.

mod child;

fn run(words: &[&str], workers: &str) -> String {
    child::run(env!("CARGO_BIN_EXE_programs"), words, workers)
}

#[test]
fn programs_compute_what_they_should() {
    // No turns: what is computed of a job is its number.
    for (words, printed) in [
        (&["pool", "100", "0", "0"][..], "5050"),
        (&["pool", "100", "0", "10"], "5050"),
        (&["pipeline", "100", "0"], "5050"),
        (&["pairs", "5", "20"], "100"),
        (&["scatter", "2", "100", "0"], "10100"),
        (&["sieve", "30"], "113"),
        (&["ring", "10", "7"], "70"),
        (&["tree", "1000"], "500500"),
        (&["tree", "1"], "1"),
    ] {
        for workers in ["1", "2", "3"] {
            assert_eq!(run(words, workers).trim(), printed, "{words:?}, {workers}");
        }
    }
}

#[test]
fn results_do_not_depend_on_how_the_work_is_shared() {
    for (one, other) in [
        (
            ["sort", "5000", "5000"].as_slice(),
            ["sort", "5000", "50"].as_slice(),
        ),
        (&["pool", "50", "9", "0"], &["pool", "50", "9", "50"]),
    ] {
        assert_eq!(run(one, "1"), run(other, "2"));
    }
}
