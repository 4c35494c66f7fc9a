//! Values of the wrong type.

use gochan::prelude::*;

struct Point {
    x: i32,
}

fn main() {
    let ch = make!(chan i32);
    let text = String::from("five");
    chan! {
        ch <- "five";
        ch <- text.as_str().trim();
        let n: i32 = <-ch;
        ch <- Point { x: 1 };
    }
    select! {
        send(ch, "five") => {}
        ch <- text.len() => {}
        recv(ch) -> v => println!("{}", v + 1),
    }
}
