//! Options that contradict or repeat each other, or lack a value.

use gochan::prelude::*;

fn main() {
    let (a, b) = (1, 2);
    go!(near, spread, {});
    go!(local, near, {});
    go!(name = "a", name = "b", {});
    go!(clone(a), clone(b), {});
    go!(name = , {});
    gochan::scope(|s| {
        go!(in s, local, {});
    });
}
