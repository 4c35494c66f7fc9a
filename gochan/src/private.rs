//! What the macros expand to. Not part of the public API: it changes without notice.

pub use crate::channel::Chan;
pub use crate::runtime::placement::Site;
pub use crate::select::arm::{AfterArm, Arm, RecvArm, SendArm};
pub use crate::select::operand::{
    RecvOperand, SelectRecv, SelectSend, SendOperand, Slot, take_slot,
};
pub use gochan_macros as macros;
pub use std::thread_local;

use crate::join::{Failure, JoinHandle};
use crate::message;
use crate::runtime::placement::Wish;
use crate::runtime::{self, Config, Kind, Runtime, SpawnOptions};
use crate::scope::{Scope, ScopedJoinHandle};
use crate::select::arm::{Look, lock_of};
use crate::select::wait::{self, Limit, Order, Request, Scratch};
use crate::wait::{BiasedLock, WaitFrame, Wake};
use std::fmt;
use std::panic::Location;
use std::process::{ExitCode, Termination};
use std::ptr;
use std::sync::Arc;

// ----- sugar ------------------------------------------------------------------------------

/// `<-ch`
#[inline(always)]
#[track_caller]
pub fn recv<R: RecvOperand<Item = T> + ?Sized, T>(ch: &R) -> Option<T> {
    let channel = ch.receiving().channel();
    channel.recv(Location::caller())
}

/// `ch <- value;`
#[inline(always)]
#[track_caller]
pub fn send<S: SendOperand<Item = T> + ?Sized, T>(ch: &S, value: T) {
    let channel = ch.sending().channel();
    if let Err((value, refusal)) = channel.send(value, Location::caller()) {
        crate::refuse_send(Some(value), refusal);
    }
}

/// `make!(chan T, capacity)`
#[track_caller]
pub fn make<T>(capacity: usize) -> Chan<T> {
    Chan::new(capacity)
}

/// `defer! { … }`
pub fn defer<F: FnOnce()>(f: F) -> Defer<F> {
    Defer(Some(f))
}

/// Runs its closure when it is dropped.
#[must_use = "a deferred block runs at once if its guard is not kept"]
pub struct Defer<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Defer<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

impl<F: FnOnce()> fmt::Debug for Defer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Defer").finish_non_exhaustive()
    }
}

// ----- go! --------------------------------------------------------------------------------

/// The options of a `go!`.
#[derive(Clone, Debug, Default)]
pub struct GoOptions(SpawnOptions);

impl GoOptions {
    /// None.
    #[inline]
    pub const fn new() -> Self {
        GoOptions(SpawnOptions {
            name: None,
            stack_size: None,
            wish: Wish::Adaptive,
        })
    }

    /// `name = …`
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.0.name = Some(Arc::new(name.into()));
        self
    }

    /// `stack = …`
    pub fn stack(mut self, bytes: usize) -> Self {
        self.0.stack_size = Some(bytes);
        self
    }

    /// `near`
    pub fn near(mut self) -> Self {
        self.0.wish = Wish::Near;
        self
    }

    /// `spread`
    pub fn spread(mut self) -> Self {
        self.0.wish = Wish::Spread;
        self
    }
}

/// `go! { … }`
#[inline]
pub fn go<F, T>(site: &'static Site, options: GoOptions, body: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static, // share by `clone(..)`, borrow in a `gochan::scope`, or stay on this worker: `go!(local, ..)`
    T: Send + 'static,                 // what the goroutine returns goes to whoever joins
{
    // SAFETY: body and result are `Send` and `'static`.
    let started = unsafe { runtime::start(site, options.0, Kind::Plain, None, body) };
    match started {
        Ok(result) => JoinHandle::new(result),
        Err(error) => panic_cannot_start(&error, site),
    }
}

/// `go!(local, { … })`
#[inline]
pub fn go_local<F, T>(site: &'static Site, options: GoOptions, body: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + 'static, // a goroutine may outlive the frame that starts it: move, clone, or use a `gochan::scope`
    T: 'static,
{
    // SAFETY: body and result are `'static`, and a local goroutine stays on this thread.
    let started = unsafe { runtime::start(site, options.0, Kind::Local, None, body) };
    match started {
        Ok(result) => JoinHandle::new(result),
        Err(error) => panic_cannot_start(&error, site),
    }
}

/// `go!(in s, { … })`
#[inline]
pub fn go_scoped<'scope, F, T>(
    scope: &'scope Scope<'scope, '_>,
    site: &'static Site,
    options: GoOptions,
    body: F,
) -> ScopedJoinHandle<'scope, T>
where
    F: FnOnce() -> T + Send + 'scope, // it may borrow what outlives the scope, and share by `clone(..)`
    T: Send + 'scope,
{
    match scope.start(site, options.0, body) {
        Ok(handle) => handle,
        Err(error) => panic_cannot_start(&error, site),
    }
}

#[cold]
fn panic_cannot_start(error: &std::io::Error, site: &Site) -> ! {
    panic!("cannot start the goroutine of {}: {error}", site.location())
}

// ----- select! ----------------------------------------------------------------------------

/// Whether an arm looks ready, asked where its type is known, so that to ask takes no call.
#[inline(always)]
pub fn looks_ready<A: Arm>(arm: &A) -> bool {
    arm.peek()
}

/// The arm to try first: one of those that look ready. `N` if none does.
#[inline(always)]
fn choose_ready<const N: usize>(looks_ready: [bool; N], order: Order) -> usize {
    if N > u64::BITS as usize {
        return N;
    }
    match wait::bits_of(looks_ready) {
        0 => N,
        ready => wait::choose(ready, order),
    }
}

/// The arm that a `select!` tries first, or `N`.
#[inline(always)]
pub fn random_ready<const N: usize>(looks_ready: [bool; N]) -> usize {
    choose_ready(looks_ready, Order::Random)
}

/// The arm that a `select! { biased; … }` tries first, or `N`.
#[inline(always)]
pub fn first_ready<const N: usize>(looks_ready: [bool; N]) -> usize {
    choose_ready(looks_ready, Order::Source)
}

/// Tries an arm that looked ready, and says whether it is chosen.
#[inline(always)]
#[track_caller]
pub fn try_arm<A: Arm>(arm: &mut A) -> bool {
    wait::try_chosen(arm, Location::caller())
}

/// An arm that is handled like any other, with what has been asked of it where its type was known.
pub struct AnyArm<'a> {
    lock: *const BiasedLock,
    arm: &'a mut dyn Arm,
}

