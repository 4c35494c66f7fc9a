//! Goroutines from the inside and in detail: who am I, variables of my own, and a builder for
//! those who want to handle the failure to start one.

mod local;

pub use crate::runtime::goroutine::GoroutineId;
pub use local::{AccessError, LocalKey};

use crate::join::JoinHandle;
use crate::runtime::goroutine::Identity;
use crate::runtime::placement::{Site, Wish};
use crate::runtime::{self, Kind, SpawnOptions};
use crate::scope::{Scope, ScopedJoinHandle};
use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::Arc;

/// What a goroutine can know of itself; from [`current`].
///
/// ```
/// let handle = gochan::go!(name = "worker", {
///     let me = gochan::goroutine::current();
///     println!("goroutine {} was started at {}", me.id(), me.started_at());
///     me.name().map(str::to_owned)
/// });
/// assert_eq!(handle.join().unwrap().as_deref(), Some("worker"));
/// ```
#[derive(Clone)]
pub struct Goroutine {
    identity: Identity,
}

impl Goroutine {
    /// Its number.
    pub fn id(&self) -> GoroutineId {
        self.identity.id
    }

    /// Its name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.identity.name()
    }

    /// Where in the source it was started.
    pub fn started_at(&self) -> &'static Location<'static> {
        self.identity.started_at()
    }
}

impl fmt::Debug for Goroutine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Goroutine({})", self.identity)
    }
}

/// The goroutine that calls.
///
/// # Panics
/// On an ordinary thread; [`try_current`] asks without panicking.
///
/// ```
/// use gochan::goroutine;
///
/// #[gochan::main]
/// fn main() {
///     let name = gochan::go!(name = "worker", {
///         goroutine::current().name().map(str::to_owned)
///     });
///     assert_eq!(name.join().unwrap().as_deref(), Some("worker"));
/// }
/// ```
#[track_caller]
pub fn current() -> Goroutine {
    try_current().expect("goroutine::current() was called by an ordinary thread")
}

/// The goroutine that calls; `None` on an ordinary thread.
///
/// ```
/// assert!(gochan::goroutine::try_current().is_none());
/// ```
pub fn try_current() -> Option<Goroutine> {
    let goroutine = runtime::current_goroutine()?;
    // SAFETY: it runs.
    let identity = unsafe { goroutine.as_ref() }.identity().clone();
    Some(Goroutine { identity })
}

/// Starts goroutines with options, and says if one cannot be started, where `go!` would panic.
///
/// ```
/// use gochan::goroutine::Builder;
///
/// let handle = Builder::new().name("adder").stack_size(64 * 1024).spawn(|| 1 + 1)?;
/// assert_eq!(handle.name(), Some("adder"));
/// assert_eq!(handle.join().unwrap(), 2);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a Builder does nothing until it spawns"]
pub struct Builder {
    options: SpawnOptions,
}

impl Builder {
    /// No options.
    pub fn new() -> Self {
        Builder::default()
    }

    /// Names the goroutine, for messages about it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.options.name = Some(Arc::new(name.into()));
        self
    }

    /// Sets the size of its stack, in bytes of address space.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.options.stack_size = Some(bytes);
        self
    }

    /// Starts it on the worker of the goroutine that spawns, unless that worker does not come to it
    /// for milliseconds while another one is idle.
    pub fn near(mut self) -> Self {
        self.options.wish = Wish::Near;
        self
    }

    /// Starts it on the worker with the fewest goroutines.
    pub fn spread(mut self) -> Self {
        self.options.wish = Wish::Spread;
        self
    }

    /// Starts a goroutine.
    ///
    /// # Errors
    /// There is no room for another stack, or the default runtime cannot start.
    ///
    /// ```
    /// use gochan::goroutine::Builder;
    ///
    /// let handle = Builder::new().spread().spawn(|| 6 * 7)?;
    /// assert_eq!(handle.join().unwrap(), 42);
    /// assert!(Builder::new().stack_size(usize::MAX).spawn(|| ()).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let site = Site::of(Location::caller());
        // SAFETY: body and result are `Send` and `'static`.
        unsafe { runtime::start(site, self.options, Kind::Plain, None, f) }.map(JoinHandle::new)
    }

    /// Starts a goroutine in a [`scope`](crate::scope()), so that it may borrow from the frame around
    /// it, as `go!(in s, { … })` does.
    ///
    /// # Errors
    /// There is no room for another stack, or the default runtime cannot start.
    ///
    /// ```
    /// use gochan::goroutine::Builder;
    ///
    /// let words = ["to", "be"];
    /// let count = gochan::scope(|s| {
    ///     let counter = Builder::new().name("counter").spawn_scoped(s, || words.len())?;
    ///     Ok::<_, std::io::Error>(counter.join().unwrap())
    /// })?;
    /// assert_eq!(count, 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_scoped<'scope, F, T>(
        self,
        scope: &'scope Scope<'scope, '_>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        scope.start(Site::of(Location::caller()), self.options, f)
    }

    /// Starts a goroutine that stays on this worker, so that nothing needs to be `Send`.
    ///
    /// # Errors
    /// There is no room for another stack.
    ///
    /// # Panics
    /// On an ordinary thread.
    ///
    /// ```
    /// use gochan::goroutine::Builder;
    /// use std::rc::Rc;
    ///
    /// #[gochan::main]
    /// fn main() {
    ///     let shared = Rc::new(5);
    ///     let handle = Builder::new().spawn_local(move || *shared + 1).unwrap();
    ///     assert_eq!(handle.join().unwrap(), 6);
    /// }
    /// ```
    #[track_caller]
    pub fn spawn_local<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let site = Site::of(Location::caller());
        // SAFETY: body and result are `'static`, and a local goroutine stays on this thread.
        unsafe { runtime::start(site, self.options, Kind::Local, None, f) }.map(JoinHandle::new)
    }
}
