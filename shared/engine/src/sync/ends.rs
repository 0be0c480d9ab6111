//! How a run ends, and what its row says then.

use std::time::Duration;

use coportal_aws::records::cards::Waits;
use coportal_core::connection::Payments;
use coportal_core::document::{DocumentStatus, SentDocument};
use coportal_core::failure::{Disposition, Failure};
use coportal_core::id::HoldId;
use coportal_core::invoice::InvoiceStatus;
use coportal_core::metering::Limit;
use coportal_core::problem::{Fix, Outcome, Problem};
use coportal_core::sync::HoldDraft;
use coportal_core::sync::merge::as_sent;
use coportal_core::sync::retry::{self, Then, Tried};
use coportal_core::sync::row::{Hold, RowProblem, SyncState, Waiting, WaitingFor};
use coportal_core::timeline::Actor;
use jiff::{SignedDuration, Timestamp};

use super::answer::{Changed, SyncAnswer, SyncEnd};
use super::run::{Next, Run, refresh_link};

/// How often a run looks again whether the other one has finished with the same contact.
const CONTACT_TURNS: u32 = 12;
const CONTACT_TURN: Duration = Duration::from_millis(250);
/// A limit that is free again sooner is not worth a word on the card.
const WORTH_SAYING: SignedDuration = SignedDuration::from_mins(5);

