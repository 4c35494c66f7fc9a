//! What is done or made once, counted out, kept, or shared: `Once`, `OnceValue`, `Semaphore`,
//! `Pool`, `SingleFlight`, `ErrGroup`.

mod harness;

use gochan::context::{AfterFunc, CancelGuard, CancelHandle, Context};
use gochan::runtime::{Config, Runtime};
use gochan::sync::{
    Barrier, Cond, ErrGroup, Mutex, Once, OnceValue, Permit, Pool, Pooled, RwLock, Semaphore,
    SingleFlight, WaitGroup,
};
use gochan::time::{Ticker, Timer};
use gochan::{Chan, go};
use harness::{
    Side, Tally, each_pair, each_runtime, everywhere, on_workers, panic_of, start_waiters, until,
    watch,
};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

// ----- Once, OnceValue --------------------------------------------------------------------

#[test]
fn once_means_once_and_nobody_returns_before() {
    each_pair(|left, right| {
        let once = Arc::new(Once::new());
        let done = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..10)
            .map(|i| {
                let (once, done) = (Arc::clone(&once), Arc::clone(&done));
                [left, right][i % 2].start(move || {
                    once.call_once(|| {
                        gochan::time::sleep(Duration::from_millis(1));
                        done.fetch_add(1, Ordering::Relaxed);
                    });
                    assert_eq!(done.load(Ordering::Relaxed), 1);
                })
            })
            .collect();
        tasks.into_iter().for_each(|task| task.join());
        assert!(once.is_completed());
    });
}

#[test]
fn a_panic_counts_as_done() {
    everywhere(|| {
        let once = Once::new();
        assert_eq!(panic_of(|| once.call_once(|| panic!("failed"))), "failed");
        once.call_once(|| unreachable!("it was called"));
    });
}

#[test]
fn a_once_whose_goroutine_ended_is_done() {
    let _watched = watch();
    let once = Arc::new(Once::new());
    Runtime::new(Config::new().workers(1)).unwrap().run(|| {
        let entered = Chan::new(0);
        go!(clone(once, entered), {
            once.call_once(|| {
                entered.send(()).unwrap();
                gochan::select!();
            });
        });
        entered.recv();
    });
    once.call_once(|| unreachable!("it was called"));
}

#[test]
fn a_value_is_computed_once_and_shared() {
    each_pair(|left, right| {
        let calls = Arc::new(AtomicUsize::new(0));
        let value = {
            let calls = Arc::clone(&calls);
            Arc::new(OnceValue::new(move || {
                gochan::yield_now();
                calls.fetch_add(1, Ordering::Relaxed);
                String::from("gopher")
            }))
        };
        assert_eq!(format!("{value:?}"), "OnceValue(<no value>)");
        let tasks: Vec<_> = (0..8)
            .map(|i| {
                let value = Arc::clone(&value);
                [left, right][i % 2].start(move || value.get().len())
            })
            .collect();
        assert!(tasks.into_iter().all(|task| task.join() == 6));
        assert_eq!(
            (calls.load(Ordering::Relaxed), value.as_str()),
            (1, "gopher")
        );
    });
}

#[test]
fn the_default_is_computed_when_it_is_asked_for() {
    everywhere(|| {
        let value: OnceValue<Vec<u8>> = OnceValue::default();
        assert_eq!(value.try_get(), None);
        assert!(value.is_empty());
        assert_eq!(value.try_get(), Some(&Vec::new()));
    });
}

#[test]
fn a_value_that_panics_does_so_for_everybody() {
    everywhere(|| {
        let value: OnceValue<i32, _> = OnceValue::new(|| panic!("no value"));
        assert_eq!(panic_of(|| _ = value.get()), "no value");
        for _ in 0..2 {
            let text = panic_of(|| _ = value.get());
            assert_eq!(text, "a OnceValue's function panicked: no value");
        }
        assert_eq!(value.try_get(), None);
    });
}

#[test]
fn values_are_dropped_once() {
    let tally = Tally::new(2);
    let computed = OnceValue::new(|| tally.value());
    computed.get();
    drop(computed);
    let kept = tally.value();
    drop(OnceValue::new(move || kept));
    tally.assert_each_dropped_once();
}

// ----- Semaphore --------------------------------------------------------------------------

