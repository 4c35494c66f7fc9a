//! Variables of which each goroutine has its own.

use crate::runtime;
use crate::runtime::locals::{Dropped, LocalId, Locals};
use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem;
use std::thread;

/// A variable of which each goroutine has its own, made by [`goroutine_local!`](crate::goroutine_local!)
/// as [`std::thread::LocalKey`] is by `thread_local!`.
///
/// A goroutine's value is made when it first uses the variable, and dropped on the goroutine's
/// stack when its body has ended: by return, by a panic, by [`goexit`](crate::goexit) or with its
/// runtime. Of several, the one that was made last is dropped first. A destructor may use other
/// goroutine locals, may wait and may panic; the panic is printed, and the other values are
/// dropped all the same.
///
/// An ordinary thread has a value of its own too, in a thread-local variable; so have the helper
/// threads of [`blocking`](crate::blocking): a closure there does not see the value of the
/// goroutine that called.
///
/// Values need not be `Send`, for a goroutine does not change threads.
///
/// ```
/// use gochan::prelude::*;
/// use gochan::goroutine_local;
/// use std::cell::Cell;
///
/// goroutine_local! {
///     static REQUEST_ID: Cell<u64> = Cell::new(0);
/// }
///
/// #[gochan::main]
/// fn main() {
///     REQUEST_ID.set(7);
///     let other = go!({ REQUEST_ID.replace(8) });
///     assert_eq!(other.join().unwrap(), 0);
///     assert_eq!(REQUEST_ID.get(), 7);
/// }
/// ```
pub struct LocalKey<T: 'static> {
    init: fn() -> T,
    on_thread: &'static thread::LocalKey<T>,
}

impl<T: 'static> LocalKey<T> {
    /// Not part of the public API: what `goroutine_local!` expands to.
    #[doc(hidden)]
    pub const fn __new(init: fn() -> T, on_thread: &'static thread::LocalKey<T>) -> Self {
        LocalKey { init, on_thread }
    }

    fn id(&'static self) -> LocalId {
        (std::ptr::from_ref(self).addr(), TypeId::of::<T>())
    }

    /// Calls `f` with the value of the calling goroutine, which is made if there is none yet.
    ///
    /// # Panics
    /// If the value has been dropped: in the destructor of a goroutine local or of a result.
    #[track_caller]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match self.try_with(f) {
            Ok(result) => result,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`with`](LocalKey::with), but says so if the value has been dropped.
    ///
    /// # Errors
    /// The value has been dropped, or is being dropped.
    ///
    /// ```
    /// gochan::goroutine_local! {
    ///     static WORDS: Vec<&'static str> = vec!["to", "be"];
    /// }
    /// assert_eq!(WORDS.try_with(Vec::len), Ok(2));
    /// ```
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        let Some(locals) = of_this_goroutine() else {
            return self.on_thread.try_with(f).map_err(|_| AccessError(()));
        };
        // SAFETY: they are this goroutine's, and the reference ends with `f`, which runs on its
        // stack.
        let value = unsafe { locals.get(self.id()) }.map_err(|Dropped| AccessError(()))?;
        Ok(f(match value {
            Some(value) => value,
            None => self.insert(locals, (self.init)()),
        }))
    }

    /// Makes `value` the calling goroutine's. If the making of it has already given this variable
    /// one, that one stays.
    fn insert<'a>(&'static self, locals: &'a Locals, value: T) -> &'a T {
        // SAFETY: as in `try_with`, which is the caller, directly or not.
        unsafe {
            match locals.get(self.id()) {
                Ok(Some(first)) => first,
                Ok(None) => locals.insert(self.id(), value),
                Err(Dropped) => unreachable!("it is dropped by nobody who is further in"),
            }
        }
    }
}

/// The locals of the goroutine that calls.
fn of_this_goroutine<'a>() -> Option<&'a Locals> {
    let goroutine = runtime::current_goroutine()?;
    // SAFETY: it runs, and so it lives for as long as a function that it calls.
    Some(unsafe { goroutine.as_ref() }.locals())
}

