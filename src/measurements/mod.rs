//! What services report of their requests: windows, taken in once, closed a while after their end, then never changed.

pub mod api;
pub mod events;
mod ingest;
mod input;
mod intake;
mod observed;
mod store;

use std::collections::BTreeMap;

use bellwether_core::window::{Resources, Summary, Window};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use utoipa::ToSchema;

use events::{Against, Gathered};
pub use input::BatchInput;

use crate::access::Caller;
use crate::clock;
use crate::db::{Part, Store};
use crate::error::{Error, Result};
use crate::flags::Live;
use crate::stream::Fleet;
use crate::usage::Usage;
use ingest::Job;
use intake::{Intake, Taken};
use observed::{EvaluationInput, ExposureInput};

/// Batches that wait to be written; more are told to come again.
const QUEUE: usize = 1_024;
/// Largest difference of clocks: a window that starts later than this is refused.
const AHEAD: TimeDelta = TimeDelta::seconds(60);

/// How windows are cut and closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Length of a window, in seconds: 1 to 3,600.
    pub window_seconds: u32,
    /// How long after its end a window still takes data, in seconds.
    pub grace_seconds: u32,
}

impl Default for Cut {
    fn default() -> Self {
        Self { window_seconds: 10, grace_seconds: 5 }
    }
}

impl Cut {
    /// Length of a window.
    pub fn window(self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.window_seconds))
    }

    /// When the window that holds `at` began: windows are cut at whole multiples of their length since 1970.
    pub fn start_of(self, at: DateTime<Utc>) -> DateTime<Utc> {
        let length = i64::from(self.window_seconds.max(1));
        let start = at.timestamp().div_euclid(length) * length;
        DateTime::from_timestamp(start, 0).unwrap_or(at)
    }

    /// When the window that begins at `start` is closed.
    pub fn closes(self, start: DateTime<Utc>) -> DateTime<Utc> {
        start + self.window() + TimeDelta::seconds(i64::from(self.grace_seconds))
    }

    /// The last window that is closed at `now`.
    pub fn last_closed(self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.start_of(now - self.window() - TimeDelta::seconds(i64::from(self.grace_seconds)))
    }
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MeasurementReceipt)]
pub struct Receipt {
    /// Windows counted.
    pub accepted: usize,
    /// Windows that came after they were closed, or after their release had ended.
    pub late: usize,
    /// Whether the batch had been counted before; then nothing was counted now.
    pub duplicate: bool,
}

/// What became of a batch of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = EventReceipt)]
pub struct EventReceipt {
    /// Events counted.
    pub accepted: usize,
    /// Events that came after their window was closed.
    pub late: usize,
    /// Events that belong to no running release: none of their flags has one, it does not watch the metric, or it was
    /// not its split that served the user.
    pub unattributed: usize,
    /// Whether the batch had been counted before; then nothing was counted now.
    pub duplicate: bool,
}

/// A closed window of a release: each arm's metrics, summed over all instances.
#[derive(Clone, Debug, PartialEq)]
pub struct Closed {
    /// When it began.
    pub start: DateTime<Utc>,
    /// By arm and metric.
    pub cells: BTreeMap<(String, String), Summary>,
}

/// The bytes of a request.
pub trait Body: AsRef<[u8]> + Send + 'static {}

impl<B: AsRef<[u8]> + Send + 'static> Body for B {}

/// The service for measurements.
#[derive(Clone)]
pub struct Measurements {
    store: Store,
    live: Live,
    cut: Cut,
    usage: Usage,
    fleet: Fleet,
    intake: Intake,
    queue: mpsc::Sender<Job>,
}

impl Measurements {
    /// Over `store`, with the task that writes what comes in; it ends when the service is dropped. `usage` is told
    /// what was evaluated, and for whom; `fleet`, what processes use.
    pub fn start(
        store: Store,
        live: Live,
        cut: Cut,
        usage: Usage,
        fleet: Fleet,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let writer = tokio::spawn(ingest::write(store.clone(), cut, usage.clone(), jobs));
        (Self { store, live, cut, usage, fleet, intake: Intake::new(), queue }, writer)
    }

