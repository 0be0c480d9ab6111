//! Organisations and their facts: accounts, tax rates, currencies, tracking, locks.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::contact::Contacts;
use super::invoice::Invoices;
use super::payment::Payment;
use crate::skeleton::ids::Ids;

/// One organisation (a "tenant" of the API) with everything in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Organisation {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) short_code: String,
    /// Vendor edition of the country (`UK`, `GLOBAL`).
    pub(crate) version: String,
    pub(crate) country: String,
    pub(crate) currency: String,
    pub(crate) timezone: String,
    pub(crate) tax_number: String,
    pub(crate) pays_tax: bool,
    pub(crate) edition: String,
    pub(crate) period_lock_date: Option<Date>,
    pub(crate) end_of_year_lock_date: Option<Date>,
    pub(crate) created: Timestamp,
    pub(crate) accounts: Vec<Account>,
    pub(crate) tax_rates: Vec<TaxRate>,
    pub(crate) currencies: Vec<Currency>,
    pub(crate) tracking: Vec<TrackingCategory>,
    pub(crate) refused_actions: Vec<String>,
    pub(crate) contacts: Contacts,
    pub(crate) invoices: Invoices,
    pub(crate) payments: Vec<Payment>,
    /// The next automatic invoice number.
    pub(crate) next_number: u32,
}

/// A ledger account, in the vendor's names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Account {
    #[serde(rename = "AccountID", default)]
    pub(crate) account_id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    pub(crate) name: String,
    #[serde(default = "active")]
    pub(crate) status: String,
    #[serde(rename = "Type")]
    pub(crate) kind: String,
    #[serde(default = "no_tax")]
    pub(crate) tax_type: String,
    #[serde(default)]
    pub(crate) class: String,
    #[serde(default)]
    pub(crate) enable_payments_to_account: bool,
    #[serde(default)]
    pub(crate) show_in_expense_claims: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bank_account_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) currency_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) system_account: Option<String>,
    #[serde(rename = "UpdatedDateUTC", default)]
    pub(crate) updated_date_utc: String,
}

fn active() -> String {
    "ACTIVE".to_owned()
}

fn no_tax() -> String {
    "NONE".to_owned()
}

impl Account {
    /// Whether an invoice line may book on it: active, not a bank account, not a control account.
    pub(crate) fn takes_lines(&self) -> bool {
        let control = matches!(self.system_account.as_deref(), Some("DEBTORS" | "CREDITORS" | "GST" | "BANKCURRENCYGAIN"));
        self.status == "ACTIVE" && self.kind != "BANK" && !control
    }

    /// Whether a payment may land on it (vendor notes, section 9).
    pub(crate) fn takes_payments(&self) -> bool {
        self.status == "ACTIVE" && (self.kind == "BANK" || self.enable_payments_to_account)
    }
}

/// A tax rate. On the wire see [`super::facts`]: its numbers stay exact there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct TaxRate {
    pub(crate) name: String,
    pub(crate) tax_type: String,
    pub(crate) effective_rate: Decimal,
    #[serde(default = "active")]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) report_tax_type: String,
    #[serde(default)]
    pub(crate) can_apply_to_revenue: bool,
    #[serde(default)]
    pub(crate) can_apply_to_expenses: bool,
    #[serde(default)]
    pub(crate) can_apply_to_assets: bool,
    #[serde(default)]
    pub(crate) can_apply_to_liabilities: bool,
    #[serde(default)]
    pub(crate) can_apply_to_equity: bool,
}

impl TaxRate {
    /// Whether it can stand on a line that books on an account of this class.
    pub(crate) fn applies_to(&self, class: &str) -> bool {
        match class {
            "REVENUE" => self.can_apply_to_revenue,
            "EXPENSE" => self.can_apply_to_expenses,
            "ASSET" => self.can_apply_to_assets,
            "LIABILITY" => self.can_apply_to_liabilities,
            "EQUITY" => self.can_apply_to_equity,
            _ => false,
        }
    }
}

/// An enabled currency.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Currency {
    pub(crate) code: String,
    pub(crate) description: String,
    /// Units of it for one unit of the base currency, as the vendor's day rate would say.
    pub(crate) day_rate: Decimal,
}

/// A tracking category with its options.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TrackingCategory {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) options: Vec<(Uuid, String)>,
}

impl Organisation {
    pub(crate) fn account(&self, code: Option<&str>, id: Option<Uuid>) -> Option<&Account> {
        self.accounts.iter().find(|account| match (code, id) {
            (Some(code), _) => account.code.as_deref() == Some(code),
            (None, Some(id)) => account.account_id == id,
            (None, None) => false,
        })
    }

