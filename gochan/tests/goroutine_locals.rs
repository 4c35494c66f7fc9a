//! `goroutine_local!`: each goroutine has its own values, which are dropped with it.

mod harness;

use gochan::goroutine::AccessError;
use gochan::prelude::*;
use gochan::{goexit, goroutine_local, yield_now};
use harness::{each_runtime, everywhere, on_workers, panic_of, watch};
use std::cell::{Cell, RefCell};
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What happened, in order.
type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, what: impl Into<String>) {
    log.lock().unwrap().push(what.into());
}

fn taken(log: &Log) -> Vec<String> {
    std::mem::take(&mut log.lock().unwrap())
}

/// Runs a closure when it is dropped.
struct OnDrop(Box<dyn FnOnce()>);

impl OnDrop {
    fn new(f: impl FnOnce() + 'static) -> Option<Self> {
        Some(OnDrop(Box::new(f)))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        std::mem::replace(&mut self.0, Box::new(|| {}))();
    }
}

goroutine_local! {
    static COUNT: Cell<u32> = Cell::new(10);
    /// Not `Send`.
    static SHARED: RefCell<Rc<Vec<u32>>> = RefCell::new(Rc::new(vec![1]));
    static CONSTANT: Cell<u32> = const { Cell::new(3) };
    /// As in `thread_local!`, a constant's type needs no `'static`. The standard library asks for it
    /// where the linker has no variables of threads.
    #[cfg(not(all(windows, target_env = "gnu")))]
    static TEXT: Cell<&str> = const { Cell::new("text") };
    pub(crate) static FIRST: RefCell<Option<OnDrop>> = const { RefCell::new(None) };
    static SECOND: RefCell<Option<OnDrop>> = RefCell::new(None)
}

/// What values may mention: things that are called as the macro might call its own.
mod named {
    use gochan::goroutine_local;
    use std::cell::Cell;

    const INIT: u32 = 5;
    static ON_THREAD: u32 = 6;

    fn init() -> Cell<u32> {
        Cell::new(4)
    }

    goroutine_local! {
        pub static CALLED: Cell<u32> = init();
        pub static CONSTANT: Cell<u32> = const { Cell::new(INIT) };
        pub static STATIC: Cell<u32> = Cell::new(ON_THREAD);
    }
}

#[test]
fn values_may_mention_any_name_and_leave_out_lifetimes() {
    everywhere(|| {
        let all = [&named::CALLED, &named::CONSTANT, &named::STATIC].map(|key| key.get());
        assert_eq!(all, [4, 5, 6]);
        #[cfg(not(all(windows, target_env = "gnu")))]
        assert_eq!(TEXT.get(), "text");
    });
}

#[test]
fn each_goroutine_and_each_thread_has_its_own() {
    everywhere(|| {
        COUNT.set(11);
        let others: Vec<_> = (0..20)
            .map(|number| {
                go!({
                    assert_eq!(COUNT.replace(number), 10);
                    for _ in 0..3 {
                        yield_now();
                        COUNT.set(COUNT.get() + 100);
                    }
                    COUNT.take()
                })
            })
            .collect();
        for (number, other) in (0..).zip(others) {
            assert_eq!(other.join().unwrap(), number + 300);
        }
        thread::scope(|s| s.spawn(|| assert_eq!(COUNT.get(), 10)).join().unwrap());
        assert_eq!(COUNT.get(), 11);
        assert_eq!(CONSTANT.replace(4), 3);
        assert_eq!(CONSTANT.take(), 4);
        CONSTANT.set(3);
    });
}

#[test]
fn a_closure_on_a_helper_thread_does_not_see_the_callers_value() {
    each_runtime(|| {
        COUNT.set(1);
        assert_ne!(gochan::blocking(|| COUNT.get()), 1);
        assert_eq!(COUNT.get(), 1);
    });
}

