//! The timers of a worker: goroutines that wait no longer than until some time, and timers that
//! send or start something.
//!
//! The two stand in heaps of their own. Goroutines can be woken by their own worker only, which
//! alone touches their heap, so that one needs no lock. What the other timers do can be done by
//! anybody, and they are set, stopped and fired by anybody, under the lock of their heap.
//!
//! A timer that sends is fired *under* that lock, and stopping or resetting it takes back under
//! the same lock what was sent and not received: afterwards no stale time can be received.
//!
//! Whether a timer is *set*, which is to be in the heap or to be fired just now, is readable
//! without the lock. One that is not is known to nobody but its owner: it will send no more until
//! it is set again, so there is nothing to stop, and what it has sent is taken back without the
//! lock.
//!
//! A timer that starts something has several *holders*: its handle, its heap while it is set, and
//! the goroutines that it has started. Their number changes under the lock. So the only holder
//! that is left finds that out without the lock: there is nobody else who could change it.

use super::blocks::BlockBox;
use super::clock::{Clock, Nanos};
use super::goroutine::Goroutine;
use super::mailbox::Mailbox;
use super::placement::Site;
use super::reckoning::Span;
use super::timer_heap::{Heap, NEVER, Node, Place};
use super::{panics, start_detached, worker};
use crate::channel::core::Channel;
use crate::wait::{BiasedMutex, Parker};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{Location, RefUnwindSafe};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::time::{Duration, Instant};

// ----- goroutines that wait ---------------------------------------------------------------

/// A parked goroutine with a deadline; stands on the goroutine's stack.
pub(super) struct Sleeper {
    place: Place,
    goroutine: NonNull<Goroutine>,
}

impl Sleeper {
    pub(super) fn new(goroutine: &Goroutine) -> Self {
        Sleeper {
            place: Place::nowhere(),
            goroutine: NonNull::from(goroutine),
        }
    }
}

impl Node for Sleeper {
    fn place(&self) -> &Place {
        &self.place
    }
}

/// The goroutines of a worker that are parked with a deadline.
pub(super) struct Sleepers {
    heap: RefCell<Heap<Sleeper>>,
    /// Where others can read which time is the earliest.
    published: &'static AtomicU64,
}

impl Sleepers {
    pub(super) fn new(mailbox: &'static Mailbox) -> Self {
        Sleepers {
            heap: RefCell::new(Heap::new()),
            published: &mailbox.timers.earliest_sleeper,
        }
    }

    /// Adds one.
    ///
    /// # Safety
    /// It is in no heap, and stays where it is until it has been removed or woken.
    pub(super) unsafe fn add(&self, when: Nanos, sleeper: &Sleeper) {
        let mut heap = self.heap.borrow_mut();
        // SAFETY: the caller's promise.
        unsafe { heap.push(when, NonNull::from(sleeper)) };
        self.publish(&heap);
    }

    /// Takes one out, if it is still in.
    pub(super) fn remove(&self, sleeper: &Sleeper) {
        if let Some(place) = sleeper.place.get() {
            let mut heap = self.heap.borrow_mut();
            heap.remove(place);
            self.publish(&heap);
        }
    }

    pub(super) fn earliest(&self) -> Nanos {
        self.heap.borrow().earliest()
    }

    pub(super) fn len(&self) -> usize {
        self.heap.borrow().len()
    }

    /// Takes the first goroutine out.
    pub(super) fn pop(&self) -> Option<NonNull<Goroutine>> {
        let mut heap = self.heap.borrow_mut();
        let first = heap.first_place()?;
        let sleeper = heap.remove(first);
        self.publish(&heap);
        // SAFETY: it was in the heap until now, and its goroutine is still parked.
        Some(unsafe { sleeper.as_ref() }.goroutine)
    }

    fn publish(&self, heap: &Heap<Sleeper>) {
        self.published.store(heap.earliest(), Ordering::Release);
    }
}

// ----- timers -----------------------------------------------------------------------------

/// What a timer does when its time has come.
enum Action {
    /// Sends the time on the channel that the timer belongs to, if there is room.
    Send(Cell<*const Channel<Instant>>),
    /// Calls a function in a goroutine of its own: the timer is that of a [`Starting`].
    Start(Start),
    /// Ends what it stands in, which is told when the timer is set.
    End(Cell<Option<Expiry>>, &'static Location<'static>),
}

