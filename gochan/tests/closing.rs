//! Closing and abandoning channels, and what the sugar `ch <- v` makes of both.

mod harness;

use gochan::prelude::*;
use gochan::{Select, SendError, TryRecvError, channel};
use harness::{
    Side, Tally, each_pair, each_runtime, everywhere, give_chances, panic_of, until, watch,
};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

// ----- close ------------------------------------------------------------------------------

/// Calls `test` with channels that were used so often that their worker has come to own their
/// locks, and what is done with their buffers goes the short way. The first ones are not owned: the
/// kernel takes some milliseconds to get ready for that.
fn each_owned_channel(test: impl Fn(usize, Chan<u32>) + Sync) {
    each_runtime(|| {
        for number in 0..100 {
            for ch in [Chan::new(2), Chan::unbounded()] {
                for value in 0..2000 {
                    ch.send(value).unwrap();
                    assert_eq!(ch.recv(), Some(value));
                }
                test(number, ch);
            }
        }
    });
}

#[test]
fn what_one_worker_uses_often_takes_no_values_once_it_is_closed() {
    each_owned_channel(|number, ch| {
        // In turns: a promise that is kept too late, one that is broken, or none.
        let mut select = Select::new();
        select.send(&ch);
        let promise = (number % 3 > 0).then(|| select.select());
        ch.send(1).unwrap();
        ch.close();
        assert_eq!(ch.send(2), Err(SendError(2)));
        assert_eq!(ch.len(), 1);
        match promise {
            Some(promise) if number % 3 == 1 => {
                assert_eq!(promise.send(&ch, 3), Err(SendError(3)));
            }
            promise => drop(promise),
        }
        assert_eq!(ch.send(4), Err(SendError(4)));
        assert!(!ch.is_full());
        assert_eq!((ch.recv(), ch.recv()), (Some(1), None));
        assert_eq!(ch.send(5), Err(SendError(5)));
    });
}

#[test]
fn what_one_worker_uses_often_takes_no_values_once_it_is_abandoned() {
    each_owned_channel(|_, ch| {
        ch.send(1).unwrap();
        let sender = ch.sender();
        drop(ch);
        assert_eq!(sender.send(2), Err(SendError(2)));
    });
}

#[test]
fn a_closed_channel_is_drained_and_then_gives_none_for_ever() {
    everywhere(|| {
        for handle in 0..2 {
            let ch = Chan::new(3);
            (0..3).for_each(|value| ch.send(value).unwrap());
            if handle == 0 {
                ch.close();
            } else {
                ch.sender().close();
            }
            assert_eq!(ch.send(3), Err(SendError(3)));
            assert_eq!(
                (0..3).map(|_| ch.recv()).collect::<Vec<_>>(),
                [Some(0), Some(1), Some(2)]
            );
            for _ in 0..3 {
                assert_eq!(ch.recv(), None);
                assert_eq!(chan! { <-ch }, None);
            }
        }
    });
}

#[test]
fn closing_twice_panics() {
    everywhere(|| {
        let ch = Chan::<i32>::new(0);
        ch.close();
        assert_eq!(panic_of(|| ch.close()), "close of closed channel");
        assert_eq!(panic_of(|| ch.sender().close()), "close of closed channel");
        assert!(ch.is_closed());
    });
}

#[test]
fn one_of_many_closers_wins() {
    each_pair(|left, right| {
        for _ in 0..20 {
            let ch = Chan::<i32>::new(0);
            let wins = Arc::new(AtomicUsize::new(0));
            let closers: Vec<_> = [left, right, left, right]
                .into_iter()
                .map(|side| {
                    let (ch, wins) = (ch.clone(), Arc::clone(&wins));
                    side.start(move || {
                        let closed = std::panic::catch_unwind(AssertUnwindSafe(|| {
                            // A quiet close: `close` itself would print a panic message.
                            if ch.is_closed() {
                                std::panic::resume_unwind(Box::new(()));
                            }
                            ch.close();
                        }));
                        wins.fetch_add(usize::from(closed.is_ok()), Ordering::SeqCst);
                    })
                })
                .collect();
            closers.into_iter().for_each(harness::Task::join);
            assert_eq!(wins.load(Ordering::SeqCst), 1);
        }
    });
}

