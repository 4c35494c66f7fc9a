//! Measures what operations cost where there is more of something; `--help` says how.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use bench::cli::{self, Plan, Run};
use bench::growth::{self, SERIES, Series};
use bench::report;
use bench::result_line::ResultLine;
use clap::{Args, Parser, Subcommand};

/// Measures operations among few and among many goroutines, channels and timers.
///
/// The sizes take turns, each measurement in a process of its own. Reported are medians over the
/// rounds, and the ratio to the smallest size.
#[derive(Debug, Parser)]
#[command(name = "growth", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    child: Option<Child>,
    #[command(flatten)]
    options: Options,
}

#[derive(Args, Debug)]
struct Options {
    #[command(flatten)]
    plan: Plan,
    /// Numbers of worker threads
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,2", value_parser = cli::workers)]
    workers: Vec<usize>,
    /// How long a measurement is to take at least
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = humantime::parse_duration)]
    time: Duration,
}

/// What a child process of a comparison is to do.
#[derive(Debug, Subcommand)]
enum Child {
    /// Measures one size of a series and prints the result as Go does.
    #[command(hide = true)]
    Measure {
        /// The series.
        name: String,
        /// How much there is.
        size: usize,
        /// How to measure it.
        #[command(flatten)]
        run: Run,
    },
}

fn main() -> Result<ExitCode> {
    let Cli { child, options } = Cli::parse();
    let plan = &options.plan;
    match child {
        Some(Child::Measure { name, size, run }) => {
            let measurement = Series::named(&name)?.measure(size, run.workers, run.extent())?;
            let name = format!("{name}={size}");
            println!(
                "{}",
                ResultLine {
                    name,
                    workers: run.workers,
                    measurement
                }
            );
        }
        None if plan.list => {
            for series in SERIES {
                println!("{}", series.name);
            }
        }
        None => {
            cli::warn_of_debug_build();
            let mut rows = Vec::new();
            for series in SERIES.iter().filter(|one| plan.filter.is_match(one.name)) {
                for &workers in &options.workers {
                    rows.extend(series.compare(workers, plan.rounds, options.time));
                }
            }
            println!("{}", growth::text(&rows));
            return report::write_files(plan, "to the smallest, time for each operation", &rows);
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
