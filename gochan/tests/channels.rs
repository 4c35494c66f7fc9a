//! Channels: every operation in every form, its errors, order, and what a buffer holds.

mod harness;

use gochan::prelude::*;
use gochan::{
    RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError, channel, unbounded,
};
use harness::{
    Dice, Side, Tally, each_pair, each_runtime, everywhere, give_chances, on_workers, panic_of,
    until,
};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::marker::PhantomPinned;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

// ----- rendezvous -------------------------------------------------------------------------

#[test]
fn an_unbuffered_send_completes_only_when_it_is_taken() {
    each_pair(|sending, receiving| {
        for round in 0..20 {
            let ch = Chan::new(0);
            let taking = Arc::new(AtomicBool::new(false));
            let sender = sending.start({
                let (ch, taking) = (ch.clone(), Arc::clone(&taking));
                move || {
                    ch.send(round).unwrap();
                    assert!(taking.load(Ordering::SeqCst), "sent before it was taken");
                }
            });
            let receiver = receiving.start(move || {
                give_chances();
                assert_eq!(ch.len(), 0, "an unbuffered channel holds nothing");
                taking.store(true, Ordering::SeqCst);
                assert_eq!(ch.recv(), Some(round));
            });
            receiver.join();
            sender.join();
        }
    });
}

#[test]
fn an_unbuffered_receive_waits_for_its_sender() {
    each_pair(|sending, receiving| {
        for round in 0..20 {
            let ch = Chan::new(0);
            let receiver = receiving.start({
                let ch = ch.clone();
                move || ch.recv()
            });
            let sender = sending.start(move || {
                give_chances();
                ch.send(round)
            });
            assert_eq!(receiver.join(), Some(round));
            assert_eq!(sender.join(), Ok(()));
        }
    });
}

#[test]
fn values_pass_in_order_through_every_capacity() {
    each_pair(|sending, receiving| {
        let capacities = [Some(0), Some(1), Some(3), Some(100), None];
        for (capacity, count) in capacities.into_iter().zip([300, 500, 700, 1000, 1000]) {
            let ch = capacity.map_or_else(Chan::unbounded, Chan::new);
            let (sender, receiver) = ch.split();
            let sender = sending.start(move || {
                for value in 0..count {
                    sender.send(value).unwrap();
                }
            });
            let received = receiving.start(move || receiver.into_iter().collect::<Vec<_>>());
            assert_eq!(
                received.join(),
                (0..count).collect::<Vec<_>>(),
                "{capacity:?}"
            );
            sender.join();
        }
    });
}

