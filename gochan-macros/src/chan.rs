//! `chan! { … }`: statements or items with arrows.

use proc_macro2::{TokenStream, TokenTree};

use crate::names::Names;
use crate::sugar;

/// Items stay items; statements become a block.
pub fn expand(input: TokenStream, names: &Names) -> TokenStream {
    let statements = sugar::statements(input, names);
    if statements.only_items {
        return statements.tokens;
    }
    TokenTree::from(statements.into_block()).into()
}
