//! The algorithm of `select!`.
//!
//! 1. Look at all arms without locks, and try one that looks ready under its channel's lock, chosen
//!    at random (or, for a biased select, the first in the source; a select with `default` tries all
//!    that look ready). Under load that is all.
//! 2. If none was ready, lock every channel, in the order of their addresses, so that two
//!    selects cannot wait for each other's locks. Now look and try again; if none is ready,
//!    there was a moment at which none was: take `default`, or enqueue all arms and leave the
//!    locks.
//! 3. Park. Whoever serves an arm claims the select by one compare-and-swap, so one arm wins.
//! 4. Leave all queues.
//!
//! A partner that comes later is served by the first arm in its channel's queue. Where a channel
//! stands in several arms these are enqueued in a random order, unless the select is biased.
//!
//! A select never meets itself: its own arms are enqueued only after all of them were tried,
//! under locks that it holds all the time between.
//!
//! The scheme is that of Go's `selectgo`; the first step, and claims by the waiter's own word,
//! are what differs.

use super::arm::{Arm, Look, Tried, lock_of};
use crate::runtime::{self, Running};
use crate::wait::{BiasedLock, Lock, WaitFrame, WaitReason, Waiter, Wake};
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
    pub(crate) ready: &'a mut [u32],
    /// The [locks](lock_of) of the arms in any order; [`select`] finds them out itself.
    pub(crate) locks: &'a mut [*const BiasedLock],
}

/// What is asked of a select.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) order: Order,
    pub(crate) limit: Limit,
    pub(crate) location: &'static Location<'static>,
}

/// Selects one arm, and says which. `None`: nothing was ready within the limit.
pub(crate) fn select(
    arms: &mut [&mut dyn Arm],
    scratch: &mut Scratch<'_>,
    request: Request,
) -> Option<usize> {
    if let Some(chosen) = try_at_once(arms, scratch, request) {
        return chosen;
    }
    for (lock, arm) in scratch.locks.iter_mut().zip(&*arms) {
        *lock = lock_of(&**arm);
    }
    loop {
        // SAFETY: these are their locks.
        let outcome = match unsafe { try_locked(arms, scratch, request) } {
            Ok(outcome) => outcome,
            Err((locked, turns)) => wait_for_all(arms, locked, turns, request),
        };
        if let Some(chosen) = outcome.chosen() {
            return chosen;
        }
    }
}

/// As [`select`] without a limit, in three steps, of which this is the first; the second is the
/// switch, if there is to be one, the third [`end`]. See [`Waiter::begin`] for why. `None`: it waits,
/// and the goroutine is to switch now.
///
/// The caller has looked at the arms and tried one already. Now all are tried under all locks: what
/// looked ready and was not is mostly a select that was served elsewhere, with its arms still in
/// their queues, and to find that out for each arm on its own would take a lock each time.
///
/// # Safety
/// The locks are those of the arms. The arms and the frame stay where they are until the wait ends;
/// if there is one, the switch follows and then [`end`], with the same arguments.
#[inline(never)]
pub(crate) unsafe fn begin(
    arms: &mut [&mut dyn Arm],
    scratch: &mut Scratch<'_>,
    request: Request,
    frame: &WaitFrame,
) -> Option<usize> {
    // SAFETY: the caller's promise.
    let outcome = match unsafe { try_locked(arms, scratch, request) } {
        Ok(outcome) => outcome,
        Err((locked, turns)) => match Running::get() {
            Some(running) if locked.is_of_all_arms() || earliest_timer(arms).is_none() => {
                let (reason, location) = (WaitReason::Select, request.location);
                // SAFETY: the caller's frame.
                let waiter = unsafe { frame.set_waiter(running.goroutine(), reason, location) };
                enqueue_all(arms, locked, turns, request.order, waiter);
                if waiter.begin(running) {
                    return None;
                }
                end_wait(arms, waiter, false)
            }
            _ => wait_for_all(arms, locked, turns, request),
        },
    };
    Some(choice(outcome, arms, scratch, request))
}

/// Ends the wait that [`begin`] began, after the switch.
///
/// # Safety
/// It has begun, with the same arguments.
#[inline(never)]
pub(crate) unsafe fn end(
    arms: &mut [&mut dyn Arm],
    scratch: &mut Scratch<'_>,
    request: Request,
    frame: &WaitFrame,
) -> usize {
    // SAFETY: the caller's promise.
    let waiter = unsafe { frame.waiter() };
    let outcome = end_wait(arms, waiter, true);
    choice(outcome, arms, scratch, request)
}

