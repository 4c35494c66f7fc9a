//! `Select`: sets of operations that are known at run time only.

mod harness;

use gochan::prelude::*;
use gochan::{Select, SendError, TrySendError, channel};
use harness::{
    Dice, Side, Tally, chi_square, each_pair, everywhere, give_chances, on_workers, panic_of, until,
};
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn indices_are_given_in_order_and_never_twice() {
    everywhere(|| {
        let (a, b) = (make!(chan i32, 1), make!(chan i32, 1));
        let mut select = Select::new();
        assert_eq!(select.recv(&a), 0);
        assert_eq!(select.send(&b), 1);
        assert_eq!(select.recv(&b), 2);
        select.remove(1);
        assert_eq!(select.send(&a), 3);
        select.remove(2);
        select.remove(3);
        a.send(5).unwrap();
        b.send(6).unwrap();
        for _ in 0..20 {
            let op = select.select();
            assert_eq!(op.index(), 0);
            assert_eq!(op.recv(&a), Some(5));
            a.send(5).unwrap();
        }
    });
}

#[test]
fn every_method_on_ready_operations() {
    everywhere(|| {
        let (input, output) = (make!(chan i32, 1), make!(chan i32, 1));
        let mut select = Select::default();
        let receive = select.recv(&input);
        let send = select.send(&output);
        let op = select.try_select().unwrap();
        assert_eq!(op.index(), send);
        assert_eq!(op.send(&output, 7), Ok(()));
        assert!(select.try_select().is_err());
        assert!(select.select_timeout(SOON).is_err());
        assert!(select.select_timeout(Duration::ZERO).is_err());
        input.send(8).unwrap();
        let op = select.select_timeout(LONG).unwrap();
        assert_eq!((op.index(), op.recv(&input)), (receive, Some(8)));
        let start = gochan::time::now();
        assert!(select.select_deadline(start).is_err());
        assert!(select.select_deadline(start + SOON).is_err());
        assert!(gochan::time::now() - start >= SOON);
        input.send(10).unwrap();
        let op = select.select_deadline(start + LONG).unwrap();
        assert_eq!((op.index(), op.recv(&input)), (receive, Some(10)));
        assert_eq!(output.recv(), Some(7));
        let op = select.select();
        assert_eq!(op.send(&output, 9), Ok(()));
        assert_eq!(output.recv(), Some(9));
    });
}

#[test]
fn an_empty_set_is_never_ready() {
    everywhere(|| {
        let ch = make!(chan i32, 1);
        let mut select = Select::new();
        assert!(select.try_select().is_err());
        let start = gochan::time::now();
        assert!(select.select_timeout(SOON).is_err());
        assert!(gochan::time::now() - start >= SOON);
        let index = select.send(&ch);
        select.remove(index);
        assert!(select.try_select().is_err());
    });
}

#[test]
fn the_wrong_channel_or_operation_panics_and_loses_nothing() {
    everywhere(|| {
        let (a, b) = (make!(chan i32, 1), make!(chan i32, 1));
        a.send(1).unwrap();
        b.send(2).unwrap();
        let mut select = Select::new();
        select.recv(&a);
        let message = panic_of(|| _ = select.select().recv(&b));
        assert!(message.contains("operation 0"), "{message}");
        let message = panic_of(|| _ = select.select().send(&a, 3));
        assert!(message.contains("operation 0"), "{message}");
        assert_eq!(select.select().recv(&a), Some(1));
        let empty = make!(chan i32, 1);
        let mut select = Select::new();
        select.send(&empty);
        assert!(panic_of(|| _ = select.select().recv(&empty)).contains("operation 0"));
        assert!(panic_of(|| _ = select.select().send(&b, 4)).contains("operation 0"));
        assert_eq!(select.select().send(&empty, 5), Ok(()));
        assert_eq!(empty.recv(), Some(5));
    });
}

#[test]
fn removing_what_is_not_there_panics() {
    everywhere(|| {
        let ch = make!(chan i32, 1);
        let mut select = Select::new();
        let index = select.recv(&ch);
        select.remove(index);
        panic_of(|| select.remove(index));
        panic_of(|| select.remove(17));
    });
}

