//! Mutual exclusion: nothing is lost, nobody starves, whoever holds the lock and however it is
//! left.

mod harness;

use gochan::go;
use gochan::runtime::{Config, Runtime};
use gochan::sync::{Mutex, MutexGuard, RwLock};
use harness::{Side, each_pair, each_runtime, everywhere, on_workers, start_waiters, until, watch};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn excludes() {
    each_pair(|left, right| {
        let counter = Arc::new(Mutex::new(0));
        let tasks = [left, right, left, right].map(|side| {
            let counter = Arc::clone(&counter);
            side.start(move || {
                for _ in 0..1000 {
                    let mut count = counter.lock();
                    let seen = *count;
                    if seen % 16 == 0 {
                        gochan::yield_now();
                    }
                    *count = seen + 1;
                }
            })
        });
        tasks.into_iter().for_each(|task| task.join());
        assert_eq!(*counter.lock(), 4000);
    });
}

#[test]
fn try_lock_says_whether_it_is_held() {
    everywhere(|| {
        let mutex = Mutex::new(7);
        let guard = mutex.try_lock().expect("nobody holds it");
        assert!(mutex.try_lock().is_none());
        assert!(mutex.lock_timeout(Duration::from_millis(1)).is_none());
        assert!(mutex.lock_deadline(gochan::time::now()).is_none());
        drop(guard);
        assert_eq!(
            mutex.lock_timeout(Duration::ZERO).map(|guard| *guard),
            Some(7)
        );
        assert_eq!(
            mutex.lock_timeout(Duration::MAX).map(|guard| *guard),
            Some(7)
        );
    });
}

#[test]
fn whoever_gave_up_is_not_handed_the_lock() {
    each_pair(|left, right| {
        let mutex = Arc::new(Mutex::new(()));
        let guard = mutex.lock();
        let impatient = {
            let mutex = Arc::clone(&mutex);
            left.start(move || mutex.lock_timeout(Duration::from_millis(2)).is_none())
        };
        let patient = {
            let mutex = Arc::clone(&mutex);
            right.start(move || drop(mutex.lock()))
        };
        assert!(impatient.join());
        drop(guard);
        patient.join();
        assert!(mutex.try_lock().is_some());
    });
}

#[test]
fn a_panic_leaves_the_lock_and_does_not_poison_it() {
    everywhere(|| {
        let mutex = Mutex::new(1);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            *mutex.lock() = 2;
            let _guard = mutex.lock();
            panic!("as planned");
        }));
        assert!(panicked.is_err());
        assert_eq!(*mutex.lock(), 2);
    });
}

#[test]
fn shows_its_value_or_that_it_is_locked() {
    let mutex = Mutex::from(5);
    assert_eq!(format!("{mutex:?}"), "Mutex { value: 5 }");
    let guard = mutex.lock();
    assert_eq!(
        format!("{mutex:?} {guard:?} {guard}"),
        "Mutex { value: <locked> } 5 5"
    );
}

#[test]
fn holds_what_has_no_size() {
    let mutex: Box<Mutex<[u8]>> = Box::new(Mutex::new([1, 2, 3]));
    mutex.lock()[1] = 9;
    assert_eq!(*mutex.lock(), [1, 9, 3]);
}

/// How a crowd got on at a lock.
#[derive(Clone, Copy)]
struct Storm {
    /// How many locks a participant got on average.
    mean: usize,
    /// How many the goroutine got that got fewest.
    slowest: usize,
    /// How many times as long it took as one goroutine needs alone for as many locks.
    times_alone: f64,
}

