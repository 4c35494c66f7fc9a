use proc_macro2::{Delimiter, Group};
use quote::quote;

use super::ast::{self, Operation, Select};
use super::validate;
use crate::names::Names;

fn parse(source: &str) -> Select {
    ast::parse(source.parse().unwrap(), &Names::at(quote!(k)))
}

/// Every arm as `operation; binding; guard; body`.
fn arms(source: &str) -> Vec<String> {
    let select = parse(source);
    let unread: Vec<&str> = select
        .unread
        .iter()
        .map(|refusal| refusal.message())
        .collect();
    assert!(unread.is_empty(), "{unread:?}");
    let written = |arm: &ast::Arm| {
        let operation = match &arm.operation {
            Operation::Receive { channel } => format!("recv {channel}"),
            Operation::Send { channel, value } => format!("send {channel} | {value}"),
            Operation::Take { channel, slot } => format!("take {channel} | {slot}"),
            Operation::After { duration } => format!("after {duration}"),
            Operation::Default => "default".to_owned(),
        };
        let binding = arm.binding.as_ref().map(ToString::to_string);
        let guard = arm.guard.as_ref().map(|guard| guard.condition.to_string());
        [
            Some(operation),
            binding.map(|b| format!("-> {b}")),
            guard.map(|g| format!("if {g}")),
        ]
        .into_iter()
        .flatten()
        .chain([format!("=> {}", arm.body)])
        .collect::<Vec<_>>()
        .join(" ")
    };
    select.arms.iter().map(written).collect()
}

fn refusal(source: &str) -> String {
    let select = parse(source);
    let refusals = validate::check(&select);
    let first = select.unread.iter().chain(&refusals).next();
    first
        .map(|refusal| refusal.message().to_owned())
        .unwrap_or_default()
}

#[test]
fn both_spellings() {
    assert_eq!(
        arms("recv(a) => 1, <-a => 2, recv(a) -> v => 3, v = <-a => 4, (x, _) = <-a.b[0] => 5"),
        [
            "recv a => 1",
            "recv a => 2",
            "recv a -> v => 3",
            "recv a -> v => 4",
            "recv a . b [0] -> (x , _) => 5"
        ]
    );
    assert_eq!(
        arms("send(a, b) => {} a <- b => {} send(a, b) -> r => {} send(a, take b.c) => {}"),
        [
            "send a | b => { }",
            "send a | b => { }",
            "send a | b -> r => { }",
            "take a | b . c => { }"
        ]
    );
    assert_eq!(
        arms("after(d) => {}, default => {},"),
        ["after d => { }", "default => { }"]
    );
}

#[test]
fn heads_with_structure() {
    assert_eq!(
        arms(
            "a <- f::<B, C>(|x, y| x) if d == 1 => {} recv(f(a, b)) -> v if let Some(x) = c => {}"
        ),
        [
            "send a | f ::< B , C > (| x , y | x) if d == 1 => { }",
            "recv f (a , b) -> v if let Some (x) = c => { }"
        ]
    );
    assert_eq!(
        arms(
            "a <- |b, c| b => {}, a <- <B as C<D, E>>::f() => {} a <- b as C<D, E> if c => {} \
             recv(a) -> B::<C, D>(v) => {} B::<C, D>(v) = <-a => {}"
        ),
        [
            "send a | | b , c | b => { }",
            "send a | < B as C < D , E >>:: f () => { }",
            "send a | b as C < D , E > if c => { }",
            "recv a -> B ::< C , D > (v) => { }",
            "recv a -> B ::< C , D > (v) => { }"
        ]
    );
    assert_eq!(arms("recv(x) <- v => {}"), ["send recv (x) | v => { }"]);
    assert_eq!(arms("send(a, (take)) => {}"), ["send a | take => { }"]);
    assert_eq!(
        arms("send(a, take + 1) => {}"),
        ["send a | take + 1 => { }"]
    );
    assert_eq!(arms("send(a, take *b) => {}"), ["take a | * b => { }"]);
}

