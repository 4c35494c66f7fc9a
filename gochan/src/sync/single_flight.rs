//! One execution for all who ask for the same at the same time.

use super::Mutex;
use super::failure::Failure;
use super::gate::Gate;
use super::monitor::Wait;
use crate::runtime::panics::resume_unwind;
use crate::wait::{Patience, WaitReason};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::panic::{self, AssertUnwindSafe, Location};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Lets concurrent calls for the same key share one execution: the first one runs its function,
/// those who come before it has returned wait and get a clone of its result. Nothing is kept
/// afterwards; it is no cache.
///
/// It is Go's `golang.org/x/sync/singleflight`. A panic reaches everybody: the one who ran the
/// function gets the panic itself, the others one with its text. If the goroutine that runs the
/// function is ended in it, by [`goexit`](crate::goexit) or with its runtime, one of those who wait
/// runs its own.
///
/// A goroutine that waits here when its runtime ends is unwound; in a destructor that runs
/// meanwhile the call waits for the result, however long that takes.
///
/// ```
/// use gochan::prelude::*;
/// use gochan::sync::SingleFlight;
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// #[gochan::main]
/// fn main() {
///     let pages: Arc<SingleFlight<String, usize>> = Arc::new(SingleFlight::new());
///     let handles: Vec<_> = (0..3)
///         .map(|_| {
///             go!(clone(pages), {
///                 pages.run("index.html".to_owned(), || {
///                     gochan::time::sleep(Duration::from_millis(5)); // a slow fetch
///                     4096
///                 })
///             })
///         })
///         .collect();
///     for handle in handles {
///         assert_eq!(handle.join().unwrap(), 4096);
///     }
/// }
/// ```
pub struct SingleFlight<K, V> {
    flights: Mutex<HashMap<K, Arc<Flight<V>>>>,
}

/// One execution.
struct Flight<V> {
    /// Set by the one who runs it, before the gate is opened.
    outcome: OnceLock<Result<V, Failure>>,
    landed: Gate,
    /// Whether anybody else waits for it.
    shared: AtomicBool,
}

impl<K: Eq + Hash + Clone, V: Clone> SingleFlight<K, V> {
    /// With nothing under way.
    ///
    /// ```
    /// let flights = gochan::sync::SingleFlight::new();
    /// assert_eq!(flights.run("key", || 1), 1);
    /// ```
    pub fn new() -> Self {
        SingleFlight {
            flights: Mutex::new(HashMap::new()),
        }
    }

    /// Runs `f`, or waits for the one who already does so for this key.
    ///
    /// # Panics
    /// If the function that was run panicked.
    ///
    /// ```
    /// let flights = gochan::sync::SingleFlight::new();
    /// assert_eq!(flights.run(1, || "one"), "one");
    /// assert_eq!(flights.run(1, || "uno"), "uno", "nothing is kept");
    /// ```
    #[doc(alias = "Do")]
    #[track_caller]
    pub fn run(&self, key: K, f: impl FnOnce() -> V) -> V {
        self.run_shared(key, f).0
    }

    /// As [`run`](SingleFlight::run), and says whether the result went to several.
    ///
    /// ```
    /// let flights = gochan::sync::SingleFlight::new();
    /// assert_eq!(flights.run_shared(1, || "one"), ("one", false));
    /// ```
    #[track_caller]
    pub fn run_shared(&self, key: K, f: impl FnOnce() -> V) -> (V, bool) {
        let location = Location::caller();
        loop {
            match self.board(&key, location) {
                Seat::Pilot(flight) => return self.fly(&key, flight, f),
                Seat::Passenger(flight) => {
                    flight.landed.pass(Wait::new(
                        WaitReason::SingleFlight,
                        location,
                        Patience::Forever,
                    ));
                    match flight.outcome.get() {
                        Some(Ok(value)) => return (value.clone(), true),
                        Some(Err(Failure::Panic(text))) => {
                            panic!("a shared execution panicked: {text}")
                        }
                        Some(Err(Failure::Goexit)) | None => {}
                    }
                }
            }
        }
    }

