//! The bookkeeper's work, then nothing of ours or an edit of another field.

use chaos::world::World;
use coportal_core::failure::Question;
use coportal_core::ledger::Ledger;
use coportal_core::problem::Outcome;
use coportal_core::sync::row::{Hold, SyncState};
use coportal_engine::sync::{Changed, SyncEnd};
use simulators::skeleton::state::{Document, State};

use crate::books::{Origin, dearer, dec, ids, prepare, to_the_cent};
use crate::rest;
use crate::work::{ALL, Work};

/// What we edit meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ours {
    /// The second line's price.
    Price,
    /// The due date: all that some ledgers let anybody change of a posted document.
    DueDate,
}

impl Ours {
    /// Edits the invoice; each time to something new.
    async fn edit(self, world: &World) {
        world
            .edit(|invoice| match self {
                Self::Price => dearer(invoice),
                Self::DueDate => invoice.due_date = invoice.due_date.map(|day| day.tomorrow().unwrap()),
            })
            .await
            .unwrap();
    }
}

/// What becomes of our edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Written, and the bookkeeper's work is still there.
    Kept,
    /// Nothing written: a person is asked this.
    Held(Question),
}

fn expected(ledger: Ledger, origin: Origin, work: Work, ours: Ours) -> Then {
    use Then::{Held, Kept};
    let posted = ledger == Ledger::BusinessCentral && (origin == Origin::Approved || work.issues());
    match work {
        Work::Void | Work::Delete => Held(Question::DocumentGone),
        // What the total rests on cannot stay beside ours (R54, I6).
        Work::OtherTaxCode | Work::Price | Work::Quantity | Work::PaidLine | Work::RemoveLine => Held(Question::ChangedInLedger),
        Work::PayInFull | Work::PayInPart => Held(Question::PaidInLedger),
        _ if posted && ours == Ours::Price => Held(Question::LockedInLedger),
        // Under review, or released for posting: nobody changes it before it is opened again.
        Work::SendForApproval | Work::Release | Work::FileTaxReturn => Held(Question::LockedInLedger),
        Work::CloseBooks => match ledger {
            Ledger::Xero | Ledger::Quickbooks => Held(Question::PeriodLocked),
            Ledger::Sage => Held(Question::LockedInLedger),
            // The posting date is judged when a document is posted.
            Ledger::BusinessCentral => Kept,
        },
        Work::ArchiveContact if ledger == Ledger::Sage => Held(Question::ContactGone),
        _ => Kept,
    }
}

/// Nothing is other than before but what we edited, and what follows from it.
fn only_ours_changed(before: &Document, after: &Document, ours: Ours, case: &str) {
    assert_eq!(ids(before), ids(after), "{case}: line ids stay");
    let mut now = after.clone();
    match ours {
        Ours::Price => {
            let price = before.lines.iter().zip(&mut now.lines).find(|(before, _)| before.description == "Logo");
            let (was, line) = price.unwrap_or_else(|| panic!("{case}: {after:?}"));
            assert_eq!(line.unit_price, was.unit_price.map(|price| price + dec("1.50")), "{case}");
            (line.unit_price, line.tax, line.amount) = (was.unit_price, was.tax, was.amount);
            (now.total, now.tax, now.subtotal, now.amount_due) = (before.total, before.tax, before.subtotal, before.amount_due);
        }
        Ours::DueDate => {
            assert_eq!(now.due_date, before.due_date.map(|day| day.tomorrow().unwrap()), "{case}");
            now.due_date = before.due_date;
        }
    }
    if let (Some(note), Some(was)) = (&after.note, &before.note) {
        // The owner's mark comes back where it was lost; what somebody wrote stays.
        assert!(note.contains(was.as_str()), "{case}: {note:?} has lost {was:?}");
        now.note.clone_from(&before.note);
    }
    assert_eq!(*before, now, "{case}");
}

