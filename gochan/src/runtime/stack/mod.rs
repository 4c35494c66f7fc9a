//! Stacks for goroutines: made many at a time, guarded, recycled.
//!
//! A goroutine gets its stack when it starts, so that many that wait to start and end soon run
//! one after the other on the same warm stack. But whether there is a stack for it is settled
//! when it is spawned, where the failure has somebody to go to: a spawn *reserves* a stack, and
//! the pool sees to it that as many stacks exist as are reserved.
//!
//! Stacks and reservations are handed out by the cache of a worker, which gets them from the pool
//! of the process in batches. Both are last in, first out: the stack that was used last is the
//! one whose pages are in memory and in the processor's caches.
//!
//! Invariant of the pool, for each size: `existing` ≥ `reserved`, where `reserved` counts the
//! goroutines that have not ended, the reservations that caches hold ready, and for each cache
//! the stacks that it may keep. So when a goroutine starts and its worker's cache is empty, the
//! pool is not.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::{Stack, make_stacks};
#[cfg(windows)]
pub(crate) use windows::{Stack, make_stacks};

use parking_lot::Mutex;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;

/// The smallest stack: room for a panic and its message.
const MIN_SIZE: usize = 16 * 1024;
/// The step in which sizes are told apart, so that stacks can be recycled.
const SIZE_STEP: usize = 16 * 1024;
/// How many stacks or reservations travel between a cache and the pool at a time.
const BATCH: usize = 16;
/// How many free stacks a cache keeps at most.
const KEEP: usize = 2 * BATCH;

/// The stacks of the process that are in no cache and not in use, by their size.
static POOL: Mutex<BTreeMap<usize, Class>> = Mutex::new(BTreeMap::new());

/// The stacks of one size.
#[derive(Debug, Default)]
struct Class {
    free: Vec<Stack>,
    existing: usize,
    reserved: usize,
}

impl Class {
    /// Reserves `count` stacks, making those that do not exist yet.
    fn reserve(&mut self, size: usize, count: usize) -> io::Result<()> {
        while self.existing < self.reserved + count {
            let before = self.free.len();
            make_stacks(size, &mut self.free)?;
            self.existing += self.free.len() - before;
        }
        self.reserved += count;
        Ok(())
    }
}

fn with_class<T>(size: usize, f: impl FnOnce(&mut Class) -> T) -> T {
    f(POOL.lock().entry(size).or_default())
}

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

/// The free stacks and reservations of one worker, of the runtime's default size; other sizes
/// pass it by.
#[derive(Debug)]
pub(crate) struct StackCache {
    size: usize,
    free: RefCell<Vec<Stack>>,
    reservations: Cell<usize>,
    /// Whether the pool has counted what this cache may keep.
    is_counted: Cell<bool>,
}

impl StackCache {
    pub(crate) fn new(size: usize) -> Self {
        StackCache {
            size,
            free: RefCell::new(Vec::with_capacity(KEEP + 1)),
            reservations: Cell::new(0),
            is_counted: Cell::new(false),
        }
    }

    /// Reserves a stack of `size`, which [`round_size`] has rounded.
    ///
    /// # Errors
    /// The operating system's, when it has no room for another stack.
    #[inline]
    pub(crate) fn reserve(&self, size: usize) -> io::Result<()> {
        if size != self.size {
            return reserve_one(size);
        }
        match self.reservations.get() {
            0 => self.reserve_from_pool(),
            ready => {
                self.reservations.set(ready - 1);
                Ok(())
            }
        }
    }

    #[cold]
    fn reserve_from_pool(&self) -> io::Result<()> {
        self.count_in()?;
        let batch = with_class(self.size, |class| match class.reserve(self.size, BATCH) {
            Ok(()) => Ok(BATCH),
            // So close to the limit every stack counts.
            Err(_) => class.reserve(self.size, 1).map(|()| 1),
        })?;
        self.reservations.set(batch - 1);
        Ok(())
    }

    /// Has the pool count what this cache may keep.
    fn count_in(&self) -> io::Result<()> {
        if !self.is_counted.get() {
            with_class(self.size, |class| class.reserve(self.size, KEEP + 1))?;
            self.is_counted.set(true);
        }
        Ok(())
    }

    /// Gives a reservation back.
    #[inline]
    pub(crate) fn cancel(&self, size: usize) {
        if size != self.size {
            return cancel_one(size);
        }
        let mut ready = self.reservations.get() + 1;
        if ready > 2 * BATCH {
            with_class(size, |class| class.reserved -= BATCH);
            ready -= BATCH;
        }
        self.reservations.set(ready);
    }

