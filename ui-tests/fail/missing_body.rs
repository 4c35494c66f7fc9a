//! Goroutines, arms and deferred blocks without a body, or with one that does nothing.

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
    go!(move || ch.close());
    go! { async { 5 } };
    go!(near, main);
    go!(near { main() });
    gochan::scope(|s| {
        go!(in s { main() });
    });
    let ch = make!(chan i32);
    go!(clone(ch) { ch.close() });
}
