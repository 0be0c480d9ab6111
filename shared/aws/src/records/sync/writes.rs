//! The writes of a sync row, each on its condition (docs/records.md, section 4).

use coportal_core::ctx::Ctx;
use coportal_core::id::{IntentId, InvoiceId, WorkspaceId};
use coportal_core::sync::row::{Lease, SyncRow, SyncState, Waiting, WaitingFor};
use coportal_core::timeline::TimelineEvent;
use jiff::SignedDuration;
use jiff::Timestamp;

use super::reads::row_of;
use super::{Claim, DocumentClaim, Saved, Stored, SyncKey, due_keys, list_keys};
use crate::error::StoreError;
use crate::keys;
use crate::records::intent_body::{self, Placed};
use crate::records::metering::PermitWrite;
use crate::records::timeline::{ends, line};
use crate::store::{Change, Condition, Fields, Item, Kind, Store, Transacted, Versioned, Write, millis, millis_up};

/// How long the body of an intent is kept in its own item: longer than any vendor remembers an idempotency key, after which the body is
/// never sent again. The item is not deleted with the outcome, which does not know of it.
const BODY_KEPT_FOR: SignedDuration = SignedDuration::from_hours(48);

/// A row's attributes, with those that follow from it. The intent's body is not among them.
fn fields(key: &SyncKey, row: &SyncRow) -> Result<Fields, StoreError> {
    let lease_until = row.lease.map(|lease| crate::store::number(millis_up(lease.until)));
    Ok(Fields::of(Kind::SyncRow, row)?
        .text("ws", key.ws)
        .text("inv", key.inv)
        .text("ledger", key.ledger)
        .number("gen", key.generation)
        .optional("lease_until", lease_until)
        .due(due_keys(key, row))
        .listed(list_keys(key, row)))
}

/// No lease, or one that is over. The number beside the lease is what conditions compare: timestamps as text do not sort by time.
pub(crate) fn lease_is_free(now: Timestamp) -> Condition {
    Condition::new("attribute_not_exists(#lease_until) OR #lease_until <= :now").number(":now", millis(now))
}

/// No lease, one that is over, or the claimer's own: a run may claim again what it claimed (the same key and body once more, a new token).
pub(crate) fn may_claim(lease: Option<Lease>, now: Timestamp) -> Condition {
    let owner = lease.map(|lease| lease.owner.to_string()).unwrap_or_default();
    Condition::new("attribute_not_exists(#lease_until) OR #lease_until <= :now OR #lease.#owner = :owner")
        .number(":now", millis(now))
        .text(":owner", owner)
}

/// An open intent is kept: only the same one may be claimed again.
pub(crate) fn keeps_intent(intent: Option<IntentId>) -> Condition {
    match intent {
        Some(id) => Condition::new("attribute_not_exists(#intent) OR #intent.#id = :intent").text(":intent", id.to_string()),
        None => Condition::new("attribute_not_exists(#intent)"),
    }
}

/// The open intent is this one.
pub(crate) fn intent_is(id: IntentId) -> Condition {
    Condition::new("#intent.#id = :mine").text(":mine", id.to_string())
}

fn present(item: Option<Item>) -> Result<Box<Versioned<SyncRow>>, StoreError> {
    Ok(Box::new(item.map(row_of).transpose()?.unwrap_or_default()))
}

/// The change that makes an invoice the owner of a document, unless another one is.
fn own_document(key: &SyncKey, claim: &DocumentClaim<'_>) -> Change {
    let fields = Fields::empty(Kind::DocumentOwner).text("ws", key.ws).text("inv", key.inv);
    let ours = Condition::new("attribute_not_exists(#pk) OR (#ws = :ws AND #inv = :inv)")
        .text(":ws", key.ws.to_string())
        .text(":inv", key.inv.to_string());
    Change::update(keys::document_owner(key.ledger, claim.organisation, claim.external_id), fields).when(ours)
}

pub(crate) fn owner_of(item: Option<&Item>) -> Result<(WorkspaceId, InvoiceId), StoreError> {
    let text = |name: &str| item.and_then(|item| item.get(name)).and_then(|value| value.as_s().ok());
    let owner = text("ws").and_then(|ws| ws.parse().ok()).zip(text("inv").and_then(|inv| inv.parse().ok()));
    owner.ok_or_else(|| StoreError::corrupt("document_owner", "it names no invoice"))
}

impl Store {
    /// Claims a row: writes lease, intent and everything else of `row`, as read at `read_rev` and changed by the planner. `attempts` is
    /// the planner's to raise, before any vendor call.
    ///
    /// Condition: the row is as it was read, it has no live lease of another run at `now`, and an open intent stays the same one.
    ///
    /// # Errors
    /// When the table does not answer; the claim may then have been made and ends with its lease.
    pub async fn claim_row(&self, ctx: &Ctx, key: SyncKey, row: &SyncRow, read_rev: u64, now: Timestamp) -> Result<Claim, StoreError> {
        self.claim_row_with(ctx, key, row, read_rev, now, None).await
    }

