//! The settings of a runtime.

use super::{random, stack};
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::mem;
use std::num::NonZeroUsize;
use std::time::Duration;

/// What a panic in a goroutine does to the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PanicPolicy {
    /// It ends the goroutine; whoever joins it learns of it.
    #[default]
    Unwind,
    /// It ends the process (by `abort`, after the message), as in Go.
    Abort,
}

/// The settings of a [`Runtime`](super::Runtime).
///
/// What is not set is taken from the environment, else from the machine:
///
/// | setting | variable | default |
/// |---|---|---|
/// | [`workers`](Config::workers) | `GOCHAN_MAXPROCS` | the available parallelism |
/// | [`stack_size`](Config::stack_size) | `GOCHAN_STACK_SIZE` | 262,144 bytes |
/// | [`blocking_threads`](Config::blocking_threads) | | 512 |
/// | [`deadlock_detection`](Config::deadlock_detection) | `GOCHAN_DEADLOCK` | `on` |
/// | [`hog_limit`](Config::hog_limit) | `GOCHAN_HOG_MS` | nobody watches |
///
/// ```
/// use gochan::runtime::{Config, Runtime};
///
/// let runtime = Runtime::new(Config::new().workers(2).name("demo"))?;
/// let answer = runtime.run(|| gochan::go!({ 6 * 7 }).join().unwrap());
/// assert_eq!(answer, 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a Config does nothing until a Runtime is made of it"]
pub struct Config {
    workers: Option<usize>,
    stack_size: Option<usize>,
    blocking_threads: Option<usize>,
    seed: Option<u64>,
    virtual_time: bool,
    panic_policy: PanicPolicy,
    name: Option<String>,
    deadlock_detection: Option<bool>,
    hog_limit: Option<Duration>,
}

impl Config {
    /// Nothing set.
    pub fn new() -> Self {
        Config::default()
    }

    /// How many worker threads run goroutines, 1,024 at most.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// The stack of a goroutine that does not ask for another size, in bytes of address space;
    /// memory is taken page by page as the stack is used.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// How many threads at the most run [`blocking`](crate::blocking) closures at a time.
    pub fn blocking_threads(mut self, threads: usize) -> Self {
        self.blocking_threads = Some(threads);
        self
    }

    /// Makes the choices of the scheduler and of `select!` follow from `seed`. With one worker,
    /// and as long as no other thread takes part, a program then runs the same way every time.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Lets time stand still while anything can run, and jump to the next timer when nothing
    /// can: a test of hours of sleeps takes no time.
    ///
    /// What can run are the goroutines of this runtime and their [`blocking`](crate::blocking())
    /// calls. An ordinary thread, or a goroutine of another runtime, does not hold the clock: while
    /// it makes up its mind to send, whoever waits for it with a time limit gives up. A `blocking`
    /// call in which the thread is waited for does hold it.
    pub fn virtual_time(mut self, on: bool) -> Self {
        self.virtual_time = on;
        self
    }

    /// What a panic in a goroutine does to the process.
    pub fn panic_policy(mut self, policy: PanicPolicy) -> Self {
        self.panic_policy = policy;
        self
    }

    /// Whether a program in which nothing can ever happen any more ends with a report; it does
    /// unless this or the environment says otherwise.
    pub fn deadlock_detection(mut self, on: bool) -> Self {
        self.deadlock_detection = Some(on);
        self
    }

    /// Reports, once for each, the goroutines that run longer than `limit` without waiting or
    /// yielding and so keep others waiting. Not set, nobody watches.
    pub fn hog_limit(mut self, limit: Duration) -> Self {
        self.hog_limit = Some(limit);
        self
    }

