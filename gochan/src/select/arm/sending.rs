//! Arms that send a value which is there before they are chosen.

use super::{Look, Operation, Tried};
use crate::channel::core::{Attempt, Channel, Refusal};
use crate::error::SendError;
use crate::runtime;
use crate::select::operand::SelectSend;
use crate::wait::{BiasedLock, Entry, EntryPlace, Waiter, Wake};
use std::panic::Location;
use std::ptr::{self, NonNull};

/// Where the value of a sending arm stands: in the arm, or in the user's `Option`.
pub trait Source<T> {
    /// Where the value is, if there is one, for others to move it from.
    fn place_shared(&self) -> Option<*const T>;

    /// Where the value is, if there is one.
    fn place(&mut self) -> Option<*mut T>;

    /// Forgets the value: it has been moved out.
    fn forget(&mut self);

    /// Takes the value back.
    fn take(&mut self) -> Option<T>;
}

impl<T> Source<T> for Option<T> {
    #[inline]
    fn place_shared(&self) -> Option<*const T> {
        self.as_ref().map(ptr::from_ref)
    }

    #[inline]
    fn place(&mut self) -> Option<*mut T> {
        self.as_mut().map(ptr::from_mut)
    }

    #[inline]
    fn forget(&mut self) {
        std::mem::forget(Option::take(self));
    }

    #[inline]
    fn take(&mut self) -> Option<T> {
        Option::take(self)
    }
}

impl<T> Source<T> for &mut Option<T> {
    #[inline]
    fn place_shared(&self) -> Option<*const T> {
        self.as_ref().map(ptr::from_ref)
    }

    #[inline]
    fn place(&mut self) -> Option<*mut T> {
        (**self).place()
    }

    #[inline]
    fn forget(&mut self) {
        (**self).forget();
    }

    #[inline]
    fn take(&mut self) -> Option<T> {
        Option::take(self)
    }
}

/// An arm that sends a value from its source. One of its own is dropped if another arm is chosen; in an
/// `Option` of the user's it stays then, and comes back if the channel refuses it.
pub struct SendArm<'a, T, S: Source<T>> {
    channel: Option<&'a Channel<T>>,
    entry: EntryPlace,
    source: S,
    /// Whether the value was sent, once the arm was chosen.
    outcome: Option<Result<(), Refusal>>,
}

impl<'a, T> SendArm<'a, T, Option<T>> {
    /// An arm that sends `value` to `ch`, if it is `enabled`.
    #[inline]
    pub fn new<C: SelectSend<Item = T> + ?Sized>(enabled: bool, ch: &'a C, value: T) -> Self {
        Self::from_source(enabled, ch, Some(value))
    }
}

impl<'a, T> SendArm<'a, T, &'a mut Option<T>> {
    /// An arm that sends what `slot` holds to `ch`, if it is `enabled`.
    #[inline]
    pub fn taking<C>(enabled: bool, ch: &'a C, slot: &'a mut Option<T>) -> Self
    where
        C: SelectSend<Item = T> + ?Sized,
    {
        Self::from_source(enabled, ch, slot)
    }
}

