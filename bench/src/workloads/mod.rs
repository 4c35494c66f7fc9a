//! Our side of the benchmarks of Go's `runtime` package, under Go's names.
//!
//! Each workload has as many goroutines as Go's, channels of the same capacities, and as many
//! operations for each iteration. Go's figures come from Go's own code, in `chan_test.go` and
//! `proc_test.go` of the installed distribution.
//!
//! `GoroutineSelect`, `GoroutineBlocking` and `GoroutineForRange` of `malloc_test.go` are left
//! out: their clock runs only while the garbage collector does, so they measure nothing that a
//! Rust program has.

mod busy;
mod channels;
mod goroutines;
mod producers;
mod selects;

use crate::measure::Bencher;

/// A workload and its name.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// The name, which is that of Go's benchmark where there is one.
    pub name: &'static str,
    /// Does [`Bencher::iterations`] iterations.
    pub run: fn(&mut Bencher),
    /// Whether Go has a benchmark of this name.
    pub in_go: bool,
    /// Whether Go's benchmark sets `GOMAXPROCS` to 1 whatever was asked for.
    pub one_worker: bool,
}

impl Workload {
    const fn new(name: &'static str, run: fn(&mut Bencher)) -> Self {
        Self {
            name,
            run,
            in_go: true,
            one_worker: false,
        }
    }

    const fn not_in_go(self) -> Self {
        Self {
            in_go: false,
            ..self
        }
    }

    const fn on_one_worker(self) -> Self {
        Self {
            one_worker: true,
            ..self
        }
    }

    /// The workload of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        WORKLOADS.iter().find(|workload| workload.name == name)
    }
}

/// All workloads, in the order of Go's files.
pub static WORKLOADS: &[Workload] = &[
    Workload::new("MakeChan/Byte", channels::make::<u8>),
    Workload::new("MakeChan/Int", channels::make::<i64>),
    Workload::new("MakeChan/Ptr", channels::make::<Option<Box<u8>>>),
    Workload::new("MakeChan/Struct/0", channels::make::<()>),
    Workload::new("MakeChan/Struct/32", channels::make::<[u64; 4]>),
    Workload::new("MakeChan/Struct/40", channels::make::<[u64; 5]>),
    Workload::new("ChanNonblocking", channels::nonblocking),
    Workload::new("SelectUncontended", selects::uncontended),
    Workload::new("SelectSyncContended", selects::sync_contended),
    Workload::new("SelectAsyncContended", selects::async_contended),
    Workload::new("SelectNonblock", selects::nonblock),
    Workload::new("ChanUncontended", channels::uncontended),
    Workload::new("ChanContended", channels::contended),
    Workload::new("ChanSync", channels::sync::<0>),
    Workload::new("ChanSyncWork", channels::sync::<1000>),
    Workload::new("ChanProdCons0", producers::through::<0, 0>),
    Workload::new("ChanProdCons10", producers::through::<10, 0>),
    Workload::new("ChanProdCons100", producers::through::<100, 0>),
    Workload::new("ChanProdConsWork0", producers::through::<0, 100>),
    Workload::new("ChanProdConsWork10", producers::through::<10, 100>),
    Workload::new("ChanProdConsWork100", producers::through::<100, 100>),
    Workload::new("SelectProdCons", producers::selecting),
    Workload::new("ReceiveDataFromClosedChan", channels::drain_closed),
    Workload::new("ChanCreation", channels::creation),
    Workload::new("ChanSem", channels::semaphore),
    Workload::new("ChanPopular", selects::popular),
    Workload::new("ChanClosed", channels::closed),
    Workload::new("PingPongHog", goroutines::ping_pong_hog).on_one_worker(),
    Workload::new("CreateGoroutines", goroutines::create),
    Workload::new("CreateGoroutinesParallel", goroutines::create_parallel),
    Workload::new("CreateGoroutinesCapture", goroutines::create_capture),
    Workload::new("CreateGoroutinesSingle", goroutines::create_single),
    Workload::new("Spawn/Finish", goroutines::spawn_and_finish).not_in_go(),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
        assert_eq!(names.len(), WORKLOADS.len());
    }
}
