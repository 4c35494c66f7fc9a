//! What an operation costs where there is more of something.
//!
//! Among more goroutines or timers it should cost the same; a select that waits enters the queue of
//! each of its channels and leaves it.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context, Result};
use gochan::runtime::{Config, Runtime};
use gochan::sync::WaitGroup;
use gochan::time::Timer;
use gochan::{Chan, Select, go};

use crate::measure::{Bencher, Extent, Measurement, measure};
use crate::process;
use crate::report::{nanos, ratio, table};
use crate::summary::{Comparison, Samples};

/// A workload in several sizes.
#[derive(Clone, Copy, Debug)]
pub struct Series {
    /// The name in reports.
    pub name: &'static str,
    /// How much there is, smallest first.
    pub sizes: &'static [usize],
    run: fn(&mut Bencher, usize),
}

/// All series.
pub static SERIES: &[Series] = &[
    Series {
        name: "PingPong/parked",
        sizes: &[10, 1_000, 100_000],
        run: ping_pong_among_parked,
    },
    Series {
        name: "Select/channels",
        sizes: &[2, 8, 64],
        run: select,
    },
    Series {
        name: "SetAndStop/timers",
        sizes: &[1_000, 1_000_000],
        run: set_and_stop,
    },
];

impl Series {
    /// The series of this name.
    pub fn named(name: &str) -> Result<&'static Self> {
        let series = SERIES.iter().find(|series| series.name == name);
        series.with_context(|| format!("no series is called {name}"))
    }

    /// Measures one size in this process, on a runtime of its own.
    pub fn measure(&self, size: usize, workers: usize, extent: Extent) -> Result<Measurement> {
        let run = self.run;
        let runtime = Runtime::new(Config::new().workers(workers))?;
        Ok(runtime.run(move || measure(move |b: &mut Bencher| run(b, size), workers, extent)))
    }

    /// Measures the sizes in turn, each time in a process of its own, and compares each with the
    /// smallest.
    ///
    /// The calling program is run with `measure NAME SIZE`.
    pub fn compare(&self, workers: usize, rounds: u32, time: Duration) -> Vec<Comparison> {
        let mut samples = vec![Vec::new(); self.sizes.len()];
        let mut failure = None;
        for round in 1..=rounds {
            let name = self.name;
            eprint!("\r\x1b[K{name}, workers: {workers}, round {round} of {rounds}");
            for (size, samples) in self.sizes.iter().zip(&mut samples) {
                match self.measure_in_child(*size, workers, time) {
                    Ok(nanos) => samples.push(nanos),
                    Err(error) => failure = Some(format!("{size}: {error:#}")),
                }
            }
            if failure.is_some() {
                break;
            }
        }
        eprint!("\r\x1b[K");
        let rows = self.sizes.iter().zip(&samples).map(|(size, ours)| {
            let samples = Samples {
                ours: ours.clone(),
                peer: samples[0].clone(),
            };
            let name = format!("{}={size}", self.name);
            Comparison::new(&name, workers, &samples, failure.clone())
        });
        rows.collect()
    }

    fn measure_in_child(&self, size: usize, workers: usize, time: Duration) -> Result<f64> {
        // Each run on the way to the measured one first makes all that there is to be.
        let limit = Duration::from_secs(120) + 40 * time;
        process::measure(&[self.name, &size.to_string()], workers, time, limit)
    }
}

/// The figures as text.
pub fn text(rows: &[Comparison]) -> String {
    let figures = rows.iter().map(|row| {
        [
            row.name.clone(),
            row.workers.to_string(),
            nanos(row.ours_ns),
            ratio(row.ratio),
        ]
    });
    let table = table(["name", "workers", "ns", "to the smallest"], figures);
    let mut text = format!("{table}\n");
    for row in rows {
        if let Some(failure) = &row.failure {
            text.push_str(&format!("\nfailed: {}: {failure}\n", row.name));
        }
    }
    text
}

/// Two goroutines play ping-pong while others wait. An operation is once to and fro.
fn ping_pong_among_parked(b: &mut Bencher, parked: usize) {
    let gate = Chan::<()>::new(0);
    let (blocked, ended) = (WaitGroup::new(), WaitGroup::new());
    blocked.add(parked);
    ended.add(parked);
    for _ in 0..parked {
        go!(clone(gate, blocked, ended), {
            blocked.done();
            gate.recv();
            ended.done();
        });
    }
    blocked.wait();

    let (ping, pong) = (Chan::<u64>::new(0), Chan::<u64>::new(0));
    b.reset_timer();
    let other = go!(clone(ping, pong), {
        for ball in ping.receiver() {
            pong.send(ball + 1).expect("open");
        }
    });
    let mut ball = 0;
    for _ in 0..b.iterations() {
        ping.send(ball).expect("open");
        ball = pong.recv().expect("open");
    }
    b.stop_timer();
    assert_eq!(ball, b.iterations());

    ping.close();
    other.join().expect("it only plays");
    gate.close();
    ended.wait();
}

/// A goroutine sends to unbuffered channels in turn, and another selects over all of them.
fn select(b: &mut Bencher, channels: usize) {
    let iterations = b.iterations();
    let channels: Vec<_> = (0..channels).map(|_| Chan::<u64>::new(0)).collect();
    let producer = go!(clone(channels), {
        for (i, channel) in (0..iterations).zip(channels.iter().cycle()) {
            channel.send(i).expect("open");
        }
    });
    let mut select = Select::new();
    for channel in &channels {
        select.recv(channel);
    }
    for _ in 0..iterations {
        let ready = select.select();
        let channel = &channels[ready.index()];
        black_box(ready.recv(channel));
    }
    producer.join().expect("it only sends");
}

/// Sets a timer and stops it while others are set.
fn set_and_stop(b: &mut Bencher, others: usize) {
    const HOUR: Duration = Duration::from_secs(3600);
    let others: Vec<_> = (0..others)
        .map(|_| Timer::after_func(HOUR, || {}))
        .collect();
    b.reset_timer();
    for _ in 0..b.iterations() {
        Timer::after_func(HOUR, || {}).stop();
    }
    b.stop_timer();
    for timer in &others {
        timer.stop();
    }
}
