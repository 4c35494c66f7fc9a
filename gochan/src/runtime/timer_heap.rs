//! A four-ary heap of nodes, ordered by time and then by age.
//!
//! A node knows its place in the heap, so that taking it out and changing its time cost what
//! putting it in costs.

use super::clock::Nanos;
use std::cell::Cell;
use std::ptr::NonNull;

/// The time of a heap that has no nodes, and of nodes whose time never comes.
pub(crate) const NEVER: Nanos = Nanos::MAX;
/// Children of a slot in the heap.
const ARITY: usize = 4;
/// The place of a node that is in no heap.
const NOWHERE: usize = usize::MAX;
/// A heap of fewer slots keeps its memory.
const SMALL: usize = 1024;

/// Where a node stands in its heap; written by the heap alone.
#[derive(Debug)]
pub(super) struct Place(Cell<usize>);

impl Place {
    pub(super) const fn nowhere() -> Self {
        Place(Cell::new(NOWHERE))
    }

    /// The index of the node's slot, if the node is in the heap.
    pub(super) fn get(&self) -> Option<usize> {
        let place = self.0.get();
        (place != NOWHERE).then_some(place)
    }
}

/// What can stand in a heap.
pub(super) trait Node {
    fn place(&self) -> &Place;
}

struct Slot<N> {
    when: Nanos,
    /// Breaks ties: the older one goes first.
    age: u64,
    node: NonNull<N>,
}

impl<N> Clone for Slot<N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N> Copy for Slot<N> {}

impl<N: Node> Slot<N> {
    fn before(&self, other: &Slot<N>) -> bool {
        (self.when, self.age) < (other.when, other.age)
    }

    fn set_place(&self, place: usize) {
        // SAFETY: the nodes in a heap are alive, by the promise of `Heap::push`.
        unsafe { self.node.as_ref() }.place().0.set(place);
    }
}

/// See the module's text.
pub(super) struct Heap<N> {
    slots: Vec<Slot<N>>,
    ages: u64,
}

impl<N: Node> Heap<N> {
    pub(super) const fn new() -> Self {
        Heap {
            slots: Vec::new(),
            ages: 0,
        }
    }

