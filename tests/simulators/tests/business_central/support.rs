//! A signed-in caller of the simulator, in process.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use simulators::business_central::{Config, Simulator};
use simulators::skeleton::consent::Consent;
use simulators::skeleton::tokens::s256;
use simulators::{Answer, Clock};

pub(crate) const CLIENT: &str = "client";
pub(crate) const SECRET: &str = "secret";
pub(crate) const REDIRECT: &str = "https://app.example/callback";
pub(crate) const SCOPES: &str = "https://api.businesscentral.dynamics.com/.default offline_access openid profile";
pub(crate) const VERIFIER: &str = "a-verifier-of-more-than-forty-three-characters-0123";

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
        "/organizations/oauth2/v2.0/authorize?response_type=code&client_id={CLIENT}&redirect_uri={}&scope={}&state=xyz&code_challenge={}\
         &code_challenge_method=S256&nonce=n1{extra}",
        encode(REDIRECT),
        encode(scopes),
        s256(VERIFIER)
    )
}

/// Where the browser is sent, as pairs.
pub(crate) async fn redirected(simulator: &Simulator, path: &str) -> Vec<(String, String)> {
    let response = whole(answer(simulator, Request::get(path), "").await);
    assert_eq!(response.status(), 302, "{}", text(&response));
    let to = url::Url::parse(header(&response, "location")).unwrap();
    assert!(to.as_str().starts_with(REDIRECT));
    to.query_pairs().into_owned().collect()
}

pub(crate) fn named(pairs: &[(String, String)], name: &str) -> String {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

pub(crate) async fn code(simulator: &Simulator, scopes: &str) -> String {
    named(&redirected(simulator, &authorize_path("", scopes)).await, "code")
}

pub(crate) async fn token(simulator: &Simulator, pairs: &[(&str, &str)]) -> Response<Bytes> {
    token_at(simulator, "organizations", pairs).await
}

pub(crate) async fn token_at(simulator: &Simulator, tenant: &str, pairs: &[(&str, &str)]) -> Response<Bytes> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs);
    let request = Request::post(format!("/{tenant}/oauth2/v2.0/token")).header("content-type", "application/x-www-form-urlencoded");
    whole(answer(simulator, request, &form.finish()).await)
}

pub(crate) async fn redeem(simulator: &Simulator, code: &str) -> Response<Bytes> {
    let pairs = [
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    token(simulator, &pairs).await
}

pub(crate) async fn refresh(simulator: &Simulator, refresh: &str) -> Response<Bytes> {
    let pairs = [("grant_type", "refresh_token"), ("client_id", CLIENT), ("client_secret", SECRET), ("refresh_token", refresh)];
    token(simulator, &pairs).await
}

/// The claims of a readable token.
pub(crate) fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// Signed in, and aimed at one company.
pub(crate) struct Caller {
    pub(crate) simulator: Simulator,
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) tenant: String,
    pub(crate) environment: String,
    pub(crate) company: String,
}

/// Signed in to everything, aimed at the first company.
pub(crate) async fn connected() -> Caller {
    connect(simulator(), Consent::approve()).await
}

pub(crate) async fn connect(simulator: Simulator, consent: Consent) -> Caller {
    simulator.set_consent(consent).unwrap();
    let code = code(&simulator, SCOPES).await;
    let tokens = value(&redeem(&simulator, &code).await);
    let access = tokens["access_token"].as_str().unwrap().to_owned();
    Caller {
        tenant: claims(&access)["tid"].as_str().unwrap().to_owned(),
        environment: "Production".to_owned(),
        company: simulator.state().organisations[0].id.clone(),
        refresh: tokens["refresh_token"].as_str().unwrap_or_default().to_owned(),
        access,
        simulator,
    }
}

impl Caller {
    /// The same caller, aimed at the company at this position.
    pub(crate) fn at(&self, position: usize) -> Self {
        Self {
            simulator: self.simulator.clone(),
            access: self.access.clone(),
            refresh: self.refresh.clone(),
            tenant: self.tenant.clone(),
            environment: if position == 2 { "Sandbox" } else { "Production" }.to_owned(),
            company: self.simulator.state().organisations[position].id.clone(),
        }
    }

    pub(crate) fn root(&self) -> String {
        format!("/v2.0/{}/{}/api/v2.0", self.tenant, self.environment)
    }

