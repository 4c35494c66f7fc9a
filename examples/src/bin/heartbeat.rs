//! A supervisor that watches a worker's pulse, and replaces the worker when it
//! falls silent.
//!
//! The worker handles tasks, and beats beside that. One task, the third, makes
//! it hang for ever. The supervisor hears no beat for a while, gives up on the
//! worker, and starts another one, which goes on where the first one stood.
//!
//! What it shows: a `Ticker` for the pulse, and a `Timer` that every beat sets
//! back, so that it fires only when the pulse stops. A tick or a time that was
//! under way when the timer was reset is not received any more: nothing has to
//! be drained.
//!
//! What to read in it: [`supervise`] and [`work`], two loops around a
//! `select!`. The worker beats in an arm of the `select!` in which it waits, so
//! a worker that hangs does not beat. It is told to stop by its context, whose
//! guard the supervisor drops.

use std::num::NonZeroU64;
use std::time::Duration;

use clap::Parser;
use gochan::context::Context;
use gochan::prelude::*;
use gochan::time::{Ticker, Timer, after};

/// Handle tasks with a worker whose heartbeat is watched.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Tasks to handle
    #[arg(long, value_name = "N", default_value_t = 5)]
    tasks: u32,

    /// The task that makes its first worker hang; 0 for none
    #[arg(long, value_name = "N", default_value_t = 3)]
    hang: u32,

    /// Milliseconds between heartbeats
    #[arg(long, value_name = "MS", default_value = "5")]
    pulse: NonZeroU64,
}

/// What a worker tells its supervisor.
enum News {
    Beat,
    Finished(u32),
}

#[gochan::main]
fn main() {
    let options = Options::parse();
    let pulse = Duration::from_millis(options.pulse.get());
    let mut next = 1;
    let mut workers = 0;
    while next <= options.tasks {
        workers += 1;
        println!("worker {workers} starts with task {next}");
        let hang = if workers == 1 { options.hang } else { 0 };
        next = supervise(next, options.tasks, hang, pulse);
        if next <= options.tasks {
            println!("worker {workers} fell silent at task {next}");
        }
    }
    println!("{} tasks done by {workers} workers", options.tasks);
}

/// Has a worker handle the tasks from `next` to `last`. Returns the first task
/// that it did not finish.
fn supervise(mut next: u32, last: u32, hang: u32, pulse: Duration) -> u32 {
    let (ctx, _stops_the_worker) = Context::background().with_cancel();
    let (news, reports) = gochan::channel(0);
    go!(work(ctx, next..=last, hang, pulse, news));
    let silence = Timer::new(pulse * 100);
    loop {
        select! {
            recv(reports) -> report => match report {
                Some(News::Beat) => {}
                Some(News::Finished(task)) => {
                    println!("task {task} done");
                    next = task + 1;
                }
                None => return next,
            },
            recv(silence.c()) => return next,
        }
        silence.reset(pulse * 100);
    }
}

/// Handles tasks, and beats meanwhile, until it is told to stop.
fn work(
    ctx: Context,
    tasks: impl Iterator<Item = u32>,
    hang: u32,
    pulse: Duration,
    news: Sender<News>,
) {
    let heart = Ticker::new(pulse);
    for task in tasks {
        if task == hang {
            // Not even its heart beats any more; but it can be told to stop.
            ctx.done().recv();
            return;
        }
        let done = after(pulse * 3);
        loop {
            select! {
                recv(done) => break,
                recv(heart.c()) => chan! { news <- News::Beat },
                recv(ctx.done()) => return,
            }
        }
        chan! { news <- News::Finished(task) }
    }
}
