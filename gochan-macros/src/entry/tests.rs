use super::expand::path_prefix;
use super::{Kind, ast, validate};
use proc_macro2::{Delimiter, Group};
use quote::quote;

fn refusals(kind: Kind, options: &str, function: &str) -> Vec<String> {
    let options = ast::options(options.parse().unwrap());
    let function = ast::function(function.parse().unwrap()).expect("a function");
    validate::check(kind, &options, &function)
        .iter()
        .map(|refusal| refusal.message().to_owned())
        .collect()
}

#[test]
fn functions() {
    let parse = |source: &str| ast::function(source.parse().unwrap());
    let main = parse("#[a] pub fn main() -> Result<(), E> where (): A { b }").unwrap();
    assert_eq!(main.output.to_string(), "-> Result < () , E > where () : A");
    assert_eq!(main.body.to_string(), "{ b }");
    assert!(parse("#[a] pub(crate) async unsafe extern \"C\" fn f<T>(a: B) {}").is_some());
    assert!(parse("struct A;").is_none());
    let body = Group::new(Delimiter::None, "{ b }".parse().unwrap());
    let of_a_macro = ast::function(quote!(fn main() #body)).unwrap();
    assert_eq!(of_a_macro.body.to_string(), "{ b }");
    assert!(parse("fn f();").is_none());
    assert!(parse("mod a { fn f() {} }").is_none());
}

#[test]
fn refused() {
    assert_eq!(refusals(Kind::Main, "", "fn main() {}"), [""; 0]);
    assert_eq!(
        refusals(Kind::Main, "crate = a::b", "fn main() {}"),
        [""; 0]
    );
    let options = "workers = 2, seed = f(1, 2), virtual_time = true,";
    assert_eq!(refusals(Kind::Test, options, "fn a() {}"), [""; 0]);
    let commas = "workers = f::<A, B>(), seed = (|a, b| a + b)(1, 2), name = |a, b| c,";
    assert_eq!(refusals(Kind::Test, commas, "fn a() {}"), [""; 0]);
    let one = |kind, options, function| {
        let refusals = refusals(kind, options, function);
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        refusals[0].clone()
    };
    assert_eq!(refusals(Kind::Main, "workers = 2", "fn main() {}"), [""; 0]);
    assert!(one(Kind::Main, "threads = 2", "fn main() {}").contains("no option `threads`"));
    assert!(one(Kind::Test, "worker = 2", "fn a() {}").contains("did you mean `workers`?"));
    assert!(one(Kind::Test, "seed", "fn a() {}").contains("`seed` has no value"));
    assert!(one(Kind::Main, "", "async fn main() {}").contains("async"));
    assert!(one(Kind::Main, "", "const fn main() {}").contains("const"));
    assert!(one(Kind::Main, "", "fn main(a: B) {}").contains("no arguments"));
    assert!(one(Kind::Test, "", "fn a<T>() {}").contains("generic"));
    assert!(one(Kind::Main, "", "fn start() {}").contains("is for the function `main`"));
}

#[test]
fn prefixes() {
    let prefix = |text: &str| path_prefix(text).map(|path| path.to_string());
    assert_eq!(prefix("#[gc::main]").as_deref(), Some("gc"));
    assert_eq!(
        prefix("#[ ::a::gc::test(workers = 1) ]").as_deref(),
        Some(":: a :: gc")
    );
    assert_eq!(prefix("#[main]"), None);
    assert_eq!(prefix("#[$crate::gc::main]"), None);
}
