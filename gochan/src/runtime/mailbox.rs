//! The part of a worker that other threads may touch.
//!
//! Mailboxes are never freed: a thread that readies a goroutine may still be about to wake the
//! worker when that goroutine, the worker and its runtime have already ended. A later runtime
//! uses the mailbox again; a late wake-up is then a spurious one, which every sleep tolerates.

use super::census;
use super::gate::{Gate, Phase};
use super::goroutine::Goroutine;
use super::processor::Place;
use super::start_queue::StartQueue;
use super::timers::Timers;
use super::worker::Worker;
use crate::wait::ThreadParker;
use crate::wait::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use parking_lot::Mutex;
use std::ptr::{self, NonNull};
use std::time::Instant;

/// A value with cache lines of its own (two: processors fetch lines in pairs).
#[repr(align(128))]
pub(super) struct OwnLine<T>(pub(super) T);

/// Where other threads leave what a worker is to do.
pub(crate) struct Mailbox {
    /// Started goroutines of this worker that others have made ready, newest first.
    inbox: OwnLine<AtomicPtr<Goroutine>>,
    /// Goroutines that have not started; other workers may take them.
    pub(super) start_queue: StartQueue,
    pub(super) timers: Timers,
    /// How many goroutines have started here and not ended.
    pub(super) live: OwnLine<AtomicUsize>,
    sleeping: OwnLine<AtomicBool>,
    parker: ThreadParker,
    pub(super) place: Place,
    pub(super) gate: OwnLine<Gate>,
    /// The worker, to be read while the gate holds it still.
    worker: std::sync::atomic::AtomicPtr<Worker>,
}

static FREE: Mutex<Vec<&'static Mailbox>> = Mutex::new(Vec::new());

/// How long a worker may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sleep {
    /// Not at all: there is something to do.
    Not,
    Until(Instant),
    UntilWoken,
}

