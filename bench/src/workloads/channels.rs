//! `Chan*` of Go's `chan_test.go`: one channel, no producers and consumers.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use gochan::{Chan, go, select};

use super::busy::busy;
use crate::measure::Bencher;

/// How many operations a goroutine does for each one that it takes from the shared count.
pub const CALLS_PER_SCHED: u64 = 1000;

/// Makes channels with room for eight elements.
pub fn make<T>(b: &mut Bencher) {
    let mut last = None;
    for _ in 0..b.iterations() {
        last = Some(black_box(Chan::<T>::new(8)));
    }
    if let Some(channel) = last {
        channel.close();
    }
}

/// Polls an unbuffered channel that nobody sends to.
pub fn nonblocking(b: &mut Bencher) {
    let channel = Chan::<i64>::new(0);
    b.run_parallel(|share| {
        while share.take() {
            select! {
                recv(channel) => {},
                default => {},
            }
        }
    });
}

/// Fills and empties a channel of one's own.
pub fn uncontended(b: &mut Bencher) {
    b.run_parallel(|share| {
        let channel = Chan::<i64>::new(100);
        while share.take() {
            fill_and_empty(&channel);
        }
    });
}

/// Fills and empties a channel shared by all.
pub fn contended(b: &mut Bencher) {
    let channel = Chan::<i64>::new(100 * b.workers());
    b.run_parallel(|share| {
        while share.take() {
            fill_and_empty(&channel);
        }
    });
}

fn fill_and_empty(channel: &Chan<i64>) {
    for _ in 0..100 {
        channel.send(0).expect("open");
    }
    for _ in 0..100 {
        black_box(channel.recv());
    }
}

/// Two goroutines pass a value to and fro, with `WORK` turns of computing after each operation.
pub fn sync<const WORK: u32>(b: &mut Bencher) {
    const GOROUTINES: u64 = 2;
    let rounds = b.iterations() / CALLS_PER_SCHED / GOROUTINES * GOROUTINES;
    let rounds = Arc::new(AtomicI64::new(rounds as i64));
    let done = Chan::<bool>::new(GOROUTINES as usize);
    let channel = Chan::<i64>::new(0);
    for _ in 0..GOROUTINES {
        go!(clone(rounds, done, channel), {
            loop {
                let round = rounds.fetch_sub(1, Relaxed) - 1;
                if round < 0 {
                    break;
                }
                for _ in 0..CALLS_PER_SCHED {
                    if round % 2 == 0 {
                        black_box(channel.recv());
                        busy(WORK);
                        channel.send(0).expect("open");
                        busy(WORK);
                    } else {
                        channel.send(0).expect("open");
                        busy(WORK);
                        black_box(channel.recv());
                        busy(WORK);
                    }
                }
            }
            done.send(true).expect("open");
        });
    }
    for _ in 0..GOROUTINES {
        done.recv();
    }
}

/// Receives what a closed channel still holds.
pub fn drain_closed(b: &mut Bencher) {
    let channel = Chan::<()>::new(b.iterations() as usize);
    for _ in 0..b.iterations() {
        channel.send(()).expect("open");
    }
    channel.close();
    b.reset_timer();
    for value in &channel {
        black_box(value);
    }
}

/// Makes a channel, sends one value, receives it.
pub fn creation(b: &mut Bencher) {
    b.run_parallel(|share| {
        while share.take() {
            let channel = Chan::<i64>::new(1);
            channel.send(0).expect("open");
            black_box(channel.recv());
        }
    });
}

/// Enters and leaves a semaphore with as many places as there are workers.
pub fn semaphore(b: &mut Bencher) {
    let channel = Chan::<()>::new(b.workers());
    b.run_parallel(|share| {
        while share.take() {
            channel.send(()).expect("open");
            black_box(channel.recv());
        }
    });
}

/// Polls a closed channel.
pub fn closed(b: &mut Bencher) {
    let channel = Chan::<()>::new(0);
    channel.close();
    b.run_parallel(|share| {
        while share.take() {
            select! {
                recv(channel) => {},
                default => unreachable!("a closed channel is ready"),
            }
        }
    });
}
