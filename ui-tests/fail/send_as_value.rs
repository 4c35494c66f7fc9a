//! A send is a statement.

use gochan::prelude::*;

fn main() {
    let ch = make!(chan i32, 9);
    let n = 3;
    chan! {
        let sent = ch <- 1;
        println!("{:?}", ch <- 2);
        if ch <- 3 {}
        drop((ch <- 4, 5));
        return ch <- 5;
    }
}
