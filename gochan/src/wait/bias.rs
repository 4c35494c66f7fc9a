//! Bias: what one worker alone uses costs that worker no atomic read-modify-write.
//!
//! Goroutines that talk to each other share a worker wherever that can be, so most channels and
//! many locks are used by one thread for long stretches. Such a thing gets *biased* towards that
//! thread: its owner enters with two loads and a plain store, and everybody else takes the
//! ownership away first. That is expensive (a fence on all processors), so a thing is biased only
//! when its user has spent as much on it as that will cost, and not again and again.
//!
//! The thing itself has a word in which an adoption is *announced*, in the same step that makes
//! sure that nobody is inside. Everybody else reads that word anyway, so what is not biased costs
//! no more than it would without all this.
//!
//! There are two kinds. Of what is used for a few instructions at a time the owner notes that it is
//! [inside](Inside), and others wait until it has left. Of a lock that may be held for long it notes
//! what it [holds](Holdings), and who takes the ownership away takes that over into the lock's own
//! word, from where the former owner gives it back as everybody else does.
//!
//! Invariants:
//! - while `owner` says that somebody owns it, that is announced;
//! - the owner has entered, or holds something, only after a store to `own` after which it still
//!   found itself the owner;
//! - so who has put `owner` into the phase `REVOKING` and passed the heavy fence sees in `own` all
//!   that a former owner believes to have done as the owner. One that has changed what it holds at
//!   that very moment, and finds that it is the owner no more, looks what has been found there;
//! - a single thread may ever become the owner, so that what a former owner still writes to `own`,
//!   having found that it is none any more, is nobody else's.

use super::asymmetric::{self, Readiness};
use super::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, const_unless_loom};
use super::lock::Backoff;
use crate::message;
use std::sync::LazyLock;
use std::sync::atomic::AtomicU32 as PlainU32;
use std::time::Instant;

/// Nobody has ever owned it. Any other value is the token of the one who may, with a phase.
const NOBODY: usize = 0;

/// Its thread owns it.
const OWNS: usize = 0;
/// Its thread is about to announce that it owns it.
const ADOPTING: usize = 1;
/// Somebody is taking the ownership away.
const REVOKING: usize = 2;
/// It was taken away.
const FORMER: usize = 3;
/// What tokens are multiples of.
const PHASES: usize = 4;

/// The token of a thread that never owns anything.
pub(crate) const STRANGER: usize = !(PHASES - 1);

/// After so many uses by one thread in a row it becomes the owner: about what it costs others to
/// take that away, in units of what the owner saves by each use.
const USES: u32 = if cfg!(all(test, loom)) { 1 } else { 1000 };
/// By what the uses have to grow each time that the ownership was taken away.
const GROWTH: u32 = 16;
/// The most uses that are asked for; after that nobody becomes the owner any more.
const MOST_USES: u32 = if cfg!(all(test, loom)) {
    1
} else {
    USES * GROWTH * GROWTH * GROWTH
};
/// More uses than there will be.
const NEVER: u32 = u32::MAX;
/// Who owned it so long at least, in milliseconds, was rightly made the owner: to take away so rarely
/// what is adopted again costs others a hundredth of the time between.
const LONG_TENURE: u32 = 2;

mod token {
    use super::{PHASES, STRANGER};
    use crate::runtime::this_thread;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// What the calling thread is known as.
    #[inline(always)]
    pub(super) fn current() -> usize {
        this_thread(|this| this.token.get())
    }

    /// Lets the calling thread own things, until [`resign`]. It gets a token that no thread has
    /// had before, so that what one leaves behind is not taken for another one's.
    pub(crate) fn obtain() {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Where words are small the numbers may run out: then this thread is one of many.
        let token = number.saturating_mul(PHASES).min(STRANGER);
        this_thread(|this| this.token.set(token));
    }

    /// The calling thread does not enter as an owner any more.
    pub(crate) fn resign() {
        this_thread(|this| this.token.set(STRANGER));
    }
}

pub(crate) use token::{obtain, resign};

/// See the module's text. What the owner writes is an [`Inside`] or are [`Holdings`].
///
/// What begins as something else than zero is in the last eight bytes, which the compiler fills in
/// by one store. The rest it copies from zeros, in pieces that overlap unless they are whole words,
/// and to read what was written in such pieces takes some 4 ns.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Bias<T> {
    /// The token of the thread that may own it, and the phase.
    owner: AtomicUsize,
    uses: Uses,
    /// What the owner writes.
    own: T,
}

