//! Domain to wire and back: pure, and the same bytes for the same value.

pub(super) mod contact;
pub(super) mod document;
pub(super) mod facts;
pub(super) mod payment;

/// What `LinkedTxn` calls an invoice.
const INVOICE: &str = "Invoice";
