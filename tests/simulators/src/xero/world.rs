//! Everything the simulator knows, and how one call goes through it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::batch::{self, Desk};
use super::bookkeeper::{self, Action};
use super::contact::Aim;
use super::keys::Keys;
use super::oauth::{self, Connection};
use super::organisation::{Organisation, out_of_the_box};
use super::query::Query;
use super::reply::{Envelope, Refusal, unauthorised};
use super::{contact_reply, facts, invoice_reply, payment, seed};
use crate::skeleton::answer::Reply;
use crate::skeleton::calls::Kind;
use crate::skeleton::config::Config;
use crate::skeleton::controls::Refused;
use crate::skeleton::incoming::Incoming;
use crate::skeleton::limits::{Limits, Problem, Remaining, Throttled};
use crate::skeleton::state::{Seed, State};
use crate::skeleton::tokens::Tokens;
use crate::skeleton::world::{Common, Pass};
use crate::skeleton::{self};

/// Section 6; keys are kept six minutes (section 3).
const LIMITS: Limits = Limits { minute: 60, day: 5_000, concurrent: 5, app_minute: 10_000, latency_ms: 0, replay_seconds: 360 };
/// Section 5: largest body of a POST, in bytes.
const LARGEST_BODY: usize = 3_500_000;

/// The app's name, as replies show it (`ProviderName`).
const PROVIDER: &str = "CoPortal";

/// Xero: its organisations and who is connected to them.
#[derive(Clone, Serialize, Deserialize)]
pub struct World {
    #[serde(flatten)]
    pub(crate) common: Common,
    pub(crate) user: Uuid,
    pub(crate) organisations: Vec<Organisation>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) tokens: Tokens,
    pub(crate) keys: Keys,
}

/// Who may pass the gateway, and what is left of their limits.
struct Admitted {
    tenant: Uuid,
    remaining: Remaining,
}

impl World {
    pub(crate) fn organisation(&self, id: Uuid) -> Option<&Organisation> {
        self.organisations.iter().find(|organisation| organisation.id == id)
    }

    /// By id or name.
    pub(crate) fn find_organisation(&self, named: &str) -> Option<Uuid> {
        let same = |organisation: &&Organisation| organisation.name == named || organisation.id.to_string().eq_ignore_ascii_case(named);
        self.organisations.iter().find(same).map(|organisation| organisation.id)
    }

    /// What is not the Accounting API: identity and connections.
    fn outside(&mut self, call: &Incoming, config: &Config, now: Timestamp) -> Reply {
        match (call.method.as_str(), call.path.as_str()) {
            ("GET" | "POST", "/identity/connect/authorize") => oauth::authorize(self, call, config, now),
            ("POST", "/connect/token") => oauth::token(self, call, config, now),
            ("POST", "/connect/revocation") => oauth::revoke(self, call, config),
            (_, path) if path == "/connections" || path.starts_with("/connections/") => oauth::connections(self, call, now),
            _ => Reply::not_modelled(&format!("{} {}", call.method, call.path)),
        }
    }

    /// The checks before a route: token, organisation, limits, scope. What passes them is counted.
    fn gate(&mut self, call: &Incoming, now: Timestamp) -> Result<Admitted, Reply> {
        let access = oauth::bearer(self, call, now)?;
        let tenant = tenant_of(call).and_then(|text| Uuid::parse_str(text).ok());
        let linked = tenant.filter(|tenant| self.connections.iter().any(|connection| connection.tenant == *tenant));
        let Some(tenant) = linked else {
            return Err(unauthorised(403, "AuthenticationUnsuccessful", self.common.ids.uuid()));
        };
        let remaining = self.common.meter.admit(&tenant.to_string(), phase(tenant), now).map_err(|throttled| too_many(&throttled))?;
        match required(call) {
            Some(scope) if !allows(&access.scopes, &scope) => Err(with_remaining(self.insufficient(call), &remaining)),
            _ => Ok(Admitted { tenant, remaining }),
        }
    }

    /// Section 1, Scopes: 401 or 403, and both spellings, have been seen. Reads answer one way here, writes the other.
    fn insufficient(&mut self, call: &Incoming) -> Reply {
        let (status, spelling) = if call.method == "GET" { (401, "insufficient_scope") } else { (403, "insufficent_scope") };
        let reply = unauthorised(status, "AuthorizationUnsuccessful", self.common.ids.uuid());
        reply.with("www-authenticate", format!("Bearer error=\"{spelling}\""))
    }

