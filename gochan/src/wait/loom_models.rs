//! Models of waiting, checked by loom in all interleavings up to a number of preemptions:
//!
//! ```text
//! RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test -p gochan --lib --release loom
//! ```
//!
//! They run the crate's own code on loom's threads. Beside what a model asserts, it fails when
//! everybody waits for ever, when a value or a frame of a waiter is reached by two without an
//! order between them or after it may be gone (see [`modelled`](super::atomic)), and when a
//! value is lost. What a channel shows and the counts of its handles are not modelled: they
//! behave as if they were sequentially consistent.

use super::atomic::{Arc, Cell, check, check_within};
use super::lock::{Lock, Locked};
use super::waiter::WaitReason;
use super::{
    BiasedMutex, Entry, Parker, SpinMutex, ThreadParker, WaitQueue, Waiter, Wake, WakeList, bias,
};
use crate::channel::{Chan, channel};
use crate::error::{RecvTimeoutError, SendTimeoutError, TrySendError};
use crate::runtime::completion::Completion;
use crate::select::arm::{Arm, RecvArm, SendArm};
use crate::select::wait::{Limit, Order, Request, Scratch, select};
use loom::thread;
use std::panic::Location;
use std::ptr;
use std::time::{Duration, Instant};

// ----- threads that park ------------------------------------------------------------------

/// A deadline that has passed when it is looked at.
fn past() -> Instant {
    Instant::now()
}

fn parker() -> Arc<ThreadParker> {
    Arc::new(ThreadParker::new())
}

#[test]
fn loom_a_token_is_never_lost() {
    check(|| {
        let parker = parker();
        let note = Arc::new(Cell::new(0));
        let unparker = {
            let (parker, note) = (Arc::clone(&parker), Arc::clone(&note));
            thread::spawn(move || {
                note.set(1);
                parker.unpark();
            })
        };
        assert!(parker.park(None));
        assert_eq!(note.get(), 1);
        assert!(!parker.park(Some(past())), "the token was taken");
        unparker.join().unwrap();
    });
}

#[test]
fn loom_two_threads_hand_tokens_to_and_fro() {
    check(|| {
        let (here, there) = (parker(), parker());
        let turns = Arc::new(Cell::new(0));
        let other = {
            let (here, there, turns) = (here.clone(), there.clone(), turns.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    there.park(None);
                    turns.set(turns.get() + 1);
                    here.unpark();
                }
            })
        };
        for turn in 1..=2 {
            there.unpark();
            here.park(None);
            assert_eq!(turns.get(), turn);
        }
        other.join().unwrap();
    });
}

#[test]
fn loom_a_timed_park_and_a_token_agree() {
    check(|| {
        let parker = parker();
        let note = Arc::new(Cell::new(0));
        let unparker = {
            let (parker, note) = (Arc::clone(&parker), Arc::clone(&note));
            thread::spawn(move || {
                note.set(1);
                parker.unpark();
            })
        };
        // What did not come in time is there for the next one, and comes only once.
        if !parker.park(Some(past())) {
            assert!(parker.park(None));
        }
        assert_eq!(note.get(), 1);
        assert!(!parker.park(Some(past())));
        unparker.join().unwrap();
    });
}

#[test]
fn loom_a_notification_that_is_late_ends_no_other_wait() {
    check(|| {
        let parker = parker();
        let tokens = Arc::new(Cell::new(0));
        let unparker = {
            let (parker, tokens) = (Arc::clone(&parker), Arc::clone(&tokens));
            let ready = self::parker();
            let unparker = {
                let ready = Arc::clone(&ready);
                thread::spawn(move || {
                    tokens.set(1);
                    parker.unpark();
                    ready.park(None);
                    tokens.set(2);
                    parker.unpark();
                })
            };
            (unparker, ready)
        };
        // The first token may be taken before its notification is sent.
        while !parker.park(Some(past())) {
            thread::yield_now();
        }
        assert_eq!(tokens.get(), 1);
        unparker.1.unpark();
        assert!(parker.park(Some(Instant::now() + Duration::from_secs(3_600))));
        assert_eq!(tokens.get(), 2);
        unparker.0.join().unwrap();
    });
}

#[test]
fn loom_a_thread_may_end_while_it_is_unparked() {
    check(|| {
        let completion = Arc::new(Completion::new());
        let waiting = {
            let completion = Arc::clone(&completion);
            // Its parker goes with it.
            thread::spawn(move || completion.wait(WaitReason::Join, Location::caller()))
        };
        completion.end();
        assert_eq!(waiting.join().unwrap(), Wake::Done);
    });
}

