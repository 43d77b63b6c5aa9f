//! The task that sends measurement windows once they have ended, and reports the rest now and then.

use std::sync::Arc;
use std::time::Duration;

use bellwether_core::window::Window;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::backoff::Backoff;
use crate::clock;
use crate::endpoint::Endpoint;
use crate::failure::{self, Failure, Trouble};
use crate::in_use::InUse;
use crate::outbox::{Outbox, Parcel, Report};
use crate::recent::Ticks;
use crate::recorder::Due;
use crate::resources::Gauge;
use crate::shared::{Identity, Shared};

/// The most that one attempt may take. The server waits 5 s for windows, so a longer one would bring them too late.
const ATTEMPT: Duration = Duration::from_secs(5);
/// The most that the wait after a window's end is spread over, so that instances do not send all at once.
const SPREAD: Duration = Duration::from_secs(1);
/// First wait after a failure, doubled up to the ceiling of [`Backoff`].
const RETRY: Duration = Duration::from_secs(1);
/// How often exposures are reported, and what the process uses while a release runs.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// Of so many reports one tells what was evaluated too, and what the process uses in any case.
const FULL_EVERY: u32 = 6;
/// The longest sleep, whatever the clocks say.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);
/// The most of an answer that is read, in bytes.
const ANSWER_BYTES: usize = 64 * 1024;

/// What a client asks of the task; it answers when done.
#[derive(Debug)]
pub(crate) enum Command {
    /// Send all there is, windows that have not ended included.
    Flush(oneshot::Sender<()>),
    /// The same, then end.
    Close(oneshot::Sender<()>),
}

/// Takes windows from the recorder and posts them, in order, each batch until it is answered.
#[derive(Debug)]
pub(crate) struct Sender {
    shared: Arc<Shared>,
    endpoint: Arc<Endpoint>,
    outbox: Outbox,
    backoff: Backoff,
    plan: Option<Plan>,
    retry_at: Instant,
    /// How much later than that is soon enough for what is not about windows.
    leisure: Duration,
    report_at: Instant,
    /// Reports until the next one that tells everything.
    until_full: u32,
    started: Instant,
    gauge: Gauge,
    trouble: Trouble,
}

/// When the windows that end at `due` are taken.
#[derive(Clone, Copy, Debug)]
struct Plan {
    due: Due,
    at: Instant,
}

impl Sender {
    pub(crate) fn new(shared: Arc<Shared>, endpoint: Arc<Endpoint>, identity: Identity, gauge: Gauge) -> Self {
        // Milliseconds since the epoch, so that an instance of the same name that starts again goes on above.
        let sequence = u64::try_from(clock::now().timestamp_millis()).unwrap_or_default();
        Self {
            shared,
            endpoint,
            outbox: Outbox::new(identity, sequence),
            backoff: Backoff::new(RETRY),
            plan: None,
            retry_at: clock::moment(),
            leisure: Duration::ZERO,
            // Instances that start together do not report together.
            report_at: clock::moment() + REPORT_EVERY.mul_f64(rand::random()),
            until_full: rand::random_range(0..FULL_EVERY),
            started: clock::moment(),
            gauge,
            trouble: Trouble::default(),
        }
    }

