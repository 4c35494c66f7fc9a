//! `#[gochan::main]` and `#[gochan::test]`: functions that run as a main goroutine.

mod ast;
mod expand;
mod validate;

use proc_macro2::TokenStream;

/// Which of the two attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `#[gochan::main]`
    Main,
    /// `#[gochan::test]`
    Test,
}

impl Kind {
    /// The attribute as users know it.
    const fn attribute(self) -> &'static str {
        match self {
            Self::Main => "#[gochan::main]",
            Self::Test => "#[gochan::test]",
        }
    }
}

/// Reads, checks and lowers a function with one of the attributes.
pub fn expand(kind: Kind, options: TokenStream, item: TokenStream) -> TokenStream {
    let options = ast::options(options);
    let Some(function) = ast::function(item.clone()) else {
        return validate::not_a_function(kind, item);
    };
    let refusals = validate::check(kind, &options, &function);
    if refusals.is_empty() {
        expand::expand(kind, &options, &function)
    } else {
        expand::refused(refusals, function)
    }
}

#[cfg(test)]
mod tests;
