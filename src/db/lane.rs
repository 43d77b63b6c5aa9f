//! How calls of one kind reach one database: in order, so many at once, and how long they wait for it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::WAIT;
use crate::error::{Error, Result};

/// Longest wait for a turn, in a queue that moves.
const LONGEST: Duration = Duration::from_secs(10);
/// How long after a call's time is up it is answered: for what is about to begin.
const SLACK: Duration = Duration::from_millis(200);
/// When a call is answered whose work has begun and does not end. Its outcome is not known then.
const OUTCOME: Duration = Duration::from_secs(10);

/// The calls of one kind. Clones are the same lane.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    turns: Arc<Semaphore>,
    pulse: Arc<Pulse>,
}

/// When the database last answered, in milliseconds since the lane was made; 0 for never.
#[derive(Debug)]
struct Pulse {
    made: Instant,
    answered: AtomicU64,
}

impl Lane {
    /// A lane that takes `width` calls at once.
    pub(super) fn new(width: u32) -> Self {
        let pulse = Pulse { made: Instant::now(), answered: AtomicU64::new(0) };
        Self { turns: Arc::new(Semaphore::new(width as usize)), pulse: Arc::new(pulse) }
    }

    /// Runs `work` off the async threads when its turn comes. While the database answers others the call waits for its
    /// turn; it is given up when nobody has been answered for [`WAIT`].
    pub(super) async fn run<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Call) -> Result<T> + Send + 'static,
    {
        let start = Instant::now();
        let turn = self.while_it_answers(start, Duration::ZERO, self.turns.clone().acquire_owned()).await;
        let turn = turn.ok_or_else(out_of_reach)?.map_err(Error::internal)?;
        let call = Arc::new(Call { lane: self.clone(), patience: Patience::Since(start), state: AtomicU8::new(0) });
        let mut task = tokio::task::spawn_blocking({
            let call = call.clone();
            move || {
                let outcome = work(&call);
                if !matches!(outcome, Err(Error::Unavailable(_))) {
                    call.lane.answered();
                }
                drop(turn);
                outcome
            }
        });
        if let Some(done) = self.while_it_answers(start, SLACK, &mut task).await {
            return done.map_err(Error::internal)?;
        }
        if call.give_up() {
            return Err(out_of_reach());
        }
        match timeout_at((start + OUTCOME).into(), task).await {
            Ok(done) => done.map_err(Error::internal)?,
            Err(late) => Err(Error::OutcomeUnknown(late.into())),
        }
    }

    /// A call by somebody who has nothing else to do.
    pub(super) fn command(&self) -> Call {
        Call { lane: self.clone(), patience: Patience::Command, state: AtomicU8::new(0) }
    }

    /// What `future` gives, or none if the call's time is up before.
    async fn while_it_answers<F: Future>(&self, start: Instant, slack: Duration, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        loop {
            let deadline = self.deadline(start) + slack;
            match timeout_at(deadline.into(), &mut future).await {
                Ok(done) => return Some(done),
                Err(_) if self.deadline(start) + slack <= deadline => return None,
                Err(_) => {}
            }
        }
    }

    /// When a call that came at `start` is given up, as things are.
    fn deadline(&self, start: Instant) -> Instant {
        let answered = self.pulse.made + Duration::from_millis(self.pulse.answered.load(Ordering::Relaxed));
        (answered.max(start) + WAIT).min(start + LONGEST)
    }

    fn answered(&self) {
        let since = self.pulse.made.elapsed().as_millis();
        self.pulse.answered.fetch_max(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

fn out_of_reach() -> Error {
    Error::Unavailable("the database has not answered anybody for a while".into())
}

/// How long a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// A request's, which came at this time.
    Since(Instant),
    /// A command's: as long as it takes to connect, and a minute for its turn.
    Command,
}

/// A call of the store. It either begins or is given up, never both.
#[derive(Debug)]
pub(super) struct Call {
    lane: Lane,
    patience: Patience,
    state: AtomicU8,
}

impl Call {
    const BEGUN: u8 = 1;
    const GIVEN_UP: u8 = 2;

    /// The database answers: from here on the outcome is waited for.
    pub(super) fn begin(&self) -> Result<()> {
        match self.state.compare_exchange(0, Self::BEGUN, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) | Err(Self::BEGUN) => {
                self.lane.answered();
                Ok(())
            }
            Err(_) => Err(Error::Unavailable("nobody waits for it any more".into())),
        }
    }

    /// Gives the call up, unless it has begun; whether it is given up.
    fn give_up(&self) -> bool {
        !matches!(self.state.compare_exchange(0, Self::GIVEN_UP, Ordering::AcqRel, Ordering::Acquire), Err(Self::BEGUN))
    }

    /// How long it waits for a connection from now on.
    pub(super) fn time_to_connect(&self) -> Duration {
        match self.patience {
            Patience::Since(start) => self.lane.deadline(start).saturating_duration_since(Instant::now()),
            Patience::Command => WAIT,
        }
    }

    /// Whether it may take as long as it takes.
    pub(super) fn is_unhurried(&self) -> bool {
        self.patience == Patience::Command
    }
}

#[cfg(test)]
mod tests;
