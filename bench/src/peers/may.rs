//! The coroutines of `may`, and its channels, which are all unbounded.
//!
//! It has a kind of channel for one sender and one receiver, one for several senders, and one for
//! several of both; each job takes the narrowest that will do.

use may::coroutine::{self, JoinHandle};
use may::sync::{WaitGroup, mpmc, mpsc, spsc};
use may::{cqueue, go};

use super::blocking::{self, Blocking};
use super::{BATCH, Capacity, Job, Work};

/// Coroutines with channels of one of the kinds.
macro_rules! coroutines {
    ($($kind:ident: $channels:ident,)*) => {$(
        struct $kind;

        impl Blocking for $kind {
            type Sender = $channels::Sender<u64>;
            type Receiver = $channels::Receiver<u64>;
            type Handle = JoinHandle<()>;

            fn channel(_: Capacity) -> (Self::Sender, Self::Receiver) {
                $channels::channel()
            }

            #[inline(always)]
            fn send(to: &Self::Sender, value: u64) {
                to.send(value).expect("it is received from");
            }

            #[inline(always)]
            fn recv(from: &Self::Receiver) -> Option<u64> {
                from.recv().ok()
            }

            fn spawn(body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
                go!(body)
            }

            fn join(handle: JoinHandle<()>) {
                handle.join().expect("it does not panic");
            }
        }
    )*};
}

coroutines! {
    OneToOne: spsc,
    ManyToOne: mpsc,
    ManyToMany: mpmc,
}

/// What does the job.
pub fn work(job: Job) -> Option<Work> {
    Some(match job {
        Job::Uncontended => Box::new(blocking::uncontended::<OneToOne>),
        Job::PingPong => Box::new(blocking::ping_pong::<OneToOne>),
        Job::ProdCons(None) => Box::new(|n| blocking::prod_cons::<OneToOne>(None, n)),
        Job::ManyToOne(None) => Box::new(|n| blocking::many_to_one::<ManyToOne>(None, n)),
        Job::ManyToMany(None) => Box::new(|n| blocking::many_to_many::<ManyToMany>(None, n)),
        Job::ProdCons(Some(_)) | Job::ManyToOne(Some(_)) | Job::ManyToMany(Some(_)) => return None,
        Job::SelectTwo => Box::new(select::<2>),
        Job::SelectEight => Box::new(select::<8>),
        Job::SpawnFinish => Box::new(spawn_and_finish),
        Job::SpawnJoin => Box::new(spawn_and_join),
        Job::Yield => Box::new(yields),
    })
}

/// Runs `body` in a coroutine.
pub fn inside<T: Send + 'static>(workers: usize, body: impl FnOnce() -> T + Send + 'static) -> T {
    may::config().set_workers(workers);
    go!(body).join().expect("it does not panic")
}

/// One sends to `COUNT` channels in turn. A coroutine for each of them receives, and a queue says
/// which of them did: what `may::loop_select!` makes, with an end.
fn select<const COUNT: usize>(n: u64) {
    let mut senders = Vec::new();
    let receivers = [(); COUNT].map(|()| {
        let (tx, rx) = spsc::channel();
        senders.push(tx);
        rx
    });
    let producer = go!(move || {
        for (i, tx) in (0..n).zip(senders.iter().cycle()) {
            OneToOne::send(tx, i);
        }
    });
    let mut received = 0;
    cqueue::scope(|queue| {
        for (token, from) in receivers.into_iter().enumerate() {
            go!(queue, token, move |events| {
                while from.recv().is_ok() {
                    events.send(0);
                }
            });
        }
        while queue.poll(None).is_ok() {
            received += 1;
        }
    });
    assert_eq!(received, n);
    OneToOne::join(producer);
}

fn spawn_and_finish(n: u64) {
    let mut started = 0;
    while started < n {
        let batch = BATCH.min(n - started);
        let all = WaitGroup::new();
        for _ in 0..batch {
            let all = all.clone();
            go!(move || drop(all));
        }
        started += batch;
        all.wait();
    }
}

fn spawn_and_join(n: u64) {
    for _ in 0..n {
        go!(|| {}).join().expect("it does not panic");
    }
}

fn yields(n: u64) {
    let half = move || (0..n / 2).for_each(|_| coroutine::yield_now());
    let other = go!(half);
    half();
    other.join().expect("it does not panic");
}
