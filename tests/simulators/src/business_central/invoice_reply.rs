//! Invoices and their lines on the wire, and the ways to read them (vendor notes, section 5).

use uuid::Uuid;

use super::ask::Ask;
use super::cell::{Cell, Entity, Field, Kind, Schema, computed, field};
use super::company::Company;
use super::invoice::{Invoice, Line, LineType};
use super::reply::Refusal;
use crate::skeleton::answer::Reply;

/// The part of an invoice that can be expanded.
pub(crate) const LINES: &str = "salesInvoiceLines";

pub(crate) static INVOICES: Schema = Schema { set: "salesInvoices", name: "salesInvoice", fields: &HEAD, parts: &[LINES] };
pub(crate) static INVOICE_LINES: Schema = Schema { set: LINES, name: "salesInvoiceLine", fields: &LINE, parts: &[] };

const HEAD: [Field; 54] = [
    field("id", Kind::Guid),
    field("number", Kind::Code(20)),
    field("externalDocumentNumber", Kind::Code(35)),
    field("invoiceDate", Kind::Date),
    field("postingDate", Kind::Date),
    field("dueDate", Kind::Date),
    field("promisedPayDate", Kind::Date),
    field("customerPurchaseOrderReference", Kind::Text),
    field("customerId", Kind::Guid),
    field("customerNumber", Kind::Code(20)),
    field("customerName", Kind::Text),
    field("billToName", Kind::Text),
    field("billToCustomerId", Kind::Guid),
    field("billToCustomerNumber", Kind::Code(20)),
    field("shipToName", Kind::Text),
    field("shipToContact", Kind::Text),
    field("sellToAddressLine1", Kind::Text),
    field("sellToAddressLine2", Kind::Text),
    field("sellToCity", Kind::Text),
    field("sellToCountry", Kind::Code(10)),
    field("sellToState", Kind::Text),
    field("sellToPostCode", Kind::Code(20)),
    field("billToAddressLine1", Kind::Text),
    field("billToAddressLine2", Kind::Text),
    field("billToCity", Kind::Text),
    field("billToCountry", Kind::Code(10)),
    field("billToState", Kind::Text),
    field("billToPostCode", Kind::Code(20)),
    field("shipToAddressLine1", Kind::Text),
    field("shipToAddressLine2", Kind::Text),
    field("shipToCity", Kind::Text),
    field("shipToCountry", Kind::Code(10)),
    field("shipToState", Kind::Text),
    field("shipToPostCode", Kind::Code(20)),
    field("currencyId", Kind::Guid),
    field("shortcutDimension1Code", Kind::Code(20)),
    field("shortcutDimension2Code", Kind::Code(20)),
    computed("currencyCode", Kind::Text),
    field("orderId", Kind::Guid),
    field("orderNumber", Kind::Code(20)),
    field("paymentTermsId", Kind::Guid),
    field("shipmentMethodId", Kind::Guid),
    field("salesperson", Kind::Code(20)),
    field("pricesIncludeTax", Kind::Flag),
    computed("remainingAmount", Kind::Number),
    field("discountAmount", Kind::Number),
    field("discountAppliedBeforeTax", Kind::Flag),
    field("totalAmountExcludingTax", Kind::Number),
    field("totalTaxAmount", Kind::Number),
    field("totalAmountIncludingTax", Kind::Number),
    field("status", Kind::Choice),
    field("lastModifiedDateTime", Kind::Instant),
    field("phoneNumber", Kind::Text),
    field("email", Kind::Text),
];

const LINE: [Field; 28] = [
    field("id", Kind::Guid),
    field("documentId", Kind::Guid),
    field("sequence", Kind::Number),
    field("itemId", Kind::Guid),
    field("accountId", Kind::Guid),
    field("lineType", Kind::Choice),
    field("lineObjectNumber", Kind::Code(20)),
    field("description", Kind::Text),
    field("description2", Kind::Text),
    field("unitOfMeasureId", Kind::Guid),
    field("unitOfMeasureCode", Kind::Code(10)),
    field("quantity", Kind::Number),
    field("unitPrice", Kind::Number),
    field("discountAmount", Kind::Number),
    field("discountPercent", Kind::Number),
    field("discountAppliedBeforeTax", Kind::Flag),
    field("amountExcludingTax", Kind::Number),
    field("taxCode", Kind::Code(20)),
    field("taxPercent", Kind::Number),
    field("totalTaxAmount", Kind::Number),
    field("amountIncludingTax", Kind::Number),
    field("invoiceDiscountAllocation", Kind::Number),
    field("netAmount", Kind::Number),
    field("netTaxAmount", Kind::Number),
    field("netAmountIncludingTax", Kind::Number),
    field("shipmentDate", Kind::Date),
    field("itemVariantId", Kind::Guid),
    field("locationId", Kind::Guid),
];

