//! Limits of the vendor, met by not calling: what is learnt from its answers, what a refusal stops, and what goes on by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chaos::world::{Run, World};
use coportal_aws::keys::SHARDS;
use coportal_aws::records::connections::ReconnectMarked;
use coportal_aws::records::sync::{Saved, SyncKey};
use coportal_aws::records::tokens::TokenKey;
use coportal_core::connection::ConnectionStatus;
use coportal_core::id::{InvoiceId, RunId};
use coportal_core::job::{JobId, NextStep};
use coportal_core::ledger::Ledger;
use coportal_core::metering::{Ask, Bucket, Decision, Limits, Seen};
use coportal_core::sync::row::{SyncRow, SyncState, Waiting, WaitingFor};
use coportal_engine::jobs::JobEnd;
use coportal_engine::sync::SyncEnd;
use jiff::SignedDuration;
use simulators::skeleton::calls::Kind;
use simulators::skeleton::faults::{Fault, FaultKind};
use simulators::skeleton::limits::LimitsChange;
use uuid::Uuid;

/// Statuses of the calls of the API since the first `before`.
fn statuses(world: &World, before: usize) -> Vec<Option<u16>> {
    let calls = world.simulator.calls();
    calls.into_iter().filter(|call| call.kind == Kind::Api).skip(before).map(|call| call.status).collect()
}

/// The simulator's limits fall to 10 a minute and 20 a day after connecting. Thirty edits, each pushed: no call is ever refused, what must
/// wait says for what and until when, and all of it is done on a later day.
#[tokio::test(start_paused = true)]
async fn limits_that_fall_after_connecting_are_never_exceeded() -> Result<()> {
    let world = World::of(Ledger::Xero, 41).await?;
    world.link_contact().await?;
    // What connecting called is a day ago.
    world.clock.advance(SignedDuration::from_hours(25));
    world.simulator.change_limits(LimitsChange { minute: Some(10), day: Some(20), ..LimitsChange::default() });
    let before = statuses(&world, 0).len();
    let engine = world.metered_process()?;
    let (mut waits, mut days) = (0, 0);
    for n in 0..30_u64 {
        if n > 0 {
            world.edit(|invoice| invoice.lines[0].description = format!("Brand workshop {n}")).await?;
        }
        let mut tries = 0;
        loop {
            tries += 1;
            if tries > 12 {
                bail!("edit {n} does not come to rest");
            }
            match world.click_in(&engine).await? {
                Run::Ended(end) => match *end {
                    Ok(SyncEnd::Synced(_)) => break,
                    Ok(SyncEnd::Waiting { waiting_for: reason @ (WaitingFor::Limit | WaitingFor::DayBudget), due_at, .. }) => {
                        waits += 1;
                        days += usize::from(reason == WaitingFor::DayBudget);
                        let due = due_at.context("an ETA")?;
                        assert!(due > world.clock.now());
                        world.clock.advance(world.clock.now().duration_until(due) + SignedDuration::from_millis(1));
                    }
                    other => bail!("edit {n}: {other:?}"),
                },
                Run::Died => bail!("nothing was armed"),
            }
        }
    }
    let answered = statuses(&world, before);
    assert!(answered.iter().all(|status| status.is_some_and(|status| status < 400)), "{answered:?}");
    assert!(answered.len() > 40, "{}", answered.len());
    assert!(waits > 5 && days >= 2, "{waits} waits, {days} of them for a day");
    Ok(())
}

