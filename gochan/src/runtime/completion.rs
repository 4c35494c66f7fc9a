//! Waiting for the end of a goroutine.

use super::running::Running;
use crate::wait::atomic::AtomicBool;
use crate::wait::{Entry, SpinMutex, WaitFrame, WaitQueue, WaitReason, Waiter, Wake, WakeList};
use std::panic::Location;
use std::ptr;
use std::sync::atomic::Ordering;

/// Lets others wait for the end of a goroutine.
pub(crate) struct Completion {
    /// Changes under the lock of the joiners.
    ended: AtomicBool,
    joiners: SpinMutex<WaitQueue>,
}

impl Completion {
    pub(crate) fn new() -> Self {
        Completion {
            ended: AtomicBool::new(false),
            joiners: SpinMutex::new(WaitQueue::new()),
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Ends it and wakes everybody who waits.
    pub(crate) fn end(&self) {
        let mut woken = WakeList::new();
        let mut joiners = self.joiners.lock();
        self.ended.store(true, Ordering::Release);
        joiners.take_all(Wake::Done, &mut woken);
        drop(joiners);
    }

    /// Waits for the end. Inlined into the caller is the switch to other goroutines; see
    /// [`Waiter::begin`] for that.
    #[inline(always)]
    pub(crate) fn wait(&self, reason: WaitReason, location: &'static Location<'static>) -> Wake {
        self.wait_as(reason, location, |_| {})
    }

    /// Waits for the end, whatever happens to the waiting goroutine's runtime meanwhile.
    pub(crate) fn wait_to_the_end(&self, reason: WaitReason, location: &'static Location<'static>) {
        self.wait_as(reason, location, Waiter::refuse_cancel);
    }

    #[inline(always)]
    fn wait_as(
        &self,
        reason: WaitReason,
        location: &'static Location<'static>,
        prepare: fn(&Waiter),
    ) -> Wake {
        if self.has_ended() {
            return Wake::Done;
        }
        let frame = WaitFrame::new();
        // SAFETY: the frame stays here until the wait has ended, and the switch comes once, and at
        // once.
        unsafe {
            let begun = self.begin_wait(&frame, reason, location, prepare);
            frame.finish(begun, |frame| self.end_wait(frame, true))
        }
    }

    /// Begins the wait of a goroutine in `frame`, and says nothing: the switch is to follow, and
    /// [`Completion::end_wait`]. An ordinary thread waits here.
    ///
    /// # Safety
    /// As for [`WaitFrame::set_waiter`].
    #[inline(never)]
    unsafe fn begin_wait(
        &self,
        frame: &WaitFrame,
        reason: WaitReason,
        location: &'static Location<'static>,
        prepare: fn(&Waiter),
    ) -> Option<Wake> {
        let Some(running) = Running::get() else {
            return Some(Waiter::with(reason, location, |waiter| {
                prepare(waiter);
                let entry = Entry::new();
                entry.assign(waiter, 0, ptr::null_mut());
                // SAFETY: the wait ends only when the entry has left the queue, into which it is
                // put here and nowhere else.
                unsafe {
                    match self.enqueue(&entry) {
                        true => waiter.wait(None, || self.withdraw(&entry)),
                        false => Wake::Done,
                    }
                }
            }));
        };
        // SAFETY: the caller's promise; the wait ends only when the entry has left the queue.
        unsafe {
            let waiter = frame.set_waiter(running.goroutine(), reason, location);
            prepare(waiter);
            if !self.enqueue(frame.set_entry(waiter, ptr::null_mut())) {
                return Some(Wake::Done);
            }
            (!waiter.begin(running)).then(|| self.end_wait(frame, false))
        }
    }

    /// Ends the wait that [`Completion::begin_wait`] began, after the switch if there was one.
    ///
    /// # Safety
    /// It has begun in this frame.
    #[cold]
    unsafe fn end_wait(&self, frame: &WaitFrame, switched: bool) -> Wake {
        // SAFETY: the caller's promise; the entry is in this queue or in none.
        unsafe {
            let entry = frame.entry();
            frame.waiter().end(switched, || self.withdraw(entry))
        }
    }

    /// Puts the entry into the queue, unless the goroutine has ended.
    ///
    /// # Safety
    /// As for [`WaitQueue::push`].
    unsafe fn enqueue(&self, entry: &Entry) -> bool {
        let mut joiners = self.joiners.lock();
        let waits = !self.has_ended();
        if waits {
            // SAFETY: the caller's promise.
            unsafe { joiners.push(entry) };
        }
        waits
    }

    /// # Safety
    /// The entry was enqueued here and nowhere else.
    unsafe fn withdraw(&self, entry: &Entry) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.joiners.lock().remove(entry) }
    }
}
