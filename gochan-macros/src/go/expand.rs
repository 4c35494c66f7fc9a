//! What a `go!` becomes.
//!
//! ```text
//! {
//!     let a = a.clone();                                        // clone(a)
//!     match (GoOptions::new().name(…), arguments, …) {          // evaluated now, in source order
//!         (options, argument, …) => go(site, options, move || { body })
//!     }
//! }
//! ```
//!
//! The variables' names are longer, see [`names::variable`].
//!
//! An argument that is a variable, a path, a literal or a closure stands in the body as it was
//! written: moving it into the goroutine is all that evaluating it now would do, and the compiler
//! can tell more about it there. A variable before an argument that is evaluated now is evaluated
//! too, for that one may change it.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use std::iter;

use super::ast::{Body, Choice, ChoiceKind, Cloned, Go, is_path};
use crate::names::{self, Names};
use crate::refusal::{self, Refusal};
use crate::sugar::{end_of, first_span};

/// Lowers `go`, with the refusals in front.
pub fn expand(go: Go, refusals: Vec<Refusal>, names: &Names) -> TokenStream {
    let span = Span::mixed_site();
    let refused = refusal::statements(refusals, span);
    let clones = clones(&go.options, span);
    let mut now = Operands::new(span);
    let options = now.add(options(&go.options, names, span));
    let body = closure(go.body, &mut now);
    let scope = go.options.iter().find_map(|choice| match &choice.kind {
        ChoiceKind::In(scope) if !scope.is_empty() => Some(scope),
        _ => None,
    });
    let local = go
        .options
        .iter()
        .any(|choice| matches!(choice.kind, ChoiceKind::Local));
    let function = match (scope, local) {
        (Some(_), _) => "go_scoped",
        (None, true) => "go_local",
        (None, false) => "go",
    };
    let function = names.private(function, span);
    let scope = scope.map(|scope| with_comma(scope, span));
    let body = with_comma(&body, span);
    let site = names.private("Site", span);
    let call = quote_spanned! {span=>
        #function(
            #scope
            { static SITE: #site = #site::new(); &SITE },
            #options,
            #body
        )
    };
    let call = now.bind(call);
    quote_spanned!(span=> { #refused #clones #call })
}

/// `let a = a.clone();` for each variable in `clone(…)`.
fn clones(options: &[Choice], span: Span) -> TokenStream {
    let entries = options.iter().filter_map(|choice| match &choice.kind {
        ChoiceKind::Clone(entries) => Some(entries),
        _ => None,
    });
    entries
        .flatten()
        .filter_map(|entry| match entry {
            Cloned::Variable { mutable, name } => {
                let clone = Ident::new("clone", span.located_at(name.span()));
                // The trait is named for programs without a prelude.
                Some(quote_spanned! {span=>
                    let #mutable #name = { use ::core::clone::Clone as _; #name.#clone() };
                })
            }
            Cloned::Other(..) => None,
        })
        .collect()
}

/// `GoOptions::new().name(…).stack(…)`, shown at the user's options.
fn options(options: &[Choice], names: &Names, span: Span) -> TokenStream {
    let first = options.first().map_or(span, |choice| choice.word.span());
    let span = span.located_at(first);
    let new = names.private("GoOptions", span);
    let mut built = quote_spanned!(span=> #new::new());
    for choice in options {
        let at = span.located_at(choice.word.span());
        let method = |name: &str| Ident::new(name, at);
        built.extend(match &choice.kind {
            ChoiceKind::Name(value) | ChoiceKind::Stack(value) if value.is_empty() => {
                TokenStream::new()
            }
            ChoiceKind::Name(value) => with_value(&method("name"), value),
            ChoiceKind::Stack(value) => with_value(&method("stack"), value),
            ChoiceKind::Near => {
                let method = method("near");
                quote_spanned!(at=> .#method())
            }
            ChoiceKind::Spread => {
                let method = method("spread");
                quote_spanned!(at=> .#method())
            }
            _ => TokenStream::new(),
        });
    }
    built
}

/// `.method(value)`
fn with_value(method: &Ident, value: &TokenStream) -> TokenStream {
    let end = end_of(value, method.span());
    quote_spanned!(end=> .#method(#value))
}

/// `operand,`, with the comma shown where the operand ends.
fn with_comma(operand: &TokenStream, span: Span) -> TokenStream {
    let end = end_of(operand, span);
    quote_spanned!(end=> #operand,)
}

/// Operands to evaluate before the goroutine starts.
struct Operands {
    span: Span,
    /// Each with a comma after it.
    values: Vec<TokenStream>,
}

impl Operands {
    const fn new(span: Span) -> Self {
        Self {
            span,
            values: Vec::new(),
        }
    }

    /// Has `value` evaluated now; returns the name of the result.
    fn add(&mut self, value: TokenStream) -> TokenStream {
        let mut name = self.name(self.values.len());
        // Shown where the user wrote the operand.
        name.set_span(
            self.span
                .located_at(first_span(&value).unwrap_or(self.span)),
        );
        self.values.push(with_comma(&value, self.span));
        TokenTree::from(name).into()
    }

    /// Has those evaluated now that have to be; returns what stands for each in the body.
    fn add_in_order(&mut self, operands: Vec<Operand>) -> Vec<TokenStream> {
        let last = operands
            .iter()
            .rposition(|operand| operand.stays == Stays::Never);
        let in_order = operands.into_iter().enumerate();
        in_order
            .map(|(at, Operand { value, stays })| {
                let may_change = last.is_some_and(|last| at < last);
                if stays == Stays::Always || (stays == Stays::Unchanged && !may_change) {
                    value
                } else {
                    self.add(value)
                }
            })
            .collect()
    }

    fn name(&self, index: usize) -> Ident {
        names::variable(&format!("operand{index}"), self.span)
    }

    /// `user`, with the results in scope.
    fn bind(self, user: TokenStream) -> TokenStream {
        let Self { span, ref values } = self;
        let names = (0..values.len()).map(|index| self.name(index));
        quote_spanned! {span=>
            match (#(#values)*) {
                (#(mut #names,)*) => #user
            }
        }
    }
}

/// Part of a call.
struct Operand {
    value: TokenStream,
    stays: Stays,
}

/// Whether an operand may stand in the body as it was written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stays {
    /// Evaluating it now does no more than evaluating it in the body does.
    Always,
    /// So it is unless an operand after it is evaluated, which may change it: it is a variable.
    Unchanged,
    /// It has to be evaluated now.
    Never,
}

impl Operand {
    fn new(value: TokenStream) -> Self {
        let seen = inside(&value);
        let stays = if variable(&seen).is_some() {
            Stays::Unchanged
        } else if is_plain(&seen) {
            Stays::Always
        } else {
            Stays::Never
        };
        Self { value, stays }
    }

    /// What is called with these arguments. A closure among them takes its types from the call only
    /// if that names its function, which a variable would hide.
    fn callee(value: TokenStream, arguments: &[Self]) -> Self {
        let seen = inside(&value);
        let mut callee = Self::new(value);
        let stays = match variable(&seen) {
            Some(name) => {
                let changes =
                    |each: &Self| each.stays == Stays::Never && mentions(&each.value, &name);
                arguments
                    .iter()
                    .any(|each| is_closure(&inside(&each.value)))
                    && !arguments.iter().any(changes)
            }
            None => is_generic_path(&seen),
        };
        if stays {
            callee.stays = Stays::Always;
        }
        callee
    }
}

/// `value`, or what stands in it if it is a piece that a macro has put in, such as `$value`.
fn inside(value: &TokenStream) -> TokenStream {
    let mut tokens = value.clone().into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Group(group)), None) if group.delimiter() == Delimiter::None => {
            inside(&group.stream())
        }
        _ => value.clone(),
    }
}

/// Whether evaluating `value` now would do no more than move it into the goroutine: a path or a
/// literal; and a closure, whose parameters take their types from the call.
fn is_plain(value: &TokenStream) -> bool {
    let tokens: Vec<TokenTree> = value.clone().into_iter().collect();
    is_closure(value) || matches!(tokens.as_slice(), [TokenTree::Literal(_)]) || is_path(value)
}

/// Whether `value` is a closure.
fn is_closure(value: &TokenStream) -> bool {
    let mut tokens = value.clone().into_iter();
    match tokens.next() {
        Some(TokenTree::Punct(punct)) => punct.as_char() == '|',
        Some(TokenTree::Ident(word)) => {
            word == "move" && matches!(tokens.next(), Some(TokenTree::Punct(_)))
        }
        _ => false,
    }
}

/// The goroutine's closure; what it needs evaluated now goes to `now`.
fn closure(body: Body, now: &mut Operands) -> TokenStream {
    let body: TokenStream = match body {
        Body::Missing => quote!({}),
        Body::Block(group) => TokenTree::from(group).into(),
        Body::Statements(tokens) => {
            let first = first_span(&tokens).unwrap_or(now.span);
            let mut block = Group::new(Delimiter::Brace, tokens.clone());
            block.set_span(end_of(&tokens, now.span));
            return closure_of(TokenTree::from(block).into(), first, now.span);
        }
        Body::Uncalled { tokens, .. } => tokens,
        Body::Call { callee, arguments } => {
            let values = operands(arguments.values);
            let callee = Operand::callee(callee, &values);
            call(callee, TokenStream::new(), values, arguments.span, now)
        }
        Body::Method {
            receiver,
            method,
            arguments,
        } => {
            let values = operands(arguments.values);
            call(Operand::new(receiver), method, values, arguments.span, now)
        }
    };
    let first = first_span(&body).unwrap_or(now.span);
    closure_of(body, first, now.span)
}

/// `move || body`. What the compiler says about the closure is shown from `first` on.
fn closure_of(body: TokenStream, first: Span, span: Span) -> TokenStream {
    let head = quote_spanned!(span.located_at(first)=> move ||);
    quote_spanned!(span=> #head #body)
}

/// The arguments of a call.
fn operands(values: Vec<TokenStream>) -> Vec<Operand> {
    values.into_iter().map(Operand::new).collect()
}

/// `callee(a, b)`, or `receiver.method(a, b)`, with the parentheses where the user wrote them.
fn call(
    callee: Operand,
    method: TokenStream,
    values: Vec<Operand>,
    parentheses: Span,
    now: &mut Operands,
) -> TokenStream {
    let mut operands = now
        .add_in_order(iter::once(callee).chain(values).collect())
        .into_iter();
    let mut call: TokenStream = operands.by_ref().take(1).collect();
    call.extend(method);
    let list = operands.map(|operand| with_comma(&operand, now.span));
    let list = list.collect();
    let mut group = Group::new(Delimiter::Parenthesis, list);
    group.set_span(parentheses);
    call.extend([TokenTree::from(group)]);
    call
}

/// The variable that is all of `value`, if it is one, or looks like one.
fn variable(value: &TokenStream) -> Option<Ident> {
    let mut tokens = value.clone().into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Ident(name)), None) => {
            (!name.to_string().starts_with(char::is_uppercase)).then_some(name)
        }
        _ => None,
    }
}

/// Whether `name` stands in `value`.
fn mentions(value: &TokenStream, name: &Ident) -> bool {
    value.clone().into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == *name,
        TokenTree::Group(group) => mentions(&group.stream(), name),
        _ => false,
    })
}

/// Whether a callee is a path with generic arguments, which has nothing to evaluate.
fn is_generic_path(callee: &TokenStream) -> bool {
    let mut previous = String::new();
    callee.clone().into_iter().all(|token| {
        let text = token.to_string();
        // `a::<T>` and `<T as Trait>::f` are paths, `a.b` and `a[i]` are not.
        let in_path = match &token {
            TokenTree::Ident(_) => true,
            TokenTree::Punct(punct) => {
                matches!(punct.as_char(), ':' | '<' | '>' | ',' | '&' | '\'' | '-')
            }
            TokenTree::Group(_) | TokenTree::Literal(_) => {
                matches!(previous.as_str(), "<" | "," | "&")
            }
        };
        previous = text;
        in_path
    })
}
