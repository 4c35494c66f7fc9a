//! `select!`: its arms, its choice, and its waits.

mod harness;

use gochan::prelude::*;
use gochan::{SendError, channel};
use harness::{
    Side, Tally, chi_square, each_pair, each_runtime, everywhere, give_chances, on_workers,
    panic_of, until,
};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

// ----- forms ------------------------------------------------------------------------------

#[test]
fn every_receiving_form() {
    everywhere(|| {
        let ch = make!(chan i32, 8);
        (1..=6).for_each(|n| ch.send(n).unwrap());
        let mut seen = vec![select! { recv(ch) -> v => v }];
        seen.push(select! { v = <-ch => v });
        select! { recv(ch) => {} }
        select! { <-ch => {} }
        select! { recv(&ch) -> v if true => seen.push(v), default => {} }
        select! {
            recv(ch.receiver()) -> v => seen.push(v),
        }
        assert_eq!(seen, [Some(1), Some(2), Some(5), Some(6)]);
        ch.close();
        assert_eq!(select! { recv(ch) -> v => v }, None);
    });
}

#[test]
fn every_sending_form() {
    everywhere(|| {
        let ch = make!(chan i32, 8);
        select! { send(ch, 1) => {} }
        select! { ch <- 2 => {} }
        assert_eq!(select! { send(ch, 3) -> sent => sent }, Ok(()));
        let mut slot = Some(4);
        select! { send(ch, take slot) => assert_eq!(slot, None) }
        slot = Some(5);
        assert_eq!(select! { send(ch, take slot) -> sent => sent }, Ok(()));
        let take = 6;
        select! { send(ch.sender(), (take)) => {} }
        assert!(ch.try_iter().eq(1..=6));
        ch.close();
        assert_eq!(select! { send(ch, 7) -> sent => sent }, Err(SendError(7)));
        slot = Some(8);
        assert_eq!(
            select! { send(ch, take slot) -> sent => sent },
            Err(SendError(8))
        );
    });
}

#[test]
fn the_forms_wait_and_are_served() {
    each_pair(|selecting, serving| {
        for form in 0..7 {
            for _ in 0..5 {
                let (input, output, idle) = (make!(chan i32), make!(chan i32), make!(chan i32));
                let selector = selecting.start({
                    let (input, output, idle) = (input.clone(), output.clone(), idle.clone());
                    move || {
                        let mut slot = Some(7);
                        match form {
                            0 => select! { recv(input) -> v => v, recv(idle) => None },
                            1 => select! { v = <-input => v, <-idle => None },
                            2 => select! { recv(idle) => None, v = <-input => v },
                            3 => select! { send(output, 7) => Some(7), recv(idle) => None },
                            4 => select! { output <- 7 => Some(7), idle <- 1 => None },
                            5 => select! {
                                recv(idle) => None,
                                send(output, take slot) => slot.xor(Some(7)),
                                after(LONG) => None,
                            },
                            _ => select! {
                                biased;
                                recv(idle) => None,
                                send(output, 7) -> sent => sent.ok().map(|()| 7),
                            },
                        }
                    }
                });
                let server = serving.start(move || {
                    give_chances();
                    if form < 3 {
                        input.send(7).unwrap();
                    } else {
                        assert_eq!(output.recv(), Some(7));
                    }
                });
                assert_eq!(selector.join(), Some(7));
                server.join();
                assert_eq!(idle.len(), 0);
            }
        }
    });
}

#[test]
fn guards_disable_arms_and_are_evaluated_first() {
    everywhere(|| {
        let ch = make!(chan i32, 1);
        ch.send(1).unwrap();
        let on = true;
        let chosen = select! {
            recv(ch) if !on => "disabled",
            send(ch, 2) if on && ch.is_empty() => "full",
            after(Duration::ZERO) if !on => "disabled timer",
            default => "default",
        };
        assert_eq!(chosen, "default");
        assert_eq!(
            select! { recv(ch) -> v if on => v, default => None },
            Some(1)
        );
        assert_eq!(
            select! { send(ch, 3) if !on => 0, after(SOON) => 1 },
            1,
            "a disabled arm is no arm"
        );
    });
}

