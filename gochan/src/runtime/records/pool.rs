//! Chains of free blocks on their way from one worker to another.
//!
//! A goroutine that starts many others, of which other workers take some, asks for memory on one
//! thread that is given back on another. An allocator with a heap for each thread takes locks for
//! that, block by block; here a whole chain changes hands. Last in, first out; the chains at the
//! other end go back to the allocator when they have [idled](crate::runtime::idle_memory).

use super::{Block, CLASSES, layout_of};
use parking_lot::Mutex;
use std::alloc;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Free blocks of one size, linked.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) first: NonNull<Block>,
    pub(super) count: usize,
}

// SAFETY: nobody else knows its blocks.
unsafe impl Send for Chain {}

impl Chain {
    /// Gives its blocks, which are of this class, back to the allocator.
    pub(super) fn give_back(self, class: usize) {
        let layout = layout_of(class);
        let mut next = Some(self.first);
        while let Some(block) = next {
            // SAFETY: free blocks begin with a link and were allocated with the layout of their
            // class; nobody else knows this one.
            unsafe {
                next = NonNull::new(block.as_ref().next);
                alloc::dealloc(block.as_ptr().cast(), layout);
            }
        }
    }
}

/// The free blocks of one size that no worker has.
#[derive(Debug)]
struct Pool {
    /// How many chains there are, to be read without the lock.
    len: AtomicUsize,
    chains: Mutex<Chains>,
}

#[derive(Debug)]
struct Chains {
    free: Vec<Chain>,
    /// The first of them have been there since the last look at what idles.
    unused: usize,
}

static POOLS: [Pool; CLASSES] = [const { Pool::new() }; CLASSES];

/// Puts a chain of blocks of this class into the pool.
pub(super) fn put(class: usize, chain: Chain) {
    POOLS[class].put(chain);
}

/// Takes a chain out of the pool, if there is one.
pub(super) fn take(class: usize) -> Option<Chain> {
    POOLS[class].take()
}

/// Takes a single block out of the pool, if there is one.
pub(super) fn take_block(class: usize) -> Option<NonNull<Block>> {
    POOLS[class].take_block()
}

impl Pool {
    const fn new() -> Self {
        Pool {
            len: AtomicUsize::new(0),
            chains: Mutex::new(Chains {
                free: Vec::new(),
                unused: 0,
            }),
        }
    }

    fn put(&self, chain: Chain) {
        self.change(|chains| chains.push(chain));
    }

    fn take(&self) -> Option<Chain> {
        self.change_if_some(Vec::pop)
    }

    fn take_block(&self) -> Option<NonNull<Block>> {
        self.change_if_some(|chains| {
            let Chain { first, count } = chains.pop()?;
            // SAFETY: free blocks begin with a link.
            if let Some(next) = NonNull::new(unsafe { first.as_ref() }.next) {
                let (first, count) = (next, count - 1);
                chains.push(Chain { first, count });
            }
            Some(first)
        })
    }

    /// As [`Pool::change`], unless there is nothing, which is seen without the lock.
    fn change_if_some<T>(&self, change: impl FnOnce(&mut Vec<Chain>) -> Option<T>) -> Option<T> {
        match self.len.load(Ordering::Relaxed) {
            0 => None,
            _ => self.change(change),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Chain>) -> T) -> T {
        let mut chains = self.chains.lock();
        let result = change(&mut chains.free);
        let len = chains.free.len();
        chains.unused = chains.unused.min(len);
        self.len.store(len, Ordering::Relaxed);
        result
    }

    /// Takes out the chains that have been there since the last call.
    fn take_idle(&self) -> Vec<Chain> {
        let mut chains = self.chains.lock();
        let unused = chains.unused;
        let idle = chains.free.drain(..unused).collect();
        chains.unused = chains.free.len();
        self.len.store(chains.unused, Ordering::Relaxed);
        idle
    }
}

/// Gives the chains that have not been used since the last call back to the allocator.
pub(in crate::runtime) fn give_back_idle() {
    for (class, pool) in POOLS.iter().enumerate() {
        for chain in pool.take_idle() {
            chain.give_back(class);
        }
    }
}

/// Whether no chain is in the pool.
pub(in crate::runtime) fn pool_is_empty() -> bool {
    POOLS.iter().all(|pool| pool.chains.lock().free.is_empty())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::ptr;

    /// A chain of so many blocks of the first class.
    fn chain(count: usize) -> Chain {
        let mut first = ptr::null_mut();
        for _ in 0..count {
            // SAFETY: the layout has a size.
            let block = unsafe { alloc::alloc(layout_of(0)) }.cast::<Block>();
            // SAFETY: fresh memory, large enough for a link.
            unsafe { block.write(Block { next: first }) };
            first = block;
        }
        let first = NonNull::new(first).expect("memory");
        Chain { first, count }
    }

    #[test]
    fn blocks_are_taken_one_by_one_and_in_chains() {
        let pool = Pool::new();
        assert!(pool.take().is_none() && pool.take_block().is_none());
        pool.put(chain(2));
        pool.put(chain(3));
        let mut blocks: Vec<_> = (0..2).map(|_| pool.take_block().unwrap()).collect();
        let rest = pool.take().unwrap();
        assert_eq!(rest.count, 1);
        rest.give_back(0);
        blocks.extend((0..2).map(|_| pool.take_block().unwrap()));
        assert!(pool.take_block().is_none() && pool.take().is_none());
        blocks.sort();
        blocks.dedup();
        assert_eq!(blocks.len(), 4);
        for first in blocks {
            // SAFETY: the block is out of the pool.
            unsafe {
                first.write(Block {
                    next: ptr::null_mut(),
                })
            };
            Chain { first, count: 1 }.give_back(0);
        }
    }

    #[test]
    fn only_what_is_not_used_between_two_looks_idles() {
        let pool = Pool::new();
        (1..5).for_each(|count| pool.put(chain(count)));
        assert!(pool.take_idle().is_empty(), "nothing has idled yet");
        // Those on top are used meanwhile.
        let used = [pool.take().unwrap(), pool.take().unwrap()];
        used.into_iter().rev().for_each(|chain| pool.put(chain));
        let idle = pool.take_idle();
        assert_eq!(
            idle.iter().map(|chain| chain.count).collect::<Vec<_>>(),
            [1, 2]
        );
        let rest = pool.take_idle();
        assert_eq!(
            rest.iter().map(|chain| chain.count).collect::<Vec<_>>(),
            [3, 4]
        );
        assert!(pool.take().is_none());
        idle.into_iter()
            .chain(rest)
            .for_each(|chain| chain.give_back(0));
    }
}
