//! Creating, changing, voiding and deleting invoices (sections 3 and 4).

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::address::Address;
use super::company::Company;
use super::fault::Refusal;
use super::invoice::{Calculation, Invoice, Line, SalesItem};
use super::invoice_input::{self as input, LineInput, SaleInput};
use super::patch::{Patch, only, reference};
use super::payment;
use super::person::PersonKind;
use super::person_write::current;
use super::price;
use super::wire::{Version, day};
use crate::skeleton::fields::Fields;
use crate::skeleton::number::half_up;

const VAT_MISSING: &str = "Make sure all your transactions have a VAT rate before you save.";
/// Asks for the next number of the sequence (section 3, DocNumber).
const AUTO: &str = "AUTO_GENERATE";

/// How an invoice is written.
#[derive(Clone, Copy)]
pub(crate) struct Writing {
    pub(crate) now: Timestamp,
    /// `include=allowduplicatedocnum`.
    pub(crate) allow_duplicate: bool,
    /// Whether the document counts as made by the app.
    pub(crate) by_app: bool,
}

/// Creates an invoice, or changes the one of this id.
pub(crate) fn write(company: &mut Company, fields: &Fields, writing: Writing) -> Result<String, Refusal> {
    only(fields, &input::FIELDS, "invoice")?;
    match fields.text("Id")? {
        None => create(company, fields, writing),
        Some(id) => update(company, fields, &id, writing),
    }
}

fn create(company: &mut Company, fields: &Fields, writing: Writing) -> Result<String, Refusal> {
    let now = writing.now;
    let customer = customer(company, fields, None)?;
    let currency = company.person(PersonKind::Customer, &customer)?.currency.clone();
    let mut invoice = Invoice {
        id: String::new(),
        version: Version::new(now),
        doc_number: None,
        date: day(now),
        due_date: None,
        customer,
        exchange_rate: company.rate_of(&currency).unwrap_or(Decimal::ONE),
        currency,
        private_note: None,
        customer_memo: None,
        bill_email: None,
        email_status: "NotSet".to_owned(),
        bill_addr: None,
        card_payment: None,
        ach_payment: None,
        calculation: (!company.is_us()).then_some(Calculation::TaxExcluded),
        lines: Vec::new(),
        next_line: 1,
        tax_code: None,
        tax_override: None,
        tax_lines: Vec::new(),
        subtotal: Decimal::ZERO,
        total_tax: Decimal::ZERO,
        total: Decimal::ZERO,
        applied: Decimal::ZERO,
        payments: Vec::new(),
        voided: false,
        deleted: false,
        created_by_app: writing.by_app,
    };
    set(company, &mut invoice, Patch { fields, full: true }, true, now)?;
    company.open_on(invoice.date)?;
    let auto = !company.preferences.sales_forms_prefs.custom_txn_numbers && invoice.doc_number.is_none();
    if auto || invoice.doc_number.as_deref() == Some(AUTO) {
        invoice.doc_number = Some(next_number(company));
    } else {
        number_is_free(company, &invoice, writing)?;
    }
    invoice.id = company.next_transaction();
    let id = invoice.id.clone();
    company.invoices.put(invoice);
    if company.preferences.sales_forms_prefs.auto_apply_credit {
        payment::apply_credit(company, &id, now)?;
    }
    Ok(id)
}

fn update(company: &mut Company, fields: &Fields, id: &str, writing: Writing) -> Result<String, Refusal> {
    let before = company.invoice(id)?;
    current(fields, &before.version)?;
    if before.voided {
        return Err(Refusal::not_modelled("changing a voided invoice"));
    }
    company.open_on(before.date)?;
    let mut after = before.clone();
    let before = before.clone();
    let full = fields.boolean("sparse")? != Some(true);
    after.customer = customer(company, fields, Some(&before))?;
    if after.customer != before.customer && !before.payments.is_empty() {
        return Err(Refusal::not_modelled("another customer on an invoice that has payments"));
    }
    set(company, &mut after, Patch { fields, full }, false, writing.now)?;
    company.open_on(after.date)?;
    if after.doc_number.as_deref() == Some(AUTO) {
        after.doc_number = Some(next_number(company));
    } else if after.doc_number != before.doc_number {
        number_is_free(company, &after, writing)?;
    }
    if after.total < after.applied {
        may_end(company, &before)?;
    }
    after.version.bump(writing.now);
    company.invoices.put(after);
    payment::trim(company, id, writing.now)?;
    Ok(id.to_owned())
}

