//! Waiting for a number of goroutines.

use super::monitor::{Monitor, Place, Wait};
use crate::join::JoinHandle;
use crate::runtime::placement::Site;
use crate::runtime::{self, Kind, Running, SpawnOptions};
use crate::wait::atomic::{AtomicUsize, Ordering};
use crate::wait::{Patience, WaitFrame, WaitQueue, WaitReason, Wake, WakeList};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A counter that can be waited for until it is zero: [`add`](WaitGroup::add) to it before a
/// goroutine starts, say [`done`](WaitGroup::done) when it ends, [`wait`](WaitGroup::wait) for
/// all. [`go`](WaitGroup::go) does the first two.
///
/// It is a handle: its clones are the same group, so `go!(clone(wg), { … })` is all that is
/// needed to hand it on. It may be used again once the counter is zero; whoever waits is released
/// the next time that it is.
///
/// A goroutine that waits when its runtime ends is unwound; in a destructor that runs meanwhile
/// `wait` returns at once, since those it would wait for may never have started.
///
/// ```
/// use gochan::prelude::*;
/// use gochan::sync::WaitGroup;
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// #[gochan::main]
/// fn main() {
///     let sum = Arc::new(AtomicU32::new(0));
///     let wg = WaitGroup::new();
///     for i in 1..=3 {
///         wg.add(1);
///         go!(clone(sum, wg), {
///             defer! { wg.done() }
///             sum.fetch_add(i, Ordering::Relaxed);
///         });
///     }
///     wg.wait();
///     assert_eq!(sum.load(Ordering::Relaxed), 6);
/// }
/// ```
#[derive(Clone)]
pub struct WaitGroup {
    group: Arc<Group>,
}

/// The group itself.
///
/// Whoever is done looks at it afterwards only if that was the last one and somebody waits, who
/// then waits for just this look. So it may go when somebody who does not
/// [give up](Group::wait_to_the_end) has waited.
pub(crate) struct Group {
    /// The count in the upper bits, and in the lowest whether somebody waits, which changes under
    /// the queue's lock only.
    state: AtomicUsize,
    waiting: Monitor<WaitQueue>,
}

/// Somebody waits.
const WAITING: usize = 1;
/// One that is not done yet.
const ONE: usize = 2;
/// More are refused, long before the word overflows.
const LIMIT: usize = usize::MAX / 8;

impl Group {
    pub(crate) fn new() -> Self {
        Group {
            state: AtomicUsize::new(0),
            waiting: Monitor::new(WaitQueue::new()),
        }
    }

    #[inline]
    pub(crate) fn add(&self, count: usize) {
        assert!(count <= LIMIT, "WaitGroup counter overflow");
        let before = self.state.fetch_add(count * ONE, Ordering::Relaxed);
        if before / ONE > LIMIT {
            self.state.fetch_sub(count * ONE, Ordering::Relaxed);
            panic!("WaitGroup counter overflow");
        }
    }

    #[inline]
    pub(crate) fn done(&self) {
        // Acquires too: who finds the count at zero hands on what all the others have released.
        let before = self.state.fetch_sub(ONE, Ordering::AcqRel);
        if before < ONE {
            self.state.fetch_add(ONE, Ordering::Relaxed);
            panic!("negative WaitGroup counter");
        }
        if before == ONE | WAITING {
            self.release_all();
        }
    }

