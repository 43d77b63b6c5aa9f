use bellwether_core::window::{REQUEST_DURATION_MS, REQUEST_ERROR};
use chrono::{DateTime, Utc};

use super::guard::{Evidence, Figures, GuardTile, GuardVerdict, TrendPicture};
use crate::canary::picture::{Bound, Estimate, IntervalPicture, Point, Trend};
use crate::canary::{Action, Figures as Found, GuardReport, Test, Verdict};
use crate::http::display::{self, Moment};

/// A guard's tile, with its figures in the last windows, which span so many seconds.
pub(super) fn tile(report: &GuardReport, points: &[Point], span: u64, now: DateTime<Utc>) -> GuardTile {
    let found = found(report);
    GuardTile {
        name: report.name.clone(),
        compares: compares(report),
        bound: bound(report),
        verdict: match report.verdict {
            Verdict::NoData => GuardVerdict::Waiting,
            Verdict::Fine => GuardVerdict::Fine,
            Verdict::Hold => GuardVerdict::Hold,
            Verdict::Harm => GuardVerdict::Harm,
        },
        note: note(report, now),
        figures: figures(report, &found),
        interval: interval_picture(report, &found),
        trend: Trend::new(points, allowed(report)).map(|lines| TrendPicture {
            top: shown(report, Some(lines.top)),
            span: format!("last {}", display::duration(span)),
            lines,
        }),
        evidence: Evidence::new(report.log_e, report.threshold),
    }
}

/// The figures since the harm seems to have begun, else those of the whole release.
fn found(report: &GuardReport) -> Found {
    let GuardReport { treatment, control, effect, interval, samples, .. } = report.clone();
    let whole = Found { treatment, control, effect, interval, samples };
    report.evidence.as_ref().map_or(whole, |evidence| evidence.figures)
}

fn note(report: &GuardReport, now: DateTime<Utc>) -> String {
    let since = |evidence: &crate::canary::Evidence| {
        format!("Figures since {}, when it seems to have begun.", Moment::new(evidence.since, now).clock)
    };
    let told = report.reason.clone().filter(|_| report.verdict == Verdict::Hold || report.action != Action::Rollback);
    told.into_iter().chain(report.evidence.as_ref().map(since)).collect::<Vec<_>>().join(" ")
}

fn rate_name(metric: &str) -> String {
    if metric == REQUEST_ERROR { "error rate".to_owned() } else { format!("rate of {metric}") }
}

fn compares(report: &GuardReport) -> String {
    let metric = report.metric.as_str();
    let what = match report.test {
        Test::RatioVsControl => format!("{} against control", rate_name(metric)),
        Test::MeanVsControl if metric == REQUEST_DURATION_MS => "mean latency against control".to_owned(),
        Test::MeanVsControl => format!("mean of {metric} against control"),
        Test::TailVsControl => {
            let values = if metric == REQUEST_DURATION_MS { "slowest requests" } else { metric };
            let quantile = report.quantile.unwrap_or_default();
            let edge = report.edge.map_or_else(String::new, |edge| format!(", {}", amount(metric, edge)));
            format!("{values} above control's p{}{edge}", display::share(quantile * 100.0).trim_end_matches(" %"))
        }
        Test::RatioLimit => format!("{} against a limit", rate_name(metric)),
        Test::QuantileLimit => {
            let values = if metric == REQUEST_DURATION_MS { "latencies" } else { metric };
            let limit = report.limit.map_or_else(String::new, |limit| amount(metric, limit));
            let quantile = report.quantile.unwrap_or_default();
            format!("{values} above {limit} (p{})", display::share(quantile * 100.0).trim_end_matches(" %"))
        }
    };
    match report.action {
        Action::Rollback => what,
        Action::Hold => format!("{what}; only holds"),
        Action::Notify => format!("{what}; only tells"),
    }
}

/// The share or rate that a test against a limit allows.
fn allowed(report: &GuardReport) -> Option<f64> {
    match report.test {
        Test::RatioLimit => report.limit,
        Test::QuantileLimit => report.quantile.map(|quantile| 1.0 - quantile),
        Test::RatioVsControl | Test::MeanVsControl | Test::TailVsControl => None,
    }
}

fn bound(report: &GuardReport) -> String {
    match (report.margin, allowed(report)) {
        (Some(margin), _) => format!("margin +{}", display::share(margin * 100.0)),
        (None, Some(limit)) => format!("limit {}", display::share(limit * 100.0)),
        (None, None) => String::new(),
    }
}

fn amount(metric: &str, value: f64) -> String {
    if metric == REQUEST_DURATION_MS { display::milliseconds(value) } else { display::number(value) }
}

/// A figure of an arm; empty before there is one.
fn shown(report: &GuardReport, value: Option<f64>) -> String {
    match (value, report.test) {
        (None, _) => String::new(),
        (Some(value), Test::MeanVsControl) => amount(&report.metric, value),
        (Some(value), _) => display::rate(value),
    }
}

fn figures(report: &GuardReport, found: &Found) -> Figures {
    let estimate = if report.test.is_against_control() { display::change } else { display::rate };
    let interval = found.interval.map(|[low, high]| match high.is_finite() {
        true => format!("{} to {}", estimate(low).trim_end_matches(" %"), estimate(high)),
        false => format!("at least {}", estimate(low)),
    });
    Figures {
        treatment: shown(report, found.treatment),
        control: shown(report, found.control),
        effect: found.effect.map(estimate).unwrap_or_default(),
        interval: interval.unwrap_or_default(),
        treatment_samples: display::thousands(found.samples.treatment),
        control_samples: display::thousands(found.samples.control),
    }
}

fn interval_picture(report: &GuardReport, found: &Found) -> IntervalPicture {
    let bound = match (report.margin, allowed(report)) {
        (Some(margin), _) => Bound::Margin(margin),
        (None, allowed) => Bound::Limit(allowed.unwrap_or_default()),
    };
    let estimate = found.effect.zip(found.interval).map(|(effect, [low, high])| Estimate { low, effect, high });
    IntervalPicture::new(bound, estimate)
}
