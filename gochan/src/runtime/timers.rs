//! The timers of a worker: goroutines that wait no longer than until some time, and timers that
//! send or start something.
//!
//! The two stand in heaps of their own. Goroutines can be woken by their own worker only, which
//! alone touches their heap, so that one needs no lock. What the other timers do can be done by
//! anybody, and they are set, stopped and fired by anybody, under the lock of their heap.
//!
//! A timer that sends is fired *under* that lock, and stopping or resetting it takes back under
//! the same lock what was sent and not received: afterwards no stale time can be received.

use super::clock::{Clock, Nanos};
use super::goroutine::Goroutine;
use super::mailbox::Mailbox;
use super::placement::Site;
use super::timer_heap::{Heap, NEVER, Node, Place};
use super::{panics, start_detached};
use crate::channel::core::Channel;
use crate::wait::{BiasedMutex, Parker};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

    /// Takes the first goroutine out.
    pub(super) fn pop(&self) -> Option<NonNull<Goroutine>> {
        let mut heap = self.heap.borrow_mut();
        if heap.is_empty() {
            return None;
        }
        let sleeper = heap.remove(0);
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
    /// Calls the function in a goroutine of its own. Such a timer is counted, and its heap holds
    /// one count for as long as it is set.
    Start(Box<dyn Fn() + Send + Sync>, &'static Location<'static>),
}

/// A timer, set or not. It belongs to the worker on which it was made.
pub(crate) struct TimerNode {
    home: &'static Mailbox,
    /// Which runtime, of all that have used or will use the mailbox.
    term: u64,
    clock: Clock,
    /// Under the lock of the heap.
    place: Place,
    /// Under the lock of the heap: the time between two firings, 0 for a timer that fires once.
    period: Cell<Nanos>,
    action: Action,
}

// SAFETY: the cells are touched under the lock of the heap, the pointer to the channel is set
// before the timer is shared, and the function is `Send` and `Sync`.
unsafe impl Send for TimerNode {}
// SAFETY: as above.
unsafe impl Sync for TimerNode {}

impl Node for TimerNode {
    fn place(&self) -> &Place {
        &self.place
    }
}

impl TimerNode {
    fn new(home: &'static Mailbox, clock: Clock, action: Action) -> Self {
        TimerNode {
            home,
            term: home.timers.state.lock().term,
            clock,
            place: Place::nowhere(),
            period: Cell::new(0),
            action,
        }
    }

    /// When `duration` has passed; [`NEVER`] if that is beyond what the clock can say.
    fn time_after(&self, duration: Duration) -> Nanos {
        let now = self.clock.nanos();
        nanos_of(duration).map_or(NEVER, |duration| now.saturating_add(duration))
    }

