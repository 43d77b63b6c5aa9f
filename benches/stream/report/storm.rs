//! The figures of clients that come back.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::{ms, verdict};

/// Most attempts in a second.
const ATTEMPTS: usize = 1_500;
/// Longest time until all are back.
const BACK: Duration = Duration::from_secs(60);
/// Most of the API's p99 meanwhile, in milliseconds.
const ANSWER: f64 = 250.0;

/// Clients that lost their server and came back.
#[derive(Debug, Default)]
pub(crate) struct Storm {
    pub(crate) clients: usize,
    pub(crate) returns: Vec<Return>,
}

/// One restart.
#[derive(Debug, Default)]
pub(crate) struct Return {
    /// How the server was ended.
    pub(crate) signal: &'static str,
    /// From then until it was ready again.
    pub(crate) away: Duration,
    /// Attempts to open the stream, in all and within any second, and the latter with requests, for each of which there may
    /// have been a connection.
    pub(crate) attempts: usize,
    pub(crate) peak: usize,
    pub(crate) peak_with_requests: usize,
    /// Of those, refused with 503.
    pub(crate) refused: usize,
    /// From when the server was ready until half of them and all were connected.
    pub(crate) half: Duration,
    pub(crate) last: Duration,
    /// And until every one of them had the last change.
    pub(crate) settled: Duration,
    /// How long the API took for what changes nothing, and for changes.
    pub(crate) asked: Vec<Duration>,
    pub(crate) changed: Vec<Duration>,
    /// Answers of the API that were 503.
    pub(crate) unavailable: usize,
}

fn longest(times: &[Duration]) -> f64 {
    times.iter().max().map_or(0.0, |longest| longest.as_secs_f64() * 1e3)
}

impl Return {
    fn api(&self) -> Vec<Duration> {
        [self.asked.as_slice(), self.changed.as_slice()].concat()
    }
}

impl Storm {
    pub(super) fn json(&self) -> Value {
        let one = |restart: &Return| {
            let api = restart.api();
            json!({
                "signal": restart.signal, "away_seconds": restart.away.as_secs_f64(), "clients": self.clients,
                "attempts": restart.attempts, "attempts_a_second": restart.peak, "attempts_target": ATTEMPTS,
                "connections_a_second": restart.peak_with_requests, "refused": restart.refused,
                "half_seconds": restart.half.as_secs_f64(), "all_seconds": restart.last.as_secs_f64(),
                "settled_seconds": restart.settled.as_secs_f64(), "all_target": BACK.as_secs(), "api_requests": api.len(), "api_p50": ms(&api, 0.5),
                "api_p99": ms(&api, 0.99), "api_most": longest(&api), "api_target": ANSWER,
                "api_change_p50": ms(&restart.changed, 0.5), "api_change_p99": ms(&restart.changed, 0.99),
                "api_unavailable": restart.unavailable,
            })
        };
        self.returns.iter().map(one).collect()
    }
}

impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, restart) in self.returns.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            let (signal, away) = (restart.signal, restart.away.as_secs_f64());
            writeln!(f, "{} clients of the Rust SDK, their server away for {away:.1} s by SIG{signal}", self.clients)?;
            let (peak, reached) = (restart.peak, verdict(restart.peak <= ATTEMPTS));
            writeln!(
                f,
                "  attempts to connect: {}, {peak} within a second at most ({} with requests), {} refused; target {ATTEMPTS} {reached}",
                restart.attempts, restart.peak_with_requests, restart.refused
            )?;
            let (half, all) = (restart.half.as_secs_f64(), restart.last.as_secs_f64());
            let (settled, target) = (restart.settled.as_secs_f64(), BACK.as_secs());
            let reached = verdict(restart.settled <= BACK);
            write!(f, "  back on the stream: half after {half:.1} s, all after {all:.1}")?;
            writeln!(f, ", each with the last change after {settled:.1}; target {target} {reached}")?;
            let api = restart.api();
            let p99 = ms(&api, 0.99);
            writeln!(
                f,
                "  {} requests to the API meanwhile: p50 {:.1} ms, p99 {p99:.1}, longest {:.1}; target {ANSWER} {}",
                api.len(),
                ms(&api, 0.5),
                longest(&api),
                verdict(p99 <= ANSWER)
            )?;
            let changed = &restart.changed;
            write!(
                f,
                "  {} changes among them: p50 {:.1} ms, p99 {:.1}; {} answers of 503",
                changed.len(),
                ms(changed, 0.5),
                ms(changed, 0.99),
                restart.unavailable
            )?;
        }
        Ok(())
    }
}
