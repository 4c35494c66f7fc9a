//! What cancels a context, and what prevents a call at its end.

use super::calls::{Calls, Ticket};
use super::error::{Cause, ContextError};
use super::tree::NodeRef;
use crate::wait::SpinMutex;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Cancels a context when it is told to, and at the latest when it is dropped.
///
/// Cancelling what has ended already does nothing: the first reason stays.
///
/// ```
/// use gochan::context::Context;
///
/// let ctx = {
///     let (ctx, _cancel) = Context::background().with_cancel();
///     assert!(ctx.err().is_none());
///     ctx
/// };
/// assert!(ctx.err().is_some());
/// ```
#[must_use = "dropping the guard cancels its context: bind it to a name, such as `_cancel`, or \
              `detach` it"]
#[doc(alias = "CancelFunc")]
pub struct CancelGuard {
    /// Taken by `detach`.
    handle: Option<CancelHandle>,
}

impl CancelGuard {
    pub(super) fn new(node: NodeRef) -> Self {
        CancelGuard {
            handle: Some(CancelHandle { node }),
        }
    }

    /// Cancels the context and all that were made from it. When this returns they have ended; if
    /// somebody else cancels it at the same moment, what was made from it may still be about to.
    ///
    /// ```
    /// use gochan::context::Context;
    ///
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// cancel.cancel();
    /// assert!(ctx.done().recv().is_none());
    /// ```
    pub fn cancel(&self) {
        if let Some(handle) = &self.handle {
            handle.cancel();
        }
    }

    /// Cancels the context, and says why: that is its [`cause`](super::Context::cause), and that
    /// of the contexts made from it.
    ///
    /// ```
    /// use gochan::context::Context;
    ///
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// cancel.cancel_with_cause(format!("{} is enough", 3));
    /// cancel.cancel_with_cause("too late to say this");
    /// assert_eq!(ctx.cause().unwrap().to_string(), "3 is enough");
    /// ```
    pub fn cancel_with_cause(&self, cause: impl Into<Box<dyn Error + Send + Sync>>) {
        if let Some(handle) = &self.handle {
            handle.cancel_with_cause(cause);
        }
    }

    /// A handle that cancels the same context, for others.
    ///
    /// ```
    /// use gochan::context::Context;
    ///
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// let handle = cancel.handle();
    /// std::thread::spawn(move || handle.cancel());
    /// assert!(ctx.done().recv().is_none());
    /// ```
    pub fn handle(&self) -> CancelHandle {
        match &self.handle {
            Some(handle) => handle.clone(),
            None => unreachable!("only `detach` takes the handle, and the guard with it"),
        }
    }

    /// Gives up the cancelling on drop: from now on only the handle cancels, when it is told to.
    ///
    /// ```
    /// use gochan::context::Context;
    ///
    /// fn start() -> Context {
    ///     let (ctx, cancel) = Context::background().with_cancel();
    ///     cancel.detach();
    ///     ctx
    /// }
    ///
    /// assert!(start().err().is_none());
    /// ```
    pub fn detach(mut self) -> CancelHandle {
        match self.handle.take() {
            Some(handle) => handle,
            None => unreachable!("only `detach` takes the handle, and the guard with it"),
        }
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for CancelGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelGuard").finish_non_exhaustive()
    }
}

/// Cancels a context when it is told to; from [`CancelGuard::handle`] and
/// [`CancelGuard::detach`]. Clones cancel the same context.
#[derive(Clone)]
pub struct CancelHandle {
    node: NodeRef,
}

impl CancelHandle {
    /// Cancels the context and all that were made from it. When this returns they have ended; if
    /// somebody else cancels it at the same moment, what was made from it may still be about to.
    ///
    /// ```
    /// use gochan::context::Context;
    ///
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// let handle = cancel.detach();
    /// handle.clone().cancel();
    /// assert!(ctx.err().is_some());
    /// ```
    pub fn cancel(&self) {
        self.node.cancel(ContextError::Canceled, None);
    }

    /// Cancels the context, and says why: see [`CancelGuard::cancel_with_cause`].
    ///
    /// ```
    /// use gochan::context::Context;
    ///
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// cancel.handle().cancel_with_cause("no more work");
    /// assert_eq!(ctx.cause().unwrap().to_string(), "no more work");
    /// ```
    pub fn cancel_with_cause(&self, cause: impl Into<Box<dyn Error + Send + Sync>>) {
        let cause = Cause::from(cause.into());
        self.node.cancel(ContextError::Canceled, Some(cause));
    }
}

impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelHandle").finish_non_exhaustive()
    }
}

/// A function that is to be called when a context ends; from
/// [`Context::after_func`](super::Context::after_func). Dropping this changes nothing.
pub struct AfterFunc {
    /// Where the call stands, if it had to wait.
    place: Option<(Arc<SpinMutex<Calls>>, Ticket)>,
    /// Whether the context never ends and the call has not been given up.
    idle: AtomicBool,
}

impl AfterFunc {
    pub(super) fn registered(place: Option<(Arc<SpinMutex<Calls>>, Ticket)>) -> Self {
        AfterFunc {
            place,
            idle: AtomicBool::new(false),
        }
    }

    /// For a context that cannot be cancelled.
    pub(super) fn never() -> Self {
        AfterFunc {
            place: None,
            idle: AtomicBool::new(true),
        }
    }

    /// Gives up the call. `true`: so the function is not called. `false`: its goroutine has been
    /// started, or the call was given up before.
    ///
    /// ```
    /// use gochan::context::Context;
    ///
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// let call = ctx.after_func(|| unreachable!("it was stopped"));
    /// assert!(call.stop());
    /// assert!(!call.stop());
    /// cancel.cancel();
    /// ```
    pub fn stop(&self) -> bool {
        let removed =
            (self.place.as_ref()).and_then(|(calls, ticket)| calls.lock().remove(*ticket));
        removed.is_some() || self.idle.swap(false, Ordering::Relaxed)
    }
}

impl fmt::Debug for AfterFunc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AfterFunc").finish_non_exhaustive()
    }
}
