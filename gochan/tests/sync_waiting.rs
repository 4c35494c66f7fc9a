//! Conditions, wait groups and barriers.

mod harness;

use gochan::runtime::{Config, Runtime};
use gochan::sync::{Barrier, Cond, Mutex, WaitGroup};
use gochan::{JoinHandle, defer, go};
use harness::{
    Side, each_pair, each_runtime, everywhere, on_workers, panic_of, start_waiters, until, watch,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

// ----- Cond -------------------------------------------------------------------------------

#[test]
fn notify_one_wakes_one_at_a_time() {
    each_pair(|left, right| {
        let state = Arc::new((Mutex::new((0, 0)), Cond::new()));
        let waiters: Vec<_> = [left, right, left, right]
            .into_iter()
            .map(|side| {
                let state = Arc::clone(&state);
                side.start(move || {
                    let (mutex, cond) = &*state;
                    let mut counts = mutex.lock();
                    counts.0 += 1;
                    counts = cond.wait(counts);
                    counts.1 += 1;
                })
            })
            .collect();
        let (mutex, cond) = &*state;
        until(|| mutex.lock().0 == 4);
        for woken in 1..=4 {
            assert_eq!(mutex.lock().1, woken - 1);
            cond.notify_one();
            until(|| mutex.lock().1 == woken);
            harness::give_chances();
        }
        waiters.into_iter().for_each(|waiter| waiter.join());
        cond.notify_one();
        cond.notify_all();
    });
}

#[test]
fn they_are_notified_in_the_order_in_which_they_came() {
    each_runtime(|| {
        let state = Arc::new((Mutex::new((Vec::new(), Vec::new())), Cond::new()));
        for i in 0..20 {
            let body = {
                let state = Arc::clone(&state);
                move || {
                    let (mutex, cond) = &*state;
                    let mut orders = mutex.lock();
                    orders.0.push(i);
                    orders = cond.wait(orders);
                    orders.1.push(i);
                }
            };
            let side = [Side::Goroutine, Side::Thread][i % 2];
            drop(side.start(body));
            until(|| state.0.lock().0.len() == i + 1);
        }
        for woken in 1..=20 {
            state.1.notify_one();
            until(|| state.0.lock().1.len() == woken);
        }
        let orders = state.0.lock();
        assert_eq!(orders.0, orders.1);
    });
}

#[test]
fn notify_all_wakes_everybody() {
    each_pair(|left, right| {
        let state = Arc::new((Mutex::new(0), Cond::new()));
        let waiters: Vec<_> = (0..20)
            .map(|i| {
                let state = Arc::clone(&state);
                [left, right][i % 2].start(move || {
                    let (mutex, cond) = &*state;
                    let mut waiting = mutex.lock();
                    *waiting += 1;
                    drop(cond.wait(waiting));
                })
            })
            .collect();
        let (mutex, cond) = &*state;
        until(|| *mutex.lock() == 20);
        cond.notify_all();
        waiters.into_iter().for_each(|waiter| waiter.join());
    });
}

/// A queue of bounded length with one condition for each side, as it is usually written.
#[test]
fn a_bounded_queue_of_conditions() {
    struct Queue {
        items: Mutex<Vec<usize>>,
        not_empty: Cond,
        not_full: Cond,
    }
    each_pair(|left, right| {
        let queue = Arc::new(Queue {
            items: Mutex::new(Vec::new()),
            not_empty: Cond::new(),
            not_full: Cond::new(),
        });
        let producers: Vec<_> = (0..4)
            .map(|i| {
                let queue = Arc::clone(&queue);
                left.start(move || {
                    for n in 0..250 {
                        let items = queue.items.lock();
                        let mut items = queue.not_full.wait_while(items, |items| items.len() == 3);
                        items.push(i * 250 + n);
                        drop(items);
                        queue.not_empty.notify_one();
                    }
                })
            })
            .collect();
        let consumers: Vec<_> = (0..4)
            .map(|_| {
                let queue = Arc::clone(&queue);
                right.start(move || {
                    let mut sum = 0;
                    for _ in 0..250 {
                        let items = queue.items.lock();
                        let mut items = queue.not_empty.wait_while(items, |items| items.is_empty());
                        sum += items.pop().unwrap();
                        queue.not_full.notify_one();
                    }
                    sum
                })
            })
            .collect();
        producers.into_iter().for_each(|producer| producer.join());
        let sum: usize = consumers.into_iter().map(|consumer| consumer.join()).sum();
        assert_eq!(sum, 999 * 1000 / 2);
    });
}

#[test]
fn timed_waits_end() {
    everywhere(|| {
        let (mutex, cond) = (Mutex::new(0), Cond::new());
        let start = Instant::now();
        let (guard, result) = cond.wait_timeout(mutex.lock(), Duration::from_millis(2));
        assert!(result.timed_out() && start.elapsed() >= Duration::from_millis(2));
        let (guard, result) = cond.wait_deadline(guard, gochan::time::now());
        assert!(result.timed_out());
        let (guard, result) = cond.wait_timeout_while(guard, Duration::MAX, |n| *n > 0);
        assert!(!result.timed_out());
        let brief = Duration::from_millis(1);
        let (guard, result) = cond.wait_timeout_while(guard, brief, |n| *n == 0);
        assert!(result.timed_out() && *guard == 0);
        let (guard, result) = cond.wait_deadline_while(guard, gochan::time::now(), |n| *n > 0);
        assert!(!result.timed_out());
        let start = gochan::time::now();
        let (guard, result) = cond.wait_deadline_while(guard, start + brief, |n| *n == 0);
        assert!(result.timed_out() && *guard == 0 && gochan::time::since(start) >= brief);
        assert!(mutex.try_lock().is_none(), "the mutex was taken again");
    });
}

#[test]
fn a_notification_is_not_spent_on_who_gave_up() {
    each_pair(|left, right| {
        let state = Arc::new((Mutex::new(0), Cond::new()));
        let impatient = {
            let state = Arc::clone(&state);
            left.start(move || {
                let mut waiting = state.0.lock();
                *waiting += 1;
                drop(state.1.wait_timeout(waiting, Duration::from_millis(1)));
            })
        };
        until(|| *state.0.lock() == 1);
        let patient = {
            let state = Arc::clone(&state);
            right.start(move || {
                let mut waiting = state.0.lock();
                *waiting += 1;
                drop(state.1.wait(waiting));
            })
        };
        impatient.join();
        until(|| *state.0.lock() == 2);
        state.1.notify_one();
        patient.join();
    });
}

/// Waits for one notification, and is counted first.
fn wait_once(shared: Arc<(Mutex<i32>, Cond)>) -> impl FnOnce() {
    move || {
        let (mutex, cond) = &*shared;
        let mut waiting = mutex.lock();
        *waiting += 1;
        drop(cond.wait(waiting));
    }
}

/// The goroutine that is told waits for the mutex when its runtime ends.
#[test]
fn a_notification_is_not_spent_on_who_is_unwound() {
    let _watched = watch();
    for _ in 0..20 {
        let shared = Arc::new((Mutex::new(0), Cond::new()));
        let runtime = Runtime::new(Config::new().workers(1)).unwrap();
        let (told, has_ended) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            let (shared, told, has_ended) = (&shared, &told, &has_ended);
            scope.spawn(move || {
                runtime.run(|| {
                    let first = wait_once(Arc::clone(shared));
                    go!(first());
                    until(|| told.load(Ordering::Relaxed));
                    harness::give_chances();
                });
                has_ended.store(true, Ordering::Relaxed);
            });
            until(|| *shared.0.lock() == 1);
            let second = scope.spawn(wait_once(Arc::clone(shared)));
            until(|| *shared.0.lock() == 2);
            let holding = shared.0.lock();
            shared.1.notify_one();
            told.store(true, Ordering::Relaxed);
            until(|| has_ended.load(Ordering::Relaxed));
            drop(holding);
            second.join().unwrap();
        });
    }
}

