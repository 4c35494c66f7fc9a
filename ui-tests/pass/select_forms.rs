//! Every form of `select!`.

#![deny(unused_braces)]

use gochan::prelude::*;
use std::time::Duration;

fn first<T>(a: &Receiver<T>, b: Option<&Receiver<T>>) -> Option<T> {
    select! {
        recv(a) -> v => v,
        recv(b) -> v => v,
    }
}

struct Server {
    input: Receiver<i32>,
    out: Sender<i32>,
    pending: Option<i32>,
    log: Vec<i32>,
}

impl Server {
    fn run(&mut self) -> usize {
        let mut rounds = 0;
        loop {
            rounds += 1;
            select! {
                send(self.out, take self.pending) => self.log.push(-1),
                v = <-self.input if self.pending.is_none() => match v {
                    Some(v) => {
                        self.log.push(v);
                        self.pending = Some(v * 2);
                    }
                    None => break,
                },
            }
        }
        rounds
    }
}

fn question(ch: &Chan<i32>) -> Result<i32, String> {
    let v = select! {
        recv(ch) -> v => v.ok_or("closed")?,
        default => return Err("empty".into()),
    };
    Ok(v)
}

fn slot_by_reference(ch: &Chan<i32>, slot: &mut Option<i32>) {
    select! { send(ch, take *slot) => {} default => {} }
}

macro_rules! send_taken {
    ($ch:expr, $slot:expr, $guard:expr) => {
        select! { send($ch, take $slot) if $guard => {} default => panic!() }
    };
}

macro_rules! received {
    ($ch:expr, $v:ident => $body:block) => {
        select! { recv($ch) -> $v => $body default => panic!() }
    };
}

