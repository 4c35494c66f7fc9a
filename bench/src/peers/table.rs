//! The figures of all peers as text.

use std::fmt::Write as _;

use comfy_table::Table;

use super::{PEERS, Side};
use crate::report::{self, nanos, ratio, workers_of};
use crate::summary::{Comparison, mean_ratio, worst};

/// One job at one number of workers: a comparison for each peer.
pub type Row = Vec<Comparison>;

/// The table, the geometric means against the fastest peer and against `may`, and the five worst.
pub fn text(rows: &[Row]) -> String {
    let mut text = format!("{}\n", table(rows));
    means(&mut text, "the fastest peer", rows, fastest);
    means(&mut text, "may", rows, |row| of(row, Side::May));
    let against_fastest: Vec<Comparison> = rows
        .iter()
        .filter_map(|row| fastest(row))
        .cloned()
        .collect();
    let worst = worst(&against_fastest, 5);
    if !worst.is_empty() {
        text.push_str("\nworst five:\n");
        for row in worst {
            let _ = writeln!(
                text,
                "  {:>6}  {}, {}, against {}",
                ratio(row.ratio),
                row.name,
                workers_of(row.workers),
                row.peer.unwrap_or_default(),
            );
        }
    }
    for row in rows.iter().flatten() {
        if let Some(failure) = &row.failure {
            let at = workers_of(row.workers);
            let _ = writeln!(text, "\nfailed: {}, {at}: {failure}", row.name);
        }
    }
    text
}

fn table(rows: &[Row]) -> Table {
    let head = [
        "name",
        "workers",
        "ours ns",
        "fastest peer",
        "ratio",
        "to may",
    ];
    let head = head.into_iter().chain(PEERS.iter().map(|peer| peer.name()));
    let rows = rows.iter().filter_map(|row| {
        let first = row.first()?;
        let fastest = fastest(row);
        let mut cells = vec![
            first.name.clone(),
            first.workers.to_string(),
            nanos(first.ours_ns),
            fastest.and_then(|row| row.peer).unwrap_or("-").to_owned(),
            ratio(fastest.and_then(|row| row.ratio)),
            ratio(of(row, Side::May).and_then(|row| row.ratio)),
        ];
        cells.extend(
            PEERS
                .iter()
                .map(|&peer| nanos(of(row, peer).and_then(|row| row.peer_ns))),
        );
        Some(cells)
    });
    report::table(head, rows)
}

/// The comparison with one peer.
fn of(row: &Row, peer: Side) -> Option<&Comparison> {
    row.iter().find(|row| row.peer == Some(peer.name()))
}

/// The comparison with the peer that took least time.
fn fastest(row: &Row) -> Option<&Comparison> {
    let measured = row.iter().filter_map(|row| Some((row, row.peer_ns?)));
    Some(measured.min_by(|a, b| a.1.total_cmp(&b.1))?.0)
}

fn means(
    text: &mut String,
    against: &str,
    rows: &[Row],
    which: impl Fn(&Row) -> Option<&Comparison>,
) {
    let mut counts: Vec<_> = rows.iter().flatten().map(|row| row.workers).collect();
    counts.sort_unstable();
    counts.dedup();
    for workers in counts {
        let at = rows.iter().filter_map(&which);
        if let Some((mean, count)) = mean_ratio(at.filter(|row| row.workers == workers)) {
            let workers = workers_of(workers);
            let _ = writeln!(
                text,
                "geometric mean against {against} ({count}), {workers}: {mean:.3}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Samples;

    fn against(name: &str, peer: Side, ours: f64, theirs: f64) -> Comparison {
        let samples = Samples {
            ours: vec![ours],
            peer: vec![theirs],
        };
        Comparison::new(name, 2, &samples, None).against(peer.name())
    }

    #[test]
    fn says_who_is_fastest() {
        let mut rows = vec![
            vec![
                against("PingPong", Side::May, 50.0, 100.0),
                against("PingPong", Side::Flume, 50.0, 40.0),
                against("PingPong", Side::Tokio, 50.0, 200.0),
            ],
            vec![against("Yield", Side::May, 10.0, 20.0)],
        ];
        rows[1][0].failure = Some("may: it stopped".to_owned());
        let text = text(&rows);
        let cells = |name: &str| -> Vec<&str> {
            let line = text.lines().find(|line| line.trim().starts_with(name));
            line.unwrap().split_whitespace().collect()
        };
        assert_eq!(
            cells("PingPong"),
            [
                "PingPong", "2", "50.0", "flume", "1.25", "0.50", "100", "-", "-", "40.0", "200",
                "-"
            ]
        );
        for line in [
            "geometric mean against the fastest peer (2), 2 workers: 0.791",
            "geometric mean against may (2), 2 workers: 0.500",
            "    1.25  PingPong, 2 workers, against flume",
            "failed: Yield, 2 workers: may: it stopped",
        ] {
            assert!(
                text.lines().any(|have| have == line),
                "{line}\nnot in\n{text}"
            );
        }
    }
}
