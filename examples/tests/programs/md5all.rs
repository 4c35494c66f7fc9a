//! md5all against find(1) and md5sum(1).

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use tempfile::TempDir;

use crate::child::{Finished, LIMIT, WORKERS, program, run, wait};

const MD5ALL: &str = env!("CARGO_BIN_EXE_md5all");

/// Runs md5all in `directory`.
fn md5all<S: AsRef<OsStr>>(directory: &Path, arguments: &[S], workers: u32) -> Finished {
    run(program(MD5ALL, workers)
        .args(arguments)
        .current_dir(directory))
}

/// What `md5sum` prints for the regular files below `root`, sorted by path.
fn md5sum(directory: &Path, root: &str) -> Vec<u8> {
    let find = ["-H", root, "-type", "f", "-print0"];
    let found = run(Command::new("find").args(find).current_dir(directory)).stdout;
    let mut paths: Vec<&[u8]> = found
        .split(|&byte| byte == 0)
        .filter(|p| !p.is_empty())
        .collect();
    paths.sort_unstable();
    if paths.is_empty() {
        // Without arguments, md5sum would read standard input.
        return Vec::new();
    }
    let paths = paths.into_iter().map(OsStr::from_bytes);
    let sums = run(Command::new("md5sum")
        .arg("--")
        .args(paths)
        .current_dir(directory));
    assert!(sums.status.success(), "{}", sums.stderr);
    sums.stdout
}

/// A tree with every kind of name, size and entry.
fn odd_tree() -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path().join("tree");
    for folder in ["a", "a/b/c", "empty", "-dash", "new\nline", "back\\slash"] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    let names = [
        // Sorted by whole paths, this is not the order of the folders.
        "a-b",
        "a.b",
        "a/b/c/d",
        "a/b-c",
        "a0",
        "-",
        "--help",
        "-dash/-n",
        ".hidden",
        " ",
        "two words",
        "trailing ",
        "tab\tbed",
        "back\\slash/\\",
        "back\\nslash",
        "new\nline/\n",
        "line\r\n",
        "carriage\rreturn",
        "quote'd",
        "double\"quote",
        "$HOME",
        "*",
        "grüße",
        "日本",
    ];
    for name in names {
        fs::write(root.join(name), name).expect("a file");
    }
    for name in [&b"not utf-8 \xff"[..], b"\xc3\x28\\\n", b"\x80"] {
        fs::write(root.join(OsString::from_vec(name.to_vec())), name).expect("a file");
    }
    // Around the block of MD5 and around the buffer of md5all.
    for size in [
        0, 1, 55, 56, 63, 64, 65, 65_535, 65_536, 65_537, 131_072, 1_000_003,
    ] {
        let bytes: Vec<u8> = (0..size)
            .map(|i: u32| (i.wrapping_mul(i) >> 7) as u8)
            .collect();
        fs::write(root.join(format!("size {size}")), bytes).expect("a file");
    }
    symlink("a0", root.join("link to file")).expect("a link");
    symlink("a", root.join("link to folder")).expect("a link");
    symlink("..", root.join("link to loop")).expect("a link");
    symlink("nowhere", root.join("link to nothing")).expect("a link");
    symlink("tree", directory.path().join("link to tree")).expect("a link");
    // To open it would wait for a writer.
    let fifo = run(Command::new("mkfifo").arg(root.join("pipe")));
    assert!(fifo.status.success(), "{}", fifo.stderr);
    directory
}

#[test]
fn prints_what_md5sum_prints() {
    let directory = odd_tree();
    let here = directory.path();
    let absolute = here
        .join("tree")
        .into_os_string()
        .into_string()
        .expect("a plain path");
    let roots = [
        ".",
        "./",
        "tree",
        "tree/",
        "./tree",
        "tree//",
        "tree/a",
        "tree/empty",
        "tree/a0",
        "tree/../tree",
        "link to tree",
        "tree/link to file",
        &absolute,
    ];
    for root in roots {
        let expected = md5sum(here, root);
        for workers in WORKERS {
            let finished = md5all(here, &[root], workers);
            assert_eq!(finished.stderr, "");
            assert_eq!(
                String::from_utf8_lossy(&finished.stdout),
                String::from_utf8_lossy(&expected),
                "md5all {root} on {workers} workers"
            );
            assert_eq!(finished.stdout, expected, "bytes that are not UTF-8");
            assert!(finished.status.success());
        }
    }
}

#[test]
fn pools_of_any_size_print_the_same() {
    let directory = odd_tree();
    let expected = md5sum(directory.path(), "tree");
    for jobs in ["1", "2", "3", "64"] {
        for workers in WORKERS {
            let finished = md5all(directory.path(), &["-j", jobs, "tree"], workers);
            assert_eq!(finished.stderr, "");
            assert!(
                finished.stdout == expected,
                "md5all -j {jobs} on {workers} workers"
            );
        }
    }
}

