//! Operands that are no channels.

use gochan::prelude::*;

fn main() {
    let n = 5;
    let maybe = Some(make!(chan i32));
    chan! {
        let a = <-n;
        let b = <-maybe;
        n <- 3;
        "text" <- 3;
    }
    select! {
        recv(n) => {}
        send(n, 1) => {}
    }
}
