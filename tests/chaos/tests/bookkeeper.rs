//! C29: the bookkeeper works on a document between two syncs. What is theirs is kept, what both changed is asked, nothing is overwritten.
//!
//! C29, R64; I7, I8.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test's helpers fail the test by panicking, and print what they counted"
)]

use chaos::world::World;
use coportal_core::failure::Question;
use coportal_core::invoice::Invoice;
use coportal_core::sync::row::SyncState;
use coportal_engine::sync::{Changed, SyncEnd};
use jiff::civil::date;
use rust_decimal::Decimal;
use serde_json::json;
use simulators::skeleton::state::Document;
use simulators::xero::{Action, Which};

/// How the document came to be ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Created as a draft.
    Draft,
    /// Created as approved (`sync_as_draft` off).
    Approved,
    /// Made by hand and linked by a person's answer (C31).
    Adopted,
}

/// What the bookkeeper does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Account,
    Tracking,
    EqualTaxCode,
    OtherTaxCode,
    Description,
    Price,
    Quantity,
    DueDate,
    IssueDate,
    Reference,
    Number,
    OtherContact,
    FreeLine,
    PaidLine,
    RemoveLine,
    Approve,
    PayInFull,
    PayInPart,
    Void,
    Delete,
    ArchiveContact,
    MergeContact,
}

const ALL: [Work; 22] = [
    Work::Account,
    Work::Tracking,
    Work::EqualTaxCode,
    Work::OtherTaxCode,
    Work::Description,
    Work::Price,
    Work::Quantity,
    Work::DueDate,
    Work::IssueDate,
    Work::Reference,
    Work::Number,
    Work::OtherContact,
    Work::FreeLine,
    Work::PaidLine,
    Work::RemoveLine,
    Work::Approve,
    Work::PayInFull,
    Work::PayInPart,
    Work::Void,
    Work::Delete,
    Work::ArchiveContact,
    Work::MergeContact,
];

/// What becomes of our update of another field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Written, and the bookkeeper's work is still there.
    Kept,
    /// Nothing written: a person is asked this.
    Held(Question),
}

fn expected(work: Work) -> Then {
    match work {
        Work::Account
        | Work::Tracking
        | Work::EqualTaxCode
        | Work::Description
        | Work::DueDate
        | Work::IssueDate
        | Work::Reference
        | Work::Number
        | Work::OtherContact
        | Work::FreeLine
        | Work::Approve
        // Archived contacts cannot be used on new documents; those that they have go on (vendor notes, section 2).
        | Work::ArchiveContact
        | Work::MergeContact => Then::Kept,
        // What the total rests on cannot stay beside ours (R54, I6).
        Work::OtherTaxCode | Work::Price | Work::Quantity | Work::PaidLine | Work::RemoveLine => Then::Held(Question::ChangedInLedger),
        Work::PayInFull | Work::PayInPart => Then::Held(Question::PaidInLedger),
        Work::Void | Work::Delete => Then::Held(Question::DocumentGone),
    }
}

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

async fn prepare(origin: Origin) -> World {
    let world = World::new(11).await.unwrap();
    let account = json!({ "Code": "210", "Name": "Design", "Type": "REVENUE", "Class": "REVENUE", "TaxType": "OUTPUT2" });
    let tax = json!({ "Name": "20% (Design)", "TaxType": "TAX020", "EffectiveRate": "20", "CanApplyToRevenue": true });
    world
        .plant(json!({
            "organisations": [{ "name": "Harbour & Hill Ltd", "accounts": [account], "tax_rates": [tax] }],
            "contacts": [{ "name": "Somebody Else", "email": "else@example.com" }],
        }))
        .unwrap();
    // The organisation has two rates of 20% now: a question once (C11), and an admin has answered it.
    world.choose_tax(dec("20").try_into().unwrap(), "OUTPUT2").await.unwrap();
    match origin {
        Origin::Draft => {}
        Origin::Approved => world.options(|options| options.sync_as_draft = false).await.unwrap(),
        Origin::Adopted => {
            world.link_contact().await.unwrap();
            let contact = world.books().contacts.into_iter().find(|contact| contact.name != "Somebody Else").unwrap().id;
            let lines: Vec<_> = [("Brand workshop", "2", "480.50"), ("Logo", "1", "1200.99")]
                .map(|(text, quantity, price)| json!({ "description": text, "quantity": quantity, "unit_price": price }))
                .into();
            world
                .plant(json!({ "documents": [{
                    "number": "INV-0001", "reference": "INV-0001", "status": "draft", "contact_id": contact,
                    "issue_date": "2026-03-01", "due_date": "2026-03-31", "lines": lines,
                }] }))
                .unwrap();
            let hold = world.held().await.unwrap();
            assert_eq!(hold.question, Question::NumberTaken);
            let link = hold.choices[0].id.clone();
            let end = world.resolve(hold.id, &link).await.unwrap();
            assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{end:?}");
        }
    }
    world.synced().await.unwrap();
    world
}

