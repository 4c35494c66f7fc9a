//! Queues of goroutines, linked through their records.

use super::goroutine::Goroutine;
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// A first-in, first-out queue of goroutines that one thread at a time uses.
pub(super) struct RunQueue {
    head: Cell<*const Goroutine>,
    tail: Cell<*const Goroutine>,
}

impl RunQueue {
    pub(super) const fn new() -> Self {
        RunQueue {
            head: Cell::new(ptr::null()),
            tail: Cell::new(ptr::null()),
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.head.get().is_null()
    }

    /// Whether there is one, and no other.
    pub(super) fn has_one(&self) -> bool {
        !self.is_empty() && ptr::eq(self.head.get(), self.tail.get())
    }

    #[inline]
    pub(super) fn first(&self) -> Option<NonNull<Goroutine>> {
        NonNull::new(self.head.get().cast_mut())
    }

    /// Appends a goroutine.
    ///
    /// # Safety
    /// It is alive until it has been popped, and in no other queue.
    #[inline]
    pub(super) unsafe fn push(&self, goroutine: NonNull<Goroutine>) {
        // SAFETY: alive by the caller's promise.
        unsafe { goroutine.as_ref() }.link.set(ptr::null());
        match NonNull::new(self.tail.get().cast_mut()) {
            // SAFETY: queued goroutines are alive.
            Some(tail) => unsafe { tail.as_ref() }.link.set(goroutine.as_ptr()),
            None => self.head.set(goroutine.as_ptr()),
        }
        self.tail.set(goroutine.as_ptr());
    }

    /// Takes the first one out.
    #[inline]
    pub(super) fn pop(&self) -> Option<NonNull<Goroutine>> {
        let head = self.first()?;
        // SAFETY: queued goroutines are alive.
        let next = unsafe { head.as_ref() }.link.get();
        self.head.set(next);
        if next.is_null() {
            self.tail.set(ptr::null());
        }
        Some(head)
    }

    /// Appends all of `other`, which is empty then.
    pub(super) fn append(&self, other: &RunQueue) {
        let Some(first) = other.first() else {
            return;
        };
        match NonNull::new(self.tail.get().cast_mut()) {
            // SAFETY: queued goroutines are alive.
            Some(tail) => unsafe { tail.as_ref() }.link.set(first.as_ptr()),
            None => self.head.set(first.as_ptr()),
        }
        self.tail.set(other.tail.replace(ptr::null()));
        other.head.set(ptr::null());
    }
}
