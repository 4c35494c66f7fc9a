//! Computing between two operations.

use std::hint::black_box;

/// Counts to `turns`.
///
/// Go's benchmarks multiply, divide and drop the result; Go's compiler leaves an empty loop of one
/// turn for each cycle. `black_box` of nothing is that loop: it costs no instruction and keeps the
/// compiler from removing the loop.
#[inline]
pub fn busy(turns: u32) {
    for _ in 0..turns {
        black_box(());
    }
}
