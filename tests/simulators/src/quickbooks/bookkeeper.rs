//! What a person does inside QuickBooks while the app is not looking: the same rules, other hands.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::company::Company;
use super::fault::Refusal;
use super::invoice::{Invoice, Line, SalesItem};
use super::invoice_write::{make_deleted, make_void, may_end};
use super::oauth;
use super::payment;
use super::person::PersonKind;
use super::price;
use super::seed::{self, NewPaymentHead};
use super::wire::day;
use super::world::World;
use crate::skeleton::controls::Refused;

/// Which line: by its position, or by its id.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Which {
    /// From 0.
    Position(usize),
    /// `Line.Id`.
    Id(String),
}

/// How a company stands with the vendor, and the connecting administrator with the company (section 7: 6190 and 120).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// As it should be.
    Good,
    /// Its subscription has ended.
    SubscriptionEnded,
    /// Who connected has no rights any more.
    RightsLost,
}

/// One action. In JSON: `{"action": "void", "document_id": "…"}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Voids an invoice; payments on it become credit.
    Void {
        /// `Id`.
        document_id: String,
    },
    /// Deletes an invoice.
    Delete {
        /// `Id`.
        document_id: String,
    },
    /// Records a payment into Undeposited Funds; what is over is credit.
    Pay {
        /// `Id`.
        document_id: String,
        /// All that is due when absent.
        #[serde(default)]
        amount: Option<Decimal>,
        /// The clock's day when absent.
        #[serde(default)]
        date: Option<Date>,
    },
    /// Deletes every payment of an invoice.
    RemovePayments {
        /// `Id`.
        document_id: String,
    },
    /// Deposits every payment of an invoice: it cannot be taken back any more (6540).
    Deposit {
        /// `Id`.
        document_id: String,
    },
    /// Changes one line; what is absent stays.
    EditLine {
        /// `Id`.
        document_id: String,
        /// Which line.
        line: Which,
        /// New text.
        #[serde(default)]
        description: Option<String>,
        /// New quantity.
        #[serde(default)]
        quantity: Option<Decimal>,
        /// New unit price.
        #[serde(default)]
        unit_price: Option<Decimal>,
        /// Id or name of the new item, or name of the account that it posts to.
        #[serde(default)]
        account: Option<String>,
        /// Id or name of the new tax code.
        #[serde(default)]
        tax_type: Option<String>,
        /// New class, as `Class: name`; an empty list takes it away.
        #[serde(default)]
        tracking: Option<Vec<String>>,
    },
    /// Adds a line of the default item, taxed as the line before it.
    AddLine {
        /// `Id`.
        document_id: String,
        /// Its text.
        description: String,
        /// Its quantity.
        quantity: Decimal,
        /// Its unit price.
        unit_price: Decimal,
    },
    /// Removes a line.
    RemoveLine {
        /// `Id`.
        document_id: String,
        /// Which line.
        line: Which,
    },
    /// Changes the head of an invoice; what is absent stays.
    EditDocument {
        /// `Id`.
        document_id: String,
        /// New due date.
        #[serde(default)]
        due_date: Option<Date>,
        /// New date.
        #[serde(default)]
        issue_date: Option<Date>,
        /// New number; empty takes it away.
        #[serde(default)]
        number: Option<String>,
        /// New `PrivateNote`; empty takes it away.
        #[serde(default)]
        note: Option<String>,
        /// New customer.
        #[serde(default)]
        contact_id: Option<String>,
    },
    /// Makes a customer inactive.
    ArchiveContact {
        /// `Id`.
        contact_id: String,
    },
    /// Makes an inactive customer active again.
    RestoreContact {
        /// `Id`.
        contact_id: String,
    },
    /// Merges a customer into another: it is gone, and its invoices and payments move over.
    MergeContact {
        /// `Id` of the one that goes.
        contact_id: String,
        /// `Id` of the one that stays.
        into: String,
    },
    /// Changes a customer; what is absent stays.
    EditContact {
        /// `Id`.
        contact_id: String,
        /// New name.
        #[serde(default)]
        name: Option<String>,
        /// New email address.
        #[serde(default)]
        email: Option<String>,
    },
    /// Makes an item inactive or active.
    SetItem {
        /// `realmId` or name.
        organisation: String,
        /// Id or name.
        item: String,
        /// Whether it can be used.
        active: bool,
    },
    /// Makes a tax code inactive or active.
    SetTaxCode {
        /// `realmId` or name.
        organisation: String,
        /// Id or name.
        tax_code: String,
        /// Whether it can be used.
        active: bool,
    },
    /// Closes the books up to a day, that day included; opens them without one.
    CloseBooks {
        /// `realmId` or name.
        organisation: String,
        /// The last closed day.
        #[serde(default)]
        until: Option<Date>,
    },
    /// The subscription ends, the administrator loses their rights, or all is well again.
    SetStanding {
        /// `realmId` or name.
        organisation: String,
        /// From now on.
        standing: Standing,
    },
    /// The user disconnects the app from a company, inside QuickBooks.
    Disconnect {
        /// `realmId` or name.
        organisation: String,
    },
}