#[test]
fn cells_that_borrow() {
    everywhere(|| {
        let rc = SHARED.with_borrow(Rc::clone);
        SHARED.with_borrow_mut(|shared| Rc::make_mut(shared).push(2));
        assert_eq!(*rc, [1]);
        assert_eq!(*SHARED.replace(rc), [1, 2]);
        assert_eq!(*SHARED.take(), [1]);
        assert!(SHARED.with_borrow(|shared| shared.is_empty()));
        SHARED.set(Rc::new(vec![1]));
        // The value stays where it is, also when others are made and the goroutine waits.
        SHARED.with(|shared| {
            let before = shared.borrow();
            COUNT.set(5);
            CONSTANT.set(3);
            yield_now();
            assert!(panic_of(|| SHARED.set(Rc::default())).contains("borrowed"));
            assert_eq!(**before, [1]);
        });
    });
}

#[test]
fn a_value_is_set_without_being_made() {
    goroutine_local! {
        static NEVER_MADE: Cell<u32> = unreachable!();
        static NEVER_MADE_EITHER: RefCell<u32> = unreachable!();
    }
    everywhere(|| {
        NEVER_MADE.set(1);
        NEVER_MADE_EITHER.set(2);
        assert_eq!(NEVER_MADE.get() + NEVER_MADE_EITHER.take(), 3);
    });
}

#[test]
fn making_a_value_may_use_others_and_itself() {
    goroutine_local! {
        static INNER: Cell<u32> = Cell::new(20);
        static OUTER: u32 = INNER.get() + 1;
        static DEPTH: Cell<u32> = Cell::new(0);
        static SELF_MADE: u32 = {
            DEPTH.set(DEPTH.get() + 1);
            if DEPTH.get() < 3 { SELF_MADE.with(|inner| *inner) + 1 } else { 0 }
        };
    }
    each_runtime(|| {
        assert_eq!(OUTER.with(|outer| *outer), 21);
        // The innermost was there first.
        assert_eq!(SELF_MADE.with(|made| *made), 0);
        assert_eq!(DEPTH.get(), 3);
    });
}

/// However a goroutine ends, its values are dropped on its stack, before whoever joins it knows,
/// and the last one made goes first.
#[test]
fn values_are_dropped_with_the_goroutine() {
    each_runtime(|| {
        let endings: [(&str, fn()); 3] = [
            ("returns", || ()),
            ("panics", || resume_unwind(Box::new("on purpose"))),
            ("exits", || goexit()),
        ];
        for (name, end) in endings {
            let log = Log::default();
            let handle = go!(clone(log), {
                let id = gochan::goroutine::current().id();
                for (key, number) in [(&FIRST, 1), (&SECOND, 2)] {
                    let log = log.clone();
                    key.set(OnDrop::new(move || {
                        assert_eq!(gochan::goroutine::current().id(), id);
                        // A destructor may wait.
                        yield_now();
                        note(&log, format!("drops {number}"));
                    }));
                }
                let _on_the_stack = OnDrop::new({
                    let log = log.clone();
                    move || note(&log, "unwound")
                });
                note(&log, name);
                end();
            });
            assert_eq!(handle.join().is_ok(), name == "returns");
            assert_eq!(taken(&log), [name, "unwound", "drops 2", "drops 1"]);
        }
    });
}

#[test]
fn destructors_may_wait_for_channels() {
    each_runtime(|| {
        let (answer, question) = (Chan::<u32>::new(0), Chan::<u32>::new(0));
        let handle = go!(clone(answer, question), {
            FIRST.set(OnDrop::new(move || {
                question.send(1).unwrap();
                assert_eq!(answer.recv(), Some(2));
            }));
        });
        assert_eq!(question.recv(), Some(1));
        answer.send(2).unwrap();
        handle.join().unwrap();
    });
}

