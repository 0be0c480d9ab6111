//! Invoices as sent.

use jiff::civil::Date;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::invoice::{LineAmountTypes, Status};
use super::reply::Refusal;
use crate::skeleton::fields::Fields;

pub(crate) struct InvoiceInput {
    pub(crate) id: Option<Uuid>,
    pub(crate) number: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) contact: Option<ContactChoice>,
    pub(crate) date: Option<Date>,
    pub(crate) due_date: Option<Date>,
    pub(crate) line_amount_types: Option<LineAmountTypes>,
    pub(crate) currency: Option<String>,
    pub(crate) currency_rate: Option<Decimal>,
    pub(crate) status: Option<Status>,
    pub(crate) sent: Option<bool>,
    pub(crate) url: Option<String>,
    pub(crate) lines: Option<Vec<LineInput>>,
}

/// How an invoice names its contact.
pub(crate) enum ContactChoice {
    Id(Uuid),
    Number(String),
    /// Can mint or mis-match a contact (vendor notes, section 2): modelled, because it is the documented danger.
    Name(String),
}

pub(crate) struct LineInput {
    pub(crate) id: Option<Uuid>,
    pub(crate) description: Option<String>,
    pub(crate) quantity: Option<Decimal>,
    pub(crate) unit_amount: Option<Decimal>,
    pub(crate) line_amount: Option<Decimal>,
    pub(crate) account_code: Option<String>,
    pub(crate) account_id: Option<Uuid>,
    pub(crate) tax_type: Option<String>,
    pub(crate) tax_amount: Option<Decimal>,
    pub(crate) discount_rate: Option<Decimal>,
    pub(crate) discount_amount: Option<Decimal>,
    pub(crate) tracking: Vec<TrackingInput>,
}

pub(crate) struct TrackingInput {
    pub(crate) category_id: Option<Uuid>,
    pub(crate) name: Option<String>,
    pub(crate) option_id: Option<Uuid>,
    pub(crate) option: Option<String>,
}

const INVOICE_FIELDS: [&str; 14] = [
    "Type",
    "InvoiceID",
    "InvoiceNumber",
    "Reference",
    "Contact",
    "Date",
    "DueDate",
    "LineAmountTypes",
    "CurrencyCode",
    "CurrencyRate",
    "Status",
    "SentToContact",
    "Url",
    "LineItems",
];

const LINE_FIELDS: [&str; 12] = [
    "LineItemID",
    "Description",
    "Quantity",
    "UnitAmount",
    "LineAmount",
    "AccountCode",
    "AccountID",
    "TaxType",
    "TaxAmount",
    "DiscountRate",
    "DiscountAmount",
    "Tracking",
];

/// Below it no product or sum leaves the range of a decimal.
const LARGEST: Decimal = Decimal::from_parts(1_410_065_408, 2, 0, false, 0);

fn modelled(fields: &Fields, known: &[&str], what: &str) -> Result<(), Refusal> {
    match fields.unknown(known) {
        None => Ok(()),
        Some(field) => Err(Refusal::NotModelled(format!("writing the {what} field {field}"))),
    }
}

