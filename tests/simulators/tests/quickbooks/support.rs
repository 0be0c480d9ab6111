//! A signed-in caller of the simulator, in process.

use base64::Engine as _;
use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use simulators::quickbooks::{Action, Config, Simulator};
use simulators::skeleton::consent::Consent;
use simulators::skeleton::state::Seed;
use simulators::{Answer, Clock};

pub(crate) const CLIENT: &str = "client";
pub(crate) const SECRET: &str = "secret";
pub(crate) const REDIRECT: &str = "https://app.example/callback";
pub(crate) const SCOPE: &str = "com.intuit.quickbooks.accounting";

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

pub(crate) fn authorize_path(extra: &str) -> String {
    format!(
        "/connect/oauth2?response_type=code&client_id={CLIENT}&redirect_uri={}&scope={}&state=xyz{extra}",
        encode(REDIRECT),
        encode(SCOPE)
    )
}

/// The query parameter of a redirect's target.
pub(crate) fn returned(response: &Response<Bytes>, name: &str) -> Option<String> {
    let to = url::Url::parse(header(response, "location")).unwrap();
    to.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Goes through consent (which must be scripted); the redirect.
pub(crate) async fn consented(simulator: &Simulator) -> Response<Bytes> {
    let response = whole(answer(simulator, Request::get(authorize_path("")), "").await);
    assert_eq!(response.status(), 302, "{}", text(&response));
    response
}

pub(crate) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}")))
}

pub(crate) fn token_request() -> http::request::Builder {
    Request::post("/oauth2/v1/tokens/bearer")
        .header("authorization", basic(CLIENT, SECRET))
        .header("content-type", "application/x-www-form-urlencoded")
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub(crate) async fn redeem(simulator: &Simulator, code: &str) -> Response<Bytes> {
    let body = form(&[("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT)]);
    whole(answer(simulator, token_request(), &body).await)
}

pub(crate) async fn refresh(simulator: &Simulator, token: &str) -> Response<Bytes> {
    let body = form(&[("grant_type", "refresh_token"), ("refresh_token", token)]);
    whole(answer(simulator, token_request(), &body).await)
}

/// A connected caller.
pub(crate) struct Caller {
    pub(crate) simulator: Simulator,
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) realm: String,
}

/// Connected to the British company.
pub(crate) async fn gb() -> Caller {
    connect(simulator(), "Harbour & Hill Ltd").await
}

/// Connected to the company in the US.
pub(crate) async fn us() -> Caller {
    connect(simulator(), "Table Rock Studio LLC").await
}

pub(crate) async fn connect(simulator: Simulator, company: &str) -> Caller {
    simulator.set_consent(Consent::approve_only(&[company])).unwrap();
    let back = consented(&simulator).await;
    let tokens = value(&redeem(&simulator, &returned(&back, "code").unwrap()).await);
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    Caller { access: text("access_token"), refresh: text("refresh_token"), realm: returned(&back, "realmId").unwrap(), simulator }
}

/// A seed in JSON, put in.
pub(crate) fn seed(simulator: &Simulator, seed: Value) -> simulators::skeleton::state::State {
    simulator.seed(&serde_json::from_value::<Seed>(seed).unwrap()).unwrap()
}

impl Caller {
    pub(crate) fn path(&self, path: &str) -> String {
        format!("/v3/company/{}/{path}", self.realm)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(self.path(path))
            .header("authorization", format!("Bearer {}", self.access))
            .header("accept", "application/json")
            .header("content-type", "application/json")
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> Response<Bytes> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        whole(answer(&self.simulator, self.request(method, path), &body).await)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.send("GET", path, &Value::Null).await;
        assert_eq!(response.status(), 200, "{path}: {}", text(&response));
        value(&response)
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let response = self.send("POST", path, body).await;
        assert_eq!(response.status(), 200, "{path}: {}", text(&response));
        value(&response)
    }

    /// The error of a call that is refused with 400.
    pub(crate) async fn refused(&self, method: &str, path: &str, body: &Value) -> Value {
        let response = self.send(method, path, body).await;
        assert_eq!(response.status(), 400, "{path}: {}", text(&response));
        let fault = value(&response)["Fault"].clone();
        assert!(["ValidationFault", "AuthorizationFault"].contains(&fault["type"].as_str().unwrap()));
        fault["Error"][0].clone()
    }

    /// Its code alone.
    pub(crate) async fn code(&self, method: &str, path: &str, body: &Value) -> String {
        self.refused(method, path, body).await["code"].as_str().unwrap().to_owned()
    }

    /// The simulator does not know.
    pub(crate) async fn not_modelled(&self, method: &str, path: &str, body: &Value) {
        let response = self.send(method, path, body).await;
        assert_eq!(response.status(), 501, "{path}: {}", text(&response));
        assert_eq!(value(&response)["Type"], "NotModelled");
    }

    pub(crate) async fn query(&self, text: &str) -> Value {
        self.get(&format!("query?query={}&minorversion=75", encode(text))).await["QueryResponse"].clone()
    }

    pub(crate) async fn query_refused(&self, text: &str) -> String {
        self.code("GET", &format!("query?query={}", encode(text)), &Value::Null).await
    }

    pub(crate) fn act(&self, action: Value) {
        self.simulator.bookkeeper(serde_json::from_value::<Action>(action).unwrap()).unwrap();
    }

    /// A new customer's id.
    pub(crate) async fn customer(&self, name: &str) -> String {
        let made = self.post("customer", &json!({ "DisplayName": name })).await;
        made["Customer"]["Id"].as_str().unwrap().to_owned()
    }

    /// A new invoice, as replied.
    pub(crate) async fn invoice(&self, body: &Value) -> Value {
        self.post("invoice?minorversion=75", body).await["Invoice"].clone()
    }
}

/// A number of exactly these digits.
pub(crate) fn number(digits: &str) -> Value {
    serde_json::from_str(digits).unwrap()
}

/// A line of one item: quantity, price, amount, tax code.
pub(crate) fn line(quantity: &str, unit: &str, amount: &str, code: &str) -> Value {
    json!({
        "DetailType": "SalesItemLineDetail", "Amount": number(amount), "Description": "Work",
        "SalesItemLineDetail": { "ItemRef": { "value": "1" }, "Qty": number(quantity), "UnitPrice": number(unit), "TaxCodeRef": { "value": code } }
    })
}

/// A complete British invoice.
pub(crate) fn body(customer: &str, number: &str, lines: Vec<Value>) -> Value {
    json!({
        "CustomerRef": { "value": customer }, "DocNumber": number, "TxnDate": "2026-03-10", "DueDate": "2026-03-24",
        "PrivateNote": format!("coportal:{number}"), "EmailStatus": "NotSet", "GlobalTaxCalculation": "TaxExcluded", "Line": lines,
    })
}

/// `{"Id", "SyncToken"}` of a record, with more members.
pub(crate) fn aimed(record: &Value, more: Value) -> Value {
    let mut body = json!({ "Id": record["Id"], "SyncToken": record["SyncToken"] });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// The digits of a number in a reply's text, which a parsed value would lose.
pub(crate) fn raw_digits(text: &str, path: &[&str]) -> String {
    let mut raw: Box<RawValue> = serde_json::from_str(text).unwrap();
    for name in path {
        let mut members: std::collections::BTreeMap<String, Box<RawValue>> = serde_json::from_str(raw.get()).unwrap();
        raw = members.remove(*name).unwrap();
    }
    raw.get().to_owned()
}
