//! Models of the lock and of the wait group, checked by loom as those of the
//! [parking parts](crate::wait).
//!
//! Here a writer that has been overtaken once has the lock handed over, so that both ways of
//! getting it are taken, and a wait with a deadline may end at any moment.

use super::group::{Group, SharedGroup};
use super::monitor::Wait;
use super::once::Once;
use super::raw_lock::RawLock;
use crate::wait::atomic::{Arc, Cell, check, check_within};
use crate::wait::{Patience, WaitReason, Wake, bias};
use loom::thread;
use std::panic::{self, AssertUnwindSafe, Location};
use std::time::Instant;

fn wait(patience: Patience) -> Wait {
    Wait::new(WaitReason::Mutex, Location::caller(), patience)
}

fn forever() -> Wait {
    wait(Patience::Forever)
}

fn briefly() -> Wait {
    wait(Patience::Until(Instant::now()))
}

/// A lock and what it guards: a cell that loom sees two reach at once.
struct Guarded {
    lock: RawLock,
    value: Cell<usize>,
}

impl Guarded {
    fn new() -> Arc<Self> {
        Arc::new(Guarded {
            lock: RawLock::new(),
            value: Cell::new(0),
        })
    }

    fn increment(&self, wait: Wait) -> usize {
        self.increment_if(self.lock.write(|| wait))
    }

    /// As somebody does who looks for the lock without waiting for it.
    fn try_increment(&self) -> usize {
        self.increment_if(self.lock.try_write())
    }

    fn increment_if(&self, locked: bool) -> usize {
        if !locked {
            return 0;
        }
        self.value.set(self.value.get() + 1);
        self.lock.leave_write();
        1
    }

    fn look(&self, wait: Wait) -> Option<usize> {
        if !self.lock.read(|| wait) {
            return None;
        }
        let value = self.value.get();
        self.lock.leave_read();
        Some(value)
    }

    /// When all have left it, it is as free as it was.
    fn assert_free(&self, value: usize) {
        assert!(self.lock.try_write());
        assert_eq!(self.value.get(), value);
        self.lock.leave_write();
        assert!(self.lock.try_read());
        self.lock.leave_read();
    }
}

/// Has a thread of its own use the lock.
fn spawn<T: 'static>(
    guarded: &Arc<Guarded>,
    act: impl FnOnce(&Guarded) -> T + 'static,
) -> thread::JoinHandle<T> {
    let guarded = Arc::clone(guarded);
    thread::spawn(move || act(&guarded))
}

#[test]
fn loom_writers_exclude_each_other() {
    check(|| {
        let guarded = Guarded::new();
        let other = spawn(&guarded, |guarded| {
            (0..2).map(|_| guarded.increment(forever())).sum::<usize>()
        });
        let mine: usize = (0..2).map(|_| guarded.increment(forever())).sum();
        assert_eq!(mine + other.join().unwrap(), 4);
        guarded.assert_free(4);
    });
}

#[test]
fn loom_three_writers_all_get_the_lock() {
    check(|| {
        let guarded = Guarded::new();
        let others = [0, 1].map(|_| spawn(&guarded, |guarded| guarded.increment(forever())));
        guarded.increment(forever());
        for other in others {
            other.join().unwrap();
        }
        guarded.assert_free(3);
    });
}

/// Runs `owner` on a thread that has become the owner of the lock, unless another one was in the
/// way, and `others` beside it.
fn beside_an_owner<const N: usize>(owner: fn(&Guarded), others: [fn(&Guarded); N], value: usize) {
    let guarded = Guarded::new();
    let owner = spawn(&guarded, move |guarded| {
        bias::obtain();
        (0..2).for_each(|_| _ = guarded.increment(forever()));
        owner(&guarded);
        bias::resign();
    });
    let others = others.map(|other| spawn(&guarded, other));
    owner.join().unwrap();
    for other in others {
        other.join().unwrap();
    }
    guarded.assert_free(value);
}

