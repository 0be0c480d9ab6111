//! Records put in from outside, and the state as everybody can read it.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::business::Business;
use super::contact::{Contact, Person};
use super::invoice::{Invoice, Line, Number, Status, Sums};
use super::payment::{self, Allocation, Payment};
use super::price::{self, Discount};
use super::reply::Refusal;
use super::seed_business::plant_business;
use super::world::World;
use crate::skeleton::controls::Refused;
use crate::skeleton::ids::Ids;
use crate::skeleton::number::half_up;
use crate::skeleton::state::{self, Seed, SeedContact, SeedDocument, SeedLine, SeedPayment, State};

pub(crate) fn state(world: &World) -> State {
    let mut all = State::default();
    for business in &world.businesses {
        let shown = business.invoices.all().iter().filter(|invoice| invoice.deleted.is_none());
        all.documents.extend(shown.map(|invoice| document(business, invoice)));
        all.contacts.extend(business.contacts.present().map(|contact| person(business, contact)));
        all.payments.extend(business.payments.iter().filter(|payment| payment.deleted.is_none()).flat_map(|one| paid(business, one)));
        all.organisations.push(organisation(world, business));
    }
    all
}

pub(super) fn organisation(world: &World, business: &Business) -> state::Organisation {
    let id = business.id.simple().to_string();
    state::Organisation {
        id: id.clone(),
        organisation: id,
        name: business.name.clone(),
        country: business.country.clone(),
        currency: business.currency.clone(),
        connected: world.users.iter().any(|user| user.businesses.contains(&business.id)),
    }
}

fn document(business: &Business, invoice: &Invoice) -> state::Document {
    let status = match invoice.status {
        Status::Draft => "draft",
        Status::Unpaid | Status::PartPaid => "approved",
        Status::Paid => "paid",
        Status::Void => "voided",
    };
    state::Document {
        id: invoice.id.simple().to_string(),
        organisation: business.id.simple().to_string(),
        number: invoice.number.as_ref().map(Number::shown),
        reference: invoice.reference.clone(),
        status: status.to_owned(),
        vendor_status: invoice.status.id().to_owned(),
        total: invoice.totals.total,
        tax: invoice.totals.tax,
        subtotal: invoice.totals.net,
        amount_due: half_up(invoice.outstanding(business), price::PLACES),
        currency: invoice.currency.clone(),
        contact_id: invoice.contact.simple().to_string(),
        issue_date: invoice.date,
        due_date: Some(invoice.due_date),
        url: None,
        note: None,
        created_by_app: invoice.created_by_app,
        lines: invoice
            .lines
            .iter()
            .map(|line| state::Line {
                id: line.id.simple().to_string(),
                description: line.description.clone(),
                quantity: Some(line.quantity),
                unit_price: Some(line.unit_price),
                discount_percent: match line.discount {
                    Discount::Percent(percent) => Some(percent),
                    Discount::None | Discount::Amount(_) => None,
                },
                account: business.ledger_account(line.ledger_account).map(|account| account.nominal_code.to_string()),
                tax_type: line.tax_rate.clone(),
                tax: line.tax_amount,
                amount: line.net(),
                tracking: Vec::new(),
            })
            .collect(),
    }
}

fn person(business: &Business, contact: &Contact) -> state::Contact {
    state::Contact {
        id: contact.id.simple().to_string(),
        organisation: business.id.simple().to_string(),
        name: contact.name.clone(),
        email: contact.email().map(str::to_owned),
        status: match (contact.system, contact.is_active) {
            // Sage's own; no other ledger has the word.
            (true, _) => "system",
            (false, true) => "active",
            (false, false) => "archived",
        }
        .to_owned(),
        number: contact.reference.clone(),
        merged_into: None,
        supplier: contact.is_vendor && !contact.is_customer,
        currency: Some(contact.currency.clone()),
    }
}

/// One entry for each invoice that a payment pays.
fn paid(business: &Business, payment: &Payment) -> Vec<state::Payment> {
    let entry = |allocation: &Allocation| state::Payment {
        id: payment.id.simple().to_string(),
        organisation: business.id.simple().to_string(),
        document_id: allocation.artefact.simple().to_string(),
        amount: allocation.amount,
        date: payment.date,
        reference: payment.reference.clone(),
        contact_id: Some(payment.contact.simple().to_string()),
        note: None,
    };
    payment.allocated.iter().map(entry).collect()
}

