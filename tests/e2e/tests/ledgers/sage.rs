//! Sage: a person with several businesses, tokens that last five minutes, and whom its API does not serve.

use std::time::Duration;

use coportal_core::ledger::Ledger;
use coportal_local::caller::Caller;
use coportal_local::studio::{Studio, text};
use futures_util::future::join_all;
use http::{Method, StatusCode};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{
    Pages, access_tokens, ask, card, connect, connect_to, connected, documents, invoice, lines, opened, organisation, said, settled,
    vendor_calls, with_token,
};

const LEDGER: Ledger = Ledger::Sage;
const GB: &str = "Harbour & Lane Ltd";
const IE: &str = "Liffey Studio Ltd";

/// The id under which a business is offered.
async fn offered(studio: &Studio, name: &str) -> String {
    let list = ask(studio, LEDGER, "GET", "/organisations", None).await.json();
    text(list["items"].as_array().unwrap().iter().find(|item| item["name"] == name).unwrap(), "/id").to_owned()
}

async fn choose(studio: &Studio, id: &str) -> Value {
    let chosen = ask(studio, LEDGER, "PUT", "/organisation", Some(&json!({"organisation_id": id}))).await;
    assert_eq!(chosen.status, StatusCode::OK, "{}", chosen.text());
    chosen.json()["connection"].clone()
}

/// R14, R145: of several businesses one is chosen; another one later without a new consent, with links and options of its own.
#[tokio::test]
async fn r14_r145_of_several_businesses_one_is_chosen_and_another_later() {
    let (local, studio) = opened().await;
    assert_eq!(connect_to(&studio, LEDGER, &[GB, IE]).await, "/settings/integrations?connected=sage");
    let waiting = card(&studio, LEDGER).await["connection"].clone();
    assert_eq!((&waiting["status"], &waiting["organisation"]), (&json!("choose_organisation"), &Value::Null));
    let invoice = invoice(&studio).await;
    let early = studio.at(LEDGER).sync(&invoice).await.unwrap();
    assert_eq!(early.status.as_u16(), 409, "nothing goes anywhere before the choice: {}", early.text());
    assert!(documents(&studio, LEDGER, text(&organisation(&studio, LEDGER, GB).await, "/id")).await.is_empty());
    let refused = ask(&studio, LEDGER, "PUT", "/organisation", Some(&json!({"organisation_id": "forged"}))).await;
    assert_eq!((refused.status.as_u16(), text(&refused.json(), "/issues/0/code")), (422, "not_granted"));
    // The third business was not consented to.
    let third = text(&organisation(&studio, LEDGER, "Karoo Trading (Pty) Ltd").await, "/id").to_owned();
    let refused = ask(&studio, LEDGER, "PUT", "/organisation", Some(&json!({"organisation_id": third}))).await;
    assert_eq!(text(&refused.json(), "/issues/0/code"), "not_granted");

    let (gb, ie) = (offered(&studio, GB).await, offered(&studio, IE).await);
    let first = choose(&studio, &gb).await;
    assert_eq!((&first["status"], &first["organisation"]["name"]), (&json!("connected"), &json!(GB)));
    studio.at(LEDGER).set_options(&json!({"auto_sync": true, "sync_as_draft": false})).await.unwrap();
    let synced = studio.at(LEDGER).synced(&invoice).await.unwrap();

    let consents = vendor_calls(&studio, LEDGER).await.iter().filter(|call| text(call, "/path") == "/token").count();
    let second = choose(&studio, &ie).await;
    assert_eq!(second["organisation"]["name"], IE);
    assert_eq!((&second["options"]["auto_sync"], &second["options"]["sync_as_draft"]), (&json!(false), &json!(true)), "options begin anew");
    assert_eq!(vendor_calls(&studio, LEDGER).await.iter().filter(|call| text(call, "/path") == "/token").count(), consents);
    let test = ask(&studio, LEDGER, "POST", "/test", None).await.json();
    assert_eq!((&test["ok"], &test["organisation"]["name"]), (&json!(true), &json!(IE)), "{test}");
    let choices = ask(&studio, LEDGER, "GET", "/choices", None).await.json();
    assert_eq!((&choices["organisation"], &choices["chosen"]["tax_map"]), (&json!(IE), &json!({})));
    let seen = studio.owner.get(&format!("/v1/invoices/{}", text(&invoice, "/id"))).await.unwrap().json();
    let of_ledger = seen["ledgers"].as_array().unwrap().iter().find(|one| one["ledger"] == LEDGER.slug()).unwrap().clone();
    assert_eq!((&of_ledger["state"], &of_ledger["external_id"]), (&json!("never"), &Value::Null));

    choose(&studio, &gb).await;
    let again = studio.at(LEDGER).synced(&invoice).await.unwrap();
    assert_eq!((&again["changed"], &again["external_id"]), (&json!("nothing"), &synced["external_id"]));
    // The tokens moved along each time: they can still be refreshed.
    local.advance(SignedDuration::from_mins(6));
    let test = ask(&studio, LEDGER, "POST", "/test", None).await.json();
    assert_eq!((&test["ok"], &test["organisation"]["name"]), (&json!(true), &json!(GB)), "{test}");
    local.shutdown().await.unwrap();
}

