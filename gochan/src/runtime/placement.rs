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
//! first parks is not counted: it shows how the goroutine sets itself up, not how it works. One
//! that never waits, because its channels have room, or values, for it, talks if it does nothing but
//! send, or nothing but receive; if it does both it may be on its own, so it computes. A
//! site is measured on as its goroutines come and go, so it may change its family.
//!
//! One that starts others in run after run is the head of a family: whom it talks to are mostly its
//! own children, and they start near it. So such runs count as long ones, and families are spread.
//!
//! A goroutine that starts others at its own site *divides* its work: fork and join, a walk through
//! a tree. Such goroutines start near their parent even if they compute: spread by number they would
//! come to wait here and there for parts of any size, while an idle worker that helps itself takes
//! the oldest, which is the largest part that nobody has begun. It may do so even if they talk.
//!
//! While nothing is known of a site, its goroutines are put near their parent. If one run of the
//! parent starts several of them, that is a pool, and a pool that starts on one worker can never
//! leave it. So when that run is over, and the size of the pool is known, contiguous parts of it
//! are handed to the other workers: goroutines that are started one after the other are more
//! often neighbours in a ring or ends of one channel than those that are not.
//!
//! A goroutine that waits to start behind a busy worker may be taken by an idle one; see
//! `worker/lookout.rs` for how that is noticed.

use super::goroutine::Goroutine;
use super::mailbox::Mailbox;
use super::turn::OPERATIONS;
use parking_lot::Mutex;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::Location;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

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
/// A turn of nothing but sends, or receives, that takes less than this is one of a goroutine that
/// does little else: some 25 times what it takes within a worker, and eight times what it takes
/// across workers. It takes a third of this across workers where several goroutines select on a
/// channel, and the whole of it when the machine is slow; those who were once apart and were not
/// taken for such would stay apart.
const STREAMING_TURN: Duration = Duration::from_micros(100);
/// What one operation of such a turn takes at most.
const STREAMED_NANOS: u64 = STREAMING_TURN.as_nanos() as u64 / OPERATIONS as u64;
/// How many runs of one kind outweigh any number of earlier ones of the other. A run can look
/// long because the operating system ran something else meanwhile: one such run must not count.
const DECIDED: i32 = 8;
/// After this many measured goroutines of a site, only some of the later ones are measured.
const EAGER_SAMPLES: u32 = 32;
/// A worker measures one in this many goroutines of well-known sites. It is a prime, so that sites
/// whose goroutines start in turn have theirs measured in turn.
const SAMPLE_EVERY: u32 = 61;
/// How many runs of a measured goroutine are timed, after its first.
pub(super) const TIMED_RUNS: u8 = 4;
/// How many of the turns that a measured run uses up are timed: enough to change what is known of
/// its site from the one end to the other.
pub(super) const TIMED_TURNS: u32 = 2 * DECIDED.cast_unsigned();

/// One `go!` in the source, with what is known of its goroutines.
#[derive(Debug)]
pub struct Site {
    location: &'static Location<'static>,
    /// How many goroutines were measured, up to [`EAGER_SAMPLES`].
    measured: AtomicU32,
    /// The run of the parent that started the last one: the number, and the worker's index.
    last_run: AtomicU64,
    last_worker: AtomicUsize,
    /// How many more of the timed runs were short than long, within bounds; 0 to begin with.
    balance: AtomicI32,
    /// Whether its goroutines start others of their kind.
    divides: AtomicBool,
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
            measured: AtomicU32::new(0),
            last_run: AtomicU64::new(0),
            last_worker: AtomicUsize::new(0),
            balance: AtomicI32::new(0),
            divides: AtomicBool::new(false),
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

    /// Notes which run of a worker starts a goroutine, and says whether it is the one that
    /// started the last one too.
    #[inline]
    fn note_parent(&self, worker: usize, run: u64) -> bool {
        let same_run = self.last_run.swap(run, Ordering::Relaxed) == run;
        let same_worker = self.last_worker.swap(worker, Ordering::Relaxed) == worker;
        same_run && same_worker
    }

