//! Connect, sync, sync again, edit, sync: what the demo tells, looked at from every side.

use coportal_core::ledger::Ledger;
use coportal_local::run::{LocalRun, RunOptions};
use coportal_local::studio::{Studio, text};
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{connect, count, lines};

/// R10, R38, R39, R64: nothing without a connection; created once, untouched while nothing changes, updated in place.
#[tokio::test]
async fn r10_r38_r39_r64_an_invoice_is_created_once_and_updated_in_place() {
    let local = LocalRun::start(RunOptions::default()).await.unwrap();
    let studio = Studio::open(&local, "Harbour Lane Studio").await.unwrap();
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    let invoice = studio.send_invoice(&client, &lines()).await.unwrap();

    let before = studio.at(Ledger::Xero).sync(&invoice).await.unwrap();
    assert_eq!((before.status.as_u16(), text(&before.json(), "/code")), (409, "not_connected"), "{}", before.text());
    assert_eq!(count(&studio.at(Ledger::Xero).state().await.unwrap(), "documents"), 0);

    connect(&studio).await;
    let first = studio.at(Ledger::Xero).synced(&invoice).await.unwrap();
    assert_eq!((text(&first, "/state"), text(&first, "/changed")), ("synced", "created"));
    let document = studio.at(Ledger::Xero).state().await.unwrap()["documents"][0].clone();
    assert_eq!(document["id"], first["external_id"]);
    assert_eq!(document["number"], first["external_number"]);
    let page = text(&document, "/url");
    assert_eq!(page, format!("{}/invoices/{}", local.origin, text(&invoice, "/id")), "the mark that says whose it is");
    assert_eq!((text(&document, "/status"), text(&document, "/currency")), ("draft", "GBP"));

    let second = studio.at(Ledger::Xero).synced(&invoice).await.unwrap();
    assert_eq!((text(&second, "/changed"), &second["vendor_calls"]), ("nothing", &json!(0)));

    let edited = studio.edit_line(&invoice, "/lines/0/unit_price", json!("150.00")).await.unwrap();
    let third = studio.at(Ledger::Xero).synced(&edited).await.unwrap();
    assert_eq!((text(&third, "/changed"), &third["external_id"]), ("updated", &first["external_id"]));
    let state = studio.at(Ledger::Xero).state().await.unwrap();
    assert_eq!((count(&state, "documents"), count(&state, "contacts")), (1, 1));
    assert_eq!(text(&state, "/documents/0/total"), "180.00");

    let seen = studio.owner.get(&format!("/v1/invoices/{}", text(&invoice, "/id"))).await.unwrap().json();
    let ledger = &seen["ledgers"][0];
    assert_eq!((text(ledger, "/ledger"), text(ledger, "/state"), text(ledger, "/document")), ("xero", "synced", "draft"));
    assert_eq!(ledger["external_id"], first["external_id"]);
    let timeline = studio.owner.get(&format!("/v1/invoices/{}/timeline", text(&invoice, "/id"))).await.unwrap();
    assert_eq!(timeline.status.as_u16(), 200);
    assert!(timeline.json()["items"].as_array().unwrap().len() >= 3, "{}", timeline.text());
    local.shutdown().await.unwrap();
}

/// Whoever only looks takes part in the ledger's limits, and leaves no room taken: Xero allows five calls at once, and a look that kept its
/// place until its lease ends would shut the sixth out.
#[tokio::test]
async fn looks_in_a_row_leave_room_for_the_sync() {
    let local = LocalRun::start(RunOptions::default()).await.unwrap();
    let studio = Studio::open(&local, "Harbour Lane Studio").await.unwrap();
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    let invoice = studio.send_invoice(&client, &lines()).await.unwrap();
    connect(&studio).await;
    let route = format!("/v1/invoices/{}/sync/xero", text(&invoice, "/id"));
    for _ in 0..3 {
        // Within the leases of those before, and within what Xero takes in a minute.
        local.advance(SignedDuration::from_secs(4));
        let look = studio.owner.post(&format!("{route}/dry-run"), &json!({})).await.unwrap();
        assert_eq!(look.status.as_u16(), 200, "{}", look.text());
        let unknown = studio.owner.post(&format!("{route}/link"), &json!({"external_id": "0"})).await.unwrap();
        assert_eq!(unknown.status.as_u16(), 422, "{}", unknown.text());
    }
    let synced = studio.at(Ledger::Xero).synced(&invoice).await.unwrap();
    assert_eq!(text(&synced, "/changed"), "created");
    local.shutdown().await.unwrap();
}
