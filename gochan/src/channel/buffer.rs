//! The values that were sent and not yet received, oldest first.
//!
//! The slots of a buffer with a bound stand behind its channel in the channel's own memory, which
//! [`shared`](super::shared) allocates; a buffer without one has memory of its own, and grows.
//!
//! Of most sends and receives nothing is asked but that a value goes into the buffer or comes out of
//! it: the *short way*. A processor writes about once a cycle, which is what that runs out of first. So
//! it writes as little as there can be: one word that says how many values there are, and for a receive
//! which of them is the oldest. Those who look without the lock read the same word, and the channel says
//! in it what else they should know. Whatever it says makes it a number that is neither below what a
//! send compares it with nor above what a receive does, which is all that the two ask; and what the
//! buffer itself has to have noticed is put into these two bounds when it comes about.
//!
//! All this is for who holds the channel's lock, but for what the buffer *shows*.
//!
//! Invariants: the values stand in the slots of their numbers, which begin with `first`; the ceiling
//! is at most the capacity and the number of slots; while places are reserved the short way is closed.

use std::cell::Cell;
use std::mem::{self, MaybeUninit};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};

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
            Capacity::Unbounded | Capacity::Bounded(0) => 0,
            // So many that there is no such power cannot be allocated, unless they take no memory;
            // then it does not matter in which of them a value stands.
            Capacity::Bounded(capacity) => capacity.checked_next_power_of_two().unwrap_or(capacity),
        }
    }

    /// How many values there may be, if that is limited.
    pub(super) fn bound(self) -> Option<usize> {
        match self {
            Capacity::Bounded(capacity) => Some(capacity),
            Capacity::Unbounded => None,
        }
    }
}

/// Set with whatever the channel says, above the number of values. It makes the word a large number for
/// a send, and a negative one for a receive.
const SAYS: usize = 1 << (usize::BITS - 1);
/// A receive would find something to do, whether there are values or not.
pub(super) const CAN_RECV: usize = SAYS | 1 << (usize::BITS - 2);
/// A send would find something to do, whether there is room or not.
pub(super) const CAN_SEND: usize = SAYS | 1 << (usize::BITS - 3);
/// The channel is closed and drained, and so will it stay.
pub(super) const DRAINED: usize = SAYS | 1 << (usize::BITS - 4);
/// What a closed channel says as long as there are values.
pub(super) const CLOSED: usize = CAN_RECV | CAN_SEND;
/// The most values there may be.
const MOST_VALUES: usize = (1 << (usize::BITS - 4)) - 1;

/// How many slots a buffer that grows has at first.
const FIRST_SLOTS: usize = 4;
/// How many bytes of slots it keeps when it has become empty. To grow to so many again costs each of
/// the values that fill them about a nanosecond.
const KEPT_BYTES: usize = 64 * 1024;

/// A queue with a capacity, in which room can be reserved.
pub(super) struct Buffer<T> {
    /// How many places are taken, by values and by those who have reserved one, and above that what the
    /// channel has to say to who looks without the lock.
    shown: AtomicUsize,
    /// The number of the oldest value: so many have gone, modulo what fits into the word.
    first: Cell<usize>,
    /// The short way adds a value where there are fewer than so many.
    ceiling: Cell<usize>,
    /// The short way takes one where there are more than so many.
    floor: Cell<isize>,
    slots: Cell<NonNull<T>>,
    /// One less than there are slots, modulo what fits into the word: which bits of a value's number
    /// say in which slot it stands.
    mask: Cell<usize>,
    /// How many values there may be.
    capacity: usize,
    /// How many places are reserved.
    reserved: Cell<usize>,
    /// Whether the channel is closed, so that the receive of the last value is to be noticed.
    is_closed: Cell<bool>,
    grows: bool,
    /// Whether it has grown so much that its memory is given back when it becomes empty.
    is_large: Cell<bool>,
}

