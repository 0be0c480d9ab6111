//! Reads: strongly consistent from the table, and pages of an index for lists.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::KeysAndAttributes;
use coportal_core::ctx::Ctx;
use serde::de::DeserializeOwned;

use super::change::key_item;
use super::{Item, Kind, MAX_ROUNDS, Store, string};
use crate::error::StoreError;
use crate::keys::{Index, Key, PK, SK};

/// Keys that one `BatchGetItem` takes (DynamoDB API Reference).
const BATCH: usize = 100;

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Sort key to go on after, if there is more. It holds no partition: that comes from the principal.
    pub next: Option<String>,
}

/// The revision of an item.
#[must_use]
pub fn rev_of(item: &Item) -> u64 {
    item.get("rev").and_then(|rev| rev.as_n().ok()).and_then(|rev| rev.parse().ok()).unwrap_or_default()
}

/// An item as a record.
///
/// # Errors
/// When the item is of another kind, of a newer shape, or does not fit the record.
pub fn from_item<T: DeserializeOwned>(kind: Kind, item: Item) -> Result<T, StoreError> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    if text("kind").map(String::as_str) != Some(kind.as_str()) {
        return Err(StoreError::corrupt(kind.as_str(), "it is of another kind"));
    }
    let shape = item.get("v").and_then(|v| v.as_n().ok()).and_then(|v| v.parse::<u32>().ok());
    if shape.is_none_or(|shape| shape > kind.shape()) {
        return Err(StoreError::corrupt(kind.as_str(), "it has a newer shape"));
    }
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(|error| StoreError::corrupt(kind.as_str(), error))
}

/// The primary key of an item.
pub(crate) fn key_of(item: &Item) -> Option<(&str, &str)> {
    let part = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str);
    Some((part(PK)?, part(SK)?))
}

