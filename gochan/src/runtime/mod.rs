//! The runtime: workers that run goroutines, their settings, and what can be asked of them.
//!
//! Most programs never name it: the first `go!` of an ordinary thread starts the default
//! runtime, and [`#[gochan::main]`](macro@crate::main) runs `main` on it. A [`Runtime`] of one's
//! own serves tests and programs that want an end to their goroutines.
//!
//! Timers of ordinary threads use the default runtime too. Where it cannot start, since an
//! environment variable makes no sense or no threads can be had, whoever needs it panics and says
//! why; `#[gochan::main]` ends the process with status 2.

pub(crate) mod blocking;
pub(crate) mod blocks;
pub(crate) mod census;
pub(crate) mod clock;
pub(crate) mod completion;
mod config;
mod deadlock;
mod dump;
mod gate;
pub(crate) mod goroutine;
mod hog;
mod idle_memory;
pub(crate) mod locals;
mod mailbox;
mod overflow;
pub(crate) mod panics;
pub(crate) mod placement;
mod processor;
#[cfg(unix)]
mod quit;
pub(crate) mod random;
mod reckoning;
mod run_queue;
mod running;
mod spawn;
mod stack;
mod start_queue;
mod this_thread;
mod timer_heap;
mod timers;
mod turn;
mod worker;

#[cfg(all(test, loom))]
mod loom_models;

pub use census::declare_bystander;
pub use config::{Config, PanicPolicy};
pub use dump::{Dump, GoroutineStatus, dump};
pub(crate) use goroutine::Interrupt;
use running::here;
pub(crate) use running::{
    Running, blocking_pool, count, current_goroutine, discount, end_goroutine, end_park,
    is_main_goroutine, is_unwinding, may_look_on, now, now_of_timers, now_or_just_after, park,
    park_until_ready, random_below, ready, ready_in_turn, searching_workers, subtract_lock,
    unwind_if_ending, yield_goroutine,
};
use spawn::reserve_ids;
pub(crate) use spawn::{Kind, SpawnOptions, start, start_detached};
pub(crate) use this_thread::this_thread;
pub(crate) use timers::{ChannelTimer, DeadlineTimer, Expiry, StartTimer};
pub(crate) use turn::Operation;
pub(crate) use worker::switch_from;

use crate::join::Failure;
use crate::wait::WaitReason;
use crate::wait::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use blocking::BlockingPool;
use clock::Clock;
use config::Settings;
use deadlock::Vigil;
use mailbox::Mailbox;
use parking_lot::Mutex;
use placement::Site;
use std::fmt;
use std::io;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use worker::Worker;

/// All runtimes that have not ended.
static RUNTIMES: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

fn register(shared: &Arc<Shared>) {
    let mut runtimes = RUNTIMES.lock();
    runtimes.retain(|one| one.strong_count() > 0);
    runtimes.push(Arc::downgrade(shared));
}

/// All that live, the oldest first.
fn runtimes() -> Vec<Arc<Shared>> {
    RUNTIMES.lock().iter().filter_map(Weak::upgrade).collect()
}

/// Workers that run goroutines.
///
/// A runtime of one's own runs one closure as its main goroutine; when that has returned, the
/// goroutines that are still parked are unwound and the workers end. Any number of runtimes can
/// live side by side; channels belong to none of them.
///
/// ```
/// use gochan::prelude::*;
/// use gochan::runtime::{Config, Runtime};
///
/// let sum = Runtime::new(Config::new().workers(1))?.run(|| {
///     let ch = make!(chan i32);
///     go!(clone(ch), {
///         for i in 1..=3 {
///             ch <- i;
///         }
///         ch.close();
///     });
///     ch.iter().sum::<i32>()
/// });
/// assert_eq!(sum, 6);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Runtime {
    shared: Arc<Shared>,
    threads: Vec<thread::JoinHandle<()>>,
}

/// What the workers of a runtime share.
pub(crate) struct Shared {
    workers: Vec<&'static Mailbox>,
    settings: Settings,
    clock: Clock,
    ending: AtomicBool,
    /// How many main goroutines have ended of which whoever waits for them does not know yet.
    unheeded_ends: AtomicUsize,
    searchers: Searchers,
    idleness: Idleness,
    blocking: Arc<BlockingPool>,
    vigil: Vigil,
}

/// Counts the idle workers that look for work, so that nobody wakes another one.
#[derive(Default)]
struct Searchers(AtomicUsize);

impl Searchers {
    fn enter(&self) -> Searching<'_> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Searching(self)
    }
}

struct Searching<'a>(&'a Searchers);

impl Drop for Searching<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Tells when no worker has anything to do; kept in virtual time only.
#[derive(Default)]
struct Idleness {
    idle: AtomicUsize,
    /// How often a worker has ceased to be idle.
    ended: AtomicUsize,
}

impl Idleness {
    /// Counts the calling worker as idle. `Some`: so are all, as of the returned moment.
    fn enter(&self, workers: usize) -> Option<usize> {
        let moment = self.ended.load(Ordering::SeqCst);
        let idle = self.idle.fetch_add(1, Ordering::SeqCst) + 1;
        (idle == workers).then_some(moment)
    }