    /// The effect and its reply; writes pass the keys.
    fn keyed(&mut self, call: &Incoming, now: Timestamp, tenant: Uuid) -> Reply {
        self.try_keyed(call, now, tenant).unwrap_or_else(|refusal| refusal.reply())
    }

    fn try_keyed(&mut self, call: &Incoming, now: Timestamp, tenant: Uuid) -> Result<Reply, Refusal> {
        if !call.header("accept").is_some_and(|accept| accept.contains("application/json")) {
            return Err(Refusal::not_modelled("XML, which the vendor sends without Accept: application/json"));
        }
        if call.body.len() > LARGEST_BODY {
            return Err(Refusal::not_modelled("bodies above 3.5 MB"));
        }
        if call.method == "GET" {
            return self.route(call, now, tenant);
        }
        if let Some(kept) = self.keys.replay(call, self.common.replay_for(), now)? {
            return Ok(kept);
        }
        let reply = self.route(call, now, tenant).unwrap_or_else(|refusal| refusal.reply());
        self.keys.keep(call, &reply, now);
        Ok(reply)
    }

    fn route(&mut self, call: &Incoming, now: Timestamp, tenant: Uuid) -> Result<Reply, Refusal> {
        let envelope = Envelope { id: self.common.ids.uuid(), provider: PROVIDER, now };
        let organisation = self.organisations.iter_mut().find(|organisation| organisation.id == tenant).ok_or(Refusal::NotFound)?;
        let segments = call.segments();
        let path: Vec<&str> = segments.iter().skip(2).map(String::as_str).collect();
        let query = Query(call);
        if call.method == "GET" {
            let organisation = &*organisation;
            return match path.as_slice() {
                ["Organisation"] => query.only(&[]).map(|()| facts::organisation(organisation, &envelope)),
                ["Organisation", "Actions"] => query.only(&[]).map(|()| facts::actions(organisation, &envelope)),
                ["Accounts"] => query.only(&["where"]).and_then(|()| facts::accounts(organisation, &envelope, query.text("where"))),
                ["TaxRates"] => query.only(&["where"]).and_then(|()| facts::tax_rates(organisation, &envelope, query.text("where"))),
                ["Currencies"] => query.only(&["where"]).and_then(|()| facts::currencies(organisation, &envelope, query.text("where"))),
                ["Contacts"] => contact_reply::list(organisation, &envelope, &query),
                ["Contacts", key] => contact_reply::one(organisation, &envelope, &query, key),
                ["Invoices"] => invoice_reply::list(organisation, &envelope, &query),
                ["Invoices", key] => invoice_reply::one(organisation, &envelope, &query, key),
                ["Payments"] => payment::list(organisation, &envelope, &query),
                ["Payments", key] => payment::one(organisation, &envelope, &query, key),
                _ => Err(Refusal::NotModelled(format!("GET {}", call.path))),
            };
        }
        let mut desk = Desk { organisation, ids: &mut self.common.ids, envelope, now };
        match (call.method.as_str(), path.as_slice()) {
            ("PUT", ["Contacts"]) => batch::contacts(&mut desk, call, Aim::Create),
            ("POST", ["Contacts"]) => batch::contacts(&mut desk, call, Aim::Upsert),
            ("POST", ["Contacts", key]) => batch::contacts(&mut desk, call, Aim::Update(id(key)?)),
            ("PUT", ["Invoices"]) => batch::invoices(&mut desk, call, Aim::Create),
            ("POST", ["Invoices"]) => batch::invoices(&mut desk, call, Aim::Upsert),
            ("POST", ["Invoices", key]) => batch::invoices(&mut desk, call, Aim::Update(id(key)?)),
            ("PUT" | "POST", ["Payments"]) => batch::payments(&mut desk, call),
            ("POST", ["Payments", key]) => batch::delete_payment(&mut desk, call, key),
            _ => Err(Refusal::NotModelled(format!("{} {}", call.method, call.path))),
        }
    }
}

impl skeleton::world::World for World {
    type Action = Action;