/// What a select without a limit comes to that has come so far.
#[inline(always)]
fn choice(
    outcome: Outcome,
    arms: &mut [&mut dyn Arm],
    scratch: &mut Scratch<'_>,
    request: Request,
) -> usize {
    outcome
        .chosen()
        .unwrap_or_else(|| select(arms, scratch, request))
        .expect("a select without a limit ends with a choice")
}

/// A bit for each that is true, of at most 64.
#[inline(always)]
pub(crate) fn bits_of<const N: usize>(flags: [bool; N]) -> u64 {
    let places = flags.into_iter().zip(0..);
    places.fold(0, |bits, (flag, place)| bits | (u64::from(flag) << place))
}

/// Chooses one of the arms whose bits are set, of which there are some.
#[inline]
pub(crate) fn choose(ready: u64, order: Order) -> usize {
    #[inline(never)]
    fn choose_at_random(ready: u64) -> usize {
        match u8::try_from(ready) {
            Ok(byte) => {
                let places = Places::of(byte);
                places.nth(runtime::random_below(places.count()))
            }
            Err(_) => choose_of_many(ready),
        }
    }
    #[inline(never)]
    fn choose_of_many(ready: u64) -> usize {
        let mut left = ready;
        for _ in 0..runtime::random_below(ready.count_ones()) {
            left &= left - 1;
        }
        left.trailing_zeros() as usize
    }
    match order {
        Order::Random if !ready.is_power_of_two() => choose_at_random(ready),
        _ => ready.trailing_zeros() as usize,
    }
}

/// Where bits are set in a byte, which is not 0: byte `n` of the word is the place of the one that
/// has `n` below it, and the last byte is the place in the word of the last one.
///
/// One look into a table says how many they are and where they are. Where a random choice leads no
/// processor can predict, so whatever comes before the jump is waited for.
#[derive(Clone, Copy)]
struct Places(u64);

impl Places {
    const LAST: u32 = 7;

    #[inline]
    fn of(bits: u8) -> Self {
        debug_assert_ne!(bits, 0);
        static ALL: [Places; 256] = {
            let mut all = [Places(0); 256];
            let mut bits = 1;
            while bits < all.len() {
                all[bits] = Places::find(bits as u8);
                bits += 1;
            }
            all
        };
        ALL[usize::from(bits)]
    }

    const fn find(bits: u8) -> Self {
        let (mut word, mut found, mut place) = (0, 0, 0);
        while place < u8::BITS {
            if bits & (1 << place) != 0 {
                word |= (place as u64) << (found * u8::BITS);
                found += 1;
            }
            place += 1;
        }
        // If all are set this is where the last one has been put already.
        Places(word | ((found - 1) as u64) << (Self::LAST * u8::BITS))
    }

    /// How many bits are set.
    #[inline]
    fn count(self) -> u32 {
        self.byte(Self::LAST) + 1
    }

    /// The place of the one that has `n` below it.
    #[inline]
    fn nth(self, n: u32) -> usize {
        self.byte(n) as usize
    }

    #[inline]
    fn byte(self, n: u32) -> u32 {
        (self.0 >> (n * u8::BITS)) as u32 & 0xFF
    }
}

/// Tries an arm that looked ready, and says whether it is chosen.
#[inline(always)]
pub(crate) fn try_chosen<A: Arm>(arm: &mut A, location: &'static Location<'static>) -> bool {
    let chosen = arm.try_short() || try_slowly(arm, location);
    if chosen {
        runtime::count(arm.counts_as());
    }
    chosen
}

/// The rest of [`try_chosen`], where more is to be done than to empty or fill a buffer.
#[inline(never)]
fn try_slowly<A: Arm>(arm: &mut A, location: &'static Location<'static>) -> bool {
    let tried = arm.try_at_length();
    matches!(tried, Tried::Chosen(None)) || conclude(arm, tried, location) == Some(true)
}

/// How a try or a wait ended.
enum Outcome {
    Chosen(usize),
    TimedOut,
    /// A partner gave up half way.
    Again,
}

impl Outcome {
    /// What the select comes to; `None` if it is to be tried again.
    #[inline]
    fn chosen(self) -> Option<Option<usize>> {
        match self {
            Outcome::Chosen(index) => Some(Some(index)),
            Outcome::TimedOut => {
                runtime::count(runtime::Operation::Other);
                Some(None)
            }
            Outcome::Again => None,
        }
    }
}

