//! Models of how workers sleep and are woken; see `wait/loom_models.rs` for how to run them. A
//! wake-up that is lost makes a model fail, because everybody waits for ever.

use super::blocking::BlockingPool;
use super::clock::Clock;
use super::config::Config;
use super::gate::{Gate, Phase};
use super::goroutine::Goroutine;
use super::goroutine::tests::{drop_unstarted, unstarted};
use super::mailbox::{Mailbox, Sleep};
use super::placement::Site;
use super::start_queue::StartQueue;
use super::{Idleness, Searchers, Shared};
use crate::wait::atomic::{Arc, AtomicBool, AtomicUsize, Cell, Ordering, check, check_within};
use crate::wait::bias;
use loom::thread;
use std::ptr::{self, NonNull};
use std::time::Instant;

static SITE: Site = Site::new();

/// A goroutine that is never run, and a note that whoever gets it is to find.
struct Parcel {
    goroutine: NonNull<Goroutine>,
    note: Cell<bool>,
}

// SAFETY: the models hand goroutines over as the runtime does.
unsafe impl Send for Parcel {}
// SAFETY: as above.
unsafe impl Sync for Parcel {}

impl Parcel {
    fn new() -> Arc<Parcel> {
        Arc::new(Parcel {
            goroutine: unstarted(1, &SITE, false),
            note: Cell::new(false),
        })
    }

    fn deliver_to(&self, mailbox: &Mailbox) {
        self.note.set(true);
        // SAFETY: nothing else is done with the goroutine until it has been collected.
        unsafe { mailbox.deliver(self.goroutine) };
    }

    fn push_to(&self, mailbox: &Mailbox) -> bool {
        self.push_in_run(mailbox, None)
    }

    fn push_in_run(&self, mailbox: &Mailbox, run: Option<u64>) -> bool {
        self.note.set(true);
        // SAFETY: it is in no queue.
        unsafe { mailbox.start_queue.push(self.goroutine, run) }
    }

    fn assert_is(&self, goroutine: NonNull<Goroutine>) {
        assert_eq!(self.goroutine, goroutine);
        assert!(self.note.get());
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        drop_unstarted(self.goroutine);
    }
}

fn mailbox() -> Arc<Mailbox> {
    let mailbox = Arc::new(Mailbox::new());
    mailbox.start_queue.open();
    mailbox
}

/// All that was delivered.
fn collect(mailbox: &Mailbox) -> Vec<NonNull<Goroutine>> {
    let mut list = mailbox.collect();
    let mut all = Vec::new();
    while let Some(goroutine) = NonNull::new(list.cast_mut()) {
        // SAFETY: the models keep their goroutines alive.
        list = unsafe { goroutine.as_ref() }.link.get();
        all.push(goroutine);
    }
    all
}

/// What a worker writes in its loop, nobody reads but while it is held still; and a holder sees
/// whole what it reads.
#[test]
fn loom_a_held_worker_changes_nothing() {
    struct Book {
        gate: Gate,
        pages: [Cell<u64>; 2],
    }
    // SAFETY: the cells are what the model is about: loom watches them.
    unsafe impl Send for Book {}
    // SAFETY: as above.
    unsafe impl Sync for Book {}
    check(|| {
        let book = Arc::new(Book {
            gate: Gate::new(),
            pages: [Cell::new(0), Cell::new(0)],
        });
        let holder = {
            let book = Arc::clone(&book);
            thread::spawn(move || {
                let is_held = book.gate.hold(|phase| {
                    assert_ne!(phase, Phase::Loop);
                    assert_eq!(book.pages[0].get(), book.pages[1].get());
                });
                assert!(is_held);
            })
        };
        for run in 1..=2 {
            book.gate.enter_loop(run);
            for page in &book.pages {
                page.set(run);
            }
            book.gate
                .enter(if run == 1 { Phase::Run } else { Phase::Asleep }, run);
        }
        book.gate.enter_loop(2);
        book.gate.enter(Phase::Gone, 2);
        holder.join().unwrap();
    });
}

