//! Writing invoices: what may be made, what may change, and what the vendor says otherwise (vendor notes, sections 3 and 4).

use jiff::Timestamp;
use rust_decimal::Decimal;
use url::Url;
use uuid::Uuid;

use super::contact::{Aim, Contact, ContactStatus, touched};
use super::invoice::{Invoice, Line, LineAmountTypes, Status, Tracking};
use super::invoice_input::{ContactChoice, InvoiceInput, LineInput, TrackingInput};
use super::organisation::Organisation;
use super::reply::Refusal;
use crate::skeleton::ids::Ids;
use crate::skeleton::number::half_up;

const NOT_VALID_STATUS: &str = "Invoice not of valid status for modification";
const NOT_UNIQUE: &str = "Invoice # must be unique.";
const ALLOCATED: &str = "This document cannot be edited as it has a payment or credit note allocated to it.";
const VOID_ALLOCATED: &str = "A status of VOIDED cannot be applied because payments or credit notes are allocated to this document.";

/// Who writes, and when.
pub(crate) struct Writing<'ids> {
    pub(crate) ids: &'ids mut Ids,
    pub(crate) now: Timestamp,
    /// Decimal places of unit prices.
    pub(crate) places: u32,
    /// Whether the document counts as made by the app.
    pub(crate) by_app: bool,
}

/// How far an existing invoice may be changed (section 3, "What may change").
#[derive(Clone, Copy, PartialEq, Eq)]
enum Freedom {
    Everything,
    /// Something is allocated: only a few fields.
    Few,
}

/// Writes one invoice. The inner error holds the vendor's messages; nothing has changed then.
pub(crate) fn write(
    organisation: &mut Organisation,
    writing: &mut Writing<'_>,
    aim: Aim,
    input: InvoiceInput,
) -> Result<Result<Uuid, Vec<String>>, Refusal> {
    let before = target(organisation, aim, &input)?.cloned();
    match before {
        None => create(organisation, writing, input),
        Some(before) => update(organisation, writing, before, input),
    }
}

fn target<'organisation>(
    organisation: &'organisation Organisation,
    aim: Aim,
    input: &InvoiceInput,
) -> Result<Option<&'organisation Invoice>, Refusal> {
    match aim {
        Aim::Create if input.id.is_some() => Err(Refusal::not_modelled("PUT of an invoice that carries an InvoiceID")),
        Aim::Create => Ok(None),
        Aim::Update(id) => {
            if input.id.is_some_and(|sent| sent != id) {
                return Err(Refusal::not_modelled("an InvoiceID in the body that differs from the path"));
            }
            organisation.invoices.get(id).map(Some).ok_or(Refusal::NotFound)
        }
        Aim::Upsert => match (input.id, &input.number) {
            (Some(id), _) => {
                let missing = || Refusal::not_modelled("POST of an InvoiceID that does not exist");
                organisation.invoices.get(id).map(Some).ok_or_else(missing)
            }
            // Section 0, fact 2: the number is taken as the key, whoever's invoice it is.
            (None, Some(number)) => Ok(organisation.invoices.by_number(number)),
            (None, None) => Ok(None),
        },
    }
}

fn create(organisation: &mut Organisation, writing: &mut Writing<'_>, input: InvoiceInput) -> Result<Result<Uuid, Vec<String>>, Refusal> {
    let mut faults = Vec::new();
    let status = match input.status {
        None => Status::Draft,
        Some(status @ (Status::Draft | Status::Submitted | Status::Authorised)) => status,
        Some(_) => {
            faults.push(NOT_VALID_STATUS.to_owned());
            Status::Draft
        }
    };
    let Some(date) = input.date else {
        return Err(Refusal::not_modelled("an invoice without Date (today in the organisation's time zone)"));
    };
    let Some(choice) = &input.contact else {
        return Ok(Err(vec!["A Contact must be specified for this type of transaction".to_owned()]));
    };
    let contact = match chosen(organisation, choice, None) {
        Ok(contact) => contact,
        Err(message) => return Ok(Err(vec![message])),
    };
    let number = match &input.number {
        Some(number) => number.clone(),
        None => next_number(organisation),
    };
    let mut invoice = Invoice {
        id: Uuid::nil(),
        number,
        reference: String::new(),
        status,
        contact: Uuid::nil(),
        date,
        due_date: None,
        line_amount_types: LineAmountTypes::Exclusive,
        currency: organisation.currency.clone(),
        currency_rate: Decimal::ONE,
        url: None,
        sent: false,
        lines: Vec::new(),
        sub_total: Decimal::ZERO,
        total_tax: Decimal::ZERO,
        total: Decimal::ZERO,
        updated: writing.now,
        created_by_app: writing.by_app,
        fully_paid_on: None,
    };
    if input.number.as_ref().is_some_and(|number| organisation.invoices.by_number(number).is_some()) {
        faults.push(NOT_UNIQUE.to_owned());
    }
    set(organisation, writing, &mut invoice, &input, &mut faults)?;
    check(organisation, &invoice, &mut faults);
    if !faults.is_empty() {
        return Ok(Err(faults));
    }
    invoice.id = writing.ids.uuid();
    invoice.contact = settle_contact(organisation, writing, contact);
    finish(organisation, &mut invoice);
    let id = invoice.id;
    if let Some(contact) = organisation.contacts.get(invoice.contact).filter(|contact| !contact.is_customer) {
        // Section 2: true only after the first sales invoice.
        let customer = Contact { is_customer: true, ..contact.clone() };
        organisation.contacts.put(customer);
    }
    organisation.invoices.put(invoice);
    Ok(Ok(id))
}

