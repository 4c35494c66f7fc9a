//! Runs and tests `fixtures/renamed`, a package that knows gochan under another name.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Longer than a slow machine needs, compiling gochan included.
const LIMIT: Duration = Duration::from_secs(600);

#[test]
fn renamed() {
    std::thread::spawn(|| {
        std::thread::sleep(LIMIT);
        eprintln!("the renamed fixture hangs: still running after {LIMIT:?}");
        std::process::abort();
    });
    for command in ["run", "test"] {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let status = Command::new(env!("CARGO"))
            .args([command, "--quiet", "--offline", "--manifest-path"])
            .arg(here.join("fixtures/renamed/Cargo.toml"))
            .env(
                "CARGO_TARGET_DIR",
                Path::new(env!("CARGO_TARGET_TMPDIR")).join("renamed"),
            )
            .status()
            .expect("cargo starts");
        assert!(
            status.success(),
            "cargo {command} of the renamed fixture: {status}"
        );
    }
}