impl<T: 'static> LocalKey<Cell<T>> {
    /// Sets the value. It is not made first.
    ///
    /// # Panics
    /// As [`with`](LocalKey::with).
    #[track_caller]
    pub fn set(&'static self, value: T) {
        let Some(locals) = of_this_goroutine() else {
            return self.on_thread.set(value);
        };
        // SAFETY: they are this goroutine's, and the reference ends here.
        match unsafe { locals.get::<Cell<T>>(self.id()) } {
            Ok(Some(cell)) => cell.set(value),
            Ok(None) => _ = self.insert(locals, Cell::new(value)),
            Err(Dropped) => panic!("{}", AccessError(())),
        }
    }

    /// A copy of the value.
    ///
    /// # Panics
    /// As [`with`](LocalKey::with).
    #[track_caller]
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Takes the value, and leaves the default one.
    ///
    /// # Panics
    /// As [`with`](LocalKey::with).
    #[track_caller]
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// Sets the value, and returns the old one.
    ///
    /// # Panics
    /// As [`with`](LocalKey::with).
    #[track_caller]
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> LocalKey<RefCell<T>> {
    /// Calls `f` with a reference to what the cell holds.
    ///
    /// # Panics
    /// As [`with`](LocalKey::with), and if it is borrowed mutably.
    ///
    /// ```
    /// use std::cell::RefCell;
    ///
    /// gochan::goroutine_local! {
    ///     static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// }
    /// LOG.with_borrow_mut(|log| log.push("started".to_owned()));
    /// assert_eq!(LOG.with_borrow(Vec::len), 1);
    /// ```
    #[track_caller]
    pub fn with_borrow<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        // The panic is the caller's, and a closure has none.
        match self.with(|cell| cell.try_borrow().map(|value| f(&value))) {
            Ok(result) => result,
            Err(error) => panic!("RefCell {error}"),
        }
    }

    /// Calls `f` with a mutable reference to what the cell holds.
    ///
    /// # Panics
    /// As [`with`](LocalKey::with), and if it is borrowed.
    #[track_caller]
    pub fn with_borrow_mut<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> R {
        match self.with(|cell| cell.try_borrow_mut().map(|mut value| f(&mut value))) {
            Ok(result) => result,
            Err(error) => panic!("RefCell {error}"),
        }
    }

    /// Sets what the cell holds. It is not made first.
    ///
    /// # Panics
    /// As [`with`](LocalKey::with), and if it is borrowed.
    #[track_caller]
    pub fn set(&'static self, value: T) {
        let Some(locals) = of_this_goroutine() else {
            return self.on_thread.set(value);
        };
        // SAFETY: they are this goroutine's, and the reference ends here.
        match unsafe { locals.get::<RefCell<T>>(self.id()) } {
            Ok(Some(cell)) => _ = cell.replace(value),
            Ok(None) => _ = self.insert(locals, RefCell::new(value)),
            Err(Dropped) => panic!("{}", AccessError(())),
        }
    }

    /// Takes what the cell holds, and leaves the default value.
    ///
    /// # Panics
    /// As [`with`](LocalKey::with), and if it is borrowed.
    #[track_caller]
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.replace(T::default())
    }

    /// Sets what the cell holds, and returns what it held.
    ///
    /// # Panics
    /// As [`with`](LocalKey::with), and if it is borrowed.
    #[track_caller]
    pub fn replace(&'static self, value: T) -> T {
        self.with_borrow_mut(|held| mem::replace(held, value))
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

/// That a goroutine's local has been dropped already; from [`LocalKey::try_with`].
///
/// ```
/// gochan::goroutine_local! {
///     static NUMBER: u32 = 5;
/// }
/// let result: Result<u32, gochan::goroutine::AccessError> = NUMBER.try_with(|number| *number);
/// assert_eq!(result, Ok(5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessError(());

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a goroutine local was used during or after its destruction")
    }
}

impl std::error::Error for AccessError {}
