//! What is missing in an operand is reported where it is missing.

use gochan::prelude::*;

fn operands(ch: Chan<i32>) {
    go!(operands(ch +));
    go!(operands(, ch));
    go!(ch.send(1 +, 2));
    go!(operands(ch ch));
    make!(chan Option<i32>>);
    go!(name = "a" +, { 1 });
    go!(in ch +, { 1 });
    make!(chan Vec<Option<i32>);
    make!(chan i32, 1 +);
    defer! { 1 + }
    chan!(1 <);
}

fn arms(ch: Chan<i32>) {
    select! {
        recv(ch) => 1 +,
    }
    select! {
        recv(ch) -> v => v +
    }
    select! { send(ch, 1 +) => {} }
    select! { ch <- 1 + => {} }
    select! { v = <-ch. => {} }
    select! { v = <-ch if 1 + => {} }
    select! { after(TIMEOUT +) => {} }
    select! { recv(ch) -> v @ => {} }
}

fn main() {}