    pub(crate) fn raw(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.access))
            .header("accept", "application/json")
            .header("content-type", "application/json")
    }

    /// Below the company; a query in `path` is taken as it is.
    pub(crate) fn request(&self, method: &str, path: &str) -> http::request::Builder {
        self.raw(method, &format!("{}/companies({})/{path}", self.root(), self.company))
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> Response<Bytes> {
        let body = if body.is_null() { String::new() } else { ordered(body) };
        whole(answer(&self.simulator, self.request(method, path), &body).await)
    }

    pub(crate) async fn guarded(&self, etag: &str, method: &str, path: &str, body: &Value) -> Response<Bytes> {
        let body = if body.is_null() { String::new() } else { ordered(body) };
        whole(answer(&self.simulator, self.request(method, path).header("if-match", etag), &body).await)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.send("GET", path, &Value::Null).await;
        assert_eq!(response.status(), 200, "{path}: {}", text(&response));
        value(&response)
    }

    /// The entities of a set under a filter.
    pub(crate) async fn found(&self, set: &str, filter: &str) -> Vec<Value> {
        let list = self.get(&format!("{set}?$filter={}", encode(filter))).await;
        list["value"].as_array().unwrap().clone()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let response = self.send("POST", path, body).await;
        assert_eq!(response.status(), 201, "{path}: {}", text(&response));
        value(&response)
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Value {
        let response = self.guarded("*", "PATCH", path, body).await;
        assert_eq!(response.status(), 200, "{path}: {}", text(&response));
        value(&response)
    }

    /// Status, code and message of a refused call.
    pub(crate) async fn refused(&self, method: &str, path: &str, body: &Value) -> (u16, String, String) {
        let response = self.guarded("*", method, path, body).await;
        assert!(response.status().as_u16() >= 400, "{path}: {}", text(&response));
        let error = value(&response)["error"].clone();
        let message = error["message"].as_str().unwrap_or_else(|| panic!("{path}: {}", text(&response))).to_owned();
        assert!(message.contains("CorrelationId:"), "{message}");
        (response.status().as_u16(), error["code"].as_str().unwrap().to_owned(), message)
    }

    /// A new customer's id.
    pub(crate) async fn customer(&self, name: &str) -> String {
        let made = self.post("customers", &json!({ "displayName": name })).await;
        made["id"].as_str().unwrap().to_owned()
    }

    /// A new draft's id.
    pub(crate) async fn draft(&self, customer: &str, number: &str) -> String {
        let body =
            json!({ "customerId": customer, "externalDocumentNumber": number, "invoiceDate": "2026-03-10", "dueDate": "2026-03-24" });
        self.post("salesInvoices", &body).await["id"].as_str().unwrap().to_owned()
    }

    /// A new line, as replied.
    pub(crate) async fn line(&self, invoice: &str, sequence: u32, unit_price: &str) -> Value {
        self.post(&format!("salesInvoices({invoice})/salesInvoiceLines"), &line(sequence, unit_price)).await
    }

    /// A draft of one customer with these prices, one line each.
    pub(crate) async fn invoice(&self, number: &str, prices: &[&str]) -> String {
        let customer = self.customer("Acme Ltd").await;
        let invoice = self.draft(&customer, number).await;
        for (price, sequence) in prices.iter().zip((1_u32..).map(|position| position * 10_000)) {
            self.line(&invoice, sequence, price).await;
        }
        invoice
    }

    pub(crate) async fn act(&self, path: &str) {
        let response = self.send("POST", path, &Value::Null).await;
        assert_eq!(response.status(), 204, "{path}: {}", text(&response));
        assert!(response.body().is_empty());
    }
}

/// A line on the first revenue account.
pub(crate) fn line(sequence: u32, unit_price: &str) -> Value {
    let price: Value = serde_json::from_str(unit_price).unwrap();
    json!({
        "sequence": sequence, "lineType": "Account", "lineObjectNumber": "6110", "description": "Work", "quantity": 1, "unitPrice": price,
    })
}

/// JSON text with the type of a line before its number, and both before what they would overwrite: the service reads fields in their order.
pub(crate) fn ordered(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let first =
                |name: &str| ["lineType", "itemId", "accountId", "lineObjectNumber"].iter().position(|one| *one == name).unwrap_or(9);
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| first(name));
            let members: Vec<_> = members.iter().map(|(name, value)| format!("{}:{}", json!(name), ordered(value))).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(ordered).collect::<Vec<_>>().join(",")),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain.to_string(),
    }
}

/// Several members as one value.
pub(crate) fn pick(value: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| value[*name].clone()).collect()
}
