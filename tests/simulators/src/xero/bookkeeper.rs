//! What a person does inside Xero while the app is not looking: the same rules, other hands.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::contact::{Contact, ContactStatus, touched};
use super::invoice::{Invoice, Line, Status};
use super::invoice_write::finish;
use super::organisation::Organisation;
use super::payment;
use super::seed;
use super::world::World;
use crate::skeleton::controls::Refused;
use crate::skeleton::ids::Ids;
use crate::skeleton::number::half_up;

/// Which line: by its position, or by its id.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Which {
    /// From 0.
    Position(usize),
    /// `LineItemID`.
    Id(String),
}

/// One action. In JSON: `{"action": "void", "document_id": "…"}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Voids an approved invoice.
    Void {
        /// `InvoiceID`.
        document_id: String,
    },
    /// Approves a draft or submitted invoice.
    Approve {
        /// `InvoiceID`.
        document_id: String,
    },
    /// Deletes a draft or submitted invoice.
    Delete {
        /// `InvoiceID`.
        document_id: String,
    },
    /// Records a payment into the first account that takes payments.
    Pay {
        /// `InvoiceID`.
        document_id: String,
        /// All that is due when absent.
        #[serde(default)]
        amount: Option<Decimal>,
        /// The clock's day when absent.
        #[serde(default)]
        date: Option<Date>,
    },
    /// Removes every payment of an invoice.
    RemovePayments {
        /// `InvoiceID`.
        document_id: String,
    },
    /// Changes one line; what is absent stays.
    EditLine {
        /// `InvoiceID`.
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
        /// Code of the new account.
        #[serde(default)]
        account: Option<String>,
        /// New tax code.
        #[serde(default)]
        tax_type: Option<String>,
        /// New tracking entries, `category: option` each.
        #[serde(default)]
        tracking: Option<Vec<String>>,
    },
    /// Adds a line on the first sales account.
    AddLine {
        /// `InvoiceID`.
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
        /// `InvoiceID`.
        document_id: String,
        /// Which line.
        line: Which,
    },
    /// Changes the head of an invoice; what is absent stays.
    EditDocument {
        /// `InvoiceID`.
        document_id: String,
        /// New due date.
        #[serde(default)]
        due_date: Option<Date>,
        /// New date.
        #[serde(default)]
        issue_date: Option<Date>,
        /// New reference.
        #[serde(default)]
        reference: Option<String>,
        /// New number.
        #[serde(default)]
        number: Option<String>,
        /// New contact.
        #[serde(default)]
        contact_id: Option<String>,
    },
    /// Archives a contact.
    ArchiveContact {
        /// `ContactID`.
        contact_id: String,
    },
    /// Merges a contact into another: it is archived, and its invoices move over.
    MergeContact {
        /// `ContactID` of the one that goes.
        contact_id: String,
        /// `ContactID` of the one that stays.
        into: String,
    },
    /// Changes a contact; what is absent stays.
    EditContact {
        /// `ContactID`.
        contact_id: String,
        /// New name.
        #[serde(default)]
        name: Option<String>,
        /// New email address.
        #[serde(default)]
        email: Option<String>,
        /// New number under which other systems know it.
        #[serde(default)]
        number: Option<String>,
    },
    /// The user disconnects the app from an organisation, inside Xero.
    Disconnect {
        /// Id or name.
        organisation: String,
    },
}

fn no<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(why.into()))
}

