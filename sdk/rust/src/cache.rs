//! The flags in use, kept on disk, so that a process that starts while the server is away has the last ones.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bellwether_core::{Refusal, Snapshot, State, digest};
#[cfg(unix)]
use rustix::fs::OFlags;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::shared::Shared;
use crate::snapshot::SNAPSHOT_BYTES;

/// What a file begins with: its form.
const FORM: &str = "bellwether-flags-1";
/// The longest first line.
const HEAD_BYTES: usize = 256;
/// The least time between two writes: changes that come in a row are written once.
const PAUSE: Duration = Duration::from_secs(1);

/// The file that the flags of one server and key are kept in.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
    /// Names the server and key that the flags are of; the key does not follow from it.
    origin: String,
}

/// Why a file was not used.
#[derive(Debug, Error)]
pub(crate) enum CacheError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is not a file of flags in a form that this version knows")]
    Form,
    #[error("it holds the flags of another server or key")]
    Foreign,
    #[error("it is not as it was written")]
    Corrupt,
    #[error("its flags are refused: {0}")]
    Refused(#[from] Refusal),
}

impl Cache {
    pub(crate) fn new(directory: PathBuf, url: &str, key: &str) -> Self {
        Self { directory, origin: digest(&format!("{url}\n{key}")).replace("sha256:", "") }
    }

    fn path(&self) -> PathBuf {
        self.directory.join(format!("{}.flags", self.origin.get(..16).unwrap_or(&self.origin)))
    }

    /// The flags as they were kept; none when there are none yet.
    pub(crate) fn load(&self) -> Result<Option<State>, CacheError> {
        let text = match read(&self.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let text = std::str::from_utf8(&text).map_err(|_| CacheError::Corrupt)?;
        let (head, json) =
            text.split_once('\n').filter(|(head, _)| head.len() <= HEAD_BYTES).ok_or(CacheError::Form)?;
        let mut words = head.split(' ');
        let (form, origin, sum) = (words.next(), words.next(), words.next());
        if form != Some(FORM) || words.next().is_some() {
            return Err(CacheError::Form);
        }
        if origin != Some(&*self.origin) {
            return Err(CacheError::Foreign);
        }
        if sum != Some(&*digest(json)) {
            return Err(CacheError::Corrupt);
        }
        let snapshot: Snapshot = serde_json::from_str(json).map_err(|_| CacheError::Corrupt)?;
        Ok(Some(State::from_snapshot(snapshot)?))
    }

    /// Keeps flags: beside the file, and in its place once they are all there.
    fn keep(&self, state: &State) -> io::Result<()> {
        let json = serde_json::to_string(&state.to_snapshot())?;
        make_directory(&self.directory)?;
        // Readable by this user alone, as temporary files are; removed again unless it takes its place.
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        writeln!(file, "{FORM} {} {}", self.origin, digest(&json))?;
        file.write_all(json.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(self.path())?;
        Ok(())
    }
}

/// With whom it is made, nobody else may look into it.
fn make_directory(directory: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)
}

/// The bytes of a regular file that is no larger than flags can be. Never waits for another process.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut options = std::fs::OpenOptions::new();
    // A pipe would be waited for until somebody writes to it.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, OFlags::NONBLOCK.bits().cast_signed());
    let file = options.read(true).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let most = (SNAPSHOT_BYTES + HEAD_BYTES) as u64;
    let too_long = || io::Error::other(format!("it has more than {most} bytes"));
    if about.len() > most {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    // It may grow in the meantime.
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_long()) } else { Ok(bytes) }
}

/// Keeps what comes into use, until `stop` changes or loses its last sender, and the last of it then.
pub(crate) async fn keep(cache: Cache, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut revisions = shared.revisions();
    // What was loaded or given at the start need not be written again.
    revisions.mark_unchanged();
    let mut failing = false;
    loop {
        let ended = tokio::select! {
            changed = revisions.changed() => changed.is_err(),
            _ = stop.wait_for(|stop| *stop) => true,
        };
        if ended && !revisions.has_changed().unwrap_or(false) {
            return;
        }
        revisions.mark_unchanged();
        if let Some(state) = shared.state_owned() {
            let cache = cache.clone();
            // A panic in there has been reported by its thread.
            let kept = tokio::task::spawn_blocking(move || cache.keep(&state)).await.unwrap_or(Ok(()));
            match kept {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    tracing::warn!(%error, "flags can't be kept on disk");
                    failing = true;
                }
                Err(_) => {}
            }
        }
        if ended {
            return;
        }
        tokio::select! {
            () = sleep(PAUSE) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

#[cfg(test)]
mod tests;
