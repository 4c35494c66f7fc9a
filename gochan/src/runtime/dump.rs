//! What every goroutine of a runtime is doing, at one moment.

use super::clock::Nanos;
use super::goroutine::{Goroutine, GoroutineId, Identity};
use super::mailbox::Mailbox;
use super::worker::{Standing, Worker};
use super::{Shared, ask, runtimes};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::panic::Location;
use std::time::Duration;

/// How many goroutines of a group are named.
const NAMED: usize = 10;

/// What the goroutines of a runtime are doing; from [`dump`].
///
/// Printed, goroutines that do the same at the same place stand together, with their number: the
/// dump of a hundred thousand can be read.
#[derive(Clone, Debug)]
pub struct Dump {
    goroutines: Vec<GoroutineStatus>,
    /// Workers that could not be asked.
    silent: Vec<usize>,
}

/// What one goroutine is doing, in a [`Dump`].
#[derive(Clone, Debug)]
pub struct GoroutineStatus {
    identity: Identity,
    state: &'static str,
    lasting: Option<Duration>,
    waiting_at: Option<&'static Location<'static>>,
}

impl GoroutineStatus {
    /// Its number.
    pub fn id(&self) -> GoroutineId {
        self.identity.id
    }

    /// Its name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.identity.name()
    }

    /// Where in the source it was started.
    pub fn started_at(&self) -> &'static Location<'static> {
        self.identity.started_at()
    }

    /// What it is doing: `running`, `runnable`, `not started`, or what it waits for, such as
    /// `chan receive`, `select`, `sleep` or `mutex`.
    pub fn state(&self) -> &'static str {
        self.state
    }

    /// For how long it has not run. To save the time of a look at the clock, workers note only
    /// now and then how late it is: what busy workers have to say is right to within some
    /// hundred switches. `None` for one that runs or has not started.
    pub fn lasting(&self) -> Option<Duration> {
        self.lasting
    }

    /// Where in the source it waits, if it does.
    pub fn waiting_at(&self) -> Option<&'static Location<'static>> {
        self.waiting_at
    }

    fn of(goroutine: &Goroutine, state: &'static str) -> Self {
        GoroutineStatus {
            identity: goroutine.identity().clone(),
            state,
            lasting: None,
            waiting_at: None,
        }
    }

    fn standing(goroutine: &Goroutine, standing: Standing, now: Nanos) -> Self {
        let (state, waiting_at) = match standing {
            Standing::Running => ("running", None),
            Standing::Runnable => ("runnable", None),
            Standing::Waiting(reason, location) => (reason.as_str(), Some(location)),
        };
        let waited = || Duration::from_nanos(now.saturating_sub(goroutine.since.get()));
        GoroutineStatus {
            lasting: (!matches!(standing, Standing::Running)).then(waited),
            waiting_at,
            ..Self::of(goroutine, state)
        }
    }
}

impl Dump {
    /// What each goroutine is doing, by their numbers.
    pub fn goroutines(&self) -> &[GoroutineStatus] {
        &self.goroutines
    }
}

/// What the goroutines of this runtime are doing: that of the calling goroutine, else the default
/// one.
///
/// The workers go on meanwhile: each is held up for a moment only, between two runs, and not at
/// all while a goroutine computes.
///
/// # Panics
/// On an ordinary thread, if the default runtime cannot start.
///
/// ```
/// use gochan::prelude::*;
///
/// #[gochan::main]
/// fn main() {
///     let ch = make!(chan i32);
///     go!(clone(ch), name = "reader", near, {
///         <-ch;
///     });
///     gochan::yield_now();
///
///     let dump = gochan::runtime::dump();
///     let reader = dump.goroutines().iter().find(|one| one.name() == Some("reader"));
///     assert_eq!(reader.unwrap().state(), "chan receive");
///     println!("{dump}");
/// }
/// ```
#[doc(alias = "Stack")]
#[track_caller]
pub fn dump() -> Dump {
    ask(Dump::of)
}

/// What the goroutines of all runtimes are doing, printed.
pub(super) fn of_all_runtimes() -> String {
    let runtimes = runtimes();
    let mut text = String::new();
    for shared in &runtimes {
        if runtimes.len() > 1 {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}runtime {:?}", shared.settings.name);
        }
        let _ = write!(text, "{}", Dump::of(shared));
    }
    text
}

impl Dump {
    pub(super) fn of(shared: &Shared) -> Dump {
        let now = shared.clock.nanos();
        let (mut goroutines, mut silent) = (BTreeMap::new(), Vec::new());
        let own = super::worker::current();
        // Goroutines go from a start queue to another worker's, and to the living. They are looked
        // for in that order, so that none is missed because it was on its way.
        for mailbox in &shared.workers {
            note_unstarted(mailbox, &mut goroutines);
        }
        for (index, mailbox) in shared.workers.iter().enumerate() {
            let mut survey = |worker: &Worker, phase| {
                note_unstarted(mailbox, &mut goroutines);
                worker.survey(phase, |goroutine, standing| {
                    let status = GoroutineStatus::standing(goroutine, standing, now);
                    goroutines.insert(status.id(), status);
                });
            };
            match own.filter(|worker| worker.is_at(mailbox)) {
                Some(worker) => survey(worker, worker.own_phase()),
                None => {
                    let is_held = mailbox.hold(|worker, phase| {
                        // SAFETY: a worker that can be held has not ended, and what the survey
                        // reads is at rest.
                        survey(unsafe { &*worker }, phase);
                    });
                    if !is_held {
                        silent.push(index);
                    }
                }
            }
        }
        let goroutines = goroutines.into_values().collect();
        Dump { goroutines, silent }
    }
}

