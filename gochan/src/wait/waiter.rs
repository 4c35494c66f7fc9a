//! One wait of one goroutine or thread.

use super::atomic::{AtomicUsize, Cell, Ordering};
use super::parker::current_thread;
use super::{Entry, EntryPlace, Parker};
use crate::runtime::goroutine::Goroutine;
use crate::runtime::{self, Interrupt, Running};
use std::cell::UnsafeCell;
use std::fmt;
use std::hint::unreachable_unchecked;
use std::mem::MaybeUninit;
use std::panic::Location;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// What was waited for has happened.
    Done,
    /// What was waited for has happened, but the runtime has begun to end meanwhile: the
    /// goroutine is to unwind once it has put in order what it got.
    DoneLate,
    /// The channel was closed.
    Closed,
    /// The channel's last receiver has gone.
    Abandoned,
    /// The partner gave up half way: the operation is to be tried again.
    Retry,
    /// The time was up.
    TimedOut,
    /// The runtime ends and this goroutine is to unwind.
    Cancelled,
}

/// How long an operation may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// Not at all.
    Never,
    /// Until that moment on the clock of the calling goroutine's runtime.
    Until(Instant),
    /// For ever.
    Forever,
}

impl Patience {
    /// Until `duration` from now; for ever if that is beyond what the clock can say.
    pub(crate) fn lasting(duration: Duration) -> Self {
        crate::runtime::now_or_just_after()
            .checked_add(duration)
            .map_or(Patience::Forever, Patience::Until)
    }

    /// The moment at which to give up.
    pub(crate) fn deadline(self) -> Option<Instant> {
        match self {
            Patience::Until(deadline) => Some(deadline),
            Patience::Never | Patience::Forever => None,
        }
    }
}

/// What somebody waits for, in the words of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum WaitReason {
    ChanSend,
    ChanReceive,
    Select,
    SelectForever,
    Sleep,
    Join,
    Scope,
    Blocking,
    Mutex,
    RwLockRead,
    RwLockWrite,
    Cond,
    WaitGroup,
    Once,
    Semaphore,
    Barrier,
    SingleFlight,
    ErrGroup,
}

impl WaitReason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            WaitReason::ChanSend => "chan send",
            WaitReason::ChanReceive => "chan receive",
            WaitReason::Select => "select",
            WaitReason::SelectForever => "select (no arms)",
            WaitReason::Sleep => "sleep",
            WaitReason::Join => "join",
            WaitReason::Scope => "scope",
            WaitReason::Blocking => "blocking",
            WaitReason::Mutex => "mutex",
            WaitReason::RwLockRead => "rwlock read",
            WaitReason::RwLockWrite => "rwlock write",
            WaitReason::Cond => "cond",
            WaitReason::WaitGroup => "wait group",
            WaitReason::Once => "once",
            WaitReason::Semaphore => "semaphore",
            WaitReason::Barrier => "barrier",
            WaitReason::SingleFlight => "single flight",
            WaitReason::ErrGroup => "err group",
        }
    }
}

/// The place of a [`Waiter`], and of an [`Entry`] if it needs only one, in the frame that waits.
pub(crate) struct WaitFrame {
    waiter: UnsafeCell<MaybeUninit<Waiter>>,
    entry: EntryPlace,
}

impl WaitFrame {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        WaitFrame {
            waiter: UnsafeCell::new(MaybeUninit::uninit()),
            entry: EntryPlace::new(),
        }
    }

    /// Puts a wait of the goroutine that calls into the frame.
    ///
    /// # Safety
    /// No wait in this frame has begun and not ended, and the frame stays where it is until this
    /// one has.
    #[inline]
    pub(crate) unsafe fn set_waiter(
        &self,
        goroutine: NonNull<Goroutine>,
        reason: WaitReason,
        location: &'static Location<'static>,
    ) -> &Waiter {
        // SAFETY: nobody else knows of the frame, by the caller's promise; from here on the waiter
        // is reached by shared references only.
        let place = unsafe { &mut *self.waiter.get() };
        place.write(Waiter::new(Parker::Goroutine(goroutine), reason, location))
    }

    /// Puts the one entry of the waiter into the frame, with the value at `slot`.
    ///
    /// # Safety
    /// As for [`WaitFrame::set_waiter`], which has been called.
    #[inline]
    pub(crate) unsafe fn set_entry(&self, waiter: &Waiter, slot: *mut ()) -> &Entry {
        // SAFETY: the caller's promise.
        unsafe { self.entry.fill(waiter, 0, slot) }
    }

    /// What [`WaitFrame::set_waiter`] has put there.
    ///
    /// # Safety
    /// It has.
    #[inline]
    pub(crate) unsafe fn waiter(&self) -> &Waiter {
        // SAFETY: the caller's promise.
        unsafe { (*self.waiter.get()).assume_init_ref() }
    }

    /// Makes the switch of a wait that was begun in this frame. `true`: it is
    /// [plainly done](Waiter::is_plainly_done), else [`Waiter::end`] is to follow.
    ///
    /// # Safety
    /// A goroutine calls, whose wait has just begun in this frame.
    #[inline(always)] // see `Waiter::begin`
    pub(crate) unsafe fn switch(&self) -> bool {
        // SAFETY: the caller's promise.
        let waiter = unsafe { self.waiter() };
        // SAFETY: as above.
        unsafe {
            waiter.switch();
            waiter.is_plainly_done()
        }
    }

    /// How the wait ends that was begun in this frame, or has ended already, as `begun` says: makes
    /// the [switch](WaitFrame::switch), and has `end` see to what is not plainly done.
    ///
    /// # Safety
    /// If `begun` says nothing, as for [`WaitFrame::switch`].
    #[inline(always)] // see `Waiter::begin`
    pub(crate) unsafe fn finish(
        &self,
        begun: Option<Wake>,
        end: impl FnOnce(&WaitFrame) -> Wake,
    ) -> Wake {
        match begun {
            Some(wake) => wake,
            // SAFETY: the caller's promise.
            None if unsafe { self.switch() } => Wake::Done,
            None => end(self),
        }
    }

    /// What [`WaitFrame::set_entry`] has put there.
    ///
    /// # Safety
    /// It has.
    #[inline]
    pub(crate) unsafe fn entry(&self) -> &Entry {
        // SAFETY: the caller's promise.
        unsafe { self.entry.entry() }
    }
}

