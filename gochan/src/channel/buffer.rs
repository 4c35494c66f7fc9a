//! The values that were sent and not yet received, oldest first.
//!
//! The slots of a buffer with a bound stand behind its channel in the channel's own memory, which
//! [`shared`](super::shared) allocates; a buffer without one has memory of its own, and grows.
//!
//! Of most sends and receives nothing is asked but that a value goes into the buffer or comes out of
//! it: the *short way*. What might stand in the way, from a full buffer to a partner who waits, is put
//! into one bound for each direction when it comes about ([`Buffer::open`], [`Buffer::bar_sends`],
//! [`Buffer::bar_receives`]), so that a send or a receive makes one comparison.
//!
//! Invariants: of the slots, the `len` from `first` on hold values, counted around the end;
//! `capacity` is what it was made with less the places that are reserved, or 0 once no more values
//! are taken; `ceiling` is at most the capacity and the number of slots.

use std::mem::{self, ManuallyDrop};
use std::ptr::NonNull;

/// How many values a channel holds without a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Capacity {
    /// So many; 0 for a channel on which senders meet receivers.
    Bounded(usize),
    Unbounded,
}

impl Capacity {
    /// How many slots are allocated with the channel.
    pub(super) fn slots(self) -> usize {
        match self {
            Capacity::Bounded(capacity) => capacity,
            Capacity::Unbounded => 0,
        }
    }
}

/// How many slots a buffer that grows has at first.
const FIRST_SLOTS: usize = 4;
/// How many bytes of slots it keeps when it has become empty. To grow to so many again costs each of
/// the values that fill them about a nanosecond.
const KEPT_BYTES: usize = 64 * 1024;

/// A queue with a capacity, in which room can be reserved.
pub(super) struct Buffer<T> {
    slots: NonNull<T>,
    /// How many slots there are.
    slot_count: usize,
    first: usize,
    len: usize,
    /// The short way adds a value where there are fewer than so many.
    ceiling: usize,
    /// The short way takes one where there are more than so many.
    floor: usize,
    /// How many values there may be: see the module's text.
    capacity: usize,
    grows: bool,
    /// Whether it has grown so much that its memory is given back when it becomes empty.
    is_large: bool,
}

impl<T> Buffer<T> {
    /// An empty buffer.
    ///
    /// # Safety
    /// At `slots` there is room for [`Capacity::slots`] values, which nobody else uses for as long
    /// as the buffer lives.
    pub(super) unsafe fn new(capacity: Capacity, slots: NonNull<T>) -> Self {
        let slot_count = capacity.slots();
        let grows = capacity == Capacity::Unbounded;
        Buffer {
            slots,
            slot_count,
            first: 0,
            len: 0,
            ceiling: slot_count,
            floor: 0,
            capacity: if grows { usize::MAX } else { slot_count },
            grows,
            is_large: false,
        }
    }

    // ----- the short way ------------------------------------------------------------------

    /// Opens the short way as far as the buffer itself allows: a value may be added where there is
    /// room, and taken where more than `kept` are there, or one if the last is to be noticed.
    #[inline]
    pub(super) fn open(&mut self, kept: usize) {
        self.ceiling = self.capacity.min(self.slot_count);
        self.floor = kept.max(usize::from(self.is_large));
    }

    /// Closes the short way to sends until it is opened again.
    #[inline]
    pub(super) fn bar_sends(&mut self) {
        self.ceiling = 0;
    }

    /// Closes the short way to receives until it is opened again.
    #[inline]
    pub(super) fn bar_receives(&mut self) {
        self.floor = usize::MAX;
    }

    /// Whether the short way is open to a send, and to a receive.
    pub(super) fn is_open(&self) -> (bool, bool) {
        (self.len < self.ceiling, self.len > self.floor)
    }

    /// Appends the value at `place` if the short way is open to it, and says whether there is room
    /// for more then.
    ///
    /// # Safety
    /// The value is the caller's, and moved out if it was appended.
    #[inline(always)]
    pub(super) unsafe fn push_short(&mut self, place: *const T) -> Option<bool> {
        if self.len >= self.ceiling {
            return None;
        }
        // SAFETY: the ceiling is at most the number of slots; the caller's value is ours to move.
        unsafe { self.append(place.read()) };
        Some(self.has_room())
    }

    /// Moves the oldest value to `place` if the short way is open to it, and says whether there are
    /// more then.
    ///
    /// # Safety
    /// `place` may be written to.
    #[inline(always)]
    pub(super) unsafe fn pop_short(&mut self, place: *mut T) -> Option<bool> {
        if self.len <= self.floor {
            return None;
        }
        // SAFETY: there are values, more than the floor; the caller's place.
        unsafe { place.write(self.take_first()) };
        Some(!self.is_empty())
    }

