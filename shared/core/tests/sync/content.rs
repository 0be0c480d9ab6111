//! What the ledger's document should say (R45-R50, C6, C11, C12, R143, R144).

use coportal_core::connection::{NumberPolicy, Options, Rounding};
use coportal_core::facts::RateWindow;
use coportal_core::failure::Question;
use coportal_core::invoice::TaxMode;
use coportal_core::ledger::AS_THE_CURRENCY;
use coportal_core::money::Rate;
use coportal_core::pricing::{PricedLine, encode_line, totals};
use coportal_core::sync::content::{hash_of, totals_in_ledger};
use coportal_core::sync::plan::Step;
use coportal_core::sync::row::Answer;
use coportal_core::workspace::TaxRounding;
use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::fixture::{URL, World, dec, item, line_id, rate};

/// R45, R46, R48-R50, R52: number, lines with description, quantity and price, tax by the invoice's rate, due date; and the owner's mark.
#[test]
fn r45_to_r50_everything_is_carried() {
    let built = World::linked().built();
    let content = built.content;
    assert_eq!((content.number.as_deref(), content.reference.as_deref()), (Some("CP-1"), Some("CP-1")));
    assert_eq!(content.url, URL);
    assert_eq!(content.due_date.to_string(), "2026-03-20");
    let line = &content.lines[0];
    assert_eq!((line.description.as_str(), line.quantity, line.unit_price), ("Design", dec("2"), dec("100")));
    assert_eq!((line.key, line.rate, line.tax_code.as_str()), (Some(line_id(1)), rate("20"), "S20"));
    assert_eq!(content.lines[1].tax_code, "S5");
    assert_eq!((built.totals.subtotal, built.totals.tax, built.totals.total), (dec("250.50"), dec("42.53"), dec("293.03")));
    assert_eq!(built.sales_account, "200");
}

/// R50: the due date is optional; where the ledger wants one, the date of issue is no surprise.
#[test]
fn r50_without_a_due_date_it_is_the_date_of_issue() {
    let mut world = World::linked();
    world.invoice.due_date = None;
    assert_eq!(world.built().content.due_date, world.invoice.issue_date);
}

/// C6: three number policies, and a person's answer to a taken number.
#[test]
fn c6_where_the_number_goes() {
    let mut world = World::linked();
    let id = world.invoice.id.to_string();
    let of = |world: &World| {
        let content = world.built().content;
        (content.number, content.reference.unwrap())
    };
    assert_eq!(of(&world), (Some("CP-1".into()), "CP-1".into()));
    world.connection.options.number = NumberPolicy::ReferenceOnly;
    assert_eq!(of(&world), (None, "CP-1".into()));
    world.connection.options.number = NumberPolicy::LedgerAssigns;
    assert_eq!(of(&world), (None, id), "our number does not travel (R77), and a lost create stays findable");
    world.connection.options.number = NumberPolicy::Both;
    world.row.answers = vec![Answer { question: Question::NumberTaken, choice: "ledger_number".into(), inputs_hash: String::new() }];
    assert_eq!(of(&world), (None, "CP-1".into()));
    assert!(world.row.answers[0].outlives_a_write());
}

#[test]
fn c6_numbers_and_references_keep_to_the_ledgers_length() {
    let mut world = World::linked();
    world.invoice.number = " 12345678901234567890123456 ".into();
    world.rules.number_max = 21;
    world.rules.reference_max = 25;
    let content = world.built().content;
    assert_eq!((content.number.unwrap().len(), content.reference.unwrap().len()), (21, 25));
}

/// C11: several codes are a question; the answer is a choice of the generation and covers every invoice.
#[test]
fn c11_several_codes_hold_and_the_answer_is_stored() {
    let mut world = World::linked();
    let mut second = world.facts_mut().tax_rates[0].clone();
    second.code = "S20B".into();
    world.facts_mut().tax_rates.push(second);
    let hold = world.question();
    assert_eq!((hold.question, hold.choices.len()), (Question::MapTax, 2));
    world.answer(&hold, "20=S20B");
    assert_eq!(world.built().content.lines[0].tax_code, "S20B");
}

