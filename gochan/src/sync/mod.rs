//! What goroutines and threads share, guarded: mutexes, wait groups, and what else Go's `sync`
//! and `golang.org/x/sync` have, in Rust's types.
//!
//! | Go | here |
//! |---|---|
//! | `sync.Mutex`, `sync.RWMutex` | [`Mutex<T>`](Mutex), [`RwLock<T>`](RwLock): they own what they guard |
//! | `sync.Cond` | [`Cond`] |
//! | `sync.WaitGroup` | [`WaitGroup`] |
//! | `sync.Once`, `sync.OnceValue` | [`Once`], [`OnceValue`] |
//! | `semaphore.Weighted` | [`Semaphore`] |
//! | `errgroup.Group` | [`ErrGroup`] |
//! | `singleflight.Group` | [`SingleFlight`] |
//! | `sync.Pool` | [`Pool`] |
//! | (none) | [`Barrier`] |
//!
//! Everything here waits as channels do: a goroutine is parked and its worker runs others, an
//! ordinary thread sleeps; both may wait for the same object. What the standard library offers
//! under the same names works in goroutines too, but blocks the whole worker.
//!
//! What several of these types say of the end of a runtime follows from one rule: whoever waits
//! when its [runtime](crate::runtime::Runtime) ends is unwound, and a destructor that runs
//! meanwhile waits only for what unwinding itself will bring about, such as a lock that an
//! unwinding goroutine leaves.

mod barrier;
mod cond;
mod err_group;
mod failure;
mod gate;
mod group;
mod monitor;
mod mutex;
mod once;
mod once_value;
mod pause;
mod pool;
mod raw_lock;
mod rest;
mod rwlock;
mod semaphore;
mod single_flight;
mod wait_group;

#[cfg(all(test, loom))]
mod loom_models;

pub use barrier::{Barrier, BarrierWaitResult};
pub use cond::{Cond, WaitTimeoutResult};
pub use err_group::ErrGroup;
pub(crate) use group::Group;
pub use mutex::{Mutex, MutexGuard};
pub use once::Once;
pub use once_value::OnceValue;
pub use pool::{Pool, Pooled};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{Permit, Semaphore};
pub use single_flight::SingleFlight;
pub use wait_group::WaitGroup;
