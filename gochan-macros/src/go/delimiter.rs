//! Whether a `go!` was written with braces.
//!
//! `go! { f(a) }` runs the call in the goroutine, arguments included; `go!(f(a))` evaluates the
//! arguments first. The tokens are the same, and a macro is not told its delimiter, so it is looked
//! up in the source text before the first token. Where that text cannot be had, or does not look
//! like the start of a macro call (as when another macro passes its arguments on), a block is meant:
//! evaluating a block's operands in the caller could block it for ever.

use proc_macro2::TokenStream;

/// Whether `input` stands in `name! { … }` or `name![ … ]`, or in nothing that is known.
pub fn is_brace(input: &TokenStream) -> bool {
    opening(input) != Some('(')
}

/// The delimiter of the macro call that begins right before `input`.
fn opening(input: &TokenStream) -> Option<char> {
    if !proc_macro::is_available() {
        return None;
    }
    let span = input.clone().into_iter().next()?.span().unwrap();
    let source = std::fs::read_to_string(span.local_file()?).ok()?;
    opening_before(&source, span.line(), span.column())
}

/// The delimiter of the macro call whose first token is at this line and column (both from 1).
fn opening_before(source: &str, line: usize, column: usize) -> Option<char> {
    let start: usize = source
        .split_inclusive('\n')
        .take(line.checked_sub(1)?)
        .map(str::len)
        .sum();
    let line: usize = source
        .get(start..)?
        .chars()
        .take(column.checked_sub(1)?)
        .map(char::len_utf8)
        .sum();
    let before = without_comments(source.get(..start + line)?);
    let delimiter = before.chars().next_back()?;
    let call = before.strip_suffix(['(', '{', '['])?;
    let name = without_comments(call).strip_suffix('!')?;
    let name = without_comments(name);
    name.ends_with(|c: char| c.is_alphanumeric() || c == '_')
        .then_some(delimiter)
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
        opening_before(source, line, column)
    }

    #[test]
    fn finds_the_delimiter() {
        assert_eq!(opening("go!(§"), Some('('));
        assert_eq!(opening("let ä = go! {\n    §"), Some('{'));
        assert_eq!(opening("gochan::go ! ( // why (\n /* { */ §"), Some('('));
        assert_eq!(opening("go!(near, §"), None);
        assert_eq!(opening("f(§"), None);
        assert_eq!(opening("§"), None);
    }
}
