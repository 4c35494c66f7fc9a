//! Computing between two operations.

use std::hint::black_box;

/// Computes for about `turns` cycles of the processor; `turns` is a multiple of four.
///
/// Go's benchmarks multiply, divide and drop the result; Go's compiler leaves an empty loop that
/// counts down.
#[inline]
pub fn busy(turns: u32) {
    if turns > 0 {
        compute(turns);
    }
}

/// The loop that Go's compiler leaves, instruction by instruction. How long one takes is decided by
/// how much of it the processor does beside what comes before and after, and only the same
/// instructions leave the same to be decided.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn compute(turns: u32) {
    // SAFETY: it counts in a register of its own.
    unsafe {
        std::arch::asm!(
            "jmp 3f",
            ".p2align 4",
            "2:",
            "dec {left}",
            "3:",
            "test {left}, {left}",
            "jg 2b",
            left = inout(reg) u64::from(turns) => _,
            options(nomem, nostack),
        );
    }
}

/// In place of the loop four cycles pass in a turn of this one, in instructions that wait for each
/// other.
#[cfg(not(target_arch = "x86_64"))]
#[inline(never)]
fn compute(turns: u32) {
    use std::cell::Cell;
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
