//! A SAML provider: request by redirect, response by POST.

use std::collections::BTreeMap;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::DeflateDecoder;
use http::StatusCode;

use super::super::response::{Connection, Says, cut};
use super::{IdentityProviders, Person, Reply, fields, pages, reply};

/// Largest request that is read, inflated.
const MOST: u64 = 64 * 1024;

/// What a request asks.
struct Request {
    id: String,
    acs_url: String,
    issuer: String,
    relay_state: String,
}

/// The value of an attribute of the first element that has it.
fn attribute<'x>(xml: &'x str, name: &str) -> Option<&'x str> {
    let (_, rest) = xml.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

fn plain(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn read(query: &str) -> Option<Request> {
    let asked = fields(query);
    let deflated = STANDARD.decode(asked.get("SAMLRequest")?).ok()?;
    let mut xml = String::new();
    DeflateDecoder::new(deflated.as_slice()).take(MOST).read_to_string(&mut xml).ok()?;
    let issuer = cut(&xml, "<saml:Issuer>", "</saml:Issuer>");
    let issuer = issuer.strip_prefix("<saml:Issuer>")?.strip_suffix("</saml:Issuer>")?;
    Some(Request {
        id: attribute(&xml, "ID")?.to_owned(),
        acs_url: plain(attribute(&xml, "AssertionConsumerServiceURL")?),
        issuer: plain(issuer),
        relay_state: asked.get("RelayState").cloned().unwrap_or_default(),
    })
}

impl IdentityProviders {
    /// The provider's entity id.
    #[must_use]
    pub fn saml_entity(&self) -> String {
        self.with(|state| state.saml.entity.clone()).unwrap_or_else(|| self.metadata_url())
    }

    pub(super) fn saml_metadata(&self) -> Reply {
        let published = self.with(|state| state.saml.clone());
        if published.unavailable {
            return reply(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "the metadata is not there now");
        }
        let keys: String = [Some(self.0.key.certificate_base64()), published.second_certificate]
            .into_iter()
            .flatten()
            .map(|certificate| {
                format!(
                    "<md:KeyDescriptor use=\"signing\"><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
                )
            })
            .collect();
        let xml = format!(
            "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{}\"><md:IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">{keys}<md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"{}/saml/sso\"/></md:IDPSSODescriptor></md:EntityDescriptor>",
            self.saml_entity(),
            self.0.setup.origin,
        );
        reply(StatusCode::OK, "application/samlmetadata+xml", xml)
    }

    pub(super) fn saml_ask(&self, query: &str) -> Reply {
        let Some(request) = read(query) else {
            return reply(StatusCode::BAD_REQUEST, "text/plain", "this is no SAMLRequest by redirect");
        };
        match self.with(|state| state.person.clone()) {
            Some(person) => self.saml_respond(&request, &person),
            None => pages::who(&format!("{}/saml/sso", self.0.setup.origin), "query", query, "", None),
        }
    }

    pub(super) fn saml_answer(&self, form: &BTreeMap<String, String>) -> Reply {
        let request = form.get("query").and_then(|query| read(query));
        match (request, pages::person(form)) {
            (Some(request), Some(person)) => self.saml_respond(&request, &person),
            _ => reply(StatusCode::UNPROCESSABLE_ENTITY, "text/plain", "a request and an e-mail address are needed"),
        }
    }

    fn saml_respond(&self, request: &Request, person: &Person) -> Reply {
        let connection = Connection { entity_id: escaped(&request.issuer), acs_url: escaped(&request.acs_url) };
        let good = Says::good(
            self.0.setup.clock.now(),
            &escaped(&self.saml_entity()),
            &connection,
            &request.id,
            &escaped(&person.subject()),
            &escaped(&person.email),
        );
        let mut attributes = good.attributes.clone();
        attributes.extend(person.name.iter().map(|name| ("displayName".to_owned(), escaped(name))));
        let says = Says {
            response_id: format!("_r{}", self.draw("response")),
            assertion_id: format!("_a{}", self.draw("assertion")),
            attributes,
            ..good
        };
        match says.signed(&self.0.key) {
            Ok(document) => pages::post(&request.acs_url, &STANDARD.encode(document), &request.relay_state),
            Err(error) => reply(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string()),
        }
    }
}
