//! Businesses and their facts: ledger accounts, bank accounts, tax rates, settings.

use jiff::Timestamp;
use jiff::civil::{Date, date};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::contact::Contacts;
use super::invoice::Invoices;
use super::payment::Payment;
use super::tax::TaxRate;
use crate::skeleton::ids::Ids;

/// One business with everything in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Business {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) country: String,
    pub(crate) currency: String,
    pub(crate) created: Timestamp,
    /// Whether its trial or subscription runs.
    pub(crate) subscribed: bool,
    /// Whether it is registered for tax.
    pub(crate) pays_tax: bool,
    pub(crate) tax_number: Option<String>,
    /// Nothing dated on or before this day can be written.
    pub(crate) year_end_lockdown_date: Option<Date>,
    /// What the user may not do here: `Sales`, `Contacts`, `Bank` or `Settings` shut the area; `Sales.write` leaves the role Read Only,
    /// `Sales.full` the role Restricted Access.
    pub(crate) denied: Vec<String>,
    /// Currencies beside the base one; any of them means that multi-currency is enabled.
    pub(crate) foreign: Vec<Currency>,
    /// Days until an invoice is due, where its contact says nothing.
    pub(crate) customer_credit_days: u32,
    pub(crate) invoice_prefix: String,
    pub(crate) next_invoice_number: u32,
    pub(crate) ledger_accounts: Vec<LedgerAccount>,
    pub(crate) bank_accounts: Vec<BankAccount>,
    pub(crate) tax_rates: Vec<TaxRate>,
    pub(crate) contacts: Contacts,
    pub(crate) invoices: Invoices,
    pub(crate) payments: Vec<Payment>,
}

/// A ledger account, in the vendor's names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LedgerAccount {
    #[serde(default)]
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) nominal_code: u32,
    /// `SALES`, `DIRECT_EXPENSES`, `BANK`, `CURRENT_ASSETS`.
    #[serde(default = "sales")]
    pub(crate) ledger_account_type: String,
    #[serde(default)]
    pub(crate) visible_in_sales: bool,
    #[serde(default)]
    pub(crate) visible_in_banking: bool,
    #[serde(default)]
    pub(crate) visible_in_expenses: bool,
    #[serde(default)]
    pub(crate) is_control_account: bool,
}

fn sales() -> String {
    "SALES".to_owned()
}

impl LedgerAccount {
    fn new(ids: &mut Ids, name: &str, nominal_code: u32, kind: &str) -> Self {
        Self {
            id: ids.uuid(),
            name: name.to_owned(),
            nominal_code,
            ledger_account_type: kind.to_owned(),
            visible_in_sales: kind == "SALES",
            visible_in_banking: kind == "BANK",
            visible_in_expenses: kind == "DIRECT_EXPENSES",
            is_control_account: kind == "CURRENT_ASSETS",
        }
    }

    pub(crate) fn displayed_as(&self) -> String {
        format!("{} ({})", self.name, self.nominal_code)
    }
}

/// A bank account that payments can go to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BankAccount {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) nominal_code: u32,
    pub(crate) currency: String,
    pub(crate) is_active: bool,
}

/// A currency beside the base one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Currency {
    pub(crate) code: String,
    /// Units of it for one unit of the base currency.
    pub(crate) day_rate: Decimal,
}

impl Business {
    /// Takes every record out; facts stay.
    pub(crate) fn clear(&mut self) {
        self.contacts = Contacts::default();
        self.invoices = Invoices::default();
        self.payments = Vec::new();
        self.next_invoice_number = 1;
    }

    /// Whether invoices in this currency can be made at all.
    pub(crate) fn trades_in(&self, currency: &str) -> bool {
        self.currency == currency || self.foreign.iter().any(|one| one.code == currency)
    }

    /// Units of the currency for one of the base currency.
    pub(crate) fn day_rate(&self, currency: &str) -> Decimal {
        self.foreign.iter().find(|one| one.code == currency).map_or(Decimal::ONE, |one| one.day_rate)
    }

    /// The rates that this business sees: all, or the no-tax one when it is not registered for tax.
    pub(crate) fn usable_tax_rates(&self) -> impl Iterator<Item = &TaxRate> {
        self.tax_rates.iter().filter(|rate| self.pays_tax || rate.id.ends_with("_NO_TAX"))
    }

    pub(crate) fn usable_tax_rate(&self, id: &str) -> Option<&TaxRate> {
        self.usable_tax_rates().find(|rate| rate.id == id)
    }

    pub(crate) fn tax_rate(&self, id: &str) -> Option<&TaxRate> {
        self.tax_rates.iter().find(|rate| rate.id == id)
    }

    pub(crate) fn ledger_account(&self, id: Uuid) -> Option<&LedgerAccount> {
        self.ledger_accounts.iter().find(|account| account.id == id)
    }

    /// By nominal code or id, as tests and seeds name it.
    pub(crate) fn named_account(&self, named: &str) -> Option<&LedgerAccount> {
        let same = |account: &&LedgerAccount| account.nominal_code.to_string() == named || account.id.simple().to_string() == named;
        self.ledger_accounts.iter().find(same)
    }

    /// The first account that sales can be booked on.
    pub(crate) fn sales_account(&self) -> Option<&LedgerAccount> {
        self.ledger_accounts.iter().find(|account| account.visible_in_sales)
    }

