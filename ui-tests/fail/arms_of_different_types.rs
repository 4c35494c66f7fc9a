//! The arms of a `select!` have one type.

use gochan::prelude::*;

fn main() {
    let ch = make!(chan i32);
    let n = select! {
        recv(ch) -> v => v.unwrap_or(0),
        default => "nothing",
    };
    let m: i32 = select! {
        recv(ch) -> v => v,
        default => { 5; }
    };
}
