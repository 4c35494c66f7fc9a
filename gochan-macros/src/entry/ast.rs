//! What was written: the attribute's options and the function.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use crate::cursor::{Cursor, block};
use crate::names::Names;
use crate::sugar::Rewriter;

/// `word = value`
pub struct Choice {
    /// The option's name; nothing if something else than a name was written.
    pub word: Option<Ident>,
    /// What it is set to; empty where nothing was written.
    pub value: TokenStream,
    /// The option's first token.
    pub span: Span,
}

/// The function under the attribute.
pub struct Function {
    /// Attributes, visibility and the words before `fn`.
    pub before: TokenStream,
    /// `async` or `const`, if it is there.
    pub modifier: Option<Ident>,
    /// The keyword.
    pub keyword: Ident,
    /// Its name.
    pub name: Ident,
    /// The first token of its generic parameters.
    pub generics: Option<Span>,
    /// Its arguments, with the parentheses.
    pub arguments: Group,
    /// `-> T`, and a `where` clause if there is one.
    pub output: TokenStream,
    /// Its body.
    pub body: Group,
}

/// Reads the attribute's options.
pub fn options(tokens: TokenStream) -> Vec<Choice> {
    let mut cursor = Cursor::new(tokens);
    let mut choices = Vec::new();
    while !cursor.is_end() {
        let span = cursor.span();
        let word = cursor.word(0).cloned();
        cursor.take();
        let mut value = TokenStream::new();
        if cursor.op() == "=" {
            cursor.take();
            value = cursor.take_many(expression(&cursor));
            // What is no part of it the compiler shall see.
            while !cursor.is_end() && cursor.op() != "," {
                value.extend(cursor.take());
            }
        }
        while !cursor.is_end() && cursor.op() != "," {
            cursor.take();
        }
        cursor.take();
        choices.push(Choice { word, value, span });
    }
    choices
}

/// Number of tokens of the expression that is next; it may have commas, as in `f::<A, B>()`.
fn expression(cursor: &Cursor) -> usize {
    let names = Names::at(TokenStream::new());
    let mut rewriter = Rewriter::new(cursor.next_many(usize::MAX), &names);
    rewriter.take_value();
    rewriter.cursor.position()
}

/// Reads a function with a body.
pub fn function(item: TokenStream) -> Option<Function> {
    let mut cursor = Cursor::new(item);
    let mut before = TokenStream::new();
    let mut modifier = None;
    while cursor.op() == "#" {
        before.extend(cursor.take_many(2));
    }
    while !cursor.is_word("fn") {
        if cursor.is_word("async") || cursor.is_word("const") {
            modifier = cursor.word(0).cloned();
        } else if !["pub", "unsafe", "extern"]
            .iter()
            .any(|word| cursor.is_word(word))
            && matches!(cursor.peek(0), Some(TokenTree::Ident(_)))
        {
            return None;
        }
        before.extend([cursor.take()?]);
    }
    let keyword = cursor.word(0)?.clone();
    cursor.take();
    let name = cursor.word(0)?.clone();
    cursor.take();
    let generics = (cursor.op() == "<").then(|| cursor.span());
    while cursor.group(0, Delimiter::Parenthesis).is_none() {
        cursor.take()?;
    }
    let arguments = cursor.group(0, Delimiter::Parenthesis)?.clone();
    cursor.take();
    let mut output = TokenStream::new();
    let body = loop {
        let token = cursor.take()?;
        match block(&token).filter(|_| cursor.is_end()) {
            Some(body) => break body,
            None => output.extend([token]),
        }
    };
    Some(Function {
        before,
        modifier,
        keyword,
        name,
        generics,
        arguments,
        output,
        body,
    })
}
