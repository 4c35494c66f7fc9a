//! The turn of a goroutine: how much of it is left, and what the rest was used for.

use std::cell::Cell;

/// How many operations a goroutine may complete without parking before others get a turn.
const OPERATIONS: u32 = 256;
/// So many of them make a one-sided turn.
const MOST: u32 = OPERATIONS / 4 * 3;

/// What a goroutine has completed without parking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A value was sent.
    Send,
    /// A value was received.
    Receive,
    /// Anything else.
    Other,
}

/// How many bits the counts of sends and of receives have.
const BITS: u32 = 11;
const COUNT: u32 = (1 << BITS) - 1;
/// One of the operations that are left.
const LEFT: u32 = 1 << (2 * BITS);
const SENT: u32 = 1 << BITS;
const RECEIVED: u32 = 1;

impl Operation {
    /// What is subtracted for it: one of those that are left, less what is to be added.
    #[inline]
    const fn cost(self) -> u32 {
        LEFT - match self {
            Operation::Send => SENT,
            Operation::Receive => RECEIVED,
            Operation::Other => 0,
        }
    }
}

/// Three counts in one word, since each operation counts here, in one instruction: from the top
/// down how many more operations there may be before the last, how many sends there were, and how
/// many receives. The last operation leaves the word below zero.
#[derive(Debug)]
pub(super) struct Turn(Cell<u32>);

impl Turn {
    const WHOLE: u32 = (OPERATIONS - 1) * LEFT;

    pub(super) const fn new() -> Self {
        Turn(Cell::new(Turn::WHOLE))
    }

    /// Begins a turn.
    #[inline]
    pub(super) fn begin(&self) {
        self.0.set(Turn::WHOLE);
    }

    /// Counts an operation; `true`: it was the last.
    #[inline]
    pub(super) fn count(&self, operation: Operation) -> bool {
        let (left, is_over) = self.0.get().overflowing_sub(operation.cost());
        self.0.set(left);
        is_over
    }

    /// Whether most of a turn that was used up was spent on sends, or most of it on receives.
    pub(super) fn is_one_sided(&self) -> bool {
        let counts = self.0.get();
        let count = |unit: u32| (counts / unit) & COUNT;
        count(SENT) >= MOST || count(RECEIVED) >= MOST
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Uses up a turn with the given operations, again and again.
    fn used_up(operations: &[Operation]) -> Turn {
        let turn = Turn::new();
        let count = operations.iter().cycle().position(|&one| turn.count(one));
        assert_eq!(count, Some(OPERATIONS as usize - 1));
        turn
    }

    #[test]
    fn who_only_sends_or_only_receives_has_a_partner() {
        use Operation::{Other, Receive, Send};
        for one_sided in [&[Send][..], &[Receive], &[Send, Send, Send, Other]] {
            assert!(used_up(one_sided).is_one_sided(), "{one_sided:?}");
        }
        for alone in [
            &[Send, Receive][..],
            &[Other],
            &[Send, Other],
            &[Send, Receive, Receive],
        ] {
            assert!(!used_up(alone).is_one_sided(), "{alone:?}");
        }
    }

    #[test]
    fn a_turn_begins_anew() {
        let turn = used_up(&[Operation::Send]);
        turn.begin();
        assert!(!turn.is_one_sided());
        assert!(!turn.count(Operation::Receive));
    }
}
