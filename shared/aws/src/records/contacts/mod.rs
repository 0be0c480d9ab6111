//! The link of a client to a contact, with its own intent and lease: the contact step of a sync is claimed and settled like the document.

use coportal_core::connection::Generation;
use coportal_core::ctx::Ctx;
use coportal_core::id::{ClientId, IntentId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::money::Currency;
use coportal_core::sync::row::ContactRow;
use jiff::Timestamp;

use super::intent_body::{self, Placed};
use super::sync::{Saved, intent_is, keeps_intent, may_claim};
use crate::error::StoreError;
use crate::keys::{self, Key};
use crate::store::{Change, Condition, Fields, Item, Kind, Store, Versioned, Write, from_item, millis_up, rev_of};

/// Which contact link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContactKey {
    /// The workspace.
    pub ws: WorkspaceId,
    /// The client.
    pub client: ClientId,
    /// The ledger.
    pub ledger: Ledger,
    /// The generation of the connection.
    pub generation: Generation,
    /// The currency of the documents, where the ledger's contacts have one for good; else `None`.
    pub currency: Option<Currency>,
}

impl ContactKey {
    pub(crate) fn row(&self) -> Key {
        keys::contact_link(self.ws, self.ledger, self.generation, self.client, self.currency)
    }
}

/// The contact that a link claims for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContactClaim<'a> {
    /// The ledger's id of the organisation.
    pub organisation: &'a str,
    /// The ledger's id of the contact.
    pub external_id: &'a str,
    /// A person said that two clients may share the contact.
    pub shared: bool,
}

/// How a claim of the contact step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum ContactClaimed {
    /// It is ours.
    Won {
        /// The row's revision now.
        rev: u64,
    },
    /// Somebody else was at it since it was read; the row as it stands.
    Lost(Box<Versioned<ContactRow>>),
}

/// How the storing of a contact's outcome or link ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum ContactStored {
    /// Done.
    Done,
    /// The row is not as the write expects it: another intent, or another revision. The row as it stands.
    NotMine(Box<Versioned<ContactRow>>),
    /// The contact belongs to another client of the workspace; nothing was stored.
    OwnedByOther {
        /// That client.
        client: ClientId,
    },
}

/// A contact row with the body of its intent.
pub(crate) fn row_of(item: Item) -> Result<Versioned<ContactRow>, StoreError> {
    let (rev, body) = (rev_of(&item), intent_body::read(&item)?);
    let mut row: ContactRow = from_item(Kind::ContactLink, item)?;
    if let Some(intent) = &mut row.intent {
        intent.body = body;
    }
    Ok(Versioned::new(row, rev))
}

fn present(item: Option<Item>) -> Result<Box<Versioned<ContactRow>>, StoreError> {
    Ok(Box::new(item.map(row_of).transpose()?.unwrap_or_default()))
}

fn fields(key: &ContactKey, row: &ContactRow) -> Result<Fields, StoreError> {
    let lease_until = row.lease.map(|lease| crate::store::number(millis_up(lease.until)));
    Ok(Fields::of(Kind::ContactLink, row)?
        .text("ws", key.ws)
        .text("ledger", key.ledger)
        .number("gen", key.generation)
        .text("client", key.client)
        .optional("lease_until", lease_until))
}

/// The fields, with the stored body of an open intent left as it is and that of a settled one removed.
pub(super) fn settled(key: &ContactKey, row: &ContactRow) -> Result<Fields, StoreError> {
    let fields = fields(key, row)?;
    if row.intent.is_some() {
        return Ok(fields);
    }
    match intent_body::place(fields, None)? {
        Placed::Inline(fields) | Placed::Apart(fields, _) => Ok(fields),
    }
}

/// Absent, or this client's.
fn ours(client: ClientId) -> Condition {
    Condition::new("attribute_not_exists(#pk) OR #cl = :cl").text(":cl", client.to_string())
}

pub(super) fn own_contact(key: &ContactKey, claim: &ContactClaim<'_>) -> Change {
    let fields = Fields::empty(Kind::ContactOwner).text("cl", key.client);
    Change::update(keys::contact_owner(key.ledger, claim.organisation, claim.external_id, key.ws), fields).when(ours(key.client))
}

/// A second client beside the owner: the owner stays, the item says that the contact is shared.
fn share_contact(key: &ContactKey, claim: &ContactClaim<'_>) -> Change {
    let fields = Fields::empty(Kind::ContactOwner).set("shared", aws_sdk_dynamodb::types::AttributeValue::Bool(true));
    Change::update(keys::contact_owner(key.ledger, claim.organisation, claim.external_id, key.ws), fields).when(Condition::present())
}

impl Store {
    /// The contact row of a client; revision 0 when there is none.
    ///
    /// # Errors
    /// When the table does not answer or the row cannot be read.
    pub async fn contact_row(&self, key: ContactKey) -> Result<Versioned<ContactRow>, StoreError> {
        Ok(self.get(&key.row()).await?.map(row_of).transpose()?.unwrap_or_default())
    }

