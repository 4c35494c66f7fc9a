//! Where everything in this module waits: a state, the queues of those who wait for it to
//! change, and the short lock around both.
//!
//! Each type keeps what it needs in the state and says by functions on it who is to be served;
//! how somebody waits, gives up, or is told that its runtime ends is written here, once.

use crate::runtime::Running;
use crate::wait::atomic::const_unless_loom;
use crate::wait::{
    BiasedGuard, BiasedMutex, Entry, Patience, WaitFrame, WaitQueue, WaitReason, Waiter, Wake,
    WakeList,
};
use std::panic::Location;
use std::ptr;

/// See the module's text. No user code may run while its lock is held.
pub(super) struct Monitor<S> {
    state: BiasedMutex<S>,
}

/// How somebody waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) reason: WaitReason,
    pub(super) location: &'static Location<'static>,
    pub(super) patience: Patience,
    /// Whether the end of the runtime does not end the wait either.
    pub(super) to_the_end: bool,
}

impl Wait {
    #[inline]
    pub(super) fn new(
        reason: WaitReason,
        location: &'static Location<'static>,
        patience: Patience,
    ) -> Self {
        Wait {
            reason,
            location,
            patience,
            to_the_end: false,
        }
    }

    /// What to do when the end of the runtime has ended this wait: unwinds the goroutine, unless
    /// it unwinds already. A destructor without a deadline then has to wait to the end: there is
    /// no result by which it could be told that it did not get what it waited for.
    #[cold]
    pub(super) fn cancelled(&mut self) -> Cancelled {
        crate::unwind_cancelled();
        if self.patience.deadline().is_some() {
            return Cancelled::GiveUp;
        }
        self.to_the_end = true;
        Cancelled::WaitOn
    }
}

/// What a destructor does whose wait was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancelled {
    GiveUp,
    WaitOn,
}

/// Where in a queue somebody is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Last,
    /// For those who have waited already.
    First,
}

