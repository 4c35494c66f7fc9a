//! The algorithm of `select!`.
//!
//! 1. Look at the arms without locks, in random order (or, for a biased select, in source
//!    order), and try the first that looks ready under its channel's lock. Under load that is
//!    all.
//! 2. If none was ready, lock every channel, in the order of their addresses, so that two
//!    selects cannot wait for each other's locks. Now try the arms again; if none is ready,
//!    there was a moment at which none was: take `default`, or enqueue all arms and leave the
//!    locks.
//! 3. Park. Whoever serves an arm claims the select by one compare-and-swap, so one arm wins.
//! 4. Leave all queues.
//!
//! A select never meets itself: its own arms are enqueued only after all of them were tried,
//! under locks that it holds all the time between.
//!
//! The scheme is that of Go's `selectgo`; the first step, and claims by the waiter's own word,
//! are what differs.

use super::arm::{Arm, Look, Tried};
use crate::runtime;
use crate::wait::{BiasedLock, Lock, WaitReason, Waiter, Wake};
use std::panic::Location;
use std::ptr;
use std::time::Instant;

/// How the arm is chosen if several are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Each with the same probability.
    Random,
    /// The first in the source.
    Source,
}

/// How long a select may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// Not at all: there is a `default`.
    None,
    /// Until then.
    Until(Instant),
    Forever,
}

/// Working memory for a select over as many arms.
pub(crate) struct Scratch<'a> {
    pub(crate) order: &'a mut [u32],
    pub(crate) locks: &'a mut [*const BiasedLock],
}

/// Selects one arm, and says which. `None`: nothing was ready within the limit.
#[inline]
pub(crate) fn select(
    arms: &mut [&mut dyn Arm],
    scratch: Scratch<'_>,
    order: Order,
    limit: Limit,
    location: &'static Location<'static>,
) -> Option<usize> {
    let Scratch {
        order: sequence,
        locks,
    } = scratch;
    loop {
        arrange(sequence, order);
        let chosen = try_one_by_one(arms, sequence, location);
        // With one arm the look without locks was a look at all of them at one moment.
        if chosen.is_some() || (arms.len() <= 1 && matches!(limit, Limit::None)) {
            // A goroutine that polls must not starve the others of its worker either.
            runtime::count_operation();
            return chosen;
        }
        match lock_and_wait(arms, sequence, locks, limit, location) {
            Outcome::Chosen(index) => return Some(index),
            Outcome::TimedOut => {
                runtime::count_operation();
                return None;
            }
            Outcome::Again => {}
        }
    }
}

enum Outcome {
    Chosen(usize),
    TimedOut,
    /// A partner gave up half way.
    Again,
}

/// Fills `sequence` with the order in which the arms are tried.
#[inline]
fn arrange(sequence: &mut [u32], order: Order) {
    for (place, arm) in sequence.iter_mut().zip(0..) {
        *place = arm;
    }
    if order == Order::Random {
        // Fisher and Yates: every order equally likely, so every ready arm is.
        for last in (1..sequence.len()).rev() {
            let bound = u32::try_from(last + 1).unwrap_or(u32::MAX);
            sequence.swap(last, runtime::random_below(bound) as usize);
        }
    }
}

#[inline]
fn try_one_by_one(
    arms: &mut [&mut dyn Arm],
    sequence: &[u32],
    location: &'static Location<'static>,
) -> Option<usize> {
    for &index in sequence {
        let arm = &mut *arms[index as usize];
        match arm.look() {
            Look::NotReady => continue,
            Look::Promising => {}
            Look::Drained => {
                arm.settle(Wake::Closed);
                return Some(index as usize);
            }
        }
        let lock: *const BiasedLock = arm.lock().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the lock belongs to the arm's channel, which the arm borrows.
        let lock = unsafe { lock.as_ref() };
        if let Some(lock) = lock {
            lock.lock();
        }
        // SAFETY: its lock is held, if it has one.
        let tried = unsafe { arm.attempt() };
        if let Some(lock) = lock {
            lock.unlock();
        }
        if let Some(true) = conclude(arm, tried, location) {
            return Some(index as usize);
        }
    }
    None
}

/// Completes an attempt after the locks have been left: `None` if the arm was not ready, else
/// whether it is chosen.
#[inline]
fn conclude(arm: &mut dyn Arm, tried: Tried, location: &'static Location<'static>) -> Option<bool> {
    match tried {
        Tried::NotReady => None,
        Tried::Chosen(partner) => {
            if let Some(partner) = partner {
                // SAFETY: the attempt claimed the partner; no lock is held; this is its one
                // wake-up.
                unsafe { partner.unpark() };
            }
            Some(true)
        }
        // SAFETY: the promise was made to this attempt.
        Tried::Promised(promise) => Some(unsafe { arm.await_promised(promise, location) }),
    }
}

/// The locks of the arms' channels, each held once.
struct Locked<'a> {
    locks: &'a [*const BiasedLock],
}

