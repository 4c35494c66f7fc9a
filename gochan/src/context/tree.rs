//! The tree of contexts that can be cancelled: who is whose child, and who keeps whom alive.
//!
//! - A child holds its parent, as does everybody who has a [`NodeRef`].
//! - A parent knows its children without holding them. A child is *linked* while it stands in its
//!   parent's list, which is changed under the parent's lock alone. A node that goes leaves the
//!   list first: so whoever holds the lock finds in the list only nodes that are there.
//! - From the list, or from a timer, a reference to a node can be had only while somebody has one,
//!   and no longer once the node is *out of reach*: neither linked nor known to a timer. After the
//!   node has been made that never changes back. So whoever has the one reference to a node out of
//!   reach is alone with it, and finds that out by looking: to count down would cost more than all
//!   the rest of dropping it.
//! - The links of a node that is not linked are its canceller's, if it has one.
//! - No lock is held while another one is taken.

use super::node::CancelNode;
use crate::runtime::blocks::BlockBox;
use crate::wait::atomic::{AtomicUsize, Cell, Ordering, fence};
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::process::abort;
use std::ptr::NonNull;

/// More references are refused, long before the counter overflows.
const MOST: usize = usize::MAX / 2;
/// It stands in its parent's list.
const LINKED: usize = 1;
/// It does not.
const UNLINKED: usize = 0;
/// How many children are told under one hold of their parent's lock.
const AT_ONCE: usize = 16;

/// What a node is to the others.
pub(super) struct Kin {
    references: AtomicUsize,
    parent: Option<NodeRef>,
    /// Whether it stands in its parent's list. Changed under the parent's lock. It takes a whole
    /// word, because the compiler copies padding together with what stands beside it, and what has
    /// been written in parts is not copied as a whole without a wait.
    linked: AtomicUsize,
    previous: Cell<Option<NonNull<CancelNode>>>,
    next: Cell<Option<NonNull<CancelNode>>>,
}

// SAFETY: the cells are touched under the parent's lock, or by the canceller alone.
unsafe impl Send for Kin {}
// SAFETY: as above.
unsafe impl Sync for Kin {}

impl Kin {
    /// Those of a node to which there are so many references, and which is not linked yet.
    #[inline(always)] // to be written where it is to stand
    pub(super) fn new(references: usize, parent: Option<&NodeRef>) -> Kin {
        Kin {
            references: AtomicUsize::new(references),
            parent: parent.cloned(),
            linked: AtomicUsize::new(UNLINKED),
            previous: Cell::new(None),
            next: Cell::new(None),
        }
    }

    pub(super) fn parent(&self) -> Option<&NodeRef> {
        self.parent.as_ref()
    }

    pub(super) fn is_linked(&self) -> bool {
        self.linked.load(Ordering::Acquire) == LINKED
    }

    fn add_reference(&self) {
        // What a new reference makes possible, the old one did before.
        if self.references.fetch_add(1, Ordering::Relaxed) > MOST {
            abort();
        }
    }

    /// Adds a reference if there is one.
    fn add_reference_to_living(&self) -> bool {
        self.references
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |references| {
                if references > MOST {
                    abort();
                }
                (references > 0).then_some(references + 1)
            })
            .is_ok()
    }
}

/// A counted reference to a node.
pub(super) struct NodeRef(NonNull<CancelNode>);

// SAFETY: it gives shared references to the node, and drops it wherever the last one is dropped.
unsafe impl Send for NodeRef where CancelNode: Send + Sync {}
// SAFETY: as above.
unsafe impl Sync for NodeRef where CancelNode: Send + Sync {}

// A panic cannot leave a node half changed: no user code runs while it changes.
impl UnwindSafe for NodeRef {}
impl RefUnwindSafe for NodeRef {}

impl NodeRef {
    /// Both references to a new node whose [`Kin`] says that there are two.
    #[inline(always)] // to be written where it is to stand
    pub(super) fn pair(make: impl FnOnce() -> CancelNode) -> (NodeRef, NodeRef) {
        let node = BlockBox::into_raw(BlockBox::new(make));
        (NodeRef(node), NodeRef(node))
    }

    pub(super) fn as_ptr(&self) -> NonNull<CancelNode> {
        self.0
    }

    /// Adds a reference to the node unless its last one has gone: then it is about to leave.
    ///
    /// # Safety
    /// The node is within reach, and the caller holds the lock that keeps it so.
    pub(super) unsafe fn add_to(node: NonNull<CancelNode>) -> bool {
        // SAFETY: who has dropped the last reference to a node within reach frees it only when it
        // has been taken out of reach, under the caller's lock.
        unsafe { node.as_ref() }.kin().add_reference_to_living()
    }

    /// Takes over a reference that was counted already.
    ///
    /// # Safety
    /// It was counted, and is nobody else's.
    pub(super) unsafe fn from_counted(node: NonNull<CancelNode>) -> NodeRef {
        NodeRef(node)
    }