/// A consent from which nothing was chosen is taken back at the vendor like any other, and the receipt says what is so.
#[tokio::test]
async fn a_consent_without_a_choice_is_taken_back_too() {
    for (case, pause) in [("at once", 0), ("after the access token has ended", 6)] {
        let (local, studio) = opened().await;
        connect_to(&studio, LEDGER, &[GB, IE]).await;
        assert_eq!(access_tokens(&local, LEDGER).len(), 1);
        local.advance(SignedDuration::from_mins(pause));
        let receipt = ask(&studio, LEDGER, "DELETE", "", Some(&json!({"links": "keep"}))).await.json();
        assert_eq!((&receipt["revoked"], &receipt["tokens_erased"]), (&json!(true), &json!(true)), "{case}: {receipt}");
        assert!(access_tokens(&local, LEDGER).is_empty(), "{case}: the receipt says revoked, and the vendor still knows the grant");
        local.shutdown().await.unwrap();
    }
}

/// A new consent for another business leaves nothing of the old one behind, and lives itself.
#[tokio::test]
async fn a_consent_that_is_left_for_another_is_taken_back() {
    let (local, studio) = connected(LEDGER).await;
    let old = access_tokens(&local, LEDGER);
    assert_eq!(connect_to(&studio, LEDGER, &[IE]).await, "/settings/integrations?connected=sage");
    let test = ask(&studio, LEDGER, "POST", "/test", None).await.json();
    assert_eq!((&test["ok"], &test["organisation"]["name"]), (&json!(true), &json!(IE)), "{test}");
    assert_eq!((old.len(), with_token(&local, LEDGER, "/v3.1/businesses", &old[0]).await), (1, 401));
    local.advance(SignedDuration::from_mins(6));
    let test = ask(&studio, LEDGER, "POST", "/test", None).await.json();
    assert_eq!(test["ok"], true, "{test}");
    local.shutdown().await.unwrap();
}

/// A disconnect takes the grant back at the vendor.
#[tokio::test]
async fn a_disconnect_ends_the_tokens_at_the_vendor() {
    let (local, studio) = connected(LEDGER).await;
    let tokens = access_tokens(&local, LEDGER);
    assert_eq!(with_token(&local, LEDGER, "/v3.1/businesses", &tokens[0]).await, 200);
    let receipt = ask(&studio, LEDGER, "DELETE", "", Some(&json!({"links": "keep"}))).await.json();
    assert_eq!((&receipt["revoked"], &receipt["tokens_erased"]), (&json!(true), &json!(true)), "{receipt}");
    assert_eq!(with_token(&local, LEDGER, "/v3.1/businesses", &tokens[0]).await, 401);
    local.shutdown().await.unwrap();
}

