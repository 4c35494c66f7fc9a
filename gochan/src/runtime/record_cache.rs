//! Free memory for the records of goroutines, kept by each worker.
//!
//! Records come in a few sizes, live shortly and die in bulk, which is what a general allocator
//! is slowest at. Blocks are linked through their own first word, last in, first out.

use std::alloc::{self, Layout};
use std::cell::Cell;
use std::hint::black_box;
use std::ptr::{self, NonNull};

/// Sizes are rounded up to a multiple of this.
const STEP: usize = 64;
/// How many sizes are cached; larger records go straight to the allocator.
const CLASSES: usize = 12;
/// How many free blocks of a size a worker keeps.
const KEEP: usize = 512;
const ALIGN: usize = 16;
/// How much memory the allocator is to take from the system at a time: less than what it would map
/// by itself, or give back at once.
const STRIDE: usize = 64 * 1024;

/// The free blocks of one worker.
#[derive(Debug)]
pub(super) struct RecordCache {
    classes: [Class; CLASSES],
    /// Bytes that may still be asked of the allocator before it is to take a stride.
    stride: Cell<usize>,
}

#[derive(Debug)]
struct Class {
    first: Cell<*mut Block>,
    count: Cell<usize>,
}

struct Block {
    next: *mut Block,
}

/// The class of a layout and the layout that its blocks have.
#[inline]
fn class_of(layout: Layout) -> Option<(usize, Layout)> {
    let class = layout.size().div_ceil(STEP).max(1) - 1;
    if class >= CLASSES || layout.align() > ALIGN {
        return None;
    }
    let size = (class + 1) * STEP;
    Some((class, Layout::from_size_align(size, ALIGN).ok()?))
}

impl RecordCache {
    pub(super) const fn new() -> Self {
        RecordCache {
            classes: [const {
                Class {
                    first: Cell::new(ptr::null_mut()),
                    count: Cell::new(0),
                }
            }; CLASSES],
            stride: Cell::new(STRIDE),
        }
    }

    /// Counts what is asked of the allocator, and has it take memory from the system in strides.
    ///
    /// The heap that glibc has for a thread grows by a page at a time, each by a system call that
    /// keeps all other threads from mapping and, often, from touching new memory: when goroutines
    /// are started by the thousands, that is felt. Memory that is asked for as one block and given
    /// back stays with the heap.
    #[inline]
    fn note_miss(&self, bytes: usize) {
        match self.stride.get().checked_sub(bytes) {
            Some(left) => self.stride.set(left),
            None => self.take_stride(),
        }
    }

    #[cold]
    fn take_stride(&self) {
        self.stride.set(STRIDE);
        if let Ok(layout) = Layout::from_size_align(STRIDE, ALIGN) {
            // SAFETY: the layout has a size, and the memory is given back unused.
            unsafe {
                // Unseen, so that the compiler does not leave the two calls out.
                let memory = black_box(alloc::alloc(layout));
                if !memory.is_null() {
                    alloc::dealloc(memory, layout);
                }
            }
        }
    }
}

impl Drop for RecordCache {
    fn drop(&mut self) {
        for (class, free) in self.classes.iter().enumerate() {
            let layout = Layout::from_size_align((class + 1) * STEP, ALIGN);
            let layout = layout.expect("a small layout is valid");
            while let Some(block) = free.pop() {
                // SAFETY: free blocks were allocated with the layout of their class.
                unsafe { alloc::dealloc(block.as_ptr().cast(), layout) };
            }
        }
    }
}

impl Class {
    #[inline]
    fn pop(&self) -> Option<NonNull<Block>> {
        let first = NonNull::new(self.first.get())?;
        // SAFETY: free blocks are ours, and begin with a link.
        self.first.set(unsafe { first.as_ref() }.next);
        self.count.set(self.count.get() - 1);
        Some(first)
    }
}

/// Memory for a record of `layout`, from `cache` if it has some.
#[inline]
pub(super) fn allocate(cache: Option<&RecordCache>, layout: Layout) -> NonNull<u8> {
    let layout = match class_of(layout) {
        Some((class, class_layout)) => {
            if let Some(cache) = cache {
                if let Some(block) = cache.classes[class].pop() {
                    return block.cast();
                }
                cache.note_miss(class_layout.size());
            }
            class_layout
        }
        None => layout,
    };
    // SAFETY: a record is not zero-sized.
    let memory = unsafe { alloc::alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| alloc::handle_alloc_error(layout))
}

/// Takes back the memory of a record, into `cache` if it has room.
///
/// # Safety
/// `memory` comes from [`allocate`] with the same `layout`, and nothing uses it any more.
#[inline]
pub(super) unsafe fn free(cache: Option<&RecordCache>, memory: NonNull<u8>, layout: Layout) {
    let layout = match class_of(layout) {
        Some((class, class_layout)) => {
            if let Some(cache) = cache {
                let free = &cache.classes[class];
                if free.count.get() < KEEP {
                    let block = memory.cast::<Block>();
                    // SAFETY: the memory is ours now, and large enough for a link.
                    unsafe {
                        block.write(Block {
                            next: free.first.get(),
                        });
                    }
                    free.first.set(block.as_ptr());
                    free.count.set(free.count.get() + 1);
                    return;
                }
            }
            class_layout
        }
        None => layout,
    };
    // SAFETY: it was allocated with this layout.
    unsafe { alloc::dealloc(memory.as_ptr(), layout) };
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn freed_memory_is_used_again_for_the_same_size_only() {
        let cache = RecordCache::new();
        let small = Layout::new::<[u64; 20]>();
        let large = Layout::new::<[u64; 60]>();
        let first = allocate(Some(&cache), small);
        let other = allocate(Some(&cache), large);
        // SAFETY: allocated just above.
        unsafe {
            free(Some(&cache), first, small);
            free(Some(&cache), other, large);
        }
        assert_eq!(allocate(Some(&cache), large), other);
        assert_eq!(allocate(Some(&cache), small), first);
        // SAFETY: as above; without a cache it goes back to the allocator.
        unsafe {
            free(None, first, small);
            free(Some(&cache), other, large);
        }
    }

    #[test]
    fn records_of_any_layout_are_served() {
        #[repr(align(128))]
        struct Aligned(#[expect(dead_code, reason = "gives it a size")] [u8; 300]);
        let cache = RecordCache::new();
        for layout in [
            Layout::new::<u8>(),
            Layout::new::<Aligned>(),
            Layout::new::<[u64; 1000]>(),
        ] {
            let memory = allocate(Some(&cache), layout);
            assert_eq!(memory.as_ptr() as usize % layout.align(), 0);
            // SAFETY: fresh memory of that size.
            unsafe {
                memory.write_bytes(0xA5, layout.size());
                free(Some(&cache), memory, layout);
            }
        }
    }
}
