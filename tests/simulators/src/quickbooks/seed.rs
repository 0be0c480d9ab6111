//! Records put in from outside, and the state as everybody can read it.
//!
//! In the state, a line's `account` is the id of its item (an item decides the account here), its `tax_type` the id of its tax code, and its
//! `tracking` the class as `Class: name`. An invoice's `note` is `PrivateNote`.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::bookkeeper::Standing;
use super::company::Company;
use super::invoice::{Calculation, Invoice, Line, SalesItem};
use super::invoice_write::{make_deleted, make_void, next_number};
use super::item::{Account, Class, Item};
use super::oauth::connected;
use super::payment::{self, NewPayment, Payment};
use super::person::{Person, PersonKind};
use super::price;
use super::tax::{TaxCode, TaxRate};
use super::wire::{Version, day};
use super::world::World;
use crate::skeleton::controls::Refused;
use crate::skeleton::number::half_up;
use crate::skeleton::state::{self, Seed, SeedContact, SeedDocument, SeedLine, SeedOrganisation, SeedPayment, State};

/// Every company's records.
pub(crate) fn state(world: &World) -> State {
    let mut all = State::default();
    for company in &world.companies {
        all.documents.extend(company.invoices.all().iter().filter(|invoice| !invoice.deleted).map(|invoice| document(company, invoice)));
        all.contacts.extend(company.people.all().iter().map(|one| person(company, one)));
        all.payments.extend(company.payments.all().iter().filter(|payment| payment.stands()).flat_map(|payment| paid(company, payment)));
        all.organisations.push(organisation(world, company));
    }
    all
}

fn organisation(world: &World, company: &Company) -> state::Organisation {
    state::Organisation {
        id: company.realm.clone(),
        organisation: company.realm.clone(),
        name: company.name.clone(),
        country: company.country.clone(),
        currency: company.home().to_owned(),
        connected: connected(world, &company.realm),
    }
}

fn document(company: &Company, invoice: &Invoice) -> state::Document {
    let paid = !invoice.applied.is_zero() && invoice.balance().is_zero();
    let (status, vendor_status) = match (invoice.voided, paid) {
        (true, _) => ("voided", "Voided"),
        (false, true) => ("paid", "Paid"),
        (false, false) => ("approved", "Open"),
    };
    let class = |id: &String| {
        let name = company.classes.iter().find(|class| class.id == *id).map_or(id, |class| &class.name);
        format!("Class: {name}")
    };
    let places = price::decimals(&invoice.currency);
    let lines = invoice.lines.iter().map(|line| {
        let sale = line.sale.as_ref();
        let tax = line_tax(company, invoice, line);
        state::Line {
            id: line.id.to_string(),
            description: line.description.clone().unwrap_or_default(),
            quantity: sale.and_then(|sale| sale.quantity),
            unit_price: sale.and_then(|sale| sale.unit_price),
            discount_percent: None,
            account: sale.map(|sale| sale.item.clone()),
            tax_type: sale.and_then(|sale| sale.tax_code.clone()),
            tax: half_up(tax, places),
            amount: line.amount,
            tracking: sale.and_then(|sale| sale.class.as_ref()).map(class).into_iter().collect(),
        }
    });
    state::Document {
        id: invoice.id.clone(),
        organisation: company.realm.clone(),
        number: invoice.doc_number.clone(),
        reference: None,
        status: status.to_owned(),
        vendor_status: vendor_status.to_owned(),
        total: invoice.total,
        tax: invoice.total_tax,
        subtotal: invoice.subtotal,
        amount_due: half_up(invoice.balance(), places),
        currency: invoice.currency.clone(),
        contact_id: invoice.customer.clone(),
        issue_date: invoice.date,
        due_date: invoice.due_date,
        url: None,
        note: invoice.private_note.clone(),
        created_by_app: invoice.created_by_app,
        lines: lines.collect(),
    }
}

/// The tax of one line outside the US; in the US a line has none of its own.
fn line_tax(company: &Company, invoice: &Invoice, line: &Line) -> Decimal {
    let Some(sale) = line.sale.as_ref().filter(|_| !invoice.voided && !company.is_us()) else { return Decimal::ZERO };
    let places = price::decimals(&invoice.currency);
    let percents = sale.tax_code.as_deref().map(|code| company.percents(code, invoice.date)).unwrap_or_default();
    let taxes = percents.into_iter().map(|(_, percent)| match (invoice.calculation, sale.inclusive) {
        (Some(Calculation::TaxInclusive), Some(gross)) => price::contained_tax(gross, percent, places),
        _ => price::tax(line.amount, percent, places),
    });
    taxes.sum()
}

