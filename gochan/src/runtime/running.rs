//! What code that runs on a goroutine, or on an ordinary thread, asks of the runtime below it: to
//! park, to make others ready, to yield, to end.

use super::blocking::BlockingPool;
use super::clock::Clock;
use super::goroutine::{Goroutine, Interrupt};
use super::mailbox::Mailbox;
use super::random::Random;
use super::this_thread::this_thread;
use super::turn::Operation;
use super::worker::{self, Worker};
use super::{ask, panics};
use crate::wait::Waiter;
use std::cell::OnceCell;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// The goroutine that runs on this thread, if one does.
#[inline]
pub(crate) fn current_goroutine() -> Option<NonNull<Goroutine>> {
    worker::current().and_then(Worker::current_goroutine)
}

/// The goroutine that calls, and its worker.
#[derive(Clone, Copy)]
pub(crate) struct Running<'a> {
    worker: &'a Worker,
    record: &'a Goroutine,
}

impl Running<'_> {
    /// `None` if an ordinary thread calls.
    #[inline]
    pub(crate) fn get() -> Option<Self> {
        let worker = worker::current()?;
        let goroutine = worker.current_goroutine()?;
        // SAFETY: a goroutine that runs is alive until it has returned.
        let record = unsafe { goroutine.as_ref() };
        Some(Running { worker, record })
    }

    /// What [`Running::get`] says where a goroutine is known to call.
    #[inline]
    fn known() -> Self {
        Running::get().unwrap_or_else(|| unreachable!("called by a goroutine"))
    }

    #[inline]
    pub(crate) fn goroutine(self) -> NonNull<Goroutine> {
        NonNull::from(self.record)
    }

    /// As [`ready`].
    ///
    /// # Safety
    /// As for [`ready`].
    #[inline]
    pub(crate) unsafe fn ready(self, goroutine: NonNull<Goroutine>) {
        // SAFETY: the caller's promise.
        unsafe { ready_by(Some(self.worker), goroutine) };
    }

    /// Prepares to park the goroutine, which the switch does then. `false`: it is to unwind
    /// instead.
    #[inline]
    pub(crate) fn begin_park(self, waiter: &Waiter) -> bool {
        self.worker.begin_park(self.record, waiter)
    }
}

/// Parks the calling goroutine until it is readied, or interrupted by the end of its time or of
/// its runtime.
#[inline(always)] // see `Waiter::begin`
pub(crate) fn park(waiter: &Waiter, deadline: Option<Instant>) -> Option<Interrupt> {
    let Running { worker, record } = Running::known();
    worker.park(record, waiter, deadline)
}

/// Says how the park ended that [`Running::begin_park`] began.
#[inline]
pub(crate) fn end_park(waiter: &Waiter) -> Option<Interrupt> {
    let Running { worker, record } = Running::known();
    worker.end_park(record, waiter)
}

/// Parks the calling goroutine, whose waiter has been claimed, until it is readied.
pub(crate) fn park_until_ready(_: &Waiter) {
    let Running { worker, record } = Running::known();
    worker.park_until_ready(record);
}

/// Notes that a parked goroutine is made ready, and says where to do so.
///
/// # Safety
/// As for [`ready`].
#[inline]
unsafe fn home_of_ready(goroutine: NonNull<Goroutine>) -> &'static Mailbox {
    // SAFETY: it is parked until it is readied, so it is alive.
    let record = unsafe { goroutine.as_ref() };
    record.is_ready.store(true, Ordering::Relaxed);
    record
        .home
        .get()
        .expect("a goroutine that waits has started")
}

/// Makes a parked goroutine run.
///
/// # Safety
/// The caller claimed its wait, readies it once, and does not touch it afterwards.
#[inline]
pub(crate) unsafe fn ready(goroutine: NonNull<Goroutine>) {
    // SAFETY: the caller's promise.
    unsafe { ready_by(worker::current(), goroutine) };
}

/// As [`ready`], called by that worker.
///
/// # Safety
/// As for [`ready`].
#[inline]
unsafe fn ready_by(worker: Option<&Worker>, goroutine: NonNull<Goroutine>) {
    // SAFETY: the caller's promise.
    let home = unsafe { home_of_ready(goroutine) };
    match worker {
        Some(worker) if worker.is_at(home) => worker.ready_next(goroutine),
        // SAFETY: the caller's promise.
        _ => unsafe { home.deliver(goroutine) },
    }
}

/// As [`ready`], but the goroutine runs in its turn, behind those that are ready already.
///
/// # Safety
/// As for [`ready`].
pub(crate) unsafe fn ready_in_turn(goroutine: NonNull<Goroutine>) {
    // SAFETY: the caller's promise.
    let home = unsafe { home_of_ready(goroutine) };
    match worker::current() {
        // SAFETY: it is in no queue, and this is its worker's thread.
        Some(worker) if worker.is_at(home) => unsafe { worker.enqueue(goroutine) },
        // SAFETY: the caller's promise.
        _ => unsafe { home.deliver(goroutine) },
    }
}

/// Counts an operation that completed without parking; after many, others get a turn.
#[inline]
pub(crate) fn count(operation: Operation) {
    if this_thread(|this| this.turn.count(operation)) {
        end_turn(operation);
    }
}

