//! `*ProdCons*` of Go's `chan_test.go`: one producer and one consumer for each worker, all on one
//! channel.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use gochan::{Chan, go, select, time};

use super::busy::busy;
use super::channels::CALLS_PER_SCHED;
use crate::measure::Bencher;

/// Sent by each producer as its last value, for one consumer to end at.
const END: i64 = 0;

/// Plain sends and receives through a channel of `CAPACITY`, with `WORK` turns of computing at
/// both ends.
pub fn through<const CAPACITY: usize, const WORK: u32>(b: &mut Bencher) {
    let rounds = rounds_of(b);
    let done = Chan::<bool>::new(2 * b.workers());
    let channel = Chan::<i64>::new(CAPACITY);
    for _ in 0..b.workers() {
        go!(clone(rounds, done, channel), {
            while take(&rounds) {
                for _ in 0..CALLS_PER_SCHED {
                    busy(WORK);
                    channel.send(1).expect("open");
                }
            }
            channel.send(END).expect("open");
            done.send(true).expect("open");
        });
        go!(clone(done, channel), {
            while channel.recv() != Some(END) {
                busy(WORK);
            }
            done.send(true).expect("open");
        });
    }
    for _ in 0..2 * b.workers() {
        done.recv();
    }
}

/// The same through `select!`, next to a timer and a channel that never become ready.
pub fn selecting(b: &mut Bencher) {
    const HOUR: Duration = Duration::from_secs(3600);
    const WORK: u32 = 100;
    let rounds = rounds_of(b);
    let done = Chan::<bool>::new(2 * b.workers());
    let channel = Chan::<i64>::new(128);
    let quit = Chan::<bool>::new(0);
    for _ in 0..b.workers() {
        go!(clone(rounds, done, channel, quit), {
            let timer = time::after(HOUR);
            while take(&rounds) {
                for _ in 0..CALLS_PER_SCHED {
                    busy(WORK);
                    select! {
                        send(channel, 1) => {},
                        recv(timer) => {},
                        recv(quit) => {},
                    }
                }
            }
            channel.send(END).expect("open");
            done.send(true).expect("open");
        });
        go!(clone(done, channel, quit), {
            let timer = time::after(HOUR);
            loop {
                select! {
                    recv(channel) -> value => {
                        if value == Some(END) {
                            break;
                        }
                        black_box(value);
                    },
                    recv(timer) => {},
                    recv(quit) => {},
                }
                busy(WORK);
            }
            done.send(true).expect("open");
        });
    }
    for _ in 0..2 * b.workers() {
        done.recv();
    }
}

fn rounds_of(b: &Bencher) -> Arc<AtomicI64> {
    Arc::new(AtomicI64::new((b.iterations() / CALLS_PER_SCHED) as i64))
}

fn take(rounds: &AtomicI64) -> bool {
    rounds.fetch_sub(1, Relaxed) > 0
}
