//! A cache that is asked for the same few things by many at once.
//!
//! Without care, all who find a thing missing would go and fetch it: a crowd at
//! the store's door each time that the cache is empty. Here the first one
//! fetches and the others wait for what it brings.
//!
//! What it shows: `SingleFlight` makes one call of many that ask for the same
//! key at the same time; a `Mutex` guards what is there for good.
//!
//! What to read in it: [`Cache::get`]. It looks again inside the call: between
//! its first look and the call, another call may have ended and brought the
//! thing. So each thing is fetched once, however the goroutines are scheduled.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use gochan::prelude::*;
use gochan::sync::{Mutex, SingleFlight, WaitGroup};
use gochan::time::sleep;

/// Let many goroutines ask a cache for the same few things.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Goroutines that ask
    #[arg(long, value_name = "N", default_value_t = 30)]
    readers: u32,
}

/// What the store has: cities and their distance from home, in kilometres.
const STORE: [(&str, u32); 4] = [
    ("Accra", 4_981),
    ("Bergen", 1_063),
    ("Caracas", 8_394),
    ("Dakar", 4_566),
];

/// What was fetched, and what is being fetched.
#[derive(Default)]
struct Cache {
    known: Mutex<HashMap<&'static str, u32>>,
    flights: SingleFlight<&'static str, u32>,
    /// How often each city was fetched.
    fetches: Mutex<BTreeMap<&'static str, u32>>,
}

impl Cache {
    /// The distance of `city`, fetched if nobody has asked before.
    fn get(&self, city: &'static str) -> u32 {
        self.look(city).unwrap_or_else(|| {
            self.flights.run(city, || {
                self.look(city).unwrap_or_else(|| {
                    let distance = self.fetch(city);
                    self.known.lock().insert(city, distance);
                    distance
                })
            })
        })
    }

    fn look(&self, city: &str) -> Option<u32> {
        self.known.lock().get(city).copied()
    }

    /// Goes to the store, which takes a while.
    fn fetch(&self, city: &'static str) -> u32 {
        *self.fetches.lock().entry(city).or_insert(0) += 1;
        sleep(Duration::from_millis(10));
        let found = STORE.iter().find(|(name, _)| *name == city);
        found.expect("readers ask for what is there").1
    }
}

#[gochan::main]
fn main() {
    let Options { readers } = Options::parse();
    let cache = Arc::new(Cache::default());
    let asked = Arc::new(Mutex::new(BTreeMap::new()));
    let wg = WaitGroup::new();
    for reader in 0..readers as usize {
        wg.add(1);
        go!(clone(cache, asked, wg), {
            defer! { wg.done() }
            let (city, expected) = STORE[reader % STORE.len()];
            assert_eq!(cache.get(city), expected);
            *asked.lock().entry(city).or_insert(0) += 1;
        });
    }
    wg.wait();
    let fetches = cache.fetches.lock();
    let asked: &BTreeMap<&str, u32> = &asked.lock();
    for (city, times) in asked {
        let fetched = fetches[city];
        let distance = cache.get(city);
        println!("{city}: {distance} km, asked for {times} times, fetched {fetched} times");
    }
}
