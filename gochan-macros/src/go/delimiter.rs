//! Whether a `go!` was written with braces.
//!
//! `go! { f(a()) }` runs the call in the goroutine, arguments included; `go!(f(a()))` evaluates the
//! arguments first. The tokens are the same, and a macro is not told its delimiter, so it is looked
//! up in the source text before the first token.
//!
//! That text cannot always be had: in some doctests, in editors, and where another macro passes its
//! tokens on. Then the body's form decides, see [`Written::Unknown`].

use proc_macro2::TokenStream;

/// How a `go!` was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// `go! { … }`: a block.
    Braces,
    /// `go!(…)`: what looks like a call is one.
    Parentheses,
    /// Nobody knows. `f(a())` is taken for a call and `x.a().b()` for a block: where the other was
    /// meant, the first evaluates something early that seldom matters, while to evaluate `x.a()`
    /// early (a send, a wait) could block the caller for ever.
    Unknown,
}

/// How the `go!` around `input` was written.
pub fn of(input: &TokenStream) -> Written {
    match opening(input) {
        Some('(') => Written::Parentheses,
        Some(_) => Written::Braces,
        None => Written::Unknown,
    }
}

/// The delimiter of the macro call that begins right before `input`.
fn opening(input: &TokenStream) -> Option<char> {
    if !proc_macro::is_available() {
        return None;
    }
    let span = input.clone().into_iter().next()?.span().unwrap();
    let source = std::fs::read_to_string(span.local_file()?).ok()?;
    opening_before(&source, span.line(), span.column(), &span.source_text()?)
}

/// The delimiter of the macro call whose first token is `token`, at this line and column (both from
/// 1); nothing if that token is not there, or something else than a macro call is before it.
fn opening_before(source: &str, line: usize, column: usize, token: &str) -> Option<char> {
    let start: usize = source
        .split_inclusive('\n')
        .take(line.checked_sub(1)?)
        .map(str::len)
        .sum();
    let indent: usize = source
        .get(start..)?
        .chars()
        .take(column.checked_sub(1)?)
        .map(char::len_utf8)
        .sum();
    let (before, after) = source.split_at_checked(start + indent)?;
    if !after.starts_with(token) {
        return None;
    }
    // What stands right before the token is no comment, even if a string with `//` is before it.
    delimiter_of_go(before.trim_end()).or_else(|| delimiter_of_go(without_comments(before)))
}

/// The delimiter of the `go!` that the text ends with. Another macro's is not the one of a `go!` that
/// it becomes.
fn delimiter_of_go(before: &str) -> Option<char> {
    let delimiter = before.chars().next_back()?;
    let call = before.strip_suffix(['(', '{', '['])?.trim_end();
    let name = call.strip_suffix('!')?.trim_end();
    let path = name.strip_suffix("go")?;
    (!path.ends_with(|c: char| c.is_alphanumeric() || c == '_')).then_some(delimiter)
}

/// `text` without the spaces and comments at its end.
fn without_comments(mut text: &str) -> &str {
    loop {
        let trimmed = text.trim_end();
        let last_line = trimmed.rfind('\n').map_or(0, |at| at + 1);
        text = if let Some(comment) = trimmed[last_line..].find("//") {
            &trimmed[..last_line + comment]
        } else if trimmed.ends_with("*/") {
            match trimmed.rfind("/*") {
                Some(comment) => &trimmed[..comment],
                None => return trimmed,
            }
        } else {
            return trimmed;
        };
    }
}

#[cfg(test)]
mod tests {
    use super::opening_before;

    /// The delimiter before the first `§`.
    fn opening(source: &str) -> Option<char> {
        let at = source.find('§').unwrap();
        let line = source[..at].matches('\n').count() + 1;
        let line_start = source[..at].rfind('\n').map_or(0, |at| at + 1);
        let column = source[line_start..at].chars().count() + 1;
        opening_before(source, line, column, "§")
    }

    #[test]
    fn finds_the_delimiter() {
        assert_eq!(opening("go!(§"), Some('('));
        assert_eq!(opening("let ä = go! {\n    §"), Some('{'));
        assert_eq!(opening("gochan::go ! ( // why (\n /* { */ §"), Some('('));
        assert_eq!(opening("f(\"a://b\", || go! { §"), Some('{'));
        assert_eq!(opening("f(\"/*\"); go!(§"), Some('('));
        assert_eq!(opening("go!(near, §"), None);
        assert_eq!(opening("later! { §"), None);
        assert_eq!(opening("ergo!(§"), None);
        assert_eq!(opening("f(§"), None);
        assert_eq!(opening("§"), None);
        assert_eq!(opening_before("go!(other", 1, 5, "token"), None);
    }
}
