//! Waiting for a goroutine's end and its result.

use crate::runtime::goroutine::{GoroutineId, Identity, ResultCell};
use crate::runtime::panics::GoexitPayload;
use crate::wait::{WaitReason, Wake};
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};

/// How a goroutine ended, if it did not return.
pub(crate) enum Failure {
    Panic(Box<dyn Any + Send>),
    Goexit,
}

impl Failure {
    /// Tells a panic from a `goexit` by what was thrown.
    pub(crate) fn from_payload(payload: Box<dyn Any + Send>) -> Self {
        if payload.is::<GoexitPayload>() {
            Failure::Goexit
        } else {
            Failure::Panic(payload)
        }
    }
}

/// The handle of a goroutine. Dropping it lets the goroutine run on by itself.
///
/// ```
/// #[gochan::main]
/// fn main() {
///     let handle = gochan::go!({ 2 + 2 });
///     assert_eq!(handle.join().unwrap(), 4);
/// }
/// ```
pub struct JoinHandle<T> {
    result: ResultCell<T>,
}

impl<T> JoinHandle<T> {
    pub(crate) fn new(result: ResultCell<T>) -> Self {
        JoinHandle { result }
    }

    /// Waits for the goroutine's end and returns what it returned.
    ///
    /// # Errors
    /// The goroutine panicked, or ended by [`goexit`](crate::goexit) or with its runtime.
    ///
    /// ```
    /// let sum = gochan::go!({ (1..=3).sum::<i32>() });
    /// assert_eq!(sum.join().unwrap(), 6);
    /// assert!(gochan::go!({ gochan::goexit() }).join().unwrap_err().is_goexit());
    /// ```
    #[track_caller]
    #[inline(always)] // see `Waiter::begin`
    pub fn join(mut self) -> Result<T, JoinError> {
        let wake = self
            .result
            .goroutine()
            .completion()
            .wait(WaitReason::Join, Location::caller());
        if matches!(wake, Wake::Cancelled | Wake::DoneLate) {
            crate::unwind_cancelled();
        }
        // A goroutine that is unwound with its runtime does not wait: what it would have joined
        // counts as ended without a result.
        let result = self.result.take().unwrap_or(Err(Failure::Goexit));
        result.map_err(|failure| JoinError {
            goroutine: self.result.goroutine().identity().clone(),
            failure,
        })
    }

    /// Whether the goroutine has ended, so that [`join`](JoinHandle::join) will not wait.
    ///
    /// ```
    /// let (stop, stopped) = gochan::channel::<()>(0);
    /// let handle = gochan::go!({ stopped.recv() });
    /// assert!(!handle.is_finished());
    /// drop(stop);
    /// handle.join().unwrap();
    /// ```
    pub fn is_finished(&self) -> bool {
        self.result.goroutine().completion().has_ended()
    }

    /// The goroutine's number.
    ///
    /// ```
    /// let handle = gochan::go!({ gochan::goroutine::current().id() });
    /// let id = handle.id();
    /// assert_eq!(handle.join().unwrap(), id);
    /// ```
    pub fn id(&self) -> GoroutineId {
        self.result.goroutine().identity().id
    }

    /// The goroutine's name, if it was given one.
    ///
    /// ```
    /// assert_eq!(gochan::go!(name = "fetcher", {}).name(), Some("fetcher"));
    /// ```
    pub fn name(&self) -> Option<&str> {
        self.result.goroutine().identity().name()
    }
}

// A handle is changed by `join` alone, which takes it.
impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("finished", &self.is_finished())
            .finish()
    }
}

/// Why a goroutine has no result: it panicked, or ended by [`goexit`](crate::goexit).
///
/// ```
/// let error = gochan::go!(name = "doomed", { panic!("out of luck") }).join().unwrap_err();
/// assert!(error.is_panic());
/// assert_eq!(error.name(), Some("doomed"));
/// assert!(error.to_string().ends_with("panicked: out of luck"));
/// ```
pub struct JoinError {
    goroutine: Identity,
    failure: Failure,
}

impl JoinError {
    /// Whether the goroutine panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.failure, Failure::Panic(_))
    }

    /// Whether the goroutine ended by [`goexit`](crate::goexit), by sending on an abandoned
    /// channel, or with its runtime.
    pub fn is_goexit(&self) -> bool {
        matches!(self.failure, Failure::Goexit)
    }

    /// What the goroutine panicked with, to be handed to [`resume_unwind`](crate::resume_unwind).
    ///
    /// # Panics
    /// If it did not panic.
    ///
    /// ```
    /// let error = gochan::go!({ panic!("out of luck") }).join().unwrap_err();
    /// let payload = error.into_panic();
    /// assert_eq!(payload.downcast_ref(), Some(&"out of luck"));
    /// ```
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        match self.try_into_panic() {
            Ok(payload) => payload,
            Err(error) => panic!("no panic to hand on: {error}"),
        }
    }

    /// What the goroutine panicked with.
    ///
    /// # Errors
    /// The error itself, if it did not panic.
    ///
    /// ```
    /// let error = gochan::go!({ gochan::goexit() }).join().unwrap_err();
    /// assert!(error.try_into_panic().unwrap_err().is_goexit());
    /// ```
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, JoinError> {
        match self.failure {
            Failure::Panic(payload) => Ok(payload),
            Failure::Goexit => Err(self),
        }
    }

    /// The goroutine's number.
    pub fn id(&self) -> GoroutineId {
        self.goroutine.id
    }

    /// The goroutine's name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.goroutine.name()
    }

    fn message(&self) -> Option<&str> {
        let Failure::Panic(payload) = &self.failure else {
            return None;
        };
        payload
            .downcast_ref::<&'static str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
    }
}

// SAFETY: a payload is `Send` only, but it is reached by shared reference through its message alone,
// whose types are `Sync`.
unsafe impl Sync for JoinError {}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.failure, self.message()) {
            (Failure::Goexit, _) => write!(f, "{} ended by goexit", self.goroutine),
            (_, Some(message)) => write!(f, "{} panicked: {message}", self.goroutine),
            (_, None) => write!(f, "{} panicked", self.goroutine),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl Error for JoinError {}
