//! Two goroutines play table tennis with one ball.
//!
//! What it shows: an unbuffered channel hands a value over and makes the two
//! sides meet. Each player waits for the ball, hits it and hands it back, so
//! that the lines come in strict turn although nobody locks anything.
//!
//! What to read in it: a game ends by *closing* the table. The player who has
//! made the last hit drops its sending end instead of sending; the other one
//! sees its `for` loop end and leaves as well.

use clap::Parser;
use gochan::prelude::*;

/// Let two goroutines hand a ball to and fro over unbuffered channels.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// How many times the ball is hit in all
    #[arg(long, value_name = "N", default_value_t = 6)]
    hits: u32,
}

/// The ball remembers how often it was hit.
struct Ball {
    hits: u32,
}

#[gochan::main]
fn main() {
    let Options { hits: last } = Options::parse();
    let (to_ping, at_ping) = gochan::channel(0);
    let (to_pong, at_pong) = gochan::channel(0);
    let players = [
        go!(play("ping", last, at_ping, to_pong)),
        go!(clone(to_ping), { play("pong", last, at_pong, to_ping) }),
    ];
    chan! {
        to_ping <- Ball { hits: 0 };
    }
    // Only the players hold the table now, so that it closes when one leaves.
    drop(to_ping);
    for player in players {
        player.join().expect("players do not panic");
    }
}

chan! {
    /// Hits every ball that arrives back to the other side, until it has been
    /// hit `last` times or the other side has left.
    fn play(name: &str, last: u32, arriving: Receiver<Ball>, returning: Sender<Ball>) {
        for Ball { hits } in arriving {
            if hits == last {
                break;
            }
            println!("{:>3}  {name}", hits + 1);
            returning <- Ball { hits: hits + 1 };
        }
    }
}
