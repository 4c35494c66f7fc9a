use super::*;
use crate::goroutine::Builder;
use crate::runtime::blocking::tests::until;
use crate::runtime::{Config, Runtime};
use corosensei::stack::Stack as _;
use std::sync::Arc;

/// A size of its own for each test, so that they do not meet in the pool.
fn size(steps: usize) -> usize {
    round_size(steps * SIZE_STEP).unwrap()
}

fn start(cache: &StackCache) -> Stack {
    cache.reserve(cache.size).unwrap();
    cache.take(cache.size)
}

fn end(cache: &StackCache, stack: Stack) {
    cache.give_back(stack);
    cache.cancel(cache.size);
}

#[test]
fn a_stack_that_comes_back_is_the_next_one_handed_out() {
    let cache = StackCache::new(size(3));
    let first = start(&cache);
    let base = first.base();
    end(&cache, first);
    assert_eq!(start(&cache).base(), base);
}

#[test]
fn many_that_wait_to_start_use_one_stack() {
    let cache = StackCache::new(size(5));
    for _ in 0..1_000 {
        cache.reserve(cache.size).unwrap();
    }
    let mut bases = std::collections::BTreeSet::new();
    for _ in 0..1_000 {
        let stack = cache.take(cache.size);
        bases.insert(stack.base());
        end(&cache, stack);
    }
    assert_eq!(bases.len(), 1);
}

#[test]
fn what_is_reserved_is_there_wherever_it_is_taken() {
    let size = size(7);
    let caches: Vec<_> = (0..4).map(|_| StackCache::new(size)).collect();
    let mut in_use = Vec::new();
    for round in 0..3_000_usize {
        // Reserved here, started there, ended elsewhere.
        caches[round % 4].reserve(size).unwrap();
        in_use.push(caches[(round / 3) % 4].take(size));
        if round % 3 == 0 {
            let stack = in_use.swap_remove((round * 7_919) % in_use.len());
            end(&caches[(round / 5) % 4], stack);
        }
    }
    let mut ranges: Vec<_> = in_use
        .iter()
        .map(|stack| (stack.limit().get(), stack.base().get()))
        .collect();
    ranges.sort_unstable();
    assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0));
    assert!(ranges.iter().all(|(limit, base)| base - limit >= size));
    for stack in in_use {
        end(&caches[0], stack);
    }
    drop(caches);
    with_class(size, |class| {
        assert_eq!(class.reserved, 0);
        let (fresh, bare) = (class.fresh.len(), class.bare.len());
        assert_eq!(class.existing, class.free.len() + fresh + bare);
    });
}

/// A helper thread keeps the goroutine until its worker takes no more.
#[test]
fn who_starts_another_when_its_runtime_ends_gives_back_what_that_one_has() {
    let size = size(13);
    let captured = Arc::new(());
    let runtime = Runtime::new(Config::new().workers(1)).unwrap();
    let worker = runtime.shared.workers[0];
    let (begins, begun) = crate::channel::<()>(0);
    runtime.run(|| {
        let captured = Arc::clone(&captured);
        let starts = move || {
            drop(begins);
            crate::blocking(|| until(|| worker.start_queue.is_closed()));
            let late = Builder::new().stack_size(size);
            drop(late.spawn(move || unreachable!("{captured:?}")));
        };
        drop(Builder::new().spawn(starts));
        begun.recv();
    });
    assert_eq!(Arc::strong_count(&captured), 1);
    with_class(size, |class| assert_eq!(class.reserved, 0));
}

#[test]
fn impossible_sizes_are_errors() {
    let error = round_size(usize::MAX - 5).unwrap_err();
    assert!(error.to_string().contains("larger"), "{error}");
    let error = reserve_one(round_size(1 << 55).unwrap()).unwrap_err();
    assert!(error.to_string().contains("stack"), "{error}");
}

#[test]
fn stacks_that_have_been_used_go_before_fresh_ones() {
    let size = size(9);
    let mut class = Class::default();
    class.reserve(size, 1).unwrap();
    let used = class.take();
    let base = used.base();
    class.free.push(used);
    class.reserve(size, class.existing).unwrap();
    assert!(class.fresh.len() + class.bare.len() > 1);
    let mut taken = Vec::new();
    class.take_some(2, &mut taken);
    assert_eq!(taken.pop().unwrap().base(), base);
    assert_eq!(taken.len(), 1);
}

