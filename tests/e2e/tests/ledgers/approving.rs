//! Approving: an explicit act of an admin, on every ledger (C7); where a ledger has no drafts, posting what waits here (C8).

use coportal_core::ledger::Ledger;
use coportal_local::caller::Reply;
use coportal_local::studio::{Studio, text};
use http::Method;
use serde_json::{Value, json};

use crate::support::{ask, connect, connected, documents, invoice, lines, opened, organisation, said, vendor_calls};

/// The ledgers that have drafts of their own.
const DRAFTS: [Ledger; 3] = [Ledger::Xero, Ledger::Sage, Ledger::BusinessCentral];

async fn approve(studio: &Studio, ledger: Ledger, invoice: &Value, headers: &[(&str, &str)]) -> Reply {
    let path = format!("/v1/invoices/{}/sync/{ledger}/approve", text(invoice, "/id"));
    studio.owner.send(Method::POST, &path, None, headers).await.unwrap()
}

/// The documents of the organisation that is connected.
async fn there(studio: &Studio, ledger: Ledger) -> Vec<Value> {
    let connection = studio.at(ledger).connection().await.unwrap();
    let name = text(&connection, "/organisation/name");
    documents(studio, ledger, text(&organisation(studio, ledger, name).await, "/id")).await
}

/// The invoice's own view of the ledger.
async fn seen(studio: &Studio, ledger: Ledger, invoice: &Value) -> Value {
    let seen = studio.owner.get(&format!("/v1/invoices/{}", text(invoice, "/id"))).await.unwrap().json();
    seen["ledgers"].as_array().unwrap().iter().find(|one| one["ledger"] == ledger.slug()).unwrap().clone()
}

async fn audited(studio: &Studio, action: &str) -> usize {
    let audit = studio.owner.get("/v1/audit?limit=100").await.unwrap().json();
    audit["items"].as_array().unwrap().iter().filter(|line| line["action"] == action).count()
}

/// C7: a draft is approved once, by an admin of its own workspace, and stays the document that it was.
#[tokio::test]
async fn c7_a_draft_is_approved_once_by_an_admin_of_its_workspace() {
    for ledger in DRAFTS {
        let (local, studio) = connected(ledger).await;
        let stranger = Studio::open(&local, "Somebody else").await.unwrap();
        connect(&stranger, ledger).await;
        let invoice = invoice(&studio).await;
        let nothing = approve(&studio, ledger, &invoice, &[]).await;
        assert_eq!(said(&nothing), (409, "nothing_to_approve".to_owned()), "{ledger}: before the first sync");

        let first = studio.at(ledger).synced(&invoice).await.unwrap();
        assert_eq!(seen(&studio, ledger, &invoice).await["document"], "draft", "{ledger}");
        assert_eq!(text(&there(&studio, ledger).await[0], "/status"), "draft", "{ledger}");
        // Turning the option off approves nothing by itself.
        studio.at(ledger).set_options(&json!({"sync_as_draft": false})).await.unwrap();
        assert_eq!(studio.at(ledger).synced(&invoice).await.unwrap()["changed"], "nothing", "{ledger}");
        studio.at(ledger).set_options(&json!({"sync_as_draft": true})).await.unwrap();

        let calls = vendor_calls(&studio, ledger).await.len();
        let path = format!("/v1/invoices/{}/sync/{ledger}/approve", text(&invoice, "/id"));
        let member = studio.member.send(Method::POST, &path, None, &[]).await.unwrap();
        assert_eq!(said(&member), (403, "role_required".to_owned()), "{ledger}");
        let foreign = stranger.owner.send(Method::POST, &path, None, &[]).await.unwrap();
        assert_eq!(said(&foreign), (404, "not_found".to_owned()), "{ledger}");
        let nobody = path.replace(text(&invoice, "/id"), "inv_0123456789ab7cde8f00112233445566");
        assert_eq!(said(&studio.owner.send(Method::POST, &nobody, None, &[]).await.unwrap()), said(&foreign), "{ledger}");
        assert_eq!(vendor_calls(&studio, ledger).await.len(), calls, "{ledger}: a refusal asks the vendor nothing");
        assert_eq!(text(&there(&studio, ledger).await[0], "/status"), "draft", "{ledger}");

        let approved = approve(&studio, ledger, &invoice, &[("idempotency-key", "approve-1")]).await;
        assert_eq!(approved.status.as_u16(), 200, "{ledger}: {}", approved.text());
        let body = approved.json();
        assert_eq!((&body["state"], &body["external_id"]), (&json!("synced"), &first["external_id"]), "{ledger}");
        let documents = there(&studio, ledger).await;
        assert_eq!((documents.len(), text(&documents[0], "/status")), (1, "approved"), "{ledger}: {documents:?}");
        assert_eq!(text(&documents[0], "/total"), "120.00", "{ledger}");
        let view = seen(&studio, ledger, &invoice).await;
        assert_eq!((&view["document"], &view["external_number"]), (&json!("approved"), &documents[0]["number"]), "{ledger}");

        // The same key again: the same answer, and nothing is done twice.
        let calls = vendor_calls(&studio, ledger).await.len();
        let repeated = approve(&studio, ledger, &invoice, &[("idempotency-key", "approve-1")]).await;
        assert_eq!((repeated.status, repeated.json()), (approved.status, body), "{ledger}");
        // Without it: there is nothing left to approve.
        assert_eq!(said(&approve(&studio, ledger, &invoice, &[]).await), (409, "nothing_to_approve".to_owned()), "{ledger}");
        assert_eq!(vendor_calls(&studio, ledger).await.len(), calls, "{ledger}");
        assert_eq!(audited(&studio, "draft_approved").await, 1, "{ledger}");
        // And the sync finds it as it should be.
        assert_eq!(studio.at(ledger).synced(&invoice).await.unwrap()["changed"], "nothing", "{ledger}");
        local.shutdown().await.unwrap();
    }
}

