use std::time::Duration;

use tokio::time::{sleep, timeout};

/// The bound of every wait: far above what anything takes, so that only what never comes fails.
const BOUND: Duration = Duration::from_secs(45);
/// How often a condition is looked at that nobody announces.
const LOOK: Duration = Duration::from_millis(10);

/// Waits for `future`.
///
/// # Panics
/// When it does not come; `what` says what was waited for.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(BOUND, future).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// Waits until `condition` gives something, and gives that.
///
/// # Panics
/// When it never does; `what` says what was waited for.
pub(crate) async fn eventually<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async {
        loop {
            if let Some(found) = condition().await {
                return found;
            }
            sleep(LOOK).await;
        }
    })
    .await
}
