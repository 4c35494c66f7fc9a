//! The handles of a channel: thin over its core.

use super::buffer::Capacity;
use super::core::{Channel, Refusal};
use super::iter::{IntoIter, Iter, TryIter};
use super::shared::Shared;
use crate::error::{RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError};
use crate::select::operand::{CloseOperand, Received, RecvOperand, SendOperand};
use crate::wait::Patience;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::time::{Duration, Instant};

/// A channel, as Go's `chan T`: a handle that can both send and receive.
///
/// Clones are handles of the same channel; handles are equal if they are of the same channel.
/// The channel is closed by [`close`](Chan::close), or when the last handle that can send is
/// dropped.
///
/// ```
/// use gochan::Chan;
///
/// let ch = Chan::new(2);
/// ch.send("to be").unwrap();
/// ch.send("or not").unwrap();
/// ch.close();
/// assert_eq!(ch.recv(), Some("to be"));
/// assert_eq!(ch.iter().collect::<Vec<_>>(), ["or not"]);
/// ```
pub struct Chan<T> {
    channel: Shared<T>,
}

/// The sending side of a channel, as Go's `chan<- T`.
///
/// ```
/// let (tx, rx) = gochan::channel(1);
/// tx.send(5).unwrap();
/// drop(tx);
/// assert_eq!((rx.recv(), rx.recv()), (Some(5), None));
/// ```
pub struct Sender<T> {
    channel: Shared<T>,
}

/// The receiving side of a channel, as Go's `<-chan T`.
///
/// ```
/// let (tx, rx) = gochan::channel(8);
/// std::thread::spawn(move || (0..4).for_each(|i| tx.send(i).unwrap()));
/// assert_eq!(rx.into_iter().sum::<i32>(), 6);
/// ```
pub struct Receiver<T> {
    channel: Shared<T>,
}

/// Makes a channel with room for `capacity` values; with 0 a send completes only when a receiver
/// has taken the value.
///
/// # Panics
/// If the memory cannot be had.
///
/// ```
/// let (tx, rx) = gochan::channel(1);
/// tx.send('x').unwrap();
/// assert_eq!(rx.recv(), Some('x'));
/// ```
#[doc(alias("bounded", "sync_channel"))]
#[inline]
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    /// Out of line, so that `channel` is small enough to be inlined: where it is, the compiler knows
    /// that both halves are one channel.
    #[inline(never)]
    #[track_caller]
    fn make<T>(capacity: usize) -> Chan<T> {
        Chan::new(capacity)
    }
    make(capacity).split()
}

/// Makes a channel on which no send ever waits.
///
/// Its memory grows with the number of values that have been sent and not received. That of a backlog
/// of more than 64 KiB is given back when the last of it has been received.
///
/// ```
/// let (tx, rx) = gochan::unbounded();
/// for i in 0..1000 {
///     tx.send(i).unwrap();
/// }
/// assert_eq!(rx.len(), 1000);
/// ```
#[inline]
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    Chan::unbounded().split()
}