/// The goroutine is told when its runtime has begun to end.
#[test]
fn a_notification_that_comes_at_the_end_is_passed_on() {
    let _watched = watch();
    let shared = Arc::new((Mutex::new(0), Cond::new()));
    let mut second = None;
    let start = || {
        let first = wait_once(Arc::clone(&shared));
        go!(first());
        until(|| *shared.0.lock() == 1);
        second = Some(thread::spawn(wait_once(Arc::clone(&shared))));
        until(|| *shared.0.lock() == 2);
    };
    let notifies = Arc::clone(&shared);
    harness::served_at_the_end(start, move || notifies.1.notify_one());
    second.unwrap().join().unwrap();
}

#[test]
fn conditions_let_a_runtime_end() {
    struct WaitOnDrop(Arc<(Mutex<usize>, Cond)>);
    impl Drop for WaitOnDrop {
        fn drop(&mut self) {
            let (mutex, cond) = &*self.0;
            let guard = cond.wait(mutex.lock());
            *cond.wait_while(guard, |_| true) += 1;
        }
    }
    for workers in [1, 2] {
        let state = Arc::new((Mutex::new(0), Cond::new()));
        let shared = Arc::clone(&state);
        on_workers(workers, || {
            start_waiters(10, move |_, waits| {
                let _on_drop = WaitOnDrop(Arc::clone(&shared));
                waits();
                drop(shared.1.wait(shared.0.lock()));
                unreachable!("nobody notifies");
            });
        });
        assert_eq!(*state.0.try_lock().unwrap(), 10);
    }
}

