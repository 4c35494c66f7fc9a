//! A page that is put together from parts, all fetched at the same time.
//!
//! What it shows: an `ErrGroup` with a context. Each part is fetched by a
//! goroutine of its own, at most so many at a time; the first that fails ends
//! the others through the context, and its error is the group's.
//!
//! What to read in it: [`fetch`] waits for its part and for the end of the
//! context in one `select!`, and that is all it needs to be stopped. [`page`]
//! counts nothing and closes nothing: `wait` returns when all have ended,
//! whether they were stopped or not.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use gochan::context::{Context, ContextError};
use gochan::prelude::*;
use gochan::sync::{ErrGroup, Mutex};

/// Fetch the parts of a page at the same time.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Parts to fetch at a time
    #[arg(long, value_name = "N", default_value = "3")]
    limit: NonZeroUsize,

    /// A part that cannot be fetched
    #[arg(long, value_name = "PART")]
    broken: Option<String>,
}

/// The parts: their names, how many milliseconds each takes, and what comes.
const PARTS: [(&str, u64, &str); 5] = [
    ("footer", 2, "all rights to the gophers"),
    ("header", 8, "The Daily Burrow"),
    ("market", 15, "carrots up, turnips down"),
    ("stories", 12, "tunnel opened, nobody knows where"),
    ("weather", 5, "dark, as always below ground"),
];

#[derive(Debug)]
enum FetchError {
    Broken(&'static str),
    Stopped(ContextError),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Broken(part) => write!(f, "the part {part:?} is broken"),
            FetchError::Stopped(error) => error.fmt(f),
        }
    }
}

#[gochan::main]
fn main() -> ExitCode {
    let Options { limit, broken } = Options::parse();
    match page(limit.get(), broken) {
        Ok(parts) => {
            for (name, text) in &parts {
                println!("{name}: {text}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("no page: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Fetches all parts, at most `limit` at a time.
fn page(
    limit: usize,
    broken: Option<String>,
) -> Result<BTreeMap<&'static str, &'static str>, FetchError> {
    let (group, ctx) = ErrGroup::with_context(&Context::background());
    group.set_limit(limit);
    let broken: Option<Arc<str>> = broken.map(Arc::from);
    let parts = Arc::new(Mutex::new(BTreeMap::new()));
    for (name, millis, text) in PARTS {
        let (ctx, parts, broken) = (ctx.clone(), Arc::clone(&parts), broken.clone());
        group.go(move || {
            fetch(&ctx, name, millis, broken.as_deref() == Some(name))?;
            parts.lock().insert(name, text);
            Ok(())
        });
    }
    group.wait()?;
    let fetched = std::mem::take(&mut *parts.lock());
    Ok(fetched)
}

/// Waits until a part has come, unless the context ends before.
fn fetch(ctx: &Context, name: &'static str, millis: u64, broken: bool) -> Result<(), FetchError> {
    select! {
        after(Duration::from_millis(millis)) => {},
        recv(ctx.done()) => return Err(FetchError::Stopped(ctx.err().expect("it has ended"))),
    }
    match broken {
        true => Err(FetchError::Broken(name)),
        false => Ok(()),
    }
}
