//! The contact step: its own row, lease, intent and key per client and generation.

use coportal_aws::records::contacts::{ContactClaim, ContactClaimed, ContactKey, ContactStored};
use coportal_aws::records::sync::Saved;
use coportal_aws::store::Versioned;
use coportal_core::contact::Contact;
use coportal_core::failure::{Disposition, Failure, Question};
use coportal_core::id::IntentId;
use coportal_core::ledger::SEND_WINDOW;
use coportal_core::problem::{Outcome, Problem};
use coportal_core::sync::HoldDraft;
use coportal_core::sync::matching::contact_mark;
use coportal_core::sync::plan::ContactPlan;
use coportal_core::sync::row::{Choice, ContactRow, Intent, IntentKind, Lease, RowProblem, SyncState, WaitingFor};
use coportal_core::sync::settle::{contact_answers, miss_counts_at, refusal_settles, within_key_window};
use coportal_core::text::digest;
use coportal_ledgers::Answered;
use jiff::{SignedDuration, Timestamp};

use super::document::{foreign_answer, vendor_hold};
use super::ends::row_problem;
use super::run::{Next, Run, contact_link};

impl Run<'_> {
    pub(super) fn contact_key(&self) -> ContactKey {
        ContactKey {
            ws: self.request.workspace,
            client: self.client.id,
            ledger: self.request.ledger,
            generation: self.connection.generation,
            currency: self.api.rules.contact_has_currency.then_some(self.invoice.currency),
        }
    }

    /// A contact that this run has read.
    fn contact_read(&self, external_id: &str) -> Option<&Contact> {
        let searched = self.found.contacts.iter().chain(&self.found.contact_look).flatten();
        searched.chain(self.found.linked_contact.iter().flatten()).find(|contact| contact.external_id == external_id)
    }

    pub(super) async fn write_contact(&mut self, plan: ContactPlan) -> Outcome<Next> {
        if let Some(end) = self.ready_to_write().await? {
            return Ok(end);
        }
        let intent = self.contact_intent(plan)?;
        self.claim_and_send_contact(intent, false).await
    }

    /// What is about to be sent, before it is claimed.
    pub(super) fn contact_intent(&self, plan: ContactPlan) -> Outcome<Intent> {
        let now = self.ctx.now();
        let row = &self.contact.value;
        let counters = [row.remote_generation, row.rejections, row.updates];
        // A client may have a contact for each currency: two creates, and each is one of its own to the vendor.
        let currency = self.contact_key().currency.map(|currency| format!("/{currency}")).unwrap_or_default();
        let key = self.idempotency_key(&format!("{}{currency}", self.client.id), plan.kind, counters);
        let there = plan.external_id.as_deref().map(|id| self.contact_read(id).ok_or_else(|| Problem::internal_error("an unread contact")));
        let body = self.api.contacts.contact_body(&plan.content, there.transpose()?);
        Ok(Intent {
            id: IntentId::new(self.ctx.uuid()),
            kind: plan.kind,
            key,
            first_sent_at: now,
            send_by: now,
            body,
            look: plan.look,
            sent: None,
            hash: plan.hash,
            version: 0,
            batched: false,
        })
    }

    pub(super) async fn resend_contact(&mut self) -> Outcome<Next> {
        if let Some(end) = self.ready_to_write().await? {
            return Ok(end);
        }
        let Some(intent) = self.contact.value.intent.clone() else { return Ok(Next::Continue) };
        self.claim_and_send_contact(intent, true).await
    }

    async fn claim_and_send_contact(&mut self, mut intent: Intent, sent_before: bool) -> Outcome<Next> {
        // The document's calls follow: all of them or none.
        let calls = if sent_before { 1 } else { self.document_calls().saturating_add(1) };
        if let Err(no) = Box::pin(self.permits.reserve(calls, 1)).await? {
            return Box::pin(self.withheld(no)).await;
        }
        let now = self.ctx.now();
        intent.send_by = now.saturating_add(SEND_WINDOW).unwrap_or(Timestamp::MAX);
        self.put_contact_claim(&intent, now, self.api.rules.lease());
        match self.engine.store.claim_contact(self.ctx, self.contact_key(), &self.contact.value, self.contact.rev, now).await? {
            ContactClaimed::Won { rev } => self.contact.rev = rev,
            ContactClaimed::Lost(current) => {
                self.contact_claim_lost(*current);
                return Ok(Next::Continue);
            }
        }
        self.check_standing().await?;
        if self.ctx.now() > intent.send_by {
            return Ok(Next::Continue);
        }
        let external_id = intent.look.external_id.clone();
        let sent = self.api.contacts.write_contact(self.access()?, external_id.as_deref(), &intent.body, &intent.key).await;
        self.contact_sent(intent, sent, sent_before).await
    }

    /// The contact's row as a claim writes it.
    pub(super) fn put_contact_claim(&mut self, intent: &Intent, now: Timestamp, lease: SignedDuration) {
        self.contact.value.lease = Some(Lease { owner: self.id, until: now.saturating_add(lease).unwrap_or(Timestamp::MAX) });
        self.contact.value.intent = Some(intent.clone());
    }

    /// Somebody else claimed, or finished: the contact's row is looked at as it is now.
    pub(super) fn contact_claim_lost(&mut self, current: Versioned<ContactRow>) {
        self.contact = current;
        self.found.contacts = None;
        self.found.contact_look = None;
    }

    /// What became of a sent intent: stored on the intent, whoever may start by now.
    pub(super) async fn contact_sent(
        &mut self,
        intent: Intent,
        sent: Result<Answered<Contact>, Failure>,
        sent_before: bool,
    ) -> Outcome<Next> {
        match sent {
            // A foreign answer is no outcome: linking what it names would bill somebody else (I5).
            Ok(answered)
                if intent.kind == IntentKind::CreateContact
                    && !contact_answers(&answered.value, &intent, &self.api.rules, |name| self.api.contact_list.kept_name(name)) =>
            {
                tracing::warn!(invoice.id = %self.invoice.id, "the answer to a create is about another contact");
                self.contact_may_be_there(&intent, foreign_answer(self.request.ledger.label())).await
            }
            Ok(answered) => self.contact_done(answered.value, answered.vendor_request_id).await,
            Err(failure) => self.contact_failed(&intent, failure, sent_before).await,
        }
    }

    /// The vendor answered, or a look found it: the link and its owner are stored together, on the intent's id.
    pub(super) async fn contact_done(&mut self, contact: Contact, vendor_request_id: Option<String>) -> Outcome<Next> {
        let Some(intent) = self.contact.value.intent.clone() else { return Ok(Next::Continue) };
        let row = &mut self.contact.value;
        row.intent = None;
        row.lease = None;
        row.link = Some(contact_link(contact.external_id.clone(), intent.hash.clone(), self.ctx.now()));
        if intent.kind == IntentKind::UpdateContact {
            row.updates += 1;
        }
        self.found.contact_look = None;
        let claim = ContactClaim {
            organisation: &self.organisation,
            external_id: &contact.external_id,
            shared: self.sharing_allowed(&contact.external_id),
        };
        match self.engine.store.store_contact_outcome(self.ctx, self.contact_key(), intent.id, &self.contact.value, Some(claim)).await? {
            ContactStored::Done => self.contact_stored(),
            ContactStored::NotMine(current) => self.contact = *current,
            ContactStored::OwnedByOther { .. } => return self.contact_owned_by_other(&contact.external_id, &contact.name).await,
        }
        let (step, text) = match intent.kind {
            IntentKind::CreateContact => ("contact_created", format!("Created the contact \"{}\".", contact.name)),
            IntentKind::Create
            | IntentKind::Update
            | IntentKind::Void
            | IntentKind::Approve
            | IntentKind::Payment
            | IntentKind::UpdateContact => ("contact_updated", format!("Brought the contact \"{}\" up to date.", contact.name)),
        };
        let event = self.event(step, &text, vendor_request_id);
        self.tell(&event).await?;
        Ok(Next::Continue)
    }

    /// A contact that exists is this client: linked without a write.
    pub(super) async fn link_contact(&mut self, external_id: String, hash: String) -> Outcome<Next> {
        let known = self.contact.value.link.as_ref().is_some_and(|link| link.external_id == external_id);
        let now = self.ctx.now();
        let shared = self.sharing_allowed(&external_id);
        self.contact.value.link = Some(contact_link(external_id.clone(), hash, now));
        let name = self
            .found
            .contacts
            .iter()
            .flatten()
            .find(|contact| contact.external_id == external_id)
            .map_or_else(|| external_id.clone(), |contact| contact.name.clone());
        let claim = ContactClaim { organisation: &self.organisation, external_id: &external_id, shared };
        match self.engine.store.link_contact(self.ctx, self.contact_key(), &self.contact.value, self.contact.rev, claim).await? {
            ContactStored::Done => self.contact.rev += 1,
            ContactStored::NotMine(current) => {
                self.contact = *current;
                return Ok(Next::Continue);
            }
            ContactStored::OwnedByOther { .. } => return self.contact_owned_by_other(&external_id, &name).await,
        }
        if !known {
            let event = self.event("contact_linked", &format!("Linked to the contact \"{name}\"."), None);
            self.tell(&event).await?;
        }
        Ok(Next::Continue)
    }

    /// Two clients on one contact only by a person's answer (docs/records.md, section 4, "document and contact owners").
    fn sharing_allowed(&self, external_id: &str) -> bool {
        self.contact.value.answer(Question::ConfirmContact, &shared_inputs(external_id)).is_some_and(|choice| choice == "share")
    }

    async fn contact_owned_by_other(&mut self, external_id: &str, name: &str) -> Outcome<Next> {
        self.contact.value.link = None;
        self.hold(HoldDraft {
            question: Question::ConfirmContact,
            detail: format!("The contact \"{name}\" is already linked to another client of CoPortal. Do both clients share it?"),
            choices: vec![
                Choice::new("share", "Yes, both are billed as this contact"),
                Choice::new("retry", "I have changed one of the two: look again"),
            ],
            inputs_hash: shared_inputs(external_id),
        })
        .await
        .map(Next::End)
    }

    /// A link that leads nowhere, and a person wants the contact looked for again.
    pub(super) async fn unlink_contact(&mut self) -> Outcome<Next> {
        self.contact.value.link = None;
        self.contact.value.answers.clear();
        // Another key: a create must not be answered with the contact that is gone.
        self.contact.value.remote_generation += 1;
        self.save_contact().await?;
        self.found.contacts = None;
        self.found.linked_contact = None;
        Ok(Next::Continue)
    }

    pub(super) async fn save_contact(&mut self) -> Outcome<()> {
        match self.engine.store.save_contact(self.ctx, self.contact_key(), &self.contact.value, self.contact.rev).await? {
            Saved::Done { rev } => self.contact.rev = rev,
            Saved::Moved(current) => self.contact = *current,
        }
        Ok(())
    }

    /// A miss that counts: the contact was not made and can no longer be.
    pub(super) async fn contact_not_done(&mut self) -> Outcome<Next> {
        let Some(intent) = self.contact.value.intent.take() else { return Ok(Next::Continue) };
        self.found.contact_look = None;
        self.store_contact(&intent).await?;
        Ok(Next::Continue)
    }

    /// It may have been done. Once more at once with the same key and body, while the vendor's window is open; after that the row waits.
    async fn contact_may_be_there(&mut self, intent: &Intent, problem: RowProblem) -> Outcome<Next> {
        let now = self.ctx.now();
        if intent.batched {
            // One look-up for all rows of the batch, when each of them can be settled by it.
            self.store_contact(intent).await?;
            let until = miss_counts_at(intent, &self.api.rules).max(now);
            return self.wait(SyncState::Uncertain, WaitingFor::Outcome, Some(until), Some(problem)).await.map(Next::End);
        }
        let can_tell = within_key_window(intent, &self.api.rules, now) || self.api.rules.key_window.is_zero();
        if !self.resent && can_tell {
            self.resent = true;
            return Ok(Next::Continue);
        }
        // The intent stays open; the right to start is given back.
        self.store_contact(intent).await?;
        self.look_later(problem).await.map(Next::End)
    }

    pub(super) async fn contact_failed(&mut self, intent: &Intent, failure: Failure, sent_before: bool) -> Outcome<Next> {
        match failure.disposition.clone() {
            Disposition::LookFirst => self.contact_may_be_there(intent, row_problem(&failure)).await,
            Disposition::Reauthorize if !self.reauthorized && !self.api.rules.key_window.is_zero() => self.reauthorize().await,
            disposition if !refusal_settles(&disposition, sent_before) => {
                self.store_contact(intent).await?;
                self.still_in_doubt(&failure).await
            }
            Disposition::Reauthorize => {
                self.close_contact_intent(intent).await?;
                self.reauthorize().await
            }
            Disposition::Retry { not_before } => {
                self.close_contact_intent(intent).await?;
                self.retry_later(&failure, not_before).await.map(Next::End)
            }
            Disposition::Hold { question: Question::NameClash } if self.found.name_taken.is_none() => {
                self.close_contact_intent(intent).await?;
                self.found.name_taken = Some(intent.look.name.clone().unwrap_or_default());
                self.found.contacts = None;
                Ok(Next::Continue)
            }
            Disposition::Hold { question } => {
                self.close_contact_intent(intent).await?;
                self.hold(vendor_hold(question, &failure, &digest([contact_mark(&self.client).as_bytes()]))).await.map(Next::End)
            }
            // Somebody touched the contact since: it is read and compared, once.
            Disposition::Stale if !self.found.stale => {
                self.close_contact_intent(intent).await?;
                self.found.stale = true;
                self.found.contacts = None;
                self.found.contact_look = None;
                self.found.linked_contact = None;
                Ok(Next::Continue)
            }
            Disposition::Stale => {
                self.close_contact_intent(intent).await?;
                self.retry_later(&failure, None).await.map(Next::End)
            }
            Disposition::Reject { .. } | Disposition::Defect => {
                self.close_contact_intent(intent).await?;
                self.failed(&failure).await.map(Next::End)
            }
        }
    }

    /// A definite refusal: the intent is closed, and the next attempt has another key.
    pub(super) async fn close_contact_intent(&mut self, intent: &Intent) -> Outcome<()> {
        self.contact.value.intent = None;
        self.contact.value.rejections += 1;
        self.store_contact(intent).await
    }

    pub(super) async fn store_contact(&mut self, intent: &Intent) -> Outcome<()> {
        self.contact.value.lease = None;
        match self.engine.store.store_contact_outcome(self.ctx, self.contact_key(), intent.id, &self.contact.value, None).await? {
            ContactStored::NotMine(current) => self.contact = *current,
            ContactStored::Done | ContactStored::OwnedByOther { .. } => self.contact_stored(),
        }
        Ok(())
    }

    /// An outcome is stored on its intent, at whatever revision the row was. If nobody wrote the row since this run's claim, it is at the next
    /// one now; if somebody did, every later write of this run is refused on the revision and brings the row as it stands.
    fn contact_stored(&mut self) {
        self.contact.rev += 1;
    }
}

/// The inputs of the question whether two clients share one contact.
pub(super) fn shared_inputs(external_id: &str) -> String {
    digest([b"shared".as_slice(), external_id.as_bytes()])
}
