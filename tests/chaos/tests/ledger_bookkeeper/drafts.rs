//! Draft semantics: approved is never taken back, drafts are approved by an act alone (C7); a ledger without drafts waits here (C8).

use chaos::world::World;
use coportal_core::failure::Question;
use coportal_core::ledger::Ledger;
use coportal_engine::sync::{Changed, SyncEnd};
use simulators::skeleton::calls::Kind;

use crate::books::{Origin, dearer, prepare, to_the_cent};
use crate::rest::quiet;

/// C7, I8: turning drafts on again takes nothing back; turning them off approves nothing that exists.
pub(crate) async fn keep_their_state(ledger: Ledger) -> usize {
    for (origin, drafts) in [(Origin::Draft, false), (Origin::Approved, true)] {
        let case = format!("{ledger}, {origin:?}");
        let world = prepare(ledger, origin).await;
        let before = world.only().unwrap().status;
        world.options(|options| options.sync_as_draft = drafts).await.unwrap();
        let posted = ledger == Ledger::BusinessCentral && origin == Origin::Approved;
        world
            .edit(|invoice| {
                if posted {
                    invoice.due_date = invoice.due_date.map(|day| day.tomorrow().unwrap());
                } else {
                    dearer(invoice);
                }
            })
            .await
            .unwrap();
        assert_eq!(world.synced().await.unwrap().changed, Changed::Updated, "{case}");
        let after = world.only().unwrap();
        assert_eq!(after.status, before, "{case}");
        to_the_cent(&world, &after, &case).await;
        quiet(&world, &case).await;
    }
    2
}

/// C8: nothing reaches the ledger, no contact either, until somebody posts; and then it is there once.
pub(crate) async fn wait_here(ledger: Ledger) -> usize {
    let world = World::of(ledger, 11).await.unwrap();
    let before = world.books();
    let calls = || world.simulator.calls().into_iter().filter(|call| call.kind == Kind::Api && call.method != "GET").count();
    let written = calls();
    let hold = world.held().await.unwrap();
    assert_eq!(hold.question, Question::PostHeld);
    assert!(matches!(hold.choices.as_slice(), [only] if only.id == "post"), "{hold:?}");
    world.edit(dearer).await.unwrap();
    let hold = world.held().await.unwrap();
    assert_eq!(hold.question, Question::PostHeld, "an edit posts nothing");
    assert_eq!((world.books(), calls()), (before, written));
    let end = world.resolve(hold.id, "post").await.unwrap();
    assert!(matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Created), "{end:?}");
    let only = world.only().unwrap();
    assert_eq!(only.status, "approved");
    to_the_cent(&world, &only, "posted").await;
    // What stands there is updated as any other: it is not held again.
    world.edit(dearer).await.unwrap();
    assert_eq!(world.synced().await.unwrap().changed, Changed::Updated);
    to_the_cent(&world, &world.only().unwrap(), "updated").await;
    quiet(&world, "posted").await;
    1
}
