//! What can be said on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use regex::Regex;

use crate::measure::Extent;
use crate::workloads::{Package, Workload};

/// Runs gochan's benchmarks next to those of the Go distribution.
///
/// Both sides take turns, each measurement in a process of its own. Reported are medians over the
/// rounds; a ratio below 1 says that gochan takes less time.
#[derive(Debug, Parser)]
#[command(name = "vsgo", args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What a child process of a comparison is to do.
    #[command(subcommand)]
    pub side: Option<Side>,
    /// What to compare.
    #[command(flatten)]
    pub options: Options,
}

/// Options of every comparison.
#[derive(Args, Debug)]
pub struct Plan {
    /// Run only what has a name that fits the expression
    #[arg(long, value_name = "REGEX", default_value = "")]
    pub filter: Regex,
    /// Measure each side this many times
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Write the figures to a file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw the ratios to a file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Print the names and end
    #[arg(long)]
    pub list: bool,
}

/// Options of a comparison with Go's benchmarks.
#[derive(Args, Debug)]
pub struct Options {
    /// What every comparison can be told.
    #[command(flatten)]
    pub plan: Plan,
    /// Run only the benchmarks of these packages of Go
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub package: Vec<Package>,
    /// Numbers of worker threads (GOMAXPROCS)
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,2", value_parser = workers)]
    pub workers: Vec<usize>,
    /// How long a measurement is to take at least
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = humantime::parse_duration)]
    pub time: Duration,
    /// The go command [default: the one on PATH, or target/go-venv/bin/go]
    #[arg(long, value_name = "PATH", env = "GOCHAN_BENCH_GO")]
    pub go: Option<PathBuf>,
}

/// Options of a comparison with programs in Go.
#[derive(Args, Debug)]
pub struct ProgramOptions {
    /// What every comparison can be told.
    #[command(flatten)]
    pub plan: Plan,
    /// Numbers of worker threads (GOMAXPROCS) [default: 2, and as many as the machine has]
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_values_t = two_and_all(), hide_default_value = true, value_parser = workers)]
    pub workers: Vec<usize>,
    /// The go command [default: the one on PATH, or target/go-venv/bin/go]
    #[arg(long, value_name = "PATH", env = "GOCHAN_BENCH_GO")]
    pub go: Option<PathBuf>,
}

fn two_and_all() -> Vec<usize> {
    let all = std::thread::available_parallelism().map_or(2, usize::from);
    let mut counts = vec![2, all];
    counts.dedup();
    counts
}

impl Options {
    /// Whether the workload is to be run.
    pub fn wants(&self, workload: &Workload) -> bool {
        let packages = &self.package;
        (packages.is_empty() || packages.contains(&workload.package))
            && self.plan.filter.is_match(workload.name)
    }
}

/// Our side of a measurement.
#[derive(Debug, Subcommand)]
pub enum Side {
    /// Measures one workload and prints the result as Go does.
    #[command(hide = true)]
    Measure {
        /// The workload's name.
        name: String,
        /// How to measure it.
        #[command(flatten)]
        run: Run,
    },
}

/// How a child process of a comparison is to measure.
#[derive(Args, Clone, Copy, Debug)]
pub struct Run {
    /// The number of worker threads.
    #[arg(long, value_parser = workers)]
    pub workers: usize,
    /// How long the measured run is to take at least.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "200ms")]
    time: Duration,
    /// Do one run of so many iterations instead, for a profiler that counts.
    #[arg(long, conflicts_with = "time")]
    iterations: Option<u64>,
}

impl Run {
    /// How much is to be measured.
    pub fn extent(self) -> Extent {
        self.iterations
            .map_or(Extent::Time(self.time), Extent::Iterations)
    }
}

/// Says so if the figures will mean nothing.
pub fn warn_of_debug_build() {
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build; the figures mean nothing without --release");
    }
}

/// Reads a number of workers.
pub fn workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("there is no runtime without workers".to_owned()),
        Ok(workers) => Ok(workers),
        Err(error) => Err(format!("{error}")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults() {
        let cli = Cli::try_parse_from(["vsgo"]).unwrap();
        assert_eq!(cli.options.workers, [1, 2]);
        assert_eq!(cli.options.plan.rounds, 5);
        assert_eq!(cli.options.time, Duration::from_millis(200));
        assert!(cli.options.plan.filter.is_match("ChanSync"));
    }

    #[test]
    fn refuses_no_workers() {
        assert!(Cli::try_parse_from(["vsgo", "--workers", "1,0"]).is_err());
        assert!(Cli::try_parse_from(["vsgo", "--rounds", "0"]).is_err());
    }
}
