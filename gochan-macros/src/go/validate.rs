//! What `go!` refuses.

use proc_macro2::Span;

use super::ast::{Body, Choice, ChoiceKind, Cloned, Go, Uncalled};
use crate::refusal::{Refusal, nearest};
use crate::sugar::{first_span, last_span};

/// The words that `go!` knows.
const OPTIONS: &[&str] = &["clone", "name", "stack", "near", "spread", "local", "in"];

/// How to write a goroutine, for the errors.
const FORMS: &str = "write `go! { … }`, `go!(f(a, b))` or `go!(options, { … })`";

/// All that is wrong with `go`.
pub fn check(go: &Go) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (at, choice) in go.options.iter().enumerate() {
        check_choice(choice, &mut refusals);
        if let Some(conflict) = conflict(choice, &go.options[..at]) {
            refusals.push(conflict);
        }
    }
    match &go.body {
        Body::Missing => {
            let span = go.options.last().map_or(go.span, |last| last.word.span());
            refusals.push(Refusal::new(span, "the goroutine has no body", FORMS));
        }
        Body::Uncalled { tokens, what } => {
            let first = first_span(tokens).unwrap_or(go.span);
            let last = last_span(tokens).unwrap_or(first);
            let (message, help) = match what {
                Uncalled::Closure => (
                    "the goroutine would make this closure, and not call it",
                    "write what is to run as a block: `go!({ … })`".to_owned(),
                ),
                Uncalled::Future => (
                    "the goroutine would make this future, and not run it",
                    "a goroutine waits without `async`: write `go!({ … })`".to_owned(),
                ),
                Uncalled::Function => (
                    "the goroutine calls nothing",
                    format!("write the call with its arguments: `go!({tokens}())`"),
                ),
            };
            refusals.push(Refusal::between(first, last, message, help));
        }
        _ => {}
    }
    refusals
}

fn check_choice(choice: &Choice, refusals: &mut Vec<Refusal>) {
    let word = &choice.word;
    let span = word.span();
    if choice.lacks_comma {
        refusals.push(Refusal::new(
            span,
            format!("there is no comma between `{word}` and the block"),
            "options have commas between them and the body: `go!(near, { … })`",
        ));
    }
    match &choice.kind {
        ChoiceKind::Unknown => refusals.push(unknown(&word.to_string(), span)),
        ChoiceKind::Clone(entries) if entries.is_empty() => refusals.push(Refusal::new(
            span,
            "`clone` names nothing to clone",
            form("clone"),
        )),
        ChoiceKind::Clone(entries) => {
            for entry in entries {
                if let Cloned::Other(first, last) = entry {
                    refusals.push(Refusal::between(
                        *first,
                        *last,
                        "`clone(…)` takes names of variables only",
                        "give it a name before the `go!`, `let x = self.x.clone();`, and use that",
                    ));
                }
            }
        }
        ChoiceKind::Name(value) | ChoiceKind::Stack(value) | ChoiceKind::In(value)
            if value.is_empty() =>
        {
            let message = format!("`{word}` has no value");
            refusals.push(Refusal::new(span, message, form(&word.to_string())));
        }
        _ => {}
    }
}

/// How to write the option `word`.
fn form(word: &str) -> String {
    match word {
        "clone" => "name the variables to clone, `clone(ch, wg)`, or leave it out".to_owned(),
        "name" => "write `name = \"fetcher\"`".to_owned(),
        "stack" => "write the size in bytes: `stack = 1 << 20`".to_owned(),
        "in" => "name the scope: `gochan::scope(|s| { go!(in s, { … }); })`".to_owned(),
        _ => format!("it has no value: `go!({word}, {{ … }})`"),
    }
}

/// The refusal of an unknown option, or of a known one that is not written so.
fn unknown(word: &str, span: Span) -> Refusal {
    if OPTIONS.contains(&word) {
        let message = format!("this is not how `{word}` is written");
        return Refusal::new(span, message, form(word));
    }
    let help = match nearest(word, OPTIONS) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => {
            "the options are `clone(…)`, `name = …`, `stack = …`, `near`, `spread`, `local` and \
             `in scope`"
                .to_owned()
        }
    };
    Refusal::new(span, format!("`go!` has no option `{word}`"), help)
}

/// The refusal of an option that contradicts or repeats an earlier one.
fn conflict(choice: &Choice, earlier: &[Choice]) -> Option<Refusal> {
    let word = choice.word.to_string();
    if earlier.iter().any(|other| other.word == word) && !matches!(choice.kind, ChoiceKind::Unknown)
    {
        let help = if word == "clone" {
            "name all variables in one: `clone(a, b)`"
        } else {
            "leave one of them out"
        };
        let message = format!("`{word}` is given twice");
        return Some(Refusal::new(choice.word.span(), message, help));
    }
    let placement = |word: &str| ["near", "spread", "local"].contains(&word);
    let other = earlier.iter().find(|other| {
        let other = other.word.to_string();
        (placement(&other) && placement(&word))
            || (other == "in" && word == "local")
            || (other == "local" && word == "in")
    })?;
    let message = format!("`{word}` contradicts `{}`", other.word);
    let help = if word == "in" || other.word == "in" {
        "a goroutine in a scope may start on any worker; leave out `local`"
    } else {
        "`near` and `local` start it on this worker, `spread` on the least loaded one: choose one"
    };
    Some(Refusal::new(choice.word.span(), message, help))
}
