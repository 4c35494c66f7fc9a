//! The functions that are to be called when a context ends.

use crate::runtime::placement::Site;
use crate::runtime::start_detached;
use crate::wait::SpinMutex;
use std::panic::Location;
use std::sync::Arc;

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

/// Says which call is meant. A ticket is never used for another one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    place: usize,
    serial: u64,
}

enum Place {
    Taken {
        serial: u64,
        call: Call,
    },
    /// The next free place is that one.
    Free {
        next: Option<usize>,
    },
}

/// The calls of a context, until it has ended or gone. To add one and to remove one takes the same
/// short time however many there are.
#[derive(Default)]
pub(super) struct Calls {
    places: Vec<Place>,
    first_free: Option<usize>,
    count: usize,
    serials: u64,
    /// No more are taken.
    closed: bool,
}

impl Calls {
    pub(super) fn shared() -> Arc<SpinMutex<Calls>> {
        Arc::new(SpinMutex::new(Calls::default()))
    }

    /// Adds a call; hands it back if it comes too late.
    pub(super) fn add(&mut self, call: Call) -> Result<Ticket, Call> {
        if self.closed {
            return Err(call);
        }
        self.serials += 1;
        self.count += 1;
        let serial = self.serials;
        let taken = Place::Taken { serial, call };
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
        Ok(Ticket { place, serial })
    }

    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Call> {
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
        removed.into_call()
    }

    /// Takes all out, in no order, and lets no more in.
    pub(super) fn close(calls: &SpinMutex<Calls>) -> impl Iterator<Item = Call> + use<> {
        let mut calls = calls.lock();
        calls.closed = true;
        let places = std::mem::take(&mut calls.places);
        drop(calls);
        places.into_iter().filter_map(Place::into_call)
    }
}

impl Place {
    fn into_call(self) -> Option<Call> {
        match self {
            Place::Taken { call, .. } => Some(call),
            Place::Free { .. } => None,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn call() -> Call {
        Call::new(Location::caller(), || {})
    }

    fn add(calls: &mut Calls) -> Ticket {
        calls.add(call()).ok().expect("they are open")
    }

    #[test]
    fn places_are_used_again_and_tickets_are_not() {
        let mut calls = Calls::default();
        let tickets: Vec<_> = (0..4).map(|_| add(&mut calls)).collect();
        assert!(calls.remove(tickets[1]).is_some());
        assert!(calls.remove(tickets[2]).is_some());
        assert!(calls.remove(tickets[1]).is_none());
        let again = add(&mut calls);
        assert!(again.place < 4);
        assert!(calls.remove(tickets[1]).is_none());
        assert!(calls.remove(tickets[2]).is_none());
        assert_eq!(Calls::close(&SpinMutex::new(calls)).count(), 3);
    }

    #[test]
    fn what_comes_after_the_end_is_handed_back() {
        let calls = SpinMutex::new(Calls::default());
        let ticket = add(&mut calls.lock());
        assert_eq!(Calls::close(&calls).count(), 1);
        assert!(calls.lock().remove(ticket).is_none());
        assert!(calls.lock().add(call()).is_err());
        assert_eq!(Calls::close(&calls).count(), 0);
    }

    #[test]
    fn a_crowd_that_has_left_leaves_no_memory() {
        let mut calls = Calls::default();
        let tickets: Vec<_> = (0..1_000).map(|_| add(&mut calls)).collect();
        for ticket in tickets {
            assert!(calls.remove(ticket).is_some());
        }
        assert_eq!(calls.places.capacity(), 0);
        let ticket = add(&mut calls);
        assert!(calls.remove(ticket).is_some());
    }
}
