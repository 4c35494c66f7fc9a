//! The record of a goroutine, and the typed task around it.
//!
//! One allocation holds both: the [`Goroutine`] header, which scheduler and wait queues know,
//! and behind it the body, later the result. It is counted: the runtime holds one reference
//! until the goroutine has ended, the `JoinHandle` another.
//!
//! Who may touch what:
//! - `link` belongs to the one queue that the goroutine is in;
//! - the cells marked "home" are touched by the goroutine's own worker alone, once it has
//!   started;
//! - `stage` belongs to the goroutine until `completion` says that it has ended, then to the
//!   one handle, and to whoever drops the last reference.

use super::blocks::{self, BlockCache};
use super::clock::Nanos;
use super::completion::Completion;
use super::locals::Locals;
use super::mailbox::Mailbox;
use super::panics;
use super::placement::Site;
use super::spawn::{Kind, drop_in_goroutine};
use super::stack::Stack;
use super::start_queue::StartQueue;
use super::turn::Locks;
use super::worker;
use crate::join::Failure;
use crate::scope::ScopeRef;
use crate::wait::Waiter;
use crate::wait::atomic::AtomicBool;
use corosensei::{Coroutine, Yielder};
use std::alloc::{Layout, handle_alloc_error};
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::mem;
use std::panic::{self, AssertUnwindSafe, Location};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering, fence};

/// The number of a goroutine: unique in its process, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GoroutineId(pub(crate) u64);

impl GoroutineId {
    /// The number itself.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for GoroutineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Why a parked goroutine runs again although nobody readied it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    TimedOut,
    Cancelled,
}

/// What to know of a goroutine from outside.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) id: GoroutineId,
    /// A thin pointer, because most have no name: a word that was just written is quickly read
    /// again, half of a fat pointer is not.
    pub(crate) name: Option<Arc<String>>,
    pub(crate) site: &'static Site,
}

impl Identity {
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_ref().map(|name| name.as_str())
    }

    /// Where in the source it was started.
    pub(crate) fn started_at(&self) -> &'static Location<'static> {
        self.site.location()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "goroutine {}", self.id)?;
        if let Some(name) = self.name() {
            write!(f, " {name:?}")?;
        }
        write!(f, " (started at {})", self.started_at())
    }
}

/// The coroutine of a goroutine. Everything but the switch itself travels in the record.
///
/// The stack stands in the record, too, so that the coroutine need not be moved to get it back.
pub(super) type Body = Coroutine<(), (), (), &'static mut Stack>;
pub(super) type Suspender = Yielder<(), ()>;

/// What a goroutine is made with.
pub(crate) struct Birth {
    pub(crate) identity: Identity,
    pub(crate) kind: Kind,
    /// The size of a stack that has been reserved for it.
    pub(crate) stack_size: usize,
    pub(crate) scope: Option<ScopeRef>,
}

/// What most runs do without, in the one byte that there is room for: how many runs are to be timed
/// for the placement policy, and how many locks were held when the goroutine last parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extras(u8);

impl Extras {
    pub(super) const NONE: Extras = Extras(0);
    /// One timed run.
    const RUN: u8 = Locks::MOST + 1;

    pub(super) fn timed_runs(self) -> u8 {
        self.0 / Extras::RUN
    }

    fn locks(self) -> Locks {
        Locks::new(self.0 % Extras::RUN)
    }

    fn new(timed_runs: u8, locks: Locks) -> Self {
        debug_assert!(timed_runs <= u8::MAX / Extras::RUN);
        Extras(timed_runs * Extras::RUN + locks.number())
    }
}

