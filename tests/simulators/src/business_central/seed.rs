//! Records put in from outside, and the state as everybody can read it.
//!
//! An organisation here is a company. A document's `note` is its "Your Reference", which the customer sees too; a payment is a line of a
//! payment journal, posted or not yet.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use super::company::{Account, Code, Company, Item, Setup, VatSetup};
use super::customer::{Blocked, Customer};
use super::desk::{Desk, day};
use super::facts::{ACCOUNT_TYPES, CATEGORIES, ITEM_TYPES, word};
use super::header::draft;
use super::invoice::{Invoice, Line, LineType, Status};
use super::line_write::rate;
use super::payment::{self, Payment};
use super::posting;
use super::pricing::{Discount, UNIT_PLACES};
use super::reply::Refusal;
use super::world::{Environment, World};
use crate::skeleton::controls::Refused;
use crate::skeleton::ids::Ids;
use crate::skeleton::number::half_up;
use crate::skeleton::state::{self, Seed, SeedContact, SeedDocument, SeedLine, SeedOrganisation, SeedPayment, State};

/// Every company's records.
pub(crate) fn state(world: &World) -> State {
    let mut all = State::default();
    for company in &world.companies {
        all.documents.extend(company.invoices.iter().map(|invoice| document(company, invoice)));
        all.contacts.extend(company.customers.iter().map(|customer| person(company, customer)));
        all.payments.extend(company.payments.iter().map(|payment| paid(company, payment)));
        all.organisations.push(organisation(world, company));
    }
    all
}

fn organisation(world: &World, company: &Company) -> state::Organisation {
    let sees = |companies: &Option<Vec<Uuid>>| companies.as_ref().is_none_or(|companies| companies.contains(&company.id));
    state::Organisation {
        id: company.id.to_string(),
        organisation: company.id.to_string(),
        name: company.name.clone(),
        country: company.country.clone(),
        currency: company.currency.clone(),
        connected: world.grants.all.values().any(|grant| !grant.revoked && sees(&grant.companies)),
    }
}

fn said(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn document(company: &Company, invoice: &Invoice) -> state::Document {
    let status = match invoice.status {
        Status::Draft => "draft",
        Status::InReview | Status::Released => "submitted",
        Status::Open | Status::Corrective => "approved",
        Status::Paid => "paid",
        Status::Canceled => "voided",
    };
    let head = [(&company.dimension1.code, &invoice.dimension1), (&company.dimension2.code, &invoice.dimension2)];
    let head: Vec<String> = head.iter().filter(|(_, value)| !value.is_empty()).map(|(code, value)| format!("{code}: {value}")).collect();
    let lines = invoice.lines.iter().map(|line| {
        let text = line.kind == LineType::Comment;
        state::Line {
            id: line.id.to_string(),
            description: format!("{}{}", line.description, line.description2),
            quantity: (!text).then_some(line.quantity),
            unit_price: (!text).then_some(line.unit_price),
            discount_percent: Some(line.discount_percent()).filter(|percent| !percent.is_zero()),
            account: said(&line.object),
            tax_type: said(&line.tax_code),
            tax: line.tax,
            amount: line.amount,
            tracking: head.iter().chain(&line.dimensions).cloned().collect(),
        }
    });
    state::Document {
        id: invoice.id.to_string(),
        organisation: company.id.to_string(),
        number: Some(invoice.number.clone()),
        reference: said(&invoice.external_number),
        status: status.to_owned(),
        vendor_status: invoice.status.word().to_owned(),
        total: invoice.total,
        tax: invoice.tax,
        subtotal: invoice.subtotal,
        amount_due: invoice.remaining(),
        currency: company.shown_currency(&invoice.currency),
        contact_id: invoice.customer.to_string(),
        issue_date: invoice.document_date,
        due_date: Some(invoice.due_date),
        url: None,
        note: said(&invoice.your_reference),
        created_by_app: invoice.created_by_app,
        lines: lines.collect(),
    }
}

fn person(company: &Company, customer: &Customer) -> state::Contact {
    let status = match (customer.merged_into, customer.blocked) {
        (Some(_), _) => "merged",
        (None, Blocked::Invoice | Blocked::All) => "archived",
        (None, Blocked::No | Blocked::Ship) => "active",
    };
    state::Contact {
        id: customer.id.to_string(),
        organisation: company.id.to_string(),
        name: customer.display_name.clone(),
        email: said(&customer.email),
        status: status.to_owned(),
        number: Some(customer.number.clone()),
        merged_into: customer.merged_into.map(|id| id.to_string()),
        supplier: false,
        currency: said(&customer.currency),
    }
}

fn paid(company: &Company, payment: &Payment) -> state::Payment {
    state::Payment {
        id: payment.id.to_string(),
        organisation: company.id.to_string(),
        document_id: payment.applies_to.map(|id| id.to_string()).unwrap_or_default(),
        amount: -payment.amount,
        date: payment.date,
        reference: said(&payment.external_number),
        contact_id: payment.customer.map(|id| id.to_string()),
        note: said(&payment.comment),
    }
}

/// Puts a seed in; the caller throws the world away when it fails.
pub(crate) fn plant(world: &mut World, seed: &Seed, now: Timestamp) -> Result<State, Refused> {
    let mut put_in = State::default();
    for one in &seed.organisations {
        let id = plant_company(world, one, now)?;
        let made = world.companies.iter().find(|company| company.id == id);
        put_in.organisations.extend(made.map(|company| organisation(world, company)));
    }
    for one in &seed.contacts {
        let mut desk = at(world, one.organisation.as_deref(), now)?;
        let id = plant_customer(&mut desk, one)?;
        put_in.contacts.extend(desk.company.customer(id).map(|customer| person(desk.company, customer)));
    }
    for one in &seed.documents {
        let mut desk = at(world, one.organisation.as_deref(), now)?;
        let id = plant_document(&mut desk, one)?;
        put_in.documents.extend(desk.company.invoice(id).map(|invoice| document(desk.company, invoice)));
    }
    for one in &seed.payments {
        put_in.payments.push(plant_payment(world, one, now)?);
    }
    Ok(put_in)
}

/// The desk of a company; of the first when none is named.
pub(crate) fn at<'world>(world: &'world mut World, named: Option<&str>, now: Timestamp) -> Result<Desk<'world>, Refused> {
    let id = match named {
        None => world.companies.first().map(|company| company.id),
        Some(named) => world.find_company(named),
    };
    match world.companies.iter_mut().find(|company| Some(company.id) == id) {
        Some(company) => Ok(Desk { company, ids: &mut world.common.ids, now }),
        None => Err(Refused(format!("there is no organisation {}", named.unwrap_or_default()))),
    }
}

