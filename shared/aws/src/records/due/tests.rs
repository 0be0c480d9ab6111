use coportal_core::id::{BackfillId, ClientId};
use coportal_core::invoice::{Invoice, InvoiceStatus, TaxMode};
use coportal_core::ledger::Ledger;
use coportal_core::money::Money;
use coportal_core::sync::row::{SyncRow, SyncState, Waiting, WaitingFor};
use jiff::SignedDuration;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::*;
use crate::records::invoices::{InvoiceSaved, Written};
use crate::records::sync::Saved;
use crate::store::Store;
use crate::testing::{Fault, Services};

fn ws(n: u128) -> WorkspaceId {
    WorkspaceId::new(Uuid::from_u128(n))
}

fn key(n: u128) -> SyncKey {
    SyncKey { ws: ws(1), inv: InvoiceId::new(Uuid::from_u128(n)), ledger: Ledger::Xero, generation: Generation(3) }
}

fn queued(until: Timestamp) -> SyncRow {
    let waiting = Some(Waiting { reason: WaitingFor::Limit, until: Some(until) });
    SyncRow { wanted: 1, state: SyncState::Waiting, waiting, ..SyncRow::default() }
}

fn invoice(version: u64) -> Invoice {
    Invoice {
        id: InvoiceId::new(Uuid::from_u128(7)),
        number: "A-1".to_owned(),
        client_id: ClientId::new(Uuid::from_u128(2)),
        currency: "GBP".parse().unwrap(),
        issue_date: "2026-03-01".parse().unwrap(),
        due_date: None,
        status: InvoiceStatus::Sent,
        tax_mode: TaxMode::Exclusive,
        lines: Vec::new(),
        payments: Vec::new(),
        version,
        created_at: "2026-03-01T09:00:00Z".parse().unwrap(),
    }
}

async fn all(store: &Store, now: Timestamp) -> Vec<Due> {
    let mut found = Vec::new();
    for shard in 0..keys::SHARDS {
        let mut after: Option<String> = None;
        loop {
            let page = store.due_entries(shard, now, after.as_deref()).await.unwrap();
            found.extend(page.items);
            let Some(next) = page.next else { break };
            after = Some(next);
        }
    }
    found
}

async fn store_row(services: &Services, n: u128, row: &SyncRow) {
    let saved = services.cloud().store.save_row(&services.ctx(), key(n), row, 0).await.unwrap();
    assert!(matches!(saved, Saved::Done { .. }));
}

/// Rows, invoices and jobs are told apart, and nothing is found before its time.
#[tokio::test]
async fn what_is_due_is_found_and_told_apart() {
    let services = Services::new();
    let (store, ctx, now) = (services.cloud().store, services.ctx(), services.now());
    let later = now.saturating_add(SignedDuration::from_secs(60)).unwrap();
    store_row(&services, 2, &queued(now)).await;
    store_row(&services, 3, &queued(later)).await;
    let invoice = invoice(1);
    let written = Written { invoice: &invoice, total: Money::new(Decimal::ONE, invoice.currency) };
    assert_eq!(store.create_invoice(&ctx, ws(1), written, None).await.unwrap(), InvoiceSaved::Done);
    let job = JobId::Backfill(BackfillId::new(Uuid::from_u128(9)));
    assert!(store.create_job(&ctx, ws(4), job, &"body", now, None).await.unwrap());

    let found = all(&store, now).await;
    let works: Vec<DueWork> = found.iter().map(|due| due.work).collect();
    assert_eq!(works.len(), 3, "{works:?}");
    for expected in [DueWork::Row(key(2)), DueWork::Invoice { ws: ws(1), inv: invoice.id }, DueWork::Job { ws: ws(4), job }] {
        assert!(works.contains(&expected), "{expected:?}");
    }
    assert!(found.iter().all(|due| due.at() == Some(now.round(jiff::Unit::Millisecond).unwrap())));
    assert_eq!(works.iter().map(DueWork::workspace).filter(|workspace| *workspace == ws(4)).count(), 1);
    assert_eq!(all(&store, later).await.len(), 4);
    assert!(all(&store, now.saturating_sub(SignedDuration::from_secs(1)).unwrap()).await.is_empty());
}

