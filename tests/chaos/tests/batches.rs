//! Several invoices of one connection in one process: what travels in one call, what each row keeps of it, and what is left when the call or
//! the process is lost (K19, K20; design decisions 7 and 8).
//!
//! I1, I2, I5, I6, I10; R64, R140, R141.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where it fails, and prints how many cases it ran"
)]

use std::collections::BTreeMap;

use chaos::wire::{Fault, Side};
use chaos::world::World;
use coportal_core::connection::{MatchBy, NumberPolicy};
use coportal_core::id::InvoiceId;
use coportal_core::invoice::Invoice;
use coportal_core::ledger::Ledger;
use coportal_core::problem::Outcome;
use coportal_core::sync::row::SyncState;
use coportal_core::timeline::Actor;
use coportal_engine::sync::{Changed, SyncEnd};
use jiff::SignedDuration;
use rust_decimal::Decimal;
use serde_json::json;
use simulators::skeleton::calls::Kind;
use simulators::skeleton::faults::{Fault as FaultOf, FaultKind};

/// A connected world with `clients` new clients and `invoices` sent invoices, the clients in turn.
async fn scene(ledger: Ledger, clients: u128, invoices: u128) -> (World, Vec<InvoiceId>) {
    let world = World::of(ledger, 1).await.unwrap();
    // Where the ledger has no drafts, nothing waits here for "Post".
    world.options(|options| options.sync_as_draft = ledger != Ledger::Quickbooks).await.unwrap();
    let mut ids = Vec::new();
    for n in 0..clients {
        let id = world.add_client(n + 1).await.unwrap();
        world
            .edit_client(id, |client| {
                client.name = format!("Client {n:03} Ltd");
                client.email = format!("office{n}@client.example");
            })
            .await
            .unwrap();
        ids.push(id);
    }
    let mut all = Vec::new();
    for n in 0..invoices {
        let client = ids[usize::try_from(n % clients).unwrap()];
        all.push(world.add_invoice(n + 1, client).await.unwrap());
    }
    world.wire.disarm();
    (world, all)
}

fn synced(end: &Outcome<SyncEnd>) -> bool {
    matches!(end, Ok(SyncEnd::Synced(_)))
}

/// The API calls since, method and path without ids.
fn api_calls(world: &World, since: usize) -> Vec<String> {
    let calls = world.simulator.calls().split_off(since);
    let api = calls.into_iter().filter(|call| call.kind == Kind::Api);
    api.map(|call| format!("{} {}", call.method, call.path.split('?').next().unwrap_or_default().rsplit('/').next().unwrap())).collect()
}

/// Runs all of them until none is due, moving the clock as the answers say; the ends by invoice.
async fn to_rest(world: &World, all: &[InvoiceId], case: &str) -> BTreeMap<InvoiceId, Outcome<SyncEnd>> {
    let mut ends = BTreeMap::new();
    let mut left = all.to_vec();
    for _ in 0..14 {
        let Some(some) = world.together(&left).await.unwrap() else { panic!("{case}: a process died although nothing was armed") };
        let mut until = None;
        left.clear();
        for (invoice, end) in some {
            let due = match &end {
                Ok(SyncEnd::InProgress { until }) => Some(*until),
                Ok(SyncEnd::Waiting { due_at, .. }) => *due_at,
                Err(problem) if problem.fix.as_ref().is_some_and(|fix| fix.retry_helps) => Some(world.clock.now()),
                Ok(_) | Err(_) => None,
            };
            if let Some(due) = due {
                left.push(invoice);
                until = until.max(Some(due));
            }
            ends.insert(invoice, end);
        }
        let Some(until) = until else { return ends };
        let wait = world.clock.now().duration_until(until) + SignedDuration::from_secs(1);
        world.clock.advance(wait.max(SignedDuration::from_secs(1)));
    }
    panic!("{case}: not at rest: {ends:?}");
}