impl Store {
    /// One item, strongly consistent.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key_item(key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::of("GetItem", &error))?;
        Ok(answer.item)
    }

    /// One record, strongly consistent, with its revision.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn get_record<T: DeserializeOwned>(&self, kind: Kind, key: &Key) -> Result<Option<super::Versioned<T>>, StoreError> {
        let Some(item) = self.get(key).await? else {
            return Ok(None);
        };
        let rev = rev_of(&item);
        Ok(Some(super::Versioned::new(from_item(kind, item)?, rev)))
    }

    /// Items by their keys, in the order of the keys, strongly consistent. What DynamoDB leaves unprocessed is asked for again until
    /// nothing is left: an item is missing only when the table said so.
    ///
    /// # Errors
    /// When the table does not answer, or keeps leaving keys unprocessed.
    pub async fn batch_get(&self, ctx: &Ctx, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        let mut seen = HashSet::new();
        let distinct: Vec<&Key> = keys.iter().filter(|key| seen.insert(*key)).collect();
        let mut found: HashMap<Key, Item> = HashMap::new();
        for chunk in distinct.chunks(BATCH) {
            self.batch_get_chunk(ctx, chunk, &mut found).await?;
        }
        // A key may be asked for twice: the items are copied, not moved.
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    async fn batch_get_chunk(&self, ctx: &Ctx, keys: &[&Key], found: &mut HashMap<Key, Item>) -> Result<(), StoreError> {
        let mut left: Vec<Item> = keys.iter().map(|key| key_item(key)).collect();
        for round in 0..MAX_ROUNDS {
            if round > 0 {
                self.back_off(ctx, round).await;
            }
            let wanted = KeysAndAttributes::builder()
                .set_keys(Some(left))
                .consistent_read(true)
                .build()
                .map_err(|_| StoreError::Defect { operation: "BatchGetItem", cause: "no keys".to_owned() })?;
            let answer = self
                .client
                .batch_get_item()
                .request_items(&self.table, wanted)
                .send()
                .await
                .map_err(|error| StoreError::of("BatchGetItem", &error))?;
            for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                if let Some((pk, sk)) = key_of(&item) {
                    found.insert(Key { pk: pk.to_owned(), sk: sk.to_owned() }, item);
                }
            }
            left = answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, keys)| keys.keys).collect();
            if left.is_empty() {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable { operation: "BatchGetItem", cause: "UnprocessedKeys".to_owned() })
    }

    /// A page of a partition by sort key, strongly consistent. `prefix` narrows the sort keys; `after` is a cursor of an earlier page.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn query(&self, partition: &str, range: &Range<'_>) -> Result<Page<Item>, StoreError> {
        self.query_on(None, partition, range).await
    }

    /// A page of an index, which lags the table: for lists, never for decisions.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn query_index(&self, index: Index, partition: &str, range: &Range<'_>) -> Result<Page<Item>, StoreError> {
        self.query_on(Some(index), partition, range).await
    }

    /// All items of a partition whose sort keys have a prefix, strongly consistent.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn query_all(&self, partition: &str, prefix: &str) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let range = Range { prefix, after: after.as_deref(), ..Range::default() };
            let page = self.query(partition, &range).await?;
            items.extend(page.items);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(items),
            }
        }
    }

    async fn query_on(&self, index: Option<Index>, partition: &str, range: &Range<'_>) -> Result<Page<Item>, StoreError> {
        if range.after.is_some_and(|after| !after.starts_with(range.prefix)) {
            // No cursor of ours: the list it belongs to is another one.
            return Ok(Page { items: Vec::new(), next: None });
        }
        let (pk, sk) = match index {
            None => (PK, SK),
            Some(index) => (index.pk(), index.sk()),
        };
        let mut values = HashMap::from([(":pk".to_owned(), string(partition))]);
        let mut names = HashMap::from([("#p".to_owned(), pk.to_owned())]);
        let mut condition = "#p = :pk".to_owned();
        if let Some((text, bounds)) = range.sort_condition(index.is_some()) {
            condition.push_str(text);
            names.insert("#s".to_owned(), sk.to_owned());
            values.extend([":bound", ":other"].into_iter().zip(bounds).map(|(name, bound)| (name.to_owned(), string(bound))));
        }
        // On the table a cursor is a start key. On an index, a start key would need the table's key too; there it is a bound.
        let start = range.after.filter(|_| index.is_none());
        let start = start.map(|after| key_item(&Key { pk: partition.to_owned(), sk: after.to_owned() }));
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .set_index_name(index.map(|index| index.name().to_owned()))
            .key_condition_expression(condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values))
            .scan_index_forward(!range.newest_first)
            .set_limit(range.limit)
            .set_exclusive_start_key(start)
            .consistent_read(index.is_none())
            .send()
            .await
            .map_err(|error| StoreError::of("Query", &error))?;
        let next = answer.last_evaluated_key.as_ref().and_then(|key| key.get(sk)).and_then(|value| value.as_s().ok()).cloned();
        Ok(Page { items: answer.items.unwrap_or_default(), next })
    }
}

/// Which part of a partition a query reads, and how.
#[derive(Debug, Clone, Copy, Default)]
pub struct Range<'a> {
    /// Sort keys begin so.
    pub prefix: &'a str,
    /// Sort keys beyond this one, in reading order: the cursor of an earlier page.
    pub after: Option<&'a str>,
    /// Sort keys up to this one; not together with a prefix, and with a cursor on an index only, in ascending order.
    pub up_to: Option<&'a str>,
    /// Descending.
    pub newest_first: bool,
    /// Most items of the page; the table's own page of 1 MB where absent.
    pub limit: Option<i32>,
}

impl Range<'_> {
    /// The condition on the sort key; DynamoDB takes one.
    fn sort_condition(&self, cursor_as_bound: bool) -> Option<(&'static str, Vec<String>)> {
        match (self.after.filter(|_| cursor_as_bound), self.up_to) {
            (Some(after), _) if self.newest_first => Some((" AND #s < :bound", vec![after.to_owned()])),
            // "Between" includes both ends. No sort key of ours goes on with a `!` where another one ends.
            (Some(after), Some(up_to)) => Some((" AND #s BETWEEN :bound AND :other", vec![format!("{after}!"), up_to.to_owned()])),
            (Some(after), None) => Some((" AND #s > :bound", vec![after.to_owned()])),
            (None, Some(up_to)) => Some((" AND #s <= :bound", vec![up_to.to_owned()])),
            (None, None) if self.prefix.is_empty() => None,
            (None, None) => Some((" AND begins_with(#s, :bound)", vec![self.prefix.to_owned()])),
        }
    }
}
