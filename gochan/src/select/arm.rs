//! The arms of a select.
//!
//! An arm stands on the stack of whoever selects. While that one waits, others reach the arm's
//! value and its queue entry through the channel; [`wait`](super::wait) sees to it that the arm
//! is in no queue any more when the select is over.

use crate::channel::core::{Attempt, Channel, Promise, Refusal};
use crate::channel::{Chan, Receiver, Sender};
use crate::error::SendError;
use crate::runtime;
use crate::sync;
use crate::wait::{BiasedLock, Entry, EntryPlace, Patience, Waiter, Wake};
use std::cell::{Ref, RefMut, UnsafeCell};
use std::fmt;
use std::mem::MaybeUninit;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// What an attempt at an arm came to.
pub enum Tried {
    /// The arm is chosen; a partner may have to be woken after all locks have been left.
    Chosen(Option<crate::wait::Parker>),
    /// The arm is chosen, and its value is about to be brought by this promise.
    Promised(NonNull<Entry>),
    /// The arm is chosen because its channel is closed or abandoned.
    Refused,
    NotReady,
}

/// What an arm shows without its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    NotReady,
    /// An attempt will tell.
    Promising,
    /// It is ready for good, to receive that its channel is closed and drained: it settles as
    /// closed without an attempt.
    Drained,
}

impl Look {
    fn ready_if(promising: bool) -> Self {
        match promising {
            true => Look::Promising,
            false => Look::NotReady,
        }
    }
}

mod sealed {
    use super::{
        BiasedLock, Entry, Instant, Location, Look, NonNull, Tried, Waiter, Wake, runtime,
    };
    use crate::wait::Lock as _;

    /// What the algorithm asks of an arm. An arm that is disabled has no lock and is never
    /// ready.
    pub trait Operation {
        /// The lock of the arm's channel.
        fn lock(&self) -> Option<&BiasedLock>;

        /// Whether it looks ready, without the lock.
        fn look(&self) -> Look;

        /// As [`look`](Operation::look), without asking the clock whether a timer is due.
        fn peek(&self) -> bool;

        /// What it counts as when it is chosen.
        fn counts_as(&self) -> runtime::Operation {
            runtime::Operation::Other
        }

        /// When a timer arm becomes ready.
        fn deadline(&self) -> Option<Instant> {
            None
        }

        /// Tries it.
        ///
        /// # Safety
        /// The caller holds the arm's lock.
        unsafe fn attempt(&mut self) -> Tried;

        /// Tries it where that takes nothing but the buffer of a channel that this worker alone
        /// uses; `false`: it is to be tried in another way.
        fn try_short(&mut self) -> bool {
            false
        }

        /// Looks whether it is ready, and tries it if it looks so.
        #[inline]
        fn try_now(&mut self) -> Tried {
            match self.try_short() {
                true => Tried::Chosen(None),
                false => self.try_at_length(),
            }
        }

        /// As [`try_now`](Operation::try_now), where the short way was not open.
        #[inline]
        fn try_at_length(&mut self) -> Tried {
            match self.look() {
                Look::NotReady => return Tried::NotReady,
                Look::Drained => {
                    self.settle(Wake::Closed);
                    return Tried::Refused;
                }
                Look::Promising => {}
            }
            let lock = super::lock_of(self);
            // SAFETY: the lock belongs to the arm's channel, which the arm borrows.
            let lock = unsafe { lock.as_ref() };
            if let Some(lock) = lock {
                lock.lock();
            }
            // SAFETY: its lock is held, if it has one.
            let tried = unsafe { self.attempt() };
            if let Some(lock) = lock {
                lock.unlock();
            }
            tried
        }

        /// Enqueues it as arm `index` of `waiter`. From now on to `dequeue` the arm is
        /// used through shared references only, as others use its entry and its value too.
        ///
        /// # Safety
        /// The caller holds the arm's lock; the arm and the waiter stay where they are until
        /// `dequeue`.
        unsafe fn enqueue(&self, waiter: &Waiter, index: usize);

        /// Takes it out of its queue, if it is still there.
        ///
        /// # Safety
        /// It was enqueued.
        unsafe fn dequeue(&self);

        /// Records how the wait ended: this arm was claimed. `false`: it has to be tried again.
        fn settle(&mut self, wake: Wake) -> bool;

