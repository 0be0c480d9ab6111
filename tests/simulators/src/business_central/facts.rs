//! What a company says of itself: read-only sets.

use uuid::Uuid;

use super::ask::Ask;
use super::cell::{Cell, Entity, Kind, Schema, computed, etag, field};
use super::company::{Code, Company};
use super::reply::Refusal;
use crate::skeleton::answer::Reply;

static COMPANIES: Schema = Schema {
    set: "companies",
    name: "company",
    fields: &[
        field("id", Kind::Guid),
        field("systemVersion", Kind::Text),
        field("timestamp", Kind::Number),
        field("name", Kind::Text),
        field("displayName", Kind::Text),
        field("businessProfileId", Kind::Text),
        field("systemCreatedAt", Kind::Instant),
    ],
    parts: &[],
};

/// One row of `companies`.
fn company_entity(company: &Company) -> Entity {
    let cells = vec![
        Cell::Guid(company.id),
        Cell::from("27.0.0.0"),
        Cell::Number(rust_decimal::Decimal::ONE),
        Cell::from(&company.name),
        Cell::from(&company.display_name),
        Cell::from(""),
        Cell::Instant(company.created),
    ];
    Entity { schema: &COMPANIES, etag: etag(company.id, 1), cells, parts: Vec::new() }
}

/// `GET companies` of an environment.
pub(crate) fn companies<'all>(ask: &Ask, companies: impl Iterator<Item = &'all Company>) -> Result<Reply, Refusal> {
    ask.list(&COMPANIES, Uuid::nil(), companies.map(company_entity).collect())
}

/// `GET companies({id})`.
pub(crate) fn one_company(ask: &Ask, company: &Company) -> Result<Reply, Refusal> {
    ask.one(200, company.id, &company_entity(company))
}

static INFORMATION: Schema = Schema {
    set: "companyInformation",
    name: "companyInformation",
    fields: &[
        field("id", Kind::Guid),
        field("displayName", Kind::Text),
        field("addressLine1", Kind::Text),
        field("addressLine2", Kind::Text),
        field("city", Kind::Text),
        field("state", Kind::Text),
        field("country", Kind::Code(10)),
        field("postalCode", Kind::Code(20)),
        field("phoneNumber", Kind::Text),
        field("email", Kind::Text),
        field("website", Kind::Text),
        computed("taxRegistrationNumber", Kind::Text),
        computed("currencyCode", Kind::Text),
        computed("currentFiscalYearStartDate", Kind::Date),
        field("lastModifiedDateTime", Kind::Instant),
    ],
    parts: &[],
};

static LEDGER_SETUP: Schema = Schema {
    set: "generalLedgerSetup",
    name: "generalLedgerSetup",
    fields: &[
        field("id", Kind::Guid),
        field("allowPostingFrom", Kind::Date),
        field("allowPostingTo", Kind::Date),
        field("additionalReportingCurrency", Kind::Code(10)),
        field("localCurrencyCode", Kind::Code(10)),
        field("localCurrencySymbol", Kind::Text),
        field("lastModifiedDateTime", Kind::Instant),
        field("shortcutDimension1Code", Kind::Code(20)),
        field("shortcutDimension2Code", Kind::Code(20)),
    ],
    parts: &[],
};

static ACCOUNTS: Schema = Schema {
    set: "accounts",
    name: "account",
    fields: &[
        field("id", Kind::Guid),
        field("number", Kind::Code(20)),
        field("displayName", Kind::Text),
        field("category", Kind::Choice),
        field("subCategory", Kind::Text),
        field("blocked", Kind::Flag),
        field("accountType", Kind::Choice),
        field("directPosting", Kind::Flag),
        field("lastModifiedDateTime", Kind::Instant),
    ],
    parts: &[],
};

static ITEMS: Schema = Schema {
    set: "items",
    name: "item",
    fields: &[
        field("id", Kind::Guid),
        field("number", Kind::Code(20)),
        field("displayName", Kind::Text),
        field("type", Kind::Choice),
        field("blocked", Kind::Flag),
        field("unitPrice", Kind::Number),
        field("priceIncludesTax", Kind::Flag),
        field("taxGroupId", Kind::Guid),
        field("taxGroupCode", Kind::Code(20)),
        field("baseUnitOfMeasureCode", Kind::Code(10)),
        field("generalProductPostingGroupCode", Kind::Code(20)),
        field("lastModifiedDateTime", Kind::Instant),
    ],
    parts: &[],
};

