//! Prints what it takes to classify ten thousand contacts against ten thousand clients, and the most memory that the process had.

use std::error::Error;
use std::io::Write as _;
use std::time::{Duration, Instant};

use coportal_core::import::{Counts, classify};
use coportal_core::ledger::ContactMark;

use list::{gbp, key, scene};

#[path = "../tests/import/list.rs"]
mod list;

const RUNS: usize = 31;

/// Longest median that is accepted, by an optimised build.
const MOST: Duration = Duration::from_millis(50);

#[expect(clippy::disallowed_methods, reason = "a benchmark's clock is the machine's")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for (name, form) in [
        ("a mark that names its client (Xero)", ContactMark::ClientId),
        ("a mark that only a digest tells (Sage)", ContactMark::Digest { max: 10 }),
        ("no mark (QuickBooks, Business Central)", ContactMark::Evidence),
    ] {
        let scene = scene(20_260_301, 10_000, 10_000, form);
        let known = scene.known();
        let mut times: Vec<Duration> = Vec::with_capacity(RUNS);
        let mut counts = Counts::default();
        for _ in 0..RUNS {
            let list = scene.list.clone();
            let began = Instant::now();
            let rows = classify(list, &known, form, gbp(), key);
            times.push(began.elapsed());
            counts = rows.iter().fold(Counts::default(), |counts, row| counts.with(row.status));
        }
        times.sort_unstable();
        let median = times.get(RUNS / 2).copied().unwrap_or_default();
        let slowest = times.last().copied().unwrap_or_default();
        writeln!(out, "10,000 contacts against 10,000 clients, {name}")?;
        writeln!(out, "  median {} ms, slowest {} ms of {RUNS}; {counts:?}", millis(median), millis(slowest))?;
        if median >= MOST {
            return Err(format!("the median is not below {} ms", MOST.as_millis()).into());
        }
    }
    writeln!(out, "peak memory of the process: {}", peak().unwrap_or_else(|| "not told by this system".to_owned()))?;
    Ok(())
}

fn millis(took: Duration) -> String {
    format!("{}.{}", took.as_millis(), took.subsec_micros() % 1000 / 100)
}

/// As Linux counts it.
fn peak() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map(|peak| peak.trim().to_owned())
}