    /// The time of the first node; [`NEVER`] if there is none.
    pub(super) fn earliest(&self) -> Nanos {
        self.slots.first().map_or(NEVER, |slot| slot.when)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn time_at(&self, place: usize) -> Nanos {
        self.slots[place].when
    }

    pub(super) fn node_at(&self, place: usize) -> NonNull<N> {
        self.slots[place].node
    }

    /// Puts a node in.
    ///
    /// # Safety
    /// The node is in no heap, and stays alive where it is until it has been taken out.
    pub(super) unsafe fn push(&mut self, when: Nanos, node: NonNull<N>) {
        let age = self.next_age();
        self.slots.push(Slot { when, age, node });
        self.sift_up(self.slots.len() - 1);
    }

    /// Changes the time of the node at `place`.
    pub(super) fn set_time(&mut self, place: usize, when: Nanos) {
        let age = self.next_age();
        let slot = &mut self.slots[place];
        let sooner = when < slot.when;
        (slot.when, slot.age) = (when, age);
        if sooner {
            self.sift_up(place);
        } else {
            self.sift_down(place);
        }
    }

    /// Takes the node at `place` out.
    pub(super) fn remove(&mut self, place: usize) -> NonNull<N> {
        let removed = self.slots.swap_remove(place);
        removed.set_place(NOWHERE);
        if let Some(moved) = self.slots.get(place) {
            if moved.before(&removed) {
                self.sift_up(place);
            } else {
                self.sift_down(place);
            }
        }
        let capacity = self.slots.capacity();
        if capacity > SMALL && self.slots.len() < capacity / 4 {
            self.slots.shrink_to(capacity / 2);
        }
        removed.node
    }

    /// Takes the last node out of the heap's memory, whatever its time.
    pub(super) fn pop_any(&mut self) -> Option<NonNull<N>> {
        let slot = self.slots.pop()?;
        slot.set_place(NOWHERE);
        Some(slot.node)
    }

    fn next_age(&mut self) -> u64 {
        self.ages += 1;
        self.ages
    }

    fn put(&mut self, place: usize, slot: Slot<N>) {
        self.slots[place] = slot;
        slot.set_place(place);
    }

    fn sift_up(&mut self, mut place: usize) {
        let slot = self.slots[place];
        while place > 0 {
            let parent = (place - 1) / ARITY;
            if !slot.before(&self.slots[parent]) {
                break;
            }
            self.put(place, self.slots[parent]);
            place = parent;
        }
        self.put(place, slot);
    }

    fn sift_down(&mut self, mut place: usize) {
        let slot = self.slots[place];
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
            if !self.slots[least].before(&slot) {
                break;
            }
            self.put(place, self.slots[least]);
            place = least;
        }
        self.put(place, slot);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    struct Numbered(usize, Place);

    impl Node for Numbered {
        fn place(&self) -> &Place {
            &self.1
        }
    }

    fn nodes(count: usize) -> Vec<Numbered> {
        (0..count)
            .map(|number| Numbered(number, Place::nowhere()))
            .collect()
    }

    fn push(heap: &mut Heap<Numbered>, when: Nanos, node: &Numbered) {
        // SAFETY: the tests keep their nodes longer than their heaps.
        unsafe { heap.push(when, NonNull::from(node)) };
    }

    fn take_until(heap: &mut Heap<Numbered>, now: Nanos) -> Vec<usize> {
        let mut taken = Vec::new();
        while heap.earliest() <= now {
            // SAFETY: as above.
            taken.push(unsafe { heap.remove(0).as_ref() }.0);
        }
        taken
    }

    #[test]
    fn they_come_out_in_order_of_time_and_then_of_age() {
        let times = [50, 10, 30, 10, 40, 20, 30, 10];
        let nodes = nodes(times.len());
        let mut heap = Heap::new();
        for (node, when) in nodes.iter().zip(times) {
            push(&mut heap, when, node);
        }
        assert_eq!(heap.earliest(), 10);
        assert_eq!(take_until(&mut heap, 30), [1, 3, 7, 5, 2, 6]);
        assert_eq!(take_until(&mut heap, 1_000), [4, 0]);
        assert_eq!(heap.earliest(), NEVER);
        assert!(nodes.iter().all(|node| node.1.get().is_none()));
    }

    #[test]
    fn any_node_can_be_taken_out_or_moved_in_time() {
        let nodes = nodes(5_000);
        let mut heap = Heap::new();
        let time = |number: usize| (number as Nanos * 7_919) % 5_000;
        for node in &nodes {
            push(&mut heap, time(node.0), node);
        }
        for node in &nodes {
            let place = node.1.get().unwrap();
            match node.0 % 3 {
                0 => _ = heap.remove(place),
                1 => heap.set_time(place, 10_000 - time(node.0)),
                _ => {}
            }
        }
        let expected = |number: usize| match number % 3 {
            1 => 10_000 - time(number),
            _ => time(number),
        };
        let taken = take_until(&mut heap, 20_000);
        assert_eq!(
            taken.len(),
            nodes.iter().filter(|node| node.0 % 3 != 0).count()
        );
        assert!(taken.iter().all(|number| number % 3 != 0));
        assert!(
            taken
                .windows(2)
                .all(|pair| expected(pair[0]) <= expected(pair[1]))
        );
    }

    #[test]
    fn what_never_comes_is_not_earliest() {
        let nodes = nodes(2);
        let mut heap = Heap::new();
        push(&mut heap, NEVER, &nodes[0]);
        assert_eq!(heap.earliest(), NEVER);
        push(&mut heap, 5, &nodes[1]);
        assert_eq!(take_until(&mut heap, NEVER - 1), [1]);
        assert_eq!(
            heap.remove(nodes[0].1.get().unwrap()),
            NonNull::from(&nodes[0])
        );
    }
}