/// The part of a goroutine's record that does not depend on its types.
pub struct Goroutine {
    references: AtomicUsize,
    vtable: &'static VTable,
    /// The next one in the queue that this one is in.
    pub(super) link: Cell<*const Goroutine>,
    /// Home: how many goroutines had been put into the worker's start queue when this one was
    /// made ready: so many are started first.
    pub(super) behind: Cell<usize>,
    /// The queue of the worker that has it: that starts it or has started it. It changes under the
    /// lock of the queue that it names, so it is for the holders of such locks.
    keeper: AtomicPtr<StartQueue>,
    /// Where to ready it: the mailbox of its worker, set when it starts.
    pub(super) home: Cell<Option<&'static Mailbox>>,
    /// The size of the stack that is reserved for it.
    pub(super) stack_size: usize,
    /// Home: the stack, from the start to the end; the coroutine's meanwhile.
    pub(super) stack: UnsafeCell<Option<Stack>>,
    /// Home: the coroutine, from the start to the end.
    pub(super) body: UnsafeCell<Option<Body>>,
    pub(super) suspender: Cell<*const Suspender>,
    /// Home: the lowest address of its stack, guard included, once it has one.
    pub(super) stack_limit: Cell<usize>,
    /// Whether it was told of as one that keeps its worker to itself; for whoever tells.
    pub(super) is_told_of: Cell<bool>,
    /// Home: what it waits for.
    pub(super) waiting: Cell<*const Waiter>,
    /// Home: since when it has not run, by the worker's stamp.
    pub(super) since: Cell<Nanos>,
    /// Whether it was made ready since it last ran. For dumps only: it orders nothing.
    pub(super) is_ready: AtomicBool,
    /// Home: set by the worker when it resumes the goroutine without its having been readied.
    pub(super) interrupt: Cell<Option<Interrupt>>,
    /// Home: the runtime has told it to unwind.
    pub(super) cancelled: Cell<bool>,
    /// Home: it has begun to unwind at some time, by a panic, `goexit` or cancellation.
    pub(super) has_thrown: Cell<bool>,
    /// Home: it has ended without unwinding; see [`Worker::leave`](worker::Worker::leave).
    pub(super) has_left: Cell<bool>,
    /// Home: neighbours in the worker's list of goroutines that have started.
    pub(super) previous: Cell<*const Goroutine>,
    pub(super) next: Cell<*const Goroutine>,
    /// Home: what its next run is to begin with.
    pub(super) extras: Cell<Extras>,
    pub(super) kind: Kind,
    /// The scope that waits for it; told of its end once its result can no longer be dropped by
    /// the worker.
    pub(super) scope: Option<ScopeRef>,
    /// Home: the values of its goroutine locals.
    locals: Locals,
    identity: Identity,
    completion: Completion,
}

impl Goroutine {
    /// Who it is.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Home: has so many runs timed, from the next one on.
    pub(super) fn set_timed_runs(&self, number: u8) {
        let locks = self.extras.get().locks();
        self.extras.set(Extras::new(number, locks));
    }

    /// Home: notes how many locks it holds that has parked.
    #[cold]
    pub(super) fn keep_locks(&self, locks: Locks) {
        let timed_runs = self.extras.get().timed_runs();
        self.extras.set(Extras::new(timed_runs, locks));
    }

    /// Home: the locks that it held when it last parked, for the run that is about to begin.
    #[inline]
    pub(super) fn take_locks(&self) -> Locks {
        let extras = self.extras.get();
        self.extras
            .set(Extras::new(extras.timed_runs(), Locks::NONE));
        extras.locks()
    }

    /// After a switch: ends the wait if nothing but a partner has ended it, and nothing is to be done
    /// about unwinding. If not, there is more to be done.
    #[inline(always)]
    pub(crate) fn has_plainly_waited(&self) -> bool {
        let plainly = !self.has_to_do_with_unwinding() && self.interrupt.get().is_none();
        if plainly {
            self.waiting.set(ptr::null());
        }
        plainly
    }

    /// Whether a switch has to do with unwinding: it was suspended in the middle of it, or is to unwind
    /// now.
    #[inline]
    pub(super) fn has_to_do_with_unwinding(&self) -> bool {
        self.has_thrown.get() || self.cancelled.get()
    }

