//! A vendor's description with its overlay, and the check of one call against it.

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex};

use http::HeaderMap;
use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::overlay::{Overlay, merge};
use super::record::Exchange;
use super::shape::{Loose, Way, closed, is_ms_date, loosened};

/// Headers that HTTP itself describes.
const OF_HTTP: [&str; 7] = ["accept", "accept-language", "authorization", "content-length", "content-type", "host", "user-agent"];

/// What is published of one vendor's API.
#[derive(Clone)]
pub(super) struct Contract {
    published: Value,
    /// What stands beside it.
    pub(super) overlay: Overlay,
}

impl Contract {
    /// Reads `tests/fixtures/vendor/FOLDER`.
    pub(super) fn of(folder: &str) -> Self {
        let folder = crate::root().join("tests/fixtures/vendor").join(folder);
        let read = |path: &std::path::Path| -> Value { serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap() };
        let mut published = json!({ "servers": {}, "operations": {}, "schemas": {} });
        let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let is_overlay = path.file_name().is_some_and(|name| name == "overlay.json");
            if is_overlay || path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let mut part = read(&path);
            let file = path.file_stem().unwrap().to_str().unwrap();
            published["servers"][file] = part["servers"].take();
            for (line, operation) in part["operations"].as_object_mut().unwrap() {
                operation["server"] = json!(file);
                assert!(published["operations"].get(line).is_none(), "{line} is published twice");
                published["operations"][line] = operation.take();
            }
            for (name, schema) in part["schemas"].as_object_mut().unwrap() {
                assert!(published["schemas"].get(name).is_none(), "{name} is published twice");
                published["schemas"][name] = schema.take();
            }
        }
        let overlay = serde_json::from_value(read(&folder.join("overlay.json"))).unwrap();
        Self { published, overlay }
    }

    /// The same without one of its corrections.
    pub(super) fn without(&self, index: usize) -> Self {
        let mut less = self.clone();
        less.overlay.corrections.remove(index);
        less
    }

    /// The description as corrected.
    pub(super) fn corrected(&self) -> Corrected {
        let mut described = self.published.clone();
        let mut loose = Loose::default();
        for correction in &self.overlay.corrections {
            merge(&mut described, &correction.patch);
        }
        for everywhere in self.overlay.corrections.iter().filter_map(|correction| correction.everywhere.as_ref()) {
            for operation in described["operations"].as_object_mut().unwrap().values_mut() {
                if operation["server"] == everywhere.of.as_str() {
                    for (name, parameter) in everywhere.parameters.as_object().unwrap() {
                        // What an operation says itself counts.
                        if operation["parameters"].get(name).is_none() {
                            operation["parameters"][name] = parameter.clone();
                        }
                    }
                }
            }
            loose.null |= everywhere.answers_may_be_null;
            loose.texts |= everywhere.numbers_may_be_texts;
        }
        let all = |way: Way| -> Map<String, Value> {
            let schemas = described["schemas"].as_object().unwrap().iter();
            let shaped = |schema| if way == Way::Answer { closed(&loosened(schema, loose), way) } else { closed(schema, way) };
            schemas.map(|(name, schema)| (name.clone(), shaped(schema))).collect()
        };
        let (requests, answers) = (all(Way::Request), all(Way::Answer));
        let (servers, operations) = (described["servers"].take(), described["operations"].take());
        Corrected { servers, operations, requests, answers, built: Mutex::default() }
    }
}

/// A corrected description, ready to check.
pub(super) struct Corrected {
    servers: Value,
    operations: Value,
    requests: Map<String, Value>,
    answers: Map<String, Value>,
    /// Building one costs more than a thousand checks.
    built: Mutex<HashMap<(String, Way), Arc<Validator>>>,
}

/// What a check found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The vendor's own line of the operation, `PUT /Invoices`; none where nothing is described.
    pub(super) line: Option<String>,
    /// What is against the description, one sentence each.
    pub(super) misses: Vec<String>,
    /// Whether the answer's status has a schema there.
    pub(super) answer_described: bool,
}

