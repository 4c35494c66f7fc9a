//! The macros, as users see them. Each hands `$crate` to the procedural macro of its name, so that
//! they find gochan when it is renamed and inside other crates' macros.

/// Go's channel arrow in Rust: `<-ch` receives, `ch <- value` sends.
///
/// Takes statements, and is then a block, or items only, and then emits them: whole functions and
/// modules can be written in it. Among items, a call of a macro is taken for an item. Everything but
/// the arrows is plain Rust.
///
/// - `<-ch` waits for a value and is an `Option`: `None` when the channel is closed and drained. It
///   is [`Receiver::recv`](crate::Receiver::recv). It binds as Rust's prefix operators do: tighter
///   than any binary operator, looser than `.`, calls, indexing and `?`. So `<-self.jobs` receives
///   from the field, and a method of the result needs parentheses: `(<-ch).unwrap()`.
/// - `ch <- value;` waits until the value is taken or buffered. It is a statement, the body of a
///   match arm or the body of a closure, and has no value;
///   [`Sender::send`](crate::Sender::send) has one.
///
/// The arrow works at any depth, in the arguments of other macros, and in the bodies of
/// [`go!`](crate::go), [`select!`](crate::select!) and [`defer!`](crate::defer) without a `chan!`
/// around them.
///
/// # Panics
///
/// Sending on a closed channel panics. Sending on an abandoned one (all receiving handles are
/// dropped) ends the goroutine quietly, as if by [`goexit`](crate::goexit); on the main goroutine or
/// an ordinary thread it panics.
///
/// # Examples
///
/// ```
/// use gochan::prelude::*;
///
/// let squares = make!(chan u64, 3);
/// chan! {
///     for n in 1..=3 {
///         squares <- n * n;
///     }
///     squares.close();
///     while let Some(square) = <-squares {
///         println!("{square}");
///     }
///     assert_eq!(<-squares, None);
/// }
/// ```
///
/// Items:
///
/// ```
/// use gochan::prelude::*;
///
/// chan! {
///     /// Passes on what is even.
///     fn evens(from: Receiver<u32>, to: Sender<u32>) {
///         while let Some(n) = <-from {
///             if n % 2 == 0 {
///                 to <- n;
///             }
///         }
///     }
/// }
///
/// let (from, to) = (make!(chan u32, 4), make!(chan u32, 4));
/// for n in 1..=4 {
///     from.send(n).unwrap();
/// }
/// from.close();
/// evens(from.into(), to.sender());
/// to.close();
/// assert_eq!(to.iter().collect::<Vec<_>>(), [2, 4]);
/// ```
///
/// `a <-b` is always an arrow, as in Go; a comparison with a negative number needs a space:
///
/// ```
/// # use gochan::prelude::*;
/// let a = -3;
/// assert!(chan! { a < -1 });
/// ```
#[macro_export]
macro_rules! chan {
    ($($input:tt)*) => {
        $crate::__private::macros::chan! { [$crate] $($input)* }
    };
}