/// Tries the arms without waiting and without more than one lock at a time; `None` if the select
/// is not over then.
#[inline]
fn try_at_once(
    arms: &mut [&mut dyn Arm],
    scratch: &mut Scratch<'_>,
    request: Request,
) -> Option<Option<usize>> {
    let polls = matches!(request.limit, Limit::None);
    // Who does not wait keeps the worker from firing timers that are due, so the look does.
    let looks_ready = |arm: &dyn Arm| match polls {
        true => arm.look() != Look::NotReady,
        false => arm.peek(),
    };
    let chosen = try_ready(arms, scratch.ready, request.order, looks_ready, |arm| {
        let tried = arm.try_now();
        conclude(arm, tried, request.location).filter(|&chosen| chosen)
    });
    let chosen = chosen.map(|(index, _)| index);
    // With one arm the look without locks was a look at all of them at one moment.
    if chosen.is_some() || (arms.len() <= 1 && polls) {
        // A goroutine that polls must not starve the others of its worker either.
        runtime::count(runtime::Operation::Other);
        return Some(chosen);
    }
    None
}

/// Tries the arms while all locks are held, which it hands out if none was ready, with working
/// memory for [`enqueue_all`].
///
/// # Safety
/// The locks are those of the arms.
unsafe fn try_locked<'a>(
    arms: &mut [&mut dyn Arm],
    scratch: &'a mut Scratch<'_>,
    request: Request,
) -> Result<Outcome, (Locked<'a>, &'a mut [u32])> {
    // SAFETY: the arms borrow the channels that the locks belong to.
    let locked = unsafe { Locked::all(scratch.locks) };
    let is_ready = |arm: &dyn Arm| arm.peek();
    let tried = try_ready(arms, scratch.ready, request.order, is_ready, |arm| {
        // SAFETY: all locks are held.
        match unsafe { arm.attempt() } {
            Tried::NotReady => None,
            tried => Some(tried),
        }
    });
    match tried {
        Some((index, tried)) => {
            drop(locked);
            Ok(match conclude(arms[index], tried, request.location) {
                Some(true) => Outcome::Chosen(index),
                _ => Outcome::Again,
            })
        }
        None if matches!(request.limit, Limit::None) => {
            drop(locked);
            Ok(Outcome::TimedOut)
        }
        None => Err((locked, scratch.ready)),
    }
}

/// Tries those arms that are ready, as it seems, one after the other, until one says something, and
/// says which one it was. `ready` is working memory.
///
/// All are looked at before one is chosen, so that the random choice, which no processor can
/// predict, is made only between those that are ready.
#[inline(always)]
fn try_ready<R>(
    arms: &mut [&mut dyn Arm],
    ready: &mut [u32],
    order: Order,
    is_ready: impl Fn(&dyn Arm) -> bool,
    mut attempt: impl FnMut(&mut dyn Arm) -> Option<R>,
) -> Option<(usize, R)> {
    let count = find_ready(arms, ready, is_ready);
    for place in 0..count {
        // Fisher and Yates, as far as it is needed: every order equally likely, so every ready arm
        // is.
        let left = count - place;
        if left > 1 && order == Order::Random {
            ready.swap(place, place + random_below(left));
        }
        let index = ready[place] as usize;
        if let Some(result) = attempt(arms[index]) {
            return Some((index, result));
        }
    }
    None
}

/// Fills the beginning of `ready` with the arms that look ready, and says how many they are.
#[inline(always)]
fn find_ready(
    arms: &[&mut dyn Arm],
    ready: &mut [u32],
    is_ready: impl Fn(&dyn Arm) -> bool,
) -> usize {
    let mut count = 0;
    for (arm, index) in arms.iter().zip(0..) {
        ready[count] = index;
        count += usize::from(is_ready(&**arm));
    }
    count
}

fn random_below(count: usize) -> usize {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    runtime::random_below(count) as usize
}