#[test]
fn an_absent_channel_is_never_ready() {
    everywhere(|| {
        let ch = make!(chan i32, 1);
        let mut input = Some(ch.receiver());
        let output: Option<&Sender<i32>> = None;
        ch.send(1).unwrap();
        assert_eq!(
            select! { recv(input) -> v => v, send(output, 1) => Some(-1) },
            Some(1)
        );
        ch.send(2).unwrap();
        assert_eq!(select! { recv(input.as_ref()) -> v => v }, Some(2));
        input = None;
        ch.send(3).unwrap();
        assert_eq!(
            select! { recv(input) -> v => v, send(output, 1) => Some(-1), default => None },
            None
        );
        assert_eq!(
            select! { recv(&input) -> v => v, after(SOON) => None },
            None
        );
        let mut nothing: Option<i32> = None;
        let room = make!(chan i32, 1);
        let taken = select! { send(room, take nothing) => "sent", default => "nothing to take" };
        assert_eq!(taken, "nothing to take");
    });
}

#[test]
fn timers_come_in_order_and_not_early() {
    everywhere(|| {
        let idle = make!(chan i32);
        let start = gochan::time::now();
        let first = select! {
            after(LONG) => "late",
            after(SOON) => "soon",
            recv(idle) => "never",
        };
        assert_eq!(first, "soon");
        assert!(gochan::time::now() - start >= SOON);
        assert_eq!(select! { after(Duration::ZERO) => 0, default => 1 }, 0);
        assert_eq!(select! { after(LONG) => 0, default => 1 }, 1);
        assert_eq!(select! { after(Duration::MAX) => 0, after(SOON) => 1 }, 1);
    });
}

#[test]
fn a_timer_that_races_a_partner_loses_nothing() {
    each_pair(|selecting, sending| {
        const ROUNDS: usize = 300;
        let ch = Chan::new(0);
        let receiver = ch.receiver();
        let sender = sending.start(move || {
            let mut slot = None;
            for value in 0..ROUNDS {
                slot = Some(value);
                while slot.is_some() {
                    select! {
                        send(ch, take slot) => {}
                        after(Duration::from_micros(value as u64 % 40)) => {}
                    }
                }
            }
            slot
        });
        let selector = selecting.start(move || {
            let mut received = Vec::new();
            let mut round = 0;
            loop {
                round += 7;
                select! {
                    recv(receiver) -> value => match value {
                        Some(value) => received.push(value),
                        None => return received,
                    },
                    after(Duration::from_micros(round % 40)) => {}
                }
            }
        });
        assert_eq!(sender.join(), None);
        assert_eq!(selector.join(), (0..ROUNDS).collect::<Vec<_>>());
    });
}

#[test]
fn default_is_taken_exactly_when_nothing_is_ready() {
    everywhere(|| {
        let (a, b) = (make!(chan i32, 1), make!(chan i32, 1));
        for _ in 0..100 {
            assert!(select! { recv(a) => false, recv(b) => false, default => true });
            select! { send(a, 1) => {}, default => panic!("there is room") }
            assert!(select! { send(a, 2) => false, recv(b) => false, default => true });
            select! { recv(b) => panic!("it is empty"), recv(a) => {}, default => panic!("it is ready") }
        }
    });
}

#[test]
fn default_meets_partners_that_wait() {
    each_pair(|waiting, _| {
        let (ch, back) = (make!(chan i32), make!(chan i32));
        let partner = waiting.start({
            let (ch, back) = (ch.clone(), back.clone());
            move || {
                for n in 0..50 {
                    assert_eq!(ch.recv(), Some(n));
                    back.send(n).unwrap();
                }
            }
        });
        for n in 0..50 {
            until(|| select! { send(ch, n) => true, default => false });
            until(|| select! { recv(back) -> v => v == Some(n), default => false });
        }
        partner.join();
    });
}