#[test]
fn a_value_goes_to_one_of_many_receivers() {
    const SENDERS: usize = 4;
    const EACH: usize = 500;
    each_pair(|sending, receiving| {
        for capacity in [0, 1, 7] {
            let (sender, receiver) = channel(capacity);
            let senders: Vec<_> = (0..SENDERS)
                .map(|number| {
                    let sender = sender.clone();
                    sending.start(move || {
                        for value in number * EACH..(number + 1) * EACH {
                            sender.send(value).unwrap();
                        }
                    })
                })
                .collect();
            drop(sender);
            let receivers: Vec<_> = (0..3)
                .map(|_| {
                    let receiver = receiver.clone();
                    receiving.start(move || receiver.iter().collect::<Vec<_>>())
                })
                .collect();
            drop(receiver);
            senders.into_iter().for_each(harness::Task::join);
            let mut received: Vec<_> = receivers
                .into_iter()
                .flat_map(|receiver| {
                    let received = receiver.join();
                    // Of one sender, each receiver sees the values in their order.
                    for number in 0..SENDERS {
                        let own = received.iter().filter(|&&value| value / EACH == number);
                        assert!(own.is_sorted());
                    }
                    received
                })
                .collect();
            received.sort_unstable();
            assert_eq!(received, (0..SENDERS * EACH).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_chain_of_a_hundred_channels_keeps_the_order() {
    for side in [Side::Goroutine, Side::Thread] {
        let count = if side == Side::Thread { 50 } else { 500 };
        each_runtime(|| {
            let (first, mut last) = channel(0);
            for link in 0..100 {
                let (sender, receiver) = channel(link % 3);
                let from = std::mem::replace(&mut last, receiver);
                side.start(move || {
                    for value in from {
                        sender.send(value).unwrap();
                    }
                });
            }
            go!({
                for value in 0..count {
                    first <- value;
                }
            });
            assert_eq!(
                last.iter().collect::<Vec<i32>>(),
                (0..count).collect::<Vec<_>>()
            );
        });
    }
}

// ----- order among those who wait ---------------------------------------------------------

/// Starts `count` goroutines on this very worker, each parked in `wait` before the next starts.
fn park_in_order(
    count: usize,
    wait: impl Fn(usize) + Clone + 'static,
) -> Vec<gochan::JoinHandle<()>> {
    let arrived = Arc::new(AtomicUsize::new(0));
    (0..count)
        .map(|number| {
            let (wait, arrived_too) = (wait.clone(), Arc::clone(&arrived));
            let handle = go!(local, {
                arrived_too.fetch_add(1, Ordering::SeqCst);
                // From here to the wait nothing gives the worker to others.
                wait(number);
            });
            until(|| arrived.load(Ordering::SeqCst) > number);
            handle
        })
        .collect()
}

#[test]
fn blocked_senders_are_served_first_come_first_served() {
    each_runtime(|| {
        for capacity in [0, 2] {
            let ch = Chan::new(capacity);
            for value in 0..capacity {
                ch.send(value).unwrap();
            }
            let blocked = ch.clone();
            let handles = park_in_order(10, move |number| blocked.send(capacity + number).unwrap());
            for value in 0..capacity + 10 {
                assert_eq!(ch.recv(), Some(value));
            }
            handles
                .into_iter()
                .for_each(|handle| handle.join().unwrap());
        }
    });
}

#[test]
fn blocked_receivers_are_served_first_come_first_served() {
    each_runtime(|| {
        for capacity in [0, 2] {
            let ch = Chan::new(capacity);
            let blocked = ch.clone();
            let handles = park_in_order(10, move |number| assert_eq!(blocked.recv(), Some(number)));
            for value in 0..10 {
                ch.send(value).unwrap();
            }
            handles
                .into_iter()
                .for_each(|handle| handle.join().unwrap());
        }
    });
}

#[test]
fn a_place_that_becomes_free_goes_to_the_longest_waiting_sender() {
    each_pair(|sending, _| {
        for by_select in [false, true] {
            let ch = Chan::new(2);
            (0..2).for_each(|value| ch.send(value).unwrap());
            let sender = sending.start({
                let ch = ch.clone();
                move || {
                    if by_select {
                        select! { send(ch, 2) => {}, recv(make!(chan i32)) => {} }
                    } else {
                        ch.send(2).unwrap();
                    }
                }
            });
            give_chances();
            assert_eq!(ch.recv(), Some(0));
            // One receive lets one blocked sender go; the buffer need not drain first.
            sender.join();
            assert_eq!((ch.len(), ch.try_send(3)), (2, Err(TrySendError::Full(3))));
            assert_eq!((ch.recv(), ch.recv()), (Some(1), Some(2)));
        }
    });
    each_runtime(|| {
        let ch = Chan::new(1);
        ch.send(0).unwrap();
        let blocked = ch.clone();
        let handles = park_in_order(3, move |number| blocked.send(number + 1).unwrap());
        assert_eq!(ch.recv(), Some(0));
        // Nobody overtakes those who wait.
        assert_eq!(ch.try_send(9), Err(TrySendError::Full(9)));
        drop(handles);
        assert!(ch.iter().take(3).eq(1..=3));
    });
}

#[test]
fn selects_and_plain_waiters_stand_in_one_line() {
    each_runtime(|| {
        let (ch, other) = (Chan::new(0), Chan::<usize>::new(0));
        let blocked = (ch.clone(), other.clone());
        let handles = park_in_order(10, move |number| {
            let (ch, other) = &blocked;
            if number % 2 == 0 {
                assert_eq!(ch.recv(), Some(number));
            } else {
                select! {
                    recv(other) -> v => panic!("{v:?}"),
                    recv(ch) -> v => assert_eq!(v, Some(number)),
                }
            }
        });
        for value in 0..10 {
            ch.send(value).unwrap();
        }
        handles
            .into_iter()
            .for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn one_who_gave_up_waiting_is_not_served() {
    each_runtime(|| {
        let ch = Chan::new(0);
        let (first, second) = (ch.clone(), ch.clone());
        let gave_up = go!(local, { first.recv_timeout(SOON) });
        let stays = go!(local, { second.recv() });
        assert_eq!(gave_up.join().unwrap(), Err(RecvTimeoutError::Timeout));
        ch.send(1).unwrap();
        assert_eq!(stays.join().unwrap(), Some(1));

        let (first, second) = (ch.clone(), ch.clone());
        let gave_up = go!(local, { first.send_timeout(2, SOON) });
        let stays = go!(local, { second.send(3) });
        assert_eq!(gave_up.join().unwrap(), Err(SendTimeoutError::Timeout(2)));
        assert_eq!(ch.recv(), Some(3));
        stays.join().unwrap().unwrap();
        assert_eq!(ch.try_recv(), Err(TryRecvError::Empty));
    });
}

// ----- the forms of the operations --------------------------------------------------------

#[test]
fn trying_never_waits_and_says_why_not() {
    everywhere(|| {
        let ch = Chan::new(0);
        assert_eq!(ch.try_send("a"), Err(TrySendError::Full("a")));
        assert_eq!(ch.try_recv(), Err(TryRecvError::Empty));

        let ch = Chan::new(2);
        assert_eq!(ch.try_send("a"), Ok(()));
        assert_eq!(ch.try_send("b"), Ok(()));
        let full = ch.try_send("c").unwrap_err();
        assert!(full.is_full() && !full.is_closed());
        assert_eq!(full.into_inner(), "c");
        assert_eq!(ch.try_recv(), Ok("a"));
        ch.close();
        let closed = ch.try_send("d").unwrap_err();
        assert!(closed.is_closed() && !closed.is_full());
        assert_eq!(closed.into_inner(), "d");
        assert_eq!(ch.try_recv(), Ok("b"), "a closed channel is drained first");
        let drained = ch.try_recv().unwrap_err();
        assert!(drained.is_closed() && !drained.is_empty());

        let (sender, receiver) = channel(1);
        drop(receiver);
        assert_eq!(sender.try_send(5), Err(TrySendError::Closed(5)));
    });
}

#[test]
fn trying_meets_those_who_wait() {
    each_pair(|waiting, _| {
        let (requests, answers) = (Chan::new(0), Chan::new(0));
        let partner = waiting.start({
            let (requests, answers) = (requests.clone(), answers.clone());
            move || {
                for number in 0..50 {
                    assert_eq!(requests.recv(), Some(number));
                    answers.send(number * number).unwrap();
                }
            }
        });
        for number in 0..50 {
            until(|| requests.try_send(number).is_ok());
            let mut answer = Err(TryRecvError::Empty);
            until(|| {
                answer = answers.try_recv();
                answer.is_ok()
            });
            assert_eq!(answer, Ok(number * number));
        }
        partner.join();
    });
}

#[test]
fn timed_operations_give_up_in_time_and_not_before() {
    everywhere(|| {
        for capacity in [0, 1] {
            let ch = Chan::new(capacity);
            let start = gochan::time::now();
            assert_eq!(ch.recv_timeout(SOON), Err(RecvTimeoutError::Timeout));
            assert!(gochan::time::now() - start >= SOON);
            let deadline = gochan::time::now() + SOON;
            assert_eq!(ch.recv_deadline(deadline), Err(RecvTimeoutError::Timeout));
            assert!(gochan::time::now() >= deadline);

            for value in 0..capacity {
                ch.send_timeout(value, LONG).unwrap();
            }
            let start = gochan::time::now();
            let late = ch.send_timeout(7, SOON).unwrap_err();
            assert!(late.is_timeout() && !late.is_closed());
            assert_eq!(late.into_inner(), 7);
            assert!(gochan::time::now() - start >= SOON);
            let deadline = gochan::time::now() + SOON;
            assert_eq!(
                ch.send_deadline(8, deadline),
                Err(SendTimeoutError::Timeout(8))
            );
            assert!(gochan::time::now() >= deadline);
            assert_eq!(ch.len(), capacity);
        }
    });
}

#[test]
fn timed_operations_that_are_ready_do_not_ask_the_clock() {
    everywhere(|| {
        let ch = Chan::new(2);
        let past = Instant::now() - Duration::from_secs(1);
        ch.send_timeout(1, Duration::ZERO).unwrap();
        ch.send_deadline(2, past).unwrap();
        assert_eq!(
            ch.send_timeout(3, Duration::ZERO),
            Err(SendTimeoutError::Timeout(3))
        );
        assert_eq!(ch.send_deadline(3, past), Err(SendTimeoutError::Timeout(3)));
        assert_eq!(ch.recv_timeout(Duration::ZERO), Ok(1));
        assert_eq!(ch.recv_deadline(past), Ok(2));
        assert_eq!(
            ch.recv_timeout(Duration::ZERO),
            Err(RecvTimeoutError::Timeout)
        );
        assert_eq!(ch.recv_deadline(past), Err(RecvTimeoutError::Timeout));
        ch.close();
        assert_eq!(ch.send_timeout(4, LONG), Err(SendTimeoutError::Closed(4)));
        assert_eq!(ch.send_deadline(4, past), Err(SendTimeoutError::Closed(4)));
        assert_eq!(ch.recv_timeout(LONG), Err(RecvTimeoutError::Closed));
        assert_eq!(ch.recv_deadline(past), Err(RecvTimeoutError::Closed));
    });
}

#[test]
fn a_timeout_beyond_all_clocks_waits_like_none() {
    each_pair(|sending, receiving| {
        let ch = Chan::new(0);
        let receiver = receiving.start({
            let ch = ch.clone();
            move || ch.recv_timeout(Duration::MAX)
        });
        let sender = sending.start(move || {
            give_chances();
            ch.send_timeout(9, Duration::MAX)
        });
        assert_eq!(receiver.join(), Ok(9));
        assert_eq!(sender.join(), Ok(()));
    });
}

#[test]
fn timed_operations_are_served_while_they_wait() {
    each_pair(|sending, receiving| {
        for round in 0..20 {
            let ch = Chan::new(0);
            let receiver = receiving.start({
                let ch = ch.clone();
                move || {
                    (
                        ch.recv_timeout(LONG),
                        ch.recv_deadline(Instant::now() + LONG),
                    )
                }
            });
            let sender = sending.start(move || {
                give_chances();
                ch.send_timeout(round, LONG)?;
                ch.send_deadline(round + 1, Instant::now() + LONG)
            });
            assert_eq!(receiver.join(), (Ok(round), Ok(round + 1)));
            assert_eq!(sender.join(), Ok(()));
        }
    });
}

#[test]
fn a_timeout_that_races_a_partner_loses_and_doubles_nothing() {
    const ROUNDS: usize = 300;
    each_pair(|sending, receiving| {
        for capacity in [0, 1] {
            let ch = Chan::new(capacity);
            let receiver = receiving.start({
                let ch = ch.clone();
                move || {
                    let dice = Dice::new(1);
                    let mut received = Vec::new();
                    loop {
                        match ch.recv_timeout(Duration::from_micros(dice.below(80))) {
                            Ok(value) => received.push(value),
                            Err(RecvTimeoutError::Timeout) => {}
                            Err(RecvTimeoutError::Closed) => return received,
                        }
                    }
                }
            });
            let sender = sending.start(move || {
                let dice = Dice::new(2);
                let mut sent = Vec::new();
                for value in 0..ROUNDS {
                    match ch.send_timeout(value, Duration::from_micros(dice.below(80))) {
                        Ok(()) => sent.push(value),
                        Err(error) => {
                            assert!(error.is_timeout());
                            assert_eq!(error.into_inner(), value);
                        }
                    }
                }
                ch.close();
                sent
            });
            assert_eq!(sender.join(), receiver.join());
        }
    });
}

#[test]
fn arrows_reach_a_channel_through_references_and_guards() {
    fn pass(pass_on: impl FnOnce(i32) -> Option<i32>, value: i32) {
        assert_eq!(pass_on(value), Some(value));
    }
    everywhere(|| {
        let ch = make!(chan i32, 1);
        let (rc, arc, shared) = (Rc::new(ch.clone()), Arc::new(ch.clone()), &&ch);
        pass(|v| chan! { rc <- v; <-rc }, 1);
        pass(|v| chan! { arc <- v; <-arc }, 2);
        pass(|v| chan! { shared <- v; <-shared }, 3);
        let cell = RefCell::new(ch.clone());
        pass(|v| chan! { cell.borrow() <- v; <-cell.borrow_mut() }, 4);
        let lock = std::sync::Mutex::new(ch.clone());
        pass(
            |v| chan! { lock.lock().unwrap() <- v; <-lock.lock().unwrap() },
            5,
        );
        let lock = std::sync::RwLock::new(ch.clone());
        pass(
            |v| chan! { lock.read().unwrap() <- v; <-lock.write().unwrap() },
            6,
        );
        let lock = gochan::sync::Mutex::new(ch.clone());
        pass(|v| chan! { lock.lock() <- v; <-lock.lock() }, 7);
        let lock = gochan::sync::RwLock::new(ch.clone());
        pass(|v| chan! { lock.read() <- v; <-lock.write() }, 8);
        let guarded = lock.read();
        let received = select! {
            guarded <- 9 => select! { v = <-guarded => v },
        };
        assert_eq!(received, Some(9));
    });
}

#[test]
fn what_a_channel_says_of_itself() {
    everywhere(|| {
        let ch = Chan::new(2);
        let (sender, receiver) = (ch.sender(), ch.receiver());
        let told = |ch: &Chan<i32>, sender: &Sender<i32>, receiver: &Receiver<i32>| {
            let told = (ch.len(), ch.is_empty(), ch.is_full());
            assert_eq!(told, (sender.len(), sender.is_empty(), sender.is_full()));
            assert_eq!(
                told,
                (receiver.len(), receiver.is_empty(), receiver.is_full())
            );
            told
        };
        assert_eq!(told(&ch, &sender, &receiver), (0, true, false));
        ch.send(1).unwrap();
        assert_eq!(told(&ch, &sender, &receiver), (1, false, false));
        ch.send(2).unwrap();
        assert_eq!(told(&ch, &sender, &receiver), (2, false, true));
        assert_eq!(
            (ch.capacity(), sender.capacity(), receiver.capacity()),
            (Some(2), Some(2), Some(2))
        );
        assert!(!ch.is_closed() && !sender.is_closed() && !receiver.is_closed());
        assert!(!ch.is_abandoned() && !sender.is_abandoned() && !receiver.is_abandoned());
        sender.close();
        assert!(ch.is_closed() && sender.is_closed() && receiver.is_closed());
        drop((ch, receiver));
        assert!(sender.is_abandoned());
        assert_eq!(sender.len(), 0, "an abandoned channel drops what it holds");
        assert!(sender.is_full(), "and has room for no more");

        let (sender, receiver) = unbounded::<i32>();
        assert_eq!((sender.capacity(), receiver.capacity()), (None, None));
        assert!(!sender.is_full() && receiver.is_empty());
        let rendezvous = make!(chan i32);
        assert_eq!(rendezvous.capacity(), Some(0));
        assert!(rendezvous.is_empty() && rendezvous.is_full());
    });
}

#[test]
fn an_unbounded_channel_takes_everything_at_once() {
    everywhere(|| {
        let (sender, receiver) = unbounded();
        for value in 0..10_000 {
            assert_eq!(sender.try_send(value), Ok(()));
        }
        assert_eq!(receiver.len(), 10_000);
        drop(sender);
        assert!(receiver.into_iter().eq(0..10_000));
    });
}

#[test]
fn iterators_end_when_closed_and_try_iter_when_empty() {
    everywhere(|| {
        let ch = Chan::new(8);
        for value in 0..6 {
            ch.send(value).unwrap();
        }
        assert_eq!(ch.try_iter().take(2).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(ch.iter().next(), Some(2));
        assert_eq!(ch.receiver().try_iter().collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(ch.try_iter().next(), None);
        ch.send(6).unwrap();
        ch.send(7).unwrap();
        ch.close();
        let mut seen = Vec::new();
        for value in &ch {
            seen.push(value);
        }
        for value in ch {
            seen.push(value);
        }
        assert_eq!(seen, [6, 7]);
    });
}

// ----- identity ---------------------------------------------------------------------------

#[test]
fn handles_are_equal_and_hashed_by_identity() {
    let (a, b) = (Chan::<i32>::new(1), Chan::<i32>::new(1));
    assert_eq!(a, a.clone());
    assert_ne!(a, b);
    assert_eq!(a.sender(), a.sender());
    assert_ne!(a.sender(), b.sender());
    assert_eq!(a.receiver(), Receiver::from(a.clone()));
    assert_eq!(a.sender(), Sender::from(a.clone()));
    let mut names = HashMap::new();
    names.insert(a.clone(), "a");
    names.insert(b.clone(), "b");
    assert_eq!((names[&a], names[&b]), ("a", "b"));
    let senders: HashSet<_> = [a.sender(), a.sender(), b.sender()].into();
    assert_eq!(senders.len(), 2);
    let receivers: HashSet<_> = [a.receiver(), a.receiver(), b.receiver()].into();
    assert_eq!(receivers.len(), 2);
    assert!(format!("{a:?}").contains("Chan"));
    assert!(format!("{:?}", a.sender()).contains("Sender"));
    assert!(format!("{:?}", a.receiver()).contains("Receiver"));
}

/// As with the standard library's channels, `?` mixes the forms of sending.
#[test]
fn a_refused_send_is_an_error_of_the_forms_that_may_also_be_in_vain() {
    fn twice(ch: &Chan<u8>) -> Result<(), TrySendError<u8>> {
        ch.send(1)?;
        ch.try_send(2)
    }
    fn twice_in_time(ch: &Chan<u8>) -> Result<(), SendTimeoutError<u8>> {
        ch.send(1)?;
        ch.send_timeout(2, SOON)
    }
    let ch = Chan::new(1);
    assert_eq!(twice(&ch), Err(TrySendError::Full(2)));
    assert_eq!(ch.recv(), Some(1));
    assert_eq!(twice_in_time(&ch), Err(SendTimeoutError::Timeout(2)));
    ch.close();
    assert_eq!(twice(&ch), Err(TrySendError::Closed(1)));
    assert_eq!(twice_in_time(&ch), Err(SendTimeoutError::Closed(1)));
}

#[test]
fn errors_display_and_hide_their_values() {
    struct Opaque;
    let error = SendError(Opaque);
    assert!(format!("{error:?}").contains("SendError"));
    assert!(error.to_string().contains("closed"));
    assert!(TrySendError::Full(Opaque).to_string().contains("full"));
    assert!(
        SendTimeoutError::Timeout(Opaque)
            .to_string()
            .contains("timed out")
    );
    assert!(TryRecvError::Empty.to_string().contains("empty"));
    assert!(RecvTimeoutError::Closed.to_string().contains("closed"));
    fn is_error<E: std::error::Error>(_: &E) {}
    is_error(&error);
    is_error(&TryRecvError::Closed);
}

// ----- what can be sent -------------------------------------------------------------------

#[test]
fn elements_of_any_size_and_kind_pass() {
    #[derive(Debug, PartialEq, Eq)]
    struct Nothing;
    #[derive(PartialEq, Eq)]
    struct Page([u64; 512]);
    struct Unmovable(u32, PhantomPinned);

    each_pair(|sending, receiving| {
        for capacity in [0, 1, 3] {
            let nothings = Chan::new(capacity);
            let pages = Chan::new(capacity);
            let unmovables = Chan::new(capacity);
            let boxes = Chan::new(capacity);
            let sender = sending.start({
                let channels = (
                    nothings.sender(),
                    pages.sender(),
                    unmovables.sender(),
                    boxes.sender(),
                );
                move || {
                    for n in 0..40_u32 {
                        channels.0.send(Nothing).unwrap();
                        let page = Page(std::array::from_fn(|i| u64::from(n) << 32 | i as u64));
                        assert!(channels.1.send(page).is_ok());
                        assert!(channels.2.send(Unmovable(n, PhantomPinned)).is_ok());
                        channels.3.send(Box::new(vec![n; 3])).unwrap();
                    }
                }
            });
            let receiver = receiving.start(move || {
                for n in 0..40_u32 {
                    assert_eq!(nothings.recv(), Some(Nothing));
                    let page = pages.recv().unwrap();
                    assert!((0..512).all(|i| page.0[i] == (u64::from(n) << 32 | i as u64)));
                    assert_eq!(unmovables.recv().unwrap().0, n);
                    assert_eq!(boxes.recv(), Some(Box::new(vec![n; 3])));
                }
            });
            sender.join();
            receiver.join();
        }
    });
}

#[test]
fn zero_sized_values_are_counted() {
    everywhere(|| {
        let ch = Chan::new(1000);
        for _ in 0..1000 {
            ch.try_send(()).unwrap();
        }
        assert_eq!(ch.try_send(()), Err(TrySendError::Full(())));
        ch.close();
        assert_eq!(ch.iter().count(), 1000);
    });
    let vast = Chan::<()>::new(usize::MAX);
    vast.send(()).unwrap();
    assert_eq!(
        vast.capacity(),
        Some(usize::MAX),
        "bounded is not unbounded"
    );
}

#[test]
fn channels_of_values_that_are_not_send_stay_on_their_worker() {
    each_runtime(|| {
        let ch = Chan::new(0);
        let sender = ch.sender();
        let handle = go!(local, {
            for n in 0..10 {
                sender.send(std::rc::Rc::new(n)).unwrap();
            }
        });
        for n in 0..10 {
            assert_eq!(ch.recv().as_deref(), Some(&n));
        }
        handle.join().unwrap();
    });
}

#[test]
fn a_capacity_that_cannot_be_had_says_which() {
    everywhere(|| {
        let capacity = isize::MAX as usize;
        let size = size_of::<[u8; 24]>().to_string();
        let attempts: [fn(usize); 3] = [
            |n| _ = Chan::<[u8; 24]>::new(n),
            |n| _ = channel::<[u8; 24]>(n),
            |n| _ = make!(chan [u8; 24], n),
        ];
        for attempt in attempts {
            let message = panic_of(|| attempt(capacity));
            assert!(
                message.contains(&capacity.to_string()) && message.contains(&size),
                "{message}"
            );
        }
    });
}

#[test]
fn a_panic_in_the_value_leaves_the_channel_as_it_was() {
    fn fails() -> i32 {
        panic!("no value");
    }
    everywhere(|| {
        let ch = Chan::new(1);
        assert_eq!(panic_of(|| ch.send(fails()).unwrap()), "no value");
        assert_eq!(panic_of(|| chan! { ch <- fails(); }), "no value");
        assert_eq!(panic_of(|| select! { send(ch, fails()) => {} }), "no value");
        assert_eq!(ch.len(), 0);
        ch.send(3).unwrap();
        assert_eq!(ch.recv(), Some(3));
    });
}

#[test]
fn a_thread_and_goroutines_of_two_runtimes_share_a_channel() {
    let _watched = harness::watch();
    let (sender, receiver) = channel(0);
    let tally = Arc::new(Tally::new(600));
    let sides: Vec<_> = (0..3)
        .map(|side| {
            let (sender, tally) = (sender.clone(), Arc::clone(&tally));
            let send_all = move || {
                for _ in 0..200 {
                    sender.send(tally.value()).unwrap();
                }
            };
            std::thread::spawn(move || {
                if side == 0 {
                    send_all();
                } else {
                    on_workers(side, move || go!(send_all()).join().unwrap());
                }
            })
        })
        .collect();
    drop(sender);
    let mut ids: Vec<_> = receiver.iter().map(|value| value.id).collect();
    ids.sort_unstable();
    assert!(ids.into_iter().eq(0..600));
    sides.into_iter().for_each(|side| side.join().unwrap());
    tally.assert_each_dropped_once();
}
