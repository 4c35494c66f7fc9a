//! The macros of gochan. Use them through the `gochan` crate, whose `macro_rules!` wrappers put the
//! path of gochan, as `[$crate]`, in front of what the user wrote; they are documented there.
//!
//! Each macro is read (`ast`), checked (`validate`) and lowered (`expand`). The arrow `<-` is not
//! Rust, so everything works on tokens: `sugar` knows just enough of Rust's grammar to find where
//! an operand begins and ends, and lets everything else pass untouched, half-written code included.

mod chan;
mod cursor;
mod defer;
mod entry;
mod go;
mod make;
mod names;
mod refusal;
mod select;
mod sugar;

use proc_macro::TokenStream;

use names::Names;

/// Rewrites the arrows in statements or items.
#[proc_macro]
pub fn chan(input: TokenStream) -> TokenStream {
    with_names(input, chan::expand)
}

/// Starts a goroutine.
#[proc_macro]
pub fn go(input: TokenStream) -> TokenStream {
    with_names(input, go::expand)
}

/// Waits for the first of several communications.
#[proc_macro]
pub fn select(input: TokenStream) -> TokenStream {
    with_names(input, select::expand)
}

/// Makes a channel.
#[proc_macro]
pub fn make(input: TokenStream) -> TokenStream {
    with_names(input, make::expand)
}

/// Runs a block at the end of the enclosing one.
#[proc_macro]
pub fn defer(input: TokenStream) -> TokenStream {
    with_names(input, defer::expand)
}

/// Runs `main` as the main goroutine of the default runtime.
///
/// `main` keeps its signature: it returns nothing, a `Result`, an `ExitCode` or anything else that
/// implements `std::process::Termination`. When it returns, the process ends.
///
/// Options set up that runtime, and are the methods of `gochan::runtime::Config`:
/// `#[gochan::main(workers = 2, stack_size = 1 << 20)]`.
///
/// `crate = path` says where gochan is, where it is known neither as `gochan` nor by the path in the
/// attribute itself (`#[gc::main]`).
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(entry::Kind::Main, options.into(), item.into()).into()
}

/// Runs a test as the main goroutine of a runtime of its own.
///
/// Options are those of [`macro@main`]; of use here are above all `workers = n`, `seed = n` (replays a
/// schedule) and `virtual_time = true` (the clock jumps to the next timer when nothing can run). Other
/// attributes, such as `#[should_panic]` and `#[ignore]`, stay.
///
/// A goroutine that panics fails the test only if the test joins it and unwraps the result, or if it
/// belongs to a scope.
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(entry::Kind::Test, options.into(), item.into()).into()
}

/// Takes the path of gochan off the input and expands the rest.
fn with_names(
    input: TokenStream,
    expand: fn(proc_macro2::TokenStream, &Names) -> proc_macro2::TokenStream,
) -> TokenStream {
    let (names, rest) = Names::split(input.into());
    expand(rest, &names).into()
}
