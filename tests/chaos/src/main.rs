//! `cargo run --release -p chaos -- random --histories 2000 --seed 1 --json`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command's report is what it prints")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use chaos::random::history::History;
use chaos::random::line::Tally;
use chaos::random::plant::Plant;
use chaos::random::{Failing, drawn, run, seed_of, shrunk};
use clap::{Args, Parser, Subcommand};
use serde::{Deserialize, Serialize};

/// Crash and fault injection over whole histories, in process and on a paused clock.
#[derive(Parser)]
#[command(name = "chaos", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Every crash point of one sync, before and after, in every ledger and for every write.
    Systematic(Systematic),
    /// Seeded random histories, checked against the invariants.
    Random(Random),
}

#[derive(Args)]
struct Systematic {
    /// One ledger alone.
    #[arg(long)]
    ledger: Option<coportal_core::ledger::Ledger>,
    /// All pairs of two crashes in a row as well.
    #[arg(long)]
    pairs: bool,
    /// One JSON object instead of words.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Random {
    /// How many histories.
    #[arg(long, default_value_t = 200)]
    histories: u64,
    /// The seed of the series; a history's own seed follows from it and its number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Plays one history, by its own seed, and tells all of it.
    #[arg(long, conflicts_with_all = ["histories", "state"])]
    history: Option<u64>,
    /// Plants a bug on the wire: the run then fails unless it is caught.
    #[arg(long)]
    plant: Option<Plant>,
    /// A file that remembers how far the series has come: the next call goes on from there.
    #[arg(long)]
    state: Option<PathBuf>,
    /// Threads; each plays histories of its own. All cores, unless told.
    #[arg(long)]
    threads: Option<usize>,
    /// One JSON object instead of words.
    #[arg(long)]
    json: bool,
}

/// Bytes of a thread's stack: unoptimised futures of whole syncs are large.
const STACK: usize = 32 * 1024 * 1024;

/// What a series came to.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Report {
    /// Histories played.
    histories: u64,
    /// Histories that violated something.
    violations: u64,
    /// Steps done.
    operations: u64,
    /// Calls to vendors.
    vendor_calls: u64,
    /// Calls to AWS.
    aws_calls: u64,
    /// Processes that died.
    crashes: u64,
    /// Faults, by kind.
    faults: std::collections::BTreeMap<String, u64>,
    /// The seed of the series.
    seed: u64,
    /// Seconds of this call alone.
    seconds: u64,
    /// The bug that was planted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plant: Option<String>,
    /// The smallest failing history, with its seed and what it violates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    smallest: Option<serde_json::Value>,
}

impl Report {
    fn add(&mut self, operations: u64, tally: &Tally) {
        self.histories += 1;
        self.operations += operations;
        self.vendor_calls += tally.vendor_calls;
        self.aws_calls += tally.aws_calls;
        self.crashes += tally.crashes;
        for (fault, count) in &tally.faults {
            let name = serde_json::to_value(fault).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
            *self.faults.entry(name).or_default() += count;
        }
    }
}

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Systematic(asked) => tables(&asked),
        Command::Random(asked) => match asked.history {
            Some(seed) => one(&asked, seed),
            None => series(&asked),
        },
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// The tables of crash points; answers whether all of them hold.
fn tables(asked: &Systematic) -> Result<bool> {
    let work = || -> Result<chaos::systematic::Report> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
        runtime.block_on(Box::pin(chaos::systematic::run(asked.ledger, asked.pairs, |progress| eprintln!("{progress}"))))
    };
    let report = std::thread::scope(|scope| {
        let spawned = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work)?;
        spawned.join().map_err(|_| anyhow::anyhow!("a case panicked"))?
    })?;
    let text = if asked.json { serde_json::to_string(&report)? } else { serde_json::to_string_pretty(&report)? };
    println!("{text}");
    Ok(report.violations.is_empty())
}

/// Plays one history by its own seed; answers whether it is as it should be.
fn one(asked: &Random, seed: u64) -> Result<bool> {
    let (history, outcome) = drawn(seed, asked.plant)?;
    if outcome.violations.is_empty() {
        println!("{}", serde_json::to_string_pretty(&outcome)?);
        return Ok(asked.plant.is_none());
    }
    let failing = shrunk(&history, &outcome.violations)?;
    println!("{}", serde_json::to_string_pretty(&failing)?);
    Ok(asked.plant.is_some())
}

fn kept(state: &Path, seed: u64) -> Result<Report> {
    let Ok(text) = std::fs::read_to_string(state) else { return Ok(Report { seed, ..Report::default() }) };
    let report: Report = serde_json::from_str(&text).with_context(|| format!("{} is no state of a series", state.display()))?;
    if report.seed != seed {
        bail!("{} belongs to the series of seed {}", state.display(), report.seed);
    }
    Ok(report)
}

fn series(asked: &Random) -> Result<bool> {
    #[expect(clippy::disallowed_methods, reason = "the run's own duration is part of its report, and nothing is decided by it")]
    let started = Instant::now();
    let mut report = match &asked.state {
        Some(state) => kept(state, asked.seed)?,
        None => Report { seed: asked.seed, ..Report::default() },
    };
    report.plant = asked.plant.map(|plant| plant.name().to_owned());
    let from = report.histories;
    let (next, stop) = (AtomicU64::new(from), AtomicBool::new(false));
    let whole = Mutex::new((report, None::<(History, Vec<String>)>, None::<anyhow::Error>));
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= from + asked.histories {
                break;
            }
            let played = drawn(seed_of(asked.seed, number), asked.plant);
            let Ok(mut whole) = whole.lock() else { break };
            match played {
                Ok((history, outcome)) => {
                    whole.0.add(outcome.operations, &outcome.tally);
                    if !outcome.violations.is_empty() {
                        whole.0.violations += 1;
                        if !asked.json {
                            println!("seed {}: {}", history.seed, outcome.violations.join("\n  "));
                        }
                        let smaller = whole.1.as_ref().is_none_or(|(known, _)| history.steps.len() < known.steps.len());
                        if smaller {
                            whole.1 = Some((history, outcome.violations));
                        }
                        // A planted bug is caught once it is seen.
                        stop.fetch_or(asked.plant.is_some(), Ordering::Relaxed);
                    }
                }
                Err(error) => {
                    whole.2.get_or_insert(error);
                    stop.store(true, Ordering::Relaxed);
                }
            }
        }
    };
    let threads = asked.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let spawned = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
            if let Err(error) = spawned {
                eprintln!("chaos: a thread less: {error}");
            }
        }
    });
    let (mut report, failing, error) = whole.into_inner().map_err(|_| anyhow::anyhow!("a history panicked"))?;
    if let Some(error) = error {
        return Err(error);
    }
    report.seconds = started.elapsed().as_secs();
    if let Some((history, violations)) = failing {
        let failing: Failing = shrunk(&history, &violations)?;
        // What is told must be so again: a history follows from its seed and steps alone.
        let again = run(&failing.history)?;
        let mut smallest = serde_json::to_value(&failing)?;
        if let Some(fields) = smallest.as_object_mut() {
            fields.insert("replays".to_owned(), serde_json::Value::Bool(again.violations == failing.violations));
        }
        report.smallest = Some(smallest);
    }
    let text = if asked.json { serde_json::to_string(&report)? } else { serde_json::to_string_pretty(&report)? };
    if let Some(state) = &asked.state {
        std::fs::write(state, serde_json::to_string_pretty(&report)?).with_context(|| format!("{} cannot be written", state.display()))?;
    }
    println!("{text}");
    Ok((report.violations > 0) == asked.plant.is_some())
}
