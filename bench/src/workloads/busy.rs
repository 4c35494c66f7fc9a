//! Computing between two operations.

use std::hint::black_box;

/// Counts to `turns`.
///
/// Go's benchmarks multiply, divide and drop the result; Go's compiler leaves an empty loop that
/// counts, of about a cycle for each turn. This is the same loop: `black_box` of nothing costs no
/// instruction and keeps the compiler from removing it.
#[inline]
pub fn busy(turns: u32) {
    if turns > 0 {
        count(turns);
    }
}

/// One loop for all callers: so short a loop runs at half speed where it is laid out badly.
#[inline(never)]
fn count(turns: u32) {
    for _ in 0..turns {
        black_box(());
    }
}
