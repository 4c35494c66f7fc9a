//! What may go to other threads, and be shared by them, and what must not: a line here that is wrong
//! does not compile.

use gochan::context::{AfterFunc, CancelGuard, CancelHandle, Context};
use gochan::goroutine::LocalKey;
use gochan::runtime::Runtime;
use gochan::sync::{
    Barrier, Cond, ErrGroup, Mutex, MutexGuard, Once, OnceValue, Permit, Pool, Pooled, RwLock,
    RwLockReadGuard, RwLockWriteGuard, Semaphore, SingleFlight, WaitGroup,
};
use gochan::time::{Ticker, Timer};
use gochan::{
    Chan, IntoIter, Iter, JoinError, JoinHandle, Receiver, Scope, ScopedJoinHandle, Select,
    SelectedOperation, Sender, TryIter,
};
use std::cell::Cell;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use std::sync::Arc;

/// May go nowhere.
type Local = Rc<()>;
/// May go to another thread, but not be shared.
type Unshared = Cell<u8>;
type Shared = String;

macro_rules! implement {
    ($($type:ty: $trait:ident $(+ $more:ident)*;)+) => {
        $(const _: fn() = || {
            fn requires<T: ?Sized + $trait $(+ $more)*>() {}
            requires::<$type>();
        };)+
    };
}

/// Whether the function of `Ask` is that of its first implementation is clear only if there is no
/// second one.
macro_rules! do_not_implement {
    ($($type:ty: $trait:ident;)+) => {
        $(const _: fn() = || {
            struct IfImplemented;
            trait Ask<Answer> {
                fn ask() {}
            }
            impl<T: ?Sized> Ask<()> for T {}
            impl<T: ?Sized + $trait> Ask<IfImplemented> for T {}
            <$type as Ask<_>>::ask();
        };)+
    };
}

implement! {
    Chan<Unshared>: Send + Sync;
    Sender<Unshared>: Send + Sync;
    Receiver<Unshared>: Send + Sync;
    JoinHandle<Unshared>: Send + Sync;
    JoinError: Send + Sync;
    Scope<'static, 'static>: Sync;
    ScopedJoinHandle<'static, Unshared>: Send + Sync;
    Runtime: Send + Sync;
    LocalKey<Local>: Send + Sync;
    Mutex<Unshared>: Send + Sync;
    MutexGuard<'static, Shared>: Sync;
    RwLock<Shared>: Send + Sync;
    RwLockReadGuard<'static, Shared>: Sync;
    RwLockWriteGuard<'static, Shared>: Sync;
    Barrier: Send + Sync;
    Cond: Send + Sync;
    Once: Send + Sync;
    OnceValue<Shared>: Send + Sync;
    WaitGroup: Send + Sync;
    Semaphore: Send + Sync;
    Permit<Arc<Semaphore>>: Send + Sync;
    ErrGroup<Unshared>: Send + Sync;
    SingleFlight<Unshared, Shared>: Send + Sync;
    Pool<Unshared>: Send + Sync;
    Context: Send + Sync;
    CancelGuard: Send + Sync;
    CancelHandle: Send + Sync;
    AfterFunc: Send + Sync;
    Timer: Send + Sync;
    Ticker: Send + Sync;
}