impl<T> Chan<T> {
    /// Makes a channel with room for `capacity` values; with 0 a send completes only when a
    /// receiver has taken the value.
    ///
    /// The memory for them is allocated now, for a power of two of values.
    ///
    /// # Panics
    /// If the memory cannot be had.
    ///
    /// ```
    /// let ch = gochan::Chan::new(1);
    /// ch.send("fits").unwrap();
    /// assert!(ch.is_full());
    /// ```
    #[inline]
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        Chan {
            channel: Shared::new(Capacity::Bounded(capacity)),
        }
    }

    /// Makes a channel on which no send ever waits; see [`unbounded`] for its memory.
    ///
    /// ```
    /// let ch = gochan::Chan::unbounded();
    /// (0..1000).for_each(|n| ch.send(n).unwrap());
    /// assert_eq!((ch.len(), ch.capacity()), (1000, None));
    /// ```
    pub fn unbounded() -> Self {
        Chan {
            channel: Shared::new(Capacity::Unbounded),
        }
    }

    /// A handle that can only send.
    ///
    /// ```
    /// let ch = gochan::Chan::new(1);
    /// ch.sender().send(5).unwrap();
    /// assert_eq!(ch.recv(), Some(5));
    /// ```
    pub fn sender(&self) -> Sender<T> {
        Sender {
            channel: self.channel.for_sender(),
        }
    }

    /// A handle that can only receive.
    ///
    /// ```
    /// let ch = gochan::Chan::new(1);
    /// let receiver = ch.receiver();
    /// ch.send(5).unwrap();
    /// drop(ch); // the only handle that can send
    /// assert_eq!(receiver.iter().collect::<Vec<_>>(), [5]);
    /// ```
    pub fn receiver(&self) -> Receiver<T> {
        Receiver {
            channel: self.channel.for_receiver(),
        }
    }

    /// Splits this handle in two.
    ///
    /// ```
    /// let (sender, receiver) = gochan::Chan::new(1).split();
    /// sender.send(5).unwrap();
    /// drop(sender);
    /// assert_eq!(receiver.into_iter().collect::<Vec<_>>(), [5]);
    /// ```
    #[inline]
    pub fn split(self) -> (Sender<T>, Receiver<T>) {
        let channel = ManuallyDrop::new(self);
        // SAFETY: the handle can do both, and is forgotten.
        let [sender, receiver] = unsafe { channel.channel.halves() };
        (Sender { channel: sender }, Receiver { channel: receiver })
    }
}

impl Receiver<Instant> {
    /// What receives from a timer, which is not set yet; the channel is never closed.
    pub(crate) fn of_timer() -> Self {
        Receiver {
            channel: Channel::of_timer(),
        }
    }
}

impl<T> Receiver<T> {
    /// What receives from a channel that has no sending handle, and that only the crate closes.
    pub(crate) fn without_sender() -> Self {
        Receiver {
            channel: Shared::without_sender(Capacity::Bounded(0), None),
        }
    }
}

impl<T> From<Chan<T>> for Sender<T> {
    fn from(chan: Chan<T>) -> Self {
        chan.sender()
    }
}

impl<T> From<Chan<T>> for Receiver<T> {
    fn from(chan: Chan<T>) -> Self {
        chan.receiver()
    }
}

/// What every handle can do.
macro_rules! any_handle {
    ($handle:ident, clone: $clone:ident, drop: $drop:ident) => {
        impl<T> $handle<T> {
            /// How many values the buffer holds.
            ///
            /// ```
            /// let ch = gochan::Chan::new(8);
            /// ch.send('a').unwrap();
            /// assert_eq!(ch.len(), 1);
            /// ```
            pub fn len(&self) -> usize {
                self.channel.len()
            }

            /// Whether the buffer holds no value.
            ///
            /// ```
            /// let ch = gochan::Chan::new(8);
            /// assert!(ch.is_empty());
            /// ch.send('a').unwrap();
            /// assert!(!ch.is_empty());
            /// ```
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// How many values the buffer can hold; `None` if there is no bound.
            ///
            /// ```
            /// assert_eq!(gochan::Chan::<u8>::new(8).capacity(), Some(8));
            /// assert_eq!(gochan::Chan::<u8>::unbounded().capacity(), None);
            /// ```
            #[doc(alias = "cap")]
            pub fn capacity(&self) -> Option<usize> {
                self.channel.capacity()
            }

            /// Whether the buffer has no room, as that of a channel without a buffer never has.
            ///
            /// ```
            /// assert!(!gochan::Chan::<u8>::new(8).is_full());
            /// assert!(gochan::Chan::<u8>::new(0).is_full());
            /// ```
            pub fn is_full(&self) -> bool {
                self.channel.is_full()
            }

            /// Whether the channel was closed; it may still hold values.
            ///
            /// ```
            /// let ch = gochan::Chan::new(8);
            /// ch.send('a').unwrap();
            /// ch.close();
            /// assert!(ch.is_closed());
            /// assert_eq!((ch.recv(), ch.recv()), (Some('a'), None));
            /// ```
            pub fn is_closed(&self) -> bool {
                self.channel.is_closed()
            }

            /// Whether the last handle that can receive has gone.
            ///
            /// ```
            /// let (sender, receiver) = gochan::channel::<u8>(8);
            /// assert!(!sender.is_abandoned());
            /// drop(receiver);
            /// assert!(sender.is_abandoned());
            /// ```
            pub fn is_abandoned(&self) -> bool {
                self.channel.is_abandoned()
            }

            #[inline]
            pub(crate) fn core(&self) -> &Channel<T> {
                &self.channel
            }
        }

        impl<T> Clone for $handle<T> {
            fn clone(&self) -> Self {
                $handle {
                    channel: self.channel.$clone(),
                }
            }
        }

        impl<T> Drop for $handle<T> {
            fn drop(&mut self) {
                // SAFETY: it is the reference of such a handle.
                unsafe { self.channel.$drop() };
            }
        }

        impl<T> PartialEq for $handle<T> {
            fn eq(&self, other: &Self) -> bool {
                self.channel.address() == other.channel.address()
            }
        }

        impl<T> Eq for $handle<T> {}

        impl<T> Hash for $handle<T> {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.channel.address().hash(state);
            }
        }

        impl<T> fmt::Debug for $handle<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($handle))
                    .field("channel", &self.channel.address())
                    .field("len", &self.len())
                    .field("capacity", &self.capacity())
                    .field("closed", &self.is_closed())
                    .field("abandoned", &self.is_abandoned())
                    .finish()
            }
        }
    };
}