/// Starts a goroutine, and is its [`JoinHandle`](crate::JoinHandle).
///
/// | form | meaning |
/// |---|---|
/// | `go! { … }` | runs the block; it captures by move |
/// | `go!(f(a, b))`, `go!(x.m(a))` | evaluates callee, receiver and arguments now, calls in the goroutine |
/// | `go!(clone(ch, wg), { … })` | clones these variables first and moves the clones in |
/// | `go!(name = "fetcher", stack = 1 << 20, { … })` | a name for messages, a stack size in bytes |
/// | `go!(near, { … })`, `go!(spread, { … })` | starts on this worker, or on the least loaded one |
/// | `go!(local, { … })` | stays on this worker: the body need not be `Send` |
/// | `go!(in s, { … })` | in a [`scope`](crate::scope())`(\|s\| …)`: may borrow from the enclosing frame |
///
/// What stands between braces is always a block: `go! { f(a()) }` calls `a` in the goroutine,
/// `go!(f(a()))` before it starts. (A macro that passes its tokens on to `go!` hides which it was, and so
/// does another name for `go!`; there a single call is a call, unless its receiver calls something
/// itself, as in `x.a().b()`. To be sure, write `go!({ … })` there for a block.)
///
/// Options come in any order before the body, which is a block or a call. The arrows `<-ch` and
/// `ch <- value` work in it, as in [`chan!`](crate::chan!).
///
/// In `clone(…)`, `mut` makes the clone mutable: `clone(mut counter)`.
///
/// As a statement, `go! { … }` ends with a semicolon, for it has a value. A scoped goroutine captures
/// by move too: what it shall share with the enclosing frame, it captures as a reference, such as
/// `let total = &total;` before the `go!`.
///
/// # Panics
///
/// A panic in a goroutine ends that goroutine, and reaches whoever joins it.
///
/// `go!` itself panics if there is no room for another stack, or the default runtime cannot start
/// ([`goroutine::Builder`](crate::goroutine::Builder) returns the error instead), and
/// `go!(local, …)` outside of a goroutine.
///
/// # Examples
///
/// ```
/// use gochan::prelude::*;
///
/// let results = make!(chan String);
/// for id in 0..3 {
///     go!(clone(results), name = format!("worker {id}"), {
///         results <- format!("hello from {id}");
///     });
/// }
/// for _ in 0..3 {
///     println!("{}", results.recv().unwrap());
/// }
/// ```
///
/// A call, whose operands are evaluated before the goroutine starts:
///
/// ```
/// use gochan::prelude::*;
///
/// fn add(a: u32, b: u32) -> u32 {
///     a + b
/// }
///
/// let mut n = 1;
/// let sum = go!(add(n + 1, 40));
/// n += 1;
/// assert_eq!(sum.join().unwrap(), 42);
/// # let _ = n;
/// ```
///
/// Borrowing from the enclosing frame:
///
/// ```
/// use gochan::prelude::*;
///
/// let words = vec!["to", "be"];
/// gochan::scope(|s| {
///     for word in &words {
///         go!(in s, { println!("{word}") });
///     }
/// });
/// ```
#[macro_export]
macro_rules! go {
    ($($input:tt)*) => {
        $crate::__private::macros::go! { [$crate] $($input)* }
    };
}

/// Waits for the first of several communications, and does exactly one.
///
/// | arm | or | |
/// |---|---|---|
/// | `recv(ch) => …` | `<-ch => …` | |
/// | `recv(ch) -> v => …` | `v = <-ch => …` | `v: Option<T>`, `None` when closed and drained |
/// | `send(ch, value) => …` | `ch <- value => …` | closed: panics; abandoned: ends the goroutine |
/// | `send(ch, value) -> sent => …` | | `sent: Result<(), SendError<T>>`; nothing panics |
/// | `send(ch, take slot) => …` | | `slot: Option<T>`; `None` is never ready, `Some` is moved out only if this send happens |
/// | `after(duration) => …` | | ready when that time has passed |
/// | `default => …` | | nothing is ready: do this, do not wait |
///
/// - Any arm but `default` may have a condition, `recv(ch) if open => …`. One that is false makes it
///   never ready.
/// - A channel may be an `Option` of a handle, or of a reference to one; `None` is never ready, like
///   Go's nil channel.
/// - Among ready arms the choice is random and fair; `select! { biased; … }` takes the first ready arm
///   in source order.
/// - Conditions, channels and values are evaluated once, in source order, before it waits.
/// - `select!` is an expression. Its arms have one type; they may `break`, `continue`, `return`, use
///   `?` and arrows.
/// - `select! {}` blocks for ever.
///
/// In `chan!`, `go!`, `defer!` and other `select!`s it has to be called by the name `select!`, with or
/// without a path. By another name (`use gochan::select as choose;`) only the forms `recv(…)` and
/// `send(…)` work there: the macro around it reads the arrows.
///
/// A variable named `take` must stand in parentheses to be sent: `send(ch, (take))`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gochan::prelude::*;
///
/// let (numbers, quit) = (make!(chan u32, 1), make!(chan ()));
/// numbers.send(7).unwrap();
/// let received = select! {
///     recv(numbers) -> n => n,
///     recv(quit) => None,
///     after(Duration::from_secs(5)) => None,
/// };
/// assert_eq!(received, Some(7));
/// ```
///
/// A value that is offered until it is taken:
///
/// ```
/// use gochan::prelude::*;
///
/// let out = make!(chan String, 1);
/// let mut pending = Some("event".to_owned());
/// while pending.is_some() {
///     select! {
///         send(out, take pending) => println!("sent"),
///         default => println!("nobody takes it yet"),
///     }
/// }
/// assert_eq!(out.recv().as_deref(), Some("event"));
/// ```
#[macro_export]
macro_rules! select {
    ($($input:tt)*) => {
        $crate::__private::macros::select! { [$crate] $($input)* }
    };
}

