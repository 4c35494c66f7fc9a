//! Our side of the benchmarks of Go's packages `runtime`, `sync`, `time` and `context`, under Go's
//! names.
//!
//! Each workload has as many goroutines as Go's, channels of the same capacities, and as many
//! operations for each iteration. Go's figures come from Go's own code, in the `*_test.go` of the
//! installed distribution.
//!
//! `GoroutineSelect`, `GoroutineBlocking` and `GoroutineForRange` of `malloc_test.go` are left
//! out: their clock runs only while the garbage collector does, so they measure nothing that a
//! Rust program has.

mod busy;
mod channels;
mod context;
mod goroutines;
mod producers;
mod selects;
mod sync;
mod time;

use clap::ValueEnum;

use crate::measure::Bencher;
use Package::{Context, Runtime, Sync, Time};

/// A package of Go's standard library that brings benchmarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Package {
    /// `runtime`: channels, `select`, goroutines.
    Runtime,
    /// `sync`.
    Sync,
    /// `time`: timers and tickers.
    Time,
    /// `context`.
    Context,
}

impl Package {
    /// What Go calls it.
    pub fn name(self) -> &'static str {
        match self {
            Package::Runtime => "runtime",
            Package::Sync => "sync",
            Package::Time => "time",
            Package::Context => "context",
        }
    }
}

/// A workload and its name.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// The name, which is that of Go's benchmark where there is one.
    pub name: &'static str,
    /// Does [`Bencher::iterations`] iterations.
    pub run: fn(&mut Bencher),
    /// The package of Go that it belongs to.
    pub package: Package,
    /// Whether Go has a benchmark of this name.
    pub in_go: bool,
    /// Whether Go's benchmark sets `GOMAXPROCS` to 1 whatever was asked for.
    pub one_worker: bool,
}