/// Goroutines and threads lock so often together; in release, where that takes a tenth of the time,
/// ten times as often, so that the system gives each thread its turn.
fn storm(workers: usize, locks: usize, held: fn()) -> Storm {
    let locks = if cfg!(debug_assertions) {
        locks
    } else {
        locks * 10
    };
    let storm = Arc::new(std::sync::Mutex::new(None));
    let result = Arc::clone(&storm);
    const GOROUTINES: usize = 100;
    const THREADS: usize = 4;
    on_workers(workers, || {
        let left = Arc::new(Mutex::new(locks));
        let body = move |left: Arc<Mutex<usize>>| {
            let mut locks = 0_usize;
            loop {
                let mut left = left.lock();
                if *left == 0 {
                    return locks;
                }
                *left -= 1;
                locks += 1;
                held();
            }
        };
        let start = Instant::now();
        body(Arc::clone(&left));
        let alone = start.elapsed();
        *left.lock() = locks;

        let start = Instant::now();
        let mut tasks = Vec::new();
        for side in [(Side::Goroutine, GOROUTINES), (Side::Thread, THREADS)] {
            for _ in 0..side.1 {
                let left = Arc::clone(&left);
                tasks.push(side.0.start(move || body(left)));
            }
        }
        let shares: Vec<usize> = tasks.into_iter().map(|task| task.join()).collect();
        assert_eq!(shares.iter().sum::<usize>(), locks, "an update was lost");
        *result.lock().unwrap() = Some(Storm {
            mean: locks / shares.len(),
            slowest: *shares[..GOROUTINES].iter().min().unwrap(),
            times_alone: start.elapsed().as_secs_f64() / alone.as_secs_f64(),
        });
    });
    storm.lock().unwrap().expect("it is over")
}

#[test]
fn a_storm_loses_nothing_and_starves_nobody() {
    // In release the system shares out two processors between six threads in pieces of milliseconds,
    // each a million locks.
    let least = if cfg!(debug_assertions) { 10 } else { 100 };
    for workers in [1, 2] {
        let Storm {
            mean,
            slowest,
            times_alone,
        } = storm(workers, 10_000_000, || {});
        assert!(
            slowest * least >= mean,
            "a goroutine got {slowest} locks of a mean of {mean}"
        );
        // If the lock is handed over all the time it takes 20 to 300 times as long.
        assert!(times_alone < 15.0, "{times_alone} times as long as alone");
    }
}

/// Holders that give way with the lock held drive all others into the queue. Those get the lock
/// when they have waited for 50 microseconds, and that is all that they are promised: between two
/// such rounds whoever runs takes it many times.
#[test]
fn a_storm_with_turns_in_the_lock_shuts_nobody_out() {
    let Storm { slowest, .. } = storm(2, 1_000_000, || {
        thread_local!(static TURN: std::cell::Cell<u32> = const { std::cell::Cell::new(0) });
        TURN.set(TURN.get() + 1);
        if TURN.get().is_multiple_of(64) {
            gochan::yield_now();
        }
    });
    assert!(slowest > 1, "a goroutine got {slowest} locks");
}

/// One holds the lock nearly always, another one hardly ever: the second must get it all the same
/// (the case that Go's fairness test is about).
#[test]
fn a_greedy_holder_does_not_starve_others() {
    each_pair(|greedy, modest| {
        let mutex = Arc::new(Mutex::new(()));
        let stop = Arc::new(AtomicBool::new(false));
        let greedy = {
            let (mutex, stop) = (Arc::clone(&mutex), Arc::clone(&stop));
            greedy.start(move || {
                while !stop.load(Ordering::Relaxed) {
                    let _guard = mutex.lock();
                    let start = Instant::now();
                    while start.elapsed() < Duration::from_micros(100) {
                        gochan::yield_now();
                    }
                }
            })
        };
        let modest = modest.start(move || {
            for _ in 0..10 {
                gochan::time::sleep(Duration::from_micros(100));
                drop(mutex.lock());
            }
            stop.store(true, Ordering::Relaxed);
        });
        modest.join();
        greedy.join();
    });
}