        /// Waits for the value that was promised to an attempt; `false` if it did not come.
        ///
        /// # Safety
        /// The promise was made to an attempt of this arm, and this is called once for it.
        unsafe fn await_promised(
            &mut self,
            promise: NonNull<Entry>,
            location: &'static Location<'static>,
        ) -> bool;
    }
}

pub(crate) use sealed::Operation;

/// The lock of an arm's channel, or null.
#[inline(always)]
pub(crate) fn lock_of<A: Operation + ?Sized>(arm: &A) -> *const BiasedLock {
    arm.lock().map_or(ptr::null(), ptr::from_ref)
}

/// One arm of a `select!`.
pub trait Arm: Operation {}

impl<A: Operation + ?Sized> Arm for A {}

// ----- operands ---------------------------------------------------------------------------

/// What `<-` receives from.
#[diagnostic::on_unimplemented(
    message = "cannot receive from `{Self}`",
    label = "not a channel's receiving side",
    note = "`<-ch` receives from a `Receiver` or a `Chan`, or from a reference, `Box`, `Rc` or \
            `Arc` of one, or a guard of it; from what else refers to one, receive by `<-*it`"
)]
pub trait RecvOperand {
    /// What is received.
    type Item;

    #[doc(hidden)]
    fn receiving(&self) -> ReceivingSide<'_, Self::Item>;
}

/// What `<-` sends to.
#[diagnostic::on_unimplemented(
    message = "cannot send to `{Self}`",
    label = "not a channel's sending side",
    note = "`ch <- value` sends to a `Sender` or a `Chan`, or to a reference, `Box`, `Rc` or \
            `Arc` of one, or a guard of it; to what else refers to one, send by `*it <- value`",
    note = "if `<-` was meant as a comparison with a negative number, put a space in it: `a < -b`"
)]
pub trait SendOperand {
    /// What is sent.
    type Item;

    #[doc(hidden)]
    fn sending(&self) -> SendingSide<'_, Self::Item>;
}

/// What an arm of a `select!` receives from.
#[diagnostic::on_unimplemented(
    message = "cannot receive from `{Self}` in `select!`",
    label = "not a channel's receiving side",
    note = "an arm receives from a `Receiver` or a `Chan`, a reference, `Box`, `Rc` or `Arc` of \
            one, or an `Option` of these (`None`: never ready)"
)]
pub trait SelectRecv {
    /// What is received.
    type Item;

    #[doc(hidden)]
    fn receiving(&self) -> Option<ReceivingSide<'_, Self::Item>>;
}

/// What an arm of a `select!` sends to.
#[diagnostic::on_unimplemented(
    message = "cannot send to `{Self}` in `select!`",
    label = "not a channel's sending side",
    note = "an arm sends to a `Sender` or a `Chan`, a reference, `Box`, `Rc` or `Arc` of one, or \
            an `Option` of these (`None`: never ready)"
)]
pub trait SelectSend {
    /// What is sent.
    type Item;

    #[doc(hidden)]
    fn sending(&self) -> Option<SendingSide<'_, Self::Item>>;
}

/// What can close its channel. Nothing implements it: it is the bound of a method that is there
/// only for its message.
#[diagnostic::on_unimplemented(
    message = "a `Receiver` cannot close its channel",
    label = "the receiving side cannot close",
    note = "close it where values are sent: `Chan` and `Sender` have `close()`; to stop receiving, \
            drop the `Receiver`"
)]
pub trait CloseOperand {}

/// What has been received. Nothing implements it: it is the bound of methods that are there only for
/// their message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is the channel, and not what is received from it",
    label = "called on the channel",
    note = "`<-` binds looser than a method call: to call one on what is received, put the receive \
            in parentheses, `(<-ch).unwrap()`, or write `ch.recv().unwrap()`"
)]
pub trait Received {}

/// A channel that may be received from.
pub struct ReceivingSide<'a, T>(&'a Channel<T>);

/// A channel that may be sent to.
pub struct SendingSide<'a, T>(&'a Channel<T>);

impl<'a, T> ReceivingSide<'a, T> {
    pub(crate) fn channel(&self) -> &'a Channel<T> {
        self.0
    }
}

impl<'a, T> SendingSide<'a, T> {
    pub(crate) fn channel(&self) -> &'a Channel<T> {
        self.0
    }
}