#[test]
fn closed_and_abandoned_channels_are_ready() {
    everywhere(|| {
        let ch = make!(chan i32, 2);
        ch.send(1).unwrap();
        ch.close();
        let mut select = Select::new();
        select.recv(&ch);
        assert_eq!(select.select().recv(&ch), Some(1));
        assert_eq!(select.select().recv(&ch), None);
        assert_eq!(select.select().recv(&ch), None);
        let mut select = Select::new();
        select.send(&ch);
        assert_eq!(select.select().send(&ch, 2), Err(SendError(2)));
        let (sender, receiver) = channel(1);
        drop(receiver);
        let mut select = Select::new();
        select.send(&sender);
        assert_eq!(select.select().send(&sender, 3), Err(SendError(3)));
    });
}

#[test]
fn operations_are_served_while_they_wait() {
    each_pair(|selecting, partner| {
        for send in [false, true] {
            for round in 0..20 {
                let (ch, idle) = (make!(chan i32), make!(chan i32));
                let selector = selecting.start({
                    let (ch, idle) = (ch.clone(), idle.clone());
                    move || {
                        let mut select = Select::new();
                        select.recv(&idle);
                        let wanted = if send {
                            select.send(&ch)
                        } else {
                            select.recv(&ch)
                        };
                        select.send(&idle);
                        let op = select.select();
                        assert_eq!(op.index(), wanted);
                        if send {
                            op.send(&ch, round).unwrap();
                            Some(round)
                        } else {
                            op.recv(&ch)
                        }
                    }
                });
                let partner = partner.start(move || {
                    give_chances();
                    if send {
                        assert_eq!(ch.recv(), Some(round));
                    } else {
                        ch.send(round).unwrap();
                    }
                });
                assert_eq!(selector.join(), Some(round));
                partner.join();
                assert!(idle.try_send(1).is_err() && idle.try_recv().is_err());
            }
        }
    });
}

#[test]
fn closing_ends_the_waits() {
    each_pair(|selecting, closing| {
        for send in [false, true] {
            for by_drop in [false, true] {
                let (sender, receiver) = channel::<i32>(0);
                let (ours, theirs): (Chan<i32>, _) =
                    (make!(chan i32), (sender.clone(), receiver.clone()));
                let selector = selecting.start({
                    let ours = ours.clone();
                    move || {
                        // The handle of the other side goes now, or it would keep that side.
                        let (sender, receiver) = theirs;
                        let sender = send.then_some(sender);
                        let receiver = (!send).then_some(receiver);
                        let mut select = Select::new();
                        select.recv(&ours);
                        if let Some(sender) = &sender {
                            select.send(sender);
                            select.select().send(sender, 1).is_err()
                        } else {
                            let receiver = receiver.as_ref().unwrap();
                            select.recv(receiver);
                            select.select().recv(receiver).is_none()
                        }
                    }
                });
                let closer = closing.start(move || {
                    give_chances();
                    if !by_drop {
                        sender.close();
                    } else {
                        drop((sender, receiver));
                    }
                });
                closer.join();
                assert!(selector.join());
            }
        }
    });
}

#[test]
fn a_dropped_receive_stays_with_the_select() {
    everywhere(|| {
        let (a, b) = (make!(chan i32, 2), make!(chan i32, 1));
        a.send(1).unwrap();
        a.send(2).unwrap();
        let mut select = Select::new();
        let from_a = select.recv(&a);
        select.recv(&b);
        drop(select.select());
        b.send(3).unwrap();
        for _ in 0..10 {
            assert_eq!(select.select().index(), from_a, "it is the next choice");
        }
        assert_eq!(select.try_select().unwrap().recv(&a), Some(1));
    });
}

