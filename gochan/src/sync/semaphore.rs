//! A number of permits.

use super::monitor::{Cancelled, Monitor, Place, Wait};
use crate::runtime;
use crate::wait::atomic::const_unless_loom;
use crate::wait::{Patience, WaitQueue, WaitReason, Wake, WakeList};
use std::fmt;
use std::mem;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A number of permits, of which one takes as many as one needs and gives them back by dropping
/// the [`Permit`].
///
/// It is strictly first come, first served: while somebody waits for many permits, nobody who
/// came later gets even one, so those with large wishes do not starve (as in Go's
/// `golang.org/x/sync/semaphore`).
///
/// A permit is not bound to who acquired it: it may be sent to another goroutine, which then
/// gives it back; [`acquire_owned`](Semaphore::acquire_owned) makes one that borrows nothing.
///
/// A goroutine that waits here when its runtime ends is unwound; in a destructor that runs
/// meanwhile `acquire` waits until it has what it asks for: those who hold permits are unwound as
/// well and give them back.
///
/// ```
/// use gochan::prelude::*;
/// use gochan::sync::{Semaphore, WaitGroup};
/// use std::sync::Arc;
///
/// #[gochan::main]
/// fn main() {
///     let downloads = Arc::new(Semaphore::new(2));
///     let wg = WaitGroup::new();
///     for page in 0..10 {
///         let permit = downloads.acquire_owned(1); // at most two goroutines
///         wg.go(move || {
///             let _permit = permit;
///             page * page
///         });
///     }
///     wg.wait();
///     assert_eq!(downloads.available(), 2);
/// }
/// ```
#[doc(alias = "Weighted")]
pub struct Semaphore {
    size: usize,
    permits: Monitor<Permits>,
}

/// Invariant, whenever the lock is free: the first in the queue wants more than there are.
struct Permits {
    available: usize,
    waiting: WaitQueue,
}

impl Permits {
    /// Gives to the first in the queue as long as there is enough.
    fn serve(&mut self, woken: &mut WakeList) {
        while let Some(wanted) = Monitor::<Permits>::request(&self.waiting)
            && wanted <= self.available
        {
            self.available -= wanted;
            self.waiting.take_one(Wake::Done, woken);
        }
    }
}

impl Semaphore {
    const_unless_loom! {
        /// A semaphore with so many permits.
        ///
        /// ```
        /// static CONNECTIONS: gochan::sync::Semaphore = gochan::sync::Semaphore::new(8);
        /// assert_eq!(CONNECTIONS.available(), 8);
        /// ```
        pub fn new(permits: usize) -> Self {
            Semaphore {
                size: permits,
                permits: Monitor::new(Permits {
                    available: permits,
                    waiting: WaitQueue::new(),
                }),
            }
        }
    }

    /// Takes `count` permits, waiting until it is its turn and there are as many.
    ///
    /// # Panics
    /// If the semaphore has fewer than `count` in all, so that the wait could not end.
    ///
    /// ```
    /// let semaphore = gochan::sync::Semaphore::new(3);
    /// let permit = semaphore.acquire(2);
    /// assert_eq!(semaphore.available(), 1);
    /// drop(permit);
    /// assert_eq!(semaphore.available(), 3);
    /// ```
    #[track_caller]
    pub fn acquire(&self, count: usize) -> Permit<&Semaphore> {
        self.take(count, Location::caller());
        Permit::new(self, count)
    }

    /// As [`acquire`](Semaphore::acquire), for a permit that keeps the semaphore alive itself, so
    /// that it can go with a goroutine.
    ///
    /// # Panics
    /// As `acquire`.
    ///
    /// ```
    /// use gochan::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.acquire_owned(1);
    /// gochan::go!(drop(permit)).join().unwrap();
    /// assert_eq!(semaphore.available(), 1);
    /// ```
    #[track_caller]
    pub fn acquire_owned(self: &Arc<Self>, count: usize) -> Permit<Arc<Semaphore>> {
        self.take(count, Location::caller());
        Permit::new(Arc::clone(self), count)
    }

    #[track_caller]
    fn take(&self, count: usize, location: &'static Location<'static>) {
        assert!(
            count <= self.size,
            "a semaphore of {} permits was asked for {count}",
            self.size
        );
        self.take_patiently(
            count,
            Wait::new(WaitReason::Semaphore, location, Patience::Forever),
        );
    }

    /// Takes `count` permits if there are as many and nobody waits.
    ///
    /// ```
    /// let semaphore = gochan::sync::Semaphore::new(1);
    /// let _permit = semaphore.try_acquire(1).unwrap();
    /// assert!(semaphore.try_acquire(1).is_none());
    /// ```
    #[must_use = "the permits are given back at once if this is not kept"]
    pub fn try_acquire(&self, count: usize) -> Option<Permit<&Semaphore>> {
        self.try_take(count).then(|| Permit::new(self, count))
    }

    /// As [`try_acquire`](Semaphore::try_acquire), for a permit that keeps the semaphore alive
    /// itself.
    ///
    /// ```
    /// use gochan::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// assert!(semaphore.try_acquire_owned(2).is_none());
    /// ```
    #[must_use = "the permits are given back at once if this is not kept"]
    pub fn try_acquire_owned(self: &Arc<Self>, count: usize) -> Option<Permit<Arc<Semaphore>>> {
        self.try_take(count)
            .then(|| Permit::new(Arc::clone(self), count))
    }

    /// Takes `count` permits, waiting for at most `timeout`. `None`: the time was up, or the
    /// semaphore has fewer in all.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let semaphore = gochan::sync::Semaphore::new(1);
    /// let _permit = semaphore.acquire(1);
    /// assert!(semaphore.acquire_timeout(1, Duration::from_millis(1)).is_none());
    /// ```
    #[must_use = "the permits are given back at once if this is not kept"]
    #[track_caller]
    pub fn acquire_timeout(&self, count: usize, timeout: Duration) -> Option<Permit<&Semaphore>> {
        self.take_within(count, Patience::lasting(timeout), Location::caller())
            .then(|| Permit::new(self, count))
    }

