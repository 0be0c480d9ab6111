//! The bookkeeper's work, then our void (C10) or a payment that was received (C1): never where money is applied, never on what is closed there
//! or was not made by us, and no payment twice.

use coportal_aws::keys::Choice;
use coportal_core::connection::{OnVoid, Payments};
use coportal_core::failure::Question;
use coportal_core::invoice::{InvoiceStatus, Payment};
use coportal_core::ledger::Ledger;
use coportal_engine::sync::SyncEnd;
use jiff::civil::date;
use serde_json::json;
use simulators::skeleton::state::State;

use crate::books::{Origin, dec, prepare};
use crate::rest::quiet;
use crate::work::{ALL, Work};

/// Whether a person is asked instead of voiding.
fn is_held(ledger: Ledger, origin: Origin, work: Work) -> bool {
    let posted = ledger == Ledger::BusinessCentral && (origin == Origin::Approved || work.issues());
    match work {
        Work::Void | Work::Delete => false,
        _ if origin == Origin::Adopted => true,
        Work::PayInFull | Work::PayInPart | Work::FileTaxReturn | Work::SendForApproval | Work::Release => true,
        Work::CloseBooks => ledger != Ledger::BusinessCentral || posted,
        // A posted document is cancelled by a credit memo, and a blocked customer gets none.
        Work::ArchiveContact | Work::BlockContact => posted,
        _ => false,
    }
}

/// Voids after every kind of work; answers how many cases there were.
pub(crate) async fn voids(ledger: Ledger) -> usize {
    let mut cases = 0;
    for origin in Origin::of(ledger).iter().copied() {
        for work in ALL.into_iter().filter(|work| work.not_offered(ledger, origin).is_none()) {
            let case = format!("{ledger}, {origin:?}, {work:?}, our void");
            let answers = Box::pin(void(ledger, origin, work, None, &case)).await;
            for answer in &answers {
                Box::pin(void(ledger, origin, work, Some(answer), &format!("{case}, {answer}"))).await;
            }
            cases += 1 + answers.len();
        }
    }
    cases
}

/// Voids here; where a person is asked, answers with this or says what could be answered.
async fn void(ledger: Ledger, origin: Origin, work: Work, answer: Option<&str>, case: &str) -> Vec<String> {
    let world = Box::pin(prepare(ledger, origin)).await;
    world.options(|options| options.on_void = OnVoid::Void).await.unwrap();
    work.act(&world);
    let before = world.books();
    world.edit(|invoice| invoice.status = InvoiceStatus::Void).await.unwrap();
    let end = world.patient(world.invoice_id, 12).await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
    if !is_held(ledger, origin, work) {
        assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
        assert!(world.live().is_empty(), "{case}: {:?}", world.live());
        nothing_else(&before, &world.books(), case);
        quiet(&world, case).await;
        return Vec::new();
    }
    let Ok(SyncEnd::Held(hold)) = end else { panic!("{case}: {end:?}") };
    assert_eq!(hold.question, Question::VoidInLedger, "{case}: {hold:?}");
    assert!(hold.choices.iter().all(|choice| choice.id != "void"), "{case}: it is not offered: {hold:?}");
    assert_eq!(world.books(), before, "{case}: I8, nothing was voided");
    let Some(answer) = answer else { return hold.choices.iter().map(|choice| choice.id.clone()).collect() };
    let end = world.resolve(hold.id, answer).await.unwrap();
    match answer {
        "leave" => {
            assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
            quiet(&world, case).await;
        }
        _ => assert!(matches!(&end, Ok(SyncEnd::Held(again)) if again.question == Question::VoidInLedger), "{case}: {end:?}"),
    }
    assert_eq!(world.books(), before, "{case}: nothing was voided");
    Vec::new()
}

/// Contacts, payments and documents of others are as they were; no document came but a correction that the ledger made itself.
fn nothing_else(before: &State, after: &State, case: &str) {
    assert_eq!(after.contacts, before.contacts, "{case}");
    assert_eq!(after.payments, before.payments, "{case}");
    assert!(after.documents.len() <= before.documents.len() + 1, "{case}: {:?}", after.documents);
}

/// Records a payment after every kind of work; answers how many cases there were.
pub(crate) async fn payments(ledger: Ledger) -> usize {
    let mut cases = 0;
    for work in ALL.into_iter().filter(|work| work.not_offered(ledger, Origin::Approved).is_none()) {
        let case = format!("{ledger}, {work:?}, our payment");
        Box::pin(payment(ledger, work, &case)).await;
        cases += 1;
    }
    cases
}

async fn payment(ledger: Ledger, work: Work, case: &str) {
    let world = Box::pin(prepare(ledger, Origin::Approved)).await;
    world.options(|options| options.payments = Payments::Push).await.unwrap();
    if ledger == Ledger::Quickbooks {
        // It has two accounts that payments can go to: a question once, and an admin has answered it.
        let generation = world.connection().await.unwrap().value.generation;
        let store = world.process().unwrap().store;
        store.put_choice(&world.ctx(), world.workspace, ledger, generation, Choice::PaymentAccount, Some("2")).await.unwrap();
    }
    work.act(&world);
    let before = world.books();
    let received = Payment { payment_id: "pay-1".to_owned(), amount: dec("500"), date: date(2026, 4, 2) };
    world.edit(|invoice| invoice.payments.push(received)).await.unwrap();
    let end = world.patient(world.invoice_id, 12).await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
    let ours = world.books().payments.iter().filter(|payment| payment.amount == dec("500")).count();
    match work {
        // Nothing is open: nothing is sent (C1).
        Work::PayInFull | Work::Void | Work::Delete => {
            if let (Work::Delete, Ok(SyncEnd::Held(hold))) = (work, &end) {
                // What is gone cannot be paid, and whether it is to be made again is a person's to say.
                assert_eq!(hold.question, Question::DocumentGone, "{case}: {hold:?}");
                assert_eq!((ours, world.books()), (0, before.clone()), "{case}");
                return;
            }
            assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
            assert_eq!((ours, world.books()), (0, before.clone()), "{case}");
            quiet(&world, case).await;
        }
        // It takes no payment of an inactive customer: a person leaves it out, or makes the customer active again.
        Work::ArchiveContact if ledger == Ledger::Quickbooks => {
            let Ok(SyncEnd::Held(hold)) = end else { panic!("{case}: {end:?}") };
            assert_eq!((hold.question, world.books()), (Question::PaymentDiffers, before.clone()), "{case}: {hold:?}");
            let contact = before.documents[0].contact_id.clone();
            world.bookkeeper(json!({ "action": "restore_contact", "contact_id": contact })).unwrap();
            let end = world.resolve(hold.id, "retry").await.unwrap();
            assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
            assert_eq!(world.books().payments.len(), before.payments.len() + 1, "{case}");
            quiet(&world, case).await;
        }
        _ => {
            assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
            assert_eq!(ours, 1, "{case}: {:?}", world.books().payments);
            assert_eq!(world.books().payments.len(), before.payments.len() + 1, "{case}");
            quiet(&world, case).await;
        }
    }
    let lines = |state: &State| state.documents.iter().map(|document| document.lines.clone()).collect::<Vec<_>>();
    assert_eq!(lines(&world.books()), lines(&before), "{case}: a payment changes no line");
}