// ----- WaitGroup --------------------------------------------------------------------------

#[test]
fn waits_for_all_and_can_be_used_again() {
    each_pair(|left, right| {
        let (one, other) = (WaitGroup::new(), WaitGroup::new());
        for _ in 0..8 {
            let n = 16;
            one.add(n);
            other.add(n);
            let exited = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> = (0..n)
                .map(|i| {
                    let (one, other) = (one.clone(), other.clone());
                    let exited = Arc::clone(&exited);
                    [left, right][i % 2].start(move || {
                        one.done();
                        other.wait();
                        exited.fetch_add(1, Ordering::SeqCst);
                    })
                })
                .collect();
            one.wait();
            for _ in 0..n {
                assert_eq!(
                    exited.load(Ordering::SeqCst),
                    0,
                    "the group was left too early"
                );
                other.done();
            }
            tasks.into_iter().for_each(|task| task.join());
        }
    });
}

#[test]
fn destructors_that_join_leave_nothing_behind() {
    struct JoinOnDrop(Option<JoinHandle<()>>);
    impl Drop for JoinOnDrop {
        fn drop(&mut self) {
            // Returns at once; the joined one is unwound before or after.
            _ = self.0.take().expect("joined once").join();
        }
    }
    let _watched = watch();
    for workers in [1, 2] {
        for _ in 0..20 {
            let never_done = WaitGroup::new();
            never_done.add(1);
            Runtime::new(Config::new().workers(workers))
                .unwrap()
                .run(|| {
                    let started = WaitGroup::new();
                    started.add(20);
                    for joins_older in [true, false].repeat(5) {
                        let (send, recv) = gochan::channel::<JoinHandle<()>>(1);
                        let join = || {
                            go!(clone(never_done, started), {
                                let _joined = JoinOnDrop(recv.recv());
                                started.done();
                                never_done.wait();
                            })
                        };
                        let wait = || {
                            go!(clone(never_done, started), {
                                started.done();
                                never_done.wait();
                            })
                        };
                        let joined = if joins_older {
                            let joined = wait();
                            join();
                            joined
                        } else {
                            join();
                            wait()
                        };
                        send.send(joined).unwrap();
                    }
                    started.wait();
                });
        }
    }
}

#[test]
fn those_who_wait_for_others_are_unwound_with_their_runtime() {
    let _watched = watch();
    for workers in [1, 2] {
        let never_done = WaitGroup::new();
        never_done.add(1);
        let unwound = Arc::new(AtomicUsize::new(0));
        Runtime::new(Config::new().workers(workers))
            .unwrap()
            .run(|| {
                let started = WaitGroup::new();
                started.add(20);
                for _ in 0..10 {
                    let member = go!(clone(never_done, unwound, started), {
                        gochan::defer! {
                            // Returns at once, and leaves nothing in the queue either.
                            never_done.wait();
                            unwound.fetch_add(1, Ordering::Relaxed);
                        }
                        started.done();
                        never_done.wait();
                        unreachable!("nobody is done");
                    });
                    go!(clone(unwound, started), {
                        gochan::defer! { unwound.fetch_add(1, Ordering::Relaxed); }
                        started.done();
                        _ = member.join();
                        unreachable!("the joined one waits for ever");
                    });
                }
                started.wait();
            });
        assert_eq!(unwound.load(Ordering::Relaxed), 20);
        // Nothing of those who waited is left in the queue.
        never_done.done();
        never_done.wait();
    }
}

#[test]
fn a_negative_counter_panics() {
    everywhere(|| {
        let wg = WaitGroup::new();
        wg.add(1);
        wg.done();
        assert_eq!(panic_of(|| wg.done()), "negative WaitGroup counter");
        wg.wait();
        wg.add(1);
        assert!(!wg.wait_timeout(Duration::from_millis(1)));
        wg.done();
        assert!(wg.wait_timeout(Duration::ZERO) && wg.wait_deadline(Instant::now()));
        assert_eq!(
            panic_of(|| wg.add(usize::MAX)),
            "WaitGroup counter overflow"
        );
    });
}

