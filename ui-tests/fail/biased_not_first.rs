//! `biased;` comes first, once.

use gochan::prelude::*;

fn main() {
    let ch = make!(chan i32);
    select! {
        recv(ch) => {}
        biased;
        default => {}
    }
    select! {
        biased;
        biased;
        recv(ch) => {}
    }
}
