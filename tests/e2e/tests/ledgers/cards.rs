//! Settings, Integrations with all four ledgers connected: what it costs, and how it says that a ledger waits or is gone.

use std::time::Duration;

use coportal_core::ledger::Ledger;
use coportal_local::studio::text;
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::support::{Pages, connect, connected, invoice, opened, settled, vendor_calls};

const PAGE: &str = "/settings/integrations";

/// Three calls of DynamoDB in all, the two of the authentication among them: the session; in one batch who asks, the workspace, the
/// connections and their notes; and one query of the index. (Once in five minutes of use the session's end is moved on besides; this one
/// is fresh.) No vendor is asked, and the page is small.
#[tokio::test]
async fn the_page_of_four_connections_makes_three_calls_and_asks_no_vendor() {
    let (local, studio) = opened().await;
    for ledger in Ledger::ALL {
        connect(&studio, ledger).await;
    }
    let sent = invoice(&studio).await;
    settled(&local, &studio, Ledger::Xero, &sent).await;
    let pages = Pages::of(&local, &[]);
    let session = pages.session(&studio.workspace_id, "owner").await;
    assert!(local.idle(Duration::from_secs(20)).await, "the stream is drained");
    let mut before = Vec::new();
    for ledger in Ledger::ALL {
        before.push(vendor_calls(&studio, ledger).await.len());
    }

    local.cloud.cloud.forget_calls();
    let page = pages.get(PAGE, &session).await;
    let calls = local.cloud.cloud.call_log();
    let operations: Vec<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
    assert_eq!(operations, ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"]);
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.len() < 60_000, "{} bytes", page.text.len());
    for (ledger, before) in Ledger::ALL.into_iter().zip(before) {
        assert_eq!(vendor_calls(&studio, ledger).await.len(), before, "{ledger} was asked");
        let synced = ledger == Ledger::Xero;
        assert_eq!(page.card(ledger).contains("Nothing was synced yet"), !synced, "R63: {ledger} {}", page.card(ledger));
        assert!(page.card(ledger).contains("Connected to "), "{ledger}");
    }
    local.shutdown().await.unwrap();
}

/// Health in words: the vendor says that today's calls are used up; the card says until when, and that there is nothing to do. Once that
/// time is over, the next wait is told.
#[tokio::test]
async fn a_limit_that_is_met_stands_on_the_card_until_it_is_free() {
    let (local, studio) = connected(Ledger::Xero).await;
    let sent = invoice(&studio).await;
    let headers = json!({"x-rate-limit-problem": "day", "retry-after": "7200"});
    let fault = json!([{"match": "/api.xro/2.0", "kind": "status", "status": 429, "headers": headers, "body": "", "times": 99}]);
    studio.at(Ledger::Xero).control(Method::POST, "faults", Some(&fault)).await.unwrap();
    let pages = Pages::of(&local, &[]);
    let mut told = Vec::new();
    for _ in 0..2 {
        let waiting = studio.at(Ledger::Xero).sync(&sent).await.unwrap().json();
        assert_eq!(text(&waiting, "/waiting_for"), "day_budget", "{waiting}");
        let until: Timestamp = text(&waiting, "/due_at").parse().unwrap();
        let session = pages.session(&studio.workspace_id, "owner").await;
        let page = pages.get(PAGE, &session).await;
        let card = page.card(Ledger::Xero);
        let words = format!("Waiting: today's Xero limit is reached, resumes at {}.", until.strftime("%-d %b %Y, %H:%M UTC"));
        assert!(card.contains(&words), "{words} {card}");
        assert!(card.contains(">Waiting<") && card.contains("Nothing to do"), "{card}");
        told.push(words);
        local.advance(SignedDuration::from_hours(3));
    }
    assert_ne!(told[0], told[1]);
    local.shutdown().await.unwrap();
}

/// R21: tokens can end. The card says since when and what to do.
#[tokio::test]
async fn r21_a_grant_that_is_dead_says_when_it_died() {
    let (local, studio) = connected(Ledger::Xero).await;
    let sent = invoice(&studio).await;
    let fault = json!([{"match": "/connect/token", "kind": "status", "status": 400, "headers": {"content-type": "application/json"},
        "body": "{\"error\":\"invalid_grant\"}", "times": 99}]);
    studio.at(Ledger::Xero).control(Method::POST, "faults", Some(&fault)).await.unwrap();
    local.advance(SignedDuration::from_hours(1));
    let refused = studio.at(Ledger::Xero).sync(&sent).await.unwrap();
    assert!(!refused.status.is_success() || refused.status == StatusCode::ACCEPTED, "{}", refused.text());
    let pages = Pages::of(&local, &[]);
    let session = pages.session(&studio.workspace_id, "owner").await;
    let page = pages.get(PAGE, &session).await;
    let day = local.cloud.clock.now().strftime("%-d %b %Y").to_string();
    let card = page.card(Ledger::Xero);
    assert!(card.contains(&format!("Reconnect: Xero signed us out on {day}.")), "{card}");
    assert!(card.contains("nothing of it is lost"), "{card}");
    local.shutdown().await.unwrap();
}
