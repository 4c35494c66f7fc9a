//! Which processor a thread runs on, and how to leave one that is taken.
//!
//! Linux does not always find the idle processor that there is for a thread that it wakes (see
//! `select_idle_sibling` in its `kernel/sched/fair.c`: when those that share a cache have been busy
//! lately it does not look at them all, and in a virtual machine it passes over those that the host
//! has put to sleep). Then the thread is left where its waker runs, and the two take turns on one
//! processor until the load is balanced, which has been seen to take from 4 to 40 milliseconds. A
//! worker that finds itself in this place has itself moved.

use std::num::NonZeroUsize;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::thread;

/// How many threads can run at the same time. It is asked for once, because the system has to read
/// files for that, and by workers that are idle.
pub(super) fn number() -> usize {
    static NUMBER: LazyLock<usize> =
        LazyLock::new(|| thread::available_parallelism().map_or(1, NonZeroUsize::get));
    *NUMBER
}

/// What the system calls a thread.
type ThreadId = i32;

/// Where a thread is, for others to read.
pub(super) struct Place {
    thread: AtomicI32,
    processor: AtomicUsize,
}

/// The number of no processor.
const UNKNOWN: usize = usize::MAX;

impl Place {
    /// The place of no thread.
    pub(super) const fn new() -> Self {
        Place {
            thread: AtomicI32::new(0),
            processor: AtomicUsize::new(UNKNOWN),
        }
    }

    /// Makes it the calling thread's.
    pub(super) fn taken(&self) {
        self.thread.store(thread_id(), Ordering::Relaxed);
        self.note();
    }

    /// Notes where the calling thread, whose place it is, runs now.
    #[inline]
    pub(super) fn note(&self) {
        let processor = current().unwrap_or(UNKNOWN);
        self.processor.store(processor, Ordering::Relaxed);
    }

    /// The processor that was noted. The system may have moved the thread since.
    #[inline]
    pub(super) fn processor(&self) -> Option<usize> {
        Some(self.processor.load(Ordering::Relaxed)).filter(|&processor| processor != UNKNOWN)
    }

    /// Whether the thread runs on that processor now, or waits for it. To find out takes some ten
    /// microseconds.
    pub(super) fn is_on(&self, processor: usize) -> bool {
        of(self.thread.load(Ordering::Relaxed)) == Some(processor)
    }
}

/// The number of the processor that the calling thread runs on, if the system says.
#[cfg(target_os = "linux")]
fn current() -> Option<usize> {
    // SAFETY: it takes nothing and changes nothing.
    usize::try_from(unsafe { libc::sched_getcpu() }).ok()
}

/// The number of the processor that a thread of this process runs on, or waits for.
#[cfg(target_os = "linux")]
fn of(thread: ThreadId) -> Option<usize> {
    use std::fs::File;
    use std::io::Read as _;
    /// Fields between the name in parentheses and that of the processor; see proc_pid_stat(5).
    const BEFORE: usize = 36;
    let mut file = File::open(format!("/proc/self/task/{thread}/stat")).ok()?;
    // Some three hundred bytes, which the system hands out at once.
    let mut stat = [0; 1024];
    let len = file.read(&mut stat).ok()?;
    let stat = &stat[..len];
    // The name may hold anything, but nothing after it holds a parenthesis.
    let name_end = stat.iter().rposition(|&byte| byte == b')')?;
    let fields = str::from_utf8(&stat[name_end + 1..]).ok()?;
    fields.split_ascii_whitespace().nth(BEFORE)?.parse().ok()
}

/// What the system calls the calling thread.
#[cfg(target_os = "linux")]
fn thread_id() -> ThreadId {
    // SAFETY: it takes nothing and changes nothing.
    unsafe { libc::gettid() }
}

/// Has the system move the calling thread to a processor that is none of `taken`, of those that it
/// may run on. Where there is none, or this is not allowed, it stays where it is.
#[cfg(target_os = "linux")]
pub(super) fn leave(taken: impl Iterator<Item = usize>) {
    // SAFETY: a set of processors is a row of bits, of which none has to be set.
    let mut allowed: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let size = size_of_val(&allowed);
    // SAFETY: there is room for so many bytes; 0 is the calling thread.
    if unsafe { libc::sched_getaffinity(0, size, &mut allowed) } != 0 {
        return;
    }
    let mut others = allowed;
    for processor in taken.filter(|&number| number < libc::CPU_SETSIZE as usize) {
        // SAFETY: the set has a bit of that number.
        unsafe { libc::CPU_CLR(processor, &mut others) };
    }
    // The first moves the thread at once, and fails if none is left; the second gives back what
    // it took, so that the system is as free as before.
    // SAFETY: both are sets of so many bytes.
    unsafe {
        if libc::sched_setaffinity(0, size, &others) == 0 {
            libc::sched_setaffinity(0, size, &allowed);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn current() -> Option<usize> {
    None
}

#[cfg(not(target_os = "linux"))]
fn of(_thread: ThreadId) -> Option<usize> {
    None
}

#[cfg(not(target_os = "linux"))]
fn thread_id() -> ThreadId {
    0
}

#[cfg(not(target_os = "linux"))]
pub(super) fn leave(_taken: impl Iterator<Item = usize>) {}

#[cfg(all(test, target_os = "linux", not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_leaves_what_is_taken_and_may_come_back() {
        let allowed = || {
            // SAFETY: as above.
            unsafe {
                let mut set: libc::cpu_set_t = std::mem::zeroed();
                assert_eq!(libc::sched_getaffinity(0, size_of_val(&set), &mut set), 0);
                set
            }
        };
        let before = allowed();
        let has_left = || {
            let here = current().expect("Linux says so");
            leave([here, usize::MAX].into_iter());
            let now = current();
            let after = allowed();
            // SAFETY: two sets of processors.
            assert!(unsafe { libc::CPU_EQUAL(&before, &after) });
            now != Some(here)
        };
        let left = (0..100).filter(|_| has_left()).count();
        // The system may have moved it back at once, but not every time.
        // SAFETY: a set of processors.
        match unsafe { libc::CPU_COUNT(&before) } {
            1 => assert_eq!(left, 0),
            _ => assert!(left > 50, "{left} of 100 times"),
        }
    }

    #[test]
    fn a_thread_is_found_by_its_number() {
        let same = (0..100).filter(|_| current() == of(thread_id())).count();
        assert!(same > 50, "in {same} of 100 looks");
        assert_eq!(of(-1), None);
    }
}
