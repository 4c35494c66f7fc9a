//! Saying which goroutine has used up its stack.
//!
//! A stack that is used up ends in its guard page, and touching that is a fault, of which the
//! system tells in its own way.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(super) use unix::{AlternateStack, install_handler};
#[cfg(windows)]
pub(super) use windows::install_handler;

use super::goroutine::Goroutine;
use crate::message;
use std::fmt::{self, Write};
use std::mem;

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
