//! A goroutine that may start on another worker cannot hold an `Rc`.

use gochan::prelude::*;
use std::cell::Cell;
use std::rc::Rc;

fn show<T>(_: T) {}

struct Holder {
    cell: Rc<Cell<u64>>,
}

impl Holder {
    fn show(&self) {}
}

fn main() {
    let block = Rc::new(1_u8);
    go! { println!("{block}"); };

    let argument = Rc::new(2_u16);
    go!(show(argument.clone()));

    let cloned = Rc::new(3_u32);
    go!(clone(cloned), {
        show(cloned)
    });

    let receiver = Holder { cell: Rc::new(Cell::new(4)) };
    go!(receiver.show());

    let guard = std::sync::Mutex::new(5);
    let guard = guard.lock().unwrap();
    gochan::scope(|s| {
        go!(in s, drop(guard));
    });
}