#[test]
fn closing_gives_blocked_senders_their_values_back() {
    each_pair(|sending, closing| {
        for capacity in [0, 2] {
            for _ in 0..10 {
                let ch = Chan::new(capacity);
                (0..capacity).for_each(|value| ch.send(value).unwrap());
                let senders: Vec<_> = (100..105)
                    .map(|value| {
                        let ch = ch.clone();
                        sending.start(move || ch.send(value))
                    })
                    .collect();
                let closer = closing.start({
                    let ch = ch.clone();
                    move || {
                        give_chances();
                        ch.close();
                    }
                });
                closer.join();
                for (sender, value) in senders.into_iter().zip(100..) {
                    assert_eq!(sender.join(), Err(SendError(value)));
                }
                assert_eq!(
                    ch.iter().collect::<Vec<_>>(),
                    (0..capacity).collect::<Vec<_>>()
                );
            }
        }
    });
}

#[test]
fn closing_wakes_all_blocked_receivers() {
    each_pair(|receiving, closing| {
        for by_drop in [false, true] {
            let (sender, receiver) = channel::<i32>(1);
            let receivers: Vec<_> = (0..5)
                .map(|number| {
                    let receiver = receiver.clone();
                    receiving.start(move || match number % 3 {
                        0 => receiver.recv(),
                        1 => receiver.iter().next(),
                        _ => select! { recv(receiver) -> v => v },
                    })
                })
                .collect();
            let closer = closing.start(move || {
                give_chances();
                if by_drop {
                    drop(sender);
                } else {
                    sender.close();
                }
            });
            closer.join();
            for receiver in receivers {
                assert_eq!(receiver.join(), None);
            }
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
        }
    });
}

#[test]
fn a_value_that_races_a_close_is_received_or_comes_back() {
    each_pair(|sending, closing| {
        for capacity in [0, 1] {
            let mut outcomes = [0; 2];
            for round in 0..60 {
                let (sender, receiver) = channel(capacity);
                let closer = sender.clone();
                let sender = sending.start(move || sender.send(round));
                let closer = closing.start(move || closer.close());
                let received = receiver.recv();
                match sender.join() {
                    Ok(()) => assert_eq!(received, Some(round)),
                    Err(SendError(value)) => assert_eq!((value, received), (round, None)),
                }
                outcomes[usize::from(received.is_some())] += 1;
                closer.join();
            }
            assert_eq!(outcomes.iter().sum::<i32>(), 60);
        }
    });
}

#[test]
fn the_last_sending_handle_closes() {
    everywhere(|| {
        let (sender, receiver) = channel::<i32>(1);
        let second = sender.clone();
        drop(sender);
        assert!(!receiver.is_closed());
        second.send(1).unwrap();
        drop(second);
        assert!(receiver.is_closed());
        assert_eq!((receiver.recv(), receiver.recv()), (Some(1), None));

        let ch = Chan::<i32>::new(1);
        let (sender, receiver) = (ch.sender(), ch.receiver());
        drop(sender);
        assert!(!receiver.is_closed(), "a Chan is a sending handle too");
        drop(ch);
        assert!(receiver.is_closed());

        let (sender, receiver) = Chan::<i32>::new(1).split();
        assert!(!receiver.is_closed() && !sender.is_abandoned());
        drop(sender);
        assert!(receiver.is_closed());

        let receiver = Receiver::from(Chan::<i32>::new(1));
        assert!(receiver.is_closed(), "From took the last sending handle");
    });
}

#[test]
fn handles_that_are_cloned_and_dropped_by_many_close_once() {
    each_pair(|left, right| {
        for _ in 0..10 {
            let (sender, receiver) = channel(0);
            let tasks: Vec<_> = [left, right, left, right]
                .into_iter()
                .map(|side| {
                    let sender = sender.clone();
                    side.start(move || {
                        for _ in 0..20 {
                            let another = sender.clone();
                            assert!(!another.is_closed());
                            drop(another);
                        }
                        sender.send(1).unwrap();
                    })
                })
                .collect();
            drop(sender);
            assert_eq!(receiver.iter().sum::<i32>(), 4);
            tasks.into_iter().for_each(harness::Task::join);
        }
    });
}

// ----- abandon ----------------------------------------------------------------------------

#[test]
fn the_last_receiving_handle_abandons_and_the_buffer_is_dropped() {
    everywhere(|| {
        let tally = Tally::new(4);
        let ch = Chan::new(3);
        let (sender, receiver) = (ch.sender(), ch.receiver());
        sender.send(tally.value()).unwrap();
        sender.send(tally.value()).unwrap();
        drop(receiver);
        assert!(!sender.is_abandoned(), "a Chan is a receiving handle too");
        assert_eq!(tally.dropped(), 0);
        drop(ch);
        assert!(sender.is_abandoned() && !sender.is_closed());
        assert_eq!((tally.dropped(), sender.len()), (2, 0));
        let SendError(back) = sender.send(tally.value()).unwrap_err();
        assert_eq!(back.id, 2);
        assert_eq!(tally.dropped(), 2);
        drop(back);
        drop(sender);
        tally.assert_each_dropped_once();

        let sender = Sender::from(Chan::<i32>::new(1));
        assert!(sender.is_abandoned(), "From took the last receiving handle");
    });
}