/// Members keep their group alive, whoever else has let go of it, and however often its counter was
/// taken down too far; their number is part of the counter.
#[test]
fn members_outlive_the_handles_of_their_group() {
    everywhere(|| {
        for round in 0..200 {
            let wg = WaitGroup::new();
            let members: Vec<_> = (0..3)
                .map(|i| {
                    wg.go(move || {
                        for _ in 0..(round + i) % 3 {
                            gochan::yield_now();
                        }
                        i
                    })
                })
                .collect();
            assert_eq!(panic_of(|| wg.done()), "negative WaitGroup counter");
            let handle = wg.clone();
            drop(wg);
            if round % 2 == 0 {
                handle.wait();
                assert!(handle.wait_timeout(Duration::ZERO));
            }
            drop(handle);
            for (i, member) in members.into_iter().enumerate() {
                assert_eq!(member.join().unwrap(), i);
            }
        }
    });
}

#[test]
fn what_was_done_is_seen_by_who_waited() {
    each_runtime(|| {
        for _ in 0..200 {
            let wg = WaitGroup::new();
            let results: Arc<[AtomicUsize]> = (0..4).map(|_| AtomicUsize::new(0)).collect();
            for i in 0..4 {
                wg.add(1);
                go!(clone(wg, results), {
                    defer! { wg.done() }
                    results[i].store(i + 1, Ordering::Relaxed);
                });
            }
            wg.wait();
            let sum: usize = results.iter().map(|r| r.load(Ordering::Relaxed)).sum();
            assert_eq!(sum, 10);
        }
    });
}

#[test]
fn go_is_done_when_the_goroutine_ends_however_it_ends() {
    everywhere(|| {
        let wg = WaitGroup::new();
        let returned = wg.go(|| 42);
        let panicked = wg.go(|| panic!("as planned"));
        let ended = wg.go(|| gochan::goexit());
        wg.wait();
        assert_eq!(returned.join().unwrap(), 42);
        assert!(panicked.join().unwrap_err().is_panic());
        let ended: Result<(), _> = ended.join();
        assert!(ended.unwrap_err().is_goexit());
    });
}

#[test]
fn those_that_never_start_are_done_too() {
    let _watched = watch();
    let wg = WaitGroup::new();
    Runtime::new(Config::new().workers(1)).unwrap().run(|| {
        for _ in 0..10 {
            wg.go(|| gochan::Chan::<()>::new(0).recv());
        }
    });
    wg.wait();
}

#[test]
fn a_group_lets_a_runtime_end() {
    struct WaitOnDrop(WaitGroup);
    impl Drop for WaitOnDrop {
        fn drop(&mut self) {
            self.0.wait();
        }
    }
    for workers in [1, 2] {
        let never = WaitGroup::new();
        never.add(1);
        let shared = never.clone();
        on_workers(workers, || {
            start_waiters(10, move |_, waits| {
                let _on_drop = WaitOnDrop(shared.clone());
                waits();
                shared.wait();
                unreachable!("the test is not done");
            });
        });
        assert_eq!(format!("{never:?}"), "WaitGroup { count: 1, .. }");
    }
}

// ----- Barrier ----------------------------------------------------------------------------

#[test]
fn a_barrier_holds_until_all_have_come() {
    each_pair(|left, right| {
        const SIZE: usize = 5;
        let barrier = Arc::new(Barrier::new(SIZE));
        let arrived = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..SIZE)
            .map(|i| {
                let (barrier, arrived) = (Arc::clone(&barrier), Arc::clone(&arrived));
                [left, right][i % 2].start(move || {
                    let mut led = 0;
                    for round in 1..=50 {
                        arrived.fetch_add(1, Ordering::SeqCst);
                        led += usize::from(barrier.wait().is_leader());
                        assert!(arrived.load(Ordering::SeqCst) >= round * SIZE);
                    }
                    led
                })
            })
            .collect();
        let led: usize = tasks.into_iter().map(|task| task.join()).sum();
        assert_eq!(led, 50, "one leads in each round");
        assert!(Barrier::new(0).wait().is_leader());
    });
}

#[test]
fn who_was_unwound_at_a_barrier_does_not_count() {
    let _watched = watch();
    let barrier = Arc::new(Barrier::new(2));
    Runtime::new(Config::new().workers(1)).unwrap().run(|| {
        let started = WaitGroup::new();
        started.add(1);
        go!(clone(barrier, started), {
            started.done();
            barrier.wait();
            unreachable!("nobody else comes");
        });
        started.wait();
    });
    Runtime::new(Config::new().workers(1)).unwrap().run(|| {
        let other = go!(clone(barrier), { barrier.wait().is_leader() });
        assert_ne!(barrier.wait().is_leader(), other.join().unwrap());
    });
}