fn line_edit(document_id: &str) -> Action {
    Action::EditLine {
        document_id: document_id.to_owned(),
        line: Which::Position(0),
        description: None,
        quantity: None,
        unit_price: None,
        account: None,
        tax_type: None,
        tracking: None,
    }
}

fn head_edit(document_id: &str) -> Action {
    Action::EditDocument {
        document_id: document_id.to_owned(),
        due_date: None,
        issue_date: None,
        reference: None,
        number: None,
        contact_id: None,
    }
}

/// Does the work; `false` where this document does not allow it.
fn work(world: &World, work: Work) -> bool {
    let document = world.only().unwrap();
    let document_id = document.id.clone();
    let other = || world.books().contacts.into_iter().find(|contact| contact.name == "Somebody Else").unwrap().id;
    let mut line = line_edit(&document_id);
    if let Action::EditLine { description, quantity, unit_price, account, tax_type, tracking, .. } = &mut line {
        match work {
            Work::Account => *account = Some("210".to_owned()),
            Work::Tracking => *tracking = Some(vec!["Region: North".to_owned()]),
            Work::EqualTaxCode => *tax_type = Some("TAX020".to_owned()),
            Work::OtherTaxCode => *tax_type = Some("RROUTPUT".to_owned()),
            Work::Description => *description = Some("Workshop, as agreed by telephone".to_owned()),
            Work::Price => *unit_price = Some(dec("475")),
            Work::Quantity => *quantity = Some(dec("3")),
            _ => {}
        }
    }
    let mut head = head_edit(&document_id);
    if let Action::EditDocument { due_date, issue_date, reference, number, contact_id, .. } = &mut head {
        match work {
            Work::DueDate => *due_date = Some(date(2026, 5, 1)),
            Work::IssueDate => *issue_date = Some(date(2026, 3, 2)),
            Work::Reference => *reference = Some("PO 4711".to_owned()),
            Work::Number => *number = Some("2026-17".to_owned()),
            Work::OtherContact => *contact_id = Some(other()),
            _ => {}
        }
    }
    let add = |unit_price: &str| Action::AddLine {
        document_id: document_id.clone(),
        description: "Added by the bookkeeper".to_owned(),
        quantity: Decimal::ONE,
        unit_price: dec(unit_price),
    };
    let approve = || {
        if document.status == "draft" {
            world.bookkeeper(Action::Approve { document_id: document_id.clone() }).unwrap();
        }
    };
    let action = match work {
        Work::Account | Work::Tracking | Work::EqualTaxCode | Work::OtherTaxCode | Work::Description | Work::Price | Work::Quantity => line,
        Work::DueDate | Work::IssueDate | Work::Reference | Work::Number | Work::OtherContact => head,
        Work::FreeLine => add("0"),
        Work::PaidLine => add("5"),
        Work::RemoveLine => Action::RemoveLine { document_id, line: Which::Position(0) },
        Work::Approve if document.status == "draft" => Action::Approve { document_id },
        Work::Delete if document.status == "draft" => Action::Delete { document_id },
        Work::Approve | Work::Delete => return false,
        Work::PayInFull | Work::PayInPart => {
            approve();
            Action::Pay { document_id, amount: (work == Work::PayInPart).then(|| dec("10")), date: None }
        }
        Work::Void => {
            approve();
            Action::Void { document_id }
        }
        Work::ArchiveContact => Action::ArchiveContact { contact_id: document.contact_id },
        Work::MergeContact => Action::MergeContact { contact_id: document.contact_id, into: other() },
    };
    world.bookkeeper(action).unwrap();
    true
}

/// Our edit, of what the bookkeeper did not touch: the second line's price.
fn dearer(invoice: &mut Invoice) {
    invoice.lines[1].unit_price += dec("1.50");
}

async fn total(world: &World) -> Decimal {
    world.invoice().await.unwrap().totals(coportal_core::workspace::TaxRounding::Line).total
}

fn ids(document: &Document) -> Vec<&str> {
    document.lines.iter().map(|line| line.id.as_str()).collect()
}

/// Nothing but the second line's price, and what follows from it, is other than before.
fn only_ours_changed(before: &Document, after: &Document, case: &str) {
    assert_eq!(ids(before), ids(after), "{case}: line ids stay");
    let mut ours = after.clone();
    let price = before.lines.iter().zip(&mut ours.lines).find(|(before, _)| before.description == "Logo");
    let (was, now) = price.unwrap_or_else(|| panic!("{case}: {after:?}"));
    assert_eq!(now.unit_price, was.unit_price.map(|price| price + dec("1.50")), "{case}");
    (now.unit_price, now.tax, now.amount) = (was.unit_price, was.tax, was.amount);
    (ours.total, ours.tax, ours.subtotal, ours.amount_due) = (before.total, before.tax, before.subtotal, before.amount_due);
    assert_eq!(*before, ours, "{case}");
}

