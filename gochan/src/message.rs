//! What the library itself has to say on stderr.

use std::fmt;
use std::io::{self, Write};

/// Prints a line. Where stderr takes nothing, because its disk is full or its reader has gone, the
/// line is lost, and nothing else: `eprintln!` would panic in place of what is to be done next.
pub(crate) fn print(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}
