//! Our side.

use anyhow::Result;
use gochan::runtime::{Config, Runtime};
use gochan::sync::WaitGroup;
use gochan::{JoinHandle, Receiver, Sender, go, select};

use super::blocking::{self, Blocking};
use super::{BATCH, Capacity, Job, Work};

struct Goroutines;

impl Blocking for Goroutines {
    type Sender = Sender<u64>;
    type Receiver = Receiver<u64>;
    type Handle = JoinHandle<()>;

    fn channel(capacity: Capacity) -> (Sender<u64>, Receiver<u64>) {
        match capacity {
            Some(capacity) => gochan::channel(capacity),
            None => gochan::unbounded(),
        }
    }

    #[inline(always)]
    fn send(to: &Sender<u64>, value: u64) {
        to.send(value).expect("it is received from");
    }

    #[inline(always)]
    fn recv(from: &Receiver<u64>) -> Option<u64> {
        from.recv()
    }

    fn spawn(body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        go!(body())
    }

    fn join(handle: JoinHandle<()>) {
        handle.join().expect("it does not panic");
    }
}

/// What does the job.
pub fn work(job: Job) -> Option<Work> {
    Some(match job {
        Job::Uncontended => Box::new(blocking::uncontended::<Goroutines>),
        Job::PingPong => Box::new(blocking::ping_pong::<Goroutines>),
        Job::ProdCons(capacity) => {
            Box::new(move |n| blocking::prod_cons::<Goroutines>(capacity, n))
        }
        Job::ManyToOne(capacity) => {
            Box::new(move |n| blocking::many_to_one::<Goroutines>(capacity, n))
        }
        Job::ManyToMany(capacity) => {
            Box::new(move |n| blocking::many_to_many::<Goroutines>(capacity, n))
        }
        Job::SelectTwo => Box::new(|n| blocking::select::<Goroutines, 2>(n, select_two)),
        Job::SelectEight => Box::new(|n| blocking::select::<Goroutines, 8>(n, select_eight)),
        Job::SpawnFinish => Box::new(spawn_and_finish),
        Job::SpawnJoin => Box::new(spawn_and_join),
        Job::Yield => Box::new(yields),
    })
}

/// Runs `body` as the main goroutine of a runtime.
pub fn inside<T: Send + 'static>(
    workers: usize,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    Ok(Runtime::new(Config::new().workers(workers))?.run(body))
}

fn select_two([a, b]: [Receiver<u64>; 2], n: u64) {
    for _ in 0..n {
        select! {
            recv(a) => {},
            recv(b) => {},
        }
    }
}

fn select_eight([a, b, c, d, e, f, g, h]: [Receiver<u64>; 8], n: u64) {
    for _ in 0..n {
        select! {
            recv(a) => {},
            recv(b) => {},
            recv(c) => {},
            recv(d) => {},
            recv(e) => {},
            recv(f) => {},
            recv(g) => {},
            recv(h) => {},
        }
    }
}

fn spawn_and_finish(n: u64) {
    let mut started = 0;
    while started < n {
        let batch = BATCH.min(n - started);
        let all = WaitGroup::new();
        for _ in 0..batch {
            all.go(|| {});
        }
        started += batch;
        all.wait();
    }
}

fn spawn_and_join(n: u64) {
    for _ in 0..n {
        go!({}).join().expect("it does not panic");
    }
}

fn yields(n: u64) {
    let half = move || (0..n / 2).for_each(|_| gochan::yield_now());
    let other = go!(half());
    half();
    other.join().expect("it does not panic");
}
