//! gochan and other Rust libraries, doing the same.
//!
//! Each side does a job as its own documentation recommends: with goroutines where it has such (the
//! coroutines of `may`, the tasks of `tokio`), with threads of the operating system where it has
//! channels only. A job that a side cannot do, such as a channel without buffer on `tokio` or a
//! bounded one on `may`, has no figure.
//!
//! - `blocking`: the jobs, for those that block where they wait.
//! - `asynchronous`: the jobs, for those that await.
//! - `gochan`, `may`, `threads`, `tokio`: the sides.
//! - [`contest`]: lets all sides take turns.
//! - [`table`]: what becomes of the figures.

mod asynchronous;
mod blocking;
pub mod contest;
mod gochan;
mod may;
pub mod table;
mod threads;
mod tokio;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::measure::{Bencher, Extent, Measurement, measure};

/// How many send, and how many receive, where there are many.
const MANY: u64 = 8;
/// How many goroutines are started before all of them are waited for.
const BATCH: u64 = 100;

/// What all sides do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// One thread sends and receives.
    Uncontended,
    /// Two pass a value to and fro, without a buffer where the side has such channels. An
    /// operation is once to and fro.
    PingPong,
    /// One sends and one receives.
    ProdCons(Capacity),
    /// Eight send and one receives.
    ManyToOne(Capacity),
    /// Eight send and eight receive.
    ManyToMany(Capacity),
    /// One sends to two channels in turn, and one selects over them.
    SelectTwo,
    /// The same over eight channels.
    SelectEight,
    /// Starts a hundred goroutines and waits until all have ended, with what the side has for that.
    /// An operation is one of them.
    SpawnFinish,
    /// Starts a goroutine and joins it.
    SpawnJoin,
    /// Two let each other run.
    Yield,
}

/// How many values a channel has room for; any number where it is unbounded.
pub type Capacity = Option<usize>;

/// All jobs and their names.
pub static JOBS: &[(&str, Job)] = &[
    ("Uncontended", Job::Uncontended),
    ("PingPong", Job::PingPong),
    ("ProdCons/0", Job::ProdCons(Some(0))),
    ("ProdCons/1", Job::ProdCons(Some(1))),
    ("ProdCons/10", Job::ProdCons(Some(10))),
    ("ProdCons/100", Job::ProdCons(Some(100))),
    ("ProdCons/unbounded", Job::ProdCons(None)),
    ("ManyToOne/100", Job::ManyToOne(Some(100))),
    ("ManyToOne/unbounded", Job::ManyToOne(None)),
    ("ManyToMany/100", Job::ManyToMany(Some(100))),
    ("ManyToMany/unbounded", Job::ManyToMany(None)),
    ("Select/2", Job::SelectTwo),
    ("Select/8", Job::SelectEight),
    ("SpawnFinish", Job::SpawnFinish),
    ("SpawnJoin", Job::SpawnJoin),
    ("Yield", Job::Yield),
];

impl Job {
    /// The job of this name.
    pub fn named(name: &str) -> Result<Self> {
        let job = JOBS.iter().find(|job| job.0 == name);
        Ok(job.with_context(|| format!("no job is called {name}"))?.1)
    }
}

/// Does so many operations of a job.
type Work = Box<dyn Fn(u64) + Send>;

/// Who does a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Side {
    /// gochan.
    Ours,
    /// The coroutines and channels of `may`.
    May,
    /// `crossbeam-channel`, between threads.
    Crossbeam,
    /// `kanal`, between threads.
    Kanal,
    /// `flume`, between threads.
    Flume,
    /// `tokio::sync::mpsc`, between tasks.
    Tokio,
    /// The asynchronous side of `kanal`, between tasks of `tokio`.
    KanalAsync,
}

/// All but ours.
pub static PEERS: &[Side] = &[
    Side::May,
    Side::Crossbeam,
    Side::Kanal,
    Side::Flume,
    Side::Tokio,
    Side::KanalAsync,
];

impl Side {
    /// The name in reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Side::Ours => "ours",
            Side::May => "may",
            Side::Crossbeam => "crossbeam",
            Side::Kanal => "kanal",
            Side::Flume => "flume",
            Side::Tokio => "tokio",
            Side::KanalAsync => "kanal-async",
        }
    }

    /// Whether the side can do the job.
    pub fn can(self, job: Job) -> bool {
        self.work(job).is_some()
    }

    fn work(self, job: Job) -> Option<Work> {
        match self {
            Side::Ours => gochan::work(job),
            Side::May => may::work(job),
            Side::Crossbeam => threads::crossbeam(job),
            Side::Kanal => threads::kanal(job),
            Side::Flume => threads::flume(job),
            Side::Tokio => tokio::mpsc(job),
            Side::KanalAsync => tokio::kanal(job),
        }
    }

    /// Measures the job in this process, which must not have measured before.
    ///
    /// Sides without a runtime of their own take no notice of the number of workers.
    pub fn measure(self, job: Job, workers: usize, extent: Extent) -> Result<Measurement> {
        let work = self
            .work(job)
            .with_context(|| format!("{} cannot do this", self.name()))?;
        let measured = move || measure(|b: &mut Bencher| work(b.iterations()), workers, extent);
        match self {
            Side::Ours => gochan::inside(workers, measured),
            Side::May => Ok(may::inside(workers, measured)),
            Side::Tokio | Side::KanalAsync => tokio::inside(workers, measured),
            Side::Crossbeam | Side::Kanal | Side::Flume => Ok(measured()),
        }
    }
}

/// The part of `n` operations that falls to the one with this index of [`MANY`].
fn share_of(n: u64, index: u64) -> u64 {
    n / MANY + u64::from(index < n % MANY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for n in [0, 1, 7, 8, 9, 1003] {
            assert_eq!((0..MANY).map(|index| share_of(n, index)).sum::<u64>(), n);
        }
    }

    #[test]
    fn sides_are_named_as_on_the_command_line() {
        for side in Side::value_variants() {
            let value = side.to_possible_value().unwrap();
            assert_eq!(value.get_name(), side.name());
        }
    }

    #[test]
    fn every_job_is_ours_and_a_peers() {
        for (name, job) in JOBS {
            assert!(Side::Ours.can(*job), "{name}");
            assert!(PEERS.iter().any(|peer| peer.can(*job)), "{name}");
        }
    }
}
