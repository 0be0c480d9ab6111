//! Payments (C1): each of CoPortal's becomes one in the ledger, where the connection says so. They share the sync row and its intent with
//! the document: there is never more than one write of an invoice under way.

use std::sync::Arc;

use coportal_aws::records::sync::{Saved, Stored};
use coportal_core::document::RemotePayment;
use coportal_core::id::IntentId;
use coportal_core::problem::{Outcome, Problem};
use coportal_core::sync::plan::PaymentPlan;
use coportal_core::sync::row::{Answer, Intent, IntentKind, PaymentLink, SyncState};
use coportal_ledgers::{Answered, Payments};

use super::answer::Changed;
use super::document::foreign_answer;
use super::run::{Next, Run};

impl Run<'_> {
    pub(super) fn payments(&self) -> Outcome<Arc<dyn Payments>> {
        self.api.payments.clone().ok_or_else(|| Problem::internal_error("a payment to a ledger that takes none"))
    }

    /// The key names the payment, so that it is made once whatever else happens to the invoice.
    pub(super) async fn write_payment(&mut self, plan: PaymentPlan) -> Outcome<Next> {
        if let Some(end) = self.ready_to_write().await? {
            return Ok(end);
        }
        let body = self.payments()?.payment_body(&plan.write);
        let subject = format!("{}/{}", self.invoice.id, plan.look.payment.as_deref().unwrap_or_default());
        let row = &self.row.value;
        let now = self.ctx.now();
        let intent = Intent {
            id: IntentId::new(self.ctx.uuid()),
            kind: IntentKind::Payment,
            key: self.idempotency_key(&subject, IntentKind::Payment, [row.remote_generation, row.rejections, 0]),
            first_sent_at: now,
            send_by: now,
            body,
            look: plan.look,
            sent: None,
            hash: plan.hash,
            version: self.invoice.version,
            batched: false,
        };
        self.claim_and_send(intent, None, false).await
    }

    pub(super) async fn payment_written(&mut self, intent: &Intent, answered: Answered<RemotePayment>) -> Outcome<Next> {
        if answered.value.mark != intent.look.mark {
            tracing::warn!(invoice.id = %self.invoice.id, "the answer to a payment is about another one");
            return self.may_have_been_done(intent, foreign_answer(self.request.ledger.label())).await;
        }
        let payment_id = intent.look.payment.clone().unwrap_or_default();
        let link = PaymentLink { payment_id, external_id: Some(answered.value.external_id), amount: answered.value.amount };
        self.payment_done(link, "Recorded in the ledger.", answered.vendor_request_id).await
    }

    /// A payment is settled: by a write, by a look, or because there is nothing to send. Stored on the intent where there is one.
    pub(super) async fn payment_done(&mut self, link: PaymentLink, reason: &str, vendor_request_id: Option<String>) -> Outcome<Next> {
        let step = if link.external_id.is_some() { "payment_recorded" } else { "payment_not_sent" };
        let told = self.event(step, &format!("Payment of {}: {reason}", link.amount), vendor_request_id);
        if link.external_id.is_some() && self.changed == Changed::Nothing {
            self.changed = Changed::Updated;
        }
        self.found.payment_look = None;
        if let Some(paid) = &mut self.found.paid
            && link.external_id.is_some()
            && !paid.payments.iter().any(|known| Some(&known.external_id) == link.external_id.as_ref())
        {
            // An amount that cannot be is the ledger's: what is open is asked for again.
            match paid.balance.checked_sub(link.amount) {
                Some(balance) => paid.balance = balance,
                None => self.found.paid = None,
            }
        }
        let row = &mut self.row.value;
        if !row.payments.iter().any(|known| known.payment_id == link.payment_id) {
            row.payments.push(link);
        }
        // Money on a document moves its version on.
        if let Some(link) = &mut row.link {
            link.as_sent = false;
        }
        row.answers.retain(Answer::outlives_a_write);
        let Some(intent) = row.intent.take() else {
            match self.engine.store.save_row(self.ctx, self.key(), &self.row.value, self.row.rev).await? {
                Saved::Done { rev } => self.row.rev = rev,
                Saved::Moved(current) => self.row = *current,
            }
            self.tell(&told).await?;
            return Ok(Next::Continue);
        };
        row.hash = Some(intent.hash);
        self.enter(SyncState::Queued);
        match self.engine.store.store_outcome(self.ctx, self.key(), intent.id, &self.row.value, &told, None).await? {
            Stored::Done | Stored::WantedMoved | Stored::DocumentOwnedByOther { .. } => {
                self.row = self.engine.store.sync_row(self.key()).await?;
            }
            Stored::NotMine(current) => self.row = *current,
        }
        Ok(Next::Continue)
    }
}
