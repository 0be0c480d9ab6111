//! Sign-in: authorise, token, revocation (section 1).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::fault::unauthenticated;
use super::world::World;
use crate::skeleton::answer::Reply;
use crate::skeleton::clock::plus;
use crate::skeleton::config::Config;
use crate::skeleton::consent::{Choice, Decision, consent_page_for_one, error_page};
use crate::skeleton::fields::Fields;
use crate::skeleton::incoming::{Incoming, first};
use crate::skeleton::sign_in::{back, is_client, normal, registered};
use crate::skeleton::tokens::{Access, Code, Policy};

/// Section 1: access 1 hour; refresh about 8,726,400 seconds rolling, with a hard end after 5 years. No grace for the value before is
/// documented, so there is none, and every refresh rotates (the strictest reading: the vendor may return the same value within a day).
/// The life of a code is not in the notes: 5 minutes.
pub(crate) const POLICY: Policy = Policy {
    code: SignedDuration::from_mins(5),
    access: SignedDuration::from_hours(1),
    unused_refresh: SignedDuration::from_secs(8_726_400),
    grace: SignedDuration::ZERO,
    hard_end: Some(HARD_END),
};

/// Five years of 365 days.
const HARD_END: SignedDuration = SignedDuration::from_hours(5 * 365 * 24);

const SCOPES: [&str; 6] = ["com.intuit.quickbooks.accounting", "openid", "profile", "email", "phone", "address"];
/// The one that the API asks for.
const ACCOUNTING: &str = "com.intuit.quickbooks.accounting";

/// A consent of the user: one company.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) realm: String,
    pub(crate) auth_event: Uuid,
}

struct Asked {
    redirect_uri: Url,
    state: String,
    scopes: Vec<String>,
}

fn page(code: &str, detail: &str) -> Reply {
    Reply::new(400, "text/html; charset=utf-8", error_page("QuickBooks", code, detail))
}

fn asked(call: &Incoming, config: &Config) -> Result<Asked, Reply> {
    let given = |name: &str| call.parameter(name).unwrap_or_default();
    if given("client_id") != config.client_id {
        return Err(page("unauthorized_client", "Unknown client_id."));
    }
    let Some(redirect_uri) = registered(config, given("redirect_uri")) else {
        return Err(page("invalid_request", "The redirect_uri query parameter value is invalid."));
    };
    if given("response_type") != "code" {
        return Err(page("unsupported_response_type", "Only response_type=code is supported."));
    }
    let scopes: Vec<String> = given("scope").split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    if scopes.is_empty() || scopes.iter().any(|scope| !SCOPES.contains(&scope.as_str())) {
        return Err(page("invalid_scope", "A scope is unknown."));
    }
    let Some(state) = call.parameter("state").filter(|state| !state.is_empty()) else {
        return Err(page("invalid_request", "The state query parameter is missing."));
    };
    if let Some((name, _)) = call.query.iter().find(|(name, _)| name.starts_with("code_challenge")) {
        return Err(Reply::not_modelled(&format!("{name}: PKCE is not documented for this vendor")));
    }
    Ok(Asked { redirect_uri, state: state.to_owned(), scopes })
}

fn cancelled(asked: &Asked) -> Reply {
    back(&asked.redirect_uri, &[("error", "access_denied"), ("state", &asked.state)])
}

/// `GET` and `POST /connect/oauth2`.
pub(crate) fn authorize(world: &mut World, call: &Incoming, config: &Config, now: Timestamp) -> Reply {
    let asked = match asked(call, config) {
        Ok(asked) => asked,
        Err(reply) => return reply,
    };
    if call.method == "POST" {
        let form = call.form();
        if first(&form, "decision") != Some("approve") {
            return cancelled(&asked);
        }
        let chosen = first(&form, "organisation").and_then(|named| world.find_realm(named));
        return grant(world, &asked, chosen, now);
    }
    let consent = world.common.consent.clone();
    match consent {
        Some(consent) if consent.decision == Decision::Deny => cancelled(&asked),
        Some(consent) if consent.decision == Decision::Approve => {
            // One token set belongs to one company: of several named, the first is taken.
            let chosen = match consent.organisations.as_deref() {
                Some(named) => named.iter().find_map(|one| world.find_realm(one)),
                None => world.companies.first().map(|company| company.realm.clone()),
            };
            grant(world, &asked, chosen, now)
        }
        _ => {
            let choice = |company: &super::company::Company| Choice {
                id: company.realm.clone(),
                name: company.name.clone(),
                detail: format!("{}, {}", company.country, company.home()),
            };
            let choices: Vec<Choice> = world.companies.iter().map(choice).collect();
            let body = consent_page_for_one("QuickBooks", &config.client_id, &call.path_and_query, &asked.scopes, &choices);
            Reply::new(200, "text/html; charset=utf-8", body).with("cache-control", "no-store")
        }
    }
}