#[test]
fn abandoning_wakes_blocked_senders() {
    each_pair(|sending, abandoning| {
        for capacity in [0, 1] {
            for _ in 0..10 {
                let (sender, receiver) = channel(capacity);
                (0..capacity).for_each(|_| sender.send(0).unwrap());
                let senders: Vec<_> = (1..6)
                    .map(|value| {
                        let sender = sender.clone();
                        sending.start(move || match value % 3 {
                            0 => sender.send(value).map_err(SendError::into_inner),
                            1 => select! { send(sender, value) -> r => r.map_err(|e| e.0) },
                            _ => sender
                                .send_timeout(value, std::time::Duration::from_secs(3600))
                                .map_err(|error| {
                                    assert!(error.is_closed());
                                    error.into_inner()
                                }),
                        })
                    })
                    .collect();
                let abandoner = abandoning.start(move || {
                    give_chances();
                    drop(receiver);
                });
                for (sender, value) in senders.into_iter().zip(1..) {
                    assert_eq!(sender.join(), Err(value));
                }
                abandoner.join();
            }
        }
    });
}

#[test]
fn a_receiver_that_goes_while_others_stay_takes_nothing_along() {
    each_pair(|sending, receiving| {
        let (sender, receiver) = channel(0);
        let leaver = receiver.clone();
        let leaver = receiving.start(move || {
            let first = leaver.recv();
            drop(leaver);
            first
        });
        let sender = sending.start(move || (0..10).for_each(|value| sender.send(value).unwrap()));
        let mut values: Vec<i32> = receiver.iter().collect();
        values.extend(leaver.join());
        values.sort_unstable();
        assert_eq!(values, (0..10).collect::<Vec<_>>());
        sender.join();
    });
}

// ----- sugar ------------------------------------------------------------------------------

#[test]
fn the_sugar_sends_and_receives() {
    each_pair(|sending, receiving| {
        let (squares, done) = (make!(chan u64), make!(chan u64, 1));
        let sender = sending.start({
            let squares = squares.clone();
            move || {
                chan! {
                    for n in 1..=10 {
                        squares <- n * n;
                    }
                    squares.close();
                }
            }
        });
        let receiver = receiving.start({
            let done = done.clone();
            move || {
                chan! {
                    let mut sum = 0;
                    while let Some(square) = <-squares {
                        sum += square;
                    }
                    done <- sum;
                }
            }
        });
        assert_eq!(chan! { <-done }, Some(385));
        sender.join();
        receiver.join();
    });
}

#[test]
fn a_send_on_a_closed_channel_panics() {
    everywhere(|| {
        let ch = make!(chan i32, 1);
        ch.close();
        assert_eq!(panic_of(|| chan! { ch <- 1; }), "send on closed channel");
        assert_eq!(
            panic_of(|| select! { send(ch, 1) => {} }),
            "send on closed channel"
        );
        assert_eq!(
            panic_of(|| select! { ch <- 1 => {} }),
            "send on closed channel"
        );
        let error = go!({ ch <- 1; }).join().unwrap_err();
        assert!(error.is_panic() && !error.is_goexit());
        assert!(error.to_string().contains("send on closed channel"));
        let payload = error.into_panic();
        assert_eq!(harness::message_of(&*payload), "send on closed channel");
    });
}

#[test]
fn a_send_on_a_channel_that_is_closed_and_abandoned_panics() {
    each_runtime(|| {
        let (sender, receiver) = channel(1);
        sender.close();
        drop(receiver);
        let form = |form| match form {
            0 => chan! { sender <- 1; },
            _ => select! { send(sender, 1) => {} },
        };
        for number in 0..2 {
            let message = gochan::scope(|s| {
                let sends = go!(in s, { panic_of(|| form(number)) });
                sends.join().unwrap()
            });
            assert_eq!(message, "send on closed channel");
        }
    });
}

#[test]
fn a_blocked_send_panics_when_the_channel_is_closed() {
    each_pair(|sending, closing| {
        for by_select in [false, true] {
            let ch = make!(chan i32);
            let sender = sending.start({
                let ch = ch.clone();
                move || {
                    if by_select {
                        select! { send(ch, 1) => {} }
                    } else {
                        chan! { ch <- 1; }
                    }
                }
            });
            let closer = closing.start(move || {
                give_chances();
                ch.close();
            });
            let payload = sender.outcome().unwrap_err();
            assert_eq!(harness::message_of(&*payload), "send on closed channel");
            closer.join();
        }
    });
}

