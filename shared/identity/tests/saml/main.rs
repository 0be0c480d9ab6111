//! The attack list against the assertion consumer's verification: every document is refused or harmless, the good ones are accepted and
//! an independent verifier reads the same out of them.
#![cfg(test)]

mod attacks;
mod good;
mod metadata;
#[path = "../../src/testing.rs"]
mod testing;

use std::collections::BTreeSet;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coportal_core::id::SsoConnectionId;
use coportal_core::problem::Problem;
use coportal_identity::domain::Domain;
use coportal_identity::fetch::{Guard, LocalOrigins};
use coportal_identity::saml::{Pending, ReplayStore, SamlIdp, ServiceProvider, Settlement, SignedPart, Use, verify};
use coportal_identity::{Identity, Refusal};
use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::testing::{ctx, now};
use simulators::identity_provider::{Connection, Key, Says};

pub(crate) const ISSUER: &str = "https://idp.acme.example/saml";
pub(crate) const STATE: &str = "4b1f5e1d7c";
pub(crate) const REQUEST: &str = "_req1";

/// Ids that were spent, as the table keeps them.
#[derive(Default)]
pub(crate) struct Spent(Mutex<BTreeSet<String>>);

impl ReplayStore for Spent {
    fn settle<'a>(&'a self, settlement: &'a Settlement<'a>) -> BoxFuture<'a, Result<Use, Problem>> {
        Box::pin(async move {
            // Whoever comes second finds the ids there, also when both are under way at once.
            tokio::task::yield_now().await;
            let mut spent = self.0.lock().unwrap();
            assert_eq!(settlement.seen.len(), 2, "response and assertion");
            assert!(settlement.seen.iter().all(|seen| seen.until > now()));
            if settlement.seen.iter().any(|seen| spent.contains(&seen.hash)) {
                return Ok(Use::Again);
            }
            spent.extend(settlement.seen.iter().map(|seen| seen.hash.clone()));
            Ok(Use::First)
        })
    }
}

/// A connection of a workspace, and its provider.
pub(crate) struct World {
    pub(crate) key: Key,
    pub(crate) attacker: Key,
    pub(crate) idp: SamlIdp,
    pub(crate) metadata: String,
    pub(crate) sp: ServiceProvider,
    pub(crate) connection: SsoConnectionId,
    pub(crate) domains: BTreeSet<Domain>,
    pub(crate) signed: SignedPart,
}

pub(crate) fn metadata_of(entity: &str, key: &Key) -> String {
    format!(
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{entity}\"><!-- by hand --><md:IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><md:KeyDescriptor use=\"signing\"><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data><ds:X509Certificate>\n{}\n</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"https://idp.acme.example/sso\"/></md:IDPSSODescriptor></md:EntityDescriptor>",
        key.certificate_base64()
    )
}

pub(crate) fn guard() -> Guard {
    Guard::new(LocalOrigins::default())
}

impl World {
    pub(crate) fn new(key: Key) -> Self {
        let metadata = metadata_of(ISSUER, &key);
        Self {
            attacker: Key::rsa().unwrap(),
            idp: SamlIdp::from_metadata(&metadata, None, &guard(), now()).unwrap(),
            metadata,
            key,
            sp: ServiceProvider::new("https://app.coportal.example".parse().unwrap()),
            connection: SsoConnectionId::new(Uuid::from_u128(1)),
            domains: BTreeSet::from([Domain::parse("acme.example").unwrap()]),
            signed: SignedPart::Assertion,
        }
    }

    pub(crate) fn rsa() -> Self {
        Self::new(Key::rsa().unwrap())
    }

    /// What a good response of this sign-in says.
    pub(crate) fn says(&self) -> Says {
        let own = self.at(self.connection);
        Says {
            attributes: vec![("email".to_owned(), "Ann@ACME.example".to_owned()), ("displayName".to_owned(), "Ann &amp; Co".to_owned())],
            ..Says::good(now(), ISSUER, &own, REQUEST, "user-17", "")
        }
    }

    /// Our side of a connection, as a provider is told it.
    pub(crate) fn at(&self, connection: SsoConnectionId) -> Connection {
        Connection { entity_id: self.sp.entity_id(connection), acs_url: self.sp.acs_url(connection) }
    }

    pub(crate) fn form(document: &str) -> Vec<(String, String)> {
        vec![("SAMLResponse".to_owned(), STANDARD.encode(document)), ("RelayState".to_owned(), STATE.to_owned())]
    }

    pub(crate) fn verify_form(&self, form: &[(String, String)]) -> Result<coportal_identity::saml::Verified, Refusal> {
        let pending = Pending { connection: self.connection, request_id: REQUEST, state: STATE };
        verify(&ctx(), &self.sp, &self.idp, self.signed, &self.domains, pending, form)
    }

    /// What becomes of a document at the assertion consumer, to the end.
    pub(crate) async fn outcome(&self, document: &str) -> Result<Identity, Refusal> {
        let verified = self.verify_form(&Self::form(document))?;
        verified.settle(&Spent::default()).await.unwrap()
    }
}