#[test]
fn md5sum_can_check_the_output() {
    let directory = odd_tree();
    let sums = md5all(directory.path(), &["tree"], 2).stdout;
    let list = directory.path().join("sums");
    fs::write(&list, sums).expect("a file");
    let check = ["--check", "--quiet", "--strict", "sums"];
    let checked = run(Command::new("md5sum")
        .args(check)
        .current_dir(directory.path()));
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn names_what_cannot_be_read_and_prints_the_rest() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let here = directory.path();
    fs::create_dir_all(here.join("tree/locked")).expect("a folder");
    for name in [
        "tree/a",
        "tree/line\nsecret",
        "tree/locked/b",
        "tree/secret",
        "tree/z",
    ] {
        fs::write(here.join(name), name).expect("a file");
    }
    let expected = [md5sum(here, "tree/a"), md5sum(here, "tree/z")].concat();
    for name in ["tree/line\nsecret", "tree/locked", "tree/secret"] {
        fs::set_permissions(here.join(name), Permissions::from_mode(0o000)).expect("chmod");
    }
    // Permissions do not stop root, who runs a copy of the program as somebody
    // else instead: that user may not be able to reach the original.
    let root = File::open(here.join("tree/secret")).is_ok();
    let copy = here.join("md5all");
    // By a process of its own: a child that another test starts while this one writes the copy would
    // have it open for writing too, and what is open for writing cannot be run.
    let copied = run(Command::new("cp").arg(MD5ALL).arg(&copy));
    assert!(copied.status.success(), "{copied:?}");
    fs::set_permissions(here, Permissions::from_mode(0o755)).expect("chmod");
    for workers in WORKERS {
        let mut command = program(copy.to_str().expect("a plain path"), workers);
        command.arg("tree").current_dir(here);
        if root {
            command.uid(65_534);
            let may_change = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
            if may_change.is_err_and(|err| err.kind() == ErrorKind::PermissionDenied) {
                eprintln!("skipped: permissions do not stop this user, who cannot be another");
                return;
            }
        }
        let finished = run(&mut command);
        let said = "\
md5all: tree/line\\nsecret: Permission denied (os error 13)
md5all: tree/locked: Permission denied (os error 13)
md5all: tree/secret: Permission denied (os error 13)
";
        assert_eq!(finished.stderr, said);
        assert_eq!(
            String::from_utf8_lossy(&finished.stdout),
            String::from_utf8_lossy(&expected),
        );
        assert_eq!(finished.status.code(), Some(1));
    }
    // Root or not, the directory can be removed again.
    fs::set_permissions(here.join("tree/locked"), Permissions::from_mode(0o755)).expect("chmod");
}

#[test]
fn says_so_when_there_is_nothing_to_walk() {
    for workers in WORKERS {
        let finished = md5all(Path::new("/"), &["no/such/directory"], workers);
        assert_eq!(
            finished.stderr,
            "md5all: no/such/directory: No such file or directory (os error 2)\n"
        );
        assert!(finished.stdout.is_empty());
        assert_eq!(finished.status.code(), Some(1));
    }
}

const SMALL_FILES: usize = 5000;

/// A tree with more lines than md5all buffers, followed by a file that takes
/// hours to digest.
fn endless_tree() -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for i in 0..SMALL_FILES {
        File::create(directory.path().join(format!("{i:04}"))).expect("a file");
    }
    let last = File::create(directory.path().join("last")).expect("a file");
    last.set_len(1 << 42).expect("a file full of holes");
    directory
}

#[test]
fn prints_while_a_big_file_is_digested() {
    let directory = endless_tree();
    for workers in WORKERS {
        let mut command = program(MD5ALL, workers);
        command.arg(".").current_dir(directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("md5all starts");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (counted, count) = mpsc::channel();
        let reader = thread::spawn(move || {
            let lines = stdout.lines().take(SMALL_FILES).count();
            counted.send(lines).expect("the test waits for the count");
        });
        let lines = count.recv_timeout(LIMIT);
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be waited for");
        reader.join().expect("reading does not panic");
        assert_eq!(lines, Ok(SMALL_FILES), "on {workers} workers");
    }
}

#[test]
fn stops_early_when_the_reader_leaves() {
    let directory = endless_tree();
    for workers in WORKERS {
        let mut command = program(MD5ALL, workers);
        command.arg(".").current_dir(directory.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("md5all starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a pipe can be read");
        assert_eq!(line, "d41d8cd98f00b204e9800998ecf8427e  ./0000\n");
        drop(stdout);
        let status = wait(&mut child).expect("md5all stops when its output is closed");
        assert_eq!(status.code(), Some(1));
        let stderr = std::io::read_to_string(child.stderr.take().expect("a pipe"));
        assert_eq!(
            stderr.expect("UTF-8"),
            "",
            "a reader who leaves is no error to speak of"
        );
    }
}

#[test]
fn stops_early_when_the_disk_is_full() {
    let directory = endless_tree();
    for workers in WORKERS {
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        let mut command = program(MD5ALL, workers);
        command.arg(".").current_dir(directory.path());
        command
            .stdin(Stdio::null())
            .stdout(full)
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("md5all starts");
        let status = wait(&mut child).expect("md5all stops when it cannot write");
        assert_eq!(status.code(), Some(1));
        let stderr = std::io::read_to_string(child.stderr.take().expect("a pipe"));
        assert_eq!(
            stderr.expect("UTF-8"),
            "md5all: standard output: No space left on device (os error 28)\n"
        );
    }
}

#[test]
fn refuses_bad_arguments() {
    let none: [&str; 0] = [];
    let finished = md5all(Path::new("/"), &none, 1);
    assert!(
        finished
            .stderr
            .contains("required arguments were not provided"),
        "{finished:?}"
    );
    assert_eq!(finished.status.code(), Some(2));
    let finished = md5all(Path::new("/"), &["--jobs", "0", "."], 1);
    assert!(
        finished
            .stderr
            .contains("invalid value '0' for '--jobs <N>'"),
        "{finished:?}"
    );
    assert_eq!(finished.status.code(), Some(2));
}
