//! Companies and their facts: accounts, items, posting groups, VAT set-up, currencies, terms, dimensions, what may be posted.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::customer::Customer;
use super::invoice::Invoice;
use super::payment::{Journal, Payment};
use crate::skeleton::ids::Ids;

/// One company with everything in it: what the harness calls an organisation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Company {
    pub(crate) id: Uuid,
    /// The name of its environment.
    pub(crate) environment: String,
    /// The key that people see; case counts.
    pub(crate) name: String,
    pub(crate) display_name: String,
    /// ISO 3166.
    pub(crate) country: String,
    /// The local currency, ISO 4217.
    pub(crate) currency: String,
    pub(crate) tax_registration: String,
    pub(crate) created: Timestamp,
    pub(crate) accounts: Vec<Account>,
    pub(crate) items: Vec<Item>,
    /// VAT product posting groups: `taxGroups`.
    pub(crate) tax_groups: Vec<Code>,
    /// VAT business posting groups: `taxAreas`.
    pub(crate) tax_areas: Vec<Code>,
    pub(crate) vat_setup: Vec<VatSetup>,
    pub(crate) currencies: Vec<Currency>,
    pub(crate) payment_terms: Vec<PaymentTerms>,
    /// `countriesRegions`.
    pub(crate) countries: Vec<Code>,
    /// Values of the first shortcut dimension.
    pub(crate) dimension1: Dimension,
    /// Values of the second.
    pub(crate) dimension2: Dimension,
    pub(crate) setup: Setup,
    pub(crate) customers: Vec<Customer>,
    pub(crate) invoices: Vec<Invoice>,
    pub(crate) journals: Vec<Journal>,
    pub(crate) payments: Vec<Payment>,
    pub(crate) series: Series,
    /// What the user's permission sets do not allow: `read`, or a set's name (`customers`, `salesInvoices`), or `post`, `cancel`.
    pub(crate) refused_actions: Vec<String>,
}

/// The next numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Series {
    pub(crate) customer: u32,
    pub(crate) draft: u32,
    pub(crate) posted: u32,
    /// Credit memo numbers that are left; a cancel needs one (section 12).
    pub(crate) credit_memos_left: u32,
}

impl Series {
    fn begin() -> Self {
        Self { customer: 10, draft: 102_201, posted: 103_001, credit_memos_left: 9_000 }
    }
}

/// A code with its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Code {
    #[serde(default)]
    pub(crate) id: Uuid,
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) display_name: String,
}

/// A dimension's code and its values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Dimension {
    pub(crate) code: String,
    pub(crate) values: Vec<String>,
}

/// A G/L account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Account {
    #[serde(default)]
    pub(crate) id: Uuid,
    pub(crate) number: String,
    pub(crate) display_name: String,
    /// `Income`, `Assets`, `Liabilities`, `Equity`, `Cost of Goods Sold`, `Expense` or blank.
    pub(crate) category: String,
    #[serde(default)]
    pub(crate) sub_category: String,
    #[serde(default)]
    pub(crate) blocked: bool,
    /// `Posting`, `Heading`, `Total`, `Begin-Total`, `End-Total`.
    #[serde(default = "posting")]
    pub(crate) account_type: String,
    #[serde(default = "yes")]
    pub(crate) direct_posting: bool,
    /// Not on the API: the general product posting group.
    #[serde(default)]
    pub(crate) gen_prod_posting_group: Option<String>,
    /// Not on the API: the VAT product posting group.
    #[serde(default)]
    pub(crate) vat_prod_posting_group: Option<String>,
    /// Not on the API: posting wants a value of the first dimension.
    #[serde(default)]
    pub(crate) requires_dimension: bool,
}

fn posting() -> String {
    "Posting".to_owned()
}

fn yes() -> bool {
    true
}

/// An item.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Item {
    #[serde(default)]
    pub(crate) id: Uuid,
    pub(crate) number: String,
    pub(crate) display_name: String,
    /// `Inventory`, `Service` or `Non-Inventory`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) blocked: bool,
    #[serde(default)]
    pub(crate) unit_price: Decimal,
    #[serde(default)]
    pub(crate) base_unit_of_measure_code: String,
    #[serde(default)]
    pub(crate) general_product_posting_group_code: Option<String>,
    /// Not on the API.
    #[serde(default)]
    pub(crate) vat_prod_posting_group: Option<String>,
}

/// One cell of the VAT posting set-up.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct VatSetup {
    /// VAT business posting group (of the customer).
    pub(crate) business: String,
    /// VAT product posting group (of the line).
    pub(crate) product: String,
    pub(crate) percent: Decimal,
    /// Lines of one identifier are taxed together.
    pub(crate) identifier: String,
}

