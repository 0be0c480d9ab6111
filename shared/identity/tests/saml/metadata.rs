use std::collections::VecDeque;
use std::io::Read as _;

use bytes::Bytes;
use coportal_identity::fetch::{Fetch, FetchError, Limits, UrlRefusal};
use coportal_identity::saml::{Change, HeldChange, MetadataError, RequestAlgorithm, RequestSigner, SignError, compare, fetch_metadata};
use coportal_identity::{Identity, Reason, Refusal};
use http::{Request, Response};

use super::*;
use simulators::identity_provider::response::{RSA_SHA256, cut};

const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";

fn read(xml: &str) -> Result<SamlIdp, MetadataError> {
    SamlIdp::from_metadata(xml, None, &guard(), now())
}

#[test]
fn metadata_gives_a_name_an_address_and_keys() {
    // R108: the provider's metadata, by URL or pasted.
    let world = World::rsa();
    let idp = read(&world.metadata).unwrap();
    assert_eq!((idp.entity_id.as_str(), idp.sso_url.as_str()), (ISSUER, "https://idp.acme.example/sso"));
    assert_eq!(idp.keys.len(), 1);
    assert_eq!(idp.keys[0].not_after, "2036-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(idp.expiring(now()).count(), 0);
    assert_eq!(idp.expiring("2035-12-15T00:00:00Z".parse().unwrap()).count(), 1, "told, and still in force");
    let stored: SamlIdp = serde_json::from_str(&serde_json::to_string(&idp).unwrap()).unwrap();
    assert_eq!(stored, idp);
    // A byte-order mark, an encryption key and a second address do not disturb.
    let descriptor = cut(&world.metadata, "<md:KeyDescriptor", "</md:KeyDescriptor>").to_owned();
    let more = format!(
        "{}{descriptor}",
        descriptor.replace("signing", "encryption").replace(&world.key.certificate_base64(), &world.attacker.certificate_base64())
    );
    let xml = format!("\u{feff}<?xml version=\"1.0\"?>{}", world.metadata.replace(&descriptor, &more).replace("<md:SingleSignOnService", "<md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"https://idp.acme.example/post\"/><md:SingleSignOnService"));
    assert_eq!(read(&xml).unwrap(), idp);
}

#[test]
fn metadata_that_cannot_be_trusted_is_refused() {
    let world = World::rsa();
    let good = &world.metadata;
    let weak = metadata_of(ISSUER, &Key::rsa().unwrap());
    let certificate = cut(&weak, "<ds:X509Certificate>", "</ds:X509Certificate>").to_owned();
    let location = "https://idp.acme.example/sso";
    let two = format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{good}<md:EntitiesDescriptor>{}</md:EntitiesDescriptor></md:EntitiesDescriptor>",
        good.replace(ISSUER, "https://other.example")
    );
    for (xml, code) in [
        (format!("<!DOCTYPE x>{good}"), "not_metadata"),
        (format!("<!DOCTYPE x [<!ENTITY a SYSTEM \"http://169.254.169.254/\">]>{}", good.replace(ISSUER, "&a;")), "not_metadata"),
        (good.replace(ISSUER, "&a;"), "not_metadata"),
        (good.replace(ISSUER, ""), "not_metadata"),
        ("<html/>".to_owned(), "not_metadata"),
        (String::new(), "not_metadata"),
        (format!("{good}<!--{}-->", "x".repeat(1024 * 1024)), "metadata_too_large"),
        (good.replace("IDPSSODescriptor", "SPSSODescriptor"), "no_identity_provider"),
        (two.clone(), "several_identity_providers"),
        (good.replacen("entityID", "validUntil=\"2026-11-22T09:59:59Z\" entityID", 1), "metadata_expired"),
        (good.replacen("entityID", "validUntil=\"soon\" entityID", 1), "not_metadata"),
        (good.replace(REDIRECT, "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"), "no_sign_on_address"),
        (good.replace(location, "http://idp.acme.example/sso"), "no_sign_on_address"),
        (good.replace(location, "javascript:alert(1)"), "no_sign_on_address"),
        (good.replace(location, "https://user:pw@idp.acme.example/sso"), "no_sign_on_address"),
        (good.replace(location, "/sso"), "no_sign_on_address"),
        (weak.replace(&certificate, "<ds:X509Certificate>AAAA</ds:X509Certificate>"), "no_signing_certificate"),
        (good.replace("use=\"signing\"", "use=\"encryption\""), "no_signing_certificate"),
    ] {
        assert_eq!(read(&xml).unwrap_err().code(), code, "{}", &xml[..xml.len().min(120)]);
    }
    assert_eq!(read(&two).unwrap_err(), MetadataError::Several(vec![ISSUER.to_owned(), "https://other.example".to_owned()]));
    let chosen = SamlIdp::from_metadata(&two, Some("https://other.example"), &guard(), now()).unwrap();
    assert_eq!(chosen.entity_id, "https://other.example");
    assert_eq!(SamlIdp::from_metadata(&two, Some("https://third.example"), &guard(), now()), Err(MetadataError::NoProvider));
}

#[test]
fn a_changed_entity_or_origin_waits_and_new_keys_do_not() {
    let world = World::rsa();
    let stored = &world.idp;
    let fetched = |xml: String| read(&xml).unwrap();
    assert_eq!(compare(stored, &fetched(world.metadata.clone())), Change::Nothing);
    let second = cut(&world.metadata, "<md:KeyDescriptor", "</md:KeyDescriptor>")
        .replace(&world.key.certificate_base64(), &world.attacker.certificate_base64());
    let both = fetched(world.metadata.replace("<md:SingleSignOnService", &format!("{second}<md:SingleSignOnService")));
    let print = both.keys[1].fingerprint.clone();
    let change = compare(stored, &both);
    assert_eq!(change, Change::Accepted { keys_added: vec![print.clone()], keys_removed: vec![], sign_on_moved: false });
    assert_eq!(compare(&both, stored), Change::Accepted { keys_added: vec![], keys_removed: vec![print], sign_on_moved: false });
    let moved = fetched(world.metadata.replace("example/sso\"", "example/sso2\""));
    assert_eq!(compare(stored, &moved), Change::Accepted { keys_added: vec![], keys_removed: vec![], sign_on_moved: true });
    let renamed = fetched(world.metadata.replace(ISSUER, "https://evil.example"));
    assert_eq!(
        compare(stored, &renamed),
        Change::Held(vec![HeldChange::EntityId { from: ISSUER.to_owned(), to: "https://evil.example".to_owned() }])
    );
    let elsewhere = fetched(world.metadata.replace("https://idp.acme.example/sso", "https://evil.example/sso"));
    let held = HeldChange::SignOnOrigin { from: "https://idp.acme.example".to_owned(), to: "https://evil.example".to_owned() };
    assert_eq!(compare(stored, &elsewhere), Change::Held(vec![held]));
}

/// Answers in turn.
struct Scripted(Mutex<VecDeque<Response<Bytes>>>);

impl Fetch for Scripted {
    fn send<'a>(&'a self, request: Request<Bytes>, limits: Limits) -> BoxFuture<'a, Result<Response<Bytes>, FetchError>> {
        assert_eq!((request.method().as_str(), limits), ("GET", Limits::DOCUMENT));
        let answer = self.0.lock().unwrap().pop_front();
        Box::pin(async move { answer.ok_or(FetchError::TooSlow) })
    }
}

