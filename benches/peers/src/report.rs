//! The table, the ratios, and how they stand against the targets.

use std::fmt;

use serde_json::{Value, json};

use crate::workload::Row;

/// How many times faster than the fastest peer, in the geometric mean.
const TARGET: f64 = 2.5;
/// Where it is meant to get to.
const AIM: f64 = 4.0;

/// What was measured.
pub struct Report {
    /// Ours, the peers, the bare loop.
    names: Vec<&'static str>,
    rows: Vec<(Row, Vec<f64>)>,
}

impl Report {
    pub fn of(names: Vec<&'static str>, rows: Vec<(Row, Vec<f64>)>) -> Self {
        Self { names, rows }
    }

    fn peers(&self) -> std::ops::Range<usize> {
        1..self.names.len() - 1
    }

    /// The fastest peer in a row, and how many times faster ours is.
    fn fastest(&self, nanoseconds: &[f64]) -> (usize, f64) {
        let fastest = self.peers().min_by(|a, b| nanoseconds[*a].total_cmp(&nanoseconds[*b])).expect("a peer");
        (fastest, nanoseconds[fastest] / nanoseconds[0])
    }

    fn mean(&self) -> f64 {
        let weighted = |(row, nanoseconds): &(Row, Vec<f64>)| row.weight() * self.fastest(nanoseconds).1.ln();
        let weights: f64 = self.rows.iter().map(|(row, _)| row.weight()).sum();
        (self.rows.iter().map(weighted).sum::<f64>() / weights).exp()
    }

    fn behind(&self) -> Vec<&'static str> {
        let behind = self.rows.iter().filter(|(_, nanoseconds)| self.fastest(nanoseconds).1 <= 1.0);
        behind.map(|(row, _)| row.title()).collect()
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|(row, nanoseconds)| {
                let (fastest, ratio) = self.fastest(nanoseconds);
                let by_name: serde_json::Map<_, _> =
                    self.names.iter().zip(nanoseconds).map(|(name, ns)| ((*name).to_owned(), json!(ns))).collect();
                json!({
                    "row": row.title(), "nanoseconds": by_name, "fastest_peer": self.names[fastest], "ratio": ratio,
                    "weight": row.weight(),
                })
            })
            .collect();
        let reached = self.mean() >= TARGET && self.behind().is_empty();
        json!({
            "rows": rows, "geometric_mean": self.mean(), "target": TARGET, "aim": AIM, "behind": self.behind(),
            "reached": reached,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:45}", "ns per evaluation")?;
        for name in &self.names {
            write!(f, "{name:>14}")?;
        }
        writeln!(f, "{:>26}", "fastest peer / ours")?;
        for (row, nanoseconds) in &self.rows {
            write!(f, "{:45}", row.title())?;
            for ns in nanoseconds {
                write!(f, "{ns:>14.1}")?;
            }
            let (fastest, ratio) = self.fastest(nanoseconds);
            writeln!(f, "{:>18} {ratio:>6.2}x", self.names[fastest])?;
        }
        writeln!(
            f,
            "\nRows of one letter count as one. No peer is left out of a row; Eppo has (d) as a rule on the subject's id."
        )?;
        let (mean, behind) = (self.mean(), self.behind());
        let reached = if mean >= TARGET { "reached" } else { "MISSED" };
        write!(f, "geometric mean {mean:.2}x: target {TARGET}x {reached}, aim {AIM}x ")?;
        writeln!(f, "{}", if mean >= AIM { "reached" } else { "not reached" })?;
        match behind.as_slice() {
            [] => write!(f, "ahead in every row"),
            rows => write!(f, "NOT AHEAD in: {}", rows.join("; ")),
        }
    }
}
