//! What the integration tests stand on: a watchdog, the sides and runtimes on which a test is
//! repeated, values that count their drops, and numbers from a printed seed.

#![allow(
    dead_code,
    reason = "each test binary includes all of it and uses a part"
)]

use gochan::JoinHandle;
use gochan::runtime::{Config, Runtime};
use gochan::sync::WaitGroup;
use std::any::Any;
use std::cell::Cell;
use std::io::Write;
use std::panic::Location;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

pub const MILLI: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);
pub const HOUR: Duration = Duration::from_secs(3600);

// ----- watchdog ---------------------------------------------------------------------------

/// How long no test of a binary may begin or end before the process is aborted.
const PATIENCE: Duration = Duration::from_secs(60);

struct Watch {
    running: Vec<String>,
    last_progress: Option<Instant>,
}

static WATCH: Mutex<Watch> = Mutex::new(Watch {
    running: Vec::new(),
    last_progress: None,
});

/// A test under watch, until it is dropped.
pub struct Watched(String);

/// Puts the calling test under the watchdog: a hang aborts the process and names it.
#[track_caller]
pub fn watch() -> Watched {
    static START: Once = Once::new();
    START.call_once(|| _ = thread::spawn(watch_for_ever));
    let thread = thread::current();
    let test = format!("{} ({})", thread.name().unwrap_or("?"), Location::caller());
    let mut watch = WATCH.lock().unwrap();
    watch.running.push(test.clone());
    watch.last_progress = Some(Instant::now());
    Watched(test)
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut watch = WATCH.lock().unwrap();
        if let Some(place) = watch.running.iter().position(|test| *test == self.0) {
            watch.running.remove(place);
        }
        watch.last_progress = Some(Instant::now());
    }
}

fn watch_for_ever() {
    gochan::runtime::declare_bystander();
    loop {
        thread::sleep(Duration::from_secs(1));
        let watch = WATCH.lock().unwrap();
        let stuck = watch
            .last_progress
            .is_some_and(|last| last.elapsed() > PATIENCE);
        if stuck && !watch.running.is_empty() {
            // Written past the capture of the test runner, which an abort would lose.
            let _ = writeln!(
                std::io::stderr(),
                "watchdog: no progress for {PATIENCE:?}; still running: {}",
                watch.running.join(", ")
            );
            std::process::abort();
        }
    }
}

// ----- where a test runs ------------------------------------------------------------------

/// Runs `body` as the main goroutine of a runtime with so many workers.
#[track_caller]
pub fn on_workers<T: Send>(workers: usize, body: impl FnOnce() -> T + Send) -> T {
    let _watched = watch();
    Runtime::new(Config::new().workers(workers))
        .unwrap()
        .run(body)
}

/// Runs `body` as the main goroutine of a runtime with one worker, then of one with two.
#[track_caller]
pub fn each_runtime(body: impl Fn() + Sync) {
    for workers in [1, 2] {
        on_workers(workers, &body);
    }
}

/// As [`each_runtime`], and then on an ordinary thread.
#[track_caller]
pub fn everywhere(body: impl Fn() + Sync) {
    each_runtime(&body);
    let _watched = watch();
    body();
}

/// Runs `body` in virtual time, with one worker and with two.
#[track_caller]
pub fn in_virtual_time(body: impl Fn() + Sync) {
    let _watched = watch();
    for workers in [1, 2] {
        Runtime::new(Config::new().workers(workers).virtual_time(true))
            .unwrap()
            .run(&body);
    }
}

/// Starts `count` goroutines. Each calls `body` with its number, and with what it is to call before it
/// waits; this returns when all have called that.
#[track_caller]
pub fn start_waiters<F>(count: usize, body: F)
where
    F: Fn(usize, &dyn Fn()) + Send + Sync + 'static,
{
    let (body, started) = (Arc::new(body), WaitGroup::new());
    started.add(count);
    for number in 0..count {
        gochan::go!(clone(body, started), {
            body(number, &|| started.done());
        });
    }
    started.wait();
}

/// Ends a runtime in which what `start` has started waits, and calls `serve` when the waits are about
/// to be ended but have not been: so who is served is unwound before it runs again.
#[track_caller]
pub fn served_at_the_end<F>(start: impl FnOnce() + Send, serve: F)
where
    F: FnOnce() + Send + 'static,
{
    struct ServesOnDrop<F: FnOnce()>(Arc<Mutex<Option<F>>>);
    impl<F: FnOnce()> Drop for ServesOnDrop<F> {
        fn drop(&mut self) {
            let serve = self.0.lock().unwrap().take();
            if let Some(serve) = serve {
                serve();
            }
        }
    }
    let serve = Arc::new(Mutex::new(Some(serve)));
    on_workers(1, || {
        let start_one_that_serves = || {
            let serves = ServesOnDrop(Arc::clone(&serve));
            gochan::go!({
                let _serves = serves;
                gochan::Chan::<()>::new(0).recv();
            });
            give_chances();
        };
        // One before and one after: whichever end of them is unwound first.
        start_one_that_serves();
        start();
        give_chances();
        start_one_that_serves();
    });
}

/// What a partner of a test runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Goroutine,
    Thread,
}

/// Runs `body` for every pair of sides, on each runtime.
#[track_caller]
pub fn each_pair(body: impl Fn(Side, Side) + Sync) {
    each_runtime(|| {
        for left in [Side::Goroutine, Side::Thread] {
            for right in [Side::Goroutine, Side::Thread] {
                body(left, right);
            }
        }
    });
}

