//! What a process sees: exit statuses, messages, settings from the environment.
//!
//! Each test here runs itself again in a process of its own, as the program to be watched.

mod harness;

use gochan::context::Context;
use gochan::goroutine::current;
use gochan::prelude::*;
use gochan::runtime::{Config, PanicPolicy, Runtime, num_worker};
use gochan::sync::{ErrGroup, WaitGroup};
use gochan::time::Ticker;
use harness::{is_program, panic_of, run_program, watch};
use std::cell::RefCell;
use std::process::{Command, ExitCode, Output};
use std::time::Duration;

/// Ends the process as it would end if `main` returned this.
fn leave(code: ExitCode) -> ! {
    let status = (0..=u8::MAX).find(|&status| ExitCode::from(status) == code);
    std::process::exit(i32::from(status.unwrap()))
}

#[track_caller]
fn assert_ended(output: &Output, status: i32, stdout: &[&str], stderr: &[&str]) {
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    let told = format!("{:?}\n-- stdout\n{out}\n-- stderr\n{err}", output.status);
    assert_eq!(output.status.code(), Some(status), "{told}");
    for part in stdout {
        assert!(out.contains(part), "no {part:?} on stdout: {told}");
    }
    for part in stderr {
        assert!(err.contains(part), "no {part:?} on stderr: {told}");
    }
}

mod programs {
    pub mod returns_ok {
        use crate::*;

        #[gochan::main]
        pub fn main() -> Result<(), String> {
            println!("in goroutine {}", current().id());
            Ok(())
        }
    }

    pub mod returns_err {
        use crate::*;

        #[gochan::main]
        pub fn main() -> Result<(), String> {
            let sum: Result<u32, _> = go!({ "x".parse::<u32>() }).join().unwrap();
            sum.map_err(|error| format!("sum: {error}"))?;
            Ok(())
        }
    }

    pub mod returns_a_code {
        use crate::*;

        #[gochan::main]
        pub fn main() -> ExitCode {
            ExitCode::from(7)
        }
    }

    pub mod panics_with_a_result {
        #[gochan::main]
        pub fn main() -> Result<(), String> {
            panic!("main failed");
        }
    }

    pub mod panics {
        #[gochan::main]
        pub fn main() {
            panic!("main failed");
        }
    }

    pub mod exits {
        use crate::*;

        #[gochan::main]
        pub fn main() -> ExitCode {
            gochan::goexit()
        }
    }

    pub mod leaves_others_running {
        use crate::*;

        #[gochan::main]
        pub fn main() -> ExitCode {
            for _ in 0..10 {
                go!({
                    select! {}
                });
                go!({
                    loop {
                        gochan::yield_now();
                    }
                });
            }
            gochan::yield_now();
            println!("main returns");
            ExitCode::SUCCESS
        }
    }

    pub mod counts_workers {
        use crate::*;

        #[gochan::main]
        pub fn main() -> Result<(), String> {
            println!("workers: {}", num_worker());
            Ok(())
        }
    }

    pub mod does_not_care {
        use crate::*;

        #[gochan::main]
        pub fn main() {
            println!("workers: {}", num_worker());
        }
    }
}

#[test]
fn main_is_a_goroutine_and_returns_success() {
    let _watched = watch();
    const NAME: &str = "main_is_a_goroutine_and_returns_success";
    if is_program(NAME) {
        leave(programs::returns_ok::main());
    }
    let output = run_program(NAME, &[]);
    assert_ended(&output, 0, &["in goroutine 1\n"], &[]);
}

#[test]
fn an_error_of_main_is_printed_and_fails() {
    let _watched = watch();
    const NAME: &str = "an_error_of_main_is_printed_and_fails";
    if is_program(NAME) {
        leave(programs::returns_err::main());
    }
    let output = run_program(NAME, &[]);
    assert_ended(&output, 1, &[], &["Error: \"sum: invalid digit"]);
}

#[test]
fn an_exit_code_of_main_is_that_of_the_process() {
    let _watched = watch();
    const NAME: &str = "an_exit_code_of_main_is_that_of_the_process";
    if is_program(NAME) {
        leave(programs::returns_a_code::main());
    }
    assert_ended(&run_program(NAME, &[]), 7, &[], &[]);
}

#[test]
fn a_panic_in_main_is_101_and_names_the_goroutine() {
    let _watched = watch();
    const NAME: &str = "a_panic_in_main_is_101_and_names_the_goroutine";
    if is_program(NAME) {
        leave(programs::panics_with_a_result::main());
    }
    let output = run_program(NAME, &[]);
    assert_ended(
        &output,
        101,
        &[],
        &["goroutine 1 ", "processes.rs:", "main failed"],
    );
}

