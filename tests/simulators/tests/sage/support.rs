//! A signed-in caller of the simulator, in process.

use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use simulators::sage::{Config, Simulator};
use simulators::skeleton::consent::Consent;
use simulators::{Answer, Clock};

pub(crate) const CLIENT: &str = "client";
pub(crate) const SECRET: &str = "secret";
pub(crate) const REDIRECT: &str = "https://app.example/callback";

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
    format!("/oauth2/auth/central?filter=apiv3.1&response_type=code&client_id={CLIENT}&redirect_uri={}&state=xyz{extra}", encode(REDIRECT))
}

/// The query parameter of a redirect's target.
pub(crate) fn returned(response: &Response<Bytes>, name: &str) -> Option<String> {
    let to = url::Url::parse(header(response, "location")).unwrap();
    to.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Goes through consent (which must be scripted) and returns the code.
pub(crate) async fn code(simulator: &Simulator, extra: &str) -> String {
    let response = whole(answer(simulator, Request::get(authorize_path(extra)), "").await);
    assert_eq!(response.status(), 302, "{}", text(&response));
    assert_eq!(returned(&response, "state").as_deref(), Some("xyz"));
    returned(&response, "code").unwrap()
}

pub(crate) async fn form_call(simulator: &Simulator, path: &str, form: &[(&str, &str)]) -> Response<Bytes> {
    let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded").header("accept", "application/json");
    whole(answer(simulator, request, &body).await)
}

pub(crate) async fn token_call(simulator: &Simulator, form: &[(&str, &str)]) -> Response<Bytes> {
    let form: Vec<(&str, &str)> = [("client_id", CLIENT), ("client_secret", SECRET)].iter().chain(form).copied().collect();
    form_call(simulator, "/token", &form).await
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
    /// Sent as `X-Business` unless empty.
    pub(crate) business: String,
}

/// Connects to all three businesses; the caller is aimed at the first, the British one.
pub(crate) async fn connected() -> Caller {
    connect(simulator(), "full_access").await
}

pub(crate) async fn connect(simulator: Simulator, scope: &str) -> Caller {
    let names: Vec<String> = simulator.state().organisations.into_iter().map(|organisation| organisation.name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    simulator.set_consent(Consent::approve_only(&names)).unwrap();
    let code = code(&simulator, &format!("&scope={scope}")).await;
    let tokens = value(&redeem(&simulator, &code).await);
    let said = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let business = simulator.state().organisations[0].id.clone();
    Caller { access: said("access_token"), refresh: said("refresh_token"), business, simulator }
}

impl Caller {
    /// The same caller, aimed at another business.
    pub(crate) fn aimed(&self, business: &str) -> Self {
        let (access, refresh) = (self.access.clone(), self.refresh.clone());
        Self { simulator: self.simulator.clone(), access, refresh, business: business.to_owned() }
    }

    /// The same caller, aimed at the business at this position.
    pub(crate) fn at(&self, position: usize) -> Self {
        self.aimed(&self.simulator.state().organisations[position].id)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(format!("/v3.1{path}"))
            .header("authorization", format!("Bearer {}", self.access))
            .header("accept", "application/json")
            .header("content-type", "application/json");
        if self.business.is_empty() { request } else { request.header("x-business", &self.business) }
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> Response<Bytes> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        whole(answer(&self.simulator, self.request(method, path), &body).await)
    }

    async fn good(&self, method: &str, path: &str, body: &Value, status: u16) -> Value {
        let response = self.send(method, path, body).await;
        assert_eq!(response.status().as_u16(), status, "{method} {path}: {}", text(&response));
        value(&response)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.good("GET", path, &Value::Null, 200).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        self.good("POST", path, body, 201).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Value {
        self.good("PUT", path, body, 200).await
    }

    /// A refusal: status, `$dataCode` and `$source` of its first error.
    pub(crate) async fn refused(&self, method: &str, path: &str, body: &Value) -> (u16, String, String) {
        let response = self.send(method, path, body).await;
        assert!(response.status().as_u16() >= 400, "{method} {path}: {}", text(&response));
        let errors = value(&response);
        if response.status() == 501 {
            return (501, errors["Type"].as_str().unwrap().to_owned(), String::new());
        }
        let first = &errors.as_array().unwrap_or_else(|| panic!("no array: {errors}"))[0];
        assert_eq!(first["$severity"], "error");
        assert!(!first["$message"].as_str().unwrap().is_empty());
        let said = |name: &str| first[name].as_str().unwrap().to_owned();
        (response.status().as_u16(), said("$dataCode"), said("$source"))
    }

    /// The `$source` of a 422.
    pub(crate) async fn invalid(&self, method: &str, path: &str, body: &Value) -> String {
        let (status, code, source) = self.refused(method, path, body).await;
        assert_eq!((status, code.as_str()), (422, "RecordInvalid"), "{method} {path} {body}");
        source
    }

    /// A new customer's id.
    pub(crate) async fn contact(&self, name: &str) -> String {
        id(&self.post("/contacts", &json!({ "contact": { "name": name, "contact_type_ids": ["CUSTOMER"] } })).await)
    }

    /// The id of the first sales account.
    pub(crate) async fn sales_account(&self) -> String {
        let accounts = self.get("/ledger_accounts?visible_in=sales").await;
        accounts["$items"][0]["id"].as_str().unwrap().to_owned()
    }

    /// A complete issued invoice for a contact: description, quantity and price of each line, with the tax at 20%.
    pub(crate) async fn body(&self, contact: &str, lines: &[(&str, &str, &str)]) -> Value {
        let account = self.sales_account().await;
        let number = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let lines: Vec<Value> = lines
            .iter()
            .map(|(quantity, price, tax)| {
                json!({
                    "description": "Work", "ledger_account_id": account, "quantity": number(quantity), "unit_price": number(price),
                    "tax_rate_id": "GB_STANDARD", "tax_amount": number(tax),
                })
            })
            .collect();
        json!({ "sales_invoice": {
            "contact_id": contact, "date": "2026-03-10", "due_date": "2026-03-24", "reference": "CP-1", "invoice_lines": lines,
        } })
    }

    /// An issued invoice over 120.00 for a new customer, as replied.
    pub(crate) async fn invoice(&self) -> Value {
        let contact = self.contact("Acme Ltd").await;
        let body = self.body(&contact, &[("2", "50", "20")]).await;
        self.post("/sales_invoices", &body).await
    }

    /// The same as a draft.
    pub(crate) async fn draft(&self) -> Value {
        let contact = self.contact("Acme Ltd").await;
        let mut body = self.body(&contact, &[("2", "50", "20")]).await;
        body["sales_invoice"]["status_id"] = json!("DRAFT");
        self.post("/sales_invoices", &body).await
    }

    /// An invoice with everything in it, without flagging it as sent.
    pub(crate) async fn read(&self, id: &str) -> Value {
        self.get(&format!("/sales_invoices/{id}?nested_attributes=all&show_payments_allocations=true&mark_as_sent=false")).await
    }
}

pub(crate) fn id(object: &Value) -> String {
    object["id"].as_str().unwrap_or_else(|| panic!("no id: {object}")).to_owned()
}
