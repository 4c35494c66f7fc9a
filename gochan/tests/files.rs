//! `gochan::fs` and `gochan::net`: what `std::fs` does, without keeping a worker.

mod harness;

use gochan::fs::{self, DirBuilder, File, OpenOptions};
use gochan::prelude::*;
use gochan::{net, runtime};
use harness::{each_runtime, everywhere, on_workers, panic_of, watch};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// A directory that is removed at the end of the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("gochan-files-{}-{next}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn whole_files() {
    everywhere(|| {
        let scratch = Scratch::new();
        let file = scratch.at("file");
        fs::write(&file, "content").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"content");
        assert_eq!(fs::read_to_string(&file).unwrap(), "content");
        assert_eq!(fs::copy(&file, scratch.at("copy")).unwrap(), 7);
        fs::rename(scratch.at("copy"), scratch.at("renamed")).unwrap();
        fs::hard_link(&file, scratch.at("second")).unwrap();
        fs::write(&file, "something else").unwrap();
        assert_eq!(fs::read(scratch.at("second")).unwrap(), b"something else");
        fs::write(&file, "content").unwrap();
        assert!(!fs::exists(scratch.at("copy")).unwrap());
        fs::remove_file(&file).unwrap();
        for name in ["renamed", "second"] {
            assert_eq!(
                std::fs::read_to_string(scratch.at(name)).unwrap(),
                "content"
            );
        }
        let error = fs::read(&file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        fs::write(&file, [0xFF, 0xFE]).unwrap();
        let error = fs::read_to_string(&file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    });
}

#[test]
fn metadata_and_permissions() {
    everywhere(|| {
        let scratch = Scratch::new();
        let file = scratch.at("file");
        fs::write(&file, "12345").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().len(), 5);
        assert!(fs::symlink_metadata(&scratch.0).unwrap().is_dir());
        assert!(fs::canonicalize(scratch.at(".")).unwrap().is_absolute());
        let mut permissions = fs::metadata(&file).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&file, permissions).unwrap();
        assert!(std::fs::metadata(&file).unwrap().permissions().readonly());
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&file, scratch.at("link")).unwrap();
            assert_eq!(fs::read_link(scratch.at("link")).unwrap(), file);
            let metadata = fs::symlink_metadata(scratch.at("link")).unwrap();
            assert!(metadata.is_symlink());
        }
    });
}

#[test]
fn directories() {
    each_runtime(|| {
        let scratch = Scratch::new();
        fs::create_dir(scratch.at("one")).unwrap();
        fs::create_dir_all(scratch.at("two/deep")).unwrap();
        DirBuilder::new()
            .recursive(true)
            .create(scratch.at("two/deep"))
            .unwrap();
        let error = DirBuilder::new().create(scratch.at("one")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        // More than are read at a time.
        let count = 200;
        for number in 0..count {
            std::fs::write(scratch.at(&format!("two/{number}")), vec![0; number]).unwrap();
        }
        let mut lengths = Vec::new();
        for entry in fs::read_dir(scratch.at("two")).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.path(), scratch.at("two").join(entry.file_name()));
            if entry.file_type().unwrap().is_file() {
                lengths.push(entry.metadata().unwrap().len());
            } else {
                assert_eq!(entry.file_name(), "deep");
            }
        }
        lengths.sort_unstable();
        assert_eq!(lengths, (0..count as u64).collect::<Vec<_>>());
        assert!(
            fs::remove_dir(scratch.at("two")).is_err(),
            "it is not empty"
        );
        fs::remove_dir_all(scratch.at("two")).unwrap();
        fs::remove_dir(scratch.at("one")).unwrap();
        assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0);
        assert!(fs::read_dir(scratch.at("one")).is_err());
    });
}

#[cfg(unix)]
#[test]
fn an_entry_of_a_directory_knows_its_inode() {
    use std::os::unix::fs::{DirEntryExt, MetadataExt};

    each_runtime(|| {
        let scratch = Scratch::new();
        fs::write(scratch.at("file"), "").unwrap();
        let entry = fs::read_dir(&scratch.0).unwrap().next().unwrap().unwrap();
        assert_eq!(entry.ino(), fs::metadata(entry.path()).unwrap().ino());
    });
}