#[test]
fn a_send_on_an_abandoned_channel_ends_the_goroutine_quietly() {
    each_runtime(|| {
        for form in 0..3 {
            for blocked in [false, true] {
                let (sender, receiver) = channel(0);
                let tally = Arc::new(Tally::new(2));
                let (deferred, went_on) = (
                    Arc::new(AtomicBool::new(false)),
                    Arc::new(AtomicBool::new(false)),
                );
                let mut receiver = Some(receiver);
                if !blocked {
                    receiver = None;
                }
                let generator = {
                    let (tally, deferred, went_on) = (
                        Arc::clone(&tally),
                        Arc::clone(&deferred),
                        Arc::clone(&went_on),
                    );
                    go!({
                        let _held = tally.value();
                        defer! { deferred.store(true, Ordering::SeqCst); }
                        let value = tally.value();
                        match form {
                            0 => sender <- value,
                            1 => select! { send(sender, value) => {} },
                            _ => {
                                let mut slot = Some(value);
                                select! { send(sender, take slot) => {} }
                            }
                        }
                        went_on.store(true, Ordering::SeqCst);
                    })
                };
                give_chances();
                drop(receiver);
                let error = generator.join().unwrap_err();
                assert!(error.is_goexit() && !error.is_panic(), "{error}");
                assert!(error.try_into_panic().is_err());
                assert!(deferred.load(Ordering::SeqCst), "defer! runs");
                assert!(!went_on.load(Ordering::SeqCst));
                tally.assert_each_dropped_once();
            }
        }
    });
}

#[test]
fn a_send_on_an_abandoned_channel_panics_where_there_is_nothing_to_end() {
    everywhere(|| {
        let (sender, receiver) = channel(1);
        drop(receiver);
        assert_eq!(
            panic_of(|| chan! { sender <- 1; }),
            "send on abandoned channel"
        );
        assert_eq!(
            panic_of(|| select! { send(sender, 1) => {} }),
            "send on abandoned channel"
        );
        // A plain send only reports it.
        assert_eq!(sender.send(1), Err(SendError(1)));
    });
}

#[test]
fn a_generator_whose_reader_has_gone_does_not_leak() {
    each_runtime(|| {
        let before = gochan::runtime::num_goroutine();
        for _ in 0..50 {
            let numbers = {
                let (sender, receiver) = channel(0);
                go!({
                    for n in 0.. {
                        sender <- n;
                    }
                });
                receiver
            };
            assert!(numbers.iter().take(3).eq(0..3));
        }
        until(|| gochan::runtime::num_goroutine() == before);
    });
}

/// Sends from its destructor.
struct Reporter {
    to: Sender<Box<i32>>,
    went_on: Arc<AtomicUsize>,
}

