use proptest::prelude::*;

use super::*;

#[test]
fn decimals_are_exact_and_take_numbers_and_text() {
    for (json, expected) in [
        ("12.50", "12.50"),
        ("0.1", "0.1"),
        ("\"1908.396\"", "1908.396"),
        ("-3", "-3"),
        ("1e2", "100"),
        ("1.25E-2", "0.0125"),
        ("9007199254740993", "9007199254740993"),
        ("0.30000000000000004", "0.30000000000000004"),
    ] {
        let decimal: WireDecimal = serde_json::from_str(json).unwrap();
        assert_eq!(decimal.0, expected.parse().unwrap(), "{json}");
    }
    for json in ["1e400", "1e-400", "\"\"", "\"a\"", "true", "{}", "\"1,000\"", "0.12345678901234567890123456789012"] {
        assert!(serde_json::from_str::<WireDecimal>(json).is_err(), "{json}");
    }
}

proptest! {
    #[test]
    fn a_decimal_survives_the_wire(mantissa in any::<i64>(), scale in 0u32..=18) {
        let decimal = Decimal::new(mantissa, scale);
        let json = serde_json::to_string(&WireDecimal(decimal)).unwrap();
        prop_assert_eq!(serde_json::from_str::<WireDecimal>(&json).unwrap().0, decimal);
        let text = serde_json::to_string(&decimal.to_string()).unwrap();
        prop_assert_eq!(serde_json::from_str::<WireDecimal>(&text).unwrap().0, decimal);
    }

    #[test]
    fn no_text_makes_the_readers_panic(text in ".{0,40}") {
        let _ = (exact(&text), instant(&text), day(&text), instant(&format!("/Date({text})/")));
    }
}

#[test]
fn a_date_does_not_move_by_a_day() {
    let day_of = |text| day(text).map(|day| day.to_string());
    assert_eq!(day_of("2026-01-15T00:00:00").as_deref(), Some("2026-01-15"));
    assert_eq!(day_of("2026-01-15").as_deref(), Some("2026-01-15"));
    assert_eq!(day_of("/Date(1658880000000+0000)/").as_deref(), Some("2022-07-27"));
    assert_eq!(day_of("/Date(1658880000000+1300)/").as_deref(), Some("2022-07-27"));
    assert_eq!(day_of("/Date(1658880000000-0800)/").as_deref(), Some("2022-07-27"));
    assert_eq!(day_of("/Date(-86400000)/").as_deref(), Some("1969-12-31"));
    for nonsense in ["", "/Date()/", "/Date(x)/", "15/01/2026", "2026-13-01", "/Date(99999999999999999999)/", "ééééé"] {
        assert_eq!(day_of(nonsense), None, "{nonsense}");
    }
}
