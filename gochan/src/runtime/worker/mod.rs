//! A worker: one thread that runs goroutines.
//!
//! A goroutine that has started here stays here, so the run queue is this thread's own and needs
//! no atomics. Other threads reach the worker through its [`Mailbox`]: they deliver goroutines
//! that they have made ready, add goroutines that have not started, take such ones away, set
//! timers, and wake it.
//!
//! What is run next: the goroutine that was made ready last (its partner has just handed it
//! something, and waits), up to a bound; then one of the two queues, of the ready and of those
//! that have not started, so that neither starves the other: see [`Worker::enqueue`].

mod ending;
mod idle;
mod lookout;
mod view;

pub(super) use ending::dismiss;
pub(super) use view::Standing;

use super::Shared;
use super::blocks::BlockCache;
use super::clock::Nanos;
use super::gate::Phase;
use super::goroutine::{Body, Extras, Goroutine, Interrupt};
use super::mailbox::Mailbox;
use super::panics;
use super::placement::{self, Brood, Parent, Run, TIMED_RUNS, TIMED_TURNS};
use super::random::Random;
use super::reckoning::{Reckoning, Span};
use super::run_queue::RunQueue;
use super::stack::StackCache;
use super::this_thread::this_thread;
use super::timer_heap::NEVER;
use super::timers::{Sleeper, Sleepers};
use super::turn::{Locks, OVERTIME, Operation};
use crate::message;
use crate::wait::{Waiter, bias};
use corosensei::stack::Stack as _;
use lookout::Lookout;
use std::cell::{Cell, RefCell};
use std::mem::{self, ManuallyDrop};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often in a row a worker that looks around takes the goroutine in the slot for the one just
/// made ready.
const NEXT_STREAK: u32 = 16;
/// How many more from the slot run before the worker looks around again.
const FOLLOW_UPS: u32 = 4;
/// How often a worker looks around between two looks at the clock while timers are set.
const TICKS_PER_CLOCK: u32 = 16;
/// How often it does so between two looks at the clock for the sake of dumps.
const TICKS_PER_STAMP: u32 = 64;
/// Numbers that a worker sets aside at a time for the goroutines that it starts.
const ID_BLOCK: u64 = 64;

/// The worker of the calling thread, if it is one.
#[inline]
pub(super) fn current<'a>() -> Option<&'a Worker> {
    // SAFETY: the pointer is set for as long as `Worker::run` lasts, below which every frame
    // that could ask lies; goroutines end or are leaked suspended before `run` returns.
    unsafe { this_thread(|this| this.worker.get()).as_ref() }
}

/// The calling worker, if none of its goroutines calls, so that nobody here may wait.
#[inline]
pub(super) fn without_goroutine<'a>() -> Option<&'a Worker> {
    current().filter(|worker| worker.current_goroutine().is_none())
}

/// Keeps the promise of [`current`] at the end of a worker.
struct ResetWorker;

impl Drop for ResetWorker {
    fn drop(&mut self) {
        this_thread(|this| this.worker.set(ptr::null()));
        bias::resign();
        if std::thread::panicking() {
            // Its goroutines can neither run on nor be unwound.
            message::print(format_args!(
                "fatal error: a worker of gochan panicked outside of its goroutines"
            ));
            std::process::abort();
        }
    }
}

/// Switches from the running goroutine to its worker.
///
/// # Safety
/// The goroutine calls, and has prepared for it.
#[inline(always)] // see `Waiter::begin`
pub(crate) unsafe fn switch_from(goroutine: &Goroutine) {
    // SAFETY: the suspender stands on the goroutine's stack, which is the one we are on.
    unsafe { &*goroutine.suspender.get() }.suspend(());
}

