//! The counters below [`WaitGroup`](super::WaitGroup), [`ErrGroup`](super::ErrGroup) and
//! [scopes](crate::scope()).

use super::monitor::{Monitor, Place, Wait};
use crate::references::References;
use crate::runtime::Running;
use crate::wait::Patience;
use crate::wait::atomic::{AtomicU64, Ordering};
use crate::wait::{WaitFrame, WaitQueue, WaitReason, Wake, WakeList};
use std::ops::Deref;
use std::panic::Location;
use std::ptr::NonNull;

/// A counter that can be waited for until it is zero.
///
/// Whoever is done looks at it afterwards only if that was the last one and somebody waits, who
/// then waits for just this look. So it may go when somebody who does not
/// [give up](Group::wait_to_the_end) has waited.
pub(crate) struct Group {
    /// From the lowest bit up: whether somebody waits, which changes under the queue's lock only;
    /// how many [members](Membership) there are; and what was [added](Group::add) to that. All of it
    /// but the lowest bit is counted together. What is added stands above the members, so that they
    /// are not miscounted whoever adds or takes away too much.
    state: AtomicU64,
    waiting: Monitor<WaitQueue>,
}

/// Somebody waits.
const WAITING: u64 = 1;
/// One that is not done yet, and keeps the group alive.
const MEMBER: u64 = 2;
/// One that was added and is not done yet.
const ONE: u64 = 1 << 32;
/// More are refused, long before their part of the word overflows.
const LIMIT: u64 = 1 << 29;

impl Group {
    pub(crate) fn new() -> Self {
        Group {
            state: AtomicU64::new(0),
            waiting: Monitor::new(WaitQueue::new()),
        }
    }

    #[inline]
    #[track_caller]
    pub(crate) fn add(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        assert!(count <= LIMIT, "WaitGroup counter overflow");
        // Below zero it is while somebody takes back what was taken away too much.
        self.count_more(count * ONE, |before| {
            before.cast_signed() / ONE.cast_signed()
        });
    }

    /// Adds to the word, unless that part of it that `part` takes out is large already. Returns what
    /// the word was.
    #[inline]
    #[track_caller]
    fn count_more(&self, more: u64, part: impl FnOnce(u64) -> i64) -> u64 {
        let before = self.state.fetch_add(more, Ordering::Relaxed);
        if part(before) > LIMIT.cast_signed() {
            self.take_back(more);
            panic!("WaitGroup counter overflow");
        }
        before
    }

    #[inline]
    #[track_caller]
    pub(crate) fn done(&self) {
        // Acquires too: who finds the count at zero hands on what all the others have released.
        let before = self.state.fetch_sub(ONE, Ordering::AcqRel);
        if before.cast_signed() < ONE.cast_signed() {
            self.take_back(ONE.wrapping_neg());
            panic!("negative WaitGroup counter");
        }
        if before == ONE | WAITING {
            self.release_all();
        }
    }

    /// Adds a member, and says whether it is the only one.
    #[inline]
    #[track_caller]
    fn add_member(&self) -> bool {
        let part = |before| members(before).cast_signed();
        members(self.count_more(MEMBER, part)) == 0
    }

    /// Takes a member away, and says whether it was the last. If not, the group may be gone.
    #[inline]
    fn member_done(&self) -> bool {
        let before = self.state.fetch_sub(MEMBER, Ordering::AcqRel);
        if before == MEMBER | WAITING {
            self.release_all();
        }
        members(before) == 1
    }

    /// Takes back what was added to the word, and is refused.
    #[cold]
    fn take_back(&self, change: u64) {
        let before = self.state.fetch_sub(change, Ordering::AcqRel);
        if before.wrapping_sub(change) == WAITING {
            // The last one was done meanwhile, and the count did not seem zero to it.
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
        let announce = |state| (state & !WAITING != 0).then_some(state | WAITING);
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
        let state = self.state.load(Ordering::Relaxed);
        usize::try_from(state / ONE + members(state)).unwrap_or(usize::MAX)
    }
}

/// How many members a word counts.
#[inline]
fn members(state: u64) -> u64 {
    state % ONE / MEMBER
}

/// A handle of a group, which lives as long as there is one or a member is not done.
///
/// The members together have one reference, however many they are: the first one takes it and the
/// last one gives it back. So to start a goroutine as a member, and to see it end, is one atomic
/// operation each.
pub(crate) struct SharedGroup(NonNull<Counted>);

/// A group with the number of its references.
struct Counted {
    group: Group,
    references: References,
}

// SAFETY: the group is shared by atomics and locks alone, and freed by whoever comes last.
unsafe impl Send for SharedGroup {}
// SAFETY: as above.
unsafe impl Sync for SharedGroup {}

impl SharedGroup {
    pub(crate) fn new() -> Self {
        SharedGroup(NonNull::from(Box::leak(Box::new(Counted {
            group: Group::new(),
            references: References::new(1),
        }))))
    }

