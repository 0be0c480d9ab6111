//! Customers' identity providers on one address: Google Workspace, Microsoft Entra ID and a SAML provider, each as far as a sign-in needs
//! it, with a page on which a person says who they are.
//!
//! Below `/google` is Google's issuer, below `/microsoft` the authority with any number of tenants, below `/saml` the SAML provider. What
//! is not modelled is answered 501. `PUT /__sim/person` names who signs in from then on without a page; `DELETE` brings the page back.

mod oidc;
mod pages;
mod saml;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::keys::{Key, KeyError};
use crate::skeleton::answer::Answer;
use crate::skeleton::clock::Clock;
use crate::skeleton::limits::Ticket;
use crate::skeleton::serve::Vendor;

/// How a provider of this kind is set up.
#[derive(Clone)]
pub struct Setup {
    /// The shared clock.
    pub clock: Clock,
    /// Its own origin, `http://127.0.0.1:8793`.
    pub origin: String,
    /// The client id under which the application is registered at Google and Microsoft.
    pub client_id: String,
    /// The client secret.
    pub client_secret: String,
    /// Where codes may be sent.
    pub redirect_uris: Vec<String>,
    /// Makes codes and ids of one run differ from those of another.
    pub seed: u64,
}

/// Who signs in, as the providers know them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Their address.
    pub email: String,
    /// Their name.
    #[serde(default)]
    pub name: Option<String>,
    /// Their lasting name at the provider; made of the address where absent.
    #[serde(default)]
    pub subject: Option<String>,
    /// Google: the Workspace's domain; the address's domain where absent, none at all when empty.
    #[serde(default)]
    pub hosted_domain: Option<String>,
    /// Microsoft: the tenant that the person belongs to.
    #[serde(default)]
    pub tenant: Option<String>,
}

/// The tenant of people who name none.
pub const TENANT: &str = "11111111-2222-4333-8444-555555555555";

impl Person {
    /// Somebody with this address.
    #[must_use]
    pub fn with(email: &str) -> Self {
        Self { email: email.to_owned(), name: None, subject: None, hosted_domain: None, tenant: None }
    }

    fn subject(&self) -> String {
        self.subject.clone().unwrap_or_else(|| {
            let hash = digest(&SHA256, self.email.to_lowercase().as_bytes());
            hash.as_ref().iter().take(10).map(|byte| format!("{byte:02x}")).collect()
        })
    }

    fn hosted_domain(&self) -> Option<String> {
        let own = || self.email.rsplit_once('@').map(|(_, domain)| domain.to_lowercase());
        self.hosted_domain.clone().or_else(own).filter(|domain| !domain.is_empty())
    }

    fn tenant(&self) -> String {
        self.tenant.clone().unwrap_or_else(|| TENANT.to_owned())
    }
}

/// What the SAML provider publishes of itself besides the ordinary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// Another entity id, which its responses name from then on.
    pub entity: Option<String>,
    /// A certificate besides its own, in base 64.
    pub second_certificate: Option<String>,
    /// The metadata is answered 503.
    pub unavailable: bool,
}

/// A code that was given out.
struct Code {
    issuer: String,
    redirect_uri: String,
    challenge: String,
    nonce: String,
    tenant: Option<String>,
    person: Person,
}

#[derive(Default)]
struct State {
    person: Option<Person>,
    saml: Published,
    codes: BTreeMap<String, Code>,
    drawn: u64,
}

/// The providers. Clones share keys and state.
#[derive(Clone)]
pub struct IdentityProviders(Arc<Inner>);

struct Inner {
    setup: Setup,
    key: Key,
    state: Mutex<State>,
}

/// An answer on its way.
type Reply = Response<Bytes>;

