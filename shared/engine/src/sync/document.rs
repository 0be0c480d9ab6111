//! The document step: claim with an intent, send, store what came of it on the intent's id.

use coportal_aws::records::sync::{Claim, DocumentClaim, Stored};
use coportal_aws::store::Versioned;
use coportal_core::document::{DocumentStatus, RemoteDocument, Removal, SentDocument};
use coportal_core::failure::{Disposition, Failure, Question};
use coportal_core::id::IntentId;
use coportal_core::ledger::SEND_WINDOW;
use coportal_core::metering::Withheld;
use coportal_core::problem::{Fix, Outcome, Problem};
use coportal_core::sync::content::tax_applied;
use coportal_core::sync::plan::{DocumentPlan, Step};
use coportal_core::sync::row::{Answer, Choice, Intent, IntentKind, Lease, Look, RowProblem, SyncRow, SyncState, WaitingFor};
use coportal_core::sync::settle::{answers, lacks_lines, miss_counts_at, refusal_settles, within_key_window};
use coportal_core::sync::{HoldDraft, comes_to_other, payment_refused, totals_differ, void_refused};
use coportal_core::text::digest;
use coportal_core::timeline::TimelineEvent;
use coportal_ledgers::Answered;
use jiff::{SignedDuration, Timestamp};

use super::answer::{Changed, SyncEnd};
use super::ends::row_problem;
use super::run::{Next, Run};
use crate::permits::WithClaim;
use crate::sync::STORE_MARGIN;

