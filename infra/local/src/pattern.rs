//! Filter patterns of event source mappings (Lambda Developer Guide, "Filter rule syntax"; EventBridge, "Event patterns").
//!
//! A pattern names fields by nesting; a leaf is a list of what the field may be, joined by OR; fields are joined by AND. Modelled are
//! text that must be equal, `prefix` and `exists`; anything else is refused when the template is read.

use serde_json::Value;

/// A pattern that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<(String, Rule)>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Inside(Pattern),
    AnyOf(Vec<Test>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Equals(String),
    Prefix(String),
    Exists(bool),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Says what of it is malformed or not modelled.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
        Self::read(&value, "the pattern")
    }

    fn read(value: &Value, name: &str) -> Result<Self, String> {
        let fields = value.as_object().filter(|fields| !fields.is_empty()).ok_or_else(|| format!("{name}: fields are wanted here"))?;
        let rule = |(name, value): (&String, &Value)| {
            let rule = match value {
                Value::Object(_) => Rule::Inside(Self::read(value, name)?),
                Value::Array(tests) if !tests.is_empty() => {
                    Rule::AnyOf(tests.iter().map(|test| Test::read(test, name)).collect::<Result<_, _>>()?)
                }
                Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                    return Err(format!("{name}: fields or a list of tests are wanted here"));
                }
            };
            Ok((name.clone(), rule))
        };
        Ok(Self(fields.iter().map(rule).collect::<Result<_, String>>()?))
    }

    /// Whether an event passes.
    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        self.0.iter().all(|(name, rule)| {
            let found = event.get(name);
            match rule {
                Rule::Inside(inner) => inner.matches(found.unwrap_or(&Value::Null)),
                Rule::AnyOf(tests) => tests.iter().any(|test| test.holds(found)),
            }
        })
    }
}

impl Test {
    fn read(value: &Value, name: &str) -> Result<Self, String> {
        let not_modelled = || format!("{name}: the test {value} is not modelled");
        match value {
            Value::String(text) => Ok(Self::Equals(text.clone())),
            Value::Object(members) => match members.iter().collect::<Vec<_>>().as_slice() {
                [(kind, Value::Bool(exists))] if *kind == "exists" => Ok(Self::Exists(*exists)),
                [(kind, Value::String(prefix))] if *kind == "prefix" => Ok(Self::Prefix(prefix.clone())),
                _ => Err(not_modelled()),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => Err(not_modelled()),
        }
    }

    fn holds(&self, found: Option<&Value>) -> bool {
        let text = found.and_then(Value::as_str);
        match self {
            Self::Equals(wanted) => text == Some(wanted),
            Self::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix)),
            // Of leaves only, as on AWS: an object is not a value.
            Self::Exists(wanted) => *wanted == found.is_some_and(|found| !found.is_object()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_joined_by_and_and_tests_by_or() {
        let pattern = Pattern::parse(
            r#"{"eventName": ["INSERT", "MODIFY"], "dynamodb": {"NewImage": {"kind": {"S": ["invoice"]}, "due_pk": {"S": [{"exists": true}]}}}}"#,
        )
        .unwrap();
        let event = |name: &str, image: Value| json!({"eventName": name, "dynamodb": {"NewImage": image}, "eventID": "1"});
        let due = json!({"kind": {"S": "invoice"}, "due_pk": {"S": "DUE#3"}, "total": {"N": "1"}});
        for (event, passes) in [
            (event("INSERT", due.clone()), true),
            (event("MODIFY", due.clone()), true),
            (event("REMOVE", due.clone()), false),
            (event("INSERT", json!({"kind": {"S": "invoice"}})), false),
            (event("INSERT", json!({"kind": {"S": "client"}, "due_pk": {"S": "DUE#3"}})), false),
            (event("INSERT", json!({"kind": {"N": "invoice"}, "due_pk": {"S": "DUE#3"}})), false),
            (json!({"eventName": "REMOVE", "dynamodb": {"Keys": {}}}), false),
            (json!(null), false),
        ] {
            assert_eq!(pattern.matches(&event), passes, "{event}");
        }
        let absent = Pattern::parse(r#"{"a": {"b": [{"exists": false}]}, "c": [{"prefix": "x"}]}"#).unwrap();
        assert!(absent.matches(&json!({"c": "xy"})));
        assert!(!absent.matches(&json!({"c": "y"})));
        assert!(!absent.matches(&json!({"a": {"b": 1}, "c": "x"})));
    }

    #[test]
    fn what_is_not_modelled_is_refused() {
        for pattern in [
            "",
            "[]",
            "{}",
            r#"{"a": {}}"#,
            r#"{"a": []}"#,
            r#"{"a": "b"}"#,
            r#"{"a": [1]}"#,
            r#"{"a": [null]}"#,
            r#"{"a": [{"numeric": ["=", 1]}]}"#,
            r#"{"a": [{"exists": true, "prefix": "x"}]}"#,
            r#"{"a": [{"anything-but": ["x"]}]}"#,
        ] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