fn person(company: &Company, person: &Person) -> state::Contact {
    let status = match (&person.merged_into, person.active) {
        (Some(_), _) => "merged",
        (None, true) => "active",
        (None, false) => "archived",
    };
    state::Contact {
        id: person.id.clone(),
        organisation: company.realm.clone(),
        name: person.display_name.clone(),
        email: person.email.clone(),
        status: status.to_owned(),
        number: None,
        merged_into: person.merged_into.clone(),
        supplier: person.kind == PersonKind::Vendor,
        currency: Some(person.currency.clone()),
    }
}

/// One entry per invoice that a payment is applied to, and one for what is left.
fn paid(company: &Company, payment: &Payment) -> Vec<state::Payment> {
    let entry = |document: &str, amount: Decimal| state::Payment {
        id: payment.id.clone(),
        organisation: company.realm.clone(),
        document_id: document.to_owned(),
        amount,
        date: payment.date,
        reference: payment.reference.clone(),
        contact_id: Some(payment.customer.clone()),
        note: payment.private_note.clone(),
    };
    let mut entries: Vec<_> = payment.applied.iter().map(|(invoice, amount)| entry(invoice, *amount)).collect();
    if !payment.unapplied().is_zero() {
        entries.push(entry("", payment.unapplied()));
    }
    entries
}

fn no<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(why.into()))
}

/// Puts a seed in; the caller throws the world away when it fails.
pub(crate) fn plant(world: &mut World, seed: &Seed, now: Timestamp) -> Result<State, Refused> {
    let mut put_in = State::default();
    for one in &seed.organisations {
        let realm = plant_company(world, one, now)?;
        put_in.organisations.extend(world.company(&realm).map(|company| organisation(world, company)));
    }
    for one in &seed.contacts {
        let company = at(world, one.organisation.as_deref())?;
        let id = plant_person(company, one, now)?;
        put_in.contacts.extend(company.people.get(&id).map(|one| person(company, one)));
    }
    for one in &seed.documents {
        let company = at(world, one.organisation.as_deref())?;
        let id = plant_invoice(company, one, now)?;
        put_in.documents.extend(company.invoices.get(&id).map(|invoice| document(company, invoice)));
    }
    for one in &seed.payments {
        let company = world.companies.iter_mut().find(|company| company.invoice(&one.document_id).is_ok());
        let Some(company) = company else { return no(format!("there is no document {}", one.document_id)) };
        let id = plant_payment(company, one, now)?;
        put_in.payments.extend(company.payments.get(&id).into_iter().flat_map(|payment| paid(company, payment)));
    }
    Ok(put_in)
}

fn at<'world>(world: &'world mut World, named: Option<&str>) -> Result<&'world mut Company, Refused> {
    let realm = match named {
        None => world.companies.first().map(|company| company.realm.clone()),
        Some(named) => world.find_realm(named),
    };
    let found = world.companies.iter_mut().find(|company| Some(&company.realm) == realm.as_ref());
    found.ok_or_else(|| Refused(format!("there is no organisation {}", named.unwrap_or_default())))
}

fn wire<T: DeserializeOwned>(value: &Value) -> Result<T, Refused> {
    serde_json::from_value(value.clone()).map_err(|error| Refused(format!("{value}: {error}")))
}