impl Run<'_> {
    /// Plans become intents here: claimed and stored before the first byte is sent.
    pub(super) async fn write_document(&mut self, plan: DocumentPlan) -> Outcome<Next> {
        if let Some(end) = self.ready_to_write().await? {
            return Ok(end);
        }
        let intent = self.document_intent(plan);
        self.claim_and_send(intent, None, false).await
    }

    /// What is about to be sent, before it is claimed.
    pub(super) fn document_intent(&mut self, plan: DocumentPlan) -> Intent {
        let now = self.ctx.now();
        self.row.value.approve = plan.approve;
        Intent {
            id: IntentId::new(self.ctx.uuid()),
            kind: plan.kind,
            key: self.document_key(plan.kind),
            first_sent_at: now,
            send_by: now,
            body: self.api.documents.document_body(&plan.write),
            look: plan.look,
            sent: Some(plan.sent),
            hash: plan.hash,
            version: self.invoice.version,
            batched: false,
        }
    }

    fn document_key(&self, kind: IntentKind) -> String {
        let row = &self.row.value;
        self.idempotency_key(&self.invoice.id.to_string(), kind, [row.remote_generation, row.rejections, row.updates])
    }

    /// Goes on with a create whose header stands: the same intent, claimed anew for the next call (R61).
    pub(super) async fn continue_document(&mut self, there: RemoteDocument) -> Outcome<Next> {
        if let Some(end) = self.ready_to_write().await? {
            return Ok(end);
        }
        let Some(intent) = self.row.value.intent.clone() else { return Ok(Next::Continue) };
        if intent.body.is_empty() {
            // The stored body has ended with its item: what is there is settled as it stands, and the next comparison says what it lacks.
            return self.document_found(there).await;
        }
        self.claim_and_send(intent, Some(there), true).await
    }

    /// Approves a draft whose totals were just checked (C7, C12).
    pub(super) async fn approve_document(&mut self, there: RemoteDocument, hash: String) -> Outcome<Next> {
        let Some(drafts) = self.api.drafts.clone() else {
            return Err(Problem::internal_error("a draft in a ledger that has none"));
        };
        self.end_document(IntentKind::Approve, &there, drafts.approve_body(&there), hash).await
    }

    /// Takes a document out of the books (C10).
    pub(super) async fn void_document(&mut self, there: RemoteDocument, how: Removal, hash: String) -> Outcome<Next> {
        let body = self.api.documents.void_body(&there, how);
        self.end_document(IntentKind::Void, &there, body, hash).await
    }

    async fn end_document(&mut self, kind: IntentKind, there: &RemoteDocument, body: Vec<u8>, hash: String) -> Outcome<Next> {
        if let Some(end) = self.ready_to_write().await? {
            return Ok(end);
        }
        let now = self.ctx.now();
        let intent = Intent {
            id: IntentId::new(self.ctx.uuid()),
            kind,
            key: self.document_key(kind),
            first_sent_at: now,
            send_by: now,
            body,
            look: Look { external_id: Some(there.external_id.clone()), ..Look::default() },
            sent: None,
            hash,
            version: self.invoice.version,
            batched: false,
        };
        self.claim_and_send(intent, None, false).await
    }

    /// The same key and the same body again, as stored (design decision 8).
    pub(super) async fn resend_document(&mut self) -> Outcome<Next> {
        if let Some(end) = self.ready_to_write().await? {
            return Ok(end);
        }
        let Some(intent) = self.row.value.intent.clone() else { return Ok(Next::Continue) };
        if intent.body.is_empty() {
            // The stored body has ended with its item: another body must never follow the same key. A look decides instead.
            return self.read(Step::LookDocument(intent.look)).await;
        }
        self.claim_and_send(intent, None, true).await
    }

    /// A token in hand and time left, or the end of this run.
    pub(super) async fn ready_to_write(&mut self) -> Outcome<Option<Next>> {
        if !self.ctx.has_time_for(self.api.rules.call_timeout + STORE_MARGIN) {
            return self.out_of_time().await.map(Some);
        }
        match self.ensure_token().await? {
            Ok(()) => self.check_standing().await.map(|()| None),
            Err(problem) => self.no_access(problem).await.map(Some),
        }
    }

    /// Claims the intent and sends it; `begun` is the document that it has begun already.
    pub(super) async fn claim_and_send(&mut self, mut intent: Intent, begun: Option<RemoteDocument>, sent_before: bool) -> Outcome<Next> {
        // All that the write counts as, or nothing of it: one that is cut off by a limit is looked for, and that takes calls as well.
        let calls = self.api.documents.write_calls(intent.kind, &intent.body, begun.as_ref());
        let mut permit = match Box::pin(self.permits.with_claim(calls)).await? {
            Ok(permit) => permit,
            Err(no) => return Box::pin(self.withheld(no)).await,
        };
        let before = self.row.value.clone();
        let now = self.ctx.now();
        intent.send_by = now.saturating_add(SEND_WINDOW).unwrap_or(Timestamp::MAX);
        // The next call of a create that this run has begun is no further try.
        let goes_on = begun.is_some() && self.tried == Some(intent.id);
        let tries = self.row.value.attempts.saturating_add(u32::from(!goes_on));
        self.put_claim(&intent, now, self.api.rules.lease());
        self.row.value.attempts = tries;
        self.tried = Some(intent.id);
        let write = permit.as_ref().map(WithClaim::write);
        let claim = self.engine.store.claim_row_with(self.ctx, self.key(), &self.row.value, self.row.rev, now, write);
        match Box::pin(claim).await? {
            Claim::Won { rev } => {
                self.row.rev = rev;
                // What was seen before this send says nothing of what comes of it: should its answer be lost, it is looked for anew.
                self.found.document_look = None;
                if let Some(permit) = permit.take() {
                    self.permits.claimed(permit).await;
                }
            }
            // Somebody has taken a permit of this organisation meanwhile: planned anew, with the newest count.
            Claim::PermitMoved => {
                self.row.value = before;
                if let Some(permit) = permit.take() {
                    self.permits.moved(permit).await;
                }
                return Ok(Next::Continue);
            }
            Claim::Lost(current) => {
                self.claim_lost(*current);
                return Ok(Next::Continue);
            }
        }
        self.check_standing().await?;
        if self.ctx.now() > intent.send_by {
            // The claim itself took too long: whoever looks may already be counting. Claim anew.
            return Ok(Next::Continue);
        }
        if intent.kind == IntentKind::Payment {
            return match self.payments()?.write_payment(self.access()?, &intent.body, &intent.key).await {
                Ok(answered) => self.payment_written(&intent, answered).await,
                Err(failure) => self.document_failed(&intent, failure, sent_before).await,
            };
        }
        let sent = self.send_document(&intent, begun.as_ref()).await?;
        self.document_sent(intent, sent, sent_before).await
    }

    /// What became of a sent intent: stored on the intent, whoever may start by now.
    pub(super) async fn document_sent(
        &mut self,
        intent: Intent,
        sent: Result<Answered<RemoteDocument>, Failure>,
        sent_before: bool,
    ) -> Outcome<Next> {
        match sent {
            // A foreign answer is no outcome: linking what it names would tie the invoice to somebody else's document (I5). Nor is one that
            // shows the document still open after its void, or a draft after its approval.
            Ok(answered) if !answers(&answered.value, &intent, &self.api.rules) => {
                tracing::warn!(invoice.id = %self.invoice.id, "the answer to a write is not its outcome");
                self.may_have_been_done(&intent, foreign_answer(self.request.ledger.label())).await
            }
            Ok(answered) if intent.kind == IntentKind::Create && lacks_lines(&answered.value, &intent, &self.api.rules) => {
                self.found.document_look = Some(vec![answered.value]);
                Ok(Next::Continue)
            }
            Ok(answered) => self.document_written(intent, answered).await,
            Err(failure) => self.document_failed(&intent, failure, sent_before).await,
        }
    }

    /// Somebody else claimed, or finished: the row is looked at as it is now.
    pub(super) fn claim_lost(&mut self, current: Versioned<SyncRow>) {
        self.row = current;
        self.found.document = None;
        self.found.document_look = None;
        self.found.payment_look = None;
        self.found.paid = None;
    }

    /// The row as a claim writes it.
    pub(super) fn put_claim(&mut self, intent: &Intent, now: Timestamp, lease: SignedDuration) {
        let row = &mut self.row.value;
        row.lease = Some(Lease { owner: self.id, until: now.saturating_add(lease).unwrap_or(Timestamp::MAX) });
        row.attempts += 1;
        row.wanted = row.wanted.max(self.invoice.version);
        row.hash = None;
        row.hold = None;
        row.problem = None;
        row.waiting = None;
        row.since = Some(now);
        row.state = SyncState::Syncing;
        row.intent = Some(intent.clone());
    }

    /// A limit allows no call now: nothing was claimed, and an intent that was open stays open.
    pub(super) async fn withheld(&mut self, no: Withheld) -> Outcome<Next> {
        let failure = coportal_ledgers::withheld(no);
        if self.row.value.intent.is_some() || self.contact.value.intent.is_some() {
            return self.still_in_doubt(&failure).await;
        }
        self.retry_later(&failure, Some(no.until)).await.map(Next::End)
    }

    async fn send_document(&self, intent: &Intent, begun: Option<&RemoteDocument>) -> Outcome<Result<Answered<RemoteDocument>, Failure>> {
        let Intent { kind, body, key, look, .. } = intent;
        let (api, access) = (self.api, self.access()?);
        let external_id = look.external_id.as_deref();
        let target = || external_id.ok_or_else(|| Problem::internal_error("a write about no document"));
        Ok(match (kind, begun) {
            (IntentKind::Create, Some(there)) => {
                let stepwise = api.stepwise.as_ref().ok_or_else(|| Problem::internal_error("a document in steps where there are none"))?;
                stepwise.continue_document(access, there, body, key).await
            }
            (IntentKind::Void, _) => api.documents.void_document(access, target()?, body, key).await,
            (IntentKind::Approve, _) => {
                let drafts = api.drafts.as_ref().ok_or_else(|| Problem::internal_error("a draft in a ledger that has none"))?;
                drafts.approve_document(access, target()?, body, key).await
            }
            (IntentKind::Create | IntentKind::Update, _) => api.documents.write_document(access, external_id, body, key).await,
            (IntentKind::Payment | IntentKind::CreateContact | IntentKind::UpdateContact, _) => {
                return Err(Problem::internal_error("a write that is none of a document"));
            }
        })
    }

    /// The vendor answered with the document: store it on the intent.
    async fn document_written(&mut self, intent: Intent, answered: Answered<RemoteDocument>) -> Outcome<Next> {
        let step = match intent.kind {
            IntentKind::Create => {
                self.changed = Changed::Created;
                "created"
            }
            IntentKind::Update
            | IntentKind::Void
            | IntentKind::Approve
            | IntentKind::Payment
            | IntentKind::CreateContact
            | IntentKind::UpdateContact => {
                if self.changed == Changed::Nothing {
                    self.changed = Changed::Updated;
                }
                match intent.kind {
                    IntentKind::Void => "voided",
                    IntentKind::Approve => "approved",
                    IntentKind::Create
                    | IntentKind::Update
                    | IntentKind::Payment
                    | IntentKind::CreateContact
                    | IntentKind::UpdateContact => "updated",
                }
            }
        };
        self.settle_with(intent, answered.value, step, answered.vendor_request_id, answered.at).await
    }

    /// A look found what an open intent made or changed: adopted, exactly as if its answer had arrived.
    pub(super) async fn document_found(&mut self, there: RemoteDocument) -> Outcome<Next> {
        let Some(intent) = self.row.value.intent.clone() else { return Ok(Next::Continue) };
        if self.changed == Changed::Nothing {
            self.changed = if intent.kind == IntentKind::Create { Changed::Created } else { Changed::Updated };
        }
        self.settle_with(intent, there, "adopted", None, None).await
    }

    async fn settle_with(
        &mut self,
        intent: Intent,
        there: RemoteDocument,
        step: &str,
        vendor_request_id: Option<String>,
        at: Option<Timestamp>,
    ) -> Outcome<Next> {
        // Done, and voided or deleted there since: the outcome is known, and a person has to say what follows.
        let gone = there.status.is_gone();
        let first_link = self.row.value.link.is_none();
        let created_by_us = self.row.value.link.as_ref().is_none_or(|link| link.created_by_us);
        // A void or an approval says nothing new about the content; but a ledger may round a document when it is posted.
        let sent = intent.sent.clone().or_else(|| self.row.value.link.as_ref().and_then(|link| link.sent.clone()));
        let judged = sent.as_ref().filter(|_| !gone && intent.kind != IntentKind::Void);
        let differs = judged.and_then(|sent| self.computed_otherwise(sent, &there));
        self.row.value.link = Some(self.document_link(&there, sent, created_by_us));
        if there.status != DocumentStatus::Draft {
            self.row.value.approve = false;
        }
        self.row.value.intent = None;
        // What the ledger computed otherwise is no proof of this content: the next sync compares (I6).
        self.row.value.hash = (differs.is_none() && !gone).then(|| intent.hash.clone());
        self.row.value.done = self.row.value.done.max(intent.version);
        if intent.kind == IntentKind::Update {
            self.row.value.updates += 1;
        }
        // Answers about what stood in the ledger end here; those that are part of the content stay.
        self.row.value.answers.retain(Answer::outlives_a_write);
        self.found.document_look = None;
        let more = !gone && differs.is_none() && self.more_to_do(&there);
        // What was just read need not be read again by what follows in this run.
        self.found.document = more.then(|| Some(there.clone()));
        let caught_up = intent.version >= self.invoice.version && !gone && !more;
        if let Some(draft) = differs {
            self.keep_totals_hold(draft);
        } else if caught_up {
            self.finish_row(at);
        } else {
            // The settled write was an older version's, or its document is gone: the row goes on, and is due at once.
            self.enter(SyncState::Queued);
            self.row.value.last_synced_at = Some(at.unwrap_or_else(|| self.ctx.now()));
        }
        let number = there.number.as_deref().unwrap_or(&there.external_id);
        let told = self.event(
            step,
            &format!("Document {number}, total {} {}.", there.totals.total, there.currency.map(|c| c.to_string()).unwrap_or_default()),
            vendor_request_id,
        );
        let document = first_link.then_some(DocumentClaim { organisation: &self.organisation, external_id: &there.external_id });
        match self.engine.store.store_outcome(self.ctx, self.key(), intent.id, &self.row.value, &told, document).await? {
            Stored::Done => {}
            Stored::WantedMoved => self.row.value.state = SyncState::Queued,
            Stored::NotMine(current) => {
                // Another run has stored this intent's outcome; what it stored counts.
                self.row = *current;
                return Ok(Next::Continue);
            }
            Stored::DocumentOwnedByOther { .. } => return self.owned_by_other(&there).await,
        }
        if let Some(hold) = self.row.value.hold.clone().filter(|_| self.row.value.state == SyncState::Held) {
            return Ok(Next::End(SyncEnd::Held(Box::new(hold))));
        }
        if caught_up {
            return Ok(Next::End(self.synced()));
        }
        self.row = self.engine.store.sync_row(self.key()).await?;
        Ok(Next::Continue)
    }

    /// What the ledger made of the content, where that is not what was sent: other cents, or a tax percentage of its own.
    fn computed_otherwise(&self, sent: &SentDocument, there: &RemoteDocument) -> Option<HoldDraft> {
        let label = self.request.ledger.label();
        let numbered = sent.clone().with_line_ids(&there.lines);
        let taxed = self.facts.as_ref().and_then(|facts| tax_applied(&numbered, there, facts, label));
        taxed.or_else(|| comes_to_other(sent.totals, sent.currency, there).then(|| totals_differ(label, sent, there)))
    }

    /// Whether the document needs another write now that its content stands: to be approved, or paid.
    pub(super) fn more_to_do(&self, there: &RemoteDocument) -> bool {
        let row = &self.row.value;
        match there.status {
            DocumentStatus::Draft => row.approve,
            DocumentStatus::Approved | DocumentStatus::Paid => {
                let settled = |id: &str| row.payments.iter().any(|known| known.payment_id == id);
                let pending = self.invoice.payments.iter().any(|payment| !settled(&payment.payment_id));
                pending && self.connection.options.payments == coportal_core::connection::Payments::Push
            }
            DocumentStatus::Voided | DocumentStatus::Deleted => false,
        }
    }

    /// I6: the ledger computed other cents than it should have. The link is kept; a person looks at it.
    fn keep_totals_hold(&mut self, draft: HoldDraft) {
        let now = self.ctx.now();
        self.finish_row(None);
        self.enter(SyncState::Held);
        self.row.value.hold = Some(coportal_core::sync::row::Hold {
            id: coportal_core::id::HoldId::new(self.ctx.uuid()),
            question: draft.question,
            detail: draft.detail,
            choices: draft.choices,
            inputs_hash: draft.inputs_hash,
            since: now,
        });
    }

    pub(super) async fn document_failed(&mut self, intent: &Intent, failure: Failure, sent_before: bool) -> Outcome<Next> {
        match failure.disposition.clone() {
            Disposition::LookFirst => self.may_have_been_done(intent, row_problem(&failure)).await,
            // The vendor did nothing: the same intent goes on with a new token. Without a key it would have to be looked for, for as long as
            // a send may land: it is closed instead, and planned anew.
            Disposition::Reauthorize if !self.reauthorized && !self.api.rules.key_window.is_zero() => self.reauthorize().await,
            disposition if !refusal_settles(&disposition, sent_before) => self.still_in_doubt(&failure).await,
            Disposition::Reauthorize => match self.close_intent(intent, &failure).await? {
                Next::Continue => self.reauthorize().await,
                end @ Next::End(_) => Ok(end),
            },
            Disposition::Retry { not_before } => match self.close_intent(intent, &failure).await? {
                Next::Continue => self.retry_later(&failure, not_before).await.map(Next::End),
                end @ Next::End(_) => Ok(end),
            },
            Disposition::Hold { question: Question::NumberTaken } if intent.kind == IntentKind::Create && !self.found.number_taken => {
                self.found.number_taken = true;
                self.close_intent(intent, &failure).await
            }
            // What was not read before the write is read now: only the document itself tells which question it is, and its answers.
            Disposition::Hold { .. } if self.found.document.is_none() && of_a_document(intent.kind) => {
                self.found.stale = true;
                self.close_intent(intent, &failure).await
            }
            Disposition::Hold { question } => match self.close_intent(intent, &failure).await? {
                Next::Continue => self.hold(self.refused_write(question, intent, &failure)).await.map(Next::End),
                end @ Next::End(_) => Ok(end),
            },
            Disposition::Reject { .. } if failure.facts_stale && !self.found.facts_read => {
                self.facts = None;
                self.close_intent(intent, &failure).await
            }
            // Somebody touched the document since: it is read and compared, once.
            Disposition::Stale if !self.found.stale => {
                self.found.stale = true;
                self.found.document = None;
                self.close_intent(intent, &failure).await
            }
            Disposition::Stale => match self.close_intent(intent, &failure).await? {
                Next::Continue => self.retry_later(&failure, None).await.map(Next::End),
                end @ Next::End(_) => Ok(end),
            },
            Disposition::Reject { .. } | Disposition::Defect => match self.close_intent(intent, &failure).await? {
                Next::Continue => self.failed(&failure).await.map(Next::End),
                end @ Next::End(_) => Ok(end),
            },
        }
    }

    /// The question that a refusal raises, with an answer that ends it.
    fn refused_write(&self, question: Question, intent: &Intent, failure: &Failure) -> HoldDraft {
        match (intent.kind, &intent.look.payment) {
            (IntentKind::Void, _) => void_refused(failure.detail.to_string(), &intent.hash),
            (IntentKind::Payment, Some(payment)) => payment_refused(&self.invoice, payment, failure.detail.to_string()),
            (
                IntentKind::Create
                | IntentKind::Update
                | IntentKind::Approve
                | IntentKind::Payment
                | IntentKind::CreateContact
                | IntentKind::UpdateContact,
                _,
            ) => vendor_hold(question, failure, &intent.hash),
        }
    }

    /// It may have been done. Once more at once with the same key and body, while the vendor's window is open; after that the row waits.
    pub(super) async fn may_have_been_done(&mut self, intent: &Intent, problem: RowProblem) -> Outcome<Next> {
        let now = self.ctx.now();
        if intent.batched {
            // One look-up for all rows of the batch, when each of them can be settled by it.
            let until = miss_counts_at(intent, &self.api.rules).max(now);
            return self.wait(SyncState::Uncertain, WaitingFor::Outcome, Some(until), Some(problem)).await.map(Next::End);
        }
        let can_tell = self.ctx.has_time_for(self.api.rules.call_timeout + STORE_MARGIN);
        // Without a key it is looked for at once: a document that is there already needs nobody to wait.
        if !self.resent && can_tell && (within_key_window(intent, &self.api.rules, now) || self.api.rules.key_window.is_zero()) {
            self.resent = true;
            return Ok(Next::Continue);
        }
        self.look_later(problem).await.map(Next::End)
    }

    /// A definite refusal: nothing is in doubt any more. It is stored before anything else follows, on the intent's id; the next attempt
    /// has another key, since vendors replay refusals too.
    pub(super) async fn close_intent(&mut self, intent: &Intent, failure: &Failure) -> Outcome<Next> {
        self.row.value.rejections += 1;
        // What we believed of the document was not good enough for the ledger: it is read before the next write.
        if let Some(link) = &mut self.row.value.link {
            link.as_sent = false;
        }
        let told = self.event("refused", &failure.detail, failure.vendor_request_id.clone());
        self.settle_without_document(intent, told).await
    }

    /// A miss that counts: the write was not done and can no longer be.
    pub(super) async fn document_not_done(&mut self) -> Outcome<Next> {
        let Some(intent) = self.row.value.intent.clone() else { return Ok(Next::Continue) };
        self.found.document_look = None;
        self.found.payment_look = None;
        self.found.paid = None;
        match intent.kind {
            // A vendor may remember the key for longer than we rely on it, and answer what follows with the old write's outcome: whoever changes
            // a document next has a key of its own. A create and a payment keep theirs: once more under it is never a second one.
            IntentKind::Update | IntentKind::Void | IntentKind::Approve => self.row.value.updates += 1,
            IntentKind::Create | IntentKind::Payment | IntentKind::CreateContact | IntentKind::UpdateContact => {}
        }
        let told = self.event("not_done", "An earlier write did not reach the ledger; it is planned anew.", None);
        self.settle_without_document(&intent, told).await
    }

    pub(super) async fn settle_without_document(&mut self, intent: &Intent, told: TimelineEvent) -> Outcome<Next> {
        self.row.value.intent = None;
        self.enter(SyncState::Queued);
        self.row.value.waiting = None;
        match self.engine.store.store_outcome(self.ctx, self.key(), intent.id, &self.row.value, &told, None).await? {
            Stored::Done | Stored::WantedMoved | Stored::DocumentOwnedByOther { .. } => {
                self.row = self.engine.store.sync_row(self.key()).await?
            }
            Stored::NotMine(current) => self.row = *current,
        }
        Ok(Next::Continue)
    }

    /// A document that the row did not know, found before a create: linked without a write.
    pub(super) async fn adopt(&mut self, there: RemoteDocument) -> Outcome<Next> {
        let ours = !self.url.is_empty() && there.url.as_deref() == Some(self.url.as_str());
        self.row.value.link = Some(self.document_link(&there, None, ours));
        self.row.value.hash = None;
        // A create of ours that was to be approved goes on; any other draft is approved by somebody's act alone (C7).
        self.row.value.approve &= ours && !self.connection.options.sync_as_draft;
        let number = there.number.as_deref().unwrap_or(&there.external_id);
        let told = self.event("linked", &format!("Linked to document {number}, which was in the ledger already."), None);
        let document = DocumentClaim { organisation: &self.organisation, external_id: &there.external_id };
        match self.engine.store.link_document(self.ctx, self.key(), &self.row.value, self.row.rev, &told, document).await? {
            Stored::Done | Stored::WantedMoved => self.row.rev += 1,
            Stored::NotMine(current) => {
                self.row = *current;
                return Ok(Next::Continue);
            }
            Stored::DocumentOwnedByOther { .. } => return self.owned_by_other(&there).await,
        }
        self.found.document = Some(Some(there));
        Ok(Next::Continue)
    }

    /// One document belongs to one invoice (docs/records.md, section 4, "document and contact owners").
    async fn owned_by_other(&mut self, there: &RemoteDocument) -> Outcome<Next> {
        self.row.value.link = None;
        let number = there.number.as_deref().unwrap_or(&there.external_id);
        self.hold(HoldDraft {
            question: Question::NumberTaken,
            detail: format!("Document {number} already belongs to another invoice of CoPortal."),
            choices: vec![
                Choice::new("ledger_number", format!("Push it under a number that {} assigns", self.request.ledger.label())),
                Choice::new("skip", "Do not push this invoice"),
            ],
            inputs_hash: digest([there.external_id.as_bytes()]),
        })
        .await
        .map(Next::End)
    }
}

