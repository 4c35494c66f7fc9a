//! Telling of goroutines that keep their worker to themselves.
//!
//! A thread looks now and then at which run each worker is in. One that is still the same after
//! the set time is held still for as long as it takes to read who runs.

use super::gate::Phase;
use super::goroutine::Identity;
use super::{Shared, census};
use crate::message;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use std::{io, thread};

/// The shortest time between two looks.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// The longest one, however long the limit is: so much later than its runtime the thread ends.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Starts the thread that tells of goroutines of this runtime that run longer than `limit`
/// without a break. It ends soon after the runtime has.
pub(super) fn watch(shared: &Arc<Shared>, limit: Duration) -> io::Result<()> {
    let name = format!("{}-hog", shared.settings.name);
    let shared = Arc::downgrade(shared);
    thread::Builder::new().name(name).spawn(move || {
        let _entry = census::enter(census::Role::Own, || true);
        look_again_and_again(&shared, limit);
    })?;
    Ok(())
}

fn look_again_and_again(shared: &Weak<Shared>, limit: Duration) {
    let pause = (limit / 4).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    let mut seen: Vec<(usize, Instant)> = Vec::new();
    while let Some(shared) = shared.upgrade().filter(|shared| !shared.is_ending()) {
        let now = Instant::now();
        seen.resize(shared.workers.len(), (0, now));
        for (mailbox, (run, since)) in shared.workers.iter().zip(&mut seen) {
            let (phase, current) = mailbox.gate.0.glimpse();
            if phase != Phase::Run || current != *run {
                (*run, *since) = (current, now);
            } else if now - *since >= limit {
                let mut hog = None;
                mailbox.hold(|worker, phase| {
                    let is_same = mailbox.gate.0.glimpse() == (Phase::Run, current);
                    if phase == Phase::Run && is_same {
                        // SAFETY: a worker that can be held has not ended; what is read is at rest.
                        hog = unsafe { &*worker }.note_hog();
                    }
                });
                // Only now: who reads what is printed may be slow, and the worker would stand still.
                if let Some(hog) = hog {
                    tell_of(&hog, now - *since);
                }
            }
        }
        drop(shared);
        thread::sleep(pause);
    }
}

fn tell_of(hog: &Identity, running_for: Duration) {
    message::print(format_args!(
        "gochan: {hog} has been running for {running_for:.0?} without a break; the other goroutines \
         of its worker wait. Let it call gochan::yield_now() now and then, and wrap what blocks the \
         thread in gochan::blocking(|| …)."
    ));
}
