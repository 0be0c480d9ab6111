//! How each ledger's document comes to stand before the bookkeeper works on it.

use chaos::world::World;
use coportal_core::failure::Question;
use coportal_core::invoice::Invoice;
use coportal_core::ledger::Ledger;
use coportal_core::workspace::TaxRounding;
use coportal_engine::sync::SyncEnd;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use simulators::skeleton::state::Document;

/// How the document came to be ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Created as a draft.
    Draft,
    /// Created in the books (`sync_as_draft` off).
    Approved,
    /// Made by hand and linked by a person's answer (C31).
    Adopted,
}

impl Origin {
    /// Those that a ledger has.
    pub(crate) fn of(ledger: Ledger) -> &'static [Self] {
        match ledger {
            // Its invoices are in the books from the first moment.
            Ledger::Quickbooks => &[Self::Approved, Self::Adopted],
            Ledger::Xero | Ledger::Sage | Ledger::BusinessCentral => &[Self::Draft, Self::Approved, Self::Adopted],
        }
    }
}

pub(crate) fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// The organisation that a world is connected to.
pub(crate) fn organisation(ledger: Ledger) -> &'static str {
    match ledger {
        Ledger::Xero | Ledger::Quickbooks | Ledger::BusinessCentral => "Harbour & Hill Ltd",
        Ledger::Sage => "Harbour & Lane Ltd",
    }
}

/// Somebody else to bill, and a second account (or item) and tax code of the same rate to book on.
fn more(ledger: Ledger) -> Value {
    let name = organisation(ledger);
    let facts = match ledger {
        Ledger::Xero => json!({
            "name": name,
            "accounts": [{ "Code": "210", "Name": "Design", "Type": "REVENUE", "Class": "REVENUE", "TaxType": "OUTPUT2" }],
            "tax_rates": [{ "Name": "20% (Design)", "TaxType": "TAX020", "EffectiveRate": "20", "CanApplyToRevenue": true }],
        }),
        Ledger::Quickbooks => json!({
            "name": name,
            "items": [{ "Id": "7", "Name": "Design", "IncomeAccount": "1" }],
            "tax_rates": [{ "Id": "20", "Name": "20.0% Design", "RateValue": "20" }],
            "tax_codes": [{ "Id": "20", "Name": "20.0% Design", "Rates": ["20"] }],
        }),
        Ledger::Sage => json!({
            "name": name,
            "accounts": [{ "name": "Design", "nominal_code": 4010, "visible_in_sales": true }],
            "tax_rates": [{ "id": "GB_DESIGN", "name": "Design", "percentages": [{ "percentage": "20" }] }],
        }),
        Ledger::BusinessCentral => json!({
            "name": name,
            "accounts": [{
                "number": "6130", "displayName": "Design", "category": "Income", "subCategory": "Income, Services",
                "genProdPostingGroup": "SERVICES", "vatProdPostingGroup": "STANDARD",
            }],
            "tax_codes": [{ "code": "DESIGN", "displayName": "Standard rate 20%, design" }],
            "tax_rates": [{ "business": "DOMESTIC", "product": "DESIGN", "percent": "20", "identifier": "VAT20D" }],
        }),
    };
    json!({ "organisations": [facts], "contacts": [{ "name": "Somebody Else", "email": "else@example.com" }] })
}

/// What a line stands on once the bookkeeper has moved it.
pub(crate) fn other_account(ledger: Ledger) -> &'static str {
    match ledger {
        Ledger::Xero => "210",
        Ledger::Quickbooks => "7",
        Ledger::Sage => "4010",
        Ledger::BusinessCentral => "6130",
    }
}

/// The code of 20% that our lines are sent with, where codes are sent.
fn usual_code(ledger: Ledger) -> Option<&'static str> {
    match ledger {
        Ledger::Xero => Some("OUTPUT2"),
        Ledger::Quickbooks => Some("2"),
        Ledger::Sage => Some("GB_STANDARD"),
        Ledger::BusinessCentral => None,
    }
}

/// A document of our invoice's lines, made by hand. `named` is our number, in the field where the ledger has it.
pub(crate) fn by_hand(ledger: Ledger, contact: &str, named: &str) -> Value {
    let lines: Vec<Value> = [("Brand workshop", "2", "480.50"), ("Logo", "1", "1200.99")]
        .map(|(text, quantity, price)| json!({ "description": text, "quantity": quantity, "unit_price": price }))
        .into();
    let mut document = json!({ "contact_id": contact, "issue_date": "2026-03-01", "due_date": "2026-03-31", "lines": lines });
    let fields: &[(&str, &str)] = match ledger {
        Ledger::Xero => &[("number", named), ("reference", named), ("status", "draft")],
        Ledger::Quickbooks => &[("number", named), ("status", "approved")],
        Ledger::Sage | Ledger::BusinessCentral => &[("reference", named), ("status", "draft")],
    };
    for (field, value) in fields {
        document[*field] = json!(value);
    }
    document
}

/// A world whose invoice is in the ledger and synced.
pub(crate) async fn prepare(ledger: Ledger, origin: Origin) -> World {
    let world = World::of(ledger, 11).await.unwrap();
    world.plant(more(ledger)).unwrap();
    if let Some(code) = usual_code(ledger) {
        // The organisation has two codes of 20% now: a question once (C11), and an admin has answered it.
        world.choose_tax(dec("20").try_into().unwrap(), code).await.unwrap();
    }
    let drafts = match origin {
        Origin::Draft => true,
        Origin::Approved => false,
        Origin::Adopted => ledger != Ledger::Quickbooks,
    };
    world.options(|options| options.sync_as_draft = drafts).await.unwrap();
    if origin == Origin::Adopted {
        world.link_contact().await.unwrap();
        let contact = world.books().contacts.into_iter().find(|contact| contact.name != "Somebody Else").unwrap().id;
        world.plant(json!({ "documents": [by_hand(ledger, &contact, "INV-0001")] })).unwrap();
        let hold = world.held().await.unwrap();
        assert_eq!(hold.question, Question::NumberTaken, "{ledger}");
        let link = hold.choices.iter().find(|choice| choice.id.starts_with("link:")).unwrap().id.clone();
        let end = world.resolve(hold.id, &link).await.unwrap();
        assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{ledger}: {end:?}");
    }
    world.synced().await.unwrap();
    assert_eq!(world.only().unwrap().status, if drafts { "draft" } else { "approved" }, "{ledger}, {origin:?}");
    world
}

/// Our edit of what no bookkeeper touches: the second line's price.
pub(crate) fn dearer(invoice: &mut Invoice) {
    invoice.lines[1].unit_price += dec("1.50");
}

/// I6: subtotal, tax and total, each to the cent.
pub(crate) async fn to_the_cent(world: &World, document: &Document, case: &str) {
    let wanted = world.invoice().await.unwrap().totals(TaxRounding::Line);
    assert_eq!((document.subtotal, document.tax, document.total), (wanted.subtotal, wanted.tax, wanted.total), "{case}: I6");
}

pub(crate) fn ids(document: &Document) -> Vec<&str> {
    document.lines.iter().map(|line| line.id.as_str()).collect()
}

/// Contacts that can be billed.
pub(crate) fn active(world: &World) -> usize {
    world.books().contacts.iter().filter(|contact| contact.status == "active").count()
}