impl Run<'_> {
    pub(super) async fn busy(&mut self, until: Timestamp, contact: bool) -> Outcome<Next> {
        // Another invoice of the same new client is making the contact: wait for its turn rather than refuse.
        if contact && self.contact_turns < CONTACT_TURNS && self.ctx.has_time_for(SignedDuration::from_secs(15)) {
            self.contact_turns += 1;
            tokio::time::sleep(CONTACT_TURN).await;
            self.contact = self.engine.store.contact_row(self.contact_key()).await?;
            return Ok(Next::Continue);
        }
        Ok(Next::End(SyncEnd::InProgress { until }))
    }

    /// Refused before anything was sent. A row that was waiting comes to rest and is listed: nothing waits for what will not happen.
    pub(super) async fn refused(&mut self, problem: Problem) -> Outcome<Next> {
        if !self.row.value.state.is_at_rest() && self.row.value.intent.is_none() {
            self.row.value.waiting = None;
            let step = if self.request.actor == Actor::System {
                // Nobody asks: options have changed since it was queued, and nothing of it is amiss.
                self.enter(SyncState::Stopped);
                self.row.value.left_out = false;
                self.row.value.problem = None;
                "stopped"
            } else {
                self.enter(SyncState::Failed);
                self.row.value.problem = Some(public_half(&problem));
                "failed"
            };
            let event = self.event(step, &problem.detail, None);
            self.save(Some(event)).await?;
        }
        Err(problem)
    }

    /// R64, C2: nothing changed since the last sync; the timeline says so, and why.
    pub(super) async fn nothing(&mut self) -> Outcome<SyncEnd> {
        let text = if self.invoice.status == InvoiceStatus::Paid && self.connection.options.payments == Payments::None {
            "Nothing to update; payments are not pushed by this connection."
        } else {
            "Nothing to update: the ledger has this version."
        };
        let settled = self.row.value.state == SyncState::Synced && self.row.value.done >= self.invoice.version;
        if self.changed != Changed::Nothing {
            // This run's own write has told its story; the row comes to rest.
            self.finish_row(None);
            self.save(None).await?;
            return Ok(self.synced());
        }
        let event = self.event("nothing", text, None);
        if settled {
            self.tell(&event).await?;
        } else {
            self.finish_row(None);
            self.save(Some(event)).await?;
        }
        Ok(self.synced())
    }

    pub(super) async fn proved(&mut self, hash: String, sent: Option<SentDocument>, reason: &str) -> Outcome<Next> {
        let there = self.found.document.clone().flatten();
        let more = there.as_ref().is_some_and(|there| self.invoice.status != InvoiceStatus::Void && self.more_to_do(there));
        if let (Some(link), Some(there)) = (self.row.value.link.as_mut(), there) {
            refresh_link(link, &there);
            // A version that nobody compared is none to write over.
            link.as_sent = sent.as_ref().is_some_and(|sent| as_sent(&there, sent));
            link.sent = sent.or_else(|| link.sent.take());
            if there.status != DocumentStatus::Draft {
                self.row.value.approve = false;
            }
        }
        if let (Some(link), Some(None)) = (self.row.value.link.as_mut(), &self.found.document) {
            // It was looked for and is gone: nobody looks for it again.
            link.status = DocumentStatus::Deleted;
        }
        self.row.value.hash = Some(hash);
        self.finish_row(None);
        if more {
            // Its content is settled; an approval or a payment is not.
            self.enter(SyncState::Queued);
        }
        let event = self.event("nothing", reason, None);
        self.save(Some(event)).await?;
        Ok(if more { Next::Continue } else { Next::End(self.synced()) })
    }

    pub(super) async fn hold(&mut self, draft: HoldDraft) -> Outcome<SyncEnd> {
        let now = self.ctx.now();
        let same = self.row.value.hold.as_ref().filter(|hold| hold.question == draft.question && hold.inputs_hash == draft.inputs_hash);
        let (id, since) = same.map_or_else(|| (HoldId::new(self.ctx.uuid()), now), |hold| (hold.id, hold.since));
        let known = same.is_some();
        let hold =
            Hold { id, question: draft.question, detail: draft.detail, choices: draft.choices, inputs_hash: draft.inputs_hash, since };
        self.row.value.wanted = self.row.value.wanted.max(self.invoice.version);
        self.enter(SyncState::Held);
        self.row.value.hold = Some(hold.clone());
        self.row.value.problem = None;
        self.row.value.waiting = None;
        let event = (!known).then(|| self.event("held", &hold.detail, None));
        self.save(event).await?;
        Ok(SyncEnd::Held(Box::new(hold)))
    }

    pub(super) async fn wait(
        &mut self,
        state: SyncState,
        reason: WaitingFor,
        until: Option<Timestamp>,
        problem: Option<RowProblem>,
    ) -> Outcome<SyncEnd> {
        self.row.value.wanted = self.row.value.wanted.max(self.invoice.version);
        self.enter(state);
        self.row.value.waiting = Some(Waiting { reason, until });
        self.row.value.problem.clone_from(&problem);
        let text = problem.as_ref().map_or("The outcome of the last write is not known yet.", |problem| problem.detail.as_ref()).to_owned();
        let event = self.event("waiting", &text, None);
        self.save(Some(event)).await?;
        self.note_wait(reason, until).await;
        Ok(SyncEnd::Waiting { state, waiting_for: reason, due_at: until, problem: problem.map(Box::new), vendor_calls: self.meter.calls() })
    }

    /// Says on the connection's card that a limit is met, where it is met for long. What is noted already costs nothing, and a card that
    /// could not be written stops no row.
    async fn note_wait(&self, reason: WaitingFor, until: Option<Timestamp>) {
        let limit = match reason {
            WaitingFor::DayBudget => Limit::Day,
            WaitingFor::Limit => Limit::Minute,
            WaitingFor::Ledger
            | WaitingFor::Outcome
            | WaitingFor::OtherRun
            | WaitingFor::Reconnect
            | WaitingFor::Plan
            | WaitingFor::Retry => return,
        };
        let now = self.ctx.now();
        let Some(until) = until.filter(|until| !self.dry && now.duration_until(*until) >= WORTH_SAYING) else { return };
        let waits = Waits { generation: self.connection.generation, limit, since: now, until };
        if let Err(error) = self.engine.store.note_wait(self.ctx, self.workspace.id, self.connection.ledger, waits).await {
            tracing::warn!(%error, "the card of a connection does not say that a limit is met");
        }
    }

    pub(super) async fn retry_later(&mut self, failure: &Failure, not_before: Option<Timestamp>) -> Outcome<SyncEnd> {
        self.later(SyncState::Waiting, failure, not_before).await
    }

    /// A send was refused before it was looked at, and an earlier send of the same intent may have been done all the same: the intent
    /// stays open, and the same key or a look goes on with it.
    pub(super) async fn still_in_doubt(&mut self, failure: &Failure) -> Outcome<Next> {
        match failure.disposition {
            Disposition::Reauthorize => self.reauthorize().await,
            Disposition::Retry { not_before } => self.later(SyncState::Uncertain, failure, not_before).await.map(Next::End),
            Disposition::Reject { .. } | Disposition::LookFirst | Disposition::Hold { .. } | Disposition::Stale | Disposition::Defect => {
                self.later(SyncState::Uncertain, failure, None).await.map(Next::End)
            }
        }
    }

    async fn later(&mut self, state: SyncState, failure: &Failure, not_before: Option<Timestamp>) -> Outcome<SyncEnd> {
        if let Some(limit) = failure.limit {
            // To be told to wait is no try that came to nothing, be it over a claim.
            self.row.value.attempts = self.attempts_before;
            let reason = waits_for(limit);
            let tried = Tried { attempts: self.attempts_before.saturating_add(1), in_doubt: true, not_before };
            let Then::At(until) = retry::then(tried, self.ctx.now(), self.ctx.jitter()) else { return self.failed(failure).await };
            return self.wait(state, reason, Some(until), Some(row_problem(failure))).await;
        }
        self.count_try();
        match retry::then(self.tried(not_before), self.ctx.now(), self.ctx.jitter()) {
            Then::At(until) => {
                // Listed for a person, and still looked for.
                let state = if retry::is_over(self.row.value.attempts) { SyncState::Uncertain } else { state };
                self.wait(state, WaitingFor::Ledger, Some(until), Some(row_problem(failure))).await
            }
            Then::Failed => self.failed(failure).await,
        }
    }

    /// A write may have been done: it goes on with its key, or a look, at its next try. Never given up by count.
    pub(super) async fn look_later(&mut self, problem: RowProblem) -> Outcome<SyncEnd> {
        self.count_try();
        let tried = Tried { in_doubt: true, ..self.tried(None) };
        let until = match retry::then(tried, self.ctx.now(), self.ctx.jitter()) {
            Then::At(until) => Some(until),
            Then::Failed => None,
        };
        self.wait(SyncState::Uncertain, WaitingFor::Outcome, until, Some(problem)).await
    }

    /// A try that came to nothing counts once, however often it claimed.
    fn count_try(&mut self) {
        self.row.value.attempts = self.attempts_before.saturating_add(1);
    }

    fn tried(&self, not_before: Option<Timestamp>) -> Tried {
        let in_doubt = self.row.value.intent.is_some() || self.contact.value.intent.is_some();
        Tried { attempts: self.row.value.attempts, in_doubt, not_before }
    }

    pub(super) async fn failed(&mut self, failure: &Failure) -> Outcome<SyncEnd> {
        self.row.value.wanted = self.row.value.wanted.max(self.invoice.version);
        self.enter(SyncState::Failed);
        self.row.value.problem = Some(row_problem(failure));
        self.row.value.waiting = None;
        self.row.value.hold = None;
        let event = self.event("failed", &failure.detail, failure.vendor_request_id.clone());
        self.save(Some(event)).await?;
        Ok(SyncEnd::Failed(Box::new(failure.problem())))
    }

    pub(super) async fn out_of_time(&mut self) -> Outcome<Next> {
        let until = self.ctx.now().saturating_add(SignedDuration::from_secs(60)).unwrap_or(Timestamp::MAX);
        let problem = RowProblem {
            code: "taking_longer".into(),
            detail: "This is taking longer than a page can wait.".into(),
            fix: Fix::new("Nothing to do: it goes on by itself in a minute.", "the invoice", true),
            issues: Vec::new(),
        };
        self.wait(SyncState::Queued, WaitingFor::Ledger, Some(until), Some(problem)).await.map(Next::End)
    }

    pub(super) fn synced(&self) -> SyncEnd {
        let link = self.row.value.link.as_ref();
        SyncEnd::Synced(SyncAnswer {
            state: SyncState::Synced,
            external_id: link.map(|link| link.external_id.clone()),
            external_number: link.and_then(|link| link.external_number.clone()),
            external_url: link.and_then(|link| link.url.clone()),
            synced_at: self.row.value.last_synced_at,
            vendor_calls: self.meter.calls(),
            changed: self.changed,
        })
    }
}

/// What is waited for where a limit stands in the way.
pub(super) fn waits_for(limit: Limit) -> WaitingFor {
    match limit {
        Limit::Day => WaitingFor::DayBudget,
        Limit::Minute | Limit::Concurrent | Limit::App => WaitingFor::Limit,
    }
}

/// The public half of a failure, for the row.
pub(super) fn row_problem(failure: &Failure) -> RowProblem {
    let issues = match &failure.disposition {
        Disposition::Reject { issues } => issues.clone(),
        Disposition::Retry { .. }
        | Disposition::Reauthorize
        | Disposition::LookFirst
        | Disposition::Hold { .. }
        | Disposition::Stale
        | Disposition::Defect => Vec::new(),
    };
    RowProblem { code: failure.code.clone(), detail: failure.detail.clone(), fix: failure.fix.clone(), issues }
}

/// The public half of a problem, for the row.
pub(crate) fn public_half(problem: &Problem) -> RowProblem {
    RowProblem {
        code: problem.code.clone(),
        detail: problem.detail.clone(),
        fix: problem.fix.clone().unwrap_or_else(|| Fix::new("Try again later.", "the invoice", true)),
        issues: problem.issues.clone(),
    }
}
