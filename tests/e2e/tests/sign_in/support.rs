//! What the journeys of sign-in share.

use coportal_core::workspace::Plan;
use coportal_local::caller::{Caller, Reply};
use coportal_local::run::{LocalRun, NewWorkspace, RunOptions};
use serde_json::{Value, json};
use simulators::identity_provider::served::Person;
use url::Url;

/// Everything, over HTTP.
pub(crate) struct World {
    pub(crate) local: LocalRun,
}

/// A workspace and its people.
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) owner: Caller,
    pub(crate) admin: Caller,
    pub(crate) member: Caller,
    /// Bearer tokens, which the local sign-in turns into sessions of the ordinary kind.
    pub(crate) owner_token: String,
    pub(crate) admin_token: String,
    tokens: String,
}

/// The value of a parameter of an address's query.
pub(crate) fn parameter(location: &str, name: &str) -> Option<String> {
    let base: Url = "http://base.test".parse().unwrap();
    let url = base.join(location).unwrap();
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

/// The value of a hidden field of a page.
pub(crate) fn hidden(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\"")).unwrap_or_else(|| panic!("no field {name} in {page}"));
    let (_, rest) = rest.split_once("value=\"").unwrap_or_else(|| panic!("no value of {name} in {page}"));
    rest.split('"').next().unwrap().replace("&amp;", "&")
}

pub(crate) fn code(reply: &Reply) -> (u16, String) {
    (reply.status.as_u16(), reply.json()["code"].as_str().unwrap_or_default().to_owned())
}

impl World {
    pub(crate) async fn new() -> Self {
        Self { local: LocalRun::start(RunOptions::default()).await.unwrap() }
    }

    pub(crate) async fn tenant(&self, name: &str, plan: Plan) -> Tenant {
        let opened = self.local.open_workspace(&NewWorkspace::british(name, plan)).await.unwrap();
        let stranger = self.stranger();
        Tenant {
            id: opened.workspace_id.to_string(),
            owner: stranger.with_token(&opened.owner_token),
            admin: stranger.with_token(&opened.admin_token),
            member: stranger.with_token(&opened.member_token),
            owner_token: opened.owner_token.clone(),
            admin_token: opened.admin_token.clone(),
            tokens: opened.member_token.clone(),
        }
    }

    /// The bearer token of a member, which the local sign-in turns into a session of the ordinary kind.
    pub(crate) fn member_token(tenant: &Tenant) -> String {
        tenant.tokens.clone()
    }

    /// The owner again, with a token that is fresh: those of the beginning last twelve hours.
    pub(crate) async fn tenant_tokens_again(&self, tenant: &Tenant) -> Caller {
        let at = format!("/__local/workspaces/{}", tenant.id);
        let again = self.stranger().send(http::Method::PUT, &at, Some(&json!({"plan": "enterprise"})), &[]).await.unwrap();
        self.stranger().with_token(again.json()["owner_token"].as_str().unwrap_or_else(|| panic!("{}", again.text())))
    }

    pub(crate) fn stranger(&self) -> Caller {
        Caller::new(&self.local.origin).unwrap()
    }

    /// Who signs in at the simulated providers from now on.
    pub(crate) fn person(&self, person: Person) {
        self.local.providers.sign_in_as(Some(person));
    }

    /// Asks for a domain, sets the record and has it verified.
    pub(crate) async fn prove(&self, tenant: &Tenant, domain: &str) -> String {
        let asked = tenant.admin.post("/v1/sso/domains", &json!({"domain": domain})).await.unwrap();
        assert_eq!(asked.status.as_u16(), 201, "{}", asked.text());
        let asked = asked.json();
        assert_eq!(asked["status"], "pending");
        let record = &asked["record"];
        self.local.dns.put(record["name"].as_str().unwrap(), vec![record["value"].as_str().unwrap().to_owned()]);
        let id = asked["id"].as_str().unwrap().to_owned();
        let verified = tenant.admin.post(&format!("/v1/sso/domains/{id}/verify"), &json!({})).await.unwrap();
        assert_eq!(verified.json()["status"], "verified", "{}", verified.text());
        id
    }

    pub(crate) async fn connect(&self, tenant: &Tenant, request: &Value) -> String {
        let made = tenant.owner.post("/v1/sso/connections", request).await.unwrap();
        assert_eq!(made.status.as_u16(), 201, "{}", made.text());
        made.json()["id"].as_str().unwrap().to_owned()
    }

    /// The body of a SAML connection to the simulated provider.
    pub(crate) fn saml(&self) -> Value {
        json!({"provider": "saml", "metadata_url": self.local.providers.metadata_url()})
    }

