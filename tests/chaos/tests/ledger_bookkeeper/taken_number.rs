//! C31: a document with our number that somebody made by hand before we connected.

use chaos::world::World;
use coportal_core::failure::Question;
use coportal_core::ledger::Ledger;
use coportal_core::sync::row::SyncState;
use coportal_engine::sync::{Changed, SyncEnd};
use serde_json::json;
use simulators::skeleton::state::Document;

use crate::books::{by_hand, to_the_cent};
use crate::rest::quiet;

/// A world in which the number is taken, and nothing was synced yet.
async fn taken(ledger: Ledger) -> World {
    let world = World::of(ledger, 11).await.unwrap();
    world.options(|options| options.sync_as_draft = ledger != Ledger::Quickbooks).await.unwrap();
    world.link_contact().await.unwrap();
    let contact = world.books().contacts[0].id.clone();
    let mut document = by_hand(ledger, &contact, "INV-0001");
    document["lines"][0]["description"] = json!("Retainer");
    document["lines"][0]["unit_price"] = json!("75");
    world.plant(json!({ "documents": [document] })).unwrap();
    world
}

/// Held with three answers, and each of them comes to rest; answers how many there were.
pub(crate) async fn is_asked(ledger: Ledger) -> usize {
    for answer in ["link:", "ledger_number", "skip"] {
        let case = format!("{ledger}, {answer}");
        let world = taken(ledger).await;
        let before = world.books();
        let hold = world.held().await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
        assert_eq!(hold.question, Question::NumberTaken, "{case}: {hold:?}");
        let offered: Vec<&str> = hold.choices.iter().map(|choice| choice.id.as_str()).collect();
        assert_eq!(offered, [format!("link:{}", before.documents[0].id).as_str(), "ledger_number", "skip"], "{case}");
        assert_eq!(world.books(), before, "{case}: I7, nothing is written before somebody has said so");
        let choice = hold.choices.iter().find(|choice| choice.id.starts_with(answer)).unwrap().id.clone();
        let end = world.resolve(hold.id, &choice).await.unwrap();
        let Ok(SyncEnd::Synced(synced)) = end else { panic!("{case}: {end:?}") };
        match answer {
            "link:" => {
                let only = world.only().unwrap();
                assert_eq!(only.id, before.documents[0].id, "{case}");
                to_the_cent(&world, &only, &case).await;
                quiet(&world, &case).await;
            }
            "ledger_number" => {
                assert_eq!(synced.changed, Changed::Created, "{case}");
                let books = world.books();
                assert_eq!(books.documents.iter().find(|one| one.id == before.documents[0].id), before.documents.first(), "{case}: I7");
                let ours: Vec<_> = books.documents.iter().filter(|one| one.id != before.documents[0].id).collect();
                assert_eq!(ours.len(), 1, "{case}: {ours:?}");
                to_the_cent(&world, ours[0], &case).await;
                // A draft may have no number yet; then its reference is another one.
                let named = |one: &Document| (one.number.clone(), one.reference.clone());
                assert_ne!(named(ours[0]), named(&before.documents[0]), "{case}");
                quiet(&world, &case).await;
            }
            _ => {
                assert_eq!((synced.state, synced.changed), (SyncState::Stopped, Changed::Nothing), "{case}");
                assert_eq!(world.books(), before, "{case}");
            }
        }
        assert_eq!(world.books().contacts, before.contacts, "{case}: I2");
    }
    3
}
