//! Many invoices in all ledgers, on every core of the machine.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use coportal_core::ledger::{Ledger, LedgerRules};
use serde::Serialize;

use crate::cases::Case;
use crate::verdict::{Verdict, judge};

/// Most violations that are told; the count goes on.
const TOLD: usize = 20;

/// How many of a ledger's invoices came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Pushed as they are.
    pub pushed: u64,
    /// Held.
    pub held: u64,
    /// Pushed with a rounding line.
    pub rounding_line: u64,
    /// Violations.
    pub wrong: u64,
}

/// What a run came to.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Invoices, each in every ledger.
    pub invoices: u64,
    /// The seed of the series.
    pub seed: u64,
    /// How long it took.
    pub seconds: u64,
    /// By ledger.
    pub ledgers: BTreeMap<Ledger, Count>,
    /// The first violations, each with the number that draws its invoice again.
    pub violations: Vec<String>,
}

impl Report {
    /// Whether nothing was wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.ledgers.values().all(|count| count.wrong == 0)
    }
}

/// Judges the invoices 0 to `count` less one of a seed in each ledger; `told` is called with how many are done, now and then.
pub fn run(count: u64, seed: u64, rules: &[LedgerRules], told: impl Fn(u64) + Sync) -> Report {
    #[expect(clippy::disallowed_methods, reason = "the run's own duration is part of its report, and nothing is decided by it")]
    let started = Instant::now();
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let whole = Mutex::new((BTreeMap::<Ledger, Count>::new(), Vec::<String>::new()));
    let work = || {
        let mut counts: BTreeMap<Ledger, Count> = rules.iter().map(|rules| (rules.ledger, Count::default())).collect();
        let mut violations = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            let case = Case::nth(seed, number);
            for rules in rules {
                let tally = counts.entry(rules.ledger).or_default();
                match judge(&case, rules) {
                    Ok(Verdict::Pushed) => tally.pushed += 1,
                    Ok(Verdict::Held) => tally.held += 1,
                    Ok(Verdict::RoundingLine) => tally.rounding_line += 1,
                    Err(violation) => {
                        tally.wrong += 1;
                        if violations.len() < TOLD {
                            violations.push(format!("{} of invoice {number} (seed {seed}): {violation:#}", rules.ledger));
                        }
                    }
                }
            }
            let finished = done.fetch_add(1, Ordering::Relaxed) + 1;
            if finished.is_multiple_of(1_000) || finished == count {
                told(finished);
            }
        }
        // A worker that panicked has poisoned nothing worth keeping: its panic ends the run below.
        if let Ok(mut whole) = whole.lock() {
            for (ledger, tally) in counts {
                let sum = whole.0.entry(ledger).or_default();
                sum.pushed += tally.pushed;
                sum.held += tally.held;
                sum.rounding_line += tally.rounding_line;
                sum.wrong += tally.wrong;
            }
            whole.1.extend(violations);
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    let (ledgers, mut violations) = whole.into_inner().unwrap_or_default();
    violations.truncate(TOLD);
    Report { invoices: count, seed, seconds: started.elapsed().as_secs(), ledgers, violations }
}
