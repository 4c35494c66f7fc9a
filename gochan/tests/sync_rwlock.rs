//! Readers and writers: who is let in together, who keeps whom out, and that neither side starves.

mod harness;

use gochan::go;
use gochan::sync::{RwLock, WaitGroup};
use harness::{Side, each_pair, each_runtime, everywhere, on_workers, start_waiters, until};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn tries_say_who_holds_it() {
    everywhere(|| {
        let lock = RwLock::new(1);
        let (one, two) = (lock.read(), lock.try_read().unwrap());
        assert_eq!(*one + *two, 2);
        assert!(lock.try_write().is_none());
        assert!(lock.write_timeout(Duration::from_millis(1)).is_none());
        assert!(lock.write_deadline(gochan::time::now()).is_none());
        drop((one, two));
        let mut writing = lock.try_write().unwrap();
        *writing = 2;
        assert!(lock.try_read().is_none() && lock.try_write().is_none());
        assert!(lock.read_timeout(Duration::from_millis(1)).is_none());
        assert!(lock.read_deadline(gochan::time::now()).is_none());
        drop(writing);
        assert_eq!(
            lock.read_timeout(Duration::ZERO).map(|value| *value),
            Some(2)
        );
        assert_eq!(
            lock.write_timeout(Duration::MAX).map(|value| *value),
            Some(2)
        );
    });
}

#[test]
fn readers_read_at_the_same_time() {
    each_pair(|left, right| {
        let lock = Arc::new(RwLock::new(()));
        let inside = Arc::new(AtomicUsize::new(0));
        let readers: Vec<_> = [left, right, left, right]
            .into_iter()
            .map(|side| {
                let (lock, inside) = (Arc::clone(&lock), Arc::clone(&inside));
                side.start(move || {
                    let _reading = lock.read();
                    inside.fetch_add(1, Ordering::SeqCst);
                    until(|| inside.load(Ordering::SeqCst) == 4);
                })
            })
            .collect();
        readers.into_iter().for_each(|reader| reader.join());
    });
}

/// Each one adds to a counter what only it may add: a reader 1, a writer 10,000.
fn hammer(readers: usize, writers: usize, rounds: usize) {
    fn note(activity: &AtomicI64, share: i64, allowed: impl Fn(i64) -> bool) {
        let now = activity.fetch_add(share, Ordering::SeqCst) + share;
        assert!(allowed(now), "{now} while {share} was added");
        if now % 3 == 0 {
            gochan::yield_now();
        }
        activity.fetch_sub(share, Ordering::SeqCst);
    }
    let lock = Arc::new(RwLock::new(0_usize));
    let activity = Arc::new(AtomicI64::new(0));
    let mut tasks = Vec::new();
    for i in 0..readers {
        let (lock, activity) = (Arc::clone(&lock), Arc::clone(&activity));
        let side = [Side::Goroutine, Side::Goroutine, Side::Thread][i % 3];
        tasks.push(side.start(move || {
            for _ in 0..rounds {
                let value = lock.read();
                let before = *value;
                note(&activity, 1, |now| (1..10_000).contains(&now));
                assert_eq!(*value, before);
            }
        }));
    }
    for i in 0..writers {
        let (lock, activity) = (Arc::clone(&lock), Arc::clone(&activity));
        let side = [Side::Goroutine, Side::Thread][i % 2];
        tasks.push(side.start(move || {
            for _ in 0..rounds {
                let mut value = lock.write();
                *value += 1;
                note(&activity, 10_000, |now| now == 10_000);
            }
        }));
    }
    tasks.into_iter().for_each(|task| task.join());
    assert_eq!(*lock.write(), writers * rounds);
    assert_eq!(activity.load(Ordering::SeqCst), 0);
}

#[test]
fn hammered_by_few_and_by_many() {
    for workers in [1, 2] {
        for (readers, writers) in [(1, 1), (3, 1), (10, 1), (4, 2), (10, 5), (2, 6)] {
            on_workers(workers, move || hammer(readers, writers, 500));
        }
    }
}

