//! Seeded random histories: two workspaces, three connections, their invoices and clients; people, bookkeepers, clocks and processes at work,
//! with calls that go wrong on both sides. A checker reads store and simulators after each step and at rest. One seed gives one history, and a
//! history that fails is made as small as it goes before it is told.

mod budget;
mod check;
mod connections;
pub mod dice;
mod events;
pub mod fault;
mod grants;
mod heard;
pub mod history;
mod imports;
mod jobs;
pub mod line;
mod never;
mod panics;
mod payments;
mod perform;
mod plans;
pub mod plant;
mod rest;
mod universe;
mod visible;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
    /// Whether it violates the same when it is played once more: what is told has to follow from its seed and steps alone.
    pub replays: bool,
}

/// Runs a history in a runtime of its own, on a paused clock and one thread. A panic of the product is a violation of its own kind.
///
/// # Errors
/// When the harness itself cannot go on.
pub fn run(history: &History) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let so_far = SoFar::default();
    let ears = Ears::of(so_far.heard.clone());
    let (done, panics) =
        panics::listened(|| tracing::subscriber::with_default(ears, || runtime.block_on(Box::pin(played(history, &so_far)))));
    let mut violations = match done {
        Some(violations) => violations?,
        None => Vec::new(),
    };
    if !panics.is_empty() {
        for text in &panics {
            so_far.heard.say(text.as_bytes());
        }
        violations = panics.into_iter().map(|text| format!("panic: {text}")).chain(so_far.heard.leaks()).collect();
    }
    let mut tally = lock(&so_far.tally).clone();
    (tally.secrets, tally.said_bytes, tally.log_lines) = so_far.heard.counts();
    Ok(Outcome { violations, operations: so_far.operations.load(Ordering::Relaxed), tally })
}

/// What is known of a history that ends before its time as well.
#[derive(Default)]
struct SoFar {
    heard: Heard,
    tally: Arc<Mutex<Tally>>,
    operations: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn played(history: &History, so_far: &SoFar) -> Result<Vec<String>> {
    let mut universe = Universe::open(history, so_far.heard.clone(), Arc::clone(&so_far.tally)).await.context("the universe")?;
    let mut violations = Vec::new();
    let mut before = universe.books();
    for step in &history.steps {
        so_far.operations.fetch_add(1, Ordering::Relaxed);
        let calls = universe.calls();
        violations.extend(universe.perform(step, history.rates).await.with_context(|| format!("{step:?}"))?);
        let is_theirs = matches!(step.op, Op::Bookkeeper(..));
        let after = if is_theirs { universe.books() } else { universe.books_since(&before, calls) };
        if !is_theirs {
            violations.extend(Universe::never(&before, &after));
        }
        before = after;
        if !violations.is_empty() {
            break;
        }
    }
    if violations.is_empty() {
        for simulator in universe.ledgers.values() {
            simulator.clear_faults();
        }
        universe.whole_plans().await.context("the plans")?;
        let (hands, _) = universe.process(0, Rates::NONE, false)?;
        let (wrong, seen) = universe.rest(&hands).await.context("at rest")?;
        violations.extend(wrong);
        let after = universe.books();
        violations.extend(Universe::never(&before, &after));
        violations.extend(universe.invariants(&hands, &seen).await.context("the invariants")?);
    }
    Ok(violations)
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
    let replays = run(&smallest)?.violations == told;
    Ok(Failing { history: smallest, violations: told, drawn_steps: history.steps.len(), replays })
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