    fn new(config: &Config) -> Self {
        let mut common = Common::new(config.seed, LIMITS);
        let user = common.ids.uuid();
        let organisations = out_of_the_box(&mut common.ids, config.clock.now());
        Self { common, user, organisations, connections: Vec::new(), tokens: Tokens::default(), keys: Keys::default() }
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn common_mut(&mut self) -> &mut Common {
        &mut self.common
    }

    fn kind(call: &Incoming) -> Kind {
        if call.path.starts_with("/identity/") || call.path.starts_with("/connect/") { Kind::Oauth } else { Kind::Api }
    }

    fn named(call: &Incoming) -> Option<String> {
        tenant_of(call).map(str::to_owned)
    }

    fn knows_organisation(&self, named: &str) -> bool {
        self.find_organisation(named).is_some()
    }

    fn respond(&mut self, call: &Incoming, config: &Config, now: Timestamp) -> Reply {
        if !is_api(call) {
            return self.outside(call, config, now);
        }
        match self.gate(call, now) {
            Err(reply) => reply,
            Ok(Admitted { tenant, remaining }) => with_remaining(self.keyed(call, now, tenant), &remaining),
        }
    }

    fn admit(&mut self, call: &Incoming, _config: &Config, now: Timestamp) -> Option<Pass> {
        if !is_api(call) {
            return Some(Pass::default());
        }
        let admitted = self.gate(call, now).ok()?;
        Some(Pass { organisation: Some(admitted.tenant.to_string()) })
    }

    fn apply(&mut self, call: &Incoming, pass: &Pass, config: &Config, at: Timestamp) -> Reply {
        match pass.organisation.as_deref().and_then(|tenant| self.find_organisation(tenant)) {
            Some(tenant) => self.keyed(call, at, tenant),
            None => self.outside(call, config, at),
        }
    }

    fn clear(&mut self) {
        for organisation in &mut self.organisations {
            organisation.clear();
        }
        self.keys = Keys::default();
    }

    fn plant(&mut self, seed: &Seed, now: Timestamp) -> Result<State, Refused> {
        seed::plant(self, seed, now)
    }

    fn state(&self) -> State {
        seed::state(self)
    }

    fn act(&mut self, action: Action, now: Timestamp) -> Result<(), Refused> {
        bookkeeper::act(self, action, now)
    }
}

/// The organisation a call names, whether or not it may.
fn tenant_of(call: &Incoming) -> Option<&str> {
    call.header("xero-tenant-id").filter(|_| call.path.starts_with("/api.xro/"))
}

fn is_api(call: &Incoming) -> bool {
    call.path.starts_with("/api.xro/2.0/")
}

fn id(key: &str) -> Result<Uuid, Refusal> {
    Uuid::parse_str(key).map_err(|_| Refusal::not_modelled("POST to a number or code; only to an id"))
}

/// Where this organisation's windows begin, in seconds (section 6: at a different moment per tenant, not at UTC midnight).
fn phase(tenant: Uuid) -> i64 {
    let (_, low) = tenant.as_u64_pair();
    i64::try_from(low % 86_400).unwrap_or_default()
}

/// The scope of a call's resource: `accounting.contacts`, with `.read` for reads.
fn required(call: &Incoming) -> Option<String> {
    let resource = match call.segments().get(2).map(String::as_str) {
        Some("Contacts") => "contacts",
        Some("Invoices") => "invoices",
        Some("Payments") => "payments",
        Some("Organisation" | "Accounts" | "TaxRates" | "Currencies") => "settings",
        _ => return None,
    };
    Some(format!("accounting.{resource}{}", if call.method == "GET" { ".read" } else { "" }))
}

/// The writing scope allows reads too.
fn allows(granted: &[String], required: &str) -> bool {
    let wider = required.strip_suffix(".read").unwrap_or(required);
    granted.iter().any(|scope| scope == required || scope == wider)
}

fn with_remaining(reply: Reply, remaining: &Remaining) -> Reply {
    reply
        .with("x-minlimit-remaining", remaining.minute.to_string())
        .with("x-daylimit-remaining", remaining.day.to_string())
        .with("x-appminlimit-remaining", remaining.app_minute.to_string())
}

/// Section 6: the body may be empty, the headers are to be trusted.
fn too_many(throttled: &Throttled) -> Reply {
    let problem = match throttled.problem {
        Problem::Minute => "minute",
        Problem::Day => "day",
        Problem::Concurrent => "concurrent",
        Problem::AppMinute => "appminute",
    };
    let reply = Reply::new(429, "", String::new()).with("x-rate-limit-problem", problem);
    let reply = match throttled.retry_after {
        Some(seconds) => reply.with("retry-after", seconds.to_string()),
        None => reply,
    };
    with_remaining(reply, &throttled.remaining)
}
