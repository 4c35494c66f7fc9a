//! The attempts at a channel under its lock, and what the channel shows of itself without it.

use super::{Attempt, Channel, Promise, Refusal, State};
use crate::channel::buffer::{CAN_RECV, CAN_SEND, CLOSED, DRAINED};
use crate::wait::{Entry, Parker, Wake};
use std::ptr::NonNull;

impl<T> Channel<T> {
    /// Whether the short way is closed to what would have to do more.
    pub(super) fn bars_whom_it_has_to(&self, state: &State) -> bool {
        let (sends, receives) = self.buffer.is_open();
        let kept = usize::from(self.buffer.is_closed());
        !(sends && (!state.waiting_receivers.is_empty() || self.has_ended(state)))
            && !(receives && (!state.waiting_senders.is_empty() || self.buffer.len() <= kept))
    }

    /// What an operation would find, besides what the buffer shows.
    #[inline]
    pub(super) fn readiness(&self, state: &State) -> usize {
        let of_partners = (usize::from(!state.waiting_senders.is_empty()) * CAN_RECV)
            | (usize::from(!state.waiting_receivers.is_empty()) * CAN_SEND);
        if self.has_ended(state) {
            return self.readiness_at_end();
        }
        of_partners
    }

    /// The readiness of a channel that takes no values any more.
    #[cold]
    fn readiness_at_end(&self) -> usize {
        match self.buffer.is_closed() {
            true if self.buffer.is_empty() => CLOSED | DRAINED,
            true => CLOSED,
            false => CAN_SEND,
        }
    }

    /// Tries to send the value at `value`, which is moved out exactly if the answer is `Done`.
    ///
    /// # Safety
    /// `value` points to a value that the caller owns.
    #[inline(always)]
    pub(crate) unsafe fn attempt_send(&self, state: &mut State, value: *mut T) -> Attempt {
        if let Some(refusal) = self.refuses_values(state) {
            return Attempt::Refused(refusal);
        }
        if let Some(receiver) = state.waiting_receivers.take() {
            // SAFETY: the receiver is claimed: its slot is ours to fill, once; the value is ours
            // to move.
            return Attempt::Done(Some(unsafe { deliver(receiver, value) }));
        }
        // SAFETY: the caller's value is ours to move.
        if unsafe { self.buffer.push_from(value) } {
            return Attempt::Done(None);
        }
        Attempt::Refused(Refusal::WouldBlock)
    }

    /// Tries to receive into `place`, which is filled exactly if the answer is `Done`.
    ///
    /// # Safety
    /// `place` may be written to.
    #[inline(always)]
    pub(crate) unsafe fn attempt_recv(&self, state: &mut State, place: *mut T) -> Attempt {
        // SAFETY: the caller's place.
        if unsafe { self.buffer.pop_to(place) } {
            // There is room for one more: the longest waiting sender gets it.
            let sender = state.waiting_senders.take();
            return Attempt::Done(sender.map(|sender| self.admit(sender)));
        }
        if let Some(sender) = state.waiting_senders.take() {
            // SAFETY: the sender is claimed: its value is ours to move, once.
            unsafe {
                let slot = sender.as_ref().slot().cast::<T>();
                if slot.is_null() {
                    return Attempt::Promised(sender);
                }
                place.copy_from_nonoverlapping(slot, 1);
                return Attempt::Done(Some(sender.as_ref().finish(Wake::Done)));
            }
        }
        Attempt::Refused(if self.buffer.is_closed() {
            Refusal::Closed
        } else {
            Refusal::WouldBlock
        })
    }

    /// Moves a claimed sender's value into the buffer, or sets a place aside for its promise.
    pub(super) fn admit(&self, sender: NonNull<Entry>) -> Parker {
        // SAFETY: the sender is claimed: its value is ours to move, once.
        unsafe {
            let slot = sender.as_ref().slot().cast::<T>();
            if slot.is_null() {
                self.buffer.reserve();
            } else {
                assert!(self.buffer.push_from(slot), "there is room for one");
            }
            sender.as_ref().finish(Wake::Done)
        }
    }

    /// Tries to get the right to send one value later.
    pub(crate) fn attempt_promise(&self, state: &mut State) -> Result<Promise, Refusal> {
        if let Some(refusal) = self.refuses_values(state) {
            return Err(refusal);
        }
        if let Some(receiver) = state.waiting_receivers.take() {
            return Ok(Promise::ToReceiver(receiver));
        }
        if self.buffer.has_room() {
            self.buffer.reserve();
            return Ok(Promise::OfPlace);
        }
        Err(Refusal::WouldBlock)
    }

    /// Whether the channel takes no values any more.
    #[inline]
    fn has_ended(&self, state: &State) -> bool {
        self.buffer.is_closed() | state.abandoned
    }

    /// Why the channel takes no values, if it does not.
    #[inline]
    fn refuses_values(&self, state: &State) -> Option<Refusal> {
        if self.buffer.is_closed() {
            Some(Refusal::Closed)
        } else if state.abandoned {
            Some(Refusal::Abandoned)
        } else {
            None
        }
    }
}

/// Moves a value into the frame of a claimed receiver, and says whom to wake.
///
/// # Safety
/// The receiver is claimed by the caller; the value is the caller's, and moved out.
#[inline]
pub(super) unsafe fn deliver<T>(receiver: NonNull<Entry>, value: *const T) -> Parker {
    // SAFETY: the caller's promise: the frame is the receiver's, and it is parked.
    unsafe {
        let receiver = receiver.as_ref();
        receiver
            .slot()
            .cast::<T>()
            .copy_from_nonoverlapping(value, 1);
        receiver.finish(Wake::Done)
    }
}
