//! Items of the table, read as only an operator may: by scan.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use coportal_aws::keys::{PK, SK};

/// An item as it is stored.
pub type Row = HashMap<String, AttributeValue>;

/// Every item for which the filter holds. The whole table is read, whatever the filter says.
///
/// # Errors
/// When the table does not answer.
pub async fn scan(client: &Client, table: &str, filter: &str, values: &[(&str, &str)], told: &mut dyn FnMut(usize)) -> Result<Vec<Row>> {
    let mut found = Vec::new();
    let mut from = None;
    let mut read = 0;
    loop {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), AttributeValue::S((*value).to_owned())));
        let page = client
            .scan()
            .table_name(table)
            .consistent_read(true)
            .filter_expression(filter)
            .set_expression_attribute_values(Some(values.collect()))
            .set_exclusive_start_key(from)
            .send()
            .await
            .with_context(|| format!("reading {table}"))?;
        read += usize::try_from(page.scanned_count).unwrap_or_default();
        told(read);
        found.extend(page.items.unwrap_or_default());
        from = page.last_evaluated_key;
        if from.is_none() {
            return Ok(found);
        }
    }
}

/// A text attribute; empty when it is not there.
#[must_use]
pub fn text<'r>(row: &'r Row, name: &str) -> &'r str {
    row.get(name).and_then(|value| value.as_s().ok()).map(String::as_str).unwrap_or_default()
}

/// The primary key of an item.
#[must_use]
pub fn key(row: &Row) -> Row {
    row.iter().filter(|(name, _)| [PK, SK].contains(&name.as_str())).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What an item is of: the class that its key begins with.
#[must_use]
pub fn class(row: &Row) -> String {
    text(row, PK).split('#').next().unwrap_or_default().to_owned()
}
