//! Options that `go!` does not know.

use gochan::prelude::*;

fn main() {
    let ch = make!(chan i32);
    go!(nmae = "fetcher", { drop(ch) });
    go!(lcoal, {});
    go!(clones(ch), {});
    go!(priority = 5, near, {});
    go!(stack_size = 1 << 20, {});
    go!(f, {});
    go!(spread = 1, {});
    go!(name("fetcher"), {});
    go!(name, {});
    go!(stack, {});
    go!(clone, {});
    go!(in, {});
    go!(in);
}