#[test]
fn loom_a_thread_may_end_in_time_while_it_is_unparked() {
    check(|| {
        let ch = Chan::new(0);
        let receiver = {
            let ch: Chan<Value> = ch.clone();
            // A thread that times out may find the token before it is notified.
            thread::spawn(move || ch.recv_deadline(past()).is_ok())
        };
        let sent = ch.try_send(value(7)).is_ok();
        assert_eq!(receiver.join().unwrap(), sent);
    });
}

#[test]
fn loom_all_who_join_are_woken() {
    check(|| {
        let completion = Arc::new(Completion::new());
        let note = Arc::new(Cell::new(0));
        let waiting = [(); 2].map(|()| {
            let (completion, note) = (Arc::clone(&completion), Arc::clone(&note));
            thread::spawn(move || {
                completion.wait(WaitReason::Join, Location::caller());
                note.get()
            })
        });
        note.set(1);
        completion.end();
        for thread in waiting {
            assert_eq!(thread.join().unwrap(), 1);
        }
    });
}

// ----- locks and lists --------------------------------------------------------------------

/// Adds one, as who holds the lock alone may.
fn add<L: Lock>(count: &Locked<Cell<u32>, L>) {
    let held = count.lock();
    held.set(held.get() + 1);
}

#[test]
fn loom_one_at_a_time_holds_the_lock() {
    check(|| {
        let count = Arc::new(SpinMutex::new(Cell::new(0)));
        let others = [(); 2].map(|()| {
            let count = Arc::clone(&count);
            thread::spawn(move || add(&count))
        });
        add(&count);
        for thread in others {
            thread.join().unwrap();
        }
        assert_eq!(count.lock().get(), 3);
    });
}

fn waiter_of(parker: &Arc<ThreadParker>) -> Waiter {
    Waiter::new(
        Parker::of_thread(parker),
        WaitReason::Select,
        Location::caller(),
    )
}

#[test]
fn loom_an_owner_and_a_stranger_never_hold_a_biased_lock_together() {
    check(|| {
        let count = Arc::new(BiasedMutex::new(Cell::new(0)));
        let owner = {
            let count = Arc::clone(&count);
            thread::spawn(move || {
                bias::obtain();
                // With the second it becomes the owner, with the third it enters as such.
                (0..3).for_each(|_| add(&count));
                bias::resign();
            })
        };
        let stranger = {
            let count = Arc::clone(&count);
            thread::spawn(move || add(&count))
        };
        owner.join().unwrap();
        stranger.join().unwrap();
        assert_eq!(count.lock().get(), 4);
    });
}

#[test]
fn loom_two_strangers_take_the_ownership_away_once() {
    check_within(2, || {
        let count = Arc::new(BiasedMutex::new(Cell::new(0)));
        bias::obtain();
        (0..2).for_each(|_| add(&count));
        let strangers = [(); 2].map(|()| {
            let count = Arc::clone(&count);
            thread::spawn(move || add(&count))
        });
        add(&count);
        for stranger in strangers {
            stranger.join().unwrap();
        }
        bias::resign();
        assert_eq!(count.lock().get(), 5);
    });
}

/// The queues of a model; the frames of those who wait are reached through them alone.
type Queue = Arc<SpinMutex<WaitQueue>>;

fn queue() -> Queue {
    Arc::new(SpinMutex::new(WaitQueue::new()))
}

/// Enqueues an entry, which stands still until it has left the queue.
fn enqueue(queue: &Queue, entry: &Entry, waiter: &Waiter, arm: usize, slot: &Cell<u32>) {
    entry.assign(waiter, arm, ptr::from_ref(slot).cast_mut().cast());
    // SAFETY: the models dequeue, or wait for whoever took it, before they return.
    unsafe { queue.lock().push(entry) };
}

fn dequeue(queue: &Queue, entry: &Entry) -> bool {
    // SAFETY: the models use an entry with one queue.
    unsafe { queue.lock().remove(entry) }
}

/// Serves the first who waits in a queue with a value.
fn serve(queue: &Queue, value: u32) -> bool {
    let mut locked = queue.lock();
    let Some(entry) = locked.take() else {
        return false;
    };
    // SAFETY: `take` claimed the entry, whose slot is a cell of its waiter's frame; the one
    // wake-up comes last.
    unsafe {
        let slot = entry.as_ref().slot().cast::<Cell<u32>>();
        assert_eq!((*slot).replace(value), 0, "served twice");
        let parker = entry.as_ref().finish(Wake::Done);
        drop(locked);
        parker.unpark();
    }
    true
}

