//! A search that asks several replicas of several shards, each with less time
//! than the whole, and stops what is not needed any more.
//!
//! The answer of a shard is that of its fastest replica; the other replicas are
//! cancelled then. A shard that has no replica fast enough runs out of its own
//! time, and the search goes on without it. When the whole search is stopped,
//! everything below stops.
//!
//! What it shows: a tree of contexts that follows the tree of calls. Each
//! function makes the context for what it calls, and the guard ends that when
//! the function returns, however it returns.
//!
//! What to read in it: [`ask_shard`]. Its one `return` stops the replicas that
//! are still at work: no flag, no list of goroutines. The request's number
//! travels with the context, as a value found by its type.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Parser;
use gochan::context::{Context, ContextError};
use gochan::prelude::*;
use gochan::time::after;

/// Search shards and their replicas, each within its time.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Shards to ask
    #[arg(long, value_name = "N", default_value = "4")]
    shards: NonZeroU32,

    /// Replicas of each shard
    #[arg(long, value_name = "N", default_value = "3")]
    replicas: NonZeroU32,

    /// Milliseconds that a shard has to answer
    #[arg(long, value_name = "MS", default_value_t = 500)]
    limit: u64,

    /// Stop the whole search before it begins
    #[arg(long)]
    stop: bool,
}

/// The number of the request that a goroutine works for.
struct Request(u32);

/// How many replicas ended in which way.
#[derive(Clone)]
struct Log(Sender<Ending>);

/// How a replica's work ended.
enum Ending {
    Answered,
    Stopped(ContextError),
}

#[gochan::main]
fn main() {
    let options = Options::parse();
    let (endings, ended) = gochan::unbounded();
    let root = Context::background().with_value(Request(1));
    let (ctx, cancel) = root.with_cancel();
    if options.stop {
        cancel.cancel_with_cause("nobody wants to know");
    }
    for (shard, answer) in (1..).zip(search(&ctx, &options, Log(endings))) {
        match answer {
            Ok(answer) => println!("shard {shard}: {answer}"),
            Err(error) => println!("shard {shard}: {error}"),
        }
    }
    if let Some(cause) = ctx.cause() {
        println!("the search was stopped: {cause}");
    }

    let (mut answered, mut canceled, mut late) = (0, 0, 0);
    for ending in ended {
        match ending {
            Ending::Answered => answered += 1,
            Ending::Stopped(ContextError::Canceled) => canceled += 1,
            Ending::Stopped(ContextError::DeadlineExceeded) => late += 1,
        }
    }
    println!("replicas: {answered} answered, {canceled} canceled, {late} out of time");
}

/// Asks all shards at once, and returns their answers in order.
fn search(ctx: &Context, options: &Options, log: Log) -> Vec<Result<String, ContextError>> {
    let limit = Duration::from_millis(options.limit);
    let replicas = options.replicas.get();
    let shards: Vec<_> = (1..=options.shards.get())
        .map(|shard| {
            go!(clone(ctx, log), {
                ask_shard(&ctx, shard, replicas, limit, &log)
            })
        })
        .collect();
    let answers = shards.into_iter().map(|shard| shard.join());
    answers
        .map(|answer| answer.expect("a shard does not panic"))
        .collect()
}

/// Asks all replicas of a shard, and returns the first answer.
fn ask_shard(
    ctx: &Context,
    shard: u32,
    replicas: u32,
    limit: Duration,
    log: &Log,
) -> Result<String, ContextError> {
    let (ctx, _stops_the_slower_ones) = ctx.with_timeout(limit);
    // Room for all, so that nobody waits for a reader that has left.
    let (answers, answered) = gochan::channel(replicas as usize);
    for replica in 1..=replicas {
        go!(clone(ctx, answers, log), {
            ask_replica(&ctx, shard, replica, &answers, &log)
        });
    }
    select! {
        recv(answered) -> answer => Ok(answer.expect("answers is open in this frame")),
        recv(ctx.done()) => Err(ctx.err().expect("it has ended")),
    }
}

/// Answers after a while that differs from replica to replica, unless it is
/// stopped before.
fn ask_replica(ctx: &Context, shard: u32, replica: u32, answers: &Sender<String>, log: &Log) {
    let ending = select! {
        biased;
        recv(ctx.done()) => Ending::Stopped(ctx.err().expect("it has ended")),
        recv(after(delay(shard, replica))) => {
            let Request(number) = ctx.value().expect("the search is a request");
            let answer = format!("request {number} answered by replica {replica}");
            // A faster one may have been enough.
            let _ = answers.send(answer);
            Ending::Answered
        }
    };
    let _ = log.0.send(ending);
}

/// Every third shard sleeps; of the others one replica is fast.
fn delay(shard: u32, replica: u32) -> Duration {
    match (shard % 3, replica == 1 + shard % 2) {
        (0, _) => Duration::from_secs(3600),
        (_, true) => Duration::from_millis(2),
        (_, false) => Duration::from_secs(1800),
    }
}
