//! The list of invoices and an invoice's page, as a person meets them.

use coportal_core::invoice::InvoiceStatus;
use coportal_core::sync::row::SyncState;
use http::StatusCode;
use serde_json::json;
use simulators::skeleton::faults::{Fault, FaultKind};

use crate::pages::assert_strict;
use crate::records::HOSTILE;
use crate::world::{Answered, Tenant, UK, World};

/// A connected workspace whose sales account is chosen, with a client and a sent invoice.
async fn ready() -> (World, String) {
    let world = World::new().await;
    world.connected(world.one, UK).await;
    let chosen = world.admin(world.one, "PUT", "/v1/integrations/xero/choices", Some(json!({"sales_account": "200"}))).await;
    assert_eq!(chosen.status, StatusCode::OK, "{}", chosen.text);
    let client = world.client(world.one, "Ann Archer", "ann@example.com").await;
    let invoice = world.invoice(world.one, &client, "INV-0001", InvoiceStatus::Sent).await;
    (world, invoice.id.to_string())
}

async fn state(world: &World, tenant: Tenant, invoice: &str) -> Option<SyncState> {
    let rows = world.store().sync_rows(tenant.id, invoice.parse().unwrap()).await.unwrap();
    rows.first().map(|(_, _, row)| row.state)
}

async fn follow(world: &World, answer: &Answered, session: &str) -> Answered {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    world.page(answer.header("location"), Some(session)).await
}

