//! Every question that Xero can raise: reached through the engine, answered in each way it offers, and the books looked at afterwards.
//!
//! C3-C6, C11, C12, C27, C29-C31; I1, I2, I5-I8.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test's helpers fail the test by panicking, and print what they counted"
)]

mod contact;
mod content;
mod document;

use chaos::wire::{Fault as WireFault, Side};
use chaos::world::{Run, World};
use coportal_core::connection::{MatchBy, NameClash, NumberPolicy, Rounding};
use coportal_core::failure::Question;
use coportal_core::invoice::{Invoice, InvoiceStatus, LineItem, TaxMode};
use coportal_core::money::Rate;
use coportal_core::problem::Outcome;
use coportal_core::sync::row::{Hold, SyncState};
use coportal_core::workspace::TaxRounding;
use coportal_engine::sync::{Changed, SyncEnd};
use jiff::SignedDuration;
use jiff::civil::date;
use rust_decimal::Decimal;
use serde_json::json;
use simulators::skeleton::faults::{Fault, FaultKind};
use simulators::skeleton::state::Contact;
use simulators::xero::{Action, Which};

async fn new() -> World {
    World::new(7).await.unwrap()
}

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn rate(text: &str) -> Rate {
    dec(text).try_into().unwrap()
}

/// The hold is the expected question with exactly these choices (a trailing `:` stands for any id), it says something, and it refuses an
/// answer that it does not offer.
async fn check(world: &World, hold: &Hold, question: Question, choices: &[&str]) {
    assert_eq!(hold.question, question, "{hold:?}");
    assert_eq!(hold.choices.len(), choices.len(), "{hold:?}");
    for (choice, expected) in hold.choices.iter().zip(choices) {
        assert!(choice.id == *expected || (expected.ends_with(':') && choice.id.starts_with(expected)), "{expected}: {hold:?}");
        assert!(!choice.label.is_empty());
    }
    assert!(hold.detail.len() > 20, "{hold:?}");
    assert_eq!(world.state().await.unwrap(), SyncState::Held);
    let before = world.simulator.calls().len();
    let refused = world.resolve(hold.id, "not offered").await.unwrap().unwrap_err();
    assert_eq!(refused.issues.first().map(|issue| issue.code.as_ref()), Some("unknown_choice"), "{refused:?}");
    assert_eq!(world.simulator.calls().len(), before, "a refused answer calls nobody");
    assert_eq!(world.state().await.unwrap(), SyncState::Held);
}

/// Answers, and checks that the same question cannot be answered twice.
async fn answer(world: &World, hold: &Hold, choice: &str) -> Outcome<SyncEnd> {
    let end = world.resolve(hold.id, choice).await.unwrap();
    let again = world.resolve(hold.id, choice).await.unwrap().unwrap_err();
    assert_eq!(again.code, "hold_closed", "{choice}");
    end
}

fn choice<'a>(hold: &'a Hold, start: &str) -> &'a str {
    &hold.choices.iter().find(|choice| choice.id.starts_with(start)).unwrap_or_else(|| panic!("{start} in {hold:?}")).id
}

/// Answers with the choice that begins so, and expects `synced`.
async fn settles(world: &World, hold: &Hold, start: &str) {
    let end = answer(world, hold, choice(hold, start)).await;
    assert!(matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.state == SyncState::Synced), "{start}: {end:?}");
    assert_eq!(world.state().await.unwrap(), SyncState::Synced, "{start}");
    at_rest(world, start).await;
}

/// R64: another click finds nothing to do and calls nobody.
async fn at_rest(world: &World, case: &str) {
    let before = world.simulator.calls().len();
    let end = world.sync(world.invoice_id).await.unwrap();
    assert!(matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Nothing), "{case}: {end:?}");
    assert_eq!(world.simulator.calls().len(), before, "{case}");
}

/// Answers, and expects the next question.
async fn asks(world: &World, hold: &Hold, start: &str, question: Question) -> Hold {
    match answer(world, hold, choice(hold, start)).await {
        Ok(SyncEnd::Held(next)) if next.question == question => {
            assert_ne!(next.id, hold.id);
            *next
        }
        other => panic!("{start}: {other:?}"),
    }
}

/// "Try again" without anything changed asks the same again, and nothing is written.
async fn retry_changes_nothing(world: &World, hold: &Hold) -> Hold {
    let books = world.books();
    let next = asks(world, hold, "retry", hold.question).await;
    assert_eq!(world.books(), books);
    next
}

async fn total(world: &World) -> Decimal {
    let rounding = world.process().unwrap().store.workspace(world.workspace).await.unwrap().unwrap().tax_rounding;
    world.invoice().await.unwrap().totals(rounding).total
}

/// One document with the invoice's total, tied to the row.
async fn one_document(world: &World) -> simulators::skeleton::state::Document {
    let only = world.only().unwrap();
    assert_eq!(only.total, total(world).await);
    assert_eq!(world.row().await.unwrap().link.unwrap().external_id, only.id);
    only
}

fn active(world: &World) -> Vec<Contact> {
    world.books().contacts.into_iter().filter(|contact| contact.status == "active").collect()
}

fn contact(world: &World, name: &str, email: &str) -> String {
    let state = world.plant(json!({ "contacts": [{ "name": name, "email": email }] })).unwrap();
    state.contacts[0].id.clone()
}

const NAME: &str = "Rosewood & Vale";
const EMAIL: &str = "accounts@rosewood.example";

fn organisation(change: serde_json::Value) -> serde_json::Value {
    let mut organisation = json!({ "name": "Harbour & Hill Ltd" });
    organisation.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    json!({ "organisations": [organisation] })
}

async fn synced() -> World {
    let world = new().await;
    world.synced().await.unwrap();
    world
}

fn dearer(invoice: &mut Invoice) {
    invoice.lines[0].unit_price += Decimal::ONE;
}