pub(crate) fn parsed(text: &str) -> Result<Uuid, Refused> {
    Uuid::parse_str(text).map_err(|_| Refused(format!("{text} is not a GUID")))
}

fn given_id(id: Option<&str>, ids: &mut Ids) -> Result<Uuid, Refused> {
    id.map_or_else(|| Ok(ids.uuid()), parsed)
}

fn wire<T: DeserializeOwned>(value: &Value) -> Result<T, Refused> {
    serde_json::from_value(value.clone()).map_err(|error| Refused(format!("{value}: {error}")))
}

/// A refusal of the API as the harness reads it.
pub(crate) fn why(refusal: Refusal) -> Refused {
    match refusal {
        Refusal::NotModelled(what) => Refused(format!("the simulator does not model {what}")),
        Refusal::Error { message, .. } => Refused(message),
    }
}

fn plant_company(world: &mut World, seed: &SeedOrganisation, now: Timestamp) -> Result<Uuid, Refused> {
    let wanted = seed.id.as_deref().or(seed.organisation.as_deref()).or(seed.name.as_deref());
    let id = match wanted.and_then(|wanted| world.find_company(wanted)) {
        Some(id) => id,
        None => new_company(world, seed, now)?,
    };
    let named = id.to_string();
    let desk = at(world, Some(&named), now)?;
    let (company, ids) = (desk.company, desk.ids);
    if let Some(name) = &seed.name {
        company.name.clone_from(name);
        company.display_name.clone_from(name);
    }
    if let Some(refused) = &seed.refused_actions {
        company.refused_actions.clone_from(refused);
    }
    for lock in [seed.period_lock_date, seed.end_of_year_lock_date].into_iter().flatten() {
        company.setup.allow_posting_from = lock.map(|lock| lock.saturating_add(1.day()));
    }
    if seed.pays_tax == Some(false) {
        return Err(Refused("a company without VAT is not modelled".to_owned()));
    }
    for value in &seed.accounts {
        let mut account: Account = wire(value)?;
        if word(&CATEGORIES, &account.category).is_none() || word(&ACCOUNT_TYPES, &account.account_type).is_none() {
            return Err(Refused(format!("{value}: there is no such category or account type")));
        }
        if account.id.is_nil() {
            account.id = company.account(&account.number).map_or_else(|| ids.uuid(), |account| account.id);
        }
        company.accounts.retain(|other| other.id != account.id && other.number != account.number);
        company.accounts.push(account);
    }
    for value in &seed.items {
        let mut item: Item = wire(value)?;
        if word(&ITEM_TYPES, &item.kind).is_none() {
            return Err(Refused(format!("{value}: there is no such type of item")));
        }
        if item.id.is_nil() {
            item.id = company.item(&item.number).map_or_else(|| ids.uuid(), |item| item.id);
        }
        company.items.retain(|other| other.number != item.number);
        company.items.push(item);
    }
    for value in &seed.tax_codes {
        let mut code: Code = wire(value)?;
        if code.id.is_nil() {
            code.id = ids.uuid();
        }
        company.tax_groups.retain(|other| other.code != code.code);
        company.tax_groups.push(code);
    }
    for value in &seed.tax_rates {
        let setup: VatSetup = wire(value)?;
        company.vat_setup.retain(|other| other.business != setup.business || other.product != setup.product);
        company.vat_setup.push(setup);
    }
    if !seed.dimensions.is_empty() {
        return Err(Refused("dimensions of a company cannot be seeded".to_owned()));
    }
    if let Some(preferences) = &seed.preferences {
        company.setup = changed(&company.setup, preferences)?;
    }
    for code in &seed.currencies {
        if *code != company.currency && !company.currencies.iter().any(|currency| currency.code == *code) {
            let places = match code.as_str() {
                "JPY" => 0,
                "KWD" => 3,
                _ => 2,
            };
            company.foreign(ids, code, code, places, Some(Date::constant(2020, 1, 1)));
        }
    }
    Ok(id)
}