/// Others may want what it holds, and would hold locks of their own while they wait.
#[test]
fn who_holds_a_lock_is_not_interrupted_at_the_next() {
    const ROUNDS: usize = 200;
    on_workers(1, || {
        let (outer, inner) = (Arc::new(Mutex::new(())), Mutex::new(()));
        let is_over = Arc::new(AtomicBool::new(false));
        let interrupted = go!(clone(outer, is_over), {
            let mut interrupted = 0;
            while !is_over.load(Ordering::Relaxed) {
                interrupted += usize::from(outer.try_lock().is_none());
                gochan::yield_now();
            }
            interrupted
        });
        for _ in 0..ROUNDS {
            gochan::yield_now();
            let _guard = outer.lock();
            // More than there are to a turn.
            (0..400).for_each(|_| drop(inner.lock()));
        }
        is_over.store(true, Ordering::Relaxed);
        let interrupted = interrupted.join().unwrap();
        // Now and then the system itself runs somebody else for a millisecond.
        assert!(interrupted < ROUNDS / 2, "in {interrupted} rounds");
    });
}

#[test]
fn who_does_nothing_but_lock_lets_others_run() {
    on_workers(1, || {
        let (mutex, lock) = (Mutex::new(()), RwLock::new(()));
        let uses: [&dyn Fn(); 5] = [
            &|| drop(mutex.lock()),
            &|| drop(mutex.try_lock().unwrap()),
            &|| drop(lock.read()),
            &|| drop(lock.write()),
            &|| drop((mutex.lock(), lock.write())),
        ];
        for take_and_leave in uses {
            let other = go!(gochan::yield_now());
            while !other.is_finished() {
                take_and_leave();
            }
        }
    });
}