/// Runs every kind of work; answers how many cases there were.
pub(crate) async fn survives(ledger: Ledger) -> usize {
    let mut cases = 0;
    for origin in Origin::of(ledger).iter().copied() {
        for work in ALL {
            if let Some(reason) = work.not_offered(ledger, origin) {
                println!("{ledger}, {origin:?}, {work:?}: not applicable: {reason}");
                continue;
            }
            for ours in [Ours::Price, Ours::DueDate] {
                let due_date_alone = ledger == Ledger::BusinessCentral && origin == Origin::Approved;
                // The same field on both sides has its own test.
                if ours == Ours::DueDate && (!due_date_alone || work == Work::DueDate) {
                    continue;
                }
                let case = format!("{ledger}, {origin:?}, {work:?}, ours {ours:?}");
                cases += Box::pin(one(ledger, origin, work, ours, &case)).await;
            }
        }
    }
    cases
}

async fn one(ledger: Ledger, origin: Origin, work: Work, ours: Ours, case: &str) -> usize {
    let world = Box::pin(prepare(ledger, origin)).await;
    work.act(&world);
    let before = world.books();
    unchanged(&world, &before, case).await;
    ours.edit(&world).await;
    let end = world.patient(world.invoice_id, 12).await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
    match expected(ledger, origin, work, ours) {
        Then::Kept => {
            assert!(matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Updated), "{case}: {end:?}");
            let was = before.documents.iter().find(|document| document.status != "voided").unwrap();
            let now = world.only().unwrap();
            only_ours_changed(was, &now, ours, case);
            to_the_cent(&world, &now, case).await;
            assert_eq!(world.books().contacts, before.contacts, "{case}: I2");
            // A second update does not undo what the first one kept.
            ours.edit(&world).await;
            world.synced().await.unwrap_or_else(|error| panic!("{case}, again: {error:#}"));
            only_ours_changed(&now, &world.only().unwrap(), ours, case);
            unchanged(&world, &world.books(), case).await;
            1
        }
        Then::Held(question) => {
            let hold = asked(&world, end, question, &before, case).await;
            // Each of its answers, from the same beginning.
            for choice in &hold.choices {
                let case = format!("{case}, {}", choice.id);
                let world = Box::pin(prepare(ledger, origin)).await;
                work.act(&world);
                ours.edit(&world).await;
                Box::pin(rest::after(&world, question, &choice.id, &case)).await;
            }
            1 + hold.choices.len()
        }
    }
}

/// R64: nothing of ours changed, so the ledger is not even asked.
async fn unchanged(world: &World, before: &State, case: &str) {
    let calls = world.simulator.calls().len();
    let end = world.sync(world.invoice_id).await.unwrap();
    assert!(matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Nothing), "{case}: {end:?}");
    assert_eq!((world.simulator.calls().len(), world.books()), (calls, before.clone()), "{case}: unchanged");
}

/// It is this question, nothing was written, and asked again it stays the same one.
async fn asked(world: &World, end: Outcome<SyncEnd>, question: Question, before: &State, case: &str) -> Hold {
    let Ok(SyncEnd::Held(hold)) = end else { panic!("{case}: {end:?}") };
    assert_eq!(hold.question, question, "{case}: {hold:?}");
    assert!(hold.detail.len() > 20 && !hold.choices.is_empty(), "{case}: {hold:?}");
    assert_eq!(world.books(), *before, "{case}: nothing was written");
    assert_eq!(world.state().await.unwrap(), SyncState::Held, "{case}");
    let again = world.held().await.unwrap_or_else(|error| panic!("{case}, asked again: {error:#}"));
    assert_eq!((again.question, &again.choices), (hold.question, &hold.choices), "{case}");
    // What the ledger itself refuses is sent again, since somebody may have put it right, and refused again: a question of its own.
    let by_refusal = matches!(question, Question::PeriodLocked | Question::ContactGone);
    assert!(again.id == hold.id || by_refusal, "{case}");
    assert_eq!(world.books(), *before, "{case}: nothing was written by asking");
    *hold
}
