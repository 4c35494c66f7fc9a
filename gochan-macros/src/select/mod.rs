//! `select!`: waits for the first of several communications.

mod ast;
mod expand;
mod validate;

use proc_macro2::TokenStream;

use crate::names::Names;

/// Reads, checks and lowers a `select!`.
pub fn expand(input: TokenStream, names: &Names) -> TokenStream {
    let select = ast::parse(input, names);
    let refusals = validate::check(&select);
    expand::expand(select, refusals, names)
}

#[cfg(test)]
mod tests;
