//! `cargo run --release -p chaos -- random --histories 2000 --seed 1 --json`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command's report is what it prints")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use chaos::random::fault::Tally;
use chaos::random::history::History;
use chaos::random::plant::Plant;
use chaos::random::{Failing, drawn, seed_of, shrunk};
use chaos::systematic::Part;
use clap::{Args, Parser, Subcommand};
use coportal_core::ledger::Ledger;
use serde::{Deserialize, Serialize};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    ledger: Option<Ledger>,
    /// Some of the parts alone: `syncs`, `alone`, `several`, `connections`, `pairs`. The grid is counted when all are run.
    #[arg(long)]
    part: Vec<Part>,
    /// Threads; each runs ledgers of its own. All cores, unless told.
    #[arg(long)]
    threads: Option<usize>,
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
    /// Plants a bug on the wire, or `all` of them one after the other: the run then fails unless each is caught.
    #[arg(long)]
    plant: Option<Planted>,
    /// A file that remembers how far the series has come: the next call goes on from there.
    #[arg(long)]
    state: Option<PathBuf>,
    /// A part of the series, `2/8` for the second of eight: machines share a series without playing a history twice.
    #[arg(long, default_value = "1/1")]
    shard: Shard,
    /// Where the series ends, over all shards: a call that comes there plays no further history.
    #[arg(long)]
    until: Option<u64>,
    /// Threads; each plays histories of its own. All cores, unless told.
    #[arg(long)]
    threads: Option<usize>,
    /// One JSON object instead of words.
    #[arg(long)]
    json: bool,
}

/// Which bugs are planted.
#[derive(Debug, Clone, Copy)]
enum Planted {
    All,
    One(Plant),
}

impl FromStr for Planted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" { Ok(Self::All) } else { text.parse().map(Self::One) }
    }
}

/// Every `of`-th history of a series, beginning with the `number`-th.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Shard {
    number: u64,
    of: u64,
}

impl Default for Shard {
    fn default() -> Self {
        Self { number: 1, of: 1 }
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is no shard: 2/8 is the second of eight");
        let (number, of) = text.split_once('/').ok_or_else(wrong)?;
        let shard = Self { number: number.parse().map_err(|_| wrong())?, of: of.parse().map_err(|_| wrong())? };
        if shard.number >= 1 && shard.number <= shard.of { Ok(shard) } else { Err(wrong()) }
    }
}

impl Shard {
    /// The place in the whole series of this shard's `played`-th history, counted from 0.
    fn place(self, played: u64) -> u64 {
        played * self.of + self.number - 1
    }
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
    /// The part of the series.
    #[serde(default)]
    shard: Shard,
    /// Calls that could go wrong, and how many in a thousand did, by side. What people and checks do, and what comes to rest, cannot.
    #[serde(default)]
    exposed: Exposed,
    /// What the product said that secrets were looked for in (I12).
    #[serde(default)]
    said: Said,
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

/// See [`Report::exposed`].
#[derive(Debug, Default, Serialize, Deserialize)]
struct Exposed {
    aws_calls: u64,
    aws_faults: u64,
    vendor_calls: u64,
    vendor_faults: u64,
}

/// See [`Report::said`].
#[derive(Debug, Default, Serialize, Deserialize)]
struct Said {
    secrets: u64,
    bytes: u64,
    log_lines: u64,
}

impl Report {
    fn add(&mut self, operations: u64, tally: &Tally) {
        self.histories += 1;
        self.operations += operations;
        self.vendor_calls += tally.vendor_calls;
        self.aws_calls += tally.aws_calls;
        self.crashes += tally.crashes;
        self.exposed.aws_calls += tally.aws_exposed;
        self.exposed.aws_faults += tally.aws_faults;
        self.exposed.vendor_calls += tally.vendor_exposed;
        self.exposed.vendor_faults += tally.vendor_faults;
        self.said.secrets += tally.secrets;
        self.said.bytes += tally.said_bytes;
        self.said.log_lines += tally.log_lines;
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
            None => match asked.plant {
                Some(Planted::All) => planted(&asked),
                Some(Planted::One(plant)) => series(&asked, Some(plant)),
                None => series(&asked, None),
            },
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
    let ledgers: Vec<Ledger> = Ledger::ALL.into_iter().filter(|ledger| asked.ledger.is_none_or(|only| only == *ledger)).collect();
    let parts = if asked.part.is_empty() { Part::ALL.to_vec() } else { asked.part.clone() };
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
        while let Some(ledger) = ledgers.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
            let run = chaos::systematic::run(ledger, &parts, |progress| eprintln!("{progress}"));
            let report = runtime.block_on(Box::pin(run))?;
            reports.lock().map_err(|_| anyhow::anyhow!("a case panicked"))?.push(report);
        }
        Ok(())
    };
    let threads = asked.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    std::thread::scope(|scope| -> Result<()> {
        let spawn = |_| std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        let spawned: Vec<_> = (0..threads.max(1)).map(spawn).collect::<std::io::Result<_>>()?;
        spawned.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow::anyhow!("a case panicked"))?)
    })?;
    let mut report = chaos::systematic::Report::default();
    for one in reports.into_inner().map_err(|_| anyhow::anyhow!("a case panicked"))? {
        report.add(one);
    }
    let text = if asked.json { serde_json::to_string(&report)? } else { serde_json::to_string_pretty(&report)? };
    println!("{text}");
    Ok(report.violations.is_empty())
}

