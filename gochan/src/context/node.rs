//! What a context is that can be cancelled: how it ends, and who is told.
//!
//! Whether a node has ended changes once, under its lock, and is readable without it. Whoever
//! changes it tells everybody who waited for that: the children, which it takes out of their
//! list, the functions to be called, and those who receive from the channel. What comes to a node
//! later finds, under the lock, that it has ended. No user code runs under the lock.

use super::calls::{Call, Calls, Ticket};
use super::error::{Cause, ContextError};
use super::tree::{Children, Claimed, Kin, NodeRef};
use crate::channel::Receiver;
use crate::runtime::blocks::BlockBox;
use crate::runtime::panics;
use crate::runtime::placement::Site;
use crate::runtime::{DeadlineTimer, Expiry, start_detached};
use crate::wait::SpinMutex;
use std::convert::Infallible;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// A context that can be cancelled.
pub(super) struct CancelNode {
    kin: Kin,
    /// How it ended, readable without the lock.
    error: AtomicU8,
    state: SpinMutex<State>,
    deadline: Option<Instant>,
    /// If the deadline is its own, not an ancestor's.
    limit: Option<BlockBox<Limit>>,
    /// Made when it is first asked for.
    done: OnceLock<Receiver<Infallible>>,
}

const LIVE: u8 = 0;
const CANCELED: u8 = 1;
const DEADLINE_EXCEEDED: u8 = 2;

#[derive(Default)]
struct State {
    /// None, once it has ended.
    children: Children,
    /// What to call at the end. Made when it is first needed.
    calls: Option<Arc<SpinMutex<Calls>>>,
    /// The reason that was given for the end. In a box, because there is rarely one, and of a
    /// `None` as wide as two words the compiler leaves one word undefined and copies it all the
    /// same, with what stands beside it.
    cause: Option<Box<Cause>>,
}

/// What ends a context at its deadline.
struct Limit {
    timer: DeadlineTimer,
    /// The cause if the timer is what ends it.
    cause: Option<Cause>,
}

impl CancelNode {
    /// A child of `parent` that has at most its parent's deadline; two references to it.
    ///
    /// A child of what has ended would differ from it in nothing, so it is the same.
    pub(super) fn child_of(parent: Option<&NodeRef>) -> (NodeRef, NodeRef) {
        if let Some(parent) = parent
            && parent.ended().is_some()
        {
            return (parent.clone(), parent.clone());
        }
        let deadline = parent.and_then(|parent| parent.deadline);
        let (node, same) = NodeRef::pair(|| CancelNode::unborn(parent, deadline, None));
        if let Err(parent) = node.join_parent() {
            return (parent.clone(), parent.clone());
        }
        (node, same)
    }

    /// A child of `parent` that ends at `deadline`, if its parent does not do so before; two
    /// references to it.
    pub(super) fn with_deadline(
        parent: Option<&NodeRef>,
        now: Instant,
        deadline: Instant,
        cause: Option<Cause>,
        location: &'static Location<'static>,
    ) -> (NodeRef, NodeRef) {
        let inherited = parent.and_then(|parent| parent.deadline);
        if inherited.is_some_and(|inherited| inherited <= deadline) {
            return CancelNode::child_of(parent);
        }
        let limit = BlockBox::new(|| Limit {
            timer: DeadlineTimer::new(location),
            cause,
        });
        let (node, same) =
            NodeRef::pair(|| CancelNode::unborn(parent, Some(deadline), Some(limit)));
        if let Err(parent) = node.join_parent() {
            if let Some(error) = parent.ended() {
                node.cancel(error, parent.given_cause());
            }
        } else if deadline <= now {
            node.time_out();
        } else {
            node.start_timer();
        }
        (node, same)
    }

    #[inline(always)] // to be written where it is to stand
    fn unborn(
        parent: Option<&NodeRef>,
        deadline: Option<Instant>,
        limit: Option<BlockBox<Limit>>,
    ) -> CancelNode {
        CancelNode {
            kin: Kin::new(2, parent),
            error: AtomicU8::new(LIVE),
            state: SpinMutex::new(State::default()),
            deadline,
            limit,
            done: OnceLock::new(),
        }
    }

    pub(super) fn kin(&self) -> &Kin {
        &self.kin
    }

    pub(super) fn kin_mut(&mut self) -> &mut Kin {
        &mut self.kin
    }

