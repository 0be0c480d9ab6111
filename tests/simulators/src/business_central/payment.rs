//! Customer payment journals and their lines (vendor notes, section 12). The lines stay unposted: no action of the API posts this kind of
//! journal; a person in Business Central does.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ask::Ask;
use super::cell::{Cell, Entity, Kind, Schema, computed, etag, field};
use super::company::Company;
use super::customer::{bounded, code, members, same_key};
use super::desk::{Desk, day};
use super::header::no_content;
use super::invoice::Status;
use super::reply::Refusal;
use crate::skeleton::answer::Reply;
use crate::skeleton::fields::Fields;
use crate::skeleton::number::half_up;

/// A batch of the journal for customer payments.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Journal {
    pub(crate) id: Uuid,
    pub(crate) code: String,
    pub(crate) display_name: String,
    /// Number of the account that the money lands on.
    pub(crate) balancing_account: String,
    pub(crate) modified: Timestamp,
    pub(crate) version: u64,
}

/// A line of a journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) id: Uuid,
    pub(crate) journal: Uuid,
    pub(crate) line: i64,
    pub(crate) customer: Option<Uuid>,
    pub(crate) date: Date,
    pub(crate) document_number: String,
    pub(crate) external_number: String,
    /// Negative: a receipt.
    pub(crate) amount: Decimal,
    pub(crate) applies_to: Option<Uuid>,
    pub(crate) description: String,
    pub(crate) comment: String,
    /// Posted lines leave the journal.
    pub(crate) posted: bool,
    pub(crate) modified: Timestamp,
}

static JOURNALS: Schema = Schema {
    set: "customerPaymentJournals",
    name: "customerPaymentJournal",
    fields: &[
        field("id", Kind::Guid),
        field("code", Kind::Code(10)),
        field("displayName", Kind::Text),
        field("lastModifiedDateTime", Kind::Instant),
        field("balancingAccountId", Kind::Guid),
        field("balancingAccountNumber", Kind::Code(20)),
    ],
    parts: &[],
};

static PAYMENTS: Schema = Schema {
    set: "customerPayments",
    name: "customerPayment",
    fields: &[
        field("id", Kind::Guid),
        field("journalId", Kind::Guid),
        field("journalDisplayName", Kind::Code(10)),
        field("lineNumber", Kind::Number),
        field("customerId", Kind::Guid),
        field("customerNumber", Kind::Code(20)),
        field("postingDate", Kind::Date),
        field("documentNumber", Kind::Code(20)),
        field("externalDocumentNumber", Kind::Code(35)),
        field("amount", Kind::Number),
        computed("appliesToInvoiceId", Kind::Guid),
        computed("appliesToInvoiceNumber", Kind::Text),
        field("description", Kind::Text),
        field("comment", Kind::Text),
        field("lastModifiedDateTime", Kind::Instant),
    ],
    parts: &[],
};

fn journal_entity(company: &Company, journal: &Journal) -> Entity {
    let account = company.account(&journal.balancing_account).map(|account| account.id);
    let cells = vec![
        Cell::Guid(journal.id),
        Cell::from(&journal.code),
        Cell::from(&journal.display_name),
        Cell::Instant(journal.modified),
        Cell::Guid(account.unwrap_or_default()),
        Cell::from(&journal.balancing_account),
    ];
    Entity { schema: &JOURNALS, etag: etag(journal.id, journal.version), cells, parts: Vec::new() }
}

fn payment_entity(company: &Company, payment: &Payment) -> Entity {
    let journal = company.journals.iter().find(|journal| journal.id == payment.journal);
    let customer = payment.customer.and_then(|id| company.customer(id));
    let invoice = payment.applies_to.and_then(|id| company.invoice(id));
    let cells = vec![
        Cell::Guid(payment.id),
        Cell::Guid(payment.journal),
        Cell::Text(journal.map(|journal| journal.code.clone()).unwrap_or_default()),
        Cell::Number(payment.line.into()),
        Cell::Guid(payment.customer.unwrap_or_default()),
        Cell::Text(customer.map(|customer| customer.number.clone()).unwrap_or_default()),
        Cell::Date(Some(payment.date)),
        Cell::from(&payment.document_number),
        Cell::from(&payment.external_number),
        Cell::Number(payment.amount),
        Cell::Guid(payment.applies_to.unwrap_or_default()),
        Cell::Text(invoice.map(|invoice| invoice.number.clone()).unwrap_or_default()),
        Cell::from(&payment.description),
        Cell::from(&payment.comment),
        Cell::Instant(payment.modified),
    ];
    Entity { schema: &PAYMENTS, etag: etag(payment.id, 1), cells, parts: Vec::new() }
}

