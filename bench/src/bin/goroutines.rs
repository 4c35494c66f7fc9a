//! Starts very many goroutines, ours and Go's; `--help` says how.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bench::cli::warn_of_debug_build;
use bench::go_peer::Go;
use bench::report;
use bench::scale::{self, Figures, Side};
use bench::summary::median;
use clap::Parser;
use comfy_table::Table;
use serde::Serialize;

/// Starts N goroutines that block on a receive, then lets them all finish, next to the same
/// program in Go.
///
/// Both sides take turns, each in a process of its own. Reported are medians over the rounds, for
/// each goroutine; a ratio below 1 says that gochan needs less.
#[derive(Debug, Parser)]
#[command(name = "goroutines")]
struct Cli {
    /// How many goroutines
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Measure each side this many times
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Number of worker threads (GOMAXPROCS) [default: the available parallelism]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    workers: Option<u32>,
    /// The go command [default: the one on PATH, or target/go-venv/bin/go]
    #[arg(long, value_name = "PATH", env = "GOCHAN_BENCH_GO")]
    go: Option<PathBuf>,
    /// Write the figures to a file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Start and finish them in so many waves instead, and report the memory after each
    #[arg(long, value_name = "WAVES", conflicts_with_all = ["json", "go", "rounds"])]
    waves: Option<u32>,
    /// Measure our side in this process
    #[arg(long, hide = true)]
    here: bool,
}

/// What is written to the file.
#[derive(Debug, Serialize)]
struct Report {
    count: usize,
    workers: usize,
    peer_version: Option<String>,
    ours: Figures,
    peer: Option<Figures>,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let count = cli.count as usize;
    let workers = match cli.workers {
        Some(workers) => workers as usize,
        None => std::thread::available_parallelism()?.get(),
    };
    if cli.here {
        println!("{}", serde_json::to_string(&scale::run(count)?)?);
        return Ok(());
    }
    if let Some(waves) = cli.waves {
        for (wave, bytes) in scale::run_waves(count, waves as usize)?.iter().enumerate() {
            println!(
                "after wave {:>3}: {:>8.1} MiB",
                wave + 1,
                bytes / (1 << 20) as f64
            );
        }
        return Ok(());
    }
    warn_of_debug_build();
    let report = compare(&cli, count, workers)?;
    println!("{}", table(&report));
    if let Some(path) = &cli.json {
        report::write_json(path, &report)?;
    }
    Ok(())
}

fn compare(cli: &Cli, count: usize, workers: usize) -> Result<Report> {
    let go = Go::announced(cli.go.as_deref())?;
    let directory = tempfile::tempdir()?;
    let peer = go
        .as_ref()
        .map(|go| scale::build_peer(go, directory.path()))
        .transpose()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..cli.rounds {
        ours.push(scale::measure(Side::Ours, count, workers)?);
        if let Some(peer) = &peer {
            theirs.push(scale::measure(Side::Go(Path::new(peer)), count, workers)?);
        }
    }
    Ok(Report {
        count,
        workers,
        peer_version: go.map(|go| go.version().to_owned()),
        ours: medians(&ours).context("at least one round")?,
        peer: medians(&theirs),
    })
}

/// The median of each figure.
fn medians(rounds: &[Figures]) -> Option<Figures> {
    let of = |figure: fn(&Figures) -> f64| median(&rounds.iter().map(figure).collect::<Vec<_>>());
    Some(Figures {
        start_ns: of(|figures| figures.start_ns)?,
        finish_ns: of(|figures| figures.finish_ns)?,
        rss_bytes: of(|figures| figures.rss_bytes)?,
        page_table_bytes: of(|figures| figures.page_table_bytes)?,
        mappings: of(|figures| figures.mappings)?,
    })
}

fn table(report: &Report) -> Table {
    type Row = (&'static str, fn(&Figures) -> f64, bool);
    const ROWS: &[Row] = &[
        ("ns each to start", |figures| figures.start_ns, true),
        ("ns each to finish", |figures| figures.finish_ns, true),
        ("ns each, start and finish", Figures::time_ns, true),
        ("bytes each", |figures| figures.rss_bytes, true),
        (
            "bytes each of page tables",
            |figures| figures.page_table_bytes,
            true,
        ),
        ("bytes each, all told", Figures::bytes, true),
        ("mappings", |figures| figures.mappings, false),
    ];
    let head = [
        format!("{} goroutines, {} workers", report.count, report.workers),
        "ours".to_owned(),
        "Go".to_owned(),
        "ratio".to_owned(),
    ];
    let rows = ROWS.iter().map(|(name, figure, is_each)| {
        let share =
            |figures: &Figures| figure(figures) / if *is_each { report.count as f64 } else { 1.0 };
        let ours = share(&report.ours);
        let peer = report.peer.as_ref().map(share);
        [
            (*name).to_owned(),
            format!("{ours:.0}"),
            peer.map_or_else(String::new, |peer| format!("{peer:.0}")),
            peer.filter(|&peer| peer > 0.0)
                .map_or_else(String::new, |peer| format!("{:.2}", ours / peer)),
        ]
    });
    report::table(head, rows)
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
    fn table_has_shares_and_ratios() {
        let figures = |scale: f64| Figures {
            start_ns: 1_000.0 * scale,
            finish_ns: 500.0 * scale,
            rss_bytes: 40_960.0 * scale,
            page_table_bytes: 5_120.0 * scale,
            mappings: 70.0 * scale,
        };
        let report = Report {
            count: 10,
            workers: 2,
            peer_version: None,
            ours: figures(1.0),
            peer: Some(figures(2.0)),
        };
        let text = table(&report).to_string();
        let row = |name: &str| {
            let line = text.lines().find(|line| line.contains(name)).unwrap();
            line.split_whitespace().rev().take(3).collect::<Vec<_>>()
        };
        assert_eq!(row("start and finish"), ["0.50", "300", "150"]);
        assert_eq!(row("all told"), ["0.50", "9216", "4608"]);
        assert_eq!(row("mappings"), ["0.50", "140", "70"]);
    }
}
