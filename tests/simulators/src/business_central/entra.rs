//! Sign-in with Microsoft Entra ID (vendor notes, section 1).

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::world::World;
use crate::skeleton::answer::Reply;
use crate::skeleton::clock::plus;
use crate::skeleton::config::Config;
use crate::skeleton::consent::{Decision, consent_page, error_page};
use crate::skeleton::incoming::{Incoming, first};
use crate::skeleton::sign_in::{back, is_client, normal, registered};
use crate::skeleton::tokens::{Access, Code, Policy, readable_jwt};

/// Section 1. An access token lasts between 60 and 90 minutes, by chance: the shortest is modelled, so that code which hopes for more fails.
/// Refresh tokens are kept in [`Grants`]; their part of the policy is not used.
pub(crate) const POLICY: Policy = Policy {
    code: SignedDuration::from_mins(10),
    access: SignedDuration::from_secs(3_599),
    unused_refresh: REFRESH,
    grace: SignedDuration::ZERO,
    hard_end: None,
};

/// How long each refresh token lasts, counted from its own issue.
const REFRESH: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The resource that tokens are for.
const RESOURCE: &str = "https://api.businesscentral.dynamics.com/";

/// What of the resource may be asked for.
const PERMISSIONS: [&str; 3] = [".default", "Financials.ReadWrite.All", "user_impersonation"];

/// Scopes of sign-in itself.
const OPENID: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// One sign-in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) scopes: Vec<String>,
    /// Companies that this user may see; all when `None`. Entra itself asks about none: this stands for the user's licence and permission
    /// sets, which are given in Business Central.
    pub(crate) companies: Option<Vec<Uuid>>,
    /// A changed password, a conditional access rule, an administrator: the refresh tokens are dead.
    pub(crate) revoked: bool,
    pub(crate) nonce: Option<String>,
}

