//! `POST /sales_invoices`, `PUT`, `DELETE` and `/release` of one.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use rust_decimal::Decimal;

use super::business::Business;
use super::contact::Contact;
use super::input::{address, body, known, number, record, settle, text};
use super::invoice::{Invoice, Line, Status, Sums};
use super::invoice_line;
use super::invoice_reply::{Detail, view};
use super::query::{Query, id};
use super::reply::{Fault, Refusal, fault, written};
use crate::skeleton::answer::Reply;
use crate::skeleton::fields::Fields;
use crate::skeleton::ids::Ids;
use crate::skeleton::incoming::Incoming;

const HEAD: [&str; 18] = [
    "contact_id",
    "contact_name",
    "contact_reference",
    "currency_id",
    "date",
    "delivery_address",
    "due_date",
    "exchange_rate",
    "invoice_lines",
    "main_address",
    "net_amount",
    "notes",
    "reference",
    "sent",
    "status_id",
    "tax_amount",
    "terms_and_conditions",
    "total_amount",
];

/// `POST /sales_invoices`. There is no key and `reference` is not unique: the same call again makes a second invoice.
pub(crate) fn create(business: &mut Business, ids: &mut Ids, call: &Incoming, now: Timestamp) -> Result<Reply, Refusal> {
    let fields = body(call, "sales_invoice")?;
    known(&fields, &HEAD, "sales invoice")?;
    let mut faults = Vec::new();
    // Published schema, postSalesInvoices: required.
    for name in ["contact_id", "date", "invoice_lines"] {
        if !fields.has(name) {
            faults.push(fault(name, "is missing"));
        }
    }
    settle(faults)?;
    let contact = contact(business, &fields)?.ok_or(Refusal::NotFound)?.clone();
    let date = fields.date("date")?.ok_or_else(|| Refusal::invalid("date", "is missing"))?;
    let draft = match fields.text("status_id")?.as_deref() {
        None => false,
        Some("DRAFT") => true,
        Some(other) => return Err(Refusal::NotModelled(format!("creating an invoice with status_id {other}"))),
    };
    let days = contact.credit_days.unwrap_or(business.customer_credit_days);
    let mut invoice = Invoice {
        id: ids.uuid(),
        number: None,
        reference: None,
        status: if draft { Status::Draft } else { Status::Unpaid },
        contact: contact.id,
        contact_name: contact.name.clone(),
        contact_reference: contact.reference.clone(),
        main_address: contact.main_address.clone(),
        delivery_address: None,
        date,
        due_date: date.saturating_add(i64::from(days).days()),
        currency: contact.currency.clone(),
        exchange_rate: business.day_rate(&contact.currency),
        notes: None,
        terms_and_conditions: None,
        sent: false,
        void_reason: None,
        tax_reconciled: false,
        lines: Vec::new(),
        totals: Sums::default(),
        created: now,
        updated: now,
        deleted: None,
        created_by_app: true,
    };
    apply(business, ids, &fields, &mut invoice, &contact)?;
    // byte8 documentation, "troubleshooting": without a delivery address Sage copies the main one.
    invoice.delivery_address = invoice.delivery_address.or_else(|| invoice.main_address.clone());
    if !draft {
        business.number(&mut invoice);
    }
    let shown = view(business, &invoice, Detail::default());
    business.invoices.put(invoice);
    Ok(written(201, &shown))
}

/// `PUT /sales_invoices/{key}`: what is absent stays. Lines with an id keep what is not sent of them, lines without one are new, lines that
/// are left out are removed.
pub(crate) fn update(business: &mut Business, ids: &mut Ids, call: &Incoming, key: &str, now: Timestamp) -> Result<Reply, Refusal> {
    let mut invoice = find(business, key)?;
    let fields = body(call, "sales_invoice")?;
    known(&fields, &HEAD, "sales invoice")?;
    if !invoice.is_editable(business) {
        return Err(Refusal::invalid("", "The invoice cannot be edited."));
    }
    match fields.text("status_id")?.as_deref() {
        None => {}
        Some(same) if same == invoice.status.id() => {}
        Some(other) => return Err(Refusal::NotModelled(format!("changing the status of an invoice to {other} by PUT"))),
    }
    let contact = match contact(business, &fields)? {
        Some(contact) => {
            let contact = contact.clone();
            if contact.id != invoice.contact {
                invoice.contact = contact.id;
                invoice.contact_name.clone_from(&contact.name);
                invoice.contact_reference.clone_from(&contact.reference);
            }
            contact
        }
        None => business.contacts.get(invoice.contact).cloned().ok_or(Refusal::NotFound)?,
    };
    apply(business, ids, &fields, &mut invoice, &contact)?;
    invoice.updated = now;
    let shown = view(business, &invoice, Detail::default());
    business.invoices.put(invoice);
    Ok(written(200, &shown))
}

