//! The locks that guard channels and other small states: taken by one atomic operation, left by a
//! plain store.
//!
//! They are held for a few dozen instructions in which no user code runs, nothing is allocated
//! that could block, and nobody parks; so a holder can only be slow when the operating system
//! has preempted its thread. A contender therefore spins for a moment, then offers its
//! processor to the holder, and in the end sleeps in short naps, so that even a holder of lower
//! scheduling priority gets to leave.
//!
//! A [`BiasedLock`] costs a worker that alone uses it not even the atomic operation; see
//! [`bias`](super::bias). It is the one for what many operations go through, a [`SpinLock`] the one
//! for what is used a few times.

use super::atomic::{
    AtomicBool, AtomicUsize, Ordering, const_unless_loom, sleep, spin_loop, yield_now,
};
use super::bias::{Bias, Inside};
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

/// Rounds of spinning before the first yield of the processor.
const SPINS: u32 = if cfg!(all(test, loom)) { 1 } else { 6 };
/// Pauses of the processor in the first round of spinning. To take the lock over from another
/// processor costs both as much as dozens of uses by one of them, so that one gets the time for it.
const FIRST_PAUSES: u32 = if cfg!(all(test, loom)) { 1 } else { 16 };
/// Yields before the first nap.
const YIELDS: u32 = if cfg!(all(test, loom)) { 1 } else { 64 };
/// How long a nap lasts.
const NAP: Duration = Duration::from_micros(50);

/// How somebody waits who has found another one inside.
pub(super) struct Backoff {
    round: u32,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Backoff { round: 0 }
    }

    pub(super) fn pause(&mut self) {
        if self.round < SPINS {
            // Doubling pauses keep the contenders off the holder's cache line.
            for _ in 0..FIRST_PAUSES << self.round {
                spin_loop();
            }
        } else if self.round < SPINS + YIELDS {
            yield_now();
        } else {
            sleep(NAP);
        }
        self.round += 1;
    }
}

/// A mutual exclusion of a few instructions; see the module's text for when it may be used.
pub trait Lock {
    /// Takes the lock.
    fn lock(&self);

    /// Leaves the lock. Only its holder may call this, on the thread that has taken it.
    fn unlock(&self);
}

/// See the module's text.
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

    #[cold]
    fn lock_contended(&self) {
        let mut backoff = Backoff::new();
        loop {
            while self.locked.load(Ordering::Relaxed) {
                backoff.pause();
            }
            if !self.locked.swap(true, Ordering::Acquire) {
                return;
            }
        }
    }
}

impl Lock for SpinLock {
    #[inline]
    fn lock(&self) {
        if self.locked.swap(true, Ordering::Acquire) {
            self.lock_contended();
        }
    }

    #[inline]
    fn unlock(&self) {
        self.locked.store(false, Ordering::Release);
    }
}

/// Nobody holds it.
const FREE: usize = 0;
/// Somebody holds it who is not its owner.
const LOCKED: usize = 1;
/// It has an owner, who may hold it.
const BIASED: usize = 2;

/// See the module's text.
///
/// Its word is `LOCKED` exactly while somebody holds it who has not entered as the owner.
#[derive(Debug)]
pub struct BiasedLock {
    word: AtomicUsize,
    bias: Bias<Inside>,
}

impl BiasedLock {
    const_unless_loom! {
        /// A free lock.
        pub(crate) fn new() -> Self {
            BiasedLock {
                word: AtomicUsize::new(FREE),
                bias: Bias::<Inside>::new(),
            }
        }
    }

    /// Takes the lock as one of several who use it.
    #[inline]
    fn lock_shared(&self) {
        if self.take().is_err() {
            self.lock_contended();
        }
        if self.bias.note_use() {
            self.adopt();
        }
    }

    /// Takes the lock if it is free; else says how it was found.
    #[inline]
    fn take(&self) -> Result<usize, usize> {
        self.word
            .compare_exchange(FREE, LOCKED, Ordering::Acquire, Ordering::Relaxed)
    }

    #[cold]
    #[inline(never)]
    fn lock_contended(&self) {
        let mut backoff = Backoff::new();
        while let Err(found) = self.take() {
            if found == BIASED {
                self.bias.revoke(
                    || self.word.load(Ordering::Acquire) == BIASED,
                    || self.word.store(FREE, Ordering::Release),
                );
            }
            while self.word.load(Ordering::Relaxed) == LOCKED {
                backoff.pause();
            }
        }
    }

    /// Makes the calling thread, which holds the lock, its owner.
    #[cold]
    #[inline(never)]
    fn adopt(&self) {
        // The lock is held, so nobody is inside.
        self.bias
            .adopt(|| self.word.store(BIASED, Ordering::Release));
    }
}

impl Lock for BiasedLock {
    #[inline(always)]
    fn lock(&self) {
        if !self.bias.enter() {
            self.lock_shared();
        }
    }

    #[inline(always)]
    fn unlock(&self) {
        if self.word.load(Ordering::Relaxed) == LOCKED {
            self.word.store(FREE, Ordering::Release);
        } else {
            self.bias.exit();
        }
    }
}

/// Data behind a lock.
pub(crate) struct Locked<T, L> {
    lock: L,
    data: UnsafeCell<T>,
}

/// Data behind a [`SpinLock`].
pub(crate) type SpinMutex<T> = Locked<T, SpinLock>;
/// Data behind a [`BiasedLock`].
pub(crate) type BiasedMutex<T> = Locked<T, BiasedLock>;

