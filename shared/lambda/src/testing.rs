//! What tests of functions stand on: the real SDK over a connector without sockets, behind it an embedded DynamoDB with the table of
//! docs/records.md; a clock that tests move; an issuer of tokens; the log lines. Compiled for tests only (feature `testing`).

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use axum::Router;
use coportal_aws::cloud::{CloudConfig, CloudCredentials, Endpoints};
use coportal_aws::queues::QueueUrls;
use coportal_aws::store::Store;
use coportal_core::ctx::{Clock, Ctx};
use coportal_core::id::{UserId, WorkspaceId};
use coportal_core::secret::Secret;
use coportal_core::workspace::{Member, Plan, Role, TaxRounding, Workspace};
use dynoxide::Database;
use http::{HeaderMap, Method, Request};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use url::Url;

use crate::authn::token::{Claims, KeySource, KeysUnavailable, MEMBER_TYP, SERVICE_TYP, Verifier, WORKSPACES_SCOPE, service_audience};
use crate::config;
use crate::shell::{Parts, Shell};
use crate::system::SystemRandom;
use crate::telemetry::{Sink, Telemetry};

/// Issuer of the tokens.
pub const ISSUER: &str = "https://id.test";
/// Audience of the tokens.
pub const AUDIENCE: &str = "coportal";
/// The API's own origin.
pub const ORIGIN: &str = "https://api.test";
const TABLE: &str = "coportal";
const KID: &str = "key-1";

fn must<T, E: Debug>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => unreachable!("a test's own material is wrong: {error:?}"),
    }
}

/// A clock that stands still until a test moves it; at first 2026-03-01T09:00:00Z.
#[derive(Debug, Clone)]
pub struct FixedClock(Arc<Mutex<Timestamp>>);

impl Default for FixedClock {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(must("2026-03-01T09:00:00Z".parse()))))
    }
}

impl FixedClock {
    /// Moves it.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = must(now.checked_add(by));
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Log lines, kept.
#[derive(Debug, Clone, Default)]
pub struct Collected(Arc<Mutex<Vec<String>>>);

impl Collected {
    /// The lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sink for Collected {
    fn write(&self, line: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    }
}

/// An issuer whose keys can be withdrawn, exchanged and out of reach.
#[derive(Clone)]
pub struct TestIssuer(Arc<Mutex<IssuerState>>);

struct IssuerState {
    key: Vec<u8>,
    kid: String,
    published: BTreeSet<String>,
    reachable: bool,
    fetches: u32,
}

impl Default for TestIssuer {
    fn default() -> Self {
        let published = BTreeSet::from([KID.to_owned()]);
        Self(Arc::new(Mutex::new(IssuerState { key: fresh_key(), kid: KID.to_owned(), published, reachable: true, fetches: 0 })))
    }
}

fn fresh_key() -> Vec<u8> {
    let pair = must(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING));
    must(pair.to_pkcs8v1()).as_ref().to_vec()
}

impl TestIssuer {
    fn with<T>(&self, act: impl FnOnce(&mut IssuerState) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Signs with another key from now on, and publishes it.
    pub fn rotate(&self, kid: &str) {
        self.with(|state| {
            state.key = fresh_key();
            state.kid = kid.to_owned();
            state.published = BTreeSet::from([kid.to_owned()]);
        });
    }

    /// Whether its key set can be read.
    pub fn reachable(&self, reachable: bool) {
        self.with(|state| state.reachable = reachable);
    }

    /// How often its key set was asked for.
    #[must_use]
    pub fn fetches(&self) -> u32 {
        self.with(|state| state.fetches)
    }

    /// Signs claims under a header.
    #[must_use]
    pub fn sign(&self, header: &Header, claims: &Value) -> String {
        self.with(|state| must(jsonwebtoken::encode(header, claims, &EncodingKey::from_ec_der(&state.key))))
    }

    /// A header with this issuer's key and a `typ`.
    #[must_use]
    pub fn header(&self, typ: &str) -> Header {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.with(|state| state.kid.clone()));
        header
    }
}

