//! A value moved into a goroutine or a channel is gone.

use gochan::prelude::*;

fn main() {
    let (tx, rx) = gochan::channel::<String>(1);
    go! { tx <- String::new(); };
    tx.close();

    let text = String::new();
    let ch = make!(chan String, 1);
    chan! { ch <- text; }
    println!("{text}");

    let text = String::new();
    select! {
        send(ch, text) => {}
        default => println!("{text}"),
    }
    go!(drop(rx));
    rx.recv();
}
