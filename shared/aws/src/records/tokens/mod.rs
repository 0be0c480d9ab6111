//! Tokens of a connection, sealed; and the lease under which exactly one refresh runs.

use coportal_core::connection::Generation;
use coportal_core::ctx::Ctx;
use coportal_core::id::{RunId, WorkspaceId};
use coportal_core::ledger::Ledger;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::sync::lease_is_free;
use crate::error::StoreError;
use crate::keys;
use crate::store::{Change, Condition, Fields, Item, Kind, Store, Versioned, Write, from_item, millis_up, rev_of};
use crate::vault::Envelope;

/// A refresh that was sent and has no outcome counts as under way for this long: a "reconnect" is not believed before.
pub const REFRESH_UNSETTLED_FOR: SignedDuration = SignedDuration::from_mins(15);
/// The keeper looks at new tokens after this time, and then as often.
pub const KEEP_ALIVE_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// Which tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenKey {
    /// The workspace.
    pub ws: WorkspaceId,
    /// The ledger.
    pub ledger: Ledger,
    /// The generation; 0 while no organisation is chosen.
    pub generation: Generation,
}

impl TokenKey {
    pub(crate) fn key(&self) -> keys::Key {
        keys::tokens(self.ws, self.ledger, self.generation)
    }
}

/// How far a refresh is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshPhase {
    /// The lease is taken; nothing was sent.
    Planned,
    /// The vendor may have been called.
    Sent,
}

/// The right to refresh, until an instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshLease {
    /// Who holds it.
    pub owner: RunId,
    /// Until when.
    pub until: Timestamp,
    /// Number of the lease; grows with each one taken.
    pub fence: u64,
    /// How far it is.
    pub phase: RefreshPhase,
    /// The token set that is refreshed.
    pub from_gen: u64,
    /// When the vendor was called.
    pub sent_at: Option<Timestamp>,
}

/// A refresh that was sent and whose outcome is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentRefresh {
    /// By whom.
    pub owner: RunId,
    /// From which token set.
    pub from_gen: u64,
    /// When.
    pub at: Timestamp,
}

/// Tokens as they are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// Access and refresh token, sealed.
    pub envelope: Envelope,
    /// When the access token ends.
    pub access_exp: Timestamp,
    /// When the refresh token ends if it is not used, where the ledger says so.
    #[serde(default)]
    pub refresh_exp: Option<Timestamp>,
    /// Number of this token set; grows with each refresh.
    pub token_gen: u64,
    /// Number of the consent they came from.
    pub grant: u64,
    /// Who refreshes now.
    #[serde(default)]
    pub lease: Option<RefreshLease>,
    /// Number of the newest lease.
    #[serde(default)]
    pub fence: u64,
    /// Refreshes without outcome.
    #[serde(default)]
    pub sent: Vec<SentRefresh>,
}

impl TokenRow {
    /// A token set as first issued for a consent.
    #[must_use]
    pub fn issued(envelope: Envelope, access_exp: Timestamp, refresh_exp: Option<Timestamp>, grant: u64) -> Self {
        Self { envelope, access_exp, refresh_exp, token_gen: 1, grant, lease: None, fence: 0, sent: Vec::new() }
    }

    /// Whether a refresh of the present set was sent lately and has no outcome, other than by `besides`.
    #[must_use]
    pub fn has_unsettled_refresh(&self, now: Timestamp, besides: Option<RunId>) -> bool {
        self.sent.iter().any(|sent| {
            sent.from_gen == self.token_gen && Some(sent.owner) != besides && sent.at.duration_until(now) < REFRESH_UNSETTLED_FOR
        })
    }
}

/// A refreshed set, sealed and ready to be stored.
#[derive(Debug, Clone)]
pub struct Refreshed {
    /// Sealed under the number of the **next** token set.
    pub envelope: Envelope,
    /// When the new access token ends.
    pub access_exp: Timestamp,
    /// When the new refresh token ends, where the ledger says so.
    pub refresh_exp: Option<Timestamp>,
}

/// How a step of a refresh ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Refresh {
    /// Done; the tokens as they stand now.
    Mine(Box<Versioned<TokenRow>>),
    /// Not ours: another lease, another token set, another consent, or no tokens any more. The tokens as they stand.
    Other(Option<Box<Versioned<TokenRow>>>),
}

/// What is known of a refresh that stored nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// The vendor certainly did not rotate the token: nothing was sent, or it was refused.
    Settled,
    /// It may have.
    Unknown,
}

pub(crate) fn row_of(item: Item) -> Result<Versioned<TokenRow>, StoreError> {
    let rev = rev_of(&item);
    Ok(Versioned::new(from_item(Kind::Tokens, item)?, rev))
}

/// The attributes of a token row, with what follows from it.
pub(crate) fn fields(key: &TokenKey, row: &TokenRow, now: Timestamp) -> Result<Fields, StoreError> {
    let lease_until = row.lease.as_ref().map(|lease| crate::store::number(millis_up(lease.until)));
    let look_at = now.saturating_add(KEEP_ALIVE_AFTER).unwrap_or(now);
    Ok(Fields::of(Kind::Tokens, row)?
        .text("ws", key.ws)
        .text("ledger", key.ledger)
        .number("gen", key.generation)
        .optional("lease_until", lease_until)
        .due(Some(keep_at(key, look_at))))
}

/// Keys in the `due` index: when the keeper looks at the tokens next.
pub(crate) fn keep_at(key: &TokenKey, look_at: Timestamp) -> (String, String) {
    let sort = format!("{}#{}#{}#{}", keys::instant(look_at), key.ws, key.ledger, key.generation);
    (keys::keep_alive_pk(keys::shard(key.ws, key.ledger)), sort)
}

