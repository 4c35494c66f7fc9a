//! Arms that receive.

use super::{Look, Operation, Tried};
use crate::channel::core::{Attempt, Channel, Refusal};
use crate::runtime;
use crate::select::operand::SelectRecv;
use crate::wait::{BiasedLock, Entry, EntryPlace, Waiter, Wake};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::panic::Location;
use std::ptr::{self, NonNull};

/// An arm that receives.
pub struct RecvArm<'a, T> {
    channel: Option<&'a Channel<T>>,
    entry: EntryPlace,
    value: UnsafeCell<MaybeUninit<T>>,
    /// Whether the arm was chosen, and if so whether `value` holds something.
    received: Option<bool>,
}

impl<'a, T> RecvArm<'a, T> {
    /// An arm that receives from `ch`, if it is `enabled`.
    #[inline]
    pub fn new<R: SelectRecv<Item = T> + ?Sized>(enabled: bool, ch: &'a R) -> Self {
        let side = if enabled { ch.receiving() } else { None };
        Self::of(side.map(|side| side.channel()))
    }

    /// An arm that receives from a channel.
    pub(in crate::select) fn on(channel: &'a Channel<T>) -> Self {
        Self::of(Some(channel))
    }

    #[inline]
    fn of(channel: Option<&'a Channel<T>>) -> Self {
        RecvArm {
            channel,
            entry: EntryPlace::new(),
            value: UnsafeCell::new(MaybeUninit::uninit()),
            received: None,
        }
    }

    /// What was received, once the arm was chosen.
    #[inline]
    pub fn finish(mut self) -> Option<T> {
        self.take_received()
    }

    pub(in crate::select) fn take_received(&mut self) -> Option<T> {
        // SAFETY: `received` says that there is a value, and is taken back.
        (self.received.take() == Some(true))
            .then(|| unsafe { self.value.get_mut().assume_init_read() })
    }

    pub(in crate::select) fn has_received(&self) -> bool {
        self.received.is_some()
    }

    pub(in crate::select) fn address(&self) -> *const () {
        self.channel
            .map_or(ptr::null(), |channel| ptr::from_ref(channel).cast::<()>())
    }
}

impl<T> Drop for RecvArm<'_, T> {
    fn drop(&mut self) {
        drop(self.take_received());
    }
}

impl<T> Operation for RecvArm<'_, T> {
    #[inline]
    fn lock(&self) -> Option<&BiasedLock> {
        self.channel.map(Channel::raw_lock)
    }

    #[inline]
    fn look(&self) -> Look {
        match self.channel {
            Some(channel) if channel.can_recv() => match channel.is_drained() {
                true => Look::Drained,
                false => Look::Promising,
            },
            _ => Look::NotReady,
        }
    }

    #[inline]
    fn peek(&self) -> bool {
        self.channel.is_some_and(Channel::holds_for_receiver)
    }

    #[inline]
    fn counts_as(&self) -> runtime::Operation {
        runtime::Operation::Receive
    }

    #[inline(always)]
    fn try_short(&mut self) -> bool {
        let place = self.value.get_mut().as_mut_ptr();
        // SAFETY: `value` is ours to be filled.
        let has_received = self
            .channel
            .is_some_and(|channel| unsafe { channel.recv_short(place) }.is_ok());
        if has_received {
            self.received = Some(true);
        }
        has_received
    }

    #[inline(always)]
    unsafe fn attempt(&mut self) -> Tried {
        let Some(channel) = self.channel else {
            return Tried::NotReady;
        };
        // SAFETY: the caller holds the lock; `value` is ours to be filled.
        let (state, attempt) = unsafe {
            let state = channel.state_unguarded();
            let attempt = channel.attempt_recv(state, self.value.get_mut().as_mut_ptr());
            (state, attempt)
        };
        channel.publish(state);
        match attempt {
            Attempt::Done(partner) => {
                self.received = Some(true);
                Tried::Chosen(partner)
            }
            Attempt::Promised(promise) => Tried::Promised(promise),
            Attempt::Refused(Refusal::WouldBlock) => Tried::NotReady,
            Attempt::Refused(_) => {
                self.received = Some(false);
                Tried::Refused
            }
        }
    }

    #[inline]
    unsafe fn enqueue(&self, waiter: &Waiter, index: usize) {
        if let Some(channel) = self.channel {
            // SAFETY: the caller's promise; no wait before this one goes on.
            unsafe {
                let entry = self.entry.fill(waiter, index, self.value.get().cast());
                let state = channel.state_unguarded();
                channel.enqueue_receiver(state, entry);
            }
        }
    }

    #[inline]
    unsafe fn dequeue(&self) {
        if let Some(channel) = self.channel {
            // SAFETY: it was enqueued there and nowhere else.
            unsafe { channel.remove_waiting_receiver(self.entry.entry()) };
        }
    }

    #[inline]
    fn settle(&mut self, wake: Wake) -> bool {
        let is_retry = wake == Wake::Retry;
        self.received = (!is_retry).then_some(matches!(wake, Wake::Done | Wake::DoneLate));
        !is_retry
    }

    unsafe fn await_promised(
        &mut self,
        promise: NonNull<Entry>,
        location: &'static Location<'static>,
    ) -> bool {
        let channel = self.channel.expect("only a channel makes promises");
        // SAFETY: the caller's promise.
        match unsafe { channel.await_promised(promise, location) } {
            Some(value) => {
                self.value.get_mut().write(value);
                self.received = Some(true);
                true
            }
            None => false,
        }
    }
}
