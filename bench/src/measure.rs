//! Runs a workload as Go's `testing` package runs a benchmark.
//!
//! The number of iterations grows until one run takes the wanted time; that run is the
//! measurement. Parallel workloads share the iterations among one goroutine per worker, in batches
//! that take about 100 µs. Both rules follow `testing/benchmark.go`, because figures that were
//! reached in different ways cannot be compared.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use gochan::go;

/// The most iterations a run is ever asked for.
const MAX_ITERATIONS: u64 = 1_000_000_000;
/// How long a batch of a parallel workload should take.
const BATCH_TIME: Duration = Duration::from_micros(100);
/// The most iterations of a batch.
const MAX_BATCH: u64 = 10_000;

/// What a workload is told about one run of it, and the clock of that run.
#[derive(Debug)]
pub struct Bencher {
    iterations: u64,
    workers: usize,
    batch: u64,
    elapsed: Duration,
    running_since: Option<Instant>,
}

impl Bencher {
    fn new(iterations: u64, workers: usize, batch: u64) -> Self {
        Self {
            iterations,
            workers,
            batch,
            elapsed: Duration::ZERO,
            running_since: None,
        }
    }

    /// How many iterations this run is to do.
    pub fn iterations(&self) -> u64 {
        self.iterations
    }

    /// The number of worker threads that the runtime has.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Forgets the time taken so far; the clock goes on if it was running.
    pub fn reset_timer(&mut self) {
        self.elapsed = Duration::ZERO;
        if let Some(since) = &mut self.running_since {
            *since = Instant::now();
        }
    }

    /// Stops the clock; what follows is not measured.
    pub fn stop_timer(&mut self) {
        if let Some(since) = self.running_since.take() {
            self.elapsed += since.elapsed();
        }
    }

    fn start_timer(&mut self) {
        self.running_since = Some(Instant::now());
    }

    /// Runs `body` in one goroutine per worker; together they do all iterations of this run.
    pub fn run_parallel(&self, body: impl Fn(&mut Share) + Sync) {
        self.run_parallel_times(1, body);
    }

    /// Runs `body` in `times` goroutines per worker; together they do all iterations of this run.
    pub fn run_parallel_times(&self, times: usize, body: impl Fn(&mut Share) + Sync) {
        let taken = AtomicU64::new(0);
        let (taken, body) = (&taken, &body);
        gochan::scope(|s| {
            for _ in 0..times * self.workers {
                let mut share = Share {
                    taken,
                    iterations: self.iterations,
                    batch: self.batch,
                    left: 0,
                };
                go!(in s, { body(&mut share) });
            }
        });
    }
}

/// One goroutine's share of the iterations of a parallel workload.
#[derive(Debug)]
pub struct Share<'a> {
    taken: &'a AtomicU64,
    iterations: u64,
    batch: u64,
    left: u64,
}

impl Share<'_> {
    /// Takes one iteration; false when all have been taken.
    #[inline]
    pub fn take(&mut self) -> bool {
        loop {
            if let Some(left) = self.left.checked_sub(1) {
                self.left = left;
                return true;
            }
            if !self.begin_batch() {
                return false;
            }
        }
    }

    /// Takes the next batch; false when there is none.
    #[cold]
    #[inline(never)]
    fn begin_batch(&mut self) -> bool {
        let from = self.taken.fetch_add(self.batch, Relaxed);
        self.left = self.batch.min(self.iterations.saturating_sub(from));
        self.left > 0
    }
}

/// The outcome of a measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// How many iterations the measured run did.
    pub iterations: u64,
    /// Nanoseconds for each of them.
    pub nanos_per_op: f64,
}

impl Measurement {
    fn new(iterations: u64, elapsed: Duration) -> Self {
        Self {
            iterations,
            nanos_per_op: elapsed.as_nanos() as f64 / iterations as f64,
        }
    }
}

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub enum Extent {
    /// Until a run takes this long, or reaches a billion iterations.
    Time(Duration),
    /// One run of so many iterations.
    Iterations(u64),
}

/// Measures `workload` on the current runtime, whose number of workers the caller gives.
pub fn measure(workload: impl Fn(&mut Bencher), workers: usize, extent: Extent) -> Measurement {
    let target = match extent {
        Extent::Time(target) => target,
        Extent::Iterations(iterations) => {
            let elapsed = run(&workload, workers, iterations, MAX_BATCH);
            return Measurement::new(iterations, elapsed);
        }
    };
    let mut iterations = 1;
    let mut batch = 1;
    loop {
        let elapsed = run(&workload, workers, iterations, batch);
        if elapsed >= target || iterations >= MAX_ITERATIONS {
            return Measurement::new(iterations, elapsed);
        }
        batch = reachable(BATCH_TIME, iterations, elapsed).clamp(1, MAX_BATCH);
        iterations = next_iterations(target, iterations, elapsed);
    }
}

fn run(workload: &impl Fn(&mut Bencher), workers: usize, iterations: u64, batch: u64) -> Duration {
    let mut bencher = Bencher::new(iterations, workers, batch);
    bencher.start_timer();
    workload(&mut bencher);
    bencher.stop_timer();
    bencher.elapsed
}

/// How many iterations fit into `time` at the pace of a run of `iterations` that took `elapsed`.
fn reachable(time: Duration, iterations: u64, elapsed: Duration) -> u64 {
    let fit = time.as_nanos() * u128::from(iterations) / elapsed.as_nanos().max(1);
    u64::try_from(fit).unwrap_or(u64::MAX)
}

/// A fifth more iterations than should be needed, at most a hundred times as many as last time.
fn next_iterations(target: Duration, last: u64, elapsed: Duration) -> u64 {
    let wanted = reachable(target, last, elapsed);
    wanted
        .saturating_add(wanted / 5)
        .min(last.saturating_mul(100))
        .max(last + 1)
        .min(MAX_ITERATIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iterations_grow_towards_the_target() {
        let target = Duration::from_millis(100);
        assert_eq!(next_iterations(target, 1, Duration::from_nanos(10)), 100);
        assert_eq!(
            next_iterations(target, 1000, Duration::from_millis(1)),
            100_000
        );
        assert_eq!(
            next_iterations(target, 1000, Duration::from_millis(50)),
            2400
        );
        assert_eq!(next_iterations(target, 7, Duration::from_secs(1)), 8);
        assert_eq!(
            next_iterations(target, MAX_ITERATIONS / 2, Duration::ZERO),
            MAX_ITERATIONS
        );
    }

    #[test]
    fn shares_take_every_iteration_once() {
        let taken = AtomicU64::new(0);
        let mut shares = [3, 3].map(|batch| Share {
            taken: &taken,
            iterations: 10,
            batch,
            left: 0,
        });
        let mut done = 0;
        while shares[done % 2].take() {
            done += 1;
        }
        for share in &mut shares {
            while share.take() {
                done += 1;
            }
        }
        assert_eq!(done, 10);
    }
}