#[test]
fn bodies_may_leave_the_enclosing_code() {
    fn first_even(numbers: &Receiver<u32>) -> Result<u32, &'static str> {
        loop {
            select! {
                recv(numbers) -> n => {
                    let n = n.ok_or("no even number")?;
                    if n % 2 == 1 {
                        continue;
                    }
                    return Ok(n);
                }
            }
        }
    }
    everywhere(|| {
        let ch = make!(chan u32, 4);
        [1, 3, 4, 5].into_iter().for_each(|n| ch.send(n).unwrap());
        assert_eq!(first_even(&ch.receiver()), Ok(4));
        ch.close();
        assert_eq!(first_even(&ch.receiver()), Err("no even number"));

        let mut count = 0;
        let broken = 'outer: loop {
            for _ in 0..3 {
                select! {
                    recv(ch) if count == 5 => break 'outer "broken",
                    default => count += 1,
                }
            }
        };
        assert_eq!((broken, count), ("broken", 5));
    });
}

#[test]
fn select_is_an_expression_and_its_bodies_use_the_sugar() {
    everywhere(|| {
        let (a, b) = (make!(chan i32, 1), make!(chan i32, 1));
        a.send(20).unwrap();
        let total = 1 + select! {
            v = <-a => {
                b <- v.unwrap() + 1;
                (<-b).unwrap() * 2
            }
        };
        assert_eq!(total, 43);
    });
}

#[test]
fn bodies_may_change_what_operands_borrowed() {
    everywhere(|| {
        let mut inputs = vec![make!(chan i32, 1), make!(chan i32, 1)];
        inputs[1].send(5).unwrap();
        select! {
            recv(inputs[0]) => inputs.clear(),
            recv(inputs[1]) -> v => {
                assert_eq!(v, Some(5));
                inputs.truncate(1);
            }
        }
        assert_eq!(inputs.len(), 1);
    });
}

#[test]
fn operands_are_evaluated_once_in_source_order() {
    everywhere(|| {
        let log = RefCell::new(Vec::new());
        let note = |what: &'static str| log.borrow_mut().push(what);
        let (a, b) = (make!(chan i32, 1), make!(chan i32, 1));
        let chosen = select! {
            biased;
            recv({ note("channel 1"); &a }) if { note("guard 1"); true } => 1,
            send({ note("channel 2"); &b }, { note("value 2"); 7 }) if { note("guard 2"); false } => 2,
            after({ note("time 3"); LONG }) => 3,
            send({ note("channel 4"); &b }, { note("value 4"); 8 }) => 4,
        };
        assert_eq!(chosen, 4);
        assert_eq!(
            *log.borrow(),
            [
                "guard 1",
                "channel 1",
                "guard 2",
                "channel 2",
                "value 2",
                "time 3",
                "channel 4",
                "value 4"
            ]
        );
        assert_eq!(b.recv(), Some(8));
    });
}

#[test]
fn a_panic_in_an_operand_or_a_body_leaves_the_channels_whole() {
    everywhere(|| {
        let (a, b) = (make!(chan i32), make!(chan i32, 1));
        fn fails() -> i32 {
            panic!("operand");
        }
        let operand = panic_of(|| select! { recv(a) => {}, send(b, fails()) => {} });
        assert_eq!(operand, "operand");
        assert_eq!(b.len(), 0);
        b.send(1).unwrap();
        let body = panic_of(|| select! { recv(a) => {}, recv(b) -> v => panic!("body {v:?}") });
        assert_eq!(body, "body Some(1)");
        b.send(2).unwrap();
        assert_eq!(select! { recv(a) => None, recv(b) -> v => v }, Some(2));
        assert!(a.try_send(1).is_err(), "nobody waits on the other channel");
    });
}

