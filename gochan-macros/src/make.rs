//! `make!(chan T, n)`: a channel of its element type and capacity.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::quote_spanned;

use crate::cursor::Cursor;
use crate::names::Names;
use crate::refusal::Refusal;
use crate::sugar::{self, Rewriter};

/// What the macro takes, for its errors.
pub const FORMS: &str = "write `make!(chan T)` or `make!(chan T, capacity)`";

/// The channel to make.
struct Make {
    /// The span of `chan`.
    keyword: Span,
    element: TokenStream,
    capacity: Option<TokenStream>,
}

/// `make::<T>(capacity)`
pub fn expand(input: TokenStream, names: &Names) -> TokenStream {
    let Make {
        keyword,
        element,
        capacity,
    } = match parse(input, names) {
        Ok(make) => make,
        Err(refusal) => return refusal.into_tokens(),
    };
    let span = Span::mixed_site().located_at(keyword);
    let make = names.private("make", span);
    let end = sugar::end_of(capacity.as_ref().unwrap_or(&element), span);
    let capacity = capacity.unwrap_or_else(|| quote_spanned!(span=> 0));
    let mut made = quote_spanned!(span=> #make::<#element);
    made.extend(quote_spanned!(end=> >(#capacity)));
    made
}

fn parse(input: TokenStream, names: &Names) -> Result<Make, Refusal> {
    let mut cursor = Cursor::new(input);
    if !cursor.is_word("chan") {
        let found = if cursor.is_end() {
            "`make!` has nothing to make"
        } else {
            "`make!` makes channels only"
        };
        return Err(Refusal::new(cursor.span(), found, FORMS));
    }
    let keyword = cursor.span();
    cursor.take();
    if let Some(refusal) = other_notation(&cursor).or_else(|| type_of_go(&cursor)) {
        return Err(refusal);
    }
    let element = element(&mut cursor)?;
    if element.is_empty() {
        return Err(Refusal::new(
            cursor.span(),
            "the channel has no element type",
            FORMS,
        ));
    }
    if let Some(span) = capacity_without_comma(&element, names, &cursor) {
        return Err(Refusal::new(
            span,
            "there is no comma before the capacity",
            FORMS,
        ));
    }
    cursor.take(); // The comma, if any.
    let mut rest = Rewriter::new(cursor.take_rest(), names);
    let capacity = rest.take_value();
    if rest.cursor.op() == "," && !capacity.is_empty() {
        rest.cursor.take();
    }
    if !rest.cursor.is_end() {
        let (first, last) = rest.cursor.rest_span();
        let message = "`make!` takes one capacity";
        return Err(Refusal::between(first, last, message, FORMS));
    }
    Ok(Make {
        keyword,
        element,
        capacity: (!capacity.is_empty()).then_some(capacity),
    })
}

/// Refuses what Go and Rust write between `chan` and a type elsewhere.
fn other_notation(cursor: &Cursor) -> Option<Refusal> {
    let refusal = |found, help| Some(Refusal::new(cursor.span(), found, help));
    match cursor.op() {
        "<-" => refusal(
            "a channel is made for both directions",
            "write `make!(chan T)`, then take its `sender()` or its `receiver()`",
        ),
        "::" if cursor.op_ahead(2) == "<" => {
            refusal("the element type has no angle brackets", FORMS)
        }
        "<" if !begins_qualified_path(cursor) => {
            refusal("the element type has no angle brackets", FORMS)
        }
        _ => None,
    }
}

/// Refuses an element type as Go writes it.
fn type_of_go(cursor: &Cursor) -> Option<Refusal> {
    let followed_by = |delimiter| cursor.group(1, delimiter).is_some();
    let empty_brackets = cursor
        .group(0, Delimiter::Bracket)
        .is_some_and(|brackets| brackets.stream().is_empty());
    let word = cursor.word(0).map(ToString::to_string);
    let help = match word.as_deref() {
        Some("struct") => "an empty value is `()`: `make!(chan ())`; name any other struct",
        Some("chan") if cursor.word(1).is_some() || cursor.op_ahead(1) == "<-" => {
            "a channel of channels is `make!(chan Chan<T>)`, of their halves `make!(chan Sender<T>)`"
        }
        Some("map") if followed_by(Delimiter::Bracket) => {
            "a map is a `HashMap`: `make!(chan HashMap<K, V>)`"
        }
        Some("func") if followed_by(Delimiter::Parenthesis) => {
            "a function is a `Box<dyn FnOnce() + Send>`, or `fn()` if it captures nothing"
        }
        Some("interface") if followed_by(Delimiter::Brace) => {
            "a value of any type is a `Box<dyn Any + Send>`"
        }
        None if empty_brackets => "a slice that goes through a channel is a `Vec<T>`",
        _ => return None,
    };
    let found = "this is not how Rust writes the element type";
    Some(Refusal::new(cursor.span(), found, help))
}

/// Whether it is `<T as Trait>::Type`, and not `<T>`: what is behind the brackets tells them apart.
fn begins_qualified_path(cursor: &Cursor) -> bool {
    let punct = |ahead| match cursor.peek(ahead) {
        Some(TokenTree::Punct(punct)) => Some(punct.as_char()),
        _ => None,
    };
    let tokens = (0..).take_while(|&ahead| cursor.peek(ahead).is_some());
    tokens
        .filter(|&ahead| punct(ahead) == Some('>'))
        .any(|ahead| cursor.op_ahead(ahead + 1) == "::")
}

/// Where a comma is missing between the `element`, which has been taken up to the cursor, and a
/// capacity.
fn capacity_without_comma(element: &TokenStream, names: &Names, cursor: &Cursor) -> Option<Span> {
    if cursor.op() == ";" {
        return Some(cursor.span());
    }
    let mut rest = Rewriter::new(element.clone(), names);
    rest.take_type();
    matches!(
        rest.cursor.peek(0),
        Some(TokenTree::Ident(_) | TokenTree::Literal(_))
    )
    .then(|| rest.cursor.span())
}

/// Takes a type: up to the first comma outside of angle brackets, or to a semicolon.
fn element(cursor: &mut Cursor) -> Result<TokenStream, Refusal> {
    let mut element = TokenStream::new();
    let mut open = Vec::new();
    while let Some(token) = cursor.peek(0) {
        if let TokenTree::Punct(punct) = token {
            match punct.as_char() {
                ',' if open.is_empty() => break,
                ';' => break,
                '<' => open.push(punct.span()),
                '>' if open.pop().is_none() => {
                    let span = punct.span();
                    return Err(Refusal::new(span, "this `>` has no `<`", FORMS));
                }
                '-' if cursor.op() == "->" => element.extend(cursor.take()),
                _ => {}
            }
        }
        element.extend(cursor.take());
    }
    match open.pop() {
        // The bracket behind the type would close it.
        Some(span) => Err(Refusal::new(span, "this `<` has no `>`", FORMS)),
        None => Ok(element),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn read(source: &str) -> Result<Make, Refusal> {
        parse(source.parse().unwrap(), &Names::at(quote!(k)))
    }

    fn parts(source: &str) -> (String, Option<String>) {
        let make = read(source).unwrap();
        let capacity = make.capacity.map(|capacity| capacity.to_string());
        (make.element.to_string(), capacity)
    }

    fn parts_of(element: &str, capacity: Option<&str>) -> (String, Option<String>) {
        let normal = |source: &str| source.parse::<TokenStream>().unwrap().to_string();
        (normal(element), capacity.map(normal))
    }

    #[test]
    fn element_types_may_have_commas() {
        assert_eq!(parts("chan i32"), parts_of("i32", None));
        assert_eq!(parts("chan i32,"), parts_of("i32", None));
        assert_eq!(parts("chan (A, B), 3"), parts_of("(A, B)", Some("3")));
        assert_eq!(
            parts("chan HashMap<A, Vec<B>>, n + 1"),
            parts_of("HashMap<A, Vec<B>>", Some("n + 1"))
        );
        assert_eq!(
            parts("chan fn(A, B) -> Result<C, D>, 2"),
            parts_of("fn(A, B) -> Result<C, D>", Some("2"))
        );
    }

    #[test]
    fn refusals() {
        let refused = |source: &str| read(source).is_err();
        assert!(refused(""));
        assert!(refused("chan"));
        assert!(refused("chan , 3"));
        assert!(refused("map i32"));
        assert!(refused("chan<i32>, 3"));
        assert!(refused("chan::<Vec<i32>>()"));
        assert!(refused("chan<- i32"));
        assert!(refused("chan i32; 3"));
        assert!(refused("chan i32 3"));
        assert!(refused("chan i32, 3 4"));
        assert!(refused("chan i32, 3, 4"));
        assert!(refused("chan i32, , 4"));
        assert!(refused("chan Vec<Option<T>, 3"));
        assert!(refused("chan Vec<T>>, 3"));
        assert!(!refused("chan i32, 3,"));
        assert!(refused("chan Vec<(A, B)> n + 1"));
        assert!(refused("chan &'a mut [T; 2] 3"));
        for of_go in [
            "struct{}",
            "struct{ a int }, 3",
            "chan int",
            "chan<- int",
            "map[string]int",
            "func(int) error, 2",
            "interface{}",
            "[]byte, 4",
        ] {
            let refusal = read(&format!("chan {of_go}")).err().unwrap();
            assert!(refusal.message().starts_with("this is not how Rust writes"));
        }
        assert!(!refused("chan chan"));
        assert!(!refused("chan map<K, V>, 2"));
        assert!(!refused("chan [T; 2], 3"));
        assert!(!refused("chan Box<dyn for<'a> Fn(&'a T) + 'a>, 3"));
        assert!(!refused(
            "chan for<'a> unsafe extern \"C\" fn(&'a T) -> &'a mut U, 3"
        ));
        assert!(!refused("chan *const dyn A + B, 3"));
        assert!(!refused("chan fn() -> !, 3"));
        assert!(!refused("chan a::m!(b), 3"));
        assert!(!refused("chan <T as Trait>::Type, 3"));
        assert!(!refused("chan ::std::vec::Vec<T>"));
    }
}
