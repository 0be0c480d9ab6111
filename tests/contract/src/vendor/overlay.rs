//! `overlay.json`: where a vendor's description is wrong or silent, and how that is known.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// The file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Overlay {
    /// Every kind of request that the connector has: `OPERATION METHOD ROUTE`, as its trace line says them.
    pub(super) kinds: BTreeSet<String>,
    /// Operations that the simulator answers with 501, and why: their requests are checked, their answers cannot be.
    #[serde(default)]
    pub(super) not_modelled: BTreeMap<String, String>,
    /// Where the description is corrected.
    pub(super) corrections: Vec<Correction>,
}

/// One correction.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Correction {
    /// What the description says, and what is so.
    pub(super) says: String,
    /// Where that is written.
    pub(super) source: String,
    /// A JSON merge patch (RFC 7396) of the whole description.
    #[serde(default = "nothing")]
    pub(super) patch: Value,
    /// What is so of every operation or schema of a file.
    #[serde(default)]
    pub(super) everywhere: Option<Everywhere>,
    /// For what tightens the description: a value that is refused with it alone. A correction without one loosens, and is needed by
    /// something that was recorded.
    #[serde(default)]
    pub(super) refuses: Option<Refused>,
}

/// What is so everywhere.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Everywhere {
    /// The file, without `.json`.
    pub(super) of: String,
    /// Parameters of each of its operations.
    #[serde(default = "nothing")]
    pub(super) parameters: Value,
    /// Whether a member of an answer may be null.
    #[serde(default)]
    pub(super) answers_may_be_null: bool,
    /// Whether a number of an answer may be a text of its digits.
    #[serde(default)]
    pub(super) numbers_may_be_texts: bool,
}

fn nothing() -> Value {
    Value::Object(serde_json::Map::new())
}

/// A value that a silence of the description would let pass.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refused {
    /// The operation, such as `PUT /Invoices`.
    pub(super) operation: String,
    /// Where in its body, as a JSON pointer; or `header NAME`, `query NAME`.
    pub(super) at: String,
    /// The value.
    #[serde(default)]
    pub(super) value: Option<Value>,
    /// A text of so many letters, instead.
    #[serde(default)]
    pub(super) letters: Option<usize>,
}

impl Refused {
    /// The value itself.
    pub(super) fn value(&self) -> Value {
        match (&self.value, self.letters) {
            (Some(value), None) => value.clone(),
            (None, Some(letters)) => Value::String("x".repeat(letters)),
            _ => panic!("{}: either a value or letters", self.at),
        }
    }
}

/// Applies a JSON merge patch (RFC 7396).
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let members = target.as_object_mut().unwrap();
    for (name, change) in changes {
        if change.is_null() {
            assert!(members.remove(name).is_some(), "the overlay takes away {name}, which is not there");
        } else {
            merge(members.entry(name).or_insert(Value::Null), change);
        }
    }
}

#[test]
fn a_patch_adds_replaces_and_takes_away() {
    let mut there = serde_json::json!({ "a": { "b": 1, "c": 2 }, "d": [1] });
    merge(&mut there, &serde_json::json!({ "a": { "b": null, "e": { "f": 3 } }, "d": [2] }));
    assert_eq!(there, serde_json::json!({ "a": { "c": 2, "e": { "f": 3 } }, "d": [2] }));
}
