//! What people do inside Business Central and its tenant while the app is not looking: the same rules, other hands.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::company::Company;
use super::customer::{Blocked, Customer};
use super::desk::{Desk, day};
use super::invoice::{Invoice, Line, LineType, Status};
use super::line_write::rate;
use super::payment;
use super::posting;
use super::pricing::UNIT_PLACES;
use super::seed::{at, parsed, pay, sales_account, why};
use super::world::World;
use crate::skeleton::controls::Refused;
use crate::skeleton::number::half_up;

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
    /// Cancels a posted invoice.
    Void {
        /// The invoice's `id`.
        document_id: String,
    },
    /// Posts a draft.
    Approve {
        /// The invoice's `id`.
        document_id: String,
    },
    /// Deletes a draft.
    Delete {
        /// The invoice's `id`.
        document_id: String,
    },
    /// Sends a draft into an approval workflow.
    SendForApproval {
        /// The invoice's `id`.
        document_id: String,
    },
    /// Releases a draft without posting it.
    Release {
        /// The invoice's `id`.
        document_id: String,
    },
    /// Opens a released or reviewed document for changes again.
    Reopen {
        /// The invoice's `id`.
        document_id: String,
    },
    /// Enters and posts a payment.
    Pay {
        /// The invoice's `id`.
        document_id: String,
        /// All that is due when absent.
        #[serde(default)]
        amount: Option<Decimal>,
        /// The clock's day when absent.
        #[serde(default)]
        date: Option<Date>,
    },
    /// Posts every line that waits in the payment journals.
    PostPayments {
        /// Id or name; the first when absent.
        #[serde(default)]
        organisation: Option<String>,
    },
    /// Changes one line of an unposted document; what is absent stays.
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
        /// Number of the new account.
        #[serde(default)]
        account: Option<String>,
        /// New VAT product posting group.
        #[serde(default)]
        tax_type: Option<String>,
        /// New dimensions, `CODE: value` each.
        #[serde(default)]
        tracking: Option<Vec<String>>,
    },
    /// Adds a line on the first revenue account.
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
    /// Changes the head; what is absent stays. Of a posted document only the due date can change.
    EditDocument {
        /// The invoice's `id`.
        document_id: String,
        /// New due date.
        #[serde(default)]
        due_date: Option<Date>,
        /// New document and posting date.
        #[serde(default)]
        issue_date: Option<Date>,
        /// New external document number.
        #[serde(default)]
        reference: Option<String>,
        /// New value of the first shortcut dimension.
        #[serde(default)]
        dimension: Option<String>,
    },
    /// Blocks a customer for everything.
    ArchiveContact {
        /// The customer's `id`.
        contact_id: String,
    },
    /// Blocks a customer, or lifts that.
    BlockContact {
        /// The customer's `id`.
        contact_id: String,
        /// For what.
        blocked: Blocked,
    },
    /// Merges a customer into another: its card is gone, and its invoices move over.
    MergeContact {
        /// The customer that goes.
        contact_id: String,
        /// The customer that stays.
        into: String,
    },
    /// Changes a card; what is absent stays.
    EditContact {
        /// The customer's `id`.
        contact_id: String,
        /// New name.
        #[serde(default)]
        name: Option<String>,
        /// New email address.
        #[serde(default)]
        email: Option<String>,
        /// Whether prices include VAT.
        #[serde(default)]
        prices_include_tax: Option<bool>,
        /// New VAT business posting group.
        #[serde(default)]
        tax_area: Option<String>,
    },
    /// Closes the books up to and with a day.
    ClosePeriod {
        /// Id or name; the first when absent.
        #[serde(default)]
        organisation: Option<String>,
        /// The last closed day; null opens everything.
        through: Option<Date>,
    },
    /// Gives a company another name; its id stays.
    RenameOrganisation {
        /// Id or name.
        organisation: String,
        /// The new name.
        name: String,
    },
    /// Gives an environment another name: every address in it changes.
    RenameEnvironment {
        /// Its name.
        environment: String,
        /// The new name.
        name: String,
    },
    /// Begins or ends an update, during which the environment cannot be reached.
    UpdateEnvironment {
        /// Its name.
        environment: String,
        /// Whether it begins.
        begins: bool,
    },
    /// Takes the user's access to a company away.
    Disconnect {
        /// Id or name.
        organisation: String,
    },
    /// The user's password changes: every refresh token is dead, access tokens live on.
    RevokeSignIns,
}