fn main() {
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(60));
        eprintln!("hang");
        std::process::abort();
    });
    let ch = make!(chan i32, 4);
    let rx = ch.receiver();

    // Both spellings of everything, trailing commas, blocks without commas.
    select! { ch <- 1 => {} }
    select! { send(ch, 2,) => (), }
    select! {
        send(ch, 3) -> sent => { sent.unwrap() }
        recv(ch) -> v if false => panic!("{v:?}"),
    }
    select! { <-ch => {} }
    select! { recv(ch,) => {} }
    assert_eq!(select! { v = <-ch => v }, Some(3));
    assert_eq!(select! { default => 5 }, 5);
    assert_eq!(select! { biased; recv(ch) -> _v => 1, default => 2 }, 2);
    select! { after(Duration::from_millis(1)) => {} }
    let waited = select! {
        recv(ch) => false,
        after(Duration::from_millis(1)) if true => true,
    };
    assert!(waited);

    // Options of channels and references.
    let none: Option<Receiver<i32>> = None;
    ch.send(6).unwrap();
    assert_eq!(first(&rx, none.as_ref()), Some(6));
    select! { recv(none) -> _v => panic!(), send(Some(&ch), 1) => {} }
    select! { recv(&Some(ch.clone())) -> v => assert_eq!(v, Some(1)) }

    // Patterns.
    let pairs = make!(chan (i32, i32), 1);
    pairs.send((1, 2)).unwrap();
    let mut sum = 0;
    select! { recv(pairs) -> mut v => { if let Some((a, b)) = v.take() { sum = a + b } } }
    assert_eq!(sum, 3);
    ch.send(2).unwrap();
    assert_eq!(received!(ch, v => { v }), Some(2));

    // Slots.
    let mut slot = Some(9);
    select! { send(ch, take slot) -> sent => sent.unwrap() }
    assert_eq!((slot, ch.recv()), (None, Some(9)));
    select! { send(ch, take slot) => panic!(), default => {} }
    let mut slot = Some(4);
    slot_by_reference(&ch, &mut slot);
    assert_eq!((slot, ch.recv()), (None, Some(4)));
    let mut slots = [None, Some(1)];
    select! { send(ch, take slots[1]) => {} }
    assert_eq!((slots, ch.recv()), ([None, None], Some(1)));
    let mut slot = Some(7);
    send_taken!(ch, slot, slot.is_some());
    assert_eq!((slot, ch.recv()), (None, Some(7)));
    let take = 3;
    select! { send(ch, (take)) => {} }
    select! { send(ch, take + 1) => {} }
    assert_eq!((ch.recv(), ch.recv()), (Some(3), Some(4)));

    // Control flow out of arms; bodies change what operands borrowed.
    let (tx, input) = gochan::channel(4);
    let (out, results) = gochan::channel(4);
    for v in 1..=2 {
        tx.send(v).unwrap();
    }
    drop(tx);
    let mut server = Server { input, out, pending: None, log: vec![] };
    assert_eq!(server.run(), 5);
    assert_eq!(server.log, [1, -1, 2, -1]);
    assert_eq!((results.recv(), results.recv()), (Some(2), Some(4)));
    assert_eq!(question(&ch), Err("empty".to_owned()));

    let mut rounds = 0;
    let value = 'outer: loop {
        for _ in 0..3 {
            rounds += 1;
            select! {
                recv(ch) -> v => break 'outer v,
                default => {
                    if rounds == 2 {
                        chan! { ch <- 8 }
                    }
                    continue;
                }
            }
        }
    };
    assert_eq!((value, rounds), (Some(8), 3));

    // A channel that is named as Go's keyword.
    let case = make!(chan i32, 2);
    select! { (case) <- 1 => {} }
    select! { case = <-case => assert_eq!(case, Some(1)) }

    // Arrows and nested macros in operands and bodies.
    let chans = make!(chan Chan<i32>, 1);
    chans.send(ch.clone()).unwrap();
    ch.send(1).unwrap();
    select! {
        v = <-(<-chans).unwrap() => {
            ch <- v.unwrap() + 1;
            select! { w = <-ch => assert_eq!(w, Some(2)), default => panic!() }
        }
    }
    let numbers = make!(chan i32, 1);
    numbers.send(3).unwrap();
    select! { ch <- (<-numbers).unwrap_or(0) => ch <- 4, default => {} }
    assert_eq!((ch.recv(), ch.recv()), (Some(3), Some(4)));

    // Generic calls and closures with commas of their own, in heads and bodies.
    let result = select! {
        send(ch, pick::<i32, u8>(1, 2)) => pick::<i32, u8>(3, 4),
        ch <- [1, 2].iter().fold(0, |a, b| a + b) if ch.len() < 2 => -1,
        default => 0,
    };
    assert!(result != 0);
    let functions = make!(chan fn(i32, i32) -> i32, 1);
    select! { functions <- |a, b| a - b => {}, default => panic!() }
    assert_eq!(functions.recv().map(|f| f(5, 3)), Some(2));
    select! {
        ch <- <i32 as Pick<u8, u16>>::picked() if false => {}
        default => {}
    }
    ch.close();

    // The macro's own names and the user's.
    let (arm0, arm1, chosen, result) = (make!(chan i32, 1), make!(chan i32, 1), 1, 2);
    let got = select! {
        send(arm0, chosen) => result,
        send(arm1, result) => result,
    };
    assert_eq!(got + chosen, 3);
    let operand0 = 5;
    assert_eq!(go!(pick::<i32, u8>(operand0 + 1, 2)).join().unwrap(), 6);

    // Temporaries in operands live through the wait and end before the body.
    let lock = std::sync::Mutex::new(arm0);
    select! {
        recv(*lock.lock().unwrap()) -> _v => assert!(lock.try_lock().is_ok()),
        recv(arm1) -> _v => assert!(lock.try_lock().is_ok()),
    }

    // Arms that never return have any type.
    let n: i32 = loop {
        break select! { default => 4 };
    };
    assert_eq!(n, 4);
    if n == 5 {
        select! {}
    }
}

trait Pick<T, U> {
    fn picked() -> i32;
}

impl<T, U> Pick<T, U> for i32 {
    fn picked() -> i32 {
        1
    }
}

fn pick<T, U>(t: T, _: U) -> T {
    t
}
