//! SIGQUIT: prints what every goroutine is doing and ends the process, as in Go.

use super::{census, deadlock, dump};
use crate::message;
use parking_lot::Mutex;
use signal_hook::consts::SIGQUIT;
use signal_hook::iterator::Signals;
use std::sync::mpsc;
use std::{io, process, ptr, thread};

/// Has SIGQUIT print a dump from now on, unless the program has a handler for it. If the
/// system has no thread or no file to spare for that, the signal does what it did before, and the
/// next runtime tries again.
pub(super) fn install_handler() {
    static SETTLED: Mutex<bool> = Mutex::new(false);
    let mut is_settled = SETTLED.lock();
    *is_settled = *is_settled || !is_free() || listen().is_ok();
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
    let (hand_over, handed_over) = mpsc::channel::<Signals>();
    thread::Builder::new()
        .name("gochan-quit".to_owned())
        .spawn(move || {
            let _entry = census::enter(census::Role::Own, || true);
            let Ok(mut signals) = handed_over.recv() else {
                return;
            };
            if signals.forever().next().is_some() {
                let dump = dump::of_all_runtimes();
                message::print(format_args!("SIGQUIT: quit\n\n{dump}"));
                process::exit(deadlock::EXIT_STATUS);
            }
        })?;
    // Last: the handler that this sets stays, and if nobody hears of the signal, it is ignored.
    let signals = Signals::new([SIGQUIT])?;
    let _ = hand_over.send(signals);
    Ok(())
}
