//! Receipts of customers: `/contact_payments`.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::business::Business;
use super::contact::word;
use super::input::{body, known, number, record, settle, text};
use super::invoice::Status;
use super::invoice_write::unlocked;
use super::json::{Json, Members, amount, base};
use super::query::{Key, Query, id};
use super::reply::{self, Fault, Refusal, fault, written};
use crate::skeleton::answer::Reply;
use crate::skeleton::ids::Ids;
use crate::skeleton::incoming::Incoming;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) id: Uuid,
    pub(crate) contact: Uuid,
    pub(crate) bank_account: Uuid,
    pub(crate) date: Date,
    pub(crate) total: Decimal,
    pub(crate) reference: Option<String>,
    pub(crate) allocated: Vec<Allocation>,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) deleted: Option<Timestamp>,
}

/// What of a payment goes to one invoice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Allocation {
    pub(crate) id: Uuid,
    pub(crate) artefact: Uuid,
    pub(crate) amount: Decimal,
}

const DISPLAYED: &str = "Customer Receipt";

/// A payment, whole.
pub(crate) fn view(business: &Business, payment: &Payment) -> Json {
    let bank = business.bank_accounts.iter().find(|account| account.id == payment.bank_account);
    let contact = business.contacts.known(payment.contact);
    let currency = contact.map_or(business.currency.as_str(), |contact| contact.currency.as_str());
    let allocated = payment.allocated.iter().map(|one| {
        let artefact = business.invoices.known(one.artefact);
        Json::Object(vec![
            ("id", one.id.simple().to_string().into()),
            ("artefact", artefact.map(|one| base(&one.id.simple().to_string(), &one.displayed_as(), "sales_invoices")).into()),
            ("amount", amount(one.amount)),
            ("discount", amount(Decimal::ZERO)),
        ])
    });
    Json::Object(vec![
        ("id", payment.id.simple().to_string().into()),
        ("displayed_as", DISPLAYED.into()),
        ("$path", format!("/contact_payments/{}", payment.id.simple()).into()),
        ("created_at", payment.created.into()),
        ("updated_at", payment.updated.into()),
        ("links", Json::List(Vec::new())),
        ("transaction_type", base("CUSTOMER_RECEIPT", DISPLAYED, "transaction_types")),
        ("deleted_at", payment.deleted.into()),
        ("contact", contact.map(super::contact::Contact::base).into()),
        ("bank_account", bank.map(|bank| base(&bank.id.simple().to_string(), &bank.name, "bank_accounts")).into()),
        ("date", payment.date.into()),
        ("net_amount", amount(payment.total)),
        ("tax_amount", amount(Decimal::ZERO)),
        ("total_amount", amount(payment.total)),
        ("currency", word(currency, "currencies")),
        ("reference", payment.reference.as_deref().into()),
        ("allocated_artefacts", Json::List(allocated.collect())),
        ("payment_on_account", Json::Null),
        ("editable", (!business.locks(payment.date)).into()),
    ])
}

const PAYMENT: [&str; 7] =
    ["transaction_type_id", "contact_id", "bank_account_id", "date", "total_amount", "reference", "allocated_artefacts"];

/// `POST /contact_payments`. There is no key: the same call again makes a second payment while anything is open.
pub(crate) fn create(business: &mut Business, ids: &mut Ids, call: &Incoming, now: Timestamp) -> Result<Reply, Refusal> {
    let fields = body(call, "contact_payment")?;
    known(&fields, &PAYMENT, "contact payment")?;
    let mut faults = Vec::new();
    // Published schema, postContactPayments: required.
    for name in ["transaction_type_id", "contact_id", "bank_account_id", "date", "total_amount"] {
        if !fields.has(name) {
            faults.push(fault(name, "is missing"));
        }
    }
    settle(std::mem::take(&mut faults))?;
    match fields.text("transaction_type_id")?.as_deref() {
        Some("CUSTOMER_RECEIPT") => {}
        Some(other) => return Err(Refusal::NotModelled(format!("contact payments of type {other}"))),
        None => return Err(Refusal::invalid("transaction_type_id", "is missing")),
    }
    let contact = record(&fields, "contact_id")?.and_then(|id| business.contacts.get(id)).ok_or(Refusal::NotFound)?;
    let wanted = record(&fields, "bank_account_id")?;
    let bank = business.bank_accounts.iter().find(|bank| Some(bank.id) == wanted).ok_or(Refusal::NotFound)?;
    if !bank.is_active {
        faults.push(fault("bank_account", "is inactive"));
    }
    if bank.currency != contact.currency {
        return Err(Refusal::not_modelled("a payment into a bank account of another currency"));
    }
    let mut reference = None;
    text(&fields, "reference", "reference", 25, &mut faults, &mut reference)?;
    let mut allocated = Vec::new();
    for one in fields.objects("allocated_artefacts")?.unwrap_or_default() {
        known(&one, &["artefact_id", "amount"], "allocated artefact")?;
        let artefact = record(&one, "artefact_id")?.ok_or(Refusal::NotFound)?;
        let amount = number(&one, "amount", 2)?.ok_or_else(|| Refusal::invalid("allocated_artefacts.amount", "is missing"))?;
        allocated.push(Allocation { id: ids.uuid(), artefact, amount });
    }
    settle(faults)?;
    let payment = Payment {
        id: ids.uuid(),
        contact: contact.id,
        bank_account: bank.id,
        date: fields.date("date")?.ok_or_else(|| Refusal::invalid("date", "is missing"))?,
        total: number(&fields, "total_amount", 2)?.ok_or_else(|| Refusal::invalid("total_amount", "is missing"))?,
        reference,
        allocated,
        created: now,
        updated: now,
        deleted: None,
    };
    let id = payment.id;
    book(business, payment)?;
    let payment = business.payments.iter().find(|payment| payment.id == id).ok_or(Refusal::NotFound)?;
    Ok(written(201, &view(business, payment)))
}