fn update(
    organisation: &mut Organisation,
    writing: &mut Writing<'_>,
    before: Invoice,
    input: InvoiceInput,
) -> Result<Result<Uuid, Vec<String>>, Refusal> {
    let refuse = |message: &str| Ok(Err(vec![message.to_owned()]));
    let allocated = organisation.standing_payments(before.id).next().is_some();
    if matches!(before.status, Status::Voided | Status::Deleted) {
        return refuse(NOT_VALID_STATUS);
    }
    if let Some(message) = organisation.lock_message(before.date) {
        return Ok(Err(vec![message]));
    }
    let freedom = if allocated { Freedom::Few } else { Freedom::Everything };
    let status = match (before.status, input.status) {
        (Status::Authorised | Status::Paid, Some(Status::Voided)) if allocated => return refuse(VOID_ALLOCATED),
        (Status::Draft | Status::Submitted, Some(Status::Deleted)) | (Status::Authorised, Some(Status::Voided)) => {
            return end(organisation, writing, before, &input);
        }
        (from @ (Status::Draft | Status::Submitted), None) => from,
        (Status::Draft | Status::Submitted, Some(to @ (Status::Draft | Status::Submitted | Status::Authorised))) => to,
        (Status::Authorised, Some(Status::Authorised)) => Status::Authorised,
        // An edit of an approved invoice must say so (XeroAPI/Xero-Net#339): without it the default, DRAFT, is not a legal move.
        (from @ (Status::Authorised | Status::Paid), None) if allocated => from,
        (Status::Paid, Some(Status::Paid)) => Status::Paid,
        _ => return refuse(NOT_VALID_STATUS),
    };
    let mut faults = Vec::new();
    if let Some(number) = &input.number
        && organisation.invoices.by_number(number).is_some_and(|other| other.id != before.id)
    {
        faults.push(NOT_UNIQUE.to_owned());
    }
    let contact = match &input.contact {
        None => None,
        Some(choice) => match chosen(organisation, choice, Some(before.contact)) {
            Ok(contact) => Some(contact),
            Err(message) => return Ok(Err(vec![message])),
        },
    };
    let mut after = Invoice { status, updated: touched(writing.now, before.updated), ..before.clone() };
    if let Some(number) = &input.number {
        after.number.clone_from(number);
    }
    if freedom == Freedom::Everything {
        after.round_units(writing.places);
    }
    set(organisation, writing, &mut after, &input, &mut faults)?;
    check(organisation, &after, &mut faults);
    finish(organisation, &mut after);
    if freedom == Freedom::Few && !only_a_few_changed(&before, &after) {
        return refuse(ALLOCATED);
    }
    if !faults.is_empty() {
        return Ok(Err(faults));
    }
    if let Some(contact) = contact {
        after.contact = settle_contact(organisation, writing, contact);
    }
    let id = after.id;
    organisation.invoices.put(after);
    Ok(Ok(id))
}

/// Delete or void: nothing else can change with it.
fn end(
    organisation: &mut Organisation,
    writing: &Writing<'_>,
    before: Invoice,
    input: &InvoiceInput,
) -> Result<Result<Uuid, Vec<String>>, Refusal> {
    if input.lines.is_some() || input.contact.is_some() || input.date.is_some() || input.reference.is_some() {
        return Err(Refusal::not_modelled("voiding or deleting together with other changes"));
    }
    let status = input.status.unwrap_or(before.status);
    let updated = touched(writing.now, before.updated);
    let id = before.id;
    organisation.invoices.put(Invoice { status, updated, ..before });
    Ok(Ok(id))
}

