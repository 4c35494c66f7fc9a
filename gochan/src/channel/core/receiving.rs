//! Receiving, in all its forms.

use super::{Attempt, Begun, Channel, Refusal, State};
use crate::channel::buffer::CAN_SEND;
use crate::runtime::{self, Operation, Running};
use crate::wait::{BiasedGuard, Entry, Patience, WaitFrame, WaitReason, Waiter, Wake};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::panic::Location;
use std::ptr::{self, NonNull};

impl<T> Channel<T> {
    /// Receives a value, waiting for as long as it takes. `None`: the channel is closed and drained.
    ///
    /// Inlined into the caller are the short way, out of the buffer of a channel that this worker
    /// alone uses, and the switch to other goroutines; see [`Waiter::begin`] for that.
    #[inline(always)]
    pub(crate) fn recv(&self, location: &'static Location<'static>) -> Option<T> {
        let mut short = MaybeUninit::<T>::uninit();
        // SAFETY: the place is ours, and filled if the receive is done.
        let value = match unsafe { self.recv_short(short.as_mut_ptr()) } {
            // SAFETY: as above.
            Ok(()) => unsafe { short.assume_init() },
            Err(state) => {
                // Another place than that of the short way, which is a register.
                let value = UnsafeCell::new(MaybeUninit::<T>::uninit());
                let frame = WaitFrame::new();
                // SAFETY: the frame and the value stay here until the wait has ended; the switch
                // comes once, and at once; a receive that is done has filled `value`.
                unsafe {
                    let place = value.get().cast::<T>();
                    match self.begin_recv(state, place, &frame, location) {
                        Begun::Done => place.read(),
                        Begun::Refused(refusal) => {
                            refusal.count();
                            return None;
                        }
                        Begun::Waits => {
                            let received =
                                frame.switch() || self.end_recv(place, &frame, true, location);
                            return received.then(|| place.read());
                        }
                    }
                }
            }
        };
        // If the goroutine is unwound while others run, the value is dropped.
        runtime::count(Operation::Receive);
        Some(value)
    }