    /// Makes somebody a member. To be called before the goroutine starts that is to be one.
    #[inline]
    #[track_caller]
    pub(crate) fn join(&self) -> Membership {
        if self.add_member() {
            self.refer();
        }
        Membership(self.0)
    }

    fn refer(&self) {
        // SAFETY: our reference keeps it alive.
        unsafe { self.0.as_ref() }.references.add();
    }
}

impl Deref for SharedGroup {
    type Target = Group;

    #[inline]
    fn deref(&self) -> &Group {
        // SAFETY: our reference keeps it alive.
        unsafe { &self.0.as_ref().group }
    }
}

impl Clone for SharedGroup {
    fn clone(&self) -> Self {
        self.refer();
        SharedGroup(self.0)
    }
}

impl Drop for SharedGroup {
    fn drop(&mut self) {
        // SAFETY: the handle's reference is given back once, here.
        unsafe { give_back(self.0) };
    }
}

/// Frees a group if this was its last reference.
///
/// # Safety
/// The caller owns a reference and does not use the group afterwards.
unsafe fn give_back(counted: NonNull<Counted>) {
    // SAFETY: the caller's reference keeps it alive.
    let is_last = unsafe { counted.as_ref() }.references.remove();
    if is_last {
        // SAFETY: it came from a box, and this was the last reference.
        drop(unsafe { Box::from_raw(counted.as_ptr()) });
    }
}

/// A member of a group, which is done when this is dropped.
pub(crate) struct Membership(NonNull<Counted>);

// SAFETY: as for the handle.
unsafe impl Send for Membership {}
// SAFETY: as for the handle.
unsafe impl Sync for Membership {}

impl Drop for Membership {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the members' reference keeps it alive until the last of them is done.
        let is_last = unsafe { self.0.as_ref() }.group.member_done();
        if is_last {
            // SAFETY: the last one gives the members' reference back, once.
            unsafe { give_back(self.0) };
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn references(group: &SharedGroup) -> usize {
        // SAFETY: the handle keeps it alive.
        unsafe { group.0.as_ref() }.references.count()
    }

    #[test]
    fn members_have_one_reference_together() {
        let group = SharedGroup::new();
        assert_eq!(references(&group), 1);
        for _ in 0..2 {
            let members = [group.join(), group.join(), group.join()];
            let handle = group.clone();
            for (member, left) in members.into_iter().zip([2, 1, 0]) {
                drop(member);
                assert_eq!(group.count(), left);
                assert_eq!(references(&group), 2 + usize::from(left > 0));
            }
            drop(handle);
            assert_eq!(references(&group), 1);
        }
    }

    /// Whoever counts wrongly gets a panic, and the group stays as it was.
    #[test]
    fn members_are_not_miscounted_by_who_takes_away_or_adds_too_much() {
        let group = SharedGroup::new();
        let member = group.join();
        let panics = |f: &dyn Fn()| catch_unwind(AssertUnwindSafe(f)).is_err();
        assert!(panics(&|| group.done()));
        assert!(panics(&|| group.add(usize::MAX)));
        group.add(usize::try_from(LIMIT).unwrap());
        group.add(1);
        assert!(panics(&|| group.add(1)));
        assert_eq!(group.count() as u64, LIMIT + 2);
        assert_eq!(references(&group), 2);
        drop(member);
        assert_eq!(group.count() as u64, LIMIT + 1);
        assert_eq!(references(&group), 1);
    }

    /// The last one is done between the two steps of adding too much and of taking that back.
    #[test]
    fn who_waits_is_released_by_who_takes_back() {
        let group = Group::new();
        group.add(1);
        std::thread::scope(|s| {
            s.spawn(|| group.wait_to_the_end(WaitReason::WaitGroup, Location::caller()));
            while group.state.load(Ordering::Acquire) & WAITING == 0 {
                std::thread::yield_now();
            }
            group.state.fetch_add(ONE, Ordering::AcqRel);
            group.done();
            assert_eq!(group.count(), 1);
            group.take_back(ONE);
        });
        assert_eq!(group.count(), 0);
    }

    /// One is between the two steps of taking away too much and of taking that back.
    #[test]
    fn those_who_count_wrongly_do_not_disturb_each_other() {
        let group = SharedGroup::new();
        group.state.fetch_sub(ONE, Ordering::AcqRel);
        assert!(catch_unwind(AssertUnwindSafe(|| group.done())).is_err());
        group.add(1);
        group.take_back(ONE.wrapping_neg());
        assert_eq!(group.count(), 1);
        group.done();
        assert_eq!(group.count(), 0);
    }
}
