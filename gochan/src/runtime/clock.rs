//! The clock of a runtime: all its time goes through here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Nanoseconds since the clock was made.
pub(crate) type Nanos = u64;

/// A clock that never goes back. Clones are the same clock.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    origin: Instant,
    /// The time of a virtual clock, which stands still until it is advanced.
    virtual_now: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// The operating system's monotonic clock.
    pub(crate) fn monotonic() -> Self {
        Clock {
            origin: Instant::now(),
            virtual_now: None,
        }
    }

    /// A clock that jumps to the next timer when nothing else is left to do.
    pub(crate) fn virtual_time() -> Self {
        Clock {
            origin: Instant::now(),
            virtual_now: Some(Arc::default()),
        }
    }

    pub(crate) fn is_virtual(&self) -> bool {
        self.virtual_now.is_some()
    }

    /// What this clock reads.
    pub(crate) fn nanos(&self) -> Nanos {
        match &self.virtual_now {
            None => saturating_nanos(self.origin.elapsed()),
            Some(now) => now.load(Ordering::Acquire),
        }
    }

    /// The moment at which it reads that.
    pub(crate) fn now(&self) -> Instant {
        match &self.virtual_now {
            None => Instant::now(),
            Some(now) => self.origin + Duration::from_nanos(now.load(Ordering::Acquire)),
        }
    }

    /// The reading of this clock at `instant`; 0 for what lies before its beginning.
    pub(crate) fn nanos_at(&self, instant: Instant) -> Nanos {
        saturating_nanos(instant.saturating_duration_since(self.origin))
    }

    /// The moment at which this clock reads `nanos`; `None` if that is beyond what an [`Instant`] can
    /// say.
    pub(crate) fn instant_at(&self, nanos: Nanos) -> Option<Instant> {
        self.origin.checked_add(Duration::from_nanos(nanos))
    }

    /// Moves a virtual clock forward; never back.
    pub(crate) fn advance_to(&self, nanos: Nanos) {
        if let Some(now) = &self.virtual_now {
            now.fetch_max(nanos, Ordering::AcqRel);
        }
    }
}

fn saturating_nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_clock_stands_until_advanced_and_never_goes_back() {
        let clock = Clock::virtual_time();
        let start = clock.now();
        assert_eq!(clock.nanos(), 0);
        clock.advance_to(5_000);
        clock.advance_to(2_000);
        assert_eq!(clock.nanos(), 5_000);
        assert_eq!(clock.now() - start, Duration::from_micros(5));
    }

    #[test]
    fn instants_and_readings_agree() {
        let clock = Clock::monotonic();
        let instant = clock.now() + Duration::from_secs(3);
        let nanos = clock.nanos_at(instant);
        assert_eq!(clock.instant_at(nanos), Some(instant));
        assert_eq!(clock.nanos_at(instant - Duration::from_secs(1_000)), 0);
    }
}
