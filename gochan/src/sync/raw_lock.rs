//! The lock below [`Mutex`](super::Mutex) and [`RwLock`](super::RwLock): held by one writer or
//! by any number of readers. A mutex is one without readers.
//!
//! One word says who holds it and whether somebody waits; those who wait stand in two queues. To
//! take a free lock and to leave one that nobody waits for is one atomic operation each. Whoever
//! leaves the lock leaves it free first and sees to those who wait then.
//!
//! Invariants:
//! - `WRITERS_WAIT` and `READERS_WAIT` are set exactly while those queues are not empty, and
//!   change under the queues' lock only; `HAND_OVER` is set only while writers wait, and no
//!   writer is woken to try again while it is set;
//! - `WRITER_NEXT` is set only while a writer waits or has been woken, and none holds the lock;
//! - while somebody waits, the word changes under the queues' lock only, except that a holder
//!   leaves, that a newcomer overtakes writers, and that one of them which has been woken takes the
//!   lock;
//! - if readers wait, a writer holds the lock, waits for it, has been woken for it, or is about to
//!   see to them, having left; so they are let in when it leaves, or gives up waiting;
//! - while the lock is biased nobody waits, and what its owner holds does not stand in the word; it
//!   becomes biased only while it is free, and everybody but the owner ends that before anything
//!   else (see [`bias`](crate::wait::bias));
//! - if writers wait, either the lock is held, or one of them has been woken (`WOKEN`), or
//!   whoever left the lock last is about to see to it; and if readers hold it, one of them has been
//!   woken, or new readers are kept out.
//!
//! Who gets it next:
//! - a writer that leaves lets in all readers that wait;
//! - a writer that finds readers in the lock keeps new ones out, so it waits for those that are in,
//!   no others. One that finds another writer there does not: then new readers would have to wait as
//!   long as any writer does, and where many want the lock nobody would ever get it without having
//!   been woken for it. It is woken when that writer leaves;
//! - if no reader waits, newcomers of both kinds may overtake a writer that has been woken but does
//!   not run yet, because a lock that is passed on at once is used most. So a woken one may find the
//!   lock taken, and then waits again, in front of all others;
//! - a writer that has waited for 50 microseconds in all, or has been overtaken very often, sets
//!   `HAND_OVER`: then nobody overtakes any more, and whoever leaves the lock hands it to the first
//!   in the queue, until one gets it that has not waited as long.
//!
//! These are the rules of Go's mutex (`sync/mutex.go`: normal and starvation mode) and of its
//! `RWMutex`; how they are held where more threads than processors want the lock,
//! [`rest`](super::rest) says.

use super::monitor::{Cancelled, Monitor, Place, Wait};
use super::pause::{self, pause};
use super::rest::{Moment, Rest, Round};
use crate::runtime;
use crate::wait::atomic::{AtomicUsize, Ordering, const_unless_loom};
use crate::wait::bias::{Bias, Holdings, MOST_HELD};
use crate::wait::{WaitQueue, Wake, WakeList};
use std::mem;
use std::sync::atomic::AtomicU8;
use std::time::{Duration, Instant};

/// A writer holds the lock.
const WRITER: usize = 1;
/// The queue of writers is not empty.
const WRITERS_WAIT: usize = 2;
/// The queue of readers is not empty.
const READERS_WAIT: usize = 4;
/// A writer has been woken to try again, and has not done so yet.
const WOKEN: usize = 8;
/// Nobody may overtake.
const HAND_OVER: usize = 16;
/// A writer has found readers in the lock: the next to hold it is a writer.
const WRITER_NEXT: usize = 32;
/// One reader that holds the lock.
const READER: usize = 64;
/// The lock is biased. The rest of the word means nothing then: a former owner that has just lost
/// the ownership may have given back already what is going to be added here. So that this does not
/// reach the uppermost bit, the one below is set in [`BIAS`] too.
const BIASED: usize = 1 << (usize::BITS - 1);
/// The word of a lock that is biased.
const BIAS: usize = BIASED | (BIASED >> 1);
/// What keeps readers out.
const NO_READERS: usize = WRITER | READERS_WAIT | HAND_OVER | WRITER_NEXT | BIASED;

