//! The state of a channel, and every operation on it, written once: [`sending`], [`receiving`], the
//! [attempts](state) below both, and [promises](promise) of values to come.
//!
//! Invariants, whenever the lock is free:
//! - if a sender waits, the buffer has no room; if a receiver waits, the buffer is empty; that of a
//!   closed or abandoned channel has no room;
//! - at least one of the two wait queues is empty, except for a select that waits both to send
//!   and to receive;
//! - a closed or abandoned channel has nobody waiting, but for receivers whom [`Channel::close`] is
//!   on its way to tell;
//! - the buffer shows what a look under the lock would say, and so its short way is closed to sends if
//!   a receiver waits, to receives if a sender waits, and to the last receive of a closed channel.
//!
//! An operation is an *attempt* under the lock: it either happens, moving the value between the
//! caller, the buffer and the frame of a waiting partner, or it is refused, or it would have to
//! wait. Trying, waiting, waiting with a deadline and selecting differ only in what they do when
//! an attempt would have to wait.
//!
//! No user code runs under the lock: values are moved, never dropped or cloned there. Whoever
//! is to be woken is woken after the lock has been left.

mod promise;
mod receiving;
mod sending;
mod state;

pub(crate) use promise::Promise;

use super::buffer::{Buffer, CAN_RECV, CAN_SEND, Capacity};
use super::shared::Shared;
use crate::runtime::{self, ChannelTimer, Running};
use crate::wait::{BiasedGuard, BiasedLock, BiasedMutex, Entry, Parker, WaitQueue, Wake, WakeList};
use std::panic::RefUnwindSafe;
use std::ptr::NonNull;
use std::time::Instant;

/// How many receivers are told at a time that their channel is closed.
const PART_OF_CROWD: usize = 64;

/// A channel, shared by its handles.
pub(crate) struct Channel<T> {
    state: BiasedMutex<State>,
    /// Belongs to who holds the lock, but for what it shows.
    buffer: Buffer<T>,
    /// For how many values memory was allocated with the channel.
    allocated_capacity: Capacity,
    /// What sends on the channel of a timer, in place of a sending handle.
    timer: Option<ChannelTimer>,
}

/// What is guarded by a channel's lock, besides the buffer.
pub(crate) struct State {
    waiting_senders: WaitQueue,
    waiting_receivers: WaitQueue,
    abandoned: bool,
}

// SAFETY: values are moved between threads, which `T: Send` allows; nobody gets a reference to
// a value in the channel.
unsafe impl<T: Send> Send for Channel<T> {}
// SAFETY: as above; everything else is atomic, or used by who holds the lock.
unsafe impl<T: Send> Sync for Channel<T> {}

// A panic cannot leave a channel half changed: no user code runs inside an operation. So handles and
// iterators may be used in `catch_unwind`, whatever `T` is.
impl<T> RefUnwindSafe for Channel<T> {}

/// Why an operation did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It would have to wait.
    WouldBlock,
    /// The time was up.
    TimedOut,
    /// The channel was closed (and, for a receive, is drained).
    Closed,
    /// All receivers have gone.
    Abandoned,
}

impl Refusal {
    /// Counts an operation that was refused. The goroutine may be unwound here.
    #[inline(never)]
    fn count(self) {
        // A goroutine that polls must not starve the others of its worker either.
        runtime::count(runtime::Operation::Other);
        if matches!(self, Refusal::Closed | Refusal::Abandoned) {
            runtime::unwind_if_ending();
        }
    }
}

/// What an attempt came to.
///
/// With a tag of its own: hidden among the spare values of what it carries, it would have to be worked
/// out again each time, and the compiler would not lead from where it is made to where it is matched.
#[repr(u8)]
pub(crate) enum Attempt {
    /// It has happened; a partner may have to be woken.
    Done(Option<Parker>),
    Refused(Refusal),
    /// A sender has promised a value and is about to bring it: the receiver is to wait for it
    /// with [`Channel::await_promised`].
    Promised(NonNull<Entry>),
}

/// How far an operation has come that only switches to other goroutines if it has to wait.
#[repr(u8)] // see `Attempt`
enum Begun {
    Done,
    Refused(Refusal),
    /// It waits: the goroutine is to switch now.
    Waits,
}

impl Attempt {
    /// Wakes the partner of an attempt that has happened.
    ///
    /// # Safety
    /// Called once, after the channel's lock has been left.
    #[inline]
    pub(crate) unsafe fn wake_partner(partner: Option<Parker>) {
        if let Some(partner) = partner {
            // SAFETY: the attempt claimed the partner, and this is its one wake-up.
            unsafe { partner.unpark() };
        }
    }