/// ADR 0027: a read is permitted together with all that the write after it counts as. In Business Central a write of two lines counts as
/// five calls; under a low limit each is read for once, written once, and no draft is left without its lines meanwhile.
#[tokio::test(start_paused = true)]
async fn a_write_of_several_calls_is_permitted_as_a_whole() -> Result<()> {
    let world = World::of(Ledger::BusinessCentral, 46).await?;
    world.link_contact().await?;
    let engine = world.metered_process()?;
    let limits = engine.ledgers.get(world.ledger).context("Business Central")?.profile.limits;
    // Others of the same organisation have made their calls, so that what is told of the rest is thirty a minute.
    let now = world.clock.now();
    at_the_bucket(&world, |bucket| {
        let _ = bucket.observe(&limits, now, Seen { minute: Some(29), day: None }, 0);
    })
    .await?;
    let lines = world.invoice().await?.lines.len();
    let mut waits = 0;
    for n in 0..6_u64 {
        if n > 0 {
            world.edit(|invoice| invoice.lines.iter_mut().for_each(|line| line.description = format!("{} {n}", line.description))).await?;
        }
        let before = world.simulator.calls().len();
        let mut tries = 0;
        loop {
            tries += 1;
            let Run::Ended(end) = world.click_in(&engine).await? else { bail!("nothing was armed") };
            match *end {
                Ok(SyncEnd::Synced(_)) => break,
                Ok(SyncEnd::Waiting { waiting_for: WaitingFor::Limit, due_at, .. }) if tries < 6 => {
                    waits += 1;
                    let due = due_at.context("an ETA")?;
                    world.clock.advance(world.clock.now().duration_until(due) + SignedDuration::from_millis(1));
                }
                other => bail!("edit {n}, try {tries}: {other:?}"),
            }
        }
        let calls = world.simulator.calls();
        let made: Vec<String> = calls.iter().skip(before).map(|call| format!("{} {}", call.method, call.path)).collect();
        let reads = made.iter().filter(|call| call.starts_with("GET") && call.contains("salesInvoices")).count();
        assert!(reads <= 2, "before and after, of {lines} lines: {made:#?}");
    }
    assert!(waits >= 3, "{waits} waits: the limit was not low");
    Ok(())
}

/// A 429 stops the organisation until its Retry-After, and nobody calls before.
#[tokio::test(start_paused = true)]
async fn after_a_429_nothing_goes_out_before_its_time() -> Result<()> {
    let world = World::of(Ledger::Xero, 42).await?;
    world.link_contact().await?;
    let headers = BTreeMap::from([("retry-after".to_owned(), "40".to_owned()), ("x-rate-limit-problem".to_owned(), "minute".to_owned())]);
    world.simulator.post_faults(vec![Fault { status: Some(429), headers, ..Fault::on("/Invoices", FaultKind::Status) }]);
    let engine = world.metered_process()?;
    let began = world.clock.now();
    let Run::Ended(end) = world.click_in(&engine).await? else { bail!("nothing was armed") };
    let Ok(SyncEnd::Waiting { waiting_for: WaitingFor::Limit, due_at, .. }) = *end else { bail!("{end:?}") };
    assert_eq!(due_at, Some(began + SignedDuration::from_secs(40)));
    let calls = statuses(&world, 0).len();
    for _ in 0..4 {
        world.clock.advance(SignedDuration::from_secs(9));
        // Another process, which was told nothing.
        let Run::Ended(end) = world.click_in(&world.metered_process()?).await? else { bail!("nothing was armed") };
        assert!(matches!(*end, Ok(SyncEnd::Waiting { waiting_for: WaitingFor::Limit, vendor_calls: 0, .. })), "{end:?}");
        assert_eq!(statuses(&world, 0).len(), calls);
    }
    world.clock.advance(SignedDuration::from_secs(90));
    let Run::Ended(end) = world.click_in(&engine).await? else { bail!("nothing was armed") };
    assert!(matches!(*end, Ok(SyncEnd::Synced(_))), "{end:?}");
    Ok(())
}

