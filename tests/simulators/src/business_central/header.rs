//! Heads of invoices: made, changed, deleted (vendor notes, section 5).

use jiff::civil::Date;
use jiff::{SignedDuration, ToSpan as _};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::ask::Ask;
use super::company::Company;
use super::customer::{Customer, bounded, code, country, currency, members};
use super::desk::{Desk, day};
use super::invoice::{Invoice, Status};
use super::invoice_reply::{self, INVOICES, LINES};
use super::reply::{ODATA, Refusal};
use crate::skeleton::answer::Reply;
use crate::skeleton::clock::plus;
use crate::skeleton::fields::Fields;

pub(crate) const POSTED: &str = "The invoice has been posted and can no longer be modified.";

const WRITABLE: [&str; 19] = [
    "externalDocumentNumber",
    "invoiceDate",
    "postingDate",
    "dueDate",
    "promisedPayDate",
    "customerPurchaseOrderReference",
    "customerId",
    "customerNumber",
    "sellToAddressLine1",
    "sellToAddressLine2",
    "sellToCity",
    "sellToCountry",
    "sellToState",
    "sellToPostCode",
    "currencyCode",
    "shortcutDimension1Code",
    "shortcutDimension2Code",
    "paymentTermsId",
    "phoneNumber",
];

const READ_ONLY: [&str; 20] = [
    "id",
    "number",
    "customerName",
    "billToName",
    "billToAddressLine1",
    "billToAddressLine2",
    "billToCity",
    "billToCountry",
    "billToState",
    "billToPostCode",
    "orderId",
    "orderNumber",
    "pricesIncludeTax",
    "remainingAmount",
    "discountAppliedBeforeTax",
    "totalAmountExcludingTax",
    "totalTaxAmount",
    "totalAmountIncludingTax",
    "status",
    "lastModifiedDateTime",
];

/// After posting only these may change.
const AFTER_POSTING: [&str; 4] = ["dueDate", "promisedPayDate", "disputeStatus", "disputeStatusId"];

/// Refuses what the type does not take.
fn check(fields: &Fields) -> Result<(), Refusal> {
    if fields.has(LINES) {
        // How many lines a deep insert takes is not settled (section 5).
        return Err(Refusal::not_modelled("lines inside the body of an invoice"));
    }
    let mut known = WRITABLE.to_vec();
    known.push("email");
    members(fields, &INVOICES, &known, &READ_ONLY)
}

/// The customer that a body names.
fn customer<'company>(company: &'company Company, fields: &Fields) -> Result<Option<&'company Customer>, Refusal> {
    let standing = |customer: &&Customer| customer.merged_into.is_none();
    let missing = || Refusal::dialog("The sell-to customer cannot be found.");
    let (id, number) = (fields.uuid("customerId")?, fields.text("customerNumber")?);
    let by_id = match id.filter(|id| !id.is_nil()) {
        None => None,
        Some(id) => Some(company.customer(id).filter(standing).ok_or_else(missing)?),
    };
    let by_number = match number.filter(|number| !number.is_empty()) {
        None => None,
        Some(number) => {
            let found = company.customers.iter().filter(standing).find(|customer| customer.number == number);
            Some(found.ok_or_else(missing)?)
        }
    };
    match (by_id, by_number) {
        (Some(one), Some(other)) if one.id != other.id => {
            Err(Refusal::dialog("The sell-to customer values do not match to a specific Customer."))
        }
        (by_id, by_number) => Ok(by_id.or(by_number)),
    }
}

/// Whether an invoice may be made for a customer: not blocked, and with the posting groups that the API cannot give (section 4).
fn invoiceable(customer: &Customer) -> Result<(), Refusal> {
    if customer.blocked.invoicing() {
        let message = format!(
            "You cannot create this type of document when Customer {} is blocked with type {}",
            customer.number,
            customer.blocked.word()
        );
        return Err(Refusal::dialog(message));
    }
    if customer.gen_bus_posting_group.is_empty() {
        return Err(Refusal::must_have("Gen. Bus. Posting Group", &customer.record()));
    }
    if customer.customer_posting_group.is_empty() {
        return Err(Refusal::must_have("Customer Posting Group", &customer.record()));
    }
    Ok(())
}

/// What the card gives a document.
fn take_over(invoice: &mut Invoice, customer: &Customer) {
    invoice.customer = customer.id;
    invoice.customer_name.clone_from(&customer.display_name);
    invoice.sell_to = customer.address.clone();
    invoice.currency.clone_from(&customer.currency);
    invoice.payment_terms = customer.payment_terms;
    invoice.prices_include_tax = customer.prices_include_tax;
    invoice.vat_bus_posting_group.clone_from(&customer.vat_bus_posting_group);
    invoice.phone.clone_from(&customer.phone);
    invoice.email.clone_from(&customer.email);
}

