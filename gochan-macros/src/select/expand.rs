//! What a `select!` becomes.
//!
//! ```text
//! {
//!     enum Chosen<Arm0, Arm1> { Arm0(Arm0), Arm1(Arm1) }
//!     match {
//!         let chosen;
//!         match (RecvArm::new(true, &ch), SendArm::new(true, &ch, value)) {
//!             (mut arm0, mut arm1) => chosen = match
//!                 match random_ready([looks_ready(&arm0), looks_ready(&arm1)]) {
//!                     0 if try_arm(&mut arm0) => 0,
//!                     1 if try_arm(&mut arm1) => 1,
//!                     _ => select([any_arm(&mut arm0), any_arm(&mut arm1)]),
//!                 }
//!             {
//!                 0 => Chosen::Arm0(arm0.finish()),
//!                 _ => Chosen::Arm1(arm1.finish()),
//!             },
//!         }
//!         chosen
//!     } {
//!         Chosen::Arm0(result) => { let v = result; body }
//!         Chosen::Arm1(result) => body,
//!     }
//! }
//! ```
//!
//! The variables' names are longer, see [`names::variable`].
//!
//! The operands are a scrutinee, so their temporaries live through the wait; the statement that it is
//! ends them, and all borrows, before a body runs. What was received is a variable by then: if it were
//! the value of that statement, the compiler would forget to drop it where a destructor of another arm
//! panics (rust-lang/rust#47949). The bodies stand in the user's own scope: they
//! may `break`, `return`, use `?` and change what the operands borrowed.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{format_ident, quote_spanned};

use super::ast::{Arm, Operation, Select};
use crate::names::{self, Names};
use crate::refusal::{self, Refusal};
use crate::sugar;

