//! K21 and K22: a disconnect, and a move to another organisation, stopped at each of their calls and begun again.

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use bytes::Bytes;
use coportal_aws::records::connections::Links;
use coportal_aws::records::tokens::TokenKey;
use coportal_core::connection::ConnectionStatus;
use coportal_core::ledger::Ledger;
use coportal_core::sync::row::SyncRow;
use coportal_engine::Engine;
use coportal_engine::connect::{CallbackQuery, ReturnPath};
use coportal_engine::sync::SyncEnd;
use simulators::skeleton::consent::Consent;
use url::Url;

use super::Report;
use super::points::{Point, Way, Written};
use crate::wire::{Fault, Passed};
use crate::world::World;

/// The cells of K21 and K22 for one write: it is still to be done when somebody takes the connection apart or moves it.
pub(super) async fn table(ledger: Ledger, written: Written, report: &mut Report) -> Result<()> {
    for point in [Point::K21, Point::K22] {
        let calls = Box::pin(calls(ledger, written, point)).await?;
        for (at, call) in calls.iter().enumerate() {
            for (fault, way) in [(Fault::CrashBefore, Way::Before), (Fault::CrashAfter, Way::After)] {
                let case = format!("{ledger}, {written:?}, {point:?}, call {at} ({} {}), {fault:?}", call.operation, call.subject);
                let end = Box::pin(one(ledger, written, point, Some((at, fault)))).await;
                report.case(ledger, written, &[(point, way)], &case, end.map(|_| ()));
            }
        }
    }
    Ok(())
}

async fn calls(ledger: Ledger, written: Written, point: Point) -> Result<Vec<Passed>> {
    one(ledger, written, point, None).await.with_context(|| format!("{ledger}, {written:?}, {point:?} without a fault"))
}

/// Answers the calls of the act.
async fn one(ledger: Ledger, written: Written, point: Point, struck: Option<(usize, Fault)>) -> Result<Vec<Passed>> {
    let world = Box::pin(written.scenario().prepare(ledger)).await?;
    let before = world.connection().await?.value;
    let old = rows(&world).await?;
    let books = world.books();
    world.wire.disarm();
    if let Some((at, fault)) = struck {
        world.wire.arm(at, fault);
    }
    let engine = world.process()?;
    let died = tokio::select! {
        biased;
        () = world.wire.death() => true,
        end = Box::pin(act(&world, &engine, point)) => { end?; false }
    };
    ensure!(died == struck.is_some(), "whether the process died: {died}");
    let passed = world.wire.passed();
    world.wire.disarm();
    if died {
        // Whoever asked for it asks again.
        Box::pin(act(&world, &world.process()?, point)).await?;
    }
    let after = world.books();
    ensure!(after.documents == books.documents, "documents have changed: {:?}, now {:?}", books.documents, after.documents);
    ensure!(after.contacts == books.contacts, "contacts have changed: {:?}, now {:?}", books.contacts, after.contacts);
    ensure!(after.payments == books.payments, "payments have changed: {:?}, now {:?}", books.payments, after.payments);
    let key = TokenKey { ws: world.workspace, ledger, generation: before.generation };
    if point == Point::K21 {
        disconnected(&world, key).await?;
    } else {
        moved(&world, key, &old, written).await?;
    }
    Ok(passed)
}

async fn act(world: &World, engine: &Engine, point: Point) -> Result<()> {
    let workspace = world.process()?.store.workspace(world.workspace).await?.context("the workspace is there")?;
    // What was read for the harness is none of the calls that a fault is counted by.
    if !world.wire.struck() {
        world.wire.forget();
    }
    let (ctx, ledger) = (world.ctx(), world.ledger);
    if point == Point::K21 {
        let end = engine.disconnect(&ctx, &workspace, &world.user, ledger, Links::Keep).await;
        return end.map(|_| ()).map_err(|problem| anyhow!("{problem:?}"));
    }
    let name = elsewhere(world)?;
    world.simulator.set_consent(Consent::approve_only(&[&name])).map_err(|refused| anyhow!("{refused:?}"))?;
    let start = engine.begin_connect(&ctx, &workspace, &world.user, ledger, ReturnPath::settings()).await;
    let start = start.map_err(|problem| anyhow!("{problem:?}"))?;
    let request = http::Request::get(start.authorize_url.as_str()).body(Bytes::new())?;
    let simulators::Answer::Response(consent) = world.simulator.handle(request).await else { bail!("the consent page did not answer") };
    let back = Url::parse(consent.headers().get("location").context("consent leads back")?.to_str()?)?;
    let query = CallbackQuery::parse(back.query().unwrap_or_default());
    let end = engine.callback(&ctx, ledger, query, Some(start.browser)).await.map_err(|problem| anyhow!("{problem:?}"))?;
    if end.label() != "connected" {
        let offered = engine.organisations(&ctx, &workspace, ledger).await.map_err(|problem| anyhow!("{problem:?}"))?;
        let wanted = offered.items.iter().find(|item| item.organisation.name == name).context("the other organisation is offered")?;
        let id = wanted.organisation.id.clone();
        engine.choose_organisation(&ctx, &workspace, &world.user, ledger, &id).await.map_err(|problem| anyhow!("{problem:?}"))?;
    }
    Ok(())
}

