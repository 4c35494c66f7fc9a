//! Waiting until what a mutex guards has changed.

use super::monitor::{Monitor, Place, Wait};
use super::raw_lock::{OnUnwind, RawLock};
use super::{Mutex, MutexGuard};
use crate::runtime::Running;
use crate::wait::atomic::{AtomicBool, Ordering, const_unless_loom};
use crate::wait::{Patience, WaitFrame, WaitQueue, WaitReason, Wake, WakeList};
use std::fmt;
use std::mem;
use std::panic::Location;
use std::time::{Duration, Instant};

/// A condition variable: lets goroutines and threads wait until somebody says that what a
/// [`Mutex`] guards has changed.
///
/// For those who come from Go: [`wait`](Cond::wait) is `Wait`, [`notify_one`](Cond::notify_one)
/// is `Signal`, [`notify_all`](Cond::notify_all) is `Broadcast`. The mutex belongs to the call,
/// not to the condition. Those who wait are woken first come, first served.
///
/// A goroutine that waits here when its runtime ends is unwound without the mutex. In a destructor
/// that runs meanwhile nobody may be left to notify, so `wait` does not wait: it leaves the
/// mutex, lets others run, takes the mutex again and returns; `wait_while` then returns although
/// its condition still holds.
///
/// ```
/// use gochan::prelude::*;
/// use gochan::sync::{Cond, Mutex};
/// use std::collections::VecDeque;
/// use std::sync::Arc;
///
/// #[gochan::main]
/// fn main() {
///     let queue = Arc::new((Mutex::new(VecDeque::new()), Cond::new()));
///     let reader = go!(clone(queue), {
///         let (items, not_empty) = &*queue;
///         let mut items = not_empty.wait_while(items.lock(), |items| items.is_empty());
///         items.pop_front()
///     });
///     let (items, not_empty) = &*queue;
///     items.lock().push_back("job");
///     not_empty.notify_one();
///     assert_eq!(reader.join().unwrap(), Some("job"));
/// }
/// ```
#[doc(alias = "Condvar")]
pub struct Cond {
    waiting: Monitor<WaitQueue>,
    /// Whether the queue is not empty; changed under its lock.
    occupied: AtomicBool,
}

/// Whether a wait with a time limit ended because the time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the time was up before somebody notified.
    ///
    /// ```
    /// use gochan::sync::{Cond, Mutex};
    /// use std::time::Duration;
    ///
    /// let (mutex, cond) = (Mutex::new(()), Cond::new());
    /// let (_guard, result) = cond.wait_timeout(mutex.lock(), Duration::from_millis(1));
    /// assert!(result.timed_out());
    /// ```
    pub fn timed_out(self) -> bool {
        self.0
    }
}

impl Cond {
    const_unless_loom! {
        /// A condition for which nobody waits.
        ///
        /// ```
        /// static CHANGED: gochan::sync::Cond = gochan::sync::Cond::new();
        /// CHANGED.notify_all(); // nobody hears it
        /// ```
        pub fn new() -> Self {
            Cond {
                waiting: Monitor::new(WaitQueue::new()),
                occupied: AtomicBool::new(false),
            }
        }
    }

