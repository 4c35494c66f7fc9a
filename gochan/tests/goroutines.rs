//! Goroutines: starting, joining, ending, scopes, `blocking` and `defer!`.

mod harness;

use gochan::goroutine::{self, Builder};
use gochan::prelude::*;
use gochan::sync::WaitGroup;
use gochan::{JoinHandle, goexit, runtime, yield_now};
use harness::{
    Side, Tally, compute, each_runtime, everywhere, give_chances, message_of, on_workers, panic_of,
    until, watch,
};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

// ----- go! --------------------------------------------------------------------------------

fn add(a: u32, b: u32) -> u32 {
    a + b
}

struct Adder(u32);

impl Adder {
    fn add(self, n: u32) -> u32 {
        self.0 + n
    }
}

#[test]
fn every_form_of_go() {
    everywhere(|| {
        assert_eq!(go! { 1 + 1 }.join().unwrap(), 2);
        assert_eq!(go!({ 1 + 2 }).join().unwrap(), 3);
        assert_eq!(go!(add(1, 3)).join().unwrap(), 4);
        assert_eq!(go!(Adder(1).add(4)).join().unwrap(), 5);
        let shared = Arc::new(6);
        assert_eq!(go!(clone(shared), { *shared }).join().unwrap(), 6);
        assert_eq!(*shared, 6);
        let mut list = vec![1];
        let longer = go!(clone(mut list), {
            list.push(2);
            list
        });
        assert_eq!(longer.join().unwrap(), [1, 2]);
        list.push(7);
        let handle = go!(name = "fetcher", stack = 1 << 20, {
            goroutine::current().name().map(str::to_owned)
        });
        assert_eq!(handle.name(), Some("fetcher"));
        assert_eq!(handle.join().unwrap().as_deref(), Some("fetcher"));
        assert_eq!(go!(near, { 8 }).join().unwrap(), 8);
        assert_eq!(go!(spread, { 9 }).join().unwrap(), 9);
        let name = format!("n{}", 1);
        let all = go!(spread, stack = 100_000, clone(shared), name = name, {
            *shared
        });
        assert_eq!((all.name(), all.id() == all.id()), (Some("n1"), true));
        assert_eq!(all.join().unwrap(), 6);
        let built = Builder::new()
            .name("built")
            .stack_size(1 << 17)
            .near()
            .spawn(|| 10)
            .unwrap();
        assert_eq!(built.name(), Some("built"));
        assert_eq!(built.join().unwrap(), 10);
        assert_eq!(
            Builder::new()
                .spread()
                .spawn(|| 11)
                .unwrap()
                .join()
                .unwrap(),
            11
        );
        // As a statement.
        let done = make!(chan i32, 1);
        go!(clone(done), { done <- 12 });
        assert_eq!(done.recv(), Some(12));
    });
}

#[test]
fn operands_are_evaluated_before_the_goroutine_starts() {
    everywhere(|| {
        let order = RefCell::new(Vec::new());
        let note = |n| {
            order.borrow_mut().push(n);
            n
        };
        let mut base = 10;
        let handle = go!(add(note(1) + base, note(2)));
        assert_eq!(*order.borrow(), [1, 2]);
        base = 0;
        assert_eq!(handle.join().unwrap() + base, 13);
    });
}

#[test]
fn a_variable_is_evaluated_before_the_operands_that_change_it() {
    #[derive(Clone, Copy)]
    struct Number(u32);
    impl Number {
        fn and(self, other: u32) -> (u32, u32) {
            (self.0, other)
        }
    }
    fn pair(a: u32, b: u32) -> (u32, u32) {
        (a, b)
    }
    fn swapped(a: u32, b: u32) -> (u32, u32) {
        (b, a)
    }
    everywhere(|| {
        let mut n = 1;
        let handle = go!(pair(n, {
            n += 1;
            n
        }));
        assert_eq!(handle.join().unwrap(), (1, 2));
        let mut number = Number(3);
        let handle = go!(number.and({
            number.0 += 1;
            number.0
        }));
        assert_eq!(handle.join().unwrap(), (3, 4));
        let mut function: fn(u32, u32) -> (u32, u32) = pair;
        let handle = go!(function(5, {
            function = swapped;
            6
        }));
        assert_eq!(handle.join().unwrap(), (5, 6));
        assert_eq!(function(5, 6), (6, 5));
    });
}

#[test]
fn a_string_with_slashes_before_it_does_not_hide_the_braces_of_a_go() {
    fn with<T>(_name: &str, start: impl FnOnce() -> T) -> T {
        start()
    }
    everywhere(|| {
        let ch = make!(chan u32);
        let from = ch.receiver();
        #[rustfmt::skip]
        let handle = with("a://b", || { go! { Some(from.recv()) } });
        ch.send(7).unwrap();
        assert_eq!(handle.join().unwrap(), Some(Some(7)));
    });
}

/// Only the name of the macro tells whose braces they are.
#[test]
fn the_parentheses_of_another_macro_are_not_those_of_a_go() {
    macro_rules! later {
        ($($body:tt)*) => { go! { $($body)* } };
    }
    everywhere(|| {
        let ch = make!(chan Option<u32>);
        let from = ch.receiver();
        let handle = later!(from.recv().unwrap().or(None));
        ch.send(Some(7)).unwrap();
        assert_eq!(handle.join().unwrap(), Some(7));
    });
}

#[test]
fn a_local_goroutine_of_an_ordinary_thread_is_refused_with_its_line() {
    let refused = panic_of(|| drop(go!(local, {})));
    let line = format!("go!(local, …) at {}:{}:", file!(), line!() - 1);
    assert!(refused.starts_with(&line), "{refused}");
}

#[test]
fn a_panic_in_an_operand_starts_nothing() {
    fn fails() -> u32 {
        panic!("no operand");
    }
    on_workers(1, || {
        let before = runtime::num_goroutine();
        assert_eq!(panic_of(|| drop(go!(add(1, fails())))), "no operand");
        assert_eq!(runtime::num_goroutine(), before);
    });
}

