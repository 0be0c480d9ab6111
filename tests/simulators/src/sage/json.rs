//! Objects on the wire: members in order, numbers with their own digits, and the members that a call asked for.

use rust_decimal::Decimal;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::skeleton::number::Exact;

/// A JSON value that never passes through a float.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Flag(bool),
    Text(String),
    Number(Decimal),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => Exact(*number).serialize(serializer),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

impl From<bool> for Json {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<jiff::civil::Date> for Json {
    fn from(date: jiff::civil::Date) -> Self {
        Self::Text(date.to_string())
    }
}

impl From<jiff::Timestamp> for Json {
    /// `2026-03-10T09:00:00Z`: whole seconds, as the vendor shows instants.
    fn from(at: jiff::Timestamp) -> Self {
        Self::Text(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    }
}

/// An amount as the vendor writes it in replies: a JSON *string* with at least one decimal (`"1500.0"`, `"87.74"`). Percentages come as
/// numbers ([`Json::Number`]). Integrators have met both; a caller has to read both.
pub(crate) fn amount(value: Decimal) -> Json {
    let mut shown = value.normalize();
    if shown.scale() == 0 {
        shown.rescale(1);
    }
    Json::Text(shown.to_string())
}

/// A plain integer.
pub(crate) fn integer(value: u32) -> Json {
    Json::Number(Decimal::from(value))
}

/// The three members that every object has: published schema, `Base`.
pub(crate) fn base(id: &str, displayed_as: &str, path: &str) -> Json {
    Json::Object(vec![("id", id.into()), ("displayed_as", displayed_as.into()), ("$path", format!("/{path}/{id}").into())])
}

/// Which members of an object a call asked for, behind the three base ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Members {
    /// The base ones alone.
    Base,
    /// All.
    All,
    /// These, and the base ones.
    Named(Vec<String>),
}

const BASE: [&str; 3] = ["id", "displayed_as", "$path"];

impl Members {
    /// Reads `attributes` or `nested_attributes`; `absent` is what its absence means.
    pub(crate) fn read(text: Option<&str>, absent: Self) -> Self {
        match text {
            None => absent,
            Some("all") => Self::All,
            Some(list) => Self::Named(list.split(',').map(|name| name.trim().to_owned()).collect()),
        }
    }

    fn shows(&self, name: &str) -> bool {
        BASE.contains(&name)
            || match self {
                Self::Base => false,
                Self::All => true,
                Self::Named(names) => names.iter().any(|one| one == name),
            }
    }

    /// Cuts an object to the members asked for, and the entities inside it to `nested`. An entity is an object with an id: what has none
    /// (a percentage with its dates, an address by value) is part of the object that holds it.
    pub(crate) fn cut(&self, whole: Json, nested: &Self) -> Json {
        match whole {
            Json::Object(members) => Json::Object(
                members.into_iter().filter(|(name, _)| self.shows(name)).map(|(name, value)| (name, nested.cut_inside(value))).collect(),
            ),
            plain @ (Json::Null | Json::Flag(_) | Json::Text(_) | Json::Number(_) | Json::List(_)) => plain,
        }
    }

    fn cut_inside(&self, value: Json) -> Json {
        match value {
            Json::List(items) => Json::List(items.into_iter().map(|item| self.cut_inside(item)).collect()),
            Json::Object(members) if members.iter().any(|(name, _)| *name == "id") => self.cut(Json::Object(members), self),
            Json::Object(members) => Json::Object(members.into_iter().map(|(name, value)| (name, self.cut_inside(value))).collect()),
            plain @ (Json::Null | Json::Flag(_) | Json::Text(_) | Json::Number(_)) => plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &Json) -> String {
        serde_json::to_string(value).unwrap()
    }

    #[test]
    fn amounts_are_strings_with_at_least_one_decimal() {
        let shown = |text: &str| amount(text.parse().unwrap());
        assert_eq!([shown("1500.00"), shown("87.74"), shown("0")].map(|one| text(&one)), [r#""1500.0""#, r#""87.74""#, r#""0.0""#]);
    }

    #[test]
    fn objects_show_what_was_asked_for() {
        let whole = || {
            Json::Object(vec![
                ("id", "1".into()),
                ("name", "Acme".into()),
                ("country", Json::Object(vec![("id", "GB".into()), ("code", "44".into())])),
                ("window", Json::Object(vec![("from_date", "x".into())])),
            ])
        };
        assert_eq!(text(&Members::Base.cut(whole(), &Members::Base)), r#"{"id":"1"}"#);
        assert_eq!(
            text(&Members::All.cut(whole(), &Members::Base)),
            r#"{"id":"1","name":"Acme","country":{"id":"GB"},"window":{"from_date":"x"}}"#
        );
        let named = Members::read(Some("country"), Members::Base);
        assert_eq!(text(&named.cut(whole(), &Members::All)), r#"{"id":"1","country":{"id":"GB","code":"44"}}"#);
    }
}