    /// In this order: who finds all idle, and later that nobody has left since it looked, must not
    /// have counted one that was leaving.
    fn leave(&self) {
        self.idle.fetch_sub(1, Ordering::SeqCst);
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether nobody has left since.
    fn has_lasted_since(&self, moment: usize) -> bool {
        self.ended.load(Ordering::SeqCst) == moment
    }
}

impl Shared {
    /// Has the workers unwind what is parked, and end.
    fn end(&self) {
        self.ending.store(true, Ordering::SeqCst);
        for worker in &self.workers {
            worker.wake();
        }
    }

    #[inline]
    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    /// Whether no worker has been left anything to do, no helper thread is at work on whose
    /// result a goroutine waits, and nobody is about to learn that a main goroutine has ended.
    fn nothing_is_pending(&self) -> bool {
        !self.blocking.has_pending()
            && self.unheeded_ends.load(Ordering::SeqCst) == 0
            && self.workers.iter().all(|worker| worker.is_empty())
    }

    /// Sees to it that a goroutine that worker `from`, or an ordinary thread, has put into the start
    /// queue of worker `at` is noticed: by that worker if it sleeps, else by an idle one, in case
    /// that it stays busy.
    #[inline]
    fn offer(&self, at: usize, from: Option<usize>) {
        if self.workers.len() == 1 && from == Some(at) {
            return;
        }
        // Pairs with the announcement of a sleep: either the sleeper sees the goroutine in the
        // queue, or we see the sleeper.
        fence(Ordering::SeqCst);
        if from != Some(at) && self.workers[at].wake() {
            return;
        }
        if self.workers.len() > 1 {
            self.wake_if_nobody_searches();
        }
    }

    #[inline]
    fn wake_if_nobody_searches(&self) {
        if self.searchers.0.load(Ordering::SeqCst) == 0 {
            self.wake_one();
        }
    }

    #[cold]
    fn wake_one(&self) {
        for worker in &self.workers {
            if worker.wake() {
                return;
            }
        }
    }
}

// Nothing of it can be seen that a panic has left half done: goroutines unwind by themselves.
impl UnwindSafe for Runtime {}
impl RefUnwindSafe for Runtime {}

impl Runtime {
    /// Starts the workers.
    ///
    /// # Errors
    /// A setting or environment variable that makes no sense, named with its value, or that the
    /// operating system gives no more threads.
    pub fn new(config: Config) -> io::Result<Runtime> {
        Runtime::start(config.resolve()?)
    }

    /// The runtime of a `#[gochan::test]`.
    pub(crate) fn for_test(config: Config) -> io::Result<Runtime> {
        Runtime::start(Settings {
            is_for_test: true,
            ..config.resolve()?
        })
    }

    fn start(settings: Settings) -> io::Result<Runtime> {
        panics::install_hook();
        overflow::install_handler();
        #[cfg(unix)]
        quit::install_handler();
        let clock = if settings.virtual_time {
            Clock::virtual_time()
        } else {
            Clock::monotonic()
        };
        let shared = Arc::new(Shared {
            workers: (0..settings.workers).map(|_| Mailbox::obtain()).collect(),
            clock,
            ending: AtomicBool::new(false),
            unheeded_ends: AtomicUsize::new(0),
            searchers: Searchers::default(),
            idleness: Idleness::default(),
            blocking: Arc::new(BlockingPool::new(settings.blocking_threads, &settings.name)),
            vigil: Vigil::default(),
            settings,
        });
        register(&shared);
        let mut runtime = Runtime {
            shared,
            threads: Vec::new(),
        };
        if let Some(limit) = runtime.shared.settings.hog_limit {
            let started = hog::watch(&runtime.shared, limit);
            started.map_err(|error| no_thread("the watch for hogs", &error))?;
        }
        for index in 0..runtime.shared.workers.len() {
            let shared = Arc::clone(&runtime.shared);
            let thread = thread::Builder::new()
                .name(format!("{}-{index}", shared.settings.name))
                .spawn(move || {
                    let weak = Arc::downgrade(&shared);
                    let entry = census::enter(census::Role::Own, move || {
                        weak.upgrade().is_some_and(|shared| shared.is_quiet())
                    });
                    shared.vigil.worker_begins(&entry);
                    #[cfg(unix)]
                    let _stack = overflow::AlternateStack::install();
                    Worker::new(shared, index).run();
                });
            let thread = thread.map_err(|error| no_thread("a worker", &error))?;
            runtime.threads.push(thread);
        }
        Ok(runtime)
    }

    /// Runs `main` as the runtime's main goroutine and returns what it returns. Before that,
    /// the goroutines that are still parked are unwound (their destructors run), those that
    /// compute are waited for until they park or end, and the workers end.
    ///
    /// While a goroutine unwinds because its runtime ends, operations in its destructors do not
    /// wait: to them every channel is closed.
    ///
    /// # Panics
    /// With the panic of `main`, or if `main` calls [`goexit`](crate::goexit). With a report if
    /// nothing can ever happen any more: `main` waits, and nobody is left who could wake anybody.
    #[track_caller]
    pub fn run<F, T>(self, main: F) -> T
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        let captures_nothing = size_of::<F>() == 0;
        self.run_main(main, captures_nothing)
    }

