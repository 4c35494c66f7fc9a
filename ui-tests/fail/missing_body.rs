//! Goroutines, arms and deferred blocks without a body.

use gochan::prelude::*;

fn main() {
    let ch = make!(chan i32);
    go!();
    go!(near);
    go!(clone(ch));
    go!(name = "x",);
    select! { recv(ch) => }
    select! { recv(ch) -> v =>, default => {} }
    defer! {}
}
