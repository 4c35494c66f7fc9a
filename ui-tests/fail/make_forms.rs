//! What `make!` does not make.

use gochan::prelude::*;

fn main() {
    make!();
    make!(chan);
    make!(map i32);
    make!(chan<i32>, 3);
    make!(chan::<i32>());
    make!(chan<- i32);
    make!(chan i32; 3);
    make!(chan i32 3);
    make!(chan Vec<i32> CAPACITY);
    make!(chan i32, -1);
    make!(chan i32, "5");
    make!(chan Missing);
    make!(chan i32, 1, 2);
    make!(chan struct{}, 1);
    make!(chan chan i32);
    make!(chan []u8, 3);
    make!(chan map[String]i32);
    make!(chan func());
    make!(chan interface{});
    chan!(i32);
    chan!(Vec<i32>, 3);
    chan!(chan i32);
}
