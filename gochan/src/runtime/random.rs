//! The random source behind every choice of the scheduler and of `select!`.
//!
//! SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014):
//! one addition and a mix, equidistributed over 64 bits, and any seed is a good seed.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};

/// A generator for one thread.
#[derive(Debug)]
pub(crate) struct Random {
    state: Cell<u64>,
    /// The next number, which is made when the one before is asked for: so nobody waits for it.
    next: Cell<u64>,
}

const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Random {
    /// A generator whose numbers follow from `seed` and `stream`.
    pub(crate) fn seeded(seed: u64, stream: u64) -> Self {
        let random = Random {
            state: Cell::new(mix(seed ^ mix(stream.wrapping_add(1)))),
            next: Cell::new(0),
        };
        random.next();
        random
    }

    /// A generator seeded by the operating system.
    pub(crate) fn from_entropy() -> Self {
        Random::seeded(entropy(), 0)
    }

    #[inline]
    fn next(&self) -> u64 {
        let state = self.state.get().wrapping_add(GOLDEN_GAMMA);
        self.state.set(state);
        self.next.replace(mix(state))
    }

    /// A number below `bound`, each equally likely.
    ///
    /// Lemire, "Fast random integer generation in an interval", 2019: the high half of a
    /// product, with the few values rejected that would make some results likelier.
    #[inline]
    pub(crate) fn below(&self, bound: u32) -> u32 {
        debug_assert!(bound > 0);
        let product = self.product(bound);
        match product as u32 >= bound {
            true => (product >> 32) as u32,
            false => self.below_with_rejection(product, bound),
        }
    }

    #[inline]
    fn product(&self, bound: u32) -> u64 {
        u64::from(self.next() as u32) * u64::from(bound)
    }

    #[cold]
    fn below_with_rejection(&self, mut product: u64, bound: u32) -> u32 {
        while (product as u32) < bound.wrapping_neg() % bound {
            product = self.product(bound);
        }
        (product >> 32) as u32
    }
}

/// A seed from the operating system, by way of the standard library's hash keys.
pub(crate) fn entropy() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_numbers_and_streams_differ() {
        let (a, b, c) = (
            Random::seeded(7, 0),
            Random::seeded(7, 0),
            Random::seeded(7, 1),
        );
        let numbers = |r: &Random| (0..32).map(|_| r.next()).collect::<Vec<_>>();
        let first = numbers(&a);
        assert_eq!(first, numbers(&b));
        assert_ne!(first, numbers(&c));
    }

    #[test]
    fn below_is_even() {
        let random = Random::seeded(1, 2);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[random.below(7) as usize] += 1;
        }
        // Chi-square with 6 degrees of freedom; 22.5 is passed once in a thousand seeds.
        let chi: f64 = counts
            .iter()
            .map(|&n| (f64::from(n) - 10_000.0).powi(2) / 10_000.0)
            .sum();
        assert!(chi < 22.5, "{counts:?}: {chi}");
    }
}