    /// What the worker threads are called: `NAME-0`, `NAME-1`, …; `gochan` if not set.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Makes this the configuration of the default runtime, which starts at its first use.
    ///
    /// `#[gochan::main]` uses that runtime before the first line of `main`, and takes the settings
    /// as options instead: `#[gochan::main(workers = 2)]`.
    ///
    /// # Errors
    /// The default runtime has started already, or has been configured before; or a setting or
    /// variable makes no sense, named with its value.
    ///
    /// ```
    /// use gochan::runtime::{Config, num_worker};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// Config::new().workers(3).install()?;
    /// assert_eq!(num_worker(), 3);
    /// assert!(Config::new().install().is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn install(self) -> io::Result<()> {
        self.clone().resolve()?;
        let mut default = DEFAULT.lock();
        let told = match *default {
            DefaultConfig::Open => {
                *default = DefaultConfig::Given(self);
                return Ok(());
            }
            DefaultConfig::Given(_) => "has been configured before",
            DefaultConfig::Used => {
                "has started; configure it before the first goroutine, or by the options of \
                 #[gochan::main]"
            }
        };
        let message = format!("the default runtime {told}");
        Err(io::Error::new(io::ErrorKind::AlreadyExists, message))
    }

    /// The configuration of the default runtime, which starts now.
    pub(super) fn of_default() -> Config {
        match mem::replace(&mut *DEFAULT.lock(), DefaultConfig::Used) {
            DefaultConfig::Given(config) => config,
            DefaultConfig::Open | DefaultConfig::Used => Config::new(),
        }
    }

    /// Fills in what is not set.
    ///
    /// # Errors
    /// A setting or variable that makes no sense, by its name and value.
    pub(super) fn resolve(self) -> io::Result<Settings> {
        let workers = match self.workers {
            Some(workers) => {
                let workers = positive("workers", workers)?;
                not_too_many(
                    workers,
                    &format_args!("runtime::Config: workers is {workers}"),
                )?
            }
            None => match from_environment("GOCHAN_MAXPROCS", parse_workers)? {
                Some(workers) => workers,
                None => std::thread::available_parallelism()
                    .map_or(1, NonZeroUsize::get)
                    .min(MOST_WORKERS),
            },
        };
        let stack_size = match self.stack_size {
            Some(bytes) => stack_of(
                positive("stack_size", bytes)?,
                &format_args!("runtime::Config: stack_size is {bytes}"),
            )?,
            None => match from_environment("GOCHAN_STACK_SIZE", parse_stack_size)? {
                Some(size) => size,
                None => stack::round_size(DEFAULT_STACK_SIZE)?,
            },
        };
        let deadlock_detection = match self.deadlock_detection {
            Some(on) => on,
            None => from_environment("GOCHAN_DEADLOCK", parse_switch)?.unwrap_or(true),
        };
        let hog_limit = match self.hog_limit {
            Some(Duration::ZERO) => return Err(zero("hog_limit")),
            Some(limit) => Some(limit),
            None => from_environment("GOCHAN_HOG_MS", parse_positive)?
                .map(|millis| Duration::from_millis(millis as u64)),
        };
        let name = self.name.unwrap_or_else(|| "gochan".to_owned());
        if name.contains('\0') {
            return Err(invalid(format!(
                "runtime::Config: name is {name:?}; a thread's name cannot contain a zero byte"
            )));
        }
        Ok(Settings {
            workers,
            stack_size,
            blocking_threads: positive(
                "blocking_threads",
                self.blocking_threads.unwrap_or(DEFAULT_BLOCKING_THREADS),
            )?,
            seed: self.seed.unwrap_or_else(random::entropy),
            virtual_time: self.virtual_time,
            panic_policy: self.panic_policy,
            name,
            deadlock_detection,
            hog_limit,
            is_for_test: false,
        })
    }
}

/// Each worker looks at all the others when it has nothing to do.
const MOST_WORKERS: usize = 1024;
const DEFAULT_STACK_SIZE: usize = 256 * 1024;
const DEFAULT_BLOCKING_THREADS: usize = 512;

/// How far the configuration of the default runtime is.
enum DefaultConfig {
    Open,
    Given(Config),
    Used,
}

static DEFAULT: Mutex<DefaultConfig> = Mutex::new(DefaultConfig::Open);

/// A [`Config`] with everything settled.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) workers: usize,
    /// As [`stack::round_size`] makes it.
    pub(crate) stack_size: usize,
    pub(crate) blocking_threads: usize,
    pub(crate) seed: u64,
    pub(crate) virtual_time: bool,
    pub(crate) panic_policy: PanicPolicy,
    pub(crate) name: String,
    pub(crate) deadlock_detection: bool,
    pub(crate) hog_limit: Option<Duration>,
    /// Whether a test runner may keep what is printed with `eprintln!`, to show it beside the test.
    pub(crate) is_for_test: bool,
}

