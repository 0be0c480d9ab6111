//! A company's facts (docs/vendors/quickbooks.md, sections 3 and 4).

use coportal_core::facts::{Account, AccountUse, Facts, Item, RateWindow, TaxRate};
use coportal_core::ledger::TaxMethod;
use coportal_core::money::{Currency, Rate};
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::quickbooks::fixit::Cause;
use crate::quickbooks::wire::{
    Found, WireAccount, WireCompany, WireCurrency, WireItem, WireTaxCode, WireTaxDetail, WireTaxRate, WireTaxWindow, day, id_of,
};

/// The two words that a line's tax code is in the US.
pub(in crate::quickbooks) const TAXED: &str = "TAX";
pub(in crate::quickbooks) const UNTAXED: &str = "NON";

/// Our code of a tax code of the document in the US: lines say [`TAXED`], and the document which code that is.
pub(in crate::quickbooks) fn us_code(id: &str) -> String {
    format!("{TAXED}:{id}")
}

/// The document's tax code in a code of ours; `None` for a code of a line's own.
pub(in crate::quickbooks) fn us_group(code: &str) -> Option<&str> {
    code.strip_prefix(TAXED)?.strip_prefix(':')
}

/// Whether a country is one in which tax is the document's.
fn is_us(country: Option<&str>) -> bool {
    country.is_some_and(|country| ["US", "USA", "United States"].iter().any(|name| country.trim().eq_ignore_ascii_case(name)))
}

/// Whether the company has currencies beside its own, which are a list of their own then.
pub(in crate::quickbooks) fn has_currencies(found: &Found) -> bool {
    let preferences = found.preferences.first().and_then(|preferences| preferences.currency_prefs.as_ref());
    preferences.and_then(|preferences| preferences.multi_currency_enabled) == Some(true)
}

/// A company's facts, of everything that was found.
///
/// # Errors
/// The company cannot be used: its own currency is none that CoPortal knows.
pub(in crate::quickbooks) fn facts(company: WireCompany, found: Found, now: Timestamp) -> Result<Facts, Cause> {
    let Found { preferences, company_currency, tax_rate, tax_code, item, account, .. } = found;
    let preferences = preferences.into_iter().next().unwrap_or_default();
    let home = preferences.currency_prefs.as_ref().and_then(|preferences| id_of(&preferences.home_currency));
    let base_currency: Currency = home.and_then(|code| code.parse().ok()).ok_or(Cause::BaseCurrencyUnknown)?;
    let us = is_us(company.country.as_deref());
    let sales = preferences.sales_forms_prefs;
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let items: Vec<Item> = item.into_iter().filter_map(sales_item).collect();
    let default_item = sales.as_ref().and_then(|sales| id_of(&sales.default_item));
    Ok(Facts {
        name: company.company_name.unwrap_or_else(|| "Unnamed company".to_owned()),
        base_currency,
        currencies: currencies(base_currency, &company_currency),
        tax_rates: tax_rates(tax_code, &tax_rate, today, us),
        accounts: account.into_iter().filter_map(account_of).collect(),
        short_code: None,
        default_item: default_item.filter(|id| items.iter().any(|item| item.id == *id)),
        items,
        default_sales_account: None,
        // C6: our number is the document's only where the company numbers its sales forms by hand.
        assigns_numbers: sales.and_then(|sales| sales.custom_txn_numbers) != Some(true),
        tax_method: us.then_some(TaxMethod::Group),
        one_tax_code: us,
        // A wrong "no tax" would drop the tax from every invoice: only a plain no is one.
        pays_tax: preferences.tax_prefs.and_then(|preferences| preferences.using_sales_tax) != Some(false),
        locked_until: preferences.accounting_info_prefs.and_then(|preferences| day(&preferences.book_close_date?)),
        fetched_at: now,
    })
}

fn currencies(base: Currency, others: &[WireCurrency]) -> Vec<Currency> {
    let others = others.iter().filter_map(|currency| currency.code.as_deref()?.parse().ok());
    let mut usable: Vec<Currency> = others.chain([base]).collect();
    usable.sort_unstable();
    usable.dedup();
    usable
}