#[test]
fn a_big_stack_is_big_and_deep_recursion_fits() {
    fn depth(n: u32) -> u32 {
        let frame = std::hint::black_box([n; 64]);
        if n == 0 {
            0
        } else {
            depth(n - 1) + frame[63].min(1)
        }
    }
    each_runtime(|| {
        let handles: Vec<_> = (0..8)
            .map(|_| go!(stack = 8 << 20, { depth(5000) }))
            .collect();
        for handle in handles {
            assert_eq!(handle.join().unwrap(), 5000);
        }
    });
}

#[test]
fn thousands_of_goroutines_run_and_end() {
    each_runtime(|| {
        let before = runtime::num_goroutine();
        for _ in 0..3 {
            let handles: Vec<_> = (0..5000_u64)
                .map(|n| {
                    go!({
                        yield_now();
                        n
                    })
                })
                .collect();
            let sum: u64 = handles
                .into_iter()
                .map(|handle| handle.join().unwrap())
                .sum();
            assert_eq!(sum, 4999 * 5000 / 2);
        }
        until(|| runtime::num_goroutine() == before);
    });
}

// ----- ends -------------------------------------------------------------------------------

#[test]
fn join_waits_and_gives_the_result() {
    for joining in [Side::Goroutine, Side::Thread] {
        each_runtime(|| {
            for round in 0..20 {
                let go_on = make!(chan());
                let handle = go!(clone(go_on), {
                    go_on.recv();
                    vec![round; 3]
                });
                assert!(!handle.is_finished());
                let joiner = joining.start(move || handle.join().unwrap());
                give_chances();
                go_on.send(()).unwrap();
                assert_eq!(joiner.join(), [round; 3]);
            }
            let handle = go!({ 5 });
            until(|| handle.is_finished());
            assert_eq!(handle.join().unwrap(), 5);
        });
    }
}

#[test]
fn a_panic_ends_its_goroutine_only_and_reaches_who_joins() {
    everywhere(|| {
        let bystander = make!(chan i32);
        let echo = go!(clone(bystander), { bystander.recv() });
        let line = line!() + 1;
        let error = go!(name = "culprit", { panic!("number {}", 7) })
            .join()
            .unwrap_err();
        assert!(error.is_panic() && !error.is_goexit());
        assert_eq!(error.name(), Some("culprit"));
        let text = error.to_string();
        let place = format!("{}:{line}:", file!());
        for part in ["culprit", "number 7", &place, &error.id().to_string()] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
        assert!(format!("{error:?}").contains("number 7"));
        assert_eq!(message_of(&*error.into_panic()), "number 7");

        let error = go!({ resume_unwind(Box::new(Arc::new(5_u8))) })
            .join()
            .unwrap_err();
        assert!(error.to_string().contains("panicked"));
        let payload = error.try_into_panic().unwrap();
        assert_eq!(**payload.downcast_ref::<Arc<u8>>().unwrap(), 5);

        bystander.send(3).unwrap();
        assert_eq!(echo.join().unwrap(), Some(3));
    });
}

#[test]
fn goexit_runs_destructors_and_is_told_from_a_panic() {
    everywhere(|| {
        let tally = Arc::new(Tally::new(2));
        let deferred = Arc::new(AtomicBool::new(false));
        let handle = go!(clone(tally, deferred), name = "quitter", {
            let _first = tally.value();
            defer! { deferred.store(true, Ordering::SeqCst) }
            fn deep(n: u32) {
                if n == 0 {
                    goexit();
                }
                deep(n - 1);
            }
            let _second = tally.value();
            deep(10);
            deferred.store(false, Ordering::SeqCst);
        });
        let error = handle.join().unwrap_err();
        assert!(error.is_goexit() && !error.is_panic());
        let text = error.to_string();
        assert!(
            text.contains("quitter") && text.contains("goexit"),
            "{text}"
        );
        assert!(deferred.load(Ordering::SeqCst));
        tally.assert_each_dropped_once();
        let error = error.try_into_panic().unwrap_err();
        let message = panic_of(|| _ = error.into_panic());
        assert!(message.contains("goexit"), "{message}");
    });
    let _watched = watch();
    let message = panic_of(|| goexit());
    assert!(
        message.contains("goexit") && message.contains("thread"),
        "{message}"
    );
}

#[test]
fn results_that_nobody_joins_are_dropped_once() {
    each_runtime(|| {
        const COUNT: usize = 200;
        let tally = Arc::new(Tally::new(4 * COUNT));
        for round in 0..COUNT {
            drop(go!(clone(tally), { tally.value() }));
            let late = go!(clone(tally), {
                yield_now();
                tally.value()
            });
            if round % 2 == 0 {
                until(|| late.is_finished());
            }
            drop(late);
            drop(go!(clone(tally), {
                let _value = tally.value();
                resume_unwind(Box::new("quiet"))
            }));
            drop(go!(clone(tally), { tally.value() }).join());
        }
        until(|| tally.dropped() == 4 * COUNT);
        tally.assert_each_dropped_once();
    });
}

/// How often goroutines have dropped something, and how often whom else.
#[derive(Clone, Default)]
struct Droppers {
    goroutines: Arc<AtomicUsize>,
    threads: Arc<Mutex<HashMap<thread::ThreadId, usize>>>,
}

struct TellsDropper(Droppers);

impl Drop for TellsDropper {
    fn drop(&mut self) {
        if goroutine::try_current().is_some() {
            self.0.goroutines.fetch_add(1, Ordering::SeqCst);
        } else {
            let mut threads = self.0.threads.lock().unwrap();
            *threads.entry(thread::current().id()).or_default() += 1;
        }
    }
}

