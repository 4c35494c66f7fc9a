//! Loom's primitives, with the interfaces of those that they stand in for, and two things that
//! loom leaves out:
//!
//! - Whoever drops one must come after everybody who used it. So a model fails if anybody
//!   touches a waiter's frame that may be gone.
//! - Sequentially consistent accesses. Loom takes them for acquire and release; its fences are
//!   true. Processors without such accesses put a fence before each, or after each, and what
//!   the language promises holds either way. [`check`] tries both: to make one of two accesses
//!   that need each other weaker breaks one of the two ways.
//!   These fences order what stands next to such an access as well, which the language does not
//!   promise: of several in a row, no model can tell whether all of them have to be.

use loom::sync::atomic::{self, Ordering, fence};
use std::cell::Cell as PlainCell;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

thread_local! {
    /// Where the fences of sequentially consistent accesses stand. (Loom runs a whole model on
    /// one thread of the system.)
    static FENCES: PlainCell<Fences> = const { PlainCell::new(Fences::Before) };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fences {
    Before,
    After,
}

/// Checks a model in all its interleavings, up to the number of preemptions that
/// `LOOM_MAX_PREEMPTIONS` says.
pub(crate) fn check(model: impl Fn() + Copy + Send + Sync + 'static) {
    check_within(usize::MAX, model);
}

/// As [`check`], for a large model, with no more than so many preemptions.
pub(crate) fn check_within(preemptions: usize, model: impl Fn() + Copy + Send + Sync + 'static) {
    for fences in [Fences::Before, Fences::After] {
        FENCES.set(fences);
        let mut builder = loom::model::Builder::new();
        let bound = builder.preemption_bound.unwrap_or(usize::MAX);
        builder.preemption_bound = Some(bound.min(preemptions)).filter(|&bound| bound < 100);
        builder.check(model);
    }
}

fn ordered<R>(orderings: &[Ordering], access: impl FnOnce() -> R) -> R {
    let fences = orderings.contains(&Ordering::SeqCst).then(|| FENCES.get());
    if fences == Some(Fences::Before) {
        fence(Ordering::SeqCst);
    }
    let result = access();
    if fences == Some(Fences::After) {
        fence(Ordering::SeqCst);
    }
    result
}

macro_rules! atomics {
    ($($atomic:ident $(<$param:ident>)?: $value:ty),+) => {
        $(
            #[derive(Debug)]
            pub(crate) struct $atomic $(<$param>)? {
                inner: atomic::$atomic $(<$param>)?,
                lifetime: Lifetime,
            }

            #[allow(dead_code, reason = "not every type needs every method")]
            impl $(<$param>)? $atomic $(<$param>)? {
                #[track_caller]
                pub(crate) fn new(value: $value) -> Self {
                    $atomic {
                        inner: atomic::$atomic::new(value),
                        lifetime: Lifetime::new(),
                    }
                }

                #[track_caller]
                fn access<R>(
                    &self,
                    orderings: &[Ordering],
                    access: impl FnOnce(&atomic::$atomic $(<$param>)?) -> R,
                ) -> R {
                    self.lifetime.note_use();
                    ordered(orderings, || access(&self.inner))
                }

                #[track_caller]
                pub(crate) fn load(&self, ordering: Ordering) -> $value {
                    self.access(&[ordering], |inner| inner.load(ordering))
                }

                #[track_caller]
                pub(crate) fn store(&self, value: $value, ordering: Ordering) {
                    self.access(&[ordering], |inner| inner.store(value, ordering));
                }

                #[track_caller]
                pub(crate) fn compare_exchange(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    self.access(&[success, failure], |inner| {
                        inner.compare_exchange(current, new, success, failure)
                    })
                }

                #[track_caller]
                pub(crate) fn compare_exchange_weak(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    self.compare_exchange(current, new, success, failure)
                }
            }
        )+
    };
}

atomics!(AtomicBool: bool, AtomicU32: u32, AtomicUsize: usize, AtomicU64: u64, AtomicPtr<T>: *mut T);

impl AtomicBool {
    /// Writes only what changes the value. Loom does not know that such a write comes straight
    /// after the one that it read, and would let another thread take it for the last one.
    #[track_caller]
    pub(crate) fn swap(&self, value: bool, ordering: Ordering) -> bool {
        let failure = match ordering {
            Ordering::Release => Ordering::Relaxed,
            Ordering::AcqRel => Ordering::Acquire,
            ordering => ordering,
        };
        match self.compare_exchange(!value, value, ordering, failure) {
            Ok(previous) | Err(previous) => previous,
        }
    }
}

impl Default for AtomicUsize {
    #[track_caller]
    fn default() -> Self {
        AtomicUsize::new(0)
    }
}

macro_rules! plain_swap {
    ($($atomic:ident $(<$param:ident>)?: $value:ty),+) => {
        $(
            impl $(<$param>)? $atomic $(<$param>)? {
                #[track_caller]
                pub(crate) fn swap(&self, value: $value, ordering: Ordering) -> $value {
                    self.access(&[ordering], |inner| inner.swap(value, ordering))
                }
            }
        )+
    };
}

plain_swap!(AtomicUsize: usize, AtomicPtr<T>: *mut T);

macro_rules! arithmetic {
    ($atomic:ident: $value:ty, $($method:ident)+) => {
        #[allow(dead_code, reason = "the set is complete, whoever uses it")]
        impl $atomic {
            $(
                #[track_caller]
                pub(crate) fn $method(&self, value: $value, ordering: Ordering) -> $value {
                    self.access(&[ordering], |inner| inner.$method(value, ordering))
                }
            )+

            #[track_caller]
            pub(crate) fn fetch_update(
                &self,
                success: Ordering,
                failure: Ordering,
                mut update: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut value = self.load(failure);
                while let Some(new) = update(value) {
                    match self.compare_exchange(value, new, success, failure) {
                        Ok(previous) => return Ok(previous),
                        Err(current) => value = current,
                    }
                }
                Err(value)
            }
        }
    };
}

arithmetic!(AtomicUsize: usize, fetch_add fetch_sub fetch_and fetch_or);
arithmetic!(AtomicU32: u32, fetch_add fetch_sub fetch_and fetch_or);
arithmetic!(AtomicU64: u64, fetch_add fetch_sub fetch_and fetch_or);

/// Lets the others go on: a model knows no time. Whoever naps has found the same thing several
/// times, and to try in which order else nothing happens would not end.
pub(crate) fn sleep(_: Duration) {
    loom::skip_branch();
    loom::thread::yield_now();
}

/// Fails a model in which something is dropped before its last use.
#[derive(Debug)]
struct Lifetime(loom::cell::UnsafeCell<()>);

// SAFETY: there is nothing in it that could be reached.
unsafe impl Sync for Lifetime {}

impl Lifetime {
    #[track_caller]
    fn new() -> Self {
        Lifetime(loom::cell::UnsafeCell::new(()))
    }

    #[track_caller]
    fn note_use(&self) {
        self.0.with(|_| ());
    }
}

impl Drop for Lifetime {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // Counts as a write, which clashes with every use that is not known to be over.
            self.0.with_mut(|_| ());
        }
    }
}

