//! The turn of a goroutine: how much of it is left, and what the rest was used for.
//!
//! A turn does not end while the goroutine holds locks: who wants one of those would wait, with locks
//! of its own perhaps, for which others wait, and so on. Philosophers whose turns ended with a fork in
//! the hand ate one after the other, with two workers as with one. But it goes on for a millisecond at
//! most; in Go goroutines are interrupted every ten milliseconds, whatever they hold.

use std::cell::Cell;
use std::time::Duration;

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
    /// A lock is about to be taken; it counts as held.
    Lock,
    /// Anything else.
    Other,
}

/// For how long who holds locks runs on after a turn.
pub(super) const OVERTIME: Duration = Duration::from_millis(1);
/// After how many more operations it is looked at again. They are no multiple of the locks that a
/// goroutine is likely to take in each of its rounds, since then it would be looked at in the same
/// place of each.
const PROLONGATION: u32 = 7;

/// How many bits the counts of sends and of receives have.
const BITS: u32 = 9;
const COUNT: u32 = (1 << BITS) - 1;
/// One of the operations that are left.
const LEFT: u32 = 1 << 24;
/// One lock.
const HELD: u32 = 1 << (2 * BITS);
const SENT: u32 = 1 << BITS;
const RECEIVED: u32 = 1;

impl Operation {
    /// What is subtracted for it: one of those that are left, less what is to be added.
    #[inline]
    const fn cost(self) -> u32 {
        LEFT - match self {
            Operation::Send => SENT,
            Operation::Receive => RECEIVED,
            Operation::Lock => HELD,
            Operation::Other => 0,
        }
    }
}

/// How many locks a goroutine holds, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Locks(u8);

impl Locks {
    pub(super) const NONE: Locks = Locks(0);
    /// As many as are told apart. What looks like more is less than none.
    pub(super) const MOST: u8 = (LEFT / HELD / 2 - 1) as u8;

    pub(super) fn new(number: u8) -> Self {
        Locks(number)
    }

    pub(super) fn number(self) -> u8 {
        match self.0 {
            held @ 0..=Locks::MOST => held,
            _ => 0,
        }
    }

    fn bits(self) -> u32 {
        u32::from(self.0) * HELD
    }
}

/// Four counts in one word, since each operation counts here, in one instruction: from the top
/// down how many more operations there may be before the last, how many locks are held, how many
/// sends there were, and how many receives. The last operation leaves the word below zero.
///
/// Nothing but whose turn it is depends on it, so what does not fit into a count may go over into the
/// next one.
#[derive(Debug)]
pub(super) struct Turn(Cell<u32>);

impl Turn {
    const WHOLE: u32 = (OPERATIONS - 1) * LEFT;

    pub(super) const fn new() -> Self {
        Turn(Cell::new(Turn::WHOLE))
    }

    /// Begins a turn of a goroutine that holds so many locks.
    #[inline]
    pub(super) fn begin(&self, locks: Locks) {
        self.0.set(Turn::WHOLE + locks.bits());
    }

    /// How many locks are held.
    #[inline]
    pub(super) fn locks(&self) -> Locks {
        Locks((self.0.get() % LEFT / HELD) as u8)
    }

    /// Counts an operation; `true`: it was the last.
    #[inline]
    pub(super) fn count(&self, operation: Operation) -> bool {
        let (left, is_over) = self.0.get().overflowing_sub(operation.cost());
        self.0.set(left);
        is_over
    }

    /// Notes that a lock was left, or not taken after all.
    #[inline]
    pub(super) fn subtract_lock(&self) {
        self.0.set(self.0.get().wrapping_sub(HELD));
    }

    /// Whether the turn, which is used up, should go on because locks were held at its last operation.
    /// Where that found nothing others are likely to have to do something about it.
    pub(super) fn should_go_on(&self, last: Operation) -> bool {
        let least = match last {
            Operation::Other => return false,
            Operation::Lock => 2,
            Operation::Send | Operation::Receive => 1,
        };
        self.locks().number() >= least
    }

    /// Lets it go on for a while.
    pub(super) fn prolong(&self) {
        self.0.set((PROLONGATION - 1) * LEFT + self.locks().bits());
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

    /// Each round takes one lock within another one.
    #[test]
    fn a_turn_goes_on_while_locks_are_held() {
        for before in 0..4 {
            let turn = Turn::new();
            let mut ends = 0;
            (0..before).for_each(|_| _ = turn.count(Operation::Other));
            while ends == 0 {
                for held in 0..2 {
                    if turn.count(Operation::Lock) {
                        assert_eq!(turn.should_go_on(Operation::Lock), held > 0);
                        match held {
                            0 => ends += 1,
                            _ => turn.prolong(),
                        }
                    }
                }
                turn.subtract_lock();
                turn.subtract_lock();
                assert_eq!(turn.locks(), Locks::NONE);
            }
        }
    }

    #[test]
    fn only_locks_that_are_held_prolong_a_turn() {
        use Operation::{Lock, Other, Receive, Send};
        let turn = used_up(&[Send]);
        assert!([Send, Receive, Lock, Other].map(|last| turn.should_go_on(last)) == [false; 4]);
        turn.count(Lock);
        let goes_on = [Send, Receive, Lock, Other].map(|last| turn.should_go_on(last));
        assert_eq!(goes_on, [true, true, false, false]);
        turn.begin(turn.locks());
        turn.count(Lock);
        assert_eq!(turn.locks(), Locks(2));
        assert!(turn.should_go_on(Lock));
        // What was not taken is left.
        (0..3).for_each(|_| turn.subtract_lock());
        assert!(!turn.should_go_on(Send));
        assert!(!turn.count(Send));
    }

    #[test]
    fn a_turn_begins_anew() {
        let turn = used_up(&[Operation::Send]);
        turn.begin(Locks::NONE);
        assert!(!turn.is_one_sided());
        assert!(!turn.count(Operation::Receive));
    }
}
