//! The table, as the records use it: consistent reads, conditional writes that know their own earlier attempt, transactions.
//!
//! A write is a [`Change`]: named attributes are set, absent ones removed, all others left alone, so that an older binary during a
//! canary cannot drop attributes that a newer one added.

mod change;
mod condition;
mod read;
mod write;

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_async::rt::sleep::{AsyncSleep as _, SharedAsyncSleep, TokioSleep};
use coportal_core::ctx::Ctx;
use jiff::Timestamp;

use crate::records::cards::Noted;
use crate::records::metering::Tranches;

pub use change::{Change, Fields, Kind};
pub use condition::Condition;
pub(crate) use read::key_of;
pub use read::{Page, Range, from_item, rev_of};
pub use write::{Refusal, Transacted, Write};

/// An item as DynamoDB keeps it.
pub type Item = HashMap<String, AttributeValue>;

/// A value and the `rev` it was read at; 0 when there was none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// The revision; 0 = absent.
    pub rev: u64,
}

impl<T> Versioned<T> {
    /// A value with its revision.
    #[must_use]
    pub fn new(value: T, rev: u64) -> Self {
        Self { value, rev }
    }
}

/// The table. Clones share connections.
#[derive(Clone)]
pub struct Store {
    client: aws_sdk_dynamodb::Client,
    table: String,
    sleep: SharedAsyncSleep,
    pub(crate) tranches: Arc<Tranches>,
    pub(crate) noted: Arc<Noted>,
}

/// Attempts of a transaction or of a batch read, beyond the SDK's own.
const MAX_ROUNDS: u32 = 8;

impl Store {
    /// The table `table`, through an SDK client; waits as the client waits.
    #[must_use]
    pub fn new(client: aws_sdk_dynamodb::Client, table: impl Into<String>) -> Self {
        let sleep = client.config().sleep_impl().unwrap_or_else(|| SharedAsyncSleep::new(TokioSleep::new()));
        Self { client, table: table.into(), sleep, tranches: Arc::default(), noted: Arc::default() }
    }

    /// Waits before round `round` (1, 2, …): 25 ms doubled each time up to 800 ms, of which half is chance.
    pub(crate) async fn back_off(&self, ctx: &Ctx, round: u32) {
        let ceiling = 25_u64 << round.min(5);
        let [chance] = ctx.random_bytes::<1>();
        let millis = ceiling / 2 + (ceiling / 2) * u64::from(chance) / 255;
        self.sleep.sleep(std::time::Duration::from_millis(millis)).await;
    }
}

/// Whether an item has not ended: DynamoDB removes ended items hours late.
#[must_use]
pub fn is_live(item: &Item, now: Timestamp) -> bool {
    let exp = item.get("exp").and_then(|exp| exp.as_n().ok()).and_then(|exp| exp.parse::<i64>().ok());
    exp.is_none_or(|exp| now.as_second() < exp)
}

/// An instant as a number that conditions can compare: milliseconds since 1970, rounded down.
pub(crate) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// The same, rounded up: the end of a lease must not come early.
pub(crate) fn millis_up(at: Timestamp) -> i64 {
    let floor = at.as_millisecond();
    if at.as_nanosecond() % 1_000_000 == 0 { floor } else { floor.saturating_add(1) }
}

pub(crate) fn string(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn number(number: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

#[cfg(test)]
mod tests;
