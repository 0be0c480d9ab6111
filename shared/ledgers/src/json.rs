//! JSON of the vendors: decimals that never pass through a float, and fields that may be null, absent or blank.

use std::str::FromStr;

use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A decimal exactly as it is written in JSON, as a number or as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WireDecimal(pub(crate) Decimal);

impl<'de> Deserialize<'de> for WireDecimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = if raw.get().starts_with('"') {
            serde_json::from_str::<String>(raw.get()).map_err(D::Error::custom)?
        } else {
            raw.get().to_owned()
        };
        exact(text.trim()).map(Self).ok_or_else(|| D::Error::custom("not a decimal of at most 28 digits"))
    }
}

impl Serialize for WireDecimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = self.0.normalize().to_string();
        RawValue::from_string(digits).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

/// The decimal that `text` writes, without rounding; `None` for anything else, and for exponents beyond what a decimal holds.
fn exact(text: &str) -> Option<Decimal> {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return Decimal::from_str_exact(text).ok();
    };
    let mantissa = Decimal::from_str_exact(mantissa).ok()?;
    let exponent = i64::from_str(exponent.strip_prefix('+').unwrap_or(exponent)).ok().filter(|exponent| exponent.abs() <= 56)?;
    let scale = i64::from(mantissa.scale()) - exponent;
    if scale < 0 {
        let mut grown = mantissa;
        grown.set_scale(0).ok()?;
        for _ in 0..scale.unsigned_abs() {
            grown = grown.checked_mul(Decimal::TEN)?;
        }
        return Some(grown);
    }
    let mut shifted = mantissa;
    shifted.set_scale(u32::try_from(scale).ok()?).ok()?;
    Some(shifted)
}

/// A decimal; null, absent and `""` are none.
pub(crate) fn maybe_decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    let Some(raw) = Option::<Box<RawValue>>::deserialize(deserializer)? else {
        return Ok(None);
    };
    if raw.get() == "null" || raw.get() == "\"\"" {
        return Ok(None);
    }
    serde_json::from_str::<WireDecimal>(raw.get()).map(|decimal| Some(decimal.0)).map_err(D::Error::custom)
}

/// Text; null, absent and blank are none: reads fill unset fields with empty strings.
pub(crate) fn maybe_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.trim().is_empty()))
}

/// A list; null and absent are empty.
pub(crate) fn maybe_list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
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
}
