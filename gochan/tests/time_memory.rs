//! A million timers at once (in an optimized build), and that nothing is left of those that are
//! dropped: alone in its process, because it counts what is allocated.

mod harness;

use gochan::context::Context;
use gochan::time::{self, Ticker, Timer};
use harness::HOUR;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A million, or what an unoptimized build can do in a few seconds.
const MILLION: u32 = if cfg!(debug_assertions) {
    100_000
} else {
    1_000_000
};
const MANY: u32 = 80_000;

/// What a runtime keeps at hand for what is made next; less than would be left if two words of each
/// of [`MANY`] were.
const SLACK: usize = 1 << 20;
/// By when free memory that nobody has used has been given back.
const GIVEN_BACK: Duration = Duration::from_secs(20);

/// Makes `count` of something, lets `body` see them, and drops them.
fn make_and_drop<T>(count: u32, what: &str, make: impl Fn(u32) -> T, body: impl Fn(&mut Vec<T>)) {
    let before = ALLOCATED.load(Ordering::Relaxed);
    let start = Instant::now();
    let mut all: Vec<_> = (0..count).map(make).collect();
    let made = start.elapsed();
    let allocated = ALLOCATED.load(Ordering::Relaxed).saturating_sub(before);
    body(&mut all);
    let start = Instant::now();
    drop(all);
    println!(
        "{what}: {} bytes and {:?} each; dropped in {:?} each",
        allocated / count as usize,
        made / count,
        start.elapsed() / count,
    );
}

/// Compares the memory after `body` with that before, once what idles has been given back.
fn nothing_is_left(body: impl FnOnce()) {
    let before = ALLOCATED.load(Ordering::Relaxed);
    body();
    let dropped = Instant::now();
    loop {
        let left = ALLOCATED.load(Ordering::Relaxed).saturating_sub(before);
        if left < SLACK {
            println!("{left} bytes are left after {:?}", dropped.elapsed());
            break;
        }
        assert!(dropped.elapsed() < GIVEN_BACK, "{left} bytes are left");
        time::sleep(Duration::from_millis(20));
    }
}

/// Durations that are neither sorted nor equal.
fn long(number: u32) -> Duration {
    HOUR + Duration::from_micros(u64::from(number) * 7_919 % 1_000_003)
}

#[test]
fn a_million_at_once_and_nothing_is_left() {
    harness::on_workers(2, || nothing_is_left(make_and_drop_all));
}

fn make_and_drop_all() {
    make_and_drop(MANY, "after", |number| time::after(long(number)), |_| {});
    make_and_drop(MANY, "timers", |number| Timer::new(long(number)), |_| {});
    make_and_drop(MANY, "tickers", |number| Ticker::new(long(number)), |_| {});
    make_and_drop(
        MILLION,
        "timers that are stopped",
        |number| Timer::new(long(number)),
        |timers| {
            let start = Instant::now();
            assert!(timers.iter().all(Timer::stop));
            println!("stopped in {:?} each", start.elapsed() / MILLION);
            assert!(timers.iter().all(|timer| !timer.reset(HOUR)));
            assert!(timers.iter().all(|timer| timer.reset(HOUR * 2)));
        },
    );
    make_and_drop(
        MANY,
        "timers that fire",
        |number| Timer::new(Duration::from_nanos(u64::from(number))),
        |timers| assert!(timers.iter().all(|timer| timer.c().recv().is_some())),
    );
    make_and_drop(
        MANY,
        "functions that are stopped",
        |number| Timer::after_func(long(number), move || println!("{number}")),
        |timers| assert!(timers.iter().all(Timer::stop)),
    );
    let root = Context::background();
    make_and_drop(
        MANY,
        "contexts with a timeout",
        |number| root.with_timeout(long(number)),
        |_| {},
    );
    let (root, _cancel) = root.with_cancel();
    make_and_drop(MANY, "children", |_| root.with_cancel(), |_| {});
    make_and_drop(
        MANY,
        "children without guards",
        |_| {
            let (ctx, cancel) = root.with_cancel();
            cancel.detach();
            ctx
        },
        |_| {},
    );
    make_and_drop(
        MANY,
        "functions of a context",
        |_| root.after_func(|| unreachable!("it is stopped")),
        |calls| assert!(calls.iter().all(|call| call.stop())),
    );
}
