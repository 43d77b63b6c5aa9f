use bellwether_core::FALLTHROUGH;
use bellwether_core::window::{REQUEST_DURATION_MS, REQUEST_ERROR};

use super::{Action, Gate, Guard, Limit, NoData, Policy, Stage, Test};

/// Users stick to their arm, so two healthy cohorts differ a little for ever.
pub(super) const MARGIN: f64 = 0.05;
/// The rarest values differ most.
pub(super) const TAIL_MARGIN: f64 = 0.2;

pub(super) fn treatment() -> String {
    "on".to_owned()
}

pub(super) fn control() -> String {
    "off".to_owned()
}

pub(super) fn fallthrough() -> String {
    FALLTHROUGH.to_owned()
}

pub(super) fn alpha() -> f64 {
    0.01
}

pub(super) fn minimum_seconds() -> u64 {
    1_800
}

pub(super) fn minimum_samples() -> u64 {
    1_000
}

pub(super) fn weight() -> f64 {
    1.0
}

/// 1, 10, 25 and 50 % for 30, 30, 60 and 60 minutes, then 100 %.
pub(super) fn default_stages() -> Vec<Stage> {
    [(1.0, 1_800), (10.0, 1_800), (25.0, 3_600), (50.0, 3_600), (100.0, minimum_seconds())]
        .into_iter()
        .map(|(percentage, minimum_seconds)| Stage {
            percentage,
            minimum_seconds,
            minimum_samples: minimum_samples(),
            gate: Gate::Automatic,
            no_data: NoData::Hold,
        })
        .collect()
}

/// Errors, mean latency and the slowest requests against control, errors above 5 %, and a p99 above two seconds.
pub(super) fn default_guards() -> Vec<Guard> {
    let guard = |name: &str, metric: &str, test| Guard {
        name: name.to_owned(),
        metric: metric.to_owned(),
        test,
        margin: None,
        quantile: None,
        limit: None,
        weight: weight(),
        action: Action::Rollback,
    };
    vec![
        Guard { margin: Some(MARGIN), ..guard("errors", REQUEST_ERROR, Test::RatioVsControl) },
        Guard { margin: Some(MARGIN), ..guard("latency", REQUEST_DURATION_MS, Test::MeanVsControl) },
        Guard { margin: Some(TAIL_MARGIN), ..guard("tail", REQUEST_DURATION_MS, Test::TailVsControl) },
        Guard { limit: Some(Limit::Number(0.05)), ..guard("error limit", REQUEST_ERROR, Test::RatioLimit) },
        Guard {
            quantile: Some(0.99),
            limit: Some(Limit::Number(2_000.0)),
            ..guard("p99 limit", REQUEST_DURATION_MS, Test::QuantileLimit)
        },
    ]
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            treatment: treatment(),
            control: control(),
            place: fallthrough(),
            layer: None,
            alpha: alpha(),
            dry_run: false,
            stages: default_stages(),
            guards: default_guards(),
        }
    }
}