/// C19: what waited for a dead grant goes on after the reconnect, all of it, once; and nothing of another organisation's number.
#[tokio::test(start_paused = true)]
async fn c19_after_a_reconnect_all_that_waited_goes_on() -> Result<()> {
    let world = World::of(Ledger::Xero, 43).await?;
    let (engine, ctx) = (world.process()?, world.ctx());
    let connection = engine.store.connection(world.workspace, world.ledger).await?.context("connected")?.value;
    let key = |n: u128, generation| SyncKey {
        ws: world.workspace,
        inv: InvoiceId::new(Uuid::from_u128(0x0190_0000_0000_7000_9000_0000_0000_0000 | n)),
        ledger: world.ledger,
        generation,
    };
    let waiting = Some(Waiting { reason: WaitingFor::Reconnect, until: None });
    let row = SyncRow { wanted: 1, state: SyncState::Waiting, waiting, since: Some(world.clock.now()), ..SyncRow::default() };
    let foreign = key(10_000, coportal_core::connection::Generation(77));
    for n in 0..500 {
        assert!(matches!(engine.store.save_row(&ctx, key(n, connection.generation), &row, 0).await?, Saved::Done { .. }));
    }
    assert!(matches!(engine.store.save_row(&ctx, foreign, &row, 0).await?, Saved::Done { .. }));
    // While the grant is dead, nothing goes on.
    let tokens = TokenKey { ws: world.workspace, ledger: world.ledger, generation: connection.generation };
    let set = engine.store.tokens(tokens).await?.context("tokens")?.value;
    let marked = engine.store.mark_reconnect_required(&ctx, tokens, set.token_gen, set.grant, None, "signed out").await?;
    assert_eq!(marked, ReconnectMarked::Done);
    assert_eq!(engine.resume_parked(&ctx, world.workspace, world.ledger).await.map_err(|p| anyhow::anyhow!("{p:?}"))?, 0);
    world.reconnect_as_before().await?;
    let stands = engine.store.connection(world.workspace, world.ledger).await?.context("connected")?.value;
    assert_eq!((stands.status, stands.generation), (ConnectionStatus::Connected, connection.generation));
    for n in 0..500 {
        let row = engine.store.sync_row(key(n, connection.generation)).await?.value;
        assert_eq!((row.state, row.wanted), (SyncState::Queued, 1), "{n}");
        assert!(row.waiting.and_then(|waiting| waiting.until).is_some_and(|due| due <= world.clock.now()), "{n}");
    }
    assert_eq!(engine.store.sync_row(foreign).await?.value.state, SyncState::Waiting);
    // Harmless twice; and the keeper finds nothing left.
    assert_eq!(engine.resume_parked(&ctx, world.workspace, world.ledger).await.map_err(|p| anyhow::anyhow!("{p:?}"))?, 0);
    let kept = engine.keep_tokens(&ctx).await.map_err(|p| anyhow::anyhow!("{p:?}"))?;
    assert_eq!((kept.resumed, kept.refreshed, kept.failed), (0, 0, 0), "{kept:?}");
    Ok(())
}

/// A grant that nobody uses is refreshed before it dies, once, by the keeper.
#[tokio::test(start_paused = true)]
async fn idle_grants_are_kept_alive() -> Result<()> {
    for ledger in Ledger::ALL {
        let world = World::of(ledger, 44).await?;
        let engine = world.process()?;
        let mut refreshed = 0;
        for _ in 0..26 {
            world.clock.advance(SignedDuration::from_hours(4 * 24));
            let kept = engine.keep_tokens(&world.ctx()).await.map_err(|p| anyhow::anyhow!("{p:?}"))?;
            assert_eq!((kept.looked, kept.dead, kept.failed), (1, 0, 0), "{ledger}: {kept:?}");
            refreshed += kept.refreshed;
        }
        let stands = engine.store.connection(world.workspace, ledger).await?.context("connected")?.value;
        assert_eq!(stands.status, ConnectionStatus::Connected, "{ledger}");
        assert!((3..=15).contains(&refreshed), "{ledger}: {refreshed} in 104 days");
    }
    Ok(())
}

/// A shard of the kept tokens that cannot be read costs that shard its round, and no other.
#[tokio::test(start_paused = true)]
async fn the_keeper_leaves_out_a_shard_that_it_cannot_read() -> Result<()> {
    let world = World::of(Ledger::Xero, 45).await?;
    let engine = world.process()?;
    let mut left_out = 0;
    for shard in 0..SHARDS {
        world.clock.advance(SignedDuration::from_hours(2 * 24));
        world.wire.refuse(Some(format!("\"KEEP#{shard}\"")));
        let kept = engine.keep_tokens(&world.ctx()).await.map_err(|p| anyhow::anyhow!("{p:?}"))?;
        assert!(kept.failed == 2 && kept.more, "both walks miss it: {kept:?}");
        left_out += 1 - kept.looked;
    }
    assert_eq!(left_out, 1, "the tokens stand in one of the shards");
    world.wire.refuse(Some("KEEP#".to_owned()));
    let Err(problem) = engine.keep_tokens(&world.ctx()).await else { bail!("nothing could be read") };
    assert_eq!(problem.code, "internal");
    world.wire.refuse(None);
    let kept = engine.keep_tokens(&world.ctx()).await.map_err(|p| anyhow::anyhow!("{p:?}"))?;
    assert_eq!((kept.failed, kept.more), (0, false), "{kept:?}");
    Ok(())
}