fn no<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(why.into()))
}

fn told(refusal: Refusal) -> Refused {
    Refused(refusal.text())
}

pub(crate) fn act(world: &mut World, action: Action, now: Timestamp) -> Result<(), Refused> {
    match action {
        Action::Void { document_id } => {
            let (company, invoice) = standing(world, &document_id)?;
            make_void(company, invoice, now);
            Ok(())
        }
        Action::Delete { document_id } => {
            let (company, invoice) = found(world, &document_id)?;
            may_end(company, &invoice).map_err(told)?;
            make_deleted(company, invoice, now);
            Ok(())
        }
        Action::Pay { document_id, amount, date } => {
            let (company, invoice) = standing(world, &document_id)?;
            let head = NewPaymentHead { date: date.unwrap_or_else(|| day(now)), reference: None, note: None };
            let amount = amount.unwrap_or_else(|| invoice.balance());
            seed::pay(company, &invoice.id, &invoice.customer, amount, head, now).map(|_| ())
        }
        Action::RemovePayments { document_id } => {
            let (company, invoice) = standing(world, &document_id)?;
            for id in &invoice.payments {
                let payment = company.payment(id).map_err(told)?.clone();
                payment::end(company, payment, false, now);
            }
            Ok(())
        }
        Action::Deposit { document_id } => {
            let (company, invoice) = found(world, &document_id)?;
            for id in &invoice.payments {
                let mut payment = company.payment(id).map_err(told)?.clone();
                payment.deposited = true;
                payment.version.bump(now);
                company.payments.put(payment);
            }
            Ok(())
        }
        Action::EditLine { document_id, line, description, quantity, unit_price, account, tax_type, tracking } => {
            let edit = LineEdit { description, quantity, unit_price, account, tax_type, tracking };
            change(world, &document_id, now, |company, invoice| edit.apply(company, invoice, &line))
        }
        Action::AddLine { document_id, description, quantity, unit_price } => change(world, &document_id, now, |company, invoice| {
            let Some(item) = company.sales_item() else { return no("the company has no active item") };
            let tax_code = invoice.lines.iter().rev().find_map(|line| line.sale.as_ref()).and_then(|sale| sale.tax_code.clone());
            invoice.lines.push(Line {
                id: invoice.next_line,
                description: Some(description),
                amount: price::amount(quantity, unit_price, price::decimals(&invoice.currency)),
                sale: Some(SalesItem {
                    item: item.id.clone(),
                    class: None,
                    quantity: Some(quantity),
                    unit_price: Some(unit_price),
                    tax_code,
                    inclusive: None,
                    service_date: None,
                }),
            });
            invoice.next_line = invoice.next_line.saturating_add(1);
            Ok(())
        }),
        Action::RemoveLine { document_id, line } => change(world, &document_id, now, |_, invoice| {
            let position = position(invoice, &line)?;
            invoice.lines.remove(position);
            if invoice.lines.is_empty() { no("an invoice keeps one line at least") } else { Ok(()) }
        }),
        Action::EditDocument { document_id, due_date, issue_date, number, note, contact_id } => {
            change(world, &document_id, now, |company, invoice| {
                if let Some(contact) = contact_id {
                    if !invoice.payments.is_empty() {
                        return no("an invoice that has payments keeps its customer");
                    }
                    invoice.customer = company.person(PersonKind::Customer, &contact).map_err(told)?.id.clone();
                }
                let said = |text: String| Some(text).filter(|text| !text.is_empty());
                invoice.date = issue_date.unwrap_or(invoice.date);
                invoice.due_date = due_date.or(invoice.due_date);
                invoice.doc_number = number.map_or_else(|| invoice.doc_number.clone(), said);
                invoice.private_note = note.map_or_else(|| invoice.private_note.clone(), said);
                Ok(())
            })
        }
        Action::ArchiveContact { contact_id } => person(world, &contact_id, None, None, Some(false), now),
        Action::RestoreContact { contact_id } => person(world, &contact_id, None, None, Some(true), now),
        Action::EditContact { contact_id, name, email } => person(world, &contact_id, name, email, None, now),
        Action::MergeContact { contact_id, into } => merge(world, &contact_id, &into, now),
        Action::SetItem { organisation, item, active } => {
            let company = company(world, &organisation)?;
            let id = seed::find_item(company, &item)?.id.clone();
            for item in company.items.iter_mut().filter(|item| item.id == id) {
                item.active = active;
                item.version.bump(now);
            }
            Ok(())
        }
        Action::SetTaxCode { organisation, tax_code, active } => {
            let company = company(world, &organisation)?;
            let id = seed::find_code(company, &tax_code)?;
            for code in company.tax_codes.iter_mut().filter(|code| code.id == id) {
                code.active = active;
                code.updated = now;
            }
            Ok(())
        }
        Action::CloseBooks { organisation, until } => {
            let company = company(world, &organisation)?;
            company.preferences.accounting_info_prefs.book_close_date = until;
            company.version.bump(now);
            Ok(())
        }
        Action::SetStanding { organisation, standing } => {
            company(world, &organisation)?.standing = standing;
            Ok(())
        }
        Action::Disconnect { organisation } => {
            let realm = company(world, &organisation)?.realm.clone();
            oauth::disconnect(world, &realm);
            Ok(())
        }
    }
}