impl<T> Buffer<T> {
    /// An empty buffer.
    ///
    /// # Safety
    /// At `slots` there is room for [`Capacity::slots`] values, which nobody else uses for as long
    /// as the buffer lives.
    pub(super) unsafe fn new(capacity: Capacity, slots: NonNull<T>) -> Self {
        let slot_count = capacity.slots();
        let most_values = capacity.bound().unwrap_or(MOST_VALUES).min(MOST_VALUES);
        Buffer {
            shown: AtomicUsize::new(0),
            first: Cell::new(0),
            ceiling: Cell::new(most_values.min(slot_count)),
            floor: Cell::new(0),
            slots: Cell::new(slots),
            mask: Cell::new(slot_count.wrapping_sub(1)),
            capacity: most_values,
            reserved: Cell::new(0),
            is_closed: Cell::new(false),
            grows: capacity == Capacity::Unbounded,
            is_large: Cell::new(false),
        }
    }

    // ----- what it shows ------------------------------------------------------------------

    /// Has it show [`CAN_RECV`], [`CAN_SEND`] and [`DRAINED`], or not. Who sees that the channel is
    /// drained sees what happened before this.
    #[inline]
    pub(super) fn show(&self, readiness: usize) {
        self.shown
            .store(self.taken() | readiness, Ordering::Release);
    }

    /// What [`Buffer::show`] was told last.
    pub(super) fn shown_readiness(&self) -> usize {
        self.shown.load(Ordering::Relaxed) & !MOST_VALUES
    }

    /// Whether a receive might find something to do: if not, that was so at a moment during the call,
    /// and what happened before the call, by any chain of synchronisation, is seen.
    #[inline]
    pub(super) fn shows_value(&self) -> bool {
        self.shown.load(Ordering::Relaxed) & !CAN_SEND != 0 // values, or `CAN_RECV`
    }

    /// Whether a send would find something to do; as [`Buffer::shows_value`].
    #[inline]
    pub(super) fn shows_room(&self) -> bool {
        let shown = self.shown.load(Ordering::Relaxed);
        (shown & CAN_SEND == CAN_SEND) | (shown & MOST_VALUES < self.capacity)
    }

    #[inline]
    pub(super) fn shows_drained(&self) -> bool {
        self.shown.load(Ordering::Acquire) & DRAINED == DRAINED
    }

    // ----- the short way ------------------------------------------------------------------

    /// Sets the bounds of the short way.
    fn set_bounds(&self) {
        let (ceiling, floor) = if self.reserved.get() > 0 {
            (0, isize::MAX)
        } else {
            (self.capacity.min(self.slot_count()), self.kept())
        };
        self.ceiling.set(ceiling);
        self.floor.set(floor);
    }

    /// The word with which no value is to be taken in the short way, because the last one is to be
    /// noticed.
    fn kept(&self) -> isize {
        match self.is_closed.get() {
            true if self.is_empty() => isize::MAX,
            true => (CLOSED | 1).cast_signed(),
            false => isize::from(self.is_large.get()),
        }
    }

    /// Whether the short way is open to a send, and to a receive.
    pub(super) fn is_open(&self) -> (bool, bool) {
        let shown = self.shown.load(Ordering::Relaxed);
        (
            shown < self.ceiling.get(),
            shown.cast_signed() > self.floor.get(),
        )
    }

    /// Appends the value at `place` if the short way is open to it, and says whether it was.
    ///
    /// # Safety
    /// The value is the caller's, and moved out if it was appended.
    #[inline(always)]
    pub(super) unsafe fn push_short(&self, place: *const T) -> bool {
        // The channel has nothing to say if it is below the ceiling.
        let len = self.shown.load(Ordering::Relaxed);
        let is_open = len < self.ceiling.get();
        if is_open {
            // SAFETY: the ceiling is at most the number of slots, and nothing is reserved; the caller's
            // value is ours to move.
            unsafe { self.slot_after(len).write(place.read()) };
            self.shown.store(len + 1, Ordering::Relaxed);
        }
        is_open
    }

    /// Moves the oldest value to `place` if the short way is open to it, and says whether it was.
    ///
    /// # Safety
    /// `place` may be written to.
    #[inline(always)]
    pub(super) unsafe fn pop_short(&self, place: *mut T) -> bool {
        let shown = self.shown.load(Ordering::Relaxed);
        let is_open = shown.cast_signed() > self.floor.get();
        if is_open {
            // SAFETY: there are values, more than the floor; the caller's place.
            unsafe { place.write(self.take_first()) };
            self.shown.store(shown - 1, Ordering::Relaxed);
        }
        is_open
    }

