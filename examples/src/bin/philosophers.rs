//! The dining philosophers: five of them, five forks, two to eat with.
//!
//! What it shows: a channel with room for one is a place where a thing lies. A
//! fork is a value; receiving it picks it up, sending it puts it down, and as
//! Rust moves values, nobody can eat with a fork that somebody else holds.
//!
//! What to read in it: [`dine`] takes the two places in the order in which
//! main hands them over, and that order is why nobody starves. If all picked
//! up their left fork first, all could hold one and wait for ever (the runtime
//! would say so: `all goroutines are asleep - deadlock!`). As each picks up
//! the fork with the *lower number* first, the one who holds the highest fork
//! in use never waits.

use clap::Parser;
use gochan::prelude::*;
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
struct Fork {
    meals: u32,
}

#[gochan::main]
fn main() {
    let Options { meals } = Options::parse();
    let places: Vec<Chan<Fork>> = PHILOSOPHERS.iter().map(|_| make!(chan Fork, 1)).collect();
    chan! {
        for place in &places {
            place <- Fork { meals: 0 };
        }
        let diners: Vec<_> = (0..PHILOSOPHERS.len())
            .map(|seat| {
                let left = seat;
                let right = (seat + 1) % places.len();
                let (low, high) = (left.min(right), left.max(right));
                go!(dine(meals, places[low].clone(), places[high].clone()))
            })
            .collect();
        for (name, diner) in PHILOSOPHERS.into_iter().zip(diners) {
            println!("{name} ate {} meals", diner.join().expect("dining does not panic"));
        }
        let used: Vec<u32> = places
            .iter()
            .map(|place| (<-place).expect("the places are open").meals)
            .collect();
        println!("forks were used for {used:?} meals");
    }
}

chan! {
    /// Eats `meals` times with the forks from two places. Returns how often.
    fn dine(meals: u32, low: Chan<Fork>, high: Chan<Fork>) -> u32 {
        let mut eaten = 0;
        while eaten < meals {
            let mut first = (<-low).expect("the places are open");
            let mut second = (<-high).expect("the places are open");
            first.meals += 1;
            second.meals += 1;
            eaten += 1;
            // Eating takes a while: let the others find the forks gone.
            yield_now();
            high <- second;
            low <- first;
        }
        eaten
    }
}