/// The set-up with what is named changed.
fn changed(setup: &Setup, preferences: &Value) -> Result<Setup, Refused> {
    let mut all = serde_json::to_value(setup).map_err(|error| Refused(error.to_string()))?;
    let (Some(members), Some(changes)) = (all.as_object_mut(), preferences.as_object()) else {
        return Err(Refused("preferences are an object".to_owned()));
    };
    for (name, value) in changes {
        members.insert(name.clone(), value.clone());
    }
    wire(&all)
}

/// A new company; `edition` names its environment.
fn new_company(world: &mut World, seed: &SeedOrganisation, now: Timestamp) -> Result<Uuid, Refused> {
    let name = seed.name.as_deref().ok_or_else(|| Refused("a new organisation needs a name".to_owned()))?;
    let (country, currency) = (seed.country.as_deref().unwrap_or("GB"), seed.currency.as_deref().unwrap_or("GBP"));
    let environment = seed.edition.as_deref().unwrap_or("Production");
    if !world.environments.iter().any(|one| one.name == environment) {
        let (name, kind) = (environment.to_owned(), "Production".to_owned());
        world.environments.push(Environment { name, kind, country: country.to_owned(), updating: false });
    }
    let mut made = Company::new(&mut world.common.ids, now, environment, name, country, currency);
    made.revenue(&mut world.common.ids, "6110", "Sales", "ZERO");
    if let Some(text) = &seed.id {
        made.id = parsed(text)?;
    }
    let id = made.id;
    world.companies.push(made);
    Ok(id)
}

fn plant_customer(desk: &mut Desk<'_>, seed: &SeedContact) -> Result<Uuid, Refused> {
    if seed.name.is_empty() {
        return Err(Refused("a contact needs a name".to_owned()));
    }
    if seed.supplier {
        return Err(Refused("vendors are not modelled".to_owned()));
    }
    let id = given_id(seed.id.as_deref(), desk.ids)?;
    if desk.company.customer(id).is_some() {
        return Err(Refused(format!("contact {id} is there already")));
    }
    let number = match &seed.number {
        Some(number) if desk.company.customers.iter().any(|customer| customer.number == *number) => {
            return Err(Refused(format!("a customer has the number {number} already")));
        }
        Some(number) => number.clone(),
        None => desk.company.customer_number(),
    };
    let mut customer = Customer::blank(id, number, &seed.name, desk.now);
    if let Some(template) = &desk.company.setup.customer_template {
        customer.apply_template(template);
    }
    customer.email = seed.email.clone().unwrap_or_default();
    customer.phone = seed.phone.clone().unwrap_or_default();
    if let Some(currency) = &seed.currency {
        customer.currency = super::customer::currency(desk.company, currency).map_err(why)?;
    }
    match seed.status.as_deref().unwrap_or("active") {
        "active" => {}
        "archived" => customer.blocked = Blocked::All,
        "merged" => {
            let into = seed.merged_into.as_deref().ok_or_else(|| Refused("a merged contact needs merged_into".to_owned()))?;
            customer.merged_into = Some(parsed(into)?);
        }
        other => return Err(Refused(format!("there is no contact status {other}"))),
    }
    desk.company.customers.push(customer);
    Ok(id)
}

