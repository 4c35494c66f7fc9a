//! Every element is dropped exactly once, whatever becomes of it.

mod harness;

use gochan::prelude::*;
use gochan::{Select, channel, unbounded};
use harness::{Counted, Dice, Tally, each_pair, each_runtime, everywhere, give_chances, panic_of};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const SOON: Duration = Duration::from_millis(1);

/// Runs `body` with a tally on every kind of main, and checks it afterwards.
#[track_caller]
fn tallied(count: usize, body: impl Fn(&Tally) + Sync) {
    everywhere(|| {
        let tally = Tally::new(count);
        body(&tally);
        tally.assert_each_dropped_once();
    });
}

#[test]
fn values_left_in_a_channel_go_with_its_last_handle() {
    tallied(10, |tally| {
        for ch in [Chan::new(5), Chan::unbounded()] {
            for _ in 0..5 {
                ch.send(tally.value()).unwrap();
            }
            let receiver = ch.receiver();
            drop(ch);
            drop(receiver.recv());
        }
    });
    tallied(3, |tally| {
        let (sender, receiver) = unbounded();
        for _ in 0..3 {
            sender.send(tally.value()).unwrap();
        }
        drop(receiver);
        assert_eq!(tally.dropped(), 3, "abandoned: dropped at once");
        drop(sender);
    });
}

#[test]
fn refused_and_late_values_come_back_whole() {
    tallied(7, |tally| {
        let ch = Chan::new(1);
        ch.send(tally.value()).unwrap();
        assert_eq!(ch.try_send(tally.value()).unwrap_err().into_inner().id, 1);
        let late = ch.send_timeout(tally.value(), SOON).unwrap_err();
        assert_eq!(late.into_inner().id, 2);
        ch.close();
        assert_eq!(ch.send(tally.value()).unwrap_err().into_inner().id, 3);
        assert!(ch.try_send(tally.value()).is_err());
        assert!(ch.send_timeout(tally.value(), SOON).is_err());
        assert_eq!(tally.dropped(), 5);
        assert_eq!(ch.recv().unwrap().id, 0);
        assert_eq!(tally.dropped(), 6);
        let (sender, receiver) = channel(0);
        drop(receiver);
        assert_eq!(sender.send(tally.value()).unwrap_err().0.id, 6);
    });
}

