//! Every crash point of one sync and of what is around it, from both sides, in every ledger and for every write; and all pairs of two
//! crashes in a row.
//!
//! The points have the numbers K1 to K22 of the plan (docs/architecture.md, "If it stops at any point"). Which call is which point follows
//! from what it writes. What a ledger or a write does not have is listed with its reason, and a cell that has neither cases nor a reason is a
//! violation.

mod alone;
mod connection;
mod points;
mod several;
mod syncs;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use coportal_core::ledger::Ledger;
use serde::Serialize;

pub use points::{Counted, Point, Way, Written};

use crate::scenario::Scenario;
use crate::world::World;
use points::Grid;

/// Two crashes in a row: 14 points by 14, for each ledger.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Pairs {
    /// Pairs of the plan.
    pub of: u64,
    /// Pairs that came to the right end.
    pub passed: u64,
    /// Pairs of which both struck; in the others the second point lay behind the second process already.
    pub both_struck: u64,
    /// Pairs with a point that the ledger does not have.
    pub not_applicable: u64,
}

/// What a run of the tables came to.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Cases run: a call that was struck in one way, or a moment that was.
    pub cases: u64,
    /// The plan's grid: points, ways, writes, ledgers.
    pub grid: Counted,
    /// Cases by ledger and point.
    pub points: BTreeMap<String, BTreeMap<Point, u64>>,
    /// Two crashes in a row.
    pub pairs: Pairs,
    /// What does not apply, by its reason.
    pub not_applicable: BTreeMap<String, Vec<String>>,
    /// What was violated.
    pub violations: Vec<String>,
    #[serde(skip)]
    cells: Grid,
    #[serde(skip)]
    failed: BTreeSet<(Ledger, Point, Written, Way)>,
}

impl Report {
    /// Adds another ledger's.
    pub fn add(&mut self, other: Self) {
        self.cases += other.cases;
        self.grid.cells += other.grid.cells;
        self.grid.passed += other.grid.passed;
        self.grid.failed += other.grid.failed;
        self.grid.not_applicable += other.grid.not_applicable;
        self.points.extend(other.points);
        self.pairs.of += other.pairs.of;
        self.pairs.passed += other.pairs.passed;
        self.pairs.both_struck += other.pairs.both_struck;
        self.pairs.not_applicable += other.pairs.not_applicable;
        self.not_applicable.extend(other.not_applicable);
        self.violations.extend(other.violations);
    }

    /// Notes a case and the cells that it is a case of.
    fn case(&mut self, ledger: Ledger, written: Written, struck: &[(Point, Way)], case: &str, end: Result<()>) {
        self.cases += 1;
        self.cells.add(ledger, written, struck);
        if let Err(error) = end {
            self.failed.extend(struck.iter().map(|(point, way)| (ledger, *point, written, *way)));
            self.violations.push(format!("{case}: {error:#}"));
        }
    }
}

/// A part of the tables, so that it can be run by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// K5 to K16 and K18: one sync, at each of its calls.
    Syncs,
    /// K1 to K4 and K17: on the way from an event.
    Alone,
    /// K19 and K20: backfills and batches.
    Several,
    /// K21 and K22: disconnects and moves.
    Connections,
    /// Two crashes in a row.
    Pairs,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Syncs, Self::Alone, Self::Several, Self::Connections, Self::Pairs];

    /// The word on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Syncs => "syncs",
            Self::Alone => "alone",
            Self::Several => "several",
            Self::Connections => "connections",
            Self::Pairs => "pairs",
        }
    }
}

impl std::str::FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|part| part.name() == text)
            .ok_or_else(|| format!("{text} is none of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// Runs the tables of a ledger, or parts of them. The grid is counted when all parts are run.
///
/// # Errors
/// When the harness itself cannot go on.
pub async fn run(ledger: Ledger, parts: &[Part], told: impl Fn(&str)) -> Result<Report> {
    let mut report = Report::default();
    for part in parts.iter().copied() {
        Box::pin(one(ledger, part, &mut report)).await.with_context(|| format!("{ledger}, {part:?}"))?;
        told(&format!("{ledger}, {part:?}: {} cases so far, {} violations", report.cases + report.pairs.of, report.violations.len()));
    }
    report.points = report.cells.by_point();
    if Part::ALL.iter().all(|part| parts.contains(part)) {
        let (grid, reasons, gaps) = report.cells.counted(ledger, &report.failed);
        report.grid = grid;
        for (reason, cells) in reasons {
            report.not_applicable.entry(reason).or_default().extend(cells);
        }
        report.violations.extend(gaps);
    }
    Ok(report)
}

async fn one(ledger: Ledger, part: Part, report: &mut Report) -> Result<()> {
    match part {
        Part::Syncs => {
            let api = World::of(ledger, 1).await?.process()?.ledgers.get(ledger).context("the ledger is in this build")?.rules;
            for scenario in Scenario::ALL {
                match scenario.not_applicable(ledger, api.draft) {
                    Some(reason) => {
                        report.not_applicable.entry(format!("{ledger}: {reason}")).or_default().push(format!("{scenario:?}"));
                    }
                    None => Box::pin(syncs::table(ledger, scenario, report)).await?,
                }
            }
        }
        Part::Alone => {
            for written in Written::ALL {
                Box::pin(alone::table(ledger, written, report)).await?;
            }
        }
        Part::Several => {
            Box::pin(several::backfills(ledger, report)).await?;
            for written in Written::ALL {
                Box::pin(several::half_failed(ledger, written, report)).await?;
            }
        }
        Part::Connections => {
            for written in Written::ALL {
                Box::pin(connection::table(ledger, written, report)).await?;
            }
        }
        Part::Pairs => Box::pin(syncs::pairs(ledger, report)).await?,
    }
    Ok(())
}
