use proc_macro2::{Delimiter, Group, TokenStream};
use quote::quote;

use crate::names::Names;

/// Calls as they are emitted, `recv(&a)` and `send(&a, b)`, with the path left out and refusals as
/// `refused!`.
fn lowered(source: &str) -> String {
    let tokens: TokenStream = source.parse().unwrap();
    let names = Names::at(quote!(k));
    plain(&super::statements(tokens, &names).tokens.to_string())
}

/// Calls without the path of gochan.
fn plain_calls(tokens: &str) -> String {
    tokens
        .replace("(k :: __private :: recv)", "recv")
        .replace("(k :: __private :: send)", "send")
}

fn plain(tokens: &str) -> String {
    let text = plain_calls(tokens);
    match text.find(":: core :: compile_error") {
        Some(at) => format!("{}refused!", &text[..at]),
        None => text,
    }
}

/// Checks that `source` lowers to `expected`, up to spacing.
#[track_caller]
fn check(source: &str, expected: &str) {
    let unspaced = |text: &str| text.split_whitespace().collect::<String>();
    let expected: TokenStream = expected.parse().unwrap();
    let expected = unspaced(&expected.to_string());
    assert_eq!(unspaced(&lowered(source)), expected, "{source}");
}

/// Checks that nothing in `source` changes.
#[track_caller]
fn untouched(source: &str) {
    check(source, source);
}

#[track_caller]
fn refused(source: &str) {
    let lowered = lowered(source);
    assert!(lowered.contains("refused!"), "{lowered}");
}

#[test]
fn receive_binds_like_a_prefix_operator() {
    check("<-ch", "recv(&ch)");
    check("<-self.jobs", "recv(&self.jobs)");
    check("<-time::after(d)", "recv(&time::after(d))");
    check("<-chs[i].get()?", "recv(&chs[i].get()?)");
    check("(<-ch).unwrap()", "(recv(&ch)).unwrap()");
    check("(<-ch)?", "(recv(&ch))?");
    check("<-a + <-b", "recv(&a) + recv(&b)");
    check("<-a == None && !<-b", "recv(&a) == None && !recv(&b)");
    check("-<-a", "-recv(&a)");
    check("<-<-a", "recv(&recv(&a))");
    check("<-&a.b", "recv(&&a.b)");
    check("<-a as T", "recv(&a) as T");
    check("default as T + <-a", "default as T + recv(&a)");
    check("<-a.await.0.1", "recv(&a.await.0.1)");
    check("<-f::<A, B>(x)", "recv(&f::<A, B>(x))");
    check("<-<T as Source>::ch()", "recv(&<T as Source>::ch())");
    check("<-if a { b } else { c }", "recv(&if a { b } else { c })");
    check("<-Pipe { ch }.ch", "recv(&Pipe { ch }.ch)");
    check("x = <-ch..<-ch", "x = recv(&ch)..recv(&ch)");
    check(
        "if <-{ a } == b { <-c }",
        "if recv(&{ a }) == b { recv(&c) }",
    );
    check(
        "while let Some(v) = <-&{ <-a }.b { c <- v }",
        "while let Some(v) = recv(&&{ recv(&a) }.b) { send(&c, v) }",
    );
    check(
        "match <-{ a } { _ => <-b }",
        "match recv(&{ a }) { _ => recv(&b) }",
    );
    check("for a in .. { <-b }", "for a in .. { recv(&b) }");
}

