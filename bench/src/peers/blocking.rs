//! The jobs of those that block where they wait.

use std::hint::black_box;

use super::{Capacity, MANY, share_of};

/// Goroutines, coroutines or threads, and a kind of channel between them.
pub trait Blocking: 'static {
    /// Sends.
    type Sender: Send + 'static;
    /// Receives.
    type Receiver: Send + 'static;
    /// Is joined.
    type Handle;

    /// Makes a channel. Those that have one kind only make that.
    fn channel(capacity: Capacity) -> (Self::Sender, Self::Receiver);
    /// Sends to a channel that is received from.
    fn send(to: &Self::Sender, value: u64);
    /// Receives; nothing once all senders are gone and all values received.
    fn recv(from: &Self::Receiver) -> Option<u64>;
    /// Starts another one.
    fn spawn(body: impl FnOnce() + Send + 'static) -> Self::Handle;
    /// Waits for it to end.
    fn join(handle: Self::Handle);
}

/// Sends and receives.
pub fn uncontended<S: Blocking>(n: u64) {
    let (tx, rx) = S::channel(Some(1));
    for i in 0..n {
        S::send(&tx, i);
        black_box(S::recv(&rx));
    }
}

/// Passes a value to and fro.
pub fn ping_pong<S: Blocking>(n: u64) {
    let (ping, pinged) = S::channel(Some(0));
    let (pong, ponged) = S::channel(Some(0));
    let other = S::spawn(move || {
        while let Some(ball) = S::recv(&pinged) {
            S::send(&pong, ball + 1);
        }
    });
    let mut ball = 0;
    for _ in 0..n {
        S::send(&ping, ball);
        ball = S::recv(&ponged).expect("the other one sends");
    }
    assert_eq!(ball, n);
    drop(ping);
    S::join(other);
}

/// Receives what another one sends.
pub fn prod_cons<S: Blocking>(capacity: Capacity, n: u64) {
    let (tx, rx) = S::channel(capacity);
    let producer = S::spawn(move || (0..n).for_each(|i| S::send(&tx, i)));
    assert_eq!(drain::<S>(&rx), n);
    S::join(producer);
}

/// Receives what many send.
pub fn many_to_one<S>(capacity: Capacity, n: u64)
where
    S: Blocking<Sender: Clone>,
{
    let (tx, rx) = S::channel(capacity);
    let producers = start_producers::<S>(tx, n);
    assert_eq!(drain::<S>(&rx), n);
    producers.into_iter().for_each(S::join);
}

/// Many send and many receive.
pub fn many_to_many<S>(capacity: Capacity, n: u64)
where
    S: Blocking<Sender: Clone, Receiver: Clone>,
{
    let (tx, rx) = S::channel(capacity);
    let consumers: Vec<_> = (0..MANY)
        .map(|_| {
            let rx = rx.clone();
            S::spawn(move || {
                black_box(drain::<S>(&rx));
            })
        })
        .collect();
    drop(rx);
    let producers = start_producers::<S>(tx, n);
    producers.into_iter().chain(consumers).for_each(S::join);
}

fn start_producers<S>(tx: S::Sender, n: u64) -> Vec<S::Handle>
where
    S: Blocking<Sender: Clone>,
{
    (0..MANY)
        .map(|index| {
            let tx = tx.clone();
            S::spawn(move || (0..share_of(n, index)).for_each(|i| S::send(&tx, i)))
        })
        .collect()
}

/// Receives until the channel is closed and says how often.
fn drain<S: Blocking>(rx: &S::Receiver) -> u64 {
    let mut received = 0;
    while let Some(value) = S::recv(rx) {
        black_box(value);
        received += 1;
    }
    received
}

/// Starts one that sends to `COUNT` channels in turn, and lets `select` receive all of it.
pub fn select<S: Blocking, const COUNT: usize>(
    n: u64,
    select: impl FnOnce([S::Receiver; COUNT], u64),
) {
    let channels = [(); COUNT].map(|()| S::channel(Some(1)));
    let (over, is_over) = S::channel(Some(1));
    let mut senders = Vec::new();
    let receivers = channels.map(|(tx, rx)| {
        senders.push(tx);
        rx
    });
    let producer = S::spawn(move || {
        for (i, tx) in (0..n).zip(senders.iter().cycle()) {
            S::send(tx, i);
        }
        // A channel whose sender has gone is always ready.
        S::recv(&is_over);
    });
    select(receivers, n);
    drop(over);
    S::join(producer);
}