#[test]
fn a_dropped_send_to_a_buffer_frees_its_place() {
    everywhere(|| {
        let ch = make!(chan i32, 1);
        let mut select = Select::new();
        select.send(&ch);
        let op = select.select();
        // The place is promised: nobody else gets it, and nothing is there to be received.
        assert_eq!(ch.try_send(1), Err(TrySendError::Full(1)));
        assert!(ch.try_recv().is_err() && ch.is_full() && ch.is_empty());
        drop(op);
        assert_eq!(ch.try_send(2), Ok(()));
        assert!(select.try_select().is_err());
        assert_eq!(ch.recv(), Some(2));
    });
}

#[test]
fn a_place_that_is_given_up_goes_to_a_blocked_sender() {
    each_pair(|sending, _| {
        for round in 0..20 {
            let ch = make!(chan i32, 1);
            let mut select = Select::new();
            select.send(&ch);
            let op = select.select();
            let sender = sending.start({
                let ch = ch.clone();
                move || ch.send(round)
            });
            give_chances();
            assert!(ch.is_empty());
            drop(op);
            sender.join().unwrap();
            assert_eq!(ch.recv(), Some(round));
        }
    });
}

#[test]
fn a_value_for_a_promised_place_goes_to_who_waits_by_then() {
    each_pair(|receiving, _| {
        for round in 0..20 {
            let ch = make!(chan i32, 1);
            let mut select = Select::new();
            select.send(&ch);
            let op = select.select();
            let receiver = receiving.start({
                let ch = ch.clone();
                move || ch.recv()
            });
            give_chances();
            op.send(&ch, round).unwrap();
            assert_eq!(receiver.join(), Some(round));
        }
    });
}

#[test]
fn a_promised_place_survives_close_and_abandonment() {
    everywhere(|| {
        let ch = make!(chan i32, 1);
        let mut select = Select::new();
        select.send(&ch);
        let op = select.select();
        ch.close();
        assert_eq!(
            op.send(&ch, 1),
            Err(SendError(1)),
            "closed before the value came"
        );
        assert_eq!(ch.recv(), None);

        let (sender, receiver) = channel(1);
        let mut select = Select::new();
        select.send(&sender);
        let op = select.select();
        drop(receiver);
        assert_eq!(op.send(&sender, 2), Err(SendError(2)));
    });
}

#[test]
fn a_promised_receiver_waits_for_the_value_or_for_another() {
    each_pair(|selecting, receiving| {
        for round in 0..30 {
            let ch = make!(chan i32);
            let receivers: Vec<_> = (0..2)
                .map(|number| {
                    let ch = ch.clone();
                    receiving.start(move || match number {
                        0 => ch.recv(),
                        _ => select! { recv(ch) -> v => v, recv(make!(chan i32)) => None },
                    })
                })
                .collect();
            let selector = selecting.start({
                let ch = ch.clone();
                move || {
                    for _ in 0..3 {
                        let mut select = Select::new();
                        select.send(&ch);
                        // Given up: the receiver must not be lost.
                        drop(select.select());
                    }
                    let mut select = Select::new();
                    select.send(&ch);
                    for value in 0..2 {
                        let op = select.select();
                        give_chances();
                        op.send(&ch, round + value).unwrap();
                    }
                }
            });
            let mut received: Vec<_> = receivers.into_iter().map(harness::Task::join).collect();
            received.sort_unstable();
            assert_eq!(received, [Some(round), Some(round + 1)]);
            selector.join();
        }
    });
}

#[test]
fn a_promise_to_a_receiver_in_a_select_or_with_a_timeout() {
    each_pair(|selecting, receiving| {
        for round in 0..30_u64 {
            let (ch, done) = (make!(chan u64), make!(chan()));
            let receiver = receiving.start({
                let (ch, done) = (ch.receiver(), done.receiver());
                move || {
                    let mut received = Vec::new();
                    loop {
                        if round % 2 == 0 {
                            select! {
                                recv(ch) -> v => received.extend(v),
                                recv(done) => return received,
                                after(Duration::from_micros(round)) => {}
                            }
                        } else {
                            received.extend(ch.recv_timeout(Duration::from_micros(round)));
                            if done.is_closed() {
                                return received;
                            }
                        }
                    }
                }
            });
            let selector = selecting.start(move || {
                let mut sent = Vec::new();
                for value in 0..20 {
                    let mut select = Select::new();
                    select.send(&ch);
                    let op = select.select();
                    if value % 3 == 0 {
                        drop(op);
                    } else if op.send(&ch, value).is_ok() {
                        sent.push(value);
                    }
                }
                drop(done);
                sent
            });
            assert_eq!(selector.join(), receiver.join());
        }
    });
}

