//! The values of a context: a list, the one added last first.

use std::any::Any;
use std::panic::RefUnwindSafe;
use std::sync::Arc;

/// One value, and those that were added before.
pub(super) struct ValueNode {
    value: Box<dyn Any + Send + Sync>,
    earlier: Option<Arc<ValueNode>>,
}

// A panic cannot leave it half changed: it does not change.
impl RefUnwindSafe for ValueNode {}

impl ValueNode {
    pub(super) fn new(earlier: Option<Arc<ValueNode>>, value: impl Any + Send + Sync) -> Self {
        ValueNode {
            value: Box::new(value),
            earlier,
        }
    }

    /// The first value of type `T`.
    pub(super) fn find<T: Any>(&self) -> Option<&T> {
        let mut node = self;
        loop {
            if let Some(value) = node.value.downcast_ref() {
                return Some(value);
            }
            node = node.earlier.as_ref()?;
        }
    }
}

impl Drop for ValueNode {
    /// One after the other: a long list must not be dropped by recursion, on the small stack of
    /// a goroutine.
    fn drop(&mut self) {
        let mut next = self.earlier.take();
        while let Some(node) = next {
            next = Arc::into_inner(node).and_then(|mut node| node.earlier.take());
        }
    }
}
