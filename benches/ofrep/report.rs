//! The table, and how it stands against the targets.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::rounds::quantile;

/// The rounds of one server.
#[derive(Debug, Default)]
pub(crate) struct Series {
    rates: Vec<f64>,
    requests: u64,
    cpu_seconds: f64,
}

impl Series {
    pub(crate) fn add(&mut self, requests: u64, took: Duration, cpu_seconds: f64) {
        self.rates.push(requests as f64 / took.as_secs_f64());
        self.requests += requests;
        self.cpu_seconds += cpu_seconds;
    }

    /// Requests per second: the median of the rounds.
    fn rate(&self) -> f64 {
        quantile(self.rates.clone(), 0.5)
    }

    /// Processor time of the server per request, in microseconds.
    fn cpu(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.requests.max(1) as f64
    }
}

struct Row {
    title: &'static str,
    bytes: usize,
    target: f64,
    bare: Series,
    ours: Series,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.ours.rate() / self.bare.rate().max(1e-9)
    }
}

/// What was measured.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn add(&mut self, title: &'static str, bytes: usize, target: f64, bare: Series, ours: Series) {
        self.rows.push(Row { title, bytes, target, bare, ours });
    }

    /// For machines.
    pub(crate) fn json(&self) -> Value {
        let side = |series: &Series| json!({"requests_per_second": series.rate(), "cpu_microseconds": series.cpu()});
        let rows = self.rows.iter().map(|row| {
            json!({
                "row": row.title, "body_bytes": row.bytes, "bare": side(&row.bare), "bellwether": side(&row.ours),
                "ratio": row.ratio(), "target": row.target, "reached": row.ratio() >= row.target,
            })
        });
        rows.collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:18}{:>8}{:>30}{:>30}", "one worker each", "body", "bare actix-web", "bellwether")?;
        for row in &self.rows {
            write!(f, "{:18}{:>6} B", row.title, row.bytes)?;
            for side in [&row.bare, &row.ours] {
                write!(f, "{:>14.0} /s {:>7.1} µs CPU", side.rate(), side.cpu())?;
            }
            let (ratio, target) = (row.ratio(), row.target);
            let reached = if ratio >= target { "reached" } else { "MISSED" };
            writeln!(f, "   {ratio:.2} of bare, target {target:.2} {reached}")?;
        }
        Ok(())
    }
}
