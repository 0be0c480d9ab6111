//! What DynamoDB charges for a sync: the request units that `docs/cost.md` reckons with.

use std::collections::BTreeMap;
use std::time::Duration;

use coportal_core::ledger::Ledger;
use coportal_local::run::LocalRun;
use coportal_local::studio::Studio;
use coportal_local::table::Units;
use http::Method;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::support::{connected, lines};

const PATIENCE: Duration = Duration::from_secs(60);

/// The units since the log was begun anew, and how often each operation was called.
fn units(local: &LocalRun) -> (Units, BTreeMap<String, u64>) {
    let mut sum = Units::default();
    for call in local.cloud.cloud.call_log() {
        let units = call.units.unwrap_or_default();
        sum = Units { read: sum.read + units.read, write: sum.write + units.write };
    }
    (sum, local.cloud.cloud.calls())
}

async fn rest(local: &LocalRun) {
    assert!(local.idle(PATIENCE).await, "stream and queues are drained");
    local.cloud.cloud.forget_calls();
}

async fn clicked(local: &LocalRun, studio: &Studio, invoice: &Value, changed: &str) -> (Units, BTreeMap<String, u64>) {
    rest(local).await;
    let answer = studio.at(Ledger::Xero).synced(invoice).await.unwrap();
    assert_eq!(answer["changed"], changed);
    units(local)
}

/// Measured as the embedded table charges: by item sizes, indexes and transactions as DynamoDB documents them. A unit or two more or less is
/// the length of an id or a line of the sweep, which has its minute.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_sync_costs_in_request_units_is_what_the_cost_page_says() {
    let (local, studio) = connected().await;
    local.cloud.cloud.table().weigh();
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    let first = studio.send_invoice(&client, &lines()).await.unwrap();
    let warm = studio.send_invoice(&client, &lines()).await.unwrap();
    let mut measured = vec![("a click, unknown client", clicked(&local, &studio, &first, "created").await)];
    measured.push(("a click, known client", clicked(&local, &studio, &warm, "created").await));
    measured.push(("a click, nothing changed", clicked(&local, &studio, &warm, "nothing").await));
    let edited = studio.edit_line(&warm, "/lines/0/unit_price", json!("150.00")).await.unwrap();
    measured.push(("a click, edited", clicked(&local, &studio, &edited, "updated").await));

    studio.at(Ledger::Xero).set_options(&json!({"auto_sync": true})).await.unwrap();
    let body = json!({"client_id": client, "issue_date": "2026-03-02", "due_date": "2026-03-16", "lines": lines()});
    let draft = studio.owner.post("/v1/invoices", &body).await.unwrap().json();
    rest(&local).await;
    let sent = studio.owner.send(Method::POST, &format!("/v1/invoices/{}/send", draft["id"].as_str().unwrap()), None, &[]).await.unwrap();
    assert!(sent.status.is_success(), "{}", sent.text());
    assert!(local.idle(PATIENCE).await);
    measured.push(("by itself, sent to the client", units(&local)));
    local.shutdown().await.unwrap();

    let stated: Vec<Value> = serde_json::from_str(include_str!("../../../fixtures/capacity.json")).unwrap();
    let names: Vec<&str> = stated.iter().map(|row| row["operation"].as_str().unwrap()).collect();
    assert_eq!(names, measured.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, (units, calls)) in &measured {
        println!("{name}: {} read, {} written; {calls:?}", units.read, units.write);
    }
    for (row, (name, (units, _))) in stated.iter().zip(&measured) {
        for (stated, units) in [(&row["read"], units.read), (&row["write"], units.write)] {
            let stated: Decimal = stated.to_string().parse().unwrap();
            assert!((stated - units).abs() <= Decimal::TWO, "{name}: {units} measured, {row} stated");
        }
    }
}
