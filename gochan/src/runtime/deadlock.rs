//! Finding out that nothing will ever happen any more.
//!
//! A runtime is dead if its main goroutine waits and nobody is left who could wake anybody: all
//! its workers sleep, nothing is on its way to them, no timer is set, no `blocking` closure runs,
//! and no other thread of the process can act (see [`census`](super::census)).
//!
//! The last worker to go to sleep keeps watch: it wakes after a while to look whether that is
//! so, and then less and less often, because the answer may depend on threads that tell nobody
//! when they go to sleep.
//!
//! One thing more is taken to be harmless, so that tests can fail rather than hang: beside a
//! runtime whose main function captured nothing (a test's never does), a thread that was there
//! before the function was called and has not run since. It cannot have been handed anything that
//! goroutines wait for. The thread of `main` may have run: under a test runner it waits for the
//! tests, and has run for others.

use super::census::{self, Activity, Census, ThreadId};
use super::dump::{self, Dump};
use super::goroutine::Identity;
use super::{DEFAULT, Shared, runtimes};
use parking_lot::Mutex;
use std::fmt;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How long everybody has slept at the first look.
const FIRST_LOOK: Duration = Duration::from_millis(10);
/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long everybody sleeps before a thread counts as harmless because it sleeps.
const SETTLED: Duration = Duration::from_secs(1);
/// How long everybody sleeps before a runtime is dead though a younger one may find out that it is
/// dead itself.
const PRECEDENCE: Duration = Duration::from_secs(1);
/// How many goroutines that panicked a report names.
const NAMED: usize = 10;

/// The exit status of a process that is dead; as Go's.
pub(crate) const EXIT_STATUS: i32 = 2;

/// What a runtime knows for the sake of finding its death.
#[derive(Default)]
pub(super) struct Vigil {
    /// How many main goroutines there are.
    mains: AtomicUsize,
    /// The worker that keeps watch, plus one.
    watcher: AtomicUsize,
    /// The threads of the workers.
    threads: Mutex<Vec<ThreadId>>,
    /// What the threads had done when the main function was called that captured nothing.
    before: OnceLock<Activity>,
    panicked: Mutex<Panicked>,
    report: OnceLock<String>,
}

/// Goroutines that panicked.
#[derive(Default)]
struct Panicked {
    first: Vec<Identity>,
    count: usize,
}

impl Vigil {
    /// Counts a main goroutine, until the result is dropped.
    pub(super) fn main_begins(&self) -> impl Drop {
        struct Main<'a>(&'a AtomicUsize);
        impl Drop for Main<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.mains.fetch_add(1, Ordering::SeqCst);
        Main(&self.mains)
    }

    /// Notes what all threads have done so far, for a main function that captured nothing.
    pub(super) fn nothing_was_captured(&self) {
        let _ = self.before.set(Activity::now());
    }

    pub(super) fn worker_begins(&self, thread: &census::Entry) {
        self.threads.lock().extend(thread.thread());
    }

    pub(super) fn note_panic(&self, goroutine: &Identity) {
        let mut panicked = self.panicked.lock();
        panicked.count += 1;
        if panicked.first.len() < NAMED {
            panicked.first.push(goroutine.clone());
        }
    }

    /// What is to be said of the runtime's death, if it has died.
    pub(super) fn report(&self) -> Option<&str> {
        self.report.get().map(String::as_str)
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for identity in &self.first {
            write!(f, "\n{identity} ended by a panic")?;
        }
        match self.count - self.first.len() {
            0 => Ok(()),
            more => write!(f, "\n{more} more ended by a panic"),
        }
    }
}

