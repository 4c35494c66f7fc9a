//! Files, as in [`std::fs`], without keeping a worker: each call runs under
//! [`blocking`] on a helper thread while the calling goroutine is parked. On an
//! ordinary thread it simply runs there.
//!
//! A call costs a few microseconds for the way to the helper thread and back. Whole files in one
//! call ([`read`], [`write()`], [`Read::read_to_end`](std::io::Read::read_to_end)) and buffered
//! readers and writers ([`std::io::BufReader`], [`std::io::BufWriter`]) pay it seldom.
//!
//! The types that hold data only are those of the standard library.
//!
//! ```
//! use gochan::fs::{self, File};
//! use gochan::go;
//! use std::io::{BufRead, BufReader};
//!
//! #[gochan::main]
//! fn main() -> std::io::Result<()> {
//!     let size = go!({ fs::metadata("Cargo.toml").map(|metadata| metadata.len()) });
//!     let lines = BufReader::new(File::open("Cargo.toml")?).lines().count();
//!     println!("{lines} lines, {} bytes", size.join().unwrap()?);
//!     Ok(())
//! }
//! ```

mod dir;
mod file;
mod open_options;

pub use dir::{DirBuilder, DirEntry, ReadDir, read_dir};
pub use file::File;
pub use open_options::OpenOptions;
pub use std::fs::{FileTimes, FileType, Metadata, Permissions, TryLockError};

use crate::blocking;
use std::io;
use std::path::{Path, PathBuf};

/// The absolute form of a path, with all links resolved. As [`std::fs::canonicalize`].
///
/// # Errors
/// The system's.
///
/// ```
/// use gochan::fs;
///
/// let here = fs::canonicalize(".")?;
/// assert!(here.is_absolute());
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn canonicalize<P: AsRef<Path>>(path: P) -> io::Result<PathBuf> {
    let path = path.as_ref();
    blocking(|| std::fs::canonicalize(path))
}

/// Copies the content and the permissions of a file, and returns the number of bytes. As [`std::fs::copy`].
///
/// # Errors
/// The system's.
///
/// ```
/// use gochan::fs;
///
/// # let file = std::env::temp_dir().join(format!("gochan-copy-{}", std::process::id()));
/// let length = fs::copy("Cargo.toml", &file)?;
/// assert_eq!(length, fs::metadata("Cargo.toml")?.len());
/// # fs::remove_file(&file)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn copy<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<u64> {
    let (from, to) = (from.as_ref(), to.as_ref());
    blocking(|| std::fs::copy(from, to))
}

/// Makes one directory. As [`std::fs::create_dir`].
///
/// # Errors
/// The system's.
///
/// ```
/// use gochan::fs;
///
/// # let dir = std::env::temp_dir().join(format!("gochan-create_dir-{}", std::process::id()));
/// fs::create_dir(&dir)?;
/// assert!(fs::exists(&dir)?);
/// fs::remove_dir(&dir)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn create_dir<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    blocking(|| std::fs::create_dir(path))
}

/// Makes a directory and those above it that are missing. As [`std::fs::create_dir_all`].
///
/// # Errors
/// The system's.
///
/// ```
/// use gochan::fs;
///
/// # let dir = std::env::temp_dir().join(format!("gochan-create_dir_all-{}", std::process::id()));
/// fs::create_dir_all(dir.join("a/b"))?;
/// assert!(fs::metadata(dir.join("a"))?.is_dir());
/// fs::remove_dir_all(&dir)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn create_dir_all<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    blocking(|| std::fs::create_dir_all(path))
}

/// Whether there is something at a path. As [`std::fs::exists`].
///
/// # Errors
/// The system's.
///
/// ```
/// use gochan::fs;
///
/// assert!(fs::exists("Cargo.toml")?);
/// assert!(!fs::exists("Cargo.tom")?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn exists<P: AsRef<Path>>(path: P) -> io::Result<bool> {
    let path = path.as_ref();
    blocking(|| std::fs::exists(path))
}

/// Gives a file a second name. As [`std::fs::hard_link`].
///
/// # Errors
/// The system's.
///
/// ```
/// use gochan::fs;
///
/// # let file = std::env::temp_dir().join(format!("gochan-hard_link-{}", std::process::id()));
/// let first = file.with_extension("first");
/// fs::write(&first, "one file")?;
/// fs::hard_link(&first, &file)?;
/// assert_eq!(fs::read_to_string(&file)?, "one file");
/// # fs::remove_file(&first)?;
/// # fs::remove_file(&file)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn hard_link<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<()> {
    let (from, to) = (from.as_ref(), to.as_ref());
    blocking(|| std::fs::hard_link(from, to))
}

/// What the system knows of a file, links followed. As [`std::fs::metadata`].
///
/// # Errors
/// The system's.
///
/// ```
/// use gochan::fs;
///
/// assert!(fs::metadata("Cargo.toml")?.len() > 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn metadata<P: AsRef<Path>>(path: P) -> io::Result<Metadata> {
    let path = path.as_ref();
    blocking(|| std::fs::metadata(path))
}

