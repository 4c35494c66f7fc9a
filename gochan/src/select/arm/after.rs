//! Arms that wait for a time.

use super::{Look, Operation, Tried};
use crate::runtime;
use crate::wait::{BiasedLock, Entry, Patience, Waiter, Wake};
use std::panic::Location;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

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