#[test]
fn a_result_whose_handle_goes_as_it_comes_is_not_dropped_by_the_worker_itself() {
    const COUNT: usize = 500;
    for workers in [1, 2] {
        let droppers = Droppers::default();
        let (sender, handles) = mpsc::channel::<JoinHandle<TellsDropper>>();
        let (received, returns) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let other = thread::spawn({
            let (received, returns) = (Arc::clone(&received), Arc::clone(&returns));
            move || {
                for (round, handle) in handles.iter().enumerate() {
                    received.store(round + 1, Ordering::SeqCst);
                    // With an eye on it, unless somebody else needs the processor.
                    for look in 1_u32.. {
                        match returns.load(Ordering::SeqCst) > round {
                            true => break,
                            false if look > 10_000 => thread::yield_now(),
                            false => std::hint::spin_loop(),
                        }
                    }
                    (0..round % 64).for_each(|_| std::hint::spin_loop());
                    drop(handle);
                }
            }
        });
        let thread = other.thread().id();
        on_workers(workers, || {
            for round in 0..COUNT {
                let value = TellsDropper(droppers.clone());
                let (received, returns) = (Arc::clone(&received), Arc::clone(&returns));
                let handle = go!(near, {
                    while received.load(Ordering::SeqCst) <= round {
                        thread::yield_now();
                    }
                    returns.store(round + 1, Ordering::SeqCst);
                    value
                });
                sender.send(handle).unwrap();
                yield_now();
            }
            drop(sender);
            gochan::blocking(|| other.join().unwrap());
        });
        let mut threads = droppers.threads.lock().unwrap();
        let by_thread = threads.remove(&thread).unwrap_or(0);
        assert!(threads.is_empty(), "dropped by a worker: {threads:?}");
        assert_eq!(
            by_thread + droppers.goroutines.load(Ordering::SeqCst),
            COUNT
        );
    }
}

#[test]
fn a_result_whose_destructor_panics_harms_nobody() {
    struct Fails(Arc<AtomicUsize>);
    impl Drop for Fails {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            resume_unwind(Box::new("a destructor failed"));
        }
    }
    each_runtime(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        drop(go!(clone(drops), { Fails(drops) }));
        until(|| drops.load(Ordering::SeqCst) == 1);
        let handle = go!(clone(drops), { Fails(drops) });
        until(|| handle.is_finished());
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(handle)));
        assert_eq!(drops.load(Ordering::SeqCst), 2);
        let handle = go!(clone(drops), { Fails(drops) });
        assert_eq!(panic_of(|| drop(handle.join())), "a destructor failed");
        assert_eq!(go!({ 4 }).join().unwrap(), 4);
    });
}

#[test]
fn a_goroutine_may_catch_its_own_panic() {
    each_runtime(|| {
        let handle = go!({
            let caught = panic_of(|| panic!("inner"));
            let ch = make!(chan i32, 1);
            ch <- 1;
            (caught, <-ch)
        });
        assert_eq!(handle.join().unwrap(), ("inner".to_owned(), Some(1)));
    });
}

#[test]
fn who_and_where_am_i() {
    let _watched = watch();
    assert!(goroutine::try_current().is_none());
    assert!(panic_of(|| _ = goroutine::current()).contains("thread"));
    each_runtime(|| {
        let main = goroutine::current();
        assert_eq!(main.name(), None);
        let ids: HashSet<_> = (0..200)
            .map(|_| {
                let handle = go!({ goroutine::current().id() });
                let id = handle.id();
                assert_eq!(handle.join().unwrap(), id);
                assert!(id.as_u64() > 0 && id.to_string() == id.as_u64().to_string());
                id
            })
            .collect();
        assert_eq!(ids.len(), 200);
        assert!(!ids.contains(&main.id()));
        let line = line!() + 1;
        let started_at = go!({ goroutine::current().started_at() }).join().unwrap();
        assert_eq!((started_at.file(), started_at.line()), (file!(), line));
        let builder = Builder::new();
        let line = line!() + 1;
        let built = builder.spawn(goroutine::current).unwrap();
        assert_eq!(built.join().unwrap().started_at().line(), line);
    });
}

#[test]
fn debug_output_names_a_goroutine_as_messages_do() {
    each_runtime(|| {
        let handle = go!(name = "{}", { goroutine::current() });
        let id = handle.id();
        let goroutine = handle.join().unwrap();
        let place = goroutine.started_at();
        let expected = format!("Goroutine(goroutine {id} \"{{}}\" (started at {place}))");
        assert_eq!(format!("{goroutine:?}"), expected);
    });
}

#[test]
fn goroutines_that_have_started_stay_on_their_thread() {
    each_runtime(|| {
        let handles: Vec<_> = (0..50)
            .map(|_| {
                go!({
                    let thread = thread::current().id();
                    for round in 0..50 {
                        match round % 3 {
                            0 => yield_now(),
                            1 => gochan::time::sleep(Duration::from_micros(50)),
                            _ => gochan::blocking(|| {}),
                        }
                        assert_eq!(thread::current().id(), thread);
                    }
                })
            })
            .collect();
        handles
            .into_iter()
            .for_each(|handle| handle.join().unwrap());
    });
}

// ----- turns ------------------------------------------------------------------------------

#[test]
fn yield_now_lets_every_other_one_run() {
    on_workers(1, || {
        let log = Arc::new(Mutex::new(Vec::new()));
        let handles: Vec<_> = (0..4)
            .map(|number| {
                go!(clone(log), {
                    for _ in 0..50 {
                        log.lock().unwrap().push(number);
                        yield_now();
                    }
                })
            })
            .collect();
        handles
            .into_iter()
            .for_each(|handle| handle.join().unwrap());
        let log = log.lock().unwrap();
        for number in 0..4 {
            // In between two of its turns each of the others has at most a few.
            let turns: Vec<_> = (0..log.len()).filter(|&at| log[at] == number).collect();
            let longest = turns.windows(2).map(|pair| pair[1] - pair[0]).max();
            assert!(longest <= Some(12), "{longest:?}");
        }
    });
}

#[test]
fn one_that_never_parks_does_not_starve_the_others() {
    on_workers(1, || {
        for kind in 0..9 {
            let stop = Arc::new(AtomicBool::new(false));
            let busy = go!(clone(stop), {
                let (buffered, unbounded) = (Chan::new(1), Chan::unbounded());
                let closed = Chan::<u8>::new(0);
                closed.close();
                let (mut one, mut two) = (gochan::Select::new(), gochan::Select::new());
                one.recv(&buffered);
                two.recv(&buffered);
                two.recv(&unbounded);
                let mut rounds = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    rounds += 1;
                    match kind {
                        0 => {
                            buffered <- 1_u8;
                            _ = <-buffered;
                        }
                        1 => {
                            unbounded.send(1_u8).unwrap();
                            unbounded.try_recv().unwrap();
                        }
                        2 => select! { recv(closed) => {}, recv(buffered) => {} },
                        3 => select! { send(buffered, 1) => {}, recv(buffered) => {} },
                        4 => _ = buffered.try_recv(),
                        5 => select! { recv(buffered) => {}, default => {} },
                        6 => assert!(one.try_select().is_err()),
                        7 => assert!(two.try_select().is_err()),
                        _ => _ = closed.recv(),
                    }
                }
                rounds
            });
            // On one worker nobody else can run unless the busy one gives way.
            let others: Vec<_> = (0..5)
                .map(|n| {
                    go!({
                        yield_now();
                        n
                    })
                })
                .collect();
            for (n, other) in others.into_iter().enumerate() {
                assert_eq!(other.join().unwrap(), n);
            }
            gochan::time::sleep(Duration::from_micros(200));
            stop.store(true, Ordering::Relaxed);
            assert!(busy.join().unwrap() > 0);
        }
    });
}

