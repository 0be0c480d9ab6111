//! Everything the simulator knows, and how one call goes through it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::ask::{Ask, guid, keyed};
use super::bookkeeper::{self, Action};
use super::company::{Company, out_of_the_box};
use super::desk::Desk;
use super::entra::{self, Grants};
use super::reply::Refusal;
use super::{batch, customer, facts, header, invoice_reply, line_write, payment, posting, seed};
use crate::skeleton::answer::Reply;
use crate::skeleton::calls::Kind;
use crate::skeleton::config::Config;
use crate::skeleton::controls::Refused;
use crate::skeleton::ids::Ids;
use crate::skeleton::incoming::Incoming;
use crate::skeleton::limits::{Crowded, Limits, Sliding};
use crate::skeleton::state::{Seed, State};
use crate::skeleton::tokens::Tokens;
use crate::skeleton::world::{Common, Pass};
use crate::skeleton::{self};

/// Section 8: 6,000 calls of a user in five minutes, which is 1,200 for each of them; five calls served at once. There is no limit of the day
/// or of the app, and no key under which an answer is kept.
const LIMITS: Limits = Limits { minute: 1_200, day: u32::MAX, concurrent: 5, app_minute: u32::MAX, latency_ms: 0, replay_seconds: 0 };

/// Section 8: 95 calls queue behind the five, for eight minutes at most.
const QUEUE: Sliding = Sliding { minutes: 5, connections: 100, longest_wait: SignedDuration::from_mins(8) };

/// An environment of the tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Environment {
    pub(crate) name: String,
    /// `Production` or `Sandbox`.
    pub(crate) kind: String,
    pub(crate) country: String,
    /// It is being updated: nothing in it can be reached (trap 12).
    pub(crate) updating: bool,
}

/// Business Central: one tenant, its environments and companies, and who signed in.
#[derive(Clone, Serialize, Deserialize)]
pub struct World {
    #[serde(flatten)]
    pub(crate) common: Common,
    pub(crate) tenant: Uuid,
    pub(crate) domain: String,
    pub(crate) user: Uuid,
    /// In the order in which discovery lists them.
    pub(crate) environments: Vec<Environment>,
    pub(crate) companies: Vec<Company>,
    pub(crate) tokens: Tokens,
    pub(crate) grants: Grants,
}

/// What a caller may see of an environment.
pub(crate) struct Visible<'call> {
    pub(crate) environment: &'call str,
    /// All when `None`.
    pub(crate) companies: Option<&'call [Uuid]>,
}

impl Visible<'_> {
    fn shows(&self, company: &Company) -> bool {
        company.environment == self.environment && self.companies.is_none_or(|ids| ids.contains(&company.id))
    }
}

/// Where a call of the API is aimed.
struct Aimed {
    tenant: Option<String>,
    environment: String,
    /// Path segments before what is below the root.
    skipped: usize,
}

fn aimed(call: &Incoming) -> Option<Aimed> {
    let segments = call.segments();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["v2.0", environment, "api", "v2.0", ..] => Some(Aimed { tenant: None, environment: (*environment).to_owned(), skipped: 4 }),
        ["v2.0", tenant, environment, "api", "v2.0", ..] => {
            Some(Aimed { tenant: Some((*tenant).to_owned()), environment: (*environment).to_owned(), skipped: 5 })
        }
        _ => None,
    }
}

/// Who passed the gate, and to where.
struct Admitted {
    aimed: Aimed,
    companies: Option<Vec<Uuid>>,
}

fn rejected() -> Refusal {
    Refusal::error(401, "Authentication_InvalidCredentials", "The server has rejected the client credentials.")
}

impl World {
    /// By id or name; one company alone.
    pub(crate) fn find_company(&self, named: &str) -> Option<Uuid> {
        let same = |company: &&Company| company.name == named || company.id.to_string().eq_ignore_ascii_case(named);
        self.companies.iter().find(same).map(|company| company.id)
    }

