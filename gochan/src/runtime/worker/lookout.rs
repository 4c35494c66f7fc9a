//! What an idle worker sees of the start queues of the others, and whether some of what waits there
//! is to be taken.

use crate::runtime::mailbox::Mailbox;
use std::time::{Duration, Instant};

/// A goroutine that has not started is taken by an idle worker with fewer goroutines when it has
/// waited this long.
const PATIENCE: Duration = Duration::from_micros(15);
/// When it has waited this long, any idle worker takes it: its own worker is kept by one that
/// computes.
const LONG_PATIENCE: Duration = Duration::from_millis(5);
/// When in so many looks in a row, over so long a time, some have waited, one is taken even though
/// none waits long: their worker is always at it, and yet there is always another one. A single
/// goroutine that starts the next and ends leaves none for a moment each time.
const STEADY: (u32, Duration) = (8, Duration::from_millis(1));
/// Where goroutines divide their work among others as many wait to start as there are levels left,
/// more or less. Of so many the oldest is worth taking at once: the newest is perhaps a hundredth of
/// it.
const LEVELS: usize = 8;
/// So many that wait to start are shared out even though their worker is starting them.
const BACKLOG: usize = 32;
/// Where so many wait, and the oldest has waited for so long, they are shared out even if they only
/// talk: each of them does little, but all together are much.
const CROWD: (usize, Duration) = (256, Duration::from_micros(500));

/// Why some of what waits on a worker may be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backlog {
    /// The oldest has waited too long, or many wait.
    Waiting,
    /// Very many wait, the oldest for long.
    Crowd,
    /// There have been some all the time, though the worker starts them.
    Steady,
    /// The oldest is a large part of something that divides its work.
    Divided,
    /// The oldest has waited very long.
    Stuck,
}

/// What a worker, the watcher, has seen of the others' start queues.
pub(super) struct Lookout {
    /// By the indices of the workers.
    seen: Vec<Seen>,
    /// The index of the watcher.
    own: usize,
    /// The index of the worker behind the one that was named last. Looks begin there, so that one of
    /// which nothing can be taken hides no other.
    next: usize,
}

/// What was seen of a start queue.
struct Seen {
    /// How many had been taken. It is brought up to date when the watcher takes some itself.
    taken: usize,
    /// Two times, the earlier one first, and how many had been put in by then, at least. As long as not
    /// all of these have been taken, the oldest in the queue has waited since.
    waiting: [(Instant, usize); 2],
    /// In how many looks in a row some have waited, and when the first of them was.
    in_a_row: (u32, Instant),
    /// When nobody that waited could be taken.
    refused: Option<Instant>,
}

impl Seen {
    /// An empty queue, of which so many have been taken: nobody has waited there.
    fn empty(taken: usize, now: Instant) -> Self {
        Seen {
            taken,
            waiting: [(now, taken); 2],
            in_a_row: (0, now),
            refused: None,
        }
    }
}

/// How many have been put in, and a time by which they had been. The clock is asked afterwards: if the
/// watcher does not run for a while in between, they have waited for longer, not for less.
fn pushed_by_now(worker: &Mailbox, clock: impl Fn() -> Instant) -> (Instant, usize) {
    let pushed = worker.start_queue.pushed();
    (clock(), pushed)
}

