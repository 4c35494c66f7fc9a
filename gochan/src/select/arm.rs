//! The arms of a select.
//!
//! An arm stands on the stack of whoever selects. While that one waits, others reach the arm's
//! value and its queue entry through the channel; [`wait`](super::wait) sees to it that the arm
//! is in no queue any more when the select is over.

mod after;
mod promising;
mod receiving;
mod sending;

pub use after::AfterArm;
pub(super) use promising::{PromiseArm, keep_promise};
pub use receiving::RecvArm;
pub use sending::SendArm;
use sending::Source;

use crate::runtime;
use crate::wait::{BiasedLock, Entry, Parker, Waiter, Wake};
use std::fmt;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::time::Instant;

/// What an attempt at an arm came to.
pub enum Tried {
    /// The arm is chosen; a partner may have to be woken after all locks have been left.
    Chosen(Option<Parker>),
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

macro_rules! opaque_debug {
    ($($name:literal: $type:ty, <$($parameter:ident $(: $bound:path)?),*>;)+) => {
        $(
            impl<$($parameter $(: $bound)?),*> fmt::Debug for $type {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.debug_struct($name).finish_non_exhaustive()
                }
            }
        )+
    };
}

opaque_debug! {
    "RecvArm": RecvArm<'_, T>, <T>;
    "SendArm": SendArm<'_, T, S>, <T, S: Source<T>>;
    "AfterArm": AfterArm, <>;
    "Tried": Tried, <>;
}
