//! Queries carried out: which fields each entity can be filtered by, and what is shown.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::company::Company;
use super::facts;
use super::fault::Refusal;
use super::invoice::Invoice;
use super::item::Currency;
use super::payment::Payment;
use super::person::{Person, PersonKind};
use super::query::{Condition, Operator, Query, parse};
use super::store::folded;
use super::wire::{Version, parse_instant};

/// How a field is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    /// A number when it is one.
    Id,
    Number,
    Day,
    Instant,
    Flag,
}

/// A value to compare.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Cell {
    Absent,
    Text(String),
    Number(Decimal),
    Day(Date),
    /// To the second, as it is shown.
    Instant(i64),
    Flag(bool),
}

fn text(value: Option<&str>) -> Cell {
    value.map_or(Cell::Absent, |value| Cell::Text(folded(value)))
}

/// Ids sort as numbers: padded, so that a text comparison does.
fn id(value: &str) -> Cell {
    Cell::Text(format!("{value:0>24}"))
}

fn made(version: &Version) -> Cell {
    Cell::Instant(version.created.as_second())
}

fn changed(version: &Version) -> Cell {
    Cell::Instant(version.updated.as_second())
}

/// What a query literal means for a field of this kind.
fn literal(kind: Kind, value: &str) -> Option<Cell> {
    match kind {
        Kind::Text => Some(text(Some(value))),
        Kind::Id => Some(id(value)),
        Kind::Number => value.parse().ok().map(Cell::Number),
        Kind::Day => value.parse().ok().map(Cell::Day),
        Kind::Instant => parse_instant(value).map(|at: Timestamp| Cell::Instant(at.as_second())),
        Kind::Flag => match value.to_ascii_lowercase().as_str() {
            "true" => Some(Cell::Flag(true)),
            "false" => Some(Cell::Flag(false)),
            _ => None,
        },
    }
}

/// `%` stands for any text; nothing else does.
fn like(value: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('%');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = value.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// One kind of record, as queries see it.
trait Queried {
    /// The fields that can be filtered and sorted by; every other one answers 400.
    const FIELDS: &'static [(&'static str, Kind)];
    fn cell(&self, field: &str) -> Cell;
    /// Whether the record is shown when the query says nothing of `Active`.
    fn shown(&self) -> bool;
}

/// A condition ready to be tested.
struct Test<'query> {
    field: &'query str,
    operator: Operator,
    values: Vec<Cell>,
}

impl<'query> Test<'query> {
    fn read<T: Queried>(condition: &'query Condition) -> Result<Self, Refusal> {
        let kind = kind_of::<T>(&condition.field)?;
        if condition.operator == Operator::Like && kind != Kind::Text {
            return Err(Refusal::query(format!("QueryValidationError: LIKE cannot be used with {}", condition.field)));
        }
        let read = |value: &String| {
            literal(kind, value).ok_or_else(|| Refusal::query(format!("QueryValidationError: {value} is no value of {}", condition.field)))
        };
        let values = condition.values.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { field: &condition.field, operator: condition.operator, values })
    }

    fn passes(&self, cell: &Cell) -> bool {
        if *cell == Cell::Absent {
            return false;
        }
        self.values.iter().any(|value| match (self.operator, cell, value) {
            (Operator::Like, Cell::Text(cell), Cell::Text(pattern)) => like(cell, pattern),
            (Operator::Like, ..) => false,
            (Operator::Equals | Operator::In, cell, value) => cell == value,
            (Operator::Less, cell, value) => cell < value,
            (Operator::Greater, cell, value) => cell > value,
            (Operator::AtMost, cell, value) => cell <= value,
            (Operator::AtLeast, cell, value) => cell >= value,
        })
    }
}

fn kind_of<T: Queried>(field: &str) -> Result<Kind, Refusal> {
    let found = T::FIELDS.iter().find(|(name, _)| *name == field);
    found.map(|(_, kind)| *kind).ok_or_else(|| Refusal::query(format!("QueryValidationError: Property {field} is not queryable")))
}