/// `POST /sales_invoices/{key}/release`, without a body.
pub(crate) fn release(business: &mut Business, call: &Incoming, key: &str, now: Timestamp) -> Result<Reply, Refusal> {
    if !call.body.is_empty() && call.body != b"{}" {
        return Err(Refusal::not_modelled("a body of release"));
    }
    let mut invoice = find(business, key)?;
    release_draft(business, &mut invoice, now)?;
    let shown = view(business, &invoice, Detail::default());
    business.invoices.put(invoice);
    Ok(written(201, &shown))
}

/// Issues a draft: it gets its number.
pub(crate) fn release_draft(business: &mut Business, invoice: &mut Invoice, now: Timestamp) -> Result<(), Refusal> {
    if invoice.status != Status::Draft {
        return Err(Refusal::invalid("status", "Only a draft can be released."));
    }
    unlocked(business, invoice.date, &mut Vec::new())?;
    business.number(invoice);
    invoice.status = Status::Unpaid;
    invoice.updated = now;
    Ok(())
}

/// `DELETE /sales_invoices/{key}?void_reason=`: a draft is deleted, an issued invoice voided, which needs a reason.
pub(crate) fn void(business: &mut Business, query: &Query<'_>, key: &str, now: Timestamp) -> Result<Reply, Refusal> {
    query.only(&["void_reason"])?;
    let mut invoice = find(business, key)?;
    void_or_delete(business, &mut invoice, query.text("void_reason"), now)?;
    let shown = view(business, &invoice, Detail::default());
    business.invoices.put(invoice);
    Ok(written(200, &shown))
}

/// From memory: refused while payments are allocated, in a filed tax return, and in a locked year.
pub(crate) fn void_or_delete(business: &Business, invoice: &mut Invoice, reason: Option<&str>, now: Timestamp) -> Result<(), Refusal> {
    match invoice.status {
        Status::Draft => invoice.deleted = Some(now),
        Status::Unpaid => {
            let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
            let Some(reason) = reason else { return Err(Refusal::invalid("void_reason", "can't be blank")) };
            if reason.chars().count() > 200 {
                return Err(Refusal::invalid("void_reason", "is too long (maximum is 200 characters)"));
            }
            if invoice.tax_reconciled {
                return Err(Refusal::invalid("", "The invoice cannot be voided: its tax return was filed."));
            }
            unlocked(business, invoice.date, &mut Vec::new())?;
            invoice.status = Status::Void;
            invoice.void_reason = Some(reason.to_owned());
        }
        Status::PartPaid | Status::Paid => {
            return Err(Refusal::invalid("", "The invoice cannot be voided: payments are allocated to it."));
        }
        Status::Void => return Err(Refusal::invalid("", "The invoice is void already.")),
    }
    invoice.updated = now;
    Ok(())
}

fn find(business: &Business, key: &str) -> Result<Invoice, Refusal> {
    id(key).and_then(|id| business.invoices.get(id)).cloned().ok_or(Refusal::NotFound)
}

/// The contact that the body names. One that is no customer is not found; one that is inactive or Sage's own is refused.
fn contact<'all>(business: &'all Business, fields: &Fields) -> Result<Option<&'all Contact>, Refusal> {
    let Some(id) = record(fields, "contact_id")? else { return Ok(None) };
    let contact = business.contacts.get(id).filter(|contact| contact.is_customer).ok_or(Refusal::NotFound)?;
    if !contact.is_active || contact.system {
        return Err(Refusal::invalid("contact", "is inactive"));
    }
    Ok(Some(contact))
}

/// The year end lockdown: nothing dated on or before it.
pub(crate) fn unlocked(business: &Business, date: Date, faults: &mut Vec<Fault>) -> Result<(), Refusal> {
    if business.locks(date) {
        faults.push(fault("date", "must be after the year end lockdown date"));
    }
    settle(std::mem::take(faults))
}

