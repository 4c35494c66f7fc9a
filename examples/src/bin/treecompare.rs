//! Do two trees of different shapes hold the same keys?
//!
//! What it shows: two recursive walks run side by side, each in a goroutine
//! that sends the keys in order as it meets them, and main compares them
//! pairwise. Turning a recursive function into something that can be asked for
//! its next value takes one line, `out <- *key`: the goroutine's stack holds
//! the recursion while the walk waits.
//!
//! What to read in it: [`same`] returns at the first difference. That drops
//! both receivers, the walks' next sends find their channels abandoned, and
//! both goroutines end by unwinding out of their recursion. `gochan::scope`
//! lets them borrow the trees, and does not return before they have ended.

use clap::Parser;
use gochan::prelude::*;

/// Compare binary trees of different shapes by walking them side by side.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Keys in each tree
    #[arg(long, value_name = "N", default_value_t = 1000)]
    keys: u64,

    /// The key that one of the trees has changed
    #[arg(long, value_name = "KEY", default_value_t = 300)]
    change: u64,
}

/// A binary search tree.
enum Tree {
    Leaf,
    Node(Box<Tree>, u64, Box<Tree>),
}

impl Tree {
    /// The tree of the keys from `first` on and below `end` that has `parts`
    /// times as many keys right of each node as left of it.
    fn new(first: u64, end: u64, parts: u64) -> Tree {
        if first == end {
            return Tree::Leaf;
        }
        let key = first + (end - first) / (parts + 1);
        let left = Tree::new(first, key, parts);
        let right = Tree::new(key + 1, end, parts);
        Tree::Node(Box::new(left), key, Box::new(right))
    }

    /// Makes `key`, if the tree holds it, one larger.
    fn change(&mut self, key: u64) {
        if let Tree::Node(left, own, right) = self {
            match key.cmp(own) {
                std::cmp::Ordering::Less => left.change(key),
                std::cmp::Ordering::Equal => *own += 1,
                std::cmp::Ordering::Greater => right.change(key),
            }
        }
    }
}

#[gochan::main]
fn main() {
    let Options { keys, change } = Options::parse();
    let balanced = Tree::new(0, keys, 1);
    let mut slanted = Tree::new(0, keys, 3);
    println!("one tree, two shapes: {}", same(&balanced, &slanted));
    slanted.change(change);
    println!("a changed key: {}", same(&balanced, &slanted));
    println!(
        "a missing key: {}",
        same(&balanced, &Tree::new(0, keys.saturating_sub(1), 2))
    );
}

chan! {
    /// Compares the keys of two trees, in order, up to the first difference.
    fn same(one: &Tree, other: &Tree) -> String {
        gochan::scope(|s| {
            let (to_one, ones) = gochan::channel(0);
            let (to_other, others) = gochan::channel(0);
            go!(in s, { walk(one, &to_one) });
            go!(in s, { walk(other, &to_other) });
            for place in 1u64.. {
                match (<-ones, <-others) {
                    (None, None) => return format!("same, {} keys", place - 1),
                    (a, b) if a == b => {}
                    (Some(a), Some(b)) => return format!("differ at key {place}, {a} and {b}"),
                    _ => return format!("differ at key {place}, which only one has"),
                }
            }
            unreachable!("trees end")
        })
    }

    /// Sends the keys of `tree` in order.
    fn walk(tree: &Tree, out: &Sender<u64>) {
        if let Tree::Node(left, key, right) = tree {
            walk(left, out);
            out <- *key;
            walk(right, out);
        }
    }
}
