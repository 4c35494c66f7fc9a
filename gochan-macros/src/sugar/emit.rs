//! What an arrow becomes.

use proc_macro2::{Delimiter, Group, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::quote_spanned;

use super::Rewriter;
use crate::refusal::Refusal;

/// The two tokens of an arrow.
#[derive(Clone, Copy)]
pub struct Arrow {
    /// The span of `<`.
    head: Span,
    /// The span of `-`.
    tail: Span,
}

impl Arrow {
    /// A refusal of the arrow; `message` says what is wrong, `help` what to write.
    pub fn refused(self, message: &str, help: &str) -> Refusal {
        Refusal::between(self.head, self.tail, message, help)
    }
}

impl Rewriter<'_> {
    /// Passes the arrow that is next.
    pub fn take_arrow(&mut self) -> Arrow {
        let head = self.cursor.span();
        self.cursor.take();
        let tail = self.cursor.span();
        self.cursor.take();
        Arrow { head, tail }
    }

    /// Writes `recv(&operand)`. The call has the arrow's own span, not one of a macro: so
    /// `Location::caller()` names the line of the arrow and not that of the macro around it.
    pub(super) fn emit_receive(&mut self, arrow: Arrow, operand: TokenStream) {
        if operand.is_empty() {
            let refusal = arrow.refused(
                "`<-` has no operand",
                "name the channel to receive from: `<-ch`",
            );
            return self.out.extend(refusal.into_tokens());
        }
        self.emit_call("recv", arrow, borrow(operand, false));
    }

    /// Writes `send(&channel, value)`. `compound`: `&` would not take all of `channel`.
    pub(super) fn emit_send(
        &mut self,
        arrow: Arrow,
        channel: TokenStream,
        compound: bool,
        value: TokenStream,
    ) {
        let mut arguments = borrow(channel, compound);
        let mut comma = Punct::new(',', Spacing::Alone);
        comma.set_span(arrow.tail);
        arguments.extend([TokenTree::from(comma)]);
        arguments.extend(value);
        self.emit_call("send", arrow, arguments);
    }

    /// Writes the error for `ch <-` with nothing to send.
    pub(super) fn refuse_empty_send(&mut self, arrow: Arrow) {
        let refusal = arrow.refused(
            "`<-` has no value to send",
            "write the value after the arrow: `ch <- value`",
        );
        self.out.extend(refusal.into_tokens());
    }

    /// Writes the error for a send where a value is due.
    pub(super) fn refuse_send_as_value(&mut self, arrow: Arrow) {
        let refusal = arrow.refused(
            "a send is a statement: it has no value",
            "to learn whether the value was sent, use `ch.send(value)`, which returns a `Result`\n\
             help: if this compares with a negative number, put a space in the arrow: `a < -b`",
        );
        self.out.extend(refusal.into_tokens());
    }

    /// Writes `= error` for the `:=` that is next and the value after it.
    pub(super) fn refuse_declaration(&mut self) {
        let first = self.cursor.span();
        self.cursor.take();
        let last = self.cursor.span();
        self.cursor.take();
        self.take_value();
        let refusal = Refusal::between(
            first,
            last,
            "Rust has no `:=`",
            "a variable is declared by `let`: `let v = <-ch;`, where `v` is an `Option`, `None` from a \
             closed channel",
        );
        let mut equals = Punct::new('=', Spacing::Alone);
        equals.set_span(first);
        self.out.push(equals.into());
        self.out.extend(refusal.into_tokens());
    }

    /// Writes an error for the `:=` in the head that is next, with so many tokens before it, up to the
    /// block: `let names = error`, or `names in error` for a loop.
    pub(super) fn refuse_declaration_in_head(&mut self, count: usize, is_for: bool) {
        let span = self.cursor.span();
        let (joint, help) = if is_for {
            (
                quote_spanned!(span=> in),
                "write `for v in ch { … }`, which ends when the channel is closed; to count, write \
                 `for i in 0..n { … }`",
            )
        } else {
            self.out.extend(quote_spanned!(span=> let));
            (
                quote_spanned!(span=> =),
                "write `if let Some(v) = <-ch { … }`: a receive gives `None` when the channel is \
                 closed",
            )
        };
        self.names_as_pattern(count);
        let first = self.cursor.span();
        self.cursor.take();
        let last = self.cursor.span();
        while !self.cursor.is_end() && self.cursor.group(0, Delimiter::Brace).is_none() {
            self.cursor.take();
        }
        let refusal = Refusal::between(first, last, "Rust has no `:=`", help);
        self.out.extend(joint);
        self.out.extend(refusal.into_tokens());
    }

    /// Writes `(v, ok) = error` for the `v, ok = <-ch` that is next, with so many tokens before the `=`.
    pub(super) fn refuse_second_value(&mut self, count: usize) {
        let first = self.cursor.span();
        self.names_as_pattern(count);
        self.copy();
        let last = self.cursor.span();
        self.take_value();
        let refusal = Refusal::between(
            first,
            last,
            "a receive has one value",
            "write `v = <-ch`; `v` is an `Option`, `None` from a closed channel",
        );
        self.out.extend(refusal.into_tokens());
    }

    fn emit_call(&mut self, function: &str, arrow: Arrow, arguments: TokenStream) {
        // The path begins with a token of gochan's own; in parentheses, the call as a whole does not.
        let path = self.names.private(function, arrow.head);
        let mut callee = Group::new(Delimiter::Parenthesis, path);
        callee.set_span(arrow.head);
        self.out.push(callee.into());
        // The call reaches to the end of its last operand.
        let end = last_span(&arguments).unwrap_or(arrow.tail);
        let mut group = Group::new(Delimiter::Parenthesis, arguments);
        group.set_span(end);
        self.out.push(group.into());
    }
}

/// `&operand`, shown at the operand; in parentheses if it is `compound`, so that `&` takes all of it.
pub fn borrow(operand: TokenStream, compound: bool) -> TokenStream {
    let span = first_span(&operand).unwrap_or_else(Span::call_site);
    let mut and = Punct::new('&', Spacing::Alone);
    and.set_span(span);
    let mut borrowed = TokenStream::from(TokenTree::from(and));
    if compound {
        let end = last_span(&operand).unwrap_or(span);
        let mut group = Group::new(Delimiter::Parenthesis, operand);
        group.set_span(end);
        borrowed.extend([TokenTree::from(group)]);
    } else {
        borrowed.extend(operand);
    }
    borrowed
}

/// The span of the first token.
pub fn first_span(tokens: &TokenStream) -> Option<Span> {
    tokens.clone().into_iter().next().map(|token| token.span())
}

/// The span of the last token.
pub fn last_span(tokens: &TokenStream) -> Option<Span> {
    tokens.clone().into_iter().last().map(|token| token.span())
}

/// Where `tokens` end, for what generated code writes behind them: if the tokens are not complete,
/// the compiler says so at what comes next. What it names is still looked up as `span` says.
pub fn end_of(tokens: &TokenStream, span: Span) -> Span {
    span.located_at(last_span(tokens).unwrap_or(span))
}