fn grant(world: &mut World, asked: &Asked, realm: Option<String>, now: Timestamp) -> Reply {
    let Some(realm) = realm else { return cancelled(asked) };
    let auth_event = world.common.ids.uuid();
    world.links.push(Link { realm: realm.clone(), auth_event });
    let value = world.common.ids.token();
    let code = Code {
        redirect_uri: asked.redirect_uri.as_str().to_owned(),
        challenge: None,
        scopes: asked.scopes.clone(),
        auth_event,
        issued: now,
        used: false,
    };
    world.tokens.keep_code(value.clone(), code);
    back(&asked.redirect_uri, &[("code", &value), ("state", &asked.state), ("realmId", &realm)])
}

fn failed(status: u16, error: &str) -> Reply {
    Reply::json(status, json!({ "error": error }).to_string()).with("cache-control", "no-store")
}

/// `POST /oauth2/v1/tokens/bearer`.
pub(crate) fn token(world: &mut World, call: &Incoming, config: &Config, now: Timestamp) -> Reply {
    if !is_client(call, config) {
        return failed(401, "invalid_client");
    }
    if !call.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
        return failed(400, "invalid_request");
    }
    let form = call.form();
    let hard = call.header("x-include-refresh-token-hard-expires-in") == Some("true");
    match first(&form, "grant_type") {
        Some("authorization_code") => {
            let (code, uri) = (first(&form, "code").unwrap_or_default(), first(&form, "redirect_uri").unwrap_or_default());
            let Ok(code) = world.tokens.redeem(code, &normal(uri), None, &POLICY, now) else { return failed(400, "invalid_grant") };
            let refresh = world.common.ids.token();
            world.tokens.begin(code.auth_event, code.scopes.clone(), Some(refresh.clone()), now);
            tokens(world, code.auth_event, code.scopes, &refresh, (now, now), hard)
        }
        Some("refresh_token") => {
            let next = world.common.ids.token();
            let rotated = world.tokens.rotate(first(&form, "refresh_token").unwrap_or_default(), next.clone(), &POLICY, now);
            let Ok(grant) = rotated else { return failed(400, "invalid_grant") };
            tokens(world, grant.auth_event, grant.scopes, &next, (grant.since, now), hard)
        }
        _ => failed(400, "unsupported_grant_type"),
    }
}

/// `times`: when the grant began, and now.
fn tokens(world: &mut World, auth_event: Uuid, scopes: Vec<String>, refresh: &str, times: (Timestamp, Timestamp), hard: bool) -> Reply {
    let (since, now) = times;
    let until_end = plus(since, HARD_END).duration_since(now).as_secs();
    let token = world.common.ids.token();
    let mut body = json!({
        "token_type": "bearer",
        "access_token": token,
        "expires_in": POLICY.access.as_secs(),
        "refresh_token": refresh,
        "x_refresh_token_expires_in": POLICY.unused_refresh.as_secs().min(until_end),
    });
    if let Some(members) = body.as_object_mut().filter(|_| hard) {
        members.insert("x_refresh_token_hard_expires_in".to_owned(), until_end.into());
    }
    world.tokens.keep_access(token, Access { auth_event, scopes, expires: plus(now, POLICY.access) });
    Reply::json(200, body.to_string()).with("cache-control", "no-store")
}

/// `POST /v2/oauth2/tokens/revoke`: ends the whole token set, which is of one company.
pub(crate) fn revoke(world: &mut World, call: &Incoming, config: &Config) -> Reply {
    if !is_client(call, config) {
        return failed(401, "invalid_client");
    }
    if !call.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return failed(400, "invalid_request");
    }
    let token = Fields::parse(&call.body).ok().and_then(|fields| fields.text("token").ok().flatten());
    let Some(token) = token else { return failed(400, "invalid_request") };
    if let Some(ended) = world.tokens.end_grant_of(&token) {
        world.links.retain(|link| link.auth_event != ended);
    }
    // RFC 7009: an unknown token is answered alike.
    Reply::new(200, "", String::new())
}

/// The access token of a call, or the 401 of the gateway (section 7).
pub(crate) fn bearer(world: &World, call: &Incoming, now: Timestamp) -> Result<Access, Reply> {
    let token = call.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let Some(access) = world.tokens.access(token) else { return Err(unauthenticated("Token invalid", now)) };
    if now >= access.expires {
        return Err(unauthenticated(&format!("Token expired: {}", access.expires), now));
    }
    if !access.scopes.iter().any(|scope| scope == ACCOUNTING) {
        return Err(Reply::not_modelled("a token without the accounting scope"));
    }
    Ok(access.clone())
}

/// The consents of a company, as the state shows them.
pub(crate) fn connected(world: &World, realm: &str) -> bool {
    world.links.iter().any(|link| link.realm == realm)
}

/// The user disconnects the app inside QuickBooks: the next call is a 401, and refreshing `invalid_grant` (section 1).
pub(crate) fn disconnect(world: &mut World, realm: &str) {
    let ended: Vec<Uuid> = world.links.iter().filter(|link| link.realm == realm).map(|link| link.auth_event).collect();
    for auth_event in ended {
        world.tokens.end_consent(auth_event);
    }
    world.links.retain(|link| link.realm != realm);
}