impl KeySource for TestIssuer {
    fn fetch<'a>(&'a self, _: &'a Url) -> Pin<Box<dyn Future<Output = Result<JwkSet, KeysUnavailable>> + Send + 'a>> {
        let answer = self.with(|state| {
            state.fetches += 1;
            if !state.reachable {
                return Err(KeysUnavailable("no connection".to_owned()));
            }
            let mut jwk = must(Jwk::from_encoding_key(&EncodingKey::from_ec_der(&state.key), Algorithm::ES256));
            jwk.common.key_id = state.published.first().cloned();
            Ok(JwkSet { keys: vec![jwk] })
        });
        Box::pin(async move { answer })
    }
}

/// An embedded DynamoDB behind the SDK's own client.
#[derive(Clone)]
struct EmbeddedTable(Database);

impl Debug for EmbeddedTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EmbeddedTable")
    }
}

impl EmbeddedTable {
    fn new() -> Self {
        let attributes: Vec<Value> = ["pk", "sk", "due_pk", "due_sk", "ix_pk", "ix_sk"]
            .iter()
            .map(|name| json!({"AttributeName": name, "AttributeType": "S"}))
            .collect();
        let keys = |pk: &str, sk: &str| json!([{"AttributeName": pk, "KeyType": "HASH"}, {"AttributeName": sk, "KeyType": "RANGE"}]);
        let index = |name: &str, prefix: &str| {
            json!({
                "IndexName": name,
                "KeySchema": keys(&format!("{prefix}_pk"), &format!("{prefix}_sk")),
                "Projection": {"ProjectionType": "ALL"},
            })
        };
        let request = json!({
            "TableName": TABLE, "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": attributes, "KeySchema": keys("pk", "sk"),
            "GlobalSecondaryIndexes": [index("due", "due"), index("list", "ix")],
        });
        let db = must(Database::memory());
        must(db.create_table(must(serde_json::from_value(request))));
        Self(db)
    }

    fn answer(&self, operation: &str, body: Value) -> (u16, String) {
        macro_rules! run {
            ($method:ident) => {
                match self.0.$method(must(serde_json::from_value(body))) {
                    Ok(answer) => (200, must(serde_json::to_string(&answer))),
                    Err(error) => (error.status_code(), error.to_json()),
                }
            };
        }
        match operation {
            "GetItem" => run!(get_item),
            "BatchGetItem" => run!(batch_get_item),
            "Query" => run!(query),
            "PutItem" => run!(put_item),
            "UpdateItem" => run!(update_item),
            "DeleteItem" => run!(delete_item),
            "TransactWriteItems" => run!(transact_write_items),
            other => unreachable!("the records use no {other}"),
        }
    }
}

impl HttpConnector for EmbeddedTable {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").and_then(|target| target.split_once('.')).map(|(_, name)| name.to_owned());
        let body = request.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok());
        let table = self.clone();
        HttpConnectorFuture::new(async move {
            let (Some(operation), Some(body)) = (operation, body) else {
                return Err(ConnectorError::user("not a DynamoDB request".into()));
            };
            let (status, text) = table.answer(&operation, body);
            Ok(HttpResponse::new(must(StatusCode::try_from(status)), SdkBody::from(text)))
        })
    }
}

/// A whole surrounding for one function.
#[derive(Clone)]
pub struct Bench {
    /// The shell to build the function's router with.
    pub shell: Shell,
    /// The clock.
    pub clock: FixedClock,
    /// The issuer.
    pub issuer: TestIssuer,
    /// The log.
    pub log: Collected,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body; null when empty or not JSON.
    pub body: Value,
}

impl Bench {
    /// An empty table, a reachable issuer.
    #[must_use]
    pub fn new(function: &'static str) -> Self {
        let (clock, issuer, log) = (FixedClock::default(), TestIssuer::default(), Collected::default());
        let connector = SharedHttpConnector::new(EmbeddedTable::new());
        let cloud = CloudConfig {
            region: "eu-west-1".to_owned(),
            table: TABLE.to_owned(),
            token_key: String::new(),
            queues: QueueUrls::default(),
            endpoints: Endpoints::all("http://cloud.test"),
            credentials: CloudCredentials {
                access_key_id: "AKIATEST".to_owned(),
                secret_access_key: Secret::new("test".to_owned()),
                session_token: None,
            },
            http_client: Some(http_client_fn(move |_, _| connector.clone())),
            sleep: None,
            time_source: None,
        };
        let issuers = [config::Issuer { issuer: ISSUER.to_owned(), jwks: must(Url::parse("https://id.test/jwks")) }];
        let settings = config::Telemetry { service: None, namespace: "CoPortal".to_owned(), level: tracing::Level::INFO };
        let shell = Shell::new(Parts {
            clock: Arc::new(clock.clone()),
            random: Arc::new(SystemRandom),
            store: cloud.store(),
            verifier: Verifier::new(&issuers, AUDIENCE, Arc::new(issuer.clone())),
            public_url: must(Url::parse(ORIGIN)),
            telemetry: Telemetry::new(function, &settings, Arc::new(log.clone())),
        });
        Self { shell, clock, issuer, log }
    }