#[test]
fn loom_no_delivery_is_slept_through() {
    check(|| {
        let mailbox = mailbox();
        let parcels = [Parcel::new(), Parcel::new()];
        let senders = parcels.each_ref().map(|parcel| {
            let (mailbox, parcel) = (Arc::clone(&mailbox), Arc::clone(parcel));
            thread::spawn(move || parcel.deliver_to(&mailbox))
        });
        let mut received = 0;
        while received < 2 {
            for goroutine in collect(&mailbox) {
                let parcel = parcels.iter().find(|parcel| parcel.goroutine == goroutine);
                parcel.unwrap().assert_is(goroutine);
                received += 1;
            }
            if received < 2 {
                mailbox.sleep(|| Sleep::UntilWoken);
            }
        }
        for sender in senders {
            sender.join().unwrap();
        }
        assert!(mailbox.inbox_is_empty());
    });
}

#[test]
fn loom_deliveries_come_in_order() {
    check(|| {
        let mailbox = mailbox();
        let parcels = [Parcel::new(), Parcel::new()];
        let sender = {
            let (mailbox, parcels) = (Arc::clone(&mailbox), parcels.clone());
            thread::spawn(move || parcels.each_ref().map(|parcel| parcel.deliver_to(&mailbox)))
        };
        let mut expected = parcels.iter();
        while expected.len() > 0 {
            for goroutine in collect(&mailbox) {
                expected.next().unwrap().assert_is(goroutine);
            }
            if expected.len() > 0 {
                mailbox.sleep(|| Sleep::UntilWoken);
            }
        }
        sender.join().unwrap();
    });
}

#[test]
fn loom_a_delivery_after_a_sleep_that_timed_out_wakes() {
    check(|| {
        let mailbox = mailbox();
        let parcel = Parcel::new();
        let sender = {
            let (mailbox, parcel) = (Arc::clone(&mailbox), Arc::clone(&parcel));
            thread::spawn(move || parcel.deliver_to(&mailbox))
        };
        mailbox.sleep(|| Sleep::Until(Instant::now()));
        let mut received = collect(&mailbox);
        while received.is_empty() {
            mailbox.sleep(|| Sleep::UntilWoken);
            received = collect(&mailbox);
        }
        parcel.assert_is(received[0]);
        sender.join().unwrap();
    });
}

#[test]
fn loom_the_end_of_the_runtime_is_not_slept_through() {
    check(|| {
        let mailbox = mailbox();
        let ending = Arc::new(AtomicBool::new(false));
        let ender = {
            let (mailbox, ending) = (Arc::clone(&mailbox), Arc::clone(&ending));
            thread::spawn(move || {
                ending.store(true, Ordering::SeqCst);
                mailbox.wake();
            })
        };
        while !ending.load(Ordering::SeqCst) {
            mailbox.sleep(|| match ending.load(Ordering::SeqCst) {
                true => Sleep::Not,
                false => Sleep::UntilWoken,
            });
        }
        ender.join().unwrap();
    });
}

#[test]
fn loom_what_waits_to_start_is_taken_once() {
    check(|| {
        let mailbox = mailbox();
        let parcel = Parcel::new();
        let take = |mailbox: &Mailbox, parcel: &Parcel| {
            let taken = mailbox.start_queue.pop();
            taken
                .inspect(|&goroutine| parcel.assert_is(goroutine))
                .is_some()
        };
        let thief = {
            let (mailbox, parcel) = (Arc::clone(&mailbox), Arc::clone(&parcel));
            thread::spawn(move || take(&mailbox, &parcel))
        };
        assert!(parcel.push_to(&mailbox));
        let taken = take(&mailbox, &parcel);
        assert_eq!(thief.join().unwrap(), !taken);
        assert_eq!(mailbox.start_queue.len_before_sleep(), 0);
    });
}

/// Who places goroutines by their number does not miss one that is about to start.
#[test]
fn loom_a_goroutine_that_is_about_to_start_is_part_of_the_load() {
    check(|| {
        let mailbox = mailbox();
        let parcel = Parcel::new();
        assert!(parcel.push_to(&mailbox));
        let placing = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || assert!(mailbox.load() >= 1))
        };
        parcel.assert_is(mailbox.take_unstarted().unwrap());
        placing.join().unwrap();
        assert_eq!(mailbox.load(), 1);
        assert!(mailbox.take_unstarted().is_none());
        assert_eq!(mailbox.load(), 1);
        mailbox.note_gone();
        assert_eq!(mailbox.load(), 0);
    });
}

