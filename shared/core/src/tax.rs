//! Finding the ledger's code for a rate (C11, R144): the invoice's rate is the truth, and nothing is ever "nearest".

use crate::choices::Choices;
use crate::facts::{Facts, TaxRate};
use crate::money::Rate;

/// The ledger's code for a rate, or the candidates to ask about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaxCode<'a> {
    /// Exactly one code fits, or a person chose it.
    Code(&'a str),
    /// None or several fit.
    Ask(Vec<&'a TaxRate>),
}

/// Resolves a rate: the stored choice if the organisation still has that code at that rate, else the one active sales rate of exactly
/// this percentage.
#[must_use]
pub fn resolve<'a>(rate: Rate, facts: &'a Facts, choices: &'a Choices) -> TaxCode<'a> {
    let candidates: Vec<&TaxRate> = facts.tax_rates.iter().filter(|candidate| candidate.on_sales && candidate.rate == Some(rate)).collect();
    if let Some(chosen) = choices.tax_map.get(&rate)
        && let Some(found) = candidates.iter().find(|candidate| candidate.code == *chosen)
    {
        return TaxCode::Code(&found.code);
    }
    match candidates.as_slice() {
        [only] => TaxCode::Code(&only.code),
        _ => TaxCode::Ask(candidates),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rust_decimal::Decimal;

    pub(crate) fn rate(percent: i64) -> Rate {
        Decimal::from(percent).try_into().unwrap()
    }

    pub(crate) fn tax_rate(code: &str, percent: i64, on_sales: bool) -> TaxRate {
        TaxRate {
            code: code.into(),
            name: format!("{percent}% ({code})"),
            rate: Some(rate(percent)),
            on_sales,
            class: None,
            parts: Vec::new(),
            windows: Vec::new(),
        }
    }

    pub(crate) fn facts(tax_rates: Vec<TaxRate>) -> Facts {
        let gbp = "GBP".parse().unwrap();
        Facts {
            name: "Org".into(),
            base_currency: gbp,
            currencies: vec![gbp],
            tax_rates,
            accounts: vec![],
            short_code: Some("!a1".into()),
            items: vec![],
            default_item: None,
            default_sales_account: None,
            assigns_numbers: false,
            tax_method: None,
            one_tax_code: false,
            pays_tax: true,
            locked_until: None,
            fetched_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    /// C11 and R57: rates fetched {0, 5, 15, 20}; the 15% standard rate is found by its percentage.
    #[test]
    fn c11_one_rate_of_the_percentage_is_taken() {
        let facts = facts(vec![tax_rate("Z", 0, true), tax_rate("R", 5, true), tax_rate("ZA", 15, true), tax_rate("S", 20, true)]);
        for (percent, code) in [(0, "Z"), (5, "R"), (15, "ZA"), (20, "S")] {
            assert_eq!(resolve(rate(percent), &facts, &Choices::default()), TaxCode::Code(code));
        }
    }

    #[test]
    fn c11_none_or_several_ask_and_nothing_is_nearest() {
        let facts = facts(vec![tax_rate("A", 15, true), tax_rate("B", 15, true), tax_rate("IN", 20, false)]);
        assert!(matches!(resolve(rate(15), &facts, &Choices::default()), TaxCode::Ask(list) if list.len() == 2));
        assert!(matches!(resolve(rate(14), &facts, &Choices::default()), TaxCode::Ask(list) if list.is_empty()));
        assert!(
            matches!(resolve(rate(20), &facts, &Choices::default()), TaxCode::Ask(list) if list.is_empty()),
            "a purchase rate is not a sales rate"
        );
    }

    /// C11: a rate that changed counts as it was on the document's date.
    #[test]
    fn c11_a_rate_is_the_one_of_the_documents_date() {
        use crate::facts::RateWindow;
        let day = |text: &str| Some(text.parse().unwrap());
        let windows = vec![
            RateWindow { rate: rate(23), from: None, until: day("2020-08-31") },
            RateWindow { rate: rate(21), from: day("2020-09-01"), until: day("2021-02-28") },
            RateWindow { rate: rate(23), from: day("2021-03-01"), until: None },
        ];
        let facts = facts(vec![TaxRate { windows, ..tax_rate("IE_STANDARD", 23, true) }, tax_rate("Z", 0, true)]);
        let on = |text: &str, percent| match resolve(rate(percent), &facts.on(text.parse().unwrap()), &Choices::default()) {
            TaxCode::Code(code) => code.to_owned(),
            TaxCode::Ask(_) => "?".to_owned(),
        };
        assert_eq!((on("2020-08-31", 23), on("2020-09-01", 23)), ("IE_STANDARD".to_owned(), "?".to_owned()));
        assert_eq!((on("2021-02-28", 21), on("2021-03-01", 21)), ("IE_STANDARD".to_owned(), "?".to_owned()));
        assert_eq!((on("2026-01-01", 23), on("2020-10-01", 0)), ("IE_STANDARD".to_owned(), "Z".to_owned()));
        let today = "2026-01-01".parse().unwrap();
        assert!(matches!(facts.on(today), std::borrow::Cow::Borrowed(_)), "nothing is copied where nothing differs");
        let over = TaxRate { windows: vec![RateWindow { rate: rate(5), from: None, until: day("2020-01-01") }], ..tax_rate("R", 5, true) };
        assert_eq!(over.rate_on(today), None);
    }

    #[test]
    fn c11_a_choice_counts_while_the_code_has_the_rate() {
        let facts = facts(vec![tax_rate("A", 15, true), tax_rate("B", 15, true), tax_rate("C", 20, true)]);
        let chosen = |code: &str| Choices { tax_map: [(rate(15), code.to_owned())].into(), ..Choices::default() };
        assert_eq!(resolve(rate(15), &facts, &chosen("B")), TaxCode::Code("B"));
        assert!(matches!(resolve(rate(15), &facts, &chosen("C")), TaxCode::Ask(_)), "another rate than the line's");
        assert!(matches!(resolve(rate(15), &facts, &chosen("GONE")), TaxCode::Ask(_)));
    }
}
