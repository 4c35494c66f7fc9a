//! Those that have channels only, between threads of the operating system.

use std::thread::{self, JoinHandle};

use crossbeam_channel as crossbeam;

use super::blocking::{self, Blocking};
use super::{Capacity, Job, Work};

/// Threads with the channels of one of the crates.
macro_rules! threads {
    ($($name:ident: $channels:ident,)*) => {$(
        struct $name;

        impl Blocking for $name {
            type Sender = $channels::Sender<u64>;
            type Receiver = $channels::Receiver<u64>;
            type Handle = JoinHandle<()>;

            fn channel(capacity: Capacity) -> (Self::Sender, Self::Receiver) {
                match capacity {
                    Some(capacity) => $channels::bounded(capacity),
                    None => $channels::unbounded(),
                }
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
                thread::spawn(body)
            }

            fn join(handle: JoinHandle<()>) {
                handle.join().expect("it does not panic");
            }
        }
    )*};
}

threads! {
    Crossbeam: crossbeam,
    Kanal: kanal,
    Flume: flume,
}

/// What all of them do alike.
fn work<S>(job: Job) -> Option<Work>
where
    S: Blocking<Sender: Clone, Receiver: Clone>,
{
    Some(match job {
        Job::Uncontended => Box::new(blocking::uncontended::<S>),
        Job::PingPong => Box::new(blocking::ping_pong::<S>),
        Job::ProdCons(capacity) => Box::new(move |n| blocking::prod_cons::<S>(capacity, n)),
        Job::ManyToOne(capacity) => Box::new(move |n| blocking::many_to_one::<S>(capacity, n)),
        Job::ManyToMany(capacity) => Box::new(move |n| blocking::many_to_many::<S>(capacity, n)),
        Job::SelectTwo | Job::SelectEight | Job::SpawnFinish | Job::SpawnJoin | Job::Yield => {
            return None;
        }
    })
}

/// What does the job with `crossbeam-channel`.
pub fn crossbeam(job: Job) -> Option<Work> {
    match job {
        Job::SelectTwo => Some(Box::new(|n| {
            blocking::select::<Crossbeam, 2>(n, crossbeam_two);
        })),
        Job::SelectEight => Some(Box::new(|n| {
            blocking::select::<Crossbeam, 8>(n, crossbeam_eight);
        })),
        job => work::<Crossbeam>(job),
    }
}

/// What does the job with `kanal`, which has no select.
pub fn kanal(job: Job) -> Option<Work> {
    work::<Kanal>(job)
}

/// What does the job with `flume`.
pub fn flume(job: Job) -> Option<Work> {
    match job {
        Job::SelectTwo => Some(Box::new(|n| {
            blocking::select::<Flume, 2>(n, flume_select);
        })),
        Job::SelectEight => Some(Box::new(|n| {
            blocking::select::<Flume, 8>(n, flume_select);
        })),
        job => work::<Flume>(job),
    }
}

fn crossbeam_two([a, b]: [crossbeam::Receiver<u64>; 2], n: u64) {
    for _ in 0..n {
        crossbeam::select! {
            recv(a) -> _ => {},
            recv(b) -> _ => {},
        }
    }
}

fn crossbeam_eight([a, b, c, d, e, f, g, h]: [crossbeam::Receiver<u64>; 8], n: u64) {
    for _ in 0..n {
        crossbeam::select! {
            recv(a) -> _ => {},
            recv(b) -> _ => {},
            recv(c) -> _ => {},
            recv(d) -> _ => {},
            recv(e) -> _ => {},
            recv(f) -> _ => {},
            recv(g) -> _ => {},
            recv(h) -> _ => {},
        }
    }
}

fn flume_select<const COUNT: usize>(receivers: [flume::Receiver<u64>; COUNT], n: u64) {
    for _ in 0..n {
        let selector = flume::Selector::new();
        let selector = receivers
            .iter()
            .fold(selector, |selector, from| selector.recv(from, |_| ()));
        selector.wait();
    }
}