/// One document for each invoice, one contact for each client, and everything synced; once more costs nothing.
async fn check(world: &World, all: &[InvoiceId], clients: usize, case: &str) {
    let ends = to_rest(world, all, case).await;
    assert!(ends.values().all(synced), "{case}: {ends:?}");
    let live = world.live();
    assert_eq!(live.len(), all.len(), "{case}: one document each");
    let mut numbers: Vec<_> = live.iter().map(|document| document.reference.clone().or(document.number.clone())).collect();
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), all.len(), "{case}: {numbers:?}");
    let ours = world.books().contacts.into_iter().filter(|contact| contact.name.starts_with("Client ")).count();
    assert_eq!(ours, clients, "{case}: one contact each");
    for invoice in all {
        assert_eq!(world.row_of(*invoice).await.unwrap().state, SyncState::Synced, "{case}");
    }
    let before = world.simulator.calls().len();
    let again = world.together(all).await.unwrap().unwrap();
    assert!(again.iter().all(|(_, end)| matches!(end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Nothing)), "{case}");
    assert_eq!(world.simulator.calls().len(), before, "{case}: a plain re-run calls nobody");
}

#[tokio::test(start_paused = true)]
async fn xero_fifty_invoices_of_ten_new_clients_take_three_calls() {
    let (world, all) = scene(Ledger::Xero, 10, 50).await;
    let before = world.simulator.calls().len();
    let ends = world.together(&all).await.unwrap().unwrap();
    assert!(ends.iter().all(|(_, end)| synced(end)), "{ends:?}");
    assert_eq!(ends.iter().map(|(invoice, _)| *invoice).collect::<Vec<_>>(), all, "in the order given");
    let calls = api_calls(&world, before);
    assert_eq!(calls, ["GET Contacts", "PUT Contacts", "PUT Invoices"]);
    let counted: u32 = ends.iter().map(|(_, end)| if let Ok(SyncEnd::Synced(answer)) = end { answer.vendor_calls } else { 0 }).sum();
    assert_eq!(counted, 3, "a batch is counted once");
    check(&world, &all, 10, "fifty").await;
}

/// The reads are two batches for all, whatever their number.
#[tokio::test(start_paused = true)]
async fn several_invoices_are_read_in_two_batches() {
    let (world, all) = scene(Ledger::Xero, 2, 10).await;
    world.together(&all).await.unwrap().unwrap();
    world.together(&all).await.unwrap().unwrap();
    let reads = world.wire.passed().iter().filter(|call| call.operation.ends_with("BatchGetItem")).count();
    assert_eq!(reads, 2, "{:?}", world.wire.passed());
}

#[tokio::test(start_paused = true)]
async fn xero_updates_are_read_and_written_in_one_call_each() {
    let (world, all) = scene(Ledger::Xero, 2, 5).await;
    check(&world, &all, 2, "first").await;
    for invoice in &all {
        edit(&world, *invoice).await;
    }
    let before = world.simulator.calls().len();
    let ends = world.together(&all).await.unwrap().unwrap();
    assert!(ends.iter().all(|(_, end)| matches!(end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Updated)), "{ends:?}");
    assert_eq!(api_calls(&world, before), ["GET Invoices", "POST Invoices"]);
    check(&world, &all, 2, "updated").await;
}

#[tokio::test(start_paused = true)]
async fn quickbooks_gathers_looks_and_guarded_updates_and_never_a_create() {
    let (world, all) = scene(Ledger::Quickbooks, 1, 4).await;
    let before = world.simulator.calls().len();
    check_made(&world, &all).await;
    let calls = api_calls(&world, before);
    assert_eq!(calls.iter().filter(|call| *call == "POST invoice").count(), 4, "{calls:?}");
    assert_eq!(calls.len(), 7, "a search, a customer, one look for four numbers, four creates: {calls:?}");
    for invoice in &all {
        edit(&world, *invoice).await;
    }
    let before = world.simulator.calls().len();
    let ends = world.together(&all).await.unwrap().unwrap();
    assert!(ends.iter().all(|(_, end)| matches!(end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Updated)), "{ends:?}");
    assert_eq!(api_calls(&world, before), ["POST batch"], "each is guarded by its SyncToken");
    check(&world, &all, 1, "updated").await;
}