#[tokio::test]
async fn metadata_by_url_goes_through_the_guard() {
    let world = World::rsa();
    let url = "https://idp.acme.example/metadata";
    let answers = |answers: Vec<Response<Bytes>>| Scripted(Mutex::new(answers.into()));
    let ok = || Response::new(Bytes::from(world.metadata.clone()));
    let idp = fetch_metadata(&answers(vec![ok()]), &guard(), url, None, now()).await.unwrap();
    assert_eq!(idp, world.idp);
    let redirect = Response::builder().status(302).header("location", "http://169.254.169.254/x").body(Bytes::new()).unwrap();
    let error = fetch_metadata(&answers(vec![redirect]), &guard(), url, None, now()).await.unwrap_err();
    assert_eq!(error, MetadataError::Fetch(FetchError::Redirected("169.254.169.254".to_owned())));
    let binary = Response::new(Bytes::from_static(b"\xff\xfe"));
    assert_eq!(fetch_metadata(&answers(vec![binary]), &guard(), url, None, now()).await.unwrap_err().code(), "not_metadata");
    for (refused, why) in [("http://idp.acme.example/", UrlRefusal::Scheme), ("https://169.254.169.254/", UrlRefusal::LiteralAddress)] {
        let error = fetch_metadata(&answers(vec![ok()]), &guard(), refused, None, now()).await.unwrap_err();
        assert_eq!(error, MetadataError::Fetch(FetchError::Url(why)));
    }
}

struct Signer<'k>(&'k Key, bool);

