//! `madvise` on many ranges at a time.

use std::ops::Range;

/// Gives the advice for each range in turn, and returns for how many the system took it.
///
/// # Safety
/// The ranges are whole pages of the caller's, who can bear what the advice does to them.
pub(super) unsafe fn advise_each(ranges: &[Range<usize>], advice: libc::c_int) -> usize {
    let at_once = at_once::advise(ranges, advice);
    let rest = ranges[at_once..].iter();
    at_once
        + rest
            .take_while(|range| {
                // SAFETY: the caller's promise.
                unsafe { libc::madvise(range.start as *mut libc::c_void, range.len(), advice) == 0 }
            })
            .count()
}

/// Linux takes advice for many ranges in one system call, about half as dear as one call for each.
/// A process may use it on itself for any advice since Linux 6.13.
#[cfg(target_os = "linux")]
mod at_once {
    use std::ops::Range;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
    use std::sync::atomic::{AtomicBool, Ordering};

    /// The most ranges that one call takes.
    const MOST: usize = libc::UIO_MAXIOV as usize;

    /// For how many ranges, from the first on, the advice was taken.
    pub(super) fn advise(ranges: &[Range<usize>], advice: libc::c_int) -> usize {
        static WORKS: AtomicBool = AtomicBool::new(true);
        if ranges.len() < 2 || !WORKS.load(Ordering::Relaxed) {
            return 0;
        }
        // Opened for each call: in a child made by `fork` an old one would mean the parent.
        let Some(this_process) = this_process() else {
            return 0;
        };
        let mut done = 0;
        for some in ranges.chunks(MOST) {
            let vectors: Vec<_> = some
                .iter()
                .map(|range| libc::iovec {
                    iov_base: range.start as *mut libc::c_void,
                    iov_len: range.len(),
                })
                .collect();
            // SAFETY: the vectors are alive during the call; for the ranges the caller of
            // `advise_each` speaks.
            let bytes = unsafe {
                libc::syscall(
                    libc::SYS_process_madvise,
                    this_process.as_raw_fd(),
                    vectors.as_ptr(),
                    vectors.len(),
                    advice,
                    0,
                )
            };
            let Ok(mut bytes) = usize::try_from(bytes) else {
                if done == 0 {
                    WORKS.store(false, Ordering::Relaxed);
                }
                break;
            };
            let whole = some.iter().take_while(|range| {
                let is_whole = range.len() <= bytes;
                bytes = bytes.saturating_sub(range.len());
                is_whole
            });
            let whole = whole.count();
            done += whole;
            if whole < some.len() {
                break;
            }
        }
        done
    }

    fn this_process() -> Option<OwnedFd> {
        // SAFETY: makes a descriptor and touches no memory.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) };
        let fd = RawFd::try_from(fd).ok().filter(|&fd| fd >= 0)?;
        // SAFETY: a fresh descriptor that nobody else has.
        Some(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

#[cfg(not(target_os = "linux"))]
mod at_once {
    use std::ops::Range;

    pub(super) fn advise(_: &[Range<usize>], _: libc::c_int) -> usize {
        0
    }
}
