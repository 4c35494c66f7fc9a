//! Iterators that receive.
//!
//! In dumps they wait where they were made: who calls `next` is as often an adapter of the standard
//! library, whose source says nothing.

use super::core::Channel;
use super::handle::Receiver;
use crate::wait::Patience;
use std::fmt;
use std::iter::FusedIterator;
use std::panic::Location;

/// Receives until the channel is closed and drained; from [`Receiver::iter`].
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Iter<'a, T> {
    channel: &'a Channel<T>,
    made_at: &'static Location<'static>,
}

/// Receives for as long as there are values, without waiting; from [`Receiver::try_iter`].
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct TryIter<'a, T> {
    channel: &'a Channel<T>,
}

/// Receives until the channel is closed and drained; from a handle by value.
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct IntoIter<T> {
    receiver: Receiver<T>,
    made_at: &'static Location<'static>,
}

impl<'a, T> Iter<'a, T> {
    #[track_caller]
    pub(super) fn new(channel: &'a Channel<T>) -> Self {
        Iter {
            channel,
            made_at: Location::caller(),
        }
    }
}

impl<'a, T> TryIter<'a, T> {
    pub(super) fn new(channel: &'a Channel<T>) -> Self {
        TryIter { channel }
    }
}

impl<T> IntoIter<T> {
    #[track_caller]
    pub(super) fn new(receiver: Receiver<T>) -> Self {
        IntoIter {
            receiver,
            made_at: Location::caller(),
        }
    }
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    #[inline(always)] // see `Channel::recv`
    fn next(&mut self) -> Option<T> {
        self.channel.recv(self.made_at)
    }
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    #[inline]
    #[track_caller]
    fn next(&mut self) -> Option<T> {
        self.channel
            .recv_patiently(Patience::Never, Location::caller())
            .ok()
    }
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    #[inline(always)] // see `Channel::recv`
    fn next(&mut self) -> Option<T> {
        self.receiver.core().recv(self.made_at)
    }
}

impl<T> FusedIterator for Iter<'_, T> {}
impl<T> FusedIterator for IntoIter<T> {}

impl<T> fmt::Debug for Iter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for TryIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryIter").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for IntoIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoIter").finish_non_exhaustive()
    }
}
