//! How a file is to be opened.

use super::File;
use crate::blocking;
use std::io;
use std::path::Path;

/// How a file is to be opened, as [`std::fs::OpenOptions`].
///
/// For options of one system only, make a [`std::fs::OpenOptions`] and convert it.
///
/// ```
/// use gochan::fs::{self, OpenOptions};
/// use std::io::Write;
///
/// # let path = std::env::temp_dir().join(format!("gochan-OpenOptions-{}", std::process::id()));
/// let mut log = OpenOptions::new().append(true).create(true).open(&path)?;
/// writeln!(log, "one more line")?;
/// # fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions {
    options: std::fs::OpenOptions,
}

impl OpenOptions {
    /// Nothing allowed yet.
    pub fn new() -> Self {
        std::fs::OpenOptions::new().into()
    }

    /// For reading.
    pub fn read(&mut self, read: bool) -> &mut Self {
        self.options.read(read);
        self
    }

    /// For writing.
    pub fn write(&mut self, write: bool) -> &mut Self {
        self.options.write(write);
        self
    }

    /// For writing, always at the end.
    pub fn append(&mut self, append: bool) -> &mut Self {
        self.options.append(append);
        self
    }

    /// What the file held is dropped.
    pub fn truncate(&mut self, truncate: bool) -> &mut Self {
        self.options.truncate(truncate);
        self
    }

    /// A file that is not there is made.
    pub fn create(&mut self, create: bool) -> &mut Self {
        self.options.create(create);
        self
    }

    /// The file is made; that there is one already is an error.
    pub fn create_new(&mut self, create_new: bool) -> &mut Self {
        self.options.create_new(create_new);
        self
    }

    /// Opens the file at `path`.
    ///
    /// # Errors
    /// The system's, or that the options contradict each other.
    #[track_caller]
    pub fn open<P: AsRef<Path>>(&self, path: P) -> io::Result<File> {
        let path = path.as_ref();
        blocking(|| self.options.open(path)).map(File::from)
    }
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions::new()
    }
}

impl From<std::fs::OpenOptions> for OpenOptions {
    fn from(options: std::fs::OpenOptions) -> Self {
        OpenOptions { options }
    }
}
