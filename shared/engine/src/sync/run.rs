//! One run: ask the planner, perform the step, add what was learned, ask again.

use std::sync::Arc;
use std::time::Duration;

use coportal_aws::records::sync::{Saved, SyncKey};
use coportal_aws::records::tokens::TokenRow;
use coportal_aws::store::Versioned;
use coportal_core::choices::Choices;
use coportal_core::client::Client;
use coportal_core::connection::{Connection, ConnectionStatus, MatchBy};
use coportal_core::contact::ContactLink;
use coportal_core::ctx::Ctx;
use coportal_core::document::{Paid, RemoteDocument, SentDocument};
use coportal_core::facts::Facts;
use coportal_core::failure::{Disposition, Failure, Question};
use coportal_core::id::{EventId, IntentId, RunId};
use coportal_core::invoice::Invoice;
use coportal_core::ledger::ContactMark;
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::sync::key::{KeyParts, idempotency_key};
use coportal_core::sync::merge::as_sent;
use coportal_core::sync::plan::{Found, Step, View, next_step};
use coportal_core::sync::row::{ContactRow, DocumentLink, IntentKind, SyncRow, SyncState, WaitingFor};
use coportal_core::sync::settle::document_mark;
use coportal_core::timeline::{Actor, AuditEvent, TimelineEvent};
use coportal_core::workspace::Workspace;
use coportal_ledgers::exec::Meter;
use coportal_ledgers::{Access, LedgerApi};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::answer::{Changed, SyncEnd};
use super::ends::public_half;
use super::{SyncRequest, check_connection, not_connected};
use crate::Engine;
use crate::access::{AccessProblem, AccessToken};
use crate::permits::Permits;

/// Most steps of one run; a correct plan needs far fewer, and a wrong one must not spin against a vendor.
pub(super) const MAX_STEPS: u32 = 40;

/// Most steps of one payment: what is open is read, it is written, sent or looked for once more, and settled.
const STEPS_OF_A_PAYMENT: u32 = 6;

/// How long a run relies on the connection as it has read it. A quick sync never reads it again; a slow one sends nothing any more soon
/// after somebody has disconnected or chosen another organisation.
const STANDS_FOR: SignedDuration = SignedDuration::from_secs(1);

/// What stands in the way of a read.
pub(super) enum ReadStop {
    /// The deadline.
    NoTime,
    /// The tokens.
    NoAccess(AccessProblem),
    /// The ledger, or a limit of its.
    Failed(Failure),
}

/// What a step means for the run.
pub(super) enum Next {
    /// Ask the planner again.
    Continue,
    /// This is the end.
    End(SyncEnd),
}

/// The state of one run.
pub(super) struct Run<'e> {
    pub(super) engine: &'e Engine,
    pub(super) ctx: &'e Ctx,
    pub(super) api: &'e LedgerApi,
    pub(super) request: SyncRequest,
    pub(super) id: RunId,
    pub(super) workspace: Workspace,
    pub(super) invoice: Invoice,
    pub(super) client: Client,
    pub(super) connection: Connection,
    pub(super) organisation: String,
    pub(super) tokens: Option<Versioned<TokenRow>>,
    pub(super) token: Option<Arc<AccessToken>>,
    pub(super) reauthorized: bool,
    pub(super) facts: Option<Facts>,
    pub(super) choices: Choices,
    pub(super) contact: Versioned<ContactRow>,
    pub(super) row: Versioned<SyncRow>,
    pub(super) url: String,
    pub(super) found: Found,
    pub(super) permits: Arc<Permits>,
    pub(super) meter: Meter,
    pub(super) changed: Changed,
    pub(super) resent: bool,
    /// The intent that this run has counted as an attempt: a document that goes on line by line is tried once and not once a line.
    pub(super) tried: Option<IntentId>,
    /// Nothing is stored anywhere.
    pub(super) dry: bool,
    pub(super) contact_turns: u32,
    /// When the connection was last seen to stand.
    pub(super) stood_at: Timestamp,
    /// The row's tries before this run.
    pub(super) attempts_before: u32,
}

