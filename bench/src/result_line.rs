//! The line in which a benchmark prints its result, in the format of Go's `testing` package.
//!
//! Our side prints the same line, so that one reader serves both.

use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

use crate::measure::Measurement;

static LINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^Benchmark(\S+?)(?:-(\d+))?[ \t]+(\d+)[ \t]+([0-9.]+(?:e[+-]?\d+)?) ns/op")
        .expect("a valid expression")
});

/// `BenchmarkChanSync-2   460447   268.5 ns/op`
#[derive(Clone, Debug, PartialEq)]
pub struct ResultLine {
    /// The benchmark's name without `Benchmark`, sub-benchmarks after a slash.
    pub name: String,
    /// The number of workers (`GOMAXPROCS`); Go leaves it out where it is 1.
    pub workers: usize,
    /// What was measured.
    pub measurement: Measurement,
}

impl ResultLine {
    /// All results in what a benchmark printed; other lines are passed over.
    pub fn parse_all(output: &str) -> Vec<Self> {
        LINE.captures_iter(output)
            .filter_map(|line| {
                Some(Self {
                    name: line[1].to_owned(),
                    workers: match line.get(2) {
                        Some(workers) => workers.as_str().parse().ok()?,
                        None => 1,
                    },
                    measurement: Measurement {
                        iterations: line[3].parse().ok()?,
                        nanos_per_op: line[4].parse().ok()?,
                    },
                })
            })
            .collect()
    }
}

impl fmt::Display for ResultLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Benchmark{}", self.name)?;
        if self.workers != 1 {
            write!(f, "-{}", self.workers)?;
        }
        write!(
            f,
            "\t{}\t{} ns/op",
            self.measurement.iterations, self.measurement.nanos_per_op
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, workers: usize, iterations: u64, nanos_per_op: f64) -> ResultLine {
        ResultLine {
            name: name.to_owned(),
            workers,
            measurement: Measurement {
                iterations,
                nanos_per_op,
            },
        }
    }

    #[test]
    fn reads_what_go_prints() {
        let output = "goos: linux\ngoarch: amd64\npkg: runtime\ncpu: some processor\n\
            BenchmarkMakeChan/Byte           \t 2010612\t        58.09 ns/op\n\
            BenchmarkMakeChan/Struct/32-2    \t  593394\t       249.0 ns/op\n\
            BenchmarkCreateGoroutinesCapture-2 \t    1000\t      1190 ns/op\t     144 B/op\t       5 allocs/op\n\
            PASS\n";
        assert_eq!(
            ResultLine::parse_all(output),
            [
                line("MakeChan/Byte", 1, 2_010_612, 58.09),
                line("MakeChan/Struct/32", 2, 593_394, 249.0),
                line("CreateGoroutinesCapture", 2, 1000, 1190.0),
            ]
        );
    }

    #[test]
    fn passes_over_what_is_no_result() {
        let output = "BenchmarkChanSync\n--- FAIL: BenchmarkChanSync\nFAIL\n";
        assert_eq!(ResultLine::parse_all(output), []);
    }

    #[test]
    fn reads_back_what_it_prints() {
        for line in [
            line("ChanSync", 1, 500, 218.25),
            line("MakeChan/Struct/0", 16, 1_000_000_000, 0.3),
            line("ChanPopular", 2, 3, 508_123.0),
        ] {
            assert_eq!(ResultLine::parse_all(&line.to_string()), [line]);
        }
    }
}
