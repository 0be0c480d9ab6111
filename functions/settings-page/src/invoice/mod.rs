//! Invoices: the list, an invoice with its panels, and what a sync would change.

mod changes;
mod forms;
mod list;
mod page;
mod panel;
mod words;

pub(crate) use changes::changes;
pub(crate) use forms::{approve, code, link, resolve, sync, unlink};
pub(crate) use list::{invoices, list};
pub(crate) use page::invoice;
pub(crate) use words::state_word;
