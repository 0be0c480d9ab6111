//! `infra/openapi.json`: what the functions say of their routes, in one document. What a route is for stands in `docs/api.md` and is not
//! written twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, bail, ensure};
use coportal_lambda::authn::SESSION_COOKIE;
use coportal_lambda::openapi::{Operation, Schemas, Who, operation};
use coportal_local::template::{DEPLOYED, Template};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, ComponentsBuilder, HttpMethod, InfoBuilder, License, OpenApiBuilder, PathItem, PathsBuilder, RefOr, Schema, ServerBuilder,
};

use crate::root;

/// Where the document is kept.
pub const PAGE: &str = "infra/openapi.json";

/// A row of the tables in `docs/api.md`.
struct Row {
    section: String,
    who: String,
    does: String,
}

/// The rows by route key.
fn rows() -> Result<BTreeMap<String, Row>> {
    let page = fs::read_to_string(root().join("docs/api.md"))?;
    let mut section = String::new();
    let mut rows = BTreeMap::new();
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut section);
        }
        let Some((key, rest)) = line.strip_prefix("| `").and_then(|row| row.split_once("` | ")) else { continue };
        let Some((who, does)) = rest.split_once(" | ") else { continue };
        if key.split_once(' ').is_some_and(|(_, path)| path.starts_with('/')) {
            let does = does.trim_end().trim_end_matches('|').trim_end();
            rows.insert(key.to_owned(), Row { section: section.clone(), who: who.to_owned(), does: does.to_owned() });
        }
    }
    Ok(rows)
}

/// Whether a route is part of the document: pages, their assets and the document itself are not.
fn is_api(path: &str) -> bool {
    path.starts_with("/v1/") || path.starts_with("/.well-known/")
}

/// What all functions say of their routes.
fn operations() -> Vec<Operation> {
    let functions = [
        clients::openapi::operations(),
        import_preview::openapi::operations(),
        invoice_sync::openapi::operations(),
        invoices::openapi::operations(),
        oauth_callback::openapi::operations(),
        sso_routing::openapi::operations(),
    ];
    functions.into_iter().flat_map(|operations| operations.0).collect()
}

/// Keeps schemas by name. Two types of one name would stand for one another.
#[derive(Default)]
struct Kept {
    schemas: BTreeMap<String, RefOr<Schema>>,
    clashes: BTreeSet<String>,
}

impl Kept {
    fn keep(&mut self, schemas: Schemas) {
        for (name, schema) in schemas {
            if *self.schemas.entry(name.clone()).or_insert_with(|| schema.clone()) != schema {
                self.clashes.insert(name);
            }
        }
    }

    fn schemas(self) -> Result<BTreeMap<String, RefOr<Schema>>> {
        ensure!(self.clashes.is_empty(), "two types have one name: give one of them another, `schema(as = …)`: {:?}", self.clashes);
        Ok(self.schemas)
    }
}

fn method(word: &str) -> Result<HttpMethod> {
    Ok(match word {
        "GET" => HttpMethod::Get,
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        other => bail!("the method {other} has no place in the document yet"),
    })
}

/// Whether the page and the handler name the same callers.
fn check_who(operation: &Operation, row: &Row) -> Result<()> {
    let stated = match row.who.as_str() {
        "member" => Who::Member,
        "admin" => Who::Admin,
        "service" => Who::Service,
        _ => Who::Anyone,
    };
    ensure!(stated == operation.who, "{}: docs/api.md says `{}`, the handler {:?}", operation.key, row.who, operation.who);
    Ok(())
}

fn components(schemas: BTreeMap<String, RefOr<Schema>>) -> Components {
    let bearer = |description: &str| {
        SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(description)).build())
    };
    let key = |in_place: fn(ApiKeyValue) -> ApiKey, name: &str, description: &str| {
        SecurityScheme::ApiKey(in_place(ApiKeyValue::with_description(name, description)))
    };
    let mut components = ComponentsBuilder::new().schemas_from_iter(schemas);
    for (name, answer) in operation::refusals().0 {
        components = components.response(name, answer);
    }
    components
        .security_scheme("bearer", bearer("A member's JWT of a configured issuer. Role and teams are read from the member's record."))
        .security_scheme("service", bearer("A JWT of CoPortal's own backend with `scope=workspaces` and an audience of its own."))
        .security_scheme("session", key(ApiKey::Cookie, SESSION_COOKIE, "The session of a browser."))
        .security_scheme(
            "csrf",
            key(
                ApiKey::Header,
                "x-csrf-token",
                "With a session, what changes something carries its token (`GET /v1/session`) and our Origin.",
            ),
        )
        .build()
}

