//! The programs of this package, run to their end.

use std::process::{Command, Stdio};
use std::time::Duration;

use wait_timeout::ChildExt;

/// Runs the program and returns what it prints; a hang fails.
pub fn run(program: &str, words: &[&str], workers: &str) -> String {
    const LIMIT: Duration = Duration::from_secs(60);
    let mut child = Command::new(program)
        .args(words)
        .env("GOCHAN_MAXPROCS", workers)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it was built for this test");
    let ended = child.wait_timeout(LIMIT).expect("it can be waited for");
    if ended.is_none() {
        child.kill().expect("it runs");
        panic!("{words:?} hangs with {workers} workers");
    }
    let output = child.wait_with_output().expect("it has ended");
    assert!(output.status.success(), "{words:?}: {}", output.status);
    String::from_utf8(output.stdout).expect("it prints text")
}
