//! Sleeping, timers and tickers: when they fire, that nothing stale is received after `stop` and
//! `reset`, and what is left of those that are dropped.

mod harness;

use gochan::goroutine;
use gochan::prelude::*;
use gochan::time::{self, Ticker, TimeoutError, Timer};
use gochan::{RecvTimeoutError, TryRecvError};
use harness::{
    Dice, HOUR, MILLI, SECOND, Side, compute, each_pair, each_runtime, everywhere, in_virtual_time,
    on_workers, panic_of, until,
};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

// ----- sleeping ---------------------------------------------------------------------------

#[test]
fn a_sleep_lasts_as_long_as_asked() {
    everywhere(|| {
        for millis in [0, 1, 3] {
            let start = time::now();
            time::sleep(Duration::from_millis(millis));
            assert!(time::since(start) >= Duration::from_millis(millis));
        }
    });
    in_virtual_time(|| {
        let start = time::now();
        time::sleep(HOUR);
        assert_eq!(time::since(start), HOUR);
    });
}

#[test]
fn sleepers_wake_in_the_order_of_their_times() {
    in_virtual_time(|| {
        let (tx, rx) = gochan::channel(8);
        for seconds in [5, 1, 4, 2, 3] {
            go!(clone(tx), {
                time::sleep(SECOND * seconds);
                tx.send(seconds).unwrap();
            });
        }
        drop(tx);
        assert_eq!(rx.iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    });
}

#[test]
fn what_is_longer_than_the_clock_never_passes() {
    everywhere(|| {
        let timer = Timer::new(Duration::MAX);
        let ticker = Ticker::new(Duration::MAX);
        let after = time::after(Duration::MAX);
        select! {
            recv(timer.c()) => panic!("for ever is over"),
            recv(ticker.c()) => panic!("for ever is over"),
            recv(after) => panic!("for ever is over"),
            after(MILLI) => {}
        }
        assert!(timer.stop());
        assert!(!timer.reset(Duration::MAX));
        assert!(timer.reset(Duration::ZERO));
        assert!(timer.c().recv().is_some());
    });
    in_virtual_time(|| {
        let timer = Timer::new(Duration::MAX);
        time::sleep(HOUR * 1_000_000);
        assert!(timer.c().try_recv().is_err());
    });
}

#[test]
fn zero_passes_at_once() {
    everywhere(|| {
        assert!(time::after(Duration::ZERO).recv().is_some());
        assert!(Timer::new(Duration::ZERO).c().recv().is_some());
        let (tx, rx) = gochan::channel(1);
        Timer::after_func(Duration::ZERO, move || tx.send(()).unwrap());
        assert_eq!(rx.recv(), Some(()));
        time::sleep(Duration::ZERO);
    });
}

#[test]
fn zero_is_over_for_whoever_looks() {
    everywhere(|| {
        let timer = Timer::new(HOUR);
        // Long enough for a worker to reckon the time from the processor's counter.
        let start = time::now();
        while time::since(start) < MILLI * 40 {
            let before = time::now();
            let fired = time::after(Duration::ZERO).try_recv().unwrap();
            assert!(before <= fired && fired <= time::now());
            timer.reset(Duration::ZERO);
            select! {
                recv(timer.c()) => {}
                default => panic!("zero is not over"),
            }
        }
    });
}

/// Virtual time stands still meanwhile, so that it is over to the nanosecond.
#[test]
fn zero_is_over_where_time_stands_still() {
    in_virtual_time(|| {
        let now = time::now();
        assert_eq!(time::after(Duration::ZERO).try_recv(), Ok(now));
    });
}

#[test]
fn a_sleep_of_zero_lets_others_run() {
    each_runtime(|| {
        let other = go!(near, {});
        while !other.is_finished() {
            time::sleep(Duration::ZERO);
        }
    });
}

#[test]
fn since_and_until_do_not_go_below_zero() {
    in_virtual_time(|| {
        let start = time::now();
        let later = start + HOUR;
        assert_eq!(
            (time::since(start), time::since(later)),
            (Duration::ZERO, Duration::ZERO)
        );
        assert_eq!(
            (time::until(start), time::until(later)),
            (Duration::ZERO, HOUR)
        );
        time::sleep(HOUR);
        assert_eq!(
            (time::since(start), time::until(start)),
            (HOUR, Duration::ZERO)
        );
    });
}

// ----- after ------------------------------------------------------------------------------

#[test]
fn after_sends_the_time_once_and_stays_open() {
    everywhere(|| {
        let start = time::now();
        let after = time::after(MILLI * 2);
        let fired = after.recv().unwrap();
        assert!(fired >= start + MILLI * 2 && fired <= time::now());
        assert_eq!(after.recv_timeout(MILLI), Err(RecvTimeoutError::Timeout));
        assert!(!after.is_closed());
    });
}

#[test]
fn the_time_that_is_sent_is_that_of_the_firing() {
    in_virtual_time(|| {
        let start = time::now();
        let after = time::after(MILLI * 10);
        time::sleep(MILLI * 50);
        assert_eq!(after.recv().unwrap() - start, MILLI * 10);
    });
}

#[test]
fn goroutines_that_are_always_ready_do_not_keep_a_timer_from_firing() {
    each_runtime(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let channel = make!(chan(), 1);
        let sender = go!(near, clone(stop, channel), {
            while !stop.load(Ordering::Relaxed) {
                channel.send(()).unwrap();
            }
            channel.close();
        });
        let receiver = go!(near, { channel.iter().for_each(drop) });
        Timer::after_func(Duration::from_micros(1), move || {
            stop.store(true, Ordering::Relaxed);
        });
        sender.join().unwrap();
        receiver.join().unwrap();
    });
}