macro_rules! operands {
    ($plain:ident, $select:ident, $method:ident, $side:ident: $($handle:ident)+) => {
        $(
            #[diagnostic::do_not_recommend]
            impl<T> $plain for $handle<T> {
                type Item = T;

                #[inline]
                fn $method(&self) -> $side<'_, T> {
                    $side(self.core())
                }
            }

            #[diagnostic::do_not_recommend]
            impl<T> $select for $handle<T> {
                type Item = T;

                #[inline]
                fn $method(&self) -> Option<$side<'_, T>> {
                    Some($side(self.core()))
                }
            }
        )+

        /// An absent channel is never ready.
        #[diagnostic::do_not_recommend]
        impl<C: $select> $select for Option<C> {
            type Item = C::Item;

            #[inline]
            fn $method(&self) -> Option<$side<'_, C::Item>> {
                self.as_ref().and_then($select::$method)
            }
        }

        operands!(@through $plain, $select, $method, $side:
            &C, &mut C, Box<C>, Rc<C>, Arc<C>, LazyLock<C>, Ref<'_, C>, RefMut<'_, C>,
            std::sync::MutexGuard<'_, C>, sync::MutexGuard<'_, C>,
            std::sync::RwLockReadGuard<'_, C>, sync::RwLockReadGuard<'_, C>,
            std::sync::RwLockWriteGuard<'_, C>, sync::RwLockWriteGuard<'_, C>);
    };
    (@through $plain:ident, $select:ident, $method:ident, $side:ident: $($pointer:ty),+) => {
        $(
            #[diagnostic::do_not_recommend]
            impl<C: $plain> $plain for $pointer {
                type Item = C::Item;

                #[inline]
                fn $method(&self) -> $side<'_, C::Item> {
                    $plain::$method(&**self)
                }
            }

            #[diagnostic::do_not_recommend]
            impl<C: $select> $select for $pointer {
                type Item = C::Item;

                #[inline]
                fn $method(&self) -> Option<$side<'_, C::Item>> {
                    $select::$method(&**self)
                }
            }
        )+
    };
}

operands!(RecvOperand, SelectRecv, receiving, ReceivingSide: Chan Receiver);
operands!(SendOperand, SelectSend, sending, SendingSide: Chan Sender);

