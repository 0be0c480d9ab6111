//! Clients, attention, backfill, changes there and activity, as a person meets them.

use coportal_aws::records::sign_in::people::Person;
use coportal_core::id::ClientId;
use coportal_core::invoice::InvoiceStatus;
use http::StatusCode;

use crate::pages::assert_strict;
use crate::world::{Answered, UK, World};

async fn follow(world: &World, answer: &Answered, session: &str) -> Answered {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    world.page(answer.header("location"), Some(session)).await
}

/// R110, R111, R112, R113, R114, R115, R117, R118, R119, R133, R134: a client is made, changed, given a contact person, archived and brought back, by forms alone.
#[tokio::test]
async fn r110_r133_a_client_by_forms() {
    let world = World::new().await;
    let (session, csrf) = world.session(world.one, "member").await;
    let page = world.page("/clients", Some(&session)).await;
    assert_strict(&page);
    assert!(page.text.contains("No clients yet") && page.text.contains(r#"href="/clients/new""#));
    let form = world.page("/clients/new", Some(&session)).await;
    assert_strict(&form);
    let refused = world.submit("/settings/clients", &session, &csrf, &[("name", " "), ("email", "ann")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_strict(&refused);
    assert!(
        refused.text.contains(r#"aria-invalid="true""#) && refused.text.contains(r#"value="ann""#),
        "what was typed comes back: {}",
        refused.text
    );
    let fields = [("name", "Ann Archer"), ("email", "ann@example.com"), ("city", "Leeds"), ("notes", "pays late")];
    let fields = [fields.as_slice(), &[("company", "Archer & Daughters"), ("phone", "+44 113 496 0000")]].concat();
    let made = world.submit("/settings/clients", &session, &csrf, &fields).await;
    let page = follow(&world, &made, &session).await;
    assert_strict(&page);
    let path = made.header("location").to_owned();
    let id: ClientId = path.trim_start_matches("/clients/").parse().unwrap();
    for text in [
        "Ann Archer",
        "ann@example.com",
        "Leeds",
        "pays late",
        "Archer &amp; Daughters",
        "+44 113 496 0000",
        "No invoices yet",
        "No contact persons",
    ] {
        assert!(page.text.contains(text), "{text}");
    }
    let at = |what: &str| format!("/settings/clients/{id}{what}");

    let refused = world.submit(&at("/contacts"), &session, &csrf, &[("name", "Fay"), ("email", "fay")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains(r#"value="fay""#));
    let added = world.submit(&at("/contacts"), &session, &csrf, &[("name", "Fay Finance"), ("email", "fay@example.com")]).await;
    let page = follow(&world, &added, &session).await;
    assert!(page.text.contains("Fay Finance"));
    let remove =
        page.text.split(r#"action=""#).map(|rest| rest.split('"').next().unwrap()).find(|action| action.ends_with("/remove")).unwrap();
    let removed = world.submit(remove, &session, &csrf, &[]).await;
    assert!(!follow(&world, &removed, &session).await.text.contains("Fay Finance"));

    assert!(page.text.contains("<dt>Company</dt>"));
    let fields = [("name", "Ann Archer Ltd"), ("company", "Ann Archer Ltd"), ("email", "ann@example.com")];
    let changed = world.submit(&at(""), &session, &csrf, &fields).await;
    let page = follow(&world, &changed, &session).await;
    assert!(page.text.contains("Ann Archer Ltd") && !page.text.contains("pays late"), "an emptied field is emptied");
    assert!(!page.text.contains("<dt>Company</dt>"), "R113: a company of the same name is not said twice");
    let archived = world.submit(&at("/archive"), &session, &csrf, &[]).await;
    assert!(follow(&world, &archived, &session).await.text.contains(">Archived<"));
    assert!(!world.page("/clients", Some(&session)).await.text.contains("Ann Archer Ltd"), "R133");
    assert!(world.page("/clients?archived=true", Some(&session)).await.text.contains("Ann Archer Ltd"), "R134");
    let back = world.submit(&at("/unarchive"), &session, &csrf, &[]).await;
    assert!(!follow(&world, &back, &session).await.text.contains(">Archived<"));
}

/// Another workspace's client is not there; a form without the page's token changes nothing.
#[tokio::test]
async fn another_workspaces_client_is_not_there_and_forgeries_change_nothing() {
    let world = World::new().await;
    let client = world.client(world.one, "Ann Archer", "ann@example.com").await;
    let (theirs, their_csrf) = world.session(world.two, "owner").await;
    assert_eq!(world.page(&format!("/clients/{}", client.id), Some(&theirs)).await.status, StatusCode::NOT_FOUND);
    let fields = [("name", "Mallory"), ("email", "m@example.com")];
    for what in ["", "/archive", "/contacts"] {
        let sent: &[(&str, &str)] = if what == "/archive" { &[] } else { &fields };
        let answer = world.submit(&format!("/settings/clients/{}{what}", client.id), &theirs, &their_csrf, sent).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{what}");
    }
    let (session, _) = world.session(world.one, "owner").await;
    for csrf in ["", their_csrf.as_str()] {
        let answer = world.submit(&format!("/settings/clients/{}", client.id), &session, csrf, &fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(world.store().client(world.one.id, client.id).await.unwrap().unwrap().value, client);
}

/// C21: attention, backfill, changes there and activity are for admins; the server says so, and the sidebar does not lead a member there.
#[tokio::test]
async fn c21_what_is_for_admins_is_refused_to_members() {
    let world = World::new().await;
    world.connected(world.one, UK).await;
    let (session, csrf) = world.session(world.one, "member").await;
    for path in ["/settings/attention", "/settings/attention.csv", "/settings/backfill", "/settings/drift", "/settings/audit"] {
        let page = world.page(path, Some(&session)).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        assert_strict(&page);
        assert!(page.text.contains("an admin"), "{path}: {}", page.text);
        let signed_out = world.page(path, None).await;
        assert_eq!(signed_out.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let key = world.ctx().uuid().to_string();
    for (path, fields) in
        [("/settings/attention/retry", vec![]), ("/settings/backfill/xero", vec![("key", key.as_str())]), ("/settings/drift/xero", vec![])]
    {
        assert_eq!(world.submit(path, &session, &csrf, &fields).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let invoices = world.page("/invoices", Some(&session)).await;
    assert!(!invoices.text.contains("/settings/attention") && invoices.text.contains(r#"href="/clients""#));
}

/// Every empty page says what to do next; activity names who did what.
#[tokio::test]
async fn empty_states_say_what_to_do_next() {
    let world = World::new().await;
    let (session, _) = world.session(world.one, "admin").await;
    for (path, text) in [
        ("/settings/attention", "Nothing needs you"),
        ("/settings/backfill", "Connect one in Integrations"),
        ("/settings/drift", "Connect one in Integrations"),
        ("/settings/audit", "Nothing has happened yet"),
    ] {
        let page = world.page(path, Some(&session)).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
        assert_strict(&page);
        assert!(page.text.contains(text), "{path}: {}", page.text);
    }
    world.connected(world.one, UK).await;
    let page = world.page("/settings/audit", Some(&session)).await;
    assert!(page.text.contains("Connect started") && page.text.contains("<td>You</td>") && page.text.contains("Xero"), "{}", page.text);
    let admin = Person { name: Some("Ada Admin".to_owned()), email: Some("ada@studio.example".to_owned()) };
    let (reader, _) = world.session(world.one, "owner").await;
    let page = world.page("/settings/audit", Some(&reader)).await;
    assert!(page.text.contains("<td>admin</td>"), "of whom CoPortal knows neither name nor address: {}", page.text);
    assert!(world.store().put_profile(&world.ctx(), &"admin".parse().unwrap(), &admin, true).await.unwrap());
    let page = world.page("/settings/audit", Some(&reader)).await;
    assert!(
        page.text.contains("<td>ada@studio.example<small>admin</small></td>") && !page.text.contains("<td>admin</td>"),
        "{}",
        page.text
    );
    let page = world.page("/settings/drift", Some(&session)).await;
    assert!(page.text.contains("Not compared yet") && page.text.contains("Compare now"));
}

/// The spreadsheet has the API's columns, and its cells compute nothing.
#[tokio::test]
async fn the_attention_list_as_a_spreadsheet() {
    let world = World::new().await;
    let (session, _) = world.session(world.one, "admin").await;
    let table = world.page("/settings/attention.csv", Some(&session)).await;
    assert_eq!((table.status, table.header("content-type")), (StatusCode::OK, "text/csv; charset=utf-8"));
    assert!(table.header("content-disposition").contains("attention.csv"));
    assert_eq!(table.text, "invoice_id,ledger,state,since,question,detail,fix\r\n");
    let (_, csrf) = world.session(world.one, "admin").await;
    let refused = world.submit("/settings/attention/retry", &session, &csrf, &[("state", "held"), ("ledger", "")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "another session's token");
}

/// R36, C30: what a backfill takes is shown before it begins; the same form twice begins one; it can be found again, and ended.
#[tokio::test]
async fn a_backfill_is_planned_begun_once_and_ended() {
    let world = World::new().await;
    world.connected(world.one, UK).await;
    let client = world.client(world.one, "Ann Archer", "ann@example.com").await;
    for number in 1..=3 {
        world.invoice(world.one, &client, &format!("INV-000{number}"), InvoiceStatus::Sent).await;
    }
    let (session, csrf) = world.session(world.one, "admin").await;
    let page = world.page("/settings/backfill", Some(&session)).await;
    assert!(page.text.contains(r#"value="2026-03-02""#), "C30: it begins on the day of the connection: {}", page.text);
    let wrong = world.page("/settings/backfill?ledger=xero&plan=yes&from=2026-03-02&to=2026-03-01&status=", Some(&session)).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("before the first one"), "{}", wrong.text);
    let none = world.page("/settings/backfill?ledger=xero&plan=yes&from=2026-03-20&to=&status=", Some(&session)).await;
    assert!(none.text.contains("No invoice fits"));
    let plan = world.page("/settings/backfill?ledger=xero&plan=yes&from=2026-03-01&to=&status=sent", Some(&session)).await;
    assert_strict(&plan);
    assert!(plan.text.contains("Send 3 invoices") && plan.text.contains("about a minute"), "{}", plan.text);
    let key = plan.text.split(r#"name="key" value=""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let fields = [("from", "2026-03-01"), ("to", ""), ("status", "sent"), ("key", key.as_str())];
    let refused = world.submit("/settings/backfill/xero", &session, "", &fields).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let begun = world.submit("/settings/backfill/xero", &session, &csrf, &fields).await;
    let again = world.submit("/settings/backfill/xero", &session, &csrf, &fields).await;
    assert_eq!(begun.header("location"), again.header("location"), "the same page sent twice begins one");
    let page = follow(&world, &begun, &session).await;
    assert_strict(&page);
    assert!(page.text.contains("Under way") && page.text.contains("End it here"), "{}", page.text);
    let list = world.page("/settings/backfill", Some(&session)).await;
    assert!(list.text.contains(begun.header("location")) && list.text.contains("Invoices from 2026-03-01, sent"));
    let (theirs, their_csrf) = world.session(world.two, "admin").await;
    assert_eq!(world.page(begun.header("location"), Some(&theirs)).await.status, StatusCode::NOT_FOUND);
    let cancel = format!("{}/cancel", begun.header("location"));
    assert_eq!(world.submit(&cancel, &theirs, &their_csrf, &[]).await.status, StatusCode::NOT_FOUND);
    let ended = world.submit(&cancel, &session, &csrf, &[]).await;
    let page = follow(&world, &ended, &session).await;
    assert!(page.text.contains("being ended") || page.text.contains(">Ended<"), "{}", page.text);
}