/// How long a writer waits until it is not overtaken any more. Go takes a millisecond; then, with
/// a hundred that wait, a round in which each gets the lock once is over long before anybody has
/// waited that long again, and whoever runs takes the lock some ten thousand times in between.
const PATIENCE: Duration = Duration::from_micros(50);
/// How often it is overtaken at most; that ends the wait where the clock does not move, in a
/// runtime with virtual time.
#[cfg(not(all(test, loom)))]
const OVERTAKEN: u32 = 1000;
#[cfg(all(test, loom))]
const OVERTAKEN: u32 = 0;

/// For how long a writer pauses and looks whether the lock is left before it waits in the queue:
/// about as long as to park and to be woken.
const LOOKING: Duration = Duration::from_micros(15);
/// Each time that this was in vain halves it for the next one at this lock, as far as to one first
/// pause, and each time that it was not doubles it again. Its holders may be goroutines of the same
/// worker that give way with the lock held, which do not run before who looks has stopped, or may
/// hold it for long.
const MOST_IN_VAIN: u8 = 8;
/// Whether there are pauses at all.
const PAUSING: bool = !cfg!(all(test, loom));

/// See the module's text.
///
/// The order of the fields counts. Where several threads take the lock none of them writes to the
/// bias any more, but all read it before they change the word; on one cache line with the word it
/// would be fetched for the look and then once more for the change. What is locked comes right
/// behind the word, to be fetched with it.
#[repr(C)]
pub(super) struct RawLock {
    bias: Bias<Holdings>,
    queues: Monitor<Queues>,
    /// How often writers have looked in vain lately whether the lock is left.
    looked_in_vain: AtomicU8,
    state: AtomicUsize,
}

/// Bytes in a cache line of the processors that gochan is for.
const CACHE_LINE: usize = 64;
/// Wherever the lock stands, its bias and its word are on different lines.
const _: () = assert!(
    cfg!(all(test, loom))
        || mem::offset_of!(RawLock, state) >= mem::offset_of!(RawLock, queues) + CACHE_LINE
);

struct Queues {
    writers: WaitQueue,
    readers: WaitQueue,
    /// How many readers wait.
    reader_count: u32,
    /// Since when the one waits that has waited longest.
    readers_since: Moment,
    /// While it goes on they are woken to try again, and not let in.
    readers_rest: Rest,
    round: Round,
}

impl RawLock {
    const_unless_loom! {
        pub(super) fn new() -> Self {
            RawLock {
                state: AtomicUsize::new(0),
                looked_in_vain: AtomicU8::new(0),
                bias: Bias::<Holdings>::new(),
                queues: Monitor::new(Queues {
                    writers: WaitQueue::new(),
                    readers: WaitQueue::new(),
                    reader_count: 0,
                    readers_since: Moment::FIRST,
                    readers_rest: Rest::NONE,
                    round: Round::Over(Rest::NONE),
                }),
            }
        }
    }

    // ----- the word -----------------------------------------------------------------------

    /// Changes the word to what `change` says, if it says something, and says whether it did.
    fn change(&self, mut change: impl FnMut(usize) -> Option<usize>) -> bool {
        loop {
            let changed = self
                .state
                .fetch_update(Ordering::Acquire, Ordering::Relaxed, |state| {
                    (state & BIASED == 0).then(|| change(state)).flatten()
                });
            match changed {
                Ok(_) => return true,
                Err(state) if state & BIASED == 0 => return false,
                Err(_) => self.end_bias(),
            }
        }
    }

    /// Makes the lock one that several use.
    #[cold]
    fn end_bias(&self) {
        self.bias.revoke(
            || self.state.load(Ordering::Acquire) & BIASED != 0,
            |held| {
                let held = held as usize;
                self.state
                    .fetch_add(held.wrapping_sub(BIAS), Ordering::AcqRel);
            },
        );
    }

