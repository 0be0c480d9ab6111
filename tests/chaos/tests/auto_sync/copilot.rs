//! The Copilot profile by itself, in QuickBooks: what its customers know, from event to ledger (C1, C10).

use chaos::world::World;
use coportal_core::connection::{Options, Profile};
use coportal_core::invoice::{InvoiceStatus, Payment};
use coportal_core::ledger::Ledger;
use coportal_core::sync::row::SyncState;
use jiff::civil::date;
use rust_decimal::Decimal;
use serde_json::json;

use crate::pumps::Pumps;

/// R68: a customer who is there already is billed, by their address. R69: changes and payments follow. R72: each at its event, no clock
/// moves and no sweep comes. R76: what is voided here is deleted there.
#[tokio::test(start_paused = true)]
async fn r68_r69_r72_r76_the_copilot_profile_by_itself() {
    let world = World::of(Ledger::Quickbooks, 35).await.unwrap();
    world.plant(json!({ "contacts": [{ "name": "Rosewood & Vale", "email": "accounts@rosewood.example" }] })).unwrap();
    let preset = Options { auto_sync: true, sync_as_draft: false, ..Options::preset(Profile::Copilot, Ledger::Quickbooks) };
    world.options(|options| *options = preset).await.unwrap();
    world.choose_payment_account().await.unwrap();
    world.wire.disarm();
    let pumps = Pumps::of(&world);
    let began = world.clock.now();
    let event = async |invoice| assert!(pumps.stream(invoice).await && pumps.deliver().await);

    event(world.invoice_id).await;
    let books = world.books();
    let made = world.only().unwrap();
    assert_eq!(books.contacts.len(), 1, "{:?}", books.contacts);
    assert_eq!(made.contact_id, books.contacts[0].id, "R68: an existing customer is reused");

    world.edit(|invoice| invoice.lines[0].quantity += Decimal::ONE).await.unwrap();
    event(world.invoice_id).await;
    let changed = world.only().unwrap();
    assert_eq!((&changed.id, changed.subtotal - made.subtotal), (&made.id, Decimal::new(48_050, 2)), "R69: a change is sent");

    let voided = world.add_invoice(1, world.client).await.unwrap();
    event(voided).await;
    assert_eq!(world.live().len(), 2);
    let payment = Payment { payment_id: "p1".to_owned(), amount: Decimal::from(100), date: date(2026, 3, 2) };
    world.edit(|invoice| invoice.payments.push(payment)).await.unwrap();
    event(world.invoice_id).await;
    let paid: Vec<(String, Decimal)> = world.books().payments.into_iter().map(|payment| (payment.document_id, payment.amount)).collect();
    assert_eq!(paid, [(made.id.clone(), Decimal::from(100))], "R69, R72: a payment is sent at once");

    world.edit_invoice(voided, |invoice| invoice.status = InvoiceStatus::Void).await.unwrap();
    event(voided).await;
    let left: Vec<String> = world.books().documents.into_iter().map(|document| document.id).collect();
    assert_eq!(left, [made.id], "R76: voided here, it is deleted there, not voided");
    assert_eq!(world.row_of(voided).await.unwrap().state, SyncState::Synced);
    assert!(began.duration_until(world.clock.now()).as_secs() < 10, "R72: instantaneous");
}
