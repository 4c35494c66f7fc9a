//! Compares gochan with Go on one machine; `--help` says how.

use std::fs::File;
use std::io::BufWriter;
use std::process::ExitCode;

use anyhow::{Context, Result};
use bench::cli::{Cli, Options, Side};
use bench::go_peer::{Go, HOW_TO_INSTALL};
use bench::measure::Extent;
use bench::{chart, comparison, programs, report};
use clap::Parser;

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    match cli.side {
        Some(Side::Measure {
            name,
            workers,
            time,
            iterations,
        }) => {
            let extent = iterations.map_or(Extent::Time(time), Extent::Iterations);
            println!("{}", comparison::measure_ours(&name, workers, extent)?);
        }
        Some(Side::Pool { jobs, turns }) => println!("{}", programs::pool(jobs, turns)?),
        None if cli.options.list => comparison::names().for_each(|name| println!("{name}")),
        None => return compare(&cli.options),
    }
    Ok(ExitCode::SUCCESS)
}

/// Compares and reports; fails if a side failed somewhere.
fn compare(options: &Options) -> Result<ExitCode> {
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build; the figures mean nothing without --release");
    }
    let go = Go::find(options.go.as_deref())?;
    match &go {
        Some(go) => println!("peer: {}", go.version()),
        None => eprintln!("{HOW_TO_INSTALL}"),
    }
    let rows = comparison::compare(options, go.as_ref())?;
    println!("{}", report::text(&rows));
    if let Some(path) = &options.json {
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        serde_json::to_writer_pretty(BufWriter::new(file), &rows)?;
    }
    if let Some(path) = &options.svg {
        chart::write_svg(path, &rows)?;
    }
    let failed = rows.iter().any(|row| row.failure.is_some());
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
