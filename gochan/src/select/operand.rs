//! What operations name their channels by: handles, and what leads to them.
//!
//! Each trait names the type that does not implement it in words of its own: it is what the compiler
//! says of a wrong operand.

use crate::channel::core::Channel;
use crate::channel::{Chan, Receiver, Sender};
use crate::sync;
use std::cell::{Ref, RefMut};
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

/// What `<-` receives from.
#[diagnostic::on_unimplemented(
    message = "cannot receive from `{Self}`",
    label = "not a channel's receiving side",
    note = "`<-ch` receives from a `Receiver` or a `Chan`, or from a reference, `Box`, `Rc` or \
            `Arc` of one, or a guard of it; from what else refers to one, receive by `<-*it`"
)]
pub trait RecvOperand {
    /// What is received.
    type Item;

    #[doc(hidden)]
    fn receiving(&self) -> ReceivingSide<'_, Self::Item>;
}

/// What `<-` sends to.
#[diagnostic::on_unimplemented(
    message = "cannot send to `{Self}`",
    label = "not a channel's sending side",
    note = "`ch <- value` sends to a `Sender` or a `Chan`, or to a reference, `Box`, `Rc` or \
            `Arc` of one, or a guard of it; to what else refers to one, send by `*it <- value`",
    note = "if `<-` was meant as a comparison with a negative number, put a space in it: `a < -b`"
)]
pub trait SendOperand {
    /// What is sent.
    type Item;

    #[doc(hidden)]
    fn sending(&self) -> SendingSide<'_, Self::Item>;
}

/// What an arm of a `select!` receives from.
#[diagnostic::on_unimplemented(
    message = "cannot receive from `{Self}` in `select!`",
    label = "not a channel's receiving side",
    note = "an arm receives from a `Receiver` or a `Chan`, a reference, `Box`, `Rc` or `Arc` of \
            one, or an `Option` of these (`None`: never ready)"
)]
pub trait SelectRecv {
    /// What is received.
    type Item;

    #[doc(hidden)]
    fn receiving(&self) -> Option<ReceivingSide<'_, Self::Item>>;
}

/// What an arm of a `select!` sends to.
#[diagnostic::on_unimplemented(
    message = "cannot send to `{Self}` in `select!`",
    label = "not a channel's sending side",
    note = "an arm sends to a `Sender` or a `Chan`, a reference, `Box`, `Rc` or `Arc` of one, or \
            an `Option` of these (`None`: never ready)"
)]
pub trait SelectSend {
    /// What is sent.
    type Item;

    #[doc(hidden)]
    fn sending(&self) -> Option<SendingSide<'_, Self::Item>>;
}

/// What can close its channel. Nothing implements it: it is the bound of a method that is there
/// only for its message.
#[diagnostic::on_unimplemented(
    message = "a `Receiver` cannot close its channel",
    label = "the receiving side cannot close",
    note = "close it where values are sent: `Chan` and `Sender` have `close()`; to stop receiving, \
            drop the `Receiver`"
)]
pub trait CloseOperand {}

/// What has been received. Nothing implements it: it is the bound of methods that are there only for
/// their message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is the channel, and not what is received from it",
    label = "called on the channel",
    note = "`<-` binds looser than a method call: to call one on what is received, put the receive \
            in parentheses, `(<-ch).unwrap()`, or write `ch.recv().unwrap()`"
)]
pub trait Received {}

/// A channel that may be received from.
pub struct ReceivingSide<'a, T>(&'a Channel<T>);

/// A channel that may be sent to.
pub struct SendingSide<'a, T>(&'a Channel<T>);

macro_rules! operands {
    ($plain:ident, $select:ident, $method:ident, $side:ident: $($handle:ident)+) => {
        impl<'a, T> $side<'a, T> {
            pub(crate) fn channel(&self) -> &'a Channel<T> {
                self.0
            }
        }

        impl<T> fmt::Debug for $side<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($side)).finish_non_exhaustive()
            }
        }

        $(
            #[diagnostic::do_not_recommend]
            impl<T> $plain for $handle<T> {
                type Item = T;

                #[inline]
                fn $method(&self) -> $side<'_, T> {
                    $side(self.core())
                }
            }

            #[diagnostic::do_not_recommend]
            impl<T> $select for $handle<T> {
                type Item = T;

                #[inline]
                fn $method(&self) -> Option<$side<'_, T>> {
                    Some($side(self.core()))
                }
            }
        )+

        /// An absent channel is never ready.
        #[diagnostic::do_not_recommend]
        impl<C: $select> $select for Option<C> {
            type Item = C::Item;

            #[inline]
            fn $method(&self) -> Option<$side<'_, C::Item>> {
                self.as_ref().and_then($select::$method)
            }
        }

        operands!(@through $plain, $select, $method, $side:
            &C, &mut C, Box<C>, Rc<C>, Arc<C>, LazyLock<C>, Ref<'_, C>, RefMut<'_, C>,
            std::sync::MutexGuard<'_, C>, sync::MutexGuard<'_, C>,
            std::sync::RwLockReadGuard<'_, C>, sync::RwLockReadGuard<'_, C>,
            std::sync::RwLockWriteGuard<'_, C>, sync::RwLockWriteGuard<'_, C>);
    };
    (@through $plain:ident, $select:ident, $method:ident, $side:ident: $($pointer:ty),+) => {
        $(
            #[diagnostic::do_not_recommend]
            impl<C: $plain> $plain for $pointer {
                type Item = C::Item;

                #[inline]
                fn $method(&self) -> $side<'_, C::Item> {
                    $plain::$method(&**self)
                }
            }

            #[diagnostic::do_not_recommend]
            impl<C: $select> $select for $pointer {
                type Item = C::Item;

                #[inline]
                fn $method(&self) -> Option<$side<'_, C::Item>> {
                    $select::$method(&**self)
                }
            }
        )+
    };
}

operands!(RecvOperand, SelectRecv, receiving, ReceivingSide: Chan Receiver);
operands!(SendOperand, SelectSend, sending, SendingSide: Chan Sender);

/// What `take` takes from.
#[diagnostic::on_unimplemented(
    message = "`take` needs an `Option`, found `{Self}`",
    label = "not an `Option`",
    note = "`send(ch, take slot)` moves the value out of `slot: Option<T>` if this send is \
            chosen; to send a plain value, write `send(ch, value)`"
)]
pub trait Slot {
    /// What the slot may hold.
    type Item;

    #[doc(hidden)]
    fn slot(&mut self) -> &mut Option<Self::Item>;
}

#[diagnostic::do_not_recommend]
impl<T> Slot for Option<T> {
    type Item = T;

    fn slot(&mut self) -> &mut Option<T> {
        self
    }
}

/// The slot of a `take` arm.
pub fn take_slot<S: Slot<Item = T> + ?Sized, T>(slot: &mut S) -> &mut Option<T> {
    slot.slot()
}