/// Puts a seed in; the caller throws the world away when it fails.
pub(crate) fn plant(world: &mut World, seed: &Seed, now: Timestamp) -> Result<State, Refused> {
    let mut put_in = State::default();
    for one in &seed.organisations {
        let id = plant_business(world, one, now)?;
        put_in.organisations.extend(world.business(id).map(|business| organisation(world, business)));
    }
    for one in &seed.contacts {
        let (business, ids) = at(world, one.organisation.as_deref())?;
        let id = plant_contact(business, ids, one, now)?;
        put_in.contacts.extend(business.contacts.get(id).map(|contact| person(business, contact)));
    }
    for one in &seed.documents {
        let paid_for = one.id.is_some() && seed.payments.iter().any(|payment| Some(&payment.document_id) == one.id.as_ref());
        let (business, ids) = at(world, one.organisation.as_deref())?;
        let id = plant_document(business, ids, one, paid_for, now)?;
        put_in.documents.extend(business.invoices.get(id).map(|invoice| document(business, invoice)));
    }
    for one in &seed.payments {
        put_in.payments.extend(plant_payment(world, one, now)?);
    }
    Ok(put_in)
}

fn at<'world>(world: &'world mut World, named: Option<&str>) -> Result<(&'world mut Business, &'world mut Ids), Refused> {
    let id = match named {
        None => world.businesses.first().map(|business| business.id),
        Some(named) => world.find_business(named),
    };
    match world.businesses.iter_mut().find(|business| Some(business.id) == id) {
        Some(business) => Ok((business, &mut world.common.ids)),
        None => Err(Refused(format!("there is no organisation {}", named.unwrap_or_default()))),
    }
}

/// An id of a seed: a UUID, with or without hyphens.
pub(super) fn given_id(id: Option<&str>, ids: &mut Ids) -> Result<Uuid, Refused> {
    match id {
        None => Ok(ids.uuid()),
        Some(text) => Uuid::try_parse(text).map_err(|_| Refused(format!("{text} is not an id"))),
    }
}

/// Why the vendor's own rules refuse, in words for whoever writes the test.
pub(super) fn why(refusal: Refusal) -> Refused {
    Refused(match refusal {
        Refusal::NotModelled(what) => format!("the simulator does not model {what}"),
        Refusal::Invalid(faults) => {
            let texts: Vec<String> = faults.iter().map(|fault| format!("{} {}", fault.source, fault.message).trim().to_owned()).collect();
            texts.join("; ")
        }
        Refusal::NotFound => "there is no such record".to_owned(),
        Refusal::Denied(area) => format!("no access to {area}"),
        Refusal::MediaType => "the media type is not supported".to_owned(),
    })
}

fn plant_contact(business: &mut Business, ids: &mut Ids, seed: &SeedContact, now: Timestamp) -> Result<Uuid, Refused> {
    if seed.name.is_empty() {
        return Err(Refused("a contact needs a name".to_owned()));
    }
    let currency = seed.currency.as_deref().unwrap_or(&business.currency);
    if !business.trades_in(currency) {
        return Err(Refused(format!("the currency {currency} is not enabled")));
    }
    let mut contact = Contact::new(given_id(seed.id.as_deref(), ids)?, &seed.name, currency, now);
    (contact.is_customer, contact.is_vendor) = (!seed.supplier, seed.supplier);
    contact.reference.clone_from(&seed.number);
    if seed.email.is_some() || seed.phone.is_some() {
        let (email, telephone) = (seed.email.clone(), seed.phone.clone());
        contact.person = Some(Person { id: ids.uuid(), types: vec!["ACCOUNTS".to_owned()], email, telephone, ..Person::default() });
    }
    (contact.is_active, contact.system) = match seed.status.as_deref() {
        None | Some("active") => (true, false),
        Some("archived") => (false, false),
        Some("system") => (true, true),
        Some(other) => return Err(Refused(format!("there is no contact status {other} here"))),
    };
    if contact.reference.as_deref().is_some_and(|reference| business.contacts.by_reference(reference).is_some()) {
        return Err(Refused("the contact's number is taken".to_owned()));
    }
    if business.contacts.known(contact.id).is_some() {
        return Err(Refused(format!("contact {} is there already", contact.id.simple())));
    }
    let id = contact.id;
    business.contacts.put(contact);
    Ok(id)
}

/// The day of an instant in UTC.
pub(super) fn day(now: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(now).date()
}

