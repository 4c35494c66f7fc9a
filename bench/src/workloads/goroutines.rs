//! Starting, ending and switching of goroutines: from Go's `proc_test.go`, and our own
//! `Spawn/Finish`.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use gochan::{Chan, go, select};

use crate::measure::Bencher;

/// Two goroutines play ping-pong while a third, on the same worker, never waits.
pub fn ping_pong_hog(b: &mut Bencher) {
    let iterations = b.iterations();
    let [stop, done, ping, pong] = [(); 4].map(|()| Chan::<bool>::new(0));
    go!(clone(stop, done), {
        loop {
            select! {
                recv(stop) => break,
                default => {},
            }
        }
        done.send(true).expect("open");
    });
    go!(clone(stop, done, ping, pong), {
        for _ in 0..iterations {
            let ball = ping.recv().expect("open");
            pong.send(ball).expect("open");
        }
        stop.close();
        done.send(true).expect("open");
    });
    go!(clone(done, ping, pong), {
        for _ in 0..iterations {
            let ball = pong.recv().expect("open");
            ping.send(ball).expect("open");
        }
        done.send(true).expect("open");
    });
    b.reset_timer();
    ping.send(true).expect("open");
    stop.recv();
    b.stop_timer();
    // The last ball is still in the air.
    ping.recv();
    for _ in 0..3 {
        done.recv();
    }
}

/// One chain of goroutines, each of which starts the next.
pub fn create(b: &mut Bencher) {
    chains(b, 1);
}

/// A chain for each worker.
pub fn create_parallel(b: &mut Bencher) {
    chains(b, b.workers());
}

fn chains(b: &Bencher, count: usize) {
    fn link(left: u64, done: Chan<bool>) {
        if left == 0 {
            done.send(true).expect("open");
        } else {
            go!(link(left - 1, done));
        }
    }
    let done = Chan::<bool>::new(0);
    let length = b.iterations() / count as u64;
    for _ in 0..count {
        go!(link(length, done.clone()));
    }
    for _ in 0..count {
        done.recv();
    }
}

/// Starts four goroutines that capture a counter and a reference, and waits for them.
pub fn create_capture(b: &mut Bencher) {
    const GOROUTINES: usize = 4;
    let b = &*b;
    for _ in 0..b.iterations() {
        gochan::scope(|s| {
            for i in 0..GOROUTINES {
                go!(in s, {
                    if i >= GOROUTINES {
                        black_box(b);
                    }
                });
            }
        });
    }
}

/// One goroutine starts all the others while the other workers are awake.
pub fn create_single(b: &mut Bencher) {
    wake_all(b.workers());
    b.reset_timer();
    gochan::scope(|s| {
        for _ in 0..b.iterations() {
            go!(in s, {});
        }
    });
}

/// Returns when every worker has run a goroutine for a millisecond.
fn wake_all(workers: usize) {
    const SPIN: Duration = Duration::from_millis(1);
    let running = AtomicUsize::new(0);
    let running = &running;
    gochan::scope(|s| {
        for _ in 0..workers {
            go!(in s, {
                running.fetch_add(1, Relaxed);
                while running.load(Relaxed) < workers {
                    std::hint::spin_loop();
                }
                let start = Instant::now();
                while start.elapsed() < SPIN {
                    std::hint::spin_loop();
                }
            });
        }
    });
}

/// Starts goroutines on this worker and lets them end, a hundred at a time, so that after the
/// first hundred every stack is a recycled one.
pub fn spawn_and_finish(b: &mut Bencher) {
    const BATCH: u64 = 100;
    /// A static: to count in an `Arc` would cost as much as the goroutine.
    static ENDED: AtomicU64 = AtomicU64::new(0);
    ENDED.store(0, Relaxed);
    let mut started = 0;
    while started < b.iterations() {
        let batch = BATCH.min(b.iterations() - started);
        for _ in 0..batch {
            go!(near, {
                ENDED.fetch_add(1, Relaxed);
            });
        }
        started += batch;
        while ENDED.load(Relaxed) < started {
            gochan::yield_now();
        }
    }
}
