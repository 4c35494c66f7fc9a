//! What ends with a context: contexts made from it, and functions to be called then.

use super::node::CancelNode;
use crate::runtime::placement::Site;
use crate::runtime::start_detached;
use std::panic::Location;
use std::sync::Weak;

/// A function to be called in a goroutine of its own.
pub(super) struct Call {
    function: Box<dyn FnOnce() + Send>,
    location: &'static Location<'static>,
}

impl Call {
    pub(super) fn new(
        location: &'static Location<'static>,
        function: impl FnOnce() + Send + 'static,
    ) -> Self {
        Call {
            function: Box::new(function),
            location,
        }
    }

    pub(super) fn start(self) {
        start_detached(Site::of(self.location), self.function);
    }
}

/// Something that ends with a context.
pub(super) enum Child {
    /// Held weakly: a child that nobody has any more leaves its parent.
    Context(Weak<CancelNode>),
    Call(Call),
}

/// Says which child is meant. A ticket is never used for another child.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    place: usize,
    serial: u64,
}

enum Place {
    Taken {
        serial: u64,
        child: Child,
    },
    /// The next free place is that one.
    Free {
        next: Option<usize>,
    },
}

/// The children of a context. To add one and to remove one takes the same short time however
/// many there are.
#[derive(Default)]
pub(super) struct Children {
    places: Vec<Place>,
    first_free: Option<usize>,
    count: usize,
    serials: u64,
}

impl Children {
    pub(super) fn add(&mut self, child: Child) -> Ticket {
        self.serials += 1;
        self.count += 1;
        let serial = self.serials;
        let taken = Place::Taken { serial, child };
        let place = match self.first_free {
            Some(place) => {
                if let Place::Free { next } = self.places[place] {
                    self.first_free = next;
                }
                self.places[place] = taken;
                place
            }
            None => {
                self.places.push(taken);
                self.places.len() - 1
            }
        };
        Ticket { place, serial }
    }

    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Child> {
        let place = self.places.get_mut(ticket.place)?;
        if !matches!(place, Place::Taken { serial, .. } if *serial == ticket.serial) {
            return None;
        }
        let next = self.first_free.replace(ticket.place);
        let removed = std::mem::replace(place, Place::Free { next });
        self.count -= 1;
        if self.count == 0 {
            // Of a crowd that has left nothing stays, not even its room.
            (self.places, self.first_free) = (Vec::new(), None);
        }
        match removed {
            Place::Taken { child, .. } => Some(child),
            Place::Free { .. } => None,
        }
    }

    /// All of them, in no order.
    pub(super) fn into_all(self) -> impl Iterator<Item = Child> {
        self.places.into_iter().filter_map(|place| match place {
            Place::Taken { child, .. } => Some(child),
            Place::Free { .. } => None,
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn child() -> Child {
        Child::Context(Weak::new())
    }

    #[test]
    fn places_are_used_again_and_tickets_are_not() {
        let mut children = Children::default();
        let tickets: Vec<_> = (0..4).map(|_| children.add(child())).collect();
        assert!(children.remove(tickets[1]).is_some());
        assert!(children.remove(tickets[2]).is_some());
        assert!(children.remove(tickets[1]).is_none());
        let again = children.add(child());
        assert!(again.place < 4);
        assert!(children.remove(tickets[1]).is_none());
        assert!(children.remove(tickets[2]).is_none());
        assert_eq!(children.into_all().count(), 3);
    }

    #[test]
    fn a_crowd_that_has_left_leaves_no_memory() {
        let mut children = Children::default();
        let tickets: Vec<_> = (0..1_000).map(|_| children.add(child())).collect();
        for ticket in tickets {
            assert!(children.remove(ticket).is_some());
        }
        assert_eq!(children.places.capacity(), 0);
        let ticket = children.add(child());
        assert!(children.remove(ticket).is_some());
    }
}
