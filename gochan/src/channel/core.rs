//! The state of a channel, and every operation on it, written once.
//!
//! Invariants, whenever the lock is free:
//! - if a sender waits, the buffer has no room; if a receiver waits, the buffer is empty;
//! - at least one of the two wait queues is empty, except for a select that waits both to send
//!   and to receive;
//! - a closed or abandoned channel has nobody waiting, but for receivers whom [`Channel::close`] is
//!   on its way to tell;
//! - `readiness` says what a look under the lock would say.
//!
//! An operation is an *attempt* under the lock: it either happens, moving the value between the
//! caller, the buffer and the frame of a waiting partner, or it is refused, or it would have to
//! wait. Trying, waiting, waiting with a deadline and selecting differ only in what they do when
//! an attempt would have to wait.
//!
//! No user code runs under the lock: values are moved, never dropped or cloned there. Whoever
//! is to be woken is woken after the lock has been left.

use super::buffer::{Buffer, Capacity};
use super::shared::Shared;
use crate::runtime::{self, ChannelTimer};
use crate::wait::{
    BiasedGuard, BiasedLock, BiasedMutex, Entry, Parker, Patience, WaitFrame, WaitQueue,
    WaitReason, Waiter, Wake, WakeList,
};
use std::cell::UnsafeCell;
use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

/// How many receivers are told at a time that their channel is closed.
const PART_OF_CROWD: usize = 64;

/// A channel, shared by its handles.
pub(crate) struct Channel<T> {
    state: BiasedMutex<State<T>>,
    /// What an operation would find, readable without the lock.
    readiness: AtomicU8,
    /// For how many values memory was allocated with the channel.
    allocated_capacity: Capacity,
    /// What sends on the channel of a timer, in place of a sending handle.
    timer: Option<ChannelTimer>,
}

/// A receive would not wait.
const CAN_RECV: u8 = 1;
/// A send would not wait.
const CAN_SEND: u8 = 2;

/// The channel is closed and drained, and so will it stay.
const DRAINED: u8 = 4;

/// What is guarded by a channel's lock.
pub(crate) struct State<T> {
    buffer: Buffer<T>,
    waiting_senders: WaitQueue,
    waiting_receivers: WaitQueue,
    closed: bool,
    abandoned: bool,
}

// SAFETY: values are moved between threads, which `T: Send` allows; nobody gets a reference to
// a value in the channel.
unsafe impl<T: Send> Send for Channel<T> {}
// SAFETY: as above; everything else is behind the lock or atomic.
unsafe impl<T: Send> Sync for Channel<T> {}

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

/// What an attempt came to.
pub(crate) enum Attempt {
    /// It has happened; a partner may have to be woken.
    Done(Option<Parker>),
    Refused(Refusal),
    /// A sender has promised a value and is about to bring it: the receiver is to wait for it
    /// with [`Channel::await_promised`].
    Promised(NonNull<Entry>),
}

/// How far an operation has come that only switches to other goroutines if it has to wait.
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
}

impl<T> Channel<T> {
    /// A channel with an empty buffer.
    pub(super) fn new(buffer: Buffer<T>) -> Self {
        let allocated_capacity = buffer.capacity();
        let state = State {
            buffer,
            waiting_senders: WaitQueue::new(),
            waiting_receivers: WaitQueue::new(),
            closed: false,
            abandoned: false,
        };
        Channel {
            readiness: AtomicU8::new(state.readiness()),
            state: BiasedMutex::new(state),
            allocated_capacity,
            timer: None,
        }
    }

    // ----- sending ------------------------------------------------------------------------

    /// Sends `value`, waiting for as long as it takes. A value that was not sent comes back.
    ///
    /// Only the switch to other goroutines is inlined into the caller; see [`Waiter::begin`].
    #[inline(always)]
    pub(crate) fn send(
        &self,
        value: T,
        location: &'static Location<'static>,
    ) -> Result<(), (T, Refusal)> {
        let value = UnsafeCell::new(ManuallyDrop::new(value));
        let frame = WaitFrame::new();
        // SAFETY: the frame and the value stay here until the wait has ended; the switch comes
        // once, and at once; the value is forgotten if it was sent.
        unsafe {
            let place = value.get().cast::<T>();
            let refusal = match self.begin_send(place, &frame, location) {
                Begun::Done => return Ok(()),
                Begun::Refused(refusal) => refusal,
                Begun::Waits => {
                    frame.waiter().switch();
                    match self.end_send(place, &frame, true) {
                        None => return Ok(()),
                        Some(refusal) => refusal,
                    }
                }
            };
            Err((place.read(), refusal))
        }
    }

