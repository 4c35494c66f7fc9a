//! Channels: typed queues between goroutines and threads, with Go's semantics.
//!
//! - `core.rs` and `core/`: the state of a channel and every operation on it, each written once;
//! - `shared.rs`: its memory, and the counts of its handles;
//! - `buffer.rs`: the values that were sent and not yet received;
//! - `handle.rs`: [`Chan`], [`Sender`] and [`Receiver`], thin over the core;
//! - `iter.rs`: the iterators.

mod buffer;
pub(crate) mod core;
mod handle;
mod iter;
mod shared;

pub use handle::{Chan, Receiver, Sender, channel, unbounded};
pub use iter::{IntoIter, Iter, TryIter};