#[tokio::test(start_paused = true)]
async fn business_central_gathers_looks() {
    let (world, all) = scene(Ledger::BusinessCentral, 1, 3).await;
    let before = world.simulator.calls().len();
    check_made(&world, &all).await;
    let calls = api_calls(&world, before);
    assert_eq!(calls.iter().filter(|call| *call == "POST salesInvoices").count(), 3, "{calls:?}");
    assert!(!calls.iter().any(|call| call == "GET salesInvoices"), "one batch looks for all references: {calls:?}");
    check(&world, &all, 1, "made").await;
}

#[tokio::test(start_paused = true)]
async fn sage_has_no_batches_and_each_is_made_alone() {
    let (world, all) = scene(Ledger::Sage, 2, 3).await;
    check_made(&world, &all).await;
    check(&world, &all, 2, "made").await;
}

async fn check_made(world: &World, all: &[InvoiceId]) {
    let ends = world.together(all).await.unwrap().unwrap();
    assert!(ends.iter().all(|(_, end)| synced(end)), "{ends:?}");
}

async fn edit(world: &World, invoice: InvoiceId) {
    world.edit_invoice(invoice, |invoice: &mut Invoice| invoice.lines[0].unit_price += Decimal::ONE).await.unwrap();
}

/// A lost batch, done or not: every row is in doubt, none is sent again, and one look-up settles them all.
#[tokio::test(start_paused = true)]
async fn i1_a_lost_batch_is_settled_by_one_look_up_of_all_rows() {
    for fault in [Fault::AnswerLost, Fault::RequestLost] {
        for (kind, path) in [("creates", "PUT /api.xro/2.0/Invoices"), ("contacts", "PUT /api.xro/2.0/Contacts")] {
            let case = format!("{kind}, {fault:?}");
            let (world, all) = scene(Ledger::Xero, 5, 5).await;
            if kind == "creates" {
                // Their contacts are there.
                resolve(&world, &all).await;
            }
            let at = position(&world, &all, path).await;
            world.wire.arm(at, fault);
            let before = world.simulator.calls().len();
            let ends = world.together(&all).await.unwrap().unwrap();
            assert!(world.wire.struck(), "{case}");
            world.wire.disarm();
            let settled_at = world.clock.now() + SignedDuration::from_mins(7);
            for (_, end) in &ends {
                let Ok(SyncEnd::Waiting { state: SyncState::Uncertain, due_at: Some(due), .. }) = end else { panic!("{case}: {end:?}") };
                assert!(*due >= settled_at, "{case}: a miss does not count before the settle time: {due}");
            }
            let sent = api_calls(&world, before).iter().filter(|call| path.ends_with(call.strip_prefix("PUT ").unwrap_or("?"))).count();
            assert!(sent <= 1, "{case}: nothing is sent again");
            // Sooner than that nobody looks, however often they are asked for.
            let early = world.simulator.calls().len();
            world.together(&all).await.unwrap().unwrap();
            assert_eq!(world.simulator.calls().len(), early, "{case}: no look that cannot settle");
            world.clock.advance(SignedDuration::from_mins(8));
            let before = world.simulator.calls().len();
            let ends = world.together(&all).await.unwrap().unwrap();
            assert!(ends.iter().all(|(_, end)| synced(end)), "{case}: {ends:?}");
            let calls = api_calls(&world, before);
            let looks = calls.iter().filter(|call| call.starts_with("GET")).count();
            let expected = if fault == Fault::AnswerLost || kind == "creates" { 1 } else { 2 };
            assert!(looks <= expected, "{case}: {calls:?}");
            check(&world, &all, 5, &case).await;
        }
    }
}