#[test]
fn an_open_file_is_read_written_and_moved_in() {
    everywhere(|| {
        let scratch = Scratch::new();
        let path = scratch.at("file");
        let mut file = File::create_new(&path).unwrap();
        assert!(File::create_new(&path).is_err());
        file.write_all(b"one\ntwo\nthree\n").unwrap();
        file.write_all(b"four").unwrap();
        file.flush().unwrap();
        file.sync_data().unwrap();
        file.sync_all().unwrap();
        assert_eq!(file.seek(SeekFrom::Start(4)).unwrap(), 4);
        let mut three = [0; 3];
        file.read_exact(&mut three).unwrap();
        assert_eq!(&three, b"two");
        file.read_exact(&mut three).unwrap();
        assert_eq!(&three, b"\nth");
        let mut rest = String::new();
        file.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "ree\nfour");
        file.rewind().unwrap();
        let mut other = file.try_clone().unwrap();
        let mut all = Vec::new();
        other.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"one\ntwo\nthree\nfour");
        assert_eq!(
            file.stream_position().unwrap(),
            18,
            "the clone shares the position"
        );
        file.set_len(3).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 3);
        let year_2000 = SystemTime::UNIX_EPOCH + Duration::from_secs(946_684_800);
        file.set_modified(year_2000).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().modified().unwrap(),
            year_2000
        );
        drop(file);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b" more").unwrap();
        let lines = BufReader::new(File::open(&path).unwrap()).lines();
        assert_eq!(lines.map(Result::unwrap).collect::<Vec<_>>(), ["one more"]);
        File::create(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        let error = File::open(&path).unwrap().read_exact(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        let error = OpenOptions::new().open(&path).unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::InvalidInput,
            "no way to open it was named"
        );
        let std: std::fs::File = File::open(&path).unwrap().into_std();
        assert_eq!(File::from(std).metadata().unwrap().len(), 0);
    });
}

/// On Windows the standard library takes one buffer at a time.
#[cfg(unix)]
#[test]
fn several_buffers_are_written_and_read_at_once() {
    use std::io::{IoSlice, IoSliceMut};

    everywhere(|| {
        let scratch = Scratch::new();
        let path = scratch.at("buffers");
        let mut file = File::create(&path).unwrap();
        let slices = [IoSlice::new(b"fo"), IoSlice::new(b"ur")];
        assert_eq!(file.write_vectored(&slices).unwrap(), 4);
        let mut file = File::open(&path).unwrap();
        let (mut first, mut second) = ([0; 1], [0; 2]);
        let mut slices = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(file.read_vectored(&mut slices).unwrap(), 3);
        assert_eq!((&first, &second), (b"f", b"ou"));
    });
}

#[cfg(unix)]
#[test]
fn a_shared_file_is_read_and_written_at_a_place() {
    use std::os::unix::fs::FileExt;

    each_runtime(|| {
        let scratch = Scratch::new();
        let path = scratch.at("places");
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).open(&path);
        let file = Arc::new(file.unwrap());
        let writers = (0..4_u8).map(|n| {
            go!(clone(file), {
                file.write_all_at(&[n; 2], u64::from(n) * 2)
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.join().unwrap().unwrap();
        }
        let mut three = [0; 3];
        file.read_exact_at(&mut three, 3).unwrap();
        assert_eq!(three, [1, 2, 2]);
        assert_eq!(file.read_at(&mut three, 7).unwrap(), 1);
        assert_eq!(file.write_at(&[9], 8).unwrap(), 1);
        assert_eq!((&*file).stream_position().unwrap(), 0);
        assert_eq!(fs::read(&path).unwrap(), [0, 0, 1, 1, 2, 2, 3, 3, 9]);
    });
}

#[cfg(unix)]
#[test]
fn a_file_is_the_input_or_output_of_a_program() {
    use std::process::Command;

    each_runtime(|| {
        let scratch = Scratch::new();
        let (from, to) = (scratch.at("from"), scratch.at("to"));
        fs::write(&from, "goroutines").unwrap();
        let mut cat = Command::new("cat");
        cat.stdin(File::open(&from).unwrap());
        cat.stdout(File::create(&to).unwrap());
        assert!(gochan::blocking(|| cat.status()).unwrap().success());
        assert_eq!(fs::read_to_string(&to).unwrap(), "goroutines");
    });
}

#[test]
fn locks_exclude_each_other() {
    each_runtime(|| {
        let scratch = Scratch::new();
        let path = scratch.at("locked");
        let (first, second) = (File::create(&path).unwrap(), File::open(&path).unwrap());
        first.lock_shared().unwrap();
        second.try_lock_shared().unwrap();
        assert!(matches!(
            first.try_lock(),
            Err(fs::TryLockError::WouldBlock)
        ));
        first.unlock().unwrap();
        second.unlock().unwrap();
        first.lock().unwrap();
        let waiting = go!({ second.lock().map(|()| second) });
        gochan::yield_now();
        first.unlock().unwrap();
        waiting.join().unwrap().unwrap().unlock().unwrap();
    });
}

#[test]
fn who_has_a_lock_gives_it_back_though_others_keep_all_helper_threads() {
    for workers in [1, 2] {
        let _watched = watch();
        let config = runtime::Config::new().workers(workers).blocking_threads(1);
        runtime::Runtime::new(config).unwrap().run(|| {
            let scratch = Scratch::new();
            let path = scratch.at("locked");
            let first = File::create(&path).unwrap();
            let [second, third] = [(); 2].map(|()| File::open(&path).unwrap());
            first.lock().unwrap();
            let waiting = go!(near, { second.lock() });
            gochan::yield_now();
            assert!(third.try_lock_shared().is_err());
            assert!(third.try_lock().is_err());
            first.unlock().unwrap();
            waiting.join().unwrap().unwrap();
        });
    }
}

/// A pipe that nobody writes to yet blocks the thread that opens it, so only if the worker is free
/// can the writer come.
#[cfg(unix)]
#[test]
fn a_file_that_blocks_keeps_no_worker() {
    on_workers(1, || {
        let scratch = Scratch::new();
        let path = scratch.at("pipe");
        let status = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(status.unwrap().success());
        let reader = go!(fs::read_to_string(path.clone()));
        gochan::yield_now();
        fs::write(&path, "through the pipe").unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), "through the pipe");
        let opener = go!(File::open(path.clone()));
        gochan::yield_now();
        File::options().write(true).open(&path).unwrap();
        opener.join().unwrap().unwrap();
    });
}