/// Whether a write is about a document that exists.
fn of_a_document(kind: IntentKind) -> bool {
    match kind {
        IntentKind::Update | IntentKind::Void | IntentKind::Approve => true,
        IntentKind::Create | IntentKind::Payment | IntentKind::CreateContact | IntentKind::UpdateContact => false,
    }
}

/// A question that only the vendor's refusal raised.
pub(super) fn vendor_hold(question: Question, failure: &Failure, inputs_hash: &str) -> HoldDraft {
    let choices = match question {
        Question::ContactGone => vec![
            Choice::new("find_again", "Look for the right contact again, or create it"),
            Choice::new("retry", "I have restored it: try again"),
        ],
        Question::ChooseContact
        | Question::ConfirmContact
        | Question::NameClash
        | Question::ChooseAccount
        | Question::MapTax
        | Question::TotalsDiffer
        | Question::NumberTaken
        | Question::TwoDocuments
        | Question::ChangedInLedger
        | Question::DocumentGone
        | Question::PaidInLedger
        | Question::PeriodLocked
        | Question::CurrencyMissing
        | Question::VoidInLedger
        | Question::ChooseItem
        | Question::ChoosePaymentAccount
        | Question::PostHeld
        | Question::LockedInLedger
        | Question::PaymentDiffers => vec![Choice::new("retry", "I have corrected it: try again")],
    };
    HoldDraft { question, detail: failure.detail.to_string(), choices, inputs_hash: inputs_hash.to_owned() }
}

/// What a person reads when the ledger's answer to a write was about something else.
pub(super) fn foreign_answer(label: &str) -> RowProblem {
    RowProblem {
        code: "answer_unexpected".into(),
        detail: format!("{label} answered with something else than what was sent; whether it was stored is not known yet.").into(),
        fix: Fix::new("Nothing to do: it is found out by itself.", "the invoice", true),
        issues: Vec::new(),
    }
}
