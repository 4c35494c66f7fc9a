//! One `default` is enough.

use gochan::prelude::*;

fn main() {
    let ch = make!(chan i32);
    select! {
        default => {}
        recv(ch) -> v => drop(v),
        default => {}
    }
    select! {
        recv(ch) => {}
        default if true => {}
    }
    select! {
        recv(ch) => {}
        default -> v => {}
    }
}