    /// Gives back what its holder has added to the word, and says what is left of it.
    #[inline(always)]
    fn subtract(&self, held: usize) -> usize {
        if self.bias.give_back(held as u32) {
            return 0;
        }
        // The word is not looked at first, because to load what an atomic operation has just
        // written takes almost as long as another one. If it is biased all the same, this thread
        // has taken the lock as the owner and is none any more, and what it held is about to be
        // added.
        // While the lock is held, because nobody else is after its cache line for that.
        let may_own = self.bias.note_use_out_of_line();
        let state = self.state.fetch_sub(held, Ordering::Release) - held;
        if may_own && state == 0 {
            self.begin_bias();
        }
        state
    }

    /// Biases a free lock towards the calling thread.
    #[cold]
    fn begin_bias(&self) {
        self.bias.adopt(|| {
            self.state
                .compare_exchange(0, BIAS, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        });
    }

    // ----- writers ------------------------------------------------------------------------

    /// Takes the lock if that is possible at once.
    #[inline]
    pub(super) fn try_write(&self) -> bool {
        runtime::count(runtime::Operation::Lock);
        self.write_free().is_ok() || self.overtake(false) || self.refused()
    }

    /// A goroutine that tries again and again must not starve others of its worker, of whom one
    /// may hold the lock.
    #[cold]
    fn refused(&self) -> bool {
        runtime::subtract_lock();
        runtime::count(runtime::Operation::Other);
        false
    }

    /// Takes a lock that nobody holds or waits for, or says how it was found.
    #[inline]
    fn write_free(&self) -> Result<(), usize> {
        match self.bias.take(|held| (held == 0).then_some(WRITER as u32)) {
            Some(true) => Ok(()),
            Some(false) => Err(BIAS),
            None => self
                .state
                .compare_exchange(0, WRITER, Ordering::Acquire, Ordering::Relaxed)
                .map(drop),
        }
    }

    /// Takes the lock if nobody holds it, past writers that wait, unless nobody may. `woken`: whether
    /// this writer is the one that `WOKEN` stands for.
    #[cold]
    fn overtake(&self, woken: bool) -> bool {
        self.change(|state| may_take(state, woken).then(|| taken(state & settled(woken))))
    }

    /// Takes the lock; `false` if the time was up. `wait` is asked only if it has to wait: nothing
    /// is to be written to memory for a lock that is free.
    #[inline]
    pub(super) fn write(&self, wait: impl FnOnce() -> Wait) -> bool {
        // Before the lock is held: other goroutines may get their turn here.
        runtime::count(runtime::Operation::Lock);
        match self.write_free() {
            Ok(()) => true,
            Err(found) => self.write_contended(found, wait()) || not_taken(),
        }
    }

    /// As [`RawLock::write`], for somebody who has not been given the lock at the first look, but
    /// has `found` it otherwise.
    #[cold]
    #[inline(never)]
    fn write_contended(&self, found: usize, mut wait: Wait) -> bool {
        if is_free(found) && self.overtake(false) {
            return true;
        }
        // In the time that this takes the other one may use the lock a few times more, which counts
        // where twenty do nothing else: without it they need twice as long.
        let since = crate::time::now();
        if self.spin(false) {
            return true;
        }
        let mut overtaken = 0;
        // Whether this writer is the one that `WOKEN` stands for.
        let mut woken = false;
        loop {
            let starves = woken && (overtaken > OVERTAKEN || has_waited_long(since));
            let mut queues = self.queues.lock();
            let starves = starves && queues.round.may_begin();
            if self.write_or_announce(woken, starves) {
                return true;
            }
            if starves {
                queues.round.begin();
            }
            let place = if woken { Place::First } else { Place::Last };
            woken = false;
            let wake = self.queues.wait(
                queues,
                |queues| &mut queues.writers,
                place,
                &0,
                &wait,
                |queues, woken| self.writer_withdrew(queues, woken),
            );
            match wake {
                Wake::Done => {
                    self.accept(since);
                    return true;
                }
                Wake::Retry => {
                    woken = true;
                    overtaken += 1;
                    if self.spin(woken) {
                        self.accept(since);
                        return true;
                    }
                }
                Wake::DoneLate => {
                    self.accept(since);
                    unwind_cancelled_with_lock(|| self.leave_write());
                    return true;
                }
                Wake::TimedOut => return false,
                _ => {
                    if wait.cancelled() == Cancelled::GiveUp {
                        return false;
                    }
                }
            }
        }
    }

    /// Takes the lock, or sets what says that a writer waits. Called under the queues' lock.
    fn write_or_announce(&self, woken: bool, starves: bool) -> bool {
        let waiting = WRITERS_WAIT | if starves { HAND_OVER } else { 0 };
        self.take_or_announce(|state| {
            let settled = state & settled(woken);
            match may_take(state, woken) {
                true => (true, taken(settled)),
                false if state >= READER => (false, settled | waiting | WRITER_NEXT),
                false => (false, settled | waiting),
            }
        })
    }

    /// Changes the word to what `change` says, which says too whether that takes the lock. Called
    /// under the queues' lock.
    fn take_or_announce(&self, change: impl Fn(usize) -> (bool, usize)) -> bool {
        let mut takes = false;
        let always = self.change(|state| {
            let (take, new) = change(state);
            takes = take;
            Some(new)
        });
        debug_assert!(always);
        takes
    }

    /// Takes the lock if it is free, which it may be though others wait for it, or is left in a
    /// moment, where that can be: its holder must run, so not on this worker. Before each further
    /// look it pauses, so that others use the lock without its cache line being taken from them.
    fn spin(&self, woken: bool) -> bool {
        if self.overtake(woken) {
            return true;
        }
        if !PAUSING || !runtime::may_look_on() {
            return false;
        }
        let in_vain = self.looked_in_vain.load(Ordering::Relaxed);
        let longest = LOOKING / (1 << in_vain);
        let mut paused = Duration::ZERO;
        while self.state.load(Ordering::Relaxed) & HAND_OVER == 0 {
            if paused >= longest {
                if in_vain < MOST_IN_VAIN {
                    self.looked_in_vain.store(in_vain + 1, Ordering::Relaxed);
                }
                return false;
            }
            paused += pause(longest - paused, &self.state);
            if self.overtake(woken) {
                // Nobody else has run on this thread meanwhile.
                self.bias.note_contention();
                if in_vain > 0 {
                    self.looked_in_vain.store(in_vain - 1, Ordering::Relaxed);
                }
                return true;
            }
        }
        false
    }

    /// Ends a round that has come to a writer that has not waited long, or was not there when it
    /// began; notes that one has waited long. That writer, which has got the lock, calls this.
    fn accept(&self, since: Instant) {
        let waited_long = has_waited_long(since);
        let is_in_round = self.state.load(Ordering::Relaxed) & HAND_OVER != 0;
        if !is_in_round && !waited_long {
            return;
        }
        let since = Moment::from(since);
        let mut queues = self.queues.lock();
        if is_in_round && (!waited_long || queues.round.began_before(since)) {
            self.state.fetch_and(!HAND_OVER, Ordering::Relaxed);
            queues.round.end();
        }
        if waited_long {
            queues.readers_rest = Rest::after(since);
        }
    }

    /// A writer has left the queue without having been served. Called under the queues' lock.
    fn writer_withdrew(&self, queues: &mut Queues, woken: &mut WakeList) {
        if !queues.writers.is_empty() {
            return;
        }
        queues.round.end();
        let readers = queues.readers_to_admit();
        // Readers that waited for this writer alone wait for nobody now.
        let admit = self.take_or_announce(|state| {
            let admit = readers > 0 && state & (WRITER | WOKEN) == 0;
            let next = match state & WOKEN {
                0 => WRITER_NEXT,
                _ => 0,
            };
            let new = state & !(WRITERS_WAIT | HAND_OVER | next);
            match admit {
                true => (true, (new & !READERS_WAIT) + readers),
                false => (false, new),
            }
        });
        if admit {
            queues.take_readers(Wake::Done, woken);
        }
    }

    /// Leaves the lock. Only the writer that holds it may call this.
    #[inline]
    pub(super) fn leave_write(&self) {
        runtime::subtract_lock();
        let state = self.subtract(WRITER);
        if state != 0 {
            self.writer_left(state);
        }
    }

    /// Lets in the readers that wait, or sees to the writers. `state` is how the lock was left.
    #[cold]
    #[inline(never)]
    fn writer_left(&self, state: usize) {
        if state & (WOKEN | READERS_WAIT) == WOKEN {
            // The writer that has been woken will see to the others.
            return;
        }
        let mut woken = WakeList::new();
        let mut queues = self.queues.lock();
        let state = self.state_to_pass_on();
        if queues.reader_count > 0 {
            let (admit, wake) = match state & (WRITERS_WAIT | WOKEN) == 0 && queues.readers_retry()
            {
                true => (0, Wake::Retry),
                false => (queues.readers_to_admit(), Wake::Done),
            };
            // A writer that has been woken may take it meanwhile, and sees to them when it leaves.
            let mut found = state;
            let let_in = |state| {
                found = state;
                is_free(state).then(|| (state & !READERS_WAIT) + admit)
            };
            if self.change(let_in) {
                queues.take_readers(wake, &mut woken);
                if found & (HAND_OVER | WOKEN) == 0 {
                    // It keeps new readers out when it finds those, and until then they may pass.
                    self.wake_writer(false, &mut queues, &mut woken);
                }
            }
        } else {
            self.see_to_writers(state, &mut queues, &mut woken);
        }
        drop(queues);
        drop(woken);
    }

    /// The word, for one who has left the lock and gives it to others. Acquires what all who held it
    /// have released: who is handed the lock synchronises with this thread only.
    fn state_to_pass_on(&self) -> usize {
        self.state.load(Ordering::Acquire)
    }

    /// Hands the lock to the writer that waits longest, or wakes it to try again, unless somebody
    /// else sees to that. `state` is what [`RawLock::state_to_pass_on`] has read under the queues' lock.
    fn see_to_writers(&self, state: usize, queues: &mut Queues, woken: &mut WakeList) {
        if state & WOKEN != 0 {
            return;
        }
        if is_free(state) {
            self.wake_writer(state & HAND_OVER != 0, queues, woken);
        } else if !queues.writers.is_empty() {
            // Readers may have come since the lock was left. If they have left it again, the last of
            // them is about to see to the writers.
            let has_readers = |state| state >= READER && state & (WRITER | WOKEN) == 0;
            self.change(|state| has_readers(state).then_some(state | WRITER_NEXT));
        }
    }

    /// Whether writers wait for readers that may be overtaken for ever.
    #[cfg(all(test, loom))]
    pub(super) fn has_forgotten_writers(&self) -> bool {
        let state = self.state.load(Ordering::Relaxed);
        state >= READER && state & (WRITERS_WAIT | WOKEN | HAND_OVER | WRITER_NEXT) == WRITERS_WAIT
    }

    /// Wakes the writer that waits longest, if one does: it holds the lock then, or tries again.
    fn wake_writer(&self, hands_over: bool, queues: &mut Queues, woken: &mut WakeList) {
        if queues.writers.is_empty() {
            return;
        }
        let wake = if hands_over { Wake::Done } else { Wake::Retry };
        queues.writers.take_one(wake, woken);
        let mut settled = !0;
        if queues.writers.is_empty() {
            settled = !(WRITERS_WAIT | HAND_OVER);
            queues.round.end();
        }
        // It may be taken meanwhile by a newcomer, if it is not handed over.
        self.take_or_announce(|state| match hands_over {
            true => (true, taken(state & settled)),
            false => (false, (state & settled) | WOKEN),
        });
    }

    // ----- readers ------------------------------------------------------------------------

    /// Takes the lock for reading if that is possible at once.
    #[inline]
    pub(super) fn try_read(&self) -> bool {
        runtime::count(runtime::Operation::Lock);
        self.read_free() || self.refused()
    }

    /// Takes the lock for reading if no writer holds it or is to have it.
    #[inline(always)]
    fn read_free(&self) -> bool {
        let count = |held: u32| {
            let counted = held + READER as u32;
            (held & WRITER as u32 == 0 && counted <= MOST_HELD).then_some(counted)
        };
        if let Some(counted) = self.bias.take(count) {
            return counted;
        }
        // To try without a look is cheapest where nobody reads, and brings the word here in any
        // case.
        match self
            .state
            .compare_exchange(0, READER, Ordering::Acquire, Ordering::Relaxed)
        {
            Ok(_) => true,
            Err(state) if state & NO_READERS == 0 => {
                self.count_reader(state) || self.read_free_contended()
            }
            Err(state) => state & BIASED != 0 && self.read_free_contended(),
        }
    }

    #[inline]
    fn count_reader(&self, state: usize) -> bool {
        self.state
            .compare_exchange_weak(
                state,
                one_more_reader(state),
                Ordering::Acquire,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// As [`RawLock::read_free`], for a reader that has met others at the word. They read on
    /// undisturbed for a while, which for all together is faster than to take the word's cache
    /// line from each other for every step.
    #[cold]
    fn read_free_contended(&self) -> bool {
        self.bias.note_contention();
        loop {
            if PAUSING {
                pause(pause::LONGEST, &self.state);
            }
            let state = self.state.load(Ordering::Relaxed);
            if state & BIASED != 0 {
                self.end_bias();
                continue;
            }
            if state & NO_READERS != 0 {
                return false;
            }
            if self.count_reader(state) {
                return true;
            }
        }
    }

    /// Takes the lock for reading; `false` if the time was up.
    #[inline(always)]
    pub(super) fn read(&self, wait: impl FnOnce() -> Wait) -> bool {
        runtime::count(runtime::Operation::Lock);
        self.read_free() || self.read_contended(wait()) || not_taken()
    }

    #[cold]
    #[inline(never)]
    fn read_contended(&self, mut wait: Wait) -> bool {
        let since = Moment::now();
        loop {
            let mut queues = self.queues.lock();
            if self.read_or_announce() {
                return true;
            }
            queues.note_reader(since);
            let wake = self.queues.wait(
                queues,
                |queues| &mut queues.readers,
                Place::Last,
                &0,
                &wait,
                |queues, _| {
                    queues.reader_count -= 1;
                    if queues.reader_count == 0 {
                        self.state.fetch_and(!READERS_WAIT, Ordering::Relaxed);
                    }
                },
            );
            match wake {
                Wake::Done => return true,
                Wake::Retry => {}
                Wake::DoneLate => {
                    unwind_cancelled_with_lock(|| self.leave_read());
                    return true;
                }
                Wake::TimedOut => return false,
                _ => {
                    if wait.cancelled() == Cancelled::GiveUp {
                        return false;
                    }
                }
            }
        }
    }

    /// Takes the lock for reading, or sets what says that a reader waits. Called under the
    /// queues' lock.
    fn read_or_announce(&self) -> bool {
        self.take_or_announce(|state| match state & NO_READERS {
            0 => (true, one_more_reader(state)),
            _ => (false, state | READERS_WAIT),
        })
    }

    /// Leaves the lock. Only a reader that holds it may call this.
    #[inline(always)]
    pub(super) fn leave_read(&self) {
        runtime::subtract_lock();
        let state = self.subtract(READER);
        if state < READER && state & (WRITERS_WAIT | WOKEN) == WRITERS_WAIT {
            self.last_reader_left();
        }
    }

    #[cold]
    #[inline(never)]
    fn last_reader_left(&self) {
        let mut woken = WakeList::new();
        let mut queues = self.queues.lock();
        self.see_to_writers(self.state_to_pass_on(), &mut queues, &mut woken);
        drop(queues);
        drop(woken);
    }

    /// Readers are woken to try again from now on.
    #[cfg(all(test, loom))]
    pub(super) fn have_readers_retry(&self) {
        self.queues.lock().readers_rest = Rest::ENDLESS;
    }

    /// Whether somebody holds the lock for writing.
    pub(super) fn is_written(&self) -> bool {
        let state = self.state.load(Ordering::Relaxed);
        let held = match state & BIASED {
            0 => state,
            _ => self.bias.held() as usize,
        };
        held & WRITER != 0
    }
}

impl Queues {
    /// What the readers that wait add to the word.
    fn readers_to_admit(&self) -> usize {
        self.reader_count as usize * READER
    }

    /// Counts a reader that is about to wait, and has done so since then.
    fn note_reader(&mut self, since: Moment) {
        self.readers_since = match self.reader_count {
            0 => since,
            _ => since.earlier(self.readers_since),
        };
        self.reader_count += 1;
    }

    /// Whether readers that wait, and no writer does, are to be woken to try again.
    fn readers_retry(&self) -> bool {
        self.readers_rest.goes_on() && !self.readers_since.is_too_long_ago()
    }

    fn take_readers(&mut self, wake: Wake, woken: &mut WakeList) {
        self.reader_count = 0;
        self.readers.take_all(wake, woken);
    }
}

/// For one who has waited in vain for a lock that was counted when it began to.
#[cold]
fn not_taken() -> bool {
    runtime::subtract_lock();
    false
}

/// As [`unwind_cancelled`](crate::unwind_cancelled), for one that has got the lock: it is to `leave`
/// it if it unwinds here.
fn unwind_cancelled_with_lock(leave: impl Fn()) {
    let leave = OnUnwind(leave);
    crate::unwind_cancelled();
    mem::forget(leave);
}

/// Whether nobody holds the lock.
fn is_free(state: usize) -> bool {
    state & (WRITER | BIASED) == 0 && state < READER
}

/// The word when a writer has taken the lock.
fn taken(state: usize) -> usize {
    state & !WRITER_NEXT | WRITER
}

/// What is left of the word when a writer tries that may have been woken for it.
fn settled(woken: bool) -> usize {
    if woken { !WOKEN } else { !0 }
}

/// Whether a writer that may have been woken for the lock may take it.
fn may_take(state: usize, woken: bool) -> bool {
    may_overtake(state) || woken && is_free(state)
}

/// Whether a writer that has just come may take the lock.
fn may_overtake(state: usize) -> bool {
    is_free(state) && state & (READERS_WAIT | HAND_OVER) == 0
}

/// Counts a reader. The count can run over only if guards are forgotten for hours.
fn one_more_reader(state: usize) -> usize {
    let counted = state + READER;
    assert!(counted & BIASED == 0, "too many readers");
    counted
}

/// In a model the clock must not decide anything.
fn has_waited_long(since: Instant) -> bool {
    !cfg!(all(test, loom)) && crate::time::now().saturating_duration_since(since) >= PATIENCE
}

/// Calls its closure when it is dropped, which is when the code below it unwinds.
pub(super) struct OnUnwind<F: Fn()>(pub(super) F);

impl<F: Fn()> Drop for OnUnwind<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::wait::{Patience, WaitReason, bias};
    use std::hint::{black_box, spin_loop};
    use std::panic::Location;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    /// A lock and what it guards: two numbers that are alike whenever nobody writes.
    struct Guarded {
        lock: RawLock,
        numbers: [AtomicUsize; 2],
    }

    impl Guarded {
        fn wait() -> Wait {
            let patience = Patience::lasting(Duration::from_secs(20));
            Wait::new(WaitReason::Mutex, Location::caller(), patience)
        }

        fn write(&self) {
            assert!(self.lock.write(Self::wait));
            for number in &self.numbers {
                let value = black_box(number.load(Ordering::Relaxed));
                number.store(value + 1, Ordering::Relaxed);
            }
            self.lock.leave_write();
        }

        /// Reads twice within each other.
        fn read(&self) {
            assert!(self.lock.read(Self::wait));
            let [first, second] = &self.numbers;
            let value = first.load(Ordering::Relaxed);
            if self.lock.try_read() {
                assert_eq!(second.load(Ordering::Relaxed), value);
                self.lock.leave_read();
            }
            assert_eq!(second.load(Ordering::Relaxed), value);
            self.lock.leave_read();
        }
    }

    /// To look whether a lock is left that its holder keeps for long gets shorter, and longer again
    /// where it is of use.
    #[test]
    fn looks_in_vain_get_shorter() {
        let guarded = Guarded {
            lock: RawLock::new(),
            numbers: Default::default(),
        };
        let in_vain = || guarded.lock.looked_in_vain.load(Ordering::Relaxed);
        assert!(guarded.lock.try_write());
        for looks in 0..MOST_IN_VAIN + 2 {
            assert_eq!(in_vain(), looks.min(MOST_IN_VAIN));
            assert!(!guarded.lock.spin(false));
        }
        guarded.lock.leave_write();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while in_vain() > MOST_IN_VAIN / 2 {
                        guarded.write();
                    }
                });
            }
        });
    }

    /// After a writer has waited long readers are woken to try again, unless one has waited long too.
    #[test]
    fn no_reader_tries_again_for_ever() {
        let long_ago = || Moment::from(Instant::now().checked_sub(LONG).expect("after the boot"));
        const LONG: Duration = Duration::from_millis(5);
        let lock = RawLock::new();
        let mut queues = lock.queues.lock();
        queues.note_reader(Moment::now());
        // The first moment of a process may have been this one, and none is before the first.
        thread::sleep(LONG);
        assert!(!queues.readers_retry(), "no writer has waited");
        // Unless this thread does not run for a whole millisecond, each time.
        let retry = (0..1000).any(|_| {
            queues.readers_rest = Rest::after(long_ago());
            queues.reader_count = 0;
            queues.note_reader(Moment::now());
            queues.readers_retry()
        });
        assert!(retry);
        queues.note_reader(long_ago());
        queues.note_reader(Moment::now());
        queues.readers_rest = Rest::after(long_ago());
        assert!(!queues.readers_retry());
    }

    /// One thread uses a lock all the time, so that it becomes its owner, and does so again after
    /// each time that another one has come.
    #[test]
    #[cfg_attr(
        not(target_os = "linux"),
        ignore = "no lock has an owner without membarrier"
    )]
    fn a_lock_has_an_owner_again_and_again() {
        let guarded = Guarded {
            lock: RawLock::new(),
            numbers: [const { AtomicUsize::new(0) }; 2],
        };
        let (written, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let own = || {
            bias::obtain();
            while !is_over.load(Ordering::Relaxed) {
                for _ in 0..100 {
                    guarded.write();
                    guarded.read();
                }
                written.fetch_add(100, Ordering::Relaxed);
            }
            bias::resign();
        };
        let come = || {
            let _over = OnUnwind(|| is_over.store(true, Ordering::Relaxed));
            for round in 0..200 {
                let end = Instant::now() + Duration::from_secs(20);
                while guarded.lock.state.load(Ordering::Relaxed) & BIASED == 0 {
                    assert!(Instant::now() < end, "round {round}: nobody owns it");
                    thread::yield_now();
                }
                // The ownership was worth while, so the next needs no more uses than this one.
                let start = Instant::now();
                while start.elapsed() < Duration::from_micros(4_000 + round * 7) {
                    spin_loop();
                }
                match round % 2 {
                    0 => guarded.read(),
                    _ => {
                        guarded.write();
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        };
        thread::scope(|s| {
            s.spawn(own);
            s.spawn(come);
        });
        let written = written.load(Ordering::Relaxed);
        for number in &guarded.numbers {
            assert_eq!(number.load(Ordering::Relaxed), written);
        }
    }
}
