//! Directories.

use super::{FileType, Metadata};
use crate::blocking;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::{Path, PathBuf};

/// How many entries are read on one way to the helper thread.
const BATCH: usize = 64;

/// What is in a directory. As [`std::fs::read_dir`].
///
/// # Errors
/// The system's.
///
/// ```
/// use gochan::fs;
///
/// let mut names = Vec::new();
/// for entry in fs::read_dir(".")? {
///     names.push(entry?.file_name());
/// }
/// assert!(names.iter().any(|name| name == "Cargo.toml"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn read_dir<P: AsRef<Path>>(path: P) -> io::Result<ReadDir> {
    let path = path.as_ref();
    Ok(ReadDir {
        unread: blocking(|| std::fs::read_dir(path))?,
        read: VecDeque::new(),
    })
}

/// The entries of a directory, from [`read_dir`]. An entry that cannot be read is an error, and
/// the iteration goes on behind it.
///
/// ```
/// let entries: gochan::fs::ReadDir = gochan::fs::read_dir(".")?;
/// assert!(entries.count() > 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct ReadDir {
    unread: std::fs::ReadDir,
    read: VecDeque<io::Result<std::fs::DirEntry>>,
}

impl Iterator for ReadDir {
    type Item = io::Result<DirEntry>;

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        if self.read.is_empty() {
            let ReadDir { unread, read } = self;
            blocking(|| read.extend(unread.take(BATCH)));
        }
        let entry = self.read.pop_front()?;
        Some(entry.map(|entry| DirEntry { entry }))
    }
}

// As that of the standard library: entries are read and taken whole.
impl UnwindSafe for ReadDir {}
impl RefUnwindSafe for ReadDir {}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.unread, f)
    }
}

/// An entry of a directory, from [`ReadDir`]. On Unix `std::os::unix::fs::DirEntryExt` tells its
/// inode, for which the system need not be asked again.
///
/// ```
/// for entry in gochan::fs::read_dir(".")? {
///     let entry = entry?;
///     println!("{} {}", entry.path().display(), entry.metadata()?.len());
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct DirEntry {
    entry: std::fs::DirEntry,
}

impl DirEntry {
    /// The path: that of the directory, as it was given, with the name.
    pub fn path(&self) -> PathBuf {
        self.entry.path()
    }

    /// The name, without the directory.
    pub fn file_name(&self) -> OsString {
        self.entry.file_name()
    }

    /// What the system knows of it; of a symbolic link itself, if it is one.
    ///
    /// # Errors
    /// The system's.
    #[track_caller]
    pub fn metadata(&self) -> io::Result<Metadata> {
        blocking(|| self.entry.metadata())
    }

    /// Whether it is a file, a directory, or something else.
    ///
    /// # Errors
    /// The system's.
    #[track_caller]
    pub fn file_type(&self) -> io::Result<FileType> {
        blocking(|| self.entry.file_type())
    }
}

impl fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.entry, f)
    }
}

#[cfg(unix)]
impl std::os::unix::fs::DirEntryExt for DirEntry {
    fn ino(&self) -> u64 {
        self.entry.ino()
    }
}

/// How a directory is to be made, as [`std::fs::DirBuilder`].
///
/// For options of one system only, make a [`std::fs::DirBuilder`] and convert it.
///
/// ```
/// use gochan::fs::{self, DirBuilder};
///
/// # let dir = std::env::temp_dir().join(format!("gochan-DirBuilder-{}", std::process::id()));
/// DirBuilder::new().recursive(true).create(dir.join("a/b"))?;
/// assert!(fs::metadata(dir.join("a/b"))?.is_dir());
/// # fs::remove_dir_all(&dir)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct DirBuilder {
    builder: std::fs::DirBuilder,
}

impl DirBuilder {
    /// One directory, with the usual permissions.
    pub fn new() -> Self {
        std::fs::DirBuilder::new().into()
    }

    /// Those above it that are missing are made too, and it may be there already.
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.builder.recursive(recursive);
        self
    }

    /// Makes the directory.
    ///
    /// # Errors
    /// The system's.
    #[track_caller]
    pub fn create<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        let path = path.as_ref();
        blocking(|| self.builder.create(path))
    }
}

impl Default for DirBuilder {
    fn default() -> Self {
        DirBuilder::new()
    }
}

impl From<std::fs::DirBuilder> for DirBuilder {
    fn from(builder: std::fs::DirBuilder) -> Self {
        DirBuilder { builder }
    }
}