any_handle!(Chan, clone: for_both, drop: both_gone);
any_handle!(Sender, clone: for_sender, drop: sender_gone);
any_handle!(Receiver, clone: for_receiver, drop: receiver_gone);

/// What handles that can send can do.
macro_rules! sending_handle {
    ($handle:ident) => {
        impl<T> $handle<T> {
            /// Sends a value; waits until a receiver has taken it or the buffer has room for
            /// it.
            ///
            /// # Errors
            /// Hands the value back if the channel is closed or all its receivers have gone,
            /// also while the send waits.
            ///
            /// ```
            /// let (sender, receiver) = gochan::channel(1);
            /// sender.send("gopher").unwrap();
            /// assert_eq!(receiver.recv(), Some("gopher"));
            /// drop(receiver);
            /// assert_eq!(sender.send("crab").unwrap_err().into_inner(), "crab");
            /// ```
            #[inline(always)] // see `Channel::send`
            #[track_caller]
            pub fn send(&self, value: T) -> Result<(), SendError<T>> {
                self.channel
                    .send(value, Location::caller())
                    .map_err(|(value, _)| SendError(value))
            }

            /// Sends a value if that is possible without waiting.
            ///
            /// # Errors
            /// Hands the value back if it is not, or if the channel takes no more values.
            ///
            /// ```
            /// use gochan::TrySendError;
            ///
            /// let (sender, receiver) = gochan::channel(1);
            /// assert_eq!(sender.try_send(1), Ok(()));
            /// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
            /// drop(receiver);
            /// assert_eq!(sender.try_send(3), Err(TrySendError::Closed(3)));
            /// ```
            #[inline]
            #[track_caller]
            pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
                self.channel
                    .send_patiently(value, Patience::Never, Location::caller())
                    .map_err(|(value, refusal)| match refusal {
                        Refusal::WouldBlock | Refusal::TimedOut => TrySendError::Full(value),
                        Refusal::Closed | Refusal::Abandoned => TrySendError::Closed(value),
                    })
            }

            /// As [`send`](Self::send), but waits no longer than `timeout`.
            ///
            /// # Errors
            /// Hands the value back if the time is up, or the channel takes no more values.
            ///
            /// ```
            /// use gochan::SendTimeoutError;
            /// use std::time::Duration;
            ///
            /// let (sender, _receiver) = gochan::channel(0);
            /// let sent = sender.send_timeout(1, Duration::from_millis(1));
            /// assert_eq!(sent, Err(SendTimeoutError::Timeout(1)));
            /// ```
            #[track_caller]
            pub fn send_timeout(
                &self,
                value: T,
                timeout: Duration,
            ) -> Result<(), SendTimeoutError<T>> {
                self.send_patiently(value, Patience::lasting(timeout), Location::caller())
            }

            /// As [`send`](Self::send), but waits no longer than until `deadline`.
            ///
            /// # Errors
            /// Hands the value back if the time is up, or the channel takes no more values.
            ///
            /// ```
            /// use gochan::SendTimeoutError;
            /// use std::time::Duration;
            ///
            /// let (sender, _receiver) = gochan::channel(1);
            /// let deadline = gochan::time::now() + Duration::from_millis(1);
            /// assert_eq!(sender.send_deadline(1, deadline), Ok(()));
            /// assert_eq!(sender.send_deadline(2, deadline), Err(SendTimeoutError::Timeout(2)));
            /// ```
            #[track_caller]
            pub fn send_deadline(
                &self,
                value: T,
                deadline: Instant,
            ) -> Result<(), SendTimeoutError<T>> {
                self.send_patiently(value, Patience::Until(deadline), Location::caller())
            }

            fn send_patiently(
                &self,
                value: T,
                patience: Patience,
                location: &'static Location<'static>,
            ) -> Result<(), SendTimeoutError<T>> {
                self.channel
                    .send_patiently(value, patience, location)
                    .map_err(|(value, refusal)| match refusal {
                        Refusal::WouldBlock | Refusal::TimedOut => SendTimeoutError::Timeout(value),
                        Refusal::Closed | Refusal::Abandoned => SendTimeoutError::Closed(value),
                    })
            }

            /// Closes the channel: no more values are sent; receivers get what the buffer holds,
            /// then `None`. Senders that wait get their values back.
            ///
            /// # Panics
            /// `close of closed channel`, if it is closed.
            ///
            /// ```
            /// let (sender, receiver) = gochan::channel(1);
            /// sender.send(1).unwrap();
            /// sender.close();
            /// assert!(sender.send(2).is_err());
            /// assert_eq!((receiver.recv(), receiver.recv()), (Some(1), None));
            /// ```
            #[track_caller]
            pub fn close(&self) {
                if !self.channel.close() {
                    panic!("close of closed channel");
                }
            }
        }
    };
}