/// `CustomerRef`: required on a create and a full update; unknown or inactive is 2500, unless the invoice has that customer already.
fn customer(company: &Company, fields: &Fields, before: Option<&Invoice>) -> Result<String, Refusal> {
    let sparse = fields.boolean("sparse")? == Some(true);
    match (reference(fields, "CustomerRef")?, before) {
        (None, Some(before)) if sparse && !fields.has("CustomerRef") => Ok(before.customer.clone()),
        (None, _) => Err(Refusal::missing("CustomerRef")),
        (Some(id), Some(before)) if before.customer == id => Ok(id),
        (Some(id), _) => match company.person(PersonKind::Customer, &id) {
            Ok(person) if person.active => Ok(id),
            _ => Err(Refusal::reference("Customers", &id)),
        },
    }
}

fn set(company: &Company, invoice: &mut Invoice, patch: Patch<'_>, new: bool, now: Timestamp) -> Result<(), Refusal> {
    let fields = patch.fields;
    patch.text("DocNumber", input::LONGEST_NUMBER, &mut invoice.doc_number)?;
    patch.text("PrivateNote", input::LONGEST_NOTE, &mut invoice.private_note)?;
    patch.inner("CustomerMemo", "value", input::LONGEST_MEMO, &mut invoice.customer_memo)?;
    patch.inner("BillEmail", "Address", input::LONGEST_EMAIL, &mut invoice.bill_email)?;
    patch.boolean("AllowOnlineCreditCardPayment", &mut invoice.card_payment)?;
    patch.boolean("AllowOnlineACHPayment", &mut invoice.ach_payment)?;
    if patch.speaks("TxnDate") {
        // Nothing sent: the vendor's own day (section 3), on a full update too.
        invoice.date = fields.date("TxnDate")?.unwrap_or_else(|| day(now));
    }
    patch.date("DueDate", &mut invoice.due_date)?;
    invoice.due_date = invoice.due_date.or(Some(invoice.date));
    if patch.speaks("BillAddr") {
        invoice.bill_addr = fields.object("BillAddr")?.map(|address| Address::read(&address, "BillAddr")).transpose()?;
    }
    if patch.speaks("EmailStatus") {
        invoice.email_status = match fields.text("EmailStatus")?.as_deref() {
            None => "NotSet".to_owned(),
            Some(known @ ("NotSet" | "NeedToSend" | "EmailSent")) => known.to_owned(),
            Some(other) => return Err(Refusal::enumeration("EmailStatus", other)),
        };
    }
    if invoice.email_status == "NeedToSend" && invoice.bill_email.is_none() {
        return Err(Refusal::missing("BillEmail"));
    }
    let calculation = invoice.calculation;
    if !company.is_us() && patch.speaks("GlobalTaxCalculation") {
        invoice.calculation = match fields.text("GlobalTaxCalculation")?.as_deref() {
            None | Some("TaxExcluded") => Some(Calculation::TaxExcluded),
            Some("TaxInclusive") => Some(Calculation::TaxInclusive),
            Some("NotApplicable") => Some(Calculation::NotApplicable),
            Some(other) => return Err(Refusal::enumeration("GlobalTaxCalculation", other)),
        };
    }
    let changed = invoice.calculation != calculation;
    currency(company, invoice, patch, new)?;
    match input::lines(fields)? {
        // The array is replaced as a whole.
        Some(lines) => set_lines(company, invoice, lines)?,
        None if patch.full => return Err(Refusal::missing("Line")),
        None if changed => return Err(Refusal::not_modelled("another GlobalTaxCalculation without the lines")),
        None => {}
    }
    if invoice.lines.is_empty() {
        return Err(Refusal::missing("Line"));
    }
    set_tax(company, invoice, patch)
}

