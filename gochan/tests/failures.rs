//! What a program says when it fails, and how it ends.
//!
//! Each test runs one of the programs below in a process of its own, on that process's real main
//! thread, which a test of the standard harness cannot have. So this binary has a `main` of its
//! own: it runs a program if it is told which, else the tests.
//!
//! Deadlocks are found on Linux only, and signals are a thing of Unix. Elsewhere the tests of that
//! are left out.

#![cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "what the tests that are left out stand on")
)]

mod harness;

use gochan::context::Context;
use gochan::prelude::*;
use gochan::runtime::{Config, PanicPolicy, Runtime, dump, num_goroutine};
use gochan::sync::{
    Barrier, Cond, ErrGroup, Mutex, Once, RwLock, Semaphore, SingleFlight, WaitGroup,
};
use gochan::{JoinHandle, blocking, time, yield_now};
use harness::{message_of, panic_of};
use libtest_mimic::{Arguments, Trial};
use std::cell::RefCell;
use std::hint::black_box;
use std::io::Read;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Names the program that the process is to run.
const PROGRAM: &str = "GOCHAN_FAILURES_PROGRAM";

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The exit status of a deadlock and of SIGQUIT.
const FATAL: i32 = 2;

const DEADLOCK: &str = "fatal error: all goroutines are asleep - deadlock!\n";

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

// ----- programs ---------------------------------------------------------------------------

type Program = fn() -> ExitCode;

