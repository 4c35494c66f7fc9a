//! `Mutex*`, `RWMutex*`, `WaitGroup*`, `Cond*` and `Once` of Go's package `sync`.

use std::hint::black_box;

use gochan::sync::{Cond, Mutex, Once, RwLock, WaitGroup};
use gochan::{Chan, go};

use super::busy::{busy, double_and_halve};
use crate::measure::Bencher;

/// Keeps what one goroutine has for itself off the cache lines of the others.
#[repr(align(128))]
struct Apart<T>(T);

// ----- Mutex* -----------------------------------------------------------------------------

/// Each goroutine locks a mutex of its own.
pub fn mutex_uncontended(b: &mut Bencher) {
    b.run_parallel(|share| {
        let mutex = Apart(Mutex::new(()));
        while share.take() {
            drop(mutex.0.lock());
        }
    });
}

/// `PARALLELISM` goroutines for each worker lock one mutex, with `WORK` turns of computing in
/// between.
pub fn mutex<const PARALLELISM: usize, const WORK: u32>(b: &mut Bencher) {
    let mutex = Mutex::new(());
    b.run_parallel_times(PARALLELISM, |share| {
        while share.take() {
            drop(mutex.lock());
            busy(WORK);
        }
    });
}

/// Four goroutines for each worker: of four iterations one locks, the others touch data of their
/// own and wait for another goroutine. To spin for such a lock gains nothing.
pub fn mutex_no_spin(b: &mut Bencher) {
    let sums = Mutex::new((0_i64, 0_i64));
    b.run_parallel_times(4, |share| {
        let done = Chan::<bool>::new(0);
        let mut data = vec![0_u64; 4 << 10];
        let mut iteration = 0_u64;
        while share.take() {
            if iteration.is_multiple_of(4) {
                shift(&sums);
            } else {
                touch(&mut data);
                go!(clone(done), {
                    done.send(true).expect("open");
                });
                done.recv();
            }
            iteration += 1;
        }
    });
}

/// A goroutine for each worker locks, and then touches a fair amount of data, which it would find
/// less quickly if it had been parked.
pub fn mutex_spin(b: &mut Bencher) {
    let sums = Mutex::new((0_i64, 0_i64));
    b.run_parallel(|share| {
        let mut data = vec![0_u64; 16 << 10];
        while share.take() {
            shift(&sums);
            touch(&mut data);
        }
    });
}

fn shift(sums: &Mutex<(i64, i64)>) {
    let mut sums = sums.lock();
    sums.0 -= 100;
    sums.1 += 100;
}

/// Changes every fourth word, which are two in each line of a cache.
///
/// A turn of the loop is a line: one that takes a single cycle takes twice as long where its jump
/// lies across the end of a line of code, and where that is changes with all other code.
fn touch(data: &mut [u64]) {
    for line in data.chunks_exact_mut(8) {
        line[0] += 1;
        line[4] += 1;
    }
    black_box(data);
}

// ----- RWMutex* ---------------------------------------------------------------------------

/// Each goroutine has a lock of its own, which it takes twice for reading and once for writing.
pub fn rwmutex_uncontended(b: &mut Bencher) {
    b.run_parallel(|share| {
        let lock = Apart(RwLock::new(()));
        while share.take() {
            let lock = &lock.0;
            let (first, second) = (lock.read(), lock.read());
            drop(first);
            drop(second);
            drop(lock.write());
        }
    });
}

/// All use one lock: of `RATIO` iterations one writes, the others read, for `WORK` turns.
pub fn rwmutex<const WORK: u32, const RATIO: i64>(b: &mut Bencher) {
    let lock = RwLock::new(());
    b.run_parallel(|share| {
        let mut count = 0_i64;
        while share.take() {
            count += 1;
            if count % RATIO == 0 {
                drop(lock.write());
            } else {
                let guard = lock.read();
                count = double_and_halve(count, WORK);
                drop(guard);
            }
        }
    });
}

// ----- WaitGroup* -------------------------------------------------------------------------

/// Each goroutine has a group of its own.
pub fn wait_group_uncontended(b: &mut Bencher) {
    b.run_parallel(|share| {
        let wg = Apart(WaitGroup::new());
        while share.take() {
            let wg = &wg.0;
            wg.add(1);
            wg.done();
            wg.wait();
        }
    });
}

/// All count up and down in one group, with `WORK` turns of computing in between.
pub fn wait_group_add_done<const WORK: u32>(b: &mut Bencher) {
    let wg = WaitGroup::new();
    b.run_parallel(|share| {
        while share.take() {
            wg.add(1);
            busy(WORK);
            wg.done();
        }
    });
}

/// All wait for a group whose count is zero, with `WORK` turns of computing in between.
pub fn wait_group_wait<const WORK: u32>(b: &mut Bencher) {
    let wg = WaitGroup::new();
    b.run_parallel(|share| {
        while share.take() {
            wg.wait();
            busy(WORK);
        }
    });
}

/// Waits for a goroutine.
pub fn wait_group_actually_wait(b: &mut Bencher) {
    b.run_parallel(|share| {
        while share.take() {
            let wg = WaitGroup::new();
            wg.add(1);
            go!(clone(wg), { wg.done() });
            wg.wait();
        }
    });
}

// ----- Cond* ------------------------------------------------------------------------------

/// `WAITERS` goroutines and one more meet again and again: the last one to come wakes the others.
pub fn cond<const WAITERS: usize>(b: &mut Bencher) {
    /// Says that one has ended, and so all are to.
    const OVER: usize = usize::MAX;
    let iterations = b.iterations();
    let (met, all_met) = (Mutex::new(0_usize), Cond::new());
    let (met, all_met) = (&met, &all_met);
    let done = Chan::<bool>::new(0);
    gochan::scope(|s| {
        for _ in 0..=WAITERS {
            go!(in s, clone(done), {
                for _ in 0..iterations {
                    let mut count = met.lock();
                    if *count == OVER {
                        break;
                    }
                    *count += 1;
                    if *count == WAITERS + 1 {
                        *count = 0;
                        all_met.notify_all();
                    } else {
                        drop(all_met.wait(count));
                    }
                }
                *met.lock() = OVER;
                all_met.notify_all();
                done.send(true).expect("open");
            });
        }
        for _ in 0..=WAITERS {
            done.recv();
        }
    });
}

// ----- Once -------------------------------------------------------------------------------

/// Asks for what has been done already.
pub fn once(b: &mut Bencher) {
    let once = Once::new();
    b.run_parallel(|share| {
        while share.take() {
            once.call_once(|| {});
        }
    });
}
