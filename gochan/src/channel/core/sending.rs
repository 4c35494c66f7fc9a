//! Sending, in all its forms.

use super::{Attempt, Begun, Channel, Refusal, State};
use crate::channel::buffer::CAN_RECV;
use crate::runtime::{self, Operation, Running};
use crate::wait::{BiasedGuard, Entry, Parker, Patience, WaitFrame, WaitReason, Waiter, Wake};
use std::cell::UnsafeCell;
use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::panic::Location;
use std::ptr;

impl<T> Channel<T> {
    /// Sends `value`, waiting for as long as it takes. A value that was not sent comes back.
    ///
    /// Inlined into the caller are the short way, into the buffer of a channel that this worker
    /// alone uses, and the switch to other goroutines; see [`Waiter::begin`] for that.
    #[inline(always)]
    pub(crate) fn send(
        &self,
        value: T,
        location: &'static Location<'static>,
    ) -> Result<(), (T, Refusal)> {
        let mut value = ManuallyDrop::new(value);
        // SAFETY: the value is ours, and not used again if it was sent.
        if let Err(state) = unsafe { self.send_short(&raw mut *value) } {
            // It is in a register as far as here: this is where it gets a place for others to find.
            let value = UnsafeCell::new(value);
            let frame = WaitFrame::new();
            // SAFETY: the frame and the value stay here until the wait has ended; the switch comes
            // once, and at once; the value is forgotten if it was sent.
            unsafe {
                let place = value.get().cast::<T>();
                let refusal = match self.begin_send(state, place, &frame, location) {
                    Begun::Done => None,
                    Begun::Refused(refusal) => Some(refusal),
                    Begun::Waits if frame.switch() => return Ok(()),
                    Begun::Waits => match self.end_send(place, &frame, true) {
                        None => return Ok(()),
                        refusal => refusal,
                    },
                };
                if let Some(refusal) = refusal {
                    let value = place.read();
                    refusal.count();
                    return Err((value, refusal));
                }
            }
        }
        runtime::count(Operation::Send);
        Ok(())
    }

