//! The generator draws what it says, the oracle knows the vendors' own examples, and thousands of invoices agree.

use coportal_core::ledger::Ledger;
use rust_decimal::Decimal;

use crate::books;
use crate::cases::{Case, CaseLine};
use crate::oracle::{self, exact};
use crate::run::run;
use crate::verdict::{Verdict, for_oracle, invoice, judge};

fn case(prices: &[&str], percent: &str) -> Case {
    let line = |price: &&str| CaseLine {
        quantity: Decimal::ONE,
        unit_price: price.parse().unwrap(),
        discount_percent: None,
        tax_percent: percent.parse().unwrap(),
    };
    Case {
        currency: "GBP",
        tax_inclusive: false,
        by_document: false,
        rounding_line: false,
        one_rate: false,
        lines: prices.iter().map(line).collect(),
    }
}

/// Each ledger of the build comes to what is said of it here.
fn comes_to(case: &Case, wanted: [(Ledger, Verdict); 4]) {
    let rules = books::rules();
    assert_eq!(rules.len(), Ledger::ALL.len(), "every ledger is in the build");
    for (ledger, verdict) in wanted {
        for rules in rules.iter().filter(|rules| rules.ledger == ledger) {
            assert_eq!(judge(case, rules).unwrap(), verdict, "{ledger}");
        }
    }
}

fn in_all(verdict: Verdict) -> [(Ledger, Verdict); 4] {
    Ledger::ALL.map(|ledger| (ledger, verdict))
}

/// C12: 25.06 + 25.61 + 25.63 at 15% is 11.44 where tax is rounded per line, 11.45 where it is rounded per document.
#[test]
fn c12_the_golden_invoice() {
    let golden = case(&["25.06", "25.61", "25.63"], "15");
    let asked = for_oracle(&golden).unwrap();
    assert_eq!(oracle::shown(&asked).tax, exact("11.44").unwrap());
    let taxes = [("xero", "11.44"), ("quickbooks", "11.44"), ("sage", "11.44"), ("business-central", "11.45")];
    for (ledger, tax) in taxes {
        let there = oracle::in_ledger(&asked, books::arithmetic(ledger.parse().unwrap(), false));
        assert_eq!(there.tax, exact(tax).unwrap(), "{ledger}");
    }
    comes_to(
        &golden,
        [
            (Ledger::Xero, Verdict::Pushed),
            (Ledger::Quickbooks, Verdict::Pushed),
            (Ledger::Sage, Verdict::Pushed),
            (Ledger::BusinessCentral, Verdict::Held),
        ],
    );
    let by_document = Case { by_document: true, ..golden.clone() };
    assert_eq!(oracle::shown(&for_oracle(&by_document).unwrap()).tax, exact("11.45").unwrap());
    comes_to(
        &by_document,
        [
            (Ledger::Xero, Verdict::Held),
            (Ledger::Quickbooks, Verdict::Held),
            // It is told the tax of each line, the cent too.
            (Ledger::Sage, Verdict::Pushed),
            (Ledger::BusinessCentral, Verdict::Pushed),
        ],
    );
    // The connection allows a rounding line.
    comes_to(
        &Case { rounding_line: true, ..golden },
        [
            (Ledger::Xero, Verdict::Pushed),
            (Ledger::Quickbooks, Verdict::Pushed),
            (Ledger::Sage, Verdict::Pushed),
            (Ledger::BusinessCentral, Verdict::RoundingLine),
        ],
    );
}

/// QuickBooks, section 11: 29 lines of 1.59 and two of 17.49 at 12% make 9.71 of tax per line, 9.73 of the sum.
#[test]
fn quickbooks_own_example() {
    let mut prices = vec!["1.59"; 29];
    prices.extend(["17.49"; 2]);
    let asked = for_oracle(&case(&prices, "12")).unwrap();
    assert_eq!(oracle::in_ledger(&asked, books::arithmetic(Ledger::Quickbooks, false)).tax, exact("9.71").unwrap());
    assert_eq!(oracle::in_ledger(&asked, books::arithmetic(Ledger::Quickbooks, true)).tax, exact("9.73").unwrap());
}