    /// The checks before a route: token, tenant, environment, limits. What passes them is counted.
    fn gate(&mut self, call: &Incoming, aimed: Aimed, now: Timestamp) -> Result<Admitted, Refusal> {
        let companies = entra::bearer(self, call, now).ok_or_else(rejected)?.companies.clone();
        let here = |name: &str| *name == self.tenant.to_string() || *name == self.domain;
        if aimed.tenant.as_deref().is_some_and(|tenant| !here(tenant)) {
            return Err(rejected());
        }
        let Some(environment) = self.environments.iter().find(|one| one.name.eq_ignore_ascii_case(&aimed.environment)) else {
            // From memory; section 2 asks for rediscovery after any 404 here.
            let message = format!("The environment '{}' does not exist.", aimed.environment);
            return Err(Refusal::error(404, "NoEnvironment", message));
        };
        let name = environment.name.clone();
        if environment.updating {
            let message = format!("The tenant '{}' is not accessible", self.tenant);
            return Err(Refusal::error(503, "Internal_TenantUnavailable", message));
        }
        let visible = Visible { environment: &name, companies: companies.as_deref() };
        if !self.companies.iter().any(|company| visible.shows(company)) {
            // Section 9: also when the user is not in that environment.
            return Err(rejected());
        }
        self.count(call, now)?;
        Ok(Admitted { aimed: Aimed { environment: name, ..aimed }, companies })
    }

    fn count(&mut self, call: &Incoming, now: Timestamp) -> Result<(), Refusal> {
        let inner = if call.path.ends_with("/$batch") { batch::count(&call.body) } else { 0 };
        let (user, organisation) = (self.user.to_string(), named(call).unwrap_or_default());
        match self.common.meter.admit_sliding(&user, &organisation, 1 + inner, &QUEUE, now) {
            Ok(()) => Ok(()),
            Err(Crowded::Rate | Crowded::Connections) => {
                Err(Refusal::error(429, "Unknown", "Too many requests. The limit of requests is exceeded."))
            }
            Err(Crowded::Queue) => Err(Refusal::error(503, "Unknown", "The request waited too long in the queue.")),
        }
    }

    /// `GET /environments/v1.2`.
    fn discover(&mut self, call: &Incoming, now: Timestamp) -> Result<Reply, Refusal> {
        let grant = entra::bearer(self, call, now).ok_or_else(rejected)?;
        if call.method != "GET" || !call.query.is_empty() {
            return Err(Refusal::not_modelled("anything but a plain GET of the environments"));
        }
        let origin = origin(call);
        let shown: Vec<_> = self
            .environments
            .iter()
            .filter(|environment| {
                let visible = Visible { environment: &environment.name, companies: grant.companies.as_deref() };
                self.companies.iter().any(|company| visible.shows(company))
            })
            .map(|environment| {
                json!({
                    "aadTenantId": self.tenant,
                    "applicationFamily": "BusinessCentral",
                    "type": environment.kind,
                    "name": environment.name,
                    "countryCode": environment.country,
                    "webServiceUrl": origin,
                    "webClientLoginUrl": format!("https://businesscentral.dynamics.com/{}/{}", self.tenant, environment.name),
                    "ringName": "PROD",
                })
            })
            .collect();
        self.count(call, now)?;
        Ok(Reply::json(200, json!({ "value": shown }).to_string()))
    }

    /// The effect of an API call that passed the gate, and its reply.
    fn effect(&mut self, call: &Incoming, admitted: &Admitted, now: Timestamp) -> Reply {
        let aimed = &admitted.aimed;
        let path = match &aimed.tenant {
            Some(tenant) => format!("v2.0/{tenant}/{}/api/v2.0", aimed.environment),
            None => format!("v2.0/{}/api/v2.0", aimed.environment),
        };
        let ask = Ask::of(call, format!("{}/{path}", origin(call)), aimed.skipped);
        let visible = Visible { environment: &aimed.environment, companies: admitted.companies.as_deref() };
        let ids = &mut self.common.ids;
        let outcome = if ask.segments.len() == 1 && ask.segments.first().is_some_and(|segment| segment == "$batch") {
            if ask.method == "POST" {
                batch::answer(&mut self.companies, &visible, ids, &ask, now)
            } else {
                Err(Refusal::not_modelled("$batch by another method than POST"))
            }
        } else {
            api(&mut self.companies, &visible, ids, &ask, now)
        };
        outcome.unwrap_or_else(|refusal| refusal.reply(self.common.ids.uuid()))
    }

    /// Sign-in, discovery, and what there is not.
    fn outside(&mut self, call: &Incoming, config: &Config, now: Timestamp) -> Reply {
        if entra::is_sign_in(call) {
            return entra::route(self, call, config, now);
        }
        if call.path == "/environments/v1.2" {
            return self.discover(call, now).unwrap_or_else(|refusal| refusal.reply(self.common.ids.uuid()));
        }
        Reply::not_modelled(&format!("{} {}", call.method, call.path))
    }
}

