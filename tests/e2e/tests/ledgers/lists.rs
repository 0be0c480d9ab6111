//! The lists of what needs a person's word, with something in them.

use std::time::Duration;

use coportal_core::ledger::Ledger;
use coportal_local::studio::text;
use http::{Method, StatusCode};
use serde_json::json;

use crate::support::{Pages, ask, connected, invoice, lines};

const PATIENCE: Duration = Duration::from_secs(20);

/// C3, C7, C30, R44: a question in the list of attention, a draft among those to approve, and a change in the ledger: each with the
/// invoice's number, its words, and what can be done.
#[tokio::test(flavor = "multi_thread")]
async fn c30_a_question_a_draft_and_a_change_there_are_listed() {
    let (local, studio) = connected(Ledger::Xero).await;
    let desk = studio.at(Ledger::Xero);
    let first = invoice(&studio).await;
    desk.synced(&first).await.unwrap();
    let contacts: Vec<_> = ["Baker & Sons", "Baker & Daughters"].map(|name| json!({"name": name, "email": "bea@baker.example"})).into();
    desk.control(Method::POST, "seed", Some(&json!({"contacts": contacts}))).await.unwrap();
    let client = studio.add_client("Bea Baker", "bea@baker.example").await.unwrap();
    let asked = studio.send_invoice(&client, &lines()).await.unwrap();
    assert_eq!(desk.sync(&asked).await.unwrap().status, StatusCode::UNPROCESSABLE_ENTITY);

    let pages = Pages::of(&local, &[]);
    let session = pages.session(&studio.workspace_id, "owner").await;
    let listed = pages.get("/settings/attention", &session).await;
    for words in [text(&asked, "/number"), "Bea Baker", "Needs an answer", "Which one is it?", ">Answer</a>"] {
        assert!(listed.text.contains(words), "{words}: {}", listed.text);
    }
    let drafts = pages.get("/settings/integrations/xero/drafts", &session).await;
    for words in ["1 draft becomes an approved invoice", "GBP 120.00", "Approve 1 draft"] {
        assert!(drafts.text.contains(words), "{words}: {}", drafts.text);
    }

    let document = desk.state().await.unwrap()["documents"][0]["id"].clone();
    let edit = json!({"action": "edit_line", "document_id": document, "line": 0, "unit_price": "112.50"});
    desk.control(Method::POST, "bookkeeper", Some(&edit)).await.unwrap();
    // The function of these pages sends to no queue: whoever does is asked for the comparison.
    let asked_for = ask(&studio, Ledger::Xero, "POST", "/drift", None).await;
    assert!(asked_for.status.is_success(), "{}", asked_for.text());
    let mut changes = pages.get("/settings/drift?ledger=xero", &session).await;
    for _ in 0..40 {
        if changes.text.contains("was changed there") {
            break;
        }
        local.idle(PATIENCE).await;
        tokio::time::sleep(Duration::from_millis(250)).await;
        changes = pages.get("/settings/drift?ledger=xero", &session).await;
    }
    for words in [text(&first, "/number"), "was changed there", "112.50", "100.00", "135.00 (tax 22.50)", "Put ours back", "Keep theirs"] {
        assert!(changes.text.contains(words), "{words}: {}", changes.text);
    }
    // C29: an answer is for the entry that was shown.
    let listed = ask(&studio, Ledger::Xero, "GET", "/drift", None).await.json();
    let entry = &listed["items"][0];
    let path = format!("/drift/{}", entry["invoice_id"].as_str().unwrap());
    let refused = ask(&studio, Ledger::Xero, "POST", &path, Some(&json!({"keep": "ours", "digest": "of another one"}))).await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (StatusCode::CONFLICT, Some("changed_again")), "{}", refused.text());
    let kept = ask(&studio, Ledger::Xero, "POST", &path, Some(&json!({"keep": "theirs", "digest": entry["digest"]}))).await;
    assert_eq!(kept.status, StatusCode::OK, "{}", kept.text());
    local.shutdown().await.unwrap();
}