fn reply(status: StatusCode, kind: &str, body: impl Into<Bytes>) -> Reply {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    if let Ok(kind) = kind.parse() {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

fn json_reply(status: StatusCode, body: &Value) -> Reply {
    reply(status, "application/json", body.to_string())
}

fn redirect(location: &str) -> Reply {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::FOUND;
    if let Ok(location) = location.parse() {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn not_modelled(what: &str) -> Reply {
    json_reply(StatusCode::NOT_IMPLEMENTED, &json!({"NotModelled": what}))
}

fn fields(text: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

impl IdentityProviders {
    /// Providers with a key of their own.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn new(setup: Setup) -> Result<Self, KeyError> {
        Ok(Self(Arc::new(Inner { setup, key: Key::rsa()?, state: Mutex::default() })))
    }

    /// Who signs in without a page; `None` shows the page again.
    pub fn sign_in_as(&self, person: Option<Person>) {
        self.with(|state| state.person = person);
    }

    /// What the SAML provider publishes from now on.
    pub fn publish_saml(&self, published: Published) {
        self.with(|state| state.saml = published);
    }

    /// Google's issuer.
    #[must_use]
    pub fn google_issuer(&self) -> String {
        format!("{}/google", self.0.setup.origin)
    }

    /// Microsoft's authority.
    #[must_use]
    pub fn microsoft_authority(&self) -> String {
        format!("{}/microsoft", self.0.setup.origin)
    }

    /// Where the SAML provider's metadata is.
    #[must_use]
    pub fn metadata_url(&self) -> String {
        format!("{}/saml/metadata", self.0.setup.origin)
    }

    /// The key that signs at all of them.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.0.key
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A text that nobody has seen before.
    fn draw(&self, what: &str) -> String {
        let number = self.with(|state| {
            state.drawn += 1;
            state.drawn
        });
        let text = format!("{what} {} {number}", self.0.setup.seed);
        let hash = digest(&SHA256, text.as_bytes());
        hash.as_ref().iter().take(20).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Answers a request.
    #[must_use]
    pub fn handle(&self, request: &Request<Bytes>) -> Reply {
        let path = request.uri().path();
        let query = request.uri().query().unwrap_or_default();
        let body = std::str::from_utf8(request.body()).unwrap_or_default();
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (request.method(), segments.as_slice()) {
            (&Method::GET, [""]) => pages::front(&self.0.setup.origin),
            (&Method::PUT, ["__sim", "person"]) => match serde_json::from_str(body) {
                Ok(person) => {
                    self.sign_in_as(Some(person));
                    json_reply(StatusCode::OK, &json!({"page": false}))
                }
                Err(error) => json_reply(StatusCode::UNPROCESSABLE_ENTITY, &json!({"error": error.to_string()})),
            },
            (&Method::DELETE, ["__sim", "person"]) => {
                self.sign_in_as(None);
                json_reply(StatusCode::OK, &json!({"page": true}))
            }
            (method, ["google", rest @ ..]) => self.google(method, rest, query, request),
            (method, ["microsoft", tenant, rest @ ..]) => self.microsoft(method, tenant, rest, query, request),
            (&Method::GET, ["saml", "metadata"]) => self.saml_metadata(),
            (&Method::GET, ["saml", "sso"]) => self.saml_ask(query),
            (&Method::POST, ["saml", "sso"]) => self.saml_answer(&fields(body)),
            _ => not_modelled(path),
        }
    }

    fn google(&self, method: &Method, rest: &[&str], query: &str, request: &Request<Bytes>) -> Reply {
        let issuer = self.google_issuer();
        match (method, rest) {
            (&Method::GET, [".well-known", "openid-configuration"]) => self.discovery(&issuer, &issuer, "authorize", "token", "keys"),
            (&Method::GET, ["keys"]) => self.jwks(),
            (&Method::GET, ["authorize"]) => self.authorize(&issuer, None, query, None),
            (&Method::POST, ["authorize"]) => self.authorized(&issuer, None, request),
            (&Method::POST, ["token"]) => self.token(&issuer, request),
            _ => not_modelled(request.uri().path()),
        }
    }

    fn microsoft(&self, method: &Method, tenant: &str, rest: &[&str], query: &str, request: &Request<Bytes>) -> Reply {
        let base = format!("{}/{tenant}", self.microsoft_authority());
        let issuer = format!("{base}/v2.0");
        let several = matches!(tenant, "organizations" | "common" | "consumers");
        match (method, rest) {
            (&Method::GET, ["v2.0", ".well-known", "openid-configuration"]) => {
                // The documents of the multi-tenant authorities name a template, which no comparison passes.
                let named = if several { format!("{}/{{tenantid}}/v2.0", self.microsoft_authority()) } else { issuer };
                self.discovery(&named, &base, "oauth2/v2.0/authorize", "oauth2/v2.0/token", "discovery/v2.0/keys")
            }
            (&Method::GET, ["discovery", "v2.0", "keys"]) => self.jwks(),
            (&Method::GET, ["oauth2", "v2.0", "authorize"]) => self.authorize(&issuer, Some(tenant), query, None),
            (&Method::POST, ["oauth2", "v2.0", "authorize"]) => self.authorized(&issuer, Some(tenant), request),
            (&Method::POST, ["oauth2", "v2.0", "token"]) => self.token(&issuer, request),
            _ => not_modelled(request.uri().path()),
        }
    }
}

impl Vendor for IdentityProviders {
    fn answer(&self, request: &Request<Bytes>) -> Answer {
        Answer::Response(self.handle(request))
    }

    fn release(&self, _: Ticket) {}
}
