//! A random mix of everything, from a printed seed: spawns, channels, selects, timers, panics,
//! closes and drops. Every value is received or handed back exactly once, unless it was given up
//! on purpose, and dropped once.
//!
//! `GOCHAN_SOAK_SEED` repeats a run, `GOCHAN_SOAK_SECONDS` (10 unless set) makes it longer.

mod harness;

use gochan::prelude::*;
use gochan::runtime::{Config, Runtime};
use gochan::sync::WaitGroup;
use gochan::{Select, goexit, time, yield_now};
use harness::{Counted, Dice, Tally, watch};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What became of the values, by their numbers.
struct Ledger {
    received: Vec<AtomicUsize>,
    returned: Vec<AtomicUsize>,
    /// Those that may be dropped without having been received or handed back: by a panic, with an
    /// abandoned channel, or with the runtime.
    given_up: Vec<AtomicBool>,
    tally: Tally,
}

const VALUES: usize = 40_000;

impl Ledger {
    fn new() -> Self {
        let zeros = || (0..VALUES).map(|_| AtomicUsize::new(0)).collect();
        Ledger {
            received: zeros(),
            returned: zeros(),
            given_up: (0..VALUES).map(|_| AtomicBool::new(false)).collect(),
            tally: Tally::new(VALUES),
        }
    }

    fn receive(&self, value: Option<Counted>) {
        if let Some(value) = value {
            self.received[value.id].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn give_up(&self, value: &Counted) {
        self.given_up[value.id].store(true, Ordering::Relaxed);
    }

    fn give_back(&self, value: Counted) {
        self.returned[value.id].fetch_add(1, Ordering::Relaxed);
    }
}

/// What every actor has.
#[derive(Clone)]
struct World {
    ledger: Arc<Ledger>,
    channels: Arc<Vec<Mutex<Chan<Counted>>>>,
    /// Values that may still be made.
    budget: Arc<AtomicUsize>,
    /// Goroutines that nobody joins.
    detached: WaitGroup,
}

impl World {
    fn value(&self) -> Option<Counted> {
        let budget = &self.budget;
        budget
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok()
            .then(|| self.ledger.tally.value())
    }

    /// One random operation. False: no values are left to be made.
    fn act(&self, dice: &Dice, depth: u32) -> bool {
        let Some(value) = self.value() else {
            return false;
        };
        let place = || &self.channels[dice.below(self.channels.len() as u64) as usize];
        let pick = || place().lock().unwrap().clone();
        let brief = Duration::from_micros(dice.below(60));
        let ledger = &*self.ledger;
        let (ch, other) = (&pick(), &pick());
        match dice.below(18) {
            0 | 1 => {
                if let Err(error) = ch.send_timeout(value, brief * 4) {
                    ledger.give_back(error.into_inner());
                }
            }
            2 => {
                if let Err(error) = ch.try_send(value) {
                    ledger.give_back(error.into_inner());
                }
                ledger.receive(other.try_recv().ok());
            }
            3 => {
                // The value is offered until it is taken, or the time is up.
                let mut slot = Some(value);
                for _ in 0..3 {
                    select! {
                        send(ch, take slot) -> sent => if let Err(error) = sent {
                            slot = Some(error.into_inner());
                        },
                        recv(other) -> v => ledger.receive(v),
                        after(brief) => {}
                    }
                }
                slot.into_iter().for_each(|value| ledger.give_back(value));
            }
            4 | 5 => {
                let (mut first, mut second) = (Some(value), self.value());
                select! {
                    send(ch, take first) -> sent => if let Err(error) = sent {
                        ledger.give_back(error.into_inner());
                    },
                    send(other, take second) -> sent => if let Err(error) = sent {
                        ledger.give_back(error.into_inner());
                    },
                    recv(ch) -> v => ledger.receive(v),
                    recv(other) -> v if dice.below(2) == 0 => ledger.receive(v),
                    default => {}
                }
                first
                    .into_iter()
                    .chain(second)
                    .for_each(|value| ledger.give_back(value));
            }
            6 | 7 => {
                let mut select = if dice.below(2) == 0 {
                    Select::new()
                } else {
                    Select::biased()
                };
                let send = select.send(ch);
                select.recv(other);
                let mut value = Some(value);
                if let Ok(op) = select.select_timeout(brief) {
                    if op.index() == send {
                        if dice.below(4) == 0 {
                            drop(op);
                        } else if let Some(value) = value.take()
                            && let Err(error) = op.send(ch, value)
                        {
                            ledger.give_back(error.into_inner());
                        }
                    } else {
                        ledger.receive(op.recv(other));
                    }
                }
                value.into_iter().for_each(|value| ledger.give_back(value));
            }
            8 => {
                ledger.give_back(value);
                ledger.receive(ch.recv_timeout(brief).ok());
            }
            9 => {
                ledger.give_back(value);
                for value in ch.try_iter().take(3) {
                    ledger.receive(Some(value));
                }
            }
            10 if depth > 0 => {
                let (world, seed) = (self.clone(), dice.next());
                self.detached.add(1);
                let handle = go!({
                    defer! { world.detached.done() }
                    let dice = Dice::new(seed);
                    world.ledger.give_back(value);
                    for _ in 0..dice.below(8) {
                        world.act(&dice, depth - 1);
                    }
                    match dice.below(8) {
                        0 => resume_unwind(Box::new("on purpose")),
                        1 if gochan::goroutine::try_current().is_some() => goexit(),
                        _ => {}
                    }
                });
                if dice.below(2) == 0 {
                    let _ = handle.join();
                }
            }
            11 => {
                // A channel of their own, which ends in one way or another.
                let own_capacity = dice.below(3) as usize;
                let own = Chan::new(own_capacity);
                let (sender, receiver) = own.split();
                let world = self.clone();
                let reader = go!({
                    for value in receiver.iter().take(2) {
                        world.ledger.receive(Some(value));
                    }
                });
                let mut values = vec![value];
                values.extend((0..3).filter_map(|_| self.value()));
                for value in values {
                    // What is in the buffer of an abandoned channel is dropped with it.
                    if own_capacity > 0 {
                        ledger.give_up(&value);
                    }
                    if let Err(error) = sender.send(value) {
                        ledger.give_back(error.into_inner());
                    }
                }
                if dice.below(2) == 0 {
                    sender.close();
                }
                drop(sender);
                reader.join().unwrap();
            }
            12 if depth > 0 => {
                ledger.give_back(value);
                gochan::scope(|s| {
                    for _ in 0..2 {
                        let dice = Dice::new(dice.next());
                        drop(go!(in s, { _ = self.act(&dice, depth - 1) }));
                    }
                });
            }
            13 => {
                ledger.give_back(value);
                time::sleep(brief);
            }
            14 => {
                ledger.give_up(&value);
                let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    let _value = value;
                    resume_unwind(Box::new("in the middle"));
                }));
                assert!(caught.is_err());
            }
            15 => {
                // Whoever waits on a channel finds it closed, and what it holds is drained.
                ledger.give_back(value);
                if dice.below(4) == 0 {
                    let closed = {
                        let mut place = place().lock().unwrap();
                        let fresh = match place.capacity() {
                            Some(capacity) => Chan::new(capacity),
                            None => Chan::unbounded(),
                        };
                        std::mem::replace(&mut *place, fresh)
                    };
                    closed.close();
                    closed
                        .try_iter()
                        .for_each(|value| ledger.receive(Some(value)));
                }
            }
            16 => {
                ledger.give_back(value);
                let timer = time::Timer::new(brief);
                if dice.below(2) == 0 {
                    timer.stop();
                }
                let ticks = time::Ticker::new(brief.max(Duration::from_micros(1)));
                select! {
                    recv(timer.c()) => {},
                    recv(ticks.c()) => {},
                    recv(other) -> v => ledger.receive(v),
                }
            }
            _ => {
                ledger.give_back(value);
                yield_now();
            }
        }
        true
    }
}

