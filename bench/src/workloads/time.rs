//! Timers and tickers: from `sleep_test.go` and `tick_test.go` of Go's package `time`.
//!
//! As in Go, every workload runs among timers that are set and never fire, 32,768 for each worker.

use std::hint::black_box;
use std::time::Duration;

use gochan::sync::WaitGroup;
use gochan::time::{self, Ticker, Timer};
use gochan::{Chan, go};

use crate::measure::{Bencher, Share};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
const NANOSECOND: Duration = Duration::from_nanos(1);
/// Timers that are set on each worker before the clock starts.
const OTHERS: usize = 1 << 15;

/// Runs `body` as `Bencher::run_parallel` does, among other timers.
fn among_others(b: &mut Bencher, body: impl Fn(&mut Share) + Sync) {
    let timers: Vec<Vec<Timer>> = gochan::scope(|s| {
        let workers: Vec<_> = (0..b.workers())
            .map(|_| {
                go!(in s, spread, {
                    (0..OTHERS).map(|_| Timer::after_func(HOUR, || {})).collect()
                })
            })
            .collect();
        let timers = workers.into_iter().map(|worker| worker.join());
        timers
            .map(|timers| timers.expect("it only makes timers"))
            .collect()
    });
    b.reset_timer();
    b.run_parallel(body);
    b.stop_timer();
    for timer in timers.iter().flatten() {
        timer.stop();
    }
}

/// A timer that sends by way of a function, and its channel.
fn timer_with_function(after: Duration) -> (Timer, Chan<std::time::Instant>) {
    let channel = Chan::new(1);
    let timer = Timer::after_func(after, {
        let channel = channel.clone();
        move || channel.send(time::now()).expect("open")
    });
    (timer, channel)
}

/// Functions that set a timer for the next one, a thousand times.
pub fn after_func_1000(b: &mut Bencher) {
    fn call_next(left: u32, done: Chan<bool>) {
        Timer::after_func(Duration::ZERO, move || match left {
            0 => done.send(true).expect("open"),
            left => call_next(left - 1, done.clone()),
        });
    }
    among_others(b, |share| {
        while share.take() {
            let done = Chan::new(0);
            call_next(1000, done.clone());
            done.recv();
        }
    });
}

/// Waits for a nanosecond through a channel.
pub fn after(b: &mut Bencher) {
    among_others(b, |share| {
        while share.take() {
            black_box(time::after(NANOSECOND).recv());
        }
    });
}

/// Makes a timer that sends, and stops it.
pub fn stop_channel(b: &mut Bencher) {
    among_others(b, |share| {
        while share.take() {
            Timer::new(SECOND).stop();
        }
    });
}

/// Makes a timer that calls a function, and stops it.
pub fn stop_function(b: &mut Bencher) {
    among_others(b, |share| {
        while share.take() {
            timer_with_function(SECOND).0.stop();
        }
    });
}

/// A thousand timers that fire at once.
pub fn simultaneous_after_func_1000(b: &mut Bencher) {
    among_others(b, |share| {
        while share.take() {
            let wg = WaitGroup::new();
            wg.add(1000);
            for _ in 0..1000 {
                let wg = wg.clone();
                Timer::after_func(Duration::ZERO, move || wg.done());
            }
            wg.wait();
        }
    });
}

/// Makes a thousand timers, then stops them.
pub fn start_stop_1000(b: &mut Bencher) {
    among_others(b, |share| {
        while share.take() {
            let timers: Vec<_> = (0..1000).map(|_| Timer::after_func(HOUR, || {})).collect();
            for timer in &timers {
                timer.stop();
            }
        }
    });
}

/// Sets a timer that sends again and again.
pub fn reset_channel(b: &mut Bencher) {
    among_others(b, |share| {
        let timer = Timer::new(HOUR);
        while share.take() {
            timer.reset(HOUR);
        }
        timer.stop();
    });
}

/// Sets a timer that calls a function again and again.
pub fn reset_function(b: &mut Bencher) {
    among_others(b, |share| {
        let (timer, _channel) = timer_with_function(HOUR);
        while share.take() {
            timer.reset(HOUR);
        }
        timer.stop();
    });
}

/// A thousand goroutines sleep at once.
pub fn sleep_1000(b: &mut Bencher) {
    among_others(b, |share| {
        while share.take() {
            let wg = WaitGroup::new();
            wg.add(1000);
            for _ in 0..1000 {
                go!(clone(wg), {
                    time::sleep(NANOSECOND);
                    wg.done();
                });
            }
            wg.wait();
        }
    });
}

/// Receives the ticks of a ticker that always has one.
pub fn ticker(b: &mut Bencher) {
    among_others(b, |share| {
        let ticker = Ticker::new(NANOSECOND);
        while share.take() {
            black_box(ticker.c().recv());
        }
        ticker.stop();
    });
}

/// Sets a ticker again and again.
pub fn ticker_reset(b: &mut Bencher) {
    among_others(b, |share| {
        let ticker = Ticker::new(NANOSECOND);
        while share.take() {
            ticker.reset(2 * NANOSECOND);
        }
        ticker.stop();
    });
}
