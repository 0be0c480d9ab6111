//! Syncing one invoice with one ledger: the row that remembers, and the decisions that move it.

pub mod content;
pub mod drift;
pub mod key;
pub mod matching;
pub mod merge;
pub mod plan;
mod questions;
pub mod retry;
pub mod row;
pub mod settle;

pub use questions::{comes_to_other, create_again, payment_refused, totals_differ, void_refused};
use serde::Serialize;

use crate::failure::Question;
use crate::sync::row::Choice;

/// A hold before it has an id and a date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HoldDraft {
    /// The question.
    pub question: Question,
    /// In words, with the values it is about.
    pub detail: String,
    /// The answers offered.
    pub choices: Vec<Choice>,
    /// Digest of what the question rests on.
    pub inputs_hash: String,
}
