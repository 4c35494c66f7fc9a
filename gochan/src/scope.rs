//! Goroutines that borrow.

use crate::join::{JoinError, JoinHandle};
use crate::runtime::goroutine::GoroutineId;
use crate::runtime::panics::resume_unwind;
use crate::runtime::placement::Site;
use crate::runtime::{self, Kind, SpawnOptions};
use crate::sync::Group;
use crate::wait::WaitReason;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::mem;
use std::panic::{self, AssertUnwindSafe, Location, UnwindSafe};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a scope and its goroutines share.
pub(crate) struct ScopeData {
    /// The goroutines of which something is left that could borrow.
    goroutines: Group,
    /// Whether one of them panicked and nobody has asked for its result.
    one_panicked: AtomicBool,
}

/// What a goroutine knows its scope by: the scope's data, which stand in the frame that waits for
/// the scope's goroutines.
#[derive(Clone, Copy)]
pub(crate) struct ScopeRef(NonNull<ScopeData>);

impl ScopeRef {
    /// Tells the scope of one goroutine more.
    ///
    /// # Safety
    /// The scope has not been told of the end of all the others.
    pub(crate) unsafe fn goroutine_begins(self) {
        // SAFETY: the scope waits until it has been told of the end of all its goroutines.
        unsafe { self.0.as_ref() }.goroutines.add(1);
    }

    /// Tells the scope that nothing is left of a goroutine of its that could borrow.
    ///
    /// # Safety
    /// It is told of each of its goroutines once.
    #[inline]
    pub(crate) unsafe fn goroutine_ended(self) {
        // SAFETY: the scope waits until it has been told of all its goroutines, and the group is
        // not looked at after that.
        unsafe { self.0.as_ref() }.goroutines.done();
    }

    /// Notes that a goroutine panicked and nobody has asked for its result.
    ///
    /// # Safety
    /// The scope has not been told of the goroutine's end, or the goroutine has a handle, which
    /// does not outlive the scope.
    pub(crate) unsafe fn note_panic(self) {
        // SAFETY: the caller's promise.
        let data = unsafe { self.0.as_ref() };
        data.one_panicked.store(true, Ordering::Relaxed);
    }
}

/// A scope, in which goroutines may borrow from the frame around it; from [`scope`].
pub struct Scope<'scope, 'env: 'scope> {
    data: ScopeData,
    /// Both lifetimes are invariant, as in [`std::thread::Scope`]: a longer or shorter one in
    /// their place would let a goroutine keep a borrow past its end.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

/// Runs `f` with a scope, and returns when `f` has returned and every goroutine that was started
/// in the scope (by `go!(in s, …)` or [`Scope::spawn`]) has ended. These may borrow from the
/// frame around the scope.
///
/// # Panics
/// With the panic of `f`, or if a goroutine of the scope panicked and was not joined.
///
/// ```
/// use gochan::prelude::*;
///
/// #[gochan::main]
/// fn main() {
///     let mut words = vec!["share", "memory", "by", "communicating"];
///     let (left, right) = words.split_at_mut(2);
///     gochan::scope(|s| {
///         go!(in s, { left.sort() });
///         go!(in s, { right.sort() });
///     });
///     assert_eq!(words, ["memory", "share", "by", "communicating"]);
/// }
/// ```
#[track_caller]
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let location = Location::caller();
    let scope = Scope {
        data: ScopeData {
            goroutines: Group::new(),
            one_panicked: AtomicBool::new(false),
        },
        scope: PhantomData,
        env: PhantomData,
    };
    let result = panic::catch_unwind(AssertUnwindSafe(|| f(&scope)));
    // Whatever happens: they borrow from the caller's frame, and know the scope by its address.
    scope
        .data
        .goroutines
        .wait_to_the_end(WaitReason::Scope, location);
    match result {
        Err(payload) => resume_unwind(payload),
        Ok(_) if scope.data.one_panicked.load(Ordering::Relaxed) => {
            panic!("a goroutine of this scope panicked")
        }
        Ok(value) => value,
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Starts a goroutine in the scope, as `go!(in s, { … })` does.
    ///
    /// # Panics
    /// If there is no room for another stack, or the default runtime cannot start.
    ///
    /// ```
    /// let numbers = [1, 2, 3];
    /// let sum = gochan::scope(|s| s.spawn(|| numbers.iter().sum::<i32>()).join().unwrap());
    /// assert_eq!(sum, 6);
    /// ```
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        match self.start(Site::of(Location::caller()), SpawnOptions::default(), f) {
            Ok(handle) => handle,
            Err(error) => panic!("cannot start a goroutine: {error}"),
        }
    }

    /// # Errors
    /// The default runtime cannot start, or there is no room for another stack.
    pub(crate) fn start<F, T>(
        &'scope self,
        site: &'static Site,
        options: SpawnOptions,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.data.goroutines.add(1);
        let never_began = NeverBegan(&self.data);
        let scope = Some(ScopeRef(NonNull::from(&self.data)));
        // SAFETY: body and result are `Send`; what they borrow outlives `'scope`, and the scope
        // does not end before the goroutine has.
        let result = unsafe { runtime::start(site, options, Kind::Plain, scope, f) }?;
        mem::forget(never_began);
        Ok(ScopedJoinHandle {
            handle: JoinHandle::new(result),
            scope: PhantomData,
        })
    }
}

/// Takes a goroutine off the count that could not be started, also if a destructor of what it was to
/// have unwinds.
struct NeverBegan<'scope>(&'scope ScopeData);

impl Drop for NeverBegan<'_> {
    fn drop(&mut self) {
        self.0.goroutines.done();
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("running", &self.data.goroutines.count())
            .finish_non_exhaustive()
    }
}

/// The handle of a goroutine in a scope. Dropping it leaves the goroutine to the scope.
///
/// ```
/// let numbers = [1, 2, 3];
/// gochan::scope(|s| {
///     let sum = gochan::go!(in s, name = "adder", { numbers.iter().sum::<i32>() });
///     assert_eq!(sum.name(), Some("adder"));
///     assert_eq!(sum.join().unwrap(), 6);
/// });
/// ```
pub struct ScopedJoinHandle<'scope, T> {
    handle: JoinHandle<T>,
    scope: PhantomData<&'scope mut &'scope ()>,
}

// As `JoinHandle`.
impl<T> UnwindSafe for ScopedJoinHandle<'_, T> {}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits for the goroutine's end and returns what it returned.
    ///
    /// # Errors
    /// The goroutine panicked, or ended by [`goexit`](crate::goexit) or with its runtime.
    #[track_caller]
    pub fn join(self) -> Result<T, JoinError> {
        self.handle.join()
    }

    /// Whether the goroutine has ended, so that [`join`](ScopedJoinHandle::join) will not wait.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// The goroutine's number.
    pub fn id(&self) -> GoroutineId {
        self.handle.id()
    }

    /// The goroutine's name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.handle.name()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopedJoinHandle")
            .field(&self.handle)
            .finish()
    }
}