    /// Receives into `place`, if nothing is to be done but to empty the buffer of a channel that
    /// this worker alone uses. If more is to be done the lock may be held.
    ///
    /// # Safety
    /// `place` may be written to.
    #[inline(always)]
    pub(crate) unsafe fn recv_short(
        &self,
        place: *mut T,
    ) -> Result<(), Option<BiasedGuard<'_, State>>> {
        match self.state.lock_as_owner() {
            // SAFETY: the caller's place.
            Some(state) => match unsafe { self.buffer.pop_short(place) } {
                true => {
                    self.unlock_unchanged(state);
                    Ok(())
                }
                false => Err(Some(state)),
            },
            None => Err(None),
        }
    }

    /// Receives into `place`, or begins to wait in `frame`, if a goroutine calls. `state` is what
    /// [`Channel::recv_short`] has left of the lock.
    ///
    /// # Safety
    /// `place` may be written to. It and the frame stay where they are until the wait ends; if
    /// there is one, the switch follows and then [`Channel::end_recv`].
    #[inline(never)]
    unsafe fn begin_recv(
        &self,
        state: Option<BiasedGuard<'_, State>>,
        place: *mut T,
        frame: &WaitFrame,
        location: &'static Location<'static>,
    ) -> Begun {
        let Some(running) = Running::get().filter(|_| !self.is_drained()) else {
            drop(state);
            // SAFETY: the caller's promise.
            return unsafe { self.recv_to(place, location) };
        };
        let mut state = state.unwrap_or_else(|| self.state.lock_as_other());
        if self.buffer.shows_value() {
            // SAFETY: the caller's place.
            match unsafe { self.attempt_recv(&mut state, place) } {
                Attempt::Done(partner) => {
                    self.unlock(state);
                    // SAFETY: after the lock, once.
                    unsafe { Attempt::wake_partner_by(running, partner) };
                    return Begun::Done;
                }
                Attempt::Refused(Refusal::WouldBlock) => {}
                Attempt::Refused(refusal) => return Begun::Refused(refusal),
                Attempt::Promised(promise) => {
                    self.unlock(state);
                    // SAFETY: the attempt claimed the promise for us.
                    return match unsafe { self.await_promised(promise, location) } {
                        Some(value) => {
                            // SAFETY: the caller's place.
                            unsafe { place.write(value) };
                            Begun::Done
                        }
                        // SAFETY: the caller's place.
                        None => unsafe { self.recv_to(place, location) },
                    };
                }
            }
        }
        let reason = WaitReason::ChanReceive;
        // SAFETY: the caller's frame; the wait ends only when the entry has left the queue.
        let waiter = unsafe {
            let waiter = frame.set_waiter(running.goroutine(), reason, location);
            let entry = frame.set_entry(waiter, place.cast());
            state.waiting_receivers.push(entry);
            waiter
        };
        self.unlock_with(CAN_SEND, state);
        if waiter.begin(running) {
            return Begun::Waits;
        }
        // SAFETY: the caller's promises.
        match unsafe { self.end_recv(place, frame, false, location) } {
            true => Begun::Done,
            false => Begun::Refused(Refusal::Closed),
        }
    }

    /// Ends the wait that [`Channel::begin_recv`] began, after the switch if there was one, and
    /// says whether `place` was filled.
    ///
    /// # Safety
    /// It has begun in this frame and with this place.
    #[inline(never)]
    unsafe fn end_recv(
        &self,
        place: *mut T,
        frame: &WaitFrame,
        switched: bool,
        location: &'static Location<'static>,
    ) -> bool {
        // SAFETY: the caller's promise.
        let (waiter, entry) = unsafe { (frame.waiter(), frame.entry()) };
        // SAFETY: the entry was put into this channel's queue and nowhere else.
        let wake = waiter.end(switched, || unsafe { self.remove_waiting_receiver(entry) });
        match wake {
            Wake::Done => true,
            Wake::DoneLate => {
                // SAFETY: a partner that says so has filled it.
                let value = unsafe { place.read() };
                crate::unwind_cancelled();
                // SAFETY: the caller's place, from which the value has just been moved.
                unsafe { place.write(value) };
                true
            }
            // SAFETY: the caller's place.
            Wake::Retry => matches!(unsafe { self.recv_to(place, location) }, Begun::Done),
            wake => {
                Self::recv_failed(wake);
                false
            }
        }
    }

    /// Receives into `place`, without the switch being inlined anywhere.
    ///
    /// # Safety
    /// `place` may be written to.
    #[cold]
    unsafe fn recv_to(&self, place: *mut T, location: &'static Location<'static>) -> Begun {
        match self.recv_patiently(Patience::Forever, location) {
            Ok(value) => {
                // SAFETY: the caller's promise.
                unsafe { place.write(value) };
                Begun::Done
            }
            Err(refusal) => Begun::Refused(refusal),
        }
    }

    /// Receives a value, waiting as long as `patience` lasts.
    #[inline]
    pub(crate) fn recv_patiently(
        &self,
        patience: Patience,
        location: &'static Location<'static>,
    ) -> Result<T, Refusal> {
        let refusal = match patience {
            _ if self.is_drained() => Some(Refusal::Closed),
            Patience::Never if !self.can_recv() => Some(Refusal::WouldBlock),
            _ => None,
        };
        if let Some(refusal) = refusal {
            refusal.count();
            return Err(refusal);
        }
        loop {
            let mut value = MaybeUninit::uninit();
            let mut state = self.lock();
            // SAFETY: `value` is ours to be filled.
            match unsafe { self.attempt_recv(&mut state, value.as_mut_ptr()) } {
                Attempt::Done(partner) => {
                    self.unlock(state);
                    // SAFETY: after the lock, once; a done receive has filled `value`.
                    let value = unsafe {
                        Attempt::wake_partner(partner);
                        value.assume_init()
                    };
                    // Others may run now, or this goroutine end: the value is safe.
                    runtime::count(Operation::Receive);
                    return Ok(value);
                }
                Attempt::Refused(Refusal::WouldBlock) if !matches!(patience, Patience::Never) => {
                    if let Some(result) = self.recv_waiting(state, patience, location) {
                        return result;
                    }
                }
                Attempt::Refused(refusal) => {
                    self.unlock(state);
                    refusal.count();
                    return Err(refusal);
                }
                Attempt::Promised(promise) => {
                    self.unlock(state);
                    // SAFETY: the attempt claimed the promise for us.
                    if let Some(value) = unsafe { self.await_promised(promise, location) } {
                        return Ok(value);
                    }
                }
            }
        }
    }

    /// Waits for a value, in a channel whose lock is held. `None`: to be tried again.
    #[inline(never)]
    fn recv_waiting<'a>(
        &'a self,
        mut state: BiasedGuard<'a, State>,
        patience: Patience,
        location: &'static Location<'static>,
    ) -> Option<Result<T, Refusal>> {
        let mut value = MaybeUninit::<T>::uninit();
        let wake = Waiter::with(WaitReason::ChanReceive, location, |waiter| {
            let entry = Entry::new();
            entry.assign(waiter, 0, value.as_mut_ptr().cast());
            // SAFETY: the wait ends only when the entry has left the queue.
            unsafe { state.waiting_receivers.push(&entry) };
            self.unlock(state);
            waiter.wait(patience.deadline(), || {
                // SAFETY: the entry was enqueued above and nowhere else.
                unsafe { self.remove_waiting_receiver(&entry) }
            })
        });
        match wake {
            // SAFETY: a partner that says so has filled `value`.
            Wake::Done => Some(Ok(unsafe { value.assume_init() })),
            Wake::DoneLate => {
                // SAFETY: as above.
                let value = unsafe { value.assume_init() };
                crate::unwind_cancelled();
                Some(Ok(value))
            }
            wake => Self::recv_failed(wake).map(Err),
        }
    }

    /// Why a wait has ended without a value; `None`: it is to be tried again. The goroutine may be
    /// unwound here.
    #[cold]
    fn recv_failed(wake: Wake) -> Option<Refusal> {
        match wake {
            Wake::TimedOut => Some(Refusal::TimedOut),
            Wake::Closed => Some(Refusal::Closed),
            Wake::Retry => None,
            Wake::Cancelled => {
                crate::unwind_cancelled();
                Some(Refusal::Closed)
            }
            Wake::Done | Wake::DoneLate => unreachable!("it has a value"),
            Wake::Abandoned => unreachable!("the channel has a receiver: this one"),
        }
    }

    /// Waits for the value of a claimed promise; `None` if the sender gave up.
    ///
    /// # Safety
    /// The promise was claimed by an attempt of the caller, who calls this once for it.
    pub(crate) unsafe fn await_promised(
        &self,
        promise: NonNull<Entry>,
        location: &'static Location<'static>,
    ) -> Option<T> {
        let mut value = MaybeUninit::<T>::uninit();
        let wake = Waiter::with(WaitReason::ChanReceive, location, |waiter| {
            let entry = Entry::new();
            entry.assign(waiter, 0, value.as_mut_ptr().cast());
            // SAFETY: the claimed select stays parked until it is unparked here; it finishes our
            // entry, for which we wait to the end.
            unsafe {
                promise
                    .as_ref()
                    .set_slot(ptr::from_ref(&entry).cast_mut().cast());
                let select = promise.as_ref().finish(Wake::Done);
                select.unpark();
            }
            waiter.wait_to_the_end()
        });
        match wake {
            // SAFETY: as in `recv_waiting`.
            Wake::Done => Some(unsafe { value.assume_init() }),
            _ => None,
        }
    }
}