// ----- receiving --------------------------------------------------------------------------

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
    pub(super) fn on(channel: &'a Channel<T>) -> Self {
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

    pub(super) fn take_received(&mut self) -> Option<T> {
        // SAFETY: `received` says that there is a value, and is taken back.
        (self.received.take() == Some(true))
            .then(|| unsafe { self.value.get_mut().assume_init_read() })
    }

    pub(super) fn has_received(&self) -> bool {
        self.received.is_some()
    }

    pub(super) fn address(&self) -> *const () {
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
            let attempt = state.attempt_recv(self.value.get_mut().as_mut_ptr());
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

// ----- sending ----------------------------------------------------------------------------

/// Where the value of a sending arm stands: in the arm, or in the user's `Option`.
trait Source<T> {
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

/// A sending arm, whatever its value stands in.
struct Sending<'a, T, S: Source<T>> {
    channel: Option<&'a Channel<T>>,
    entry: EntryPlace,
    source: S,
    /// Whether the value was sent, once the arm was chosen.
    outcome: Option<Result<(), Refusal>>,
}

impl<'a, T, S: Source<T>> Sending<'a, T, S> {
    #[inline]
    fn new(channel: Option<&'a Channel<T>>, source: S) -> Self {
        Sending {
            channel,
            entry: EntryPlace::new(),
            source,
            outcome: None,
        }
    }

    #[inline]
    fn finish_result(mut self) -> Result<(), (Option<T>, Refusal)> {
        match self.outcome.take() {
            Some(Err(refusal)) => Err((self.source.take(), refusal)),
            _ => Ok(()),
        }
    }

    fn record(&mut self, outcome: Result<(), Refusal>) {
        if outcome.is_ok() {
            self.source.forget();
        }
        self.outcome = Some(outcome);
    }
}

impl<T, S: Source<T>> Operation for Sending<'_, T, S> {
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
            let attempt = state.attempt_send(value);
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

macro_rules! sending_arm {
    ($(#[$doc:meta])+ $arm:ident, $source:ty) => {
        $(#[$doc])+
        pub struct $arm<'a, T> {
            sending: Sending<'a, T, $source>,
        }

        impl<'a, T> $arm<'a, T> {
            /// An arm that sends to `ch`, if it is `enabled` and there is a value.
            #[inline]
            fn from_source<S>(enabled: bool, ch: &'a S, source: $source) -> Self
            where
                S: SelectSend<Item = T> + ?Sized,
            {
                let enabled = enabled && source.place_shared().is_some();
                let side = if enabled { ch.sending() } else { None };
                $arm {
                    sending: Sending::new(side.map(|side| side.channel()), source),
                }
            }

            /// Go's rule, once the arm was chosen: panics if the channel was closed, ends the
            /// goroutine if it was abandoned.
            #[inline]
            #[track_caller]
            pub fn finish(self) {
                if let Some(Err(refusal)) = self.sending.outcome {
                    crate::refuse_send(self.sending.source, refusal);
                }
            }

            /// Whether the value was sent, once the arm was chosen.
            ///
            /// # Errors
            /// Hands the value back if the channel was closed or abandoned.
            #[inline]
            pub fn finish_result(self) -> Result<(), SendError<T>> {
                self.sending.finish_result().map_err(|(value, _)| {
                    SendError(value.expect("a value that was not sent is still there"))
                })
            }
        }

        impl<T> Operation for $arm<'_, T> {
            #[inline]
            fn lock(&self) -> Option<&BiasedLock> {
                self.sending.lock()
            }

            #[inline]
            fn look(&self) -> Look {
                self.sending.look()
            }

            #[inline]
            fn peek(&self) -> bool {
                self.sending.peek()
            }

            #[inline]
            fn counts_as(&self) -> runtime::Operation {
                self.sending.counts_as()
            }

            #[inline(always)]
            fn try_short(&mut self) -> bool {
                self.sending.try_short()
            }

            #[inline(always)]
            unsafe fn attempt(&mut self) -> Tried {
                // SAFETY: the caller's promise.
                unsafe { self.sending.attempt() }
            }

            #[inline]
            unsafe fn enqueue(&self, waiter: &Waiter, index: usize) {
                // SAFETY: the caller's promise.
                unsafe { self.sending.enqueue(waiter, index) }
            }

            #[inline]
            unsafe fn dequeue(&self) {
                // SAFETY: the caller's promise.
                unsafe { self.sending.dequeue() }
            }

            #[inline]
            fn settle(&mut self, wake: Wake) -> bool {
                self.sending.settle(wake)
            }

            unsafe fn await_promised(
                &mut self,
                promise: NonNull<Entry>,
                location: &'static Location<'static>,
            ) -> bool {
                // SAFETY: the caller's promise.
                unsafe { self.sending.await_promised(promise, location) }
            }
        }
    };
}

sending_arm!(
    /// An arm that sends a value of its own. The value is dropped if another arm is chosen.
    SendArm,
    Option<T>
);
sending_arm!(
    /// An arm that sends what an `Option` of the user's holds. The value stays there if another
    /// arm is chosen, or comes back if the channel refuses it.
    TakeArm,
    &'a mut Option<T>
);

impl<'a, T> SendArm<'a, T> {
    /// An arm that sends `value` to `ch`, if it is `enabled`.
    #[inline]
    pub fn new<S: SelectSend<Item = T> + ?Sized>(enabled: bool, ch: &'a S, value: T) -> Self {
        Self::from_source(enabled, ch, Some(value))
    }
}

impl<'a, T> TakeArm<'a, T> {
    /// An arm that sends what `slot` holds to `ch`, if it is `enabled`.
    #[inline]
    pub fn new<S>(enabled: bool, ch: &'a S, slot: &'a mut Option<T>) -> Self
    where
        S: SelectSend<Item = T> + ?Sized,
    {
        Self::from_source(enabled, ch, slot)
    }
}

// ----- promising --------------------------------------------------------------------------

/// An arm that sends a value which its user brings after the arm was chosen.
pub(super) struct PromiseArm<'a, T> {
    channel: &'a Channel<T>,
    entry: EntryPlace,
    promise: Option<Result<Promise, Refusal>>,
}

impl<'a, T> PromiseArm<'a, T> {
    pub(super) fn new(channel: &'a Channel<T>) -> Self {
        PromiseArm {
            channel,
            entry: EntryPlace::new(),
            promise: None,
        }
    }

    pub(super) fn address(&self) -> *const () {
        ptr::from_ref(self.channel).cast()
    }
}

/// Sends `value` if `promise` was given, on the channel that gave it.
///
/// # Safety
/// The promise was given by `channel`, and is kept or broken once.
pub(super) unsafe fn keep_promise<T>(
    channel: &Channel<T>,
    promise: Result<Promise, Refusal>,
    value: T,
) -> Result<(), SendError<T>> {
    match promise {
        Ok(promise) => {
            // SAFETY: the caller's promise.
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
        let attempt = state.attempt_promise();
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
    pub(super) fn take_promise(&mut self) -> Option<Result<Promise, Refusal>> {
        self.promise.take()
    }

    /// Breaks a promise that was given and not kept.
    pub(super) fn break_promise(&mut self) {
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

// ----- time -------------------------------------------------------------------------------

/// An arm that becomes ready when some time has passed.
pub struct AfterArm {
    deadline: Option<Instant>,
    /// Whether it was ready from the beginning.
    is_immediate: bool,
}

impl AfterArm {
    /// An arm that becomes ready when `duration` has passed, if it is `enabled`.
    pub fn new(enabled: bool, duration: Duration) -> Self {
        AfterArm {
            deadline: enabled
                .then(|| Patience::lasting(duration).deadline())
                .flatten(),
            is_immediate: enabled && duration.is_zero(),
        }
    }

    /// Nothing to hand out: the time has passed.
    pub fn finish(self) {}
}

impl Operation for AfterArm {
    fn lock(&self) -> Option<&BiasedLock> {
        None
    }

    fn look(&self) -> Look {
        // The deadline of an immediate one may still be a moment ahead.
        let is_due = |deadline| self.is_immediate || deadline <= runtime::now();
        Look::ready_if(self.deadline.is_some_and(is_due))
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn peek(&self) -> bool {
        self.is_immediate
    }

    unsafe fn attempt(&mut self) -> Tried {
        match self.look() {
            Look::NotReady => Tried::NotReady,
            _ => Tried::Chosen(None),
        }
    }

    unsafe fn enqueue(&self, _: &Waiter, _: usize) {}

    unsafe fn dequeue(&self) {}

    fn settle(&mut self, _: Wake) -> bool {
        true
    }

    unsafe fn await_promised(&mut self, _: NonNull<Entry>, _: &'static Location<'static>) -> bool {
        unreachable!("promises are made to receivers")
    }
}

// ----- take -------------------------------------------------------------------------------

/// What `take` takes from.
#[diagnostic::on_unimplemented(
    message = "`take` needs an `Option`, found `{Self}`",
    label = "not an `Option`",
    note = "`send(ch, take slot)` moves the value out of `slot: Option<T>` if this send is \
            chosen; to send a plain value, write `send(ch, value)`"
)]
pub trait Slot {
    /// What the slot may hold.
    type Item;

    #[doc(hidden)]
    fn slot(&mut self) -> &mut Option<Self::Item>;
}

#[diagnostic::do_not_recommend]
impl<T> Slot for Option<T> {
    type Item = T;

    fn slot(&mut self) -> &mut Option<T> {
        self
    }
}

/// The slot of a `take` arm.
pub fn take_slot<S: Slot<Item = T> + ?Sized, T>(slot: &mut S) -> &mut Option<T> {
    slot.slot()
}

macro_rules! opaque_debug {
    ($($name:literal: $type:ty, <$($parameter:ident)?>;)+) => {
        $(
            impl$(<$parameter>)? fmt::Debug for $type {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.debug_struct($name).finish_non_exhaustive()
                }
            }
        )+
    };
}

opaque_debug! {
    "RecvArm": RecvArm<'_, T>, <T>;
    "SendArm": SendArm<'_, T>, <T>;
    "TakeArm": TakeArm<'_, T>, <T>;
    "AfterArm": AfterArm, <>;
    "ReceivingSide": ReceivingSide<'_, T>, <T>;
    "SendingSide": SendingSide<'_, T>, <T>;
    "Tried": Tried, <>;
}