/// Makes a channel: `make!(chan T)` an unbuffered one, `make!(chan T, n)` one that buffers `n`
/// values. It is a [`Chan<T>`](crate::Chan).
///
/// # Panics
///
/// If a buffer of that capacity cannot be allocated.
///
/// # Examples
///
/// ```
/// use gochan::prelude::*;
///
/// let jobs: Chan<(u32, String)> = make!(chan (u32, String), 8);
/// assert_eq!(jobs.capacity(), Some(8));
/// assert_eq!(make!(chan i32).capacity(), Some(0));
/// ```
#[macro_export]
macro_rules! make {
    ($($input:tt)*) => {
        $crate::__private::macros::make! { [$crate] $($input)* }
    };
}

/// Runs a block at the end of the enclosing one: when it is left by its end, by `return`, `?`,
/// `break`, or by a panic or [`goexit`](crate::goexit) that unwinds. Of several, the last is run
/// first.
///
/// The block borrows what it names from here on; the arrows work in it, as in
/// [`chan!`](crate::chan!).
///
/// # Examples
///
/// ```
/// use gochan::prelude::*;
///
/// let done = make!(chan &str, 2);
/// {
///     defer! { done <- "first deferred" }
///     defer! { done <- "last deferred" }
/// }
/// assert_eq!(done.recv(), Some("last deferred"));
/// assert_eq!(done.recv(), Some("first deferred"));
/// ```
#[macro_export]
macro_rules! defer {
    ($($input:tt)*) => {
        $crate::__private::macros::defer! { [$crate] $($input)* }
    };
}

/// Declares variables of which each goroutine has its own, in the manner of
/// [`thread_local!`](std::thread_local): each is a
/// [`goroutine::LocalKey`](crate::goroutine::LocalKey), where it is said when the values are made
/// and dropped.
///
/// The value after `=` is computed in each goroutine that uses the variable, when it first does.
/// `= const { … }` computes it when the program is built.
///
/// # Examples
///
/// ```
/// use gochan::goroutine_local;
/// use gochan::prelude::*;
/// use std::cell::{Cell, RefCell};
///
/// goroutine_local! {
///     /// Which request the goroutine serves.
///     static REQUEST_ID: Cell<u64> = const { Cell::new(0) };
///     static NOTES: RefCell<Vec<String>> = RefCell::new(vec!["begin".to_owned()]);
/// }
///
/// #[gochan::main]
/// fn main() {
///     let requests = (1..=2).map(|id| {
///         go!({
///             REQUEST_ID.set(id);
///             gochan::yield_now();
///             NOTES.with_borrow_mut(|notes| notes.push(format!("request {}", REQUEST_ID.get())));
///             NOTES.take()
///         })
///     });
///     for (handle, id) in requests.collect::<Vec<_>>().into_iter().zip(1..) {
///         assert_eq!(handle.join().unwrap(), ["begin".to_owned(), format!("request {id}")]);
///     }
/// }
/// ```
#[macro_export]
macro_rules! goroutine_local {
    // Items have no hygiene: the names in here are such as no value would mention.
    () => {};
    (
        $(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = const $init:block
        $(; $($rest:tt)*)?
    ) => {
        $(#[$attribute])*
        $visibility static $name: $crate::goroutine::LocalKey<$type> = {
            const GOCHAN_INIT: $type = $init;
            $crate::__private::thread_local! {
                static GOCHAN_ON_THREAD: $type = const { GOCHAN_INIT };
            }
            $crate::goroutine::LocalKey::__new(|| GOCHAN_INIT, &GOCHAN_ON_THREAD)
        };
        $($crate::goroutine_local! { $($rest)* })?
    };
    (
        $(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $init:expr
        $(; $($rest:tt)*)?
    ) => {
        $(#[$attribute])*
        $visibility static $name: $crate::goroutine::LocalKey<$type> = {
            fn gochan_init() -> $type {
                $init
            }
            $crate::__private::thread_local! { static GOCHAN_ON_THREAD: $type = gochan_init(); }
            $crate::goroutine::LocalKey::__new(gochan_init, &GOCHAN_ON_THREAD)
        };
        $($crate::goroutine_local! { $($rest)* })?
    };
}
