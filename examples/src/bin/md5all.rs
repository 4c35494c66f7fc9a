//! Prints the MD5 digest of every file below a directory, as `md5sum` would.
//!
//! ```text
//! md5all DIR      the output of: find -H DIR -type f -exec md5sum {} +
//!                 in the order of the paths' bytes
//! ```
//!
//! What it shows: a bounded pool of goroutines between a producer and a
//! consumer, and a `done` channel that stops all of them early.
//!
//! ```text
//!            jobs                reports
//!   walk ──────────▶ digest × n ──────────▶ print
//!     ▲                  ▲                    │
//!     └──────────────────┴─────── done ───────┘
//! ```
//!
//! What to read in it: [`md5_all`], which wires the three stages. Nobody
//! counts goroutines or closes `jobs` and `reports`: a channel closes when its
//! last sending handle is dropped, so each stage ends after the one before it.
//! The other direction is `done`: once the output cannot be written, as in
//! `md5all / | head`, the printer leaves, `done` closes on its way out, and
//! walk and pool give up at their next `select!`.
//!
//! Only regular files are digested. A symbolic link below `DIR` is neither
//! digested nor followed, so every file is printed once and a loop cannot
//! trap the walk; `DIR` itself may be a link.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use fast_md5::Md5;
use gochan::prelude::*;
use gochan::{runtime, yield_now};
use walkdir::{DirEntry, WalkDir};

/// Print the MD5 digest of every regular file below a directory, sorted by path.
///
/// Lines are those of md5sum(1), which can check them with -c. Symbolic links
/// below DIR are not followed. A file that cannot be read is named on standard
/// error, the others are still printed, and the exit status is 1.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Directory to walk
    dir: PathBuf,

    /// Files to digest at a time [default: twice the number of workers]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

/// How long finished lines may stay in the buffer while nothing else finishes.
const LINGER: Duration = Duration::from_millis(20);

/// A file to digest, and its place in the output.
struct Job {
    place: usize,
    path: PathBuf,
}

/// What became of one entry of the walk.
struct Report {
    place: usize,
    path: PathBuf,
    digest: io::Result<[u8; 16]>,
}

#[gochan::main]
fn main() -> ExitCode {
    let options = Options::parse();
    // A goroutine stays on the worker it started on. With two for each, no
    // worker is left without one, wherever they start.
    let twice = || 2 * runtime::num_worker();
    let jobs = options.jobs.map_or_else(twice, NonZeroUsize::get);
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match md5_all(options.dir, jobs, &mut out) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(err) => {
            // A reader that has seen enough is no news; a full disk is.
            if err.kind() != io::ErrorKind::BrokenPipe {
                eprintln!("md5all: standard output: {err}");
            }
            // What the buffer still holds cannot be written either, and
            // dropping the writer would try.
            drop(out.into_parts());
            ExitCode::FAILURE
        }
    }
}

