//! Contexts: what ends with what, why and when, and that nothing is left of those that are gone.

mod harness;

use gochan::TryRecvError;
use gochan::context::{Context, ContextError};
use gochan::prelude::*;
use gochan::runtime::Config;
use gochan::time;
use harness::{
    Dice, HOUR, MILLI, SECOND, Side, each_pair, each_runtime, everywhere, in_virtual_time,
    on_workers, until,
};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[track_caller]
fn assert_live(ctx: &Context) {
    assert_eq!(ctx.err(), None);
    assert!(ctx.cause().is_none());
    assert_eq!(ctx.done().try_recv(), Err(TryRecvError::Empty));
}

#[track_caller]
fn assert_ended(ctx: &Context, error: ContextError, cause: &str) {
    assert_eq!(ctx.err(), Some(error));
    assert_eq!(ctx.cause().unwrap().to_string(), cause);
    assert_eq!(ctx.done().try_recv(), Err(TryRecvError::Closed));
}

#[track_caller]
fn assert_canceled(ctx: &Context) {
    assert_ended(ctx, ContextError::Canceled, "context canceled");
}

// ----- roots ------------------------------------------------------------------------------

#[test]
fn the_roots_never_end_and_hold_nothing() {
    everywhere(|| {
        for root in [Context::background(), Context::todo(), Context::default()] {
            assert_live(&root);
            assert_eq!(root.deadline(), None);
            assert!(root.value::<u32>().is_none());
            select! {
                recv(root.done()) => panic!("it never ends"),
                after(MILLI) => {}
            }
            assert_live(&root.clone().without_cancel());
        }
    });
}

#[test]
fn errors_speak_as_in_go() {
    let canceled: Box<dyn Error> = Box::new(ContextError::Canceled);
    assert_eq!(canceled.to_string(), "context canceled");
    let late = ContextError::DeadlineExceeded.to_string();
    assert_eq!(late, "context deadline exceeded");
    let (ctx, _cancel) = Context::background().with_cancel();
    assert!(format!("{ctx:?}").contains("err: None"));
}

// ----- cancelling -------------------------------------------------------------------------

#[test]
fn cancel_ends_the_context_and_wakes_who_waits() {
    each_pair(|waiting, cancelling| {
        let (ctx, cancel) = Context::background().with_cancel();
        let waiters: Vec<_> = (0..3)
            .map(|number| {
                let ctx = ctx.clone();
                waiting.start(move || {
                    if number == 0 {
                        assert_eq!(ctx.done().recv(), None);
                    } else {
                        select! {
                            recv(ctx.done()) -> nothing => assert_eq!(nothing, None),
                        }
                    }
                    assert_canceled(&ctx);
                })
            })
            .collect();
        assert_live(&ctx);
        cancelling.start(move || cancel.cancel()).join();
        waiters.into_iter().for_each(harness::Task::join);
        assert_canceled(&ctx);
    });
}

#[test]
fn the_whole_tree_below_ends_and_nothing_else() {
    everywhere(|| {
        let (root, _root) = Context::background().with_cancel();
        let (one, cancel_one) = root.with_value("a value").with_cancel();
        let (other, _other) = root.with_cancel();
        let (timed, _timed) = one.with_timeout(HOUR);
        let (deep, _deep) = timed.with_value(1_u8).with_cancel_cause();
        let valued = deep.with_value(2_u8);
        cancel_one.cancel();
        for ctx in [&one, &timed, &deep, &valued] {
            assert_canceled(ctx);
        }
        assert_live(&root);
        assert_live(&other);
    });
}

#[test]
fn what_is_made_from_an_ended_context_has_ended() {
    everywhere(|| {
        let (parent, cancel) = Context::background().with_cancel();
        cancel.cancel_with_cause("the parent's");
        let (child, child_cancel) = parent.with_timeout(HOUR);
        assert_ended(&child, ContextError::Canceled, "the parent's");
        child_cancel.cancel_with_cause("the child's");
        assert_ended(&child, ContextError::Canceled, "the parent's");
        assert_live(&parent.without_cancel());
    });
}

