//! Sign-in (guide "Authentication"): authorise, token, revoke. A token belongs to a person, who reaches one business or several.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::reply::error;
use super::world::World;
use crate::skeleton::answer::Reply;
use crate::skeleton::clock::plus;
use crate::skeleton::config::Config;
use crate::skeleton::consent::{Choice, Decision, consent_page, error_page};
use crate::skeleton::incoming::{Incoming, first};
use crate::skeleton::sign_in::{back, registered};
use crate::skeleton::tokens::{Access, Code, Policy};

/// Codes live 60 seconds (guide "Frequently Raised Errors"), access tokens 5 minutes (integrators), refresh tokens 31 days; each refresh
/// ends the token before at once (Sage staff, Sage/sageone_api_php_sample#39).
pub(crate) const POLICY: Policy = Policy {
    code: SignedDuration::from_secs(60),
    access: SignedDuration::from_secs(300),
    unused_refresh: SignedDuration::from_hours(31 * 24),
    grace: SignedDuration::ZERO,
    hard_end: None,
};

/// What the country picker offers (guide "Authentication").
const COUNTRIES: [&str; 7] = ["ca", "de", "es", "fr", "gb", "ie", "us"];

/// Who consented, and what they reach. The same businesses make the same person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) auth_event: Uuid,
    pub(crate) businesses: Vec<Uuid>,
    /// Answers when a call names no business. It can change while nobody looks (guide "Multi Business").
    pub(crate) lead: Uuid,
}

/// A request to authorise that can be shown to the user.
struct Asked {
    redirect_uri: Url,
    /// As sent: the token call has to repeat it character for character.
    sent_uri: String,
    state: Option<String>,
    scope: String,
    challenge: Option<String>,
    country: Option<String>,
}

fn page(code: &str, detail: &str) -> Reply {
    Reply::new(400, "text/html; charset=utf-8", error_page("Sage", code, detail))
}

fn asked(call: &Incoming, config: &Config) -> Result<Asked, Reply> {
    let given = |name: &str| call.parameter(name).unwrap_or_default();
    if given("client_id") != config.client_id {
        return Err(page("invalid_client", "Unknown client_id."));
    }
    let Some(redirect_uri) = registered(config, given("redirect_uri")) else {
        return Err(page("invalid_request", "Invalid redirect_uri."));
    };
    if given("response_type") != "code" {
        return Err(page("unsupported_response_type", "Only response_type=code is supported."));
    }
    // Without a country the picker is shown, and the filter says which API's countries it offers; with one the filter is ignored.
    let country = call.parameter("country").map(str::to_lowercase);
    match country.as_deref() {
        None if given("filter") != "apiv3.1" => return Err(page("invalid_request", "The simulator models filter=apiv3.1 alone.")),
        Some(code) if !COUNTRIES.contains(&code) => return Err(page("invalid_request", "The API is not offered in this country.")),
        None | Some(_) => {}
    }
    // Optional, with no documented default: the narrower one.
    let scope = call.parameter("scope").unwrap_or("readonly").to_owned();
    if !["readonly", "full_access"].contains(&scope.as_str()) {
        return Err(page("invalid_scope", "The scopes are readonly and full_access."));
    }
    let challenge = call.parameter("code_challenge").map(str::to_owned);
    if challenge.is_some() && given("code_challenge_method") != "S256" {
        return Err(page("invalid_request", "Only code_challenge_method=S256 is supported."));
    }
    let sent_uri = given("redirect_uri").to_owned();
    Ok(Asked { redirect_uri, sent_uri, state: call.parameter("state").map(str::to_owned), scope, challenge, country })
}

fn redirect(asked: &Asked, answers: &[(&str, &str)]) -> Reply {
    let state = asked.state.as_deref().map(|state| ("state", state));
    let answers: Vec<(&str, &str)> = answers.iter().copied().chain(state).collect();
    back(&asked.redirect_uri, &answers)
}

/// `GET` and `POST /oauth2/auth/central`.
pub(crate) fn authorize(world: &mut World, call: &Incoming, config: &Config, now: Timestamp) -> Reply {
    let asked = match asked(call, config) {
        Ok(asked) => asked,
        Err(reply) => return reply,
    };
    if call.method == "POST" {
        let form = call.form();
        if first(&form, "decision") != Some("approve") {
            return redirect(&asked, &[("error", "access_denied")]);
        }
        let ticked = form.iter().filter(|(name, _)| name == "organisation");
        let businesses = ticked.filter_map(|(_, id)| world.find_business(id)).collect();
        return grant(world, &asked, businesses, now);
    }
    let consent = world.common.consent.clone();
    match consent {
        Some(consent) if consent.decision == Decision::Deny => redirect(&asked, &[("error", "access_denied")]),
        Some(consent) if consent.decision == Decision::Approve => {
            let businesses = match &consent.organisations {
                Some(named) => named.iter().filter_map(|one| world.find_business(one)).collect(),
                None => world.businesses.first().map(|business| business.id).into_iter().collect(),
            };
            grant(world, &asked, businesses, now)
        }
        _ => {
            let choices: Vec<Choice> = world
                .businesses
                .iter()
                .map(|business| {
                    let unserved = if COUNTRIES.contains(&business.country.to_lowercase().as_str()) {
                        ""
                    } else {
                        "; the vendor's own API serves no business of this country"
                    };
                    Choice {
                        id: business.id.simple().to_string(),
                        name: business.name.clone(),
                        detail: format!("{}, {}{unserved}", business.country, business.currency),
                    }
                })
                .collect();
            let body = consent_page("Sage", &config.client_id, &call.path_and_query, std::slice::from_ref(&asked.scope), &choices);
            Reply::new(200, "text/html; charset=utf-8", body).with("cache-control", "no-store")
        }
    }
}

