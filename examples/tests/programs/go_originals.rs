//! The programs in `go/` print the same as those of the same name in `src/bin`.

use std::process::Command;

use crate::child::{program, run};

#[test]
fn go_prints_the_same() {
    if Command::new("go").arg("version").output().is_err() {
        eprintln!("skipped: there is no `go` to run the Go originals with");
        return;
    }
    let none: &[&str] = &[];
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    for (name, path, arguments) in [
        ("crawler", env!("CARGO_BIN_EXE_crawler"), none),
        ("errgroup", env!("CARGO_BIN_EXE_errgroup"), none),
        ("md5all", env!("CARGO_BIN_EXE_md5all"), &[directory]),
        ("powerseries", env!("CARGO_BIN_EXE_powerseries"), none),
        ("sieve", env!("CARGO_BIN_EXE_sieve"), none),
        ("singleflight", env!("CARGO_BIN_EXE_singleflight"), none),
        ("stateful", env!("CARGO_BIN_EXE_stateful"), none),
        ("treecompare", env!("CARGO_BIN_EXE_treecompare"), none),
        ("workerpool", env!("CARGO_BIN_EXE_workerpool"), none),
    ] {
        let source = format!("{}/go/{name}.go", env!("CARGO_MANIFEST_DIR"));
        let go = run(Command::new("go").args(["run", &source]).args(arguments));
        assert!(go.status.success(), "go run {source}: {}", go.stderr);
        let rust = run(program(path, 2).args(arguments));
        assert_eq!(
            String::from_utf8_lossy(&go.stdout),
            String::from_utf8_lossy(&rust.stdout),
            "{name} in Go and in Rust"
        );
    }
}
