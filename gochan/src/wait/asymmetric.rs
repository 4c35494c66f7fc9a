//! A fence between two sides of which one is hot: the hot side pays nothing.
//!
//! Both sides of a protocol like "I announce myself, then look for you" need a fence between the
//! two steps. Here the hot side writes [`light`], which keeps the compiler from mixing the steps
//! up and costs nothing, and the other side [`heavy`], which makes the processors of all threads
//! of the process pass a fence (on Linux by `membarrier`). So whatever a thread did before its
//! `light` is visible to who has passed `heavy`, or else the thread sees after its `light` what
//! was written before `heavy`.

use super::atomic::{Ordering, fence};

/// Whether [`heavy`] works and takes no longer than an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    NotYet,
    Never,
}

/// The hot side's fence, where the other side makes one for both.
#[inline(always)]
pub(crate) fn light() {
    if cfg!(all(test, loom)) {
        fence(Ordering::SeqCst);
    } else {
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
    }
}

#[cfg(all(target_os = "linux", not(all(test, loom))))]
mod system {
    use super::Readiness;
    use crate::runtime::census;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering, fence};
    use std::thread;

    // Of `<linux/membarrier.h>`.
    const QUERY: libc::c_int = 0;
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    fn membarrier(command: libc::c_int) -> libc::c_long {
        // SAFETY: the call takes numbers only.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }
    }

    /// Whether the kernel knows how to make the fence of the other threads too.
    pub(crate) fn is_available() -> bool {
        static KNOWN: OnceLock<bool> = OnceLock::new();
        let needed = libc::c_long::from(PRIVATE_EXPEDITED | REGISTER_PRIVATE_EXPEDITED);
        *KNOWN.get_or_init(|| {
            let commands = membarrier(QUERY);
            commands > 0 && commands & needed == needed
        })
    }

    /// Announces to the kernel that this process will ask for fences. In a process with threads
    /// that takes it up to 20 ms, so it is not done before it is needed.
    fn register() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        *REGISTERED.get_or_init(|| membarrier(REGISTER_PRIVATE_EXPEDITED) == 0)
    }

    /// Makes the fence. `false`: the kernel refuses to.
    pub(crate) fn heavy() -> bool {
        fence(Ordering::SeqCst);
        !is_available() || register() && membarrier(PRIVATE_EXPEDITED) == 0
    }

    /// Whether [`heavy`] can be had. If that is not known yet, a thread finds out.
    #[cold]
    pub(crate) fn readiness() -> Readiness {
        static ANSWER: OnceLock<bool> = OnceLock::new();
        static ASKED: AtomicBool = AtomicBool::new(false);
        match ANSWER.get() {
            Some(true) => return Readiness::Ready,
            Some(false) => return Readiness::Never,
            None => {}
        }
        if !ASKED.swap(true, Ordering::Relaxed) {
            let ask = || {
                let _entry = census::enter(census::Role::Own, || true);
                _ = ANSWER.set(is_available() && heavy());
            };
            let name = String::from("gochan-fences");
            if thread::Builder::new().name(name).spawn(ask).is_err() {
                // Everything works without, only slower.
                _ = ANSWER.set(false);
            }
        }
        Readiness::NotYet
    }
}

#[cfg(not(all(target_os = "linux", not(all(test, loom)))))]
mod system {
    use super::{Ordering, Readiness, fence};

    pub(crate) fn is_available() -> bool {
        false
    }

    pub(crate) fn heavy() -> bool {
        fence(Ordering::SeqCst);
        true
    }

    /// In models [`light`](super::light) is a fence of its own.
    pub(crate) fn readiness() -> Readiness {
        match cfg!(all(test, loom)) {
            true => Readiness::Ready,
            false => Readiness::Never,
        }
    }
}

pub(crate) use system::{heavy, is_available, readiness};