#[test]
fn they_fire_in_order_of_time_and_then_of_age() {
    in_virtual_time(|| {
        let start = time::now();
        let log = Arc::new(Mutex::new(Vec::new()));
        let waiting: Vec<_> = [3, 1, 2, 1, 3]
            .into_iter()
            .enumerate()
            .map(|(number, seconds)| {
                let timer = Timer::new(SECOND * seconds);
                go!(near, clone(log), {
                    let fired = timer.c().recv().unwrap();
                    assert_eq!(fired - start, SECOND * seconds);
                    log.lock().unwrap().push((seconds, number));
                })
            })
            .collect();
        for one in waiting {
            one.join().unwrap();
        }
        let log = log.lock().unwrap();
        // Two that are woken at the same time run in that order if they live on the same worker.
        match gochan::runtime::num_worker() {
            1 => assert!(log.is_sorted(), "{log:?}"),
            _ => assert!(log.is_sorted_by_key(|&(seconds, _)| seconds), "{log:?}"),
        }
    });
}

// ----- stop and reset ---------------------------------------------------------------------

#[test]
fn a_stopped_timer_does_not_fire() {
    everywhere(|| {
        let timer = Timer::new(MILLI * 2);
        assert!(timer.stop());
        assert!(!timer.stop());
        assert_eq!(
            timer.c().recv_timeout(MILLI * 6),
            Err(RecvTimeoutError::Timeout)
        );
    });
}

#[test]
fn stop_and_reset_take_back_what_was_not_received() {
    everywhere(|| {
        let timer = Timer::new(Duration::ZERO);
        until(|| timer.c().len() == 1);
        assert!(timer.stop(), "its time had not been received");
        assert_eq!(timer.c().try_recv(), Err(TryRecvError::Empty));

        assert!(!timer.reset(Duration::ZERO));
        until(|| timer.c().len() == 1);
        let before = time::now();
        assert!(timer.reset(MILLI));
        assert!(timer.c().recv().unwrap() >= before + MILLI, "a stale time");
        assert!(!timer.stop(), "its time had been received");
    });
}

#[test]
fn reset_moves_a_timer_either_way() {
    in_virtual_time(|| {
        let start = time::now();
        let timer = Timer::new(SECOND * 10);
        assert!(timer.reset(SECOND));
        assert_eq!(timer.c().recv().unwrap() - start, SECOND);
        assert!(!timer.reset(SECOND * 2));
        assert!(timer.reset(SECOND * 20));
        assert_eq!(timer.c().recv().unwrap() - start, SECOND * 21);
        timer.reset(SECOND);
        timer.stop();
        timer.reset(SECOND * 3);
        assert_eq!(timer.c().recv().unwrap() - start, SECOND * 24);
    });
}