/// C11: the planner takes each rate as it is on the document's date, whatever it is on the day of the reading.
#[test]
fn c11_the_plan_takes_the_rate_of_the_documents_date() {
    let window = |percent: &str, from: Option<&str>, until: Option<&str>| RateWindow {
        rate: rate(percent),
        from: from.map(|day| day.parse().unwrap()),
        until: until.map(|day| day.parse().unwrap()),
    };
    let mut world = World::linked();
    world.found.facts_read = true;
    // The number look of a create is not what this is about.
    world.found.number_look = Some(Vec::new());
    assert!(matches!(world.step(), Step::WriteDocument(_)), "{:?}", world.step());
    let standard = world.facts_mut().tax_rates.iter_mut().find(|known| known.rate == Some(rate("20"))).unwrap();
    standard.windows = vec![window("20", Some("2026-03-01"), None), window("17.5", None, Some("2026-02-28"))];
    assert_eq!(world.hold().question, Question::MapTax, "on 20 February it is 17.5%");
    world.invoice.issue_date = "2026-03-01".parse().unwrap();
    world.invoice.due_date = None;
    assert!(matches!(world.step(), Step::WriteDocument(_)), "{:?}", world.step());
}

/// C11: none is a question too, with an answer that reads the rates again; never "nearest".
#[test]
fn c11_no_code_holds() {
    let mut world = World::linked();
    world.invoice.lines[0].tax_rate = Some(rate("19.9"));
    let hold = world.question();
    assert_eq!(hold.question, Question::MapTax);
    assert_eq!(hold.choices.iter().map(|choice| choice.id.as_str()).collect::<Vec<_>>(), ["retry"]);
    assert!(hold.detail.contains("19.9%"), "{}", hold.detail);
}

/// C11: a line without a rate is never given one at push; a code of 0% is a person's answer, for these lines and no others.
#[test]
fn c11_a_line_without_a_rate_is_a_question() {
    let mut world = World::linked();
    world.invoice.lines[0].tax_rate = None;
    let hold = world.question();
    assert_eq!(hold.question, Question::MapTax);
    assert_eq!(hold.choices[0].id, "Z0");
    world.answer(&hold, "Z0");
    let line = &world.built().content.lines[0];
    assert_eq!((line.rate, line.tax_code.as_str()), (Rate::ZERO, "Z0"));
    assert!(world.row.answers[0].outlives_a_write(), "else the same invoice would ask again");
    world.invoice.lines[1].tax_rate = None;
    assert_eq!(world.question().question, Question::MapTax, "an answer covers the lines that it was asked about");
    world.facts_mut().tax_rates.retain(|known| known.code != "Z0");
    assert_eq!(world.question().choices[0].id, "retry");
}

/// An organisation that is not registered for tax gets documents without any; a rate above zero stays a question.
#[test]
fn an_unregistered_organisation_carries_no_tax() {
    let mut world = World::linked();
    world.facts_mut().pays_tax = false;
    world.facts_mut().tax_rates.clear();
    assert_eq!(world.question().question, Question::MapTax);
    world.invoice.lines[0].tax_rate = Some(Rate::ZERO);
    world.invoice.lines[1].tax_rate = None;
    let built = world.built();
    assert!(built.content.lines.iter().all(|line| line.tax_code.is_empty()));
    assert_eq!(built.totals.tax, Decimal::ZERO);
}

/// The workspace rounds tax per document and the ledger per line: 11.45 against 11.44.
fn a_cent_apart() -> World {
    let mut world = World::linked();
    world.workspace.tax_rounding = TaxRounding::Document;
    world.invoice.lines =
        ["25.06", "25.61", "25.63"].iter().enumerate().map(|(n, price)| item(n as u128, "Line", "1", price, "20")).collect();
    for line in &mut world.invoice.lines {
        line.tax_rate = Some(rate("15"));
    }
    let mut fifteen = world.facts_mut().tax_rates[0].clone();
    (fifteen.code, fifteen.rate) = ("S15".into(), Some(rate("15")));
    world.facts_mut().tax_rates.push(fifteen);
    world
}