/// The address at which the caller reached the simulator, for links in answers.
fn origin(call: &Incoming) -> String {
    call.origin.clone().unwrap_or_else(|| "https://api.businesscentral.dynamics.com".to_owned())
}

/// Routes one request below the API's root, alone or of a batch.
pub(crate) fn api(companies: &mut [Company], visible: &Visible<'_>, ids: &mut Ids, ask: &Ask, now: Timestamp) -> Result<Reply, Refusal> {
    let Some((first, rest)) = ask.segments.split_first() else {
        return Err(Refusal::not_modelled("the service document"));
    };
    let company = match keyed(first) {
        ("companies", None) if rest.is_empty() && ask.method == "GET" => {
            return facts::companies(ask, companies.iter().filter(|company| visible.shows(company)));
        }
        ("companies", Some(key)) => guid(key)?,
        _ => return Err(Refusal::NotModelled(format!("{} {first} outside a company", ask.method))),
    };
    let Some(company) = companies.iter_mut().find(|one| one.id == company && one.environment == visible.environment) else {
        return Err(Refusal::error(404, "Internal_CompanyNotFound", "Cannot process the request because the company cannot be found."));
    };
    if !visible.shows(company) {
        let message = "The server has denied the requested operation: you do not have permission for this company.";
        return Err(Refusal::error(403, "Authorization_RequestDenied", message));
    }
    let path: Vec<(&str, Option<&str>)> = rest.iter().map(|segment| keyed(segment)).collect();
    if ask.method == "GET" { read(company, ask, &path) } else { write(&mut Desk { company, ids, now }, ask, &path) }
}

fn read(company: &Company, ask: &Ask, path: &[(&str, Option<&str>)]) -> Result<Reply, Refusal> {
    company.permitted("read")?;
    match path {
        [] => facts::one_company(ask, company),
        [("customers", None)] => customer::list(company, ask),
        [("customers", Some(id))] => customer::one(company, ask, guid(id)?),
        [("salesInvoices", None)] => invoice_reply::list(company, ask),
        [("salesInvoices", Some(id))] => invoice_reply::one(company, ask, guid(id)?),
        [("salesInvoices", Some(id)), ("salesInvoiceLines", None)] => invoice_reply::lines(company, ask, guid(id)?),
        [("salesInvoices", Some(id)), ("salesInvoiceLines", Some(line))] => invoice_reply::line(company, ask, Some(guid(id)?), guid(line)?),
        [("salesInvoiceLines", None)] => invoice_reply::loose_lines(company, ask),
        [("salesInvoiceLines", Some(line))] => invoice_reply::line(company, ask, None, guid(line)?),
        [("customerPaymentJournals", None)] => payment::journals(company, ask, None),
        [("customerPaymentJournals", Some(id))] => payment::journals(company, ask, Some(guid(id)?)),
        [("customerPaymentJournals", Some(id)), ("customerPayments", None)] => payment::payments(company, ask, guid(id)?, None),
        [("customerPaymentJournals", Some(id)), ("customerPayments", Some(line))] => {
            payment::payments(company, ask, guid(id)?, Some(guid(line)?))
        }
        [(name, key)] => {
            let key = key.map(guid).transpose()?;
            facts::read(company, ask, name, key).unwrap_or_else(|| Err(Refusal::NotModelled(format!("GET {name}"))))
        }
        _ => Err(Refusal::NotModelled(format!("GET {}", ask.segments.join("/")))),
    }
}