/// The document.
///
/// # Errors
/// A route of the template is not described, or a description fits no route; two types share a name; a handler's answers are stated
/// nowhere; the page and a handler name other callers.
pub fn document() -> Result<String> {
    let rows = rows()?;
    let template = Template::parse(DEPLOYED)?;
    let mut routes: BTreeMap<&str, &str> =
        template.routes.iter().filter(|route| is_api(&route.path)).map(|route| (route.key.as_str(), route.path.as_str())).collect();
    let mut kept = Kept::default();
    kept.keep(operation::refusals().1);
    let mut paths = PathsBuilder::new();
    let mut sections = Vec::new();
    for mut operation in operations() {
        let key = operation.key;
        let path = routes.remove(key).with_context(|| format!("{key} is described, and is no route of infra/template.yaml, or twice"))?;
        let row = rows.get(key).with_context(|| format!("docs/api.md has no row for {key}"))?;
        check_who(&operation, row)?;
        ensure!(operation.answers_something(), "{key}: its handler answers with a built response, and nothing says what is in it");
        let (typed, named) = operation.path_parts();
        ensure!(typed == named, "{key}: {named} parts of the path have names, and the handler takes {typed}");
        kept.keep(std::mem::take(&mut operation.schemas));
        if !sections.contains(&row.section) {
            sections.push(row.section.clone());
        }
        let word = key.split(' ').next().unwrap_or_default();
        let mut built = operation.build();
        built.tags = Some(vec![row.section.clone()]);
        built.description = Some(row.does.clone());
        paths = paths.path(path, PathItem::new(method(word)?, built));
    }
    ensure!(routes.is_empty(), "not described: {:?}", routes.keys());
    let info = InfoBuilder::new()
        .title("CoPortal Integrations")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Invoices of a workspace, brought to its accounting ledger exactly once. Conventions: docs/api.md."))
        .license(Some(License::new("Apache-2.0")))
        .build();
    let document = OpenApiBuilder::new()
        .info(info)
        .servers(Some([ServerBuilder::new().url("/").description(Some("The API's own origin.")).build()]))
        .paths(paths.build())
        .components(Some(components(kept.schemas()?)))
        .tags(Some(sections.into_iter().map(|section| TagBuilder::new().name(section).build())))
        .build();
    Ok(document.to_pretty_json()? + "\n")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::source::{code, product_part};

    /// Route keys with the handlers that they lead to.
    type Handlers = BTreeSet<(String, String)>;

    /// Every `.route("KEY", handler)` of a function's `openapi.rs`, and every `.route("/path", get(handler).post(handler))` of its router.
    fn handlers(function: &str) -> (Handlers, Handlers) {
        let read = |file: &str| -> String {
            let source = fs::read_to_string(root().join(format!("functions/{function}/src/{file}"))).unwrap();
            code(product_part(&source)).map(|(_, line)| line).collect::<Vec<_>>().concat()
        };
        let mut described = BTreeSet::new();
        for call in read("openapi.rs").split(".route(").skip(1) {
            let (key, rest) = call.trim_start().strip_prefix('"').unwrap().split_once('"').unwrap();
            let handler = rest.trim_start_matches([',', ' ']).split([',', ')']).next().unwrap();
            described.insert((key.to_owned(), handler.trim().to_owned()));
        }
        let mut routed = BTreeSet::new();
        for call in read("lib.rs").split(".route(").skip(1) {
            let (path, rest) = call.trim_start().strip_prefix('"').unwrap().split_once('"').unwrap();
            for word in ["get", "post", "put", "patch", "delete"] {
                for (at, _) in rest.match_indices(&format!("{word}(")) {
                    let alone = rest[..at].ends_with([' ', '.', ',']);
                    let handler = rest[at + word.len() + 1..].split(')').next().unwrap();
                    if alone && is_api(path) {
                        routed.insert((format!("{} {path}", word.to_uppercase()), handler.trim().to_owned()));
                    }
                }
            }
        }
        (described, routed)
    }

    #[test]
    fn what_is_described_is_what_the_router_calls() {
        let mut seen = 0;
        for function in ["clients", "import-preview", "invoice-sync", "invoices", "oauth-callback", "sso-routing"] {
            let (described, routed) = handlers(function);
            seen += routed.len();
            assert_eq!(described, routed, "{function}");
        }
        assert!(seen > 60, "{seen} routes seen");
    }

    #[test]
    fn two_types_of_one_name_are_refused() {
        let text = |about: &str| vec![("One".to_owned(), coportal_core::openapi::text(about, "^x$"))];
        let mut kept = Kept::default();
        kept.keep(text("this"));
        kept.keep(text("this"));
        assert!(kept.clashes.is_empty());
        kept.keep(text("that"));
        assert!(kept.schemas().err().unwrap().to_string().contains("One"));
    }

    /// Every reference leads to something of the document, and every schema is referred to.
    #[test]
    fn references_lead_somewhere() {
        fn collect(value: &Value, found: &mut BTreeSet<String>) {
            match value {
                Value::Object(members) => {
                    if let Some(Value::String(reference)) = members.get("$ref") {
                        found.insert(reference.clone());
                    }
                    members.values().for_each(|member| collect(member, found));
                }
                Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document: Value = serde_json::from_str(&document().unwrap()).unwrap();
        let mut found = BTreeSet::new();
        collect(&document, &mut found);
        for reference in &found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
        let schemas = document["components"]["schemas"].as_object().unwrap();
        assert!(schemas.len() > 100, "{}", schemas.len());
        for name in schemas.keys() {
            assert!(found.contains(&format!("#/components/schemas/{name}")), "{name} is referred to nowhere");
        }
    }
}
