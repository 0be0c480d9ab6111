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
    fn no_text_makes_the_reader_panic(text in ".{0,40}") {
        let _ = exact(&text);
    }
}

#[test]
fn what_is_kept_is_kept_as_it_was_written() {
    let raw = |text: &str| Some(RawValue::from_string(text.to_owned()).unwrap());
    let fields = [raw(r#"{ "value" : "5",  "name":"a b" }"#), raw("1.2000"), raw("null"), raw("[]"), raw("{ }"), None];
    let value = keep(["a", "b", "c", "d", "e", "f"].into_iter().zip(&fields));
    assert_eq!(value, serde_json::json!({ "a": r#"{"value":"5","name":"a b"}"#, "b": "1.2000" }));
    assert_eq!(kept(&value, "b").unwrap().get(), "1.2000");
    assert!(kept(&value, "c").is_none());
    assert_eq!(keep([("a", &None)]), Value::Null);
}
