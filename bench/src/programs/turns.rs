//! Computing for a set time.

use std::hint::black_box;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Turns of a xorshift generator (Marsaglia, 2003): each waits for the one before, so that the
/// compilers of both languages come to the same speed.
pub fn compute(seed: u64, turns: u64) -> u64 {
    let mut x = seed;
    for _ in 0..turns {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        black_box(());
    }
    black_box(x)
}

/// How many turns take `time` on this machine when nothing else runs.
pub fn turns_in(time: Duration) -> u64 {
    /// How long a turn takes: the fastest of some runs, once for all programs.
    static SECONDS: LazyLock<f64> = LazyLock::new(|| {
        const TURNS: u64 = 1_000_000;
        let fastest = (0..10)
            .map(|_| {
                let start = Instant::now();
                compute(1, TURNS);
                start.elapsed()
            })
            .min()
            .expect("ten runs");
        fastest.as_secs_f64() / TURNS as f64
    });
    (time.as_secs_f64() / *SECONDS) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computing_depends_on_the_seed() {
        assert_eq!(
            compute(1, 1),
            1 ^ 1 << 13 ^ (1 ^ 1 << 13) >> 7 ^ ((1 ^ 1 << 13) ^ (1 ^ 1 << 13) >> 7) << 17
        );
        assert_ne!(compute(1, 100), compute(2, 100));
    }

    #[test]
    fn longer_takes_more_turns() {
        assert!(turns_in(Duration::from_millis(2)) > turns_in(Duration::from_millis(1)));
    }
}
