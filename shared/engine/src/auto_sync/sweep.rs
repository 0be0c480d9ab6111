//! Every minute: what the stream or a queue dropped, and what is due.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use coportal_aws::keys::SHARDS;
use coportal_aws::records::due::{Due, DueWork};
use coportal_aws::records::sync::SyncKey;
use coportal_core::connection::Generation;
use coportal_core::ctx::Ctx;
use coportal_core::id::WorkspaceId;
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Outcome, ProblemKind};
use coportal_core::queue::{JobMessage, MAX_INVOICES, Message, SyncMessage, SyncQueue};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};

use super::AutoSync;

/// How long what was sent is out of the way. A message that was lost costs this time; one that waits in a long queue is doubled by it.
const SENT_FOR: SignedDuration = SignedDuration::from_mins(10);
/// When what could not be sent is looked at again.
const UNSENT_FOR: SignedDuration = SignedDuration::from_mins(1);
/// Most of one workspace's connection, and most invoices of one workspace, that one sweep takes: the others' come first.
const PER_GROUP: usize = 600;
/// Most pages of one shard that are looked through for others' work.
const PAGES: usize = 40;
/// Most entries of one shard that one sweep takes.
const PER_SHARD: usize = 2_000;
/// Writes to the table at once, for each shard.
const AT_ONCE: usize = 8;
/// What a round of work needs: writes, one call to a queue each, and what is put back.
const ROUND: SignedDuration = SignedDuration::from_secs(12);

/// What one sweep came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Rows that messages were sent for.
    pub rows: u32,
    /// Invoices that were handed on, because the stream did not.
    pub invoices: u32,
    /// Jobs that messages were sent for.
    pub jobs: u32,
    /// Messages sent.
    pub messages: u32,
    /// Entries that could not be handed on; they are looked at again.
    pub failed: u32,
    /// Whether something that is due was left for the next sweep.
    pub more: bool,
}

impl Swept {
    fn and(self, other: Self) -> Self {
        Self {
            rows: self.rows.saturating_add(other.rows),
            invoices: self.invoices.saturating_add(other.invoices),
            jobs: self.jobs.saturating_add(other.jobs),
            messages: self.messages.saturating_add(other.messages),
            failed: self.failed.saturating_add(other.failed),
            more: self.more || other.more,
        }
    }
}

/// What lies together: the rows of a connection, the invoices or the jobs of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Invoices(WorkspaceId),
    Jobs(WorkspaceId),
    Rows(WorkspaceId, Ledger, Generation),
}

impl Group {
    fn of(work: DueWork) -> Self {
        match work {
            DueWork::Row(SyncKey { ws, ledger, generation, .. }) => Self::Rows(ws, ledger, generation),
            DueWork::Invoice { ws, .. } => Self::Invoices(ws),
            DueWork::Job { ws, .. } => Self::Jobs(ws),
        }
    }

    /// Entries that one turn takes: of rows, one message's.
    fn turn(self) -> usize {
        match self {
            Self::Rows(_, ledger, _) => lot(ledger),
            Self::Invoices(_) | Self::Jobs(_) => AT_ONCE,
        }
    }
}

/// Invoices of one message: one batch of the vendor's; of a vendor without batches, what a worker is through with in its time.
#[must_use]
pub const fn lot(ledger: Ledger) -> usize {
    match ledger {
        Ledger::Xero | Ledger::BusinessCentral => MAX_INVOICES,
        Ledger::Quickbooks => 30,
        Ledger::Sage => 10,
    }
}

