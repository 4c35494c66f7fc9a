//! `chan! { … }`: statements or items with arrows.

use proc_macro2::{TokenStream, TokenTree};

use crate::cursor::Cursor;
use crate::make;
use crate::names::Names;
use crate::refusal::Refusal;
use crate::sugar::{self, Rewriter};

/// Items stay items; statements become a block.
pub fn expand(input: TokenStream, names: &Names) -> TokenStream {
    if let Some(refusal) = channel_to_make(&input, names) {
        return refusal.into_tokens();
    }
    let statements = sugar::statements(input, names);
    if statements.only_items {
        return statements.tokens;
    }
    TokenTree::from(statements.into_block()).into()
}

/// Refuses what names a channel, as for `make!`, instead of code: `u64`, `Vec<u8>, 3`, `chan T`.
fn channel_to_make(input: &TokenStream, names: &Names) -> Option<Refusal> {
    let mut rest = Rewriter::new(input.clone(), names);
    let first = rest.cursor.span();
    let has_keyword =
        rest.cursor.is_word("chan") && rest.cursor.word(1).is_some_and(|word| word != "as");
    let element = rest.take_type();
    let names_channel = match rest.cursor.op() {
        "," => !element.is_empty(),
        _ => rest.cursor.is_end() && is_type(element),
    };
    (has_keyword || names_channel).then(|| {
        let last = sugar::last_span(input).unwrap_or(first);
        let message = "`chan!` runs code with arrows; it makes no channel";
        Refusal::between(first, last, message, make::FORMS)
    })
}

/// Whether what may be a type cannot be a value: it is a type of the language itself, or ends with
/// angle brackets that have no `::` in front of them.
fn is_type(tokens: TokenStream) -> bool {
    const OF_THE_LANGUAGE: [&str; 17] = [
        "bool", "char", "str", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32",
        "u64", "u128", "usize", "f32", "f64",
    ];
    let mut cursor = Cursor::new(tokens);
    if OF_THE_LANGUAGE.iter().any(|name| cursor.is_word(name)) {
        cursor.take();
        return cursor.is_end();
    }
    let mut operators = Vec::new();
    while !cursor.is_end() {
        let operator = cursor.op();
        operators.push(operator);
        cursor.take_many(operator.len().max(1));
    }
    let opening = operators.iter().position(|&operator| operator == "<");
    opening.is_some_and(|at| at > 0 && operators[at - 1] != "::") && operators.ends_with(&[">"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn a_channel_is_not_code() {
        let is_refused = |source: &str| {
            channel_to_make(&source.parse().unwrap(), &Names::at(quote!(k))).is_some()
        };
        for channel in [
            "u64",
            "u64, 10",
            "String, n + 1",
            "Vec<u8>",
            "a::Map<K, V>, 2",
            "(A, B), 3",
            "chan u64",
            "chan Vec<u8>, 3",
        ] {
            assert!(is_refused(channel), "{channel}");
        }
        for code in [
            "",
            "value",
            "u64::MAX",
            "a::<B, C>()",
            "x < y",
            "size_of::<T>",
            "x as Map<K, V>",
            "chan <- 3",
            "chan as u8",
            "chan.send(3)",
            "|a, b| a + b",
            "(a, b)",
            "let a: Map<K, V> = b",
            "fn f<A, B>() {}",
            "<T as A>::f(a, b)",
            "<-ch",
            "&a",
        ] {
            assert!(!is_refused(code), "{code}");
        }
    }
}
