//! Compares gochan with Go on one machine; `--help` says how.

use std::process::ExitCode;

use anyhow::Result;
use bench::cli::{Cli, Options, Side};
use bench::go_peer::Go;
use bench::workloads::WORKLOADS;
use bench::{cli, comparison, report};
use clap::Parser;

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    match cli.side {
        Some(Side::Measure { name, run }) => {
            println!(
                "{}",
                comparison::measure_ours(&name, run.workers, run.extent())?
            );
        }
        None if cli.options.plan.list => {
            for workload in WORKLOADS {
                println!("{}", workload.name);
            }
        }
        None => return compare(&cli.options),
    }
    Ok(ExitCode::SUCCESS)
}

/// Compares and reports; fails if a side failed somewhere.
fn compare(options: &Options) -> Result<ExitCode> {
    cli::warn_of_debug_build();
    let go = Go::announced(options.go.as_deref())?;
    let rows = comparison::benchmarks(options, go.as_ref())?;
    report::deliver(&options.plan, "benchmarks", &rows)
}