    /// Sends the value at `value`, or begins to wait in `frame`, if a goroutine calls.
    ///
    /// # Safety
    /// The value is the caller's, and forgotten if it was sent. It and the frame stay where they
    /// are until the wait ends; if there is one, the switch follows and then
    /// [`Channel::end_send`].
    #[inline(never)]
    unsafe fn begin_send(
        &self,
        value: *mut T,
        frame: &WaitFrame,
        location: &'static Location<'static>,
    ) -> Begun {
        if let Some(mut state) = self.state.lock_as_owner() {
            if state.is_idle() && state.buffer.has_room() {
                // SAFETY: the caller's value is ours to move.
                state.buffer.push(unsafe { value.read() });
                self.publish_idle(&state);
                drop(state);
                if runtime::uses_up_turn() {
                    runtime::end_turn();
                }
                return Begun::Done;
            }
            // SAFETY: the caller's promises.
            return unsafe { self.begin_send_slowly(Some(state), value, frame, location) };
        }
        // SAFETY: the caller's promises.
        unsafe { self.begin_send_slowly(None, value, frame, location) }
    }

    /// The rest of [`Channel::begin_send`], where more is to be done than to fill the buffer.
    ///
    /// # Safety
    /// As for [`Channel::begin_send`].
    #[inline(never)]
    unsafe fn begin_send_slowly(
        &self,
        state: Option<BiasedGuard<'_, State<T>>>,
        value: *mut T,
        frame: &WaitFrame,
        location: &'static Location<'static>,
    ) -> Begun {
        let Some(goroutine) = runtime::current_goroutine() else {
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
        let mut state = state.unwrap_or_else(|| self.lock());
        // SAFETY: the caller's value.
        match unsafe { state.attempt_send(value) } {
            Attempt::Done(partner) => {
                self.unlock(state);
                // SAFETY: after the lock, once.
                unsafe { Attempt::wake_partner(partner) };
                runtime::count_operation();
                Begun::Done
            }
            Attempt::Refused(Refusal::WouldBlock) => {
                let reason = WaitReason::ChanSend;
                // SAFETY: the caller's frame; the wait ends only when the entry has left the queue.
                let waiter = unsafe {
                    let waiter = frame.set_waiter(goroutine, reason, location);
                    let entry = frame.set_entry(waiter, value.cast());
                    state.waiting_senders.push(entry);
                    waiter
                };
                self.unlock(state);
                if waiter.begin() {
                    return Begun::Waits;
                }
                // SAFETY: the caller's promises.
                match unsafe { self.end_send(value, frame, false) } {
                    None => Begun::Done,
                    Some(refusal) => Begun::Refused(refusal),
                }
            }
            Attempt::Refused(refusal) => {
                drop(state);
                runtime::count_operation();
                Begun::Refused(refusal)
            }
            Attempt::Promised(_) => unreachable!("promises are made to receivers"),
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
        match unsafe { state.attempt_send(place) } {
            Attempt::Done(partner) => {
                self.unlock(state);
                // SAFETY: after the lock, once.
                unsafe { Attempt::wake_partner(partner) };
                runtime::count_operation();
                Ok(())
            }
            Attempt::Refused(Refusal::WouldBlock) if !matches!(patience, Patience::Never) => {
                self.send_waiting(state, value, patience, location)
            }
            Attempt::Refused(refusal) => {
                drop(state);
                let value = ManuallyDrop::into_inner(value);
                // A goroutine that polls must not starve the others of its worker either.
                runtime::count_operation();
                Err((value, refusal))
            }
            Attempt::Promised(_) => unreachable!("promises are made to receivers"),
        }
    }

    #[inline(never)]
    fn send_waiting<'a>(
        &'a self,
        mut state: BiasedGuard<'a, State<T>>,
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
        let attempt = unsafe { state.attempt_send(place) };
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
        let mut state = self.lock();
        let value = state.buffer.pop();
        self.unlock(state);
        value.is_some()
    }

    // ----- receiving ----------------------------------------------------------------------

    /// Receives a value, waiting for as long as it takes. `None`: the channel is closed and drained.
    ///
    /// Only the switch to other goroutines is inlined into the caller; see [`Waiter::begin`].
    #[inline(always)]
    pub(crate) fn recv(&self, location: &'static Location<'static>) -> Option<T> {
        let value = UnsafeCell::new(MaybeUninit::<T>::uninit());
        let frame = WaitFrame::new();
        // SAFETY: the frame and the value stay here until the wait has ended; the switch comes
        // once, and at once; a receive that is done has filled `value`.
        unsafe {
            let place = value.get().cast::<T>();
            let received = match self.begin_recv(place, &frame, location) {
                Begun::Done => true,
                Begun::Refused(_) => false,
                Begun::Waits => {
                    frame.waiter().switch();
                    self.end_recv(place, &frame, true, location)
                }
            };
            received.then(|| place.read())
        }
    }

    /// Receives into `place`, or begins to wait in `frame`, if a goroutine calls.
    ///
    /// # Safety
    /// `place` may be written to. It and the frame stay where they are until the wait ends; if
    /// there is one, the switch follows and then [`Channel::end_recv`].
    #[inline(never)]
    unsafe fn begin_recv(
        &self,
        place: *mut T,
        frame: &WaitFrame,
        location: &'static Location<'static>,
    ) -> Begun {
        if let Some(mut state) = self.state.lock_as_owner() {
            if state.is_idle()
                && let Some(value) = state.buffer.pop()
            {
                self.publish_idle(&state);
                drop(state);
                // SAFETY: the caller's place.
                unsafe { place.write(value) };
                if runtime::uses_up_turn() {
                    // SAFETY: it has been filled.
                    unsafe { Self::end_turn(place) };
                }
                return Begun::Done;
            }
            // SAFETY: the caller's promises.
            return unsafe { self.begin_recv_slowly(Some(state), place, frame, location) };
        }
        // SAFETY: the caller's promises.
        unsafe { self.begin_recv_slowly(None, place, frame, location) }
    }

    /// The rest of [`Channel::begin_recv`], where more is to be done than to empty the buffer.
    ///
    /// # Safety
    /// As for [`Channel::begin_recv`].
    #[inline(never)]
    unsafe fn begin_recv_slowly(
        &self,
        state: Option<BiasedGuard<'_, State<T>>>,
        place: *mut T,
        frame: &WaitFrame,
        location: &'static Location<'static>,
    ) -> Begun {
        let Some(goroutine) = runtime::current_goroutine().filter(|_| !self.is_drained()) else {
            drop(state);
            // SAFETY: the caller's promise.
            return unsafe { self.recv_to(place, location) };
        };
        let mut state = state.unwrap_or_else(|| self.lock());
        // SAFETY: the caller's place.
        match unsafe { state.attempt_recv(place) } {
            Attempt::Done(partner) => {
                self.unlock(state);
                // SAFETY: after the lock, once.
                unsafe { Attempt::wake_partner(partner) };
                if runtime::uses_up_turn() {
                    // SAFETY: a done receive has filled the caller's place.
                    unsafe { Self::end_turn(place) };
                }
                Begun::Done
            }
            Attempt::Refused(Refusal::WouldBlock) => {
                let reason = WaitReason::ChanReceive;
                // SAFETY: the caller's frame; the wait ends only when the entry has left the queue.
                let waiter = unsafe {
                    let waiter = frame.set_waiter(goroutine, reason, location);
                    let entry = frame.set_entry(waiter, place.cast());
                    state.waiting_receivers.push(entry);
                    waiter
                };
                self.unlock(state);
                if waiter.begin() {
                    return Begun::Waits;
                }
                // SAFETY: the caller's promises.
                match unsafe { self.end_recv(place, frame, false, location) } {
                    true => Begun::Done,
                    false => Begun::Refused(Refusal::Closed),
                }
            }
            Attempt::Refused(refusal) => {
                drop(state);
                runtime::count_operation();
                Begun::Refused(refusal)
            }
            Attempt::Promised(promise) => {
                self.unlock(state);
                // SAFETY: the attempt claimed the promise for us.
                match unsafe { self.await_promised(promise, location) } {
                    Some(value) => {
                        // SAFETY: the caller's place.
                        unsafe { place.write(value) };
                        Begun::Done
                    }
                    // SAFETY: the caller's place.
                    None => unsafe { self.recv_to(place, location) },
                }
            }
        }
    }

    /// Lets others run after a receive.
    ///
    /// # Safety
    /// There is a value at `place`, which is the caller's.
    #[cold]
    unsafe fn end_turn(place: *mut T) {
        // This goroutine may be unwound here, and the value with it.
        // SAFETY: the caller's promise.
        let value = unsafe { place.read() };
        runtime::end_turn();
        // SAFETY: as above.
        unsafe { place.write(value) };
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
                // SAFETY: the caller's place.
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
        if self.is_drained() {
            runtime::count_operation();
            return Err(Refusal::Closed);
        }
        if matches!(patience, Patience::Never) && !self.can_recv() {
            runtime::count_operation();
            return Err(Refusal::WouldBlock);
        }
        loop {
            let mut value = MaybeUninit::uninit();
            let mut state = self.lock();
            // SAFETY: `value` is ours to be filled.
            match unsafe { state.attempt_recv(value.as_mut_ptr()) } {
                Attempt::Done(partner) => {
                    self.unlock(state);
                    // SAFETY: after the lock, once; a done receive has filled `value`.
                    let value = unsafe {
                        Attempt::wake_partner(partner);
                        value.assume_init()
                    };
                    // Others may run now, or this goroutine end: the value is safe.
                    runtime::count_operation();
                    return Ok(value);
                }
                Attempt::Refused(Refusal::WouldBlock) if !matches!(patience, Patience::Never) => {
                    if let Some(result) = self.recv_waiting(state, patience, location) {
                        return result;
                    }
                }
                Attempt::Refused(refusal) => {
                    drop(state);
                    runtime::count_operation();
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

    /// `None`: to be tried again.
    #[inline(never)]
    fn recv_waiting<'a>(
        &'a self,
        mut state: BiasedGuard<'a, State<T>>,
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
        if wake == Wake::Done {
            // SAFETY: a partner that says so has filled `value`.
            return Some(Ok(unsafe { value.assume_init() }));
        }
        if wake == Wake::DoneLate {
            // SAFETY: as above.
            let value = unsafe { value.assume_init() };
            crate::unwind_cancelled();
            return Some(Ok(value));
        }
        Self::recv_failed(wake).map(Err)
    }

    #[cold]
    fn recv_failed(wake: Wake) -> Option<Refusal> {
        match wake {
            Wake::TimedOut => Some(Refusal::TimedOut),
            Wake::Done | Wake::DoneLate | Wake::Closed | Wake::Abandoned => Some(Refusal::Closed),
            Wake::Retry => None,
            Wake::Cancelled => {
                crate::unwind_cancelled();
                Some(Refusal::Closed)
            }
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

    // ----- ending -------------------------------------------------------------------------

    /// Closes the channel; `false` if it was closed before.
    pub(crate) fn close(&self) -> bool {
        let mut woken = WakeList::new();
        let mut state = self.lock();
        if std::mem::replace(&mut state.closed, true) {
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
        let values = state.buffer.take();
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
        self.lock().buffer.len()
    }

    pub(super) fn allocated_capacity(&self) -> Capacity {
        self.allocated_capacity
    }

    pub(super) fn capacity(&self) -> Option<usize> {
        match self.allocated_capacity {
            Capacity::Bounded(capacity) => Some(capacity),
            Capacity::Unbounded => None,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        !self.lock().buffer.has_room()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    /// Whether the channel is closed and drained, for good. Who sees it sees what happened before
    /// the close.
    #[inline]
    pub(crate) fn is_drained(&self) -> bool {
        self.readiness.load(Ordering::Acquire) & DRAINED != 0
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
        self.readiness.load(Ordering::Relaxed) & CAN_RECV != 0
    }

    /// Whether a send would find something to do; as [`Channel::can_recv`].
    #[inline]
    pub(crate) fn can_send(&self) -> bool {
        self.readiness.load(Ordering::Relaxed) & CAN_SEND != 0
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
    pub(crate) unsafe fn state_unguarded(&self) -> &mut State<T> {
        // SAFETY: the caller's promise.
        unsafe { self.state.data_unguarded() }
    }

    /// Takes the lock. It is left by [`Channel::unlock`] after a change.
    #[inline]
    pub(crate) fn lock(&self) -> BiasedGuard<'_, State<T>> {
        self.state.lock()
    }

    /// Publishes what has changed and leaves the lock.
    #[inline]
    pub(crate) fn unlock(&self, state: BiasedGuard<'_, State<T>>) {
        self.publish(&state);
        drop(state);
    }

    /// As [`Channel::publish`], of an idle channel.
    #[inline]
    fn publish_idle(&self, state: &State<T>) {
        let readiness = state.readiness_of_buffer();
        self.readiness.store(readiness, Ordering::Release);
    }

    #[inline]
    pub(crate) fn publish(&self, state: &State<T>) {
        // Who sees that the channel was closed sees what happened before that.
        self.readiness.store(state.readiness(), Ordering::Release);
    }

    /// Takes a waiting sender's entry back; `false` if it was claimed.
    ///
    /// # Safety
    /// The entry is in this channel's queue of senders or in none.
    pub(crate) unsafe fn remove_waiting_sender(&self, entry: &Entry) -> bool {
        let mut state = self.lock();
        // SAFETY: the caller's promise.
        let removed = unsafe { state.waiting_senders.remove(entry) };
        self.unlock(state);
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
        self.unlock(state);
        removed
    }
}

impl Channel<Instant> {
    /// The channel of a timer, which is not set yet.
    pub(super) fn of_timer() -> Shared<Instant> {
        let shared = Shared::without_sender(Capacity::Bounded(1), |channel| Channel {
            timer: Some(ChannelTimer::new()),
            ..channel
        });
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

impl<T> State<T> {
    /// Whether nobody waits and the channel is neither closed nor abandoned.
    #[inline]
    fn is_idle(&self) -> bool {
        self.waiting_senders.is_empty()
            && self.waiting_receivers.is_empty()
            && !self.closed
            && !self.abandoned
    }

    #[inline]
    fn readiness(&self) -> u8 {
        let of_buffer = self.readiness_of_buffer();
        if self.is_idle() {
            return of_buffer;
        }
        let waits_sender = !self.waiting_senders.is_empty();
        let can_recv = waits_sender || self.closed;
        let can_send = !self.waiting_receivers.is_empty() || self.closed || self.abandoned;
        let drained = self.closed && self.buffer.is_empty() && !waits_sender;
        of_buffer
            | (u8::from(can_recv) * CAN_RECV)
            | (u8::from(can_send) * CAN_SEND)
            | (u8::from(drained) * DRAINED)
    }

    /// The readiness of an idle channel.
    #[inline]
    fn readiness_of_buffer(&self) -> u8 {
        (u8::from(!self.buffer.is_empty()) * CAN_RECV)
            | (u8::from(self.buffer.has_room()) * CAN_SEND)
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
        if self.buffer.has_room() {
            // SAFETY: the caller's value is ours to move.
            self.buffer.push(unsafe { value.read() });
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
        if let Some(value) = self.buffer.pop() {
            // SAFETY: the caller's place.
            unsafe { place.write(value) };
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
    fn admit(&mut self, sender: NonNull<Entry>) -> Parker {
        // SAFETY: the sender is claimed: its value is ours to move, once.
        unsafe {
            let slot = sender.as_ref().slot().cast::<T>();
            if slot.is_null() {
                self.buffer.reserve();
            } else {
                self.buffer.push(slot.read());
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
    /// As for [`WaitQueue::push`]; the entry's slot is the value, or null for a promise.
    pub(crate) unsafe fn enqueue_sender(&mut self, entry: &Entry) {
        // SAFETY: the caller's promise.
        unsafe { self.waiting_senders.push(entry) };
    }

    /// Enqueues a receiver.
    ///
    /// # Safety
    /// As for [`WaitQueue::push`]; the entry's slot is where the value goes.
    pub(crate) unsafe fn enqueue_receiver(&mut self, entry: &Entry) {
        // SAFETY: the caller's promise.
        unsafe { self.waiting_receivers.push(entry) };
    }
}

/// Moves a value into the frame of a claimed receiver, and says whom to wake.
///
/// # Safety
/// The receiver is claimed by the caller; the value is the caller's, and moved out.
#[inline]
unsafe fn deliver<T>(receiver: NonNull<Entry>, value: *const T) -> Parker {
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
                state.buffer.unreserve();
                let value = ManuallyDrop::new(value);
                let place = (&raw const *value).cast_mut();
                // A receiver may wait by now: the place was empty until this moment.
                // SAFETY: the value is ours to move; it is forgotten if it was.
                let attempt = unsafe { state.attempt_send(place) };
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
                state.buffer.unreserve();
                let sender = if state.buffer.has_room() {
                    state.waiting_senders.take()
                } else {
                    None
                };
                let partner = sender.map(|sender| state.admit(sender));
                self.unlock(state);
                // SAFETY: after the lock, once.
                unsafe { Attempt::wake_partner(partner) };
            }
        }
    }
}