fn no<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(why.into()))
}

pub(crate) fn act(world: &mut World, action: Action, now: Timestamp) -> Result<(), Refused> {
    match action {
        Action::Void { document_id } => {
            let (mut desk, invoice) = find(world, &document_id, now)?;
            posting::cancelled(&mut desk, invoice.id).map_err(why)
        }
        Action::Approve { document_id } => {
            let (mut desk, invoice) = find(world, &document_id, now)?;
            let posted = posting::posted(&mut desk, invoice).map_err(why)?;
            put(desk.company, posted);
            Ok(())
        }
        Action::Delete { document_id } => {
            let (desk, invoice) = find(world, &document_id, now)?;
            if invoice.status.posted() {
                return no("a posted invoice is never deleted");
            }
            desk.company.invoices.retain(|other| other.id != invoice.id);
            Ok(())
        }
        Action::SendForApproval { document_id } => turn(world, &document_id, now, Status::Draft, Status::InReview),
        Action::Release { document_id } => turn(world, &document_id, now, Status::Draft, Status::Released),
        Action::Reopen { document_id } => match find(world, &document_id, now)?.1.status {
            from @ (Status::InReview | Status::Released) => turn(world, &document_id, now, from, Status::Draft),
            Status::Draft | Status::Open | Status::Paid | Status::Canceled | Status::Corrective => no("there is nothing to reopen"),
        },
        Action::Pay { document_id, amount, date } => {
            let (mut desk, invoice) = find(world, &document_id, now)?;
            pay(&mut desk, invoice.id, amount.unwrap_or_else(|| invoice.remaining()), date.unwrap_or_else(|| day(now)), None).map(drop)
        }
        Action::PostPayments { organisation } => {
            let desk = at(world, organisation.as_deref(), now)?;
            let waiting: Vec<Uuid> = desk.company.payments.iter().filter(|payment| !payment.posted).map(|payment| payment.id).collect();
            waiting.into_iter().try_for_each(|id| payment::post(desk.company, id, now).map_err(Refused))
        }
        Action::EditLine { document_id, line, description, quantity, unit_price, account, tax_type, tracking } => {
            let edit = LineEdit { description, quantity, unit_price, account, tax_type, tracking };
            lines(world, &document_id, now, |company, invoice| edit.apply(company, invoice, &line))
        }
        Action::AddLine { document_id, description, quantity, unit_price } => {
            let id = world.common.ids.uuid();
            lines(world, &document_id, now, |company, invoice| {
                let sequence = invoice.lines.iter().map(|line| line.sequence).max().unwrap_or_default() + 10_000;
                let mut line = Line::blank(id, sequence);
                line.kind = LineType::Account;
                line.object = sales_account(company)?;
                line.description = description;
                line.quantity = half_up(quantity, UNIT_PLACES);
                line.unit_price = half_up(unit_price, UNIT_PLACES);
                let tax_code = company.account(&line.object).and_then(|account| account.vat_prod_posting_group.clone());
                rate(company, &invoice.vat_bus_posting_group, &mut line, tax_code.unwrap_or_default()).map_err(why)?;
                invoice.lines.push(line);
                Ok(())
            })
        }
        Action::RemoveLine { document_id, line } => lines(world, &document_id, now, |_, invoice| {
            let position = position(invoice, &line)?;
            invoice.lines.remove(position);
            Ok(())
        }),
        Action::EditDocument { document_id, due_date, issue_date, reference, dimension } => {
            let (desk, mut invoice) = find(world, &document_id, now)?;
            if invoice.status.posted() && (issue_date.is_some() || reference.is_some() || dimension.is_some()) {
                return no("of a posted invoice only the due date can change");
            }
            if let Some(dimension) = dimension {
                if !desk.company.dimension1.values.contains(&dimension) {
                    return no(format!("there is no dimension value {dimension}"));
                }
                invoice.dimension1 = dimension;
            }
            invoice.document_date = issue_date.unwrap_or(invoice.document_date);
            invoice.posting_date = issue_date.unwrap_or(invoice.posting_date);
            invoice.due_date = due_date.unwrap_or(invoice.due_date);
            if let Some(reference) = reference {
                invoice.external_number = super::customer::capitals(&reference);
            }
            invoice.touch(now);
            put(desk.company, invoice);
            Ok(())
        }
        Action::ArchiveContact { contact_id } => card(world, &contact_id, now, |_, customer| {
            customer.blocked = Blocked::All;
            Ok(())
        }),
        Action::BlockContact { contact_id, blocked } => card(world, &contact_id, now, |_, customer| {
            customer.blocked = blocked;
            Ok(())
        }),
        Action::MergeContact { contact_id, into } => merge(world, &contact_id, &into, now),
        Action::EditContact { contact_id, name, email, prices_include_tax, tax_area } => {
            card(world, &contact_id, now, |company, customer| {
                if let Some(area) = tax_area {
                    if !company.tax_areas.iter().any(|known| known.code == area) {
                        return no(format!("there is no VAT business posting group {area}"));
                    }
                    customer.vat_bus_posting_group = area;
                }
                customer.display_name = name.unwrap_or_else(|| std::mem::take(&mut customer.display_name));
                customer.email = email.unwrap_or_else(|| std::mem::take(&mut customer.email));
                customer.prices_include_tax = prices_include_tax.unwrap_or(customer.prices_include_tax);
                Ok(())
            })
        }
        Action::ClosePeriod { organisation, through } => {
            let desk = at(world, organisation.as_deref(), now)?;
            desk.company.setup.allow_posting_from = through.map(|through| through.saturating_add(1.day()));
            Ok(())
        }
        Action::RenameOrganisation { organisation, name } => {
            let desk = at(world, Some(&organisation), now)?;
            desk.company.name.clone_from(&name);
            desk.company.display_name = name;
            Ok(())
        }
        Action::RenameEnvironment { environment, name } => {
            let Some(found) = world.environments.iter_mut().find(|one| one.name == environment) else {
                return no(format!("there is no environment {environment}"));
            };
            found.name.clone_from(&name);
            for company in world.companies.iter_mut().filter(|company| company.environment == environment) {
                company.environment.clone_from(&name);
            }
            Ok(())
        }
        Action::UpdateEnvironment { environment, begins } => {
            let Some(found) = world.environments.iter_mut().find(|one| one.name == environment) else {
                return no(format!("there is no environment {environment}"));
            };
            found.updating = begins;
            Ok(())
        }
        Action::Disconnect { organisation } => {
            let Some(id) = world.find_company(&organisation) else { return no(format!("there is no organisation {organisation}")) };
            let everything: Vec<Uuid> = world.companies.iter().map(|company| company.id).collect();
            for grant in world.grants.all.values_mut() {
                let mut left = grant.companies.take().unwrap_or_else(|| everything.clone());
                left.retain(|company| *company != id);
                grant.companies = Some(left);
            }
            Ok(())
        }
        Action::RevokeSignIns => {
            world.grants.all.values_mut().for_each(|grant| grant.revoked = true);
            Ok(())
        }
    }
}

