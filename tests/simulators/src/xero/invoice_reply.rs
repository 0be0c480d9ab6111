//! Invoices on the wire, and the ways to list them (vendor notes, section 3).

use serde::Serialize;
use uuid::Uuid;

use super::contact_reply::{self, ContactView, Detail};
use super::filter;
use super::invoice::{Invoice, Line, LineAmountTypes, Status, Tracking};
use super::organisation::Organisation;
use super::query::{Page, Query};
use super::reply::{Envelope, Message, Pagination, Refusal, date_string, ms_date, ms_instant};
use crate::skeleton::answer::Reply;
use crate::skeleton::number::{Exact, half_up};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LineView<'line> {
    #[serde(rename = "LineItemID")]
    line_item_id: Uuid,
    description: &'line str,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_amount: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discount_rate: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discount_amount: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_code: Option<&'line str>,
    #[serde(rename = "AccountID", skip_serializing_if = "Option::is_none")]
    account_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tax_type: Option<&'line str>,
    tax_amount: Exact,
    line_amount: Exact,
    tracking: &'line [Tracking],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PaymentMark {
    #[serde(rename = "PaymentID")]
    payment_id: Uuid,
    date: String,
    amount: Exact,
    currency_rate: Exact,
    has_account: bool,
    has_validation_errors: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InvoiceView<'invoice> {
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(rename = "InvoiceID")]
    invoice_id: Uuid,
    invoice_number: &'invoice str,
    reference: &'invoice str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'invoice str>,
    payments: Vec<PaymentMark>,
    credit_notes: [(); 0],
    prepayments: [(); 0],
    overpayments: [(); 0],
    amount_due: Exact,
    amount_paid: Exact,
    amount_credited: Exact,
    sent_to_contact: bool,
    currency_rate: Exact,
    has_errors: bool,
    is_discounted: bool,
    has_attachments: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<ContactOrName<'invoice>>,
    date_string: String,
    date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_date_string: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_date: Option<String>,
    status: &'static str,
    line_amount_types: LineAmountTypes,
    line_items: Vec<LineView<'invoice>>,
    sub_total: Exact,
    total_tax: Exact,
    total: Exact,
    #[serde(rename = "UpdatedDateUTC")]
    updated_date_utc: String,
    currency_code: &'invoice str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fully_paid_on_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_attribute_string: Option<&'static str>,
}

/// A list names the contact; a single read shows it.
#[derive(Serialize)]
#[serde(untagged)]
enum ContactOrName<'contact> {
    Whole(Box<ContactView<'contact>>),
    #[serde(rename_all = "PascalCase")]
    Name {
        #[serde(rename = "ContactID")]
        contact_id: Uuid,
        name: &'contact str,
        addresses: [(); 0],
        phones: [(); 0],
        contact_groups: [(); 0],
        contact_persons: [(); 0],
        has_validation_errors: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A single read, or the reply to a write of one.
    Whole,
    /// A paged list: with lines.
    Paged,
    /// A list without `page`: no lines (section 3).
    Bare,
    /// The reply to a write.
    Written,
}

fn line<'line>(organisation: &Organisation, line: &'line Line, places: u32) -> LineView<'line> {
    LineView {
        line_item_id: line.id,
        description: &line.description,
        quantity: line.quantity.map(Exact),
        unit_amount: line.unit_amount.map(|unit| Exact(half_up(unit, places))),
        discount_rate: line.discount_rate.map(Exact),
        discount_amount: line.discount_amount.map(Exact),
        account_code: line.account_code.as_deref(),
        account_id: organisation.account(line.account_code.as_deref(), None).map(|account| account.account_id),
        tax_type: line.tax_type.as_deref(),
        tax_amount: Exact(line.tax_amount),
        line_amount: Exact(line.line_amount),
        tracking: &line.tracking,
    }
}

/// An invoice as the API shows it, unit prices with `places` decimals.
pub(crate) fn view<'all>(organisation: &'all Organisation, invoice: &'all Invoice, shown: Shown, places: u32) -> InvoiceView<'all> {
    let paid = organisation.paid(invoice.id);
    let due = match invoice.status {
        Status::Voided | Status::Deleted => rust_decimal::Decimal::ZERO,
        Status::Draft | Status::Submitted | Status::Authorised | Status::Paid => invoice.total - paid,
    };
    let contact = organisation.contacts.get(invoice.contact).map(|contact| match shown {
        Shown::Whole | Shown::Written => ContactOrName::Whole(Box::new(contact_reply::view(contact, Detail::List))),
        Shown::Paged | Shown::Bare => ContactOrName::Name {
            contact_id: contact.id,
            name: &contact.name,
            addresses: [],
            phones: [],
            contact_groups: [],
            contact_persons: [],
            has_validation_errors: false,
        },
    });
    let payments = organisation.standing_payments(invoice.id).map(|payment| PaymentMark {
        payment_id: payment.id,
        date: ms_date(payment.date),
        amount: Exact(payment.amount),
        currency_rate: Exact(half_up(invoice.currency_rate, 6)),
        has_account: false,
        has_validation_errors: false,
    });
    InvoiceView {
        kind: "ACCREC",
        invoice_id: invoice.id,
        invoice_number: &invoice.number,
        reference: &invoice.reference,
        url: invoice.url.as_deref(),
        payments: payments.collect(),
        credit_notes: [],
        prepayments: [],
        overpayments: [],
        amount_due: Exact(half_up(due, 2)),
        amount_paid: Exact(half_up(paid, 2)),
        amount_credited: Exact(half_up(rust_decimal::Decimal::ZERO, 2)),
        sent_to_contact: invoice.sent,
        currency_rate: Exact(half_up(invoice.currency_rate, 6)),
        has_errors: false,
        is_discounted: invoice.lines.iter().any(|line| line.discount_rate.is_some() || line.discount_amount.is_some()),
        has_attachments: false,
        contact,
        date_string: date_string(invoice.date),
        date: ms_date(invoice.date),
        due_date_string: invoice.due_date.map(date_string),
        due_date: invoice.due_date.map(ms_date),
        status: invoice.status.word(),
        line_amount_types: invoice.line_amount_types,
        line_items: match shown {
            Shown::Bare => Vec::new(),
            Shown::Whole | Shown::Paged | Shown::Written => invoice.lines.iter().map(|one| line(organisation, one, places)).collect(),
        },
        sub_total: Exact(invoice.sub_total),
        total_tax: Exact(invoice.total_tax),
        total: Exact(invoice.total),
        updated_date_utc: ms_instant(invoice.updated),
        currency_code: &invoice.currency,
        fully_paid_on_date: invoice.fully_paid_on.filter(|_| invoice.status == Status::Paid).map(ms_date),
        status_attribute_string: (shown == Shown::Written).then_some("OK"),
    }
}

