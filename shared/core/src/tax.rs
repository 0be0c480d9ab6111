//! Finding the ledger's code for a rate (C11, R144).
