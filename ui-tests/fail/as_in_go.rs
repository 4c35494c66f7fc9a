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
    select! {
        v, ok := <-ch => println!("{v} {ok}"),
        v, ok = <-ch => println!("{v} {ok}"),
        default => {}
    }
    chan! {
        let (mut v, mut ok) = (None, true);
        v, ok = <-ch;
        let w, more = <-ch;
        if v, ok := <-ch; ok {
            drop((v, ok));
        }
        for v := range ch {
            println!("{v}");
        }
        for i := 0; i < 3; i++ {
            ch <- i;
        }
        drop((v, ok, w, more));
    }
}
