//! What the attributes refuse.

#[gochan::main]
async fn main() {}

#[gochan::main(worker = 2)]
fn other() {}

#[gochan::test(sed = 5, workers)]
fn options() {}

#[gochan::test(seed = 1, seed = 2, 5)]
fn twice() {}

#[gochan::test]
fn arguments(x: i32) {}

#[gochan::test]
fn generic<T>() {}

#[gochan::test]
const fn constant() {}

#[gochan::test]
struct NotAFunction;
