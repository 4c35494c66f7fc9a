//! The timers of a worker: a four-ary heap, ordered by time and then by age.
//!
//! A node knows its place in the heap, so that cancelling costs what setting costs.

use super::clock::Nanos;
use super::goroutine::Goroutine;
use crate::wait::SpinMutex;
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// Children of a node in the heap.
const ARITY: usize = 4;
/// The place of a node that is in no heap.
const NOWHERE: usize = usize::MAX;
/// The time of a heap that has no timers.
const NEVER: Nanos = Nanos::MAX;

/// What a timer does when its time has come.
pub(crate) enum Alarm {
    /// Interrupts the wait of a goroutine of this worker.
    Wake(NonNull<Goroutine>),
    /// Calls a function that does not block, on the worker's own stack.
    Call(Box<dyn FnOnce() + Send>),
}

/// The part of a timer that stands with whoever set it.
pub(crate) struct TimerNode {
    place: Cell<usize>,
}

impl TimerNode {
    pub(crate) const fn new() -> Self {
        TimerNode {
            place: Cell::new(NOWHERE),
        }
    }
}

struct Slot {
    when: Nanos,
    /// Breaks ties: the older timer goes first.
    age: u64,
    /// The node to keep informed of its place, unless the timer cannot be cancelled.
    node: Option<NonNull<TimerNode>>,
    alarm: Alarm,
}

impl Slot {
    fn before(&self, other: &Slot) -> bool {
        (self.when, self.age) < (other.when, other.age)
    }
}

#[derive(Default)]
struct Heap {
    slots: Vec<Slot>,
    ages: u64,
}

// SAFETY: the nodes are reached only under the heap's lock; the goroutines are woken only by
// their own worker, which owns the heap.
unsafe impl Send for Heap {}

impl Heap {
    fn settle(&self, place: usize) {
        if let Some(node) = self.slots[place].node {
            // SAFETY: a node outlives its slot: whoever set it removes it before it leaves.
            unsafe { node.as_ref() }.place.set(place);
        }
    }

    fn sift_up(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / ARITY;
            if !self.slots[place].before(&self.slots[parent]) {
                break;
            }
            self.slots.swap(place, parent);
            self.settle(place);
            place = parent;
        }
        self.settle(place);
    }

    fn sift_down(&mut self, mut place: usize) {
        loop {
            let first = place * ARITY + 1;
            let children = first..(first + ARITY).min(self.slots.len());
            let Some(least) = children.reduce(|a, b| {
                if self.slots[b].before(&self.slots[a]) {
                    b
                } else {
                    a
                }
            }) else {
                break;
            };
            if !self.slots[least].before(&self.slots[place]) {
                break;
            }
            self.slots.swap(place, least);
            self.settle(place);
            place = least;
        }
        self.settle(place);
    }

    fn push(&mut self, when: Nanos, node: Option<NonNull<TimerNode>>, alarm: Alarm) {
        let age = self.ages;
        self.ages += 1;
        self.slots.push(Slot {
            when,
            age,
            node,
            alarm,
        });
        self.sift_up(self.slots.len() - 1);
    }

    fn remove(&mut self, place: usize) -> Slot {
        let slot = self.slots.swap_remove(place);
        if let Some(node) = slot.node {
            // SAFETY: as in `settle`.
            unsafe { node.as_ref() }.place.set(NOWHERE);
        }
        if place < self.slots.len() {
            self.sift_down(place);
            self.sift_up(place);
        }
        slot
    }

    fn earliest(&self) -> Nanos {
        self.slots.first().map_or(NEVER, |slot| slot.when)
    }
}

/// The timers of one worker. Any thread may set and cancel; only the worker fires them.
pub(crate) struct Timers {
    heap: SpinMutex<Heap>,
    /// The time of the earliest timer, readable without the lock.
    earliest: AtomicU64,
}

impl Timers {
    pub(crate) fn new() -> Self {
        Timers {
            heap: SpinMutex::new(Heap::default()),
            earliest: AtomicU64::new(NEVER),
        }
    }

    /// Sets a timer that can be cancelled. Says whether it is the earliest now, so that a
    /// sleeping worker has to be told.
    ///
    /// # Safety
    /// The node stays where it is until it is cancelled or its alarm has come.
    pub(crate) unsafe fn set(&self, when: Nanos, node: &TimerNode, alarm: Alarm) -> bool {
        self.insert(when, Some(NonNull::from(node)), alarm)
    }

