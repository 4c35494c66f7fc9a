//! The arrow in every place where an expression may stand.

#![deny(unused_braces)]

use gochan::prelude::*;
use std::time::Duration;

struct Pipe {
    input: Receiver<i32>,
    outs: Vec<Sender<i32>>,
}

fn pipe() -> (Sender<i32>, Pipe, Receiver<i32>) {
    let (tx, input) = gochan::channel(16);
    let (out, rx) = gochan::channel(16);
    (tx, Pipe { input, outs: vec![out] }, rx)
}

fn filled(values: &[i32]) -> Chan<i32> {
    let ch = make!(chan i32, 64);
    for &value in values {
        ch.send(value).unwrap();
    }
    ch
}

chan! {
    /// Documented, generic, with a where clause.
    pub fn forward<T, const N: usize>(from: &Receiver<[T; N]>, to: &Sender<[T; N]>) -> usize
    where
        T: Clone,
    {
        let mut count = 0;
        while let Some(value) = <-from {
            to <- value;
            count += 1;
        }
        count
    }

    macro_rules! first {
        ($ch:expr) => { $ch.recv() };
    }
    fn after_a_macro(ch: &Receiver<i32>) -> Option<i32> {
        macro_rules! second {
            ($ch:expr) => { $ch.recv() };
        }
        let sum = (<-ch)? + first!(ch)? + second!(ch)?;
        Some(sum)
    }

    mod inner {
        use gochan::Receiver;

        pub(super) struct Source<'a> {
            pub ch: &'a Receiver<i32>,
        }

        impl<'a> Source<'a> {
            pub const LIMIT: i32 = -1;
            pub fn next(&self) -> Option<i32> {
                <-self.ch
            }
        }
    }

    trait Produce {
        fn target(&self) -> &Sender<i32>;
        fn produce(&self) {
            self.target() <- 5;
        }
    }

    impl Produce for Pipe {
        fn target(&self) -> &Sender<i32> {
            &self.outs[0]
        }
    }

    static NAME: &str = "items";
    macro_rules! arrow_of_its_own {
        ($a:ident <- $b:expr) => { $a = $b; };
    }
}

chan! {
    gochan::goroutine_local! {
        static SENT: std::cell::Cell<i32> = const { std::cell::Cell::new(0) };
    }

    fn send_next(ch: &Chan<i32>) {
        SENT.with(|sent| {
            sent.set(sent.get() + 1);
            ch <- sent.get();
        });
    }
}

macro_rules! sender {
    ($visibility:vis, $name:ident, $($other:item)*) => {
        chan! {
            $($other)*
            $visibility fn $name(ch: &Chan<i32>) {
                ch <- 1;
            }
        }
    };
}

// Blocks and labels that a macro was given, in what is sent.
macro_rules! sent {
    ($ch:expr, $value:block, $loop:block, $label:lifetime) => {
        chan! {
            $ch <- if true $value else { 0 };
            $ch <- if false { 0 } else $value;
            $ch <- loop $loop;
            $ch <- $label: loop { break $label <-$ch }.unwrap() + 2;
        }
    };
}

