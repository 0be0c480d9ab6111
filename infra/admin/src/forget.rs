//! A workspace asks to be forgotten: every item that is its own, and the people who are in no other one. Tokens first, the workspace itself
//! last.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use coportal_aws::keys::{PK, SK};
use coportal_core::id::WorkspaceId;

use crate::access::Access;
use crate::report::{Progress, Report};
use crate::rows::{Row, class, key, scan, text};

/// Its id stands in a key, or in an attribute of what is keyed by a secret's hash or by an organisation.
const OWN: &str = "contains(pk, :ws) OR contains(sk, :ws) OR ws = :ws OR workspace = :ws OR workspace_id = :ws";

/// What is of a person and not of a workspace: themselves, their addresses, identities and sessions.
const PEOPLE: &str = "begins_with(pk, :user) OR begins_with(pk, :address) OR begins_with(pk, :identity) OR begins_with(pk, :session)";

/// Deletes it, or lists what would be deleted.
///
/// # Errors
/// When the table does not answer; what was deleted stays deleted, and the next run goes on.
pub async fn forget(access: &Access, table: &str, workspace: WorkspaceId, confirmed: Option<WorkspaceId>, dry_run: bool) -> Result<Report> {
    ensure!(dry_run || confirmed == Some(workspace), "to delete {workspace}, say --confirm {workspace}; --dry-run lists what would go");
    let client = access.dynamodb();
    let reading = Progress::of("items read");
    let id = workspace.to_string();
    let values = [(":ws", id.as_str()), (":user", "USER#"), (":address", "ADDR#"), (":identity", "IDENT#"), (":session", "SESSION#")];
    let mut rows = scan(&client, table, &format!("{OWN} OR {PEOPLE}"), &values, &mut |read| reading.at(read, None)).await?;
    drop(reading);
    let leaving = leaving(&rows, &id);
    rows.retain(|row| is_own(row, &id) || person(row).is_some_and(|person| leaving.contains(person)));
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

/// As [`OWN`] says it.
fn is_own(row: &Row, id: &str) -> bool {
    text(row, PK).contains(id) || text(row, SK).contains(id) || ["ws", "workspace", "workspace_id"].iter().any(|name| text(row, name) == id)
}

/// Whose an item is that is of a person.
fn person(row: &Row) -> Option<&str> {
    match class(row).as_str() {
        "USER" => text(row, PK).strip_prefix("USER#"),
        "ADDR" | "IDENT" | "SESSION" => Some(text(row, "user")),
        _ => None,
    }
}

/// Members of this workspace who are in no other. The members' list is deleted last, so that a run that was stopped knows them again.
fn leaving(rows: &[Row], id: &str) -> BTreeSet<String> {
    let mut leaving = BTreeSet::new();
    let mut staying = BTreeSet::new();
    for row in rows {
        let (pk, sk) = (text(row, PK), text(row, SK));
        if let Some(user) = sk.strip_prefix("MEMBER#").filter(|_| pk.strip_prefix("WS#") == Some(id)) {
            leaving.insert(user.to_owned());
        }
        if let (Some(user), Some(workspace)) = (pk.strip_prefix("USER#"), sk.strip_prefix("WS#"))
            && workspace != id
        {
            staying.insert(user.to_owned());
        }
    }
    &leaving - &staying
}

/// Without tokens nothing can be called any more; while the workspace stands, an unfinished run is seen.
fn turn(row: &Row) -> u8 {
    match class(row).as_str() {
        "TOK" => 0,
        "WS" => 2,
        _ => 1,
    }
}
