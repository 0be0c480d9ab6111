//! What a person does inside Sage while the app is not looking: the same rules, other hands.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::business::Business;
use super::contact::{Contact, Person};
use super::invoice::{Invoice, Line, Status};
use super::invoice_write::{release_draft, unlocked, void_or_delete};
use super::payment;
use super::price::{self, Discount};
use super::seed::{Receipt, day, pay, why};
use super::world::World;
use crate::skeleton::controls::Refused;
use crate::skeleton::ids::Ids;

/// Which line: by its position, or by its id.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Which {
    /// From 0.
    Position(usize),
    /// The line's `id`.
    Id(String),
}

/// One action. In JSON: `{"action": "void", "document_id": "…"}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Voids an unpaid invoice.
    Void {
        /// The invoice's `id`.
        document_id: String,
        /// `Voided in Sage` when absent.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Releases a draft.
    #[serde(alias = "release")]
    Approve {
        /// The invoice's `id`.
        document_id: String,
    },
    /// Deletes a draft.
    Delete {
        /// The invoice's `id`.
        document_id: String,
    },
    /// Records a receipt into the first bank account of the invoice's currency.
    Pay {
        /// The invoice's `id`.
        document_id: String,
        /// All that is outstanding when absent.
        #[serde(default)]
        amount: Option<Decimal>,
        /// The clock's day when absent.
        #[serde(default)]
        date: Option<Date>,
    },
    /// Removes every payment of an invoice.
    RemovePayments {
        /// The invoice's `id`.
        document_id: String,
    },
    /// Changes one line; what is absent stays. The tax follows, as Sage's own pages do it.
    EditLine {
        /// The invoice's `id`.
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
        /// Nominal code or id of the new ledger account.
        #[serde(default)]
        account: Option<String>,
        /// Id of the new tax rate.
        #[serde(default)]
        tax_type: Option<String>,
    },
    /// Adds a line on the first sales account, at the first sales rate.
    AddLine {
        /// The invoice's `id`.
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
        /// The invoice's `id`.
        document_id: String,
        /// Which line.
        line: Which,
    },
    /// Changes the head of an invoice; what is absent stays.
    EditDocument {
        /// The invoice's `id`.
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
        /// New contact.
        #[serde(default)]
        contact_id: Option<String>,
    },
    /// Files the tax return that an issued invoice is in: it can be edited no more.
    FileTaxReturn {
        /// The invoice's `id`.
        document_id: String,
    },
    /// Makes a contact inactive.
    #[serde(alias = "deactivate_contact")]
    ArchiveContact {
        /// The contact's `id`.
        contact_id: String,
    },
    /// Deletes a contact that nothing refers to.
    DeleteContact {
        /// The contact's `id`.
        contact_id: String,
    },
    /// Changes a contact; what is absent stays.
    EditContact {
        /// The contact's `id`.
        contact_id: String,
        /// New name.
        #[serde(default)]
        name: Option<String>,
        /// New email address of the main contact person.
        #[serde(default)]
        email: Option<String>,
        /// New reference.
        #[serde(default)]
        number: Option<String>,
    },
    /// Sets or lifts the year end lockdown.
    Lock {
        /// Id or name.
        organisation: String,
        /// Nothing dated on or before it can be written; none when absent.
        #[serde(default)]
        date: Option<Date>,
    },
    /// The user takes the app's access away, inside Sage: their grants and access tokens end.
    Disconnect {
        /// Id or name: every user who reaches it.
        organisation: String,
    },
    /// A business takes its users out; their tokens live on, for what else they reach.
    RemoveUsers {
        /// Id or name.
        organisation: String,
    },
    /// Another business becomes the one that answers when a call names none.
    ChangeLead {
        /// Id or name: of every user who reaches it.
        organisation: String,
    },
    /// The trial or subscription of a business ends, or begins again.
    Subscription {
        /// Id or name.
        organisation: String,
        /// Whether it runs.
        active: bool,
    },
}

fn no<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(why.into()))
}