fn rows<'all, T: Queried>(query: &Query, all: impl Iterator<Item = &'all T>) -> Result<Vec<&'all T>, Refusal> {
    let tests = query.conditions.iter().map(Test::read::<T>).collect::<Result<Vec<_>, _>>()?;
    for (field, _) in &query.order {
        kind_of::<T>(field)?;
    }
    let asks_active = query.conditions.iter().any(|condition| condition.field == "Active");
    let mut found: Vec<&T> = all
        .filter(|record| asks_active || record.shown())
        .filter(|record| tests.iter().all(|test| test.passes(&record.cell(test.field))))
        .collect();
    // Without ORDERBY the order is that of making; the vendor promises none.
    found.sort_by(|a, b| {
        let by = |(field, descending): &(String, bool)| {
            let order = a.cell(field).partial_cmp(&b.cell(field)).unwrap_or(Ordering::Equal);
            if *descending { order.reverse() } else { order }
        };
        query.order.iter().map(by).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
    Ok(found)
}

impl Queried for Person {
    const FIELDS: &'static [(&'static str, Kind)] = &[
        ("Id", Kind::Id),
        ("DisplayName", Kind::Text),
        ("FullyQualifiedName", Kind::Text),
        ("CompanyName", Kind::Text),
        ("GivenName", Kind::Text),
        ("FamilyName", Kind::Text),
        ("PrimaryEmailAddr", Kind::Text),
        ("Active", Kind::Flag),
        ("MetaData.CreateTime", Kind::Instant),
        ("MetaData.LastUpdatedTime", Kind::Instant),
    ];

    fn cell(&self, field: &str) -> Cell {
        match field {
            "Id" => id(&self.id),
            "DisplayName" | "FullyQualifiedName" => text(Some(&self.display_name)),
            "CompanyName" => text(self.company_name.as_deref()),
            "GivenName" => text(self.given_name.as_deref()),
            "FamilyName" => text(self.family_name.as_deref()),
            "PrimaryEmailAddr" => text(self.email.as_deref()),
            "Active" => Cell::Flag(self.active),
            "MetaData.CreateTime" => made(&self.version),
            "MetaData.LastUpdatedTime" => changed(&self.version),
            _ => Cell::Absent,
        }
    }

    fn shown(&self) -> bool {
        self.active
    }
}

impl Queried for Invoice {
    // Not among them: BillEmail and PrivateNote (section 3, "List by contact email").
    const FIELDS: &'static [(&'static str, Kind)] = &[
        ("Id", Kind::Id),
        ("DocNumber", Kind::Text),
        ("TxnDate", Kind::Day),
        ("DueDate", Kind::Day),
        ("CustomerRef", Kind::Id),
        ("TotalAmt", Kind::Number),
        ("Balance", Kind::Number),
        ("MetaData.CreateTime", Kind::Instant),
        ("MetaData.LastUpdatedTime", Kind::Instant),
    ];

    fn cell(&self, field: &str) -> Cell {
        match field {
            "Id" => id(&self.id),
            "DocNumber" => text(self.doc_number.as_deref()),
            "TxnDate" => Cell::Day(self.date),
            "DueDate" => self.due_date.map_or(Cell::Absent, Cell::Day),
            "CustomerRef" => id(&self.customer),
            "TotalAmt" => Cell::Number(self.total),
            "Balance" => Cell::Number(self.balance()),
            "MetaData.CreateTime" => made(&self.version),
            "MetaData.LastUpdatedTime" => changed(&self.version),
            _ => Cell::Absent,
        }
    }

    fn shown(&self) -> bool {
        true
    }
}

impl Queried for Payment {
    const FIELDS: &'static [(&'static str, Kind)] = &[
        ("Id", Kind::Id),
        ("TxnDate", Kind::Day),
        ("CustomerRef", Kind::Id),
        ("TotalAmt", Kind::Number),
        ("MetaData.CreateTime", Kind::Instant),
        ("MetaData.LastUpdatedTime", Kind::Instant),
    ];

    fn cell(&self, field: &str) -> Cell {
        match field {
            "Id" => id(&self.id),
            "TxnDate" => Cell::Day(self.date),
            "CustomerRef" => id(&self.customer),
            "TotalAmt" => Cell::Number(self.total),
            "MetaData.CreateTime" => made(&self.version),
            "MetaData.LastUpdatedTime" => changed(&self.version),
            _ => Cell::Absent,
        }
    }

    fn shown(&self) -> bool {
        true
    }
}

macro_rules! listed {
    ($type:ty, $($more:literal => $value:expr),*) => {
        impl Queried for $type {
            const FIELDS: &'static [(&'static str, Kind)] =
                &[("Id", Kind::Id), ("Name", Kind::Text), ("Active", Kind::Flag), $(($more, Kind::Text)),*];

            fn cell(&self, field: &str) -> Cell {
                match field {
                    "Id" => id(&self.id),
                    "Name" => text(Some(&self.name)),
                    "Active" => Cell::Flag(self.active),
                    $($more => { let value: fn(&Self) -> &str = $value; text(Some(value(self))) })*
                    _ => Cell::Absent,
                }
            }

            fn shown(&self) -> bool {
                self.active
            }
        }
    };
}

listed!(super::item::Item, "Type" => |item| &item.kind);
listed!(
    super::item::Account,
    "AccountType" => |account| &account.account_type,
    "AccountSubType" => |account| &account.account_sub_type,
    "Classification" => |account| &account.classification
);
listed!(super::item::Class,);
listed!(Currency, "Code" => |currency| &currency.code);
listed!(super::tax::TaxRate,);
listed!(super::tax::TaxCode,);