/// Sales tax codes with the percentage that they have today.
fn tax_rates(codes: Vec<WireTaxCode>, rates: &[WireTaxRate], today: Date, us: bool) -> Vec<TaxRate> {
    let mut found: Vec<TaxRate> = Vec::new();
    for code in codes {
        let details = code.sales_tax_rate_list.unwrap_or_default().tax_rate_detail;
        // For purchases alone, or one of the two words of the US.
        if details.is_empty() {
            continue;
        }
        // A rate on top of another one's tax is no sum of percentages.
        let simple = details.iter().all(|detail| detail.tax_type_applicable.as_deref().is_none_or(|kind| kind == "TaxOnAmount"));
        let named = |detail: &WireTaxDetail| {
            let id = id_of(&detail.tax_rate_ref)?;
            rates.iter().find(|rate| rate.id == id)
        };
        let known: Vec<&WireTaxRate> = details.iter().filter_map(named).collect();
        let parts: Option<Vec<Rate>> = known.iter().map(|rate| Rate::try_from(percent(rate, today)?).ok()).collect();
        let parts = parts.filter(|parts| simple && parts.len() == details.len()).unwrap_or_default();
        let rate = match parts.as_slice() {
            [] => None,
            parts => Rate::try_from(parts.iter().map(Rate::percent).sum::<Decimal>()).ok(),
        };
        let usable = code.active.unwrap_or(true) && code.hidden != Some(true);
        found.push(TaxRate {
            name: code.name.unwrap_or_else(|| code.id.clone()),
            // In the US an untaxed line says so in a word, never by a code of 0%.
            on_sales: usable && !(us && rate == Some(Rate::ZERO)),
            rate,
            class: None,
            windows: match known.as_slice() {
                [only] if simple => windows(only),
                // Those of several rates have no common days: the codes count as they are today.
                _ => Vec::new(),
            },
            // Each rate of a code is rounded by itself (section 11).
            parts: if parts.len() > 1 { parts } else { Vec::new() },
            code: if us { us_code(&code.id) } else { code.id },
        });
    }
    if us {
        found.push(TaxRate {
            code: UNTAXED.to_owned(),
            name: "Not taxable".to_owned(),
            rate: Some(Rate::ZERO),
            on_sales: true,
            class: None,
            parts: Vec::new(),
            windows: Vec::new(),
        });
    }
    found
}

/// The days on which a rate has which percentage.
fn windows(rate: &WireTaxRate) -> Vec<RateWindow> {
    let read = |window: &WireTaxWindow| {
        let on = |text: &Option<String>| text.as_deref().map(|text| day(text).ok_or(())).transpose();
        let percent = Rate::try_from(window.rate_value?).ok()?;
        Some(RateWindow { rate: percent, from: on(&window.effective_date).ok()?, until: on(&window.end_date).ok()? })
    };
    rate.effective_tax_rate.iter().filter_map(read).collect()
}

/// A rate's percentage on a day: the window that holds it, else the rate's own figure.
fn percent(rate: &WireTaxRate, on: Date) -> Option<Decimal> {
    let holds = |from: &Option<String>, to: &Option<String>| {
        let after = from.as_deref().is_none_or(|from| day(from).is_some_and(|from| from <= on));
        after && to.as_deref().is_none_or(|to| day(to).is_some_and(|to| on <= to))
    };
    let window = rate.effective_tax_rate.iter().find(|window| holds(&window.effective_date, &window.end_date));
    window.and_then(|window| window.rate_value).or(rate.rate_value)
}

fn sales_item(wire: WireItem) -> Option<Item> {
    let active = wire.active.unwrap_or(true);
    let name = wire.fully_qualified_name.or(wire.name).unwrap_or_else(|| "Unnamed item".to_owned());
    active.then_some(Item { id: wire.id, name })
}

