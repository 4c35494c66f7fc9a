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

/// Doubles and halves a number `turns` times, each time waiting for the result of the last.
///
/// Where the result is used, Go's compiler keeps all of it.
#[inline]
pub fn double_and_halve(mut number: i64, turns: u32) -> i64 {
    for _ in 0..turns {
        number = black_box(number.wrapping_mul(2)) / 2;
    }
    number
}
