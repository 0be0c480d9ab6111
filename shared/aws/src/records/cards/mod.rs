//! What the cards of Settings, Integrations show, in as few reads as a page may make: the connections with a note of each in the batch
//! read that lets somebody in, and one query of the index `list` for the rest.
//!
//! No decision rests on a note or on the index.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use coportal_core::connection::{Connection, Generation};
use coportal_core::ctx::Ctx;
use coportal_core::id::{UserId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::metering::Limit;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::connections::row_of;
use super::oauth::PARKED_LIVES;
use crate::error::StoreError;
use crate::keys::{self, Index, Key, PARKED_PREFIX};
use crate::store::{Change, Condition, Fields, Item, Kind, Range, Store, Versioned, Write, from_item};

/// Entries of the index that are read for the cards.
const LISTED: i32 = 100;
/// Notes that a process remembers to have written.
const REMEMBERED: usize = 1_000;
/// More workspaces than this are not told that they share an organisation with another one.
const SHARERS_TOLD: usize = 20;

/// That nothing goes to an organisation for a while, because a limit is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// The organisation's number.
    pub generation: Generation,
    /// Which limit.
    pub limit: Limit,
    /// When it was met.
    pub since: Timestamp,
    /// When what waits goes on.
    pub until: Timestamp,
}

/// What a connection's card shows beside the connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The newest wait for a limit; it may be over.
    #[serde(default)]
    pub waits: Option<Waits>,
    /// The ledger's id of an organisation that another workspace uses too.
    #[serde(default)]
    pub shared_of: Option<String>,
}

/// The connections of a workspace and their notes, as of one consistent batch.
#[derive(Debug, Clone, Default)]
pub struct Cards {
    /// The connections.
    pub connections: Vec<Versioned<Connection>>,
    /// The notes; a ledger without one has nothing to tell.
    pub notes: BTreeMap<Ledger, Note>,
}

/// A grant that waits for a person, as the index knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParkedListed {
    /// The ledger.
    pub ledger: Ledger,
    /// When its sign-in began.
    pub begun_at: Timestamp,
}

/// What the index tells the cards of a workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CardsListed {
    /// The grants that wait for the person who asks, newest first.
    pub parked: Vec<ParkedListed>,
    /// The newest sync of each generation among those that were read.
    pub synced: BTreeMap<(Ledger, Generation), Timestamp>,
    /// There is more than was read: what is not in `synced` was not synced since then, and may have been before.
    pub read_back_to: Option<Timestamp>,
}

/// Waits that this process has noted, so that each of a thousand rows that meet a limit does not note it again.
#[derive(Debug, Default)]
pub(crate) struct Noted(Mutex<HashMap<(WorkspaceId, Ledger), Waits>>);

/// The keys of [`Cards`], in the order in which [`Cards::of`] takes what was found.
pub(crate) fn keys_of(ws: WorkspaceId) -> impl Iterator<Item = Key> {
    let connections = Ledger::ALL.into_iter().map(move |ledger| keys::connection(ws, ledger));
    connections.chain(Ledger::ALL.into_iter().map(move |ledger| keys::note(ws, ledger)))
}

impl Cards {
    pub(crate) fn of(mut found: impl Iterator<Item = Option<Item>>) -> Result<Self, StoreError> {
        let connections = found.by_ref().take(Ledger::ALL.len()).flatten().map(row_of).collect::<Result<_, _>>()?;
        let notes = Ledger::ALL.into_iter().zip(found).filter_map(|(ledger, item)| Some((ledger, readable(item?)?)));
        Ok(Self { connections, notes: notes.collect() })
    }
}

/// A note that another version wrote in another shape says nothing: no card is worth the page, or the door.
fn readable(item: Item) -> Option<Note> {
    from_item(Kind::Note, item).inspect_err(|error| tracing::warn!(%error, "a note of a card cannot be read")).ok()
}

