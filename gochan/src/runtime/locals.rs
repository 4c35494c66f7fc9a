//! The values of one goroutine's locals.
//!
//! A goroutine that uses none has a null pointer in its record and nothing else. The values are
//! dropped on the goroutine's own stack: those that are there when its body ends, by return or by
//! unwinding, at that moment; those that are made afterwards, by the destructor of a result or by
//! one of another local, before the goroutine ends.
//!
//! Invariants:
//! - the table and the values are touched by the goroutine alone;
//! - a value is in a box of its own, so it stays where it is while the table grows;
//! - a value that was dropped leaves its slot behind, so that it is not made again.

use super::panics;
use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;

/// Which local: the address of its key, and its type, so that even two keys that the compiler has
/// put at one address are told apart.
pub(crate) type LocalId = (usize, TypeId);

/// The locals of a goroutine, in its record.
#[derive(Debug, Default)]
pub(crate) struct Locals {
    table: Cell<Option<NonNull<Table>>>,
}

type Table = RefCell<Vec<Slot>>;

#[derive(Debug)]
struct Slot {
    id: LocalId,
    /// `None`: it is being dropped, or was.
    value: Option<Value>,
}

/// A boxed value without its type.
#[derive(Clone, Copy, Debug)]
struct Value {
    place: NonNull<()>,
    drop: unsafe fn(NonNull<()>),
}

/// That a local has been dropped already.
#[derive(Debug)]
pub(crate) struct Dropped;

impl Locals {
    /// The value of a local, if it has one yet.
    ///
    /// # Safety
    /// The goroutine that these are of calls, and `id` has the type `T`. The reference is not used
    /// once the goroutine's body has ended, except by destructors that run then, and they do not
    /// keep it.
    pub(crate) unsafe fn get<T: 'static>(&self, id: LocalId) -> Result<Option<&T>, Dropped> {
        debug_assert_eq!(id.1, TypeId::of::<T>());
        let Some(table) = self.table.get() else {
            return Ok(None);
        };
        // SAFETY: the table is alive until `end` takes it away.
        let table = unsafe { table.as_ref() }.borrow();
        let Some(slot) = table.iter().find(|slot| slot.id == id) else {
            return Ok(None);
        };
        let value = slot.value.ok_or(Dropped)?;
        // SAFETY: a value stands in its box until its slot is emptied, and `id` says its type.
        Ok(Some(unsafe { value.place.cast::<T>().as_ref() }))
    }

    /// Gives a local that has no slot yet its value.
    ///
    /// # Safety
    /// As for [`Locals::get`].
    pub(crate) unsafe fn insert<T: 'static>(&self, id: LocalId, value: T) -> &T {
        unsafe fn drop_box<T>(place: NonNull<()>) {
            // SAFETY: the place comes from `Box::into_raw` below, and is dropped once.
            drop(unsafe { Box::from_raw(place.cast::<T>().as_ptr()) });
        }
        debug_assert_eq!(id.1, TypeId::of::<T>());
        let table = self.table.get().unwrap_or_else(|| {
            let table = NonNull::from(Box::leak(Box::<Table>::default()));
            self.table.set(Some(table));
            table
        });
        let place = NonNull::from(Box::leak(Box::new(value)));
        // SAFETY: the table is alive until `end` takes it away.
        let mut table = unsafe { table.as_ref() }.borrow_mut();
        debug_assert!(table.iter().all(|slot| slot.id != id));
        table.push(Slot {
            id,
            value: Some(Value {
                place: place.cast(),
                drop: drop_box::<T>,
            }),
        });
        // SAFETY: the value stands in its box until its slot is emptied.
        unsafe { place.as_ref() }
    }

    /// Drops all values, when it is dropped itself.
    ///
    /// # Safety
    /// The goroutine that these are of calls.
    pub(super) unsafe fn drop_at_end(&self) -> DropAtEnd<'_> {
        DropAtEnd(self)
    }

    /// Drops what is left, and the table.
    ///
    /// # Safety
    /// As for [`Locals::drop_at_end`].
    #[inline]
    pub(super) unsafe fn end(&self) {
        if self.table.get().is_some() {
            self.drop_values();
            if let Some(table) = self.table.take() {
                // SAFETY: it comes from a box, and no value is left to whose destructor it could
                // still be of use.
                drop(unsafe { Box::from_raw(table.as_ptr()) });
            }
        }
    }

    /// Drops all values, the one that was made last first, and those that their destructors make.
    #[cold]
    fn drop_values(&self) {
        while let Some(value) = self.take_last() {
            // SAFETY: the slot has been emptied, so this is done once, and nobody gets to the
            // value any more.
            panics::contain(|| unsafe { (value.drop)(value.place) });
        }
    }

    fn take_last(&self) -> Option<Value> {
        // SAFETY: the table is alive until `end` takes it away.
        let mut table = unsafe { self.table.get()?.as_ref() }.borrow_mut();
        table.iter_mut().rev().find_map(|slot| slot.value.take())
    }
}

/// See [`Locals::drop_at_end`].
pub(super) struct DropAtEnd<'a>(&'a Locals);

impl Drop for DropAtEnd<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.0.table.get().is_some() {
            self.0.drop_values();
        }
    }
}
