//! What this process uses of what it may.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;

use bellwether_core::window::Resources;
use tokio::time::Instant;

use crate::clock;

/// The unit of times in `/proc`, in seconds: the same on every architecture Linux runs on today.
const TICK: f64 = 0.01;
/// More than any of the files read here is long, in bytes.
const FILE_BYTES: u64 = 64 * 1024;
/// Shorter times say little, as processor time is counted in hundredths of a second.
const SHORTEST: f64 = 0.5;

/// What tells how much of the database pool is in use, in percent.
#[derive(Clone)]
pub(crate) struct PoolGauge(pub(crate) Arc<dyn Fn() -> f64 + Send + Sync>);

impl fmt::Debug for PoolGauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PoolGauge")
    }
}

/// Reads the process's figures: on Linux, and nothing elsewhere.
#[derive(Debug)]
pub(crate) struct Gauge {
    pool: Option<PoolGauge>,
    /// Processor time that was used up to a moment, in seconds.
    last: Option<(f64, Instant)>,
}

impl Gauge {
    pub(crate) fn new(pool: Option<PoolGauge>) -> Self {
        Self { pool, last: cpu_seconds().map(|used| (used, clock::moment())) }
    }

    /// What is used now; of the processors, on average since this was asked before. None if nothing is known.
    pub(crate) fn read(&mut self) -> Option<Resources> {
        let resources = Resources {
            cpu_percent: self.cpu(clock::moment()),
            memory_percent: memory(),
            db_pool_percent: self.pool.as_ref().and_then(pool),
        };
        (resources != Resources::default()).then_some(resources)
    }

    fn cpu(&mut self, now: Instant) -> Option<f64> {
        let (before, at) = self.last?;
        let passed = now.duration_since(at).as_secs_f64();
        let used = cpu_seconds()?;
        if passed < SHORTEST {
            return None;
        }
        self.last = Some((used, now));
        // As many processors as the process may use, a limit of its control group included.
        let processors = available_parallelism().map_or(1.0, |count| count.get() as f64);
        Some(percent(used - before, passed * processors))
    }
}

/// Whoever asks a pool runs code of somebody else's: what panics is as if it said nothing.
fn pool(gauge: &PoolGauge) -> Option<f64> {
    let told = catch_unwind(AssertUnwindSafe(|| (gauge.0)())).ok()?;
    told.is_finite().then(|| told.clamp(0.0, 100.0))
}

fn percent(part: f64, whole: f64) -> f64 {
    (part / whole * 100.0).clamp(0.0, 100.0)
}

/// User and system time of `/proc/self/stat`: the 14th and 15th field. The 2nd is a name in parentheses, which may hold
/// anything.
fn cpu_seconds() -> Option<f64> {
    cpu_seconds_of(&read("/proc/self/stat")?)
}

fn cpu_seconds_of(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) * TICK)
}

/// Memory in RAM as a share of the machine's, or of the control group's limit if that is lower.
fn memory() -> Option<f64> {
    let resident = kilobytes(&read("/proc/self/status")?, "VmRSS:")?;
    let machine = kilobytes(&read("/proc/meminfo")?, "MemTotal:")?;
    let limit = read("/proc/self/cgroup").and_then(|groups| {
        let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        let limit = read(&format!("/sys/fs/cgroup{}/memory.max", group.trim_end_matches('/')))?;
        // The word `max` is no limit.
        Some(limit.trim().parse::<f64>().ok()? / 1024.0)
    });
    Some(percent(resident, limit.map_or(machine, |limit| limit.min(machine))))
}

/// The figure behind `name` in a file of lines such as `VmRSS:    2048 kB`.
fn kilobytes(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn read(path: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "files of the kernel's, which take no time to read")]
    let file = File::open(Path::new(path)).ok()?;
    let mut text = String::new();
    file.take(FILE_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_linux_says_is_read() {
        let stat = "1 (a ) b) S 0 1 1 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 8 0 5 1 2";
        assert_eq!((cpu_seconds_of(stat), cpu_seconds_of("")), (Some(2.0), None));
        assert_eq!(kilobytes("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t8\n", "VmRSS:"), Some(2048.0));
        assert_eq!(kilobytes("VmRSS: many kB", "VmRSS:"), None);
        assert_eq!(read("/proc/no such file"), None);
    }

    #[test]
    fn shares_are_of_what_there_is() {
        let mut gauge = Gauge::new(Some(PoolGauge(Arc::new(|| 20.0))));
        assert_eq!(gauge.cpu(clock::moment()), None, "too short a time");
        let told = gauge.read().unwrap();
        assert_eq!(told.db_pool_percent, Some(20.0));
        if cfg!(target_os = "linux") {
            assert!(told.memory_percent.is_some_and(|percent| percent > 0.0 && percent < 100.0), "{told:?}");
            let share = gauge.cpu(clock::moment() + Duration::from_secs(10)).unwrap();
            assert!((0.0..=100.0).contains(&share), "{share}");
        }
    }

    #[test]
    fn a_pool_that_knows_nothing_says_nothing() {
        let told = |gauge: fn() -> f64| pool(&PoolGauge(Arc::new(gauge)));
        assert_eq!((told(|| 101.0), told(|| -1.0), told(|| f64::NAN)), (Some(100.0), Some(0.0), None));
        assert_eq!(told(|| panic!("the pool is gone")), None);
    }
}
