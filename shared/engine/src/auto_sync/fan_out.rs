//! From a changed invoice to the sync rows that want it.

use coportal_aws::queues::SendOutcome;
use coportal_aws::records::sync::{Saved, SyncKey};
use coportal_aws::store::Versioned;
use coportal_core::auto_sync::{Raised, Wants, ask_about_void, park_for_plan, raise, wants};
use coportal_core::connection::Connection;
use coportal_core::ctx::Ctx;
use coportal_core::id::{HoldId, InvoiceId, WorkspaceId};
use coportal_core::invoice::{Invoice, InvoiceStatus};
use coportal_core::problem::{Outcome, Problem};
use coportal_core::queue::{Message, SyncMessage, SyncQueue};
use coportal_core::sync::row::{SyncRow, SyncState};
use coportal_core::workspace::Workspace;

use super::{AutoSync, TRIES, contended, line};
use crate::sync::{check_plan, public_half};

/// What the fan-out of one invoice came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FannedOut {
    /// Rows that are queued for this version.
    pub queued: u32,
    /// Messages that reached the queue. A row whose message did not is found by the sweep.
    pub sent: u32,
    /// Rows that wait for a plan.
    pub parked: u32,
    /// Whether its due mark was removed; a version that came meanwhile has one of its own.
    pub confirmed: bool,
}

/// The invoice that is handed on.
struct Changed<'a> {
    workspace: &'a Workspace,
    invoice: &'a Invoice,
}

/// What a connection's row came to.
enum Told {
    /// It is queued: a message is due.
    Queued,
    /// It waits for the plan.
    Parked,
    /// Nothing is to be sent.
    Quiet,
}

impl AutoSync {
    /// Tells every connection that wants the newest version of an invoice: raises `wanted` on its row, due in a minute; sends a message
    /// each; then removes the invoice's due mark, unless a newer version has come. It may stop anywhere and be done again: what is known
    /// already is known.
    ///
    /// # Errors
    /// When the table does not answer, or the workspace is missing; the mark then stays.
    pub async fn fan_out(&self, ctx: &Ctx, ws: WorkspaceId, inv: InvoiceId) -> Outcome<FannedOut> {
        let head = self.store.fan_out_head(ctx, ws, inv).await?;
        let (Some(version), Some(invoice)) = (head.version, head.invoice) else {
            // Handed on already, or a hint that lags.
            return Ok(FannedOut::default());
        };
        let workspace = head.workspace.ok_or_else(|| Problem::internal_error("an invoice of a workspace that is missing"))?;
        let changed = Changed { workspace: &workspace, invoice: &invoice };
        let mut fanned = FannedOut::default();
        let mut messages = Vec::new();
        for (connection, key, row) in self.connected(ctx, &changed, head.connections).await? {
            match self.tell_row(ctx, &changed, &connection, key, row).await? {
                Told::Queued => {
                    let SyncKey { ws, inv, ledger, generation } = key;
                    messages.push(Message::Sync(SyncMessage { ws, ledger, generation, invoices: vec![inv] }));
                }
                Told::Parked => fanned.parked += 1,
                Told::Quiet => {}
            }
        }
        fanned.queued = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        fanned.sent = self.send_now(ctx, &messages).await;
        fanned.confirmed = self.store.confirm_fan_out(ctx, ws, inv, version).await?;
        Ok(fanned)
    }

    /// The connections that may want this version, with the invoice's row in each.
    async fn connected(
        &self,
        ctx: &Ctx,
        changed: &Changed<'_>,
        connections: Vec<Connection>,
    ) -> Outcome<impl Iterator<Item = (Connection, SyncKey, Versioned<SyncRow>)>> {
        let (ws, inv) = (changed.workspace.id, changed.invoice.id);
        let is_void = changed.invoice.status == InvoiceStatus::Void;
        // What syncs nothing by itself costs no further read, but for a void: its document may still be open there (C10).
        let wants = |connection: &Connection| connection.options.auto_sync || is_void;
        let connections: Vec<Connection> = connections.into_iter().filter(wants).collect();
        let key = |connection: &Connection| SyncKey { ws, inv, ledger: connection.ledger, generation: connection.generation };
        let keys: Vec<SyncKey> = connections.iter().map(key).collect();
        let rows = if keys.is_empty() { Vec::new() } else { self.store.sync_rows_at(ctx, &keys).await? };
        Ok(connections.into_iter().zip(keys).zip(rows).map(|((connection, key), row)| (connection, key, row)))
    }