/// Nobody has claimed the waiter yet. Any other value is one more than the claimed arm.
const UNCLAIMED: usize = 0;

/// One wait: who waits, for what, and how it ended.
pub struct Waiter {
    /// The claimed arm plus one.
    claimed: AtomicUsize,
    /// Whether it stands in several queues, so that claims can race. The claim of a waiter with
    /// a single entry is decided by the lock of the one queue that it is in.
    shared: Cell<bool>,
    parker: Parker,
    /// Written by the claimant before it unparks, read by the waiter after.
    wake: Cell<Wake>,
    reason: WaitReason,
    location: &'static Location<'static>,
    /// Whether the end of the runtime may interrupt this wait.
    cancellable: Cell<bool>,
    /// Whether the runtime began to end while it lasted.
    late: Cell<bool>,
}

impl Waiter {
    /// A wait of the calling goroutine or thread, handed to `body`.
    ///
    /// It is handed over shared, and everything in it is a cell or atomic: others read and write
    /// it through the entries while the waiter itself holds the reference.
    #[inline]
    pub(crate) fn with<R>(
        reason: WaitReason,
        location: &'static Location<'static>,
        body: impl FnOnce(&Waiter) -> R,
    ) -> R {
        // Held to the end of the wait: a claimant takes its own handle only when it unparks.
        let thread;
        let parker = match runtime::current_goroutine() {
            Some(goroutine) => Parker::Goroutine(goroutine),
            None => {
                thread = current_thread();
                Parker::of_thread(&thread)
            }
        };
        body(&Waiter::new(parker, reason, location))
    }

    #[inline]
    pub(super) fn new(
        parker: Parker,
        reason: WaitReason,
        location: &'static Location<'static>,
    ) -> Self {
        Waiter {
            claimed: AtomicUsize::new(UNCLAIMED),
            shared: Cell::new(false),
            parker,
            wake: Cell::new(Wake::Done),
            reason,
            location,
            cancellable: Cell::new(true),
            late: Cell::new(false),
        }
    }

    /// Lets the waiter stand in several queues.
    #[inline]
    pub(crate) fn share(&self) {
        self.shared.set(true);
    }

    /// Makes the wait last to its end, whatever happens to the runtime: for waits during which
    /// somebody else uses the waiter's stack.
    #[inline]
    pub(crate) fn refuse_cancel(&self) {
        self.cancellable.set(false);
    }

    /// What is waited for.
    pub(crate) fn reason(&self) -> WaitReason {
        self.reason
    }

    /// Where in the source.
    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    #[inline]
    pub(crate) fn is_cancellable(&self) -> bool {
        self.cancellable.get()
    }

    /// Notes that the runtime began to end while this cancellable wait lasted.
    #[cold]
    pub(crate) fn note_late(&self) {
        self.late.set(self.cancellable.get());
    }

    #[inline]
    pub(crate) fn parker(&self) -> Parker {
        self.parker
    }