/// What is known of a [`Starting`] by its timer.
struct Start {
    call: unsafe fn(NonNull<TimerNode>),
    free: unsafe fn(NonNull<TimerNode>),
    location: &'static Location<'static>,
    /// Changed under the lock of the heap.
    holders: AtomicUsize,
}

impl Start {
    /// Changes the number of holders and says it. Called under the lock of the heap.
    fn change_holders(&self, change: impl FnOnce(usize) -> usize) -> usize {
        let holders = change(self.holders.load(Ordering::Relaxed));
        // Who finds itself alone frees the timer: after all that the others have done to it.
        self.holders.store(holders, Ordering::Release);
        holders
    }
}

/// How a timer reaches what it stands in, and is to end.
#[derive(Clone, Copy)]
pub(crate) struct Expiry {
    pub(crate) owner: NonNull<()>,
    /// Takes a reference to the owner, if that is not about to go. Called under the lock of the
    /// heap.
    pub(crate) hold: unsafe fn(NonNull<()>) -> bool,
    /// Starts the goroutine that ends the owner and gives that reference back. It is to say that
    /// it was started at that location.
    pub(crate) start: unsafe fn(NonNull<()>, &'static Location<'static>),
}

/// A timer, set or not. It belongs to the worker on which it was made.
pub(crate) struct TimerNode {
    home: &'static Mailbox,
    /// Which runtime, of all that have used or will use the mailbox.
    term: u64,
    clock: Clock,
    /// Under the lock of the heap.
    place: Place,
    /// Whether it is in the heap, or still being fired; readable without the lock.
    is_set: AtomicBool,
    /// Under the lock of the heap: the time between two firings, 0 for a timer that fires once.
    period: Cell<Nanos>,
    action: Action,
}

// SAFETY: the cells are touched under the lock of the heap, the pointer to the channel is set
// before the timer is shared, and the function is `Send` and `Sync`.
unsafe impl Send for TimerNode {}
// SAFETY: as above.
unsafe impl Sync for TimerNode {}

// A panic cannot leave it half changed: no user code runs while it changes.
impl RefUnwindSafe for TimerNode {}

impl Node for TimerNode {
    fn place(&self) -> &Place {
        &self.place
    }
}

impl TimerNode {
    #[inline(always)] // to be written where it is to stand
    fn new(home: &'static Mailbox, clock: Clock, action: Action) -> Self {
        TimerNode {
            home,
            term: home.timers.term.load(Ordering::Relaxed),
            clock,
            place: Place::nowhere(),
            is_set: AtomicBool::new(false),
            period: Cell::new(0),
            action,
        }
    }

    /// When `duration` has passed; [`NEVER`] if that is beyond what the clock can say.
    fn time_after(&self, duration: Duration) -> Nanos {
        let now = self.now();
        if duration.is_zero() {
            // Now is over whenever somebody looks, however exactly the time is known.
            return now.begin;
        }
        nanos_of(duration).map_or(NEVER, |duration| now.end.saturating_add(duration))
    }

    /// The time on the timer's clock.
    fn now(&self) -> Span {
        match worker::current() {
            Some(worker) if worker.is_at(self.home) => worker.time(),
            _ => Span::at(self.clock.nanos()),
        }
    }

    /// Sets the timer, or sets it anew. Says whether it was going to fire, or had sent a time
    /// that nobody has received.
    ///
    /// # Safety
    /// The timer stays where it is until it is not set any more; if it starts something, the
    /// caller holds it, and the pointer is good for all of the [`Starting`].
    unsafe fn set(this: NonNull<TimerNode>, when: Nanos, period: Nanos) -> bool {
        // SAFETY: it is alive.
        let node = unsafe { this.as_ref() };
        let timers = &node.home.timers;
        let mut state = timers.state.lock();
        let was_set = match node.place.get() {
            Some(place) => {
                state.heap.set_time(place, when);
                true
            }
            // The runtime may have ended: then the timer never fires.
            None if state.open && timers.term.load(Ordering::Relaxed) == node.term => {
                if let Action::Start(start) = &node.action {
                    start.change_holders(|holders| holders + 1);
                }
                // SAFETY: the caller's promise; the heap holds it now.
                unsafe { state.heap.push(when, this) };
                node.is_set.store(true, Ordering::Relaxed);
                false
            }
            None => false,
        };
        node.period.set(period);
        let was_pending = node.take_back() || was_set;
        let is_earliest = timers.publish(&state);
        drop(state);
        // A worker that sets a timer of its own is awake, and looks at it before it sleeps.
        if is_earliest && !worker::current().is_some_and(|worker| worker.is_at(node.home)) {
            // Before the look whether the worker sleeps, as the worker looks at the timers after
            // it has said that it is about to.
            fence(Ordering::SeqCst);
            node.home.wake();
        }
        was_pending
    }