#[test]
fn loom_the_owner_of_a_lock_and_a_writer_exclude_each_other() {
    check_within(3, || {
        let write = |guarded: &Guarded| _ = guarded.increment(forever());
        beside_an_owner(write, [write], 4);
    });
}

/// Only one of the two takes the ownership away.
#[test]
fn loom_the_owner_of_a_lock_and_two_writers_exclude_each_other() {
    check_within(1, || {
        let write = |guarded: &Guarded| _ = guarded.increment(forever());
        beside_an_owner(write, [write, write], 5);
    });
}

#[test]
fn loom_the_owner_of_a_lock_and_a_reader_exclude_each_other() {
    check_within(2, || {
        let write = |guarded: &Guarded| _ = guarded.increment(forever());
        let read = |guarded: &Guarded| assert!(guarded.look(forever()).is_some());
        beside_an_owner(write, [read], 3);
    });
}

#[test]
fn loom_an_owner_reads_beside_a_reader_that_tries() {
    check_within(2, || {
        let read = |guarded: &Guarded| assert!(guarded.look(forever()).is_some());
        let try_read = |guarded: &Guarded| {
            if guarded.lock.try_read() {
                guarded.value.get();
                guarded.lock.leave_read();
            }
        };
        beside_an_owner(read, [try_read], 2);
    });
}

#[test]
fn loom_a_writer_that_gives_up_keeps_nobody_out() {
    check(|| {
        let guarded = Guarded::new();
        let impatient = spawn(&guarded, |guarded| guarded.increment(briefly()));
        let patient = spawn(&guarded, |guarded| guarded.increment(forever()));
        guarded.increment(forever());
        let value = 1 + impatient.join().unwrap() + patient.join().unwrap();
        guarded.assert_free(value);
    });
}

#[test]
fn loom_readers_and_a_writer() {
    check(|| {
        let guarded = Guarded::new();
        let reader = spawn(&guarded, |guarded| {
            let first = guarded.look(forever()).unwrap();
            assert!(guarded.look(forever()).unwrap() >= first);
        });
        let writer = spawn(&guarded, |guarded| guarded.increment(forever()));
        guarded.look(forever());
        reader.join().unwrap();
        writer.join().unwrap();
        guarded.assert_free(1);
    });
}

#[test]
fn loom_a_newcomer_and_one_that_is_handed_the_lock() {
    check(|| {
        let guarded = Guarded::new();
        assert!(guarded.lock.try_write());
        let waiting = spawn(&guarded, |guarded| guarded.increment(forever()));
        // Lets it wait, overtakes it when it has been woken, and lets it find that.
        thread::yield_now();
        guarded.lock.leave_write();
        if !guarded.lock.try_write() {
            waiting.join().unwrap();
            return;
        }
        thread::yield_now();
        let newcomer = spawn(&guarded, |guarded| guarded.try_increment());
        guarded.lock.leave_write();
        let value = waiting.join().unwrap() + newcomer.join().unwrap();
        guarded.assert_free(value);
    });
}

/// Who leaves the lock lets in a reader that waits, while a writer that has been woken, and overtaken,
/// takes it.
#[test]
fn loom_a_writer_that_has_been_woken_and_a_reader_that_is_let_in() {
    check_within(2, || {
        let guarded = Guarded::new();
        assert!(guarded.lock.try_write());
        let writer = spawn(&guarded, |guarded| guarded.increment(forever()));
        thread::yield_now();
        guarded.lock.leave_write();
        if guarded.lock.try_write() {
            let reader = spawn(&guarded, |guarded| guarded.look(forever()));
            let newcomer = spawn(&guarded, |guarded| guarded.lock.leave_write());
            reader.join().unwrap();
            newcomer.join().unwrap();
        }
        writer.join().unwrap();
        guarded.assert_free(1);
    });
}