#[test]
fn a_panic_in_a_main_that_returns_nothing_is_101_too() {
    let _watched = watch();
    const NAME: &str = "a_panic_in_a_main_that_returns_nothing_is_101_too";
    if is_program(NAME) {
        leave(programs::panics::main());
    }
    assert_ended(&run_program(NAME, &[]), 101, &[], &["main failed"]);
}

#[test]
fn goexit_in_main_is_an_error() {
    let _watched = watch();
    const NAME: &str = "goexit_in_main_is_an_error";
    if is_program(NAME) {
        leave(programs::exits::main());
    }
    assert_ended(&run_program(NAME, &[]), 2, &[], &["goexit"]);
}

#[test]
fn the_process_ends_with_main() {
    let _watched = watch();
    const NAME: &str = "the_process_ends_with_main";
    if is_program(NAME) {
        leave(programs::leaves_others_running::main());
    }
    assert_ended(&run_program(NAME, &[]), 0, &["main returns"], &[]);
}

#[test]
fn the_number_of_workers_comes_from_the_environment() {
    let _watched = watch();
    const NAME: &str = "the_number_of_workers_comes_from_the_environment";
    if is_program(NAME) {
        leave(programs::counts_workers::main());
    }
    for (value, workers) in [("1", "1"), ("3", "3"), (" 2 ", "2")] {
        let output = run_program(NAME, &[("GOCHAN_MAXPROCS", value)]);
        assert_ended(&output, 0, &[&format!("workers: {workers}\n")], &[]);
    }
    let available = std::thread::available_parallelism().unwrap();
    let output = run_program(NAME, &[("GOCHAN_MAXPROCS", "")]);
    assert_ended(&output, 0, &[&format!("workers: {available}\n")], &[]);
}

#[test]
fn a_malformed_setting_is_named_with_its_value() {
    let _watched = watch();
    const NAME: &str = "a_malformed_setting_is_named_with_its_value";
    if is_program(NAME) {
        leave(programs::counts_workers::main());
    }
    for variable in ["GOCHAN_MAXPROCS", "GOCHAN_STACK_SIZE"] {
        for value in ["abc", "0", "-1", "2.5"] {
            let output = run_program(NAME, &[(variable, value)]);
            assert_ended(&output, 2, &[], &[variable, value]);
        }
    }
}

#[test]
fn a_malformed_setting_stops_a_main_that_returns_nothing_too() {
    let _watched = watch();
    const NAME: &str = "a_malformed_setting_stops_a_main_that_returns_nothing_too";
    if is_program(NAME) {
        leave(programs::does_not_care::main());
    }
    let output = run_program(NAME, &[("GOCHAN_MAXPROCS", "abc")]);
    assert_ended(&output, 2, &[], &["GOCHAN_MAXPROCS", "abc"]);
}

#[test]
fn a_setting_in_the_program_goes_before_the_environment() {
    let _watched = watch();
    const NAME: &str = "a_setting_in_the_program_goes_before_the_environment";
    if is_program(NAME) {
        let workers = Runtime::new(Config::new().workers(2))
            .unwrap()
            .run(num_worker);
        let error = Runtime::new(Config::new()).unwrap_err();
        println!("workers: {workers}; {error}");
        leave(ExitCode::SUCCESS);
    }
    let output = run_program(NAME, &[("GOCHAN_MAXPROCS", "many")]);
    assert_ended(&output, 0, &["workers: 2; GOCHAN_MAXPROCS=\"many\""], &[]);
}

#[test]
fn a_thread_that_needs_a_runtime_which_cannot_start_is_told_why() {
    let _watched = watch();
    const NAME: &str = "a_thread_that_needs_a_runtime_which_cannot_start_is_told_why";
    if is_program(NAME) {
        go!({ println!("runs") });
        return;
    }
    let output = run_program(NAME, &[("GOCHAN_MAXPROCS", "many")]);
    assert_ended(&output, 101, &[], &["GOCHAN_MAXPROCS=\"many\""]);
}

#[test]
fn a_thread_that_asks_a_runtime_which_cannot_start_is_told_where() {
    let _watched = watch();
    const NAME: &str = "a_thread_that_asks_a_runtime_which_cannot_start_is_told_where";
    const LINE: u32 = line!() + 2;
    if is_program(NAME) {
        println!("workers: {}", num_worker());
        return;
    }
    let output = run_program(NAME, &[("GOCHAN_MAXPROCS", "many")]);
    let place = format!("{}:{LINE}:", file!());
    assert_ended(&output, 101, &[], &["GOCHAN_MAXPROCS=\"many\"", &place]);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "no deadlock is found there")]
