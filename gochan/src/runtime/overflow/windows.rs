//! On Windows, a stack that cannot grow any more raises an exception of its own.
//!
//! Its handler runs on what the system keeps of every stack for that end. An overflow of a thread
//! goes to the standard library's handler, which was there before.

use super::report;
use crate::runtime::worker;
use std::ffi::c_void;
use std::sync::Once;

/// The code of an exception that is an overflow.
const STACK_OVERFLOW: u32 = 0xC000_00FD;

/// What a handler returns to have the next one asked.
const CONTINUE_SEARCH: i32 = 0;

/// The beginning of the system's `EXCEPTION_RECORD`, of which no more is read.
#[repr(C)]
struct ExceptionRecord {
    code: u32,
}

/// The beginning of the system's `EXCEPTION_POINTERS`.
#[repr(C)]
struct ExceptionPointers {
    record: *const ExceptionRecord,
}

type Handler = unsafe extern "system" fn(*const ExceptionPointers) -> i32;

#[link(name = "kernel32")]
unsafe extern "system" {
    fn AddVectoredExceptionHandler(goes_first: u32, handler: Handler) -> *mut c_void;
}

/// Handles overflows from now on.
pub(in crate::runtime) fn install_handler() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: the handler stays for ever, and may be called at any time. Without it, which is
        // what a failure means, an overflow is told as one of the worker's thread.
        unsafe { AddVectoredExceptionHandler(1, on_exception) };
    });
}

unsafe extern "system" fn on_exception(exception: *const ExceptionPointers) -> i32 {
    // SAFETY: the system calls with the information on the exception.
    let code = unsafe { (*(*exception).record).code };
    // A worker has a goroutine while it is on that one's stack.
    if code == STACK_OVERFLOW
        && let Some(goroutine) = worker::current().and_then(worker::Worker::current_goroutine)
    {
        // SAFETY: it runs, or did until this exception.
        report(unsafe { goroutine.as_ref() });
        std::process::abort();
    }
    CONTINUE_SEARCH
}
