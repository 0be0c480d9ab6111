//! Customers (vendor notes, section 4).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ask::Ask;
use super::cell::{Cell, Entity, Field, Kind, Schema, computed, decoded, etag, field};
use super::company::{Company, Template};
use super::desk::{Desk, touched};
use super::reply::Refusal;
use crate::skeleton::answer::Reply;
use crate::skeleton::fields::Fields;

/// A customer card.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Customer {
    pub(crate) id: Uuid,
    pub(crate) number: String,
    pub(crate) display_name: String,
    pub(crate) person: bool,
    pub(crate) address: Address,
    pub(crate) phone: String,
    pub(crate) email: String,
    pub(crate) website: String,
    pub(crate) tax_liable: bool,
    pub(crate) tax_registration: String,
    /// Blank is the local currency.
    pub(crate) currency: String,
    pub(crate) payment_terms: Option<Uuid>,
    pub(crate) blocked: Blocked,
    /// Blank when no template gave it: then no invoice can be made for the customer.
    pub(crate) customer_posting_group: String,
    /// The same.
    pub(crate) gen_bus_posting_group: String,
    /// The VAT business posting group, shown as the tax area.
    pub(crate) vat_bus_posting_group: String,
    /// "Prices Including VAT" on the card; not on the API.
    pub(crate) prices_include_tax: bool,
    /// The customer it was merged into; its card is gone then.
    pub(crate) merged_into: Option<Uuid>,
    pub(crate) modified: Timestamp,
    pub(crate) version: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) line1: String,
    pub(crate) line2: String,
    pub(crate) city: String,
    pub(crate) state: String,
    pub(crate) post_code: String,
    pub(crate) country: String,
}

/// What a card is blocked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocked {
    /// Nothing.
    #[default]
    No,
    /// Shipping, and so posting.
    Ship,
    /// Invoicing.
    Invoice,
    /// Everything.
    All,
}

impl Blocked {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::No => " ",
            Self::Ship => "Ship",
            Self::Invoice => "Invoice",
            Self::All => "All",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::No, Self::Ship, Self::Invoice, Self::All].into_iter().find(|blocked| blocked.word() == word)
    }

    /// Whether no invoice may be made.
    pub(crate) fn invoicing(self) -> bool {
        matches!(self, Self::Invoice | Self::All)
    }
}

impl Customer {
    pub(crate) fn blank(id: Uuid, number: String, name: &str, now: Timestamp) -> Self {
        Self {
            id,
            number,
            display_name: name.to_owned(),
            person: false,
            address: Address::default(),
            phone: String::new(),
            email: String::new(),
            website: String::new(),
            tax_liable: false,
            tax_registration: String::new(),
            currency: String::new(),
            payment_terms: None,
            blocked: Blocked::No,
            customer_posting_group: String::new(),
            gen_bus_posting_group: String::new(),
            vat_bus_posting_group: String::new(),
            prices_include_tax: false,
            merged_into: None,
            modified: now,
            version: 1,
        }
    }

    /// What a template gives; an area that was set stays.
    pub(crate) fn apply_template(&mut self, template: &Template) {
        self.customer_posting_group.clone_from(&template.customer_posting_group);
        self.gen_bus_posting_group.clone_from(&template.gen_bus_posting_group);
        if self.vat_bus_posting_group.is_empty() {
            self.vat_bus_posting_group.clone_from(&template.vat_bus_posting_group);
        }
        self.prices_include_tax = template.prices_include_tax;
    }

    pub(crate) fn etag(&self) -> String {
        etag(self.id, self.version)
    }

    /// The card's name in messages.
    pub(crate) fn record(&self) -> String {
        format!("Customer: No.={}", self.number)
    }

    pub(crate) fn touch(&mut self, now: Timestamp) {
        self.version += 1;
        self.modified = touched(now, self.modified);
    }
}

pub(crate) static SCHEMA: Schema = Schema { set: "customers", name: "customer", fields: &FIELDS, parts: &[] };

