//! What happens again and again.

use crate::channel::Receiver;
use std::time::{Duration, Instant};

/// A channel on which the time is sent every `period`: a [`Ticker`] of which only the channel is
/// wanted. It ticks until the receiver is dropped. With a period of zero it never ticks, as in
/// Go.
///
/// ```
/// use std::time::Duration;
///
/// let times: Vec<_> = gochan::time::tick(Duration::from_millis(1)).into_iter().take(3).collect();
/// assert!(times.is_sorted());
/// ```
#[must_use = "the ticker goes with its receiver"]
pub fn tick(period: Duration) -> Receiver<Instant> {
    if period.is_zero() {
        return Receiver::without_sender();
    }
    Ticker::new(period).receiver
}

/// Sends the time on its channel every so often.
///
/// The channel holds one tick: a receiver that is slow loses some. A ticker lives as long as its
/// handle or a clone of the receiver [`c`](Ticker::c): when they are gone it is freed at once.
///
/// ```
/// use gochan::prelude::*;
/// use gochan::time::Ticker;
/// use std::time::Duration;
///
/// #[gochan::main]
/// fn main() {
///     let done = make!(chan ());
///     let ticker = Ticker::new(Duration::from_millis(1));
///     gochan::time::Timer::after_func(Duration::from_millis(20), {
///         let done = done.clone();
///         move || done.close()
///     });
///     let mut ticks = 0;
///     loop {
///         select! {
///             recv(ticker.c()) => ticks += 1,
///             recv(done) => break,
///         }
///     }
///     assert!(ticks > 0);
/// }
/// ```
#[doc(alias = "interval")]
#[derive(Debug)]
pub struct Ticker {
    receiver: Receiver<Instant>,
}

impl Ticker {
    /// Makes a ticker that ticks every `period`, the first time when one period has passed.
    ///
    /// # Panics
    /// If the period is zero.
    ///
    /// ```
    /// use gochan::time::Ticker;
    /// use std::time::Duration;
    ///
    /// let ticker = Ticker::new(Duration::from_millis(1));
    /// let (first, second) = (ticker.c().recv(), ticker.c().recv());
    /// assert!(first < second);
    /// ```
    #[must_use = "the ticker is gone at once if it is not kept"]
    #[track_caller]
    pub fn new(period: Duration) -> Ticker {
        assert!(!period.is_zero(), "a ticker with a period of zero");
        let receiver = Receiver::of_timer();
        receiver.core().timer().set(period, Some(period));
        Ticker { receiver }
    }

    /// Stops the ticker: no tick can be received any more. The channel is not closed.
    ///
    /// ```
    /// use gochan::time::Ticker;
    /// use std::time::Duration;
    ///
    /// let ticker = Ticker::new(Duration::from_millis(1));
    /// ticker.c().recv();
    /// ticker.stop();
    /// assert!(ticker.c().recv_timeout(Duration::from_millis(5)).is_err());
    /// ```
    pub fn stop(&self) {
        self.receiver.core().timer().stop();
    }

    /// Sets another period. The next tick comes when that has passed from now, also if the
    /// ticker was stopped; none from before can be received after.
    ///
    /// # Panics
    /// If the period is zero.
    ///
    /// ```
    /// use gochan::time::Ticker;
    /// use std::time::Duration;
    ///
    /// let ticker = Ticker::new(Duration::from_secs(3600));
    /// ticker.reset(Duration::from_millis(1));
    /// assert!(ticker.c().recv().is_some());
    /// ```
    #[track_caller]
    pub fn reset(&self, period: Duration) {
        assert!(!period.is_zero(), "a ticker with a period of zero");
        self.receiver.core().timer().set(period, Some(period));
    }

    /// The channel on which the ticks are sent.
    ///
    /// ```
    /// use gochan::time::Ticker;
    /// use std::time::Duration;
    ///
    /// let ticker = Ticker::new(Duration::from_millis(1));
    /// for time in ticker.c().iter().take(2) {
    ///     println!("{time:?}");
    /// }
    /// ```
    pub fn c(&self) -> &Receiver<Instant> {
        &self.receiver
    }
}