    pub(crate) fn tax_rate(&self, tax_type: &str) -> Option<&TaxRate> {
        self.tax_rates.iter().find(|rate| rate.tax_type == tax_type && rate.status == "ACTIVE")
    }

    pub(crate) fn currency(&self, code: &str) -> Option<&Currency> {
        self.currencies.iter().find(|currency| currency.code == code)
    }

    pub(crate) fn sales_account(&self) -> Option<&Account> {
        self.accounts.iter().find(|account| account.status == "ACTIVE" && matches!(account.kind.as_str(), "REVENUE" | "SALES"))
    }

    /// The lock that refuses a document of this date, as the vendor words it.
    pub(crate) fn lock_message(&self, date: Date) -> Option<String> {
        let locked = |lock: Option<Date>, which: &str| {
            lock.filter(|lock| date <= *lock)
                .map(|lock| format!("The document date cannot be before the {which} lock date, currently {}", lock.strftime("%d %b %Y")))
        };
        locked(self.end_of_year_lock_date, "end of year").or_else(|| locked(self.period_lock_date, "period"))
    }

    /// How much has been paid on an invoice.
    pub(crate) fn paid(&self, invoice: Uuid) -> Decimal {
        self.standing_payments(invoice).map(|payment| payment.amount).sum()
    }

    pub(crate) fn standing_payments(&self, invoice: Uuid) -> impl Iterator<Item = &Payment> {
        self.payments.iter().filter(move |payment| payment.invoice == invoice && payment.stands)
    }

    /// Takes every record out; facts stay.
    pub(crate) fn clear(&mut self) {
        self.contacts = Contacts::default();
        self.invoices = Invoices::default();
        self.payments = Vec::new();
        self.next_number = 1;
    }

    /// A bare organisation of this country and currency with one sales account, one bank account and a 0% rate.
    pub(crate) fn new(ids: &mut Ids, now: Timestamp, name: &str, country: &str, currency: &str) -> Self {
        let id = ids.uuid();
        let short: String = id.simple().to_string().chars().take(5).collect();
        let mut made = Self {
            id,
            name: name.to_owned(),
            short_code: format!("!{short}"),
            version: "GLOBAL".to_owned(),
            country: country.to_owned(),
            currency: currency.to_owned(),
            timezone: "UTC".to_owned(),
            tax_number: String::new(),
            pays_tax: true,
            edition: "BUSINESS".to_owned(),
            period_lock_date: None,
            end_of_year_lock_date: None,
            created: now,
            accounts: Vec::new(),
            tax_rates: vec![rate("No Tax", "NONE", 0, "NONE", &["EXPENSE", "ASSET", "LIABILITY", "EQUITY"])],
            currencies: vec![Currency { code: currency.to_owned(), description: currency_name(currency), day_rate: Decimal::ONE }],
            tracking: Vec::new(),
            refused_actions: Vec::new(),
            contacts: Contacts::default(),
            invoices: Invoices::default(),
            payments: Vec::new(),
            next_number: 1,
        };
        let bank = AccountLine { code: "090", name: "Business Bank Account", kind: "BANK", class: "ASSET", tax: "NONE", system: None };
        for line in [
            bank,
            AccountLine { code: "610", name: "Accounts Receivable", kind: "CURRENT", class: "ASSET", tax: "NONE", system: Some("DEBTORS") },
            AccountLine { code: "820", name: "Tax", kind: "CURRLIAB", class: "LIABILITY", tax: "NONE", system: Some("GST") },
            AccountLine { code: "860", name: "Rounding", kind: "CURRLIAB", class: "LIABILITY", tax: "NONE", system: Some("ROUNDING") },
        ] {
            made.add_account(ids, now, &line);
        }
        made
    }

    fn add_account(&mut self, ids: &mut Ids, now: Timestamp, line: &AccountLine<'_>) {
        self.accounts.push(Account {
            account_id: ids.uuid(),
            code: Some(line.code.to_owned()),
            name: line.name.to_owned(),
            status: active(),
            kind: line.kind.to_owned(),
            tax_type: line.tax.to_owned(),
            class: line.class.to_owned(),
            enable_payments_to_account: false,
            show_in_expense_claims: false,
            bank_account_type: (line.kind == "BANK").then(|| "BANK".to_owned()),
            currency_code: (line.kind == "BANK").then(|| self.currency.clone()),
            system_account: line.system.map(str::to_owned),
            updated_date_utc: super::reply::ms_instant(now),
        });
    }

    fn sales(&mut self, ids: &mut Ids, now: Timestamp, code: &str, name: &str, tax: &str) {
        self.add_account(ids, now, &AccountLine { code, name, kind: "REVENUE", class: "REVENUE", tax, system: None });
    }