    /// Joins the execution for this key, or makes a new one.
    fn board(&self, key: &K, location: &'static Location<'static>) -> Seat<V> {
        let mut flights = self.flights.lock_at(location);
        // One that has ended may stand here still.
        let goes_on = |flight: &&Arc<Flight<V>>| flight.outcome.get().is_none();
        if let Some(flight) = flights.get(key).filter(goes_on) {
            flight.shared.store(true, Ordering::Relaxed);
            return Seat::Passenger(Arc::clone(flight));
        }
        let flight = Arc::new(Flight {
            outcome: OnceLock::new(),
            landed: Gate::new(),
            shared: AtomicBool::new(false),
        });
        // With its key: the map would drop the new one at once, with the flights locked.
        let ended = flights.remove_entry(key);
        flights.insert(key.clone(), Arc::clone(&flight));
        drop(flights);
        drop(ended);
        Seat::Pilot(flight)
    }

    fn fly(&self, key: &K, flight: Arc<Flight<V>>, f: impl FnOnce() -> V) -> (V, bool) {
        let landing = Landing {
            flights: self,
            key,
            flight: &flight,
        };
        // What is caught is thrown on below, and what `f` shares with others is its affair.
        match panic::catch_unwind(AssertUnwindSafe(f)) {
            Ok(value) => {
                _ = flight.outcome.set(Ok(value));
                drop(landing);
            }
            Err(payload) => {
                _ = flight.outcome.set(Err(Failure::of(&*payload)));
                // Not in the middle of unwinding, where the key must not panic.
                drop(landing);
                resume_unwind(payload);
            }
        }
        let shared = flight.shared.load(Ordering::Relaxed);
        // Nobody else can come by it any more: if nobody has, there is nothing to clone.
        let value = match Arc::try_unwrap(flight) {
            Ok(flight) => flight.outcome.into_inner().and_then(Result::ok),
            Err(flight) => match flight.outcome.get() {
                Some(Ok(value)) => Some(value.clone()),
                _ => None,
            },
        };
        (value.expect("the function has returned"), shared)
    }

    /// Lets the next call for this key run its function, even if one runs now. Those who wait
    /// already get the result of that one.
    ///
    /// ```
    /// let flights = gochan::sync::SingleFlight::new();
    /// let value = flights.run("key", || {
    ///     flights.forget("key");
    ///     1 + flights.run("key", || 1) // would wait for itself, else
    /// });
    /// assert_eq!(value, 2);
    /// ```
    #[track_caller]
    pub fn forget<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let mut flights = self.flights.lock_at(Location::caller());
        let entry = flights.remove_entry(key);
        drop(flights);
        drop(entry);
    }
}

/// Which part a call has in an execution.
enum Seat<V> {
    /// It runs its function.
    Pilot(Arc<Flight<V>>),
    /// It waits.
    Passenger(Arc<Flight<V>>),
}

/// Ends an execution, however its function has ended.
struct Landing<'a, K: Eq + Hash + Clone, V: Clone> {
    flights: &'a SingleFlight<K, V>,
    key: &'a K,
    flight: &'a Arc<Flight<V>>,
}

impl<K: Eq + Hash + Clone, V: Clone> Drop for Landing<'_, K, V> {
    fn drop(&mut self) {
        // Also if this is unwound: by the end of the runtime while it waits, or by the key.
        let _opens = Opens(&self.flight.landed);
        let mut flights = self.flights.flights.lock();
        // After a `forget` another one may stand there.
        let is_this = |other: &Arc<Flight<V>>| Arc::ptr_eq(other, self.flight);
        let entry = match flights.get(self.key).is_some_and(is_this) {
            true => flights.remove_entry(self.key),
            false => None,
        };
        drop(flights);
        drop(entry);
    }
}

/// Opens the gate when it is dropped.
struct Opens<'a>(&'a Gate);

impl Drop for Opens<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Default for SingleFlight<K, V> {
    fn default() -> Self {
        SingleFlight::new()
    }
}

impl<K, V> fmt::Debug for SingleFlight<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").finish_non_exhaustive()
    }
}
