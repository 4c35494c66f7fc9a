//! Selects over sets of operations that are known at run time only.

use super::arm::{Arm, PromiseArm, RecvArm, keep_promise};
use super::operand::{RecvOperand, SendOperand};
use super::wait::{Limit, Order, Request, Scratch, select};
use crate::channel::core::{Promise, Refusal};
use crate::error::{SelectTimeoutError, SendError, TrySelectError};
use crate::wait::{BiasedLock, Patience};
use std::fmt;
use std::panic::Location;
use std::ptr;
use std::time::{Duration, Instant};

/// A set of operations of which the first that can happen is chosen.
///
/// An operation has the index that [`recv`](Select::recv) or [`send`](Select::send) returned for
/// it; indices are never given twice. A chosen operation is completed by
/// [`SelectedOperation::recv`] or [`SelectedOperation::send`]; one that is dropped instead has
/// not happened: a value that was received stays with the `Select`, whose next choice it is,
/// and a receiver that was promised a value waits on. A `Select` with no operation waits for
/// ever.
///
/// ```
/// use gochan::{Select, channel};
///
/// let channels: Vec<_> = (0..3).map(|_| channel(1)).collect();
/// channels[1].0.send("hello").unwrap();
///
/// let mut select = Select::new();
/// for (_, receiver) in &channels {
///     select.recv(receiver);
/// }
/// let op = select.select();
/// let index = op.index();
/// assert_eq!((index, op.recv(&channels[index].1)), (1, Some("hello")));
/// ```
pub struct Select<'a> {
    /// The operations, in the order of their indices; removed ones are gone.
    operations: Vec<(usize, Box<dyn DynamicArm + 'a>)>,
    next_index: usize,
    order: Order,
    ready: Vec<u32>,
    locks: Vec<*const BiasedLock>,
}

/// An arm of a dynamic select.
trait DynamicArm: Arm {
    /// The channel's address, by which a completing call is checked.
    fn address(&self) -> *const ();

    /// Whether it receives.
    fn receives(&self) -> bool;

    /// Whether it holds a value that no completing call has taken.
    fn is_pending(&self) -> bool;

    /// Moves a received value to `place`, an `Option<T>` of the channel's `T`.
    ///
    /// # Safety
    /// `place` points to such an `Option`, and may be written to.
    unsafe fn take_received(&mut self, place: *mut ());

    /// The promise that the arm was given.
    fn take_promise(&mut self) -> Option<Result<Promise, Refusal>>;

    /// Gives up what the arm was given and nobody has used, if others could use it.
    fn release(&mut self);

    /// The arm as the algorithm takes it.
    fn as_arm(&mut self) -> &mut dyn Arm;
}

impl<T> DynamicArm for RecvArm<'_, T> {
    fn address(&self) -> *const () {
        RecvArm::address(self)
    }

    fn receives(&self) -> bool {
        true
    }

    fn is_pending(&self) -> bool {
        self.has_received()
    }

    unsafe fn take_received(&mut self, place: *mut ()) {
        let received = RecvArm::take_received(self);
        // SAFETY: the caller's promise.
        unsafe { place.cast::<Option<T>>().write(received) };
    }

    fn take_promise(&mut self) -> Option<Result<Promise, Refusal>> {
        None
    }

    fn release(&mut self) {}

    fn as_arm(&mut self) -> &mut dyn Arm {
        self
    }
}

impl<T> DynamicArm for PromiseArm<'_, T> {
    fn address(&self) -> *const () {
        PromiseArm::address(self)
    }

    fn receives(&self) -> bool {
        false
    }

    fn is_pending(&self) -> bool {
        false
    }

    unsafe fn take_received(&mut self, _: *mut ()) {
        unreachable!("a sending operation receives nothing")
    }

    fn take_promise(&mut self) -> Option<Result<Promise, Refusal>> {
        PromiseArm::take_promise(self)
    }

    fn release(&mut self) {
        self.break_promise();
    }

    fn as_arm(&mut self) -> &mut dyn Arm {
        self
    }
}

impl Default for Select<'_> {
    fn default() -> Self {
        Select::new()
    }
}

impl<'a> Select<'a> {
    /// A set without operations, from which ready ones are chosen with equal probability.
    ///
    /// ```
    /// let (sender, receiver) = gochan::channel(1);
    /// sender.send(5).unwrap();
    /// let mut select = gochan::Select::new();
    /// select.recv(&receiver);
    /// assert_eq!(select.select().recv(&receiver), Some(5));
    /// ```
    pub fn new() -> Self {
        Select {
            operations: Vec::new(),
            next_index: 0,
            order: Order::Random,
            ready: Vec::new(),
            locks: Vec::new(),
        }
    }

