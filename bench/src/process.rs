//! Child processes that end in time.

use std::io::{Read, Seek};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use wait_timeout::ChildExt;

use crate::result_line::ResultLine;

/// How many lines of a failed process are shown.
const MESSAGE_LINES: usize = 4;

/// What a process that ended well left behind.
#[derive(Debug)]
pub struct Finished {
    /// What it printed to its standard output.
    pub output: String,
    /// The time from before its start until after its end.
    pub took: Duration,
}

/// Runs `command` to its end and takes its standard output.
///
/// Fails with what it printed when it does not end well, or not within `limit`.
pub fn run(command: &mut Command, limit: Duration) -> Result<Finished> {
    let (mut output, mut errors) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(errors.try_clone()?);
    let (status, took) = wait(command, limit)?;
    let read = |file: &mut std::fs::File| -> Result<String> {
        let mut text = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    let output = read(&mut output)?;
    match status {
        Some(status) if status.success() => Ok(Finished { output, took }),
        ended => {
            let how = match ended {
                Some(status) => status.to_string(),
                None => format!("no end after {}", humantime::format_duration(limit)),
            };
            let errors = read(&mut errors)?;
            let said = beginning(if errors.trim().is_empty() {
                &output
            } else {
                &errors
            });
            bail!("{how}: {said}")
        }
    }
}

/// Has a child process of this program's own measure `subject`, by its command `measure`, and
/// returns the nanoseconds of an operation.
pub fn measure(subject: &[&str], workers: usize, time: Duration, limit: Duration) -> Result<f64> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("measure")
        .args(subject)
        .args(["--workers", &workers.to_string()])
        .args(["--time", &format!("{}ns", time.as_nanos())]);
    let results = ResultLine::parse_all(&run(&mut command, limit)?.output);
    let result = results.first().context("no result was printed")?;
    Ok(result.measurement.nanos_per_op)
}

/// Waits for the process to end; `None` if it had to be killed at `limit`.
fn wait(command: &mut Command, limit: Duration) -> Result<(Option<ExitStatus>, Duration)> {
    let start = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let status = child.wait_timeout(limit)?;
    let took = start.elapsed();
    if status.is_none() {
        child.kill()?;
        child.wait()?;
    }
    Ok((status, took))
}

/// The first lines of what a process had to say.
fn beginning(text: &str) -> String {
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    match lines.len() {
        0 => "no message".to_owned(),
        1..=MESSAGE_LINES => lines.join(" | "),
        _ => format!("{} | …", lines[..MESSAGE_LINES].join(" | ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn takes_the_output() {
        let finished = run(&mut shell("echo one; echo two >&2"), LONG).unwrap();
        assert_eq!(finished.output, "one\n");
    }

    #[test]
    fn failure_says_what_was_printed() {
        let error = run(&mut shell("echo out; echo wrong >&2; exit 3"), LONG).unwrap_err();
        assert_eq!(error.to_string(), "exit status: 3: wrong");
    }

    #[test]
    fn long_messages_are_cut() {
        let error = run(&mut shell("seq 9 >&2; exit 1"), LONG).unwrap_err();
        assert_eq!(error.to_string(), "exit status: 1: 1 | 2 | 3 | 4 | …");
    }

    #[test]
    fn a_hang_ends() {
        let error = run(&mut shell("exec sleep 60"), Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.to_string(), "no end after 50ms: no message");
    }
}
