//! What others may see of a worker while it is held still.

use super::Worker;
use crate::runtime::gate::Phase;
use crate::runtime::goroutine::{Goroutine, Identity};
use crate::wait::WaitReason;
use std::panic::Location;
use std::ptr;
use std::sync::atomic::Ordering;

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

    /// The goroutine that runs, once: it keeps others waiting, and is to be told of. Called while this
    /// worker is held still in a run.
    pub(in crate::runtime) fn note_hog(&self) -> Option<Identity> {
        // SAFETY: a goroutine that runs is alive.
        let record = unsafe { self.current.get().as_ref() }?;
        (!record.is_told_of.replace(true)).then(|| record.identity().clone())
    }
}
