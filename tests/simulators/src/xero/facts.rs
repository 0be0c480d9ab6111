//! `GET /Organisation`, `/Organisation/Actions`, `/Accounts`, `/TaxRates`, `/Currencies`.

use serde::Serialize;
use serde_json::{Value, json};

use super::filter::{self, Clause};
use super::organisation::{Organisation, TaxRate};
use super::reply::{Envelope, Refusal, ms_date};
use crate::skeleton::answer::Reply;
use crate::skeleton::number::{Exact, half_up};

/// Reads the `where` of a fact list.
fn wanted(text: Option<&str>, modelled: &[&str]) -> Result<Option<Clause>, Refusal> {
    text.map(|text| filter::parse(text, modelled)).transpose()
}

pub(crate) fn organisation(organisation: &Organisation, envelope: &Envelope<'_>) -> Reply {
    let mut shown = json!({
        "Name": organisation.name,
        "LegalName": organisation.name,
        "PaysTax": organisation.pays_tax,
        "Version": organisation.version,
        "OrganisationType": "COMPANY",
        "BaseCurrency": organisation.currency,
        "CountryCode": organisation.country,
        "IsDemoCompany": false,
        "OrganisationStatus": "ACTIVE",
        "TaxNumber": organisation.tax_number,
        "FinancialYearEndDay": 31,
        "FinancialYearEndMonth": 3,
        "SalesTaxBasis": "ACCRUALS",
        "SalesTaxPeriod": "QUARTERLY",
        "DefaultSalesTax": "Tax Exclusive",
        "DefaultPurchasesTax": "Tax Exclusive",
        "CreatedDateUTC": format!("/Date({})/", organisation.created.as_millisecond()),
        "OrganisationEntityType": "COMPANY",
        "Timezone": organisation.timezone,
        "ShortCode": organisation.short_code,
        "OrganisationID": organisation.id,
        "Edition": organisation.edition,
        "Class": "PREMIUM",
        "Addresses": [],
        "Phones": [],
        "ExternalLinks": [],
        "PaymentTerms": {},
    });
    if let Value::Object(members) = &mut shown {
        // Shown only when set (published schema, Organisation).
        let locks = [("PeriodLockDate", organisation.period_lock_date), ("EndOfYearLockDate", organisation.end_of_year_lock_date)];
        for (name, lock) in locks {
            if let Some(lock) = lock {
                members.insert(name.to_owned(), Value::String(ms_date(lock)));
            }
        }
    }
    envelope.reply("Organisations", &[shown], None)
}

/// The key actions of the vendor's example reply.
const ACTIONS: [&str; 13] = [
    "CreateApprovedInvoice",
    "CreateDraftPurchaseOrder",
    "CreateApprovedBill",
    "AttachFilesIntoInvoice",
    "UseMulticurrency",
    "CreateDraftInvoice",
    "CreateRepeatingInvoice",
    "CreateRepeatingBill",
    "CreateSentQuote",
    "CreateInvoicePayment",
    "CreateApprovedPurchaseOrder",
    "CreateDraftQuote",
    "CreateDraftBill",
];

pub(crate) fn actions(organisation: &Organisation, envelope: &Envelope<'_>) -> Reply {
    let shown: Vec<Value> = ACTIONS
        .iter()
        .map(|name| {
            let refused = organisation.refused_actions.iter().any(|refused| refused == name)
                || (*name == "UseMulticurrency" && organisation.currencies.len() < 2);
            json!({ "Name": name, "Status": if refused { "NOT-ALLOWED" } else { "ALLOWED" } })
        })
        .collect();
    envelope.reply("Actions", &shown, None)
}

pub(crate) fn accounts(organisation: &Organisation, envelope: &Envelope<'_>, filter: Option<&str>) -> Result<Reply, Refusal> {
    let clause = wanted(filter, &["Status", "Type", "Class", "Code", "SystemAccount"])?;
    let shown: Vec<_> = organisation
        .accounts
        .iter()
        .filter(|account| {
            clause.as_ref().is_none_or(|clause| {
                clause.selects(&|field, literal| match field {
                    "Status" => literal.is_text(Some(&account.status)),
                    "Type" => literal.is_text(Some(&account.kind)),
                    "Class" => literal.is_text(Some(&account.class)),
                    "Code" => literal.is_text(account.code.as_deref()),
                    _ => literal.is_text(account.system_account.as_deref()),
                })
            })
        })
        .collect();
    Ok(envelope.reply("Accounts", &shown, None))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Component<'rate> {
    name: &'rate str,
    rate: Exact,
    is_compound: bool,
    is_non_recoverable: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TaxRateView<'rate> {
    name: &'rate str,
    tax_type: &'rate str,
    report_tax_type: &'rate str,
    can_apply_to_assets: bool,
    can_apply_to_equity: bool,
    can_apply_to_expenses: bool,
    can_apply_to_liabilities: bool,
    can_apply_to_revenue: bool,
    display_tax_rate: Exact,
    effective_rate: Exact,
    status: &'rate str,
    tax_components: [Component<'rate>; 1],
}

fn shown(rate: &TaxRate) -> TaxRateView<'_> {
    let percent = Exact(half_up(rate.effective_rate, 4));
    TaxRateView {
        name: &rate.name,
        tax_type: &rate.tax_type,
        report_tax_type: &rate.report_tax_type,
        can_apply_to_assets: rate.can_apply_to_assets,
        can_apply_to_equity: rate.can_apply_to_equity,
        can_apply_to_expenses: rate.can_apply_to_expenses,
        can_apply_to_liabilities: rate.can_apply_to_liabilities,
        can_apply_to_revenue: rate.can_apply_to_revenue,
        display_tax_rate: percent,
        effective_rate: percent,
        status: &rate.status,
        tax_components: [Component { name: "VAT", rate: percent, is_compound: false, is_non_recoverable: false }],
    }
}

pub(crate) fn tax_rates(organisation: &Organisation, envelope: &Envelope<'_>, filter: Option<&str>) -> Result<Reply, Refusal> {
    let clause = wanted(filter, &["Status", "TaxType", "Name"])?;
    let rates: Vec<_> = organisation
        .tax_rates
        .iter()
        .filter(|rate| {
            clause.as_ref().is_none_or(|clause| {
                clause.selects(&|field, literal| match field {
                    "Status" => literal.is_text(Some(&rate.status)),
                    "TaxType" => literal.is_text(Some(&rate.tax_type)),
                    _ => literal.is_text(Some(&rate.name)),
                })
            })
        })
        .map(shown)
        .collect();
    Ok(envelope.reply("TaxRates", &rates, None))
}

pub(crate) fn currencies(organisation: &Organisation, envelope: &Envelope<'_>, filter: Option<&str>) -> Result<Reply, Refusal> {
    let clause = wanted(filter, &["Code"])?;
    let shown: Vec<Value> = organisation
        .currencies
        .iter()
        .filter(|currency| clause.as_ref().is_none_or(|clause| clause.selects(&|_, literal| literal.is_text(Some(&currency.code)))))
        .map(|currency| json!({ "Code": currency.code, "Description": currency.description }))
        .collect();
    Ok(envelope.reply("Currencies", &shown, None))
}