    /// A set without operations, from which of several ready ones the one that was added first
    /// is chosen.
    ///
    /// ```
    /// let (urgent, other) = (gochan::Chan::new(1), gochan::Chan::new(1));
    /// other.send("later").unwrap();
    /// urgent.send("now").unwrap();
    /// let mut select = gochan::Select::biased();
    /// let first = select.recv(&urgent);
    /// select.recv(&other);
    /// let op = select.select();
    /// assert_eq!(op.index(), first);
    /// assert_eq!(op.recv(&urgent), Some("now"));
    /// ```
    pub fn biased() -> Self {
        Select {
            order: Order::Source,
            ..Select::new()
        }
    }

    /// Adds a receive, and returns its index.
    ///
    /// ```
    /// let (a, b) = (gochan::Chan::<u8>::new(0), gochan::Chan::<u8>::new(0));
    /// let mut select = gochan::Select::new();
    /// assert_eq!((select.recv(&a), select.recv(&b)), (0, 1));
    /// ```
    pub fn recv<R>(&mut self, r: &'a R) -> usize
    where
        R: RecvOperand,
        R::Item: 'a,
    {
        self.add(Box::new(RecvArm::on(r.receiving().channel())))
    }

    /// Adds a send, and returns its index. The value is brought when the operation was chosen.
    ///
    /// ```
    /// let (sender, receiver) = gochan::channel(1);
    /// let mut select = gochan::Select::new();
    /// let index = select.send(&sender);
    /// let op = select.select();
    /// assert_eq!(op.index(), index);
    /// op.send(&sender, "a value").unwrap();
    /// assert_eq!(receiver.recv(), Some("a value"));
    /// ```
    pub fn send<S>(&mut self, s: &'a S) -> usize
    where
        S: SendOperand,
        S::Item: 'a,
    {
        self.add(Box::new(PromiseArm::new(s.sending().channel())))
    }

    fn add(&mut self, arm: Box<dyn DynamicArm + 'a>) -> usize {
        let index = self.next_index;
        self.next_index += 1;
        self.operations.push((index, arm));
        index
    }

    /// Takes an operation out of the set. A value that it received and nobody took is dropped.
    ///
    /// # Panics
    /// If there is no operation with this index.
    ///
    /// ```
    /// let (sender, receiver) = gochan::channel(1);
    /// sender.send(5).unwrap();
    /// let mut select = gochan::Select::new();
    /// let index = select.recv(&receiver);
    /// select.remove(index);
    /// assert!(select.try_select().is_err());
    /// ```
    #[track_caller]
    pub fn remove(&mut self, index: usize) {
        match self.operations.binary_search_by_key(&index, |&(i, _)| i) {
            Ok(place) => drop(self.operations.remove(place)),
            Err(_) => panic!("there is no operation with index {index}"),
        }
    }

    /// Waits until one of the operations can happen, and chooses it.
    ///
    /// ```
    /// let (sender, receiver) = gochan::channel(0);
    /// gochan::go!({ sender.send(5).unwrap() });
    /// let mut select = gochan::Select::new();
    /// select.recv(&receiver);
    /// assert_eq!(select.select().recv(&receiver), Some(5));
    /// ```
    #[track_caller]
    pub fn select(&mut self) -> SelectedOperation<'_, 'a> {
        let chosen = self.choose(Limit::Forever, Location::caller());
        chosen.expect("a select without a limit ends with a choice")
    }

    /// Chooses an operation that can happen now.
    ///
    /// # Errors
    /// There is none.
    ///
    /// ```
    /// let (sender, receiver) = gochan::channel(1);
    /// let mut select = gochan::Select::new();
    /// select.recv(&receiver);
    /// assert!(select.try_select().is_err());
    /// sender.send(5).unwrap();
    /// assert_eq!(select.try_select().unwrap().recv(&receiver), Some(5));
    /// ```
    #[track_caller]
    pub fn try_select(&mut self) -> Result<SelectedOperation<'_, 'a>, TrySelectError> {
        self.choose(Limit::None, Location::caller())
            .ok_or(TrySelectError)
    }

    /// As [`select`](Select::select), but waits no longer than `timeout`.
    ///
    /// # Errors
    /// The time is up.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (_sender, receiver) = gochan::channel::<u8>(0);
    /// let mut select = gochan::Select::new();
    /// select.recv(&receiver);
    /// assert!(select.select_timeout(Duration::from_millis(1)).is_err());
    /// ```
    #[track_caller]
    pub fn select_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<SelectedOperation<'_, 'a>, SelectTimeoutError> {
        let limit = match Patience::lasting(timeout).deadline() {
            Some(deadline) => Limit::Until(deadline),
            None => Limit::Forever,
        };
        self.choose(limit, Location::caller())
            .ok_or(SelectTimeoutError)
    }

    /// As [`select`](Select::select), but waits no longer than until `deadline` (on the clock of
    /// [`time::now`](crate::time::now)).
    ///
    /// # Errors
    /// The time is up.
    ///
    /// ```
    /// use gochan::Select;
    /// use std::time::Duration;
    ///
    /// let (first, second) = (gochan::channel::<u32>(0), gochan::channel::<u32>(0));
    /// let mut select = Select::new();
    /// select.recv(&first.1);
    /// select.recv(&second.1);
    /// let deadline = gochan::time::now() + Duration::from_millis(1);
    /// assert!(select.select_deadline(deadline).is_err());
    /// ```
    #[track_caller]
    pub fn select_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<SelectedOperation<'_, 'a>, SelectTimeoutError> {
        self.choose(Limit::Until(deadline), Location::caller())
            .ok_or(SelectTimeoutError)
    }

    fn choose(
        &mut self,
        limit: Limit,
        location: &'static Location<'static>,
    ) -> Option<SelectedOperation<'_, 'a>> {
        let pending = self.operations.iter().position(|(_, arm)| arm.is_pending());
        let place = match pending {
            Some(place) => place,
            None => {
                self.ready.resize(self.operations.len(), 0);
                self.locks.resize(self.operations.len(), ptr::null());
                let mut arms: Vec<&mut dyn Arm> = self
                    .operations
                    .iter_mut()
                    .map(|(_, arm)| arm.as_arm())
                    .collect();
                let mut scratch = Scratch {
                    ready: &mut self.ready,
                    locks: &mut self.locks,
                };
                let request = Request {
                    order: self.order,
                    limit,
                    location,
                };
                select(&mut arms, &mut scratch, request)?
            }
        };
        let (index, arm) = &mut self.operations[place];
        Some(SelectedOperation { index: *index, arm })
    }
}

impl fmt::Debug for Select<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indices = self.operations.iter().map(|(index, _)| index);
        f.debug_set().entries(indices).finish()
    }
}

