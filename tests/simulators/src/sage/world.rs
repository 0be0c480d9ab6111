//! Everything the simulator knows, and how one call goes through it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::bookkeeper::{self, Action};
use super::business::{Business, out_of_the_box};
use super::oauth::{self, User};
use super::query::{Query, id};
use super::reply::{Refusal, error};
use super::{contact, contact_write, facts, invoice_reply, invoice_write, payment, seed, tax};
use crate::skeleton::answer::Reply;
use crate::skeleton::calls::Kind;
use crate::skeleton::config::Config;
use crate::skeleton::controls::Refused;
use crate::skeleton::incoming::Incoming;
use crate::skeleton::limits::Limits;
use crate::skeleton::state::{Seed, State};
use crate::skeleton::tokens::{Access, Tokens};
use crate::skeleton::world::{self, Common, Pass};

/// 100 calls a minute and 2,500 a day for each business: the strictest numbers that anybody reports, the vendor documents none. No limit
/// of calls in flight, none of the app's, no headers.
const LIMITS: Limits = Limits { minute: 100, day: 2_500, concurrent: u32::MAX, app_minute: u32::MAX, latency_ms: 0, replay_seconds: 0 };

/// Sage's world: businesses, and the people who reach them.
#[derive(Clone, Serialize, Deserialize)]
pub struct World {
    #[serde(flatten)]
    pub(crate) common: Common,
    pub(crate) businesses: Vec<Business>,
    pub(crate) users: Vec<User>,
    pub(crate) tokens: Tokens,
}

impl World {
    pub(crate) fn business(&self, id: Uuid) -> Option<&Business> {
        self.businesses.iter().find(|business| business.id == id)
    }

    /// By id or name.
    pub(crate) fn find_business(&self, named: &str) -> Option<Uuid> {
        let wanted = Uuid::try_parse(named).ok();
        self.businesses.iter().find(|business| business.name == named || Some(business.id) == wanted).map(|business| business.id)
    }

    /// What is not in the books of one business: sign-in, and the list of businesses.
    fn outside(&mut self, call: &Incoming, config: &Config, now: Timestamp) -> Reply {
        match (call.method.as_str(), call.path.as_str()) {
            ("GET" | "POST", "/oauth2/auth/central") => oauth::authorize(self, call, config, now),
            ("POST", "/token") => oauth::token(self, call, config, now),
            ("POST", "/revoke") => oauth::revoke(self, call, config),
            ("GET", _) if is_businesses(call) => self.businesses(call, now).unwrap_or_else(|reply| reply),
            _ => Reply::not_modelled(&format!("{} {}", call.method, call.path)),
        }
    }

    fn businesses(&self, call: &Incoming, now: Timestamp) -> Result<Reply, Reply> {
        let (_, user) = oauth::bearer(self, call, now)?;
        let query = Query(call);
        let reached: Vec<&Business> = user.businesses.iter().filter_map(|id| self.business(*id)).collect();
        let segments = call.segments();
        let shown = match segments.get(2).map(String::as_str) {
            None => facts::businesses(&reached, &query),
            Some(key) => {
                let wanted = if key == "lead" { Some(user.lead) } else { id(key) };
                let found = reached.iter().find(|business| Some(business.id) == wanted).ok_or(Refusal::NotFound);
                found.and_then(|business| facts::business(business, &query))
            }
        };
        Ok(shown.unwrap_or_else(|refusal| refusal.reply()))
    }

