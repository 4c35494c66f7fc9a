//! Every side does its jobs to the end, and so does every series of growing sizes.

mod child;

use bench::growth::SERIES;
use bench::peers::{JOBS, PEERS, Side};
use bench::result_line::ResultLine;
use serde_json::Value;

#[test]
fn sides_do_their_jobs() {
    for (name, job) in JOBS {
        for side in [&[Side::Ours], PEERS].concat() {
            if !side.can(*job) {
                continue;
            }
            for workers in ["1", "2"] {
                let words = ["measure", side.name(), name, "--workers", workers];
                let words = [&words[..], &["--iterations", "301"]].concat();
                let printed = child::run(env!("CARGO_BIN_EXE_peers"), &words, workers);
                let lines = ResultLine::parse_all(&printed);
                assert_eq!(lines.len(), 1, "{words:?}: {printed}");
                assert_eq!(lines[0].name, *name);
            }
        }
    }
}

#[test]
fn series_grow() {
    for series in SERIES {
        for workers in ["1", "2"] {
            let words = ["measure", series.name, "50", "--workers", workers];
            let words = [&words[..], &["--iterations", "300"]].concat();
            let printed = child::run(env!("CARGO_BIN_EXE_growth"), &words, workers);
            assert_eq!(ResultLine::parse_all(&printed).len(), 1, "{printed}");
        }
    }
}

#[test]
fn figures_are_written_for_each_peer() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let words = ["--filter", "^Uncontended$", "--workers", "1", "--rounds"];
    let words = [&words[..], &["1", "--time", "1ms", "--json", path]].concat();
    let printed = child::run(env!("CARGO_BIN_EXE_peers"), &words, "1");
    assert!(printed.contains("fastest peer"), "{printed}");
    let rows: Vec<Value> = serde_json::from_reader(file.reopen().unwrap()).unwrap();
    let peers: Vec<_> = rows
        .iter()
        .map(|row| row["peer"].as_str().unwrap())
        .collect();
    let expected: Vec<_> = PEERS.iter().map(|peer| peer.name()).collect();
    assert_eq!(peers, expected);
    for row in rows {
        assert_eq!(
            (&row["name"], &row["workers"]),
            (&"Uncontended".into(), &1.into())
        );
        for figure in ["ours_ns", "peer_ns", "ratio"] {
            assert!(row[figure].as_f64().unwrap() > 0.0, "{row}");
        }
    }
}