// SAFETY: the lock lets one thread at a time reach the data.
unsafe impl<T: Send, L: Lock + Sync> Sync for Locked<T, L> {}
// SAFETY: moving the mutex moves the data.
unsafe impl<T: Send, L: Lock + Send> Send for Locked<T, L> {}

// A panic cannot leave the data half changed: no user code runs while the lock is held.
impl<T, L> UnwindSafe for Locked<T, L> {}
impl<T, L> RefUnwindSafe for Locked<T, L> {}

impl<T> SpinMutex<T> {
    const_unless_loom! {
        pub(crate) fn new(data: T) -> Self {
            Locked {
                lock: SpinLock::new(),
                data: UnsafeCell::new(data),
            }
        }
    }
}

impl<T> BiasedMutex<T> {
    const_unless_loom! {
        pub(crate) fn new(data: T) -> Self {
            Locked {
                lock: BiasedLock::new(),
                data: UnsafeCell::new(data),
            }
        }
    }

    /// Takes the lock if it is biased towards the calling thread.
    #[inline(always)]
    pub(crate) fn lock_as_owner(&self) -> Option<BiasedGuard<'_, T>> {
        self.lock.bias.enter().then(|| Guard::of(self))
    }

    /// Takes the lock, which is not biased towards the calling thread, or was not a moment ago.
    #[inline]
    pub(crate) fn lock_as_other(&self) -> BiasedGuard<'_, T> {
        self.lock.lock_shared();
        Guard::of(self)
    }

    /// The lock itself, for `select!`, which holds several at once.
    #[inline]
    pub(crate) fn raw(&self) -> &BiasedLock {
        &self.lock
    }
}

impl<T, L: Lock> Locked<T, L> {
    /// Takes the lock for as long as the guard lives.
    #[inline(always)]
    pub(crate) fn lock(&self) -> Guard<'_, T, L> {
        self.lock.lock();
        Guard::of(self)
    }

    /// Takes over a lock that the caller holds through [`BiasedMutex::raw`], without ever
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

/// Holds a lock until it is dropped, which it must be on the same thread.
pub(crate) struct Guard<'a, T, L: Lock> {
    mutex: &'a Locked<T, L>,
    _not_send: PhantomData<*const ()>,
}

/// Holds a [`BiasedMutex`].
pub(crate) type BiasedGuard<'a, T> = Guard<'a, T, BiasedLock>;

impl<'a, T, L: Lock> Guard<'a, T, L> {
    /// Of a lock that has been taken.
    #[inline(always)]
    fn of(mutex: &'a Locked<T, L>) -> Self {
        Guard {
            mutex,
            _not_send: PhantomData,
        }
    }
}

impl<T> BiasedGuard<'_, T> {
    /// Leaves a lock that was taken by [`BiasedMutex::lock_as_owner`].
    #[inline(always)]
    pub(crate) fn leave_as_owner(self) {
        let lock = &ManuallyDrop::new(self).mutex.lock;
        debug_assert_ne!(lock.word.load(Ordering::Relaxed), LOCKED);
        lock.bias.exit();
    }
}

impl<T, L: Lock> Deref for Guard<'_, T, L> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.mutex.data.get() }
    }
}

impl<T, L: Lock> DerefMut for Guard<'_, T, L> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock, and `self` is borrowed uniquely.
        unsafe { &mut *self.mutex.data.get() }
    }
}

impl<T, L: Lock> Drop for Guard<'_, T, L> {
    #[inline(always)]
    fn drop(&mut self) {
        self.mutex.lock.unlock();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::wait::bias;
    use std::sync::Barrier;
    use std::sync::atomic::AtomicU64;
    use std::thread;
    use std::time::Instant;

    /// Long enough for the kernel to get ready for fences, and for thousands of revocations.
    const LONG: Duration = Duration::from_secs(1);

    /// A thread that uses a lock all the time, so that it becomes its owner, and another one that
    /// comes now and then must never be inside together.
    #[test]
    #[cfg_attr(
        not(target_os = "linux"),
        ignore = "no lock has an owner without membarrier"
    )]
    fn the_owner_of_a_lock_and_others_exclude_each_other() {
        let revoked = AtomicU64::new(0);
        let end = Instant::now() + LONG;
        while Instant::now() < end || revoked.load(Ordering::Relaxed) == 0 {
            assert!(
                Instant::now() < end + 20 * LONG,
                "nobody ever became the owner"
            );
            let (numbers, start) = (BiasedMutex::new([0_u64; 2]), Barrier::new(2));
            let add = |numbers: &BiasedMutex<[u64; 2]>| {
                let mut numbers = numbers.lock();
                assert_eq!(numbers[0], numbers[1]);
                numbers[0] += 1;
                // Others would see the two differ.
                std::hint::black_box(&mut numbers);
                numbers[1] += 1;
            };
            thread::scope(|s| {
                s.spawn(|| {
                    bias::obtain();
                    start.wait();
                    for _ in 0..6_000 {
                        add(&numbers);
                    }
                    bias::resign();
                });
                s.spawn(|| {
                    start.wait();
                    for round in 0..40 {
                        for _ in 0..round * 97 % 1_000 {
                            spin_loop();
                        }
                        let is_owned = numbers.raw().word.load(Ordering::Relaxed) == BIASED;
                        add(&numbers);
                        revoked.fetch_add(u64::from(is_owned), Ordering::Relaxed);
                    }
                });
            });
            assert_eq!(*numbers.lock(), [6_040; 2]);
        }
    }
}