/// The content of a file. As [`std::fs::read`].
///
/// # Errors
/// The system's.
///
/// ```
/// use gochan::fs;
///
/// let bytes = fs::read("Cargo.toml")?;
/// assert!(bytes.starts_with(b"["));
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn read<P: AsRef<Path>>(path: P) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    blocking(|| std::fs::read(path))
}

/// Where a symbolic link points. As [`std::fs::read_link`].
///
/// # Errors
/// The system's.
///
/// ```
/// use gochan::fs;
///
/// assert!(fs::read_link("Cargo.toml").is_err(), "it is no link");
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn read_link<P: AsRef<Path>>(path: P) -> io::Result<PathBuf> {
    let path = path.as_ref();
    blocking(|| std::fs::read_link(path))
}

/// The content of a file that is text in UTF-8. As [`std::fs::read_to_string`].
///
/// # Errors
/// The system's.
///
/// ```
/// use gochan::fs;
///
/// let text = fs::read_to_string("Cargo.toml")?;
/// assert!(text.contains("[package]"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn read_to_string<P: AsRef<Path>>(path: P) -> io::Result<String> {
    let path = path.as_ref();
    blocking(|| std::fs::read_to_string(path))
}

/// Removes an empty directory. As [`std::fs::remove_dir`].
///
/// # Errors
/// The system's.
///
/// ```
/// use gochan::fs;
///
/// # let dir = std::env::temp_dir().join(format!("gochan-remove_dir-{}", std::process::id()));
/// fs::create_dir(&dir)?;
/// fs::remove_dir(&dir)?;
/// assert!(!fs::exists(&dir)?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn remove_dir<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    blocking(|| std::fs::remove_dir(path))
}

/// Removes a directory and all that is in it. A symbolic link is removed, not followed. As [`std::fs::remove_dir_all`].
///
/// # Errors
/// The system's.
///
/// ```
/// use gochan::fs;
///
/// # let dir = std::env::temp_dir().join(format!("gochan-remove_dir_all-{}", std::process::id()));
/// fs::create_dir_all(dir.join("inner"))?;
/// fs::remove_dir_all(&dir)?;
/// assert!(!fs::exists(&dir)?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn remove_dir_all<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    blocking(|| std::fs::remove_dir_all(path))
}

/// Removes a file. As [`std::fs::remove_file`].
///
/// # Errors
/// The system's.
///
/// ```
/// use gochan::fs;
///
/// # let file = std::env::temp_dir().join(format!("gochan-remove_file-{}", std::process::id()));
/// fs::write(&file, "short-lived")?;
/// fs::remove_file(&file)?;
/// assert!(!fs::exists(&file)?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn remove_file<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    blocking(|| std::fs::remove_file(path))
}

/// Renames a file or directory; what had the new name is replaced. As [`std::fs::rename`].
///
/// # Errors
/// The system's.
///
/// ```
/// use gochan::fs;
///
/// # let file = std::env::temp_dir().join(format!("gochan-rename-{}", std::process::id()));
/// let old = file.with_extension("old");
/// fs::write(&old, "text")?;
/// fs::rename(&old, &file)?;
/// assert!(!fs::exists(&old)?);
/// # fs::remove_file(&file)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn rename<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<()> {
    let (from, to) = (from.as_ref(), to.as_ref());
    blocking(|| std::fs::rename(from, to))
}

/// Sets the permissions of a file. As [`std::fs::set_permissions`].
///
/// # Errors
/// The system's.
///
/// ```
/// use gochan::fs;
///
/// # let file = std::env::temp_dir().join(format!("gochan-set_permissions-{}", std::process::id()));
/// fs::write(&file, "for reading")?;
/// let mut permissions = fs::metadata(&file)?.permissions();
/// permissions.set_readonly(true);
/// fs::set_permissions(&file, permissions)?;
/// assert!(fs::metadata(&file)?.permissions().readonly());
/// # fs::remove_file(&file)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn set_permissions<P: AsRef<Path>>(path: P, permissions: Permissions) -> io::Result<()> {
    let path = path.as_ref();
    blocking(|| std::fs::set_permissions(path, permissions))
}

/// What the system knows of a file; of a symbolic link itself, if it is one. As [`std::fs::symlink_metadata`].
///
/// # Errors
/// The system's.
///
/// ```
/// use gochan::fs;
///
/// assert!(!fs::symlink_metadata("Cargo.toml")?.is_symlink());
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn symlink_metadata<P: AsRef<Path>>(path: P) -> io::Result<Metadata> {
    let path = path.as_ref();
    blocking(|| std::fs::symlink_metadata(path))
}

/// Makes a file with this content, or replaces the content of the one there is. As [`std::fs::write`].
///
/// # Errors
/// The system's.
///
/// ```
/// use gochan::fs;
///
/// # let file = std::env::temp_dir().join(format!("gochan-write-{}", std::process::id()));
/// fs::write(&file, "content")?;
/// assert_eq!(fs::read(&file)?, b"content");
/// # fs::remove_file(&file)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn write<P: AsRef<Path>, C: AsRef<[u8]>>(path: P, contents: C) -> io::Result<()> {
    let (path, contents) = (path.as_ref(), contents.as_ref());
    blocking(|| std::fs::write(path, contents))
}