/// Plays one history by its own seed; answers whether it is as it should be.
fn one(asked: &Random, seed: u64) -> Result<bool> {
    let plant = match asked.plant {
        Some(Planted::One(plant)) => Some(plant),
        Some(Planted::All) => bail!("one history has one bug"),
        None => None,
    };
    let (history, outcome) = drawn(seed, plant)?;
    if outcome.violations.is_empty() {
        println!("{}", serde_json::to_string_pretty(&outcome)?);
        return Ok(plant.is_none());
    }
    let failing = shrunk(&history, &outcome.violations)?;
    println!("{}", serde_json::to_string_pretty(&failing)?);
    Ok(plant.is_some() && has_replayed(&failing))
}

/// Whether a failing history violates the same again; says so where it does not, since nobody could look into it then.
fn has_replayed(failing: &Failing) -> bool {
    if !failing.replays {
        eprintln!(
            "chaos: the smallest history of seed {} does not replay: something besides its seed and steps decides",
            failing.history.seed
        );
    }
    failing.replays
}

/// What is known of a state's series: it goes on, with the same seed and shard.
fn kept(state: &Path, seed: u64, shard: Shard) -> Result<Report> {
    let Ok(text) = std::fs::read_to_string(state) else { return Ok(Report { seed, shard, ..Report::default() }) };
    let report: Report = serde_json::from_str(&text).with_context(|| format!("{} is no state of a series", state.display()))?;
    if (report.seed, report.shard) != (seed, shard) {
        bail!("{} belongs to shard {}/{} of the series of seed {}", state.display(), report.shard.number, report.shard.of, report.seed);
    }
    Ok(report)
}

/// What the threads of a series share.
struct Whole {
    report: Report,
    failing: Option<(History, Vec<String>)>,
    error: Option<anyhow::Error>,
}

/// Plays histories until the series, or this call's part of it, is over; with a planted bug until it is caught.
fn played(asked: &Random, plant: Option<Plant>, report: Report) -> Result<Whole> {
    let from = report.histories;
    let (next, stop) = (AtomicU64::new(from), AtomicBool::new(false));
    let whole = Mutex::new(Whole { report, failing: None, error: None });
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let place = asked.shard.place(number);
            if number >= from + asked.histories || asked.until.is_some_and(|until| place >= until) {
                break;
            }
            let played = drawn(seed_of(asked.seed, place), plant);
            let Ok(mut whole) = whole.lock() else { break };
            match played {
                Ok((history, outcome)) => {
                    whole.report.add(outcome.operations, &outcome.tally);
                    if !outcome.violations.is_empty() {
                        whole.report.violations += 1;
                        if !asked.json {
                            println!("seed {}: {}", history.seed, outcome.violations.join("\n  "));
                        }
                        let smaller = whole.failing.as_ref().is_none_or(|(known, _)| history.steps.len() < known.steps.len());
                        if smaller {
                            whole.failing = Some((history, outcome.violations));
                        }
                        // A planted bug is caught once it is seen.
                        stop.fetch_or(plant.is_some(), Ordering::Relaxed);
                    }
                }
                Err(error) => {
                    whole.error.get_or_insert(error);
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
    let mut whole = whole.into_inner().map_err(|_| anyhow::anyhow!("a history panicked"))?;
    match whole.error.take() {
        Some(error) => Err(error),
        None => Ok(whole),
    }
}

fn series(asked: &Random, plant: Option<Plant>) -> Result<bool> {
    #[expect(clippy::disallowed_methods, reason = "the run's own duration is part of its report, and nothing is decided by it")]
    let started = Instant::now();
    let mut report = match &asked.state {
        Some(state) => kept(state, asked.seed, asked.shard)?,
        None => Report { seed: asked.seed, shard: asked.shard, ..Report::default() },
    };
    report.plant = plant.map(|plant| plant.name().to_owned());
    let Whole { mut report, failing, .. } = played(asked, plant, report)?;
    report.seconds = started.elapsed().as_secs();
    let mut replays = true;
    if let Some((history, violations)) = failing {
        let failing = shrunk(&history, &violations)?;
        replays = has_replayed(&failing);
        report.smallest = Some(serde_json::to_value(&failing)?);
    }
    let text = if asked.json { serde_json::to_string(&report)? } else { serde_json::to_string_pretty(&report)? };
    if let Some(state) = &asked.state {
        std::fs::write(state, serde_json::to_string_pretty(&report)?).with_context(|| format!("{} cannot be written", state.display()))?;
    }
    println!("{text}");
    Ok(replays && (report.violations > 0) == plant.is_some())
}

/// What became of a planted bug.
#[derive(Serialize)]
struct Caught {
    plant: &'static str,
    caught: bool,
    /// Histories played until it was, or in all.
    histories: u64,
    /// The seed of the history that shows it, and what it violates.
    history: Option<u64>,
    violations: Vec<String>,
}

/// Every bug in turn; answers whether all of them are caught.
fn planted(asked: &Random) -> Result<bool> {
    let mut all = Vec::new();
    for plant in Plant::ALL {
        let whole = played(asked, Some(plant), Report { seed: asked.seed, shard: asked.shard, ..Report::default() })?;
        let (history, violations) = whole.failing.map_or((None, Vec::new()), |(history, violations)| (Some(history.seed), violations));
        all.push(Caught { plant: plant.name(), caught: history.is_some(), histories: whole.report.histories, history, violations });
    }
    let text = if asked.json { serde_json::to_string(&all)? } else { serde_json::to_string_pretty(&all)? };
    println!("{text}");
    Ok(all.iter().all(|one| one.caught))
}