fn find<'world>(world: &'world mut World, id: &str, now: Timestamp) -> Result<(Desk<'world>, Invoice), Refused> {
    let unknown = || Refused(format!("there is no document {id}"));
    let id = parsed(id)?;
    let company = world.companies.iter_mut().find(|company| company.invoice(id).is_some()).ok_or_else(unknown)?;
    let invoice = company.invoice(id).cloned().ok_or_else(unknown)?;
    Ok((Desk { company, ids: &mut world.common.ids, now }, invoice))
}

fn put(company: &mut Company, invoice: Invoice) {
    if let Some(place) = company.invoice_mut(invoice.id) {
        *place = invoice;
    }
}

fn turn(world: &mut World, id: &str, now: Timestamp, from: Status, to: Status) -> Result<(), Refused> {
    let (desk, mut invoice) = find(world, id, now)?;
    if invoice.status != from {
        return no(format!("the document is {}", invoice.status.word()));
    }
    invoice.status = to;
    invoice.touch(now);
    put(desk.company, invoice);
    Ok(())
}

/// Changes lines of a draft and computes it again.
fn lines(
    world: &mut World,
    id: &str,
    now: Timestamp,
    change: impl FnOnce(&Company, &mut Invoice) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let (desk, mut invoice) = find(world, id, now)?;
    if invoice.status != Status::Draft {
        return no(format!("the lines of a document that is {} cannot change", invoice.status.word()));
    }
    change(desk.company, &mut invoice)?;
    invoice.compute(desk.company, now);
    put(desk.company, invoice);
    Ok(())
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
    fn apply(self, company: &Company, invoice: &mut Invoice, which: &Which) -> Result<(), Refused> {
        let position = position(invoice, which)?;
        let business = invoice.vat_bus_posting_group.clone();
        let Some(line) = invoice.lines.get_mut(position) else { return no("there is no such line") };
        if let Some(number) = self.account {
            let account = company.account(&number).filter(|account| !account.blocked && account.direct_posting);
            let Some(account) = account else { return no(format!("no line can be booked on account {number}")) };
            line.kind = LineType::Account;
            let tax_code = account.vat_prod_posting_group.clone().unwrap_or_default();
            line.object = number;
            rate(company, &business, line, tax_code).map_err(why)?;
        }
        if let Some(tax_code) = self.tax_type {
            rate(company, &business, line, tax_code).map_err(why)?;
        }
        line.description = self.description.unwrap_or_else(|| std::mem::take(&mut line.description));
        line.quantity = self.quantity.map_or(line.quantity, |quantity| half_up(quantity, UNIT_PLACES));
        line.unit_price = self.unit_price.map_or(line.unit_price, |unit| half_up(unit, UNIT_PLACES));
        if let Some(tracking) = self.tracking {
            line.dimensions = tracking;
        }
        line.version += 1;
        Ok(())
    }
}

