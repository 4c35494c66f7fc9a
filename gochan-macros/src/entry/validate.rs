//! What the attributes refuse.

use proc_macro2::{Span, TokenStream};

use super::Kind;
use super::ast::{Choice, Function};
use crate::refusal::{Refusal, nearest};

/// The options of `#[gochan::main]` and `#[gochan::test]`: methods of `Config`, and the path.
const OPTIONS: &[&str] = &[
    "workers",
    "stack_size",
    "blocking_threads",
    "seed",
    "virtual_time",
    "panic_policy",
    "deadlock_detection",
    "hog_limit",
    "name",
    "crate",
];
const LISTED: &str = "the options are the settings of `gochan::runtime::Config`, such as \
                      `workers = n` and `stack_size = bytes`, and `crate = path`";

/// All that is wrong.
pub fn check(kind: Kind, options: &[Choice], function: &Function) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (at, choice) in options.iter().enumerate() {
        if let Some(refusal) = check_choice(kind, choice, &options[..at]) {
            refusals.push(refusal);
        }
    }
    let attribute = kind.attribute();
    if let Some(modifier) = &function.modifier {
        let (found, help) = if modifier == "async" {
            (
                "an `async fn`",
                "remove `async`: a goroutine waits in plain calls, such as `<-ch`",
            )
        } else {
            (
                "a `const fn`",
                "remove `const`: the function runs when a runtime has started",
            )
        };
        refusals.push(Refusal::new(
            modifier.span(),
            format!("`{attribute}` takes a plain function, not {found}"),
            help,
        ));
    }
    if !function.arguments.stream().is_empty() {
        refusals.push(Refusal::new(
            function.arguments.span(),
            format!("a function under `{attribute}` takes no arguments"),
            match kind {
                Kind::Main => "`std::env::args()` has those of the command line",
                Kind::Test => "loop over the cases in its body, or call another function with them",
            },
        ));
    }
    if let Some(span) = function.generics {
        refusals.push(Refusal::new(
            span,
            format!("a function under `{attribute}` cannot be generic"),
            "remove the parameters",
        ));
    }
    if kind == Kind::Main && function.name != "main" {
        refusals.push(Refusal::new(
            function.name.span(),
            "`#[gochan::main]` is for the function `main`",
            "call it `main`, or run it in a runtime of its own: `Runtime::new(config)?.run(f)`",
        ));
    }
    refusals
}

fn check_choice(kind: Kind, choice: &Choice, earlier: &[Choice]) -> Option<Refusal> {
    let attribute = kind.attribute();
    let Some(word) = &choice.word else {
        let message = format!("this is not an option of `{attribute}`");
        return Some(Refusal::new(choice.span, message, LISTED));
    };
    let word = word.to_string();
    if !OPTIONS.contains(&word.as_str()) {
        let help = match nearest(&word, OPTIONS) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => LISTED.to_owned(),
        };
        let message = format!("`{attribute}` has no option `{word}`");
        return Some(Refusal::new(choice.span, message, help));
    }
    if earlier
        .iter()
        .any(|other| other.word.as_ref().is_some_and(|other| *other == word))
    {
        let message = format!("`{word}` is given twice");
        return Some(Refusal::new(choice.span, message, "leave one of them out"));
    }
    choice.value.is_empty().then(|| {
        let message = format!("`{word}` has no value");
        Refusal::new(choice.span, message, LISTED)
    })
}

/// The error for an item that is no function with a body; the item stays.
pub fn not_a_function(kind: Kind, item: TokenStream) -> TokenStream {
    let span = item
        .clone()
        .into_iter()
        .next()
        .map_or_else(Span::call_site, |token| token.span());
    let message = format!("`{}` goes on a function", kind.attribute());
    let help = match kind {
        Kind::Main => "write `#[gochan::main] fn main() { … }`",
        Kind::Test => "write `#[gochan::test] fn name() { … }`",
    };
    let mut tokens = Refusal::new(span, message, help).into_tokens();
    tokens.extend(item);
    tokens
}
