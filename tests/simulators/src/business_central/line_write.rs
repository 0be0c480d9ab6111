//! Lines of drafts: made, changed, deleted (vendor notes, section 5). Fields are written in the order in which they are sent.

use std::fmt;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use uuid::Uuid;

use super::ask::Ask;
use super::cell::decoded;
use super::company::Company;
use super::customer::{bounded, code, members, same_key};
use super::desk::Desk;
use super::header::{POSTED, no_content, open};
use super::invoice::{Invoice, Line, LineType};
use super::invoice_reply::{self, INVOICE_LINES, find_line};
use super::pricing::{Discount, UNIT_PLACES};
use super::reply::Refusal;
use crate::skeleton::answer::Reply;
use crate::skeleton::fields::Fields;
use crate::skeleton::number::half_up;

const WRITABLE: [&str; 16] = [
    "documentId",
    "sequence",
    "itemId",
    "accountId",
    "lineType",
    "lineObjectNumber",
    "description",
    "description2",
    "unitOfMeasureCode",
    "quantity",
    "unitPrice",
    "discountAmount",
    "discountPercent",
    "taxCode",
    "itemVariantId",
    "locationId",
];

const READ_ONLY: [&str; 9] = [
    "id",
    "amountExcludingTax",
    "taxPercent",
    "totalTaxAmount",
    "amountIncludingTax",
    "invoiceDiscountAllocation",
    "netAmount",
    "netTaxAmount",
    "netAmountIncludingTax",
];

/// The members of a JSON object, in order.
struct Order(Vec<String>);

impl<'de> Deserialize<'de> for Order {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Order;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Order, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    names.push(name);
                }
                Ok(Order(names))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// A line's body.
struct Body {
    fields: Fields,
    order: Order,
}

impl Body {
    fn read(ask: &Ask) -> Result<Self, Refusal> {
        ask.json()?;
        let fields = Fields::parse(&ask.body)?;
        let order = serde_json::from_slice(&ask.body).map_err(|error| Refusal::bad_request(format!("Invalid Request Body: {error}")))?;
        members(&fields, &INVOICE_LINES, &WRITABLE, &READ_ONLY)?;
        Ok(Self { fields, order })
    }

    fn sequence(&self) -> Result<Option<i64>, Refusal> {
        let Some(number) = self.fields.decimal("sequence")? else { return Ok(None) };
        let whole = i64::try_from(number).ok().filter(|whole| Decimal::from(*whole) == number);
        whole.map(Some).ok_or_else(|| Refusal::bad_request("Unable to convert value to Int32"))
    }
}

/// An unposted document whose lines may change.
fn editable(company: &Company, document: Uuid) -> Result<&Invoice, Refusal> {
    let invoice = company.invoice(document).ok_or_else(Refusal::not_found)?;
    company.permitted("salesInvoices")?;
    if invoice.status.posted() {
        return Err(Refusal::dialog(POSTED));
    }
    open(invoice)?;
    Ok(invoice)
}

/// `POST salesInvoices({id})/salesInvoiceLines`.
pub(crate) fn create(desk: &mut Desk<'_>, ask: &Ask, document: Uuid) -> Result<Reply, Refusal> {
    let invoice = editable(desk.company, document)?;
    let body = Body::read(ask)?;
    let sequence = match body.sequence()?.filter(|sequence| *sequence != 0) {
        Some(sequence) => {
            if invoice.lines.iter().any(|line| line.sequence == sequence) {
                let message = format!(
                    "The Sales Line already exists. Identification fields and values: Document Type='Invoice',Document No.='{}',Line \
                     No.='{sequence}'",
                    invoice.number
                );
                return Err(same_key(&message));
            }
            sequence
        }
        None => invoice.lines.iter().map(|line| line.sequence).max().unwrap_or_default() + 10_000,
    };
    let mut line = Line::blank(Uuid::nil(), sequence);
    let mut writer = Writer { company: desk.company, invoice, kind: None, fresh: true };
    writer.apply(&mut line, &body)?;
    line.kind = writer.kind.unwrap_or(LineType::Item);
    line.id = desk.ids.uuid();
    let id = line.id;
    let mut invoice = invoice.clone();
    invoice.lines.push(line);
    store(desk, ask, invoice, id, 201)
}

