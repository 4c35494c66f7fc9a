//! `main` returns what any `main` may return.

#[gochan::main]
fn main() -> i32 {
    5
}
