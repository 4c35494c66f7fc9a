//! Time: sleeping, and channels that tell when time has passed.
//!
//! All of it goes by the clock of the calling goroutine's runtime, which may be a virtual one
//! (see [`Config::virtual_time`](crate::runtime::Config::virtual_time)).

use crate::channel::{Receiver, channel};
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

/// A channel on which the time is sent when `duration` has passed. It is not closed then.
///
/// ```
/// use gochan::prelude::*;
/// use std::time::Duration;
///
/// #[gochan::main]
/// fn main() {
///     let never = make!(chan i32);
///     chan! {
///         let timeout = gochan::time::after(Duration::from_millis(1));
///         select! {
///             v = <-never => panic!("got {v:?}"),
///             <-timeout => println!("timed out"),
///         }
///     }
/// }
/// ```
pub fn after(duration: Duration) -> Receiver<Instant> {
    let (sender, receiver) = channel(1);
    // As in Go, so that a second receive waits instead of spinning.
    sender.core().keep_open();
    let result = runtime::call_after(
        duration,
        Box::new(move || {
            // Nobody may be left to hear it, which is no fault.
            let _ = sender.try_send(now());
        }),
    );
    if let Err(error) = result {
        panic!("{error}");
    }
    receiver
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