pub(crate) fn act(world: &mut World, action: Action, now: Timestamp) -> Result<(), Refused> {
    match action {
        Action::Void { document_id, reason } => document(world, &document_id, now, |business, _, invoice| {
            if invoice.status == Status::Draft {
                return no("a draft is deleted, not voided");
            }
            void_or_delete(business, invoice, Some(reason.as_deref().unwrap_or("Voided in Sage")), now).map_err(why)
        }),
        Action::Delete { document_id } => document(world, &document_id, now, |business, _, invoice| match invoice.status {
            Status::Draft => void_or_delete(business, invoice, None, now).map_err(why),
            Status::Unpaid | Status::PartPaid | Status::Paid | Status::Void => no("only a draft can be deleted"),
        }),
        Action::Approve { document_id } => {
            document(world, &document_id, now, |business, _, invoice| release_draft(business, invoice, now).map_err(why))
        }
        Action::Pay { document_id, amount, date } => {
            let (business, ids, invoice) = find(world, &document_id)?;
            let amount = amount.unwrap_or_else(|| invoice.outstanding(business));
            let receipt = Receipt { invoice: invoice.id, amount, date: date.unwrap_or_else(|| day(now)), reference: None };
            pay(business, ids, now, &receipt).map(|_| ())
        }
        Action::RemovePayments { document_id } => {
            let (business, _, invoice) = find(world, &document_id)?;
            let payments: Vec<Uuid> = business.allocations(invoice.id).map(|(payment, _)| payment.id).collect();
            payments.into_iter().try_for_each(|id| payment::remove(business, id, now)).map_err(why)
        }
        Action::EditLine { document_id, line, description, quantity, unit_price, account, tax_type } => {
            let edit = LineEdit { description, quantity, unit_price, account, tax_type };
            editable(world, &document_id, now, |business, _, invoice| edit.apply(business, invoice, &line))
        }
        Action::AddLine { document_id, description, quantity, unit_price } => {
            editable(world, &document_id, now, |business, ids, invoice| {
                let Some(account) = business.sales_account() else { return no("there is no sales account") };
                let rate = business.usable_tax_rates().find(|rate| rate.is_for_sales());
                let mut line = Line {
                    id: ids.uuid(),
                    description,
                    ledger_account: account.id,
                    quantity,
                    unit_price,
                    unit_price_includes_tax: false,
                    tax_rate: rate.map(|rate| rate.id.clone()),
                    tax_amount: Decimal::ZERO,
                    discount: Discount::None,
                };
                fill_in_tax(business, invoice.date, &mut line);
                invoice.lines.push(line);
                Ok(())
            })
        }
        Action::RemoveLine { document_id, line } => editable(world, &document_id, now, |_, _, invoice| {
            let position = position(invoice, &line)?;
            if invoice.lines.len() == 1 {
                return no("an invoice keeps a line");
            }
            invoice.lines.remove(position);
            Ok(())
        }),
        Action::EditDocument { document_id, due_date, issue_date, reference, contact_id } => {
            editable(world, &document_id, now, |business, _, invoice| {
                if let Some(text) = contact_id {
                    let contact = Uuid::try_parse(&text).ok().and_then(|id| business.contacts.get(id));
                    let contact = contact.ok_or_else(|| Refused(format!("there is no contact {text}")))?;
                    invoice.contact = contact.id;
                    invoice.contact_name.clone_from(&contact.name);
                }
                invoice.date = issue_date.unwrap_or(invoice.date);
                unlocked(business, invoice.date, &mut Vec::new()).map_err(why)?;
                invoice.due_date = due_date.unwrap_or(invoice.due_date);
                invoice.reference = reference.or_else(|| invoice.reference.take());
                Ok(())
            })
        }
        Action::FileTaxReturn { document_id } => document(world, &document_id, now, |_, _, invoice| match invoice.status {
            Status::Unpaid | Status::PartPaid | Status::Paid => {
                invoice.tax_reconciled = true;
                Ok(())
            }
            Status::Draft | Status::Void => no("only an issued invoice is in a tax return"),
        }),
        Action::ArchiveContact { contact_id } => contact(world, &contact_id, now, |_, _, contact| {
            contact.is_active = false;
            Ok(())
        }),
        Action::DeleteContact { contact_id } => contact(world, &contact_id, now, |business, _, contact| {
            if contact.system || business.invoices.all().iter().any(|invoice| invoice.contact == contact.id && invoice.deleted.is_none()) {
                return no("a contact with transactions, or one of Sage's own, cannot be deleted".to_owned());
            }
            contact.deleted = Some(now);
            Ok(())
        }),
        Action::EditContact { contact_id, name, email, number } => contact(world, &contact_id, now, |business, ids, contact| {
            contact.name = name.unwrap_or_else(|| std::mem::take(&mut contact.name));
            if let Some(email) = email {
                let person = contact.person.get_or_insert_with(|| Person { id: ids.uuid(), ..Person::default() });
                person.email = Some(email);
            }
            if let Some(number) = number {
                if business.contacts.by_reference(&number).is_some_and(|other| other.id != contact.id) {
                    return no(format!("the reference {number} is taken"));
                }
                contact.reference = Some(number);
            }
            Ok(())
        }),
        Action::Lock { organisation, date } => {
            business(world, &organisation)?.year_end_lockdown_date = date;
            Ok(())
        }
        Action::Subscription { organisation, active } => {
            business(world, &organisation)?.subscribed = active;
            Ok(())
        }
        Action::Disconnect { organisation } => {
            let id = business(world, &organisation)?.id;
            let (gone, left) = std::mem::take(&mut world.users).into_iter().partition(|user| user.businesses.contains(&id));
            world.users = left;
            let gone: Vec<super::oauth::User> = gone;
            for user in gone {
                world.tokens.end_consent(user.auth_event);
            }
            Ok(())
        }
        Action::RemoveUsers { organisation } => {
            let id = business(world, &organisation)?.id;
            for user in &mut world.users {
                user.businesses.retain(|one| *one != id);
                if user.lead == id {
                    user.lead = user.businesses.first().copied().unwrap_or(Uuid::nil());
                }
            }
            Ok(())
        }
        Action::ChangeLead { organisation } => {
            let id = business(world, &organisation)?.id;
            for user in world.users.iter_mut().filter(|user| user.businesses.contains(&id)) {
                user.lead = id;
            }
            Ok(())
        }
    }
}

