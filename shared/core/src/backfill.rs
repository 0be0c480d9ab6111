//! Jobs over many invoices of a connection: what is chosen, what each came to, what the whole is expected to take (R36, C4, C30).

use std::ops::Range;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use crate::connection::Generation;
use crate::id::InvoiceId;
use crate::invoice::{Invoice, InvoiceStatus};
use crate::ledger::Ledger;
use crate::problem::{Issue, Outcome, Problem};
use crate::sync::row::{RowProblem, WaitingFor};
use crate::timeline::Actor;

/// Rows a second that a job changes: each costs the table's hottest index two writes (docs/records.md, section 3).
pub const ROWS_PER_SECOND: u32 = 200;
/// Fewest invoices of a full chunk, where the ledger has no batches or small ones: a step has time for so many.
pub const CHUNK_MIN: usize = 10;
/// Most invoices of a chunk, whatever the ledger's batch is.
pub const CHUNK_MAX: usize = 50;

/// Chunks whose clients' contacts one step finds or makes: the ledger's list of contacts is read once for all of them.
const CHUNKS_OF_CONTACTS: u32 = 40;

/// Which invoices a backfill is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Selection {
    /// Issued on this day or later.
    pub from: Date,
    /// Issued on this day or earlier.
    #[serde(default)]
    pub to: Option<Date>,
    /// In one of these states.
    pub statuses: Vec<InvoiceStatus>,
}

impl Selection {
    /// A selection as a person asked for it. Without a first day it begins on the day of the connection, so that years whose books are closed are not
    /// touched unasked (C30); without a state it takes what is synced by a click: sent and paid (C9).
    ///
    /// # Errors
    /// 422 when the days are the wrong way round, or a state is asked for in which nothing is synced.
    pub fn of(connected: Date, from: Option<Date>, to: Option<Date>, statuses: &[InvoiceStatus], drafts_too: bool) -> Outcome<Self> {
        let from = from.unwrap_or(connected);
        let mut issues = Vec::new();
        if to.is_some_and(|to| to < from) {
            issues.push(Issue::new("/to", "before_from", format!("The last day lies before the first one, {from}.")));
        }
        if statuses.contains(&InvoiceStatus::Void) {
            issues.push(Issue::new(
                "/status",
                "not_synced",
                "Void invoices are not sent to a ledger; those that are open there are listed under attention.",
            ));
        }
        if statuses.contains(&InvoiceStatus::Draft) && !drafts_too {
            issues.push(Issue::new("/status", "not_synced", "This connection takes no draft invoices: \"also draft invoices\" is off."));
        }
        if !issues.is_empty() {
            return Err(Problem::invalid(issues));
        }
        let mut chosen = if statuses.is_empty() { vec![InvoiceStatus::Sent, InvoiceStatus::Paid] } else { statuses.to_vec() };
        chosen.dedup();
        Ok(Self { from, to, statuses: chosen })
    }

    /// Whether it takes this invoice.
    #[must_use]
    pub fn takes(&self, invoice: &Invoice) -> bool {
        self.from <= invoice.issue_date && self.to.is_none_or(|to| invoice.issue_date <= to) && self.statuses.contains(&invoice.status)
    }
}

/// What is done to the chosen invoices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = BackfillPurpose))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Purpose {
    /// They are brought up to date in the ledger.
    Backfill {
        /// Which.
        selection: Selection,
    },
    /// Their drafts there are approved (C7); where the ledger has no drafts, what waits here is posted (C8).
    ApproveDrafts,
}

/// How far the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = BackfillStage))]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The invoices are being written down, in chunks.
    Listing,
    /// The contacts of new clients are being found or made, many at once.
    Contacts,
    /// Chunk by chunk.
    Working,
}

/// Where a backfill stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BackfillState {
    /// Under way, or waiting with an ETA.
    Running,
    /// Every invoice has come to an end of its own.
    Done,
    /// A person ended it.
    Cancelled,
    /// It cannot go on: disconnected, another organisation, a plan without the ledger; or a defect of ours.
    Stopped,
}

