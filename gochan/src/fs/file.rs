//! Open files.

use super::{FileTimes, Metadata, OpenOptions, Permissions, TryLockError};
use crate::blocking;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::SystemTime;

/// An open file, as [`std::fs::File`]. It is read, written and moved in by the traits of
/// [`std::io`]; sharing it (`&File` has them too) shares its position. On Unix those of
/// `std::os::unix::fs::FileExt` read and write at a place of one's own.
///
/// It is closed when it is dropped, at once and where it is dropped; errors of closing are lost.
/// Who must know calls [`sync_all`](File::sync_all) first.
///
/// ```
/// use gochan::fs::File;
/// use std::io::{Read, Seek, SeekFrom, Write};
///
/// # let path = std::env::temp_dir().join(format!("gochan-File-{}", std::process::id()));
/// let mut file = File::options().read(true).write(true).create(true).open(&path)?;
/// file.write_all(b"goroutines")?;
/// file.seek(SeekFrom::Start(2))?;
/// let mut text = String::new();
/// file.read_to_string(&mut text)?;
/// assert_eq!(text, "routines");
/// # gochan::fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct File {
    file: std::fs::File,
}

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// use gochan::fs::File;
    /// use std::io::ErrorKind;
    ///
    /// assert_eq!(File::open("no such file").unwrap_err().kind(), ErrorKind::NotFound);
    /// ```
    #[track_caller]
    pub fn open<P: AsRef<Path>>(path: P) -> io::Result<File> {
        OpenOptions::new().read(true).open(path)
    }

    /// Opens a file for writing: makes it if it is not there, and empties it if it is.
    ///
    /// # Errors
    /// The system's.
    #[track_caller]
    pub fn create<P: AsRef<Path>>(path: P) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).open(path)
    }

    /// Makes a file, for reading and writing.
    ///
    /// # Errors
    /// The system's; [`AlreadyExists`](io::ErrorKind::AlreadyExists) if there is one.
    #[track_caller]
    pub fn create_new<P: AsRef<Path>>(path: P) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).open(path)
    }

    /// Other ways to open a file.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Waits until content and metadata have reached the disk.
    ///
    /// # Errors
    /// The system's.
    #[track_caller]
    pub fn sync_all(&self) -> io::Result<()> {
        blocking(|| self.file.sync_all())
    }

    /// Waits until the content has reached the disk.
    ///
    /// # Errors
    /// The system's.
    #[track_caller]
    pub fn sync_data(&self) -> io::Result<()> {
        blocking(|| self.file.sync_data())
    }

    /// Cuts the file off at `size` bytes, or fills it with zeros up to there.
    ///
    /// # Errors
    /// The system's.
    #[track_caller]
    pub fn set_len(&self, size: u64) -> io::Result<()> {
        blocking(|| self.file.set_len(size))
    }

    /// What the system knows of the file.
    ///
    /// # Errors
    /// The system's.
    #[track_caller]
    pub fn metadata(&self) -> io::Result<Metadata> {
        blocking(|| self.file.metadata())
    }

    /// A second handle to the same open file: they share the position.
    ///
    /// # Errors
    /// The system's.
    #[track_caller]
    pub fn try_clone(&self) -> io::Result<File> {
        blocking(|| self.file.try_clone()).map(File::from)
    }

    /// Sets the permissions.
    ///
    /// # Errors
    /// The system's.
    #[track_caller]
    pub fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        blocking(|| self.file.set_permissions(permissions))
    }

    /// Sets the times of access and change.
    ///
    /// # Errors
    /// The system's.
    #[track_caller]
    pub fn set_times(&self, times: FileTimes) -> io::Result<()> {
        blocking(|| self.file.set_times(times))
    }

    /// Sets the time of the last change.
    ///
    /// # Errors
    /// The system's.
    #[track_caller]
    pub fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.set_times(FileTimes::new().set_modified(time))
    }

    /// Waits for the file's lock, for nobody else to have. The wait keeps a helper thread.
    ///
    /// # Errors
    /// The system's.
    #[track_caller]
    pub fn lock(&self) -> io::Result<()> {
        blocking(|| self.file.lock())
    }

    /// Waits for the file's lock, to have with others who share it. The wait keeps a helper
    /// thread.
    ///
    /// # Errors
    /// The system's.
    #[track_caller]
    pub fn lock_shared(&self) -> io::Result<()> {
        blocking(|| self.file.lock_shared())
    }

    /// Takes the file's lock if nobody has it.
    ///
    /// # Errors
    /// That somebody has it, or the system's.
    pub fn try_lock(&self) -> Result<(), TryLockError> {
        // At once: those who wait for the lock may keep all helper threads.
        self.file.try_lock()
    }

    /// Takes the file's lock if nobody has it for himself.
    ///
    /// # Errors
    /// That somebody has it, or the system's.
    pub fn try_lock_shared(&self) -> Result<(), TryLockError> {
        // As in `try_lock`.
        self.file.try_lock_shared()
    }

    /// Gives the file's lock back.
    ///
    /// # Errors
    /// The system's.
    pub fn unlock(&self) -> io::Result<()> {
        // As in `try_lock`.
        self.file.unlock()
    }

    /// The file as the standard library has it.
    pub fn into_std(self) -> std::fs::File {
        self.file
    }
}

