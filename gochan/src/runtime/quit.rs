//! SIGQUIT: prints what every goroutine is doing and ends the process, as in Go.

use super::{census, deadlock, dump};
use signal_hook::consts::SIGQUIT;
use signal_hook::iterator::Signals;
use std::sync::Once;
use std::{io, process, ptr, thread};

/// Has SIGQUIT print a dump from now on, unless the program has a handler for it. If the
/// system has no thread to spare for that, the signal does what it did before.
pub(super) fn install_handler() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        if is_free() {
            let _ = listen();
        }
    });
}

/// Whether the program has no handler for the signal. That it is ignored says nothing: a shell has what
/// it runs in the background ignore it. Go's runtime takes it over then too.
fn is_free() -> bool {
    // SAFETY: all fields of a `sigaction` may be zero.
    let mut current: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: only asks, and the result goes to a place of the right type.
    let result = unsafe { libc::sigaction(SIGQUIT, ptr::null(), &mut current) };
    result == 0 && [libc::SIG_DFL, libc::SIG_IGN].contains(&current.sa_sigaction)
}

fn listen() -> io::Result<()> {
    let mut signals = Signals::new([SIGQUIT])?;
    let handle = signals.handle();
    let thread = thread::Builder::new()
        .name("gochan-quit".to_owned())
        .spawn(move || {
            let _entry = census::enter(census::Role::Own, || true);
            if signals.forever().next().is_some() {
                eprint!("SIGQUIT: quit\n\n{}", dump::of_all_runtimes());
                process::exit(deadlock::EXIT_STATUS);
            }
        });
    if thread.is_err() {
        handle.close();
    }
    thread.map(drop)
}