/// A writer that waits for a reader goes before all readers that come later.
#[test]
fn loom_a_reader_that_comes_again_does_not_pass_a_writer_that_found_it() {
    check(|| {
        let guarded = Guarded::new();
        let writer = spawn(&guarded, |guarded| guarded.increment(forever()));
        let reader = spawn(&guarded, |guarded| {
            assert!(guarded.lock.read(forever));
            let writer_waits = !guarded.lock.try_read();
            guarded.lock.leave_read();
            match writer_waits {
                true => assert_eq!(guarded.look(forever()), Some(1)),
                false => guarded.lock.leave_read(),
            }
        });
        writer.join().unwrap();
        reader.join().unwrap();
        guarded.assert_free(1);
    });
}

/// A writer is woken beside a reader that is let in, and a reader that comes then may pass it.
#[test]
fn loom_a_writer_and_readers_that_pass_it_get_in() {
    check_within(2, || {
        let guarded = Guarded::new();
        assert!(guarded.lock.try_write());
        let writer = spawn(&guarded, |guarded| guarded.increment(forever()));
        let waiting = spawn(&guarded, |guarded| guarded.look(forever()));
        let coming = spawn(&guarded, |guarded| {
            guarded.lock.leave_write();
            guarded.look(forever())
        });
        writer.join().unwrap();
        waiting.join().unwrap();
        coming.join().unwrap();
        guarded.assert_free(1);
    });
}

/// A reader comes between that a writer leaves the lock and that it sees to the next one.
#[test]
fn loom_a_reader_that_comes_first_keeps_no_writer_waiting_for_ever() {
    check(|| {
        let guarded = Guarded::new();
        assert!(guarded.lock.try_write());
        let writer = spawn(&guarded, |guarded| guarded.increment(forever()));
        let leaver = spawn(&guarded, |guarded| guarded.lock.leave_write());
        let reader = spawn(&guarded, |guarded| guarded.lock.try_read());
        leaver.join().unwrap();
        if reader.join().unwrap() {
            assert!(!guarded.lock.has_forgotten_writers());
            guarded.lock.leave_read();
        }
        writer.join().unwrap();
        guarded.assert_free(1);
    });
}

#[test]
fn loom_a_newcomer_and_readers_that_wait() {
    check(|| {
        let guarded = Guarded::new();
        assert!(guarded.lock.try_write());
        let reader = spawn(&guarded, |guarded| guarded.look(forever()));
        let newcomer = spawn(&guarded, |guarded| guarded.try_increment());
        guarded.lock.leave_write();
        reader.join().unwrap();
        let value = newcomer.join().unwrap();
        guarded.assert_free(value);
    });
}

#[test]
fn loom_readers_that_are_woken_to_try_again_get_in() {
    check(|| {
        let guarded = Guarded::new();
        guarded.lock.have_readers_retry();
        assert!(guarded.lock.try_write());
        let readers = [(); 2].map(|()| spawn(&guarded, |guarded| guarded.look(forever())));
        guarded.lock.leave_write();
        let value = guarded.increment(forever());
        for reader in readers {
            reader.join().unwrap();
        }
        guarded.assert_free(value);
    });
}

#[test]
fn loom_a_writer_and_a_reader_that_is_woken_to_try_again_get_in() {
    check(|| {
        let guarded = Guarded::new();
        guarded.lock.have_readers_retry();
        assert!(guarded.lock.try_write());
        let reader = spawn(&guarded, |guarded| guarded.look(forever()));
        let writer = spawn(&guarded, |guarded| guarded.increment(forever()));
        guarded.lock.leave_write();
        reader.join().unwrap();
        writer.join().unwrap();
        guarded.assert_free(1);
    });
}

