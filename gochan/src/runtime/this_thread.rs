//! What a thread keeps for itself that most operations ask for.
//!
//! It stands in one place, since each place has an address of its own: an operation that finds the
//! things of this thread at one address computes one, and keeps one in a register.

use super::turn::Turn;
use super::worker::Worker;
use crate::wait::bias::STRANGER;
use std::cell::Cell;
use std::ptr;

/// See the module's text.
pub(crate) struct ThisThread {
    /// What the thread is known as to the things that may be [biased](crate::wait::bias)
    /// towards it.
    pub(crate) token: Cell<usize>,
    /// The turn of the goroutine that runs. An ordinary thread has turns too, of which nobody makes
    /// anything.
    pub(super) turn: Turn,
    /// The worker, if this is the thread of one.
    pub(super) worker: Cell<*const Worker>,
}

impl ThisThread {
    const fn new() -> Self {
        ThisThread {
            token: Cell::new(STRANGER),
            turn: Turn::new(),
            worker: Cell::new(ptr::null()),
        }
    }
}

#[cfg(not(all(test, loom)))]
thread_local! {
    static THIS_THREAD: ThisThread = const { ThisThread::new() };
}
#[cfg(all(test, loom))]
loom::thread_local! {
    static THIS_THREAD: ThisThread = ThisThread::new();
}

/// What the calling thread keeps, handed to `ask`.
#[inline(always)]
pub(crate) fn this_thread<R>(ask: impl FnOnce(&ThisThread) -> R) -> R {
    THIS_THREAD.with(ask)
}