#[test]
fn a_child_that_ends_leaves_its_parent_alone() {
    everywhere(|| {
        let (parent, _cancel) = Context::background().with_cancel();
        let (child, cancel) = parent.with_cancel();
        cancel.cancel();
        cancel.cancel();
        assert_canceled(&child);
        assert_live(&parent);
    });
}

#[test]
fn the_guard_cancels_when_it_is_dropped_unless_detached() {
    everywhere(|| {
        let (ctx, cancel) = Context::background().with_cancel();
        let handle = cancel.handle();
        drop(cancel);
        assert_canceled(&ctx);
        handle.cancel();

        let (ctx, cancel) = Context::background().with_cancel();
        let handle = cancel.detach();
        assert_live(&ctx);
        drop(handle.clone());
        assert_live(&ctx);
        handle.cancel_with_cause("by hand");
        assert_ended(&ctx, ContextError::Canceled, "by hand");

        // The pattern `_` binds nothing, so the guard goes at the end of the line.
        let (ctx, _) = Context::background().with_cancel();
        assert_canceled(&ctx);
        let (ctx, _cancel) = Context::background().with_cancel();
        assert_live(&ctx);
    });
}

#[test]
fn the_guard_cancels_when_its_goroutine_unwinds() {
    each_runtime(|| {
        let (tx, rx) = gochan::channel(1);
        let goroutine = go!({
            let (ctx, _cancel) = Context::background().with_cancel();
            tx.send(ctx).unwrap();
            gochan::goexit();
        });
        let ctx = rx.recv().unwrap();
        ctx.done().recv();
        assert!(goroutine.join().is_err());
    });
}

// ----- causes -----------------------------------------------------------------------------

#[derive(Debug, PartialEq)]
struct Told(u32);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "told {}", self.0)
    }
}

impl Error for Told {}

#[test]
fn the_first_cause_counts_and_goes_down_the_tree() {
    everywhere(|| {
        let (parent, cancel_parent) = Context::background().with_cancel_cause();
        let (child, cancel_child) = parent.with_cancel_cause();
        let (grandchild, _cancel) = child.with_cancel();
        cancel_child.cancel_with_cause(Told(1));
        cancel_parent.cancel_with_cause(Told(2));
        for (ctx, told) in [(&parent, 2), (&child, 1), (&grandchild, 1)] {
            assert_eq!(ctx.err(), Some(ContextError::Canceled));
            let cause = ctx.cause().unwrap();
            assert_eq!(cause.downcast_ref(), Some(&Told(told)));
        }
    });
}

#[test]
fn a_deadline_has_a_cause_of_its_own() {
    in_virtual_time(|| {
        let (late, _late) = Context::background().with_timeout_cause(SECOND, Told(3));
        let (stopped, stop) = Context::background().with_timeout_cause(SECOND, Told(4));
        stop.cancel();
        time::sleep(SECOND * 2);
        assert_ended(&late, ContextError::DeadlineExceeded, "told 3");
        assert_canceled(&stopped);
    });
}

// ----- deadlines --------------------------------------------------------------------------

#[test]
fn a_context_ends_at_its_deadline() {
    in_virtual_time(|| {
        let start = time::now();
        let (ctx, _cancel) = Context::background().with_timeout(SECOND);
        assert_eq!(ctx.deadline(), Some(start + SECOND));
        let (child, _cancel) = ctx.with_cancel();
        assert_eq!(child.deadline(), Some(start + SECOND));
        time::sleep(SECOND - MILLI);
        assert_live(&ctx);
        child.done().recv();
        assert_eq!(time::since(start), SECOND);
        for ctx in [&ctx, &child] {
            assert_ended(
                ctx,
                ContextError::DeadlineExceeded,
                "context deadline exceeded",
            );
        }
    });
    everywhere(|| {
        let start = Instant::now();
        let (ctx, _cancel) = Context::background().with_timeout(MILLI * 3);
        assert_eq!(ctx.done().recv(), None);
        assert!(start.elapsed() >= MILLI * 3);
        assert_eq!(ctx.err(), Some(ContextError::DeadlineExceeded));
    });
}