    /// The `go!` that it was started at.
    #[inline]
    pub(super) fn site(&self) -> &'static Site {
        self.identity.site
    }

    /// Whether it is a runtime's main goroutine.
    pub(crate) fn is_main(&self) -> bool {
        self.kind == Kind::Main
    }

    /// Whether it was asked for near its parent, and so is not handed to another worker.
    #[inline]
    pub(super) fn is_near(&self) -> bool {
        self.kind == Kind::Near
    }

    pub(crate) fn locals(&self) -> &Locals {
        &self.locals
    }

    pub(crate) fn completion(&self) -> &Completion {
        &self.completion
    }

    /// Runs the body to its end, on the goroutine's own stack. The result stays in the record.
    ///
    /// # Safety
    /// Called once, by the goroutine's worker, instead of [`Goroutine::discard`].
    pub(super) unsafe fn run(this: NonNull<Goroutine>) {
        // SAFETY: the caller's promise is the function's.
        unsafe { (this.as_ref().vtable.run)(this) }
    }

    /// Gives a goroutine that runs the result of one that has ended by `goexit`. What stands on
    /// its stack stays there.
    ///
    /// # Safety
    /// Called by the goroutine itself, which does nothing else afterwards.
    pub(super) unsafe fn abandon(this: NonNull<Goroutine>) {
        // SAFETY: the caller's promise is the function's.
        unsafe { (this.as_ref().vtable.abandon)(this) }
    }

    /// Drops the body of a goroutine that is not going to start.
    ///
    /// # Safety
    /// Called once, by whoever took the goroutine out of a queue, instead of
    /// [`Goroutine::run`].
    pub(super) unsafe fn discard(this: NonNull<Goroutine>) {
        // SAFETY: the caller's promise is the function's.
        unsafe { (this.as_ref().vtable.discard)(this) }
    }

    /// Whether a handle may still ask for the result.
    #[inline]
    pub(super) fn has_handle(&self) -> bool {
        self.references.load(Ordering::Acquire) > 1
    }

    #[inline]
    pub(super) fn keeper(&self) -> *const StartQueue {
        self.keeper.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn set_keeper(&self, queue: &StartQueue) {
        let queue = ptr::from_ref(queue).cast_mut();
        self.keeper.store(queue, Ordering::Relaxed);
    }

    /// Gives the handle's reference back.
    ///
    /// Most handles are dropped where the goroutine was started, before it runs. Then the other
    /// reference is with the same thread, and no atomic operation is needed, which would have to
    /// wait until the whole new record has been written to the cache.
    ///
    /// # Safety
    /// As for [`Goroutine::release`].
    #[inline]
    unsafe fn release_handle(this: NonNull<Goroutine>) {
        // SAFETY: the caller's reference keeps the record alive until here.
        let record = unsafe { this.as_ref() };
        let mut is_released = false;
        if let Some(worker) = worker::current() {
            worker.mailbox().start_queue.while_kept(record, || {
                if record.has_handle() {
                    record.references.store(1, Ordering::Relaxed);
                    is_released = true;
                }
            });
        }
        if !is_released {
            // SAFETY: the caller's promise.
            unsafe { Goroutine::release(this) };
        }
    }

    /// Gives one reference back.
    ///
    /// # Safety
    /// The caller owns that reference and does not use the goroutine afterwards.
    pub(crate) unsafe fn release(this: NonNull<Goroutine>) {
        // SAFETY: the caller's reference keeps the record alive until here.
        let (references, vtable) = unsafe { (&this.as_ref().references, this.as_ref().vtable) };
        // One reference left means that nobody else can make or drop one: no need to write.
        if references.load(Ordering::Acquire) == 1 {
            // SAFETY: this was the last reference.
            unsafe { (vtable.delete)(this) };
        } else if references.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            // SAFETY: as above.
            unsafe { (vtable.delete)(this) };
        }
    }
}

impl fmt::Debug for Goroutine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.identity, f)
    }
}

struct VTable {
    run: unsafe fn(NonNull<Goroutine>),
    abandon: unsafe fn(NonNull<Goroutine>),
    discard: unsafe fn(NonNull<Goroutine>),
    delete: unsafe fn(NonNull<Goroutine>),
}

/// Where a task's body or result stands.
enum Stage<F, T> {
    Body(F),
    Ended(Result<T, Failure>),
    Taken,
}

