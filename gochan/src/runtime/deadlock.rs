//! Finding out that nothing will ever happen any more.
//!
//! A runtime is dead if its main goroutine waits and nobody is left who could wake anybody: all
//! its workers sleep, nothing is on its way to them, no timer is set, no `blocking` closure runs,
//! and no other thread of the process can act (see [`census`]).
//!
//! The last worker to go to sleep keeps watch: it wakes after a while to look whether that is
//! so, and then less and less often, because the answer may depend on threads that tell nobody
//! when they go to sleep. Several runtimes may look at the same time, and take each other for busy
//! then; chance keeps them from doing so again and again.
//!
//! Helper threads without a closure are in the way: as they end, destructors of their thread-local
//! variables may do anything. So when nobody else is left they are made to end, and only a look that
//! finds none of them, or none that is not harmless, lets a runtime die.
//!
//! If several are dead, the youngest dies first, whoever looks: its `run` panics, and that is what a
//! goroutine of another one may wait for.
//!
//! One thing more is taken to be harmless, so that tests can fail rather than hang: beside a
//! runtime whose main function captured nothing (a test's never does), a thread that was there
//! before the function was called and has not run since. It cannot have been handed anything that
//! goroutines wait for. The thread of `main` may have run: under a test runner it waits for the
//! tests, and has run for others.

use super::census::{self, Activity, Census, ThreadId};
use super::dump::{self, Dump};
use super::goroutine::Identity;
use super::random::Random;
use super::{DEFAULT, Shared, runtimes};
use crate::message;
use parking_lot::Mutex;
use std::fmt;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// How long everybody has slept at the first look.
const FIRST_LOOK: Duration = Duration::from_millis(10);
/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long everybody sleeps before a thread counts as harmless because it sleeps.
const SETTLED: Duration = Duration::from_secs(1);
/// How many goroutines that panicked a report names.
const NAMED: usize = 10;

/// The exit status of a process that is dead; as Go's.
pub(crate) const EXIT_STATUS: i32 = 2;

/// What a runtime knows for the sake of finding its death.
#[derive(Default)]
pub(super) struct Vigil {
    /// How many main goroutines there are.
    mains: AtomicUsize,
    /// Whether a worker keeps watch.
    is_watched: AtomicBool,
    /// How many watches have begun.
    #[cfg(test)]
    watches: AtomicUsize,
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

    /// Whether it is dead if no thread but those that are `busy` could do anything.
    fn is_dead(&self, watch: &Watch, busy: &[ThreadId]) -> bool {
        let is_harmless = |&thread: &ThreadId| match self.vigil.before.get() {
            Some(before) if watch.began.elapsed() >= SETTLED => {
                before.has_slept(thread)
                    || thread == census::main_thread() && watch.activity.has_slept(thread)
            }
            _ => false,
        };
        self.settings.deadlock_detection
            && !self.is_ending()
            && (self.vigil.mains.load(Ordering::SeqCst) > 0 || self.is_default())
            && busy.iter().all(is_harmless)
    }
}

/// The watch of the last worker to go to sleep.
pub(super) struct Watch {
    shared: Arc<Shared>,
    worker: usize,
    began: Instant,
    /// What the threads had done at the last look.
    activity: Activity,
    /// When to look next, and how long after that again at most.
    next_look: Instant,
    pause: Duration,
    random: Random,
}

impl Watch {
    /// Begins a watch if `worker` is the last one that is not asleep, unless one of those that are
    /// keeps watch already: two that began one after the other would both be right. Asked by that
    /// worker, after it has said that it is about to sleep. Who keeps watch gives it up before it
    /// sleeps again, so either it is the last one then or its watch is seen to be over.
    pub(super) fn begin(shared: &Arc<Shared>, worker: usize) -> Option<Watch> {
        let is_last = || shared.is_quiet_but_for(Some(worker));
        if !shared.settings.deadlock_detection || !is_last() {
            return None;
        }
        if shared.vigil.is_watched.swap(true, Ordering::SeqCst) {
            return None;
        }
        #[cfg(test)]
        shared.vigil.watches.fetch_add(1, Ordering::SeqCst);
        let now = Instant::now();
        Some(Watch {
            shared: Arc::clone(shared),
            worker,
            began: now,
            activity: Activity::default(),
            next_look: now + FIRST_LOOK,
            pause: FIRST_LOOK,
            random: Random::from_entropy(),
        })
    }

    /// When to look.
    pub(super) fn next_look(&self) -> Instant {
        self.next_look
    }

