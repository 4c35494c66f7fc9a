//! Stacks for goroutines: made many at a time, guarded, recycled.
//!
//! A goroutine gets its stack when it starts, so that many that wait to start and end soon run
//! one after the other on the same warm stack. But whether there is a stack for it is settled
//! when it is spawned, where the failure has somebody to go to: a spawn *reserves* a stack, and
//! the pool sees to it that as many stacks exist as are reserved.
//!
//! Stacks and reservations are handed out by the [cache](StackCache) of a worker, which gets them
//! from the pool of the process in batches. Both are last in, first out: the stack that was used
//! last is the one whose pages are in memory and in the processor's caches. The stacks at the
//! other end of the pool lose their memory [after a while](crate::runtime::idle_memory).
//!
//! Invariants of the pool, for each size:
//! - `existing` ≥ `reserved`, where `reserved` counts the goroutines that have not ended, the
//!   reservations that caches hold ready, and for each cache the stacks that it may keep. So when
//!   a goroutine starts and its worker's cache is empty, the pool is not;
//! - those in `bare` have no guard yet: they get it before they are handed out;
//! - the first `clean` of `free` hold no memory, and the first `unused` have been there since the
//!   last look at what idles.

mod cache;
mod idle;

#[cfg(unix)]
mod advice;
#[cfg(unix)]
mod guard;
#[cfg(unix)]
mod limits;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

pub(crate) use cache::StackCache;
pub(crate) use idle::{give_back_idle, pool_is_clean};
#[cfg(unix)]
pub(crate) use unix::{Stack, give_back_memory, guard_stacks, make_stacks};
#[cfg(windows)]
pub(crate) use windows::{Stack, give_back_memory, guard_stacks, make_stacks};

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;

/// The smallest stack: room for a panic and its message.
const MIN_SIZE: usize = 16 * 1024;
/// The step in which sizes are told apart, so that stacks can be recycled.
const SIZE_STEP: usize = 16 * 1024;
/// The fewest and the most stacks that get their guards at a time.
const GUARDED_AT_ONCE: (usize, usize) = (16, 1024);

/// The stacks of the process that are in no cache and not in use, by their size.
static POOL: Mutex<BTreeMap<usize, Class>> = Mutex::new(BTreeMap::new());

/// The stacks of one size.
#[derive(Debug, Default)]
struct Class {
    /// Those that have been used, the last one at the end.
    free: Vec<Stack>,
    /// Those that have never been used.
    fresh: Vec<Stack>,
    /// Those that have never been used and have no guard yet: many are reserved for goroutines
    /// that end before the next one starts, and are never handed out.
    bare: Vec<Stack>,
    clean: usize,
    unused: usize,
    existing: usize,
    reserved: usize,
}

impl Class {
    /// Reserves `count` stacks, making those that do not exist yet.
    fn reserve(&mut self, size: usize, count: usize) -> io::Result<()> {
        while self.existing < self.reserved + count {
            let before = self.fresh.len() + self.bare.len();
            make_stacks(size, &mut self.fresh, &mut self.bare)?;
            self.existing += self.fresh.len() + self.bare.len() - before;
        }
        self.reserved += count;
        Ok(())
    }

    /// Gives stacks their guards if fewer than `count` could be handed out.
    fn guard(&mut self, count: usize) {
        let missing = count.saturating_sub(self.free.len() + self.fresh.len());
        if missing > 0 {
            // As many again as have one already: a crowd needs few calls, and a program with few
            // goroutines few guards.
            let guarded = self.existing - self.bare.len();
            let (fewest, most) = GUARDED_AT_ONCE;
            let some = missing.max(guarded.clamp(fewest, most));
            let some = self.bare.len().saturating_sub(some);
            guard_stacks(&self.bare[some..]);
            self.fresh.extend(self.bare.drain(some..));
        }
    }

    /// The stack for a goroutine that has reserved one.
    fn take(&mut self) -> Stack {
        self.guard(1);
        let stack = self.free.pop().or_else(|| self.fresh.pop());
        self.note_use();
        stack.expect("as many stacks exist as are reserved")
    }

    /// Moves up to `count` stacks to the end of `taken`.
    fn take_some(&mut self, count: usize, taken: &mut Vec<Stack>) {
        self.guard(count);
        let of_fresh = count.saturating_sub(self.free.len());
        let of_fresh = of_fresh.min(self.fresh.len());
        taken.extend(self.fresh.drain(self.fresh.len() - of_fresh..));
        let of_used = count.min(self.free.len());
        taken.extend(self.free.drain(self.free.len() - of_used..));
        self.note_use();
    }

    fn note_use(&mut self) {
        self.clean = self.clean.min(self.free.len());
        self.unused = self.unused.min(self.free.len());
    }
}

fn with_class<T>(size: usize, f: impl FnOnce(&mut Class) -> T) -> T {
    f(POOL.lock().entry(size).or_default())
}

/// Whether `address` lies in the guard of the stack whose lowest address is `limit`.
#[cfg(unix)]
pub(crate) fn is_in_guard(limit: usize, address: usize) -> bool {
    (limit..limit + unix::page_size()).contains(&address)
}

/// Where pages are larger, stacks are not smaller than those.
fn size_step() -> usize {
    #[cfg(unix)]
    return SIZE_STEP.max(unix::page_size());
    #[cfg(not(unix))]
    SIZE_STEP
}

/// The size that a request for `bytes` gets: rounded up to a recyclable size.
pub(crate) fn round_size(bytes: usize) -> io::Result<usize> {
    bytes
        .max(MIN_SIZE)
        .checked_next_multiple_of(size_step())
        .filter(|&size| size <= isize::MAX as usize / 2)
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a stack of {bytes} bytes is larger than the address space"),
            )
        })
}

/// Reserves a stack of `size`, which [`round_size`] has rounded.
///
/// # Errors
/// The operating system's, when it has no room for another stack.
pub(crate) fn reserve_one(size: usize) -> io::Result<()> {
    with_class(size, |class| class.reserve(size, 1))
}

/// Gives a reservation back.
pub(crate) fn cancel_one(size: usize) {
    with_class(size, |class| class.reserved -= 1);
}

#[cfg(all(test, not(loom)))]
mod tests;