fn due(company: &Company, terms: Option<Uuid>, from: Date) -> Date {
    let days = company.payment_terms.iter().find(|one| Some(one.id) == terms).map_or(0, |terms| terms.days);
    from.saturating_add(days.days())
}

/// A new draft for a customer, dated today.
pub(crate) fn draft(company: &Company, id: Uuid, number: String, customer: &Customer, now: jiff::Timestamp) -> Invoice {
    let today = day(now);
    let mut invoice = Invoice {
        id,
        number,
        external_number: String::new(),
        document_date: today,
        posting_date: today,
        due_date: today,
        promised_date: None,
        your_reference: String::new(),
        customer: customer.id,
        customer_name: String::new(),
        sell_to: customer.address.clone(),
        currency: String::new(),
        dimension1: String::new(),
        dimension2: String::new(),
        payment_terms: None,
        prices_include_tax: false,
        vat_bus_posting_group: String::new(),
        status: Status::Draft,
        phone: String::new(),
        email: String::new(),
        lines: Vec::new(),
        subtotal: Decimal::ZERO,
        tax: Decimal::ZERO,
        total: Decimal::ZERO,
        paid: Decimal::ZERO,
        // The first change sets it to the moment of its making.
        modified: plus(now, -SignedDuration::from_millis(1)),
        version: 0,
        created_by_app: false,
    };
    take_over(&mut invoice, customer);
    invoice.due_date = due(company, invoice.payment_terms, today);
    invoice
}

/// `POST salesInvoices`. Nothing keeps a second document with the same external number away.
pub(crate) fn create(desk: &mut Desk<'_>, ask: &Ask) -> Result<Reply, Refusal> {
    ask.json()?;
    let fields = Fields::parse(&ask.body)?;
    check(&fields)?;
    desk.company.permitted("salesInvoices")?;
    let Some(customer) = customer(desk.company, &fields)?.cloned() else {
        return Err(Refusal::dialog("A \"customerNumber\" or a \"customerId\" must be provided."));
    };
    invoiceable(&customer)?;
    let (id, number) = (desk.ids.uuid(), desk.company.draft_number());
    let mut invoice = draft(desk.company, id, number, &customer, desk.now);
    invoice.created_by_app = true;
    if let Some(date) = fields.date("postingDate")? {
        invoice.posting_date = date;
        invoice.document_date = date;
    }
    set(desk.company, &mut invoice, &fields)?;
    invoice.compute(desk.company, desk.now);
    let reply = ask.one(201, desk.company.id, &invoice_reply::entity(desk.company, &invoice, ask.expands(LINES)))?;
    desk.company.invoices.push(invoice);
    Ok(reply)
}

/// `PATCH salesInvoices({id})`.
pub(crate) fn update(desk: &mut Desk<'_>, ask: &Ask, id: Uuid) -> Result<Reply, Refusal> {
    ask.json()?;
    let mut invoice = desk.company.invoice(id).ok_or_else(Refusal::not_found)?.clone();
    desk.company.permitted("salesInvoices")?;
    ask.guard(&invoice.etag())?;
    let fields = Fields::parse(&ask.body)?;
    if invoice.status.posted() && fields.unknown(&AFTER_POSTING).is_some() {
        return Err(Refusal::dialog(POSTED));
    }
    check(&fields)?;
    if !invoice.status.posted() {
        open(&invoice)?;
    }
    if let Some(customer) = customer(desk.company, &fields)?.filter(|customer| customer.id != invoice.customer).cloned() {
        confirm(&invoice, "Do you want to change Customer No.?")?;
        invoiceable(&customer)?;
        take_over(&mut invoice, &customer);
    }
    set(desk.company, &mut invoice, &fields)?;
    invoice.compute(desk.company, desk.now);
    let reply = ask.one(200, desk.company.id, &invoice_reply::entity(desk.company, &invoice, ask.expands(LINES)))?;
    if let Some(place) = desk.company.invoice_mut(id) {
        *place = invoice;
    }
    Ok(reply)
}

/// A change that the client would ask about cannot be made through the API once there are lines.
fn confirm(invoice: &Invoice, question: &str) -> Result<(), Refusal> {
    if invoice.lines.is_empty() {
        return Ok(());
    }
    let message = format!(
        "Microsoft Dynamics 365 Business Central Server attempted to issue a client callback to show a confirmation \
                           dialog box: {question}"
    );
    Err(Refusal::error(400, "Application_CallbackNotAllowed", message))
}

/// Whether an unposted document may be edited: neither released nor in review.
pub(crate) fn open(invoice: &Invoice) -> Result<(), Refusal> {
    let current = match invoice.status {
        Status::InReview => "Pending Approval",
        Status::Released => "Released",
        Status::Draft | Status::Open | Status::Paid | Status::Canceled | Status::Corrective => return Ok(()),
    };
    Err(Refusal::field(format!("Status must be equal to 'Open' in {}. Current value is '{current}'.", invoice.record())))
}

