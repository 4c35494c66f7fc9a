//! What was written: the attribute's options and the function.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use crate::cursor::{Cursor, block};

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
    /// `async`, if it is there.
    pub asynchronous: Option<Ident>,
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

/// Reads a function with a body.
pub fn function(item: TokenStream) -> Option<Function> {
    let mut cursor = Cursor::new(item);
    let mut before = TokenStream::new();
    let mut asynchronous = None;
    while cursor.op() == "#" {
        before.extend(cursor.take_many(2));
    }
    while !cursor.is_word("fn") {
        if cursor.is_word("async") {
            asynchronous = cursor.word(0).cloned();
        } else if !["pub", "const", "unsafe", "extern"]
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
        asynchronous,
        keyword,
        name,
        generics,
        arguments,
        output,
        body,
    })
}
