//! Names on the network.

use crate::blocking;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::vec;

/// The addresses that a host name and a port stand for, in the order in which they are to be
/// tried.
///
/// The system's resolver is asked, under [`blocking`]: the calling goroutine is
/// parked meanwhile, and others run. What is an address already needs no resolver.
///
/// # Errors
/// That there is no such host, that it cannot be found out, or that the port is missing.
///
/// ```
/// use gochan::net;
///
/// #[gochan::main]
/// fn main() -> std::io::Result<()> {
///     for address in net::lookup_host("localhost:80")? {
///         println!("{address}");
///     }
///     assert_eq!(net::lookup_host(("127.0.0.1", 80))?.count(), 1);
///     Ok(())
/// }
/// ```
#[track_caller]
pub fn lookup_host<A>(host: A) -> io::Result<vec::IntoIter<SocketAddr>>
where
    A: ToSocketAddrs + Send,
{
    let addresses: Vec<_> = blocking(move || host.to_socket_addrs().map(Iterator::collect))?;
    Ok(addresses.into_iter())
}
