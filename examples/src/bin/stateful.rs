//! The books of a bank, kept in two ways: by a goroutine to which they belong,
//! and behind a mutex.
//!
//! What it shows: the two ways to share state. The clerk owns the books; whoever
//! wants something of them sends a request, and a channel for the answer goes
//! along where there is one. The safe lets one at a time at the books. The clerk
//! can do more than answer (wait for several things, refuse, put things in
//! order); the safe is shorter and costs less. Both keep the books right.
//!
//! What to read in it: [`Clerk`] and [`Safe`] side by side. Neither needs a word
//! on who may do what when: with the clerk there is nothing to reach, with the
//! safe nothing without the lock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use gochan::prelude::*;
use gochan::sync::{Mutex, WaitGroup};

/// Keep the books of a bank with a goroutine and with a mutex.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Tellers, who work at the same time
    #[arg(long, value_name = "N", default_value_t = 8)]
    tellers: u64,

    /// Transfers that each teller makes
    #[arg(long, value_name = "N", default_value_t = 1000)]
    transfers: u64,

    /// Print also how long each way took
    #[arg(long)]
    times: bool,
}

const ACCOUNTS: usize = 4;
/// What every account starts with.
const DEPOSIT: i64 = 1000;

type Books = [i64; ACCOUNTS];

#[derive(Clone, Copy)]
struct Transfer {
    from: usize,
    to: usize,
    amount: i64,
}

impl Transfer {
    fn enter(self, books: &mut Books) {
        books[self.from] -= self.amount;
        books[self.to] += self.amount;
    }
}

/// What keeps books.
trait Keeper: Clone + Send + 'static {
    fn transfer(&self, transfer: Transfer);
    /// The books as they stand after all transfers that have been made.
    fn balances(&self) -> Books;
}

/// A goroutine that owns the books, by the channels on which it is asked.
#[derive(Clone)]
struct Clerk {
    transfers: Sender<Transfer>,
    inquiries: Sender<Sender<Books>>,
}

impl Clerk {
    fn new() -> Self {
        let (transfers, to_enter) = gochan::channel::<Transfer>(0);
        let (inquiries, to_answer) = gochan::channel::<Sender<Books>>(0);
        go! {
            let mut books = [DEPOSIT; ACCOUNTS];
            // When all who could ask have gone, both channels are closed.
            loop {
                select! {
                    recv(to_enter) -> transfer => match transfer {
                        Some(transfer) => transfer.enter(&mut books),
                        None => break,
                    },
                    recv(to_answer) -> reply => match reply {
                        Some(reply) => chan! { reply <- books; },
                        None => break,
                    },
                }
            }
        };
        Clerk {
            transfers,
            inquiries,
        }
    }
}

impl Keeper for Clerk {
    fn transfer(&self, transfer: Transfer) {
        chan! { self.transfers <- transfer; }
    }

    fn balances(&self) -> Books {
        let (reply, answer) = gochan::channel(1);
        chan! {
            self.inquiries <- reply;
            (<-answer).expect("the clerk answers")
        }
    }
}

/// Books behind a mutex.
#[derive(Clone)]
struct Safe {
    books: Arc<Mutex<Books>>,
}

impl Safe {
    fn new() -> Self {
        Safe {
            books: Arc::new(Mutex::new([DEPOSIT; ACCOUNTS])),
        }
    }
}

impl Keeper for Safe {
    fn transfer(&self, transfer: Transfer) {
        transfer.enter(&mut self.books.lock());
    }

    fn balances(&self) -> Books {
        *self.books.lock()
    }
}

#[gochan::main]
fn main() {
    let options = Options::parse();
    report("clerk", &Clerk::new(), &options);
    report("safe", &Safe::new(), &options);
}

fn report(name: &str, keeper: &impl Keeper, options: &Options) {
    let took = work(keeper, options);
    let books = keeper.balances();
    print!("{name}: {books:?}, {} in all", books.iter().sum::<i64>());
    if options.times {
        print!(" ({took:.1?})");
    }
    println!();
}

/// Lets all tellers make their transfers.
fn work(keeper: &impl Keeper, options: &Options) -> Duration {
    let start = Instant::now();
    let wg = WaitGroup::new();
    let transfers = options.transfers;
    for teller in 0..options.tellers {
        wg.add(1);
        let keeper = keeper.clone();
        go!(clone(wg), {
            defer! { wg.done() }
            for number in 0..transfers {
                keeper.transfer(transfer_of(teller, number));
            }
        });
    }
    wg.wait();
    start.elapsed()
}

/// What a teller transfers, the same on every run.
fn transfer_of(teller: u64, number: u64) -> Transfer {
    let place = |n: u64| (n % ACCOUNTS as u64) as usize;
    Transfer {
        from: place(teller + number),
        to: place(3 * teller + number / 2),
        amount: (number % 10) as i64,
    }
}