fn business<'world>(world: &'world mut World, named: &str) -> Result<&'world mut Business, Refused> {
    let id = world.find_business(named);
    let found = world.businesses.iter_mut().find(|business| Some(business.id) == id);
    found.ok_or_else(|| Refused(format!("there is no organisation {named}")))
}

fn find<'world>(world: &'world mut World, id: &str) -> Result<(&'world mut Business, &'world mut Ids, Invoice), Refused> {
    let unknown = || Refused(format!("there is no document {id}"));
    let id = Uuid::try_parse(id).map_err(|_| unknown())?;
    let business = world.businesses.iter_mut().find(|business| business.invoices.get(id).is_some()).ok_or_else(unknown)?;
    let invoice = business.invoices.get(id).cloned().ok_or_else(unknown)?;
    Ok((business, &mut world.common.ids, invoice))
}

/// Changes one invoice.
fn document(
    world: &mut World,
    id: &str,
    now: Timestamp,
    change: impl FnOnce(&mut Business, &mut Ids, &mut Invoice) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let (business, ids, mut invoice) = find(world, id)?;
    change(business, ids, &mut invoice)?;
    invoice.updated = now;
    invoice.add_up();
    business.invoices.put(invoice);
    Ok(())
}

/// Changes one invoice that Sage lets people edit.
fn editable(
    world: &mut World,
    id: &str,
    now: Timestamp,
    change: impl FnOnce(&Business, &mut Ids, &mut Invoice) -> Result<(), Refused>,
) -> Result<(), Refused> {
    document(world, id, now, |business, ids, invoice| {
        if !invoice.is_editable(business) {
            return no("the invoice cannot be edited");
        }
        change(business, ids, invoice)
    })
}

fn position(invoice: &Invoice, which: &Which) -> Result<usize, Refused> {
    let found = match which {
        Which::Position(position) => Some(*position).filter(|position| *position < invoice.lines.len()),
        Which::Id(id) => invoice.lines.iter().position(|line| line.id.simple().to_string() == *id),
    };
    found.ok_or_else(|| Refused("there is no such line".to_owned()))
}

struct LineEdit {
    description: Option<String>,
    quantity: Option<Decimal>,
    unit_price: Option<Decimal>,
    account: Option<String>,
    tax_type: Option<String>,
}

impl LineEdit {
    fn apply(self, business: &Business, invoice: &mut Invoice, which: &Which) -> Result<(), Refused> {
        let (position, date) = (position(invoice, which)?, invoice.date);
        let Some(line) = invoice.lines.get_mut(position) else { return no("there is no such line") };
        if let Some(named) = self.account {
            let account = business.named_account(&named).filter(|account| account.visible_in_sales);
            line.ledger_account = account.ok_or_else(|| Refused(format!("no sale can be booked on account {named}")))?.id;
        }
        let amounts = self.quantity.is_some() || self.unit_price.is_some() || self.tax_type.is_some();
        if let Some(id) = self.tax_type {
            if business.usable_tax_rate(&id).is_none() {
                return no(format!("there is no tax rate {id}"));
            }
            line.tax_rate = Some(id);
        }
        line.description = self.description.unwrap_or_else(|| std::mem::take(&mut line.description));
        line.quantity = self.quantity.unwrap_or(line.quantity);
        line.unit_price = self.unit_price.unwrap_or(line.unit_price);
        if amounts {
            fill_in_tax(business, date, line);
        }
        Ok(())
    }
}

fn fill_in_tax(business: &Business, date: Date, line: &mut Line) {
    let rate = line.tax_rate.as_deref().and_then(|id| business.tax_rate(id));
    let percent = rate.and_then(|rate| rate.on(date)).unwrap_or_default();
    line.tax_amount = price::tax(line.amount(), percent, line.unit_price_includes_tax);
}

fn contact(
    world: &mut World,
    id: &str,
    now: Timestamp,
    change: impl FnOnce(&Business, &mut Ids, &mut Contact) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let unknown = || Refused(format!("there is no contact {id}"));
    let id = Uuid::try_parse(id).map_err(|_| unknown())?;
    let business = world.businesses.iter_mut().find(|business| business.contacts.get(id).is_some()).ok_or_else(unknown)?;
    let mut contact = business.contacts.get(id).cloned().ok_or_else(unknown)?;
    change(business, &mut world.common.ids, &mut contact)?;
    contact.updated = now;
    business.contacts.put(contact);
    Ok(())
}