#[test]
fn destructors_may_use_other_locals_but_not_those_that_are_gone() {
    each_runtime(|| {
        let log = Log::default();
        let handle = go!(clone(log), {
            COUNT.set(77);
            let for_first = log.clone();
            FIRST.set(OnDrop::new(move || {
                // Made before, so still there; never made, so made now; dropped already; itself.
                note(&for_first, format!("{}", COUNT.get()));
                note(&for_first, format!("{}", CONSTANT.get()));
                let gone: Result<bool, AccessError> = SECOND.try_with(|_| true);
                note(&for_first, gone.unwrap_err().to_string());
                assert!(FIRST.try_with(|_| ()).is_err());
                assert!(panic_of(|| FIRST.set(None)).contains("goroutine local"));
            }));
            let for_second = log.clone();
            SECOND.set(OnDrop::new(move || {
                assert!(FIRST.with_borrow(Option::is_some));
                note(&for_second, "second");
            }));
        });
        handle.join().unwrap();
        let gone = "a goroutine local was used during or after its destruction";
        assert_eq!(taken(&log), ["second", "77", "3", gone]);
    });
}

#[test]
fn a_panic_in_a_destructor_stops_neither_the_others_nor_the_worker() {
    each_runtime(|| {
        for unwinding in [false, true] {
            let log = Log::default();
            let handle = go!(clone(log), {
                FIRST.set(OnDrop::new({
                    let log = log.clone();
                    move || note(&log, "first")
                }));
                SECOND.set(OnDrop::new(|| resume_unwind(Box::new("in a destructor"))));
                if unwinding {
                    resume_unwind(Box::new("in the body"));
                }
                5
            });
            match handle.join() {
                Ok(five) => assert!(!unwinding && five == 5),
                Err(error) => {
                    let payload = error.into_panic();
                    assert_eq!(payload.downcast_ref(), Some(&"in the body"));
                }
            }
            assert_eq!(taken(&log), ["first"]);
            assert_eq!(go!({ 1 }).join().unwrap(), 1);
        }
    });
}

/// The destructor of a result that nobody wants runs after those of the locals: what it uses
/// first is made, and dropped too; what was dropped is gone.
#[test]
fn the_destructor_of_a_result_may_still_make_locals() {
    each_runtime(|| {
        let log = Log::default();
        let ended = Chan::<()>::new(1);
        drop(go!(local, clone(log, ended), {
            COUNT.set(1);
            OnDrop::new(move || {
                assert!(COUNT.try_with(|_| ()).is_err());
                let log = log.clone();
                FIRST.set(OnDrop::new(move || {
                    note(&log, "made late");
                    ended.send(()).unwrap();
                }));
            })
        }));
        ended.recv().unwrap();
        assert_eq!(taken(&log), ["made late"]);
    });
}

#[test]
fn values_are_dropped_at_the_end_of_the_runtime() {
    for workers in [1, 2] {
        let (log, parked) = (Log::default(), 20);
        on_workers(workers, || {
            let ready = Chan::<()>::new(0);
            for _ in 0..parked {
                go!(clone(log, ready), {
                    FIRST.set(OnDrop::new(move || {
                        // As in every destructor of a goroutine that unwinds with its runtime, a
                        // channel is closed.
                        assert_eq!(Chan::<u32>::new(0).recv(), None);
                        note(&log, "dropped");
                    }));
                    ready.send(()).unwrap();
                    select! {}
                });
            }
            for _ in 0..parked {
                ready.recv().unwrap();
            }
        });
        assert_eq!(taken(&log).len(), parked);
    }
}

#[test]
fn each_value_of_many_goroutines_is_dropped_once() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Counted;
    impl Drop for Counted {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
    goroutine_local! {
        static COUNTED: Counted = {
            MADE.fetch_add(1, Ordering::Relaxed);
            Counted
        };
    }
    let _watched = watch();
    each_runtime(|| {
        let handles: Vec<_> = (0..1_000)
            .map(|number| {
                go!({
                    COUNTED.with(|_| yield_now());
                    if number % 3 == 0 {
                        goexit();
                    }
                    gochan::time::sleep(Duration::from_micros(number % 7));
                    COUNTED.with(|_| ());
                })
            })
            .collect();
        handles.into_iter().for_each(|handle| drop(handle.join()));
    });
    assert_eq!(MADE.load(Ordering::Relaxed), 2_000);
    assert_eq!(DROPPED.load(Ordering::Relaxed), 2_000);
}