const FIELDS: [Field; 24] = [
    field("id", Kind::Guid),
    field("number", Kind::Code(20)),
    field("displayName", Kind::Text),
    field("type", Kind::Choice),
    field("addressLine1", Kind::Text),
    field("addressLine2", Kind::Text),
    field("city", Kind::Text),
    field("state", Kind::Text),
    field("country", Kind::Code(10)),
    field("postalCode", Kind::Code(20)),
    field("phoneNumber", Kind::Text),
    field("email", Kind::Text),
    field("website", Kind::Text),
    field("taxLiable", Kind::Flag),
    field("taxAreaId", Kind::Guid),
    computed("taxAreaDisplayName", Kind::Text),
    field("taxRegistrationNumber", Kind::Text),
    field("currencyId", Kind::Guid),
    computed("currencyCode", Kind::Text),
    field("paymentTermsId", Kind::Guid),
    field("shipmentMethodId", Kind::Guid),
    field("paymentMethodId", Kind::Guid),
    field("blocked", Kind::Choice),
    field("lastModifiedDateTime", Kind::Instant),
];

pub(crate) fn entity(company: &Company, customer: &Customer) -> Entity {
    let area = company.tax_areas.iter().find(|area| area.code == customer.vat_bus_posting_group);
    let currency = company.currencies.iter().find(|currency| currency.code == customer.currency);
    let cells = vec![
        Cell::Guid(customer.id),
        Cell::from(&customer.number),
        Cell::from(&customer.display_name),
        Cell::Choice(if customer.person { "Person" } else { "Company" }),
        Cell::from(&customer.address.line1),
        Cell::from(&customer.address.line2),
        Cell::from(&customer.address.city),
        Cell::from(&customer.address.state),
        Cell::from(&customer.address.country),
        Cell::from(&customer.address.post_code),
        Cell::from(&customer.phone),
        Cell::from(&customer.email),
        Cell::from(&customer.website),
        Cell::Flag(customer.tax_liable),
        Cell::Guid(area.map(|area| area.id).unwrap_or_default()),
        Cell::Text(area.map(|area| area.display_name.clone()).unwrap_or_default()),
        Cell::from(&customer.tax_registration),
        Cell::Guid(currency.map(|currency| currency.id).unwrap_or_default()),
        Cell::Text(company.shown_currency(&customer.currency)),
        Cell::Guid(customer.payment_terms.unwrap_or_default()),
        Cell::Guid(Uuid::nil()),
        Cell::Guid(Uuid::nil()),
        Cell::Choice(customer.blocked.word()),
        Cell::Instant(customer.modified),
    ];
    Entity { schema: &SCHEMA, etag: customer.etag(), cells, parts: Vec::new() }
}

/// `GET customers`: cards that were merged into others are gone.
pub(crate) fn list(company: &Company, ask: &Ask) -> Result<Reply, Refusal> {
    let standing = company.customers.iter().filter(|customer| customer.merged_into.is_none());
    ask.list(&SCHEMA, company.id, standing.map(|customer| entity(company, customer)).collect())
}

fn standing(company: &Company, id: Uuid) -> Result<&Customer, Refusal> {
    company.customer(id).filter(|customer| customer.merged_into.is_none()).ok_or_else(Refusal::not_found)
}

/// `GET customers({id})`.
pub(crate) fn one(company: &Company, ask: &Ask, id: Uuid) -> Result<Reply, Refusal> {
    ask.one(200, company.id, &entity(company, standing(company, id)?))
}

/// `POST customers`.
pub(crate) fn create(desk: &mut Desk<'_>, ask: &Ask) -> Result<Reply, Refusal> {
    ask.json()?;
    let fields = Fields::parse(&ask.body)?;
    desk.company.permitted("customers")?;
    let name = fields.text("displayName")?.unwrap_or_default();
    if name.is_empty() {
        return Err(Refusal::dialog("A \"displayName\" must be provided."));
    }
    let number = match fields.text("number")?.filter(|number| !number.is_empty()) {
        None => desk.company.customer_number(),
        Some(number) => {
            let number = code(&number, 20)?;
            if !desk.company.setup.manual_customer_numbers {
                let message = "You may not enter numbers manually. If you want to enter numbers manually, please activate Manual Nos. in \
                               No. Series CUST.";
                return Err(Refusal::dialog(message));
            }
            if desk.company.customers.iter().any(|customer| customer.number == number) {
                return Err(same_key(&format!("The Customer already exists. Identification fields and values: No.='{number}'")));
            }
            number
        }
    };
    let mut customer = Customer::blank(desk.ids.uuid(), number, &name, desk.now);
    set(desk.company, &mut customer, &fields)?;
    if let Some(template) = &desk.company.setup.customer_template {
        customer.apply_template(template);
        if customer.payment_terms.is_none() {
            let terms = template.payment_terms.as_deref();
            customer.payment_terms = desk.company.payment_terms.iter().find(|one| Some(one.code.as_str()) == terms).map(|terms| terms.id);
        }
    }
    let reply = ask.one(201, desk.company.id, &entity(desk.company, &customer))?;
    desk.company.customers.push(customer);
    Ok(reply)
}

