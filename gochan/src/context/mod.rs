//! Contexts: cancellation, deadlines and values that travel along calls, as in Go's package
//! `context`.
//!
//! A [`Context`] is made from another one, its parent. Cancelling a context cancels everything
//! that was made from it, at any depth, and nothing else.
//!
//! ```
//! use gochan::context::{Context, ContextError};
//! use gochan::prelude::*;
//! use gochan::time;
//! use std::time::Duration;
//!
//! /// Counts until it is told to stop.
//! fn count(ctx: &Context) -> (u32, ContextError) {
//!     let mut n = 0;
//!     loop {
//!         select! {
//!             recv(ctx.done()) => return (n, ctx.err().unwrap()),
//!             after(Duration::from_millis(1)) => n += 1,
//!         }
//!     }
//! }
//!
//! #[gochan::main]
//! fn main() {
//!     let (ctx, cancel) = Context::background().with_cancel();
//!     let counter = go!(clone(ctx), { count(&ctx) });
//!     time::sleep(Duration::from_millis(20));
//!     cancel.cancel();
//!     let (n, error) = counter.join().unwrap();
//!     assert!(n > 0);
//!     assert_eq!(error, ContextError::Canceled);
//! }
//! ```
//!
//! # Cancelling is done by a guard
//! Where Go returns a function that has to be called, and whose name is best written after
//! `defer`, here a [`CancelGuard`] is returned: it cancels when it is told to, and at the latest
//! when it is dropped. So what was started for a call ends with the call, also if the call ends
//! by `?` or by a panic. To cancel by hand only, [`detach`](CancelGuard::detach) the guard.
//!
//! The guard has to be bound to a name: `let (ctx, _cancel) = parent.with_cancel();`. With a
//! bare `_`, which binds nothing, it is dropped at the end of that very line, and the context is
//! cancelled from the beginning.
//!
//! # Differences from Go
//! - A context is a type, not an interface; [`Context::background`] and [`Context::todo`] are the
//!   same.
//! - Values are found by their type: a type of one's own is a key that nobody else has.
//! - A context that is dropped, with its guard, leaves its parent and its timer; a forgotten
//!   cancel leaks nothing.
//! - [`Context::done`] and [`Context::err`] look at the clock: a goroutine that computes on the
//!   only worker learns that its deadline has passed although no timer could fire.

mod calls;
mod cancel;
mod error;
mod node;
mod tree;
mod values;

#[cfg(all(test, loom))]
mod loom_models;

pub use cancel::{AfterFunc, CancelGuard, CancelHandle};
pub use error::{Cause, ContextError};

use crate::channel::Receiver;
use crate::{runtime, time};
use calls::Call;
use node::CancelNode;
use std::any::Any;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tree::NodeRef;
use values::ValueNode;

/// Tells the goroutines of one task when to stop, and carries values for them. Clones are the
/// same context. See the [module](self).
#[derive(Clone, Default)]
pub struct Context {
    /// The nearest context, at or above this one, that can be cancelled.
    cancel: Option<NodeRef>,
    /// The value that was added last.
    values: Option<Arc<ValueNode>>,
}

impl Context {
    /// The root of all contexts: never cancelled, without a deadline, without values.
    ///
    /// ```
    /// use gochan::context::Context;
    ///
    /// let ctx = Context::background();
    /// assert!(ctx.err().is_none() && ctx.deadline().is_none());
    /// ```
    pub fn background() -> Context {
        Context::default()
    }

    /// As [`Context::background`], to be written where it is not clear yet which context to use.
    ///
    /// ```
    /// use gochan::context::Context;
    ///
    /// assert!(Context::todo().err().is_none());
    /// ```
    pub fn todo() -> Context {
        Context::default()
    }

    /// A context that ends when it is cancelled through its guard, or with this one.
    ///
    /// ```
    /// use gochan::context::{Context, ContextError};
    ///
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// assert_eq!(ctx.err(), None);
    /// cancel.cancel();
    /// assert_eq!(ctx.err(), Some(ContextError::Canceled));
    /// ```
    #[track_caller]
    pub fn with_cancel(&self) -> (Context, CancelGuard) {
        self.with_node(CancelNode::child_of(self.cancel.as_ref()))
    }

    /// As [`Context::with_cancel`], for a guard that will be told why: see
    /// [`CancelGuard::cancel_with_cause`].
    ///
    /// ```
    /// use gochan::context::{Context, ContextError};
    ///
    /// let (ctx, cancel) = Context::background().with_cancel_cause();
    /// cancel.cancel_with_cause("the disk is full");
    /// assert_eq!(ctx.err(), Some(ContextError::Canceled));
    /// assert_eq!(ctx.cause().unwrap().to_string(), "the disk is full");
    /// ```
    #[track_caller]
    pub fn with_cancel_cause(&self) -> (Context, CancelGuard) {
        self.with_cancel()
    }

