//! A place in a list of tokens, with a view of Rust's operators.

use proc_macro2::{Delimiter, Group, Ident, Spacing, Span, TokenStream, TokenTree};

/// Rust's operators, the arrow and Go's `:=`, longer ones first: the first that fits is what rustc's
/// lexer would have read.
const OPERATORS: &[&str] = &[
    "<<=", ">>=", "...", "..=", "<-", ":=", "<<", "<=", ">>", ">=", "::", "->", "=>", "==", "!=",
    "&&", "||", "+=", "-=", "*=", "/=", "%=", "^=", "&=", "|=", "..", "+", "-", "*", "/", "%", "^",
    "!", "&", "|", "=", "<", ">", "@", ".", ",", ";", ":", "#", "$", "?", "~", "'",
];

/// A place in a list of tokens.
pub struct Cursor {
    tokens: Vec<TokenTree>,
    at: usize,
}

impl Cursor {
    /// A cursor before the first of `tokens`.
    pub fn new(tokens: TokenStream) -> Self {
        Self {
            tokens: tokens.into_iter().collect(),
            at: 0,
        }
    }

    /// Whether no token is left.
    pub fn is_end(&self) -> bool {
        self.at == self.tokens.len()
    }

    /// Number of tokens passed.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The token `ahead` of the next one (0: the next one).
    pub fn peek(&self, ahead: usize) -> Option<&TokenTree> {
        self.tokens.get(self.at + ahead)
    }

    /// Passes one token.
    pub fn take(&mut self) -> Option<TokenTree> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    /// Passes `count` tokens.
    pub fn take_many(&mut self, count: usize) -> TokenStream {
        std::iter::from_fn(|| self.take()).take(count).collect()
    }

    /// The next `count` tokens, without passing them.
    pub fn next_many(&self, count: usize) -> TokenStream {
        let tokens = self.tokens.iter().skip(self.at).take(count);
        tokens.cloned().collect()
    }

    /// Passes all that is left.
    pub fn take_rest(&mut self) -> TokenStream {
        std::iter::from_fn(|| self.take()).collect()
    }

    /// The operator that begins at the next token; empty where none does.
    pub fn op(&self) -> &'static str {
        self.op_ahead(0)
    }

    /// The operator that begins `ahead` of the next token; empty where none does.
    pub fn op_ahead(&self, ahead: usize) -> &'static str {
        let fits = |operator: &&&str| {
            let last = operator.len() - 1;
            operator.chars().enumerate().all(|(i, wanted)| {
                matches!(self.peek(ahead + i), Some(TokenTree::Punct(p))
                    if p.as_char() == wanted && (i == last || p.spacing() == Spacing::Joint))
            })
        };
        OPERATORS.iter().find(fits).copied().unwrap_or("")
    }

    /// Whether the next token is the identifier or keyword `word`.
    pub fn is_word(&self, word: &str) -> bool {
        self.word(0).is_some_and(|ident| ident == word)
    }

    /// The identifier or keyword `ahead` of the next token.
    pub fn word(&self, ahead: usize) -> Option<&Ident> {
        match self.peek(ahead) {
            Some(TokenTree::Ident(ident)) => Some(ident),
            _ => None,
        }
    }

    /// The group `ahead` of the next token, if it has this delimiter.
    pub fn group(&self, ahead: usize, delimiter: Delimiter) -> Option<&Group> {
        match self.peek(ahead) {
            Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group),
            _ => None,
        }
    }

    /// Whether a block is `ahead` of the next token.
    pub fn is_block(&self, ahead: usize) -> bool {
        self.peek(ahead).and_then(block).is_some()
    }

    /// Number of tokens of the lifetime that is `ahead` of the next token; 0 where none is.
    pub fn lifetime(&self, ahead: usize) -> usize {
        if self.op_ahead(ahead) == "'" {
            return 2;
        }
        // A macro's `$label`.
        let piece = self.group(ahead, Delimiter::None);
        usize::from(piece.is_some_and(|piece| {
            let inside = Self::new(piece.stream());
            inside.op() == "'" && inside.tokens.len() == 2
        }))
    }

    /// Number of tokens of the `a` or `a, b` that is next.
    pub fn names(&self) -> usize {
        let mut last = 0;
        while self.word(last).is_some()
            && self.op_ahead(last + 1) == ","
            && self.word(last + 2).is_some()
        {
            last += 2;
        }
        last + usize::from(self.word(last).is_some())
    }

    /// The span of the next token, or of the last one at the end.
    pub fn span(&self) -> Span {
        self.peek(0)
            .or(self.tokens.last())
            .map_or_else(Span::call_site, TokenTree::span)
    }

    /// The spans of the first and the last token that are left.
    pub fn rest_span(&self) -> (Span, Span) {
        let last = self
            .tokens
            .last()
            .map_or_else(Span::call_site, TokenTree::span);
        (self.span(), last)
    }
}

/// What stands in braces, also if it is the `$body:block` of a macro.
pub fn block(token: &TokenTree) -> Option<Group> {
    let TokenTree::Group(group) = token else {
        return None;
    };
    match group.delimiter() {
        Delimiter::Brace => Some(group.clone()),
        Delimiter::None => {
            let mut inside = group.stream().into_iter();
            let body = block(&inside.next()?)?;
            inside.next().is_none().then_some(body)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operators(source: &str) -> Vec<&'static str> {
        let mut cursor = Cursor::new(source.parse().unwrap());
        let mut found = Vec::new();
        while !cursor.is_end() {
            let op = cursor.op();
            found.push(op);
            cursor.take_many(op.len().max(1));
        }
        found
    }

    #[test]
    fn arrows_are_joint() {
        assert_eq!(operators("a <- b"), ["", "<-", ""]);
        assert_eq!(operators("a <-b"), ["", "<-", ""]);
        assert_eq!(operators("a < -b"), ["", "<", "-", ""]);
        assert_eq!(operators("<-<-a"), ["<-", "<-", ""]);
        assert_eq!(operators("<--a"), ["<-", "-", ""]);
        assert_eq!(operators("a=<-b"), ["", "=", "<-", ""]);
        assert_eq!(operators("a:=<-b"), ["", ":=", "<-", ""]);
    }

    #[test]
    fn longest_operator_wins() {
        assert_eq!(operators("a <<-1"), ["", "<<", "-", ""]);
        assert_eq!(operators("a <<= 1"), ["", "<<=", ""]);
        assert_eq!(operators("0..=<-a"), ["", "..=", "<-", ""]);
        assert_eq!(operators("a&&<-b"), ["", "&&", "<-", ""]);
    }
}
