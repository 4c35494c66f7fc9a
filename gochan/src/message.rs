//! What the library itself has to say on stderr.

use std::fmt;
#[cfg(not(unix))]
use std::io;
use std::io::Write;
#[cfg(unix)]
use std::{fs::File, mem::ManuallyDrop, os::fd::FromRawFd};

/// Prints a line. Where stderr takes nothing, because its disk is full or its reader has gone, the
/// line is lost, and nothing else: `eprintln!` would panic in place of what is to be done next.
///
/// The standard library's lock of stderr is not asked for: who holds it may wait for ever, and that
/// is what a report of a deadlock has to say.
pub(crate) fn print(line: fmt::Arguments<'_>) {
    write(format!("{line}\n").as_bytes());
}

/// As [`print()`], of text that is there already. May be called in the handler of a signal.
#[cfg(unix)]
pub(crate) fn write(text: &[u8]) {
    // SAFETY: the descriptor is borrowed for this call and never closed. If the program has closed
    // it, the write fails.
    let stderr = unsafe { File::from_raw_fd(libc::STDERR_FILENO) };
    let _ = ManuallyDrop::new(stderr).write_all(text);
}

#[cfg(not(unix))]
pub(crate) fn write(text: &[u8]) {
    let _ = io::stderr().write_all(text);
}