    /// A test run by somebody, to its end; the last address says how it went.
    pub(crate) async fn test(&self, by: &Caller, connection: &str) -> String {
        let started = by.post(&format!("/v1/sso/connections/{connection}/test"), &json!({})).await.unwrap();
        assert_eq!(started.status.as_u16(), 200, "{}", started.text());
        let browser = Browser(by.clone());
        browser.go(started.json()["start_url"].as_str().unwrap()).await
    }

    /// A connection that was tested by the owner, and is offered.
    pub(crate) async fn live(&self, tenant: &Tenant, request: &Value, person: Person) -> String {
        let id = self.connect(tenant, request).await;
        self.person(person);
        let mut ended = self.test(&tenant.owner, &id).await;
        if request["provider"] == "microsoft" {
            assert_eq!(parameter(&ended, "test").as_deref(), Some("passed"), "{ended}");
            ended = self.test(&tenant.owner, &id).await;
        }
        assert_eq!(parameter(&ended, "test").as_deref(), Some("passed"), "{ended}");
        self.enforce(tenant, &id, json!({"enforcement": "offer"})).await;
        id
    }

    pub(crate) async fn enforce(&self, tenant: &Tenant, id: &str, request: Value) -> Value {
        let switched = tenant.owner.post(&format!("/v1/sso/connections/{id}/enforce"), &request).await.unwrap();
        assert_eq!(switched.status.as_u16(), 200, "{}", switched.text());
        switched.json()
    }

    /// The audit lines of a workspace, newest first: (action, text).
    pub(crate) async fn audit(&self, who: &Caller) -> Vec<(String, String)> {
        let page = who.get("/v1/audit?limit=100").await.unwrap();
        let items = page.json()["items"].as_array().unwrap_or_else(|| panic!("{}", page.text())).clone();
        items.iter().map(|line| (line["action"].as_str().unwrap().to_owned(), line["text"].as_str().unwrap().to_owned())).collect()
    }
}

/// A browser of its own: cookies, and pages that post by themselves.
#[derive(Clone)]
pub(crate) struct Browser(pub(crate) Caller);

impl Browser {
    pub(crate) fn new(world: &World) -> Self {
        Self(world.stranger())
    }

    /// The address that discover answers for an e-mail address.
    pub(crate) async fn discover(&self, email: &str) -> Value {
        let found = self.0.post("/v1/sso/discover", &json!({"email": email})).await.unwrap();
        assert_eq!(found.status.as_u16(), 200, "{}", found.text());
        found.json()
    }

    /// Opens an address, follows redirects, posts what a page posts by itself, and answers where it all ended: path and query of our own
    /// page. A cross-site POST carries no cookie of ours, as `SameSite=Lax` has it.
    pub(crate) async fn go(&self, address: &str) -> String {
        let mut next = address.to_owned();
        for _ in 0..10 {
            let hops = self.0.browse(&next).await.unwrap();
            let last = hops.last().unwrap();
            let text = last.reply.text();
            if !text.contains("name=\"SAMLResponse\"") {
                return last.url.to_string();
            }
            let reply = self.post_response(&text).await;
            assert_eq!(reply.status.as_u16(), 303, "{}", reply.text());
            next = reply.header("location").to_owned();
        }
        panic!("no end")
    }

    /// Sends the form of a provider's page, without cookies.
    pub(crate) async fn post_response(&self, page: &str) -> Reply {
        let (_, action) = page.split_once("action=\"").unwrap();
        let action = action.split('"').next().unwrap().replace("&amp;", "&");
        let fields = ["SAMLResponse", "RelayState"].map(|name| (name.to_owned(), hidden(page, name)));
        let origin: Url = action.parse().unwrap();
        Caller::new(&origin.origin().ascii_serialization()).unwrap().form(&action, &fields).await.unwrap()
    }

    /// Signs in with an address; the one-time code.
    pub(crate) async fn sign_in(&self, email: &str) -> Result<String, String> {
        let found = self.discover(email).await;
        let start = found["start_url"].as_str().unwrap_or_else(|| panic!("{email}: {found}"));
        let ended = self.go(&format!("{start}&login_hint={}&return_to=/settings/sso", email.replace('@', "%40"))).await;
        parameter(&ended, "code").ok_or(parameter(&ended, "error").unwrap_or(ended))
    }

    /// The same, and exchanges the code: the session.
    pub(crate) async fn session(&self, email: &str) -> Value {
        let code = self.sign_in(email).await.unwrap();
        let reply = self.0.post("/v1/sso/exchange", &json!({"code": code})).await.unwrap();
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
        reply.json()
    }

    pub(crate) async fn who(&self) -> Reply {
        self.0.get("/v1/session").await.unwrap()
    }
}
