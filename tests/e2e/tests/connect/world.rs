//! Two workspaces, their people, a browser each, and a ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use coportal_aws::cloud::{CloudConfig, CloudCredentials, Endpoints};
use coportal_aws::queues::QueueUrls;
use coportal_aws::store::Store;
use coportal_core::connection::Connection;
use coportal_core::ctx::Ctx;
use coportal_core::id::{UserId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::secret::Secret;
use coportal_core::workspace::{Member, Plan, Role, TaxRounding, Workspace};
use coportal_engine::{Engine, LedgerSettings, Settings};
use coportal_lambda::authn::token::{Claims, MEMBER_TYP, SERVICE_TYP, Verifier, WORKSPACES_SCOPE, service_audience};
use coportal_lambda::authn::{SESSION_COOKIE, csrf_token, new_session};
use coportal_lambda::config;
use coportal_lambda::shell::{Parts, Shell};
use coportal_lambda::system::SystemRandom;
use coportal_lambda::telemetry::Telemetry;
use coportal_lambda::testing::{AUDIENCE, Collected, ISSUER, TestIssuer};
use coportal_ledgers::exec::{Transport, TransportError};
use coportal_ledgers::{Endpoints as LedgerEndpoints, Ledgers, XeroEndpoints};
use coportal_local::assembly::{LocalCloud, TABLE_NAME};
use coportal_local::doubles::sqs;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use simulators::skeleton::calls::Call;
use simulators::skeleton::consent::Consent;
use simulators::xero::{Config, Simulator};
use simulators::{Answer, Clock};
use tower::ServiceExt as _;
use url::Url;

pub(crate) const ORIGIN: &str = "https://coportal.test";
const XERO: &str = "https://xero.test";
const CLIENT_ID: &str = "e2e-client";
pub(crate) const CLIENT_SECRET: &str = "canary-client-secret";
/// The simulator's two organisations.
pub(crate) const UK: &str = "Harbour & Hill Ltd";

/// The product's clock is the simulator's.
struct SharedClock(Clock);

impl coportal_core::ctx::Clock for SharedClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// Vendor calls, in process.
struct ToSimulator(Simulator);

impl Transport for ToSimulator {
    fn send<'a>(&'a self, request: Request<Bytes>, _: Duration) -> BoxFuture<'a, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            match self.0.handle(request).await {
                Answer::Response(response) => Ok(response),
                Answer::Refused => Err(TransportError::NotSent("refused".to_owned())),
                Answer::Dropped { .. } | Answer::Truncated(_) => Err(TransportError::MaybeSent("cut".to_owned())),
                Answer::Slow { response, ticket, .. } => {
                    self.0.release(ticket);
                    Ok(response)
                }
            }
        })
    }
}

/// One workspace and its people: `owner`, `admin`, `other-admin`, `member`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tenant {
    pub(crate) id: WorkspaceId,
}

/// Everything.
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) simulator: Simulator,
    pub(crate) engine: Engine,
    pub(crate) log: Collected,
    pub(crate) one: Tenant,
    pub(crate) two: Tenant,
    issuer: TestIssuer,
    shell: Shell,
    api: Router,
    pages: Router,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} {}", self.status, self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The value of `__Host-connect` that was set.
    pub(crate) fn connect_cookie(&self) -> String {
        self.header("set-cookie").strip_prefix("__Host-connect=").unwrap().split(';').next().unwrap().to_owned()
    }
}

