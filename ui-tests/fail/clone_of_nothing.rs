//! `clone(…)` takes names of variables.

use gochan::prelude::*;

struct Server {
    ch: Chan<i32>,
}

struct NotClone;

impl Server {
    fn start(&self) {
        go!(clone(), {});
        go!(clone(self.ch), {});
        go!(clone(self), {});
        let x = NotClone;
        go!(clone(x), { drop(x) });
        go!(clone(missing), {});
    }
}

fn main() {}
