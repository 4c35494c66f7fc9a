//! The tree of contexts that can be cancelled.
//!
//! A child holds its parent; the parent knows its children without holding them. Whoever ends
//! takes the children out under its lock, so each is told once, and leaves its own parent. No
//! lock is held while another one is taken, and no user code runs under one.

use super::children::{Call, Child, Children, Ticket};
use super::error::{Cause, ContextError};
use crate::channel::Receiver;
use crate::runtime::StartTimer;
use crate::time;
use parking_lot::Mutex;
use std::convert::Infallible;
use std::panic::Location;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

/// A context that can be cancelled.
pub(super) struct CancelNode {
    parent: Option<Arc<CancelNode>>,
    /// Its place among the parent's children.
    ticket: OnceLock<Ticket>,
    deadline: Option<Instant>,
    /// If the deadline is its own, not an ancestor's.
    timer: Option<StartTimer>,
    /// The cause if the timer is what ends it.
    timeout_cause: Option<Cause>,
    /// How it ended, readable without the lock.
    error: AtomicU8,
    state: Mutex<State>,
    /// Made when it is first asked for.
    done: OnceLock<Receiver<Infallible>>,
}

const LIVE: u8 = 0;
const CANCELED: u8 = 1;
const DEADLINE_EXCEEDED: u8 = 2;

enum State {
    Live(Children),
    Ended(Option<Cause>),
}

impl CancelNode {
    /// A child of `parent` that has at most its parent's deadline.
    pub(super) fn new(parent: Option<&Arc<CancelNode>>) -> Arc<CancelNode> {
        let node = Arc::new(CancelNode::unborn(parent));
        node.join_parent();
        node
    }

    /// A child of `parent` that ends at `deadline`, if its parent does not do so before.
    pub(super) fn with_deadline(
        parent: Option<&Arc<CancelNode>>,
        deadline: Instant,
        cause: Option<Cause>,
        location: &'static Location<'static>,
    ) -> Arc<CancelNode> {
        let inherited = parent.and_then(|parent| parent.deadline);
        if inherited.is_some_and(|inherited| inherited <= deadline) {
            return CancelNode::new(parent);
        }
        let node = Arc::new_cyclic(|this: &Weak<CancelNode>| {
            let this = this.clone();
            // Set below, when there is something to cancel.
            let timer = StartTimer::new(location, move || {
                if let Some(node) = this.upgrade() {
                    node.time_out();
                }
            });
            let mut node = CancelNode::unborn(parent);
            node.deadline = Some(deadline);
            node.timer = Some(timer);
            node.timeout_cause = cause;
            node
        });
        node.join_parent();
        let left = time::until(deadline);
        if left.is_zero() {
            node.time_out();
        } else if let Some(timer) = &node.timer
            && node.ended().is_none()
        {
            timer.set(left);
            // It may have ended meanwhile, and stopped a timer that was not set yet.
            if node.ended().is_some() {
                timer.stop();
            }
        }
        node
    }

    fn unborn(parent: Option<&Arc<CancelNode>>) -> CancelNode {
        CancelNode {
            parent: parent.cloned(),
            ticket: OnceLock::new(),
            deadline: parent.and_then(|parent| parent.deadline),
            timer: None,
            timeout_cause: None,
            error: AtomicU8::new(LIVE),
            state: Mutex::new(State::Live(Children::default())),
            done: OnceLock::new(),
        }
    }

    /// Takes its place among its parent's children, or ends as its parent has.
    fn join_parent(self: &Arc<Self>) {
        let Some(parent) = &self.parent else {
            return;
        };
        match parent.adopt(Child::Context(Arc::downgrade(self))) {
            Ok(ticket) => _ = self.ticket.set(ticket),
            Err(_) => {
                if let Some(error) = parent.ended() {
                    self.cancel(error, parent.given_cause());
                }
            }
        }
    }

    fn adopt(&self, child: Child) -> Result<Ticket, Child> {
        match &mut *self.state.lock() {
            State::Live(children) => Ok(children.add(child)),
            State::Ended(_) => Err(child),
        }
    }

    /// Lets a child go.
    pub(super) fn disown(&self, ticket: Ticket) -> Option<Child> {
        match &mut *self.state.lock() {
            State::Live(children) => children.remove(ticket),
            State::Ended(_) => None,
        }
    }

    /// Has `call` made when this context ends; now, if it has.
    pub(super) fn call_at_end(&self, call: Call) -> Option<Ticket> {
        match self.adopt(Child::Call(call)) {
            Ok(ticket) => Some(ticket),
            Err(Child::Call(call)) => {
                call.start();
                None
            }
            Err(Child::Context(_)) => None,
        }
    }

