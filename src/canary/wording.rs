//! Figures and findings in words.

use bellwether_core::window::{REQUEST_DURATION_MS, REQUEST_ERROR};

use super::policy::Test;
use super::report::{Figures, GuardReport, Verdict};

/// Why a guard finds harm, or can't tell; `None` when it is content.
pub(super) fn reason(report: &GuardReport) -> Option<String> {
    let whole = Figures {
        treatment: report.treatment,
        control: report.control,
        effect: report.effect,
        interval: report.interval,
        samples: report.samples,
    };
    let figures = report.evidence.as_ref().map_or(whole, |evidence| evidence.figures);
    match report.verdict {
        Verdict::NoData | Verdict::Fine => None,
        Verdict::Hold => Some(both_failing(report, &figures)),
        Verdict::Harm => {
            let releases = count((1.0 / report.alpha).round() as u64);
            let found = match report.test {
                Test::RatioVsControl => ratio_vs_control(report, &figures),
                Test::MeanVsControl => mean_vs_control(report, &figures),
                Test::TailVsControl => tail_vs_control(report, &figures),
                Test::RatioLimit | Test::QuantileLimit => above_limit(report, &figures),
            };
            Some(format!("{found} A healthy canary shows this less than once in {releases} releases."))
        }
    }
}

/// How many times as often, in brackets.
fn ratio(figures: &Figures) -> String {
    let lowest = figures.interval.map(|[low, _]| 1.0 + low).filter(|low| *low > 1.0);
    match (figures.effect, lowest) {
        (Some(effect), Some(low)) => format!(" (ratio {:.2}, at least {low:.2})", 1.0 + effect),
        (Some(effect), None) => format!(" (ratio {:.2})", 1.0 + effect),
        (None, _) => String::new(),
    }
}

fn tail_vs_control(report: &GuardReport, figures: &Figures) -> String {
    let (treatment, control) = (percent(figures.treatment), percent(figures.control));
    format!(
        "{treatment} of {} on the canary were above {}, control's {} before, against {control} on control{}, in {}.",
        values_name(&report.metric),
        amount(&report.metric, report.edge),
        quantile_name(report.quantile),
        ratio(figures),
        volume(report, figures)
    )
}

fn ratio_vs_control(report: &GuardReport, figures: &Figures) -> String {
    let ratio = ratio(figures);
    let (treatment, control) = (percent(figures.treatment), percent(figures.control));
    let (subject, were) = rate_name(&report.metric);
    format!(
        "{subject} on the canary {were} {treatment} against {control} on control{ratio}, in {}.",
        volume(report, figures)
    )
}

fn mean_vs_control(report: &GuardReport, figures: &Figures) -> String {
    let lowest = figures.interval.map(|[low, _]| low).filter(|low| *low > 0.0);
    let more = match (figures.effect, lowest) {
        (Some(effect), Some(low)) => format!(" ({} more, at least {})", percent(Some(effect)), percent(Some(low))),
        (Some(effect), None) => format!(" ({} more)", percent(Some(effect))),
        (None, _) => String::new(),
    };
    let subject = match report.metric.as_str() {
        REQUEST_DURATION_MS => "The mean latency".to_owned(),
        metric => format!("The mean of `{metric}`"),
    };
    let (treatment, control) = (amount(&report.metric, figures.treatment), amount(&report.metric, figures.control));
    format!(
        "{subject} on the canary was {treatment} against {control} on control{more}, in {}.",
        volume(report, figures)
    )
}

fn above_limit(report: &GuardReport, figures: &Figures) -> String {
    let allowed = allowed(report);
    let lowest = figures.interval.map(|[low, _]| low).filter(|low| allowed.is_some_and(|allowed| *low > allowed));
    let lowest = lowest.map_or(String::new(), |low| format!(" (at least {})", percent(Some(low))));
    let (treatment, control) = (percent(figures.treatment), percent(figures.control));
    let (volume, allowed) = (volume(report, figures), percent(allowed));
    match report.test {
        Test::QuantileLimit => format!(
            "{treatment}{lowest} of {} on the canary were above {}, where the {} limit allows {allowed}; on control {control}, in \
             {volume}.",
            values_name(&report.metric),
            amount(&report.metric, report.limit),
            quantile_name(report.quantile),
        ),
        _ => {
            let (subject, were) = rate_name(&report.metric);
            format!(
                "{subject} on the canary {were} {treatment}{lowest}, above the limit of {allowed}, against {control} on control, in \
                 {volume}."
            )
        }
    }
}

