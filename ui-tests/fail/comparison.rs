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
        let k = 2;
        if n <-k {
            println!("negative");
        } else if n > 0 && n <-k {
        }
        match n <-k {
            _ => {}
        }
    }
    go! {
        while n <-n {}
    };
}
