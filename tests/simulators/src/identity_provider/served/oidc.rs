//! OpenID Connect: authorization code with PKCE, a confidential client, RS256.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use url::Url;

use super::super::response::RSA_SHA256;
use super::{Code, IdentityProviders, Person, Reply, fields, json_reply, pages, redirect, reply};

/// How long an ID token is good, in seconds.
const TOKEN_LIVES: i64 = 3600;
const KID: &str = "simulated-1";

/// Modulus and exponent of an RSA key, from its `SubjectPublicKeyInfo`: the last two integers of the structure.
fn modulus_and_exponent(spki: &[u8]) -> Option<(&[u8], &[u8])> {
    // 30 82 …  30 0d <rsaEncryption> 05 00  03 82 … 00  30 82 …  02 82 01 01 00 <256 bytes>  02 03 <3 bytes>
    let exponent = spki.get(spki.len().checked_sub(3)?..)?;
    let end = spki.len().checked_sub(5)?;
    Some((spki.get(end.checked_sub(256)?..end)?, exponent))
}

fn oauth_error(status: StatusCode, code: &str, description: &str) -> Reply {
    json_reply(status, &json!({"error": code, "error_description": description}))
}

impl IdentityProviders {
    pub(super) fn discovery(&self, issuer: &str, base: &str, authorize: &str, token: &str, keys: &str) -> Reply {
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{base}/{authorize}"),
            "token_endpoint": format!("{base}/{token}"),
            "jwks_uri": format!("{base}/{keys}"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "email", "profile"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
        });
        json_reply(StatusCode::OK, &document)
    }

    pub(super) fn jwks(&self) -> Reply {
        let Some((n, e)) = modulus_and_exponent(self.0.key.spki()) else {
            return oauth_error(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "the key cannot be published");
        };
        let key = json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": KID, "n": URL_SAFE_NO_PAD.encode(n), "e": URL_SAFE_NO_PAD.encode(e),
        });
        json_reply(StatusCode::OK, &json!({"keys": [key]}))
    }

    /// The authorize endpoint: refused in place when client or redirect address are not registered, since then nothing may be sent there.
    pub(super) fn authorize(&self, issuer: &str, tenant: Option<&str>, query: &str, person: Option<Person>) -> Reply {
        let asked = fields(query);
        let get = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
        let setup = &self.0.setup;
        let redirect_uri = get("redirect_uri");
        if get("client_id") != setup.client_id || !setup.redirect_uris.iter().any(|known| known == redirect_uri) {
            return oauth_error(StatusCode::BAD_REQUEST, "invalid_request", "the client or its redirect address is not registered");
        }
        let Ok(target) = redirect_uri.parse::<Url>() else {
            return oauth_error(StatusCode::BAD_REQUEST, "invalid_request", "the redirect address is none");
        };
        let back = |pairs: &[(&str, &str)]| {
            let mut target = target.clone();
            target.query_pairs_mut().extend_pairs(pairs).append_pair("state", get("state"));
            redirect(target.as_str())
        };
        let scopes: Vec<&str> = get("scope").split(' ').collect();
        let sound = get("response_type") == "code"
            && get("code_challenge_method") == "S256"
            && get("code_challenge").len() == 43
            && !get("state").is_empty()
            && !get("nonce").is_empty();
        if !sound {
            return back(&[("error", "invalid_request")]);
        }
        if !scopes.contains(&"openid") || !scopes.contains(&"email") {
            return back(&[("error", "invalid_scope")]);
        }
        let Some(person) = person.or_else(|| self.with(|state| state.person.clone())) else {
            let action =
                issuer.strip_suffix("/v2.0").map_or_else(|| format!("{issuer}/authorize"), |base| format!("{base}/oauth2/v2.0/authorize"));
            return pages::who(&action, "query", query, get("login_hint"), tenant);
        };
        let code = self.draw("code");
        let given = Code {
            issuer: issuer.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            challenge: get("code_challenge").to_owned(),
            nonce: get("nonce").to_owned(),
            tenant: tenant.map(str::to_owned),
            person,
        };
        self.with(|state| state.codes.insert(code.clone(), given));
        back(&[("code", &code)])
    }

    /// The page's form came back.
    pub(super) fn authorized(&self, issuer: &str, tenant: Option<&str>, request: &Request<Bytes>) -> Reply {
        let form = fields(std::str::from_utf8(request.body()).unwrap_or_default());
        let query = form.get("query").cloned().unwrap_or_default();
        if form.contains_key("cancel") {
            let asked = fields(&query);
            let registered = asked.get("redirect_uri").filter(|uri| self.0.setup.redirect_uris.contains(uri));
            let Some(mut target) = registered.and_then(|uri| uri.parse::<Url>().ok()) else {
                return oauth_error(StatusCode::BAD_REQUEST, "invalid_request", "the redirect address is not registered");
            };
            let state = asked.get("state").map(String::as_str).unwrap_or_default();
            target.query_pairs_mut().append_pair("error", "access_denied").append_pair("state", state);
            return redirect(target.as_str());
        }
        match pages::person(&form) {
            Some(person) => self.authorize(issuer, tenant, &query, Some(person)),
            None => reply(StatusCode::UNPROCESSABLE_ENTITY, "text/plain", "an e-mail address is needed"),
        }
    }

    /// The token endpoint: the client proves itself, the code works once, the verifier fits the challenge.
    pub(super) fn token(&self, issuer: &str, request: &Request<Bytes>) -> Reply {
        let form = fields(std::str::from_utf8(request.body()).unwrap_or_default());
        let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let (id, secret) = basic(request).unwrap_or_else(|| (get("client_id").to_owned(), get("client_secret").to_owned()));
        if id != self.0.setup.client_id || secret != self.0.setup.client_secret {
            return oauth_error(StatusCode::UNAUTHORIZED, "invalid_client", "the client id or secret is wrong");
        }
        if get("grant_type") != "authorization_code" {
            return oauth_error(StatusCode::BAD_REQUEST, "unsupported_grant_type", "only codes are exchanged");
        }
        let Some(code) = self.with(|state| state.codes.remove(get("code"))) else {
            return oauth_error(StatusCode::BAD_REQUEST, "invalid_grant", "the code is unknown or was used");
        };
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, get("code_verifier").as_bytes()).as_ref());
        if code.issuer != issuer || code.redirect_uri != get("redirect_uri") || code.challenge != challenge {
            return oauth_error(StatusCode::BAD_REQUEST, "invalid_grant", "the code was given for another request");
        }
        let claims = self.claims(&code);
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": KID});
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let Ok(signature) = self.0.key.sign(RSA_SHA256, signed.as_bytes()) else {
            return oauth_error(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "no signature could be made");
        };
        let body = json!({
            "access_token": self.draw("access"),
            "token_type": "Bearer",
            "expires_in": TOKEN_LIVES,
            "id_token": format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)),
        });
        json_reply(StatusCode::OK, &body)
    }

    fn claims(&self, code: &Code) -> Value {
        let now = self.0.setup.clock.now().as_second();
        let person = &code.person;
        let mut claims = json!({
            "iss": code.issuer, "sub": person.subject(), "aud": self.0.setup.client_id, "iat": now, "exp": now + TOKEN_LIVES,
            "nonce": code.nonce, "email": person.email, "name": person.name.clone().unwrap_or_else(|| person.email.clone()),
        });
        let more = match &code.tenant {
            None => json!({"email_verified": true, "hd": person.hosted_domain()}),
            Some(_) => {
                // A multi-tenant authority answers with the token of the tenant that the person belongs to.
                let tenant = person.tenant();
                json!({"iss": format!("{}/{tenant}/v2.0", self.microsoft_authority()), "tid": tenant, "oid": person.subject(), "acct": 0, "ver": "2.0"})
            }
        };
        if let (Some(claims), Some(more)) = (claims.as_object_mut(), more.as_object()) {
            claims.extend(more.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())));
        }
        claims
    }
}

/// `client_secret_basic` (RFC 6749, section 2.3.1): both halves are form-encoded.
fn basic(request: &Request<Bytes>) -> Option<(String, String)> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let plain = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8().ok().map(|text| text.into_owned());
    Some((plain(id)?, plain(secret)?))
}