#[test]
fn slot_of_a_macro() {
    let names = Names::at(quote!(k));
    let slot = Group::new(Delimiter::None, quote!(b.c));
    let select = ast::parse(quote!(send(a, take #slot) => {}), &names);
    assert!(select.unread.is_empty());
    assert!(matches!(select.arms[0].operation, Operation::Take { .. }));
    // A place without effects: it is borrowed after the guards.
    let expanded = super::expand::expand(select, Vec::new(), &names);
    assert!(expanded.to_string().contains("enabled0"), "{expanded}");
}

#[test]
fn bodies() {
    assert_eq!(
        arms("default => match a { B => c, } recv(a) => f::<A, B>(1), <-a => { x }.y, <-b => z"),
        [
            "default => match a { B => c , }",
            "recv a => f ::< A , B > (1)",
            "recv a => { x } . y",
            "recv b => z"
        ]
    );
}

#[test]
fn biased() {
    let select = parse("biased; recv(a) => {}");
    assert_eq!((select.biased.len(), select.arms.len()), (1, 1));
    assert!(refusal("recv(a) => {} biased;").starts_with("`biased;` must come first"));
    assert!(refusal("biased; biased; recv(a) => {}").starts_with("`biased;` is given twice"));
    assert_eq!(
        arms(
            "biased => {}, default => {}"
                .replace("biased =>", "<-biased =>")
                .as_str()
        )
        .len(),
        2
    );
}

#[test]
fn refused() {
    for (source, message) in [
        (
            "default => {} default => {}",
            "`select!` has a second `default` arm",
        ),
        ("default if a => {}", "`default` takes no condition"),
        ("recv() => {}", "`recv` has no channel"),
        ("recv(a, b) => {}", "`recv` takes one channel"),
        ("send(a) => {}", "`send` has no value"),
        ("send(a, take) => {}", "`take` has no slot"),
        ("send(a b) => {}", "there is no comma"),
        ("send(a take b) => {}", "there is no comma"),
        ("after() => {}", "`after` has no duration"),
        ("<- => {}", "`<-` has no operand"),
        ("a <- => {}", "`<-` has no value to send"),
        ("recv(a) -> => {}", "`->` has no name after it"),
        ("recv(a) if => {}", "`if` has no condition"),
        ("recv(a) unless b => {}", "expected `=>` here"),
        ("a => {}", "this is not an arm"),
        ("recv(a)", "this is not an arm"),
        ("recv(a) -> Some(v) => {}", "this pattern does not match"),
        ("after(d) -> v => {}", "`after` has no value to bind"),
        ("v := <-a => {}", "Rust has no `:=`"),
        ("v, ok := <-a => {}", "Rust has no `:=`"),
        ("v, ok = <-a => {}", "a receive has one value"),
        ("recv(a) => v => {}", "nothing stands before this `=>`"),
        ("=> {}", "nothing stands before this `=>`"),
        (
            "recv(a) => f(); default => {}",
            "an arm does not end with a semicolon",
        ),
        (
            "v = (k::__private::recv)(&a) => {}",
            "a macro around this `select!` has read its arrow",
        ),
        (
            "(k::__private::send)(&a, b) if c => {}",
            "a macro around this `select!` has read its arrow",
        ),
        ("case v = <-a => {}", "an arm has no `case`"),
        ("case <-a => {}", "an arm has no `case`"),
        ("case send(a, b) => {}", "an arm has no `case`"),
        ("#[cfg(unix)] recv(a) => {}", "an arm takes no attributes"),
        ("/// a\nrecv(a) => {}", "an arm takes no documentation"),
        (
            "recv(a) => {} #[b] default => {}",
            "an arm takes no attributes",
        ),
    ] {
        let refusal = refusal(source);
        assert!(refusal.starts_with(message), "{source}: {refusal}");
    }
}

#[test]
fn arms_without_what_is_misplaced_are_read() {
    let select = parse("#[a] recv(b) => {} case v = <-a => {} #[a] /// b\ncase default => {}");
    assert_eq!((select.arms.len(), select.unread.len()), (3, 5));
    assert_eq!(
        arms("(case) <- b => {} case.a <- b => {} case = <-a => {}"),
        [
            "send (case) | b => { }",
            "send case . a | b => { }",
            "recv a -> case => { }"
        ]
    );
}

#[test]
fn half_written_arms_leave_the_others() {
    let select = parse("rec, recv(a) -> v => { v. } sen");
    assert_eq!((select.arms.len(), select.unread.len()), (1, 2));
    for half in [
        "recv(a)",
        "recv(a) -> v",
        "v = <-a",
        "<-a",
        "a <- b",
        "a <-",
    ] {
        let select = parse(&format!(
            "{half}, recv(b) -> v => {{}} {half}, v = <-b => {{}}"
        ));
        assert_eq!((select.arms.len(), select.unread.len()), (2, 2), "{half}");
    }
    let select = parse("v, recv(a) => f(); v, ok = <-b => {} => {} default => {}");
    assert_eq!((select.arms.len(), select.unread.len()), (2, 4));
}
