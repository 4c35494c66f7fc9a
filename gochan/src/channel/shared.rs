//! The memory of a channel, and how long it is there.
//!
//! One allocation holds the channel, the counts of its handles and, behind them, the slots of its
//! buffer. It lives until both sides have gone: the handles that can send, and those that can
//! receive. The last handle of a side ends that side first ([`Channel::close`],
//! [`Channel::abandon`]); whoever finds that the other side has gone already frees the memory.
//!
//! Who alone holds a side needs no atomic operation to let go of it, since nobody else could make
//! another handle of it; and a `Chan` that is the only handle of its channel frees it as it is:
//! nobody is there to learn that it was closed.

use super::buffer::{Buffer, Capacity};
use super::core::Channel;
use crate::references::References;
use crate::runtime::{ChannelTimer, blocks};
use crate::wait::atomic::{AtomicBool, Ordering};
use std::alloc::Layout;
use std::ops::Deref;
use std::ptr::NonNull;

/// A handle's reference to its channel. Each belongs to a side, or to both, and is given back by
/// the method that says so.
pub(super) struct Shared<T>(NonNull<Counted<T>>);

struct Counted<T> {
    channel: Channel<T>,
    /// Handles that can send.
    senders: References,
    /// Handles that can receive.
    receivers: References,
    /// Whether one of the sides has gone.
    is_one_sided: AtomicBool,
}

// SAFETY: a reference to a channel, which is `Sync` then; whoever lets go of it last drops the
// values, which `T: Send` allows.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

#[cold]
#[track_caller]
fn cannot_allocate(capacity: Capacity, element_size: usize) -> ! {
    panic!(
        "cannot allocate a channel with a capacity of {} elements of {element_size} bytes",
        capacity.bound().unwrap_or(0)
    );
}

impl<T> Shared<T> {
    /// A channel with one handle that can send and receive.
    ///
    /// # Panics
    /// If the memory cannot be had.
    #[track_caller]
    pub(super) fn new(capacity: Capacity) -> Self {
        Self::allocate(capacity, 1, None)
    }

    /// A channel with one handle, which can receive what the timer sends, if there is one.
    pub(super) fn without_sender(capacity: Capacity, timer: Option<ChannelTimer>) -> Self {
        Self::allocate(capacity, 0, timer)
    }

    #[inline]
    #[track_caller]
    fn allocate(capacity: Capacity, senders: usize, timer: Option<ChannelTimer>) -> Self {
        let allocated = layout::<T>(capacity)
            .and_then(|(layout, offset)| Some((blocks::allocate(layout)?, offset)));
        let Some((memory, offset)) = allocated else {
            cannot_allocate(capacity, size_of::<T>());
        };
        // SAFETY: the layout has room for the slots there, and they go with the channel.
        let buffer = unsafe { Buffer::new(capacity, memory.add(offset).cast()) };
        let counted = Counted {
            channel: Channel::new(capacity, buffer, timer),
            senders: References::new(senders),
            receivers: References::new(1),
            is_one_sided: AtomicBool::new(senders == 0),
        };
        let place = memory.cast();
        // SAFETY: the layout begins with it.
        unsafe { place.write(counted) };
        Shared(place)
    }

    /// Where the channel is, to tell it from others.
    #[inline]
    pub(super) fn address(&self) -> *const () {
        self.0.as_ptr().cast()
    }

    #[inline]
    fn counted(&self) -> &Counted<T> {
        // SAFETY: our side has not gone.
        unsafe { self.0.as_ref() }
    }

    /// A reference for a handle that can send, made by one that can.
    #[inline]
    pub(super) fn for_sender(&self) -> Self {
        self.counted().senders.add();
        Shared(self.0)
    }

    /// A reference for a handle that can receive, made by one that can.
    #[inline]
    pub(super) fn for_receiver(&self) -> Self {
        self.counted().receivers.add();
        Shared(self.0)
    }