#[test]
fn selects_meet_selects() {
    each_pair(|left, right| {
        let (ch, other) = (make!(chan usize), make!(chan usize));
        let run = |number: usize, dynamic: bool| {
            let (ch, other) = (ch.clone(), other.clone());
            move || {
                let (mut sent, mut received) = (0, 0);
                for _ in 0..200 {
                    if dynamic {
                        let mut select = Select::new();
                        select.recv(&other);
                        let send = select.send(&ch);
                        select.recv(&ch);
                        let op = select.select();
                        if op.index() == send {
                            op.send(&ch, number).unwrap();
                            sent += 1;
                        } else {
                            assert_eq!(op.recv(&ch), Some(1 - number), "met itself");
                            received += 1;
                        }
                    } else {
                        select! {
                            recv(other) => panic!("nobody sends here"),
                            send(ch, number) => sent += 1,
                            recv(ch) -> from => {
                                assert_eq!(from, Some(1 - number), "met itself");
                                received += 1;
                            }
                        }
                    }
                }
                (sent, received)
            }
        };
        for dynamic in [(true, true), (true, false)] {
            let left = left.start(run(0, dynamic.0));
            let right = right.start(run(1, dynamic.1));
            let ((sent, received), right) = (left.join(), right.join());
            assert_eq!((received, sent), right);
            assert_eq!(sent + received, 200);
        }
    });
}

#[test]
fn the_choice_is_even_unless_biased() {
    on_workers(1, || {
        let channels: Vec<Chan<()>> = (0..5).map(|_| Chan::new(1)).collect();
        let mut select = Select::new();
        for (number, channel) in channels.iter().enumerate() {
            select.recv(channel);
            if number != 2 {
                channel.send(()).unwrap();
            }
        }
        let mut counts = [0; 5];
        for _ in 0..100_000 {
            let op = select.select();
            let index = op.index();
            counts[index] += 1;
            assert_eq!(op.recv(&channels[index]), Some(()));
            channels[index].send(()).unwrap();
        }
        assert_eq!(counts[2], 0);
        let ready = [counts[0], counts[1], counts[3], counts[4]];
        // Passed once in a million: chi-square with 3 degrees of freedom.
        assert!(chi_square(&ready) < 30.7, "{ready:?}");

        let mut select = Select::biased();
        for channel in channels.iter().rev() {
            select.recv(channel);
        }
        for _ in 0..100 {
            let op = select.select();
            assert_eq!(op.index(), 0);
            op.recv(&channels[4]);
            channels[4].send(()).unwrap();
        }
    });
}

#[test]
fn operations_that_wait_at_one_channel_are_chosen_evenly() {
    on_workers(1, || {
        let channel = Chan::<()>::new(0);
        go!(clone(channel), {
            for _ in 0..20_000 {
                // This meets only those who wait.
                while channel.try_send(()).is_err() {
                    gochan::yield_now();
                }
            }
        });
        let mut select = Select::new();
        for _ in 0..4 {
            select.recv(&channel);
        }
        let mut counts = [0; 4];
        for _ in 0..20_000 {
            let op = select.select();
            counts[op.index()] += 1;
            op.recv(&channel);
        }
        // Passed once in a million: chi-square with 3 degrees of freedom.
        assert!(chi_square(&counts) < 30.7, "{counts:?}");
    });
}