/// An invoice as the API shows it.
pub(crate) fn entity(company: &Company, invoice: &Invoice, with_lines: bool) -> Entity {
    let number = company.customer(invoice.customer).map(|customer| customer.number.clone()).unwrap_or_default();
    let currency = company.currencies.iter().find(|currency| currency.code == invoice.currency);
    let address = &invoice.sell_to;
    let mut cells = vec![
        Cell::Guid(invoice.id),
        Cell::from(&invoice.number),
        Cell::from(&invoice.external_number),
        Cell::Date(Some(invoice.document_date)),
        Cell::Date(Some(invoice.posting_date)),
        Cell::Date(Some(invoice.due_date)),
        Cell::Date(invoice.promised_date),
        Cell::from(&invoice.your_reference),
        Cell::Guid(invoice.customer),
        Cell::Text(number.clone()),
        Cell::from(&invoice.customer_name),
        Cell::from(&invoice.customer_name),
        Cell::Guid(invoice.customer),
        Cell::Text(number),
        Cell::from(&invoice.customer_name),
        Cell::from(""),
    ];
    // Sell-to, bill-to and ship-to are the same customer's here.
    for _ in 0..3 {
        cells.extend([
            Cell::from(&address.line1),
            Cell::from(&address.line2),
            Cell::from(&address.city),
            Cell::from(&address.country),
            Cell::from(&address.state),
            Cell::from(&address.post_code),
        ]);
    }
    cells.extend([
        Cell::Guid(currency.map(|currency| currency.id).unwrap_or_default()),
        Cell::from(&invoice.dimension1),
        Cell::from(&invoice.dimension2),
        Cell::Text(company.shown_currency(&invoice.currency)),
        Cell::Guid(Uuid::nil()),
        Cell::from(""),
        Cell::Guid(invoice.payment_terms.unwrap_or_default()),
        Cell::Guid(Uuid::nil()),
        Cell::from(""),
        Cell::Flag(invoice.prices_include_tax),
        Cell::Number(invoice.remaining()),
        Cell::Number(rust_decimal::Decimal::ZERO),
        Cell::Flag(false),
        Cell::Number(invoice.subtotal),
        Cell::Number(invoice.tax),
        Cell::Number(invoice.total),
        Cell::Choice(invoice.status.word()),
        Cell::Instant(invoice.modified),
        Cell::from(&invoice.phone),
        Cell::from(&invoice.email),
    ]);
    let mut parts = Vec::new();
    if with_lines {
        parts.push((LINES, invoice.lines.iter().map(|line| line_entity(company, invoice, line)).collect()));
    }
    Entity { schema: &INVOICES, etag: invoice.etag(), cells, parts }
}

/// A line as the API shows it.
pub(crate) fn line_entity(company: &Company, invoice: &Invoice, line: &Line) -> Entity {
    let item = company.item(&line.object).filter(|_| line.kind == LineType::Item).map(|item| item.id);
    let account = company.account(&line.object).filter(|_| line.kind == LineType::Account).map(|account| account.id);
    let cells = vec![
        Cell::Guid(line.id),
        Cell::Guid(invoice.id),
        Cell::Number(line.sequence.into()),
        Cell::Guid(item.unwrap_or_default()),
        Cell::Guid(account.unwrap_or_default()),
        Cell::Choice(line.kind.word()),
        Cell::from(&line.object),
        Cell::from(&line.description),
        Cell::from(&line.description2),
        Cell::Guid(Uuid::nil()),
        Cell::from(&line.unit_of_measure),
        Cell::Number(line.quantity),
        Cell::Number(line.unit_price),
        Cell::Number(line.discount_amount),
        Cell::Number(line.discount_percent()),
        Cell::Flag(false),
        Cell::Number(line.net),
        Cell::from(&line.tax_code),
        Cell::Number(line.percent),
        Cell::Number(line.tax),
        Cell::Number(line.net + line.tax),
        Cell::Number(rust_decimal::Decimal::ZERO),
        Cell::Number(line.net),
        Cell::Number(line.tax),
        Cell::Number(line.net + line.tax),
        Cell::Date(None),
        Cell::Guid(Uuid::nil()),
        Cell::Guid(Uuid::nil()),
    ];
    Entity { schema: &INVOICE_LINES, etag: line.etag(), cells, parts: Vec::new() }
}

