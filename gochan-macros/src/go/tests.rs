use proc_macro2::{Delimiter, Group, TokenTree};
use quote::quote;

use super::ast::{self, Arguments, Body, ChoiceKind, Go};
use super::delimiter::Written;
use super::validate;
use crate::names::Names;

fn parse(source: &str, written: Written) -> Go {
    ast::parse(source.parse().unwrap(), written, &Names::at(quote!(k)))
}

fn values(arguments: &Arguments) -> String {
    let values = arguments.values.iter().map(ToString::to_string);
    values.collect::<Vec<_>>().join(" | ")
}

/// The body's form and its parts.
fn body(source: &str) -> String {
    match parse(source, Written::Parentheses).body {
        Body::Missing => "missing".to_owned(),
        Body::Block(group) => format!("block {group}"),
        Body::Statements(tokens) => format!("statements {tokens}"),
        Body::Uncalled { tokens, .. } => format!("uncalled {tokens}"),
        Body::Call { callee, arguments } => {
            format!("call {callee} [{}]", values(&arguments))
        }
        Body::Method {
            receiver,
            method,
            arguments,
        } => {
            format!("method {receiver} {method} [{}]", values(&arguments))
        }
    }
}

fn options(source: &str) -> Vec<String> {
    let go = parse(source, Written::Parentheses);
    let named = |choice: &ast::Choice| {
        let kind = match &choice.kind {
            ChoiceKind::Clone(entries) => format!("{}", entries.len()),
            ChoiceKind::Name(value) | ChoiceKind::Stack(value) | ChoiceKind::In(value) => {
                value.to_string()
            }
            ChoiceKind::Near | ChoiceKind::Spread | ChoiceKind::Local => String::new(),
            ChoiceKind::Unknown => "?".to_owned(),
        };
        format!("{} {kind}", choice.word).trim().to_owned()
    };
    go.options.iter().map(named).collect()
}

fn refusals(source: &str) -> Vec<String> {
    validate::check(&parse(source, Written::Parentheses))
        .iter()
        .map(|refusal| refusal.message().to_owned())
        .collect()
}

#[test]
fn bodies() {
    assert_eq!(body(""), "missing");
    assert_eq!(body("near"), "missing");
    assert_eq!(body("{ a }"), "block { a }");
    assert_eq!(body("f(a, b)"), "call f [a | b]");
    assert_eq!(body("f(a, b),"), "call f [a | b]");
    assert_eq!(body("f(a as m!(B), b)"), "call f [a as m ! (B) | b]");
    // What is half-written reaches rustc as it is.
    assert_eq!(body("f(a b)"), "statements f (a b)");
    assert_eq!(body("f(, b)"), "statements f (, b)");
    assert_eq!(
        body("a::f::<T>(|x, y| x)"),
        "call a :: f ::< T > [| x , y | x]"
    );
    assert_eq!(body("x.m(a)"), "method x . m [a]");
    assert_eq!(body("x.y.m::<T>()"), "method x . y . m ::< T > []");
    assert_eq!(body("f(a)(b)"), "call f (a) [b]");
    assert_eq!(body("(x.f)(b)"), "call (x . f) [b]");
    assert_eq!(body("x[1](b)"), "call x [1] [b]");
    assert_eq!(body("println!(\"a\")"), "statements println ! (\"a\")");
    assert_eq!(body("a + f(b)"), "statements a + f (b)");
    assert_eq!(body("!f(b)"), "statements ! f (b)");
    assert_eq!(body("unsafe { f(b) }"), "statements unsafe { f (b) }");
    assert_eq!(body("unsafe { a }.m(b)"), "method unsafe { a } . m [b]");
    assert_eq!(body("const { a }.m()"), "method const { a } . m []");
    assert_eq!(body("f(b);"), "statements f (b) ;");
    assert_eq!(body("move || f(b)"), "uncalled move || f (b)");
    assert_eq!(body("async move { f(b) }"), "uncalled async move { f (b) }");
    assert_eq!(body("a::f"), "uncalled a :: f");
    assert_eq!(body("|x| f(b);"), "statements | x | f (b) ;");
}

#[test]
fn braces_make_a_block() {
    assert!(matches!(
        parse("f(a)", Written::Braces).body,
        Body::Statements(_)
    ));
    // With an option in front it can only be the other form.
    assert!(matches!(
        parse("near, f(a)", Written::Braces).body,
        Body::Call { .. }
    ));
    // Statements that begin like options.
    for block in [
        "name = 1; name",
        "stack = 2; f()",
        "clone(x)",
        "near + 1",
        "local.f()",
    ] {
        let go = parse(block, Written::Braces);
        assert!(go.options.is_empty() || block == "clone(x)", "{block}");
    }
}