fn plant_company(world: &mut World, seed: &SeedOrganisation, now: Timestamp) -> Result<String, Refused> {
    if seed.end_of_year_lock_date.is_some() || seed.edition.is_some() || seed.refused_actions.is_some() {
        return no("a company has no end-of-year lock, edition or refused actions here");
    }
    let wanted = seed.id.as_deref().or(seed.organisation.as_deref()).or(seed.name.as_deref());
    let realm = match wanted.and_then(|wanted| world.find_realm(wanted)) {
        Some(realm) => realm,
        None => {
            let Some(name) = seed.name.as_deref() else { return no("a new organisation needs a name") };
            let (country, currency) = (seed.country.as_deref().unwrap_or("GB"), seed.currency.as_deref().unwrap_or("GBP"));
            let position = world.companies.len();
            let mut made = Company::new(&mut world.common.ids, position, name, country, currency, now);
            made.realm = seed.id.clone().unwrap_or(made.realm);
            let realm = made.realm.clone();
            world.companies.push(made);
            realm
        }
    };
    let company = at(world, Some(&realm))?;
    if let Some(name) = &seed.name {
        company.name.clone_from(name);
    }
    if let Some(closed) = seed.period_lock_date {
        company.preferences.accounting_info_prefs.book_close_date = closed;
    }
    if let Some(pays) = seed.pays_tax {
        company.preferences.tax_prefs.using_sales_tax = pays;
    }
    if let Some(change) = &seed.preferences {
        company.preferences = company.preferences.changed(change)?;
    }
    for account in &seed.accounts {
        let account: Account = wire(account)?;
        company.accounts.retain(|other| other.id != account.id);
        company.accounts.push(account);
    }
    for item in &seed.items {
        let item: Item = wire(item)?;
        if !company.accounts.iter().any(|account| account.id == item.income_account) {
            return no(format!("there is no account {}", item.income_account));
        }
        company.items.retain(|other| other.id != item.id);
        company.items.push(item);
    }
    for rate in &seed.tax_rates {
        let rate: TaxRate = wire(rate)?;
        company.tax_rates.retain(|other| other.id != rate.id);
        company.tax_rates.push(rate);
    }
    for code in &seed.tax_codes {
        let code: TaxCode = wire(code)?;
        if let Some(id) = code.rates.iter().find(|id| !company.tax_rates.iter().any(|rate| rate.id == **id)) {
            return no(format!("there is no tax rate {id}"));
        }
        company.tax_codes.retain(|other| other.id != code.id);
        company.tax_codes.push(code);
    }
    for class in &seed.dimensions {
        let class: Class = wire(class)?;
        company.classes.retain(|other| other.id != class.id);
        company.classes.push(class);
    }
    for code in &seed.currencies {
        if company.rate_of(code).is_none() {
            company.currencies.push((code.clone(), Decimal::ONE));
        }
    }
    company.version.bump(now);
    company.standing = Standing::Good;
    Ok(realm)
}

fn plant_person(company: &mut Company, seed: &SeedContact, now: Timestamp) -> Result<String, Refused> {
    if seed.name.is_empty() {
        return no("a contact needs a name");
    }
    if seed.number.is_some() {
        return no("a contact has no number here");
    }
    let kind = if seed.supplier { PersonKind::Vendor } else { PersonKind::Customer };
    let currency = seed.currency.clone().unwrap_or_else(|| company.home().to_owned());
    let id = match &seed.id {
        Some(id) if company.people.get(id).is_some() => return no(format!("contact {id} is there already")),
        Some(id) => id.clone(),
        None => company.next_person(),
    };
    let mut person = Person::new(id.clone(), kind, &seed.name, &currency, Version::new(now));
    person.email.clone_from(&seed.email);
    person.phone.clone_from(&seed.phone);
    match seed.status.as_deref().unwrap_or("active").to_ascii_lowercase().as_str() {
        "active" => company.name_is_free(&seed.name, None).map_err(|refusal| Refused(refusal.text()))?,
        "archived" => {
            // A state that is posted back has the mark already.
            person.display_name = seed.name.strip_suffix(super::person::DELETED).unwrap_or(&seed.name).to_owned();
            person.set_active(false);
        }
        "merged" => {
            let Some(into) = &seed.merged_into else { return no("a merged contact needs merged_into") };
            person.merged_into = Some(into.clone());
            person.active = false;
        }
        other => return no(format!("there is no contact status {other}")),
    }
    company.people.put(person);
    Ok(id)
}