/// Waits again and again with a deadline that has passed.
fn wait_in_vain_until(stop: &AtomicBool, past: Instant) {
    let channel = Chan::<u8>::new(0);
    while !stop.load(Ordering::Relaxed) {
        assert!(channel.recv_deadline(past).is_err());
    }
}

#[test]
fn one_that_polls_with_a_deadline_that_has_passed_does_not_starve_the_others() {
    let past = Instant::now();
    on_workers(1, move || {
        let stop = Arc::new(AtomicBool::new(false));
        go!(clone(stop), {
            gochan::time::sleep(Duration::from_millis(1));
            yield_now();
            stop.store(true, Ordering::Relaxed);
        });
        wait_in_vain_until(&stop, past);
    });
}

/// The clock stands still, so its deadlines will not be later ones.
#[test]
fn one_that_polls_in_virtual_time_does_not_starve_the_others() {
    harness::in_virtual_time(|| {
        let past = gochan::time::now();
        let stop = Arc::new(AtomicBool::new(false));
        go!(near, clone(stop), {
            (0..100).for_each(|_| yield_now());
            stop.store(true, Ordering::Relaxed);
        });
        wait_in_vain_until(&stop, past);
    });
}

#[test]
fn one_that_polls_in_virtual_time_does_not_hold_up_what_is_due() {
    use gochan::time::{Timer, now, sleep};
    const MILLI: Duration = Duration::from_millis(1);
    harness::in_virtual_time(|| {
        let past = now();
        for way in 0..3 {
            let stop = Arc::new(AtomicBool::new(false));
            let stops = Arc::clone(&stop);
            let stops = move || stops.store(true, Ordering::Relaxed);
            if way == 0 {
                go!(near, {
                    sleep(MILLI);
                    sleep(MILLI);
                    stops();
                });
            } else {
                Timer::after_func(2 * MILLI, stops);
            }
            sleep(2 * MILLI);
            wait_in_vain_until(&stop, if way == 1 { now() } else { past });
        }
    });
}

/// One worker is woken for a goroutine that waits to start, and gets another one to run before it
/// comes to that. The third one has to be woken then.
#[test]
fn one_that_waits_to_start_is_found_by_an_idle_worker() {
    for _ in 0..20 {
        on_workers(3, || {
            let started = Arc::new(AtomicBool::new(false));
            let until_started = |started: &AtomicBool| {
                while !started.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            };
            let wake = Chan::<()>::new(0);
            let others: Vec<_> = (0..2)
                .map(|_| {
                    go!(spread, clone(wake, started), {
                        wake.recv();
                        until_started(&started);
                    })
                })
                .collect();
            // Now they wait, and their workers sleep.
            gochan::time::sleep(Duration::from_millis(2));
            go!(clone(started), {
                started.store(true, Ordering::Relaxed);
            });
            wake.send(()).unwrap();
            until_started(&started);
            wake.close();
            others.into_iter().for_each(|other| other.join().unwrap());
        });
    }
}

/// The hook of panics sees nothing of one that comes from a helper thread or another goroutine.
#[test]
fn one_that_goes_on_with_a_panic_is_known_to_unwind() {
    struct WaitsInDrop(Chan<()>);
    impl Drop for WaitsInDrop {
        fn drop(&mut self) {
            self.0.recv();
        }
    }
    struct SendsInDrop(gochan::Sender<u8>);
    impl Drop for SendsInDrop {
        fn drop(&mut self) {
            let sender = &self.0;
            chan! { sender <- 1; }
        }
    }
    on_workers(1, || {
        let go_on = Chan::new(0);
        let unwinding = go!(clone(go_on), {
            let _waits = WaitsInDrop(go_on);
            panic!("another one");
        });
        harness::give_chances();
        let panics: [fn(); 3] = [
            || gochan::blocking(|| panic!("of a helper thread")),
            || gochan::scope(|_| panic!("of a scope")),
            || gochan::resume_unwind(Box::new("of nobody")),
        ];
        for panics in panics {
            let (sender, receiver) = gochan::channel(0);
            drop(receiver);
            let one = go!({
                let _sends = SendsInDrop(sender);
                panics();
            });
            assert!(one.join().unwrap_err().is_panic());
        }
        go_on.close();
        assert!(unwinding.join().unwrap_err().is_panic());
    });
}

#[test]
fn two_that_hand_each_other_the_worker_do_not_starve_the_others() {
    on_workers(1, || {
        let stop = Arc::new(AtomicBool::new(false));
        let (ping, pong) = (make!(chan()), make!(chan()));
        let first = go!(clone(ping, pong, stop), {
            while !stop.load(Ordering::Relaxed) {
                ping <- ();
                _ = <-pong;
            }
            ping.close();
        });
        let second = go!(clone(ping, pong), {
            while (<-ping).is_some() {
                pong <- ();
            }
        });
        for _ in 0..20 {
            yield_now();
            go!({}).join().unwrap();
            gochan::time::sleep(Duration::from_micros(10));
        }
        stop.store(true, Ordering::Relaxed);
        first.join().unwrap();
        second.join().unwrap();
    });
}

// ----- local and placement ----------------------------------------------------------------

#[test]
fn a_local_goroutine_shares_an_rc() {
    each_runtime(|| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let thread = thread::current().id();
        let handles: Vec<_> = (0..20)
            .map(|number| {
                let log = Rc::clone(&log);
                go!(local, name = "local", {
                    log.borrow_mut().push(number);
                    yield_now();
                    assert_eq!(thread::current().id(), thread);
                    Rc::new(Cell::new(number))
                })
            })
            .collect();
        for (number, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.join().unwrap().get(), number);
        }
        assert_eq!(*log.borrow(), (0..20).collect::<Vec<_>>());
        assert_eq!(Rc::strong_count(&log), 1);
        let rc = Rc::clone(&log);
        let built = Builder::new()
            .spawn_local(move || rc.borrow().len())
            .unwrap();
        assert_eq!(built.join().unwrap(), 20);
    });
}

