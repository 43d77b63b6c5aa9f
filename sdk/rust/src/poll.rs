//! The task that asks for the snapshot while the stream can't be had or brings nothing: behind a proxy that lets no WebSocket
//! through, say.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::endpoint::Endpoint;
use crate::failure::Trouble;
use crate::shared::{Link, Shared};
use crate::snapshot::{FetchError, Tagged, fetch};
use crate::stream::HANDSHAKE;

/// What the wait after a first poll that failed is below while there are no flags.
const RETRY: Duration = Duration::from_secs(1);

/// Asks every so often, but not while changes are pushed to flags that are there.
#[derive(Debug)]
pub(crate) struct Poller {
    shared: Arc<Shared>,
    endpoint: Arc<Endpoint>,
    every: Duration,
    /// Changes, or loses its sender, when the task is to end.
    stop: watch::Receiver<bool>,
    last: Option<Tagged>,
    backoff: Backoff,
    trouble: Trouble,
}

impl Poller {
    pub(crate) fn new(
        shared: Arc<Shared>,
        endpoint: Arc<Endpoint>,
        every: Duration,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let (last, trouble) = (None, Trouble::default());
        Self { shared, endpoint, every, stop, last, backoff: Backoff::new(RETRY), trouble }
    }

    /// Runs until the client is closed or gone.
    pub(crate) async fn run(mut self) {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = self.poll() => {}
            _ = stop.changed() => {}
        }
    }

    async fn poll(&mut self) {
        let (mut link, shared) = (self.shared.link(), Arc::clone(&self.shared));
        let is_served = |link: &Link| *link == Link::Up && shared.in_use().is_some();
        // The stream comes first, but has no longer than this to bring flags.
        let _ = timeout(HANDSHAKE, link.wait_for(|link| *link == Link::Down)).await;
        // Whoever has no flags at all asks at once; the others spread over the time.
        let mut wait = Duration::ZERO;
        while link.wait_for(|link| !is_served(link)).await.is_ok() {
            if shared.in_use().is_some() && wait.is_zero() {
                wait = self.spread();
            }
            let served = tokio::select! {
                // Flags that came over a stream that was up already are no news of the link.
                () = sleep(wait) => is_served(&link.borrow()),
                served = async { link.wait_for(is_served).await.is_ok() } => {
                    if !served {
                        return;
                    }
                    true
                }
            };
            wait = if served { Duration::ZERO } else { self.ask().await };
        }
    }

    /// Asks once; how long to wait before the next time.
    async fn ask(&mut self) -> Duration {
        let state = self.shared.state_owned();
        match fetch(&self.endpoint, self.last.as_ref(), state.as_ref()).await {
            Ok(tagged) => {
                self.backoff.reset();
                self.trouble.ends();
                if let Some(tagged) = tagged {
                    tracing::debug!(revision = tagged.state.revision(), "flags were polled");
                    self.shared.install(Arc::clone(&tagged.state));
                    self.last = Some(tagged);
                }
                self.spread()
            }
            Err(FetchError::Refused { revision, refusal }) => {
                tracing::warn!(revision, %refusal, "a polled snapshot was refused; the flags in use stay");
                self.spread()
            }
            Err(FetchError::Failure(failure)) => {
                if self.trouble.begins(&failure) {
                    tracing::warn!(error = %failure, "flags can't be polled either; they stay as they are");
                }
                let wait = self.backoff.next(failure.cause(), &mut rand::rng());
                if state.is_some() { wait.max(self.spread()) } else { wait }
            }
        }
    }

    /// From half of the time to one and a half of it, so that clients that lost the server together do not come together.
    fn spread(&self) -> Duration {
        self.every.mul_f64(0.5 + rand::rng().random::<f64>())
    }
}
