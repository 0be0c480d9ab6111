//! Tax rates and tax codes (section 4).

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::wire::{Head, Ref, Version};
use crate::skeleton::number::Exact;
use jiff::Timestamp;

/// A rate and the days on which it holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct EffectiveTaxRate {
    pub(crate) rate_value: Decimal,
    pub(crate) effective_date: Date,
    #[serde(default)]
    pub(crate) end_date: Option<Date>,
}

/// A tax rate. In a seed: `{"Id":"9","Name":"15.0% S","RateValue":"15"}`, decimals as text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct TaxRate {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) rate_value: Decimal,
    #[serde(default = "yes")]
    pub(crate) active: bool,
    /// Empty: `RateValue` has always held.
    #[serde(default)]
    pub(crate) effective_tax_rate: Vec<EffectiveTaxRate>,
    #[serde(default)]
    pub(crate) updated: Timestamp,
}

/// A tax code. In a seed: `{"Id":"9","Name":"15.0% S","Rates":["9"]}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct TaxCode {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default = "yes")]
    pub(crate) active: bool,
    #[serde(default)]
    pub(crate) hidden: bool,
    #[serde(default = "yes")]
    pub(crate) taxable: bool,
    /// Ids of the sales rates that it combines. Empty: it is for purchases alone, or a pseudo code of the US.
    #[serde(default)]
    pub(crate) rates: Vec<String>,
    /// Ids of the purchase rates.
    #[serde(default)]
    pub(crate) purchase_rates: Vec<String>,
    #[serde(default)]
    pub(crate) updated: Timestamp,
}

fn yes() -> bool {
    true
}

impl TaxRate {
    pub(crate) fn new(id: &str, name: &str, percent: Decimal, now: Timestamp) -> Self {
        Self { id: id.into(), name: name.into(), rate_value: percent, active: true, effective_tax_rate: Vec::new(), updated: now }
    }

    /// The percentage on a day.
    pub(crate) fn percent(&self, day: Date) -> Decimal {
        let holds = |window: &&EffectiveTaxRate| window.effective_date <= day && window.end_date.is_none_or(|end| day <= end);
        self.effective_tax_rate.iter().find(holds).map_or(self.rate_value, |window| window.rate_value)
    }

    pub(crate) fn view(&self) -> TaxRateView<'_> {
        let mut windows: Vec<WindowView> = self.effective_tax_rate.iter().map(WindowView::of).collect();
        if windows.is_empty() {
            let effective_date = "1970-01-01T00:00:00-08:00".to_owned();
            windows.push(WindowView { rate_value: Exact(self.rate_value), effective_date, end_date: None });
        }
        TaxRateView {
            name: &self.name,
            description: &self.name,
            active: self.active,
            rate_value: Exact(self.rate_value),
            agency_ref: Ref::bare("1"),
            special_tax_type: "NONE",
            effective_tax_rate: windows,
            display_type: "ReadOnly",
            head: Head::of(&self.id, &Version::new(self.updated)),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WindowView {
    rate_value: Exact,
    effective_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_date: Option<String>,
}

impl WindowView {
    fn of(window: &EffectiveTaxRate) -> Self {
        let shown = |date: Date| format!("{date}T00:00:00-08:00");
        Self { rate_value: Exact(window.rate_value), effective_date: shown(window.effective_date), end_date: window.end_date.map(shown) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TaxRateView<'rate> {
    name: &'rate str,
    description: &'rate str,
    active: bool,
    rate_value: Exact,
    agency_ref: Ref,
    special_tax_type: &'static str,
    effective_tax_rate: Vec<WindowView>,
    display_type: &'static str,
    #[serde(flatten)]
    head: Head<'rate>,
}

impl TaxCode {
    pub(crate) fn new(id: &str, name: &str, rates: &[&str], now: Timestamp) -> Self {
        let rates: Vec<String> = rates.iter().map(|rate| (*rate).to_owned()).collect();
        Self {
            id: id.into(),
            name: name.into(),
            description: name.into(),
            active: true,
            hidden: false,
            taxable: !rates.is_empty(),
            rates,
            purchase_rates: Vec::new(),
            updated: now,
        }
    }

    /// `rates`: those of the company, for their names.
    pub(crate) fn view(&self, rates: &[TaxRate]) -> TaxCodeView<'_> {
        let list = |ids: &[String]| {
            let details = ids.iter().enumerate().map(|(position, id)| TaxRateDetail {
                tax_rate_ref: rates.iter().find(|rate| rate.id == *id).map_or_else(|| Ref::bare(id), |rate| Ref::named(id, &rate.name)),
                tax_type_applicable: "TaxOnAmount",
                tax_order: position,
            });
            RateList { tax_rate_detail: details.collect() }
        };
        TaxCodeView {
            name: &self.name,
            description: &self.description,
            active: self.active,
            hidden: self.hidden,
            taxable: self.taxable,
            tax_group: !self.rates.is_empty() || !self.purchase_rates.is_empty(),
            sales_tax_rate_list: list(&self.rates),
            purchase_tax_rate_list: list(&self.purchase_rates),
            head: Head::of(&self.id, &Version::new(self.updated)),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TaxRateDetail {
    tax_rate_ref: Ref,
    tax_type_applicable: &'static str,
    tax_order: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RateList {
    tax_rate_detail: Vec<TaxRateDetail>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TaxCodeView<'code> {
    name: &'code str,
    description: &'code str,
    active: bool,
    hidden: bool,
    taxable: bool,
    tax_group: bool,
    sales_tax_rate_list: RateList,
    purchase_tax_rate_list: RateList,
    #[serde(flatten)]
    head: Head<'code>,
}