#[test]
fn loom_a_list_wakes_in_the_order_of_the_queue() {
    check(|| {
        let queue = queue();
        let parkers = [parker(), parker(), parker()];
        let waiters = parkers.each_ref().map(waiter_of);
        let entries = [(); 3].map(|()| Entry::new());
        let slot = Cell::new(0);
        for (entry, waiter) in entries.iter().zip(&waiters) {
            enqueue(&queue, entry, waiter, 0, &slot);
        }
        let closer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let mut woken = WakeList::new();
                queue.lock().take_all(Wake::Closed, &mut woken);
                drop(woken);
            })
        };
        assert_eq!(waiters[2].wait(None, || unreachable!()), Wake::Closed);
        for waiter in &waiters[..2] {
            assert_eq!(waiter.wait(Some(past()), || unreachable!()), Wake::Closed);
        }
        closer.join().unwrap();
    });
}

// ----- one winner -------------------------------------------------------------------------

#[test]
fn loom_one_claimant_wins_and_the_other_finds_the_next() {
    check(|| {
        let (left, right) = (queue(), queue());
        let parkers = [parker(), parker()];
        let select = waiter_of(&parkers[0]);
        select.share();
        let single = waiter_of(&parkers[1]);
        let entries = [(); 3].map(|()| Entry::new());
        let slots = [(); 3].map(|()| Cell::new(0));
        enqueue(&left, &entries[0], &select, 0, &slots[0]);
        enqueue(&right, &entries[1], &select, 1, &slots[1]);
        enqueue(&left, &entries[2], &single, 0, &slots[2]);
        let claimants = [(&left, 1), (&right, 2)].map(|(queue, value)| {
            let queue = Arc::clone(queue);
            thread::spawn(move || serve(&queue, value))
        });
        assert_eq!(select.wait(None, || unreachable!()), Wake::Done);
        let arm = select.claimed_arm().unwrap();
        for (queue, index) in [(&left, 0), (&right, 1)] {
            if index != arm {
                dequeue(queue, &entries[index]);
            }
        }
        if arm == 1 {
            assert_eq!(single.wait(None, || unreachable!()), Wake::Done);
        }
        let left_served = if arm == 0 { 0 } else { 2 };
        for (index, slot) in slots.iter().enumerate() {
            let value = match index {
                _ if index == left_served => 1,
                1 if arm == 1 => 2,
                _ => 0,
            };
            assert_eq!(slot.get(), value);
        }
        // Frames are left here; only now it is known who served whom.
        let waits = arm == 0 && dequeue(&left, &entries[2]);
        assert_eq!(waits, arm == 0);
        drop((select, single, entries, slots));
        let [left, right] = claimants.map(|claimant| claimant.join().unwrap());
        assert!(left);
        assert_eq!(right, arm == 1);
    });
}

#[test]
fn loom_three_claimants_of_one_waiter() {
    check_within(2, || {
        let queues = [queue(), queue(), queue()];
        let parker = parker();
        let select = waiter_of(&parker);
        select.share();
        let entries = [(); 3].map(|()| Entry::new());
        let slot = Cell::new(0);
        for (arm, (queue, entry)) in queues.iter().zip(&entries).enumerate() {
            enqueue(queue, entry, &select, arm, &slot);
        }
        let claimants = queues.each_ref().map(|queue| {
            let queue = Arc::clone(queue);
            thread::spawn(move || serve(&queue, 7))
        });
        assert_eq!(select.wait(None, || unreachable!()), Wake::Done);
        assert_eq!(slot.get(), 7);
        let arm = select.claimed_arm().unwrap();
        for (index, (queue, entry)) in queues.iter().zip(&entries).enumerate() {
            if index != arm {
                dequeue(queue, entry);
            }
        }
        drop((select, entries, slot));
        for (index, claimant) in claimants.into_iter().enumerate() {
            assert_eq!(claimant.join().unwrap(), index == arm);
        }
    });
}

#[test]
fn loom_who_withdraws_and_who_claims_agree() {
    check(|| {
        let queue = queue();
        let parker = parker();
        let waiter = waiter_of(&parker);
        let entry = Entry::new();
        let slot = Cell::new(0);
        enqueue(&queue, &entry, &waiter, 0, &slot);
        let claimant = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || serve(&queue, 7))
        };
        let wake = waiter.wait(Some(past()), || dequeue(&queue, &entry));
        assert!(matches!(wake, Wake::Done | Wake::TimedOut));
        assert_eq!(slot.get() == 7, wake == Wake::Done);
        drop((waiter, entry, slot));
        assert_eq!(claimant.join().unwrap(), wake == Wake::Done);
    });
}