    /// Ends this context and all that were made from it, if it has not ended yet.
    pub(super) fn cancel(&self, error: ContextError, cause: Option<Cause>) {
        let Some(mut children) = self.end(error, cause.as_ref()) else {
            return;
        };
        // A tree may be deep, and a goroutine's stack is small: no recursion.
        let mut pending = Vec::new();
        loop {
            for child in children.into_all() {
                match child {
                    Child::Context(child) => pending.extend(child.upgrade()),
                    Child::Call(call) => call.start(),
                }
            }
            children = loop {
                let Some(node): Option<Arc<CancelNode>> = pending.pop() else {
                    self.leave_parent();
                    return;
                };
                if let Some(children) = node.end(error, cause.as_ref()) {
                    break children;
                }
            };
        }
    }

    /// Ends this context alone, and hands out its children; `None` if it had ended.
    fn end(&self, error: ContextError, cause: Option<&Cause>) -> Option<Children> {
        let mut state = self.state.lock();
        let State::Live(children) = &mut *state else {
            return None;
        };
        let children = std::mem::take(children);
        *state = State::Ended(cause.cloned());
        let error = match error {
            ContextError::Canceled => CANCELED,
            ContextError::DeadlineExceeded => DEADLINE_EXCEEDED,
        };
        self.error.store(error, Ordering::SeqCst);
        drop(state);
        if let Some(done) = self.done.get() {
            done.core().close();
        }
        if let Some(timer) = &self.timer {
            timer.stop();
        }
        Some(children)
    }

    fn leave_parent(&self) {
        if let (Some(parent), Some(ticket)) = (&self.parent, self.ticket.get()) {
            parent.disown(*ticket);
        }
    }

    /// Ends it because its own time is up.
    fn time_out(&self) {
        self.cancel(ContextError::DeadlineExceeded, self.timeout_cause.clone());
    }

    /// Ends whichever of this context and its ancestors has a deadline that has passed. Their
    /// timers do so too, unless goroutines that compute keep the workers from firing them.
    fn look_at_the_clock(&self) {
        let mut node = self;
        while let Some(deadline) = node.deadline {
            if let Some(timer) = &node.timer
                && timer.now() >= deadline
            {
                return node.time_out();
            }
            match &node.parent {
                Some(parent) => node = parent,
                None => return,
            }
        }
    }

    fn ended(&self) -> Option<ContextError> {
        match self.error.load(Ordering::SeqCst) {
            CANCELED => Some(ContextError::Canceled),
            DEADLINE_EXCEEDED => Some(ContextError::DeadlineExceeded),
            _ => None,
        }
    }

    pub(super) fn error(&self) -> Option<ContextError> {
        let ended = self.ended();
        if ended.is_some() || self.deadline.is_none() {
            return ended;
        }
        self.look_at_the_clock();
        self.ended()
    }

    pub(super) fn cause(&self) -> Option<Cause> {
        let error = self.error()?;
        Some(self.given_cause().unwrap_or_else(|| Arc::new(error)))
    }

    fn given_cause(&self) -> Option<Cause> {
        match &*self.state.lock() {
            State::Live(_) => None,
            State::Ended(cause) => cause.clone(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn done(&self) -> &Receiver<Infallible> {
        if self.deadline.is_some() && self.ended().is_none() {
            self.look_at_the_clock();
        }
        self.done.get().unwrap_or_else(|| self.make_done())
    }

    #[cold]
    fn make_done(&self) -> &Receiver<Infallible> {
        let state = self.state.lock();
        let done = self.done.get_or_init(Receiver::without_sender);
        // Whoever ends it after this has the channel to close; whoever did before had not.
        if matches!(*state, State::Ended(_)) {
            done.core().close();
        }
        done
    }

    /// Leaves everything that knows it, and hands out its parent.
    fn detach(&mut self) -> Option<Arc<CancelNode>> {
        if let Some(timer) = &self.timer {
            timer.stop();
        }
        let parent = self.parent.take()?;
        if let Some(ticket) = self.ticket.get() {
            parent.disown(*ticket);
        }
        Some(parent)
    }
}

impl Drop for CancelNode {
    /// One after the other, not by recursion: a tree may be deep.
    fn drop(&mut self) {
        let mut next = self.detach();
        while let Some(node) = next {
            next = Arc::into_inner(node).and_then(|mut node| node.detach());
        }
    }
}
