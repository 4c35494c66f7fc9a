//! The statistics of a comparison.

use serde::Serialize;
use statrs::statistics::{Data, Max, Median, Min, Statistics};

/// The figures of one benchmark at one number of workers.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// Our nanoseconds for each operation, one for each round.
    pub ours: Vec<f64>,
    /// The peer's, in the same rounds; empty where there is no peer.
    pub peer: Vec<f64>,
}

/// What is reported of one benchmark at one number of workers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The benchmark.
    pub name: String,
    /// The number of workers.
    pub workers: usize,
    /// Who the peer is, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<&'static str>,
    /// The median of our nanoseconds for each operation.
    pub ours_ns: Option<f64>,
    /// The median of the peer's.
    pub peer_ns: Option<f64>,
    /// The median of the rounds' ratios, ours to the peer's: below 1 we are faster.
    pub ratio: Option<f64>,
    /// The smallest ratio of a round.
    pub ratio_low: Option<f64>,
    /// The largest ratio of a round.
    pub ratio_high: Option<f64>,
    /// Why figures are missing.
    pub failure: Option<String>,
}

impl Comparison {
    /// Sums up the rounds.
    ///
    /// The ratio is taken within each round, where both sides met the same machine, and only then
    /// the median.
    pub fn new(name: &str, workers: usize, samples: &Samples, failure: Option<String>) -> Self {
        let ratios: Vec<f64> = samples
            .ours
            .iter()
            .zip(&samples.peer)
            .map(|(ours, peer)| ours / peer)
            .collect();
        let ratios_at = |of: fn(&Data<Vec<f64>>) -> f64| {
            (!ratios.is_empty()).then(|| of(&Data::new(ratios.clone())))
        };
        Self {
            name: name.to_owned(),
            workers,
            peer: None,
            ours_ns: median(&samples.ours),
            peer_ns: median(&samples.peer),
            ratio: median(&ratios),
            ratio_low: ratios_at(|ratios| ratios.min()),
            ratio_high: ratios_at(|ratios| ratios.max()),
            failure,
        }
    }

    /// The same, against one of several peers.
    pub fn against(self, peer: &'static str) -> Self {
        let peer = Some(peer);
        Self { peer, ..self }
    }
}

/// The median, if there are any.
pub fn median(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| Data::new(values.to_vec()).median())
}

/// The geometric mean of the ratios of those that have one, and how many these are.
pub fn mean_ratio<'a>(rows: impl IntoIterator<Item = &'a Comparison>) -> Option<(f64, usize)> {
    let ratios: Vec<f64> = rows.into_iter().filter_map(|row| row.ratio).collect();
    (!ratios.is_empty()).then(|| (ratios.iter().geometric_mean(), ratios.len()))
}

/// The `count` rows with the largest ratios, largest first.
pub fn worst(rows: &[Comparison], count: usize) -> Vec<&Comparison> {
    let mut worst: Vec<_> = rows.iter().filter(|row| row.ratio.is_some()).collect();
    worst.sort_by(|a, b| f64::total_cmp(&b.ratio.unwrap_or(0.0), &a.ratio.unwrap_or(0.0)));
    worst.truncate(count);
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(name: &str, ours: &[f64], peer: &[f64]) -> Comparison {
        let samples = Samples {
            ours: ours.to_vec(),
            peer: peer.to_vec(),
        };
        Comparison::new(name, 1, &samples, None)
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        // The machine was three times slower in the last round, for both.
        let row = compare("A", &[10.0, 12.0, 33.0], &[20.0, 20.0, 60.0]);
        assert_eq!(row.ours_ns, Some(12.0));
        assert_eq!(row.peer_ns, Some(20.0));
        assert_eq!(row.ratio, Some(0.55));
        assert_eq!(row.ratio_low, Some(0.5));
        assert_eq!(row.ratio_high, Some(0.6));
    }

    #[test]
    fn without_a_peer_there_is_no_ratio() {
        let row = compare("A", &[10.0, 20.0], &[]);
        assert_eq!(row.ours_ns, Some(15.0));
        assert_eq!((row.peer_ns, row.ratio, row.ratio_low), (None, None, None));
        assert_eq!(mean_ratio([&row]), None);
        assert_eq!(worst(&[row], 5), Vec::<&Comparison>::new());
    }

    #[test]
    fn mean_is_geometric() {
        let rows = [compare("A", &[1.0], &[2.0]), compare("B", &[2.0], &[1.0])];
        let (mean, count) = mean_ratio(&rows).unwrap();
        assert!((mean - 1.0).abs() < 1e-12);
        assert_eq!(count, 2);
    }

    #[test]
    fn worst_come_first() {
        let rows = [
            compare("A", &[1.0], &[1.0]),
            compare("B", &[3.0], &[1.0]),
            compare("C", &[1.0], &[]),
            compare("D", &[2.0], &[1.0]),
        ];
        let names: Vec<_> = worst(&rows, 2).iter().map(|row| &row.name).collect();
        assert_eq!(names, ["B", "D"]);
    }
}