    fn enable(&mut self, code: &str, day_rate: Decimal) {
        self.currencies.push(Currency { code: code.to_owned(), description: currency_name(code), day_rate });
    }

    fn track(&mut self, ids: &mut Ids, name: &str, options: &[&str]) {
        let id = ids.uuid();
        let options = options.iter().map(|option| (ids.uuid(), (*option).to_owned())).collect();
        self.tracking.push(TrackingCategory { id, name: name.to_owned(), options });
    }
}

struct AccountLine<'text> {
    code: &'text str,
    name: &'text str,
    kind: &'text str,
    class: &'text str,
    tax: &'text str,
    system: Option<&'text str>,
}

fn rate(name: &str, tax_type: &str, percent: i64, report: &str, classes: &[&str]) -> TaxRate {
    TaxRate {
        name: name.to_owned(),
        tax_type: tax_type.to_owned(),
        effective_rate: Decimal::from(percent),
        status: active(),
        report_tax_type: report.to_owned(),
        can_apply_to_revenue: classes.contains(&"REVENUE"),
        can_apply_to_expenses: classes.contains(&"EXPENSE"),
        can_apply_to_assets: classes.contains(&"ASSET"),
        can_apply_to_liabilities: classes.contains(&"LIABILITY"),
        can_apply_to_equity: classes.contains(&"EQUITY"),
    }
}

pub(crate) fn currency_name(code: &str) -> String {
    match code {
        "GBP" => "British Pound",
        "EUR" => "Euro",
        "USD" => "United States Dollar",
        "ZAR" => "South African Rand",
        other => other,
    }
    .to_owned()
}

/// The two organisations out of the box.
///
/// The first needs no choice: one active sales account, and one active rate for revenue at each of 20, 5 and 0 per cent. The second needs
/// one: it has two sales accounts.
pub(crate) fn out_of_the_box(ids: &mut Ids, now: Timestamp) -> Vec<Organisation> {
    let mut uk = Organisation::new(ids, now, "Harbour & Hill Ltd", "GB", "GBP");
    uk.version = "UK".to_owned();
    uk.timezone = "GMTSTANDARDTIME".to_owned();
    uk.tax_number = "GB123456789".to_owned();
    uk.sales(ids, now, "200", "Sales", "OUTPUT2");
    let expense = AccountLine { code: "404", name: "Bank Fees", kind: "EXPENSE", class: "EXPENSE", tax: "NONE", system: None };
    uk.add_account(ids, now, &expense);
    uk.sales(ids, now, "201", "Sales before 2024", "OUTPUT2");
    if let Some(old) = uk.accounts.last_mut() {
        old.status = "ARCHIVED".to_owned();
    }
    let (revenue, expenses) = (["REVENUE", "ASSET", "LIABILITY"], ["EXPENSE", "ASSET", "LIABILITY"]);
    uk.tax_rates.extend([
        rate("20% (VAT on Income)", "OUTPUT2", 20, "OUTPUT", &revenue),
        rate("5% (VAT on Income)", "RROUTPUT", 5, "OUTPUT", &revenue),
        rate("Zero Rated Income", "ZERORATEDOUTPUT", 0, "ZERORATEDOUTPUT", &revenue),
        rate("20% (VAT on Expenses)", "INPUT2", 20, "INPUT", &expenses),
        rate("5% (VAT on Expenses)", "RRINPUT", 5, "INPUT", &expenses),
        rate("Zero Rated Expenses", "ZERORATEDINPUT", 0, "ZERORATEDINPUT", &expenses),
        TaxRate { status: "DELETED".to_owned(), ..rate("17.5% (VAT on Income)", "TAX001", 0, "OUTPUT", &revenue) },
    ]);
    if let Some(old) = uk.tax_rates.last_mut() {
        old.effective_rate = Decimal::new(175, 1);
    }
    uk.enable("EUR", Decimal::new(117, 2));
    uk.track(ids, "Region", &["North", "South"]);

    let mut za = Organisation::new(ids, now, "Table Bay Studio (Pty) Ltd", "ZA", "ZAR");
    za.timezone = "SOUTHAFRICASTANDARDTIME".to_owned();
    za.tax_number = "4123456789".to_owned();
    za.sales(ids, now, "200", "Sales", "OUTPUT3");
    za.sales(ids, now, "210", "Consulting", "OUTPUT3");
    za.tax_rates.extend([
        rate("Standard Rate Sales", "OUTPUT3", 15, "OUTPUT", &revenue),
        rate("Zero Rate", "ZERORATEDOUTPUT", 0, "ZERORATEDOUTPUT", &revenue),
        rate("Standard Rate Purchases", "INPUT3", 15, "INPUT", &expenses),
    ]);
    za.enable("USD", Decimal::new(54, 3));
    vec![uk, za]
}
