//! Where a click leaves an invoice.

use chaos::world::World;
use coportal_core::failure::Question;
use coportal_core::problem::Outcome;
use coportal_core::sync::row::{SyncState, WaitingFor};
use coportal_engine::sync::SyncEnd;

/// Where it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stands {
    /// Done.
    Synced,
    /// Parked for the ledger, due after so many seconds.
    Ledger(i64),
    /// Parked for the ledger's limit, due after so many seconds.
    Limit(i64),
    /// In the table only: parked for the limit, due after so many seconds at the earliest. What the refusal taught of the limit comes on top:
    /// a minute for its calls, and a minute for those who queue.
    LimitFrom(i64),
    /// A write that may have been done, due after so many seconds.
    Uncertain(i64),
    /// Refused, with this reason.
    Failed(String),
    /// A person is asked this.
    Held(&'static str),
    /// An admin has to reconnect.
    Reconnect,
    /// The click was refused with this code.
    Refused(String),
}

impl Stands {
    /// Whether it stands where the table says; waits of the retry schedule are spread by a fifth.
    pub(crate) fn is(&self, table: &Self) -> bool {
        let near = |seconds: i64, wanted: i64| (seconds - wanted).abs() * 5 <= wanted;
        match (self, table) {
            (Self::Limit(seconds), Self::LimitFrom(least)) => (*least..=(*least).max(60) + 125).contains(seconds),
            (Self::Ledger(seconds), Self::Ledger(wanted)) | (Self::Uncertain(seconds), Self::Uncertain(wanted)) => near(*seconds, *wanted),
            _ => self == table,
        }
    }
}

/// Reads an end; asserts that whoever waits is told why.
pub(crate) fn stands(world: &World, end: &Outcome<SyncEnd>) -> Stands {
    let seconds = |due: &jiff::Timestamp| world.clock.now().duration_until(*due).as_secs();
    match end {
        Ok(SyncEnd::Synced(_)) => Stands::Synced,
        Ok(SyncEnd::Waiting { state: SyncState::Uncertain, due_at: Some(due), .. }) => Stands::Uncertain(seconds(due)),
        Ok(SyncEnd::Waiting { waiting_for: WaitingFor::Reconnect, due_at: None, .. }) => Stands::Reconnect,
        Ok(SyncEnd::Waiting { waiting_for, due_at: Some(due), problem, .. }) => {
            assert!(problem.as_ref().is_some_and(|problem| !problem.fix.what.is_empty()), "{end:?}");
            if *waiting_for == WaitingFor::Limit { Stands::Limit(seconds(due)) } else { Stands::Ledger(seconds(due)) }
        }
        Ok(SyncEnd::Failed(problem)) => {
            assert!(problem.fix.is_some(), "{problem:?}");
            Stands::Failed(problem.code.to_string())
        }
        Ok(SyncEnd::Held(hold)) => Stands::Held(Question::code(hold.question)),
        Err(problem) => Stands::Refused(problem.code.to_string()),
        other => panic!("{other:?}"),
    }
}