    // ----- the whole of it ----------------------------------------------------------------

    /// Notes that the channel is closed; `false` if that was noted before.
    pub(super) fn close(&self) -> bool {
        let is_first = !self.is_closed.replace(true);
        self.set_bounds();
        is_first
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.taken() - self.reserved.get()
    }

    #[inline]
    fn taken(&self) -> usize {
        self.shown.load(Ordering::Relaxed) & MOST_VALUES
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it takes another value.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.taken() < self.capacity
    }

    /// Appends the value at `place` if there is room for it, and says whether there was.
    ///
    /// # Safety
    /// The value is the caller's, and moved out if it was appended.
    #[inline]
    pub(super) unsafe fn push_from(&self, place: *const T) -> bool {
        let shown = self.shown.load(Ordering::Relaxed);
        let taken = shown & MOST_VALUES;
        if taken >= self.capacity {
            return false;
        }
        let len = taken - self.reserved.get();
        if len == self.slot_count() {
            self.grow();
        }
        // SAFETY: there are slots for as many as there is room for, after growing if need be, and this
        // one is free; the caller's value is ours to move.
        unsafe { self.slot_after(len).write(place.read()) };
        self.shown.store(shown + 1, Ordering::Relaxed);
        true
    }

    /// Moves the oldest value, if there is one, to `place`, and says whether there was.
    ///
    /// # Safety
    /// `place` may be written to.
    #[inline]
    pub(super) unsafe fn pop_to(&self, place: *mut T) -> bool {
        let shown = self.shown.load(Ordering::Relaxed);
        let len = (shown & MOST_VALUES) - self.reserved.get();
        if len > 0 {
            // SAFETY: there are values; the caller's place.
            unsafe { place.write(self.take_first()) };
            self.shown.store(shown - 1, Ordering::Relaxed);
            if len == 1 && self.floor.get() != 0 {
                self.note_last();
            }
        }
        len > 0
    }

    /// The last value has gone, and somebody wanted to know.
    #[cold]
    fn note_last(&self) {
        if self.is_large.get() {
            self.free_slots();
        }
        self.set_bounds();
    }

    /// Sets a place aside.
    pub(super) fn reserve(&self) {
        self.reserved.update(|reserved| reserved + 1);
        self.change_taken(1);
        self.set_bounds();
    }

    /// Gives a reserved place up, to be filled or left.
    pub(super) fn unreserve(&self) {
        self.reserved.update(|reserved| reserved - 1);
        self.change_taken(-1);
        self.set_bounds();
    }

    fn change_taken(&self, by: isize) {
        let shown = self.shown.load(Ordering::Relaxed);
        self.shown
            .store(shown.wrapping_add_signed(by), Ordering::Relaxed);
    }

    /// Takes all values out, to be dropped before the slots are gone.
    ///
    /// # Safety
    /// No value is added from now on.
    pub(super) unsafe fn take(&self) -> Buffer<T> {
        let len = self.len();
        let taken = Buffer {
            shown: AtomicUsize::new(len),
            first: self.first.clone(),
            ceiling: Cell::new(0),
            floor: Cell::new(isize::MAX),
            slots: self.slots.clone(),
            mask: self.mask.clone(),
            capacity: len,
            reserved: Cell::new(0),
            is_closed: Cell::new(false),
            grows: self.grows,
            is_large: Cell::new(false),
        };
        self.change_taken(-len.cast_signed());
        if self.grows {
            mem::forget(self.replace_slots(Box::default()));
        }
        self.set_bounds();
        taken
    }

    // ----- slots --------------------------------------------------------------------------

    #[inline]
    fn slot_count(&self) -> usize {
        self.mask.get().wrapping_add(1)
    }

    /// The slot of the value with that number.
    ///
    /// # Safety
    /// There are slots.
    #[inline(always)]
    unsafe fn slot(&self, number: usize) -> NonNull<T> {
        // SAFETY: below the number of slots, which is a power of two unless they have no size.
        unsafe { self.slots.get().add(number & self.mask.get()) }
    }

