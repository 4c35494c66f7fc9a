//! How goroutines end: one by one, and all that are left with their runtime.

use super::Worker;
use super::idle::NAPS;
use crate::runtime::goroutine::{Goroutine, Interrupt};
use crate::runtime::mailbox::Mailbox;
use crate::runtime::spawn::drop_in_goroutine;
use crate::wait::Waiter;
use std::ptr::NonNull;

impl Worker {
    /// Ends what has not started and waits for what is left. True: nothing is left here.
    pub(super) fn wind_up(&self) -> bool {
        let unstarted = self.mailbox.start_queue.close();
        while let Some(goroutine) = unstarted.pop() {
            self.end_unstarted(goroutine);
        }
        if self.has_local_work() {
            return false;
        }
        // Others may wait for what the timers here send, so these are the last to go.
        let timers_may_go = || {
            let is_idle = |worker: &&'static Mailbox| worker.load() == 0;
            self.mailbox.timers.earliest().is_none() || self.shared.workers.iter().all(is_idle)
        };
        if self.live.get().is_null() && timers_may_go() {
            let Some(unfired) = self.mailbox.timers.close() else {
                return true;
            };
            // SAFETY: the timers of a worker borrow nothing.
            unsafe { drop_in_goroutine(self, unfired.site(), None, unfired) };
            return false;
        }
        // Those left wait for others, who are unwinding on other workers or in helper threads.
        self.fire_timers();
        self.sleep(|| self.nap(NAPS.1));
        false
    }

    /// Ends a goroutine that was taken out of a start queue, at the end of the runtime: it starts, to
    /// drop what it captured.
    pub(super) fn end_unstarted(&self, goroutine: NonNull<Goroutine>) {
        self.mailbox.note_living();
        self.execute(goroutine);
    }

    /// Tells every living goroutine to unwind: one that runs does so when it next waits or yields, or
    /// finds a channel closed; the parked ones do so one after the other, each until it has ended
    /// or parks again in a destructor.
    pub(super) fn cancel_all(&self) {
        // First mark all, so that whoever is woken by an unwinding one knows.
        let mut one = self.live.get();
        // SAFETY: the living are alive.
        while let Some(record) = unsafe { one.as_ref() } {
            record.cancelled.set(true);
            one = record.next.get();
        }
        // A resumed goroutine may end any other one's wait but cannot end another goroutine, so
        // the neighbour that was read before stays alive unless it is the one that is resumed.
        let mut one = self.live.get();
        while let Some(goroutine) = NonNull::new(one.cast_mut()) {
            // SAFETY: the living are alive.
            let record = unsafe { goroutine.as_ref() };
            one = record.next.get();
            // SAFETY: a goroutine that is not running points to the waiter on its stack.
            let cancellable =
                unsafe { record.waiting.get().as_ref() }.is_some_and(Waiter::is_cancellable);
            if cancellable {
                self.interrupt(goroutine, Interrupt::Cancelled);
            }
        }
    }
}

/// Tells those who wait for a goroutine that it has ended, and gives up the runtime's reference.
#[inline]
pub(in crate::runtime) fn dismiss(goroutine: NonNull<Goroutine>) {
    // SAFETY: the runtime's reference is given up below.
    let record = unsafe { goroutine.as_ref() };
    // Without a handle nobody can be waiting.
    if record.has_handle() {
        record.completion().end();
    }
    let scope = record.scope;
    // SAFETY: this is the runtime's reference, and the goroutine is in no queue or list.
    unsafe { Goroutine::release(goroutine) };
    // Only now nothing of the goroutine is left that could borrow from the scope's frame.
    if let Some(scope) = scope {
        // SAFETY: every goroutine is dismissed once.
        unsafe { scope.goroutine_ended() };
    }
}
