//! Statements.

use proc_macro2::{Delimiter, Group};
use quote::quote_spanned;

use super::Rewriter;
use super::place::Place;

impl Rewriter<'_> {
    /// Copies statements up to the end; returns whether there were items only. What a macro call
    /// becomes nobody knows: beside an item, it is taken for another.
    pub(super) fn all_statements(&mut self) -> bool {
        let (mut has_item, mut only_items) = (false, true);
        while !self.cursor.is_end() {
            let before = self.cursor.position();
            self.copy_attributes();
            if self.at_item() {
                has_item = true;
                self.item();
            } else {
                only_items &= self.at_macro_call();
                self.statement();
            }
            if self.cursor.position() == before {
                self.copy_op();
            }
        }
        has_item && only_items
    }

    /// Copies one statement.
    fn statement(&mut self) {
        if self.cursor.is_word("let") {
            self.let_statement();
        } else if let Some(count) = self.names_before(":=") {
            self.declaration(count);
        } else if let Some(count) = self.names_before_receive() {
            self.refuse_second_value(count);
        } else {
            self.expression(Place::STATEMENT);
        }
        if self.cursor.op() == ";" {
            self.copy();
        }
    }

    /// Copies `let pattern: type = value else { … }`.
    fn let_statement(&mut self) {
        self.copy();
        if let Some(count) = self.names_before_receive() {
            return self.refuse_second_value(count);
        }
        self.copy_until(&[":", ":=", "=", ";"], "");
        if self.cursor.op() == ":" {
            self.copy();
            self.copy_header(&['=', ';']);
        }
        if self.cursor.op() == ":=" {
            self.refuse_declaration();
        } else if self.cursor.op() == "=" {
            self.copy();
            self.value();
        }
        if self.cursor.is_word("else") {
            self.copy();
            self.copy_block();
        }
    }

    /// Number of tokens of the `a` or `a, b` before the operator `op`, if these are next.
    pub(super) fn names_before(&self, op: &str) -> Option<usize> {
        let count = self.cursor.names();
        (count > 0 && self.cursor.op_ahead(count) == op).then_some(count)
    }

    /// Number of tokens before the `=` of Go's `v, ok = <-ch`, if that is next.
    fn names_before_receive(&self) -> Option<usize> {
        self.names_before("=")
            .filter(|&count| count > 1 && self.cursor.op_ahead(count + 1) == "<-")
    }

    /// Copies so many tokens of `a` or `a, b` as a pattern.
    pub(super) fn names_as_pattern(&mut self, count: usize) {
        let names = self.cursor.take_many(count);
        if count > 1 {
            self.out
                .push(Group::new(Delimiter::Parenthesis, names).into());
        } else {
            self.out.extend(names);
        }
    }

    /// Lowers Go's `names := value`, with so many tokens before the `:=`, to a `let` whose value is
    /// an error: what follows finds its names.
    fn declaration(&mut self, count: usize) {
        let span = self.cursor.span();
        self.out.extend(quote_spanned!(span=> let));
        self.names_as_pattern(count);
        self.refuse_declaration();
        if self.cursor.op() != ";" {
            self.out.extend(quote_spanned!(span=> ;));
        }
    }
}