fn currency(company: &Company, invoice: &mut Invoice, patch: Patch<'_>, new: bool) -> Result<(), Refusal> {
    let sent = reference(patch.fields, "CurrencyRef")?;
    let rate = patch.fields.decimal("ExchangeRate")?;
    if !company.preferences.multi_currency() {
        let foreign = sent.is_some_and(|code| code != company.home()) || rate.is_some_and(|rate| rate != Decimal::ONE);
        if foreign {
            return Err(Refusal::business("Multi currency should be enabled to perform this operation."));
        }
        return Ok(());
    }
    match sent {
        // Section 3: with multicurrency on, CurrencyRef is required.
        None if new => return Err(Refusal::missing("CurrencyRef")),
        None => {}
        Some(code) if company.rate_of(&code).is_none() => return Err(Refusal::reference("CurrencyRef", &code)),
        Some(code) => invoice.currency = code,
    }
    let of_customer = company.people.get(&invoice.customer).map(|customer| customer.currency.as_str());
    if of_customer != Some(invoice.currency.as_str()) {
        return Err(Refusal::business("The currency of the transaction must be that of its customer."));
    }
    if let Some(rate) = rate {
        if rate >= input::LARGEST {
            return Err(Refusal::not_modelled("exchange rates of more than ten digits"));
        }
        if rate <= Decimal::ZERO {
            return Err(Refusal::business("The exchange rate must be above zero."));
        }
        invoice.exchange_rate = rate;
    }
    Ok(())
}

fn set_lines(company: &Company, invoice: &mut Invoice, sent: Vec<LineInput>) -> Result<(), Refusal> {
    let before = std::mem::take(&mut invoice.lines);
    for line in sent {
        let id = match line.id {
            None => {
                let id = invoice.next_line;
                invoice.next_line = invoice.next_line.saturating_add(1);
                id
            }
            Some(id) if !before.iter().any(|old| old.id == id) => {
                return Err(Refusal::not_modelled("a line id that the invoice does not have"));
            }
            Some(id) if invoice.lines.iter().any(|other| other.id == id) => return Err(Refusal::not_modelled("the same line id twice")),
            Some(id) => id,
        };
        let old = before.iter().find(|old| old.id == id).and_then(|old| old.sale.as_ref());
        let amount = line.sale.as_ref().map_or(Decimal::ZERO, |sale| sale.amount);
        let places = price::decimals(&invoice.currency);
        let sale = line.sale.map(|sale| set_sale(company, invoice, sale, old)).transpose()?;
        invoice.lines.push(Line { id, description: line.description, amount: half_up(amount, places), sale });
    }
    Ok(())
}

fn set_sale(company: &Company, invoice: &Invoice, sent: SaleInput, old: Option<&SalesItem>) -> Result<SalesItem, Refusal> {
    let usable = |active: bool, same: bool| active || same;
    if !company.item(&sent.item).is_some_and(|item| usable(item.active, old.is_some_and(|old| old.item == sent.item))) {
        return Err(Refusal::reference("Items", &sent.item));
    }
    if let Some(class) = &sent.class {
        let same = old.is_some_and(|old| old.class.as_ref() == Some(class));
        if !company.classes.iter().any(|one| one.id == *class && usable(one.active, same)) {
            return Err(Refusal::reference("Classes", class));
        }
    }
    let places = price::decimals(&invoice.currency);
    let amount = half_up(sent.amount, places);
    if let (Some(quantity), Some(unit)) = (sent.quantity, sent.unit_price) {
        let product = price::amount(quantity, unit, places);
        if product != amount {
            return Err(Refusal::amount(format!("Amount is not equal to UnitPrice * Qty. Supplied value:{amount}, expected {product}")));
        }
    }
    let code = tax_code(company, invoice, sent.tax_code, old)?;
    let inclusive = match (invoice.calculation, sent.inclusive) {
        (Some(Calculation::TaxInclusive), None) => return Err(Refusal::not_modelled("TaxInclusive without TaxInclusiveAmt on a line")),
        (Some(Calculation::TaxInclusive), Some(gross)) => {
            // The notes say no more than that TaxInclusiveAmt decides (section 10): the amount is what is left of it without tax.
            let percents = code.as_deref().map(|code| company.percents(code, invoice.date)).unwrap_or_default();
            if percents.len() > 1 {
                return Err(Refusal::not_modelled("TaxInclusive with a code of several rates"));
            }
            let contained = percents.first().map_or(Decimal::ZERO, |(_, percent)| price::contained_tax(gross, *percent, places));
            let net = half_up(gross - contained, places);
            if net != amount {
                return Err(Refusal::amount(format!("Amount is not TaxInclusiveAmt without tax. Supplied value:{amount}, expected {net}")));
            }
            Some(gross)
        }
        _ => None,
    };
    Ok(SalesItem {
        item: sent.item,
        class: sent.class,
        quantity: sent.quantity,
        unit_price: sent.unit_price,
        tax_code: code,
        inclusive,
        service_date: sent.service_date,
    })
}

