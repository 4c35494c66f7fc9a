//! On Unix, touching a guard page raises a signal.
//!
//! The handler of such faults runs on a stack of its own, which every worker has. It tells an
//! overflow from any other fault by the address; other faults go to whoever handled them before:
//! the standard library, which does the same for threads, or the program.

use super::report;
use crate::runtime::{stack, worker};
use libc::{c_int, c_void, sigaction, siginfo_t, stack_t};
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::OnceLock;

/// What an access to a guard page raises: the one on Linux, the other on macOS.
const SIGNALS: [c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// Room for the handler and what the processor saves of the interrupted code.
const ALTERNATE_STACK_BYTES: usize = 64 * 1024;

/// Who handled [`SIGNALS`] before.
static PREVIOUS: OnceLock<[sigaction; 2]> = OnceLock::new();

/// Handles faults from now on.
pub(in crate::runtime) fn install_handler() {
    PREVIOUS.get_or_init(|| {
        SIGNALS.map(|signal| {
            // SAFETY: all fields of a `sigaction` may be zero.
            let (mut ours, mut previous): (sigaction, sigaction) = unsafe { mem::zeroed() };
            ours.sa_sigaction = on_fault as *const () as usize;
            ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            // SAFETY: both point to the right type, and the handler is safe to call at any time.
            let result = unsafe { libc::sigaction(signal, &ours, &mut previous) };
            assert_eq!(result, 0, "the signal exists and may be handled");
            previous
        })
    });
}

/// The stack on which the handler runs in this thread, in place of the one that was there before.
pub(in crate::runtime) struct AlternateStack {
    _memory: Box<[MaybeUninit<u8>]>,
    previous: stack_t,
}

impl AlternateStack {
    pub(in crate::runtime) fn install() -> Self {
        let mut memory = Box::new_uninit_slice(ALTERNATE_STACK_BYTES);
        let ours = stack_t {
            ss_sp: memory.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: memory.len(),
        };
        // SAFETY: all fields of a `stack_t` may be zero.
        let mut previous = unsafe { mem::zeroed() };
        // SAFETY: the memory is there until `drop`, and nothing else uses it.
        let result = unsafe { libc::sigaltstack(&ours, &mut previous) };
        assert_eq!(
            result, 0,
            "it is large enough, and the thread is not on one"
        );
        AlternateStack {
            _memory: memory,
            previous,
        }
    }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        // SAFETY: it was there before, and this thread has not given it up since.
        let result = unsafe { libc::sigaltstack(&self.previous, ptr::null_mut()) };
        debug_assert_eq!(result, 0);
    }
}

extern "C" fn on_fault(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel calls with the information on the fault.
    let address = unsafe { (*info).si_addr() } as usize;
    if let Some(goroutine) = worker::current().and_then(worker::Worker::current_goroutine) {
        // SAFETY: it runs, or did until this fault.
        let goroutine = unsafe { goroutine.as_ref() };
        if stack::is_in_guard(goroutine.stack_limit.get(), address) {
            report(goroutine);
            std::process::abort();
        }
    }
    // SAFETY: called with what the kernel called us with.
    unsafe { pass_on(signal, info, context) };
}

/// Does what would have been done without this module.
///
/// # Safety
/// Called in the handler, with its arguments.
unsafe fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let which = SIGNALS.iter().position(|&handled| handled == signal);
    let previous = PREVIOUS
        .get()
        .zip(which)
        .map(|(previous, which)| &previous[which]);
    match previous {
        Some(previous) if previous.sa_sigaction > libc::SIG_IGN => {
            if previous.sa_flags & libc::SA_SIGINFO != 0 {
                // SAFETY: a handler that was installed with this flag has this type.
                let handler = unsafe {
                    mem::transmute::<usize, extern "C" fn(c_int, *mut siginfo_t, *mut c_void)>(
                        previous.sa_sigaction,
                    )
                };
                handler(signal, info, context);
            } else {
                // SAFETY: a handler that was installed without the flag has this type.
                let handler =
                    unsafe { mem::transmute::<usize, extern "C" fn(c_int)>(previous.sa_sigaction) };
                handler(signal);
            }
        }
        // The access is made again, with nobody to handle it.
        _ => {
            // SAFETY: all fields may be zero: the default action.
            let default: sigaction = unsafe { mem::zeroed() };
            // SAFETY: a valid action; `sigaction` may be called in a handler.
            unsafe { libc::sigaction(signal, &default, ptr::null_mut()) };
        }
    }
}
