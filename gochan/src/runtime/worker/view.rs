//! What others may see of a worker while it is held still.

use super::Worker;
use crate::runtime::gate::Phase;
use crate::runtime::goroutine::Goroutine;
use crate::wait::WaitReason;
use std::panic::Location;
use std::ptr;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What a goroutine does, as far as its worker knows.
#[derive(Clone, Copy, Debug)]
pub(in crate::runtime) enum Standing {
    Running,
    Runnable,
    Waiting(WaitReason, &'static Location<'static>),
}

impl Worker {
    /// What this worker is doing; asked by its own thread.
    pub(in crate::runtime) fn own_phase(&self) -> Phase {
        self.mailbox.gate.0.glimpse().0
    }

    /// Calls `see` for every goroutine that has started here and not ended, while this worker is
    /// held still in `phase`, or by its own thread.
    pub(in crate::runtime) fn survey(
        &self,
        phase: Phase,
        mut see: impl FnMut(&Goroutine, Standing),
    ) {
        let mut one = self.live.get();
        // SAFETY: the living are alive, and none ends as long as the worker is held.
        while let Some(record) = unsafe { one.as_ref() } {
            let runs = phase == Phase::Run && ptr::eq(one, self.current.get());
            // SAFETY: a goroutine that does not run points to the waiter on its stack; one that
            // runs is not asked.
            let standing = match unsafe { (!runs).then(|| record.waiting.get().as_ref()).flatten() }
            {
                _ if runs => Standing::Running,
                Some(waiter) if !record.is_ready.load(Ordering::Relaxed) => {
                    Standing::Waiting(waiter.reason(), waiter.location())
                }
                _ => Standing::Runnable,
            };
            see(record, standing);
            one = record.next.get();
        }
    }

    /// Prints that the goroutine which runs keeps others waiting; once for each. Called while this
    /// worker is held still in a run.
    pub(in crate::runtime) fn tell_of_hog(&self, running_for: Duration) {
        // SAFETY: a goroutine that runs is alive.
        let Some(record) = (unsafe { self.current.get().as_ref() }) else {
            return;
        };
        if !record.is_told_of.replace(true) {
            eprintln!(
                "gochan: {} has been running for {running_for:.0?} without a break; the other \
                 goroutines of its worker wait. Let it call gochan::yield_now() now and then, and \
                 wrap what blocks the thread in gochan::blocking(|| …).",
                record.identity()
            );
        }
    }
}
