//! Pauses of threads that have met at a lock, in which the others use it undisturbed.
//!
//! Who takes a lock's cache line away from another thread costs both the time of its trips between
//! the processors, so a thread pauses before it looks again, and twice as long each time that it
//! meets others again soon. How long the first pause should be depends on how long a trip takes:
//! where that is a few instructions, all do best if nobody waits for long; where it is a tenth of a
//! microsecond, if each has the line for itself for a while. Both happen on one machine, where
//! a guest's processors are moved about, so each thread measures it.

use crate::runtime;
use crate::wait::atomic::{AtomicUsize, Ordering, spin_loop};
use std::cell::Cell;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The first pause where trips are short, and where they are long.
const FIRST: (Duration, Duration) = (Duration::from_nanos(50), Duration::from_micros(8));
/// The longest pause.
pub(super) const LONGEST: Duration = Duration::from_micros(32);
/// What is soon after a pause, in addition to twice the pause. Where threads meet less often they
/// lose less by that than by waiting for each other.
const SOON: Duration = Duration::from_nanos(400);

/// A trip that takes longer, in the mean, is a long one.
const LONG_TRIP: Duration = Duration::from_nanos(50);
/// One trip is one part of so many of the mean.
const PARTS: u32 = 4;
/// What takes longer was not a trip alone, because the thread did not run for a while. One such trip
/// does not make the mean a long one.
const LONGEST_TRIP: Duration = LONG_TRIP.saturating_mul(PARTS);
/// After one in so many pauses a trip is measured. That delays the look that follows, which finds the
/// lock free less often then.
const MEASURED: u32 = 16;

thread_local! {
    static EXPERIENCE: Cell<Experience> = const { Cell::new(Experience::NONE) };
}

/// What a thread knows from its last pauses.
#[derive(Clone, Copy)]
struct Experience {
    /// How long the last one was to be, and when it was over, unless it was in vain.
    last: Option<(Duration, Instant)>,
    /// How long a trip takes, in the mean.
    trip: Duration,
    /// How many pauses there are until a trip is measured.
    until_measured: u32,
}

impl Experience {
    const NONE: Self = Experience {
        last: None,
        trip: Duration::ZERO,
        until_measured: MEASURED,
    };

    /// How long a pause that begins at `start` is to be.
    fn next_pause(&self, start: Instant, longest: Duration) -> Duration {
        match self.last {
            Some((last, over)) if start.saturating_duration_since(over) < SOON + last * 2 => {
                (last * 2).min(longest)
            }
            _ if self.trip > LONG_TRIP => FIRST.1,
            _ => FIRST.0,
        }
    }

    /// Whether a trip is to be measured after this pause.
    fn measures(&mut self) -> bool {
        self.until_measured -= 1;
        let measures = self.until_measured == 0;
        if measures {
            self.until_measured = MEASURED;
        }
        measures
    }

    fn note_trip(&mut self, trip: Duration) {
        self.trip = (self.trip * (PARTS - 1) + trip.min(LONGEST_TRIP)) / PARTS;
    }
}

/// Pauses, for at most `longest` unless a first pause is longer, before a look at the `word` of
/// a lock. Says for how long.
///
/// Its measure is the clock, because a pause of the processor takes from ten to more than a hundred
/// cycles.
pub(super) fn pause(longest: Duration, word: &AtomicUsize) -> Duration {
    let start = Instant::now();
    let mut experience = EXPERIENCE.get();
    let duration = experience.next_pause(start, longest);
    let searching = runtime::searching_workers();
    loop {
        spin_loop();
        let now = Instant::now();
        let paused = now - start;
        // Whom this pause is for may wait for the calling thread by now.
        let in_vain = runtime::searching_workers() > searching;
        if paused >= duration || in_vain {
            experience.last = (!in_vain).then_some((duration, now));
            if experience.measures() {
                experience.note_trip(time_to_look(word, now));
            }
            EXPERIENCE.set(experience);
            runtime::discount(paused);
            return paused;
        }
    }
}

/// How long it takes to load the `word`, which begins at `start`: a trip, if another thread has
/// written to it.
fn time_to_look(word: &AtomicUsize, start: Instant) -> Duration {
    black_box(word.load(Ordering::Relaxed));
    let seen = Instant::now();
    let clock = seen.elapsed();
    (seen - start).saturating_sub(clock)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_twice_the_one_before_if_that_was_a_moment_ago() {
        let now = Instant::now();
        let mut experience = Experience::NONE;
        assert_eq!(experience.next_pause(now, LONGEST), FIRST.0);
        experience.last = Some((LONGEST / 2, now));
        assert_eq!(experience.next_pause(now, LONGEST), LONGEST);
        assert_eq!(experience.next_pause(now, LONGEST / 4), LONGEST / 4);
        let late = now + LONGEST + SOON;
        assert_eq!(experience.next_pause(late, LONGEST), FIRST.0);
        let soon = late - Duration::from_nanos(1);
        assert_eq!(experience.next_pause(soon, LONGEST), LONGEST);
    }

    #[test]
    fn first_pauses_are_long_while_trips_are() {
        let now = Instant::now();
        let mut experience = Experience::NONE;
        let mut pause_after = |trip: Duration, times: u32| {
            for _ in 0..times {
                experience.note_trip(trip);
            }
            experience.next_pause(now, LONGEST)
        };
        let (short, long) = (LONG_TRIP / 5, LONG_TRIP * 2);
        assert_eq!(pause_after(short, 10), FIRST.0);
        assert_eq!(
            pause_after(long, 1),
            FIRST.0,
            "a single one is not the rule"
        );
        assert_eq!(pause_after(long, 10), FIRST.1);
        assert_eq!(pause_after(short, 10), FIRST.0);
        assert_eq!(pause_after(Duration::ZERO, 100), FIRST.0);
        let interrupted = Duration::from_millis(1);
        assert_eq!(pause_after(interrupted, 1), FIRST.0);
    }

    #[test]
    fn one_in_so_many_pauses_measures() {
        let mut experience = Experience::NONE;
        let measured = (0..MEASURED * 3).filter(|_| experience.measures());
        assert_eq!(measured.count(), 3);
    }

    /// What nobody else has written to is here already.
    #[test]
    fn to_look_at_what_is_here_takes_no_trip() {
        let word = AtomicUsize::new(0);
        let mut times = (0..1001)
            .map(|_| {
                word.store(1, Ordering::Relaxed);
                time_to_look(&word, Instant::now())
            })
            .collect::<Vec<_>>();
        times.sort();
        assert!(times[500] <= LONG_TRIP, "{:?}", times[500]);
    }
}
