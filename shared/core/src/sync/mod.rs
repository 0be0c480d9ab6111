//! Syncing one invoice with one ledger: the row that remembers, and the decisions that move it.

pub mod row;