fn card(
    world: &mut World,
    id: &str,
    now: Timestamp,
    change: impl FnOnce(&Company, &mut Customer) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let unknown = || Refused(format!("there is no contact {id}"));
    let id = parsed(id)?;
    let company = world.companies.iter_mut().find(|company| company.customer(id).is_some()).ok_or_else(unknown)?;
    let mut customer = company.customer(id).cloned().ok_or_else(unknown)?;
    change(company, &mut customer)?;
    customer.touch(now);
    if let Some(place) = company.customers.iter_mut().find(|customer| customer.id == id) {
        *place = customer;
    }
    Ok(())
}

fn merge(world: &mut World, id: &str, into: &str, now: Timestamp) -> Result<(), Refused> {
    let (source, target) = (parsed(id)?, parsed(into)?);
    card(world, id, now, |company, customer| match company.customer(target) {
        Some(other) if other.merged_into.is_none() && other.id != customer.id => {
            customer.merged_into = Some(target);
            Ok(())
        }
        _ => no(format!("there is no contact {into}")),
    })?;
    for company in &mut world.companies {
        let name = company.customer(target).map(|customer| customer.display_name.clone());
        for invoice in company.invoices.iter_mut().filter(|invoice| invoice.customer == source) {
            invoice.customer = target;
            if let Some(name) = &name {
                invoice.customer_name.clone_from(name);
            }
            invoice.touch(now);
        }
    }
    Ok(())
}
