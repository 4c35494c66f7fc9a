//! Code that is not finished keeps its tokens, so that rustc points at them.

use gochan::prelude::*;

struct Worker {
    jobs: Receiver<i32>,
}

impl Worker {
    fn run(&self) {
        chan! {
            let job = <-self.jbos;
            let n = <-self.jobs.;
        }
        go! { let x = ; };
    }
}

fn main() {}
