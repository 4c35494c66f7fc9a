//! Arms of `select!` have no attributes.

use gochan::prelude::*;

fn main() {
    let ch = make!(chan i32);
    select! {
        #[cfg(unix)]
        recv(ch) -> v => println!("{v:?}"),
        /// Documented.
        send(ch, 1) => {}
        #[allow(unused_variables)]
        #[rustfmt::skip]
        v = <-ch => {}
        default => {}
    }
}