const CODE_FIELDS: [super::cell::Field; 5] = [
    field("id", Kind::Guid),
    field("code", Kind::Code(20)),
    field("displayName", Kind::Text),
    field("taxType", Kind::Choice),
    field("lastModifiedDateTime", Kind::Instant),
];

static TAX_GROUPS: Schema = Schema { set: "taxGroups", name: "taxGroup", fields: &CODE_FIELDS, parts: &[] };
static TAX_AREAS: Schema = Schema { set: "taxAreas", name: "taxArea", fields: &CODE_FIELDS, parts: &[] };

static CURRENCIES: Schema = Schema {
    set: "currencies",
    name: "currency",
    fields: &[
        field("id", Kind::Guid),
        field("code", Kind::Code(10)),
        field("displayName", Kind::Text),
        field("symbol", Kind::Text),
        field("amountDecimalPlaces", Kind::Text),
        field("lastModifiedDateTime", Kind::Instant),
    ],
    parts: &[],
};

static PAYMENT_TERMS: Schema = Schema {
    set: "paymentTerms",
    name: "paymentTerm",
    fields: &[
        field("id", Kind::Guid),
        field("code", Kind::Code(10)),
        field("displayName", Kind::Text),
        field("dueDateCalculation", Kind::Text),
        field("lastModifiedDateTime", Kind::Instant),
    ],
    parts: &[],
};

static COUNTRIES: Schema = Schema {
    set: "countriesRegions",
    name: "countryRegion",
    fields: &[
        field("id", Kind::Guid),
        field("code", Kind::Code(10)),
        field("displayName", Kind::Text),
        field("lastModifiedDateTime", Kind::Instant),
    ],
    parts: &[],
};

fn entity(schema: &'static Schema, id: Uuid, cells: Vec<Cell>) -> Entity {
    Entity { schema, etag: etag(id, 1), cells, parts: Vec::new() }
}

fn tax_codes(schema: &'static Schema, company: &Company, codes: &[Code]) -> Vec<Entity> {
    let one = |code: &Code| {
        let cells = vec![
            Cell::Guid(code.id),
            Cell::from(&code.code),
            Cell::from(&code.display_name),
            Cell::Choice("VAT"),
            Cell::Instant(company.created),
        ];
        entity(schema, code.id, cells)
    };
    codes.iter().map(one).collect()
}