impl Corrected {
    /// All lines of the description.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.operations.as_object().unwrap().keys().map(String::as_str)
    }

    /// Checks a call.
    pub(super) fn check(&self, exchange: &Exchange) -> Found {
        let mut found = Found::default();
        let Some((line, in_path)) = self.line_of(exchange) else {
            found.misses.push(format!("{} {}: no such operation is described", exchange.method, exchange.uri));
            return found;
        };
        let operation = &self.operations[line];
        found.line = Some(line.to_owned());
        let mut misses = self.parameters(operation, exchange, &in_path);
        misses.extend(self.sent_body(operation, exchange));
        misses.extend(self.answer(operation, exchange, &mut found.answer_described));
        found.misses = misses.into_iter().map(|miss| format!("{line}: {miss}")).collect();
        found
    }

    /// The calls inside a batch (OData JSON batch, `requests`), each as if it had been sent alone; any other call as it is.
    pub(super) fn unpacked(exchange: &Exchange) -> Vec<Exchange> {
        if !exchange.uri.path().ends_with("/$batch") {
            return Vec::new();
        }
        let (sent, told): (Value, Value) =
            (serde_json::from_slice(&exchange.body).unwrap(), serde_json::from_slice(&exchange.answer).unwrap_or_default());
        let none = Vec::new();
        let one = |request: &Value| {
            let answer = told["responses"].as_array().unwrap_or(&none).iter().find(|answer| answer["id"] == request["id"])?;
            let mut headers = HeaderMap::new();
            for (name, value) in request["headers"].as_object().into_iter().flatten() {
                headers.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.as_str().unwrap().parse().unwrap());
            }
            let base = exchange.uri.to_string();
            let uri = format!("{}/{}", base.split("/$batch").next().unwrap(), request["url"].as_str().unwrap().trim_start_matches('/'));
            let text = |value: &Value| if value.is_null() { bytes::Bytes::new() } else { value.to_string().into() };
            Some(Exchange {
                method: request["method"].as_str().unwrap().parse().unwrap(),
                uri: uri.parse().unwrap(),
                headers,
                body: text(&request["body"]),
                status: http::StatusCode::from_u16(u16::try_from(answer["status"].as_u64().unwrap()).unwrap()).unwrap(),
                answer: text(&answer["body"]),
                ..exchange.clone()
            })
        };
        sent["requests"].as_array().unwrap().iter().filter_map(one).collect()
    }

    fn line_of<'c>(&'c self, exchange: &Exchange) -> Option<(&'c str, Vec<(String, String)>)> {
        let sent = format!("https://{}{}", exchange.uri.authority().unwrap(), exchange.uri.path());
        let fits = |(line, operation): (&'c String, &'c Value)| {
            let (method, path) = line.split_once(' ').unwrap();
            let servers = self.servers.get(operation["server"].as_str()?)?.as_array()?.iter();
            let mut in_path = servers.filter_map(|server| values(&format!("{}{path}", server.as_str().unwrap()), &sent)).next()?;
            // What stands in the server's own part of the address is not described with the operation.
            in_path.retain(|(name, _)| path.contains(&format!("{{{name}}}")));
            (method == exchange.method.as_str()).then_some((line.as_str(), in_path))
        };
        // A line of its own goes before one with a place for anything.
        self.operations.as_object().unwrap().iter().filter_map(fits).min_by_key(|(_, in_path)| in_path.len())
    }

    fn parameters(&self, operation: &Value, exchange: &Exchange, in_path: &[(String, String)]) -> Vec<String> {
        let mut misses = Vec::new();
        let none = Map::new();
        let described = operation["parameters"].as_object().unwrap_or(&none);
        let mut sent: Vec<(String, String)> = in_path.iter().map(|(name, value)| (format!("path {name}"), value.clone())).collect();
        let query = exchange.uri.query().unwrap_or_default();
        sent.extend(url::form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (format!("query {name}"), value.into_owned())));
        for (name, value) in &exchange.headers {
            if !OF_HTTP.contains(&name.as_str()) {
                sent.push((format!("header {name}"), value.to_str().unwrap().to_owned()));
            }
        }
        let same = |described: &str, sent: &str| {
            if sent.starts_with("header ") { described.eq_ignore_ascii_case(sent) } else { described == sent }
        };
        for (name, value) in &sent {
            match described.iter().find(|(known, _)| same(known, name)) {
                Some((_, parameter)) => {
                    let schema = &parameter["schema"];
                    let value = if schema["type"] == "array" {
                        Value::Array(value.split(',').map(|one| typed(&schema["items"], one)).collect())
                    } else {
                        typed(schema, value)
                    };
                    misses.extend(self.against(schema, Way::Request, &value).into_iter().map(|miss| format!("{name}: {miss}")));
                }
                None => misses.push(format!("{name} is not described")),
            }
        }
        for (name, parameter) in described {
            let is_sent = sent.iter().any(|(sent, _)| same(name, sent));
            let of_http = name.strip_prefix("header ").is_some_and(|name| exchange.headers.contains_key(name));
            if parameter["required"] == true && !is_sent && !of_http {
                misses.push(format!("{name} is required"));
            }
        }
        misses
    }

    fn sent_body(&self, operation: &Value, exchange: &Exchange) -> Vec<String> {
        let (schema, form) = (&operation["body"], &operation["form"]);
        if exchange.body.is_empty() {
            return (operation["body_required"] == true).then(|| "a body is required".to_owned()).into_iter().collect();
        }
        let kind = content_type(&exchange.headers);
        let (schema, value) = if kind == "application/x-www-form-urlencoded" {
            let pairs =
                url::form_urlencoded::parse(&exchange.body).map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())));
            (form, Value::Object(pairs.collect()))
        } else if kind == "application/json" {
            match serde_json::from_slice(&exchange.body) {
                Ok(value) => (schema, value),
                Err(error) => return vec![format!("the body is no JSON: {error}")],
            }
        } else {
            return vec![format!("a body of {kind}")];
        };
        if schema.is_null() {
            return vec![format!("a body of {kind} is not described")];
        }
        self.against(schema, Way::Request, &value).into_iter().map(|miss| format!("request {miss}")).collect()
    }

    fn answer(&self, operation: &Value, exchange: &Exchange, described: &mut bool) -> Vec<String> {
        if exchange.status == http::StatusCode::NOT_IMPLEMENTED {
            // The simulator's own word for what it does not model; it is listed with the ledger.
            return Vec::new();
        }
        let Some(schema) = operation["answers"].get(exchange.status.as_str()) else {
            return vec![format!("{} is no described status", exchange.status.as_u16())];
        };
        *described = true;
        // Without a schema there is no body; `false` in an overlay, whose null takes away.
        match (schema.is_null() || *schema == json!(false), exchange.answer.is_empty()) {
            (true, true) => return Vec::new(),
            (true, false) => return vec![format!("{} has a body", exchange.status.as_u16())],
            (false, _) => {}
        }
        match serde_json::from_slice(&exchange.answer) {
            Ok(value) => {
                let misses = self.against(schema, Way::Answer, &value).into_iter();
                misses.map(|miss| format!("{} {miss}", exchange.status.as_u16())).collect()
            }
            Err(error) => vec![format!("{} is no JSON: {error}", exchange.status.as_u16())],
        }
    }

    fn against(&self, schema: &Value, way: Way, value: &Value) -> Vec<String> {
        let mut built = self.built.lock().unwrap();
        let validator = built.entry((schema.to_string(), way)).or_insert_with(|| {
            let named = if way == Way::Request { &self.requests } else { &self.answers };
            Arc::new(validator(&json!({ "allOf": [closed(schema, way)], "schemas": named })))
        });
        let told = |error: jsonschema::ValidationError<'_>| {
            format!("{}: {error}", place(error.instance_path().as_str())).chars().take(300).collect()
        };
        validator.iter_errors(value).map(told).collect()
    }
}

