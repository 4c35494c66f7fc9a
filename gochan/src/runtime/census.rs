//! Which threads of the process could still do something: what the detection of deadlocks has to
//! know.
//!
//! A goroutine waits for something that another goroutine or a thread does. Who holds which
//! handle cannot be known: handles are moved without notice, into closures of threads and into
//! the memory of libraries. So the question is asked of the threads instead. Threads of the
//! library's own, and those that wait in one of its operations without a deadline, enter
//! themselves in a register, with the question whether they are *quiet*: unable to do anything
//! before someone wakes them. The operating system lists all threads there are. If all of them are
//! quiet, nobody is left who could wake anybody.
//!
//! A look at one thread after the other is not a look at one moment. But a quiet thread becomes
//! busy only by being woken, or by waking to look around, and whoever does so first counts it in
//! [`note_wake_up`]: if none happened from before the first look until after the last one, then all
//! were quiet together. The list of threads comes last: a thread that is not in it yet would have
//! been made by one that was busy when it was looked at. It is read twice, because the kernel's
//! list has gaps where threads end.

use parking_lot::Mutex;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number by which the operating system knows a thread.
pub(crate) type ThreadId = u64;

type IsQuiet = Box<dyn Fn() -> bool + Send>;

/// The register of threads. One may have several entries: it is quiet if one of them says so.
static REGISTER: Mutex<Option<HashMap<(ThreadId, Role), IsQuiet>>> = Mutex::new(None);

/// Counts wake-ups of quiet threads.
static WAKE_UPS: AtomicUsize = AtomicUsize::new(0);

/// As what a thread is in the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// A thread of a runtime.
    Own,
    /// One that runs the closures of `blocking` calls, or waits for some.
    Helper,
    /// An ordinary thread that has waited for something.
    Waiter,
    /// A thread that has declared itself one.
    Bystander,
}

/// An entry in the register, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Entry(Option<(ThreadId, Role)>);

/// Enters the calling thread. `is_quiet` is called by other threads; it says whether the thread
/// can do nothing before it is woken, which [`note_wake_up`] is told of.
pub(crate) fn enter(role: Role, is_quiet: impl Fn() -> bool + Send + 'static) -> Entry {
    let key = system::current_thread().map(|thread| (thread, role));
    if let Some(key) = key {
        let mut register = REGISTER.lock();
        let register = register.get_or_insert_default();
        register.insert(key, Box::new(is_quiet));
    }
    Entry(key)
}

impl Entry {
    /// The thread, if the operating system tells.
    pub(super) fn thread(&self) -> Option<ThreadId> {
        self.0.map(|(thread, _)| thread)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(key) = self.0 {
            let entry = REGISTER
                .lock()
                .as_mut()
                .and_then(|register| register.remove(&key));
            drop(entry);
        }
    }
}

/// Counts that a thread which may have been taken for quiet is so no more.
#[inline]
pub(crate) fn note_wake_up() {
    WAKE_UPS.fetch_add(1, Ordering::SeqCst);
}

/// Says that the calling thread never does anything that a goroutine waits for: a watchdog, a
/// thread that reports figures. The detection of deadlocks then goes by the other threads; beside
/// a thread of which it knows nothing it has to stay silent.
///
/// ```
/// use std::thread;
/// use std::time::Duration;
///
/// thread::spawn(|| {
///     gochan::runtime::declare_bystander();
///     thread::sleep(Duration::from_secs(60));
///     eprintln!("still at it after a minute");
/// });
/// ```
pub fn declare_bystander() {
    thread_local! {
        static ENTRY: OnceCell<Entry> = const { OnceCell::new() };
    }
    ENTRY.with(|entry| _ = entry.get_or_init(|| enter(Role::Bystander, || true)));
}

/// What a census found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Census {
    /// Nothing that can be relied on: a thread was woken meanwhile, one of those that are known is
    /// not quiet, or the operating system does not tell.
    Unknown,
    /// These threads are not known to be quiet; all others are.
    Busy(Vec<ThreadId>),
}

