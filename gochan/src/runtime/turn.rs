//! The turn of a goroutine: how much of it is left, and what the rest was used for.

use std::cell::Cell;

/// How many operations a goroutine may complete without parking before others get a turn.
pub(super) const OPERATIONS: u32 = 256;
/// So many of them make a one-sided turn.
const MOST: u32 = OPERATIONS / 4 * 3;

/// What a goroutine has completed without parking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
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
        self.most_of_a_kind() >= MOST
    }

    /// How many operations there were so far in a turn that is not used up, if most of them were
    /// sends, or most of them receives; else 0.
    pub(super) fn streamed(&self) -> u32 {
        let done = OPERATIONS - 1 - self.0.get() / LEFT;
        match self.most_of_a_kind() * OPERATIONS >= done * MOST {
            true => done,
            false => 0,
        }
    }

    fn most_of_a_kind(&self) -> u32 {
        let count = |unit: u32| (self.0.get() / unit) & COUNT;
        count(SENT).max(count(RECEIVED))
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
    fn a_turn_that_is_not_used_up_streams_if_it_is_one_sided() {
        let turn = Turn::new();
        assert_eq!(turn.streamed(), 0);
        (0..3).for_each(|_| _ = turn.count(Operation::Receive));
        turn.count(Operation::Send);
        assert_eq!(turn.streamed(), 4);
        turn.count(Operation::Other);
        assert_eq!(turn.streamed(), 0);
        (0..OPERATIONS - 6).for_each(|_| assert!(!turn.count(Operation::Send)));
        assert_eq!(turn.streamed(), OPERATIONS - 1);
    }

    #[test]
    fn a_turn_begins_anew() {
        let turn = used_up(&[Operation::Send]);
        turn.begin();
        assert!(!turn.is_one_sided());
        assert!(!turn.count(Operation::Receive));
    }
}