    /// Claims the contact step, on the conditions of [`Store::claim_row`].
    ///
    /// # Errors
    /// When the table does not answer, or the intent's body is larger than a row takes.
    pub async fn claim_contact(
        &self,
        ctx: &Ctx,
        key: ContactKey,
        row: &ContactRow,
        read_rev: u64,
        now: Timestamp,
    ) -> Result<ContactClaimed, StoreError> {
        let condition =
            Condition::rev(read_rev).and(may_claim(row.lease, now)).and(keeps_intent(row.intent.as_ref().map(|intent| intent.id)));
        let Placed::Inline(fields) = intent_body::place(fields(&key, row)?, row.intent.as_ref())? else {
            return Err(StoreError::corrupt("contact_link", "the body of its intent is no contact's"));
        };
        Ok(match self.write(ctx, Change::update(key.row(), fields).when(condition)).await? {
            Write::Done { rev } => ContactClaimed::Won { rev },
            Write::Refused { old } => ContactClaimed::Lost(present(old)?),
        })
    }

    /// Stores the outcome of a contact's intent, with the ownership of the contact where there is one. Condition: the open intent is
    /// `intent_id`, not the lease.
    ///
    /// # Errors
    /// When the table does not answer; the intent then stays open, or the outcome is stored.
    pub async fn store_contact_outcome(
        &self,
        ctx: &Ctx,
        key: ContactKey,
        intent_id: IntentId,
        row: &ContactRow,
        contact: Option<ContactClaim<'_>>,
    ) -> Result<ContactStored, StoreError> {
        self.store_contact(ctx, key, row, &intent_is(intent_id), contact).await
    }

    /// Stores a link that needed no vendor write (a match, an answer), on the row as it was read.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn link_contact(
        &self,
        ctx: &Ctx,
        key: ContactKey,
        row: &ContactRow,
        read_rev: u64,
        contact: ContactClaim<'_>,
    ) -> Result<ContactStored, StoreError> {
        self.store_contact(ctx, key, row, &Condition::rev(read_rev), Some(contact)).await
    }

    async fn store_contact(
        &self,
        ctx: &Ctx,
        key: ContactKey,
        row: &ContactRow,
        condition: &Condition,
        contact: Option<ContactClaim<'_>>,
    ) -> Result<ContactStored, StoreError> {
        let change = || Ok::<_, StoreError>(Change::update(key.row(), settled(&key, row)?).when(condition.clone()));
        let Some(claim) = contact else {
            return Ok(match self.write(ctx, change()?).await? {
                Write::Done { .. } => ContactStored::Done,
                Write::Refused { old } => ContactStored::NotMine(present(old)?),
            });
        };
        let mut outcome = self.transact(ctx, vec![change()?, own_contact(&key, &claim)]).await?;
        if claim.shared && outcome.refusal(0).is_none() && outcome.refusal(1).is_some() {
            outcome = self.transact(ctx, vec![change()?, share_contact(&key, &claim)]).await?;
        }
        if let Some(old) = outcome.refusal(0) {
            return Ok(ContactStored::NotMine(present(old.cloned())?));
        }
        match outcome.refusal(1) {
            Some(owner) => Ok(ContactStored::OwnedByOther { client: client_of(owner)? }),
            None => Ok(ContactStored::Done),
        }
    }

    /// Writes a contact row that was read at `read_rev`.
    ///
    /// # Errors
    /// When the table does not answer; the write may then have been done.
    pub async fn save_contact(&self, ctx: &Ctx, key: ContactKey, row: &ContactRow, read_rev: u64) -> Result<Saved<ContactRow>, StoreError> {
        let change = Change::update(key.row(), settled(&key, row)?).when(Condition::rev(read_rev));
        Ok(match self.write(ctx, change).await? {
            Write::Done { rev } => Saved::Done { rev },
            Write::Refused { old } => Saved::Moved(present(old)?),
        })
    }

    /// Erases a link, and the ownership of its contact if it is this client's. An open intent keeps the row.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn erase_contact(
        &self,
        ctx: &Ctx,
        key: ContactKey,
        read_rev: u64,
        contact: Option<ContactClaim<'_>>,
    ) -> Result<ContactStored, StoreError> {
        let erase = || Change::delete(key.row()).when(Condition::rev(read_rev).and(keeps_intent(None)));
        let mut changes = vec![erase()];
        changes.extend(contact.map(|claim| {
            Change::delete(keys::contact_owner(key.ledger, claim.organisation, claim.external_id, key.ws)).when(ours(key.client))
        }));
        let mut outcome = self.transact(ctx, changes).await?;
        if outcome.refusal(0).is_none() && outcome.refusal(1).is_some() {
            // The contact is another client's too: only our side goes.
            outcome = self.transact(ctx, vec![erase()]).await?;
        }
        match outcome.refusal(0) {
            Some(old) => Ok(ContactStored::NotMine(present(old.cloned())?)),
            None => Ok(ContactStored::Done),
        }
    }

    /// The client that owns a contact in a workspace.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn contact_owner(
        &self,
        ws: WorkspaceId,
        ledger: Ledger,
        organisation: &str,
        external_id: &str,
    ) -> Result<Option<ClientId>, StoreError> {
        let item = self.get(&keys::contact_owner(ledger, organisation, external_id, ws)).await?;
        item.map(|item| client_of(Some(&item))).transpose()
    }
}

pub(super) fn client_of(item: Option<&Item>) -> Result<ClientId, StoreError> {
    let text = item.and_then(|item| item.get("cl")).and_then(|value| value.as_s().ok());
    text.and_then(|text| text.parse().ok()).ok_or_else(|| StoreError::corrupt("contact_owner", "it names no client"))
}

#[cfg(test)]
mod tests;