sender! { pub(crate), send_one, #[allow(dead_code)] struct Unused; }
sender! { , send_one_more, }

impl Pipe {
    fn run(&self) {
        chan! {
            while let Some(v) = <-self.input {
                self.outs[0] <- v + 1;
            }
        }
    }
}

fn question(ch: &Chan<i32>) -> Option<i32> {
    chan! {
        let a = (<-ch)?;
        let b = (<-ch)? - 1;
        Some(a + b)
    }
}

fn maybe(ch: &Chan<i32>) -> Option<&Chan<i32>> {
    Some(ch)
}

fn looser_than_question(ch: &Chan<i32>) -> Option<i32> {
    chan! { <-maybe(ch)? }
}

fn main() {
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(60));
        eprintln!("hang");
        std::process::abort();
    });
    assert_eq!(after_a_macro(&filled(&[1, 2, 3]).into()), Some(6));
    let (tx, pipe, rx) = pipe();
    tx.send(1).unwrap();
    tx.send(2).unwrap();
    drop(tx);
    pipe.run();
    pipe.produce();
    assert_eq!((rx.recv(), rx.recv(), rx.recv()), (Some(2), Some(3), Some(5)));

    assert_eq!(question(&filled(&[3, 4])), Some(6));
    assert_eq!(looser_than_question(&filled(&[9])), Some(9));

    let (from, to) = (gochan::channel(2), gochan::channel(2));
    from.0.send([1, 2]).unwrap();
    drop(from.0);
    assert_eq!(forward(&from.1, &to.0), 1);
    let source = filled(&[4]);
    let receiver = source.receiver();
    assert_eq!(inner::Source { ch: &receiver }.next(), Some(4));
    assert_eq!((inner::Source::LIMIT, NAME), (-1, "items"));
    let ch = filled(&[]);
    send_next(&ch);
    send_one(&ch);
    send_one_more(&ch);
    send_next(&ch);
    assert_eq!(ch.try_iter().collect::<Vec<_>>(), [1, 1, 1, 2]);
    // A block, although there are but an item and a macro.
    let listed = chan! { const N: i32 = 3; vec![N] };
    assert_eq!(listed, [3]);
    sent!(ch, { 4 }, { break 5 }, 'received);
    assert_eq!(ch.try_iter().collect::<Vec<_>>(), [4, 5, 6]);
    // Braces in parentheses are the block itself.
    assert_eq!(chan!({ <-filled(&[1]) }), Some(1));
    defer!({ println!("end") });
    let mut own = 1;
    assert_eq!(own, 1);
    arrow_of_its_own!(own <- 2);
    assert_eq!(own, 2);

    chan! {
        let ch = filled(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        // Prefix, against binary and postfix operators.
        assert!(<-ch == Some(1) && <-ch != Some(1));
        assert_eq!((<-ch).unwrap() * 2, 6);
        assert_eq!(-(<-ch).unwrap(), -4);
        let sum = (<-ch).unwrap_or(0) + (<-ch).map_or(0, |v| v * 2);
        assert_eq!(sum, 17);
        // In arguments of other macros, closures, struct literals, arrays, indices, ranges.
        println!("{:?} {v:?}", <-ch, v = <-ch);
        assert!(matches!(<-ch, Some(9)));
        let get = || <-ch;
        assert_eq!(get(), Some(10));
        let got = std::ops::Range { start: 0, end: 3 };
        assert_eq!(got.len(), 3);

        let ch = filled(&[1, 2, 3, 4, 5, 6, 7, 8]);
        let array = [<-ch, <-ch];
        assert_eq!(array, [Some(1), Some(2)]);
        let tuple = (<-ch, -1, <-&ch,);
        assert_eq!(tuple, (Some(3), -1, Some(4)));
        if let Some(5) = <-ch { } else { panic!() }
        if <-{ filled(&[1]) } == Some(1) && <-&{ filled(&[2]) } == Some(2) { } else { panic!() }
        let Some(six) = <-ch else { panic!() };
        assert_eq!(six, 6);
        match <-ch {
            Some(n) if n < -1 => panic!(),
            Some(7) => ch <- 100,
            _ => panic!(),
        }
        let value = match <-ch { Some(v) => { v } None => 0 };
        assert_eq!(value, 8);
        assert_eq!(<-ch, Some(100));

        // Sends: statement, closure body, tail, any channel expression.
        let send = |v| ch <- v;
        send(1);
        [2, 3].into_iter().for_each(|v| ch <- v);
        let chans = [&ch];
        chans[0] <- 4;
        (&ch) <- 5;
        *&ch <- 6;
        maybe(&ch).unwrap() <- 7;
        #[allow(unused)]
        ch <- -8;
        ch <-9;
        if ch.len() > 3 { ch <- 10 } else { ch <- 11 }
        'outer: loop {
            ch <- if true { 12 } else { 13 };
            break 'outer;
        }
        let block = { <-ch };
        assert_eq!(block, Some(1));
        #[allow(unused_unsafe)]
        unsafe { ch <- 14 }
        <-ch;
        let _unused = <-ch;
        #[allow(for_loops_over_fallibles)]
        for v in <-ch { assert_eq!(v, 4); }
        for v in [5, 6, 7, -8, 9, 10, 12] { assert_eq!(<-ch, Some(v)) }
        let cast = (<-ch).unwrap() as i64 - 1;
        assert_eq!(cast, 13);

        // A channel of channels.
        let outer = make!(chan Chan<i32>, 1);
        outer <- filled(&[42]);
        assert_eq!(<-(<-outer).unwrap(), Some(42));

        // Comparisons and shifts stay.
        let (a, b) = (1, 2);
        assert!(!(a < -b) && a << -(-1) == 2 && a <= b);
        let generic = Vec::<Vec<i32>>::with_capacity(2).len() as u8;
        assert!(generic < 1);

        // Boxes, references, Rc, Arc.
        let boxed = Box::new(filled(&[1]));
        assert_eq!(<-boxed, Some(1));
        boxed <- 2;
        let shared = std::sync::Arc::new(boxed);
        assert_eq!(<-shared, Some(2));
        let by_mut = &mut filled(&[3]);
        assert_eq!(<-by_mut, Some(3));

        // Items among statements.
        fn helper(ch: &Chan<i32>) -> Option<i32> { <-ch }
        const MINUS: i32 = -1;
        assert_eq!(helper(&filled(&[MINUS])), Some(-1));
        defer! { shared <- 1 }
        let nested = chan! { <-filled(&[8]) };
        assert_eq!(nested, Some(8));
        let picked = gochan::select! { v = <-filled(&[1]) => v, default => None };
        assert_eq!(picked, Some(1));
    }
    chan! {}
}
