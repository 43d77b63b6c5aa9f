use std::io;
use std::path::Path;

use crate::files::FileLock;

/// Shows that this process alone has the store open.
///
/// SQLite would let several processes write one file, but a server answers from memory and would not see what
/// another process changed.
#[derive(Debug)]
pub struct Held {
    _lock: FileLock,
}

impl Held {
    /// Takes the store at `path`, or `None` when another process has it.
    pub(super) fn take(path: &Path) -> io::Result<Option<Self>> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".lock");
        Ok(FileLock::try_take(Path::new(&beside))?.map(|lock| Self { _lock: lock }))
    }
}