/// C12, R143: a cent is found before the push, and held by default.
#[test]
fn c12_a_cent_holds() {
    let world = a_cent_apart();
    let hold = world.question();
    assert_eq!(hold.question, Question::TotalsDiffer);
    assert_eq!(hold.choices.iter().map(|choice| choice.id.as_str()).collect::<Vec<_>>(), ["line", "retry"]);
    assert!(hold.detail.contains("87.75") && hold.detail.contains("87.74"), "{}", hold.detail);
}

/// C12: a rounding line by option or by answer; the total is then as shown.
#[test]
fn c12_a_rounding_line_by_option_or_answer() {
    let mut by_answer = a_cent_apart();
    let hold = by_answer.question();
    by_answer.answer(&hold, "line");
    assert!(by_answer.row.answers[0].outlives_a_write());
    let mut by_option = a_cent_apart();
    by_option.connection.options.rounding = Rounding::Line;
    for world in [by_answer, by_option] {
        let built = world.built();
        let line = built.content.lines.last().unwrap();
        assert_eq!((line.key, line.unit_price, line.rate), (None, dec("0.01"), Rate::ZERO));
        assert_eq!((built.totals.total, built.rounding_account.as_deref()), (dec("87.75"), Some("860")));
    }
}

/// C12: an answer was given for these figures; others are another question.
#[test]
fn c12_an_answer_counts_for_its_figures() {
    let mut world = a_cent_apart();
    let hold = world.question();
    world.answer(&hold, "line");
    world.invoice.lines[0].unit_price = dec("125.06");
    assert_eq!(world.question().question, Question::TotalsDiffer);
}

/// C12: several codes of 0% (the usual UK organisation) are asked about; they are no dead end.
#[test]
fn c12_a_rounding_line_that_has_several_codes_asks_for_one() {
    let mut world = a_cent_apart();
    let mut exempt = world.facts_mut().tax_rates.iter().find(|known| known.code == "Z0").unwrap().clone();
    exempt.code = "EXEMPT".into();
    world.facts_mut().tax_rates.push(exempt);
    let hold = world.question();
    world.answer(&hold, "line");
    let hold = world.question();
    assert_eq!(hold.question, Question::MapTax);
    world.answer(&hold, "0=EXEMPT");
    assert_eq!(world.built().content.lines.last().unwrap().tax_code, "EXEMPT");
}

/// C12: beyond five cents, and without a rounding account, no line is offered.
#[test]
fn c12_no_line_beyond_the_limit_or_without_an_account() {
    let mut world = a_cent_apart();
    world.connection.options.rounding = Rounding::Line;
    world.facts_mut().accounts.retain(|account| account.code.as_deref() != Some("860"));
    assert_eq!(world.question().choices.iter().map(|choice| choice.id.as_str()).collect::<Vec<_>>(), ["retry"]);
    let mut far = a_cent_apart();
    far.connection.options.rounding = Rounding::Line;
    far.invoice.lines = (0..40).map(|n| item(n, "Line", "1", "0.03", "20")).collect();
    for line in &mut far.invoice.lines {
        line.tax_rate = Some(rate("15"));
    }
    // Tax of a line rounds to nothing, of the document to 0.18.
    assert_eq!(far.question().question, Question::TotalsDiffer);
}

/// C12: with prices that contain tax the total agrees and the split does not. No rounding line can mend that; a person may accept it.
#[test]
fn c12_an_equal_total_split_otherwise_has_an_answer() {
    let mut world = a_cent_apart();
    world.invoice.tax_mode = TaxMode::Inclusive;
    world.invoice.lines = (0..3).map(|n| item(n, "Line", "1", "0.99", "20")).collect();
    let hold = world.question();
    assert_eq!((hold.question, hold.choices[0].id.as_str()), (Question::TotalsDiffer, "accept_split"));
    world.connection.options.rounding = Rounding::Line;
    assert_eq!(world.question().question, Question::TotalsDiffer, "the option speaks of a line, not of this");
    world.answer(&hold, "accept_split");
    let built = world.built();
    assert_eq!(built.content.lines.len(), 3);
    assert_eq!(built.totals.total, world.invoice.totals(TaxRounding::Document).total);
}