    #[cold]
    fn release_all(&self) {
        let mut woken = WakeList::new();
        let mut waiting = self.waiting.lock();
        // If somebody has added meanwhile, the next one who finds the count at zero releases them.
        if self
            .state
            .compare_exchange(WAITING, 0, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
        {
            waiting.take_all(Wake::Done, &mut woken);
        }
        drop(waiting);
        drop(woken);
    }

    #[inline]
    pub(super) fn wait(&self, wait: impl FnOnce() -> Wait) -> Wake {
        if self.state.load(Ordering::Acquire) == 0 {
            return Wake::Done;
        }
        self.wait_for_zero(&wait())
    }

    /// As [`Group::wait`], for as long as it takes. Inlined into the caller is the switch to other
    /// goroutines; see [`Waiter::begin`](crate::wait::Waiter::begin) for that.
    #[inline(always)]
    pub(super) fn wait_for_ever(&self, wait: impl FnOnce() -> Wait) -> Wake {
        if self.state.load(Ordering::Acquire) == 0 {
            return Wake::Done;
        }
        let frame = WaitFrame::new();
        // SAFETY: the frame stays here until the wait has ended, and the switch comes once, and at
        // once.
        unsafe {
            let begun = self.begin_wait(&wait(), &frame);
            frame.finish(begun, |frame| self.end_wait(frame, true))
        }
    }

    /// Waits whatever happens to the runtime meanwhile.
    #[inline(always)]
    pub(crate) fn wait_to_the_end(&self, reason: WaitReason, location: &'static Location<'static>) {
        self.wait_for_ever(|| Wait {
            to_the_end: true,
            ..Wait::new(reason, location, Patience::Forever)
        });
    }

    #[cold]
    fn wait_for_zero(&self, wait: &Wait) -> Wake {
        let waiting = self.waiting.lock();
        if !self.announce_waiting(&waiting) {
            return Wake::Done;
        }
        self.waiting.wait(
            waiting,
            |waiting| waiting,
            Place::Last,
            &0,
            wait,
            |waiting, _| self.note_waiting(waiting),
        )
    }

    /// Begins the wait of a goroutine in `frame`, and says nothing: the switch is to follow, and
    /// [`Group::end_wait`]. An ordinary thread waits here.
    ///
    /// # Safety
    /// As for [`WaitFrame::set_waiter`].
    #[inline(never)]
    unsafe fn begin_wait(&self, wait: &Wait, frame: &WaitFrame) -> Option<Wake> {
        let Some(running) = Running::get() else {
            return Some(self.wait_for_zero(wait));
        };
        let waiting = self.waiting.lock();
        if !self.announce_waiting(&waiting) {
            return Some(Wake::Done);
        }
        // SAFETY: the caller's promise.
        let waiter = unsafe {
            self.waiting
                .enqueue(waiting, |waiting| waiting, frame, running, wait)
        };
        if waiter.begin(running) {
            return None;
        }
        // SAFETY: it has begun above.
        Some(unsafe { self.end_wait(frame, false) })
    }

    /// Ends the wait that [`Group::begin_wait`] began, after the switch if there was one.
    ///
    /// # Safety
    /// It has begun in this frame.
    #[cold]
    unsafe fn end_wait(&self, frame: &WaitFrame, switched: bool) -> Wake {
        // SAFETY: the caller's promise.
        unsafe {
            self.waiting.end_wait(
                frame,
                switched,
                |waiting| waiting,
                |waiting, _| self.note_waiting(waiting),
            )
        }
    }

    /// Sets what says that somebody waits; `false` if the count is zero. Called under the queue's
    /// lock.
    fn announce_waiting(&self, _waiting: &WaitQueue) -> bool {
        let announce = |state| (state >= ONE).then_some(state | WAITING);
        self.state
            .fetch_update(Ordering::Relaxed, Ordering::Acquire, announce)
            .is_ok()
    }

    /// Takes it back if nobody waits any more. Called under the queue's lock.
    fn note_waiting(&self, waiting: &WaitQueue) {
        if waiting.is_empty() {
            self.state.fetch_and(!WAITING, Ordering::Relaxed);
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.state.load(Ordering::Relaxed) / ONE
    }
}

/// Says that a member of a group is done, when it is dropped.
pub(super) struct DoneOnDrop(pub(super) Arc<Group>);

impl Drop for DoneOnDrop {
    fn drop(&mut self) {
        self.0.done();
    }
}

impl WaitGroup {
    /// A group whose counter is zero.
    ///
    /// ```
    /// gochan::sync::WaitGroup::new().wait(); // returns at once
    /// ```
    pub fn new() -> Self {
        WaitGroup {
            group: Arc::new(Group::new()),
        }
    }

    /// Adds to the counter. To be called before the goroutine is started that is to be waited
    /// for, not in it: there it may come too late.
    ///
    /// # Panics
    /// With `WaitGroup counter overflow`, at a count beyond all reason.
    ///
    /// ```
    /// let wg = gochan::sync::WaitGroup::new();
    /// wg.add(2);
    /// wg.done();
    /// wg.done();
    /// wg.wait();
    /// ```
    #[inline]
    pub fn add(&self, count: usize) {
        self.group.add(count);
    }

    /// Takes one from the counter, and releases those who wait if that was the last.
    ///
    /// # Panics
    /// With `negative WaitGroup counter` if the counter is zero; it stays zero.
    ///
    /// ```should_panic
    /// gochan::sync::WaitGroup::new().done();
    /// ```
    #[inline]
    pub fn done(&self) {
        self.group.done();
    }

    /// Waits until the counter is zero.
    ///
    /// ```
    /// let wg = gochan::sync::WaitGroup::new();
    /// wg.go(|| println!("in a goroutine"));
    /// wg.wait();
    /// ```
    #[inline(always)] // see `Waiter::begin`
    #[track_caller]
    pub fn wait(&self) {
        let location = Location::caller();
        let wait = || Wait::new(WaitReason::WaitGroup, location, Patience::Forever);
        has_waited(self.group.wait_for_ever(wait));
    }

    /// Waits until the counter is zero, for at most `timeout`. `false`: the time was up.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let wg = gochan::sync::WaitGroup::new();
    /// wg.add(1);
    /// assert!(!wg.wait_timeout(Duration::from_millis(1)));
    /// ```
    #[track_caller]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_patiently(Patience::lasting(timeout), Location::caller())
    }

    /// Waits until the counter is zero, until `deadline` (on the clock of
    /// [`time::now`](crate::time::now)) at most. `false`: the time was up.
    ///
    /// ```
    /// assert!(gochan::sync::WaitGroup::new().wait_deadline(gochan::time::now()));
    /// ```
    #[track_caller]
    pub fn wait_deadline(&self, deadline: Instant) -> bool {
        self.wait_patiently(Patience::Until(deadline), Location::caller())
    }

    fn wait_patiently(&self, patience: Patience, location: &'static Location<'static>) -> bool {
        let wait = || Wait::new(WaitReason::WaitGroup, location, patience);
        has_waited(self.group.wait(wait))
    }

    /// Starts a goroutine as a member of the group: adds one, and says `done` when it has ended,
    /// also by a panic or if its runtime ends before it has started.
    ///
    /// # Panics
    /// If there is no room for another stack.
    ///
    /// ```
    /// let wg = gochan::sync::WaitGroup::new();
    /// let handle = wg.go(|| 6 * 7);
    /// wg.wait();
    /// assert_eq!(handle.join().unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn go<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let site = Site::of(Location::caller());
        self.add(1);
        let done = DoneOnDrop(Arc::clone(&self.group));
        let options = SpawnOptions::default();
        let body = move || {
            let _done = done;
            f()
        };
        // SAFETY: body and result are `Send` and `'static`.
        match unsafe { runtime::start(site, options, Kind::Plain, None, body) } {
            Ok(result) => JoinHandle::new(result),
            Err(error) => panic!("cannot start a goroutine: {error}"),
        }
    }
}

/// Whether the count was zero at the end of a wait. The goroutine may be unwound here.
#[inline]
fn has_waited(wake: Wake) -> bool {
    match wake {
        Wake::Done => true,
        Wake::TimedOut => false,
        wake => {
            crate::unwind_cancelled();
            wake == Wake::DoneLate
        }
    }
}

impl Default for WaitGroup {
    fn default() -> Self {
        WaitGroup::new()
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitGroup")
            .field("count", &self.group.count())
            .finish_non_exhaustive()
    }
}