    // ----- the whole of it ----------------------------------------------------------------

    /// Takes no more values from now on. No place is reserved or given up after that.
    pub(super) fn seal(&mut self) {
        self.capacity = 0;
        self.bar_sends();
    }

    /// Whether the receive of the last value is to give memory back.
    pub(super) fn is_large(&self) -> bool {
        self.is_large
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether no value goes through it: there are no slots, and there will not be any.
    #[inline]
    pub(super) fn is_nothing(&self) -> bool {
        self.slot_count | self.capacity == 0
    }

    /// Whether it takes another value.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.len < self.capacity
    }

    /// Appends the value at `place` if there is room for it, and says whether there was.
    ///
    /// # Safety
    /// The value is the caller's, and moved out if it was appended.
    #[inline]
    pub(super) unsafe fn push_from(&mut self, place: *const T) -> bool {
        if !self.has_room() {
            return false;
        }
        if self.len == self.slot_count {
            self.grow();
        }
        // SAFETY: there are slots for as many as there is room for, after growing if need be; the
        // caller's value is ours to move.
        unsafe { self.append(place.read()) };
        true
    }

    /// Moves the oldest value, if there is one, to `place`, and says whether there was.
    ///
    /// # Safety
    /// `place` may be written to.
    #[inline]
    pub(super) unsafe fn pop_to(&mut self, place: *mut T) -> bool {
        let has_values = !self.is_empty();
        if has_values {
            // SAFETY: there are values; the caller's place.
            unsafe { place.write(self.take_first()) };
            if self.is_large && self.is_empty() {
                self.free_slots();
            }
        }
        has_values
    }

    /// Sets a place aside.
    pub(super) fn reserve(&mut self) {
        self.capacity -= 1;
        self.ceiling = self.ceiling.min(self.capacity);
    }

    /// Gives a reserved place up, to be filled or left.
    pub(super) fn unreserve(&mut self) {
        self.capacity += 1;
    }

    /// Takes all values out, to be dropped before the slots are gone. There is no room for others
    /// then.
    pub(super) fn take(&mut self) -> Buffer<T> {
        // SAFETY: it needs no slots.
        let mut nothing = unsafe { Buffer::new(Capacity::Bounded(0), NonNull::dangling()) };
        nothing.seal();
        mem::replace(self, nothing)
    }

    // ----- slots --------------------------------------------------------------------------

    /// The slot that comes so many after the first, which are fewer than there are slots.
    #[inline]
    fn slot(&self, offset: usize) -> NonNull<T> {
        let index = self.first + offset;
        let index = match index < self.slot_count {
            true => index,
            false => index - self.slot_count,
        };
        // SAFETY: both are below the number of slots, so the slot is one of those that are there.
        unsafe { self.slots.add(index) }
    }

    /// # Safety
    /// There are fewer values than slots.
    #[inline(always)]
    unsafe fn append(&mut self, value: T) {
        debug_assert!(self.len < self.slot_count);
        // SAFETY: the slots are the buffer's, and this one holds nothing.
        unsafe { self.slot(self.len).write(value) };
        self.len += 1;
    }

    /// # Safety
    /// There are values.
    #[inline(always)]
    unsafe fn take_first(&mut self) -> T {
        debug_assert!(self.len > 0);
        let oldest = self.slot(0);
        self.first = match self.first + 1 < self.slot_count {
            true => self.first + 1,
            false => 0,
        };
        self.len -= 1;
        // SAFETY: the slot held a value, and is none of those that do any more.
        unsafe { oldest.read() }
    }

    /// Moves to memory with more slots.
    ///
    /// # Panics
    /// If there are more bytes of them than an address can tell apart.
    #[cold]
    fn grow(&mut self) {
        debug_assert!(self.grows);
        let slot_count = (self.slot_count * 2).max(FIRST_SLOTS);
        let mut larger = ManuallyDrop::new(Vec::<T>::with_capacity(slot_count));
        let before_end = self.len.min(self.slot_count - self.first);
        // SAFETY: `larger` is a `Vec`'s, thus somewhere else, and has room for all; the values stand
        // in these two parts, and count as moved from now on.
        unsafe {
            let (from, to) = (self.slots.as_ptr(), larger.as_mut_ptr());
            to.copy_from_nonoverlapping(from.add(self.first), before_end);
            let rest = to.add(before_end);
            rest.copy_from_nonoverlapping(from, self.len - before_end);
        }
        self.free_slots();
        self.slots = NonNull::new(larger.as_mut_ptr()).expect("a vector is somewhere");
        self.slot_count = larger.capacity();
        self.is_large = slot_count.saturating_mul(size_of::<T>()) > KEPT_BYTES;
    }

