//! How goroutines end in a program that is built without unwinding (`panic = "abort"` in its
//! profile): their destructors do not run, and everything else is as usual. Run it both ways:
//!
//! ```text
//! cargo run -p gochan --example without_unwinding
//! cargo run -p gochan --example without_unwinding --config 'profile.dev.panic="abort"'
//! ```

use gochan::prelude::*;
use gochan::runtime::{Config, Runtime};
use gochan::{blocking, goexit, time};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Counts how often it was dropped.
#[derive(Clone, Default)]
struct Tally(Arc<AtomicUsize>);

impl Drop for Tally {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Tally {
    /// How often, where things unwind; never, where they do not.
    fn check(self, what: &str, expected: usize) {
        let expected = if cfg!(panic = "unwind") { expected } else { 0 };
        assert_eq!(self.0.load(Ordering::SeqCst), expected, "{what}");
        println!("{what}: {expected} destructors ran");
    }
}

#[gochan::main]
fn main() {
    println!(
        "panic = {:?}",
        if cfg!(panic = "unwind") {
            "unwind"
        } else {
            "abort"
        }
    );

    // Many, so that stacks that were left behind would be noticed if they were used again.
    let tally = Tally::default();
    for _ in 0..1_000 {
        let ended = go!(clone(tally), {
            let _tally = tally;
            goexit()
        });
        assert!(ended.join().unwrap_err().is_goexit());
    }
    tally.check("goexit", 1_000);

    let tally = Tally::default();
    let (numbers, receiver) = make!(chan u64).split();
    let generator = go!(clone(tally), {
        let _tally = tally;
        for i in 1.. {
            numbers <- i;
        }
    });
    assert_eq!(receiver.iter().take(3).sum::<u64>(), 6);
    drop(receiver);
    assert!(generator.join().unwrap_err().is_goexit());
    tally.check("a generator whose reader has gone", 1);

    // A channel that outlives a runtime whose goroutines wait for it.
    let tally = Tally::default();
    let outside = make!(chan i32);
    blocking(|| {
        Runtime::new(Config::new().workers(2)).unwrap().run(|| {
            for _ in 0..10 {
                go!(clone(outside, tally), {
                    let _tally = tally;
                    outside.recv();
                });
            }
            time::sleep(Duration::from_millis(20));
        });
    });
    assert!(
        outside.try_send(1).unwrap_err().is_full(),
        "nobody waits any more"
    );
    tally.check("the end of a runtime", 10);
}