/// A South African workspace is told before it connects whom the API serves; others are not bothered.
#[tokio::test]
async fn a_workspace_in_rand_is_told_before_it_connects() {
    let (local, studio) = opened().await;
    let pages = Pages::of(&local, &[]);
    let anybody = Caller::new(&local.origin).unwrap();
    for (currency, country, told) in
        [("ZAR", "ZA", true), ("ZAR", "GB", true), ("GBP", "ZA", true), ("GBP", "GB", false), ("EUR", "IE", false)]
    {
        let new = json!({"name": "Karoo Studio", "plan": "enterprise", "currency": currency, "country": country});
        let opened = anybody.post("/__local/workspaces", &new).await.unwrap().json();
        let owner = anybody.with_token(text(&opened, "/owner_token"));
        let list = owner.get("/v1/integrations").await.unwrap().json();
        for item in list["items"].as_array().unwrap() {
            let is_told = text(item, "/notice").contains("Sage Accounting South Africa");
            assert_eq!(is_told, told && item["ledger"] == "sage", "{currency} {country}: {item}");
        }
        let session = pages.session(text(&opened, "/workspace_id"), "owner").await;
        let page = pages.get("/settings/integrations", &session).await;
        let card = page.card(LEDGER);
        assert_eq!(card.contains("Before you connect:") && card.contains("South African books cannot be connected"), told, "{card}");
        assert!(card.contains("Connect Sage"), "a business of a country that is served can still be connected: {card}");
    }
    // Once connected there is nothing to know before it.
    connect(&studio, LEDGER).await;
    let session = pages.session(&studio.workspace_id, "owner").await;
    assert!(!pages.get("/settings/integrations", &session).await.card(LEDGER).contains("Before you connect"));
    local.shutdown().await.unwrap();
}

/// Design decision 10: forty invoices find the five-minute token run out; Sage sees one refresh, and its rotation loses nothing. No more
/// of them, for our own pace (C20) has to let all go out before the new token ends.
#[tokio::test(flavor = "multi_thread")]
async fn forty_invoices_on_an_expired_token_refresh_it_once() {
    let (local, studio) = connected(LEDGER).await;
    // This is about the token, not about limits.
    let limits = json!({"minute": 10_000, "day": 100_000, "concurrent": 1_000, "app_minute": 100_000});
    studio.at(LEDGER).control(Method::POST, "limits", Some(&limits)).await.unwrap();
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    let mut invoices = Vec::new();
    for _ in 0..40 {
        invoices.push(studio.send_invoice(&client, &lines()).await.unwrap());
    }
    settled(&local, &studio, LEDGER, &invoices[0]).await;
    local.advance(SignedDuration::from_mins(6));
    let before = studio.at(LEDGER).calls("oauth").await.unwrap().len();
    for reply in join_all(invoices.iter().map(|invoice| studio.at(LEDGER).sync(invoice))).await {
        let reply = reply.unwrap();
        assert!(matches!(reply.status.as_u16(), 200 | 202 | 409), "{}", reply.text());
    }
    for invoice in &invoices {
        settled_within_the_token(&studio, invoice).await;
    }
    let refreshes = studio.at(LEDGER).calls("oauth").await.unwrap().split_off(before);
    let refreshes: Vec<&str> = refreshes.iter().map(|call| text(call, "/path")).collect();
    assert_eq!(refreshes, ["/token"]);
    assert_eq!(documents(&studio, LEDGER, text(&organisation(&studio, LEDGER, GB).await, "/id")).await.len(), 40);
    assert_eq!(card(&studio, LEDGER).await["connection"]["status"], "connected");
    local.shutdown().await.unwrap();
}

