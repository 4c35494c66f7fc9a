//! A `Sender` cannot be received from.

use gochan::prelude::*;

fn main() {
    let (tx, rx) = gochan::channel::<i32>(0);
    chan! {
        let a = <-tx;
        let b = <-rx;
    }
    select! {
        recv(tx) -> v => drop(v),
        recv(&tx) => {}
        v = <-rx => drop(v),
    }
    tx.recv();
    let _ = tx.try_recv();
    for v in tx {}
}
