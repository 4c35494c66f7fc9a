//! How generated code names gochan.

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};

/// The module of what generated code calls.
pub const PRIVATE_MODULE: &str = "__private";

/// A variable of generated code's own. Hygiene hides it from the user's code, but a constant or a
/// static of that name would turn the binding into a pattern: so it has a name that nobody else uses.
pub fn variable(name: &str, span: Span) -> Ident {
    format_ident!("gochan_{name}", span = span)
}

/// The path of the gochan crate, as generated code may write it.
pub struct Names {
    krate: TokenStream,
}

impl Names {
    /// Splits `[$crate] rest`, which is what the wrappers in gochan hand over.
    pub fn split(input: TokenStream) -> (Self, TokenStream) {
        let mut rest = input.clone().into_iter();
        if let Some(TokenTree::Group(group)) = rest.next()
            && group.delimiter() == Delimiter::Bracket
        {
            return (Self::at(group.stream()), rest.collect());
        }
        (Self::at(quote!(::gochan)), input)
    }

    /// The names under `krate`.
    pub fn at(krate: TokenStream) -> Self {
        Self { krate }
    }

    /// `$crate::__private::name`, shown at `span`.
    pub fn private(&self, name: &str, span: Span) -> TokenStream {
        let [module, name] = [PRIVATE_MODULE, name].map(|word| Ident::new(word, span));
        let krate = self.krate(span);
        quote_spanned!(span=> #krate::#module::#name)
    }

    /// `$crate::rest`, shown at `span`.
    pub fn public(&self, rest: &TokenStream, span: Span) -> TokenStream {
        let krate = self.krate(span);
        quote_spanned!(span=> #krate::#rest)
    }

    /// The path itself, shown at `span`. Its own hygiene stays: `$crate` means what it meant.
    fn krate(&self, span: Span) -> TokenStream {
        let shown_at = |mut token: TokenTree| {
            token.set_span(token.span().located_at(span));
            token
        };
        self.krate.clone().into_iter().map(shown_at).collect()
    }
}
