//! One module per family of records, on the conditions of docs/records.md, section 4.

pub mod audit;
pub mod backfills;
pub mod cards;
pub mod choices;
pub mod clients;
pub mod connections;
pub mod contacts;
pub mod drift;
pub mod due;
pub mod facts;
pub mod granted;
pub mod idempotency;
pub mod imports;
pub mod invoices;
pub mod jobs;
pub mod keep_alive;
pub mod metering;
pub mod oauth;
pub mod people;
pub mod previews;
pub mod sessions;
pub mod sign_in;
pub mod sync;
pub mod timeline;
pub mod tokens;
pub mod workspaces;

mod intent_body;
mod open_rows;
mod packed;
