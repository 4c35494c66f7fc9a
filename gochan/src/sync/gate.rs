//! A gate that is opened once.

use super::monitor::{Monitor, Place, Wait};
use crate::wait::atomic::const_unless_loom;
use crate::wait::{WaitQueue, Wake, WakeList};

/// Closed at first; whoever waits at it gets through when it is opened.
pub(super) struct Gate {
    state: Monitor<GateState>,
}

struct GateState {
    open: bool,
    waiting: WaitQueue,
}

impl Gate {
    const_unless_loom! {
        pub(super) fn new() -> Self {
            Gate {
                state: Monitor::new(GateState {
                    open: false,
                    waiting: WaitQueue::new(),
                }),
            }
        }
    }

    pub(super) fn open(&self) {
        let mut woken = WakeList::new();
        let mut state = self.state.lock();
        state.open = true;
        state.waiting.take_all(Wake::Done, &mut woken);
        drop(state);
        drop(woken);
    }

    /// Waits until the gate is open, in a destructor whatever happens to the runtime meanwhile.
    pub(super) fn pass(&self, mut wait: Wait) {
        loop {
            let state = self.state.lock();
            if state.open {
                return;
            }
            let wake = self.state.wait(
                state,
                |state| &mut state.waiting,
                Place::Last,
                &0,
                &wait,
                |_, _| {},
            );
            match wake {
                Wake::Done => return,
                Wake::DoneLate => return crate::unwind_cancelled(),
                _ => _ = wait.cancelled(),
            }
        }
    }
}
