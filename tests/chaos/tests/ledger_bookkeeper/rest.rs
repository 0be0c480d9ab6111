//! A question is answered, and what follows comes to rest.

use chaos::world::World;
use coportal_core::failure::Question;
use coportal_core::sync::row::SyncState;
use coportal_engine::sync::{Changed, SyncEnd};

use crate::books::{active, to_the_cent};

/// Answers that leave the ledger as it stands.
const LEAVING: [&str; 3] = ["theirs", "leave", "skip"];

/// Clicks until a person is asked, answers with this choice, and follows what else is asked until nothing is due: one document and one contact at the
/// most, ours to the cent where ours was wanted, theirs untouched where that was; and after that no more calls.
pub(crate) async fn after(world: &World, question: Question, choice: &str, case: &str) {
    let hold = world.held().await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
    assert_eq!(hold.question, question, "{case}");
    let (before, billed) = (world.books(), active(world));
    let mut end = world.resolve(hold.id, choice).await.unwrap();
    let mut last = choice.to_owned();
    for _ in 0..6 {
        if matches!(&end, Ok(SyncEnd::Waiting { .. } | SyncEnd::InProgress { .. })) {
            end = world.patient(world.invoice_id, 12).await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
        }
        match &end {
            // Nothing was done about it there: the same is asked again, and nothing was written.
            Ok(SyncEnd::Held(again)) if choice == "retry" => {
                assert_eq!(again.question, question, "{case}: {again:?}");
                assert_eq!(world.books(), before, "{case}");
                return;
            }
            Ok(SyncEnd::Held(next)) => {
                let answer = next.choices.iter().find(|offered| offered.id != "retry" && !offered.id.starts_with("link:"));
                last = answer.unwrap_or_else(|| panic!("{case}: nothing but trying again: {next:?}")).id.clone();
                end = world.resolve(next.id, &last).await.unwrap();
            }
            Ok(SyncEnd::Synced(_)) => break,
            other => panic!("{case}: {other:?}"),
        }
    }
    let Ok(SyncEnd::Synced(answer)) = end else { panic!("{case}: not at rest: {end:?}") };
    assert!(world.live().len() <= 1, "{case}: {:?}", world.live());
    assert!(active(world) <= billed.max(2), "{case}: {:?}", world.books().contacts);
    if LEAVING.contains(&last.as_str()) {
        assert_eq!(world.books(), before, "{case}: left as it stood");
    } else {
        let only = world.only().unwrap();
        to_the_cent(world, &only, case).await;
        assert_eq!(world.row().await.unwrap().link.unwrap().external_id, only.id, "{case}");
    }
    if answer.state == SyncState::Synced {
        quiet(world, case).await;
    } else {
        assert_eq!(answer.state, SyncState::Stopped, "{case}");
    }
}

/// R64: another click finds nothing to do and calls nobody.
pub(crate) async fn quiet(world: &World, case: &str) {
    let before = world.simulator.calls().len();
    let end = world.sync(world.invoice_id).await.unwrap();
    assert!(matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Nothing), "{case}: {end:?}");
    assert_eq!(world.simulator.calls().len(), before, "{case}");
}
