//! `GET` of businesses, ledger accounts, bank accounts, currencies, statuses and settings.

use super::business::{BankAccount, Business, LedgerAccount};
use super::contact::word;
use super::invoice::Status;
use super::json::{Json, Members, base, integer};
use super::query::{Page, Query, contains, id};
use super::reply::{self, Refusal};
use crate::skeleton::answer::Reply;

fn business_base(business: &Business) -> Json {
    base(&business.id.simple().to_string(), &business.name, "businesses")
}

/// `GET /businesses`: all that the user reaches, on one page (guide "Multi Business").
pub(crate) fn businesses(reached: &[&Business], query: &Query<'_>) -> Result<Reply, Refusal> {
    query.only(&[])?;
    let page = Page { number: 1, size: 2_147_483_647 };
    let items = reached.iter().map(|business| business_base(business)).collect();
    Ok(reply::encode(200, &reply::envelope(reached.len(), page, Json::Null, Json::Null, items)))
}

/// `GET /businesses/{id}` (members from memory) and `GET /businesses/lead`.
pub(crate) fn business(business: &Business, query: &Query<'_>) -> Result<Reply, Refusal> {
    query.only(&["attributes", "nested_attributes"])?;
    let whole = Json::Object(vec![
        ("id", business.id.simple().to_string().into()),
        ("displayed_as", business.name.as_str().into()),
        ("$path", format!("/businesses/{}", business.id.simple()).into()),
        ("created_at", business.created.into()),
        ("updated_at", business.created.into()),
        ("name", business.name.as_str().into()),
        ("country", word(&business.country, "countries")),
    ]);
    Ok(reply::one(query, whole))
}

fn ledger_account(account: &LedgerAccount) -> Json {
    Json::Object(vec![
        ("id", account.id.simple().to_string().into()),
        ("displayed_as", account.displayed_as().into()),
        ("$path", format!("/ledger_accounts/{}", account.id.simple()).into()),
        ("name", account.name.as_str().into()),
        ("display_name", account.name.as_str().into()),
        ("included_in_chart", true.into()),
        ("nominal_code", integer(account.nominal_code)),
        ("ledger_account_type", word(&account.ledger_account_type, "ledger_account_types")),
        ("visible_in_banking", account.visible_in_banking.into()),
        ("visible_in_expenses", account.visible_in_expenses.into()),
        ("visible_in_sales", account.visible_in_sales.into()),
        ("is_control_account", account.is_control_account.into()),
        ("display_formatted", account.displayed_as().into()),
    ])
}

/// `GET /ledger_accounts`. Areas other than sales, banking and expenses are not modelled.
pub(crate) fn ledger_accounts(business: &Business, query: &Query<'_>) -> Result<Reply, Refusal> {
    query.only(&["visible_in", "search", "items_per_page", "page", "attributes"])?;
    let shows: fn(&LedgerAccount) -> bool = match query.text("visible_in") {
        None => |_| true,
        Some("sales") => |account| account.visible_in_sales,
        Some("banking") => |account| account.visible_in_banking,
        Some("expenses") => |account| account.visible_in_expenses,
        Some(other) => return Err(Refusal::NotModelled(format!("visible_in={other}"))),
    };
    let searched = |account: &LedgerAccount| {
        query.text("search").is_none_or(|wanted| contains(&account.name, wanted) || account.nominal_code.to_string().contains(wanted))
    };
    let found = business.ledger_accounts.iter().filter(|account| shows(account) && searched(account));
    reply::list(query, "ledger_accounts", found.map(ledger_account).collect(), &Members::Base)
}

/// `GET /ledger_accounts/{key}`.
pub(crate) fn one_ledger_account(business: &Business, query: &Query<'_>, key: &str) -> Result<Reply, Refusal> {
    query.only(&["attributes"])?;
    let account = id(key).and_then(|id| business.ledger_account(id)).ok_or(Refusal::NotFound)?;
    Ok(reply::one(query, ledger_account(account)))
}