/// The value of the arm that was not chosen goes first, before the body of the one that was.
#[test]
fn what_a_select_has_received_goes_where_the_destructor_of_another_arm_panics() {
    struct Fails;
    impl Drop for Fails {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    tallied(2, |tally| {
        let (values, full) = (Chan::new(2), Chan::new(0));
        for _ in 0..2 {
            values.send(tally.value()).unwrap();
        }
        let message = panic_of(|| {
            select! {
                _value = <-values => unreachable!(),
                send(full, Fails) => unreachable!(),
            }
        });
        assert_eq!(message, "on purpose");
        assert_eq!(tally.dropped(), 1);
        panic_of(|| {
            select! {
                _value = <-values => unreachable!(),
                send(full, Fails) => unreachable!(),
                default => unreachable!(),
            }
        });
    });
}

#[test]
fn values_handed_over_are_dropped_by_whoever_has_them() {
    const COUNT: usize = 200;
    each_pair(|sending, receiving| {
        for capacity in [0, 1, 5] {
            let tally = Arc::new(Tally::new(COUNT));
            let (sender, receiver) = channel(capacity);
            let sender = sending.start({
                let tally = Arc::clone(&tally);
                move || {
                    for _ in 0..COUNT {
                        sender.send(tally.value()).unwrap();
                    }
                }
            });
            // Half of them are read; the rest is dropped in the channel or never sent.
            let receiver = receiving.start(move || {
                for id in 0..COUNT {
                    assert_eq!(receiver.recv().unwrap().id, id);
                }
            });
            sender.join();
            receiver.join();
            tally.assert_each_dropped_once();
        }
    });
}

#[test]
fn values_in_flight_when_the_channel_ends_are_dropped_once() {
    each_pair(|sending, ending| {
        for round in 0..30 {
            let tally = Arc::new(Tally::new(100));
            let (sender, receiver) = channel(round % 3);
            let senders: Vec<_> = (0..3)
                .map(|_| {
                    let (sender, tally) = (sender.clone(), Arc::clone(&tally));
                    sending.start(move || {
                        for _ in 0..10 {
                            if sender.send(tally.value()).is_err() {
                                return;
                            }
                        }
                    })
                })
                .collect();
            let ender = ending.start(move || {
                for _ in 0..round % 7 {
                    drop(receiver.recv());
                }
                if round % 2 == 0 {
                    sender.close();
                }
                drop(receiver);
            });
            senders.into_iter().for_each(harness::Task::join);
            ender.join();
            tally.assert_each_dropped_once();
        }
    });
}

#[test]
fn the_arm_that_loses_a_select_drops_its_value_once() {
    tallied(12, |tally| {
        let (full, ready) = (Chan::new(0), Chan::new(1));
        for _ in 0..2 {
            select! {
                send(full, tally.value()) => panic!("nobody receives"),
                send(ready, tally.value()) => {}
            }
            drop(ready.recv());
            select! {
                send(full, tally.value()) => panic!("nobody receives"),
                default => {}
            }
            select! {
                send(full, tally.value()) => panic!("nobody receives"),
                after(SOON) => {}
            }
            select! {
                send(full, tally.value()) if false => panic!("disabled"),
                default => {}
            }
            select! {
                send(None::<&Sender<Counted>>, tally.value()) => panic!("no channel"),
                default => {}
            }
        }
        drop((full, ready));
    });
}

#[test]
fn a_taken_slot_keeps_loses_or_gets_back_its_value() {
    tallied(3, |tally| {
        let (full, ready) = (Chan::new(0), Chan::new(1));
        let mut slot = Some(tally.value());
        select! { send(full, take slot) => panic!("nobody receives"), default => {} }
        select! { send(full, take slot) => panic!("nobody receives"), after(SOON) => {} }
        assert_eq!(slot.as_ref().map(|value| value.id), Some(0), "kept");
        select! { send(ready, take slot) => {} }
        assert!(slot.is_none(), "sent");
        assert_eq!(tally.dropped(), 0);
        drop(ready.recv());
        assert_eq!(tally.dropped(), 1);

        ready.close();
        slot = Some(tally.value());
        let back = select! { send(ready, take slot) -> sent => sent.unwrap_err().into_inner() };
        assert_eq!(back.id, 1, "refused");
        assert!(slot.is_none());
        slot = Some(tally.value());
        assert_eq!(
            panic_of(|| select! { send(ready, take slot) => {} }),
            "send on closed channel"
        );
        drop((slot, back));
    });
}

#[test]
fn a_value_that_a_blocked_select_offers_is_dropped_once() {
    each_pair(|selecting, other| {
        for round in 0..40 {
            let tally = Arc::new(Tally::new(4));
            let (first, second) = (Chan::new(0), Chan::new(0));
            let selector = selecting.start({
                let (tally, first, second) = (Arc::clone(&tally), first.sender(), second.sender());
                move || {
                    let mut slot = Some(tally.value());
                    select! {
                        send(first, tally.value()) -> sent => _ = sent,
                        send(second, take slot) -> sent => _ = sent,
                        send(first, tally.value()) -> sent => _ = sent,
                    }
                }
            });
            let partner = other.start(move || {
                give_chances();
                match round % 4 {
                    0 => drop(first.recv()),
                    1 => drop(second.recv()),
                    2 => first.close(),
                    _ => drop(second),
                }
            });
            selector.join();
            partner.join();
            tally.assert_each_dropped_once();
        }
    });
}

#[test]
fn a_received_value_that_nobody_names_is_dropped() {
    tallied(6, |tally| {
        let ch = Chan::new(6);
        for _ in 0..6 {
            ch.send(tally.value()).unwrap();
        }
        select! { recv(ch) => {} }
        assert_eq!(tally.dropped(), 1);
        select! { recv(ch) -> _ => {} }
        assert_eq!(tally.dropped(), 2);
        select! { _value = <-ch => assert_eq!(tally.dropped(), 2) }
        assert_eq!(tally.dropped(), 3);
        let _: () = chan! { <-ch; };
        assert_eq!(tally.dropped(), 4);
        let mut select = Select::new();
        select.recv(&ch);
        // A chosen receive that is not completed stays with the Select.
        drop(select.select());
        assert_eq!((tally.dropped(), ch.len()), (4, 1));
        assert_eq!(select.select().recv(&ch).unwrap().id, 4);
        assert_eq!(tally.dropped(), 5);
    });
}

/// Panics when it is dropped, after it has been counted.
struct Fails(Counted);

impl Drop for Fails {
    fn drop(&mut self) {
        let _ = &self.0;
        // Without the hook, which would print a message for each.
        std::panic::resume_unwind(Box::new("a destructor failed"));
    }
}

#[test]
fn an_element_whose_destructor_panics_leaves_the_channel_whole() {
    tallied(6, |tally| {
        let ch = Chan::new(3);
        for _ in 0..3 {
            assert!(ch.send(Fails(tally.value())).is_ok());
        }
        assert_eq!(panic_of(|| drop(ch.recv())), "a destructor failed");
        assert_eq!(
            panic_of(|| select! { recv(ch) -> _ => {} }),
            "a destructor failed"
        );
        assert_eq!(ch.len(), 1);
        assert!(ch.send(Fails(tally.value())).is_ok());
        let last = ch.recv().unwrap();
        assert_eq!(last.0.id, 2);
        assert_eq!(panic_of(|| drop(last)), "a destructor failed");
        // The buffer's last value fails while the channel is abandoned or goes.
        let sender = ch.sender();
        assert_eq!(panic_of(move || drop(ch)), "a destructor failed");
        assert!(sender.is_abandoned());
        let value = tally.value();
        let back = sender.send(Fails(value)).unwrap_err();
        assert_eq!(panic_of(|| drop(back)), "a destructor failed");
        let (lonely, receiver) = channel(1);
        assert!(lonely.send(Fails(tally.value())).is_ok());
        drop(lonely);
        assert_eq!(panic_of(move || drop(receiver)), "a destructor failed");
    });
}

#[test]
fn abandoning_a_buffer_with_a_failing_element_still_drops_the_others() {
    enum Element {
        Plain(#[expect(dead_code, reason = "dropped")] Counted),
        Failing(#[expect(dead_code, reason = "dropped")] Fails),
    }
    tallied(3, |tally| {
        let (sender, receiver) = channel(3);
        let values = [
            Element::Plain(tally.value()),
            Element::Failing(Fails(tally.value())),
            Element::Plain(tally.value()),
        ];
        for value in values {
            assert!(sender.send(value).is_ok());
        }
        assert_eq!(panic_of(move || drop(receiver)), "a destructor failed");
        assert_eq!(tally.dropped(), 3);
    });
}

/// Uses its own channel when it is dropped.
struct Knot {
    own: Sender<Knot>,
    drops: Arc<AtomicUsize>,
}

impl Drop for Knot {
    fn drop(&mut self) {
        // The channel's lock must be free here, or this hangs.
        assert!(self.own.is_abandoned());
        assert_eq!(self.own.len(), 0);
        assert!(self.own.clone().capacity().is_some());
        self.drops.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_destructor_may_use_the_channel_that_drops_it() {
    everywhere(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = channel(3);
        for _ in 0..3 {
            let knot = Knot {
                own: sender.clone(),
                drops: Arc::clone(&drops),
            };
            assert!(sender.send(knot).is_ok());
        }
        drop(receiver);
        assert_eq!(drops.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn channels_may_be_sent_through_channels() {
    each_runtime(|| {
        let tally = Arc::new(Tally::new(100));
        let requests = make!(chan(Counted, Sender<Counted>));
        let server = go!(clone(requests), {
            for (value, reply) in &requests {
                reply <- value;
            }
        });
        let clients: Vec<_> = (0..10)
            .map(|_| {
                go!(clone(requests, tally), {
                    for _ in 0..10 {
                        let (reply, answer) = channel(0);
                        requests <- (tally.value(), reply);
                        assert!(answer.recv().is_some());
                        assert!(answer.recv().is_none());
                    }
                })
            })
            .collect();
        clients
            .into_iter()
            .for_each(|client| client.join().unwrap());
        requests.close();
        server.join().unwrap();
        tally.assert_each_dropped_once();
    });
}

#[test]
fn random_operations_drop_every_value_once() {
    each_pair(|left, right| {
        for seed in 0..4 {
            let tally = Arc::new(Tally::new(1200));
            let ch = Chan::new(seed as usize % 3);
            let tasks: Vec<_> = [left, right, left, right]
                .into_iter()
                .enumerate()
                .map(|(number, side)| {
                    let (ch, tally) = (ch.clone(), Arc::clone(&tally));
                    side.start(move || {
                        let dice = Dice::new(seed * 4 + number as u64 + 1);
                        let brief = || Duration::from_micros(dice.below(30));
                        for _ in 0..300 {
                            match dice.below(7) {
                                0 => drop(ch.try_send(tally.value())),
                                1 => drop(ch.try_recv()),
                                2 => drop(ch.send_timeout(tally.value(), brief())),
                                3 => drop(ch.recv_timeout(brief())),
                                4 => select! {
                                    send(ch, tally.value()) => {}
                                    recv(ch) -> _ => {}
                                    after(brief()) => {}
                                },
                                5 => {
                                    let mut slot = Some(tally.value());
                                    select! {
                                        send(ch, take slot) => {}
                                        default => {}
                                    }
                                }
                                _ => {
                                    let mut select = Select::new();
                                    let send = select.send(&ch);
                                    select.recv(&ch);
                                    match select.select_timeout(brief()) {
                                        Err(_) => {}
                                        Ok(op) if dice.below(3) == 0 => drop(op),
                                        Ok(op) if op.index() == send => {
                                            drop(op.send(&ch, tally.value()));
                                        }
                                        Ok(op) => drop(op.recv(&ch)),
                                    }
                                }
                            }
                        }
                    })
                })
                .collect();
            tasks.into_iter().for_each(harness::Task::join);
            drop(ch);
            tally.assert_each_dropped_once();
        }
    });
}
