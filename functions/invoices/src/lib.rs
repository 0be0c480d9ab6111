//! The invoices function.