/// A record as JSON text.
pub(crate) fn raw(view: &impl Serialize) -> Result<Box<RawValue>, Refusal> {
    to_raw_value(view).map_err(|error| Refusal::NotModelled(format!("a record that cannot be shown: {error}")))
}

/// `QueryResponse`: the page of what was found.
fn page<T>(query: &Query, found: &[T], show: impl Fn(&T) -> Result<Box<RawValue>, Refusal>) -> Result<String, Refusal> {
    if query.count {
        return Ok(format!("{{\"totalCount\":{}}}", found.len()));
    }
    let shown = found.iter().skip(query.start - 1).take(query.most).map(show).collect::<Result<Vec<_>, _>>()?;
    if shown.is_empty() {
        return Ok("{}".to_owned());
    }
    let list = raw(&shown)?;
    Ok(format!("{{\"{}\":{list},\"startPosition\":{},\"maxResults\":{}}}", query.entity, query.start, shown.len()))
}

fn people(company: &Company, query: &Query, kind: PersonKind) -> Result<String, Refusal> {
    let there = |person: &&Person| person.kind == kind && person.merged_into.is_none();
    let found = match query.equals("DisplayName") {
        Some(name) => rows(query, company.people.by_key(name).filter(there))?,
        None => rows(query, company.people.all().iter().filter(there))?,
    };
    page(query, &found, |person| raw(&person.view()))
}

/// Carries out a query and answers the text of `QueryResponse`.
pub(crate) fn run(company: &Company, text: &str) -> Result<String, Refusal> {
    let query = parse(text)?;
    match query.entity.as_str() {
        "Customer" => people(company, &query, PersonKind::Customer),
        "Vendor" => people(company, &query, PersonKind::Vendor),
        "Employee" => people(company, &query, PersonKind::Employee),
        "Invoice" => {
            let there = |invoice: &&Invoice| !invoice.deleted;
            let found = match query.equals("DocNumber") {
                Some(number) => rows(&query, company.invoices.by_key(number).filter(there))?,
                None => rows(&query, company.invoices.all().iter().filter(there))?,
            };
            page(&query, &found, |invoice| raw(&invoice.view(company)))
        }
        "Payment" => {
            let found = rows(&query, company.payments.all().iter().filter(|payment| !payment.deleted))?;
            page(&query, &found, |payment| raw(&payment.view(company)))
        }
        "Item" => page(&query, &rows(&query, company.items.iter())?, |item| raw(&item.view(company))),
        "Account" => page(&query, &rows(&query, company.accounts.iter())?, |account| raw(&account.view(company))),
        "Class" => page(&query, &rows(&query, company.classes.iter())?, |class| raw(&class.view())),
        "TaxRate" => page(&query, &rows(&query, company.tax_rates.iter())?, |rate| raw(&rate.view())),
        "TaxCode" => page(&query, &rows(&query, company.tax_codes.iter())?, |code| raw(&code.view(&company.tax_rates))),
        "CompanyCurrency" => {
            let all = Currency::of(company);
            page(&query, &rows(&query, all.iter())?, |currency| raw(&currency.view()))
        }
        "CompanyInfo" | "Preferences" => {
            if !query.conditions.is_empty() || !query.order.is_empty() {
                return Err(Refusal::NotModelled(format!("conditions on {}", query.entity)));
            }
            let only = if query.entity == "CompanyInfo" { company.info() } else { facts::preferences(company) };
            page(&query, &[only], raw)
        }
        // Entities are case-sensitive (section 2). Some that exist are not modelled; all others are errors of the query.
        "Estimate" | "CreditMemo" | "SalesReceipt" | "Bill" | "Term" | "Department" | "PaymentMethod" | "JournalEntry" | "Purchase"
        | "Deposit" | "RefundReceipt" | "TaxAgency" | "ExchangeRate" | "Transfer" | "TimeActivity" => {
            Err(Refusal::NotModelled(format!("queries of {}", query.entity)))
        }
        other => Err(Refusal::query(format!("QueryValidationError: Invalid context declaration: {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn percent_alone_is_a_wildcard() {
        for (value, pattern, fits) in [
            ("acme ltd", "acme%", true),
            ("acme ltd", "%ltd", true),
            ("acme ltd", "%me l%", true),
            ("acme ltd", "acme", false),
            ("acme ltd", "a%e%d", true),
            ("acme ltd", "a_me ltd", false),
            ("aa", "a%a%a", false),
            ("acme", "%", true),
        ] {
            assert_eq!(like(value, pattern), fits, "{value} {pattern}");
        }
    }
}