#[cfg(target_os = "linux")]
mod on_linux {
    use super::*;
    use crate::runtime::stack::guard::{Guards, faults};
    use crate::runtime::stack::unix::{make_slab, page_size};
    use crate::runtime::{Config, Runtime};
    use crate::{Chan, go, goroutine};
    use std::collections::BTreeSet;
    use std::os::unix::process::ExitStatusExt;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::process::{Command, Output};

    const CHILD: &str = "GOCHAN_TEST_CHILD";

    /// Whether this process is the child in which the test `name` does its work.
    fn is_child(name: &str) -> bool {
        std::env::var(CHILD).is_ok_and(|child| child == name)
    }

    /// Runs the test `name` of this file in a process of its own.
    fn run_child(name: &str, argument: &str) -> Output {
        let path = module_path!().split_once("::").unwrap().1;
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([&format!("{path}::{name}"), "--exact", "--nocapture"])
            .env(CHILD, name)
            // A backtrace needs more memory than such a process can get.
            .env_remove("RUST_BACKTRACE")
            .env("GOCHAN_TEST_ARGUMENT", argument);
        command.output().unwrap()
    }

    fn write(address: usize) {
        // SAFETY: memory of a stack on which nothing stands, or a guard, which faults.
        unsafe { (address as *mut u8).write_volatile(1) };
    }

    #[test]
    fn whether_a_guard_holds_is_found_out() {
        let mut class = Class::default();
        class.reserve(size(15), 1).unwrap();
        let stack = class.take();
        let guard = stack.limit().get();
        assert!(faults(guard));
        assert!(faults(guard + page_size() - 1));
        assert!(!faults(guard + page_size()));
    }

    #[test]
    fn guards_fault_and_nothing_else_does() {
        const NAME: &str = "guards_fault_and_nothing_else_does";
        const COUNT: usize = 40;
        const LIGHTWEIGHT: &str = "lightweight";
        if is_child(NAME) {
            let argument = std::env::var("GOCHAN_TEST_ARGUMENT").unwrap();
            let (kind, index) = argument.split_once(' ').unwrap();
            if kind != LIGHTWEIGHT {
                Guards::refuse_lightweight();
            }
            let mut class = Class::default();
            class.reserve(64 << 10, COUNT).unwrap();
            let stacks: Vec<_> = (0..COUNT).map(|_| class.take()).collect();
            give_back_memory(&stacks);
            for stack in &stacks {
                let usable = stack.limit().get() + page_size()..stack.base().get();
                assert!(usable.len() >= 64 << 10);
                usable.step_by(page_size()).for_each(write);
            }
            eprintln!("all that is usable was used");
            write(stacks[index.parse::<usize>().unwrap()].limit().get() + page_size() - 1);
            return;
        }
        for kind in [LIGHTWEIGHT, "mappings"] {
            for index in ["0", "2", "17", "39"] {
                let output = run_child(NAME, &format!("{kind} {index}"));
                let stderr = String::from_utf8_lossy(&output.stderr);
                assert!(stderr.contains("was used"), "{kind} {index}: {stderr}");
                assert_eq!(
                    output.status.signal(),
                    Some(libc::SIGSEGV),
                    "{kind} {index}"
                );
            }
        }
    }

    #[test]
    fn neighbours_begin_at_different_places_in_their_pages() {
        let mut class = Class::default();
        class.reserve(size(12), 64).unwrap();
        let stacks: Vec<_> = (0..64).map(|_| class.take()).collect();
        let places: BTreeSet<_> = stacks
            .iter()
            .map(|stack| stack.base().get() % page_size())
            .collect();
        assert_eq!(places.len(), 16);
        assert!(places.iter().all(|place| place % 128 == 0));
        class.free.extend(stacks);
    }

    /// How many pages of a stack are in memory.
    fn resident(stack: &Stack) -> usize {
        let memory = stack.memory();
        let mut states = vec![0_u8; memory.len() / page_size()];
        let (low, len) = (memory.start as *mut _, memory.len());
        // SAFETY: whole pages of ours, and as many bytes as there are pages.
        let result = unsafe { libc::mincore(low, len, states.as_mut_ptr()) };
        assert_eq!(result, 0);
        states.iter().filter(|&&state| state & 1 == 1).count()
    }