fn apply(business: &Business, ids: &mut Ids, fields: &Fields, invoice: &mut Invoice, contact: &Contact) -> Result<(), Refusal> {
    let mut faults = Vec::new();
    for (name, date) in [("date", &mut invoice.date), ("due_date", &mut invoice.due_date)] {
        *date = fields.date(name)?.unwrap_or(*date);
    }
    unlocked(business, invoice.date, &mut faults)?;
    text(fields, "reference", "reference", 25, &mut faults, &mut invoice.reference)?;
    text(fields, "notes", "notes", 2000, &mut faults, &mut invoice.notes)?;
    text(fields, "terms_and_conditions", "terms_and_conditions", 2000, &mut faults, &mut invoice.terms_and_conditions)?;
    let mut name = Some(invoice.contact_name.clone());
    text(fields, "contact_name", "contact_name", 255, &mut faults, &mut name)?;
    invoice.contact_name = name.unwrap_or_else(|| contact.name.clone());
    text(fields, "contact_reference", "contact_reference", 255, &mut faults, &mut invoice.contact_reference)?;
    currency(business, fields, invoice, contact, &mut faults)?;
    invoice.sent = fields.boolean("sent")?.unwrap_or(invoice.sent);
    for name in ["main_address", "delivery_address"] {
        if let Some(sent) = fields.object(name)? {
            let target = if name == "main_address" { &mut invoice.main_address } else { &mut invoice.delivery_address };
            address(&sent, name, false, ids, &mut faults, target)?;
        }
    }
    if let Some(sent) = fields.objects("invoice_lines")? {
        invoice.lines = lines(business, ids, &sent, invoice, &mut faults)?;
    } else if fields.has("invoice_lines") {
        faults.push(fault("invoice_lines", "can't be blank"));
    }
    settle(std::mem::take(&mut faults))?;
    invoice_line::check_taxes(business, invoice, &mut faults);
    settle(std::mem::take(&mut faults))?;
    invoice.add_up();
    totals(fields, invoice)
}

fn lines(business: &Business, ids: &mut Ids, sent: &[Fields], invoice: &Invoice, faults: &mut Vec<Fault>) -> Result<Vec<Line>, Refusal> {
    if sent.is_empty() {
        faults.push(fault("invoice_lines", "can't be blank"));
    }
    let mut lines: Vec<Line> = Vec::with_capacity(sent.len());
    for fields in sent {
        let line = invoice_line::merge(business, ids, fields, invoice, faults)?;
        if lines.iter().any(|other| other.id == line.id) {
            return Err(Refusal::not_modelled("the same line twice"));
        }
        lines.push(line);
    }
    Ok(lines)
}

/// The currency of an invoice is its contact's; another one than the base currency needs multi-currency.
fn currency(
    business: &Business,
    fields: &Fields,
    invoice: &mut Invoice,
    contact: &Contact,
    faults: &mut Vec<Fault>,
) -> Result<(), Refusal> {
    let code = fields.text("currency_id")?.unwrap_or_else(|| contact.currency.clone());
    if !business.trades_in(&code) {
        faults.push(fault("currency", "is not enabled for this business"));
    } else if code != contact.currency {
        faults.push(fault("currency", "must be the currency of the contact"));
    }
    let rate = number(fields, "exchange_rate", 10)?;
    if rate.is_some_and(|rate| rate <= Decimal::ZERO || (code == business.currency && rate != Decimal::ONE)) {
        faults.push(fault("exchange_rate", "is invalid"));
    }
    invoice.exchange_rate = rate.unwrap_or(if code == invoice.currency { invoice.exchange_rate } else { business.day_rate(&code) });
    invoice.currency = code;
    Ok(())
}

/// Totals that were sent have to agree. The source is the one that integrators see for it (byte8 documentation, "troubleshooting").
fn totals(fields: &Fields, invoice: &Invoice) -> Result<(), Refusal> {
    let own = [("net_amount", invoice.totals.net), ("tax_amount", invoice.totals.tax), ("total_amount", invoice.totals.total)];
    for (name, own) in own {
        if fields.decimal(name)?.is_some_and(|sent| sent != own) {
            return Err(Refusal::invalid("line_items.description", "is invalid"));
        }
    }
    if invoice.totals.total < Decimal::ZERO {
        return Err(Refusal::not_modelled("an invoice with a negative total"));
    }
    Ok(())
}
