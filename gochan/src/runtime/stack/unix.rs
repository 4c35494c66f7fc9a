//! Stacks on Unix: slabs of many stacks, each with a guard page at its low end by the time that it
//! is handed out.

use super::guard::Guards;
use super::{advice, limits};
use crate::message;
use corosensei::stack::{Stack as _, StackPointer};
use std::io;
use std::ops::Range;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The address space that one slab takes at most.
const SLAB_BYTES: usize = 256 << 20;
/// Stacks in the first slab of a process; each further slab is twice as large.
const FIRST_SLAB: usize = 16;
/// Stacks in a slab at most.
const LAST_SLAB: usize = 1024;

/// What a stack takes whose guard is a mapping: one for the guard and one for the rest.
const MAPPINGS_OF_A_STACK: usize = 2;
/// What fails when there is no room for a slab.
const RESERVE: &str = "reserve address space for goroutine stacks";
/// What fails when there is no room for a guard.
const PROTECT: &str = "protect the guard page of a goroutine's stack";

/// Neighbours begin so many bytes apart in their highest pages, as often as it says before the first
/// comes again. What stands at the same place in its page competes for the same lines of a cache, of
/// which there are eight, or twelve: a dozen goroutines that take turns would keep sending each
/// other's frames out of it, if all their stacks began alike.
const SHIFT: (usize, usize) = (128, 16);

/// Pages that a stack has besides its guard and what was asked for. One would do, but sizes are even
/// numbers of pages, and the whole is to be an odd one: what lies an even number of pages apart
/// competes for half of the processor's translations of addresses.
const MORE_PAGES: usize = 2;

/// A stack in a slab. Slabs are never unmapped: free stacks wait in the pool for their next use.
///
/// From its lowest address up it has a guard page, the bytes that were asked for, and [`MORE_PAGES`],
/// of which some bytes are [left out](SHIFT) at the top.
#[derive(Debug)]
pub(crate) struct Stack {
    base: StackPointer,
    /// The bytes that were asked for.
    size: usize,
}

impl Stack {
    /// The stack of `size` bytes that begins at `low`.
    fn at(low: usize, size: usize) -> Self {
        let page = page_size();
        let end = low + step(size, page);
        let (distance, count) = SHIFT;
        // As the steps are odd, all shifts come by turns.
        let shift = end / page % count * distance;
        let base = StackPointer::new(end - shift).expect("a mapping does not end at address 0");
        Stack { base, size }
    }

    /// Usable bytes, at least.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The pages without the guard.
    pub(super) fn memory(&self) -> Range<usize> {
        self.pages(page_size())
    }

    /// As [`Stack::memory`], with pages of `page` bytes.
    fn pages(&self, page: usize) -> Range<usize> {
        // The next multiple of a page; a division would be felt here.
        let end = (self.base.get() + page - 1) & !(page - 1);
        end - self.size - MORE_PAGES * page..end
    }
}

// SAFETY: `base`, a multiple of 128, is the end of more than `size` writable bytes which nothing else
// uses, below which lies a guard page.
unsafe impl corosensei::stack::Stack for Stack {
    fn base(&self) -> StackPointer {
        self.base
    }

    fn limit(&self) -> StackPointer {
        let page = page_size();
        StackPointer::new(self.pages(page).start - page)
            .expect("a stack does not begin at address 0")
    }
}

/// What a stack of `size` bytes takes.
fn step(size: usize, page: usize) -> usize {
    size + (MORE_PAGES + 1) * page
}

pub(super) fn page_size() -> usize {
    static PAGE_SIZE: OnceLock<usize> = OnceLock::new();
    *PAGE_SIZE.get_or_init(|| {
        // SAFETY: asks for a constant of the system.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(size).expect("the system has a page size")
    })
}

/// Makes a slab of stacks with `size` usable bytes each and adds them to `whole`, or to `bare` if
/// they are to get their guards from [`guard_stacks`].
pub(crate) fn make_stacks(
    size: usize,
    whole: &mut Vec<Stack>,
    bare: &mut Vec<Stack>,
) -> io::Result<()> {
    static NEXT_COUNT: AtomicUsize = AtomicUsize::new(FIRST_SLAB);
    let wanted = NEXT_COUNT.load(Ordering::Relaxed);
    make_slab(size, wanted, Guards::available(), whole, bare)?;
    NEXT_COUNT.store((wanted * 2).min(LAST_SLAB), Ordering::Relaxed);
    Ok(())
}