sending_handle!(Chan);
sending_handle!(Sender);

/// What handles that can receive can do.
macro_rules! receiving_handle {
    ($handle:ident) => {
        impl<T> $handle<T> {
            /// Receives a value; waits until there is one. `None`: the channel is closed and
            /// drained.
            ///
            /// ```
            /// let (sender, receiver) = gochan::channel(0);
            /// gochan::go!({ sender.send(5).unwrap() });
            /// assert_eq!(receiver.recv(), Some(5));
            /// assert_eq!(receiver.recv(), None);
            /// ```
            #[inline(always)] // see `Channel::recv`
            #[track_caller]
            pub fn recv(&self) -> Option<T> {
                self.channel.recv(Location::caller())
            }

            /// Receives a value if there is one.
            ///
            /// # Errors
            /// There is none at the moment, or there will be none any more.
            ///
            /// ```
            /// use gochan::TryRecvError;
            ///
            /// let (sender, receiver) = gochan::channel::<i32>(1);
            /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
            /// drop(sender);
            /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
            /// ```
            #[inline]
            #[track_caller]
            pub fn try_recv(&self) -> Result<T, TryRecvError> {
                self.channel
                    .recv_patiently(Patience::Never, Location::caller())
                    .map_err(|refusal| match refusal {
                        Refusal::WouldBlock | Refusal::TimedOut => TryRecvError::Empty,
                        Refusal::Closed | Refusal::Abandoned => TryRecvError::Closed,
                    })
            }

            /// As [`recv`](Self::recv), but waits no longer than `timeout`.
            ///
            /// # Errors
            /// The time is up, or there will be no value any more.
            ///
            /// ```
            /// use gochan::RecvTimeoutError;
            /// use std::time::Duration;
            ///
            /// let (_sender, receiver) = gochan::channel::<i32>(1);
            /// let received = receiver.recv_timeout(Duration::from_millis(1));
            /// assert_eq!(received, Err(RecvTimeoutError::Timeout));
            /// ```
            #[track_caller]
            pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
                self.recv_patiently(Patience::lasting(timeout), Location::caller())
            }

            /// As [`recv`](Self::recv), but waits no longer than until `deadline`.
            ///
            /// # Errors
            /// The time is up, or there will be no value any more.
            ///
            /// ```
            /// use std::time::Duration;
            ///
            /// let (sender, receiver) = gochan::channel(1);
            /// sender.send(5).unwrap();
            /// let deadline = gochan::time::now() + Duration::from_millis(1);
            /// assert_eq!(receiver.recv_deadline(deadline), Ok(5));
            /// assert!(receiver.recv_deadline(deadline).unwrap_err().is_timeout());
            /// ```
            #[track_caller]
            pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
                self.recv_patiently(Patience::Until(deadline), Location::caller())
            }

            fn recv_patiently(
                &self,
                patience: Patience,
                location: &'static Location<'static>,
            ) -> Result<T, RecvTimeoutError> {
                self.channel
                    .recv_patiently(patience, location)
                    .map_err(|refusal| match refusal {
                        Refusal::WouldBlock | Refusal::TimedOut => RecvTimeoutError::Timeout,
                        Refusal::Closed | Refusal::Abandoned => RecvTimeoutError::Closed,
                    })
            }

            /// Receives until the channel is closed and drained.
            ///
            /// ```
            /// let (sender, receiver) = gochan::channel(0);
            /// gochan::go!({ (1..=3).for_each(|n| sender.send(n).unwrap()) });
            /// assert_eq!(receiver.iter().sum::<i32>(), 6);
            /// ```
            #[track_caller]
            pub fn iter(&self) -> Iter<'_, T> {
                Iter::new(&self.channel)
            }

            /// Receives for as long as there are values, without waiting.
            ///
            /// ```
            /// let (sender, receiver) = gochan::channel(8);
            /// (1..=3).for_each(|n| sender.send(n).unwrap());
            /// assert_eq!(receiver.try_iter().sum::<i32>(), 6); // `iter` would wait for more
            /// ```
            pub fn try_iter(&self) -> TryIter<'_, T> {
                TryIter::new(&self.channel)
            }
        }

        impl<'a, T> IntoIterator for &'a $handle<T> {
            type Item = T;
            type IntoIter = Iter<'a, T>;

            #[track_caller]
            fn into_iter(self) -> Iter<'a, T> {
                self.iter()
            }
        }
    };
}