    /// The slot of a value that comes after so many.
    ///
    /// # Safety
    /// There are more slots than that.
    #[inline(always)]
    unsafe fn slot_after(&self, len: usize) -> NonNull<T> {
        // SAFETY: the caller's promise.
        unsafe { self.slot(self.first.get().wrapping_add(len)) }
    }

    /// Moves the oldest value out.
    ///
    /// # Safety
    /// There is one. The caller counts it as gone.
    #[inline(always)]
    unsafe fn take_first(&self) -> T {
        debug_assert!(!self.is_empty());
        let number = self.first.get();
        self.first.set(number.wrapping_add(1));
        // SAFETY: the slot holds a value, and is none of those that do after this.
        unsafe { self.slot(number).read() }
    }

    /// Moves to memory with more slots.
    ///
    /// # Panics
    /// If there are more bytes of them than an address can tell apart.
    #[cold]
    fn grow(&self) {
        let slot_count = (self.slot_count() * 2).max(FIRST_SLOTS);
        let mut larger = Box::new_uninit_slice(slot_count);
        for number in (0..self.len()).map(|offset| self.first.get().wrapping_add(offset)) {
            // SAFETY: the slot holds a value, which counts as moved from now on.
            larger[number & (slot_count - 1)].write(unsafe { self.slot(number).read() });
        }
        drop(self.replace_slots(larger));
        self.is_large
            .set(slot_count.saturating_mul(size_of::<T>()) > KEPT_BYTES);
        self.set_bounds();
    }

    /// Gives memory of the buffer's own back, whatever its slots hold.
    #[cold]
    fn free_slots(&self) {
        if self.grows {
            drop(self.replace_slots(Box::default()));
            self.is_large.set(false);
        }
    }

    /// Exchanges the slots of a buffer that grows.
    fn replace_slots(&self, slots: Box<[MaybeUninit<T>]>) -> Box<[MaybeUninit<T>]> {
        debug_assert!(self.grows);
        let slot_count = self.slot_count();
        self.mask.set(slots.len().wrapping_sub(1));
        let slots = self.slots.replace(NonNull::from(Box::leak(slots)).cast());
        let slots = ptr::slice_from_raw_parts_mut(slots.as_ptr().cast(), slot_count);
        // SAFETY: they were leaked above, or there are none.
        unsafe { Box::from_raw(slots) }
    }

    /// Drops all values.
    fn clear(&self) {
        while mem::needs_drop::<T>() && !self.is_empty() {
            // SAFETY: there are values.
            let oldest = unsafe { self.take_first() };
            self.change_taken(-1);
            drop(oldest);
        }
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        // Should a destructor panic, the others still run.
        struct Rest<'a, T>(&'a Buffer<T>);
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
    use std::mem::ManuallyDrop;
    use std::rc::Rc;

    fn push<T>(buffer: &Buffer<T>, value: T) -> bool {
        let value = ManuallyDrop::new(value);
        // SAFETY: the value is ours, and was moved out if there was room.
        let pushed = unsafe { buffer.push_from(&raw const *value) };
        if !pushed {
            drop(ManuallyDrop::into_inner(value));
        }
        pushed
    }

    fn pop<T>(buffer: &Buffer<T>) -> Option<T> {
        let mut value = MaybeUninit::uninit();
        // SAFETY: `value` may be written to, and was if the buffer says so.
        unsafe {
            buffer
                .pop_to(value.as_mut_ptr())
                .then(|| value.assume_init())
        }
    }

    fn push_short(buffer: &Buffer<usize>, value: usize) -> bool {
        // SAFETY: the value is ours, and may be copied.
        unsafe { buffer.push_short(&raw const value) }
    }

    fn pop_short(buffer: &Buffer<usize>) -> Option<usize> {
        let mut value = 0;
        // SAFETY: `value` may be written to.
        unsafe { buffer.pop_short(&raw mut value) }.then_some(value)
    }

    fn unbounded<T>() -> Buffer<T> {
        // SAFETY: it has no slots.
        unsafe { Buffer::new(Capacity::Unbounded, NonNull::dangling()) }
    }