fn company<'world>(world: &'world mut World, named: &str) -> Result<&'world mut Company, Refused> {
    let realm = world.find_realm(named);
    let found = world.companies.iter_mut().find(|company| Some(&company.realm) == realm.as_ref());
    found.ok_or_else(|| Refused(format!("there is no organisation {named}")))
}

fn found<'world>(world: &'world mut World, id: &str) -> Result<(&'world mut Company, Invoice), Refused> {
    let unknown = || Refused(format!("there is no document {id}"));
    let company = world.companies.iter_mut().find(|company| company.invoice(id).is_ok()).ok_or_else(unknown)?;
    let invoice = company.invoice(id).map_err(told)?.clone();
    Ok((company, invoice))
}

/// An invoice that is not voided and whose day is open.
fn standing<'world>(world: &'world mut World, id: &str) -> Result<(&'world mut Company, Invoice), Refused> {
    let (company, invoice) = found(world, id)?;
    if invoice.voided {
        return no("a voided invoice stays as it is");
    }
    may_end(company, &invoice).map_err(told)?;
    Ok((company, invoice))
}

/// Changes one invoice and computes it again.
fn change(
    world: &mut World,
    id: &str,
    now: Timestamp,
    change: impl FnOnce(&Company, &mut Invoice) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let (company, mut invoice) = found(world, id)?;
    if invoice.voided {
        return no("a voided invoice stays as it is");
    }
    company.open_on(invoice.date).map_err(told)?;
    change(company, &mut invoice)?;
    company.open_on(invoice.date).map_err(told)?;
    invoice.compute(company).map_err(told)?;
    if invoice.total.is_sign_negative() && !invoice.total.is_zero() {
        return no("an invoice does not come to less than nothing");
    }
    if invoice.total < invoice.applied {
        may_end(company, &invoice).map_err(told)?;
    }
    invoice.version.bump(now);
    company.invoices.put(invoice);
    payment::trim(company, id, now).map_err(told)
}

