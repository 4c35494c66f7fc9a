//! Guard pages: every access to one faults.
//!
//! Where the kernel has lightweight guard regions (Linux 6.13 and later: `madvise` with
//! `MADV_GUARD_INSTALL`) the guards live in the page tables and a slab stays one mapping;
//! elsewhere each guard is an `mprotect`, which makes two mappings of every stack.

use super::advice;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// How guards are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guards {
    /// By marks in the page tables, where the kernel can.
    Lightweight,
    /// By `mprotect`.
    Mappings,
}

/// Whether lightweight guards have not been refused yet.
static LIGHTWEIGHT: AtomicBool = AtomicBool::new(cfg!(target_os = "linux"));

impl Guards {
    /// The best that the kernel is known to have.
    pub(super) fn available() -> Self {
        match LIGHTWEIGHT.load(Ordering::Relaxed) {
            true => Guards::Lightweight,
            false => Guards::Mappings,
        }
    }

    /// Makes the process do as on a kernel without lightweight guards.
    #[cfg(all(test, target_os = "linux", not(loom)))]
    pub(super) fn refuse_lightweight() {
        LIGHTWEIGHT.store(false, Ordering::Relaxed);
    }

    /// Makes a guard of the page at `address`, and says whether more of this kind can be made as
    /// they are needed.
    pub(super) fn can_be_made_later(self, address: usize, page: usize) -> bool {
        let is_made = |(made, _)| made == 1;
        if self == Guards::Mappings || !is_made(self.install(&[address], page)) {
            return false;
        }
        // An emulator may say that it takes any advice, and do nothing; QEMU does.
        if !faults(address) {
            LIGHTWEIGHT.store(false, Ordering::Relaxed);
        }
        Guards::available() == Guards::Lightweight
    }

    /// Makes guards of the pages at `addresses`, which are the caller's own and unused. Returns
    /// how many were made, from the first on, and what kept it from making more.
    pub(super) fn install(self, addresses: &[usize], page: usize) -> (usize, io::Result<()>) {
        /// `MADV_GUARD_INSTALL` of `<linux/mman.h>`, which libc does not name yet.
        const MADV_GUARD_INSTALL: libc::c_int = 102;
        let mut made = 0;
        if self == Guards::Lightweight && Guards::available() == Guards::Lightweight {
            let ranges: Vec<_> = addresses.iter().map(|&low| low..low + page).collect();
            // SAFETY: unused pages of the caller's own.
            made = unsafe { advice::advise_each(&ranges, MADV_GUARD_INSTALL) };
            if made == addresses.len() {
                return (made, Ok(()));
            }
            LIGHTWEIGHT.store(false, Ordering::Relaxed);
        }
        for &address in &addresses[made..] {
            let page_start = address as *mut libc::c_void;
            // SAFETY: as above.
            if unsafe { libc::mprotect(page_start, page, libc::PROT_NONE) } != 0 {
                return (made, Err(io::Error::last_os_error()));
            }
            made += 1;
        }
        (made, Ok(()))
    }
}

/// Whether an access to `address` faults: the system is asked to read a path there.
pub(super) fn faults(address: usize) -> bool {
    // SAFETY: nobody but the system reads there, and it says so when it cannot.
    let result = unsafe { libc::access(address as *const libc::c_char, libc::F_OK) };
    result != 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
}