fn owner(n: u128) -> RunId {
    RunId::new(Uuid::from_u128(0x0190_0000_0000_7000_a000_0000_0000_0000 | n))
}

/// Changes the bucket of the world's organisation.
async fn at_the_bucket(world: &World, mut change: impl FnMut(&mut Bucket)) -> Result<Bucket> {
    let store = world.process()?.store.clone();
    let connection = store.connection(world.workspace, world.ledger).await?.context("connected")?.value;
    let organisation = connection.organisation.context("an organisation")?.id;
    let change = |bucket: &mut Bucket| {
        change(bucket);
        true
    };
    Ok(store.change_bucket(&world.ctx(), world.ledger, &organisation, None, change).await?.value)
}

/// A world whose ledger is busy with calls of others, all that it allows at once.
async fn crowded(seed: u64) -> Result<(World, Limits)> {
    let world = World::of(Ledger::BusinessCentral, seed).await?;
    world.link_contact().await?;
    let engine = world.metered_process()?;
    let limits = engine.ledgers.get(world.ledger).context("a ledger")?.profile.limits;
    let now = world.clock.now();
    let until = now + SignedDuration::from_secs(25);
    at_the_bucket(&world, |bucket| {
        for n in 0..limits.concurrent {
            let ask = Ask { calls: 1, batches: 0, slots: 1, owner: owner(u128::from(n)), until, waited: false };
            assert!(matches!(bucket.take(&limits, now, &ask), Decision::Granted { calls: 1 }));
        }
    })
    .await?;
    Ok((world, limits))
}

/// Calls of others are over in a moment: a click waits for one of them to end, however long its slot would last.
#[tokio::test(start_paused = true)]
async fn a_click_waits_for_a_call_of_another() -> Result<()> {
    let (world, limits) = crowded(48).await?;
    let engine = world.metered_process()?;
    let over = async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let now = world.clock.now();
        at_the_bucket(&world, |bucket| bucket.give_back(&limits, now, owner(1), 0, now)).await
    };
    let (end, over) = tokio::join!(world.click_in(&engine), over);
    over?;
    let Run::Ended(end) = end? else { bail!("nothing was armed") };
    assert!(matches!(*end, Ok(SyncEnd::Synced(_))), "{end:?}");
    Ok(())
}

/// Where none of them ends, the click is parked until the first slot does by itself, and nothing is called.
#[tokio::test(start_paused = true)]
async fn a_click_does_not_wait_for_ever_for_calls_of_others() -> Result<()> {
    let (world, _) = crowded(49).await?;
    let before = statuses(&world, 0).len();
    let began = world.clock.now();
    let Run::Ended(end) = world.click_in(&world.metered_process()?).await? else { bail!("nothing was armed") };
    let Ok(SyncEnd::Waiting { waiting_for: WaitingFor::Limit, due_at, .. }) = *end else { bail!("{end:?}") };
    assert!(due_at.is_some_and(|due| due > began && due <= began + SignedDuration::from_secs(25)), "{due_at:?}");
    assert_eq!(statuses(&world, before).len(), 0);
    Ok(())
}

/// What ended without giving its slot back leaves room for two others, at the ledger that allows the fewest calls one by one.
#[tokio::test(start_paused = true)]
async fn slots_that_end_by_themselves_leave_room_for_others() -> Result<()> {
    let world = World::of(Ledger::BusinessCentral, 50).await?;
    world.link_contact().await?;
    for n in 0..3 {
        world.edit(|invoice| invoice.lines[0].description = format!("Brand workshop {n}")).await?;
        let Run::Ended(end) = world.click_in(&world.metered_process()?).await? else { bail!("nothing was armed") };
        assert!(matches!(*end, Ok(SyncEnd::Synced(_))), "{end:?}");
        let bucket = at_the_bucket(&world, |_| {}).await?;
        assert!(bucket.in_flight_besides(owner(99), world.clock.now()) <= 1, "{bucket:?}");
    }
    Ok(())
}

