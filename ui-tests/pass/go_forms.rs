//! Every form of `go!`.

#![deny(unused_braces)]

use gochan::prelude::*;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn add(a: i32, b: i32) -> i32 {
    a + b
}

fn pair_size<T, U>(_: T) -> usize {
    std::mem::size_of::<(T, U)>()
}

fn apply<A>(f: impl FnOnce(A) -> A, a: A) -> A {
    f(a)
}

fn apply_to(f: impl FnOnce(String) -> usize, text: String) -> usize {
    f(text)
}

#[derive(Clone, Default)]
struct Counter(Arc<AtomicUsize>);

impl Counter {
    fn count(&self, by: usize) -> usize {
        self.0.fetch_add(by, Ordering::SeqCst) + by
    }
    fn turn<T: From<u8>>(self) -> T {
        T::from(7)
    }
    fn change(&mut self) -> usize {
        self.0 = Arc::default();
        self.count(1)
    }
}

trait Doubled {
    fn doubled(&self) -> i32;
}

impl Doubled for i32 {
    fn doubled(&self) -> i32 {
        self * 2
    }
}

struct Table {
    handlers: Vec<fn(i32, i32) -> i32>,
    each: fn(i32) -> i32,
}

fn generic<T: Clone + Send + 'static>(value: T) -> T {
    go!(clone(value), { value }).join().unwrap()
}

macro_rules! started {
    ($call:expr) => { go!($call) };
}

macro_rules! started_in_braces {
    ($call:expr) => { go! { $call } };
}

macro_rules! apply_started {
    ($f:path, $closure:expr, $value:expr) => { go!($f($closure, $value)) };
}

macro_rules! pair_started {
    ($first:expr, $second:expr) => { go!(add($first, $second)) };
}

macro_rules! block_started {
    ($block:block) => { go!(near, $block) };
}