#[test]
fn go_local_outside_a_goroutine_says_why() {
    let _watched = watch();
    let message = panic_of(|| _ = go!(local, {}));
    assert!(
        message.contains("go!(local") && message.contains("thread"),
        "{message}"
    );
    let _ = panic_of(|| _ = Builder::new().spawn_local(|| {}));
}

#[test]
fn spread_reaches_other_workers() {
    on_workers(2, || {
        let here = thread::current().id();
        let (arrived, go_on) = (Arc::new(AtomicUsize::new(0)), make!(chan()));
        let handles: Vec<_> = (0..10)
            .map(|_| {
                go!(spread, clone(arrived, go_on), {
                    arrived.fetch_add(1, Ordering::SeqCst);
                    go_on.recv();
                    thread::current().id()
                })
            })
            .collect();
        // This worker is not idle meanwhile, so it takes nothing from the other one.
        until(|| arrived.load(Ordering::SeqCst) == 10);
        go_on.close();
        let threads: Vec<_> = handles
            .into_iter()
            .map(|handle| handle.join().unwrap())
            .collect();
        let elsewhere = threads.iter().filter(|&&thread| thread != here).count();
        // It would be half of them, had the other worker not the right to take those that wait.
        assert!(elsewhere >= 5, "{elsewhere} of 10 elsewhere");
    });
}

#[test]
fn a_goroutine_behind_a_busy_worker_is_taken_by_an_idle_one() {
    on_workers(2, || {
        // This worker never gives way; whoever answers runs on the other one.
        let (sender, receiver) = mpsc::channel();
        let here = thread::current().id();
        for _ in 0..20 {
            let sender = sender.clone();
            drop(go!(near, { sender.send(thread::current().id()).unwrap() }));
            let there = receiver.recv().unwrap();
            assert_ne!(there, here);
        }
    });
}

#[test]
fn near_stays_behind_a_worker_that_is_busy_for_a_moment() {
    on_workers(2, || {
        let here = thread::current().id();
        let mut in_time = 0;
        while in_time < 100 {
            let spawned = Instant::now();
            let handle = go!(near, {
                let waited = spawned.elapsed();
                // Its site is one that computes.
                compute(Duration::from_micros(50));
                (waited, thread::current().id())
            });
            compute(Duration::from_micros(500));
            let (waited, place) = handle.join().unwrap();
            // The system may keep this worker from running for so long that it is taken.
            if waited < Duration::from_millis(5) {
                assert_eq!(place, here, "taken after {waited:?}");
                in_time += 1;
            }
        }
    });
}

/// Each does so little that it starts near, but all of them together are worth a second worker.
#[test]
fn a_crowd_of_short_goroutines_is_shared_out() {
    const CROWD: usize = 1500;
    on_workers(2, || {
        let here = thread::current().id();
        let started_elsewhere = || {
            let (tx, rx) = gochan::channel(0);
            for _ in 0..CROWD {
                go!(clone(tx), {
                    compute(Duration::from_micros(2));
                    tx.send(thread::current().id()).unwrap();
                });
            }
            drop(tx);
            rx.into_iter().filter(|&place| place != here).count()
        };
        // The first of them are shared out because nothing is known of them.
        let mut shared_out = 0;
        until(|| {
            shared_out += u32::from(started_elsewhere() >= CROWD / 4);
            shared_out == 20
        });
    });
}

#[test]
fn a_crowd_that_was_to_start_near_stays() {
    const CROWD: usize = 500;
    on_workers(2, || {
        let here = thread::current().id();
        for _ in 0..20 {
            let began = Instant::now();
            let all = (0..CROWD).map(|_| {
                go!(near, {
                    let waited = began.elapsed();
                    compute(Duration::from_micros(2));
                    (waited, thread::current().id())
                })
            });
            for handle in all.collect::<Vec<_>>() {
                let (waited, place) = handle.join().unwrap();
                // Unless the system keeps this worker from running for a while.
                let stays = waited < Duration::from_millis(5);
                assert!(place == here || !stays, "taken after {waited:?}");
            }
        }
    });
}

/// Chains of goroutines of which each starts the next and ends: none waits long, but with two of them
/// on a worker there is always one that waits.
#[test]
fn of_two_chains_on_a_worker_an_idle_one_takes_one() {
    type Place = Mutex<Option<thread::ThreadId>>;
    fn link(place: Arc<Place>, ended: Arc<AtomicBool>) {
        *place.lock().unwrap() = Some(thread::current().id());
        if !ended.load(Ordering::SeqCst) {
            drop(go!(link(place, ended)));
        }
    }
    on_workers(2, || {
        for _ in 0..5 {
            let ended = Arc::new(AtomicBool::new(false));
            let places: [Arc<Place>; 2] = Default::default();
            for place in &places {
                let (place, ended) = (Arc::clone(place), Arc::clone(&ended));
                drop(go!(near, link(place, ended)));
            }
            until(|| {
                let [one, other] = places.each_ref().map(|place| *place.lock().unwrap());
                one.is_some() && other.is_some() && one != other
            });
            ended.store(true, Ordering::SeqCst);
        }
    });
}

/// Recursion that does next to nothing at each step stays near, so that it is unfolded on one worker;
/// but an idle one takes large parts of it.
#[test]
fn an_idle_worker_takes_its_share_of_a_deep_recursion() {
    fn leaves(depth: u32, here: thread::ThreadId) -> [u64; 2] {
        if depth == 0 {
            let is_elsewhere = thread::current().id() != here;
            return [u64::from(!is_elsewhere), u64::from(is_elsewhere)];
        }
        let one = go!(leaves(depth - 1, here));
        let other = leaves(depth - 1, here);
        let one = one.join().unwrap();
        [one[0] + other[0], one[1] + other[1]]
    }
    on_workers(2, || {
        let mut in_a_row = 0;
        until(|| {
            let [here, elsewhere] = leaves(12, thread::current().id());
            assert_eq!(here + elsewhere, 1 << 12);
            in_a_row = if elsewhere > here / 3 {
                in_a_row + 1
            } else {
                0
            };
            in_a_row == 3
        });
    });
}

