//! What happens once, when some time has passed.

use crate::channel::Receiver;
use crate::runtime::StartTimer;
use std::fmt;
use std::panic::Location;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// A channel on which the time is sent when `duration` has passed. It is not closed then.
///
/// If the receiver is dropped before, the timer goes with it.
///
/// ```
/// use gochan::prelude::*;
/// use std::time::Duration;
///
/// #[gochan::main]
/// fn main() {
///     let never = make!(chan i32);
///     chan! {
///         let timeout = gochan::time::after(Duration::from_millis(1));
///         select! {
///             v = <-never => panic!("got {v:?}"),
///             <-timeout => println!("timed out"),
///         }
///     }
/// }
/// ```
#[must_use = "the timer goes with its receiver"]
pub fn after(duration: Duration) -> Receiver<Instant> {
    let receiver = Receiver::of_timer();
    receiver.core().timer().set(duration, None);
    receiver
}

/// An event in the future: it sends the time on its channel, or starts a goroutine.
///
/// A timer that sends lives as long as its handle or a clone of the receiver [`c`](Timer::c):
/// when they are gone it is freed at once. One that starts a goroutine ([`Timer::after_func`])
/// does so even if its handle is dropped: the handle is there to stop or reset it.
///
/// A duration that is longer than the clock can count never passes.
///
/// ```
/// use gochan::prelude::*;
/// use gochan::time::Timer;
/// use std::time::Duration;
///
/// #[gochan::main]
/// fn main() {
///     let replies = make!(chan &'static str, 1);
///     replies.send("pong").unwrap();
///     let timer = Timer::new(Duration::from_secs(5));
///     select! {
///         recv(replies) -> reply => assert_eq!(reply, Some("pong")),
///         recv(timer.c()) => panic!("too late"),
///     }
///     assert!(timer.stop());
/// }
/// ```
pub struct Timer {
    kind: Kind,
}

enum Kind {
    Sends(Receiver<Instant>),
    Starts(StartTimer),
}

impl Timer {
    /// Makes a timer that sends the time on its channel when `duration` has passed.
    ///
    /// ```
    /// use gochan::time::{self, Timer};
    /// use std::time::Duration;
    ///
    /// let start = time::now();
    /// let timer = Timer::new(Duration::from_millis(1));
    /// let fired_at = timer.c().recv().unwrap();
    /// assert!(fired_at - start >= Duration::from_millis(1));
    /// ```
    #[must_use = "the timer is gone at once if it is not kept"]
    pub fn new(duration: Duration) -> Timer {
        Timer {
            kind: Kind::Sends(after(duration)),
        }
    }

    /// Makes a timer that calls `f` in a goroutine of its own when `duration` has passed.
    ///
    /// The timer stays set when the handle is dropped. After a [`reset`](Timer::reset) it calls
    /// `f` again, perhaps while the goroutine of the first call still runs: so `f` is `Fn` and
    /// `Sync`.
    ///
    /// ```
    /// use gochan::time::Timer;
    /// use std::time::Duration;
    ///
    /// let (tx, rx) = gochan::channel(1);
    /// Timer::after_func(Duration::from_millis(1), move || tx.send("done").unwrap());
    /// assert_eq!(rx.recv(), Some("done"));
    /// ```
    #[track_caller]
    pub fn after_func(duration: Duration, f: impl Fn() + Send + Sync + 'static) -> Timer {
        let timer = StartTimer::new(Location::caller(), f);
        timer.set(duration);
        Timer {
            kind: Kind::Starts(timer),
        }
    }

    /// Stops the timer. `true`: it was going to fire, and does not; or the time that it sent had
    /// not been received, and cannot be any more. `false`: it had fired, or was stopped before.
    ///
    /// The goroutine of an [`after_func`](Timer::after_func) timer that has fired is not waited
    /// for.
    ///
    /// ```
    /// use gochan::time::Timer;
    /// use std::time::Duration;
    ///
    /// let timer = Timer::new(Duration::from_secs(60));
    /// assert!(timer.stop());
    /// assert!(!timer.stop());
    /// assert!(timer.c().try_recv().is_err());
    /// ```
    pub fn stop(&self) -> bool {
        match &self.kind {
            Kind::Sends(receiver) => receiver.core().timer().stop(),
            Kind::Starts(timer) => timer.stop(),
        }
    }

    /// Sets the timer to fire when `duration` has passed from now, whether it had fired, was
    /// stopped or was going to fire. Returns what [`stop`](Timer::stop) would have.
    ///
    /// There is no need to stop the timer or to drain its channel before: no time from before
    /// the reset can be received after it.
    ///
    /// ```
    /// use gochan::time::{self, Timer};
    /// use std::time::Duration;
    ///
    /// let timer = Timer::new(Duration::from_secs(60));
    /// assert!(timer.reset(Duration::from_millis(1)));
    /// timer.c().recv();
    /// assert!(!timer.reset(Duration::from_millis(1)));
    /// timer.c().recv();
    /// ```
    pub fn reset(&self, duration: Duration) -> bool {
        match &self.kind {
            Kind::Sends(receiver) => receiver.core().timer().set(duration, None),
            Kind::Starts(timer) => timer.set(duration),
        }
    }

    /// The channel on which the time is sent. That of an [`after_func`](Timer::after_func) timer
    /// is never ready.
    ///
    /// ```
    /// use gochan::time::Timer;
    /// use std::time::Duration;
    ///
    /// let timer = Timer::new(Duration::from_millis(1));
    /// assert!(timer.c().recv().is_some());
    /// ```
    pub fn c(&self) -> &Receiver<Instant> {
        static NEVER: LazyLock<Receiver<Instant>> = LazyLock::new(Receiver::without_sender);
        match &self.kind {
            Kind::Sends(receiver) => receiver,
            Kind::Starts(_) => &NEVER,
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Timer");
        if let Kind::Sends(receiver) = &self.kind {
            debug.field("c", receiver);
        }
        debug.finish_non_exhaustive()
    }
}
