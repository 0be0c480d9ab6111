//! I3: what auto-sync accepted has ended, and a person can see how.

use std::collections::BTreeSet;

use anyhow::Result;
use coportal_core::connection::ConnectionStatus;
use coportal_core::id::InvoiceId;
use coportal_core::ledger::Ledger;
use coportal_core::sync::row::{SyncRow, SyncState, WaitingFor};

use super::perform::Aim;
use super::rest::Seen;
use super::universe::Universe;

/// Entries of a page of the list of what a person should look at.
const PAGE: i32 = 50;
/// Lines of a story that are looked through.
const LINES: i32 = 100;

impl Universe {
    /// An event that was accepted while auto-sync was on has ended: its version is in the ledger, or the row says why it is not.
    pub(super) async fn nothing_vanished(&self, seen: &Seen) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        for aim in self.aims()? {
            let link = self.link(aim.link)?;
            let (Some(since), Some((event, version))) = (link.auto_since, aim.known.event) else { continue };
            if event <= since || seen.connection(aim.link)?.status != ConnectionStatus::Connected {
                continue;
            }
            let row = seen.row(&aim);
            let ended = row.is_some_and(|row| has_ended(row, version));
            let ended = ended || (may_be_left_alone(row) && self.is_explained(&aim, version).await?);
            if !ended {
                let stands = row.map(|row| (row.state, row.wanted, row.done, row.waiting));
                let (number, ledger) = (&aim.known.number, aim.request.ledger);
                wrong.push(format!("I3: version {version} of {number} never came to its end in {ledger}: {stands:?}"));
            }
        }
        Ok(wrong)
    }

    /// A version that a connection left alone has a line in the invoice's story that says why (C10).
    async fn is_explained(&self, aim: &Aim, version: u64) -> Result<bool> {
        let story = self.quiet.store.timeline(&self.ctx(), aim.request.workspace, aim.known.id, LINES, None).await?.items;
        let says = |line: &coportal_core::timeline::TimelineEvent| {
            line.step == "nothing" && line.ledger == Some(aim.request.ledger) && line.version >= version && !line.text.is_empty()
        };
        Ok(story.iter().any(says))
    }

    /// What is at rest and not in the ledger is in the list of what a person should look at, with its reason; and nothing else is.
    pub(super) async fn shown(&self, seen: &Seen) -> Result<Vec<String>> {
        let mut listed: BTreeSet<(InvoiceId, Ledger)> = BTreeSet::new();
        let mut wrong = Vec::new();
        for space in &self.spaces {
            let mut after = None;
            loop {
                let page = self.quiet.store.attention(&self.ctx(), space.workspace.id, PAGE, after.as_deref()).await?;
                for entry in page.items {
                    wrong.extend(unsaid(&entry.row).map(|why| format!("I3: what is listed of {} {why}: {:?}", entry.key.inv, entry.row)));
                    // Rows of organisations that were left are a person's as well, and are told apart from those of the present one.
                    let here = self.links.iter().zip(seen.connections()).any(|(link, connection)| {
                        self.spaces.get(link.space).is_some_and(|at| at.workspace.id == entry.key.ws)
                            && (link.ledger, connection.generation) == (entry.key.ledger, entry.key.generation)
                    });
                    if here {
                        listed.insert((entry.key.inv, entry.key.ledger));
                    }
                }
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
        for aim in self.aims()? {
            let Some(row) = seen.row(&aim) else { continue };
            let (asks, is_listed) = (asks_a_person(row), listed.contains(&(aim.known.id, aim.request.ledger)));
            if asks != is_listed {
                let is_listed = if is_listed { "listed" } else { "not listed" };
                let (number, ledger) = (&aim.known.number, aim.request.ledger);
                wrong.push(format!("I3: {number} to {ledger} is {:?} and {is_listed} for attention: {:?}", row.state, row.waiting));
            }
        }
        Ok(wrong)
    }
}

/// Whether this version, or a newer one, came to its end.
fn has_ended(row: &SyncRow, version: u64) -> bool {
    match row.state {
        SyncState::Synced => row.done >= version,
        SyncState::Held | SyncState::Failed => row.wanted >= version,
        // A person took it out.
        SyncState::Stopped => row.left_out && row.wanted >= version,
        SyncState::Waiting => row.wanted >= version && asks_a_person(row),
        SyncState::Never | SyncState::Queued | SyncState::Syncing | SyncState::Uncertain => false,
    }
}

/// Whether a version may be left alone: nothing of the invoice was ever asked for in the ledger, or a person took it out.
fn may_be_left_alone(row: Option<&SyncRow>) -> bool {
    let unasked = |row: &SyncRow| matches!(row.state, SyncState::Never | SyncState::Stopped) && row.link.is_none() && row.intent.is_none();
    row.is_none_or(|row| unasked(row) || (row.state == SyncState::Stopped && row.left_out))
}

/// Whether the row stands where only a person helps.
fn asks_a_person(row: &SyncRow) -> bool {
    let for_a_person = |reason| matches!(reason, WaitingFor::Reconnect | WaitingFor::Plan);
    match row.state {
        SyncState::Held | SyncState::Failed => true,
        SyncState::Waiting => row.waiting.is_some_and(|waiting| for_a_person(waiting.reason)),
        SyncState::Never | SyncState::Queued | SyncState::Syncing | SyncState::Synced | SyncState::Uncertain | SyncState::Stopped => false,
    }
}

/// What a listed row does not say though a person needs it.
fn unsaid(row: &SyncRow) -> Option<&'static str> {
    let unexplained = row.problem.as_ref().is_none_or(|problem| problem.detail.is_empty());
    match row.state {
        SyncState::Held => row.hold.as_ref().is_none_or(|hold| hold.choices.is_empty()).then_some("has no question that can be answered"),
        SyncState::Failed | SyncState::Waiting => unexplained.then_some("does not say why"),
        SyncState::Never | SyncState::Queued | SyncState::Syncing | SyncState::Synced | SyncState::Uncertain | SyncState::Stopped => None,
    }
}