chan! {
    /// Digests every regular file below `root` with a pool of `pool`
    /// goroutines, prints the lines to `out` and names on standard error what
    /// could not be read. Returns how many those were.
    ///
    /// # Errors
    /// `out` cannot be written. Walk and pool are told to stop.
    fn md5_all(root: PathBuf, pool: usize, out: &mut BufWriter<impl Write>) -> io::Result<usize> {
        // Wide enough that the pool keeps working while the walk reads a
        // directory or waits for its turn on a worker.
        let jobs = make!(chan Job, 1024);
        let reports = make!(chan Report, 1024);
        let done = make!(chan ());
        defer! { done.close(); }

        go!(walk(root, jobs.sender(), reports.sender(), done.receiver()));
        for _ in 0..pool {
            go!(digest_all(jobs.receiver(), reports.sender(), done.receiver()));
        }
        // This frame's own handles would keep the channels open.
        drop(jobs);
        let reports = Receiver::from(reports);

        // The pool finishes files in any order; what comes before its turn
        // waits here.
        let mut early = BTreeMap::new();
        let mut next = 0;
        let mut failed = 0;
        loop {
            select! {
                report = <-reports => {
                    let Some(report) = report else { break };
                    early.insert(report.place, report);
                    while let Some(report) = early.remove(&next) {
                        next += 1;
                        match report.digest {
                            Ok(digest) => out.write_all(&line(&digest, &report.path))?,
                            Err(err) => {
                                failed += 1;
                                complain(&report.path, &err);
                            }
                        }
                    }
                }
                // Lines do not wait in the buffer for a big file, and a reader
                // who has left is noticed.
                after(LINGER) if !out.buffer().is_empty() => out.flush()?,
            }
        }
        out.flush()?;
        Ok(failed)
    }

    /// Sends every regular file below `root` to `jobs` and what cannot be
    /// walked to `reports`, numbered in the order of the output.
    fn walk(root: PathBuf, jobs: Sender<Job>, reports: Sender<Report>, done: Receiver<()>) {
        let entries = WalkDir::new(&root).sort_by(by_path).into_iter();
        let wanted = entries.filter(|entry| entry.as_ref().map_or(true, is_regular));
        for (place, entry) in wanted.enumerate() {
            match entry {
                Ok(entry) => {
                    let job = Job { place, path: entry.into_path() };
                    select! {
                        jobs <- job => {}
                        <-done => return,
                    }
                }
                Err(err) => {
                    let path = err.path().unwrap_or(&root).to_owned();
                    let err = err.into_io_error().expect("a walk without links has no loops");
                    let report = Report { place, path, digest: Err(err) };
                    select! {
                        reports <- report => {}
                        <-done => return,
                    }
                }
            }
        }
    }

    /// One goroutine of the pool: digests jobs until there are no more.
    ///
    /// It reads the files itself. Handing each to a thread for blocking calls
    /// (`gochan::blocking`) costs two thread switches, which is more than it
    /// takes to read and digest a small file from the page cache; what the
    /// cache does not hold makes this worker wait for the disk while the
    /// others go on.
    fn digest_all(jobs: Receiver<Job>, reports: Sender<Report>, done: Receiver<()>) {
        let mut buffer = vec![0; 1 << 16];
        for Job { place, path } in jobs {
            let digest = digest(&path, &mut buffer);
            select! {
                reports <- Report { place, path, digest } => {}
                <-done => return,
            }
        }
    }
}

/// The MD5 digest of what the file at `path` holds.
fn digest(path: &Path, buffer: &mut [u8]) -> io::Result<[u8; 16]> {
    let mut file = File::open(path)?;
    let mut md5 = Md5::new();
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(md5.finalize()),
            Ok(n) => md5.update(&buffer[..n]),
            Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
            Err(err) => return Err(err),
        }
        // Nobody preempts a goroutine. In a big file, let those that share
        // this worker run too: the walk, which feeds the whole pool, may be
        // one of them.
        yield_now();
    }
}

/// Whether to digest an entry: a regular file, or a link to one given as `DIR`.
fn is_regular(entry: &DirEntry) -> bool {
    if entry.depth() == 0 {
        entry.path().is_file()
    } else {
        entry.file_type().is_file()
    }
}

/// Orders the entries of one directory so that the walk meets files in the
/// order of their whole paths: in there, a directory's name is followed by a
/// slash, so `a-b` comes before `a/b`.
fn by_path(a: &DirEntry, b: &DirEntry) -> std::cmp::Ordering {
    fn key(entry: &DirEntry) -> impl Iterator<Item = u8> {
        let name = entry.file_name().as_encoded_bytes().iter().copied();
        name.chain(entry.file_type().is_dir().then_some(b'/'))
    }
    key(a).cmp(key(b))
}

/// The line that md5sum prints: names that would break a line are escaped, and
/// a backslash before the digest says so.
fn line(digest: &[u8; 16], path: &Path) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let path = path.as_os_str().as_encoded_bytes();
    let escaped = escape(path);
    let mut line = Vec::with_capacity(36 + escaped.len());
    if escaped.len() != path.len() {
        line.push(b'\\');
    }
    for byte in digest {
        line.push(HEX[usize::from(byte >> 4)]);
        line.push(HEX[usize::from(byte & 15)]);
    }
    line.extend(b"  ");
    line.extend(escaped);
    line.push(b'\n');
    line
}

/// `path` with md5sum's escapes for backslash, newline and carriage return.
fn escape(path: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(path.len());
    for &byte in path {
        match byte {
            b'\\' => escaped.extend(b"\\\\"),
            b'\n' => escaped.extend(b"\\n"),
            b'\r' => escaped.extend(b"\\r"),
            _ => escaped.push(byte),
        }
    }
    escaped
}

/// Names on standard error a path that could not be read.
fn complain(path: &Path, err: &io::Error) {
    let mut message = b"md5all: ".to_vec();
    message.extend(escape(path.as_os_str().as_encoded_bytes()));
    message.extend(format!(": {err}\n").into_bytes());
    // Where standard error cannot be written there is nobody to tell.
    let _ = io::stderr().write_all(&message);
}
