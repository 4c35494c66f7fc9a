//! Our side of the programs that `--bin parallel` runs: one of them, whose number it prints.
//!
//! It is a binary of its own, as Go's side is, because a process is timed with its start: what the
//! comparison itself needs, to draw charts and more, would take half a millisecond to load.

use anyhow::Result;
use bench::programs::Task;
use clap::Parser;

/// Runs one of the programs and prints what it computed.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

fn main() -> Result<()> {
    println!("{}", Cli::parse().task.run()?);
    Ok(())
}
