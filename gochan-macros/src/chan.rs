//! `chan! { … }`: statements or items with arrows.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};

use crate::names::Names;
use crate::sugar;

/// Items stay items; statements become a block.
pub fn expand(input: TokenStream, names: &Names) -> TokenStream {
    let statements = sugar::statements(input, names);
    if statements.only_items {
        return statements.tokens;
    }
    let mut block = Group::new(Delimiter::Brace, statements.tokens);
    block.set_span(Span::mixed_site());
    TokenTree::from(block).into()
}