#[test]
fn a_semaphore_is_never_exceeded() {
    each_pair(|left, right| {
        let semaphore = Arc::new(Semaphore::new(5));
        let used = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..10)
            .map(|i| {
                let (semaphore, used) = (Arc::clone(&semaphore), Arc::clone(&used));
                [left, right][i % 2].start(move || {
                    for round in 0..200 {
                        let count = 1 + (i + round) % 5;
                        let permit = semaphore.acquire(count);
                        assert!(used.fetch_add(count, Ordering::SeqCst) + count <= 5);
                        gochan::yield_now();
                        used.fetch_sub(count, Ordering::SeqCst);
                        drop(permit);
                    }
                })
            })
            .collect();
        tasks.into_iter().for_each(|task| task.join());
        assert_eq!(semaphore.available(), 5);
    });
}

#[test]
fn large_wishes_do_not_starve() {
    each_pair(|left, right| {
        let semaphore = Arc::new(Semaphore::new(3));
        let first = semaphore.acquire(1);
        let large = {
            let semaphore = Arc::clone(&semaphore);
            left.start(move || drop(semaphore.acquire(3)))
        };
        // From then on nobody gets a single one before the large wish is served.
        until(|| semaphore.try_acquire(1).is_none());
        assert_eq!(semaphore.available(), 2);
        let small = {
            let semaphore = Arc::clone(&semaphore);
            right.start(move || drop(semaphore.acquire(1)))
        };
        assert!(
            semaphore
                .acquire_timeout(1, Duration::from_millis(1))
                .is_none()
        );
        drop(first);
        large.join();
        small.join();
    });
}

#[test]
fn who_gives_up_a_large_wish_lets_the_others_in() {
    each_pair(|left, right| {
        let semaphore = Arc::new(Semaphore::new(3));
        let first = semaphore.acquire(1);
        let large = {
            let semaphore = Arc::clone(&semaphore);
            left.start(move || {
                let timeout = Duration::from_millis(2);
                semaphore.acquire_timeout(3, timeout).is_none()
            })
        };
        let small = {
            let semaphore = Arc::clone(&semaphore);
            right.start(move || drop(semaphore.acquire(2)))
        };
        assert!(large.join());
        small.join();
        drop(first);
    });
}

#[test]
fn who_asks_again_and_again_lets_others_run() {
    let asks: [fn(&Semaphore); 3] = [
        |semaphore| assert!(semaphore.acquire_timeout(2, Duration::MAX).is_none()),
        |semaphore| drop(semaphore.acquire(1)),
        |semaphore| assert!(semaphore.try_acquire(1).is_some()),
    ];
    everywhere(|| {
        for ask in asks {
            let (semaphore, is_over) = (Semaphore::new(1), Arc::new(AtomicBool::new(false)));
            let other = go!(clone(is_over), { is_over.store(true, Ordering::Relaxed) });
            while !is_over.load(Ordering::Relaxed) {
                ask(&semaphore);
            }
            other.join().unwrap();
        }
    });
}

#[test]
fn permits_are_counted() {
    everywhere(|| {
        let semaphore = Arc::new(Semaphore::new(2));
        assert_eq!(
            panic_of(|| drop(semaphore.acquire(3))),
            "a semaphore of 2 permits was asked for 3"
        );
        assert!(semaphore.try_acquire(3).is_none());
        assert!(semaphore.acquire_timeout(3, Duration::MAX).is_none());
        assert_eq!(semaphore.acquire(0).count(), 0);
        let owned = semaphore.try_acquire_owned(2).unwrap();
        assert!(semaphore.try_acquire_owned(1).is_none());
        assert!(semaphore.acquire_deadline(1, gochan::time::now()).is_none());
        let soon = Duration::from_millis(1);
        assert!(semaphore.acquire_owned_timeout(1, soon).is_none());
        assert!(semaphore.acquire_owned_timeout(3, Duration::MAX).is_none());
        Side::Thread.start(move || drop(owned)).join();
        assert_eq!(semaphore.available(), 2);
        let (now, long) = (gochan::time::now(), Duration::from_secs(3600));
        let one = semaphore.acquire_owned_timeout(1, long).unwrap();
        let other = semaphore.acquire_owned_deadline(1, now + long).unwrap();
        assert!(semaphore.acquire_owned_deadline(1, now).is_none());
        Side::Thread.start(move || drop((one, other))).join();
        assert_eq!(semaphore.available(), 2);
    });
}

