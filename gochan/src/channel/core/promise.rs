//! Promises: sends that were chosen before their value is there.

use super::state::deliver;
use super::{Attempt, Channel, Refusal};
use crate::wait::{Entry, Wake};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// The right to send one value, given by a channel to a select that has not got the value yet.
#[derive(Clone, Copy)]
pub(crate) enum Promise {
    /// A receiver waits for it.
    ToReceiver(NonNull<Entry>),
    /// A place in the buffer is set aside.
    OfPlace,
}

impl<T> Channel<T> {
    /// Keeps a promise.
    ///
    /// # Safety
    /// The promise was given by this channel, and is kept or broken once.
    pub(crate) unsafe fn keep(&self, promise: Promise, value: T) -> Result<(), (T, Refusal)> {
        match promise {
            Promise::ToReceiver(receiver) => {
                let value = ManuallyDrop::new(value);
                // SAFETY: the receiver is claimed by the promise; the value is moved and
                // forgotten; this is the receiver's one wake-up.
                unsafe { deliver(receiver, &raw const *value).unpark() };
                Ok(())
            }
            Promise::OfPlace => {
                let mut state = self.lock();
                self.buffer.unreserve();
                let value = ManuallyDrop::new(value);
                let place = (&raw const *value).cast_mut();
                // A receiver may wait by now: the place was empty until this moment.
                // SAFETY: the value is ours to move; it is forgotten if it was.
                let attempt = unsafe { self.attempt_send(&mut state, place) };
                self.unlock(state);
                match attempt {
                    Attempt::Done(partner) => {
                        // SAFETY: after the lock, once.
                        unsafe { Attempt::wake_partner(partner) };
                        Ok(())
                    }
                    Attempt::Refused(refusal) => Err((ManuallyDrop::into_inner(value), refusal)),
                    Attempt::Promised(_) => unreachable!("promises are made to receivers"),
                }
            }
        }
    }

    /// Breaks a promise: what it held goes to others.
    ///
    /// # Safety
    /// As for [`Channel::keep`].
    pub(crate) unsafe fn break_promise(&self, promise: Promise) {
        match promise {
            // SAFETY: the receiver is claimed by the promise; this is its one wake-up.
            Promise::ToReceiver(receiver) => unsafe {
                receiver.as_ref().finish(Wake::Retry).unpark();
            },
            Promise::OfPlace => {
                let mut state = self.lock();
                self.buffer.unreserve();
                let sender = if self.buffer.has_room() {
                    state.waiting_senders.take()
                } else {
                    None
                };
                let partner = sender.map(|sender| self.admit(sender));
                self.unlock(state);
                // SAFETY: after the lock, once.
                unsafe { Attempt::wake_partner(partner) };
            }
        }
    }
}
