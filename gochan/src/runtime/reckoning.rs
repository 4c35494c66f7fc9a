//! The time, reckoned from the processor's counter.
//!
//! To ask the system for the time takes longer than all the rest that is done to set a timer, and
//! more than twice as long as to read the counter below it. So a worker that asks often *notes* both
//! now and then, and reckons on from there by the counter alone.
//!
//! The reckoned time is a [`Span`] in which the system's clock stands. A timer is set by its end and
//! fired by its beginning, so that none fires before its time, whatever the reckoning is worth; where
//! that leaves it open whether a timer is due, the clock itself is asked.
//!
//! It is worth this much: notes are [`HORIZON`] apart at most. How fast the counter runs is known from
//! notes further apart, to better than the thousandth part that is allowed for, in which there is room
//! too for a clock that is being adjusted (`adjtimex` does so by up to 0.05 %). A note that took long,
//! because the thread was kept from running in the middle of it, is not used. A counter that jumps,
//! as in a machine that slept, leaves the horizon or changes its speed, and both end the reckoning.
//!
//! There is such a counter on x86-64, where Linux itself goes by it: the kernel has made sure then
//! that all processors count alike, and at the same speed for ever.

use super::clock::{Clock, Nanos};
use std::cell::Cell;
use std::ops::Range;
use std::sync::LazyLock;

/// How long a note is good for.
const HORIZON: Nanos = 32_000;
/// The least time in which the speed of the counter is measured, and the longest.
const MEASURED: Range<Nanos> = 10_000_000..1_000_000_000;
/// How many cycles a note may take.
const MOST_CYCLES: u64 = 4096;
/// The part of what was reckoned by which it may be wrong: one of so many.
const PRECISION: u64 = 1024;
/// The part of a nanosecond in which speeds are given.
const SPEED_UNIT: u32 = 32;
/// The speeds that a counter may have, in such parts for a cycle: those of 10 GHz to 100 MHz.
const SPEEDS: Range<u64> = (1 << SPEED_UNIT) / 10..(1 << SPEED_UNIT) * 10;

/// Two times between which the clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) begin: Nanos,
    pub(super) end: Nanos,
}

impl Span {
    /// A time that is known exactly.
    pub(super) fn at(nanos: Nanos) -> Self {
        Span {
            begin: nanos,
            end: nanos,
        }
    }
}

/// The reckoning of one worker.
#[derive(Debug)]
pub(super) struct Reckoning {
    note: Cell<Note>,
    /// How long, in cycles, the note is good for; 0 while nothing is reckoned.
    horizon: Cell<u64>,
    /// What a cycle takes.
    speed: Cell<u64>,
    /// Where the measuring of the speed began.
    base: Cell<Option<Note>>,
    /// The last span that was told: neither end of one goes back.
    told: Cell<Span>,
}

/// What the counter and the clock said at the same time.
#[derive(Clone, Copy, Debug, Default)]
struct Note {
    /// The counter before the look at the clock.
    counter: u64,
    nanos: Nanos,
    /// How long the look took.
    took: Nanos,
}

impl Reckoning {
    pub(super) fn new() -> Self {
        Reckoning {
            note: Cell::default(),
            horizon: Cell::new(0),
            speed: Cell::new(0),
            base: Cell::new(None),
            told: Cell::new(Span { begin: 0, end: 0 }),
        }
    }

    /// The time on `clock`, which is the same one each time.
    #[inline]
    pub(super) fn read(&self, clock: &Clock) -> Span {
        let note = self.note.get();
        let cycles = counter().wrapping_sub(note.counter);
        if cycles >= self.horizon.get() {
            return self.look(clock);
        }
        let elapsed = (cycles * self.speed.get()) >> SPEED_UNIT;
        let error = elapsed / PRECISION + 1;
        let told = self.told.get();
        let now = note.nanos + elapsed;
        let span = Span {
            begin: now.saturating_sub(note.took + error).max(told.begin),
            end: (now + error).max(told.end),
        };
        self.told.set(span);
        span
    }

    /// Looks at the clock, and notes what it says.
    #[cold]
    pub(super) fn look(&self, clock: &Clock) -> Span {
        let before = counter();
        let nanos = clock.nanos();
        let cycles = counter().wrapping_sub(before);
        if is_usable() && !clock.is_virtual() && cycles < MOST_CYCLES {
            self.note(before, nanos, cycles);
        }
        let told = self.told.get();
        // What the clock itself says is not before what was reckoned to be over.
        let span = Span {
            begin: nanos.max(told.begin),
            end: nanos.max(told.end),
        };
        self.told.set(span);
        span
    }