/// Accounts that sales or payments post to. They are named by id alone: payments name the account by it.
fn account_of(wire: WireAccount) -> Option<Account> {
    if wire.active == Some(false) {
        return None;
    }
    let kind = wire.account_type.as_deref();
    let purposes = [
        (AccountUse::Sales, kind == Some("Income")),
        (AccountUse::Payment, kind == Some("Bank") || wire.account_sub_type.as_deref() == Some("UndepositedFunds")),
    ];
    let uses: Vec<AccountUse> = purposes.into_iter().filter_map(|(purpose, serves)| serves.then_some(purpose)).collect();
    let named = [wire.acct_num, wire.name].into_iter().flatten().collect::<Vec<_>>().join(" ");
    (!uses.is_empty()).then(|| Account {
        name: if named.is_empty() { "Unnamed account".to_owned() } else { named },
        id: wire.id,
        code: None,
        uses,
        tax_code: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-21T10:00:00Z";

    fn read(country: &str, found: &str) -> Result<Facts, Cause> {
        let company = WireCompany { id: Some("1".into()), company_name: Some("Harbour & Hill".into()), country: Some(country.into()) };
        facts(company, serde_json::from_str(found).unwrap(), NOW.parse().unwrap())
    }

    const FOUND: &str = r#"{
      "Preferences":[{"AccountingInfoPrefs":{"BookCloseDate":"2026-03-31"},
        "SalesFormsPrefs":{"CustomTxnNumbers":true,"DefaultItem":{"value":"5"}},
        "CurrencyPrefs":{"MultiCurrencyEnabled":true,"HomeCurrency":{"value":"GBP"}},"TaxPrefs":{"UsingSalesTax":true}}],
      "CompanyCurrency":[{"Code":"USD"},{"Code":"ZZZ"},{"Code":"GBP"}],
      "TaxRate":[{"Id":"1","RateValue":20},
        {"Id":"2","RateValue":5,"EffectiveTaxRate":[{"RateValue":4,"EffectiveDate":"2000-01-01T00:00:00-08:00","EndDate":"2025-12-31T00:00:00-08:00"},
          {"RateValue":5.5,"EffectiveDate":"2026-01-01T00:00:00-08:00"}]},
        {"Id":"3","RateValue":0},{"Id":"4","RateValue":9.975}],
      "TaxCode":[
        {"Id":"11","Name":"20.0% S","SalesTaxRateList":{"TaxRateDetail":[{"TaxRateRef":{"value":"1"},"TaxTypeApplicable":"TaxOnAmount"}]}},
        {"Id":"12","Name":"5.0% R","SalesTaxRateList":{"TaxRateDetail":[{"TaxRateRef":{"value":"2"}}]}},
        {"Id":"13","Name":"GST/QST","SalesTaxRateList":{"TaxRateDetail":[{"TaxRateRef":{"value":"1"}},{"TaxRateRef":{"value":"4"}}]}},
        {"Id":"14","Name":"On top","SalesTaxRateList":{"TaxRateDetail":[{"TaxRateRef":{"value":"1"},"TaxTypeApplicable":"TaxOnAmountPlusTax"}]}},
        {"Id":"15","Name":"Unknown rate","SalesTaxRateList":{"TaxRateDetail":[{"TaxRateRef":{"value":"99"}}]}},
        {"Id":"16","Name":"Hidden","Hidden":true,"SalesTaxRateList":{"TaxRateDetail":[{"TaxRateRef":{"value":"1"}}]}},
        {"Id":"17","Name":"0.0% Z","SalesTaxRateList":{"TaxRateDetail":[{"TaxRateRef":{"value":"3"}}]}},
        {"Id":"TAX","Name":"TAX","SalesTaxRateList":{"TaxRateDetail":[]}},{"Id":"NON","Name":"NON"}],
      "Item":[{"Id":"5","Name":"Services","FullyQualifiedName":"Sales:Services"},{"Id":"6","Name":"Old","Active":false}],
      "Account":[{"Id":"79","Name":"Sales","AcctNum":"4000","AccountType":"Income"},{"Id":"35","Name":"Current","AccountType":"Bank"},
        {"Id":"4","Name":"Undeposited Funds","AccountType":"Other Current Asset","AccountSubType":"UndepositedFunds"},
        {"Id":"81","Name":"Stock","AccountType":"Other Current Asset","AccountSubType":"Inventory"}]}"#;

    #[test]
    fn a_company_outside_the_us() {
        let facts = read("GB", FOUND).unwrap();
        let codes: Vec<_> = facts.currencies.iter().map(|code| code.to_string()).collect();
        assert_eq!(codes, ["GBP", "USD"]);
        let rates: Vec<_> = facts
            .tax_rates
            .iter()
            .map(|rate| (rate.code.as_str(), rate.rate.map(|rate| rate.percent().to_string()), rate.on_sales))
            .collect();
        let percent = |text: &str| Some(text.to_owned());
        assert_eq!(
            rates,
            [
                ("11", percent("20"), true),
                ("12", percent("5.5"), true),
                ("13", percent("29.975"), true),
                ("14", None, true),
                ("15", None, true),
                ("16", percent("20"), false),
                ("17", percent("0"), true),
            ]
        );
        let parts: Vec<_> = facts.parts_of("13").iter().map(|part| part.percent().to_string()).collect();
        assert_eq!((parts, facts.parts_of("11").len()), (vec!["20".to_owned(), "9.975".to_owned()], 0), "C12: each is rounded by itself");
        let on = |day: &str| facts.tax_rates[1].rate_on(day.parse().unwrap()).map(|rate| rate.percent().to_string());
        assert_eq!((on("2025-12-31"), on("2026-01-01"), on("1999-01-01")), (percent("4"), percent("5.5"), None), "C11: as of the day");
        assert_eq!((facts.tax_method, facts.one_tax_code, facts.pays_tax, facts.assigns_numbers), (None, false, true, false));
        assert_eq!(facts.locked_until, Some("2026-03-31".parse().unwrap()));
        assert_eq!((facts.default_item.as_deref(), facts.items.len()), (Some("5"), 1));
        let sales: Vec<_> = facts.accounts_for(AccountUse::Sales).map(|account| account.name.as_str()).collect();
        let payment: Vec<_> = facts.accounts_for(AccountUse::Payment).map(|account| account.id.as_str()).collect();
        assert_eq!((sales, payment), (vec!["4000 Sales"], vec!["35", "4"]));
    }

    /// In the US a document has one tax code, lines a word; 0% is the word, never a code.
    #[test]
    fn c11_a_company_in_the_us() {
        let facts = read("US", FOUND).unwrap();
        assert_eq!((facts.tax_method, facts.one_tax_code), (Some(TaxMethod::Group), true));
        let zero: Vec<_> =
            facts.tax_rates.iter().filter(|rate| rate.on_sales && rate.rate == Some(Rate::ZERO)).map(|rate| rate.code.as_str()).collect();
        assert_eq!(zero, ["NON"]);
        let code = &facts.tax_rates.first().unwrap().code;
        assert_eq!((code.as_str(), us_group(code), us_group("TAX"), us_group("NON")), ("TAX:11", Some("11"), None, None));
    }

    /// C6: a company that numbers its forms itself, or does not say, gets no number from us.
    #[test]
    fn c6_numbers_are_carried_by_preference_only() {
        let with = |prefs: &str| {
            read("GB", &format!(r#"{{"Preferences":[{{"CurrencyPrefs":{{"HomeCurrency":{{"value":"GBP"}}}},{prefs}}}]}}"#)).unwrap()
        };
        assert!(with(r#""SalesFormsPrefs":{"CustomTxnNumbers":false}"#).assigns_numbers);
        assert!(with(r#""SalesFormsPrefs":{}"#).assigns_numbers);
        assert!(!with(r#""SalesFormsPrefs":{"CustomTxnNumbers":true}"#).assigns_numbers);
        assert!(!with(r#""TaxPrefs":{"UsingSalesTax":false}"#).pays_tax);
        assert!(with(r#""TaxPrefs":{}"#).pays_tax);
    }

    #[test]
    fn a_company_without_a_currency_that_we_know_cannot_be_used() {
        for found in ["{}", r#"{"Preferences":[{"CurrencyPrefs":{"HomeCurrency":{"value":"ZZZ"}}}]}"#] {
            assert_eq!(read("GB", found), Err(Cause::BaseCurrencyUnknown), "{found}");
        }
    }
}