/// Looks at all threads of the process. One that looks around cannot count as quiet, so it answers
/// for itself and for those that it knows: `are_quiet` is asked in place of what they have
/// registered.
pub(super) fn take(known: &[ThreadId], are_quiet: impl FnOnce() -> bool) -> Census {
    let wake_ups = WAKE_UPS.load(Ordering::SeqCst);
    if !are_quiet() {
        return Census::Unknown;
    }
    let mut quiet: Vec<ThreadId> = REGISTER
        .lock()
        .iter()
        .flatten()
        .filter(|(_, is_quiet)| is_quiet())
        .map(|(&(thread, _), _)| thread)
        .chain(known.iter().copied())
        .collect();
    quiet.sort_unstable();
    let Some(all) = all_threads(system::threads) else {
        return Census::Unknown;
    };
    if WAKE_UPS.load(Ordering::SeqCst) != wake_ups {
        return Census::Unknown;
    }
    let is_busy = |thread: &ThreadId| quiet.binary_search(thread).is_err();
    Census::Busy(all.into_iter().filter(is_busy).collect())
}

/// All threads of the process, if none ends while the list is `read`. When one does that the kernel
/// may leave out another one, which lives. But the one that has ended is not in the next list, so two
/// lists in a row that are alike are whole.
fn all_threads(mut read: impl FnMut() -> Option<Vec<ThreadId>>) -> Option<Vec<ThreadId>> {
    let all = read()?;
    (read()? == all).then_some(all)
}

/// Whether that is a helper thread that has not begun to end.
pub(super) fn is_helper(thread: ThreadId) -> bool {
    let register = REGISTER.lock();
    let mut registers = register.iter();
    registers.any(|register| register.contains_key(&(thread, Role::Helper)))
}

/// For how long each thread of the process has run, as of one moment.
#[derive(Debug, Default)]
pub(super) struct Activity(HashMap<ThreadId, u64>);

impl Activity {
    pub(super) fn now() -> Activity {
        let threads = system::threads().unwrap_or_default().into_iter();
        Activity(
            threads
                .filter_map(|thread| Some((thread, system::run_time_of(thread)?)))
                .collect(),
        )
    }

    /// Whether the thread was there already, and has not run since.
    pub(super) fn has_slept(&self, thread: ThreadId) -> bool {
        let before = self.0.get(&thread);
        before.is_some() && system::run_time_of(thread).as_ref() == before
    }
}

/// The thread that `main` runs on.
pub(super) fn main_thread() -> ThreadId {
    std::process::id().into()
}

#[cfg(all(target_os = "linux", not(all(test, loom))))]
mod system {
    use super::ThreadId;
    use std::fs;

    pub(super) fn current_thread() -> Option<ThreadId> {
        // SAFETY: the call takes nothing and cannot fail.
        let thread = unsafe { libc::syscall(libc::SYS_gettid) };
        ThreadId::try_from(thread).ok()
    }

    /// The threads of the process, perhaps not all; see [`all_threads`](super::all_threads).
    pub(super) fn threads() -> Option<Vec<ThreadId>> {
        let entries = fs::read_dir("/proc/self/task").ok()?;
        entries
            .map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect()
    }

    /// How long the thread has had a processor, in nanoseconds.
    pub(super) fn run_time_of(thread: ThreadId) -> Option<u64> {
        let path = format!("/proc/self/task/{thread}/schedstat");
        let line = fs::read_to_string(path).ok()?;
        let run_time = line.split_ascii_whitespace().next()?.parse().ok()?;
        // A kernel that does not count says 0 of all of them.
        (run_time > 0).then_some(run_time)
    }
}

/// Other systems are not asked, so nothing is ever known of all threads. (Nor is Linux in models:
/// loom's threads are not the system's.)
#[cfg(not(all(target_os = "linux", not(all(test, loom)))))]
mod system {
    use super::ThreadId;

    pub(super) fn current_thread() -> Option<ThreadId> {
        None
    }

