//! Goroutines of one task, the first of whose errors ends it.

use super::group::{Membership, SharedGroup};
use super::monitor::{Monitor, Place, Wait};
use crate::context::{CancelGuard, Context};
use crate::runtime::panics::{self, GoexitPayload};
use crate::runtime::placement::Site;
use crate::runtime::{self, Kind, SpawnOptions};
use crate::wait::{Patience, SpinMutex, WaitQueue, WaitReason, Wake, WakeList};
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, Location};
use std::sync::Arc;

/// Goroutines that work on parts of one task: [`go`](ErrGroup::go) starts them,
/// [`wait`](ErrGroup::wait) waits for all and returns the first error that one of them ended in.
///
/// It is Go's `golang.org/x/sync/errgroup`, and a handle: its clones are the same group.
/// A goroutine of the group that panics makes `wait` panic; one that is ended by
/// [`goexit`](crate::goexit) counts as done.
///
/// A goroutine that waits in `go` or `wait` when its runtime ends is unwound; in a destructor
/// that runs meanwhile `go` starts nothing, and `wait` returns at once with what is known.
///
/// ```
/// use gochan::sync::ErrGroup;
///
/// #[gochan::main]
/// fn main() {
///     let group = ErrGroup::new();
///     for text in ["1", "2", "three"] {
///         group.go(move || text.parse::<i32>().map(|number| println!("{number}")));
///     }
///     let error = group.wait().unwrap_err();
///     assert_eq!(error.to_string(), "invalid digit found in string");
/// }
/// ```
pub struct ErrGroup<E = Box<dyn Error + Send + Sync>> {
    inner: Arc<Inner<E>>,
}

struct Inner<E> {
    running: SharedGroup,
    slots: Monitor<Slots>,
    /// How the group has failed so far.
    /// To lock it takes no turn and ends with no runtime: what failed must not get lost.
    failure: SpinMutex<Option<Failure<E>>>,
    /// What the group's context is cancelled with, if it has one; also when the group is dropped
    /// without having been waited for.
    cancellation: Option<Cancellation<E>>,
}

struct Cancellation<E> {
    guard: CancelGuard,
    /// What an error is as the cause of a cancellation.
    text: fn(&E) -> String,
}

impl<E> Cancellation<E> {
    /// The error counts even if its `Display` panics.
    fn text_of(&self, error: &E) -> String {
        let text = panic::catch_unwind(AssertUnwindSafe(|| (self.text)(error)));
        text.unwrap_or_else(|payload| {
            if !payload.is::<GoexitPayload>() {
                panics::after_panic();
            }
            panics::contain(|| drop(payload));
            "an error whose text cannot be made".to_owned()
        })
    }
}

enum Failure<E> {
    Error(E),
    Panic(Box<dyn Any + Send>),
}

/// Who may run. Without a limit nobody waits and nothing is counted here.
struct Slots {
    limit: Option<usize>,
    taken: usize,
    waiting: WaitQueue,
}