fn both_failing(report: &GuardReport, figures: &Figures) -> String {
    let fails = |share: Option<f64>| share.zip(allowed(report)).is_some_and(|(share, allowed)| share > allowed);
    let verdict = if fails(figures.treatment) {
        "both arms are failing: not the canary"
    } else {
        "control itself is above the limit: the canary can't be judged by it"
    };
    let subject = match report.test {
        Test::QuantileLimit => {
            format!("the share of {} above {}", values_name(&report.metric), amount(&report.metric, report.limit))
        }
        _ => format!("`{}`", report.metric),
    };
    let (treatment, control, allowed) =
        (percent(figures.treatment), percent(figures.control), percent(allowed(report)));
    format!(
        "{}: {verdict} ({subject} is {treatment} on the canary and {control} on control; the limit allows {allowed}).",
        report.name
    )
}

/// The share of hits that a test against a limit allows.
fn allowed(report: &GuardReport) -> Option<f64> {
    if report.test == Test::QuantileLimit { report.quantile.map(|quantile| 1.0 - quantile) } else { report.limit }
}

fn rate_name(metric: &str) -> (String, &'static str) {
    if metric == REQUEST_ERROR { ("Errors".to_owned(), "were") } else { (format!("`{metric}`"), "was") }
}

fn values_name(metric: &str) -> String {
    if metric == REQUEST_DURATION_MS { "latencies".to_owned() } else { format!("values of `{metric}`") }
}

fn quantile_name(quantile: Option<f64>) -> String {
    // Rounded to what a person wrote: 0.999 · 100 is 99.9 but for the last bit.
    quantile.map_or_else(String::new, |quantile| format!("p{}", (quantile * 1e8).round() / 1e6))
}

fn volume(report: &GuardReport, figures: &Figures) -> String {
    let unit = unit(&report.metric);
    format!("{} against {} {unit}", count(figures.samples.treatment), count(figures.samples.control))
}

/// What one sample of a metric is called, in the plural.
pub(super) fn unit(metric: &str) -> &'static str {
    if metric.starts_with("request.") { "requests" } else { "samples" }
}

/// A share in percent, with more decimals the smaller it is.
pub(super) fn percent(share: Option<f64>) -> String {
    let Some(percent) = share.map(|share| share * 100.0) else {
        return "nothing".to_owned();
    };
    // The bounds are where rounding reaches the next digit: 0.996 % is 1.0 %, not 1.00 %.
    let decimals = match percent.abs() {
        x if x >= 0.995 || x == 0.0 => 1,
        x if x >= 0.0995 => 2,
        x if x >= 0.00995 => 3,
        _ => 4,
    };
    format!("{percent:.decimals$} %")
}

/// A number of a metric's own unit.
fn amount(metric: &str, value: Option<f64>) -> String {
    let Some(value) = value else {
        return "nothing".to_owned();
    };
    let number = match value.abs() {
        // Every double from here on is beyond what a count can hold.
        x if x >= 1e15 => format!("{value:e}"),
        x if x >= 100.0 => {
            let sign = if value < 0.0 { "−" } else { "" };
            format!("{sign}{}", count(x.round() as u64))
        }
        x if x >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    if metric == REQUEST_DURATION_MS { format!("{number} ms") } else { number }
}

/// A whole number with its thousands set apart: `27,180`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of its two leading digits alone: 2,345 is about 2,300.
pub(super) fn about(number: u64) -> String {
    let mut scale = 1;
    while number / scale >= 100 {
        scale *= 10;
    }
    count((number / scale).saturating_mul(scale))
}

/// A time in the largest unit that still tells it well.
pub(super) fn duration(seconds: u64) -> String {
    let (number, unit) = match seconds {
        ..120 => (seconds, "second"),
        120..7_200 => (seconds.div_ceil(60), "minute"),
        7_200..172_800 => (seconds.div_ceil(3_600), "hour"),
        _ => (seconds.div_ceil(86_400), "day"),
    };
    format!("{} {unit}{}", count(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