#[test]
fn receive_stands_anywhere() {
    check(
        "let a: Vec<Vec<u8>> = <-b;",
        "let a: Vec<Vec<u8>> = recv(&b);",
    );
    check(
        "let Some(a) = <-b else { return };",
        "let Some(a) = recv(&b) else { return };",
    );
    check("if let Some(a) = <-b {}", "if let Some(a) = recv(&b) {}");
    check(
        "while let Some(a) = <-b.c {}",
        "while let Some(a) = recv(&b.c) {}",
    );
    check("match <-b { _ => {} }", "match recv(&b) { _ => {} }");
    check("for a in <-b {}", "for a in recv(&b) {}");
    check("f(1, <-b)", "f(1, recv(&b))");
    check("println!(\"{:?}\", <-b)", "println!(\"{:?}\", recv(&b))");
    check("vec![<-b; 2]", "vec![recv(&b); 2]");
    check("|| <-b", "|| recv(&b)");
    check(
        "move |x: &T| -> U { <-b }",
        "move |x: &T| -> U { recv(&b) }",
    );
    check("S { a: <-b, ..<-c }", "S { a: recv(&b), ..recv(&c) }");
    check("return <-b", "return recv(&b)");
    check("break 'a <-b", "break 'a recv(&b)");
    check("a[(<-b).unwrap()]", "a[(recv(&b)).unwrap()]");
    check("if a {} <-b", "if a {} recv(&b)");
    check("{ } <-b", "{ } recv(&b)");
    check(
        "match a { _ if (<-b).is_some() => <-c, _ => {} }",
        "match a { _ if (recv(&b)).is_some() => recv(&c), _ => {} }",
    );
    check("#[a] <-b;", "#[a] recv(&b);");
    check("m! { x } <-b;", "m! { x } recv(&b);");
    check("unsafe { <-b }", "unsafe { recv(&b) }");
    check("async move { <-b }", "async move { recv(&b) }");
}

#[test]
fn send_is_a_statement() {
    check("ch <- 1;", "send(&ch, 1);");
    check("ch <-1", "send(&ch, 1)");
    check("a; self.out <- f(x)?; b", "a; send(&self.out, f(x)?); b");
    check("outs[i] <- a + b * c;", "send(&outs[i], a + b * c);");
    check("f() <- S { a: 1 };", "send(&f(), S { a: 1 });");
    check("*a <- b", "send(&*a, b)");
    check("a + b <- c", "send(&(a + b), c)");
    check("a as B <- c", "send(&(a as B), c)");
    check(
        "ch <- a as m!(B) + <-c;",
        "send(&ch, a as m!(B) + recv(&c));",
    );
    check("ch <- <-other;", "send(&ch, recv(&other));");
    check("<-chs <- 1;", "send(&recv(&chs), 1);");
    check("ch <- |a, b| a;", "send(&ch, |a, b| a);");
    check(
        "ch <- if a { b } else { c };",
        "send(&ch, if a { b } else { c });",
    );
    check(
        "ch <- match a { B => c, };",
        "send(&ch, match a { B => c, });",
    );
    check("|x| ch <- x", "|x| send(&ch, x)");
    check("f(move || ch <- 1, 2)", "f(move || send(&ch, 1), 2)");
    check(
        "match a { B => ch <- f::<C, D>(1), _ => {} }",
        "match a { B => send(&ch, f::<C, D>(1)), _ => {} }",
    );
    check(
        "if a { b <- 1 } else { c <- 2 }",
        "if a { send(&b, 1) } else { send(&c, 2) }",
    );
    check("if a {} ch <- 1;", "if a {} send(&ch, 1);");
    check("#[a] ch <- 1;", "#[a] send(&ch, 1);");
    check("m! { ch <- 1; }", "m! { send(&ch, 1); }");
}

#[test]
fn items_keep_their_shape() {
    check(
        "pub async fn f<const N: usize>(a: [u8; { N }]) -> Result<A, B> where A: C<D = E> { a <- b }",
        "pub async fn f<const N: usize>(a: [u8; { N }]) -> Result<A, B> where A: C<D = E> { send(&a, b) }",
    );
    check(
        "impl<T> A for B<{ 1 }> { fn f() { <-a } }",
        "impl<T> A for B<{ 1 }> { fn f() { recv(&a) } }",
    );
    check(
        "trait A { const B: C; fn f() { <-a } }",
        "trait A { const B: C; fn f() { recv(&a) } }",
    );
    check("mod a { fn f() { <-a } }", "mod a { fn f() { recv(&a) } }");
    check("static A: B<C> = f(<-d);", "static A: B<C> = f(recv(&d));");
    untouched("struct A { a: Foo<-1> } fn f() {}");
    untouched("macro_rules! m { ($a:ident <- $b:expr) => { $a <- $b } }");
    check(
        "macro_rules! m { () => {} } fn f() { <-a }",
        "macro_rules! m { () => {} } fn f() { recv(&a) }",
    );
    check(
        "macro_rules! m { () => {} } let a = <-b; macro_rules! n (() => {}); a <- b;",
        "macro_rules! m { () => {} } let a = recv(&b); macro_rules! n (() => {}); send(&a, b);",
    );
    untouched("use a::{b, c as d}; extern \"C\" { fn f(); } type A = B<-1>;");
    untouched("enum A { B = 1, C(D<-1>) } union U { a: u8 }");
}