/// The tax code of a line (section 4).
fn tax_code(company: &Company, invoice: &Invoice, sent: Option<String>, old: Option<&SalesItem>) -> Result<Option<String>, Refusal> {
    if company.is_us() {
        return match sent.as_deref() {
            None => Ok(Some("NON".to_owned())),
            Some("TAX" | "NON") => Ok(sent),
            Some(other) => Err(Refusal::reference("TaxCodes", other)),
        };
    }
    if !company.taxes() {
        return match sent {
            None => Ok(None),
            Some(_) => Err(Refusal::not_modelled("a tax code in a company that does not use tax")),
        };
    }
    if invoice.calculation == Some(Calculation::NotApplicable) {
        return Ok(None);
    }
    let Some(id) = sent else { return Err(Refusal::business(VAT_MISSING)) };
    let same = old.is_some_and(|old| old.tax_code.as_ref() == Some(&id));
    match company.tax_code(&id) {
        Some(code) if !code.active && !same => Err(Refusal::reference("TaxCodes", &id)),
        // For purchases alone.
        Some(code) if code.rates.is_empty() => Err(Refusal::business(VAT_MISSING)),
        Some(_) => Ok(Some(id)),
        None => Err(Refusal::reference("TaxCodes", &id)),
    }
}

fn set_tax(company: &Company, invoice: &mut Invoice, patch: Patch<'_>) -> Result<(), Refusal> {
    let sent = input::tax(patch.fields)?;
    let places = price::decimals(&invoice.currency);
    let mut announced = None;
    if company.is_us() {
        let automated = company.preferences.tax_prefs.partner_tax_enabled == Some(true);
        if patch.full || patch.fields.has("Line") {
            invoice.tax_override = None;
        }
        if patch.speaks("TxnTaxDetail") {
            let tax = sent.unwrap_or_default();
            if let Some(code) = &tax.code
                && !company.tax_code(code).is_some_and(|known| known.active && !known.rates.is_empty())
            {
                return Err(Refusal::reference("TaxCodes", code));
            }
            if automated && tax.total.is_some() && tax.code.is_none() {
                return Err(Refusal::not_modelled("TotalTax without TxnTaxCodeRef"));
            }
            // Without automated sales tax the vendor computes the tax again, whatever was sent (section 10).
            invoice.tax_override = tax.total.filter(|_| automated).map(|total| half_up(total, places));
            invoice.tax_code = tax.code;
        }
    } else if let Some(tax) = sent {
        if tax.code.is_some() {
            return Err(Refusal::not_modelled("TxnTaxCodeRef outside the US"));
        }
        announced = tax.total.map(|total| half_up(total, places));
    }
    invoice.compute(company)?;
    if announced.is_some_and(|total| total != invoice.total_tax) {
        // Section 11, way 3: reports contradict each other.
        return Err(Refusal::not_modelled("a TotalTax outside the US that differs from the computed one"));
    }
    if invoice.total.is_sign_negative() && !invoice.total.is_zero() {
        return Err(Refusal::business("Transaction amount must be 0 or greater."));
    }
    Ok(())
}

