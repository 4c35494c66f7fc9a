//! Doing something once.

use super::gate::Gate;
use super::monitor::Wait;
use crate::wait::atomic::{AtomicUsize, Ordering, const_unless_loom};
use crate::wait::{Patience, WaitReason};
use std::fmt;
use std::panic::Location;

const NEW: usize = 0;
const RUNNING: usize = 1;
const DONE: usize = 2;

/// Runs one function, once, however many ask for it; all of them return only when it has been
/// run.
///
/// A function that panics counts as run, as in Go: the panic goes to whoever called, and nobody
/// calls a function here again. Who wants to know of a failure later keeps the result, in a
/// [`OnceValue`](super::OnceValue). A call from within the function waits for ever.
///
/// A goroutine that waits here when its runtime ends is unwound; in a destructor that runs
/// meanwhile the call waits until the function has been run, however long that takes.
///
/// ```
/// use gochan::prelude::*;
/// use gochan::sync::{Once, WaitGroup};
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// static SETUP: Once = Once::new();
/// static CALLS: AtomicU32 = AtomicU32::new(0);
///
/// #[gochan::main]
/// fn main() {
///     let wg = WaitGroup::new();
///     for _ in 0..5 {
///         wg.go(|| SETUP.call_once(|| _ = CALLS.fetch_add(1, Ordering::Relaxed)));
///     }
///     wg.wait();
///     assert_eq!(CALLS.load(Ordering::Relaxed), 1);
/// }
/// ```
pub struct Once {
    state: AtomicUsize,
    end: Gate,
}

impl Once {
    const_unless_loom! {
        /// One that has run nothing.
        ///
        /// ```
        /// static ONCE: gochan::sync::Once = gochan::sync::Once::new();
        /// assert!(!ONCE.is_completed());
        /// ```
        pub fn new() -> Self {
            Once {
                state: AtomicUsize::new(NEW),
                end: Gate::new(),
            }
        }
    }

    /// Runs `f` if nothing has been run here yet, else waits until what was has returned.
    ///
    /// # Panics
    /// With the panic of `f`.
    ///
    /// ```
    /// let once = gochan::sync::Once::new();
    /// let mut count = 0;
    /// once.call_once(|| count += 1);
    /// once.call_once(|| count += 1);
    /// assert_eq!(count, 1);
    /// ```
    #[doc(alias = "Do")]
    #[inline]
    #[track_caller]
    pub fn call_once(&self, f: impl FnOnce()) {
        if !self.is_completed() {
            self.call(f, Location::caller());
        }
    }

    #[cold]
    pub(super) fn call(&self, f: impl FnOnce(), location: &'static Location<'static>) {
        let start = self
            .state
            .compare_exchange(NEW, RUNNING, Ordering::Acquire, Ordering::Acquire);
        match start {
            Ok(_) => {
                let _ending = Ending(self);
                f();
            }
            Err(DONE) => {}
            Err(_) => {
                let wait = Wait::new(WaitReason::Once, location, Patience::Forever);
                self.end.pass(wait);
            }
        }
    }

    /// Whether a function has been run here, to its end.
    ///
    /// ```
    /// let once = gochan::sync::Once::new();
    /// once.call_once(|| assert!(!once.is_completed()));
    /// assert!(once.is_completed());
    /// ```
    #[inline]
    pub fn is_completed(&self) -> bool {
        self.state.load(Ordering::Acquire) == DONE
    }
}

/// Ends the one call, whether it returns or unwinds.
struct Ending<'a>(&'a Once);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.state.store(DONE, Ordering::Release);
        self.0.end.open();
    }
}

impl Default for Once {
    fn default() -> Self {
        Once::new()
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once")
            .field("completed", &self.is_completed())
            .finish_non_exhaustive()
    }
}