/// A foreign currency.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Currency {
    pub(crate) id: Uuid,
    pub(crate) code: String,
    pub(crate) display_name: String,
    pub(crate) places: u32,
    /// From when an exchange rate is known; `None`: never.
    pub(crate) rate_from: Option<Date>,
}

/// Payment terms.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PaymentTerms {
    pub(crate) id: Uuid,
    pub(crate) code: String,
    pub(crate) display_name: String,
    pub(crate) days: i32,
}

/// What the company's set-up pages say. Posted as `preferences` of a seed, in these names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Setup {
    /// General Ledger Setup.
    pub(crate) allow_posting_from: Option<Date>,
    /// General Ledger Setup.
    pub(crate) allow_posting_to: Option<Date>,
    /// Sales & Receivables Setup: "Ext. Doc. No. Mandatory".
    pub(crate) external_document_mandatory: bool,
    /// Sales & Receivables Setup: "Invoice Rounding", to this precision.
    pub(crate) invoice_rounding: Option<Decimal>,
    /// Whether customers may be numbered by hand.
    pub(crate) manual_customer_numbers: bool,
    /// What a new customer gets that the API cannot give.
    pub(crate) customer_template: Option<Template>,
    /// Formats of VAT numbers of the company's country: `#` a digit, `@` a letter.
    pub(crate) vat_number_formats: Vec<String>,
    /// A workflow must approve invoices before they are posted.
    pub(crate) approval_workflow: bool,
    /// Posting answers 204 and happens in the background, which fails (section 14, trap 13).
    pub(crate) background_posting_fails: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            allow_posting_from: None,
            allow_posting_to: None,
            external_document_mandatory: false,
            invoice_rounding: None,
            manual_customer_numbers: false,
            customer_template: Some(Template::default()),
            vat_number_formats: Vec::new(),
            approval_workflow: false,
            background_posting_fails: false,
        }
    }
}

/// A customer template.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Template {
    pub(crate) customer_posting_group: String,
    pub(crate) gen_bus_posting_group: String,
    pub(crate) vat_bus_posting_group: String,
    pub(crate) prices_include_tax: bool,
    pub(crate) payment_terms: Option<String>,
}

impl Default for Template {
    fn default() -> Self {
        Self {
            customer_posting_group: "DOMESTIC".to_owned(),
            gen_bus_posting_group: "DOMESTIC".to_owned(),
            vat_bus_posting_group: "DOMESTIC".to_owned(),
            prices_include_tax: false,
            payment_terms: None,
        }
    }
}

impl Company {
    /// Takes every record out; facts stay.
    pub(crate) fn clear(&mut self) {
        self.customers = Vec::new();
        self.invoices = Vec::new();
        self.payments = Vec::new();
        self.series = Series::begin();
    }

    pub(crate) fn customer(&self, id: Uuid) -> Option<&Customer> {
        self.customers.iter().find(|customer| customer.id == id)
    }

    pub(crate) fn invoice(&self, id: Uuid) -> Option<&Invoice> {
        self.invoices.iter().find(|invoice| invoice.id == id)
    }

    pub(crate) fn invoice_mut(&mut self, id: Uuid) -> Option<&mut Invoice> {
        self.invoices.iter_mut().find(|invoice| invoice.id == id)
    }