/// The next number of the company's sequence. It does not look whether somebody sent that number before (section 3, DocNumber).
pub(crate) fn next_number(company: &mut Company) -> String {
    let number = company.next_number;
    company.next_number = number.saturating_add(1);
    number.to_string()
}

/// 6140 when the company warns on duplicates; otherwise a number may repeat.
fn number_is_free(company: &Company, invoice: &Invoice, writing: Writing) -> Result<(), Refusal> {
    if !company.preferences.warn_duplicate_doc_numbers || writing.allow_duplicate {
        return Ok(());
    }
    let Some(number) = &invoice.doc_number else { return Ok(()) };
    match company.invoices.by_key(number).find(|other| !other.deleted && other.id != invoice.id) {
        Some(other) => Err(Refusal::duplicate_number(number, &other.id)),
        None => Ok(()),
    }
}

fn ending(company: &Company, fields: &Fields) -> Result<Invoice, Refusal> {
    let id = fields.text("Id")?.ok_or_else(|| Refusal::missing("Id"))?;
    let invoice = company.invoice(&id)?;
    current(fields, &invoice.version)?;
    may_end(company, invoice)?;
    Ok(invoice.clone())
}

/// 6210 and 6540 (section 3, "Void, delete, edit").
pub(crate) fn may_end(company: &Company, invoice: &Invoice) -> Result<(), Refusal> {
    company.open_on(invoice.date)?;
    let deposited = |id: &String| company.payments.get(id).is_some_and(|payment| payment.deposited);
    if invoice.payments.iter().any(deposited) { Err(Refusal::deposited()) } else { Ok(()) }
}

/// `operation=void`.
pub(crate) fn void(company: &mut Company, fields: &Fields, now: Timestamp) -> Result<String, Refusal> {
    let invoice = ending(company, fields)?;
    if invoice.voided {
        return Err(Refusal::not_modelled("voiding a voided invoice"));
    }
    let id = invoice.id.clone();
    make_void(company, invoice, now);
    Ok(id)
}

/// Amounts and quantities become 0, the note says so, payments become credit of the customer.
pub(crate) fn make_void(company: &mut Company, mut invoice: Invoice, now: Timestamp) {
    payment::release(company, &invoice.id, now);
    for line in &mut invoice.lines {
        line.amount = half_up(Decimal::ZERO, price::decimals(&invoice.currency));
        if let Some(sale) = &mut line.sale {
            sale.quantity = sale.quantity.map(|_| Decimal::ZERO);
            sale.inclusive = sale.inclusive.map(|_| Decimal::ZERO);
        }
    }
    let zero = half_up(Decimal::ZERO, price::decimals(&invoice.currency));
    invoice.private_note = Some(voided_note(invoice.private_note.as_deref()));
    invoice.tax_lines = Vec::new();
    invoice.tax_override = None;
    (invoice.subtotal, invoice.total_tax, invoice.total, invoice.applied) = (zero, zero, zero, zero);
    invoice.payments = Vec::new();
    invoice.voided = true;
    invoice.version.bump(now);
    company.invoices.put(invoice);
}

/// "Voided" before whatever the note said.
pub(crate) fn voided_note(note: Option<&str>) -> String {
    note.map_or_else(|| "Voided".to_owned(), |note| format!("Voided - {note}"))
}

/// `operation=delete`.
pub(crate) fn delete(company: &mut Company, fields: &Fields, now: Timestamp) -> Result<String, Refusal> {
    let invoice = ending(company, fields)?;
    let id = invoice.id.clone();
    make_deleted(company, invoice, now);
    Ok(id)
}

pub(crate) fn make_deleted(company: &mut Company, mut invoice: Invoice, now: Timestamp) {
    payment::release(company, &invoice.id, now);
    invoice.payments = Vec::new();
    invoice.applied = Decimal::ZERO;
    invoice.deleted = true;
    invoice.version.bump(now);
    company.invoices.put(invoice);
}
