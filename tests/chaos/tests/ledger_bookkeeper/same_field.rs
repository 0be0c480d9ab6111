//! Both sides change the same field: asked, with both answers; the rest of the bookkeeper's work survives "ours" as well.

use coportal_core::failure::Question;
use coportal_core::invoice::Invoice;
use coportal_core::ledger::Ledger;
use coportal_engine::sync::SyncEnd;
use jiff::civil::date;
use simulators::skeleton::state::Document;

use crate::books::{Origin, dec, ids, other_account, prepare, to_the_cent};
use crate::rest::quiet;
use crate::work::{Work, tracking};

const BOTH: [Work; 7] = [Work::Description, Work::Price, Work::Quantity, Work::DueDate, Work::IssueDate, Work::Reference, Work::Number];

fn edit(invoice: &mut Invoice, both: Work) {
    match both {
        Work::Description => invoice.lines[0].description = "Workshop of two days".to_owned(),
        Work::Price => invoice.lines[0].unit_price = dec("490"),
        Work::Quantity => invoice.lines[0].quantity = dec("4"),
        Work::DueDate => invoice.due_date = Some(date(2026, 6, 1)),
        Work::IssueDate => invoice.issue_date = date(2026, 3, 3),
        Work::Reference | Work::Number => invoice.number = "INV-0002".to_owned(),
        other => panic!("{other:?} is no field of ours"),
    }
}

/// Runs every field that both sides have; answers how many cases there were.
pub(crate) async fn is_asked(ledger: Ledger) -> usize {
    let mut cases = 0;
    for origin in Origin::of(ledger).iter().copied() {
        for both in BOTH.into_iter().filter(|both| both.not_offered(ledger, origin).is_none()) {
            for answer in ["ours", "theirs"] {
                Box::pin(one(ledger, origin, both, answer)).await;
                cases += 1;
            }
        }
    }
    cases
}

async fn one(ledger: Ledger, origin: Origin, both: Work, answer: &str) {
    let case = format!("{ledger}, {origin:?}, {both:?}, {answer}");
    let world = Box::pin(prepare(ledger, origin)).await;
    let beside: Vec<Work> =
        [Work::Account, Work::Tracking].into_iter().filter(|beside| beside.not_offered(ledger, origin).is_none()).collect();
    for work in beside.iter().chain([&both]) {
        work.act(&world);
    }
    let before = world.only().unwrap();
    let contacts = world.books().contacts;
    world.edit(|invoice| edit(invoice, both)).await.unwrap();
    let hold = world.held().await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
    assert_eq!(hold.question, Question::ChangedInLedger, "{case}: {hold:?}");
    assert_eq!(world.only().unwrap(), before, "{case}: nothing is overwritten");
    let end = world.resolve(hold.id, answer).await.unwrap();
    assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
    let after = world.only().unwrap();
    if answer == "theirs" {
        assert_eq!(after, before, "{case}");
    } else {
        to_the_cent(&world, &after, &case).await;
        ours(&world.invoice().await.unwrap(), &after, ledger, both, &case);
    }
    assert_eq!(ids(&after), ids(&before), "{case}: line ids stay");
    for work in beside {
        match work {
            Work::Account => assert_eq!(after.lines[0].account.as_deref(), Some(other_account(ledger)), "{case}: the bookkeeper's account"),
            _ => assert_eq!(after.lines[0].tracking, [tracking(ledger)], "{case}: and tracking"),
        }
    }
    assert_eq!(after.status, before.status, "{case}: I8");
    assert_eq!(world.books().contacts, contacts, "{case}: I2");
    // Settled: another click asks nothing, and a later edit of another field goes through or is asked for a reason of its own.
    quiet(&world, &case).await;
}

fn ours(invoice: &Invoice, after: &Document, ledger: Ledger, both: Work, case: &str) {
    assert_eq!(after.lines[0].description, invoice.lines[0].description, "{case}");
    assert_eq!((Some(after.issue_date), after.due_date), (Some(invoice.issue_date), invoice.due_date), "{case}");
    if matches!(both, Work::Reference | Work::Number) {
        let named = match ledger {
            Ledger::Xero | Ledger::Quickbooks => &after.number,
            Ledger::Sage | Ledger::BusinessCentral => &after.reference,
        };
        assert_eq!(named.as_deref(), Some(invoice.number.as_str()), "{case}");
    }
}