    /// How many runs of the goroutine that starts now should be timed. `starts` is how many its
    /// worker has started.
    #[inline]
    pub(super) fn runs_to_time(&self, starts: u32) -> u8 {
        let measured = self.measured.load(Ordering::Relaxed);
        if measured < EAGER_SAMPLES {
            // Plain loads and stores: a lost count costs nothing but a sample.
            self.measured.store(measured + 1, Ordering::Relaxed);
        } else if !starts.is_multiple_of(SAMPLE_EVERY) {
            return 0;
        }
        TIMED_RUNS + 1
    }

    /// Takes a timed run into account. It is short if it took little time for each of the values that
    /// it streamed, and started nobody.
    ///
    /// One that used up a turn has been noted already, and its length says nothing: it may have
    /// ended because others wanted their turn.
    pub(super) fn note_run(&self, run: &Run) {
        let short = SHORT_RUN_NANOS.max(u64::from(run.streamed) * STREAMED_NANOS);
        if !run.used_up_a_turn {
            let talks = run.nanos < short && !run.starts_others;
            self.note(if talks { 1 } else { -1 });
        }
    }

    fn note(&self, change: i32) {
        let balance = self.balance.load(Ordering::Relaxed) + change;
        self.balance
            .store(balance.clamp(-DECIDED, DECIDED), Ordering::Relaxed);
    }

    /// Takes into account that a goroutine used up its turn, which lasted so long, without parking.
    ///
    /// One that only sends, or only receives, on channels that let it go on has partners, so it
    /// talks, unless it computes in between.
    pub(super) fn note_full_turn(&self, lasted: Duration, is_one_sided: bool) {
        let talks = is_one_sided && lasted < STREAMING_TURN;
        self.note(if talks { 1 } else { -1 });
    }

    /// As [`Site::note_full_turn`], for a goroutine that is not measured, and whose turn was not
    /// one-sided.
    ///
    /// Few goroutines are measured where many have started, and these may be the first that do not
    /// only look in. Until that is known all of them start on one worker, and have to stay there.
    pub(super) fn note_untimed_full_turn(&self) {
        if self.talks() {
            self.note(-1);
        }
    }

    #[inline]
    pub(super) fn talks(&self) -> bool {
        self.balance.load(Ordering::Relaxed) > 0
    }

    /// Notes whether one of its goroutines starts another.
    #[inline]
    fn note_division(&self, parent: &Parent) {
        if !self.divides() && parent.is_of(self) {
            self.divides.store(true, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(super) fn divides(&self) -> bool {
        self.divides.load(Ordering::Relaxed)
    }

    #[inline]
    fn is_unknown(&self) -> bool {
        self.balance.load(Ordering::Relaxed) == 0
    }
}

/// A timed run of a goroutine.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    pub(super) nanos: u64,
    /// How many values the goroutine has sent, or received, having done little else.
    pub(super) streamed: u32,
    pub(super) used_up_a_turn: bool,
    /// Whether the goroutine has started others, and not in its first run.
    pub(super) starts_others: bool,
}

/// What one run of a goroutine has started at sites of which nothing was known.
#[derive(Debug)]
pub(super) struct Brood {
    run: Cell<u64>,
    started: Cell<usize>,
    /// Whether two are of the same site.
    has_siblings: Cell<bool>,
}

impl Brood {
    pub(super) const fn new() -> Self {
        Brood {
            run: Cell::new(0),
            started: Cell::new(0),
            has_siblings: Cell::new(false),
        }
    }

    fn note(&self, run: u64, is_sibling: bool) {
        let started = if self.run.replace(run) == run {
            self.started.get()
        } else {
            0
        };
        self.started.set(started + 1);
        if is_sibling {
            self.has_siblings.set(true);
        }
    }

    /// Whether it is to be shared out at the end of the run.
    #[inline]
    pub(super) fn is_pool(&self) -> bool {
        self.has_siblings.get()
    }
}

/// The run of a goroutine that starts others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parent<'a> {
    /// The index of its worker.
    pub(super) worker: usize,
    /// The goroutine, unless it is one that the worker runs for itself.
    pub(super) goroutine: Option<&'a Goroutine>,
    /// A number that is another one in every run of this worker.
    pub(super) run: u64,
    pub(super) brood: &'a Brood,
}

impl Parent<'_> {
    /// Whether it was started at that site itself.
    fn is_of(&self, site: &Site) -> bool {
        self.goroutine.is_some_and(|it| ptr::eq(it.site(), site))
    }
}

