//! A fixed pool of workers takes jobs from one channel and answers on another.
//!
//! The work: for each range of numbers, find the one whose Collatz sequence
//! (halve the even, triple the odd and add one, until 1) is the longest.
//!
//! What it shows: the pool of Go programs. Whoever is free receives the next
//! job, so that uneven jobs spread by themselves; `jobs` closes when the
//! sender has sent them all, which ends the workers; `results` closes when the
//! last worker has dropped its end, which ends the loop in main. There is no
//! wait group to keep, because a channel counts its handles.
//!
//! What to read in it: `go!(clone(…), { … })`, which gives each worker handles
//! of its own, and the `drop`s that leave the channels to the workers.

use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::Range;

use clap::Parser;
use gochan::prelude::*;

/// Find the longest Collatz sequences with a pool of workers.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Goroutines in the pool
    #[arg(long, value_name = "N", default_value = "3")]
    workers: NonZeroUsize,

    /// Ranges to search
    #[arg(long, value_name = "N", default_value_t = 8)]
    jobs: u32,

    /// Numbers in each range
    #[arg(long, value_name = "N", default_value = "10000")]
    size: NonZeroU32,
}

/// The longest sequence of a range: where it starts and how many steps it has.
struct Longest {
    range: Range<u64>,
    start: u64,
    steps: u32,
}

#[gochan::main]
fn main() {
    let options = Options::parse();
    let size = u64::from(options.size.get());
    let (jobs, todo) = gochan::channel(0);
    let (finished, results) = gochan::channel(0);

    for _ in 0..options.workers.get() {
        go!(clone(todo, finished), {
            for range in todo {
                finished <- longest(range);
            }
        });
    }
    drop((todo, finished));

    go! {
        for job in 0..u64::from(options.jobs) {
            let start = 1 + job * size;
            jobs <- start..start + size;
        }
    };

    let mut results: Vec<Longest> = results.into_iter().collect();
    results.sort_by_key(|longest| longest.range.start);
    for Longest {
        range,
        start,
        steps,
    } in results
    {
        let Range { start: first, end } = range;
        println!("{first:>6} to {:>6}: {start} takes {steps} steps", end - 1);
    }
}

/// Searches one range; of equally long sequences, the first counts.
fn longest(range: Range<u64>) -> Longest {
    let (steps, start) = range
        .clone()
        .map(|start| (steps(start), start))
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .expect("ranges are not empty");
    Longest {
        range,
        start,
        steps,
    }
}

/// How many steps the Collatz sequence takes from `n` to 1.
fn steps(mut n: u64) -> u32 {
    let mut steps = 0;
    while n != 1 {
        n = if n.is_multiple_of(2) {
            n / 2
        } else {
            3 * n + 1
        };
        steps += 1;
    }
    steps
}