/// Goroutines that wait for nobody but children of their own are families, which are spread even
/// though each of them talks all the time.
#[test]
fn families_are_spread() {
    fn head(children: usize) -> thread::ThreadId {
        let done = Chan::new(0);
        for _ in 0..children {
            let child = done.clone();
            go!({ child.send(()).unwrap() });
            done.recv().unwrap();
        }
        thread::current().id()
    }
    on_workers(2, || {
        // How many of eight run here.
        let heads = |children| {
            let heads: Vec<_> = (0..8).map(|_| go!(head(children))).collect();
            let places = heads.into_iter().map(|head| head.join().unwrap());
            places
                .filter(|&place| place == thread::current().id())
                .count()
        };
        // As long as they have no children there is no reason to spread them, unless all is so slow,
        // as under a sanitizer, that each of them takes long.
        _ = (0..100).any(|_| heads(0) == 8);
        let mut in_a_row = 0;
        until(|| {
            in_a_row = if heads(20) <= 5 { in_a_row + 1 } else { 0 };
            in_a_row == 3
        });
    });
}

/// Where short goroutines have started for a while, the first that are long are noticed at once,
/// measured or not.
#[test]
fn goroutines_that_used_to_be_short_are_spread_when_they_are_long() {
    // A few hundred microseconds.
    const LONG: usize = if cfg!(debug_assertions) {
        5_000
    } else {
        200_000
    };
    // One of so many batches has to be spread: the other worker may have no processor for a while.
    const BATCHES: usize = 40;
    fn work(operations: usize) -> thread::ThreadId {
        let mutex = gochan::sync::Mutex::new(0);
        (0..operations).for_each(|_| *mutex.lock() += 1);
        thread::current().id()
    }
    on_workers(2, || {
        // How many of twenty run here.
        let run = |operations| {
            let all: Vec<_> = (0..20).map(|_| go!(work(operations))).collect();
            let places = all.into_iter().map(|one| one.join().unwrap());
            places
                .filter(|&place| place == thread::current().id())
                .count()
        };
        for _ in 0..10 {
            let mut in_a_row = 0;
            // Under a sanitizer even the short ones may be long.
            _ = (0..500).any(|_| {
                in_a_row = if run(1) == 20 { in_a_row + 1 } else { 0 };
                in_a_row == 5
            });
            run(LONG);
            let is_spread = (0..BATCHES).any(|_| run(LONG) <= 15);
            assert!(is_spread, "nearly all stay here");
        }
    });
}

/// The other worker takes its part, and this one hands it over, perhaps both at once.
#[test]
fn a_pool_reaches_all_workers_in_contiguous_parts() {
    const COUNT: usize = 200;
    type Start = fn(&Arc<AtomicUsize>, &Chan<()>) -> JoinHandle<thread::ThreadId>;
    /// As many places in the source: after the first pool it is known what its goroutines do.
    macro_rules! starts {
        ($($number:literal)*) => {
            [$({
                let start: Start = |arrived, go_on| go!(clone(arrived, go_on), {
                    arrived.fetch_add(1, Ordering::SeqCst);
                    go_on.recv();
                    thread::current().id()
                });
                ($number, start)
            }),*]
        };
    }
    for (number, start) in starts!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15) {
        on_workers(2, || {
            let (arrived, go_on) = (Arc::new(AtomicUsize::new(0)), make!(chan()));
            let handles: Vec<_> = (0..COUNT).map(|_| start(&arrived, &go_on)).collect();
            // This worker is not idle meanwhile, so it takes nothing back.
            until(|| arrived.load(Ordering::SeqCst) == COUNT);
            go_on.close();
            let places: Vec<_> = handles
                .into_iter()
                .map(|handle| handle.join().unwrap())
                .collect();
            let neighbours = places.windows(2);
            let borders = neighbours.filter(|pair| pair[0] != pair[1]).count();
            assert!(
                (1..20).contains(&borders),
                "{borders} borders of pool {number}"
            );
        });
    }
}