    /// Sets the timer, or sets it anew. Says whether it was going to fire, or had sent a time
    /// that nobody has received.
    ///
    /// # Safety
    /// The timer stays where it is until it has been stopped, if it sends; else the pointer is
    /// that of an `Arc`.
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
            None if state.open && state.term == node.term => {
                if let Action::Start(..) = node.action {
                    // SAFETY: the caller's promise: it is an `Arc`'s.
                    unsafe { Arc::increment_strong_count(this.as_ptr()) };
                }
                // SAFETY: it stays there until it is stopped, or as long as it is counted.
                unsafe { state.heap.push(when, this) };
                false
            }
            None => false,
        };
        node.period.set(period);
        let was_pending = node.take_back() || was_set;
        let is_earliest = timers.publish(&state);
        drop(state);
        if is_earliest {
            node.home.wake();
        }
        was_pending
    }

    /// Stops the timer; says what [`TimerNode::set`] says.
    fn stop(&self) -> bool {
        let timers = &self.home.timers;
        let mut state = timers.state.lock();
        let removed = self.place.get().map(|place| {
            // SAFETY: it leaves the heap, and gives back what the heap held of it.
            unsafe { Removed::new(state.heap.remove(place)) }
        });
        let was_pending = self.take_back() || removed.is_some();
        timers.publish(&state);
        drop(state);
        drop(removed);
        was_pending
    }

    /// Takes back what was sent and not received. Called under the lock of the heap.
    fn take_back(&self) -> bool {
        match &self.action {
            // SAFETY: the channel owns the timer.
            Action::Send(channel) => unsafe { &*channel.get() }.take_back(),
            Action::Start(..) => false,
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

/// A timer that has been taken out of its heap, with the heap's count of it.
struct Removed(NonNull<TimerNode>);

// SAFETY: timers are `Send` and `Sync`.
unsafe impl Send for Removed {}

impl Removed {
    /// # Safety
    /// The timer has just left its heap, whose count passes over.
    unsafe fn new(node: NonNull<TimerNode>) -> Self {
        Removed(node)
    }

    /// The count, if the timer is counted.
    fn into_counted(self) -> Option<Arc<TimerNode>> {
        // SAFETY: it is alive: it belongs to a channel, or we hold a count.
        let counted = matches!(unsafe { self.0.as_ref() }.action, Action::Start(..));
        // SAFETY: the count is handed over, and not given back a second time.
        let node = counted.then(|| unsafe { Arc::from_raw(self.0.as_ptr()) });
        std::mem::forget(self);
        node
    }
}

impl Drop for Removed {
    fn drop(&mut self) {
        // The user's function may go with it. Its destructor may panic, which is nobody's here.
        let node = Removed(self.0).into_counted();
        panics::contain(|| drop(node));
    }
}

/// What remains to be done for a timer that was fired, once the lock has been left.
enum Fired {
    Nothing,
    Wake(Parker),
    Start(Arc<TimerNode>),
}

impl Fired {
    fn complete(self) {
        match self {
            Fired::Nothing => {}
            // SAFETY: the send claimed the receiver, and this is its one wake-up.
            Fired::Wake(receiver) => unsafe { receiver.unpark_in_turn() },
            Fired::Start(node) => node.start(),
        }
    }
}

impl TimerNode {
    fn start(self: Arc<Self>) {
        let Action::Start(_, location) = &self.action else {
            return;
        };
        let site = Site::of(location);
        start_detached(site, move || {
            if let Action::Start(function, _) = &self.action {
                function();
            }
        });
    }
}

/// The timers of one worker that send or start something.
pub(crate) struct Timers {
    state: BiasedMutex<State>,
    /// The time of the earliest timer, readable without the lock.
    earliest: AtomicU64,
    /// The time of the earliest goroutine that waits.
    earliest_sleeper: AtomicU64,
}

struct State {
    heap: Heap<TimerNode>,
    /// How many runtimes have used these timers.
    term: u64,
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
        let removed = match (now - when).checked_div(period) {
            // SAFETY: it leaves the heap.
            None => Some(unsafe { Removed::new(self.heap.remove(place)) }),
            // Ticks that nobody fired in time are left out.
            Some(missed) => {
                let next = when.saturating_add(period.saturating_mul(missed + 1));
                self.heap.set_time(place, next);
                None
            }
        };
        match &timer.action {
            Action::Send(channel) => {
                let instant = timer.clock.instant_at(now);
                // SAFETY: the channel owns the timer, and stops it before it goes.
                let channel = unsafe { &*channel.get() };
                match channel.offer(instant.unwrap_or_else(|| timer.clock.now())) {
                    Some(receiver) => Fired::Wake(receiver),
                    None => Fired::Nothing,
                }
            }
            Action::Start(..) => removed
                .and_then(Removed::into_counted)
                .map_or(Fired::Nothing, Fired::Start),
        }
    }
}

impl Timers {
    pub(super) fn new() -> Self {
        Timers {
            state: BiasedMutex::new(State {
                heap: Heap::new(),
                term: 0,
                open: false,
            }),
            earliest: AtomicU64::new(NEVER),
            earliest_sleeper: AtomicU64::new(NEVER),
        }
    }

    /// Lets timers be set, for a new runtime.
    pub(super) fn open(&self) {
        let mut state = self.state.lock();
        state.term += 1;
        state.open = true;
    }

    /// Takes all timers out: the runtime has ended, and what is set later never fires.
    pub(super) fn close(&self) {
        loop {
            let mut state = self.state.lock();
            state.open = false;
            // SAFETY: it leaves the heap.
            let removed = state
                .heap
                .pop_any()
                .map(|node| unsafe { Removed::new(node) });
            self.publish(&state);
            drop(state);
            if removed.is_none() {
                break;
            }
        }
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
        if state.heap.earliest() <= now {
            let fired = state.fire(0, now);
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
            // Before a setter looks whether the worker sleeps, as the worker looks at the timers
            // after it has said that it is about to.
            self.earliest.store(earliest, Ordering::SeqCst);
        }
        earliest < before
    }
}

// ----- timers with their owners -----------------------------------------------------------

/// The timer that a channel owns.
pub(crate) struct ChannelTimer(Box<TimerNode>);

impl ChannelTimer {
    /// A timer of the calling goroutine's worker, not set.
    pub(crate) fn new() -> Self {
        let action = Action::Send(Cell::new(ptr::null()));
        ChannelTimer(super::here(|home, clock| {
            Box::new(TimerNode::new(home, clock.clone(), action))
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

    pub(crate) fn stop(&self) -> bool {
        self.0.stop()
    }

    /// Fires the timer if its worker is late with it.
    #[cold]
    pub(crate) fn fire_if_due(&self) {
        self.0.fire_if_due();
    }
}

/// A timer that calls a function in a goroutine of its own. It stays set when its handle is
/// dropped.
pub(crate) struct StartTimer(Arc<TimerNode>);

impl StartTimer {
    /// A timer of the calling goroutine's worker, not set. Its goroutine will say that it was
    /// started at `location`.
    pub(crate) fn new(
        location: &'static Location<'static>,
        function: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let action = Action::Start(Box::new(function), location);
        StartTimer(super::here(|home, clock| {
            Arc::new(TimerNode::new(home, clock.clone(), action))
        }))
    }

    /// Sets the timer to fire when `after` has passed. Says whether it was going to fire.
    pub(crate) fn set(&self, after: Duration) -> bool {
        let when = self.0.time_after(after);
        let node = Arc::as_ptr(&self.0).cast_mut();
        // SAFETY: the pointer is that of an `Arc`, so it is not null.
        unsafe { TimerNode::set(NonNull::new_unchecked(node), when, 0) }
    }

    /// Stops the timer. Says whether it was going to fire.
    pub(crate) fn stop(&self) -> bool {
        self.0.stop()
    }

    /// The time on the clock that the timer goes by.
    pub(crate) fn now(&self) -> Instant {
        self.0.clock.now()
    }
}

impl fmt::Debug for StartTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartTimer").finish_non_exhaustive()
    }
}
