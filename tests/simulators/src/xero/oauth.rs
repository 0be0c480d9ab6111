//! Sign-in: authorise, token, revocation, connections (vendor notes, section 1).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::reply::unauthorised;
use super::world::World;
use crate::skeleton::answer::Reply;
use crate::skeleton::config::Config;
use crate::skeleton::consent::{Choice, Decision, consent_page, error_page};
use crate::skeleton::incoming::{Incoming, first};
use crate::skeleton::sign_in::{back, is_client, normal, registered};
use crate::skeleton::tokens::{Access, Code, Policy, readable_jwt};

/// Section 1: code 5 minutes, access 30 minutes, refresh 60 days unused, 30 minutes of grace.
pub(crate) const POLICY: Policy = Policy {
    code: SignedDuration::from_mins(5),
    access: SignedDuration::from_mins(30),
    unused_refresh: SignedDuration::from_hours(60 * 24),
    grace: SignedDuration::from_mins(30),
    hard_end: None,
};

/// The scopes an app made after 2026-03-02 may ask for, as far as the vendor notes name them. The old broad ones are not among them.
const SCOPES: [&str; 16] = [
    "openid",
    "profile",
    "email",
    "offline_access",
    "accounting.contacts",
    "accounting.contacts.read",
    "accounting.invoices",
    "accounting.invoices.read",
    "accounting.payments",
    "accounting.payments.read",
    "accounting.settings",
    "accounting.settings.read",
    "accounting.banktransactions",
    "accounting.banktransactions.read",
    "accounting.manualjournals",
    "accounting.manualjournals.read",
];

/// A link between the app and an organisation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Connection {
    pub(crate) id: Uuid,
    pub(crate) tenant: Uuid,
    pub(crate) auth_event: Uuid,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

/// A request to authorise that can be shown to the user.
struct Asked {
    redirect_uri: Url,
    state: Option<String>,
    scopes: Vec<String>,
    challenge: Option<String>,
}

fn page(code: &str, detail: &str) -> Reply {
    Reply::new(400, "text/html; charset=utf-8", error_page("Xero", code, detail))
}

fn asked(call: &Incoming, config: &Config) -> Result<Asked, Reply> {
    let given = |name: &str| call.parameter(name).unwrap_or_default();
    if given("client_id") != config.client_id {
        return Err(page("unauthorized_client", "Unknown client_id."));
    }
    // Exact match, no wildcard (section 1).
    let Some(redirect_uri) = registered(config, given("redirect_uri")) else {
        return Err(page("invalid_request", "Invalid redirect_uri."));
    };
    if given("response_type") != "code" {
        return Err(page("unsupported_response_type", "Only response_type=code is supported."));
    }
    let scopes: Vec<String> = given("scope").split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    if scopes.is_empty() || scopes.iter().any(|scope| !SCOPES.contains(&scope.as_str())) {
        return Err(page("invalid_scope", "A scope is unknown, or retired for apps made after 2 March 2026."));
    }
    let challenge = call.parameter("code_challenge").map(str::to_owned);
    if challenge.is_some() && given("code_challenge_method") != "S256" {
        return Err(page("invalid_request", "Only code_challenge_method=S256 is supported."));
    }
    Ok(Asked { redirect_uri, state: call.parameter("state").map(str::to_owned), scopes, challenge })
}

fn redirect(asked: &Asked, answer: (&str, &str)) -> Reply {
    let state = asked.state.as_deref().map(|state| ("state", state));
    let answers: Vec<(&str, &str)> = std::iter::once(answer).chain(state).collect();
    back(&asked.redirect_uri, &answers)
}