#[test]
fn a_tree_is_unfolded_depth_first() {
    const NODES: usize = 1 << 12;
    fn node(number: usize, alive: &AtomicUsize, most: &AtomicUsize) {
        most.fetch_max(alive.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        let children = (2 * number..2 * number + 2).filter(|&child| child < NODES);
        gochan::scope(|s| {
            for child in children {
                go!(near, in s, { node(child, alive, most) });
            }
        });
        alive.fetch_sub(1, Ordering::Relaxed);
    }
    on_workers(1, || {
        let (alive, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        node(1, &alive, &most);
        // Breadth first it would be half of them.
        let most = most.into_inner();
        assert!(most < NODES / 10, "{most} were alive at a time");
    });
}

// ----- scope ------------------------------------------------------------------------------

#[test]
fn a_scope_borrows_and_waits() {
    everywhere(|| {
        let mut numbers = vec![0_u64; 100];
        let total = AtomicUsize::new(0);
        let returned = gochan::scope(|s| {
            for (index, number) in numbers.iter_mut().enumerate() {
                let total = &total;
                go!(in s, {
                    yield_now();
                    *number = index as u64;
                    total.fetch_add(index, Ordering::Relaxed);
                });
            }
            "returned"
        });
        assert_eq!(returned, "returned");
        assert_eq!(total.into_inner(), 4950);
        assert!(numbers.into_iter().eq(0..100));
    });
}

#[test]
fn scoped_goroutines_are_joined_and_named() {
    everywhere(|| {
        let words = ["a", "b", "c"].map(str::to_owned);
        let joined = gochan::scope(|s| {
            let handles: Vec<_> = words
                .iter()
                .map(|word| go!(in s, name = "scoped", { word.as_str() }))
                .collect();
            assert!(handles.iter().all(|handle| handle.name() == Some("scoped")));
            handles
                .into_iter()
                .map(|handle| handle.join().unwrap())
                .collect::<String>()
        });
        assert_eq!(joined, "abc");
        let sum = gochan::scope(|s| {
            let handle = s.spawn(|| words.iter().map(String::len).sum::<usize>());
            until(|| handle.is_finished());
            handle.join().unwrap()
        });
        assert_eq!(sum, 3);
    });
}

#[test]
fn scopes_nest() {
    everywhere(|| {
        let count = &AtomicUsize::new(0);
        gochan::scope(|outer| {
            for _ in 0..4 {
                go!(in outer, {
                    let local = &AtomicUsize::new(0);
                    gochan::scope(|inner| {
                        for _ in 0..4 {
                            go!(in inner, {
                                yield_now();
                                local.fetch_add(1, Ordering::Relaxed);
                            });
                        }
                        // A goroutine may start siblings in the outer scope.
                        go!(in outer, { _ = count.fetch_add(100, Ordering::Relaxed) });
                    });
                    count.fetch_add(local.load(Ordering::Relaxed), Ordering::Relaxed);
                });
            }
        });
        assert_eq!(count.load(Ordering::Relaxed), 416);
    });
}

#[test]
fn a_panic_in_a_scope_waits_for_its_goroutines() {
    everywhere(|| {
        let ended = &AtomicUsize::new(0);
        let message = panic_of(|| {
            gochan::scope(|s| {
                for _ in 0..10 {
                    go!(in s, {
                        give_chances();
                        ended.fetch_add(1, Ordering::SeqCst);
                    });
                }
                panic!("the body");
            });
        });
        assert_eq!(message, "the body");
        assert_eq!(ended.load(Ordering::SeqCst), 10);
    });
}

#[test]
fn of_the_panics_of_a_scope_and_of_its_goroutine_that_of_the_scope_comes_out() {
    everywhere(|| {
        let message = panic_of(|| {
            gochan::scope(|s| {
                let handle = go!(in s, { panic!("the goroutine") });
                until(|| handle.is_finished());
                drop(handle);
                panic!("the body");
            });
        });
        assert_eq!(message, "the body");
    });
}

/// The destructor of what it was to have panics before `go!` can.
#[test]
fn a_scope_does_not_wait_for_a_goroutine_that_could_not_be_started() {
    struct Fails;
    impl Drop for Fails {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    everywhere(|| {
        let message = panic_of(|| {
            gochan::scope(|s| {
                let fails = Fails;
                go!(in s, stack = usize::MAX, { drop(fails) });
            });
        });
        assert_eq!(message, "on purpose");
    });
}

#[test]
fn a_builder_starts_goroutines_in_a_scope() {
    everywhere(|| {
        let words = ["a", "b"];
        gochan::scope(|s| {
            let builder = Builder::new().name("scoped");
            let handle = builder.spawn_scoped(s, || words.concat()).unwrap();
            assert_eq!(handle.name(), Some("scoped"));
            assert_eq!(handle.join().unwrap(), "ab");
            let builder = Builder::new().stack_size(usize::MAX);
            assert!(builder.spawn_scoped(s, || words.concat()).is_err());
        });
    });
}

#[test]
fn a_goroutine_that_cannot_be_started_is_named_by_its_line() {
    everywhere(|| {
        for scoped in [false, true] {
            let mut line = 0;
            let message = panic_of(|| {
                if scoped {
                    gochan::scope(|s| {
                        line = line!() + 1;
                        go!(in s, stack = usize::MAX, {});
                    });
                } else {
                    line = line!() + 1;
                    go!(stack = usize::MAX, {});
                }
            });
            let start = format!("cannot start the goroutine of {}:{line}:", file!());
            assert!(message.starts_with(&start), "{message}");
        }
    });
}

#[test]
fn a_panic_of_a_scoped_goroutine_is_seen_unless_joined() {
    everywhere(|| {
        let quiet = || resume_unwind(Box::new("inner"));
        for round in 0..20 {
            let message = panic_of(|| {
                gochan::scope(|s| {
                    let handle = go!(in s, { quiet() });
                    if round % 2 == 0 {
                        // Dropped after its end or before it: all the same.
                        until(|| handle.is_finished());
                    }
                });
            });
            assert!(message.contains("scope panicked"), "{message}");
            gochan::scope(|s| {
                let error = go!(in s, { quiet() }).join().unwrap_err();
                assert_eq!(message_of(&*error.into_panic()), "inner");
                // A goexit is not a panic.
                go!(in s, { goexit() });
            });
        }
    });
}

#[test]
fn the_payload_of_a_scoped_goroutine_that_nobody_joins_is_not_dropped_by_the_worker_itself() {
    each_runtime(|| {
        let droppers = Droppers::default();
        let payload = TellsDropper(droppers.clone());
        panic_of(|| gochan::scope(|s| drop(go!(in s, { resume_unwind(Box::new(payload)) }))));
        assert_eq!(droppers.goroutines.load(Ordering::SeqCst), 1);
        assert!(droppers.threads.lock().unwrap().is_empty());
    });
}

/// As with the handle of any goroutine: such a panic has nobody to go to, be the handle dropped in the
/// middle of unwinding or not.
#[test]
fn a_destructor_that_panics_with_a_scoped_handle_hides_and_ends_nothing() {
    struct Fails;
    impl Drop for Fails {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    everywhere(|| {
        let drop_ended = |handle: gochan::ScopedJoinHandle<'_, Fails>| {
            until(|| handle.is_finished());
            drop(handle);
        };
        gochan::scope(|s| drop_ended(go!(in s, { Fails })));
        let message = panic_of(|| {
            gochan::scope(|s| drop_ended(go!(in s, { resume_unwind(Box::new(Fails)) })))
        });
        assert!(message.contains("scope panicked"), "{message}");
        let message = panic_of(|| {
            gochan::scope(|s| {
                let handle = go!(in s, { Fails });
                until(|| handle.is_finished());
                panic!("the body");
            });
        });
        assert_eq!(message, "the body");
    });
}

#[test]
fn a_scope_outlives_what_its_goroutines_return_and_capture() {
    // A result that borrows is dropped before the scope ends, joined or not.
    struct Reads<'a>(&'a AtomicUsize, &'a AtomicBool);
    impl Drop for Reads<'_> {
        fn drop(&mut self) {
            assert!(self.1.load(Ordering::SeqCst), "dropped after its scope");
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    each_runtime(|| {
        for _ in 0..50 {
            let (drops, alive) = (&AtomicUsize::new(0), &AtomicBool::new(true));
            gochan::scope(|s| {
                for _ in 0..4 {
                    let captured = Reads(drops, alive);
                    drop(go!(in s, {
                        let _captured = captured;
                        Reads(drops, alive)
                    }));
                }
            });
            alive.store(false, Ordering::SeqCst);
            assert_eq!(drops.load(Ordering::SeqCst), 8);
        }
    });
}

// ----- blocking ---------------------------------------------------------------------------

#[test]
fn blocking_borrows_returns_and_panics() {
    everywhere(|| {
        let mut numbers = vec![3, 1, 2];
        let length = gochan::blocking(|| {
            numbers.sort_unstable();
            numbers.len()
        });
        assert_eq!((length, numbers), (3, vec![1, 2, 3]));
        let message = panic_of(|| gochan::blocking(|| resume_unwind(Box::new("from the helper"))));
        assert_eq!(message, "from the helper");
        assert_eq!(gochan::blocking(|| 5), 5, "the helper survives");
    });
}

#[test]
fn others_run_while_one_blocks() {
    each_runtime(|| {
        // The closure ends only when goroutines of the same worker have run.
        let (sender, receiver) = mpsc::channel::<u32>();
        let blocked = go!(near, {
            gochan::blocking(move || receiver.iter().take(10).sum::<u32>())
        });
        let handles: Vec<_> = (0..10)
            .map(|n| {
                let sender = sender.clone();
                go!(near, { sender.send(n).unwrap() })
            })
            .collect();
        assert_eq!(blocked.join().unwrap(), 45);
        handles
            .into_iter()
            .for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn many_block_at_once() {
    each_runtime(|| {
        // Nobody gets through before all have arrived, so each needs a thread of its own.
        let barrier = Arc::new(std::sync::Barrier::new(20));
        let handles: Vec<_> = (0..20)
            .map(|_| {
                go!(clone(barrier), {
                    gochan::blocking(|| barrier.wait().is_leader())
                })
            })
            .collect();
        let leaders = handles.into_iter().map(|handle| handle.join().unwrap());
        assert_eq!(leaders.filter(|&leads| leads).count(), 1);
    });
}

#[test]
fn helper_threads_have_a_limit() {
    let _watched = watch();
    let config = runtime::Config::new().workers(2).blocking_threads(2);
    runtime::Runtime::new(config).unwrap().run(|| {
        let (running, most) = (&AtomicUsize::new(0), &AtomicUsize::new(0));
        gochan::scope(|s| {
            for _ in 0..30 {
                go!(in s, {
                    gochan::blocking(|| {
                        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                    });
                });
            }
        });
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    });
}

// ----- defer ------------------------------------------------------------------------------

#[test]
fn deferred_blocks_run_last_first_however_the_block_is_left() {
    fn leave(how: u32, log: &RefCell<Vec<&'static str>>) -> Option<()> {
        defer! { log.borrow_mut().push("first") }
        {
            defer! { log.borrow_mut().push("inner") }
            log.borrow_mut().push("body");
        }
        defer! {
            log.borrow_mut().push("second");
        }
        match how {
            0 => {}
            1 => return None,
            2 => None?,
            3 => resume_unwind(Box::new("leaves")),
            _ => goexit(),
        }
        Some(())
    }
    everywhere(|| {
        let ways = if goroutine::try_current().is_some() {
            5
        } else {
            4
        };
        for how in 0..ways {
            let log = RefCell::new(Vec::new());
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| leave(how, &log)));
            assert_eq!(*log.borrow(), ["body", "inner", "second", "first"], "{how}");
        }
    });
}

#[test]
fn deferred_blocks_may_use_channels_while_unwinding() {
    each_runtime(|| {
        for how in 0..3 {
            let (out, back) = (make!(chan i32), make!(chan i32));
            let handle = go!(clone(out, back), {
                defer! {
                    out <- 1;
                    assert_eq!(<-back, Some(2));
                    select! { send(out, 3) => {} }
                    yield_now();
                    gochan::time::sleep(Duration::from_micros(1));
                    out <- 4;
                }
                match how {
                    0 => {}
                    1 => goexit(),
                    _ => resume_unwind(Box::new("leaves")),
                }
            });
            assert_eq!(out.recv(), Some(1));
            back.send(2).unwrap();
            assert_eq!((out.recv(), out.recv()), (Some(3), Some(4)));
            assert_eq!(handle.join().is_ok(), how == 0);
        }
    });
}

/// Whom another thread has made ready waits for one of the worker's own each time, not for all of
/// them; nor do they wait for all of those.
#[test]
fn who_was_made_ready_elsewhere_takes_turns_with_those_that_run_here() {
    const ARRIVALS: usize = 5;
    const LOCALS: usize = 20;
    on_workers(1, || {
        let runs = Arc::new(Mutex::new(Vec::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let started = WaitGroup::new();
        let channels: Vec<_> = (0..ARRIVALS).map(|_| Chan::<()>::new(0)).collect();
        for (number, channel) in channels.iter().cloned().enumerate() {
            go!(clone(runs), {
                channel.recv();
                runs.lock().unwrap().push(Some(number));
            });
        }
        for _ in 0..LOCALS {
            started.add(1);
            go!(clone(runs, is_over, started), {
                started.done();
                while !is_over.load(Ordering::Relaxed) {
                    runs.lock().unwrap().push(None);
                    gochan::yield_now();
                }
            });
        }
        started.wait();
        // Nobody else runs on this worker until the thread has made all of them ready.
        let sender = thread::spawn(move || channels.iter().for_each(|it| it.send(()).unwrap()));
        while !sender.is_finished() {
            std::hint::spin_loop();
        }
        runs.lock().unwrap().clear();
        while runs.lock().unwrap().len() < 2 * ARRIVALS {
            runs.lock().unwrap().push(None);
            gochan::yield_now();
        }
        is_over.store(true, Ordering::Relaxed);
        let runs = runs.lock().unwrap();
        // The first is this goroutine, before it yields.
        let turns: Vec<_> = runs[1..2 * ARRIVALS].iter().copied().step_by(2).collect();
        assert_eq!(
            turns,
            (0..ARRIVALS).map(Some).collect::<Vec<_>>(),
            "{runs:?}"
        );
        assert!(
            runs[..2 * ARRIVALS].iter().step_by(2).all(Option::is_none),
            "{runs:?}"
        );
    });
}