fn plant_invoice(company: &mut Company, seed: &SeedDocument, now: Timestamp) -> Result<String, Refused> {
    if seed.reference.is_some() || seed.url.is_some() {
        return no("an invoice has no reference and no link here");
    }
    let word = seed.status.as_deref().or(seed.vendor_status.as_deref()).unwrap_or("approved").to_ascii_lowercase();
    if !matches!(word.as_str(), "approved" | "open" | "paid" | "voided" | "deleted") {
        return no(format!("there is no document status {word} here"));
    }
    let customer = match &seed.contact_id {
        Some(id) => company.person(PersonKind::Customer, id).map_err(|_| Refused(format!("there is no contact {id}")))?.id.clone(),
        None => seeded_customer(company, now),
    };
    let currency = company.people.get(&customer).map_or_else(|| company.home().to_owned(), |customer| customer.currency.clone());
    if seed.currency.as_ref().is_some_and(|code| *code != currency) {
        return no("an invoice has its customer's currency");
    }
    let id = match &seed.id {
        Some(id) if company.invoices.get(id).is_some() => return no(format!("document {id} is there already")),
        Some(id) => id.clone(),
        None => company.next_transaction(),
    };
    let date = seed.issue_date.unwrap_or_else(|| day(now));
    let mut invoice = Invoice {
        id: id.clone(),
        version: Version::new(now),
        doc_number: Some(seed.number.clone().unwrap_or_else(|| next_number(company))),
        date,
        due_date: Some(seed.due_date.unwrap_or(date)),
        customer,
        exchange_rate: company.rate_of(&currency).unwrap_or(Decimal::ONE),
        currency,
        private_note: seed.note.clone(),
        customer_memo: None,
        bill_email: None,
        email_status: "NotSet".to_owned(),
        bill_addr: None,
        card_payment: None,
        ach_payment: None,
        calculation: (!company.is_us()).then_some(Calculation::TaxExcluded),
        lines: Vec::new(),
        next_line: 1,
        tax_code: None,
        tax_override: None,
        tax_lines: Vec::new(),
        subtotal: Decimal::ZERO,
        total_tax: Decimal::ZERO,
        total: Decimal::ZERO,
        applied: Decimal::ZERO,
        payments: Vec::new(),
        voided: false,
        deleted: false,
        created_by_app: seed.created_by_app,
    };
    for one in &lines(company, seed, date)? {
        let line = line(company, &invoice, one)?;
        invoice.lines.push(line);
        invoice.next_line = invoice.next_line.saturating_add(1);
    }
    let wants_tax = seed.lines.is_empty() && seed.tax.is_some_and(|tax| !tax.is_zero());
    if wants_tax && company.is_us() {
        return no("an invoice with tax needs lines in the US");
    }
    invoice.compute(company).map_err(|refusal| Refused(refusal.text()))?;
    let (customer, total) = (invoice.customer.clone(), invoice.total);
    company.invoices.put(invoice.clone());
    match word.as_str() {
        "voided" => make_void(company, invoice, now),
        "deleted" => make_deleted(company, invoice, now),
        "paid" => {
            pay(company, &id, &customer, total, NewPaymentHead { date, reference: None, note: None }, now)?;
        }
        _ => {}
    }
    Ok(id)
}

fn seeded_customer(company: &mut Company, now: Timestamp) -> String {
    let name = "Seeded Customer";
    let known = company.people.by_key(name).find(|person| person.active && person.kind == PersonKind::Customer).map(|one| one.id.clone());
    known.unwrap_or_else(|| {
        let id = company.next_person();
        let person = Person::new(id.clone(), PersonKind::Customer, name, company.home(), Version::new(now));
        company.people.put(person);
        id
    })
}

fn lines(company: &Company, seed: &SeedDocument, day: Date) -> Result<Vec<SeedLine>, Refused> {
    if !seed.lines.is_empty() {
        return Ok(seed.lines.clone());
    }
    let tax = seed.tax.unwrap_or_default();
    let net = seed.total.unwrap_or_default() - tax;
    let only = SeedLine { description: "Seeded".to_owned(), unit_price: Some(net), ..SeedLine::default() };
    if company.is_us() || !company.taxes() {
        return Ok(vec![only]);
    }
    let gives = |code: &&TaxCode| {
        let percents = company.percents(&code.id, day);
        code.active && !percents.is_empty() && percents.iter().map(|(_, percent)| price::tax(net, *percent, 2)).sum::<Decimal>() == tax
    };
    match company.tax_codes.iter().find(gives) {
        Some(code) => Ok(vec![SeedLine { tax_type: Some(code.id.clone()), ..only }]),
        None => no(format!("no tax code makes {tax} of {net}")),
    }
}