/// The place of a vendor call in the run that makes it, found in a world of its own.
async fn position(world: &World, all: &[InvoiceId], path: &str) -> usize {
    let (twin, same) = scene(Ledger::Xero, 5, 5).await;
    assert_eq!(same, all);
    if !world.books().contacts.is_empty() {
        resolve(&twin, &same).await;
    }
    twin.together(&same).await.unwrap().unwrap();
    twin.wire.passed().iter().position(|call| call.side == Side::Vendor && call.operation == path).unwrap()
}

async fn resolve(world: &World, all: &[InvoiceId]) {
    let (engine, ctx) = (world.process().unwrap(), world.ctx());
    let generation = world.connection().await.unwrap().value.generation;
    let actor = Actor::User(world.user.clone());
    let resolved = engine.resolve_contacts(&ctx, world.workspace, world.ledger, generation, all, actor, 0).await.unwrap();
    assert!(resolved.asked.is_empty() && resolved.left.is_empty() && resolved.waiting.is_empty(), "{resolved:?}");
}

/// K20: a batch that half fails. The good rows are stored, and each bad one has its own question.
#[tokio::test(start_paused = true)]
async fn k20_a_half_failed_batch_keeps_each_rows_outcome() {
    let (world, all) = scene(Ledger::Xero, 5, 5).await;
    resolve(&world, &all).await;
    // A bookkeeper has used the number of the second invoice, and archived the client of the fourth.
    world.plant(json!({ "documents": [{ "number": "INV-A0002", "status": "approved", "total": "10" }] })).unwrap();
    let fourth = world.books().contacts.into_iter().find(|contact| contact.name == "Client 003 Ltd").unwrap().id;
    world.bookkeeper(json!({ "action": "archive_contact", "contact_id": fourth })).unwrap();
    let before = world.simulator.calls().len();
    let ends = world.together(&all).await.unwrap().unwrap();
    let calls = api_calls(&world, before);
    assert_eq!(calls.iter().filter(|call| *call == "PUT Invoices").count(), 1, "{calls:?}");
    for (place, (_, end)) in ends.iter().enumerate() {
        match place {
            1 => assert!(matches!(end, Ok(SyncEnd::Held(hold)) if hold.question.code() == "number_taken"), "{end:?}"),
            3 => assert!(matches!(end, Ok(SyncEnd::Held(hold)) if hold.question.code() == "contact_gone"), "{end:?}"),
            _ => assert!(synced(end), "{end:?}"),
        }
    }
    let ours = world.live().into_iter().filter(|document| document.created_by_app).count();
    assert_eq!(ours, 3);
}

/// A limit parks all rows, with nothing in doubt.
#[tokio::test(start_paused = true)]
async fn a_throttled_batch_parks_all_rows() {
    let (world, all) = scene(Ledger::Xero, 5, 5).await;
    resolve(&world, &all).await;
    let headers = [("retry-after".to_owned(), "30".to_owned())].into();
    world.simulator.post_faults(vec![FaultOf { status: Some(429), headers, ..FaultOf::on("/Invoices", FaultKind::Status) }]);
    let ends = world.together(&all).await.unwrap().unwrap();
    assert!(ends.iter().all(|(_, end)| matches!(end, Ok(SyncEnd::Waiting { state: SyncState::Waiting, .. }))), "{ends:?}");
    for invoice in &all {
        assert!(world.row_of(*invoice).await.unwrap().intent.is_none(), "nothing is in doubt");
    }
    check(&world, &all, 5, "throttled").await;
}

/// K6 to K20 for a batch of five: at every call, to AWS and to the vendor, the process dies before or after it, or its answer or request is
/// lost; then all rows go on to their rest. Always one document and one contact each.
#[tokio::test(start_paused = true)]
async fn i1_kill_matrix_of_a_batch_of_five() {
    let (world, all) = scene(Ledger::Xero, 3, 5).await;
    world.together(&all).await.unwrap().unwrap();
    let calls = world.wire.passed();
    let mut cases = 0;
    for (k, call) in calls.iter().enumerate() {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::AnswerLost, Fault::RequestLost] {
            let case = format!("call {k} ({}), {fault:?}", call.operation);
            let (world, all) = scene(Ledger::Xero, 3, 5).await;
            world.wire.arm(k, fault);
            let run = world.together(&all).await.unwrap();
            assert!(world.wire.struck(), "{case}: the fault did not strike");
            assert_eq!(run.is_none(), matches!(fault, Fault::CrashBefore | Fault::CrashAfter), "{case}");
            world.wire.disarm();
            check(&world, &all, 3, &case).await;
            cases += 1;
        }
    }
    println!("a batch of five: {} calls, {cases} cases", calls.len());
    assert!(cases > 80);
}

