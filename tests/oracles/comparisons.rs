//! Welch's test, and Wald's bound.

use bellwether::stats::mean::Moments;
use bellwether::stats::wald::Wald;
use bellwether::stats::{Tails, Welch};
use serde::Deserialize;
use serde_json::json;

use crate::category::{Figures, count, figures, read};

/// Control and treatment.
#[derive(Deserialize)]
struct Arms {
    a: Arm,
    b: Arm,
}

/// An arm's sums, or its mean and sample variance.
#[derive(Deserialize)]
#[serde(untagged)]
enum Arm {
    Sums {
        #[serde(deserialize_with = "count")]
        n: u64,
        sum: f64,
        sum_squares: f64,
    },
    Moments {
        #[serde(deserialize_with = "count")]
        n: u64,
        /// Null of no values.
        mean: Option<f64>,
        /// Null of fewer than two values.
        variance: Option<f64>,
    },
}

impl Arm {
    /// `None` without values.
    fn moments(&self) -> Result<Option<Moments>, String> {
        let moments = match *self {
            Self::Sums { n: 0, .. } | Self::Moments { n: 0, .. } => return Ok(None),
            Self::Sums { n, sum, sum_squares } => Moments::of_sums(n, sum, sum_squares),
            Self::Moments { n: n @ 1, mean: Some(mean), .. } => Moments::new(n, mean, 0.0),
            Self::Moments { n, mean: Some(mean), variance: Some(variance) } => {
                Moments::new(n, mean, variance * (n - 1) as f64)
            }
            Self::Moments { .. } => None,
        };
        moments.map(Some).ok_or_else(|| "no values have such sums, or such a mean and variance".to_owned())
    }
}

pub(crate) fn welch(input: &str) -> Result<Figures, String> {
    let Arms { a, b } = read(input)?;
    let (a, b) = (a.moments()?, b.moments()?);
    let mean = |arm: Option<Moments>| arm.map(|moments| moments.mean);
    let variance = |arm: Option<Moments>| arm.filter(|arm| arm.n > 1).map(|arm| arm.sample_variance());
    let test = a.zip(b).and_then(|(a, b)| Welch::new(&a, &b));
    let tails = test.and_then(|test| test.tails());
    let tail = |read: fn(Tails) -> f64| json!(tails.map(read));
    let interval = |level| json!(test.and_then(|test| test.interval(level)).unwrap_or([f64::NAN; 2]));
    Ok(figures([
        ("mean_a", json!(mean(a))),
        ("mean_b", json!(mean(b))),
        ("var_a", json!(variance(a))),
        ("var_b", json!(variance(b))),
        ("diff", json!(a.zip(b).map(|(a, b)| b.mean - a.mean))),
        ("se", json!(test.map(|test| test.standard_error))),
        ("t", json!(test.map(|test| test.t))),
        ("df", json!(test.map(|test| test.df))),
        ("p_two_sided", tail(|tails| tails.two_sided)),
        ("p_greater", tail(|tails| tails.greater)),
        ("p_less", tail(|tails| tails.less)),
        ("ci90", interval(0.9)),
        ("ci95", interval(0.95)),
        ("ci99", interval(0.99)),
    ]))
}

#[derive(Deserialize)]
struct Shares {
    p0: f64,
    p1: f64,
    /// Treatment's share of all samples; the bound against control needs it.
    share: Option<f64>,
    alpha: f64,
    beta: f64,
}

pub(crate) fn wald_bound(input: &str) -> Result<Figures, String> {
    let Shares { p0, p1, share, alpha, beta } = read(input)?;
    let wald = Wald { p0, p1, alpha, beta };
    Ok(figures([
        ("one_sample", json!(wald.one_sample())),
        ("two_sample", json!(share.map(|share| wald.two_sample(share)))),
    ]))
}
