//! Gives back the memory of stacks that have idled for a while.
//!
//! A stack keeps the pages that its goroutine has touched, so that the next one finds them. After
//! a crowd, or after calls that went deep, that can be much memory for nobody. So a thread looks
//! every [`PERIOD`] at what lies in the pool: a stack that has not been used since the last look
//! is emptied. It is emptied once for each time that it is used and then idles for so long, which
//! bounds what this costs; the thread exists only while there is something to empty.
//!
//! What the caches of the workers hold, a few dozen stacks each, keeps its memory.

use super::{Class, POOL, give_back_memory};
use parking_lot::MutexGuard;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// The time between two looks: a stack is emptied when it has idled for once to twice as long.
const PERIOD: Duration = Duration::from_secs(1);
/// How many stacks are emptied while the pool is locked.
const AT_A_TIME: usize = 64;

/// Whether the thread exists. It changes under the lock of the pool, or before the thread starts.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// Sees to it that somebody watches the pool, into which stacks have just been put.
pub(super) fn watch() {
    if WATCHED.load(Ordering::Relaxed) || WATCHED.swap(true, Ordering::Relaxed) {
        return;
    }
    let thread = thread::Builder::new().name("gochan-stacks".to_owned());
    if thread.spawn(empty_idle_stacks).is_err() {
        // The next who puts stacks into the pool tries again.
        WATCHED.store(false, Ordering::Relaxed);
    }
}

fn empty_idle_stacks() {
    loop {
        thread::sleep(PERIOD);
        let mut pool = POOL.lock();
        let sizes: Vec<_> = pool.keys().copied().collect();
        for size in sizes {
            while pool.get_mut(&size).is_some_and(Class::empty_some) {
                // Whoever waits for a stack goes first.
                MutexGuard::bump(&mut pool);
            }
        }
        let mut all_clean = true;
        for class in pool.values_mut() {
            class.unused = class.free.len();
            all_clean &= class.clean == class.free.len();
        }
        if all_clean {
            WATCHED.store(false, Ordering::Relaxed);
            return;
        }
    }
}

impl Class {
    /// Empties a few of the stacks that have idled since the last look; `false` if there are
    /// none.
    pub(super) fn empty_some(&mut self) -> bool {
        let end = self.unused.min(self.clean + AT_A_TIME);
        let Some(some) = self
            .free
            .get(self.clean..end)
            .filter(|some| !some.is_empty())
        else {
            return false;
        };
        give_back_memory(some);
        self.clean = end;
        true
    }
}