    /// The stack for a goroutine that has reserved one and starts now.
    #[inline]
    pub(crate) fn take(&self, size: usize) -> Stack {
        if size == self.size
            && let Some(stack) = self.free.borrow_mut().pop()
        {
            return stack;
        }
        self.take_from_pool(size)
    }

    #[cold]
    fn take_from_pool(&self, size: usize) -> Stack {
        // Without the pool's knowledge a cache keeps nothing.
        let keeps = size == self.size && self.count_in().is_ok();
        let mut free = self.free.borrow_mut();
        with_class(size, |class| {
            let stack = class.free.pop();
            if keeps {
                let rest = class.free.len().saturating_sub(BATCH - 1);
                free.extend(class.free.drain(rest..));
            }
            stack.expect("as many stacks exist as are reserved")
        })
    }

    /// Takes back a stack that nothing stands on any more. Its reservation stays.
    #[inline]
    pub(crate) fn give_back(&self, stack: Stack) {
        if stack.size() != self.size || !self.is_counted.get() {
            return with_class(stack.size(), |class| class.free.push(stack));
        }
        let mut free = self.free.borrow_mut();
        free.push(stack);
        if free.len() > KEEP {
            with_class(self.size, |class| class.free.extend(free.drain(..BATCH)));
        }
    }
}

impl Drop for StackCache {
    fn drop(&mut self) {
        let kept = if self.is_counted.get() { KEEP + 1 } else { 0 };
        with_class(self.size, |class| {
            class.free.append(self.free.get_mut());
            class.reserved -= kept + self.reservations.get();
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use corosensei::stack::Stack as _;

    /// A size of its own for each test, so that they do not meet in the pool.
    fn size(steps: usize) -> usize {
        round_size(steps * SIZE_STEP).unwrap()
    }

    fn start(cache: &StackCache) -> Stack {
        cache.reserve(cache.size).unwrap();
        cache.take(cache.size)
    }

    fn end(cache: &StackCache, stack: Stack) {
        cache.give_back(stack);
        cache.cancel(cache.size);
    }

    #[test]
    fn a_stack_that_comes_back_is_the_next_one_handed_out() {
        let cache = StackCache::new(size(3));
        let first = start(&cache);
        let base = first.base();
        end(&cache, first);
        assert_eq!(start(&cache).base(), base);
    }

    #[test]
    fn many_that_wait_to_start_use_one_stack() {
        let cache = StackCache::new(size(5));
        for _ in 0..1_000 {
            cache.reserve(cache.size).unwrap();
        }
        let mut bases = std::collections::BTreeSet::new();
        for _ in 0..1_000 {
            let stack = cache.take(cache.size);
            bases.insert(stack.base());
            end(&cache, stack);
        }
        assert_eq!(bases.len(), 1);
    }

    #[test]
    fn what_is_reserved_is_there_wherever_it_is_taken() {
        let size = size(7);
        let caches: Vec<_> = (0..4).map(|_| StackCache::new(size)).collect();
        let mut in_use = Vec::new();
        for round in 0..3_000_usize {
            // Reserved here, started there, ended elsewhere.
            caches[round % 4].reserve(size).unwrap();
            in_use.push(caches[(round / 3) % 4].take(size));
            if round % 3 == 0 {
                let stack = in_use.swap_remove((round * 7_919) % in_use.len());
                end(&caches[(round / 5) % 4], stack);
            }
        }
        let mut ranges: Vec<_> = in_use
            .iter()
            .map(|stack| (stack.limit().get(), stack.base().get()))
            .collect();
        ranges.sort_unstable();
        assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        assert!(ranges.iter().all(|(limit, base)| base - limit >= size));
        for stack in in_use {
            end(&caches[0], stack);
        }
        drop(caches);
        with_class(size, |class| {
            assert_eq!(class.reserved, 0);
            assert_eq!(class.existing, class.free.len());
        });
    }

    #[test]
    fn impossible_sizes_are_errors() {
        let error = round_size(usize::MAX - 5).unwrap_err();
        assert!(error.to_string().contains("larger"), "{error}");
        let error = reserve_one(round_size(1 << 55).unwrap()).unwrap_err();
        assert!(error.to_string().contains("stack"), "{error}");
    }
}