fn plant_document(business: &mut Business, ids: &mut Ids, seed: &SeedDocument, paid_for: bool, now: Timestamp) -> Result<Uuid, Refused> {
    if seed.url.is_some() || seed.note.is_some() {
        return Err(Refused("an invoice has neither a link nor a private note here".to_owned()));
    }
    let word = seed.status.as_deref().or(seed.vendor_status.as_deref()).unwrap_or("draft").to_ascii_lowercase();
    let status = match word.as_str() {
        "draft" => Status::Draft,
        "approved" | "unpaid" | "part_paid" | "paid" => Status::Unpaid,
        "voided" | "void" => Status::Void,
        other => return Err(Refused(format!("there is no document status {other} here"))),
    };
    let contact = match seed.contact_id.as_deref() {
        Some(text) => {
            let id = given_id(Some(text), ids)?;
            business.contacts.get(id).cloned().ok_or_else(|| Refused(format!("there is no contact {text}")))?
        }
        None => seeded_customer(business, ids, now),
    };
    if seed.currency.as_ref().is_some_and(|currency| *currency != contact.currency) {
        return Err(Refused("an invoice has the currency of its contact".to_owned()));
    }
    let date = seed.issue_date.unwrap_or_else(|| day(now));
    let mut invoice = Invoice {
        id: given_id(seed.id.as_deref(), ids)?,
        number: seed.number.as_deref().map(|number| read_number(business, number)),
        reference: seed.reference.clone(),
        status,
        contact: contact.id,
        contact_name: contact.name.clone(),
        contact_reference: contact.reference.clone(),
        main_address: contact.main_address.clone(),
        delivery_address: contact.main_address.clone(),
        date,
        due_date: seed.due_date.unwrap_or(date),
        exchange_rate: business.day_rate(&contact.currency),
        currency: contact.currency,
        notes: None,
        terms_and_conditions: None,
        sent: false,
        void_reason: (status == Status::Void).then(|| "Seeded".to_owned()),
        tax_reconciled: false,
        lines: lines(business, ids, seed, date)?,
        totals: Sums::default(),
        created: now,
        updated: now,
        deleted: None,
        created_by_app: seed.created_by_app,
    };
    match status {
        Status::Draft if invoice.number.is_some() => return Err(Refused("a draft has no number here".to_owned())),
        Status::Draft => {}
        Status::Unpaid | Status::PartPaid | Status::Paid | Status::Void => business.number(&mut invoice),
    }
    invoice.add_up();
    let (id, total) = (invoice.id, invoice.totals.total);
    if business.invoices.known(id).is_some() {
        return Err(Refused(format!("document {} is there already", id.simple())));
    }
    business.invoices.put(invoice);
    if word == "paid" && !paid_for {
        pay(business, ids, now, &Receipt { invoice: id, amount: total, date, reference: None })?;
    }
    Ok(id)
}

/// `SI-12` in two parts; the counter goes on behind it.
fn read_number(business: &mut Business, shown: &str) -> Number {
    let digits = shown.len() - shown.chars().rev().take_while(char::is_ascii_digit).count();
    let (prefix, number) = shown.split_at_checked(digits).unwrap_or((shown, ""));
    if let Ok(taken) = number.parse::<u32>()
        && prefix == business.invoice_prefix
    {
        business.next_invoice_number = business.next_invoice_number.max(taken.saturating_add(1));
    }
    Number { prefix: prefix.to_owned(), number: number.to_owned() }
}

fn seeded_customer(business: &mut Business, ids: &mut Ids, now: Timestamp) -> Contact {
    let name = "Seeded Customer";
    if let Some(contact) = business.contacts.present().find(|contact| contact.name == name) {
        return contact.clone();
    }
    let contact = Contact::new(ids.uuid(), name, &business.currency, now);
    business.contacts.put(contact.clone());
    contact
}

fn lines(business: &Business, ids: &mut Ids, seed: &SeedDocument, date: Date) -> Result<Vec<Line>, Refused> {
    if seed.lines.is_empty() {
        let tax = seed.tax.unwrap_or_default();
        let net = seed.total.unwrap_or_default() - tax;
        // Without tax: the first rate of nothing.
        let none = business.usable_tax_rates().find(|rate| rate.on(date).is_some_and(|percent| percent.is_zero()));
        let tax_type = none.filter(|_| tax.is_zero()).map(|rate| rate.id.clone());
        let only = SeedLine { description: "Seeded".to_owned(), unit_price: Some(net), tax: Some(tax), tax_type, ..SeedLine::default() };
        return Ok(vec![line(business, ids, &only, date)?]);
    }
    seed.lines.iter().map(|one| line(business, ids, one, date)).collect()
}