#[test]
fn the_earlier_deadline_counts() {
    in_virtual_time(|| {
        let start = time::now();
        let (outer, _outer) = Context::background().with_deadline(start + SECOND * 2);
        let (later, _later) = outer.with_timeout_cause(SECOND * 3, Told(5));
        let (sooner, _sooner) = later.with_deadline_cause(start + SECOND, Told(6));
        assert_eq!(later.deadline(), Some(start + SECOND * 2));
        assert_eq!(sooner.deadline(), Some(start + SECOND));
        sooner.done().recv();
        assert_ended(&sooner, ContextError::DeadlineExceeded, "told 6");
        assert_live(&later);
        later.done().recv();
        assert_eq!(time::since(start), SECOND * 2);
        assert_ended(
            &later,
            ContextError::DeadlineExceeded,
            "context deadline exceeded",
        );
    });
}

#[test]
fn a_deadline_in_the_past_or_of_zero_ends_at_once() {
    everywhere(|| {
        let (zero, _cancel) = Context::background().with_timeout(Duration::ZERO);
        let (past, _cancel) = Context::background().with_deadline(time::now());
        for ctx in [&zero, &past] {
            assert_ended(
                ctx,
                ContextError::DeadlineExceeded,
                "context deadline exceeded",
            );
        }
        let (never, _cancel) = Context::background().with_timeout(Duration::MAX);
        assert_live(&never);
        assert_eq!(never.deadline(), None);
    });
}

#[test]
fn cancel_comes_before_the_deadline() {
    in_virtual_time(|| {
        let (ctx, cancel) = Context::background().with_timeout(SECOND);
        cancel.cancel();
        time::sleep(SECOND * 2);
        assert_canceled(&ctx);
    });
}

#[test]
fn one_that_computes_on_the_only_worker_learns_of_its_deadline() {
    on_workers(1, || {
        let (outer, _outer) = Context::background().with_timeout(MILLI * 2);
        let (asked, _asked) = outer.with_cancel();
        while asked.err().is_none() {
            std::hint::spin_loop();
        }
        let (polled, _polled) = Context::background().with_timeout(MILLI * 2);
        loop {
            select! {
                recv(polled.done()) => break,
                default => {}
            }
        }
        assert_eq!(outer.err(), Some(ContextError::DeadlineExceeded));
        assert_eq!(polled.err(), Some(ContextError::DeadlineExceeded));
    });
}

#[test]
fn a_thread_does_not_judge_virtual_deadlines_by_its_own_clock() {
    in_virtual_time(|| {
        let (ctx, _cancel) = Context::background().with_timeout(MILLI);
        let thread = std::thread::spawn({
            let ctx = ctx.clone();
            move || {
                std::thread::sleep(MILLI * 5);
                ctx.err()
            }
        });
        // A goroutine that does not wait keeps virtual time standing.
        while !thread.is_finished() {
            std::hint::spin_loop();
        }
        assert_eq!(thread.join().unwrap(), None);
        ctx.done().recv();
    });
}

#[test]
fn a_thread_reckons_a_timeout_on_the_clock_of_its_timer() {
    const NAME: &str = "a_thread_reckons_a_timeout_on_the_clock_of_its_timer";
    if !harness::is_program(NAME) {
        for workers in ["1", "2"] {
            let output = harness::run_program(NAME, &[("GOCHAN_MAXPROCS", workers)]);
            assert!(output.status.success(), "{output:?}");
        }
        return;
    }
    Config::new().virtual_time(true).install().unwrap();
    let background = Context::background();
    for cause in [None, Some("late")] {
        let now = go!({
            time::sleep(HOUR * 10);
            time::now()
        });
        let now = now.join().unwrap();
        let (ctx, _cancel) = match cause {
            None => background.with_timeout(HOUR),
            Some(cause) => background.with_timeout_cause(HOUR, cause),
        };
        assert_eq!(ctx.deadline(), Some(now + HOUR));
        ctx.done().recv();
        assert_eq!(go!(time::now()).join().unwrap(), now + HOUR);
    }
}