fn position(invoice: &Invoice, which: &Which) -> Result<usize, Refused> {
    let found = match which {
        Which::Position(position) => Some(*position).filter(|position| *position < invoice.lines.len()),
        Which::Id(id) => invoice.lines.iter().position(|line| line.id.to_string() == *id),
    };
    found.ok_or_else(|| Refused("there is no such line".to_owned()))
}

struct LineEdit {
    description: Option<String>,
    quantity: Option<Decimal>,
    unit_price: Option<Decimal>,
    account: Option<String>,
    tax_type: Option<String>,
    tracking: Option<Vec<String>>,
}

impl LineEdit {
    fn apply(self, company: &Company, invoice: &mut Invoice, which: &Which) -> Result<(), Refused> {
        let places = price::decimals(&invoice.currency);
        let position = position(invoice, which)?;
        let Some(line) = invoice.lines.get_mut(position) else { return no("there is no such line") };
        if let Some(description) = self.description {
            line.description = Some(description).filter(|text| !text.is_empty());
        }
        let Some(sale) = &mut line.sale else {
            let more = self.quantity.is_some() || self.unit_price.is_some() || self.account.is_some() || self.tax_type.is_some();
            return if more || self.tracking.is_some() { no("a line of text has its text alone") } else { Ok(()) };
        };
        if let Some(named) = self.account {
            sale.item.clone_from(&seed::find_item(company, &named)?.id);
        }
        if let Some(named) = self.tax_type {
            sale.tax_code = Some(seed::find_code(company, &named)?);
        }
        if let Some(entries) = self.tracking {
            sale.class = seed::find_class(company, &entries)?;
        }
        if self.quantity.is_some() || self.unit_price.is_some() {
            let quantity = self.quantity.or(sale.quantity).unwrap_or(Decimal::ONE);
            let unit = self.unit_price.or(sale.unit_price).unwrap_or(line.amount);
            line.amount = price::amount(quantity, unit, places);
            (sale.quantity, sale.unit_price, sale.inclusive) = (Some(quantity), Some(unit), None);
        }
        Ok(())
    }
}

fn person(
    world: &mut World,
    id: &str,
    name: Option<String>,
    email: Option<String>,
    active: Option<bool>,
    now: Timestamp,
) -> Result<(), Refused> {
    let there = |company: &&mut Company| company.person(PersonKind::Customer, id).is_ok();
    let Some(company) = world.companies.iter_mut().find(there) else { return no(format!("there is no contact {id}")) };
    let mut person = company.person(PersonKind::Customer, id).map_err(told)?.clone();
    if let Some(name) = name {
        person.display_name = name;
    }
    if email.is_some() {
        person.email = email.filter(|email| !email.is_empty());
    }
    if let Some(active) = active {
        person.set_active(active);
    }
    if person.active {
        company.name_is_free(&person.display_name, Some(id)).map_err(told)?;
    }
    person.version.bump(now);
    company.people.put(person);
    Ok(())
}

fn merge(world: &mut World, id: &str, into: &str, now: Timestamp) -> Result<(), Refused> {
    let both = |company: &&mut Company| [id, into].iter().all(|id| company.person(PersonKind::Customer, id).is_ok());
    let Some(company) = world.companies.iter_mut().find(both).filter(|_| id != into) else {
        return no("both contacts must be there, in one organisation");
    };
    let mut gone = company.person(PersonKind::Customer, id).map_err(told)?.clone();
    let currency = company.person(PersonKind::Customer, into).map_err(told)?.currency.clone();
    if gone.currency != currency {
        return no("contacts of two currencies cannot be merged");
    }
    gone.merged_into = Some(into.to_owned());
    gone.active = false;
    gone.version.bump(now);
    company.people.put(gone);
    let moved: Vec<Invoice> = company.invoices.all().iter().filter(|invoice| invoice.customer == id).cloned().collect();
    for mut invoice in moved {
        into.clone_into(&mut invoice.customer);
        invoice.version.bump(now);
        company.invoices.put(invoice);
    }
    let moved: Vec<_> = company.payments.all().iter().filter(|payment| payment.customer == id).cloned().collect();
    for mut payment in moved {
        into.clone_into(&mut payment.customer);
        payment.version.bump(now);
        company.payments.put(payment);
    }
    Ok(())
}
