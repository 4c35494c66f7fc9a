//! The queue of goroutines that have not started: the only ones that may change workers.
//!
//! What one run of a goroutine starts is a *batch*. The worker begins with the newest batch: so a
//! goroutine that starts others, each of which starts others, is unfolded depth first, and few of
//! them are alive at a time. Within a batch the oldest comes first, and every so often the oldest
//! of all does, so that none waits for ever. Thieves always take the oldest.

use super::goroutine::Goroutine;
use super::mailbox::OwnLine;
use super::run_queue::RunQueue;
use crate::wait::BiasedMutex;
use crate::wait::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::collections::VecDeque;
use std::mem;
use std::ptr::{self, NonNull};

/// Every so often a worker takes the oldest one. If it did so more often more would be alive at a
/// time: in a tree of 100,000 a thousand, as it is.
const OLDEST_EVERY: usize = 64;
/// How many are looked at to be handed to another queue: the locks must not be held for long.
const HAND_OVER: usize = 1024;

/// A queue that its worker and thieves share.
pub(super) struct StartQueue {
    queue: OwnLine<BiasedMutex<Inner>>,
    /// How many have been taken since the queue was made. A thief that reads the same number
    /// twice knows that the oldest one has waited all the time between.
    taken: AtomicUsize,
    /// How many have been put in since the queue was made.
    pushed: AtomicUsize,
    /// Whether the site of the newest one divides its work.
    divides: AtomicBool,
}

/// From the oldest to the newest: `arrivals`, `older`, `newest`.
struct Inner {
    /// Those that did not come from a goroutine of this worker.
    arrivals: RunQueue,
    /// The batches before the newest. None of them is empty.
    older: VecDeque<RunQueue>,
    /// The newest batch. If it is empty there are no older ones.
    newest: RunQueue,
    /// The run that put in the last one of a batch.
    last_run: u64,
    /// A closed queue takes no more: its runtime ends.
    closed: bool,
}

// SAFETY: goroutines that have not started may go to any thread; `go!(local, …)` ones are never
// put here.
unsafe impl Send for Inner {}

impl Inner {
    /// All queues that make it up, the oldest first.
    fn queues(&self) -> impl Iterator<Item = &RunQueue> {
        let older = self.older.iter();
        [&self.arrivals]
            .into_iter()
            .chain(older)
            .chain([&self.newest])
    }

    #[inline]
    fn begin_batch(&mut self) {
        if !self.newest.is_empty() {
            self.older
                .push_back(mem::replace(&mut self.newest, RunQueue::new()));
        }
    }

    /// Restores the invariant after some have left the newest batch.
    #[inline]
    fn settle(&mut self) {
        if self.newest.is_empty()
            && let Some(batch) = self.older.pop_back()
        {
            self.newest = batch;
        }
    }

    #[inline]
    fn pop_newest(&mut self) -> Option<NonNull<Goroutine>> {
        let Some(goroutine) = self.newest.pop() else {
            return self.arrivals.pop();
        };
        self.settle();
        Some(goroutine)
    }

    /// The oldest batch, or the arrivals if there are some.
    fn oldest_batch(&self) -> Option<&RunQueue> {
        self.queues().find(|queue| !queue.is_empty())
    }

    /// Restores the invariant after some have left the oldest batch.
    fn settle_oldest(&mut self) {
        if self.older.front().is_some_and(RunQueue::is_empty) {
            self.older.pop_front();
        }
    }

    #[cold]
    fn pop_oldest(&mut self) -> Option<NonNull<Goroutine>> {
        let goroutine = self.oldest_batch()?.pop();
        self.settle_oldest();
        goroutine
    }
}

impl StartQueue {
    pub(super) fn new() -> Self {
        StartQueue {
            queue: OwnLine(BiasedMutex::new(Inner {
                arrivals: RunQueue::new(),
                older: VecDeque::new(),
                newest: RunQueue::new(),
                last_run: 0,
                closed: true,
            })),
            taken: AtomicUsize::new(0),
            pushed: AtomicUsize::new(0),
            divides: AtomicBool::new(false),
        }
    }

    /// Whether those who wait are likely to be parts of something that divides its work.
    pub(super) fn divides(&self) -> bool {
        self.divides.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        // The two are read one after the other: what was taken in between must not count.
        self.pushed().saturating_sub(self.taken())
    }

    /// How many wait, for a worker that has announced that it is about to sleep.
    pub(super) fn len_before_sleep(&self) -> usize {
        let taken = self.taken.load(Ordering::SeqCst);
        self.pushed.load(Ordering::SeqCst).saturating_sub(taken)
    }