/// R38, R48, R63: lines and totals; a click syncs; the page then shows the ledger's number, a link to it, and when it was.
#[tokio::test]
async fn r38_r63_a_click_syncs_and_the_page_tells_it() {
    let (world, id) = ready().await;
    let (session, csrf) = world.session(world.one, "member").await;
    let page = world.page(&format!("/invoices/{id}"), Some(&session)).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert_strict(&page);
    for text in ["Invoice INV-0001", "Ann Archer", "Design of the spring catalogue", "1,275.00", "255.00", "GBP 1,530.00", "2026-03-30"] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    assert!(page.text.contains("Not synced yet") && page.text.contains("Sync now"));
    assert!(page.text.contains("Nothing has happened yet"), "an empty timeline says so");
    let answer = world.submit(&format!("/settings/invoices/{id}/sync/xero"), &session, &csrf, &[]).await;
    let page = follow(&world, &answer, &session).await;
    assert!(page.text.contains("The invoice is in Xero") && page.text.contains("Last synced"), "{}", page.text);
    assert!(page.text.contains(r#"rel="noreferrer noopener""#), "the document can be opened: {}", page.text);
    assert!(page.text.contains("Draft"), "R36: drafts are the default");
    assert_eq!(world.simulator.state().documents.len(), 1);

    // Again, nothing is sent (R64), and a link that says otherwise is not believed.
    let answer = world.submit(&format!("/settings/invoices/{id}/sync/xero"), &session, &csrf, &[]).await;
    assert!(follow(&world, &answer, &session).await.text.contains("Nothing had to be sent"));
    let invented = world.page(&format!("/invoices/{id}?ledger=xero&did=failed"), Some(&session)).await;
    assert!(!invented.text.contains("did not accept"), "a link alone says nothing");
    let list = world.page("/invoices", Some(&session)).await;
    assert_strict(&list);
    assert!(list.text.contains("INV-0001") && list.text.contains(">Synced<") && list.text.contains("GBP 1,530.00"));
}

/// A hold is a question with its answers as buttons for admins; a member reads it, and the server refuses their answer all the same (C21).
#[tokio::test]
async fn a_hold_is_answered_with_one_click_by_an_admin() {
    let (world, id) = ready().await;
    let twins = json!({"contacts": [
        {"organisation": UK, "name": "Archer & Sons", "email": "ann@example.com"},
        {"organisation": UK, "name": "Archer & Daughters", "email": "ann@example.com"},
    ]});
    world.simulator.seed(&serde_json::from_value(twins).unwrap()).unwrap();
    let (member, member_csrf) = world.session(world.one, "member").await;
    let answer = world.submit(&format!("/settings/invoices/{id}/sync/xero"), &member, &member_csrf, &[]).await;
    let page = follow(&world, &answer, &member).await;
    assert_eq!(state(&world, world.one, &id).await, Some(SyncState::Held), "{}", page.text);
    assert!(page.text.contains("Needs an answer") && page.text.contains("An admin of the workspace answers this."));
    assert!(!page.text.contains(r#"name="choice""#), "C21: no answers for a member");

    let (admin, csrf) = world.session(world.one, "admin").await;
    let page = world.page(&format!("/invoices/{id}"), Some(&admin)).await;
    assert!(page.text.contains("Archer &amp; Sons") && page.text.contains("Which of these contacts is the client?"), "{}", page.text);
    let hold = page.text.split(r#"name="hold_id" value=""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let choice = page.text.split(r#"name="choice" value=""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let fields = [("hold_id", hold.as_str()), ("choice", choice.as_str())];
    let path = format!("/settings/invoices/{id}/sync/xero/resolve");
    let refused = world.submit(&path, &member, &member_csrf, &fields).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("Back to the invoice"), "a refusal leads back");
    for forged in ["", member_csrf.as_str()] {
        assert_eq!(world.submit(&path, &admin, forged, &fields).await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(state(&world, world.one, &id).await, Some(SyncState::Held), "nothing was answered");
    let answer = world.submit(&path, &admin, &csrf, &fields).await;
    let page = follow(&world, &answer, &admin).await;
    assert_ne!(state(&world, world.one, &id).await, Some(SyncState::Held), "{}", page.text);
}

/// What would change is on an address of its own, writes nothing, and shows both sides' totals.
#[tokio::test]
async fn what_would_change_is_shown_before_it_does() {
    let (world, id) = ready().await;
    let (session, _) = world.session(world.one, "member").await;
    let page = world.page(&format!("/invoices/{id}/sync/xero/changes"), Some(&session)).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert_strict(&page);
    for text in ["A new invoice would be made in Xero.", "After the sync", "Equal to the cent", "1,530.00", "Tax codes", "OUTPUT2"] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    assert_eq!(state(&world, world.one, &id).await, None, "nothing was written");
    assert!(world.simulator.state().documents.is_empty());
    let other = world.page(&format!("/invoices/{id}/sync/sage/changes"), Some(&session)).await;
    assert_eq!(other.status, StatusCode::FORBIDDEN, "the plan has no Sage: {}", other.text);
    assert!(other.text.contains("Agency") && other.text.contains("Back to the invoice"));
}

/// C7: approving, linking and unlinking are an admin's, and lead back to the invoice.
#[tokio::test]
async fn an_admin_approves_unlinks_and_links() {
    let (world, id) = ready().await;
    let (member, member_csrf) = world.session(world.one, "member").await;
    let (admin, csrf) = world.session(world.one, "admin").await;
    let at = |what: &str| format!("/settings/invoices/{id}/sync/xero{what}");
    let answer = world.submit(&at(""), &admin, &csrf, &[]).await;
    let page = follow(&world, &answer, &admin).await;
    assert!(page.text.contains("Approve this draft") && page.text.contains("Unlink from Xero"));
    let page = world.page(&format!("/invoices/{id}"), Some(&member)).await;
    assert!(!page.text.contains("Approve this draft") && !page.text.contains("Unlink"));
    for (what, fields) in [("/approve", vec![]), ("/unlink", vec![]), ("/link", vec![("external_id", "x")])] {
        assert_eq!(world.submit(&at(what), &member, &member_csrf, &fields).await.status, StatusCode::FORBIDDEN, "{what}");
    }
    let answer = world.submit(&at("/approve"), &admin, &csrf, &[]).await;
    let page = follow(&world, &answer, &admin).await;
    assert!(page.text.contains("Awaiting payment"), "{}", page.text);
    let document = world.simulator.state().documents.first().unwrap().id.clone();
    let answer = world.submit(&at("/unlink"), &admin, &csrf, &[]).await;
    let page = follow(&world, &answer, &admin).await;
    assert!(page.text.contains("Unlinked from Xero") && page.text.contains("Left out"), "{}", page.text);
    let refused = world.submit(&at("/link"), &admin, &csrf, &[("external_id", "../../x")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("letters, digits and hyphens"));
    let answer = world.submit(&at("/link"), &admin, &csrf, &[("external_id", &document)]).await;
    let page = follow(&world, &answer, &admin).await;
    assert!(page.text.contains(">Synced<") || page.text.contains("Needs an answer"), "{}", page.text);
    assert_eq!(world.simulator.state().documents.len(), 1, "no second document");
}

/// An error stands on the card with what to do, and a try later goes through.
#[tokio::test]
async fn an_error_is_told_with_its_fix_and_tried_again() {
    let (world, id) = ready().await;
    let (session, csrf) = world.session(world.one, "admin").await;
    let body = r#"{"ErrorNumber":10,"Type":"ValidationException","Message":"A validation exception occurred","Elements":[{"ValidationErrors":[{"Message":"The description is not allowed"}]}]}"#;
    let fault = Fault { status: Some(400), body: Some(body.to_owned()), ..Fault::on("/Invoices", FaultKind::Status) };
    let fault =
        Fault { headers: [("content-type".to_owned(), "application/json".to_owned())].into(), method: Some("PUT".to_owned()), ..fault };
    world.simulator.post_faults(vec![fault.clone(), Fault { method: Some("POST".to_owned()), ..fault }]);
    let path = format!("/settings/invoices/{id}/sync/xero");
    let answer = world.submit(&path, &session, &csrf, &[]).await;
    let page = follow(&world, &answer, &session).await;
    assert_eq!(state(&world, world.one, &id).await, Some(SyncState::Failed), "{}", page.text);
    assert!(page.text.contains("Xero did not accept it") && page.text.contains("Try again now"), "{}", page.text);
    let attention = world.page("/settings/attention", Some(&session)).await;
    assert_strict(&attention);
    assert!(attention.text.contains("INV-0001") && attention.text.contains("Not accepted") && attention.text.contains("Ann Archer"));
    let retried = world.submit("/settings/attention/retry", &session, &csrf, &[("state", "failed"), ("ledger", "")]).await;
    let page = follow(&world, &retried, &session).await;
    assert!(page.text.contains("1 entry is queued again"), "{}", page.text);
    world.simulator.clear_faults();
    let answer = world.submit(&path, &session, &csrf, &[]).await;
    assert!(follow(&world, &answer, &session).await.text.contains("The invoice is in Xero"));
    assert!(world.page("/settings/attention", Some(&session)).await.text.contains("Nothing needs you"));
}

/// Another workspace's invoice is not there, for pages and for forms; nor is one that never was.
#[tokio::test]
async fn another_workspaces_invoice_is_not_there() {
    let (world, id) = ready().await;
    let (session, csrf) = world.session(world.two, "admin").await;
    for path in [format!("/invoices/{id}"), format!("/invoices/{id}/sync/xero/changes"), "/invoices/inv_nonsense".to_owned()] {
        let page = world.page(&path, Some(&session)).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert_strict(&page);
        assert!(!page.text.contains("INV-0001"));
    }
    for what in ["", "/approve", "/unlink"] {
        let answer = world.submit(&format!("/settings/invoices/{id}/sync/xero{what}"), &session, &csrf, &[]).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{what}");
    }
    assert_eq!(state(&world, world.one, &id).await, None);
    let empty = world.page("/invoices", Some(&session)).await;
    assert!(empty.text.contains("No invoices yet") && empty.text.contains("send it to its client"));
}

/// C9: an invoice that cannot be synced says why in place of the button, and the server refuses a form all the same.
#[tokio::test]
async fn c9_a_draft_says_why_it_is_not_synced() {
    let (world, _) = ready().await;
    let client = world.client(world.one, "Bea Baker", "bea@example.com").await;
    let draft = world.invoice(world.one, &client, "INV-0002", InvoiceStatus::Draft).await;
    let (session, csrf) = world.session(world.one, "member").await;
    let page = world.page(&format!("/invoices/{}", draft.id), Some(&session)).await;
    assert!(!page.text.contains("Sync now") && !page.text.contains("What would change"), "{}", page.text);
    let refused = world.submit(&format!("/settings/invoices/{}/sync/xero", draft.id), &session, &csrf, &[]).await;
    assert!(refused.status.is_client_error(), "{}", refused.status);
    assert!(refused.text.contains("Back to the invoice"));
    let (other, _) = world.session(world.two, "member").await;
    let none = world.client(world.two, "Cay Carter", "cay@example.com").await;
    let sent = world.invoice(world.two, &none, "INV-0001", InvoiceStatus::Sent).await;
    let page = world.page(&format!("/invoices/{}", sent.id), Some(&other)).await;
    assert!(page.text.contains("No ledger is connected") && page.text.contains("Ask an admin"));
}

/// Whatever people type stays text.
#[tokio::test]
async fn hostile_text_stays_text() {
    let world = World::new().await;
    world.connected(world.one, UK).await;
    let client = world.client(world.one, HOSTILE, "h@example.com").await;
    let mut invoice = world.invoice(world.one, &client, "INV-0001", InvoiceStatus::Sent).await;
    invoice.id = coportal_core::id::InvoiceId::new(world.ctx().uuid());
    invoice.number = "\"><b>INV".to_owned();
    invoice.lines[0].description = HOSTILE.to_owned();
    world.store_invoice(world.one, &invoice).await;
    let (session, _) = world.session(world.one, "admin").await;
    for path in ["/invoices".to_owned(), format!("/invoices/{}", invoice.id), "/clients".to_owned(), format!("/clients/{}", client.id)] {
        let page = world.page(&path, Some(&session)).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert_strict(&page);
        for raw in ["<script>alert", "<img", "<b>INV"] {
            assert!(!page.text.contains(raw), "{path}: {raw}");
        }
        assert!(page.text.contains("&lt;script&gt;alert(1)") || page.text.contains("&lt;b&gt;INV"), "{path}");
    }
}
