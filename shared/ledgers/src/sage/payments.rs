//! Sage: the calls about payments. A payment is a customer's receipt, allocated to its invoice as it is made (docs/vendors/sage.md,
//! section 10).

use bytes::Bytes;
use coportal_core::document::{Paid, PaymentWrite, RemotePayment};
use coportal_core::failure::{Disposition, Failure, Question};
use http::Method;
use serde::Deserialize;

use super::fixit::Cause;
use super::wire::WirePayment;
use super::{Sage, is_id, map};
use crate::exec::Operation;
use crate::exec::call::Call;
use crate::judge::{self, Subject};
use crate::{Access, Answered, Called, Payments};

impl Sage {
    async fn paid(&self, access: Access<'_>, document: &str) -> Result<Answered<Paid>, Failure> {
        let (reply, wire) = self.invoice(access, "read_payments", document).await?;
        let gone = Disposition::Hold { question: Question::DocumentGone };
        let wire =
            wire.ok_or_else(|| judge::failed(&reply.asked, Cause::DocumentMissing, gone, Some(&reply.answer), "no invoice of this id"))?;
        let paid = map::paid(wire).map_err(|why| reply.unexpected(why))?;
        Ok(reply.answered(paid))
    }

    async fn put_payment(&self, access: Access<'_>, body: &[u8], key: &str) -> Result<Answered<RemotePayment>, Failure> {
        let operation = Operation { name: "create_payment", route: "/contact_payments" };
        let sent = Bytes::copy_from_slice(body);
        let call = Call::write(operation, Method::POST, "/contact_payments".to_owned(), sent, key, Subject::Place);
        let reply = self.caller.send(access, call).await?;
        let wire: WirePayment = reply.read()?;
        if !is_id(&wire.id) {
            return Err(reply.unexpected("a payment without an id"));
        }
        let Some((mark, document)) = sent_of(body) else { return Err(reply.unexpected("the body names no document")) };
        let payment = map::payment(wire, &document).map_err(|why| reply.unexpected(why))?;
        if payment.mark.as_deref() != Some(mark.as_str()) {
            return Err(reply.unexpected("the answer is about another payment"));
        }
        Ok(reply.answered(payment))
    }
}

/// The mark and the document that a payment's body carries.
fn sent_of(body: &[u8]) -> Option<(String, String)> {
    #[derive(Deserialize)]
    struct Allocated {
        artefact_id: String,
    }
    #[derive(Deserialize)]
    struct Fields {
        reference: String,
        allocated_artefacts: Vec<Allocated>,
    }
    #[derive(Deserialize)]
    struct Body {
        contact_payment: Fields,
    }
    let fields = serde_json::from_slice::<Body>(body).ok()?.contact_payment;
    Some((fields.reference, fields.allocated_artefacts.into_iter().next()?.artefact_id))
}

impl Payments for Sage {
    fn payments<'a>(&'a self, access: Access<'a>, document: &'a str) -> Called<'a, Paid> {
        Box::pin(self.paid(access, document))
    }

    fn payment_body(&self, write: &PaymentWrite) -> Vec<u8> {
        map::payment_body(write)
    }

    fn write_payment<'a>(&'a self, access: Access<'a>, body: &'a [u8], key: &'a str) -> Called<'a, RemotePayment> {
        Box::pin(self.put_payment(access, body, key))
    }
}