impl<'a> Locked<'a> {
    /// Locks all channels, in the order of their addresses.
    fn all(arms: &[&mut dyn Arm], locks: &'a mut [*const BiasedLock]) -> Self {
        for (place, arm) in locks.iter_mut().zip(arms) {
            *place = arm.lock().map_or(ptr::null(), ptr::from_ref);
        }
        // Two or three arms are the rule; the standard sort is an insertion sort for so few.
        locks.sort_unstable();
        let locked = Locked { locks };
        for lock in locked.distinct() {
            lock.lock();
        }
        locked
    }

    fn distinct(&self) -> impl Iterator<Item = &BiasedLock> {
        let mut previous: *const BiasedLock = ptr::null();
        self.locks.iter().filter_map(move |&lock| {
            if std::mem::replace(&mut previous, lock) == lock {
                return None;
            }
            // SAFETY: a lock belongs to a channel that an arm borrows; null ones are skipped.
            unsafe { lock.as_ref() }
        })
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        for lock in self.distinct() {
            lock.unlock();
        }
    }
}

#[inline(never)]
fn lock_and_wait(
    arms: &mut [&mut dyn Arm],
    sequence: &[u32],
    locks: &mut [*const BiasedLock],
    limit: Limit,
    location: &'static Location<'static>,
) -> Outcome {
    let locked = Locked::all(arms, locks);
    for &index in sequence {
        let index = index as usize;
        // SAFETY: all locks are held.
        let tried = unsafe { arms[index].attempt() };
        if !matches!(tried, Tried::NotReady) {
            drop(locked);
            return match conclude(arms[index], tried, location) {
                Some(true) => Outcome::Chosen(index),
                _ => Outcome::Again,
            };
        }
    }
    let limit = match limit {
        Limit::None => return Outcome::TimedOut,
        Limit::Until(deadline) => Some(deadline),
        Limit::Forever => None,
    };
    let timer = earliest_timer(arms);
    let deadline = match (limit, timer) {
        (Some(limit), Some((timer, _))) => Some(limit.min(timer)),
        (limit, timer) => limit.or(timer.map(|(timer, _)| timer)),
    };
    wait_for_all(arms, locked, deadline, timer, location)
}

/// The timer arm that is due first.
fn earliest_timer(arms: &[&mut dyn Arm]) -> Option<(Instant, usize)> {
    arms.iter()
        .enumerate()
        .filter_map(|(index, arm)| arm.deadline().map(|deadline| (deadline, index)))
        .min()
}

fn wait_for_all(
    arms: &mut [&mut dyn Arm],
    locked: Locked<'_>,
    deadline: Option<Instant>,
    timer: Option<(Instant, usize)>,
    location: &'static Location<'static>,
) -> Outcome {
    Waiter::with(WaitReason::Select, location, |waiter| {
        waiter.share();
        for (index, arm) in arms.iter().enumerate() {
            // SAFETY: all locks are held; arms and waiter stay until they are dequeued below.
            unsafe { arm.enqueue(waiter, index) };
        }
        drop(locked);
        // An interrupt claims an arm that does not exist, so that nobody else can claim one.
        let nobody = arms.len();
        let wake = waiter.wait(deadline, || waiter.claim(nobody));
        let claimed = waiter.claimed_arm().filter(|&arm| arm != nobody);
        for (index, arm) in arms.iter().enumerate() {
            if Some(index) != claimed {
                // SAFETY: it was enqueued above.
                unsafe { arm.dequeue() };
            }
        }
        match (claimed, wake, timer) {
            (Some(index), ..) if arms[index].settle(wake) => {
                if matches!(wake, Wake::DoneLate | Wake::Cancelled) {
                    crate::unwind_cancelled();
                }
                Outcome::Chosen(index)
            }
            (Some(_), ..) => Outcome::Again,
            (None, Wake::TimedOut, Some((at, index))) if deadline == Some(at) => {
                Outcome::Chosen(index)
            }
            (None, Wake::TimedOut, _) => Outcome::TimedOut,
            _ => {
                crate::unwind_cancelled();
                give_up(arms)
            }
        }
    })
}

/// Chooses for a goroutine that unwinds because its runtime ends, and so must not wait: to it
/// every channel is closed and every time has passed.
#[cold]
fn give_up(arms: &mut [&mut dyn Arm]) -> Outcome {
    let channel = arms.iter().position(|arm| arm.lock().is_some());
    let timer = || arms.iter().position(|arm| arm.deadline().is_some());
    let Some(index) = channel.or_else(timer) else {
        wait_forever(Location::caller())
    };
    arms[index].settle(Wake::Abandoned);
    Outcome::Chosen(index)
}

/// Waits for what never comes.
pub(crate) fn wait_forever(location: &'static Location<'static>) -> ! {
    loop {
        let wake = Waiter::with(WaitReason::SelectForever, location, |waiter| {
            waiter.wait(None, || true)
        });
        if wake == Wake::Cancelled {
            crate::unwind_cancelled();
            // A destructor that waits for ever while its runtime ends has nowhere to go.
            Waiter::with(WaitReason::SelectForever, location, Waiter::wait_to_the_end);
        }
    }
}
