//! Where a goroutine starts, which is where it lives: the whole policy is in this file.
//!
//! Two families of programs pull in opposite directions. Goroutines that talk to each other all
//! the time want one worker: a rendezvous within a worker costs a tenth to a twentieth of one
//! across workers. Goroutines that compute want to be spread, whatever that costs.
//!
//! The default policy learns which family a `go!` belongs to. A few runs of the goroutines of each
//! `go!` site (from being resumed to parking again) are timed: if most are short, the site
//! *talks*, and its goroutines start near their parent; if most are long, it *computes*, and they
//! are spread by the number of goroutines that each worker has. The run in which a goroutine
//! first parks is not counted: it shows how the goroutine sets itself up, not how it works. A
//! site is measured on as its goroutines come and go, so it may change its family.
//!
//! While nothing is known of a site, its first goroutine starts near its parent, and so do later
//! ones, except for the siblings that the parent starts in the same run, without waiting for
//! anything between: that is a pool, which is spread, since a pool that starts on one worker can
//! never leave it.
//!
//! A goroutine that waits to start behind a busy worker may be taken by an idle one; see
//! `worker.rs` for how that is noticed.

use super::mailbox::Mailbox;
use parking_lot::Mutex;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::Location;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Where a goroutine asks to start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Wherever the policy thinks best.
    #[default]
    Adaptive,
    /// On the worker of the goroutine that starts it.
    Near,
    /// On the worker with the fewest goroutines.
    Spread,
}

/// Runs that are shorter than this are those of goroutines that talk. It is some ten times what
/// a rendezvous across workers costs.
const SHORT_RUN_NANOS: u64 = 8_000;
/// How many runs of one kind outweigh any number of earlier ones of the other. A run can look
/// long because the operating system ran something else meanwhile: one such run must not count.
const DECIDED: i32 = 8;
/// After this many measured goroutines of a site, only some of the later ones are measured.
const EAGER_SAMPLES: u32 = 32;
/// One in this many goroutines of a well-known site is measured.
const SAMPLE_EVERY: u32 = 64;
/// How many runs of a measured goroutine are timed, after its first.
pub(super) const TIMED_RUNS: u8 = 4;

/// One `go!` in the source, with what is known of its goroutines.
#[derive(Debug)]
pub struct Site {
    location: &'static Location<'static>,
    started: AtomicU32,
    /// The run of the parent that started the last one: the number, and the worker's index.
    last_run: AtomicU64,
    last_worker: AtomicUsize,
    /// How many more of the timed runs were short than long, within bounds; 0 to begin with.
    balance: AtomicI32,
}

impl Site {
    /// The site at the place of the call.
    #[expect(clippy::new_without_default, reason = "its location is its value")]
    #[track_caller]
    pub const fn new() -> Self {
        Site::at(Location::caller())
    }

    /// The site at `location`.
    pub(crate) const fn at(location: &'static Location<'static>) -> Self {
        Site {
            location,
            started: AtomicU32::new(0),
            last_run: AtomicU64::new(0),
            last_worker: AtomicUsize::new(0),
            balance: AtomicI32::new(0),
        }
    }

    /// The site at `location`: the same one every time. For functions that start goroutines on
    /// behalf of their callers; a `go!` has a static of its own.
    pub(crate) fn of(location: &'static Location<'static>) -> &'static Site {
        const SLOTS: usize = 64;
        thread_local! {
            /// Sites that this thread has asked for, by the addresses of their locations.
            static RECENT: [Cell<Option<&'static Site>>; SLOTS] =
                const { [const { Cell::new(None) }; SLOTS] };
        }
        let slot = ptr::from_ref(location).addr() / align_of::<Location>() % SLOTS;
        RECENT.with(|recent| match recent[slot].get() {
            Some(site) if ptr::eq(site.location, location) => site,
            _ => {
                let site = Site::registered(location);
                recent[slot].set(Some(site));
                site
            }
        })
    }

    #[cold]
    fn registered(location: &'static Location<'static>) -> &'static Site {
        static SITES: Mutex<BTreeMap<usize, &'static Site>> = Mutex::new(BTreeMap::new());
        let mut sites = SITES.lock();
        // There are as many as there are calls in the source, so none is ever given back.
        sites
            .entry(ptr::from_ref(location).addr())
            .or_insert_with(|| Box::leak(Box::new(Site::at(location))))
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// Counts a start.
    fn count_start(&self) {
        // Plain loads and stores: a lost count costs nothing but a sample.
        let started = self.started.load(Ordering::Relaxed);
        self.started
            .store(started.wrapping_add(1), Ordering::Relaxed);
    }

    /// Notes which run of a worker starts a goroutine, and says whether it is the one that
    /// started the last one too.
    fn note_parent(&self, (worker, run): (usize, u64)) -> bool {
        let same_run = self.last_run.swap(run, Ordering::Relaxed) == run;
        let same_worker = self.last_worker.swap(worker, Ordering::Relaxed) == worker;
        same_run && same_worker
    }