/// Chooses the worker for a new goroutine of `site`.
#[inline]
pub(super) fn choose(
    workers: &[&'static Mailbox],
    site: &Site,
    wish: Wish,
    parent: Option<Parent>,
) -> usize {
    if workers.len() == 1 {
        return 0;
    }
    let Some(parent) = parent else {
        return least_loaded(workers, 0);
    };
    site.note_division(&parent);
    let near = match wish {
        Wish::Near => true,
        Wish::Spread => false,
        Wish::Adaptive if site.is_unknown() => {
            let is_sibling = site.note_parent(parent.worker, parent.run);
            parent.brood.note(parent.run, is_sibling);
            true
        }
        Wish::Adaptive => site.talks() || site.divides(),
    };
    if near {
        parent.worker
    } else {
        least_loaded(workers, parent.worker)
    }
}

/// Shares out the pool that a run of worker `from` has started, as far as others have not taken
/// any of it meanwhile: as many stay as come to each worker. `offer` is called for each worker
/// that has got some.
pub(super) fn share_out(
    workers: &[&'static Mailbox],
    from: usize,
    brood: &Brood,
    mut offer: impl FnMut(usize),
) {
    brood.has_siblings.set(false);
    let queue = &workers[from].start_queue;
    let started = brood.started.get();
    let waiting = queue.len().min(started);
    // Thieves may be at it meanwhile.
    let stays = started.div_ceil(workers.len());
    let mut rest = waiting.saturating_sub(stays);
    for parts in (1..workers.len()).rev() {
        let part = rest.div_ceil(parts);
        if part == 0 {
            break;
        }
        let others = (1..workers.len()).map(|offset| (from + offset) % workers.len());
        let Some(at) = others.min_by_key(|&at| workers[at].load()) else {
            break;
        };
        let may_leave = |record: &Goroutine| may_leave(record) && !record.site().divides();
        if queue.hand_over(&workers[at].start_queue, part, stays, may_leave) > 0 {
            offer(at);
        }
        rest -= part;
    }
}

/// Whether one that waits near its parent may start on another worker, if that evens the load out.
pub(super) fn may_leave(record: &Goroutine) -> bool {
    !record.is_near() && (!record.site().talks() || record.site().divides())
}

/// The worker with the fewest goroutines; among equals the first from `preferred` on.
fn least_loaded(workers: &[&'static Mailbox], preferred: usize) -> usize {
    let indices = (0..workers.len()).map(|offset| (preferred + offset) % workers.len());
    indices
        .min_by_key(|&index| workers[index].load())
        .expect("a runtime has workers")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::runtime::goroutine::tests::{drop_unstarted, unstarted};

    impl Site {
        pub(in crate::runtime) const fn that_divides() -> Self {
            let mut site = Site::new();
            site.divides = AtomicBool::new(true);
            site
        }
    }

    fn note_run(site: &Site, nanos: u64, streamed: u32) {
        site.note_run(&Run {
            nanos,
            streamed,
            ..Run::default()
        });
    }

    #[test]
    fn who_starts_others_again_and_again_is_on_its_own() {
        let site = Site::new();
        let run = Run {
            nanos: 300,
            starts_others: true,
            ..Run::default()
        };
        note_run(&site, 300, 0);
        (0..2).for_each(|_| site.note_run(&run));
        assert!(!site.is_unknown() && !site.talks());
    }

    #[test]
    fn a_site_learns_its_family_and_can_change_it() {
        let site = Site::new();
        assert!(site.is_unknown() && !site.talks());
        note_run(&site, 300, 0);
        assert!(site.talks());
        for _ in 0..20 {
            note_run(&site, 1_000_000, 0);
        }
        assert!(!site.talks());
        for _ in 0..20 {
            note_run(&site, 200, 0);
        }
        note_run(&site, 5_000_000, 0);
        assert!(site.talks(), "one long run was enough");
        for _ in 0..10 {
            site.note_full_turn(SHORT_TURN, false);
        }
        assert!(!site.talks());
    }

    #[test]
    fn turns_that_were_not_timed_take_back_that_a_site_talks_and_no_more() {
        let site = Site::new();
        (0..20).for_each(|_| note_run(&site, 300, 0));
        assert!(site.talks());
        (0..20).for_each(|_| site.note_untimed_full_turn());
        assert!(site.is_unknown());
    }

    /// What a turn of operations on what nobody else uses takes.
    const SHORT_TURN: Duration = Duration::from_micros(2);

    #[test]
    fn a_stream_talks_unless_it_computes_in_between() {
        let site = Site::new();
        site.note_full_turn(SHORT_TURN, true);
        assert!(site.talks());
        let computing = Site::new();
        computing.note_full_turn(Duration::from_micros(256), true);
        assert!(!computing.talks() && !computing.is_unknown());
        let (streaming, slow) = (Site::new(), Site::new());
        note_run(&streaming, 12_000, 128);
        assert!(streaming.talks());
        note_run(&slow, 128_000, 128);
        assert!(!slow.talks() && !slow.is_unknown());
    }

    #[test]
    fn goroutines_of_one_run_are_siblings_and_those_of_two_workers_are_not() {
        let site = Site::new();
        assert!(!site.note_parent(0, 7));
        assert!(site.note_parent(0, 7));
        assert!(!site.note_parent(0, 8), "another run");
        assert!(
            !site.note_parent(1, 8),
            "another worker's run of that number"
        );
        assert!(site.note_parent(1, 8));
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
        note_run(&site, 300, 0);
        for _ in 0..5 {
            site.note_full_turn(SHORT_TURN, false);
            site.note_run(&Run {
                nanos: 1_500,
                used_up_a_turn: true,
                ..Run::default()
            });
        }
        assert!(!site.talks() && !site.is_unknown());
    }

    /// Who has no reason to send a goroutine away keeps it.
    #[test]
    fn of_workers_with_equally_many_the_preferred_one_is_chosen() {
        let workers = [(); 3].map(|()| Mailbox::obtain());
        for preferred in 0..workers.len() {
            assert_eq!(least_loaded(&workers, preferred), preferred);
        }
        workers[1].live.0.store(1, Ordering::Relaxed);
        let chosen = [0, 1, 2].map(|preferred| least_loaded(&workers, preferred));
        assert_eq!(chosen, [0, 2, 2], "the next of the others");
        workers[1].live.0.store(0, Ordering::Relaxed);
        workers.into_iter().for_each(Mailbox::give_back);
    }

    #[test]
    fn what_is_known_of_a_site_decides() {
        let workers = [Mailbox::obtain(), Mailbox::obtain()];
        let (site, brood) = (Site::new(), Brood::new());
        let parent = |run| Parent {
            worker: 0,
            goroutine: None,
            run,
            brood: &brood,
        };
        let choose = |wish, run| choose(&workers, &site, wish, Some(parent(run)));
        workers[0].live.0.store(3, Ordering::Relaxed);
        assert_eq!(choose(Wish::Adaptive, 7), 0, "the first");
        assert!(!brood.is_pool());
        assert_eq!(choose(Wish::Adaptive, 8), 0, "one of another run");
        assert!(!brood.is_pool());
        assert_eq!(choose(Wish::Adaptive, 8), 0, "its sibling");
        assert!(brood.is_pool());
        assert_eq!(brood.started.get(), 2);
        assert_eq!(choose(Wish::Near, 8), 0);
        assert_eq!(choose(Wish::Spread, 8), 1);
        note_run(&site, 100, 0);
        assert_eq!(choose(Wish::Adaptive, 8), 0, "the site talks");
        site.note_full_turn(SHORT_TURN, false);
        site.note_full_turn(SHORT_TURN, false);
        assert_eq!(choose(Wish::Adaptive, 9), 1, "the site computes");
        workers[0].live.0.store(0, Ordering::Relaxed);
        workers.into_iter().for_each(Mailbox::give_back);
    }

    #[test]
    fn recursion_stays_near_whatever_it_does() {
        static SITE: Site = Site::new();
        static OTHER: Site = Site::new();
        let workers = [Mailbox::obtain(), Mailbox::obtain()];
        workers[0].live.0.store(3, Ordering::Relaxed);
        let brood = Brood::new();
        for site in [&SITE, &OTHER] {
            note_run(site, 1_000_000, 0);
        }
        for (site, at) in [(&SITE, 0), (&OTHER, 1)] {
            let goroutine = unstarted(1, &SITE, false);
            let parent = Parent {
                worker: 0,
                // SAFETY: it is alive until it is dropped below.
                goroutine: Some(unsafe { goroutine.as_ref() }),
                run: 1,
                brood: &brood,
            };
            assert_eq!(choose(&workers, site, Wish::Adaptive, Some(parent)), at);
            assert_eq!(choose(&workers, site, Wish::Spread, Some(parent)), 1);
            note_run(&SITE, 300, 0);
            note_run(&SITE, 300, 0);
            assert!(SITE.talks() && may_leave(parent.goroutine.unwrap()));
            drop_unstarted(goroutine);
        }
        assert!(SITE.divides() && !OTHER.divides());
        workers[0].live.0.store(0, Ordering::Relaxed);
        workers.into_iter().for_each(Mailbox::give_back);
    }

    /// The parts that each worker has of a pool of `started`, of which `taken` have been taken by
    /// others before the run ended.
    fn parts(workers: usize, started: usize, taken: usize) -> Vec<Vec<u64>> {
        static SITE: Site = Site::new();
        parts_of(&SITE, workers, started, taken)
    }

    fn parts_of(
        site: &'static Site,
        workers: usize,
        started: usize,
        taken: usize,
    ) -> Vec<Vec<u64>> {
        let workers: Vec<_> = (0..workers).map(|_| Mailbox::obtain()).collect();
        let brood = Brood::new();
        let queue = |index: usize| &workers[index].start_queue;
        for number in 0..started {
            brood.note(1, number > 0);
            let goroutine = unstarted(number as u64, site, false);
            // SAFETY: it is in no queue.
            assert!(unsafe { queue(0).push(goroutine, Some(1)) });
        }
        for _ in 0..taken {
            drop_unstarted(queue(0).pop().unwrap());
        }
        let mut offered = Vec::new();
        share_out(&workers, 0, &brood, |at| offered.push(at));
        assert!(!brood.is_pool());
        let parts: Vec<Vec<_>> = (0..workers.len())
            .map(|index| {
                let all = queue(index).close();
                std::iter::from_fn(|| all.pop().map(drop_unstarted)).collect()
            })
            .collect();
        let given: Vec<_> = (1..workers.len())
            .filter(|&index| !parts[index].is_empty())
            .collect();
        assert_eq!(offered, given);
        workers.into_iter().for_each(Mailbox::give_back);
        parts
    }

    #[test]
    fn a_pool_is_shared_out_in_contiguous_parts() {
        let sizes = |parts: Vec<Vec<u64>>| parts.iter().map(Vec::len).collect::<Vec<_>>();
        let ring = parts(2, 1000, 0);
        assert_eq!(ring[1], (0..500).collect::<Vec<_>>());
        assert_eq!(ring[0], (500..1000).collect::<Vec<_>>());
        assert_eq!(sizes(parts(2, 8, 0)), [4, 4]);
        assert_eq!(sizes(parts(2, 2, 0)), [1, 1]);
        assert_eq!(sizes(parts(3, 8, 0)), [3, 3, 2]);
        assert_eq!(sizes(parts(8, 3, 0)), [1, 1, 1, 0, 0, 0, 0, 0]);
        assert_eq!(sizes(parts(8, 12, 0)), [2, 2, 2, 2, 1, 1, 1, 1]);
        assert_eq!(sizes(parts(2, 100, 30)), [50, 20], "others have 30 already");
        assert_eq!(sizes(parts(2, 100, 70)), [30, 0]);
        static DIVIDES: Site = Site::that_divides();
        assert_eq!(
            sizes(parts_of(&DIVIDES, 2, 8, 0)),
            [8, 0],
            "large and small"
        );
    }
}
