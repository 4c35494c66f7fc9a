//! Whole programs, ours and the same written in Go.
//!
//! Ours are in the binary `programs`, which brings nothing else, as Go's does not.
//!
//! The clock is the wall clock from before the start of the process until after its end, so that
//! both runtimes pay for starting and for stopping. Output goes to a file on both sides.

mod computing;
mod files;
mod talking;
mod turns;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Subcommand;
use gochan::go;

use crate::go_peer::Go;
use crate::process;
use turns::turns_in;

const LIMIT: Duration = Duration::from_secs(120);
const BUILD_LIMIT: Duration = Duration::from_secs(900);
/// Where both sides print what they computed before it is believed that they do the same.
const CHECKED_WORKERS: usize = 2;

/// A program in two languages.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The name in reports.
    pub name: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// One of ours, which depends on how fast the machine is.
    Task(fn() -> Task),
    /// The example `md5all`, over a tree of files that are in memory.
    Md5All,
}

/// A program that is in the binary `programs` and, under the same name, in `bench/go/programs`.
///
/// Turns are those of a xorshift generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Task {
    /// Eight goroutines take jobs from a channel.
    Pool {
        /// How many jobs.
        jobs: u64,
        /// How long each is.
        turns: u64,
        /// The channel's capacity.
        capacity: usize,
    },
    /// Merge sort, with a goroutine for each split.
    Sort {
        /// How many numbers.
        length: usize,
        /// So few are not split among goroutines.
        split: usize,
    },
    /// Three stages that compute.
    Pipeline {
        /// How many items go through.
        items: u64,
        /// How long each stage takes for one.
        turns: u64,
    },
    /// Pairs of goroutines that play ping-pong.
    Pairs {
        /// How many pairs.
        count: u64,
        /// How often the ball comes back.
        rounds: u64,
    },
    /// Many short goroutines, whose results are gathered.
    Scatter {
        /// How often.
        times: u64,
        /// How many goroutines.
        count: u64,
        /// How long each computes.
        turns: u64,
    },
    /// A chain of goroutines that finds primes.
    Sieve {
        /// How many primes.
        primes: u64,
    },
    /// A ring of goroutines that passes a counter on.
    Ring {
        /// How many goroutines.
        count: u64,
        /// How often the counter comes back.
        laps: u64,
    },
    /// A goroutine for each node of a tree.
    Tree {
        /// How many goroutines.
        count: u64,
    },
}

const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// A pool whose jobs take `job` each, and 400 ms of one processor in all.
fn pool(job: Duration, capacity: usize) -> Task {
    Task::Pool {
        jobs: (micros(400_000).as_nanos() / job.as_nanos()) as u64,
        turns: turns_in(job),
        capacity,
    }
}

/// All programs.
pub static PROGRAMS: &[Program] = &[
    Program::task("Pool/1us/unbuffered", || pool(micros(1), 0)),
    Program::task("Pool/1us/buffered", || pool(micros(1), 100)),
    Program::task("Pool/10us/unbuffered", || pool(micros(10), 0)),
    Program::task("Pool/10us/buffered", || pool(micros(10), 100)),
    Program::task("Pool/100us/unbuffered", || pool(micros(100), 0)),
    Program::task("Pool/100us/buffered", || pool(micros(100), 100)),
    Program::task("Pool/1ms/unbuffered", || pool(micros(1000), 0)),
    Program::task("Pool/1ms/buffered", || pool(micros(1000), 100)),
    Program::task("ForkJoin", || Task::Sort {
        length: 1_000_000,
        split: 1_000,
    }),
    Program::task("Pipeline/100us", || Task::Pipeline {
        items: 1_000,
        turns: turns_in(micros(100)),
    }),
    Program::task("PingPongPairs/64", || Task::Pairs {
        count: 64,
        rounds: 20_000,
    }),
    Program::task("ScatterGather/10000", || Task::Scatter {
        times: 20,
        count: 10_000,
        turns: turns_in(micros(1)),
    }),
    Program {
        name: "Md5All",
        kind: Kind::Md5All,
    },
    Program::task("Sieve/2000", || Task::Sieve { primes: 2_000 }),
    Program::task("Ring/1000", || Task::Ring {
        count: 1_000,
        laps: 2_000,
    }),
    Program::task("Tree/100000", || Task::Tree { count: 100_000 }),
];

impl Program {
    const fn task(name: &'static str, task: fn() -> Task) -> Self {
        let kind = Kind::Task(task);
        Self { name, kind }
    }

    /// Makes what the program works on in `directory`, and runs both sides once.
    ///
    /// Fails if they print different results.
    pub fn prepare(
        &self,
        directory: &Path,
        ours: &OurPrograms,
        go: Option<&GoPrograms>,
    ) -> Result<Prepared> {
        let prepared = match self.kind {
            Kind::Task(task) => prepare_task(task(), ours, go),
            Kind::Md5All => prepare_md5all(directory, go),
        };
        prepared
            .and_then(Prepared::checked)
            .with_context(|| format!("cannot prepare {}", self.name))
    }
}

impl Task {
    /// The words that make a command line of it, here and in Go.
    fn words(self) -> Vec<String> {
        let (name, numbers) = match self {
            Task::Pool {
                jobs,
                turns,
                capacity,
            } => ("pool", vec![jobs, turns, capacity as u64]),
            Task::Sort { length, split } => ("sort", vec![length as u64, split as u64]),
            Task::Pipeline { items, turns } => ("pipeline", vec![items, turns]),
            Task::Pairs { count, rounds } => ("pairs", vec![count, rounds]),
            Task::Scatter {
                times,
                count,
                turns,
            } => ("scatter", vec![times, count, turns]),
            Task::Sieve { primes } => ("sieve", vec![primes]),
            Task::Ring { count, laps } => ("ring", vec![count, laps]),
            Task::Tree { count } => ("tree", vec![count]),
        };
        let numbers = numbers.iter().map(u64::to_string);
        [name.to_owned()].into_iter().chain(numbers).collect()
    }

