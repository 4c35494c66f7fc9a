//! What an arrow becomes.

use proc_macro2::{Delimiter, Group, Punct, Spacing, Span, TokenStream, TokenTree};

use super::Rewriter;
use crate::refusal::Refusal;

/// The two tokens of an arrow.
#[derive(Clone, Copy)]
pub struct Arrow {
    /// The span of `<`.
    pub head: Span,
    /// The span of `-`.
    pub tail: Span,
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
            let refusal = Refusal::between(
                arrow.head,
                arrow.tail,
                "`<-` has no operand",
                "name the channel to receive from: `<-ch`",
            );
            return self.out.extend(refusal.into_tokens());
        }
        let arguments = borrow(operand, arrow.head);
        self.emit_call("recv", arrow, arguments);
    }

    /// Writes `send(&channel, value)`. `compound`: `&` would not take all of `channel`.
    pub(super) fn emit_send(
        &mut self,
        arrow: Arrow,
        channel: TokenStream,
        compound: bool,
        value: TokenStream,
    ) {
        let channel = if compound {
            let mut group = Group::new(Delimiter::Parenthesis, channel);
            group.set_span(arrow.head);
            TokenTree::from(group).into()
        } else {
            channel
        };
        let mut arguments = borrow(channel, arrow.head);
        let mut comma = Punct::new(',', Spacing::Alone);
        comma.set_span(arrow.tail);
        arguments.extend([TokenTree::from(comma)]);
        arguments.extend(value);
        self.emit_call("send", arrow, arguments);
    }

    /// Writes the error for `ch <-` with nothing to send.
    pub(super) fn refuse_empty_send(&mut self, arrow: Arrow) {
        let refusal = Refusal::between(
            arrow.head,
            arrow.tail,
            "`<-` has no value to send",
            "write the value after the arrow: `ch <- value`",
        );
        self.out.extend(refusal.into_tokens());
    }

    /// Writes the error for a send where a value is due.
    pub(super) fn refuse_send_as_value(&mut self, arrow: Arrow) {
        let refusal = Refusal::between(
            arrow.head,
            arrow.tail,
            "a send is a statement: it has no value",
            "to learn whether the value was sent, use `ch.send(value)`, which returns a `Result`\n\
             help: if this compares with a negative number, put a space in the arrow: `a < -b`",
        );
        self.out.extend(refusal.into_tokens());
    }

    fn emit_call(&mut self, function: &str, arrow: Arrow, arguments: TokenStream) {
        // The path begins with a token of gochan's own; in parentheses, the call as a whole does not.
        let path = self.names.private(function, arrow.head);
        let mut callee = Group::new(Delimiter::Parenthesis, path);
        callee.set_span(arrow.head);
        self.out.push(callee.into());
        let mut group = Group::new(Delimiter::Parenthesis, arguments);
        group.set_span(arrow.tail);
        self.out.push(group.into());
    }
}

/// `&operand`
fn borrow(operand: TokenStream, span: Span) -> TokenStream {
    let mut and = Punct::new('&', Spacing::Alone);
    and.set_span(span);
    let mut borrowed = TokenStream::from(TokenTree::from(and));
    borrowed.extend(operand);
    borrowed
}