    /// Calls `test` with a buffer that has room for three.
    fn with_room_for_three<T>(test: impl FnOnce(Buffer<T>)) {
        const THREE: Capacity = Capacity::Bounded(3);
        let mut slots = [const { MaybeUninit::<T>::uninit() }; 4];
        assert_eq!(slots.len(), THREE.slots());
        let place = NonNull::from(&mut slots).cast();
        // SAFETY: the slots outlive the buffer.
        test(unsafe { Buffer::new(THREE, place) });
    }

    /// Has the values that come next numbers around the end of what fits into a word.
    fn renumber<T>(buffer: &Buffer<T>) {
        assert!(buffer.is_empty());
        buffer.first.set(usize::MAX - 1);
    }

    #[test]
    fn values_come_out_in_the_order_in_which_they_went_in() {
        with_room_for_three(|buffer| {
            renumber(&buffer);
            let (mut sent, mut received) = (0, 0);
            for fill in [1, 3, 2, 3, 0, 3, 1] {
                while buffer.len() < fill {
                    assert!(buffer.has_room() && buffer.shows_room());
                    assert!(match sent % 2 {
                        0 => push(&buffer, sent),
                        _ => push_short(&buffer, sent),
                    });
                    sent += 1;
                    assert!(buffer.shows_value());
                }
                for (push, is_full) in [(push_short as fn(&_, _) -> _, fill == 3), (push, fill > 1)]
                {
                    assert_eq!(push(&buffer, sent), !is_full);
                    sent = received + buffer.len();
                }
                assert_eq!(buffer.has_room(), sent - received < 3);
                assert_eq!(buffer.shows_room(), buffer.has_room());
                while !buffer.is_empty() {
                    assert!(buffer.shows_value());
                    let value = match received % 3 {
                        0 => pop(&buffer),
                        _ => pop_short(&buffer),
                    };
                    assert_eq!(value, Some(received));
                    received += 1;
                    assert!(buffer.shows_room());
                }
                assert_eq!(received, sent);
                assert!(!buffer.shows_value());
                assert_eq!(pop(&buffer), None);
                assert_eq!(pop_short(&buffer), None);
            }
            assert_eq!(sent, 3 + 3 + 3 + 3 + 2 + 3 + 3);
        });
    }

    /// Wherever the first value is, those that stand around the end stay in order.
    #[test]
    fn a_buffer_without_a_bound_grows_around_its_values() {
        for offset in 0..2 * FIRST_SLOTS {
            let buffer = unbounded();
            renumber(&buffer);
            (0..offset).for_each(|_| assert!(push(&buffer, 0)));
            (0..offset).for_each(|_| assert_eq!(pop(&buffer), Some(0)));
            for value in 0..1_000 {
                assert!(push_short(&buffer, value) || push(&buffer, value));
                assert!(buffer.has_room() && buffer.shows_room());
            }
            assert!(buffer.slot_count() < 2_100, "{}", buffer.slot_count());
            (0..1_000).for_each(|value| assert_eq!(pop(&buffer), Some(value)));
        }
    }

    /// A backlog's memory is not kept for ever: the last value that leaves takes it along, whatever
    /// way the others have left.
    #[test]
    fn a_buffer_that_has_grown_gives_its_memory_back_when_it_is_empty() {
        const MANY: usize = KEPT_BYTES / size_of::<usize>();
        let buffer = unbounded();
        for fill in [MANY, MANY + 1, 10 * MANY, 1] {
            (0..fill).for_each(|value| assert!(push(&buffer, value)));
            let slots = buffer.slot_count();
            for value in 0..fill - 1 {
                assert_eq!(pop_short(&buffer), Some(value));
                assert_eq!(buffer.slot_count(), slots, "values stand there");
            }
            assert_eq!(pop_short(&buffer).is_none(), fill > MANY);
            assert_eq!(pop(&buffer).is_some(), fill > MANY);
            let is_kept = buffer.slot_count() * size_of::<usize>() <= KEPT_BYTES;
            assert!(is_kept, "{fill}: {}", buffer.slot_count());
        }
        assert!(buffer.slot_count() > 0, "what is small is kept");
    }

    #[test]
    fn values_without_a_size_need_no_memory() {
        let buffer = unbounded();
        (0..100).for_each(|_| assert!(push(&buffer, ())));
        assert_eq!(buffer.len(), 100);
        (0..100).for_each(|_| assert_eq!(pop(&buffer), Some(())));
        assert_eq!(pop(&buffer), None);
    }