fn seeded_customer(desk: &mut Desk<'_>) -> Result<Uuid, Refused> {
    let name = "Seeded Customer";
    if let Some(customer) = desk.company.customers.iter().find(|customer| customer.display_name == name) {
        return Ok(customer.id);
    }
    plant_customer(desk, &SeedContact { name: name.to_owned(), ..SeedContact::default() })
}

fn plant_document(desk: &mut Desk<'_>, seed: &SeedDocument) -> Result<Uuid, Refused> {
    let word = seed.status.as_deref().or(seed.vendor_status.as_deref()).unwrap_or("draft").to_ascii_lowercase();
    if seed.url.is_some() {
        return Err(Refused("an invoice has no link back here".to_owned()));
    }
    let id = given_id(seed.id.as_deref(), desk.ids)?;
    if desk.company.invoice(id).is_some() {
        return Err(Refused(format!("document {id} is there already")));
    }
    let customer = match seed.contact_id.as_deref() {
        Some(text) => parsed(text)?,
        None => seeded_customer(desk)?,
    };
    let customer = desk.company.customer(customer).cloned().ok_or_else(|| Refused("there is no such contact".to_owned()))?;
    let number = desk.company.draft_number();
    let mut invoice = draft(desk.company, id, number, &customer, desk.now);
    invoice.external_number = super::customer::capitals(seed.reference.as_deref().unwrap_or_default());
    invoice.your_reference = seed.note.clone().unwrap_or_default();
    invoice.created_by_app = seed.created_by_app;
    if let Some(currency) = &seed.currency {
        invoice.currency = super::customer::currency(desk.company, currency).map_err(why)?;
    }
    let date = seed.issue_date.unwrap_or_else(|| day(desk.now));
    (invoice.document_date, invoice.posting_date) = (date, date);
    invoice.due_date = seed.due_date.unwrap_or(date);
    for line in lines(desk, &invoice, seed)? {
        invoice.lines.push(line);
    }
    invoice.compute(desk.company, desk.now);
    match word.as_str() {
        "draft" => {}
        "submitted" | "in review" => invoice.status = Status::InReview,
        "approved" | "open" | "paid" | "voided" | "canceled" | "corrective" => {
            let kept: Vec<Uuid> = invoice.lines.iter().map(|line| line.id).collect();
            invoice = posting::posted(desk, invoice).map_err(why)?;
            // A seed names the ids that its lines have now.
            for (line, id) in invoice.lines.iter_mut().zip(kept) {
                line.id = id;
            }
        }
        other => return Err(Refused(format!("there is no document status {other}"))),
    }
    match word.as_str() {
        "voided" | "canceled" => invoice.status = Status::Canceled,
        "corrective" => invoice.status = Status::Corrective,
        _ => {}
    }
    if let Some(number) = &seed.number {
        if desk.company.invoices.iter().any(|other| other.number == *number) {
            return Err(Refused(format!("the number {number} is taken")));
        }
        invoice.number.clone_from(number);
    }
    let total = invoice.remaining();
    desk.company.invoices.push(invoice);
    if word == "paid" && !total.is_zero() {
        pay(desk, id, total, date, None)?;
    }
    Ok(id)
}

fn lines(desk: &mut Desk<'_>, invoice: &Invoice, seed: &SeedDocument) -> Result<Vec<Line>, Refused> {
    let account = sales_account(desk.company)?;
    if seed.lines.is_empty() {
        let tax = seed.tax.unwrap_or_default();
        let net = seed.total.unwrap_or_default() - tax;
        let places = desk.company.places(&invoice.currency);
        let gives = |setup: &&VatSetup| {
            setup.business == invoice.vat_bus_posting_group && half_up(net * setup.percent / Decimal::ONE_HUNDRED, places) == tax
        };
        let setup = desk.company.vat_setup.iter().find(gives);
        let tax_type = setup.map(|setup| setup.product.clone()).ok_or_else(|| Refused(format!("no VAT group gives {tax} of {net}")))?;
        let one = SeedLine { description: "Seeded".to_owned(), unit_price: Some(net), tax_type: Some(tax_type), ..SeedLine::default() };
        return Ok(vec![line(desk, invoice, &one, 10_000, &account)?]);
    }
    let mut made = Vec::new();
    for (one, sequence) in seed.lines.iter().zip((1_i64..).map(|position| position * 10_000)) {
        made.push(line(desk, invoice, one, sequence, &account)?);
    }
    Ok(made)
}

