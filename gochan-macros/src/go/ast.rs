//! What was written in a `go!`.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use super::delimiter::Written;
use crate::cursor::Cursor;
use crate::names::Names;
use crate::sugar::{self, Rewriter};

/// A whole `go!`.
pub struct Go {
    /// The options, in source order.
    pub options: Vec<Choice>,
    /// What is to run.
    pub body: Body,
    /// The first token, or the macro call where there is none.
    pub span: Span,
}

/// An option and its first token.
pub struct Choice {
    /// The option's own word.
    pub word: Ident,
    /// What it says.
    pub kind: ChoiceKind,
    /// Whether the block follows it without a comma.
    pub lacks_comma: bool,
}

/// What an option says.
pub enum ChoiceKind {
    /// `clone(a, b)`: these are cloned first.
    Clone(Vec<Cloned>),
    /// `name = …`
    Name(TokenStream),
    /// `stack = …`
    Stack(TokenStream),
    /// `near`
    Near,
    /// `spread`
    Spread,
    /// `local`
    Local,
    /// `in scope`
    In(TokenStream),
    /// None of these, or not written as these are.
    Unknown,
}

/// One entry of `clone(…)`.
pub enum Cloned {
    /// `a` or `mut a`.
    Variable {
        /// `mut`, if the goroutine changes its clone.
        mutable: Option<Ident>,
        /// The variable.
        name: Ident,
    },
    /// Something that is not a variable's name.
    Other(Span, Span),
}

/// What a goroutine runs.
pub enum Body {
    /// Nothing was written.
    Missing,
    /// `{ … }`
    Block(Group),
    /// What would be made and then left alone.
    Uncalled {
        /// All of it.
        tokens: TokenStream,
        /// What it is.
        what: Uncalled,
    },
    /// Tokens that are a block's contents, or that nothing else is known of.
    Statements(TokenStream),
    /// `callee(arguments)`
    Call {
        /// What is called.
        callee: TokenStream,
        /// The arguments.
        arguments: Arguments,
    },
    /// `receiver.method(arguments)`
    Method {
        /// What the method is called on.
        receiver: TokenStream,
        /// `.method` or `.method::<T>`.
        method: TokenStream,
        /// The arguments.
        arguments: Arguments,
    },
}

/// What nobody calls.
#[derive(Clone, Copy)]
pub enum Uncalled {
    /// `|| …`
    Closure,
    /// `async { … }`
    Future,
    /// `f`, in parentheses
    Function,
}

/// `(a, b)`
pub struct Arguments {
    /// Each one, with its arrows lowered.
    pub values: Vec<TokenStream>,
    /// Where the parentheses stand.
    pub span: Span,
}

/// Reads a `go!`.
pub fn parse(input: TokenStream, written: Written, names: &Names) -> Go {
    let mut rewriter = Rewriter::new(input, names);
    let span = rewriter.cursor.span();
    let mut options = Vec::new();
    while let Some(choice) = choice(&mut rewriter) {
        options.push(choice);
    }
    // With options it can only be the form with a separate body.
    let written = if options.is_empty() {
        written
    } else {
        Written::Parentheses
    };
    let body = body(rewriter.cursor.take_rest(), written, names);
    Go {
        options,
        body,
        span,
    }
}