    /// Frees slots in memory of the buffer's own, whatever they hold.
    #[cold]
    fn free_slots(&mut self) {
        if self.grows {
            // SAFETY: the memory is that of a vector with this capacity, or there is none.
            drop(unsafe { Vec::from_raw_parts(self.slots.as_ptr(), 0, self.slot_count) });
            (self.slots, self.slot_count, self.first) = (NonNull::dangling(), 0, 0);
            self.is_large = false;
        }
    }

    /// Drops all values.
    fn clear(&mut self) {
        while mem::needs_drop::<T>() && !self.is_empty() {
            // SAFETY: there are values.
            drop(unsafe { self.take_first() });
        }
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        // Should a destructor panic, the others still run.
        struct Rest<'a, T>(&'a mut Buffer<T>);
        impl<T> Drop for Rest<'_, T> {
            fn drop(&mut self) {
                self.0.clear();
                self.0.free_slots();
            }
        }
        Rest(self).0.clear();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::mem::{ManuallyDrop, MaybeUninit};
    use std::rc::Rc;

    fn push<T>(buffer: &mut Buffer<T>, value: T) -> bool {
        let value = ManuallyDrop::new(value);
        // SAFETY: the value is ours, and was moved out if there was room.
        let pushed = unsafe { buffer.push_from(&raw const *value) };
        if !pushed {
            drop(ManuallyDrop::into_inner(value));
        }
        pushed
    }

    fn pop<T>(buffer: &mut Buffer<T>) -> Option<T> {
        let mut value = MaybeUninit::uninit();
        // SAFETY: `value` may be written to, and was if the buffer says so.
        unsafe {
            buffer
                .pop_to(value.as_mut_ptr())
                .then(|| value.assume_init())
        }
    }

    fn push_short(buffer: &mut Buffer<usize>, value: usize) -> Option<bool> {
        // SAFETY: the value is ours, and may be copied.
        unsafe { buffer.push_short(&raw const value) }
    }

    fn pop_short(buffer: &mut Buffer<usize>) -> Option<(usize, bool)> {
        let mut value = 0;
        // SAFETY: `value` may be written to.
        let has_more = unsafe { buffer.pop_short(&raw mut value) }?;
        Some((value, has_more))
    }

    fn unbounded<T>() -> Buffer<T> {
        // SAFETY: it has no slots.
        unsafe { Buffer::new(Capacity::Unbounded, NonNull::dangling()) }
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
                    let has_room = match sent % 2 {
                        0 => push(&mut buffer, sent).then(|| buffer.has_room()),
                        _ => push_short(&mut buffer, sent),
                    };
                    sent += 1;
                    assert_eq!(has_room, Some(buffer.len() < 3));
                }
                assert_eq!(push_short(&mut buffer, sent).is_some(), fill < 3);
                sent = received + buffer.len();
                assert_eq!(push(&mut buffer, sent), fill < 2);
                sent = received + buffer.len();
                while !buffer.is_empty() {
                    let value = match received % 3 {
                        0 => pop(&mut buffer),
                        _ => pop_short(&mut buffer).map(|(value, has_more)| {
                            assert_eq!(has_more, !buffer.is_empty());
                            value
                        }),
                    };
                    assert_eq!(value, Some(received));
                    received += 1;
                }
                assert_eq!(received, sent);
                assert_eq!(pop(&mut buffer), None);
                assert_eq!(pop_short(&mut buffer), None);
            }
            assert_eq!(sent, 3 + 3 + 3 + 3 + 2 + 3 + 3);
        });
    }

    /// Wherever the first value is, those that stand around the end stay in order.
    #[test]
    fn a_buffer_without_a_bound_grows_around_its_values() {
        for offset in 0..2 * FIRST_SLOTS {
            let mut buffer = unbounded();
            (0..offset).for_each(|_| assert!(push(&mut buffer, 0)));
            (0..offset).for_each(|_| assert_eq!(pop(&mut buffer), Some(0)));
            for value in 0..1_000 {
                buffer.open(0);
                if push_short(&mut buffer, value) != Some(true) {
                    assert!(push(&mut buffer, value));
                }
                assert!(buffer.has_room());
            }
            assert!(buffer.slot_count < 2_100, "{}", buffer.slot_count);
            (0..1_000).for_each(|value| assert_eq!(pop(&mut buffer), Some(value)));
        }
    }

    /// A backlog's memory is not kept for ever: the last value that leaves takes it along, whatever
    /// way the others have left.
    #[test]
    fn a_buffer_that_has_grown_gives_its_memory_back_when_it_is_empty() {
        const MANY: usize = KEPT_BYTES / size_of::<usize>();
        let mut buffer = unbounded();
        for fill in [MANY, MANY + 1, 10 * MANY, 1] {
            (0..fill).for_each(|value| assert!(push(&mut buffer, value)));
            buffer.open(0);
            let slots = buffer.slot_count;
            for value in 0..fill - 1 {
                assert_eq!(pop_short(&mut buffer), Some((value, true)));
                assert_eq!(buffer.slot_count, slots, "values stand there");
            }
            assert_eq!(pop_short(&mut buffer).is_none(), fill > MANY);
            assert_eq!(pop(&mut buffer).is_some(), fill > MANY);
            let is_kept = buffer.slot_count * size_of::<usize>() <= KEPT_BYTES;
            assert!(is_kept, "{fill}: {}", buffer.slot_count);
        }
        assert!(buffer.slot_count > 0, "what is small is kept");
    }

    #[test]
    fn values_without_a_size_need_no_memory() {
        let mut buffer = unbounded();
        (0..100).for_each(|_| assert!(push(&mut buffer, ())));
        assert_eq!(buffer.len(), 100);
        (0..100).for_each(|_| assert_eq!(pop(&mut buffer), Some(())));
        assert_eq!(pop(&mut buffer), None);
    }

    #[test]
    fn the_short_way_can_be_barred() {
        with_three_slots(|mut buffer| {
            assert_eq!(push_short(&mut buffer, 1), Some(true));
            buffer.bar_sends();
            assert_eq!(push_short(&mut buffer, 2), None);
            assert!(buffer.has_room());
            buffer.bar_receives();
            assert_eq!(pop_short(&mut buffer), None);
            buffer.open(1);
            assert_eq!(pop_short(&mut buffer), None, "one is kept");
            assert_eq!(push_short(&mut buffer, 2), Some(true));
            assert_eq!(pop_short(&mut buffer), Some((1, true)));
            buffer.open(0);
            assert_eq!(pop_short(&mut buffer), Some((2, false)));
        });
    }

    #[test]
    fn a_place_that_is_reserved_is_no_room_for_others() {
        with_three_slots(|mut buffer| {
            assert!(push(&mut buffer, 1));
            buffer.reserve();
            assert_eq!(push_short(&mut buffer, 2), Some(false));
            assert!(!buffer.has_room());
            assert_eq!(push_short(&mut buffer, 3), None);
            assert!(!push(&mut buffer, 3));
            buffer.unreserve();
            assert!(buffer.has_room());
        });
    }

    #[test]
    fn a_sealed_buffer_takes_no_more_values_but_gives_those_it_has() {
        let test = |mut buffer: Buffer<usize>| {
            assert!(push(&mut buffer, 1));
            buffer.seal();
            for _ in 0..2 {
                assert!(!buffer.has_room());
                assert!(!push(&mut buffer, 2));
                assert_eq!(push_short(&mut buffer, 2), None);
                buffer.open(0);
            }
            assert_eq!(pop_short(&mut buffer), Some((1, false)));
            assert_eq!(pop(&mut buffer), None);
        };
        with_three_slots(test);
        test(unbounded());
    }

    #[test]
    fn values_that_are_left_are_dropped_once() {
        let value = Rc::new(());
        let test = |mut buffer: Buffer<Rc<()>>| {
            (0..2).for_each(|_| assert!(push(&mut buffer, value.clone())));
            drop(pop(&mut buffer));
            (0..2).for_each(|_| assert!(push(&mut buffer, value.clone())));
            assert_eq!(Rc::strong_count(&value), 4);
            let taken = buffer.take();
            assert!(buffer.is_empty() && !buffer.has_room());
            assert_eq!(taken.len(), 3);
            drop(taken);
            assert_eq!(Rc::strong_count(&value), 1);
        };
        with_three_slots(test);
        test(unbounded());
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
                (0..3).for_each(|number| assert!(push(&mut buffer, Fuse(&dropped, number == 1))));
            });
        }));
        assert!(result.is_err());
        assert_eq!(dropped.get(), 3);
    }
}
