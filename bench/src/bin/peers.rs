//! Compares gochan with other Rust libraries; `--help` says how.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use bench::cli::{self, Plan, Run};
use bench::peers::{JOBS, Job, PEERS, Side, contest, table};
use bench::report;
use bench::result_line::ResultLine;
use clap::{Args, Parser, Subcommand};

/// Runs gochan next to other Rust libraries.
///
/// All sides take turns, each measurement in a process of its own. Reported are medians over the
/// rounds; a ratio below 1 says that gochan takes less time.
#[derive(Debug, Parser)]
#[command(name = "peers", args_conflicts_with_subcommands = true)]
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
    /// Run only these peers
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    peer: Vec<Side>,
    /// Numbers of worker threads; peers without a runtime have as many threads as the job needs
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,2", value_parser = cli::workers)]
    workers: Vec<usize>,
    /// How long a measurement is to take at least
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = humantime::parse_duration)]
    time: Duration,
}

/// What a child process of a comparison is to do.
#[derive(Debug, Subcommand)]
enum Child {
    /// Measures one job and prints the result as Go does.
    #[command(hide = true)]
    Measure {
        /// Who does the job.
        side: Side,
        /// The job's name.
        name: String,
        /// How to measure it.
        #[command(flatten)]
        run: Run,
    },
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    match cli.child {
        Some(Child::Measure { side, name, run }) => {
            let measurement = side.measure(Job::named(&name)?, run.workers, run.extent())?;
            println!(
                "{}",
                ResultLine {
                    name,
                    workers: run.workers,
                    measurement
                }
            );
        }
        None if cli.options.plan.list => {
            for (name, _) in JOBS {
                println!("{name}");
            }
        }
        None => return compare(&cli.options),
    }
    Ok(ExitCode::SUCCESS)
}

/// Compares and reports; fails if a side failed somewhere.
fn compare(options: &Options) -> Result<ExitCode> {
    ensure!(
        !options.peer.contains(&Side::Ours),
        "ours is always measured, and no peer"
    );
    cli::warn_of_debug_build();
    let peers = if options.peer.is_empty() {
        PEERS
    } else {
        &options.peer
    };
    let plan = &options.plan;
    let mut rows = Vec::new();
    for &job in JOBS.iter().filter(|job| plan.filter.is_match(job.0)) {
        for &workers in &options.workers {
            rows.push(contest::compare(
                job,
                peers,
                workers,
                plan.rounds,
                options.time,
            ));
        }
    }
    println!("{}", table::text(&rows));
    let caption = "gochan to its peers, time for each operation";
    report::write_files(plan, caption, &rows.concat())
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
