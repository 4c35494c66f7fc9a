//! A program that forbids what it can: code of the macros is no more allowed than its own, and needs
//! no exception.

#![forbid(dead_code, noop_method_call, unsafe_code, unused, unused_mut, unused_variables)]
#![deny(forbidden_lint_groups, warnings)]

use gochan::goroutine_local;
use gochan::prelude::*;
use std::cell::Cell;

goroutine_local! {
    static COUNT: Cell<u32> = Cell::new(1);
    static LIMIT: Cell<u32> = const { Cell::new(2) };
}

struct NotClone;

fn add(a: u32, b: u32) -> u32 {
    a + b
}

#[gochan::main(workers = 1)]
fn main() {
    let ch = make!(chan u32, 1);
    defer! { COUNT.set(LIMIT.get()) }
    select! {
        recv(ch) => {}
        send(ch, 1) => {}
    }
    select! {
        recv(ch) if false => {}
        recv(ch) => {}
        default => {}
    }
    let mut slot = Some(2);
    select! {
        send(ch, take slot) -> sent => sent.unwrap(),
        v = <-ch => panic!("{v:?}"),
    }
    let sum = go!(add(COUNT.get() + 1, LIMIT.get() + 1));
    assert_eq!(sum.join().unwrap(), 5);
    let (number, reference) = (3, &NotClone);
    gochan::scope(|s| {
        go!(in s, clone(number, reference), { number + size_of_val(reference) });
    });
    chan! { assert_eq!(<-ch, Some(2)) }
}
