//! The queue of those who wait, first come, first served.
//!
//! Invariants:
//! - every entry in a queue stands on the stack of a waiter that has not been unparked since it
//!   was enqueued, so the links may be followed;
//! - `queued` is true exactly for the entries that are linked; links and `queued` change only
//!   under the lock that guards the queue;
//! - an entry that was taken by [`WaitQueue::take`] is claimed: its waiter stays parked until
//!   the taker unparks it.

use super::atomic::Cell;
use super::waiter::{Waiter, Wake};
use std::cell::UnsafeCell;
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

/// A place in one queue.
pub struct Entry {
    previous: Cell<*const Entry>,
    next: Cell<*const Entry>,
    queued: Cell<bool>,
    waiter: Cell<*const Waiter>,
    /// Which arm of a select this is; 0 elsewhere.
    arm: Cell<usize>,
    /// Where the value is to be put or taken; what it points to is the queue owner's affair.
    slot: Cell<*mut ()>,
}

impl Entry {
    /// An entry in no queue and of no waiter.
    #[inline]
    pub(crate) fn new() -> Self {
        Entry {
            previous: Cell::new(ptr::null()),
            next: Cell::new(ptr::null()),
            queued: Cell::new(false),
            waiter: Cell::new(ptr::null()),
            arm: Cell::new(0),
            slot: Cell::new(ptr::null_mut()),
        }
    }

    /// Sets whose entry this is, as which arm, and where its value stands.
    #[inline]
    pub(crate) fn assign(&self, waiter: &Waiter, arm: usize, slot: *mut ()) {
        self.waiter.set(waiter);
        self.arm.set(arm);
        self.slot.set(slot);
    }

    /// Where the value stands.
    #[inline]
    pub(crate) fn slot(&self) -> *mut () {
        self.slot.get()
    }

    /// Changes where the value stands.
    #[inline]
    pub(crate) fn set_slot(&self, slot: *mut ()) {
        self.slot.set(slot);
    }

    /// Records how the wait of a claimed entry ended, and says whom to unpark.
    ///
    /// # Safety
    /// The entry is claimed by the caller.
    #[inline]
    pub(crate) unsafe fn finish(&self, wake: Wake) -> super::Parker {
        // SAFETY: a claimed waiter stays parked, so it stands where it stood.
        let waiter = unsafe { &*self.waiter.get() };
        waiter.finish(wake);
        waiter.parker()
    }
}

/// Where an [`Entry`] is put when somebody begins to wait: most operations do not come to that.
pub(crate) struct EntryPlace(UnsafeCell<MaybeUninit<Entry>>);