/// A cell whose uses must come one after the other.
#[derive(Debug)]
pub(crate) struct Cell<T>(loom::cell::UnsafeCell<T>);

impl<T> Cell<T> {
    #[track_caller]
    pub(crate) fn new(value: T) -> Self {
        Cell(loom::cell::UnsafeCell::new(value))
    }

    #[track_caller]
    pub(crate) fn get(&self) -> T
    where
        T: Copy,
    {
        // SAFETY: no reference to the value is ever handed out.
        self.0.with(|place| unsafe { *place })
    }

    #[track_caller]
    pub(crate) fn set(&self, value: T) {
        drop(self.replace(value));
    }

    #[track_caller]
    pub(crate) fn replace(&self, value: T) -> T {
        // SAFETY: as above.
        self.0.with_mut(|place| unsafe { place.replace(value) })
    }
}

impl<T> Drop for Cell<T> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // As for a `Lifetime`.
            self.0.with_mut(|_| ());
        }
    }
}

#[derive(Debug)]
pub(crate) struct Mutex<T> {
    inner: loom::sync::Mutex<T>,
    lifetime: Lifetime,
}

pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// `None` only while the guard's owner waits.
    held: Option<loom::sync::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    pub(crate) fn new(data: T) -> Self {
        Mutex {
            inner: loom::sync::Mutex::new(data),
            lifetime: Lifetime::new(),
        }
    }

    #[track_caller]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.lifetime.note_use();
        MutexGuard {
            mutex: self,
            held: Some(self.inner.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Condvar {
    inner: loom::sync::Condvar,
    lifetime: Lifetime,
}

pub(crate) struct WaitTimeoutResult {
    timed_out: bool,
}

impl WaitTimeoutResult {
    pub(crate) fn timed_out(&self) -> bool {
        self.timed_out
    }
}

impl Condvar {
    pub(crate) fn new() -> Self {
        Condvar {
            inner: loom::sync::Condvar::new(),
            lifetime: Lifetime::new(),
        }
    }

    #[track_caller]
    pub(crate) fn notify_one(&self) {
        self.lifetime.note_use();
        self.inner.notify_one();
    }

    #[track_caller]
    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        self.lifetime.note_use();
        guard.held = guard.held.take().map(|held| {
            self.inner
                .wait(held)
                .unwrap_or_else(PoisonError::into_inner)
        });
    }

    /// A deadline that has passed ends the wait at once; one that is still to come never does.
    #[track_caller]
    pub(crate) fn wait_until<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        deadline: Instant,
    ) -> WaitTimeoutResult {
        let timed_out = deadline <= Instant::now();
        if timed_out {
            guard.held = None;
            guard.held = guard.mutex.lock().held;
        } else {
            self.wait(guard);
        }
        WaitTimeoutResult { timed_out }
    }
}