    /// A reference for a handle that can send and receive, made by one that can.
    #[inline]
    pub(super) fn for_both(&self) -> Self {
        self.counted().senders.add();
        self.for_receiver()
    }

    /// Makes the reference of a handle that can send and receive into one of a handle that can send
    /// and one of a handle that can receive.
    ///
    /// # Safety
    /// It belongs to one that can do both, and is not used afterwards.
    pub(super) unsafe fn halves(&self) -> [Self; 2] {
        [Shared(self.0), Shared(self.0)]
    }

    /// Gives back the reference of a handle that can send.
    ///
    /// # Safety
    /// It belongs to one, and is not used afterwards.
    #[inline]
    pub(super) unsafe fn sender_gone(&self) {
        let counted = self.counted();
        if counted.senders.remove() {
            counted.channel.close();
            // SAFETY: this side has gone.
            unsafe { self.side_gone() };
        }
    }

    /// Gives back the reference of a handle that can receive.
    ///
    /// # Safety
    /// It belongs to one, and is not used afterwards.
    #[inline]
    pub(super) unsafe fn receiver_gone(&self) {
        let counted = self.counted();
        if counted.receivers.remove() {
            // Also if the destructor of a value panics.
            let _gone = ReceiversGone(self);
            counted.channel.abandon();
        }
    }

    /// Gives back the reference of a handle that can send and receive.
    ///
    /// # Safety
    /// It belongs to one, and is not used afterwards.
    #[inline]
    pub(super) unsafe fn both_gone(&self) {
        let counted = self.counted();
        // In this order: nobody but the last who can send could make another one who can receive,
        // but for those who are counted then.
        let is_only_one = counted.senders.is_one() && counted.receivers.is_one();
        // SAFETY: the caller's promises; nobody else has a handle in the first case.
        unsafe {
            if is_only_one {
                self.free();
            } else {
                self.one_after_the_other_gone();
            }
        }
    }

    /// The rest of [`Shared::both_gone`], where others have handles.
    ///
    /// # Safety
    /// As for [`Shared::both_gone`].
    #[inline(never)]
    unsafe fn one_after_the_other_gone(&self) {
        // SAFETY: the caller's promise.
        unsafe {
            self.sender_gone();
            self.receiver_gone();
        }
    }

    /// # Safety
    /// Called by the last handle of a side, which does not use the channel afterwards.
    unsafe fn side_gone(&self) {
        if self.counted().is_one_sided.swap(true, Ordering::AcqRel) {
            // SAFETY: the other side has gone before.
            unsafe { self.free() };
        }
    }

    /// # Safety
    /// Nobody else has a handle, and the channel is not used afterwards.
    #[inline(never)]
    unsafe fn free(&self) {
        let layout = layout::<T>(self.counted().channel.allocated_capacity());
        let (layout, _) = layout.expect("it was allocated");
        // SAFETY: the caller's promise, and it was allocated with this layout.
        unsafe { blocks::drop_and_free(self.0, layout) };
    }
}

/// Notes that the side of the receivers has gone, when it is dropped. The last of them makes it, and
/// does not use the channel after that.
struct ReceiversGone<'a, T>(&'a Shared<T>);

impl<T> Drop for ReceiversGone<'_, T> {
    fn drop(&mut self) {
        // SAFETY: whoever makes it is the last.
        unsafe { self.0.side_gone() };
    }
}

impl<T> Deref for Shared<T> {
    type Target = Channel<T>;

    #[inline]
    fn deref(&self) -> &Channel<T> {
        &self.counted().channel
    }
}

/// The layout of a channel, and where in it the slots of its buffer begin.
fn layout<T>(capacity: Capacity) -> Option<(Layout, usize)> {
    let slots = Layout::array::<T>(capacity.slots()).ok()?;
    Layout::new::<Counted<T>>().extend(slots).ok()
}
