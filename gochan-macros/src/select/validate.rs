//! What `select!` refuses.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::ast::{Arm, Operation, Select};
use crate::refusal::Refusal;
use crate::sugar::{first_span, last_span};

/// All that is wrong with `select`, besides what could not be read.
pub fn check(select: &Select) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (at, (word, arms_before)) in select.biased.iter().enumerate() {
        if at > 0 {
            refusals.push(Refusal::new(
                word.span(),
                "`biased;` is given twice",
                "leave one of them out",
            ));
        } else if *arms_before > 0 {
            refusals.push(Refusal::new(
                word.span(),
                "`biased;` must come first in `select!`",
                "write it before the first arm: `select! { biased; … }`",
            ));
        }
    }
    let mut defaults = 0;
    for arm in &select.arms {
        if let Operation::Default = arm.operation {
            defaults += 1;
            if defaults == 2 {
                refusals.push(Refusal::new(
                    arm.span,
                    "`select!` has a second `default` arm",
                    "one `default` says what to do when no arm is ready; remove the other",
                ));
            }
            if let Some(guard) = &arm.guard {
                refusals.push(Refusal::new(
                    guard.span,
                    "`default` takes no condition",
                    "test the condition in its body",
                ));
            }
        }
        check_binding(arm, &mut refusals);
    }
    refusals
}

/// Refuses a binding of what has no value, and a pattern that cannot always match.
fn check_binding(arm: &Arm, refusals: &mut Vec<Refusal>) {
    let Some(binding) = &arm.binding else {
        return;
    };
    let (Some(first), Some(last)) = (first_span(binding), last_span(binding)) else {
        return;
    };
    let mut refuse = |message: &str, help: &str| {
        refusals.push(Refusal::between(first, last, message, help));
    };
    match arm.operation {
        Operation::After { .. } => refuse(
            "`after` has no value to bind",
            "write `after(duration) => …`; for the time, use `recv(time::after(duration)) -> at => …`",
        ),
        Operation::Default => refuse("`default` has no value to bind", "write `default => …`"),
        Operation::Receive { .. } if is_variant(binding, &["Some", "None"]) => refuse(
            "this pattern does not match when the channel is closed",
            "an arm gets an `Option`, `None` from a closed channel: bind it, \
             `recv(ch) -> v => …`, and match in the body, `if let Some(v) = v { … }`",
        ),
        Operation::Send { .. } | Operation::Take { .. } if is_variant(binding, &["Ok", "Err"]) => {
            refuse(
                "this pattern matches only some results of the send",
                "bind the result, `send(ch, value) -> sent => …`, and match in the body",
            );
        }
        _ => {}
    }
}

/// Whether `pattern` is one of these variants, alone or with fields.
fn is_variant(pattern: &TokenStream, variants: &[&str]) -> bool {
    let mut tokens = pattern.clone().into_iter();
    let named = matches!(tokens.next(), Some(TokenTree::Ident(name))
        if variants.iter().any(|variant| name == variant));
    named
        && match tokens.next() {
            None => true,
            Some(TokenTree::Group(group)) => group.delimiter() == Delimiter::Parenthesis,
            _ => false,
        }
}
