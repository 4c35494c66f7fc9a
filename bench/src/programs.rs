//! Whole programs, ours and the same written in Go.
//!
//! The clock is the wall clock from before the start of the process until after its end, so that
//! both runtimes pay for starting and for stopping. Output goes to a file on both sides.

use std::ffi::OsString;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gochan::runtime::{Config, Runtime};
use gochan::{Chan, go};

use crate::go_peer::Go;
use crate::process;

/// What the names of programs start with.
pub const PREFIX: &str = "Program/";

const LIMIT: Duration = Duration::from_secs(120);
const BUILD_LIMIT: Duration = Duration::from_secs(900);
/// Jobs of a run of `Pool1ms`.
const JOBS: u64 = 400;
/// Files in the tree of `Md5All`.
const FILES: usize = 4000;

/// A program in two languages.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The name in reports.
    pub name: &'static str,
    /// The fewest workers at which it shows anything.
    pub least_workers: usize,
    prepare: fn(&Path, Option<&Go>) -> Result<Prepared>,
}

/// All programs.
pub static PROGRAMS: &[Program] = &[
    Program {
        name: "Program/Pool1ms",
        least_workers: 2,
        prepare: prepare_pool,
    },
    Program {
        name: "Program/Md5All",
        least_workers: 1,
        prepare: prepare_md5all,
    },
];

impl Program {
    /// Builds both sides into `directory` and makes what they work on.
    pub fn prepare(&self, directory: &Path, go: Option<&Go>) -> Result<Prepared> {
        (self.prepare)(directory, go).with_context(|| format!("cannot prepare {}", self.name))
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
    fn check(&self) -> Result<()> {
        let ours = run(&self.ours, 2)?.output;
        if let Some(peer) = &self.peer {
            let peer = run(peer, 2)?.output;
            ensure!(ours == peer, "the two programs print different results");
        }
        Ok(())
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

fn prepare_pool(directory: &Path, go: Option<&Go>) -> Result<Prepared> {
    let arguments = [JOBS, turns_in(Duration::from_millis(1))].map(|n| n.to_string().into());
    let program = std::env::current_exe()?;
    let ours = [program.into(), "pool".into()]
        .into_iter()
        .chain(arguments.clone());
    let peer = match go {
        Some(go) => {
            let program = go.build_program("bench/go/pool/main.go", &directory.join("go-pool"))?;
            Some([program.into()].into_iter().chain(arguments).collect())
        }
        None => None,
    };
    let prepared = Prepared {
        ours: ours.collect(),
        peer,
    };
    prepared.check()?;
    Ok(prepared)
}

/// Runs our side of `Pool1ms` and returns what its jobs computed: eight goroutines take jobs from
/// an unbuffered channel and compute for `turns` turns on each.
pub fn pool(jobs: u64, turns: u64) -> Result<u64> {
    const GOROUTINES: u64 = 8;
    let total = Runtime::new(Config::new())?.run(move || {
        let queue = Chan::<u64>::new(0);
        let sums = Chan::<u64>::new(0);
        for _ in 0..GOROUTINES {
            go!(clone(queue, sums), {
                let mut sum = 0_u64;
                for job in queue.receiver() {
                    sum = sum.wrapping_add(compute(job, turns));
                }
                sums.send(sum).expect("open");
            });
        }
        for job in 1..=jobs {
            queue.send(job).expect("open");
        }
        queue.close();
        (0..GOROUTINES).fold(0_u64, |total, _| {
            total.wrapping_add(sums.recv().expect("open"))
        })
    });
    Ok(total)
}

/// Turns of a xorshift generator (Marsaglia, 2003): each waits for the one before, so that the
/// compilers of both languages come to the same speed.
fn compute(seed: u64, turns: u64) -> u64 {
    let mut x = seed;
    for _ in 0..turns {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        black_box(());
    }
    black_box(x)
}

/// How many turns take `time` on this machine when nothing else runs.
fn turns_in(time: Duration) -> u64 {
    const TURNS: u64 = 1_000_000;
    let fastest = (0..10)
        .map(|_| {
            let start = Instant::now();
            compute(1, TURNS);
            start.elapsed()
        })
        .min()
        .expect("ten runs");
    (TURNS as f64 * time.as_secs_f64() / fastest.as_secs_f64()) as u64
}

fn prepare_md5all(directory: &Path, go: Option<&Go>) -> Result<Prepared> {
    let tree = directory.join("tree");
    make_tree(&tree)?;
    let peer = match go {
        Some(go) => {
            let program =
                go.build_program("examples/go/md5all.go", &directory.join("go-md5all"))?;
            Some(vec![program.into(), tree.clone().into()])
        }
        None => None,
    };
    let prepared = Prepared {
        ours: vec![build_example("md5all")?.into(), tree.into()],
        peer,
    };
    prepared.check()?;
    Ok(prepared)
}

/// Builds a program of the `examples` package next to this program, with the same profile.
fn build_example(name: &str) -> Result<PathBuf> {
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
            .args(["build", "--release", "--package", "examples", "--bin", name])
            .arg("--target-dir")
            .arg(target),
        BUILD_LIMIT,
    )
    .with_context(|| format!("cannot build the example {name}"))?;
    Ok(target.join("release").join(name))
}

/// Makes a tree of files, most of them small and a few large, about 70 MB in all.
fn make_tree(root: &Path) -> Result<()> {
    // What the files hold does not matter, but no two are the same.
    let bytes: Vec<u8> = (0..2_u32 << 20)
        .map(|i| (i.wrapping_mul(i) >> 7) as u8)
        .collect();
    for file in 0..FILES {
        let directory = root
            .join(format!("{:02}", file % 50))
            .join(format!("{}", file % 3));
        fs::create_dir_all(&directory)?;
        let size = match file % 100 {
            0 => 1 << 20,
            1..10 => 50_000 + file,
            10..50 => 5_000 + file,
            _ => file,
        };
        fs::write(
            directory.join(format!("{file:05}")),
            &bytes[file..file + size],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_has_files_of_many_sizes() {
        let directory = tempfile::tempdir().unwrap();
        make_tree(directory.path()).unwrap();
        let file = |path| fs::metadata(directory.path().join(path)).unwrap().len();
        assert_eq!(file("00/0/00000"), 1 << 20);
        assert_eq!(file("01/0/03051"), 3051);
    }

    #[test]
    fn computing_depends_on_the_seed() {
        assert_eq!(
            compute(1, 1),
            1 ^ 1 << 13 ^ (1 ^ 1 << 13) >> 7 ^ ((1 ^ 1 << 13) ^ (1 ^ 1 << 13) >> 7) << 17
        );
        assert_ne!(compute(1, 100), compute(2, 100));
    }
}