/// An operation that was chosen and is to be completed.
#[must_use = "a chosen operation is completed by `recv` or `send`"]
pub struct SelectedOperation<'s, 'a> {
    index: usize,
    arm: &'s mut Box<dyn DynamicArm + 'a>,
}

impl SelectedOperation<'_, '_> {
    /// The operation's index.
    ///
    /// ```
    /// let ch = gochan::Chan::new(1);
    /// let mut select = gochan::Select::new();
    /// let (receive, send) = (select.recv(&ch), select.send(&ch));
    /// for _ in 0..2 {
    ///     let op = select.select();
    ///     match op.index() {
    ///         index if index == receive => assert_eq!(op.recv(&ch), Some(5)),
    ///         index if index == send => op.send(&ch, 5).unwrap(),
    ///         _ => unreachable!(),
    ///     }
    /// }
    /// ```
    pub fn index(&self) -> usize {
        self.index
    }

    /// Completes a receive. `None`: the channel is closed and drained.
    ///
    /// # Panics
    /// If the operation is not a receive from this channel.
    ///
    /// ```
    /// let (sender, receiver) = gochan::channel::<u8>(0);
    /// drop(sender);
    /// let mut select = gochan::Select::new();
    /// select.recv(&receiver);
    /// assert_eq!(select.select().recv(&receiver), None);
    /// ```
    #[track_caller]
    pub fn recv<R: RecvOperand>(self, r: &R) -> Option<R::Item> {
        let channel = ptr::from_ref(r.receiving().channel()).cast::<()>();
        assert!(
            self.arm.receives() && self.arm.address() == channel,
            "operation {} is not a receive from this channel",
            self.index
        );
        let mut received: Option<R::Item> = None;
        // SAFETY: the addresses are equal and both borrowed, so it is the same channel with the
        // same type of element.
        unsafe { self.arm.take_received(ptr::from_mut(&mut received).cast()) };
        received
    }

    /// Completes a send.
    ///
    /// # Errors
    /// Hands the value back if the channel is closed or all its receivers have gone.
    ///
    /// # Panics
    /// If the operation is not a send to this channel.
    ///
    /// ```
    /// let (sender, receiver) = gochan::channel(0);
    /// drop(receiver);
    /// let mut select = gochan::Select::new();
    /// select.send(&sender);
    /// assert_eq!(select.select().send(&sender, 5).unwrap_err().into_inner(), 5);
    /// ```
    #[track_caller]
    pub fn send<S: SendOperand>(self, s: &S, value: S::Item) -> Result<(), SendError<S::Item>> {
        let side = s.sending();
        let channel = ptr::from_ref(side.channel()).cast::<()>();
        assert!(
            !self.arm.receives() && self.arm.address() == channel,
            "operation {} is not a send to this channel",
            self.index
        );
        let promise = self.arm.take_promise().expect("a chosen send was promised");
        // SAFETY: the addresses are equal and both borrowed, so it is the channel that gave the
        // promise, which was taken out just now.
        unsafe { keep_promise(side.channel(), promise, value) }
    }
}

impl Drop for SelectedOperation<'_, '_> {
    fn drop(&mut self) {
        self.arm.release();
    }
}

impl fmt::Debug for SelectedOperation<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectedOperation")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