#[expect(clippy::too_many_arguments, reason = "built once, from the two reads of Engine::load")]
impl<'e> Run<'e> {
    pub(super) fn new(
        engine: &'e Engine,
        ctx: &'e Ctx,
        api: &'e LedgerApi,
        request: SyncRequest,
        workspace: Workspace,
        invoice: Invoice,
        client: Client,
        connection: Connection,
        organisation: String,
        tokens: Option<Versioned<TokenRow>>,
        facts: Option<Facts>,
        choices: Choices,
        contact: Versioned<ContactRow>,
        mut row: Versioned<SyncRow>,
    ) -> Self {
        let url = document_mark(api.rules.document_mark, &engine.invoice_url(invoice.id));
        if let Actor::User(_) = request.actor {
            // A click begins the schedule anew: nobody's patience makes a row fail.
            row.value.attempts = 0;
        }
        let attempts_before = row.value.attempts;
        let id = RunId::new(ctx.uuid());
        let permits = engine.permits(ctx, api, &organisation, id);
        Self {
            engine,
            ctx,
            api,
            request,
            id,
            workspace,
            invoice,
            client,
            connection,
            organisation,
            tokens,
            token: None,
            reauthorized: false,
            facts,
            choices,
            contact,
            row,
            url,
            found: Found::default(),
            meter: permits.meter(),
            permits,
            changed: Changed::Nothing,
            resent: false,
            tried: None,
            dry: false,
            contact_turns: 0,
            stood_at: ctx.now(),
            attempts_before,
        }
    }
}

