//! Values to be used again.

use crate::wait::BiasedMutex;
use std::cell::Cell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many values a pool keeps if nothing else is said.
const DEFAULT_CAPACITY: usize = 256;

/// Keeps values that are costly to make, to be used again: [`get`](Pool::get) takes one, or makes
/// one if there is none, and what it returns puts the value back when it is dropped.
///
/// A value comes back as it was left: clear it before use. As with Go's `sync.Pool` nothing says
/// which value one gets, or that a value put back is kept; but while Go's pool is emptied by the
/// garbage collector, this one keeps a bounded number and drops what is beyond that.
///
/// Each thread looks first where it has put values itself, so that workers rarely meet.
///
/// ```
/// use gochan::sync::Pool;
///
/// static BUFFERS: Pool<Vec<u8>> = Pool::new(|| Vec::with_capacity(4096));
///
/// let mut buffer = BUFFERS.get();
/// buffer.clear();
/// buffer.extend_from_slice(b"hello");
/// ```
pub struct Pool<T, F = fn() -> T> {
    make: F,
    capacity: usize,
    /// A power of two of them.
    shelves: OnceLock<Box<[Shelf<T>]>>,
}

/// Where the threads of one number put values. Padded, so that two do not share a cache line.
#[repr(align(128))]
struct Shelf<T> {
    /// Never grows: it is allocated for as many as it may hold, since nothing may be allocated
    /// under this lock.
    values: BiasedMutex<Vec<T>>,
    /// How many it may hold. What is allocated may be enough for more: of values without a size it
    /// is enough for any number.
    room: usize,
}

impl<T, F: Fn() -> T> Pool<T, F> {
    /// A pool that makes values by `make`, and keeps about 256 of them.
    ///
    /// ```
    /// let pool = gochan::sync::Pool::new(String::new);
    /// assert_eq!(pool.get().len(), 0);
    /// ```
    pub const fn new(make: F) -> Self {
        Pool::with_capacity(DEFAULT_CAPACITY, make)
    }

    /// A pool that makes values by `make`, and keeps about `capacity` of them: as many, rounded
    /// up to an equal share for each processor, whose number is rounded up to a power of two.
    ///
    /// ```
    /// let pool = gochan::sync::Pool::with_capacity(8, || vec![0_u8; 1 << 16]);
    /// assert_eq!(pool.get().len(), 1 << 16);
    /// ```
    pub const fn with_capacity(capacity: usize, make: F) -> Self {
        Pool {
            make,
            capacity,
            shelves: OnceLock::new(),
        }
    }

    /// A value from the pool, which goes back when the guard is dropped.
    ///
    /// ```
    /// let pool = gochan::sync::Pool::new(Vec::<u32>::new);
    /// {
    ///     let mut numbers = pool.get();
    ///     numbers.push(1);
    /// }
    /// assert_eq!(*pool.get(), [1], "as it was left");
    /// ```
    #[inline]
    pub fn get(&self) -> Pooled<'_, T, F> {
        Pooled {
            value: ManuallyDrop::new(self.take()),
            pool: self,
        }
    }

    /// A value from the pool, for good; [`put`](Pool::put) gives it back.
    ///
    /// ```
    /// let pool = gochan::sync::Pool::new(|| 1);
    /// let value = pool.take();
    /// pool.put(value);
    /// ```
    #[inline]
    pub fn take(&self) -> T {
        let kept = self.own_shelf().values.lock().pop();
        kept.unwrap_or_else(|| self.take_elsewhere())
    }

    #[cold]
    fn take_elsewhere(&self) -> T {
        let kept = self
            .shelves()
            .iter()
            .find_map(|shelf| shelf.values.lock().pop());
        kept.unwrap_or_else(|| (self.make)())
    }

    /// Puts a value into the pool, or drops it if there are enough.
    ///
    /// ```
    /// let pool = gochan::sync::Pool::new(|| 1);
    /// pool.put(5);
    /// assert_eq!(pool.take(), 5);
    /// ```
    #[inline]
    pub fn put(&self, value: T) {
        if let Err(value) = self.own_shelf().put(value) {
            self.put_elsewhere(value);
        }
    }

    #[cold]
    fn put_elsewhere(&self, mut value: T) {
        for shelf in self.shelves() {
            match shelf.put(value) {
                Ok(()) => return,
                Err(refused) => value = refused,
            }
        }
    }

    #[inline]
    fn shelves(&self) -> &[Shelf<T>] {
        self.shelves.get_or_init(|| shelves(self.capacity))
    }

    /// That of the calling thread.
    #[inline]
    fn own_shelf(&self) -> &Shelf<T> {
        let shelves = self.shelves();
        &shelves[thread_number() & (shelves.len() - 1)]
    }
}

impl<T> Shelf<T> {
    /// Gives it back if there is no room.
    #[inline]
    fn put(&self, value: T) -> Result<(), T> {
        let mut values = self.values.lock();
        if values.len() == self.room {
            return Err(value);
        }
        values.push(value);
        Ok(())
    }
}

#[cold]
fn shelves<T>(capacity: usize) -> Box<[Shelf<T>]> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let count = processors.next_power_of_two();
    let share = capacity.div_ceil(count);
    let shelf = |_| Shelf {
        values: BiasedMutex::new(Vec::with_capacity(share)),
        room: share,
    };
    (0..count).map(shelf).collect()
}

/// Numbers the threads, so that workers, which are started together, get different shelves.
#[inline]
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    const NONE: usize = usize::MAX;
    thread_local!(static NUMBER: Cell<usize> = const { Cell::new(NONE) });
    let mut number = NUMBER.get();
    if number == NONE {
        number = NEXT.fetch_add(1, Ordering::Relaxed);
        NUMBER.set(number);
    }
    number
}

impl<T, F> fmt::Debug for Pool<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

/// A value of a [`Pool`], put back when this is dropped.
#[must_use = "the value goes back at once if this is not kept"]
pub struct Pooled<'a, T, F: Fn() -> T = fn() -> T> {
    /// There until this is dropped or detached.
    value: ManuallyDrop<T>,
    pool: &'a Pool<T, F>,
}

impl<T, F: Fn() -> T> Pooled<'_, T, F> {
    /// Keeps the value; it does not go back by itself any more.
    ///
    /// ```
    /// use gochan::sync::{Pool, Pooled};
    ///
    /// let pool = Pool::new(|| String::from("kept"));
    /// let text: String = Pooled::detach(pool.get());
    /// assert_eq!(text, "kept");
    /// ```
    pub fn detach(this: Self) -> T {
        let mut this = ManuallyDrop::new(this);
        // SAFETY: the guard is not dropped, so nobody takes the value a second time.
        unsafe { ManuallyDrop::take(&mut this.value) }
    }
}

impl<T, F: Fn() -> T> Deref for Pooled<'_, T, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T, F: Fn() -> T> DerefMut for Pooled<'_, T, F> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T, F: Fn() -> T> Drop for Pooled<'_, T, F> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the guard ends here, so nobody takes the value a second time.
        let value = unsafe { ManuallyDrop::take(&mut self.value) };
        self.pool.put(value);
    }
}

impl<T: fmt::Debug, F: Fn() -> T> fmt::Debug for Pooled<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