/// A place in a body, whichever of its elements.
fn place(pointer: &str) -> String {
    let parts = pointer.split('/').map(|part| if part.parse::<usize>().is_ok() { "*" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

fn validator(schema: &Value) -> Validator {
    let options = jsonschema::options().with_format("ms-date", is_ms_date).with_draft(jsonschema::Draft::Draft202012);
    options.should_validate_formats(true).build(schema).unwrap()
}

fn content_type(headers: &HeaderMap) -> String {
    let text = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("no type");
    text.split(';').next().unwrap_or_default().trim().to_owned()
}

/// A text as the JSON value that a parameter's type makes of it; a text where it makes none.
fn typed(schema: &Value, text: &str) -> Value {
    match schema["type"].as_str() {
        Some("integer" | "number" | "boolean") => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        _ => json!(text),
    }
}

/// What stands in an address at the places of a template, `/Invoices/{id}`; `None` where it does not fit. No value holds a slash.
pub(super) fn values(template: &str, address: &str) -> Option<Vec<(String, String)>> {
    let Some((before, rest)) = template.split_once('{') else { return (template == address).then(Vec::new) };
    let address = address.strip_prefix(before)?;
    let (name, rest) = rest.split_once('}').unwrap();
    let next: String = rest.chars().take_while(|c| *c != '{').collect();
    let end = if next.is_empty() { address.len() } else { address.find(&next)? };
    let (value, address) = address.split_at(end);
    if value.is_empty() || value.contains('/') {
        return None;
    }
    let mut found = vec![(name.to_owned(), value.to_owned())];
    found.extend(values(rest, address)?);
    Some(found)
}

#[test]
fn a_template_fits_its_addresses_alone() {
    let fits = |template: &str, address: &str| {
        values(template, address).map(|found| found.into_iter().map(|(_, value)| value).collect::<Vec<_>>())
    };
    assert_eq!(fits("https://h/a/{x}", "https://h/a/1"), Some(vec!["1".to_owned()]));
    assert_eq!(fits("/c({c})/i({i})/l", "/c(1)/i(2)/l"), Some(vec!["1".to_owned(), "2".to_owned()]));
    for (template, address) in [("/a/{x}", "/a/1/2"), ("/a/{x}", "/a/"), ("/a", "/a/1"), ("/c({c})/i", "/c(1)/j"), ("/a/{x}/r", "/a/1")] {
        assert_eq!(fits(template, address), None, "{template} {address}");
    }
}
