//! Items and types: what is passed over, and the bodies in it.

use proc_macro2::{Delimiter, Group, TokenTree};

use super::Rewriter;
use crate::cursor::Cursor;

/// Words before a `!` that begin a statement or a value, whatever stands beside it: macros of gochan
/// and of the standard library, and keywords. Any other macro may be an item.
const NEVER_ITEMS: &[&str] = &[
    "return",
    "break",
    "go",
    "select",
    "make",
    "defer",
    "assert",
    "assert_eq",
    "assert_ne",
    "dbg",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "eprint",
    "eprintln",
    "format",
    "matches",
    "panic",
    "print",
    "println",
    "todo",
    "unimplemented",
    "unreachable",
    "vec",
    "write",
    "writeln",
];

/// What is inside an item.
enum Inside {
    /// Statements in a body, or nothing.
    Statements,
    /// Other items.
    Items,
    /// A value after `=`.
    Value,
    /// Nothing that could hold an arrow.
    Nothing,
    /// Nothing is left: all of it has been copied.
    Copied,
}

impl Rewriter<'_> {
    /// Whether an item is next.
    pub(super) fn at_item(&self) -> bool {
        let mut at = 0;
        if let Some(group) = self.cursor.group(0, Delimiter::None) {
            if !group.stream().is_empty() {
                return self.inside(group).at_item();
            }
            // A macro's `$vis` that says nothing.
            at = 1;
        }
        let Some(word) = self.cursor.word(at) else {
            return false;
        };
        let next = self.cursor.word(at + 1).map(ToString::to_string);
        let next = next.as_deref();
        match word.to_string().as_str() {
            "pub" | "fn" | "mod" | "struct" | "enum" | "trait" | "impl" | "use" | "type"
            | "extern" => true,
            "static" => !matches!(next, None | Some("move" | "async")),
            // Not `const { … }`; and a closure has no name.
            "const" => next.is_some_and(|next| next != "move"),
            "async" => matches!(next, Some("fn" | "unsafe" | "extern")),
            "unsafe" => matches!(
                next,
                Some("fn" | "impl" | "trait" | "extern" | "mod" | "auto")
            ),
            // The macros of the standard library that are items.
            "macro_rules" | "thread_local" | "include" => self.cursor.op_ahead(at + 1) == "!",
            // Not a variable of that name.
            "union" | "auto" | "default" | "safe" => next.is_some_and(|next| next != "as"),
            _ => false,
        }
    }

    /// Whether a macro call is next that may be an item: `name! { … }` or `name!(…);`.
    pub(super) fn at_macro_call(&self) -> bool {
        if let Some(group) = self.cursor.group(0, Delimiter::None) {
            return self.inside(group).at_macro_call();
        }
        let op = |ahead| self.cursor.op_ahead(ahead);
        let mut ahead = if op(0) == "::" { 2 } else { 0 };
        while self.cursor.word(ahead).is_some() && op(ahead + 1) == "::" {
            ahead += 3;
        }
        let Some(name) = self.cursor.word(ahead) else {
            return false;
        };
        let whole = match self.cursor.peek(ahead + 2) {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                !matches!(op(ahead + 3), "." | "?")
            }
            Some(TokenTree::Group(_)) => op(ahead + 3) == ";",
            _ => false,
        };
        whole && op(ahead + 1) == "!" && !NEVER_ITEMS.iter().any(|never| name == never)
    }

    /// What a macro has handed over as one piece, `$item` or `$vis`, behind its attributes.
    fn inside(&self, group: &Group) -> Rewriter<'_> {
        let mut inside = Rewriter::new(group.stream(), self.names);
        inside.copy_attributes();
        inside
    }

    /// Copies one item.
    pub(super) fn item(&mut self) {
        if let Some(group) = self.cursor.group(0, Delimiter::None) {
            let is_visibility = is_visibility(group);
            self.copy();
            if !is_visibility {
                return;
            }
        }
        match self.keyword() {
            Inside::Statements => {
                self.copy_header(&[';']);
                self.copy_block();
            }
            Inside::Items => {
                self.copy_header(&[';']);
                if self.cursor.group(0, Delimiter::Brace).is_some() {
                    self.copy_group(|inner| {
                        inner.all_statements();
                    });
                }
            }
            Inside::Value => {
                self.copy_header(&['=', ';']);
                if self.cursor.op() == "=" {
                    self.copy();
                    self.value();
                }
            }
            Inside::Nothing => {
                self.copy_header(&[';']);
                if self.cursor.group(0, Delimiter::Brace).is_some() {
                    self.copy();
                }
            }
            Inside::Copied => {}
        }
        if self.cursor.op() == ";" {
            self.copy();
        }
    }

    /// Copies the item's modifiers and its keyword.
    fn keyword(&mut self) -> Inside {
        loop {
            let Some(word) = self.cursor.word(0) else {
                return Inside::Nothing;
            };
            let word = word.to_string();
            let modifier = match word.as_str() {
                "pub" => {
                    self.copy();
                    if self.cursor.group(0, Delimiter::Parenthesis).is_some() {
                        self.copy();
                    }
                    continue;
                }
                "const" => self.cursor.word(1).is_some_and(|next| {
                    ["fn", "unsafe", "async", "extern"]
                        .iter()
                        .any(|w| next == w)
                }),
                "unsafe" | "async" | "default" | "safe" | "auto" => true,
                "extern" => {
                    self.copy();
                    if matches!(self.cursor.peek(0), Some(TokenTree::Literal(_))) {
                        self.copy();
                    }
                    if self.cursor.group(0, Delimiter::Brace).is_some() {
                        return Inside::Items;
                    }
                    continue;
                }
                _ => false,
            };
            self.copy();
            if modifier {
                continue;
            }
            return match word.as_str() {
                "fn" => Inside::Statements,
                "mod" | "trait" | "impl" => Inside::Items,
                "const" | "static" => Inside::Value,
                "use" | "type" | "crate" => {
                    self.copy_until(&[";"], "");
                    Inside::Copied
                }
                "macro_rules" => {
                    // Its arrows are its own affair.
                    while !self.cursor.is_end()
                        && !matches!(self.cursor.peek(0), Some(TokenTree::Group(_)))
                    {
                        self.copy();
                    }
                    self.copy();
                    Inside::Copied
                }
                _ => Inside::Nothing,
            };
        }
    }

    /// Copies the head of an item, or a type: up to a block or one of the `stops` outside of
    /// angle brackets.
    pub(super) fn copy_header(&mut self, stops: &[char]) {
        let mut depth = 0_usize;
        while let Some(token) = self.cursor.peek(0) {
            match token {
                TokenTree::Group(group) if depth == 0 && group.delimiter() == Delimiter::Brace => {
                    return;
                }
                TokenTree::Punct(punct) => {
                    if depth == 0 && stops.contains(&punct.as_char()) {
                        return;
                    }
                    if self.cursor.op() == "->" {
                        self.copy_op();
                        continue;
                    }
                    match punct.as_char() {
                        '<' => depth += 1,
                        '>' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                }
                _ => {}
            }
            self.copy();
        }
    }

    /// Copies `<…>`.
    pub(super) fn copy_angle(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.cursor.peek(0) {
            if let TokenTree::Punct(punct) = token {
                match punct.as_char() {
                    '<' => depth += 1,
                    '>' => depth = depth.saturating_sub(1),
                    ';' => return,
                    '-' if self.cursor.op() == "->" => self.copy(),
                    _ => {}
                }
            }
            self.copy();
            if depth == 0 {
                return;
            }
        }
    }

    /// Copies a type, as it stands after `as` and `->`.
    pub(super) fn copy_type(&mut self) {
        loop {
            match self.cursor.op() {
                "&" | "&&" | "*" => self.copy_op(),
                _ if self.cursor.lifetime(0) > 0 => self.copy_many(self.cursor.lifetime(0)),
                "" => {
                    let prefix = self.cursor.word(0).is_some_and(|word| {
                        ["mut", "const", "dyn", "impl"].iter().any(|w| word == w)
                    });
                    if !prefix {
                        break;
                    }
                    self.copy();
                }
                _ => break,
            }
        }
        match self.cursor.op() {
            "!" => return self.copy(),
            "<" | "<<" => self.copy_angle(),
            "::" | "$" => {}
            "" => match self.cursor.peek(0) {
                Some(TokenTree::Group(group)) => {
                    if group.delimiter() != Delimiter::Brace {
                        self.copy();
                    }
                    return;
                }
                Some(TokenTree::Ident(word))
                    if ["fn", "unsafe", "extern", "for"].iter().any(|w| word == w) =>
                {
                    return self.copy_function_type();
                }
                _ => self.copy(),
            },
            _ => return,
        }
        self.copy_type_path();
    }

    /// Copies what follows the first segment of a type's path.
    fn copy_type_path(&mut self) {
        loop {
            match self.cursor.op() {
                "::" => {
                    self.copy_op();
                    if self.cursor.word(0).is_some() {
                        self.copy();
                    }
                }
                "<" => self.copy_angle(),
                "$" => self.copy_many(2),
                // A macro's call.
                "!" if matches!(self.cursor.peek(1), Some(TokenTree::Group(_))) => {
                    return self.copy_many(2);
                }
                _ => break,
            }
        }
        if self.cursor.group(0, Delimiter::Parenthesis).is_some() && self.cursor.op_ahead(1) == "->"
        {
            self.copy();
            self.copy_op();
            self.copy_type();
        }
    }

    /// Copies `for<'a> unsafe extern "C" fn(…) -> T`.
    fn copy_function_type(&mut self) {
        while !self.cursor.is_end() && self.cursor.group(0, Delimiter::Parenthesis).is_none() {
            if self.cursor.op() == "<" {
                self.copy_angle();
            } else {
                self.copy();
            }
        }
        self.copy();
        if self.cursor.op() == "->" {
            self.copy_op();
            self.copy_type();
        }
    }
}

/// Whether it is a macro's `$vis`, and not its `$item`.
fn is_visibility(group: &Group) -> bool {
    let mut cursor = Cursor::new(group.stream());
    if cursor.is_word("pub") {
        cursor.take();
        if cursor.group(0, Delimiter::Parenthesis).is_some() {
            cursor.take();
        }
    }
    cursor.is_end()
}
