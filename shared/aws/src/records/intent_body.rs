//! The body of an intent: kept byte for byte, packed, since the same idempotency key goes with the same body only.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use coportal_core::sync::row::Intent;

use super::packed;
use crate::error::StoreError;
use crate::store::{Fields, Item};

/// Largest packed body in its row; a larger one lies in an item of its own.
pub(crate) const LARGEST_INLINE: usize = 64 * 1024;
/// Attribute of the packed body.
const BODY: &str = "body";
/// Attribute that says the body lies in an item of its own.
const APART: &str = "body_apart";
/// A body is at most the largest invoice as a vendor's JSON; more than this is damage, not a body.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Where a body goes.
pub(crate) enum Placed {
    /// In the row.
    Inline(Fields),
    /// In an item of its own, with this content.
    Apart(Fields, AttributeValue),
}

/// Adds an open intent's body to the fields of its row. No intent: the body goes. An intent without body: what is stored stays.
pub(crate) fn place(fields: Fields, intent: Option<&Intent>) -> Result<Placed, StoreError> {
    let Some(intent) = intent else {
        return Ok(Placed::Inline(fields.remove(BODY).remove(APART)));
    };
    if intent.body.is_empty() {
        return Ok(Placed::Inline(fields));
    }
    let packed = packed::pack(&intent.body).map_err(|error| StoreError::corrupt("intent body", error))?;
    let large = packed.len() > LARGEST_INLINE;
    let packed = AttributeValue::B(Blob::new(packed));
    if large {
        return Ok(Placed::Apart(fields.remove(BODY).set(APART, AttributeValue::Bool(true)), packed));
    }
    Ok(Placed::Inline(fields.set(BODY, packed).remove(APART)))
}

/// The body in an item; empty when there is none.
pub(crate) fn read(item: &Item) -> Result<Vec<u8>, StoreError> {
    let Some(packed) = item.get(BODY).and_then(|value| value.as_b().ok()) else {
        return Ok(Vec::new());
    };
    packed::unpack(packed.as_ref(), LARGEST).map_err(|error| StoreError::corrupt("intent body", error))
}

/// Whether the body lies in an item of its own.
pub(crate) fn is_apart(item: &Item) -> bool {
    item.get(APART).is_some_and(|value| value.as_bool().copied().unwrap_or_default())
}

/// The fields of that item.
pub(crate) fn apart(fields: Fields, packed: AttributeValue) -> Fields {
    fields.set(BODY, packed)
}