fn soak(workers: usize, seed: u64) {
    let dice = Dice::new(seed);
    let world = World {
        ledger: Arc::new(Ledger::new()),
        channels: Arc::new(vec![
            Mutex::new(Chan::new(0)),
            Mutex::new(Chan::new(0)),
            Mutex::new(Chan::new(1)),
            Mutex::new(Chan::new(3)),
            Mutex::new(Chan::unbounded()),
        ]),
        budget: Arc::new(AtomicUsize::new(VALUES / 2)),
        detached: WaitGroup::new(),
    };
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (world, seed) = (world.clone(), dice.next());
            thread::spawn(move || {
                let dice = Dice::new(seed);
                while world.act(&dice, 0) {}
            })
        })
        .collect();
    let config = Config::new().workers(workers).seed(seed);
    let seed = dice.next();
    Runtime::new(config).unwrap().run(|| {
        let dice = Dice::new(seed);
        let actors: Vec<_> = (0..12)
            .map(|_| {
                let (world, seed) = (world.clone(), dice.next());
                go!({
                    let dice = Dice::new(seed);
                    while world.act(&dice, 2) {}
                })
            })
            .collect();
        for actor in actors {
            actor.join().unwrap();
        }
        world.detached.wait();
        // Those that stay behind are unwound with the runtime, in the middle of a wait.
        for number in 0..20 {
            let value = world.ledger.tally.value();
            world.ledger.give_up(&value);
            go!(clone(world), {
                let never = Chan::new(0);
                let mut slot = Some(value);
                if number % 2 == 0 {
                    let _ = never.send(slot.take());
                } else {
                    let never = &world.channels[0].lock().unwrap().clone();
                    select! { send(never, take slot) -> _ => {}, recv(make!(chan ())) => {} }
                }
            });
        }
        yield_now();
    });
    for thread in threads {
        thread.join().unwrap();
    }
    for channel in world.channels.iter() {
        let channel = channel.lock().unwrap();
        for value in channel.try_iter() {
            world.ledger.receive(Some(value));
        }
        channel.close();
    }
    let World {
        ledger, channels, ..
    } = world;
    drop(channels);
    ledger.tally.assert_each_dropped_once();
    let (mut received, mut returned) = (0, 0);
    for id in 0..ledger.tally.made() {
        let counts =
            [&ledger.received[id], &ledger.returned[id]].map(|n| n.load(Ordering::Relaxed));
        let given_up = ledger.given_up[id].load(Ordering::Relaxed);
        let sum = counts.iter().sum::<usize>();
        assert!(sum == 1 || (sum == 0 && given_up), "value {id}: {counts:?}");
        received += counts[0];
        returned += counts[1];
    }
    assert!(
        received > 0 && returned > 0,
        "{received} received, {returned} returned"
    );
}

fn from_environment(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn a_random_mix_loses_and_doubles_nothing() {
    let _default = watch();
    let fixed = from_environment("GOCHAN_SOAK_SEED");
    let seconds = from_environment("GOCHAN_SOAK_SECONDS").unwrap_or(10);
    let end = Instant::now() + Duration::from_secs(seconds);
    let clock = std::time::SystemTime::now();
    let clock = clock
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64;
    let mut seed = fixed.unwrap_or(clock % 1_000_000_007);
    loop {
        for workers in [1, 2, 8] {
            let _watched = watch();
            println!("GOCHAN_SOAK_SEED={seed} on {workers} workers");
            soak(workers, seed);
        }
        if fixed.is_some() || Instant::now() > end {
            break;
        }
        seed += 1;
    }
}