impl Shared {
    /// Whether none of the workers can do anything before another thread wakes it.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_quiet_but_for(None)
    }

    /// As [`Shared::is_quiet`], whatever that worker does.
    fn is_quiet_but_for(&self, worker: Option<usize>) -> bool {
        let is_quiet = |index: usize| worker == Some(index) || self.workers[index].is_quiet();
        !self.is_ending() && !self.blocking.has_pending() && (0..self.workers.len()).all(is_quiet)
    }

    fn is_default(&self) -> bool {
        let default = DEFAULT.get().and_then(|runtime| runtime.as_ref().ok());
        default.is_some_and(|runtime| ptr::eq(&*runtime.shared, self))
    }

    /// Whether there is no thread that could act.
    fn is_alone(&self, watch: &Watch) -> bool {
        let workers = self.vigil.threads.lock().clone();
        let are_quiet = || self.is_quiet_but_for(Some(watch.worker));
        let Census::Busy(busy) = census::take(&workers, are_quiet) else {
            return false;
        };
        let is_harmless = |thread| match self.vigil.before.get() {
            Some(before) if watch.began.elapsed() >= SETTLED => {
                before.has_slept(thread)
                    || thread == census::main_thread() && watch.activity.has_slept(thread)
            }
            _ => false,
        };
        busy.into_iter().all(is_harmless)
    }

    /// Whether a younger runtime may find out that it is dead. Its `run` panics then, and that is what
    /// a goroutine of this one may be waiting for: so the youngest comes first.
    fn leaves_it_to_a_younger_one(&self) -> bool {
        let runtimes = runtimes();
        let from_this_one = runtimes.iter().skip_while(|one| !ptr::eq(&***one, self));
        from_this_one.skip(1).any(|one| {
            one.settings.deadlock_detection
                && !one.is_ending()
                && one.vigil.mains.load(Ordering::SeqCst) > 0
        })
    }
}

/// The watch of the last worker to go to sleep.
pub(super) struct Watch {
    shared: Arc<Shared>,
    worker: usize,
    began: Instant,
    /// What the threads had done at the last look.
    activity: Activity,
    /// When to look next, and how long after that again.
    next_look: Instant,
    pause: Duration,
}

impl Watch {
    /// Begins a watch if `worker` is the last one that is not asleep. Asked by that worker, after
    /// it has said that it is about to sleep.
    pub(super) fn begin(shared: &Arc<Shared>, worker: usize) -> Option<Watch> {
        let is_last = || shared.is_quiet_but_for(Some(worker));
        if !shared.settings.deadlock_detection || !is_last() {
            return None;
        }
        shared.vigil.watcher.store(worker + 1, Ordering::SeqCst);
        let now = Instant::now();
        Some(Watch {
            shared: Arc::clone(shared),
            worker,
            began: now,
            activity: Activity::default(),
            next_look: now + FIRST_LOOK,
            pause: FIRST_LOOK,
        })
    }

    /// When to look.
    pub(super) fn next_look(&self) -> Instant {
        self.next_look
    }

    /// Whether no other worker has begun a watch since: one that was awake meanwhile.
    pub(super) fn goes_on(&self) -> bool {
        self.shared.vigil.watcher.load(Ordering::SeqCst) == self.worker + 1
    }

    /// Looks, if it is time to, whether the runtime is dead, and if so says it.
    pub(super) fn look(&mut self) {
        let (shared, vigil) = (&self.shared, &self.shared.vigil);
        let now = Instant::now();
        if now < self.next_look {
            return;
        }
        let longest = if vigil.before.get().is_some() {
            SETTLED
        } else {
            LONGEST_PAUSE
        };
        self.pause = (self.pause * 2).min(longest);
        self.next_look = now + self.pause;
        let is_dead = (vigil.mains.load(Ordering::SeqCst) > 0 || shared.is_default())
            && shared.is_alone(self)
            // This worker is awake, so nobody has to wake it: what came meanwhile is here.
            && shared.workers[self.worker].has_nothing_to_come()
            && (self.began.elapsed() >= PRECEDENCE || !shared.leaves_it_to_a_younger_one());
        if vigil.before.get().is_some() {
            self.activity = Activity::now();
        }
        if is_dead {
            shared.die();
        }
    }
}

impl Shared {
    #[cold]
    fn die(&self) {
        let report = |dump: &dyn fmt::Display| {
            let panicked = self.vigil.panicked.lock();
            format!("all goroutines are asleep - deadlock!\n\n{dump}{panicked}")
        };
        if self.is_default() {
            eprintln!("fatal error: {}", report(&dump::of_all_runtimes()));
            process::exit(EXIT_STATUS);
        }
        if self.vigil.report.set(report(&Dump::of(self))).is_ok() {
            self.end();
        }
    }
}