#[test]
fn unknown_delimiter() {
    let body = |source: &str| parse(source, Written::Unknown).body;
    assert!(matches!(body("f(a())"), Body::Call { .. }));
    assert!(matches!(body("x.y.f(a())"), Body::Method { .. }));
    assert!(matches!(body("x.a().f()"), Body::Statements(_)));
    assert!(matches!(body("near, x.a().f()"), Body::Method { .. }));
}

/// What a macro's `$body` hands over is one token.
#[test]
fn body_of_another_macro() {
    let body = |source: &str, written| {
        let group = Group::new(Delimiter::None, source.parse().unwrap());
        let input = TokenTree::from(group).into();
        ast::parse(input, written, &Names::at(quote!(k))).body
    };
    let parentheses = Written::Parentheses;
    assert!(matches!(body("f(a())", parentheses), Body::Call { .. }));
    assert!(matches!(
        body("x.a().f()", parentheses),
        Body::Method { .. }
    ));
    assert!(matches!(body("{ f() }", parentheses), Body::Block(_)));
    assert!(matches!(body("a + f()", parentheses), Body::Statements(_)));
    assert!(matches!(body("|| f()", parentheses), Body::Uncalled { .. }));
    assert!(matches!(
        body("f(a())", Written::Braces),
        Body::Statements(_)
    ));
}

#[test]
fn any_order() {
    assert_eq!(
        options("stack = 1 << 20, clone(a, mut b), name = f(x, y), near, {}"),
        ["stack 1 << 20", "clone 2", "name f (x , y)", "near"]
    );
    assert_eq!(options("in s, spread, f(x)"), ["in s", "spread"]);
    assert_eq!(options("clone(a) { }"), ["clone 1"]);
    assert_eq!(options("in s { }"), ["in s"]);
    assert_eq!(options("near { }"), ["near"]);
    assert_eq!(options("Near { }"), [""; 0]);
    assert_eq!(
        options("nmae = 1, lcoal, clones(a), {}"),
        ["nmae ?", "lcoal ?", "clones ?"]
    );
    assert_eq!(options("near"), ["near"]);
}

#[test]
fn scope_without_a_name() {
    let names = Names::at(quote!(k));
    let go = parse("in, {}", Written::Parentheses);
    let expanded = super::expand::expand(go, Vec::new(), &names).to_string();
    assert!(!expanded.contains("go_scoped"), "{expanded}");
}

#[test]
fn refused() {
    let first = |source: &str| refusals(source).first().cloned().unwrap_or_default();
    assert!(first("nmae = 1, {}").contains("did you mean `name`?"));
    assert!(first("clone(), {}").starts_with("`clone` names nothing"));
    assert!(first("clone(self.a), {}").starts_with("`clone(…)` takes names"));
    assert!(first("near, spread, {}").starts_with("`spread` contradicts `near`"));
    assert!(first("in s, local, {}").starts_with("`local` contradicts `in`"));
    assert!(first("name = , {}").starts_with("`name` has no value"));
    assert!(first("name, {}").starts_with("`name` has no value"));
    assert!(first("stack, f()").starts_with("`stack` has no value"));
    assert!(first("clone, {}").starts_with("`clone` names nothing"));
    assert!(first("in").starts_with("`in` has no value"));
    for source in [
        "near = 1, {}",
        "local(x), {}",
        "name(\"a\"), {}",
        "clone = a, {}",
    ] {
        assert!(first(source).starts_with("this is not how"), "{source}");
    }
    assert!(first("f, {}").contains("the options are"));
    for source in [
        "near { }",
        "in s { }",
        "near, clone(a) { }",
        "name = \"a\" { }",
    ] {
        assert!(first(source).starts_with("there is no comma"), "{source}");
    }
    assert!(first("|| f()").contains("this closure"));
    assert!(first("async { f() }").contains("this future"));
    assert!(first("near, f").contains("calls nothing"));
    assert!(first("").starts_with("the goroutine has no body"));
    assert!(first("near").starts_with("the goroutine has no body"));
    assert_eq!(refusals("in s, near, name = 1, clone(a), {}"), [""; 0]);
}
