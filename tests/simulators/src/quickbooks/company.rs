//! Companies with everything in them.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::bookkeeper::Standing;
use super::fault::Refusal;
use super::invoice::Invoice;
use super::item::{Account, Class, Item};
use super::payment::Payment;
use super::person::Person;
use super::preferences::{CurrencyPrefs, HomeCurrency, Preferences};
use super::replay::Replies;
use super::store::Store;
use super::tax::{TaxCode, TaxRate};
use super::wire::Version;
use crate::skeleton::ids::Ids;

/// One company (`realmId`).
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Company {
    pub(crate) realm: String,
    pub(crate) name: String,
    pub(crate) country: String,
    pub(crate) version: Version,
    pub(crate) standing: Standing,
    pub(crate) preferences: Preferences,
    pub(crate) accounts: Vec<Account>,
    pub(crate) items: Vec<Item>,
    pub(crate) classes: Vec<Class>,
    pub(crate) tax_rates: Vec<TaxRate>,
    pub(crate) tax_codes: Vec<TaxCode>,
    /// Foreign currencies with the day's rate into the home currency.
    pub(crate) currencies: Vec<(String, Decimal)>,
    pub(crate) people: Store<Person>,
    pub(crate) invoices: Store<Invoice>,
    pub(crate) payments: Store<Payment>,
    pub(crate) replies: Replies,
    /// Where this company's ids begin: far from the others', so that an id names one company's record. The vendor's own ids repeat.
    base: u64,
    people_made: u64,
    transactions_made: u64,
    facts_made: u64,
    /// The number that the next invoice gets by itself.
    pub(crate) next_number: u64,
}

/// Distance between two companies' ids.
const APART: u64 = 10_000_000;
/// The first automatic number (the vendor begins there).
const FIRST_NUMBER: u64 = 1001;
/// Ids of items, accounts and classes made later begin here.
const FACTS: u64 = 200;

impl Company {
    /// A bare company of this country and currency, with a sales account and one service.
    pub(crate) fn new(ids: &mut Ids, position: usize, name: &str, country: &str, currency: &str, now: Timestamp) -> Self {
        let (_, low) = ids.uuid().as_u64_pair();
        let preferences = Preferences {
            currency_prefs: CurrencyPrefs { multi_currency_enabled: false, home_currency: HomeCurrency { value: currency.to_owned() } },
            ..Preferences::default()
        };
        let mut made = Self {
            realm: format!("9130{:015}", low % 1_000_000_000_000_000),
            name: name.to_owned(),
            country: country.to_owned(),
            version: Version::new(now),
            standing: Standing::Good,
            preferences,
            accounts: Vec::new(),
            items: Vec::new(),
            classes: Vec::new(),
            tax_rates: Vec::new(),
            tax_codes: Vec::new(),
            currencies: Vec::new(),
            people: Store::default(),
            invoices: Store::default(),
            payments: Store::default(),
            replies: Replies::default(),
            base: APART.saturating_mul(u64::try_from(position).unwrap_or_default()),
            people_made: 0,
            transactions_made: 0,
            facts_made: 0,
            next_number: FIRST_NUMBER,
        };
        made.account("1", "Sales", "Income", "SalesOfProductIncome", "Revenue", now);
        made.account("2", "Undeposited Funds", "Other Current Asset", "UndepositedFunds", "Asset", now);
        made.account("3", "Accounts Receivable (A/R)", "Accounts Receivable", "AccountsReceivable", "Asset", now);
        made.account("4", "Current Account", "Bank", "Checking", "Asset", now);
        made.service("1", "Services", "1", now);
        made
    }

    fn account(&mut self, id: &str, name: &str, kind: &str, sub_type: &str, classification: &str, now: Timestamp) {
        self.accounts.push(Account {
            id: id.into(),
            name: name.into(),
            acct_num: None,
            account_type: kind.into(),
            account_sub_type: sub_type.into(),
            classification: classification.into(),
            active: true,
            version: Version::new(now),
        });
    }

    fn service(&mut self, id: &str, name: &str, account: &str, now: Timestamp) {
        self.items.push(Item {
            id: id.into(),
            name: name.into(),
            kind: "Service".into(),
            active: true,
            income_account: account.into(),
            unit_price: None,
            taxable: self.is_us(),
            version: Version::new(now),
        });
    }

    fn tax(&mut self, id: &str, name: &str, percent: Decimal, now: Timestamp) {
        self.tax_rates.push(TaxRate::new(id, name, percent, now));
        self.tax_codes.push(TaxCode::new(id, name, &[id], now));
    }

    pub(crate) fn is_us(&self) -> bool {
        self.country == "US"
    }

    pub(crate) fn home(&self) -> &str {
        &self.preferences.currency_prefs.home_currency.value
    }

    /// Whether VAT or sales tax is on.
    pub(crate) fn taxes(&self) -> bool {
        self.preferences.tax_prefs.using_sales_tax
    }

