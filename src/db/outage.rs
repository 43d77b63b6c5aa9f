use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use diesel::r2d2::HandleError;

/// How often an outage is told.
const QUIET: Duration = Duration::from_secs(10);

/// Says in the log that connections fail, now and then: a pool tries again about once a second.
/// Clones tell one outage together.
#[derive(Clone, Debug, Default)]
pub(super) struct Outage {
    told: Arc<Mutex<Option<Instant>>>,
}

impl HandleError<diesel::r2d2::Error> for Outage {
    fn handle_error(&self, error: diesel::r2d2::Error) {
        let Ok(mut told) = self.told.lock() else { return };
        if told.is_none_or(|told| told.elapsed() > QUIET) {
            *told = Some(Instant::now());
            let cause = one_line(&error.to_string());
            tracing::warn!(cause, "the database can't be reached; trying again");
        }
    }
}

/// A server's words, which may be of several lines, in one.
pub(super) fn one_line(text: &str) -> String {
    text.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}
