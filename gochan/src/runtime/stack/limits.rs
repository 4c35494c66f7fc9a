//! Which limit of the system keeps it from giving more memory, in words.

use std::io;

/// An error that says what failed for want of `bytes` more, and which limit is the cause.
pub(super) fn explain(error: &io::Error, what: &str, bytes: usize) -> io::Error {
    let limit = match error.raw_os_error() {
        Some(libc::ENOMEM) => reached(bytes),
        _ => String::new(),
    };
    io::Error::new(error.kind(), format!("cannot {what}: {error}{limit}"))
}

/// How many mappings are left to others when guards take all that they can get: a process without
/// a single one left would fail at its next allocation.
#[cfg(target_os = "linux")]
const SPARE_MAPPINGS: usize = 512;

/// How much address space is left to others, for the same reason.
#[cfg(target_os = "linux")]
const SPARE_BYTES: usize = 8 << 20;

/// How much address space stacks may still take.
#[cfg(target_os = "linux")]
pub(super) fn address_space_left() -> usize {
    // Where there is no limit, as mostly, the file that says what is used is not read.
    let left = address_space_limit().and_then(|limit| {
        let used = address_space_used()?;
        Some(limit.saturating_sub(used).saturating_sub(SPARE_BYTES))
    });
    left.unwrap_or(usize::MAX)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn address_space_left() -> usize {
    usize::MAX
}

/// How many mappings the guards of stacks may still take.
#[cfg(target_os = "linux")]
pub(super) fn mappings_left() -> usize {
    let most = read_number("/proc/sys/vm/max_map_count", 0);
    let maps = std::fs::read("/proc/self/maps").ok();
    match (most, maps) {
        (Some(most), Some(maps)) => {
            let used = maps.iter().filter(|&&byte| byte == b'\n').count();
            most.saturating_sub(used + SPARE_MAPPINGS)
        }
        _ => usize::MAX,
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn mappings_left() -> usize {
    usize::MAX
}

/// The limit that a process has reached which cannot have `bytes` more.
#[cfg(target_os = "linux")]
fn reached(bytes: usize) -> String {
    if let Some(limit) = address_space_limit()
        && address_space_left() < bytes
    {
        return format!(
            ": this process may have {limit} bytes of address space (RLIMIT_AS, ulimit -v); \
             raise that limit, or use smaller stacks (GOCHAN_STACK_SIZE, stack = …)"
        );
    }
    let mappings = read_number("/proc/sys/vm/max_map_count", 0);
    let mappings = mappings.map_or_else(String::new, |count| format!(" = {count}"));
    format!(
        ": a process may have vm.max_map_count{mappings} mappings, and without the lightweight \
         guards of Linux 6.13 each stack takes two; raise that limit (sysctl vm.max_map_count) \
         or, if it has not been reached, see vm.overcommit_memory"
    )
}

#[cfg(not(target_os = "linux"))]
fn reached(_: usize) -> String {
    ": the limit is the address space or the number of mappings that a process may have".to_owned()
}

/// The limit on address space, if there is one.
#[cfg(target_os = "linux")]
fn address_space_limit() -> Option<usize> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the place is alive during the call.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) };
    (result == 0 && limit.rlim_cur != libc::RLIM_INFINITY)
        .then(|| usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

#[cfg(target_os = "linux")]
fn address_space_used() -> Option<usize> {
    read_number("/proc/self/statm", 0).map(|pages| pages * super::unix::page_size())
}

/// The number that is the `index`th word of a file.
#[cfg(target_os = "linux")]
fn read_number(path: &str, index: usize) -> Option<usize> {
    let text = std::fs::read_to_string(path).ok()?;
    text.split_whitespace().nth(index)?.parse().ok()
}
