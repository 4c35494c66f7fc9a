//! The jobs of those that await, as tasks of `tokio`.

use std::hint::black_box;

use tokio::task::JoinHandle;

use super::{Capacity, MANY, share_of};

/// A kind of channel between tasks.
pub trait Awaiting: 'static {
    /// Sends.
    type Sender: Clone + Send + Sync + 'static;
    /// Receives.
    type Receiver: Send + 'static;
    /// The smallest room that a channel can have.
    const LEAST: usize;

    /// Makes a channel. Those that have one kind only make that.
    fn channel(capacity: Capacity) -> (Self::Sender, Self::Receiver);
    /// Sends to a channel that is received from.
    fn send(to: &Self::Sender, value: u64) -> impl Future<Output = ()> + Send;
    /// Receives; nothing once all senders are gone and all values received.
    fn recv(from: &mut Self::Receiver) -> impl Future<Output = Option<u64>> + Send;
}

/// Sends and receives.
pub async fn uncontended<C: Awaiting>(n: u64) {
    let (tx, mut rx) = C::channel(Some(1));
    for i in 0..n {
        C::send(&tx, i).await;
        black_box(C::recv(&mut rx).await);
    }
}

/// Passes a value to and fro.
pub async fn ping_pong<C: Awaiting>(n: u64) {
    let (ping, mut pinged) = C::channel(Some(C::LEAST));
    let (pong, mut ponged) = C::channel(Some(C::LEAST));
    let other = tokio::spawn(async move {
        while let Some(ball) = C::recv(&mut pinged).await {
            C::send(&pong, ball + 1).await;
        }
    });
    let mut ball = 0;
    for _ in 0..n {
        C::send(&ping, ball).await;
        ball = C::recv(&mut ponged).await.expect("the other one sends");
    }
    assert_eq!(ball, n);
    drop(ping);
    join(other).await;
}

/// Receives what another one sends.
pub async fn prod_cons<C: Awaiting>(capacity: Capacity, n: u64) {
    let (tx, mut rx) = C::channel(capacity);
    let producer = tokio::spawn(async move {
        for i in 0..n {
            C::send(&tx, i).await;
        }
    });
    assert_eq!(drain::<C>(&mut rx).await, n);
    join(producer).await;
}

/// Receives what many send.
pub async fn many_to_one<C: Awaiting>(capacity: Capacity, n: u64) {
    let (tx, mut rx) = C::channel(capacity);
    let producers = start_producers::<C>(tx, n);
    assert_eq!(drain::<C>(&mut rx).await, n);
    for producer in producers {
        join(producer).await;
    }
}

/// Many send and many receive.
pub async fn many_to_many<C>(capacity: Capacity, n: u64)
where
    C: Awaiting<Receiver: Clone>,
{
    let (tx, rx) = C::channel(capacity);
    let consumers: Vec<_> = (0..MANY)
        .map(|_| {
            let mut rx = rx.clone();
            tokio::spawn(async move {
                black_box(drain::<C>(&mut rx).await);
            })
        })
        .collect();
    drop(rx);
    let producers = start_producers::<C>(tx, n);
    for handle in producers.into_iter().chain(consumers) {
        join(handle).await;
    }
}

fn start_producers<C: Awaiting>(tx: C::Sender, n: u64) -> Vec<JoinHandle<()>> {
    (0..MANY)
        .map(|index| {
            let tx = tx.clone();
            tokio::spawn(async move {
                for i in 0..share_of(n, index) {
                    C::send(&tx, i).await;
                }
            })
        })
        .collect()
}

/// Receives until the channel is closed and says how often.
async fn drain<C: Awaiting>(rx: &mut C::Receiver) -> u64 {
    let mut received = 0;
    while let Some(value) = C::recv(rx).await {
        black_box(value);
        received += 1;
    }
    received
}

/// Waits for a task to end.
pub async fn join(task: JoinHandle<()>) {
    task.await.expect("it does not panic");
}
