//! Import, from the outside: a preview that imports nothing, exactly the ticked rows, and the links that a sync then uses (R24-R33, R141).

use std::time::Duration;

use coportal_core::ledger::Ledger;
use coportal_core::workspace::Plan;
use coportal_local::caller::Reply;
use coportal_local::run::{LocalRun, RunOptions};
use coportal_local::studio::{Studio, text};
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{connected, count, lines};

const PATIENCE: Duration = Duration::from_secs(60);

fn path(ledger: Ledger) -> String {
    format!("/v1/integrations/{ledger}/import")
}

/// Puts contacts into the ledger.
async fn seed(studio: &Studio, ledger: Ledger, contacts: &[Value]) {
    studio.at(ledger).control(Method::POST, "seed", Some(&json!({ "contacts": contacts }))).await.unwrap();
}

/// Begins a preview and asks for it until it is in this state.
async fn previewed(studio: &Studio, ledger: Ledger) -> Value {
    let begun = studio.owner.post(&format!("{}/preview", path(ledger)), &json!({})).await.unwrap();
    assert_eq!(begun.status.as_u16(), 202, "{}", begun.text());
    let at = begun.header("location").to_owned();
    assert_eq!(at, format!("{}/previews/{}", path(ledger), text(&begun.json(), "/id")));
    assert_eq!((text(&begun.json(), "/state"), &begun.json()["rows"]), ("reading", &Value::Null));
    shown(studio, &at, "ready").await
}

async fn shown(studio: &Studio, at: &str, state: &str) -> Value {
    for _ in 0..300 {
        let preview = studio.owner.get(at).await.unwrap();
        assert_eq!(preview.status.as_u16(), 200, "{}", preview.text());
        let preview = preview.json();
        if text(&preview, "/state") == state {
            return preview;
        }
        assert!(["reading", "committing"].contains(&text(&preview, "/state")), "{preview}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{at} is not {state} after half a minute");
}

fn row<'p>(preview: &'p Value, name: &str) -> &'p Value {
    preview["rows"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no row {name}: {preview}"))
}

fn tick(row: &Value, action: &str) -> Value {
    json!({"external_id": row["external_id"], "action": action})
}

async fn import(studio: &Studio, ledger: Ledger, request: &Value) -> (u16, Value) {
    let reply = studio.owner.post(&path(ledger), request).await.unwrap();
    (reply.status.as_u16(), reply.json())
}