    /// The records.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.shell.store()
    }

    /// Now, in seconds since 1970.
    #[must_use]
    pub fn clock_seconds(&self) -> i64 {
        self.clock.now().as_second()
    }

    /// A context.
    #[must_use]
    pub fn ctx(&self) -> Ctx {
        self.shell.ctx()
    }

    /// A workspace on a plan (GBP, GB, tax per line), with one member of each role: `owner`, `admin`, `member`.
    pub async fn workspace(&self, plan: Plan) -> WorkspaceId {
        let ctx = self.ctx();
        let id = WorkspaceId::new(ctx.uuid());
        let workspace = Workspace {
            id,
            name: "Studio North".to_owned(),
            plan,
            currency: must("GBP".parse()),
            country: "GB".to_owned(),
            tax_rounding: TaxRounding::Line,
            default_tax_rate: None,
        };
        let _ = must(self.store().put_workspace(&ctx, &workspace).await);
        for (name, role) in [("owner", Role::Owner), ("admin", Role::Admin), ("member", Role::Member)] {
            let member = Member { user: must(name.parse()), role, teams: Vec::new(), active: true };
            let _ = must(self.store().put_member(&ctx, id, &member).await);
        }
        id
    }

    /// Claims of a member's token that is good for 12 hours.
    #[must_use]
    pub fn claims(&self, ws: WorkspaceId, user: &str) -> Claims {
        let now = self.clock.now().as_second();
        let user: UserId = must(user.parse());
        Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user.to_string(),
            ws: Some(ws),
            sid: Some("sid-1".to_owned()),
            amr: vec!["pwd".to_owned()],
            exp: now + 12 * 3600,
            iat: Some(now),
            nbf: None,
            ssc: None,
            auth_time: None,
            scope: None,
        }
    }

    /// A member's token.
    #[must_use]
    pub fn token(&self, ws: WorkspaceId, user: &str) -> String {
        self.issuer.sign(&self.issuer.header(MEMBER_TYP), &must(serde_json::to_value(self.claims(ws, user))))
    }

    /// A service's token with the scope of the workspace routes.
    #[must_use]
    pub fn service_token(&self) -> String {
        let now = self.clock.now().as_second();
        let claims = json!({
            "iss": ISSUER, "aud": service_audience(AUDIENCE), "sub": "backend", "exp": now + 300, "iat": now, "scope": WORKSPACES_SCOPE,
        });
        self.issuer.sign(&self.issuer.header(SERVICE_TYP), &claims)
    }

    /// Sends a request to a router as API Gateway would.
    pub async fn send(&self, router: &Router, request: Request<axum::body::Body>) -> Answered {
        let mut router = router.clone();
        let response = match tower_call(&mut router, request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        let bytes = must(axum::body::to_bytes(body, usize::MAX).await);
        Answered { status: parts.status.as_u16(), headers: parts.headers, body: serde_json::from_slice(&bytes).unwrap_or_default() }
    }

    /// Sends JSON with a bearer token and more headers.
    pub async fn call(
        &self,
        router: &Router,
        token: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answered {
        let mut request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(value) => {
                request = request.header("content-type", "application/json");
                axum::body::Body::from(value.to_string())
            }
            None => axum::body::Body::empty(),
        };
        self.send(router, must(request.body(body))).await
    }
}

async fn tower_call(router: &mut Router, request: Request<axum::body::Body>) -> Result<axum::response::Response, std::convert::Infallible> {
    use lambda_http::tower::Service as _;
    router.call(request).await
}