    /// The same together with the permit of the call that follows: both or none, before any effect (docs/records.md, section 5).
    ///
    /// # Errors
    /// As [`Store::claim_row`].
    pub async fn claim_row_with(
        &self,
        ctx: &Ctx,
        key: SyncKey,
        row: &SyncRow,
        read_rev: u64,
        now: Timestamp,
        permit: Option<&PermitWrite>,
    ) -> Result<Claim, StoreError> {
        let condition =
            Condition::rev(read_rev).and(may_claim(row.lease, now)).and(keeps_intent(row.intent.as_ref().map(|intent| intent.id)));
        let (fields, body) = match intent_body::place(fields(&key, row)?, row.intent.as_ref())? {
            Placed::Inline(fields) => (fields, None),
            Placed::Apart(fields, packed) => (fields, Some(packed)),
        };
        let claim = Change::update(key.row(), fields).when(condition);
        let mut beside = permit.map(PermitWrite::changes).transpose()?.unwrap_or_default();
        if let (Some(packed), Some(intent)) = (body, &row.intent) {
            let apart = Fields::empty(Kind::SyncBody).text("intent", intent.id).expires(ends(now, BODY_KEPT_FOR));
            beside.push(Change::put(key.body(), intent_body::apart(apart, packed)));
        }
        if beside.is_empty() {
            return Ok(match self.write(ctx, claim).await? {
                Write::Done { rev } => Claim::Won { rev },
                Write::Refused { old } => Claim::Lost(present(old)?),
            });
        }
        let outcome = self.transact(ctx, std::iter::once(claim).chain(beside).collect()).await?;
        Ok(match outcome {
            Transacted::Done => Claim::Won { rev: read_rev.saturating_add(1) },
            Transacted::Refused(_) => match outcome.refusal(0) {
                Some(old) => Claim::Lost(present(old.cloned())?),
                None => Claim::PermitMoved,
            },
        })
    }

    /// Writes a row that was read at `read_rev`: holds, waits, wants, answers. An open intent's body stays as it is.
    ///
    /// # Errors
    /// When the table does not answer; the write may then have been done.
    pub async fn save_row(&self, ctx: &Ctx, key: SyncKey, row: &SyncRow, read_rev: u64) -> Result<Saved<SyncRow>, StoreError> {
        let change = Change::update(key.row(), kept_body(&key, row)?).when(Condition::rev(read_rev));
        Ok(match self.write(ctx, change).await? {
            Write::Done { rev } => Saved::Done { rev },
            Write::Refused { old } => Saved::Moved(present(old)?),
        })
    }

    /// Raises the wanted version of a row that was read at `read_rev` and does not know of it yet.
    ///
    /// Condition: the row is as it was read, and wants less; an older event never lowers a newer one.
    ///
    /// # Errors
    /// When the table does not answer; the write may then have been done.
    pub async fn raise_row(&self, ctx: &Ctx, key: SyncKey, row: &SyncRow, read_rev: u64) -> Result<Saved<SyncRow>, StoreError> {
        let newer = Condition::new("attribute_not_exists(#wanted) OR #wanted < :wanted").number(":wanted", row.wanted);
        let change = Change::update(key.row(), kept_body(&key, row)?).when(Condition::rev(read_rev).and(newer));
        Ok(match self.write(ctx, change).await? {
            Write::Done { rev } => Saved::Done { rev },
            Write::Refused { old } => Saved::Moved(present(old)?),
        })
    }

    /// Stores the outcome of an intent: row, timeline line and the claim of the document in one transaction.
    ///
    /// Condition: the open intent is `intent_id`, **not** the lease and not the revision: a slow holder's answer is knowledge. `wanted` is
    /// never written; where it has grown beyond what `row` settles, the row is stored as queued and due now.
    ///
    /// # Errors
    /// When the table does not answer; the intent then stays open, or the outcome is stored.
    pub async fn store_outcome(
        &self,
        ctx: &Ctx,
        key: SyncKey,
        intent_id: IntentId,
        row: &SyncRow,
        timeline: &TimelineEvent,
        document: Option<DocumentClaim<'_>>,
    ) -> Result<Stored, StoreError> {
        let settled = if row.state == SyncState::Synced { row.done } else { row.wanted.max(row.done) };
        let mut condition = intent_is(intent_id);
        if row.state.is_at_rest() {
            let caught_up = Condition::new("attribute_not_exists(#wanted) OR #wanted <= :settled").number(":settled", settled);
            condition = condition.and(caught_up);
        }
        let first = self.outcome(ctx, key, row, condition, timeline, document).await?;
        let Some(stands) = first else {
            return Ok(Stored::Done);
        };
        match stands {
            Standing::Document { ws, inv } => Ok(Stored::DocumentOwnedByOther { ws, inv }),
            Standing::Row(old) if old.value.intent.as_ref().is_some_and(|intent| intent.id == intent_id) => {
                let now = ctx.now();
                let queued = SyncRow {
                    state: SyncState::Queued,
                    waiting: Some(Waiting { reason: WaitingFor::OtherRun, until: Some(now) }),
                    hold: None,
                    problem: None,
                    since: Some(now),
                    ..row.clone()
                };
                Ok(match self.outcome(ctx, key, &queued, intent_is(intent_id), timeline, document).await? {
                    None => Stored::WantedMoved,
                    Some(Standing::Document { ws, inv }) => Stored::DocumentOwnedByOther { ws, inv },
                    Some(Standing::Row(old)) => Stored::NotMine(old),
                })
            }
            Standing::Row(old) => Ok(Stored::NotMine(old)),
        }
    }

