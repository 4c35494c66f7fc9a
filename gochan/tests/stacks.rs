//! Stacks, as a process sees them: their sizes, the limits of the system, and the memory that
//! they take and give back.
//!
//! Each test here runs itself again in a process of its own, as the program to be watched.

#![cfg(target_os = "linux")]

mod harness;

use gochan::goroutine::Builder;
use gochan::prelude::*;
use gochan::runtime::num_worker;
use gochan::sync::WaitGroup;
use harness::{is_program, run_program, watch};
use std::collections::HashSet;
use std::hint::black_box;
use std::process::Output;
use std::time::{Duration, Instant};

#[track_caller]
fn assert_ended(output: &Output, status: i32, stderr: &[&str]) {
    let err = String::from_utf8_lossy(&output.stderr);
    let told = format!("{:?}\n-- stderr\n{err}", output.status);
    assert_eq!(output.status.code(), Some(status), "{told}");
    for part in stderr {
        assert!(err.contains(part), "no {part:?} on stderr: {told}");
    }
}

/// The bytes of this process that `/proc/self/status` says under `name`.
fn status(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.unwrap().trim_start_matches(':').trim();
    kib.strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
}

/// Goes down the stack for so many bytes and there calls `f`.
fn deep(bytes: usize, f: &mut dyn FnMut()) {
    fn further(top: usize, bytes: usize, f: &mut dyn FnMut()) {
        let frame = black_box([1_u8; 256]);
        match top - frame.as_ptr().addr() < bytes {
            true => further(top, bytes, f),
            false => f(),
        }
        black_box(&frame);
    }
    let top = 0_u8;
    further((&raw const top).addr(), bytes, f);
}

// ----- sizes ------------------------------------------------------------------------------

#[test]
fn the_default_size_comes_from_the_environment() {
    const NAME: &str = "the_default_size_comes_from_the_environment";
    let _watched = watch();
    if is_program(NAME) {
        go!({ deep(700 << 10, &mut || eprintln!("was deep")) })
            .join()
            .unwrap();
        // An option counts for more.
        go!(stack = 3 << 20, {
            deep(2 << 20, &mut || eprintln!("was deeper"))
        })
        .join()
        .unwrap();
        return;
    }
    let output = run_program(NAME, &[("GOCHAN_STACK_SIZE", "1048576")]);
    assert_ended(&output, 0, &["was deep\n", "was deeper\n"]);
}

#[test]
fn a_malformed_size_ends_the_program_and_is_named() {
    const NAME: &str = "a_malformed_size_ends_the_program_and_is_named";
    #[gochan::main]
    fn main() {
        unreachable!("there is no runtime");
    }
    let _watched = watch();
    if is_program(NAME) {
        let code = main();
        let failed = code != std::process::ExitCode::SUCCESS;
        std::process::exit(if failed { 2 } else { 0 });
    }
    for bad in ["abc", "0", "-65536", "1e6", "64K", "99999999999999999999"] {
        let output = run_program(NAME, &[("GOCHAN_STACK_SIZE", bad)]);
        assert_ended(&output, 2, &["GOCHAN_STACK_SIZE", bad]);
    }
    let output = run_program(NAME, &[("GOCHAN_STACK_SIZE", "9223372036854775807")]);
    assert_ended(
        &output,
        2,
        &["9223372036854775807", "larger than the address space"],
    );
}

// ----- limits -----------------------------------------------------------------------------

/// Returns when every worker runs goroutines: a thread takes address space for its heap when it
/// first allocates.
fn wait_for_all_workers() {
    let mut seen = HashSet::new();
    while seen.len() < num_worker() {
        let worker = || std::thread::current().id();
        let crowd: Vec<_> = (0..num_worker())
            .map(|_| go!(spread, { worker() }))
            .collect();
        seen.extend(crowd.into_iter().map(|handle| handle.join().unwrap()));
    }
}

#[test]
fn address_space_that_runs_out_is_an_error_that_names_the_limit() {
    const NAME: &str = "address_space_that_runs_out_is_an_error_that_names_the_limit";
    assert_limit_is_named(NAME, "VmSize", "(RLIMIT_AS, ulimit -v)", |limits| {
        // SAFETY: the limits are alive during the call.
        unsafe { libc::setrlimit(libc::RLIMIT_AS, limits) }
    });
}

#[test]
fn data_that_run_out_are_an_error_that_names_the_limit() {
    const NAME: &str = "data_that_run_out_are_an_error_that_names_the_limit";
    assert_limit_is_named(NAME, "VmData", "(RLIMIT_DATA, ulimit -d)", |limits| {
        // SAFETY: as above.
        unsafe { libc::setrlimit(libc::RLIMIT_DATA, limits) }
    });
}

