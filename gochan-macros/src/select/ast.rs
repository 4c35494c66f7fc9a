//! What was written in a `select!`.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use crate::cursor::Cursor;
use crate::names::{self, Names};
use crate::refusal::Refusal;
use crate::sugar::{Rewriter, last_span};

/// The forms of an arm, for the errors.
const FORMS: &str = "an arm is `recv(ch) -> v => …` or `v = <-ch => …`, `send(ch, value) => …` or \
                     `ch <- value => …`, `after(duration) => …`, or `default => …`";

/// A whole `select!`.
pub struct Select {
    /// Every `biased;`, with the number of arms before it.
    pub biased: Vec<(Ident, usize)>,
    /// The arms, in source order.
    pub arms: Vec<Arm>,
    /// What could not be read.
    pub unread: Vec<Refusal>,
}

/// One arm.
pub struct Arm {
    /// Its first token.
    pub span: Span,
    /// What it waits for.
    pub operation: Operation,
    /// The pattern after `->` or before `=`.
    pub binding: Option<TokenStream>,
    /// The condition after `if`.
    pub guard: Option<Guard>,
    /// What to do then.
    pub body: TokenStream,
    /// The span of the comma after it, or of its last token.
    pub end: Span,
}

/// `if condition`
pub struct Guard {
    /// The `if`.
    pub span: Span,
    /// The condition.
    pub condition: TokenStream,
}

/// What an arm waits for.
pub enum Operation {
    /// `recv(channel)` or `<-channel`
    Receive {
        /// The channel.
        channel: TokenStream,
    },
    /// `send(channel, value)` or `channel <- value`
    Send {
        /// The channel.
        channel: TokenStream,
        /// The value.
        value: TokenStream,
    },
    /// `send(channel, take slot)`
    Take {
        /// The channel.
        channel: TokenStream,
        /// The place of the `Option`.
        slot: TokenStream,
    },
    /// `after(duration)`
    After {
        /// How long from now.
        duration: TokenStream,
    },
    /// `default`
    Default,
}

/// Reads a `select!`.
pub fn parse(input: TokenStream, names: &Names) -> Select {
    let mut rewriter = Rewriter::new(input, names);
    let mut select = Select {
        biased: Vec::new(),
        arms: Vec::new(),
        unread: Vec::new(),
    };
    while !rewriter.cursor.is_end() {
        if let Some(word) = rewriter.cursor.word(0)
            && *word == "biased"
            && matches!(rewriter.cursor.op_ahead(1), ";" | ",")
        {
            select.biased.push((word.clone(), select.arms.len()));
            rewriter.cursor.take_many(2);
            continue;
        }
        if let Some(refusal) = take_misplaced(&mut rewriter.cursor) {
            select.unread.push(refusal);
            continue;
        }
        let span = rewriter.cursor.span();
        let head = head(&mut rewriter.cursor, names);
        let arrow = rewriter.cursor.span();
        if rewriter.cursor.op() != "=>" {
            select.unread.push(Refusal::between(
                span,
                last_span(&head).unwrap_or(span),
                "this is not an arm of `select!`: it has no `=>`",
                FORMS,
            ));
            rewriter.cursor.take();
            continue;
        }
        if head.is_empty() {
            select.unread.push(Refusal::new(
                arrow,
                "nothing stands before this `=>`",
                FORMS,
            ));
        }
        rewriter.cursor.take_many(2);
        let mut body = rewriter.take_arm_body();
        let mut end = last_span(&body).unwrap_or(arrow);
        if rewriter.cursor.op() == "," {
            end = rewriter.cursor.span();
            rewriter.cursor.take();
        } else if rewriter.cursor.op() == ";" {
            select.unread.push(Refusal::new(
                rewriter.cursor.span(),
                "an arm does not end with a semicolon",
                "write a comma, or put statements in braces: `recv(ch) -> v => { … }`",
            ));
            rewriter.cursor.take();
        }
        if body.is_empty() {
            let refusal = Refusal::new(
                arrow,
                "the arm has no body",
                "write what to do after `=>`; to do nothing, write `=> {}`",
            );
            body = refusal.into_tokens();
        }
        if head.is_empty() {
            continue;
        }
        match arm(head, names) {
            Ok((operation, binding, guard)) => select.arms.push(Arm {
                span,
                operation,
                binding,
                guard,
                body,
                end,
            }),
            Err(refusal) => select.unread.push(refusal),
        }
    }
    select
}