    fn into_counted(self) -> NonNull<CancelNode> {
        let node = self.0;
        std::mem::forget(self);
        node
    }

    /// Gives up a reference. Hands out the parent's if the node went with it.
    ///
    /// # Safety
    /// The reference was counted, and is not used after.
    unsafe fn release(pointer: NonNull<CancelNode>) -> Option<NonNull<CancelNode>> {
        // SAFETY: the caller's reference keeps it alive.
        let node = unsafe { pointer.as_ref() };
        let references = &node.kin().references;
        let is_the_only_one = || references.load(Ordering::Acquire) == 1;
        // Out of reach, nobody can add to the references any more. If somebody has done so before,
        // it is to end the node, which has left what would have ended it no too early.
        let is_alone = is_the_only_one() && {
            node.leave();
            is_the_only_one()
        };
        if !is_alone {
            if references.fetch_sub(1, Ordering::Release) != 1 {
                return None;
            }
            fence(Ordering::Acquire);
            node.leave();
        }
        // SAFETY: it is from the box of `pair`. No reference is left, and nobody can add one: the
        // node is out of reach, and who came before that has found no reference to add to.
        let mut node = unsafe { BlockBox::from_raw(pointer) };
        let parent = node.kin_mut().parent.take();
        // What others have left here goes first: it may panic, and the parent is let go even so.
        drop(node);
        parent.map(NodeRef::into_counted)
    }
}

impl Clone for NodeRef {
    fn clone(&self) -> Self {
        self.kin().add_reference();
        NodeRef(self.0)
    }
}

impl Deref for NodeRef {
    type Target = CancelNode;

    fn deref(&self) -> &CancelNode {
        // SAFETY: the reference is counted, so the node is alive.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for NodeRef {
    /// One after the other, not by recursion: a tree may be deep, and a goroutine's stack small.
    #[inline]
    fn drop(&mut self) {
        let mut next = Some(self.0);
        while let Some(node) = next {
            // SAFETY: it is this reference, or that of a node which has gone to its parent.
            next = unsafe { NodeRef::release(node) };
        }
    }
}

/// The list of a node's children, under its lock.
#[derive(Default)]
pub(super) struct Children {
    first: Option<NonNull<CancelNode>>,
}

// SAFETY: nodes are `Send` and `Sync`.
unsafe impl Send for Children where CancelNode: Send + Sync {}

impl Children {
    /// Adds a node that has never been in a list.
    pub(super) fn add(&mut self, child: &NodeRef) {
        let kin = child.kin();
        kin.next.set(self.first);
        if let Some(first) = self.first {
            // SAFETY: it is linked, and we have the lock.
            unsafe { first.as_ref() }
                .kin()
                .previous
                .set(Some(child.as_ptr()));
        }
        self.first = Some(child.as_ptr());
        kin.linked.store(LINKED, Ordering::Relaxed);
    }

    /// Takes `child`, which may not stand here any more, out of its parent's list.
    pub(super) fn remove(&mut self, child: &CancelNode) {
        let kin = child.kin();
        if kin.linked.load(Ordering::Relaxed) == UNLINKED {
            return;
        }
        let (previous, next) = (kin.previous.get(), kin.next.get());
        match previous {
            // SAFETY: it is linked, and we have the lock.
            Some(previous) => unsafe { previous.as_ref() }.kin().next.set(next),
            None => self.first = next,
        }
        if let Some(next) = next {
            // SAFETY: as above.
            unsafe { next.as_ref() }.kin().previous.set(previous);
        }
        // The last that is done to it: if it is about to go, it may be gone from here on.
        kin.linked.store(UNLINKED, Ordering::Release);
    }

    /// Takes some out, for a canceller. Says whether there are more.
    pub(super) fn claim_some(&mut self, claimed: &mut Claimed) -> bool {
        for _ in 0..AT_ONCE {
            let Some(child) = self.first else {
                return false;
            };
            // SAFETY: it is linked, and we have the lock.
            let is_held = unsafe { NodeRef::add_to(child) };
            // SAFETY: as above.
            self.remove(unsafe { child.as_ref() });
            if is_held {
                // SAFETY: counted just now.
                claimed.push(unsafe { NodeRef::from_counted(child) });
            }
        }
        self.first.is_some()
    }
}

/// Nodes that a canceller has taken out of their parents' lists, and has not ended yet.
#[derive(Default)]
pub(super) struct Claimed {
    /// The rest follow by their links.
    top: Option<NonNull<CancelNode>>,
}

impl Claimed {
    fn push(&mut self, node: NodeRef) {
        node.kin().next.set(self.top);
        self.top = Some(node.into_counted());
    }

    pub(super) fn pop(&mut self) -> Option<NodeRef> {
        // SAFETY: it was counted when it was put here.
        let node = unsafe { NodeRef::from_counted(self.top?) };
        self.top = node.kin().next.get();
        Some(node)
    }
}