    /// Stops the timer; says what [`TimerNode::set`] says.
    fn stop(&self) -> bool {
        if !self.is_set() {
            return self.take_back();
        }
        let timers = &self.home.timers;
        let mut state = timers.state.lock();
        let was_set = match self.place.get() {
            Some(place) => {
                state.heap.remove(place);
                if let Action::Start(start) = &self.action {
                    // The heap was not the last: the caller holds it too.
                    start.change_holders(|holders| holders - 1);
                }
                self.is_set.store(false, Ordering::Release);
                true
            }
            None => false,
        };
        let was_pending = self.take_back() || was_set;
        timers.publish(&state);
        was_pending
    }

    /// Whether the timer is set. If it is not, nobody but its owner knows it.
    fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    /// Takes back what was sent and not received. Called under the lock of the heap, or when the
    /// timer is not set.
    fn take_back(&self) -> bool {
        match &self.action {
            // SAFETY: the channel owns the timer.
            Action::Send(channel) => unsafe { &*channel.get() }.take_back(),
            Action::Start(..) | Action::End(..) => false,
        }
    }

    /// Fires the timer if it is due, though its worker has not come to it yet.
    fn fire_if_due(&self) {
        let now = self.clock.nanos();
        let timers = &self.home.timers;
        if timers.earliest.load(Ordering::Relaxed) > now {
            return;
        }
        let mut state = timers.state.lock();
        if let Some(place) = self.place.get()
            && state.heap.time_at(place) <= now
        {
            let fired = state.fire(place, now);
            timers.publish(&state);
            drop(state);
            fired.complete();
        }
    }
}

fn nanos_of(duration: Duration) -> Option<Nanos> {
    Nanos::try_from(duration.as_nanos()).ok()
}

/// One of those who hold a timer that starts something.
struct Holder(NonNull<TimerNode>);

// SAFETY: timers and their functions are `Send` and `Sync`.
unsafe impl Send for Holder {}
// SAFETY: as above.
unsafe impl Sync for Holder {}

impl Holder {
    /// The heap's of a timer that was taken out. None if it is one that has no holders, which is
    /// kept by what it stands in.
    ///
    /// # Safety
    /// The timer has just left its heap, whose lock is held.
    unsafe fn of_heap(node: NonNull<TimerNode>) -> Option<Self> {
        // SAFETY: the lock is held, so it has not been stopped meanwhile.
        let timer = unsafe { node.as_ref() };
        matches!(timer.action, Action::Start(..)).then(|| Holder(node))
    }

    fn timer(&self) -> &TimerNode {
        // SAFETY: it is held.
        unsafe { self.0.as_ref() }
    }

    fn known(&self) -> &Start {
        match &self.timer().action {
            Action::Start(start) => start,
            _ => unreachable!("only timers that start something have holders"),
        }
    }

    /// The `go!` that the goroutine of the function stands for.
    fn site(&self) -> &'static Site {
        Site::of(self.known().location)
    }

    /// Calls the function in a goroutine of its own, which holds the timer meanwhile.
    fn start(self) {
        start_detached(self.site(), move || {
            let holder = self;
            // SAFETY: it is held, and its function is `Send` and `Sync`.
            unsafe { (holder.known().call)(holder.0) };
        });
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let timer = self.timer();
        let start = self.known();
        let free = start.free;
        let is_last = start.holders.load(Ordering::Acquire) == 1 || {
            let _state = timer.home.timers.state.lock();
            start.change_holders(|holders| holders - 1) == 0
        };
        if is_last {
            // SAFETY: nobody else holds it, and so nobody can come to hold it.
            unsafe { free(self.0) };
        }
    }
}

