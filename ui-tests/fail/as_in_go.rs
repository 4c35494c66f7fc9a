//! What Go writes and Rust does not.

use gochan::prelude::*;

fn main() {
    let ch = make!(chan i32);
    chan! {
        v := <-ch;
        println!("{v:?}");
        w, ok := <-ch;
        println!("{w} {ok}");
        let x := <-ch;
        drop(x);
    }
    go! {
        v := <-ch;
        v.unwrap()
    };
    select! {
        v := <-ch => println!("{v}"),
        default => {}
    }
    select! {
        case v = <-ch => println!("{v:?}"),
        case <-ch => {}
        case ch <- 1 => {}
        default => {}
    }
    select! {
        case v := <-ch: println!("{v}");
        default: {}
    }
}
