//! A signed-in caller of the simulator, in process.

use base64::Engine as _;
use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use simulators::skeleton::consent::Consent;
use simulators::xero::{Config, Simulator};
use simulators::{Answer, Clock};

pub(crate) const CLIENT: &str = "client";
pub(crate) const SECRET: &str = "secret";
pub(crate) const REDIRECT: &str = "https://app.example/callback";
pub(crate) const SCOPES: &str = "offline_access accounting.contacts accounting.invoices accounting.payments accounting.settings.read";

/// A simulator on a paused clock.
pub(crate) fn simulator() -> Simulator {
    simulator_at(Clock::fixed("2026-03-10T09:00:00Z".parse::<Timestamp>().unwrap()))
}

pub(crate) fn simulator_at(clock: Clock) -> Simulator {
    Simulator::new(Config { clock, client_id: CLIENT.into(), client_secret: SECRET.into(), redirect_uris: vec![REDIRECT.into()], seed: 42 })
}

pub(crate) fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

pub(crate) async fn answer(simulator: &Simulator, request: http::request::Builder, body: &str) -> Answer {
    simulator.handle(request.body(Bytes::from(body.to_owned())).unwrap()).await
}

pub(crate) fn whole(answer: Answer) -> Response<Bytes> {
    let Answer::Response(response) = answer else { panic!("not a whole response: {answer:?}") };
    response
}

pub(crate) fn value(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap_or_else(|_| panic!("not JSON: {:?}", response.body()))
}

pub(crate) fn text(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

pub(crate) fn header<'response>(response: &'response Response<Bytes>, name: &str) -> &'response str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

pub(crate) fn advance(simulator: &Simulator, seconds: i64) {
    simulator.clock().advance(SignedDuration::from_secs(seconds));
}

pub(crate) fn authorize_path(extra: &str, scopes: &str) -> String {
    format!(
        "/identity/connect/authorize?response_type=code&client_id={CLIENT}&redirect_uri={}&scope={}&state=xyz{extra}",
        encode(REDIRECT),
        encode(scopes)
    )
}

/// The query parameter of a redirect's target.
pub(crate) fn returned(response: &Response<Bytes>, name: &str) -> Option<String> {
    let to = url::Url::parse(header(response, "location")).unwrap();
    to.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Goes through consent (which must be scripted) and returns the code.
pub(crate) async fn code(simulator: &Simulator, extra: &str, scopes: &str) -> String {
    let response = whole(answer(simulator, Request::get(authorize_path(extra, scopes)), "").await);
    assert_eq!(response.status(), 302, "{}", text(&response));
    assert_eq!(returned(&response, "state").as_deref(), Some("xyz"));
    returned(&response, "code").unwrap()
}

pub(crate) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}")))
}

pub(crate) async fn token_call(simulator: &Simulator, form: &[(&str, &str)]) -> Response<Bytes> {
    let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = Request::post("/connect/token")
        .header("authorization", basic(CLIENT, SECRET))
        .header("content-type", "application/x-www-form-urlencoded");
    whole(answer(simulator, request, &body).await)
}

pub(crate) async fn redeem(simulator: &Simulator, code: &str) -> Response<Bytes> {
    token_call(simulator, &[("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT)]).await
}

pub(crate) async fn refresh(simulator: &Simulator, token: &str) -> Response<Bytes> {
    token_call(simulator, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
}

/// A connected caller.
pub(crate) struct Caller {
    pub(crate) simulator: Simulator,
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) tenant: String,
}

/// Connects to both organisations; the caller is aimed at the first.
pub(crate) async fn connected() -> Caller {
    connect(simulator(), SCOPES).await
}

pub(crate) async fn connect(simulator: Simulator, scopes: &str) -> Caller {
    let names: Vec<String> = simulator.state().organisations.into_iter().map(|organisation| organisation.name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    simulator.set_consent(Consent::approve_only(&names)).unwrap();
    let code = code(&simulator, "", scopes).await;
    let tokens = value(&redeem(&simulator, &code).await);
    let tenant = simulator.state().organisations[0].id.clone();
    let refresh = tokens["refresh_token"].as_str().unwrap_or_default().to_owned();
    Caller { access: tokens["access_token"].as_str().unwrap().to_owned(), refresh, tenant, simulator }
}

impl Caller {
    /// The same caller, aimed at the organisation at this position.
    pub(crate) fn at(&self, position: usize) -> Self {
        Self {
            simulator: self.simulator.clone(),
            access: self.access.clone(),
            refresh: self.refresh.clone(),
            tenant: self.simulator.state().organisations[position].id.clone(),
        }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let path = if path.starts_with("/connections") { path.to_owned() } else { format!("/api.xro/2.0{path}") };
        Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.access))
            .header("xero-tenant-id", &self.tenant)
            .header("accept", "application/json")
            .header("content-type", "application/json")
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> Response<Bytes> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        whole(answer(&self.simulator, self.request(method, path), &body).await)
    }

    pub(crate) async fn keyed(&self, key: &str, method: &str, path: &str, body: &Value) -> Response<Bytes> {
        whole(answer(&self.simulator, self.request(method, path).header("idempotency-key", key), &body.to_string()).await)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.send("GET", path, &Value::Null).await;
        assert_eq!(response.status(), 200, "{path}: {}", text(&response));
        value(&response)
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Value {
        let response = self.send("PUT", path, body).await;
        assert_eq!(response.status(), 200, "{path}: {}", text(&response));
        value(&response)
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let response = self.send("POST", path, body).await;
        assert_eq!(response.status(), 200, "{path}: {}", text(&response));
        value(&response)
    }

    /// A new contact's id.
    pub(crate) async fn contact(&self, name: &str) -> String {
        let made = self.put("/Contacts", &json!({ "Contacts": [{ "Name": name }] })).await;
        made["Contacts"][0]["ContactID"].as_str().unwrap().to_owned()
    }

    /// A new invoice, as replied.
    pub(crate) async fn invoice(&self, invoice: Value) -> Value {
        self.put("/Invoices?unitdp=4&summarizeErrors=true", &json!({ "Invoices": [invoice] })).await["Invoices"][0].clone()
    }

    /// The message of a write that is refused with 400.
    pub(crate) async fn refused(&self, method: &str, path: &str, body: &Value) -> String {
        let response = self.send(method, path, body).await;
        assert_eq!(response.status(), 400, "{path}: {}", text(&response));
        let body = value(&response);
        assert_eq!(body["ErrorNumber"], 10);
        assert_eq!(body["Type"], "ValidationException");
        body["Elements"][0]["ValidationErrors"][0]["Message"].as_str().unwrap_or_default().to_owned()
    }
}

/// A complete invoice for a contact.
pub(crate) fn body(contact: &str, number: &str, status: &str, lines: &[(&str, &str)]) -> Value {
    let lines: Vec<Value> = lines
        .iter()
        .map(|(quantity, unit)| {
            let number = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            json!({ "Description": "Work", "Quantity": number(quantity), "UnitAmount": number(unit), "AccountCode": "200" })
        })
        .collect();
    json!({
        "Type": "ACCREC", "Contact": { "ContactID": contact }, "InvoiceNumber": number, "Reference": format!("coportal:{number}"),
        "Date": "2026-03-10", "DueDate": "2026-03-24", "LineAmountTypes": "Exclusive", "Status": status, "LineItems": lines,
        "Url": "https://app.example/invoices/1",
    })
}