impl<F, T> Stage<F, T> {
    /// Whether there is a result that is more than to be forgotten.
    #[inline]
    fn has_result_to_drop(&self) -> bool {
        match self {
            Stage::Ended(Ok(_)) => mem::needs_drop::<T>(),
            Stage::Ended(Err(_)) => true,
            Stage::Body(_) | Stage::Taken => false,
        }
    }
}

/// A goroutine with its types.
#[repr(C)]
pub(crate) struct Task<F, T> {
    header: Goroutine,
    stage: UnsafeCell<Stage<F, T>>,
}

impl<F: FnOnce() -> T, T> Task<F, T> {
    const VTABLE: VTable = VTable {
        run: Self::run,
        abandon: Self::abandon,
        discard: Self::discard,
        delete: Self::delete,
    };

    /// Memory for a task, to be filled by [`Task::begin`].
    #[inline]
    pub(super) fn allocate(cache: Option<&BlockCache>) -> NonNull<Self> {
        let layout = Layout::new::<Self>();
        let place = blocks::allocate_from(cache, layout);
        let place = place.unwrap_or_else(|| handle_alloc_error(layout));
        place.cast()
    }

    /// Writes a task with two references, the runtime's and the handle's, to memory that
    /// [`Task::allocate`] gave: what it is made of need not stand anywhere else before.
    ///
    /// # Safety
    /// The memory has not been used since.
    #[inline]
    pub(super) unsafe fn begin(place: NonNull<Self>, birth: Birth, body: F) {
        let task = Task {
            header: Goroutine {
                references: AtomicUsize::new(2),
                vtable: &Self::VTABLE,
                link: Cell::new(ptr::null()),
                behind: Cell::new(0),
                keeper: AtomicPtr::new(ptr::null_mut()),
                home: Cell::new(None),
                stack_size: birth.stack_size,
                stack: UnsafeCell::new(None),
                body: UnsafeCell::new(None),
                suspender: Cell::new(ptr::null()),
                stack_limit: Cell::new(0),
                is_told_of: Cell::new(false),
                waiting: Cell::new(ptr::null()),
                since: Cell::new(0),
                is_ready: AtomicBool::new(false),
                interrupt: Cell::new(None),
                cancelled: Cell::new(false),
                has_thrown: Cell::new(false),
                has_left: Cell::new(false),
                previous: Cell::new(ptr::null()),
                next: Cell::new(ptr::null()),
                extras: Cell::new(Extras::NONE),
                kind: birth.kind,
                scope: birth.scope,
                locals: Locals::default(),
                identity: birth.identity,
                completion: Completion::new(),
            },
            stage: UnsafeCell::new(Stage::Body(body)),
        };
        // SAFETY: fresh memory of the right layout.
        unsafe { place.write(task) };
    }

    unsafe fn run(header: NonNull<Goroutine>) {
        let task = header.cast::<Self>();
        // SAFETY: until the goroutine has ended, its stage is its own; `header` is the first
        // field of the task that the vtable belongs to.
        let stage = unsafe { task.as_ref().stage.get() };
        // SAFETY: as above.
        let Stage::Body(body) = mem::replace(unsafe { &mut *stage }, Stage::Taken) else {
            unreachable!("a goroutine runs once");
        };
        // SAFETY: the header is alive until its goroutine has ended.
        let locals = unsafe { header.as_ref() }.locals();
        let run = || {
            // SAFETY: this is the goroutine.
            let _dropped_at_end = unsafe { locals.drop_at_end() };
            // SAFETY: as above.
            let record = unsafe { header.as_ref() };
            if record.cancelled.get() {
                let _dropped_while_unwinding = panics::Contained::new(body);
                panics::throw_goexit(record);
            }
            body()
        };
        let result = panic::catch_unwind(AssertUnwindSafe(run));
        // SAFETY: as above. The body was taken out, so nothing is to be dropped there.
        unsafe {
            match result {
                Ok(value) => stage.write(Stage::Ended(Ok(value))),
                Err(payload) => stage.write(Stage::Ended(Err(after_unwinding(payload)))),
            }
            Self::drop_unwanted(task);
            locals.end();
        }
    }