    /// Leaves the mutex, waits to be notified, and takes the mutex again. No notification that
    /// comes after the mutex was left is missed.
    ///
    /// Others may have changed the value again between the notification and the return: call it
    /// in a loop, or use [`wait_while`](Cond::wait_while).
    ///
    /// ```
    /// use gochan::prelude::*;
    /// use gochan::sync::{Cond, Mutex};
    /// use std::sync::Arc;
    ///
    /// let shared = Arc::new((Mutex::new(false), Cond::new()));
    /// go!(clone(shared), {
    ///     *shared.0.lock() = true;
    ///     shared.1.notify_all();
    /// });
    /// let mut ready = shared.0.lock();
    /// while !*ready {
    ///     ready = shared.1.wait(ready);
    /// }
    /// ```
    #[inline(always)] // see `Waiter::begin`
    #[track_caller]
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.wait_for_ever(guard, Location::caller()).0
    }

    /// Waits as long as `condition` holds, which is asked with the mutex locked: at once, and
    /// after every notification.
    ///
    /// ```
    /// use gochan::sync::{Cond, Mutex};
    ///
    /// let (mutex, cond) = (Mutex::new(3), Cond::new());
    /// let guard = cond.wait_while(mutex.lock(), |count| *count == 0);
    /// assert_eq!(*guard, 3);
    /// ```
    #[inline(always)] // see `Waiter::begin`
    #[track_caller]
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        let location = Location::caller();
        let wait = |guard| self.wait_for_ever(guard, location);
        wait_while(guard, condition, wait).0
    }

    /// As [`wait`](Cond::wait), for at most `timeout`. To take the mutex again may take longer.
    ///
    /// ```
    /// use gochan::sync::{Cond, Mutex};
    /// use std::time::Duration;
    ///
    /// let (mutex, cond) = (Mutex::new(()), Cond::new());
    /// let (guard, result) = cond.wait_timeout(mutex.lock(), Duration::ZERO);
    /// assert!(result.timed_out() && mutex.try_lock().is_none());
    /// # drop(guard);
    /// ```
    #[track_caller]
    pub fn wait_timeout<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> (MutexGuard<'a, T>, WaitTimeoutResult) {
        let (guard, wake) = self.wait_once(guard, Patience::lasting(timeout), Location::caller());
        (guard, WaitTimeoutResult(wake == Wake::TimedOut))
    }

    /// As [`wait`](Cond::wait), until `deadline` (on the clock of
    /// [`time::now`](crate::time::now)) at most.
    ///
    /// ```
    /// use gochan::sync::{Cond, Mutex};
    ///
    /// let (mutex, cond) = (Mutex::new(()), Cond::new());
    /// let (_guard, result) = cond.wait_deadline(mutex.lock(), gochan::time::now());
    /// assert!(result.timed_out());
    /// ```
    #[track_caller]
    pub fn wait_deadline<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Instant,
    ) -> (MutexGuard<'a, T>, WaitTimeoutResult) {
        let (guard, wake) = self.wait_once(guard, Patience::Until(deadline), Location::caller());
        (guard, WaitTimeoutResult(wake == Wake::TimedOut))
    }

    /// As [`wait_while`](Cond::wait_while), for at most `timeout`. If the time was up, the
    /// condition still holds.
    ///
    /// ```
    /// use gochan::sync::{Cond, Mutex};
    /// use std::time::Duration;
    ///
    /// let (mutex, cond) = (Mutex::new(0), Cond::new());
    /// let brief = Duration::from_millis(1);
    /// let (_guard, result) = cond.wait_timeout_while(mutex.lock(), brief, |n| *n == 0);
    /// assert!(result.timed_out());
    /// ```
    #[track_caller]
    pub fn wait_timeout_while<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
        condition: impl FnMut(&mut T) -> bool,
    ) -> (MutexGuard<'a, T>, WaitTimeoutResult) {
        let patience = Patience::lasting(timeout);
        self.wait_patiently_while(guard, patience, condition, Location::caller())
    }

    /// As [`wait_while`](Cond::wait_while), until `deadline` (on the clock of
    /// [`time::now`](crate::time::now)) at most. If the time was up, the condition still holds.
    ///
    /// ```
    /// use gochan::sync::{Cond, Mutex};
    /// use std::time::Duration;
    ///
    /// let (mutex, cond) = (Mutex::new(0), Cond::new());
    /// let deadline = gochan::time::now() + Duration::from_millis(1);
    /// let (_guard, result) = cond.wait_deadline_while(mutex.lock(), deadline, |n| *n == 0);
    /// assert!(result.timed_out());
    /// ```
    #[track_caller]
    pub fn wait_deadline_while<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Instant,
        condition: impl FnMut(&mut T) -> bool,
    ) -> (MutexGuard<'a, T>, WaitTimeoutResult) {
        let patience = Patience::Until(deadline);
        self.wait_patiently_while(guard, patience, condition, Location::caller())
    }

    fn wait_patiently_while<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        patience: Patience,
        condition: impl FnMut(&mut T) -> bool,
        location: &'static Location<'static>,
    ) -> (MutexGuard<'a, T>, WaitTimeoutResult) {
        let wait = |guard| self.wait_once(guard, patience, location);
        let (guard, holds) = wait_while(guard, condition, wait);
        (guard, WaitTimeoutResult(holds))
    }

    /// As [`Cond::wait_once`], for as long as it takes. Inlined into the caller is the switch to
    /// other goroutines; see [`Waiter::begin`](crate::wait::Waiter::begin) for that.
    #[inline(always)]
    fn wait_for_ever<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        location: &'static Location<'static>,
    ) -> (MutexGuard<'a, T>, Wake) {
        let frame = WaitFrame::new();
        let (mutex, lock) = guard.into_locked();
        // SAFETY: the guard's lock is held; the frame stays here until the wait has ended, and the
        // switch comes once, and at once.
        let wake = unsafe {
            let begun = self.begin_wait(lock, &frame, location);
            frame.finish(begun, |frame| self.end_wait(frame, true))
        };
        (self.lock_again(mutex, location, wake), wake)
    }

    /// Leaves the lock, waits, and takes the mutex again.
    fn wait_once<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        patience: Patience,
        location: &'static Location<'static>,
    ) -> (MutexGuard<'a, T>, Wake) {
        let (mutex, lock) = guard.into_locked();
        // SAFETY: the guard's lock is held.
        let wake = unsafe { self.wait_unlocked(lock, patience, location) };
        (self.lock_again(mutex, location, wake), wake)
    }

    /// Takes the mutex again after the wait.
    #[inline]
    fn lock_again<'a, T: ?Sized>(
        &self,
        mutex: &'a Mutex<T>,
        location: &'static Location<'static>,
        wake: Wake,
    ) -> MutexGuard<'a, T> {
        // Who is unwound meanwhile, at the end of its runtime, does nothing about what it was told.
        let pass_on = OnUnwind(|| {
            if wake == Wake::Done {
                self.notify_one();
            }
        });
        let guard = mutex.lock_at(location);
        mem::forget(pass_on);
        guard
    }

    /// Leaves the lock and waits.
    ///
    /// # Safety
    /// The caller holds the lock for writing, and its guard is forgotten.
    unsafe fn wait_unlocked(
        &self,
        lock: &RawLock,
        patience: Patience,
        location: &'static Location<'static>,
    ) -> Wake {
        let waiting = self.waiting.lock();
        self.occupied.store(true, Ordering::Relaxed);
        let wake = self.waiting.wait_after(
            waiting,
            |waiting| waiting,
            Place::Last,
            &0,
            &Wait::new(WaitReason::Cond, location, patience),
            || lock.leave_write(),
            |waiting, _| self.note_occupied(waiting),
        );
        self.see_to_end(wake)
    }

    /// As [`Cond::wait_unlocked`] without a time limit, but for a goroutine it only begins the wait,
    /// in `frame`, and says nothing: the switch is to follow, and [`Cond::end_wait`].
    ///
    /// # Safety
    /// As for [`Cond::wait_unlocked`] and [`WaitFrame::set_waiter`].
    #[inline(never)]
    unsafe fn begin_wait(
        &self,
        lock: &RawLock,
        frame: &WaitFrame,
        location: &'static Location<'static>,
    ) -> Option<Wake> {
        let Some(running) = Running::get() else {
            // SAFETY: the caller's promise.
            return Some(unsafe { self.wait_unlocked(lock, Patience::Forever, location) });
        };
        let waiting = self.waiting.lock();
        self.occupied.store(true, Ordering::Relaxed);
        let wait = Wait::new(WaitReason::Cond, location, Patience::Forever);
        // SAFETY: the caller's promise.
        let waiter = unsafe {
            self.waiting
                .enqueue(waiting, |waiting| waiting, frame, running, &wait)
        };
        lock.leave_write();
        if waiter.begin(running) {
            return None;
        }
        // SAFETY: it has begun above.
        Some(unsafe { self.end_wait(frame, false) })
    }

    /// Ends the wait that [`Cond::begin_wait`] began, after the switch if there was one.
    ///
    /// # Safety
    /// It has begun in this frame.
    #[cold]
    unsafe fn end_wait(&self, frame: &WaitFrame, switched: bool) -> Wake {
        // SAFETY: the caller's promise.
        let wake = unsafe {
            self.waiting.end_wait(
                frame,
                switched,
                |waiting| waiting,
                |waiting, _| self.note_occupied(waiting),
            )
        };
        self.see_to_end(wake)
    }

    /// Does what this end of a wait asks for, if it comes from the end of the runtime.
    fn see_to_end(&self, wake: Wake) -> Wake {
        if wake == Wake::DoneLate {
            // Somebody of another runtime may be waiting for the notification as well.
            self.notify_one();
        }
        if matches!(wake, Wake::Cancelled | Wake::DoneLate) {
            crate::unwind_cancelled();
            crate::yield_now();
        }
        wake
    }

    /// Wakes the one who has waited longest, if anybody waits. The mutex may be held or not.
    ///
    /// ```
    /// gochan::sync::Cond::new().notify_one(); // nobody hears it
    /// ```
    #[doc(alias = "Signal")]
    pub fn notify_one(&self) {
        if !self.is_occupied() {
            return;
        }
        let mut woken = WakeList::new();
        let mut waiting = self.waiting.lock();
        waiting.take_one(Wake::Done, &mut woken);
        self.note_occupied(&waiting);
        drop(waiting);
        drop(woken);
    }

    /// Wakes everybody who waits. The mutex may be held or not.
    ///
    /// ```
    /// gochan::sync::Cond::new().notify_all(); // nobody hears it
    /// ```
    #[doc(alias = "Broadcast")]
    pub fn notify_all(&self) {
        if !self.is_occupied() {
            return;
        }
        let mut woken = WakeList::new();
        let mut waiting = self.waiting.lock();
        waiting.take_all(Wake::Done, &mut woken);
        self.note_occupied(&waiting);
        drop(waiting);
        drop(woken);
    }

    /// Whoever has changed the value under the mutex since somebody left it to wait has
    /// synchronised with that one, so this look finds him.
    fn is_occupied(&self) -> bool {
        self.occupied.load(Ordering::Relaxed)
    }

    fn note_occupied(&self, waiting: &WaitQueue) {
        self.occupied.store(!waiting.is_empty(), Ordering::Relaxed);
    }
}

/// Calls `wait` as long as `condition` holds, unless it ends before somebody has notified. Says also
/// whether the condition still holds.
#[inline(always)] // see `Waiter::begin`
fn wait_while<'a, T: ?Sized>(
    mut guard: MutexGuard<'a, T>,
    mut condition: impl FnMut(&mut T) -> bool,
    mut wait: impl FnMut(MutexGuard<'a, T>) -> (MutexGuard<'a, T>, Wake),
) -> (MutexGuard<'a, T>, bool) {
    let mut last = false;
    loop {
        let holds = condition(&mut guard);
        if !holds || last {
            return (guard, holds);
        }
        let wake;
        (guard, wake) = wait(guard);
        last = matches!(wake, Wake::TimedOut | Wake::Cancelled);
    }
}

impl Default for Cond {
    fn default() -> Self {
        Cond::new()
    }
}

impl fmt::Debug for Cond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cond").finish_non_exhaustive()
    }
}
