//! What a goroutine returns goes to whoever joins it, maybe on another worker.

use gochan::prelude::*;
use std::rc::Rc;

fn main() {
    go! { Rc::new("result") };
}
