//! A company's preferences, kept in the vendor's own shape.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wire::Ref;
use crate::skeleton::controls::Refused;

/// `Preferences`, as far as it decides something here.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Preferences {
    pub(crate) accounting_info_prefs: AccountingInfoPrefs,
    pub(crate) sales_forms_prefs: SalesFormsPrefs,
    pub(crate) currency_prefs: CurrencyPrefs,
    pub(crate) tax_prefs: TaxPrefs,
    /// Whether the company warns on duplicate document numbers. The API does not show it.
    pub(crate) warn_duplicate_doc_numbers: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct AccountingInfoPrefs {
    /// Nothing dated on or before this day can be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) book_close_date: Option<Date>,
    pub(crate) class_tracking_per_txn_line: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct SalesFormsPrefs {
    pub(crate) custom_txn_numbers: bool,
    /// Credit that a customer has is applied to their next invoice (section 9).
    pub(crate) auto_apply_credit: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) default_item: Option<Value>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct CurrencyPrefs {
    pub(crate) multi_currency_enabled: bool,
    pub(crate) home_currency: HomeCurrency,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HomeCurrency {
    pub(crate) value: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct TaxPrefs {
    pub(crate) using_sales_tax: bool,
    /// US: true is automated sales tax, set up; false on, not set up; absent the old manual tax (section 4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) partner_tax_enabled: Option<bool>,
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

impl Preferences {
    /// The preferences with what `change` names changed; null clears.
    pub(crate) fn changed(&self, change: &Value) -> Result<Self, Refused> {
        let wrong = |error: serde_json::Error| Refused(format!("preferences: {error}"));
        let mut all = serde_json::to_value(self).map_err(wrong)?;
        merge(&mut all, change);
        serde_json::from_value(all).map_err(wrong)
    }

    /// As the API shows them.
    pub(crate) fn shown(&self) -> Value {
        let mut all = serde_json::to_value(self).unwrap_or_default();
        if let Some(members) = all.as_object_mut() {
            members.remove("WarnDuplicateDocNumbers");
        }
        all
    }

    pub(crate) fn multi_currency(&self) -> bool {
        self.currency_prefs.multi_currency_enabled
    }

    pub(crate) fn home_currency(&self) -> Ref {
        Ref::bare(&self.currency_prefs.home_currency.value)
    }
}
