//! The arrow: `<-ch` and `ch <- value` in otherwise plain Rust.
//!
//! `<-` is not Rust, so no Rust parser reads it. [`Rewriter`] walks the tokens with just enough of
//! Rust's grammar to know where it stands:
//!
//! - where an operand is due, an arrow receives, and its operand is what a prefix operator would take;
//! - after an operand, an arrow sends, from the start of the statement to its end.
//!
//! It never fails. What it does not know it copies, so half-written code reaches rustc (and editors)
//! as it is, and an arrow that makes no sense becomes a `compile_error!` in its place. Tokens keep
//! their spans, and a group without an arrow is not touched at all.

mod emit;
mod expr;
mod item;
mod place;
mod stmt;

pub use emit::{end_of, first_span, last_span};
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use crate::cursor::{self, Cursor};
use crate::names::Names;

/// Macros with a grammar of their own, which rewrite the arrows in them themselves.
const OWN_GRAMMAR: &[&str] = &["go", "select", "chan", "make", "defer"];

/// Copies tokens and lowers the arrows among them.
pub struct Rewriter<'a> {
    /// What is still to be read.
    pub cursor: Cursor,
    /// What has been written.
    out: Vec<TokenTree>,
    names: &'a Names,
}

/// What a list of statements turned out to be.
pub struct Statements {
    /// The statements, with their arrows lowered.
    pub tokens: TokenStream,
    /// Whether there were items only.
    pub only_items: bool,
}

impl Statements {
    /// As a block. What is one already stays: the compiler would call braces around it unnecessary.
    pub fn into_block(self) -> Group {
        let mut tokens = self.tokens.clone().into_iter();
        if let (Some(only), None) = (tokens.next(), tokens.next())
            && let Some(block) = cursor::block(&only)
        {
            return block;
        }
        let end = end_of(&self.tokens, Span::mixed_site());
        let mut block = Group::new(Delimiter::Brace, self.tokens);
        block.set_span(end);
        block
    }
}

/// `tokens` as the statements of a block.
pub fn statements(tokens: TokenStream, names: &Names) -> Statements {
    let mut rewriter = Rewriter::new(tokens, names);
    let only_items = rewriter.all_statements();
    Statements {
        tokens: rewriter.out.into_iter().collect(),
        only_items,
    }
}

/// `tokens` as expressions that are values, with commas between them.
pub fn values(tokens: TokenStream, names: &Names) -> TokenStream {
    let mut rewriter = Rewriter::new(tokens, names);
    rewriter.all_values();
    rewriter.out.into_iter().collect()
}

/// `&operand`, for any expression that has been rewritten already.
pub fn borrowed(operand: TokenStream, names: &Names) -> TokenStream {
    let mut rewriter = Rewriter::new(operand.clone(), names);
    rewriter.take_operand();
    emit::borrow(operand, !rewriter.cursor.is_end())
}

/// `group` as a block; untouched if it has no arrow.
pub fn block(group: &Group, names: &Names) -> Group {
    rebuild(group, |tokens| statements(tokens, names).tokens)
}

impl<'a> Rewriter<'a> {
    /// A rewriter before the first of `tokens`.
    pub fn new(tokens: TokenStream, names: &'a Names) -> Self {
        Self {
            cursor: Cursor::new(tokens),
            out: Vec::new(),
            names,
        }
    }

    /// Runs `part` and takes what it wrote.
    fn written(&mut self, part: impl FnOnce(&mut Self)) -> TokenStream {
        let start = self.out.len();
        part(self);
        self.out.drain(start..).collect()
    }

    /// Copies the next token.
    fn copy(&mut self) {
        self.out.extend(self.cursor.take());
    }

    /// Copies so many tokens.
    fn copy_many(&mut self, count: usize) {
        self.out.extend(self.cursor.take_many(count));
    }

    /// Copies the next operator, or the next token where none begins.
    fn copy_op(&mut self) {
        self.copy_many(self.cursor.op().len().max(1));
    }

    /// Copies tokens up to one of these operators or words, or to the end.
    fn copy_until(&mut self, ops: &[&str], word: &str) {
        while !self.cursor.is_end()
            && !ops.contains(&self.cursor.op())
            && (word.is_empty() || !self.cursor.is_word(word))
        {
            self.copy_op();
        }
    }

    /// Copies the next group, rewritten by `inside`.
    fn copy_group(&mut self, inside: impl FnOnce(&mut Rewriter<'a>)) {
        let names = self.names;
        if let Some(TokenTree::Group(group)) = self.cursor.take() {
            let rebuilt = rebuild(&group, |tokens| {
                let mut rewriter = Rewriter::new(tokens, names);
                inside(&mut rewriter);
                rewriter.out.into_iter().collect()
            });
            self.out.push(rebuilt.into());
        }
    }

    /// Copies a block, if one is next.
    fn copy_block(&mut self) {
        if self.cursor.group(0, Delimiter::Brace).is_some() {
            self.copy_group(|inner| {
                inner.all_statements();
            });
        } else if self.cursor.is_block(0) {
            // A macro's `$body`, whose arrows are its own affair.
            self.copy();
        }
    }

    /// Copies the arguments of the macro `name`, if they are next. Nobody knows their grammar, so
    /// braces are taken for statements and the rest for values.
    fn copy_macro_arguments(&mut self, name: Option<&Ident>) {
        if name.is_some_and(|name| OWN_GRAMMAR.iter().any(|own| name == own)) {
            self.copy();
        } else if self.cursor.group(0, Delimiter::Brace).is_some() {
            self.copy_block();
        } else {
            self.copy_group(Self::all_values);
        }
    }

    /// Copies `#[…]` and `#![…]`.
    fn copy_attributes(&mut self) {
        while self.cursor.op() == "#" {
            let bang = usize::from(self.cursor.op_ahead(1) == "!");
            if self.cursor.group(1 + bang, Delimiter::Bracket).is_none() {
                break;
            }
            self.copy_many(2 + bang);
        }
    }

    /// Copies expressions that are values, whatever stands between them.
    fn all_values(&mut self) {
        while !self.cursor.is_end() {
            let before = self.cursor.position();
            self.copy_attributes();
            // A struct's `field:`, or a named argument of a macro's own.
            if self.cursor.word(0).is_some() && self.cursor.op_ahead(1) == ":" {
                self.copy();
                self.copy();
            }
            self.value();
            if self.cursor.position() == before || matches!(self.cursor.op(), "," | ";") {
                self.copy_op();
            }
        }
    }
}

/// `group` with other contents; the very same group where it has no arrow, for its spans' sake: a
/// group that is built anew has one span instead of three.
fn rebuild(group: &Group, inside: impl FnOnce(TokenStream) -> TokenStream) -> Group {
    if group.delimiter() == Delimiter::None || !has_arrow(group.stream()) {
        return group.clone();
    }
    let mut rebuilt = Group::new(group.delimiter(), inside(group.stream()));
    rebuilt.set_span(group.span());
    rebuilt
}

/// Whether there is an arrow in `tokens`, at any depth.
fn has_arrow(tokens: TokenStream) -> bool {
    let mut cursor = Cursor::new(tokens);
    while !cursor.is_end() {
        let op = cursor.op();
        if op == "<-" {
            return true;
        }
        if let Some(TokenTree::Group(group)) = cursor.peek(0)
            && has_arrow(group.stream())
        {
            return true;
        }
        cursor.take_many(op.len().max(1));
    }
    false
}

#[cfg(test)]
mod tests;
