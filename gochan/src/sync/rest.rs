//! Rounds of handing a [lock](super::raw_lock) over, and the rests between them.
//!
//! A lock that is handed over in the order in which its writers came is fair, and slow where more
//! threads than processors want it: each has to be woken and run for its turn, which takes
//! microseconds. By then all others have waited for long again, and it would be handed over for ever,
//! hundreds of times slower than those use it who run. So a round ends also when it has come to a
//! writer that was not there when it began, and the next one does not begin before four times as
//! much time has passed as it took, or a millisecond.
//!
//! It is the same with readers that are let in, and hold the lock from then on: if some of them have
//! no processor, the next writer waits until they had one. When a writer has waited for long, the
//! readers that wait, if no writer does, are for four times as long, or a millisecond, woken to try again
//! instead, except if one of them has waited for a millisecond.

use std::sync::LazyLock;
use std::time::Instant;

/// How many times as long as what is before it a rest lasts: a fifth of the time is given to those
/// that have to be woken, if there are always some.
const TIMES: u32 = 4;
/// How long it lasts at most, in microseconds. With Go's mutex too somebody may wait for a
/// millisecond before the lock is handed over.
const LONGEST: u32 = 1000;

/// A moment, in microseconds from somewhere; after 71 minutes they begin again. Other runtimes may
/// have clocks of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(u32);

impl Moment {
    /// One of the past.
    pub(super) const FIRST: Moment = Moment(0);

    pub(super) fn now() -> Self {
        Moment::from(crate::time::now())
    }

    fn is_before(self, other: Moment) -> bool {
        other.0.wrapping_sub(self.0).cast_signed() > 0
    }

    pub(super) fn earlier(self, other: Moment) -> Moment {
        if self.is_before(other) { self } else { other }
    }

    /// Whether who has waited since then has waited for so long that there is no rest any more.
    pub(super) fn is_too_long_ago(self) -> bool {
        Moment::now().0.wrapping_sub(self.0) >= LONGEST
    }
}

impl From<Instant> for Moment {
    fn from(instant: Instant) -> Self {
        static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        // In a model the clock stands still: it must not decide anything.
        Moment(match cfg!(all(test, loom)) {
            true => 0,
            false => instant.saturating_duration_since(*BEGIN).as_micros() as u32,
        })
    }
}

/// A time in which nobody is handed the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    until: Moment,
}

impl Rest {
    /// One that is over.
    pub(super) const NONE: Rest = Rest {
        until: Moment::FIRST,
    };
    /// In a model: one without an end.
    #[cfg(all(test, loom))]
    pub(super) const ENDLESS: Rest = Rest { until: Moment(1) };

    /// The one after something that has lasted from `began` until now.
    pub(super) fn after(began: Moment) -> Self {
        Rest::between(began, Moment::now())
    }

    fn between(began: Moment, now: Moment) -> Self {
        let lasted = now.0.wrapping_sub(began.0);
        let length = lasted.saturating_mul(TIMES).min(LONGEST);
        Rest {
            until: Moment(now.0.wrapping_add(length)),
        }
    }

    pub(super) fn goes_on(self) -> bool {
        self.goes_on_at(Moment::now())
    }

    fn goes_on_at(self, now: Moment) -> bool {
        (1..=LONGEST).contains(&self.until.0.wrapping_sub(now.0))
    }
}

/// Whether the lock is handed over from writer to writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Round {
    /// It is not, and not before the end of the rest.
    Over(Rest),
    /// It is, since then; `HAND_OVER` is set.
    GoesOn(Moment),
}

impl Round {
    /// Whether one goes on or may begin.
    pub(super) fn may_begin(self) -> bool {
        match self {
            Round::Over(rest) => !rest.goes_on(),
            Round::GoesOn(_) => true,
        }
    }

    /// Begins, unless it goes on.
    pub(super) fn begin(&mut self) {
        if let Round::Over(_) = self {
            *self = Round::GoesOn(Moment::now());
        }
    }

    /// Whether it goes on and began before then.
    pub(super) fn began_before(self, then: Moment) -> bool {
        matches!(self, Round::GoesOn(began) if began.is_before(then))
    }

    /// Ends, if it goes on.
    pub(super) fn end(&mut self) {
        if let Round::GoesOn(began) = *self {
            *self = Round::Over(Rest::after(began));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// It takes some times as long as what was before, but not longer than is promised; also where
    /// the clock begins again.
    #[test]
    fn a_rest_ends() {
        for (began, lasted, length) in [
            (7, 100, 400),
            (7, LONGEST / 2, LONGEST),
            (u32::MAX - 9, 100, 400),
        ] {
            let at = |offset| Moment(u32::wrapping_add(began, offset));
            let rest = Rest::between(at(0), at(lasted));
            for (offset, goes_on) in [(0, true), (length - 1, true), (length, false)] {
                assert_eq!(rest.goes_on_at(at(lasted + offset)), goes_on, "{offset}");
            }
            // Another runtime's clock may be anywhere.
            let behind = Moment(at(lasted + length).0.wrapping_sub(LONGEST + 1));
            assert!(!rest.goes_on_at(behind));
            assert!(at(0).is_before(at(1)) && !at(0).is_before(at(0)) && !at(1).is_before(at(0)));
        }
        assert!(!Rest::NONE.goes_on());
    }

    #[test]
    fn a_round_is_followed_by_a_rest() {
        let mut round = Round::Over(Rest::NONE);
        assert!(round.may_begin(), "none was yet");
        let before = Moment::now();
        round.begin();
        let Round::GoesOn(began) = round else {
            panic!("it goes on");
        };
        assert!(round.may_begin() && !round.began_before(before));
        assert!(round.began_before(Moment(began.0.wrapping_add(1))));
        round.begin();
        assert_eq!(round, Round::GoesOn(began));
        round.end();
        let Round::Over(rest) = round else {
            panic!("it is over");
        };
        assert!(rest == Rest::NONE || !rest.until.is_before(began));
        round.end();
        assert_eq!(round, Round::Over(rest));
    }
}