    /// The checks before a route, in this order (not documented): token, business, subscription, limits, scope.
    fn gate(&mut self, call: &Incoming, now: Timestamp) -> Result<Uuid, Reply> {
        let (access, user) = oauth::bearer(self, call, now)?;
        // Guide "Multi Business": without the header the lead business answers.
        let named = call.header("x-business").map_or(Some(user.lead), id);
        // Not documented: a business that the user does not reach.
        let business = named
            .filter(|id| user.businesses.contains(id))
            .ok_or_else(|| error(403, "AccessDenied", "You do not have access to this business."))?;
        if !self.business(business).is_some_and(|business| business.subscribed) {
            return Err(error(401, "AuthorizationFailure", "No active subscription. (MSE)"));
        }
        let counted = self.common.meter.admit(&business.simple().to_string(), 0, now);
        if counted.is_err() {
            return Err(answered_by(business, error(429, "TooManyRequests", "Too many requests.")));
        }
        if call.method != "GET" && !is_full(&access) {
            return Err(answered_by(business, error(403, "AccessDenied", "The token was granted for reading alone.")));
        }
        Ok(business)
    }

    fn books(&mut self, call: &Incoming, business: Uuid, now: Timestamp) -> Reply {
        let reply = self.route(call, business, now).unwrap_or_else(|refusal| refusal.reply());
        answered_by(business, reply)
    }

    fn route(&mut self, call: &Incoming, business: Uuid, now: Timestamp) -> Result<Reply, Refusal> {
        let segments = call.segments();
        let path: Vec<&str> = segments.iter().skip(1).map(String::as_str).collect();
        let query = Query(call);
        let today = TimeZone::UTC.to_datetime(now).date();
        let business = self.businesses.iter_mut().find(|one| one.id == business).ok_or(Refusal::NotFound)?;
        permitted(business, call.method.as_str(), &path)?;
        let unknown = || Refusal::NotModelled(format!("{} {}", call.method, call.path));
        if call.method == "GET" {
            return match path.as_slice() {
                ["contacts"] => contact::list(business, &query),
                ["contacts", key] => contact::one(business, &query, key),
                ["sales_invoices"] => invoice_reply::list(business, &query),
                ["sales_invoices", key] => invoice_reply::one(business, &query, key),
                ["contact_payments"] => payment::list(business, &query),
                ["contact_payments", key] => payment::one(business, &query, key),
                ["tax_rates"] => tax::list(business, &query, today),
                ["tax_rates", key] => tax::one(business, &query, key, today),
                ["ledger_accounts"] => facts::ledger_accounts(business, &query),
                ["ledger_accounts", key] => facts::one_ledger_account(business, &query, key),
                ["bank_accounts"] => facts::bank_accounts(business, &query),
                ["bank_accounts", key] => facts::one_bank_account(business, &query, key),
                ["artefact_statuses"] => facts::artefact_statuses(&query),
                ["currencies"] => facts::currencies(business, &query),
                ["financial_settings"] => facts::financial_settings(business, &query),
                ["invoice_settings"] => facts::invoice_settings(business, &query),
                _ => Err(unknown()),
            };
        }
        let ids = &mut self.common.ids;
        if call.method == "DELETE" && path.first() == Some(&"sales_invoices") && path.len() == 2 {
            return path.last().map_or_else(|| Err(unknown()), |key| invoice_write::void(business, &query, key, now));
        }
        query.only(&[])?;
        match (call.method.as_str(), path.as_slice()) {
            ("POST", ["contacts"]) => contact_write::create(business, ids, call, now),
            ("PUT", ["contacts", key]) => contact_write::update(business, ids, call, key, now),
            ("DELETE", ["contacts", key]) => contact_write::delete(business, key, now),
            ("POST", ["sales_invoices"]) => invoice_write::create(business, ids, call, now),
            ("PUT", ["sales_invoices", key]) => invoice_write::update(business, ids, call, key, now),
            ("POST", ["sales_invoices", key, "release"]) => invoice_write::release(business, call, key, now),
            ("POST", ["contact_payments"]) => payment::create(business, ids, call, now),
            ("DELETE", ["contact_payments", key]) => payment::delete(business, key, now),
            _ => Err(unknown()),
        }
    }
}

impl world::World for World {
    type Action = Action;