/// The clock does not move while they fight, so that those microseconds never pass.
#[test]
fn virtual_time_starves_nobody_either() {
    let _watched = watch();
    let runtime = Runtime::new(Config::new().workers(1).virtual_time(true)).unwrap();
    runtime.run(|| {
        let mutex = Arc::new(Mutex::new(()));
        let stop = Arc::new(AtomicBool::new(false));
        go!(clone(mutex, stop), {
            while !stop.load(Ordering::Relaxed) {
                let _guard = mutex.lock();
                gochan::yield_now();
            }
        });
        until(|| mutex.try_lock().is_none());
        drop(mutex.lock());
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn those_who_wait_are_unwound_with_their_runtime() {
    for workers in [1, 2] {
        let mutex = Arc::new(Mutex::new(()));
        let unwound = Arc::new(AtomicUsize::new(0));
        let guard = mutex.lock();
        let shared = (Arc::clone(&mutex), Arc::clone(&unwound));
        on_workers(workers, || {
            start_waiters(10, move |_, waits| {
                let (mutex, unwound) = &shared;
                gochan::defer! { unwound.fetch_add(1, Ordering::Relaxed); }
                waits();
                let _guard = mutex.lock();
                unreachable!("the test holds the lock");
            });
        });
        assert_eq!(unwound.load(Ordering::Relaxed), 10);
        drop(guard);
        assert!(
            mutex.try_lock().is_some(),
            "nobody who has gone was handed it"
        );
    }
}

/// It is woken for the lock, or handed it, when its runtime has begun to end, if the holder is unwound
/// before it.
#[test]
fn a_lock_is_not_lost_with_who_is_served_at_the_end() {
    for (holder_is_older, is_handed_over) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (lock, held) = (Arc::new(Mutex::new(())), gochan::Chan::<()>::new(0));
        on_workers(1, || {
            let start_holder = || {
                go!(clone(lock, held), {
                    let mut guard = lock.lock();
                    held.close();
                    harness::give_chances();
                    if is_handed_over == 1 {
                        // Who has waited for long and finds the lock taken is not overtaken again.
                        drop(guard);
                        guard = lock.lock();
                        harness::compute(Duration::from_millis(1));
                    }
                    gochan::Chan::<()>::new(0).recv();
                    drop(guard);
                });
                harness::give_chances();
            };
            if holder_is_older == 1 {
                start_holder();
            }
            go!(clone(lock, held), {
                held.recv();
                drop(lock.lock());
                gochan::Chan::<()>::new(0).recv();
            });
            harness::give_chances();
            if holder_is_older == 0 {
                start_holder();
            }
            harness::give_chances();
        });
        let held = lock.try_lock().expect("nobody holds it");
        let other = thread::spawn({
            let lock = Arc::clone(&lock);
            move || lock.lock_timeout(Duration::from_secs(20)).is_some()
        });
        // Long enough for it to wait, as a rule.
        thread::sleep(Duration::from_millis(20));
        drop(held);
        assert!(other.join().unwrap(), "who waits is still woken");
    }
}

#[test]
fn destructors_lock_while_the_runtime_ends() {
    struct LogOnDrop(Arc<Mutex<Vec<usize>>>, usize);
    impl Drop for LogOnDrop {
        fn drop(&mut self) {
            let mut log = self.0.lock();
            gochan::yield_now();
            log.push(self.1);
        }
    }
    for workers in [1, 2] {
        let log = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&log);
        on_workers(workers, || {
            let never = Arc::new(Mutex::new(()));
            std::mem::forget(never.lock());
            start_waiters(20, move |number, waits| {
                let _log = LogOnDrop(Arc::clone(&shared), number);
                waits();
                drop(never.lock());
            });
        });
        let mut log = std::mem::take(&mut *log.lock());
        log.sort_unstable();
        assert_eq!(log, (0..20).collect::<Vec<_>>());
    }
}

#[test]
fn a_guard_is_held_across_waits() {
    each_runtime(|| {
        let mutex = Arc::new(Mutex::new(0));
        let ready = gochan::Chan::<()>::new(0);
        let holder = go!(clone(mutex, ready), {
            let mut value = mutex.lock();
            ready.recv();
            *value = 1;
        });
        until(|| mutex.try_lock().is_none());
        let other = {
            let mutex = Arc::clone(&mutex);
            thread::spawn(move || *mutex.lock())
        };
        ready.send(()).unwrap();
        holder.join().unwrap();
        assert_eq!(gochan::blocking(|| other.join().unwrap()), 1);
    });
}

#[test]
fn who_tries_again_and_again_lets_the_holder_run() {
    on_workers(1, || {
        let mutex = Arc::new(Mutex::new(()));
        let go_on = Arc::new(AtomicBool::new(false));
        let holder = go!(clone(mutex, go_on), {
            let _guard = mutex.lock();
            go_on.store(true, Ordering::Relaxed);
            gochan::yield_now();
        });
        until(|| go_on.load(Ordering::Relaxed));
        while mutex.try_lock().is_none() {}
        holder.join().unwrap();
    });
}

#[test]
fn a_guard_that_outlives_its_worker_leaves_the_lock() {
    thread_local! {
        static KEPT: RefCell<Option<MutexGuard<'static, u32>>> = const { RefCell::new(None) };
    }
    let _watched = watch();
    for workers in [1, 2] {
        let mutex: &'static Mutex<u32> = Box::leak(Box::default());
        thread::spawn(move || {
            Runtime::new(Config::new().workers(workers))
                .unwrap()
                .run(|| {
                    // More than enough to make this worker the owner of the lock.
                    for _ in 0..5_000 {
                        *mutex.lock() += 1;
                    }
                    KEPT.set(Some(mutex.lock()));
                });
        })
        .join()
        .unwrap();
        // The guard goes with the thread of the worker, some time after the runtime's end.
        until(|| mutex.try_lock().is_some());
        let mut guard = mutex.lock();
        *guard += 1;
        assert_eq!(*guard, 5_001);
        drop(guard);
        assert_eq!(mutex.try_lock().as_deref(), Some(&5_001));
    }
}