/// Some of those who are in always lack a processor. If everybody waits for them in every turn it
/// takes a hundred times as long as it takes one alone.
#[test]
fn a_crowd_with_few_processors_gets_on() {
    const OPERATIONS: usize = if cfg!(debug_assertions) {
        400_000
    } else {
        4_000_000
    };
    fn use_lock(lock: &RwLock<usize>, operations: usize) {
        for i in 0..operations {
            match i % 10 {
                0 => *lock.write() += 1,
                _ => assert!(*lock.read() <= OPERATIONS),
            }
        }
    }
    let workers = 4 * thread::available_parallelism().map_or(1, NonZeroUsize::get);
    on_workers(workers, move || {
        let start = Instant::now();
        use_lock(&RwLock::new(0), OPERATIONS);
        let alone = start.elapsed();

        let start = Instant::now();
        let (lock, share) = (Arc::new(RwLock::new(0)), OPERATIONS / workers);
        let crowd: Vec<_> = (0..workers)
            .map(|_| go!(spread, clone(lock), { use_lock(&lock, share) }))
            .collect();
        crowd.into_iter().for_each(|one| one.join().unwrap());
        let times = start.elapsed().as_secs_f64() / alone.as_secs_f64();
        assert_eq!(*lock.read(), workers * share.div_ceil(10));
        assert!(times < 20.0, "{times} times as long as alone");
    });
}

#[test]
fn a_waiting_writer_keeps_new_readers_out() {
    each_pair(|left, right| {
        let lock = Arc::new(RwLock::new(0));
        let reading = lock.read();
        let writer = {
            let lock = Arc::clone(&lock);
            left.start(move || *lock.write() = 1)
        };
        until(|| lock.try_read().is_none());
        let reader = {
            let lock = Arc::clone(&lock);
            right.start(move || *lock.read())
        };
        drop(reading);
        writer.join();
        assert_eq!(reader.join(), 1, "the reader came after the writer");
    });
}

#[test]
fn readers_that_waited_go_before_the_next_writer() {
    each_runtime(|| {
        let lock = Arc::new(RwLock::new(Vec::new()));
        let mut writing = lock.write();
        let waiting = WaitGroup::new();
        let seen: Vec<_> = (0..3)
            .map(|_| {
                waiting.add(1);
                go!(near, clone(lock, waiting), {
                    waiting.done();
                    lock.read().len()
                })
            })
            .collect();
        waiting.wait();
        // They have said so just before they wait.
        harness::give_chances();
        let next = go!(near, clone(lock), {
            lock.write().push("second");
        });
        harness::give_chances();
        writing.push("first");
        drop(writing);
        for reader in seen {
            assert_eq!(reader.join().unwrap(), 1);
        }
        next.join().unwrap();
        assert_eq!(*lock.read(), ["first", "second"]);
    });
}

#[test]
fn a_writer_that_gave_up_lets_the_readers_in() {
    each_pair(|left, right| {
        let lock = Arc::new(RwLock::new(()));
        let gave_up = Arc::new(AtomicBool::new(false));
        let reading = lock.read();
        let writer = {
            let (lock, gave_up) = (Arc::clone(&lock), Arc::clone(&gave_up));
            left.start(move || {
                assert!(lock.write_timeout(Duration::from_millis(3)).is_none());
                gave_up.store(true, Ordering::SeqCst);
            })
        };
        until(|| lock.try_read().is_none() || gave_up.load(Ordering::SeqCst));
        let reader = {
            let lock = Arc::clone(&lock);
            right.start(move || drop(lock.read()))
        };
        writer.join();
        reader.join();
        drop(reading);
        assert!(lock.try_write().is_some());
    });
}