/// Takes one option and the comma after it, if an option is next.
fn choice(rewriter: &mut Rewriter<'_>) -> Option<Choice> {
    let cursor = &mut rewriter.cursor;
    let word = cursor.word(0)?.clone();
    // Where the option ends, if it is a word, `word(…)` or `word = …`.
    let bare = matches!(cursor.op_ahead(1), ",") || ends_or_block(cursor, 1);
    let called = cursor.group(1, Delimiter::Parenthesis).cloned();
    let called = called.filter(|_| {
        (cursor.op_ahead(2) == "," && (cursor.peek(3).is_some() || word == "clone"))
            || (ends_or_block(cursor, 2) && word == "clone")
    });
    let kind = if word == "in" {
        cursor.take();
        ChoiceKind::In(rewriter.take_head())
    } else if cursor.op_ahead(1) == "=" && option_value(cursor) {
        cursor.take_many(2);
        let value = rewriter.take_value();
        match word.to_string().as_str() {
            "name" => ChoiceKind::Name(value),
            "stack" => ChoiceKind::Stack(value),
            _ => ChoiceKind::Unknown,
        }
    } else if let Some(group) = called {
        cursor.take_many(2);
        if word == "clone" {
            ChoiceKind::Clone(cloned(group.stream()))
        } else {
            ChoiceKind::Unknown
        }
    } else if bare {
        let kind = match word.to_string().as_str() {
            "near" => ChoiceKind::Near,
            "spread" => ChoiceKind::Spread,
            "local" => ChoiceKind::Local,
            _ if ends_or_block(cursor, 1) => return None,
            "name" => ChoiceKind::Name(TokenStream::new()),
            "stack" => ChoiceKind::Stack(TokenStream::new()),
            "clone" => ChoiceKind::Clone(Vec::new()),
            _ => ChoiceKind::Unknown,
        };
        cursor.take();
        kind
    } else {
        return None;
    };
    let cursor = &mut rewriter.cursor;
    let lacks_comma = cursor.group(0, Delimiter::Brace).is_some();
    if cursor.op() == "," {
        cursor.take();
    }
    Some(Choice {
        word,
        kind,
        lacks_comma,
    })
}

/// Whether nothing follows so many tokens ahead, or only a block.
fn ends_or_block(cursor: &Cursor, ahead: usize) -> bool {
    let block = usize::from(cursor.group(ahead, Delimiter::Brace).is_some());
    cursor.peek(ahead + block).is_none()
}

/// Whether `word = …` is next and not a statement of a block: a comma or the end follows it.
fn option_value(cursor: &Cursor) -> bool {
    let known = cursor.is_word("name") || cursor.is_word("stack");
    let mut ahead = 2;
    loop {
        match cursor.op_ahead(ahead) {
            "," => return true,
            ";" => return false,
            "" if cursor.peek(ahead).is_none() => return known,
            op => ahead += op.len().max(1),
        }
    }
}

/// The entries of `clone(…)`.
fn cloned(list: TokenStream) -> Vec<Cloned> {
    let mut cursor = Cursor::new(list);
    let mut entries = Vec::new();
    while !cursor.is_end() {
        let mutable = cursor.word(0).filter(|word| *word == "mut").cloned();
        if mutable.is_some() {
            cursor.take();
        }
        let first = cursor.span();
        let mut last = first;
        let name = cursor.word(0).filter(|word| *word != "self").cloned();
        let mut count = 0;
        while !cursor.is_end() && cursor.op() != "," {
            last = cursor.span();
            cursor.take();
            count += 1;
        }
        cursor.take();
        entries.push(match name {
            Some(name) if count == 1 => Cloned::Variable { mutable, name },
            _ => Cloned::Other(first, last),
        });
    }
    entries
}

/// Reads what comes after the options.
fn body(tokens: TokenStream, written: Written, names: &Names) -> Body {
    if tokens.is_empty() {
        return Body::Missing;
    }
    let mut list: Vec<TokenTree> = tokens.clone().into_iter().collect();
    if written != Written::Braces
        && matches!(list.last(), Some(TokenTree::Punct(p)) if p.as_char() == ',')
    {
        list.pop();
    }
    if let [TokenTree::Group(group)] = list.as_slice() {
        match group.delimiter() {
            Delimiter::Brace => return Body::Block(sugar::block(group, names)),
            // A macro's `$body`, which is as good as written here.
            Delimiter::None => return body(group.stream(), written, names),
            _ => {}
        }
    }
    if let Some(what) = uncalled(&tokens, written, names) {
        let tokens = sugar::statements(tokens, names).tokens;
        return Body::Uncalled { tokens, what };
    }
    let call = match (written, call(list, names)) {
        (Written::Braces, _) => None,
        (Written::Unknown, Some(Body::Method { receiver, .. })) if calls(&receiver) => None,
        (_, call) => call,
    };
    call.unwrap_or_else(|| Body::Statements(sugar::statements(tokens, names).tokens))
}

