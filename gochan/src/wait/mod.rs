//! How anything waits: the one wait queue and the one parking interface of the crate.
//!
//! Channels, `select!`, joins, scopes, sleeps and `blocking` all wait through these parts,
//! goroutines and ordinary threads alike:
//!
//! 1. the waiter puts a [`Waiter`] and, for each queue that it joins, an [`Entry`] on its own
//!    stack, and enqueues the entries under the locks that guard the queues;
//! 2. it calls [`Waiter::wait`], which parks the goroutine or the thread;
//! 3. whoever can serve it takes an entry from a queue under that queue's lock (which *claims*
//!    the waiter: of several claimants exactly one succeeds), moves the value, records how the
//!    wait ended, leaves the lock and unparks it.
//!
//! A claimed waiter stays parked until its claimant unparks it, so the claimant may use the
//! waiter's stack until that moment and not a moment longer.

pub(crate) mod asymmetric;
pub(crate) mod atomic;
pub(crate) mod bias;
mod lock;
mod parker;
mod queue;
mod waiter;

#[cfg(all(test, loom))]
mod loom_models;

pub(crate) use lock::{BiasedGuard, BiasedLock, BiasedMutex, Lock, SpinMutex};
pub(crate) use parker::{Parker, ThreadParker};
pub(crate) use queue::{Entry, EntryPlace, WaitQueue, WakeList};
pub(crate) use waiter::{Patience, WaitFrame, WaitReason, Waiter, Wake};
