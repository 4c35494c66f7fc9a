//! Stacks on Unix: slabs of many stacks, each with a guard page at its low end.
//!
//! A slab is one mapping. Where the kernel has lightweight guard regions (Linux 6.13 and later:
//! `madvise` with `MADV_GUARD_INSTALL`) the guards live in the page tables and the slab stays
//! one mapping; elsewhere each guard is an `mprotect`, which makes two mappings of every stack.

use corosensei::stack::StackPointer;
use std::io;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The address space that one slab takes at most.
const SLAB_BYTES: usize = 256 << 20;
/// Stacks in the first slab of a process; each further slab is twice as large.
const FIRST_SLAB: usize = 16;
/// Stacks in a slab at most.
const LAST_SLAB: usize = 1024;

/// A stack in a slab. Slabs are never unmapped: free stacks wait in the pool for their next use.
#[derive(Debug)]
pub(crate) struct Stack {
    base: StackPointer,
    /// Usable bytes, without the guard.
    size: usize,
}

impl Stack {
    /// Usable bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }
}

// SAFETY: `base` is the page-aligned end of `size` writable bytes which nothing else uses, below
// which lies a guard page.
unsafe impl corosensei::stack::Stack for Stack {
    fn base(&self) -> StackPointer {
        self.base
    }

    fn limit(&self) -> StackPointer {
        StackPointer::new(self.base.get() - self.size - page_size())
            .expect("a stack does not begin at address 0")
    }
}

fn page_size() -> usize {
    static PAGE_SIZE: OnceLock<usize> = OnceLock::new();
    *PAGE_SIZE.get_or_init(|| {
        // SAFETY: asks for a constant of the system.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(size).expect("the system has a page size")
    })
}

/// Makes a slab of stacks with `size` usable bytes each and adds them to `free`.
pub(crate) fn make_stacks(size: usize, free: &mut Vec<Stack>) -> io::Result<()> {
    static NEXT_COUNT: AtomicUsize = AtomicUsize::new(FIRST_SLAB);
    let page = page_size();
    let size = size.next_multiple_of(page);
    let step = size + page;
    let wanted = NEXT_COUNT.load(Ordering::Relaxed);
    let count = wanted.min(SLAB_BYTES / step).max(1);
    free.try_reserve(count)?;

    let slab = map(step * count)
        .map_err(|error| explain(&error, "reserve address space for goroutine stacks"))?;
    for index in 0..count {
        let low = slab + index * step;
        if let Err(error) = install_guard(low, page) {
            if index > 0 {
                // The stacks so far are whole; what is left of the slab goes back.
                unmap(low, step * (count - index));
                return Ok(());
            }
            unmap(slab, step * count);
            return Err(explain(
                &error,
                "protect the guard page of a goroutine's stack",
            ));
        }
        let base = StackPointer::new(low + step).expect("a mapping does not end at address 0");
        free.push(Stack { base, size });
    }
    NEXT_COUNT.store((wanted * 2).min(LAST_SLAB), Ordering::Relaxed);
    Ok(())
}

/// Reserves `bytes` of memory that is backed by pages only as they are touched.
fn map(bytes: usize) -> io::Result<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
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

/// Makes every access to the page at `address` fault.
fn install_guard(address: usize, page: usize) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use std::sync::atomic::AtomicBool;
        /// `MADV_GUARD_INSTALL` of `<linux/mman.h>`, which libc does not name yet.
        const MADV_GUARD_INSTALL: libc::c_int = 102;
        static LIGHTWEIGHT: AtomicBool = AtomicBool::new(true);
        if LIGHTWEIGHT.load(Ordering::Relaxed) {
            // SAFETY: a page of our own fresh mapping; nothing uses it.
            let result =
                unsafe { libc::madvise(address as *mut libc::c_void, page, MADV_GUARD_INSTALL) };
            if result == 0 {
                return Ok(());
            }
            LIGHTWEIGHT.store(false, Ordering::Relaxed);
        }
    }
    // SAFETY: as above.
    let result = unsafe { libc::mprotect(address as *mut libc::c_void, page, libc::PROT_NONE) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Says what failed and which limit of the system may be the cause.
fn explain(error: &io::Error, what: &str) -> io::Error {
    let limit = if cfg!(target_os = "linux") && error.raw_os_error() == Some(libc::ENOMEM) {
        "; the limits are vm.max_map_count (mappings of a process), vm.overcommit_memory and \
         RLIMIT_AS (ulimit -v)"
    } else {
        ""
    };
    io::Error::new(error.kind(), format!("cannot {what}: {error}{limit}"))
}