impl Lookout {
    pub(super) fn new(workers: &[&'static Mailbox], own: usize, now: Instant) -> Self {
        Lookout {
            seen: workers
                .iter()
                .map(|worker| Seen::empty(worker.start_queue.taken(), now))
                .collect(),
            own,
            next: 0,
        }
    }

    /// Looks follow each other from now on: what was seen before the watcher was busy, or slept, is
    /// no part of the row.
    pub(super) fn begin_row(&mut self, now: Instant) {
        for seen in &mut self.seen {
            seen.in_a_row = (0, now);
        }
    }

    /// A worker of which some may be taken, and why.
    pub(super) fn overdue(
        &mut self,
        workers: &[&'static Mailbox],
        clock: impl Fn() -> Instant,
    ) -> Option<(usize, Backlog)> {
        let found = self.overdue_from(self.next, workers, clock);
        if let Some((index, _)) = found {
            self.next = index + 1;
        }
        found
    }

    fn overdue_from(
        &mut self,
        first: usize,
        workers: &[&'static Mailbox],
        clock: impl Fn() -> Instant,
    ) -> Option<(usize, Backlog)> {
        let now = clock();
        let all = workers.iter().enumerate();
        for (index, worker) in all.cycle().skip(first).take(workers.len()) {
            let seen = &mut self.seen[index];
            let taken = worker.start_queue.taken();
            let len = worker.start_queue.len();
            let moves = taken != seen.taken && len < BACKLOG;
            if taken >= seen.waiting[0].1 {
                seen.waiting[0] = seen.waiting[1];
            }
            let (since, pushed) = seen.waiting[0];
            let (waited, is_served) = (now - since, moves || taken >= pushed);
            if index == self.own || len == 0 {
                *seen = Seen::empty(taken, now);
                continue;
            }
            let (looks, first) = seen.in_a_row;
            seen.in_a_row.0 = looks.saturating_add(1);
            if !is_served && waited >= PATIENCE {
                let backlog = if waited >= LONG_PATIENCE {
                    Backlog::Stuck
                } else if len >= CROWD.0 && waited >= CROWD.1 {
                    Backlog::Crowd
                } else {
                    Backlog::Waiting
                };
                return Some((index, backlog));
            }
            if looks >= STEADY.0 && now - first >= STEADY.1 {
                seen.in_a_row = (0, now);
                return Some((index, Backlog::Steady));
            }
            if is_served {
                seen.taken = taken;
                seen.waiting = [pushed_by_now(worker, &clock); 2];
            }
            // Each try holds up the worker, which has the lock for itself otherwise.
            let was_refused = seen.refused.is_some_and(|at| now - at < PATIENCE);
            if len >= LEVELS && worker.start_queue.divides() && !was_refused {
                return Some((index, Backlog::Divided));
            }
        }
        None
    }

    /// Notes that the watcher has taken so many: that does not mean that their worker is at it.
    pub(super) fn note_theft(
        &mut self,
        index: usize,
        victim: &Mailbox,
        clock: impl Fn() -> Instant,
        count: usize,
    ) {
        let seen = &mut self.seen[index];
        seen.taken = victim.start_queue.taken();
        seen.waiting[1] = pushed_by_now(victim, clock);
        seen.refused = (count == 0).then_some(seen.waiting[1].0);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::runtime::goroutine::tests::{drop_unstarted, unstarted};
    use crate::runtime::placement::Site;
    use std::cell::Cell;

    static SITE: Site = Site::new();

    fn push(worker: &Mailbox, run: u64) {
        let goroutine = unstarted(run, &SITE, false);
        // SAFETY: it is in no queue.
        assert!(unsafe { worker.start_queue.push(goroutine, Some(run)) });
    }

    fn workers(number: usize) -> Vec<&'static Mailbox> {
        let workers: Vec<&'static Mailbox> = (0..number)
            .map(|_| &*Box::leak(Box::new(Mailbox::new())))
            .collect();
        workers.iter().for_each(|worker| worker.start_queue.open());
        workers
    }

    fn clear(worker: &Mailbox) {
        while let Some(goroutine) = worker.start_queue.pop() {
            drop_unstarted(goroutine);
        }
    }

    #[test]
    fn of_what_divides_its_work_an_old_part_is_taken_at_once() {
        static DIVIDES: Site = Site::that_divides();
        let (workers, now) = (workers(2), Instant::now());
        for (site, backlog) in [(&SITE, None), (&DIVIDES, Some((0, Backlog::Divided)))] {
            let mut lookout = Lookout::new(&workers, 1, now);
            for level in 1..=LEVELS as u64 {
                assert_eq!(lookout.overdue(&workers, || now), None, "level {level}");
                let queue = &workers[0].start_queue;
                // SAFETY: it is in no queue.
                assert!(unsafe { queue.push(unstarted(level, site, false), Some(level)) });
            }
            assert_eq!(lookout.overdue(&workers, || now), backlog);
            lookout.note_theft(0, workers[0], || now, 0);
            assert_eq!(
                lookout.overdue(&workers, || now),
                None,
                "it was refused one just now"
            );
            lookout.note_theft(0, workers[0], || now, 1);
            assert_eq!(lookout.overdue(&workers, || now), backlog);
            clear(workers[0]);
        }
    }

    #[test]
    fn one_of_which_nothing_can_be_taken_hides_no_other() {
        let (workers, start) = (workers(3), Instant::now());
        let mut lookout = Lookout::new(&workers, 1, start);
        push(workers[0], 1);
        push(workers[2], 1);
        assert_eq!(lookout.overdue(&workers, || start), None);
        let named = [0, 2, 0].map(|_| lookout.overdue(&workers, || start + PATIENCE));
        assert_eq!(
            named,
            [0, 2, 0].map(|index| Some((index, Backlog::Waiting)))
        );
        clear(workers[0]);
        clear(workers[2]);
    }

    /// Others may go on for long between any two steps of the watcher.
    #[test]
    fn who_comes_while_the_watcher_looks_has_not_waited_since() {
        let (workers, start) = (workers(2), Instant::now());
        let mut lookout = Lookout::new(&workers, 1, start);
        (0..BACKLOG).for_each(|_| push(workers[0], 1));
        let times = Cell::new(0);
        let clock = || {
            times.set(times.get() + 1);
            // The first time is that of the look.
            if times.get() > 1 {
                (0..BACKLOG).for_each(|_| push(workers[0], 1));
            }
            start
        };
        assert_eq!(lookout.overdue(&workers, clock), None);
        assert!(times.get() > 1);
        for _ in 0..BACKLOG {
            drop_unstarted(workers[0].start_queue.pop().unwrap());
        }
        let found = lookout.overdue(&workers, || start + LONG_PATIENCE);
        assert_eq!(found, None, "those who had come before have been taken");
        clear(workers[0]);
    }

    #[test]
    fn a_crowd_is_many_of_whom_the_oldest_has_waited_for_a_while() {
        let start = Instant::now();
        let (many, a_while) = CROWD;
        for (number, waited, backlog) in [
            (many, a_while, Backlog::Crowd),
            (many - 1, a_while, Backlog::Waiting),
            (many, a_while - PATIENCE, Backlog::Waiting),
            (many, LONG_PATIENCE, Backlog::Stuck),
        ] {
            let workers = workers(2);
            let mut lookout = Lookout::new(&workers, 1, start);
            (0..number).for_each(|_| push(workers[0], 1));
            assert_eq!(lookout.overdue(&workers, || start), None);
            let found = lookout.overdue(&workers, || start + waited);
            assert_eq!(found, Some((0, backlog)), "{number} for {waited:?}");
            clear(workers[0]);
        }
    }

    #[test]
    fn a_steady_backlog_is_one_of_many_looks_in_a_row() {
        let workers = workers(2);
        let start = Instant::now();
        let mut lookout = Lookout::new(&workers, 1, start);
        let (looks, time) = STEADY;
        let moment = |look: u32| start + time / looks * look;
        let mut run = 1;
        push(workers[0], run);
        // The worker is always at it, and there is always another one.
        let mut look = |lookout: &mut Lookout, now| {
            run += 1;
            push(workers[0], run);
            drop_unstarted(workers[0].start_queue.pop().unwrap());
            lookout.overdue(&workers, || now)
        };
        for number in 1..=looks {
            assert_eq!(look(&mut lookout, moment(number)), None, "look {number}");
        }
        // As many looks, but some of them belong to another search.
        lookout.begin_row(moment(looks));
        for number in looks + 1..=2 * looks {
            assert_eq!(look(&mut lookout, moment(number)), None, "look {number}");
        }
        let steady = Some((0, Backlog::Steady));
        assert_eq!(look(&mut lookout, moment(2 * looks + 1)), steady);
        assert_eq!(look(&mut lookout, moment(2 * looks + 2)), None, "a new row");
        clear(workers[0]);
    }
}
