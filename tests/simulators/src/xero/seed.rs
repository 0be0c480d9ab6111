//! Records put in from outside, and the state as everybody can read it.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use super::contact::{Contact, ContactStatus, Contacts};
use super::invoice::{Invoice, Line, LineAmountTypes, Status, Tracking};
use super::invoice_write::{finish, next_number};
use super::organisation::{Account, Currency, Organisation, TaxRate, currency_name};
use super::payment::{self, InvoiceChoice, Payment, PaymentInput};
use super::world::World;
use crate::skeleton::controls::Refused;
use crate::skeleton::ids::Ids;
use crate::skeleton::number::half_up;
use crate::skeleton::state::{self, Seed, SeedContact, SeedDocument, SeedLine, SeedOrganisation, SeedPayment, State};

/// Every organisation's records.
pub(crate) fn state(world: &World) -> State {
    let mut all = State::default();
    for organisation in &world.organisations {
        let shown = organisation.invoices.all().iter().filter(|invoice| invoice.status != Status::Deleted);
        all.documents.extend(shown.map(|invoice| document(organisation, invoice)));
        all.contacts.extend(organisation.contacts.all().iter().map(|contact| person(organisation, contact)));
        all.payments.extend(organisation.payments.iter().filter(|payment| payment.stands).map(|payment| paid(organisation, payment)));
        all.organisations.push(one_organisation(world, organisation));
    }
    all
}

fn one_organisation(world: &World, organisation: &Organisation) -> state::Organisation {
    state::Organisation {
        id: organisation.id.to_string(),
        organisation: organisation.id.to_string(),
        name: organisation.name.clone(),
        country: organisation.country.clone(),
        currency: organisation.currency.clone(),
        connected: world.connections.iter().any(|connection| connection.tenant == organisation.id),
    }
}

fn said(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn document(organisation: &Organisation, invoice: &Invoice) -> state::Document {
    let status = match invoice.status {
        Status::Draft => "draft",
        Status::Submitted => "submitted",
        Status::Authorised => "approved",
        Status::Paid => "paid",
        Status::Voided => "voided",
        Status::Deleted => "deleted",
    };
    let due = if invoice.status == Status::Voided { Decimal::ZERO } else { invoice.total - organisation.paid(invoice.id) };
    state::Document {
        id: invoice.id.to_string(),
        organisation: organisation.id.to_string(),
        number: Some(invoice.number.clone()),
        reference: said(&invoice.reference),
        status: status.to_owned(),
        vendor_status: invoice.status.word().to_owned(),
        total: invoice.total,
        tax: invoice.total_tax,
        subtotal: invoice.sub_total,
        amount_due: half_up(due, 2),
        currency: invoice.currency.clone(),
        contact_id: invoice.contact.to_string(),
        issue_date: invoice.date,
        due_date: invoice.due_date,
        url: invoice.url.clone(),
        note: None,
        created_by_app: invoice.created_by_app,
        lines: invoice
            .lines
            .iter()
            .map(|line| state::Line {
                id: line.id.to_string(),
                description: line.description.clone(),
                quantity: line.quantity,
                unit_price: line.unit_amount,
                discount_percent: line.discount_rate,
                account: line.account_code.clone(),
                tax_type: line.tax_type.clone(),
                tax: line.tax_amount,
                amount: line.line_amount,
                tracking: line.tracking.iter().map(|entry| format!("{}: {}", entry.name, entry.option)).collect(),
            })
            .collect(),
    }
}

fn person(organisation: &Organisation, contact: &Contact) -> state::Contact {
    let status = match (contact.status, contact.merged_to) {
        (ContactStatus::Active, _) => "active",
        (ContactStatus::Archived, None) => "archived",
        (ContactStatus::Archived, Some(_)) => "merged",
    };
    state::Contact {
        id: contact.id.to_string(),
        organisation: organisation.id.to_string(),
        name: contact.name.clone(),
        email: said(&contact.email),
        status: status.to_owned(),
        number: contact.number.clone(),
        merged_into: contact.merged_to.map(|id| id.to_string()),
        supplier: contact.is_supplier && !contact.is_customer,
        currency: None,
    }
}

fn paid(organisation: &Organisation, payment: &Payment) -> state::Payment {
    state::Payment {
        id: payment.id.to_string(),
        organisation: organisation.id.to_string(),
        document_id: payment.invoice.to_string(),
        amount: payment.amount,
        date: payment.date,
        reference: said(&payment.reference),
        contact_id: None,
        note: None,
    }
}

/// Puts a seed in; the caller throws the world away when it fails.
pub(crate) fn plant(world: &mut World, seed: &Seed, now: Timestamp) -> Result<State, Refused> {
    let mut put_in = State::default();
    for one in &seed.organisations {
        let id = plant_organisation(world, one, now)?;
        put_in.organisations.extend(world.organisation(id).map(|organisation| one_organisation(world, organisation)));
    }
    for one in &seed.contacts {
        let (organisation, ids) = at(world, one.organisation.as_deref())?;
        let id = plant_contact(organisation, ids, one, now)?;
        put_in.contacts.extend(organisation.contacts.get(id).map(|contact| person(organisation, contact)));
    }
    for one in &seed.documents {
        let (organisation, ids) = at(world, one.organisation.as_deref())?;
        let id = plant_document(organisation, ids, one, now)?;
        put_in.documents.extend(organisation.invoices.get(id).map(|invoice| document(organisation, invoice)));
    }
    for one in &seed.payments {
        let payment = plant_payment(world, one, now)?;
        put_in.payments.push(payment);
    }
    Ok(put_in)
}

fn at<'world>(world: &'world mut World, named: Option<&str>) -> Result<(&'world mut Organisation, &'world mut Ids), Refused> {
    let id = match named {
        None => world.organisations.first().map(|organisation| organisation.id),
        Some(named) => world.find_organisation(named),
    };
    let found = world.organisations.iter_mut().find(|organisation| Some(organisation.id) == id);
    match found {
        Some(organisation) => Ok((organisation, &mut world.common.ids)),
        None => Err(Refused(format!("there is no organisation {}", named.unwrap_or_default()))),
    }
}

