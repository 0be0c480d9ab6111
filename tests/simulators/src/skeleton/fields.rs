//! A JSON object read field by field: tells absent from null, and reads numbers from their own digits.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use uuid::Uuid;

/// The body is not what the route reads; the text names the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

/// One JSON object.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Fields(BTreeMap<String, Box<RawValue>>);

impl Fields {
    /// Reads one object.
    ///
    /// # Errors
    /// When the bytes are not a JSON object.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        serde_json::from_slice(bytes).map_err(|error| Malformed(error.to_string()))
    }

    /// Whether the field is there, null included.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The first field that is not in `known`.
    #[must_use]
    pub fn unknown(&self, known: &[&str]) -> Option<&str> {
        self.0.keys().map(String::as_str).find(|name| !known.contains(name))
    }

    fn read<T: DeserializeOwned>(&self, name: &str, what: &str) -> Result<Option<T>, Malformed> {
        match self.0.get(name) {
            None => Ok(None),
            Some(raw) => serde_json::from_str::<Option<T>>(raw.get()).map_err(|_| Malformed(format!("{name} is not {what}"))),
        }
    }

    /// A string; `None` when absent or null.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&self, name: &str) -> Result<Option<String>, Malformed> {
        self.read(name, "a string")
    }

    /// A boolean; `None` when absent or null.
    ///
    /// # Errors
    /// When it is something else.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, Malformed> {
        self.read(name, "a boolean")
    }

    /// A UUID; `None` when absent or null.
    ///
    /// # Errors
    /// When it is something else.
    pub fn uuid(&self, name: &str) -> Result<Option<Uuid>, Malformed> {
        self.read(name, "a GUID")
    }

    /// A number, from its own digits; `None` when absent or null.
    ///
    /// # Errors
    /// When it is not a JSON number or has more digits than a decimal holds.
    pub fn decimal(&self, name: &str) -> Result<Option<Decimal>, Malformed> {
        let Some(raw) = self.0.get(name).map(|raw| raw.get()).filter(|raw| *raw != "null") else { return Ok(None) };
        let wrong = || Malformed(format!("{name} is not a number"));
        if !raw.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return Err(wrong());
        }
        let parsed = if raw.contains(['e', 'E']) { Decimal::from_scientific(raw) } else { Decimal::from_str_exact(raw) };
        parsed.map(Some).map_err(|_| wrong())
    }

    /// A date `YYYY-MM-DD`; a time of day is refused, because vendors cut it in their own zone. `None` when absent or null.
    ///
    /// # Errors
    /// When it is something else.
    pub fn date(&self, name: &str) -> Result<Option<Date>, Malformed> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let wrong = || Malformed(format!("{name} is not a date YYYY-MM-DD"));
        if text.len() != 10 {
            return Err(wrong());
        }
        text.parse().map(Some).map_err(|_| wrong())
    }

    /// A nested object; `None` when absent or null.
    ///
    /// # Errors
    /// When it is something else.
    pub fn object(&self, name: &str) -> Result<Option<Fields>, Malformed> {
        self.read(name, "an object")
    }

    /// A list of strings; `None` when absent or null.
    ///
    /// # Errors
    /// When it is something else.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Malformed> {
        self.read(name, "a list of strings")
    }

    /// A list of objects; `None` when absent or null.
    ///
    /// # Errors
    /// When it is something else.
    pub fn objects(&self, name: &str) -> Result<Option<Vec<Fields>>, Malformed> {
        self.read(name, "a list of objects")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_their_digits_and_absent_is_not_null() {
        let fields = Fields::parse(br#"{"a":0.1000000000000000000000001,"b":null,"c":"1","d":1e2}"#).unwrap();
        assert_eq!(fields.decimal("a").unwrap().unwrap().to_string(), "0.1000000000000000000000001");
        assert_eq!(fields.decimal("b").unwrap(), None);
        assert!(fields.has("b") && !fields.has("z"));
        assert!(fields.decimal("c").is_err());
        assert_eq!(fields.decimal("d").unwrap(), Some(Decimal::from(100)));
        assert_eq!(fields.unknown(&["a", "b", "c"]), Some("d"));
        assert!(Fields::parse(b"[]").is_err());
    }
}