    /// How many runs of the goroutine that starts now should be timed.
    #[inline]
    pub(super) fn runs_to_time(&self) -> u8 {
        let started = self.started.load(Ordering::Relaxed);
        if started <= EAGER_SAMPLES || started.is_multiple_of(SAMPLE_EVERY) {
            TIMED_RUNS + 1
        } else {
            0
        }
    }

    /// Takes a timed run into account.
    ///
    /// One that used up a turn has been noted already, and its length says nothing: it may have
    /// ended because others wanted their turn.
    pub(super) fn note_run(&self, nanos: u64, used_up_a_turn: bool) {
        if !used_up_a_turn {
            self.note(if nanos < SHORT_RUN_NANOS { 1 } else { -1 });
        }
    }

    fn note(&self, change: i32) {
        let balance = self.balance.load(Ordering::Relaxed) + change;
        self.balance
            .store(balance.clamp(-DECIDED, DECIDED), Ordering::Relaxed);
    }

    /// Takes into account that a goroutine used up its turn without parking.
    pub(super) fn note_full_turn(&self) {
        self.note(-1);
    }

    pub(super) fn talks(&self) -> bool {
        self.balance.load(Ordering::Relaxed) > 0
    }

    fn is_unknown(&self) -> bool {
        self.balance.load(Ordering::Relaxed) == 0
    }
}

/// Chooses the worker for a new goroutine of `site`; `parent` is the run that starts it (see
/// [`Worker::current_run`](super::worker::Worker::current_run)).
#[inline]
pub(super) fn choose(
    workers: &[&'static Mailbox],
    site: &Site,
    wish: Wish,
    parent: Option<(usize, u64)>,
) -> usize {
    site.count_start();
    if workers.len() == 1 {
        return 0;
    }
    let Some(parent) = parent else {
        return least_loaded(workers, 0);
    };
    let near = match wish {
        Wish::Near => true,
        Wish::Spread => false,
        Wish::Adaptive if site.is_unknown() => !site.note_parent(parent),
        Wish::Adaptive => site.talks(),
    };
    let (current, _) = parent;
    if near {
        current
    } else {
        least_loaded(workers, current)
    }
}

/// The worker with the fewest goroutines; among equals the first from `preferred` on.
fn least_loaded(workers: &[&'static Mailbox], preferred: usize) -> usize {
    let (mut best, mut best_load) = (preferred, workers[preferred].load());
    for offset in 1..workers.len() {
        let index = (preferred + offset) % workers.len();
        let load = workers[index].load();
        if load < best_load {
            (best, best_load) = (index, load);
        }
    }
    best
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_site_learns_its_family_and_can_change_it() {
        let site = Site::new();
        assert!(site.is_unknown() && !site.talks());
        site.note_run(300, false);
        assert!(site.talks());
        for _ in 0..20 {
            site.note_run(1_000_000, false);
        }
        assert!(!site.talks());
        for _ in 0..20 {
            site.note_run(200, false);
        }
        site.note_run(5_000_000, false);
        assert!(site.talks(), "one long run was enough");
        for _ in 0..10 {
            site.note_full_turn();
        }
        assert!(!site.talks());
    }

    #[test]
    fn a_place_has_one_site() {
        let places: [&Location; 2] = [Location::caller(), Location::caller()];
        let sites = places.map(Site::of);
        assert!(ptr::eq(sites[0], Site::of(places[0])));
        assert!(ptr::eq(sites[1], Site::of(places[1])));
        let elsewhere = std::thread::spawn(move || ptr::eq(sites[0], Site::of(places[0])));
        assert!(elsewhere.join().unwrap(), "on every thread");
        assert_eq!(sites[0].location(), places[0]);
    }

    #[test]
    fn short_turns_that_are_used_up_do_not_talk() {
        let site = Site::new();
        site.note_run(300, false);
        for _ in 0..5 {
            site.note_full_turn();
            site.note_run(1_500, true);
        }
        assert!(!site.talks() && !site.is_unknown());
    }

    #[test]
    fn only_siblings_of_an_unknown_site_are_spread() {
        let workers = [Mailbox::obtain(), Mailbox::obtain()];
        let site = Site::new();
        let choose = |wish, run| choose(&workers, &site, wish, Some((0, run)));
        workers[0].live.0.store(3, Ordering::Relaxed);
        assert_eq!(choose(Wish::Adaptive, 7), 0, "the first");
        assert_eq!(choose(Wish::Adaptive, 7), 1, "its sibling");
        assert_eq!(choose(Wish::Adaptive, 8), 0, "one of another run");
        assert_eq!(choose(Wish::Near, 8), 0);
        assert_eq!(choose(Wish::Spread, 8), 1);
        site.note_run(100, false);
        assert_eq!(choose(Wish::Adaptive, 8), 0, "the site talks");
        site.note_full_turn();
        site.note_full_turn();
        assert_eq!(choose(Wish::Adaptive, 9), 1, "the site computes");
        workers[0].live.0.store(0, Ordering::Relaxed);
        workers.into_iter().for_each(Mailbox::give_back);
    }
}
