//! Panics and other unwinding in goroutines.

use super::PanicPolicy;
use super::worker;
use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// What unwinds a goroutine that ends by [`goexit`](crate::goexit) or with its runtime.
pub(crate) struct GoexitPayload;

/// Makes every panic in a goroutine say, before the usual message, which goroutine it is. The
/// hook that was there before is called as before; a hook that the user sets later replaces
/// this one.
pub(super) fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if let Some(worker) = worker::current()
                && let Some(goroutine) = worker.current_goroutine()
            {
                // SAFETY: it runs.
                let record = unsafe { goroutine.as_ref() };
                record.has_thrown.set(true);
                // The one message on a closed stderr that could be lost is not worth a second
                // panic.
                let _ = writeln!(std::io::stderr(), "{} panics:", record.identity());
            }
            previous(info);
        }));
    });
}

/// Called on the goroutine's stack when its body has ended in a panic.
pub(super) fn after_panic() {
    if worker::current()
        .is_some_and(|worker| worker.shared().settings.panic_policy == PanicPolicy::Abort)
    {
        std::process::abort();
    }
}

/// Unwinds the running goroutine to its end, without a message.
pub(super) fn throw_goexit(record: &super::goroutine::Goroutine) -> ! {
    record.has_thrown.set(true);
    panic::resume_unwind(Box::new(GoexitPayload))
}

/// Calls `f`, whose panic has nobody to go to: its message was printed, and that was all.
pub(super) fn contain(f: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(f)) {
        // The payload's own destructor may panic, and the payload of that panic too; the second
        // one is left alone.
        if let Err(second) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(second);
        }
    }
}
