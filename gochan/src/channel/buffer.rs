//! The values that were sent and not yet received, oldest first.
//!
//! A buffer with a bound stands behind its channel in the channel's own memory, which
//! [`shared`](super::shared) allocates; one without a bound grows elsewhere.
//!
//! Invariant of a bounded buffer: of its slots, the `len` from `first` on hold values, counted
//! around the end.

use std::collections::VecDeque;
use std::mem;
use std::ptr::NonNull;

/// How many values a channel holds without a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Capacity {
    /// So many; 0 for a channel on which senders meet receivers.
    Bounded(usize),
    Unbounded,
}

impl Capacity {
    /// How many slots it needs.
    pub(super) fn slots(self) -> usize {
        match self {
            Capacity::Bounded(capacity) => capacity,
            Capacity::Unbounded => 0,
        }
    }
}

/// A queue with a capacity, in which room can be reserved.
pub(super) struct Buffer<T> {
    values: Values<T>,
    /// Places promised to senders that have not brought their values yet.
    reserved: usize,
}

enum Values<T> {
    Bounded(Ring<T>),
    Unbounded(VecDeque<T>),
}

/// Some slots, used one after the other.
struct Ring<T> {
    slots: NonNull<T>,
    capacity: usize,
    first: usize,
    len: usize,
}

impl<T> Buffer<T> {
    /// An empty buffer.
    ///
    /// # Safety
    /// At `slots` there is room for [`Capacity::slots`] values, which nobody else uses for as long
    /// as the buffer lives.
    pub(super) unsafe fn new(capacity: Capacity, slots: NonNull<T>) -> Self {
        let values = match capacity {
            Capacity::Bounded(capacity) => Values::Bounded(Ring {
                slots,
                capacity,
                first: 0,
                len: 0,
            }),
            Capacity::Unbounded => Values::Unbounded(VecDeque::new()),
        };
        Buffer {
            values,
            reserved: 0,
        }
    }

    pub(super) fn capacity(&self) -> Capacity {
        match &self.values {
            Values::Bounded(ring) => Capacity::Bounded(ring.capacity),
            Values::Unbounded(_) => Capacity::Unbounded,
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        match &self.values {
            Values::Bounded(ring) => ring.len,
            Values::Unbounded(values) => values.len(),
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub(super) fn has_room(&self) -> bool {
        match &self.values {
            Values::Bounded(ring) => ring.len + self.reserved < ring.capacity,
            Values::Unbounded(_) => true,
        }
    }

    /// Appends a value. There is room for it.
    #[inline]
    pub(super) fn push(&mut self, value: T) {
        match &mut self.values {
            Values::Bounded(ring) => ring.push(value),
            Values::Unbounded(values) => values.push_back(value),
        }
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<T> {
        match &mut self.values {
            Values::Bounded(ring) => ring.pop(),
            Values::Unbounded(values) => values.pop_front(),
        }
    }

    /// Sets a place aside.
    pub(super) fn reserve(&mut self) {
        self.reserved += 1;
    }

    /// Gives a reserved place up, to be filled or left.
    pub(super) fn unreserve(&mut self) {
        self.reserved -= 1;
    }

    /// Takes all values out, to be dropped before the slots are gone. There is no room for others
    /// then.
    pub(super) fn take(&mut self) -> Buffer<T> {
        let no_slots = Values::Bounded(Ring {
            slots: NonNull::dangling(),
            capacity: 0,
            first: 0,
            len: 0,
        });
        Buffer {
            values: mem::replace(&mut self.values, no_slots),
            reserved: 0,
        }
    }
}

impl<T> Ring<T> {
    /// The slot that comes so many after the first.
    #[inline]
    fn slot(&self, offset: usize) -> NonNull<T> {
        let index = self.first + offset;
        let index = match index < self.capacity {
            true => index,
            false => index - self.capacity,
        };
        // SAFETY: both are below the capacity, so the slot is one of those that are there.
        unsafe { self.slots.add(index) }
    }

    #[inline(always)]
    fn push(&mut self, value: T) {
        assert!(self.len < self.capacity, "who sends has found room");
        // SAFETY: the slots are the buffer's, and this one holds nothing.
        unsafe { self.slot(self.len).write(value) };
        self.len += 1;
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        let oldest = self.slot(0);
        self.first = match self.first + 1 < self.capacity {
            true => self.first + 1,
            false => 0,
        };
        self.len -= 1;
        // SAFETY: the slot held a value, and is none of those that do any more.
        Some(unsafe { oldest.read() })
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        if mem::needs_drop::<T>() {
            // Should a destructor panic, the others still run.
            struct Rest<'a, T>(&'a mut Ring<T>);
            impl<T> Drop for Rest<'_, T> {
                fn drop(&mut self) {
                    while let Some(value) = self.0.pop() {
                        drop(value);
                    }
                }
            }
            let rest = Rest(self);
            while let Some(value) = rest.0.pop() {
                drop(value);
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::mem::MaybeUninit;
    use std::rc::Rc;

    /// Calls `test` with a buffer that has room for three.
    fn with_three_slots<T>(test: impl FnOnce(Buffer<T>)) {
        let mut slots = [const { MaybeUninit::<T>::uninit() }; 3];
        let place = NonNull::from(&mut slots).cast();
        // SAFETY: the slots outlive the buffer.
        test(unsafe { Buffer::new(Capacity::Bounded(3), place) });
    }

    #[test]
    fn values_come_out_in_the_order_in_which_they_went_in() {
        with_three_slots(|mut buffer| {
            let (mut sent, mut received) = (0, 0);
            for fill in [1, 3, 2, 3, 0, 3, 1] {
                while buffer.len() < fill {
                    assert!(buffer.has_room());
                    buffer.push(sent);
                    sent += 1;
                }
                assert_eq!(buffer.has_room(), fill < 3);
                while let Some(value) = buffer.pop() {
                    assert_eq!(value, received);
                    received += 1;
                }
                assert!(buffer.is_empty());
            }
            assert_eq!((sent, received), (13, 13));
        });
    }

    #[test]
    fn a_place_that_is_reserved_is_no_room_for_others() {
        with_three_slots(|mut buffer| {
            buffer.push(1);
            buffer.reserve();
            buffer.push(2);
            assert!(!buffer.has_room());
            buffer.unreserve();
            assert!(buffer.has_room());
        });
    }

    #[test]
    fn values_that_are_left_are_dropped_once() {
        let value = Rc::new(());
        with_three_slots(|mut buffer| {
            (0..2).for_each(|_| buffer.push(value.clone()));
            drop(buffer.pop());
            (0..2).for_each(|_| buffer.push(value.clone()));
            assert_eq!(Rc::strong_count(&value), 4);
            let taken = buffer.take();
            assert!(buffer.is_empty() && !buffer.has_room());
            assert_eq!(taken.len(), 3);
            drop(taken);
            assert_eq!(Rc::strong_count(&value), 1);
        });
    }

    #[test]
    fn a_destructor_that_panics_does_not_keep_the_others_from_running() {
        struct Fuse<'a>(&'a std::cell::Cell<u32>, bool);
        impl Drop for Fuse<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
                assert!(!self.1, "on purpose");
            }
        }
        let dropped = std::cell::Cell::new(0);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            with_three_slots(|mut buffer| {
                (0..3).for_each(|number| buffer.push(Fuse(&dropped, number == 1)));
            });
        }));
        assert!(result.is_err());
        assert_eq!(dropped.get(), 3);
    }
}