/// What a backfill keeps in its head. Its numbers are not here: they are the sum over its chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    /// What for.
    pub purpose: Purpose,
    /// The ledger.
    pub ledger: Ledger,
    /// The organisation that was connected when it began: with another one it stops.
    pub generation: Generation,
    /// Who asked.
    pub actor: Actor,
    /// When.
    pub begun_at: Timestamp,
    /// Where it stands.
    pub state: BackfillState,
    /// How far it is.
    pub stage: Stage,
    /// The last invoice that was looked at while listing.
    #[serde(default)]
    pub listed_to: Option<InvoiceId>,
    /// Invoices that were chosen and fill no chunk yet.
    #[serde(default)]
    pub remainder: Vec<InvoiceId>,
    /// Chunks written down.
    pub chunks: u32,
    /// Invoices in them.
    pub total: u32,
    /// The first chunk that was not begun.
    pub next_chunk: u32,
    /// Chunks that were begun and have invoices without an end.
    #[serde(default)]
    pub open: Vec<u32>,
    /// Chunks whose clients have contacts, or a question about them.
    #[serde(default)]
    pub contacts_done: u32,
    /// How often the contacts of the next chunks were waited for.
    #[serde(default)]
    pub contact_tries: u32,
    /// Pages of the ledger's list of contacts, once it was read.
    #[serde(default)]
    pub contact_pages: u32,
    /// Calls made for all chunks together.
    #[serde(default)]
    pub shared_calls: u32,
    /// For what and until when it waits.
    #[serde(default)]
    pub waits: Option<Wait>,
    /// Why it stopped.
    #[serde(default)]
    pub problem: Option<RowProblem>,
    /// When it came to rest.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
}

/// Why the whole waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// For what.
    #[serde(rename = "for")]
    pub reason: WaitingFor,
    /// It is looked at again then.
    pub until: Timestamp,
}

impl Backfill {
    /// One that begins.
    #[must_use]
    pub fn begin(purpose: Purpose, ledger: Ledger, generation: Generation, actor: Actor, now: Timestamp) -> Self {
        Self {
            purpose,
            ledger,
            generation,
            actor,
            begun_at: now,
            state: BackfillState::Running,
            stage: Stage::Listing,
            listed_to: None,
            remainder: Vec::new(),
            chunks: 0,
            total: 0,
            next_chunk: 0,
            open: Vec::new(),
            contacts_done: 0,
            contact_tries: 0,
            contact_pages: 0,
            shared_calls: 0,
            waits: None,
            problem: None,
            ended_at: None,
        }
    }

    /// The chunks whose clients' contacts the next step finds or makes.
    #[must_use]
    pub fn chunks_of_contacts(&self) -> Range<u32> {
        self.contacts_done..self.chunks.min(self.contacts_done.saturating_add(CHUNKS_OF_CONTACTS))
    }

    /// Comes to rest.
    pub fn end(&mut self, state: BackfillState, now: Timestamp) {
        self.state = state;
        self.waits = None;
        self.ended_at = Some(now);
    }
}

/// What an invoice came to in a backfill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Came {
    /// Not begun.
    #[default]
    Pending,
    /// The ledger has it, by this job.
    Synced,
    /// The ledger had it already: nothing was sent.
    Unchanged,
    /// A person is asked; listed under attention.
    Held,
    /// Refused; listed under attention.
    Failed,
    /// It may not be synced any more: voided, or taken out, since it was chosen.
    Skipped,
    /// Its row waits, and goes on by itself.
    Waiting,
}

impl Came {
    /// Whether it is over for this invoice.
    #[must_use]
    pub fn is_end(self) -> bool {
        match self {
            Self::Synced | Self::Unchanged | Self::Held | Self::Failed | Self::Skipped => true,
            Self::Pending | Self::Waiting => false,
        }
    }
}

/// An invoice of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// Which.
    pub inv: InvoiceId,
    /// What it came to.
    pub came: Came,
    /// What its row waits for, where it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Wait>,
    /// How often it was begun alone, because the chunk as a whole did not come to an end.
    #[serde(default)]
    pub alone: u32,
}