/// A timer that starts something, and the function to be called.
///
/// The timer comes first: a pointer to it, made from one to all, is one to all.
#[repr(C)]
struct Starting<F> {
    timer: TimerNode,
    function: F,
}

impl<F: Fn() + Send + Sync + 'static> Starting<F> {
    /// # Safety
    /// It is the timer of one of these, and held.
    unsafe fn call(timer: NonNull<TimerNode>) {
        // SAFETY: the caller's promise.
        (unsafe { timer.cast::<Self>().as_ref() }.function)();
    }

    /// # Safety
    /// It is the timer of one of these, from a box, and nobody holds it any more.
    unsafe fn free(timer: NonNull<TimerNode>) {
        // SAFETY: the caller's promise.
        drop(unsafe { BlockBox::from_raw(timer.cast::<Self>()) });
    }
}

/// What remains to be done for a timer that was fired, once the lock has been left.
enum Fired {
    Nothing,
    Wake(Parker),
    Start(Holder),
    End(Expiry, &'static Location<'static>),
}

impl Fired {
    fn complete(self) {
        match self {
            Fired::Nothing => {}
            // SAFETY: the send claimed the receiver, and this is its one wake-up.
            Fired::Wake(receiver) => unsafe { receiver.unpark_in_turn() },
            Fired::Start(holder) => holder.start(),
            // SAFETY: a reference to the owner was taken under the lock.
            Fired::End(expiry, location) => unsafe { (expiry.start)(expiry.owner, location) },
        }
    }
}

/// The timers of a closed heap that would have started something, to be dropped by a goroutine.
pub(super) struct Unfired {
    first: Option<Holder>,
    others: &'static Timers,
}

impl Unfired {
    /// Where the first of them was made.
    pub(super) fn site(&self) -> &'static Site {
        let first = self.first.as_ref().expect("it goes when this is dropped");
        first.site()
    }
}

impl Drop for Unfired {
    fn drop(&mut self) {
        let next = || self.others.take_out_holder();
        while let Some(holder) = self.first.take().or_else(next) {
            // A panic of a destructor keeps nothing from the others.
            panics::contain(|| drop(holder));
        }
    }
}

/// The timers of one worker that send or start something.
pub(crate) struct Timers {
    state: BiasedMutex<State>,
    /// The time of the earliest timer, readable without the lock.
    earliest: AtomicU64,
    /// The time of the earliest goroutine that waits.
    earliest_sleeper: AtomicU64,
    /// How many runtimes have used these timers. Changed under the lock.
    term: AtomicU64,
}

struct State {
    heap: Heap<TimerNode>,
    /// Whether a runtime uses them.
    open: bool,
}

// SAFETY: timers are `Send` and `Sync`, and are alive while they are in the heap.
unsafe impl Send for State {}

impl State {
    /// Fires the timer at `place`, and takes it out unless it fires again.
    fn fire(&mut self, place: usize, now: Nanos) -> Fired {
        let when = self.heap.time_at(place);
        let node = self.heap.node_at(place);
        // SAFETY: it is in the heap.
        let timer = unsafe { node.as_ref() };
        let period = timer.period.get();
        let is_over = match (now - when).checked_div(period) {
            None => {
                self.heap.remove(place);
                true
            }
            // Ticks that nobody fired in time are left out.
            Some(missed) => {
                let next = when.saturating_add(period.saturating_mul(missed + 1));
                self.heap.set_time(place, next);
                false
            }
        };
        let fired = match &timer.action {
            Action::Send(channel) => {
                let instant = timer.clock.instant_at(now);
                // SAFETY: the channel owns the timer, and stops it before it goes.
                let channel = unsafe { &*channel.get() };
                match channel.offer(instant.unwrap_or_else(|| timer.clock.now())) {
                    Some(receiver) => Fired::Wake(receiver),
                    None => Fired::Nothing,
                }
            }
            Action::Start(..) => {
                // SAFETY: it has just left the heap, as it has no period.
                unsafe { Holder::of_heap(node) }.map_or(Fired::Nothing, Fired::Start)
            }
            Action::End(expiry, location) => match expiry.get() {
                // SAFETY: the owner stops the timer before it goes.
                Some(expiry) if unsafe { (expiry.hold)(expiry.owner) } => {
                    Fired::End(expiry, location)
                }
                _ => Fired::Nothing,
            },
        };
        if is_over {
            // The last that is done to it here: its owner may go with it now.
            timer.is_set.store(false, Ordering::Release);
        }
        fired
    }
}