/// The time of the keeper's next look stays as it is: it looks at every connection, also at those that are used.
fn kept_mark(fields: Fields) -> Fields {
    fields.untouched("due_pk").untouched("due_sk")
}

fn other(item: Option<Item>) -> Result<Refresh, StoreError> {
    Ok(Refresh::Other(item.map(row_of).transpose()?.map(Box::new)))
}

impl Store {
    /// The tokens of a connection, sealed.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn tokens(&self, key: TokenKey) -> Result<Option<Versioned<TokenRow>>, StoreError> {
        self.get(&key.key()).await?.map(row_of).transpose()
    }

    /// Takes the right to refresh the token set that was read, until `until`. Condition: the set is unmoved and nobody's lease is live.
    ///
    /// # Errors
    /// When the table does not answer; a lease may then be ours without our knowing, and ends by itself.
    pub async fn take_refresh_lease(
        &self,
        ctx: &Ctx,
        key: TokenKey,
        read: &Versioned<TokenRow>,
        owner: RunId,
        until: Timestamp,
    ) -> Result<Refresh, StoreError> {
        let now = ctx.now();
        let mut row = read.value.clone();
        row.fence = row.fence.saturating_add(1);
        row.lease =
            Some(RefreshLease { owner, until, fence: row.fence, phase: RefreshPhase::Planned, from_gen: row.token_gen, sent_at: None });
        row.sent.retain(|sent| sent.from_gen == read.value.token_gen && sent.at.duration_until(now) < REFRESH_UNSETTLED_FOR);
        let set = Condition::new("#token_gen = :g").number(":g", read.value.token_gen);
        let condition = Condition::rev(read.rev).and(set).and(lease_is_free(now));
        self.write_tokens(ctx, key, row, condition).await
    }

    /// Says that the vendor is about to be called. Condition: the tokens are as they were when the lease was taken.
    ///
    /// # Errors
    /// When the table does not answer; the vendor must then not be called.
    pub async fn mark_refresh_sent(&self, ctx: &Ctx, key: TokenKey, held: &Versioned<TokenRow>) -> Result<Refresh, StoreError> {
        let now = ctx.now();
        let mut row = held.value.clone();
        let Some(lease) = row.lease.as_mut() else {
            return Ok(Refresh::Other(Some(Box::new(held.clone()))));
        };
        lease.phase = RefreshPhase::Sent;
        lease.sent_at = Some(now);
        row.sent.push(SentRefresh { owner: lease.owner, from_gen: lease.from_gen, at: now });
        let mine = Condition::new("#lease.#owner = :owner").text(":owner", lease.owner.to_string());
        self.write_tokens(ctx, key, row, Condition::rev(held.rev).and(mine)).await
    }

    async fn write_tokens(&self, ctx: &Ctx, key: TokenKey, row: TokenRow, condition: Condition) -> Result<Refresh, StoreError> {
        let change = Change::update(key.key(), kept_mark(fields(&key, &row, ctx.now())?).untouched("envelope")).when(condition);
        match self.write(ctx, change).await? {
            Write::Done { rev } => Ok(Refresh::Mine(Box::new(Versioned::new(row, rev)))),
            Write::Refused { old } => other(old),
        }
    }

    /// Stores what the vendor issued for the token set `from_gen` of consent `grant`. Condition: set and consent are unmoved, and **not**
    /// the lease: a slow holder's answer may hold the only live refresh token.
    ///
    /// # Errors
    /// When the table does not answer; the caller tries again for as long as it can.
    pub async fn store_refreshed(&self, ctx: &Ctx, key: TokenKey, held: &TokenRow, refreshed: &Refreshed) -> Result<Refresh, StoreError> {
        let row = TokenRow {
            envelope: refreshed.envelope.clone(),
            access_exp: refreshed.access_exp,
            refresh_exp: refreshed.refresh_exp,
            token_gen: held.token_gen.saturating_add(1),
            grant: held.grant,
            lease: None,
            fence: held.fence,
            sent: Vec::new(),
        };
        let unmoved = Condition::new("#token_gen = :g AND #grant = :grant").number(":g", held.token_gen).number(":grant", held.grant);
        let change = Change::update(key.key(), kept_mark(fields(&key, &row, ctx.now())?).untouched("fence")).when(unmoved);
        match self.write(ctx, change).await? {
            Write::Done { rev } => Ok(Refresh::Mine(Box::new(Versioned::new(row, rev)))),
            Write::Refused { old } => other(old),
        }
    }

    /// Gives the lease of `owner` back after a refresh that stored nothing. A settled refresh no longer counts as under way.
    ///
    /// # Errors
    /// When the table does not answer, or the tokens keep changing; the lease then ends by itself.
    pub async fn release_refresh_lease(
        &self,
        ctx: &Ctx,
        key: TokenKey,
        owner: RunId,
        outcome: RefreshOutcome,
    ) -> Result<Option<Versioned<TokenRow>>, StoreError> {
        for _ in 0..4 {
            let Some(read) = self.tokens(key).await? else {
                return Ok(None);
            };
            let mut row = read.value.clone();
            if row.lease.as_ref().is_some_and(|lease| lease.owner == owner) {
                row.lease = None;
            }
            if outcome == RefreshOutcome::Settled {
                row.sent.retain(|sent| sent.owner != owner);
            }
            if row == read.value {
                return Ok(Some(read));
            }
            if let Refresh::Mine(row) = self.write_tokens(ctx, key, row, Condition::rev(read.rev)).await? {
                return Ok(Some(*row));
            }
        }
        Err(StoreError::Conflict { operation: "release of a refresh" })
    }
}

#[cfg(test)]
mod tests;
