//! Payments of sales invoices (vendor notes, section 9).

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::contact::touched;
use super::filter;
use super::invoice::{Invoice, Status};
use super::organisation::Organisation;
use super::query::{Page, Query};
use super::reply::{Envelope, Message, Pagination, Refusal, ms_date, ms_instant};
use crate::skeleton::answer::Reply;
use crate::skeleton::fields::Fields;
use crate::skeleton::ids::Ids;
use crate::skeleton::number::{Exact, half_up};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) id: Uuid,
    pub(crate) invoice: Uuid,
    pub(crate) account: Uuid,
    pub(crate) date: Date,
    pub(crate) amount: Decimal,
    pub(crate) reference: String,
    /// Not deleted.
    pub(crate) stands: bool,
    pub(crate) updated: Timestamp,
}

pub(crate) struct PaymentInput {
    pub(crate) invoice: InvoiceChoice,
    pub(crate) account: Option<Uuid>,
    pub(crate) account_code: Option<String>,
    pub(crate) date: Date,
    pub(crate) amount: Decimal,
    pub(crate) reference: Option<String>,
}

pub(crate) enum InvoiceChoice {
    Id(Uuid),
    Number(String),
}

impl PaymentInput {
    pub(crate) fn read(fields: &Fields) -> Result<Self, Refusal> {
        let known = ["Invoice", "Account", "Date", "Amount", "Reference"];
        if let Some(field) = fields.unknown(&known) {
            return Err(Refusal::NotModelled(format!("writing the payment field {field}")));
        }
        let invoice = fields.object("Invoice")?.ok_or_else(|| Refusal::not_modelled("a payment without Invoice"))?;
        let account = fields.object("Account")?.ok_or_else(|| Refusal::not_modelled("a payment without Account"))?;
        let invoice = match (invoice.uuid("InvoiceID")?, invoice.text("InvoiceNumber")?) {
            (Some(id), None) => InvoiceChoice::Id(id),
            (None, Some(number)) => InvoiceChoice::Number(number),
            _ => return Err(Refusal::not_modelled("a payment's Invoice with other than one of InvoiceID and InvoiceNumber")),
        };
        Ok(Self {
            invoice,
            account: account.uuid("AccountID")?,
            account_code: account.text("Code")?,
            date: fields.date("Date")?.ok_or_else(|| Refusal::not_modelled("a payment without Date"))?,
            amount: fields.decimal("Amount")?.ok_or_else(|| Refusal::not_modelled("a payment without Amount"))?,
            reference: fields.text("Reference")?,
        })
    }
}

/// Applies a payment; AUTHORISED becomes PAID when nothing is left to pay. The error holds the vendor's messages.
pub(crate) fn apply(organisation: &mut Organisation, ids: &mut Ids, now: Timestamp, input: &PaymentInput) -> Result<Uuid, Vec<String>> {
    let invoice = match &input.invoice {
        InvoiceChoice::Id(id) => organisation.invoices.get(*id),
        InvoiceChoice::Number(number) => organisation.invoices.by_number(number),
    };
    let Some(invoice) = invoice.cloned() else { return Err(vec!["Invoice could not be found.".to_owned()]) };
    let mut faults = Vec::new();
    if !matches!(invoice.status, Status::Authorised | Status::Paid) {
        faults.push("Payments can only be made against Authorised documents".to_owned());
    }
    let account = organisation.account(input.account_code.as_deref(), input.account).filter(|account| account.takes_payments());
    if account.is_none() {
        faults.push("Account must be valid.".to_owned());
    }
    let due = invoice.total - organisation.paid(invoice.id);
    let amount = half_up(input.amount, 2);
    if amount <= Decimal::ZERO {
        faults.push("Payment amount must be greater than zero".to_owned());
    } else if amount > due {
        faults.push("Payment amount exceeds the amount outstanding on this document".to_owned());
    }
    faults.extend(organisation.lock_message(input.date));
    let account = match account {
        Some(account) if faults.is_empty() => account.account_id,
        _ => return Err(faults),
    };
    let id = ids.uuid();
    let payment = Payment {
        id,
        invoice: invoice.id,
        account,
        date: input.date,
        amount,
        reference: input.reference.clone().unwrap_or_default(),
        stands: true,
        updated: now,
    };
    organisation.payments.push(payment);
    let updated = touched(now, invoice.updated);
    let after = if amount == due {
        Invoice { status: Status::Paid, fully_paid_on: Some(input.date), updated, ..invoice }
    } else {
        Invoice { updated, ..invoice }
    };
    organisation.invoices.put(after);
    Ok(id)
}