fn grant(world: &mut World, asked: &Asked, named: Vec<Uuid>, now: Timestamp) -> Reply {
    let mut businesses: Vec<Uuid> = Vec::with_capacity(named.len());
    for id in named {
        if !businesses.contains(&id) {
            businesses.push(id);
        }
    }
    let Some(lead) = businesses.first().copied() else {
        return redirect(asked, &[("error", "access_denied")]);
    };
    let elsewhere = |id: &Uuid| {
        let country = world.business(*id).map(|business| business.country.to_lowercase());
        asked.country.is_some() && country != asked.country
    };
    if businesses.iter().any(elsewhere) {
        // Guide "Frequently Raised Errors": a business of another country than the one asked for.
        return redirect(asked, &[("error", "Invalid request"), ("reason", "Email already in use")]);
    }
    let known = world.users.iter().find(|user| user.businesses == businesses).map(|user| user.id);
    let id = known.unwrap_or_else(|| world.common.ids.uuid());
    let auth_event = world.common.ids.uuid();
    world.users.push(User { id, auth_event, businesses, lead });
    let value = world.common.ids.token();
    let code = Code {
        redirect_uri: asked.sent_uri.clone(),
        challenge: asked.challenge.clone(),
        scopes: vec![asked.scope.clone()],
        auth_event,
        issued: now,
        used: false,
    };
    world.tokens.keep_code(value.clone(), code);
    redirect(asked, &[("code", &value)])
}

fn failed(status: u16, error: &str) -> Reply {
    Reply::json(status, json!({ "error": error }).to_string())
}

/// The form of a token or revoke call, with the client's id and secret in it.
fn form(call: &Incoming, config: &Config) -> Result<Vec<(String, String)>, Reply> {
    if !call.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
        return Err(failed(400, "invalid_request"));
    }
    let form = call.form();
    let is_client = first(&form, "client_id") == Some(&config.client_id) && first(&form, "client_secret") == Some(&config.client_secret);
    if is_client { Ok(form) } else { Err(failed(401, "invalid_client")) }
}

/// `POST /token`.
pub(crate) fn token(world: &mut World, call: &Incoming, config: &Config, now: Timestamp) -> Reply {
    let form = match form(call, config) {
        Ok(form) => form,
        Err(reply) => return reply,
    };
    let next = world.common.ids.token();
    let given = |name: &str| first(&form, name).unwrap_or_default();
    match first(&form, "grant_type") {
        Some("authorization_code") => {
            let verifier = first(&form, "code_verifier");
            let Ok(code) = world.tokens.redeem(given("code"), given("redirect_uri"), verifier, &POLICY, now) else {
                return failed(400, "invalid_grant");
            };
            world.tokens.begin(code.auth_event, code.scopes.clone(), Some(next.clone()), now);
            tokens(world, code.auth_event, code.scopes, &next, now)
        }
        Some("refresh_token") => {
            let Ok(grant) = world.tokens.rotate(given("refresh_token"), next.clone(), &POLICY, now) else {
                return failed(400, "invalid_grant");
            };
            tokens(world, grant.auth_event, grant.scopes, &next, now)
        }
        _ => failed(400, "unsupported_grant_type"),
    }
}

fn tokens(world: &mut World, auth_event: Uuid, scopes: Vec<String>, refresh: &str, now: Timestamp) -> Reply {
    let token = format!("{}{}", world.common.ids.token(), world.common.ids.token());
    let person = world.users.iter().find(|user| user.auth_event == auth_event).map(|user| user.id.simple().to_string());
    let body = json!({
        "access_token": token,
        "expires_in": POLICY.access.as_secs(),
        "token_type": "bearer",
        "refresh_token": refresh,
        "refresh_token_expires_in": POLICY.unused_refresh.as_secs(),
        "scope": scopes.join(" "),
        "requested_by_id": person,
    });
    world.tokens.keep_access(token, Access { auth_event, scopes, expires: plus(now, POLICY.access) });
    Reply::json(200, body.to_string()).with("cache-control", "no-store")
}

/// `POST /revoke` with the refresh token (body from memory): the grant ends, with its access tokens. An unknown token is answered alike
/// (RFC 7009).
pub(crate) fn revoke(world: &mut World, call: &Incoming, config: &Config) -> Reply {
    let form = match form(call, config) {
        Ok(form) => form,
        Err(reply) => return reply,
    };
    let Some(token) = first(&form, "token") else { return failed(400, "invalid_request") };
    if let Some(auth_event) = world.tokens.end_grant_of(token) {
        world.users.retain(|user| user.auth_event != auth_event);
    }
    Reply::new(200, "", String::new())
}

/// The access token of a call, or a 401. An expired token has the code of an ended subscription and another message: only the message
/// `No active subscription. (MSE)` is documented, so a caller must not tell the two by the code.
pub(crate) fn bearer(world: &World, call: &Incoming, now: Timestamp) -> Result<(Access, User), Reply> {
    let token = call.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let held = world.tokens.access(token);
    let user = held.and_then(|access| world.users.iter().find(|user| user.auth_event == access.auth_event));
    match (held, user) {
        (Some(access), Some(user)) if now < access.expires => Ok((access.clone(), user.clone())),
        (Some(_), Some(_)) => Err(error(401, "AuthorizationFailure", "The access token has expired.")),
        _ => Err(error(401, "AuthorizationFailure", "The access token is invalid.")),
    }
}