/// The organisation that the world is not connected to.
fn elsewhere(world: &World) -> Result<String> {
    let here = match world.ledger {
        Ledger::Xero | Ledger::Quickbooks | Ledger::BusinessCentral => "Harbour & Hill Ltd",
        Ledger::Sage => "Harbour & Lane Ltd",
    };
    world.books().organisations.into_iter().map(|organisation| organisation.name).find(|name| name != here).context("a second organisation")
}

async fn rows(world: &World) -> Result<Vec<SyncRow>> {
    let rows = world.process()?.store.sync_rows(world.workspace, world.invoice_id).await?;
    Ok(rows.into_iter().map(|(_, _, row)| row).collect())
}

/// K21, I14: disconnected, no token left, nothing due, and nobody calls the ledger any more.
async fn disconnected(world: &World, key: TokenKey) -> Result<()> {
    let stands = world.connection().await?.value;
    ensure!(stands.status == ConnectionStatus::Disconnected, "{stands:?}");
    ensure!(world.process()?.store.tokens(key).await?.is_none(), "I14: tokens are left");
    let calls = world.simulator.calls().len();
    let end = world.sync(world.invoice_id).await?;
    ensure!(end.is_err(), "I14: a click after the disconnect: {end:?}");
    world.clock.advance(jiff::SignedDuration::from_secs(61));
    let swept = world.process()?.auto_sync().sweep(&world.ctx()).await;
    swept.map_err(|problem| anyhow!("the sweep: {problem:?}"))?;
    for queue in ["SyncNow", "SyncBulk"] {
        for message in world.cloud.cloud.sqs().receive(queue, 10) {
            if let Ok(coportal_core::queue::Message::Sync(sync)) = coportal_core::queue::Message::decode(&message.body) {
                let _ = world.process()?.work(&world.ctx(), &sync).await;
            }
        }
    }
    ensure!(world.simulator.calls().len() == calls, "I14: the ledger was called after the disconnect");
    let rows = rows(world).await?;
    ensure!(rows.iter().all(|row| row.state.is_at_rest()), "K21: work is left: {rows:?}");
    Ok(())
}

/// K22, R145: the new generation is empty and connected, the old one's rows are as they were and its tokens are gone; the next sync makes a
/// document there and leaves the old one's alone.
async fn moved(world: &World, key: TokenKey, old: &[SyncRow], written: Written) -> Result<()> {
    let stands = world.connection().await?.value;
    ensure!(stands.status == ConnectionStatus::Connected && stands.generation != key.generation, "{stands:?}");
    ensure!(world.process()?.store.tokens(key).await?.is_none(), "the old generation's tokens are left");
    let before = world.process()?.store.sync_rows(world.workspace, world.invoice_id).await?;
    ensure!(!before.iter().any(|(_, generation, _)| *generation == stands.generation), "the new generation is not empty: {before:?}");
    for was in old {
        let frozen = before.iter().any(|(_, _, row)| (&row.link, row.done) == (&was.link, was.done) && row.state.is_at_rest());
        ensure!(frozen, "the old generation's row is not frozen: {was:?}, now {before:?}");
    }
    let theirs = world.books();
    let end = world.settle_within(30).await?;
    let after = world.books();
    for document in &theirs.documents {
        ensure!(after.documents.contains(document), "R145: the old organisation's document was changed: {document:?}");
    }
    let made = after.documents.len() - theirs.documents.len();
    if written == Written::Void {
        ensure!(made == 0, "a void invoice was made there: {end:?}");
    } else {
        ensure!(made == 1 || matches!(end, Ok(SyncEnd::Held(_))), "{made} documents in the new organisation: {end:?}");
    }
    Ok(())
}