/// Deletes a payment: a paid invoice is open again.
pub(crate) fn delete(organisation: &mut Organisation, now: Timestamp, id: Uuid) -> Result<Result<(), Vec<String>>, Refusal> {
    let payment = organisation.payments.iter_mut().find(|payment| payment.id == id).ok_or(Refusal::NotFound)?;
    if !payment.stands {
        return Err(Refusal::not_modelled("deleting a payment twice"));
    }
    let date = payment.date;
    let invoice = payment.invoice;
    if let Some(message) = organisation.lock_message(date) {
        return Ok(Err(vec![message]));
    }
    if let Some(payment) = organisation.payments.iter_mut().find(|payment| payment.id == id) {
        payment.stands = false;
        payment.updated = touched(now, payment.updated);
    }
    if let Some(invoice) = organisation.invoices.get(invoice).cloned() {
        let updated = touched(now, invoice.updated);
        organisation.invoices.put(Invoice { status: Status::Authorised, fully_paid_on: None, updated, ..invoice });
    }
    Ok(Ok(()))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AccountMark<'account> {
    #[serde(rename = "AccountID")]
    account_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'account str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InvoiceMark<'invoice> {
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(rename = "InvoiceID")]
    invoice_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice_number: Option<&'invoice str>,
    has_errors: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PaymentView<'payment> {
    #[serde(rename = "PaymentID")]
    payment_id: Uuid,
    date: String,
    bank_amount: Exact,
    amount: Exact,
    reference: &'payment str,
    payment_type: &'static str,
    status: &'static str,
    #[serde(rename = "UpdatedDateUTC")]
    updated_date_utc: String,
    has_account: bool,
    is_reconciled: bool,
    account: AccountMark<'payment>,
    invoice: InvoiceMark<'payment>,
    has_validation_errors: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_attribute_string: Option<&'static str>,
}

pub(crate) fn view<'all>(organisation: &'all Organisation, payment: &'all Payment, written: bool) -> PaymentView<'all> {
    let account = organisation.account(None, Some(payment.account));
    PaymentView {
        payment_id: payment.id,
        date: ms_date(payment.date),
        bank_amount: Exact(payment.amount),
        amount: Exact(payment.amount),
        reference: &payment.reference,
        payment_type: "ACCRECPAYMENT",
        status: if payment.stands { "AUTHORISED" } else { "DELETED" },
        updated_date_utc: ms_instant(payment.updated),
        has_account: true,
        is_reconciled: false,
        account: AccountMark { account_id: payment.account, code: account.and_then(|account| account.code.as_deref()) },
        invoice: InvoiceMark {
            kind: "ACCREC",
            invoice_id: payment.invoice,
            invoice_number: organisation.invoices.get(payment.invoice).map(|invoice| invoice.number.as_str()),
            has_errors: false,
        },
        has_validation_errors: false,
        status_attribute_string: written.then_some("OK"),
    }
}

/// A payment that was not saved, as the vendor shows it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FailedPayment {
    #[serde(rename = "PaymentID")]
    pub(crate) payment_id: Uuid,
    pub(crate) amount: Exact,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    pub(crate) has_validation_errors: bool,
    pub(crate) status_attribute_string: &'static str,
    pub(crate) validation_errors: Vec<Message>,
}

/// `GET /Payments`.
pub(crate) fn list(organisation: &Organisation, envelope: &Envelope<'_>, query: &Query<'_>) -> Result<Reply, Refusal> {
    query.only(&["where", "page", "pageSize"])?;
    let fields = ["Reference", "Status", "Invoice.InvoiceID"];
    let clause = query.text("where").map(|text| filter::parse(text, &fields)).transpose()?;
    let page = query.page()?;
    let since = query.modified_since()?;
    let found: Vec<&Payment> = organisation
        .payments
        .iter()
        .filter(|payment| since.is_none_or(|since| payment.updated >= since))
        .filter(|payment| {
            clause.as_ref().is_none_or(|clause| {
                clause.selects(&|field, literal| match field {
                    "Reference" => literal.is_text(Some(&payment.reference)),
                    "Status" => literal.is_text(Some(if payment.stands { "AUTHORISED" } else { "DELETED" })),
                    _ => literal.is_guid(payment.invoice),
                })
            })
        })
        .collect();
    let pagination = page.map(|Page { number, size }| Pagination::new(number, size, found.len()));
    let views: Vec<_> = Page::cut(page, &found).iter().map(|payment| view(organisation, payment, false)).collect();
    Ok(envelope.reply("Payments", &views, pagination))
}

/// `GET /Payments/{PaymentID}`.
pub(crate) fn one(organisation: &Organisation, envelope: &Envelope<'_>, query: &Query<'_>, key: &str) -> Result<Reply, Refusal> {
    query.only(&[])?;
    let id = Uuid::parse_str(key).map_err(|_| Refusal::NotFound)?;
    let payment = organisation.payments.iter().find(|payment| payment.id == id).ok_or(Refusal::NotFound)?;
    Ok(envelope.reply("Payments", &[view(organisation, payment, false)], None))
}