    fn new(config: &Config) -> Self {
        let mut common = Common::new(config.seed, LIMITS);
        let businesses = out_of_the_box(&mut common.ids, config.clock.now());
        Self { common, businesses, users: Vec::new(), tokens: Tokens::default() }
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn common_mut(&mut self) -> &mut Common {
        &mut self.common
    }

    fn kind(call: &Incoming) -> Kind {
        if call.path.starts_with("/v3.1/") { Kind::Api } else { Kind::Oauth }
    }

    fn named(call: &Incoming) -> Option<String> {
        call.header("x-business").filter(|_| is_books(call)).map(str::to_owned)
    }

    fn knows_organisation(&self, named: &str) -> bool {
        self.find_business(named).is_some()
    }

    fn respond(&mut self, call: &Incoming, config: &Config, now: Timestamp) -> Reply {
        if !is_books(call) {
            return self.outside(call, config, now);
        }
        match self.gate(call, now) {
            Ok(business) => self.books(call, business, now),
            Err(reply) => reply,
        }
    }

    fn admit(&mut self, call: &Incoming, _: &Config, now: Timestamp) -> Option<Pass> {
        if !is_books(call) {
            return Some(Pass::default());
        }
        let business = self.gate(call, now).ok()?;
        Some(Pass { organisation: Some(business.simple().to_string()) })
    }

    fn apply(&mut self, call: &Incoming, pass: &Pass, config: &Config, at: Timestamp) -> Reply {
        match pass.organisation.as_deref().and_then(id) {
            Some(business) => self.books(call, business, at),
            None => self.outside(call, config, at),
        }
    }

    fn clear(&mut self) {
        for business in &mut self.businesses {
            business.clear();
        }
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

/// The routes that say which businesses there are: they belong to the user, not to a business.
fn is_businesses(call: &Incoming) -> bool {
    let segments = call.segments();
    call.path.starts_with("/v3.1/") && segments.get(1).is_some_and(|one| one == "businesses") && segments.len() <= 3
}

/// The routes of one business's books.
fn is_books(call: &Incoming) -> bool {
    call.path.starts_with("/v3.1/") && !is_businesses(call)
}

fn is_full(access: &Access) -> bool {
    access.scopes.iter().any(|scope| scope == "full_access")
}

/// Guide "Multi Business": the reply names the business that answered.
fn answered_by(business: Uuid, reply: Reply) -> Reply {
    reply.with("x-business", business.simple().to_string())
}

/// Published schema, "Access Control Restrictions" of each path: any of these areas will do for a read; a write needs its own, deleting
/// and voiding its Full Access.
fn permitted(business: &Business, method: &str, path: &[&str]) -> Result<(), Refusal> {
    let areas: &[&str] = match (method, path.first().copied()) {
        ("GET", Some("contacts")) => &["Contacts", "Sales", "Bank"],
        (_, Some("contacts")) => &["Contacts"],
        (_, Some("sales_invoices")) | ("GET", Some("artefact_statuses")) => &["Sales"],
        (_, Some("contact_payments" | "bank_accounts")) => &["Bank"],
        ("GET", Some("tax_rates")) => &["Sales", "Bank", "Settings"],
        ("GET", Some("ledger_accounts")) => &["Sales", "Contacts", "Bank", "Settings"],
        ("GET", Some("financial_settings" | "invoice_settings")) => &["Settings"],
        _ => return Ok(()),
    };
    let denied = |area: &str, level: &str| {
        let refused = |what: &str| business.denied.iter().any(|one| one == what);
        refused(area) || (level != "read" && refused(&format!("{area}.write"))) || (level == "full" && refused(&format!("{area}.full")))
    };
    let level = match method {
        "GET" => "read",
        "DELETE" => "full",
        _ => "write",
    };
    match areas.first() {
        Some(area) if areas.iter().all(|area| denied(area, level)) => Err(Refusal::Denied((*area).to_owned())),
        _ => Ok(()),
    }
}