/// What the whole body makes and does not call, if it is nothing else.
fn uncalled(tokens: &TokenStream, written: Written, names: &Names) -> Option<Uncalled> {
    let cursor = Cursor::new(tokens.clone());
    let is_word = |ahead, wanted| cursor.word(ahead).is_some_and(|word| word == wanted);
    let after_async = usize::from(is_word(0, "async"));
    let after_move = after_async + usize::from(is_word(after_async, "move"));
    let what = match cursor.op_ahead(after_move) {
        "|" | "||" => Uncalled::Closure,
        _ if after_async > 0 && cursor.group(after_move, Delimiter::Brace).is_some() => {
            Uncalled::Future
        }
        _ if written == Written::Parentheses && is_path(tokens) => Uncalled::Function,
        _ => return None,
    };
    is_operand(tokens.clone(), names).then_some(what)
}

/// Whether it is a path without generic arguments.
pub fn is_path(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().all(|token| match token {
        TokenTree::Ident(_) => true,
        TokenTree::Punct(punct) => punct.as_char() == ':',
        _ => false,
    })
}

/// Whether something is called in `operand`.
fn calls(operand: &TokenStream) -> bool {
    operand.clone().into_iter().any(|token| {
        matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis)
    })
}

/// Reads a call, if that is what the tokens are.
fn call(mut list: Vec<TokenTree>, names: &Names) -> Option<Body> {
    if !is_operand(list.iter().cloned().collect(), names) {
        return None;
    }
    let Some(TokenTree::Group(arguments)) = list.pop() else {
        return None;
    };
    if arguments.delimiter() != Delimiter::Parenthesis {
        return None;
    }
    // A macro call runs in the goroutine, and a prefix operator applies to the call's result.
    let is_macro = matches!(list.last(), Some(TokenTree::Punct(p)) if p.as_char() == '!');
    if is_macro || is_prefix(list.first()?) {
        return None;
    }
    // Half-written code: whatever it is, rustc shall see it as it is.
    let arguments = self::arguments(&arguments, names)?;
    match method_start(&list) {
        Some(start) => {
            let method = list.split_off(start).into_iter().collect();
            let receiver = sugar::values(list.into_iter().collect(), names);
            Some(Body::Method {
                receiver,
                method,
                arguments,
            })
        }
        None => Some(Body::Call {
            callee: sugar::values(list.into_iter().collect(), names),
            arguments,
        }),
    }
}

/// Whether all of the tokens are one operand: no binary operator, no semicolon.
fn is_operand(tokens: TokenStream, names: &Names) -> bool {
    let mut rewriter = Rewriter::new(tokens, names);
    rewriter.take_operand();
    rewriter.cursor.is_end()
}

/// Whether an operand that begins so is more than a call: a prefix operator, a closure, a keyword.
fn is_prefix(first: &TokenTree) -> bool {
    match first {
        TokenTree::Punct(punct) => !matches!(punct.as_char(), ':' | '<'),
        TokenTree::Ident(word) => ["move", "async", "return", "break", "let", "static"]
            .iter()
            .any(|keyword| word == keyword),
        _ => false,
    }
}

/// Where `.method` or `.method::<T>` begins, if the tokens end with it.
fn method_start(list: &[TokenTree]) -> Option<usize> {
    let char_at = |at: usize| match list.get(at) {
        Some(TokenTree::Punct(punct)) => punct.as_char(),
        _ => ' ',
    };
    let mut end = list.len();
    if char_at(end.checked_sub(1)?) == '>' {
        let mut depth = 0_usize;
        loop {
            end = end.checked_sub(1)?;
            match char_at(end) {
                '>' if end > 0 && char_at(end - 1) == '-' => {}
                '>' => depth += 1,
                '<' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        end = end.checked_sub(2)?;
        if char_at(end) != ':' {
            return None;
        }
    }
    let name = end.checked_sub(1)?;
    let dot = name.checked_sub(1)?;
    (matches!(list[name], TokenTree::Ident(_)) && char_at(dot) == '.').then_some(dot)
}

/// Splits arguments at their commas; nothing if one is missing, or not an expression.
fn arguments(group: &Group, names: &Names) -> Option<Arguments> {
    let mut rewriter = Rewriter::new(group.stream(), names);
    let mut values = Vec::new();
    while !rewriter.cursor.is_end() {
        let value = rewriter.take_value();
        let ends = rewriter.cursor.is_end() || rewriter.cursor.op() == ",";
        if value.is_empty() || !ends {
            return None;
        }
        rewriter.cursor.take();
        values.push(value);
    }
    Some(Arguments {
        values,
        span: group.span(),
    })
}
