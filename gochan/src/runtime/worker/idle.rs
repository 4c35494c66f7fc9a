//! What a worker does that has nothing to run: it looks for work that others cannot come to, then
//! sleeps, and the last one to do so keeps watch over the runtime.

use super::Worker;
use super::lookout::{Backlog, Lookout};
use crate::runtime::deadlock;
use crate::runtime::gate::Phase;
use crate::runtime::goroutine::Goroutine;
use crate::runtime::mailbox::{Mailbox, Sleep};
use crate::runtime::{placement, processor};
use std::ptr;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

/// How long an idle worker looks for work before it sleeps.
const SPIN: Duration = Duration::from_micros(30);
/// How many times that is halved, where one look after the other finds nothing and ends in a sleep that
/// no other thread ends.
const HALVINGS: u32 = 4;
/// So many are taken together: their worker waits for the lock of its queue meanwhile.
const STOLEN_AT_ONCE: usize = 32;
/// The first and the longest nap of a worker that watches the start queues of busy ones.
pub(super) const NAPS: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(2));

/// The time from one look for a reason to move to another processor to the next, at least: look and
/// move take some 50 microseconds.
const MOVES_APART: Duration = Duration::from_millis(5);

impl Worker {
    /// Waits for work, and does it on a processor that no other worker uses, if there is one.
    pub(super) fn idle(&self) {
        self.search_or_sleep();
        if !self.has_local_work() {
            return;
        }
        self.pass_the_search_on();
        if self.has_slept.replace(false) {
            self.run_apart();
        }
    }

