//! Time: sleeping, timers and tickers, as in Go's package `time`.
//!
//! All of it goes by the clock of the calling goroutine's runtime, which may be a virtual one
//! (see [`Config::virtual_time`](crate::runtime::Config::virtual_time)). For an ordinary thread,
//! timers and tickers go by the clock of the default runtime, and all else by the system's.
//!
//! | Go | here |
//! |---|---|
//! | `time.Sleep(d)` | [`sleep`]`(d)` |
//! | `time.Now()`, `time.Since(t)`, `time.Until(t)` | [`now`]`()`, [`since`]`(t)`, [`until`]`(t)` |
//! | `time.After(d)`, `time.Tick(d)` | [`after`]`(d)`, [`tick`]`(d)` |
//! | `time.NewTimer(d)`, `t.C`, `t.Stop()`, `t.Reset(d)` | [`Timer::new`]`(d)`, `t.c()`, `t.stop()`, `t.reset(d)` |
//! | `time.AfterFunc(d, f)` | [`Timer::after_func`]`(d, f)` |
//! | `time.NewTicker(d)` | [`Ticker::new`]`(d)` |
//!
//! Timers hold nothing up: one whose handle and receivers are gone leaves the runtime at once.
//! When `stop` or `reset` has returned, no time from before can be received any more.

mod ticker;
mod timeout;
mod timer;

pub use ticker::{Ticker, tick};
pub use timeout::{TimeoutError, timeout};
pub use timer::{Timer, after};

use crate::runtime;
use crate::wait::{Patience, WaitReason, Waiter, Wake};
use std::panic::Location;
use std::thread;
use std::time::{Duration, Instant};

/// Lets at least `duration` pass. Other goroutines run meanwhile.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// gochan::time::sleep(Duration::from_millis(2));
/// assert!(start.elapsed() >= Duration::from_millis(2));
/// ```
#[track_caller]
pub fn sleep(duration: Duration) {
    let location = Location::caller();
    if runtime::current_goroutine().is_none() {
        return thread::sleep(duration);
    }
    if duration.is_zero() {
        return crate::yield_now();
    }
    let deadline = Patience::lasting(duration).deadline();
    let wake = Waiter::with(WaitReason::Sleep, location, |waiter| {
        // Nobody else knows of this waiter: to withdraw it is always possible.
        waiter.wait(deadline, || true)
    });
    if wake == Wake::Cancelled {
        crate::unwind_cancelled();
    }
}

/// The time on the clock of the calling goroutine's runtime; on an ordinary thread
/// [`Instant::now`].
///
/// ```
/// use gochan::runtime::{Config, Runtime};
/// use gochan::time;
/// use std::time::Duration;
///
/// let runtime = Runtime::new(Config::new().workers(1).virtual_time(true))?;
/// runtime.run(|| {
///     let start = time::now();
///     time::sleep(Duration::from_secs(3600)); // takes no time at all
///     assert_eq!(time::now() - start, Duration::from_secs(3600));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn now() -> Instant {
    runtime::now()
}

/// How much time has passed since `earlier`, on the clock of [`now`]; zero if it is not earlier.
///
/// ```
/// use gochan::time;
/// use std::time::Duration;
///
/// let start = time::now();
/// time::sleep(Duration::from_millis(1));
/// assert!(time::since(start) >= Duration::from_millis(1));
/// ```
pub fn since(earlier: Instant) -> Duration {
    now().saturating_duration_since(earlier)
}

/// How much time is left until `later`, on the clock of [`now`]; zero if it has come.
///
/// ```
/// use gochan::time;
/// use std::time::Duration;
///
/// let deadline = time::now() + Duration::from_secs(60);
/// assert!(time::until(deadline) > Duration::from_secs(59));
/// ```
pub fn until(later: Instant) -> Duration {
    later.saturating_duration_since(now())
}