fn positive(setting: &str, value: usize) -> io::Result<usize> {
    if value == 0 {
        return Err(zero(setting));
    }
    Ok(value)
}

fn not_too_many(workers: usize, setting: &dyn fmt::Display) -> io::Result<usize> {
    if workers > MOST_WORKERS {
        let message = format!("{setting}; a runtime has at most {MOST_WORKERS} workers");
        return Err(invalid(message));
    }
    Ok(workers)
}

/// The size of a stack for which `bytes` are wanted.
fn stack_of(bytes: usize, setting: &dyn fmt::Display) -> io::Result<usize> {
    stack::round_size(bytes).map_err(|error| invalid(format!("{setting}; {error}")))
}

fn zero(setting: &str) -> io::Error {
    invalid(format!("runtime::Config: {setting} is 0; it must be more"))
}

/// What an environment variable says, if it is set and not empty.
fn from_environment<T>(
    variable: &str,
    parse: impl FnOnce(&str, &str) -> io::Result<T>,
) -> io::Result<Option<T>> {
    match std::env::var_os(variable) {
        None => Ok(None),
        Some(value) if value.is_empty() => Ok(None),
        Some(value) => parse(variable, &value.to_string_lossy()).map(Some),
    }
}

fn parse_switch(variable: &str, value: &str) -> io::Result<bool> {
    match value.trim() {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(invalid(format!(
            "{variable}={value:?}: expected `on` or `off`"
        ))),
    }
}

fn parse_positive(variable: &str, value: &str) -> io::Result<usize> {
    match value.trim().parse::<usize>() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(invalid(format!(
            "{variable}={value:?}: expected a whole number, 1 or more"
        ))),
    }
}

fn parse_workers(variable: &str, value: &str) -> io::Result<usize> {
    let workers = parse_positive(variable, value)?;
    not_too_many(workers, &format_args!("{variable}={value:?}"))
}

fn parse_stack_size(variable: &str, value: &str) -> io::Result<usize> {
    let bytes = parse_positive(variable, value)?;
    stack_of(bytes, &format_args!("{variable}={value:?}"))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn malformed_variables_are_named_with_their_value() {
        for bad in ["abc", "0", "-1", "1.5"] {
            let error = parse_positive("GOCHAN_MAXPROCS", bad).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            let text = error.to_string();
            assert!(
                text.contains("GOCHAN_MAXPROCS") && text.contains(bad),
                "{text}"
            );
        }
        assert_eq!(parse_positive("GOCHAN_MAXPROCS", " 3 ").unwrap(), 3);
    }

    #[test]
    fn more_workers_than_a_runtime_may_have_are_refused() {
        let error = Config::new().workers(MOST_WORKERS + 1).resolve();
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("workers is 1025; a runtime has at most 1024"),
            "{error}"
        );
        let error = parse_workers("GOCHAN_MAXPROCS", "100000").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("GOCHAN_MAXPROCS=\"100000\"; "),
            "{error}"
        );
        assert_eq!(parse_workers("GOCHAN_MAXPROCS", "1024").unwrap(), 1024);
    }

    #[test]
    fn zero_settings_are_refused_by_name() {
        let error = Config::new().workers(0).resolve().unwrap_err();
        assert!(error.to_string().contains("workers"), "{error}");
        let error = Config::new().stack_size(0).resolve().unwrap_err();
        assert!(error.to_string().contains("stack_size"), "{error}");
    }

    #[test]
    fn what_makes_no_sense_is_not_installed() {
        let error = Config::new().workers(0).install().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn stacks_that_no_address_space_holds_are_refused_by_name() {
        let error = Config::new().stack_size(usize::MAX).resolve().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let begin = format!("runtime::Config: stack_size is {}; ", usize::MAX);
        assert!(error.to_string().starts_with(&begin), "{error}");

        let value = usize::MAX.to_string();
        let error = parse_stack_size("GOCHAN_STACK_SIZE", &value).unwrap_err();
        let begin = format!("GOCHAN_STACK_SIZE=\"{value}\"; ");
        assert!(error.to_string().starts_with(&begin), "{error}");
    }

    #[test]
    fn names_that_no_thread_can_have_are_refused() {
        let error = Config::new().name("a\0b").resolve().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(r#"name is "a\0b""#), "{error}");
        assert_eq!(Config::new().name("").resolve().unwrap().name, "");
    }
}