    /// Tries to become the one who serves this waiter.
    #[inline]
    pub(crate) fn claim(&self, arm: usize) -> bool {
        if !self.shared.get() {
            return true;
        }
        // The value travels under the queue's lock and the unpark; the claim itself only has to be
        // decided. A select that was served stands in all its other queues until it runs: a look
        // is cheaper than to try in vain.
        self.claimed.load(Ordering::Relaxed) == UNCLAIMED
            && self
                .claimed
                .compare_exchange(UNCLAIMED, arm + 1, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    /// The arm that was claimed.
    #[inline]
    pub(crate) fn claimed_arm(&self) -> Option<usize> {
        self.claimed.load(Ordering::Acquire).checked_sub(1)
    }

    #[inline]
    pub(super) fn finish(&self, wake: Wake) {
        self.wake.set(wake);
    }

    /// Parks until a claimant has ended the wait, the time is up, or the runtime ends.
    ///
    /// `withdraw` is called when the wait is to end without a claimant: it takes the entries out
    /// of their queues, or says that a claimant was faster, in which case its wake-up is awaited
    /// and counts.
    #[inline(always)] // see `begin`
    pub(crate) fn wait(&self, deadline: Option<Instant>, withdraw: impl FnMut() -> bool) -> Wake {
        let interrupt = match self.parker {
            Parker::Goroutine(_) => runtime::park(self, deadline),
            Parker::Thread(thread) => {
                // SAFETY: `Waiter::with` holds the thread's parker for as long as we live.
                let thread = unsafe { thread.as_ref() };
                (!thread.park(deadline)).then_some(Interrupt::TimedOut)
            }
        };
        self.conclude(interrupt, withdraw)
    }

    /// As [`Waiter::wait`] of a goroutine without a deadline, in three steps, of which this is the
    /// first; the second is [`Waiter::switch`], the third [`Waiter::end`]. `false`: the goroutine is
    /// to unwind; then the third step follows at once.
    ///
    /// After a switch of stacks the processor mispredicts every return to a frame from before it.
    /// So where it counts only the switch is inlined into the function that waits.
    #[inline]
    pub(crate) fn begin(&self, running: Running) -> bool {
        running.begin_park(self)
    }

    /// See [`Waiter::begin`].
    ///
    /// # Safety
    /// The goroutine that calls has begun to wait, and has not switched since.
    #[inline(always)]
    pub(crate) unsafe fn switch(&self) {
        // SAFETY: the caller's promise; the goroutine runs.
        unsafe { runtime::switch_from(self.goroutine()) };
    }

    /// After the switch: whether the wait has ended as nearly all do, done, with nothing else to be
    /// seen to. If not, [`Waiter::end`] is to follow.
    ///
    /// # Safety
    /// A goroutine calls, which has waited.
    #[inline(always)]
    unsafe fn is_plainly_done(&self) -> bool {
        // SAFETY: the caller's promise.
        let has_waited = unsafe { self.goroutine() }.has_plainly_waited();
        has_waited && self.wake.get() == Wake::Done
    }

    /// The goroutine that waits.
    ///
    /// # Safety
    /// It calls: no thread waits.
    #[inline(always)]
    unsafe fn goroutine(&self) -> &Goroutine {
        match self.parker {
            // SAFETY: the goroutine calls, so it is alive.
            Parker::Goroutine(goroutine) => unsafe { goroutine.as_ref() },
            // SAFETY: the caller's promise.
            Parker::Thread(_) => unsafe { unreachable_unchecked() },
        }
    }

    /// See [`Waiter::begin`]; `switched` says whether there was a switch.
    #[inline]
    pub(crate) fn end(&self, switched: bool, withdraw: impl FnMut() -> bool) -> Wake {
        let interrupt = match switched {
            true => runtime::end_park(self),
            false => Some(Interrupt::Cancelled),
        };
        self.conclude(interrupt, withdraw)
    }

    #[inline]
    fn conclude(&self, interrupt: Option<Interrupt>, mut withdraw: impl FnMut() -> bool) -> Wake {
        match interrupt {
            None if self.late.get() => self.end_late(),
            None => self.wake.get(),
            Some(interrupt) => self.end_early(interrupt, withdraw()),
        }
    }

    /// How a wait ended that was over when its runtime had begun to end.
    #[cold]
    fn end_late(&self) -> Wake {
        match self.wake.get() {
            Wake::Done => Wake::DoneLate,
            _ => Wake::Cancelled,
        }
    }

    /// Ends a wait that nobody has unparked.
    #[cold]
    fn end_early(&self, interrupt: Interrupt, withdrawn: bool) -> Wake {
        if withdrawn {
            return match interrupt {
                Interrupt::TimedOut => Wake::TimedOut,
                Interrupt::Cancelled => Wake::Cancelled,
            };
        }
        match self.parker {
            Parker::Goroutine(_) => runtime::park_until_ready(self),
            // SAFETY: `Waiter::with` holds the thread's parker for as long as we live.
            Parker::Thread(thread) => _ = unsafe { thread.as_ref() }.park(None),
        }
        if self.late.get() {
            return self.end_late();
        }
        self.wake.get()
    }

    /// Waits to the end, whatever happens to the runtime meanwhile.
    pub(crate) fn wait_to_the_end(&self) -> Wake {
        self.refuse_cancel();
        self.wait(None, || false)
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.reason.as_str(), self.location)
    }
}