    /// How windows are cut.
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// Takes in a batch of a server key's environment, as it was sent.
    ///
    /// # Errors
    /// When the caller is no server key, something in the batch is wrong, or there is too much to write.
    pub async fn take(&self, caller: &Caller, body: impl Body) -> Result<Receipt> {
        let environment = caller.server_environment()?;
        let served = self.live.environment(environment)?.served_for_long();
        let (room, cut, now) = (self.intake.admit(body.as_ref().len())?, self.cut, clock::now());
        let read = move || {
            let check = |batch: BatchInput| batch.check(&served.state, cut, now);
            crate::input::read_then(crate::input::parse(body.as_ref())?, check)
        };
        let Checked { batch, exposures, resources } = self.intake.read(room.bytes(), read).await?;
        // To be seen twice is to be seen: whether the batch comes again does not matter.
        for ExposureInput { unit, at, .. } in exposures {
            self.usage.seen(environment, &unit, at.min(now));
        }
        if let (Some(resources), Some(origin)) = (resources, &batch.origin) {
            self.fleet.uses(environment, &origin.instance, resources, now);
        }
        self.write(environment, batch, room).await
    }

    /// Takes in raw events of an SDK key's environment. Those sent with a client key are checked and count for nothing that
    /// runs: everyone who has the app has its key, and a canary is decided by what services say.
    ///
    /// # Errors
    /// When something in the batch is wrong, or there is too much to write.
    pub async fn observe(&self, environment: i64, from_client: bool, body: impl Body) -> Result<EventReceipt> {
        let served = self.live.environment(environment)?.served_for_long();
        let (room, cut, now, observed) =
            (self.intake.admit(body.as_ref().len())?, self.cut, clock::now(), self.usage.of(environment));
        let gather = move || {
            let (state, asked) = (&served.state, served.asked());
            let seen = |unit: &str, at| observed.seen(unit, at);
            events::gather(body.as_ref(), Against { state, asked, cut, now, trusted: !from_client, seen: &seen })
        };
        let Gathered { origin, windows, late, unattributed } = self.intake.read(room.bytes(), gather).await?;
        // Nothing of it is written, its number least of all: a service may send its own under the same.
        if from_client {
            return Ok(EventReceipt { unattributed, ..EventReceipt::default() });
        }
        let batch = Batch { origin, windows, late, evaluations: Vec::new() };
        let Receipt { accepted, late, duplicate } = self.write(environment, batch, room).await?;
        let unattributed = if duplicate { 0 } else { unattributed };
        Ok(EventReceipt { accepted, late, unattributed, duplicate })
    }

    async fn write(&self, environment: i64, batch: Batch, room: Taken) -> Result<Receipt> {
        let (answer, outcome) = oneshot::channel();
        self.queue.try_send(Job { environment, batch, room, answer }).map_err(|_| intake::FULL)?;
        outcome.await.map_err(Error::internal)?
    }

    /// The closed windows of a release from `first` to `last`, by their starts. Windows nobody reported are left out.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn closed(&self, release: String, first: DateTime<Utc>, last: DateTime<Utc>) -> Result<Vec<Closed>> {
        // On the writing connection: a batch that was still in time has been written before this reads.
        let last = last.min(self.cut.last_closed(clock::now()));
        self.store.write(Part::Measurements, move |c| store::windows(c, &release, first, last)).await
    }

    /// As [`Measurements::closed`], to look at and not to decide by: a window that has just closed may still lack what is
    /// being written.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn glance(&self, release: String, first: DateTime<Utc>, last: DateTime<Utc>) -> Result<Vec<Closed>> {
        let last = last.min(self.cut.last_closed(clock::now()));
        self.store.read(Part::Measurements, move |c| store::windows(c, &release, first, last)).await
    }
}

/// Who sent a batch, and which it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) instance: String,
    pub(crate) sequence: u64,
}

/// A window that is to be counted, and how many of what was sent it stands for in the receipt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counted {
    pub(crate) window: Window,
    pub(crate) stands_for: usize,
}

/// What is to be written of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// A batch without one is counted each time it comes.
    pub(crate) origin: Option<Origin>,
    pub(crate) windows: Vec<Counted>,
    /// What came too late.
    pub(crate) late: usize,
    evaluations: Vec<EvaluationInput>,
}

/// A batch of an SDK that has been checked.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    batch: Batch,
    exposures: Vec<ExposureInput>,
    resources: Option<Resources>,
}