    /// Takes it out of the reach of its parent and its timer.
    pub(super) fn leave(&self) {
        if let Some(limit) = &self.limit {
            limit.timer.stop();
        }
        self.leave_parent();
    }

    fn leave_parent(&self) {
        if self.kin.is_linked()
            && let Some(parent) = self.kin.parent()
        {
            parent.state.lock().children.remove(self);
        }
    }

    /// Ends this context and all that were made from it, if it has not ended yet.
    pub(super) fn cancel(&self, error: ContextError, cause: Option<Cause>) {
        let mut claimed = Claimed::default();
        if !self.end(error, cause.as_ref(), &mut claimed) {
            return self.close_done();
        }
        // A tree may be deep, and a goroutine's stack is small: no recursion.
        while let Some(node) = claimed.pop() {
            node.end(error, cause.as_ref(), &mut claimed);
            // Perhaps with it a cause, whose destructor may panic; the others are to end all the same.
            panics::contain(|| drop(node));
        }
        self.leave_parent();
    }

    /// Ends this context alone, and claims its children; `false` if it had ended.
    fn end(&self, error: ContextError, cause: Option<&Cause>, claimed: &mut Claimed) -> bool {
        if self.ended().is_some() {
            return false;
        }
        let mut state = self.state.lock();
        if self.ended().is_some() {
            return false;
        }
        state.cause = cause.cloned().map(Box::new);
        let error = match error {
            ContextError::Canceled => CANCELED,
            ContextError::DeadlineExceeded => DEADLINE_EXCEEDED,
        };
        self.error.store(error, Ordering::Release);
        let calls = state.calls.take();
        let mut has_more = state.children.claim_some(claimed);
        drop(state);
        while has_more {
            has_more = self.state.lock().children.claim_some(claimed);
        }
        self.close_done();
        if let Some(limit) = &self.limit {
            limit.timer.stop();
        }
        if let Some(calls) = calls {
            Calls::close(&calls).for_each(Call::start);
        }
        true
    }

    /// Closes the channel of what has ended, for those who wait, and for everybody who learns of
    /// the end while whoever has ended it is still about to: nobody is to find the channel open
    /// after that.
    fn close_done(&self) {
        if let Some(done) = self.done.get()
            && !done.core().is_drained()
        {
            done.core().close();
        }
    }

    /// Ends it because its own time is up.
    fn time_out(&self) {
        let cause = self.limit.as_ref().and_then(|limit| limit.cause.clone());
        self.cancel(ContextError::DeadlineExceeded, cause);
    }

    /// Ends whichever of this context and its ancestors has a deadline that has passed. Their
    /// timers do so too, unless goroutines that compute keep the workers from firing them.
    #[cold]
    #[inline(never)]
    fn look_at_the_clock(&self) {
        let mut node = self;
        while let Some(deadline) = node.deadline {
            if let Some(limit) = &node.limit
                && limit.timer.now() >= deadline
            {
                return node.time_out();
            }
            match node.kin.parent() {
                Some(parent) => node = parent,
                None => return,
            }
        }
    }

    #[inline]
    fn ended(&self) -> Option<ContextError> {
        match self.error.load(Ordering::Acquire) {
            CANCELED => Some(ContextError::Canceled),
            DEADLINE_EXCEEDED => Some(ContextError::DeadlineExceeded),
            _ => None,
        }
    }

    pub(super) fn error(&self) -> Option<ContextError> {
        if self.ended().is_none() {
            self.deadline?;
            self.look_at_the_clock();
        }
        let error = self.ended()?;
        self.close_done();
        Some(error)
    }

    pub(super) fn cause(&self) -> Option<Cause> {
        let error = self.error()?;
        Some(self.given_cause().unwrap_or_else(|| Arc::new(error)))
    }

