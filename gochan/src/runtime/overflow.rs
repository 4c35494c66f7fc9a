//! Saying which goroutine has used up its stack.
//!
//! A stack that is used up ends in its guard page, and touching that is a fault. The handler of
//! such faults runs on a stack of its own, which every worker has. It tells an overflow from any
//! other fault by the address; other faults go to whoever handled them before: the standard
//! library, which does the same for threads, or the program.

use super::goroutine::Goroutine;
use super::{stack, worker};
use crate::message;
use libc::{c_int, c_void, sigaction, siginfo_t, stack_t};
use std::fmt::{self, Write};
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
pub(super) fn install_handler() {
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
pub(super) struct AlternateStack {
    _memory: Box<[MaybeUninit<u8>]>,
    previous: stack_t,
}

impl AlternateStack {
    pub(super) fn install() -> Self {
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

fn report(goroutine: &Goroutine) {
    let size = goroutine.stack_size;
    let larger = size.saturating_mul(2);
    let mut message = Message {
        text: [0; 1024],
        len: 0,
    };
    // Never fails.
    let _ = write!(
        message,
        "\nfatal error: stack overflow\n\n{} has used up its stack of {size} bytes.\n",
        goroutine.identity()
    );
    let _ = if goroutine.is_main() {
        writeln!(
            message,
            "A larger one: GOCHAN_STACK_SIZE={larger}, or Config::stack_size({larger})."
        )
    } else {
        writeln!(
            message,
            "A larger one: go!(stack = {larger}, {{ … }}); for all goroutines: \
             GOCHAN_STACK_SIZE={larger}, or Config::stack_size({larger})."
        )
    };
    message.print();
}

/// Text that is put together without allocating, and printed whenever there is no room for more.
struct Message {
    text: [u8; 1024],
    len: usize,
}

impl fmt::Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            if self.len == self.text.len() {
                self.print();
            }
            let room = &mut self.text[self.len..];
            let (fits, more) = rest.split_at(rest.len().min(room.len()));
            room[..fits.len()].copy_from_slice(fits);
            self.len += fits.len();
            rest = more;
        }
        Ok(())
    }
}

impl Message {
    fn print(&mut self) {
        message::write(&self.text[..mem::take(&mut self.len)]);
    }
}