impl AutoSync {
    /// Looks through all shards for what is due by now and hands it on: rows as messages, grouped by connection; invoices whose newest
    /// version no connection was told of; jobs. Bounded, and in turns between workspaces: what one has too much of waits for the next
    /// sweep.
    ///
    /// What is sent is put off first, in the table, so that the next sweep does not send it again while its message is under way, and two
    /// sweeps at once do not both send it. A row that is worked on gets a time of its own from that.
    ///
    /// # Errors
    /// When no shard could be read.
    pub async fn sweep(&self, ctx: &Ctx) -> Outcome<Swept> {
        let shards = join_all((0..SHARDS).map(|shard| self.sweep_shard(ctx, shard))).await;
        let mut swept = Swept::default();
        let mut refused = None;
        let mut answered = false;
        for shard in shards {
            match shard {
                Ok(done) => {
                    answered = true;
                    swept = swept.and(done);
                }
                Err(problem) => {
                    tracing::warn!(internal = problem.internal().unwrap_or_default(), "a shard could not be swept");
                    swept.more = true;
                    refused = Some(problem);
                }
            }
        }
        match refused {
            Some(problem) if !answered => Err(problem),
            Some(_) | None => Ok(swept),
        }
    }

    async fn sweep_shard(&self, ctx: &Ctx, shard: u8) -> Outcome<Swept> {
        let (mut groups, more) = self.look_through(ctx, shard).await?;
        let mut swept = Swept { more, ..Swept::default() };
        let mut taken = 0;
        // A turn for each group, then the next turn: nobody waits for the thousands of another.
        while !groups.is_empty() {
            let mut turns = Vec::new();
            for (group, entries) in &mut groups {
                let rest = entries.split_off(group.turn().min(entries.len()));
                let turn = std::mem::replace(entries, rest);
                taken += turn.len();
                turns.push((*group, turn));
            }
            groups.retain(|_, entries| !entries.is_empty());
            swept = swept.and(self.hand_on(ctx, turns).await?);
            if !groups.is_empty() && (taken >= PER_SHARD || !ctx.has_time_for(ROUND)) {
                swept.more = true;
                break;
            }
        }
        Ok(swept)
    }

    /// What is due in a shard, by group, the longest due first; and whether there is more.
    async fn look_through(&self, ctx: &Ctx, shard: u8) -> Outcome<(BTreeMap<Group, Vec<Due>>, bool)> {
        let now = ctx.now();
        let mut groups: BTreeMap<Group, Vec<Due>> = BTreeMap::new();
        let mut more = false;
        let mut after: Option<String> = None;
        for _ in 0..PAGES {
            let page = self.store.due_entries(shard, now, after.as_deref()).await?;
            for due in page.items {
                match groups.entry(Group::of(due.work)) {
                    Entry::Occupied(full) if full.get().len() >= PER_GROUP => more = true,
                    Entry::Occupied(mut some) => some.get_mut().push(due),
                    Entry::Vacant(none) => {
                        none.insert(vec![due]);
                    }
                }
            }
            match page.next {
                Some(next) if ctx.has_time_for(ROUND) => after = Some(next),
                Some(_) => return Ok((groups, true)),
                None => return Ok((groups, more)),
            }
        }
        Ok((groups, true))
    }

    async fn hand_on(&self, ctx: &Ctx, turns: Vec<(Group, Vec<Due>)>) -> Outcome<Swept> {
        let mut swept = Swept::default();
        let (mut now, mut bulk) = (Vec::new(), Vec::new());
        for (group, entries) in turns {
            match group {
                Group::Invoices(_) => swept = swept.and(self.fan_out_due(ctx, entries).await),
                Group::Jobs(_) => {
                    let moved = self.put_off_all(ctx, entries, SENT_FOR, &mut swept).await;
                    bulk.extend(moved.into_iter().filter_map(|due| Some((job_message(due.work)?, vec![due]))));
                }
                Group::Rows(ws, ledger, generation) => {
                    let moved = self.put_off_all(ctx, entries, SENT_FOR, &mut swept).await;
                    let invoices: Vec<_> = moved.iter().filter_map(|due| row_of(due.work)).collect();
                    let lane = if invoices.len() == 1 { &mut now } else { &mut bulk };
                    if !invoices.is_empty() {
                        lane.push((Message::Sync(SyncMessage { ws, ledger, generation, invoices }), moved));
                    }
                }
            }
        }
        swept = swept.and(self.send_all(ctx, SyncQueue::Now, now).await);
        Ok(swept.and(self.send_all(ctx, SyncQueue::Bulk, bulk).await))
    }