impl Drop for Reporter {
    fn drop(&mut self) {
        chan! {
            self.to <- Box::new(1);
        }
        select! { send(self.to, Box::new(2)) => {} }
        self.went_on.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_destructor_that_sends_on_an_abandoned_channel_while_unwinding_goes_on() {
    each_runtime(|| {
        for goexit in [false, true] {
            let (to, receiver) = channel(0);
            drop(receiver);
            let went_on = Arc::new(AtomicUsize::new(0));
            let reporters = [(); 2].map(|()| Reporter {
                to: to.clone(),
                went_on: Arc::clone(&went_on),
            });
            let error = go!({
                let _reporters = reporters;
                if goexit {
                    gochan::goexit();
                }
                panic!("the original");
            })
            .join()
            .unwrap_err();
            assert_eq!(error.is_goexit(), goexit);
            assert_eq!(error.to_string().contains("the original"), !goexit);
            assert_eq!(went_on.load(Ordering::SeqCst), 2);
        }
    });
    let _watched = watch();
    let (to, receiver) = channel(0);
    drop(receiver);
    let went_on = Arc::new(AtomicUsize::new(0));
    let reporter = Reporter {
        to,
        went_on: Arc::clone(&went_on),
    };
    let outcome = thread::spawn(move || {
        let _reporter = reporter;
        panic!("the original");
    })
    .join();
    assert_eq!(harness::message_of(&*outcome.unwrap_err()), "the original");
    assert_eq!(went_on.load(Ordering::SeqCst), 1);
}

/// Parks in its destructor until it may go on.
struct Parks(Chan<()>, Chan<()>);

impl Drop for Parks {
    fn drop(&mut self) {
        // A panic here would abort: a test that fails wants to say so.
        let _ = self.0.send(());
        let _ = self.1.recv();
    }
}

#[test]
fn one_that_is_parked_while_it_unwinds_does_not_make_others_seem_to_unwind() {
    // Panics are counted by thread; goroutines share one.
    for goexit in [false, true] {
        harness::on_workers(1, || {
            let (parked, go_on) = (Chan::new(0), Chan::new(0));
            let parks = Parks(parked.clone(), go_on.clone());
            let unwinding = go!({
                let _parks = parks;
                if goexit {
                    gochan::goexit();
                }
                panic!("unwinds slowly");
            });
            assert_eq!(parked.recv(), Some(()));

            let (sender, receiver) = channel(0);
            drop(receiver);
            let quiet = go!({
                sender <- 1;
                panic!("went on after a send on an abandoned channel");
            });
            assert!(quiet.join().unwrap_err().is_goexit());
            let panics = go!({ panic!("another") });
            assert!(panics.join().unwrap_err().is_panic());
            let (sender, receiver) = channel(0);
            drop(receiver);
            let message = panic_of(|| chan! { sender <- 1; });
            assert_eq!(message, "send on abandoned channel");

            go_on.send(()).unwrap();
            assert_eq!(unwinding.join().unwrap_err().is_goexit(), goexit);
        });
    }
}

#[test]
fn one_that_caught_its_panic_does_not_unwind() {
    harness::on_workers(1, || {
        // The standard library counts panics by thread. A panic that is thrown and caught while
        // another goroutine is parked in its unwinding cannot be told from one that goes on; one
        // that was caught before that can.
        let (sender, receiver) = channel(0);
        drop(receiver);
        let (caught, send_now) = (Chan::new(0), Chan::new(0));
        let quiet = go!(clone(caught, send_now), {
            assert_eq!(panic_of(|| panic!("caught")), "caught");
            caught <- ();
            assert_eq!(<-send_now, Some(()));
            sender <- 1;
            panic!("went on after a send on an abandoned channel");
        });
        assert_eq!(caught.recv(), Some(()));
        let (parked, go_on) = (Chan::new(0), Chan::new(0));
        let parks = Parks(parked.clone(), go_on.clone());
        let unwinding = go!({
            let _parks = parks;
            panic!("unwinds slowly");
        });
        assert_eq!(parked.recv(), Some(()));
        send_now.send(()).unwrap();
        assert!(quiet.join().unwrap_err().is_goexit());
        go_on.send(()).unwrap();
        assert!(unwinding.join().unwrap_err().is_panic());
    });
}

#[test]
fn the_sugar_takes_references_and_smart_pointers() {
    everywhere(|| {
        let ch = make!(chan i32, 8);
        let (by_ref, boxed, shared) = (&ch, Box::new(ch.sender()), Arc::new(ch.receiver()));
        chan! {
            ch <- 1;
            by_ref <- 2;
            boxed <- 3;
            let mut sum = 0;
            sum += (<-ch).unwrap();
            sum += (<-by_ref).unwrap();
            sum += (<-shared).unwrap();
            assert_eq!(sum, 6);
        }
    });
}

#[test]
fn the_side_that_blocks_may_be_any() {
    // The generator of a thread ends with a panic, that of a goroutine quietly.
    each_pair(|sending, _| {
        let (sender, receiver) = channel(0);
        let generator = sending.start(move || {
            chan! {
                loop {
                    sender <- 1;
                }
            }
        });
        assert_eq!(receiver.recv(), Some(1));
        drop(receiver);
        let message = harness::message_of(&*generator.outcome().err().unwrap());
        match sending {
            Side::Goroutine => assert!(message.contains("goexit"), "{message}"),
            Side::Thread => assert_eq!(message, "send on abandoned channel"),
        }
    });
}

/// A crowd is told part by part; nobody is left out, whatever its size.
#[test]
fn closing_reaches_a_crowd_of_any_size() {
    each_runtime(|| {
        for count in [1, 63, 64, 65, 128, 129, 1_000] {
            let ch = Chan::<u32>::new(0);
            let waiting: Vec<_> = (0..count)
                .map(|number| {
                    go!(clone(ch), {
                        match number % 3 {
                            0 => ch.recv(),
                            1 => select! { v = <-ch => v },
                            // Some leave by themselves while the others are told.
                            _ => ch
                                .recv_timeout(std::time::Duration::from_micros(number))
                                .ok(),
                        }
                    })
                })
                .collect();
            gochan::yield_now();
            ch.close();
            assert!(ch.is_closed());
            for handle in waiting {
                assert_eq!(handle.join().unwrap(), None);
            }
        }
    });
}