#[test]
fn loom_a_worker_and_a_thief_count_what_they_take() {
    check(|| {
        let mailbox = mailbox();
        let parcels = [Parcel::new(), Parcel::new()];
        for parcel in &parcels {
            assert!(parcel.push_to(&mailbox));
        }
        let thief = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || {
                let own = StartQueue::new();
                mailbox.start_queue.take_oldest(&own, 1, 0, |_| true).1 == 1
            })
        };
        assert!(mailbox.start_queue.pop().is_some());
        assert!(thief.join().unwrap());
        assert_eq!(mailbox.start_queue.len_before_sleep(), 0);
    });
}

/// What the owner of a queue does with a goroutine that it finds kept happens before a thief has
/// it, or not at all.
#[test]
fn loom_what_is_kept_is_not_stolen_meanwhile() {
    check(|| {
        let mailbox = mailbox();
        let parcel = Parcel::new();
        assert!(parcel.push_to(&mailbox));
        let thief = {
            let (mailbox, parcel) = (Arc::clone(&mailbox), Arc::clone(&parcel));
            thread::spawn(move || {
                let own = StartQueue::new();
                let (stolen, count) = mailbox.start_queue.take_oldest(&own, 1, 0, |_| true);
                assert_eq!(count, 1);
                parcel.assert_is(stolen.pop().unwrap());
                parcel.note.set(false);
            })
        };
        bias::obtain();
        // It becomes the owner of the lock, unless the thief is in the way.
        for _ in 0..3 {
            mailbox.start_queue.for_each(|_| ());
        }
        // SAFETY: the parcel keeps it alive.
        let goroutine = unsafe { parcel.goroutine.as_ref() };
        mailbox.start_queue.while_kept(goroutine, || {
            assert!(parcel.note.get(), "it has not been stolen");
            parcel.note.set(true);
        });
        thief.join().unwrap();
        bias::resign();
    });
}

#[test]
fn loom_a_closed_queue_has_given_out_what_it_took() {
    check(|| {
        let mailbox = mailbox();
        let parcel = Parcel::new();
        let pusher = {
            let (mailbox, parcel) = (Arc::clone(&mailbox), Arc::clone(&parcel));
            thread::spawn(move || parcel.push_to(&mailbox))
        };
        let left = mailbox.start_queue.close();
        let found = left.pop().inspect(|&goroutine| parcel.assert_is(goroutine));
        assert_eq!(pusher.join().unwrap(), found.is_some());
        assert!(mailbox.start_queue.pop().is_none());
    });
}

#[test]
fn loom_two_that_hand_over_to_each_other_do_not_lock_each_other_out() {
    check(|| {
        let mut mailboxes = [mailbox(), mailbox()];
        // They are locked in this order, and a model has to be the same each time that it runs.
        mailboxes.sort_by_key(Arc::as_ptr);
        let parcels = [Parcel::new(), Parcel::new()];
        let hand_over = |from: usize| {
            let (mailboxes, parcel) = (mailboxes.clone(), Arc::clone(&parcels[from]));
            move || {
                let (own, other) = (&mailboxes[from], &mailboxes[1 - from]);
                assert!(parcel.push_in_run(own, Some(1)));
                own.start_queue
                    .hand_over(&other.start_queue, 1, 0, |_| true);
            }
        };
        let other = thread::spawn(hand_over(1));
        hand_over(0)();
        other.join().unwrap();
        for (mailbox, parcel) in mailboxes.iter().zip(parcels.iter().rev()) {
            parcel.assert_is(mailbox.start_queue.pop().unwrap());
            assert_eq!(mailbox.start_queue.len_before_sleep(), 0);
        }
    });
}

// ----- offers -----------------------------------------------------------------------------