/// Books a payment and settles its invoices' statuses.
pub(crate) fn book(business: &mut Business, payment: Payment) -> Result<(), Refusal> {
    let mut faults: Vec<Fault> = Vec::new();
    unlocked(business, payment.date, &mut faults)?;
    if payment.total <= Decimal::ZERO {
        faults.push(fault("total_amount", "must be greater than 0"));
    }
    let mut spread = Decimal::ZERO;
    for (position, one) in payment.allocated.iter().enumerate() {
        let invoice = business.invoices.get(one.artefact).filter(|invoice| invoice.contact == payment.contact).ok_or(Refusal::NotFound)?;
        if payment.allocated.iter().take(position).any(|other| other.artefact == one.artefact) {
            return Err(Refusal::not_modelled("the same artefact twice in a payment"));
        }
        if matches!(invoice.status, Status::Draft | Status::Void) {
            faults.push(fault("allocated_artefacts", "can only be issued invoices"));
        } else if one.amount <= Decimal::ZERO {
            faults.push(fault("allocated_artefacts.amount", "must be greater than 0"));
        } else if one.amount > invoice.outstanding(business) {
            faults.push(fault("allocated_artefacts.amount", "is greater than the outstanding amount"));
        }
        spread += one.amount;
    }
    if spread > payment.total {
        faults.push(fault("total_amount", "is less than the allocated amounts"));
    }
    settle(faults)?;
    if spread < payment.total {
        return Err(Refusal::not_modelled("payments on account: a receipt that is not allocated in full"));
    }
    let (paid, now) = (payment.allocated.iter().map(|one| one.artefact).collect::<Vec<_>>(), payment.updated);
    business.payments.push(payment);
    for invoice in paid {
        business.settle_status(invoice, now);
    }
    Ok(())
}

/// Takes a payment back: its invoices are open again.
pub(crate) fn remove(business: &mut Business, id: Uuid, now: Timestamp) -> Result<(), Refusal> {
    let position = business.payments.iter().position(|payment| payment.id == id && payment.deleted.is_none());
    let payment = position.and_then(|position| business.payments.get(position)).cloned().ok_or(Refusal::NotFound)?;
    unlocked(business, payment.date, &mut Vec::new())?;
    if let Some(place) = position.and_then(|position| business.payments.get_mut(position)) {
        place.deleted = Some(now);
        place.updated = now;
    }
    for one in &payment.allocated {
        business.settle_status(one.artefact, now);
    }
    Ok(())
}

/// `DELETE /contact_payments/{key}`.
pub(crate) fn delete(business: &mut Business, key: &str, now: Timestamp) -> Result<Reply, Refusal> {
    remove(business, id(key).ok_or(Refusal::NotFound)?, now)?;
    Ok(Reply::new(204, "", String::new()))
}

const LIST: [&str; 11] = [
    "contact_id",
    "bank_account_id",
    "transaction_type_id",
    "updated_or_created_since",
    "deleted_since",
    "from_date",
    "to_date",
    "items_per_page",
    "page",
    "attributes",
    "sort",
];

/// `GET /contact_payments`.
pub(crate) fn list(business: &Business, query: &Query<'_>) -> Result<Reply, Refusal> {
    query.only(&LIST)?;
    if query.text("transaction_type_id").is_some_and(|kind| kind != "CUSTOMER_RECEIPT") {
        return Err(Refusal::not_modelled("contact payments of another type than CUSTOMER_RECEIPT"));
    }
    let (contact, bank) = (query.id("contact_id")?, query.id("bank_account_id")?);
    let (from, to) = (query.date("from_date")?, query.date("to_date")?);
    let (updated, deleted) = (query.instant("updated_or_created_since")?, query.instant("deleted_since")?);
    let mut found: Vec<&Payment> = business
        .payments
        .iter()
        .filter(|payment| match deleted {
            Some(since) => payment.deleted.is_some_and(|at| at > since),
            None => payment.deleted.is_none(),
        })
        .filter(|payment| updated.is_none_or(|since| payment.updated >= since))
        .filter(|payment| contact.is_none_or(|contact| payment.contact == contact))
        .filter(|payment| bank.is_none_or(|bank| payment.bank_account == bank))
        .filter(|payment| from.is_none_or(|from| payment.date >= from) && to.is_none_or(|to| payment.date <= to))
        .collect();
    if let Some((key, descending)) = query.sort()? {
        match key {
            Key::Created => found.sort_by_key(|payment| payment.created),
            Key::Updated => found.sort_by_key(|payment| payment.updated),
            Key::Date => found.sort_by_key(|payment| payment.date),
            Key::DueDate => return Err(Refusal::not_modelled("payments sorted by due_date")),
        }
        if descending {
            found.reverse();
        }
    }
    let shown = found.into_iter().map(|payment| view(business, payment)).collect();
    reply::list(query, "contact_payments", shown, &Members::All)
}

/// `GET /contact_payments/{key}`.
pub(crate) fn one(business: &Business, query: &Query<'_>, key: &str) -> Result<Reply, Refusal> {
    query.only(&["attributes"])?;
    let wanted = id(key).ok_or(Refusal::NotFound)?;
    let payment = business.payments.iter().find(|payment| payment.id == wanted && payment.deleted.is_none()).ok_or(Refusal::NotFound)?;
    let attributes = Members::read(query.text("attributes"), Members::All);
    Ok(reply::encode(200, &attributes.cut(view(business, payment), &Members::All)))
}