/// `GET customerPaymentJournals`, or one of them.
pub(crate) fn journals(company: &Company, ask: &Ask, id: Option<Uuid>) -> Result<Reply, Refusal> {
    match id {
        None => ask.list(&JOURNALS, company.id, company.journals.iter().map(|journal| journal_entity(company, journal)).collect()),
        Some(id) => ask.one(200, company.id, &journal_entity(company, find(company, id)?)),
    }
}

fn find(company: &Company, id: Uuid) -> Result<&Journal, Refusal> {
    company.journals.iter().find(|journal| journal.id == id).ok_or_else(Refusal::not_found)
}

/// `POST customerPaymentJournals`.
pub(crate) fn create_journal(desk: &mut Desk<'_>, ask: &Ask) -> Result<Reply, Refusal> {
    ask.json()?;
    let fields = Fields::parse(&ask.body)?;
    members(&fields, &JOURNALS, &["code", "displayName", "balancingAccountId"], &["id", "balancingAccountNumber", "lastModifiedDateTime"])?;
    desk.company.permitted("customerPayments")?;
    let name = code(&fields.text("code")?.unwrap_or_default(), 10)?;
    if name.is_empty() {
        return Err(Refusal::must_have("Name", "Gen. Journal Batch"));
    }
    if desk.company.journals.iter().any(|journal| journal.code == name) {
        return Err(same_key(&format!("The Gen. Journal Batch already exists. Identification fields and values: Name='{name}'")));
    }
    let account = match fields.uuid("balancingAccountId")?.filter(|id| !id.is_nil()) {
        None => String::new(),
        Some(id) => {
            let account = desk.company.accounts.iter().find(|account| account.id == id);
            let Some(account) = account else {
                return Err(Refusal::relation("Bal. Account Id", "Gen. Journal Batch", &id.to_string(), "G/L Account"));
            };
            account.number.clone()
        }
    };
    let journal = Journal {
        id: desk.ids.uuid(),
        code: name,
        display_name: bounded(fields.text("displayName")?.unwrap_or_default(), 100)?,
        balancing_account: account,
        modified: desk.now,
        version: 1,
    };
    let reply = ask.one(201, desk.company.id, &journal_entity(desk.company, &journal))?;
    desk.company.journals.push(journal);
    Ok(reply)
}

/// `GET customerPaymentJournals({id})/customerPayments`, or one of them: what is not posted yet.
pub(crate) fn payments(company: &Company, ask: &Ask, journal: Uuid, id: Option<Uuid>) -> Result<Reply, Refusal> {
    find(company, journal)?;
    let mut open = company.payments.iter().filter(|payment| payment.journal == journal && !payment.posted);
    match id {
        None => ask.list(&PAYMENTS, company.id, open.map(|payment| payment_entity(company, payment)).collect()),
        Some(id) => {
            let payment = open.find(|payment| payment.id == id).ok_or_else(Refusal::not_found)?;
            ask.one(200, company.id, &payment_entity(company, payment))
        }
    }
}

const WRITABLE: [&str; 11] = [
    "journalId",
    "lineNumber",
    "customerId",
    "customerNumber",
    "postingDate",
    "documentNumber",
    "externalDocumentNumber",
    "amount",
    "appliesToInvoiceId",
    "description",
    "comment",
];

