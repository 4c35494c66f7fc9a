//! What a function under one of the attributes becomes: the same function around one that has its
//! body, run by gochan.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};

use super::Kind;
use super::ast::{Choice, Function};
use crate::names::Names;
use crate::refusal::Refusal;

/// Lowers the function.
pub fn expand(kind: Kind, options: &[Choice], function: &Function) -> TokenStream {
    let span = Span::mixed_site();
    let names = names(options);
    let Function {
        before,
        keyword,
        name,
        arguments,
        output,
        body,
        ..
    } = function;
    let run = match kind {
        Kind::Main => {
            if options.iter().all(is_path) {
                let run = names.private("run_main", span);
                quote_spanned!(span=> #run(#name))
            } else {
                let run = names.private("run_main_with", span);
                let config = config(options, &names, span);
                quote_spanned!(span=> #run(#config, #name))
            }
        }
        Kind::Test => {
            let run = names.private("run_test", span);
            let config = config(options, &names, span);
            quote_spanned!(span=> #run(#config, #name))
        }
    };
    // A main function says by its exit code that it panicked, even if it returns nothing. A test
    // that returns nothing says it by the panic itself, and `#[should_panic]` wants it so.
    let (exit, run) = if kind == Kind::Test && output.is_empty() {
        (TokenStream::new(), quote_spanned!(span=> let _ = #run;))
    } else {
        (quote_spanned!(span=> -> ::std::process::ExitCode), run)
    };
    let test = match kind {
        Kind::Main => TokenStream::new(),
        Kind::Test => quote_spanned!(span=> #[::core::prelude::v1::test]),
    };
    quote_spanned! {span=>
        #test
        #before #keyword #name #arguments #exit {
            #keyword #name #arguments #output #body
            #run
        }
    }
}

/// The refusals, and the function as it was, so that nothing seems to miss.
pub fn refused(refusals: Vec<Refusal>, function: Function) -> TokenStream {
    let Function {
        keyword,
        name,
        body,
        ..
    } = function;
    let refused: TokenStream = refusals.into_iter().map(Refusal::into_tokens).collect();
    let body = if name == "main" {
        quote!(#[allow(dead_code)] #keyword #name() #body)
    } else {
        TokenStream::new()
    };
    quote!(#refused #body)
}

/// `crate = path`
fn is_path(choice: &Choice) -> bool {
    choice.word.as_ref().is_some_and(|word| *word == "crate")
}

/// `Config::new().workers(…)`
fn config(options: &[Choice], names: &Names, span: Span) -> TokenStream {
    let mut config = names.public(&quote_spanned!(span=> runtime::Config::new()), span);
    for choice in options.iter().filter(|choice| !is_path(choice)) {
        let Some(word) = &choice.word else {
            continue;
        };
        let mut method = word.clone();
        method.set_span(span.located_at(word.span()));
        let value = &choice.value;
        config.extend(quote_spanned!(span=> .#method(#value)));
    }
    config
}

/// Where gochan is: `crate = path`, else what stands before `main` or `test` in the attribute, as
/// in `#[gc::main]`, else `::gochan`.
fn names(options: &[Choice]) -> Names {
    if let Some(choice) = options.iter().find(|choice| is_path(choice)) {
        return Names::at(choice.value.clone());
    }
    let source = proc_macro::is_available()
        .then(|| Span::call_site().unwrap().source_text())
        .flatten();
    match source.and_then(|text| path_prefix(&text)) {
        Some(path) => Names::at(path),
        None => Names::at(quote!(::gochan)),
    }
}

/// `gc` for `#[gc::main]` or `gc::main(…)`; nothing where the attribute is a single word, or its
/// path means something only where it was written.
pub fn path_prefix(attribute: &str) -> Option<TokenStream> {
    let path = attribute.trim_start_matches(['#', '!', '[', ' ']);
    let path = path.split(['(', ']', '=']).next()?.trim();
    let (prefix, _) = path.rsplit_once("::")?;
    let tokens: TokenStream = prefix.parse().ok()?;
    let plain = tokens.clone().into_iter().all(|token| match token {
        TokenTree::Ident(_) => true,
        TokenTree::Punct(punct) => punct.as_char() == ':',
        _ => false,
    });
    (plain && !tokens.is_empty()).then_some(tokens)
}