/// Where the ledger gives the numbers nothing but the mark tells one row's document from another's.
#[tokio::test(start_paused = true)]
async fn i1_a_lost_batch_without_numbers_is_found_by_its_references() {
    let (world, all) = scene(Ledger::Xero, 1, 4).await;
    world.options(|options| options.number = NumberPolicy::ReferenceOnly).await.unwrap();
    resolve(&world, &all).await;
    world.simulator.post_faults(vec![FaultOf::on("/Invoices", FaultKind::TimeoutAfter)]);
    world.together(&all).await.unwrap().unwrap();
    check(&world, &all, 1, "without numbers").await;
}

/// The first invoice of a new client needs a person; the next one makes the contact all the same, once, and without looking again and again.
#[tokio::test(start_paused = true)]
async fn a_held_invoice_does_not_hold_up_its_client() {
    let (world, all) = scene(Ledger::Xero, 1, 3).await;
    let unknown = Decimal::from(7).try_into().unwrap();
    world.edit_invoice(all[0], |invoice| invoice.lines[0].tax_rate = Some(unknown)).await.unwrap();
    let ends = world.together(&all).await.unwrap().unwrap();
    assert!(matches!(&ends[0].1, Ok(SyncEnd::Held(hold)) if hold.question.code() == "map_tax"), "{ends:?}");
    assert!(ends[1..].iter().all(|(_, end)| synced(end)), "{ends:?}");
    let (contacts, invoices) = (world.simulator.calls(), world.live().len());
    let searches = contacts.iter().filter(|call| call.method == "GET" && call.path.contains("/Contacts")).count();
    assert_eq!((searches, invoices), (1, 2));
}

/// Backfill's bound: contacts beyond one page are listed once, missing ones made in batches, documents in batches of fifty.
#[tokio::test(start_paused = true)]
async fn a_backfill_of_two_hundred_invoices_over_sixty_new_clients() {
    let (world, all) = scene(Ledger::Xero, 60, 200).await;
    let others: Vec<_> = (0..1_001).map(|n| json!({ "name": format!("Other {n:04}"), "email": format!("o{n}@other.example") })).collect();
    world.plant(json!({ "contacts": others })).unwrap();
    let before = world.simulator.calls().len();
    resolve(&world, &all).await;
    assert_eq!(api_calls(&world, before), ["GET Contacts", "GET Contacts", "PUT Contacts", "PUT Contacts"]);
    for chunk in all.chunks(50) {
        check_made(&world, chunk).await;
    }
    let calls = api_calls(&world, before);
    assert_eq!(calls.len(), 8, "two pages, two batches of contacts, four of invoices: {calls:?}");
    let again = world.simulator.calls().len();
    resolve(&world, &all).await;
    for chunk in all.chunks(50) {
        check_made(&world, chunk).await;
    }
    assert_eq!(world.simulator.calls().len(), again, "a plain re-run calls nobody");
    assert_eq!(world.live().len(), 200);
}

