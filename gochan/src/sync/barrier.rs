//! Waiting for one another.

use super::monitor::{Monitor, Place, Wait};
use crate::wait::atomic::const_unless_loom;
use crate::wait::{Patience, WaitQueue, WaitReason, Wake, WakeList};
use std::fmt;
use std::panic::Location;

/// Lets a number of goroutines and threads go on only when all of them have come. It can be used
/// again and again.
///
/// A goroutine that waits when its runtime ends is unwound, and does not count any more; in a
/// destructor that runs meanwhile `wait` returns at once.
///
/// ```
/// use gochan::prelude::*;
/// use gochan::sync::{Barrier, WaitGroup};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// #[gochan::main]
/// fn main() {
///     let (barrier, arrived) = (Arc::new(Barrier::new(4)), Arc::new(AtomicU32::new(0)));
///     let wg = WaitGroup::new();
///     for _ in 0..4 {
///         wg.add(1);
///         go!(clone(wg, barrier, arrived), {
///             defer! { wg.done() }
///             arrived.fetch_add(1, Ordering::Relaxed);
///             barrier.wait();
///             assert_eq!(arrived.load(Ordering::Relaxed), 4);
///         });
///     }
///     wg.wait();
/// }
/// ```
pub struct Barrier {
    size: usize,
    state: Monitor<Arrivals>,
}

struct Arrivals {
    arrived: usize,
    waiting: WaitQueue,
}

/// What [`Barrier::wait`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// Whether this was the one who came last, of whom there is one each time.
    ///
    /// ```
    /// assert!(gochan::sync::Barrier::new(1).wait().is_leader());
    /// ```
    pub fn is_leader(self) -> bool {
        self.0
    }
}

impl Barrier {
    const_unless_loom! {
        /// A barrier for so many; 0 is the same as 1.
        ///
        /// ```
        /// static START: gochan::sync::Barrier = gochan::sync::Barrier::new(1);
        /// START.wait();
        /// ```
        pub fn new(size: usize) -> Self {
            Barrier {
                size,
                state: Monitor::new(Arrivals {
                    arrived: 0,
                    waiting: WaitQueue::new(),
                }),
            }
        }
    }

    /// Waits until all have come.
    ///
    /// ```
    /// use gochan::sync::Barrier;
    /// use std::sync::Arc;
    ///
    /// let barrier = Arc::new(Barrier::new(2));
    /// let other = gochan::go!(clone(barrier), { barrier.wait().is_leader() });
    /// let leads = barrier.wait().is_leader();
    /// assert_ne!(leads, other.join().unwrap());
    /// ```
    #[track_caller]
    pub fn wait(&self) -> BarrierWaitResult {
        let location = Location::caller();
        let mut woken = WakeList::new();
        let mut state = self.state.lock();
        state.arrived += 1;
        if state.arrived >= self.size {
            state.arrived = 0;
            state.waiting.take_all(Wake::Done, &mut woken);
            drop(state);
            drop(woken);
            return BarrierWaitResult(true);
        }
        let wake = self.state.wait(
            state,
            |state| &mut state.waiting,
            Place::Last,
            &0,
            &Wait::new(WaitReason::Barrier, location, Patience::Forever),
            |state, _| state.arrived -= 1,
        );
        if wake != Wake::Done {
            crate::unwind_cancelled();
        }
        BarrierWaitResult(false)
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