/// The key of one approval does not serve another invoice's: each route has keys of its own.
#[tokio::test]
async fn one_key_approves_one_invoice() {
    let ledger = Ledger::Sage;
    let (local, studio) = connected(ledger).await;
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    for _ in 0..2 {
        let invoice = studio.send_invoice(&client, &lines()).await.unwrap();
        studio.at(ledger).synced(&invoice).await.unwrap();
        let approved = approve(&studio, ledger, &invoice, &[("idempotency-key", "same")]).await;
        assert_eq!(approved.status.as_u16(), 200, "{}", approved.text());
    }
    let documents = there(&studio, ledger).await;
    assert_eq!(documents.iter().filter(|document| document["status"] == "approved").count(), 2);
    local.shutdown().await.unwrap();
}

/// C8: QuickBooks has no drafts. The invoice waits in CoPortal, visibly, and nothing is in the books until it is posted.
#[tokio::test]
async fn c8_quickbooks_holds_the_invoice_until_it_is_posted() {
    let ledger = Ledger::Quickbooks;
    let (local, studio) = connected(ledger).await;
    let stranger = Studio::open(&local, "Somebody else").await.unwrap();
    connect(&stranger, ledger).await;
    let invoice = invoice(&studio).await;
    let nothing = approve(&studio, ledger, &invoice, &[]).await;
    assert_eq!(said(&nothing), (409, "nothing_to_approve".to_owned()), "before the first sync nothing waits");

    let held = studio.at(ledger).sync(&invoice).await.unwrap();
    assert_eq!(said(&held), (422, "post_held".to_owned()), "{}", held.text());
    let body = held.json();
    let choices: Vec<&str> = body["hold"]["choices"].as_array().unwrap().iter().map(|choice| text(choice, "/id")).collect();
    assert_eq!(choices, ["post"]);
    assert!(text(&body, "/hold/detail").contains("has no draft invoices") && body.to_string().contains("posts to your books"), "{body}");
    let again = studio.at(ledger).sync(&invoice).await.unwrap();
    assert_eq!((again.status.as_u16(), &again.json()["hold"]["id"]), (422, &body["hold"]["id"]), "asking again asks the same");
    assert!(there(&studio, ledger).await.is_empty());
    let view = seen(&studio, ledger, &invoice).await;
    assert_eq!(
        (&view["state"], &view["document"], &view["hold"]["question"]),
        (&json!("held"), &Value::Null, &json!("post_held")),
        "{view}"
    );
    let attention = studio.owner.get("/v1/sync/attention").await.unwrap().json();
    assert_eq!(attention["items"][0]["invoice_id"], invoice["id"], "{attention}");

    let path = format!("/v1/invoices/{}/sync/{ledger}/approve", text(&invoice, "/id"));
    assert_eq!(said(&studio.member.send(Method::POST, &path, None, &[]).await.unwrap()), (403, "role_required".to_owned()));
    assert_eq!(said(&stranger.owner.send(Method::POST, &path, None, &[]).await.unwrap()), (404, "not_found".to_owned()));
    assert!(there(&studio, ledger).await.is_empty());

    let posted = approve(&studio, ledger, &invoice, &[("idempotency-key", "post-1")]).await;
    assert_eq!((posted.status.as_u16(), &posted.json()["changed"]), (200, &json!("created")), "{}", posted.text());
    let documents = there(&studio, ledger).await;
    assert_eq!((documents.len(), text(&documents[0], "/status"), text(&documents[0], "/total")), (1, "approved", "120.00"));
    assert_eq!(documents[0]["id"], posted.json()["external_id"]);
    let repeated = approve(&studio, ledger, &invoice, &[("idempotency-key", "post-1")]).await;
    assert_eq!((repeated.status, repeated.json()), (posted.status, posted.json()));
    assert_eq!(said(&approve(&studio, ledger, &invoice, &[]).await), (409, "nothing_to_approve".to_owned()));
    assert_eq!(seen(&studio, ledger, &invoice).await["document"], "approved");
    // What was posted once is edited in place, and not held again.
    let edited = studio.edit_line(&invoice, "/lines/0/quantity", json!("2")).await.unwrap();
    let updated = studio.at(ledger).synced(&edited).await.unwrap();
    assert_eq!((&updated["changed"], &updated["external_id"]), (&json!("updated"), &documents[0]["id"]));
    assert_eq!(there(&studio, ledger).await.len(), 1);
    local.shutdown().await.unwrap();
}

