//! What is printed as the process ends.
//!
//! A goroutine may hold the lock of the standard library's stderr while it waits, and wait for ever.
//! Last words do not wait for it.

/// Prints, whoever holds the lock of stderr. What cannot be printed is left out.
#[cfg(unix)]
pub(super) fn print(text: &[u8]) {
    use std::fs::File;
    use std::io::Write;
    use std::mem::ManuallyDrop;
    use std::os::fd::FromRawFd;

    // SAFETY: it is not closed here, and no more than borrowed from the process.
    let mut stderr = ManuallyDrop::new(unsafe { File::from_raw_fd(libc::STDERR_FILENO) });
    let _ = stderr.write_all(text);
}

#[cfg(not(unix))]
pub(super) fn print(text: &[u8]) {
    use std::io::{Write, stderr};

    let _ = stderr().write_all(text);
}
