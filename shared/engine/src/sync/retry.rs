//! Trying again what needs a person, once the person has done their part: by state, and never by guessing.

use std::collections::BTreeMap;

use coportal_aws::records::sync::{Attention, Saved, SyncKey};
use coportal_core::connection::{Connection, ConnectionStatus, Generation};
use coportal_core::ctx::Ctx;
use coportal_core::id::{EventId, InvoiceId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Outcome, Problem};
use coportal_core::queue::{MAX_INVOICES, Message, SyncMessage, SyncQueue};
use coportal_core::sync::row::{SyncRow, SyncState, Waiting, WaitingFor};
use coportal_core::timeline::{Actor, TimelineEvent};
use coportal_core::workspace::Workspace;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::check_plan;
use crate::Engine;

/// Entries of one read.
const PAGE: i32 = 100;
/// Time that a retry leaves for its answer.
const FOR_THE_ANSWER: SignedDuration = SignedDuration::from_secs(3);
/// How often a change of a row that others write at the same moment is tried again.
const TRIES: u32 = 5;

/// Which entries are tried again; all that can be where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RetryRequest {
    /// Those in this state.
    #[serde(default)]
    pub state: Option<RetryState>,
    /// Those of this ledger.
    #[serde(default)]
    pub ledger: Option<Ledger>,
}

/// A state that can be tried again. A held entry is answered instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RetryState {
    /// Refused.
    Failed,
    /// Waiting for a reconnect or a plan.
    Waiting,
}

/// What became of the entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Retried {
    /// Queued again, and sent.
    pub queued: u32,
    /// Of these, with a write whose outcome is not known: it is looked for first, and nothing is sent before it is found out.
    pub looked_for: u32,
    /// Held: a person answers them one by one.
    pub held: u32,
    /// Still waiting for a reconnect or a plan, or left out by what was asked.
    pub left: u32,
    /// There are more than there was time for: ask again.
    pub more: bool,
}

enum Again {
    Queued { in_doubt: bool },
    Held,
    Left,
}

impl Engine {
    /// Queues what failed or waits for a person's act again, and sends it. What is held stays held; what is in doubt is looked for first.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn retry_attention(&self, ctx: &Ctx, ws: WorkspaceId, request: &RetryRequest, actor: &Actor) -> Outcome<Retried> {
        let workspace = self.store.workspace(ws).await?.ok_or_else(|| Problem::not_found("workspace"))?;
        let connections: Vec<Connection> = self.store.connections(ctx, ws).await?.into_iter().map(|read| read.value).collect();
        let mut retried = Retried::default();
        let mut queued: BTreeMap<(Ledger, Generation), Vec<InvoiceId>> = BTreeMap::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.store.attention(ctx, ws, PAGE, after.as_deref()).await?;
            for Attention { key, row } in page.items {
                match self.try_again(ctx, (&workspace, &connections), request, actor, key, row).await? {
                    Again::Queued { in_doubt } => {
                        retried.queued = retried.queued.saturating_add(1);
                        retried.looked_for = retried.looked_for.saturating_add(u32::from(in_doubt));
                        queued.entry((key.ledger, key.generation)).or_default().push(key.inv);
                    }
                    Again::Held => retried.held = retried.held.saturating_add(1),
                    Again::Left => retried.left = retried.left.saturating_add(1),
                }
            }
            match page.next {
                Some(_) if !ctx.has_time_for(FOR_THE_ANSWER) => {
                    retried.more = true;
                    break;
                }
                Some(next) => after = Some(next),
                None => break,
            }
        }
        self.send_queued(ctx, ws, queued).await;
        Ok(retried)
    }

    async fn try_again(
        &self,
        ctx: &Ctx,
        (workspace, connections): (&Workspace, &[Connection]),
        request: &RetryRequest,
        actor: &Actor,
        key: SyncKey,
        listed: SyncRow,
    ) -> Outcome<Again> {
        if listed.state == SyncState::Held {
            return Ok(Again::Held);
        }
        let is_asked = request.ledger.is_none_or(|ledger| ledger == key.ledger)
            && match request.state {
                None => true,
                Some(RetryState::Failed) => listed.state == SyncState::Failed,
                Some(RetryState::Waiting) => listed.state == SyncState::Waiting,
            };
        // Another organisation's entry, or one behind a dead grant or a plan, would only wait again.
        let stands = connections.iter().any(|connection| {
            connection.ledger == key.ledger && connection.generation == key.generation && connection.status == ConnectionStatus::Connected
        });
        if !is_asked || !stands || check_plan(workspace, key.ledger).is_err() {
            return Ok(Again::Left);
        }
        let mut read = self.store.sync_row(key).await?;
        for _ in 0..TRIES {
            let row = &mut read.value;
            let can_be = matches!(row.state, SyncState::Failed | SyncState::Waiting);
            if !can_be || row.lease.is_some_and(|lease| lease.is_live(ctx.now())) {
                return Ok(if row.state == SyncState::Held { Again::Held } else { Again::Left });
            }
            let in_doubt = row.intent.is_some();
            row.state = if in_doubt { SyncState::Uncertain } else { SyncState::Queued };
            row.since = Some(ctx.now());
            row.lease = None;
            row.problem = None;
            // The schedule of retries begins anew: somebody has looked at it.
            row.attempts = 0;
            row.waiting = in_doubt.then(|| Waiting { reason: WaitingFor::Outcome, until: Some(ctx.now()) });
            match self.store.save_row(ctx, key, row, read.rev).await? {
                Saved::Done { .. } => {
                    let text =
                        if in_doubt { "Tried again: whether the last write was done is looked for first." } else { "Tried again: queued." };
                    let line = TimelineEvent {
                        id: EventId::new(ctx.uuid()),
                        at: ctx.now(),
                        ledger: Some(key.ledger),
                        step: "retried".to_owned(),
                        text: text.to_owned(),
                        vendor_request_id: None,
                        actor: actor.clone(),
                        version: read.value.wanted,
                    };
                    self.store.put_timeline(ctx, key.ws, key.inv, &line).await?;
                    return Ok(Again::Queued { in_doubt });
                }
                Saved::Moved(now) => read = *now,
            }
        }
        Ok(Again::Left)
    }

    /// Sends queued rows, a connection's together. What cannot be sent is due, and the sweep sends it.
    async fn send_queued(&self, ctx: &Ctx, ws: WorkspaceId, queued: BTreeMap<(Ledger, Generation), Vec<InvoiceId>>) {
        let mut messages: Vec<Message> = Vec::new();
        for ((ledger, generation), invoices) in queued {
            let parts = invoices.chunks(MAX_INVOICES);
            messages.extend(parts.map(|part| SyncMessage { ws, ledger, generation, invoices: part.to_vec() }.into()));
        }
        if messages.is_empty() {
            return;
        }
        if let Err(error) = self.queues.send(ctx, SyncQueue::Bulk, &messages).await {
            tracing::warn!(%error, "what is tried again was not sent; the sweep sends it");
        }
    }
}