impl Store {
    /// The connections of a workspace with their notes, in one consistent batch.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn cards(&self, ctx: &Ctx, ws: WorkspaceId) -> Result<Cards, StoreError> {
        let wanted: Vec<Key> = keys_of(ws).collect();
        Cards::of(self.batch_get(ctx, &wanted).await?.into_iter())
    }

    /// What the index tells the cards of a workspace, for one of its people, in one query. The index lags by moments.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn cards_listed(&self, ctx: &Ctx, ws: WorkspaceId, user: &UserId) -> Result<CardsListed, StoreError> {
        let range = Range { newest_first: true, limit: Some(LISTED), ..Range::default() };
        let page = self.query_index(Index::List, &keys::cards_pk(ws), &range).await?;
        let entries = page.items.iter().filter_map(|item| item.get(Index::List.sk())?.as_s().ok());
        let mut listed = CardsListed::default();
        let mut oldest = None;
        for entry in entries {
            if entry.starts_with(PARKED_PREFIX) {
                listed.parked.extend(parked(entry, user, ctx.now()));
            } else if let Some((at, of)) = synced(entry) {
                listed.synced.entry(of).or_insert(at);
                oldest = Some(at);
            }
        }
        listed.read_back_to = page.next.map(|_| oldest.unwrap_or_else(|| ctx.now()));
        Ok(listed)
    }

    /// Notes for the card of a connection that a limit is met. A wait that is noted and not over stands: it is the first to end. A process
    /// notes each wait once.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn note_wait(&self, ctx: &Ctx, ws: WorkspaceId, ledger: Ledger, waits: Waits) -> Result<(), StoreError> {
        if !self.noted.is_new(ws, ledger, waits, ctx.now()) {
            return Ok(());
        }
        let fields = Fields::empty(Kind::Note)
            .value("waits", &waits)?
            .number("waits_gen", waits.generation)
            .number("waits_until", waits.until.as_millisecond());
        let over = Condition::new("attribute_not_exists(#waits_until) OR #waits_until <= :now OR #waits_gen <> :waits_gen")
            .number(":now", ctx.now().as_millisecond())
            .number(":waits_gen", waits.generation);
        match self.write(ctx, Change::update(keys::note(ws, ledger), fields).when(over)).await {
            Ok(Write::Done { .. } | Write::Refused { .. }) => Ok(()),
            Err(error) => {
                self.noted.forget(ws, ledger);
                Err(error)
            }
        }
    }

    /// Notes for the cards of all who use an organisation whether they share it. Called after whatever changes who uses it.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn note_sharing(&self, ctx: &Ctx, ledger: Ledger, organisation: &str) -> Result<(), StoreError> {
        let users = self.users_of(ledger, organisation).await?;
        let shared = users.len() > 1;
        for ws in users.into_iter().take(SHARERS_TOLD) {
            let fields = Fields::empty(Kind::Note);
            let change = if shared {
                Change::update(keys::note(ws, ledger), fields.text("shared_of", organisation))
            } else {
                let said = Condition::new("#shared_of = :organisation").text(":organisation", organisation);
                Change::update(keys::note(ws, ledger), fields.remove("shared_of")).when(said)
            };
            match self.write(ctx, change).await? {
                Write::Done { .. } | Write::Refused { .. } => {}
            }
        }
        Ok(())
    }
}

impl Noted {
    /// Remembers a wait; answers whether it says more than the one that was remembered.
    fn is_new(&self, ws: WorkspaceId, ledger: Ledger, waits: Waits, now: Timestamp) -> bool {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = noted.get(&(ws, ledger)).is_some_and(|known| known.generation == waits.generation && known.until > now);
        if known {
            return false;
        }
        if noted.len() >= REMEMBERED {
            noted.clear();
        }
        noted.insert((ws, ledger), waits);
        true
    }

    /// What could not be written is not noted.
    fn forget(&self, ws: WorkspaceId, ledger: Ledger) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(ws, ledger));
    }
}

/// `PARKED#{user}#{at}#{ledger}#{begun_at}#{reference}`, if it is this person's and not over.
fn parked(entry: &str, user: &UserId, now: Timestamp) -> Option<ParkedListed> {
    let mut parts = entry.strip_prefix(&keys::parked_prefix(user))?.split('#');
    let at: Timestamp = parts.next()?.parse().ok()?;
    let (ledger, begun_at) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (at.duration_until(now) < PARKED_LIVES).then_some(ParkedListed { ledger, begun_at })
}

/// `{at}#{ledger}#{generation}#{inv}`.
fn synced(entry: &str) -> Option<(Timestamp, (Ledger, Generation))> {
    let mut parts = entry.split('#');
    let at = parts.next()?.parse().ok()?;
    let ledger = parts.next()?.parse().ok()?;
    Some((at, (ledger, Generation(parts.next()?.parse().ok()?))))
}

#[cfg(test)]
mod tests;
