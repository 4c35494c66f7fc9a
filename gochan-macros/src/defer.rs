//! `defer! { … }`: a guard that runs the block when it is dropped.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use crate::names::{self, Names};
use crate::refusal::Refusal;
use crate::sugar;

/// `let guard = defer(|| { … });`. The guard's name is the macro's own, so one does not replace
/// another.
pub fn expand(input: TokenStream, names: &Names) -> TokenStream {
    if input.is_empty() {
        return Refusal::new(
            Span::call_site(),
            "`defer!` has no body",
            "write what is to run at the end of the block: `defer! { wg.done() }`",
        )
        .into_tokens();
    }
    let span = Span::mixed_site();
    let defer = names.private("defer", span);
    let guard = names::variable("guard", span);
    let body = sugar::statements(input, names).into_block();
    quote_spanned! {span=>
        let #guard = #defer(|| #body);
    }
}
