//! Waiting for a number of goroutines.

use super::group::SharedGroup;
use super::monitor::Wait;
use crate::join::JoinHandle;
use crate::runtime::placement::Site;
use crate::runtime::{self, Kind, SpawnOptions};
use crate::wait::{Patience, WaitReason, Wake};
use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

/// A counter that can be waited for until it is zero: [`add`](WaitGroup::add) to it before a
/// goroutine starts, say [`done`](WaitGroup::done) when it ends, [`wait`](WaitGroup::wait) for
/// all. [`go`](WaitGroup::go) does the first two.
///
/// It is a handle: its clones are the same group, so `go!(clone(wg), { … })` is all that is
/// needed to hand it on. It may be used again once the counter is zero; whoever waits is released
/// the next time that it is.
///
/// A goroutine that waits when its runtime ends is unwound; in a destructor that runs meanwhile
/// `wait` returns at once, since those it would wait for may never have started.
///
/// ```
/// use gochan::prelude::*;
/// use gochan::sync::WaitGroup;
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// #[gochan::main]
/// fn main() {
///     let sum = Arc::new(AtomicU32::new(0));
///     let wg = WaitGroup::new();
///     for i in 1..=3 {
///         wg.add(1);
///         go!(clone(sum, wg), {
///             defer! { wg.done() }
///             sum.fetch_add(i, Ordering::Relaxed);
///         });
///     }
///     wg.wait();
///     assert_eq!(sum.load(Ordering::Relaxed), 6);
/// }
/// ```
#[derive(Clone)]
pub struct WaitGroup {
    group: SharedGroup,
}

impl WaitGroup {
    /// A group whose counter is zero.
    ///
    /// ```
    /// gochan::sync::WaitGroup::new().wait(); // returns at once
    /// ```
    pub fn new() -> Self {
        WaitGroup {
            group: SharedGroup::new(),
        }
    }

    /// Adds to the counter. To be called before the goroutine is started that is to be waited
    /// for, not in it: there it may come too late.
    ///
    /// # Panics
    /// With `WaitGroup counter overflow`, at a count of more than some 500 million (2²⁹).
    ///
    /// ```
    /// let wg = gochan::sync::WaitGroup::new();
    /// wg.add(2);
    /// wg.done();
    /// wg.done();
    /// wg.wait();
    /// ```
    #[inline]
    #[track_caller]
    pub fn add(&self, count: usize) {
        self.group.add(count);
    }

    /// Takes one from the counter, and releases those who wait if that was the last.
    ///
    /// # Panics
    /// With `negative WaitGroup counter` if all that was [added](WaitGroup::add) has been taken away;
    /// the counter stays as it was. What [`go`](WaitGroup::go) adds its goroutine takes away itself.
    ///
    /// ```should_panic
    /// gochan::sync::WaitGroup::new().done();
    /// ```
    #[inline]
    #[track_caller]
    pub fn done(&self) {
        self.group.done();
    }

    /// Waits until the counter is zero.
    ///
    /// ```
    /// let wg = gochan::sync::WaitGroup::new();
    /// wg.go(|| println!("in a goroutine"));
    /// wg.wait();
    /// ```
    #[inline(always)] // see `Waiter::begin`
    #[track_caller]
    pub fn wait(&self) {
        let location = Location::caller();
        let wait = || Wait::new(WaitReason::WaitGroup, location, Patience::Forever);
        has_waited(self.group.wait_for_ever(wait));
    }

    /// Waits until the counter is zero, for at most `timeout`. `false`: the time was up.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let wg = gochan::sync::WaitGroup::new();
    /// wg.add(1);
    /// assert!(!wg.wait_timeout(Duration::from_millis(1)));
    /// ```
    #[track_caller]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_patiently(Patience::lasting(timeout), Location::caller())
    }

    /// Waits until the counter is zero, until `deadline` (on the clock of
    /// [`time::now`](crate::time::now)) at most. `false`: the time was up.
    ///
    /// ```
    /// assert!(gochan::sync::WaitGroup::new().wait_deadline(gochan::time::now()));
    /// ```
    #[track_caller]
    pub fn wait_deadline(&self, deadline: Instant) -> bool {
        self.wait_patiently(Patience::Until(deadline), Location::caller())
    }

    fn wait_patiently(&self, patience: Patience, location: &'static Location<'static>) -> bool {
        let wait = || Wait::new(WaitReason::WaitGroup, location, patience);
        has_waited(self.group.wait(wait))
    }

    /// Starts a goroutine as a member of the group: adds one, and says `done` when it has ended,
    /// also by a panic or if its runtime ends before it has started.
    ///
    /// # Panics
    /// If there is no room for another stack, or the default runtime cannot start.
    ///
    /// ```
    /// let wg = gochan::sync::WaitGroup::new();
    /// let handle = wg.go(|| 6 * 7);
    /// wg.wait();
    /// assert_eq!(handle.join().unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn go<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let site = Site::of(Location::caller());
        let membership = self.group.join();
        let options = SpawnOptions::default();
        let body = move || {
            let _done = membership;
            f()
        };
        // SAFETY: body and result are `Send` and `'static`.
        match unsafe { runtime::start(site, options, Kind::Plain, None, body) } {
            Ok(result) => JoinHandle::new(result),
            Err(error) => panic!("cannot start a goroutine: {error}"),
        }
    }
}

/// Whether the count was zero at the end of a wait. The goroutine may be unwound here.
#[inline]
fn has_waited(wake: Wake) -> bool {
    match wake {
        Wake::Done => true,
        Wake::TimedOut => false,
        wake => {
            crate::unwind_cancelled();
            wake == Wake::DoneLate
        }
    }
}

impl Default for WaitGroup {
    fn default() -> Self {
        WaitGroup::new()
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitGroup")
            .field("count", &self.group.count())
            .finish_non_exhaustive()
    }
}
