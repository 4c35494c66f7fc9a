//! What the parking parts are made of: the standard library's atomics and cells and
//! `parking_lot`'s locks; loom's in their place when a model of these parts is checked.

#[cfg(all(test, loom))]
mod modelled;

#[cfg(all(test, loom))]
pub(crate) use loom::{
    hint::spin_loop,
    sync::{
        Arc,
        atomic::{Ordering, fence},
    },
    thread::yield_now,
    thread_local,
};
#[cfg(all(test, loom))]
pub(crate) use modelled::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Cell, Condvar, Mutex, check,
    check_within, sleep,
};

#[cfg(not(all(test, loom)))]
pub(crate) use parking_lot::{Condvar, Mutex};
#[cfg(not(all(test, loom)))]
pub(crate) use std::{
    cell::Cell,
    hint::spin_loop,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
    },
    thread::{sleep, yield_now},
    thread_local,
};

/// Makes a function `const`, except in models: loom makes its atomics at run time.
macro_rules! const_unless_loom {
    ($(#[$attribute:meta])* $visibility:vis fn $($rest:tt)*) => {
        #[cfg(not(all(test, loom)))]
        $(#[$attribute])*
        $visibility const fn $($rest)*
        #[cfg(all(test, loom))]
        $(#[$attribute])*
        $visibility fn $($rest)*
    };
}
pub(crate) use const_unless_loom;