    fn given_cause(&self) -> Option<Cause> {
        self.state.lock().cause.as_deref().cloned()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    #[inline]
    pub(super) fn done(&self) -> &Receiver<Infallible> {
        if self.deadline.is_some() && self.ended().is_none() {
            self.look_at_the_clock();
        }
        self.done.get().unwrap_or_else(|| self.make_done())
    }

    #[cold]
    #[inline(never)]
    fn make_done(&self) -> &Receiver<Infallible> {
        // Whoever ends it says so under the lock, and looks for the channel then: it finds this one
        // and closes it, or is found here. Nobody gets to see it open after that.
        let state = self.state.lock();
        let done = self.done.get_or_init(|| {
            let done = Receiver::without_sender();
            if self.ended().is_some() {
                done.core().close();
            }
            done
        });
        drop(state);
        done
    }

    /// Has `call` made when this context ends; now, if it has.
    pub(super) fn call_at_end(&self, call: Call) -> Option<(Arc<SpinMutex<Calls>>, Ticket)> {
        let mut state = self.state.lock();
        let calls = match self.ended() {
            None => Some(Arc::clone(state.calls.get_or_insert_with(Calls::shared))),
            Some(_) => None,
        };
        drop(state);
        let Some(calls) = calls else {
            call.start();
            return None;
        };
        let added = calls.lock().add(call);
        match added {
            Ok(ticket) => Some((calls, ticket)),
            Err(call) => {
                call.start();
                None
            }
        }
    }
}

impl Drop for CancelNode {
    /// Those who could give up a call keep the list alive, not what is in it.
    #[inline]
    fn drop(&mut self) {
        if let Some(calls) = self.state.get_mut().calls.take() {
            drop(Calls::close(&calls));
        }
    }
}

// ----- the timer --------------------------------------------------------------------------

impl NodeRef {
    /// Takes its place among its parent's children; hands out the parent if that has ended.
    fn join_parent(&self) -> Result<(), &NodeRef> {
        let Some(parent) = self.kin.parent() else {
            return Ok(());
        };
        let mut state = parent.state.lock();
        if parent.ended().is_some() {
            return Err(parent);
        }
        state.children.add(self);
        Ok(())
    }

    fn start_timer(&self) {
        let (Some(limit), Some(deadline)) = (&self.limit, self.deadline) else {
            return;
        };
        let expiry = Expiry {
            owner: self.as_ptr().cast(),
            hold,
            start,
        };
        // SAFETY: the timer stands in a box of the node, which stops it before it goes; until then
        // the node can be held.
        unsafe { limit.timer.set(deadline, expiry) };
        // Its parent may have ended it meanwhile, and stopped a timer that was not set yet. The
        // lock makes sure that one of the two sees what the other has done.
        if self.kin.parent().is_some() {
            let state = self.state.lock();
            let has_ended = self.ended().is_some();
            drop(state);
            if has_ended {
                limit.timer.stop();
            }
        }
    }
}

/// Adds a reference for the goroutine that ends a context at its deadline.
///
/// # Safety
/// `node` is a [`CancelNode`] whose timer is set, and the lock of its heap is held.
unsafe fn hold(node: NonNull<()>) -> bool {
    // SAFETY: the caller's promise: a node with a set timer is within reach.
    unsafe { NodeRef::add_to(node.cast()) }
}

/// Starts the goroutine that ends a context at its deadline.
///
/// # Safety
/// [`hold`] has said yes, and this is called once for that.
unsafe fn start(node: NonNull<()>, location: &'static Location<'static>) {
    // SAFETY: the caller's promise.
    let expired = Expired(unsafe { NodeRef::from_counted(node.cast()) });
    start_detached(Site::of(location), move || drop(expired));
}

/// A context whose time is up. It ends when this is dropped: so it does even where a runtime ends, whose
/// goroutines only drop what they have captured, and a helper thread that waits for it goes on.
struct Expired(NodeRef);

impl Drop for Expired {
    fn drop(&mut self) {
        self.0.time_out();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::runtime::blocking::tests::until;
    use std::fmt;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A cause whose destructor panics.
    #[derive(Debug)]
    struct Fuse;

    impl fmt::Display for Fuse {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a fuse")
        }
    }

    impl std::error::Error for Fuse {}

    impl Drop for Fuse {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }

    fn fused_child_of(parent: &NodeRef) -> NodeRef {
        let (now, cause) = (Instant::now(), Arc::new(Fuse));
        let here = Location::caller();
        CancelNode::with_deadline(Some(parent), now, now + HOUR, Some(cause), here).0
    }

    fn child_of(parent: &NodeRef) -> NodeRef {
        CancelNode::child_of(Some(parent)).0
    }