fn line(business: &Business, ids: &mut Ids, seed: &SeedLine, date: Date) -> Result<Line, Refused> {
    if !seed.tracking.is_empty() {
        return Err(Refused("lines have no tracking here".to_owned()));
    }
    let account = match seed.account.as_deref() {
        None => business.sales_account(),
        Some(named) => business.named_account(named),
    };
    let account = account.ok_or_else(|| Refused(format!("there is no account {}", seed.account.as_deref().unwrap_or_default())))?;
    let rate = match seed.tax_type.as_deref() {
        None => business.usable_tax_rates().find(|rate| rate.is_for_sales()),
        Some(id) => Some(business.tax_rate(id).ok_or_else(|| Refused(format!("there is no tax rate {id}")))?),
    };
    let mut line = Line {
        id: given_id(seed.id.as_deref(), ids)?,
        description: seed.description.clone(),
        ledger_account: account.id,
        quantity: seed.quantity.unwrap_or(Decimal::ONE),
        unit_price: seed.unit_price.unwrap_or_default(),
        unit_price_includes_tax: false,
        tax_rate: rate.map(|rate| rate.id.clone()),
        tax_amount: Decimal::ZERO,
        discount: seed.discount_percent.map_or(Discount::None, Discount::Percent),
    };
    let percent = rate.and_then(|rate| rate.on(date)).unwrap_or_default();
    line.tax_amount = seed.tax.map_or_else(|| price::tax(line.amount(), percent, false), |tax| half_up(tax, price::PLACES));
    Ok(line)
}

/// Money of a customer for one invoice.
pub(super) struct Receipt {
    pub(super) invoice: Uuid,
    pub(super) amount: Decimal,
    pub(super) date: Date,
    pub(super) reference: Option<String>,
}

/// Pays into the first bank account of the invoice's currency.
pub(super) fn pay(business: &mut Business, ids: &mut Ids, now: Timestamp, receipt: &Receipt) -> Result<Uuid, Refused> {
    let invoice = business.invoices.get(receipt.invoice).ok_or_else(|| Refused("there is no such document".to_owned()))?;
    let bank = business.bank_accounts.iter().find(|bank| bank.is_active && bank.currency == invoice.currency);
    let bank = bank.ok_or_else(|| Refused(format!("there is no bank account in {}", invoice.currency)))?;
    let payment = Payment {
        id: ids.uuid(),
        contact: invoice.contact,
        bank_account: bank.id,
        date: receipt.date,
        total: receipt.amount,
        reference: receipt.reference.clone(),
        allocated: vec![Allocation { id: ids.uuid(), artefact: receipt.invoice, amount: receipt.amount }],
        created: now,
        updated: now,
        deleted: None,
    };
    let id = payment.id;
    payment::book(business, payment).map_err(why)?;
    Ok(id)
}

fn plant_payment(world: &mut World, seed: &SeedPayment, now: Timestamp) -> Result<Vec<state::Payment>, Refused> {
    if seed.note.is_some() {
        return Err(Refused("a payment has no private note here".to_owned()));
    }
    let unknown = || Refused(format!("there is no document {}", seed.document_id));
    let invoice = Uuid::try_parse(&seed.document_id).map_err(|_| unknown())?;
    let holder = world.businesses.iter_mut().find(|business| business.invoices.get(invoice).is_some());
    let business = holder.ok_or_else(unknown)?;
    let due = business.invoices.get(invoice).map(|invoice| invoice.outstanding(business)).unwrap_or_default();
    let date = seed.date.unwrap_or_else(|| day(now));
    let receipt = Receipt { invoice, amount: seed.amount.unwrap_or(due), date, reference: seed.reference.clone() };
    let id = pay(business, &mut world.common.ids, now, &receipt)?;
    let wanted = given_id(seed.id.as_deref().or(Some(&id.to_string())), &mut world.common.ids)?;
    let payment = business.payments.iter_mut().find(|payment| payment.id == id).ok_or_else(unknown)?;
    payment.id = wanted;
    let payment = payment.clone();
    Ok(paid(business, &payment))
}