fn settings_count_more_than_the_environment() {
    let _watched = watch();
    const NAME: &str = "settings_count_more_than_the_environment";
    if is_program(NAME) {
        let config = Config::new().workers(1).deadlock_detection(true);
        let found = std::panic::catch_unwind(|| {
            Runtime::new(config).unwrap().run(|| {
                println!("workers: {}", num_worker());
                make!(chan()).recv()
            })
        });
        println!("found: {}", harness::message_of(&*found.unwrap_err()));
        leave(ExitCode::SUCCESS);
    }
    let environment = [("GOCHAN_MAXPROCS", "3"), ("GOCHAN_DEADLOCK", "off")];
    let output = run_program(NAME, &environment);
    let parts = ["workers: 1", "found: all goroutines are asleep - deadlock!"];
    assert_ended(&output, 0, &parts, &[]);
}

#[cfg(unix)]
#[test]
fn a_handler_of_the_programs_own_hears_of_the_signal_to_quit() {
    let _watched = watch();
    const NAME: &str = "a_handler_of_the_programs_own_hears_of_the_signal_to_quit";
    if is_program(NAME) {
        extern "C" fn does_nothing(_: libc::c_int) {}
        let own = does_nothing as extern "C" fn(libc::c_int) as usize;
        // SAFETY: the handler does nothing.
        assert_ne!(unsafe { libc::signal(libc::SIGQUIT, own) }, libc::SIG_ERR);
        Runtime::new(Config::new().workers(1)).unwrap().run(|| ());
        // SAFETY: as above; it says which handler was there.
        let handler = unsafe { libc::signal(libc::SIGQUIT, own) };
        println!("is its own: {}", handler == own);
        leave(ExitCode::SUCCESS);
    }
    assert_ended(&run_program(NAME, &[]), 0, &["is its own: true"], &[]);
}