impl Timers {
    pub(super) fn new() -> Self {
        Timers {
            state: BiasedMutex::new(State {
                heap: Heap::new(),
                open: false,
            }),
            term: AtomicU64::new(0),
            earliest: AtomicU64::new(NEVER),
            earliest_sleeper: AtomicU64::new(NEVER),
        }
    }

    /// Lets timers be set, for a new runtime.
    pub(super) fn open(&self) {
        let mut state = self.state.lock();
        self.term.fetch_add(1, Ordering::Relaxed);
        state.open = true;
    }

    /// Takes all timers out: the runtime has ended, and what is set later never fires. What may hold
    /// something of the user's is left to whoever drops the result, if there is any.
    pub(super) fn close(&'static self) -> Option<Unfired> {
        self.take_out_holder().map(|first| Unfired {
            first: Some(first),
            others: self,
        })
    }

    /// Takes timers out, up to one whose function may go with it.
    fn take_out_holder(&self) -> Option<Holder> {
        let mut state = self.state.lock();
        state.open = false;
        let mut holder = None;
        while holder.is_none()
            && let Some(node) = state.heap.pop_any()
        {
            // SAFETY: it has just left the heap.
            holder = unsafe { Holder::of_heap(node) };
            // SAFETY: the lock is held, so it has not been stopped meanwhile.
            let timer = unsafe { node.as_ref() };
            timer.is_set.store(false, Ordering::Release);
        }
        self.publish(&state);
        holder
    }

    /// When the first of the timers and of the goroutines that wait is due.
    pub(crate) fn earliest(&self) -> Option<Nanos> {
        let sleeper = self.earliest_sleeper.load(Ordering::Acquire);
        let earliest = self.earliest_to_fire().min(sleeper);
        (earliest != NEVER).then_some(earliest)
    }

    /// When the first of the timers is due; [`NEVER`] if there is none.
    #[inline]
    pub(super) fn earliest_to_fire(&self) -> Nanos {
        self.earliest.load(Ordering::SeqCst)
    }

    /// Fires the first timer if it is due. Any thread of the runtime may do so.
    pub(super) fn fire_first(&self, now: Nanos) {
        let mut state = self.state.lock();
        if let Some(first) = state.heap.first_place()
            && state.heap.time_at(first) <= now
        {
            let fired = state.fire(first, now);
            self.publish(&state);
            drop(state);
            fired.complete();
        }
    }

    /// Says whether the earliest time is an earlier one now.
    fn publish(&self, state: &State) -> bool {
        let earliest = state.heap.earliest();
        let before = self.earliest.load(Ordering::Relaxed);
        if earliest != before {
            self.earliest.store(earliest, Ordering::Release);
        }
        earliest < before
    }
}

// ----- timers with their owners -----------------------------------------------------------

/// The timer that a channel owns.
pub(crate) struct ChannelTimer(BlockBox<TimerNode>);

impl ChannelTimer {
    /// A timer of the calling goroutine's worker, not set.
    pub(crate) fn new() -> Self {
        let action = Action::Send(Cell::new(ptr::null()));
        ChannelTimer(super::here(|home, clock| {
            BlockBox::new(|| TimerNode::new(home, clock.clone(), action))
        }))
    }

    /// Tells the timer on which channel it sends.
    ///
    /// # Safety
    /// The channel owns the timer, stays where it is, and stops the timer before it goes. Called
    /// before the timer is set or shared.
    pub(crate) unsafe fn attach(&self, channel: &Channel<Instant>) {
        if let Action::Send(place) = &self.0.action {
            place.set(channel);
        }
    }

    /// Sets the timer to fire when `after` has passed, and then, if there is a `period`, again
    /// and again.
    pub(crate) fn set(&self, after: Duration, period: Option<Duration>) -> bool {
        let period = period.map_or(0, |period| nanos_of(period).unwrap_or(NEVER));
        let when = self.0.time_after(after);
        // SAFETY: the channel stops the timer before it goes.
        unsafe { TimerNode::set(NonNull::from(&*self.0), when, period) }
    }