    /// A context that also ends when `timeout` has passed; for an ordinary thread, on the clock of the
    /// default runtime.
    ///
    /// ```
    /// use gochan::context::{Context, ContextError};
    /// use std::time::Duration;
    ///
    /// let (ctx, _cancel) = Context::background().with_timeout(Duration::from_millis(1));
    /// ctx.done().recv();
    /// assert_eq!(ctx.err(), Some(ContextError::DeadlineExceeded));
    /// ```
    #[track_caller]
    pub fn with_timeout(&self, timeout: Duration) -> (Context, CancelGuard) {
        let now = runtime::now_of_timers();
        self.with_limit(now, now.checked_add(timeout), None)
    }

    /// As [`Context::with_timeout`]; the [`cause`](Context::cause) is `cause` if the time is what
    /// ends it.
    ///
    /// ```
    /// use gochan::context::Context;
    /// use std::time::Duration;
    ///
    /// let background = Context::background();
    /// let (ctx, _cancel) = background.with_timeout_cause(Duration::ZERO, "the server sleeps");
    /// assert_eq!(ctx.cause().unwrap().to_string(), "the server sleeps");
    /// ```
    #[track_caller]
    pub fn with_timeout_cause(
        &self,
        timeout: Duration,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> (Context, CancelGuard) {
        let cause = Cause::from(cause.into());
        let now = runtime::now_of_timers();
        self.with_limit(now, now.checked_add(timeout), Some(cause))
    }

    /// A context that also ends at `deadline`, on the clock of [`time::now`]. A later deadline
    /// than that of this context changes nothing; one that has passed ends it at once.
    ///
    /// ```
    /// use gochan::context::{Context, ContextError};
    /// use std::time::Duration;
    ///
    /// let soon = gochan::time::now() + Duration::from_secs(60);
    /// let (outer, _cancel) = Context::background().with_deadline(soon);
    /// let (inner, _cancel) = outer.with_deadline(soon + Duration::from_secs(60));
    /// assert_eq!(inner.deadline(), Some(soon));
    /// ```
    #[track_caller]
    pub fn with_deadline(&self, deadline: Instant) -> (Context, CancelGuard) {
        self.with_limit(time::now(), Some(deadline), None)
    }

    /// As [`Context::with_deadline`]; the [`cause`](Context::cause) is `cause` if the deadline is
    /// what ends it.
    ///
    /// ```
    /// use gochan::context::{Context, ContextError};
    ///
    /// let now = gochan::time::now();
    /// let (ctx, _cancel) = Context::background().with_deadline_cause(now, "closing time");
    /// assert_eq!(ctx.err(), Some(ContextError::DeadlineExceeded));
    /// assert_eq!(ctx.cause().unwrap().to_string(), "closing time");
    /// ```
    #[track_caller]
    pub fn with_deadline_cause(
        &self,
        deadline: Instant,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> (Context, CancelGuard) {
        self.with_limit(time::now(), Some(deadline), Some(Cause::from(cause.into())))
    }

    #[track_caller]
    fn with_limit(
        &self,
        now: Instant,
        deadline: Option<Instant>,
        cause: Option<Cause>,
    ) -> (Context, CancelGuard) {
        let parent = self.cancel.as_ref();
        self.with_node(match deadline {
            Some(deadline) => {
                CancelNode::with_deadline(parent, now, deadline, cause, Location::caller())
            }
            // The clock never gets there.
            None => CancelNode::child_of(parent),
        })
    }

    fn with_node(&self, (node, same): (NodeRef, NodeRef)) -> (Context, CancelGuard) {
        let context = Context {
            cancel: Some(same),
            values: self.values.clone(),
        };
        (context, CancelGuard::new(node))
    }

    /// A context with one more value, which [`value`](Context::value) finds by its type. It ends
    /// with this one.
    ///
    /// ```
    /// use gochan::context::Context;
    ///
    /// struct User(&'static str);
    ///
    /// fn greet(ctx: &Context) -> String {
    ///     match ctx.value::<User>() {
    ///         Some(User(name)) => format!("Hello, {name}!"),
    ///         None => "Who is there?".to_owned(),
    ///     }
    /// }
    ///
    /// let ctx = Context::background().with_value(User("Ada"));
    /// assert_eq!(greet(&ctx), "Hello, Ada!");
    /// assert_eq!(greet(&ctx.with_value(User("Grace"))), "Hello, Grace!");
    /// assert_eq!(greet(&Context::background()), "Who is there?");
    /// ```
    #[must_use = "the context with the value is the one that is returned"]
    pub fn with_value<T: Any + Send + Sync>(&self, value: T) -> Context {
        Context {
            cancel: self.cancel.clone(),
            values: Some(Arc::new(ValueNode::new(self.values.clone(), value))),
        }
    }

    /// The value of type `T` that was added last, here or above.
    ///
    /// ```
    /// use gochan::context::Context;
    ///
    /// let ctx = Context::background().with_value(7_u32).with_value("seven");
    /// assert_eq!(ctx.value::<u32>(), Some(&7));
    /// assert_eq!(ctx.value::<&str>(), Some(&"seven"));
    /// assert_eq!(ctx.value::<String>(), None);
    /// ```
    pub fn value<T: Any>(&self) -> Option<&T> {
        self.values.as_ref()?.find()
    }

    /// A context with the same values that does not end with this one and has no deadline.
    ///
    /// ```
    /// use gochan::context::Context;
    ///
    /// let (ctx, cancel) = Context::background().with_value(1_u8).with_cancel();
    /// let clean_up = ctx.without_cancel();
    /// cancel.cancel();
    /// assert_eq!(clean_up.err(), None);
    /// assert_eq!(clean_up.value::<u8>(), Some(&1));
    /// ```
    #[must_use = "the context that is not cancelled is the one that is returned"]
    pub fn without_cancel(&self) -> Context {
        Context {
            cancel: None,
            values: self.values.clone(),
        }
    }

    /// Calls `f` in a goroutine of its own when the context ends; at once, if it has ended. The
    /// returned value can prevent that; dropping it does not.
    ///
    /// If the context is never cancelled and all that could cancel it is gone, `f` is dropped.
    /// An `f` that holds this very context keeps it alive until it ends.
    ///
    /// ```
    /// use gochan::context::Context;
    ///
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// let (tx, rx) = gochan::channel(1);
    /// ctx.after_func(move || tx.send("cleaned up").unwrap());
    /// cancel.cancel();
    /// assert_eq!(rx.recv(), Some("cleaned up"));
    /// ```
    #[track_caller]
    pub fn after_func(&self, f: impl FnOnce() + Send + 'static) -> AfterFunc {
        match &self.cancel {
            Some(node) => AfterFunc::registered(node.call_at_end(Call::new(Location::caller(), f))),
            None => AfterFunc::never(),
        }
    }

    /// A channel that is closed when the context ends. Nothing is sent on it.
    ///
    /// ```
    /// use gochan::context::Context;
    /// use gochan::prelude::*;
    ///
    /// #[gochan::main]
    /// fn main() {
    ///     let (ctx, cancel) = Context::background().with_cancel();
    ///     let work = make!(chan u32);
    ///     let worker = go!(clone(ctx, work), {
    ///         select! {
    ///             recv(work) -> job => job,
    ///             recv(ctx.done()) => None,
    ///         }
    ///     });
    ///     cancel.cancel();
    ///     assert_eq!(worker.join().unwrap(), None);
    /// }
    /// ```
    #[inline]
    pub fn done(&self) -> &Receiver<Infallible> {
        static NEVER: LazyLock<Receiver<Infallible>> = LazyLock::new(Receiver::without_sender);
        match &self.cancel {
            Some(node) => node.done(),
            None => &NEVER,
        }
    }

    /// Why the context has ended; `None` if it has not.
    ///
    /// ```
    /// use gochan::context::{Context, ContextError};
    /// use std::time::Duration;
    ///
    /// fn sum(ctx: &Context, numbers: &[u64]) -> Result<u64, ContextError> {
    ///     let mut sum = 0;
    ///     for number in numbers {
    ///         if let Some(error) = ctx.err() {
    ///             return Err(error);
    ///         }
    ///         sum += number;
    ///     }
    ///     Ok(sum)
    /// }
    ///
    /// let (ctx, cancel) = Context::background().with_timeout(Duration::from_secs(60));
    /// assert_eq!(sum(&ctx, &[1, 2, 3]), Ok(6));
    /// cancel.cancel();
    /// assert_eq!(sum(&ctx, &[1, 2, 3]), Err(ContextError::Canceled));
    /// ```
    #[inline]
    pub fn err(&self) -> Option<ContextError> {
        self.cancel.as_ref()?.error()
    }

    /// What was given as the reason when the context ended, here or above; what
    /// [`err`](Context::err) says, if no reason was given. `None` if it has not ended.
    ///
    /// ```
    /// use gochan::context::Context;
    /// use std::io;
    ///
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// let (child, _cancel) = ctx.with_cancel();
    /// cancel.cancel_with_cause(io::Error::other("the link is down"));
    /// let cause = child.cause().unwrap();
    /// assert!(cause.is::<io::Error>());
    /// ```
    pub fn cause(&self) -> Option<Cause> {
        self.cancel.as_ref()?.cause()
    }

    /// When the context will end at the latest, on the clock of [`time::now`].
    ///
    /// ```
    /// use gochan::context::Context;
    /// use std::time::Duration;
    ///
    /// let (ctx, _cancel) = Context::background().with_timeout(Duration::from_secs(60));
    /// let left = gochan::time::until(ctx.deadline().unwrap());
    /// assert!(left <= Duration::from_secs(60));
    /// ```
    pub fn deadline(&self) -> Option<Instant> {
        self.cancel.as_ref()?.deadline()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("err", &self.err())
            .field("deadline", &self.deadline())
            .finish_non_exhaustive()
    }
}