#[test]
fn a_semaphore_lets_a_runtime_end() {
    struct AcquireOnDrop(Arc<Semaphore>);
    impl Drop for AcquireOnDrop {
        fn drop(&mut self) {
            let _both = self.0.acquire(2);
            gochan::yield_now();
        }
    }
    for workers in [1, 2] {
        let semaphore = Arc::new(Semaphore::new(2));
        let shared = Arc::clone(&semaphore);
        on_workers(workers, || {
            start_waiters(10, move |_, waits| {
                let _on_drop = AcquireOnDrop(Arc::clone(&shared));
                waits();
                let _one = shared.acquire(1);
                gochan::Chan::<()>::new(0).recv();
            });
        });
        assert_eq!(semaphore.available(), 2);
    }
}

/// Its end finds a goroutine that does nothing but try in one of its attempts.
#[test]
fn no_permit_is_lost_with_a_runtime() {
    let _watched = watch();
    let semaphore = Arc::new(Semaphore::new(2));
    for _ in 0..200 {
        let runtime = Runtime::new(Config::new().workers(1)).unwrap();
        runtime.run(|| {
            let tried = Arc::new(AtomicBool::new(false));
            go!(clone(semaphore, tried), {
                loop {
                    drop(semaphore.try_acquire(1).expect("nobody else has one"));
                    tried.store(true, Ordering::Relaxed);
                }
            });
            until(|| tried.load(Ordering::Relaxed));
        });
        assert_eq!(semaphore.available(), 2);
    }
}

/// It gets its permit when its runtime has begun to end.
#[test]
fn no_permit_is_lost_with_who_is_served_at_the_end() {
    let semaphore = Arc::new(Semaphore::new(1));
    let permit = semaphore.acquire_owned(1);
    let start = || {
        go!(clone(semaphore), {
            let _permit = semaphore.acquire(1);
            unreachable!("it is unwound");
        });
    };
    harness::served_at_the_end(start, || drop(permit));
    assert_eq!(semaphore.available(), 1);
}

// ----- Pool -------------------------------------------------------------------------------

#[test]
fn a_pool_keeps_a_bounded_number_and_drops_the_rest() {
    let tally = Tally::new(100);
    let processors = std::thread::available_parallelism().unwrap().get();
    {
        let pool = Pool::with_capacity(2 * processors, || tally.value());
        let values: Vec<_> = (0..50).map(|_| pool.get()).collect();
        drop(values);
        assert_eq!(tally.dropped(), 50 - 2 * processors);
        let id = pool.get().id;
        assert!(id < 50, "a kept one comes first");
        let detached = Pooled::detach(pool.get());
        drop(detached);
        assert_eq!(tally.dropped(), 50 - 2 * processors + 1);
    }
    tally.assert_each_dropped_once();
}

#[test]
fn a_pool_makes_nothing_while_it_has_something() {
    let made = AtomicUsize::new(0);
    let processors = std::thread::available_parallelism().unwrap().get();
    let pool = Pool::with_capacity(4 * processors, || made.fetch_add(1, Ordering::Relaxed));
    for _ in 0..2 {
        let values: Vec<_> = (0..4 * processors).map(|_| pool.get()).collect();
        drop(values);
        assert_eq!(made.load(Ordering::Relaxed), 4 * processors);
    }
}

#[test]
fn a_pool_keeps_a_bounded_number_of_values_without_a_size() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Token;
    impl Drop for Token {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
    let pool = Pool::with_capacity(1, || Token);
    let processors = std::thread::available_parallelism().unwrap().get();
    let kept = processors.next_power_of_two();
    (0..kept + 5).for_each(|_| pool.put(Token));
    assert_eq!(DROPPED.load(Ordering::Relaxed), 5);
    drop(pool);
    assert_eq!(DROPPED.load(Ordering::Relaxed), kept + 5);
}