/// The item of this id or name, or the one whose account has this name.
pub(crate) fn find_item<'company>(company: &'company Company, named: &str) -> Result<&'company Item, Refused> {
    let of_account = |item: &&Item| company.accounts.iter().any(|account| account.id == item.income_account && account.name == named);
    let found = company.items.iter().find(|item| item.id == named || item.name == named);
    found.or_else(|| company.items.iter().find(of_account)).ok_or_else(|| Refused(format!("there is no item {named}")))
}

/// The tax code of this id or name.
pub(crate) fn find_code(company: &Company, named: &str) -> Result<String, Refused> {
    let found = company.tax_codes.iter().find(|code| code.id == named || code.name == named);
    found.map(|code| code.id.clone()).ok_or_else(|| Refused(format!("there is no tax code {named}")))
}

/// The class of `Class: name`.
pub(crate) fn find_class(company: &Company, entries: &[String]) -> Result<Option<String>, Refused> {
    match entries {
        [] => Ok(None),
        [entry] => {
            let named = entry.strip_prefix("Class: ").unwrap_or(entry);
            let found = company.classes.iter().find(|class| class.name == named);
            found.map(|class| Some(class.id.clone())).ok_or_else(|| Refused(format!("there is no class {entry}")))
        }
        _ => no("a line has one class at most"),
    }
}

fn line(company: &Company, invoice: &Invoice, seed: &SeedLine) -> Result<Line, Refused> {
    if seed.discount_percent.is_some_and(|discount| !discount.is_zero()) {
        return no("a line has no discount here");
    }
    let item = match &seed.account {
        Some(named) => find_item(company, named)?,
        None => company.sales_item().ok_or_else(|| Refused("the company has no active item".to_owned()))?,
    };
    let tax_code = match &seed.tax_type {
        Some(named) => Some(find_code(company, named)?),
        None if company.is_us() => Some("NON".to_owned()),
        None if !company.taxes() => None,
        None => company.tax_codes.iter().find(|code| code.active && !code.rates.is_empty()).map(|code| code.id.clone()),
    };
    let (quantity, unit) = (seed.quantity.unwrap_or(Decimal::ONE), seed.unit_price.unwrap_or_default());
    let id = match &seed.id {
        Some(id) => id.parse().map_err(|_| Refused(format!("{id} is no line id")))?,
        None => invoice.next_line,
    };
    Ok(Line {
        id,
        description: Some(seed.description.clone()).filter(|text| !text.is_empty()),
        amount: price::amount(quantity, unit, price::decimals(&invoice.currency)),
        sale: Some(SalesItem {
            item: item.id.clone(),
            class: find_class(company, &seed.tracking)?,
            quantity: Some(quantity),
            unit_price: Some(unit),
            tax_code,
            inclusive: None,
            service_date: None,
        }),
    })
}

/// What a payment says of itself.
pub(crate) struct NewPaymentHead {
    pub(crate) date: Date,
    pub(crate) reference: Option<String>,
    pub(crate) note: Option<String>,
}

/// Pays an invoice into Undeposited Funds.
pub(crate) fn pay(
    company: &mut Company,
    invoice: &str,
    customer: &str,
    amount: Decimal,
    head: NewPaymentHead,
    now: Timestamp,
) -> Result<String, Refused> {
    let new = NewPayment {
        customer: customer.to_owned(),
        date: head.date,
        total: amount,
        lines: vec![(invoice.to_owned(), amount)],
        reference: head.reference,
        private_note: head.note,
        deposit_account: None,
    };
    payment::make(company, new, now).map_err(|refusal| Refused(refusal.text()))
}

fn plant_payment(company: &mut Company, seed: &SeedPayment, now: Timestamp) -> Result<String, Refused> {
    if seed.id.is_some() {
        return no("a payment's id is the company's to give");
    }
    let invoice = company.invoice(&seed.document_id).map_err(|refusal| Refused(refusal.text()))?;
    let (customer, due) = (invoice.customer.clone(), invoice.balance());
    let head = NewPaymentHead { date: seed.date.unwrap_or_else(|| day(now)), reference: seed.reference.clone(), note: seed.note.clone() };
    pay(company, &seed.document_id, &customer, seed.amount.unwrap_or(due), head, now)
}