    /// Runs until told to close or until the last client is gone.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let shared = Arc::clone(&self.shared);
        loop {
            self.plan();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Flush(done)) => {
                        self.send_all().await;
                        // Whoever asked may have stopped waiting.
                        let _ = done.send(());
                    }
                    Some(Command::Close(done)) => {
                        self.send_all().await;
                        let windows = self.outbox.windows();
                        if windows > 0 {
                            tracing::warn!(windows, "measurements were not sent before the client closed");
                        }
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                },
                () = wait_for(self.plan.map(|plan| plan.at)) => {
                    self.plan = None;
                    let ended = shared.recorder.take_ended(shared.server_time());
                    self.keep(ended);
                }
                () = shared.recorder.sooner() => {}
                () = sleep_until(self.report_at) => {
                    self.until_full = self.until_full.checked_sub(1).unwrap_or(FULL_EVERY - 1);
                    self.report(self.until_full == 0);
                }
                () = sleep_until(self.attempt_at()), if self.outbox.first().is_some() => {
                    self.attempt().await;
                }
            }
        }
    }

    /// Decides when to take the next windows: a little after they end.
    fn plan(&mut self) {
        let due = self.shared.recorder.due();
        if due != self.plan.map(|plan| plan.due) {
            self.plan = due.map(|due| {
                let wait = until_taken(due, self.shared.server_time().timestamp_micros(), rand::random());
                Plan { due, at: clock::moment() + wait }
            });
        }
    }

    fn keep(&mut self, mut windows: Vec<Window>) {
        // A release that has ended takes no more windows.
        if let Some(in_use) = self.shared.in_use().as_deref() {
            windows.retain(|window| in_use.state().releases().any(|(_, release)| release.id == window.release));
        }
        let observations = self.shared.recorder.take_dropped();
        if observations > 0 {
            tracing::warn!(observations, "too many measurement windows are open; observations were dropped");
        }
        let observations = self.shared.recorder.take_refused();
        if observations > 0 {
            tracing::warn!(
                observations,
                "numbers that are infinite, too large or none were reported; they are left out"
            );
        }
        let windows = self.outbox.add(windows);
        dropped(windows);
    }

    /// Packs what there is to say besides windows: all of it, or only what is wanted sooner.
    fn report(&mut self, all: bool) {
        let now = clock::moment();
        self.report_at = now + REPORT_EVERY;
        let ticks = now.duration_since(self.started).as_secs() / REPORT_EVERY.as_secs();
        self.shared.exposures.tick(Ticks::try_from(ticks).unwrap_or(Ticks::MAX));
        let released = self.shared.in_use().as_deref().is_some_and(|in_use: &InUse| !in_use.releases().is_empty());
        let report = Report {
            evaluations: if all { self.shared.take_evaluations() } else { Vec::new() },
            exposures: self.shared.exposures.take(),
            resources: if all || released { self.gauge.read() } else { None },
        };
        let exposures = self.shared.exposures.take_dropped();
        if exposures > 0 {
            tracing::warn!(exposures, "more users met releases than can be reported; the rest is left out");
        }
        dropped(self.outbox.report(report));
    }

    /// Sends everything at once, up to the first failure.
    async fn send_all(&mut self) {
        let all = self.shared.recorder.take_all();
        self.keep(all);
        self.report(true);
        while self.outbox.first().is_some() && self.attempt().await {}
    }

    /// When the first batch is tried. Windows are wanted soon; all else can wait, so that clients that have lost their
    /// server do not hold up those that come back.
    fn attempt_at(&self) -> Instant {
        if self.outbox.windows() > 0 { self.retry_at } else { self.retry_at + self.leisure }
    }

    /// Tries to send the first batch; `false` when the next attempt has to wait.
    async fn attempt(&mut self) -> bool {
        let Some(parcel) = self.outbox.first() else { return true };
        let windows = parcel.windows;
        tracing::trace!(windows, "measurements are being sent");
        match post(&self.endpoint, parcel).await {
            Ok(late) => {
                if late > 0 {
                    tracing::warn!(late, windows, "measurement windows arrived too late to count");
                }
                if self.trouble.ends() {
                    tracing::info!("measurements are sent again");
                }
                self.backoff.reset();
                self.leisure = Duration::ZERO;
                self.outbox.pop();
                true
            }
            Err(error) if error.is_final() => {
                tracing::error!(%error, windows, "the server refuses measurements; they are lost");
                self.backoff.reset();
                self.leisure = Duration::ZERO;
                self.outbox.pop();
                true
            }
            Err(error) => {
                let wait = self.backoff.next(error.cause(), &mut rand::rng());
                self.retry_at = clock::moment() + wait;
                self.leisure = REPORT_EVERY.mul_f64(rand::random());
                if self.trouble.begins(&error) {
                    tracing::warn!(%error, retry_in = ?wait, "measurements can't be sent");
                } else {
                    tracing::debug!(%error, retry_in = ?wait, "measurements can still not be sent");
                }
                false
            }
        }
    }
}

/// Says that windows were dropped, if any were.
fn dropped(windows: usize) {
    if windows > 0 {
        tracing::warn!(windows, "too many measurements wait for the server; the oldest were dropped");
    }
}

/// Sleeps until `at`, for ever when there is nothing to wait for.
async fn wait_for(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// How long until the windows that end at `due` are taken, `spread` (0 to 1) of the way into the time they are spread
/// over: a tenth of their length, at most [`SPREAD`].
fn until_taken(due: Due, now_us: i64, spread: f64) -> Duration {
    let end_us = due.end.saturating_mul(1_000_000);
    let left = Duration::from_micros(u64::try_from(end_us.saturating_sub(now_us)).unwrap_or_default());
    let range = (Duration::from_secs(u64::from(due.seconds)) / 10).min(SPREAD);
    (left + range.mul_f64(spread)).min(LONGEST_SLEEP)
}

/// Posts a batch; answers how many of its windows came too late.
async fn post(endpoint: &Endpoint, parcel: &Parcel) -> Result<u64, Failure> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        late: u64,
    }
    let request = endpoint
        .http
        .post(endpoint.measurements.clone())
        .header(CONTENT_TYPE, "application/json")
        .timeout(ATTEMPT)
        .body(parcel.body.clone());
    let response = request.send().await.map_err(|error| Failure::connection(&error.without_url()))?;
    if response.status() != StatusCode::ACCEPTED {
        return Err(Failure::from_response(response).await);
    }
    // The status alone settles the batch; what the body adds is for the log.
    let body = failure::read(response, ANSWER_BYTES).await.unwrap_or_default();
    Ok(serde_json::from_slice::<Answer>(&body).map_or(0, |answer| answer.late))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_taken_soon_after_their_end() {
        let second = 1_000_000;
        let wait = |seconds, now_us, spread| until_taken(Due { end: 1_000, seconds }, now_us, spread);
        assert_eq!(wait(10, 990 * second, 0.0), Duration::from_secs(10));
        assert_eq!(wait(10, 990 * second, 1.0), Duration::from_secs(11));
        assert_eq!(wait(1, 999 * second + 750_000, 0.5), Duration::from_millis(300), "a tenth of a short window");
        assert_eq!(wait(3_600, 999 * second, 1.0), Duration::from_secs(2), "a second of a long one");
        assert_eq!(wait(10, 1_007 * second, 0.5), Duration::from_millis(500), "a late observation");
        assert_eq!(wait(u32::MAX, 0, 1.0), Duration::from_secs(1_001));
        assert_eq!(until_taken(Due { end: i64::MAX, seconds: 1 }, 0, 0.0), LONGEST_SLEEP);
    }
}
