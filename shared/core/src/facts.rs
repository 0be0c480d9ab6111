//! What a ledger's organisation looks like: read at connect, stored, refreshed when stale.

use std::borrow::Cow;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ledger::TaxMethod;
use crate::money::{Currency, Rate};

/// How long stored facts are trusted.
pub const FACTS_FRESH_FOR: SignedDuration = SignedDuration::from_hours(24);

/// A percentage of a tax rate, and the days on which it holds, both included; without a day it has no beginning or end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateWindow {
    /// The percentage.
    pub rate: Rate,
    /// First day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Date>,
    /// Last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

impl RateWindow {
    /// Whether it holds on a day.
    #[must_use]
    pub fn holds(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day <= until)
    }
}

/// A tax rate of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxRate {
    /// The code to send.
    pub code: String,
    /// Its name, for a question.
    pub name: String,
    /// Its percentage; absent when the ledger's own figure is not a percentage from 0 to 100.
    pub rate: Option<Rate>,
    /// Usable on new sales documents.
    pub on_sales: bool,
    /// The ledger's class of it (`OUTPUT` and so on), to choose among equals.
    #[serde(default)]
    pub class: Option<String>,
    /// The percentages that it is made of, where the ledger taxes and rounds each by itself (Canada's GST and PST under one code); empty
    /// where there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Rate>,
    /// Its percentages over time, where the ledger publishes their days; where it does not, `rate` counts on every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<RateWindow>,
}

impl TaxRate {
    /// Its percentage on a day; none outside its windows.
    #[must_use]
    pub fn rate_on(&self, day: Date) -> Option<Rate> {
        if self.windows.is_empty() { self.rate } else { self.windows.iter().find(|window| window.holds(day)).map(|window| window.rate) }
    }
}

/// An item that lines may be tied to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The ledger's id of it.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// What an account is for, as far as we care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountUse {
    /// Sales lines may go there.
    Sales,
    /// Payments may be recorded there.
    Payment,
    /// The organisation's rounding account.
    Rounding,
}

/// An account of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The ledger's id of it.
    pub id: String,
    /// The code users know it by; bank accounts may have none.
    pub code: Option<String>,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub uses: Vec<AccountUse>,
    /// Its own default tax code.
    #[serde(default)]
    pub tax_code: Option<String>,
}

/// What we know of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Its name.
    pub name: String,
    /// Its base currency.
    pub base_currency: Currency,
    /// Currencies that documents may have.
    pub currencies: Vec<Currency>,
    /// Its tax rates.
    pub tax_rates: Vec<TaxRate>,
    /// Its accounts.
    pub accounts: Vec<Account>,
    /// What deep links need beside a document's id (Xero: `Organisation.ShortCode`).
    #[serde(default)]
    pub short_code: Option<String>,
    /// Items that lines may be tied to, where the ledger has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// The organisation's own default sales item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_item: Option<String>,
    /// The organisation's own default sales account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_sales_account: Option<String>,
    /// The organisation numbers its documents itself and wants no number from outside (QuickBooks: custom transaction numbers off).
    #[serde(default)]
    pub assigns_numbers: bool,
    /// Where this organisation rounds tax, if not as its ledger does elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_method: Option<TaxMethod>,
    /// A document has one tax code for all its taxed lines (QuickBooks in the US).
    #[serde(default)]
    pub one_tax_code: bool,
    /// Registered for tax; where it is not, documents carry none.
    pub pays_tax: bool,
    /// Documents dated on or before this day are refused (the later of the lock dates).
    #[serde(default)]
    pub locked_until: Option<Date>,
    /// When they were read.
    pub fetched_at: Timestamp,
}

impl Facts {
    /// Whether they are younger than [`FACTS_FRESH_FOR`].
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.fetched_at.duration_until(now) < FACTS_FRESH_FOR
    }

    /// The same facts as they are for a document of this day: each tax rate at its percentage of that day (C11).
    #[must_use]
    pub fn on(&self, day: Date) -> Cow<'_, Self> {
        if self.tax_rates.iter().all(|rate| rate.rate == rate.rate_on(day)) {
            return Cow::Borrowed(self);
        }
        let mut dated = self.clone();
        for rate in &mut dated.tax_rates {
            rate.rate = rate.rate_on(day);
        }
        Cow::Owned(dated)
    }

    /// The accounts that serve a purpose.
    pub fn accounts_for(&self, purpose: AccountUse) -> impl Iterator<Item = &Account> {
        self.accounts.iter().filter(move |account| account.uses.contains(&purpose))
    }

    /// The account with this code or id.
    #[must_use]
    pub fn account(&self, code_or_id: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.code.as_deref() == Some(code_or_id) || account.id == code_or_id)
    }

    /// The percentages that a tax code is made of, where each is rounded by itself.
    #[must_use]
    pub fn parts_of(&self, code: &str) -> &[Rate] {
        self.tax_rates.iter().find(|rate| rate.code == code).map_or(&[], |rate| rate.parts.as_slice())
    }

    /// The rate of a tax code, if the organisation has it.
    #[must_use]
    pub fn rate_of(&self, code: &str) -> Option<Rate> {
        self.tax_rates.iter().find(|rate| rate.code == code).and_then(|rate| rate.rate)
    }
}
