//! After a restore: every create looks before it writes, and the tokens are those that count now.

use anyhow::{Context as _, Result};
use aws_sdk_dynamodb::types::AttributeValue;

use crate::access::{Access, ctx};
use crate::report::{Progress, Report};
use crate::rows::{key, scan, text};

/// Marks each generation and connection of `table`, and carries tokens over from `live`, the table before the restore.
///
/// # Errors
/// When a table does not answer; another run does the rest.
pub async fn look_first(access: &Access, table: &str, live: Option<&str>, dry_run: bool) -> Result<Report> {
    let client = access.dynamodb();
    let mut report = Report::of(&format!("{table} after a restore"), dry_run);
    let reading = Progress::of("items read");
    let mut told = |read| reading.at(read, None);
    let marked = "begins_with(pk, :gen) AND begins_with(sk, :org) OR begins_with(pk, :conn)";
    let rows = scan(&client, table, marked, &[(":gen", "GEN#"), (":org", "ORG#"), (":conn", "CONN#")], &mut told).await?;
    for row in &rows {
        if row.get("look_first").and_then(|mark| mark.as_bool().ok()).copied().unwrap_or_default() {
            report.count("marked already");
            continue;
        }
        report.count("marked to look first");
        if dry_run {
            continue;
        }
        // The doors are closed, but a read that a function made before must not be written over this.
        client
            .update_item()
            .table_name(table)
            .set_key(Some(key(row)))
            .update_expression("SET look_first = :true, wid = :wid ADD rev :one")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":wid", AttributeValue::S(ctx().uuid().to_string()))
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .send()
            .await
            .with_context(|| format!("marking {}", text(row, "pk")))?;
    }
    if let Some(live) = live {
        for row in scan(&client, live, "begins_with(pk, :class)", &[(":class", "TOK#")], &mut told).await? {
            report.count("tokens carried over");
            if !dry_run {
                client.put_item().table_name(table).set_item(Some(row)).send().await.context("carrying tokens over")?;
            }
        }
    }
    Ok(report)
}
