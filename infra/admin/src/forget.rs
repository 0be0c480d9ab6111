//! A workspace asks to be forgotten: every item that is its own, tokens first, the workspace itself last.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use coportal_aws::keys::{PK, SK};
use coportal_core::id::WorkspaceId;

use crate::access::Access;
use crate::report::{Progress, Report};
use crate::rows::{Row, class, key, scan, text};

/// Its id stands in a key, or in an attribute of what is keyed by a secret's hash or by an organisation.
const OWN: &str = "contains(pk, :ws) OR contains(sk, :ws) OR ws = :ws OR workspace = :ws OR workspace_id = :ws";

/// Deletes it, or lists what would be deleted.
///
/// # Errors
/// When the table does not answer; what was deleted stays deleted, and the next run goes on.
pub async fn forget(access: &Access, table: &str, workspace: WorkspaceId, confirmed: Option<WorkspaceId>, dry_run: bool) -> Result<Report> {
    ensure!(dry_run || confirmed == Some(workspace), "to delete {workspace}, say --confirm {workspace}; --dry-run lists what would go");
    let client = access.dynamodb();
    let reading = Progress::of("items read");
    let rows = scan(&client, table, OWN, &[(":ws", &workspace.to_string())], &mut |read| reading.at(read, None)).await?;
    drop(reading);
    let mut report = Report::of(&format!("Items of {workspace} in {table}"), dry_run);
    let mut ordered: BTreeMap<(u8, String, String), &Row> = BTreeMap::new();
    for row in &rows {
        report.count(&class(row));
        ordered.insert((turn(row), text(row, PK).to_owned(), text(row, SK).to_owned()), row);
    }
    if dry_run {
        return Ok(report);
    }
    let progress = Progress::of("items deleted");
    for (done, row) in ordered.values().enumerate() {
        progress.at(done, Some(rows.len()));
        client.delete_item().table_name(table).set_key(Some(key(row))).send().await.context("deleting")?;
    }
    progress.at(rows.len(), Some(rows.len()));
    Ok(report)
}

/// Without tokens nothing can be called any more; while the workspace stands, an unfinished run is seen.
fn turn(row: &Row) -> u8 {
    match class(row).as_str() {
        "TOK" => 0,
        "WS" => 2,
        _ => 1,
    }
}