receiving_handle!(Chan);
receiving_handle!(Receiver);

// Written out for each handle: a macro would be named in the messages.

/// What a handle cannot do, for the compiler's message.
impl<T> Chan<T> {
    #[doc(hidden)]
    pub fn unwrap(&self) -> &Self
    where
        Self: Received,
    {
        self
    }

    #[doc(hidden)]
    pub fn expect(&self, _: &str) -> &Self
    where
        Self: Received,
    {
        self
    }
}

/// What a handle cannot do, for the compiler's message.
impl<T> Sender<T> {
    #[doc(hidden)]
    pub fn recv(&self)
    where
        Self: RecvOperand,
    {
    }

    #[doc(hidden)]
    pub fn try_recv(&self)
    where
        Self: RecvOperand,
    {
    }

    #[doc(hidden)]
    pub fn recv_timeout(&self, _: Duration)
    where
        Self: RecvOperand,
    {
    }

    #[doc(hidden)]
    pub fn recv_deadline(&self, _: Instant)
    where
        Self: RecvOperand,
    {
    }

    #[doc(hidden)]
    pub fn iter(&self)
    where
        Self: RecvOperand,
    {
    }

    #[doc(hidden)]
    pub fn try_iter(&self)
    where
        Self: RecvOperand,
    {
    }
}

