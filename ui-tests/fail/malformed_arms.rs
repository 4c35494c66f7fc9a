//! What is not an arm of `select!`.

use gochan::prelude::*;
use gochan::select as choose;
use std::time::Duration;

fn main() {
    let ch = make!(chan i32);
    select! {
        ch => {}
        default => {}
    }
    select! {
        recv(ch)
    }
    select! {
        recv(ch, 1) => {}
        default => {}
    }
    select! {
        send(ch 1) => {}
        default => {}
    }
    select! {
        recv(ch) -> => {}
        default => {}
    }
    select! {
        recv(ch) if => {}
        default => {}
    }
    select! {
        recv(ch) unless true => {}
        default => {}
    }
    select! {
        recv(ch) -> Some(v) => drop(v),
        send(ch, 1) -> Ok(()) => {}
        after(Duration::ZERO) -> v => {}
    }
    select! {
        recv(ch) -> 5 => {}
        after(100) => {}
    }
    select! {
        recv(ch) => v => drop(v),
        default => {}
    }
    select! {
        v = <-ch => println!("{v:?}");
        default => {}
    }
    go!(clone(ch), {
        choose! {
            v = <-ch => drop(v),
            ch <- 1 => {}
            recv(ch) -> v if <-ch == None => drop(v),
            default => {}
        }
    });
}
