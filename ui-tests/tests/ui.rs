//! Compiles `fail/` and `pass/`.

use std::time::Duration;

/// Longer than a slow machine needs for all of them, compiling gochan included.
const LIMIT: Duration = Duration::from_secs(900);

#[test]
fn ui() {
    std::thread::spawn(|| {
        std::thread::sleep(LIMIT);
        eprintln!("the ui tests hang: still running after {LIMIT:?}");
        std::process::abort();
    });
    let cases = trybuild::TestCases::new();
    cases.pass("pass/*.rs");
    cases.compile_fail("fail/*.rs");
}