pub(crate) fn act(world: &mut World, action: Action, now: Timestamp) -> Result<(), Refused> {
    match action {
        Action::Void { document_id } => head(world, &document_id, now, |organisation, invoice| match invoice.status {
            Status::Authorised if organisation.standing_payments(invoice.id).next().is_none() => {
                invoice.status = Status::Voided;
                Ok(())
            }
            Status::Authorised | Status::Draft | Status::Submitted | Status::Paid | Status::Voided | Status::Deleted => {
                no("only an approved invoice without payments can be voided")
            }
        }),
        Action::Approve { document_id } => head(world, &document_id, now, |_, invoice| match invoice.status {
            Status::Draft | Status::Submitted if invoice.due_date.is_some() && !invoice.lines.is_empty() => {
                invoice.status = Status::Authorised;
                Ok(())
            }
            Status::Draft | Status::Submitted | Status::Authorised | Status::Paid | Status::Voided | Status::Deleted => {
                no("only a draft with a due date and lines can be approved")
            }
        }),
        Action::Delete { document_id } => head(world, &document_id, now, |_, invoice| match invoice.status {
            Status::Draft | Status::Submitted => {
                invoice.status = Status::Deleted;
                Ok(())
            }
            Status::Authorised | Status::Paid | Status::Voided | Status::Deleted => no("only a draft can be deleted"),
        }),
        Action::Pay { document_id, amount, date } => {
            let (organisation, ids, invoice) = find(world, &document_id)?;
            let due = invoice.total - organisation.paid(invoice.id);
            let date = date.unwrap_or_else(|| now.to_zoned(TimeZone::UTC).date());
            seed::pay(organisation, ids, now, invoice.id, amount.unwrap_or(due), date, None).map(|_| ())
        }
        Action::RemovePayments { document_id } => remove_payments(world, &document_id, now),
        Action::EditLine { document_id, line, description, quantity, unit_price, account, tax_type, tracking } => {
            let edit = LineEdit { description, quantity, unit_price, account, tax_type, tracking };
            head(world, &document_id, now, |organisation, invoice| edit.apply(organisation, invoice, &line))
        }
        Action::AddLine { document_id, description, quantity, unit_price } => {
            let id = world.common.ids.uuid();
            head(world, &document_id, now, |organisation, invoice| {
                amendable(organisation, invoice)?;
                let account = organisation.sales_account();
                invoice.lines.push(Line {
                    id,
                    description,
                    quantity: Some(half_up(quantity, 4)),
                    unit_amount: Some(half_up(unit_price, 4)),
                    discount_rate: None,
                    discount_amount: None,
                    account_code: account.and_then(|account| account.code.clone()),
                    tax_type: account.map(|account| account.tax_type.clone()),
                    line_amount: Decimal::ZERO,
                    tax_amount: Decimal::ZERO,
                    tax_override: false,
                    tracking: Vec::new(),
                });
                Ok(())
            })
        }
        Action::RemoveLine { document_id, line } => head(world, &document_id, now, |organisation, invoice| {
            amendable(organisation, invoice)?;
            let position = position(invoice, &line)?;
            invoice.lines.remove(position);
            Ok(())
        }),
        Action::EditDocument { document_id, due_date, issue_date, reference, number, contact_id } => {
            head(world, &document_id, now, |organisation, invoice| {
                if issue_date.is_some() {
                    amendable(organisation, invoice)?;
                }
                if let Some(number) = number {
                    if organisation.invoices.by_number(&number).is_some_and(|other| other.id != invoice.id) {
                        return no(format!("the number {number} is taken"));
                    }
                    invoice.number = number;
                }
                if let Some(contact) = contact_id {
                    let known = Uuid::parse_str(&contact).ok().and_then(|id| organisation.contacts.get(id));
                    invoice.contact = known.map(|contact| contact.id).ok_or_else(|| Refused(format!("there is no contact {contact}")))?;
                }
                invoice.date = issue_date.unwrap_or(invoice.date);
                invoice.due_date = due_date.or(invoice.due_date);
                invoice.reference = reference.unwrap_or_else(|| std::mem::take(&mut invoice.reference));
                Ok(())
            })
        }
        Action::ArchiveContact { contact_id } => contact(world, &contact_id, now, |_, contact| {
            contact.status = ContactStatus::Archived;
            Ok(())
        }),
        Action::MergeContact { contact_id, into } => merge(world, &contact_id, &into, now),
        Action::EditContact { contact_id, name, email, number } => contact(world, &contact_id, now, |organisation, contact| {
            if let Some(name) = name {
                if organisation.contacts.by_active_name(&name).is_some_and(|other| other.id != contact.id) {
                    return no(format!("an active contact is named {name} already"));
                }
                contact.name = name;
            }
            if let Some(number) = number {
                if organisation.contacts.by_number(&number).is_some_and(|other| other.id != contact.id) {
                    return no(format!("a contact has the number {number} already"));
                }
                contact.number = Some(number);
            }
            contact.email = email.unwrap_or_else(|| std::mem::take(&mut contact.email));
            Ok(())
        }),
        Action::Disconnect { organisation } => {
            let Some(id) = world.find_organisation(&organisation) else { return no(format!("there is no organisation {organisation}")) };
            world.connections.retain(|connection| connection.tenant != id);
            Ok(())
        }
    }
}

fn find<'world>(world: &'world mut World, id: &str) -> Result<(&'world mut Organisation, &'world mut Ids, Invoice), Refused> {
    let unknown = || Refused(format!("there is no document {id}"));
    let id = Uuid::parse_str(id).map_err(|_| unknown())?;
    let holder = world.organisations.iter_mut().find(|organisation| organisation.invoices.get(id).is_some());
    let organisation = holder.ok_or_else(unknown)?;
    let invoice = organisation.invoices.get(id).cloned().ok_or_else(unknown)?;
    Ok((organisation, &mut world.common.ids, invoice))
}