/// Whether the owner uses what is biased at the moment.
#[derive(Debug)]
pub(crate) struct Inside {
    inside: AtomicBool,
    /// What would be padding otherwise: the compiler copies that together with what comes behind it,
    /// at once, and so waits for what has just been written there in parts.
    _filler: [u8; 3],
}

/// What the owner holds of a lock. Nothing is 0.
#[derive(Debug)]
pub(crate) struct Holdings(AtomicU32);

/// The most that an owner may hold.
pub(crate) const MOST_HELD: u32 = (1 << 30) - 1;
/// Who took the ownership away has found what stands beside this, and taken it over.
const FOUND: u32 = 1 << 31;

impl Bias<Inside> {
    const_unless_loom! {
        /// Without an owner.
        pub(crate) fn new() -> Self {
            Bias {
                owner: AtomicUsize::new(NOBODY),
                own: Inside {
                    inside: AtomicBool::new(false),
                    _filler: [0; 3],
                },
                uses: Uses::new(),
            }
        }
    }

    /// Enters, if the calling thread is the owner. Then nobody else does anything with what is
    /// biased before [`Bias::exit`].
    #[inline(always)]
    pub(crate) fn enter(&self) -> bool {
        let me = token::current();
        if !self.is_owned_by(me, Ordering::Relaxed) {
            return false;
        }
        self.own.inside.store(true, Ordering::Relaxed);
        asymmetric::light();
        if self.is_owned_by(me, Ordering::Acquire) {
            return true;
        }
        self.exit();
        false
    }

    /// Ends what [`Bias::enter`] or [`Bias::adopt`] began.
    #[inline(always)]
    pub(crate) fn exit(&self) {
        self.own.inside.store(false, Ordering::Release);
    }

    /// Makes the calling thread the owner; it is inside then. `announce` makes it known. The caller
    /// sees to it that nobody else is inside.
    #[cold]
    pub(crate) fn adopt(&self, announce: impl FnOnce()) {
        self.become_owner(|| {
            self.own.inside.store(true, Ordering::Relaxed);
            announce();
            true
        });
    }

    /// Takes the ownership away, waits until the owner has left, and has `settle` take the
    /// announcement back; or waits until somebody else has done so. `is_announced` reads the
    /// announcement.
    #[cold]
    #[inline(never)]
    pub(crate) fn revoke(&self, is_announced: impl Fn() -> bool, settle: impl FnOnce()) {
        self.take_away(is_announced, || {
            let mut backoff = Backoff::new();
            while self.own.inside.load(Ordering::Acquire) {
                backoff.pause();
            }
            settle();
        });
    }
}

impl Bias<Holdings> {
    const_unless_loom! {
        /// Without an owner.
        pub(crate) fn new() -> Self {
            Bias {
                owner: AtomicUsize::new(NOBODY),
                own: Holdings(AtomicU32::new(0)),
                uses: Uses::new(),
            }
        }
    }

    /// What the owner holds, for who only wants to tell.
    pub(crate) fn held(&self) -> u32 {
        self.own.0.load(Ordering::Relaxed) & !FOUND
    }

    /// If the calling thread is the owner, has it hold what `change` makes of what it holds, unless
    /// that is `None`, as it is to be for more than [`MOST_HELD`], and says whether it does. `None`: it
    /// is not the owner.
    #[inline(always)]
    pub(crate) fn take(&self, change: impl FnOnce(u32) -> Option<u32>) -> Option<bool> {
        // What the owner has done before was done by this thread.
        self.change(change, Ordering::Relaxed, Ordering::Acquire)
    }

    /// If the calling thread is the owner, gives back so much of what it holds. `false`: it is not
    /// the owner.
    #[inline(always)]
    pub(crate) fn give_back(&self, held: u32) -> bool {
        let less = |all: u32| Some(all - held);
        self.change(less, Ordering::Release, Ordering::Relaxed)
            .is_some()
    }