// A panic that is caught leaves none of these half changed, whatever values they carry.
implement! {
    Chan<Unshared>: UnwindSafe + RefUnwindSafe;
    Sender<Unshared>: UnwindSafe + RefUnwindSafe;
    Receiver<Unshared>: UnwindSafe + RefUnwindSafe;
    Iter<'static, Unshared>: UnwindSafe + RefUnwindSafe;
    TryIter<'static, Unshared>: UnwindSafe + RefUnwindSafe;
    IntoIter<Unshared>: UnwindSafe + RefUnwindSafe;
    JoinHandle<Unshared>: UnwindSafe + RefUnwindSafe;
    Scope<'static, 'static>: RefUnwindSafe;
    ScopedJoinHandle<'static, Unshared>: UnwindSafe + RefUnwindSafe;
    Runtime: UnwindSafe + RefUnwindSafe;
    LocalKey<Unshared>: UnwindSafe + RefUnwindSafe;
    Mutex<Unshared>: UnwindSafe + RefUnwindSafe;
    MutexGuard<'static, Unshared>: UnwindSafe;
    RwLock<Unshared>: UnwindSafe + RefUnwindSafe;
    RwLockReadGuard<'static, Unshared>: UnwindSafe;
    RwLockWriteGuard<'static, Unshared>: UnwindSafe;
    Barrier: UnwindSafe + RefUnwindSafe;
    Cond: UnwindSafe + RefUnwindSafe;
    Once: UnwindSafe + RefUnwindSafe;
    OnceValue<Shared>: UnwindSafe + RefUnwindSafe;
    WaitGroup: UnwindSafe + RefUnwindSafe;
    Semaphore: UnwindSafe + RefUnwindSafe;
    Permit<Arc<Semaphore>>: UnwindSafe + RefUnwindSafe;
    ErrGroup<Unshared>: UnwindSafe + RefUnwindSafe;
    SingleFlight<Unshared, Shared>: UnwindSafe + RefUnwindSafe;
    Pool<Unshared>: UnwindSafe + RefUnwindSafe;
    Context: UnwindSafe + RefUnwindSafe;
    CancelGuard: UnwindSafe + RefUnwindSafe;
    CancelHandle: UnwindSafe + RefUnwindSafe;
    AfterFunc: UnwindSafe + RefUnwindSafe;
    Timer: UnwindSafe + RefUnwindSafe;
    Ticker: UnwindSafe + RefUnwindSafe;
}

do_not_implement! {
    Chan<Local>: Send;
    Chan<Local>: Sync;
    Sender<Local>: Send;
    Sender<Local>: Sync;
    Receiver<Local>: Send;
    Receiver<Local>: Sync;
    Iter<'static, Local>: Send;
    TryIter<'static, Local>: Send;
    IntoIter<Local>: Send;
    Select<'static>: Send;
    Select<'static>: Sync;
    SelectedOperation<'static, 'static>: Send;
    SelectedOperation<'static, 'static>: Sync;
    JoinHandle<Local>: Send;
    JoinHandle<Local>: Sync;
    ScopedJoinHandle<'static, Local>: Send;
    ScopedJoinHandle<'static, Local>: Sync;
    Mutex<Local>: Send;
    Mutex<Local>: Sync;
    MutexGuard<'static, Shared>: Send;
    MutexGuard<'static, Unshared>: Sync;
    RwLock<Local>: Send;
    RwLock<Unshared>: Sync;
    RwLockReadGuard<'static, Shared>: Send;
    RwLockReadGuard<'static, Unshared>: Sync;
    RwLockWriteGuard<'static, Shared>: Send;
    RwLockWriteGuard<'static, Unshared>: Sync;
    OnceValue<Local>: Send;
    OnceValue<Unshared>: Sync;
    OnceValue<Shared, Box<dyn FnOnce() -> Shared>>: Send;
    OnceValue<Shared, Box<dyn FnOnce() -> Shared>>: Sync;
    ErrGroup<Local>: Send;
    ErrGroup<Local>: Sync;
    SingleFlight<Local, Shared>: Send;
    SingleFlight<Local, Shared>: Sync;
    SingleFlight<Shared, Unshared>: Send;
    SingleFlight<Shared, Unshared>: Sync;
    Pool<Local>: Send;
    Pool<Local>: Sync;
    Pool<Shared, Box<dyn Fn() -> Shared + Send>>: Sync;
    Pooled<'static, Local>: Send;
    Pooled<'static, Unshared>: Sync;
    Pooled<'static, Shared, Box<dyn Fn() -> Shared + Send>>: Send;
}