async fn clients(studio: &Studio) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = studio.owner.get(&format!("/v1/clients?limit=100{cursor}")).await.unwrap().json();
        all.extend(page["items"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// R24 to R29, R141, I15: nothing is made before the tick, exactly the ticked rows are, and a sync uses their links; a link that a sync made
/// is shown by the next preview.
#[tokio::test(flavor = "multi_thread")]
async fn r24_r29_r141_what_is_ticked_becomes_clients_and_a_sync_uses_their_links() {
    let ledger = Ledger::Xero;
    let (local, studio) = connected().await;
    let juniper = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    let invoice = studio.send_invoice(&juniper, &lines()).await.unwrap();
    studio.at(ledger).synced(&invoice).await.unwrap();
    let quill = studio.add_client("Quill Press", "hello@quillpress.example").await.unwrap();
    let marlow = json!({"name": "Marlow Ceramics", "email": "studio@marlow.example"});
    let contacts = [
        json!({"name": "Quill Press Ltd", "email": "HELLO@quillpress.example"}),
        marlow.clone(),
        json!({"name": "Ola Berg", "email": "ola@berg.example"}),
        json!({"name": "Nobody"}),
    ];
    seed(&studio, ledger, &contacts).await;

    let preview = previewed(&studio, ledger).await;
    assert_eq!(preview["counts"], json!({"new": 3, "duplicate_email": 1, "linked": 1}));
    assert_eq!((&preview["vendor_calls"], &preview["read"]), (&json!(1), &json!(5)));
    let mapped: Vec<&str> = preview["field_mapping"].as_array().unwrap().iter().map(|row| text(row, "/coportal_field")).collect();
    assert_eq!(mapped, ["name", "email", "phone", "billing_address"], "R28");
    let (known, new, left) = (row(&preview, "Quill Press Ltd"), row(&preview, "Marlow Ceramics"), row(&preview, "Ola Berg"));
    assert_eq!((text(known, "/status"), text(known, "/client_id"), &known["ticked"]), ("duplicate_email", quill.as_str(), &json!(false)));
    assert_eq!(text(row(&preview, "Juniper & Finch Ltd"), "/client_id"), juniper, "the link that a sync made");
    assert_eq!(text(row(&preview, "Nobody"), "/note/code"), "no_email");
    assert_eq!(clients(&studio).await.len(), 2, "R29: nothing before the tick");

    let ticked = [tick(known, text(known, "/default_action")), tick(new, text(new, "/default_action")), tick(left, "skip")];
    let request = json!({"preview_id": preview["id"], "rows": ticked});
    for time in ["once", "again"] {
        let (status, done) = import(&studio, ledger, &request).await;
        assert_eq!((status, &done["created"], &done["linked"], &done["skipped"]), (200, &json!(1), &json!(1), &json!(1)), "{time}: {done}");
        assert_eq!((count(&done, "changed_since_preview"), count(&done, "failed")), (0, 0), "{time}: {done}");
        assert_eq!(clients(&studio).await.len(), 3, "{time}");
    }

    // Both are billed: their documents are at the contacts that were there, and no contact is written.
    let made = clients(&studio).await.into_iter().find(|client| client["email"] == marlow["email"]).unwrap();
    assert_eq!(made["name"], marlow["name"]);
    let before = studio.at(ledger).calls("api").await.unwrap().len();
    for (client, contact) in [(text(&made, "/id"), new), (quill.as_str(), known)] {
        let invoice = studio.send_invoice(client, &lines()).await.unwrap();
        let synced = studio.at(ledger).synced(&invoice).await.unwrap();
        let state = studio.at(ledger).state().await.unwrap();
        let document = state["documents"].as_array().unwrap().iter().find(|document| document["id"] == synced["external_id"]).unwrap();
        assert_eq!(document["contact_id"], contact["external_id"]);
        assert_eq!(count(&state, "contacts"), 5);
    }
    let calls = studio.at(ledger).calls("api").await.unwrap().split_off(before);
    assert!(calls.iter().all(|call| !text(call, "/path").contains("/Contacts")), "the link is known: {calls:?}");

    let again = previewed(&studio, ledger).await;
    assert_eq!(again["counts"], json!({"new": 2, "duplicate_email": 0, "linked": 3}));
    local.shutdown().await.unwrap();
}

/// I13, I15: what changed in the ledger is reported; who may not, may not; what is not there is not there.
#[tokio::test(flavor = "multi_thread")]
async fn i13_i15_changed_rows_are_reported_and_foreign_ids_are_not_there() {
    let ledger = Ledger::Xero;
    let (local, studio) = connected().await;
    seed(&studio, ledger, &[json!({"name": "Ola Berg", "email": "ola@berg.example"})]).await;
    let preview = previewed(&studio, ledger).await;
    let ola = row(&preview, "Ola Berg");
    let edit = json!({"action": "edit_contact", "contact_id": ola["external_id"], "email": "other@berg.example"});
    studio.at(ledger).control(Method::POST, "bookkeeper", Some(&edit)).await.unwrap();
    let request = json!({"preview_id": preview["id"], "rows": [tick(ola, "create")]});
    let (status, done) = import(&studio, ledger, &request).await;
    assert_eq!((status, &done["created"]), (200, &json!(0)), "{done}");
    assert_eq!(text(&done, "/changed_since_preview/0/external_id"), text(ola, "/external_id"));
    assert_eq!(text(&done, "/changed_since_preview/0/code"), "fields");
    assert_eq!(clients(&studio).await.len(), 0);

    let member = studio.member.post(&path(ledger), &request).await.unwrap();
    assert_eq!(member.status.as_u16(), 403, "{}", member.text());
    let forged =
        json!({"preview_id": preview["id"], "rows": [{"external_id": "5ab3b5d4-9a4b-4d6e-9d4e-0a5f0f3f8a11", "action": "create"}]});
    let missing = json!({"preview_id": "prv_00000000000070008000000000000001", "rows": []});
    let stranger = Studio::open(&local, "Another Studio").await.unwrap();
    let mut refusals = vec![import(&studio, ledger, &forged).await, import(&studio, ledger, &missing).await];
    refusals.push(import(&stranger, ledger, &request).await);
    let said: Vec<_> = refusals.iter().map(|(status, body)| (*status, text(body, "/code"), text(body, "/detail"))).collect();
    assert!(said.iter().all(|one| *one == said[0] && one.0 == 404), "{said:?}");
    local.shutdown().await.unwrap();
}

/// I13: a preview that has run out is refused as one that never was, also to who made it.
#[tokio::test(flavor = "multi_thread")]
async fn i13_an_expired_preview_is_not_there() {
    let ledger = Ledger::Xero;
    let (local, mut studio) = connected().await;
    seed(&studio, ledger, &[json!({"name": "Ola Berg", "email": "ola@berg.example"})]).await;
    let preview = previewed(&studio, ledger).await;
    local.advance(SignedDuration::from_hours(25));
    // Twelve hours after it was signed in, everybody signs in again.
    let at = format!("/__local/workspaces/{}", studio.workspace_id);
    let again = studio.owner.send(Method::PUT, &at, Some(&json!({"plan": Plan::Enterprise})), &[]).await.unwrap();
    assert_eq!(again.status.as_u16(), 200, "{}", again.text());
    studio.owner = studio.owner.with_token(text(&again.json(), "/owner_token"));

    let shown = studio.owner.get(&format!("{}/previews/{}", path(ledger), text(&preview, "/id"))).await.unwrap();
    let never = studio.owner.get(&format!("{}/previews/prv_00000000000070008000000000000001", path(ledger))).await.unwrap();
    let said = |reply: &Reply| (reply.status.as_u16(), text(&reply.json(), "/code").to_owned(), text(&reply.json(), "/detail").to_owned());
    assert_eq!((said(&shown), shown.status.as_u16()), (said(&never), 404));
    let ticked = json!([tick(row(&preview, "Ola Berg"), "create")]);
    let (expired, missing) = (
        import(&studio, ledger, &json!({"preview_id": preview["id"], "rows": ticked})).await,
        import(&studio, ledger, &json!({"preview_id": "prv_00000000000070008000000000000001", "rows": ticked})).await,
    );
    let said = |(status, body): &(u16, Value)| (*status, text(body, "/code").to_owned(), text(body, "/detail").to_owned());
    assert_eq!((said(&expired), expired.0), (said(&missing), 404));
    assert_eq!(clients(&studio).await.len(), 0);
    local.shutdown().await.unwrap();
}

/// R32, R33, C14: Business Central's whole list in one request, existing addresses skipped; more than a hundred rows are a job, which the
/// queue's worker brings to its end.
#[tokio::test(flavor = "multi_thread")]
async fn r32_r33_c14_all_customers_of_business_central_in_one_request() {
    let ledger = Ledger::BusinessCentral;
    let local = LocalRun::start(RunOptions::default()).await.unwrap();
    let studio = Studio::open(&local, "Harbour Lane Studio").await.unwrap();
    studio.at(ledger).connect().await.unwrap();
    studio.add_client("Quill Press", "hello@quillpress.example").await.unwrap();
    let there = studio.at(ledger).state().await.unwrap();
    assert_eq!(count(&there, "contacts"), 0, "{there}");
    let customer = |n: usize| json!({"name": format!("Customer {n:03} Zoë"), "email": format!("customer{n}@example.com")});
    let mut customers: Vec<Value> = (0..30).map(customer).collect();
    customers.push(json!({"name": "Quill Press Ltd", "email": "Hello@quillpress.example"}));
    seed(&studio, ledger, &customers).await;

    let (status, done) = import(&studio, ledger, &json!({"all_new": true})).await;
    assert_eq!((status, &done["created"], &done["linked"], &done["skipped"]), (200, &json!(30), &json!(0), &json!(1)), "{done}");
    assert_eq!(clients(&studio).await.len(), 31);
    let (status, again) = import(&studio, ledger, &json!({"all_new": true})).await;
    assert_eq!((status, &again["created"], &again["skipped"]), (200, &json!(0), &json!(31)), "{again}");
    assert_eq!(clients(&studio).await.len(), 31);

    seed(&studio, ledger, &(100..250).map(customer).collect::<Vec<_>>()).await;
    let reply = studio.owner.post(&path(ledger), &json!({"all_new": true})).await.unwrap();
    assert_eq!(reply.status.as_u16(), 202, "{}", reply.text());
    let at = reply.header("location").to_owned();
    assert!(local.idle(PATIENCE).await);
    let done = shown(&studio, &at, "done").await;
    assert_eq!((&done["result"]["created"], clients(&studio).await.len()), (&json!(150), 181), "{}", done["result"]);
    local.shutdown().await.unwrap();
}
