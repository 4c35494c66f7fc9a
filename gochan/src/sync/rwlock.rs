//! Many readers or one writer.

use super::monitor::Wait;
use super::raw_lock::RawLock;
use crate::wait::atomic::const_unless_loom;
use crate::wait::{Patience, WaitReason};
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

/// A lock around a value, held by any number of readers or by one writer.
///
/// Neither side starves: a writer that waits for readers keeps new ones out, so that it waits only
/// for those who read already; when a writer leaves, all readers that wait get in before the next
/// writer. A writer that waits for another one may be overtaken by who comes before it runs, and the
/// rule of [`Mutex`](super::Mutex) holds: after 50 microseconds nobody is overtaken.
///
/// As in Go, a goroutine that reads must not ask to read again: if a writer has begun to wait
/// between the two, neither goes on.
///
/// As with [`Mutex`](super::Mutex), and for the same reasons, a panic does not poison it, and a
/// destructor that runs because the runtime ends does get the lock.
///
/// ```
/// use gochan::sync::RwLock;
/// use std::collections::HashMap;
///
/// let ports = RwLock::new(HashMap::from([("http", 80)]));
/// {
///     let (one, other) = (ports.read(), ports.try_read().unwrap());
///     assert_eq!(one["http"], other["http"]);
/// }
/// ports.write().insert("https", 443);
/// assert_eq!(ports.read().len(), 2);
/// ```
#[doc(alias = "RWMutex")]
#[repr(C)] // the value behind the lock's word: see `RawLock`
pub struct RwLock<T: ?Sized> {
    lock: RawLock,
    value: UnsafeCell<T>,
}

// SAFETY: to move the lock is to move the value.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: readers on several threads share the value, a writer on any thread has it for itself.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

// As for `Mutex`.
impl<T: ?Sized> UnwindSafe for RwLock<T> {}
impl<T: ?Sized> RefUnwindSafe for RwLock<T> {}

impl<T> RwLock<T> {
    const_unless_loom! {
        /// A lock that nobody holds.
        ///
        /// ```
        /// use gochan::sync::RwLock;
        ///
        /// static LEVEL: RwLock<u8> = RwLock::new(3);
        /// assert_eq!(*LEVEL.read(), 3);
        /// ```
        pub fn new(value: T) -> Self {
            RwLock {
                lock: RawLock::new(),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// The value, for whoever owns the lock.
    ///
    /// ```
    /// assert_eq!(gochan::sync::RwLock::new(5).into_inner(), 5);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Takes the lock for reading, waiting until that is possible.
    ///
    /// ```
    /// let lock = gochan::sync::RwLock::new("gopher");
    /// assert_eq!(lock.read().len(), 6);
    /// ```
    #[doc(alias = "RLock")]
    #[inline]
    #[track_caller]
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        let location = Location::caller();
        self.lock
            .read(|| Wait::new(WaitReason::RwLockRead, location, Patience::Forever));
        RwLockReadGuard::new(self)
    }

    /// Takes the lock for reading if no writer holds it or waits for readers to leave it.
    ///
    /// ```
    /// let lock = gochan::sync::RwLock::new(1);
    /// let writing = lock.write();
    /// assert!(lock.try_read().is_none());
    /// ```
    #[must_use = "the lock is left at once if its guard is not kept"]
    #[inline]
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        self.lock.try_read().then(|| RwLockReadGuard::new(self))
    }

    /// Takes the lock for reading, waiting for at most `timeout`. `None`: the time was up.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let lock = gochan::sync::RwLock::new(1);
    /// assert!(lock.read_timeout(Duration::from_millis(1)).is_some());
    /// ```
    #[must_use = "the lock is left at once if its guard is not kept"]
    #[track_caller]
    pub fn read_timeout(&self, timeout: Duration) -> Option<RwLockReadGuard<'_, T>> {
        self.read_patiently(|| Patience::lasting(timeout), Location::caller())
    }

