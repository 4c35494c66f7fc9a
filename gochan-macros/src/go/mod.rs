//! `go!`: starts a goroutine.

mod ast;
mod delimiter;
mod expand;
mod validate;

use proc_macro2::TokenStream;

use crate::names::Names;

/// Reads, checks and lowers a `go!`.
pub fn expand(input: TokenStream, names: &Names) -> TokenStream {
    let written = delimiter::of(&input);
    let go = ast::parse(input, written, names);
    let refusals = validate::check(&go);
    expand::expand(go, refusals, names)
}

#[cfg(test)]
mod tests;