impl Read for &File {
    #[track_caller]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        blocking(|| (&self.file).read(buffer))
    }

    #[track_caller]
    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        blocking(|| (&self.file).read_vectored(buffers))
    }

    #[track_caller]
    fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        blocking(|| (&self.file).read_exact(buffer))
    }

    #[track_caller]
    fn read_to_end(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        blocking(|| (&self.file).read_to_end(buffer))
    }

    #[track_caller]
    fn read_to_string(&mut self, buffer: &mut String) -> io::Result<usize> {
        blocking(|| (&self.file).read_to_string(buffer))
    }
}

impl Write for &File {
    #[track_caller]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        blocking(|| (&self.file).write(bytes))
    }

    #[track_caller]
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        blocking(|| (&self.file).write_vectored(slices))
    }

    #[track_caller]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        blocking(|| (&self.file).write_all(bytes))
    }

    /// Does nothing: nothing is buffered here.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for &File {
    #[track_caller]
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        blocking(|| (&self.file).seek(to))
    }
}

impl Read for File {
    #[track_caller]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }

    #[track_caller]
    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(buffers)
    }

    #[track_caller]
    fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        (&*self).read_exact(buffer)
    }

    #[track_caller]
    fn read_to_end(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        (&*self).read_to_end(buffer)
    }

    #[track_caller]
    fn read_to_string(&mut self, buffer: &mut String) -> io::Result<usize> {
        (&*self).read_to_string(buffer)
    }
}

impl Write for File {
    #[track_caller]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    #[track_caller]
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(slices)
    }

    #[track_caller]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self).write_all(bytes)
    }

    /// Does nothing: nothing is buffered here.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for File {
    #[track_caller]
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        (&*self).seek(to)
    }
}

impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> Self {
        File { file }
    }
}

impl From<File> for std::fs::File {
    fn from(file: File) -> Self {
        file.file
    }
}

/// For a program that is to be started: its input, its output or its errors.
impl From<File> for Stdio {
    fn from(file: File) -> Self {
        file.file.into()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.file, f)
    }
}

#[cfg(unix)]
mod unix {
    use super::File;
    use crate::blocking;
    use std::io;
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
    use std::os::unix::fs::FileExt;

    impl FileExt for File {
        #[track_caller]
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            blocking(|| self.file.read_at(buffer, offset))
        }

        #[track_caller]
        fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
            blocking(|| self.file.read_exact_at(buffer, offset))
        }

        #[track_caller]
        fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
            blocking(|| self.file.write_at(bytes, offset))
        }

        #[track_caller]
        fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
            blocking(|| self.file.write_all_at(bytes, offset))
        }
    }

    impl AsFd for File {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.file.as_fd()
        }
    }

    impl AsRawFd for File {
        fn as_raw_fd(&self) -> RawFd {
            self.file.as_raw_fd()
        }
    }

    impl IntoRawFd for File {
        fn into_raw_fd(self) -> RawFd {
            self.file.into_raw_fd()
        }
    }

    impl FromRawFd for File {
        unsafe fn from_raw_fd(fd: RawFd) -> Self {
            // SAFETY: the caller's promise is the function's.
            unsafe { std::fs::File::from_raw_fd(fd) }.into()
        }
    }

    impl From<File> for OwnedFd {
        fn from(file: File) -> Self {
            file.file.into()
        }
    }

    impl From<OwnedFd> for File {
        fn from(fd: OwnedFd) -> Self {
            std::fs::File::from(fd).into()
        }
    }
}