impl Run<'_> {
    /// Runs to an end.
    pub(super) async fn sync(&mut self) -> Outcome<SyncEnd> {
        let end = Box::pin(self.run_to_its_end()).await;
        Box::pin(self.permits.close()).await;
        end
    }

    async fn run_to_its_end(&mut self) -> Outcome<SyncEnd> {
        // A ledger that takes one line a call needs a step each; so does each payment, with a look of its own where an answer is lost.
        let each = |count: usize, steps: u32| u32::try_from(count).unwrap_or(u32::MAX).saturating_mul(steps);
        let lines = each(self.invoice.lines.len(), 1);
        let steps = MAX_STEPS.saturating_add(lines).saturating_add(each(self.invoice.payments.len(), STEPS_OF_A_PAYMENT));
        for _ in 0..steps {
            let step = next_step(self.view());
            // On the heap: the union of all steps' states is too much for a caller's stack in an unoptimised build.
            if let Next::End(end) = Box::pin(self.perform(step)).await? {
                return Ok(end);
            }
        }
        Err(Problem::internal_error(format_args!("a sync of {} did not come to an end in {steps} steps", self.invoice.id)))
    }

    /// What the planner sees.
    pub(super) fn view(&self) -> View<'_> {
        View {
            now: self.ctx.now(),
            run: self.id,
            rules: &self.api.rules,
            workspace: &self.workspace,
            invoice: &self.invoice,
            client: &self.client,
            connection: &self.connection,
            facts: self.facts.as_ref(),
            choices: &self.choices,
            contact: &self.contact.value,
            row: &self.row.value,
            url: &self.url,
            found: &self.found,
        }
    }

    pub(super) async fn perform(&mut self, step: Step) -> Outcome<Next> {
        match step {
            Step::Refuse(problem) => self.refused(problem).await,
            Step::Busy { until, contact } => self.busy(until, contact).await,
            Step::Hold(draft) => self.hold(draft).await.map(Next::End),
            Step::Nothing => self.nothing().await.map(Next::End),
            Step::Proved { hash, sent, reason } => self.proved(hash, sent.map(|sent| *sent), reason).await,
            Step::WaitOutcome(until) => self.wait(SyncState::Uncertain, WaitingFor::Outcome, Some(until), None).await.map(Next::End),
            Step::ReadFacts
            | Step::SearchContacts
            | Step::ReadContact(_)
            | Step::ReadDocument(_)
            | Step::LookContact(_)
            | Step::LookDocument(_)
            | Step::LookNumber(_)
            | Step::ReadPayments(_)
            | Step::LookPayment(_) => self.read(step).await,
            Step::LinkContact { external_id, hash } => self.link_contact(external_id, hash).await,
            Step::UnlinkContact => self.unlink_contact().await,
            Step::WriteContact(plan) => self.write_contact(*plan).await,
            Step::ResendContact => self.resend_contact().await,
            Step::ContactDone(contact) => self.contact_done(*contact, None).await,
            Step::ContactNotDone => self.contact_not_done().await,
            Step::WriteDocument(plan) => self.write_document(*plan).await,
            Step::ResendDocument => self.resend_document().await,
            Step::DocumentDone(document) => self.document_found(*document).await,
            Step::DocumentNotDone => self.document_not_done().await,
            Step::Adopt(document) => self.adopt(*document).await,
            Step::ContinueDocument(there) => self.continue_document(*there).await,
            Step::ApproveDocument { there, hash } => self.approve_document(*there, hash).await,
            Step::VoidDocument { there, how, hash } => self.void_document(*there, how, hash).await,
            Step::WritePayment(plan) => self.write_payment(*plan).await,
            Step::ResendPayment => self.resend_document().await,
            Step::PaymentDone { link, reason } => self.payment_done(link, reason, None).await,
            Step::PaymentNotDone => self.document_not_done().await,
            Step::ForgetDocument => {
                self.row.value.link = None;
                self.row.value.hash = None;
                self.row.value.remote_generation += 1;
                // What was paid of the old document is no payment of the new one, and to approve it was said of the old one.
                self.row.value.payments.clear();
                self.row.value.approve = false;
                self.found.document = None;
                Ok(Next::Continue)
            }
        }
    }

    /// The steps that only read from the ledger; what stands in the way parks or ends the sync.
    pub(super) async fn read(&mut self, step: Step) -> Outcome<Next> {
        match self.fetch(step).await? {
            Ok(()) => Ok(Next::Continue),
            Err(stop) => self.read_stopped(stop).await,
        }
    }

    /// What stands in the way of a read parks or ends the sync.
    pub(super) async fn read_stopped(&mut self, stop: ReadStop) -> Outcome<Next> {
        match stop {
            ReadStop::NoTime => self.out_of_time().await,
            ReadStop::NoAccess(problem) => self.no_access(problem).await,
            // A read has no effect to look for: it is simply tried again later.
            ReadStop::Failed(failure) => match failure.disposition.clone() {
                Disposition::Retry { not_before } => self.retry_later(&failure, not_before).await.map(Next::End),
                // Nor does it rest on a version that somebody could have been faster with.
                Disposition::LookFirst | Disposition::Stale => self.retry_later(&failure, None).await.map(Next::End),
                Disposition::Reauthorize => self.cut_off().await,
                Disposition::Reject { .. } | Disposition::Hold { .. } | Disposition::Defect => self.failed(&failure).await.map(Next::End),
            },
        }
    }

    /// The same read for those who store nothing (dry run, link): what stands in the way is a refusal.
    pub(super) async fn read_or_refuse(&mut self, step: Step) -> Outcome<()> {
        self.fetch(step).await?.map_err(|stop| match stop {
            ReadStop::NoTime => Problem::new(ProblemKind::Unavailable, "taking_longer", "The ledger is answering too slowly just now.")
                .fix("Try again in a minute.", "the invoice", true),
            ReadStop::NoAccess(problem) => problem.problem(self.request.ledger),
            ReadStop::Failed(failure) => failure.problem(),
        })
    }

    async fn fetch(&mut self, step: Step) -> Outcome<Result<(), ReadStop>> {
        loop {
            if let Err(stop) = self.ready_to_read().await? {
                return Ok(Err(stop));
            }
            let (calls, slots) = self.permits_for(&step);
            if let Err(no) = Box::pin(self.permits.reserve(calls, slots)).await? {
                return Ok(Err(ReadStop::Failed(coportal_ledgers::withheld(no))));
            }
            // The permits may have taken their time (I14).
            self.check_standing().await?;
            let Err(failure) = self.fetch_once(&step).await? else { return Ok(Ok(())) };
            if failure.disposition != Disposition::Reauthorize || self.reauthorized {
                return Ok(Err(ReadStop::Failed(failure)));
            }
            if let Err(problem) = self.renew().await? {
                return Ok(Err(ReadStop::NoAccess(problem)));
            }
        }
    }

    /// Time left, a token in hand and a connection that stands.
    pub(super) async fn ready_to_read(&mut self) -> Outcome<Result<(), ReadStop>> {
        if !self.ctx.has_time_for(self.api.rules.call_timeout) {
            return Ok(Err(ReadStop::NoTime));
        }
        if let Err(problem) = self.ensure_token().await? {
            return Ok(Err(ReadStop::NoAccess(problem)));
        }
        self.check_standing().await?;
        Ok(Ok(()))
    }

    /// Calls that a reading step makes together with the writes that follow from it, all or none: a run that is stopped between them would
    /// read the same again. And how many of them are in flight at once.
    fn permits_for(&self, step: &Step) -> (u32, u32) {
        let profile = self.api.profile;
        let (contact, write) = if self.dry { (0, 0) } else { (1, self.document_calls()) };
        let calls = match step {
            Step::ReadFacts => return (profile.facts_calls, profile.facts_in_flight),
            // A contact is written, and the document after it.
            Step::SearchContacts => profile.step_calls.search.saturating_add(contact).saturating_add(write),
            Step::ReadContact(_) | Step::LookContact(_) => write.saturating_add(contact).saturating_add(1),
            // A payment is written by one call.
            Step::ReadPayments(_) | Step::LookPayment(_) => profile.step_calls.paid.saturating_add(write.min(1)),
            Step::ReadDocument(_)
            | Step::LookDocument(_)
            | Step::LookNumber(_)
            | Step::ContinueDocument(_)
            | Step::ApproveDocument { .. }
            | Step::VoidDocument { .. }
            | Step::WritePayment(_)
            | Step::ResendPayment
            | Step::PaymentDone { .. }
            | Step::PaymentNotDone
            | Step::Refuse(_)
            | Step::Busy { .. }
            | Step::Hold(_)
            | Step::LinkContact { .. }
            | Step::UnlinkContact
            | Step::WriteContact(_)
            | Step::ResendContact
            | Step::ContactDone(_)
            | Step::ContactNotDone
            | Step::ResendDocument
            | Step::DocumentDone(_)
            | Step::DocumentNotDone
            | Step::WaitOutcome(_)
            | Step::Adopt(_)
            | Step::ForgetDocument
            | Step::WriteDocument(_)
            | Step::Proved { .. }
            | Step::Nothing => write.saturating_add(1),
        };
        (calls, profile.step_in_flight)
    }

    /// The most that writing the invoice's document may count as: what is in it now, and lines of the last write that may have to go.
    pub(super) fn document_calls(&self) -> u32 {
        let sent = self.row.value.link.as_ref().and_then(|link| link.sent.as_ref()).map_or(0, |sent| sent.lines.len());
        self.api.profile.step_calls.of_document(self.invoice.lines.len().saturating_add(sent))
    }

    async fn fetch_once(&mut self, step: &Step) -> Outcome<Result<(), Failure>> {
        let access = self.access()?;
        Ok(match step {
            Step::ReadFacts => match self.api.facts.facts(access).await {
                Ok(answered) => {
                    self.keep_facts(answered.value).await?;
                    Ok(())
                }
                Err(failure) => Err(failure),
            },
            Step::SearchContacts => {
                // Where names alone match and a mark says what is ours, nobody is looked for by e-mail address (C3).
                let by_email =
                    self.connection.options.match_by.contains(&MatchBy::Email) || self.api.rules.contact_mark == ContactMark::Evidence;
                let email = by_email.then_some(self.client.email.as_str());
                let found = self.api.contacts.search(access, email, Some(&self.client.name)).await;
                found.map(|answered| self.found.contacts = Some(answered.value))
            }
            Step::ReadContact(id) => {
                self.api.contacts.read_contact(access, id).await.map(|answered| self.found.linked_contact = Some(answered.value))
            }
            Step::LookContact(look) => {
                let found = self.api.contacts.look_contact(access, look).await;
                found.map(|answered| self.found.contact_look = Some(answered.value))
            }
            Step::ReadDocument(id) => {
                self.api.documents.read_document(access, id).await.map(|answered| self.found.document = Some(answered.value))
            }
            Step::LookDocument(look) => {
                self.api.documents.look(access, look).await.map(|answered| self.found.document_look = Some(answered.value))
            }
            Step::LookNumber(look) => {
                self.api.documents.look(access, look).await.map(|answered| self.found.number_look = Some(answered.value))
            }
            Step::ReadPayments(id) => match self.payments()?.payments(access, id).await {
                Ok(answered) => {
                    self.found.paid = Some(answered.value);
                    Ok(())
                }
                // Where the document is gone, that is the question; nothing is settled by what is open on no document (C1).
                Err(failure) if is_gone(&failure) => {
                    self.found.document = Some(None);
                    Ok(())
                }
                Err(failure) => Err(failure),
            },
            Step::LookPayment(look) => {
                let document = look.external_id.as_deref().unwrap_or_default();
                match self.payments()?.payments(access, document).await {
                    Ok(answered) => {
                        self.found.payment_look = Some(answered.value);
                        Ok(())
                    }
                    // No payment of ours is to be seen there any more, and nothing is open: a person is asked in the end (C1).
                    Err(failure) if is_gone(&failure) => {
                        self.found.payment_look = Some(Paid { balance: Decimal::ZERO, contact: None, payments: Vec::new() });
                        Ok(())
                    }
                    Err(failure) => Err(failure),
                }
            }
            Step::ContinueDocument(_)
            | Step::ApproveDocument { .. }
            | Step::VoidDocument { .. }
            | Step::WritePayment(_)
            | Step::ResendPayment
            | Step::PaymentDone { .. }
            | Step::PaymentNotDone
            | Step::Refuse(_)
            | Step::Busy { .. }
            | Step::Hold(_)
            | Step::LinkContact { .. }
            | Step::UnlinkContact
            | Step::WriteContact(_)
            | Step::ResendContact
            | Step::ContactDone(_)
            | Step::ContactNotDone
            | Step::ResendDocument
            | Step::DocumentDone(_)
            | Step::DocumentNotDone
            | Step::WaitOutcome(_)
            | Step::Adopt(_)
            | Step::ForgetDocument
            | Step::WriteDocument(_)
            | Step::Proved { .. }
            | Step::Nothing => return Err(Problem::internal_error("not a reading step")),
        })
    }

    async fn keep_facts(&mut self, facts: Facts) -> Outcome<()> {
        if !self.dry {
            self.engine.store.put_facts(self.ctx, self.request.workspace, self.request.ledger, self.connection.generation, &facts).await?;
        }
        self.facts = Some(facts);
        self.found.facts_read = true;
        Ok(())
    }

    // --- access -------------------------------------------------------------------------------------------------------------------

    pub(super) fn access(&self) -> Outcome<Access<'_>> {
        let token = self.token.as_ref().ok_or_else(|| Problem::internal_error("no access token at a vendor call"))?;
        let timeout = Duration::try_from(self.api.rules.call_timeout).unwrap_or(Duration::from_secs(12));
        Ok(Access { organisation: &self.organisation, token: token.secret(), meter: &self.meter, timeout, now: self.ctx.now() })
    }

    /// I4, I14: nothing is sent over a connection that somebody has taken apart, or moved to another organisation, while this run was at
    /// work. Its rows stay as they are: an open intent belongs to its generation, and is settled when that comes back.
    pub(super) async fn check_standing(&mut self) -> Outcome<()> {
        let now = self.ctx.now();
        if self.stood_at.duration_until(now) < STANDS_FOR {
            return Ok(());
        }
        self.read_standing().await?;
        self.stood_at = now;
        Ok(())
    }

    async fn read_standing(&self) -> Outcome<()> {
        let ledger = self.request.ledger;
        let present = self.engine.store.connection(self.request.workspace, ledger).await?.map(|present| present.value);
        let present = present.filter(|present| present.generation == self.connection.generation);
        check_connection(&present.ok_or_else(|| not_connected(ledger))?).map(|_| ())
    }

    pub(super) async fn ensure_token(&mut self) -> Outcome<Result<(), AccessProblem>> {
        if self.token.is_some() {
            return Ok(Ok(()));
        }
        if self.connection.status == ConnectionStatus::ReconnectRequired {
            return Ok(Err(AccessProblem::Dead));
        }
        match self.engine.access_token(self.ctx, self.request.workspace, &self.connection, self.tokens.take()).await {
            Ok(token) => {
                self.token = Some(Arc::new(token));
                Ok(Ok(()))
            }
            Err(AccessProblem::Store(problem)) => Err(problem),
            Err(problem) => Ok(Err(problem)),
        }
    }

    /// 401 on a write: refresh once and go on with the same intent; a second 401 means that the grant is dead.
    pub(super) async fn reauthorize(&mut self) -> Outcome<Next> {
        if self.reauthorized {
            return self.cut_off().await;
        }
        match self.renew().await? {
            Ok(()) => Ok(Next::Continue),
            Err(problem) => self.no_access(problem).await,
        }
    }

    /// A fresh token was refused as well: somebody has cut the organisation off over there. The card says so (R21, C19).
    async fn cut_off(&mut self) -> Outcome<Next> {
        let problem = match &self.token {
            Some(token) => self.engine.mark_cut_off(self.ctx, self.request.workspace, &self.connection, token).await,
            None => AccessProblem::Dead,
        };
        self.no_access(problem).await
    }

    async fn renew(&mut self) -> Outcome<Result<(), AccessProblem>> {
        self.reauthorized = true;
        let refused = self.token.take();
        match self.engine.renew_token(self.ctx, self.request.workspace, &self.connection, refused.as_deref()).await {
            Ok(token) => {
                self.token = Some(Arc::new(token));
                Ok(Ok(()))
            }
            Err(AccessProblem::Store(problem)) => Err(problem),
            Err(problem) => Ok(Err(problem)),
        }
    }

    pub(super) async fn no_access(&mut self, problem: AccessProblem) -> Outcome<Next> {
        match problem {
            AccessProblem::Dead => {
                // Tokens that are gone because somebody disconnected: there is nothing to reconnect, and nothing to wait for.
                self.read_standing().await?;
                let problem = public_half(&AccessProblem::Dead.problem(self.request.ledger));
                self.wait(SyncState::Waiting, WaitingFor::Reconnect, None, Some(problem)).await.map(Next::End)
            }
            AccessProblem::Busy { until } | AccessProblem::Unsettled { until } => {
                let problem = public_half(&problem.problem(self.request.ledger));
                self.wait(SyncState::Waiting, WaitingFor::Ledger, Some(until), Some(problem)).await.map(Next::End)
            }
            AccessProblem::Failed(failure) => match failure.disposition {
                Disposition::Retry { not_before } => self.retry_later(&failure, not_before).await.map(Next::End),
                Disposition::Reauthorize
                | Disposition::Reject { .. }
                | Disposition::LookFirst
                | Disposition::Hold { .. }
                | Disposition::Stale
                | Disposition::Defect => self.failed(&failure).await.map(Next::End),
            },
            AccessProblem::Store(problem) => Err(problem),
        }
    }

    // --- the row ------------------------------------------------------------------------------------------------------------------

    pub(super) fn key(&self) -> SyncKey {
        SyncKey { ws: self.request.workspace, inv: self.invoice.id, ledger: self.request.ledger, generation: self.connection.generation }
    }

    /// The idempotency key of a write about a client or the invoice; `counters` are its row's gone documents, rejections and updates.
    pub(super) fn idempotency_key(&self, subject: &str, kind: IntentKind, counters: [u32; 3]) -> String {
        let [remote_generation, rejections, updates] = counters;
        let generation = self.connection.generation;
        idempotency_key(KeyParts { organisation: &self.organisation, generation, subject, kind, remote_generation, rejections, updates })
    }

    pub(super) fn enter(&mut self, state: SyncState) {
        if self.row.value.state != state {
            self.row.value.since = Some(self.ctx.now());
        }
        self.row.value.state = state;
        self.row.value.lease = None;
    }

    /// The row of a finished sync.
    pub(super) fn finish_row(&mut self, vendor_time: Option<Timestamp>) {
        let row = &mut self.row.value;
        row.done = row.done.max(self.invoice.version);
        row.wanted = row.wanted.max(self.invoice.version);
        row.hold = None;
        row.problem = None;
        row.waiting = None;
        row.undo = None;
        row.attempts = 0;
        row.last_synced_at = Some(vendor_time.unwrap_or_else(|| self.ctx.now()));
        self.enter(SyncState::Synced);
    }

    /// Saves the row as this run read it; when somebody else was faster, their row counts and the caller's end still describes ours.
    pub(super) async fn save(&mut self, event: Option<TimelineEvent>) -> Outcome<()> {
        match self.engine.store.save_row(self.ctx, self.key(), &self.row.value, self.row.rev).await? {
            Saved::Done { rev } => self.row.rev = rev,
            Saved::Moved(_) => tracing::info!(invoice.id = %self.invoice.id, "another run changed the sync row first"),
        }
        match event {
            Some(event) => self.tell(&event).await,
            None => Ok(()),
        }
    }

    /// A line of the story that no other write carries.
    pub(super) async fn tell(&self, event: &TimelineEvent) -> Outcome<()> {
        Ok(self.engine.store.put_timeline(self.ctx, self.request.workspace, self.invoice.id, event).await?)
    }

    pub(super) fn audit(&self, action: &str, text: &str) -> AuditEvent {
        AuditEvent {
            id: EventId::new(self.ctx.uuid()),
            at: self.ctx.now(),
            actor: self.request.actor.clone(),
            action: action.to_owned(),
            ledger: Some(self.request.ledger),
            text: text.to_owned(),
        }
    }

    pub(super) fn event(&self, step: &str, text: &str, vendor_request_id: Option<String>) -> TimelineEvent {
        TimelineEvent {
            id: EventId::new(self.ctx.uuid()),
            at: self.ctx.now(),
            ledger: Some(self.request.ledger),
            step: step.to_owned(),
            text: text.to_owned(),
            vendor_request_id,
            actor: self.request.actor.clone(),
            version: self.invoice.version,
        }
    }

    pub(super) fn document_link(&self, there: &RemoteDocument, sent: Option<SentDocument>, created_by_us: bool) -> DocumentLink {
        let sent = sent.map(|sent| sent.with_line_ids(&there.lines));
        let mut link = DocumentLink {
            external_id: there.external_id.clone(),
            external_number: None,
            url: self.facts.as_ref().and_then(|facts| self.api.documents.document_url(facts, &self.organisation, there)),
            remote_version: None,
            status: there.status,
            as_sent: sent.as_ref().is_some_and(|sent| as_sent(there, sent)),
            sent,
            created_by_us,
        };
        refresh_link(&mut link, there);
        link
    }
}

/// Whether a read says that the document is not there.
fn is_gone(failure: &Failure) -> bool {
    failure.disposition == Disposition::Hold { question: Question::DocumentGone }
}

/// Takes over what the ledger says about a document now.
pub(super) fn refresh_link(link: &mut DocumentLink, there: &RemoteDocument) {
    link.external_number.clone_from(&there.number);
    link.remote_version.clone_from(&there.version);
    link.status = there.status;
}

/// A contact link as of now.
pub(super) fn contact_link(external_id: String, hash: String, now: Timestamp) -> ContactLink {
    ContactLink { external_id, hash, linked_at: now }
}
