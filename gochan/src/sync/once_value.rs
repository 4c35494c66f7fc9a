//! A value that is computed once.

use super::failure::Failure;
use super::once::Once;
use crate::runtime::panics::resume_unwind;
use crate::wait::atomic::const_unless_loom;
use std::cell::UnsafeCell;
use std::fmt;
use std::mem;
use std::ops::Deref;
use std::panic::{self, AssertUnwindSafe, Location, RefUnwindSafe, UnwindSafe};

/// A value that is computed when it is first asked for; whoever asks meanwhile waits.
///
/// It is Go's `sync.OnceValue`, in the shape of [`std::sync::LazyLock`], whose waiting would block
/// a whole worker.
///
/// If the function panics, so does everybody who asks, as in Go: the first with the panic itself,
/// the others with its text.
///
/// ```
/// use gochan::sync::OnceValue;
///
/// static PRIMES: OnceValue<Vec<u32>> = OnceValue::new(|| {
///     (2..30).filter(|n| (2..*n).all(|d| n % d != 0)).collect()
/// });
///
/// assert_eq!(PRIMES.get()[3], 7);
/// assert_eq!(PRIMES.len(), 10);
/// ```
#[doc(alias("LazyLock", "OnceLock"))]
pub struct OnceValue<T, F = fn() -> T> {
    once: Once,
    stage: UnsafeCell<Stage<T, F>>,
}

enum Stage<T, F> {
    New(F),
    Value(T),
    Failed(Failure),
}

// SAFETY: the function is called, and the value made, on whichever thread asks first, and both
// may be dropped on another; the value is then shared.
unsafe impl<T: Send + Sync, F: Send> Sync for OnceValue<T, F> {}

// Whoever catches the panic of a `get` sees it again at the next one, never half a value.
impl<T: RefUnwindSafe, F: UnwindSafe> RefUnwindSafe for OnceValue<T, F> {}

impl<T, F: FnOnce() -> T> OnceValue<T, F> {
    const_unless_loom! {
        /// A value that `f` is to compute.
        ///
        /// ```
        /// let answer = gochan::sync::OnceValue::new(|| 6 * 7);
        /// assert_eq!(*answer.get(), 42);
        /// ```
        pub fn new(f: F) -> Self {
            OnceValue {
                once: Once::new(),
                stage: UnsafeCell::new(Stage::New(f)),
            }
        }
    }

    /// The value, computed now if it has not been.
    ///
    /// # Panics
    /// If the function panicked, or its goroutine was ended in it.
    ///
    /// ```
    /// let length = gochan::sync::OnceValue::new(|| "gopher".len());
    /// assert_eq!(*length.get(), 6);
    /// ```
    #[inline]
    #[track_caller]
    pub fn get(&self) -> &T {
        if !self.once.is_completed() {
            self.once.call(|| self.compute(), Location::caller());
        }
        // SAFETY: the function has ended, after which nobody changes the stage.
        match unsafe { &*self.stage.get() } {
            Stage::Value(value) => value,
            Stage::Failed(Failure::Panic(text)) => {
                panic!("a OnceValue's function panicked: {text}")
            }
            Stage::Failed(Failure::Goexit) => {
                panic!("the goroutine that computed a OnceValue was ended")
            }
            Stage::New(_) => unreachable!("the function has been called"),
        }
    }

    fn compute(&self) {
        // SAFETY: `once` calls this once; others look at the stage only when it has ended.
        let stage = unsafe { &mut *self.stage.get() };
        let Stage::New(f) = mem::replace(stage, Stage::Failed(Failure::Goexit)) else {
            unreachable!("called once");
        };
        match panic::catch_unwind(AssertUnwindSafe(f)) {
            Ok(value) => *stage = Stage::Value(value),
            Err(payload) => {
                *stage = Stage::Failed(Failure::of(&*payload));
                resume_unwind(payload);
            }
        }
    }

    /// The value, if it has been computed.
    ///
    /// ```
    /// let answer = gochan::sync::OnceValue::new(|| 42);
    /// assert_eq!(answer.try_get(), None);
    /// answer.get();
    /// assert_eq!(answer.try_get(), Some(&42));
    /// ```
    pub fn try_get(&self) -> Option<&T> {
        if !self.once.is_completed() {
            return None;
        }
        // SAFETY: as in `get`.
        match unsafe { &*self.stage.get() } {
            Stage::Value(value) => Some(value),
            Stage::Failed(_) | Stage::New(_) => None,
        }
    }
}

/// A value that `T::default` computes when it is first asked for.
impl<T: Default> Default for OnceValue<T> {
    fn default() -> Self {
        OnceValue::new(T::default)
    }
}

impl<T, F: FnOnce() -> T> Deref for OnceValue<T, F> {
    type Target = T;

    #[track_caller]
    fn deref(&self) -> &T {
        self.get()
    }
}

impl<T: fmt::Debug, F: FnOnce() -> T> fmt::Debug for OnceValue<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tuple = f.debug_tuple("OnceValue");
        match self.try_get() {
            Some(value) => tuple.field(value),
            None => tuple.field(&format_args!("<no value>")),
        };
        tuple.finish()
    }
}
