//! Starting goroutines.

use super::goroutine::{Birth, Goroutine, GoroutineId, Identity, ResultCell, Task};
use super::placement::{self, Site, Wish};
use super::worker::{self, Worker};
use super::{Shared, default_runtime, panics, stack};
use crate::message;
use crate::scope::ScopeRef;
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a goroutine is to be started.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpawnOptions {
    pub(crate) name: Option<Arc<String>>,
    pub(crate) stack_size: Option<usize>,
    pub(crate) wish: Wish,
}

/// What sort of goroutine is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One among many.
    Plain,
    /// One that starts on the worker of the goroutine that starts it.
    Near,
    /// One that never leaves the worker that it is started on.
    Local,
    /// The main goroutine of a runtime.
    Main,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Sets aside `count` numbers for goroutines, and returns the first.
pub(super) fn reserve_ids(count: u64) -> u64 {
    NEXT_ID.fetch_add(count, Ordering::Relaxed)
}

/// Starts a goroutine on the runtime of the calling goroutine, else on the default one.
///
/// # Errors
/// The default runtime cannot start, or there is no room for another stack.
///
/// # Safety
/// Unless `kind` is [`Kind::Local`] (which needs a goroutine that calls), body and result may be
/// sent to another thread. What they borrow outlives the goroutine.
#[inline]
pub(crate) unsafe fn start<F: FnOnce() -> T, T>(
    site: &'static Site,
    options: SpawnOptions,
    kind: Kind,
    scope: Option<ScopeRef>,
    body: F,
) -> io::Result<ResultCell<T>> {
    let parent = worker::current();
    let shared = match parent {
        Some(worker) => worker.shared(),
        None if kind == Kind::Local => panic!(
            "go!(local, …) at {} outside of a goroutine: an ordinary thread has no worker that the \
             goroutine could stay on; use it inside a goroutine, for example under #[gochan::main]",
            site.location()
        ),
        None => &default_runtime()?.shared,
    };
    // SAFETY: the caller's promise.
    unsafe { shared.start(parent, site, options, kind, scope, body) }
}

impl Shared {
    /// As [`start`]; `parent` is the calling worker, of this runtime.
    ///
    /// # Safety
    /// As for [`start`].
    #[inline]
    pub(super) unsafe fn start<F: FnOnce() -> T, T>(
        &self,
        parent: Option<&Worker>,
        site: &'static Site,
        options: SpawnOptions,
        kind: Kind,
        scope: Option<ScopeRef>,
        body: F,
    ) -> io::Result<ResultCell<T>> {
        let size = match options.stack_size {
            None => self.settings.stack_size,
            Some(bytes) => stack::round_size(bytes)?,
        };
        let id = match parent {
            Some(worker) => {
                worker.stacks().reserve(size)?;
                worker.next_id()
            }
            None => {
                stack::reserve_one(size)?;
                reserve_ids(1)
            }
        };
        let task = Task::allocate(parent.map(Worker::blocks));
        let birth = Birth {
            identity: Identity {
                id: GoroutineId(id),
                name: options.name,
                site,
            },
            kind: match (kind, options.wish) {
                (Kind::Plain, Wish::Near) => Kind::Near,
                _ => kind,
            },
            stack_size: size,
            scope,
        };
        // SAFETY: the memory is fresh.
        unsafe { Task::begin(task, birth, body) };
        let result = ResultCell::new(task);
        let goroutine: NonNull<Goroutine> = task.cast();
        if kind == Kind::Local
            && let Some(worker) = parent
        {
            // SAFETY: it is alive and in no queue.
            unsafe { worker.keep_local(goroutine) };
            return Ok(result);
        }
        let from = parent.map(Worker::index);
        let parent = parent.map(Worker::as_parent);
        let at = placement::choose(&self.workers, site, options.wish, parent);
        let run = parent.filter(|parent| parent.worker == at);
        let run = run.map(|parent| parent.run);
        // SAFETY: it is alive and in no queue; the caller lets it run on any thread.
        if unsafe { self.workers[at].start_queue.push(goroutine, run) } {
            self.offer(at, from);
        } else {
            // SAFETY: it is in no queue, and nobody else has seen it.
            unsafe { end_unqueued(goroutine) };
        }
        Ok(result)
    }
}

/// Starts a goroutine that nobody waits for, on behalf of the runtime. If it cannot be started
/// that is printed: there is nobody to tell.
pub(crate) fn start_detached(site: &'static Site, body: impl FnOnce() + Send + 'static) {
    let options = SpawnOptions::default();
    panics::contain(|| {
        // SAFETY: the body is `Send` and `'static`.
        if let Err(error) = unsafe { start(site, options, Kind::Plain, None, body) } {
            let location = site.location();
            message::print(format_args!(
                "gochan: cannot start the goroutine of {location}: {error}"
            ));
        }
    });
}

/// Has a goroutine of the calling worker drop what was the user's: a destructor may wait, which the
/// worker itself cannot. If no goroutine can be started, the worker does it all the same.
///
/// # Safety
/// `value` borrows nothing, or nothing that ends before `scope`, which has not been told of the end
/// of all its goroutines.
pub(super) unsafe fn drop_in_goroutine<T>(
    worker: &Worker,
    site: &'static Site,
    scope: Option<ScopeRef>,
    value: T,
) {
    // A panic of its destructor is nobody's here. At the end of the runtime it is dropped in the
    // middle of unwinding.
    let unwanted = panics::Contained::new(value);
    let body = move || drop(unwanted);
    let options = SpawnOptions::default();
    let here = Some(worker);
    // SAFETY: the caller's promise; the goroutine does not leave the worker.
    unsafe {
        if let Some(scope) = scope {
            scope.goroutine_begins();
        }
        let started = worker
            .shared()
            .start(here, site, options, Kind::Local, scope, body);
        if let (Err(_), Some(scope)) = (started, scope) {
            scope.goroutine_ended();
        }
    }
}

/// Ends a goroutine that a closed queue refused: its runtime ends.
///
/// # Safety
/// It has not started and is in no queue; the caller owns the runtime's reference.
#[cold]
unsafe fn end_unqueued(goroutine: NonNull<Goroutine>) {
    // SAFETY: the caller's promise; `dismiss` gives the reference up.
    unsafe {
        if let Some(worker) = worker::without_goroutine() {
            // It starts there, to drop its body on a stack of its own.
            return worker.keep_local(goroutine);
        }
        Goroutine::discard(goroutine);
        stack::cancel_one(goroutine.as_ref().stack_size);
        worker::dismiss(goroutine);
    }
}
