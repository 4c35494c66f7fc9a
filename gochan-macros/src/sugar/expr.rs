//! Expressions: where operands begin and end.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::Rewriter;
use super::place::{ArrowAfter, Place};

/// What kind of operand was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    /// None: the tokens end, or something else than an operand is next.
    Missing,
    /// One that ends a statement without a semicolon.
    BlockLike,
    /// Any other.
    Plain,
}

impl Rewriter<'_> {
    /// Copies an expression that is a value.
    pub(super) fn value(&mut self) {
        self.expression(Place::VALUE);
    }

    /// Takes an expression that is a value off the tokens.
    pub fn take_value(&mut self) -> TokenStream {
        self.written(Self::value)
    }

    /// Takes an expression that a block may follow off the tokens.
    pub fn take_head(&mut self) -> TokenStream {
        self.written(|this| this.expression(Place::HEAD))
    }

    /// Takes the operand of a prefix operator off the tokens.
    pub fn take_operand(&mut self) -> TokenStream {
        self.written(|this| {
            this.operand(Place::VALUE);
        })
    }

    /// Takes a type off the tokens.
    pub fn take_type(&mut self) -> TokenStream {
        self.written(Self::copy_type)
    }

    /// Takes the channel of a send off the tokens, up to its arrow.
    pub fn take_channel(&mut self) -> TokenStream {
        self.written(|this| this.expression(Place::CHANNEL))
    }

    /// Takes the body of a match arm off the tokens.
    pub fn take_arm_body(&mut self) -> TokenStream {
        self.written(|this| this.expression(Place::STATEMENT))
    }

    /// Copies an expression, up to something that cannot continue it.
    pub(super) fn expression(&mut self, mut place: Place) {
        let start = self.out.len();
        let mut compound = false;
        let mut at_start = true;
        loop {
            let here = Place {
                statement: place.statement && at_start,
                ..place
            };
            at_start = false;
            if self.operand(here) == Operand::BlockLike && here.statement {
                return;
            }
            while self.cursor.is_word("as") {
                compound = true;
                self.copy();
                self.copy_type();
            }
            match self.cursor.op() {
                "<-" if place.arrow == ArrowAfter::Ends => return,
                "<-" => return self.send(start, compound, place),
                "" | "," | ";" | ":" | "::" | "=>" | "->" | "#" | "$" | "@" | "?" | "." | "'"
                | "~" | "!" => return,
                op => {
                    let compares = matches!(op, "==" | "!=" | "<=" | ">=" | "..=");
                    if op.ends_with('=') && !compares && place.arrow == ArrowAfter::Sends {
                        // What is assigned is a value.
                        place = place.inner();
                    }
                    compound = true;
                    self.copy_op();
                }
            }
        }
    }

    /// Lowers the send whose channel has been written since `start`.
    fn send(&mut self, start: usize, compound: bool, place: Place) {
        let arrow = self.take_arrow();
        // In a head, the block after the value is not part of it.
        let value = self.written(|this| this.expression(place.inner()));
        let channel = self.out.drain(start..).collect();
        if place.arrow != ArrowAfter::Sends {
            self.refuse_send_as_value(arrow);
        } else if value.is_empty() {
            self.refuse_empty_send(arrow);
        } else {
            self.emit_send(arrow, channel, compound, value);
        }
    }

    /// Lowers the receive whose arrow is next.
    fn receive(&mut self, place: Place) {
        let arrow = self.take_arrow();
        let operand = self.written(|this| this.prefixed(place));
        self.emit_receive(arrow, operand);
    }

    /// Copies what a prefix operator stands before. In a head, a block is its operand too, where one
    /// more is left for the body.
    fn prefixed(&mut self, place: Place) {
        let block = self.at_block_before_another();
        self.operand(Place {
            structs: place.structs || block,
            ..place.inner()
        });
    }

    /// Whether a block is next, and one more comes after it in the same expression.
    fn at_block_before_another(&self) -> bool {
        let is_block = |ahead| self.cursor.group(ahead, Delimiter::Brace).is_some();
        let ends = |ahead| {
            let (word, op) = (self.cursor.word(ahead), self.cursor.op_ahead(ahead));
            // After an operand, any other word begins the next statement.
            self.cursor.peek(ahead).is_none()
                || op == ";"
                || (ahead == 1 && word.is_some_and(|w| w != "as"))
        };
        is_block(0) && (1..).take_while(|&ahead| !ends(ahead)).any(is_block)
    }

    /// Copies an operand: prefix operators, what they stand before, postfix operators.
    fn operand(&mut self, place: Place) -> Operand {
        let label = self.cursor.lifetime(0);
        if label > 0 {
            self.copy_many(label);
            if self.cursor.op() != ":" {
                return Operand::Plain;
            }
            self.copy();
            return self.operand(place);
        }
        match self.cursor.op() {
            "<-" => {
                self.receive(place);
                return Operand::Plain;
            }
            "-" | "!" | "*" => {
                self.copy_op();
                self.prefixed(place);
                return Operand::Plain;
            }
            // `match .. {` is complete without an operand.
            ".." | "..=" => {
                self.copy_op();
                self.operand(place.inner());
                return Operand::Plain;
            }
            "&" | "&&" => {
                self.copy_op();
                if self.cursor.is_word("raw")
                    && self
                        .cursor
                        .word(1)
                        .is_some_and(|w| w == "const" || w == "mut")
                {
                    self.copy();
                    self.copy();
                } else if self.cursor.is_word("mut") {
                    self.copy();
                }
                self.prefixed(place);
                return Operand::Plain;
            }
            "|" | "||" => {
                self.closure(place);
                return Operand::Plain;
            }
            "#" => {
                let before = self.cursor.position();
                self.copy_attributes();
                if self.cursor.position() == before {
                    return Operand::Missing;
                }
                return self.operand(place);
            }
            "$" => {
                self.copy();
                self.copy();
            }
            "<" | "<<" => {
                self.copy_angle();
                let operand = self.path_rest(place);
                return self.after(operand, place);
            }
            "::" => {
                let operand = self.path_rest(place);
                return self.after(operand, place);
            }
            "" => return self.primary(place),
            _ => return Operand::Missing,
        }
        self.postfix();
        Operand::Plain
    }

    /// Copies an operand that begins with a word, a literal or a group.
    fn primary(&mut self, place: Place) -> Operand {
        let Some(token) = self.cursor.peek(0) else {
            return Operand::Missing;
        };
        let operand = match token {
            TokenTree::Group(group) => match group.delimiter() {
                Delimiter::Brace => {
                    // `match {` with nothing to match: leave the block to `match`.
                    if !place.structs && self.cursor.group(1, Delimiter::Brace).is_none() {
                        return Operand::Missing;
                    }
                    self.copy_block();
                    Operand::BlockLike
                }
                Delimiter::None => {
                    self.copy();
                    Operand::Plain
                }
                Delimiter::Parenthesis | Delimiter::Bracket => {
                    self.copy_group(Self::all_values);
                    Operand::Plain
                }
            },
            TokenTree::Ident(word) => {
                let word = word.to_string();
                self.worded(&word, place)
            }
            _ => {
                self.copy();
                Operand::Plain
            }
        };
        self.after(operand, place)
    }

    /// Copies what may follow an operand, unless the operand ends a statement.
    fn after(&mut self, operand: Operand, place: Place) -> Operand {
        let ends = operand == Operand::BlockLike
            && place.statement
            && !matches!(self.cursor.op(), "." | "?");
        if ends || operand == Operand::Missing {
            return operand;
        }
        self.postfix();
        Operand::Plain
    }

    /// Copies an operand that begins with `word`.
    fn worded(&mut self, word: &str, place: Place) -> Operand {
        match word {
            "if" => self.if_chain(),
            "while" | "match" => {
                self.copy();
                self.head();
                if word == "while" {
                    self.copy_block();
                } else if self.cursor.group(0, Delimiter::Brace).is_some() {
                    self.copy_group(Self::arms);
                }
            }
            "for" if self.cursor.op_ahead(1) == "<" => {
                self.copy();
                self.copy_angle();
                return self.modified(place);
            }
            "for" => {
                self.copy();
                if let Some(count) = self.names_before(":=") {
                    self.refuse_declaration_in_head(count, true);
                    self.copy_block();
                    return Operand::BlockLike;
                }
                self.copy_until(&["=>", ";"], "in");
                if self.cursor.is_word("in") {
                    self.copy();
                    self.expression(Place::HEAD);
                    self.copy_block();
                }
            }
            "loop" => {
                self.copy();
                self.copy_block();
            }
            "unsafe" | "const" => {
                if !self.cursor.is_block(1) {
                    return self.modified(place);
                }
                self.copy();
                self.copy_block();
            }
            "async" | "move" | "static" => return self.modified(place),
            "return" | "break" | "continue" | "yield" | "become" => {
                self.copy();
                let label = self.cursor.lifetime(0);
                if self.cursor.op_ahead(label) != ":" {
                    self.copy_many(label);
                }
                self.expression(place.inner());
                return Operand::Plain;
            }
            "let" => {
                self.copy();
                self.copy_until(&["=", ":=", ";", "=>"], "");
                if self.cursor.op() == "=" {
                    self.copy();
                    self.operand(place.inner());
                }
                return Operand::Plain;
            }
            "as" | "else" | "in" | "where" => return Operand::Missing,
            _ => return self.path(place),
        }
        Operand::BlockLike
    }

    /// Copies `if … { … } else if … { … } else { … }`.
    fn if_chain(&mut self) {
        loop {
            self.copy();
            self.head();
            self.copy_block();
            if !self.cursor.is_word("else") {
                return;
            }
            self.copy();
            if !self.cursor.is_word("if") {
                return self.copy_block();
            }
        }
    }

    /// Copies what stands between `if`, `while` or `match` and the block.
    fn head(&mut self) {
        match self.names_before(":=") {
            Some(count) => self.refuse_declaration_in_head(count, false),
            None => self.expression(Place::HEAD),
        }
    }

    /// Copies `async`, `move` and the like with the closure or block that they stand before.
    fn modified(&mut self, place: Place) -> Operand {
        while ["async", "move", "static", "const", "unsafe"]
            .iter()
            .any(|word| self.cursor.is_word(word))
        {
            self.copy();
        }
        match self.cursor.op() {
            "|" | "||" => self.closure(place),
            _ => self.copy_block(),
        }
        Operand::Plain
    }

    /// Copies a closure from its first bar.
    fn closure(&mut self, place: Place) {
        if self.cursor.op() == "||" {
            self.copy_op();
        } else {
            self.copy();
            self.copy_until(&["|"], "");
            self.copy();
        }
        if self.cursor.op() == "->" {
            self.copy_op();
            self.copy_type();
            self.copy_block();
        } else {
            self.expression(place.closure_body());
        }
    }

    /// Copies the arms of a match.
    fn arms(&mut self) {
        while !self.cursor.is_end() {
            let before = self.cursor.position();
            self.copy_attributes();
            self.copy_until(&["=>"], "if");
            if self.cursor.is_word("if") {
                self.copy();
                self.value();
            }
            if self.cursor.op() == "=>" {
                self.copy_op();
                self.expression(Place::STATEMENT);
            }
            if self.cursor.op() == "," || self.cursor.position() == before {
                self.copy_op();
            }
        }
    }

    /// Copies a path, and the macro call or struct literal that it begins.
    fn path(&mut self, place: Place) -> Operand {
        self.copy();
        self.path_rest(place)
    }

    /// Copies what follows the first segment of a path.
    fn path_rest(&mut self, place: Place) -> Operand {
        while self.cursor.op() == "::" {
            self.copy_op();
            if matches!(self.cursor.op(), "<" | "<<" | "<-") {
                self.copy_angle();
            } else if self.cursor.word(0).is_some() {
                self.copy();
            }
        }
        if self.cursor.op() == "!" && matches!(self.cursor.peek(1), Some(TokenTree::Group(_))) {
            let name = match self.out.last() {
                Some(TokenTree::Ident(name)) => Some(name.clone()),
                _ => None,
            };
            self.copy();
            let braced = self.cursor.group(0, Delimiter::Brace).is_some();
            self.copy_macro_arguments(name.as_ref());
            return if braced {
                Operand::BlockLike
            } else {
                Operand::Plain
            };
        }
        if place.structs && self.cursor.group(0, Delimiter::Brace).is_some() {
            self.copy_group(Self::all_values);
        }
        Operand::Plain
    }

    /// Copies `.field`, `.method::<T>(…)`, `(…)`, `[…]` and `?`.
    fn postfix(&mut self) {
        loop {
            match self.cursor.op() {
                "?" => self.copy(),
                "." => {
                    self.copy();
                    if matches!(
                        self.cursor.peek(0),
                        Some(TokenTree::Ident(_) | TokenTree::Literal(_))
                    ) {
                        self.copy();
                    }
                    if self.cursor.op() == "::" {
                        self.copy_op();
                        self.copy_angle();
                    }
                }
                "" if self.cursor.group(0, Delimiter::Parenthesis).is_some()
                    || self.cursor.group(0, Delimiter::Bracket).is_some() =>
                {
                    self.copy_group(Self::all_values);
                }
                _ => return,
            }
        }
    }
}
