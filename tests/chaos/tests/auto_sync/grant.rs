//! A grant that has died, and one that is about to be renewed, with five hundred in the line (C19, I11).

use coportal_core::connection::ConnectionStatus;
use coportal_core::sync::row::{SyncState, WaitingFor};
use coportal_engine::sync::{SyncEnd, SyncRequest};
use futures_util::future::join_all;
use jiff::SignedDuration;
use simulators::skeleton::calls::{Call, Kind};
use simulators::skeleton::faults::{Fault, FaultKind};
use simulators::skeleton::limits::LimitsChange;

use crate::populate::{clients, invoices, none_lost_none_doubled};
use crate::pumps::{Pumps, world};

const MANY: usize = 500;
const CLIENTS: u128 = 20;

fn refreshes(calls: Vec<Call>) -> usize {
    calls.iter().filter(|call| call.path.contains("/connect/token")).count()
}

/// Somebody revoked the consent over there while five hundred were queued. Each waits on its row, none in a queue; the reconnect lets all go
/// on, and each is there once.
#[tokio::test(start_paused = true)]
async fn c19_a_dead_grant_with_five_hundred_queued_loses_none_and_doubles_none() {
    let world = world(91).await;
    let pumps = Pumps::of(&world);
    let wide = Some(1_000_000);
    world.simulator.change_limits(LimitsChange { minute: wide, day: wide, app_minute: wide, ..LimitsChange::default() });
    let clients = clients(&world, CLIENTS).await;
    let invoices = invoices(&world, &clients, MANY).await;
    let auto_sync = world.process().unwrap().auto_sync();
    for invoice in &invoices {
        auto_sync.fan_out(&world.ctx(), world.workspace, *invoice).await.unwrap();
    }
    assert_eq!(pumps.waiting(), u64::try_from(MANY).unwrap());

    world.clock.advance(SignedDuration::from_mins(31));
    let mut fault = Fault { status: Some(400), times: 1_000, ..Fault::on("/connect/token", FaultKind::Status) };
    fault.headers.insert("content-type".to_owned(), "application/json".to_owned());
    fault.body = Some("{\"error\":\"invalid_grant\"}".to_owned());
    world.simulator.post_faults(vec![fault]);
    let asked = refreshes(world.simulator.calls());
    let engine = world.process().unwrap();
    assert!(Box::pin(pumps.deliver_with(&engine)).await);
    assert_eq!((pumps.waiting(), world.live().len()), (0, 0));
    assert_eq!(world.connection().await.unwrap().value.status, ConnectionStatus::ReconnectRequired);
    for invoice in &invoices {
        let row = world.row_of(*invoice).await.unwrap();
        assert_eq!((row.state, row.waiting.map(|waiting| waiting.reason)), (SyncState::Waiting, Some(WaitingFor::Reconnect)));
    }
    let asked = refreshes(world.simulator.calls()) - asked;
    assert!(asked <= 2, "a dead grant is not asked again for each of them: {asked}");

    world.heal().unwrap();
    world.reconnect_as_before().await.unwrap();
    let before = world.simulator.calls().iter().filter(|call| call.kind == Kind::Api).count();
    for _ in 0..15 {
        world.clock.advance(SignedDuration::from_secs(60));
        assert!(pumps.sweep().await && Box::pin(pumps.deliver_with(&engine)).await);
        if world.live().len() == MANY && pumps.waiting() == 0 {
            break;
        }
    }
    for invoice in &invoices {
        assert_eq!(world.row_of(*invoice).await.unwrap().state, SyncState::Synced);
    }
    none_lost_none_doubled(&world, MANY, usize::try_from(CLIENTS).unwrap());
    let calls = world.simulator.calls().iter().filter(|call| call.kind == Kind::Api).count() - before;
    println!("{MANY} waited for a reconnect: all synced, none doubled, {calls} calls");
}

/// Five hundred callers in ten processes, and an access token that has ended: one of them asks for the next, once.
#[tokio::test(start_paused = true)]
async fn i11_five_hundred_callers_on_one_expired_token_refresh_once() {
    let world = world(92).await;
    let wide = Some(1_000_000);
    world.simulator.change_limits(LimitsChange { minute: wide, day: wide, app_minute: wide, ..LimitsChange::default() });
    world.link_contact().await.unwrap();
    let all = invoices(&world, &[world.client], MANY).await;
    world.clock.advance(SignedDuration::from_mins(31));
    let before = refreshes(world.simulator.calls());
    world.wire.interleave(7);
    let processes: Vec<_> = (0..10).map(|_| world.process().unwrap()).collect();
    let ctx = world.ctx();
    let callers = all.iter().zip(processes.iter().cycle()).map(|(invoice, engine)| {
        let request = SyncRequest { invoice: *invoice, ..world.request() };
        Box::pin(engine.sync_invoice(&ctx, request))
    });
    let ends = join_all(callers).await;
    assert_eq!(refreshes(world.simulator.calls()) - before, 1);
    let mut waited = 0;
    for end in &ends {
        assert!(matches!(end, Ok(SyncEnd::Synced(_) | SyncEnd::Waiting { .. })), "{end:?}");
        waited += usize::from(matches!(end, Ok(SyncEnd::Waiting { .. })));
    }
    println!("{MANY} callers on one expired token: 1 refresh; {waited} were told to wait");
    assert_eq!(world.connection().await.unwrap().value.status, ConnectionStatus::Connected);
}