    pub(crate) fn item(&self, id: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.id == id)
    }

    pub(crate) fn tax_code(&self, id: &str) -> Option<&TaxCode> {
        self.tax_codes.iter().find(|code| code.id == id)
    }

    /// A code's sales rates with their percentages on a day.
    pub(crate) fn percents(&self, code: &str, day: Date) -> Vec<(String, Decimal)> {
        let rates = self.tax_code(code).map(|code| code.rates.as_slice()).unwrap_or_default();
        let found = rates.iter().filter_map(|id| self.tax_rates.iter().find(|rate| rate.id == *id));
        found.map(|rate| (rate.id.clone(), rate.percent(day))).collect()
    }

    pub(crate) fn next_person(&mut self) -> String {
        self.people_made += 1;
        (self.base + self.people_made).to_string()
    }

    pub(crate) fn next_transaction(&mut self) -> String {
        self.transactions_made += 1;
        (self.base + self.transactions_made).to_string()
    }

    pub(crate) fn next_fact(&mut self) -> String {
        self.facts_made += 1;
        (FACTS + self.facts_made).to_string()
    }

    /// Takes every record out; facts and preferences stay, and ids go on.
    pub(crate) fn clear(&mut self) {
        self.people = Store::default();
        self.invoices = Store::default();
        self.payments = Store::default();
        self.replies = Replies::default();
        self.next_number = FIRST_NUMBER;
    }

    /// 6210 when the books are closed for this day.
    pub(crate) fn open_on(&self, day: Date) -> Result<(), Refusal> {
        match self.preferences.accounting_info_prefs.book_close_date {
            Some(closed) if day <= closed => Err(Refusal::books_closed()),
            _ => Ok(()),
        }
    }

    /// The rate of a currency into the home currency; `None` when it is not enabled.
    pub(crate) fn rate_of(&self, currency: &str) -> Option<Decimal> {
        if currency == self.home() {
            return Some(Decimal::ONE);
        }
        self.currencies.iter().find(|(code, _)| code == currency).map(|(_, rate)| *rate)
    }
}

/// The two companies out of the box.
///
/// The first, British, needs no choice of item: there is one. Three of its codes have 0 per cent. The second is in the US, with manual sales
/// tax, its own numbering, and two services to choose from.
pub(crate) fn out_of_the_box(ids: &mut Ids, now: Timestamp) -> Vec<Company> {
    let mut gb = Company::new(ids, 0, "Harbour & Hill Ltd", "GB", "GBP", now);
    gb.preferences.sales_forms_prefs.custom_txn_numbers = true;
    gb.preferences.warn_duplicate_doc_numbers = true;
    gb.preferences.tax_prefs.using_sales_tax = true;
    gb.preferences.accounting_info_prefs.class_tracking_per_txn_line = true;
    for (id, name) in [("100", "North"), ("101", "South")] {
        gb.classes.push(Class { id: id.into(), name: name.into(), active: true, version: Version::new(now) });
    }
    gb.tax("2", "20.0% S", Decimal::from(20), now);
    gb.tax("3", "5.0% R", Decimal::from(5), now);
    gb.tax("4", "0.0% Z", Decimal::ZERO, now);
    gb.tax("5", "Exempt", Decimal::ZERO, now);
    gb.tax("6", "No VAT", Decimal::ZERO, now);
    gb.tax("7", "17.5% S", Decimal::new(175, 1), now);
    if let Some(code) = gb.tax_codes.iter_mut().find(|code| code.id == "7") {
        code.active = false;
    }
    if let Some(rate) = gb.tax_rates.iter_mut().find(|rate| rate.id == "7") {
        rate.active = false;
    }

    let mut us = Company::new(ids, 1, "Table Rock Studio LLC", "US", "USD", now);
    us.preferences.tax_prefs.using_sales_tax = true;
    us.account("5", "Consulting", "Income", "ServiceFeeIncome", "Revenue", now);
    us.service("2", "Hours", "5", now);
    for (id, name) in [("TAX", "TAX"), ("NON", "NON")] {
        us.tax_codes.push(TaxCode::new(id, name, &[], now));
    }
    if let Some(code) = us.tax_codes.iter_mut().find(|code| code.id == "TAX") {
        code.taxable = true;
    }
    us.tax("2", "California", Decimal::from(8), now);
    us.tax_rates.push(TaxRate::new("3", "AZ State tax", Decimal::new(71, 1), now));
    us.tax_rates.push(TaxRate::new("4", "Tucson City", Decimal::from(2), now));
    us.tax_codes.push(TaxCode::new("3", "Tucson", &["3", "4"], now));
    vec![gb, us]
}

impl Company {
    /// The default item of the preferences, else the only active one.
    pub(crate) fn sales_item(&self) -> Option<&Item> {
        let named = self.preferences.sales_forms_prefs.default_item.as_ref().and_then(|item| item.get("value")).and_then(|id| id.as_str());
        named.and_then(|id| self.item(id)).or_else(|| self.items.iter().find(|item| item.active))
    }

    /// `CompanyInfo`.
    pub(crate) fn info(&self) -> serde_json::Value {
        json!({
            "CompanyName": self.name,
            "LegalName": self.name,
            "Country": self.country,
            "FiscalYearStartMonth": "January",
            "SupportedLanguages": "en",
            "NameValue": [],
            "domain": "QBO",
            "sparse": false,
            "Id": "1",
            "SyncToken": self.version.token.to_string(),
            "MetaData": self.version.meta(),
        })
    }
}