#[test]
fn a_panic_in_an_arm_after_a_wait_leaves_no_waiter_behind() {
    each_pair(|selecting, sending| {
        let (a, b) = (make!(chan i32), make!(chan i32));
        let selector = selecting.start({
            let (a, b) = (a.clone(), b.clone());
            move || select! { recv(a) => {}, recv(b) => panic!("in the arm") }
        });
        let sender = sending.start({
            let b = b.clone();
            move || b.send(1).unwrap()
        });
        let payload = selector.outcome().unwrap_err();
        assert_eq!(harness::message_of(&*payload), "in the arm");
        sender.join();
        assert!(a.try_send(1).is_err() && b.try_send(1).is_err());
    });
}

// ----- choice -----------------------------------------------------------------------------

const ROUNDS: u64 = 100_000;
/// Passed once in a million by an even choice between two, and once in 1.3 million among three.
const CHI_TWO: f64 = 24.0;
const CHI_THREE: f64 = 28.0;

#[test]
fn two_ready_arms_are_chosen_evenly() {
    everywhere(|| {
        let (a, b) = (make!(chan(), 1), make!(chan(), 1));
        a.send(()).unwrap();
        b.send(()).unwrap();
        let mut counts = [0; 2];
        for _ in 0..ROUNDS {
            select! {
                recv(a) => { counts[0] += 1; a <- () }
                recv(b) => { counts[1] += 1; b <- () }
            }
        }
        assert!(chi_square(&counts) < CHI_TWO, "{counts:?}");
    });
}

#[test]
fn an_arm_that_is_not_ready_does_not_bend_the_choice() {
    // A rotation in place of a shuffle would give the arm behind the idle one twice its share.
    on_workers(1, || {
        for idle in 0..3 {
            let channels = [(); 3].map(|()| make!(chan(), 1));
            let mut counts = [0; 3];
            for (number, channel) in channels.iter().enumerate() {
                if number != idle {
                    channel.send(()).unwrap();
                }
            }
            for _ in 0..ROUNDS / 2 {
                let chosen = select! {
                    recv(channels[0]) => 0,
                    recv(channels[1]) => 1,
                    recv(channels[2]) => 2,
                };
                counts[chosen] += 1;
                channels[chosen].send(()).unwrap();
            }
            let ready: Vec<u64> = counts.into_iter().filter(|&count| count > 0).collect();
            assert!(
                ready.len() == 2 && chi_square(&ready) < CHI_TWO,
                "{counts:?}"
            );
        }
    });
}

#[test]
fn arms_of_all_kinds_are_chosen_evenly_with_a_default() {
    on_workers(1, || {
        let (input, output) = (make!(chan(), 1), make!(chan(), 1));
        input.send(()).unwrap();
        let mut counts = [0; 3];
        for _ in 0..ROUNDS {
            select! {
                recv(input) => { counts[0] += 1; input <- () }
                send(output, ()) => { counts[1] += 1; _ = output.recv() }
                after(Duration::ZERO) => counts[2] += 1,
                default => panic!("three arms are ready"),
            }
        }
        assert!(chi_square(&counts) < CHI_THREE, "{counts:?}");
    });
}

/// However fast it is looked at.
#[test]
fn no_time_has_passed_at_once() {
    everywhere(|| {
        let never: gochan::Chan<()> = make!(chan());
        for _ in 0..ROUNDS {
            select! {
                after(Duration::ZERO) => {}
                default => panic!("no time has to pass"),
            }
            select! {
                recv(never) => unreachable!(),
                after(Duration::ZERO) => {}
                default => panic!("no time has to pass"),
            }
        }
    });
}

#[test]
fn partners_that_wait_are_chosen_evenly() {
    on_workers(1, || {
        let (a, b) = (make!(chan()), make!(chan()));
        for ch in [a.clone(), b.clone()] {
            go!({
                loop {
                    ch <- ();
                }
            });
        }
        let mut counts = [0; 2];
        for _ in 0..20_000 {
            // Both have come back to their sends.
            gochan::yield_now();
            gochan::yield_now();
            select! {
                recv(a) => counts[0] += 1,
                recv(b) => counts[1] += 1,
            }
        }
        assert!(chi_square(&counts) < CHI_TWO, "{counts:?}");
    });
}