/// The yen has no cents and the dinar three decimals: where a ledger keeps two in every currency, what that changes is held.
#[test]
fn yen_and_dinar() {
    // 15.15 of tax in a ledger with cents, 15 here. One that is told the tax has the cents to see it.
    comes_to(
        &Case { currency: "JPY", ..case(&["101"], "15") },
        [
            (Ledger::Xero, Verdict::Held),
            (Ledger::Quickbooks, Verdict::Pushed),
            (Ledger::Sage, Verdict::Held),
            (Ledger::BusinessCentral, Verdict::Pushed),
        ],
    );
    comes_to(
        &Case { currency: "KWD", ..case(&["1.235"], "0") },
        [
            (Ledger::Xero, Verdict::Held),
            (Ledger::Quickbooks, Verdict::Pushed),
            (Ledger::Sage, Verdict::Held),
            (Ledger::BusinessCentral, Verdict::Pushed),
        ],
    );
    comes_to(&Case { currency: "KWD", ..case(&["1.25"], "20") }, in_all(Verdict::Pushed));
}

/// Halves go away from zero, on both sides of it.
#[test]
fn the_oracle_rounds_away_from_zero() {
    for (figure, places, wanted) in
        [("0.005", 2, "0.01"), ("-0.005", 2, "-0.01"), ("0.0049", 2, "0"), ("2.5", 0, "3"), ("-2.5", 0, "-3"), ("1.2345", 3, "1.235")]
    {
        assert_eq!(oracle::rounded(&exact(figure).unwrap(), places), exact(wanted).unwrap(), "{figure}");
    }
    for wrong in ["", "-", ".", "1e5", "1.2.3", "x"] {
        assert!(exact(wrong).is_none(), "{wrong:?}");
    }
}

/// What is drawn is the same each time, is an invoice, and has everything that the series promises.
#[test]
fn the_series_has_what_it_says() {
    let cases: Vec<Case> = (0..3_000).map(|number| Case::nth(7, number)).collect();
    assert_eq!(cases[17], Case::nth(7, 17));
    for case in &cases {
        invoice(case).unwrap();
        assert!((1..=60).contains(&case.lines.len()));
    }
    let lines = || cases.iter().flat_map(|case| &case.lines);
    assert!(cases.iter().any(|case| case.lines.len() == 60) && cases.iter().any(|case| case.lines.len() == 1));
    for currency in ["GBP", "ZAR", "USD", "EUR", "JPY", "KWD"] {
        assert!(cases.iter().any(|case| case.currency == currency), "{currency}");
    }
    assert!(lines().any(|line| line.quantity.is_zero()) && lines().any(|line| line.quantity < Decimal::ZERO));
    assert!(lines().any(|line| line.unit_price.is_zero()) && lines().any(|line| line.unit_price < Decimal::ZERO));
    assert!(lines().any(|line| line.quantity.scale() == 4) && lines().any(|line| line.unit_price.scale() == 6));
    assert!(lines().any(|line| line.discount_percent == Some(Decimal::ONE_HUNDRED)));
    assert!(lines().any(|line| line.tax_percent == "9.375".parse().unwrap()));
    for (yes, no) in [
        (cases.iter().any(|case| case.tax_inclusive), cases.iter().any(|case| !case.tax_inclusive)),
        (cases.iter().any(|case| case.by_document), cases.iter().any(|case| !case.by_document)),
        (cases.iter().any(|case| case.rounding_line), cases.iter().any(|case| !case.rounding_line)),
    ] {
        assert!(yes && no);
    }
}

/// R54, C12, I6: pushed is equal to the cent; else held, or with a rounding line by option. `make money` does a million.
#[test]
fn r54_thousands_of_invoices_to_the_cent() {
    let rules = books::rules();
    let report = run(2_000, 20_260_301, &rules, |_| {});
    assert!(report.is_clean(), "{:#?}", report.violations);
    for (ledger, count) in &report.ledgers {
        assert_eq!(count.pushed + count.held + count.rounding_line, report.invoices, "{ledger}");
        assert!(count.pushed > 0 && count.held > 0 && count.rounding_line > 0, "{ledger} has all three: {count:?}");
    }
}
