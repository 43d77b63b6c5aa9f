//! Where telemetry waits to be read. It is the first to be turned away when there is too much of everything: what it may
//! take of memory and of the processors is bounded, and none of it is what flags and their changes need.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// Most bytes of bodies that wait to be read or to be written; a permit stands for 1,024.
const ROOM: usize = 32 << 20;
/// Bytes of a permit.
const UNIT: usize = 1 << 10;
/// Bodies up to so many bytes are read at once: it takes less than a hundred microseconds.
const SMALL: usize = 16 << 10;
/// What whoever is turned away is told.
pub(super) const FULL: Error = Error::Busy("more measurements come in than can be written");

/// The room there is. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    room: Arc<Semaphore>,
    readers: Arc<Semaphore>,
}

/// The room that a batch takes until it is written.
#[derive(Debug)]
pub(super) struct Taken {
    bytes: usize,
    _room: OwnedSemaphorePermit,
}

impl Taken {
    /// How large its body is.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Intake {
    /// With half of the processors, one at least, to read what is large.
    pub(super) fn new() -> Self {
        let processors = available_parallelism().map_or(1, NonZero::get);
        Self { room: Arc::new(Semaphore::new(ROOM / UNIT)), readers: Arc::new(Semaphore::new((processors / 2).max(1))) }
    }

    /// Room for a body of so many bytes.
    ///
    /// # Errors
    /// [`Error::Busy`] when there is none.
    pub(super) fn admit(&self, bytes: usize) -> Result<Taken> {
        let permits = u32::try_from(bytes.div_ceil(UNIT)).map_err(|_| FULL)?;
        let room = self.room.clone().try_acquire_many_owned(permits).map_err(|_| FULL)?;
        Ok(Taken { bytes, _room: room })
    }

    /// What `read` makes of a body of so many bytes: off the async threads and in its turn, unless it is small.
    ///
    /// # Errors
    /// As `read`.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        bytes: usize,
        read: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if bytes <= SMALL {
            return read();
        }
        let turn = self.readers.clone().acquire_owned().await.map_err(Error::internal)?;
        let work = move || {
            let read = read();
            drop(turn);
            read
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_house_turns_away_until_something_is_written() {
        let intake = Intake::new();
        let large = intake.admit(ROOM - 10 * UNIT).unwrap();
        let small: Vec<_> = (0..10).map(|_| intake.admit(1).unwrap()).collect();
        assert!(matches!(intake.admit(1), Err(Error::Busy(_))));
        assert!(intake.admit(0).is_ok());
        drop(small);
        let _again = intake.admit(10 * UNIT).unwrap();
        assert!(matches!(intake.admit(1), Err(Error::Busy(_))));
        drop(large);
        assert!(matches!(intake.admit(ROOM), Err(Error::Busy(_))));
        assert!(matches!(intake.admit(usize::MAX), Err(Error::Busy(_))));
        intake.admit(ROOM - 10 * UNIT).unwrap();
    }
}
