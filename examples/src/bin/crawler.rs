//! A web crawler over a small site that is built into the program.
//!
//! What it shows: one coordinator owns all the state, and a few fetchers own
//! none. The coordinator offers the next address and listens for fetched pages
//! *at the same time*, in one `select!`; neither a lock nor a counter is
//! shared, and each page is fetched once.
//!
//! What to read in it: in [`crawl`], `send(addresses, take next)` is an arm
//! that is only there when `next` holds an address, and moves it out only if a
//! fetcher takes it. The crawl is over when there is nothing to offer and
//! nothing under way. Pages arrive in any order; the report is sorted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Parser;
use gochan::prelude::*;
use gochan::time::sleep;

/// Crawl a built-in site with a bounded number of fetchers.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Pages to fetch at a time
    #[arg(long, value_name = "N", default_value = "3")]
    fetchers: NonZeroUsize,

    /// Page to start from
    #[arg(long, value_name = "ADDRESS", default_value = "/")]
    start: String,
}

/// The site: addresses and what they link to.
const SITE: &[(&str, &[&str])] = &[
    ("/", &["/about", "/docs", "/blog", "https://example.org/"]),
    ("/about", &["/", "/team"]),
    ("/team", &["/about", "/team/ada", "/team/grace"]),
    ("/team/ada", &["/team", "/blog/engines"]),
    ("/team/grace", &["/team", "/blog/moths", "/docs/compilers"]),
    (
        "/docs",
        &["/", "/docs/channels", "/docs/select", "/docs/compilers"],
    ),
    ("/docs/channels", &["/docs", "/docs/select"]),
    ("/docs/select", &["/docs", "/docs/channels", "/docs/timers"]),
    ("/docs/compilers", &["/docs"]),
    (
        "/blog",
        &["/", "/blog/engines", "/blog/moths", "/blog/drafts"],
    ),
    ("/blog/engines", &["/blog", "/team/ada", "/docs/timers"]),
    (
        "/blog/moths",
        &["/blog", "/team/grace", "https://example.org/moths"],
    ),
    ("/legal", &["/"]),
];

/// A page that was asked for: its links, or `None` where there is no page.
struct Page {
    address: String,
    links: Option<Vec<String>>,
}

#[gochan::main]
fn main() {
    let Options { fetchers, start } = Options::parse();
    let pages = crawl(start, fetchers.get());

    let mut missing = 0;
    for (address, links) in &pages {
        match links {
            Some(links) => println!("{address:<16} {} links", links.len()),
            None => {
                missing += 1;
                let links_here = |links: &Vec<String>| links.contains(address);
                let from: Vec<&str> = pages
                    .iter()
                    .filter(|(_, links)| links.as_ref().is_some_and(links_here))
                    .map(|(address, _)| address.as_str())
                    .collect();
                println!("{address:<16} missing, linked from: {}", from.join(" "));
            }
        }
    }
    println!("{} addresses visited, {missing} missing", pages.len());
}

/// Visits every page that can be reached from `start`, with at most `fetchers`
/// fetches at a time. Returns what each address links to.
fn crawl(start: String, fetchers: usize) -> BTreeMap<String, Option<Vec<String>>> {
    let (addresses, assigned) = gochan::channel(0);
    let (found, pages) = gochan::channel(0);
    for _ in 0..fetchers {
        go!(fetch_all(assigned.clone(), found.clone()));
    }

    let mut visited = BTreeMap::new();
    let mut seen = BTreeSet::from([start.clone()]);
    let mut waiting = VecDeque::from([start]);
    let mut next = None;
    let mut under_way = 0;
    loop {
        next = next.or_else(|| waiting.pop_front());
        if next.is_none() && under_way == 0 {
            return visited;
        }
        select! {
            send(addresses, take next) => under_way += 1,
            page = <-pages => {
                let Page { address, links } = page.expect("found is open in this frame");
                under_way -= 1;
                for link in links.iter().flatten() {
                    if link.starts_with('/') && seen.insert(link.clone()) {
                        waiting.push_back(link.clone());
                    }
                }
                let again = visited.insert(address, links);
                assert!(again.is_none(), "a page is fetched once");
            }
        }
    }
}

chan! {
    /// Fetches one address after the other.
    fn fetch_all(addresses: Receiver<String>, found: Sender<Page>) {
        for address in addresses {
            found <- fetch(address);
        }
    }
}

/// Fetches a page; the network's delay differs from page to page.
fn fetch(address: String) -> Page {
    sleep(Duration::from_millis(address.len() as u64 % 7));
    let page = SITE.iter().find(|(known, _)| *known == address);
    let links = page.map(|(_, links)| links.iter().map(|&link| link.to_owned()).collect());
    Page { address, links }
}
