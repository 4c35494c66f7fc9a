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

/// How many bytes are left to others, for the same reason.
#[cfg(target_os = "linux")]
const SPARE_BYTES: usize = 8 << 20;
/// Of a small limit, one part of so many is enough: a process that lives with it has little to it.
#[cfg(target_os = "linux")]
const SPARE_PART: usize = 8;

/// A limit on the bytes that a process may map.
#[cfg(target_os = "linux")]
struct ByteLimit {
    resource: libc::c_int,
    /// Which word of `/proc/self/statm` says what is used, in pages.
    used: usize,
    name: &'static str,
}

/// Those that stacks come up against.
#[cfg(target_os = "linux")]
const BYTE_LIMITS: [ByteLimit; 2] = [
    ByteLimit {
        resource: libc::RLIMIT_AS as libc::c_int,
        used: 0,
        name: "address space (RLIMIT_AS, ulimit -v)",
    },
    // All that is private and can be written counts, wherever it is mapped.
    ByteLimit {
        resource: libc::RLIMIT_DATA as libc::c_int,
        used: 5,
        name: "data (RLIMIT_DATA, ulimit -d)",
    },
];

#[cfg(target_os = "linux")]
impl ByteLimit {
    /// How many bytes the process may have, if there is a limit.
    fn bytes(&self) -> Option<usize> {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the place is alive during the call.
        let result = unsafe { libc::getrlimit(self.resource as _, &raw mut limit) };
        (result == 0 && limit.rlim_cur != libc::RLIM_INFINITY)
            .then(|| usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
    }

    /// How many bytes stacks may still take of it.
    fn left(&self) -> usize {
        // Where there is no limit, as mostly, the file that says what is used is not read.
        let left = self.bytes().and_then(|limit| {
            let used = read_number("/proc/self/statm", self.used)?;
            let used = used * super::unix::page_size();
            let spare = SPARE_BYTES.min(limit / SPARE_PART);
            Some(limit.saturating_sub(used).saturating_sub(spare))
        });
        left.unwrap_or(usize::MAX)
    }
}

/// How many bytes stacks may still take.
#[cfg(target_os = "linux")]
pub(super) fn bytes_left() -> usize {
    BYTE_LIMITS
        .iter()
        .map(ByteLimit::left)
        .fold(usize::MAX, usize::min)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn bytes_left() -> usize {
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
    let mut limits = BYTE_LIMITS.iter();
    if let Some(limit) = limits.find(|limit| limit.left() < bytes)
        && let Some(most) = limit.bytes()
    {
        return format!(
            ": this process may have {most} bytes of {}; \
             raise that limit, or use smaller stacks (GOCHAN_STACK_SIZE, stack = …)",
            limit.name
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

/// The number that is the `index`th word of a file.
#[cfg(target_os = "linux")]
fn read_number(path: &str, index: usize) -> Option<usize> {
    let text = std::fs::read_to_string(path).ok()?;
    text.split_whitespace().nth(index)?.parse().ok()
}
