//! What services report of their requests: windows, taken in once, closed a while after their end, then never changed.

pub mod api;
mod ingest;
mod input;
mod observed;
mod store;

use std::collections::BTreeMap;

use bellwether_core::window::{Resources, Summary};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use utoipa::ToSchema;

pub use input::BatchInput;

use crate::access::Caller;
use crate::clock;
use crate::db::{Part, Store};
use crate::error::{Error, Result};
use crate::flags::Live;
use crate::stream::Fleet;
use crate::usage::Usage;
use ingest::Job;
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

/// A closed window of a release: each arm's metrics, summed over all instances.
#[derive(Clone, Debug, PartialEq)]
pub struct Closed {
    /// When it began.
    pub start: DateTime<Utc>,
    /// By arm and metric.
    pub cells: BTreeMap<(String, String), Summary>,
}

/// The service for measurements.
#[derive(Clone)]
pub struct Measurements {
    store: Store,
    live: Live,
    cut: Cut,
    usage: Usage,
    fleet: Fleet,
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
        (Self { store, live, cut, usage, fleet, queue }, writer)
    }

    /// How windows are cut.
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// Takes in a batch of a server key's environment, as it was sent.
    ///
    /// # Errors
    /// When the caller is no server key, something in the batch is wrong, or there is too much to write.
    pub async fn take(&self, caller: &Caller, document: Value) -> Result<Receipt> {
        let environment = caller.server_environment()?;
        let live = self.live.environment(environment)?;
        let now = clock::now();
        let check = |batch: BatchInput| batch.check(&live.served().state, self.cut, now);
        let mut checked = crate::input::read_then(document, check)?;
        // To be seen twice is to be seen: whether the batch comes again does not matter.
        for ExposureInput { unit, at, .. } in checked.exposures.drain(..) {
            self.usage.seen(environment, &unit, at.min(now));
        }
        if let Some(resources) = checked.resources.take() {
            self.fleet.uses(environment, &checked.instance, resources, now);
        }
        let (answer, outcome) = oneshot::channel();
        let job = Job { environment, batch: checked, answer };
        self.queue.try_send(job).map_err(|_| Error::Busy("more measurements come in than can be written"))?;
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

/// A batch that has been checked.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) instance: String,
    pub(crate) sequence: u64,
    pub(crate) windows: Vec<bellwether_core::window::Window>,
    /// Windows whose release had ended.
    pub(crate) late: usize,
    evaluations: Vec<EvaluationInput>,
    exposures: Vec<ExposureInput>,
    resources: Option<Resources>,
}
