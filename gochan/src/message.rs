//! What the library itself has to say on stderr.

use std::fmt;
use std::io::{self, Write};
#[cfg(unix)]
use std::{fs::File, mem::ManuallyDrop, os::fd::FromRawFd};

/// Prints a line. Where stderr takes nothing, because its disk is full or its reader has gone, the
/// line is lost, and nothing else: `eprintln!` would panic in place of what is to be done next.
///
/// The standard library's lock of stderr is not asked for: who holds it may wait for ever, and that
/// is what a report of a deadlock has to say.
pub(crate) fn print(line: fmt::Arguments<'_>) {
    let _ = write(format!("{line}\n").as_bytes());
}

#[cfg(unix)]
fn write(text: &[u8]) -> io::Result<()> {
    // SAFETY: the descriptor is borrowed for this call and never closed. If the program has closed
    // it, the write fails.
    let stderr = unsafe { File::from_raw_fd(libc::STDERR_FILENO) };
    ManuallyDrop::new(stderr).write_all(text)
}

#[cfg(not(unix))]
fn write(text: &[u8]) -> io::Result<()> {
    io::stderr().write_all(text)
}
