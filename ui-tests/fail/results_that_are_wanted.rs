//! What does nothing, or is undone at once, if its result is not kept.

#![deny(unused_must_use)]

use gochan::sync::{ErrGroup, Mutex, Pool, RwLock, Semaphore};
use gochan::time::{self, Ticker, Timer};
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn main() {
    let mutex = Mutex::new(0);
    mutex.try_lock();
    mutex.lock_timeout(SECOND);
    mutex.lock_deadline(time::now());

    let lock = RwLock::new(0);
    lock.try_read();
    lock.read_timeout(SECOND);
    lock.read_deadline(time::now());
    lock.try_write();
    lock.write_timeout(SECOND);
    lock.write_deadline(time::now());

    let semaphore = Arc::new(Semaphore::new(1));
    semaphore.try_acquire(1);
    semaphore.acquire_timeout(1, SECOND);
    semaphore.acquire_deadline(1, time::now());
    semaphore.try_acquire_owned(1);
    semaphore.acquire_owned_timeout(1, SECOND);
    semaphore.acquire_owned_deadline(1, time::now());

    ErrGroup::<std::fmt::Error>::new().try_go(|| Ok(()));
    Pool::new(|| 1).get();

    time::after(SECOND);
    time::tick(SECOND);
    Timer::new(SECOND);
    Ticker::new(SECOND);

    let (_, values) = gochan::channel::<i32>(1);
    values.iter();
    values.try_iter();
    values.into_iter();
}
