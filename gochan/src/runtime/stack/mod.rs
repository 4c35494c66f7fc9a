//! Stacks for goroutines: made many at a time, guarded, recycled.
//!
//! A stack is handed out by the cache of a worker, which is filled from and emptied into the
//! pool of the process in batches; so a spawn on a warm worker takes a stack from the end of a
//! vector. Both are last in, first out: the stack that was used last is the one whose pages are
//! in memory and in the processor's caches.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::{Stack, make_stacks};
#[cfg(windows)]
pub(crate) use windows::{Stack, make_stacks};

use parking_lot::Mutex;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;

/// The smallest stack: room for a panic and its message.
const MIN_SIZE: usize = 16 * 1024;
/// The step in which sizes are told apart, so that stacks can be recycled.
const SIZE_STEP: usize = 16 * 1024;
/// How many stacks travel between a cache and the pool at a time.
const BATCH: usize = 64;

/// The free stacks of the process, by their size.
static POOL: Mutex<Option<HashMap<usize, Vec<Stack>>>> = Mutex::new(None);

/// The size that a request for `bytes` gets: rounded up to a recyclable size.
pub(crate) fn round_size(bytes: usize) -> io::Result<usize> {
    bytes
        .max(MIN_SIZE)
        .checked_next_multiple_of(SIZE_STEP)
        .filter(|&size| size <= isize::MAX as usize / 2)
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a stack of {bytes} bytes is larger than the address space"),
            )
        })
}

/// Moves up to `count` free stacks of `size` into `into`, making new ones if there are none.
///
/// # Errors
/// The operating system's, when it has no room for another stack.
fn take_from_pool(size: usize, count: usize, into: &mut Vec<Stack>) -> io::Result<()> {
    let mut pool = POOL.lock();
    let free = pool
        .get_or_insert_default()
        .entry(size)
        .or_default();
    if free.is_empty() {
        make_stacks(size, free)?;
    }
    let start = free.len().saturating_sub(count);
    into.extend(free.drain(start..));
    Ok(())
}

fn return_to_pool(size: usize, stacks: impl IntoIterator<Item = Stack>) {
    let mut pool = POOL.lock();
    pool.get_or_insert_default()
        .entry(size)
        .or_default()
        .extend(stacks);
}

/// The free stacks of one worker, all of the runtime's default size.
#[derive(Debug)]
pub(crate) struct StackCache {
    size: usize,
    free: RefCell<Vec<Stack>>,
}

impl StackCache {
    pub(crate) fn new(size: usize) -> Self {
        StackCache {
            size,
            free: RefCell::new(Vec::with_capacity(2 * BATCH + 1)),
        }
    }

    /// A stack of `size`, which [`round_size`] has rounded.
    #[inline]
    pub(crate) fn take(&self, size: usize) -> io::Result<Stack> {
        if size != self.size {
            return take_one(size);
        }
        let mut free = self.free.borrow_mut();
        if let Some(stack) = free.pop() {
            return Ok(stack);
        }
        take_from_pool(size, BATCH, &mut free)?;
        Ok(free.pop().expect("the pool gave at least one stack"))
    }

    /// Takes back a stack that nothing stands on any more.
    #[inline]
    pub(crate) fn give_back(&self, stack: Stack) {
        if stack.size() != self.size {
            return give_back_one(stack);
        }
        let mut free = self.free.borrow_mut();
        free.push(stack);
        if free.len() > 2 * BATCH {
            return_to_pool(self.size, free.drain(..BATCH));
        }
    }
}

impl Drop for StackCache {
    fn drop(&mut self) {
        return_to_pool(self.size, self.free.get_mut().drain(..));
    }
}

/// A stack of `size` straight from the pool.
pub(crate) fn take_one(size: usize) -> io::Result<Stack> {
    let mut one = Vec::with_capacity(1);
    take_from_pool(size, 1, &mut one)?;
    Ok(one.pop().expect("the pool gave at least one stack"))
}

/// Takes a stack back into the pool.
pub(crate) fn give_back_one(stack: Stack) {
    return_to_pool(stack.size(), [stack]);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use corosensei::stack::Stack as _;

    #[test]
    fn a_stack_that_comes_back_is_the_next_one_handed_out() {
        let cache = StackCache::new(round_size(64 * 1024).unwrap());
        let first = cache.take(cache.size).unwrap();
        let base = first.base();
        cache.give_back(first);
        assert_eq!(cache.take(cache.size).unwrap().base(), base);
    }

    #[test]
    fn stacks_do_not_overlap_and_have_the_size_that_was_asked_for() {
        let size = round_size(100_000).unwrap();
        assert!(size >= 100_000);
        let mut ranges: Vec<_> = (0..200)
            .map(|_| take_one(size).unwrap())
            .map(|stack| {
                let range = (stack.limit().get(), stack.base().get());
                assert!(range.1 - range.0 >= size);
                assert_eq!(stack.size(), size);
                range
            })
            .collect();
        ranges.sort_unstable();
        assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0));
    }

    #[test]
    fn impossible_sizes_are_errors() {
        let error = round_size(usize::MAX - 5).unwrap_err();
        assert!(error.to_string().contains("larger"), "{error}");
        assert!(take_one(round_size(1 << 55).unwrap()).is_err());
    }
}