/// A sign-in under way.
pub(crate) struct Started {
    pub(crate) authorize_url: String,
    pub(crate) cookie: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(true).await
    }

    /// `available`: whether the vendor has approved the app.
    pub(crate) async fn with(available: bool) -> Self {
        let clock = Clock::fixed("2026-03-02T09:00:00Z".parse().unwrap());
        let cloud = LocalCloud::open(ORIGIN, None, clock.clone()).unwrap();
        cloud.cloud.ssm().put_text("/coportal/xero/client-id", CLIENT_ID);
        cloud.cloud.ssm().put_secure("/coportal/xero/client-secret", CLIENT_SECRET);
        let redirect = format!("{ORIGIN}/v1/oauth/xero/callback");
        let simulator = Simulator::new(Config {
            clock: clock.clone(),
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            redirect_uris: vec![redirect],
            seed: 7,
        });
        let config = CloudConfig {
            region: "eu-west-1".to_owned(),
            table: TABLE_NAME.to_owned(),
            token_key: cloud.cloud.kms().arn("TokenKey").unwrap(),
            endpoints: Endpoints::all("https://aws.test"),
            queues: QueueUrls { now: Some(sqs::url("SyncNow")), bulk: Some(sqs::url("SyncBulk")) },
            credentials: CloudCredentials {
                access_key_id: "AKIDEXAMPLE".to_owned(),
                secret_access_key: Secret::new("e2e".to_owned()),
                session_token: None,
            },
            http_client: Some(coportal_local::sdk::http_client(cloud.cloud.clone())),
            sleep: None,
            time_source: None,
        };
        let connected = config.connect();
        let settings = Settings {
            public_url: ORIGIN.to_owned(),
            app_url: ORIGIN.to_owned(),
            ledgers: BTreeMap::from([(
                Ledger::Xero,
                LedgerSettings {
                    client_id_parameter: "/coportal/xero/client-id".to_owned(),
                    client_secret_parameter: "/coportal/xero/client-secret".to_owned(),
                    available,
                },
            )]),
        };
        let endpoints = LedgerEndpoints { xero: XeroEndpoints::at(&Url::parse(XERO).unwrap()), ..LedgerEndpoints::default() };
        let engine = Engine {
            store: connected.store.clone(),
            vault: connected.vault,
            queues: connected.queues,
            parameters: connected.parameters,
            ledgers: Ledgers::new(Arc::new(ToSimulator(simulator.clone())), endpoints),
            settings: Arc::new(settings),
        };
        let (issuer, log) = (TestIssuer::default(), Collected::default());
        let issuers = [config::Issuer { issuer: ISSUER.to_owned(), jwks: Url::parse("https://id.test/jwks").unwrap() }];
        let telemetry = config::Telemetry { service: None, namespace: "CoPortal".to_owned(), level: tracing::Level::INFO };
        let shell = Shell::new(Parts {
            clock: Arc::new(SharedClock(clock.clone())),
            random: Arc::new(SystemRandom),
            store: connected.store,
            verifier: Verifier::new(&issuers, AUDIENCE, Arc::new(issuer.clone())),
            public_url: Url::parse(ORIGIN).unwrap(),
            telemetry: Telemetry::new("e2e", &telemetry, Arc::new(log.clone())),
        });
        let api = oauth_callback::router(oauth_callback::AppState { shell: shell.clone(), engine: engine.clone() });
        let pages = settings_page::router(settings_page::AppState { shell: shell.clone(), engine: engine.clone() });
        let fresh = || Tenant { id: WorkspaceId::new(shell.ctx().uuid()) };
        let (one, two) = (fresh(), fresh());
        let world = Self { clock, simulator, engine, log, one, two, issuer, shell, api, pages };
        world.seed(one, "Studio One").await;
        world.seed(two, "Studio Two").await;
        world.simulator.set_consent(Consent::approve()).unwrap();
        world
    }

    async fn seed(&self, tenant: Tenant, name: &str) {
        let ctx = self.ctx();
        let workspace = Workspace {
            id: tenant.id,
            name: name.to_owned(),
            plan: Plan::Studio,
            currency: "GBP".parse().unwrap(),
            country: "GB".to_owned(),
            tax_rounding: TaxRounding::Line,
            default_tax_rate: None,
        };
        let _ = self.store().put_workspace(&ctx, &workspace).await.unwrap();
        for (user, role) in [("owner", Role::Owner), ("admin", Role::Admin), ("other-admin", Role::Admin), ("member", Role::Member)] {
            let member = Member { user: user.parse().unwrap(), role, teams: Vec::new(), active: true };
            let _ = self.store().put_member(&ctx, tenant.id, &member).await.unwrap();
        }
    }

    /// Changes the plan, as CoPortal's backend would.
    pub(crate) async fn plan(&self, tenant: Tenant, plan: Plan) {
        let workspace = self.store().workspace(tenant.id).await.unwrap().unwrap();
        let _ = self.store().put_workspace(&self.ctx(), &Workspace { plan, ..workspace }).await.unwrap();
    }

    pub(crate) fn store(&self) -> &Store {
        &self.engine.store
    }

    pub(crate) fn ctx(&self) -> Ctx {
        self.shell.ctx()
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
    }

    // --- requests -----------------------------------------------------------------------------------------------------------------

    pub(crate) fn token(&self, tenant: Tenant, user: &str) -> String {
        let now = self.clock.now().as_second();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user.to_owned(),
            ws: Some(tenant.id),
            sid: None,
            amr: Vec::new(),
            exp: now + 3600,
            iat: Some(now),
            nbf: None,
            ssc: None,
            auth_time: None,
            scope: None,
        };
        self.issuer.sign(&self.issuer.header(MEMBER_TYP), &serde_json::to_value(claims).unwrap())
    }

    pub(crate) fn service_token(&self) -> String {
        let now = self.clock.now().as_second();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: service_audience(AUDIENCE),
            sub: "backend".to_owned(),
            ws: None,
            sid: None,
            amr: Vec::new(),
            exp: now + 60,
            iat: Some(now),
            nbf: None,
            ssc: None,
            auth_time: None,
            scope: Some(WORKSPACES_SCOPE.to_owned()),
        };
        self.issuer.sign(&self.issuer.header(SERVICE_TYP), &serde_json::to_value(claims).unwrap())
    }

    /// Sends a request; a little time passes before each, so that what one wrote sorts before what the next wrote.
    async fn send(&self, router: &Router, request: Request<Body>) -> Answered {
        self.advance(SignedDuration::from_millis(2));
        let response = router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Answered { status: parts.status, headers: parts.headers, text }
    }

    /// A call of the API with a bearer token.
    pub(crate) async fn call(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answered {
        let mut request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        self.send(&self.api, request.body(body).unwrap()).await
    }

    /// The same as an admin of a workspace.
    pub(crate) async fn admin(&self, tenant: Tenant, method: &str, path: &str, body: Option<Value>) -> Answered {
        self.call(&self.token(tenant, "admin"), method, path, body).await
    }

    /// A navigation to an address that a ledger's redirect named, with the cookies of a browser.
    pub(crate) async fn navigate(&self, path: &str, cookie: Option<&str>) -> Answered {
        let mut request = Request::builder().method("GET").uri(path);
        if let Some(cookie) = cookie {
            request = request.header("cookie", format!("__Host-connect={cookie}"));
        }
        self.send(&self.api, request.body(Body::empty()).unwrap()).await
    }

    /// A page, with a session's cookie or none.
    pub(crate) async fn page(&self, path: &str, session: Option<&str>) -> Answered {
        let mut request = Request::builder().method("GET").uri(path);
        if let Some(session) = session {
            request = request.header("cookie", format!("{SESSION_COOKIE}={session}"));
        }
        self.send(&self.pages, request.body(Body::empty()).unwrap()).await
    }

    /// A page's form.
    pub(crate) async fn submit(&self, path: &str, session: &str, csrf: &str, fields: &[(&str, &str)]) -> Answered {
        let mut all = vec![("_csrf", csrf)];
        all.extend_from_slice(fields);
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("cookie", format!("{SESSION_COOKIE}={session}"))
            .header("origin", ORIGIN)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(serde_urlencoded::to_string(all).unwrap()))
            .unwrap();
        self.send(&self.pages, request).await
    }

    /// Signs a user in; the cookie's value and what their forms carry.
    pub(crate) async fn session(&self, tenant: Tenant, user: &str) -> (String, String) {
        let ctx = self.ctx();
        let user: UserId = user.parse().unwrap();
        let (cookie, session) = new_session(&ctx, user, tenant.id, "local");
        self.store().put_session(&ctx, cookie.expose(), &session).await.unwrap();
        (cookie.expose().to_owned(), csrf_token(cookie.expose()))
    }

    // --- consent ------------------------------------------------------------------------------------------------------------------

    pub(crate) async fn start(&self, tenant: Tenant, user: &str) -> Started {
        let answer = self.call(&self.token(tenant, user), "POST", "/v1/integrations/xero/connect", None).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        Started { authorize_url: answer.json()["authorize_url"].as_str().unwrap().to_owned(), cookie: answer.connect_cookie() }
    }

    /// What the vendor's redirect leads to: path and query of the callback.
    pub(crate) async fn consent(&self, started: &Started) -> String {
        let request = Request::get(&started.authorize_url).body(Bytes::new()).unwrap();
        let Answer::Response(answer) = self.simulator.handle(request).await else { panic!("no consent page") };
        let location = answer.headers().get("location").unwrap_or_else(|| panic!("{:?}", answer.body())).to_str().unwrap();
        location.strip_prefix(ORIGIN).unwrap().to_owned()
    }

    /// The whole way, in one browser.
    pub(crate) async fn connect(&self, tenant: Tenant, consent: Consent) -> Answered {
        self.simulator.set_consent(consent).unwrap();
        let started = self.start(tenant, "admin").await;
        let back = self.consent(&started).await;
        self.navigate(&back, Some(&started.cookie)).await
    }

    /// Connects one organisation and says that it worked.
    pub(crate) async fn connected(&self, tenant: Tenant, organisation: &str) -> Connection {
        let answer = self.connect(tenant, Consent::approve_only(&[organisation])).await;
        assert_eq!(answer.header("location"), "/settings/integrations?connected=xero");
        self.connection(tenant).await.unwrap()
    }

    // --- what is there ------------------------------------------------------------------------------------------------------------

    pub(crate) async fn connection(&self, tenant: Tenant) -> Option<Connection> {
        self.store().connection(tenant.id, Ledger::Xero).await.unwrap().map(|connection| connection.value)
    }

    /// Vendor calls but those of the consent page.
    pub(crate) fn vendor_calls(&self) -> Vec<Call> {
        self.simulator.calls().into_iter().filter(|call| !call.path.contains("/authorize")).collect()
    }

    /// The vendor's organisations that are linked to the app, by name.
    pub(crate) fn linked(&self) -> Vec<String> {
        let organisations = self.simulator.state().organisations;
        organisations.into_iter().filter(|organisation| organisation.connected).map(|organisation| organisation.name).collect()
    }

    /// Names of all organisations of the simulator.
    pub(crate) fn organisations(&self) -> Vec<String> {
        self.simulator.state().organisations.into_iter().map(|organisation| organisation.name).collect()
    }

    pub(crate) async fn audit(&self, tenant: Tenant) -> Vec<String> {
        let page = self.admin(tenant, "GET", "/v1/audit?limit=100", None).await;
        page.json()["items"].as_array().unwrap().iter().map(|line| line["action"].as_str().unwrap().to_owned()).collect()
    }
}
