//! Payments of sales invoices ("Payments"; docs/vendors/xero.md, section 9).

use bytes::Bytes;
use coportal_core::document::{Paid, PaymentWrite, RemotePayment};
use coportal_core::failure::Failure;
use http::Method;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::wire::{ElementState, day};
use super::{SEARCH_PAGE, Xero, is_id, one_invoice, whole};
use crate::exec::call::Call;
use crate::exec::{Operation, encoded};
use crate::json::{self, WireDecimal, maybe_decimal, maybe_list, maybe_text};
use crate::judge::Subject;
use crate::{Access, Answered, Called, Payments};

use rust_decimal::Decimal;

/// A payment as read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WirePayment {
    #[serde(rename = "PaymentID")]
    id: String,
    #[serde(default, deserialize_with = "maybe_decimal")]
    amount: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_text")]
    reference: Option<String>,
    #[serde(default)]
    date: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    invoice: Option<WirePaid>,
    #[serde(flatten)]
    state: ElementState,
}

#[derive(Debug, Deserialize)]
struct WirePaid {
    #[serde(default, rename = "InvoiceID")]
    id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PaymentsAnswer {
    #[serde(default, deserialize_with = "maybe_list")]
    payments: Vec<WirePayment>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PaymentsBody<'a> {
    payments: [PaymentBody<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PaymentBody<'a> {
    invoice: InvoiceRef<'a>,
    account: AccountRef<'a>,
    date: String,
    amount: WireDecimal,
    reference: &'a str,
}

#[derive(Serialize)]
struct InvoiceRef<'a> {
    #[serde(rename = "InvoiceID")]
    id: &'a str,
}

/// Bank accounts may have no code, and are named by their id then.
#[derive(Serialize)]
enum AccountRef<'a> {
    #[serde(rename = "AccountID")]
    Id(&'a str),
    Code(&'a str),
}

fn payment(wire: WirePayment) -> RemotePayment {
    RemotePayment {
        external_id: wire.id,
        mark: wire.reference,
        amount: wire.amount.unwrap_or_default(),
        date: wire.date.as_deref().and_then(day),
    }
}

impl Xero {
    async fn paid(&self, access: Access<'_>, document: &str) -> Result<Answered<Paid>, Failure> {
        let path = format!("/Invoices/{}", encoded(document));
        let read = Call::read("read_invoice", "/Invoices/{id}", path, Subject::Document).with("unitdp", "4");
        let reply = self.caller.send(access, read).await?;
        let invoice = one_invoice(&reply, Some(document))?;
        let balance = invoice.amount_due.ok_or_else(|| reply.unexpected("an invoice without AmountDue"))?;
        if invoice.payments.is_empty() {
            return Ok(reply.answered(Paid { balance, contact: None, payments: Vec::new() }));
        }
        // The payments inside an invoice have no reference: they are listed by their own route.
        let list = Call::read("list_payments", "/Payments", "/Payments".to_owned(), Subject::Place)
            .with("where", format!("Invoice.InvoiceID==Guid(\"{document}\")"))
            .with("page", "1")
            .with("pageSize", SEARCH_PAGE.to_string());
        let reply = self.caller.send(access, list).await?;
        let answer: PaymentsAnswer = reply.read()?;
        whole(&reply, answer.payments.len())?;
        let stands = |payment: &WirePayment| payment.status.as_deref().is_none_or(|status| status == "AUTHORISED");
        let payments = answer.payments.into_iter().filter(stands).map(payment).collect();
        Ok(reply.answered(Paid { balance, contact: None, payments }))
    }

    async fn put_payment(&self, access: Access<'_>, body: &[u8], key: &str) -> Result<Answered<RemotePayment>, Failure> {
        let operation = Operation { name: "create_payment", route: "/Payments" };
        let call = Call::write(operation, Method::PUT, "/Payments".to_owned(), Bytes::copy_from_slice(body), key, Subject::Document);
        let reply = self.caller.send(access, call.with("summarizeErrors", "true")).await?;
        let mut answer: PaymentsAnswer = reply.read()?;
        match (answer.payments.pop(), answer.payments.is_empty()) {
            (Some(made), true) if made.state.is_refused() => Err(super::outcome::refused(&reply.asked, &reply.answer, &made.state)),
            (Some(made), true) if is_id(&made.id) && made.invoice.as_ref().is_none_or(|paid| paid.id.is_some()) => {
                Ok(reply.answered(payment(made)))
            }
            _ => Err(reply.unexpected("the answer is not about this one payment")),
        }
    }
}

impl Payments for Xero {
    fn payments<'a>(&'a self, access: Access<'a>, document: &'a str) -> Called<'a, Paid> {
        Box::pin(self.paid(access, document))
    }

    fn payment_body(&self, write: &PaymentWrite) -> Vec<u8> {
        let account =
            if Uuid::parse_str(&write.account).is_ok() { AccountRef::Id(&write.account) } else { AccountRef::Code(&write.account) };
        json::bytes(&PaymentsBody {
            payments: [PaymentBody {
                invoice: InvoiceRef { id: &write.document },
                account,
                date: write.date.to_string(),
                amount: WireDecimal(write.amount),
                reference: &write.mark,
            }],
        })
    }

    fn write_payment<'a>(&'a self, access: Access<'a>, body: &'a [u8], key: &'a str) -> Called<'a, RemotePayment> {
        Box::pin(self.put_payment(access, body, key))
    }
}
