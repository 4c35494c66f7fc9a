//! Many channels into one, in three ways.
//!
//! Several sources each send numbered readings on a channel of their own, and
//! one reader wants them all.
//!
//! What to read in it, from the fixed to the free:
//! - [`merge_two`] names its channels in a `select!`. A source that has ended
//!   is ready for ever (it receives `None`), so its variable is set to `None`,
//!   which is never ready: Go's nil channel.
//! - [`merge_goroutines`] starts a goroutine for each source, which forwards
//!   to the common channel.
//! - [`merge_dynamic`] waits on a list of channels with [`Select`] and needs no
//!   goroutine.
//!
//! The readings of different sources come in any order, those of one source
//! in theirs; [`tally`] checks that.

use clap::Parser;
use gochan::prelude::*;
use gochan::{Select, goexit};

/// Merge channels into one with select!, with goroutines and with Select.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Sources for the ways that take any number (select! merges two)
    #[arg(long, value_name = "N", default_value_t = 3)]
    sources: usize,

    /// Readings that each source sends
    #[arg(long, value_name = "N", default_value_t = 5)]
    readings: usize,
}

/// A numbered message of a source.
struct Reading {
    source: usize,
    number: usize,
}

#[gochan::main]
fn main() {
    let Options { sources, readings } = Options::parse();
    let many = || (0..sources).map(|source| start(source, readings)).collect();

    tally(
        "select!",
        2,
        merge_two(start(0, readings), start(1, readings)),
    );
    tally("goroutines", sources, merge_goroutines(many()));
    tally("Select", sources, merge_dynamic(many()));
}

/// Starts a source and returns what it sends.
fn start(source: usize, readings: usize) -> Receiver<Reading> {
    let (out, sent) = gochan::channel(0);
    go! {
        for number in 0..readings {
            out <- Reading { source, number };
        }
    };
    sent
}

/// Merges two channels in one goroutine.
fn merge_two(a: Receiver<Reading>, b: Receiver<Reading>) -> Receiver<Reading> {
    let (out, merged) = gochan::channel(0);
    go! {
        let (mut a, mut b) = (Some(a), Some(b));
        while a.is_some() || b.is_some() {
            select! {
                reading = <-a => match reading {
                    Some(reading) => out <- reading,
                    None => a = None,
                },
                reading = <-b => match reading {
                    Some(reading) => out <- reading,
                    None => b = None,
                },
            }
        }
    };
    merged
}

/// Merges any number of channels with a goroutine for each. The last one that
/// ends drops the last sending handle, which closes the merged channel.
fn merge_goroutines(sources: Vec<Receiver<Reading>>) -> Receiver<Reading> {
    let (out, merged) = gochan::channel(0);
    for source in sources {
        go!(clone(out), {
            for reading in source {
                out <- reading;
            }
        });
    }
    merged
}

/// Merges any number of channels in one goroutine.
fn merge_dynamic(sources: Vec<Receiver<Reading>>) -> Receiver<Reading> {
    let (out, merged) = gochan::channel(0);
    go! {
        let mut open = sources.len();
        let mut select = Select::new();
        for source in &sources {
            select.recv(source);
        }
        while open > 0 {
            let ready = select.select();
            let index = ready.index();
            match ready.recv(&sources[index]) {
                // The plain call, where `out <- reading` would do the same.
                Some(reading) => out.send(reading).unwrap_or_else(|_| goexit()),
                None => {
                    select.remove(index);
                    open -= 1;
                }
            }
        }
    };
    merged
}

/// Counts the readings of each source and checks that they are in order.
fn tally(way: &str, sources: usize, merged: Receiver<Reading>) {
    let mut counts = vec![0; sources];
    for Reading { source, number } in merged {
        assert_eq!(number, counts[source], "source {source} is out of order");
        counts[source] += 1;
    }
    println!("{way}: {counts:?} readings, each source in order");
}
