//! What the operating system knows of this process, by the names that Prometheus' own clients use. Linux alone.

use std::fmt;
use std::path::Path;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::{clock, files};

/// The unit of times in `/proc`, in seconds: the same on every architecture Linux runs on today.
const TICK: f64 = 0.01;

/// This process.
#[derive(Debug)]
pub(super) struct Process {
    /// When it began, in seconds since 1970.
    started: f64,
}

impl Process {
    /// One that has just begun.
    pub(super) fn started_now() -> Self {
        Self { started: clock::now().timestamp_micros() as f64 / 1e6 }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let started = ConstGauge::new(self.started);
        let about = "When the server started, in seconds since 1970";
        let unit = Some(&Unit::Seconds);
        started.encode(encoder.encode_descriptor("process_start_time", about, unit, started.metric_type())?)?;
        if let Some(seconds) = read("/proc/self/stat").as_deref().and_then(cpu_seconds) {
            let seconds = ConstCounter::new(seconds);
            let about = "Time that processors spent on this process";
            seconds.encode(encoder.encode_descriptor("process_cpu", about, unit, seconds.metric_type())?)?;
        }
        if let Some(bytes) = read("/proc/self/status").as_deref().and_then(resident_bytes) {
            let bytes = ConstGauge::new(bytes);
            let about = "Memory of this process that is in RAM";
            let unit = Some(&Unit::Bytes);
            bytes.encode(encoder.encode_descriptor("process_resident_memory", about, unit, bytes.metric_type())?)?;
        }
        Ok(())
    }
}

fn read(path: &str) -> Option<String> {
    files::read_text(Path::new(path)).ok()
}

/// User and system time of `/proc/self/stat`: the 14th and 15th field. The 2nd is a name in parentheses, which may hold
/// anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) * TICK)
}

/// `VmRSS` of `/proc/self/status`.
fn resident_bytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_says_is_read() {
        let stat = "1 (a ) b) S 0 1 1 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 8 0 5 1 2";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t8\n"), Some(2 << 20));
        assert_eq!((cpu_seconds(""), resident_bytes("")), (None, None));
    }
}