    unsafe fn abandon(header: NonNull<Goroutine>) {
        let task = header.cast::<Self>();
        // SAFETY: until the goroutine has ended, its stage is its own.
        unsafe { *task.as_ref().stage.get() = Stage::Ended(Err(Failure::Goexit)) };
    }

    unsafe fn discard(header: NonNull<Goroutine>) {
        let task = header.cast::<Self>();
        // SAFETY: a goroutine that has not started owns its stage.
        let stage = unsafe { task.as_ref().stage.get() };
        // SAFETY: as above.
        let body = mem::replace(unsafe { &mut *stage }, Stage::Ended(Err(Failure::Goexit)));
        panics::contain(|| drop(body));
    }

    /// Drops a result that nobody can ask for, while the goroutine still has its stack: a
    /// destructor may block and may panic.
    unsafe fn drop_unwanted(task: NonNull<Self>) {
        // SAFETY: the stage is still the goroutine's own.
        let (header, stage) = unsafe { (&task.as_ref().header, &mut *task.as_ref().stage.get()) };
        if !stage.has_result_to_drop() {
            return;
        }
        if !header.has_handle() && (header.scope.is_none() || matches!(stage, Stage::Ended(Ok(_))))
        {
            let result = mem::replace(stage, Stage::Taken);
            panics::contain(|| drop(result));
        }
    }

    unsafe fn delete(header: NonNull<Goroutine>) {
        let mut task = header.cast::<Self>();
        {
            // SAFETY: the last reference has gone.
            let task = unsafe { task.as_mut() };
            if task.stage.get_mut().has_result_to_drop() {
                // SAFETY: as above. Either the worker does this, before it tells the scope, or the
                // handle.
                unsafe { task.give_up_result() };
            }
        }
        // Of the stage nothing is left that would have to be dropped: the body went where the goroutine
        // ran or was discarded, the result to whoever took it, or just now.
        // SAFETY: as above; the memory came from `allocate`.
        unsafe {
            let header = &raw mut (*task.as_ptr()).header;
            panics::contain(|| header.drop_in_place());
            blocks::free(task.cast(), Layout::new::<Self>());
        }
    }

    /// Sees to a result that nobody has taken: the handle went as the goroutine ended, or the scope
    /// is to know of a panic. What the worker itself would drop, another goroutine does.
    ///
    /// # Safety
    /// The last reference has gone. The scope has not been told of the goroutine's end, or the
    /// goroutine had a handle, which has gone just now.
    #[cold]
    unsafe fn give_up_result(&mut self) {
        let (site, scope) = (self.header.site(), self.header.scope);
        let result = match mem::replace(self.stage.get_mut(), Stage::Taken) {
            Stage::Ended(Err(Failure::Goexit)) | Stage::Body(_) | Stage::Taken => return,
            Stage::Ended(result) => result,
        };
        // SAFETY: the caller's promise; the result stays with its worker.
        unsafe {
            if let (Err(_), Some(scope)) = (&result, scope) {
                scope.note_panic();
            }
            match worker::without_goroutine() {
                Some(worker) => drop_in_goroutine(worker, site, scope, result),
                None => panics::contain(|| drop(result)),
            }
        }
    }
}

/// Why a goroutine failed that has unwound with `payload`.
#[cold]
fn after_unwinding(payload: Box<dyn Any + Send>) -> Failure {
    let failure = Failure::from_payload(payload);
    if let Failure::Panic(_) = &failure {
        panics::after_panic();
    }
    failure
}

/// The result of a goroutine, seen from its handle.
pub(crate) struct ResultCell<T> {
    header: NonNull<Goroutine>,
    take: unsafe fn(NonNull<Goroutine>) -> Option<Result<T, Failure>>,
}

