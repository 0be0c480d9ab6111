//! What the demo found, for machines.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Serialize;

/// The whole of it.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Each ledger of this build, by its name.
    pub ledgers: BTreeMap<&'static str, LedgerReport>,
    /// Whether everything was as promised.
    pub ok: bool,
    /// What was not, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
}

/// One ledger.
#[derive(Debug, Default, Serialize)]
pub struct LedgerReport {
    /// The organisation that was connected.
    pub organisation: Organisation,
    /// The first click.
    pub first: SyncReport,
    /// The second, with nothing changed in between.
    pub second: SyncReport,
    /// The third, after an edit.
    pub third: SyncReport,
    /// The click after a payment, with payments pushed.
    pub payment: SyncReport,
    /// The click after a second invoice was voided, with voids pushed.
    pub void: SyncReport,
    /// Payments in the ledger, by its own count.
    pub payments: usize,
    /// Documents in the ledger after the third click, by its own count.
    pub documents: usize,
    /// Contacts in it.
    pub contacts: usize,
    /// The import of contacts.
    pub import: ImportReport,
    /// Totals in CoPortal at the end.
    pub coportal: Totals,
    /// Totals in the ledger at the end.
    pub ledger: Totals,
    /// Whether they are equal to the cent, after the first sync and at the end.
    pub totals_equal: bool,
}

/// An organisation in the ledger.
#[derive(Debug, Default, Serialize)]
pub struct Organisation {
    /// The ledger's id of it.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// One click on "Sync".
#[derive(Debug, Default, Serialize)]
pub struct SyncReport {
    /// Where the sync stands afterwards.
    pub state: String,
    /// `created`, `updated` or `nothing`.
    pub changed: String,
    /// The ledger's id of the document.
    pub external_id: String,
    /// The ledger's number of it.
    pub external_number: String,
    /// Where a person opens it.
    pub external_url: String,
    /// Vendor calls, as the answer counts them.
    pub vendor_calls: u64,
    /// Vendor calls, as the ledger saw them: method and path.
    pub seen: Vec<String>,
}

/// A preview of the ledger's contacts, and the import of what was ticked in it.
#[derive(Debug, Default, Serialize)]
pub struct ImportReport {
    /// Contacts that no client has the address of.
    pub new: u64,
    /// Contacts with the address of a client.
    pub duplicate_email: u64,
    /// Contacts that a client is linked to.
    pub linked: u64,
    /// Vendor calls of the preview.
    pub vendor_calls: u64,
    /// Clients made, as the answer counts them.
    pub created: u64,
    /// The same, of the same request once more.
    pub created_again: u64,
    /// Clients afterwards.
    pub clients: usize,
    /// Clients after the same request once more.
    pub clients_again: usize,
}

/// Totals of one document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Without tax.
    pub subtotal: Decimal,
    /// Tax.
    pub tax: Decimal,
    /// With tax.
    pub total: Decimal,
    /// ISO 4217.
    pub currency: String,
}