    /// Takes the lock for reading, waiting until `deadline` (on the clock of
    /// [`time::now`](crate::time::now)) at most. `None`: the time was up.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let lock = gochan::sync::RwLock::new(1);
    /// let _writing = lock.write();
    /// let deadline = gochan::time::now() + Duration::from_millis(1);
    /// assert!(lock.read_deadline(deadline).is_none());
    /// ```
    #[must_use = "the lock is left at once if its guard is not kept"]
    #[track_caller]
    pub fn read_deadline(&self, deadline: Instant) -> Option<RwLockReadGuard<'_, T>> {
        self.read_patiently(|| Patience::Until(deadline), Location::caller())
    }

    fn read_patiently(
        &self,
        patience: impl FnOnce() -> Patience,
        location: &'static Location<'static>,
    ) -> Option<RwLockReadGuard<'_, T>> {
        let locked = self
            .lock
            .read(|| Wait::new(WaitReason::RwLockRead, location, patience()));
        locked.then(|| RwLockReadGuard::new(self))
    }

    /// Takes the lock for writing, waiting until that is possible.
    ///
    /// ```
    /// let lock = gochan::sync::RwLock::new(1);
    /// *lock.write() += 1;
    /// assert_eq!(*lock.read(), 2);
    /// ```
    #[inline]
    #[track_caller]
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        let location = Location::caller();
        self.lock
            .write(|| Wait::new(WaitReason::RwLockWrite, location, Patience::Forever));
        RwLockWriteGuard::new(self)
    }

    /// Takes the lock for writing if nobody holds it and nobody is to be handed it.
    ///
    /// ```
    /// let lock = gochan::sync::RwLock::new(1);
    /// let reading = lock.read();
    /// assert!(lock.try_write().is_none());
    /// ```
    #[must_use = "the lock is left at once if its guard is not kept"]
    #[inline]
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        self.lock.try_write().then(|| RwLockWriteGuard::new(self))
    }

    /// Takes the lock for writing, waiting for at most `timeout`. `None`: the time was up.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let lock = gochan::sync::RwLock::new(1);
    /// let _reading = lock.read();
    /// assert!(lock.write_timeout(Duration::from_millis(1)).is_none());
    /// assert!(lock.try_read().is_some(), "the writer has given up");
    /// ```
    #[must_use = "the lock is left at once if its guard is not kept"]
    #[track_caller]
    pub fn write_timeout(&self, timeout: Duration) -> Option<RwLockWriteGuard<'_, T>> {
        self.write_patiently(|| Patience::lasting(timeout), Location::caller())
    }

    /// Takes the lock for writing, waiting until `deadline` (on the clock of
    /// [`time::now`](crate::time::now)) at most. `None`: the time was up.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let lock = gochan::sync::RwLock::new(1);
    /// let deadline = gochan::time::now() + Duration::from_millis(1);
    /// *lock.write_deadline(deadline).unwrap() = 2;
    /// ```
    #[must_use = "the lock is left at once if its guard is not kept"]
    #[track_caller]
    pub fn write_deadline(&self, deadline: Instant) -> Option<RwLockWriteGuard<'_, T>> {
        self.write_patiently(|| Patience::Until(deadline), Location::caller())
    }

    fn write_patiently(
        &self,
        patience: impl FnOnce() -> Patience,
        location: &'static Location<'static>,
    ) -> Option<RwLockWriteGuard<'_, T>> {
        let locked = self
            .lock
            .write(|| Wait::new(WaitReason::RwLockWrite, location, patience()));
        locked.then(|| RwLockWriteGuard::new(self))
    }

    /// The value, without locking: to borrow the lock uniquely is to be alone with it.
    ///
    /// ```
    /// let mut lock = gochan::sync::RwLock::new(1);
    /// *lock.get_mut() = 2;
    /// assert_eq!(*lock.read(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        RwLock::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        RwLock::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lock = f.debug_struct("RwLock");
        match self.try_read() {
            Some(guard) => lock.field("value", &&*guard),
            None if self.lock.is_written() => lock.field("value", &format_args!("<locked>")),
            None => lock.field("value", &format_args!("<about to be written>")),
        };
        lock.finish()
    }
}

/// Holds an [`RwLock`] for reading until it is dropped. It is not `Send`.
#[must_use = "the lock is left at once if its guard is not kept"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    stays_here: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives shared references to the value.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    #[inline]
    fn new(lock: &'a RwLock<T>) -> Self {
        RwLockReadGuard {
            lock,
            stays_here: PhantomData,
        }
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard keeps writers out.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.lock.leave_read();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

/// Holds an [`RwLock`] for writing until it is dropped. It is not `Send`.
#[must_use = "the lock is left at once if its guard is not kept"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    stays_here: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives shared references to the value.
unsafe impl<T: ?Sized + Sync> Sync for RwLockWriteGuard<'_, T> {}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    #[inline]
    fn new(lock: &'a RwLock<T>) -> Self {
        RwLockWriteGuard {
            lock,
            stays_here: PhantomData,
        }
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard keeps all others out.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard keeps all others out, and is borrowed uniquely.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.lock.leave_write();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