impl RequestSigner for Signer<'_> {
    fn algorithm(&self) -> RequestAlgorithm {
        RequestAlgorithm::RsaSha256
    }

    fn certificate(&self) -> &[u8] {
        self.0.certificate()
    }

    fn sign<'a>(&'a self, octets: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, SignError>> {
        let signed = if self.1 { Ok(self.0.sign(RSA_SHA256, octets).unwrap()) } else { Err(SignError("no".to_owned())) };
        Box::pin(async move { signed })
    }
}

fn inflated(url: &url::Url) -> String {
    let encoded = url.query_pairs().find(|(name, _)| name == "SAMLRequest").unwrap().1.into_owned();
    let mut xml = String::new();
    flate2::read::DeflateDecoder::new(STANDARD.decode(encoded).unwrap().as_slice()).read_to_string(&mut xml).unwrap();
    xml
}

#[tokio::test]
async fn the_request_is_what_another_implementation_reads() {
    let mut world = World::rsa();
    world.idp.sso_url = "https://idp.acme.example/sso?tenant=a%26b".parse().unwrap();
    let started = world.sp.start(&ctx(), world.connection, &world.idp, None, true).await.unwrap();
    let query: Vec<_> = started.url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(query, ["tenant", "SAMLRequest", "RelayState"]);
    assert!(started.state.expose().len() <= 80, "SAML Bindings, section 3.4.3");
    let xml = inflated(&started.url);
    assert_eq!(
        xml,
        format!(
            "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{}\" Version=\"2.0\" IssueInstant=\"2026-11-22T10:00:00Z\" Destination=\"https://idp.acme.example/sso?tenant=a%26b\" AssertionConsumerServiceURL=\"{}\" ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" ForceAuthn=\"true\"><saml:Issuer>{}</saml:Issuer><samlp:NameIDPolicy AllowCreate=\"true\"/></samlp:AuthnRequest>",
            started.request_id,
            world.sp.acs_url(world.connection),
            world.sp.entity_id(world.connection),
        )
    );
    // Signed: the octets are the query as it is sent.
    let signer = Signer(&world.attacker, true);
    let started = world.sp.start(&ctx(), world.connection, &world.idp, Some(&signer), false).await.unwrap();
    let query = started.url.query().unwrap().strip_prefix("tenant=a%26b&").unwrap();
    let (octets, signature) = query.split_once("&Signature=").unwrap();
    let signature = url::form_urlencoded::parse(format!("s={signature}").as_bytes()).next().unwrap().1.into_owned();
    assert_eq!(STANDARD.decode(signature).unwrap(), world.attacker.sign(RSA_SHA256, octets.as_bytes()).unwrap());
    assert!(octets.ends_with("&SigAlg=http%3A%2F%2Fwww.w3.org%2F2001%2F04%2Fxmldsig-more%23rsa-sha256"));
    // A provider that wants signatures is not asked without one.
    world.idp.wants_signed_requests = true;
    let reason = |result: Result<_, Refusal>| result.map(|_: coportal_identity::saml::Started| ()).unwrap_err().reason;
    assert_eq!(reason(world.sp.start(&ctx(), world.connection, &world.idp, None, false).await), Reason::RegistrationWrong);
    let broken = Signer(&world.attacker, false);
    assert_eq!(reason(world.sp.start(&ctx(), world.connection, &world.idp, Some(&broken), false).await), Reason::ProviderBusy);
}

#[test]
fn our_metadata_is_what_another_implementation_reads() {
    let world = World::rsa();
    let signer = Signer(&world.attacker, true);
    for signer in [None, Some(&signer as &dyn RequestSigner)] {
        let xml = world.sp.metadata(world.connection, signer);
        let read = saml::SpDescriptor::from_metadata_xml(xml.as_bytes()).unwrap();
        assert_eq!(read.entity_id, world.sp.entity_id(world.connection));
        assert_eq!(read.signing_certs.len(), usize::from(signer.is_some()));
        assert!(xml.contains(&world.sp.acs_url(world.connection)) && !xml.contains("encryption"));
    }
}

#[test]
fn an_identity_is_keyed_by_issuer_and_subject_alone() {
    let identity = Identity {
        issuer: "a".to_owned(),
        subject: "bc".to_owned(),
        email: coportal_identity::domain::Email::parse("a@acme.example").unwrap(),
        email_verified: true,
        name: None,
        session_ends_at: None,
    };
    let other = Identity { issuer: "ab".to_owned(), subject: "c".to_owned(), ..identity.clone() };
    assert_ne!(identity.key(), other.key());
    assert_eq!(identity.key(), Identity { name: Some("x".to_owned()), ..identity.clone() }.key());
}
