//! `go!`: starts a goroutine.

mod ast;
mod delimiter;
mod expand;
mod validate;

use proc_macro2::TokenStream;

use crate::names::Names;

/// Reads, checks and lowers a `go!`.
pub fn expand(input: TokenStream, names: &Names) -> TokenStream {
    let braces = delimiter::is_brace(&input);
    let go = ast::parse(input, braces, names);
    let refusals = validate::check(&go);
    expand::expand(go, refusals, names)
}

#[cfg(test)]
mod tests;