/// `PATCH` of a line.
pub(crate) fn update(desk: &mut Desk<'_>, ask: &Ask, document: Option<Uuid>, id: Uuid) -> Result<Reply, Refusal> {
    let (invoice, line) = find_line(desk.company, document, id)?;
    let invoice = editable(desk.company, invoice.id)?;
    ask.guard(&line.etag())?;
    let body = Body::read(ask)?;
    if body.sequence()?.is_some_and(|sequence| sequence != line.sequence) {
        return Err(Refusal::dialog("The value for \"sequence\" cannot be modified. Delete and insert the line again."));
    }
    let mut line = line.clone();
    let mut writer = Writer { company: desk.company, invoice, kind: Some(line.kind), fresh: false };
    writer.apply(&mut line, &body)?;
    line.version += 1;
    let mut invoice = invoice.clone();
    if let Some(place) = invoice.lines.iter_mut().find(|other| other.id == id) {
        *place = line;
    }
    store(desk, ask, invoice, id, 200)
}

/// `DELETE` of a line.
pub(crate) fn delete(desk: &mut Desk<'_>, ask: &Ask, document: Option<Uuid>, id: Uuid) -> Result<Reply, Refusal> {
    ask.only(&[])?;
    let (invoice, line) = find_line(desk.company, document, id)?;
    let mut invoice = editable(desk.company, invoice.id)?.clone();
    ask.guard(&line.etag())?;
    invoice.lines.retain(|other| other.id != id);
    invoice.compute(desk.company, desk.now);
    if let Some(place) = desk.company.invoice_mut(invoice.id) {
        *place = invoice;
    }
    Ok(no_content())
}

fn store(desk: &mut Desk<'_>, ask: &Ask, mut invoice: Invoice, line: Uuid, status: u16) -> Result<Reply, Refusal> {
    invoice.compute(desk.company, desk.now);
    let written = invoice.lines.iter().find(|other| other.id == line).ok_or_else(Refusal::not_found)?;
    let reply = ask.one(status, desk.company.id, &invoice_reply::line_entity(desk.company, &invoice, written))?;
    if let Some(place) = desk.company.invoice_mut(invoice.id) {
        *place = invoice;
    }
    Ok(reply)
}

/// Writes fields onto a line.
struct Writer<'company> {
    company: &'company Company,
    invoice: &'company Invoice,
    /// What the line sells, as far as it is known yet.
    kind: Option<LineType>,
    /// A line that is being made.
    fresh: bool,
}

