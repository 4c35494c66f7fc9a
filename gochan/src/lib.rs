//! Go-style concurrency: goroutines, channels and `select`, typed the Rust way.
//!
//! ```
//! use gochan::prelude::*;
//!
//! #[gochan::main]
//! fn main() {
//!     let squares = make!(chan u64);
//!     go!(clone(squares), {
//!         for i in 1..=3 {
//!             squares <- i * i;
//!         }
//!         squares.close();
//!     });
//!     let mut sum = 0;
//!     for square in &squares {
//!         sum += square;
//!     }
//!     assert_eq!(sum, 14);
//! }
//! ```
//!
//! A goroutine is a stackful coroutine: it waits for a channel in the middle of any function,
//! without `async`. Once it has run it stays on its worker thread, so nothing that it holds
//! changes threads behind the compiler's back. Every operation that waits works in goroutines
//! and in ordinary threads alike, on the same channel at the same time.
//!
//! | Go | here |
//! |---|---|
//! | `go f(x)` | [`go!`](go)`(f(x))`, `go! { … }` |
//! | `make(chan T, n)` | [`make!`](make)`(chan T, n)`, a [`Chan<T>`](Chan) |
//! | `ch <- v`, `<-ch` | the same, in [`chan!`](chan)` { … }`, [`go!`](go) and [`select!`](select!) |
//! | `select { … }` | [`select!`](select!)` { … }` |
//! | `defer f()` | [`defer!`](defer)` { f() }` |

#![deny(missing_docs, unsafe_op_in_unsafe_fn)]
#![warn(missing_debug_implementations)]

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod channel;
pub mod context;
mod error;
pub mod fs;
pub mod goroutine;
mod join;
mod macros;
mod message;
pub mod net;
mod references;
pub mod runtime;
mod scope;
mod select;
pub mod sync;
pub mod time;
mod wait;

pub use channel::{Chan, IntoIter, Iter, Receiver, Sender, TryIter, channel, unbounded};
pub use error::{
    RecvTimeoutError, SelectTimeoutError, SendError, SendTimeoutError, TryRecvError,
    TrySelectError, TrySendError,
};
pub use gochan_macros::{main, test};
pub use join::{JoinError, JoinHandle};
pub use scope::{Scope, ScopedJoinHandle, scope};
pub use select::{Select, SelectedOperation};

/// What most programs want: `use gochan::prelude::*;`
pub mod prelude {
    pub use crate::{Chan, Receiver, Sender, chan, defer, go, make, select};
}

use channel::core::Refusal;
use std::any::Any;
use std::panic::Location;

/// Lets the other goroutines of this worker run first; on an ordinary thread, offers the
/// processor to other threads.
///
/// ```
/// gochan::yield_now();
/// ```
#[doc(alias = "Gosched")]
#[inline(always)] // see `Waiter::begin`
pub fn yield_now() {
    if !runtime::yield_goroutine() {
        std::thread::yield_now();
    }
}

/// Ends the calling goroutine: its destructors and `defer!` blocks run, nothing is printed, and
/// whoever joins it gets a [`JoinError`] that [is a goexit](JoinError::is_goexit).
///
/// With the main goroutine its runtime ends, where Go lets the other goroutines go on: under
/// `#[gochan::main]` the process ends with a message and status 2, and
/// [`Runtime::run`](runtime::Runtime::run) panics.
///
/// # Panics
/// On an ordinary thread, where there is no goroutine to end.
///
/// ```
/// #[gochan::main]
/// fn main() {
///     let handle = gochan::go!({
///         gochan::goexit();
///     });
///     assert!(handle.join().unwrap_err().is_goexit());
/// }
/// ```
#[track_caller]
pub fn goexit() -> ! {
    runtime::end_goroutine();
    panic!("goexit was called by an ordinary thread");
}

/// As [`std::panic::resume_unwind`]: goes on with a panic that was caught here, or in another
/// goroutine or thread. In goroutines use this one, which lets the runtime know that they unwind. With
/// that of the standard library, a destructor that sends on an abandoned channel or waits at the end of
/// the runtime may abort the process, if another goroutine waits in the middle of unwinding.
///
/// ```
/// let result = std::panic::catch_unwind(|| {
///     let joined = gochan::runtime::Runtime::new(Default::default()).unwrap().run(|| {
///         gochan::go!({ panic!("for whoever joins") }).join()
///     });
///     gochan::resume_unwind(joined.map(|never: std::convert::Infallible| never).unwrap_err().into_panic())
/// });
/// assert!(result.is_err());
/// ```
pub fn resume_unwind(payload: Box<dyn Any + Send>) -> ! {
    runtime::panics::resume_unwind(payload)
}

/// Runs a closure that blocks its thread (file I/O, a C library, a name look-up) while other
/// goroutines run: the calling goroutine is parked, and a helper thread runs the closure. The
/// closure may borrow from the goroutine's stack. On an ordinary thread it is simply called.
///
/// # Panics
/// With the panic of the closure.
///
/// ```
/// #[gochan::main]
/// fn main() {
///     let path = String::from("Cargo.toml");
///     let length = gochan::blocking(|| std::fs::read(&path).map(|bytes| bytes.len()));
///     assert!(length.unwrap() > 0);
/// }
/// ```
#[doc(alias = "spawn_blocking")]
#[track_caller]
pub fn blocking<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    let Some(pool) = runtime::blocking_pool() else {
        return f();
    };
    match pool.run(f, Location::caller()) {
        Ok(Ok(value)) => value,
        Ok(Err(payload)) => resume_unwind(payload),
        // Better slow than not at all: there is no helper thread, and none can be had.
        Err(f) => f(),
    }
}

/// Unwinds a goroutine whose runtime ends. Returns if it is unwinding already: then the wait
/// that was cancelled belongs to a destructor, which must go on.
#[cold]
fn unwind_cancelled() {
    if !runtime::is_unwinding() {
        runtime::end_goroutine();
    }
}

/// Go's rule for the sugar `ch <- v` when the channel does not take the value.
#[cold]
#[track_caller]
fn refuse_send<T>(value: T, refusal: Refusal) {
    match refusal {
        Refusal::Abandoned => {
            // In a destructor of a goroutine that ends anyway there is nothing more to end.
            if runtime::is_unwinding() {
                return;
            }
            drop(value);
            if !runtime::is_main_goroutine() {
                runtime::end_goroutine();
            }
            panic!("send on abandoned channel");
        }
        _ => panic!("send on closed channel"),
    }
}

/// The programs of the README and of the book, run as doctests.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/src/tour.md")]
    struct Tour;
    #[doc = include_str!("../../docs/src/from-go.md")]
    struct FromGo;
    #[doc = include_str!("../../docs/src/testing.md")]
    struct Testing;
    #[doc = include_str!("../../docs/src/sync.md")]
    struct Sync;
    #[doc = include_str!("../../docs/src/time-and-context.md")]
    struct TimeAndContext;
}
