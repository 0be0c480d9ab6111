//! Which invoices may be synced (C9).
