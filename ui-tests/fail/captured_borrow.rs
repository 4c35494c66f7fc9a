//! A goroutine may outlive the frame that starts it.

use gochan::prelude::*;

fn main() {
    let words = vec![String::from("a")];
    let first = &words[0];
    go! { println!("{first}"); };
    go!(drop(&words));
}

fn parameter(text: &str) {
    go! { println!("{text}"); };
}

fn locally(text: &str) {
    go!(local, { println!("{text}"); });
}

fn scoped() {
    gochan::scope(|s| {
        let inner = String::new();
        go!(in s, { println!("{}", &inner) });
        let inner = String::new();
        let borrowed = &inner;
        go!(in s, { println!("{borrowed}") });
    });
}