/// Takes an attribute or Go's `case` before an arm, and refuses it.
fn take_misplaced(cursor: &mut Cursor) -> Option<Refusal> {
    let first = cursor.span();
    if cursor.op() == "#" {
        let attribute = cursor.group(1, Delimiter::Bracket)?.clone();
        cursor.take_many(2);
        let (message, help) = if Cursor::new(attribute.stream()).is_word("doc") {
            (
                "an arm takes no documentation",
                "write a plain comment: `// …`",
            )
        } else {
            (
                "an arm takes no attributes",
                "leave it out; what `#[cfg(…)]` would do, a condition does: \
                 `recv(ch) if cfg!(…) => …`",
            )
        };
        return Some(Refusal::between(first, attribute.span(), message, help));
    }
    // A variable named `case` would be followed by an operator.
    let other_word = cursor.word(1).is_some_and(|word| word != "as");
    if cursor.is_word("case") && (other_word || cursor.op_ahead(1) == "<-") {
        cursor.take();
        return Some(Refusal::new(
            first,
            "an arm has no `case`",
            "write `<-ch => …` or `v = <-ch => …`; a channel of that name stands in parentheses: \
             `(case) <- value => …`",
        ));
    }
    None
}

/// Takes the tokens before `=>`. There may be commas among them, as in `ch <- |a, b| a`; where these
/// make no arm, as in half-written code, the head ends at the first.
fn head(cursor: &mut Cursor, names: &Names) -> TokenStream {
    let up_to = |mut ahead, stops: &[&str]| {
        while cursor.peek(ahead).is_some() && !stops.contains(&cursor.op_ahead(ahead)) {
            ahead += cursor.op_ahead(ahead).len().max(1);
        }
        ahead
    };
    // Go's `v, ok = <-ch`.
    let listed = cursor.names();
    let is_list = listed > 1 && matches!(cursor.op_ahead(listed), "=" | ":=");
    let part = up_to(if is_list { listed } else { 0 }, &["=>", ";", ","]);
    let whole = up_to(part, &["=>", ";"]);
    let is_whole = part < whole && arm(cursor.next_many(whole), names).is_ok();
    cursor.take_many(if is_whole { whole } else { part })
}

/// Reads what stands before the `=>` of an arm: operation, binding, guard.
fn arm(
    head: TokenStream,
    names: &Names,
) -> Result<(Operation, Option<TokenStream>, Option<Guard>), Refusal> {
    refuse_declaration(head.clone())?;
    let mut binding = None;
    let mut rewriter = Rewriter::new(head.clone(), names);
    let operation = if let Some(operation) = called(&mut rewriter, names)? {
        if rewriter.cursor.op() == "->" {
            let span = rewriter.cursor.span();
            rewriter.cursor.take_many(2);
            let pattern = take_pattern(&mut rewriter.cursor);
            if pattern.is_empty() {
                return Err(Refusal::new(
                    span,
                    "`->` has no name after it",
                    "name what the arm gets: `recv(ch) -> v => …`",
                ));
            }
            binding = Some(pattern);
        }
        operation
    } else {
        if let Some(pattern) = pattern_before_receive(&head) {
            rewriter.cursor.take_many(pattern.len() + 1);
            binding = Some(pattern.into_iter().collect());
        }
        arrow(&mut rewriter).map_err(|refusal| read_outside(&head).unwrap_or(refusal))?
    };
    let guard = guard(&mut rewriter)?;
    if !rewriter.cursor.is_end() {
        let (first, last) = rewriter.cursor.rest_span();
        let message = match operation {
            Operation::Default => "`default` takes nothing but a body",
            _ => "expected `=>` here",
        };
        return Err(Refusal::between(first, last, message, FORMS));
    }
    Ok((operation, binding, guard))
}