/// Lets the program of the test have only so much more of what `/proc/self/status` calls `used`.
fn assert_limit_is_named(
    test: &str,
    used: &str,
    limit_name: &str,
    set: fn(&libc::rlimit) -> libc::c_int,
) {
    let _watched = watch();
    if is_program(test) {
        wait_for_all_workers();
        let limit = (status(used) + (100 << 20)) as libc::rlim_t;
        let limits = libc::rlimit {
            rlim_cur: limit,
            rlim_max: limit,
        };
        assert_eq!(set(&limits), 0);
        let gate = Chan::<()>::new(0);
        let mut handles = Vec::new();
        let error = loop {
            let gate = gate.clone();
            match Builder::new()
                .stack_size(1 << 20)
                .spawn(move || gate.recv())
            {
                Ok(handle) => handles.push(handle),
                Err(error) => break error,
            }
        };
        eprintln!("Builder::spawn after {}: {error}", handles.len());
        assert!((50..=100).contains(&handles.len()), "{}", handles.len());
        // What runs is not harmed, and what has ended makes room.
        gate.close();
        for handle in handles {
            assert_eq!(handle.join().unwrap(), None);
        }
        go!(stack = 1 << 20, { deep(900 << 10, &mut || ()) })
            .join()
            .unwrap();
        // `go!` says the same as a panic, here of the process's main thread.
        let text = error.to_string();
        std::panic::set_hook(Box::new(move |info| {
            let panic = info.payload().downcast_ref::<String>().unwrap();
            assert!(panic.ends_with(&text), "{panic}");
            eprintln!("go!: {panic}");
        }));
        let gate = Chan::<()>::new(0);
        loop {
            go!(clone(gate), stack = 1 << 20, { gate.recv() });
        }
    }
    let output = run_program(test, &[]);
    let words = "cannot reserve address space for goroutine stacks: ";
    let (builder, go) = (format!(": {words}"), "go!: ".to_owned());
    assert_ended(&output, 101, &[&builder, &go, words, limit_name]);
}

// ----- memory -----------------------------------------------------------------------------

/// So many goroutines, each of which has used so much stack, are blocked at the same time; then
/// they end.
fn crowd(count: usize, depth: usize) -> usize {
    let gate = Chan::<()>::new(0);
    let (blocked, ended) = (WaitGroup::new(), WaitGroup::new());
    blocked.add(count);
    ended.add(count);
    for _ in 0..count {
        go!(clone(gate, blocked, ended), {
            deep(depth, &mut || ());
            blocked.done();
            gate.recv();
            ended.done();
        });
    }
    blocked.wait();
    let most = status("VmRSS");
    gate.close();
    ended.wait();
    most
}

#[test]
fn stacks_that_idle_give_their_memory_back() {
    const NAME: &str = "stacks_that_idle_give_their_memory_back";
    const COUNT: usize = 1_000;
    const DEPTH: usize = 128 << 10;
    let _watched = watch();
    if is_program(NAME) {
        let before = status("VmRSS");
        let most = crowd(COUNT, DEPTH);
        assert!(most > before + COUNT * DEPTH, "{before} {most}");
        // A few dozen for each worker stay warm.
        let enough = before + COUNT * DEPTH / 5;
        let start = Instant::now();
        while status("VmRSS") > enough {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "{}",
                status("VmRSS")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        // The same stacks again: new ones would take 256 MiB.
        let mapped = status("VmSize");
        assert!(crowd(COUNT, DEPTH) > before + COUNT * DEPTH);
        assert!(status("VmSize") < mapped + (200 << 20), "{mapped}");
        eprintln!("gave it back");
        return;
    }
    let output = run_program(NAME, &[("GOCHAN_MAXPROCS", "2")]);
    assert_ended(&output, 0, &["gave it back"]);
}

#[test]
fn memory_stays_flat_over_waves_of_goroutines() {
    const NAME: &str = "memory_stays_flat_over_waves_of_goroutines";
    let _watched = watch();
    if is_program(NAME) {
        let workers = gochan::runtime::num_worker();
        let after_first = {
            crowd(10_000, 0);
            status("VmRSS")
        };
        for wave in 1..10 {
            crowd(10_000, 0);
            let now = status("VmRSS");
            assert!(
                now < after_first / 10 * 11,
                "wave {wave}: {after_first} {now}"
            );
        }
        let one_by_one = go!({
            for _ in 0..200_000 {
                drop(go!({}).join());
            }
        });
        one_by_one.join().unwrap();
        let now = status("VmRSS");
        assert!(
            now < after_first / 10 * 11,
            "one after the other: {after_first} {now}"
        );
        eprintln!("flat on {workers}");
        return;
    }
    for workers in ["1", "2"] {
        let output = run_program(NAME, &[("GOCHAN_MAXPROCS", workers)]);
        assert_ended(&output, 0, &[&format!("flat on {workers}\n")]);
    }
}