#[test]
fn loom_a_select_that_withdraws_and_its_claimants_agree() {
    check(|| {
        let queues = [queue(), queue()];
        let parker = parker();
        let select = waiter_of(&parker);
        select.share();
        let entries = [(); 2].map(|()| Entry::new());
        let slot = Cell::new(0);
        for (arm, (queue, entry)) in queues.iter().zip(&entries).enumerate() {
            enqueue(queue, entry, &select, arm, &slot);
        }
        let claimants = queues.each_ref().map(|queue| {
            let queue = Arc::clone(queue);
            thread::spawn(move || serve(&queue, 7))
        });
        let nobody = 2;
        let wake = select.wait(Some(past()), || select.claim(nobody));
        let arm = select.claimed_arm().filter(|&arm| arm != nobody);
        assert_eq!(arm.is_some(), wake == Wake::Done);
        assert_eq!(slot.get() == 7, wake == Wake::Done);
        for (index, (queue, entry)) in queues.iter().zip(&entries).enumerate() {
            if Some(index) != arm {
                dequeue(queue, entry);
            }
        }
        drop((select, entries, slot));
        for (index, claimant) in claimants.into_iter().enumerate() {
            assert_eq!(claimant.join().unwrap(), Some(index) == arm);
        }
    });
}

// ----- channels and select! ---------------------------------------------------------------

/// A value that fails the model if it is lost, doubled, or reached too early.
type Value = Arc<Cell<u32>>;

fn value(number: u32) -> Value {
    Arc::new(Cell::new(number))
}

/// Two channels without buffers, in the order in which a select locks them: a model has to be
/// the same each time that it runs.
fn two_channels() -> [Chan<Value>; 2] {
    let mut channels = [Chan::new(0), Chan::new(0)];
    channels.sort_by_key(|ch| ptr::from_ref(ch.core()));
    channels
}

fn biased<const N: usize>(arms: [&mut dyn Arm; N], limit: Limit) -> Option<usize> {
    let mut arms = arms;
    let mut scratch = Scratch {
        ready: &mut [0; N],
        locks: &mut [ptr::null(); N],
    };
    let request = Request {
        order: Order::Source,
        limit,
        location: Location::caller(),
    };
    select(&mut arms, &mut scratch, request)
}

/// Selects to receive from two channels: the arm and its value.
fn recv_from_either(left: &Chan<Value>, right: &Chan<Value>, limit: Limit) -> Option<(usize, u32)> {
    let (mut from_left, mut from_right) = (RecvArm::new(true, left), RecvArm::new(true, right));
    let arm = biased([&mut from_left, &mut from_right], limit)?;
    let received = [from_left, from_right].map(RecvArm::finish);
    assert!(received[1 - arm].is_none(), "two arms received");
    let number = received[arm].as_ref().map_or(0, |value| value.get());
    Some((arm, number))
}

#[test]
fn loom_a_rendezvous_waits_for_both() {
    check(|| {
        let ch = Chan::new(0);
        let sender = {
            let ch: Chan<Value> = ch.clone();
            thread::spawn(move || ch.send(value(7)).unwrap())
        };
        assert_eq!(ch.recv().unwrap().get(), 7);
        sender.join().unwrap();
    });
}

#[test]
fn loom_a_full_buffer_makes_the_second_sender_wait() {
    check(|| {
        let ch = Chan::new(1);
        let sender = {
            let ch: Chan<Value> = ch.clone();
            thread::spawn(move || {
                for number in 1..=2 {
                    ch.send(value(number)).unwrap();
                }
            })
        };
        for number in 1..=2 {
            assert_eq!(ch.recv().unwrap().get(), number);
        }
        sender.join().unwrap();
    });
}

#[test]
fn loom_a_receive_that_times_out_and_a_try_send_agree() {
    check(|| {
        let ch = Chan::new(0);
        let sender = {
            let ch: Chan<Value> = ch.clone();
            thread::spawn(move || match ch.try_send(value(7)) {
                Ok(()) => true,
                Err(TrySendError::Full(value)) => {
                    assert_eq!(value.get(), 7);
                    false
                }
                Err(TrySendError::Closed(_)) => unreachable!(),
            })
        };
        let received = match ch.recv_deadline(past()) {
            Ok(value) => Some(value.get()),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Closed) => unreachable!(),
        };
        let sent = sender.join().unwrap();
        assert_eq!(received, sent.then_some(7));
    });
}