#[test]
fn a_changing_set_of_many_channels() {
    each_pair(|sending, _| {
        const COUNT: usize = 40;
        let channels: Vec<Chan<usize>> = (0..COUNT).map(|n| Chan::new(n % 3)).collect();
        let senders: Vec<_> = channels
            .chunks(COUNT / 8)
            .map(|chunk| {
                let chunk: Vec<_> = chunk.iter().map(Chan::sender).collect();
                sending.start(move || {
                    for value in 0..10 {
                        for sender in &chunk {
                            sender.send(value).unwrap();
                        }
                    }
                })
            })
            .collect();
        let receivers: Vec<_> = channels.into_iter().map(Receiver::from).collect();
        let mut select = Select::new();
        for receiver in &receivers {
            select.recv(receiver);
        }
        let mut next = [0; COUNT];
        let mut open = COUNT;
        while open > 0 {
            let op = select.select();
            let index = op.index();
            match op.recv(&receivers[index]) {
                Some(value) => {
                    assert_eq!(value, next[index]);
                    next[index] += 1;
                }
                None => {
                    select.remove(index);
                    open -= 1;
                }
            }
        }
        assert_eq!(next, [10; COUNT]);
        senders.into_iter().for_each(harness::Task::join);
    });
}

#[test]
fn a_timeout_that_races_a_partner_loses_nothing() {
    each_pair(|selecting, other| {
        let tally = Arc::new(Tally::new(1000));
        let (ch, done) = (make!(chan harness::Counted), make!(chan()));
        let partner = other.start({
            let (ch, done, tally) = (ch.clone(), done.receiver(), Arc::clone(&tally));
            move || {
                let dice = Dice::new(3);
                let (mut attempts, mut sent, mut received) = (0, 0, 0);
                while !done.is_closed() {
                    let brief = Duration::from_micros(dice.below(40));
                    if dice.below(2) == 0 && attempts < 600 {
                        attempts += 1;
                        sent += usize::from(ch.send_timeout(tally.value(), brief).is_ok());
                    } else {
                        received += usize::from(ch.recv_timeout(brief).is_ok());
                    }
                }
                (sent, received)
            }
        });
        let selector = selecting.start({
            let tally = Arc::clone(&tally);
            move || {
                let dice = Dice::new(4);
                let mut select = Select::new();
                let send = select.send(&ch);
                select.recv(&ch);
                let (mut sent, mut received) = (0, 0);
                for _ in 0..300 {
                    let Ok(op) = select.select_timeout(Duration::from_micros(dice.below(40)))
                    else {
                        continue;
                    };
                    if op.index() == send {
                        sent += usize::from(op.send(&ch, tally.value()).is_ok());
                    } else {
                        received += usize::from(op.recv(&ch).is_some());
                    }
                }
                drop(done);
                (sent, received)
            }
        });
        let (sent, received) = selector.join();
        assert_eq!(partner.join(), (received, sent));
        tally.assert_each_dropped_once();
    });
}

#[test]
fn a_promise_is_dropped_with_its_panicking_owner() {
    each_pair(|receiving, _| {
        let ch = make!(chan i32);
        let receiver = receiving.start({
            let ch = ch.clone();
            move || ch.recv()
        });
        let message = panic_of(|| {
            let mut select = Select::new();
            select.send(&ch);
            let _op = select.select();
            panic!("before the value");
        });
        assert_eq!(message, "before the value");
        ch.send(4).unwrap();
        assert_eq!(receiver.join(), Some(4));
    });
}

#[test]
fn a_thread_without_a_runtime_selects() {
    let _watched = harness::watch();
    let (a, b) = (make!(chan i32), make!(chan i32));
    let sender = Side::Thread.start({
        let b = b.clone();
        move || b.send(3)
    });
    let mut select = Select::new();
    select.recv(&a);
    select.recv(&b);
    let mut received = None;
    until(|| {
        if let Ok(op) = select.select_timeout(SOON) {
            assert_eq!(op.index(), 1);
            received = op.recv(&b);
        }
        received.is_some()
    });
    assert_eq!(received, Some(3));
    sender.join().unwrap();
    assert!(format!("{select:?}").contains('1'));
}
