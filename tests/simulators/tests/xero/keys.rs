//! `Idempotency-Key` (vendor notes, section 3).

use serde_json::json;

use crate::support::{advance, body, connected, text, value};

const PATH: &str = "/Invoices?unitdp=4&summarizeErrors=true";

#[tokio::test]
async fn the_same_request_under_the_same_key_gets_the_first_answer_for_six_minutes() {
    let caller = connected().await;
    let contact = caller.contact("Acme").await;
    let mut sent = body(&contact, "CP-1", "DRAFT", &[("1", "10")]);
    sent.as_object_mut().unwrap().remove("InvoiceNumber");
    let sent = json!({ "Invoices": [sent] });
    let first = caller.keyed("k", "PUT", PATH, &sent).await;
    advance(&caller.simulator, 200);
    assert_eq!(text(&caller.keyed("k", "PUT", PATH, &sent).await), text(&first));
    advance(&caller.simulator, 159);
    assert_eq!(text(&caller.keyed("k", "PUT", PATH, &sent).await), text(&first), "counted from the first call");
    assert_eq!(caller.simulator.state().documents.len(), 1);
    advance(&caller.simulator, 1);
    let late = caller.keyed("k", "PUT", PATH, &sent).await;
    assert_ne!(value(&late)["Invoices"][0]["InvoiceID"], value(&first)["Invoices"][0]["InvoiceID"]);
    assert_eq!(caller.simulator.state().documents.len(), 2, "after the window duplicates are possible");
}

#[tokio::test]
async fn failures_are_kept_too() {
    let caller = connected().await;
    let contact = caller.contact("Acme").await;
    let made = caller.invoice(body(&contact, "CP-1", "DRAFT", &[("1", "10")])).await;
    let sent = json!({ "Invoices": [body(&contact, "CP-1", "DRAFT", &[("1", "10")])] });
    assert_eq!(caller.keyed("k", "PUT", PATH, &sent).await.status(), 400);
    let rename = json!({ "InvoiceNumber": "CP-0" });
    caller.post(&format!("/Invoices/{}?unitdp=4", made["InvoiceID"].as_str().unwrap()), &rename).await;
    assert_eq!(caller.keyed("k", "PUT", PATH, &sent).await.status(), 400, "though the number is free now");
    advance(&caller.simulator, 361);
    assert_eq!(caller.keyed("k", "PUT", PATH, &sent).await.status(), 200);
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused() {
    let caller = connected().await;
    let contact = caller.contact("Acme").await;
    let one = json!({ "Invoices": [body(&contact, "CP-1", "DRAFT", &[("1", "10")])] });
    let other = json!({ "Invoices": [body(&contact, "CP-2", "DRAFT", &[("1", "10")])] });
    caller.keyed("k", "PUT", PATH, &one).await;
    for (method, path, sent) in [("PUT", PATH, &other), ("POST", PATH, &one), ("PUT", "/Invoices?unitdp=4", &one)] {
        let reply = caller.keyed("k", method, path, sent).await;
        assert_eq!(reply.status(), 400);
        assert!(text(&reply).contains("Idempotency Key: k is used with a different request."), "{}", text(&reply));
    }
    assert_eq!(caller.simulator.state().documents.len(), 1);
    assert_eq!(caller.keyed(&"x".repeat(129), "PUT", PATH, &one).await.status(), 400);
    assert_eq!(caller.keyed("", "PUT", PATH, &one).await.status(), 400);
}

/// "Per app, not per tenant": the other organisation's call gets the first one's answer.
#[tokio::test]
async fn keys_do_not_know_organisations() {
    let caller = connected().await;
    let sent = json!({ "Contacts": [{ "Name": "Acme" }] });
    let first = caller.keyed("k", "PUT", "/Contacts", &sent).await;
    assert_eq!(text(&caller.at(1).keyed("k", "PUT", "/Contacts", &sent).await), text(&first));
    assert_eq!(caller.simulator.state().contacts.len(), 1);
}