    /// Whether the year end lockdown covers this day.
    pub(crate) fn locks(&self, day: Date) -> bool {
        self.year_end_lockdown_date.is_some_and(|lock| day <= lock)
    }

    /// What has been paid on an invoice.
    pub(crate) fn paid(&self, invoice: Uuid) -> Decimal {
        self.allocations(invoice).map(|(_, amount)| amount).sum()
    }

    /// The payments that stand on an invoice, with what of them goes to it.
    pub(crate) fn allocations(&self, invoice: Uuid) -> impl Iterator<Item = (&Payment, Decimal)> {
        self.payments.iter().filter(|payment| payment.deleted.is_none()).flat_map(move |payment| {
            payment.allocated.iter().filter(move |one| one.artefact == invoice).map(move |one| (payment, one.amount))
        })
    }

    /// A business with one sales account, a bank account and the tax rates of its country (a no-tax rate alone for a country that the
    /// simulator has no rates for).
    pub(crate) fn new(ids: &mut Ids, now: Timestamp, name: &str, country: &str, currency: &str) -> Self {
        let ledger_accounts = vec![
            LedgerAccount::new(ids, "Sales", 4000, "SALES"),
            LedgerAccount::new(ids, "Cost of Sales", 5000, "DIRECT_EXPENSES"),
            LedgerAccount::new(ids, "Trade Debtors", 1100, "CURRENT_ASSETS"),
            LedgerAccount::new(ids, "Current", 1200, "BANK"),
        ];
        let bank_accounts = vec![BankAccount {
            id: ids.uuid(),
            name: "Current".to_owned(),
            nominal_code: 1200,
            currency: currency.to_owned(),
            is_active: true,
        }];
        Self {
            id: ids.uuid(),
            name: name.to_owned(),
            country: country.to_owned(),
            currency: currency.to_owned(),
            created: now,
            subscribed: true,
            pays_tax: true,
            tax_number: None,
            year_end_lockdown_date: None,
            denied: Vec::new(),
            foreign: Vec::new(),
            customer_credit_days: 30,
            invoice_prefix: "SI-".to_owned(),
            next_invoice_number: 1,
            ledger_accounts,
            bank_accounts,
            tax_rates: tax_rates(country),
            contacts: Contacts::default(),
            invoices: Invoices::default(),
            payments: Vec::new(),
        }
    }
}

/// The rates of a country. The GB ids are those that integrators report; the others follow their pattern, and `ZA_STANDARD` is known
/// from nowhere: the vendor's API serves no South African business, so that a 15% sales rate can only be shown by inventing one.
fn tax_rates(country: &str) -> Vec<TaxRate> {
    let plain = |id: &str, name: &str, tenths: i64| TaxRate::new(id, name, Decimal::new(tenths, 1));
    match country {
        "GB" => vec![
            TaxRate::over_time(
                "GB_STANDARD",
                "Standard",
                &[
                    (175, None, Some(date(2008, 11, 30))),
                    (150, Some(date(2008, 12, 1)), Some(date(2009, 12, 31))),
                    (175, Some(date(2010, 1, 1)), Some(date(2011, 1, 3))),
                    (200, Some(date(2011, 1, 4)), None),
                ],
            ),
            plain("GB_LOWER", "Lower Rate", 50),
            plain("GB_ZERO", "Zero Rated", 0),
            plain("GB_EXEMPT", "Exempt", 0),
            plain("GB_NO_TAX", "No VAT", 0),
        ],
        "IE" => vec![
            TaxRate::over_time(
                "IE_STANDARD",
                "Standard",
                &[
                    (230, None, Some(date(2020, 8, 31))),
                    (210, Some(date(2020, 9, 1)), Some(date(2021, 2, 28))),
                    (230, Some(date(2021, 3, 1)), None),
                ],
            ),
            plain("IE_REDUCED", "Reduced", 135),
            plain("IE_SECOND_REDUCED", "Second Reduced", 90),
            plain("IE_ZERO", "Zero Rated", 0),
            plain("IE_EXEMPT", "Exempt", 0),
            plain("IE_NO_TAX", "No VAT", 0),
        ],
        "ZA" => vec![plain("ZA_STANDARD", "Standard", 150), plain("ZA_ZERO", "Zero Rated", 0), plain("ZA_NO_TAX", "No VAT", 0)],
        other => vec![TaxRate::new(&format!("{other}_NO_TAX"), "No VAT", Decimal::ZERO)],
    }
}

/// The businesses of every new simulator: a British one where nothing has to be chosen, an Irish one with two sales accounts, and a South
/// African one for the 15% rate, which the vendor's own service does not have.
pub(crate) fn out_of_the_box(ids: &mut Ids, now: Timestamp) -> Vec<Business> {
    let mut gb = Business::new(ids, now, "Harbour & Lane Ltd", "GB", "GBP");
    gb.tax_number = Some("GB123456789".to_owned());
    let mut ie = Business::new(ids, now, "Liffey Studio Ltd", "IE", "EUR");
    ie.tax_number = Some("IE1234567T".to_owned());
    ie.ledger_accounts.push(LedgerAccount::new(ids, "Consulting", 4010, "SALES"));
    let mut za = Business::new(ids, now, "Karoo Trading (Pty) Ltd", "ZA", "ZAR");
    za.tax_number = Some("4123456789".to_owned());
    vec![gb, ie, za]
}