    #[test]
    fn who_learns_of_the_end_finds_the_channel_closed() {
        let learn: [fn(&NodeRef); 3] = [
            |node| assert!(node.error().is_some()),
            |node| assert!(node.cause().is_some()),
            cancel,
        ];
        for learn in learn {
            let (node, _same) = CancelNode::child_of(None);
            let done = node.done().clone();
            // So far has come who ends it.
            node.error.store(CANCELED, Ordering::Release);
            assert!(!done.is_closed());
            learn(&node);
            assert!(done.is_closed());
        }
    }

    fn cancel(node: &NodeRef) {
        node.cancel(ContextError::Canceled, None);
    }

    /// A parent that lives for long keeps no list of what has ended before.
    #[test]
    fn who_is_cancelled_leaves_its_parent() {
        let parent = CancelNode::child_of(None).0;
        let child = child_of(&parent);
        let grandchild = child_of(&child);
        assert!(child.kin.is_linked() && grandchild.kin.is_linked());
        cancel(&child);
        assert!(!child.kin.is_linked() && !grandchild.kin.is_linked());
        assert!(parent.ended().is_none());
    }

    #[test]
    fn who_is_born_too_late_has_ended_at_once() {
        let now = Instant::now();
        let born = |deadline| {
            let here = Location::caller();
            let node = CancelNode::with_deadline(None, now, deadline, None, here).0;
            node.ended()
        };
        assert_eq!(born(now), Some(ContextError::DeadlineExceeded));
        assert_eq!(born(now + HOUR), None);
    }

    #[test]
    fn who_is_cancelled_before_its_timer_is_set_sets_none() {
        let parent = CancelNode::child_of(None).0;
        let child = || {
            let limit = BlockBox::new(|| Limit {
                timer: DeadlineTimer::new(Location::caller()),
                cause: None,
            });
            let deadline = Some(Instant::now() + HOUR);
            let make = || CancelNode::unborn(Some(&parent), deadline, Some(limit));
            let child = NodeRef::pair(make).0;
            assert!(child.join_parent().is_ok());
            child
        };
        let is_set = |child: &NodeRef| child.limit.as_ref().unwrap().timer.is_set();
        let (in_time, late) = (child(), child());
        in_time.start_timer();
        assert!(is_set(&in_time));
        cancel(&parent);
        late.start_timer();
        assert!(!is_set(&in_time) && !is_set(&late));
    }

    /// The one whose cause it is has been let go of meanwhile, so that it goes with its canceller.
    #[test]
    fn a_destructor_of_a_cause_that_panics_keeps_nobody_from_ending() {
        let parent = CancelNode::child_of(None).0;
        let eldest = child_of(&parent);
        let child = fused_child_of(&parent);
        let youngest = child_of(&parent);
        let call = child.call_at_end(Call::new(Location::caller(), || {}));
        let (calls, _) = call.expect("it has not ended");
        thread::scope(|s| {
            // The canceller waits for this when it has ended the child.
            let held = calls.lock();
            let canceller = s.spawn(|| cancel(&parent));
            until(|| child.ended().is_some());
            drop(child);
            drop(held);
            canceller.join().unwrap();
        });
        assert!(eldest.ended().is_some() && youngest.ended().is_some());
    }

    /// The node has ended between the look at it and at its calls.
    #[test]
    fn a_call_that_finds_the_others_taken_out_is_made() {
        let node = CancelNode::child_of(None).0;
        let here = Location::caller();
        let first = node.call_at_end(Call::new(here, || {}));
        let (calls, _) = first.expect("it has not ended");
        assert_eq!(Calls::close(&calls).count(), 1);
        let (tell, told) = std::sync::mpsc::channel();
        let late = Call::new(here, move || tell.send(()).unwrap());
        assert!(node.call_at_end(late).is_none());
        told.recv_timeout(Duration::from_secs(30)).unwrap();
    }

    #[test]
    fn a_parent_is_let_go_though_the_destructor_of_a_cause_panics() {
        let parent = CancelNode::child_of(None).0;
        let captured = Arc::new(());
        let holds = Arc::clone(&captured);
        parent.call_at_end(Call::new(Location::caller(), || drop(holds)));
        let child = fused_child_of(&parent);
        drop(parent);
        assert_eq!(Arc::strong_count(&captured), 2, "its child holds it");
        catch_unwind(AssertUnwindSafe(|| drop(child))).unwrap_err();
        assert_eq!(Arc::strong_count(&captured), 1);
    }
}
