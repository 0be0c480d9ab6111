//! Keys that follow from a row: when it is due, and whether a person should look.

use coportal_core::sync::retry;
use coportal_core::sync::row::{SyncRow, SyncState, WaitingFor};
use jiff::{SignedDuration, Timestamp};

use super::SyncKey;
use crate::keys;

/// A queued row is sent by a message; the sweep looks after it when that did not happen within this time.
pub const DUE_AFTER_QUEUED: SignedDuration = SignedDuration::from_secs(60);

/// Keys in the `due` index. A row that is not at rest always has them: a row without a time of its own is due at once, never lost.
#[must_use]
pub fn due_keys(key: &SyncKey, row: &SyncRow) -> Option<(String, String)> {
    let since = row.since.unwrap_or(Timestamp::UNIX_EPOCH);
    let until = row.waiting.and_then(|waiting| waiting.until);
    let leased = row.lease.map(|lease| lease.until);
    let due_at = match row.state {
        SyncState::Never | SyncState::Synced | SyncState::Held | SyncState::Failed | SyncState::Stopped => return None,
        SyncState::Queued => until.unwrap_or_else(|| since.saturating_add(DUE_AFTER_QUEUED).unwrap_or(since)),
        SyncState::Syncing => leased.or(until).unwrap_or(since),
        SyncState::Waiting => until.unwrap_or(since),
        SyncState::Uncertain => until.or(leased).unwrap_or(since),
    };
    let partition = if is_parked(row) { keys::park_pk(key.ws, key.ledger) } else { keys::due_pk(keys::shard(key.ws, key.ledger)) };
    Some((partition, keys::due_sk(due_at, key.ws, key.ledger, key.inv)))
}

/// Waits for a person's act (grant, plan) and not for a time.
fn is_parked(row: &SyncRow) -> bool {
    row.state == SyncState::Waiting && row.waiting.is_some_and(|waiting| waiting.until.is_none() && is_for_a_person(waiting.reason))
}

fn is_for_a_person(reason: WaitingFor) -> bool {
    match reason {
        WaitingFor::Reconnect | WaitingFor::Plan => true,
        WaitingFor::Limit | WaitingFor::DayBudget | WaitingFor::Ledger | WaitingFor::Outcome | WaitingFor::OtherRun | WaitingFor::Retry => {
            false
        }
    }
}

/// Keys in the list of what a person should look at: held, failed, waiting for a grant or a plan, or in doubt for longer than a row is
/// tried.
#[must_use]
pub fn attention_keys(key: &SyncKey, row: &SyncRow) -> Option<(String, String)> {
    let asks = match row.state {
        SyncState::Held | SyncState::Failed => true,
        SyncState::Waiting => row.waiting.is_some_and(|waiting| is_for_a_person(waiting.reason)),
        SyncState::Uncertain => retry::is_over(row.attempts),
        SyncState::Never | SyncState::Queued | SyncState::Syncing | SyncState::Synced | SyncState::Stopped => false,
    };
    let since = row.since.unwrap_or(Timestamp::UNIX_EPOCH);
    asks.then(|| (keys::attention_pk(key.ws), keys::attention_sk(row.state.as_str(), since, key.ledger, key.inv)))
}

/// Keys in the index `list`: what needs a person lies in the attention list; what is synced lies among what the workspace's cards show, so that a card
/// can say when it last was without a write of its own for each sync.
#[must_use]
pub fn list_keys(key: &SyncKey, row: &SyncRow) -> Option<(String, String)> {
    let synced = || {
        let at = row.last_synced_at.filter(|_| row.state == SyncState::Synced)?;
        Some((keys::cards_pk(key.ws), keys::synced_sk(at, key.ledger, key.generation, key.inv)))
    };
    attention_keys(key, row).or_else(synced)
}
