//! Panics and other unwinding in goroutines.

use super::goroutine::Goroutine;
use super::{PanicPolicy, blocking, current_goroutine, worker};
use crate::message;
use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Once, mpsc};
use std::thread;
use std::time::Duration;

/// What unwinds a goroutine that ends by [`goexit`](crate::goexit) or with its runtime.
pub(crate) struct GoexitPayload;

/// Makes every panic in a goroutine say, after the usual message, which goroutine it was, and one
/// on a helper thread which goroutine waits for the closure. The hook that was there before is
/// called as before; a hook that the user sets later replaces this one.
pub(super) fn install_hook() {
    static INSTALLED: Once = Once::new();
    if thread::panicking() {
        // In a destructor the hook cannot be changed. The next runtime does that.
        return;
    }
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let record = note_throw();
            previous(info);
            match record {
                Some(record) => print_beside_message(record),
                None => blocking::with_caller(|caller| {
                    message::print(format_args!("in a blocking call of {caller}"));
                }),
            }
        }));
    });
}

/// Prints which goroutine panicked.
fn print_beside_message(record: &Goroutine) {
    let identity = record.identity();
    if worker::current().is_some_and(|worker| worker.shared().settings.is_for_test) {
        // A test runner keeps the message, and is to show this line below it.
        eprintln!("in {identity}");
    } else {
        message::print(format_args!("in {identity}"));
    }
}

/// Notes that the running goroutine, if there is one, is about to unwind.
fn note_throw<'a>() -> Option<&'a Goroutine> {
    let goroutine = current_goroutine()?;
    // SAFETY: it runs, and the caller is on its stack.
    let record = unsafe { goroutine.as_ref() };
    record.has_thrown.set(true);
    Some(record)
}

/// Has panics noted once more, if the program has set a hook in place of the one that notes them.
/// Called when a goroutine is found to unwind of which nothing was noted. Until then it is the only
/// one of its worker, so that nothing had to be; see [`Worker::is_unwinding`].
///
/// [`Worker::is_unwinding`]: worker::Worker::is_unwinding
#[cold]
pub(super) fn note_throws_again() {
    /// What is thrown on past [`resume_unwind`] is not noted either, whatever the hook is.
    const MOST: usize = 8;
    /// The hook cannot be changed while it is called, which may last.
    const PATIENCE: Duration = Duration::from_millis(10);
    static TIMES: AtomicUsize = AtomicUsize::new(0);
    if TIMES.fetch_add(1, Ordering::Relaxed) >= MOST {
        return;
    }
    let (tell, told) = mpsc::channel();
    // A thread that panics cannot change the hook.
    let helper = thread::Builder::new().spawn(move || {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            note_throw();
            previous(info);
        }));
        let _ = tell.send(());
    });
    if helper.is_ok() {
        let _ = told.recv_timeout(PATIENCE);
    }
}

/// Called on the goroutine's stack when its body has ended in a panic.
pub(crate) fn after_panic() {
    let Some(worker) = worker::current() else {
        return;
    };
    let shared = worker.shared();
    if shared.settings.panic_policy == PanicPolicy::Abort {
        std::process::abort();
    }
    if let Some(goroutine) = worker.current_goroutine() {
        // SAFETY: it runs.
        shared
            .vigil
            .note_panic(unsafe { goroutine.as_ref() }.identity());
    }
}

/// Unwinds the running goroutine to its end, without a message. In a program that is built
/// without unwinding its stack is left as it is, for ever.
pub(super) fn throw_goexit(record: &Goroutine) -> ! {
    if cfg!(panic = "abort")
        && let Some(worker) = worker::current()
    {
        if record.scope.is_some() {
            // What it has lent to others, in a scope of its own, may belong to who waits for it.
            message::print(format_args!(
                "{} is to end in the middle of a scope, and this program is built without unwinding",
                record.identity()
            ));
            std::process::abort();
        }
        worker.leave(record);
    }
    record.has_thrown.set(true);
    panic::resume_unwind(Box::new(GoexitPayload))
}

/// As [`panic::resume_unwind`], which calls no hook: what unwinds is to be known here too.
pub(crate) fn resume_unwind(payload: Box<dyn Any + Send>) -> ! {
    note_throw();
    panic::resume_unwind(payload)
}

/// Calls `f`, whose panic has nobody to go to: its message was printed, and that was all.
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(f)) {
        // The payload's own destructor may panic, and the payload of that panic too; the second
        // one is left alone.
        if let Err(second) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(second);
        }
    }
}

/// A value whose destructor is [contained](contain): it may be dropped in the middle of unwinding,
/// which no panic may leave.
pub(super) struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    pub(super) fn new(value: T) -> Self {
        Contained(Some(value))
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        contain(|| drop(self.0.take()));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Panics with another one when it is dropped, so many times.
    struct Chain(usize);

    impl Drop for Chain {
        fn drop(&mut self) {
            if let Some(left) = self.0.checked_sub(1) {
                panic::panic_any(Chain(left));
            }
        }
    }

    #[test]
    fn nothing_that_payloads_do_gets_out() {
        for panics in 0..4 {
            contain(|| panic::panic_any(Chain(panics)));
            contain(|| drop(Chain(panics)));
            drop(Contained::new(Chain(panics)));
        }
    }
}