#[test]
fn no_value_is_given_to_two() {
    each_pair(|left, right| {
        let pool = Arc::new(Pool::new(|| AtomicBool::new(false)));
        let tasks: Vec<_> = (0..6)
            .map(|i| {
                let pool = Arc::clone(&pool);
                [left, right][i % 2].start(move || {
                    for _ in 0..500 {
                        let in_use = pool.get();
                        assert!(!in_use.swap(true, Ordering::SeqCst));
                        gochan::yield_now();
                        in_use.store(false, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        tasks.into_iter().for_each(|task| task.join());
    });
}

// ----- SingleFlight -----------------------------------------------------------------------

#[test]
fn concurrent_calls_share_one_execution() {
    each_pair(|left, right| {
        let flights = Arc::new(SingleFlight::new());
        let calls = Arc::new(AtomicUsize::new(0));
        let joined = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..10)
            .map(|i| {
                let (flights, calls) = (Arc::clone(&flights), Arc::clone(&calls));
                let joined = Arc::clone(&joined);
                [left, right][i % 2].start(move || {
                    joined.fetch_add(1, Ordering::SeqCst);
                    flights.run_shared("key", || {
                        until(|| joined.load(Ordering::SeqCst) == 10);
                        gochan::time::sleep(Duration::from_millis(20));
                        calls.fetch_add(1, Ordering::SeqCst);
                        String::from("value")
                    })
                })
            })
            .collect();
        let results: Vec<_> = tasks.into_iter().map(|task| task.join()).collect();
        assert!(results.iter().all(|(value, _)| value == "value"));
        let shared = results.iter().filter(|(_, shared)| *shared).count();
        // A thread may have been held up for so long that it came too late.
        let calls = calls.load(Ordering::SeqCst);
        assert!(
            calls < 10 && shared >= 10 - calls,
            "{calls} calls, {shared} shared"
        );
        assert_eq!(flights.run("key", || String::from("new")), "new");
    });
}

#[test]
fn keys_do_not_wait_for_each_other() {
    everywhere(|| {
        let flights = SingleFlight::new();
        let sum = flights.run(1, || 10 + flights.run(2, || 20));
        assert_eq!(sum, 30);
    });
}

#[test]
fn a_panic_reaches_all_who_share() {
    each_pair(|left, right| {
        let flights: Arc<SingleFlight<u8, u8>> = Arc::new(SingleFlight::new());
        let (entered, leave) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let first = {
            let flights = Arc::clone(&flights);
            let (entered, leave) = (Arc::clone(&entered), Arc::clone(&leave));
            left.start(move || {
                flights.run(1, || {
                    entered.store(true, Ordering::SeqCst);
                    until(|| leave.load(Ordering::SeqCst));
                    panic!("no fetch")
                })
            })
        };
        until(|| entered.load(Ordering::SeqCst));
        let waiting = Arc::new(AtomicBool::new(false));
        let second = {
            let (flights, waiting) = (Arc::clone(&flights), Arc::clone(&waiting));
            right.start(move || {
                waiting.store(true, Ordering::SeqCst);
                flights.run_shared(1, || 7)
            })
        };
        until(|| waiting.load(Ordering::SeqCst));
        std::thread::sleep(Duration::from_millis(2));
        leave.store(true, Ordering::SeqCst);
        let first = first.outcome().unwrap_err();
        assert_eq!(harness::message_of(&*first), "no fetch");
        match second.outcome() {
            Err(payload) => assert_eq!(
                harness::message_of(&*payload),
                "a shared execution panicked: no fetch"
            ),
            // It was held up before it could join.
            Ok(result) => assert_eq!(result, (7, false)),
        }
        assert_eq!(flights.run(1, || 8), 8, "nothing is left of it");
    });
}

#[test]
fn after_forget_the_next_one_runs_its_own() {
    each_runtime(|| {
        let flights = Arc::new(SingleFlight::new());
        let (entered, leave) = (Chan::new(0), Chan::new(0));
        let slow = go!(clone(flights, entered, leave), {
            flights.run("key".to_owned(), || {
                entered.send(()).unwrap();
                leave.recv();
                1
            })
        });
        entered.recv();
        flights.forget("key");
        let quick = flights.run("key".to_owned(), || {
            leave.send(()).unwrap();
            assert_eq!(slow.join().unwrap(), 1);
            2
        });
        assert_eq!(quick, 2);
    });
}

#[test]
fn the_end_of_a_forgotten_call_does_not_end_the_next_one() {
    harness::on_workers(1, || {
        let flights = Arc::new(SingleFlight::new());
        let (entered, leave) = (Chan::new(0), Chan::new(0));
        let slow = go!(clone(flights, entered, leave), {
            flights.run_shared("key", || {
                entered.send(()).unwrap();
                leave.recv();
                1
            })
        });
        entered.recv();
        flights.forget("key");
        let mut other = None;
        let quick = flights.run_shared("key", || {
            leave.send(()).unwrap();
            assert_eq!(slow.join().unwrap(), (1, false));
            // This one is still under way.
            other = Some(go!(clone(flights), { flights.run_shared("key", || 3) }));
            harness::give_chances();
            2
        });
        assert_eq!(quick, (2, true));
        assert_eq!(other.unwrap().join().unwrap(), (2, true));
    });
}

#[test]
fn if_the_one_who_runs_is_ended_another_one_runs() {
    each_runtime(|| {
        let flights = Arc::new(SingleFlight::new());
        let (entered, leave) = (Chan::new(0), Chan::<()>::new(0));
        let ended = go!(clone(flights, entered, leave), {
            flights.run((), || {
                entered.send(()).unwrap();
                leave.recv();
                gochan::goexit()
            })
        });
        entered.recv();
        let others: Vec<_> = (0..3)
            .map(|_| go!(clone(flights), { flights.run((), || 5) }))
            .collect();
        harness::give_chances();
        leave.close();
        assert!(others.into_iter().all(|other| other.join().unwrap() == 5));
        let ended: Result<i32, _> = ended.join();
        assert!(ended.unwrap_err().is_goexit());
    });
}

/// Keys are compared and hashed with the flights locked. One tells of that, one takes as long as the
/// test wants.
#[derive(Clone, Eq)]
enum Key {
    Plain,
    /// The same, and says that it was compared.
    Telling,
    Slow,
}

static IS_COMPARED: AtomicBool = AtomicBool::new(false);
static IS_HASHED: AtomicBool = AtomicBool::new(false);
static HASH_IS_OVER: AtomicBool = AtomicBool::new(false);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        if matches!((self, other), (Key::Telling, _) | (_, Key::Telling)) {
            IS_COMPARED.store(true, Ordering::Relaxed);
        }
        matches!(self, Key::Slow) == matches!(other, Key::Slow)
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, _: &mut H) {
        if *self == Key::Slow {
            IS_HASHED.store(true, Ordering::Relaxed);
            until(|| HASH_IS_OVER.load(Ordering::Relaxed));
        }
    }
}

/// The one who runs it has its result when its runtime ends, and waits to say so.
#[test]
fn a_result_is_shared_though_the_runtime_of_who_made_it_ends() {
    let _watched = watch();
    let flights = Arc::new(SingleFlight::<Key, u8>::new());
    let (begun, go_on) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
    let runtime = Runtime::new(Config::new().workers(1)).unwrap();
    let (passenger, blocker) = runtime.run(|| {
        go!(clone(flights, begun, go_on), {
            flights.run(Key::Plain, || {
                begun.store(true, Ordering::Relaxed);
                until(|| go_on.load(Ordering::Relaxed));
                1
            });
        });
        until(|| begun.load(Ordering::Relaxed));
        let passenger = {
            let flights = Arc::clone(&flights);
            thread::spawn(move || flights.run_shared(Key::Telling, || 2))
        };
        // With the flights locked, so when they are locked for the slow key it waits for the result.
        until(|| IS_COMPARED.load(Ordering::Relaxed));
        let blocker = {
            let flights = Arc::clone(&flights);
            thread::spawn(move || flights.forget(&Key::Slow))
        };
        until(|| IS_HASHED.load(Ordering::Relaxed));
        go_on.store(true, Ordering::Relaxed);
        // The result is there, and the flights are locked.
        harness::give_chances();
        (passenger, blocker)
    });
    HASH_IS_OVER.store(true, Ordering::Relaxed);
    blocker.join().unwrap();
    assert_eq!(passenger.join().unwrap(), (1, true));
    assert_eq!(flights.run(Key::Plain, || 3), 3, "that one has landed");
}

/// The set's own keys go when it is not locked.
#[test]
fn the_destructor_of_a_key_may_use_the_flights() {
    static FLIGHTS: LazyLock<SingleFlight<Uses, u8>> = LazyLock::new(SingleFlight::new);
    static FAILS: AtomicBool = AtomicBool::new(false);
    #[derive(Clone, PartialEq, Eq)]
    struct Uses(u8);
    impl Drop for Uses {
        fn drop(&mut self) {
            if self.0 > 0 {
                FLIGHTS.forget(&Uses(0));
            }
        }
    }
    impl Hash for Uses {
        fn hash<H: Hasher>(&self, hasher: &mut H) {
            assert!(!FAILS.swap(false, Ordering::Relaxed), "on purpose");
            self.0.hash(hasher);
        }
    }
    everywhere(|| {
        let forgotten = FLIGHTS.run(Uses(1), || {
            FLIGHTS.forget(&Uses(1));
            1
        });
        assert_eq!(forgotten, 1);
        // One that has ended is left there, and replaced.
        let message = panic_of(|| {
            FLIGHTS.run(Uses(1), || {
                FAILS.store(true, Ordering::Relaxed);
                2
            });
        });
        assert_eq!(message, "on purpose");
        assert_eq!(FLIGHTS.run(Uses(1), || 3), 3);
    });
}

/// Such a panic takes the place of that of the function, which the others get all the same.
#[test]
fn a_key_that_panics_when_its_function_has_panicked_does_not_end_the_process() {
    static FAILS: AtomicBool = AtomicBool::new(false);
    #[derive(Clone, PartialEq, Eq)]
    struct Fails;
    impl Hash for Fails {
        fn hash<H: Hasher>(&self, _: &mut H) {
            assert!(!FAILS.swap(false, Ordering::Relaxed), "in the hash");
        }
    }
    everywhere(|| {
        let flights = SingleFlight::<Fails, u8>::new();
        let message = panic_of(|| {
            flights.run(Fails, || {
                FAILS.store(true, Ordering::Relaxed);
                panic!("in the function")
            });
        });
        assert_eq!(message, "in the hash");
        assert_eq!(flights.run(Fails, || 5), 5);
    });
}

// ----- ErrGroup ---------------------------------------------------------------------------

#[test]
fn the_first_error_wins() {
    everywhere(|| {
        let group = ErrGroup::new();
        let (first, second) = (Chan::<()>::new(0), Chan::<()>::new(0));
        {
            let (first, second) = (first.clone(), second.clone());
            group.go(move || {
                first.recv();
                second.close();
                Err("first")
            });
        }
        group.go(|| Ok(()));
        group.go(move || {
            second.recv();
            gochan::time::sleep(Duration::from_millis(1));
            Err("second")
        });
        first.close();
        assert_eq!(group.wait(), Err("first"));
        assert_eq!(group.wait(), Ok(()), "it was handed out");
        group.go(|| Err("third"));
        assert_eq!(group.wait(), Err("third"));
    });
}

/// It gets the place of another goroutine when its runtime has begun to end, if that one is unwound
/// before it.
#[test]
fn no_place_in_a_group_is_lost_with_who_is_served_at_the_end() {
    let _watched = watch();
    for member_is_older in [true, false] {
        let group: ErrGroup<String> = ErrGroup::new();
        group.set_limit(1);
        let has_begun = Chan::<()>::new(0);
        harness::on_workers(1, || {
            let start_member = || {
                let has_begun = has_begun.clone();
                group.go(move || {
                    has_begun.close();
                    Chan::<()>::new(0).recv();
                    Ok(())
                });
                harness::give_chances();
            };
            if member_is_older {
                start_member();
            }
            go!(clone(group, has_begun), {
                has_begun.recv();
                group.go(|| Ok(()));
                unreachable!("it is unwound");
            });
            harness::give_chances();
            if !member_is_older {
                start_member();
            }
        });
        assert!(group.try_go(|| Ok(())), "all places are free");
        group.wait().unwrap();
    }
}

#[test]
fn never_more_run_than_the_limit_allows() {
    everywhere(|| {
        for limit in 1..=5 {
            let group = ErrGroup::<fmt::Error>::new();
            group.set_limit(limit);
            let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            for _ in 0..40 {
                let (running, most) = (Arc::clone(&running), Arc::clone(&most));
                group.go(move || {
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    gochan::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok(())
                });
            }
            group.wait().unwrap();
            assert!(most.load(Ordering::SeqCst) <= limit);
        }
    });
}

#[test]
fn try_go_does_not_wait() {
    everywhere(|| {
        let group = ErrGroup::<fmt::Error>::new();
        group.set_limit(2);
        let stop = Chan::<()>::new(0);
        for (expected, running) in [(true, 1), (true, 2), (false, 2), (false, 2)] {
            let stop = stop.clone();
            let started = group.try_go(move || {
                stop.recv();
                Ok(())
            });
            assert_eq!(started, expected);
            let refused = format!("while {running} of its goroutines run");
            assert!(panic_of(|| group.set_limit(3)).contains(&refused));
        }
        stop.close();
        group.wait().unwrap();
        group.set_limit(None);
        assert!(group.try_go(|| Ok(())));
        group.wait().unwrap();
    });
}

#[test]
fn who_tries_to_go_again_and_again_lets_the_others_end() {
    everywhere(|| {
        let group = ErrGroup::<fmt::Error>::new();
        group.set_limit(1);
        assert!(group.try_go(|| {
            gochan::yield_now();
            Ok(())
        }));
        while !group.try_go(|| Ok(())) {}
        group.wait().unwrap();
    });
}

#[test]
fn a_panic_is_passed_on_before_any_error() {
    everywhere(|| {
        let group = ErrGroup::new();
        group.go(|| Err("an error"));
        group.go(|| panic!("a panic"));
        group.go(|| gochan::goexit());
        assert_eq!(panic_of(|| _ = group.wait()), "a panic");
        assert_eq!(group.wait(), Ok(()));
        let (group, first) = ErrGroup::<String>::with_context(&Context::background());
        group.go(|| panic!("a first panic"));
        group.go(move || {
            first.done().recv();
            panic!("a second panic");
        });
        assert_eq!(panic_of(|| _ = group.wait()), "a first panic");
    });
}

/// As with results that nobody joins: the panic of such a destructor has nobody to go to.
#[test]
fn failures_that_nobody_gets_may_panic_as_they_go() {
    struct Fails(Arc<AtomicUsize>);
    impl Drop for Fails {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            panic!("on purpose");
        }
    }
    const COUNT: usize = 5;
    everywhere(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        for panics in [false, true] {
            let start = |group: &ErrGroup<Fails>| {
                for _ in 0..COUNT {
                    let fails = Fails(Arc::clone(&dropped));
                    group.go(move || match panics {
                        true => gochan::resume_unwind(Box::new(fails)),
                        false => Err(fails),
                    });
                }
            };
            dropped.store(0, Ordering::SeqCst);
            let group = ErrGroup::new();
            start(&group);
            until(|| dropped.load(Ordering::SeqCst) == COUNT - 1);
            let message = panic_of(|| {
                let _group = group;
                panic!("in the middle of unwinding");
            });
            assert_eq!(message, "in the middle of unwinding");
            until(|| dropped.load(Ordering::SeqCst) == COUNT);
            // With the last of the goroutines.
            dropped.store(0, Ordering::SeqCst);
            start(&ErrGroup::new());
            until(|| dropped.load(Ordering::SeqCst) == COUNT);
        }
    });
}

#[test]
fn groups_nest() {
    each_runtime(|| {
        let group = ErrGroup::new();
        let inner = group.clone();
        group.go(move || {
            for i in 0..3 {
                let deeper = inner.clone();
                inner.go(move || {
                    deeper.go(move || if i == 1 { Err(i) } else { Ok(()) });
                    Ok(())
                });
            }
            Ok(())
        });
        assert_eq!(group.wait(), Err(1));
    });
}

#[test]
fn an_err_group_lets_a_runtime_end() {
    for workers in [1, 2] {
        let group = ErrGroup::<fmt::Error>::new();
        let unwound = Arc::new(AtomicUsize::new(0));
        let shared = (group.clone(), Arc::clone(&unwound));
        on_workers(workers, || {
            group.set_limit(1);
            group.go(|| {
                Chan::<()>::new(0).recv();
                Ok(())
            });
            start_waiters(4, move |_, waits| {
                let (group, unwound) = &shared;
                gochan::defer! { unwound.fetch_add(1, Ordering::Relaxed); }
                waits();
                group.go(|| unreachable!("there is no room for it"));
                let _ = group.wait();
                Chan::<()>::new(0).recv();
            });
        });
        assert_eq!(unwound.load(Ordering::Relaxed), 4);
        let caught = catch_unwind(AssertUnwindSafe(|| group.wait()));
        assert!(matches!(caught, Ok(Ok(()))));
    }
}

#[derive(Debug, PartialEq)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Panics once more when nobody wants it.
        struct Payload;
        impl Drop for Payload {
            fn drop(&mut self) {
                panic!("as planned");
            }
        }
        std::panic::panic_any(Payload)
    }
}