/// C3, C4: a match is linked, half a match is asked about, several are; nobody is guessed, from the list as from a search.
#[tokio::test(start_paused = true)]
async fn c3_contacts_in_bulk_are_matched_as_one_by_one() {
    let (world, all) = scene(Ledger::Xero, 6, 6).await;
    world.options(|options| options.match_by = vec![MatchBy::Email, MatchBy::Name]).await.unwrap();
    world
        .plant(json!({ "contacts": [
            { "name": "Client 000 Ltd", "email": "office0@client.example" },
            { "name": "Another name", "email": "office1@client.example" },
            { "name": "Twin A", "email": "office2@client.example" },
            { "name": "Twin B", "email": "office2@client.example" },
            { "name": "Client 003 Ltd", "status": "archived", "email": "office3@client.example" },
        ] }))
        .unwrap();
    let (engine, ctx) = (world.process().unwrap(), world.ctx());
    let generation = world.connection().await.unwrap().value.generation;
    let actor = Actor::User(world.user.clone());
    let resolved = engine.resolve_contacts(&ctx, world.workspace, world.ledger, generation, &all, actor, 0).await.unwrap();
    assert_eq!((resolved.linked.len(), resolved.asked.len(), resolved.left.len()), (4, 2, 0), "{resolved:?}");
    let asked: Vec<InvoiceId> = resolved.asked.iter().map(|(_, invoice)| *invoice).collect();
    let questions: Vec<_> = [
        world.row_of(asked[0]).await.unwrap().hold.unwrap().question.code(),
        world.row_of(asked[1]).await.unwrap().hold.unwrap().question.code(),
    ]
    .into();
    assert_eq!(questions, ["confirm_contact", "choose_contact"]);
    let made = world.books().contacts.into_iter().filter(|contact| contact.number.is_some()).count();
    assert_eq!(made, 3, "the archived one, and two that nobody has");
}

/// A ledger that fixes a contact's currency has one for each: neither is taken for the other, by its mark or by its name.
#[tokio::test(start_paused = true)]
async fn c3_a_client_has_a_contact_for_each_currency_of_its_invoices() {
    for (ledger, seed) in [
        (Ledger::Sage, json!({ "name": "Harbour & Lane Ltd", "currencies": ["EUR"] })),
        (
            Ledger::Quickbooks,
            json!({ "name": "Harbour & Hill Ltd", "currencies": ["EUR"],
            "preferences": { "CurrencyPrefs": { "MultiCurrencyEnabled": true } } }),
        ),
    ] {
        for together in [false, true] {
            let case = format!("{ledger}, together: {together}");
            let (world, all) = scene(ledger, 1, 4).await;
            world.plant(json!({ "organisations": [seed] })).unwrap();
            world.clock.advance(SignedDuration::from_hours(25));
            for invoice in [all[1], all[3]] {
                world.edit_invoice(invoice, |invoice: &mut Invoice| invoice.currency = "EUR".parse().unwrap()).await.unwrap();
            }
            if together {
                let ends = to_rest(&world, &all, &case).await;
                assert!(ends.values().all(synced), "{case}: {ends:?}");
            } else {
                for invoice in &all {
                    let end = world.sync(*invoice).await.unwrap();
                    assert!(synced(&end), "{case}: {end:?}");
                }
            }
            let mut currencies: Vec<_> = world.live().into_iter().map(|document| (document.currency, document.contact_id)).collect();
            currencies.sort();
            currencies.dedup();
            assert_eq!(currencies.len(), 2, "{case}: {currencies:?}");
            assert_ne!(currencies[0].1, currencies[1].1, "{case}");
            check(&world, &all, 2, &case).await;
        }
    }
}

/// Contacts that the list shows are brought up to date by it: the version that an update must name is in it.
#[tokio::test(start_paused = true)]
async fn c27_contacts_matched_in_bulk_are_brought_up_to_date() {
    for ledger in Ledger::ALL {
        let (world, all) = scene(ledger, 4, 4).await;
        world.options(|options| options.match_by = vec![MatchBy::Name]).await.unwrap();
        let planted: Vec<_> = (0..4).map(|n| json!({ "name": format!("Client {n:03} Ltd") })).collect();
        world.plant(json!({ "contacts": planted })).unwrap();
        check(&world, &all, 4, &ledger.to_string()).await;
        for contact in world.books().contacts.iter().filter(|contact| contact.name.starts_with("Client ")) {
            assert!(contact.email.as_deref().is_some_and(|email| email.starts_with("office")), "{ledger}: {contact:?}");
        }
    }
}
