//! A `Receiver` can be neither sent to nor closed.

use gochan::prelude::*;
use std::time::Duration;

struct Worker {
    jobs: Receiver<i32>,
}

impl Worker {
    fn push(&self) {
        chan! {
            self.jobs <- 1;
        }
    }
}

fn main() {
    let (tx, rx) = gochan::channel::<i32>(0);
    go! { rx <- 1; };
    let (_, rx) = gochan::channel::<i32>(0);
    select! {
        send(rx, 1) => {}
        rx <- 2 => {}
        send(tx, 3) => {}
    }
    rx.close();
    rx.send(1);
    rx.send_timeout(1, Duration::ZERO);
}