/// What stays editable under a payment: Reference, DueDate, InvoiceNumber, Contact, Url, and each line's Description, AccountCode and
/// Tracking (section 3).
fn only_a_few_changed(before: &Invoice, after: &Invoice) -> bool {
    let line = |line: &Line| {
        let tax = (line.tax_type.clone(), line.tax_amount, line.line_amount);
        (line.id, line.quantity, line.unit_amount, line.discount_rate, line.discount_amount, tax)
    };
    before.date == after.date
        && before.line_amount_types == after.line_amount_types
        && before.currency == after.currency
        && before.currency_rate == after.currency_rate
        && before.sent == after.sent
        && before.lines.iter().map(line).eq(after.lines.iter().map(line))
}

/// A contact that an invoice may name.
enum Chosen {
    Existing(Uuid),
    /// A contact that the invoice's `Contact.Name` mints.
    Minted(String),
}

fn chosen(organisation: &Organisation, choice: &ContactChoice, already: Option<Uuid>) -> Result<Chosen, String> {
    let contacts = &organisation.contacts;
    let found = match choice {
        ContactChoice::Id(id) => contacts.get(*id),
        ContactChoice::Number(number) => contacts.by_number(number),
        ContactChoice::Name(name) => match contacts.by_active_name(name) {
            Some(contact) => Some(contact),
            None => return Ok(Chosen::Minted(name.clone())),
        },
    };
    match found {
        None => Err("The contact with the specified contact details could not be found.".to_owned()),
        Some(contact) if contact.status == ContactStatus::Archived && already != Some(contact.id) => {
            let text = "The contact with the specified contact details has been archived. The contact must be un-archived before creating new invoices or credit notes.";
            Err(text.to_owned())
        }
        Some(contact) => Ok(Chosen::Existing(contact.id)),
    }
}

fn settle_contact(organisation: &mut Organisation, writing: &mut Writing<'_>, chosen: Chosen) -> Uuid {
    match chosen {
        Chosen::Existing(id) => id,
        Chosen::Minted(name) => {
            let contact = Contact::new(writing.ids.uuid(), &name, writing.now);
            let id = contact.id;
            organisation.contacts.put(contact);
            id
        }
    }
}

/// The organisation's next automatic number; taken ones are skipped.
pub(crate) fn next_number(organisation: &mut Organisation) -> String {
    loop {
        let number = format!("INV-{:04}", organisation.next_number);
        organisation.next_number = organisation.next_number.saturating_add(1);
        if organisation.invoices.by_number(&number).is_none() {
            return number;
        }
    }
}

/// Puts the sent fields into `invoice`; only sent ones change.
fn set(
    organisation: &Organisation,
    writing: &mut Writing<'_>,
    invoice: &mut Invoice,
    input: &InvoiceInput,
    faults: &mut Vec<String>,
) -> Result<(), Refusal> {
    if let Some(reference) = &input.reference {
        invoice.reference.clone_from(reference);
    }
    if let Some(date) = input.date {
        invoice.date = date;
    }
    if let Some(due) = input.due_date {
        invoice.due_date = Some(due);
    }
    if let Some(types) = input.line_amount_types {
        invoice.line_amount_types = types;
    }
    if let Some(url) = &input.url {
        invoice.url = Some(url.clone()).filter(|url| !url.is_empty());
    }
    if let Some(code) = &input.currency {
        match organisation.currency(code) {
            None => faults.push(format!("Organisation is not subscribed to currency {code}")),
            // The same currency again keeps the rate that the document has.
            Some(_) if *code == invoice.currency => {}
            Some(currency) => {
                invoice.currency.clone_from(code);
                invoice.currency_rate = currency.day_rate;
            }
        }
    }
    if let Some(rate) = input.currency_rate {
        invoice.currency_rate = rate;
    }
    if let Some(sent) = input.sent {
        if sent && !matches!(invoice.status, Status::Authorised | Status::Paid) {
            faults.push("SentToContact can be set only on invoices that have been approved.".to_owned());
        }
        invoice.sent = sent;
    }
    if let Some(lines) = &input.lines {
        let before = std::mem::take(&mut invoice.lines);
        for line in lines {
            let made = set_line(organisation, writing, &before, &invoice.lines, line, faults)?;
            invoice.lines.push(made);
        }
    }
    Ok(())
}