    /// Takes entries out of the way; those that were due no longer, or that another sweep took, are left out.
    async fn put_off_all(&self, ctx: &Ctx, entries: Vec<Due>, by: SignedDuration, swept: &mut Swept) -> Vec<Due> {
        let until = later(ctx, by);
        let moves = stream::iter(entries).map(|due| async move { self.store.put_off(ctx, &due, until).await });
        let moved: Vec<_> = moves.buffered(AT_ONCE).collect().await;
        let mut ours = Vec::with_capacity(moved.len());
        for outcome in moved {
            match outcome {
                Ok(Some(due)) => ours.push(due),
                Ok(None) => {}
                Err(error) => {
                    // It may have been moved: then it is found when it is due again.
                    tracing::warn!(%error, "what is due could not be put off");
                    swept.failed = swept.failed.saturating_add(1);
                }
            }
        }
        ours
    }

    /// Sends messages, and puts back what was not sent.
    async fn send_all(&self, ctx: &Ctx, queue: SyncQueue, lots: Vec<(Message, Vec<Due>)>) -> Swept {
        let mut swept = Swept::default();
        if lots.is_empty() {
            return swept;
        }
        let (messages, dues): (Vec<Message>, Vec<Vec<Due>>) = lots.into_iter().unzip();
        let sent = match self.queues.send(ctx, queue, &messages).await {
            Ok(outcomes) => outcomes.iter().map(|outcome| outcome.is_sent()).collect(),
            Err(error) => {
                tracing::warn!(%error, queue = queue.label(), "what is due was not sent");
                vec![false; messages.len()]
            }
        };
        for ((message, dues), sent) in messages.iter().zip(dues).zip(sent) {
            let size = u32::try_from(dues.len()).unwrap_or(u32::MAX);
            if sent {
                swept.messages = swept.messages.saturating_add(1);
                match message {
                    Message::Sync(_) => swept.rows = swept.rows.saturating_add(size),
                    Message::Job(_) => swept.jobs = swept.jobs.saturating_add(size),
                }
            } else {
                swept.failed = swept.failed.saturating_add(size);
                self.put_off_all(ctx, dues, UNSENT_FOR, &mut swept).await;
            }
        }
        swept
    }

    /// Hands on invoices whose due mark still stands. One that cannot be handed on for a reason of its own is put off, or it would stand
    /// before all others at every sweep.
    async fn fan_out_due(&self, ctx: &Ctx, entries: Vec<Due>) -> Swept {
        let each = stream::iter(entries).map(|due| async move {
            let DueWork::Invoice { ws, inv } = due.work else { return Swept::default() };
            match self.fan_out(ctx, ws, inv).await {
                Ok(fanned) => Swept { invoices: u32::from(fanned.confirmed), messages: fanned.sent, ..Swept::default() },
                Err(problem) => {
                    tracing::warn!(invoice.id = %inv, internal = problem.internal().unwrap_or_default(), "an invoice was not handed on");
                    let mut swept = Swept { failed: 1, ..Swept::default() };
                    if problem.kind != ProblemKind::Unavailable {
                        self.put_off_all(ctx, vec![due], SENT_FOR, &mut swept).await;
                    }
                    swept
                }
            }
        });
        each.buffered(AT_ONCE).fold(Swept::default(), |sum, one| async move { sum.and(one) }).await
    }
}

fn row_of(work: DueWork) -> Option<coportal_core::id::InvoiceId> {
    match work {
        DueWork::Row(key) => Some(key.inv),
        DueWork::Invoice { .. } | DueWork::Job { .. } => None,
    }
}

fn job_message(work: DueWork) -> Option<Message> {
    match work {
        DueWork::Job { ws, job } => Some(Message::Job(JobMessage { ws, job })),
        DueWork::Row(_) | DueWork::Invoice { .. } => None,
    }
}

fn later(ctx: &Ctx, by: SignedDuration) -> Timestamp {
    ctx.now().saturating_add(by).unwrap_or(Timestamp::MAX)
}
