//! A program without the standard library's prelude, with names of its own for most of what is there.

#![no_implicit_prelude]
#![allow(
    non_camel_case_types,
    unused,
    reason = "what is declared here is only to be in the way"
)]

mod core {}
mod gochan_macros {}
mod std {}

struct Box;
struct None;
struct Option;
struct Some;
type bool = u8;
type usize = u8;

trait Clone {}
trait FnOnce {}
trait Into {}
trait Send {}

fn recv() {}
fn select() {}
fn send() {}

macro_rules! compile_error {
    () => {};
}
macro_rules! thread_local {
    () => {};
}

::gochan::goroutine_local! {
    static COMPUTED: i32 = 5;
    static CONSTANT: i32 = const { 6 };
}

fn add(a: i32, b: i32) -> i32 {
    a + b
}

#[::gochan::main(workers = 1)]
fn main() {
    let ch = ::gochan::make!(chan i32, 1);
    let sum = COMPUTED.with(|a| CONSTANT.with(|b| add(*a, *b)));
    let mut slot = ::std::option::Option::Some(sum);
    ::gochan::select! {
        send(ch, take slot) -> _sent => {}
        recv(ch) -> _value => {}
    }
    ::gochan::select! { biased; _value = <-ch => {}, default => {} }
    ::gochan::go!(name = "adder", near, clone(ch), { ch <- add(1, 2) });
    ::gochan::chan! { <-ch; }
    ::gochan::scope(|s| {
        ::gochan::go!(in s, add(1 + 1, 2 + 2));
    });
    ::gochan::defer! { add(1, 2); }
}
