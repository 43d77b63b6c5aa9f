//! Student's t, the normal and the χ² distribution.

use bellwether::stats::{StudentT, chi_squared, normal};
use serde::Deserialize;
use serde_json::json;

use crate::category::{Figures, figures, read};

#[derive(Deserialize)]
struct Point {
    x: f64,
    df: f64,
}

#[derive(Deserialize)]
struct Level {
    p: f64,
    df: f64,
}

#[derive(Deserialize)]
struct Abscissa {
    x: f64,
}

fn student(df: f64) -> Result<StudentT, String> {
    StudentT::new(df).ok_or_else(|| format!("df is {df}, and must be above 0"))
}

pub(crate) fn student_t(input: &str) -> Result<Figures, String> {
    let Point { x, df } = read(input)?;
    let t = student(df)?;
    Ok(figures([("cdf", json!(t.cdf(x))), ("sf", json!(t.sf(x)))]))
}

pub(crate) fn student_t_quantile(input: &str) -> Result<Figures, String> {
    let Level { p, df } = read(input)?;
    let quantile = student(df)?.quantile(p).ok_or_else(|| format!("p is {p}, and must be in [0, 1]"))?;
    Ok(figures([("ppf", json!(quantile))]))
}

pub(crate) fn normal(input: &str) -> Result<Figures, String> {
    let Abscissa { x } = read(input)?;
    Ok(figures([("cdf", json!(normal::cdf(x))), ("sf", json!(normal::sf(x))), ("log_cdf", json!(normal::ln_cdf(x)))]))
}

pub(crate) fn chi2(input: &str) -> Result<Figures, String> {
    let Point { x, df } = read(input)?;
    let sf = chi_squared::sf(x, df).ok_or_else(|| format!("df is {df}, and must be in (0, 1e8]"))?;
    Ok(figures([("sf", json!(sf))]))
}