/// The words of a set that a seeded fact may use.
pub(crate) fn word(words: &[&'static str], text: &str) -> Option<&'static str> {
    words.iter().find(|word| **word == text).copied()
}

pub(crate) const CATEGORIES: [&str; 7] = ["Income", "Assets", "Liabilities", "Equity", "Cost of Goods Sold", "Expense", " "];
pub(crate) const ACCOUNT_TYPES: [&str; 5] = ["Posting", "Heading", "Total", "Begin-Total", "End-Total"];
pub(crate) const ITEM_TYPES: [&str; 3] = ["Inventory", "Service", "Non-Inventory"];

/// Every read-only set, whole.
fn set(company: &Company, name: &str) -> Option<(&'static Schema, Vec<Entity>)> {
    let at = Cell::Instant(company.created);
    Some(match name {
        "companyInformation" => {
            // A record of its own: its id is not the company's.
            let id = Uuid::from_u128(!company.id.as_u128());
            let cells = vec![
                Cell::Guid(id),
                Cell::from(&company.name),
                Cell::from("1 High Street"),
                Cell::from(""),
                Cell::from("Bristol"),
                Cell::from(""),
                Cell::from(&company.country),
                Cell::from("BS1 1AA"),
                Cell::from(""),
                Cell::from(""),
                Cell::from(""),
                Cell::from(&company.tax_registration),
                Cell::from(&company.currency),
                Cell::Date(Some(jiff::civil::Date::constant(2026, 1, 1))),
                at,
            ];
            (&INFORMATION, vec![entity(&INFORMATION, id, cells)])
        }
        "generalLedgerSetup" => {
            let id = Uuid::from_u128(!company.id.as_u128() ^ 1);
            let cells = vec![
                Cell::Guid(id),
                Cell::Date(company.setup.allow_posting_from),
                Cell::Date(company.setup.allow_posting_to),
                Cell::from(""),
                Cell::from(&company.currency),
                Cell::from(""),
                at,
                Cell::from(&company.dimension1.code),
                Cell::from(&company.dimension2.code),
            ];
            (&LEDGER_SETUP, vec![entity(&LEDGER_SETUP, id, cells)])
        }
        "accounts" => {
            let one = |account: &super::company::Account| {
                let cells = vec![
                    Cell::Guid(account.id),
                    Cell::from(&account.number),
                    Cell::from(&account.display_name),
                    Cell::Choice(word(&CATEGORIES, &account.category).unwrap_or(" ")),
                    Cell::from(&account.sub_category),
                    Cell::Flag(account.blocked),
                    Cell::Choice(word(&ACCOUNT_TYPES, &account.account_type).unwrap_or("Posting")),
                    Cell::Flag(account.direct_posting),
                    at.clone(),
                ];
                entity(&ACCOUNTS, account.id, cells)
            };
            let mut accounts: Vec<_> = company.accounts.iter().collect();
            accounts.sort_by(|a, b| a.number.cmp(&b.number));
            (&ACCOUNTS, accounts.into_iter().map(one).collect())
        }
        "items" => {
            let one = |item: &super::company::Item| {
                let cells = vec![
                    Cell::Guid(item.id),
                    Cell::from(&item.number),
                    Cell::from(&item.display_name),
                    Cell::Choice(word(&ITEM_TYPES, &item.kind).unwrap_or("Service")),
                    Cell::Flag(item.blocked),
                    Cell::Number(item.unit_price),
                    Cell::Flag(false),
                    // In a VAT company the tax group of an item stays blank; its VAT product group is not on the API.
                    Cell::Guid(Uuid::nil()),
                    Cell::from(""),
                    Cell::from(&item.base_unit_of_measure_code),
                    Cell::Text(item.general_product_posting_group_code.clone().unwrap_or_default()),
                    at.clone(),
                ];
                entity(&ITEMS, item.id, cells)
            };
            (&ITEMS, company.items.iter().map(one).collect())
        }
        "taxGroups" => (&TAX_GROUPS, tax_codes(&TAX_GROUPS, company, &company.tax_groups)),
        "taxAreas" => (&TAX_AREAS, tax_codes(&TAX_AREAS, company, &company.tax_areas)),
        "currencies" => {
            let one = |currency: &super::company::Currency| {
                let cells = vec![
                    Cell::Guid(currency.id),
                    Cell::from(&currency.code),
                    Cell::from(&currency.display_name),
                    Cell::from(""),
                    Cell::Text(format!("{0}:{0}", currency.places)),
                    at.clone(),
                ];
                entity(&CURRENCIES, currency.id, cells)
            };
            (&CURRENCIES, company.currencies.iter().map(one).collect())
        }
        "paymentTerms" => {
            let one = |terms: &super::company::PaymentTerms| {
                let cells = vec![
                    Cell::Guid(terms.id),
                    Cell::from(&terms.code),
                    Cell::from(&terms.display_name),
                    Cell::Text(format!("{}D", terms.days)),
                    at.clone(),
                ];
                entity(&PAYMENT_TERMS, terms.id, cells)
            };
            (&PAYMENT_TERMS, company.payment_terms.iter().map(one).collect())
        }
        "countriesRegions" => {
            let one = |country: &Code| {
                let cells = vec![Cell::Guid(country.id), Cell::from(&country.code), Cell::from(&country.display_name), at.clone()];
                entity(&COUNTRIES, country.id, cells)
            };
            (&COUNTRIES, company.countries.iter().map(one).collect())
        }
        _ => return None,
    })
}

/// `GET` of a read-only set, or of one of its entities; `None` when it is no such set.
pub(crate) fn read(company: &Company, ask: &Ask, name: &str, id: Option<Uuid>) -> Option<Result<Reply, Refusal>> {
    let (schema, entities) = set(company, name)?;
    Some(match id {
        None => ask.list(schema, company.id, entities),
        Some(id) => match entities.iter().find(|entity| entity.cells.first() == Some(&Cell::Guid(id))) {
            Some(entity) => ask.one(200, company.id, entity),
            None => Err(Refusal::not_found()),
        },
    })
}
