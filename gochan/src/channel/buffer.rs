//! The values that were sent and not yet received, oldest first.
//!
//! A buffer with a bound stands behind its channel in the channel's own memory, which
//! [`shared`](super::shared) allocates; one without a bound grows elsewhere.
//!
//! Invariants: of the slots of a bounded buffer, the `len` from `first` on hold values, counted around
//! the end; `limit` is the capacity less the places that are reserved, or 0 once no more values are
//! taken, so that to send takes one comparison.

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
    /// How many values there may be: see the module's text.
    limit: usize,
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
        match capacity {
            Capacity::Bounded(capacity) => Buffer {
                values: Values::Bounded(Ring {
                    slots,
                    capacity,
                    first: 0,
                    len: 0,
                }),
                limit: capacity,
            },
            Capacity::Unbounded => Buffer {
                values: Values::Unbounded(VecDeque::new()),
                limit: usize::MAX,
            },
        }
    }

    /// Takes no more values from now on. No place is reserved or given up after that.
    pub(super) fn seal(&mut self) {
        self.limit = 0;
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

    /// Whether it takes another value.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.len() < self.limit
    }

    /// Appends the value at `place` if there is room for it, and says whether there is more then.
    ///
    /// # Safety
    /// The value is the caller's, and moved out if it was appended.
    #[inline(always)]
    pub(super) unsafe fn push_from(&mut self, place: *const T) -> Option<bool> {
        match &mut self.values {
            Values::Bounded(ring) => {
                if ring.len >= self.limit {
                    return None;
                }
                // SAFETY: fewer slots hold values than there are; the caller's value is ours to
                // move.
                unsafe { ring.push(place.read()) };
                Some(ring.len < self.limit)
            }
            Values::Unbounded(values) => {
                if self.limit == 0 {
                    return None;
                }
                // SAFETY: the caller's value is ours to move.
                values.push_back(unsafe { place.read() });
                Some(true)
            }
        }
    }

    /// Moves the oldest value, if there is one, to `place`, and says whether there are more then.
    ///
    /// # Safety
    /// `place` may be written to.
    #[inline(always)]
    pub(super) unsafe fn pop_to(&mut self, place: *mut T) -> Option<bool> {
        let (value, has_more) = match &mut self.values {
            Values::Bounded(ring) => (ring.pop()?, ring.len > 0),
            Values::Unbounded(values) => (values.pop_front()?, !values.is_empty()),
        };
        // SAFETY: the caller's place.
        unsafe { place.write(value) };
        Some(has_more)
    }

    /// Sets a place aside.
    pub(super) fn reserve(&mut self) {
        self.limit -= 1;
    }

    /// Gives a reserved place up, to be filled or left.
    pub(super) fn unreserve(&mut self) {
        self.limit += 1;
    }

    /// Takes all values out, to be dropped before the slots are gone. There is no room for others
    /// then.
    pub(super) fn take(&mut self) -> Buffer<T> {
        self.seal();
        let no_slots = Values::Bounded(Ring {
            slots: NonNull::dangling(),
            capacity: 0,
            first: 0,
            len: 0,
        });
        Buffer {
            values: mem::replace(&mut self.values, no_slots),
            limit: 0,
        }
    }
}

impl<T> Ring<T> {
    /// The slot that comes so many after the first, which are fewer than there are slots.
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

    /// # Safety
    /// There are fewer values than slots.
    #[inline(always)]
    unsafe fn push(&mut self, value: T) {
        debug_assert!(self.len < self.capacity);
        // SAFETY: the slots are the buffer's, and this one holds nothing.
        unsafe { self.slot(self.len).write(value) };
        self.len += 1;
    }

    #[inline(always)]
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
    use std::mem::{ManuallyDrop, MaybeUninit};
    use std::rc::Rc;

    fn push<T>(buffer: &mut Buffer<T>, value: T) -> Option<bool> {
        let value = ManuallyDrop::new(value);
        // SAFETY: the value is ours, and was moved out if there was room.
        let pushed = unsafe { buffer.push_from(&raw const *value) };
        if pushed.is_none() {
            drop(ManuallyDrop::into_inner(value));
        }
        pushed
    }

    fn pop<T>(buffer: &mut Buffer<T>) -> Option<(T, bool)> {
        let mut value = MaybeUninit::uninit();
        // SAFETY: `value` may be written to, and was if the buffer says so.
        unsafe {
            let has_more = buffer.pop_to(value.as_mut_ptr())?;
            Some((value.assume_init(), has_more))
        }
    }

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
                    let has_room = push(&mut buffer, sent);
                    sent += 1;
                    assert_eq!(has_room, Some(buffer.len() < 3));
                }
                assert_eq!(buffer.has_room(), fill < 3);
                while let Some((value, has_more)) = pop(&mut buffer) {
                    assert_eq!(value, received);
                    received += 1;
                    assert_eq!(has_more, received < sent);
                }
                assert!(buffer.is_empty());
            }
            assert_eq!((sent, received), (13, 13));
        });
    }

    #[test]
    fn a_place_that_is_reserved_is_no_room_for_others() {
        with_three_slots(|mut buffer| {
            push(&mut buffer, 1);
            buffer.reserve();
            assert_eq!(push(&mut buffer, 2), Some(false));
            assert!(!buffer.has_room());
            assert_eq!(push(&mut buffer, 3), None);
            buffer.unreserve();
            assert!(buffer.has_room());
        });
    }

    #[test]
    fn a_sealed_buffer_takes_no_more_values_but_gives_those_it_has() {
        let slots = NonNull::dangling();
        // SAFETY: it has no slots.
        let unbounded = unsafe { Buffer::new(Capacity::Unbounded, slots) };
        let test = |mut buffer: Buffer<u8>| {
            assert!(push(&mut buffer, 1).is_some());
            buffer.seal();
            assert!(!buffer.has_room());
            assert_eq!(push(&mut buffer, 2), None);
            assert_eq!(pop(&mut buffer), Some((1, false)));
            assert_eq!(pop(&mut buffer), None);
        };
        with_three_slots(test);
        test(unbounded);
    }

    #[test]
    fn values_that_are_left_are_dropped_once() {
        let value = Rc::new(());
        with_three_slots(|mut buffer| {
            (0..2).for_each(|_| assert!(push(&mut buffer, value.clone()).is_some()));
            drop(pop(&mut buffer));
            (0..2).for_each(|_| assert!(push(&mut buffer, value.clone()).is_some()));
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
                (0..3).for_each(|number| _ = push(&mut buffer, Fuse(&dropped, number == 1)));
            });
        }));
        assert!(result.is_err());
        assert_eq!(dropped.get(), 3);
    }
}