/// The number of the first revenue account that lines can be booked on.
pub(crate) fn sales_account(company: &Company) -> Result<String, Refused> {
    let open = |account: &&Account| {
        account.category == "Income" && account.account_type == "Posting" && account.direct_posting && !account.blocked
    };
    let found = company.accounts.iter().filter(open).map(|account| account.number.clone()).min();
    found.ok_or_else(|| Refused("there is no revenue account".to_owned()))
}

fn line(desk: &mut Desk<'_>, invoice: &Invoice, seed: &SeedLine, sequence: i64, sales: &str) -> Result<Line, Refused> {
    let mut line = Line::blank(given_id(seed.id.as_deref(), desk.ids)?, sequence);
    line.description.clone_from(&seed.description);
    line.dimensions.clone_from(&seed.tracking);
    if seed.account.is_none() && seed.quantity.is_none() && seed.unit_price.is_none() {
        // Nothing but text.
        return Ok(line);
    }
    line.kind = LineType::Account;
    line.object = seed.account.clone().unwrap_or_else(|| sales.to_owned());
    let account = desk.company.account(&line.object).ok_or_else(|| Refused(format!("there is no account {}", line.object)))?;
    line.quantity = half_up(seed.quantity.unwrap_or(Decimal::ONE), UNIT_PLACES);
    line.unit_price = half_up(seed.unit_price.unwrap_or_default(), UNIT_PLACES);
    line.discount = Discount::Percent(seed.discount_percent.unwrap_or_default());
    let tax_code = seed.tax_type.clone().or_else(|| account.vat_prod_posting_group.clone()).unwrap_or_default();
    rate(desk.company, &invoice.vat_bus_posting_group, &mut line, tax_code).map_err(why)?;
    Ok(line)
}

/// Posts a payment of an invoice.
pub(crate) fn pay(desk: &mut Desk<'_>, id: Uuid, amount: Decimal, date: Date, reference: Option<&str>) -> Result<Uuid, Refused> {
    let invoice = desk.company.invoice(id).ok_or_else(|| Refused(format!("there is no document {id}")))?;
    if !invoice.status.posted() {
        return Err(Refused("only a posted invoice can be paid".to_owned()));
    }
    let (customer, number) = (invoice.customer, invoice.number.clone());
    let journal = desk.company.journals.first().map(|journal| journal.id).unwrap_or_default();
    let line = desk.company.payments.iter().map(|payment| payment.line).max().unwrap_or_default() + 10_000;
    let payment = Payment {
        id: desk.ids.uuid(),
        journal,
        line,
        customer: Some(customer),
        date,
        document_number: format!("G{line:05}"),
        external_number: reference.unwrap_or_default().to_owned(),
        amount: -half_up(amount, 2),
        applies_to: Some(id),
        description: format!("Payment of {number}"),
        comment: String::new(),
        posted: false,
        modified: desk.now,
    };
    let made = payment.id;
    desk.company.payments.push(payment);
    payment::post(desk.company, made, desk.now).map_err(Refused)?;
    Ok(made)
}

fn plant_payment(world: &mut World, seed: &SeedPayment, now: Timestamp) -> Result<state::Payment, Refused> {
    let id = parsed(&seed.document_id)?;
    let company = world.companies.iter().find(|company| company.invoice(id).is_some()).map(|company| company.id.to_string());
    let company = company.ok_or_else(|| Refused(format!("there is no document {id}")))?;
    let mut desk = at(world, Some(&company), now)?;
    let left = desk.company.invoice(id).map(Invoice::remaining).unwrap_or_default();
    let (amount, date) = (seed.amount.unwrap_or(left), seed.date.unwrap_or_else(|| day(now)));
    let mut made = pay(&mut desk, id, amount, date, seed.reference.as_deref())?;
    let given = seed.id.as_deref().map(parsed).transpose()?;
    let payment = desk.company.payments.iter_mut().find(|payment| payment.id == made);
    if let Some(payment) = payment {
        payment.comment = seed.note.clone().unwrap_or_default();
        made = given.unwrap_or(made);
        payment.id = made;
    }
    let payment = desk.company.payments.iter().find(|payment| payment.id == made);
    payment.map(|payment| paid(desk.company, payment)).ok_or_else(|| Refused("the payment is lost".to_owned()))
}