/// More than one page: none is missed, none comes twice.
#[tokio::test]
async fn pages_go_on_where_they_ended() {
    let services = Services::new();
    let (store, now) = (services.cloud().store, services.now());
    for n in 0..1_005 {
        store_row(&services, 100 + n, &queued(now)).await;
    }
    let found = all(&store, now).await;
    assert_eq!(found.iter().map(|due| due.seen.clone()).collect::<std::collections::BTreeSet<_>>().len(), 1_005);
    assert_eq!(found.len(), 1_005);
}

/// An entry that is put off is out of the way until then, and the row is as it was; one that moved meanwhile is no longer due.
#[tokio::test]
async fn putting_off_changes_the_time_and_nothing_else() {
    let services = Services::new();
    let (store, now) = (services.cloud().store, services.now());
    store_row(&services, 2, &queued(now)).await;
    let until = now.saturating_add(SignedDuration::from_secs(600)).unwrap();
    let due = all(&store, now).await.remove(0);
    let moved = store.put_off(&services.ctx(), &due, until).await.unwrap().unwrap();
    assert!(all(&store, now).await.is_empty());
    let again = all(&store, until).await.remove(0);
    assert_eq!(again, moved);
    assert_eq!((again.work, again.at()), (due.work, Some(until.round(jiff::Unit::Millisecond).unwrap())));
    assert_eq!(store.sync_row(key(2)).await.unwrap().value, queued(now), "what people read is as it was");
    assert!(store.put_off(&services.ctx(), &due, until).await.unwrap().is_none(), "it is due at another time by now");
    // A lost answer is not somebody else's success.
    services.fault(0, Fault::LoseAnswer);
    assert!(store.put_off(&services.ctx(), &again, now).await.unwrap().is_some());
    // The row's next write gives it a time of its own.
    let read = store.sync_row(key(2)).await.unwrap();
    assert_eq!(store.save_row(&services.ctx(), key(2), &queued(until), read.rev).await.unwrap(), Saved::Done { rev: read.rev + 1 });
    assert!(all(&store, now).await.is_empty() && all(&store, until).await.len() == 1);
}

/// "Fan-out confirmed": the mark goes with its own version only.
#[tokio::test]
async fn a_newer_version_keeps_its_due_mark() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let first = invoice(1);
    let total = Money::new(Decimal::ONE, first.currency);
    let _ = store.create_invoice(&ctx, ws(1), Written { invoice: &first, total }, None).await.unwrap();
    let second = invoice(2);
    let _ = store.save_invoice(&ctx, ws(1), &first, Written { invoice: &second, total }, None).await.unwrap();
    assert_eq!(store.fan_out_head(&ctx, ws(1), first.id).await.unwrap().version, Some(2));
    assert!(!store.confirm_fan_out(&ctx, ws(1), first.id, 1).await.unwrap());
    assert_eq!(all(&store, services.now()).await.len(), 1);
    assert!(store.confirm_fan_out(&ctx, ws(1), first.id, 2).await.unwrap());
    assert!(all(&store, services.now()).await.is_empty());
    let head = store.fan_out_head(&ctx, ws(1), first.id).await.unwrap();
    assert_eq!((head.version, head.invoice), (None, Some(second)), "nothing else of the invoice changed");
}

/// Want: `wanted < :v` on the row as it was read.
#[tokio::test]
async fn an_older_event_never_lowers_a_newer_one() {
    let services = Services::new();
    let (store, ctx, now) = (services.cloud().store, services.ctx(), services.now());
    let row = |wanted| SyncRow { wanted, ..queued(now) };
    assert_eq!(store.raise_row(&ctx, key(2), &row(3), 0).await.unwrap(), Saved::Done { rev: 1 });
    for (wanted, rev) in [(2, 1), (3, 1), (4, 0), (4, 7)] {
        let moved = store.raise_row(&ctx, key(2), &row(wanted), rev).await.unwrap();
        assert!(matches!(moved, Saved::Moved(stands) if stands.value.wanted == 3), "{wanted} at {rev}");
    }
    assert_eq!(store.raise_row(&ctx, key(2), &row(4), 1).await.unwrap(), Saved::Done { rev: 2 });
    let rows = store.sync_rows_at(&ctx, &[key(5), key(2)]).await.unwrap();
    assert_eq!(rows.iter().map(|row| (row.rev, row.value.wanted)).collect::<Vec<_>>(), [(0, 0), (2, 4)]);
}