    /// As [`Runtime::run`], for a `main` that is known to capture nothing, or not.
    #[track_caller]
    pub(crate) fn run_main<F, T>(self, main: F, captures_nothing: bool) -> T
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        let site = Site::of(Location::caller());
        if captures_nothing && self.shared.settings.deadlock_detection {
            self.shared.vigil.nothing_was_captured();
        }
        let is_main = self.shared.vigil.main_begins();
        // SAFETY: `main` and its result are `Send`. What they borrow outlives this call, and
        // this call waits for the goroutine's end.
        let started = unsafe {
            self.shared
                .start(None, site, SpawnOptions::default(), Kind::Main, None, main)
        };
        let mut main = match started {
            Ok(main) => main,
            Err(error) => panic!("{error}"),
        };
        main.goroutine()
            .completion()
            .wait_to_the_end(WaitReason::Join, Location::caller());
        drop(is_main);
        let result = main.take().expect("the main goroutine has ended");
        let shared = Arc::clone(&self.shared);
        drop(self);
        if let Some(report) = shared.vigil.report() {
            panic!("{report}");
        }
        match result {
            Ok(value) => value,
            Err(Failure::Panic(payload)) => panics::resume_unwind(payload),
            Err(Failure::Goexit) => panic!("the main goroutine called goexit"),
        }
    }
}

impl Drop for Runtime {
    /// Unwinds what is parked and joins the workers.
    fn drop(&mut self) {
        self.shared.end();
        let threads = std::mem::take(&mut self.threads);
        // A goroutine of another runtime leaves its worker to others, for whom those here may wait.
        let panicked = crate::blocking(|| {
            let ends = threads.into_iter().map(|thread| thread.join().is_err());
            ends.fold(false, |any, panicked| any | panicked)
        });
        self.shared.blocking.close();
        if !panicked {
            for worker in &self.shared.workers {
                worker.give_back();
            }
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}

/// The system's error says only that something is short.
fn no_thread(purpose: &str, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("cannot start the thread of {purpose}: {error}"),
    )
}

// ----- the default runtime ----------------------------------------------------------------

static DEFAULT: OnceLock<io::Result<Runtime>> = OnceLock::new();

/// The default runtime, started at its first use.
pub(crate) fn default_runtime() -> io::Result<&'static Runtime> {
    match DEFAULT.get_or_init(|| Runtime::new(Config::of_default())) {
        Ok(runtime) => Ok(runtime),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    }
}

/// Runs `body` as a goroutine of the default runtime and waits for it.
pub(crate) fn run_on_default<T: Send>(
    started_at: &'static Location<'static>,
    body: impl FnOnce() -> T + Send,
) -> io::Result<Result<T, Failure>> {
    let runtime = default_runtime()?;
    let site = Site::of(started_at);
    let _is_main = runtime.shared.vigil.main_begins();
    // SAFETY: body and result are `Send`, and the goroutine's end is awaited here.
    let mut main = unsafe {
        runtime
            .shared
            .start(None, site, SpawnOptions::default(), Kind::Main, None, body)
    }?;
    main.goroutine()
        .completion()
        .wait_to_the_end(WaitReason::Join, started_at);
    (runtime.shared.unheeded_ends).fetch_sub(1, Ordering::SeqCst);
    Ok(main.take().expect("the main goroutine has ended"))
}

// ----- questions --------------------------------------------------------------------------

/// Asks the runtime of the calling goroutine, else the default one.
#[track_caller]
fn ask<T>(question: impl FnOnce(&Shared) -> T) -> T {
    match worker::current() {
        Some(worker) => question(worker.shared()),
        None => match default_runtime() {
            Ok(runtime) => question(&runtime.shared),
            Err(error) => panic!("{error}"),
        },
    }
}

/// How many goroutines there are in this runtime: running, ready, parked and not started.
///
/// The number is that of one moment; goroutines on other workers come and go meanwhile.
///
/// # Panics
/// On an ordinary thread, if the default runtime cannot start.
///
/// ```
/// #[gochan::main]
/// fn main() {
///     assert_eq!(gochan::runtime::num_goroutine(), 1);
/// }
/// ```
#[track_caller]
pub fn num_goroutine() -> usize {
    ask(|shared| shared.workers.iter().map(|worker| worker.load()).sum())
}

/// How many workers this runtime has.
///
/// # Panics
/// On an ordinary thread, if the default runtime cannot start.
///
/// ```
/// use gochan::runtime::{Config, Runtime, num_worker};
///
/// let runtime = Runtime::new(Config::new().workers(3))?;
/// assert_eq!(runtime.run(num_worker), 3);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "GOMAXPROCS")]
#[track_caller]
pub fn num_worker() -> usize {
    ask(|shared| shared.workers.len())
}
