//! Mutual exclusion.

use super::monitor::Wait;
use super::raw_lock::RawLock;
use crate::wait::atomic::const_unless_loom;
use crate::wait::{Patience, WaitReason};
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

/// A lock around a value, held by one goroutine or thread at a time.
///
/// A goroutine that waits for it is parked and other goroutines run; a goroutine may go on
/// holding it while it waits for something else. It is fair enough that nobody starves: a newcomer
/// may overtake those who wait, until one of them has waited for 50 microseconds, or a millisecond
/// where more threads than processors crowd the lock; from then on it is handed from one to the next
/// in the order in which they came.
///
/// **A panic does not poison it.** The guard is dropped as the panic unwinds, and the next one
/// gets the lock, as in Go when a deferred `Unlock` runs. A panic ends one goroutine of many, and
/// to poison the lock would spread it to all others by way of the `unwrap()` that every `lock()`
/// would need. Who changes the value in several steps between which it may panic puts it in order
/// in a destructor or a `defer!`.
///
/// A goroutine that waits in [`lock`](Mutex::lock) when its runtime ends is unwound. In a
/// destructor that runs meanwhile `lock` does lock, however long it has to wait: those who hold
/// locks are unwound as well and leave them.
///
/// To lock a mutex twice from one goroutine is a deadlock, as in Go.
///
/// ```
/// use gochan::prelude::*;
/// use gochan::sync::{Mutex, WaitGroup};
/// use std::sync::Arc;
///
/// #[gochan::main]
/// fn main() {
///     let counter = Arc::new(Mutex::new(0));
///     let wg = WaitGroup::new();
///     for _ in 0..10 {
///         wg.add(1);
///         go!(clone(counter, wg), {
///             defer! { wg.done() }
///             *counter.lock() += 1;
///         });
///     }
///     wg.wait();
///     assert_eq!(*counter.lock(), 10);
/// }
/// ```
#[repr(C)] // the value behind the lock's word: see `RawLock`
pub struct Mutex<T: ?Sized> {
    lock: RawLock,
    value: UnsafeCell<T>,
}

// SAFETY: to move the mutex is to move the value.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: one goroutine or thread at a time reaches the value, from any thread.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

// Without poisoning, whoever catches a panic meets what any other holder of the lock may meet.
impl<T: ?Sized> UnwindSafe for Mutex<T> {}
impl<T: ?Sized> RefUnwindSafe for Mutex<T> {}

impl<T> Mutex<T> {
    const_unless_loom! {
        /// A mutex that nobody holds.
        ///
        /// ```
        /// use gochan::sync::Mutex;
        ///
        /// static NAMES: Mutex<Vec<String>> = Mutex::new(Vec::new());
        /// NAMES.lock().push("gopher".into());
        /// ```
        pub fn new(value: T) -> Self {
            Mutex {
                lock: RawLock::new(),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// The value, for whoever owns the mutex.
    ///
    /// ```
    /// assert_eq!(gochan::sync::Mutex::new(5).into_inner(), 5);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Takes the lock, waiting until that is possible.
    ///
    /// ```
    /// let mutex = gochan::sync::Mutex::new(1);
    /// *mutex.lock() += 1;
    /// assert_eq!(*mutex.lock(), 2);
    /// ```
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.lock_at(Location::caller())
    }

    #[inline]
    pub(super) fn lock_at(&self, location: &'static Location<'static>) -> MutexGuard<'_, T> {
        self.lock
            .write(|| Wait::new(WaitReason::Mutex, location, Patience::Forever));
        MutexGuard::new(self)
    }

    /// Takes the lock if nobody holds it and nobody is to be handed it.
    ///
    /// ```
    /// let mutex = gochan::sync::Mutex::new(());
    /// let guard = mutex.lock();
    /// assert!(mutex.try_lock().is_none());
    /// drop(guard);
    /// assert!(mutex.try_lock().is_some());
    /// ```
    #[must_use = "the mutex is left at once if its guard is not kept"]
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.lock.try_write().then(|| MutexGuard::new(self))
    }

    /// Takes the lock, waiting for at most `timeout`. `None`: the time was up.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mutex = gochan::sync::Mutex::new(());
    /// let _guard = mutex.lock();
    /// assert!(mutex.lock_timeout(Duration::from_millis(1)).is_none());
    /// ```
    #[must_use = "the mutex is left at once if its guard is not kept"]
    #[track_caller]
    pub fn lock_timeout(&self, timeout: Duration) -> Option<MutexGuard<'_, T>> {
        self.lock_patiently(|| Patience::lasting(timeout), Location::caller())
    }

    /// Takes the lock, waiting until `deadline` (on the clock of
    /// [`time::now`](crate::time::now)) at most. `None`: the time was up.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mutex = gochan::sync::Mutex::new(());
    /// let deadline = gochan::time::now() + Duration::from_millis(1);
    /// assert!(mutex.lock_deadline(deadline).is_some());
    /// ```
    #[must_use = "the mutex is left at once if its guard is not kept"]
    #[track_caller]
    pub fn lock_deadline(&self, deadline: Instant) -> Option<MutexGuard<'_, T>> {
        self.lock_patiently(|| Patience::Until(deadline), Location::caller())
    }

    fn lock_patiently(
        &self,
        patience: impl FnOnce() -> Patience,
        location: &'static Location<'static>,
    ) -> Option<MutexGuard<'_, T>> {
        let locked = self
            .lock
            .write(|| Wait::new(WaitReason::Mutex, location, patience()));
        locked.then(|| MutexGuard::new(self))
    }

    /// The value, without locking: to borrow the mutex uniquely is to be alone with it.
    ///
    /// ```
    /// let mut mutex = gochan::sync::Mutex::new(1);
    /// *mutex.get_mut() = 2;
    /// assert_eq!(*mutex.lock(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Mutex::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Mutex::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut mutex = f.debug_struct("Mutex");
        match self.try_lock() {
            Some(guard) => mutex.field("value", &&*guard),
            None => mutex.field("value", &format_args!("<locked>")),
        };
        mutex.finish()
    }
}

/// Holds a [`Mutex`] until it is dropped, and reaches its value.
///
/// It stays with the goroutine or thread that locked: it is not `Send`.
///
/// ```compile_fail
/// let mutex = gochan::sync::Mutex::new(1);
/// let guard = mutex.lock();
/// std::thread::scope(|s| {
///     s.spawn(|| drop(guard)); // not `Send`
/// });
/// ```
#[must_use = "the mutex is left at once if its guard is not kept"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    stays_here: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives shared references to the value.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    #[inline]
    fn new(mutex: &'a Mutex<T>) -> Self {
        MutexGuard {
            mutex,
            stays_here: PhantomData,
        }
    }

    /// The mutex, which stays locked, and its lock.
    #[inline]
    pub(super) fn into_locked(self) -> (&'a Mutex<T>, &'a RawLock) {
        let mutex = ManuallyDrop::new(self).mutex;
        (mutex, &mutex.lock)
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock, and is borrowed uniquely.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.lock.leave_write();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
