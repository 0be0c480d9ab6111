//! The import, told: a preview with the three statuses, and a commit of what was ticked.

use std::time::Duration;

use anyhow::{Context as _, bail};
use http::Method;
use serde_json::{Value, json};

use super::report::ImportReport;
use super::story::Story;
use crate::studio::{Desk, text};

/// How often a preview is asked for until its list is read, and the pause between.
const ASKED: u32 = 150;
const PAUSE: Duration = Duration::from_millis(200);

/// Puts two contacts beside the one that is linked, previews the list, and imports what is ticked before anybody touches it; then again.
pub(super) async fn import(desk: Desk<'_>, story: &mut Story) -> anyhow::Result<ImportReport> {
    let label = desk.ledger.label();
    desk.studio.add_client("Quill Press", "hello@quillpress.example").await?;
    let contacts = json!({"contacts": [
        {"name": "Quill Press Ltd", "email": "HELLO@quillpress.example"},
        {"name": "Marlow Ceramics", "email": "studio@marlow.example"},
    ]});
    desk.control(Method::POST, "seed", Some(&contacts)).await?;
    let path = format!("/v1/integrations/{}/import", desk.ledger);
    let begun = desk.studio.owner.post(&format!("{path}/preview"), &json!({})).await?;
    if begun.status.as_u16() != 202 {
        bail!("the preview did not begin: {}", begun.text());
    }
    let preview = ready(desk, &format!("{path}/previews/{}", text(&begun.json(), "/id"))).await?;
    let mut report = ImportReport {
        new: count(&preview, "new"),
        duplicate_email: count(&preview, "duplicate_email"),
        linked: count(&preview, "linked"),
        vendor_calls: preview.pointer("/vendor_calls").and_then(Value::as_u64).unwrap_or_default(),
        ..ImportReport::default()
    };
    story.say(&format!("{label}'s list was read in {} call. Nothing is imported yet:", report.vendor_calls));
    for row in preview.pointer("/rows").and_then(Value::as_array).into_iter().flatten() {
        let ticked = if row["ticked"] == true { "x" } else { " " };
        story.detail(&format!("[{ticked}] {:<16} {:<22} {}", text(row, "/status"), text(row, "/name"), text(row, "/email")));
    }
    for row in preview.pointer("/field_mapping").and_then(Value::as_array).into_iter().flatten() {
        story.detail(&format!("    {} <- {}", text(row, "/coportal_field"), text(row, "/ledger_field")));
    }
    let everything = json!({"preview_id": text(&preview, "/id"), "all_new": true});
    for (again, created) in [(false, &mut report.created), (true, &mut report.created_again)] {
        let done = desk.studio.owner.post(&path, &everything).await?;
        if done.status.as_u16() != 200 {
            bail!("the import was not done at once: {}", done.text());
        }
        *created = done.json().pointer("/created").and_then(Value::as_u64).context("the result counts no clients")?;
        let clients = desk.studio.owner.get("/v1/clients").await?.json();
        let clients = clients.pointer("/items").and_then(Value::as_array).map_or(0, Vec::len);
        if again { report.clients_again = clients } else { report.clients = clients }
    }
    story.say(&format!("Imported what was ticked: {} client made. The same again makes none.", report.created));
    Ok(report)
}

fn count(preview: &Value, status: &str) -> u64 {
    preview.pointer(&format!("/counts/{status}")).and_then(Value::as_u64).unwrap_or_default()
}

async fn ready(desk: Desk<'_>, path: &str) -> anyhow::Result<Value> {
    for _ in 0..ASKED {
        let preview = desk.studio.owner.get(path).await?.json();
        match text(&preview, "/state") {
            "ready" => return Ok(preview),
            "reading" => tokio::time::sleep(PAUSE).await,
            other => bail!("the preview is {other}: {preview}"),
        }
    }
    bail!("the preview is still being read")
}
