//! Computing between two operations.

use std::cell::Cell;
use std::hint::black_box;

/// Computes for about `turns` cycles of the processor; `turns` is a multiple of four.
///
/// Go's benchmarks multiply, divide and drop the result; Go's compiler leaves an empty loop that
/// counts, of about a cycle for each turn. Such a loop would be no fair counterpart: after a
/// hundred turns its end is at the limit of what processors remember, and a branch more or less in
/// the code around it decides whether every operation pays for a misprediction. So here four
/// cycles pass in a turn of the loop, in instructions that wait for each other.
#[inline]
pub fn busy(turns: u32) {
    if turns > 0 {
        compute(turns);
    }
}

/// One loop for all callers: so short a loop runs at half speed where it is laid out badly.
#[inline(never)]
fn compute(turns: u32) {
    thread_local! {
        /// Goes from one call to the next, so that the processor cannot begin one before it has
        /// ended the last.
        static NUMBER: Cell<u64> = const { Cell::new(1) };
    }
    debug_assert!(turns.is_multiple_of(4));
    let mut number = NUMBER.get();
    for _ in 0..turns / 4 {
        // Each of them takes a cycle and cannot be merged with the next.
        number = number.rotate_left(7);
        number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
        number = number.rotate_left(11);
        number = number.wrapping_add(0xD1B5_4A32_D192_ED03);
    }
    NUMBER.set(number);
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
