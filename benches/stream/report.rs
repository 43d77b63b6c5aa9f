//! The figures, and how they stand against the targets.

use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::parts;
use super::rounds::quantile;

mod storm;

pub(crate) use storm::{Return, Storm};

/// Most of the bare broadcaster's time.
const SPREAD: f64 = 1.35;
/// Most memory of an idle connection, in bytes.
const IDLE: f64 = 20.0 * 1024.0;
/// Most of the p99 without readers that stall.
const BESIDE: f64 = 1.5;
/// Most memory that they cost, in bytes.
const MORE: f64 = 15.0 * 1024.0 * 1024.0;

/// A small change to everybody.
#[derive(Debug, Default)]
pub(crate) struct FanOut {
    pub(crate) subscribers: usize,
    /// Of the message, with its head.
    pub(crate) bytes: usize,
    /// From the first to the last that has it.
    pub(crate) ours: Vec<Duration>,
    pub(crate) bare: Vec<Duration>,
    /// From the request to the last that has it.
    pub(crate) to_last: Vec<Duration>,
    /// From the request to its answer.
    pub(crate) answered: Vec<Duration>,
    /// The parts of each, in the order of [`parts::NAMES`].
    pub(crate) parts: Vec<[Duration; parts::NAMES.len()]>,
    /// From the request to its answer with one subscriber.
    pub(crate) unheard: Vec<Duration>,
    /// For each connection, before the first change and after the last.
    pub(crate) idle_bytes: f64,
    pub(crate) used_bytes: f64,
}

/// Readers that stall beside others.
#[derive(Debug, Default)]
pub(crate) struct Slow {
    pub(crate) readers: usize,
    pub(crate) stalled: usize,
    pub(crate) bytes: usize,
    /// From the request until a reader has the change: where nobody stalls, and where some do.
    pub(crate) alone: Vec<Duration>,
    pub(crate) beside: Vec<Duration>,
    pub(crate) more_bytes: f64,
}

/// What was measured.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) fan_out: FanOut,
    pub(crate) slow: Slow,
    pub(crate) storm: Storm,
}

fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "MISSED" }
}

fn ms(durations: &[Duration], share: f64) -> f64 {
    quantile(durations.iter().map(|took| took.as_secs_f64() * 1e3).collect(), share)
}

impl FanOut {
    /// The median of the ratios of neighbours.
    fn ratio(&self) -> f64 {
        let ratio = |(ours, bare): (&Duration, &Duration)| ours.as_secs_f64() / bare.as_secs_f64().max(1e-9);
        quantile(self.ours.iter().zip(&self.bare).map(ratio).collect(), 0.5)
    }

    /// Each part's name, and how long it took each time.
    fn parts(&self) -> impl Iterator<Item = (&'static str, Vec<Duration>)> {
        let of = |number| self.parts.iter().filter_map(move |parts| parts.get(number).copied()).collect();
        parts::NAMES.iter().enumerate().map(move |(number, name)| (*name, of(number)))
    }
}

impl Slow {
    fn ratio(&self) -> f64 {
        ms(&self.beside, 0.99) / ms(&self.alone, 0.99).max(1e-9)
    }
}

impl Report {
    pub(crate) fn json(&self) -> Value {
        let Self { fan_out, slow, storm } = self;
        let part = |(name, took): (&str, Vec<Duration>)| {
            (name.to_owned(), json!({"p50": ms(&took, 0.5), "p99": ms(&took, 0.99)}))
        };
        let parts: Map<_, _> = fan_out.parts().map(part).collect();
        json!({
            "fan_out": {
                "subscribers": fan_out.subscribers, "bytes": fan_out.bytes, "ratio": fan_out.ratio(), "target": SPREAD,
                "milliseconds": ms(&fan_out.ours, 0.5), "bare_milliseconds": ms(&fan_out.bare, 0.5),
                "idle_bytes": fan_out.idle_bytes, "used_bytes": fan_out.used_bytes, "idle_target": IDLE,
            },
            "change": {
                "to_last_p50": ms(&fan_out.to_last, 0.5), "to_last_p99": ms(&fan_out.to_last, 0.99),
                "answered_p50": ms(&fan_out.answered, 0.5), "answered_p99": ms(&fan_out.answered, 0.99),
                "answered_alone_p50": ms(&fan_out.unheard, 0.5), "parts": parts,
            },
            "slow": {
                "readers": slow.readers, "stalled": slow.stalled, "bytes": slow.bytes, "ratio": slow.ratio(),
                "target": BESIDE, "p99_milliseconds": ms(&slow.beside, 0.99),
                "alone_p99_milliseconds": ms(&slow.alone, 0.99), "more_bytes": slow.more_bytes, "more_target": MORE,
            },
            "restarts": storm.json(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fan_out, slow, storm } = self;
        let (ratio, kib) = (fan_out.ratio(), 1024.0);
        writeln!(f, "one change of {} bytes to {} subscribers", fan_out.bytes, fan_out.subscribers)?;
        let (ours, bare) = (ms(&fan_out.ours, 0.5), ms(&fan_out.bare, 0.5));
        let reached = verdict(ratio <= SPREAD);
        writeln!(
            f,
            "  from the first to the last: {ours:.1} ms, bare {bare:.1} ms; ratio {ratio:.2}, target {SPREAD} {reached}"
        )?;
        let all = |times: &[Duration]| format!("{:.1} ms, p99 {:.1}", ms(times, 0.5), ms(times, 0.99));
        writeln!(f, "  from the request to the last: p50 {}", all(&fan_out.to_last))?;
        writeln!(f, "  from the request to its answer: p50 {}", all(&fan_out.answered))?;
        writeln!(f, "  the same with one subscriber: p50 {}", all(&fan_out.unheard))?;
        writeln!(f, "  its parts, of a change to all:")?;
        for (name, took) in fan_out.parts() {
            writeln!(f, "    {name:9} p50 {:.2} ms, p99 {:.2}", ms(&took, 0.5), ms(&took, 0.99))?;
        }
        let (idle, used) = (fan_out.idle_bytes, fan_out.used_bytes);
        let reached = verdict(idle <= IDLE);
        writeln!(
            f,
            "  memory for each: {:.1} KiB, {:.1} after the changes; target {:.0} {reached}",
            idle / kib,
            used / kib,
            IDLE / kib
        )?;
        writeln!(
            f,
            "{} of {} stop reading, {} bytes for each change",
            slow.stalled,
            slow.readers + slow.stalled,
            slow.bytes
        )?;
        let (beside, alone, ratio) = (ms(&slow.beside, 0.99), ms(&slow.alone, 0.99), slow.ratio());
        let reached = verdict(ratio <= BESIDE);
        writeln!(
            f,
            "  p99 of the others: {beside:.1} ms, {alone:.1} where all read; ratio {ratio:.2}, target {BESIDE} {reached}"
        )?;
        let (more, target) = (slow.more_bytes / kib / kib, MORE / kib / kib);
        writeln!(f, "  memory: {more:.1} MiB more, target {target:.0} {}", verdict(slow.more_bytes <= MORE))?;
        write!(f, "{storm}")
    }
}

/// Memory of a process, in bytes.
#[expect(clippy::disallowed_methods, reason = "it is no file of the store")]
pub(crate) fn resident(process: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("a line")?;
    let kilobytes: u64 = line.trim().strip_suffix("kB").context("kilobytes")?.trim().parse()?;
    Ok(kilobytes * 1024)
}