    fn note(&self, counter: u64, nanos: Nanos, cycles: u64) {
        let mut note = Note {
            counter,
            nanos,
            took: 0,
        };
        self.measure(&note);
        let speed = self.speed.get();
        self.horizon.set(match speed {
            0 => 0,
            speed => (HORIZON << SPEED_UNIT) / speed,
        });
        note.took = ((cycles * speed) >> SPEED_UNIT) + 1;
        self.note.set(note);
    }

    /// Finds out what a cycle takes, if enough time has passed since it was last done.
    fn measure(&self, note: &Note) {
        let Some(base) = self.base.get() else {
            return self.base.set(Some(*note));
        };
        let passed = note.nanos.saturating_sub(base.nanos);
        if passed < MEASURED.start {
            return;
        }
        let cycles = note.counter.wrapping_sub(base.counter).max(1);
        let speed = (u128::from(passed) << SPEED_UNIT) / u128::from(cycles);
        let speed = u64::try_from(speed).unwrap_or(0);
        let known = self.speed.get();
        let is_steady = known == 0 || speed.abs_diff(known) < known / PRECISION;
        if !SPEEDS.contains(&speed) || !is_steady {
            self.speed.set(0);
            return self.base.set(Some(*note));
        }
        self.speed.set(speed);
        if passed > MEASURED.end {
            self.base.set(Some(*note));
        }
    }
}

/// Whether the counter can be reckoned by.
fn is_usable() -> bool {
    static IS_USABLE: LazyLock<bool> = LazyLock::new(|| {
        const IN_USE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
        cfg!(all(target_arch = "x86_64", target_os = "linux"))
            && std::fs::read_to_string(IN_USE).is_ok_and(|source| source.trim() == "tsc")
    });
    *IS_USABLE
}

/// The processor's counter of cycles.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn counter() -> u64 {
    // SAFETY: every processor of this kind has the counter, and systems let programs read it.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// No counter is known.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn counter() -> u64 {
    0
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// Reads for a while; says how often the time was reckoned.
    fn read_often(reckoning: &Reckoning, clock: &Clock, time: Duration) -> u64 {
        let end = Instant::now() + time;
        let (mut reckoned, mut last) = (0, Span { begin: 0, end: 0 });
        while Instant::now() < end {
            for _ in 0..1000 {
                let before = clock.nanos();
                let span = reckoning.read(clock);
                let after = clock.nanos();
                assert!(span.begin <= after, "{span:?} begins after {after}");
                assert!(before <= span.end, "{span:?} ends before {before}");
                assert!(last.begin <= span.begin && last.end <= span.end);
                if span.begin != span.end {
                    reckoned += 1;
                    assert!(span.end - span.begin < 2 * MOST_CYCLES, "{span:?}");
                }
                last = span;
            }
        }
        reckoned
    }

    #[test]
    fn the_clock_stands_in_the_span() {
        let (reckoning, clock) = (Reckoning::new(), Clock::monotonic());
        let reckoned = read_often(&reckoning, &clock, Duration::from_millis(500));
        assert_eq!(reckoned > 0, is_usable(), "{reckoning:?}");
        // Notes are not good for ever, however long nobody asks.
        std::thread::sleep(Duration::from_millis(50));
        read_often(&reckoning, &clock, Duration::from_millis(1));
    }

    #[test]
    fn a_counter_that_jumps_ends_the_reckoning() {
        let (reckoning, clock) = (Reckoning::new(), Clock::monotonic());
        for jump in [1_u64 << 40, 1 << 60] {
            read_often(&reckoning, &clock, Duration::from_millis(30));
            let note = reckoning.note.get();
            for counter in [
                note.counter.wrapping_add(jump),
                note.counter.wrapping_sub(jump),
            ] {
                reckoning.note.set(Note { counter, ..note });
                reckoning.base.set(reckoning.base.get().map(|base| {
                    Note {
                        counter: base
                            .counter
                            .wrapping_add(counter.wrapping_sub(note.counter)),
                        ..base
                    }
                }));
                read_often(&reckoning, &clock, Duration::from_millis(30));
            }
        }
    }

    #[test]
    fn a_virtual_clock_is_not_reckoned() {
        let (reckoning, clock) = (Reckoning::new(), Clock::virtual_time());
        for nanos in [0, 50_000_000, 100_000_000] {
            clock.advance_to(nanos);
            for _ in 0..3 {
                let span = reckoning.read(&clock);
                assert_eq!((span.begin, span.end), (nanos, nanos));
            }
        }
    }
}
