//! Posting and cancelling (vendor notes, sections 5 and 12).

use rust_decimal::{Decimal, RoundingStrategy};
use uuid::Uuid;

use super::ask::Ask;
use super::company::Company;
use super::customer::Blocked;
use super::desk::Desk;
use super::header::no_content;
use super::invoice::{Invoice, Line, LineType, Status};
use super::line_write::rate;
use super::reply::Refusal;
use crate::skeleton::answer::Reply;

/// The account that invoice rounding goes to.
const ROUNDING: &str = "8450";

/// `POST salesInvoices({id})/Microsoft.NAV.post`.
pub(crate) fn post(desk: &mut Desk<'_>, ask: &Ask, id: Uuid) -> Result<Reply, Refusal> {
    ask.only(&[])?;
    empty(ask)?;
    let invoice = desk.company.invoice(id).ok_or_else(Refusal::not_found)?;
    desk.company.permitted("post")?;
    let posted = posted(desk, invoice.clone())?;
    if let Some(place) = desk.company.invoice_mut(id).filter(|_| posted.status.posted()) {
        *place = posted;
    }
    Ok(no_content())
}

/// A bound action takes no parameters here.
fn empty(ask: &Ask) -> Result<(), Refusal> {
    match ask.body.trim_ascii() {
        b"" | b"{}" => Ok(()),
        _ => Err(Refusal::not_modelled("a body on an action")),
    }
}