impl<E: Send + 'static> ErrGroup<E> {
    /// A group without goroutines, and without a limit to their number.
    ///
    /// ```
    /// let group = gochan::sync::ErrGroup::<std::fmt::Error>::new();
    /// assert!(group.wait().is_ok());
    /// ```
    pub fn new() -> Self {
        ErrGroup::with_cancellation(None)
    }

    /// A group and a context for its goroutines, made from `context`, which is cancelled when the
    /// first of them fails, with the text of its error as the cause, or else when
    /// [`wait`](ErrGroup::wait) has seen the last of them end.
    ///
    /// ```
    /// use gochan::context::Context;
    /// use gochan::sync::ErrGroup;
    ///
    /// #[gochan::main]
    /// fn main() {
    ///     let (group, ctx) = ErrGroup::with_context(&Context::background());
    ///     for i in 0..10 {
    ///         let ctx = ctx.clone();
    ///         group.go(move || {
    ///             if i == 3 {
    ///                 return Err("enough");
    ///             }
    ///             ctx.done().recv(); // works until it is told to stop
    ///             Ok(())
    ///         });
    ///     }
    ///     assert_eq!(group.wait(), Err("enough"));
    ///     assert_eq!(ctx.cause().unwrap().to_string(), "enough");
    /// }
    /// ```
    #[track_caller]
    pub fn with_context(context: &Context) -> (ErrGroup<E>, Context)
    where
        E: fmt::Display,
    {
        let (context, guard) = context.with_cancel_cause();
        let text = E::to_string;
        (
            ErrGroup::with_cancellation(Some(Cancellation { guard, text })),
            context,
        )
    }

    fn with_cancellation(cancellation: Option<Cancellation<E>>) -> Self {
        ErrGroup {
            inner: Arc::new(Inner {
                running: SharedGroup::new(),
                slots: Monitor::new(Slots {
                    limit: None,
                    taken: 0,
                    waiting: WaitQueue::new(),
                }),
                failure: SpinMutex::new(None),
                cancellation,
            }),
        }
    }

    /// Lets at most `limit` goroutines of the group run at a time: [`go`](ErrGroup::go) waits
    /// until there is room. With 0 it waits for ever, with `None` there is no limit.
    ///
    /// # Panics
    /// If goroutines of the group are running.
    ///
    /// ```
    /// let group = gochan::sync::ErrGroup::<std::fmt::Error>::new();
    /// group.set_limit(2);
    /// for _ in 0..10 {
    ///     group.go(|| Ok(())); // never more than two at a time
    /// }
    /// group.wait().unwrap();
    /// ```
    #[track_caller]
    pub fn set_limit(&self, limit: impl Into<Option<usize>>) {
        let limit = limit.into();
        let running = self.inner.running.count();
        assert!(
            running == 0,
            "the limit of an ErrGroup was changed while {running} of its goroutines run"
        );
        self.inner.slots.lock().limit = limit;
    }

    /// Starts a goroutine of the group, when the [limit](ErrGroup::set_limit) allows it.
    ///
    /// # Panics
    /// If there is no room for another stack, or the default runtime cannot start.
    ///
    /// ```
    /// let group = gochan::sync::ErrGroup::new();
    /// group.go(|| Err("no luck"));
    /// assert_eq!(group.wait(), Err("no luck"));
    /// ```
    #[track_caller]
    pub fn go(&self, f: impl FnOnce() -> Result<(), E> + Send + 'static) {
        let location = Location::caller();
        if self.inner.take_slot(location) {
            self.start(f, location);
        }
    }

    /// Starts a goroutine of the group if the [limit](ErrGroup::set_limit) allows it now, and
    /// says whether it did.
    ///
    /// # Panics
    /// If there is no room for another stack, or the default runtime cannot start.
    ///
    /// ```
    /// let group = gochan::sync::ErrGroup::<std::fmt::Error>::new();
    /// group.set_limit(0);
    /// assert!(!group.try_go(|| Ok(())));
    /// ```
    #[must_use = "the function is not run if there is no room"]
    #[track_caller]
    pub fn try_go(&self, f: impl FnOnce() -> Result<(), E> + Send + 'static) -> bool {
        // Who tries again and again must not keep those from running whose end makes room.
        runtime::count(runtime::Operation::Other);
        let free = self.inner.slots.lock().take();
        if free {
            self.start(f, Location::caller());
        }
        free
    }

    /// Starts a goroutine that has its slot.
    #[track_caller]
    fn start(
        &self,
        f: impl FnOnce() -> Result<(), E> + Send + 'static,
        location: &'static Location<'static>,
    ) {
        let member = Member {
            _done: self.inner.running.join(),
            group: Arc::clone(&self.inner),
        };
        let (site, options) = (Site::of(location), SpawnOptions::default());
        let body = move || {
            // What `f` shares with others is its affair, as in every goroutine.
            match panic::catch_unwind(AssertUnwindSafe(f)) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => member.group.fail(Failure::Error(error)),
                Err(payload) if payload.is::<GoexitPayload>() => panics::resume_unwind(payload),
                Err(payload) => {
                    panics::after_panic();
                    member.group.fail(Failure::Panic(payload));
                }
            }
        };
        // SAFETY: body and result are `Send` and `'static`.
        if let Err(error) = unsafe { runtime::start(site, options, Kind::Plain, None, body) } {
            panic!("cannot start a goroutine: {error}");
        }
    }

    /// Waits until all goroutines of the group have ended. The failure is handed out once: after
    /// that the group may be used again.
    ///
    /// # Errors
    /// The first error that a goroutine of the group returned.
    ///
    /// # Panics
    /// With the first panic of a goroutine of the group, even if another one has returned an
    /// error.
    ///
    /// ```
    /// let group = gochan::sync::ErrGroup::<std::fmt::Error>::new();
    /// group.go(|| Ok(()));
    /// assert!(group.wait().is_ok());
    /// ```
    #[track_caller]
    pub fn wait(&self) -> Result<(), E> {
        let location = Location::caller();
        let wait = || Wait::new(WaitReason::ErrGroup, location, Patience::Forever);
        if self.inner.running.wait_for_ever(wait) != Wake::Done {
            crate::unwind_cancelled();
        }
        if let Some(cancellation) = &self.inner.cancellation {
            cancellation.guard.cancel();
        }
        let failure = self.inner.failure.lock().take();
        match failure {
            None => Ok(()),
            Some(Failure::Error(error)) => Err(error),
            Some(Failure::Panic(payload)) => panics::resume_unwind(payload),
        }
    }
}

