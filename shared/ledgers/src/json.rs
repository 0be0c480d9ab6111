//! JSON as vendors write it, for all ledgers. Numbers never pass through a float: they are read from and written as their own digits.

use std::str::FromStr;

use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
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

/// Text; null, absent and blank are none.
pub(crate) fn maybe_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.trim().is_empty()))
}

/// A count; null, absent, and what is none are none.
pub(crate) fn maybe_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let raw = Option::<Box<RawValue>>::deserialize(deserializer)?;
    Ok(raw.and_then(|raw| raw.get().trim_matches('"').parse().ok()))
}

/// A list; null and absent are empty.
pub(crate) fn maybe_list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

/// A body as bytes. Bodies hold text, dates and decimals under fixed names: writing them to memory cannot fail.
pub(crate) fn bytes(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}

/// The decimal that a raw piece of JSON writes.
pub(crate) fn decimal_of(raw: &RawValue) -> Option<Decimal> {
    serde_json::from_str::<WireDecimal>(raw.get()).ok().map(|decimal| decimal.0)
}

/// A field that was kept from a vendor's answer ([`keep`]), as the characters it came in.
pub(crate) fn kept(kept: &Value, name: &str) -> Option<Box<RawValue>> {
    kept.get(name).and_then(Value::as_str).and_then(|raw| RawValue::from_string(raw.to_owned()).ok())
}

/// What must be handed back to a vendor unchanged: each field's JSON as text, since a JSON value in memory would turn its numbers into
/// floats. Fields that say nothing (`null`, `""`, `[]`, `{}`) are left out; null when none is left.
pub(crate) fn keep<'a>(fields: impl IntoIterator<Item = (&'a str, &'a Option<Box<RawValue>>)>) -> Value {
    let said = fields.into_iter().filter_map(|(name, raw)| raw.as_deref().map(|raw| (name, compact(raw.get()))));
    let told = said.filter(|(_, text)| !matches!(text.as_str(), "null" | "\"\"" | "[]" | "{}"));
    let kept: serde_json::Map<String, Value> = told.map(|(name, text)| (name.to_owned(), Value::String(text))).collect();
    if kept.is_empty() { Value::Null } else { Value::Object(kept) }
}

/// JSON without the white space between its tokens: the same field gives the same bytes however the vendor indents it.
pub(crate) fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        if in_string {
            out.push(c);
            (in_string, escaped) = match c {
                _ if escaped => (true, false),
                '\\' => (true, true),
                '"' => (false, false),
                _ => (true, false),
            };
        } else if !c.is_whitespace() {
            in_string = c == '"';
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests;