/// `GET` and `POST /identity/connect/authorize`.
pub(crate) fn authorize(world: &mut World, call: &Incoming, config: &Config, now: Timestamp) -> Reply {
    let asked = match asked(call, config) {
        Ok(asked) => asked,
        Err(reply) => return reply,
    };
    if call.method == "POST" {
        let form = call.form();
        if first(&form, "decision") != Some("approve") {
            return redirect(&asked, ("error", "access_denied"));
        }
        let ticked: Vec<&str> = form.iter().filter(|(name, _)| name == "organisation").map(|(_, id)| id.as_str()).collect();
        let tenants: Vec<Uuid> = ticked.iter().filter_map(|id| world.find_organisation(id)).collect();
        return grant(world, &asked, &tenants, false, now);
    }
    let consent = world.common.consent.clone();
    match consent {
        Some(consent) if consent.decision == Decision::Deny => redirect(&asked, ("error", "access_denied")),
        Some(consent) if consent.decision == Decision::Approve => {
            let tenants = match &consent.organisations {
                Some(named) => named.iter().filter_map(|one| world.find_organisation(one)).collect(),
                None => world.organisations.first().map(|organisation| organisation.id).into_iter().collect::<Vec<_>>(),
            };
            grant(world, &asked, &tenants, consent.keep_auth_event, now)
        }
        _ => {
            let choices: Vec<Choice> = world
                .organisations
                .iter()
                .map(|organisation| Choice {
                    id: organisation.id.to_string(),
                    name: organisation.name.clone(),
                    detail: format!("{}, {}", organisation.country, organisation.currency),
                })
                .collect();
            let body = consent_page("Xero", &config.client_id, &call.path_and_query, &asked.scopes, &choices);
            Reply::new(200, "text/html; charset=utf-8", body).with("cache-control", "no-store")
        }
    }
}

fn grant(world: &mut World, asked: &Asked, tenants: &[Uuid], keep_auth_event: bool, now: Timestamp) -> Reply {
    let auth_event = world.common.ids.uuid();
    for tenant in tenants {
        match world.connections.iter_mut().find(|connection| connection.tenant == *tenant) {
            Some(connection) => {
                connection.updated = now;
                if !keep_auth_event {
                    connection.auth_event = auth_event;
                }
            }
            None => {
                let id = world.common.ids.uuid();
                world.connections.push(Connection { id, tenant: *tenant, auth_event, created: now, updated: now });
            }
        }
    }
    let value = world.common.ids.token();
    let code = Code {
        redirect_uri: asked.redirect_uri.as_str().to_owned(),
        challenge: asked.challenge.clone(),
        scopes: asked.scopes.clone(),
        auth_event,
        issued: now,
        used: false,
    };
    world.tokens.keep_code(value.clone(), code);
    redirect(asked, ("code", &value))
}

fn failed(status: u16, error: &str) -> Reply {
    Reply::json(status, json!({ "error": error }).to_string())
}

/// `POST /connect/token`.
pub(crate) fn token(world: &mut World, call: &Incoming, config: &Config, now: Timestamp) -> Reply {
    if !is_client(call, config) {
        return failed(401, "invalid_client");
    }
    if !call.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
        return failed(400, "invalid_request");
    }
    let form = call.form();
    match first(&form, "grant_type") {
        Some("authorization_code") => {
            let (code, uri) = (first(&form, "code").unwrap_or_default(), first(&form, "redirect_uri").unwrap_or_default());
            let redeemed = world.tokens.redeem(code, &normal(uri), first(&form, "code_verifier"), &POLICY, now);
            let Ok(code) = redeemed else { return failed(400, "invalid_grant") };
            // Section 1: a refresh token only with offline_access.
            let refresh = code.scopes.iter().any(|scope| scope == "offline_access").then(|| world.common.ids.token());
            world.tokens.begin(code.auth_event, code.scopes.clone(), refresh.clone(), now);
            tokens(world, config, code.auth_event, code.scopes, refresh, now)
        }
        Some("refresh_token") => {
            let next = world.common.ids.token();
            let rotated = world.tokens.rotate(first(&form, "refresh_token").unwrap_or_default(), next.clone(), &POLICY, now);
            let Ok(grant) = rotated else { return failed(400, "invalid_grant") };
            tokens(world, config, grant.auth_event, grant.scopes, Some(next), now)
        }
        _ => failed(400, "unsupported_grant_type"),
    }
}