/// Makes a slab of up to `wanted` stacks.
///
/// Guards that are mappings are bounded in number, so all are made at once. Lightweight ones take
/// nothing but room in the page tables; to make one for a stack that is never used costs more than
/// all else about a goroutine that ends soon. So only the first of a slab is, as a proof that the
/// kernel has them.
pub(super) fn make_slab(
    size: usize,
    wanted: usize,
    guards: Guards,
    whole: &mut Vec<Stack>,
    bare: &mut Vec<Stack>,
) -> io::Result<()> {
    let page = page_size();
    let size = size.next_multiple_of(page);
    let step = step(size, page);
    let mut count = wanted.min(SLAB_BYTES / step).max(1);
    count = count.min(limits::bytes_left() / step);
    if count == 0 {
        let error = io::Error::from_raw_os_error(libc::ENOMEM);
        return Err(limits::explain(&error, RESERVE, step));
    }
    if guards == Guards::Mappings {
        count = count.min(limits::mappings_left() / MAPPINGS_OF_A_STACK);
        if count == 0 {
            let error = io::Error::from_raw_os_error(libc::ENOMEM);
            return Err(limits::explain(&error, PROTECT, page));
        }
    }
    whole.try_reserve(count)?;
    bare.try_reserve(count)?;
    // Close to a limit there may be room for fewer.
    let slab = loop {
        match map(step * count) {
            Ok(slab) => break slab,
            Err(_) if count > 1 => count /= 2,
            Err(error) => {
                return Err(limits::explain(&error, RESERVE, step));
            }
        }
    };
    let stack_from = |low: usize| Stack::at(low, size);
    let low_ends: Vec<_> = (0..count).map(|index| slab + index * step).collect();
    if guards.can_be_made_later(low_ends[0], page) {
        whole.push(stack_from(low_ends[0]));
        bare.extend(low_ends[1..].iter().copied().map(stack_from));
        return Ok(());
    }
    let (guarded, result) = guards.install(&low_ends, page);
    if guarded < count {
        // The stacks that have a guard are whole; what is left of the slab goes back.
        unmap(low_ends[guarded], step * (count - guarded));
    }
    if guarded == 0
        && let Err(error) = result
    {
        return Err(limits::explain(&error, PROTECT, page));
    }
    whole.extend(low_ends[..guarded].iter().copied().map(stack_from));
    Ok(())
}

/// Gives stacks their guards that [`make_stacks`] has left bare.
///
/// The goroutines that reserved them cannot be told of a failure any more. But if the system has
/// no memory left for its page tables, it has none for the stacks either.
pub(crate) fn guard_stacks(bare: &[Stack]) {
    let low_ends: Vec<_> = bare.iter().map(|stack| stack.limit().get()).collect();
    if let (_, Err(error)) = Guards::Lightweight.install(&low_ends, page_size()) {
        message::print(format_args!("fatal error: cannot {PROTECT}: {error}"));
        std::process::abort();
    }
}

/// Gives the memory of free stacks back to the system. They stay usable, and guarded.
pub(crate) fn give_back_memory(free: &[Stack]) {
    let ranges: Vec<_> = free.iter().map(Stack::memory).collect();
    // SAFETY: nothing stands on a free stack, so nobody minds what its pages hold next. What
    // cannot be given back is kept.
    unsafe { advice::advise_each(&ranges, libc::MADV_DONTNEED) };
}

/// Reserves `bytes` of memory that is backed by pages only as they are touched.
fn map(bytes: usize) -> io::Result<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // FreeBSD has no such flag: it reserves nothing for a mapping unless the administrator wants it.
    #[cfg(not(target_os = "freebsd"))]
    let flags = flags | libc::MAP_NORESERVE;
    #[cfg(any(target_os = "openbsd", target_os = "linux"))]
    let flags = flags | libc::MAP_STACK;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing.
    let address = unsafe {
        libc::mmap(
            ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            flags,
            -1,
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // A huge page under a stack would cost 2 MiB for a goroutine that uses 4 KiB. A kernel
    // without huge pages refuses the advice, and does not need it.
    #[cfg(target_os = "linux")]
    // SAFETY: advice about the mapping that was just made.
    unsafe {
        libc::madvise(address, bytes, libc::MADV_NOHUGEPAGE);
    }
    Ok(address as usize)
}

/// Gives back a part of a slab on which no stack has been made.
fn unmap(address: usize, bytes: usize) {
    // SAFETY: the caller's part of its own fresh mapping, which nothing points into.
    let result = unsafe { libc::munmap(address as *mut libc::c_void, bytes) };
    debug_assert_eq!(result, 0);
}
