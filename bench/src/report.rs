//! The figures as text.

use std::fmt::Write as _;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Row, Table, presets};
use serde::Serialize;

use crate::chart;
use crate::cli::Plan;
use crate::summary::{Comparison, mean_ratio, worst};

/// Prints the report on `rows`, which are all of one `kind`, and writes the files that are asked for.
/// The program is to fail if a side failed somewhere.
pub fn deliver(plan: &Plan, kind: &str, rows: &[Comparison]) -> Result<ExitCode> {
    println!("{}", text(kind, rows));
    write_files(plan, "gochan to Go, time for each operation", rows)
}

/// Writes the files that are asked for. The program is to fail if a side failed somewhere.
pub fn write_files(plan: &Plan, caption: &str, rows: &[Comparison]) -> Result<ExitCode> {
    if let Some(path) = &plan.json {
        write_json(path, &rows)?;
    }
    if let Some(path) = &plan.svg {
        chart::write_svg(path, caption, rows)?;
    }
    let failed = rows.iter().any(|row| row.failure.is_some());
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Writes figures to a file.
pub fn write_json(path: &Path, figures: &impl Serialize) -> Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    serde_json::to_writer_pretty(BufWriter::new(file), figures)?;
    Ok(())
}

/// A table whose first column has names, and the others figures.
pub fn table(head: impl Into<Row>, rows: impl IntoIterator<Item = impl Into<Row>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(head);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The table, the geometric means, and the five worst.
fn text(kind: &str, rows: &[Comparison]) -> String {
    let mut text = format!("{}\n", comparisons(rows));
    means(&mut text, kind, rows);
    let worst = worst(rows, 5);
    if !worst.is_empty() {
        text.push_str("\nworst five:\n");
        for row in worst {
            let ratio = row.ratio.unwrap_or(f64::NAN);
            let (name, workers) = (&row.name, row.workers);
            let _ = writeln!(text, "  {ratio:6.2}  {name}, {}", workers_of(workers));
        }
    }
    for row in rows {
        if let Some(failure) = &row.failure {
            let _ = writeln!(
                text,
                "\nfailed: {}, {}: {failure}",
                row.name,
                workers_of(row.workers)
            );
        }
    }
    text
}

fn comparisons(rows: &[Comparison]) -> Table {
    let head = ["name", "workers", "ours ns", "Go ns", "ratio", "spread"];
    let rows = rows.iter().map(|row| {
        [
            row.name.clone(),
            row.workers.to_string(),
            nanos(row.ours_ns),
            nanos(row.peer_ns),
            ratio(row.ratio),
            match (row.ratio_low, row.ratio_high) {
                (Some(low), Some(high)) => format!("{low:.2}–{high:.2}"),
                _ => String::new(),
            },
        ]
    });
    table(head, rows)
}

fn means(text: &mut String, kind: &str, rows: &[Comparison]) {
    let mut counts: Vec<_> = rows.iter().map(|row| row.workers).collect();
    counts.sort_unstable();
    counts.dedup();
    for &workers in &counts {
        let at = rows.iter().filter(|row| row.workers == workers);
        if let Some((mean, count)) = mean_ratio(at) {
            let workers = workers_of(workers);
            let _ = writeln!(
                text,
                "geometric mean of {kind} ({count}), {workers}: {mean:.3}"
            );
        }
    }
    if counts.len() > 1
        && let Some((mean, count)) = mean_ratio(rows)
    {
        let _ = writeln!(text, "geometric mean of {kind} ({count}), all: {mean:.3}");
    }
}

pub(crate) fn workers_of(workers: usize) -> String {
    match workers {
        1 => "1 worker".to_owned(),
        n => format!("{n} workers"),
    }
}

/// Three significant digits are more than repeat from run to run.
pub(crate) fn nanos(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value < 10.0 => format!("{value:.2}"),
        Some(value) if value < 100.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.0}"),
    }
}

pub(crate) fn ratio(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Samples;

    fn row(name: &str, workers: usize, ours: f64, peer: Option<f64>) -> Comparison {
        let samples = Samples {
            ours: vec![ours],
            peer: peer.into_iter().collect(),
        };
        Comparison::new(name, workers, &samples, None)
    }

    #[test]
    fn says_means_and_worst() {
        let mut rows = vec![
            row("ChanSync", 1, 50.0, Some(200.0)),
            row("ChanSync", 2, 100.0, Some(200.0)),
            row("Spawn/Finish", 1, 31.44, None),
            row("ChanSem", 2, 80.0, Some(80.0)),
        ];
        rows[3].failure = Some("it stopped".to_owned());
        let text = text("benchmarks", &rows);
        for line in [
            "geometric mean of benchmarks (1), 1 worker: 0.250",
            "geometric mean of benchmarks (2), 2 workers: 0.707",
            "geometric mean of benchmarks (3), all: 0.500",
            "    1.00  ChanSem, 2 workers",
            "    0.25  ChanSync, 1 worker",
            "failed: ChanSem, 2 workers: it stopped",
        ] {
            assert!(
                text.lines().any(|have| have == line),
                "{line}\nnot in\n{text}"
            );
        }
        assert!(text.contains("31.4"), "{text}");
    }
}