impl Writer<'_> {
    fn apply(&mut self, line: &mut Line, body: &Body) -> Result<(), Refusal> {
        let fields = &body.fields;
        let given = |name: &str| fields.decimal(name).map(|value| value.filter(|value| !value.is_zero()).is_some());
        if given("discountAmount")? && given("discountPercent")? {
            return Err(Refusal::not_modelled("a line with both discountAmount and discountPercent"));
        }
        if fields.uuid("itemId")?.is_some_and(|id| !id.is_nil()) && fields.uuid("accountId")?.is_some_and(|id| !id.is_nil()) {
            return Err(Refusal::dialog("Both \"itemId\" and \"accountId\" are specified. Specify only one of them."));
        }
        if fields.uuid("documentId")?.is_some_and(|id| id != self.invoice.id) {
            return Err(Refusal::dialog("The value for \"documentId\" cannot be modified."));
        }
        for name in &body.order.0 {
            self.field(line, fields, name)?;
        }
        let amounts = [line.quantity, line.unit_price, line.amount];
        if self.kind == Some(LineType::Comment) && amounts.iter().any(|amount| !amount.is_zero()) {
            return Err(Refusal::must_have("Type", "Sales Line"));
        }
        Ok(())
    }

    fn field(&mut self, line: &mut Line, fields: &Fields, name: &str) -> Result<(), Refusal> {
        match name {
            "lineType" => self.kind_is(fields.text(name)?.as_deref())?,
            "lineObjectNumber" => self.object(line, fields.text(name)?)?,
            "itemId" | "accountId" => self.object_id(line, name, fields.uuid(name)?)?,
            "description" => line.description = bounded(fields.text(name)?.unwrap_or_default(), 100)?,
            "description2" => line.description2 = bounded(fields.text(name)?.unwrap_or_default(), 50)?,
            "unitOfMeasureCode" => {
                let unit = code(&fields.text(name)?.unwrap_or_default(), 10)?;
                if !unit.is_empty() && self.kind != Some(LineType::Item) {
                    return Err(Refusal::field("Type must be equal to 'Item' in Sales Line."));
                }
                line.unit_of_measure = unit;
            }
            "quantity" => line.quantity = half_up(fields.decimal(name)?.unwrap_or_default(), UNIT_PLACES),
            "unitPrice" => line.unit_price = half_up(fields.decimal(name)?.unwrap_or_default(), UNIT_PLACES),
            "discountPercent" => {
                let percent = fields.decimal(name)?.unwrap_or_default();
                if percent < Decimal::ZERO || percent > Decimal::ONE_HUNDRED {
                    return Err(Refusal::field("Line Discount % must be between 0 and 100."));
                }
                line.discount = Discount::Percent(half_up(percent, UNIT_PLACES));
            }
            "discountAmount" => line.discount = Discount::Amount(fields.decimal(name)?.unwrap_or_default()),
            "taxCode" => {
                let tax_code = code(&fields.text(name)?.unwrap_or_default(), 20)?;
                if !tax_code.is_empty() && !self.company.tax_groups.iter().any(|group| group.code == tax_code) {
                    let related = "VAT Product Posting Group";
                    return Err(Refusal::relation("VAT Prod. Posting Group", "Sales Invoice Line Aggregate", &tax_code, related));
                }
                self.tax(line, tax_code)?;
            }
            "itemVariantId" | "locationId" if fields.uuid(name)?.is_some_and(|id| !id.is_nil()) => {
                return Err(Refusal::NotModelled(format!("a line's {name}")));
            }
            _ => {}
        }
        Ok(())
    }

    fn kind_is(&mut self, word: Option<&str>) -> Result<(), Refusal> {
        let kind = match word.map(decoded).as_deref() {
            None | Some(" ") => return Err(Refusal::not_modelled("a blank lineType")),
            Some("Comment") => LineType::Comment,
            Some("Account") => LineType::Account,
            Some("Item") => LineType::Item,
            Some(other @ ("Resource" | "Fixed Asset" | "Charge" | "Allocation Account")) => {
                return Err(Refusal::NotModelled(format!("lines of type {other}")));
            }
            Some(other) => {
                let message = format!("'{other}' is not an option. The existing options are: Comment,Account,Item,Resource,Fixed Asset");
                return Err(Refusal::bad_request(message));
            }
        };
        if !self.fresh && self.kind != Some(kind) {
            return Err(Refusal::not_modelled("changing the type of a line"));
        }
        self.kind = Some(kind);
        Ok(())
    }

    fn object_id(&mut self, line: &mut Line, name: &str, id: Option<Uuid>) -> Result<(), Refusal> {
        let Some(id) = id.filter(|id| !id.is_nil()) else { return Ok(()) };
        let (kind, number) = if name == "itemId" {
            (LineType::Item, self.company.items.iter().find(|item| item.id == id).map(|item| &item.number))
        } else {
            (LineType::Account, self.company.accounts.iter().find(|account| account.id == id).map(|account| &account.number))
        };
        if self.kind.is_some_and(|before| before != kind) {
            return Err(Refusal::not_modelled("an itemId or accountId that is not of the line's type"));
        }
        let missing = if kind == LineType::Item { "Item does not exist." } else { "Account does not exist." };
        let number = number.ok_or_else(|| Refusal::dialog(missing))?.clone();
        self.kind = Some(kind);
        if number == line.object { Ok(()) } else { self.object(line, Some(number)) }
    }

    /// Names the account or item; what the card says replaces what was written before (section 5: "send quantity and price after").
    fn object(&mut self, line: &mut Line, number: Option<String>) -> Result<(), Refusal> {
        let number = code(&number.unwrap_or_default(), 20)?;
        if number == line.object {
            return Ok(());
        }
        if !line.object.is_empty() {
            return Err(Refusal::dialog("The value for \"lineObjectNumber\" cannot be modified."));
        }
        match self.kind {
            None | Some(LineType::Comment) => {
                let message = format!("The Standard Text does not exist. Identification fields and values: Code='{number}'");
                Err(Refusal::no_record(message))
            }
            Some(LineType::Account) => {
                let account = self.company.account(&number).ok_or_else(|| Refusal::dialog("Account does not exist."))?;
                let must = |field: &str, value: &str, current: &str| {
                    let record = format!("G/L Account: No.={number}");
                    Refusal::field(format!("{field} must be equal to '{value}' in {record}. Current value is '{current}'."))
                };
                if account.account_type != "Posting" {
                    return Err(must("Account Type", "Posting", &account.account_type));
                }
                if account.blocked {
                    return Err(must("Blocked", "No", "Yes"));
                }
                if !account.direct_posting {
                    return Err(must("Direct Posting", "Yes", "No"));
                }
                card(line, &account.display_name, Decimal::ZERO, "");
                let tax_code = account.vat_prod_posting_group.clone().unwrap_or_default();
                line.object = number;
                self.tax(line, tax_code)
            }
            Some(LineType::Item) => {
                let item = self.company.item(&number).ok_or_else(|| Refusal::dialog("Item does not exist."))?;
                if item.blocked {
                    let message = format!("Blocked must be equal to 'No' in Item: No.={number}. Current value is 'Yes'.");
                    return Err(Refusal::field(message));
                }
                card(line, &item.display_name, item.unit_price, &item.base_unit_of_measure_code);
                let tax_code = item.vat_prod_posting_group.clone().unwrap_or_default();
                line.object = number;
                self.tax(line, tax_code)
            }
        }
    }

    fn tax(&self, line: &mut Line, tax_code: String) -> Result<(), Refusal> {
        rate(self.company, &self.invoice.vat_bus_posting_group, line, tax_code)
    }
}

/// Gives a line its VAT: business group of the customer times product group of the line. Without a product group there is none yet.
pub(crate) fn rate(company: &Company, business: &str, line: &mut Line, tax_code: String) -> Result<(), Refusal> {
    if tax_code.is_empty() {
        line.tax_code = tax_code;
        line.percent = Decimal::ZERO;
        line.identifier = String::new();
        return Ok(());
    }
    let Some(setup) = company.vat(business, &tax_code) else {
        let message = format!(
            "The VAT Posting Setup does not exist. Identification fields and values: VAT Bus. Posting Group='{business}',VAT Prod. \
             Posting Group='{tax_code}'"
        );
        return Err(Refusal::no_record(message));
    };
    line.percent = setup.percent;
    line.identifier.clone_from(&setup.identifier);
    line.tax_code = tax_code;
    Ok(())
}

fn card(line: &mut Line, name: &str, unit_price: Decimal, unit: &str) {
    name.clone_into(&mut line.description);
    unit.clone_into(&mut line.unit_of_measure);
    line.unit_price = unit_price;
    line.quantity = Decimal::ZERO;
}
