//! From `benchmark_test.go` of Go's package `context`.

use std::hint::black_box;
use std::time::Duration;

use gochan::context::{CancelGuard, Context};
use gochan::{go, select};

use crate::measure::Bencher;

const HOUR: Duration = Duration::from_secs(3600);

fn with_timeout_of(root: &Context) -> CancelGuard {
    root.with_timeout(HOUR).1
}

/// Makes ten contexts with a timeout and cancels them, while about `OTHERS` others are alive.
pub fn with_timeout<const OTHERS: usize>(b: &mut Bencher) {
    let root = &Context::background();
    let each = OTHERS / b.workers();
    let others: Vec<Vec<CancelGuard>> = gochan::scope(|s| {
        let workers: Vec<_> = (0..b.workers())
            .map(|_| {
                go!(in s, spread, {
                    (0..each).map(|_| with_timeout_of(root)).collect()
                })
            })
            .collect();
        let others = workers.into_iter().map(|worker| worker.join());
        others
            .map(|others| others.expect("it only makes contexts"))
            .collect()
    });
    b.reset_timer();
    b.run_parallel(|share| {
        let mut guards = Vec::with_capacity(10);
        while share.take() {
            guards.extend((0..10).map(|_| with_timeout_of(root)));
            // Dropping a guard cancels its context.
            guards.clear();
        }
    });
    b.stop_timer();
    drop(others);
}

/// Makes a chain of contexts below the background.
pub fn tree_below_background<const DEPTH: usize>(b: &mut Bencher) {
    for _ in 0..b.iterations() {
        black_box(chain(Context::background(), DEPTH));
    }
}

/// Makes a chain of contexts and cancels it at the top.
pub fn tree_below_open<const DEPTH: usize>(b: &mut Bencher) {
    for _ in 0..b.iterations() {
        let (top, cancel) = Context::background().with_cancel();
        let leaf = chain(top, DEPTH);
        cancel.cancel();
        black_box(leaf);
    }
}

/// Makes a chain of contexts below one that has been cancelled.
pub fn tree_below_closed<const DEPTH: usize>(b: &mut Bencher) {
    for _ in 0..b.iterations() {
        let (top, cancel) = Context::background().with_cancel();
        cancel.cancel();
        black_box(chain(top, DEPTH));
    }
}

/// The lowest of `depth` contexts, each made from the one before.
fn chain(mut context: Context, depth: usize) -> Context {
    for _ in 0..depth {
        let (child, cancel) = context.with_cancel();
        cancel.detach();
        context = child;
    }
    context
}

/// Asks a cancelled context for its error.
pub fn check_err(b: &mut Bencher) {
    let (ctx, cancel) = Context::background().with_cancel();
    cancel.cancel();
    for _ in 0..b.iterations() {
        black_box(ctx.err());
    }
}

/// Polls the channel of a cancelled context.
pub fn check_done(b: &mut Bencher) {
    let (ctx, cancel) = Context::background().with_cancel();
    cancel.cancel();
    for _ in 0..b.iterations() {
        select! {
            recv(ctx.done()) => {},
            default => unreachable!("it is cancelled"),
        }
    }
}

/// Polls the channel of a context that is not cancelled.
pub fn cancel_done(b: &mut Bencher) {
    let (ctx, _cancel) = Context::background().with_cancel();
    b.run_parallel(|share| {
        while share.take() {
            select! {
                recv(ctx.done()) => unreachable!("it is not cancelled"),
                default => {},
            }
        }
    });
}
