//! Statements.

use super::Rewriter;
use super::expr::Place;

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
        self.copy_until(&[":", "=", ";"], "");
        if self.cursor.op() == ":" {
            self.copy();
            self.copy_header(&['=', ';']);
        }
        if self.cursor.op() == "=" {
            self.copy();
            self.value();
        }
        if self.cursor.is_word("else") {
            self.copy();
            self.copy_block();
        }
    }
}
