//! Stacks on Windows, where the operating system takes part in growing and guarding them.

use corosensei::stack::{DefaultStack, StackPointer, StackTebFields};
use std::fmt;
use std::io;

/// How many stacks are made at a time.
const AT_ONCE: usize = 16;

/// A stack of corosensei's own making.
pub(crate) struct Stack {
    inner: DefaultStack,
    size: usize,
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").field("size", &self.size).finish()
    }
}

impl Stack {
    /// Usable bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }
}

// SAFETY: hands on what corosensei's own stack says.
unsafe impl corosensei::stack::Stack for Stack {
    fn base(&self) -> StackPointer {
        self.inner.base()
    }

    fn limit(&self) -> StackPointer {
        self.inner.limit()
    }

    fn teb_fields(&self) -> StackTebFields {
        self.inner.teb_fields()
    }

    fn update_teb_fields(&mut self, stack_limit: usize, guaranteed_stack_bytes: usize) {
        self.inner
            .update_teb_fields(stack_limit, guaranteed_stack_bytes);
    }
}

/// Makes stacks with `size` usable bytes each and adds them to `whole`. None lacks its guard.
pub(crate) fn make_stacks(
    size: usize,
    whole: &mut Vec<Stack>,
    _bare: &mut Vec<Stack>,
) -> io::Result<()> {
    for made in 0..AT_ONCE {
        match DefaultStack::new(size) {
            Ok(inner) => whole.push(Stack { inner, size }),
            Err(error) if made == 0 => {
                let what = "cannot reserve address space for goroutine stacks";
                return Err(io::Error::new(error.kind(), format!("{what}: {error}")));
            }
            Err(_) => break,
        }
    }
    Ok(())
}

/// Nothing to do: all have been made with their guards.
pub(crate) fn guard_stacks(_bare: &[Stack]) {}

/// Gives the memory of free stacks back to the system: not done here.
pub(crate) fn give_back_memory(_: &[Stack]) {}