#[test]
fn a_timer_that_is_reset_again_and_again_never_fires() {
    each_runtime(|| {
        let timer = Timer::new(MILLI * 200);
        let start = Instant::now();
        while start.elapsed() < MILLI * 300 {
            assert!(timer.reset(MILLI * 200));
            assert!(timer.c().try_recv().is_err());
            time::sleep(MILLI);
        }
    });
}

#[test]
fn stop_races_with_firing_and_with_a_receiver() {
    each_pair(|stopping, receiving| {
        let rounds = 300;
        let timer = Arc::new(Timer::new(HOUR));
        let stops = Arc::new(AtomicUsize::new(0));
        let over = Chan::<()>::new(0);
        let stopper = stopping.start({
            let (timer, stops, over) = (Arc::clone(&timer), Arc::clone(&stops), over.clone());
            move || {
                let dice = Dice::new(3);
                for _ in 0..rounds {
                    timer.reset(Duration::from_micros(dice.below(60)));
                    for _ in 0..dice.below(200) {
                        std::hint::spin_loop();
                    }
                    gochan::yield_now();
                    if timer.stop() {
                        stops.fetch_add(1, Ordering::Relaxed);
                    }
                    // Nothing is left, so what is received later was sent later.
                    assert_eq!(timer.c().len(), 0);
                }
                over.close();
            }
        });
        let receiver = receiving.start(move || {
            let mut received = 0;
            loop {
                select! {
                    recv(timer.c()) => received += 1,
                    recv(over) => return received,
                }
            }
        });
        stopper.join();
        let received = receiver.join();
        assert_eq!(received + stops.load(Ordering::Relaxed), rounds);
    });
}

#[test]
fn without_a_receiver_stop_always_comes_first() {
    for side in [Side::Goroutine, Side::Thread] {
        each_runtime(|| {
            let task = side.start(|| {
                let dice = Dice::new(4);
                for _ in 0..2_000 {
                    let timer = Timer::new(Duration::from_micros(dice.below(30)));
                    compute(Duration::from_micros(dice.below(30)));
                    if dice.below(2) == 0 {
                        assert!(timer.stop());
                    } else {
                        assert!(timer.reset(HOUR));
                    }
                    assert_eq!(timer.c().try_recv(), Err(TryRecvError::Empty));
                }
            });
            task.join();
        });
    }
}

#[test]
fn timers_work_across_goroutines_and_threads() {
    each_pair(|making, using| {
        let timer = making.start(|| Timer::new(HOUR)).join();
        let timer = using
            .start(move || {
                assert!(timer.reset(MILLI));
                assert!(timer.c().recv().is_some());
                timer
            })
            .join();
        assert!(!timer.stop());
    });
}

// ----- after_func -------------------------------------------------------------------------

#[test]
fn after_func_runs_in_a_goroutine_of_its_own() {
    everywhere(|| {
        let (tx, rx) = gochan::channel(0);
        let timer = Timer::after_func(MILLI, move || {
            // It may wait, as any goroutine.
            time::sleep(MILLI);
            tx.send(goroutine::current().id()).unwrap();
        });
        assert!(timer.c().try_recv().is_err());
        let first = rx.recv().unwrap();
        assert!(!timer.reset(MILLI));
        let second = rx.recv().unwrap();
        assert_ne!(first, second);
        assert!(!timer.stop());
    });
}

#[test]
fn a_stopped_after_func_is_not_called_and_its_function_is_dropped() {
    everywhere(|| {
        let (held, called) = (Arc::new(()), Arc::new(AtomicBool::new(false)));
        let timer = Timer::after_func(MILLI * 3, {
            let (held, called) = (Arc::clone(&held), Arc::clone(&called));
            move || {
                let _held = &held;
                called.store(true, Ordering::Relaxed);
            }
        });
        assert!(timer.stop());
        assert!(!timer.stop());
        time::sleep(MILLI * 6);
        assert!(!called.load(Ordering::Relaxed));
        drop(timer);
        assert_eq!(Arc::strong_count(&held), 1);
    });
}

