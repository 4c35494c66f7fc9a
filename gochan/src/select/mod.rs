//! Waiting for the first of several operations.
//!
//! - `operand.rs`: what operations, here and elsewhere, may name their channels by;
//! - `arm.rs`: one operation of a select, in the form in which the algorithm sees it, and the kinds
//!   of them;
//! - `wait.rs`: the algorithm: which arm is chosen, and how all are waited for at once;
//! - `dynamic.rs`: [`Select`], for sets of operations that are known at run time only.

pub(crate) mod arm;
mod dynamic;
pub(crate) mod operand;
pub(crate) mod wait;

pub use dynamic::{Select, SelectedOperation};
