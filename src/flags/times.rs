//! How long the parts of a change take, from its request to the last subscriber.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::publish::Published;

/// The least upper bound of durations counted together, in seconds; each further one is twice the one before, up to 10 s.
const LEAST_BOUND: f64 = 20e-6;
const BOUNDS: u16 = 20;

/// A part of a change; each begins when the one before has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangePart {
    /// The wait for the one connection that writes.
    Wait,
    /// The checks and queries of the transaction, without [`ChangePart::Serialize`], which lies within.
    Prepare,
    /// Writing the message to SDKs, once for all of them.
    Serialize,
    /// The commit itself.
    Commit,
    /// Making the state that is served from then on.
    Compile,
    /// Handing the message to every subscriber's connection: over when the last has taken it, or was given up.
    FanOut,
}

impl ChangePart {
    const ALL: [Self; 6] = [Self::Wait, Self::Prepare, Self::Serialize, Self::Commit, Self::Compile, Self::FanOut];

    const fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Prepare => "prepare",
            Self::Serialize => "serialize",
            Self::Commit => "commit",
            Self::Compile => "compile",
            Self::FanOut => "fan_out",
        }
    }
}

/// How long the parts of changes took. Clones are the same one.
#[derive(Clone, Debug)]
pub struct ChangeTimes {
    durations: Family<Labels, Histogram, Durations>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    part: &'static str,
}

#[derive(Clone, Copy, Debug)]
struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(LEAST_BOUND, 2.0, BOUNDS))
    }
}

impl Default for ChangeTimes {
    fn default() -> Self {
        let durations = Family::new_with_constructor(Durations);
        // All are there before the first change, as rates want it.
        for part in ChangePart::ALL {
            drop(durations.get_or_create(&Labels { part: part.name() }));
        }
        Self { durations }
    }
}

impl ChangeTimes {
    /// Shows them in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        let about = "Time that the parts of changes of flags took, by part";
        registry.register_with_unit("change", about, Unit::Seconds, self.durations.clone());
    }

    /// Counts a part that `took` so long.
    pub(super) fn observe(&self, part: ChangePart, took: Duration) {
        self.durations.get_or_create(&Labels { part: part.name() }).observe(took.as_secs_f64());
    }
}

/// A change as subscribers hear of it.
#[derive(Clone, Debug)]
pub struct News {
    change: Arc<Published>,
    /// Of one that was missed, or read again: none.
    _under_way: Option<Arc<UnderWay>>,
}

impl News {
    /// What goes out to every subscriber from now on.
    pub(super) fn from_now(change: Arc<Published>, times: ChangeTimes) -> Self {
        Self { change, _under_way: Some(Arc::new(UnderWay { began: Instant::now(), times })) }
    }
}

impl From<Arc<Published>> for News {
    fn from(change: Arc<Published>) -> Self {
        Self { change, _under_way: None }
    }
}

impl Deref for News {
    type Target = Published;

    fn deref(&self) -> &Published {
        &self.change
    }
}

/// Shared by all who still have to take a change; it ends with the last.
#[derive(Debug)]
struct UnderWay {
    began: Instant,
    times: ChangeTimes,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.times.observe(ChangePart::FanOut, self.began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Framed;

    fn fanned_out(times: &ChangeTimes) -> String {
        let mut registry = Registry::default();
        times.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let count = text.lines().find_map(|line| line.strip_prefix("change_seconds_count{part=\"fan_out\"} "));
        count.unwrap().to_owned()
    }

    #[test]
    fn a_change_is_out_when_the_last_has_taken_it() {
        let times = ChangeTimes::default();
        let change = Arc::new(Published {
            environment: 1,
            revision: 2,
            at: None,
            hash: String::new(),
            message: Framed::new("change".to_owned()).unwrap(),
            resync: false,
            written_in: Duration::ZERO,
            segments: Vec::new(),
            versions: Vec::new(),
        });
        let first = News::from_now(change.clone(), times.clone());
        let last = first.clone();
        drop(first);
        assert_eq!(fanned_out(&times), "0");
        drop(last);
        assert_eq!(fanned_out(&times), "1");
        drop(News::from(change));
        assert_eq!(fanned_out(&times), "1", "one that was missed is none that goes out");
    }
}
