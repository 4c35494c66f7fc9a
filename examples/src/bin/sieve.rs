//! The prime sieve as a daisy chain of goroutines.
//!
//! A generator counts 2, 3, 4, … into a channel. Each number that reaches the
//! end of the chain is prime, and a new filter, which drops the prime's
//! multiples, is put behind the last one:
//!
//! ```text
//! count ──▶ without 2 ──▶ without 3 ──▶ without 5 ──▶ main
//! ```
//!
//! What to read in it: `end`, the receiving end of the chain, is a variable
//! that main moves into the newest filter and replaces by that filter's
//! output. Nothing tells the chain to stop: it ends with the process when
//! main returns, as goroutines do.

use std::num::NonZeroUsize;

use clap::Parser;
use gochan::prelude::*;

/// Print the first N primes, found by a daisy chain of N goroutines.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// How many primes to print
    #[arg(default_value = "20")]
    n: NonZeroUsize,
}

#[gochan::main]
fn main() {
    let Options { n } = Options::parse();
    chan! {
        let (numbers, mut end) = gochan::channel(0);
        go!(count(numbers));
        for _ in 0..n.get() {
            let prime = (<-end).expect("the numbers do not end");
            println!("{prime}");
            let (rest, next) = gochan::channel(0);
            go!(without_multiples(prime, end, rest));
            end = next;
        }
    }
}

chan! {
    /// Sends 2, 3, 4, … to `numbers`.
    fn count(numbers: Sender<u64>) {
        for number in 2.. {
            numbers <- number;
        }
    }

    /// Passes on what `prime` does not divide.
    fn without_multiples(prime: u64, numbers: Receiver<u64>, rest: Sender<u64>) {
        for number in numbers {
            if number % prime != 0 {
                rest <- number;
            }
        }
    }
}