#[test]
fn only_items() {
    let only_items = |source: &str| {
        let tokens = source.parse().unwrap();
        super::statements(tokens, &Names::at(quote!(k))).only_items
    };
    assert!(only_items("fn f() {} struct A; const B: C = 1;"));
    assert!(only_items("#[a] pub(crate) const unsafe fn f() {}"));
    assert!(only_items("thread_local! { static A: B = C; } fn f() {}"));
    assert!(only_items("macro_rules! m { () => {} } fn f() {}"));
    assert!(!only_items("fn f() {} f()"));
    assert!(!only_items("macro_rules! m { () => {} } f()"));
    assert!(!only_items("const { 1 }"));
    assert!(!only_items("unsafe { f() }"));
    assert!(!only_items("async move { }"));
    assert!(!only_items("union.a <- 1"));
    assert!(!only_items(""));
}

#[test]
fn macro_calls_beside_items() {
    let only_items = |source: &str| {
        let tokens = source.parse().unwrap();
        super::statements(tokens, &Names::at(quote!(k))).only_items
    };
    assert!(only_items("m! { static A: B = C; } fn f() {}"));
    assert!(only_items("fn f() {} #[a] ::a::m! { b } a::n!(c); m![d];"));
    assert!(!only_items("m! { a }"));
    assert!(!only_items("fn f() {} m!(a)"));
    assert!(!only_items("fn f() {} m! { a }.b"));
    assert!(!only_items("fn f() {} go! { a }"));
    assert!(!only_items("fn f() {} std::println!(\"a\");"));
    assert!(!only_items("fn f() {} return !(a);"));
    check(
        "m! { fn f() { <-a } } fn g() { <-b }",
        "m! { fn f() { recv(&a) } } fn g() { recv(&b) }",
    );
}