#[test]
fn host_names() {
    everywhere(|| {
        let literal: Vec<_> = net::lookup_host(("127.0.0.1", 80)).unwrap().collect();
        assert_eq!(literal, ["127.0.0.1:80".parse().unwrap()]);
        let name = String::from("localhost");
        let found = net::lookup_host((name.as_str(), 443)).unwrap();
        for address in found {
            assert!(
                address.ip().is_loopback() && address.port() == 443,
                "{address}"
            );
        }
        let error = net::lookup_host("no port").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

// ----- the helper threads that all of this stands on ----------------------------------------

#[test]
fn many_calls_at_once_are_all_served_within_the_bound() {
    let _watched = watch();
    let config = runtime::Config::new().workers(2).blocking_threads(3);
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    runtime::Runtime::new(config).unwrap().run(|| {
        gochan::scope(|s| {
            let (now, most) = (&now, &most);
            for number in 0..200_usize {
                go!(in s, {
                    let doubled = gochan::blocking(|| {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_micros(100));
                        now.fetch_sub(1, Ordering::SeqCst);
                        number * 2
                    });
                    assert_eq!(doubled, number * 2);
                });
            }
        });
    });
    let most = most.into_inner();
    assert!((1..=3).contains(&most), "{most} at a time");
}

#[test]
fn first_come_first_served_for_goroutines() {
    let _watched = watch();
    let config = runtime::Config::new().workers(1).blocking_threads(1);
    let order = Arc::new(Mutex::new(Vec::new()));
    runtime::Runtime::new(config).unwrap().run(|| {
        let gate = Arc::new(std::sync::Barrier::new(2));
        let first = go!(clone(gate), {
            gochan::blocking(|| gate.wait().is_leader())
        });
        let others: Vec<_> = (0..50)
            .map(|number| {
                go!(clone(order), {
                    gochan::blocking(|| order.lock().unwrap().push(number));
                })
            })
            .collect();
        // All have queued up behind the first.
        gochan::yield_now();
        gate.wait();
        first.join().unwrap();
        others.into_iter().for_each(|other| other.join().unwrap());
    });
    assert_eq!(*order.lock().unwrap(), (0..50).collect::<Vec<_>>());
}

/// The closure borrows from a goroutine that is to unwind meanwhile: it does so after the closure
/// has ended, not before.
#[test]
fn the_end_of_the_runtime_waits_for_a_call_under_way() {
    for workers in [1, 2] {
        struct Marked<'a>(&'a AtomicUsize);
        impl Drop for Marked<'_> {
            fn drop(&mut self) {
                self.0.store(2, Ordering::SeqCst);
            }
        }
        let state: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(0)));
        let seen: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(9)));
        on_workers(workers, || {
            let started = Chan::<()>::new(1);
            go!(clone(started), {
                let marked = Marked(state);
                gochan::blocking(|| {
                    started.send(()).unwrap();
                    std::thread::sleep(Duration::from_millis(50));
                    // The borrowed value is still there.
                    seen.store(marked.0.load(Ordering::SeqCst), Ordering::SeqCst);
                    marked.0.store(1, Ordering::SeqCst);
                });
                // The runtime has ended meanwhile: here the goroutine unwinds.
                gochan::Chan::<()>::new(0).recv();
                unreachable!("nobody sends");
            });
            started.recv().unwrap();
        });
        assert_eq!(seen.load(Ordering::SeqCst), 0);
        assert_eq!(state.load(Ordering::SeqCst), 2, "the destructor has run");
    }
}

#[test]
fn a_panic_comes_back_with_its_payload() {
    everywhere(|| {
        struct Payload(u32);
        let caught = std::panic::catch_unwind(|| {
            gochan::blocking(|| std::panic::resume_unwind(Box::new(Payload(7))))
        });
        let Err(payload) = caught;
        assert_eq!(payload.downcast_ref::<Payload>().unwrap().0, 7);
        let text = panic_of(|| gochan::blocking(|| panic!("on a {}", "helper")));
        assert_eq!(text, "on a helper");
    });
}

#[test]
fn calls_within_calls_and_channels_within_calls() {
    each_runtime(|| {
        let answers = Chan::<usize>::new(0);
        let reader = go!(clone(answers), { answers.recv() });
        let length = gochan::blocking(|| {
            let bytes = gochan::blocking(|| std::fs::read("Cargo.toml").unwrap());
            answers.send(bytes.len()).unwrap();
            bytes.len()
        });
        assert_eq!(reader.join().unwrap(), Some(length));
        assert!(Path::new("Cargo.toml").metadata().unwrap().len() as usize == length);
    });
}