#[test]
fn an_after_func_whose_handle_is_dropped_is_called_and_then_freed() {
    everywhere(|| {
        let held = Arc::new(AtomicUsize::new(0));
        for _ in 0..10 {
            let held = Arc::clone(&held);
            Timer::after_func(MILLI, move || _ = held.fetch_add(1, Ordering::Relaxed));
        }
        until(|| held.load(Ordering::Relaxed) == 10);
        until(|| Arc::strong_count(&held) == 1);
    });
}

#[test]
fn an_after_func_that_is_set_stopped_and_dropped_while_it_fires_is_called_as_often_as_it_says() {
    each_pair(|one, other| {
        let (calls, taken_back) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
        let taken_back = Arc::new(taken_back);
        let rounds = 200;
        for round in 0..rounds {
            let timer = Timer::after_func(Duration::from_micros(round % 30), {
                let calls = Arc::clone(&calls);
                move || _ = calls.fetch_add(1, Ordering::Relaxed)
            });
            let timer = Arc::new(timer);
            let tasks = [one, other].map(|side| {
                let (timer, taken_back) = (Arc::clone(&timer), Arc::clone(&taken_back));
                side.start(move || {
                    compute(Duration::from_micros(round % 20));
                    if timer.reset(Duration::from_micros(round % 7)) {
                        taken_back.fetch_add(1, Ordering::Relaxed);
                    }
                })
            });
            if round % 3 == 0 && timer.stop() {
                taken_back.fetch_add(1, Ordering::Relaxed);
            }
            // One of the three drops the handle, and the timer may still be set.
            drop(timer);
            tasks.into_iter().for_each(harness::Task::join);
        }
        let sets = 3 * usize::try_from(rounds).unwrap();
        until(|| calls.load(Ordering::Relaxed) + taken_back.load(Ordering::Relaxed) >= sets);
        until(|| Arc::strong_count(&calls) == 1);
        harness::give_chances();
        assert_eq!(
            calls.load(Ordering::Relaxed) + taken_back.load(Ordering::Relaxed),
            sets
        );
    });
}

