//! What the compiler says about gochan's macros: `fail/` holds programs that must be refused, each
//! with the message that a user gets; `pass/` holds odd but legal ones, which are also run.
//!
//! After a change of messages: `TRYBUILD=overwrite cargo test -p ui-tests`, then read the difference.

/// Macros of a crate that uses gochan's macros in its own, for `pass/other_crates_macros.rs`.
#[doc(hidden)]
pub mod reexport {
    pub use gochan;
}

/// Runs a call in a goroutine, by way of another crate's macro.
#[macro_export]
macro_rules! in_background {
    ($($body:tt)*) => {
        $crate::reexport::gochan::go! { $($body)* }
    };
}

/// Receives from the first of two channels, by way of another crate's macro.
#[macro_export]
macro_rules! either {
    ($a:expr, $b:expr) => {
        $crate::reexport::gochan::select! {
            recv($a) -> v => v,
            v = <-$b => v,
        }
    };
}
