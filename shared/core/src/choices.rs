//! What a person answered for one organisation; dies with the generation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::money::Rate;

/// The stored choices of a generation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices {
    /// Account of sales lines: the account's code, or its id where it has none.
    pub sales_account: Option<String>,
    /// Item of sales lines, where the ledger has items.
    pub sales_item: Option<String>,
    /// Account that payments go to.
    pub payment_account: Option<String>,
    /// Tax code by rate.
    pub tax_map: BTreeMap<Rate, String>,
}