fn write(desk: &mut Desk<'_>, ask: &Ask, path: &[(&str, Option<&str>)]) -> Result<Reply, Refusal> {
    match (ask.method.as_str(), path) {
        ("POST", [("customers", None)]) => customer::create(desk, ask),
        ("PATCH", [("customers", Some(id))]) => customer::update(desk, ask, guid(id)?),
        ("POST", [("salesInvoices", None)]) => header::create(desk, ask),
        ("PATCH", [("salesInvoices", Some(id))]) => header::update(desk, ask, guid(id)?),
        ("DELETE", [("salesInvoices", Some(id))]) => header::delete(desk, ask, guid(id)?),
        ("POST", [("salesInvoices", Some(id)), ("Microsoft.NAV.post", None)]) => posting::post(desk, ask, guid(id)?),
        ("POST", [("salesInvoices", Some(id)), ("Microsoft.NAV.cancel", None)]) => posting::cancel(desk, ask, guid(id)?),
        ("POST", [("salesInvoices", Some(id)), ("salesInvoiceLines", None)]) => line_write::create(desk, ask, guid(id)?),
        ("PATCH", [("salesInvoices", Some(id)), ("salesInvoiceLines", Some(line))]) => {
            line_write::update(desk, ask, Some(guid(id)?), guid(line)?)
        }
        ("DELETE", [("salesInvoices", Some(id)), ("salesInvoiceLines", Some(line))]) => {
            line_write::delete(desk, ask, Some(guid(id)?), guid(line)?)
        }
        ("PATCH", [("salesInvoiceLines", Some(line))]) => line_write::update(desk, ask, None, guid(line)?),
        ("DELETE", [("salesInvoiceLines", Some(line))]) => line_write::delete(desk, ask, None, guid(line)?),
        ("POST", [("customerPaymentJournals", None)]) => payment::create_journal(desk, ask),
        ("POST", [("customerPaymentJournals", Some(id)), ("customerPayments", None)]) => payment::create(desk, ask, guid(id)?),
        ("DELETE", [("customerPaymentJournals", Some(id)), ("customerPayments", Some(line))]) => {
            payment::delete(desk, ask, guid(id)?, guid(line)?)
        }
        _ => Err(Refusal::NotModelled(format!("{} {}", ask.method, ask.segments.join("/")))),
    }
}

/// The company that a call names.
fn named(call: &Incoming) -> Option<String> {
    let aimed = aimed(call)?;
    let segments = call.segments();
    let first = segments.get(aimed.skipped)?;
    if first == "$batch" {
        return batch::company(&call.body);
    }
    match keyed(first) {
        ("companies", Some(key)) => Some(key.to_owned()),
        _ => None,
    }
}

impl skeleton::world::World for World {
    type Action = Action;

    fn new(config: &Config) -> Self {
        let mut common = Common::new(config.seed, LIMITS);
        let (tenant, user) = (common.ids.uuid(), common.ids.uuid());
        let companies = out_of_the_box(&mut common.ids, config.clock.now());
        // The sandbox stands first, so that who takes the first environment takes the wrong one.
        let environments = [("Sandbox", "Sandbox"), ("Production", "Production")]
            .map(|(name, kind)| Environment { name: name.to_owned(), kind: kind.to_owned(), country: "GB".to_owned(), updating: false })
            .to_vec();
        Self {
            common,
            tenant,
            domain: "harbourhill.onmicrosoft.com".to_owned(),
            user,
            environments,
            companies,
            tokens: Tokens::default(),
            grants: Grants::default(),
        }
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn common_mut(&mut self) -> &mut Common {
        &mut self.common
    }

    fn kind(call: &Incoming) -> Kind {
        if entra::is_sign_in(call) { Kind::Oauth } else { Kind::Api }
    }

    fn named(call: &Incoming) -> Option<String> {
        named(call)
    }

    fn knows_organisation(&self, named: &str) -> bool {
        self.find_company(named).is_some()
    }

    fn respond(&mut self, call: &Incoming, config: &Config, now: Timestamp) -> Reply {
        let Some(aimed) = aimed(call) else { return self.outside(call, config, now) };
        match self.gate(call, aimed, now) {
            Err(refusal) => refusal.reply(self.common.ids.uuid()),
            Ok(admitted) => self.effect(call, &admitted, now),
        }
    }

    fn admit(&mut self, call: &Incoming, _config: &Config, now: Timestamp) -> Option<Pass> {
        let Some(aimed) = aimed(call) else { return Some(Pass::default()) };
        self.gate(call, aimed, now).ok()?;
        Some(Pass { organisation: named(call) })
    }

    fn apply(&mut self, call: &Incoming, _pass: &Pass, config: &Config, at: Timestamp) -> Reply {
        let Some(aimed) = aimed(call) else { return self.outside(call, config, at) };
        let environment = self.environments.iter().find(|one| one.name.eq_ignore_ascii_case(&aimed.environment));
        let environment = environment.map_or_else(|| aimed.environment.clone(), |environment| environment.name.clone());
        // It passed the gate when it arrived.
        let admitted = Admitted { aimed: Aimed { environment, ..aimed }, companies: None };
        self.effect(call, &admitted, at)
    }

    fn clear(&mut self) {
        self.companies.iter_mut().for_each(Company::clear);
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
