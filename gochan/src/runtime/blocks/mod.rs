//! Memory for what goroutines make and let go of all the time: their own records, channels, timers,
//! contexts.
//!
//! Such things come in a few sizes, live shortly and, often, die in bulk, which is what a general
//! allocator is slowest at. Free blocks are linked through their own first word, last in, first
//! out. A worker keeps two chains of each size; what is more than that goes to a [pool] of the
//! process, from which workers whose chains are empty get theirs.

mod block_box;
mod pool;

use super::idle_memory;
use super::worker::{self, Worker};
use pool::Chain;
use std::alloc::{self, Layout};
use std::cell::Cell;
use std::hint::black_box;
use std::ptr::{self, NonNull};

pub(crate) use block_box::BlockBox;
pub(super) use pool::{give_back_idle, pool_is_empty};

/// Sizes are rounded up to a multiple of this.
const STEP: usize = 64;
/// How many sizes are cached; what is larger goes straight to the allocator. None where a tool is to
/// see each allocation.
const CLASSES: usize = if cfg!(gochan_no_block_cache) { 0 } else { 12 };
/// How many blocks a chain has, of which a worker keeps up to two of a size.
const CHAIN: usize = 256;
const ALIGN: usize = 16;
/// How much memory the allocator is to take from the system at a time: less than what it would map
/// by itself, or give back at once.
const STRIDE: usize = 64 * 1024;

/// The free blocks of one worker.
pub(super) struct BlockCache {
    classes: [Class; CLASSES],
    /// Bytes that may still be asked of the allocator before it is to take a stride.
    stride: Cell<usize>,
}

/// The free blocks of one size.
struct Class {
    /// The block given back last. Who makes and lets go of one thing after the other uses this one
    /// alone, and needs not wait for the links and the count, which each would change.
    last: Cell<*mut Block>,
    /// The chain in use, and how many blocks it has.
    first: Cell<*mut Block>,
    count: Cell<usize>,
    /// A whole chain.
    spare: Cell<Option<Chain>>,
}

#[derive(Debug)]
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
    Some((class, layout_of(class)))
}

/// The layout that the blocks of a class have.
#[inline]
fn layout_of(class: usize) -> Layout {
    let layout = Layout::from_size_align((class + 1) * STEP, ALIGN);
    layout.expect("a small layout is valid")
}

