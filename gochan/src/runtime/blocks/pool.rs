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
    /// Takes the first block off; the rest is there if it has any.
    fn split_first(self) -> (NonNull<Block>, Option<Chain>) {
        // SAFETY: free blocks begin with a link, and nobody else knows this one.
        let next = NonNull::new(unsafe { self.first.as_ref() }.next);
        let count = self.count - 1;
        (self.first, next.map(|first| Chain { first, count }))
    }

    /// Gives its blocks, which are of this class, back to the allocator.
    pub(super) fn give_back(self, class: usize) {
        let layout = layout_of(class);
        let mut rest = Some(self);
        while let Some(chain) = rest {
            let block;
            (block, rest) = chain.split_first();
            // SAFETY: free blocks were allocated with the layout of their class.
            unsafe { alloc::dealloc(block.as_ptr().cast(), layout) };
        }
    }
}

/// The free blocks of one size that no worker has.
#[derive(Debug)]
pub(super) struct Pool {
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

/// The pool of blocks of this class.
pub(super) fn of(class: usize) -> &'static Pool {
    &POOLS[class]
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

    /// Puts a chain of blocks of this size in.
    pub(super) fn put(&self, chain: Chain) {
        self.change(|chains| chains.push(chain));
    }

    /// Takes a chain out, if there is one.
    pub(super) fn take(&self) -> Option<Chain> {
        self.change_if_some(Vec::pop)
    }

    /// Takes a single block out, if there is one.
    pub(super) fn take_block(&self) -> Option<NonNull<Block>> {
        self.change_if_some(|chains| {
            let (block, rest) = chains.pop()?.split_first();
            chains.extend(rest);
            Some(block)
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