/// What the workers of a runtime share, without workers.
fn shared(workers: usize) -> Arc<Shared> {
    let settings = Config::new().workers(workers).resolve().unwrap();
    let mailbox = || {
        let mailbox: &'static Mailbox = Box::leak(Box::new(Mailbox::new()));
        mailbox.start_queue.open();
        mailbox
    };
    let mut workers: Vec<_> = (0..workers).map(|_| mailbox()).collect();
    // Two locks are taken in the order of their addresses, which is to be the same in all executions.
    workers.sort_by_key(|&mailbox| ptr::from_ref(mailbox));
    Arc::new(Shared {
        vigil: super::Vigil::default(),
        workers,
        clock: Clock::monotonic(),
        ending: AtomicBool::new(false),
        unheeded_ends: AtomicUsize::new(0),
        searchers: Searchers::default(),
        idleness: Idleness::default(),
        blocking: std::sync::Arc::new(BlockingPool::new(1, "model")),
        settings,
    })
}

/// Ends a model: gives the memory of the mailboxes back.
fn free(shared: &Shared) {
    for &mailbox in &shared.workers {
        // SAFETY: it came from a box; the model's other threads have ended.
        drop(unsafe { Box::from_raw(ptr::from_ref(mailbox).cast_mut()) });
    }
}

/// What a worker does that has nothing to do, until it finds something or the runtime ends.
fn look_for_work(shared: &Shared, index: usize) -> Option<NonNull<Goroutine>> {
    loop {
        {
            let _searching = shared.searchers.enter();
            let found = shared
                .workers
                .iter()
                .find_map(|worker| worker.start_queue.pop());
            if found.is_some() {
                shared.ending.store(true, Ordering::SeqCst);
                for worker in &shared.workers {
                    worker.wake();
                }
                return found;
            }
        }
        if shared.is_ending() {
            return None;
        }
        shared.workers[index].sleep(|| {
            let mut workers = shared.workers.iter();
            match shared.is_ending() || workers.any(|at| at.start_queue.len_before_sleep() > 0) {
                true => Sleep::Not,
                false => Sleep::UntilWoken,
            }
        });
    }
}

#[test]
fn loom_one_worker_does_not_sleep_through_an_offer() {
    check(|| {
        let shared = shared(1);
        let parcel = Parcel::new();
        let parent = {
            let (shared, parcel) = (Arc::clone(&shared), Arc::clone(&parcel));
            thread::spawn(move || {
                parcel.push_to(shared.workers[0]);
                shared.offer(0, None);
            })
        };
        parcel.assert_is(look_for_work(&shared, 0).unwrap());
        parent.join().unwrap();
        free(&shared);
    });
}

fn check_an_offer_to_two(from: Option<usize>) {
    check_within(2, move || {
        let shared = shared(2);
        let parcel = Parcel::new();
        // A worker that goes on computing offers to the other one what it has put into its own
        // queue; an ordinary thread reaches either.
        let idle = if from.is_some() { 1..2 } else { 0..2 };
        let workers: Vec<_> = idle
            .map(|index| {
                let (shared, parcel) = (Arc::clone(&shared), Arc::clone(&parcel));
                thread::spawn(move || {
                    let found = look_for_work(&shared, index);
                    found
                        .inspect(|&goroutine| parcel.assert_is(goroutine))
                        .is_some()
                })
            })
            .collect();
        parcel.push_to(shared.workers[0]);
        shared.offer(0, from);
        let found = workers
            .into_iter()
            .filter_map(|worker| worker.join().unwrap().then_some(()));
        assert_eq!(found.count(), 1);
        free(&shared);
    });
}

#[test]
fn loom_two_workers_do_not_sleep_through_an_offer() {
    check_an_offer_to_two(None);
}

#[test]
fn loom_an_idle_worker_hears_of_what_waits_at_a_busy_one() {
    check_an_offer_to_two(Some(0));
}

#[test]
fn loom_a_worker_does_not_sleep_through_what_is_handed_over() {
    check_within(2, || {
        let shared = shared(2);
        let parcel = Parcel::new();
        let worker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || look_for_work(&shared, 1).unwrap())
        };
        let [own, other] = [shared.workers[0], shared.workers[1]];
        parcel.push_in_run(own, Some(1));
        own.start_queue
            .hand_over(&other.start_queue, 1, 0, |_| true);
        shared.offer(1, Some(0));
        parcel.assert_is(worker.join().unwrap());
        free(&shared);
    });
}