fn given_id(id: Option<&str>, ids: &mut Ids) -> Result<Uuid, Refused> {
    match id {
        None => Ok(ids.uuid()),
        Some(text) => Uuid::parse_str(text).map_err(|_| Refused(format!("{text} is not a GUID"))),
    }
}

fn wire<T: DeserializeOwned>(value: &Value) -> Result<T, Refused> {
    serde_json::from_value(value.clone()).map_err(|error| Refused(format!("{value}: {error}")))
}

fn plant_organisation(world: &mut World, seed: &SeedOrganisation, now: Timestamp) -> Result<Uuid, Refused> {
    if !seed.items.is_empty() || !seed.tax_codes.is_empty() || !seed.dimensions.is_empty() || seed.preferences.is_some() {
        return Err(Refused("items, tax codes, dimensions and preferences are not seeded here".to_owned()));
    }
    let wanted = seed.id.as_deref().or(seed.organisation.as_deref()).or(seed.name.as_deref());
    let id = match wanted.and_then(|wanted| world.find_organisation(wanted)) {
        Some(id) => id,
        None => {
            let name = seed.name.as_deref().ok_or_else(|| Refused("a new organisation needs a name".to_owned()))?;
            let (country, currency) = (seed.country.as_deref().unwrap_or("GB"), seed.currency.as_deref().unwrap_or("GBP"));
            let mut made = Organisation::new(&mut world.common.ids, now, name, country, currency);
            if let Some(text) = &seed.id {
                made.id = Uuid::parse_str(text).map_err(|_| Refused(format!("{text} is not a GUID")))?;
            }
            let id = made.id;
            world.organisations.push(made);
            id
        }
    };
    let accounts = seed.accounts.iter().map(wire::<Account>).collect::<Result<Vec<_>, _>>()?;
    let rates = seed.tax_rates.iter().map(wire::<TaxRate>).collect::<Result<Vec<_>, _>>()?;
    let named = id.to_string();
    let (organisation, ids) = at(world, Some(&named))?;
    if let Some(name) = &seed.name {
        organisation.name.clone_from(name);
    }
    if let Some(lock) = seed.period_lock_date {
        organisation.period_lock_date = lock;
    }
    if let Some(lock) = seed.end_of_year_lock_date {
        organisation.end_of_year_lock_date = lock;
    }
    if let Some(pays) = seed.pays_tax {
        organisation.pays_tax = pays;
    }
    if let Some(edition) = &seed.edition {
        organisation.edition.clone_from(edition);
    }
    if let Some(refused) = &seed.refused_actions {
        organisation.refused_actions.clone_from(refused);
    }
    for mut account in accounts {
        if account.account_id.is_nil() {
            let known = organisation.account(account.code.as_deref(), None).map(|account| account.account_id);
            account.account_id = known.unwrap_or_else(|| ids.uuid());
        }
        account.updated_date_utc = super::reply::ms_instant(now);
        organisation.accounts.retain(|other| other.account_id != account.account_id);
        organisation.accounts.push(account);
    }
    for rate in rates {
        organisation.tax_rates.retain(|other| other.tax_type != rate.tax_type);
        organisation.tax_rates.push(rate);
    }
    for code in &seed.currencies {
        if organisation.currency(code).is_none() {
            let currency = Currency { code: code.clone(), description: currency_name(code), day_rate: Decimal::ONE };
            organisation.currencies.push(currency);
        }
    }
    Ok(id)
}

