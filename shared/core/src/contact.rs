//! Contacts in a ledger, and the link between a client and its contact.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::client::Address;
use crate::money::Currency;

/// How a contact stands in its ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactStatus {
    /// Usable.
    Active,
    /// Not usable on new documents.
    Archived,
}

/// A contact as read from a ledger; empty strings of the vendor are already `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The ledger's id of it.
    pub external_id: String,
    /// Its name.
    pub name: String,
    /// Its e-mail address.
    pub email: Option<String>,
    /// Its telephone.
    pub phone: Option<String>,
    /// Its billing address.
    pub billing_address: Option<Address>,
    /// Our mark on it: the client's id, if CoPortal made it.
    pub our_mark: Option<String>,
    /// Whether it may be used.
    pub status: ContactStatus,
    /// Merged into another contact.
    pub merged_into: Option<String>,
    /// The one currency of its documents, where the ledger fixes it.
    #[serde(default)]
    pub currency: Option<Currency>,
    /// When it was made there, where the ledger says so.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// The ledger's version mark of it, which an update must name where versions are guarded.
    #[serde(default)]
    pub version: Option<String>,
}

impl Contact {
    /// Whether it may stand on new documents: neither archived nor merged into another one.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.status == ContactStatus::Active && self.merged_into.is_none()
    }
}

/// What CoPortal writes to a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactContent {
    /// Name; absent in an update that leaves it alone (Xero refuses a name beside an id: docs/vendors/xero.md, section 10).
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
    /// Billing address.
    pub billing_address: Option<Address>,
    /// Our mark, set on create only.
    pub our_mark: Option<String>,
    /// The currency of the documents it is for, set on create only: a ledger may fix a contact's currency when it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
}

impl ContactContent {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { name, email, phone, billing_address, our_mark, currency: _ } = self;
        name.is_none() && email.is_none() && phone.is_none() && billing_address.is_none() && our_mark.is_none()
    }
}

/// The link of a client to a contact of one generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactLink {
    /// The contact.
    pub external_id: String,
    /// Digest of the client's fields as last sent or compared; another digest means the client changed since.
    pub hash: String,
    /// When the link was made.
    pub linked_at: Timestamp,
}