    /// Looks, if it is time to, whether a runtime is dead, and if so says it.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        if now < self.next_look {
            return;
        }
        let captured_nothing = self.shared.vigil.before.get().is_some();
        let longest = if captured_nothing {
            SETTLED
        } else {
            LONGEST_PAUSE
        };
        self.pause = (self.pause * 2).min(longest);
        self.next_look = now + self.pause / 2 + self.up_to(self.pause / 2);
        self.let_die();
        if captured_nothing {
            self.activity = Activity::now();
        }
    }

    /// A time between none and this one.
    fn up_to(&self, longest: Duration) -> Duration {
        const STEPS: u32 = 1_000;
        longest * self.random.below(STEPS) / STEPS
    }

    /// Lets the youngest of the runtimes die that are dead.
    fn let_die(&self) {
        static LOOKS: Mutex<()> = Mutex::new(());
        // From the look to the death that it leads to. Who looks meanwhile could only see someone awake.
        let Some(_sole) = LOOKS.try_lock() else {
            return;
        };
        let Some(busy) = self.busy_threads() else {
            return;
        };
        let is_no_helper = |&thread: &ThreadId| !census::is_helper(thread);
        let others: Vec<_> = busy.iter().copied().filter(is_no_helper).collect();
        let runtimes = runtimes();
        let mut youngest_first = runtimes.iter().rev();
        let Some(dead) = youngest_first.find(|one| one.is_dead(self, &others)) else {
            return;
        };
        if dead.is_dead(self, &busy) {
            dead.die();
        } else {
            // A later look finds whether what they have left to do as they end wakes anybody.
            runtimes.iter().for_each(|one| one.blocking.dismiss_idle());
        }
    }

    /// The threads that are not known to be quiet, if none of the library's own is among them.
    fn busy_threads(&self) -> Option<Vec<ThreadId>> {
        let workers = self.shared.vigil.threads.lock().clone();
        let are_quiet = || self.shared.is_quiet_but_for(Some(self.worker));
        let Census::Busy(busy) = census::take(&workers, are_quiet) else {
            return None;
        };
        // This worker is awake, so nobody has to wake it: what came meanwhile is here.
        let has_nothing = self.shared.workers[self.worker].has_nothing_to_come();
        has_nothing.then_some(busy)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.vigil.is_watched.store(false, Ordering::SeqCst);
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
            let report = report(&dump::of_all_runtimes());
            message::print(format_args!("fatal error: {report}"));
            exit();
            return;
        }
        if self.vigil.report.set(report(&Dump::of(self))).is_ok() {
            self.end();
        }
    }
}

/// Ends the process, on a thread of its own: exit handlers may wait for goroutines, which need their
/// workers, and a worker's thread-local variables, which its exit would drop, may be in use by its
/// goroutines. While that thread runs nobody is taken for dead once more, as nothing is known of it.
fn exit() {
    let end = || process::exit(EXIT_STATUS);
    let thread = thread::Builder::new().name("gochan-exit".to_owned());
    if thread.spawn(end).is_err() {
        end();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::runtime::blocking::tests::until;
    use crate::runtime::{Config, Runtime};

    /// What `test` finds while everybody in a runtime with so many workers sleeps, and one keeps
    /// watch.
    fn while_all_sleep<T>(workers: usize, test: impl FnOnce(&Arc<Shared>) -> T) -> T {
        let config = Config::new().workers(workers).deadlock_detection(true);
        let runtime = Runtime::new(config).unwrap();
        let shared = Arc::clone(&runtime.shared);
        let (stop, is_stopped) = crate::channel::<()>(0);
        let has_begun = AtomicBool::new(false);
        thread::scope(|s| {
            s.spawn(|| {
                runtime.run(|| {
                    has_begun.store(true, Ordering::SeqCst);
                    is_stopped.recv()
                })
            });
            until(|| {
                let is_watched = || shared.vigil.is_watched.load(Ordering::SeqCst);
                has_begun.load(Ordering::SeqCst) && shared.is_quiet() && is_watched()
            });
            let found = test(&shared);
            stop.send(()).unwrap();
            found
        })
    }

    /// Each of two workers took the watch from the other just before its first look, again and again.
    #[test]
    fn one_watch_is_enough_while_everybody_sleeps() {
        for _ in 0..20 {
            let more = while_all_sleep(2, |shared| {
                let before = shared.vigil.watches.load(Ordering::SeqCst);
                thread::sleep(FIRST_LOOK * 6);
                shared.vigil.watches.load(Ordering::SeqCst) - before
            });
            // The one that began last may not have been counted yet.
            assert!(more <= 1, "{more} more");
        }
    }

    #[test]
    fn nobody_begins_a_watch_beside_another_one() {
        let has_begun = while_all_sleep(2, |shared| {
            // The one that keeps watch is awake for a moment at each look.
            (0..100).any(|worker| Watch::begin(shared, worker % 2).is_some())
        });
        assert!(!has_begun);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn who_sleeps_is_taken_for_harmless_when_all_have_slept_for_a_while() {
        let (tell, told) = std::sync::mpsc::channel();
        let (release, is_released) = std::sync::mpsc::channel::<()>();
        let sleeper = thread::spawn(move || {
            tell.send(census::enter(census::Role::Waiter, || false))
                .unwrap();
            _ = is_released.recv();
        });
        let entry = told.recv().unwrap();
        let sleeping = entry.thread().unwrap();
        let is_dead = while_all_sleep(1, |shared| {
            let watch = |slept: Duration| Watch {
                shared: Arc::clone(shared),
                worker: 0,
                began: Instant::now() - slept,
                activity: Activity::default(),
                next_look: Instant::now(),
                pause: FIRST_LOOK,
                random: Random::from_entropy(),
            };
            until(|| census::tests::thread_sleeps(sleeping));
            shared.vigil.nothing_was_captured();
            [SETTLED / 2, SETTLED].map(|slept| shared.is_dead(&watch(slept), &[sleeping]))
        });
        drop(release);
        sleeper.join().unwrap();
        assert_eq!(is_dead, [false, true]);
    }
}