/// Syncs until it is done, without moving the clock: a second refresh would hide the first.
async fn settled_within_the_token(studio: &Studio, invoice: &Value) {
    for _ in 0..240 {
        let reply = studio.at(LEDGER).sync(invoice).await.unwrap();
        match reply.status.as_u16() {
            200 => return,
            202 | 409 => tokio::time::sleep(Duration::from_millis(250)).await,
            status => panic!("{status}: {}", reply.text()),
        }
    }
    panic!("{} is still not synced after a minute", text(invoice, "/number"));
}

/// Design decision 10, R21: a refresh whose answer is lost has used the old token up (Sage keeps none of them). Nothing is said to work
/// that does not; the invoices wait, and sync when an admin has connected again, each once.
#[tokio::test]
async fn r21_a_lost_refresh_ends_in_reconnect_and_the_invoices_wait_for_it() {
    let (local, studio) = connected(LEDGER).await;
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    let first = studio.send_invoice(&client, &lines()).await.unwrap();
    let synced = studio.at(LEDGER).synced(&first).await.unwrap();
    let waiting = [studio.send_invoice(&client, &lines()).await.unwrap(), studio.send_invoice(&client, &lines()).await.unwrap()];

    local.advance(SignedDuration::from_mins(6));
    let faults = json!([{"match": "/token", "kind": "timeout_after"}]);
    studio.at(LEDGER).control(Method::POST, "faults", Some(&faults)).await.unwrap();
    let mut minutes = 0;
    loop {
        for invoice in &waiting {
            let reply = studio.at(LEDGER).sync(invoice).await.unwrap();
            assert!(matches!(reply.status.as_u16(), 202 | 409), "{}", reply.text());
            assert_ne!(reply.json()["state"], "synced");
        }
        if card(&studio, LEDGER).await["connection"]["status"] == "reconnect_required" {
            break;
        }
        let test = ask(&studio, LEDGER, "POST", "/test", None).await;
        assert_ne!(test.json()["ok"], true, "{}", test.text());
        local.advance(SignedDuration::from_mins(1));
        minutes += 1;
        assert!(minutes < 30, "half an hour, and nobody was told to connect again");
    }
    let fired = studio.at(LEDGER).control(Method::GET, "faults", None).await.unwrap();
    assert_eq!(fired[0]["fired"], 1, "{fired}");
    let view = card(&studio, LEDGER).await;
    assert_eq!(view["connection"]["health"]["level"], "stopped");
    assert!(text(&view, "/connection/health/fix").contains("Reconnect"), "{view}");
    // Nothing more is asked of a vendor that has signed us out, once what was under way has ended.
    assert!(local.idle(Duration::from_secs(20)).await);
    let calls = vendor_calls(&studio, LEDGER).await.len();
    for invoice in &waiting {
        let reply = studio.at(LEDGER).sync(invoice).await.unwrap();
        assert_eq!((reply.status.as_u16(), text(&reply.json(), "/waiting_for")), (202, "reconnect"), "{}", reply.text());
        let seen = studio.owner.get(&format!("/v1/invoices/{}", text(invoice, "/id"))).await.unwrap().json();
        let of_ledger = seen["ledgers"].as_array().unwrap().iter().find(|one| one["ledger"] == LEDGER.slug()).unwrap().clone();
        assert_eq!(of_ledger["state"], "waiting", "{of_ledger}");
    }
    assert_eq!(vendor_calls(&studio, LEDGER).await.len(), calls);
    let refused = ask(&studio, LEDGER, "PUT", "/organisation", Some(&json!({"organisation_id": "other"}))).await;
    assert_eq!(said(&refused), (409, "consent_needed".to_owned()));

    connect(&studio, LEDGER).await;
    for invoice in &waiting {
        settled(&local, &studio, LEDGER, invoice).await;
    }
    let again = studio.at(LEDGER).synced(&first).await.unwrap();
    assert_eq!((&again["changed"], &again["external_id"]), (&json!("nothing"), &synced["external_id"]), "the links are the old ones");
    assert_eq!(documents(&studio, LEDGER, text(&organisation(&studio, LEDGER, GB).await, "/id")).await.len(), 3);
    local.shutdown().await.unwrap();
}