/// What a handle cannot do, for the compiler's message.
impl<T> Receiver<T> {
    #[doc(hidden)]
    pub fn send(&self, _: T)
    where
        Self: SendOperand,
    {
    }

    #[doc(hidden)]
    pub fn try_send(&self, _: T)
    where
        Self: SendOperand,
    {
    }

    #[doc(hidden)]
    pub fn send_timeout(&self, _: T, _: Duration)
    where
        Self: SendOperand,
    {
    }

    #[doc(hidden)]
    pub fn send_deadline(&self, _: T, _: Instant)
    where
        Self: SendOperand,
    {
    }

    #[doc(hidden)]
    pub fn close(&self)
    where
        Self: CloseOperand,
    {
    }

    #[doc(hidden)]
    pub fn unwrap(&self) -> &Self
    where
        Self: Received,
    {
        self
    }

    #[doc(hidden)]
    pub fn expect(&self, _: &str) -> &Self
    where
        Self: Received,
    {
        self
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    #[track_caller]
    fn into_iter(self) -> IntoIter<T> {
        IntoIter::new(self)
    }
}

/// The iterator receives only: the sending half of this handle is dropped at once, so that
/// the loop ends when the other senders have gone.
impl<T> IntoIterator for Chan<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    #[track_caller]
    fn into_iter(self) -> IntoIter<T> {
        IntoIter::new(self.into())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Chan;
    use crate::runtime::{Config, Runtime};
    use crate::{go, select, yield_now};
    use std::panic::{self, AssertUnwindSafe};
    use std::time::Duration;

    struct Fuse;

    impl Drop for Fuse {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }

    /// A worker uses the memory again that was freed last.
    #[test]
    #[cfg(not(gochan_no_block_cache))]
    fn a_channel_is_freed_though_the_destructor_of_a_value_panics() {
        let ends: [fn(Chan<Fuse>); 3] = [
            drop,
            |channel| {
                let (sender, receiver) = channel.split();
                drop(sender);
                drop(receiver);
            },
            |channel| {
                let (_sender, receiver) = channel.split();
                drop(receiver);
            },
        ];
        let runtime = Runtime::new(Config::new().workers(1)).unwrap();
        runtime.run(|| {
            for end in ends {
                let channel = Chan::new(1);
                let place = channel.channel.address();
                assert!(channel.send(Fuse).is_ok());
                panic::catch_unwind(AssertUnwindSafe(|| end(channel))).unwrap_err();
                assert_eq!(Chan::<Fuse>::new(1).channel.address(), place);
            }
        });
    }

    #[test]
    fn a_channel_does_not_show_who_has_given_up_waiting() {
        const SOON: Duration = Duration::from_millis(1);
        let runtime = Runtime::new(Config::new().workers(1)).unwrap();
        runtime.run(|| {
            let ch = Chan::new(0);
            let shows = || (ch.channel.can_recv(), ch.channel.can_send());
            type Wait = fn(&Chan<()>);
            let send: Wait = |ch| assert!(ch.send_timeout((), SOON).is_err());
            let receive: Wait = |ch| assert!(ch.recv_timeout(SOON).is_err());
            let select_send: Wait = |ch| {
                select! { send(ch, ()) => unreachable!(), after(SOON) => {} }
            };
            let select_receive: Wait = |ch| {
                select! { recv(ch) => unreachable!(), after(SOON) => {} }
            };
            let waits = [
                (send, (true, false)),
                (select_send, (true, false)),
                (receive, (false, true)),
                (select_receive, (false, true)),
            ];
            for (wait, shown) in waits {
                let waiting = ch.clone();
                let waits = go! { wait(&waiting) };
                assert_eq!(shows(), (false, false));
                yield_now();
                assert_eq!(shows(), shown);
                waits.join().unwrap();
                assert_eq!(shows(), (false, false));
            }
        });
    }
}