/// Each time the partner comes when the select waits already: trying meets only those who wait.
#[test]
fn arms_that_wait_at_one_channel_are_chosen_evenly() {
    fn partner(meets: impl Fn() -> bool + Send + 'static) {
        go!({
            for _ in 0..20_000 {
                while !meets() {
                    gochan::yield_now();
                }
            }
        });
    }
    on_workers(1, || {
        let (a, idle, b) = (make!(chan()), make!(chan()), make!(chan()));
        let mut received = [0; 2];
        partner({
            let a = a.clone();
            move || a.try_send(()).is_ok()
        });
        for _ in 0..20_000 {
            select! {
                recv(a) => received[0] += 1,
                recv(idle) => unreachable!(),
                recv(a) => received[1] += 1,
            }
        }
        assert!(chi_square(&received) < CHI_TWO, "{received:?}");

        let mut sent = [0; 2];
        partner({
            let b = b.clone();
            move || b.try_recv().is_ok()
        });
        for _ in 0..20_000 {
            select! {
                send(b, ()) => sent[0] += 1,
                after(LONG) => unreachable!(),
                send(b, ()) => sent[1] += 1,
            }
        }
        assert!(chi_square(&sent) < CHI_TWO, "{sent:?}");

        partner({
            let a = a.clone();
            move || a.try_send(()).is_ok()
        });
        for _ in 0..20_000 {
            select! {
                biased;
                recv(a) => {}
                recv(a) => unreachable!("it stands behind the first one"),
            }
        }
    });
}

#[test]
fn biased_takes_the_first_that_is_ready() {
    everywhere(|| {
        let channels = [(); 3].map(|()| make!(chan usize, 1));
        for round in 0..200 {
            let first = round % 3;
            for (number, channel) in channels.iter().enumerate().skip(first) {
                channel.send(number).unwrap();
            }
            let chosen = select! {
                biased;
                recv(channels[0]) -> v => v,
                recv(channels[1]) -> v => v,
                recv(channels[2]) -> v => v,
                default => None,
            };
            assert_eq!(chosen, Some(first));
            for channel in &channels {
                let _ = channel.try_recv();
            }
        }
        let ready = make!(chan usize, 1);
        ready.send(9).unwrap();
        let chosen = select! { biased; after(Duration::ZERO) => 1, recv(ready) => 2 };
        assert_eq!(chosen, 1);
    });
}

// ----- many at once -----------------------------------------------------------------------

#[test]
fn selecting_senders_deliver_every_value_once() {
    const SENDERS: usize = 4;
    const EACH: usize = 25_000;
    for (workers, sending, receiving) in [
        (1, Side::Goroutine, Side::Goroutine),
        (2, Side::Goroutine, Side::Goroutine),
        (2, Side::Goroutine, Side::Thread),
        (2, Side::Thread, Side::Goroutine),
    ] {
        let each = if sending == receiving {
            EACH
        } else {
            EACH / 10
        };
        on_workers(workers, || {
            let channels: [Chan<usize>; 4] = std::array::from_fn(|n| Chan::new(n % 2));
            let seen: Arc<Vec<AtomicUsize>> =
                Arc::new((0..SENDERS * each).map(|_| AtomicUsize::new(0)).collect());
            let receivers: Vec<_> = (0..2)
                .map(|_| {
                    let channels = channels.each_ref().map(Chan::receiver);
                    let seen = Arc::clone(&seen);
                    receiving.start(move || {
                        let mut open = channels.each_ref().map(Some);
                        while open.iter().any(Option::is_some) {
                            let (from, value) = select! {
                                recv(open[0]) -> v => (0, v),
                                recv(open[1]) -> v => (1, v),
                                recv(open[2]) -> v => (2, v),
                                recv(open[3]) -> v => (3, v),
                            };
                            match value {
                                Some(value) => _ = seen[value].fetch_add(1, Ordering::Relaxed),
                                None => open[from] = None,
                            }
                        }
                    })
                })
                .collect();
            let senders: Vec<_> = (0..SENDERS)
                .map(|number| {
                    let channels = channels.each_ref().map(Chan::sender);
                    sending.start(move || {
                        let mut counts = [0_usize; 4];
                        for value in number * each..(number + 1) * each {
                            let to = select! {
                                send(channels[0], value) => 0,
                                send(channels[1], value) => 1,
                                send(channels[2], value) => 2,
                                send(channels[3], value) => 3,
                            };
                            counts[to] += 1;
                        }
                        counts
                    })
                })
                .collect();
            drop(channels);
            for sender in senders {
                assert_eq!(sender.join().iter().sum::<usize>(), each);
            }
            receivers.into_iter().for_each(harness::Task::join);
            for (value, times) in seen.iter().enumerate() {
                assert_eq!(times.load(Ordering::Relaxed), 1, "value {value}");
            }
        });
    }
}