impl fmt::Debug for AnyArm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyArm").finish_non_exhaustive()
    }
}

/// An arm, to be handled like any other.
#[inline(always)]
pub fn any_arm<A: Arm>(arm: &mut A) -> AnyArm<'_> {
    AnyArm {
        lock: lock_of(arm),
        arm,
    }
}

/// Selects without a limit, after the arm that was to be tried first.
#[inline(always)] // see `wait::begin`
fn select_in_order<const N: usize>(
    order: Order,
    arms: [AnyArm<'_>; N],
    location: &'static Location<'static>,
) -> usize {
    let mut scratch = Scratch {
        ready: &mut [0; N],
        locks: &mut arms.each_ref().map(|arm| arm.lock),
    };
    let mut arms = arms.map(|arm| arm.arm);
    let request = Request {
        order,
        limit: Limit::Forever,
        location,
    };
    let frame = WaitFrame::new();
    // SAFETY: each arm came with its lock; arms and frame stay here until the wait has ended; the
    // switch comes once, and at once.
    unsafe {
        if let Some(chosen) = wait::begin(&mut arms, &mut scratch, request, &frame) {
            return chosen;
        }
        frame.waiter().switch();
        wait::end(&mut arms, &mut scratch, request, &frame)
    }
}

/// Tries arms of which none is waited for.
#[inline]
fn try_in_order<const N: usize>(
    order: Order,
    mut arms: [&mut dyn Arm; N],
    location: &'static Location<'static>,
) -> Option<usize> {
    // The most frequent poll of all; with one arm a look at it is a look at all of them.
    if N == 1 {
        let seen = arms[0].look();
        if seen != Look::Promising {
            let is_drained = seen == Look::Drained;
            runtime::count(runtime::Operation::Other);
            if is_drained {
                arms[0].settle(Wake::Closed);
                runtime::unwind_if_ending();
            }
            return is_drained.then_some(0);
        }
    }
    let mut scratch = Scratch {
        ready: &mut [0; N],
        locks: &mut [ptr::null(); N],
    };
    let request = Request {
        order,
        limit: Limit::None,
        location,
    };
    wait::select(&mut arms, &mut scratch, request)
}

/// `select!` without `default`, when the arm tried first is not chosen
#[inline(always)] // see `wait::begin`
#[track_caller]
pub fn select<const N: usize>(arms: [AnyArm<'_>; N]) -> usize {
    select_in_order(Order::Random, arms, Location::caller())
}

/// `select! { biased; … }` without `default`, when the arm tried first is not chosen
#[inline(always)] // see `wait::begin`
#[track_caller]
pub fn select_biased<const N: usize>(arms: [AnyArm<'_>; N]) -> usize {
    select_in_order(Order::Source, arms, Location::caller())
}

/// `select!` with `default`
#[inline]
#[track_caller]
pub fn try_select<const N: usize>(arms: [&mut dyn Arm; N]) -> Option<usize> {
    try_in_order(Order::Random, arms, Location::caller())
}

/// `select! { biased; … }` with `default`
#[inline]
#[track_caller]
pub fn try_select_biased<const N: usize>(arms: [&mut dyn Arm; N]) -> Option<usize> {
    try_in_order(Order::Source, arms, Location::caller())
}

/// `select! {}`
#[track_caller]
pub fn select_forever() -> ! {
    wait::wait_forever(Location::caller())
}

// ----- main and test ----------------------------------------------------------------------

/// The exit status of a main function that panicked, as the standard library's.
const PANICKED: u8 = 101;
/// The exit status of a runtime that could not start, or went wrong as a whole; as Go's.
const FATAL: u8 = 2;

/// `#[gochan::main]`
#[track_caller]
pub fn run_main<T: Termination>(body: fn() -> T) -> ExitCode {
    // What `main` returns need not be `Send`: it becomes an exit code where it was made.
    match runtime::run_on_default(Location::caller(), || body().report()) {
        Ok(Ok(code)) => code,
        Ok(Err(Failure::Panic(_))) => ExitCode::from(PANICKED),
        Ok(Err(Failure::Goexit)) => fatal("the main goroutine called goexit"),
        Err(error) => fatal(&error.to_string()),
    }
}

fn fatal(message: &str) -> ExitCode {
    message::print(format_args!("fatal error: {message}"));
    ExitCode::from(FATAL)
}

/// `#[gochan::main(…)]`
#[track_caller]
pub fn run_main_with<T: Termination>(config: Config, body: fn() -> T) -> ExitCode {
    match config.install() {
        Ok(()) => run_main(body),
        Err(error) => fatal(&error.to_string()),
    }
}

/// `#[gochan::test]`
#[track_caller]
pub fn run_test<T: Termination>(config: Config, body: fn() -> T) -> ExitCode {
    match Runtime::for_test(config) {
        Ok(runtime) => runtime.run_main(|| body().report(), true),
        Err(error) => panic!("cannot start a runtime for the test: {error}"),
    }
}