#[gochan::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    std::thread::spawn(|| {
        std::thread::sleep(std::time::Duration::from_secs(60));
        eprintln!("hang");
        std::process::abort();
    });

    // Blocks; what looks like a call is a block between braces.
    assert_eq!(go! { 1 + 1 }.join()?, 2);
    go!({});
    let ch = make!(chan i32);
    let sent = go! { ch.send(1).is_ok() };
    assert!(!sent.is_finished());
    drop(sent);
    let ch = make!(chan i32);
    let (tx, rx) = ch.split();
    let handle = go! { tx <- 3; tx <- 4 };
    assert_eq!((rx.recv(), rx.recv()), (Some(3), Some(4)));
    handle.join()?;

    // Calls: operands are evaluated now.
    let mut n = 1;
    let handle = go!(add(n + 1, { n += 10; n }));
    n = 0;
    assert_eq!((handle.join()?, n), (13, 0));
    assert_eq!(go!(pair_size::<_, u8>(0_u8)).join()?, 2);
    assert_eq!(go!(apply(|x| x + 1, 2)).join()?, 3);
    assert_eq!(go!(apply(move |x: i32| x + n, 2)).join()?, 2);
    assert_eq!(go!(<i32 as Doubled>::doubled(&21)).join()?, 42);
    assert_eq!(go!(Option::Some(3)).join()?, Some(3));
    let closure = move |x: i32| x + n;
    assert_eq!(go!(closure(1)).join()?, 1);
    let table = Table { handlers: vec![add], each: |x| x * 3 };
    assert_eq!(go!(table.handlers[0](1, 2)).join()?, 3);
    assert_eq!(go!((table.each)(2)).join()?, 6);
    assert_eq!(go!((|a: i32| a)(5),).join()?, 5);
    // The call tells the closure its types, whatever else is evaluated.
    assert_eq!(go!(apply_to(|text| text.len(), "abc".to_owned())).join()?, 3);
    let mut double = add as fn(i32, i32) -> i32;
    assert_eq!(go!(double({ double = |a, b| a * b; 3 }, double(1, 4))).join()?, 7);
    assert_eq!(double(1, 4), 4);

    // An unsafe block is an operand as any other.
    unsafe fn current() -> gochan::goroutine::Goroutine {
        gochan::goroutine::current()
    }
    let here = gochan::goroutine::current().id();
    // SAFETY: it is unsafe in name only.
    assert_eq!(go!(unsafe { current() }.id()).join()?, here);

    // What another macro was given is read as if it stood in the `go!`.
    let is_here = move || gochan::goroutine::current().id() == here;
    let both = |a: bool, b: bool| (a, b);
    assert_eq!(started!(both(is_here(), true)).join()?, (true, true));
    assert_eq!(started_in_braces!(both(is_here(), true)).join()?, (false, true));
    assert_eq!(block_started!({ both(is_here(), true) }).join()?, (false, true));

    assert_eq!(apply_started!(apply_to, |text| text.len(), "abc".to_owned()).join()?, 3);
    let mut n = 1;
    assert_eq!(pair_started!(n, { n += 1; n }).join()?, 3);

    // Methods.
    let counter = Counter::default();
    assert_eq!(go!(counter.clone().count(2)).join()?, 2);
    assert_eq!(go!(counter.clone().turn::<u16>()).join()?, 7);
    assert_eq!(go!(counter.clone().change()).join()?, 1);
    assert_eq!(go!(clone(mut counter), { counter.change() }).join()?, 1);
    assert_eq!(go!(21.doubled()).join()?, 42);
    assert_eq!(go!(clone(counter), counter.count(1)).join()?, 3);
    assert_eq!(counter.count(0), 3);

    // Sugar in operands and bodies.
    let numbers = make!(chan i32, 4);
    numbers.send(40).unwrap();
    numbers.send(2).unwrap();
    let handle = go!(add((<-numbers).unwrap(), (<-numbers).unwrap()));
    assert_eq!(handle.join()?, 42);

    // Options, in any order.
    let name = "fetcher";
    let handle = go!(stack = 1 << 20, clone(counter, numbers), name = name, near, {
        numbers <- 1;
        counter.count(1);
        gochan::goroutine::current().name().map(|name| name.to_string())
    });
    assert_eq!(handle.join()?.as_deref(), Some("fetcher"));
    let handle = go!(spread, name = format!("{name} {}", 2), add(1, 2));
    assert_eq!(handle.join()?, 3);
    go! { spread, { } };
    let shared = Rc::new(Cell::new(1));
    go!(local, clone(shared), { shared.set(2) }).join()?;
    go!(clone(shared), local, { shared.set(shared.get() + 1) }).join()?;
    assert_eq!(shared.get(), 3);

    // Scopes.
    let words = vec![String::from("a"), String::from("bc")];
    let mut total = 0;
    gochan::scope(|s| {
        let lengths: Vec<_> = words
            .iter()
            .map(|word| go!(in s, word.len()))
            .collect();
        let total = &mut total;
        go!(in s, name = "sum", { *total = 5 });
        assert_eq!(lengths.into_iter().map(|l| l.join().unwrap()).sum::<usize>(), 3);
    });
    assert_eq!(total, 5);

    // Nested, generic, `?` and return in the body.
    assert_eq!(generic("x"), "x");
    let nested = go! {
        let inner = go! { let x: i32 = "7".parse()?; Ok::<_, std::num::ParseIntError>(x) };
        match inner.join() {
            Ok(result) => return result.unwrap_or(0),
            Err(_) => 0,
        }
    };
    assert_eq!(nested.join()?, 7);

    // A block that begins like an option.
    let clone = |x: i32| x;
    let name;
    name = clone(3);
    assert_eq!(go! { let near = 1; clone(near) + name }.join()?, 4);
    let mut stack = vec![1];
    assert_eq!(go! { stack = vec![]; stack.len() }.join()?, 0);
    Ok(())
}