/// Notes who waits to start on a worker.
fn note_unstarted(mailbox: &Mailbox, goroutines: &mut BTreeMap<GoroutineId, GoroutineStatus>) {
    mailbox.start_queue.for_each(|goroutine| {
        let status = GoroutineStatus::of(goroutine, "not started");
        goroutines.insert(status.id(), status);
    });
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: BTreeMap<_, Vec<&GoroutineStatus>> = BTreeMap::new();
        for one in &self.goroutines {
            let key = (
                one.state,
                Place(one.waiting_at),
                Place(Some(one.started_at())),
            );
            groups.entry(key).or_default().push(one);
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_unstable_by_key(|group| group[0].id());
        for (number, group) in groups.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write_group(f, group)?;
        }
        for worker in &self.silent {
            writeln!(
                f,
                "\nworker {worker} does not answer: its goroutines are missing here"
            )?;
        }
        Ok(())
    }
}

fn write_group(f: &mut fmt::Formatter<'_>, group: &[&GoroutineStatus]) -> fmt::Result {
    let first = group[0];
    if group.len() == 1 {
        write!(f, "goroutine")?;
    } else {
        write!(f, "{} goroutines", group.len())?;
    }
    for (number, one) in group.iter().take(NAMED).enumerate() {
        write!(f, "{}{}", if number == 0 { " " } else { ", " }, one.id())?;
        if let Some(name) = one.name() {
            write!(f, " {name:?}")?;
        }
    }
    if group.len() > NAMED {
        write!(f, " and {} more", group.len() - NAMED)?;
    }
    write!(f, " [{}", first.state)?;
    let lasting = || group.iter().filter_map(|one| one.lasting);
    if let (Some(shortest), Some(longest)) = (lasting().min(), lasting().max()) {
        let (shortest, longest) = (rounded(shortest), rounded(longest));
        write!(f, ", {shortest:?}")?;
        if longest != shortest {
            write!(f, " to {longest:?}")?;
        }
    }
    writeln!(f, "]")?;
    let plural = if group.len() == 1 { "s" } else { "" };
    if let Some(location) = first.waiting_at {
        writeln!(f, "    wait{plural} at {location}")?;
    }
    writeln!(f, "    started at {}", first.started_at())
}

/// Without digits that nobody reads: whole milliseconds, from ten seconds on whole seconds.
fn rounded(duration: Duration) -> Duration {
    if duration < Duration::from_secs(10) {
        Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    } else {
        Duration::from_secs(duration.as_secs())
    }
}

/// A place in the source, in the order of the source.
#[derive(PartialEq, Eq)]
struct Place(Option<&'static Location<'static>>);

impl Place {
    fn key(&self) -> Option<(&str, u32, u32)> {
        self.0.map(|at| (at.file(), at.line(), at.column()))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::runtime::placement::Site;
    use std::sync::Arc;

    fn status(id: u64, name: Option<&str>, lasting: u64) -> GoroutineStatus {
        static SITE: Site = Site::new();
        static PLACE: &Location = Location::caller();
        GoroutineStatus {
            identity: Identity {
                id: GoroutineId(id),
                name: name.map(|name| Arc::new(name.to_owned())),
                site: &SITE,
            },
            state: "chan receive",
            lasting: Some(Duration::from_millis(lasting)),
            waiting_at: Some(PLACE),
        }
    }

    #[test]
    fn those_that_do_the_same_stand_together() {
        let mut goroutines = vec![status(1, Some("main"), 3)];
        goroutines[0].state = "join";
        goroutines.extend((2..=100_001).map(|id| status(id, None, id % 7_000)));
        let text = Dump {
            goroutines,
            silent: Vec::new(),
        }
        .to_string();
        assert!(
            text.starts_with("goroutine 1 \"main\" [join, 3ms]\n    waits at "),
            "{text}"
        );
        let group = "100000 goroutines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 99990 more \
                     [chan receive, 0ns to 6.999s]\n    wait at ";
        assert!(text.contains(group), "{text}");
        assert_eq!(text.lines().count(), 7, "{text}");
    }

    #[test]
    fn those_that_wait_or_were_started_elsewhere_stand_apart() {
        static ELSEWHERE: Site = Site::new();
        let mut goroutines: Vec<_> = (1..=NAMED as u64 + 2)
            .map(|id| status(id, None, 9_999))
            .collect();
        let [.., waits, started] = &mut goroutines[..] else {
            unreachable!("there are more");
        };
        waits.waiting_at = Some(ELSEWHERE.location());
        waits.lasting = Some(Duration::from_millis(10_999));
        started.identity.site = &ELSEWHERE;
        let dump = Dump {
            goroutines,
            silent: vec![3],
        };
        let text = dump.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            [lines[0], lines[4], lines[8]],
            [
                "10 goroutines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 [chan receive, 9.999s]",
                "goroutine 11 [chan receive, 10s]",
                "goroutine 12 [chan receive, 9.999s]",
            ],
            "{text}"
        );
        assert!(lines[12].starts_with("worker 3 does not answer"), "{text}");
        assert_eq!(lines.len(), 13, "{text}");
    }
}
