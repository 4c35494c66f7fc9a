//! The lock that guards a channel: one byte, taken by one atomic swap, left by a plain store.
//!
//! It is held for a few dozen instructions in which no user code runs, nothing is allocated
//! that could block, and nobody parks; so a holder can only be slow when the operating system
//! has preempted its thread. A contender therefore spins for a moment, then offers its
//! processor to the holder, and in the end sleeps in short naps, so that even a holder of lower
//! scheduling priority gets to leave.

use super::atomic::{AtomicBool, Ordering, const_unless_loom, sleep, spin_loop, yield_now};
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// Pauses before the first yield of the processor.
const SPINS: u32 = if cfg!(all(test, loom)) { 1 } else { 6 };
/// Yields before the first nap.
const YIELDS: u32 = if cfg!(all(test, loom)) { 1 } else { 64 };
/// How long a nap lasts.
const NAP: Duration = Duration::from_micros(50);

/// A mutual exclusion of a few instructions; see the module's text for when it may be used.
#[derive(Debug)]
pub struct SpinLock {
    locked: AtomicBool,
}

impl SpinLock {
    const_unless_loom! {
        /// A free lock.
        pub(crate) fn new() -> Self {
            SpinLock {
                locked: AtomicBool::new(false),
            }
        }
    }

    /// Takes the lock.
    #[inline]
    pub(crate) fn lock(&self) {
        if self.locked.swap(true, Ordering::Acquire) {
            self.lock_contended();
        }
    }

    /// Leaves the lock. Only its holder may call this.
    #[inline]
    pub(crate) fn unlock(&self) {
        self.locked.store(false, Ordering::Release);
    }

    #[cold]
    fn lock_contended(&self) {
        let mut round = 0;
        loop {
            while self.locked.load(Ordering::Relaxed) {
                if round < SPINS {
                    // Doubling pauses keep the contenders off the holder's cache line.
                    for _ in 0..1 << round {
                        spin_loop();
                    }
                } else if round < SPINS + YIELDS {
                    yield_now();
                } else {
                    sleep(NAP);
                }
                round += 1;
            }
            if !self.locked.swap(true, Ordering::Acquire) {
                return;
            }
        }
    }
}

/// Data behind a [`SpinLock`].
pub(crate) struct SpinMutex<T> {
    lock: SpinLock,
    data: UnsafeCell<T>,
}

// SAFETY: the lock lets one thread at a time reach the data.
unsafe impl<T: Send> Sync for SpinMutex<T> {}
// SAFETY: moving the mutex moves the data.
unsafe impl<T: Send> Send for SpinMutex<T> {}

impl<T> SpinMutex<T> {
    const_unless_loom! {
        pub(crate) fn new(data: T) -> Self {
            SpinMutex {
                lock: SpinLock::new(),
                data: UnsafeCell::new(data),
            }
        }
    }

    /// Takes the lock for as long as the guard lives.
    #[inline]
    pub(crate) fn lock(&self) -> SpinGuard<'_, T> {
        self.lock.lock();
        SpinGuard { mutex: self }
    }

    /// The lock itself, for `select!`, which holds several at once.
    #[inline]
    pub(crate) fn raw(&self) -> &SpinLock {
        &self.lock
    }

    /// Takes over a lock that the caller holds through [`SpinMutex::raw`], without ever
    /// leaving it.
    ///
    /// # Safety
    /// The caller holds the lock and does not use the data otherwise meanwhile.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "the held lock makes it unique")]
    pub(crate) unsafe fn data_unguarded(&self) -> &mut T {
        // SAFETY: the caller holds the lock, so nobody else has a reference to the data.
        unsafe { &mut *self.data.get() }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }
}

/// Holds a [`SpinMutex`] until it is dropped.
pub(crate) struct SpinGuard<'a, T> {
    mutex: &'a SpinMutex<T>,
}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.mutex.data.get() }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock, and `self` is borrowed uniquely.
        unsafe { &mut *self.mutex.data.get() }
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.lock.unlock();
    }
}
