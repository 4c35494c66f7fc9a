//! The dining philosophers: five of them, five forks, two to eat with.
//!
//! What it shows: a mutex owns what it guards. A fork is a value in a mutex;
//! locking picks it up, and the end of the guard puts it down, so nobody can eat
//! with a fork that somebody else holds. A goroutine may keep its guards while
//! others run.
//!
//! What to read in it: [`dine`] locks the two forks in the order in which
//! main hands them over, and that order is why nobody starves. If all picked
//! up their left fork first, all could hold one and wait for ever (the runtime
//! would say so: `all goroutines are asleep - deadlock!`). As each picks up
//! the fork with the *lower number* first, the one who holds the highest fork
//! in use never waits.

use std::sync::Arc;

use clap::Parser;
use gochan::prelude::*;
use gochan::sync::Mutex;
use gochan::yield_now;

/// Let five philosophers dine without deadlock.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Meals that each philosopher eats
    #[arg(long, value_name = "N", default_value_t = 3)]
    meals: u32,
}

const PHILOSOPHERS: [&str; 5] = ["Anscombe", "Beauvoir", "Cavendish", "Diotima", "Elisabeth"];

/// A fork, which counts how many meals it was used for.
#[derive(Default)]
struct Fork {
    meals: u32,
}

#[gochan::main]
fn main() {
    let Options { meals } = Options::parse();
    let forks: Vec<Arc<Mutex<Fork>>> = PHILOSOPHERS.iter().map(|_| Arc::default()).collect();
    let diners: Vec<_> = (0..PHILOSOPHERS.len())
        .map(|seat| {
            let left = seat;
            let right = (seat + 1) % forks.len();
            let (low, high) = (left.min(right), left.max(right));
            go!(dine(meals, forks[low].clone(), forks[high].clone()))
        })
        .collect();
    for (name, diner) in PHILOSOPHERS.into_iter().zip(diners) {
        let eaten = diner.join().expect("dining does not panic");
        println!("{name} ate {eaten} meals");
    }
    let used: Vec<u32> = forks.iter().map(|fork| fork.lock().meals).collect();
    println!("forks were used for {used:?} meals");
}

/// Eats `meals` times with two forks. Returns how often.
fn dine(meals: u32, low: Arc<Mutex<Fork>>, high: Arc<Mutex<Fork>>) -> u32 {
    let mut eaten = 0;
    while eaten < meals {
        let mut first = low.lock();
        let mut second = high.lock();
        first.meals += 1;
        second.meals += 1;
        eaten += 1;
        // Eating takes a while: let the others find the forks gone.
        yield_now();
    }
    eaten
}
