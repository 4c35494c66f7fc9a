//! `a <-b` is an arrow; a comparison needs a space.

use gochan::prelude::*;

fn main() {
    let n = 3;
    chan! {
        if n <-1 {
            println!("negative");
        }
        let small = n <-5;
        n <-1;
        while n <- 5 {}
    }
}