/// Takes the room for another thread from the process, when those there are have begun: that takes
/// memory too.
#[cfg(target_os = "linux")]
fn leave_no_room_for_a_thread() {
    while harness::threads_awake() > 1 {
        std::thread::yield_now();
    }
    let room = harness::room_for_no_thread();
    let limit = libc::rlimit {
        rlim_cur: room,
        rlim_max: room,
    };
    // SAFETY: the limit is read from there.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_runtime_without_room_for_its_threads_says_so() {
    const NAME: &str = "a_runtime_without_room_for_its_threads_says_so";
    if is_program(NAME) {
        leave_no_room_for_a_thread();
        println!("{}", Runtime::new(Config::new().workers(8)).unwrap_err());
        leave(ExitCode::SUCCESS);
    }
    // Only now: no thread of the watchdog's is to begin in the program while there is no room.
    let _watched = watch();
    let output = run_program(NAME, &[]);
    assert_ended(&output, 0, &["cannot start the thread of a worker: "], &[]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_call_without_room_for_another_thread_waits_for_the_one_there_is() {
    const NAME: &str = "a_call_without_room_for_another_thread_waits_for_the_one_there_is";
    if is_program(NAME) {
        Runtime::new(Config::new().workers(1)).unwrap().run(|| {
            let (begin, begins) = gochan::channel::<()>(0);
            let second = go!({
                begins.recv();
                gochan::blocking(|| println!("on {:?}", std::thread::current().name()))
            });
            let (release, is_released) = std::sync::mpsc::channel::<()>();
            let first = go!({ gochan::blocking(move || is_released.recv()).is_err() });
            gochan::yield_now();
            leave_no_room_for_a_thread();
            drop(begin);
            gochan::yield_now();
            drop(release);
            assert!(first.join().unwrap());
            second.join().unwrap();
        });
        leave(ExitCode::SUCCESS);
    }
    let _watched = watch();
    let output = run_program(NAME, &[]);
    assert_ended(&output, 0, &["on Some(\"gochan-blocking\")"], &[]);
}

/// Virtual time stands still while a call goes on.
#[cfg(target_os = "linux")]
#[test]
fn a_call_without_room_for_any_thread_is_over_when_its_worker_has_run_it() {
    const NAME: &str = "a_call_without_room_for_any_thread_is_over_when_its_worker_has_run_it";
    if is_program(NAME) {
        let config = Config::new().workers(1).virtual_time(true);
        Runtime::new(config).unwrap().run(|| {
            leave_no_room_for_a_thread();
            gochan::blocking(|| println!("on {:?}", std::thread::current().name()));
            gochan::time::sleep(harness::HOUR);
        });
        leave(ExitCode::SUCCESS);
    }
    let _watched = watch();
    let output = run_program(NAME, &[]);
    assert_ended(&output, 0, &["on Some(\"gochan-0\")"], &[]);
}

#[test]
fn a_refused_borrow_of_a_goroutine_local_is_told_where_it_was_asked_for() {
    let _watched = watch();
    const NAME: &str = "a_refused_borrow_of_a_goroutine_local_is_told_where_it_was_asked_for";
    gochan::goroutine_local! {
        static LIST: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    let attempts: [(u32, fn()); 4] = [
        (line!(), || LIST.with_borrow(|_| ())),
        (line!(), || LIST.with_borrow_mut(|_| ())),
        (line!(), || _ = LIST.take()),
        (line!(), || _ = LIST.replace(Vec::new())),
    ];
    if is_program(NAME) {
        let attempt = move || {
            LIST.with_borrow_mut(|_| {
                for (_, attempt) in attempts {
                    let message = panic_of(attempt);
                    assert!(message.contains("borrowed"), "{message}");
                }
            });
        };
        attempt();
        go!({ attempt() }).join().unwrap();
        return;
    }
    let output = run_program(NAME, &[]);
    let places = attempts.map(|(line, _)| format!("{}:{line}:", file!()));
    assert_ended(&output, 0, &[], &places.each_ref().map(String::as_str));
    let told = String::from_utf8_lossy(&output.stderr);
    for place in places {
        assert_eq!(told.matches(&place).count(), 2, "{told}");
    }
}

#[test]
fn a_panic_message_names_goroutine_name_and_location() {
    let _watched = watch();
    const NAME: &str = "a_panic_message_names_goroutine_name_and_location";
    if is_program(NAME) {
        let handle = go!(name = "fetcher", {
            panic!("out of luck");
        });
        println!("id {}.", handle.id());
        let _ = handle.join();
        leave(ExitCode::SUCCESS);
    }
    let output = run_program(NAME, &[]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let id = stdout
        .split("id ")
        .nth(1)
        .unwrap()
        .split('.')
        .next()
        .unwrap();
    let goroutine = format!("goroutine {id} \"fetcher\"");
    assert_ended(
        &output,
        0,
        &[],
        &[&goroutine, "started at", "processes.rs:", "out of luck"],
    );
}

#[test]
fn misuse_is_told_with_the_line_of_the_caller() {
    let _watched = watch();
    const NAME: &str = "misuse_is_told_with_the_line_of_the_caller";
    const MISUSES: [fn(); 6] = [
        || WaitGroup::new().done(),
        || WaitGroup::new().add(usize::MAX),
        || {
            let group = WaitGroup::new();
            (0..3).for_each(|_| group.add(1 << 29));
        },
        || {
            let (group, stop) = (ErrGroup::<String>::new(), make!(chan()));
            group.go({
                let stop = stop.receiver();
                move || Ok(_ = stop.recv())
            });
            defer! { stop.close() }
            group.set_limit(3);
        },
        || drop(Ticker::new(Duration::ZERO)),
        || {
            let runtime = Runtime::new(Config::new().workers(1)).unwrap();
            runtime.run(|| gochan::goexit());
        },
    ];
    if is_program(NAME) {
        for misuse in MISUSES {
            assert!(std::panic::catch_unwind(misuse).is_err());
        }
        leave(ExitCode::SUCCESS);
    }
    let output = run_program(NAME, &[]);
    assert_ended(&output, 0, &[], &[]);
    let err = String::from_utf8_lossy(&output.stderr);
    let here = format!("panicked at {}:", file!());
    assert_eq!(err.matches(&here).count(), MISUSES.len(), "{err}");
}

#[test]
fn a_panic_on_a_helper_thread_names_the_goroutine_that_waits() {
    let _watched = watch();
    const NAME: &str = "a_panic_on_a_helper_thread_names_the_goroutine_that_waits";
    if is_program(NAME) {
        // Of two runtimes, since only the first one sets the hook.
        for name in ["fetcher", "other fetcher"] {
            Runtime::new(Config::new().workers(1)).unwrap().run(|| {
                let builder = gochan::goroutine::Builder::new().name(name);
                let fetcher = builder.spawn(|| gochan::blocking(|| panic!("out of luck")));
                let outcome: Result<(), _> = fetcher.unwrap().join();
                assert!(outcome.unwrap_err().is_panic());
            });
        }
        leave(ExitCode::SUCCESS);
    }
    let output = run_program(NAME, &[]);
    let parts = [
        "out of luck",
        "in a blocking call of goroutine 2 \"fetcher\" (started at",
        "\"other fetcher\" (started at",
    ];
    assert_ended(&output, 0, &[], &parts);
}

#[test]
fn goexit_and_an_abandoned_channel_print_nothing() {
    let _watched = watch();
    const NAME: &str = "goexit_and_an_abandoned_channel_print_nothing";
    if is_program(NAME) {
        assert!(go!({ gochan::goexit() }).join().unwrap_err().is_goexit());
        let sender = make!(chan i32).sender();
        assert!(go!({ sender <- 1 }).join().unwrap_err().is_goexit());
        Runtime::new(Config::new().workers(1)).unwrap().run(|| {
            go!({
                select! {}
            });
            gochan::yield_now();
        });
        leave(ExitCode::SUCCESS);
    }
    let output = run_program(NAME, &[]);
    assert_ended(&output, 0, &[], &[]);
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_hook_that_was_there_is_still_called() {
    let _watched = watch();
    const NAME: &str = "the_hook_that_was_there_is_still_called";
    if is_program(NAME) {
        std::panic::set_hook(Box::new(|info| eprintln!("my hook: {info}")));
        let _ = go!(name = "hooked", { panic!("out of luck") }).join();
        leave(ExitCode::SUCCESS);
    }
    let output = run_program(NAME, &[]);
    assert_ended(&output, 0, &[], &["\"hooked\"", "my hook: ", "out of luck"]);
}

struct Unspeakable;

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("out of luck")
    }
}

/// Ways for a goroutine to panic so that others could go on.
const PANICS: [fn(); 3] = [
    || _ = go!(name = "fatal", { panic!("out of luck") }).join(),
    || {
        let group = ErrGroup::<String>::new();
        group.go(|| panic!("out of luck"));
        _ = std::panic::catch_unwind(|| group.wait());
    },
    || {
        let (group, _) = ErrGroup::with_context(&Context::background());
        group.go(|| Err(Unspeakable));
        _ = group.wait();
    },
];

#[test]
fn the_abort_policy_ends_the_process_after_the_message() {
    let _watched = watch();
    const NAME: &str = "the_abort_policy_ends_the_process_after_the_message";
    const WAY: &str = "GOCHAN_TEST_WAY";
    if is_program(NAME) {
        let way: usize = std::env::var(WAY).unwrap().parse().unwrap();
        let config = Config::new().workers(1).panic_policy(PanicPolicy::Abort);
        Runtime::new(config).unwrap().run(|| {
            // What ends a goroutine quietly is no panic, and one that is caught does not end it.
            let _ = go!({ gochan::goexit() }).join();
            let caught = go!({ std::panic::catch_unwind(|| panic!("caught")).is_err() });
            assert!(caught.join().unwrap());
            println!("before");
            PANICS[way]();
            println!("went on");
        });
        leave(ExitCode::SUCCESS);
    }
    for way in 0..PANICS.len() {
        let output = run_program(NAME, &[(WAY, &way.to_string())]);
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(!output.status.success(), "{out}{err}");
        assert!(out.contains("before") && !out.contains("went on"), "{out}");
        assert_eq!(err.contains("\"fatal\""), way == 0, "{err}");
        assert!(err.contains("out of luck"), "{err}");
        #[cfg(unix)]
        {
            use std::os::unix::process::ExitStatusExt;
            const SIGABRT: i32 = 6;
            assert_eq!(output.status.signal(), Some(SIGABRT), "{err}");
        }
    }
}

#[gochan::test]
#[ignore = "runs only as a program"]
fn panics_twice_in_a_test() {
    let _ = go!(name = "culprit", { panic!("out of luck") }).join();
    panic!("out of hope");
}

/// Below its message, where the runner shows what the test has printed, and not when it is printed.
#[test]
fn a_test_runner_keeps_the_name_of_a_goroutine_with_its_panic() {
    let _watched = watch();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["panics_twice_in_a_test", "--exact", "--ignored"])
        .env("RUST_BACKTRACE", "0")
        .env_remove("RUST_TEST_NOCAPTURE")
        .output()
        .unwrap();
    assert_ended(&output, 101, &["out of luck\n", "\"culprit\""], &[]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
