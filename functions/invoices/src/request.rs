//! What callers send. Quantities, prices and rates are decimal strings: a JSON number has been through somebody's float.

use coportal_core::id::{ClientId, InvoiceId, LineId};
use coportal_core::invoice::{Invoice, InvoiceStatus, LineItem, Payment, TaxMode};
use coportal_core::money::Currency;
use coportal_core::problem::Issue;
use coportal_core::workspace::Workspace;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;

use crate::decimal::{Exact, ExactRate};

/// `POST /v1/invoices` and `PUT /v1/invoices/{id}`: the content of an invoice.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct InvoiceRequest {
    /// Absent: the next of the workspace's counter, or on a PUT the number it has.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(pattern = "^\\s*[^\\s#\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]{0,49}\\s*$"))]
    pub(crate) number: Option<String>,
    pub(crate) client_id: ClientId,
    /// Absent: the workspace's.
    #[serde(default)]
    currency: Option<Currency>,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = Date, pattern = "^(19[0-9]{2}|2[0-9]{3})-[0-9]{2}-[0-9]{2}$"))]
    issue_date: Date,
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = Date, pattern = "^(19[0-9]{2}|2[0-9]{3})-[0-9]{2}-[0-9]{2}$"))]
    due_date: Option<Date>,
    #[serde(default)]
    tax_mode: TaxMode,
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 500))]
    lines: Vec<LineRequest>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
struct LineRequest {
    /// On a PUT: the line that this one is. Lines without one are new.
    #[serde(default)]
    id: Option<LineId>,
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 4000, pattern = "[^\\s\\x00-\\x1f\\x7f-\\x9f]"))]
    description: String,
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^-?[0-9]{1,9}(\\.[0-9]{1,4})?$", example = "80.00"))]
    quantity: Exact,
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^-?[0-9]{1,9}(\\.[0-9]{1,6})?$", example = "80.00"))]
    unit_price: Exact,
    #[serde(default)]
    tax_rate: Option<ExactRate>,
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, pattern = "^(100(\\.0{1,4})?|[0-9]{1,2}(\\.[0-9]{1,4})?)$", example = "10"))]
    discount_percent: Option<Exact>,
}

/// What an invoice takes from elsewhere than the request.
pub(crate) struct Surroundings<'a> {
    pub(crate) workspace: &'a Workspace,
    /// The invoice that is replaced.
    pub(crate) before: Option<&'a Invoice>,
    pub(crate) now: Timestamp,
}

impl InvoiceRequest {
    /// The invoice that is asked for, and what is wrong with it; `fresh` makes ids. Where none was
    /// given, the number is still to be drawn.
    pub(crate) fn into_invoice(self, id: InvoiceId, around: &Surroundings<'_>, mut fresh: impl FnMut() -> LineId) -> (Invoice, Vec<Issue>) {
        let before = around.before;
        let mut issues = Vec::new();
        let lines = self.lines.into_iter().enumerate().map(|(index, line)| {
            let known = line.id.filter(|id| before.is_some_and(|before| before.lines.iter().any(|line| line.id == *id)));
            if line.id.is_some() && known.is_none() {
                issues.push(Issue::new(
                    format!("/lines/{index}/id"),
                    "unknown_line",
                    "This invoice has no such line. Leave the id out of a new line.",
                ));
            }
            LineItem {
                id: known.unwrap_or_else(&mut fresh),
                description: line.description,
                quantity: line.quantity.0,
                unit_price: line.unit_price.0,
                tax_rate: line.tax_rate.map(|rate| rate.0),
                discount_percent: line.discount_percent.map(|percent| percent.0),
            }
        });
        let lines = lines.collect();
        let number = self.number.as_deref().map(str::trim).or(before.map(|before| before.number.as_str())).unwrap_or(TO_BE_DRAWN);
        let mut invoice = Invoice {
            id,
            number: number.to_owned(),
            client_id: self.client_id,
            currency: self.currency.or_else(|| before.map(|before| before.currency)).unwrap_or(around.workspace.currency),
            issue_date: self.issue_date,
            due_date: self.due_date,
            status: before.map_or(InvoiceStatus::Draft, |before| before.status),
            tax_mode: self.tax_mode,
            lines,
            payments: Vec::new(),
            version: before.map_or(1, |before| before.version + 1),
            created_at: before.map_or(around.now, |before| before.created_at),
        };
        // C11: a sent invoice has no line without a rate where the workspace has a default.
        if invoice.status == InvoiceStatus::Sent {
            for line in &mut invoice.lines {
                line.tax_rate = line.tax_rate.or(around.workspace.default_tax_rate);
            }
        }
        for (pointer, day) in [("/issue_date", Some(invoice.issue_date)), ("/due_date", invoice.due_date)] {
            if day.is_some_and(|day| !YEARS.contains(&day.year())) {
                issues.push(Issue::new(pointer, "out_of_range", "A date of an invoice lies in the years 1900 to 2999."));
            }
        }
        issues.extend(invoice.issues());
        if serde_json::to_vec(&invoice).map_or(0, |text| text.len()) > LARGEST {
            issues.push(Issue::new("/lines", "too_large", "An invoice has at most 256 kB of text."));
        }
        (invoice, issues)
    }
}

/// Years that an invoice can be of: what lies outside is a slip, no ledger takes it, and it would not sort.
const YEARS: std::ops::RangeInclusive<i16> = 1900..=2999;

/// Stands where a number will be drawn, so that everything else is checked beside a number that could be.
const TO_BE_DRAWN: &str = "INV-0";

/// Most bytes of one invoice (docs/records.md, section 2).
const LARGEST: usize = 256 * 1024;

/// `POST …/pay`.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct PayRequest {
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 100))]
    payment_id: String,
    /// In the invoice's currency.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[0-9]{1,12}(\\.[0-9]{1,3})?$", example = "80.00"))]
    amount: Exact,
    date: Date,
}

impl From<PayRequest> for Payment {
    fn from(request: PayRequest) -> Self {
        Self { payment_id: request.payment_id, amount: request.amount.0, date: request.date }
    }
}
