//! Single values in blocks.

use super::{Memory, allocate, drop_and_free};
use std::alloc::{Layout, handle_alloc_error};
use std::mem;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// What a [`Box`] is, in a block.
pub(crate) struct BlockBox<T>(NonNull<T>);

// SAFETY: it owns its value, as a `Box` does.
unsafe impl<T: Send> Send for BlockBox<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for BlockBox<T> {}

impl<T> BlockBox<T> {
    /// The value must not be zero-sized.
    const LAYOUT: Layout = {
        assert!(size_of::<T>() > 0);
        Layout::new::<T>()
    };

    /// What `make` returns. It is asked when there is memory to write it to, so that it need not
    /// stand anywhere else before: what was put together in parts is not moved as a whole without
    /// a wait.
    #[inline(always)]
    pub(crate) fn new(make: impl FnOnce() -> T) -> Self {
        let place = allocate(Self::LAYOUT).unwrap_or_else(|| handle_alloc_error(Self::LAYOUT));
        let memory = Memory(place, Self::LAYOUT);
        let place = place.cast::<T>();
        // SAFETY: fresh memory of the value's layout.
        unsafe { place.write(make()) };
        mem::forget(memory);
        BlockBox(place)
    }

    /// Lets go of the value, which [`BlockBox::from_raw`] takes over again.
    pub(crate) fn into_raw(this: Self) -> NonNull<T> {
        let place = this.0;
        mem::forget(this);
        place
    }

    /// # Safety
    /// The value comes from [`BlockBox::into_raw`], and nobody else owns it.
    pub(crate) unsafe fn from_raw(place: NonNull<T>) -> Self {
        BlockBox(place)
    }
}

impl<T> Deref for BlockBox<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the value is there until the box is dropped.
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for BlockBox<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the box is borrowed uniquely.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for BlockBox<T> {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and nobody uses the value after this.
        unsafe { drop_and_free(self.0, Self::LAYOUT) };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;

    #[test]
    fn a_value_is_dropped_once_with_its_box() {
        let value = Rc::new(());
        let mut boxed = BlockBox::new(|| (Rc::clone(&value), 1));
        boxed.1 += 1;
        assert_eq!(boxed.1, 2);
        let raw = BlockBox::into_raw(boxed);
        assert_eq!(Rc::strong_count(&value), 2);
        // SAFETY: it is from just above.
        drop(unsafe { BlockBox::from_raw(raw) });
        assert_eq!(Rc::strong_count(&value), 1);
    }

    #[test]
    fn a_destructor_that_panics_leaves_the_memory_free() {
        struct Fuse([u64; 3]);
        impl Drop for Fuse {
            fn drop(&mut self) {
                panic!("on purpose: {:?}", self.0);
            }
        }
        for _ in 0..3 {
            let boxed = BlockBox::new(|| Fuse([7; 3]));
            assert!(catch_unwind(AssertUnwindSafe(|| drop(boxed))).is_err());
        }
    }
    #[cfg(not(gochan_no_block_cache))]
    #[test]
    fn the_memory_of_a_value_that_could_not_be_made_is_used_again() {
        use crate::runtime::{Config, Runtime};

        let runtime = Runtime::new(Config::new().workers(1)).unwrap();
        let [before, after] = runtime.run(|| {
            let address = || BlockBox::new(|| [0_u64; 37]).as_ptr().addr();
            let before = address();
            let failed = || BlockBox::<[u64; 37]>::new(|| panic!("on purpose"));
            assert!(catch_unwind(failed).is_err());
            [before, address()]
        });
        assert_eq!(before, after);
    }
}
