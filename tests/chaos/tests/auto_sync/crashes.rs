//! K1-K6 and K17: whatever is lost on the way, the invoice is in the ledger once, and nothing is left behind.

use chaos::wire::Fault;
use jiff::SignedDuration;

use crate::pumps::{NOW, Pumps, world};

/// One document, the row and the queues at rest, no mark left, and the next minutes have nothing to do.
async fn settled(pumps: &Pumps<'_>, case: &str) {
    let minutes = pumps.rest(60).await;
    let row = pumps.row().await;
    assert_eq!((row.wanted, row.done, row.intent), (1, 1, None), "{case}, after {minutes} minutes");
    assert!(row.link.is_some(), "{case}");
    pumps.world.only().unwrap_or_else(|error| panic!("{case}: {error:#}"));
    assert_eq!(pumps.world.books().contacts.len(), 1, "{case}");
    let calls = pumps.vendor_calls();
    for _ in 0..3 {
        pumps.minute().await;
    }
    assert_eq!((pumps.vendor_calls(), pumps.waiting()), (calls, 0), "{case}: work was left");
}

/// The stream's record comes, its message is delivered: the ordinary way, in no time at all.
#[tokio::test(start_paused = true)]
async fn r35_a_sent_invoice_reaches_the_ledger_by_itself() {
    let world = world(1).await;
    let pumps = Pumps::of(&world);
    assert!(pumps.stream(world.invoice_id).await);
    assert_eq!((pumps.waiting(), pumps.is_marked().await), (1, false));
    assert!(pumps.deliver().await);
    settled(&pumps, "the ordinary way").await;
    assert!(pumps.story().await.iter().any(|line| line.step == "created"));
}

/// K1: the stream's record is lost. The sweep finds the mark, within the minute.
#[tokio::test(start_paused = true)]
async fn k1_a_lost_stream_record_costs_a_minute() {
    let world = world(2).await;
    let pumps = Pumps::of(&world);
    pumps.minute().await;
    world.only().unwrap();
    settled(&pumps, "K1").await;
}

/// K2, K3: the fan-out dies, or loses what it asked or was answered, at each of its calls. Raised and not sent is due in a minute; sent and
/// not confirmed is handed on again, which changes nothing.
#[tokio::test(start_paused = true)]
async fn k2_k3_the_fan_out_stops_anywhere() {
    let mut struck = 0;
    for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::AnswerLost, Fault::RequestLost] {
        for call in 0..20 {
            let case = format!("{fault:?} at call {call}");
            let world = world(3).await;
            let pumps = Pumps::of(&world);
            world.wire.arm(call, fault);
            let lived = pumps.stream(world.invoice_id).await;
            let hit = world.wire.struck();
            world.wire.disarm();
            assert!(lived || matches!(fault, Fault::CrashBefore | Fault::CrashAfter), "{case}");
            if !hit {
                assert_eq!(call, 5, "head, rows, the row that is raised, the message, the mark");
                break;
            }
            struck += 1;
            pumps.rest(4).await;
            settled(&pumps, &case).await;
        }
    }
    assert_eq!(struck, 20);
}

/// K4: received, nothing done, the process gone. The row is due long before the message is visible again; the message then finds nothing.
#[tokio::test(start_paused = true)]
async fn k4_a_message_that_nobody_answered_for_comes_again() {
    let world = world(4).await;
    let pumps = Pumps::of(&world);
    pumps.stream(world.invoice_id).await;
    let received = pumps.receive(NOW, 5);
    assert_eq!(received.len(), 1);
    pumps.minute().await;
    assert_eq!(pumps.row().await.done, 1, "the sweep did not wait for the message");
    let calls = pumps.vendor_calls();
    world.clock.advance(SignedDuration::from_secs(1_100));
    assert!(pumps.deliver().await);
    assert_eq!(pumps.vendor_calls(), calls, "the second delivery finds nothing to do");
    settled(&pumps, "K4").await;
}

/// K5, K6 and on: the worker dies before or after each of its calls, of the table's, the key's and the vendor's.
#[tokio::test(start_paused = true)]
async fn k5_k6_the_worker_dies_anywhere() {
    for fault in [Fault::CrashBefore, Fault::CrashAfter] {
        let mut ended = false;
        for call in 0..80 {
            let case = format!("{fault:?} at call {call}");
            let world = world(5).await;
            let pumps = Pumps::of(&world);
            pumps.stream(world.invoice_id).await;
            world.wire.arm(call, fault);
            let lived = pumps.deliver().await;
            let hit = world.wire.struck();
            world.wire.disarm();
            assert_eq!(lived, !hit, "{case}");
            if !hit {
                assert!(call > 8, "a first sync makes more than {call} calls");
                ended = true;
                break;
            }
            settled(&pumps, &case).await;
        }
        assert!(ended, "{fault:?} never ran out of calls");
    }
}

/// The sweep itself dies at each of its calls: what it had put off comes back.
#[tokio::test(start_paused = true)]
async fn the_sweep_stops_anywhere() {
    let mut struck = 0;
    for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::AnswerLost, Fault::RequestLost] {
        // Its sixteen reads come first; what follows is about the one row, or the one mark.
        for (call, raised) in (0..24).flat_map(|call| [(call, false), (call, true)]) {
            let case = format!("{fault:?} at call {call}, raised: {raised}");
            let world = world(6).await;
            let pumps = Pumps::of(&world);
            if raised {
                pumps.stream(world.invoice_id).await;
                // Its message is lost for good.
                for message in pumps.receive(NOW, 5) {
                    world.cloud.cloud.sqs().delete(NOW, &message.receipt_handle);
                }
            }
            world.clock.advance(SignedDuration::from_secs(61));
            world.wire.arm(call, fault);
            pumps.sweep().await;
            struck += usize::from(world.wire.struck());
            world.wire.disarm();
            settled(&pumps, &case).await;
        }
    }
    assert!(struck >= 120, "{struck} faults struck");
}

/// K17: all is done, and the message was not deleted.
#[tokio::test(start_paused = true)]
async fn k17_a_message_that_comes_again_after_all_is_done_calls_nobody() {
    let world = world(7).await;
    let pumps = Pumps::of(&world);
    pumps.stream(world.invoice_id).await;
    world.cloud.cloud.sqs().double_next(NOW, 1);
    let received = pumps.receive(NOW, 5);
    assert!(pumps.hand_over(world.process().unwrap(), NOW, &received).await.unwrap().is_empty());
    let calls = pumps.vendor_calls();
    for _ in 0..5 {
        assert!(pumps.hand_over(world.process().unwrap(), NOW, &received).await.unwrap().is_empty());
    }
    assert_eq!(pumps.vendor_calls(), calls, "0 vendor calls");
    settled(&pumps, "K17").await;
}
