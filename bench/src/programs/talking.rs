//! Programs that mostly pass values on.

use std::mem;

use gochan::{Chan, go};

/// Pairs of goroutines each play ping-pong with a counter.
pub fn pairs(count: u64, rounds: u64) -> u64 {
    let sums = Chan::<u64>::new(0);
    for _ in 0..count {
        let (ping, pong) = (Chan::<u64>::new(0), Chan::<u64>::new(0));
        go!(clone(ping, pong), {
            for ball in ping.receiver() {
                pong.send(ball + 1).expect("open");
            }
        });
        go!(clone(sums), {
            let mut ball = 0;
            for _ in 0..rounds {
                ping.send(ball).expect("open");
                ball = pong.recv().expect("open");
            }
            ping.close();
            sums.send(ball).expect("open");
        });
    }
    (0..count).map(|_| sums.recv().expect("open")).sum()
}

/// Finds the primes with a chain of goroutines, one for each, and returns the last.
pub fn sieve(primes: u64) -> u64 {
    let (numbers, mut end) = gochan::channel::<u64>(0);
    go! {
        for number in 2.. {
            if numbers.send(number).is_err() {
                break;
            }
        }
    };
    let mut prime = 0;
    for _ in 0..primes {
        prime = end.recv().expect("the numbers do not end");
        let (rest, next) = gochan::channel(0);
        let numbers = mem::replace(&mut end, next);
        go! {
            for number in numbers {
                if number % prime != 0 && rest.send(number).is_err() {
                    break;
                }
            }
        };
    }
    prime
}

/// Passes a counter around.
pub fn ring(count: u64, laps: u64) -> u64 {
    let (first, mut last) = gochan::channel::<u64>(0);
    for _ in 0..count {
        let (to, next) = gochan::channel(0);
        let from = mem::replace(&mut last, next);
        go! {
            for token in from {
                to.send(token + 1).expect("the next one receives");
            }
        };
    }
    let mut token = 0;
    for _ in 0..laps {
        first.send(token).expect("the first one receives");
        token = last.recv().expect("the last one sends");
    }
    token
}
