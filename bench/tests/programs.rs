//! Our side of the programs computes what it should, whatever the number of workers.

use std::process::{Command, Stdio};
use std::time::Duration;

use wait_timeout::ChildExt;

/// Runs the program as `parallel` does and returns what it prints; a hang fails.
fn run(words: &[&str], workers: &str) -> String {
    const LIMIT: Duration = Duration::from_secs(60);
    let mut child = Command::new(env!("CARGO_BIN_EXE_parallel"))
        .arg("run")
        .args(words)
        .env("GOCHAN_MAXPROCS", workers)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it was built for this test");
    if child
        .wait_timeout(LIMIT)
        .expect("it can be waited for")
        .is_none()
    {
        child.kill().expect("it runs");
        panic!("{words:?} hangs with {workers} workers");
    }
    let output = child.wait_with_output().expect("it has ended");
    assert!(output.status.success(), "{words:?}: {}", output.status);
    String::from_utf8(output.stdout).expect("it prints a number")
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