    pub(super) fn threads() -> Option<Vec<ThreadId>> {
        None
    }

    pub(super) fn run_time_of(_: ThreadId) -> Option<u64> {
        None
    }
}

#[cfg(all(test, target_os = "linux", not(loom)))]
pub(super) mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    fn is_busy(thread: ThreadId) -> bool {
        // Threads of other tests may be woken meanwhile.
        loop {
            if let Census::Busy(busy) = take(&[], || true) {
                return busy.contains(&thread);
            }
        }
    }

    #[test]
    fn a_thread_is_busy_unless_it_says_otherwise() {
        let (tell, told) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let thread = system::current_thread().unwrap();
            tell.send(thread).unwrap();
            released.recv().unwrap();
            let entry = enter(Role::Own, || true);
            tell.send(thread).unwrap();
            released.recv().unwrap();
            drop(entry);
            tell.send(thread).unwrap();
            released.recv().unwrap();
        });
        assert!(is_busy(told.recv().unwrap()));
        release.send(()).unwrap();
        assert!(!is_busy(told.recv().unwrap()));
        release.send(()).unwrap();
        assert!(is_busy(told.recv().unwrap()));
        release.send(()).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn nothing_is_known_if_a_thread_was_woken_meanwhile() {
        let taken = take(&[], || {
            note_wake_up();
            true
        });
        assert_eq!(taken, Census::Unknown);
    }

    #[test]
    fn a_list_of_threads_is_relied_on_if_none_ends_meanwhile() {
        let lists = |lists: [Option<&[ThreadId]>; 2]| {
            let mut lists = lists.into_iter();
            all_threads(|| lists.next().flatten().map(<[_]>::to_vec))
        };
        assert_eq!(lists([Some(&[1, 2, 3]); 2]), Some(vec![1, 2, 3]));
        // The second has ended, and so the third was left out.
        assert_eq!(lists([Some(&[1, 2]), Some(&[1, 3])]), None);
        assert_eq!(lists([Some(&[1, 2]), None]), None);
        assert_eq!(lists([None, Some(&[1])]), None);
    }

    #[test]
    fn who_has_run_has_not_slept() {
        let (tell, told) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let sleeper = thread::spawn(move || {
            tell.send(system::current_thread().unwrap()).unwrap();
            while released.recv().is_ok() {
                tell.send(0).unwrap();
            }
        });
        let thread = told.recv().unwrap();
        // Until it has gone to sleep.
        while !thread_sleeps(thread) {
            thread::yield_now();
        }
        let before = Activity::now();
        assert!(before.has_slept(thread));
        assert!(!before.has_slept(thread + 1_000_000));
        release.send(()).unwrap();
        told.recv().unwrap();
        assert!(!before.has_slept(thread));
        drop(release);
        sleeper.join().unwrap();
    }

    #[test]
    fn who_runs_all_the_time_has_not_slept() {
        let (tell, told) = mpsc::channel();
        let (rounds, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
        thread::scope(|s| {
            s.spawn(|| {
                tell.send(system::current_thread().unwrap()).unwrap();
                while !ended.load(Ordering::SeqCst) {
                    rounds.fetch_add(1, Ordering::SeqCst);
                }
            });
            let thread = told.recv().unwrap();
            let it_runs = || {
                let before = rounds.load(Ordering::SeqCst);
                while rounds.load(Ordering::SeqCst) == before {
                    thread::yield_now();
                }
                // The system counts from tick to tick.
                thread::sleep(Duration::from_millis(20));
            };
            it_runs();
            let seems_to_sleep = (0..20).any(|_| {
                let before = Activity::now();
                it_runs();
                before.has_slept(thread)
            });
            ended.store(true, Ordering::SeqCst);
            assert!(!seems_to_sleep);
        });
    }

    pub(in crate::runtime) fn thread_sleeps(thread: ThreadId) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap();
        stat.rsplit(") ").next().unwrap().starts_with('S')
    }
}
