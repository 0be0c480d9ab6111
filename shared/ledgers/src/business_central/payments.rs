//! Payments: lines of a payment journal, left there for the bookkeeper to post (docs/vendors/business-central.md, section 12; C1).

use bytes::Bytes;
use coportal_core::document::{Paid, PaymentWrite, RemotePayment};
use coportal_core::failure::{Disposition, Failure, Question};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::body::{self, Payment};
use super::fixit::Cause;
use super::profile::{PAGE, PROFILE};
use super::wire::{WireJournal, WirePayment};
use super::{BusinessCentral, Change, ask, outcome, stored};
use crate::exec::{Operation, encoded};
use crate::fixit::{Catalogue as _, Common};
use crate::judge::{Effect, REFUSED, Subject, failed};
use crate::{Access, Answered, Called, Payments};

/// Most payment journals whose lines are read; a company has a handful.
const JOURNALS_MAX: usize = 50;

/// How much of a line pays the document: receipts are negative (section 12).
fn paid_by(line: &WirePayment) -> Decimal {
    -line.amount.unwrap_or_default()
}

fn payment(journal: Uuid, line: WirePayment) -> RemotePayment {
    RemotePayment {
        external_id: format!("{journal}/{}", line.id),
        amount: paid_by(&line).normalize(),
        mark: line.external_document_number,
        date: line.posting_date,
    }
}

impl BusinessCentral {
    /// What is open, and what waits in the journals. Posted lines have left their journal, and are in what is open.
    async fn paid(&self, access: Access<'_>, external_id: &str) -> Result<Answered<Paid>, Failure> {
        let place = Self::place(access)?;
        let read = self.document_of(access, external_id).await?;
        let (contact, balance) = match &read.value {
            Some((contact, Some(balance))) => (contact.clone(), *balance),
            // Nothing is open on either, and neither is paid: that is told, and not reckoned with.
            Some((_, None)) => return Err(not_owing(access, Cause::common(Common::AnswerUnexpected), Disposition::Defect)),
            None => return Err(not_owing(access, Cause::DocumentMissing, Disposition::Hold { question: Question::DocumentGone })),
        };
        let call = Self::read(&place, "list_payment_journals", "/customerPaymentJournals", "/customerPaymentJournals", Subject::Place)
            .with("$select", "id,code,displayName");
        let (reply, journals): (_, Vec<WireJournal>) = self.list(access, call, PAGE).await?;
        if journals.len() > JOURNALS_MAX {
            return Err(reply.unexpected("more payment journals than any company has"));
        }
        let of_contact = format!("customerId eq {contact}");
        let asked: Vec<_> = journals.iter().map(|journal| self.waiting(access, journal.id, &of_contact)).collect();
        let in_flight = usize::try_from(PROFILE.step_in_flight).unwrap_or(1);
        let waiting: Vec<Vec<(Uuid, WirePayment)>> = stream::iter(asked).buffered(in_flight).try_collect().await?;
        let ours = Uuid::try_parse(external_id).ok();
        let payments: Vec<RemotePayment> = waiting
            .into_iter()
            .flatten()
            .filter(|(_, line)| line.applies_to_invoice_id.is_some() && line.applies_to_invoice_id == ours)
            .map(|(journal, line)| payment(journal, line))
            .collect();
        // What waits in a journal is no longer open for another payment, though the ledger counts it only once it is posted.
        let spoken_for = payments.iter().try_fold(Decimal::ZERO, |sum, payment| sum.checked_add(payment.amount));
        let left = spoken_for.and_then(|sum| balance.checked_sub(sum));
        let balance = left.ok_or_else(|| reply.unexpected("payments larger than any amount"))?;
        Ok(read.map(|_| Paid { balance, contact: Some(contact), payments }))
    }

    /// The lines of a journal that fit, none of them posted.
    async fn waiting(&self, access: Access<'_>, journal: Uuid, condition: &str) -> Result<Vec<(Uuid, WirePayment)>, Failure> {
        let route = "/customerPaymentJournals({id})/customerPayments";
        let path = format!("/customerPaymentJournals({journal})/customerPayments");
        let call = Self::read(&Self::place(access)?, "list_payments", route, &path, Subject::Place).with("$filter", condition);
        let (_, lines): (_, Vec<WirePayment>) = self.list(access, call, PAGE).await?;
        Ok(lines.into_iter().map(|line| (journal, line)).collect())
    }

    /// The document's customer, and what is open of it where it is posted.
    async fn document_of(&self, access: Access<'_>, external_id: &str) -> Result<Answered<Option<(String, Option<Decimal>)>>, Failure> {
        use crate::Documents as _;
        let read = self.read_document(access, external_id).await?;
        Ok(read.map(|there| {
            there.map(|there| {
                // What was cancelled owes nothing.
                let owes = if there.status.is_gone() { there.balance.or(Some(Decimal::ZERO)) } else { there.balance };
                (there.contact, owes)
            })
        }))
    }

    async fn put_payment(&self, access: Access<'_>, body: &[u8]) -> Result<Answered<RemotePayment>, Failure> {
        let write: Payment = stored(access, body)?;
        let journal = Uuid::try_parse(&write.journal)
            .map_err(|_| failed(&ask(access, Effect::Write), Cause::PaymentRefused, REFUSED, None, "the account is no payment journal"))?;
        let change = Change {
            operation: Operation { name: "create_payment", route: "/customerPaymentJournals({id})/customerPayments" },
            method: Method::POST,
            path: format!("/customerPaymentJournals({})/customerPayments", encoded(&journal.to_string())),
            if_match: None,
            body: write.payment.as_deref().map(|raw| Bytes::copy_from_slice(raw.get().as_bytes())),
            subject: Subject::Place,
        };
        let reply = self.change(access, change).await?;
        let made = payment(journal, reply.read()?);
        let sent = write.payment.as_deref().and_then(sent_mark);
        if sent.is_none() || made.mark != sent {
            return Err(reply.unexpected("the answer is about another payment"));
        }
        Ok(reply.answered(made))
    }
}

/// The failure of a reading of what is open, where the document is no posted one.
fn not_owing(access: Access<'_>, cause: Cause, disposition: Disposition) -> Failure {
    failed(&ask(access, Effect::Read), cause, disposition, None, "no posted invoice of this id")
}

/// The mark that a body carries.
fn sent_mark(body: &serde_json::value::RawValue) -> Option<String> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Marked {
        external_document_number: String,
    }
    serde_json::from_str::<Marked>(body.get()).ok().map(|marked| marked.external_document_number)
}

impl Payments for BusinessCentral {
    fn payments<'a>(&'a self, access: Access<'a>, document: &'a str) -> Called<'a, Paid> {
        Box::pin(self.paid(access, document))
    }

    fn payment_body(&self, write: &PaymentWrite) -> Vec<u8> {
        body::payment_body(write)
    }

    fn write_payment<'a>(&'a self, access: Access<'a>, body: &'a [u8], _key: &'a str) -> Called<'a, RemotePayment> {
        Box::pin(async move {
            // The journal is gone, or was never one: a question about the account, not about the address.
            self.put_payment(access, body).await.map_err(|failure| {
                let is_gone = outcome::is(&failure, Cause::RequestMalformed) && failure.status == Some(404);
                if is_gone { outcome::refused(&ask(access, Effect::Write), Cause::PaymentRefused, None) } else { failure }
            })
        })
    }
}