#[tokio::test(start_paused = true)]
async fn c29_what_the_bookkeeper_did_survives_our_update() {
    let mut cases = 0;
    for origin in [Origin::Draft, Origin::Approved, Origin::Adopted] {
        for done in ALL {
            let case = format!("{origin:?}, {done:?}");
            let world = prepare(origin).await;
            if !work(&world, done) {
                continue;
            }
            let before = world.books();
            // Nothing of ours changed: the ledger is not even asked.
            let calls = world.simulator.calls().len();
            let end = world.sync(world.invoice_id).await.unwrap();
            assert!(matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Nothing), "{case}: {end:?}");
            assert_eq!((world.simulator.calls().len(), world.books()), (calls, before.clone()), "{case}");

            world.edit(dearer).await.unwrap();
            let end = world.patient(world.invoice_id, 12).await.unwrap();
            match expected(done) {
                Then::Kept => {
                    assert!(matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Updated), "{case}: {end:?}");
                    let was = before.documents.iter().find(|document| document.status != "voided").unwrap();
                    let now = world.only().unwrap();
                    only_ours_changed(was, &now, &case);
                    assert_eq!(now.total, total(&world).await, "{case}: I6");
                    assert_eq!(world.books().contacts.len(), before.contacts.len(), "{case}: I2");
                    // A second update does not undo what the first one kept.
                    world.edit(dearer).await.unwrap();
                    world.synced().await.unwrap();
                    only_ours_changed(&now, &world.only().unwrap(), &case);
                }
                Then::Held(question) => {
                    assert!(matches!(&end, Ok(SyncEnd::Held(hold)) if hold.question == question), "{case}: {end:?}");
                    assert_eq!(world.books(), before, "{case}: nothing was written");
                    assert_eq!(world.state().await.unwrap(), SyncState::Held, "{case}");
                    // Asked again, it stays the same question.
                    let hold = world.held().await.unwrap();
                    assert!(matches!(end, Ok(SyncEnd::Held(first)) if first.id == hold.id), "{case}");
                    assert_eq!(world.books(), before, "{case}");
                }
            }
            cases += 1;
        }
    }
    println!("bookkeeper, another field of ours: {cases} cases");
    assert!(cases >= 62, "{cases}");
}

/// Both sides change the same field: asked, with both answers; the rest of the bookkeeper's work survives "ours" as well.
#[tokio::test(start_paused = true)]
async fn c29_the_same_field_on_both_sides() {
    let mut cases = 0;
    for origin in [Origin::Draft, Origin::Approved, Origin::Adopted] {
        for both in [Work::Description, Work::Price, Work::Quantity, Work::DueDate, Work::IssueDate] {
            for answer in ["ours", "theirs"] {
                let case = format!("{origin:?}, {both:?}, {answer}");
                let world = prepare(origin).await;
                assert!(work(&world, Work::Account) && work(&world, Work::Tracking) && work(&world, both), "{case}");
                world
                    .edit(|invoice| match both {
                        Work::Description => invoice.lines[0].description = "Workshop of two days".to_owned(),
                        Work::Price => invoice.lines[0].unit_price = dec("490"),
                        Work::Quantity => invoice.lines[0].quantity = dec("4"),
                        Work::DueDate => invoice.due_date = Some(date(2026, 6, 1)),
                        _ => invoice.issue_date = date(2026, 3, 3),
                    })
                    .await
                    .unwrap();
                let hold = world.held().await.unwrap();
                assert_eq!(hold.question, Question::ChangedInLedger, "{case}");
                let before = world.only().unwrap();
                let end = world.resolve(hold.id, answer).await.unwrap();
                assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
                let after = world.only().unwrap();
                if answer == "theirs" {
                    assert_eq!(after, before, "{case}");
                } else {
                    assert_eq!(after.total, total(&world).await, "{case}");
                    let invoice = world.invoice().await.unwrap();
                    assert_eq!(after.lines[0].description, invoice.lines[0].description, "{case}");
                    assert_eq!((Some(after.issue_date), after.due_date), (Some(invoice.issue_date), invoice.due_date), "{case}");
                }
                assert_eq!(ids(&after), ids(&before), "{case}");
                assert_eq!(after.lines[0].account.as_deref(), Some("210"), "{case}: the bookkeeper's account");
                assert_eq!(after.lines[0].tracking, ["Region: North"], "{case}: and tracking");
                assert_eq!(after.status, before.status, "{case}: I8");
                // Settled: another click asks nothing, and a later edit of ours goes through.
                let end = world.sync(world.invoice_id).await.unwrap();
                assert!(matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Nothing), "{case}: {end:?}");
                cases += 1;
            }
        }
    }
    println!("bookkeeper, the same field: {cases} cases");
    assert_eq!(cases, 30);
}

