//! A token that has run out while many want it.

use coportal_core::ledger::Ledger;
use coportal_local::studio::text;
use futures_util::future::join_all;
use http::Method;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{connected, count, lines, settled};

/// Design decision 10: a hundred invoices find the access token run out; one of them refreshes it, and Xero sees one refresh.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_invoices_on_an_expired_token_refresh_it_once() {
    let (local, studio) = connected().await;
    // This is about the token; Xero's limits have journeys of their own.
    let limits = json!({"minute": 10_000, "day": 100_000, "concurrent": 1_000, "app_minute": 100_000});
    studio.at(Ledger::Xero).control(Method::POST, "limits", Some(&limits)).await.unwrap();
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    let mut invoices = Vec::new();
    for _ in 0..100 {
        invoices.push(studio.send_invoice(&client, &lines()).await.unwrap());
    }
    settled(&local, &studio, &invoices[0]).await;

    // Xero's access tokens live for 30 minutes.
    local.advance(SignedDuration::from_mins(31));
    let before = studio.at(Ledger::Xero).calls("oauth").await.unwrap().len();
    let mut done = 0;
    for reply in join_all(invoices.iter().map(|invoice| studio.at(Ledger::Xero).sync(invoice))).await {
        let reply = reply.unwrap();
        assert!(matches!(reply.status.as_u16(), 200 | 202 | 409), "{}", reply.text());
        done += u32::from(reply.status.as_u16() == 200);
    }
    println!("{done} of 100 were synced at once");
    for invoice in &invoices {
        settled_within_the_token(&studio, invoice).await;
    }
    let refreshes = studio.at(Ledger::Xero).calls("oauth").await.unwrap().split_off(before);
    let refreshes: Vec<&str> = refreshes.iter().map(|call| text(call, "/path")).collect();
    assert_eq!(refreshes, ["/connect/token"]);
    assert_eq!(count(&studio.at(Ledger::Xero).state().await.unwrap(), "documents"), 100);
    assert_eq!(studio.at(Ledger::Xero).connection().await.unwrap()["status"], "connected");
    local.shutdown().await.unwrap();
}

/// Syncs until it is done, without moving the clock: a second refresh would hide the first.
async fn settled_within_the_token(studio: &coportal_local::studio::Studio, invoice: &serde_json::Value) {
    for _ in 0..40 {
        let reply = studio.at(Ledger::Xero).sync(invoice).await.unwrap();
        match reply.status.as_u16() {
            200 => return,
            202 | 409 => tokio::time::sleep(std::time::Duration::from_millis(250)).await,
            status => panic!("{status}: {}", reply.text()),
        }
    }
    panic!("{} is still not synced after ten seconds", text(invoice, "/number"));
}