impl EntryPlace {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        EntryPlace(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// Puts an entry there, as [`Entry::assign`] says.
    ///
    /// # Safety
    /// No entry that was put there before is queued or in use, and the place stays where it is for
    /// as long as this one is.
    #[inline]
    pub(crate) unsafe fn fill(&self, waiter: &Waiter, arm: usize, slot: *mut ()) -> &Entry {
        // SAFETY: nobody else has a reference into the place, by the caller's promise; from here
        // on the entry is reached by shared references only.
        let place = unsafe { &mut *self.0.get() };
        let entry: &Entry = place.write(Entry::new());
        entry.assign(waiter, arm, slot);
        entry
    }

    /// The entry.
    ///
    /// # Safety
    /// It has been [put there](EntryPlace::fill).
    #[inline]
    pub(crate) unsafe fn entry(&self) -> &Entry {
        // SAFETY: the caller's promise.
        unsafe { (*self.0.get()).assume_init_ref() }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("arm", &self.arm.get())
            .field("queued", &self.queued.get())
            .finish_non_exhaustive()
    }
}

/// A queue of entries. It is guarded by a lock of its owner.
pub(crate) struct WaitQueue {
    head: *const Entry,
    tail: *const Entry,
}

// SAFETY: the entries belong to waiters that stay parked while they are enqueued; the owner's
// lock decides who may touch them.
unsafe impl Send for WaitQueue {}

impl WaitQueue {
    pub(crate) const fn new() -> Self {
        WaitQueue {
            head: ptr::null(),
            tail: ptr::null(),
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    /// Appends an entry.
    ///
    /// # Safety
    /// The entry is assigned, in no queue, and stays where it is until it has left this one.
    #[inline]
    pub(crate) unsafe fn push(&mut self, entry: &Entry) {
        debug_assert!(!entry.queued.get());
        entry.queued.set(true);
        entry.next.set(ptr::null());
        entry.previous.set(self.tail);
        if self.tail.is_null() {
            self.head = entry;
        } else {
            // SAFETY: linked entries are alive, by the queue's invariant.
            unsafe { (*self.tail).next.set(entry) };
        }
        self.tail = entry;
    }

    /// Puts an entry in front of all others.
    ///
    /// # Safety
    /// As for [`WaitQueue::push`].
    pub(crate) unsafe fn push_first(&mut self, entry: &Entry) {
        debug_assert!(!entry.queued.get());
        entry.queued.set(true);
        entry.previous.set(ptr::null());
        entry.next.set(self.head);
        if self.head.is_null() {
            self.tail = entry;
        } else {
            // SAFETY: linked entries are alive, by the queue's invariant.
            unsafe { (*self.head).previous.set(entry) };
        }
        self.head = entry;
    }

    /// The first entry, left where it is.
    pub(crate) fn first(&self) -> Option<&Entry> {
        // SAFETY: linked entries are alive, by the queue's invariant.
        unsafe { self.head.as_ref() }
    }

    /// Takes an entry out, if it is still in.
    ///
    /// # Safety
    /// The entry is in this queue or in none.
    #[inline]
    pub(crate) unsafe fn remove(&mut self, entry: &Entry) -> bool {
        if !entry.queued.replace(false) {
            return false;
        }
        let (previous, next) = (entry.previous.get(), entry.next.get());
        if previous.is_null() {
            self.head = next;
        } else {
            // SAFETY: linked entries are alive, by the queue's invariant.
            unsafe { (*previous).next.set(next) };
        }
        if next.is_null() {
            self.tail = previous;
        } else {
            // SAFETY: as above.
            unsafe { (*next).previous.set(previous) };
        }
        true
    }

    /// Takes and claims the first entry whose waiter nobody else has claimed.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<NonNull<Entry>> {
        loop {
            let first = NonNull::new(self.head.cast_mut())?;
            // SAFETY: linked entries and their waiters are alive, by the queue's invariant.
            let (entry, waiter) = unsafe {
                let entry = first.as_ref();
                (entry, &*entry.waiter.get())
            };
            self.head = entry.next.get();
            if self.head.is_null() {
                self.tail = ptr::null();
            } else {
                // SAFETY: as above.
                unsafe { (*self.head).previous.set(ptr::null()) };
            }
            entry.queued.set(false);
            // A lost claim means that the waiter was served elsewhere and is about to take its
            // entry out of here: that is done now.
            if waiter.claim(entry.arm.get()) {
                return Some(first);
            }
        }
    }

    /// Claims the first entry that can be claimed and moves it to `list`, recording `wake`;
    /// `false` if there is none.
    pub(crate) fn take_one(&mut self, wake: Wake, list: &mut WakeList) -> bool {
        let Some(entry) = self.take() else {
            return false;
        };
        // SAFETY: `take` claimed it.
        unsafe {
            entry.as_ref().finish(wake);
            list.push(entry.as_ref());
        }
        true
    }

    /// As [`WaitQueue::take_one`] up to `count` times; `false` if then there is nobody left.
    pub(crate) fn take_some(&mut self, count: usize, wake: Wake, list: &mut WakeList) -> bool {
        (0..count).all(|_| self.take_one(wake, list)) && !self.is_empty()
    }

    /// Claims everybody and moves them to `list`, recording `wake`.
    pub(crate) fn take_all(&mut self, wake: Wake, list: &mut WakeList) {
        while self.take_one(wake, list) {}
    }
}

/// Claimed entries that are to be unparked once the lock is left. Dropping it unparks them, in
/// the order in which they waited.
pub(crate) struct WakeList {
    head: *const Entry,
    tail: *const Entry,
}

impl WakeList {
    pub(crate) const fn new() -> Self {
        WakeList {
            head: ptr::null(),
            tail: ptr::null(),
        }
    }

    /// Appends an entry.
    ///
    /// # Safety
    /// The entry is claimed by the caller and in no queue.
    unsafe fn push(&mut self, entry: &Entry) {
        entry.next.set(ptr::null());
        // SAFETY: claimed waiters stay parked, so their entries are alive.
        match unsafe { self.tail.as_ref() } {
            Some(tail) => tail.next.set(entry),
            None => self.head = entry,
        }
        self.tail = entry;
    }
}

impl Drop for WakeList {
    fn drop(&mut self) {
        while !self.head.is_null() {
            // SAFETY: claimed waiters stay parked, so their entries are alive; the link and the
            // parker are read before the waiter is woken, and it is woken once.
            unsafe {
                let entry = &*self.head;
                self.head = entry.next.get();
                (*entry.waiter.get()).parker().unpark();
            }
        }
    }
}