/// Completes an attempt after the locks have been left: `None` if the arm was not ready, else
/// whether it is chosen.
#[inline(never)]
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
        Tried::Refused => {
            runtime::unwind_if_ending();
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
    /// Takes all locks but null ones, in the order of their addresses.
    ///
    /// # Safety
    /// They are there for as long as they are held.
    unsafe fn all(locks: &'a mut [*const BiasedLock]) -> Self {
        // Two or three arms are the rule; the standard sort is an insertion sort for so few.
        locks.sort_unstable();
        let locked = Locked { locks };
        for lock in locked.distinct() {
            lock.lock();
        }
        locked
    }

    /// Whether every arm has a channel, so that none is a timer.
    fn is_of_all_arms(&self) -> bool {
        // They are sorted.
        self.locks.first().is_none_or(|lock| !lock.is_null())
    }

    /// Whether a channel stands in several arms.
    fn has_one_of_several_arms(&self) -> bool {
        let same = |locks: &[*const BiasedLock]| locks[0] == locks[1] && !locks[0].is_null();
        self.locks.windows(2).any(same)
    }

    fn distinct(&self) -> impl Iterator<Item = &BiasedLock> {
        let mut previous: *const BiasedLock = ptr::null();
        self.locks.iter().filter_map(move |&lock| {
            if std::mem::replace(&mut previous, lock) == lock {
                return None;
            }
            // SAFETY: it is there, see `Locked::all`, or null.
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

/// The timer arm that is due first.
fn earliest_timer(arms: &[&mut dyn Arm]) -> Option<(Instant, usize)> {
    arms.iter()
        .enumerate()
        .filter_map(|(index, arm)| arm.deadline().map(|deadline| (deadline, index)))
        .min()
}

/// Waits until one of the arms can be chosen, or the time is up.
#[cold]
fn wait_for_all(
    arms: &mut [&mut dyn Arm],
    locked: Locked<'_>,
    turns: &mut [u32],
    request: Request,
) -> Outcome {
    let timer = earliest_timer(arms);
    let at = timer.map(|(at, _)| at);
    let deadline = match request.limit {
        Limit::Until(limit) => Some(at.map_or(limit, |at| limit.min(at))),
        Limit::None | Limit::Forever => at,
    };
    let timer = timer.filter(|_| deadline == at).map(|(_, index)| index);
    Waiter::with(WaitReason::Select, request.location, |waiter| {
        enqueue_all(arms, locked, turns, request.order, waiter);
        let nobody = arms.len();
        let wake = waiter.wait(deadline, || waiter.claim(nobody));
        dequeue_all(arms, waiter, wake, timer)
    })
}

/// Ends a wait that [`Waiter::begin`] began.
fn end_wait(arms: &mut [&mut dyn Arm], waiter: &Waiter, switched: bool) -> Outcome {
    let nobody = arms.len();
    let wake = waiter.end(switched, || waiter.claim(nobody));
    dequeue_all(arms, waiter, wake, None)
}

/// Enqueues all arms and leaves the locks. `turns` is working memory.
///
/// Of several arms at one channel its queue serves the first one. So that each of them has the same
/// chance they stand there in a random order, or in that of the source in a biased select.
#[inline]
fn enqueue_all(
    arms: &[&mut dyn Arm],
    locked: Locked<'_>,
    turns: &mut [u32],
    order: Order,
    waiter: &Waiter,
) {
    waiter.share();
    if order == Order::Random && locked.has_one_of_several_arms() {
        shuffle(turns);
        for &index in &*turns {
            let index = index as usize;
            // SAFETY: as below.
            unsafe { arms[index].enqueue(waiter, index) };
        }
    } else {
        for (index, arm) in arms.iter().enumerate() {
            // SAFETY: all locks are held; arms and waiter stay until they are dequeued.
            unsafe { arm.enqueue(waiter, index) };
        }
    }
    drop(locked);
}

/// Fills `turns` with the numbers of the arms, every order equally likely.
#[cold]
fn shuffle(turns: &mut [u32]) {
    for (turn, index) in turns.iter_mut().zip(0..) {
        *turn = index;
    }
    for place in 1..turns.len() {
        turns.swap(place, random_below(place + 1));
    }
}

/// Leaves the queues after a wait. `timer` is the arm that a time that is up belongs to.
///
/// An interrupt has claimed an arm that does not exist, so that nobody else could claim one.
#[inline]
fn dequeue_all(
    arms: &mut [&mut dyn Arm],
    waiter: &Waiter,
    wake: Wake,
    timer: Option<usize>,
) -> Outcome {
    let nobody = arms.len();
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
        (None, Wake::TimedOut, Some(index)) => Outcome::Chosen(index),
        (None, Wake::TimedOut, None) => Outcome::TimedOut,
        _ => {
            crate::unwind_cancelled();
            give_up(arms)
        }
    }
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn places_of_bits_are_found() {
        for bits in 1..=u8::MAX {
            let places = Places::of(bits);
            assert_eq!(places.count(), bits.count_ones());
            let set = (0..8).filter(|place| bits & (1 << place) != 0);
            for (n, place) in (0..).zip(set) {
                assert_eq!(places.nth(n), place, "bit {n} of {bits:#b}");
            }
        }
    }

    #[test]
    fn every_ready_arm_is_chosen() {
        for ready in [0b1, 0b1010, 0xFF, 1 << 63 | 1 << 8 | 1] {
            let mut chosen = 0_u64;
            for _ in 0..1000 {
                chosen |= 1 << choose(ready, Order::Random);
            }
            assert_eq!(chosen, ready);
        }
    }
}