    /// Who sees what was taken sees what had been done before that.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn pushed(&self) -> usize {
        self.pushed.load(Ordering::Relaxed)
    }

    pub(super) fn open(&self) {
        self.queue.0.lock().closed = false;
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn is_closed(&self) -> bool {
        self.queue.0.lock().closed
    }

    /// Closes the queue and takes out what it held.
    pub(super) fn close(&self) -> RunQueue {
        let mut inner = self.queue.0.lock();
        inner.closed = true;
        self.note_taken(&inner, self.len());
        let all = RunQueue::new();
        inner.queues().for_each(|queue| all.append(queue));
        inner.older.clear();
        all
    }

    /// Adds a goroutine; `false` if the queue is closed. `run` is the run of this queue's worker
    /// that starts it, if it is one.
    ///
    /// # Safety
    /// As for [`RunQueue::push`]; it may run on any thread.
    #[inline]
    pub(super) unsafe fn push(&self, goroutine: NonNull<Goroutine>, run: Option<u64>) -> bool {
        let mut inner = self.queue.0.lock();
        if inner.closed {
            return false;
        }
        let queue = match run {
            None => &inner.arrivals,
            Some(run) => {
                if mem::replace(&mut inner.last_run, run) != run {
                    inner.begin_batch();
                }
                &inner.newest
            }
        };
        // SAFETY: the caller's promise.
        unsafe {
            goroutine.as_ref().set_keeper(self);
            queue.push(goroutine);
            if run.is_some() {
                self.divides
                    .store(goroutine.as_ref().site().divides(), Ordering::Relaxed);
            }
        }
        self.note_pushed(&inner, 1);
        true
    }

    /// Calls `f` if this queue has had the goroutine last, so that either it waits here or this
    /// queue's worker has started it, and nobody takes it away meanwhile. `false`: it is not so,
    /// or the calling thread is not the owner of the lock.
    #[inline]
    pub(super) fn while_kept(&self, goroutine: &Goroutine, f: impl FnOnce()) -> bool {
        let Some(inner) = self.queue.0.lock_as_owner() else {
            return false;
        };
        let is_kept = ptr::eq(goroutine.keeper(), self);
        if is_kept {
            f();
        }
        inner.leave_as_owner();
        is_kept
    }

    /// Calls `see` for every goroutine that waits here. It is called under the queue's lock.
    pub(super) fn for_each(&self, mut see: impl FnMut(&Goroutine)) {
        let inner = self.queue.0.lock();
        for queue in inner.queues() {
            let mut next = queue.first();
            while let Some(goroutine) = next {
                // SAFETY: queued goroutines are alive, and none leaves while the lock is held.
                let record = unsafe { goroutine.as_ref() };
                see(record);
                next = NonNull::new(record.link.get().cast_mut());
            }
        }
    }

    /// Takes the one that the worker is to start next. If there is one `leaves` is called while it
    /// still counts as waiting here.
    #[inline]
    pub(super) fn pop_after(&self, leaves: impl FnOnce()) -> Option<NonNull<Goroutine>> {
        if self.len() == 0 {
            return None;
        }
        let mut inner = self.queue.0.lock();
        let goroutine = match self.taken().is_multiple_of(OLDEST_EVERY) {
            true => inner.pop_oldest(),
            false => inner.pop_newest(),
        }?;
        leaves();
        self.note_taken(&inner, 1);
        Some(goroutine)
    }

    #[cfg(test)]
    pub(super) fn pop(&self) -> Option<NonNull<Goroutine>> {
        self.pop_after(|| {})
    }

    /// Takes the oldest ones, at most `most`, as long as `stays` are left and up to the first for which
    /// `may_leave` does not hold, for the queue `thief` of the calling worker; and says how many they
    /// are.
    ///
    /// Of those that divide their work only one batch is taken, and its last one stays if there are
    /// others: what is younger is about as much work as that one.
    pub(super) fn take_oldest(
        &self,
        thief: &StartQueue,
        most: usize,
        stays: usize,
        may_leave: impl Fn(&Goroutine) -> bool,
    ) -> (RunQueue, usize) {
        let (taken, mut count) = (RunQueue::new(), 0);
        if self.len() == 0 {
            return (taken, count);
        }
        let mut inner = self.queue.0.lock();
        let most = most.min(self.len().saturating_sub(stays));
        let mut begins_batch = true;
        while count < most
            && let Some(batch) = inner.oldest_batch()
            && let Some(goroutine) = batch.first()
        {
            // SAFETY: queued goroutines are alive.
            let record = unsafe { goroutine.as_ref() };
            let stays = count > 0 && record.site().divides() && (begins_batch || batch.has_one());
            if stays || !may_leave(record) {
                break;
            }
            batch.pop();
            record.set_keeper(thief);
            // SAFETY: it has just left its queue.
            unsafe { taken.push(goroutine) };
            count += 1;
            begins_batch = batch.is_empty();
            inner.settle_oldest();
        }
        self.note_taken(&inner, count);
        (taken, count)
    }

    /// Adds `count` goroutines that were taken for this queue, and leaves none of them; `false` if
    /// it is closed.
    pub(super) fn push_arrivals(&self, goroutines: &RunQueue, count: usize) -> bool {
        let inner = self.queue.0.lock();
        if inner.closed {
            return false;
        }
        inner.arrivals.append(goroutines);
        self.note_pushed(&inner, count);
        true
    }

    /// Hands the first `count` of the newest batch for which `may_leave` holds to the queue of
    /// another worker, which gets them in their order, as long as `stays` are left; and says how many
    /// they are.
    pub(super) fn hand_over(
        &self,
        to: &StartQueue,
        count: usize,
        stays: usize,
        may_leave: impl Fn(&Goroutine) -> bool,
    ) -> usize {
        // Both locks at once, so that whoever looks into one queue and then into the other misses
        // nobody. Two workers that hand over to each other take them in the same order.
        let (mut own, others);
        if ptr::from_ref(self) < ptr::from_ref(to) {
            own = self.queue.0.lock();
            others = to.queue.0.lock();
        } else {
            others = to.queue.0.lock();
            own = self.queue.0.lock();
        }
        if others.closed {
            return 0;
        }
        let count = count.min(self.len().saturating_sub(stays));
        let (staying, mut left) = (RunQueue::new(), 0);
        for _ in 0..HAND_OVER {
            if left == count {
                break;
            }
            let Some(goroutine) = own.newest.pop() else {
                break;
            };
            // SAFETY: queued goroutines are alive, and it has just left its queue.
            unsafe {
                if may_leave(goroutine.as_ref()) {
                    goroutine.as_ref().set_keeper(to);
                    others.arrivals.push(goroutine);
                    left += 1;
                } else {
                    staying.push(goroutine);
                }
            }
        }
        staying.append(&own.newest);
        own.newest = staying;
        own.settle();
        to.note_pushed(&others, left);
        self.note_taken(&own, left);
        left
    }

    /// Counts so many that were taken. That is no atomic operation, so it asks for what only the
    /// holder of the lock has.
    #[inline]
    fn note_taken(&self, _held: &Inner, count: usize) {
        self.taken.store(self.taken() + count, Ordering::Release);
    }

    /// Counts so many that were put in; as [`StartQueue::note_taken`].
    #[inline]
    fn note_pushed(&self, _held: &Inner, count: usize) {
        self.pushed.store(self.pushed() + count, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::runtime::goroutine::tests::{drop_unstarted, unstarted};
    use crate::runtime::placement::Site;

    static SITE: Site = Site::new();

    fn queue() -> StartQueue {
        let queue = StartQueue::new();
        queue.open();
        queue
    }

    fn push(queue: &StartQueue, number: u64, run: Option<u64>) {
        // SAFETY: it is in no queue.
        assert!(unsafe { queue.push(unstarted(number, &SITE, number >= 100), run) });
    }

    fn all(mut pop: impl FnMut() -> Option<NonNull<Goroutine>>) -> Vec<u64> {
        std::iter::from_fn(|| pop().map(drop_unstarted)).collect()
    }

    /// A queue with an arrival and three batches, from which nothing is taken out of turn.
    fn filled() -> StartQueue {
        let queue = queue();
        push(&queue, 99, None);
        drop_unstarted(queue.pop().unwrap());
        for (number, run) in [(1, 10), (2, 10), (3, 20), (4, 21), (5, 21)] {
            push(&queue, number, Some(run));
        }
        push(&queue, 6, None);
        queue
    }

    #[test]
    fn a_worker_takes_the_newest_batch_and_a_thief_the_oldest() {
        let queue = filled();
        let mut seen = Vec::new();
        queue.for_each(|goroutine| seen.push(goroutine.identity().id.as_u64()));
        assert_eq!(seen, [6, 1, 2, 3, 4, 5]);
        assert_eq!(all(|| queue.pop()), [4, 5, 3, 1, 2, 6]);
        assert_eq!(queue.len(), 0);
        let queue = filled();
        let thief = StartQueue::new();
        let steal = || queue.take_oldest(&thief, 1, 0, |_| true).0.pop();
        assert_eq!(all(steal), [6, 1, 2, 3, 4, 5]);
        assert_eq!(queue.len(), 0);
        let queue = filled();
        let left = queue.close();
        assert_eq!(all(|| left.pop()), [6, 1, 2, 3, 4, 5]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn of_those_that_divide_their_work_a_thief_takes_one_batch_but_for_its_last() {
        static DIVIDES: Site = Site::that_divides();
        let (queue, thief) = (filled(), StartQueue::new());
        for (number, run) in [(7, 22), (8, 22), (9, 22), (10, 23), (11, 24)] {
            // SAFETY: it is in no queue.
            assert!(unsafe { queue.push(unstarted(number, &DIVIDES, false), Some(run)) });
        }
        push(&queue, 12, Some(25));
        push(&queue, 100, Some(25));
        let steal = |most| {
            let (some, count) =
                queue.take_oldest(&thief, most, 0, |goroutine| !goroutine.is_near());
            let some = all(|| some.pop());
            assert_eq!(some.len(), count);
            some
        };
        assert_eq!(steal(4), [6, 1, 2, 3]);
        assert_eq!(steal(10), [4, 5]);
        assert_eq!(steal(10), [7, 8], "up to the last of its batch");
        for number in [9, 10, 11] {
            assert_eq!(steal(10)[0], number);
        }
        assert_eq!(queue.len(), 1, "up to one that may not leave");
        assert_eq!(steal(10), []);
        drop_unstarted(queue.pop().unwrap());
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn as_many_stay_as_were_to_stay_whoever_took_some_meanwhile() {
        let (queue, other) = (queue(), queue());
        (1..=10).for_each(|number| push(&queue, number, Some(1)));
        let steal = |most| queue.take_oldest(&other, most, 5, |_| true);
        let (some, count) = steal(3);
        assert_eq!((all(|| some.pop()), count), (vec![1, 2, 3], 3));
        assert_eq!(queue.hand_over(&other, 5, 5, |_| true), 2);
        let (some, count) = steal(3);
        assert_eq!((all(|| some.pop()), count), (vec![], 0));
        assert_eq!(queue.hand_over(&other, 5, 5, |_| true), 0);
        assert_eq!(all(|| other.pop()), [4, 5]);
        assert_eq!(all(|| queue.pop()), [6, 7, 8, 9, 10]);
    }

    #[test]
    fn who_has_taken_some_keeps_them_unless_it_is_closed() {
        let (queue, thief) = (queue(), queue());
        (1..=3).for_each(|number| push(&queue, number, Some(1)));
        queue.for_each(|goroutine| assert!(ptr::eq(goroutine.keeper(), &raw const queue)));
        let (some, count) = queue.take_oldest(&thief, 3, 1, |_| true);
        assert!(thief.push_arrivals(&some, count) && some.is_empty());
        queue.for_each(|goroutine| assert!(ptr::eq(goroutine.keeper(), &raw const queue)));
        thief.for_each(|goroutine| assert!(ptr::eq(goroutine.keeper(), &raw const thief)));
        assert_eq!(all(|| thief.pop()), [1, 2]);
        thief.close();
        let (some, count) = queue.take_oldest(&thief, 3, 0, |_| true);
        assert!(!thief.push_arrivals(&some, count));
        assert_eq!((all(|| some.pop()), thief.len()), (vec![3], 0));
    }

    #[test]
    fn the_oldest_does_not_wait_for_ever() {
        let queue = queue();
        push(&queue, 1, Some(1));
        push(&queue, 2, Some(2));
        let mut run = 2;
        let others = std::iter::from_fn(|| {
            run += 1;
            push(&queue, 3, Some(run));
            Some(drop_unstarted(queue.pop().unwrap())).filter(|&number| number != 2)
        });
        assert!(others.count() <= 2 * OLDEST_EVERY);
        assert!(all(|| queue.pop()).iter().all(|&number| number == 3));
    }

    #[test]
    fn what_is_handed_over_stays_in_order_and_what_may_not_leave_stays() {
        let (queue, other) = (filled(), queue());
        for (number, run) in [(11, 30), (100, 30), (12, 30), (101, 30), (13, 30), (14, 30)] {
            push(&queue, number, Some(run));
        }
        queue.hand_over(&other, 3, 0, |goroutine| !goroutine.is_near());
        assert_eq!((queue.len(), other.len()), (9, 3));
        assert_eq!(all(|| other.pop()), [11, 12, 13]);
        queue.hand_over(&other, 9, 0, |goroutine| !goroutine.is_near());
        let mut seen = 0;
        other.for_each(|goroutine| {
            seen += 1;
            assert!(ptr::eq(goroutine.keeper(), &raw const other));
        });
        assert_eq!(seen, 1);
        assert_eq!(all(|| other.pop()), [14], "older batches stay");
        assert_eq!(all(|| queue.pop()), [100, 101, 4, 5, 3, 1, 2, 6]);
        other.close();
        push(&queue, 15, Some(40));
        queue.hand_over(&other, 1, 0, |_| true);
        assert_eq!(all(|| queue.pop()), [15], "the other one's runtime ends");
    }
}
