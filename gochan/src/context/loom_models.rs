//! Models of the tree of contexts, checked by loom as those of the [parking parts](crate::wait).
//!
//! A model fails if a node goes while somebody uses it. That none is left is seen by the cause,
//! which every node that has ended holds.

use super::error::{Cause, ContextError};
use super::node::CancelNode;
use super::tree::NodeRef;
use crate::wait::atomic::{check, check_within};
use loom::thread;
use std::sync::Arc;

/// A new node of which there is one reference.
fn node(parent: Option<&NodeRef>) -> NodeRef {
    let (node, same) = CancelNode::child_of(parent);
    drop(same);
    node
}

fn cause() -> Cause {
    Arc::new(ContextError::DeadlineExceeded)
}

fn cancel(node: &NodeRef, cause: &Cause) {
    node.cancel(ContextError::Canceled, Some(Arc::clone(cause)));
}

/// Cancels `node` on another thread, and drops the reference there.
fn cancel_elsewhere(node: NodeRef, cause: &Cause) -> thread::JoinHandle<()> {
    let cause = Arc::clone(cause);
    thread::spawn(move || cancel(&node, &cause))
}

fn assert_nothing_holds(cause: &Cause) {
    assert_eq!(Arc::strong_count(cause), 1);
}

#[test]
fn loom_a_child_goes_while_its_parent_is_cancelled() {
    check(|| {
        let cause = cause();
        let parent = node(None);
        let child = node(Some(&parent));
        let canceller = cancel_elsewhere(parent, &cause);
        drop(child);
        canceller.join().unwrap();
        assert_nothing_holds(&cause);
    });
}

#[test]
fn loom_brothers_leave_and_are_cancelled() {
    check_within(2, || {
        let cause = cause();
        let parent = node(None);
        let children = [(); 3].map(|()| node(Some(&parent)));
        let [first, second, third] = children;
        let leaving = thread::spawn(move || drop(second));
        let cancelling = cancel_elsewhere(first, &cause);
        cancel(&parent, &cause);
        assert_eq!(third.error(), Some(ContextError::Canceled));
        leaving.join().unwrap();
        cancelling.join().unwrap();
        drop((parent, third));
        assert_nothing_holds(&cause);
    });
}

#[test]
fn loom_the_last_two_references_go_at_once() {
    check(|| {
        let cause = cause();
        let parent = node(None);
        let child = node(Some(&parent));
        let (one, other) = (child.clone(), child);
        let dropping = thread::spawn(move || drop(one));
        let cancelling = cancel_elsewhere(parent, &cause);
        drop(other);
        dropping.join().unwrap();
        cancelling.join().unwrap();
        assert_nothing_holds(&cause);
    });
}

#[test]
fn loom_who_is_born_while_its_parent_ends_ends_too() {
    check(|| {
        let cause = cause();
        let parent = node(None);
        let cancelling = cancel_elsewhere(parent.clone(), &cause);
        let child = node(Some(&parent));
        let grandchild = node(Some(&child));
        drop(child);
        cancelling.join().unwrap();
        assert_eq!(grandchild.error(), Some(ContextError::Canceled));
        drop((parent, grandchild));
        assert_nothing_holds(&cause);
    });
}