#[test]
fn ten_thousand_blocked_selects_all_wake_on_close() {
    const COUNT: usize = 10_000;
    each_runtime(|| {
        let channels = [(); 3].map(|()| make!(chan usize));
        let started = Arc::new(AtomicUsize::new(0));
        let handles: Vec<_> = (0..COUNT)
            .map(|number| {
                let [a, b, c] = channels.clone();
                let started = Arc::clone(&started);
                go!({
                    started.fetch_add(1, Ordering::SeqCst);
                    let mut slot = Some(number);
                    select! {
                        recv(a) -> v => assert_eq!(v, None),
                        recv(b) -> v => assert_eq!(v, None),
                        send(c, take slot) -> sent => assert_eq!(sent, Err(SendError(number))),
                    }
                })
            })
            .collect();
        until(|| started.load(Ordering::SeqCst) == COUNT);
        // Nobody receives from `c`, and nothing is sent: only a close can end the waits.
        assert_eq!(
            handles.iter().filter(|handle| handle.is_finished()).count(),
            0
        );
        channels[COUNT % 3].close();
        handles
            .into_iter()
            .for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn many_selects_on_few_channels_share_every_value_once() {
    each_pair(|selecting, sending| {
        let channels = [(); 3].map(|()| make!(chan usize));
        let received = Arc::new(Mutex::new(Vec::new()));
        let selectors: Vec<_> = (0..8)
            .map(|_| {
                let [a, b, c] = channels.each_ref().map(Chan::receiver);
                let received = Arc::clone(&received);
                selecting.start(move || {
                    while let Some(value) = select! {
                        recv(a) -> v => v,
                        recv(b) -> v => v,
                        recv(c) -> v => v,
                    } {
                        received.lock().unwrap().push(value);
                    }
                })
            })
            .collect();
        let senders: Vec<_> = channels
            .into_iter()
            .enumerate()
            .map(|(number, ch)| {
                sending.start(move || {
                    for n in 0..200 {
                        ch.send(n * 3 + number).unwrap();
                    }
                    // Only when all is sent may the first channel close: its `None` ends a
                    // selector that the others may still need.
                    ch
                })
            })
            .collect();
        let channels: Vec<_> = senders.into_iter().map(harness::Task::join).collect();
        drop(channels);
        selectors.into_iter().for_each(harness::Task::join);
        let mut received = received.lock().unwrap().clone();
        received.sort_unstable();
        assert!(received.into_iter().eq(0..600));
    });
}

#[test]
fn a_select_never_meets_itself() {
    each_pair(|selecting, other| {
        for round in 0..20 {
            let ch = make!(chan i32);
            assert!(select! { send(ch, 1) => false, recv(ch) => false, default => true });
            assert!(select! { recv(ch) => false, send(ch, 1) => false, after(SOON / 50) => true });
            let selector = selecting.start({
                let ch = ch.clone();
                move || {
                    select! {
                        send(ch, 1) -> sent => { sent.unwrap(); None }
                        recv(ch) -> v => v,
                        recv(ch) -> v => v,
                        send(ch, 2) -> sent => { sent.unwrap(); None }
                    }
                }
            });
            let partner = other.start(move || {
                give_chances();
                if round % 2 == 0 {
                    ch.send(7).unwrap();
                    7
                } else {
                    ch.recv().unwrap()
                }
            });
            let (selected, partner) = (selector.join(), partner.join());
            if round % 2 == 0 {
                assert_eq!(selected, Some(7));
            } else {
                assert!(selected.is_none() && (1..=2).contains(&partner));
            }
        }
    });
}

#[test]
fn two_selects_on_one_channel_meet_each_other() {
    each_pair(|left, right| {
        let ch = make!(chan usize);
        let other = make!(chan usize);
        let run = |number: usize| {
            let (ch, other) = (ch.clone(), other.clone());
            move || {
                let (mut sent, mut received) = (0, 0);
                for _ in 0..300 {
                    select! {
                        send(ch, number) => sent += 1,
                        recv(ch) -> from => {
                            assert_eq!(from, Some(1 - number), "met itself");
                            received += 1;
                        }
                        recv(other) => panic!("nobody sends here"),
                    }
                }
                (sent, received)
            }
        };
        let (left, right) = (left.start(run(0)), right.start(run(1)));
        let ((left_sent, left_received), right) = (left.join(), right.join());
        assert_eq!((left_received, left_sent), right);
        assert_eq!(left_sent + left_received, 300);
    });
}

#[test]
fn selects_that_lock_the_same_channels_in_other_orders_do_not_deadlock() {
    each_pair(|left, right| {
        let channels = [(); 4].map(|()| make!(chan usize));
        let tasks: Vec<_> = [left, right, left, right]
            .into_iter()
            .enumerate()
            .map(|(number, side)| {
                let mut channels = channels.clone();
                channels.rotate_left(number);
                side.start(move || {
                    let [a, b, c, d] = &channels;
                    for _ in 0..100 {
                        select! {
                            send(a, 1) => {}
                            recv(b) => {}
                            send(c, 1) => {}
                            recv(d) => {}
                            after(Duration::from_micros(50)) => {}
                        }
                    }
                })
            })
            .collect();
        tasks.into_iter().for_each(harness::Task::join);
    });
}

/// Whatever a send that is refused does to the goroutine.
#[test]
fn a_slot_keeps_what_a_closed_or_abandoned_channel_refuses() {
    each_runtime(|| {
        let closed = make!(chan String, 1);
        closed.close();
        let (abandoned, receiver) = gochan::channel::<String>(1);
        drop(receiver);
        for ch in [closed.sender(), abandoned] {
            let slot = Arc::new(Mutex::new(Some("kept".to_owned())));
            let handle = go!(clone(slot), {
                let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                select! { send(ch, take *slot) => {} }
            });
            handle.join().unwrap_err();
            let slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            assert_eq!(slot.as_deref(), Some("kept"));
        }
    });
}

#[test]
fn a_slot_is_taken_only_if_its_send_happens() {
    each_pair(|selecting, other| {
        let tally = Arc::new(Tally::new(200));
        for round in 0..100 {
            let (ch, stop) = (make!(chan harness::Counted), make!(chan()));
            let selector = selecting.start({
                let (ch, stop, value) = (ch.sender(), stop.clone(), tally.value());
                move || {
                    let mut slot = Some(value);
                    select! {
                        send(ch, take slot) -> sent => {
                            assert!(slot.is_none(), "moved out");
                            sent.is_ok()
                        }
                        recv(stop) => {
                            assert!(slot.is_some(), "kept");
                            false
                        }
                    }
                }
            });
            let receiver = ch.receiver();
            drop(ch);
            let partner = other.start(move || match round % 3 {
                0 => receiver.recv().is_some(),
                1 => {
                    let _ = stop.send(());
                    false
                }
                _ => {
                    drop(receiver);
                    false
                }
            });
            assert_eq!(selector.join(), partner.join());
        }
        tally.assert_each_dropped_once();
    });
}

#[test]
fn closed_channels_are_ready_in_a_select() {
    everywhere(|| {
        let (closed, idle) = (make!(chan i32, 2), make!(chan i32));
        closed.send(1).unwrap();
        closed.close();
        let mut seen = Vec::new();
        for _ in 0..3 {
            select! {
                recv(idle) => panic!("nobody sends"),
                recv(closed) -> v => seen.push(v),
            }
        }
        assert_eq!(seen, [Some(1), None, None]);
        let (sender, receiver) = channel(0);
        drop(receiver);
        let refused = select! { send(sender, 5) -> sent => sent, recv(idle) => Ok(()) };
        assert_eq!(refused, Err(SendError(5)));
    });
}

#[test]
fn a_select_of_many_arms() {
    each_runtime(|| {
        let channels: [Chan<usize>; 12] = std::array::from_fn(|_| Chan::new(0));
        for round in 0..24 {
            let ch = channels[round % 12].clone();
            go!({ ch <- round });
            let got = select! {
                recv(channels[0]) -> v => v, recv(channels[1]) -> v => v,
                recv(channels[2]) -> v => v, recv(channels[3]) -> v => v,
                recv(channels[4]) -> v => v, recv(channels[5]) -> v => v,
                recv(channels[6]) -> v => v, recv(channels[7]) -> v => v,
                recv(channels[8]) -> v => v, recv(channels[9]) -> v => v,
                recv(channels[10]) -> v => v, recv(channels[11]) -> v => v,
            };
            assert_eq!(got, Some(round));
        }
    });
}

#[test]
fn a_select_without_arms_is_unwound_at_the_end() {
    for workers in [1, 2] {
        let drops = Arc::new(Tally::new(3));
        let tally = Arc::clone(&drops);
        on_workers(workers, move || {
            let started = make!(chan());
            for _ in 0..3 {
                let value = tally.value();
                go!(clone(started), {
                    let _value = value;
                    started <- ();
                    select! {}
                });
            }
            started.iter().take(3).for_each(drop);
            assert_eq!(tally.dropped(), 0);
        });
        drops.assert_each_dropped_once();
    }
}

#[test]
fn selects_may_nest() {
    everywhere(|| {
        let (a, b) = (make!(chan i32, 1), make!(chan i32, 1));
        a.send(1).unwrap();
        b.send(2).unwrap();
        let sum = select! {
            recv(a) -> first => first.unwrap() + select! { recv(b) -> second => second.unwrap() },
            recv(make!(chan i32)) => 0,
        };
        assert_eq!(sum, 3);
    });
}

#[test]
fn values_that_are_not_send_pass_in_a_local_select() {
    each_runtime(|| {
        let ch = make!(chan Rc<i32>);
        let sender = ch.sender();
        let handle = go!(local, {
            select! { send(sender, Rc::new(5)) => {} }
        });
        assert_eq!(select! { recv(ch) -> v => v }.as_deref(), Some(&5));
        handle.join().unwrap();
    });
}

#[test]
fn a_waiting_select_does_not_spin() {
    // A select that polled would complete operations, and its worker would not sleep. What it
    // costs is told by the thread's processor time.
    on_workers(1, || {
        let (a, b) = (make!(chan i32), make!(chan i32));
        let selector = go!(clone(a, b), {
            let before = cpu_time();
            select! { recv(a) -> v => _ = v, recv(b) -> v => _ = v }
            cpu_time() - before
        });
        gochan::blocking(|| {
            let until = Instant::now() + Duration::from_millis(60);
            while Instant::now() < until {
                std::thread::sleep(SOON);
            }
        });
        b.send(1).unwrap();
        let spent = selector.join().unwrap();
        assert!(spent < Duration::from_millis(40), "{spent:?}");
    });
}

/// The processor time of the calling thread, where `/proc` tells it.
fn cpu_time() -> Duration {
    let Ok(stat) = std::fs::read_to_string("/proc/thread-self/schedstat") else {
        return Duration::ZERO;
    };
    let nanos = stat
        .split_whitespace()
        .next()
        .and_then(|first| first.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}