impl<'a, T, S: Source<T>> SendArm<'a, T, S> {
    /// An arm that sends to `ch`, if it is `enabled` and there is a value.
    #[inline]
    fn from_source<C>(enabled: bool, ch: &'a C, source: S) -> Self
    where
        C: SelectSend<Item = T> + ?Sized,
    {
        let enabled = enabled && source.place_shared().is_some();
        let side = if enabled { ch.sending() } else { None };
        SendArm {
            channel: side.map(|side| side.channel()),
            entry: EntryPlace::new(),
            source,
            outcome: None,
        }
    }

    /// Go's rule, once the arm was chosen: panics if the channel was closed, ends the
    /// goroutine if it was abandoned.
    #[inline]
    #[track_caller]
    pub fn finish(self) {
        if let Some(Err(refusal)) = self.outcome {
            crate::refuse_send(self.source, refusal);
        }
    }

    /// Whether the value was sent, once the arm was chosen.
    ///
    /// # Errors
    /// Hands the value back if the channel was closed or abandoned.
    #[inline]
    pub fn finish_result(mut self) -> Result<(), SendError<T>> {
        match self.outcome {
            Some(Err(_)) => {
                let value = self.source.take();
                Err(SendError(
                    value.expect("a value that was not sent is still there"),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Notes what came of the send; a value that was sent has been moved out.
    fn record(&mut self, outcome: Result<(), Refusal>) {
        if outcome.is_ok() {
            self.source.forget();
        }
        self.outcome = Some(outcome);
    }
}

impl<T, S: Source<T>> Operation for SendArm<'_, T, S> {
    #[inline]
    fn lock(&self) -> Option<&BiasedLock> {
        self.channel.map(Channel::raw_lock)
    }

    #[inline]
    fn look(&self) -> Look {
        Look::ready_if(self.channel.is_some_and(Channel::can_send))
    }

    #[inline]
    fn peek(&self) -> bool {
        self.channel.is_some_and(Channel::can_send)
    }

    #[inline]
    fn counts_as(&self) -> runtime::Operation {
        runtime::Operation::Send
    }

    #[inline(always)]
    fn try_short(&mut self) -> bool {
        let (Some(channel), Some(value)) = (self.channel, self.source.place()) else {
            return false;
        };
        // SAFETY: the value is ours to move, and is forgotten below if it was.
        let has_sent = unsafe { channel.send_short(value) }.is_ok();
        if has_sent {
            self.record(Ok(()));
        }
        has_sent
    }

    #[inline(always)]
    unsafe fn attempt(&mut self) -> Tried {
        let (Some(channel), Some(value)) = (self.channel, self.source.place()) else {
            return Tried::NotReady;
        };
        // SAFETY: the caller holds the lock; the value is ours to move, and is forgotten below
        // if it was.
        let (state, attempt) = unsafe {
            let state = channel.state_unguarded();
            let attempt = channel.attempt_send(state, value);
            (state, attempt)
        };
        channel.publish(state);
        match attempt {
            Attempt::Done(partner) => {
                self.record(Ok(()));
                Tried::Chosen(partner)
            }
            Attempt::Refused(Refusal::WouldBlock) => Tried::NotReady,
            Attempt::Refused(refusal) => {
                self.record(Err(refusal));
                Tried::Refused
            }
            Attempt::Promised(_) => unreachable!("promises are made to receivers"),
        }
    }

    #[inline]
    unsafe fn enqueue(&self, waiter: &Waiter, index: usize) {
        if let (Some(channel), Some(value)) = (self.channel, self.source.place_shared()) {
            // SAFETY: the caller's promise; no wait before this one goes on.
            unsafe {
                let entry = self.entry.fill(waiter, index, value.cast_mut().cast());
                let state = channel.state_unguarded();
                channel.enqueue_sender(state, entry);
            }
        }
    }

    #[inline]
    unsafe fn dequeue(&self) {
        if let (Some(channel), Some(_)) = (self.channel, self.source.place_shared()) {
            // SAFETY: it was enqueued there and nowhere else, and has its value still, so nobody has
            // claimed it.
            unsafe { channel.remove_waiting_sender(self.entry.entry()) };
        }
    }

    #[inline]
    fn settle(&mut self, wake: Wake) -> bool {
        match wake {
            Wake::Done | Wake::DoneLate => self.record(Ok(())),
            Wake::Abandoned | Wake::Cancelled => self.record(Err(Refusal::Abandoned)),
            _ => self.record(Err(Refusal::Closed)),
        }
        true
    }

    unsafe fn await_promised(&mut self, _: NonNull<Entry>, _: &'static Location<'static>) -> bool {
        unreachable!("promises are made to receivers")
    }
}
