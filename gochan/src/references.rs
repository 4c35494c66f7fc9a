//! How many refer to something that goes with the last of them.

use crate::wait::atomic::{AtomicUsize, Ordering};
use std::process;

/// A count of references, each of which is given back once.
pub(crate) struct References(AtomicUsize);

/// More references than there is memory for, unless most of them were forgotten.
const MOST: usize = isize::MAX as usize;

impl References {
    pub(crate) fn new(count: usize) -> Self {
        References(AtomicUsize::new(count))
    }

    /// Counts one more, made by somebody who has one.
    #[inline]
    pub(crate) fn add(&self) {
        if self.0.fetch_add(1, Ordering::Relaxed) > MOST {
            process::abort();
        }
    }

    /// Whether there is one. Who has that one is alone with the count, and sees what all others did
    /// before they gave theirs back.
    #[inline]
    pub(crate) fn is_one(&self) -> bool {
        self.0.load(Ordering::Acquire) == 1
    }

    /// Counts one less; `true` if it was the last one. What the count says then counts no more.
    #[inline]
    pub(crate) fn remove(&self) -> bool {
        // Nobody else could make another of the only one, so there is no need to write.
        self.is_one() || self.0.fetch_sub(1, Ordering::AcqRel) == 1
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
