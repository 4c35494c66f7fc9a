//! `<-ch.unwrap()` is `<-(ch.unwrap())`.

use gochan::prelude::*;

fn main() {
    let ch = make!(chan u32);
    let rx = ch.receiver();
    chan! {
        let a: Option<u32> = <-ch.unwrap();
        let b: Option<u32> = <-rx.expect("open");
        let c: u32 = <-ch;
    }
}