/// Writes what a body sends.
fn set(company: &Company, invoice: &mut Invoice, fields: &Fields) -> Result<(), Refusal> {
    if let Some(number) = fields.text("externalDocumentNumber")? {
        invoice.external_number = code(&number, 35)?;
    }
    if let Some(reference) = fields.text("customerPurchaseOrderReference")? {
        invoice.your_reference = bounded(reference, 35)?;
    }
    let address = &mut invoice.sell_to;
    let texts = [
        ("sellToAddressLine1", 100, &mut address.line1),
        ("sellToAddressLine2", 50, &mut address.line2),
        ("sellToCity", 30, &mut address.city),
        ("sellToState", 30, &mut address.state),
        ("phoneNumber", 30, &mut invoice.phone),
        ("email", 80, &mut invoice.email),
    ];
    for (name, most, place) in texts {
        if let Some(value) = fields.text(name)? {
            *place = bounded(value, most)?;
        }
    }
    if let Some(value) = fields.text("sellToPostCode")? {
        address.post_code = code(&value, 20)?;
    }
    if let Some(value) = fields.text("sellToCountry")? {
        address.country = country(company, &value)?;
    }
    for (name, dimension, place) in [
        ("shortcutDimension1Code", &company.dimension1, &mut invoice.dimension1),
        ("shortcutDimension2Code", &company.dimension2, &mut invoice.dimension2),
    ] {
        if let Some(value) = fields.text(name)? {
            let value = code(&value, 20)?;
            if !value.is_empty() && !dimension.values.contains(&value) {
                return Err(Refusal::relation(name, "Sales Header", &value, "Dimension Value"));
            }
            *place = value;
        }
    }
    if let Some(id) = fields.uuid("paymentTermsId")? {
        if !id.is_nil() && !company.payment_terms.iter().any(|terms| terms.id == id) {
            return Err(Refusal::dialog("The \"paymentTermsId\" does not match to a Payment Terms."));
        }
        invoice.payment_terms = Some(id).filter(|id| !id.is_nil());
        invoice.due_date = due(company, invoice.payment_terms, invoice.document_date);
    }
    dates(company, invoice, fields)?;
    if let Some(value) = fields.text("currencyCode")? {
        let stored = currency(company, &value)?;
        if stored != invoice.currency {
            confirm(invoice, "Do you want to update the exchange rate?")?;
            invoice.currency = stored;
        }
    }
    if let Some(currency) = company.currencies.iter().find(|currency| currency.code == invoice.currency)
        && currency.rate_from.is_none_or(|from| invoice.posting_date < from)
    {
        let message = format!(
            "There is no Currency Exchange Rate within the filter. Filters: Currency Code: {}, Starting Date: ..{}",
            currency.code, invoice.posting_date
        );
        return Err(Refusal::error(400, "Internal_DataNotFoundFilter", message));
    }
    Ok(())
}

/// Dates in the application's order: document, posting, due. A document date that changes moves the due date by the payment terms; a due
/// date that is sent stands.
fn dates(company: &Company, invoice: &mut Invoice, fields: &Fields) -> Result<(), Refusal> {
    let before = invoice.document_date;
    invoice.document_date = fields.date("invoiceDate")?.unwrap_or(before);
    invoice.posting_date = fields.date("postingDate")?.unwrap_or(invoice.posting_date);
    if invoice.document_date != before || fields.has("postingDate") && invoice.version == 0 {
        invoice.due_date = due(company, invoice.payment_terms, invoice.document_date);
    }
    invoice.due_date = fields.date("dueDate")?.unwrap_or(invoice.due_date);
    invoice.promised_date = fields.date("promisedPayDate")?.or(invoice.promised_date);
    Ok(())
}

/// `DELETE salesInvoices({id})`: a draft is gone. What happens to a posted one is not modelled: the vendor's source marks it printed and
/// tries (section 12).
pub(crate) fn delete(desk: &mut Desk<'_>, ask: &Ask, id: Uuid) -> Result<Reply, Refusal> {
    ask.only(&[])?;
    let invoice = desk.company.invoice(id).ok_or_else(Refusal::not_found)?;
    desk.company.permitted("salesInvoices")?;
    ask.guard(&invoice.etag())?;
    if invoice.status.posted() {
        return Err(Refusal::not_modelled("deleting a posted invoice"));
    }
    open(invoice)?;
    desk.company.invoices.retain(|other| other.id != id);
    Ok(no_content())
}

/// A 204.
pub(crate) fn no_content() -> Reply {
    let mut reply = Reply::new(204, ODATA, String::new()).with("odata-version", "4.0");
    reply.content_type = String::new();
    reply
}