    #[inline(always)]
    fn change(
        &self,
        change: impl FnOnce(u32) -> Option<u32>,
        store: Ordering,
        look: Ordering,
    ) -> Option<bool> {
        let me = token::current();
        if !self.is_owned_by(me, Ordering::Relaxed) {
            return None;
        }
        let own = self.own.0.load(Ordering::Relaxed);
        let Some(held) = change(own) else {
            // If the ownership has just been taken away, what is found there says nothing.
            return (own & FOUND == 0).then_some(false);
        };
        self.own.0.store(held, store);
        asymmetric::light();
        if self.is_owned_by(me, look) || self.was_found(held) {
            return Some(true);
        }
        None
    }

    /// Whether who took the ownership away, while this former owner has changed what it holds, has
    /// found it changed.
    #[cold]
    #[inline(never)]
    fn was_found(&self, held: u32) -> bool {
        let mut backoff = Backoff::new();
        while self.owner.load(Ordering::Acquire) % PHASES == REVOKING {
            backoff.pause();
        }
        // If the change was one of what had been found already, it has not been.
        held & FOUND == 0 && self.own.0.load(Ordering::Relaxed) == held | FOUND
    }

    /// Makes the calling thread the owner, which holds nothing. It comes to nothing unless
    /// `announce` can make it known, which it can only while nobody else holds anything.
    #[cold]
    pub(crate) fn adopt(&self, announce: impl FnOnce() -> bool) {
        self.become_owner(|| {
            self.own.0.store(0, Ordering::Relaxed);
            announce()
        });
    }

    /// Takes the ownership away and hands to `settle` what the owner holds, which is to take the
    /// announcement back and that over at once; or waits until somebody else has done so.
    /// `is_announced` reads the announcement.
    #[cold]
    #[inline(never)]
    pub(crate) fn revoke(&self, is_announced: impl Fn() -> bool, settle: impl FnOnce(u32)) {
        self.take_away(is_announced, || {
            let found = |held| Some(held | FOUND);
            let held = self
                .own
                .0
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, found);
            settle(held.expect("it is always changed"));
        });
    }
}

impl<T> Bias<T> {
    #[inline(always)]
    fn is_owned_by(&self, token: usize, look: Ordering) -> bool {
        self.owner.load(look) == token | OWNS
    }

    /// Counts a use while there is no owner; `true` if the calling thread should become it.
    #[inline]
    pub(crate) fn note_use(&self) -> bool {
        self.uses.note(token::current())
    }

    /// As [`Bias::note_use`]. Only the look whether uses are counted at all is inlined, for locks
    /// that are to stay small where they are.
    #[inline(always)]
    pub(crate) fn note_use_out_of_line(&self) -> bool {
        #[inline(never)]
        fn note_use(uses: &Uses) -> bool {
            uses.note(token::current())
        }
        self.uses.are_counted() && note_use(&self.uses)
    }

    /// Notes that two threads have met here: after a few times nobody becomes the owner any more,
    /// and uses are not counted.
    #[cold]
    pub(crate) fn note_contention(&self) {
        // Not written without need, because all who come here read it.
        if self.uses.are_counted() {
            self.uses.ask_for_more();
        }
    }

    /// Makes the calling thread the owner if it may be that and `announce` can make it known, which
    /// it does after it has put `own` in order.
    fn become_owner(&self, announce: impl FnOnce() -> bool) {
        let me = token::current();
        let owner = self.owner.load(Ordering::Relaxed);
        let readiness = asymmetric::readiness();
        if owner != NOBODY && owner & !(PHASES - 1) != me || readiness == Readiness::Never {
            self.uses.end();
            return;
        }
        if owner % PHASES == REVOKING || readiness == Readiness::NotYet {
            self.uses.start_again();
            return;
        }
        let begun =
            self.owner
                .compare_exchange(owner, me | ADOPTING, Ordering::Acquire, Ordering::Relaxed);
        if begun.is_err() {
            return;
        }
        let announced = announce();
        let phase = if announced { OWNS } else { FORMER };
        if announced {
            self.uses.begin_tenure(milliseconds());
        }
        self.owner.store(me | phase, Ordering::Release);
    }

    /// Takes the ownership away and has `settle` see to what the owner has left in `own` and take
    /// the announcement back, or waits until somebody else has done so.
    #[inline(always)]
    fn take_away(&self, is_announced: impl Fn() -> bool, settle: impl FnOnce()) {
        let mut backoff = Backoff::new();
        while is_announced() {
            if let Some(token) = self.keep_owner_out() {
                settle();
                self.owner.store(token | FORMER, Ordering::Release);
                return;
            }
            backoff.pause();
        }
    }

