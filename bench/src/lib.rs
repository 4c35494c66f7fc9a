//! Benchmarks of gochan against its peers.
//!
//! `cargo run --release -p bench --bin vsgo` runs our workloads next to the benchmarks that the Go
//! distribution brings for its own runtime; `--bin parallel` runs whole programs written in both
//! languages. The two sides take turns, each measurement in a process of its own, so that a
//! machine that slows down for a while slows down both.
//!
//! - [`measure`]: how often a workload is run, and what an operation of it takes.
//! - [`workloads`]: our side of Go's benchmarks, under Go's names.
//! - [`programs`]: whole programs, timed from the start of the process to its end; `--bin programs`
//!   is our side of them.
//! - [`go_peer`]: finds Go, builds its benchmarks and our Go programs, reads what they print.
//! - [`comparison`]: lets both sides take turns and collects the figures.
//! - [`growth`]: what operations cost where there is more of something; `cargo run --release -p
//!   bench --bin growth`.
//! - [`scale`]: very many goroutines at a time; `cargo run --release -p bench --bin goroutines`.
//! - [`peers`]: gochan and other Rust libraries; `cargo run --release -p bench --bin peers`.
//! - [`summary`], [`report`], [`chart`]: what becomes of the figures.

#![deny(missing_docs)]

pub mod chart;
pub mod cli;
pub mod comparison;
pub mod go_peer;
pub mod growth;
pub mod measure;
pub mod peers;
mod process;
pub mod programs;
pub mod report;
pub mod result_line;
pub mod scale;
pub mod summary;
pub mod workloads;