impl<S> Monitor<S> {
    const_unless_loom! {
        pub(super) fn new(state: S) -> Self {
            Monitor {
                state: BiasedMutex::new(state),
            }
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> BiasedGuard<'_, S> {
        self.state.lock()
    }

    /// Puts the caller into one of the queues, leaves the lock and waits.
    ///
    /// `request` is what those who look at the queue are to know of the caller (see
    /// [`Monitor::request`]). `withdrawn` is called under the lock when the wait ends without
    /// anybody having served it, after the caller has left the queue.
    ///
    /// Who serves the caller says [`Wake::Done`] or [`Wake::Retry`]; [`Wake::TimedOut`] and
    /// [`Wake::Cancelled`] mean that `withdrawn` was called.
    pub(super) fn wait(
        &self,
        state: BiasedGuard<'_, S>,
        queue: fn(&mut S) -> &mut WaitQueue,
        place: Place,
        request: &usize,
        wait: &Wait,
        withdrawn: impl FnMut(&mut S, &mut WakeList),
    ) -> Wake {
        self.wait_after(state, queue, place, request, wait, || {}, withdrawn)
    }

    /// As [`Monitor::wait`]; `before_parking` is called when the caller stands in the queue and
    /// the lock has been left.
    #[expect(
        clippy::too_many_arguments,
        reason = "each says one thing about the wait"
    )]
    #[inline]
    pub(super) fn wait_after(
        &self,
        mut state: BiasedGuard<'_, S>,
        queue: fn(&mut S) -> &mut WaitQueue,
        place: Place,
        request: &usize,
        wait: &Wait,
        before_parking: impl FnOnce(),
        mut withdrawn: impl FnMut(&mut S, &mut WakeList),
    ) -> Wake {
        let mut has_withdrawn = false;
        let wake = Waiter::with(wait.reason, wait.location, |waiter| {
            if wait.to_the_end {
                waiter.refuse_cancel();
            }
            let entry = Entry::new();
            entry.assign(waiter, 0, ptr::from_ref(request).cast_mut().cast());
            // SAFETY: the entry stays on this frame until the wait has ended, and the wait ends
            // only when the entry has left the queue.
            unsafe {
                match place {
                    Place::Last => queue(&mut state).push(&entry),
                    Place::First => queue(&mut state).push_first(&entry),
                }
            }
            drop(state);
            before_parking();
            waiter.wait(wait.patience.deadline(), || {
                // SAFETY: the entry was put into this queue above, and into no other.
                has_withdrawn = unsafe { self.withdraw(&entry, queue, &mut withdrawn) };
                has_withdrawn
            })
        });
        told_how(wake, has_withdrawn)
    }

    /// As [`Monitor::wait_after`] of a goroutine without a time limit that asks for nothing, in
    /// steps: this one puts it into the queue, as the last, and leaves the lock; then follow
    /// [`Waiter::begin`] and [`WaitFrame::finish`], which may call [`Monitor::end_wait`].
    ///
    /// # Safety
    /// As for [`WaitFrame::set_waiter`].
    #[inline]
    pub(super) unsafe fn enqueue<'a>(
        &self,
        mut state: BiasedGuard<'_, S>,
        queue: fn(&mut S) -> &mut WaitQueue,
        frame: &'a WaitFrame,
        running: Running,
        wait: &Wait,
    ) -> &'a Waiter {
        const NOTHING: &usize = &0;
        // SAFETY: the caller's promise; the wait ends only when the entry has left the queue.
        unsafe {
            let waiter = frame.set_waiter(running.goroutine(), wait.reason, wait.location);
            if wait.to_the_end {
                waiter.refuse_cancel();
            }
            let entry = frame.set_entry(waiter, ptr::from_ref(NOTHING).cast_mut().cast());
            queue(&mut state).push(entry);
            waiter
        }
    }

    /// See [`Monitor::enqueue`]; `switched` says whether there was a switch, and `withdrawn` is as
    /// for [`Monitor::wait`].
    ///
    /// # Safety
    /// The wait has begun in this frame and this queue.
    pub(super) unsafe fn end_wait(
        &self,
        frame: &WaitFrame,
        switched: bool,
        queue: fn(&mut S) -> &mut WaitQueue,
        mut withdrawn: impl FnMut(&mut S, &mut WakeList),
    ) -> Wake {
        // SAFETY: the caller's promise.
        let (waiter, entry) = unsafe { (frame.waiter(), frame.entry()) };
        let mut has_withdrawn = false;
        let wake = waiter.end(switched, || {
            // SAFETY: the caller's promise.
            has_withdrawn = unsafe { self.withdraw(entry, queue, &mut withdrawn) };
            has_withdrawn
        });
        told_how(wake, has_withdrawn)
    }

    /// Takes the entry out of the queue, if nobody has served it.
    ///
    /// # Safety
    /// It was put into this queue, and into no other.
    unsafe fn withdraw(
        &self,
        entry: &Entry,
        queue: fn(&mut S) -> &mut WaitQueue,
        withdrawn: &mut impl FnMut(&mut S, &mut WakeList),
    ) -> bool {
        let mut woken = WakeList::new();
        let mut state = self.lock();
        // SAFETY: the caller's promise.
        let has_withdrawn = unsafe { queue(&mut state).remove(entry) };
        if has_withdrawn {
            withdrawn(&mut state, &mut woken);
        }
        drop(state);
        drop(woken);
        has_withdrawn
    }

    /// What the first in a queue asks for, if somebody waits there.
    #[inline]
    pub(super) fn request(queue: &WaitQueue) -> Option<usize> {
        // SAFETY: a queued entry stands on the frame of `wait_after`, which has the request by
        // reference.
        queue
            .first()
            .map(|entry| unsafe { *entry.slot().cast::<usize>() })
    }
}

/// How a wait has ended: who was told to try again before it was told that the runtime ends does
/// so, because whoever told it counts on that.
fn told_how(wake: Wake, has_withdrawn: bool) -> Wake {
    match wake {
        Wake::Cancelled if !has_withdrawn => Wake::Retry,
        wake => wake,
    }
}