/// Makes a program of the body of a main goroutine.
macro_rules! programs {
    ($($(#[$attribute:meta])* fn $name:ident() $body:block)*) => {
        $(fn $name() -> ExitCode {
            #[gochan::main]
            $(#[$attribute])*
            fn main() $body
            main()
        })*
    };
}

programs! {
    fn deadlock_plain() {
        let ch = make!(chan i32);
        let other = make!(chan i32);
        go!(clone(ch), name = "sender", {
            ch <- 1;
            other <- 2;
        });
        ch.recv();
        ch.recv();
    }

    fn deadlock_in_select() {
        let ch = make!(chan i32);
        select! {
            recv(ch) => {},
            send(ch, 1) => {},
        }
    }

    fn deadlock_in_empty_select() {
        select! {}
    }

    fn deadlock_of_joins() {
        let handles = make!(chan JoinHandle<()>, 1);
        let first = go!(clone(handles), {
            let second = handles.recv().unwrap();
            let _ = second.join();
        });
        let second = go!({
            let _ = first.join();
        });
        handles.send(second).unwrap();
        let (_keep, ch) = gochan::channel::<()>(0);
        ch.recv();
    }

    fn deadlock_of_locks() {
        let pair = Arc::new((Mutex::new(()), Mutex::new(())));
        let first = pair.0.lock();
        let handle = go!(clone(pair), {
            let _second = pair.1.lock();
            let _first = pair.0.lock();
        });
        yield_now();
        time::sleep(millis(20));
        let _second = pair.1.lock();
        drop(first);
        let _ = handle.join();
    }

    fn deadlock_of_a_wait_group() {
        let group = WaitGroup::new();
        group.add(2);
        go!(clone(group), { group.done() });
        group.wait();
    }

    fn deadlock_in_a_scope() {
        let ch = make!(chan i32);
        gochan::scope(|s| {
            go!(in s, {
                ch.recv();
            });
        });
    }

    fn deadlock_after_a_panic() {
        let ch = make!(chan i32);
        go!(clone(ch), name = "unlucky", {
            assert!(ch.is_closed(), "it is open");
            ch <- 1;
        });
        ch.recv();
    }

    fn deadlock_after_many_panics() {
        let unlucky: Vec<_> = (0..12).map(|_| go!({ panic!("on purpose") })).collect();
        for one in unlucky {
            assert!(one.join().is_err());
        }
        make!(chan()).recv();
    }

    fn deadlock_of_many() {
        let ch = make!(chan i32);
        for _ in 0..1_000 {
            go!(clone(ch), {
                ch.recv();
            });
        }
        ch.recv();
    }

    /// What the crowd leaves behind is watched by a thread for some seconds.
    fn deadlock_after_a_crowd() {
        let (gate, gone) = (make!(chan()), WaitGroup::new());
        for _ in 0..5_000 {
            drop(gone.go({
                let gate = gate.clone();
                move || gate.recv()
            }));
        }
        gochan::yield_now();
        gate.close();
        gone.wait();
        make!(chan()).recv();
    }

    fn deadlock_beside_a_lock_of_stderr() {
        let is_held = make!(chan());
        thread::spawn({
            let is_held = is_held.sender();
            move || {
                let _held = std::io::stderr().lock();
                is_held.send(()).unwrap();
                make!(chan()).recv();
            }
        });
        is_held.recv();
        make!(chan()).recv();
    }

    fn deadlock_after_a_blocking_call() {
        blocking(|| ());
        make!(chan()).recv();
    }

    /// The context is there still, and its time has not come.
    fn deadlock_after_a_cancelled_timeout() {
        let background = gochan::context::Context::background();
        let (_context, cancel) = background.with_timeout(millis(3_600_000));
        cancel.cancel();
        make!(chan()).recv();
    }

    fn no_deadlock() {
        // A timer.
        let ch = make!(chan i32);
        go!(clone(ch), {
            time::sleep(millis(150));
            ch <- 1;
        });
        assert_eq!(ch.recv(), Some(1));
        // A deadline.
        assert!(ch.recv_timeout(millis(150)).is_err());
        // A timer without a goroutine.
        assert!(time::after(millis(150)).recv().is_some());
        // A helper thread.
        go!(clone(ch), {
            blocking(|| thread::sleep(millis(150)));
            ch <- 2;
        });
        assert_eq!(ch.recv(), Some(2));
        // A thread that has waited for something before, and one that has not.
        let told = ch.clone();
        let thread = thread::spawn(move || {
            told.recv();
            thread::sleep(millis(150));
            told.send(3)
        });
        ch.send(0).unwrap();
        assert_eq!(ch.recv(), Some(3));
        thread.join().unwrap().unwrap();
        // A thread that waits with a deadline, and acts then.
        let (told, (_keep, never)) = (ch.clone(), gochan::channel::<()>(0));
        let thread = thread::spawn(move || {
            let _ = never.recv_timeout(millis(150));
            told.send(4)
        });
        assert_eq!(ch.recv(), Some(4));
        thread.join().unwrap().unwrap();
        // Another runtime.
        let told = ch.clone();
        let thread = thread::spawn(move || {
            Runtime::new(Config::new().workers(1)).unwrap().run(|| {
                time::sleep(millis(150));
                told.send(5).unwrap();
            });
        });
        assert_eq!(ch.recv(), Some(5));
        thread.join().unwrap();
        // Two threads that pass something on, and the second one to the goroutine.
        let ((first, hears_first), told) = (gochan::channel::<i32>(0), ch.clone());
        let threads = [
            thread::spawn(move || {
                thread::sleep(millis(150));
                first.send(6).unwrap();
            }),
            thread::spawn(move || told.send(hears_first.recv().unwrap()).unwrap()),
        ];
        assert_eq!(ch.recv(), Some(6));
        for thread in threads {
            thread.join().unwrap();
        }
        println!("all came");
    }

    fn waits_for_ever() {
        let ch = make!(chan i32);
        println!("waits");
        ch.recv();
    }

    fn is_deadlocked_beside_a_bystander() {
        thread::spawn(|| {
            gochan::runtime::declare_bystander();
            thread::sleep(Duration::from_secs(120));
        });
        make!(chan i32).recv();
    }

    fn overflows() {
        go!(name = "deep", stack = 128 << 10, {
            dive(u64::MAX);
        })
        .join()
        .unwrap();
    }

    fn overflows_with_a_long_name() {
        let name = "deep".repeat(1_000);
        let deep = gochan::goroutine::Builder::new().name(name);
        deep.spawn(|| dive(u64::MAX)).unwrap().join().unwrap();
    }

    fn overflows_in_main() {
        dive(u64::MAX);
    }

    fn overflows_in_a_thread() {
        blocking(|| dive(u64::MAX));
    }

    fn is_asked_to_quit() {
        let ch = make!(chan i32);
        for _ in 0..5 {
            go!(clone(ch), name = "reader", near, {
                ch.recv();
            });
        }
        go!(name = "sleeper", near, {
            time::sleep(Duration::from_secs(120));
        });
        while num_goroutine() < 7 || dump().goroutines().iter().any(|one| one.state() == "not started") {
            yield_now();
        }
        println!("ready");
        // Never gives its worker away, nor that.
        let _held = std::io::stderr().lock();
        loop {
            black_box(());
        }
    }

    fn hogs() {
        let hog = go!(name = "hog", {
            for round in 0..3 {
                // What is told of it does not wait for that.
                let _held = (round == 0).then(|| std::io::stderr().lock());
                let began = Instant::now();
                while began.elapsed() < millis(300) {
                    black_box(());
                }
                yield_now();
            }
        });
        hog.join().unwrap();
        time::sleep(millis(200));
    }

    fn says_the_number_of_workers() {
        println!("workers: {}", gochan::runtime::num_worker());
    }
}

#[cfg(unix)]
programs! {
    fn deadlock_with_goroutines_at_the_exit() {
        /// Wakes a goroutine and waits for it, which both need its worker.
        struct AsksAGoroutine(Chan<&'static str>);
        impl Drop for AsksAGoroutine {
            fn drop(&mut self) {
                ask(&self.0, "a destructor");
            }
        }
        thread_local! {
            static VARIABLE: RefCell<Option<AsksAGoroutine>> = const { RefCell::new(None) };
        }
        static QUESTIONS: std::sync::OnceLock<Chan<&str>> = std::sync::OnceLock::new();
        fn ask(questions: &Chan<&'static str>, who: &'static str) {
            questions.send(who).unwrap();
            println!("{} answered {who}", questions.recv().unwrap());
        }
        extern "C" fn at_exit() {
            ask(QUESTIONS.get().unwrap(), "an exit handler");
        }
        let questions = QUESTIONS.get_or_init(|| make!(chan &str));
        // SAFETY: the handler does not unwind.
        assert_eq!(unsafe { libc::atexit(at_exit) }, 0);
        go!({
            for _ in questions {
                questions.send("a goroutine").unwrap();
            }
        });
        VARIABLE.set(Some(AsksAGoroutine(questions.clone())));
        make!(chan i32).recv();
    }
}

/// Uses up stack, a little in every call.
#[inline(never)]
fn dive(depth: u64) -> u64 {
    let room = black_box([depth; 16]);
    if depth == 0 {
        return 0;
    }
    dive(black_box(depth - 1)) + room[(depth % 16) as usize]
}

fn deadlock_of_an_ordinary_main() -> ExitCode {
    let ch = make!(chan i32);
    go!(clone(ch), {
        ch.recv();
    });
    ch.recv();
    ExitCode::SUCCESS
}

/// A runtime of one's own panics out of `run`, and others do not notice.
fn deadlock_of_a_runtime() -> ExitCode {
    let other = thread::spawn(|| {
        Runtime::new(Config::new().workers(1)).unwrap().run(|| {
            for _ in 0..100 {
                time::sleep(millis(5));
            }
            "the other one ends well"
        })
    });
    for (workers, virtual_time) in [(1, false), (2, false), (1, true), (2, true)] {
        let config = Config::new().workers(workers).virtual_time(virtual_time);
        let message = panic_of(|| {
            Runtime::new(config).unwrap().run(|| {
                let dropped = PrintsWhenDropped("main");
                let ch = make!(chan i32);
                go!(clone(ch), {
                    let _dropped = PrintsWhenDropped("goroutine");
                    ch.recv();
                });
                ch.recv();
                drop(dropped);
            });
        });
        println!("workers {workers}: {message}");
    }
    println!("{}", other.join().unwrap());
    ExitCode::SUCCESS
}

/// Two runtimes inside each other wait for ever: the inner one's `run` panics, and the outer one goes
/// on. Then it waits for ever beside one that may go on.
fn deadlock_of_a_runtime_in_another() -> ExitCode {
    #[gochan::main]
    fn main() {
        let run = |config: Config| {
            panic_of(|| {
                Runtime::new(config).unwrap().run(|| {
                    make!(chan i32).recv();
                });
            })
        };
        for workers in [1, 2, 1, 2] {
            println!("{}", run(Config::new().workers(workers)));
        }
        // Both have waited for long when the one thread ends that might have helped.
        for _ in 0..2 {
            let busy = thread::spawn(|| thread::sleep(Duration::from_millis(1_200)));
            println!("{}", run(Config::new()));
            busy.join().unwrap();
        }
        println!(
            "{}",
            run(Config::new().name("inner").deadlock_detection(false))
        );
    }
    main()
}

struct PrintsWhenDropped(&'static str);

impl Drop for PrintsWhenDropped {
    fn drop(&mut self) {
        println!("dropped: {}", self.0);
    }
}

/// Two goroutines of one worker wait in the middle of unwinding, and the hook is the program's own.
fn unwinding_with_a_hook_of_ones_own() -> ExitCode {
    struct Sends(Sender<i32>);
    impl Drop for Sends {
        fn drop(&mut self) {
            chan! { self.0 <- 9; }
            println!("went on");
        }
    }
    struct Waits {
        until: Receiver<i32>,
        _sends: Sends,
    }
    impl Drop for Waits {
        fn drop(&mut self) {
            self.until.recv();
        }
    }
    #[gochan::main]
    fn main() {
        std::panic::set_hook(Box::new(|_| println!("hook")));
        let (abandoned, receiver) = gochan::channel(0);
        drop(receiver);
        let (done, until_done) = gochan::channel(0);
        let fails = |_| {
            let waits = Waits {
                until: until_done.clone(),
                _sends: Sends(abandoned.clone()),
            };
            go!(local, {
                let _waits = waits;
                panic!("waits for a while");
            })
        };
        let handles: Vec<_> = (0..3).map(fails).collect();
        (0..handles.len()).for_each(|_| yield_now());
        done.close();
        for handle in handles {
            assert!(handle.join().unwrap_err().is_panic());
        }
    }
    main()
}

/// Starts threads that sleep for longer than a program may take, one of them as a helper thread of a
/// runtime, and waits until all do.
fn start_sleepers() {
    let (tell, told) = std::sync::mpsc::channel();
    let sleep = move || {
        tell.send(()).unwrap();
        thread::sleep(2 * PATIENCE);
    };
    thread::spawn(sleep.clone());
    thread::spawn(|| {
        Runtime::new(Config::new().workers(1))
            .unwrap()
            .run(|| blocking(sleep))
    });
    told.iter().take(2).for_each(drop);
    // For how long they have run.
    let activity = || -> Vec<String> {
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let others = threads
            .map(|thread| thread.unwrap())
            .filter(|thread| *thread.file_name() != *std::process::id().to_string());
        others
            .filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok())
            .collect()
    };
    let mut before = Vec::new();
    while before.is_empty() || before != activity() {
        before = activity();
        thread::sleep(millis(50));
    }
}

/// As under a test runner: the main thread waits with a deadline for the thread that runs the
/// runtime, and others, such as those of another test, have been asleep since before.
fn deadlock_under_a_test_runner() -> ExitCode {
    start_sleepers();
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let message = panic_of(|| {
            Runtime::new(Config::new()).unwrap().run(|| {
                make!(chan i32).recv();
            });
        });
        tell.send(message).unwrap();
    });
    println!("{}", told.recv_timeout(PATIENCE).unwrap());
    ExitCode::SUCCESS
}

/// Threads that hold what a runtime's goroutines wait for, whenever they were started.
fn no_deadlock_of_a_runtime() -> ExitCode {
    let (sender, receiver) = gochan::channel(0);
    let before = thread::spawn(move || {
        thread::sleep(millis(2_500));
        sender.send(1)
    });
    thread::sleep(millis(50));
    let got = Runtime::new(Config::new()).unwrap().run(|| receiver.recv());
    assert_eq!(got, Some(1));
    before.join().unwrap().unwrap();
    let got = Runtime::new(Config::new()).unwrap().run(|| {
        let (sender, receiver) = gochan::channel(0);
        let thread = thread::spawn(move || {
            thread::sleep(millis(2_500));
            sender.send(2)
        });
        let got = receiver.recv();
        thread.join().unwrap().unwrap();
        got
    });
    assert_eq!(got, Some(2));
    println!("all came");
    ExitCode::SUCCESS
}

/// A helper thread without work that will wake somebody as it ends.
fn no_deadlock_beside_a_helper_thread() -> ExitCode {
    thread_local! {
        static LEFT: RefCell<Option<gochan::Sender<()>>> = const { RefCell::new(None) };
    }
    let wait_for_its_end = || {
        let (sender, receiver) = gochan::channel(0);
        blocking(move || LEFT.set(Some(sender)));
        assert_eq!(receiver.recv(), None);
    };
    Runtime::new(Config::new()).unwrap().run(wait_for_its_end);
    let virtual_time = Config::new().virtual_time(true);
    Runtime::new(virtual_time).unwrap().run(wait_for_its_end);
    // One of another runtime.
    let (tell, told) = gochan::channel(0);
    let (sender, receiver) = gochan::channel::<()>(0);
    let other = thread::spawn(move || {
        Runtime::new(Config::new()).unwrap().run(|| {
            blocking(move || LEFT.set(Some(sender)));
            told.recv()
        })
    });
    Runtime::new(Config::new()).unwrap().run(|| {
        assert_eq!(receiver.recv(), None);
        tell.send(()).unwrap();
    });
    assert_eq!(other.join().unwrap(), Some(()));
    println!("all came");
    ExitCode::SUCCESS
}

fn faults() -> ExitCode {
    go!({
        // SAFETY: none: this is what the test is about.
        unsafe { black_box(std::ptr::without_provenance_mut::<u64>(64)).write_volatile(1) };
    })
    .join()
    .unwrap();
    ExitCode::SUCCESS
}

#[cfg(unix)]
fn faults_with_a_handler_of_its_own() -> ExitCode {
    extern "C" fn handler(_: libc::c_int) {
        let text = b"my handler\n";
        // SAFETY: the bytes are there; both calls are allowed in a handler.
        unsafe {
            libc::write(2, text.as_ptr().cast(), text.len());
            libc::_exit(3);
        }
    }
    // SAFETY: all fields may be zero, and the handler only calls what it may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_ONSTACK;
        libc::sigaction(libc::SIGSEGV, &action, std::ptr::null_mut());
    }
    faults()
}

/// Has a runtime start while the process may have so much of a resource only, and then is asked to
/// quit in one that starts without that limit.
#[cfg(unix)]
macro_rules! quit_after_a_lack_of {
    ($resource:ident, $limit:expr) => {{
        // SAFETY: all fields may be zero, and the limits are read from and written to there.
        unsafe {
            let mut before: libc::rlimit = std::mem::zeroed();
            assert_eq!(libc::getrlimit(libc::$resource, &mut before), 0);
            let less = libc::rlimit {
                rlim_cur: $limit,
                ..before
            };
            assert_eq!(libc::setrlimit(libc::$resource, &less), 0);
            drop(Runtime::new(Config::new().workers(1)));
            assert_eq!(libc::setrlimit(libc::$resource, &before), 0);
        }
        let runtime = Runtime::new(Config::new().workers(1));
        runtime.unwrap().run(|| {
            kill(std::process::id(), libc::SIGQUIT);
            time::sleep(Duration::from_secs(120));
        });
        ExitCode::SUCCESS
    }};
}

#[cfg(unix)]
fn is_asked_to_quit_after_a_lack_of_files() -> ExitCode {
    quit_after_a_lack_of!(RLIMIT_NOFILE, 0)
}

#[cfg(target_os = "linux")]
fn is_asked_to_quit_after_a_lack_of_threads() -> ExitCode {
    quit_after_a_lack_of!(RLIMIT_AS, harness::room_for_no_thread())
}

fn configures_twice() -> ExitCode {
    Config::new().workers(3).install().unwrap();
    println!("second: {}", Config::new().install().unwrap_err());
    says_the_number_of_workers();
    println!("late: {}", Config::new().install().unwrap_err());
    ExitCode::SUCCESS
}

fn main_with_options() -> ExitCode {
    #[gochan::main(workers = 3, panic_policy = PanicPolicy::Unwind)]
    fn main() {
        println!("workers: {}", gochan::runtime::num_worker());
    }
    main()
}

macro_rules! table {
    ($($(#[$attribute:meta])* $name:ident)*) => {
        &[$($(#[$attribute])* (stringify!($name), $name as Program)),*]
    };
}

const PROGRAMS: &[(&str, Program)] = table![
    configures_twice
    deadlock_after_a_blocking_call
    deadlock_beside_a_lock_of_stderr
    deadlock_after_a_crowd
    deadlock_after_a_cancelled_timeout
    deadlock_after_a_panic
    deadlock_after_many_panics
    deadlock_in_a_scope
    deadlock_in_empty_select
    deadlock_in_select
    deadlock_of_a_runtime
    deadlock_of_a_wait_group
    deadlock_of_an_ordinary_main
    deadlock_of_joins
    deadlock_of_locks
    deadlock_of_many
    deadlock_plain
    #[cfg(unix)]
    deadlock_with_goroutines_at_the_exit
    deadlock_under_a_test_runner
    deadlock_of_a_runtime_in_another
    unwinding_with_a_hook_of_ones_own
    faults
    #[cfg(unix)]
    faults_with_a_handler_of_its_own
    hogs
    is_asked_to_quit
    #[cfg(unix)]
    is_asked_to_quit_after_a_lack_of_files
    #[cfg(target_os = "linux")]
    is_asked_to_quit_after_a_lack_of_threads
    is_deadlocked_beside_a_bystander
    main_with_options
    no_deadlock
    no_deadlock_beside_a_helper_thread
    no_deadlock_of_a_runtime
    overflows
    overflows_in_a_thread
    overflows_in_main
    overflows_with_a_long_name
    says_the_number_of_workers
    waits_for_ever
];

// ----- running them -----------------------------------------------------------------------

struct Ended {
    status: Option<i32>,
    signal: Option<i32>,
    stdout: String,
    stderr: String,
}

/// A command that runs the program, with so many workers.
fn command(program: &str, workers: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .env(PROGRAM, program)
        .env("GOCHAN_MAXPROCS", workers.to_string())
        .env_remove("RUST_BACKTRACE")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Ended {
    /// Waits for the program to end; kills it if it does not.
    fn of(mut child: Child) -> Ended {
        let stdout = child.stdout.take().map(read_aside);
        let stderr = child.stderr.take().map(read_aside);
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > PATIENCE {
                child.kill().unwrap();
            }
            thread::sleep(millis(1));
        };
        let text = |reader: Option<thread::JoinHandle<Vec<u8>>>| {
            let bytes = reader.map_or(Vec::new(), |reader| reader.join().unwrap());
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Ended {
            status: status.code(),
            signal: signal_of(status),
            stdout: text(stdout),
            stderr: text(stderr),
        }
    }

    #[cfg(unix)]
    fn is_aborted(&self) -> bool {
        self.signal == Some(libc::SIGABRT)
    }

    #[cfg(not(unix))]
    fn is_aborted(&self) -> bool {
        /// What Windows calls `STATUS_STACK_BUFFER_OVERRUN`, whatever the reason.
        const FAIL_FAST: u32 = 0xC000_0409;
        self.status == Some(FAIL_FAST as i32)
    }

    #[track_caller]
    fn says(&self, status: i32, parts: &[&str]) -> &Self {
        assert_eq!(self.status, Some(status), "{self}");
        self.contains(parts)
    }

    #[track_caller]
    fn contains(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} on stderr: {self}");
        }
        self
    }
}

/// Reads all that comes, on a thread of its own: a program waits while its pipe is full.
fn read_aside(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

#[cfg(unix)]
fn signal_of(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal_of(_: ExitStatus) -> Option<i32> {
    None
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ended {
            status,
            signal,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "status {status:?}, signal {signal:?}\n-- stdout\n{stdout}\n-- stderr\n{stderr}"
        )
    }
}

#[cfg(unix)]
fn kill(process: u32, signal: i32) {
    // SAFETY: takes numbers only.
    unsafe { libc::kill(process as i32, signal) };
}

fn run(program: &str, workers: usize) -> Ended {
    Ended::of(command(program, workers).spawn().unwrap())
}

/// The place in this file where `text` stands, after the program `name` begins.
#[track_caller]
fn line(name: &str, text: &str) -> String {
    let source = include_str!("failures.rs");
    let begin = source
        .lines()
        .position(|line| line.contains(&format!("fn {name}()")))
        .unwrap();
    let mut lines = source.lines().enumerate().skip(begin);
    let (found, _) = lines
        .find(|(_, line)| line.trim_start().starts_with(text))
        .unwrap();
    format!("{}:{}:", file!(), found + 1)
}

// ----- tests ------------------------------------------------------------------------------

fn a_deadlock_is_reported(workers: usize) {
    let name = "deadlock_plain";
    let waits = format!("    waits at {}", line(name, "other <- 2"));
    let started = format!("    started at {}", line(name, "go!("));
    run(name, workers).says(
        FATAL,
        &[
            DEADLOCK,
            "goroutine 1 [chan receive, ",
            "\"sender\" [chan send, ",
            &waits,
            &started,
        ],
    );
}

fn every_wait_can_be_one_for_ever(workers: usize) {
    for (program, states) in [
        ("deadlock_in_select", &["goroutine 1 [select, "] as &[&str]),
        ("deadlock_in_empty_select", &["[select (no arms), "]),
        ("deadlock_of_joins", &["[join, ", "[chan receive, "]),
        (
            "deadlock_of_locks",
            &["goroutine 1 [mutex, ", "goroutine 2 [mutex, "],
        ),
        ("deadlock_of_a_wait_group", &["goroutine 1 [wait group, "]),
        (
            "deadlock_in_a_scope",
            &["goroutine 1 [scope, ", "[chan receive, "],
        ),
        ("deadlock_of_an_ordinary_main", &["[chan receive, "]),
        ("deadlock_beside_a_lock_of_stderr", &["[chan receive, "]),
        ("is_deadlocked_beside_a_bystander", &["[chan receive, "]),
    ] {
        run(program, workers)
            .says(FATAL, &[DEADLOCK])
            .contains(states);
    }
}

fn a_report_names_who_panicked(workers: usize) {
    run("deadlock_after_a_panic", workers).says(
        FATAL,
        &[
            DEADLOCK,
            "it is open",
            concat!("\"unlucky\" (started at ", file!(), ":"),
            ") ended by a panic",
        ],
    );
    run("deadlock_after_many_panics", workers).says(
        FATAL,
        &[DEADLOCK, ") ended by a panic", "\n2 more ended by a panic"],
    );
}

fn a_deadlock_after_a_cancelled_timeout_is_found(workers: usize) {
    run("deadlock_after_a_cancelled_timeout", workers).says(FATAL, &[DEADLOCK]);
}

fn a_deadlock_after_a_crowd_is_found_at_once(workers: usize) {
    assert_found_at_once("deadlock_after_a_crowd", workers);
}

fn a_deadlock_after_a_blocking_call_is_found_at_once(workers: usize) {
    assert_found_at_once("deadlock_after_a_blocking_call", workers);
}

fn goroutines_run_until_a_dead_process_has_ended(workers: usize) {
    let ended = run("deadlock_with_goroutines_at_the_exit", workers);
    ended.says(FATAL, &[DEADLOCK]);
    let answers = "a goroutine answered an exit handler\n";
    assert_eq!(ended.stdout, answers, "{ended}");
    assert_eq!(ended.stderr.matches(DEADLOCK).count(), 1, "{ended}");
}

/// The memory of a crowd is given back after two seconds, and a helper thread ends by itself after
/// ten. A busy machine may be slow once.
#[track_caller]
fn assert_found_at_once(program: &str, workers: usize) {
    let found_at_once = (0..3).any(|_| {
        let start = Instant::now();
        run(program, workers).says(FATAL, &[DEADLOCK]);
        start.elapsed() < millis(1_500)
    });
    assert!(found_at_once);
}

fn a_report_of_many_can_be_read(workers: usize) {
    let ended = run("deadlock_of_many", workers);
    ended.says(
        FATAL,
        &[
            DEADLOCK,
            "1000 goroutines 2, 3, 4, ",
            " and 990 more [chan receive, ",
        ],
    );
    assert!(ended.stderr.lines().count() < 12, "{ended}");
}

fn nobody_cries_wolf(workers: usize) {
    for program in [
        "no_deadlock",
        "no_deadlock_beside_a_helper_thread",
        "no_deadlock_of_a_runtime",
    ] {
        let ended = run(program, workers);
        ended.says(0, &[]);
        assert!(
            ended.stdout.contains("all came") && ended.stderr.is_empty(),
            "{ended}"
        );
    }
}

fn the_detection_can_be_turned_off(workers: usize) {
    let mut child = command("waits_for_ever", workers)
        .env("GOCHAN_DEADLOCK", "off")
        .spawn()
        .unwrap();
    thread::sleep(millis(500));
    assert!(child.try_wait().unwrap().is_none(), "it is to wait");
    child.kill().unwrap();
    let ended = Ended::of(child);
    assert!(
        ended.stdout.contains("waits") && ended.stderr.is_empty(),
        "{ended}"
    );
}

fn a_runtime_of_its_own_panics_out_of_run(workers: usize) {
    let ended = run("deadlock_of_a_runtime", workers);
    ended.says(0, &["all goroutines are asleep - deadlock!"]);
    for workers in [1, 2] {
        let message =
            format!("workers {workers}: all goroutines are asleep - deadlock!\n\ngoroutine ");
        assert_eq!(ended.stdout.matches(&message).count(), 2, "{ended}");
    }
    for (part, times) in [
        ("dropped: main\n", 4),
        ("dropped: goroutine\n", 4),
        ("[chan receive, ", 8),
        ("the other one ends well", 1),
    ] {
        assert_eq!(
            ended.stdout.matches(part).count(),
            times,
            "{part:?}: {ended}"
        );
    }
}

fn of_two_runtimes_the_inner_one_dies_first(workers: usize) {
    let ended = run("deadlock_of_a_runtime_in_another", workers);
    ended.says(FATAL, &[DEADLOCK, "runtime \"inner\"\ngoroutine "]);
    let inner = "all goroutines are asleep - deadlock!\n\ngoroutine ";
    assert_eq!(ended.stdout.matches(inner).count(), 6, "{ended}");
    assert_eq!(
        ended.stderr.matches("[chan receive, ").count(),
        7,
        "{ended}"
    );
}

fn a_test_fails_rather_than_hangs(workers: usize) {
    let ended = run("deadlock_under_a_test_runner", workers);
    ended.says(0, &[]);
    assert!(ended.stdout.contains("deadlock!\n\ngoroutine "), "{ended}");
}

fn a_hook_of_ones_own_hides_no_panic(workers: usize) {
    let ended = run("unwinding_with_a_hook_of_ones_own", workers);
    ended.says(0, &[]);
    for line in ["hook\n", "went on\n"] {
        assert_eq!(ended.stdout.matches(line).count(), 3, "{ended}");
    }
}

fn a_stack_overflow_names_the_goroutine(workers: usize) {
    let started = format!("started at {}", line("overflows", "go!("));
    let ended = run("overflows", workers);
    ended.contains(&[
        "fatal error: stack overflow",
        " \"deep\" (",
        &started,
        "its stack of 131072 bytes",
        "go!(stack = 262144, { … })",
        "GOCHAN_STACK_SIZE=262144",
    ]);
    assert!(ended.is_aborted(), "{ended}");
    let ended = run("overflows_with_a_long_name", workers);
    let name = "deep".repeat(1_000);
    ended.contains(&[
        &name,
        "its stack of 262144 bytes",
        "GOCHAN_STACK_SIZE=524288",
    ]);
    assert!(ended.is_aborted(), "{ended}");
    let ended = run("overflows_in_main", workers);
    ended.contains(&[
        "fatal error: stack overflow",
        "goroutine 1 (",
        "its stack of 262144 bytes",
        "524288",
    ]);
    assert!(ended.is_aborted(), "{ended}");
}

#[cfg(unix)]
fn other_faults_are_left_to_others(workers: usize) {
    let ended = run("overflows_in_a_thread", workers);
    ended.contains(&["has overflowed its stack"]);
    assert!(!ended.stderr.contains("goroutine"), "{ended}");
    let ended = run("faults", workers);
    assert_eq!(ended.signal, Some(libc::SIGSEGV), "{ended}");
    assert!(!ended.stderr.contains("overflow"), "{ended}");
    run("faults_with_a_handler_of_its_own", workers).says(3, &["my handler"]);
}

#[cfg(unix)]
fn sigquit_prints_a_dump(workers: usize) {
    // A shell has what it runs in the background ignore the signal, and children inherit that.
    for inherited in [libc::SIG_DFL, libc::SIG_IGN] {
        sigquit_prints_a_dump_where(inherited, workers);
    }
}

#[cfg(unix)]
fn sigquit_prints_a_dump_where(inherited: libc::sighandler_t, workers: usize) {
    use std::os::unix::process::CommandExt;
    let mut command = command("is_asked_to_quit", workers);
    let inherit = move || {
        // SAFETY: `signal` may be called there.
        unsafe { libc::signal(libc::SIGQUIT, inherited) };
        Ok(())
    };
    // SAFETY: between the fork and the program nothing else is done.
    unsafe { command.pre_exec(inherit) };
    let mut child = command.spawn().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut told = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut told).unwrap();
    assert_eq!(told, "ready\n");
    kill(child.id(), libc::SIGQUIT);
    let name = "is_asked_to_quit";
    let reads = format!("    wait at {}", line(name, "ch.recv()"));
    Ended::of(child).says(
        FATAL,
        &[
            "SIGQUIT: quit\n",
            "goroutine 1 [running]\n",
            "5 goroutines 2 \"reader\", 3 \"reader\", ",
            " [chan receive, ",
            &reads,
            "\"sleeper\" [sleep, ",
        ],
    );
}

#[cfg(unix)]
fn sigquit_prints_a_dump_after_a_lack(workers: usize) {
    for program in [
        "is_asked_to_quit_after_a_lack_of_files",
        #[cfg(target_os = "linux")]
        "is_asked_to_quit_after_a_lack_of_threads",
    ] {
        run(program, workers).says(FATAL, &["SIGQUIT: quit\n", "goroutine "]);
    }
}

fn a_hog_is_told_of_once(workers: usize) {
    let child = command("hogs", workers)
        .env("GOCHAN_HOG_MS", "50")
        .spawn()
        .unwrap();
    let ended = Ended::of(child);
    let started = format!("\"hog\" (started at {}", line("hogs", "let hog = go!("));
    ended.says(0, &[&started, "yield_now()", "blocking("]);
    assert_eq!(
        ended.stderr.matches("without a break").count(),
        1,
        "{ended}"
    );
    let ended = run("hogs", workers);
    ended.says(0, &[]);
    assert!(ended.stderr.is_empty(), "{ended}");
}

/// What is to be printed is lost where nothing can be, but not what is to be done next.
#[cfg(target_os = "linux")]
fn a_program_ends_as_it_should_without_stderr(workers: usize) {
    use std::os::fd::OwnedFd;
    let full = std::fs::File::options().write(true).open("/dev/full");
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let deadlocked = |stderr: Stdio| command("deadlock_plain", workers).stderr(stderr).spawn();
    let malformed = |stderr: Stdio| {
        command("says_the_number_of_workers", workers)
            .env("GOCHAN_DEADLOCK", "maybe")
            .stderr(stderr)
            .spawn()
    };
    let asked_to_quit = |stderr: Stdio| {
        let mut child = command("is_asked_to_quit", workers)
            .stderr(stderr)
            .spawn()?;
        let stdout = child.stdout.take().unwrap();
        let mut stdout = std::io::BufReader::new(stdout);
        std::io::BufRead::read_line(&mut stdout, &mut String::new())?;
        kill(child.id(), libc::SIGQUIT);
        Ok(child)
    };
    for takes_nothing in [OwnedFd::from(full.unwrap()), closed.into()] {
        let stderr = || takes_nothing.try_clone().unwrap().into();
        for child in [
            deadlocked(stderr()),
            malformed(stderr()),
            asked_to_quit(stderr()),
        ] {
            Ended::of(child.unwrap()).says(FATAL, &[]);
        }
    }
}

fn malformed_variables_are_named(workers: usize) {
    for (variable, values) in [
        ("GOCHAN_MAXPROCS", &["0", "two", "-1"] as &[&str]),
        ("GOCHAN_STACK_SIZE", &["0", "64k", "18446744073709551615"]),
        ("GOCHAN_DEADLOCK", &["maybe", "1"]),
        ("GOCHAN_HOG_MS", &["0", "1.5", "soon"]),
    ] {
        for value in values {
            let child = command("says_the_number_of_workers", workers)
                .env(variable, value)
                .spawn();
            let named = format!("{variable}=\"{value}\"");
            Ended::of(child.unwrap()).says(FATAL, &["fatal error: ", &named]);
        }
    }
}

fn the_default_runtime_is_configured_once(workers: usize) {
    let ended = run("configures_twice", workers);
    ended.says(0, &[]);
    for part in [
        "second: the default runtime has been configured",
        "workers: 3\n",
        "late: the default runtime has started",
    ] {
        assert!(ended.stdout.contains(part), "{part:?}: {ended}");
    }
    let ended = run("main_with_options", workers);
    assert!(ended.stdout.contains("workers: 3\n"), "{ended}");
}

/// Everything that can be waited for, held by someone else.
struct Held {
    never: Chan<i32>,
    full: Chan<i32>,
    mutex: Mutex<()>,
    lock: RwLock<()>,
    cond: (Mutex<()>, Cond),
    group: WaitGroup,
    once: Once,
    semaphore: Semaphore,
    barrier: Barrier,
    flights: SingleFlight<u8, i32>,
    errors: ErrGroup<i32>,
    blocked: AtomicBool,
}

type Wait = fn(&Held);

/// What each goroutine of the test below waits for; its name is the state that is to be seen.
const WAITS: &[(&str, Wait)] = &[
    ("chan receive", |held| _ = held.never.recv()),
    ("chan send", |held| _ = held.full.send(1)),
    ("select", |held| {
        let context = Context::background().with_timeout(Duration::from_secs(60));
        select! {
            recv(context.0.done()) => {},
            recv(held.never) => {},
        }
    }),
    ("select (no arms)", |_| select! {}),
    ("sleep", |_| time::sleep(Duration::from_secs(60))),
    ("join", |held| {
        let never = held.never.clone();
        _ = go!({ never.recv() }).join();
    }),
    ("scope", |held| {
        gochan::scope(|s| _ = go!(in s, { held.never.recv() }));
    }),
    ("blocking", |held| {
        blocking(|| {
            while held.blocked.load(Ordering::SeqCst) {
                thread::sleep(millis(1));
            }
        });
    }),
    ("mutex", |held| _ = held.mutex.lock()),
    ("rwlock read", |held| _ = held.lock.read()),
    ("rwlock write", |held| _ = held.lock.write()),
    ("cond", |held| _ = held.cond.1.wait(held.cond.0.lock())),
    ("wait group", |held| held.group.wait()),
    ("once", |held| held.once.call_once(|| ())),
    ("semaphore", |held| _ = held.semaphore.acquire(1)),
    ("barrier", |held| _ = held.barrier.wait()),
    ("single flight", |held| _ = held.flights.run(1, || 2)),
    ("err group", |held| _ = held.errors.wait()),
];

/// Where they were made, not in the adapter that calls `next`.
fn iterators_wait_in_the_source_of_the_program(workers: usize) {
    type Start = fn(Chan<u8>) -> (u32, JoinHandle<()>);
    let runtime = Runtime::new(Config::new().workers(workers)).unwrap();
    runtime.run(|| {
        let starts: [Start; 6] = [
            |ch| (line!(), go!({ for _ in &ch {} })),
            |ch| (line!(), go!({ for _ in ch {} })),
            |ch| (line!(), go!({ ch.iter().for_each(drop) })),
            |ch| (line!(), go!({ ch.iter().take(1).for_each(drop) })),
            |ch| (line!(), go!({ ch.into_iter().for_each(drop) })),
            |ch| (line!(), go!({ ch.receiver().iter().for_each(drop) })),
        ];
        for start in starts {
            let ch = make!(chan u8);
            let (line, handle) = start(ch.clone());
            let id = handle.id();
            let waits = loop {
                let dump = dump();
                let status = dump.goroutines().iter().find(|one| one.id() == id);
                if let Some(place) = status.and_then(|status| status.waiting_at()) {
                    break place;
                }
                yield_now();
            };
            assert!(waits.file().ends_with("failures.rs"), "{waits}");
            assert_eq!(waits.line(), line);
            ch.close();
            handle.join().unwrap();
        }
    });
}

/// The dump of a program from inside, on every worker.
fn a_dump_tells_every_state(workers: usize) {
    let runtime = Runtime::new(Config::new().workers(workers)).unwrap();
    runtime.run(|| {
        let held = Arc::new(Held {
            never: make!(chan i32),
            full: make!(chan i32),
            mutex: Mutex::new(()),
            lock: RwLock::new(()),
            cond: (Mutex::new(()), Cond::new()),
            group: WaitGroup::new(),
            once: Once::new(),
            semaphore: Semaphore::new(1),
            barrier: Barrier::new(2),
            flights: SingleFlight::new(),
            errors: ErrGroup::new(),
            blocked: AtomicBool::new(true),
        });
        let _taken = (
            held.mutex.lock(),
            held.lock.write(),
            held.semaphore.acquire(1),
        );
        defer! { held.blocked.store(false, Ordering::SeqCst) }
        held.group.add(1);
        held.errors.go({
            let never = held.never.clone();
            move || never.recv().map_or(Ok(()), Err)
        });
        let (begun, has_begun) = gochan::channel(0);
        for hold in [
            (|held: &Held, begun: &Sender<()>| {
                held.once.call_once(|| {
                    begun.send(()).unwrap();
                    held.never.recv();
                });
            }) as fn(&Held, &Sender<()>),
            |held, begun| {
                held.flights.run(1, || {
                    begun.send(()).unwrap();
                    held.never.recv().unwrap_or(0)
                });
            },
        ] {
            go!(clone(held, begun), { hold(&held, &begun) });
            has_begun.recv();
        }
        for &(name, wait) in WAITS {
            go!(clone(held), name = name, { wait(&held) });
        }
        let began = Instant::now();
        loop {
            let dump = dump();
            let all_wait = WAITS.iter().all(|(name, _)| {
                let mut all = dump.goroutines().iter();
                let one = all
                    .find(|one| one.name() == Some(name))
                    .expect("it waits for ever");
                one.state() == *name
                    && one.waiting_at().unwrap().file().ends_with("failures.rs")
                    && one.lasting().is_some()
            });
            if all_wait {
                let running = dump
                    .goroutines()
                    .iter()
                    .filter(|one| one.state() == "running");
                assert_eq!(running.count(), 1, "{dump}");
                break;
            }
            assert!(began.elapsed() < PATIENCE, "{dump}");
            time::sleep(millis(1));
        }
    });
}

/// Dumps from goroutines and threads, while everything starts, waits and ends.
fn dumps_are_whole_under_load(workers: usize) {
    let runtime = Runtime::new(Config::new().workers(workers)).unwrap();
    runtime.run(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let load: Vec<_> = (0..4)
            .map(|_| {
                go!(clone(stop), {
                    while !stop.load(Ordering::Relaxed) {
                        let ch = make!(chan u64);
                        let handles: Vec<_> = (0..20)
                            .map(|i| go!(clone(ch), name = "short", { ch <- i }))
                            .collect();
                        let sum: u64 = ch.iter().take(20).sum();
                        assert_eq!(sum, 190);
                        for handle in handles {
                            handle.join().unwrap();
                        }
                    }
                })
            })
            .collect();
        for round in 0..300 {
            let dump = dump();
            assert!(dump.goroutines().len() >= 5, "{dump}");
            assert!(!dump.to_string().contains("does not answer"), "{dump}");
            for one in dump.goroutines() {
                assert!(matches!(one.name(), None | Some("short")));
            }
            if round % 10 == 0 {
                yield_now();
            }
        }
        stop.store(true, Ordering::Relaxed);
        for handle in load {
            handle.join().unwrap();
        }
    });
}

fn main() -> ExitCode {
    if let Ok(name) = std::env::var(PROGRAM) {
        let program = PROGRAMS.iter().find(|(known, _)| *known == name);
        return program.expect("a program of this file").1();
    }
    let mut trials = Vec::new();
    macro_rules! test {
        ($($name:ident)*) => {$(
            for workers in [1, 2] {
                let name = format!("{}_{workers}", stringify!($name));
                trials.push(Trial::test(name, move || {
                    let _watched = harness::watch();
                    let outcome = std::panic::catch_unwind(|| $name(workers));
                    outcome.map_err(|payload| message_of(&*payload).into())
                }));
            }
        )*};
    }
    test! {
        nobody_cries_wolf
        the_detection_can_be_turned_off
        a_hook_of_ones_own_hides_no_panic
        a_stack_overflow_names_the_goroutine
        a_hog_is_told_of_once
        malformed_variables_are_named
        the_default_runtime_is_configured_once
        a_dump_tells_every_state
        iterators_wait_in_the_source_of_the_program
        dumps_are_whole_under_load
    }
    #[cfg(unix)]
    test! {
        other_faults_are_left_to_others
        sigquit_prints_a_dump
        sigquit_prints_a_dump_after_a_lack
    }
    #[cfg(target_os = "linux")]
    test! {
        a_deadlock_is_reported
        every_wait_can_be_one_for_ever
        a_report_names_who_panicked
        a_deadlock_after_a_crowd_is_found_at_once
        a_deadlock_after_a_blocking_call_is_found_at_once
        goroutines_run_until_a_dead_process_has_ended
        a_deadlock_after_a_cancelled_timeout_is_found
        a_report_of_many_can_be_read
        a_runtime_of_its_own_panics_out_of_run
        of_two_runtimes_the_inner_one_dies_first
        a_test_fails_rather_than_hangs
        a_program_ends_as_it_should_without_stderr
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
