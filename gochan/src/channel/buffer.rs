//! The values that were sent and not yet received, oldest first.

use std::collections::VecDeque;

/// How many values a channel holds without a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Capacity {
    /// So many; 0 for a channel on which senders meet receivers.
    Bounded(usize),
    Unbounded,
}

/// A queue with a capacity, in which room can be reserved.
pub(super) struct Buffer<T> {
    values: VecDeque<T>,
    capacity: Capacity,
    /// Places promised to senders that have not brought their values yet.
    reserved: usize,
}

impl<T> Buffer<T> {
    /// An empty buffer, with its memory.
    ///
    /// # Panics
    /// If the memory cannot be had.
    #[track_caller]
    pub(super) fn new(capacity: Capacity) -> Self {
        let mut values = VecDeque::new();
        if let Capacity::Bounded(capacity) = capacity
            && values.try_reserve_exact(capacity).is_err()
        {
            panic!(
                "cannot allocate a channel with a capacity of {capacity} elements of {} bytes",
                size_of::<T>()
            );
        }
        Buffer {
            values,
            capacity,
            reserved: 0,
        }
    }

    pub(super) fn capacity(&self) -> Capacity {
        self.capacity
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    #[inline]
    pub(super) fn has_room(&self) -> bool {
        match self.capacity {
            Capacity::Bounded(capacity) => self.values.len() + self.reserved < capacity,
            Capacity::Unbounded => true,
        }
    }

    #[inline]
    pub(super) fn push(&mut self, value: T) {
        self.values.push_back(value);
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<T> {
        self.values.pop_front()
    }

    /// Sets a place aside.
    pub(super) fn reserve(&mut self) {
        self.reserved += 1;
    }

    /// Gives a reserved place up, to be filled or left.
    pub(super) fn unreserve(&mut self) {
        self.reserved -= 1;
    }

    /// Takes all values out.
    pub(super) fn take(&mut self) -> VecDeque<T> {
        std::mem::take(&mut self.values)
    }
}
