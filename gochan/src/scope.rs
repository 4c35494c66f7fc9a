//! Goroutines that borrow.

use crate::join::{JoinError, JoinHandle};
use crate::runtime::goroutine::GoroutineId;
use crate::runtime::placement::Site;
use crate::runtime::{self, Kind, SpawnOptions};
use crate::wait::{Entry, SpinMutex, WaitQueue, WaitReason, Waiter, Wake, WakeList};
use std::fmt;
use std::marker::PhantomData;
use std::panic::{self, AssertUnwindSafe, Location};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering};

/// What a scope and its goroutines share.
pub(crate) struct ScopeData {
    state: SpinMutex<ScopeState>,
    a_goroutine_panicked: AtomicBool,
}

struct ScopeState {
    running: usize,
    waiting: WaitQueue,
}

impl ScopeData {
    fn add_goroutine(&self) {
        self.state.lock().running += 1;
    }

    /// Called when nothing is left of a goroutine that could borrow.
    fn goroutine_ended(&self) {
        let mut state = self.state.lock();
        state.running -= 1;
        if state.running == 0 {
            let mut woken = WakeList::new();
            state.waiting.take_all(Wake::Done, &mut woken);
            drop(state);
            // Whoever waits here returns only now, and whoever comes finds the lock left: from
            // here on the data may be gone.
            drop(woken);
        }
    }

    /// Notes that a goroutine panicked and nobody has asked for its result.
    fn note_panic(&self) {
        self.a_goroutine_panicked.store(true, Ordering::Relaxed);
    }

    /// Waits until all have ended, whatever happens: they borrow from the caller's frame.
    fn wait(&self, location: &'static Location<'static>) {
        Waiter::with(WaitReason::Scope, location, |waiter| {
            let entry = Entry::new();
            entry.assign(waiter, 0, ptr::null_mut());
            let mut state = self.state.lock();
            if state.running == 0 {
                return;
            }
            // SAFETY: the wait ends only when the entry has left the queue.
            unsafe { state.waiting.push(&entry) };
            drop(state);
            waiter.wait_to_the_end();
        });
    }
}

/// What a goroutine knows its scope by: the scope's data, which stand in the frame that waits for
/// the scope's goroutines.
#[derive(Clone, Copy)]
pub(crate) struct ScopeRef(NonNull<ScopeData>);

impl ScopeRef {
    /// Tells the scope that nothing is left of a goroutine of its that could borrow.
    ///
    /// # Safety
    /// It is told of each of its goroutines once.
    #[inline]
    pub(crate) unsafe fn goroutine_ended(self) {
        // SAFETY: the scope waits until it has been told of all its goroutines.
        unsafe { self.0.as_ref() }.goroutine_ended();
    }

    /// Notes that a goroutine panicked and nobody has asked for its result.
    ///
    /// # Safety
    /// The scope has not been told of the goroutine's end, or the goroutine has a handle, which
    /// does not outlive the scope.
    pub(crate) unsafe fn note_panic(self) {
        // SAFETY: the caller's promise.
        unsafe { self.0.as_ref() }.note_panic();
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
            state: SpinMutex::new(ScopeState {
                running: 0,
                waiting: WaitQueue::new(),
            }),
            a_goroutine_panicked: AtomicBool::new(false),
        },
        scope: PhantomData,
        env: PhantomData,
    };
    let result = panic::catch_unwind(AssertUnwindSafe(|| f(&scope)));
    scope.data.wait(location);
    match result {
        Err(payload) => panic::resume_unwind(payload),
        Ok(_) if scope.data.a_goroutine_panicked.load(Ordering::Relaxed) => {
            panic!("a goroutine of this scope panicked")
        }
        Ok(value) => value,
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Starts a goroutine in the scope, as `go!(in s, { … })` does.
    ///
    /// # Panics
    /// If there is no room for another stack.
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
        self.start(Site::of(Location::caller()), SpawnOptions::default(), f)
    }

    #[track_caller]
    pub(crate) fn start<F, T>(
        &'scope self,
        site: &'static Site,
        options: SpawnOptions,
        f: F,
    ) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.data.add_goroutine();
        let scope = Some(ScopeRef(NonNull::from(&self.data)));
        // SAFETY: body and result are `Send`; what they borrow outlives `'scope`, and the scope
        // does not end before the goroutine has.
        match unsafe { runtime::start(site, options, Kind::Plain, scope, f) } {
            Ok(result) => ScopedJoinHandle {
                handle: Some(JoinHandle::new(result)),
                data: &self.data,
                scope: PhantomData,
            },
            Err(error) => {
                self.data.goroutine_ended();
                panic!("cannot start a goroutine: {error}");
            }
        }
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("running", &self.data.state.lock().running)
            .finish_non_exhaustive()
    }
}

/// The handle of a goroutine in a scope. Dropping it leaves the goroutine to the scope.
pub struct ScopedJoinHandle<'scope, T> {
    /// There until it is joined.
    handle: Option<JoinHandle<T>>,
    data: &'scope ScopeData,
    scope: PhantomData<&'scope mut &'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
    fn handle(&self) -> &JoinHandle<T> {
        self.handle.as_ref().expect("it has not been joined")
    }

    /// Waits for the goroutine's end and returns what it returned.
    ///
    /// # Errors
    /// The goroutine panicked, or ended by [`goexit`](crate::goexit) or with its runtime.
    #[track_caller]
    pub fn join(mut self) -> Result<T, JoinError> {
        self.handle.take().expect("it has not been joined").join()
    }

    /// Whether the goroutine has ended, so that [`join`](ScopedJoinHandle::join) will not wait.
    pub fn is_finished(&self) -> bool {
        self.handle().is_finished()
    }

    /// The goroutine's number.
    pub fn id(&self) -> GoroutineId {
        self.handle().id()
    }

    /// The goroutine's name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.handle().name()
    }
}

impl<T> Drop for ScopedJoinHandle<'_, T> {
    fn drop(&mut self) {
        if let Some(handle) = &mut self.handle
            && handle.take_panic()
        {
            self.data.note_panic();
        }
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopedJoinHandle")
            .field(&self.handle)
            .finish()
    }
}
