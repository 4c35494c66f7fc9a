//! A four-ary heap of nodes, ordered by time and then by age.
//!
//! A node knows its place in the heap, so that taking it out and changing its time cost what
//! putting it in costs.
//!
//! The first node may stand in *front* of the heap instead, and does if it is put in when it is
//! earlier than all others. So among many that wait for long, one that waits briefly costs the
//! same as if it were alone. If there is one in front, it goes before all in the heap.

use super::clock::Nanos;
use std::cell::Cell;
use std::ptr::NonNull;

/// The time of a heap that has no nodes, and of nodes whose time never comes.
pub(crate) const NEVER: Nanos = Nanos::MAX;
/// Children of a slot in the heap.
const ARITY: usize = 4;
/// The place of a node that is in no heap.
const NOWHERE: usize = usize::MAX;
/// The place of the node in front.
const FRONT: usize = usize::MAX - 1;
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
    front: Option<Slot<N>>,
    slots: Vec<Slot<N>>,
    ages: u64,
}

impl<N: Node> Heap<N> {
    pub(super) const fn new() -> Self {
        Heap {
            front: None,
            slots: Vec::new(),
            ages: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.front.is_some()) + self.slots.len()
    }

    /// The time of the first node; [`NEVER`] if there is none.
    pub(super) fn earliest(&self) -> Nanos {
        self.first().map_or(NEVER, |slot| slot.when)
    }

    /// The place of the first node.
    pub(super) fn first_place(&self) -> Option<usize> {
        match self.front {
            Some(_) => Some(FRONT),
            None => (!self.slots.is_empty()).then_some(0),
        }
    }

    fn first(&self) -> Option<&Slot<N>> {
        self.front.as_ref().or_else(|| self.slots.first())
    }

    fn at(&self, place: usize) -> &Slot<N> {
        match &self.front {
            Some(front) if place == FRONT => front,
            _ => &self.slots[place],
        }
    }

    pub(super) fn time_at(&self, place: usize) -> Nanos {
        self.at(place).when
    }

    pub(super) fn node_at(&self, place: usize) -> NonNull<N> {
        self.at(place).node
    }

    /// Puts a node in.
    ///
    /// # Safety
    /// The node is in no heap, and stays alive where it is until it has been taken out.
    pub(super) unsafe fn push(&mut self, when: Nanos, node: NonNull<N>) {
        let age = self.next_age();
        self.insert(Slot { when, age, node });
    }

    /// Changes the time of the node at `place`.
    pub(super) fn set_time(&mut self, place: usize, when: Nanos) {
        let age = self.next_age();
        if place == FRONT {
            if let Some(front) = self.front.take() {
                self.insert(Slot { when, age, ..front });
            }
            return;
        }
        let slot = &mut self.slots[place];
        let sooner = when < slot.when;
        if self.front.is_some_and(|front| when < front.when) {
            let node = self.remove(place);
            return self.insert(Slot { when, age, node });
        }
        (slot.when, slot.age) = (when, age);
        if sooner {
            self.sift_up(place);
        } else {
            self.sift_down(place);
        }
    }

    /// Takes the node at `place` out.
    pub(super) fn remove(&mut self, place: usize) -> NonNull<N> {
        if place == FRONT
            && let Some(front) = self.front.take()
        {
            front.set_place(NOWHERE);
            return front.node;
        }
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

    /// Takes out a node that is easily had, whatever its time.
    pub(super) fn pop_any(&mut self) -> Option<NonNull<N>> {
        let slot = self.front.take().or_else(|| self.slots.pop())?;
        slot.set_place(NOWHERE);
        Some(slot.node)
    }

    /// Puts a slot in front if it is the first, and else in the heap.
    fn insert(&mut self, slot: Slot<N>) {
        let to_heap = if self.first().is_some_and(|first| !slot.before(first)) {
            slot
        } else {
            slot.set_place(FRONT);
            match self.front.replace(slot) {
                Some(second) => second,
                None => return,
            }
        };
        self.slots.push(to_heap);
        self.sift_up(self.slots.len() - 1);
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
            let first = heap.first_place().unwrap();
            // SAFETY: as above.
            taken.push(unsafe { heap.remove(first).as_ref() }.0);
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
    fn one_stands_in_front_only_while_it_is_the_first() {
        let nodes = nodes(4);
        let mut heap = Heap::new();
        let place = |number: usize| nodes[number].1.get();
        push(&mut heap, 50, &nodes[0]);
        assert_eq!(place(0), Some(FRONT));
        push(&mut heap, 50, &nodes[1]);
        push(&mut heap, 20, &nodes[2]);
        assert_eq!(place(2), Some(FRONT), "an earlier one takes the place");
        heap.set_time(FRONT, 30);
        assert_eq!(place(2), Some(FRONT), "it is still the first");
        heap.set_time(FRONT, 50);
        assert_eq!(
            heap.node_at(heap.first_place().unwrap()),
            (&nodes[0]).into()
        );
        assert_eq!(place(2), Some(2), "it is as early as others, but younger");
        push(&mut heap, 10, &nodes[3]);
        heap.set_time(place(1).unwrap(), 5);
        assert_eq!(place(1), Some(FRONT), "one of the heap has overtaken it");
        assert_eq!(take_until(&mut heap, 100), [1, 3, 0, 2]);
        assert_eq!(heap.first_place(), None);
    }

    #[test]
    fn whatever_is_done_the_earliest_and_oldest_comes_first() {
        let nodes = nodes(40);
        let mut heap = Heap::new();
        let mut expected = std::collections::BTreeMap::new();
        let mut keys = [None; 40];
        let mut random = 1_u64;
        for age in 0..100_000_u64 {
            random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            let number = (random >> 33) as usize % nodes.len();
            let when = (random >> 48) % 50;
            let node = &nodes[number];
            let place = node.1.get();
            if let Some(key) = keys[number].take() {
                expected.remove(&key);
            }
            match place {
                Some(place) if random >> 60 < 8 => _ = heap.remove(place),
                _ => {
                    match place {
                        Some(place) => heap.set_time(place, when),
                        None => push(&mut heap, when, node),
                    }
                    keys[number] = Some((when, age));
                    expected.insert((when, age), number);
                }
            }
            let first = heap.first_place().map(|place| heap.node_at(place));
            let oldest = expected.first_key_value().map(|(_, &number)| number);
            assert_eq!(first, oldest.map(|number| NonNull::from(&nodes[number])));
        }
        let in_order: Vec<_> = expected.into_values().collect();
        assert_eq!(take_until(&mut heap, 50), in_order);
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
