//! `take` moves a value out of an `Option`.

use gochan::prelude::*;

fn main() {
    let ch = make!(chan i32);
    let mut n = 5;
    let mut text = Some("text");
    let fixed = Some(1);
    select! {
        send(ch, take n) => {}
        default => {}
    }
    select! {
        send(ch, take text) => {}
        default => {}
    }
    select! {
        send(ch, take fixed) => {}
        default => {}
    }
    select! {
        send(ch, take) => {}
        default => {}
    }
}
