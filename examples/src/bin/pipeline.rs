//! A pipeline of stages over a stream without end, stopped by its reader.
//!
//! ```text
//! squares ──▶ palindromes ──▶ numbered ──▶ main, which takes a few
//! ```
//!
//! What it shows: each stage is a function from a receiver to a receiver with
//! a goroutine inside, and the stages run at once. In Go, a reader that stops
//! early leaves the stages behind blocked for ever, unless each also watches a
//! `done` channel. Here main just drops its receiver: the channel is then
//! *abandoned*, the next send to it ends its goroutine quietly, that drops the
//! receiver before it, and so the stages end one after the other.
//!
//! What to read in it: the stages have no code for being stopped, and the join
//! handles at the end prove that they were.

use clap::Parser;
use gochan::JoinHandle;
use gochan::prelude::*;

/// Print the first square numbers that are palindromes, computed by a pipeline.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// How many palindromes to take from the pipeline
    #[arg(long, value_name = "N", default_value_t = 10)]
    take: usize,
}

/// A stage that runs: what it sends, and the handle of its goroutine.
type Stage<T> = (Receiver<T>, JoinHandle<()>);

#[gochan::main]
fn main() {
    let Options { take } = Options::parse();
    let (squares, first) = squares();
    let (palindromes, second) = palindromes(squares);
    let (lines, third) = numbered(palindromes);

    // `take` consumes the receiver, and drops it when it has enough.
    for line in lines.into_iter().take(take) {
        println!("{line}");
    }
    for (name, stage) in [
        ("squares", first),
        ("palindromes", second),
        ("numbered", third),
    ] {
        match stage.join() {
            Err(err) if err.is_goexit() => println!("{name}: stopped, its reader had left"),
            other => panic!("{name} should have been stopped, but: {other:?}"),
        }
    }
}

/// Sends the square numbers 1, 4, 9, …
fn squares() -> Stage<u64> {
    let (out, squares) = gochan::channel(0);
    let stage = go! {
        for number in 1u64.. {
            out <- number * number;
        }
    };
    (squares, stage)
}

/// Passes on the numbers that read the same from both ends.
fn palindromes(numbers: Receiver<u64>) -> Stage<u64> {
    let (out, palindromes) = gochan::channel(0);
    let stage = go! {
        for number in numbers {
            let digits = number.to_string();
            if digits.bytes().eq(digits.bytes().rev()) {
                out <- number;
            }
        }
    };
    (palindromes, stage)
}

/// Turns numbers into numbered lines.
fn numbered(numbers: Receiver<u64>) -> Stage<String> {
    let (out, lines) = gochan::channel(0);
    let stage = go! {
        for (line, number) in numbers.into_iter().enumerate() {
            out <- format!("{:>3}  {number}", line + 1);
        }
    };
    (lines, stage)
}
