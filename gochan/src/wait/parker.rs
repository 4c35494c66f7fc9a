//! Parking and unparking: who waits, and how it is woken.

use super::atomic::{Arc, AtomicUsize, Condvar, Mutex, Ordering, spin_loop, thread_local};
use crate::runtime::goroutine::Goroutine;
use crate::runtime::{Running, census};
use std::ptr::NonNull;
use std::time::Instant;

/// Who waits: the handle through which exactly one claimant wakes it.
#[derive(Clone, Copy, Debug)]
pub enum Parker {
    /// A goroutine; woken by putting it into the run queue of its worker.
    Goroutine(NonNull<Goroutine>),
    /// An ordinary thread.
    Thread(NonNull<ThreadParker>),
}

impl Parker {
    /// That of a thread, with the pointer of the `Arc`, which is counted by way of it.
    pub(super) fn of_thread(thread: &Arc<ThreadParker>) -> Self {
        let pointer = NonNull::new(Arc::as_ptr(thread).cast_mut());
        Parker::Thread(pointer.expect("an `Arc` points to something"))
    }

    /// Wakes the waiter. Nothing on its stack may be touched afterwards.
    ///
    /// # Safety
    /// The caller claimed the parked waiter that this parker belongs to, and wakes it once.
    #[inline(always)]
    pub(crate) unsafe fn unpark(self) {
        match self {
            // SAFETY: a claimed goroutine stays parked, and so alive, until it is readied.
            Parker::Goroutine(goroutine) => unsafe { crate::runtime::ready(goroutine) },
            // SAFETY: the caller's promise.
            Parker::Thread(thread) => unsafe { Parker::unpark_thread(thread) },
        }
    }

    /// As [`Parker::unpark`], called by that goroutine.
    ///
    /// # Safety
    /// As for [`Parker::unpark`].
    #[inline(always)]
    pub(crate) unsafe fn unpark_by(self, running: Running) {
        match self {
            // SAFETY: a claimed goroutine stays parked, and so alive, until it is readied.
            Parker::Goroutine(goroutine) => unsafe { running.ready(goroutine) },
            // SAFETY: the caller's promise.
            Parker::Thread(thread) => unsafe { Parker::unpark_thread(thread) },
        }
    }

    /// # Safety
    /// As for [`Parker::unpark`].
    #[cold]
    unsafe fn unpark_thread(thread: NonNull<ThreadParker>) {
        // The thread may leave as soon as it sees the token, and take its own handle with it; ours
        // keeps the parker alive to the end of `unpark`.
        // SAFETY: the pointer is that of an `Arc`, which the thread holds at least until we hand
        // it the token.
        let parker = unsafe {
            Arc::increment_strong_count(thread.as_ptr());
            Arc::from_raw(thread.as_ptr())
        };
        parker.unpark();
    }

    /// As [`Parker::unpark`], but a goroutine of this worker runs in its turn, not next: for
    /// many that are woken one after the other.
    ///
    /// # Safety
    /// As for [`Parker::unpark`].
    pub(crate) unsafe fn unpark_in_turn(self) {
        match self {
            // SAFETY: a claimed goroutine stays parked, and so alive, until it is readied.
            Parker::Goroutine(goroutine) => unsafe { crate::runtime::ready_in_turn(goroutine) },
            // SAFETY: the caller's promise.
            Parker::Thread(_) => unsafe { self.unpark() },
        }
    }
}

const EMPTY: usize = 0;
const PARKED: usize = 1;
/// Parked without a deadline.
const PARKED_FOREVER: usize = 2;
const NOTIFIED: usize = 3;

/// How often a thread looks for its token before it sleeps: a few microseconds, which is what
/// a partner on another processor needs to answer.
const SPINS: u32 = if cfg!(all(test, loom)) { 0 } else { 200 };

/// A token for one thread: [`unpark`](ThreadParker::unpark) gives it, `park` waits for it and
/// takes it. A token given early is kept, so no wake-up is lost.
#[derive(Debug)]
pub struct ThreadParker {
    state: AtomicUsize,
    lock: Mutex<()>,
    notified: Condvar,
}

impl ThreadParker {
    pub(crate) fn new() -> Self {
        ThreadParker {
            state: AtomicUsize::new(EMPTY),
            lock: Mutex::new(()),
            notified: Condvar::new(),
        }
    }

    fn take_token(&self) -> bool {
        self.state
            .compare_exchange(NOTIFIED, EMPTY, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Waits for the token, at most until `deadline`. Says whether it got it.
    pub(crate) fn park(&self, deadline: Option<Instant>) -> bool {
        for _ in 0..SPINS {
            if self.take_token() {
                return true;
            }
            spin_loop();
        }
        self.sleep(deadline)
    }

    /// As [`ThreadParker::park`], without looking for the token in a loop first.
    pub(crate) fn sleep(&self, deadline: Option<Instant>) -> bool {
        let mut guard = self.lock.lock();
        let parked = match deadline {
            None => PARKED_FOREVER,
            Some(_) => PARKED,
        };
        if self
            .state
            .compare_exchange(EMPTY, parked, Ordering::Release, Ordering::Relaxed)
            .is_err()
        {
            // The only other state is NOTIFIED: one thread at a time parks here.
            self.state.swap(EMPTY, Ordering::Acquire);
            return true;
        }
        loop {
            match deadline {
                None => self.notified.wait(&mut guard),
                Some(deadline) => {
                    if self.notified.wait_until(&mut guard, deadline).timed_out() {
                        return self.state.swap(EMPTY, Ordering::Acquire) == NOTIFIED;
                    }
                }
            }
            if self.take_token() {
                return true;
            }
        }
    }

    /// Whether the thread can do nothing before it is given a token. If so, all that it has done
    /// before is visible to the caller.
    fn is_parked_forever(&self) -> bool {
        self.state.load(Ordering::Acquire) == PARKED_FOREVER
    }

    /// Gives the token and wakes the thread if it sleeps.
    pub(crate) fn unpark(&self) {
        let before = self.state.swap(NOTIFIED, Ordering::AcqRel);
        if matches!(before, PARKED | PARKED_FOREVER) {
            census::note_wake_up();
            // The sleeper holds the lock from before it announces itself until it waits: to
            // pass through the lock is to know that the notification finds it waiting.
            drop(self.lock.lock());
            self.notified.notify_one();
        }
    }
}

/// The parker of a thread, and the thread's entry in the register of those that may be quiet.
struct Handle {
    parker: Arc<ThreadParker>,
    _entry: census::Entry,
}

thread_local! {
    static THREAD: Handle = {
        let parker = Arc::new(ThreadParker::new());
        let shared = Arc::clone(&parker);
        Handle { parker, _entry: census::enter(census::Role::Waiter, move || shared.is_parked_forever()) }
    };
}

/// The parker of the calling thread, kept alive by the returned handle.
pub(crate) fn current_thread() -> Arc<ThreadParker> {
    // A destructor of another thread-local may wait when this one is gone already: such a
    // thread gets a parker for that one wait.
    THREAD
        .try_with(|thread| Arc::clone(&thread.parker))
        .unwrap_or_else(|_| Arc::new(ThreadParker::new()))
}