    pub(crate) fn account(&self, number: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.number == number)
    }

    pub(crate) fn item(&self, number: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.number == number)
    }

    pub(crate) fn vat(&self, business: &str, product: &str) -> Option<&VatSetup> {
        self.vat_setup.iter().find(|setup| setup.business == business && setup.product == product)
    }

    /// Decimal places of amounts in a currency; blank is the local one.
    pub(crate) fn places(&self, currency: &str) -> u32 {
        self.currencies.iter().find(|other| other.code == currency).map_or(2, |other| other.places)
    }

    /// The stored code of a currency: the local one is blank (section 6).
    pub(crate) fn stored_currency(&self, code: &str) -> String {
        if code == self.currency { String::new() } else { code.to_owned() }
    }

    /// What the API shows for a stored code.
    pub(crate) fn shown_currency(&self, stored: &str) -> String {
        if stored.is_empty() { self.currency.clone() } else { stored.to_owned() }
    }

    /// The next number of a series, `PREFIX` and six digits.
    pub(crate) fn draft_number(&mut self) -> String {
        self.series.draft += 1;
        format!("S-INV{}", self.series.draft)
    }

    pub(crate) fn posted_number(&mut self) -> String {
        self.series.posted += 1;
        format!("PS-INV{}", self.series.posted)
    }

    pub(crate) fn customer_number(&mut self) -> String {
        loop {
            self.series.customer += 10;
            let number = format!("C{:05}", self.series.customer);
            if !self.customers.iter().any(|customer| customer.number == number) {
                return number;
            }
        }
    }

    /// What the vendor says of a posting date outside the allowed range.
    pub(crate) fn closed(&self, date: Date) -> bool {
        self.setup.allow_posting_from.is_some_and(|from| date < from) || self.setup.allow_posting_to.is_some_and(|to| date > to)
    }

    /// A bare company of this country and currency: one revenue account, one bank account, VAT at 0%.
    pub(crate) fn new(ids: &mut Ids, now: Timestamp, environment: &str, name: &str, country: &str, currency: &str) -> Self {
        let id = ids.uuid();
        let mut made = Self {
            id,
            environment: environment.to_owned(),
            name: name.to_owned(),
            display_name: name.to_owned(),
            country: country.to_owned(),
            currency: currency.to_owned(),
            tax_registration: String::new(),
            created: now,
            accounts: Vec::new(),
            items: Vec::new(),
            tax_groups: Vec::new(),
            tax_areas: Vec::new(),
            vat_setup: Vec::new(),
            currencies: Vec::new(),
            payment_terms: Vec::new(),
            countries: Vec::new(),
            dimension1: Dimension { code: "DEPARTMENT".to_owned(), values: vec!["ADM".to_owned(), "SALES".to_owned()] },
            dimension2: Dimension { code: "PROJECT".to_owned(), values: vec!["NORTH".to_owned(), "SOUTH".to_owned()] },
            setup: Setup::default(),
            customers: Vec::new(),
            invoices: Vec::new(),
            journals: Vec::new(),
            payments: Vec::new(),
            series: Series::begin(),
            refused_actions: Vec::new(),
        };
        made.area(ids, "DOMESTIC", "Domestic customers and vendors");
        made.area(ids, "EXPORT", "Other customers and vendors");
        made.group(ids, "ZERO", "Zero VAT", Decimal::ZERO);
        for (code, days) in [("14 DAYS", 14), ("30 DAYS", 30)] {
            let id = ids.uuid();
            made.payment_terms.push(PaymentTerms { id, code: code.to_owned(), display_name: format!("Net {days} days"), days });
        }
        for (code, display_name) in [("GB", "Great Britain"), ("ZA", "South Africa"), ("IE", "Ireland"), ("US", "United States")] {
            let id = ids.uuid();
            made.countries.push(Code { id, code: code.to_owned(), display_name: display_name.to_owned() });
        }
        for (number, name, category, sub, kind, direct) in [
            ("2310", "Customers, Domestic", "Assets", "Accounts Receivable", "Posting", false),
            ("2910", "Cash", "Assets", "Cash", "Posting", true),
            ("2920", "Bank, LCY", "Assets", "Cash", "Posting", false),
            ("5610", "Sales VAT", "Liabilities", "Current Liabilities", "Posting", false),
            ("6100", "Revenue", "Income", "", "Heading", false),
        ] {
            let id = ids.uuid();
            made.accounts.push(Account {
                id,
                number: number.to_owned(),
                display_name: name.to_owned(),
                category: category.to_owned(),
                sub_category: sub.to_owned(),
                blocked: false,
                account_type: kind.to_owned(),
                direct_posting: direct,
                gen_prod_posting_group: None,
                vat_prod_posting_group: None,
                requires_dimension: false,
            });
        }
        made.accounts.push(Account {
            id: ids.uuid(),
            number: "8450".to_owned(),
            display_name: "Rounding differences".to_owned(),
            category: "Expense".to_owned(),
            sub_category: String::new(),
            blocked: false,
            account_type: posting(),
            direct_posting: true,
            gen_prod_posting_group: Some("SERVICES".to_owned()),
            vat_prod_posting_group: Some("ZERO".to_owned()),
            requires_dimension: false,
        });
        let id = ids.uuid();
        made.journals.push(Journal {
            id,
            code: "GENERAL".to_owned(),
            display_name: "Customer payments".to_owned(),
            balancing_account: "2920".to_owned(),
            modified: now,
            version: 1,
        });
        made
    }

    /// A VAT business posting group.
    pub(crate) fn area(&mut self, ids: &mut Ids, code: &str, name: &str) {
        self.tax_areas.push(Code { id: ids.uuid(), code: code.to_owned(), display_name: name.to_owned() });
    }

    /// A VAT product posting group, at this rate for domestic customers and at zero for the others.
    pub(crate) fn group(&mut self, ids: &mut Ids, code: &str, name: &str, percent: Decimal) {
        self.tax_groups.push(Code { id: ids.uuid(), code: code.to_owned(), display_name: name.to_owned() });
        for (business, percent) in [("DOMESTIC", percent), ("EXPORT", Decimal::ZERO)] {
            let identifier = format!("VAT{}", percent.normalize());
            self.vat_setup.push(VatSetup { business: business.to_owned(), product: code.to_owned(), percent, identifier });
        }
    }

    /// A revenue account.
    pub(crate) fn revenue(&mut self, ids: &mut Ids, number: &str, name: &str, vat: &str) {
        self.accounts.push(Account {
            id: ids.uuid(),
            number: number.to_owned(),
            display_name: name.to_owned(),
            category: "Income".to_owned(),
            sub_category: "Income, Services".to_owned(),
            blocked: false,
            account_type: posting(),
            direct_posting: true,
            gen_prod_posting_group: Some("SERVICES".to_owned()),
            vat_prod_posting_group: Some(vat.to_owned()),
            requires_dimension: false,
        });
    }

    /// A service item.
    pub(crate) fn service(&mut self, ids: &mut Ids, number: &str, name: &str, unit_price: Decimal, vat: &str) {
        self.items.push(Item {
            id: ids.uuid(),
            number: number.to_owned(),
            display_name: name.to_owned(),
            kind: "Service".to_owned(),
            blocked: false,
            unit_price,
            base_unit_of_measure_code: "HOUR".to_owned(),
            general_product_posting_group_code: Some("SERVICES".to_owned()),
            vat_prod_posting_group: Some(vat.to_owned()),
        });
    }

    /// A foreign currency.
    pub(crate) fn foreign(&mut self, ids: &mut Ids, code: &str, name: &str, places: u32, rate_from: Option<Date>) {
        self.currencies.push(Currency { id: ids.uuid(), code: code.to_owned(), display_name: name.to_owned(), places, rate_from });
    }
}