/// One vendor batch of a backfill.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its invoices, oldest first.
    pub chosen: Vec<Chosen>,
    /// Calls made for them.
    #[serde(default)]
    pub vendor_calls: u32,
}

impl Chunk {
    /// A chunk of these.
    #[must_use]
    pub fn of(invoices: &[InvoiceId]) -> Self {
        let chosen = invoices.iter().map(|inv| Chosen { inv: *inv, came: Came::Pending, waits: None, alone: 0 }).collect();
        Self { chosen, vendor_calls: 0 }
    }

    /// Whether every invoice has an end.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.chosen.iter().all(|chosen| chosen.came.is_end())
    }

    /// Invoices that were not begun, or whose outcome was not written down.
    pub fn pending(&self) -> impl Iterator<Item = InvoiceId> {
        self.chosen.iter().filter(|chosen| chosen.came == Came::Pending).map(|chosen| chosen.inv)
    }

    /// Writes down what an invoice came to.
    pub fn note(&mut self, inv: InvoiceId, came: Came, waits: Option<Wait>) {
        for chosen in self.chosen.iter_mut().filter(|chosen| chosen.inv == inv) {
            chosen.came = came;
            chosen.waits = waits;
        }
    }
}

/// How far a backfill is: the sum over its chunks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = BackfillProgress))]
pub struct Progress {
    /// Invoices chosen; still growing while they are listed.
    pub total: u32,
    /// In the ledger by this job.
    pub synced: u32,
    /// In the ledger before; nothing was sent.
    pub unchanged: u32,
    /// A person is asked.
    pub held: u32,
    /// Refused.
    pub failed: u32,
    /// Not to be synced any more.
    pub skipped: u32,
    /// Begun, and waiting; they go on by themselves.
    pub waiting: u32,
    /// Not begun.
    pub pending: u32,
    /// Calls to the ledger so far.
    pub vendor_calls: u32,
}

impl Progress {
    /// Adds a chunk.
    pub fn add(&mut self, chunk: &Chunk) {
        self.vendor_calls = self.vendor_calls.saturating_add(chunk.vendor_calls);
        for chosen in &chunk.chosen {
            let count = match chosen.came {
                Came::Pending => &mut self.pending,
                Came::Synced => &mut self.synced,
                Came::Unchanged => &mut self.unchanged,
                Came::Held => &mut self.held,
                Came::Failed => &mut self.failed,
                Came::Skipped => &mut self.skipped,
                Came::Waiting => &mut self.waiting,
            };
            *count = count.saturating_add(1);
            self.total = self.total.saturating_add(1);
        }
    }
}

/// So many things in one call; 0 where there is no such call and each takes `each` of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calls {
    /// Calls that each thing takes by itself.
    pub each: u32,
    /// Calls that a batch takes.
    pub per_batch: u32,
    /// Things of a batch.
    pub batch: u32,
}

impl Calls {
    /// A call for each.
    #[must_use]
    pub const fn single(each: u32) -> Self {
        Self { each, per_batch: 0, batch: 1 }
    }

    /// So many calls for `batch` of them.
    #[must_use]
    pub const fn batched(per_batch: u32, batch: u32) -> Self {
        Self { each: 0, per_batch, batch }
    }

    fn of(self, things: u32) -> u32 {
        let batches = things.div_ceil(self.batch.max(1));
        things.saturating_mul(self.each).saturating_add(batches.saturating_mul(self.per_batch))
    }
}

/// What work costs at a ledger, in calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Costs {
    /// Documents made.
    pub create: Calls,
    /// Documents compared and changed.
    pub update: Calls,
    /// Drafts approved.
    pub approve: Calls,
    /// Contacts made.
    pub contact: Calls,
    /// The least that documents made can cost: the vendor's largest batch, and no look-up.
    pub least_create: Calls,
    /// The least that contacts made can cost.
    pub least_contact: Calls,
}