impl Workload {
    const fn new(package: Package, name: &'static str, run: fn(&mut Bencher)) -> Self {
        Self {
            name,
            run,
            package,
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

/// All workloads, package by package, in the order of Go's files.
pub static WORKLOADS: &[Workload] = &[
    Workload::new(Runtime, "MakeChan/Byte", channels::make::<u8>),
    Workload::new(Runtime, "MakeChan/Int", channels::make::<i64>),
    Workload::new(Runtime, "MakeChan/Ptr", channels::make::<Option<Box<u8>>>),
    Workload::new(Runtime, "MakeChan/Struct/0", channels::make::<()>),
    Workload::new(Runtime, "MakeChan/Struct/32", channels::make::<[u64; 4]>),
    Workload::new(Runtime, "MakeChan/Struct/40", channels::make::<[u64; 5]>),
    Workload::new(Runtime, "ChanNonblocking", channels::nonblocking),
    Workload::new(Runtime, "SelectUncontended", selects::uncontended),
    Workload::new(Runtime, "SelectSyncContended", selects::sync_contended),
    Workload::new(Runtime, "SelectAsyncContended", selects::async_contended),
    Workload::new(Runtime, "SelectNonblock", selects::nonblock),
    Workload::new(Runtime, "ChanUncontended", channels::uncontended),
    Workload::new(Runtime, "ChanContended", channels::contended),
    Workload::new(Runtime, "ChanSync", channels::sync::<0>),
    Workload::new(Runtime, "ChanSyncWork", channels::sync::<1000>),
    Workload::new(Runtime, "ChanProdCons0", producers::through::<0, 0>),
    Workload::new(Runtime, "ChanProdCons10", producers::through::<10, 0>),
    Workload::new(Runtime, "ChanProdCons100", producers::through::<100, 0>),
    Workload::new(Runtime, "ChanProdConsWork0", producers::through::<0, 100>),
    Workload::new(Runtime, "ChanProdConsWork10", producers::through::<10, 100>),
    Workload::new(
        Runtime,
        "ChanProdConsWork100",
        producers::through::<100, 100>,
    ),
    Workload::new(Runtime, "SelectProdCons", producers::selecting),
    Workload::new(Runtime, "ReceiveDataFromClosedChan", channels::drain_closed),
    Workload::new(Runtime, "ChanCreation", channels::creation),
    Workload::new(Runtime, "ChanSem", channels::semaphore),
    Workload::new(Runtime, "ChanPopular", selects::popular),
    Workload::new(Runtime, "ChanClosed", channels::closed),
    Workload::new(Runtime, "PingPongHog", goroutines::ping_pong_hog).on_one_worker(),
    Workload::new(Runtime, "CreateGoroutines", goroutines::create),
    Workload::new(
        Runtime,
        "CreateGoroutinesParallel",
        goroutines::create_parallel,
    ),
    Workload::new(
        Runtime,
        "CreateGoroutinesCapture",
        goroutines::create_capture,
    ),
    Workload::new(Runtime, "CreateGoroutinesSingle", goroutines::create_single),
    Workload::new(Runtime, "Spawn/Finish", goroutines::spawn_and_finish).not_in_go(),
    Workload::new(Sync, "MutexUncontended", sync::mutex_uncontended),
    Workload::new(Sync, "Mutex", sync::mutex::<1, 0>),
    Workload::new(Sync, "MutexSlack", sync::mutex::<10, 0>),
    Workload::new(Sync, "MutexWork", sync::mutex::<1, 100>),
    Workload::new(Sync, "MutexWorkSlack", sync::mutex::<10, 100>),
    Workload::new(Sync, "MutexNoSpin", sync::mutex_no_spin),
    Workload::new(Sync, "MutexSpin", sync::mutex_spin),
    Workload::new(Sync, "RWMutexUncontended", sync::rwmutex_uncontended),
    Workload::new(Sync, "RWMutexWrite100", sync::rwmutex::<0, 100>),
    Workload::new(Sync, "RWMutexWrite10", sync::rwmutex::<0, 10>),
    Workload::new(Sync, "RWMutexWorkWrite100", sync::rwmutex::<100, 100>),
    Workload::new(Sync, "RWMutexWorkWrite10", sync::rwmutex::<100, 10>),
    Workload::new(Sync, "WaitGroupUncontended", sync::wait_group_uncontended),
    Workload::new(Sync, "WaitGroupAddDone", sync::wait_group_add_done::<0>),
    Workload::new(
        Sync,
        "WaitGroupAddDoneWork",
        sync::wait_group_add_done::<100>,
    ),
    Workload::new(Sync, "WaitGroupWait", sync::wait_group_wait::<0>),
    Workload::new(Sync, "WaitGroupWaitWork", sync::wait_group_wait::<100>),
    Workload::new(
        Sync,
        "WaitGroupActuallyWait",
        sync::wait_group_actually_wait,
    ),
    Workload::new(Sync, "Cond1", sync::cond::<1>),
    Workload::new(Sync, "Cond2", sync::cond::<2>),
    Workload::new(Sync, "Cond4", sync::cond::<4>),
    Workload::new(Sync, "Cond8", sync::cond::<8>),
    Workload::new(Sync, "Cond16", sync::cond::<16>),
    Workload::new(Sync, "Cond32", sync::cond::<32>),
    Workload::new(Sync, "Once", sync::once),
    Workload::new(Time, "AfterFunc1000", time::after_func_1000),
    Workload::new(Time, "After", time::after),
    Workload::new(Time, "Stop/impl=chan", time::stop_channel),
    Workload::new(Time, "Stop/impl=func", time::stop_function),
    Workload::new(
        Time,
        "SimultaneousAfterFunc1000",
        time::simultaneous_after_func_1000,
    ),
    Workload::new(Time, "StartStop1000", time::start_stop_1000),
    Workload::new(Time, "Reset/impl=chan", time::reset_channel),
    Workload::new(Time, "Reset/impl=func", time::reset_function),
    Workload::new(Time, "Sleep1000", time::sleep_1000),
    Workload::new(Time, "Ticker", time::ticker),
    Workload::new(Time, "TickerReset", time::ticker_reset),
    Workload::new(
        Context,
        "WithTimeout/concurrency=40",
        context::with_timeout::<40>,
    ),
    Workload::new(
        Context,
        "WithTimeout/concurrency=4000",
        context::with_timeout::<4000>,
    ),
    Workload::new(
        Context,
        "WithTimeout/concurrency=400000",
        context::with_timeout::<400000>,
    ),
    Workload::new(
        Context,
        "CancelTree/depth=1/Root=Background",
        context::tree_below_background::<1>,
    ),
    Workload::new(
        Context,
        "CancelTree/depth=1/Root=OpenCanceler",
        context::tree_below_open::<1>,
    ),
    Workload::new(
        Context,
        "CancelTree/depth=1/Root=ClosedCanceler",
        context::tree_below_closed::<1>,
    ),
    Workload::new(
        Context,
        "CancelTree/depth=10/Root=Background",
        context::tree_below_background::<10>,
    ),
    Workload::new(
        Context,
        "CancelTree/depth=10/Root=OpenCanceler",
        context::tree_below_open::<10>,
    ),
    Workload::new(
        Context,
        "CancelTree/depth=10/Root=ClosedCanceler",
        context::tree_below_closed::<10>,
    ),
    Workload::new(
        Context,
        "CancelTree/depth=100/Root=Background",
        context::tree_below_background::<100>,
    ),
    Workload::new(
        Context,
        "CancelTree/depth=100/Root=OpenCanceler",
        context::tree_below_open::<100>,
    ),
    Workload::new(
        Context,
        "CancelTree/depth=100/Root=ClosedCanceler",
        context::tree_below_closed::<100>,
    ),
    Workload::new(
        Context,
        "CancelTree/depth=1000/Root=Background",
        context::tree_below_background::<1000>,
    ),
    Workload::new(
        Context,
        "CancelTree/depth=1000/Root=OpenCanceler",
        context::tree_below_open::<1000>,
    ),
    Workload::new(
        Context,
        "CancelTree/depth=1000/Root=ClosedCanceler",
        context::tree_below_closed::<1000>,
    ),
    Workload::new(Context, "CheckCanceled/Err", context::check_err),
    Workload::new(Context, "CheckCanceled/Done", context::check_done),
    Workload::new(Context, "ContextCancelDone", context::cancel_done),
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
