//! What these journeys share.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use coportal_core::id::UserId;
use coportal_core::ledger::Ledger;
use coportal_engine::Engine;
use coportal_lambda::authn::token::HttpKeys;
use coportal_lambda::authn::{SESSION_COOKIE, csrf_token, new_session};
use coportal_lambda::boot::{Boot, Machine};
use coportal_lambda::config::table;
use coportal_lambda::shell::Shell;
use coportal_lambda::system::SystemRandom;
use coportal_local::caller::{Caller, Reply};
use coportal_local::clock::Clock;
use coportal_local::run::{KeptLines, LocalRun, RunOptions};
use coportal_local::studio::{Studio, text};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// The ledgers that these journeys are about.
pub(crate) const OTHERS: [Ledger; 3] = [Ledger::Quickbooks, Ledger::Sage, Ledger::BusinessCentral];

/// A local cloud with a studio that has connected nothing yet.
pub(crate) async fn opened() -> (LocalRun, Studio) {
    let local = LocalRun::start(RunOptions::default()).await.unwrap();
    let studio = Studio::open(&local, "Harbour Lane Studio").await.unwrap();
    (local, studio)
}

/// The same with one ledger connected to its first organisation.
pub(crate) async fn connected(ledger: Ledger) -> (LocalRun, Studio) {
    let (local, studio) = opened().await;
    connect(&studio, ledger).await;
    (local, studio)
}

pub(crate) async fn connect(studio: &Studio, ledger: Ledger) {
    let hops = studio.at(ledger).connect().await.unwrap();
    let connection = studio.at(ledger).connection().await.unwrap();
    assert_eq!(connection["status"], "connected", "{ledger}: {:?}", hops.last().map(|hop| hop.url.as_str()));
}

/// One line of 100.00 plus 20%.
pub(crate) fn lines() -> Value {
    json!([{"description": "Work", "quantity": "1", "unit_price": "100.00", "tax_rate": "20"}])
}

/// A client and a sent invoice to it.
pub(crate) async fn invoice(studio: &Studio) -> Value {
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    studio.send_invoice(&client, &lines()).await.unwrap()
}

/// What the user says at the vendor: yes to the first organisation, or to these.
pub(crate) async fn decide(studio: &Studio, ledger: Ledger, organisations: Option<&[&str]>) {
    let mut consent = json!({"decision": "approve"});
    if let Some(organisations) = organisations {
        consent["organisations"] = json!(organisations);
    }
    studio.at(ledger).control(Method::POST, "consent", Some(&consent)).await.unwrap();
}

/// Begins to connect and consents; answers the callback's address, which nobody has opened yet. The cookie is in the owner's browser.
pub(crate) async fn callback(studio: &Studio, ledger: Ledger) -> String {
    let start = studio.owner.send(Method::POST, &format!("/v1/integrations/{ledger}/connect"), None, &[]).await.unwrap();
    assert_eq!(start.status, StatusCode::OK, "{}", start.text());
    let page = studio.owner.get(text(&start.json(), "/authorize_url")).await.unwrap();
    let back = page.header("location").to_owned();
    assert!(back.contains(&format!("/v1/oauth/{ledger}/callback?")), "{} {back} {}", page.status, page.text());
    back
}

/// Opens a callback's address in the owner's browser; answers where it leads.
pub(crate) async fn come_back(studio: &Studio, address: &str) -> String {
    let reply = studio.owner.get(address).await.unwrap();
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.text());
    reply.header("location").to_owned()
}

/// The whole way with these organisations.
pub(crate) async fn connect_to(studio: &Studio, ledger: Ledger, organisations: &[&str]) -> String {
    decide(studio, ledger, Some(organisations)).await;
    let back = callback(studio, ledger).await;
    come_back(studio, &back).await
}

/// The ledger's entry in the list of integrations.
pub(crate) async fn card(studio: &Studio, ledger: Ledger) -> Value {
    let list = studio.owner.get("/v1/integrations").await.unwrap().json();
    list["items"].as_array().unwrap().iter().find(|item| item["ledger"] == ledger.slug()).unwrap().clone()
}

/// A call of one of the ledger's routes as the owner.
pub(crate) async fn ask(studio: &Studio, ledger: Ledger, method: &str, tail: &str, body: Option<&Value>) -> Reply {
    let path = format!("/v1/integrations/{ledger}{tail}");
    studio.owner.send(method.parse().unwrap(), &path, body, &[]).await.unwrap()
}

pub(crate) fn said(reply: &Reply) -> (u16, String) {
    (reply.status.as_u16(), text(&reply.json(), "/code").to_owned())
}

/// Changes the plan, as CoPortal's backend would.
pub(crate) async fn plan(studio: &Studio, plan: &str) {
    let path = format!("/__local/workspaces/{}", studio.workspace_id);
    let reply = studio.owner.send(Method::PUT, &path, Some(&json!({"plan": plan})), &[]).await.unwrap();
    assert!(reply.status.is_success(), "{}", reply.text());
}

/// Calls of the vendor but those of the consent page.
pub(crate) async fn vendor_calls(studio: &Studio, ledger: Ledger) -> Vec<Value> {
    let calls = studio.at(ledger).control(Method::GET, "calls", None).await.unwrap();
    let consent = |path: &str| ["/authorize", "/connect/oauth2", "/oauth2/auth/central"].iter().any(|page| path.contains(page));
    calls.as_array().unwrap().iter().filter(|call| !consent(text(call, "/path"))).cloned().collect()
}

/// Documents of one organisation, by its id.
pub(crate) async fn documents(studio: &Studio, ledger: Ledger, organisation: &str) -> Vec<Value> {
    let state = studio.at(ledger).state().await.unwrap();
    state["documents"].as_array().unwrap().iter().filter(|document| document["organisation"] == organisation).cloned().collect()
}