/// A check of the books gives its slots back: a click that comes right after it is not told to wait, however few calls at once the ledger allows.
#[tokio::test(start_paused = true)]
async fn a_check_of_the_books_leaves_room_for_a_click() -> Result<()> {
    for ledger in Ledger::ALL {
        let world = World::of(ledger, 51).await?;
        world.options(|options| options.sync_as_draft = false).await?;
        world.synced().await?;
        world.clock.advance(SignedDuration::from_mins(10));
        let engine = world.metered_process()?;
        let generation = world.connection().await?.value.generation;
        engine.check_drift(&world.ctx(), world.workspace, ledger).await.map_err(|p| anyhow::anyhow!("{p:?}"))?;
        let job = JobId::Drift { ledger, generation };
        loop {
            let end = engine.run_job(&world.ctx(), world.workspace, job).await.map_err(|p| anyhow::anyhow!("{p:?}"))?;
            match end {
                JobEnd::Advanced(NextStep::Now) => {}
                JobEnd::Advanced(NextStep::Rest) => break,
                other @ (JobEnd::Advanced(NextStep::At(_)) | JobEnd::NotDue | JobEnd::Busy | JobEnd::AtRest | JobEnd::Gone) => {
                    bail!("{ledger}: {other:?}")
                }
            }
        }
        let profile = engine.ledgers.get(ledger).context("a ledger")?.profile;
        let widest = profile.facts_in_flight.max(profile.step_in_flight).max(profile.list_in_flight);
        let bucket = at_the_bucket(&world, |_| {}).await?;
        let busy = bucket.in_flight_besides(owner(99), world.clock.now());
        assert!(busy + widest <= profile.limits.concurrent, "{ledger}: {bucket:?}");
        // Nothing passes between: what the click needs at once is free.
        world.edit(|invoice| invoice.lines[0].description = "Brand workshop, second day".to_owned()).await?;
        let began = tokio::time::Instant::now();
        let Run::Ended(end) = world.click_in(&engine).await? else { bail!("nothing was armed") };
        let posted = ledger == Ledger::BusinessCentral;
        match *end {
            Ok(SyncEnd::Synced(_)) if !posted => {}
            // What is posted there takes no changed line: a person is asked, after a read.
            Ok(SyncEnd::Held(_)) if posted => {}
            other => bail!("{ledger}: {other:?}"),
        }
        assert!(began.elapsed() < Duration::from_millis(900), "{ledger}: it waited {:?} for a slot", began.elapsed());
    }
    Ok(())
}

/// More connections than a round of the keeper has time for: each round goes on with those that it has not looked at, and all are looked
/// after within a few hours.
#[tokio::test(start_paused = true)]
async fn the_keeper_goes_on_where_its_time_ended() -> Result<()> {
    const NEIGHBOURS: u128 = 70;
    let world = World::new(52).await?;
    for n in 1..=NEIGHBOURS {
        world.beside(n).await?;
    }
    world.clock.advance(SignedDuration::from_hours(48));
    world.wire.take_time(Duration::from_millis(150));
    let engine = world.process()?;
    let (mut looked, mut rounds) = (0, 0);
    while looked < 71 {
        rounds += 1;
        assert!(rounds <= 12, "{looked} of 71 after {rounds} rounds");
        let ctx = world.ctx();
        let ticking = async {
            loop {
                tokio::time::sleep(Duration::from_millis(50)).await;
                world.clock.advance(SignedDuration::from_millis(50));
            }
        };
        let kept = tokio::select! {
            kept = engine.keep_tokens(&ctx) => kept.map_err(|p| anyhow::anyhow!("{p:?}"))?,
            () = ticking => unreachable!("the clock never ends"),
        };
        assert_eq!(kept.failed, 0, "{kept:?}");
        assert!(kept.looked > 0 && kept.more, "there is more than a round has time for: {kept:?}");
        assert!(ctx.has_time_for(SignedDuration::from_secs(5)), "it ends well before its own end");
        looked += kept.looked;
        world.clock.advance(SignedDuration::from_hours(1));
    }
    assert!(rounds > 1 && looked == 71, "{looked} in {rounds} rounds: each once");
    Ok(())
}
