//! The stacks that a worker keeps at hand.

use super::{Stack, cancel_one, reserve_one, with_class};
use crate::runtime::idle_memory;
use std::cell::{Cell, RefCell};
use std::io;

/// How many stacks or reservations travel between a cache and the pool at a time.
const BATCH: usize = 16;
/// How many free stacks a cache keeps at most.
const KEEP: usize = 2 * BATCH;

/// The free stacks and reservations of one worker, of the runtime's default size; other sizes
/// pass it by.
#[derive(Debug)]
pub(crate) struct StackCache {
    pub(super) size: usize,
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

    /// Reserves a stack of `size`, which [`round_size`](super::round_size) has rounded.
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
            let stack = class.take();
            if keeps {
                class.take_some(BATCH - 1, &mut free);
            }
            stack
        })
    }

    /// Takes back a stack that nothing stands on any more. Its reservation stays.
    #[inline]
    pub(crate) fn give_back(&self, stack: Stack) {
        if stack.size() != self.size || !self.is_counted.get() {
            with_class(stack.size(), |class| class.free.push(stack));
            return idle_memory::watch();
        }
        let mut free = self.free.borrow_mut();
        free.push(stack);
        if free.len() > KEEP {
            with_class(self.size, |class| class.free.extend(free.drain(..BATCH)));
            idle_memory::watch();
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
        idle_memory::watch();
    }
}
