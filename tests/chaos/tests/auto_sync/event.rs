//! One event of ten records, of which each is its own: seven good ones, a body that is none, a version that is not known, and one whose work
//! panics (reliability plan, section 1: exactly the failed records come again).

use coportal_core::queue::{Message, SyncMessage};
use coportal_core::sync::row::SyncState;
use jiff::SignedDuration;

use crate::populate::none_lost_none_doubled;
use crate::pumps::{NOW, Pumps, world};
use crate::retries::{PanicsOver, due, process, vendor};

/// Deliveries that the template allows before a message is a dead letter.
const RECEIVES: usize = 5;

#[tokio::test(start_paused = true)]
async fn ten_records_of_one_event_are_each_their_own() {
    let world = world(95).await;
    let pumps = Pumps::of(&world);
    let clients = crate::populate::clients(&world, 2).await;
    let all = crate::populate::invoices(&world, &clients[1..], 8).await;
    // The first is of the client over whose search the process panics; the other seven are another's.
    let (culprit, good) = (all[0], &all[1..]);
    // What connecting called is minutes ago.
    world.clock.advance(SignedDuration::from_mins(10));
    assert_eq!((culprit, good.len()), (world.invoice_id, 7));
    world.edit_client(world.client, |client| client.name = "Panicstricken Ltd".to_owned()).await.unwrap();
    let generation = world.connection().await.unwrap().value.generation;
    let sqs = world.cloud.cloud.sqs();
    let engine = process(&world, PanicsOver(vendor(&world), "Panicstricken"));
    let auto_sync = engine.auto_sync();
    for invoice in &good[..4] {
        auto_sync.fan_out(&world.ctx(), world.workspace, *invoice).await.unwrap();
    }
    assert!(sqs.send(NOW, "{ this is no message"));
    auto_sync.fan_out(&world.ctx(), world.workspace, culprit).await.unwrap();
    let message = SyncMessage { ws: world.workspace, ledger: world.ledger, generation, invoices: vec![good[0]] };
    let of_tomorrow = Message::Sync(message).encode().unwrap().replace("\"v\":1", "\"v\":2");
    assert!(sqs.send(NOW, &of_tomorrow));
    for invoice in &good[4..] {
        auto_sync.fan_out(&world.ctx(), world.workspace, *invoice).await.unwrap();
    }

    let received = pumps.receive(NOW, 10);
    assert_eq!(received.len(), 10);
    let bad: Vec<String> =
        received.iter().filter(|message| Message::decode(&message.body).is_err()).map(|message| message.message_id.clone()).collect();
    let mut again = pumps.hand_over(engine.clone(), NOW, &received).await.unwrap();
    again.sort();
    let mut expected = bad.clone();
    expected.sort();
    assert_eq!(again, expected, "exactly what cannot be read comes again");
    // Seven done, once.
    none_lost_none_doubled(&world, 7, 1);
    for invoice in good {
        assert_eq!(world.row_of(*invoice).await.unwrap().state, SyncState::Synced);
    }
    let writes = pumps.writes();
    // The panic's message is deleted, and its row waits for its next try.
    assert_eq!(pumps.waiting(), 2);
    assert_eq!((pumps.row().await.state, pumps.row().await.attempts), (SyncState::Waiting, 1));

    // The two are delivered as often as the queue says, and are then dead letters, with the reason in each line.
    for _ in 1..RECEIVES {
        world.clock.advance(SignedDuration::from_mins(19));
        let received = pumps.receive(NOW, 10);
        assert_eq!(received.len(), 2);
        assert_eq!(pumps.hand_over(engine.clone(), NOW, &received).await.unwrap().len(), 2);
    }
    world.clock.advance(SignedDuration::from_mins(19));
    assert!(pumps.receive(NOW, 10).is_empty());
    assert_eq!((sqs.counts("SyncNowDeadLetters").visible, pumps.waiting()), (2, 0));
    let lines: Vec<_> = pumps.log.lines().into_iter().filter(|line| line["outcome"] == "undecodable").collect();
    assert_eq!(lines.len(), 2 * RECEIVES);
    for reason in ["no JSON object with a version `v`, at line 1 column 3", "version 2 is not known, only 1 is"] {
        assert_eq!(lines.iter().filter(|line| line["internal"] == reason).count(), RECEIVES, "{reason}: {lines:?}");
    }
    assert!(lines.iter().all(|line| !line.to_string().contains("this is no message")), "nothing of a body is repeated");

    // The schedule, on the moved clock, and then failed as our own mistake.
    for attempts in 2..=7 {
        due(&pumps, &engine).await;
        assert_eq!((pumps.row().await.attempts, pumps.waiting()), (attempts, 0));
    }
    let row = pumps.row().await;
    assert_eq!((row.state, row.problem.unwrap().code.as_ref()), (SyncState::Failed, "internal"));
    assert_eq!(pumps.writes(), writes, "the seven were not touched again");
    none_lost_none_doubled(&world, 7, 1);
}