#[test]
fn the_first_failure_cancels_the_context() {
    everywhere(|| {
        let background = Context::background();
        let (group, ctx) = ErrGroup::with_context(&background);
        for i in 0..4 {
            let ctx = ctx.clone();
            group.go(move || {
                if i == 2 {
                    return Err("no luck");
                }
                ctx.done().recv();
                Err("stopped")
            });
        }
        assert_eq!(group.wait(), Err("no luck"));
        assert_eq!(ctx.cause().unwrap().to_string(), "no luck");

        let (group, ctx) = ErrGroup::<fmt::Error>::with_context(&background);
        group.go(|| Ok(()));
        group.wait().unwrap();
        assert!(ctx.err().is_some(), "wait has cancelled it");

        let (group, ctx) = ErrGroup::<fmt::Error>::with_context(&background);
        group.go(|| panic!("as planned"));
        ctx.done().recv();
        assert_eq!(panic_of(|| _ = group.wait()), "as planned");

        let (group, ctx) = ErrGroup::with_context(&background);
        group.go(|| Err(Unspeakable));
        assert_eq!(group.wait(), Err(Unspeakable));
        let cause = ctx.cause().unwrap().to_string();
        assert_eq!(cause, "an error whose text cannot be made");

        let (group, ctx) = ErrGroup::<fmt::Error>::with_context(&background);
        drop(group);
        assert!(ctx.err().is_some(), "nobody is left to wait");
    });
}