    /// Takes `count` permits, waiting until `deadline` (on the clock of
    /// [`time::now`](crate::time::now)) at most. `None`: the time was up, or the semaphore has
    /// fewer in all.
    ///
    /// ```
    /// let semaphore = gochan::sync::Semaphore::new(1);
    /// assert!(semaphore.acquire_deadline(1, gochan::time::now()).is_some());
    /// ```
    #[must_use = "the permits are given back at once if this is not kept"]
    #[track_caller]
    pub fn acquire_deadline(&self, count: usize, deadline: Instant) -> Option<Permit<&Semaphore>> {
        self.take_within(count, Patience::Until(deadline), Location::caller())
            .then(|| Permit::new(self, count))
    }

    /// As [`acquire_timeout`](Semaphore::acquire_timeout), for a permit that keeps the semaphore
    /// alive itself.
    ///
    /// ```
    /// use gochan::sync::Semaphore;
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.acquire_owned_timeout(1, Duration::from_secs(5));
    /// gochan::go!(drop(permit)).join().unwrap();
    /// assert_eq!(semaphore.available(), 1);
    /// ```
    #[must_use = "the permits are given back at once if this is not kept"]
    #[track_caller]
    pub fn acquire_owned_timeout(
        self: &Arc<Self>,
        count: usize,
        timeout: Duration,
    ) -> Option<Permit<Arc<Semaphore>>> {
        self.take_within(count, Patience::lasting(timeout), Location::caller())
            .then(|| Permit::new(Arc::clone(self), count))
    }

    /// As [`acquire_deadline`](Semaphore::acquire_deadline), for a permit that keeps the semaphore
    /// alive itself.
    ///
    /// ```
    /// use gochan::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let _permit = semaphore.acquire(1);
    /// let now = gochan::time::now();
    /// assert!(semaphore.acquire_owned_deadline(1, now).is_none());
    /// ```
    #[must_use = "the permits are given back at once if this is not kept"]
    #[track_caller]
    pub fn acquire_owned_deadline(
        self: &Arc<Self>,
        count: usize,
        deadline: Instant,
    ) -> Option<Permit<Arc<Semaphore>>> {
        self.take_within(count, Patience::Until(deadline), Location::caller())
            .then(|| Permit::new(Arc::clone(self), count))
    }

    /// Whether it took them in time, which it does not try if there are fewer in all.
    fn take_within(
        &self,
        count: usize,
        patience: Patience,
        location: &'static Location<'static>,
    ) -> bool {
        if count > self.size {
            // As in `try_take`.
            runtime::count(runtime::Operation::Other);
            return false;
        }
        self.take_patiently(count, Wait::new(WaitReason::Semaphore, location, patience))
    }

    fn try_take(&self, count: usize) -> bool {
        // A goroutine that tries again and again must not starve others of its worker. It may be
        // unwound here, so it must not hold permits yet.
        runtime::count(runtime::Operation::Other);
        let mut permits = self.permits.lock();
        let served = permits.waiting.is_empty() && count <= permits.available;
        if served {
            permits.available -= count;
        }
        served
    }

    fn take_patiently(&self, count: usize, mut wait: Wait) -> bool {
        runtime::count(runtime::Operation::Other);
        loop {
            let mut permits = self.permits.lock();
            if permits.waiting.is_empty() && count <= permits.available {
                permits.available -= count;
                return true;
            }
            let wake = self.permits.wait(
                permits,
                |permits| &mut permits.waiting,
                Place::Last,
                &count,
                &wait,
                // It may have been the one whose large wish kept the others.
                Permits::serve,
            );
            match wake {
                Wake::Done => return true,
                Wake::DoneLate => {
                    let permit = Permit::new(self, count);
                    crate::unwind_cancelled();
                    mem::forget(permit);
                    return true;
                }
                Wake::TimedOut => return false,
                _ => {
                    if wait.cancelled() == Cancelled::GiveUp {
                        return false;
                    }
                }
            }
        }
    }

    fn give_back(&self, count: usize) {
        let mut woken = WakeList::new();
        let mut permits = self.permits.lock();
        permits.available += count;
        permits.serve(&mut woken);
        drop(permits);
        drop(woken);
    }

    /// How many permits are there to be taken at this moment.
    ///
    /// ```
    /// assert_eq!(gochan::sync::Semaphore::new(3).available(), 3);
    /// ```
    pub fn available(&self) -> usize {
        self.permits.lock().available
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("size", &self.size)
            .field("available", &self.available())
            .finish_non_exhaustive()
    }
}

/// Permits of a [`Semaphore`], given back when this is dropped.
#[must_use = "the permits are given back at once if this is not kept"]
pub struct Permit<S: Deref<Target = Semaphore>> {
    semaphore: S,
    count: usize,
}

impl<S: Deref<Target = Semaphore>> Permit<S> {
    /// For permits that were taken.
    fn new(semaphore: S, count: usize) -> Self {
        Permit { semaphore, count }
    }

    /// How many permits it stands for.
    ///
    /// ```
    /// assert_eq!(gochan::sync::Semaphore::new(3).acquire(2).count(), 2);
    /// ```
    pub fn count(&self) -> usize {
        self.count
    }
}

impl<S: Deref<Target = Semaphore>> Drop for Permit<S> {
    fn drop(&mut self) {
        self.semaphore.give_back(self.count);
    }
}

impl<S: Deref<Target = Semaphore>> fmt::Debug for Permit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}