fn set_line(
    organisation: &Organisation,
    writing: &mut Writing<'_>,
    before: &[Line],
    taken: &[Line],
    input: &LineInput,
    faults: &mut Vec<String>,
) -> Result<Line, Refusal> {
    let id = match input.id {
        None => writing.ids.uuid(),
        Some(id) if !before.iter().any(|line| line.id == id) => {
            return Err(Refusal::not_modelled("a LineItemID that the invoice does not have"));
        }
        Some(id) if taken.iter().any(|line| line.id == id) => return Err(Refusal::not_modelled("the same LineItemID twice")),
        Some(id) => id,
    };
    let account = organisation.account(input.account_code.as_deref(), input.account_id);
    let named = input.account_code.is_some() || input.account_id.is_some();
    if named && account.is_none_or(|account| !account.takes_lines()) {
        faults.push("Account must be valid.".to_owned());
    }
    let text_only = input.quantity.is_none();
    let tax_type = input.tax_type.clone().or_else(|| account.filter(|_| !text_only).map(|account| account.tax_type.clone()));
    let line = Line {
        id,
        description: input.description.clone().unwrap_or_default(),
        quantity: input.quantity.map(|quantity| half_up(quantity, 4)),
        unit_amount: input.unit_amount.map(|unit| half_up(unit, writing.places)),
        discount_rate: input.discount_rate,
        discount_amount: input.discount_amount,
        account_code: account.and_then(|account| account.code.clone()),
        tax_type,
        line_amount: Decimal::ZERO,
        tax_amount: half_up(input.tax_amount.unwrap_or_default(), 2),
        tax_override: input.tax_amount.is_some(),
        tracking: track(organisation, &input.tracking, faults),
    };
    if let Some(sent) = input.line_amount {
        let expected = line.net();
        if half_up(sent, 2) != expected {
            faults.push(format!("The line total {} does not match the expected line total {expected}", half_up(sent, 2)));
        }
    }
    Ok(line)
}

fn track(organisation: &Organisation, sent: &[TrackingInput], faults: &mut Vec<String>) -> Vec<Tracking> {
    if sent.len() > 2 {
        faults.push("A line item can have a maximum of 2 tracking categories.".to_owned());
    }
    let mut all = Vec::new();
    for entry in sent {
        let category = organisation
            .tracking
            .iter()
            .find(|category| entry.category_id == Some(category.id) || entry.name.as_deref() == Some(category.name.as_str()));
        let found = category.and_then(|category| {
            let chosen = |(id, name): &&(Uuid, String)| entry.option_id == Some(*id) || entry.option.as_deref() == Some(name.as_str());
            category.options.iter().find(chosen).map(|(id, option)| Tracking {
                category_id: category.id,
                option_id: *id,
                name: category.name.clone(),
                option: option.clone(),
            })
        });
        match found {
            Some(tracking) => all.push(tracking),
            None => faults.push("The tracking category or option could not be found.".to_owned()),
        }
    }
    all
}

/// Rules on the whole document.
fn check(organisation: &Organisation, invoice: &Invoice, faults: &mut Vec<String>) {
    if let Some(message) = organisation.lock_message(invoice.date) {
        faults.push(message);
    }
    for (field, text) in [("InvoiceNumber", &invoice.number), ("Reference", &invoice.reference)] {
        if text.chars().count() > 255 {
            faults.push(format!("The {field} cannot be longer than 255 characters."));
        }
    }
    let absolute = |text: &String| Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if invoice.url.as_ref().is_some_and(|url| !absolute(url)) {
        faults.push("Url must be a valid absolute url.".to_owned());
    }
    let approved = matches!(invoice.status, Status::Authorised | Status::Paid);
    if approved && invoice.due_date.is_none() {
        faults.push("Due Date cannot be empty.".to_owned());
    }
    if approved && invoice.lines.is_empty() {
        faults.push("One or more line items must be specified.".to_owned());
    }
    for line in &invoice.lines {
        check_line(organisation, invoice, line, approved, faults);
    }
}

fn check_line(organisation: &Organisation, invoice: &Invoice, line: &Line, approved: bool, faults: &mut Vec<String>) {
    if line.description.is_empty() {
        faults.push("Description needs to be at least 1 character long.".to_owned());
    }
    if line.discount_rate.is_some_and(|rate| rate.is_sign_negative() || rate > Decimal::ONE_HUNDRED) {
        faults.push("DiscountRate must be between 0 and 100.".to_owned());
    }
    if approved && !line.is_text() && line.account_code.is_none() {
        faults.push("Account code must be specified.".to_owned());
    }
    let Some(tax_type) = &line.tax_type else { return };
    if invoice.line_amount_types == LineAmountTypes::NoTax {
        return;
    }
    let Some(rate) = organisation.tax_rate(tax_type) else {
        faults.push("Tax rate must be valid.".to_owned());
        return;
    };
    if let Some(code) = &line.account_code
        && let Some(account) = organisation.account(Some(code), None)
        && !rate.applies_to(&account.class)
    {
        // Section 4, Errors.
        faults.push(format!("The TaxType code '{tax_type}' cannot be used with account code '{code}'."));
    }
}

/// Totals, and what follows from them.
pub(crate) fn finish(organisation: &Organisation, invoice: &mut Invoice) {
    if invoice.line_amount_types == LineAmountTypes::NoTax {
        for line in invoice.lines.iter_mut().filter(|line| !line.is_text()) {
            line.tax_type = Some("NONE".to_owned());
        }
    }
    invoice.compute(|tax_type| organisation.percent(tax_type));
}