    async fn tell_row(
        &self,
        ctx: &Ctx,
        changed: &Changed<'_>,
        connection: &Connection,
        key: SyncKey,
        mut row: Versioned<SyncRow>,
    ) -> Outcome<Told> {
        let Changed { workspace, invoice } = changed;
        for _ in 0..TRIES {
            let (next, told) = match wants(workspace, connection, invoice, &row.value) {
                Wants::Nothing => return Ok(Told::Quiet),
                Wants::Ask => match ask_about_void(&row.value, key.ledger, invoice.version, HoldId::new(ctx.uuid()), ctx.now()) {
                    Some(asked) => (asked, Told::Quiet),
                    None => return Ok(Told::Quiet),
                },
                Wants::NothingBecause(reason) => {
                    let said = line(ctx, &key, "nothing", reason.text(), invoice.version);
                    self.store.put_timeline(ctx, key.ws, key.inv, &said).await?;
                    return Ok(Told::Quiet);
                }
                Wants::Sync => match raise(&row.value, invoice.version, ctx.now()) {
                    Some(Raised { row, send }) => (row, if send { Told::Queued } else { Told::Quiet }),
                    // It knows of this version. Whoever told it may have stopped before the message was sent.
                    None if row.value.state == SyncState::Queued && row.value.done < invoice.version => return Ok(Told::Queued),
                    None => return Ok(Told::Quiet),
                },
                Wants::Park => {
                    let raised = raise(&row.value, invoice.version, ctx.now()).map(|raised| raised.row);
                    let known = raised.as_ref().unwrap_or(&row.value);
                    let Err(problem) = check_plan(workspace, connection.ledger) else { return Err(contended()) };
                    match (park_for_plan(known, public_half(&problem), ctx.now()), raised) {
                        (Some(parked), _) => (parked, Told::Parked),
                        (None, Some(raised)) => (raised, Told::Quiet),
                        (None, None) => return Ok(Told::Quiet),
                    }
                }
            };
            let saved = if next.wanted > row.value.wanted {
                self.store.raise_row(ctx, key, &next, row.rev).await?
            } else {
                self.store.save_row(ctx, key, &next, row.rev).await?
            };
            match saved {
                Saved::Done { .. } => {
                    let asked = next.hold.as_ref().filter(|hold| row.value.hold.as_ref().is_none_or(|before| before.id != hold.id));
                    let said = match (&told, &next.problem, asked) {
                        (Told::Parked, Some(problem), _) => Some(line(ctx, &key, "waiting", &problem.detail, invoice.version)),
                        (_, _, Some(hold)) => Some(line(ctx, &key, "held", &hold.detail, invoice.version)),
                        _ => None,
                    };
                    if let Some(said) = said {
                        self.store.put_timeline(ctx, key.ws, key.inv, &said).await?;
                    }
                    return Ok(told);
                }
                Saved::Moved(stands) => row = *stands,
            }
        }
        Err(contended())
    }

    /// Sends what may be sent; a row whose message is not sent is due in a minute all the same.
    async fn send_now(&self, ctx: &Ctx, messages: &[Message]) -> u32 {
        if messages.is_empty() {
            return 0;
        }
        match self.queues.send(ctx, SyncQueue::Now, messages).await {
            Ok(outcomes) => {
                let sent = outcomes.iter().filter(|outcome| outcome.is_sent()).count();
                if let Some(SendOutcome::NotSent { cause }) = outcomes.iter().find(|outcome| !outcome.is_sent()) {
                    tracing::warn!(cause, "a message was not sent: the sweep finds its row");
                }
                u32::try_from(sent).unwrap_or(u32::MAX)
            }
            Err(error) => {
                tracing::warn!(%error, "no message was sent: the sweep finds the rows");
                0
            }
        }
    }
}