fn found(company: &Company, id: Uuid) -> Result<&Invoice, Refusal> {
    company.invoice(id).ok_or_else(Refusal::not_found)
}

/// `GET salesInvoices`.
pub(crate) fn list(company: &Company, ask: &Ask) -> Result<Reply, Refusal> {
    let lines = ask.expands(LINES);
    // The look-up before every create names one of these; what cannot be selected is not shown as an entity first.
    let filter = ask.filter(&INVOICES)?;
    let position = |name: &str| INVOICES.position(name);
    let text = |name: &str| filter.as_ref().zip(position(name)).and_then(|(filter, position)| filter.text(position));
    let (external, reference) = (text("externalDocumentNumber"), text("customerPurchaseOrderReference"));
    let customer = filter.as_ref().zip(position("customerId")).and_then(|(filter, position)| filter.guid(position));
    let candidates = company
        .invoices
        .iter()
        .filter(|invoice| external.is_none_or(|external| invoice.external_number == external))
        .filter(|invoice| reference.is_none_or(|reference| invoice.your_reference == reference))
        .filter(|invoice| customer.is_none_or(|customer| invoice.customer == customer));
    ask.list(&INVOICES, company.id, candidates.map(|invoice| entity(company, invoice, lines)).collect())
}

/// `GET salesInvoices({id})`.
pub(crate) fn one(company: &Company, ask: &Ask, id: Uuid) -> Result<Reply, Refusal> {
    ask.one(200, company.id, &entity(company, found(company, id)?, ask.expands(LINES)))
}

/// `GET salesInvoices({id})/salesInvoiceLines`.
pub(crate) fn lines(company: &Company, ask: &Ask, id: Uuid) -> Result<Reply, Refusal> {
    let invoice = found(company, id)?;
    ask.list(&INVOICE_LINES, company.id, invoice.lines.iter().map(|line| line_entity(company, invoice, line)).collect())
}

/// `GET salesInvoiceLines?$filter=documentId eq …`: without a parent it is refused.
pub(crate) fn loose_lines(company: &Company, ask: &Ask) -> Result<Reply, Refusal> {
    let named = |name: &str| -> Result<Option<Uuid>, Refusal> {
        let filter = ask.filter(&INVOICE_LINES)?;
        Ok(filter.zip(INVOICE_LINES.position(name)).and_then(|(filter, position)| filter.guid(position)))
    };
    let (document, line) = (named("documentId")?, named("id")?);
    if document.is_none() && line.is_none() {
        return Err(Refusal::dialog("You must specify an Id or a Document Id to get the lines."));
    }
    let here = company.invoices.iter().filter(|invoice| match document {
        Some(id) => invoice.id == id,
        None => invoice.lines.iter().any(|one| Some(one.id) == line),
    });
    let entities = here.flat_map(|invoice| invoice.lines.iter().map(|line| line_entity(company, invoice, line)));
    ask.list(&INVOICE_LINES, company.id, entities.collect())
}

/// `GET` of one line.
pub(crate) fn line(company: &Company, ask: &Ask, document: Option<Uuid>, id: Uuid) -> Result<Reply, Refusal> {
    let (invoice, line) = find_line(company, document, id)?;
    ask.one(200, company.id, &line_entity(company, invoice, line))
}

/// A line by its id, in its document when that is named too.
pub(crate) fn find_line(company: &Company, document: Option<Uuid>, id: Uuid) -> Result<(&Invoice, &Line), Refusal> {
    company
        .invoices
        .iter()
        .filter(|invoice| document.is_none_or(|document| invoice.id == document))
        .find_map(|invoice| invoice.lines.iter().find(|line| line.id == id).map(|line| (invoice, line)))
        .ok_or_else(Refusal::not_found)
}
