//! Everything the simulator knows, and how one call goes through it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::bookkeeper::{self, Action, Standing};
use super::company::{Company, out_of_the_box};
use super::fault::{Refusal, throttled, unauthorised};
use super::oauth::{self, Link};
use super::route::{self, Call};
use super::seed;
use crate::skeleton;
use crate::skeleton::answer::Reply;
use crate::skeleton::calls::Kind;
use crate::skeleton::config::Config;
use crate::skeleton::controls::Refused;
use crate::skeleton::incoming::Incoming;
use crate::skeleton::limits::{Limits, Meter};
use crate::skeleton::state::{Seed, State};
use crate::skeleton::tokens::Tokens;
use crate::skeleton::world::{Common, Pass};

/// Section 6: 500 a minute for a company; its 10 a second (formerly 10 together) is modelled as 10 in flight. There is no limit of the day or
/// of the app. Request ids are kept a day (section 3: not published).
const LIMITS: Limits = Limits { minute: 500, day: u32::MAX, concurrent: 10, app_minute: u32::MAX, latency_ms: 0, replay_seconds: 86_400 };
/// Section 6: batches a minute, per company and app.
const BATCHES: Limits = Limits { minute: 40, concurrent: u32::MAX, ..LIMITS };

/// QuickBooks Online: its companies and who is connected to them.
#[derive(Clone, Serialize, Deserialize)]
pub struct World {
    #[serde(flatten)]
    pub(crate) common: Common,
    pub(crate) companies: Vec<Company>,
    pub(crate) links: Vec<Link>,
    pub(crate) tokens: Tokens,
    pub(crate) batches: Meter,
}

fn is_api(call: &Incoming) -> bool {
    call.path.starts_with("/v3/")
}

/// The company that a call's path names.
fn realm_of(call: &Incoming) -> Option<String> {
    let mut segments = call.segments().into_iter();
    let below = segments.next().as_deref() == Some("v3") && segments.next().as_deref() == Some("company");
    segments.next().filter(|_| below)
}

impl World {
    /// By `realmId` or name.
    pub(crate) fn find_realm(&self, named: &str) -> Option<String> {
        let same = |company: &&Company| company.name == named || company.realm == named;
        self.companies.iter().find(same).map(|company| company.realm.clone())
    }

    pub(crate) fn company(&self, realm: &str) -> Option<&Company> {
        self.companies.iter().find(|company| company.realm == realm)
    }

    /// Sign-in, and what is no route at all.
    fn outside(&mut self, call: &Incoming, config: &Config, now: Timestamp) -> Reply {
        match (call.method.as_str(), call.path.as_str()) {
            ("GET" | "POST", "/connect/oauth2") => oauth::authorize(self, call, config, now),
            ("POST", "/oauth2/v1/tokens/bearer") => oauth::token(self, call, config, now),
            ("POST", "/v2/oauth2/tokens/revoke") => oauth::revoke(self, call, config),
            _ => Reply::not_modelled(&format!("{} {}", call.method, call.path)),
        }
    }

    /// The checks before a route: token, company, limits. What passes them is counted.
    fn gate(&mut self, call: &Incoming, now: Timestamp) -> Result<String, Reply> {
        let access = oauth::bearer(self, call, now)?;
        let granted = self.links.iter().find(|link| link.auth_event == access.auth_event).map(|link| link.realm.clone());
        let Some(realm) = realm_of(call) else {
            return Err(Reply::not_modelled(&format!("{} {}", call.method, call.path)));
        };
        // A company that is not there cannot be told from one that the token is not of.
        if granted.as_ref() != Some(&realm) {
            return Err(unauthorised(now));
        }
        self.common.meter.admit(&realm, 0, now).map_err(|_| throttled(now))?;
        if call.segments().get(3).is_some_and(|entity| entity == "batch") {
            self.batches.admit(&realm, 0, now).map_err(|_| throttled(now))?;
        }
        Ok(realm)
    }

    fn inside(&mut self, call: &Incoming, realm: &str, now: Timestamp) -> Reply {
        let kept_for = self.common.replay_for();
        let Some(company) = self.companies.iter_mut().find(|company| company.realm == realm) else { return unauthorised(now) };
        match company.standing {
            Standing::Good => route::answer(company, &Call { incoming: call, now, kept_for }),
            Standing::SubscriptionEnded => Refusal::subscription_ended().reply(now),
            Standing::RightsLost => Refusal::rights_lost().reply(now),
        }
    }

    /// Section 7: every reply has it.
    fn signed(&mut self, reply: Reply) -> Reply {
        let id = self.common.ids.uuid().simple().to_string();
        let (head, tail) = id.split_at(8);
        reply.with("intuit_tid", format!("1-{head}-{tail}"))
    }
}

impl skeleton::world::World for World {
    type Action = Action;

    fn new(config: &Config) -> Self {
        let mut common = Common::new(config.seed, LIMITS);
        let companies = out_of_the_box(&mut common.ids, config.clock.now());
        Self { common, companies, links: Vec::new(), tokens: Tokens::default(), batches: Meter::new(BATCHES) }
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn common_mut(&mut self) -> &mut Common {
        &mut self.common
    }

    fn kind(call: &Incoming) -> Kind {
        let sign_in = ["/connect/oauth2", "/oauth2/", "/v2/oauth2/"];
        if sign_in.iter().any(|path| call.path.starts_with(path)) { Kind::Oauth } else { Kind::Api }
    }

    fn named(call: &Incoming) -> Option<String> {
        realm_of(call)
    }

    fn knows_organisation(&self, named: &str) -> bool {
        self.find_realm(named).is_some()
    }

    fn respond(&mut self, call: &Incoming, config: &Config, now: Timestamp) -> Reply {
        let reply = if is_api(call) {
            match self.gate(call, now) {
                Ok(realm) => self.inside(call, &realm, now),
                Err(reply) => reply,
            }
        } else {
            self.outside(call, config, now)
        };
        self.signed(reply)
    }

    fn admit(&mut self, call: &Incoming, _config: &Config, now: Timestamp) -> Option<Pass> {
        if !is_api(call) {
            return Some(Pass::default());
        }
        Some(Pass { organisation: Some(self.gate(call, now).ok()?) })
    }

    fn apply(&mut self, call: &Incoming, pass: &Pass, config: &Config, at: Timestamp) -> Reply {
        match &pass.organisation {
            Some(realm) => self.inside(call, realm, at),
            None => self.outside(call, config, at),
        }
    }

    fn clear(&mut self) {
        for company in &mut self.companies {
            company.clear();
        }
        self.batches.reset();
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