    #[test]
    fn only_stacks_that_idle_lose_their_memory() {
        let size = size(11);
        let mut class = Class::default();
        class.reserve(size, 10).unwrap();
        let mut stacks: Vec<_> = (0..10).map(|_| class.take()).collect();
        for stack in &stacks {
            stack.memory().step_by(page_size()).for_each(write);
        }
        let pages = stacks[0].memory().len() / page_size();
        class.free.append(&mut stacks);
        assert!(!class.empty_some(), "nothing has idled yet");
        class.unused = class.free.len();
        // Those on top are used meanwhile.
        let used: Vec<_> = (0..3).map(|_| class.take()).collect();
        class.free.extend(used);
        assert!(class.empty_some());
        assert!(!class.empty_some(), "emptied once");
        let counts: Vec<_> = class.free.iter().map(resident).collect();
        assert_eq!(counts[..7], [0; 7]);
        assert_eq!(counts[7..], [pages; 3]);
        // An emptied stack is as good as new.
        class.free.truncate(5);
        class.note_use();
        assert_eq!(class.clean, 5);
        let stack = class.take();
        write(stack.base().get() - size);
        class.free.push(stack);
        assert_eq!((class.clean, class.unused), (4, 4));
    }

    #[test]
    fn many_ranges_are_advised_like_one() {
        let (mut stacks, mut bare) = (Vec::new(), Vec::new());
        while stacks.len() + bare.len() < 1_500 {
            make_slab(size(1), 1_024, Guards::available(), &mut stacks, &mut bare).unwrap();
        }
        guard_stacks(&bare);
        stacks.append(&mut bare);
        for stack in &stacks {
            write(stack.base().get() - 1);
        }
        assert!(stacks.iter().all(|stack| resident(stack) == 1));
        give_back_memory(&stacks);
        assert!(stacks.iter().all(|stack| resident(stack) == 0));
    }

    /// Uses mappings up until about `left` are left to the process.
    fn use_mappings_up(left: usize) {
        let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
        let limit: usize = limit.trim().parse().unwrap();
        let used = std::fs::read_to_string("/proc/self/maps")
            .unwrap()
            .lines()
            .count();
        let pages = limit - used - left;
        let page = page_size();
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            libc::mmap(
                std::ptr::null_mut(),
                pages * page,
                libc::PROT_READ,
                flags,
                -1,
                0,
            )
        };
        assert_ne!(start, libc::MAP_FAILED);
        for index in (0..pages).step_by(2) {
            // SAFETY: a page of that mapping.
            let result = unsafe { libc::mprotect(start.add(index * page), page, libc::PROT_NONE) };
            assert_eq!(result, 0);
        }
    }

    #[test]
    fn exhausted_mappings_are_an_error_that_names_the_limit() {
        const NAME: &str = "exhausted_mappings_are_an_error_that_names_the_limit";
        if is_child(NAME) {
            Guards::refuse_lightweight();
            use_mappings_up(2_000);
            let stack_size = 64 << 10;
            Runtime::new(Config::new().workers(2).stack_size(stack_size))
                .unwrap()
                .run(|| {
                    for round in 0..2 {
                        let gate = Chan::<()>::new(0);
                        let mut handles = Vec::new();
                        let error = loop {
                            let gate = gate.clone();
                            match goroutine::Builder::new().spawn(move || gate.recv()) {
                                Ok(handle) => handles.push(handle),
                                Err(error) => break error,
                            }
                        };
                        let panic = catch_unwind(AssertUnwindSafe(|| go!({}))).unwrap_err();
                        let panic = panic.downcast::<String>().unwrap();
                        assert!(panic.contains(&error.to_string()), "{panic} / {error}");
                        eprintln!("round {round}: {} started, then {error}", handles.len());
                        assert!(handles.len() > 300, "{}", handles.len());
                        gate.close();
                        for handle in handles {
                            assert_eq!(handle.join().unwrap(), None);
                        }
                        // Now there is room again.
                        assert_eq!(go!({ 1 }).join().unwrap(), 1);
                    }
                });
            eprintln!("ended well");
            return;
        }
        let output = run_child(NAME, "");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        assert!(stderr.contains("ended well"), "{stderr}");
        assert!(stderr.contains("vm.max_map_count = "), "{stderr}");
        assert!(
            stderr.contains("cannot protect the guard page of a goroutine's stack")
                || stderr.contains("cannot reserve address space for goroutine stacks"),
            "{stderr}"
        );
    }
}