    /// Sets a timer for good.
    pub(crate) fn set_detached(&self, when: Nanos, alarm: Alarm) -> bool {
        self.insert(when, None, alarm)
    }

    fn insert(&self, when: Nanos, node: Option<NonNull<TimerNode>>, alarm: Alarm) -> bool {
        let mut heap = self.heap.lock();
        // A moment that the clock can never reach is kept apart from "no timer".
        heap.push(when.min(NEVER - 1), node, alarm);
        let earliest = heap.earliest();
        self.earliest.swap(earliest, Ordering::SeqCst) > earliest
    }

    /// Cancels a timer, if its alarm has not come yet.
    pub(crate) fn cancel(&self, node: &TimerNode) -> bool {
        let mut heap = self.heap.lock();
        let place = node.place.get();
        if place == NOWHERE {
            return false;
        }
        let slot = heap.remove(place);
        self.earliest.store(heap.earliest(), Ordering::SeqCst);
        drop(heap);
        drop(slot);
        true
    }

    /// When the earliest timer is due.
    pub(crate) fn earliest(&self) -> Option<Nanos> {
        let earliest = self.earliest.load(Ordering::SeqCst);
        (earliest != NEVER).then_some(earliest)
    }

    /// Takes the first timer that is due at `now`.
    pub(crate) fn take_due(&self, now: Nanos) -> Option<Alarm> {
        if self.earliest.load(Ordering::Relaxed) > now {
            return None;
        }
        let mut heap = self.heap.lock();
        if heap.earliest() > now {
            return None;
        }
        let slot = heap.remove(0);
        self.earliest.store(heap.earliest(), Ordering::SeqCst);
        Some(slot.alarm)
    }

    /// Drops all timers: the runtime has ended, and no goroutine waits any more.
    pub(crate) fn clear(&self) {
        let slots = {
            let mut heap = self.heap.lock();
            self.earliest.store(NEVER, Ordering::SeqCst);
            std::mem::take(&mut heap.slots)
        };
        for slot in &slots {
            if let Some(node) = slot.node {
                // SAFETY: a node outlives its slot.
                unsafe { node.as_ref() }.place.set(NOWHERE);
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn note(log: &Arc<Mutex<Vec<usize>>>, number: usize) -> Alarm {
        let log = Arc::clone(log);
        Alarm::Call(Box::new(move || log.lock().unwrap().push(number)))
    }

    fn fire(timers: &Timers, now: Nanos) {
        while let Some(alarm) = timers.take_due(now) {
            match alarm {
                Alarm::Call(call) => call(),
                Alarm::Wake(_) => unreachable!("no goroutine here"),
            }
        }
    }

    #[test]
    fn they_fire_in_order_of_time_and_then_of_age() {
        let (timers, log) = (Timers::new(), Arc::default());
        let times = [50, 10, 30, 10, 40, 20, 30, 10];
        for (number, &when) in times.iter().enumerate() {
            timers.set_detached(when, note(&log, number));
        }
        assert_eq!(timers.earliest(), Some(10));
        fire(&timers, 30);
        assert_eq!(*log.lock().unwrap(), [1, 3, 7, 5, 2, 6]);
        fire(&timers, 1_000);
        assert_eq!(*log.lock().unwrap(), [1, 3, 7, 5, 2, 6, 4, 0]);
        assert_eq!(timers.earliest(), None);
    }

    #[test]
    fn cancelled_ones_do_not_fire() {
        let (timers, log) = (Timers::new(), Arc::default());
        let nodes: Vec<_> = (0..1_000).map(|_| TimerNode::new()).collect();
        for (number, node) in nodes.iter().enumerate() {
            let when = (number as u64 * 7_919) % 1_000;
            // SAFETY: the nodes outlive the timers' use below.
            unsafe { timers.set(when, node, note(&log, number)) };
        }
        for node in nodes.iter().skip(1).step_by(2) {
            assert!(timers.cancel(node));
            assert!(!timers.cancel(node));
        }
        fire(&timers, 2_000);
        let log = log.lock().unwrap();
        assert_eq!(log.len(), 500);
        assert!(log.iter().all(|number| number % 2 == 0));
        let time = |number: usize| (number * 7_919) % 1_000;
        assert!(log.windows(2).all(|pair| time(pair[0]) <= time(pair[1])));
    }
}