impl InvoiceInput {
    pub(crate) fn read(fields: &Fields) -> Result<Self, Refusal> {
        modelled(fields, &INVOICE_FIELDS, "invoice")?;
        match fields.text("Type")?.as_deref() {
            None | Some("ACCREC") => {}
            Some(other) => return Err(Refusal::NotModelled(format!("invoices of type {other}"))),
        }
        let line_amount_types = match fields.text("LineAmountTypes")?.as_deref() {
            None => None,
            Some("Exclusive") => Some(LineAmountTypes::Exclusive),
            Some("Inclusive") => Some(LineAmountTypes::Inclusive),
            Some("NoTax") => Some(LineAmountTypes::NoTax),
            Some(other) => return Err(Refusal::PostData(format!("LineAmountTypes {other} is not known"))),
        };
        let status = fields.text("Status")?;
        let status = status
            .map(|word| Status::from_word(&word).ok_or_else(|| Refusal::PostData(format!("Status {word} is not known"))))
            .transpose()?;
        let lines = fields.objects("LineItems")?.map(|lines| lines.iter().map(LineInput::read).collect::<Result<_, _>>()).transpose()?;
        Ok(Self {
            id: fields.uuid("InvoiceID")?,
            number: fields.text("InvoiceNumber")?.filter(|number| !number.is_empty()),
            reference: fields.text("Reference")?,
            contact: fields.object("Contact")?.map(|contact| choice(&contact)).transpose()?,
            date: fields.date("Date")?,
            due_date: fields.date("DueDate")?,
            line_amount_types,
            currency: fields.text("CurrencyCode")?,
            currency_rate: fields.decimal("CurrencyRate")?,
            status,
            sent: fields.boolean("SentToContact")?,
            url: fields.text("Url")?,
            lines,
        })
    }
}

fn choice(contact: &Fields) -> Result<ContactChoice, Refusal> {
    modelled(contact, &["ContactID", "ContactNumber", "Name"], "invoice's Contact")?;
    match (contact.uuid("ContactID")?, contact.text("ContactNumber")?, contact.text("Name")?) {
        (Some(id), None, None) => Ok(ContactChoice::Id(id)),
        (None, Some(number), None) => Ok(ContactChoice::Number(number)),
        (None, None, Some(name)) => Ok(ContactChoice::Name(name)),
        _ => Err(Refusal::not_modelled("an invoice's Contact with other than one of ContactID, ContactNumber, Name")),
    }
}

impl LineInput {
    fn read(fields: &Fields) -> Result<Self, Refusal> {
        modelled(fields, &LINE_FIELDS, "line")?;
        let mut tracking = Vec::new();
        for entry in fields.objects("Tracking")?.unwrap_or_default() {
            modelled(&entry, &["TrackingCategoryID", "TrackingOptionID", "Name", "Option"], "Tracking")?;
            tracking.push(TrackingInput {
                category_id: entry.uuid("TrackingCategoryID")?,
                name: entry.text("Name")?,
                option_id: entry.uuid("TrackingOptionID")?,
                option: entry.text("Option")?,
            });
        }
        let line = Self {
            id: fields.uuid("LineItemID")?,
            description: fields.text("Description")?,
            quantity: fields.decimal("Quantity")?,
            unit_amount: fields.decimal("UnitAmount")?,
            line_amount: fields.decimal("LineAmount")?,
            account_code: fields.text("AccountCode")?.filter(|code| !code.is_empty()),
            account_id: fields.uuid("AccountID")?,
            tax_type: fields.text("TaxType")?.filter(|tax| !tax.is_empty()),
            tax_amount: fields.decimal("TaxAmount")?,
            discount_rate: fields.decimal("DiscountRate")?,
            discount_amount: fields.decimal("DiscountAmount")?,
            tracking,
        };
        let numbers = [line.quantity, line.unit_amount, line.line_amount, line.tax_amount, line.discount_rate, line.discount_amount];
        if numbers.into_iter().flatten().any(|number| number.abs() >= LARGEST) {
            return Err(Refusal::not_modelled("numbers of more than ten digits on a line"));
        }
        if line.quantity.is_some() != line.unit_amount.is_some() {
            return Err(Refusal::not_modelled("a line with only one of Quantity and UnitAmount"));
        }
        if line.quantity.is_none() && line.line_amount.is_some_and(|amount| !amount.is_zero()) {
            return Err(Refusal::not_modelled("a line with LineAmount and neither Quantity nor UnitAmount"));
        }
        if line.discount_rate.is_some() && line.discount_amount.is_some() {
            return Err(Refusal::not_modelled("a line with both DiscountRate and DiscountAmount"));
        }
        Ok(line)
    }
}