#[test]
fn what_is_pending_when_the_runtime_ends_is_dropped_and_never_fires() {
    let held = Arc::new(());
    let (timer, call) = on_workers(2, || {
        for _ in 0..3 {
            let held = Arc::clone(&held);
            Timer::after_func(HOUR, move || _ = &held);
        }
        let timer = Timer::new(MILLI * 5);
        let held = Arc::clone(&held);
        let call = Timer::after_func(HOUR, move || _ = &held);
        (timer, call)
    });
    assert_eq!(Arc::strong_count(&held), 2, "all but the one with a handle");
    // Later runtimes have the same workers' places, but not their timers.
    each_runtime(|| {
        assert!(!timer.reset(Duration::ZERO));
        assert!(!call.reset(Duration::ZERO));
        assert!(timer.c().recv_timeout(MILLI * 3).is_err());
    });
    assert!(!timer.stop());
    drop(call);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_panicking_after_func_ends_its_goroutine_only() {
    each_runtime(|| {
        let (tx, rx) = gochan::channel::<()>(1);
        Timer::after_func(Duration::ZERO, move || {
            let _closes = &tx;
            std::panic::resume_unwind(Box::new("quietly"));
        });
        assert_eq!(rx.recv(), None);
        time::sleep(MILLI);
    });
}

// ----- tickers ----------------------------------------------------------------------------

#[test]
fn a_ticker_ticks_every_period() {
    in_virtual_time(|| {
        let start = time::now();
        let ticker = Ticker::new(SECOND);
        for number in 1..=5 {
            assert_eq!(ticker.c().recv().unwrap() - start, SECOND * number);
        }
    });
    everywhere(|| {
        let start = time::now();
        let ticker = Ticker::new(MILLI);
        for time in ticker.c().iter().take(5) {
            assert!(time > start);
        }
        assert!(time::since(start) >= MILLI * 5);
    });
}

#[test]
fn a_slow_receiver_loses_ticks() {
    in_virtual_time(|| {
        let start = time::now();
        let ticker = Ticker::new(SECOND);
        time::sleep(SECOND * 10 + MILLI);
        assert_eq!(ticker.c().try_recv().unwrap() - start, SECOND);
        assert!(ticker.c().try_recv().is_err());
        assert_eq!(ticker.c().recv().unwrap() - start, SECOND * 11);
    });
}

#[test]
fn receivers_share_the_ticks_of_a_ticker_that_is_always_due() {
    each_runtime(|| {
        let ticker = Ticker::new(Duration::from_nanos(1));
        let receivers: Vec<_> = (0..10)
            .map(|_| {
                let ticks = ticker.c().clone();
                go!({
                    let times: Vec<_> = ticks.into_iter().take(100).collect();
                    assert!(times.is_sorted());
                })
            })
            .collect();
        for receiver in receivers {
            receiver.join().unwrap();
        }
    });
}

#[test]
fn a_ticker_that_nobody_could_fire_does_not_catch_up() {
    on_workers(1, || {
        // So long that a slow machine looks at it again before it fires again.
        let period = MILLI * 50;
        let ticker = Ticker::new(period);
        compute(period * 3);
        let late = ticker.c().recv().unwrap();
        let next = ticker.c().recv().unwrap();
        assert!(next > late);
        assert!(ticker.c().try_recv().is_err());
    });
}

#[test]
fn a_stopped_ticker_is_silent_until_it_is_reset() {
    in_virtual_time(|| {
        let start = time::now();
        let ticker = Ticker::new(SECOND);
        time::sleep(SECOND * 3 / 2);
        ticker.stop();
        assert!(ticker.c().recv_timeout(SECOND * 10).is_err());
        assert!(!ticker.c().is_closed());
        ticker.reset(SECOND * 2);
        assert_eq!(ticker.c().recv().unwrap() - start, MILLI * 13_500);
        time::sleep(SECOND * 3);
        ticker.reset(SECOND * 5);
        assert_eq!(ticker.c().recv().unwrap() - start, MILLI * 21_500);
        assert_eq!(ticker.c().recv().unwrap() - start, MILLI * 26_500);
    });
}

#[test]
fn a_period_of_zero_is_refused() {
    everywhere(|| {
        assert!(panic_of(|| drop(Ticker::new(Duration::ZERO))).contains("zero"));
        let ticker = Ticker::new(HOUR);
        assert!(panic_of(|| ticker.reset(Duration::ZERO)).contains("zero"));
        assert!(time::tick(Duration::ZERO).recv_timeout(MILLI).is_err());
    });
}

#[test]
fn a_receiver_keeps_its_ticker_going() {
    everywhere(|| {
        let receiver = Ticker::new(MILLI).c().clone();
        assert!(receiver.recv() < receiver.recv());
        assert_eq!(time::tick(MILLI).into_iter().take(3).count(), 3);
    });
}

// ----- workers that are kept busy ---------------------------------------------------------

#[test]
fn one_that_computes_sees_its_own_timer() {
    on_workers(1, || {
        let (asked, selected) = (Timer::new(MILLI), Timer::new(MILLI));
        compute(MILLI * 2);
        assert!(asked.c().try_recv().is_ok());
        select! {
            recv(selected.c()) => {}
            default => panic!("it is due"),
        }
        assert!(!selected.stop());
        let timer = Timer::new(HOUR);
        let mut select = gochan::Select::new();
        select.recv(timer.c());
        assert!(select.try_select().is_err());
        timer.reset(MILLI);
        compute(MILLI * 2);
        assert!(select.try_select().unwrap().recv(timer.c()).is_some());
    });
}

/// It looks at its own timer while another one is due.
#[test]
fn one_that_computes_sees_no_timer_too_early() {
    on_workers(1, || {
        let (due, later) = (Timer::new(MILLI), Timer::new(HOUR));
        compute(MILLI * 2);
        assert_eq!(later.c().try_recv(), Err(TryRecvError::Empty));
        assert!(due.stop() && later.stop());
    });
}

// ----- timeout ----------------------------------------------------------------------------

#[test]
fn timeout_returns_what_is_in_time() {
    everywhere(|| {
        assert_eq!(time::timeout(HOUR, || "in time"), Ok("in time"));
        let late = time::timeout(MILLI, || time::sleep(MILLI * 20));
        assert_eq!(late, Err(TimeoutError));
        let message = panic_of(|| {
            let _ = time::timeout(HOUR, || std::panic::resume_unwind(Box::new("passed on")));
        });
        assert_eq!(message, "passed on");
        let message = panic_of(|| {
            let _ = time::timeout(HOUR, || {
                gochan::goexit();
            });
        });
        assert_eq!(message, "the function of a timeout called goexit");
    });
}

/// What is left of the goroutine then, such as its locals, is not waited for.
#[test]
fn a_timeout_passes_a_panic_on_before_its_goroutine_has_ended() {
    struct Waits;
    impl Drop for Waits {
        fn drop(&mut self) {
            time::sleep(HOUR);
        }
    }
    gochan::goroutine_local! {
        static WAITS: Waits = const { Waits };
    }
    in_virtual_time(|| {
        let start = time::now();
        let message = panic_of(|| {
            let _ = time::timeout(SECOND, || {
                WAITS.with(|_| ());
                std::panic::resume_unwind(Box::new("passed on"))
            });
        });
        assert_eq!(message, "passed on");
        assert_eq!(time::now(), start);
    });
}

#[test]
fn timeout_drops_what_comes_late() {
    in_virtual_time(|| {
        let held = Arc::new(());
        let late = time::timeout(SECOND, {
            let held = Arc::clone(&held);
            move || {
                time::sleep(SECOND * 2);
                held
            }
        });
        assert!(late.is_err());
        assert_eq!(Arc::strong_count(&held), 2);
        time::sleep(SECOND * 2);
        assert_eq!(Arc::strong_count(&held), 1);
    });
}

#[test]
fn to_a_destructor_at_the_end_of_its_runtime_the_time_is_up() {
    struct CallsInTime(Arc<AtomicUsize>);
    impl Drop for CallsInTime {
        fn drop(&mut self) {
            assert_eq!(time::timeout(HOUR, || 7), Err(TimeoutError));
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    for workers in [1, 2] {
        let went_on = Arc::new(AtomicUsize::new(0));
        on_workers(workers, || {
            let calls = CallsInTime(Arc::clone(&went_on));
            let parked = go!(near, {
                let _calls = calls;
                select! {}
            });
            gochan::yield_now();
            drop(parked);
        });
        assert_eq!(went_on.load(Ordering::Relaxed), 1);
    }
}

// ----- many -------------------------------------------------------------------------------

#[test]
fn many_timers_fire_each_once() {
    each_runtime(|| {
        let count = 20_000;
        let dice = Dice::new(5);
        let timers: Vec<_> = (0..count)
            .map(|_| Timer::new(Duration::from_micros(dice.below(30_000))))
            .collect();
        let stopped = timers
            .iter()
            .skip(1)
            .step_by(2)
            .filter(|timer| timer.stop());
        assert_eq!(stopped.count(), count / 2, "nobody has received");
        for (number, timer) in timers.iter().enumerate() {
            if number % 2 == 0 {
                assert!(timer.c().recv().is_some());
            }
            assert!(timer.c().try_recv().is_err());
        }
    });
}

#[test]
fn threads_and_goroutines_set_timers_at_the_same_time() {
    on_workers(2, || {
        let tasks: Vec<_> = (0..8)
            .map(|number| {
                let side = [Side::Goroutine, Side::Thread][number % 2];
                side.start(move || {
                    let dice = Dice::new(number as u64);
                    for _ in 0..200 {
                        let timer = Timer::new(Duration::from_micros(dice.below(500)));
                        match dice.below(3) {
                            0 => _ = timer.c().recv(),
                            1 => _ = timer.stop(),
                            _ => drop(timer),
                        }
                    }
                })
            })
            .collect();
        tasks.into_iter().for_each(harness::Task::join);
    });
    thread::yield_now();
}