    /// Who was woken because goroutines wait to start, or because nobody else was woken since this
    /// worker was looking around, may have got other work meanwhile. Then another one is to look.
    fn pass_the_search_on(&self) {
        if self.shared.workers.len() == 1 {
            return;
        }
        // Pairs with the one in `Shared::offer`: either it sees that this worker does not search any
        // more, or this one sees the goroutine.
        fence(Ordering::SeqCst);
        let waits = |worker: &&'static Mailbox| {
            let own = usize::from(ptr::eq(*worker, self.mailbox));
            worker.start_queue.len() > own
        };
        if self.shared.workers.iter().any(waits) {
            self.shared.wake_if_nobody_searches();
        }
    }

    /// Leaves the processor to another worker that is awake there.
    fn run_apart(&self) {
        let Some(here) = self.mailbox.place.processor() else {
            return;
        };
        let others = || {
            let all = self.shared.workers.iter();
            all.filter(|worker| !ptr::eq(**worker, self.mailbox))
                .filter_map(|worker| Some((worker, worker.processor_in_use()?)))
        };
        if !others().any(|(_, processor)| processor == here) {
            return;
        }
        let now = Instant::now();
        let has_just_moved = |last| now - last < MOVES_APART;
        if self.moved_apart.get().is_some_and(has_just_moved) {
            return;
        }
        self.moved_apart.set(Some(now));
        if others().any(|(worker, processor)| processor == here && worker.place.is_on(here)) {
            processor::leave(others().map(|(_, processor)| processor));
            self.mailbox.place.note();
        }
    }

    /// Looks for work, then sleeps until there may be some.
    fn search_or_sleep(&self) {
        self.fire_timers();
        if self.has_local_work() {
            return;
        }
        let can_get_work = self.shared.workers.len() > 1 || !self.shared.clock.is_virtual();
        if can_get_work && self.search() {
            return;
        }
        if self.shared.clock.is_virtual() {
            self.sleep_in_virtual_time();
        } else {
            self.sleep_soundly();
        }
    }

    /// Sleeps until there is something to do. The last worker to do so keeps watch.
    fn sleep_soundly(&self) {
        let mut watch = None;
        loop {
            self.sleep(|| {
                if self.is_needed() {
                    return Sleep::Not;
                }
                if watch.is_none() {
                    watch = deadlock::Watch::begin(&self.shared, self.index);
                }
                match &watch {
                    Some(watch) => self.until(watch.next_look()),
                    None => self.until_next_timer(),
                }
            });
            let has_got_work = self.has_local_work();
            if has_got_work || self.is_needed() {
                self.note_search(has_got_work);
                return;
            }
            match &mut watch {
                Some(watch) => watch.look(),
                None => return,
            }
        }
    }

    /// Notes whether others brought work after a search. Who sleeps from one timer of its own to the next
    /// does not search for long in between.
    fn note_search(&self, has_got_work: bool) {
        let vain = match has_got_work {
            true => 0,
            false => (self.searches_in_vain.get() + 1).min(HALVINGS),
        };
        self.searches_in_vain.set(vain);
    }

    /// Sleeps as [`Mailbox::sleep`] does.
    pub(super) fn sleep(&self, until: impl FnOnce() -> Sleep) {
        let (gate, run) = (&self.mailbox.gate.0, self.runs.get());
        self.renew_stamp();
        gate.enter(Phase::Asleep, run);
        self.mailbox.sleep(until);
        self.has_slept.set(true);
        self.mailbox.place.note();
        gate.enter_loop(run);
        self.renew_stamp();
    }

    /// Notes the time for dumps.
    pub(super) fn renew_stamp(&self) {
        self.stamp.set(self.shared.clock.nanos());
    }

    /// Until a timer is due, if one is set.
    fn until_next_timer(&self) -> Sleep {
        let earliest = self.mailbox.timers.earliest();
        let instant = earliest.and_then(|when| self.shared.clock.instant_at(when));
        instant.map_or(Sleep::UntilWoken, Sleep::Until)
    }

    /// As long as `nap` lasts, unless a timer is due before.
    pub(super) fn nap(&self, nap: Duration) -> Sleep {
        self.until(Instant::now() + nap)
    }

    /// Until `end`, unless a timer is due before.
    fn until(&self, end: Instant) -> Sleep {
        match self.until_next_timer() {
            Sleep::Until(timer) if timer < end && !self.shared.clock.is_virtual() => {
                Sleep::Until(timer)
            }
            _ => Sleep::Until(end),
        }
    }

    /// See [`runtime::searching_workers`](crate::runtime::searching_workers).
    pub(in crate::runtime) fn searching_workers(&self) -> usize {
        self.shared.searchers.0.load(Ordering::Relaxed)
    }

    /// See [`runtime::may_look_on`](crate::runtime::may_look_on).
    pub(in crate::runtime) fn may_look_on(&self) -> bool {
        self.shared.workers.len() > 1 || !self.has_local_work()
    }

    /// Whether this worker has something to run.
    pub(super) fn has_local_work(&self) -> bool {
        !self.queue.is_empty()
            || !self.arrivals.is_empty()
            || !self.next.get().is_null()
            || !self.mailbox.inbox_is_empty()
            || self.mailbox.start_queue.len() > 0
    }

    /// Whether there is a reason not to sleep, for a worker that has announced its sleep.
    fn is_needed(&self) -> bool {
        self.shared.is_ending()
            || self.timer_is_due()
            || self
                .shared
                .workers
                .iter()
                .any(|worker| worker.start_queue.len_before_sleep() > 0)
    }

    /// Spins for a moment, then watches the start queues of the others for as long as they are
    /// not empty, and takes what has waited there too long. True: there is something to run.
    fn search(&self) -> bool {
        let _searching = self.shared.searchers.enter();
        let spin = SPIN / (1 << self.searches_in_vain.get());
        let began = Instant::now();
        let mut lookout = self.lookout.borrow_mut();
        lookout.begin_row(began);
        let mut rounds = 0_u32;
        loop {
            if self.has_local_work() || self.shared.is_ending() {
                return true;
            }
            std::hint::spin_loop();
            rounds += 1;
            if !rounds.is_multiple_of(16) {
                continue;
            }
            if self.steal(&mut lookout) || self.timer_is_due() {
                return true;
            }
            if began.elapsed() > spin || self.takes_a_processor_away() {
                break;
            }
        }
        self.look_between_naps(&mut lookout)
    }

    /// Whether there are more workers awake than can run, so that the calling one, which has nothing
    /// to do, keeps another one from its work.
    fn takes_a_processor_away(&self) -> bool {
        let (workers, processors) = (&self.shared.workers, processor::number());
        let awake = || workers.iter().filter(|worker| worker.is_awake()).count();
        workers.len() > processors && awake() > processors
    }

    /// Naps between looks at the others' start queues; ends when they are all empty.
    fn look_between_naps(&self, lookout: &mut Lookout) -> bool {
        let mut nap = NAPS.0;
        loop {
            if self.no_start_queue_holds_any() {
                return false;
            }
            self.sleep(|| match self.shared.is_ending() {
                true => Sleep::Not,
                false => self.nap(nap),
            });
            if self.has_local_work()
                || self.shared.is_ending()
                || self.timer_is_due()
                || self.steal(lookout)
            {
                return true;
            }
            nap = (nap * 2).min(NAPS.1);
        }
    }

    fn no_start_queue_holds_any(&self) -> bool {
        fence(Ordering::SeqCst);
        let mut workers = self.shared.workers.iter();
        workers.all(|worker| worker.start_queue.len() == 0)
    }

    /// Takes the oldest of what waits on a worker whose oldest one has waited long. The placement
    /// policy had its reasons to put them there, so they are taken only if it lets them go, or they are
    /// a crowd, and that evens the load out, or if they have waited very long.
    fn steal(&self, lookout: &mut Lookout) -> bool {
        let Some((index, backlog)) = lookout.overdue(&self.shared.workers, Instant::now) else {
            return false;
        };
        let victim = self.shared.workers[index];
        let surplus = victim.load().saturating_sub(self.mailbox.load());
        if surplus < 2 && backlog != Backlog::Stuck {
            return false;
        }
        let waiting = victim.start_queue.len();
        let count = match backlog {
            Backlog::Waiting | Backlog::Crowd => waiting.min(surplus / 2),
            Backlog::Steady | Backlog::Divided => 1,
            Backlog::Stuck => waiting / 2,
        }
        .max(1);
        // Their worker may be handing over some of them itself.
        let stays = waiting.saturating_sub(count);
        let may_leave = |record: &Goroutine| match backlog {
            Backlog::Waiting => placement::may_leave(record),
            Backlog::Crowd | Backlog::Steady => !record.is_near(),
            Backlog::Divided => !record.is_near() && record.site().divides(),
            Backlog::Stuck => true,
        };
        let own = &self.mailbox.start_queue;
        let mut stolen = 0;
        while stolen < count {
            let most = STOLEN_AT_ONCE.min(count - stolen);
            let (some, number) = victim.start_queue.take_oldest(own, most, stays, may_leave);
            stolen += number;
            if !own.push_arrivals(&some, number) {
                while let Some(goroutine) = some.pop() {
                    self.end_unstarted(goroutine);
                }
            }
            if number < most {
                break;
            }
        }
        lookout.note_theft(index, victim, Instant::now, stolen);
        stolen > 0
    }

    /// Sleeps; the last worker to do so moves the clock to the next timer, or keeps watch if there
    /// is none.
    fn sleep_in_virtual_time(&self) {
        let all_idle = self.shared.idleness.enter(self.shared.workers.len());
        let is_last =
            || all_idle.is_some_and(|moment| self.shared.idleness.has_lasted_since(moment));
        let mut watch = None;
        loop {
            // In this order: who leaves says so before it takes what is pending.
            if self.shared.nothing_is_pending() && is_last() {
                self.advance_clock();
            }
            if self.timer_is_due() {
                break;
            }
            // The nap bounds how long a change that wakes nobody, such as the end of a
            // `blocking` call, can go unnoticed by the one who is to move the clock.
            self.sleep(|| match self.is_needed() {
                true => Sleep::Not,
                false if is_last() => self.nap(NAPS.1),
                false => Sleep::UntilWoken,
            });
            if self.has_local_work() || self.is_needed() {
                break;
            }
            if !is_last() {
                // It sleeps until it is woken, and is not to keep the watch from the one that naps.
                watch = None;
                continue;
            }
            if watch.is_none() {
                watch = deadlock::Watch::begin(&self.shared, self.index);
            }
            if let Some(watch) = &mut watch {
                watch.look();
            }
        }
        self.shared.idleness.leave();
    }

    /// Moves a virtual clock to the next timer.
    fn advance_clock(&self) {
        let timers = self.shared.workers.iter();
        let next = timers.filter_map(|worker| worker.timers.earliest()).min();
        if let Some(next) = next {
            self.shared.clock.advance_to(next);
            for worker in &self.shared.workers {
                worker.wake();
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::runtime::{Config, Runtime};

    #[test]
    fn who_waits_for_its_own_timers_alone_searches_briefly_until_others_bring_work() {
        let vain = || crate::runtime::worker::current().map(|worker| worker.searches_in_vain.get());
        let until = |reached: u32, wait: &dyn Fn()| {
            let began = Instant::now();
            while vain() != Some(reached) {
                assert!(began.elapsed() < Duration::from_secs(30), "{:?}", vain());
                wait();
            }
        };
        let runtime = Runtime::new(Config::new().workers(1)).unwrap();
        runtime.run(|| {
            assert_eq!(vain(), Some(0));
            until(HALVINGS, &|| crate::time::sleep(Duration::from_micros(500)));
            let (tx, rx) = crate::channel::<()>(0);
            let thread = std::thread::spawn(move || {
                while tx.send_timeout((), Duration::from_secs(30)).is_ok() {
                    // For longer than any search takes.
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            until(0, &|| rx.recv().unwrap());
            drop(rx);
            thread.join().unwrap();
        });
    }
}