/// "Ours" after each kind of work that the total rests on: one document of our total, on the same lines where they are still there.
#[tokio::test(start_paused = true)]
async fn i6_ours_restores_the_total() {
    let mut cases = 0;
    for origin in [Origin::Draft, Origin::Approved, Origin::Adopted] {
        for done in [Work::OtherTaxCode, Work::Price, Work::Quantity, Work::PaidLine, Work::RemoveLine] {
            let case = format!("{origin:?}, {done:?}");
            let world = prepare(origin).await;
            assert!(work(&world, Work::Account) && work(&world, done));
            world.edit(dearer).await.unwrap();
            let hold = world.held().await.unwrap();
            let end = world.resolve(hold.id, "ours").await.unwrap();
            assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
            let only = world.only().unwrap();
            assert_eq!((only.total, only.lines.len()), (total(&world).await, 2), "{case}");
            if done != Work::RemoveLine {
                assert_eq!(only.lines[0].account.as_deref(), Some("210"), "{case}: the bookkeeper's account survives");
            }
            cases += 1;
        }
    }
    println!("bookkeeper, ours: {cases} cases");
}

/// Lines come and go here: those that stay keep their ids, the bookkeeper's own line of text stays, and nothing doubles.
#[tokio::test(start_paused = true)]
async fn c29_lines_added_and_removed_here() {
    for origin in [Origin::Draft, Origin::Approved, Origin::Adopted] {
        let world = prepare(origin).await;
        assert!(work(&world, Work::FreeLine));
        let before = world.only().unwrap();
        world
            .edit(|invoice| {
                let mut line = invoice.lines[0].clone();
                line.id = coportal_core::id::LineId::new(uuid::Uuid::from_u128(9));
                line.description = "Stationery".to_owned();
                invoice.lines.insert(1, line);
            })
            .await
            .unwrap();
        world.synced().await.unwrap();
        let more = world.only().unwrap();
        assert_eq!((more.lines.len(), more.total), (4, total(&world).await), "{origin:?}");
        assert!(ids(&before).iter().all(|id| ids(&more).contains(id)), "{origin:?}");
        world.edit(|invoice| drop(invoice.lines.remove(0))).await.unwrap();
        world.synced().await.unwrap();
        let fewer = world.only().unwrap();
        assert_eq!((fewer.lines.len(), fewer.total), (3, total(&world).await), "{origin:?}");
        assert!(ids(&fewer).iter().all(|id| ids(&more).contains(id)), "{origin:?}");
        assert!(fewer.lines.iter().any(|line| line.description == "Added by the bookkeeper"), "{origin:?}");
    }
}

/// C7, I8: turning drafts on again takes nothing back; turning them off approves nothing that exists.
#[tokio::test(start_paused = true)]
async fn i8_the_toggle_changes_no_document_that_exists() {
    for (origin, drafts) in [(Origin::Draft, false), (Origin::Approved, true), (Origin::Adopted, false)] {
        let world = prepare(origin).await;
        let before = world.only().unwrap().status;
        world.options(|options| options.sync_as_draft = drafts).await.unwrap();
        world.edit(dearer).await.unwrap();
        assert_eq!(world.synced().await.unwrap().changed, Changed::Updated);
        assert_eq!(world.only().unwrap().status, before, "{origin:?}");
    }
}

/// A contact that was merged there: the client changes here, and the link follows to the one that stayed.
#[tokio::test(start_paused = true)]
async fn a_merged_contact_is_followed() {
    let world = prepare(Origin::Draft).await;
    assert!(work(&world, Work::MergeContact));
    let target = world.books().contacts.into_iter().find(|contact| contact.name == "Somebody Else").unwrap().id;
    world.edit_client(world.client, |client| client.phone = Some("+44 20 5550 0199".to_owned())).await.unwrap();
    world.edit(dearer).await.unwrap();
    world.synced().await.unwrap();
    assert_eq!(world.only().unwrap().contact_id, target);
    let next = world.add_invoice(1, world.client).await.unwrap();
    assert!(matches!(world.sync(next).await.unwrap(), Ok(SyncEnd::Synced(_))));
    assert!(world.live().iter().all(|document| document.contact_id == target));
    assert_eq!(world.books().contacts.len(), 2, "I2: nobody was made anew");
}