    /// Stops the timer. Says whether it was going to fire, or had sent a time that nobody has
    /// received.
    pub(crate) fn stop(&self) -> bool {
        self.0.stop()
    }

    /// Fires the timer if its worker is late with it.
    #[cold]
    pub(crate) fn fire_if_due(&self) {
        self.0.fire_if_due();
    }
}

/// The timer of something that ends at a deadline, in which it stands.
pub(crate) struct DeadlineTimer(TimerNode);

impl DeadlineTimer {
    /// A timer of the calling goroutine's worker, not set.
    #[inline(always)] // to be written where it is to stand
    pub(crate) fn new(location: &'static Location<'static>) -> Self {
        let action = Action::End(Cell::new(None), location);
        DeadlineTimer(super::here(|home, clock| {
            TimerNode::new(home, clock.clone(), action)
        }))
    }

    /// Sets the timer.
    ///
    /// # Safety
    /// It has never been set. It stays where it is until it has been stopped or is not set any
    /// more, and until then the functions of `expiry` may be called as they say.
    pub(crate) unsafe fn set(&self, deadline: Instant, expiry: Expiry) {
        if let Action::End(place, _) = &self.0.action {
            place.set(Some(expiry));
        }
        let when = self.0.clock.nanos_at(deadline);
        // SAFETY: the caller's promise.
        unsafe { TimerNode::set(NonNull::from(&self.0), when, 0) };
    }

    pub(crate) fn stop(&self) {
        self.0.stop();
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn is_set(&self) -> bool {
        self.0.is_set()
    }

    /// The time on the clock that the timer goes by.
    pub(crate) fn now(&self) -> Instant {
        self.0.clock.now()
    }
}

/// The handle of a timer that calls a function in a goroutine of its own. The timer stays set when
/// the handle is dropped.
pub(crate) struct StartTimer(Holder);

impl StartTimer {
    /// A timer of the calling goroutine's worker, not set. Its goroutine will say that it was
    /// started at `location`.
    pub(crate) fn new<F: Fn() + Send + Sync + 'static>(
        location: &'static Location<'static>,
        function: F,
    ) -> Self {
        let action = Action::Start(Start {
            call: Starting::<F>::call,
            free: Starting::<F>::free,
            location,
            holders: AtomicUsize::new(1),
        });
        let starting = super::here(|home, clock| {
            BlockBox::new(|| Starting {
                timer: TimerNode::new(home, clock.clone(), action),
                function,
            })
        });
        StartTimer(Holder(BlockBox::into_raw(starting).cast()))
    }

    /// Sets the timer to fire when `after` has passed. Says whether it was going to fire.
    pub(crate) fn set(&self, after: Duration) -> bool {
        let when = self.0.timer().time_after(after);
        // SAFETY: the handle holds it, and has a pointer to all of it.
        unsafe { TimerNode::set(self.0.0, when, 0) }
    }

    /// Stops the timer. Says whether it was going to fire.
    pub(crate) fn stop(&self) -> bool {
        self.0.timer().stop()
    }
}

impl fmt::Debug for StartTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartTimer").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// The mailbox may belong to nobody, or to a later runtime.
    #[test]
    fn a_timer_of_a_runtime_that_has_ended_is_not_set() {
        let home: &'static Mailbox = Box::leak(Box::new(Mailbox::new()));
        let set = |node: &TimerNode| {
            // SAFETY: it stays where it is until it has been taken out or stopped.
            let was_pending = unsafe { TimerNode::set(NonNull::from(node), 0, 0) };
            assert!(!was_pending);
            (node.is_set(), home.timers.earliest().is_some())
        };
        let new = || {
            TimerNode::new(home, Clock::monotonic(), {
                Action::End(Cell::new(None), Location::caller())
            })
        };
        home.timers.open();
        let old = new();
        assert_eq!(set(&old), (true, true));
        assert!(home.timers.close().is_none());
        assert!(!old.is_set(), "nobody knows it any more");
        assert_eq!(set(&old), (false, false), "after the end of its runtime");
        home.timers.open();
        assert_eq!(set(&old), (false, false), "in the time of the next one");
        let next = new();
        assert_eq!(set(&next), (true, true));
        assert!(next.stop());
    }
}
