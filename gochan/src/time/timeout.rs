//! Calls that are waited for only so long.

use crate::channel::channel;
use crate::error::RecvTimeoutError;
use crate::runtime::panics::{GoexitPayload, after_panic, resume_unwind};
use crate::runtime::placement::Site;
use crate::runtime::{self, Kind, SpawnOptions};
use std::error::Error;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, Location};
use std::time::Duration;

/// Calls `f` in a goroutine of its own, and returns what it returns if that is within `limit`.
///
/// If the time is up, `f` is not interrupted, as nothing can interrupt a running function: its
/// goroutine goes on, and what it returns is dropped. Give it a
/// [`Context`](crate::context::Context) to watch if it is to end early. An `f` that computes
/// without ever waiting may keep its worker, and with it the caller, beyond the limit.
///
/// # Errors
/// The time is up. To a destructor that runs because its runtime ends, it always is.
///
/// # Panics
/// As `f` does, if that is within `limit`, or if its goroutine cannot be started.
///
/// ```
/// use gochan::time::{sleep, timeout};
/// use std::time::Duration;
///
/// assert_eq!(timeout(Duration::from_secs(60), || 6 * 7), Ok(42));
/// let late = timeout(Duration::from_millis(1), || sleep(Duration::from_millis(50)));
/// assert_eq!(late.unwrap_err().to_string(), "the time is up");
/// ```
#[track_caller]
pub fn timeout<F, T>(limit: Duration, f: F) -> Result<T, TimeoutError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (site, options) = (Site::of(Location::caller()), SpawnOptions::default());
    let (sender, receiver) = channel(1);
    let body = move || {
        // What `f` shares with others is its affair, as in every goroutine.
        let called = panic::catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
            if payload.is::<GoexitPayload>() {
                resume_unwind(payload);
            }
            after_panic();
            payload
        });
        // Nobody may be left to hear it, which is no fault.
        let _ = sender.send(called);
    };
    // SAFETY: the body is `Send` and `'static`.
    if let Err(error) = unsafe { runtime::start(site, options, Kind::Plain, None, body) } {
        panic!("cannot start the goroutine of a timeout: {error}");
    }
    // It is not the end of the goroutine that is waited for: destructors of its locals may take long.
    match receiver.recv_timeout(limit) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(payload)) => resume_unwind(payload),
        Err(RecvTimeoutError::Timeout) => Err(TimeoutError),
        // A destructor, which does not wait while its runtime ends.
        Err(RecvTimeoutError::Closed) if runtime::is_unwinding() => Err(TimeoutError),
        Err(RecvTimeoutError::Closed) => panic!("the function of a timeout called goexit"),
    }
}

/// The time is up; from [`timeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutError;

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time is up")
    }
}

impl Error for TimeoutError {}
