//! The main job, told step by step in each ledger: a studio connects it, pushes an invoice, clicks again, edits it, is paid, voids
//! another one, and imports contacts.
//!
//! It runs over real HTTP against a local cloud of its own, on free ports, and checks what it tells: a story that is not so ends with
//! another exit code.

mod contacts;
mod journey;
mod report;
mod story;

use std::io::Write as _;

use anyhow::Context as _;

use crate::run::{KeptLines, LocalRun, RunOptions, is_info};

pub use report::{ImportReport, LedgerReport, Report, SyncReport, Totals};

/// Runs the demo; answers whether everything was as promised.
///
/// # Errors
/// When the local cloud does not start, or standard output is closed.
pub async fn run(json: bool) -> anyhow::Result<bool> {
    let lines = KeptLines::default();
    let options = RunOptions { sink: std::sync::Arc::new(lines.clone()), ..RunOptions::default() };
    let local = LocalRun::start(options).await.context("the local cloud did not start")?;
    let mut story = story::Story::new(!json);
    let report = journey::tell(&local, &mut story).await;
    local.shutdown().await.context("the local cloud did not stop as it should")?;
    if json {
        writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        story.end(&report)?;
    }
    if !report.ok {
        // What the functions logged says why; it goes where it disturbs no reader of the report.
        for line in lines.all().iter().filter(|line| !is_info(line)) {
            writeln!(std::io::stderr(), "{line}")?;
        }
    }
    Ok(report.ok)
}
