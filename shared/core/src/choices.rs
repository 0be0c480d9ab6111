//! What a person answered for one organisation; dies with the generation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::money::Rate;
use crate::text::{fingerprint, name_key};

/// The product that a line stands for: the fingerprint of its text, folded.
#[must_use]
pub fn product_key(description: &str) -> String {
    fingerprint(&name_key(description))
}

/// The stored choices of a generation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices {
    /// Account of sales lines: the account's code, or its id where it has none.
    pub sales_account: Option<String>,
    /// Item of sales lines, where the ledger has items.
    pub sales_item: Option<String>,
    /// Item by product, where lines are mapped ([`crate::connection::ItemPolicy::Mapped`]): the key is
    /// [`product_key`] of the line's text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub item_map: BTreeMap<String, String>,
    /// Account that payments go to.
    pub payment_account: Option<String>,
    /// Tax code by rate.
    pub tax_map: BTreeMap<Rate, String>,
}
