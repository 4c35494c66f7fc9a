//! A program may call its constants and statics as it likes, and the macros' variables stay theirs.

#![allow(
    non_upper_case_globals,
    reason = "the names are those of the macros' variables"
)]

use gochan::prelude::*;

const arm0: i32 = 1;
static arm1: i32 = 2;
static chosen: i32 = 3;
const result: i32 = 4;
static enabled0: i32 = 5;
const channel0: i32 = 6;
const operand0: i32 = 7;
static operand1: i32 = 8;
static _guard: i32 = 9;
const guard: i32 = 10;

fn add(a: i32, b: i32) -> i32 {
    a + b
}

fn main() {
    let ch = make!(chan i32, 1);
    select! {
        send(ch, arm0) => assert_eq!((arm0, arm1, chosen, result), (1, 2, 3, 4)),
        recv(ch) -> v => panic!("{v:?}"),
    }
    let got = select! {
        recv(ch) -> v => v.unwrap() + result,
        send(ch, arm1) => 0,
    };
    assert_eq!(got, 5);
    let mut slot = Some(enabled0 + channel0);
    select! {
        send(ch, take slot) => assert_eq!(slot, None),
        default => panic!(),
    }
    let sum = go!(add(operand0 + 1, operand1 + 1));
    assert_eq!(sum.join().unwrap(), 17);
    defer! { assert_eq!(_guard + guard, 19) }
}
