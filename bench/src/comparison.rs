//! Lets both sides take turns.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use anyhow::{Context, Result};
use gochan::runtime::{Config, Runtime};

use crate::cli::{Options, ProgramOptions};
use crate::go_peer::{Go, GoBenchmarks};
use crate::measure::{Extent, measure};
use crate::process;
use crate::programs::{GoPrograms, OurPrograms, PROGRAMS, Prepared};
use crate::result_line::ResultLine;
use crate::summary::{Comparison, Samples};
use crate::workloads::{WORKLOADS, Workload};

/// Two sides that do the same.
trait Contest {
    /// Measures ours, in nanoseconds for each operation.
    fn ours(&self, workers: usize) -> Result<f64>;
    /// Measures the peer's, if there is one.
    fn peer(&self, workers: usize) -> Option<Result<f64>>;
}

/// A workload against Go's benchmark of its name.
struct Benchmark<'a> {
    workload: &'a Workload,
    time: Duration,
    go: Option<&'a GoBenchmarks>,
}

impl Benchmark<'_> {
    /// A side that needs this long hangs: growing to the measured run takes a few times the
    /// measured time.
    fn limit(&self) -> Duration {
        Duration::from_secs(60) + 40 * self.time
    }
}

impl Contest for Benchmark<'_> {
    fn ours(&self, workers: usize) -> Result<f64> {
        process::measure(&[self.workload.name], workers, self.time, self.limit())
    }

    fn peer(&self, workers: usize) -> Option<Result<f64>> {
        let go = self.go.filter(|_| self.workload.in_go)?;
        let measured = go.measure(self.workload.name, workers, self.time, self.limit());
        Some(measured.map(|measurement| measurement.nanos_per_op))
    }
}

impl Contest for Prepared {
    fn ours(&self, workers: usize) -> Result<f64> {
        Ok(self.run_ours(workers)?.as_nanos() as f64)
    }

    fn peer(&self, workers: usize) -> Option<Result<f64>> {
        let measured = self.run_peer(workers)?;
        Some(measured.map(|took| took.as_nanos() as f64))
    }
}

/// Compares the benchmarks that `options` ask for. What fails on our side is in the rows; an error
/// is returned when the peer cannot be built.
pub fn benchmarks(options: &Options, go: Option<&Go>) -> Result<Vec<Comparison>> {
    let directory = tempfile::tempdir()?;
    let mut built = BTreeMap::new();
    let mut rows = Vec::new();
    for workload in WORKLOADS {
        if !options.wants(workload) {
            continue;
        }
        if let (Some(go), true) = (go, workload.in_go)
            && let Entry::Vacant(place) = built.entry(workload.package)
        {
            place.insert(go.build_benchmarks(workload.package, directory.path())?);
        }
        let contest = Benchmark {
            workload,
            time: options.time,
            go: built.get(&workload.package),
        };
        for &workers in &options.workers {
            rows.push(take_turns(
                &contest,
                workload.name,
                workers,
                options.plan.rounds,
            ));
        }
    }
    Ok(rows)
}

/// Compares the programs that `options` ask for. What fails on either side is in the rows; an error
/// is returned when Go's programs cannot be built.
pub fn programs(options: &ProgramOptions, go: Option<&Go>) -> Result<Vec<Comparison>> {
    let directory = tempfile::tempdir()?;
    let ours = OurPrograms::build()?;
    let peers = go.map(|go| GoPrograms::build(go, directory.path()));
    let peers = peers.transpose()?;
    let mut rows = Vec::new();
    for program in PROGRAMS {
        if !options.plan.filter.is_match(program.name) {
            continue;
        }
        let prepared = program.prepare(directory.path(), &ours, peers.as_ref());
        for &workers in &options.workers {
            rows.push(match &prepared {
                Ok(prepared) => take_turns(prepared, program.name, workers, options.plan.rounds),
                Err(error) => Comparison::new(
                    program.name,
                    workers,
                    &Samples::default(),
                    Some(format!("{error:#}")),
                ),
            });
        }
    }
    Ok(rows)
}

/// Ours, the peer's, ours, the peer's, … until the rounds are over or a side fails.
fn take_turns(contest: &impl Contest, name: &str, workers: usize, rounds: u32) -> Comparison {
    let mut samples = Samples::default();
    let mut failure = None;
    for round in 1..=rounds {
        eprint!("\r\x1b[K{name}, workers: {workers}, round {round} of {rounds}");
        match contest.ours(workers) {
            Ok(nanos) => samples.ours.push(nanos),
            Err(error) => failure = Some(format!("ours: {error:#}")),
        }
        match contest.peer(workers) {
            Some(Ok(nanos)) => samples.peer.push(nanos),
            Some(Err(error)) => failure = Some(format!("Go's: {error:#}")),
            None => {}
        }
        if failure.is_some() {
            break;
        }
    }
    eprint!("\r\x1b[K");
    // A round in which one side failed has no partner.
    if samples.ours.len() < samples.peer.len() {
        samples.peer.truncate(samples.ours.len().max(1));
    }
    Comparison::new(name, workers, &samples, failure)
}

/// Measures one of our workloads in this process, on a runtime of its own.
pub fn measure_ours(name: &str, workers: usize, extent: Extent) -> Result<ResultLine> {
    let workload =
        Workload::named(name).with_context(|| format!("no workload is called {name}"))?;
    let threads = if workload.one_worker { 1 } else { workers };
    let runtime = Runtime::new(Config::new().workers(threads))?;
    let measurement = runtime.run(move || measure(workload.run, threads, extent));
    Ok(ResultLine {
        name: name.to_owned(),
        workers,
        measurement,
    })
}