/// Reads `recv(…)`, `send(…)`, `after(…)` or `default`.
fn called(rewriter: &mut Rewriter<'_>, names: &Names) -> Result<Option<Operation>, Refusal> {
    let cursor = &mut rewriter.cursor;
    let Some(word) = cursor.word(0).cloned() else {
        return Ok(None);
    };
    let ends = |cursor: &Cursor, at: usize| {
        cursor.peek(at).is_none()
            || cursor.op_ahead(at) == "->"
            || cursor.word(at).is_some_and(|word| word == "if")
    };
    if word == "default" && (ends(cursor, 1) || cursor.group(1, Delimiter::Parenthesis).is_some()) {
        cursor.take();
        return Ok(Some(Operation::Default));
    }
    let Some(group) = cursor.group(1, Delimiter::Parenthesis).cloned() else {
        return Ok(None);
    };
    // `recv(x) <- v` sends to what a function `recv` returns.
    if matches!(cursor.op_ahead(2), "<-" | "." | "?") {
        return Ok(None);
    }
    let operation = match word.to_string().as_str() {
        "recv" => receive(&group, names)?,
        "send" => send(&group, names)?,
        "after" => {
            let mut inner = Rewriter::new(group.stream(), names);
            let duration = inner.take_value();
            end_of(&mut inner, "`after` takes one duration")?;
            if duration.is_empty() {
                return Err(Refusal::new(
                    group.span(),
                    "`after` has no duration",
                    "write how long to wait: `after(Duration::from_millis(10)) => …`",
                ));
            }
            Operation::After { duration }
        }
        _ => return Ok(None),
    };
    cursor.take_many(2);
    Ok(Some(operation))
}

fn receive(group: &Group, names: &Names) -> Result<Operation, Refusal> {
    let mut inner = Rewriter::new(group.stream(), names);
    let channel = inner.take_value();
    if channel.is_empty() {
        return Err(Refusal::new(
            group.span(),
            "`recv` has no channel",
            "name the channel to receive from: `recv(ch) -> v => …`",
        ));
    }
    end_of(&mut inner, "`recv` takes one channel")?;
    Ok(Operation::Receive { channel })
}

fn send(group: &Group, names: &Names) -> Result<Operation, Refusal> {
    const FORM: &str = "write `send(ch, value) => …` or `send(ch, take slot) => …`";
    let mut inner = Rewriter::new(group.stream(), names);
    let channel = inner.take_value();
    if channel.is_empty() {
        return Err(Refusal::new(group.span(), "`send` has no channel", FORM));
    }
    if inner.cursor.op() == "," {
        inner.cursor.take();
    } else if !inner.cursor.is_end() {
        let (first, last) = inner.cursor.rest_span();
        let message = "there is no comma after the channel of `send`";
        return Err(Refusal::between(first, last, message, FORM));
    }
    let takes = begins_take(&inner.cursor);
    if takes {
        inner.cursor.take();
    }
    let value = inner.take_value();
    if value.is_empty() {
        let message = if takes {
            "`take` has no slot"
        } else {
            "`send` has no value"
        };
        return Err(Refusal::new(group.span(), message, FORM));
    }
    end_of(&mut inner, "`send` takes a channel and one value")?;
    Ok(if takes {
        Operation::Take {
            channel,
            slot: value,
        }
    } else {
        Operation::Send {
            channel,
            value: without_parentheses_of_take(value),
        }
    })
}

/// Whether `take slot` is next. A variable named `take` would be followed by an operator; a slot may
/// be a macro's `$slot`.
fn begins_take(cursor: &Cursor) -> bool {
    cursor.is_word("take")
        && (cursor.peek(1).is_none()
            || cursor.word(1).is_some_and(|word| *word != "as")
            || cursor.group(1, Delimiter::None).is_some()
            || (cursor.op_ahead(1) == "*" && cursor.word(2).is_some()))
}

/// `(take)` without its parentheses: they only tell the variable from the keyword, and the compiler
/// would call them unnecessary.
fn without_parentheses_of_take(value: TokenStream) -> TokenStream {
    let mut tokens = value.clone().into_iter();
    if let (Some(TokenTree::Group(group)), None) = (tokens.next(), tokens.next())
        && group.delimiter() == Delimiter::Parenthesis
        && Cursor::new(group.stream()).is_word("take")
    {
        return group.stream();
    }
    value
}

/// Refuses what is left in the parentheses, but for a trailing comma.
fn end_of(inner: &mut Rewriter<'_>, message: &str) -> Result<(), Refusal> {
    if inner.cursor.op() == "," {
        inner.cursor.take();
    }
    if inner.cursor.is_end() {
        return Ok(());
    }
    let (first, last) = inner.cursor.rest_span();
    Err(Refusal::between(first, last, message, FORMS))
}