/// What there is to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Invoices chosen.
    pub invoices: u32,
    /// Of these, without a document there.
    pub creates: u32,
    /// Of these, with a document there and another version here.
    pub updates: u32,
    /// Drafts to approve.
    pub approvals: u32,
    /// Clients without a contact there.
    pub clients: u32,
    /// Of these, to be made there, as far as is known.
    pub contacts: u32,
    /// Pages of the list of contacts, where any client has none.
    pub contact_pages: u32,
}

/// What a job is expected to take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = BackfillEstimate))]
pub struct Estimate {
    /// Invoices chosen.
    pub invoices: u32,
    /// Calls expected.
    pub vendor_calls: u32,
    /// The fewest calls that could do it: full batches, nothing looked up.
    pub lower_bound: u32,
    /// Time expected, in seconds, at the ledger's pace; days of waiting for a new day's calls included.
    pub seconds: u64,
    /// Share of a day's calls: `"0.25"` is a quarter; above 1 it takes more than a day.
    pub day_budget_share: Decimal,
}

/// Seconds in a day.
const DAY: u64 = 86_400;
/// What one call takes, as a rule, in milliseconds: batches are slower, look-ups faster.
const CALL_MILLIS: u64 = 600;

/// What a job is expected to take, by a ledger's costs and its limits on calls.
#[must_use]
pub fn estimate(load: Load, costs: &Costs, per_minute: u32, per_day: u32) -> Estimate {
    let listed = if load.clients > 0 { load.contact_pages.max(1) } else { 0 };
    let sum = |parts: [u32; 5]| parts.into_iter().fold(0_u32, u32::saturating_add);
    let vendor_calls = sum([
        costs.create.of(load.creates),
        costs.update.of(load.updates),
        costs.approve.of(load.approvals),
        costs.contact.of(load.contacts),
        listed,
    ]);
    let lower_bound = sum([
        costs.least_create.of(load.creates),
        costs.least_create.of(load.updates),
        costs.least_create.of(load.approvals),
        costs.least_contact.of(load.contacts),
        listed,
    ])
    .min(vendor_calls);
    let seconds = time_for(vendor_calls, load.invoices, per_minute, per_day);
    let share = Decimal::from(vendor_calls).checked_div(Decimal::from(per_day.max(1))).unwrap_or_default();
    let day_budget_share = share.round_dp_with_strategy(4, RoundingStrategy::AwayFromZero).normalize();
    Estimate { invoices: load.invoices, vendor_calls, lower_bound, seconds, day_budget_share }
}

/// Seconds that so many calls over so many rows take.
fn time_for(calls: u32, rows: u32, per_minute: u32, per_day: u32) -> u64 {
    let calls_u64 = u64::from(calls);
    let days = u64::from(calls.saturating_sub(1) / per_day.max(1));
    let last_day = calls_u64.saturating_sub(days.saturating_mul(u64::from(per_day)));
    let paced = last_day.saturating_mul(60).div_ceil(u64::from(per_minute.max(1)));
    let waited = last_day.saturating_mul(CALL_MILLIS).div_ceil(1000);
    let rows = u64::from(rows.div_ceil(ROWS_PER_SECOND));
    days.saturating_mul(DAY).saturating_add(paced.max(waited).max(rows))
}

/// When a job is expected to be over: what is left takes what the part that is done took, not before its wait ends.
#[must_use]
pub fn eta(now: Timestamp, waits: Option<Wait>, progress: &Progress, per_minute: u32, per_day: u32) -> Timestamp {
    let left = progress.pending.saturating_add(progress.waiting);
    let over = progress.total.saturating_sub(left);
    // A call for each, until it is known better.
    let calls_left = match over {
        0 => left,
        over => {
            u32::try_from(u64::from(progress.vendor_calls).saturating_mul(u64::from(left)).div_ceil(u64::from(over))).unwrap_or(u32::MAX)
        }
    };
    let seconds = i64::try_from(time_for(calls_left, left, per_minute, per_day)).unwrap_or(i64::MAX);
    let begins = waits.map_or(now, |wait| wait.until.max(now));
    begins.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