    async fn outcome(
        &self,
        ctx: &Ctx,
        key: SyncKey,
        row: &SyncRow,
        condition: Condition,
        timeline: &TimelineEvent,
        document: Option<DocumentClaim<'_>>,
    ) -> Result<Option<Standing>, StoreError> {
        let fields = kept_body(&key, row)?.untouched("wanted");
        let mut changes = vec![Change::update(key.row(), fields).when(condition), line(key.ws, key.inv, timeline)?];
        changes.extend(document.map(|claim| own_document(&key, &claim)));
        let outcome = self.transact(ctx, changes).await?;
        if let Some(old) = outcome.refusal(0) {
            return Ok(Some(Standing::Row(present(old.cloned())?)));
        }
        if let Some(owner) = outcome.refusal(2) {
            let (ws, inv) = owner_of(owner)?;
            return Ok(Some(Standing::Document { ws, inv }));
        }
        match outcome {
            Transacted::Done => Ok(None),
            Transacted::Refused(_) => Err(StoreError::corrupt("sync_row", "its outcome was cancelled without a reason")),
        }
    }

    /// Saves a link that a person made by hand: row, timeline line and document in one transaction, on the row as it was read.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn link_document(
        &self,
        ctx: &Ctx,
        key: SyncKey,
        row: &SyncRow,
        read_rev: u64,
        timeline: &TimelineEvent,
        document: DocumentClaim<'_>,
    ) -> Result<Stored, StoreError> {
        let changes = vec![
            Change::update(key.row(), kept_body(&key, row)?).when(Condition::rev(read_rev)),
            line(key.ws, key.inv, timeline)?,
            own_document(&key, &document),
        ];
        let outcome = self.transact(ctx, changes).await?;
        if let Some(owner) = outcome.refusal(2) {
            let (ws, inv) = owner_of(owner)?;
            return Ok(Stored::DocumentOwnedByOther { ws, inv });
        }
        match outcome.refusal(0) {
            Some(old) => Ok(Stored::NotMine(present(old.cloned())?)),
            None => Ok(Stored::Done),
        }
    }

    /// Removes a link: the row as given (without it), a timeline line, and the document free for another invoice.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn unlink_document(
        &self,
        ctx: &Ctx,
        key: SyncKey,
        row: &SyncRow,
        read_rev: u64,
        timeline: &TimelineEvent,
        document: DocumentClaim<'_>,
    ) -> Result<Saved<SyncRow>, StoreError> {
        let ours = Condition::new("attribute_not_exists(#pk) OR (#ws = :ws AND #inv = :inv)")
            .text(":ws", key.ws.to_string())
            .text(":inv", key.inv.to_string());
        let owner = keys::document_owner(key.ledger, document.organisation, document.external_id);
        let save = || -> Result<Vec<Change>, StoreError> {
            Ok(vec![Change::update(key.row(), kept_body(&key, row)?).when(Condition::rev(read_rev)), line(key.ws, key.inv, timeline)?])
        };
        let mut changes = save()?;
        changes.push(Change::delete(owner).when(ours));
        let mut outcome = self.transact(ctx, changes).await?;
        if outcome.refusal(0).is_none() && outcome.refusal(2).is_some() {
            // The document is another invoice's by now: only our side goes.
            outcome = self.transact(ctx, save()?).await?;
        }
        match outcome.refusal(0) {
            Some(old) => Ok(Saved::Moved(present(old.cloned())?)),
            None => Ok(Saved::Done { rev: read_rev.saturating_add(1) }),
        }
    }

    /// Which invoice owns a document.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn document_owner(
        &self,
        ledger: coportal_core::ledger::Ledger,
        document: DocumentClaim<'_>,
    ) -> Result<Option<(WorkspaceId, InvoiceId)>, StoreError> {
        let item = self.get(&keys::document_owner(ledger, document.organisation, document.external_id)).await?;
        item.map(|item| owner_of(Some(&item))).transpose()
    }
}

/// What stood in the way of an outcome.
enum Standing {
    Row(Box<Versioned<SyncRow>>),
    Document { ws: WorkspaceId, inv: InvoiceId },
}

/// A row's fields; the stored body goes with its intent and stays with it.
fn kept_body(key: &SyncKey, row: &SyncRow) -> Result<Fields, StoreError> {
    let fields = fields(key, row)?;
    if row.intent.is_some() {
        return Ok(fields);
    }
    match intent_body::place(fields, None)? {
        Placed::Inline(fields) | Placed::Apart(fields, _) => Ok(fields),
    }
}