/// C8: the hold's own answer posts as well; an answer that it does not offer, or another's hold, posts nothing.
#[tokio::test]
async fn c8_a_held_invoice_is_posted_by_its_holds_answer_too() {
    let ledger = Ledger::Quickbooks;
    let (local, studio) = connected(ledger).await;
    let invoice = invoice(&studio).await;
    let held = studio.at(ledger).sync(&invoice).await.unwrap();
    let hold = text(&held.json(), "/hold/id").to_owned();
    let path = format!("/v1/invoices/{}/sync/{ledger}/resolve", text(&invoice, "/id"));
    let answer = |hold: &str, choice: &str| json!({"hold_id": hold, "choice": choice});
    for (case, body) in
        [("no such choice", answer(&hold, "approve")), ("another hold", answer("hld_0123456789ab7cde8f00112233445566", "post"))]
    {
        let refused = studio.owner.post(&path, &body).await.unwrap();
        assert!(refused.status.is_client_error(), "{case}: {}", refused.text());
        assert!(there(&studio, ledger).await.is_empty(), "{case}");
    }
    assert_eq!(said(&studio.member.post(&path, &answer(&hold, "post")).await.unwrap()), (403, "role_required".to_owned()));
    let posted = studio.owner.post(&path, &answer(&hold, "post")).await.unwrap();
    assert_eq!((posted.status.as_u16(), &posted.json()["changed"]), (200, &json!("created")), "{}", posted.text());
    let again = studio.owner.post(&path, &answer(&hold, "post")).await.unwrap();
    assert!(again.status.is_client_error(), "{}", again.text());
    assert_eq!(there(&studio, ledger).await.len(), 1);
    local.shutdown().await.unwrap();
}

/// C8: with the option off an invoice is created at once, unsent; one that waited from before is created by its next sync.
#[tokio::test]
async fn c8_without_the_option_quickbooks_gets_the_invoice_at_once() {
    let ledger = Ledger::Quickbooks;
    let (local, studio) = connected(ledger).await;
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    let waiting = studio.send_invoice(&client, &lines()).await.unwrap();
    assert_eq!(studio.at(ledger).sync(&waiting).await.unwrap().status.as_u16(), 422);
    studio.at(ledger).set_options(&json!({"sync_as_draft": false})).await.unwrap();
    let fresh = studio.send_invoice(&client, &lines()).await.unwrap();
    for invoice in [&fresh, &waiting] {
        assert_eq!(studio.at(ledger).synced(invoice).await.unwrap()["changed"], "created");
    }
    assert_eq!(there(&studio, ledger).await.len(), 2);
    local.shutdown().await.unwrap();
}

/// Without a connection there is nothing to approve with, and the answer says what to do.
#[tokio::test]
async fn nothing_is_approved_without_a_connection() {
    let (local, studio) = opened().await;
    let invoice = invoice(&studio).await;
    for ledger in Ledger::ALL {
        assert_eq!(said(&approve(&studio, ledger, &invoice, &[]).await), (409, "not_connected".to_owned()), "{ledger}");
    }
    connect(&studio, Ledger::Sage).await;
    studio.at(Ledger::Sage).synced(&invoice).await.unwrap();
    ask(&studio, Ledger::Sage, "DELETE", "", Some(&json!({"links": "keep"}))).await;
    assert_eq!(said(&approve(&studio, Ledger::Sage, &invoice, &[]).await), (409, "not_connected".to_owned()));
    local.shutdown().await.unwrap();
}
