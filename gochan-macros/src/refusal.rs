//! What the macros say when they refuse.

use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::quote_spanned;

/// An error at a place of the user's source.
#[derive(Debug)]
pub struct Refusal {
    first: Span,
    last: Span,
    message: String,
}

impl Refusal {
    /// A refusal of the one token at `span`; `message` says what is wrong, `help` what to write.
    pub fn new(span: Span, message: impl AsRef<str>, help: impl AsRef<str>) -> Self {
        Self::between(span, span, message, help)
    }

    /// A refusal of the tokens from the one at `first` to the one at `last`.
    pub fn between(
        first: Span,
        last: Span,
        message: impl AsRef<str>,
        help: impl AsRef<str>,
    ) -> Self {
        let message = format!("{}\nhelp: {}", message.as_ref(), help.as_ref());
        Self {
            first,
            last,
            message,
        }
    }

    /// The message and its help.
    #[cfg(test)]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// `::core::compile_error! { … }`, which may stand for an expression, a statement or an item.
    pub fn into_tokens(self) -> TokenStream {
        // rustc shows a macro call from its first token to its closing delimiter.
        let colon = |spacing| {
            let mut colon = Punct::new(':', spacing);
            colon.set_span(self.first);
            TokenTree::Punct(colon)
        };
        let mut bang = Punct::new('!', Spacing::Alone);
        bang.set_span(self.first);
        let mut message = Literal::string(&self.message);
        message.set_span(self.last);
        let mut group = Group::new(Delimiter::Brace, TokenTree::from(message).into());
        group.set_span(self.last);
        [
            colon(Spacing::Joint),
            colon(Spacing::Alone),
            Ident::new("core", self.first).into(),
            colon(Spacing::Joint),
            colon(Spacing::Alone),
            Ident::new("compile_error", self.first).into(),
            bang.into(),
            group.into(),
        ]
        .into_iter()
        .collect()
    }
}

/// The refusals as statements.
pub fn statements(refusals: impl IntoIterator<Item = Refusal>, span: Span) -> TokenStream {
    refusals
        .into_iter()
        .map(|refusal| {
            let refusal = refusal.into_tokens();
            quote_spanned!(span=> #refusal;)
        })
        .collect()
}

/// The known word that `word` was probably meant to be.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // A third of the letters wrong is a slip, and one of two; more is another word.
    let slip = |candidate: &str| match word.chars().count().min(candidate.chars().count()) {
        ..=2 => 1,
        _ => word.chars().count() / 3 + 1,
    };
    known
        .iter()
        .map(|candidate| (edit_distance(word, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= slip(candidate))
        .min()
        .map(|(_, nearest)| nearest)
}

/// Edits (insert, delete, replace, swap neighbours) between two words: Damerau's optimal string
/// alignment distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_word() {
        let known = ["name", "stack", "near", "spread", "local", "clone", "in"];
        assert_eq!(nearest("nmae", &known), Some("name"));
        assert_eq!(nearest("lcoal", &known), Some("local"));
        assert_eq!(nearest("spred", &known), Some("spread"));
        assert_eq!(nearest("clones", &known), Some("clone"));
        assert_eq!(nearest("on", &known), Some("in"));
        assert_eq!(nearest("priority", &known), None);
        assert_eq!(nearest("f", &known), None);
        assert_eq!(nearest("of", &known), None);
        assert_eq!(nearest("run", &known), None);
    }
}