    #[test]
    fn whatever_the_channel_says_closes_the_short_way() {
        with_room_for_three(|buffer| {
            for says in [CAN_RECV, CAN_SEND, CLOSED, CLOSED | DRAINED] {
                assert!(push_short(&buffer, 1));
                buffer.show(says);
                assert_eq!(buffer.shown_readiness(), says);
                assert!(buffer.shows_value() && buffer.shows_room());
                assert_eq!(buffer.shows_drained(), says == CLOSED | DRAINED);
                assert!(!push_short(&buffer, 2));
                assert_eq!(pop_short(&buffer), None);
                assert_eq!((pop(&buffer), buffer.len()), (Some(1), 0));
                assert!(!push_short(&buffer, 2));
                assert_eq!(pop_short(&buffer), None);
                assert_eq!(buffer.shows_value(), says != CAN_SEND);
                buffer.show(0);
                assert!(!buffer.shows_value() && buffer.shows_room());
            }
            (0..3).for_each(|value| assert!(push_short(&buffer, value)));
            assert!(!buffer.shows_room());
            buffer.show(CAN_SEND);
            assert!(buffer.shows_room());
        });
    }

    #[test]
    fn the_last_value_of_a_closed_channel_is_not_taken_in_the_short_way() {
        let test = |buffer: Buffer<usize>| {
            (0..3).for_each(|value| assert!(push(&buffer, value)));
            assert!(buffer.close() && buffer.is_closed());
            buffer.show(CLOSED);
            assert!(!push_short(&buffer, 3));
            assert_eq!(pop_short(&buffer), Some(0));
            assert!(!push_short(&buffer, 3));
            assert_eq!(pop_short(&buffer), Some(1));
            assert_eq!(pop_short(&buffer), None);
            assert_eq!(pop(&buffer), Some(2));
            for says in [CLOSED, CLOSED | DRAINED] {
                buffer.show(says);
                assert_eq!(pop_short(&buffer), None);
                assert!(!push_short(&buffer, 3));
            }
        };
        with_room_for_three(test);
        test(unbounded());
    }

    #[test]
    fn a_place_that_is_reserved_is_no_room_for_others() {
        with_room_for_three(|buffer| {
            assert!(push(&buffer, 1));
            buffer.reserve();
            assert!(buffer.has_room() && buffer.shows_room());
            assert!(
                !push_short(&buffer, 2),
                "its place is not the next one by the count"
            );
            assert!(push(&buffer, 2));
            assert!(!buffer.has_room() && !buffer.shows_room());
            assert!(!push(&buffer, 3));
            assert_eq!(pop_short(&buffer), None);
            assert_eq!((pop(&buffer), pop(&buffer)), (Some(1), Some(2)));
            assert_eq!((pop(&buffer), buffer.len()), (None, 0));
            buffer.unreserve();
            (3..6).for_each(|value| assert!(push_short(&buffer, value)));
            assert!(!push_short(&buffer, 6), "as many as before");
            assert!(!buffer.has_room() && !buffer.shows_room());
            (3..6).for_each(|value| assert_eq!(pop_short(&buffer), Some(value)));
        });
    }

    #[test]
    fn values_that_are_left_are_dropped_once() {
        let value = Rc::new(());
        let test = |buffer: Buffer<Rc<()>>| {
            (0..2).for_each(|_| assert!(push(&buffer, value.clone())));
            drop(pop(&buffer));
            (0..2).for_each(|_| assert!(push(&buffer, value.clone())));
            assert_eq!(Rc::strong_count(&value), 4);
            // SAFETY: nothing is added any more.
            let taken = unsafe { buffer.take() };
            assert!(buffer.is_empty());
            assert_eq!(taken.len(), 3);
            drop(taken);
            assert_eq!(Rc::strong_count(&value), 1);
        };
        with_room_for_three(test);
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
            with_room_for_three(|buffer| {
                (0..3).for_each(|number| assert!(push(&buffer, Fuse(&dropped, number == 1))));
            });
        }));
        assert!(result.is_err());
        assert_eq!(dropped.get(), 3);
    }
}