    /// Sends the value at `value`, if nothing is to be done but to fill the buffer of a channel that
    /// this worker alone uses. If more is to be done the lock may be held.
    ///
    /// # Safety
    /// The value is the caller's, and moved out if it is sent.
    #[inline(always)]
    pub(crate) unsafe fn send_short(
        &self,
        value: *mut T,
    ) -> Result<(), Option<BiasedGuard<'_, State>>> {
        match self.state.lock_as_owner() {
            // SAFETY: the caller's value.
            Some(state) => match unsafe { self.buffer.push_short(value) } {
                true => {
                    self.unlock_unchanged(state);
                    Ok(())
                }
                false => Err(Some(state)),
            },
            None => Err(None),
        }
    }

    /// Sends the value at `value`, or begins to wait in `frame`, if a goroutine calls. `state` is what
    /// [`Channel::send_short`] has left of the lock.
    ///
    /// # Safety
    /// The value is the caller's, and forgotten if it was sent. It and the frame stay where they
    /// are until the wait ends; if there is one, the switch follows and then
    /// [`Channel::end_send`].
    #[inline(never)]
    unsafe fn begin_send(
        &self,
        state: Option<BiasedGuard<'_, State>>,
        value: *mut T,
        frame: &WaitFrame,
        location: &'static Location<'static>,
    ) -> Begun {
        let Some(running) = Running::get() else {
            drop(state);
            // SAFETY: the caller's value; if it comes back, it is the caller's again.
            return match self.send_patiently(unsafe { value.read() }, Patience::Forever, location) {
                Ok(()) => Begun::Done,
                Err((back, refusal)) => {
                    // SAFETY: as above.
                    unsafe { value.write(back) };
                    Begun::Refused(refusal)
                }
            };
        };
        let mut state = state.unwrap_or_else(|| self.state.lock_as_other());
        if self.buffer.shows_room() {
            // SAFETY: the caller's value.
            match unsafe { self.attempt_send(&mut state, value) } {
                Attempt::Done(partner) => {
                    self.unlock(state);
                    // SAFETY: after the lock, once.
                    unsafe { Attempt::wake_partner_by(running, partner) };
                    return Begun::Done;
                }
                Attempt::Refused(Refusal::WouldBlock) => {}
                Attempt::Refused(refusal) => return Begun::Refused(refusal),
                Attempt::Promised(_) => unreachable!("promises are made to receivers"),
            }
        }
        let reason = WaitReason::ChanSend;
        // SAFETY: the caller's frame; the wait ends only when the entry has left the queue.
        let waiter = unsafe {
            let waiter = frame.set_waiter(running.goroutine(), reason, location);
            let entry = frame.set_entry(waiter, value.cast());
            state.waiting_senders.push(entry);
            waiter
        };
        self.unlock_with(CAN_RECV, state);
        if waiter.begin(running) {
            return Begun::Waits;
        }
        // SAFETY: the caller's promises.
        match unsafe { self.end_send(value, frame, false) } {
            None => Begun::Done,
            Some(refusal) => Begun::Refused(refusal),
        }
    }

    /// Ends the wait that [`Channel::begin_send`] began, after the switch if there was one. `None`:
    /// the value was sent.
    ///
    /// # Safety
    /// It has begun in this frame and with this value.
    #[inline(never)]
    unsafe fn end_send(&self, value: *mut T, frame: &WaitFrame, switched: bool) -> Option<Refusal> {
        // SAFETY: the caller's promise.
        let (waiter, entry) = unsafe { (frame.waiter(), frame.entry()) };
        // SAFETY: the entry was put into this channel's queue and nowhere else.
        let wake = waiter.end(switched, || unsafe { self.remove_waiting_sender(entry) });
        if wake == Wake::Done {
            return None;
        }
        // SAFETY: the value has not been moved, unless the wait says so.
        let value = unsafe { ManuallyDrop::new(value.read()) };
        match Self::send_failed(wake, value) {
            Ok(()) => None,
            Err((value, refusal)) => {
                mem::forget(value);
                Some(refusal)
            }
        }
    }

    /// Sends `value`, waiting as long as `patience` lasts. A value that was not sent comes back.
    #[inline]
    pub(crate) fn send_patiently(
        &self,
        value: T,
        patience: Patience,
        location: &'static Location<'static>,
    ) -> Result<(), (T, Refusal)> {
        let mut value = ManuallyDrop::new(value);
        let place = ptr::from_mut(&mut *value);
        let mut state = self.lock();
        // SAFETY: the value is ours to move out; it is forgotten if it was.
        match unsafe { self.attempt_send(&mut state, place) } {
            Attempt::Done(partner) => {
                self.unlock(state);
                // SAFETY: after the lock, once.
                unsafe { Attempt::wake_partner(partner) };
                runtime::count(Operation::Send);
                Ok(())
            }
            Attempt::Refused(Refusal::WouldBlock) if !matches!(patience, Patience::Never) => {
                self.send_waiting(state, value, patience, location)
            }
            Attempt::Refused(refusal) => {
                self.unlock(state);
                let value = ManuallyDrop::into_inner(value);
                refusal.count();
                Err((value, refusal))
            }
            Attempt::Promised(_) => unreachable!("promises are made to receivers"),
        }
    }

    /// Waits until the value is sent, in a channel whose lock is held.
    #[inline(never)]
    fn send_waiting<'a>(
        &'a self,
        mut state: BiasedGuard<'a, State>,
        mut value: ManuallyDrop<T>,
        patience: Patience,
        location: &'static Location<'static>,
    ) -> Result<(), (T, Refusal)> {
        let wake = Waiter::with(WaitReason::ChanSend, location, |waiter| {
            let entry = Entry::new();
            entry.assign(waiter, 0, ptr::from_mut(&mut *value).cast());
            // SAFETY: the wait ends only when the entry has left the queue.
            unsafe { state.waiting_senders.push(&entry) };
            self.unlock(state);
            waiter.wait(patience.deadline(), || {
                // SAFETY: the entry was enqueued above and nowhere else.
                unsafe { self.remove_waiting_sender(&entry) }
            })
        });
        if wake == Wake::Done {
            return Ok(());
        }
        Self::send_failed(wake, value)
    }

    /// What a wait comes to that did not plainly end with the value sent. The goroutine may be unwound
    /// here.
    #[cold]
    fn send_failed(wake: Wake, value: ManuallyDrop<T>) -> Result<(), (T, Refusal)> {
        let refusal = match wake {
            Wake::TimedOut => Refusal::TimedOut,
            Wake::Abandoned => Refusal::Abandoned,
            Wake::Closed => Refusal::Closed,
            Wake::DoneLate => {
                crate::unwind_cancelled();
                return Ok(());
            }
            Wake::Done | Wake::Retry => unreachable!("a sender's partner does not give up"),
            Wake::Cancelled => {
                // The value is dropped by the unwinding, unless the goroutine unwinds already.
                let value = ManuallyDrop::into_inner(value);
                crate::unwind_cancelled();
                return Err((value, Refusal::Abandoned));
            }
        };
        Err((ManuallyDrop::into_inner(value), refusal))
    }

    /// Sends `value` if that is possible at once, else drops it. The receiver that it went to is
    /// to be woken by the caller.
    pub(crate) fn offer(&self, value: T) -> Option<Parker> {
        let mut value = ManuallyDrop::new(value);
        let place = ptr::from_mut(&mut *value);
        let mut state = self.lock();
        // SAFETY: the value is ours to move out; it is forgotten if it was.
        let attempt = unsafe { self.attempt_send(&mut state, place) };
        self.unlock(state);
        match attempt {
            Attempt::Done(receiver) => receiver,
            _ => {
                drop(ManuallyDrop::into_inner(value));
                None
            }
        }
    }

    /// Takes back a value that was sent and not received; says whether there was one. Called
    /// where nothing is being sent.
    pub(crate) fn take_back(&self) -> bool {
        if !self.holds_for_receiver() {
            return false;
        }
        let state = self.lock();
        let mut value = MaybeUninit::uninit();
        // SAFETY: `value` may be written to.
        let taken = unsafe { self.buffer.pop_to(value.as_mut_ptr()) };
        self.unlock(state);
        if taken {
            // SAFETY: it was.
            unsafe { value.assume_init_drop() };
        }
        taken
    }
}
