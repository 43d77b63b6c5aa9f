use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bellwether_core::window::{REQUEST_DURATION_MS, REQUEST_ERROR};
use bellwether_core::{Context, Entry, ErrorCode, Value};
use tokio::time::Instant;

use crate::evaluate::{FlagValue, Found};
use crate::in_use::InUse;
use crate::recorder::{Met, Observation};
use crate::{Client, Detail, clock};

/// One request: answers flags for its context, remembers which releases it met, and reports to them how it went.
///
/// A release is met when its own split served the flag; what targets, other rules and disabled flags serve counts for
/// no release. An outcome counts for the releases met before it, and only if they watch its metric, in the window of
/// the moment it is reported. A scope that is dropped without a report counts nothing.
///
/// It borrows nothing, so it can be kept with the request and used across `await`.
#[derive(Debug)]
pub struct Scope {
    client: Client,
    context: Context,
    /// The first release: most requests meet one at most, and then nobody takes a lock.
    first: OnceLock<Met>,
    others: OnceLock<Mutex<Vec<Met>>>,
}

impl Scope {
    pub(crate) fn new(client: Client, context: Context) -> Self {
        Self { client, context, first: OnceLock::new(), others: OnceLock::new() }
    }

    /// Whom the request is for.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The value of a boolean flag, or `default`.
    pub fn bool(&self, key: &str, default: bool) -> bool {
        self.get(key, default)
    }

    /// The value of a string flag, or `default`.
    pub fn string(&self, key: &str, default: impl Into<String>) -> String {
        self.get(key, default.into())
    }

    /// The value of an integer flag, or `default`.
    pub fn integer(&self, key: &str, default: i64) -> i64 {
        self.get(key, default)
    }

    /// The value of a float flag, or `default`.
    pub fn float(&self, key: &str, default: f64) -> f64 {
        self.get(key, default)
    }

    /// The value of a JSON flag, or `default`.
    pub fn json(&self, key: &str, default: Value) -> Value {
        self.get(key, default)
    }

    /// The value of a boolean flag, or `default`, and how it came about.
    pub fn bool_detail(&self, key: &str, default: bool) -> Detail<bool> {
        self.detail(key, default)
    }

    /// The value of a string flag, or `default`, and how it came about.
    pub fn string_detail(&self, key: &str, default: impl Into<String>) -> Detail<String> {
        self.detail(key, default.into())
    }

    /// The value of an integer flag, or `default`, and how it came about.
    pub fn integer_detail(&self, key: &str, default: i64) -> Detail<i64> {
        self.detail(key, default)
    }

    /// The value of a float flag, or `default`, and how it came about.
    pub fn float_detail(&self, key: &str, default: f64) -> Detail<f64> {
        self.detail(key, default)
    }

    /// The value of a JSON flag, or `default`, and how it came about.
    pub fn json_detail(&self, key: &str, default: Value) -> Detail<Value> {
        self.detail(key, default)
    }

    /// Starts to measure a duration; [`Timer::stop`] reports it as `request.duration_ms`.
    #[must_use = "a timer that is dropped reports nothing"]
    pub fn timer(&self) -> Timer<'_> {
        Timer { scope: self, started: clock::moment() }
    }

    /// Reports a number of the application's own, in the unit that the guards of `metric` have.
    ///
    /// Where they watch a ratio, as of `request.error`, 0 counts as a trial and anything else as a hit; of a request's
    /// end [`finish`](Self::finish) can also say what failed. NaN, infinities and magnitudes above 1e100 are left out.
    pub fn track(&self, metric: &str, value: f64) {
        self.record(metric, Observation::Number(value));
    }

    /// Reports how the request ended, as `request.error`; `label` names what failed, for the list of top errors.
    ///
    /// Labels are kept to 200 bytes, and to the 20 most frequent of a window, about: name the operation, not the user.
    pub fn finish(self, ok: bool, label: &str) {
        self.end(!ok, label);
    }

    /// As [`finish`](Self::finish), of a scope that others have too.
    pub(crate) fn end(&self, failed: bool, label: &str) {
        self.record(REQUEST_ERROR, Observation::Outcome { failed, label });
    }

    /// Reports how long the request took, as a [`Timer`] does.
    pub(crate) fn took(&self, time: Duration) {
        self.record(REQUEST_DURATION_MS, Observation::Number(time.as_secs_f64() * 1_000.0));
    }

    fn get<T: FlagValue>(&self, key: &str, default: T) -> T {
        let in_use = self.client.shared().in_use();
        self.evaluate(in_use.as_deref(), key).map_or(default, |found| found.value)
    }

    fn detail<T: FlagValue>(&self, key: &str, default: T) -> Detail<T> {
        let in_use = self.client.shared().in_use();
        let revision = in_use.as_deref().map(|in_use| in_use.state().revision());
        Detail::of(self.evaluate(in_use.as_deref(), key), default, revision)
    }

    fn evaluate<'s, T: FlagValue>(&self, in_use: Option<&'s InUse>, key: &str) -> Result<Found<'s, T>, ErrorCode> {
        let found = self.client.evaluate(in_use, key, &self.context)?;
        if let Some((entry, arm)) = found.met {
            self.meet(entry, arm);
        }
        Ok(found)
    }

    fn meet(&self, entry: &Arc<Entry>, arm: usize) {
        let met = || Met { entry: Arc::clone(entry), arm };
        if self.first.get_or_init(met).is(entry, arm) {
            return;
        }
        let mut others = locked(self.others.get_or_init(Mutex::default));
        if !others.iter().any(|known| known.is(entry, arm)) {
            others.push(met());
        }
    }

    fn record(&self, metric: &str, observation: Observation<'_>) {
        let shared = self.client.shared();
        let others = self.others.get().map(locked);
        let met = self.first.get().into_iter().chain(others.iter().flat_map(|others| others.iter()));
        let met = met.filter_map(Met::release_and_arm);
        shared.recorder.record(|| shared.server_second(), met, metric, observation);
    }
}

fn locked(met: &Mutex<Vec<Met>>) -> MutexGuard<'_, Vec<Met>> {
    // No code that holds the lock can leave the list half done.
    met.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Measures how long something takes; dropped without [`stop`](Self::stop), it reports nothing.
#[derive(Debug)]
pub struct Timer<'s> {
    scope: &'s Scope,
    started: Instant,
}

impl Timer<'_> {
    /// Reports the time since the start, in milliseconds, as `request.duration_ms`.
    pub fn stop(self) {
        self.scope.took(clock::moment().duration_since(self.started));
    }
}
