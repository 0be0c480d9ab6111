//! The main journey, over the deployed API.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use coportal_core::ledger::Ledger;
use coportal_lambda::authn::token::{MEMBER_TYP, SERVICE_TYP, WORKSPACES_SCOPE, service_audience};
use coportal_local::caller::Caller;
use coportal_local::clock::Clock;
use coportal_local::issuer::Grant;
use coportal_local::studio::{Studio, text};
use http::Method;
use jiff::{SignedDuration, tz::TimeZone};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::outside::Surroundings;

/// The audience of `infra/template.yaml`.
const AUDIENCE: &str = "coportal";
const WORKSPACE: &str = "ws_0197d1b0000070008000000000000008";
/// How long stream, fan-out, queue and worker may take together: each is a cold start, of unoptimised binaries.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the functions say of a ledger's app, as a parameter of the stack has it.
pub(crate) async fn availability(studio: &Studio, ledger: Ledger) -> Result<String> {
    let reply = studio.owner.get("/v1/integrations").await?;
    ensure!(reply.status.is_success(), "/v1/integrations: {} {}", reply.status, reply.text());
    let cards = reply.json();
    let cards = cards.get("items").and_then(Value::as_array).context("there are cards")?;
    let card = cards.iter().find(|card| text(card, "/ledger") == ledger.slug()).context("each ledger has a card")?;
    Ok(text(card, "/availability").to_owned())
}

/// Opens a workspace with an owner and a member, as CoPortal's own backend does.
pub(crate) async fn open(api: Caller, outside: &Surroundings) -> Result<Studio> {
    let grant = |sub: &str, ws: Option<&str>| -> Result<String> {
        let service = ws.is_none();
        let service_audience = service_audience(AUDIENCE);
        Ok(outside.issuer.mint(&Grant {
            sub,
            ws,
            sid: None,
            aud: if service { &service_audience } else { AUDIENCE },
            typ: if service { SERVICE_TYP } else { MEMBER_TYP },
            scope: service.then_some(WORKSPACES_SCOPE),
            amr: &[],
            // A token of a service lives 15 minutes at most.
            ttl: SignedDuration::from_mins(15),
        })?)
    };
    let backend = api.with_token(&grant("backend", None)?);
    let put = async |path: &str, body: Value| {
        let reply = backend.send(Method::PUT, path, Some(&body), &[]).await?;
        ensure!(reply.status.is_success(), "PUT {path}: {} {}", reply.status, reply.text());
        Ok(())
    };
    let path = format!("/v1/workspaces/{WORKSPACE}");
    let workspace = json!({
        "name": "Harbour Lane Studio", "plan": "enterprise", "currency": "GBP", "country": "GB", "tax_rounding": "line", "default_tax_rate": null,
    });
    put(&path, workspace).await?;
    for role in ["owner", "member"] {
        put(&format!("{path}/members/{role}"), json!({"role": role})).await?;
    }
    let [owner, member] = [grant("owner", Some(WORKSPACE))?, grant("member", Some(WORKSPACE))?];
    let today = Clock::system().now().to_zoned(TimeZone::UTC).date();
    Ok(Studio::of(WORKSPACE, api.with_token(&owner), api.with_token(&member), outside.ledgers.clone(), today))
}

/// Connects Xero, switches auto-sync on, and sends an invoice; answers it once it has reached the ledger by itself.
pub(crate) async fn send(studio: &Studio) -> Result<Value> {
    let desk = studio.at(Ledger::Xero);
    let hops = desk.connect().await?;
    let connection = desk.connection().await?;
    ensure!(text(&connection, "/status") == "connected", "{connection}: {:?}", hops.iter().map(|hop| hop.url.path()).collect::<Vec<_>>());
    desk.set_options(&json!({"auto_sync": true})).await?;
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await?;
    let lines = json!([{"description": "Work", "quantity": "1", "unit_price": "100.00", "tax_rate": "20"}]);
    let invoice = studio.send_invoice(&client, &lines).await?;
    arrived(studio, &invoice).await?;
    Ok(invoice)
}

/// Waits until the ledger has the invoice; nobody clicks.
async fn arrived(studio: &Studio, invoice: &Value) -> Result<()> {
    let path = format!("/v1/invoices/{}", text(invoice, "/id"));
    let began = Instant::now();
    loop {
        let shown = studio.owner.get(&path).await?.json();
        let ledgers = shown.pointer("/ledgers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if ledgers.iter().any(|ledger| text(ledger, "/ledger") == "xero" && text(ledger, "/state") == "synced") {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            bail!("not in the ledger after {} s: {shown}", PATIENCE.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// What the ledger holds: one document, with this invoice's number and total, and one contact.
pub(crate) async fn once(studio: &Studio, invoice: &Value, total: &str) -> Result<()> {
    let state = studio.at(Ledger::Xero).state().await?;
    let count = |of: &str| state.get(of).and_then(Value::as_array).map_or(0, Vec::len);
    ensure!((count("documents"), count("contacts")) == (1, 1), "{} documents, {} contacts", count("documents"), count("contacts"));
    let document = state.pointer("/documents/0").context("no document")?;
    ensure!(text(document, "/number") == text(invoice, "/number"), "{document}");
    ensure!(text(document, "/total") == total, "{document}");
    Ok(())
}

/// After an update of the stack: a click finds nothing to do, and calls nobody.
pub(crate) async fn unchanged(studio: &Studio, invoice: &Value) -> Result<()> {
    let answer = studio.at(Ledger::Xero).synced(invoice).await?;
    ensure!(text(&answer, "/changed") == "nothing" && answer.get("vendor_calls") == Some(&json!(0)), "{answer}");
    Ok(())
}