/// `PATCH customers({id})`: what is not sent stays.
pub(crate) fn update(desk: &mut Desk<'_>, ask: &Ask, id: Uuid) -> Result<Reply, Refusal> {
    ask.json()?;
    let mut customer = standing(desk.company, id)?.clone();
    desk.company.permitted("customers")?;
    ask.guard(&customer.etag())?;
    let fields = Fields::parse(&ask.body)?;
    if fields.text("displayName")?.is_some_and(|name| name.is_empty()) {
        return Err(Refusal::dialog("The blank \"displayName\" is not allowed."));
    }
    if let Some(number) = fields.text("number")?.filter(|number| *number != customer.number) {
        return Err(Refusal::NotModelled(format!("renumbering a customer to {number}")));
    }
    set(desk.company, &mut customer, &fields)?;
    customer.touch(desk.now);
    let reply = ask.one(200, desk.company.id, &entity(desk.company, &customer))?;
    if let Some(place) = desk.company.customers.iter_mut().find(|other| other.id == id) {
        *place = customer;
    }
    Ok(reply)
}

pub(crate) fn same_key(message: &str) -> Refusal {
    Refusal::error(400, "Internal_EntityWithSameKeyExists", message)
}

/// Text of at most so many characters.
pub(crate) fn bounded(value: String, most: usize) -> Result<String, Refusal> {
    if value.chars().count() > most { Err(Refusal::too_long(&value, most)) } else { Ok(value) }
}

/// A code: without blanks at its ends, in capitals.
pub(crate) fn code(value: &str, most: usize) -> Result<String, Refusal> {
    bounded(capitals(value.trim()), most)
}

/// Character by character: a code never grows by its capitals.
pub(crate) fn capitals(value: &str) -> String {
    let capital = |small: char| {
        let mut capitals = small.to_uppercase();
        capitals.next().filter(|_| capitals.next().is_none()).unwrap_or(small)
    };
    value.chars().map(capital).collect()
}

/// Refuses members that the type does not have, that only the service writes, or that are not modelled.
pub(crate) fn members(fields: &Fields, schema: &Schema, writable: &[&str], read_only: &[&str]) -> Result<(), Refusal> {
    // An annotation is no property.
    let mut known: Vec<&str> = writable.to_vec();
    known.push("@odata.etag");
    known.push("@odata.context");
    let Some(other) = fields.unknown(&known) else { return Ok(()) };
    if read_only.contains(&other) {
        return Err(Refusal::read_only(other));
    }
    if schema.position(other).is_some() || schema.parts.contains(&other) {
        return Err(Refusal::NotModelled(format!("writing {other} of {}", schema.set)));
    }
    let message = format!(
        "The property '{other}' does not exist on type 'Microsoft.NAV.{}'. Make sure to only use property names that are defined by the \
         type.",
        schema.name
    );
    Err(Refusal::bad_request(message))
}

const WRITABLE: [&str; 18] = [
    "number",
    "displayName",
    "type",
    "addressLine1",
    "addressLine2",
    "city",
    "state",
    "country",
    "postalCode",
    "phoneNumber",
    "email",
    "website",
    "taxLiable",
    "taxAreaId",
    "taxRegistrationNumber",
    "currencyCode",
    "paymentTermsId",
    "blocked",
];

