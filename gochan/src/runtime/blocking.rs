//! Helper threads for closures that block.
//!
//! Calls are served in the order in which they were made. A thread is added while there are more
//! calls than idle threads, up to the limit; beyond it calls wait for their turn. A thread that
//! has had nothing to do for a while ends, or when it is [dismissed](BlockingPool::dismiss_idle).
//!
//! Everything but the count of pending calls changes under one lock, so there is nothing here for
//! a model of interleavings to find that the lock does not rule out.

use super::goroutine::{Goroutine, Identity};
use super::{census, current_goroutine};
use crate::wait::{Entry, Parker, WaitReason, Waiter, Wake};
use parking_lot::{Condvar, Mutex};
use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::panic::{self, AssertUnwindSafe, Location};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How long a helper thread waits for its next closure before it ends.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// A closure to run, on the stack of a goroutine that is parked until it has run.
struct Job {
    run: unsafe fn(*mut ()),
    data: *mut (),
}

// SAFETY: the closure behind it is `Send`, and one thread at a time has the job.
unsafe impl Send for Job {}

/// The helper threads of a runtime.
pub(crate) struct BlockingPool {
    state: Mutex<State>,
    available: Condvar,
    limit: usize,
    keep_alive: Duration,
    name: String,
    /// Calls that have been made and have not returned.
    pending: AtomicUsize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    /// How often those were dismissed that were idle.
    dismissals: usize,
    closed: bool,
}

impl BlockingPool {
    pub(super) fn new(limit: usize, name: &str) -> Self {
        BlockingPool {
            state: Mutex::default(),
            available: Condvar::new(),
            limit,
            keep_alive: KEEP_ALIVE,
            name: format!("{name}-blocking"),
            pending: AtomicUsize::new(0),
        }
    }

    /// Whether a closure runs or waits to run.
    pub(super) fn has_pending(&self) -> bool {
        self.pending.load(Ordering::SeqCst) > 0
    }

    /// Lets those helper threads end that have nothing to do.
    pub(super) fn dismiss_idle(&self) {
        self.state.lock().dismissals += 1;
        self.available.notify_all();
    }

