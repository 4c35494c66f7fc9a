//! Child processes that end in time.

use std::io::{Read, Seek};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use wait_timeout::ChildExt;

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
    let mut read = |file: &mut std::fs::File| -> Result<String> {
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
            bail!(
                "{how}: {}",
                first_line(&errors)
                    .or(first_line(&output))
                    .unwrap_or("no message")
            )
        }
    }
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

fn first_line(text: &str) -> Option<&str> {
    text.lines().find(|line| !line.trim().is_empty())
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
    fn a_hang_ends() {
        let error = run(&mut shell("exec sleep 60"), Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.to_string(), "no end after 50ms: no message");
    }
}