fn set(company: &Company, customer: &mut Customer, fields: &Fields) -> Result<(), Refusal> {
    members(fields, &SCHEMA, &WRITABLE, &["id", "taxAreaDisplayName", "lastModifiedDateTime"])?;
    let text = |name: &str, most: usize| fields.text(name)?.map(|value| bounded(value, most)).transpose();
    if let Some(name) = text("displayName", 100)? {
        customer.display_name = name;
    }
    if let Some(kind) = fields.text("type")? {
        customer.person = match kind.as_str() {
            "Company" => false,
            "Person" => true,
            other => return Err(Refusal::bad_request(format!("'{other}' is not an option. The existing options are: Company,Person"))),
        };
    }
    let address = &mut customer.address;
    let places = [
        ("addressLine1", 100, &mut address.line1),
        ("addressLine2", 50, &mut address.line2),
        ("city", 30, &mut address.city),
        ("state", 30, &mut address.state),
    ];
    for (name, most, place) in places {
        if let Some(value) = text(name, most)? {
            *place = value;
        }
    }
    if let Some(value) = fields.text("postalCode")? {
        address.post_code = code(&value, 20)?;
    }
    if let Some(value) = fields.text("country")? {
        address.country = country(company, &value)?;
    }
    if let Some(phone) = text("phoneNumber", 30)? {
        if phone.chars().any(char::is_alphabetic) {
            return Err(Refusal::field("Phone No. must not contain letters in Customer."));
        }
        customer.phone = phone;
    }
    if let Some(email) = text("email", 80)? {
        if let Some(bad) = email.trim_matches(';').split(';').map(str::trim).find(|one| !email.is_empty() && !is_address(one)) {
            return Err(Refusal::dialog(format!("The email address \"{bad}\" is not valid.")));
        }
        customer.email = email;
    }
    if let Some(website) = text("website", 80)? {
        customer.website = website;
    }
    if let Some(liable) = fields.boolean("taxLiable")? {
        customer.tax_liable = liable;
    }
    if let Some(id) = fields.uuid("taxAreaId")? {
        let area = company.tax_areas.iter().find(|area| area.id == id);
        let Some(area) = area else { return Err(Refusal::relation("Tax Area ID", "Customer", &id.to_string(), "Tax Area Buffer")) };
        customer.vat_bus_posting_group.clone_from(&area.code);
    }
    if let Some(number) = text("taxRegistrationNumber", 20)? {
        let formats = &company.setup.vat_number_formats;
        if !number.is_empty() && !formats.is_empty() && !formats.iter().any(|format| fits(&number, format)) {
            let known = formats.join(", ");
            return Err(Refusal::dialog(format!("The entered VAT Registration number is not in agreement with the format: {known}")));
        }
        customer.tax_registration = number;
    }
    if let Some(value) = fields.text("currencyCode")? {
        customer.currency = currency(company, &value)?;
    }
    if let Some(id) = fields.uuid("paymentTermsId")? {
        if !id.is_nil() && !company.payment_terms.iter().any(|terms| terms.id == id) {
            return Err(Refusal::dialog("The \"paymentTermsId\" does not match to a Payment Terms."));
        }
        customer.payment_terms = Some(id).filter(|id| !id.is_nil());
    }
    if let Some(word) = fields.text("blocked")? {
        let plain = decoded(&word);
        customer.blocked = Blocked::from_word(&plain).ok_or_else(|| {
            Refusal::bad_request(format!("'{word}' is not an option. The existing options are: _x0020_,Ship,Invoice,All"))
        })?;
    }
    Ok(())
}

/// A country's code, which must be one of `countriesRegions`.
pub(crate) fn country(company: &Company, value: &str) -> Result<String, Refusal> {
    let value = code(value, 10)?;
    if value.is_empty() || company.countries.iter().any(|country| country.code == value) {
        return Ok(value);
    }
    Err(Refusal::relation("Country/Region Code", "Customer", &value, "Country/Region"))
}

/// The stored code of a currency that exists.
pub(crate) fn currency(company: &Company, value: &str) -> Result<String, Refusal> {
    let stored = company.stored_currency(&code(value, 10)?);
    if stored.is_empty() || company.currencies.iter().any(|currency| currency.code == stored) {
        return Ok(stored);
    }
    Err(Refusal::dialog("The \"currencyCode\" does not match to a Currency."))
}

/// One address as the application checks it: something, one @, a domain, no blanks.
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !text.contains([' ', ',']) && !domain.ends_with('.')
}

/// `#` stands for a digit, `@` for a letter, anything else for itself.
fn fits(number: &str, format: &str) -> bool {
    number.chars().count() == format.chars().count()
        && number.chars().zip(format.chars()).all(|(letter, mark)| match mark {
            '#' => letter.is_ascii_digit(),
            '@' => letter.is_ascii_alphabetic(),
            mark => letter == mark,
        })
}
