//! Lets all sides take turns.

use std::time::Duration;

use anyhow::Result;

use super::{Job, Side};
use crate::process;
use crate::summary::{Comparison, Samples};

/// Measures ours and the peers' in each round, each in a process of its own, and returns a
/// comparison for each peer.
///
/// The calling program is run with `measure SIDE NAME`. A peer that fails is left out of the rounds
/// that follow.
pub fn compare(
    (name, job): (&'static str, Job),
    peers: &[Side],
    workers: usize,
    rounds: u32,
    time: Duration,
) -> Vec<Comparison> {
    let mut ours = Vec::new();
    let mut failed_ours = None;
    let able = peers.iter().filter(|peer| peer.can(job));
    let mut theirs: Vec<_> = able
        .map(|&peer| (peer, Vec::new(), None::<String>))
        .collect();
    for round in 1..=rounds {
        eprint!("\r\x1b[K{name}, workers: {workers}, round {round} of {rounds}");
        match measure(Side::Ours, name, workers, time) {
            Ok(nanos) => ours.push(nanos),
            Err(error) => {
                failed_ours = Some(format!("ours: {error:#}"));
                break;
            }
        }
        for (peer, samples, failure) in &mut theirs {
            if failure.is_none() {
                match measure(*peer, name, workers, time) {
                    Ok(nanos) => samples.push(nanos),
                    Err(error) => *failure = Some(format!("{}: {error:#}", peer.name())),
                }
            }
        }
    }
    eprint!("\r\x1b[K");
    let rows = theirs.into_iter().map(|(side, peer, failure)| {
        let ours = ours.clone();
        let failure = failed_ours.clone().or(failure);
        Comparison::new(name, workers, &Samples { ours, peer }, failure).against(side.name())
    });
    rows.collect()
}

fn measure(side: Side, name: &str, workers: usize, time: Duration) -> Result<f64> {
    // Growing to the measured run takes a few times the measured time; more is a hang.
    let limit = Duration::from_secs(60) + 40 * time;
    process::measure(&[side.name(), name], workers, time, limit)
}