fn plant_contact(organisation: &mut Organisation, ids: &mut Ids, seed: &SeedContact, now: Timestamp) -> Result<Uuid, Refused> {
    if seed.name.is_empty() {
        return Err(Refused("a contact needs a name".to_owned()));
    }
    if seed.currency.is_some() {
        return Err(Refused("a contact has no currency here".to_owned()));
    }
    let mut contact = Contact::new(given_id(seed.id.as_deref(), ids)?, &seed.name, now);
    contact.email = seed.email.clone().unwrap_or_default();
    contact.number.clone_from(&seed.number);
    contact.is_supplier = seed.supplier;
    if let Some(phone) = contact.phones.iter_mut().find(|phone| phone.phone_type == "DEFAULT") {
        phone.phone_number = seed.phone.clone().unwrap_or_default();
    }
    let status = seed.status.as_deref().unwrap_or("active").to_ascii_lowercase();
    (contact.status, contact.merged_to) = match status.as_str() {
        "active" => (ContactStatus::Active, None),
        "archived" => (ContactStatus::Archived, None),
        "merged" => {
            let into = seed.merged_into.as_deref().ok_or_else(|| Refused("a merged contact needs merged_into".to_owned()))?;
            (ContactStatus::Archived, Some(given_id(Some(into), ids)?))
        }
        other => return Err(Refused(format!("there is no contact status {other}"))),
    };
    taken(&organisation.contacts, &contact)?;
    let id = contact.id;
    organisation.contacts.put(contact);
    Ok(id)
}

fn taken(contacts: &Contacts, contact: &Contact) -> Result<(), Refused> {
    if contacts.get(contact.id).is_some() {
        return Err(Refused(format!("contact {} is there already", contact.id)));
    }
    if contact.status == ContactStatus::Active && contacts.by_active_name(&contact.name).is_some() {
        return Err(Refused(format!("an active contact is named {} already", contact.name)));
    }
    match contact.number.as_ref().filter(|number| contacts.by_number(number).is_some()) {
        Some(number) => Err(Refused(format!("a contact has the number {number} already"))),
        None => Ok(()),
    }
}

/// The day of an instant in UTC.
fn day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

fn plant_document(organisation: &mut Organisation, ids: &mut Ids, seed: &SeedDocument, now: Timestamp) -> Result<Uuid, Refused> {
    if seed.note.is_some() {
        return Err(Refused("an invoice has no private note here".to_owned()));
    }
    let word = seed.status.as_deref().or(seed.vendor_status.as_deref()).unwrap_or("draft").to_ascii_lowercase();
    let status = match word.as_str() {
        "draft" => Status::Draft,
        "submitted" => Status::Submitted,
        "approved" | "authorised" | "paid" => Status::Authorised,
        "voided" => Status::Voided,
        "deleted" => Status::Deleted,
        other => return Err(Refused(format!("there is no document status {other}"))),
    };
    let contact = match seed.contact_id.as_deref() {
        Some(text) => {
            let id = given_id(Some(text), ids)?;
            organisation.contacts.get(id).map(|contact| contact.id).ok_or_else(|| Refused(format!("there is no contact {text}")))?
        }
        None => seeded_customer(organisation, ids, now),
    };
    let number = match &seed.number {
        Some(number) if organisation.invoices.by_number(number).is_some() => {
            return Err(Refused(format!("the number {number} is taken")));
        }
        Some(number) => number.clone(),
        None => next_number(organisation),
    };
    let currency = seed.currency.clone().unwrap_or_else(|| organisation.currency.clone());
    let currency_rate = organisation.currency(&currency).map_or(Decimal::ONE, |currency| currency.day_rate);
    let date = seed.issue_date.unwrap_or_else(|| day(now));
    let mut invoice = Invoice {
        id: given_id(seed.id.as_deref(), ids)?,
        number,
        reference: seed.reference.clone().unwrap_or_default(),
        status,
        contact,
        date,
        due_date: Some(seed.due_date.unwrap_or(date)),
        line_amount_types: LineAmountTypes::Exclusive,
        currency,
        currency_rate,
        url: seed.url.clone(),
        sent: false,
        lines: lines(organisation, ids, seed)?,
        sub_total: Decimal::ZERO,
        total_tax: Decimal::ZERO,
        total: Decimal::ZERO,
        updated: now,
        created_by_app: seed.created_by_app,
        fully_paid_on: None,
    };
    finish(organisation, &mut invoice);
    let (id, total) = (invoice.id, invoice.total);
    if organisation.invoices.get(id).is_some() {
        return Err(Refused(format!("document {id} is there already")));
    }
    organisation.invoices.put(invoice);
    if let Some(contact) = organisation.contacts.get(contact).cloned() {
        organisation.contacts.put(Contact { is_customer: true, ..contact });
    }
    if word == "paid" {
        pay(organisation, ids, now, id, total, date, None)?;
    }
    Ok(id)
}

