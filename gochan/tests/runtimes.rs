//! Runtimes: settings, `run`, several at once, virtual time, replay, and the end of a runtime.

mod harness;

use gochan::prelude::*;
use gochan::runtime::{self, Config, PanicPolicy, Runtime};
use gochan::sync::{Barrier, Cond, ErrGroup, Once, RwLock, Semaphore, SingleFlight, WaitGroup};
use gochan::{RecvTimeoutError, SendError, channel, time, yield_now};
use harness::{Tally, message_of, on_workers, panic_of, until, watch};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(3600);

#[track_caller]
fn with<T: Send>(config: Config, body: impl FnOnce() -> T + Send) -> T {
    let _watched = watch();
    Runtime::new(config).unwrap().run(body)
}

// ----- settings and run -------------------------------------------------------------------

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    for (config, name) in [
        (Config::new().workers(0), "workers"),
        (Config::new().stack_size(0), "stack_size"),
        (Config::new().blocking_threads(0), "blocking_threads"),
        (Config::new().hog_limit(Duration::ZERO), "hog_limit"),
        (Config::new().stack_size(usize::MAX), "stack"),
    ] {
        let error = Runtime::new(config).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn workers_are_counted_and_named() {
    for workers in [1, 2, 5] {
        let config = Config::new()
            .workers(workers)
            .name("demo")
            .panic_policy(PanicPolicy::Unwind);
        with(config, || {
            assert_eq!(runtime::num_worker(), workers);
            let name = thread::current().name().unwrap().to_owned();
            assert!(name.starts_with("demo-"), "{name}");
        });
    }
}

#[test]
fn run_returns_what_main_returns_and_may_borrow() {
    for workers in [1, 2] {
        let mut words = vec!["a".to_owned()];
        let returned = on_workers(workers, || {
            words.push("b".to_owned());
            words.iter().map(String::as_str).collect::<String>()
        });
        assert_eq!((returned.as_str(), words.len()), ("ab", 2));
    }
}

#[test]
fn a_panic_of_main_comes_out_of_run() {
    for workers in [1, 2] {
        let message = panic_of(|| {
            on_workers(workers, || {
                go!({
                    select! {}
                });
                resume_unwind(Box::new("from main"));
            });
        });
        assert_eq!(message, "from main");
        let message = panic_of(|| on_workers(workers, || gochan::goexit()));
        assert!(message.contains("goexit"), "{message}");
    }
}

#[test]
fn goroutines_are_counted() {
    for workers in [1, 2] {
        on_workers(workers, || {
            assert_eq!(runtime::num_goroutine(), 1);
            let stop = make!(chan());
            let handles: Vec<_> = (0..10).map(|_| go!(clone(stop), { stop.recv() })).collect();
            // Those that move to another worker are in neither queue for a moment.
            until(|| runtime::num_goroutine() == 11);
            stop.close();
            for handle in handles {
                handle.join().unwrap();
            }
            until(|| runtime::num_goroutine() == 1);
        });
    }
}

#[test]
fn a_runtime_may_be_dropped_unused_and_many_may_follow_each_other() {
    let _watched = watch();
    for round in 0..30 {
        let runtime = Runtime::new(Config::new().workers(1 + round % 3)).unwrap();
        assert!(format!("{runtime:?}").contains("Runtime"));
        if round % 4 > 0 {
            let sum = runtime.run(|| {
                let ch = make!(chan usize);
                go!(clone(ch), {
                    (0..10).for_each(|n| ch.send(n).unwrap());
                    ch.close()
                });
                go!({
                    select! {}
                });
                ch.iter().sum::<usize>()
            });
            assert_eq!(sum, 45);
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn no_watch_for_hogs_outlives_its_runtime_for_long() {
    let _watched = watch();
    let lives = || {
        thread::sleep(Duration::from_millis(10));
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let mut names = threads.filter_map(|thread| {
            // One that has ended meanwhile has none.
            std::fs::read_to_string(thread.unwrap().path().join("comm")).ok()
        });
        names.any(|name| name == "watched-hog\n")
    };
    let config = Config::new().workers(1).name("watched").hog_limit(LONG);
    Runtime::new(config).unwrap().run(|| until(lives));
    until(|| !lives());
}

#[test]
fn runtimes_live_side_by_side_and_share_channels() {
    let _watched = watch();
    let (requests, incoming) = channel::<(u64, Sender<u64>)>(1);
    let servers: Vec<_> = (1..=2)
        .map(|workers| {
            let incoming = incoming.clone();
            thread::spawn(move || {
                on_workers(workers, || {
                    let served = Arc::new(AtomicUsize::new(0));
                    gochan::scope(|s| {
                        for _ in 0..3 {
                            go!(in s, clone(incoming, served), {
                                for (n, reply) in incoming {
                                    reply.send(n * n).unwrap();
                                    served.fetch_add(1, Ordering::Relaxed);
                                }
                            });
                        }
                    });
                    served.load(Ordering::Relaxed)
                })
            })
        })
        .collect();
    drop(incoming);
    let clients: Vec<_> = (1..=2)
        .map(|workers| {
            let requests = requests.clone();
            thread::spawn(move || {
                on_workers(workers, || {
                    gochan::scope(|s| {
                        for client in 0..5 {
                            go!(in s, clone(requests), {
                                for n in client * 20..(client + 1) * 20 {
                                    let (reply, answer) = channel(0);
                                    requests.send((n, reply)).unwrap();
                                    assert_eq!(answer.recv(), Some(n * n));
                                }
                            });
                        }
                    });
                });
            })
        })
        .collect();
    drop(requests);
    clients
        .into_iter()
        .for_each(|client| client.join().unwrap());
    let served: usize = servers
        .into_iter()
        .map(|server| server.join().unwrap())
        .sum();
    assert_eq!(served, 200);
}

#[test]
fn the_default_runtime_serves_threads() {
    let _watched = watch();
    assert!(runtime::num_worker() >= 1);
    let (sender, receiver) = channel(0);
    let handle = go!({
        for n in 0..5 {
            sender <- n;
        }
    });
    assert!(receiver.iter().eq(0..5));
    handle.join().unwrap();
    assert_eq!(
        go!({ runtime::num_worker() }).join().unwrap(),
        runtime::num_worker()
    );
}

// ----- time -------------------------------------------------------------------------------

#[test]
fn real_sleeps_are_at_least_as_long_as_asked() {
    for workers in [1, 2] {
        on_workers(workers, || {
            let handles: Vec<_> = (0..20)
                .map(|n| {
                    go!({
                        let (start, length) = (Instant::now(), Duration::from_micros(n * 250));
                        time::sleep(length);
                        assert!(start.elapsed() >= length);
                    })
                })
                .collect();
            handles
                .into_iter()
                .for_each(|handle| handle.join().unwrap());
            let start = time::now();
            let at = time::after(Duration::from_millis(1)).recv().unwrap();
            assert!(at >= start + Duration::from_millis(1));
        });
    }
}

#[test]
fn virtual_hours_pass_at_once_and_in_order() {
    for workers in [1, 2] {
        let real = Instant::now();
        with(Config::new().workers(workers).virtual_time(true), || {
            let start = time::now();
            let log = Arc::new(Mutex::new(Vec::new()));
            let handles: Vec<_> = [7, 3, 9, 1, 5]
                .into_iter()
                .map(|hour| {
                    go!(clone(log), {
                        time::sleep(LONG * hour);
                        log.lock().unwrap().push(hour);
                        assert_eq!(time::now() - start, LONG * hour);
                    })
                })
                .collect();
            handles
                .into_iter()
                .for_each(|handle| handle.join().unwrap());
            assert_eq!(*log.lock().unwrap(), [1, 3, 5, 7, 9]);
            assert_eq!(time::now() - start, LONG * 9);

            let never = make!(chan i32);
            assert_eq!(never.recv_timeout(LONG), Err(RecvTimeoutError::Timeout));
            assert!(never.send_timeout(1, LONG).is_err());
            assert!(never.recv_deadline(time::now() + LONG).is_err());
            select! { recv(never) => panic!("nobody sends"), after(LONG) => {} }
            let mut select = gochan::Select::new();
            select.recv(&never);
            assert!(select.select_timeout(LONG).is_err());
            let at = time::after(LONG).recv().unwrap();
            assert_eq!(at - start, LONG * 15);
            assert_eq!(time::now(), at);
        });
        assert!(real.elapsed() < Duration::from_secs(30));
    }
}

#[test]
fn a_thousand_virtual_timers_fire_in_the_order_of_their_times() {
    with(Config::new().workers(1).virtual_time(true), || {
        let log = Arc::new(Mutex::new(Vec::new()));
        let dice = harness::Dice::new(11);
        let handles: Vec<_> = (0..1000)
            .map(|_| {
                let length = Duration::from_secs(dice.below(500) + 1);
                go!(clone(log), {
                    time::sleep(length);
                    log.lock().unwrap().push(length);
                })
            })
            .collect();
        handles
            .into_iter()
            .for_each(|handle| handle.join().unwrap());
        let log = log.lock().unwrap();
        assert_eq!(log.len(), 1000);
        assert!(log.is_sorted());
    });
}

#[test]
fn virtual_time_stands_still_while_anything_runs() {
    for workers in [1, 2] {
        with(Config::new().workers(workers).virtual_time(true), || {
            let start = time::now();
            let timer = time::after(Duration::from_nanos(1));
            // Nobody is idle: this goroutine runs all the time.
            for _ in 0..2000 {
                yield_now();
            }
            assert_eq!(time::now(), start);
            assert!(timer.try_recv().is_err());
            // A helper thread at work holds the time, too.
            let sleeper = go!({
                time::sleep(LONG);
                time::now()
            });
            gochan::blocking(|| thread::sleep(Duration::from_millis(5)));
            assert!(time::now() - start <= Duration::from_nanos(1));
            assert!(!sleeper.is_finished());
            assert!(sleeper.join().unwrap() - start >= LONG);
        });
    }
}

/// Who waits for `main` is a goroutine whose worker is busy, so it learns of the end late.
#[test]
fn virtual_time_stands_still_when_main_has_ended() {
    for workers in [1, 2] {
        on_workers(1, || {
            let is_busy = Arc::new(AtomicBool::new(false));
            go!(clone(is_busy), {
                is_busy.store(true, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(20));
            });
            let late = Arc::new(AtomicUsize::new(0));
            with(Config::new().workers(workers).virtual_time(true), || {
                until(|| is_busy.load(Ordering::Relaxed));
                time::Timer::after_func(LONG, {
                    let late = Arc::clone(&late);
                    move || _ = late.fetch_add(1, Ordering::Relaxed)
                });
                go!(clone(late), {
                    time::sleep(LONG);
                    late.fetch_add(1, Ordering::Relaxed);
                });
                yield_now();
            });
            assert_eq!(late.load(Ordering::Relaxed), 0);
        });
    }
}

#[test]
fn a_virtual_timeout_comes_only_if_nobody_answers() {
    for workers in [1, 2] {
        with(Config::new().workers(workers).virtual_time(true), || {
            let (requests, answers) = (make!(chan u64), make!(chan u64));
            go!(clone(requests, answers), {
                for n in &requests {
                    time::sleep(Duration::from_secs(n));
                    if answers.send_timeout(n, Duration::from_secs(1)).is_err() {
                        continue;
                    }
                }
            });
            for n in [1, 50, 2, 60, 3] {
                requests.send(n).unwrap();
                let answer = answers.recv_timeout(Duration::from_secs(10)).ok();
                assert_eq!(answer, (n < 10).then_some(n));
            }
        });
    }
}

#[test]
fn a_thousand_timers_that_are_cancelled_leave_nothing_behind() {
    with(Config::new().workers(2).virtual_time(true), || {
        let start = time::now();
        let ch = make!(chan u32, 1);
        for n in 0..1000 {
            let answer = go!(clone(ch), { ch.recv_timeout(LONG) });
            ch.send_timeout(n, LONG).unwrap();
            assert_eq!(answer.join().unwrap(), Ok(n));
        }
        assert_eq!(time::now(), start, "no timer fired");
    });
}

// ----- replay -----------------------------------------------------------------------------

/// A program with many choices; what it chose.
fn choices(config: Config) -> Vec<usize> {
    with(config.workers(1).virtual_time(true), || {
        let channels: [Chan<usize>; 3] = std::array::from_fn(|_| make!(chan usize));
        for (number, channel) in channels.iter().enumerate() {
            for _ in 0..2 {
                go!(clone(channel), {
                    for n in 0..100 {
                        channel <- n;
                        if n % 7 == number {
                            time::sleep(Duration::from_millis(n as u64));
                        }
                    }
                });
            }
        }
        (0..500)
            .map(|_| {
                let chosen = select! {
                    recv(channels[0]) -> v => v.unwrap(),
                    recv(channels[1]) -> v => 1000 + v.unwrap(),
                    recv(channels[2]) -> v => 2000 + v.unwrap(),
                    after(Duration::from_millis(3)) => 3000,
                };
                yield_now();
                chosen
            })
            .collect()
    })
}

#[test]
fn equal_seeds_replay_equal_choices_on_one_worker() {
    let seeded = |seed| choices(Config::new().seed(seed));
    let first = seeded(42);
    for _ in 0..3 {
        assert_eq!(seeded(42), first);
    }
    assert_ne!(seeded(43), first);
    let without_seed = || choices(Config::new());
    assert_ne!(without_seed(), without_seed());
}

// ----- the end ----------------------------------------------------------------------------

/// Starts goroutines that stay in `wait` for ever, ends the runtime, and checks that each was
/// unwound once and that none went on. They are parked by then, or they may not even have begun.
#[track_caller]
fn unwinds(what: &str, wait: impl Fn() + Clone + Send + Sync + 'static) {
    unwinds_if(&[true, false], what, wait);
}

/// As `unwinds`, for who waits for another goroutine, and would find that it has been unwound if that
/// came first.
#[track_caller]
fn unwinds_if_parked(what: &str, wait: impl Fn() + Clone + Send + Sync + 'static) {
    unwinds_if(&[true], what, wait);
}

#[track_caller]
fn unwinds_if(parked: &[bool], what: &str, wait: impl Fn() + Clone + Send + Sync + 'static) {
    for workers in [1, 2] {
        for &parked in parked {
            const COUNT: usize = 5;
            let tally = Arc::new(Tally::new(COUNT));
            let (started, went_on) = (
                Arc::new(AtomicUsize::new(0)),
                Arc::new(AtomicBool::new(false)),
            );
            let deferred = Arc::new(AtomicUsize::new(0));
            on_workers(workers, || {
                for _ in 0..COUNT {
                    let wait = wait.clone();
                    go!(clone(tally, started, went_on, deferred), {
                        let _value = tally.value();
                        defer! { deferred.fetch_add(1, Ordering::SeqCst); }
                        started.fetch_add(1, Ordering::SeqCst);
                        wait();
                        went_on.store(true, Ordering::SeqCst);
                    });
                }
                if parked {
                    until(|| started.load(Ordering::SeqCst) == COUNT);
                    harness::give_chances();
                    assert_eq!(tally.dropped(), 0, "{what}");
                }
            });
            tally.assert_each_dropped_once();
            assert_eq!(
                deferred.load(Ordering::SeqCst),
                started.load(Ordering::SeqCst),
                "{what}"
            );
            assert!(!went_on.load(Ordering::SeqCst), "went on after {what}");
        }
    }
}

#[test]
fn those_parked_in_channel_operations_are_unwound() {
    let ch = make!(chan i32);
    let receiving = ch.clone();
    unwinds("recv", move || _ = receiving.recv());
    let sending = make!(chan i32);
    unwinds("send", move || _ = sending.send(1));
    let sugar = make!(chan i32);
    unwinds("<-", move || chan! { sugar <- 1; });
    let timed = make!(chan i32);
    unwinds("recv_timeout", move || _ = timed.recv_timeout(LONG));
    let iterated = make!(chan i32);
    unwinds("iter", move || iterated.iter().for_each(drop));
    drop(ch);
}

#[test]
fn those_parked_in_selects_are_unwound() {
    let ch = make!(chan i32);
    let other = make!(chan i32);
    let (a, b) = (ch.clone(), other.clone());
    unwinds(
        "select!",
        move || select! { recv(a) => {}, send(b, 1) => {} },
    );
    let (a, b) = (ch.clone(), other.clone());
    unwinds("a select! with a timer", move || {
        select! { recv(a) => {}, send(b, 1) -> _ => {}, after(LONG) => {} }
    });
    unwinds("select! {}", || select! {});
    unwinds("a timer", || select! { after(LONG) => {} });
    let (a, b) = (ch.clone(), other.clone());
    unwinds("Select", move || {
        let mut select = gochan::Select::new();
        select.recv(&a);
        select.send(&b);
        drop(select.select());
    });
    unwinds("an empty Select", || drop(gochan::Select::new().select()));
}

#[test]
fn those_that_sleep_or_join_are_unwound() {
    unwinds("sleep", || time::sleep(LONG));
    unwinds("after", || _ = time::after(LONG).recv());
    unwinds("join", || {
        drop(
            go!({
                select! {}
            })
            .join(),
        )
    });
    unwinds("join of a sleeper", || {
        drop(go!({ time::sleep(LONG) }).join())
    });
}

#[test]
fn those_parked_in_what_goroutines_share_are_unwound() {
    use gochan::sync::Mutex;
    let never_done = WaitGroup::new();
    never_done.add(1);
    unwinds("WaitGroup::wait", move || never_done.wait());
    unwinds_if_parked("ErrGroup::wait", || {
        let group = ErrGroup::<String>::new();
        group.go(|| select! {});
        _ = group.wait();
    });
    unwinds_if_parked("ErrGroup::go", || {
        let group = ErrGroup::<String>::new();
        group.set_limit(1);
        (0..2).for_each(|_| group.go(|| select! {}));
    });
    let barrier = Arc::new(Barrier::new(usize::MAX));
    unwinds("Barrier", move || _ = barrier.wait());
    let without_permits = Arc::new(Semaphore::new(1));
    std::mem::forget(without_permits.acquire(1));
    unwinds("Semaphore", move || drop(without_permits.acquire(1)));
    unwinds("Once", || {
        let once = Once::new();
        once.call_once(|| once.call_once(|| {}));
    });
    unwinds("SingleFlight", || {
        let flights = SingleFlight::new();
        flights.run(1, || flights.run(1, || {}));
    });
    let waiting = Arc::new((Mutex::new(()), Cond::new()));
    unwinds("Cond", move || drop(waiting.1.wait(waiting.0.lock())));
    let mutex = Arc::new(Mutex::new(()));
    std::mem::forget(mutex.lock());
    unwinds("Mutex", move || drop(mutex.lock()));
    let lock = Arc::new(RwLock::new(()));
    std::mem::forget(lock.write());
    let read = Arc::clone(&lock);
    unwinds("RwLock::read", move || drop(read.read()));
    unwinds("RwLock::write", move || drop(lock.write()));
    unwinds_if_parked("timeout", || _ = time::timeout(LONG, || select! {}));
}

#[test]
fn those_in_scopes_are_unwound() {
    unwinds("a scope's body", || {
        gochan::scope(|s| {
            go!(in s, { time::sleep(LONG) });
            select! {}
        });
    });
    // The scope ends when its goroutines have been unwound; the next wait ends its own.
    unwinds("a scope's end", || {
        let borrowed = Tally::new(1);
        gochan::scope(|s| {
            go!(in s, {
                let _value = borrowed.value();
                select! {}
            });
        });
        time::sleep(LONG);
    });
}

/// Tells of its end by a flag.
struct Tells(Arc<AtomicBool>);

impl Drop for Tells {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn who_runs_while_another_is_unwound_does_not_go_on_from_what_it_finds_either() {
    for way in 0..7 {
        // Where goroutines run is not ours to say.
        while !runs_while_another_is_unwound(way) {}
    }
}

/// A goroutine that has not waited, so that nobody has told it that its runtime ends, finds a
/// channel closed by another one's unwinding. `false`: it was on the same worker as that one, or
/// as the main goroutine, which could not run meanwhile.
fn runs_while_another_is_unwound(way: usize) -> bool {
    let apart = Arc::new(AtomicBool::new(false));
    let concluded = Arc::new(AtomicBool::new(false));
    let tally = Tally::new(1);
    on_workers(2, || {
        let (sender, receiver) = channel::<i32>(0);
        let (full, abandoned) = channel(0);
        let unwound = Arc::new(AtomicBool::new(false));
        let places = Chan::<thread::ThreadId>::new(0);
        let tells = Tells(Arc::clone(&unwound));
        go!(near, clone(places), {
            let (_tells, _held) = (tells, (sender, abandoned));
            places <- thread::current().id();
            time::sleep(LONG);
        });
        let others = [thread::current().id(), places.recv().unwrap()];
        let value = tally.value();
        go!(spread, clone(places, apart, concluded), {
            let place = thread::current().id();
            let is_apart = !others.contains(&place);
            apart.store(is_apart, Ordering::SeqCst);
            places <- place;
            while is_apart && !unwound.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
            match way {
                0 => _ = receiver.recv(),
                1 => _ = receiver.try_recv(),
                2 => _ = full.send(value),
                3 => _ = full.try_send(value),
                4 => select! { recv(receiver) => {} },
                5 => select! { recv(receiver) => {}, default => {} },
                _ => select! { send(full, value) -> _ => {} },
            }
            concluded.store(true, Ordering::SeqCst);
        });
        places.recv();
    });
    tally.assert_each_dropped_once();
    let apart = apart.load(Ordering::SeqCst);
    assert!(!(apart && concluded.load(Ordering::SeqCst)), "in way {way}");
    apart
}

#[test]
fn nobody_goes_on_because_another_was_unwound() {
    // What an unwinding goroutine drops closes and abandons channels of others: they must not
    // take it for news.
    for workers in [1, 2] {
        for order in 0..2 {
            let conclusions = Arc::new(AtomicUsize::new(0));
            on_workers(workers, || {
                let (sender, receiver) = channel::<i32>(0);
                let (full, abandoned) = channel::<i32>(0);
                let ready = make!(chan());
                let concludes = |number: u32| {
                    let (conclusions, receiver, full) =
                        (Arc::clone(&conclusions), receiver.clone(), full.clone());
                    go!(clone(ready), {
                        ready <- ();
                        match number {
                            0 => receiver.iter().for_each(drop),
                            1 => _ = full.send(1),
                            _ => select! { recv(receiver) => {}, send(full, 1) -> _ => {} },
                        }
                        conclusions.fetch_add(1, Ordering::SeqCst);
                    })
                };
                let holds = |ready: Chan<()>| {
                    go!({
                        let _held = (sender, abandoned);
                        ready <- ();
                        time::sleep(LONG);
                    })
                };
                if order == 0 {
                    (0..3).for_each(|number| drop(concludes(number)));
                    holds(ready.clone());
                } else {
                    holds(ready.clone());
                    (0..3).for_each(|number| drop(concludes(number)));
                }
                ready.iter().take(4).for_each(drop);
                harness::give_chances();
            });
            assert_eq!(conclusions.load(Ordering::SeqCst), 0);
        }
    }
}

#[test]
fn those_that_yield_for_ever_are_unwound() {
    unwinds("yield_now", || {
        loop {
            yield_now();
        }
    });
}

#[test]
fn those_that_poll_for_ever_are_unwound() {
    // They give way after a number of operations, and that is where they can be stopped.
    let ch = make!(chan i32, 1);
    let (polled, passed) = (ch.clone(), make!(chan i32, 1));
    unwinds("try_recv", move || while polled.try_recv().is_err() {});
    unwinds("send and recv", move || {
        loop {
            select! {
                send(passed, 1) => {}
                recv(passed) => {}
            }
        }
    });
}

#[test]
fn those_that_pass_values_for_ever_lose_none_when_they_are_stopped() {
    // They are stopped where an operation has just happened and its value is on the way.
    for workers in [1, 2] {
        for form in 0..6 {
            for skew in 0..8 {
                let element = Arc::new(());
                on_workers(workers, || {
                    let passed = Arc::new(AtomicUsize::new(0));
                    go!(clone(element, passed), {
                        let ch = Chan::new(4);
                        // Operations come in pairs: an odd start moves the end of the turn from
                        // the send to the receive.
                        for _ in 0..skew {
                            let _ = Chan::new(1).send(());
                        }
                        loop {
                            passed.fetch_add(1, Ordering::Relaxed);
                            let value = Arc::clone(&element);
                            if form % 2 == 0 {
                                let _ = ch.send(value);
                            } else {
                                select! { send(ch, value) => {} }
                            }
                            match form / 2 {
                                0 => drop(ch.recv()),
                                1 => select! { recv(ch) -> value => drop(value) },
                                _ => drop(ch.try_recv()),
                            }
                        }
                    });
                    until(|| passed.load(Ordering::Relaxed) > 500);
                });
                assert_eq!(Arc::strong_count(&element), 1, "form {form}, skew {skew}");
            }
        }
    }
}

#[test]
fn a_blocking_call_is_waited_for_and_then_unwound() {
    for workers in [1, 2] {
        let tally = Arc::new(Tally::new(1));
        let ended = Arc::new(AtomicBool::new(false));
        let (release, gate) = std::sync::mpsc::channel::<()>();
        on_workers(workers, || {
            let started = make!(chan());
            go!(clone(tally, ended, started), {
                let value = tally.value();
                let borrowed = &value;
                gochan::blocking(move || {
                    // Not before: it might be unwound on its way here.
                    started.send(()).unwrap();
                    assert!(gate.recv().is_err());
                    // The closure borrows from the goroutine, which must still be there.
                    assert_eq!(borrowed.id, 0);
                    ended.store(true, Ordering::SeqCst);
                });
                time::sleep(LONG);
                unreachable!("the sleep is unwound");
            });
            started.recv();
            drop(release);
        });
        assert!(ended.load(Ordering::SeqCst));
        tally.assert_each_dropped_once();
    }
}

#[test]
fn those_that_have_not_started_are_dropped() {
    let tally = Arc::new(Tally::new(1000));
    on_workers(1, || {
        for _ in 0..1000 {
            let value = tally.value();
            go!({
                drop(value);
                select! {}
            });
        }
    });
    tally.assert_each_dropped_once();
}

/// Waits in every way when it is dropped.
struct Waits {
    ch: Chan<i32>,
    went_on: Arc<AtomicUsize>,
}

impl Drop for Waits {
    fn drop(&mut self) {
        assert_eq!(self.ch.recv(), None, "to it every channel is closed");
        assert_eq!(self.ch.send(1), Err(SendError(1)));
        chan! {
            self.ch <- 2;
            _ = <-self.ch;
        }
        select! {
            recv(self.ch) -> v => assert_eq!(v, None),
            send(self.ch, 3) => {}
        }
        assert!(self.ch.recv_timeout(LONG).is_err());
        assert!(self.ch.send_timeout(4, LONG).is_err());
        select! { after(LONG) => {} }
        time::sleep(LONG);
        yield_now();
        let _ = go!({
            select! {}
        })
        .join();
        gochan::blocking(|| {});
        gochan::scope(|s| drop(go!(in s, { select! {} })));
        let mut select = gochan::Select::new();
        select.recv(&self.ch);
        assert_eq!(select.select().recv(&self.ch), None);
        drop(select.select_timeout(LONG));
        let mut select = gochan::Select::new();
        select.send(&self.ch);
        assert!(select.select().send(&self.ch, 5).is_err());
        let (taken, locked) = (Semaphore::new(1), RwLock::new(()));
        let _held = (taken.acquire(1), locked.write());
        assert!(taken.acquire_timeout(1, LONG).is_none());
        assert!(locked.read_timeout(LONG).is_none());
        assert!(locked.write_timeout(LONG).is_none());
        self.went_on.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn destructors_that_wait_at_the_end_go_on() {
    for workers in [1, 2] {
        let went_on = Arc::new(AtomicUsize::new(0));
        let start = Instant::now();
        on_workers(workers, || {
            let ready = make!(chan());
            for number in 0..6 {
                let waits = Waits {
                    ch: make!(chan i32),
                    went_on: Arc::clone(&went_on),
                };
                go!(clone(ready), {
                    let _waits = waits;
                    ready <- ();
                    match number % 3 {
                        0 => time::sleep(LONG),
                        1 => select! {},
                        _ => _ = make!(chan i32).recv(),
                    }
                });
            }
            ready.iter().take(6).for_each(drop);
        });
        assert_eq!(went_on.load(Ordering::SeqCst), 6);
        assert!(start.elapsed() < LONG / 60);
    }
}

/// They belong to goroutines that have not started, and have no stack of their own yet.
#[test]
fn destructors_of_what_has_not_started_go_on_too() {
    struct LocksInDrop(Arc<gochan::sync::Mutex<usize>>);
    impl Drop for LocksInDrop {
        fn drop(&mut self) {
            *self.0.lock() += 1;
        }
    }
    for workers in [1, 2] {
        const COUNT: usize = 6;
        let went_on = Arc::new(AtomicUsize::new(0));
        let locked = Arc::new(gochan::sync::Mutex::new(0));
        on_workers(workers, || {
            let is_held = make!(chan());
            go!(near, clone(is_held, locked), {
                let _guard = locked.lock();
                is_held <- ();
                time::sleep(LONG);
            });
            is_held.recv();
            for _ in 0..COUNT {
                let waits = Waits {
                    ch: make!(chan i32),
                    went_on: Arc::clone(&went_on),
                };
                let locks = LocksInDrop(Arc::clone(&locked));
                go!(near, {
                    let _captured = (&waits, &locks);
                    time::sleep(LONG);
                });
            }
        });
        assert_eq!(went_on.load(Ordering::SeqCst), COUNT);
        assert_eq!(*locked.lock(), COUNT);
    }
}

/// Nobody sees that its goroutine unwinds, which has not begun to do anything.
#[test]
fn a_destructor_of_what_has_not_started_may_panic() {
    struct Fails(Arc<AtomicUsize>);
    impl Drop for Fails {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            panic!("on purpose");
        }
    }
    /// At the end of the runtime, so that what it starts does not start.
    struct StartsInDrop(Arc<AtomicUsize>);
    impl Drop for StartsInDrop {
        fn drop(&mut self) {
            let (fails, others) = (Fails(Arc::clone(&self.0)), Fails(Arc::clone(&self.0)));
            go!(local, { _ = &fails });
            go!({ _ = &others });
        }
    }
    for workers in [1, 2] {
        let failed = Arc::new(AtomicUsize::new(0));
        on_workers(workers, || {
            let is_parked = make!(chan());
            let starts = StartsInDrop(Arc::clone(&failed));
            go!(clone(is_parked), {
                let _starts = starts;
                is_parked <- ();
                select! {}
            });
            is_parked.recv();
        });
        assert_eq!(failed.load(Ordering::SeqCst), 2);
    }
}

/// They belong to timers that have not fired.
#[test]
fn destructors_of_what_timers_would_have_called_go_on_too() {
    struct StartsLocal(Arc<Tally>);
    impl Drop for StartsLocal {
        fn drop(&mut self) {
            let value = self.0.value();
            go!(local, { drop(value) });
        }
    }
    struct Fails;
    impl Drop for Fails {
        fn drop(&mut self) {
            resume_unwind(Box::new("a destructor failed"));
        }
    }
    for workers in [1, 2] {
        const COUNT: usize = 3;
        let (went_on, tally) = (Arc::new(AtomicUsize::new(0)), Arc::new(Tally::new(COUNT)));
        on_workers(workers, || {
            for _ in 0..COUNT {
                let waits = Waits {
                    ch: make!(chan i32),
                    went_on: Arc::clone(&went_on),
                };
                let holds = (waits, StartsLocal(Arc::clone(&tally)), Fails);
                time::Timer::after_func(LONG, move || _ = &holds);
            }
        });
        assert_eq!(went_on.load(Ordering::SeqCst), COUNT);
        assert_eq!(tally.made(), COUNT);
        tally.assert_each_dropped_once();
    }
}

/// A timer fires when its worker takes no more goroutines.
#[test]
fn what_a_late_timer_would_have_called_is_not_dropped_by_the_worker_itself() {
    struct TellsDropper(thread::ThreadId, Arc<Mutex<Option<bool>>>);
    impl Drop for TellsDropper {
        fn drop(&mut self) {
            let by_worker = thread::current().id() == self.0;
            let by_itself = by_worker && gochan::goroutine::try_current().is_none();
            *self.1.lock().unwrap() = Some(by_itself);
        }
    }
    struct Tells(std::sync::mpsc::Sender<()>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }
    let by_worker_itself = Arc::new(Mutex::new(None));
    on_workers(1, || {
        let (ends, ending) = std::sync::mpsc::channel();
        let tells = Tells(ends);
        go!({
            let _tells = tells;
            select! {}
        });
        let held = TellsDropper(thread::current().id(), Arc::clone(&by_worker_itself));
        let timer = time::Timer::after_func(LONG, move || _ = &held);
        go!(gochan::blocking(move || {
            ending.recv().unwrap();
            thread::sleep(Duration::from_millis(5));
            timer.reset(Duration::from_millis(1));
            drop(timer);
            thread::sleep(Duration::from_millis(10));
        }));
        yield_now();
    });
    assert_eq!(*by_worker_itself.lock().unwrap(), Some(false));
}

/// What a helper thread waits for comes though the runtime ends: it cannot be told to stop waiting.
#[test]
fn timers_and_deadlines_that_blocking_calls_wait_for_still_come() {
    use gochan::context::Context;
    const SOON: Duration = Duration::from_millis(20);
    for workers in [1, 2] {
        let came = Arc::new(AtomicUsize::new(0));
        with(Config::new().workers(workers), || {
            let timer = time::Timer::new(SOON);
            let (context, guard) = Context::background().with_timeout(SOON / 4);
            let ticks = timer.c().clone();
            let waits: [Box<dyn FnOnce() + Send>; 2] = [
                Box::new(move || _ = ticks.recv()),
                Box::new(move || _ = context.done().recv()),
            ];
            let begun = make!(chan());
            for wait in waits {
                go!(spread, clone(begun, came), {
                    gochan::blocking(|| {
                        begun.send(()).unwrap();
                        wait();
                        came.fetch_add(1, Ordering::SeqCst);
                    });
                });
            }
            assert_eq!(begun.iter().take(2).count(), 2);
            // They stay set.
            std::mem::forget((timer, guard));
        });
        assert_eq!(came.load(Ordering::SeqCst), 2, "{workers} workers");
    }
}

#[test]
fn goroutines_that_wait_for_each_other_are_all_unwound() {
    // Each holds what the next one waits for; its unwinding wakes others that unwind too.
    for workers in [1, 2] {
        const COUNT: usize = 300;
        let tally = Arc::new(Tally::new(COUNT));
        on_workers(workers, || {
            let started = Arc::new(AtomicUsize::new(0));
            let mut previous = None::<gochan::JoinHandle<()>>;
            let mut last = make!(chan i32);
            for number in 0..COUNT {
                let next = make!(chan i32);
                let (sender, receiver) = (next.sender(), last.receiver());
                last = next;
                let (value, before, started) =
                    (tally.value(), previous.take(), Arc::clone(&started));
                previous = Some(go!({
                    let _value = value;
                    started.fetch_add(1, Ordering::SeqCst);
                    match number % 3 {
                        0 => {
                            let _ = before.map(gochan::JoinHandle::join);
                        }
                        1 => select! { recv(receiver) => {}, send(sender, 1) -> _ => {} },
                        _ => _ = receiver.recv(),
                    }
                }));
            }
            until(|| started.load(Ordering::SeqCst) == COUNT);
        });
        tally.assert_each_dropped_once();
    }
}

#[test]
fn a_thread_that_waits_for_a_goroutine_of_an_ended_runtime_is_woken() {
    let _watched = watch();
    for workers in [1, 2] {
        let (sender, receiver) = channel::<i32>(0);
        let (handles, joined) = std::sync::mpsc::channel::<gochan::JoinHandle<()>>();
        let waiter = thread::spawn(move || {
            let handle = joined.recv().unwrap();
            (receiver.recv(), handle.join().unwrap_err().is_goexit())
        });
        on_workers(workers, || {
            let ready = make!(chan());
            let handle = go!(clone(ready), {
                let _sender = sender;
                ready <- ();
                select! {}
            });
            ready.recv();
            handles.send(handle).unwrap();
        });
        assert_eq!(waiter.join().unwrap(), (None, true));
    }
}

#[test]
fn values_on_their_way_when_the_runtime_ends_are_dropped_once() {
    for workers in [1, 2] {
        for round in 0..30 {
            let tally = Arc::new(Tally::new(20_000));
            let ch = Chan::new(round % 3);
            let outside = ch.clone();
            let enough = Arc::new(AtomicBool::new(false));
            let thread = thread::spawn({
                let (tally, enough) = (Arc::clone(&tally), Arc::clone(&enough));
                move || {
                    let mut count = 0;
                    while !enough.load(Ordering::SeqCst) && count < 2000 {
                        count += 1;
                        let brief = Duration::from_micros(count % 20);
                        if count % 2 == 0 {
                            let _ = outside.send_timeout(tally.value(), brief);
                        } else {
                            let _ = outside.recv_timeout(brief);
                        }
                    }
                }
            });
            on_workers(workers, || {
                for number in 0..8 {
                    go!(clone(ch, tally), {
                        for _ in 0..1000 {
                            match number % 4 {
                                0 => _ = ch.send(tally.value()),
                                1 => _ = ch.recv(),
                                2 => select! { recv(ch) => {}, send(ch, tally.value()) => {} },
                                _ => {
                                    let mut slot = Some(tally.value());
                                    select! { send(ch, take slot) => {}, after(LONG) => {} }
                                }
                            }
                        }
                    });
                }
                for _ in 0..round * 3 {
                    yield_now();
                }
            });
            enough.store(true, Ordering::SeqCst);
            thread.join().unwrap();
            drop(ch);
            tally.assert_each_dropped_once();
        }
    }
}

/// They are served when the runtime has begun to end, and do not go on.
#[test]
fn those_that_are_served_at_the_end_are_unwound_and_lose_nothing() {
    for way in 0..6 {
        let tally = Arc::new(Tally::new(1));
        let ch = Chan::new(0);
        let went_on = Arc::new(AtomicBool::new(false));
        let start = || {
            go!(clone(ch, tally, went_on), {
                match way {
                    0 => drop(ch.recv()),
                    1 => drop(ch.recv_timeout(LONG)),
                    2 => select! { recv(ch) => {}, after(LONG) => {} },
                    3 => drop(ch.send(tally.value())),
                    4 => drop(ch.send_timeout(tally.value(), LONG)),
                    _ => select! { send(ch, tally.value()) => {}, after(LONG) => {} },
                }
                went_on.store(true, Ordering::SeqCst);
            });
        };
        let (others, value) = (ch.clone(), Arc::clone(&tally));
        harness::served_at_the_end(start, move || match way < 3 {
            true => others.try_send(value.value()).unwrap(),
            false => drop(others.try_recv().unwrap()),
        });
        assert!(!went_on.load(Ordering::SeqCst), "way {way}");
        tally.assert_each_dropped_once();
    }
}

/// As above, of what goroutines share.
#[test]
fn those_that_may_go_on_at_the_end_are_unwound() {
    let _watched = watch();
    type Act = Box<dyn FnOnce() + Send>;
    let waits = Arc::new(Barrier::new(2));
    let comes = Arc::clone(&waits);
    let counted = WaitGroup::new();
    counted.add(1);
    let is_done = counted.clone();
    let semaphore = Arc::new(Semaphore::new(1));
    let permit = Semaphore::acquire_owned(&semaphore, 1);
    // Those who run these do so outside of the runtime that ends.
    let once = Arc::new(Once::new());
    let (begins, begun) = std::sync::mpsc::channel();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let runs = thread::spawn({
        let once = Arc::clone(&once);
        move || {
            once.call_once(|| {
                begins.send(()).unwrap();
                _ = stopped.recv();
            });
        }
    });
    begun.recv().unwrap();
    let group = ErrGroup::<String>::new();
    let (end, ended) = channel::<()>(0);
    group.go(move || {
        ended.recv();
        Ok(())
    });
    let whole = group.clone();
    let ways: [(&str, Act, Act); 5] = [
        (
            "Barrier",
            Box::new(move || _ = waits.wait()),
            Box::new(move || _ = comes.wait()),
        ),
        (
            "WaitGroup",
            Box::new(move || counted.wait()),
            Box::new(move || is_done.done()),
        ),
        (
            "Semaphore",
            Box::new(move || drop(semaphore.acquire(1))),
            Box::new(move || drop(permit)),
        ),
        (
            "Once",
            Box::new(move || once.call_once(|| unreachable!("it is called once"))),
            Box::new(move || {
                drop(stop);
                runs.join().unwrap();
            }),
        ),
        (
            "ErrGroup",
            Box::new(move || _ = group.wait()),
            Box::new(move || {
                drop(end);
                thread::spawn(move || whole.wait()).join().unwrap().unwrap();
            }),
        ),
    ];
    for (what, wait, serve) in ways {
        let went_on = Arc::new(AtomicBool::new(false));
        let start = || {
            go!(clone(went_on), {
                wait();
                went_on.store(true, Ordering::SeqCst);
            });
        };
        harness::served_at_the_end(start, serve);
        assert!(!went_on.load(Ordering::SeqCst), "{what}");
    }
}

#[test]
fn a_panic_while_the_runtime_ends_stays_in_its_goroutine() {
    struct Fails;
    impl Drop for Fails {
        fn drop(&mut self) {
            if !thread::panicking() {
                resume_unwind(Box::new("a destructor failed"));
            }
        }
    }
    for workers in [1, 2] {
        let tally = Arc::new(Tally::new(3));
        on_workers(workers, || {
            let ready = make!(chan());
            for _ in 0..3 {
                go!(clone(ready, tally), {
                    let _value = tally.value();
                    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        ready.send(()).unwrap();
                        select! {}
                    }));
                    // A catch_unwind that keeps what it caught only delays the end.
                    drop(outcome);
                    let _fails = Fails;
                });
            }
            ready.iter().take(3).for_each(drop);
        });
        tally.assert_each_dropped_once();
    }
}

#[test]
fn run_within_a_goroutine_of_another_runtime() {
    let outer = on_workers(2, || {
        let inner =
            gochan::blocking(|| on_workers(1, || go!({ runtime::num_worker() }).join().unwrap()));
        inner * 10 + runtime::num_worker()
    });
    assert_eq!(outer, 12);
    let outer = on_workers(2, || {
        let inner = Runtime::new(Config::new().workers(1)).unwrap();
        inner.run(|| go!({ runtime::num_worker() }).join().unwrap()) * 10 + runtime::num_worker()
    });
    assert_eq!(outer, 12);
}

#[test]
fn a_runtime_that_ends_within_a_goroutine_of_another_keeps_no_worker() {
    for workers in [1, 2] {
        on_workers(workers, || {
            let is_free = Arc::new(AtomicBool::new(false));
            go!(near, clone(is_free), {
                time::sleep(Duration::from_millis(10));
                is_free.store(true, Ordering::SeqCst);
            });
            let is_seen = Arc::clone(&is_free);
            Runtime::new(Config::new().workers(1)).unwrap().run(|| {
                go!(near, {
                    gochan::defer! {
                        let start = Instant::now();
                        while !is_seen.load(Ordering::SeqCst) && start.elapsed() < LONG / 3600 {
                            thread::yield_now();
                        }
                    }
                    select! {}
                });
                yield_now();
            });
            assert!(is_free.load(Ordering::SeqCst));
        });
    }
}

// ----- attributes -------------------------------------------------------------------------

#[gochan::test]
fn a_gochan_test_is_a_goroutine() {
    assert!(gochan::goroutine::try_current().is_some());
    assert_eq!(go!({ 1 }).join().unwrap(), 1);
}

#[gochan::test(workers = 3, virtual_time = true, seed = 1)]
fn a_gochan_test_has_options() -> Result<(), String> {
    time::sleep(LONG);
    match runtime::num_worker() {
        3 => Ok(()),
        other => Err(format!("{other} workers")),
    }
}

#[gochan::test(workers = 1)]
#[should_panic(expected = "as it should")]
fn a_gochan_test_may_panic() {
    panic!("as it should");
}

#[gochan::test]
#[cfg_attr(not(target_os = "linux"), ignore = "no deadlock is found there")]
#[should_panic(expected = "all goroutines are asleep - deadlock!")]
fn a_gochan_test_that_is_deadlocked_fails() {
    make!(chan i32).recv();
}

#[test]
fn a_payload_crosses_run_unchanged() {
    let _watched = watch();
    let outcome = std::panic::catch_unwind(|| on_workers(1, || resume_unwind(Box::new(41_u8))));
    let payload: Box<dyn std::any::Any + Send> = match outcome {
        Ok(()) => panic!("no panic"),
        Err(payload) => payload,
    };
    assert_eq!(
        payload.downcast_ref::<u8>(),
        Some(&41),
        "{}",
        message_of(&*payload)
    );
}
