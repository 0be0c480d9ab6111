//! Seeded random histories: two workspaces, three connections, their invoices and clients; people, bookkeepers, clocks and processes at work,
//! with calls that go wrong on both sides. A checker reads store and simulators after each step and at rest. One seed gives one history, and a
//! history that fails is made as small as it goes before it is told.

mod budget;
mod check;
pub mod dice;
pub mod fault;
mod heard;
pub mod history;
mod imports;
pub mod line;
mod perform;
pub mod plant;
mod rest;
mod universe;

use anyhow::{Context as _, Result};
use serde::Serialize;

use fault::Tally;
use heard::{Ears, Heard};
use history::{History, Op, Rates, Step};
use plant::Plant;
use universe::Universe;

/// Runs of a history at most, to make it smaller.
const SHRINKS: usize = 160;

/// What became of one history.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// What was violated, each in a sentence that begins with its invariant.
    pub violations: Vec<String>,
    /// Steps that were done.
    pub operations: u64,
    /// Counts.
    pub tally: Tally,
}

/// A history that failed, as small as it went.
#[derive(Debug, Clone, Serialize)]
pub struct Failing {
    /// The smallest history that still fails in the same way.
    pub history: History,
    /// What it violates.
    pub violations: Vec<String>,
    /// Steps of the history that was drawn.
    pub drawn_steps: usize,
}

/// Runs a history in a runtime of its own, on a paused clock and one thread.
///
/// # Errors
/// When the harness itself cannot go on.
pub fn run(history: &History) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let heard = Heard::default();
    let ears = Ears::of(heard.clone());
    tracing::subscriber::with_default(ears, || runtime.block_on(Box::pin(played(history, heard))))
}

async fn played(history: &History, heard: Heard) -> Result<Outcome> {
    let mut universe = Universe::open(history, heard).await.context("the universe")?;
    let (mut violations, mut operations) = (Vec::new(), 0);
    let mut before = universe.books();
    for step in &history.steps {
        operations += 1;
        violations.extend(universe.perform(step, history.rates).await.with_context(|| format!("{step:?}"))?);
        let after = universe.books();
        violations.extend(Universe::never(&before, &after, !matches!(step.op, Op::Bookkeeper(..))));
        before = after;
        if !violations.is_empty() {
            break;
        }
    }
    if violations.is_empty() {
        for simulator in universe.ledgers.values() {
            simulator.clear_faults();
        }
        let (hands, _) = universe.process(0, Rates::NONE, false)?;
        violations.extend(universe.rest(&hands).await.context("at rest")?);
        let after = universe.books();
        violations.extend(Universe::never(&before, &after, true));
        violations.extend(universe.invariants(&hands).await.context("the invariants")?);
    }
    let mut tally = universe.tally();
    (tally.secrets, tally.said_bytes, tally.log_lines) = universe.heard().counts();
    Ok(Outcome { violations, operations, tally })
}

/// The invariant that a violation names: what it begins with.
fn kind(violation: &str) -> &str {
    violation.split(':').next().unwrap_or(violation)
}

/// Takes steps out for as long as the history still fails in the same way.
///
/// # Errors
/// When the harness itself cannot go on.
pub fn shrunk(history: &History, violations: &[String]) -> Result<Failing> {
    let wanted = violations.first().map(|first| kind(first).to_owned()).unwrap_or_default();
    let (mut smallest, mut told) = (history.clone(), violations.to_vec());
    let mut tries = 0;
    let mut chunk = smallest.steps.len() / 2;
    while chunk > 0 && tries < SHRINKS {
        let mut from = 0;
        while from < smallest.steps.len() && tries < SHRINKS {
            tries += 1;
            let kept: Vec<Step> = smallest
                .steps
                .iter()
                .enumerate()
                .filter(|(at, _)| *at < from || *at >= from + chunk)
                .map(|(_, step)| step.clone())
                .collect();
            let candidate = History { steps: kept, ..smallest.clone() };
            // A history that the harness cannot play any more is no smaller proof.
            match run(&candidate) {
                Ok(outcome) if outcome.violations.iter().any(|one| kind(one) == wanted) => {
                    (smallest, told) = (candidate, outcome.violations)
                }
                Ok(_) | Err(_) => from += chunk,
            }
        }
        chunk /= 2;
    }
    Ok(Failing { history: smallest, violations: told, drawn_steps: history.steps.len() })
}

/// The seed of the history of this number in a run's series.
#[must_use]
pub fn seed_of(seed: u64, number: u64) -> u64 {
    let mut dice = dice::Dice::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number);
    dice.draw()
}

/// Draws and runs a history.
///
/// # Errors
/// When the harness itself cannot go on.
pub fn drawn(seed: u64, plant: Option<Plant>) -> Result<(History, Outcome)> {
    let history = History::drawn(seed, plant);
    let outcome = run(&history).with_context(|| format!("the history of seed {seed}"))?;
    Ok((history, outcome))
}