#[test]
fn c30_a_closed_period_holds() {
    let mut world = World::linked();
    world.facts_mut().locked_until = Some(world.invoice.issue_date);
    assert_eq!(world.question().question, Question::PeriodLocked);
    world.facts_mut().locked_until = Some("2026-02-19".parse().unwrap());
    world.built();
}

#[test]
fn a_currency_that_the_organisation_lacks_holds() {
    let mut world = World::linked();
    world.invoice.currency = "USD".parse().unwrap();
    assert_eq!(world.question().question, Question::CurrencyMissing);
    world.facts_mut().currencies.push("USD".parse().unwrap());
    world.built();
}

/// The sales account is a choice; one that is no longer there is asked for again, and an organisation without any is no dead end.
#[test]
fn the_sales_account_is_chosen_once() {
    let mut world = World::linked();
    world.choices.sales_account = None;
    let hold = world.question();
    assert_eq!((hold.question, hold.choices[0].id.as_str()), (Question::ChooseAccount, "200"));
    world.answer(&hold, "200");
    world.built();
    world.choices.sales_account = Some("id-200".into());
    assert_eq!(world.built().sales_account, "id-200", "an account may be chosen by id");
    world.choices.sales_account = Some("gone".into());
    assert_eq!(world.question().question, Question::ChooseAccount);
    world.facts_mut().accounts.clear();
    assert_eq!(world.question().choices[0].id, "retry");
}

/// A discount is in the price, what cannot be kept is in the text, and the text fits the ledger.
#[test]
fn r54_lines_are_encoded_to_our_amount() {
    let mut world = World::linked();
    world.rules.description_max = 40;
    world.invoice.lines = vec![item(1, "Half price", "4", "25", "20"), item(2, &"long ".repeat(20), "3", "3.333333", "20")];
    world.invoice.lines[0].discount_percent = Some(dec("50"));
    let lines = world.built().content.lines;
    assert_eq!((lines[0].quantity, lines[0].unit_price), (dec("4"), dec("12.5")));
    assert_eq!((lines[1].quantity, lines[1].unit_price), (dec("1"), dec("10")));
    assert!(lines[1].description.ends_with(" (3 x 3.333333)"), "{}", lines[1].description);
    assert!(lines[1].description.chars().count() <= 40);
}

#[test]
fn line_breaks_and_control_characters_are_one_kind() {
    let mut world = World::linked();
    world.invoice.lines[0].description = " one\r\ntwo\rthree\u{7}four ".into();
    assert_eq!(world.built().content.lines[0].description, "one\ntwo\nthree four");
}

/// The hash does not rest on what only a write needs: a period closed later, an account that went away.
#[test]
fn r64_the_hash_needs_no_open_period() {
    let mut world = World::linked();
    let hash = world.built().content.hash();
    world.facts_mut().locked_until = Some("2026-12-31".parse().unwrap());
    world.facts_mut().accounts.clear();
    world.facts_mut().currencies.clear();
    assert_eq!(hash_of(world.inputs()), Some(hash.clone()));
    world.invoice.lines[0].unit_price = dec("100.00");
    assert_eq!(hash_of(world.inputs()), Some(hash.clone()), "another spelling of a number is no other content");
    world.invoice.lines[0].unit_price = dec("100.01");
    assert_ne!(hash_of(world.inputs()), Some(hash));
    world.facts_mut().tax_rates.clear();
    assert_eq!(hash_of(world.inputs()), None);
}

/// C1-C10, the table of defaults: what each ledger starts with.
#[test]
fn the_default_invoice_pushes_under_every_ledgers_defaults() {
    for ledger in coportal_core::ledger::Ledger::ALL {
        let mut world = World::linked();
        world.connection.options = Options::defaults(ledger);
        world.built();
    }
}

