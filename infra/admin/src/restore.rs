//! After a restore: every create looks before it writes, and the tokens are those that count now.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use coportal_aws::keys::{PK, SK};

use crate::access::{Access, ctx};
use crate::report::{Progress, Report};
use crate::rows::{Row, key, scan, text};

/// Marks each generation and connection of `table`, and carries tokens over from `live`, the table before the restore; says which workspaces
/// were forgotten in between.
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
        carry_over(&client, (table, live), &mut report, &mut told, dry_run).await?;
        forgotten_since(&client, (table, live), &mut report, &mut told).await?;
    }
    Ok(report)
}

/// The tokens of the live table are those that count: what was refreshed since replaces what was restored, and what was given back since is
/// taken out, because it would only be refused.
async fn carry_over(
    client: &Client,
    (table, live): (&str, &str),
    report: &mut Report,
    told: &mut dyn FnMut(usize),
    dry_run: bool,
) -> Result<()> {
    let tokens = (":class", "TOK#");
    let mut restored: BTreeMap<_, _> =
        scan(client, table, "begins_with(pk, :class)", &[tokens], told).await?.into_iter().map(|row| (name(&row), row)).collect();
    for row in scan(client, live, "begins_with(pk, :class)", &[tokens], told).await? {
        restored.remove(&name(&row));
        report.count("tokens carried over");
        if !dry_run {
            client.put_item().table_name(table).set_item(Some(row)).send().await.context("carrying tokens over")?;
        }
    }
    for row in restored.values() {
        report.count("tokens given back since");
        if !dry_run {
            client.delete_item().table_name(table).set_key(Some(key(row))).send().await.context("taking out old tokens")?;
        }
    }
    Ok(())
}

/// Workspaces that were forgotten after the moment that the table was restored to are in it again.
async fn forgotten_since(client: &Client, (table, live): (&str, &str), report: &mut Report, told: &mut dyn FnMut(usize)) -> Result<()> {
    let workspaces = "begins_with(pk, :class) AND sk = :meta";
    let values = [(":class", "WS#"), (":meta", "META")];
    let there: BTreeSet<_> = scan(client, live, workspaces, &values, told).await?.iter().map(name).collect();
    for row in scan(client, table, workspaces, &values, told).await?.iter().filter(|row| !there.contains(&name(row))) {
        report.count("workspaces forgotten since");
        let workspace = text(row, PK).trim_start_matches("WS#");
        report.notes.push(format!("forgotten since: coportal-admin forget-workspace --table {table} --workspace {workspace}"));
    }
    Ok(())
}

fn name(row: &Row) -> (String, String) {
    (text(row, PK).to_owned(), text(row, SK).to_owned())
}