/// Readers that overlap without end do not keep writers out, neither one that finds them there nor
/// one that waits for another writer, and writers that queue without end do not keep a reader out.
#[test]
fn neither_side_starves() {
    each_pair(|left, right| {
        for crowd_writes in [false, true] {
            let lock = Arc::new(RwLock::new(0_u64));
            let stop = Arc::new(AtomicBool::new(false));
            let read = |lock: &RwLock<u64>| {
                let _reading = lock.read();
                gochan::yield_now();
            };
            let write = |lock: &RwLock<u64>| {
                let mut writing = lock.write();
                gochan::yield_now();
                *writing += 1;
            };
            let crowd: Vec<_> = [left, right, left, right]
                .into_iter()
                .map(|side| {
                    let (lock, stop) = (Arc::clone(&lock), Arc::clone(&stop));
                    side.start(move || {
                        while !stop.load(Ordering::Relaxed) {
                            match crowd_writes {
                                true => *lock.write() += 1,
                                false => read(&lock),
                            }
                        }
                    })
                })
                .collect();
            let others = [left, right].map(|side| {
                let lock = Arc::clone(&lock);
                side.start(move || {
                    for _ in 0..20 {
                        match crowd_writes {
                            true => read(&lock),
                            false => write(&lock),
                        }
                    }
                })
            });
            others.into_iter().for_each(|one| one.join());
            stop.store(true, Ordering::Relaxed);
            crowd.into_iter().for_each(|one| one.join());
        }
    });
}

#[test]
fn a_panic_leaves_it_and_does_not_poison_it() {
    let lock = RwLock::new(1);
    let writer = catch_unwind(AssertUnwindSafe(|| {
        *lock.write() = 2;
        let _writing = lock.write();
        panic!("as planned");
    }));
    let reader = catch_unwind(AssertUnwindSafe(|| {
        let _reading = lock.read();
        panic!("as planned");
    }));
    assert!(writer.is_err() && reader.is_err());
    assert_eq!(lock.try_write().map(|value| *value), Some(2));
}

#[test]
fn shows_its_value_or_that_it_is_locked() {
    let lock = RwLock::from(5);
    assert_eq!(format!("{lock:?}"), "RwLock { value: 5 }");
    let writing = lock.write();
    assert_eq!(
        format!("{lock:?} {writing:?}"),
        "RwLock { value: <locked> } 5"
    );
}

/// It is let in when its runtime has begun to end, if the writer is unwound before it.
#[test]
fn a_reader_that_is_let_in_at_the_end_leaves_the_lock() {
    for writer_is_older in [true, false] {
        let (lock, held) = (Arc::new(RwLock::new(())), gochan::Chan::<()>::new(0));
        harness::on_workers(1, || {
            let start_writer = || {
                go!(clone(lock, held), {
                    let _held = lock.write();
                    held.close();
                    gochan::Chan::<()>::new(0).recv();
                });
                harness::give_chances();
            };
            if writer_is_older {
                start_writer();
            }
            go!(clone(lock, held), {
                held.recv();
                let _held = lock.read();
                unreachable!("it is unwound");
            });
            harness::give_chances();
            if !writer_is_older {
                start_writer();
            }
        });
        assert!(lock.try_write().is_some(), "nobody holds it");
    }
}

#[test]
fn those_who_wait_are_unwound_with_their_runtime() {
    for workers in [1, 2] {
        let lock = Arc::new(RwLock::new(()));
        let unwound = Arc::new(AtomicUsize::new(0));
        let reading = lock.read();
        let shared = (Arc::clone(&lock), Arc::clone(&unwound));
        on_workers(workers, || {
            start_waiters(10, move |number, waits| {
                let (lock, unwound) = &shared;
                gochan::defer! { unwound.fetch_add(1, Ordering::Relaxed); }
                waits();
                if number % 2 == 0 {
                    let _writing = lock.write();
                    unreachable!("the test reads");
                }
                drop(lock.read());
                drop(lock.write());
            });
        });
        assert_eq!(unwound.load(Ordering::Relaxed), 10);
        assert!(lock.try_read().is_some(), "no writer waits any more");
        drop(reading);
        assert!(lock.try_write().is_some());
    }
}
