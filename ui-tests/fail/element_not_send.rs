//! A channel of what is not `Send` stays on its thread.

use gochan::prelude::*;
use std::cell::Cell;
use std::rc::Rc;

fn main() {
    let ch = make!(chan Rc<i32>);
    go!(clone(ch), { ch <- Rc::new(1); });

    let (tx, rx) = gochan::channel::<*const u8>(1);
    go! { drop(tx) };

    let local = make!(chan &Cell<i32>);
    gochan::scope(|s| {
        go!(in s, { local.recv(); });
    });
}