prop_compose! {
    fn lines()(raw in prop::collection::vec((-9_999_i64..99_999, 0_u32..5, -9_999_999_i64..9_999_999, 0_u32..7, prop::sample::select(vec![0_i64, 50, 175, 200]), 0_i64..=1_000), 1..20)) -> Vec<PricedLine> {
        raw.into_iter().map(|(quantity, q, price, p, percent, discount)| PricedLine {
            quantity: Decimal::new(quantity, q),
            unit_price: Decimal::new(price, p),
            discount_percent: Decimal::new(discount, 1),
            rate: Decimal::new(percent, 1).try_into().unwrap(),
        }).collect()
    }
}

proptest! {
    /// I6: net and tax make the total, in whole minor units, in every currency, mode and rounding; and lines in another order sum to the same.
    #[test]
    fn i6_totals_add_up(lines in lines(), code in prop::sample::select(vec!["GBP", "JPY", "KWD"]), inclusive: bool, per_line: bool) {
        let currency: coportal_core::money::Currency = code.parse().unwrap();
        let mode = if inclusive { TaxMode::Inclusive } else { TaxMode::Exclusive };
        let rounding = if per_line { TaxRounding::Line } else { TaxRounding::Document };
        let sums = totals(lines.clone(), currency, mode, rounding);
        prop_assert_eq!(sums.subtotal + sums.tax, sums.total);
        prop_assert!([sums.subtotal, sums.tax, sums.total].into_iter().all(|figure| currency.is_exact(figure)));
        let amounts: Decimal = lines.iter().map(|line| line.amount(currency)).sum();
        prop_assert_eq!(if inclusive { sums.total } else { sums.subtotal }, amounts);
        prop_assert_eq!(totals(lines.into_iter().rev(), currency, mode, rounding), sums);
    }

    /// R54, I6: what is encoded for a ledger computes to CoPortal's totals to the cent, where both round tax the same way.
    #[test]
    fn i6_an_encoded_invoice_is_our_invoice(lines in lines(), code in prop::sample::select(vec!["GBP", "JPY", "KWD"]), inclusive: bool) {
        let mut world = World::linked();
        world.rules.arithmetic.amount_decimals = AS_THE_CURRENCY;
        world.invoice.currency = code.parse().unwrap();
        world.facts_mut().currencies.push(code.parse().unwrap());
        world.invoice.tax_mode = if inclusive { TaxMode::Inclusive } else { TaxMode::Exclusive };
        world.invoice.lines = lines.iter().enumerate().map(|(n, line)| {
            let mut item = item(n as u128, "Line", "1", "1", "0");
            (item.quantity, item.unit_price, item.tax_rate, item.discount_percent) = (line.quantity, line.unit_price, Some(line.rate), Some(line.discount_percent));
            item
        }).collect();
        let built = world.built();
        prop_assert_eq!(built.totals, world.invoice.totals(TaxRounding::Line));
        let again = totals_in_ledger(&built.content.lines, world.invoice.currency, built.content.tax_mode, world.facts.as_ref().unwrap(), &world.rules);
        prop_assert_eq!(again, built.totals);
        prop_assert!(built.rounding_account.is_none());
    }

    /// R54: encoding what is encoded changes nothing, whatever the ledger's decimals.
    #[test]
    fn r54_encoding_is_stable(lines in lines(), quantity_decimals in 2_u32..=5, unit_price_decimals in 2_u32..=6) {
        let gbp = "GBP".parse().unwrap();
        for line in lines {
            let once = encode_line(line, gbp, quantity_decimals, unit_price_decimals);
            let again = PricedLine { quantity: once.quantity, unit_price: once.unit_price, discount_percent: Decimal::ZERO, rate: line.rate };
            let twice = encode_line(again, gbp, quantity_decimals, unit_price_decimals);
            prop_assert_eq!((twice.quantity, twice.unit_price, twice.note), (once.quantity, once.unit_price, None));
            prop_assert_eq!(again.amount(gbp), line.amount(gbp));
        }
    }
}
