//! A rate limiter that lets bursts through: a bucket of tokens.
//!
//! Each request takes a token. A goroutine puts one into the bucket at every
//! interval; after a quiet time the bucket is full, and that many requests
//! pass at once before the rest are slowed down to the rate.
//!
//! What it shows: a buffered channel *is* the bucket. Taking a token is a
//! receive, which waits while there is none; a full bucket overflows through
//! the `default` arm of a `select!`. A ticker keeps the rate: unlike sleeps,
//! its ticks do not come later and later.
//!
//! What to read in it: [`refill`] has no way to be stopped and needs none.
//! When the last receiver of the bucket is dropped, its next send ends it.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use clap::Parser;
use gochan::prelude::*;
use gochan::time::tick;

/// Serve requests at a limited rate, with bursts.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Requests to serve
    #[arg(long, value_name = "N", default_value_t = 8)]
    requests: u32,

    /// Requests that may pass at once
    #[arg(long, value_name = "N", default_value_t = 3)]
    burst: u32,

    /// Milliseconds between tokens
    #[arg(long, value_name = "MS", default_value = "20")]
    interval: NonZeroU64,

    /// Print also when each request was served
    #[arg(long)]
    times: bool,
}

#[gochan::main]
fn main() {
    let options = Options::parse();
    let interval = Duration::from_millis(options.interval.get());
    let start = Instant::now();
    let tokens = limiter(options.burst, interval);
    for request in 1..=options.requests {
        chan! { <-tokens; }
        let served = start.elapsed();
        let earliest = interval * request.saturating_sub(options.burst);
        assert!(
            served >= earliest,
            "request {request} came through at {served:?}"
        );
        print!("request {request:>2}: ");
        match earliest.as_millis() {
            0 => print!("at once"),
            earliest => print!("not before {earliest} ms"),
        }
        if options.times {
            print!(" (served at {} ms)", served.as_millis());
        }
        println!();
    }
}

/// The tokens of a bucket that starts full, with room for `burst`.
fn limiter(burst: u32, interval: Duration) -> Receiver<()> {
    let bucket = make!(chan(), burst as usize);
    chan! {
        for _ in 0..burst {
            bucket <- ();
        }
    }
    let (bucket, tokens) = bucket.split();
    go!(refill(bucket, interval));
    tokens
}

/// Puts a token into the bucket at every interval, if there is room.
fn refill(bucket: Sender<()>, interval: Duration) {
    for _ in tick(interval) {
        select! {
            bucket <- () => {}
            default => {}
        }
    }
}