/// Changes one invoice that is neither voided nor deleted nor locked, and computes it again.
fn head(
    world: &mut World,
    id: &str,
    now: Timestamp,
    change: impl FnOnce(&Organisation, &mut Invoice) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let (organisation, _, mut invoice) = find(world, id)?;
    if matches!(invoice.status, Status::Voided | Status::Deleted) {
        return no("a voided or deleted invoice cannot be changed");
    }
    if let Some(message) = organisation.lock_message(invoice.date) {
        return no(message);
    }
    change(organisation, &mut invoice)?;
    invoice.updated = touched(now, invoice.updated);
    finish(organisation, &mut invoice);
    organisation.invoices.put(invoice);
    Ok(())
}

/// Amounts can change only while nothing is paid.
fn amendable(organisation: &Organisation, invoice: &Invoice) -> Result<(), Refused> {
    match organisation.standing_payments(invoice.id).next() {
        None => Ok(()),
        Some(_) => no("an invoice with payments keeps its amounts"),
    }
}

fn position(invoice: &Invoice, which: &Which) -> Result<usize, Refused> {
    let found = match which {
        Which::Position(position) => Some(*position).filter(|position| *position < invoice.lines.len()),
        Which::Id(id) => invoice.lines.iter().position(|line| line.id.to_string().eq_ignore_ascii_case(id)),
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
    fn apply(self, organisation: &Organisation, invoice: &mut Invoice, which: &Which) -> Result<(), Refused> {
        if self.quantity.is_some() || self.unit_price.is_some() || self.tax_type.is_some() {
            amendable(organisation, invoice)?;
        }
        let position = position(invoice, which)?;
        let Some(line) = invoice.lines.get_mut(position) else { return no("there is no such line") };
        if let Some(code) = self.account {
            if organisation.account(Some(&code), None).is_none_or(|account| !account.takes_lines()) {
                return no(format!("no line can be booked on account {code}"));
            }
            line.account_code = Some(code);
        }
        if let Some(tax_type) = self.tax_type {
            if organisation.tax_rate(&tax_type).is_none() {
                return no(format!("there is no active tax rate {tax_type}"));
            }
            line.tax_type = Some(tax_type);
            line.tax_override = false;
        }
        if let Some(entries) = self.tracking {
            line.tracking = entries.iter().map(|entry| seed::tracking(organisation, entry)).collect::<Result<_, _>>()?;
        }
        if let Some(description) = self.description {
            line.description = description;
        }
        if self.quantity.is_some() || self.unit_price.is_some() {
            line.quantity = self.quantity.map(|quantity| half_up(quantity, 4)).or(line.quantity);
            line.unit_amount = self.unit_price.map(|unit| half_up(unit, 4)).or(line.unit_amount);
            line.tax_override = false;
        }
        Ok(())
    }
}

fn remove_payments(world: &mut World, id: &str, now: Timestamp) -> Result<(), Refused> {
    let (organisation, _, invoice) = find(world, id)?;
    let payments: Vec<Uuid> = organisation.standing_payments(invoice.id).map(|payment| payment.id).collect();
    for id in payments {
        match payment::delete(organisation, now, id) {
            Ok(Ok(())) => {}
            Ok(Err(faults)) => return no(faults.join(" ")),
            Err(_) => return no("the payment cannot be deleted"),
        }
    }
    Ok(())
}

fn contact(
    world: &mut World,
    id: &str,
    now: Timestamp,
    change: impl FnOnce(&Organisation, &mut Contact) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let unknown = || Refused(format!("there is no contact {id}"));
    let id = Uuid::parse_str(id).map_err(|_| unknown())?;
    let holder = world.organisations.iter_mut().find(|organisation| organisation.contacts.get(id).is_some());
    let organisation = holder.ok_or_else(unknown)?;
    let mut changed = organisation.contacts.get(id).cloned().ok_or_else(unknown)?;
    change(organisation, &mut changed)?;
    changed.updated = touched(now, changed.updated);
    organisation.contacts.put(changed);
    Ok(())
}

fn merge(world: &mut World, id: &str, into: &str, now: Timestamp) -> Result<(), Refused> {
    let unknown = || Refused(format!("there is no contact {into}"));
    let target = Uuid::parse_str(into).map_err(|_| unknown())?;
    contact(world, id, now, |organisation, contact| match organisation.contacts.get(target) {
        Some(other) if other.status == ContactStatus::Active && other.id != contact.id => {
            contact.status = ContactStatus::Archived;
            contact.merged_to = Some(target);
            Ok(())
        }
        _ => Err(unknown()),
    })?;
    let source = Uuid::parse_str(id).map_err(|_| unknown())?;
    for organisation in world.organisations.iter_mut().filter(|organisation| organisation.contacts.get(target).is_some()) {
        let moved: Vec<Invoice> = organisation.invoices.all().iter().filter(|invoice| invoice.contact == source).cloned().collect();
        for invoice in moved {
            let updated = touched(now, invoice.updated);
            organisation.invoices.put(Invoice { contact: target, updated, ..invoice });
        }
    }
    Ok(())
}