/// `POST customerPaymentJournals({id})/customerPayments`.
pub(crate) fn create(desk: &mut Desk<'_>, ask: &Ask, journal: Uuid) -> Result<Reply, Refusal> {
    ask.json()?;
    let company = &*desk.company;
    find(company, journal)?;
    let fields = Fields::parse(&ask.body)?;
    members(&fields, &PAYMENTS, &WRITABLE, &["id", "lastModifiedDateTime"])?;
    company.permitted("customerPayments")?;
    if fields.uuid("journalId")?.is_some_and(|id| id != journal) {
        return Err(Refusal::dialog("The Journal Id and Journal Display Name do not match."));
    }
    if fields.has("lineNumber") {
        return Err(Refusal::not_modelled("the lineNumber of a payment"));
    }
    let invoice = match fields.uuid("appliesToInvoiceId")?.filter(|id| !id.is_nil()) {
        None => None,
        Some(id) => match company.invoice(id).filter(|invoice| invoice.status.posted()) {
            Some(invoice) => Some(invoice),
            None => {
                let message = "The \"appliesToInvoiceId\" should be the ID of an Open, Paid, Corrective, or Canceled Invoice.";
                return Err(Refusal::dialog(message));
            }
        },
    };
    let by_id = match fields.uuid("customerId")?.filter(|id| !id.is_nil()) {
        None => None,
        Some(id) => {
            let missing = || Refusal::dialog("The \"customerId\" does not match to a Customer.");
            Some(company.customer(id).filter(|customer| customer.merged_into.is_none()).ok_or_else(missing)?)
        }
    };
    let by_number = match fields.text("customerNumber")?.filter(|number| !number.is_empty()) {
        None => None,
        Some(number) => {
            let missing = || Refusal::dialog("The \"customerNumber\" does not match to a Customer.");
            Some(company.customers.iter().find(|customer| customer.number == number).ok_or_else(missing)?)
        }
    };
    if by_id.zip(by_number).is_some_and(|(one, other)| one.id != other.id) {
        return Err(Refusal::dialog("The customer values do not match to a specific Customer."));
    }
    let customer = by_id.or(by_number).map(|customer| customer.id).or(invoice.map(|invoice| invoice.customer));
    if customer.is_none() {
        return Err(Refusal::not_modelled("a payment without customer and invoice"));
    }
    if invoice.is_some_and(|invoice| Some(invoice.customer) != customer) {
        return Err(Refusal::not_modelled("a payment of one customer applied to the invoice of another"));
    }
    let amount = half_up(fields.decimal("amount")?.unwrap_or_default(), 2);
    if amount > Decimal::ZERO {
        // Error table: a receipt is a credit on the customer.
        return Err(Refusal::dialog("The \"amount\" should be a negative number."));
    }
    let line = company.payments.iter().filter(|payment| payment.journal == journal).map(|payment| payment.line).max();
    let payment = Payment {
        id: desk.ids.uuid(),
        journal,
        line: line.unwrap_or_default() + 10_000,
        customer,
        date: fields.date("postingDate")?.unwrap_or_else(|| day(desk.now)),
        document_number: match fields.text("documentNumber")?.filter(|number| !number.is_empty()) {
            Some(number) => code(&number, 20)?,
            None => format!("G{:05}", company.payments.len() + 1),
        },
        external_number: code(&fields.text("externalDocumentNumber")?.unwrap_or_default(), 35)?,
        amount,
        applies_to: invoice.map(|invoice| invoice.id),
        description: bounded(fields.text("description")?.unwrap_or_default(), 100)?,
        comment: bounded(fields.text("comment")?.unwrap_or_default(), 250)?,
        posted: false,
        modified: desk.now,
    };
    let reply = ask.one(201, desk.company.id, &payment_entity(desk.company, &payment))?;
    desk.company.payments.push(payment);
    Ok(reply)
}

/// `DELETE customerPaymentJournals({id})/customerPayments({id})`.
pub(crate) fn delete(desk: &mut Desk<'_>, ask: &Ask, journal: Uuid, id: Uuid) -> Result<Reply, Refusal> {
    ask.only(&[])?;
    desk.company.permitted("customerPayments")?;
    let here = |payment: &&Payment| payment.journal == journal && payment.id == id && !payment.posted;
    let payment = desk.company.payments.iter().find(here).ok_or_else(Refusal::not_found)?;
    ask.guard(&etag(payment.id, 1))?;
    desk.company.payments.retain(|payment| payment.id != id);
    Ok(no_content())
}

/// Posts a line: its invoice is paid by so much.
pub(crate) fn post(company: &mut Company, id: Uuid, now: Timestamp) -> Result<(), String> {
    let Some(payment) = company.payments.iter().find(|payment| payment.id == id && !payment.posted).cloned() else {
        return Err("there is no such line".to_owned());
    };
    if company.closed(payment.date) {
        return Err("Posting Date is not within your range of allowed posting dates".to_owned());
    }
    if payment.amount.is_zero() {
        return Err("Amount must have a value in Gen. Journal Line".to_owned());
    }
    if let Some(invoice) = payment.applies_to.and_then(|id| company.invoice_mut(id)) {
        let left = invoice.remaining();
        if invoice.status != Status::Open || -payment.amount > left {
            return Err(format!("{} is {} with {left} left to pay", invoice.number, invoice.status.word()));
        }
        invoice.paid -= payment.amount;
        if invoice.remaining().is_zero() {
            invoice.status = Status::Paid;
        }
        invoice.touch(now);
    }
    if let Some(payment) = company.payments.iter_mut().find(|payment| payment.id == id) {
        payment.posted = true;
        payment.modified = now;
    }
    Ok(())
}