/// Lets others run after a turn that was used up.
#[cold]
fn end_turn(last: Operation) {
    if let Some(worker) = worker::current() {
        worker.end_turn(last);
    }
}

/// Notes that the caller has left a lock, or has not got one that was counted before.
#[inline]
pub(crate) fn subtract_lock() {
    this_thread(|this| this.turn.subtract_lock());
}

/// Whether the caller may wait for something without parking. Where there is one worker alone, its
/// other goroutines, if one is ready, are more likely to bring that about than other threads.
pub(crate) fn may_look_on() -> bool {
    worker::current().is_none_or(Worker::may_look_on)
}

/// How many workers of the caller's runtime have nothing to do and look for work; 0 if an ordinary
/// thread asks.
pub(crate) fn searching_workers() -> usize {
    worker::current().map_or(0, Worker::searching_workers)
}

/// Notes that the caller has waited so long for another worker without having parked.
pub(crate) fn discount(waited: Duration) {
    if let Some(worker) = worker::current() {
        worker.discount(waited);
    }
}

/// Whether the calling goroutine or thread is unwinding.
pub(crate) fn is_unwinding() -> bool {
    match Running::get() {
        Some(Running { worker, record }) => worker.is_unwinding(record),
        None => thread::panicking(),
    }
}

/// Ends the calling goroutine by unwinding it, without a message. Returns if an ordinary thread
/// calls.
pub(crate) fn end_goroutine() {
    if let Some(goroutine) = current_goroutine() {
        // SAFETY: it runs.
        panics::throw_goexit(unsafe { goroutine.as_ref() });
    }
}

/// Unwinds the calling goroutine if its runtime ends. For one that has found a channel closed: that
/// may be the doing of another one that unwinds, and no news to go by.
#[inline]
pub(crate) fn unwind_if_ending() {
    if worker::current().is_some_and(|worker| worker.shared().is_ending()) {
        crate::unwind_cancelled();
    }
}

/// Whether the main goroutine of a runtime calls.
pub(crate) fn is_main_goroutine() -> bool {
    // SAFETY: it runs.
    current_goroutine().is_some_and(|goroutine| unsafe { goroutine.as_ref() }.is_main())
}

/// Lets the other goroutines of the calling one's worker run; `false` if an ordinary thread calls.
#[inline(always)] // see `Waiter::begin`
pub(crate) fn yield_goroutine() -> bool {
    #[inline(never)]
    fn begin() -> Option<NonNull<Goroutine>> {
        let running = Running::get()?;
        running.worker.begin_yield(running.record);
        Some(running.goroutine())
    }
    #[cold]
    #[inline(never)]
    fn end() {
        let Running { worker, record } = Running::known();
        worker.end_yield(record);
    }
    let Some(goroutine) = begin() else {
        return false;
    };
    // SAFETY: the goroutine calls, so it is alive.
    let record = unsafe { goroutine.as_ref() };
    // SAFETY: it has prepared for that.
    unsafe { worker::switch_from(record) };
    if record.has_to_do_with_unwinding() {
        end();
    }
    true
}

/// A number below `bound` from the random source of the calling goroutine's runtime; an ordinary
/// thread has a source of its own.
#[inline]
pub(crate) fn random_below(bound: u32) -> u32 {
    match worker::current() {
        Some(worker) => worker.random().below(bound),
        None => random_below_on_thread(bound),
    }
}

#[cold]
fn random_below_on_thread(bound: u32) -> u32 {
    thread_local! {
        static RANDOM: OnceCell<Random> = const { OnceCell::new() };
    }
    RANDOM
        .try_with(|random| random.get_or_init(Random::from_entropy).below(bound))
        .unwrap_or(0)
}

/// The time on the clock of the calling goroutine's runtime.
pub(crate) fn now() -> Instant {
    match worker::current() {
        Some(worker) => worker.shared().clock.now(),
        None => Instant::now(),
    }
}

/// A moment on that clock from which what happens later can be reckoned: not before now, and hardly
/// after. It costs less than [`now`].
pub(crate) fn now_or_just_after() -> Instant {
    let reckoned = worker::current().and_then(|worker| {
        let now = worker.time().end;
        worker.shared().clock.instant_at(now)
    });
    reckoned.unwrap_or_else(now)
}

/// As [`now_or_just_after`], on the clock by which a timer goes that the caller sets.
pub(crate) fn now_of_timers() -> Instant {
    match worker::current() {
        Some(_) => now_or_just_after(),
        None => here(|_, clock| clock.now()),
    }
}

/// The worker and the clock for what the calling goroutine sets up to happen later; those of the
/// default runtime for an ordinary thread.
#[inline]
pub(super) fn here<T>(use_them: impl FnOnce(&'static Mailbox, &Clock) -> T) -> T {
    match worker::current() {
        Some(worker) => use_them(worker.mailbox(), &worker.shared().clock),
        None => ask(|shared| use_them(shared.workers[0], &shared.clock)),
    }
}

/// The helper threads of the calling goroutine's runtime; `None` for an ordinary thread.
pub(crate) fn blocking_pool() -> Option<Arc<BlockingPool>> {
    current_goroutine()?;
    Some(Arc::clone(&Running::known().worker.shared().blocking))
}