/// The three companies out of the box. The first, in production, needs no choice: one revenue account, and one VAT product group at each of
/// 20, 5 and 0 per cent. The second, beside it, has 15% and two revenue accounts. The third is a sandbox's.
pub(crate) fn out_of_the_box(ids: &mut Ids, now: Timestamp) -> Vec<Company> {
    let known = Some(Date::constant(2020, 1, 1));
    let mut uk = Company::new(ids, now, "Production", "Harbour & Hill Ltd", "GB", "GBP");
    uk.tax_registration = "GB123456789".to_owned();
    uk.setup.vat_number_formats = ["GB#########", "#########", "GB### #### ##"].map(str::to_owned).to_vec();
    uk.group(ids, "STANDARD", "Standard rate 20%", Decimal::from(20));
    uk.group(ids, "REDUCED", "Reduced rate 5%", Decimal::from(5));
    uk.revenue(ids, "6110", "Sales, Services", "STANDARD");
    uk.revenue(ids, "6120", "Sales before 2024", "STANDARD");
    if let Some(old) = uk.accounts.last_mut() {
        old.blocked = true;
    }
    uk.service(ids, "1900", "Consulting hour", Decimal::from(90), "STANDARD");
    uk.foreign(ids, "EUR", "Euro", 2, known);
    uk.foreign(ids, "JPY", "Japanese yen", 0, known);
    uk.foreign(ids, "KWD", "Kuwaiti dinar", 3, known);
    uk.foreign(ids, "CHF", "Swiss franc", 2, None);

    let mut za = Company::new(ids, now, "Production", "Table Bay Studio (Pty) Ltd", "ZA", "ZAR");
    za.tax_registration = "4123456789".to_owned();
    za.group(ids, "VAT15", "Standard rate 15%", Decimal::from(15));
    za.revenue(ids, "6110", "Sales", "VAT15");
    za.revenue(ids, "6210", "Consulting", "VAT15");
    za.foreign(ids, "USD", "US dollar", 2, known);

    let mut sandbox = Company::new(ids, now, "Sandbox", "CRONUS UK Ltd.", "GB", "GBP");
    sandbox.display_name = String::new();
    sandbox.group(ids, "STANDARD", "Standard rate 20%", Decimal::from(20));
    sandbox.revenue(ids, "6110", "Sales, Services", "STANDARD");
    // Section 14, trap 8: without a template, customers made through the API have no posting groups.
    sandbox.setup.customer_template = None;
    vec![uk, za, sandbox]
}