fn bank_account(bank: &BankAccount) -> Json {
    Json::Object(vec![
        ("id", bank.id.simple().to_string().into()),
        ("displayed_as", format!("{} ({})", bank.name, bank.nominal_code).into()),
        ("$path", format!("/bank_accounts/{}", bank.id.simple()).into()),
        ("bank_account_details", Json::Object(vec![("account_name", bank.name.as_str().into())])),
        ("bank_account_type", word("CURRENT", "bank_account_types")),
        ("nominal_code", integer(bank.nominal_code)),
        ("editable", true.into()),
        ("is_active", bank.is_active.into()),
        ("currency", word(&bank.currency, "currencies")),
    ])
}

/// `GET /bank_accounts`.
pub(crate) fn bank_accounts(business: &Business, query: &Query<'_>) -> Result<Reply, Refusal> {
    query.only(&["filter_inactive_bank_accounts", "nested_attributes", "items_per_page", "page", "attributes"])?;
    let only_active = query.flag("filter_inactive_bank_accounts")?.unwrap_or(false);
    let found = business.bank_accounts.iter().filter(|bank| bank.is_active || !only_active);
    let nested = Members::read(query.text("nested_attributes"), Members::Base);
    reply::list(query, "bank_accounts", found.map(bank_account).collect(), &nested)
}

/// `GET /bank_accounts/{key}`.
pub(crate) fn one_bank_account(business: &Business, query: &Query<'_>, key: &str) -> Result<Reply, Refusal> {
    query.only(&["attributes", "nested_attributes"])?;
    let wanted = id(key).ok_or(Refusal::NotFound)?;
    let bank = business.bank_accounts.iter().find(|bank| bank.id == wanted).ok_or(Refusal::NotFound)?;
    Ok(reply::one(query, bank_account(bank)))
}

/// `GET /artefact_statuses`.
pub(crate) fn artefact_statuses(query: &Query<'_>) -> Result<Reply, Refusal> {
    query.only(&["items_per_page", "page", "attributes"])?;
    let all = Status::ALL.iter().map(|status| base(status.id(), status.displayed_as(), "artefact_statuses"));
    reply::list(query, "artefact_statuses", all.collect(), &Members::Base)
}

/// `GET /financial_settings`.
pub(crate) fn financial_settings(business: &Business, query: &Query<'_>) -> Result<Reply, Refusal> {
    query.only(&[])?;
    let scheme = business.pays_tax.then(|| base("STANDARD", "Standard", "tax_schemes"));
    let shown = Json::Object(vec![
        ("$path", "/financial_settings".into()),
        ("year_end_lockdown_date", business.year_end_lockdown_date.into()),
        ("accounting_type", "accrual".into()),
        ("base_currency", word(&business.currency, "currencies")),
        ("multi_currency_enabled", (!business.foreign.is_empty()).into()),
        ("use_live_exchange_rates", false.into()),
        ("tax_scheme", scheme.into()),
        ("tax_number", business.tax_number.as_deref().filter(|_| business.pays_tax).into()),
        ("sales_tax_calculation", business.pays_tax.then_some("invoice").into()),
    ]);
    Ok(reply::encode(200, &shown))
}

/// `GET /currencies`: those that the business can trade in. (The vendor lists all that it knows.)
pub(crate) fn currencies(business: &Business, query: &Query<'_>) -> Result<Reply, Refusal> {
    query.only(&["items_per_page", "page", "attributes"])?;
    let codes = std::iter::once(business.currency.as_str()).chain(business.foreign.iter().map(|one| one.code.as_str()));
    reply::list(query, "currencies", codes.map(|code| word(code, "currencies")).collect(), &Members::Base)
}

/// `GET /invoice_settings`.
pub(crate) fn invoice_settings(business: &Business, query: &Query<'_>) -> Result<Reply, Refusal> {
    query.only(&[])?;
    let shown = Json::Object(vec![
        ("$path", "/invoice_settings".into()),
        ("next_invoice_number", integer(business.next_invoice_number)),
        ("separate_invoice_credit_note_numbering", true.into()),
        ("sales_invoice_number_prefix", business.invoice_prefix.as_str().into()),
        ("customer_credit_days", integer(business.customer_credit_days)),
        ("customer_credit_terms", "date_from_invoice".into()),
    ]);
    Ok(reply::encode(200, &shown))
}