/// See the module's text.
pub(super) struct Worker {
    shared: Arc<Shared>,
    mailbox: &'static Mailbox,
    index: usize,
    /// The goroutine that runs now.
    current: Cell<*const Goroutine>,
    /// The goroutine made ready last.
    next: Cell<*const Goroutine>,
    /// How often in a row it was taken from there when the worker looked around.
    next_streak: Cell<u32>,
    /// Goroutines of this worker that are ready: made so here, or new ones that may not leave it.
    queue: RunQueue,
    /// Those that other workers and ordinary threads have made ready.
    arrivals: RunQueue,
    /// Whether the one that was picked last came from there.
    picked_arrival: Cell<bool>,
    /// The first of the goroutines that have started here and not ended.
    live: Cell<*const Goroutine>,
    /// How many times it has looked around for what to run next; wraps around.
    tick: Cell<u32>,
    /// How many goroutines have started here.
    starts: Cell<u32>,
    /// How many runs there have been.
    runs: Cell<u64>,
    /// The time when the worker last looked, for dumps: to look at every wait would cost more
    /// than many a wait.
    stamp: Cell<Nanos>,
    reckoning: Reckoning,
    /// How many turns the timed run has used up.
    full_turns: Cell<u32>,
    /// When the timed run began, and when its turn did; later by what it did not run.
    run_began: Cell<Instant>,
    turn_began: Cell<Instant>,
    /// The last run that went on after a turn, and since when.
    overtime: Cell<(u64, Instant)>,
    /// The time until which goroutines that wait were woken last.
    fired_until: Cell<Nanos>,
    /// The goroutines of this worker that wait no longer than until some time.
    sleepers: Sleepers,
    /// Goroutines that are suspended in the middle of unwinding.
    suspended_unwinding: Cell<u32>,
    stacks: StackCache,
    blocks: BlockCache,
    random: Random,
    /// The next of the numbers that were set aside, and where they end.
    ids: Cell<(u64, u64)>,
    /// Whether its goroutines have been told to unwind.
    cancelled: Cell<bool>,
    lookout: RefCell<Lookout>,
    /// Whether it has slept since it last ran something.
    has_slept: Cell<bool>,
    /// How many looks for work in a row have ended in a sleep that its own timers ended, up to a bound.
    searches_in_vain: Cell<u32>,
    /// When it last had a reason to leave its processor to another worker.
    moved_apart: Cell<Option<Instant>>,
    /// What the last run that started goroutines has started.
    brood: Brood,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, index: usize) -> Self {
        Worker {
            mailbox: shared.workers[index],
            index,
            current: Cell::new(ptr::null()),
            next: Cell::new(ptr::null()),
            next_streak: Cell::new(0),
            queue: RunQueue::new(),
            arrivals: RunQueue::new(),
            picked_arrival: Cell::new(false),
            live: Cell::new(ptr::null()),
            tick: Cell::new(0),
            starts: Cell::new(0),
            runs: Cell::new(0),
            stamp: Cell::new(0),
            reckoning: Reckoning::new(),
            full_turns: Cell::new(0),
            run_began: Cell::new(Instant::now()),
            turn_began: Cell::new(Instant::now()),
            overtime: Cell::new((0, Instant::now())),
            fired_until: Cell::new(0),
            sleepers: Sleepers::new(shared.workers[index]),
            suspended_unwinding: Cell::new(0),
            stacks: StackCache::new(shared.settings.stack_size),
            blocks: BlockCache::new(),
            random: Random::seeded(shared.settings.seed, index as u64),
            ids: Cell::new((0, 0)),
            cancelled: Cell::new(false),
            lookout: RefCell::new(Lookout::new(&shared.workers, index, Instant::now())),
            has_slept: Cell::new(true),
            searches_in_vain: Cell::new(0),
            moved_apart: Cell::new(None),
            brood: Brood::new(),
            shared,
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// What runs now, as one that starts goroutines.
    #[inline]
    pub(super) fn as_parent(&self) -> Parent<'_> {
        Parent {
            worker: self.index,
            // SAFETY: it runs.
            goroutine: self.current_goroutine().map(|it| unsafe { it.as_ref() }),
            run: self.runs.get(),
            brood: &self.brood,
        }
    }

    pub(super) fn mailbox(&self) -> &'static Mailbox {
        self.mailbox
    }

    #[inline]
    pub(super) fn is_at(&self, mailbox: &Mailbox) -> bool {
        ptr::eq(self.mailbox, mailbox)
    }

    pub(super) fn stacks(&self) -> &StackCache {
        &self.stacks
    }

    #[inline]
    pub(super) fn blocks(&self) -> &BlockCache {
        &self.blocks
    }

    #[inline]
    pub(super) fn random(&self) -> &Random {
        &self.random
    }

    #[inline]
    pub(super) fn current_goroutine(&self) -> Option<NonNull<Goroutine>> {
        NonNull::new(self.current.get().cast_mut())
    }

    /// A number for a new goroutine.
    #[inline]
    pub(super) fn next_id(&self) -> u64 {
        let (mut next, mut end) = self.ids.get();
        if next == end {
            next = super::reserve_ids(ID_BLOCK);
            end = next + ID_BLOCK;
        }
        self.ids.set((next + 1, end));
        next
    }

    /// Runs goroutines until the runtime ends.
    #[inline(always)] // once, in the function that has the worker in its frame
    pub(super) fn run(&self) {
        this_thread(|this| this.worker.set(self));
        bias::obtain();
        let _reset = ResetWorker;
        self.mailbox.open(self);
        loop {
            if self.brood.is_pool() {
                self.share_out();
            }
            let next = self.pick();
            // Asked after the inbox was emptied: who was readied by the unwinding of a goroutine on
            // another worker must learn that it is to unwind too before it runs.
            if self.shared.is_ending() && !self.cancelled.replace(true) {
                self.cancel_all();
            }
            if let Some(goroutine) = next {
                self.execute(goroutine);
                self.follow_up();
            } else if self.cancelled.get() {
                if self.wind_up() {
                    break;
                }
            } else {
                self.idle();
            }
        }
        self.mailbox.gate.0.enter_loop(self.runs.get());
        self.mailbox.shut();
    }

    /// Hands parts of the pool that the last run has started to other workers.
    #[cold]
    fn share_out(&self) {
        let shared = &self.shared;
        placement::share_out(&shared.workers, self.index, &self.brood, |at| {
            shared.offer(at, Some(self.index));
        });
    }

    // ----- the goroutines of this worker --------------------------------------------------

    /// Makes a goroutine of this worker run next.
    #[inline]
    pub(super) fn ready_next(&self, goroutine: NonNull<Goroutine>) {
        if let Some(previous) = NonNull::new(self.next.replace(goroutine.as_ptr()).cast_mut()) {
            // SAFETY: it is ours, ready, and has just left the slot.
            unsafe { self.enqueue(previous) };
        }
    }

    /// Puts a goroutine that may not leave this worker at the end of the run queue, behind as many
    /// as wait to start now.
    ///
    /// # Safety
    /// As for [`RunQueue::push`]; called on the worker's thread.
    #[inline]
    pub(super) unsafe fn enqueue(&self, goroutine: NonNull<Goroutine>) {
        // SAFETY: the caller's promise.
        unsafe {
            let behind = self.mailbox.start_queue.pushed();
            goroutine.as_ref().behind.set(behind);
            self.queue.push(goroutine);
        }
    }

    /// Makes a new goroutine one of this worker, which it never leaves.
    ///
    /// # Safety
    /// As for [`Worker::enqueue`].
    #[inline]
    pub(super) unsafe fn keep_local(&self, goroutine: NonNull<Goroutine>) {
        self.mailbox.note_living();
        // SAFETY: the caller's promise.
        unsafe { self.enqueue(goroutine) };
    }

    /// Takes what is to run next out of where it waits for that: see the module's text.
    #[inline]
    fn pick(&self) -> Option<NonNull<Goroutine>> {
        let tick = self.tick.get().wrapping_add(1);
        self.tick.set(tick);
        // All at once: with a branch for each, the processor would have forgotten which goroutine ran
        // last when it has to guess where the next one goes on.
        let nothing_comes_first = self.mailbox.inbox_is_empty()
            & self.next.get().is_null()
            & self.arrivals.is_empty()
            & !tick.is_multiple_of(TICKS_PER_CLOCK);
        if !nothing_comes_first && let Some(first) = self.pick_before_the_queues(tick) {
            return Some(first);
        }
        self.next_streak.set(0);
        self.picked_arrival.set(false);
        // SAFETY: queued goroutines are alive.
        let is_behind = self.queue.first().is_none_or(|first| unsafe {
            first.as_ref().behind.get() > self.mailbox.start_queue.taken()
        });
        if is_behind && let Some(unstarted) = self.mailbox.take_unstarted() {
            return Some(unstarted);
        }
        self.queue.pop().or_else(|| self.arrivals.pop())
    }

    /// Does what comes up now and then, and takes what comes before the queues, if anything does.
    fn pick_before_the_queues(&self, tick: u32) -> Option<NonNull<Goroutine>> {
        if !self.mailbox.inbox_is_empty() {
            self.collect();
        }
        if tick.is_multiple_of(TICKS_PER_CLOCK) {
            self.fire_timers();
        }
        if tick.is_multiple_of(TICKS_PER_STAMP) {
            self.renew_stamp();
        }
        if let Some(next) = NonNull::new(self.next.get().cast_mut()) {
            let streak = self.next_streak.get() + 1;
            self.next.set(ptr::null());
            if streak < NEXT_STREAK {
                self.next_streak.set(streak);
                return Some(next);
            }
            // SAFETY: it is ours, ready, and has just left the slot.
            unsafe { self.enqueue(next) };
        }
        if self.arrivals.is_empty() || self.picked_arrival.replace(true) {
            return None;
        }
        self.next_streak.set(0);
        self.arrivals.pop()
    }

    /// Queues what others have made ready.
    #[cold]
    fn collect(&self) {
        let mut list = self.mailbox.collect();
        while let Some(goroutine) = NonNull::new(list.cast_mut()) {
            // SAFETY: the list holds goroutines of ours that are ready and in no other queue.
            unsafe {
                list = goroutine.as_ref().link.get();
                self.arrivals.push(goroutine);
            }
        }
    }

    /// Runs a goroutine that was picked, and starts it first if it has not been.
    #[inline(always)]
    pub(super) fn execute(&self, goroutine: NonNull<Goroutine>) {
        // SAFETY: it came out of one of our queues, so the runtime's reference is still there.
        let record = unsafe { goroutine.as_ref() };
        if record.home.get().is_none() && !self.start(goroutine) {
            return;
        }
        match record.extras.get() {
            Extras::NONE => _ = self.resume(goroutine, Locks::NONE),
            extras => self.resume_with(goroutine, extras),
        }
    }

    /// Runs the goroutine that was made ready last, then the one that it made ready last, and so on
    /// for a few, as those do that talk to each other. Everything else waits for so long.
    #[inline(always)]
    fn follow_up(&self) {
        for _ in 0..FOLLOW_UPS {
            // A pool is shared out before a later run starts others.
            if self.brood.is_pool() {
                return;
            }
            let Some(next) = NonNull::new(self.next.get().cast_mut()) else {
                return;
            };
            // SAFETY: who was made ready is alive.
            if unsafe { next.as_ref() }.extras.get() != Extras::NONE {
                return;
            }
            self.next.set(ptr::null());
            self.resume(next, Locks::NONE);
        }
    }

    /// Gives a goroutine its coroutine and its place among the living. `false`: it has been ended
    /// instead.
    #[inline]
    fn start(&self, goroutine: NonNull<Goroutine>) -> bool {
        // SAFETY: it has just left its queue.
        let record = unsafe { goroutine.as_ref() };
        if self.shared.is_ending() {
            if cfg!(panic = "abort") {
                self.discard(goroutine);
                self.mailbox.note_gone();
                return false;
            }
            // It drops its body, on a stack of its own: a destructor may want to wait.
            record.cancelled.set(true);
        }
        // SAFETY: nobody else touches the stack of a goroutine of ours. Until `finish` it is the
        // coroutine's, and the record, in which both stand, does not move.
        let stack = unsafe { &mut *record.stack.get() };
        let stack = stack.insert(self.stacks.take(record.stack_size));
        record.stack_limit.set(stack.limit().get());
        let body = Body::with_stack(stack, move |suspender, ()| {
            // SAFETY: the record outlives its coroutine; the suspender is used by the goroutine
            // itself only, so only while this frame stands. `run` is called once.
            unsafe {
                goroutine.as_ref().suspender.set(suspender);
                Goroutine::run(goroutine);
            }
        });
        // SAFETY: nobody else touches the coroutine of a goroutine of ours.
        unsafe { *record.body.get() = Some(body) };
        record.home.set(Some(self.mailbox));
        let starts = self.starts.get().wrapping_add(1);
        self.starts.set(starts);
        record.set_timed_runs(record.site().runs_to_time(starts));
        self.link_live(goroutine, record);
        true
    }

    /// Puts a goroutine into the list of those that have started here and not ended.
    fn link_live(&self, goroutine: NonNull<Goroutine>, record: &Goroutine) {
        let first = self.live.replace(goroutine.as_ptr());
        record.next.set(first);
        record.previous.set(ptr::null());
        // SAFETY: the living are alive.
        if let Some(first) = unsafe { first.as_ref() } {
            first.previous.set(goroutine.as_ptr());
        }
    }

    /// Takes it out of that list.
    fn unlink_live(&self, record: &Goroutine) {
        let (previous, next) = (record.previous.get(), record.next.get());
        // SAFETY: the neighbours are alive.
        unsafe {
            match previous.as_ref() {
                Some(previous) => previous.next.set(next),
                None => self.live.set(next),
            }
            if let Some(next) = next.as_ref() {
                next.previous.set(previous);
            }
        }
    }

    /// Switches to a goroutine until it parks or ends, and says whether it has ended. If so its
    /// record may be gone.
    #[inline(always)] // see `Waiter::begin`
    fn resume(&self, goroutine: NonNull<Goroutine>, locks: Locks) -> bool {
        self.current.set(goroutine.as_ptr());
        this_thread(|this| this.turn.begin(locks));
        let run = self.runs.get() + 1;
        self.runs.set(run);
        // SAFETY: nobody else touches the coroutine of a goroutine of ours, and it does not
        // touch it itself.
        let body = unsafe { &mut *goroutine.as_ref().body.get() };
        let body = body.as_mut().expect("a started goroutine has a coroutine");
        let gate = &self.mailbox.gate.0;
        gate.enter(Phase::Run, run);
        let ended = body.resume(()).as_return().is_some() || self.has_left(goroutine);
        gate.enter_loop(run);
        self.current.set(ptr::null());
        // One branch for those who have only parked.
        let locks = this_thread(|this| this.turn.locks());
        if ended | (locks != Locks::NONE) {
            if ended {
                self.finish(goroutine);
            } else {
                // SAFETY: it has not ended.
                unsafe { goroutine.as_ref() }.keep_locks(locks);
            }
        }
        ended
    }

    /// As `resume`, with what is to be done besides.
    #[cold]
    fn resume_with(&self, goroutine: NonNull<Goroutine>, extras: Extras) {
        // SAFETY: it is alive until it is resumed.
        let record = unsafe { goroutine.as_ref() };
        let locks = record.take_locks();
        match extras.timed_runs().checked_sub(1) {
            None => _ = self.resume(goroutine, locks),
            Some(left) => {
                record.set_timed_runs(left);
                self.resume_timed(goroutine, locks, left);
            }
        }
    }

    /// As `resume`, and tells the goroutine's site how long the run was. `left` more are to be timed.
    fn resume_timed(&self, goroutine: NonNull<Goroutine>, locks: Locks, left: u8) {
        // SAFETY: it is alive until it is resumed.
        let site = unsafe { goroutine.as_ref() }.site();
        let now = Instant::now();
        self.full_turns.set(0);
        self.run_began.set(now);
        self.turn_began.set(now);
        let ids = self.ids.get();
        let ended = self.resume(goroutine, locks);
        let is_first = left == TIMED_RUNS;
        if ended || !is_first {
            let lasted = self.run_began.get().elapsed();
            site.note_run(&Run {
                nanos: u64::try_from(lasted.as_nanos()).unwrap_or(u64::MAX),
                streamed: this_thread(|this| this.turn.streamed()),
                used_up_a_turn: self.full_turns.get() > 0,
                starts_others: !is_first && self.ids.get() != ids,
            });
        }
    }

    /// The running goroutine has spent so much of its run on waiting for another worker. That is
    /// no sign of one that computes.
    pub(super) fn discount(&self, waited: Duration) {
        for began in [&self.run_began, &self.turn_began] {
            began.set(began.get() + waited);
        }
    }

    /// Ends a goroutine whose coroutine has returned.
    #[inline(never)]
    fn finish(&self, goroutine: NonNull<Goroutine>) {
        // SAFETY: the runtime's reference is given up in `dismiss` below.
        let record = unsafe { goroutine.as_ref() };
        self.unlink_live(record);
        self.mailbox.note_gone();
        // SAFETY: nobody else touches the coroutine of a goroutine of ours.
        let body = unsafe { &mut *record.body.get() };
        if body.as_ref().is_some_and(Body::done) {
            *body = None;
            // SAFETY: as above, and the coroutine, to which it was lent, is gone.
            if let Some(stack) = unsafe { (*record.stack.get()).take() } {
                self.stacks.give_back(stack);
                self.stacks.cancel(record.stack_size);
            }
        } else {
            // It has left: values stand on that stack for ever, and nobody may use it again.
            mem::forget(body.take());
            // SAFETY: as above.
            let _stays = ManuallyDrop::new(unsafe { (*record.stack.get()).take() });
        }
        if record.is_main() {
            self.shared.unheeded_ends.fetch_add(1, Ordering::SeqCst);
        }
        dismiss(goroutine);
    }

    /// Drops a goroutine that is not going to start.
    fn discard(&self, goroutine: NonNull<Goroutine>) {
        // SAFETY: it has not started, and it is in no queue any more.
        unsafe {
            Goroutine::discard(goroutine);
            self.stacks.cancel(goroutine.as_ref().stack_size);
        }
        dismiss(goroutine);
    }

    // ----- what goroutines ask of their worker --------------------------------------------

    /// Switches from the running goroutine back to the worker.
    #[inline(always)] // see `Waiter::begin`
    fn suspend(&self, record: &Goroutine) {
        self.begin_suspension(record);
        // SAFETY: the running goroutine is the one that `record` stands for.
        unsafe { switch_from(record) };
        self.end_suspension(record);
    }

    /// Prepares to switch back to the worker.
    #[inline]
    fn begin_suspension(&self, record: &Goroutine) {
        let unwinding = self.is_unwinding(record);
        // What it threw earlier it has caught.
        let was_noted = record.has_thrown.replace(unwinding);
        if unwinding {
            if !was_noted {
                panics::note_throws_again();
            }
            let suspended = &self.suspended_unwinding;
            suspended.set(suspended.get() + 1);
        }
    }

    /// The goroutine is back from where [`Worker::begin_suspension`] led to.
    #[inline]
    fn end_suspension(&self, record: &Goroutine) {
        if record.has_thrown.get() {
            let suspended = &self.suspended_unwinding;
            suspended.set(suspended.get() - 1);
        }
    }

    /// Whether the running goroutine is unwinding.
    ///
    /// The standard library counts panics by thread. While another goroutine of this worker is
    /// suspended in the middle of unwinding, that count alone does not tell; then a goroutine is
    /// unwinding if it has begun to since it last was known not to be. That errs only for one that
    /// has caught its own panic, until it is suspended while no other one is like that.
    #[inline]
    pub(super) fn is_unwinding(&self, record: &Goroutine) -> bool {
        std::thread::panicking() && (self.suspended_unwinding.get() == 0 || record.has_thrown.get())
    }

    /// Ends the running goroutine without unwinding it: its stack stays as it is.
    pub(super) fn leave(&self, record: &Goroutine) -> ! {
        // SAFETY: the goroutine runs, and does nothing after this.
        unsafe { Goroutine::abandon(NonNull::from(record)) };
        record.has_left.set(true);
        self.suspend(record);
        unreachable!("who has left is not resumed");
    }

    /// Whether a goroutine has ended without unwinding, which happens only in programs that are
    /// built so.
    #[inline]
    fn has_left(&self, goroutine: NonNull<Goroutine>) -> bool {
        // SAFETY: it is alive until it is dismissed.
        cfg!(panic = "abort") && unsafe { goroutine.as_ref() }.has_left.get()
    }

    /// Parks the running goroutine until it is readied, or interrupted.
    #[inline(always)] // see `Waiter::begin`
    pub(super) fn park(
        &self,
        record: &Goroutine,
        waiter: &Waiter,
        deadline: Option<Instant>,
    ) -> Option<Interrupt> {
        if !self.note_waiter(record, waiter) {
            return Some(Interrupt::Cancelled);
        }
        match deadline {
            None => self.suspend(record),
            Some(deadline) => self.suspend_until(record, deadline),
        }
        self.forget_waiter(record, waiter)
    }

    /// Prepares to park the running goroutine: it is parked by the switch. `false`: it is to unwind
    /// instead.
    #[inline]
    pub(super) fn begin_park(&self, record: &Goroutine, waiter: &Waiter) -> bool {
        let parks = self.note_waiter(record, waiter);
        if parks {
            self.begin_suspension(record);
        }
        parks
    }

    /// The goroutine runs again after the switch of [`Worker::begin_park`].
    #[inline]
    pub(super) fn end_park(&self, record: &Goroutine, waiter: &Waiter) -> Option<Interrupt> {
        self.end_suspension(record);
        self.forget_waiter(record, waiter)
    }

    /// Notes what the running goroutine is about to wait for; `false` if it is to unwind instead.
    #[inline]
    fn note_waiter(&self, record: &Goroutine, waiter: &Waiter) -> bool {
        if record.cancelled.get() && waiter.is_cancellable() {
            return false;
        }
        record.waiting.set(waiter);
        record.since.set(self.stamp.get());
        record.is_ready.store(false, Ordering::Relaxed);
        true
    }

    #[inline]
    fn forget_waiter(&self, record: &Goroutine, waiter: &Waiter) -> Option<Interrupt> {
        record.waiting.set(ptr::null());
        if record.cancelled.get() {
            waiter.note_late();
        }
        record.interrupt.take()
    }

    #[inline(never)]
    fn suspend_until(&self, record: &Goroutine, deadline: Instant) {
        let sleeper = Sleeper::new(record);
        let clock = &self.shared.clock;
        // One whose deadline has passed already waits behind those that are due now.
        let earliest = match clock.is_virtual() {
            true => clock.nanos(),
            false => self.fired_until.get() + 1,
        };
        let when = clock.nanos_at(deadline).max(earliest);
        // SAFETY: the sleeper stays on this frame until it is removed or has been woken.
        unsafe { self.sleepers.add(when, &sleeper) };
        self.suspend(record);
        self.sleepers.remove(&sleeper);
    }

    /// Parks the running goroutine until it is readied, whatever happens.
    pub(super) fn park_until_ready(&self, record: &Goroutine) {
        self.suspend(record);
        debug_assert!(record.interrupt.get().is_none());
    }

    /// Lets the other goroutines of this worker run. A goroutine that does nothing but this ends
    /// here when its runtime ends.
    fn yield_now(&self, record: &Goroutine) {
        self.begin_yield(record);
        // SAFETY: it has prepared for that.
        unsafe { switch_from(record) };
        self.end_yield(record);
    }

    /// Prepares the running goroutine to let others run, which the switch does then.
    pub(super) fn begin_yield(&self, record: &Goroutine) {
        record.since.set(self.stamp.get());
        record.is_ready.store(true, Ordering::Relaxed);
        // SAFETY: it is in no queue, and it is switched away from at once.
        unsafe { self.enqueue(NonNull::from(record)) };
        self.begin_suspension(record);
    }

    /// The goroutine runs again after the switch of [`Worker::begin_yield`]. It may be left out unless
    /// that [has to do with unwinding](Goroutine::has_to_do_with_unwinding).
    pub(super) fn end_yield(&self, record: &Goroutine) {
        self.end_suspension(record);
        if record.cancelled.get() && !self.is_unwinding(record) {
            panics::throw_goexit(record);
        }
    }

    /// Lets others run after a turn that was used up by that operation.
    pub(super) fn end_turn(&self, last: Operation) {
        // At the end of the runtime the worker itself is the one who waits for its turn.
        let others_wait = self.has_local_work() || self.timer_is_due() || self.shared.is_ending();
        if others_wait && this_thread(|this| this.turn.should_go_on(last)) && self.may_go_on() {
            return this_thread(|this| this.turn.prolong());
        }
        let is_one_sided = this_thread(|this| {
            let is_one_sided = this.turn.is_one_sided();
            this.turn.begin(this.turn.locks());
            is_one_sided
        });
        let Some(goroutine) = self.current_goroutine() else {
            return;
        };
        // SAFETY: it runs.
        let record = unsafe { goroutine.as_ref() };
        if record.extras.get().timed_runs() > 0 {
            let number = self.full_turns.get();
            self.full_turns.set(number.saturating_add(1));
            // Later ones would say the same of a goroutine that never parks, and cost it the look
            // at the clock.
            if number < TIMED_TURNS {
                let now = Instant::now();
                let began = self.turn_began.replace(now);
                record.site().note_full_turn(now - began, is_one_sided);
            }
        } else if !is_one_sided {
            record.site().note_untimed_full_turn();
        }
        if others_wait {
            self.yield_now(record);
        }
    }

    /// Whether a turn that is used up may go on.
    fn may_go_on(&self) -> bool {
        if self.shared.clock.is_virtual() {
            // A schedule that is to be had again must not depend on how fast it was.
            return false;
        }
        let (run, now) = (self.runs.get(), Instant::now());
        match self.overtime.get() {
            (of, since) if of == run => now - since < OVERTIME,
            _ => {
                self.overtime.set((run, now));
                true
            }
        }
    }

    // ----- timers -------------------------------------------------------------------------

    /// The time on the clock of the runtime.
    #[inline]
    pub(super) fn time(&self) -> Span {
        self.reckoning.read(&self.shared.clock)
    }

    /// What the time is, if that moment has come.
    fn time_if_past(&self, moment: Nanos) -> Option<Nanos> {
        let span = self.time();
        let now = match moment > span.begin && moment <= span.end {
            true => self.reckoning.look(&self.shared.clock).begin,
            false => span.begin,
        };
        (moment <= now).then_some(now)
    }

    fn timer_is_due(&self) -> bool {
        self.mailbox
            .timers
            .earliest()
            .is_some_and(|when| self.time_if_past(when).is_some())
    }

    #[inline] // as `interrupt`
    fn fire_timers(&self) {
        let timers = &self.mailbox.timers;
        let earliest = timers.earliest();
        let Some(now) = earliest.and_then(|earliest| self.time_if_past(earliest)) else {
            return;
        };
        self.fired_until.set(now);
        // Where the clock stands still, one whose next deadline has passed too would come again and
        // again.
        let mut left = self.sleepers.len();
        loop {
            let timer = timers.earliest_to_fire();
            let sleeper = match left {
                0 => NEVER,
                _ => self.sleepers.earliest(),
            };
            if sleeper.min(timer) > now {
                break;
            }
            if timer < sleeper {
                timers.fire_first(now);
                continue;
            }
            left -= 1;
            if let Some(goroutine) = self.sleepers.pop() {
                self.interrupt(goroutine, Interrupt::TimedOut);
            }
        }
    }

    /// Runs a parked goroutine of ours although nobody has readied it. If somebody readies it
    /// at the same moment it finds its wait claimed, and parks again for that wake-up.
    #[inline(always)] // no return after the switch, which would be mispredicted
    fn interrupt(&self, goroutine: NonNull<Goroutine>, interrupt: Interrupt) {
        // SAFETY: a goroutine with a timer or a waiter of ours has not ended.
        let record = unsafe { goroutine.as_ref() };
        record.interrupt.set(Some(interrupt));
        self.resume(goroutine, record.take_locks());
    }
}
