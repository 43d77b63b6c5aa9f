//! The one place that touches files.
#![expect(clippy::disallowed_methods, reason = "this is the one place")]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Creates a folder and those above it.
///
/// # Errors
/// As the file system says.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Sees to it that a file is there; a new one is for this user alone.
///
/// # Errors
/// As the file system says.
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

/// A file to read from, and its size in bytes.
///
/// # Errors
/// As the file system says.
pub(crate) fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

/// A text file's content.
///
/// # Errors
/// As the file system says, or when it is not UTF-8.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
}

/// A lock on a file, held by this process until it is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock without waiting; `None` when another process has it.
    ///
    /// # Errors
    /// When the file can't be opened or locked.
    pub(crate) fn try_take(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}