impl Side {
    /// Starts `body` on this side.
    #[track_caller]
    pub fn start<T: Send + 'static>(self, body: impl FnOnce() -> T + Send + 'static) -> Task<T> {
        match self {
            Side::Goroutine => Task::Goroutine(gochan::go!(body())),
            Side::Thread => Task::Thread(thread::spawn(body)),
        }
    }
}

/// A goroutine or a thread that was started.
pub enum Task<T> {
    Goroutine(JoinHandle<T>),
    Thread(thread::JoinHandle<T>),
}

impl<T: Send + 'static> Task<T> {
    /// Waits for its end. A `goexit` is a payload like any other here.
    pub fn outcome(self) -> thread::Result<T> {
        match self {
            Task::Goroutine(handle) => {
                handle.join().map_err(|error| match error.try_into_panic() {
                    Ok(payload) => payload,
                    Err(error) => Box::new(error.to_string()) as Box<dyn Any + Send>,
                })
            }
            Task::Thread(handle) => gochan::blocking(|| handle.join()),
        }
    }

    /// Waits for what it returns, and panics as it did.
    #[track_caller]
    pub fn join(self) -> T {
        match self.outcome() {
            Ok(value) => value,
            Err(payload) => panic!("a partner panicked: {}", message_of(&*payload)),
        }
    }
}

/// What a panic said.
pub fn message_of(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "(no message)".to_owned()
    }
}

/// Calls `body` and returns what it panics with.
#[track_caller]
pub fn panic_of(body: impl FnOnce()) -> String {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)) {
        Ok(()) => panic!("no panic"),
        Err(payload) => message_of(&*payload),
    }
}

/// Lets others run until `condition` holds; a condition that never does is for the watchdog.
pub fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        gochan::yield_now();
    }
}

/// Gives others every chance to do what they must not do yet. No test is right because of it.
pub fn give_chances() {
    for _ in 0..20 {
        gochan::yield_now();
    }
}

/// Computes for as long as `duration`, without a look at anything of the runtime's.
pub fn compute(duration: Duration) {
    let start = Instant::now();
    while start.elapsed() < duration {
        std::hint::spin_loop();
    }
}

// ----- values that are counted ------------------------------------------------------------

/// Makes values and knows how often each was dropped.
#[derive(Debug)]
pub struct Tally {
    /// Leaked, so that a value that is dropped once too often still finds its counter.
    drops: &'static [AtomicU32],
    made: AtomicUsize,
}

/// A value of a [`Tally`].
#[derive(Debug)]
pub struct Counted {
    pub id: usize,
    drops: &'static AtomicU32,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
    }
}

impl Tally {
    /// A tally for up to `count` values.
    pub fn new(count: usize) -> Self {
        Tally {
            drops: Box::leak((0..count).map(|_| AtomicU32::new(0)).collect()),
            made: AtomicUsize::new(0),
        }
    }

    /// The next value.
    pub fn value(&self) -> Counted {
        let id = self.made.fetch_add(1, Ordering::SeqCst);
        Counted {
            id,
            drops: &self.drops[id],
        }
    }

    /// How many values there were in all.
    pub fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    /// How many drops there were in all.
    pub fn dropped(&self) -> usize {
        let drops = self.drops.iter();
        drops
            .map(|drops| drops.load(Ordering::SeqCst) as usize)
            .sum()
    }

    /// Asserts that every value that was made has been dropped once.
    #[track_caller]
    pub fn assert_each_dropped_once(&self) {
        for (id, drops) in self.drops.iter().enumerate() {
            let expected = u32::from(id < self.made.load(Ordering::SeqCst));
            let drops = drops.load(Ordering::SeqCst);
            assert_eq!(drops, expected, "value {id} was dropped {drops} times");
        }
    }
}

// ----- random numbers ---------------------------------------------------------------------

/// A small generator (xorshift64*), so that a test can be repeated from its printed seed.
#[derive(Debug)]
pub struct Dice(Cell<u64>);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(Cell::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1))
    }

    pub fn next(&self) -> u64 {
        let mut x = self.0.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0.set(x);
        x.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`.
    pub fn below(&self, bound: u64) -> u64 {
        (self.next() >> 33) % bound
    }
}

/// Pearson's statistic against equal shares.
pub fn chi_square(counts: &[u64]) -> f64 {
    let expected = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
    counts
        .iter()
        .map(|&count| (count as f64 - expected).powi(2) / expected)
        .sum()
}

// ----- programs of their own --------------------------------------------------------------

const PROGRAM: &str = "GOCHAN_TEST_PROGRAM";

/// Whether this process is a child that is to be the calling test's program.
pub fn is_program(name: &str) -> bool {
    std::env::var(PROGRAM).is_ok_and(|program| program == name)
}

/// Runs the test `name` of this binary in a process of its own, in which [`is_program`] is true.
pub fn run_program(name: &str, environment: &[(&str, &str)]) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(PROGRAM, name)
        .env("RUST_BACKTRACE", "0")
        .env_remove("GOCHAN_MAXPROCS")
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// The address space that the process has and a little more: enough for all but the stack of a
/// thread.
#[cfg(target_os = "linux")]
pub fn room_for_no_thread() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let size = lines.find_map(|line| line.strip_prefix("VmSize:"));
    let kilobytes = size.unwrap().trim().strip_suffix(" kB").unwrap();
    (kilobytes.parse::<u64>().unwrap() << 10) + (1 << 20)
}

/// How many threads of the process do not sleep, the caller among them.
#[cfg(target_os = "linux")]
pub fn threads_awake() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).ok())
        // Behind the name, which may have parentheses of its own.
        .filter(|status| !status.rsplit(") ").next().unwrap().starts_with('S'))
        .count()
}