    /// Keeps the owner out, and says who it was; `None` if there is no owner, or somebody else is
    /// about to do so.
    fn keep_owner_out(&self) -> Option<usize> {
        let token = self.owner.load(Ordering::Relaxed);
        if token % PHASES != OWNS || token == NOBODY {
            return None;
        }
        self.owner
            .compare_exchange(
                token,
                token | REVOKING,
                Ordering::Acquire,
                Ordering::Relaxed,
            )
            .ok()?;
        if token == token::current() {
            // The owner itself finds its own announcement in the way.
            self.uses.start_again();
            return Some(token);
        }
        if !asymmetric::heavy() {
            // It worked when the ownership was given, and without it nobody can go on.
            message::print(format_args!(
                "fatal error: gochan: the kernel has withdrawn membarrier from this process"
            ));
            std::process::abort();
        }
        self.uses.end_tenure(milliseconds());
        Some(token)
    }
}

/// What has been seen of the users while there was no owner. Several threads may write here at the
/// same time and lose counts: nothing but speed depends on them.
#[derive(Debug)]
#[repr(C)]
struct Uses {
    /// The lower part of the token of the thread that used it last.
    last: PlainU32,
    /// How often that one has used it in a row; while it has an owner, since when, in milliseconds.
    streak: PlainU32,
    /// How often it has to, to become the owner.
    needed: PlainU32,
}

impl Uses {
    const fn new() -> Self {
        Uses {
            last: PlainU32::new(0),
            streak: PlainU32::new(0),
            needed: PlainU32::new(USES),
        }
    }

    /// Whether anybody may become the owner yet.
    #[inline]
    fn are_counted(&self) -> bool {
        self.needed.load(Ordering::Relaxed) != NEVER
    }

    /// Counts a use by the thread with that token; `true` if it should become the owner.
    #[inline]
    fn note(&self, token: usize) -> bool {
        let needed = self.needed.load(Ordering::Relaxed);
        if needed == NEVER || token == STRANGER {
            return false;
        }
        let user = token as u32;
        if self.last.load(Ordering::Relaxed) != user {
            self.last.store(user, Ordering::Relaxed);
            self.start_again();
        }
        let streak = self.streak.load(Ordering::Relaxed) + 1;
        self.streak.store(streak, Ordering::Relaxed);
        streak > needed
    }

    fn start_again(&self) {
        self.streak.store(0, Ordering::Relaxed);
    }

    fn begin_tenure(&self, now: u32) {
        self.streak.store(now, Ordering::Relaxed);
    }

    /// Somebody has taken the ownership away: it was not worth while unless it lasted.
    fn end_tenure(&self, now: u32) {
        let lasted = now.wrapping_sub(self.streak.load(Ordering::Relaxed));
        if lasted < LONG_TENURE {
            self.ask_for_more();
        } else {
            self.needed.store(USES, Ordering::Relaxed);
            self.start_again();
        }
    }

    /// Somebody else has taken the ownership away, or would have.
    fn ask_for_more(&self) {
        let needed = self.needed.load(Ordering::Relaxed);
        if needed < MOST_USES {
            self.needed.store(needed * GROWTH, Ordering::Relaxed);
            self.start_again();
        } else {
            self.end();
        }
    }

    /// Nobody becomes the owner any more.
    fn end(&self) {
        self.needed.store(NEVER, Ordering::Relaxed);
    }
}

/// The time, of which only differences mean something. In a model it must not decide anything.
fn milliseconds() -> u32 {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    match cfg!(all(test, loom)) {
        true => 0,
        false => BEGIN.elapsed().as_millis() as u32,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn whom_the_ownership_was_taken_from_soon_has_to_ask_for_it_longer() {
        let uses = Uses::new();
        let needed_after_tenure = |begin: u32, lasted| {
            uses.begin_tenure(begin);
            uses.end_tenure(begin.wrapping_add(lasted));
            uses.needed.load(Ordering::Relaxed)
        };
        // The clock goes round in between.
        for begin in [7, u32::MAX] {
            assert_eq!(needed_after_tenure(begin, 0), USES * GROWTH);
            let soon = needed_after_tenure(begin, LONG_TENURE - 1);
            assert_eq!(soon, USES * GROWTH * GROWTH);
            assert_eq!(needed_after_tenure(begin, LONG_TENURE), USES);
        }
    }
}