impl<T> ResultCell<T> {
    /// Takes over the handle's reference to a task.
    pub(crate) fn new<F: FnOnce() -> T>(task: NonNull<Task<F, T>>) -> Self {
        unsafe fn take<F, T>(header: NonNull<Goroutine>) -> Option<Result<T, Failure>> {
            // SAFETY: the goroutine has ended, so the stage belongs to its handle.
            let stage = unsafe { &mut *header.cast::<Task<F, T>>().as_ref().stage.get() };
            match mem::replace(stage, Stage::Taken) {
                Stage::Ended(result) => Some(result),
                Stage::Body(_) | Stage::Taken => None,
            }
        }
        ResultCell {
            header: task.cast(),
            take: take::<F, T>,
        }
    }

    pub(crate) fn goroutine(&self) -> &Goroutine {
        // SAFETY: we hold a reference.
        unsafe { self.header.as_ref() }
    }

    /// Takes the result out, if the goroutine has ended.
    pub(crate) fn take(&mut self) -> Option<Result<T, Failure>> {
        if !self.goroutine().completion().has_ended() {
            return None;
        }
        // SAFETY: it has ended, and `self` is the one handle, borrowed uniquely.
        unsafe { (self.take)(self.header) }
    }
}

impl<T> Drop for ResultCell<T> {
    fn drop(&mut self) {
        // SAFETY: gives back the reference that `new` took over.
        unsafe { Goroutine::release_handle(self.header) };
    }
}

// SAFETY: the handle reaches the goroutine through atomics and locks, and the result only after
// its end; whether the result may change threads, `T` says. The body is never reached from
// here, and it is gone before the record can be deleted by the handle: the runtime gives its
// reference back only after the body has run or been discarded.
unsafe impl<T: Send> Send for ResultCell<T> {}
// SAFETY: shared use reads the identity and the completion only.
unsafe impl<T: Send> Sync for ResultCell<T> {}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A goroutine that is in no queue, with a number of its own; for [`drop_unstarted`].
    pub(in crate::runtime) fn unstarted(
        number: u64,
        site: &'static Site,
        is_near: bool,
    ) -> NonNull<Goroutine> {
        let identity = Identity {
            id: GoroutineId(number),
            name: None,
            site,
        };
        let birth = Birth {
            identity,
            kind: if is_near { Kind::Near } else { Kind::Plain },
            stack_size: 0,
            scope: None,
        };
        let task = Task::allocate(None);
        // SAFETY: the memory is fresh.
        unsafe { Task::begin(task, birth, || ()) };
        task.cast()
    }

    /// A record is written when its goroutine starts, and read when it runs and ends: each cache line
    /// more costs some two hundredths of that.
    #[test]
    #[cfg(all(target_pointer_width = "64", not(loom)))]
    #[cfg_attr(windows, ignore = "more words describe a stack there")]
    fn a_goroutine_with_a_small_body_has_a_small_record() {
        assert!(size_of::<Task<[usize; 2], ()>>() <= 256);
    }

    #[test]
    #[cfg(not(loom))]
    fn locks_and_timed_runs_are_kept_apart() {
        static SITE: Site = Site::new();
        let goroutine = unstarted(1, &SITE, false);
        {
            // SAFETY: it is alive until it is dropped below.
            let record = unsafe { goroutine.as_ref() };
            record.set_timed_runs(3);
            record.keep_locks(Locks::new(2));
            assert_eq!(record.extras.get().timed_runs(), 3);
            record.set_timed_runs(2);
            assert_eq!(record.take_locks().number(), 2);
            assert_eq!(record.take_locks().number(), 0, "they are taken once");
            assert_eq!(record.extras.get().timed_runs(), 2);
        }
        assert_eq!(drop_unstarted(goroutine), 1);
    }

    /// Frees what [`unstarted`] has made and a queue has given out, and returns its number.
    pub(in crate::runtime) fn drop_unstarted(goroutine: NonNull<Goroutine>) -> u64 {
        // SAFETY: it is alive until here, in no queue, and both references are the test's.
        unsafe {
            let number = goroutine.as_ref().identity.id.as_u64();
            Goroutine::discard(goroutine);
            Goroutine::release(goroutine);
            Goroutine::release(goroutine);
            number
        }
    }
}
