//! The document step: claim with an intent, send, store what came of it on the intent's id.

use coportal_aws::records::sync::{Claim, DocumentClaim, Stored};
use coportal_core::document::{DocumentStatus, RemoteDocument, SentDocument};
use coportal_core::failure::{Disposition, Failure, Question};
use coportal_core::id::IntentId;
use coportal_core::ledger::SEND_WINDOW;
use coportal_core::problem::{Fix, Outcome};
use coportal_core::sync::HoldDraft;
use coportal_core::sync::plan::{DocumentPlan, Step};
use coportal_core::sync::row::{Answer, Choice, Intent, IntentKind, Lease, RowProblem, SyncState, WaitingFor};
use coportal_core::sync::settle::{refusal_settles, within_key_window};
use coportal_core::text::digest;
use coportal_core::timeline::TimelineEvent;
use coportal_ledgers::Answered;
use jiff::{SignedDuration, Timestamp};

use super::answer::{Changed, SyncEnd};
use super::ends::{retry_delay, row_problem};
use super::run::{Next, Run};

/// What storing an outcome needs beside one write's time.
const STORE_MARGIN: SignedDuration = SignedDuration::from_secs(4);

impl Run<'_> {
    /// Plans become intents here: claimed and stored before the first byte is sent.
    pub(super) async fn write_document(&mut self, plan: DocumentPlan) -> Outcome<Next> {
        if let Some(end) = self.ready_to_write().await? {
            return Ok(end);
        }
        let now = self.ctx.now();
        let row = &self.row.value;
        let counters = [row.remote_generation, row.rejections, row.updates];
        let key = self.idempotency_key(&self.invoice.id.to_string(), plan.kind, counters);
        let intent = Intent {
            id: IntentId::new(self.ctx.uuid()),
            kind: plan.kind,
            key,
            first_sent_at: now,
            send_by: now,
            body: self.api.documents.document_body(&plan.write),
            look: plan.look,
            sent: Some(plan.sent),
            hash: plan.hash,
            version: self.invoice.version,
        };
        self.claim_and_send(intent, false).await
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
        self.claim_and_send(intent, true).await
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

    async fn claim_and_send(&mut self, mut intent: Intent, sent_before: bool) -> Outcome<Next> {
        let now = self.ctx.now();
        intent.send_by = now.saturating_add(SEND_WINDOW).unwrap_or(Timestamp::MAX);
        let row = &mut self.row.value;
        row.lease = Some(Lease { owner: self.id, until: now.saturating_add(self.api.rules.lease()).unwrap_or(Timestamp::MAX) });
        row.attempts += 1;
        row.wanted = row.wanted.max(self.invoice.version);
        row.hash = None;
        row.hold = None;
        row.problem = None;
        row.waiting = None;
        row.since = Some(now);
        row.state = SyncState::Syncing;
        row.intent = Some(intent.clone());
        match self.engine.store.claim_row(self.ctx, self.key(), &self.row.value, self.row.rev, now).await? {
            Claim::Won { rev } => self.row.rev = rev,
            Claim::Lost(current) => {
                // Somebody else claimed, or finished: look at the row as it is now.
                self.row = *current;
                self.found.document = None;
                self.found.document_look = None;
                return Ok(Next::Continue);
            }
        }
        self.check_standing().await?;
        if self.ctx.now() > intent.send_by {
            // The claim itself took too long: whoever looks may already be counting. Claim anew.
            return Ok(Next::Continue);
        }
        let external_id = intent.look.external_id.clone();
        let answer = match intent.kind {
            IntentKind::Void => {
                self.api
                    .documents
                    .void_document(self.access()?, external_id.as_deref().unwrap_or_default(), &intent.body, &intent.key)
                    .await
            }
            IntentKind::Create | IntentKind::Update | IntentKind::CreateContact | IntentKind::UpdateContact => {
                self.api.documents.write_document(self.access()?, external_id.as_deref(), &intent.body, &intent.key).await
            }
        };
        match answer {
            // A foreign answer is no outcome: linking what it names would tie the invoice to somebody else's document (I5).
            Ok(answered) if intent.kind == IntentKind::Create && answered.value.url != intent.look.mark => {
                tracing::warn!(invoice.id = %self.invoice.id, "the answer to a create is about another document");
                self.may_have_been_done(&intent, foreign_answer(self.request.ledger.label())).await
            }
            Ok(answered) => self.document_written(intent, answered).await,
            Err(failure) => self.document_failed(&intent, failure, sent_before).await,
        }
    }

    /// The vendor answered with the document: store it on the intent.
    async fn document_written(&mut self, intent: Intent, answered: Answered<RemoteDocument>) -> Outcome<Next> {
        let step = match intent.kind {
            IntentKind::Create => {
                self.changed = Changed::Created;
                "created"
            }
            IntentKind::Update | IntentKind::Void | IntentKind::CreateContact | IntentKind::UpdateContact => {
                if self.changed == Changed::Nothing {
                    self.changed = Changed::Updated;
                }
                "updated"
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
        let differs = intent
            .sent
            .as_ref()
            .filter(|sent| sent.totals != there.totals && !gone)
            .map(|sent| totals_hold(self.request.ledger.label(), sent, &there));
        self.row.value.link = Some(self.document_link(&there, intent.sent.clone(), created_by_us));
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
        self.found.document = None;
        let caught_up = intent.version >= self.invoice.version && !gone;
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

    async fn document_failed(&mut self, intent: &Intent, failure: Failure, sent_before: bool) -> Outcome<Next> {
        match failure.disposition.clone() {
            Disposition::LookFirst => self.may_have_been_done(intent, row_problem(&failure)).await,
            // The vendor did nothing: the same intent goes on with a new token.
            Disposition::Reauthorize if !self.reauthorized => self.reauthorize().await,
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
            Disposition::Hold { question } => match self.close_intent(intent, &failure).await? {
                Next::Continue => self.hold(vendor_hold(question, &failure, &intent.hash)).await.map(Next::End),
                end @ Next::End(_) => Ok(end),
            },
            Disposition::Reject { .. } if failure.facts_stale && !self.found.facts_read => {
                self.facts = None;
                self.close_intent(intent, &failure).await
            }
            Disposition::Reject { .. } | Disposition::Defect => match self.close_intent(intent, &failure).await? {
                Next::Continue => self.failed(&failure).await.map(Next::End),
                end @ Next::End(_) => Ok(end),
            },
        }
    }

    /// It may have been done. Once more at once with the same key and body, while the vendor's window is open; after that the row waits.
    async fn may_have_been_done(&mut self, intent: &Intent, problem: RowProblem) -> Outcome<Next> {
        let now = self.ctx.now();
        if !self.resent
            && within_key_window(intent, &self.api.rules, now)
            && self.ctx.has_time_for(self.api.rules.call_timeout + STORE_MARGIN)
        {
            self.resent = true;
            return Ok(Next::Continue);
        }
        let until = now.saturating_add(retry_delay(1)).unwrap_or(Timestamp::MAX);
        self.wait(SyncState::Uncertain, WaitingFor::Outcome, Some(until), Some(problem)).await.map(Next::End)
    }

    /// A definite refusal: nothing is in doubt any more. It is stored before anything else follows, on the intent's id; the next attempt
    /// has another key, since vendors replay refusals too.
    async fn close_intent(&mut self, intent: &Intent, failure: &Failure) -> Outcome<Next> {
        self.row.value.rejections += 1;
        let told = self.event("refused", &failure.detail, failure.vendor_request_id.clone());
        self.settle_without_document(intent, told).await
    }

    /// A miss that counts: the write was not done and can no longer be.
    pub(super) async fn document_not_done(&mut self) -> Outcome<Next> {
        let Some(intent) = self.row.value.intent.clone() else { return Ok(Next::Continue) };
        self.found.document_look = None;
        let told = self.event("not_done", "An earlier write did not reach the ledger; it is planned anew.", None);
        self.settle_without_document(&intent, told).await
    }

    async fn settle_without_document(&mut self, intent: &Intent, told: TimelineEvent) -> Outcome<Next> {
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
        let ours = there.url.as_deref() == Some(self.url.as_str());
        self.row.value.link = Some(self.document_link(&there, None, ours));
        self.row.value.hash = None;
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
        | Question::VoidInLedger => vec![Choice::new("retry", "I have corrected it: try again")],
    };
    HoldDraft { question, detail: failure.detail.to_string(), choices, inputs_hash: inputs_hash.to_owned() }
}

fn totals_hold(label: &str, sent: &SentDocument, there: &RemoteDocument) -> HoldDraft {
    let state = if there.status == DocumentStatus::Draft { "a draft" } else { "in your books" };
    HoldDraft {
        question: Question::TotalsDiffer,
        detail: format!(
            "{label} computed subtotal {}, tax {}, total {}; CoPortal shows subtotal {}, tax {}, total {}. The document is {state}.",
            there.totals.subtotal, there.totals.tax, there.totals.total, sent.totals.subtotal, sent.totals.tax, sent.totals.total
        ),
        choices: vec![Choice::new("retry", "I have corrected one of the two: compare again")],
        inputs_hash: digest([format!("{:?}", there.totals).as_bytes()]),
    }
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