impl Mailbox {
    /// A mailbox that no other worker uses.
    pub(super) fn obtain() -> &'static Mailbox {
        let free = FREE.lock().pop();
        let mailbox = free.unwrap_or_else(|| Box::leak(Box::new(Mailbox::new())));
        mailbox.start_queue.open();
        mailbox.timers.open();
        mailbox
    }

    pub(super) fn new() -> Mailbox {
        Mailbox {
            inbox: OwnLine(AtomicPtr::new(ptr::null_mut())),
            start_queue: StartQueue::new(),
            timers: Timers::new(),
            live: OwnLine(AtomicUsize::new(0)),
            sleeping: OwnLine(AtomicBool::new(false)),
            parker: ThreadParker::new(),
            place: Place::new(),
            gate: OwnLine(Gate::new()),
            worker: std::sync::atomic::AtomicPtr::new(ptr::null_mut()),
        }
    }

    // ----- reading what the worker has --------------------------------------------------------

    /// Lets others read what `worker` has, until [`Mailbox::shut`].
    pub(super) fn open(&self, worker: &Worker) {
        let worker = ptr::from_ref(worker).cast_mut();
        self.worker.store(worker, Ordering::Relaxed);
        self.place.taken();
        self.gate.0.enter(Phase::Loop, 0);
    }

    /// The worker ends. Called in its loop.
    pub(super) fn shut(&self) {
        self.worker.store(ptr::null_mut(), Ordering::Relaxed);
        self.gate.0.enter(Phase::Gone, 0);
    }

    /// Calls `read` while the worker is held still, if there is a worker. `false`: it cannot be
    /// held.
    pub(super) fn hold(&self, read: impl FnOnce(*const Worker, Phase)) -> bool {
        let worker = &self.worker;
        let gate = &self.gate.0;
        gate.hold(|phase| read(worker.load(Ordering::Relaxed), phase))
    }

    /// Which processor the worker uses, unless it sleeps, by what it noted last.
    pub(super) fn processor_in_use(&self) -> Option<usize> {
        let is_awake = matches!(self.gate.0.glimpse().0, Phase::Run | Phase::Loop);
        is_awake.then(|| self.place.processor()).flatten()
    }

    /// Gives an empty mailbox back.
    pub(super) fn give_back(&'static self) {
        debug_assert!(self.inbox_is_empty());
        FREE.lock().push(self);
    }

    /// Readies a goroutine of this worker, from another thread.
    ///
    /// # Safety
    /// The caller claimed the parked goroutine and readies it once; it does not touch it
    /// afterwards.
    pub(super) unsafe fn deliver(&self, goroutine: NonNull<Goroutine>) {
        let inbox = &self.inbox.0;
        let mut head = inbox.load(Ordering::Relaxed);
        loop {
            // SAFETY: it is parked, so it is alive, and it is in no other queue.
            unsafe { goroutine.as_ref() }.link.set(head);
            match inbox.compare_exchange_weak(
                head,
                goroutine.as_ptr(),
                Ordering::SeqCst,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(current) => head = current,
            }
        }
        // Whoever found the inbox empty wakes the worker for all that come after.
        if head.is_null() {
            self.wake();
        }
    }

    #[inline]
    pub(super) fn inbox_is_empty(&self) -> bool {
        self.inbox.0.load(Ordering::Relaxed).is_null()
    }

    /// Takes out all that was delivered, in the order of delivery, as a linked list.
    pub(super) fn collect(&self) -> *const Goroutine {
        let mut newest: *const Goroutine = self.inbox.0.swap(ptr::null_mut(), Ordering::AcqRel);
        let mut oldest: *const Goroutine = ptr::null();
        while let Some(goroutine) = NonNull::new(newest.cast_mut()) {
            // SAFETY: delivered goroutines are parked and belong to this worker now.
            let goroutine = unsafe { goroutine.as_ref() };
            newest = goroutine.link.replace(oldest);
            oldest = goroutine;
        }
        oldest
    }

    /// Wakes the worker if it sleeps. Says whether this call did it.
    pub(super) fn wake(&self) -> bool {
        // The load comes first: to swap would take the line from a worker that is awake.
        let woken =
            self.sleeping.0.load(Ordering::SeqCst) && self.sleeping.0.swap(false, Ordering::SeqCst);
        if woken {
            census::note_wake_up();
            self.parker.unpark();
        }
        woken
    }

    /// Sleeps until someone wakes the worker or the time is up. `until` is asked after the sleep
    /// has been announced: whoever brings work either finds the announcement, or brought it early
    /// enough for `until` to see it.
    pub(super) fn sleep(&self, until: impl FnOnce() -> Sleep) {
        self.sleeping.0.store(true, Ordering::SeqCst);
        if !self.has_delivery() {
            match until() {
                Sleep::Not => {}
                Sleep::Until(deadline) => _ = self.parker.sleep(Some(deadline)),
                Sleep::UntilWoken => _ = self.parker.sleep(None),
            }
        }
        // Before the worker seems awake: who then sees no need to wake it does not count that.
        census::note_wake_up();
        self.sleeping.0.store(false, Ordering::SeqCst);
    }

    fn has_delivery(&self) -> bool {
        !self.inbox.0.load(Ordering::SeqCst).is_null()
    }

    /// Whether nothing was delivered and nothing waits to start.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_delivery() && self.start_queue.len_before_sleep() == 0
    }

    /// Whether the worker runs, or would if it had a processor.
    pub(super) fn is_awake(&self) -> bool {
        !self.sleeping.0.load(Ordering::Relaxed)
    }

    /// Whether the worker sleeps, and nothing but another thread will wake it.
    pub(super) fn is_quiet(&self) -> bool {
        self.sleeping.0.load(Ordering::SeqCst) && self.has_nothing_to_come()
    }

    /// Whether nothing was delivered, nothing waits to start and no timer is set.
    pub(super) fn has_nothing_to_come(&self) -> bool {
        self.is_empty() && self.timers.earliest().is_none()
    }

    /// How many goroutines live here or wait to start here.
    pub(super) fn load(&self) -> usize {
        // What leaves the queue meanwhile counts twice: no load is there that nobody sees.
        let waiting = self.start_queue.len();
        waiting + self.live.0.load(Ordering::Relaxed)
    }

    /// Takes the goroutine that the worker is to start next.
    #[inline]
    pub(super) fn take_unstarted(&self) -> Option<NonNull<Goroutine>> {
        self.start_queue.pop_after(|| self.note_living())
    }

    /// Counts a goroutine that lives here from now on. Called by the worker.
    #[inline]
    pub(super) fn note_living(&self) {
        let living = self.live.0.load(Ordering::Relaxed);
        self.live.0.store(living + 1, Ordering::Relaxed);
    }

    /// Counts one that does not any more. Called by the worker.
    #[inline]
    pub(super) fn note_gone(&self) {
        let living = self.live.0.load(Ordering::Relaxed);
        self.live.0.store(living - 1, Ordering::Relaxed);
    }
}

// SAFETY: the inbox hands goroutines over by its swap; everything else is synchronised itself.
unsafe impl Sync for Mailbox {}
// SAFETY: as above.
unsafe impl Send for Mailbox {}
