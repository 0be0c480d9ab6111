//! Routes: what the template sends to a function, what that function's router answers, and what `docs/api.md` says are one list.

use std::collections::BTreeSet;
use std::fs;

use coportal_local::caller::Caller;
use coportal_local::run::{LocalRun, RunOptions};
use coportal_local::template::{DEPLOYED, Template};
use http::Method;

use crate::source::{code, product_part, words};
use crate::{files, root};

/// A route: its key and the function that answers it.
type Answered = (String, String);

fn of_the_template() -> BTreeSet<Answered> {
    let template = Template::parse(DEPLOYED).unwrap();
    template.routes.iter().map(|route| (route.key.clone(), template.functions[&route.function].binary.clone())).collect()
}

/// The folders of `functions/`.
fn functions() -> Vec<String> {
    let mut found: Vec<String> = fs::read_dir(root().join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    assert!(found.len() >= 5, "{found:?}");
    found
}

/// The text up to the bracket that closes the one before it.
fn bracketed(text: &str) -> &str {
    let mut open = 1_u32;
    for (at, c) in text.char_indices() {
        match c {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return &text[..at];
        }
    }
    panic!("a bracket of `{text}` is not closed")
}

/// The route keys that a router's source states: `.route("/path", get(…).post(…))`.
fn stated(source: &str) -> Vec<String> {
    let source: String = code(product_part(source)).map(|(_, line)| format!("{line}\n")).collect();
    let mut keys = Vec::new();
    for call in source.split(".route(").skip(1) {
        let call = bracketed(call);
        let (path, methods) = call.trim().strip_prefix('"').and_then(|call| call.split_once('"')).expect("a route's path is a literal");
        let methods: Vec<&str> = methods
            .match_indices('(')
            .map(|(at, _)| methods[..at].rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
            .collect();
        assert!(!methods.is_empty(), "{path} has no method");
        for method in methods {
            assert!(["get", "post", "put", "patch", "delete"].contains(&method), "{path}: `{method}` is not a method that this test knows");
            keys.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    keys
}

#[test]
fn a_router_is_read_as_it_is_written() {
    let source = r#"
        // .route("/not", get(this))
        let routes = Router::new().route("/a", get(list).post(create)).route(
            "/a/{id}",
            delete(remove),
        );
        #[cfg(test)]
        mod tests { fn r() { x.route("/neither", get(this)) } }
    "#;
    // Only a test module at the left edge ends what ships; so it stands in the tree.
    let source = source.replace("        #[cfg(test)]\n        mod", "#[cfg(test)]\nmod");
    assert_eq!(stated(&source), ["GET /a", "POST /a", "DELETE /a/{id}"]);
}

#[test]
fn the_template_and_the_routers_have_the_same_routes() {
    let mut of_the_code = BTreeSet::new();
    for function in functions() {
        for path in files(&format!("functions/{function}/src"), "rs").unwrap() {
            if path.ends_with("tests.rs") || path.parent().is_some_and(|folder| folder.ends_with("tests")) {
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            let ships = product_part(&source);
            if !path.ends_with("lib.rs") {
                let routes = words(ships).any(|word| word == "Router" || word == "MethodRouter");
                assert!(!routes, "{}: a function's routes stand in its lib.rs", path.display());
                continue;
            }
            for unseen in [".nest(", ".merge(", ".route_service(", ".nest_service(", ".fallback("] {
                assert!(!ships.contains(unseen), "{}: `{unseen}` adds routes that this test does not see", path.display());
            }
            for key in stated(&source) {
                assert!(of_the_code.insert((key.clone(), function.clone())), "{function} answers {key} twice");
            }
        }
    }
    let of_the_template = of_the_template();
    let only = |here: &BTreeSet<Answered>, there: &BTreeSet<Answered>| here.difference(there).cloned().collect::<Vec<_>>();
    assert!(of_the_template.len() > 30, "{} routes seen", of_the_template.len());
    assert_eq!(only(&of_the_code, &of_the_template), [], "in code, not in infra/template.yaml");
    assert_eq!(only(&of_the_template, &of_the_code), [], "in infra/template.yaml, not in code");
}

/// The rows of the tables in `docs/api.md`, as (route key, who may).
fn of_the_page() -> Vec<(String, String)> {
    let page = fs::read_to_string(root().join("docs/api.md")).unwrap();
    let mut rows = Vec::new();
    for line in page.lines() {
        let Some((key, rest)) = line.strip_prefix("| `").and_then(|row| row.split_once('`')) else { continue };
        if key.split_once(' ').is_some_and(|(method, path)| method.parse::<Method>().is_ok() && path.starts_with('/')) {
            rows.push((key.to_owned(), rest.split('|').nth(1).unwrap_or_default().trim().to_owned()));
        }
    }
    rows
}

#[test]
fn the_page_of_routes_lists_them_all_and_no_other() {
    let page: Vec<String> = of_the_page().into_iter().map(|(key, _)| key).collect();
    let listed: BTreeSet<String> = page.iter().cloned().collect();
    assert_eq!(listed.len(), page.len(), "docs/api.md lists a route twice");
    let template: BTreeSet<String> = of_the_template().into_iter().map(|(key, _)| key).collect();
    assert_eq!(listed, template);
}

/// Every route is there when it is asked for over HTTP, and without a sign-in only those that the page calls open answer.
#[tokio::test]
async fn every_route_is_mounted_and_asks_who_is_there() {
    let local = LocalRun::start(RunOptions::default()).await.unwrap();
    let stranger = Caller::new(&local.origin).unwrap();
    let (mut open, mut closed) = (0, 0);
    for (key, who) in of_the_page() {
        let (method, path) = key.split_once(' ').unwrap();
        let id = match path.split('/').nth(2) {
            Some("clients") => "cl_0123456789ab7cde8f00112233445566",
            Some("integrations") => "prv_0123456789ab7cde8f00112233445566",
            Some("workspaces") => "ws_0123456789ab7cde8f00112233445566",
            Some("backfill") => "bkf_0123456789ab7cde8f00112233445566",
            Some("sso") if path.contains("/sso/domains/") => "dom_0123456789ab7cde8f00112233445566",
            Some("sso") if path.contains("/sso/approvals/") => "apv_0123456789ab7cde8f00112233445566",
            Some("sso") => "ssc_0123456789ab7cde8f00112233445566",
            _ => "inv_0123456789ab7cde8f00112233445566",
        };
        let path = path
            .replace("{id}", id)
            .replace("{ledger}", "xero")
            .replace("{user}", "ann")
            .replace("{name}", "none.css")
            .replace("{connection}", id);
        let path = path.replace("{contact}", "ct_0123456789ab7cde8f00112233445566");
        let body = serde_json::json!({});
        let form = path.starts_with("/settings/");
        let body = (["POST", "PUT", "PATCH"].contains(&method) && !form).then_some(&body);
        let header = if form { ("content-type", "application/x-www-form-urlencoded") } else { ("if-match", "1") };
        let reply = stranger.send(method.parse().unwrap(), &path, body, &[header]).await.unwrap();
        match who.as_str() {
            "member" | "admin" | "service" => {
                assert_eq!(reply.status.as_u16(), 401, "{key}: {}", reply.text());
                closed += 1;
            }
            "member, by session" | "admin, by session" | "member, by form" | "admin, by form" => {
                assert!([401, 403].contains(&reply.status.as_u16()), "{key}: {} {}", reply.status, reply.text());
                assert!(reply.header("content-type").starts_with("text/html"), "{key}: a person meets a page");
                closed += 1;
            }
            "anyone" | "the state it brings" => {
                // An asset goes by the digest in its name; under another name it is not there.
                let there = reply.status.is_success() || reply.status.is_redirection() || path.ends_with("none.css");
                // The metadata of a connection that is not there, and a question without its field.
                let there = there || path.ends_with("/metadata") && reply.status.as_u16() == 404;
                let there = there || path.ends_with("/discover") && reply.status.as_u16() == 422;
                assert!(there, "{key}: {} {}", reply.status, reply.text());
                open += 1;
            }
            "the form's own page" => {
                assert_eq!(reply.status.as_u16(), 403, "{key}: {}", reply.text());
                open += 1;
            }
            "a code" => {
                assert_eq!(reply.status.as_u16(), 422, "{key}: {}", reply.text());
                open += 1;
            }
            other => panic!("{key}: docs/api.md says `{other}`: say here what a stranger is answered"),
        }
    }
    assert_eq!((open, closed), (17, of_the_template().len() - 17));
    local.shutdown().await.unwrap();
}