fn seeded_customer(organisation: &mut Organisation, ids: &mut Ids, now: Timestamp) -> Uuid {
    let name = "Seeded Customer";
    if let Some(contact) = organisation.contacts.by_active_name(name) {
        return contact.id;
    }
    let contact = Contact::new(ids.uuid(), name, now);
    let id = contact.id;
    organisation.contacts.put(contact);
    id
}

fn lines(organisation: &Organisation, ids: &mut Ids, seed: &SeedDocument) -> Result<Vec<Line>, Refused> {
    if seed.lines.is_empty() {
        let tax = seed.tax.unwrap_or_default();
        let net = seed.total.unwrap_or_default() - tax;
        let only = SeedLine { description: "Seeded".to_owned(), unit_price: Some(net), tax: Some(tax), ..SeedLine::default() };
        return Ok(vec![line(organisation, ids, &only)?]);
    }
    seed.lines.iter().map(|one| line(organisation, ids, one)).collect()
}

fn line(organisation: &Organisation, ids: &mut Ids, seed: &SeedLine) -> Result<Line, Refused> {
    let account = match seed.account.as_deref() {
        None => organisation.sales_account(),
        Some(code) => Some(organisation.account(Some(code), None).ok_or_else(|| Refused(format!("there is no account {code}")))?),
    };
    Ok(Line {
        id: given_id(seed.id.as_deref(), ids)?,
        description: seed.description.clone(),
        quantity: Some(half_up(seed.quantity.unwrap_or(Decimal::ONE), 4)),
        unit_amount: Some(half_up(seed.unit_price.unwrap_or_default(), 4)),
        discount_rate: seed.discount_percent,
        discount_amount: None,
        account_code: account.and_then(|account| account.code.clone()),
        tax_type: seed.tax_type.clone().or_else(|| account.map(|account| account.tax_type.clone())),
        line_amount: Decimal::ZERO,
        tax_amount: half_up(seed.tax.unwrap_or_default(), 2),
        tax_override: seed.tax.is_some(),
        tracking: seed.tracking.iter().map(|entry| tracking(organisation, entry)).collect::<Result<_, _>>()?,
    })
}

/// A tracking entry from `category: option`.
pub(crate) fn tracking(organisation: &Organisation, entry: &str) -> Result<Tracking, Refused> {
    let unknown = || Refused(format!("there is no tracking option {entry}"));
    let (name, option) = entry.split_once(": ").ok_or_else(unknown)?;
    let category = organisation.tracking.iter().find(|category| category.name == name).ok_or_else(unknown)?;
    let (option_id, option) = category.options.iter().find(|(_, one)| one == option).ok_or_else(unknown)?;
    Ok(Tracking { category_id: category.id, option_id: *option_id, name: category.name.clone(), option: option.clone() })
}

/// Pays into the first account that takes payments.
pub(crate) fn pay(
    organisation: &mut Organisation,
    ids: &mut Ids,
    now: Timestamp,
    invoice: Uuid,
    amount: Decimal,
    date: Date,
    reference: Option<String>,
) -> Result<Uuid, Refused> {
    let account = organisation.accounts.iter().find(|account| account.takes_payments()).map(|account| account.account_id);
    let input = PaymentInput { invoice: InvoiceChoice::Id(invoice), account, account_code: None, date, amount, reference };
    payment::apply(organisation, ids, now, &input).map_err(|faults| Refused(faults.join(" ")))
}

fn plant_payment(world: &mut World, seed: &SeedPayment, now: Timestamp) -> Result<state::Payment, Refused> {
    if seed.note.is_some() {
        return Err(Refused("a payment has no private note here".to_owned()));
    }
    let unknown = || Refused(format!("there is no document {}", seed.document_id));
    let invoice = Uuid::parse_str(&seed.document_id).map_err(|_| unknown())?;
    let holder = world.organisations.iter_mut().find(|organisation| organisation.invoices.get(invoice).is_some());
    let organisation = holder.ok_or_else(unknown)?;
    let total = organisation.invoices.get(invoice).map(|invoice| invoice.total).unwrap_or_default();
    let due = total - organisation.paid(invoice);
    let date = seed.date.unwrap_or_else(|| day(now));
    let id = pay(organisation, &mut world.common.ids, now, invoice, seed.amount.unwrap_or(due), date, seed.reference.clone())?;
    let wanted = given_id(seed.id.as_deref().or(Some(&id.to_string())), &mut world.common.ids)?;
    let payment = organisation.payments.iter_mut().find(|payment| payment.id == id).ok_or_else(unknown)?;
    payment.id = wanted;
    let payment = payment.clone();
    Ok(paid(organisation, &payment))
}