    /// As [`Attempt::wake_partner`], called by that goroutine.
    ///
    /// # Safety
    /// As for [`Attempt::wake_partner`].
    #[inline(always)]
    unsafe fn wake_partner_by(running: Running, partner: Option<Parker>) {
        if let Some(partner) = partner {
            // SAFETY: as in `wake_partner`.
            unsafe { partner.unpark_by(running) };
        }
    }
}

impl<T> Channel<T> {
    /// A channel with an empty buffer of that capacity, and perhaps a timer that sends.
    pub(super) fn new(capacity: Capacity, buffer: Buffer<T>, timer: Option<ChannelTimer>) -> Self {
        let state = State {
            waiting_senders: WaitQueue::new(),
            waiting_receivers: WaitQueue::new(),
            abandoned: false,
        };
        Channel {
            state: BiasedMutex::new(state),
            buffer,
            allocated_capacity: capacity,
            timer,
        }
    }

    // ----- ending -------------------------------------------------------------------------

    /// Closes the channel; `false` if it was closed before.
    pub(crate) fn close(&self) -> bool {
        let mut woken = WakeList::new();
        let mut state = self.lock();
        if !self.buffer.close() {
            return false;
        }
        state.waiting_senders.take_all(Wake::Closed, &mut woken);
        // A crowd is woken part by part: what is read and written of a waiter to claim it is then
        // still in the caches when it is unparked, and the first of them run meanwhile.
        while state
            .waiting_receivers
            .take_some(PART_OF_CROWD, Wake::Closed, &mut woken)
        {
            self.unlock(state);
            drop(woken);
            woken = WakeList::new();
            state = self.lock();
        }
        self.unlock(state);
        drop(woken);
        true
    }

    /// The last receiver has gone.
    pub(super) fn abandon(&self) {
        let mut woken = WakeList::new();
        let mut state = self.lock();
        state.abandoned = true;
        // SAFETY: an abandoned channel refuses values.
        let values = unsafe { self.buffer.take() };
        state.waiting_senders.take_all(Wake::Abandoned, &mut woken);
        self.unlock(state);
        drop(woken);
        drop(values);
        if let Some(timer) = &self.timer {
            timer.stop();
        }
    }

    // ----- questions ----------------------------------------------------------------------

    pub(super) fn len(&self) -> usize {
        let _state = self.lock();
        self.buffer.len()
    }

    pub(super) fn allocated_capacity(&self) -> Capacity {
        self.allocated_capacity
    }

    pub(super) fn capacity(&self) -> Option<usize> {
        self.allocated_capacity.bound()
    }

    pub(super) fn is_full(&self) -> bool {
        let state = self.lock();
        state.abandoned || !self.buffer.has_room()
    }

    pub(super) fn is_closed(&self) -> bool {
        let _state = self.lock();
        self.buffer.is_closed()
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    /// Whether the channel is closed and drained, for good. Who sees it sees what happened before
    /// the close.
    #[inline]
    pub(crate) fn is_drained(&self) -> bool {
        self.buffer.shows_drained()
    }

    /// Whether a receive would find something to do. Without the lock: what happened before the
    /// call, by any chain of synchronisation, is seen.
    #[inline]
    pub(crate) fn can_recv(&self) -> bool {
        self.holds_for_receiver() || (self.timer.is_some() && self.can_recv_from_timer())
    }

    /// A goroutine that computes and looks for its timer now and then keeps the worker from
    /// firing it, so the look does.
    #[cold]
    fn can_recv_from_timer(&self) -> bool {
        if let Some(timer) = &self.timer {
            timer.fire_if_due();
        }
        self.holds_for_receiver()
    }

    /// As [`Channel::can_recv`], leaving alone what a timer might send.
    #[inline]
    pub(crate) fn holds_for_receiver(&self) -> bool {
        self.buffer.shows_value()
    }

    /// Whether a send would find something to do; as [`Channel::can_recv`].
    #[inline]
    pub(crate) fn can_send(&self) -> bool {
        self.buffer.shows_room()
    }

    // ----- for select ---------------------------------------------------------------------

    #[inline]
    pub(crate) fn raw_lock(&self) -> &BiasedLock {
        self.state.raw()
    }

    /// The state, for a select that holds the lock through [`Channel::raw_lock`] and calls
    /// [`Channel::publish`] before it leaves it.
    ///
    /// # Safety
    /// The caller holds the lock, and does not use the state otherwise meanwhile.
    #[expect(clippy::mut_from_ref, reason = "the held lock makes it unique")]
    #[inline]
    pub(crate) unsafe fn state_unguarded(&self) -> &mut State {
        // SAFETY: the caller's promise.
        unsafe { self.state.data_unguarded() }
    }

    /// Takes the lock. It is left by [`Channel::unlock`] after a change.
    #[inline]
    pub(crate) fn lock(&self) -> BiasedGuard<'_, State> {
        self.state.lock()
    }

