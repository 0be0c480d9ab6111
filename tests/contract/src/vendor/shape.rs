//! A vendor's schema as a JSON Schema that is closed: what it does not name may not be there.

use serde_json::{Map, Value, json};

/// Which way a body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// From us to the vendor: what the vendor calls read-only must not be in it.
    Request,
    /// From the vendor to us.
    Answer,
}

/// What a vendor's answers may do against its own schemas, everywhere.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Loose {
    /// A member may be null.
    pub(super) null: bool,
    /// A number may be a text of its digits.
    pub(super) texts: bool,
}

/// A schema of answers as loose as that.
pub(super) fn loosened(schema: &Value, loose: Loose) -> Value {
    let Value::Object(told) = schema else { return schema.clone() };
    let mut made = told.clone();
    for member in made.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        *member = loosened(member, loose);
        if loose.null {
            *member = json!({ "anyOf": [member, { "type": "null" }] });
        }
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = made.get_mut(inner) {
            *inner = loosened(inner, loose);
        }
    }
    if loose.texts && told.get("type") == Some(&json!("number")) {
        return json!({ "anyOf": [made, { "type": "string", "pattern": r"^-?\d+(\.\d+)?$" }] });
    }
    Value::Object(made)
}

/// The schema for one way, references and all.
pub(super) fn closed(schema: &Value, way: Way) -> Value {
    let Value::Object(told) = schema else { return schema.clone() };
    let mut made = Map::new();
    for (name, value) in told {
        match name.as_str() {
            "properties" => {
                let members = value.as_object().unwrap().iter();
                let sent = members.filter(|(_, member)| way == Way::Answer || member.get("readOnly") != Some(&Value::Bool(true)));
                let members = sent.map(|(name, member)| (name.clone(), closed(member, way))).collect();
                made.insert(name.clone(), Value::Object(members));
            }
            "items" | "additionalProperties" => {
                made.insert(name.clone(), closed(value, way));
            }
            "allOf" | "oneOf" | "anyOf" => {
                let parts = value.as_array().unwrap().iter().map(|part| closed(part, way)).collect();
                made.insert(name.clone(), Value::Array(parts));
            }
            "required" => {
                let read_only = |field: &Value| {
                    let member = told.get("properties").and_then(|members| members.get(field.as_str().unwrap_or_default()));
                    way == Way::Request && member.and_then(|member| member.get("readOnly")) == Some(&Value::Bool(true))
                };
                let needed = value.as_array().unwrap().iter().filter(|field| !read_only(field)).cloned().collect();
                made.insert(name.clone(), Value::Array(needed));
            }
            // Xero's own words for its dates, which go as a day and come as milliseconds.
            "x-is-msdate" | "x-is-msdate-time" => {
                let format = if way == Way::Request { "date" } else { "ms-date" };
                made.insert("format".to_owned(), json!(format));
            }
            "readOnly" | "nullable" => {}
            _ => {
                made.insert(name.clone(), value.clone());
            }
        }
    }
    if made.contains_key("properties") && !made.contains_key("additionalProperties") {
        made.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if told.get("nullable") == Some(&Value::Bool(true)) {
        return json!({ "anyOf": [made, { "type": "null" }] });
    }
    // The document dialects say no more beside a reference; what the overlay adds there counts.
    Value::Object(made)
}

/// `/Date(1658880000000+0000)/`.
pub(super) fn is_ms_date(text: &str) -> bool {
    let inner = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    inner.is_some_and(|inner| {
        let inner = inner.strip_prefix('-').unwrap_or(inner);
        inner.split_once(['+', '-']).map_or_else(|| digits(inner), |(ms, offset)| digits(ms) && digits(offset) && offset.len() == 4)
    })
}

#[test]
fn a_closed_schema_knows_the_way_and_null() {
    let schema = json!({ "type": "object", "required": ["Id", "Name"], "properties": {
        "Id": { "type": "string", "readOnly": true }, "Name": { "type": "string", "nullable": true },
        "Day": { "type": "string", "x-is-msdate": true } } });
    let way =
        |way| jsonschema::options().with_format("ms-date", is_ms_date).should_validate_formats(true).build(&closed(&schema, way)).unwrap();
    let (request, answer) = (way(Way::Request), way(Way::Answer));
    assert!(request.is_valid(&json!({ "Name": null, "Day": "2026-01-15" })));
    assert!(!request.is_valid(&json!({ "Id": "1", "Name": "A" })) && !request.is_valid(&json!({ "Name": "A", "Day": "/Date(1)/" })));
    assert!(answer.is_valid(&json!({ "Id": "1", "Name": "A", "Day": "/Date(1658880000000+0000)/" })));
    assert!(!answer.is_valid(&json!({ "Id": "1", "Name": "A", "Day": "2026-01-15" })) && !answer.is_valid(&json!({ "Name": "A" })));
    assert!(!answer.is_valid(&json!({ "Id": "1", "Name": "A", "Nmae": "B" })));
}