/// Every check of posting, in the order in which a person would meet them.
pub(crate) fn check(company: &Company, invoice: &Invoice) -> Result<(), Refusal> {
    let record = invoice.record();
    match invoice.status {
        Status::Draft if company.setup.approval_workflow => {
            let message = "Sales Invoice must be approved and released before you can perform this action.";
            return Err(Refusal::dialog(format!("{message} ({record})")));
        }
        Status::InReview => {
            return Err(Refusal::dialog("This document can only be released when the approval process is complete."));
        }
        Status::Draft | Status::Released => {}
        Status::Open | Status::Paid | Status::Canceled | Status::Corrective => {
            return Err(Refusal::dialog("The action can be applied to a draft invoice only."));
        }
    }
    let sold: Vec<&Line> = invoice.lines.iter().filter(|line| line.kind != LineType::Comment).collect();
    if sold.is_empty() {
        return Err(Refusal::dialog("Please add at least one line item to the invoice."));
    }
    if sold.iter().any(|line| line.quantity.is_zero()) {
        return Err(Refusal::dialog("There are one or more lines with no quantity specified."));
    }
    if company.closed(invoice.posting_date) {
        return Err(Refusal::field(format!("Posting Date is not within your range of allowed posting dates in {record}.")));
    }
    if company.setup.external_document_mandatory && invoice.external_number.is_empty() {
        return Err(Refusal::must_have("External Document No.", &record));
    }
    let Some(customer) = company.customer(invoice.customer) else {
        return Err(Refusal::dialog("The sell-to customer cannot be found."));
    };
    if customer.blocked != Blocked::No {
        let message = format!(
            "You cannot post this type of document when Customer {} is blocked with type {}",
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
    sold.iter().try_for_each(|line| check_line(company, invoice, line))?;
    if invoice.total < Decimal::ZERO {
        return Err(Refusal::dialog("The total amount for the invoice must be 0 or greater."));
    }
    Ok(())
}

fn check_line(company: &Company, invoice: &Invoice, line: &Line) -> Result<(), Refusal> {
    let record = format!("Sales Line: Document Type=Invoice, Document No.={}, Line No.={}", invoice.number, line.sequence);
    if line.object.is_empty() {
        return Err(Refusal::must_have("No.", &record));
    }
    let (blocked, gen_prod, needs) = match line.kind {
        LineType::Account => company.account(&line.object).map_or((true, None, false), |account| {
            (account.blocked, account.gen_prod_posting_group.as_deref(), account.requires_dimension)
        }),
        LineType::Item => company
            .item(&line.object)
            .map_or((true, None, false), |item| (item.blocked, item.general_product_posting_group_code.as_deref(), false)),
        LineType::Comment => return Ok(()),
    };
    if blocked {
        let table = if line.kind == LineType::Item { "Item" } else { "G/L Account" };
        return Err(Refusal::field(format!("Blocked must be equal to 'No' in {table}: No.={}. Current value is 'Yes'.", line.object)));
    }
    if gen_prod.is_none_or(str::is_empty) {
        return Err(Refusal::must_have("Gen. Prod. Posting Group", &record));
    }
    if line.tax_code.is_empty() {
        return Err(Refusal::must_have("VAT Prod. Posting Group", &record));
    }
    let code = &company.dimension1.code;
    let set = !invoice.dimension1.is_empty() || line.dimensions.iter().any(|dimension| dimension.starts_with(&format!("{code}:")));
    if needs && !set {
        let message = format!("Select a Dimension Value Code for the Dimension Code {code} for G/L Account {}.", line.object);
        return Err(Refusal::dialog(message));
    }
    Ok(())
}

/// The posted document: another number, other ids of its lines, perhaps a rounding line. With a background queue that fails it is the draft
/// that it was.
pub(crate) fn posted(desk: &mut Desk<'_>, mut invoice: Invoice) -> Result<Invoice, Refusal> {
    check(desk.company, &invoice)?;
    if desk.company.setup.background_posting_fails {
        return Ok(invoice);
    }
    if let Some(precision) = desk.company.setup.invoice_rounding.filter(|precision| *precision > Decimal::ZERO) {
        round(desk, &mut invoice, precision)?;
    }
    invoice.number = desk.company.posted_number();
    for line in &mut invoice.lines {
        line.id = desk.ids.uuid();
        line.version += 1;
    }
    invoice.status = if invoice.total.is_zero() { Status::Paid } else { Status::Open };
    invoice.touch(desk.now);
    Ok(invoice)
}

/// "Invoice rounding": the total is rounded to the precision by a line of its own (section 13).
fn round(desk: &mut Desk<'_>, invoice: &mut Invoice, precision: Decimal) -> Result<(), Refusal> {
    let steps = (invoice.total / precision).round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    let difference = steps * precision - invoice.total;
    if difference.is_zero() {
        return Ok(());
    }
    let sequence = invoice.lines.iter().map(|line| line.sequence).max().unwrap_or_default() + 10_000;
    let mut line = Line::blank(desk.ids.uuid(), sequence);
    line.kind = LineType::Account;
    line.object = ROUNDING.to_owned();
    line.description = "Invoice rounding".to_owned();
    line.quantity = Decimal::ONE;
    line.unit_price = difference;
    let tax_code = desk.company.account(ROUNDING).and_then(|account| account.vat_prod_posting_group.clone()).unwrap_or_default();
    rate(desk.company, &invoice.vat_bus_posting_group, &mut line, tax_code)?;
    invoice.lines.push(line);
    invoice.compute(desk.company, desk.now);
    Ok(())
}

/// `POST salesInvoices({id})/Microsoft.NAV.cancel`: posts a corrective credit memo.
pub(crate) fn cancel(desk: &mut Desk<'_>, ask: &Ask, id: Uuid) -> Result<Reply, Refusal> {
    ask.only(&[])?;
    empty(ask)?;
    desk.company.invoice(id).ok_or_else(Refusal::not_found)?;
    desk.company.permitted("cancel")?;
    cancelled(desk, id)?;
    Ok(no_content())
}

/// Cancels a posted invoice, or says why not.
pub(crate) fn cancelled(desk: &mut Desk<'_>, id: Uuid) -> Result<(), Refusal> {
    let company = &mut *desk.company;
    let invoice = company.invoice(id).ok_or_else(Refusal::not_found)?;
    let number = invoice.number.clone();
    match invoice.status {
        Status::Draft | Status::InReview | Status::Released => {
            return Err(Refusal::dialog("The action can be applied to a posted invoice only."));
        }
        Status::Canceled => return Err(Refusal::dialog("The invoice cannot be canceled because it has already been canceled.")),
        Status::Corrective => {
            return Err(Refusal::dialog(format!("You cannot cancel posted sales invoice {number} because it is a corrective document.")));
        }
        Status::Open | Status::Paid => {}
    }
    let no = |why: String| Err(Refusal::dialog(format!("You cannot cancel posted sales invoice {number} because {why}.")));
    if !invoice.paid.is_zero() || invoice.status == Status::Paid {
        return no("it is fully or partially paid".to_owned());
    }
    if company.closed(invoice.posting_date) {
        return no("the inventory or posting period is already closed".to_owned());
    }
    if let Some(customer) = company.customer(invoice.customer).filter(|customer| customer.blocked != Blocked::No) {
        return no(format!("customer {} is blocked", customer.number));
    }
    let blocked = |line: &&Line| match line.kind {
        LineType::Account => company.account(&line.object).is_none_or(|account| account.blocked),
        LineType::Item => company.item(&line.object).is_none_or(|item| item.blocked),
        LineType::Comment => false,
    };
    if let Some(line) = invoice.lines.iter().find(blocked) {
        return no(format!("{} {} is blocked", line.kind.word().to_lowercase(), line.object));
    }
    if company.setup.external_document_mandatory && invoice.external_number.is_empty() {
        return no("an external document number is required on the credit memo".to_owned());
    }
    if company.series.credit_memos_left == 0 {
        let why = "You cannot assign new numbers from the number series S-CR+";
        return Err(Refusal::dialog(format!("Canceling the invoice failed because of the following error: \n\n{why}.")));
    }
    company.series.credit_memos_left -= 1;
    let now = desk.now;
    if let Some(invoice) = company.invoice_mut(id) {
        invoice.status = Status::Canceled;
        invoice.touch(now);
    }
    Ok(())
}
