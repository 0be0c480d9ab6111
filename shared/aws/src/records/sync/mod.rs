//! The sync row: what a sync reads, and the two writes on which "exactly once" rests: the claim and the outcome.

mod derived;
mod reads;
mod writes;

pub(crate) use writes::{intent_is, keeps_intent, lease_is_free, may_claim, owner_of};

use coportal_core::choices::Choices;
use coportal_core::client::Client;
use coportal_core::connection::{Connection, Generation};
use coportal_core::facts::Facts;
use coportal_core::id::{ClientId, InvoiceId, WorkspaceId};
use coportal_core::invoice::Invoice;
use coportal_core::ledger::Ledger;
use coportal_core::money::{Currency, Rate};
use coportal_core::sync::row::{ContactRow, SyncRow};
use coportal_core::workspace::Workspace;

use super::metering::CallsKnown;
use super::tokens::TokenRow;
use crate::keys::{self, Key};
use crate::store::Versioned;

pub use derived::{DUE_AFTER_QUEUED, attention_keys, due_keys, list_keys};

/// Which sync row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SyncKey {
    /// The workspace.
    pub ws: WorkspaceId,
    /// The invoice.
    pub inv: InvoiceId,
    /// The ledger.
    pub ledger: Ledger,
    /// The generation of the connection.
    pub generation: Generation,
}

impl SyncKey {
    fn row(&self) -> Key {
        keys::sync_row(self.ws, self.inv, self.ledger, self.generation)
    }

    fn body(&self) -> Key {
        keys::sync_body(self.ws, self.inv, self.ledger, self.generation)
    }
}

/// The first read of a sync: what the second needs to know.
#[derive(Debug, Clone)]
pub struct SyncHead {
    /// The workspace.
    pub workspace: Option<Workspace>,
    /// The invoice.
    pub invoice: Option<Invoice>,
    /// The connection.
    pub connection: Option<Versioned<Connection>>,
}

/// What the fan-out of an invoice rests on.
#[derive(Debug, Clone)]
pub struct FanOutHead {
    /// The workspace.
    pub workspace: Option<Workspace>,
    /// The invoice.
    pub invoice: Option<Invoice>,
    /// The version that its due mark stands for; `None` when it has none: that version is known to every connection that wants it.
    pub version: Option<u64>,
    /// The workspace's connections, however they stand.
    pub connections: Vec<Connection>,
}

/// The first read of a sync of several invoices of one connection.
#[derive(Debug, Clone)]
pub struct SyncHeads {
    /// The workspace.
    pub workspace: Option<Workspace>,
    /// The connection.
    pub connection: Option<Versioned<Connection>>,
    /// The invoices, in the order in which they were asked for.
    pub invoices: Vec<Option<Invoice>>,
}

/// What the second read of a sync is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncNeeds {
    /// The invoice's client.
    pub client: ClientId,
    /// The currency, where the ledger's contacts have one for good.
    pub currency: Option<Currency>,
    /// The tax rates of its lines.
    pub rates: Vec<Rate>,
    /// Its products ([`coportal_core::choices::product_key`]), where lines are mapped to items.
    pub products: Vec<String>,
    /// The ledger's id of the organisation, whose permits are read along.
    pub organisation: String,
}

/// The second read of a sync: everything else.
#[derive(Debug, Clone)]
pub struct SyncBody {
    /// The client.
    pub client: Option<Client>,
    /// The tokens, sealed.
    pub tokens: Option<Versioned<TokenRow>>,
    /// Facts of the organisation.
    pub facts: Option<Facts>,
    /// Choices: accounts and items, and the tax codes of the wanted rates.
    pub choices: Choices,
    /// The client's contact.
    pub contact: Versioned<ContactRow>,
    /// The invoice's row.
    pub row: Versioned<SyncRow>,
    /// The organisation's calls.
    pub calls: CallsKnown,
}

/// How a claim ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Claim {
    /// It is ours.
    Won {
        /// The row's revision now.
        rev: u64,
    },
    /// Somebody else was at it since it was read; the row as it stands.
    Lost(Box<Versioned<SyncRow>>),
    /// The row is free, but its permit was not: the buckets have moved since they were read. Nothing was claimed.
    PermitMoved,
}

/// How a write of a whole row ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Saved<T> {
    /// Done.
    Done {
        /// The revision now.
        rev: u64,
    },
    /// It was changed since it was read; as it stands.
    Moved(Box<Versioned<T>>),
}

/// How the storing of an outcome ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Stored {
    /// Done.
    Done,
    /// Done, but a newer version was asked for meanwhile: the row is queued again, due now.
    WantedMoved,
    /// The open intent is another one, or none: somebody settled ours. The row as it stands.
    NotMine(Box<Versioned<SyncRow>>),
    /// The document belongs to another invoice; nothing was stored.
    DocumentOwnedByOther {
        /// Its workspace.
        ws: WorkspaceId,
        /// Its invoice.
        inv: InvoiceId,
    },
}

/// The document that a row claims for its invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentClaim<'a> {
    /// The ledger's id of the organisation.
    pub organisation: &'a str,
    /// The ledger's id of the document.
    pub external_id: &'a str,
}

/// One entry of what a person should look at.
#[derive(Debug, Clone)]
pub struct Attention {
    /// Which row.
    pub key: SyncKey,
    /// The row.
    pub row: SyncRow,
}

#[cfg(test)]
mod tests;