impl<E> Inner<E> {
    /// Waits until there is room for one more; `false` for a destructor whose wait was cancelled.
    fn take_slot(&self, location: &'static Location<'static>) -> bool {
        let slots = {
            let mut slots = self.slots.lock();
            if slots.take() {
                return true;
            }
            slots
        };
        let wake = self.slots.wait(
            slots,
            |slots| &mut slots.waiting,
            Place::Last,
            &0,
            &Wait::new(WaitReason::ErrGroup, location, Patience::Forever),
            |_, _| {},
        );
        match wake {
            Wake::Done => true,
            Wake::DoneLate => {
                let slot = Slot(self);
                crate::unwind_cancelled();
                drop(slot);
                false
            }
            _ => {
                crate::unwind_cancelled();
                false
            }
        }
    }

    fn give_slot_back(&self) {
        let mut woken = WakeList::new();
        let mut slots = self.slots.lock();
        // Handed to the one who has waited longest, if anybody waits.
        if !slots.waiting.take_one(Wake::Done, &mut woken) {
            slots.taken -= 1;
        }
        drop(slots);
        drop(woken);
    }

    /// Notes how a goroutine failed. The first failure counts, but a panic before any error.
    fn fail(&self, failure: Failure<E>) {
        let cause = self
            .cancellation
            .as_ref()
            .map(|cancellation| match &failure {
                Failure::Error(error) => cancellation.text_of(error),
                Failure::Panic(_) => "a goroutine of the group panicked".to_owned(),
            });
        let mut first = self.failure.lock();
        let is_first = first.is_none();
        let counts = match (&*first, &failure) {
            (None, _) | (Some(Failure::Error(_)), Failure::Panic(_)) => true,
            (Some(_), _) => false,
        };
        let unwanted = match counts {
            true => first.replace(failure),
            false => Some(failure),
        };
        drop(first);
        // Its destructor may panic, with which nobody has anything to do.
        panics::contain(|| drop(unwanted));
        // Only now, so that nobody fails first who fails because of this.
        if is_first && let (Some(cancellation), Some(cause)) = (&self.cancellation, cause) {
            cancellation.guard.cancel_with_cause(cause);
        }
    }
}

impl<E> Drop for Inner<E> {
    /// A failure that nobody has waited for goes as the result of a goroutine does that nobody joins.
    fn drop(&mut self) {
        let failure = self.failure.lock().take();
        panics::contain(|| drop(failure));
    }
}

impl Slots {
    fn take(&mut self) -> bool {
        let free = self.limit.is_none_or(|limit| self.taken < limit);
        self.taken += usize::from(free);
        free
    }
}

/// A slot that is given back when this is dropped.
struct Slot<'a, E>(&'a Inner<E>);

impl<E> Drop for Slot<'_, E> {
    fn drop(&mut self) {
        self.0.give_slot_back();
    }
}

/// A goroutine of a group, started or not.
struct Member<E> {
    group: Arc<Inner<E>>,
    /// Dropped after the slot has been given back.
    _done: Membership,
}

impl<E> Drop for Member<E> {
    fn drop(&mut self) {
        self.group.give_slot_back();
    }
}

impl<E> Clone for ErrGroup<E> {
    fn clone(&self) -> Self {
        ErrGroup {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<E: Send + 'static> Default for ErrGroup<E> {
    fn default() -> Self {
        ErrGroup::new()
    }
}

impl<E> fmt::Debug for ErrGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrGroup")
            .field("running", &self.inner.running.count())
            .finish_non_exhaustive()
    }
}
