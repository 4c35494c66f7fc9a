//! `Select*` of Go's `chan_test.go`, and `ChanPopular`, which is a select at heart.

use gochan::{Chan, go, select};

use crate::measure::Bencher;

/// Moves a token between two channels of one's own.
pub fn uncontended(b: &mut Bencher) {
    b.run_parallel(|share| {
        let (left, right) = (Chan::<i64>::new(1), Chan::<i64>::new(1));
        left.send(0).expect("open");
        while share.take() {
            select! {
                recv(left) => right.send(0).expect("open"),
                recv(right) => left.send(0).expect("open"),
            }
        }
    });
}

/// Selects that send meet selects that receive, on three unbuffered channels.
pub fn sync_contended(b: &mut Bencher) {
    let [one, two, three, quit] = [(); 4].map(|()| Chan::<i64>::new(0));
    b.run_parallel(|share| {
        go!(clone(one, two, three, quit), {
            loop {
                select! {
                    send(one, 0) => {},
                    send(two, 0) => {},
                    send(three, 0) => {},
                    recv(quit) => break,
                }
            }
        });
        while share.take() {
            select! {
                recv(one) => {},
                recv(two) => {},
                recv(three) => {},
            }
        }
    });
    quit.close();
}

/// Moves as many tokens as there are workers between two channels that all share.
pub fn async_contended(b: &mut Bencher) {
    let left = Chan::<i64>::new(b.workers());
    let right = Chan::<i64>::new(b.workers());
    b.run_parallel(|share| {
        left.send(0).expect("open");
        while share.take() {
            select! {
                recv(left) => right.send(0).expect("open"),
                recv(right) => left.send(0).expect("open"),
            }
        }
    });
}

/// Polls four channels: two unbuffered ones, and two that hold one element.
pub fn nonblock(b: &mut Bencher) {
    let (one, two) = (Chan::<i64>::new(0), Chan::<i64>::new(0));
    let (three, four) = (Chan::<i64>::new(1), Chan::<i64>::new(1));
    b.run_parallel(|share| {
        while share.take() {
            select! {
                recv(one) => {},
                default => {},
            }
            select! {
                send(two, 0) => {},
                default => {},
            }
            select! {
                recv(three) => {},
                default => {},
            }
            select! {
                send(four, 0) => {},
                default => {},
            }
        }
    });
}

/// A thousand goroutines select on one channel that all wait at and one of their own, to which
/// values come in turn.
pub fn popular(b: &mut Bencher) {
    const GOROUTINES: usize = 1000;
    let iterations = b.iterations();
    let popular = Chan::<bool>::new(0);
    gochan::scope(|s| {
        let own: Vec<_> = (0..GOROUTINES)
            .map(|_| {
                let own = Chan::<bool>::new(0);
                go!(in s, clone(popular, own), {
                    for _ in 0..iterations {
                        select! {
                            recv(popular) => {},
                            recv(own) => {},
                        }
                    }
                });
                own
            })
            .collect();
        for _ in 0..iterations {
            for channel in &own {
                channel.send(true).expect("open");
            }
        }
    });
}
