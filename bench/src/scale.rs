//! Very many goroutines at a time, and one after the other: what they cost in time and memory.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gochan::runtime::{Config, Runtime};
use gochan::sync::WaitGroup;
use gochan::{Chan, go, time};
use serde::{Deserialize, Serialize};

use crate::go_peer::Go;
use crate::process;

const LIMIT: Duration = Duration::from_secs(300);

/// What so many goroutines cost that are all blocked at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Time until all were started and blocked.
    pub start_ns: f64,
    /// Time from the moment that wakes them until the last one had finished.
    pub finish_ns: f64,
    /// Memory in use, without page tables.
    pub rss_bytes: f64,
    /// Page tables.
    pub page_table_bytes: f64,
    /// Mappings of the whole process.
    pub mappings: f64,
}

impl Figures {
    /// Start and finish.
    pub fn time_ns(&self) -> f64 {
        self.start_ns + self.finish_ns
    }

    /// Memory and page tables.
    pub fn bytes(&self) -> f64 {
        self.rss_bytes + self.page_table_bytes
    }
}

/// Which program is measured.
#[derive(Clone, Copy, Debug)]
pub enum Side<'a> {
    /// This one.
    Ours,
    /// The same in Go, as built by [`build_peer`].
    Go(&'a Path),
}

/// Builds the Go program into `directory`.
pub fn build_peer(go: &Go, directory: &Path) -> Result<std::path::PathBuf> {
    go.build_program(
        "bench/go/goroutines/main.go",
        &directory.join("go-goroutines"),
    )
}

/// Measures `count` goroutines in a process of their own.
///
/// Our side is the calling program, run with `--here`.
pub fn measure(side: Side<'_>, count: usize, workers: usize) -> Result<Figures> {
    let mut command = match side {
        Side::Ours => {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("--here");
            command
        }
        Side::Go(program) => Command::new(program),
    };
    let workers = workers.to_string();
    command
        .arg(count.to_string())
        .env("GOCHAN_MAXPROCS", &workers)
        .env("GOMAXPROCS", &workers);
    let output = process::run(&mut command, LIMIT)?.output;
    serde_json::from_str(&output).with_context(|| format!("no figures in {output:?}"))
}

/// Goroutines that are all blocked on a receive at the same time.
///
/// They share it by reference, as Go's share what they capture: counting references would be work
/// that the peer does not do.
struct Crowd {
    gate: Chan<()>,
    blocked: WaitGroup,
    ended: WaitGroup,
}

impl Crowd {
    /// Starts `count` goroutines and returns when all of them are blocked, or are about to be.
    fn start(count: usize) -> &'static Self {
        let crowd: &Crowd = Box::leak(Box::new(Crowd {
            gate: Chan::new(0),
            blocked: WaitGroup::new(),
            ended: WaitGroup::new(),
        }));
        crowd.blocked.add(count);
        crowd.ended.add(count);
        for _ in 0..count {
            go!({
                crowd.blocked.done();
                crowd.gate.recv();
                crowd.ended.done();
            });
        }
        crowd.blocked.wait();
        crowd
    }

    /// Lets all of them finish.
    fn finish(&self) {
        self.gate.close();
        self.ended.wait();
    }
}

/// Starts `count` goroutines that block on a receive, measures the memory, and lets them all
/// finish.
pub fn run(count: usize) -> Result<Figures> {
    Runtime::new(Config::new())?.run(|| {
        let before = Memory::now()?;

        let begin = Instant::now();
        let crowd = Crowd::start(count);
        let start = begin.elapsed();

        // The last ones are on their way from saying so to being blocked.
        time::sleep(Duration::from_millis(10));
        let after = Memory::now()?;

        let begin = Instant::now();
        crowd.finish();
        let finish = begin.elapsed();

        Ok(Figures {
            start_ns: start.as_nanos() as f64,
            finish_ns: finish.as_nanos() as f64,
            rss_bytes: after.rss - before.rss,
            page_table_bytes: after.page_tables - before.page_tables,
            mappings: after.mappings,
        })
    })
}

/// Starts and finishes `count` goroutines in `waves`, each of which is blocked as a whole before
/// it finishes. Returns the bytes in use after each wave.
pub fn run_waves(count: usize, waves: usize) -> Result<Vec<f64>> {
    ensure!(
        waves > 0 && count >= waves,
        "{count} are too few for {waves} waves"
    );
    Runtime::new(Config::new())?.run(|| {
        (0..waves)
            .map(|_| {
                Crowd::start(count / waves).finish();
                Ok(Memory::now()?.rss)
            })
            .collect()
    })
}

/// What the kernel says of this process.
#[derive(Clone, Copy, Debug)]
struct Memory {
    rss: f64,
    page_tables: f64,
    mappings: f64,
}

impl Memory {
    fn now() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status")
            .context("memory can be measured on Linux only")?;
        Ok(Memory {
            rss: bytes(&status, "VmRSS:")?,
            page_tables: bytes(&status, "VmPTE:")?,
            mappings: fs::read_to_string("/proc/self/maps")?.lines().count() as f64,
        })
    }
}

/// The amount in a line such as `VmRSS:     1234 kB`.
fn bytes(status: &str, name: &str) -> Result<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let amount = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let kibibytes: f64 = amount
        .with_context(|| format!("no {name} in /proc/self/status"))?
        .parse()?;
    Ok(kibibytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_kibibytes() {
        let status = "Name:\tx\nVmRSS:\t     12 kB\nVmPTE:\t 8 kB\n";
        assert_eq!(bytes(status, "VmRSS:").unwrap(), 12_288.0);
        assert_eq!(bytes(status, "VmPTE:").unwrap(), 8_192.0);
        assert!(bytes(status, "VmHWM:").is_err());
    }
}