    /// Publishes what has changed and leaves the lock.
    #[inline]
    pub(crate) fn unlock(&self, state: BiasedGuard<'_, State>) {
        self.publish(&state);
        drop(state);
    }

    /// As [`Channel::unlock`], where it is known what an operation would find besides values and room.
    #[inline]
    fn unlock_with(&self, readiness: usize, state: BiasedGuard<'_, State>) {
        self.show(readiness, &state);
        drop(state);
    }

    /// Leaves the lock, which was taken as its owner, where only the buffer has changed, in the short
    /// way.
    #[inline]
    fn unlock_unchanged(&self, state: BiasedGuard<'_, State>) {
        self.check_shown(&state);
        state.leave_as_owner();
    }

    /// As [`Channel::publish`], where it is known what an operation would find besides values and room.
    #[inline]
    fn show(&self, readiness: usize, state: &State) {
        self.buffer.show(readiness);
        self.check_shown(state);
    }

    /// What is to be so whenever the lock is left.
    #[inline(always)]
    fn check_shown(&self, state: &State) {
        debug_assert_eq!(self.buffer.shown_readiness(), self.readiness(state));
        debug_assert!(self.bars_whom_it_has_to(state));
    }

    /// Publishes what an operation would find after a change.
    #[inline]
    pub(crate) fn publish(&self, state: &State) {
        self.show(self.readiness(state), state);
    }

    /// Enqueues a sender, which finds nothing to do, in a channel whose lock is held.
    ///
    /// # Safety
    /// As for [`push`](WaitQueue::push); the entry's slot is the value, or null for a promise; what
    /// changed before was published.
    #[inline]
    pub(crate) unsafe fn enqueue_sender(&self, state: &mut State, entry: &Entry) {
        // SAFETY: the caller's promise.
        unsafe { state.waiting_senders.push(entry) };
        self.show(self.buffer.shown_readiness() | CAN_RECV, state);
    }

    /// Enqueues a receiver, which finds nothing to do, in a channel whose lock is held.
    ///
    /// # Safety
    /// As for [`push`](WaitQueue::push); the entry's slot is where the value goes; what changed before
    /// was published.
    #[inline]
    pub(crate) unsafe fn enqueue_receiver(&self, state: &mut State, entry: &Entry) {
        // SAFETY: the caller's promise.
        unsafe { state.waiting_receivers.push(entry) };
        self.show(self.buffer.shown_readiness() | CAN_SEND, state);
    }

    /// Takes a waiting sender's entry back; `false` if it was claimed.
    ///
    /// # Safety
    /// The entry is in this channel's queue of senders or in none.
    pub(crate) unsafe fn remove_waiting_sender(&self, entry: &Entry) -> bool {
        let mut state = self.lock();
        // SAFETY: the caller's promise.
        let removed = unsafe { state.waiting_senders.remove(entry) };
        if removed && state.waiting_senders.is_empty() {
            self.publish(&state);
        }
        removed
    }

    /// Takes a waiting receiver's entry back; `false` if it was claimed.
    ///
    /// # Safety
    /// The entry is in this channel's queue of receivers or in none.
    pub(crate) unsafe fn remove_waiting_receiver(&self, entry: &Entry) -> bool {
        let mut state = self.lock();
        // SAFETY: the caller's promise.
        let removed = unsafe { state.waiting_receivers.remove(entry) };
        if removed && state.waiting_receivers.is_empty() {
            self.publish(&state);
        }
        removed
    }
}

impl Channel<Instant> {
    /// The channel of a timer, which is not set yet.
    pub(super) fn of_timer() -> Shared<Instant> {
        let shared = Shared::without_sender(Capacity::Bounded(1), Some(ChannelTimer::new()));
        // SAFETY: the channel owns the timer, and stops it when its last receiver goes; nobody
        // else has it yet.
        unsafe { shared.timer().attach(&shared) };
        shared
    }

    /// The timer that sends here.
    pub(crate) fn timer(&self) -> &ChannelTimer {
        self.timer.as_ref().expect("it is the channel of a timer")
    }
}
