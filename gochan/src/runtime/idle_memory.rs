//! Gives back memory that has idled for a while.
//!
//! A stack keeps the pages that its goroutine has touched, and free blocks their memory, so
//! that the next goroutine finds them. After a crowd, or after calls that went deep, that can be much
//! memory for nobody. So a thread looks every [`PERIOD`] at what lies in the pools of the process:
//! what has not been used since the last look is given back, which bounds what this costs. The
//! thread exists only while there is something to give back.
//!
//! What the workers keep at hand, a few dozen stacks and some hundred blocks each, stays.

use super::{blocks, declare_bystander, stack};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// The time between two looks: what idles is given back after once to twice as long.
const PERIOD: Duration = Duration::from_secs(1);

/// Whether the thread exists, and will look again.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// Sees to it that somebody watches the pools, into which something has just been put.
pub(super) fn watch() {
    if WATCHED.load(Ordering::Relaxed) || WATCHED.swap(true, Ordering::Relaxed) {
        return;
    }
    let thread = thread::Builder::new().name("gochan-memory".to_owned());
    if thread.spawn(give_back_idle_memory).is_err() {
        // The next who puts something into a pool tries again.
        WATCHED.store(false, Ordering::Relaxed);
    }
}

fn give_back_idle_memory() {
    // No deadlock is over because of what this thread does.
    declare_bystander();
    loop {
        thread::sleep(PERIOD);
        stack::give_back_idle();
        blocks::give_back_idle();
        if nothing_idles() {
            WATCHED.store(false, Ordering::Relaxed);
            // Who has put something in since then, under the lock of a pool, saw that.
            if nothing_idles() || WATCHED.swap(true, Ordering::Relaxed) {
                return;
            }
        }
    }
}

/// Whether the pools hold nothing that could be given back.
fn nothing_idles() -> bool {
    stack::pool_is_clean() && blocks::pool_is_empty()
}
