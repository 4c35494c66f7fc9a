//! How late sleeps end while workers are idle: alone in its process, because other tests would
//! keep the processors busy, and not under a sanitizer, which takes its time.

mod harness;

use gochan::go;
use gochan::time;
use harness::{MILLI, on_workers};
use std::thread;
use std::time::{Duration, Instant};

/// How late the median of a thousand sleeps of 1 to 50 ms ends; none may end early.
fn median_lateness() -> Duration {
    let sleepers: Vec<_> = (0..1_000)
        .map(|number| {
            go!({
                let duration = Duration::from_micros(1_000 + number * 49);
                let start = Instant::now();
                time::sleep(duration);
                let slept = start.elapsed();
                assert!(slept >= duration, "{slept:?} instead of {duration:?}");
                slept - duration
            })
        })
        .collect();
    let mut lateness: Vec<_> = sleepers
        .into_iter()
        .map(|one| one.join().unwrap())
        .collect();
    lateness.sort();
    println!(
        "lateness: median {:?}, 99 % {:?}, worst {:?}",
        lateness[500], lateness[990], lateness[999]
    );
    lateness[500]
}

/// What the operating system makes of sleeps of 1 ms, for as long as the goroutines sleep: one in
/// ten is later than this.
fn lateness_of_a_thread() -> Duration {
    let mut lateness: Vec<_> = (0..50)
        .map(|_| {
            let start = Instant::now();
            thread::sleep(MILLI);
            start.elapsed() - MILLI
        })
        .collect();
    lateness.sort();
    lateness[45]
}

#[test]
fn sleeps_end_not_early_and_with_an_idle_worker_not_late() {
    on_workers(2, || {
        // What else runs on the machine may make one attempt late, not all; and where threads
        // that only sleep are late too there is no idle processor to measure on.
        for _ in 0..8 {
            let control = thread::spawn(lateness_of_a_thread);
            let median = median_lateness();
            let control = gochan::blocking(|| control.join().unwrap());
            println!("a thread: {control:?}");
            if median < Duration::from_micros(200) || control > Duration::from_micros(200) {
                return;
            }
        }
        panic!("late on an idle machine");
    });
}
