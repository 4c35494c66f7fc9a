//! Arrows with nothing to receive from or to send.

use gochan::prelude::*;

fn main() {
    let ch = make!(chan i32);
    chan! {
        let a = <-;
        ch <- ;
        while let Some(v) = <- {}
    }
    go! { <-; };
    select! { <- => {} }
    select! { v = <- => {} }
    select! { ch <- => {} }
    select! { recv() => {} }
    select! { send(ch) => {} }
    select! { after() => {} }
}