/// Refuses Go's `v := <-ch` and `v, ok = <-ch`.
fn refuse_declaration(head: TokenStream) -> Result<(), Refusal> {
    let mut cursor = Cursor::new(head);
    let names = cursor.names();
    if names > 1 && cursor.op_ahead(names) == "=" {
        let (first, _) = cursor.rest_span();
        cursor.take_many(names - 1);
        return Err(Refusal::between(
            first,
            cursor.span(),
            "a receive has one value",
            "write `v = <-ch => …`; `v` is an `Option`, `None` from a closed channel",
        ));
    }
    while !cursor.is_end() {
        let op = cursor.op();
        let first = cursor.span();
        if op == ":=" {
            cursor.take();
            return Err(Refusal::between(
                first,
                cursor.span(),
                "Rust has no `:=`",
                "write `v = <-ch => …`; `v` is an `Option`, `None` from a closed channel",
            ));
        }
        cursor.take_many(op.len().max(1));
    }
    Ok(())
}

/// The pattern of `pattern = <-ch`.
fn pattern_before_receive(head: &TokenStream) -> Option<Vec<TokenTree>> {
    let mut cursor = Cursor::new(head.clone());
    let pattern: Vec<TokenTree> = take_pattern(&mut cursor).into_iter().collect();
    let receives = cursor.op() == "=" && cursor.op_ahead(1) == "<-";
    (receives && !pattern.is_empty()).then_some(pattern)
}

/// Takes a pattern: up to `if`, `=` or a comma outside of angle brackets.
fn take_pattern(cursor: &mut Cursor) -> TokenStream {
    let mut pattern = TokenStream::new();
    let mut depth = 0_usize;
    while !cursor.is_end() && !cursor.is_word("if") {
        match cursor.op() {
            "=" => break,
            "," if depth == 0 => break,
            "<" => depth += 1,
            ">" => depth = depth.saturating_sub(1),
            ">>" => depth = depth.saturating_sub(2),
            _ => {}
        }
        pattern.extend(cursor.take_many(cursor.op().len().max(1)));
    }
    pattern
}

/// Reads `<-ch` or `ch <- value`.
fn arrow(rewriter: &mut Rewriter<'_>) -> Result<Operation, Refusal> {
    let (first, last) = rewriter.cursor.rest_span();
    if rewriter.cursor.op() == "<-" {
        let arrow = rewriter.take_arrow();
        let channel = rewriter.take_operand();
        if channel.is_empty() {
            return Err(arrow.refused(
                "`<-` has no operand",
                "name the channel to receive from: `v = <-ch => …`",
            ));
        }
        return Ok(Operation::Receive { channel });
    }
    let channel = rewriter.take_channel();
    if channel.is_empty() || rewriter.cursor.op() != "<-" {
        return Err(Refusal::between(
            first,
            last,
            "this is not an arm of `select!`",
            FORMS,
        ));
    }
    let arrow = rewriter.take_arrow();
    let value = rewriter.take_value();
    if value.is_empty() {
        return Err(arrow.refused(
            "`<-` has no value to send",
            "write the value after the arrow: `ch <- value => …`",
        ));
    }
    Ok(Operation::Send { channel, value })
}

/// The refusal of a `head` whose arrow is a call already: a macro around this `select!` did not know
/// it by its name, and took its arms for statements.
fn read_outside(head: &TokenStream) -> Option<Refusal> {
    let is_path_of_call = |token: &TokenTree| match token {
        TokenTree::Group(group) => group
            .stream()
            .into_iter()
            .any(|token| matches!(token, TokenTree::Ident(word) if word == names::PRIVATE_MODULE)),
        _ => false,
    };
    let first = head.clone().into_iter().next()?.span();
    let call = head.clone().into_iter().find(is_path_of_call)?;
    Some(Refusal::between(
        first,
        call.span(),
        "a macro around this `select!` has read its arrow already",
        "in `chan!`, `go!`, `select!` and `defer!` it has to be called `select!`, as in \
         `gochan::select!`; by another name, write `recv(ch) -> v => …` or `send(ch, value) => …`",
    ))
}

/// Reads `if condition`.
fn guard(rewriter: &mut Rewriter<'_>) -> Result<Option<Guard>, Refusal> {
    if !rewriter.cursor.is_word("if") {
        return Ok(None);
    }
    let span = rewriter.cursor.span();
    rewriter.cursor.take();
    let condition = rewriter.take_value();
    if condition.is_empty() {
        return Err(Refusal::new(
            span,
            "`if` has no condition",
            "an arm whose condition is false is never ready: `recv(ch) if open => …`",
        ));
    }
    Ok(Some(Guard { span, condition }))
}