/// Every sign-in and its refresh tokens. A refresh hands out a new token and leaves the one before alive until its own end (section 1).
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Grants {
    pub(crate) all: HashMap<Uuid, Grant>,
    refresh: HashMap<String, Refresh>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Refresh {
    grant: Uuid,
    issued: Timestamp,
}

/// A request to authorise that can be answered.
struct Asked {
    redirect_uri: Url,
    state: Option<String>,
    scopes: Vec<String>,
    challenge: Option<String>,
    nonce: Option<String>,
}

/// Whether a path is of sign-in: `/{tenant}/oauth2/v2.0/…`.
pub(crate) fn is_sign_in(call: &Incoming) -> bool {
    matches!(call.segments().as_slice(), [_, oauth, version, _] if oauth == "oauth2" && version == "v2.0")
}

/// Routes a call of sign-in.
pub(crate) fn route(world: &mut World, call: &Incoming, config: &Config, now: Timestamp) -> Reply {
    let segments = call.segments();
    let (tenant, what) = match segments.as_slice() {
        [tenant, _, _, what] => (tenant.as_str(), what.as_str()),
        _ => return Reply::not_modelled(&call.path),
    };
    let known = matches!(tenant, "organizations" | "common") || tenant == world.tenant.to_string() || tenant == world.domain;
    match (call.method.as_str(), what) {
        ("GET" | "POST", "authorize") if !known => {
            page("AADSTS90002", &format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."))
        }
        ("GET" | "POST", "authorize") => authorize(world, call, config, now),
        ("POST", "token") if !known => failed(world, 400, "invalid_request", 90_002, &format!("Tenant '{tenant}' not found."), None, now),
        ("POST", "token") => token(world, call, config, now),
        _ => Reply::not_modelled(&format!("{} {}", call.method, call.path)),
    }
}

fn page(code: &str, detail: &str) -> Reply {
    Reply::new(400, "text/html; charset=utf-8", error_page("Microsoft Entra", code, detail))
}

/// The scopes asked for, or the error to send back with.
fn scopes(text: &str) -> Result<Vec<String>, String> {
    let asked: Vec<String> = text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    let resource: Vec<&str> = asked.iter().filter_map(|scope| scope.strip_prefix(RESOURCE)).collect();
    let unknown = asked.iter().find(|scope| match scope.strip_prefix(RESOURCE) {
        Some(permission) => !PERMISSIONS.contains(&permission),
        None => !OPENID.contains(&scope.as_str()),
    });
    if let Some(unknown) = unknown {
        return Err(format!("AADSTS650053: The application asked for scope '{unknown}' that doesn't exist on the resource."));
    }
    if asked.is_empty() {
        return Err("AADSTS900144: The request body must contain the following parameter: 'scope'.".to_owned());
    }
    if resource.contains(&".default") && resource.len() > 1 {
        return Err("AADSTS70011: .default scope can't be combined with resource-specific scopes.".to_owned());
    }
    Ok(asked)
}

fn authorize(world: &mut World, call: &Incoming, config: &Config, now: Timestamp) -> Reply {
    let given = |name: &str| call.parameter(name).unwrap_or_default();
    if given("client_id") != config.client_id {
        let detail = format!("Application with identifier '{}' was not found in the directory.", given("client_id"));
        return page("AADSTS700016", &detail);
    }
    let Some(redirect_uri) = registered(config, given("redirect_uri")) else {
        let detail = "The redirect URI specified in the request does not match the redirect URIs configured for the application.";
        return page("AADSTS50011", detail);
    };
    let state = call.parameter("state").map(str::to_owned);
    let refuse = |error: &str, description: &str| {
        let mut answers = vec![("error", error), ("error_description", description)];
        answers.extend(state.as_deref().map(|state| ("state", state)));
        back(&redirect_uri, &answers)
    };
    if given("response_type") != "code" {
        return refuse("unsupported_response_type", "AADSTS700054: response_type is not enabled for the application.");
    }
    if !matches!(call.parameter("response_mode"), None | Some("query")) {
        return Reply::not_modelled("a response_mode other than query");
    }
    let scopes = match scopes(given("scope")) {
        Ok(scopes) => scopes,
        Err(description) => return refuse("invalid_scope", &description),
    };
    let challenge = call.parameter("code_challenge").map(str::to_owned);
    if challenge.is_some() && given("code_challenge_method") != "S256" {
        return refuse("invalid_request", "AADSTS501491: Only the code_challenge_method S256 is supported here.");
    }
    let nonce = call.parameter("nonce").map(str::to_owned);
    let asked = Asked { redirect_uri: redirect_uri.clone(), state: state.clone(), scopes, challenge, nonce };
    let declined = "AADSTS65004: User declined to consent to access the app.";
    if call.method == "POST" {
        if first(&call.form(), "decision") != Some("approve") {
            return refuse("access_denied", declined);
        }
        return grant(world, &asked, None, now);
    }
    match world.common.consent.clone() {
        Some(consent) if consent.decision == Decision::Deny => refuse("access_denied", declined),
        Some(consent) if consent.decision == Decision::Approve => {
            let companies = consent.organisations.as_ref().map(|named| named.iter().filter_map(|one| world.find_company(one)).collect());
            grant(world, &asked, companies, now)
        }
        _ => {
            let body = consent_page("Microsoft", &config.client_id, &call.path_and_query, &asked.scopes, &[]);
            Reply::new(200, "text/html; charset=utf-8", body).with("cache-control", "no-store")
        }
    }
}

fn grant(world: &mut World, asked: &Asked, companies: Option<Vec<Uuid>>, now: Timestamp) -> Reply {
    let (id, value) = (world.common.ids.uuid(), world.common.ids.token());
    let grant = Grant { scopes: asked.scopes.clone(), companies, revoked: false, nonce: asked.nonce.clone() };
    world.grants.all.insert(id, grant);
    let code = Code {
        redirect_uri: asked.redirect_uri.as_str().to_owned(),
        challenge: asked.challenge.clone(),
        scopes: asked.scopes.clone(),
        auth_event: id,
        issued: now,
        used: false,
    };
    world.tokens.keep_code(value.clone(), code);
    let session = id.to_string();
    let mut answers = vec![("code", value.as_str())];
    answers.extend(asked.state.as_deref().map(|state| ("state", state)));
    answers.push(("session_state", session.as_str()));
    back(&asked.redirect_uri, &answers)
}

/// An error of the token endpoint, in Entra's shape: the number stands at the head of the description and in `error_codes`.
fn failed(world: &mut World, status: u16, error: &str, number: u32, what: &str, suberror: Option<&str>, now: Timestamp) -> Reply {
    let (trace, correlation) = (world.common.ids.uuid(), world.common.ids.uuid());
    let stamp = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let description = format!("AADSTS{number}: {what} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}");
    let mut body = json!({
        "error": error,
        "error_description": description,
        "error_codes": [number],
        "timestamp": stamp,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
    });
    if let (Some(suberror), Some(members)) = (suberror, body.as_object_mut()) {
        members.insert("suberror".to_owned(), suberror.into());
    }
    Reply::json(status, body.to_string()).with("cache-control", "no-store")
}

fn token(world: &mut World, call: &Incoming, config: &Config, now: Timestamp) -> Reply {
    if !call.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
        return failed(
            world,
            400,
            "invalid_request",
            900_144,
            "The request body must contain the following parameter: 'grant_type'.",
            None,
            now,
        );
    }
    let form = call.form();
    let sent = |name: &str| first(&form, name).unwrap_or_default();
    // The app's secret: in the form, or by HTTP Basic.
    if call.header("authorization").is_some() {
        if !is_client(call, config) {
            return failed(world, 401, "invalid_client", 7_000_215, "Invalid client secret provided.", None, now);
        }
    } else if sent("client_id") != config.client_id {
        let what = format!("Application with identifier '{}' was not found in the directory.", sent("client_id"));
        return failed(world, 400, "unauthorized_client", 700_016, &what, None, now);
    } else if sent("client_secret").is_empty() {
        let what = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
        return failed(world, 401, "invalid_client", 7_000_218, what, None, now);
    } else if sent("client_secret") != config.client_secret {
        return failed(world, 401, "invalid_client", 7_000_215, "Invalid client secret provided.", None, now);
    }
    match sent("grant_type") {
        "authorization_code" => redeem(world, &form, config, now),
        "refresh_token" => refresh(world, &form, config, now),
        other => {
            let what = format!("The app requested an unsupported grant type '{other}'.");
            failed(world, 400, "unsupported_grant_type", 70_003, &what, None, now)
        }
    }
}

fn redeem(world: &mut World, form: &[(String, String)], config: &Config, now: Timestamp) -> Reply {
    let (code, uri) = (first(form, "code").unwrap_or_default(), first(form, "redirect_uri").unwrap_or_default());
    let code = match world.tokens.redeem(code, &normal(uri), first(form, "code_verifier"), &POLICY, now) {
        Ok(code) => code,
        Err(invalid) => {
            let (number, what) = if invalid.0.contains("used already") {
                (
                    54_005,
                    "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.",
                )
            } else if invalid.0.contains("too old") {
                (70_008, "The provided authorization code or refresh token has expired due to inactivity.")
            } else if invalid.0.contains("redirect_uri") {
                (500_112, "The reply address does not match the reply address provided when requesting Authorization code.")
            } else if invalid.0.contains("code_verifier") {
                (501_481, "The Code_Verifier does not match the code_challenge supplied in the authorization request.")
            } else {
                (70_000, "The provided value for the 'code' parameter is not valid.")
            };
            return failed(world, 400, "invalid_grant", number, what, None, now);
        }
    };
    tokens(world, config, code.auth_event, code.scopes, now)
}

fn refresh(world: &mut World, form: &[(String, String)], config: &Config, now: Timestamp) -> Reply {
    let value = first(form, "refresh_token").unwrap_or_default();
    let Some(refresh) = world.grants.refresh.get(value).cloned() else {
        let what = "The provided value for the 'refresh_token' parameter is not valid.";
        return failed(world, 400, "invalid_grant", 70_000, what, None, now);
    };
    let Some(grant) = world.grants.all.get(&refresh.grant).cloned() else {
        return failed(world, 400, "invalid_grant", 70_000, "The grant is unknown.", None, now);
    };
    if grant.revoked {
        let what = "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or \
                    reset their password.";
        return failed(world, 400, "invalid_grant", 50_173, what, None, now);
    }
    if now >= plus(refresh.issued, REFRESH) {
        let what = "The refresh token has expired due to inactivity.";
        return failed(world, 400, "invalid_grant", 700_082, what, None, now);
    }
    let scopes = match first(form, "scope") {
        None => grant.scopes,
        Some(text) => match scopes(text) {
            Ok(asked) if asked.iter().all(|scope| grant.scopes.contains(scope)) => asked,
            Ok(_) => {
                let what = "The user or administrator has not consented to use the application.";
                return failed(world, 400, "invalid_grant", 65_001, what, Some("consent_required"), now);
            }
            Err(description) => return failed(world, 400, "invalid_scope", 70_011, &description, None, now),
        },
    };
    tokens(world, config, refresh.grant, scopes, now)
}

fn tokens(world: &mut World, config: &Config, grant: Uuid, scopes: Vec<String>, now: Timestamp) -> Reply {
    let expires = plus(now, POLICY.access);
    let nonce = world.grants.all.get(&grant).and_then(|grant| grant.nonce.clone());
    let resource: Vec<&str> = scopes.iter().filter_map(|scope| scope.strip_prefix(RESOURCE)).collect();
    let tid = world.tenant;
    let access = readable_jwt(&json!({
        "aud": RESOURCE.trim_end_matches('/'),
        "iss": format!("https://sts.windows.net/{tid}/"),
        "iat": now.as_second(),
        "nbf": now.as_second(),
        "exp": expires.as_second(),
        "appid": config.client_id,
        "name": "Ada Bookkeeper",
        "oid": world.user,
        "scp": if resource.is_empty() { "" } else { "Financials.ReadWrite.All user_impersonation" },
        "tid": tid,
        "upn": format!("ada@{}", world.domain),
        "uti": world.common.ids.token(),
        "ver": "1.0",
    }));
    let mut granted: Vec<String> = Vec::new();
    if !resource.is_empty() {
        // All that the app was registered for is granted, whichever way it was asked for.
        granted.extend(["Financials.ReadWrite.All", "user_impersonation", ".default"].map(|permission| format!("{RESOURCE}{permission}")));
    }
    granted.extend(scopes.iter().filter(|scope| matches!(scope.as_str(), "openid" | "profile" | "email")).cloned());
    let mut body = json!({
        "token_type": "Bearer",
        "scope": granted.join(" "),
        "expires_in": POLICY.access.as_secs(),
        "ext_expires_in": POLICY.access.as_secs(),
        "access_token": access,
    });
    if let Some(members) = body.as_object_mut() {
        if scopes.iter().any(|scope| scope == "offline_access") {
            let value = world.common.ids.token();
            world.grants.refresh.insert(value.clone(), Refresh { grant, issued: now });
            members.insert("refresh_token".to_owned(), value.into());
        }
        if scopes.iter().any(|scope| scope == "openid") {
            let id_token = readable_jwt(&json!({
                "aud": config.client_id,
                "iss": format!("https://login.microsoftonline.com/{tid}/v2.0"),
                "iat": now.as_second(),
                "nbf": now.as_second(),
                "exp": expires.as_second(),
                "name": "Ada Bookkeeper",
                "nonce": nonce,
                "oid": world.user,
                "preferred_username": format!("ada@{}", world.domain),
                "sub": STANDARD.encode(world.user.as_bytes()),
                "tid": tid,
                "ver": "2.0",
            }));
            members.insert("id_token".to_owned(), id_token.into());
        }
    }
    world.tokens.keep_access(access, Access { auth_event: grant, scopes, expires });
    Reply::json(200, body.to_string()).with("cache-control", "no-store")
}

/// The sign-in behind a call's token, when it is alive and for Business Central.
pub(crate) fn bearer<'world>(world: &'world World, call: &Incoming, now: Timestamp) -> Option<&'world Grant> {
    let token = call.header("authorization").and_then(|value| value.strip_prefix("Bearer "))?;
    let access = world.tokens.access(token).filter(|access| now < access.expires)?;
    // A token for another audience is no credential here.
    access.scopes.iter().find(|scope| scope.starts_with(RESOURCE))?;
    world.grants.all.get(&access.auth_event)
}
