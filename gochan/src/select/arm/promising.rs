//! Arms that send a value which is brought only after they were chosen.

use super::{Look, Operation, Tried};
use crate::channel::core::{Channel, Promise, Refusal};
use crate::error::SendError;
use crate::wait::{BiasedLock, Entry, EntryPlace, Waiter, Wake};
use std::panic::Location;
use std::ptr::{self, NonNull};

/// An arm that sends a value which its user brings after the arm was chosen.
pub(in crate::select) struct PromiseArm<'a, T> {
    channel: &'a Channel<T>,
    entry: EntryPlace,
    promise: Option<Result<Promise, Refusal>>,
}

impl<'a, T> PromiseArm<'a, T> {
    pub(in crate::select) fn new(channel: &'a Channel<T>) -> Self {
        PromiseArm {
            channel,
            entry: EntryPlace::new(),
            promise: None,
        }
    }

    pub(in crate::select) fn address(&self) -> *const () {
        ptr::from_ref(self.channel).cast()
    }
}

/// Sends `value` if `promise` was given, on the channel that gave it.
///
/// # Safety
/// The promise was given by `channel`, and is kept or broken once.
pub(in crate::select) unsafe fn keep_promise<T>(
    channel: &Channel<T>,
    promise: Result<Promise, Refusal>,
    value: T,
) -> Result<(), SendError<T>> {
    match promise {
        Ok(promise) => {
            // SAFETY: the channel gave the promise, which is kept here and nowhere else.
            let sent = unsafe { channel.keep(promise, value) };
            sent.map_err(|(value, _)| SendError(value))
        }
        Err(_) => Err(SendError(value)),
    }
}

impl<T> Operation for PromiseArm<'_, T> {
    fn lock(&self) -> Option<&BiasedLock> {
        Some(self.channel.raw_lock())
    }

    fn look(&self) -> Look {
        Look::ready_if(self.channel.can_send())
    }

    fn peek(&self) -> bool {
        self.channel.can_send()
    }

    unsafe fn attempt(&mut self) -> Tried {
        // SAFETY: the caller holds the lock.
        let state = unsafe { self.channel.state_unguarded() };
        let attempt = self.channel.attempt_promise(state);
        self.channel.publish(state);
        let tried = match attempt {
            Err(Refusal::WouldBlock) => return Tried::NotReady,
            Err(_) => Tried::Refused,
            Ok(_) => Tried::Chosen(None),
        };
        self.promise = Some(attempt);
        tried
    }

    unsafe fn enqueue(&self, waiter: &Waiter, index: usize) {
        // SAFETY: the caller's promise; no wait before this one goes on.
        unsafe {
            let entry = self.entry.fill(waiter, index, ptr::null_mut());
            let state = self.channel.state_unguarded();
            self.channel.enqueue_sender(state, entry);
        }
    }

    unsafe fn dequeue(&self) {
        // SAFETY: it was enqueued there and nowhere else.
        unsafe { self.channel.remove_waiting_sender(self.entry.entry()) };
    }

    fn settle(&mut self, wake: Wake) -> bool {
        self.promise = Some(match wake {
            Wake::Done | Wake::DoneLate => {
                // SAFETY: it was enqueued, or nobody could have claimed it.
                let entry = unsafe { self.entry.entry() };
                // A receiver that claimed the promise has left its entry where the value would be.
                let receiver = NonNull::new(entry.slot());
                Ok(receiver.map_or(Promise::OfPlace, |receiver| {
                    Promise::ToReceiver(receiver.cast())
                }))
            }
            Wake::Abandoned | Wake::Cancelled => Err(Refusal::Abandoned),
            _ => Err(Refusal::Closed),
        });
        true
    }

    unsafe fn await_promised(&mut self, _: NonNull<Entry>, _: &'static Location<'static>) -> bool {
        unreachable!("promises are made to receivers")
    }
}

impl<T> PromiseArm<'_, T> {
    pub(in crate::select) fn take_promise(&mut self) -> Option<Result<Promise, Refusal>> {
        self.promise.take()
    }

    /// Breaks a promise that was given and not kept.
    pub(in crate::select) fn break_promise(&mut self) {
        if let Some(Ok(promise)) = self.promise.take() {
            // SAFETY: this channel gave it, and it has just been taken.
            unsafe { self.channel.break_promise(promise) };
        }
    }
}

impl<T> Drop for PromiseArm<'_, T> {
    fn drop(&mut self) {
        self.break_promise();
    }
}
