//! C31: a document with our number that somebody made by hand before we connected.

use chaos::world::World;
use coportal_core::failure::Question;
use coportal_core::ledger::Ledger;
use coportal_core::sync::row::SyncState;
use coportal_engine::sync::{Changed, SyncEnd};
use serde_json::json;
use simulators::skeleton::state::Document;

use crate::books::{by_hand, to_the_cent};
use crate::rest::{self, quiet};

/// A world in which a document of this status has our number, and nothing was synced yet.
async fn taken(ledger: Ledger, status: &str) -> World {
    let world = World::of(ledger, 11).await.unwrap();
    world.options(|options| options.sync_as_draft = ledger != Ledger::Quickbooks).await.unwrap();
    world.link_contact().await.unwrap();
    let contact = world.books().contacts[0].id.clone();
    let mut document = by_hand(ledger, &contact, "INV-0001");
    document["lines"][0]["description"] = json!("Retainer");
    document["lines"][0]["unit_price"] = json!("75");
    document["status"] = json!(status);
    world.plant(json!({ "documents": [document] })).unwrap();
    world
}

/// What a document made by hand can be when we come across its number.
fn standing(ledger: Ledger) -> &'static [&'static str] {
    match ledger {
        Ledger::Quickbooks => &["approved", "paid"],
        Ledger::Xero | Ledger::Sage | Ledger::BusinessCentral => &["draft", "approved", "paid"],
    }
}

/// Held with three answers, and each of them comes to rest; a document that is gone holds nobody. Answers how many cases there were.
pub(crate) async fn is_asked(ledger: Ledger) -> usize {
    let mut cases = 0;
    for status in standing(ledger) {
        for answer in ["link:", "ledger_number", "skip"] {
            Box::pin(answered(ledger, status, answer)).await;
            cases += 1;
        }
    }
    Box::pin(free_again(ledger)).await;
    cases + 1
}

async fn answered(ledger: Ledger, status: &str, answer: &str) {
    let case = format!("{ledger}, {status}, {answer}");
    let world = taken(ledger, status).await;
    let before = world.books();
    let theirs = &before.documents[0];
    let hold = world.held().await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
    assert_eq!(hold.question, Question::NumberTaken, "{case}: {hold:?}");
    let offered: Vec<&str> = hold.choices.iter().map(|choice| choice.id.as_str()).collect();
    assert_eq!(offered, [format!("link:{}", theirs.id).as_str(), "ledger_number", "skip"], "{case}");
    assert_eq!(world.books(), before, "{case}: I7, nothing is written before somebody has said so");
    let choice = hold.choices.iter().find(|choice| choice.id.starts_with(answer)).unwrap().id.clone();
    let end = world.resolve(hold.id, &choice).await.unwrap();
    let closed = status == "paid" || (status == "approved" && ledger == Ledger::BusinessCentral);
    match answer {
        // What is paid or posted is linked and left as it stands: our lines are not its lines, and a person hears of it.
        "link:" if closed => {
            let question = if status == "paid" { Question::PaidInLedger } else { Question::LockedInLedger };
            assert!(matches!(&end, Ok(SyncEnd::Held(next)) if next.question == question), "{case}: {end:?}");
            assert_eq!(world.books(), before, "{case}: I8");
            rest::after(&world, question, "leave", &case).await;
        }
        "link:" => {
            assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
            let only = world.only().unwrap();
            assert_eq!((&only.id, &only.status), (&theirs.id, &theirs.status), "{case}");
            to_the_cent(&world, &only, &case).await;
            quiet(&world, &case).await;
        }
        "ledger_number" => {
            assert!(matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Created), "{case}: {end:?}");
            let books = world.books();
            assert_eq!(books.documents.iter().find(|one| one.id == theirs.id), Some(theirs), "{case}: I7");
            let ours: Vec<_> = books.documents.iter().filter(|one| one.id != theirs.id).collect();
            assert_eq!(ours.len(), 1, "{case}: {ours:?}");
            to_the_cent(&world, ours[0], &case).await;
            // A draft may have no number yet; then its reference is another one.
            let named = |one: &Document| (one.number.clone(), one.reference.clone());
            assert_ne!(named(ours[0]), named(theirs), "{case}");
            quiet(&world, &case).await;
        }
        _ => {
            let stopped =
                matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.state == SyncState::Stopped && answer.changed == Changed::Nothing);
            assert!(stopped, "{case}: {end:?}");
            assert_eq!(world.books(), before, "{case}");
        }
    }
    assert_eq!(world.books().contacts, before.contacts, "{case}: I2");
}

/// A number that no ledger keeps apart is free once its document is void.
async fn free_again(ledger: Ledger) {
    let world = taken(ledger, "voided").await;
    let theirs = world.books().documents[0].clone();
    if ledger == Ledger::Quickbooks {
        // The company warns of numbers that repeat, and a void invoice keeps its own.
        let before = world.books();
        let hold = world.held().await.unwrap_or_else(|error| panic!("{ledger}: {error:#}"));
        assert_eq!(hold.question, Question::NumberTaken, "{hold:?}");
        let offered: Vec<&str> = hold.choices.iter().map(|choice| choice.id.as_str()).collect();
        assert_eq!((offered.as_slice(), &world.books()), (["ledger_number", "skip"].as_slice(), &before), "{hold:?}");
        return rest::after(&world, Question::NumberTaken, "ledger_number", "voided").await;
    }
    let synced = world.synced().await.unwrap_or_else(|error| panic!("{ledger}: {error:#}"));
    assert_eq!(synced.changed, Changed::Created, "{ledger}");
    to_the_cent(&world, &world.only().unwrap(), "free again").await;
    assert!(world.books().documents.contains(&theirs), "{ledger}: I7");
}