/// Lowers `select`, with the refusals in front.
pub fn expand(select: Select, refusals: Vec<Refusal>, names: &Names) -> TokenStream {
    let span = Span::mixed_site();
    // Arms that are complete but wrong would only add confusing errors. Arms that could not be read
    // may be half-written: the others stay, so that editors know them.
    if !refusals.is_empty() {
        return error(refusals.into_iter().chain(select.unread), span);
    }
    if select.arms.is_empty() && !select.unread.is_empty() {
        return error(select.unread, span);
    }
    let unread = refusal::statements(select.unread, span);
    if select.arms.is_empty() {
        let forever = names.private("select_forever", span);
        return quote_spanned!(span=> #forever());
    }
    let lowering = Lowering {
        names,
        span,
        biased: !select.biased.is_empty(),
    };
    let lowered = lowering.expand(&select.arms);
    if unread.is_empty() {
        lowered
    } else {
        quote_spanned!(span=> { #unread #lowered })
    }
}

/// The refusals as an expression; the last has the type of an error, which suits everywhere.
fn error(refusals: impl IntoIterator<Item = Refusal>, span: Span) -> TokenStream {
    let mut refusals: Vec<Refusal> = refusals.into_iter().collect();
    let last = refusals.pop().map(Refusal::into_tokens);
    let others = refusal::statements(refusals, span);
    quote_spanned!(span=> { #others #last })
}

struct Lowering<'a> {
    names: &'a Names,
    span: Span,
    biased: bool,
}

impl Lowering<'_> {
    fn expand(&self, arms: &[Arm]) -> TokenStream {
        let span = self.span;
        let chosen = Ident::new("__GochanChosen", span);
        let variants: Vec<Ident> = (0..arms.len())
            .map(|i| format_ident!("Arm{i}", span = span))
            .collect();
        let outcome = names::variable("chosen", span);
        let result = names::variable("result", span);
        let waiting: Vec<(usize, &Arm)> = arms
            .iter()
            .enumerate()
            .filter(|(_, arm)| !matches!(arm.operation, Operation::Default))
            .collect();
        let operands: Vec<Operand> = waiting
            .iter()
            .map(|(index, arm)| self.operand(*index, arm))
            .collect();
        let values = operands.iter().map(|operand| &operand.value);
        let patterns = operands.iter().map(|operand| &operand.pattern);
        let late = operands.iter().map(|operand| &operand.late);
        let waiting_arms: Vec<Ident> = waiting
            .iter()
            .map(|(index, _)| self.numbered("arm", *index))
            .collect();
        let choices = self.choices(arms, &waiting, &chosen, &variants);
        let chosen_number = self.chosen_number(waiting.len() < arms.len(), &waiting_arms);
        let bodies = arms.iter().zip(&variants).map(|(arm, variant)| {
            let binding = binding(arm, &result, span);
            let end = span.located_at(arm.end);
            if binding.is_empty() {
                let body = &arm.body;
                let comma = quote_spanned!(end=> ,);
                quote_spanned!(span=> #chosen::#variant(_) => #body #comma)
            } else {
                let body = block_of(&arm.body, binding, end);
                quote_spanned!(span=> #chosen::#variant(#result) => #body)
            }
        });
        quote_spanned! {span=> {
            enum #chosen<#(#variants),*> { #(#variants(#variants)),* }
            match {
                let #outcome;
                match (#(#values,)*) {
                    (#(#patterns,)*) => {
                        #(#late)*
                        #outcome = match #chosen_number { #choices };
                    }
                }
                #outcome
            } {
                #(#bodies)*
            }
        }}
    }

    /// What says which of the arms that are waited for is chosen, in the order of the source.
    ///
    /// One that looks ready is tried where its type is known, and leads straight to its body; what
    /// handles all of them alike, and waits, is for those that are not ready.
    fn chosen_number(&self, has_default: bool, arms: &[Ident]) -> TokenStream {
        let (span, names) = (self.span, self.names);
        let private = |name| names.private(name, span);
        if has_default {
            let try_all = private(if self.biased {
                "try_select_biased"
            } else {
                "try_select"
            });
            return quote_spanned!(span=> #try_all([#(&mut #arms),*]));
        }
        let (choose, wait) = match self.biased {
            false => ("random_ready", "select"),
            true => ("first_ready", "select_biased"),
        };
        let (choose, wait) = (private(choose), private(wait));
        let (looks_ready, try_arm) = (private("looks_ready"), private("try_arm"));
        let any_arm = private("any_arm");
        let numbers = 0..arms.len();
        let tries = numbers
            .zip(arms)
            .map(|(number, arm)| quote_spanned!(span=> #number if #try_arm(&mut #arm) => #number,));
        quote_spanned! {span=>
            match #choose([#(#looks_ready(&#arms)),*]) {
                #(#tries)*
                _ => #wait([#(#any_arm(&mut #arms)),*]),
            }
        }
    }

    /// The arms that finish the chosen operation.
    fn choices(
        &self,
        arms: &[Arm],
        waiting: &[(usize, &Arm)],
        chosen: &Ident,
        variants: &[Ident],
    ) -> TokenStream {
        let span = self.span;
        let default = arms
            .iter()
            .position(|arm| matches!(arm.operation, Operation::Default));
        let mut choices = TokenStream::new();
        if let Some(default) = default {
            let variant = &variants[default];
            let none = if waiting.is_empty() {
                quote_spanned!(span=> _)
            } else {
                quote_spanned!(span=> ::core::option::Option::None)
            };
            choices.extend(quote_spanned!(span=> #none => #chosen::#variant(()),));
        }
        for (number, (index, arm)) in waiting.iter().enumerate() {
            let pattern = if number + 1 == waiting.len() {
                quote_spanned!(span=> _)
            } else if default.is_some() {
                quote_spanned!(span=> ::core::option::Option::Some(#number))
            } else {
                quote_spanned!(span=> #number)
            };
            let (variant, name) = (&variants[*index], self.numbered("arm", *index));
            let sends = matches!(
                arm.operation,
                Operation::Send { .. } | Operation::Take { .. }
            );
            // Shown at the arm itself: a send that panics names its own line.
            let finish = if sends && arm.binding.is_some() {
                Ident::new("finish_result", arm.span)
            } else {
                Ident::new("finish", arm.span)
            };
            choices.extend(quote_spanned!(span=> #pattern => #chosen::#variant(#name.#finish()),));
        }
        choices
    }

    /// What an arm adds to the scrutinee, to its pattern, and to the statements after it.
    fn operand(&self, index: usize, arm: &Arm) -> Operand {
        let span = self.span;
        let name = self.numbered("arm", index);
        let pattern = quote_spanned!(span=> mut #name);
        // Calls are shown at the arm, and what they borrow at the user's operand.
        let at = span.located_at(arm.span);
        let guard = match &arm.guard {
            Some(guard) => guard.condition.clone(),
            None => quote_spanned!(at=> true),
        };
        let new = |arm: &str| {
            let arm = self.names.private(arm, at);
            quote_spanned!(at=> #arm::new)
        };
        let borrow = |channel: &TokenStream| sugar::borrowed(channel.clone(), self.names);
        let call = |function: TokenStream, arguments: &[&TokenStream]| {
            let list = list_of(arguments, at);
            quote_spanned!(at=> #function #list)
        };
        match &arm.operation {
            Operation::Receive { channel } => {
                let (new, channel) = (new("RecvArm"), borrow(channel));
                Operand::whole(call(new, &[&guard, &channel]), pattern)
            }
            Operation::Send { channel, value } => {
                let (new, channel) = (new("SendArm"), borrow(channel));
                Operand::whole(call(new, &[&guard, &channel, value]), pattern)
            }
            Operation::Take { channel, slot } => {
                let (arm_of, channel) = (self.names.private("SendArm", at), borrow(channel));
                let new = quote_spanned!(at=> #arm_of::taking);
                let slot_at = sugar::first_span(slot).unwrap_or(arm.span);
                let take = self.names.private("take_slot", span.located_at(slot_at));
                let take = quote_spanned!(slot_at=> #take(&mut #slot));
                if !is_plain_place(slot) {
                    return Operand::whole(call(new, &[&guard, &channel, &take]), pattern);
                }
                // The guards of other arms may look at the slot: it is borrowed after them.
                let (enabled, operand) = (
                    self.numbered("enabled", index),
                    self.numbered("channel", index),
                );
                Operand {
                    value: list_of(&[&guard, &channel], at),
                    pattern: quote_spanned!(span=> (#enabled, #operand)),
                    late: quote_spanned!(at=> let mut #name = #new(#enabled, #operand, #take);),
                }
            }
            Operation::After { duration } => {
                let new = new("AfterArm");
                Operand::whole(call(new, &[&guard, duration]), pattern)
            }
            Operation::Default => unreachable!("`default` is not waited for"),
        }
    }

    fn numbered(&self, word: &str, index: usize) -> Ident {
        names::variable(&format!("{word}{index}"), self.span)
    }
}

/// An arm's part in the scrutinee.
struct Operand {
    /// The expression.
    value: TokenStream,
    /// The pattern that takes it.
    pattern: TokenStream,
    /// What builds the arm from it, if the expression is not the arm already.
    late: TokenStream,
}

impl Operand {
    fn whole(value: TokenStream, pattern: TokenStream) -> Self {
        Self {
            value,
            pattern,
            late: TokenStream::new(),
        }
    }
}

/// `(a, b,)`, shown where the last of them ends.
fn list_of(operands: &[&TokenStream], span: Span) -> TokenStream {
    let mut list = TokenStream::new();
    let mut end = span;
    for operand in operands {
        end = sugar::end_of(operand, span);
        list.extend(quote_spanned!(end=> #operand,));
    }
    quote_spanned!(end=> (#list))
}

/// `let pattern = result;`, or nothing.
fn binding(arm: &Arm, result: &Ident, span: Span) -> TokenStream {
    arm.binding
        .as_ref()
        .map_or_else(TokenStream::new, |pattern| {
            let end = sugar::end_of(pattern, span);
            let value = quote_spanned!(end=> = #result;);
            quote_spanned!(span=> let #pattern #value)
        })
}

/// `{ first body }`; a body that is a block already gets `first` at its start.
fn block_of(body: &TokenStream, mut first: TokenStream, span: Span) -> TokenStream {
    let mut tokens = body.clone().into_iter();
    if let (Some(TokenTree::Group(block)), None) = (tokens.next(), tokens.next()) {
        match block.delimiter() {
            Delimiter::Brace => {
                first.extend(block.stream());
                let mut group = Group::new(Delimiter::Brace, first);
                group.set_span(block.span());
                return TokenTree::from(group).into();
            }
            // A macro's `$body`.
            Delimiter::None => return block_of(&block.stream(), first, span),
            _ => {}
        }
    }
    quote_spanned!(span=> { #first #body })
}

/// Whether `place` is `a`, `*a` or `a.b.c`, perhaps as a macro's `$slot`: taking its address has no
/// effects.
fn is_plain_place(place: &TokenStream) -> bool {
    place.clone().into_iter().all(|token| match token {
        TokenTree::Ident(_) | TokenTree::Literal(_) => true,
        TokenTree::Punct(punct) => matches!(punct.as_char(), '.' | '*'),
        TokenTree::Group(group) => {
            group.delimiter() == Delimiter::None && is_plain_place(&group.stream())
        }
    })
}