#[test]
fn loom_a_send_that_times_out_and_a_try_recv_agree() {
    check(|| {
        let ch = Chan::new(0);
        let receiver = {
            let ch: Chan<Value> = ch.clone();
            thread::spawn(move || ch.try_recv().ok().map(|value| value.get()))
        };
        let sent = match ch.send_deadline(value(7), past()) {
            Ok(()) => true,
            Err(SendTimeoutError::Timeout(value)) => {
                assert_eq!(value.get(), 7);
                false
            }
            Err(SendTimeoutError::Closed(_)) => unreachable!(),
        };
        assert_eq!(receiver.join().unwrap(), sent.then_some(7));
    });
}

#[test]
fn loom_closing_reaches_whoever_waits() {
    check(|| {
        let ch = Chan::new(0);
        let receiver = {
            let ch: Chan<Value> = ch.clone();
            thread::spawn(move || ch.recv().map(|value| value.get()))
        };
        let sender = {
            let ch: Chan<Value> = ch.clone();
            thread::spawn(move || ch.send(value(7)).map_err(|error| error.into_inner().get()))
        };
        ch.close();
        let received = receiver.join().unwrap();
        let sent = sender.join().unwrap();
        assert_eq!(received, sent.is_ok().then_some(7));
        assert!(sent.is_ok() || sent == Err(7));
    });
}

#[test]
fn loom_a_select_takes_from_one_of_two_senders() {
    check(|| {
        let channels = two_channels();
        let senders = [0, 1].map(|index| {
            let ch = channels[index].clone();
            thread::spawn(move || ch.send(value(10 + index as u32)).unwrap())
        });
        let [left, right] = &channels;
        let (arm, number) = recv_from_either(left, right, Limit::Forever).unwrap();
        assert_eq!(number, 10 + arm as u32);
        // The other one has kept its value.
        let other = 1 - arm;
        assert_eq!(channels[other].recv().unwrap().get(), 10 + other as u32);
        for sender in senders {
            sender.join().unwrap();
        }
    });
}

#[test]
fn loom_a_select_that_times_out_and_a_try_send_agree() {
    check(|| {
        let [left, right] = two_channels();
        let sender = {
            let ch = right.clone();
            thread::spawn(move || ch.try_send(value(7)).is_ok())
        };
        let received = recv_from_either(&left, &right, Limit::Until(past()));
        let sent = sender.join().unwrap();
        assert_eq!(received, sent.then_some((1, 7)));
    });
}

#[test]
fn loom_a_select_with_two_arms_on_one_channel_receives_once() {
    check(|| {
        let ch = Chan::new(0);
        let sender = {
            let ch: Chan<Value> = ch.clone();
            thread::spawn(move || {
                ch.send(value(7)).unwrap();
                // The second entry is of no use to anybody any more.
                ch.try_send(value(8)).is_ok()
            })
        };
        let (_, number) = recv_from_either(&ch, &ch, Limit::Forever).unwrap();
        assert_eq!(number, 7);
        assert!(!sender.join().unwrap());
    });
}

#[test]
fn loom_two_selects_meet_in_one_channel() {
    check(|| {
        let [left, right] = two_channels();
        let other = {
            let (left, right) = (left.clone(), right.clone());
            thread::spawn(move || {
                let mut to_right = SendArm::new(true, &right, value(2));
                let mut to_left = SendArm::new(true, &left, value(1));
                biased([&mut to_right, &mut to_left], Limit::Forever).unwrap()
            })
        };
        let (arm, number) = recv_from_either(&left, &right, Limit::Forever).unwrap();
        assert_eq!(number, arm as u32 + 1);
        assert_eq!(other.join().unwrap(), 1 - arm);
    });
}

#[test]
fn loom_a_select_and_the_close_of_another_arm() {
    check(|| {
        let [left, right] = two_channels();
        let sender = {
            let ch = left.clone();
            thread::spawn(move || ch.try_send(value(7)).is_ok())
        };
        let closer = {
            let ch = right.clone();
            thread::spawn(move || ch.close())
        };
        let (arm, number) = recv_from_either(&left, &right, Limit::Forever).unwrap();
        closer.join().unwrap();
        let sent = sender.join().unwrap();
        assert_eq!((arm, number), if sent { (0, 7) } else { (1, 0) });
    });
}

#[test]
fn loom_a_channel_ends_with_its_last_sender() {
    check(|| {
        let (sender, receiver) = channel::<Value>(1);
        let receiver = thread::spawn(move || {
            let received = receiver.recv().map(|value| value.get());
            assert!(receiver.recv().is_none());
            (received, receiver)
        });
        sender.send(value(7)).unwrap();
        drop(sender);
        // The receiver comes back so that the channel ends on this thread.
        let (received, _receiver) = receiver.join().unwrap();
        assert_eq!(received, Some(7));
    });
}