fn tokens(world: &mut World, config: &Config, auth_event: Uuid, scopes: Vec<String>, refresh: Option<String>, now: Timestamp) -> Reply {
    let lasts = POLICY.access.as_secs();
    let expires = crate::skeleton::clock::plus(now, POLICY.access);
    let token = readable_jwt(&json!({
        "iss": "https://identity.xero.com",
        "aud": "https://identity.xero.com/resources",
        "client_id": config.client_id,
        "nbf": now.as_second(),
        "exp": expires.as_second(),
        "auth_time": now.as_second(),
        "sub": world.user.simple().to_string(),
        "xero_userid": world.user,
        "global_session_id": auth_event.simple().to_string(),
        "authentication_event_id": auth_event,
        "jti": world.common.ids.token(),
        "scope": scopes,
    }));
    let mut body = json!({ "access_token": token, "expires_in": lasts, "token_type": "Bearer", "scope": scopes.join(" ") });
    if let (Some(refresh), Some(members)) = (refresh, body.as_object_mut()) {
        members.insert("refresh_token".to_owned(), refresh.into());
    }
    world.tokens.keep_access(token, Access { auth_event, scopes, expires });
    Reply::json(200, body.to_string()).with("cache-control", "no-store")
}

/// `POST /connect/revocation`: takes every connection of the user away (section 1, "Refresh race and disconnect").
pub(crate) fn revoke(world: &mut World, call: &Incoming, config: &Config) -> Reply {
    if !is_client(call, config) {
        return failed(401, "invalid_client");
    }
    let form = call.form();
    let Some(token) = first(&form, "token") else { return failed(400, "invalid_request") };
    if world.tokens.knows_refresh(token) {
        world.tokens.end_grants();
        world.connections.clear();
    }
    // RFC 7009: an unknown token is answered alike.
    Reply::new(200, "", String::new())
}

/// The access token of a call, or the 401 of the gateway (section 7).
pub(crate) fn bearer(world: &mut World, call: &Incoming, now: Timestamp) -> Result<Access, Reply> {
    let token = call.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let Some(access) = world.tokens.access(token).cloned() else {
        return Err(unauthorised(401, "AuthenticationUnsuccessful", world.common.ids.uuid()));
    };
    if now >= access.expires {
        let detail = format!("TokenExpired: token expired at {}", access.expires.strftime("%m/%d/%Y %H:%M:%S"));
        return Err(unauthorised(401, &detail, world.common.ids.uuid()));
    }
    Ok(access)
}

/// `GET /connections[?authEventId=]` and `DELETE /connections/{id}`.
pub(crate) fn connections(world: &mut World, call: &Incoming, now: Timestamp) -> Reply {
    if let Err(reply) = bearer(world, call, now) {
        return reply;
    }
    let segments = call.segments();
    match (call.method.as_str(), segments.get(1)) {
        ("GET", None) => {
            if let Some((name, _)) = call.query.iter().find(|(name, _)| name != "authEventId") {
                return Reply::not_modelled(&format!("the parameter {name} of GET /connections"));
            }
            let wanted = call.parameter("authEventId");
            let shown: Vec<_> = world
                .connections
                .iter()
                .filter(|connection| wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(&connection.auth_event.to_string())))
                .map(|connection| {
                    let name = world.organisation(connection.tenant).map(|organisation| organisation.name.as_str());
                    json!({
                        "id": connection.id,
                        "authEventId": connection.auth_event,
                        "tenantId": connection.tenant,
                        "tenantType": "ORGANISATION",
                        "tenantName": name,
                        "createdDateUtc": seven(connection.created),
                        "updatedDateUtc": seven(connection.updated),
                    })
                })
                .collect();
            super::reply::encode(200, &shown)
        }
        ("DELETE", Some(id)) if segments.len() == 2 => {
            let before = world.connections.len();
            world.connections.retain(|connection| connection.id.to_string() != *id);
            if world.connections.len() < before { Reply::new(204, "", String::new()) } else { super::reply::Refusal::NotFound.reply() }
        }
        _ => Reply::not_modelled(&format!("{} {}", call.method, call.path)),
    }
}

/// Seven decimals and no zone, as `/connections` shows instants.
fn seven(at: Timestamp) -> String {
    format!("{}.{:07}", at.strftime("%Y-%m-%dT%H:%M:%S"), at.subsec_nanosecond() / 100)
}
