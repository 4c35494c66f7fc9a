//! Compares whole programs with the same in Go; `--help` says how.

use std::process::ExitCode;

use anyhow::Result;
use bench::cli::ProgramOptions;
use bench::go_peer::Go;
use bench::programs::PROGRAMS;
use bench::{cli, comparison, report};
use clap::Parser;

/// Runs programs that compute next to the same programs in Go.
///
/// Both sides take turns, each in a process of its own, which is timed from its start to its end.
/// Reported are medians over the rounds; a ratio below 1 says that gochan takes less time.
#[derive(Debug, Parser)]
#[command(name = "parallel")]
struct Cli {
    #[command(flatten)]
    options: ProgramOptions,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    if cli.options.plan.list {
        for program in PROGRAMS {
            println!("{}", program.name);
        }
        return Ok(ExitCode::SUCCESS);
    }
    compare(&cli.options)
}

/// Compares and reports; fails if a side failed somewhere.
fn compare(options: &ProgramOptions) -> Result<ExitCode> {
    cli::warn_of_debug_build();
    let go = Go::announced(options.go.as_deref())?;
    let rows = comparison::programs(options, go.as_ref())?;
    report::deliver(&options.plan, "programs", &rows)
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
    fn two_workers_unless_told() {
        let cli = Cli::try_parse_from(["parallel"]).unwrap();
        assert_eq!(cli.options.workers[0], 2);
        let cli = Cli::try_parse_from(["parallel", "--workers", "1,4"]).unwrap();
        assert_eq!(cli.options.workers, [1, 4]);
    }
}