// ----- values -----------------------------------------------------------------------------

#[test]
fn values_are_found_by_type_the_nearest_first() {
    #[derive(Debug, PartialEq)]
    struct Name(&'static str);
    #[derive(Debug, PartialEq)]
    struct Age(u8);

    let root = Context::background()
        .with_value(Name("root"))
        .with_value(Age(1));
    let (child, cancel) = root.with_cancel();
    let child = child.with_value(Name("child"));
    assert_eq!(child.value(), Some(&Name("child")));
    assert_eq!(child.value(), Some(&Age(1)));
    assert_eq!(root.value(), Some(&Name("root")));
    assert_eq!(child.value::<&str>(), None);
    cancel.cancel();
    assert_eq!(child.without_cancel().value(), Some(&Name("child")));
}

#[test]
fn a_value_lives_as_long_as_a_context_that_has_it() {
    let value = Arc::new(7);
    let with = Context::background().with_value(Arc::clone(&value));
    let (child, cancel) = with.with_cancel();
    drop(with);
    assert_eq!(child.value::<Arc<i32>>(), Some(&value));
    drop((child, cancel));
    assert_eq!(Arc::strong_count(&value), 1);
}

// ----- after_func -------------------------------------------------------------------------

#[test]
fn after_func_is_called_once_in_a_goroutine_when_the_context_ends() {
    everywhere(|| {
        let (ctx, cancel) = Context::background().with_cancel();
        let (child, _child) = ctx.with_value(0_u8).with_cancel();
        let (tx, rx) = gochan::channel(0);
        for ctx in [&ctx, &child] {
            let (tx, ended) = (tx.clone(), ctx.clone());
            ctx.after_func(move || tx.send(ended.err()).unwrap());
        }
        drop(tx);
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        cancel.cancel();
        let errors: Vec<_> = rx.iter().collect();
        assert_eq!(errors, [Some(ContextError::Canceled); 2]);

        let (tx, rx) = gochan::channel(0);
        let call = ctx.after_func(move || tx.send("at once").unwrap());
        assert_eq!(rx.recv(), Some("at once"));
        assert!(!call.stop());
    });
}

#[test]
fn a_stopped_after_func_is_dropped_uncalled() {
    everywhere(|| {
        let held = Arc::new(());
        let (ctx, cancel) = Context::background().with_cancel();
        let call = |ctx: &Context| {
            let held = Arc::clone(&held);
            ctx.after_func(move || panic!("called with {held:?}"))
        };
        for ctx in [&ctx, &Context::background()] {
            let call = call(ctx);
            assert!(call.stop());
            assert!(!call.stop());
            assert_eq!(Arc::strong_count(&held), 1);
        }
        cancel.cancel();
        // Nobody can end it any more.
        let (ctx, cancel) = Context::background().with_cancel();
        let never = call(&ctx);
        drop((cancel.detach(), ctx));
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(!never.stop());
    });
}

#[test]
fn stopping_races_with_cancelling() {
    each_pair(|stopping, cancelling| {
        let calls = Arc::new(AtomicUsize::new(0));
        let rounds = 200;
        let mut stopped = 0;
        for _ in 0..rounds {
            let (ctx, cancel) = Context::background().with_cancel();
            let called = Arc::clone(&calls);
            let call = ctx.after_func(move || _ = called.fetch_add(1, Ordering::Relaxed));
            let canceller = cancelling.start(move || cancel.cancel());
            stopped += usize::from(stopping.start(move || call.stop()).join());
            canceller.join();
        }
        until(|| calls.load(Ordering::Relaxed) + stopped >= rounds);
        harness::give_chances();
        assert_eq!(calls.load(Ordering::Relaxed) + stopped, rounds);
    });
}

// ----- trees ------------------------------------------------------------------------------

#[test]
fn a_deep_tree_is_cancelled_and_dropped_on_a_small_stack() {
    each_runtime(|| {
        let depth = 100_000;
        let (root, cancel) = Context::background().with_cancel();
        let mut guards = Vec::new();
        let mut ctx = root.clone();
        for level in 0..depth {
            let (child, guard) = ctx.with_value(level).with_cancel();
            guards.push(guard.detach());
            ctx = child;
        }
        cancel.cancel();
        assert_canceled(&ctx);
        drop(guards);
        drop((root, cancel));
        // Only the last one holds all the others now.
        drop(ctx);

        let mut ctx = Context::background();
        for _ in 0..depth {
            ctx = ctx.with_cancel().0;
        }
        assert_canceled(&ctx);
    });
}

#[test]
fn a_wide_tree_ends_as_one() {
    each_runtime(|| {
        let (root, cancel) = Context::background().with_cancel();
        let ended = Arc::new(AtomicUsize::new(0));
        let waiting: Vec<_> = (0..2_000)
            .map(|_| {
                let (child, guard) = root.with_timeout(HOUR);
                go!(clone(ended), {
                    let _guard = guard;
                    child.done().recv();
                    assert_canceled(&child);
                    ended.fetch_add(1, Ordering::Relaxed);
                })
            })
            .collect();
        cancel.cancel();
        for one in waiting {
            one.join().unwrap();
        }
        assert_eq!(ended.load(Ordering::Relaxed), 2_000);
    });
}

/// The more children there are to be ended, the longer a canceller is between the two.
#[test]
fn who_learns_of_the_end_finds_the_channel_closed() {
    each_pair(|learning, cancelling| {
        for _ in 0..20 {
            let (root, cancel) = Context::background().with_cancel();
            let children: Vec<_> = (0..500).map(|_| root.with_cancel()).collect();
            let done = root.done().clone();
            let learner = learning.start(move || {
                while root.err().is_none() {
                    gochan::yield_now();
                }
                done.is_closed()
            });
            let canceller = cancelling.start(move || cancel.cancel());
            assert!(learner.join(), "it has ended, and the channel is open");
            canceller.join();
            drop(children);
        }
    });
}

#[test]
fn children_are_made_and_dropped_while_the_parent_is_cancelled() {
    for seed in 0..20 {
        on_workers(2, || {
            let (root, cancel) = Context::background().with_cancel();
            let over = Arc::new(AtomicBool::new(false));
            let tasks: Vec<_> = (0..4)
                .map(|number| {
                    let side = [Side::Goroutine, Side::Thread][number % 2];
                    let (root, over) = (root.clone(), Arc::clone(&over));
                    side.start(move || {
                        let dice = Dice::new(seed * 4 + number as u64);
                        let mut kept = Vec::new();
                        while !over.load(Ordering::Relaxed) {
                            let (child, guard) = match dice.below(3) {
                                0 => root.with_cancel(),
                                1 => root.with_timeout(HOUR),
                                _ => root.with_timeout(Duration::from_micros(dice.below(50))),
                            };
                            match dice.below(4) {
                                0 => guard.cancel(),
                                1 => _ = child.done().try_recv(),
                                2 if kept.len() < 100 => kept.push((child, guard)),
                                _ => {}
                            }
                            gochan::yield_now();
                        }
                        for (child, _guard) in kept {
                            assert!(child.err().is_some());
                            assert_eq!(child.done().recv(), None);
                        }
                    })
                })
                .collect();
            time::sleep(MILLI);
            cancel.cancel();
            over.store(true, Ordering::Relaxed);
            tasks.into_iter().for_each(harness::Task::join);
            assert!(root.with_cancel().0.err().is_some());
        });
    }
}

#[test]
fn what_was_told_is_seen_after_done() {
    each_pair(|waiting, cancelling| {
        for round in 0..200 {
            let (ctx, cancel) = Context::background().with_cancel();
            let (child, _child) = ctx.with_cancel();
            let waiter = waiting.start(move || {
                child.done().recv();
                assert!(ctx.err().is_some(), "the parent ends first");
                child.cause().unwrap().to_string()
            });
            let canceller = cancelling.start(move || cancel.cancel_with_cause(Told(round)));
            assert_eq!(waiter.join(), format!("told {round}"));
            canceller.join();
        }
    });
}
