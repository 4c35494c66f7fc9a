//! The queue of goroutines that have not started: the only ones that may change workers.

use super::goroutine::Goroutine;
use super::mailbox::OwnLine;
use super::run_queue::RunQueue;
use crate::wait::BiasedMutex;
use crate::wait::atomic::{AtomicUsize, Ordering};
use std::ptr::NonNull;

/// A queue that its worker and thieves share.
pub(super) struct StartQueue {
    queue: OwnLine<BiasedMutex<Inner>>,
    /// How many have been taken since the queue was made. A thief that reads the same number
    /// twice knows that the first one has waited all the time between.
    taken: AtomicUsize,
    /// How many have been put in since the queue was made.
    pushed: AtomicUsize,
}

struct Inner {
    goroutines: RunQueue,
    /// A closed queue takes no more: its runtime ends.
    closed: bool,
}

// SAFETY: goroutines that have not started may go to any thread; `go!(local, …)` ones are never
// put here.
unsafe impl Send for Inner {}

impl StartQueue {
    pub(super) fn new() -> Self {
        StartQueue {
            queue: OwnLine(BiasedMutex::new(Inner {
                goroutines: RunQueue::new(),
                closed: true,
            })),
            taken: AtomicUsize::new(0),
            pushed: AtomicUsize::new(0),
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        // The two are read one after the other: what was taken in between must not count.
        self.pushed().saturating_sub(self.taken())
    }

    /// How many wait, for a worker that has announced that it is about to sleep.
    pub(super) fn len_before_sleep(&self) -> usize {
        let taken = self.taken.load(Ordering::SeqCst);
        self.pushed.load(Ordering::SeqCst).saturating_sub(taken)
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn pushed(&self) -> usize {
        self.pushed.load(Ordering::Relaxed)
    }

    pub(super) fn open(&self) {
        self.queue.0.lock().closed = false;
    }

    /// Closes the queue and takes out what it held.
    pub(super) fn close(&self) -> RunQueue {
        let mut inner = self.queue.0.lock();
        inner.closed = true;
        self.taken.store(self.pushed(), Ordering::Relaxed);
        std::mem::replace(&mut inner.goroutines, RunQueue::new())
    }

    /// Appends a goroutine; `false` if the queue is closed.
    ///
    /// # Safety
    /// As for [`RunQueue::push`]; it may run on any thread.
    #[inline]
    pub(super) unsafe fn push(&self, goroutine: NonNull<Goroutine>) -> bool {
        let inner = self.queue.0.lock();
        if inner.closed {
            return false;
        }
        // SAFETY: the caller's promise.
        unsafe { inner.goroutines.push(goroutine) };
        self.pushed.store(self.pushed() + 1, Ordering::Relaxed);
        true
    }

    /// Calls `see` for every goroutine that waits here. It is called under the queue's lock.
    pub(super) fn for_each(&self, mut see: impl FnMut(&Goroutine)) {
        let inner = self.queue.0.lock();
        let mut next = inner.goroutines.first();
        while let Some(goroutine) = next {
            // SAFETY: queued goroutines are alive, and none leaves while the lock is held.
            let record = unsafe { goroutine.as_ref() };
            see(record);
            next = NonNull::new(record.link.get().cast_mut());
        }
    }

    /// Takes the first one.
    #[inline]
    pub(super) fn pop(&self) -> Option<NonNull<Goroutine>> {
        self.pop_if(|_| true)
    }

    /// Takes the first one, if `condition` holds for it.
    #[inline]
    pub(super) fn pop_if(
        &self,
        condition: impl FnOnce(&Goroutine) -> bool,
    ) -> Option<NonNull<Goroutine>> {
        if self.len() == 0 {
            return None;
        }
        let inner = self.queue.0.lock();
        let first = inner.goroutines.first()?;
        // SAFETY: queued goroutines are alive.
        if !condition(unsafe { first.as_ref() }) {
            return None;
        }
        let goroutine = inner.goroutines.pop()?;
        self.taken.store(self.taken() + 1, Ordering::Relaxed);
        Some(goroutine)
    }
}