#[test]
fn items_of_a_macros_own() {
    let piece = |source: &str| Group::new(Delimiter::None, source.parse().unwrap());
    let lowered = |tokens: TokenStream| {
        let statements = super::statements(tokens, &Names::at(quote!(k)));
        assert!(statements.only_items, "{}", statements.tokens);
        plain(&statements.tokens.to_string())
    };
    for visibility in ["", "pub", "pub(crate)"] {
        let visibility = piece(visibility);
        let function = lowered(quote!(#visibility fn f() { <-a } #visibility union A {}));
        assert!(function.contains("{ recv (& a) }"), "{function}");
    }
    for item in ["fn f() {}", "pub struct A;", "#[a] pub(crate) mod a {}"] {
        let item = piece(item);
        let function = lowered(quote!(#item fn f() { <-a }));
        assert!(function.contains("{ recv (& a) }"), "{function}");
    }
    let call = piece("m! { a }");
    lowered(quote!(#call fn f() {}));
    let value = piece("f(a)");
    let statements = super::statements(quote!(fn f() {} #value), &Names::at(quote!(k)));
    assert!(!statements.only_items);
}

#[test]
fn nested_macros_keep_their_grammar() {
    untouched("go!(f(<-a));");
    untouched("gochan::select! { v = <-a => {} }");
    untouched("chan! { <-a } defer! { a <- b }");
    check("go! { <-a }; <-b", "go! { <-a }; recv(&b)");
}

#[test]
fn other_operators_stay() {
    untouched("a < -b && c << -1 <= d <<= e");
    untouched("Vec::<-1>::f::<A<-2>>()");
    untouched("let a: A<-1> = b; |x: A<-1>| x; a as A < b");
    untouched("a.b::<C>(d)?.0 .. =e");
}

#[test]
fn refusals() {
    for source in [
        "let a = b <- c;",
        "f(a <- b)",
        "if a <-1 {}",
        "(a <- b)",
        "return a <- b",
        "a <- b <- c",
        "println!(\"{}\", a <- b)",
        "x = a <- b;",
        "<-;",
        "(<-)",
        "a <- ;",
        "{ a <- }",
        "while let Some(a) = <- {}",
        "match <- {}",
        "if <- {} else {}",
        "if <- {} if a {}",
    ] {
        refused(source);
    }
}

#[test]
fn declarations_of_go() {
    check("f(); v := <-ch", "f(); let v = refused!");
    check("v, ok := <-ch;", "let (v, ok) = refused!");
    check("let v := <-ch;", "let v = refused!");
    check("_ := 5;", "let _ = refused!");
    check("if v, ok := <-ch; ok {}", "if let (v, ok) = refused!");
    check(
        "if a {} else if v := b; v > <-c {}",
        "if a {} else if let v = refused!",
    );
    check("while v := <-ch {}", "while let v = refused!");
    check("for v := range ch { <-v }", "for v in refused!");
    check("for i, v := range a { v <- i }", "for (i, v) in refused!");
    check("v, ok = <-ch;", "(v, ok) = refused!");
    check("let v, ok = <-ch;", "let (v, ok) = refused!");
    untouched("m!(a := b, c: d)");
    check("m!(a, b = <-c)", "m!(a, b = recv(&c))");
    check("m!(a := <-b)", "m!(a := recv(&b))");
}

/// What follows the refusal that says `said` in its place.
fn after_refusal(source: &str, said: &str) -> String {
    let tokens = source.parse().unwrap();
    let lowered = super::statements(tokens, &Names::at(quote!(k)));
    let lowered = plain_calls(&lowered.tokens.to_string());
    let (_, rest) = lowered.rsplit_once(said).unwrap();
    // Its help may have braces of its own.
    rest[rest.find("\" }").unwrap() + 3..].trim().to_owned()
}

#[test]
fn refused_head_leaves_the_block() {
    let rest = |source: &str| after_refusal(source, "Rust has no `:=`");
    assert_eq!(rest("if v := <-a; v > 0 { <-b }"), "{ recv (& b) }");
    assert_eq!(rest("while v := f(<-a) { <-b } c"), "{ recv (& b) } c");
    assert_eq!(rest("for v := range a { <-b } c"), "{ recv (& b) } c");
    assert_eq!(rest("for i := 0; i < 3; i++ { <-b }"), "{ recv (& b) }");
    assert_eq!(rest("match v := a { _ => <-b }"), "{ _ => recv (& b) }");
}

#[test]
fn refused_comparison_leaves_the_block() {
    let rest = |source: &str| after_refusal(source, "put a space in the arrow");
    assert_eq!(rest("if a <-k { <-b }"), "{ recv (& b) }");
    assert_eq!(rest("while a <-k { <-b }"), "{ recv (& b) }");
    assert_eq!(rest("match a <-k { _ => <-b }"), "{ _ => recv (& b) }");
    assert_eq!(rest("if c && a <-k { <-b }"), "{ recv (& b) }");
    assert_eq!(rest("if c {} else if a <-k { <-b }"), "{ recv (& b) }");
    // Elsewhere the braces are those of a struct.
    assert_eq!(rest("let c = a <-k { b: 1 };"), ";");
}

#[test]
fn half_written_code_is_kept() {
    check("<-self.; a", "recv(&self.); a");
    check("a <- b.", "send(&a, b.)");
    untouched("let a = ; let b: = c; fn () f(.a ..);");
    untouched("match { => } if { else for in } = => , , ; ? 'a |");
    check("match a { b. => <-c }", "match a { b. => recv(&c) }");
}
