//! Gives back the memory of stacks that have [idled](crate::runtime::idle_memory) in the pool.
//!
//! A stack is emptied once for each time that it is used and then idles.

use super::{Class, POOL, give_back_memory};
use parking_lot::MutexGuard;

/// How many stacks are emptied while the pool is locked.
const AT_A_TIME: usize = 64;

/// Empties the stacks that have not been used since the last call.
pub(crate) fn give_back_idle() {
    let mut pool = POOL.lock();
    let sizes: Vec<_> = pool.keys().copied().collect();
    for size in sizes {
        while pool.get_mut(&size).is_some_and(Class::empty_some) {
            // Whoever waits for a stack goes first.
            MutexGuard::bump(&mut pool);
        }
    }
    for class in pool.values_mut() {
        class.unused = class.free.len();
    }
}

/// Whether none of the stacks in the pool holds memory.
pub(crate) fn pool_is_clean() -> bool {
    let pool = POOL.lock();
    pool.values().all(|class| class.clean == class.free.len())
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
