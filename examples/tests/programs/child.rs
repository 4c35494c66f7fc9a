//! Running a program to its end, which has to come in time.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a program may take; all of them need much less than a second.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The numbers of workers that each program is run with.
pub const WORKERS: [u32; 2] = [1, 2];

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// The program at `path`, to be run on so many workers.
pub fn program(path: &str, workers: u32) -> Command {
    let mut command = Command::new(path);
    command.env("GOCHAN_MAXPROCS", workers.to_string());
    command
}

/// Runs a command and collects what it prints. One that hangs is killed, and
/// fails the test with what it had printed by then.
pub fn run(command: &mut Command) -> Finished {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .unwrap_or_else(|err| panic!("{command:?}: {err}"));
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let status = wait(&mut child);
    let stdout = stdout.join().expect("reading does not panic");
    let stderr = stderr.join().expect("reading does not panic");
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    match status {
        Some(status) => Finished {
            status,
            stdout,
            stderr,
        },
        None => panic!(
            "{command:?} hangs\n--- stdout\n{}\n--- stderr\n{stderr}",
            String::from_utf8_lossy(&stdout)
        ),
    }
}

/// Waits for a child, or kills it when its time is up.
pub fn wait(child: &mut Child) -> Option<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        if start.elapsed() > LIMIT {
            child.kill().expect("a child can be killed");
            child.wait().expect("a child can be waited for");
            return None;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Reads a pipe to its end beside the child, which would block on a full one.
fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    let mut pipe = pipe.expect("the pipe was asked for");
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}