/// The id of an organisation of the simulator, by its name.
pub(crate) async fn organisation(studio: &Studio, ledger: Ledger, name: &str) -> Value {
    let state = studio.at(ledger).state().await.unwrap();
    state["organisations"].as_array().unwrap().iter().find(|organisation| organisation["name"] == name).unwrap().clone()
}

/// Clicks "Sync" until it is done, however long the clock must be moved for that.
pub(crate) async fn settled(local: &LocalRun, studio: &Studio, ledger: Ledger, invoice: &Value) -> Value {
    for _ in 0..60 {
        let reply = studio.at(ledger).sync(invoice).await.unwrap();
        match reply.status.as_u16() {
            200 => return reply.json(),
            202 | 409 => local.advance(SignedDuration::from_secs(30)),
            status => panic!("{status}: {}", reply.text()),
        }
    }
    panic!("{} is still not synced after half an hour", text(invoice, "/number"));
}

/// The access tokens that a simulator has issued and not ended.
pub(crate) fn access_tokens(local: &LocalRun, ledger: Ledger) -> Vec<String> {
    let snapshot = local.ledger(ledger).unwrap().simulator.snapshot();
    let mut found = Vec::new();
    gather(&snapshot, &mut found);
    found
}

fn gather(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_object() {
                    Some(tokens) if name == "access" && tokens.values().all(|token| token["expires"].is_string()) => {
                        found.extend(tokens.keys().cloned());
                    }
                    _ => gather(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Asks a vendor something with an access token, as a thief of the token would; answers the status.
pub(crate) async fn with_token(local: &LocalRun, ledger: Ledger, path: &str, token: &str) -> u16 {
    let vendor = Caller::new(&local.ledger(ledger).unwrap().origin).unwrap().with_token(token);
    vendor.send(Method::GET, path, None, &[("accept", "application/json")]).await.unwrap().status.as_u16()
}

// --- one function, booted beside the others ---------------------------------------------------------------------------------------

struct SharedClock(Clock);

impl coportal_core::ctx::Clock for SharedClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// A function on the local cloud's table, keys and simulators, booted from its environment, with some settings of its own.
pub(crate) fn boot(local: &LocalRun, binary: &'static str, settings: &[(table::Variable, &str)]) -> (Shell, Engine) {
    let function = local.cloud.template.function_of_binary(binary).unwrap();
    let mut variables: BTreeMap<String, String> =
        local.cloud.template.environment(&function.logical_id, &local.cloud.bindings()).unwrap().into_iter().collect();
    let added = [
        (table::REGION, "eu-west-1"),
        (table::ACCESS_KEY_ID, "local"),
        (table::SECRET_ACCESS_KEY, "local"),
        (table::LOCAL, "1"),
        (table::AWS_ENDPOINT, local.aws_endpoint.as_str()),
    ];
    let vendors = table::LEDGERS.iter().filter_map(|of| Some((of.url, local.ledger(of.ledger)?.origin.as_str())));
    for (variable, value) in added.into_iter().chain(vendors).chain(settings.iter().copied()) {
        variables.insert(variable.name.to_owned(), value.to_owned());
    }
    let machine = Machine {
        clock: Arc::new(SharedClock(local.cloud.clock.clone())),
        random: Arc::new(SystemRandom),
        sink: Arc::new(KeptLines::default()),
        keys: Arc::new(HttpKeys::new().unwrap()),
    };
    Boot::new(binary, variables.into(), machine).engine().unwrap()
}

/// The pages, in sessions of this test's making.
pub(crate) struct Pages {
    shell: Shell,
    router: Router,
    origin: String,
}

/// Somebody's session: the cookie, and what their forms carry.
pub(crate) struct Session {
    cookie: String,
    csrf: String,
}

/// A page, or where a form led.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) location: String,
    pub(crate) text: String,
}

impl Page {
    /// The card of one ledger.
    pub(crate) fn card(&self, ledger: Ledger) -> &str {
        let from = self.text.split_once(&format!(r#"<section class="card" id="{ledger}""#)).unwrap().1;
        from.split_once("</section>").unwrap().0
    }
}

impl Pages {
    pub(crate) fn of(local: &LocalRun, settings: &[(table::Variable, &str)]) -> Self {
        let (shell, engine) = boot(local, "settings-page", settings);
        let router = settings_page::router(settings_page::AppState { shell: shell.clone(), engine });
        Self { shell, router, origin: local.origin.clone() }
    }

    /// Signs the owner or the member of a workspace in.
    pub(crate) async fn session(&self, workspace: &str, role: &str) -> Session {
        let ctx = self.shell.ctx();
        let user: UserId = format!("{role}@{workspace}").parse().unwrap();
        let (cookie, session) = new_session(&ctx, user, workspace.parse().unwrap(), "local");
        self.shell.store().put_session(&ctx, cookie.expose(), &session).await.unwrap();
        Session { csrf: csrf_token(cookie.expose()), cookie: cookie.expose().to_owned() }
    }

    pub(crate) async fn get(&self, path: &str, session: &Session) -> Page {
        let request = Request::builder().uri(path).header("cookie", format!("{SESSION_COOKIE}={}", session.cookie));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn submit(&self, path: &str, session: &Session, fields: &[(&str, &str)]) -> Page {
        let mut all = vec![("_csrf", session.csrf.as_str())];
        all.extend_from_slice(fields);
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("cookie", format!("{SESSION_COOKIE}={}", session.cookie))
            .header("origin", &self.origin)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(serde_urlencoded::to_string(all).unwrap()));
        self.send(request.unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> Page {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let location = parts.headers.get("location").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        Page { status: parts.status, location, text }
    }
}
