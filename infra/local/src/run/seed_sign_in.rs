//! Single sign-on of the demo workspace, so that a person can click through it: one domain that leads to Google, one that leads to SAML,
//! both at the simulated providers. Set up through the API, as an owner does it.

use coportal_core::id::WorkspaceId;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use simulators::identity_provider::served::{IdentityProviders, Person};

use super::RunError;
use super::routes::Local;
use crate::caller::{CallError, Caller, Reply};

/// The domain whose people sign in at Google.
pub const GOOGLE_DOMAIN: &str = "harbourlane.example";
/// The domain whose people sign in by SAML.
pub const SAML_DOMAIN: &str = "harbourlane-studio.example";

#[derive(Deserialize)]
struct Listed<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Connection {
    id: String,
    provider: String,
}

#[derive(Deserialize)]
struct Claimed {
    id: String,
    domain: String,
    record: Option<Record>,
}

#[derive(Deserialize)]
struct Begun {
    start_url: String,
}

#[derive(Deserialize)]
struct Record {
    name: String,
    value: String,
}

impl From<CallError> for RunError {
    fn from(error: CallError) -> Self {
        Self::Refused { what: "set the demo's sign-in up".to_owned(), status: 0, body: error.to_string() }
    }
}

fn refused(what: &str, reply: &Reply) -> RunError {
    RunError::Refused { what: what.to_owned(), status: reply.status.as_u16(), body: reply.text() }
}

/// The owner at the API.
struct Owner(Caller);

impl Owner {
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Reply, RunError> {
        let reply = self.0.send(method.clone(), path, body, &[]).await?;
        if reply.status.is_success() { Ok(reply) } else { Err(refused(&format!("{method} {path}"), &reply)) }
    }

    async fn list<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, RunError> {
        let reply = self.ask(Method::GET, path, None).await?;
        let listed: Listed<T> = serde_json::from_slice(&reply.body).map_err(|_| refused(path, &reply))?;
        Ok(listed.items)
    }
}

/// Makes it, over what an earlier run has left: name server and providers begin anew with each process.
pub(super) async fn plant(local: &Local, providers: &IdentityProviders, workspace: WorkspaceId) -> Result<(), RunError> {
    let owner = Owner(Caller::new(&local.parts().origin)?.with_token(&local.member_token(workspace, "owner")?));
    for claimed in owner.list::<Claimed>("/v1/sso/domains").await? {
        if [GOOGLE_DOMAIN, SAML_DOMAIN].contains(&claimed.domain.as_str()) {
            owner.ask(Method::DELETE, &format!("/v1/sso/domains/{}", claimed.id), None).await?;
        }
    }
    let before = owner.list::<Connection>("/v1/sso/connections").await?;
    for (domain, provider, request) in [
        (GOOGLE_DOMAIN, "google", json!({"provider": "google"})),
        (SAML_DOMAIN, "saml", json!({"provider": "saml", "metadata_url": providers.metadata_url()})),
    ] {
        for old in before.iter().filter(|old| old.provider == provider) {
            let off = json!({"enforcement": "off"});
            owner.ask(Method::POST, &format!("/v1/sso/connections/{}/enforce", old.id), Some(&off)).await?;
            owner.ask(Method::DELETE, &format!("/v1/sso/connections/{}", old.id), None).await?;
        }
        let made = owner.ask(Method::POST, "/v1/sso/connections", Some(&request)).await?;
        let connection: Connection = serde_json::from_slice(&made.body).map_err(|_| refused("make a connection", &made))?;
        let wanted = json!({"domain": domain, "connection_id": connection.id});
        let asked = owner.ask(Method::POST, "/v1/sso/domains", Some(&wanted)).await?;
        let claimed: Claimed = serde_json::from_slice(&asked.body).map_err(|_| refused("ask for a domain", &asked))?;
        let record = claimed.record.ok_or_else(|| refused("ask for a domain", &asked))?;
        local.parts().dns.put(&record.name, vec![record.value]);
        owner.ask(Method::POST, &format!("/v1/sso/domains/{}/verify", claimed.id), None).await?;
        providers.sign_in_as(Some(Person::with(&format!("owner@{domain}"))));
        let tested = test(&owner, &connection.id).await;
        // From here on the providers ask who somebody is.
        providers.sign_in_as(None);
        tested?;
        let offer = json!({"enforcement": "offer"});
        owner.ask(Method::POST, &format!("/v1/sso/connections/{}/enforce", connection.id), Some(&offer)).await?;
    }
    Ok(())
}

/// The test that going live needs, as a browser does it.
async fn test(owner: &Owner, connection: &str) -> Result<(), RunError> {
    let begun = owner.ask(Method::POST, &format!("/v1/sso/connections/{connection}/test"), Some(&json!({}))).await?;
    let begun: Begun = serde_json::from_slice(&begun.body).map_err(|_| refused("test a connection", &begun))?;
    let mut next = begun.start_url;
    loop {
        let hops = owner.0.browse(&next).await?;
        let last = hops.last().ok_or(CallError::Redirects)?;
        let page = last.reply.text();
        let Some((action, fields)) = posted_by(&page) else {
            let passed = last.url.query_pairs().any(|(name, value)| name == "test" && value == "passed");
            return if passed { Ok(()) } else { Err(refused("test a connection", &last.reply)) };
        };
        let answer = owner.0.form(&action, &fields).await?;
        if !answer.status.is_redirection() {
            return Err(refused("test a connection", &answer));
        }
        next = answer.header("location").to_owned();
    }
}

/// The form of a provider's page that posts a response by itself: where to, and its fields.
fn posted_by(page: &str) -> Option<(String, Vec<(String, String)>)> {
    let value = |before: &str| -> Option<String> {
        let (_, rest) = page.split_once(before)?;
        Some(rest.split('"').next()?.replace("&amp;", "&"))
    };
    let fields = ["SAMLResponse", "RelayState"].map(|name| Some((name.to_owned(), value(&format!("name=\"{name}\" value=\""))?)));
    Some((value("action=\"")?, fields.into_iter().collect::<Option<_>>()?))
}