#[test]
fn loom_readers_get_in_when_a_writer_gives_up() {
    check(|| {
        let guarded = Guarded::new();
        assert!(guarded.lock.try_read());
        let writer = spawn(&guarded, |guarded| guarded.increment(briefly()));
        let reader = spawn(&guarded, |guarded| guarded.look(forever()));
        // Before the first reader leaves.
        assert_eq!(reader.join().unwrap(), Some(0));
        guarded.lock.leave_read();
        let value = writer.join().unwrap();
        guarded.assert_free(value);
    });
}

#[test]
fn loom_a_group_releases_who_waits() {
    check(|| {
        let group = Arc::new(Group::new());
        let note = [0, 1].map(|_| Arc::new(Cell::new(false)));
        group.add(2);
        let members = [0, 1].map(|i| {
            let (group, note) = (Arc::clone(&group), Arc::clone(&note[i]));
            thread::spawn(move || {
                note.set(true);
                group.done();
            })
        });
        assert_eq!(group.wait(forever), Wake::Done);
        assert!(note.iter().all(|note| note.get()));
        for member in members {
            member.join().unwrap();
        }
    });
}

/// The members are the last that know of the group, or the one who waits for them is.
#[test]
fn loom_a_group_lives_as_long_as_it_is_used() {
    for somebody_waits in [false, true] {
        check(move || {
            let group = SharedGroup::new();
            let note = [0, 1].map(|_| Arc::new(Cell::new(false)));
            let members = [0, 1].map(|i| {
                let (membership, note) = (group.join(), Arc::clone(&note[i]));
                thread::spawn(move || {
                    note.set(true);
                    drop(membership);
                })
            });
            if somebody_waits {
                assert_eq!(group.wait(forever), Wake::Done);
                assert!(note.iter().all(|note| note.get()));
            }
            drop(group);
            for member in members {
                member.join().unwrap();
            }
        });
    }
}

#[test]
fn loom_a_group_is_joined_again_while_the_last_member_leaves() {
    check(|| {
        let group = SharedGroup::new();
        let member = {
            let membership = group.join();
            thread::spawn(move || drop(membership))
        };
        let next = {
            let membership = group.join();
            drop(group);
            thread::spawn(move || drop(membership))
        };
        member.join().unwrap();
        next.join().unwrap();
    });
}

/// To who takes away too much the count seems to be zero while the last member leaves, and to that
/// one it does not.
#[test]
fn loom_a_group_releases_who_waits_though_somebody_takes_away_too_much() {
    check(|| {
        let group = SharedGroup::new();
        let member = {
            let membership = group.join();
            thread::spawn(move || drop(membership))
        };
        let wrong = {
            let group = group.clone();
            thread::spawn(move || {
                panic::catch_unwind(AssertUnwindSafe(|| group.done())).unwrap_err();
            })
        };
        assert_eq!(group.wait(forever), Wake::Done);
        member.join().unwrap();
        wrong.join().unwrap();
    });
}

#[test]
fn loom_a_group_is_used_again() {
    check_within(2, || {
        let group = Arc::new(Group::new());
        group.add(1);
        let member = {
            let group = Arc::clone(&group);
            thread::spawn(move || group.done())
        };
        let waiting = {
            let group = Arc::clone(&group);
            thread::spawn(move || group.wait(briefly))
        };
        assert_eq!(group.wait(forever), Wake::Done);
        group.add(1);
        group.done();
        assert_eq!(group.wait(forever), Wake::Done);
        member.join().unwrap();
        waiting.join().unwrap();
    });
}

/// One calls, and the other finds that it has called, or that it calls and waits.
#[test]
fn loom_who_returns_from_a_call_finds_it_completed() {
    check(|| {
        let (once, value) = (Arc::new(Once::new()), Arc::new(Cell::new(0)));
        let callers = [(); 2].map(|()| {
            let (once, value) = (Arc::clone(&once), Arc::clone(&value));
            thread::spawn(move || {
                once.call_once(|| value.set(value.get() + 1));
                assert!(once.is_completed());
                assert_eq!(value.get(), 1);
            })
        });
        for caller in callers {
            caller.join().unwrap();
        }
    });
}