    /// Does it in a goroutine of the default runtime and returns a number that depends on all of
    /// it. The runtime goes on, and ends with the process.
    pub fn run(self) -> Result<u64> {
        let computed = go! {
            match self {
                Task::Pool { jobs, turns, capacity } => computing::pool(jobs, turns, capacity),
                Task::Sort { length, split } => computing::sort(length, split),
                Task::Pipeline { items, turns } => computing::pipeline(items, turns),
                Task::Pairs { count, rounds } => talking::pairs(count, rounds),
                Task::Scatter { times, count, turns } => computing::scatter(times, count, turns),
                Task::Sieve { primes } => talking::sieve(primes),
                Task::Ring { count, laps } => talking::ring(count, laps),
                Task::Tree { count } => computing::tree(count),
            }
        };
        computed.join().map_err(|error| anyhow!("{error}"))
    }
}

/// The binary of our [tasks](Task), built.
#[derive(Debug)]
pub struct OurPrograms(PathBuf);

impl OurPrograms {
    /// Builds it next to this program.
    pub fn build() -> Result<Self> {
        Ok(OurPrograms(build_binary("bench", "programs")?))
    }
}

/// The Go programs, built.
#[derive(Debug)]
pub struct GoPrograms {
    programs: PathBuf,
    md5all: PathBuf,
}

impl GoPrograms {
    /// Builds them into `directory`.
    pub fn build(go: &Go, directory: &Path) -> Result<Self> {
        let build = |source, name| go.build_program(source, &directory.join(name));
        Ok(Self {
            programs: build("bench/go/programs/main.go", "go-programs")?,
            md5all: build("examples/go/md5all.go", "go-md5all")?,
        })
    }
}

/// A program that is built and has its data.
#[derive(Debug)]
pub struct Prepared {
    ours: Vec<OsString>,
    peer: Option<Vec<OsString>>,
}

impl Prepared {
    /// Runs our program and says how long the process took.
    pub fn run_ours(&self, workers: usize) -> Result<Duration> {
        Ok(run(&self.ours, workers)?.took)
    }

    /// Runs the Go program, if there is one.
    pub fn run_peer(&self, workers: usize) -> Option<Result<Duration>> {
        let peer = self.peer.as_ref()?;
        Some(run(peer, workers).map(|finished| finished.took))
    }

    /// Runs both once, to warm the caches, and compares what they print.
    fn checked(self) -> Result<Self> {
        let ours = run(&self.ours, CHECKED_WORKERS)?.output;
        if let Some(peer) = &self.peer {
            let peer = run(peer, CHECKED_WORKERS)?.output;
            ensure!(ours == peer, "the two programs print different results");
        }
        Ok(self)
    }
}

fn run(words: &[OsString], workers: usize) -> Result<process::Finished> {
    let workers = workers.to_string();
    process::run(
        Command::new(&words[0])
            .args(&words[1..])
            .env("GOCHAN_MAXPROCS", &workers)
            .env("GOMAXPROCS", &workers),
        LIMIT,
    )
}

fn prepare_task(task: Task, ours: &OurPrograms, go: Option<&GoPrograms>) -> Result<Prepared> {
    let with_words = |program: &[OsString]| {
        let words = task.words().into_iter().map(OsString::from);
        program.iter().cloned().chain(words).collect()
    };
    Ok(Prepared {
        ours: with_words(&[ours.0.clone().into()]),
        peer: go.map(|go| with_words(&[go.programs.clone().into()])),
    })
}

fn prepare_md5all(directory: &Path, go: Option<&GoPrograms>) -> Result<Prepared> {
    let tree = directory.join("tree");
    files::make_tree(&tree)?;
    let on_tree = |program: PathBuf| vec![program.into(), tree.clone().into()];
    Ok(Prepared {
        ours: on_tree(build_binary("examples", "md5all")?),
        peer: go.map(|go| on_tree(go.md5all.clone())),
    })
}

/// Builds a program of one of our packages next to this program, with the same profile.
fn build_binary(package: &str, name: &str) -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let out = program
        .parent()
        .context("a program stands in a directory")?;
    let target = out
        .parent()
        .context("a profile's directory stands in another")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    process::run(
        Command::new(cargo)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["build", "--release", "--package", package, "--bin", name])
            .arg("--target-dir")
            .arg(target),
        BUILD_LIMIT,
    )
    .with_context(|| format!("cannot build {name} of the package {package}"))?;
    Ok(target.join("release").join(name))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = PROGRAMS.iter().map(|program| program.name).collect();
        assert_eq!(names.len(), PROGRAMS.len());
    }

    #[test]
    fn tasks_are_written_as_they_are_read() {
        #[derive(Debug, clap::Parser)]
        struct Line {
            #[command(subcommand)]
            task: Task,
        }
        for program in PROGRAMS {
            if let Kind::Task(task) = program.kind {
                let task = task();
                let words = ["programs".to_owned()].into_iter().chain(task.words());
                let line = <Line as clap::Parser>::try_parse_from(words).unwrap();
                assert_eq!(line.task, task);
            }
        }
    }
}
