//! Statements.

use proc_macro2::{Delimiter, Group, TokenTree};
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
        } else if let Some(count) = self.names_before_declaration() {
            self.declaration(count);
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

    /// Number of tokens before the `:=` of Go's `a, b := value`, if that is next.
    fn names_before_declaration(&self) -> Option<usize> {
        let mut last = 0;
        while self.cursor.word(last).is_some() && self.cursor.op_ahead(last + 1) == "," {
            last += 2;
        }
        let declares = self.cursor.word(last).is_some() && self.cursor.op_ahead(last + 1) == ":=";
        declares.then_some(last + 1)
    }

    /// Lowers Go's `names := value`, with so many tokens before the `:=`, to a `let` whose value is
    /// an error: what follows finds its names.
    fn declaration(&mut self, count: usize) {
        let span = self.cursor.span();
        let names = self.cursor.take_many(count);
        let names = if count > 1 {
            TokenTree::from(Group::new(Delimiter::Parenthesis, names)).into()
        } else {
            names
        };
        self.out.extend(quote_spanned!(span=> let #names));
        self.refuse_declaration();
        if self.cursor.op() != ";" {
            self.out.extend(quote_spanned!(span=> ;));
        }
    }
}