// ----- panics -----------------------------------------------------------------------------

/// What the standard library's counterparts are, so that `catch_unwind` needs no `AssertUnwindSafe`
/// around code that uses them.
#[test]
fn what_is_shared_may_be_used_where_panics_are_caught() {
    fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}
    fn is_unwind_safe_by_reference<T: RefUnwindSafe>() {}
    type NotUnwindSafe = std::cell::Cell<u8>;

    is_unwind_safe::<Chan<NotUnwindSafe>>();
    is_unwind_safe::<gochan::Sender<NotUnwindSafe>>();
    is_unwind_safe::<gochan::Receiver<NotUnwindSafe>>();
    is_unwind_safe::<gochan::Iter<'_, NotUnwindSafe>>();
    is_unwind_safe::<gochan::TryIter<'_, NotUnwindSafe>>();
    is_unwind_safe::<gochan::IntoIter<NotUnwindSafe>>();
    is_unwind_safe_by_reference::<gochan::Scope<'_, '_>>();
    is_unwind_safe::<Barrier>();
    is_unwind_safe::<Cond>();
    is_unwind_safe::<ErrGroup<NotUnwindSafe>>();
    is_unwind_safe::<Mutex<NotUnwindSafe>>();
    is_unwind_safe::<Once>();
    is_unwind_safe::<Permit<&Semaphore>>();
    is_unwind_safe::<Permit<Arc<Semaphore>>>();
    is_unwind_safe::<Pool<NotUnwindSafe>>();
    is_unwind_safe::<RwLock<NotUnwindSafe>>();
    is_unwind_safe::<Semaphore>();
    is_unwind_safe::<SingleFlight<u8, u8>>();
    is_unwind_safe::<WaitGroup>();
    is_unwind_safe::<Context>();
    is_unwind_safe::<CancelGuard>();
    is_unwind_safe::<CancelHandle>();
    is_unwind_safe::<AfterFunc>();
    is_unwind_safe::<Ticker>();
    is_unwind_safe::<Timer>();
    is_unwind_safe::<gochan::fs::ReadDir>();

    everywhere(|| {
        let (context, guard) = Context::background().with_cancel();
        let (group, counter) = (WaitGroup::new(), Semaphore::new(1));
        let caught = catch_unwind(|| {
            let _permit = counter.acquire(1);
            group.go(|| ());
            guard.cancel();
            panic!("{:?}", context.err());
        });
        assert!(caught.is_err());
        group.wait();
        assert_eq!(counter.available(), 1);
        assert!(context.err().is_some());
    });
}