/// An invoice that was not saved, as the vendor shows it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FailedInvoice {
    #[serde(rename = "Type")]
    pub(crate) kind: &'static str,
    #[serde(rename = "InvoiceID")]
    pub(crate) invoice_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invoice_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    pub(crate) has_errors: bool,
    pub(crate) line_items: [(); 0],
    pub(crate) status_attribute_string: &'static str,
    pub(crate) validation_errors: Vec<Message>,
}

const MODELLED: [&str; 10] =
    ["where", "order", "page", "pageSize", "IDs", "InvoiceNumbers", "ContactIDs", "Statuses", "createdByMyApp", "unitdp"];

/// `GET /Invoices`.
pub(crate) fn list(organisation: &Organisation, envelope: &Envelope<'_>, query: &Query<'_>) -> Result<Reply, Refusal> {
    query.only(&MODELLED)?;
    let fields = ["Reference", "InvoiceNumber", "Status", "Type", "InvoiceID", "Contact.ContactID"];
    let clause = query.text("where").map(|text| filter::parse(text, &fields)).transpose()?;
    let statuses = query.list("Statuses");
    // Section 3: querying by Statuses forces paging.
    let page = query.page()?.or(statuses.is_some().then_some(Page { number: 1, size: 100 }));
    let places = query.unitdp()?;
    let mine = query.flag("createdByMyApp")?;
    let (ids, contacts) = (query.ids("IDs")?, query.ids("ContactIDs")?);
    let numbers = query.list("InvoiceNumbers");
    let since = query.modified_since()?;
    let newest_first = match query.text("order") {
        None => None,
        Some("UpdatedDateUTC DESC") => Some(true),
        Some("UpdatedDateUTC ASC") => Some(false),
        Some(other) => return Err(Refusal::NotModelled(format!("order={other}"))),
    };
    let mut found: Vec<&Invoice> = organisation
        .invoices
        .all()
        .iter()
        .filter(|invoice| !mine || invoice.created_by_app)
        .filter(|invoice| ids.as_ref().is_none_or(|ids| ids.contains(&invoice.id)))
        .filter(|invoice| contacts.as_ref().is_none_or(|contacts| contacts.contains(&invoice.contact)))
        .filter(|invoice| numbers.as_ref().is_none_or(|numbers| numbers.contains(&invoice.number.as_str())))
        .filter(|invoice| statuses.as_ref().is_none_or(|statuses| statuses.contains(&invoice.status.word())))
        .filter(|invoice| since.is_none_or(|since| invoice.updated >= since))
        .filter(|invoice| {
            clause.as_ref().is_none_or(|clause| {
                clause.selects(&|field, literal| match field {
                    "Reference" => literal.is_text(Some(&invoice.reference)),
                    "InvoiceNumber" => literal.is_text(Some(&invoice.number)),
                    "Status" => literal.is_text(Some(invoice.status.word())),
                    "InvoiceID" => literal.is_guid(invoice.id),
                    "Contact.ContactID" => literal.is_guid(invoice.contact),
                    _ => literal.is_text(Some("ACCREC")),
                })
            })
        })
        .collect();
    match newest_first {
        Some(true) => found.sort_by_key(|invoice| std::cmp::Reverse(invoice.updated)),
        Some(false) => found.sort_by_key(|invoice| invoice.updated),
        None => {}
    }
    let pagination = page.map(|Page { number, size }| Pagination::new(number, size, found.len()));
    let shown = if page.is_some() { Shown::Paged } else { Shown::Bare };
    let views: Vec<_> = Page::cut(page, &found).iter().map(|invoice| view(organisation, invoice, shown, places)).collect();
    Ok(envelope.reply("Invoices", &views, pagination))
}

/// `GET /Invoices/{InvoiceID or number}`.
pub(crate) fn one(organisation: &Organisation, envelope: &Envelope<'_>, query: &Query<'_>, key: &str) -> Result<Reply, Refusal> {
    query.only(&["unitdp"])?;
    let places = query.unitdp()?;
    let by_id = Uuid::parse_str(key).ok().and_then(|id| organisation.invoices.get(id));
    let invoice = by_id.or_else(|| organisation.invoices.by_number(key)).ok_or(Refusal::NotFound)?;
    Ok(envelope.reply("Invoices", &[view(organisation, invoice, Shown::Whole, places)], None))
}
