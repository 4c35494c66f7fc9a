//! The attempts at a channel under its lock, and what the channel shows of itself without it.

use super::{Attempt, CAN_RECV, CAN_SEND, DRAINED, Promise, Refusal, State};
use crate::wait::{Entry, Parker, Wake};
use std::ptr::NonNull;

impl<T> State<T> {
    /// Sends the value at `value` if that is to fill the buffer, and nothing else, and says what an
    /// operation would find then.
    ///
    /// # Safety
    /// The value is the caller's, and moved out if it was sent.
    #[inline(always)]
    pub(super) unsafe fn send_to_buffer(&mut self, value: *const T) -> Option<u8> {
        // SAFETY: the caller's promise.
        let has_room = unsafe { self.buffer.push_short(value) }?;
        Some(CAN_RECV | (u8::from(has_room) * CAN_SEND))
    }

    /// Receives into `place` if that is to empty the buffer, and nothing else, and says what an
    /// operation would find then. The last value of a closed channel is not received in this way.
    ///
    /// # Safety
    /// `place` may be written to.
    #[inline(always)]
    pub(super) unsafe fn receive_from_buffer(&mut self, place: *mut T) -> Option<u8> {
        // SAFETY: the caller's promise.
        let has_values = unsafe { self.buffer.pop_short(place) }?;
        Some(CAN_SEND | (u8::from(has_values) * CAN_RECV))
    }

    /// Opens the buffer's short way to what would have to do nothing else.
    #[inline]
    pub(super) fn open_short_way(&mut self) {
        self.buffer.open(usize::from(self.closed));
        if !self.waiting_receivers.is_empty() {
            self.buffer.bar_sends();
        }
        if !self.waiting_senders.is_empty() {
            self.buffer.bar_receives();
        }
    }

    /// Whether the short way is closed to what would have to do more.
    pub(super) fn bars_whom_it_has_to(&self) -> bool {
        let (sends, receives) = self.buffer.is_open();
        (self.waiting_receivers.is_empty() || !sends)
            && (self.waiting_senders.is_empty() || !receives)
            && !(receives && self.buffer.len() == 1 && (self.closed || self.buffer.is_large()))
    }

    /// What an operation would find.
    #[inline]
    pub(super) fn readiness(&self) -> u8 {
        self.readiness_with(self.readiness_of_values() | self.readiness_of_room())
    }

    /// As [`State::readiness`], where it is known what the buffer allows.
    #[inline]
    pub(super) fn readiness_with(&self, of_buffer: u8) -> u8 {
        let of_partners = (u8::from(!self.waiting_senders.is_empty()) * CAN_RECV)
            | (u8::from(!self.waiting_receivers.is_empty()) * CAN_SEND);
        let readiness = of_buffer | of_partners;
        if self.closed | self.abandoned {
            return self.readiness_at_end(readiness);
        }
        readiness
    }

    /// The readiness of a channel that takes no values any more, and would have this one if it did.
    #[cold]
    fn readiness_at_end(&self, readiness: u8) -> u8 {
        if !self.closed {
            return readiness | CAN_SEND;
        }
        let is_drained = readiness & CAN_RECV == 0;
        CAN_RECV | CAN_SEND | (u8::from(is_drained) * DRAINED)
    }

    /// Whether a receiver has to wait, at the first look.
    #[inline]
    pub(super) fn has_nothing_to_receive(&self) -> bool {
        self.buffer.is_empty() && self.waiting_senders.is_empty() && !self.closed
    }

    /// Whether a sender has to wait, at the first look.
    #[inline]
    pub(super) fn has_nowhere_to_send(&self) -> bool {
        !self.buffer.has_room()
            && self.waiting_receivers.is_empty()
            && !(self.closed | self.abandoned)
    }

    /// `CAN_RECV` if the buffer holds values.
    #[inline]
    pub(super) fn readiness_of_values(&self) -> u8 {
        u8::from(!self.buffer.is_empty()) * CAN_RECV
    }

    /// `CAN_SEND` if there is room in the buffer.
    #[inline]
    pub(super) fn readiness_of_room(&self) -> u8 {
        u8::from(self.buffer.has_room()) * CAN_SEND
    }

    /// Tries to send the value at `value`, which is moved out exactly if the answer is `Done`.
    ///
    /// # Safety
    /// `value` points to a value that the caller owns.
    #[inline(always)]
    pub(crate) unsafe fn attempt_send(&mut self, value: *mut T) -> Attempt {
        if let Some(refusal) = self.refuses_values() {
            return Attempt::Refused(refusal);
        }
        if let Some(receiver) = self.waiting_receivers.take() {
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
    pub(crate) unsafe fn attempt_recv(&mut self, place: *mut T) -> Attempt {
        // SAFETY: the caller's place.
        if unsafe { self.buffer.pop_to(place) } {
            // There is room for one more: the longest waiting sender gets it.
            let sender = self.waiting_senders.take();
            return Attempt::Done(sender.map(|sender| self.admit(sender)));
        }
        if let Some(sender) = self.waiting_senders.take() {
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
        Attempt::Refused(if self.closed {
            Refusal::Closed
        } else {
            Refusal::WouldBlock
        })
    }

    /// Moves a claimed sender's value into the buffer, or sets a place aside for its promise.
    pub(super) fn admit(&mut self, sender: NonNull<Entry>) -> Parker {
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

    /// Why the channel takes no values, if it does not.
    #[inline]
    fn refuses_values(&self) -> Option<Refusal> {
        if self.closed {
            Some(Refusal::Closed)
        } else if self.abandoned {
            Some(Refusal::Abandoned)
        } else {
            None
        }
    }

    /// Gives up a place that was set aside for a promise.
    pub(super) fn unreserve(&mut self) {
        if self.refuses_values().is_none() {
            self.buffer.unreserve();
        }
    }

    /// Tries to get the right to send one value later.
    pub(crate) fn attempt_promise(&mut self) -> Result<Promise, Refusal> {
        if let Some(refusal) = self.refuses_values() {
            return Err(refusal);
        }
        if let Some(receiver) = self.waiting_receivers.take() {
            return Ok(Promise::ToReceiver(receiver));
        }
        if self.buffer.has_room() {
            self.buffer.reserve();
            return Ok(Promise::OfPlace);
        }
        Err(Refusal::WouldBlock)
    }

    /// Enqueues a sender.
    ///
    /// # Safety
    /// As for [`push`](crate::wait::WaitQueue::push); the entry's slot is the value, or null for a
    /// promise.
    #[inline]
    pub(crate) unsafe fn enqueue_sender(&mut self, entry: &Entry) {
        self.buffer.bar_receives();
        // SAFETY: the caller's promise.
        unsafe { self.waiting_senders.push(entry) };
    }

    /// Enqueues a receiver.
    ///
    /// # Safety
    /// As for [`push`](crate::wait::WaitQueue::push); the entry's slot is where the value goes.
    #[inline]
    pub(crate) unsafe fn enqueue_receiver(&mut self, entry: &Entry) {
        self.buffer.bar_sends();
        // SAFETY: the caller's promise.
        unsafe { self.waiting_receivers.push(entry) };
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