impl BlockCache {
    pub(super) const fn new() -> Self {
        BlockCache {
            classes: [const {
                Class {
                    last: Cell::new(ptr::null_mut()),
                    first: Cell::new(ptr::null_mut()),
                    count: Cell::new(0),
                    spare: Cell::new(None),
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

impl Drop for BlockCache {
    fn drop(&mut self) {
        for (class, free) in self.classes.iter().enumerate() {
            if let Some(last) = NonNull::new(free.last.take()) {
                // SAFETY: it is a free block of this class.
                unsafe { free.push(last) };
            }
            let chains = [free.take_chain(), free.spare.take()];
            let chains = chains.into_iter().flatten();
            chains.for_each(|chain| chain.give_back(class));
        }
    }
}

impl Class {
    /// Takes a block.
    #[inline]
    fn take(&self, class: usize) -> Option<NonNull<Block>> {
        if let Some(last) = NonNull::new(self.last.get()) {
            self.last.set(ptr::null_mut());
            return Some(last);
        }
        self.pop().or_else(|| self.pop_from_another(class))
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// The block has the size of this class, and nobody else uses it.
    #[inline]
    unsafe fn give_back(&self, class: usize, block: NonNull<Block>) {
        if let Some(previous) = NonNull::new(self.last.replace(block.as_ptr())) {
            if self.count.get() == CHAIN {
                self.put_aside(class);
            }
            // SAFETY: it is a free block of this class.
            unsafe { self.push(previous) };
        }
    }

    /// Takes a block, if there is one in the chain in use.
    #[inline]
    fn pop(&self) -> Option<NonNull<Block>> {
        let first = NonNull::new(self.first.get())?;
        // SAFETY: free blocks are ours, and begin with a link.
        self.first.set(unsafe { first.as_ref() }.next);
        self.count.set(self.count.get() - 1);
        Some(first)
    }

    /// # Safety
    /// The block has the size of this class, and nobody else uses it.
    #[inline]
    unsafe fn push(&self, block: NonNull<Block>) {
        let next = self.first.replace(block.as_ptr());
        // SAFETY: the caller's promise; it is large enough for a link.
        unsafe { block.write(Block { next }) };
        self.count.set(self.count.get() + 1);
    }

    /// Begins another chain with what is spare or in the pool, and takes a block from it.
    #[cold]
    fn pop_from_another(&self, class: usize) -> Option<NonNull<Block>> {
        let chain = self.spare.take().or_else(|| pool::of(class).take())?;
        self.first.set(chain.first.as_ptr());
        self.count.set(chain.count);
        self.pop()
    }

    /// Begins an empty chain; the one in use becomes the spare one, and that goes to the pool.
    #[cold]
    fn put_aside(&self, class: usize) {
        if let Some(chain) = self.spare.replace(self.take_chain()) {
            pool::of(class).put(chain);
            idle_memory::watch();
        }
    }

    fn take_chain(&self) -> Option<Chain> {
        Some(Chain {
            first: NonNull::new(self.first.replace(ptr::null_mut()))?,
            count: self.count.take(),
        })
    }
}

/// Memory of that layout, which is not for zero bytes. `None` if there is none.
#[inline]
pub(crate) fn allocate(layout: Layout) -> Option<NonNull<u8>> {
    allocate_from(worker::current().map(Worker::blocks), layout)
}

/// As [`allocate`], from `cache` if it has some, or else from the pool.
#[inline]
pub(super) fn allocate_from(cache: Option<&BlockCache>, layout: Layout) -> Option<NonNull<u8>> {
    let Some((class, layout)) = class_of(layout) else {
        return ask_allocator(layout);
    };
    let free = match cache {
        Some(cache) => cache.classes[class].take(class),
        None => pool::of(class).take_block(),
    };
    if let Some(block) = free {
        return Some(block.cast());
    }
    if let Some(cache) = cache {
        cache.note_miss(layout.size());
    }
    ask_allocator(layout)
}

fn ask_allocator(layout: Layout) -> Option<NonNull<u8>> {
    debug_assert_ne!(layout.size(), 0);
    // SAFETY: the layout has a size.
    NonNull::new(unsafe { alloc::alloc(layout) })
}

/// Takes memory back, for what the calling worker makes next.
///
/// # Safety
/// `memory` comes from [`allocate`] with the same `layout`, and nothing uses it any more.
#[inline]
pub(crate) unsafe fn free(memory: NonNull<u8>, layout: Layout) {
    // SAFETY: the caller's promise.
    unsafe { free_into(worker::current().map(Worker::blocks), memory, layout) };
}

/// Drops the value at the beginning of some memory and takes the memory back, even if the destructor
/// panics.
///
/// # Safety
/// As for [`free`]; the value is there, and nobody uses it any more.
pub(crate) unsafe fn drop_and_free<T>(value: NonNull<T>, layout: Layout) {
    let _memory = Memory(value.cast(), layout);
    // SAFETY: the caller's promise.
    unsafe { value.drop_in_place() };
}

/// Memory that was allocated with this layout and in which there is no value, or none that is used
/// any more.
struct Memory(NonNull<u8>, Layout);

impl Drop for Memory {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: as the type says.
        unsafe { free(self.0, self.1) };
    }
}

/// As [`free`], into `cache` if there is one.
///
/// # Safety
/// As for [`free`].
#[inline]
unsafe fn free_into(cache: Option<&BlockCache>, memory: NonNull<u8>, layout: Layout) {
    let layout = match class_of(layout) {
        Some((class, class_layout)) => {
            if let Some(cache) = cache {
                // SAFETY: the memory has this size, and is ours now.
                return unsafe { cache.classes[class].give_back(class, memory.cast()) };
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
        let cache = BlockCache::new();
        let small = Layout::new::<[u64; 20]>();
        let large = Layout::new::<[u64; 60]>();
        let first = allocate_from(Some(&cache), small).unwrap();
        let other = allocate_from(Some(&cache), large).unwrap();
        // SAFETY: allocated just above.
        unsafe {
            free_into(Some(&cache), first, small);
            free_into(Some(&cache), other, large);
        }
        assert_eq!(allocate_from(Some(&cache), large).unwrap(), other);
        assert_eq!(allocate_from(Some(&cache), small).unwrap(), first);
        // SAFETY: as above; without a cache it goes back to the allocator.
        unsafe {
            free_into(None, first, small);
            free_into(Some(&cache), other, large);
        }
    }

    #[test]
    fn what_one_worker_has_too_much_of_serves_another() {
        let (one, other) = (BlockCache::new(), BlockCache::new());
        // A size that no goroutine of another test has.
        let layout = Layout::new::<[u64; 90]>();
        let blocks: Vec<_> = (0..4 * CHAIN)
            .map(|_| allocate_from(Some(&one), layout).unwrap())
            .collect();
        for &block in &blocks {
            // SAFETY: allocated just above.
            unsafe { free_into(Some(&one), block, layout) };
        }
        // Two chains are in the pool, and an ordinary thread takes from there, too.
        let mut taken = vec![allocate_from(None, layout).unwrap()];
        taken.extend((1..2 * CHAIN).map(|_| allocate_from(Some(&other), layout).unwrap()));
        assert!(taken.iter().all(|block| blocks.contains(block)));
        for block in taken {
            // SAFETY: allocated just above.
            unsafe { free_into(None, block, layout) };
        }
    }

    #[test]
    fn memory_of_any_layout_is_served() {
        #[repr(align(128))]
        struct Aligned(#[expect(dead_code, reason = "gives it a size")] [u8; 300]);
        let cache = BlockCache::new();
        for layout in [
            Layout::new::<u8>(),
            Layout::new::<Aligned>(),
            Layout::new::<[u64; 1000]>(),
        ] {
            let memory = allocate_from(Some(&cache), layout).unwrap();
            assert_eq!(memory.as_ptr() as usize % layout.align(), 0);
            // SAFETY: fresh memory of that size.
            unsafe {
                memory.write_bytes(0xA5, layout.size());
                free_into(Some(&cache), memory, layout);
            }
        }
    }
}
