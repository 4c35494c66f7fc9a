//! The tasks of `tokio`, with its own channels and with those of `kanal`.

use anyhow::Result;
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, yield_now};

use super::asynchronous::{self, Awaiting, join};
use super::{BATCH, Capacity, Job, Work};

struct Bounded;

impl Awaiting for Bounded {
    type Sender = mpsc::Sender<u64>;
    type Receiver = mpsc::Receiver<u64>;
    const LEAST: usize = 1;

    fn channel(capacity: Capacity) -> (Self::Sender, Self::Receiver) {
        mpsc::channel(capacity.expect("the other kind is the unbounded one"))
    }

    async fn send(to: &Self::Sender, value: u64) {
        to.send(value).await.expect("it is received from");
    }

    async fn recv(from: &mut Self::Receiver) -> Option<u64> {
        from.recv().await
    }
}

struct Unbounded;

impl Awaiting for Unbounded {
    type Sender = mpsc::UnboundedSender<u64>;
    type Receiver = mpsc::UnboundedReceiver<u64>;
    const LEAST: usize = 1;

    fn channel(_: Capacity) -> (Self::Sender, Self::Receiver) {
        mpsc::unbounded_channel()
    }

    async fn send(to: &Self::Sender, value: u64) {
        to.send(value).expect("it is received from");
    }

    async fn recv(from: &mut Self::Receiver) -> Option<u64> {
        from.recv().await
    }
}

struct Kanal;

impl Awaiting for Kanal {
    type Sender = kanal::AsyncSender<u64>;
    type Receiver = kanal::AsyncReceiver<u64>;
    const LEAST: usize = 0;

    fn channel(capacity: Capacity) -> (Self::Sender, Self::Receiver) {
        match capacity {
            Some(capacity) => kanal::bounded_async(capacity),
            None => kanal::unbounded_async(),
        }
    }

    async fn send(to: &Self::Sender, value: u64) {
        to.send(value).await.expect("it is received from");
    }

    async fn recv(from: &mut Self::Receiver) -> Option<u64> {
        from.recv().await.ok()
    }
}

/// What does the job with `tokio::sync::mpsc`, which has no channel without room and none with
/// several receivers.
pub fn mpsc(job: Job) -> Option<Work> {
    use asynchronous::{many_to_one, ping_pong, prod_cons, uncontended};
    Some(match job {
        Job::Uncontended => tasks(uncontended::<Bounded>),
        Job::PingPong => tasks(ping_pong::<Bounded>),
        Job::ProdCons(Some(0)) | Job::ManyToOne(Some(0)) | Job::ManyToMany(_) => return None,
        Job::ProdCons(None) => tasks(|n| prod_cons::<Unbounded>(None, n)),
        Job::ProdCons(capacity) => tasks(move |n| prod_cons::<Bounded>(capacity, n)),
        Job::ManyToOne(None) => tasks(|n| many_to_one::<Unbounded>(None, n)),
        Job::ManyToOne(capacity) => tasks(move |n| many_to_one::<Bounded>(capacity, n)),
        Job::SelectTwo => tasks(|n| select(n, select_two)),
        Job::SelectEight => tasks(|n| select(n, select_eight)),
        Job::SpawnFinish => tasks(spawn_and_finish),
        Job::SpawnJoin => tasks(spawn_and_join),
        Job::Yield => tasks(yields),
    })
}

/// What does the job with the asynchronous side of `kanal`, which has no select.
pub fn kanal(job: Job) -> Option<Work> {
    use asynchronous::{many_to_many, many_to_one, ping_pong, prod_cons, uncontended};
    Some(match job {
        Job::Uncontended => tasks(uncontended::<Kanal>),
        Job::PingPong => tasks(ping_pong::<Kanal>),
        Job::ProdCons(capacity) => tasks(move |n| prod_cons::<Kanal>(capacity, n)),
        Job::ManyToOne(capacity) => tasks(move |n| many_to_one::<Kanal>(capacity, n)),
        Job::ManyToMany(capacity) => tasks(move |n| many_to_many::<Kanal>(capacity, n)),
        Job::SelectTwo | Job::SelectEight | Job::SpawnFinish | Job::SpawnJoin | Job::Yield => {
            return None;
        }
    })
}

/// Runs `body` where tasks can be started.
pub fn inside<T>(workers: usize, body: impl FnOnce() -> T) -> Result<T> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .build()?;
    let _entered = runtime.enter();
    Ok(body())
}

/// Work that is a task, so that it runs where the tasks do that it starts.
fn tasks<F>(work: impl Fn(u64) -> F + Send + 'static) -> Work
where
    F: Future<Output = ()> + Send + 'static,
{
    Box::new(move |n| Handle::current().block_on(join(tokio::spawn(work(n)))))
}

/// Starts one that sends to `COUNT` channels in turn, and lets `select` receive all of it.
async fn select<const COUNT: usize, F: Future<Output = ()>>(
    n: u64,
    select: impl FnOnce([mpsc::Receiver<u64>; COUNT], u64) -> F,
) {
    let mut senders = Vec::new();
    let receivers = [(); COUNT].map(|()| {
        let (tx, rx) = mpsc::channel(1);
        senders.push(tx);
        rx
    });
    let all = senders.clone();
    let producer = tokio::spawn(async move {
        for (i, tx) in (0..n).zip(senders.iter().cycle()) {
            tx.send(i).await.expect("it is received from");
        }
    });
    select(receivers, n).await;
    // A channel whose sender has gone is always ready.
    drop(all);
    join(producer).await;
}

async fn select_two([mut a, mut b]: [mpsc::Receiver<u64>; 2], n: u64) {
    for _ in 0..n {
        tokio::select! {
            _ = a.recv() => {},
            _ = b.recv() => {},
        }
    }
}

async fn select_eight(receivers: [mpsc::Receiver<u64>; 8], n: u64) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = receivers;
    for _ in 0..n {
        tokio::select! {
            _ = a.recv() => {},
            _ = b.recv() => {},
            _ = c.recv() => {},
            _ = d.recv() => {},
            _ = e.recv() => {},
            _ = f.recv() => {},
            _ = g.recv() => {},
            _ = h.recv() => {},
        }
    }
}

async fn spawn_and_finish(n: u64) {
    let mut started = 0;
    while started < n {
        let batch = BATCH.min(n - started);
        let mut all = JoinSet::new();
        for _ in 0..batch {
            all.spawn(async {});
        }
        started += batch;
        all.join_all().await;
    }
}

async fn spawn_and_join(n: u64) {
    for _ in 0..n {
        join(tokio::spawn(async {})).await;
    }
}

async fn yields(n: u64) {
    let other = tokio::spawn(yield_often(n / 2));
    yield_often(n / 2).await;
    join(other).await;
}

async fn yield_often(times: u64) {
    for _ in 0..times {
        yield_now().await;
    }
}