    /// Lets the helper threads end.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.available.notify_all();
    }

    /// Runs `f` on a helper thread while the calling goroutine is parked.
    ///
    /// # Errors
    /// Gives `f` back if there is no helper thread and none can be made.
    pub(crate) fn run<F, T>(
        self: &Arc<Self>,
        f: F,
        location: &'static Location<'static>,
    ) -> Result<thread::Result<T>, F>
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        let mut call = Call {
            caller: current_goroutine(),
            closure: Some(f),
            result: None,
            entry: Entry::new(),
        };
        // From here to the end of the wait the call is the helper thread's.
        let call_place = &raw mut call;
        let submitted = Waiter::with(WaitReason::Blocking, location, |waiter| {
            // SAFETY: the call stands on this frame, and nobody else knows of it yet.
            unsafe { &(*call_place).entry }.assign(waiter, 0, ptr::null_mut());
            self.pending.fetch_add(1, Ordering::SeqCst);
            let job = Job {
                run: Call::<F, T>::run,
                data: call_place.cast(),
            };
            let submitted = self.submit(job);
            if submitted.is_ok() {
                waiter.wait_to_the_end();
            }
            self.pending.fetch_sub(1, Ordering::SeqCst);
            submitted
        });
        match (submitted, call.result, call.closure) {
            (Ok(()), Some(result), _) => Ok(result),
            (Err(_), _, Some(f)) => Err(f),
            _ => unreachable!("a submitted call has run"),
        }
    }

    fn submit(self: &Arc<Self>, job: Job) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.idle <= state.jobs.len() && state.threads < self.limit {
            let pool = Arc::clone(self);
            let spawned = thread::Builder::new()
                .name(self.name.clone())
                .spawn(move || {
                    // Quiet it never is: it ends some time, and destructors of what closures have
                    // left in its thread-local variables may wake somebody then.
                    let _entry = census::enter(census::Role::Helper, || false);
                    pool.serve();
                });
            match spawned {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => return Err(error),
                // The threads that there are will come to it.
                Err(_) => {}
            }
        }
        state.jobs.push_back(job);
        drop(state);
        self.available.notify_one();
        Ok(())
    }

    fn serve(&self) {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // SAFETY: the job's call stands until it has run, and it is run once.
                unsafe { (job.run)(job.data) };
                state = self.state.lock();
                continue;
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let dismissals = state.dismissals;
            let timed_out = self
                .available
                .wait_for(&mut state, self.keep_alive)
                .timed_out();
            state.idle -= 1;
            if (timed_out || state.dismissals != dismissals) && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

thread_local! {
    /// The goroutine whose closure the calling thread runs, if it is a helper thread.
    static CALLER: Cell<Option<NonNull<Goroutine>>> = const { Cell::new(None) };
}

/// Tells `f` whose closure the calling thread runs, if it is a helper thread that runs one.
pub(super) fn with_caller(f: impl FnOnce(&Identity)) {
    if let Some(caller) = CALLER.get() {
        // SAFETY: it waits for the closure in which this is called, so it is alive, and who it is
        // never changes.
        f(unsafe { caller.as_ref() }.identity());
    }
}

/// A call on the stack of the goroutine that waits for it.
struct Call<F, T> {
    caller: Option<NonNull<Goroutine>>,
    closure: Option<F>,
    result: Option<thread::Result<T>>,
    entry: Entry,
}

impl<F: FnOnce() -> T, T> Call<F, T> {
    /// Runs the closure, stores its result and wakes the goroutine.
    ///
    /// # Safety
    /// `call` points to a call whose goroutine waits for this, and this is called once.
    unsafe fn run(call: *mut ()) {
        let parker: Parker = {
            // SAFETY: the goroutine is parked and does not touch the call meanwhile.
            let call = unsafe { &mut *call.cast::<Self>() };
            let closure = call.closure.take().expect("a call runs once");
            CALLER.set(call.caller);
            call.result = Some(panic::catch_unwind(AssertUnwindSafe(closure)));
            CALLER.set(None);
            // SAFETY: the job is what claims the wait.
            unsafe { call.entry.finish(Wake::Done) }
        };
        // SAFETY: as above; nothing of the call is touched afterwards.
        unsafe { parker.unpark() };
    }
}

#[cfg(all(test, not(loom)))]
pub(crate) mod tests {
    use super::*;
    use std::sync::Barrier;

    const BRIEF: Duration = Duration::from_millis(20);
    /// Threads that wait so long do not end by themselves.
    const LONG: Duration = Duration::from_secs(3600);

    fn pool(limit: usize, keep_alive: Duration) -> Arc<BlockingPool> {
        Arc::new(BlockingPool {
            keep_alive,
            ..BlockingPool::new(limit, "test")
        })
    }

    #[track_caller]
    fn run<T: Send>(pool: &Arc<BlockingPool>, f: impl FnOnce() -> T + Send) -> T {
        let ran = pool.run(f, Location::caller());
        ran.unwrap_or_else(|_| panic!("no thread")).unwrap()
    }

    /// Waits, but not for ever.
    #[track_caller]
    pub(crate) fn until(condition: impl Fn() -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while !condition() {
            assert!(
                std::time::Instant::now() < deadline,
                "it does not come to that"
            );
            thread::yield_now();
        }
    }

    #[test]
    fn grows_for_those_who_wait_for_each_other_and_shrinks_when_idle() {
        let pool = pool(4, BRIEF);
        let barrier = Barrier::new(4);
        thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| run(&pool, || barrier.wait()));
            }
        });
        until(|| pool.state.lock().threads == 0);
        assert_eq!(run(&pool, || 5), 5, "and it grows again");
        assert!(!pool.has_pending());
    }

    #[test]
    fn calls_are_served_in_order_by_no_more_threads_than_the_limit() {
        const CALLS: usize = 20;
        let pool = pool(1, BRIEF);
        let (gate, order) = (Barrier::new(2), Mutex::new(Vec::new()));
        let (pool, gate, order) = (&pool, &gate, &order);
        thread::scope(|s| {
            let (started, has_started) = std::sync::mpsc::channel();
            let first = move || {
                started.send(()).unwrap();
                gate.wait();
            };
            s.spawn(move || run(pool, first));
            has_started.recv().unwrap();
            for call in 0..CALLS {
                s.spawn(move || run(pool, || order.lock().push((call, thread::current().id()))));
                until(|| pool.state.lock().jobs.len() > call);
            }
            gate.wait();
        });
        let order = order.lock();
        assert_eq!(
            order.iter().map(|(call, _)| *call).collect::<Vec<_>>(),
            (0..CALLS).collect::<Vec<_>>()
        );
        assert!(order.iter().all(|(_, thread)| *thread == order[0].1));
    }

    #[test]
    fn dismissed_threads_end_and_others_come_after_them() {
        let pool = pool(2, LONG);
        for round in 0..3 {
            assert_eq!(run(&pool, || round), round);
            until(|| pool.state.lock().idle == 1);
            pool.dismiss_idle();
            until(|| pool.state.lock().threads == 0);
        }
    }

    /// It is dismissed and gets a call before it has noticed either.
    #[test]
    fn a_thread_that_is_dismissed_serves_what_has_come() {
        let pool = pool(2, LONG);
        assert_eq!(run(&pool, || 1), 1);
        until(|| pool.state.lock().idle == 1);
        pool.state.lock().dismissals += 1;
        assert_eq!(run(&pool, || 2), 2);
        until(|| pool.state.lock().idle == 1);
        pool.dismiss_idle();
        until(|| pool.state.lock().threads == 0);
    }

    #[test]
    fn a_closed_pool_serves_what_comes_late_and_keeps_no_thread() {
        let pool = pool(2, LONG);
        assert_eq!(run(&pool, || 1), 1);
        pool.close();
        assert_eq!(run(&pool, || 2), 2);
        until(|| pool.state.lock().threads == 0);
    }
}
