use std::time::{Duration, SystemTime};

use coportal_identity::Reason;
use coportal_identity::saml::SignedPart;
use saml::{
    ConsumeResponse, IdpDescriptor, LoginTracker, PeerCryptoPolicy, ReplayMode, ServiceProvider, ServiceProviderConfig, SignatureAlgorithm,
    SpWantSigned, SsoResponseBinding, SsoResponseEndpoint,
};

use saml::sp::LoginTrackerPayload;

use super::*;
use simulators::identity_provider::How;
use simulators::identity_provider::response::{EMAIL, PERSISTENT, key_info, sign};

/// (issuer, name id, assertion id) as the other verifier reads them, with code of its own for XML, canonical form and signatures.
fn second_opinion(world: &World, document: &str) -> Result<(String, String, String), saml::Error> {
    let acs = world.sp.acs_url(world.connection);
    let idp = IdpDescriptor::from_metadata_xml(world.metadata.as_bytes())?;
    let sp = ServiceProvider::new(ServiceProviderConfig {
        entity_id: world.sp.entity_id(world.connection),
        acs: vec![SsoResponseEndpoint::post(acs.clone(), 0, true)],
        slo: vec![],
        name_id_formats: vec![],
        signing_key: None,
        decryption_key: None,
        sign_authn_requests: false,
        want_signed: SpWantSigned { response: false, assertions: world.signed == SignedPart::Assertion },
        allow_unsolicited: false,
        default_peer_crypto_policy: PeerCryptoPolicy::strong_defaults(),
        outbound_signature_algorithm: SignatureAlgorithm::RsaSha256,
        outbound_digest_algorithm: saml::DigestAlgorithm::Sha256,
    })?;
    let payload = LoginTrackerPayload {
        request_id: REQUEST.to_owned(),
        issued_at: SystemTime::from(now()),
        idp_entity_id: ISSUER.to_owned(),
        acs_endpoint: SsoResponseEndpoint::post(acs.clone(), 0, true),
        requested_authn_context: None,
        requested_name_id_format: None,
        idp_signing_cert_fingerprints: idp_fingerprints(world),
        idp_artifact_resolution_services: vec![],
    };
    let tracker = LoginTracker::open(&payload.seal(&[7; 32])?, &[7; 32], SystemTime::from(now()), Duration::from_secs(600))?;
    let replay = saml::InMemoryReplayCache::default();
    let identity = sp.consume_response(ConsumeResponse {
        idp: &idp,
        peer_crypto_policy: None,
        saml_response: document.as_bytes(),
        binding: SsoResponseBinding::HttpPost,
        relay_state: Some(STATE),
        tracker: Some(&tracker),
        expected_destination: &acs,
        now: SystemTime::from(now()),
        clock_skew: Duration::from_secs(90),
        replay_cache: Some(&replay),
        replay_mode: ReplayMode::All,
        holder_of_key_cert: None,
    })?;
    Ok((idp.entity_id.clone(), identity.name_id().value.clone(), identity.assertion_id().to_owned()))
}

fn idp_fingerprints(world: &World) -> Vec<[u8; 32]> {
    world.idp.keys.iter().map(|key| hex::decode(&key.fingerprint).unwrap().try_into().unwrap()).collect()
}

fn good_documents(world: &World) -> Vec<(&'static str, String)> {
    let says = world.says();
    let assertion = sign(&says.assertion(), &says.assertion_id, &How::new(&world.key)).unwrap();
    let both = sign(&says.response(&assertion), &says.response_id, &How::new(&world.key)).unwrap();
    let with = |algorithm: &str, digest: &str| {
        let how = How { algorithm: algorithm.to_owned(), digest: digest.to_owned(), ..How::new(&world.key) };
        says.response(&sign(&says.assertion(), &says.assertion_id, &how).unwrap())
    };
    let email = Says { format: EMAIL.to_owned(), name_id: Some("ann@acme.example".to_owned()), attributes: vec![], ..says.clone() };
    vec![
        ("assertion signed", says.signed(&world.key).unwrap()),
        ("both signed", both),
        ("RSA-SHA384, SHA-384", with("http://www.w3.org/2001/04/xmldsig-more#rsa-sha384", "http://www.w3.org/2001/04/xmldsig-more#sha384")),
        ("RSA-SHA512, SHA-512", with("http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", "http://www.w3.org/2001/04/xmlenc#sha512")),
        ("an XML declaration", format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", says.signed(&world.key).unwrap())),
        ("e-mail as name id", email.signed(&world.key).unwrap()),
        ("KeyInfo with the right certificate", {
            let how = How { key_info: key_info(&world.key.certificate_base64()), ..How::new(&world.key) };
            says.response(&sign(&says.assertion(), &says.assertion_id, &how).unwrap())
        }),
    ]
}

#[tokio::test]
async fn good_responses_are_accepted_and_two_verifiers_agree() {
    // R102, R108.
    let mut accepted = 0;
    let world = World::rsa();
    let response_only = World { signed: SignedPart::AssertionOrResponse, ..World::rsa() };
    let whole = response_only.says().response_signed(&response_only.key).unwrap();
    let documents = good_documents(&world);
    let documents =
        documents.into_iter().map(|(name, document)| (&world, name, document)).chain([(&response_only, "response signed", whole)]);
    for (world, name, document) in documents {
        let verified = world.verify_form(&World::form(&document)).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        let assertion = verified.assertion_id().to_owned();
        let identity = verified.settle(&Spent::default()).await.unwrap().unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        let other = second_opinion(world, &document).unwrap_or_else(|error| panic!("{name}: the second opinion says {error}"));
        assert_eq!(identity.email.to_string(), "ann@acme.example", "{name}");
        assert!(identity.issuer.ends_with(&format!(" {}", other.0)), "{name}");
        assert!(identity.subject.ends_with(&format!(" {}", other.1)), "{name}: {}", identity.subject);
        assert_eq!(assertion, other.2, "{name}");
        accepted += 1;
    }
    println!("SAML: {accepted} good documents accepted, two verifiers agree on issuer, name id and assertion id of each");
    assert_eq!(accepted, 8);
}

/// Made once with the npm packages `samlp` 8.0.0 and `samlify` 2.13.1, at this test's instant, for this test's connection and by one key.
const FROM_PROVIDERS: &[(&str, &str, SignedPart)] = &[
    ("samlp, assertion signed", include_str!("fixtures/samlp-assertion.xml"), SignedPart::Assertion),
    ("samlp, both signed", include_str!("fixtures/samlp-both.xml"), SignedPart::Assertion),
    ("samlp, response signed", include_str!("fixtures/samlp-response-only.xml"), SignedPart::AssertionOrResponse),
    ("samlify", include_str!("fixtures/samlify.xml"), SignedPart::Assertion),
];

#[tokio::test]
async fn responses_of_two_other_implementations_are_accepted_and_two_verifiers_agree() {
    let metadata = include_str!("fixtures/samlify-metadata.xml");
    let idp = SamlIdp::from_metadata(metadata, None, &guard(), now()).unwrap();
    for (name, document, signed) in FROM_PROVIDERS {
        let world = World { idp: idp.clone(), metadata: metadata.to_owned(), signed: *signed, ..World::rsa() };
        let verified = world.verify_form(&World::form(document)).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        let assertion = verified.assertion_id().to_owned();
        let identity = verified.settle(&Spent::default()).await.unwrap().unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        let other = second_opinion(&world, document).unwrap_or_else(|error| panic!("{name}: the second opinion says {error}"));
        assert_eq!(identity.email.to_string(), "ann@acme.example", "{name}");
        assert!(identity.issuer.ends_with(&format!(" {}", other.0)) && identity.subject.ends_with(&format!(" {}", other.1)), "{name}");
        assert_eq!(assertion, other.2, "{name}");
        // Signed by somebody else's key, the same document is nothing.
        let stranger = World { idp: World::rsa().idp, ..world };
        assert_eq!(stranger.outcome(document).await.unwrap_err().reason, Reason::SignatureInvalid, "{name}");
    }
}

#[tokio::test]
async fn an_ecdsa_provider_is_accepted_and_only_with_its_own_algorithm() {
    let world = World::new(Key::ec().unwrap());
    let says = world.says();
    let how = How { algorithm: "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256".to_owned(), ..How::new(&world.key) };
    let document = says.response(&sign(&says.assertion(), &says.assertion_id, &how).unwrap());
    assert!(world.outcome(&document).await.is_ok());
    // The same signature is no signature for a provider that published an RSA key alone.
    let refusal = World::rsa().outcome(&document).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::AlgorithmRefused);
}

#[tokio::test]
async fn the_identity_is_the_providers_name_for_the_person() {
    let world = World::rsa();
    let verified = world.verify_form(&World::form(&world.says().signed(&world.key).unwrap())).unwrap();
    let shown: Vec<_> = verified.shown().iter().map(|claim| format!("{}={}", claim.name, claim.value)).collect();
    assert!(shown.contains(&"email=Ann@ACME.example".to_owned()) && shown.contains(&"NameID=user-17".to_owned()), "{shown:?}");
    let identity = verified.settle(&Spent::default()).await.unwrap().unwrap();
    assert_eq!(identity.issuer, format!("{} {ISSUER}", world.connection), "two workspaces may share a provider");
    assert_eq!(identity.subject, format!("{PERSISTENT}   user-17"));
    assert_eq!(identity.name.as_deref(), Some("Ann & Co"));
    assert_eq!(identity.session_ends_at, Some("2026-11-22T18:00:00Z".parse().unwrap()));
    assert!(!identity.email_verified);
    // Another address for the same name id is the same identity.
    let moved = Says { attributes: vec![("mail".to_owned(), "bea@acme.example".to_owned())], ..world.says() };
    let moved = world.outcome(&moved.signed(&world.key).unwrap()).await.unwrap();
    assert_eq!((moved.key() == identity.key(), moved.email == identity.email), (true, false));
}

#[tokio::test]
async fn a_response_works_once_also_when_it_comes_twice_at_the_same_time() {
    let world = World::rsa();
    let document = world.says().signed(&world.key).unwrap();
    let spent = Spent::default();
    let verified = || world.verify_form(&World::form(&document)).unwrap();
    let (one, two) = tokio::join!(verified().settle(&spent), verified().settle(&spent));
    let outcomes = [one.unwrap(), two.unwrap()];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().any(|outcome| outcome.as_ref().is_err_and(|refusal| refusal.reason == Reason::Replayed)));
    // The same assertion in a fresh response is the same assertion.
    let rewrapped = Says { response_id: "_resp2".to_owned(), ..world.says() };
    let again = world.verify_form(&World::form(&rewrapped.signed(&world.key).unwrap())).unwrap().settle(&spent).await.unwrap();
    assert_eq!(again.unwrap_err().reason, Reason::Replayed);
}

#[tokio::test]
async fn a_clock_that_is_a_minute_off_is_forgiven_and_two_are_not() {
    let world = World::rsa();
    let at = |text: &str| Some(format!("2026-11-22T{text}Z"));
    for (says, good) in [
        (Says { not_before: at("10:01:29"), ..world.says() }, true),
        (Says { not_before: at("10:01:31"), ..world.says() }, false),
        (Says { not_on_or_after: at("09:58:31"), ..world.says() }, true),
        (Says { not_on_or_after: at("09:58:30"), ..world.says() }, false),
        (Says { confirmed_until: at("09:58:31"), ..world.says() }, true),
        (Says { confirmed_until: at("09:58:30"), ..world.says() }, false),
    ] {
        let times = (says.not_before.clone(), says.not_on_or_after.clone(), says.confirmed_until.clone());
        let verified = world.verify_form(&World::form(&Says { session_until: None, ..says }.signed(&world.key).unwrap()));
        assert_eq!(verified.is_ok(), good, "{times:?}");
    }
}

#[test]
fn no_single_change_of_a_good_document_makes_another_person() {
    use proptest::prelude::*;

    let world = World::rsa();
    let good = world.says().signed(&world.key).unwrap();
    let identity = |document: &str| {
        let verified = world.verify_form(&World::form(document)).ok()?;
        futures_util::FutureExt::now_or_never(async { verified.settle(&Open).await.unwrap().ok() }).flatten()
    };
    let expected = identity(&good).unwrap();
    let at = 0..good.len();
    proptest!(ProptestConfig::with_cases(400), |(from in at.clone(), length in 0..40_usize, put in "[ -~]{0,8}", copied in any::<bool>())| {
        let to = (from + length).min(good.len());
        // A piece is cut out, exchanged for something else, or put in a second time.
        let piece = if copied { good[from..to].repeat(2) } else { put };
        let changed = format!("{}{piece}{}", &good[..from], &good[to..]);
        if let Some(identity) = identity(&changed) {
            prop_assert_eq!(identity, expected.clone());
        }
    });
}

/// A store that forgets: each change is looked at by itself.
struct Open;

impl ReplayStore for Open {
    fn settle<'a>(&'a self, _: &'a Settlement<'a>) -> BoxFuture<'a, Result<Use, Problem>> {
        Box::pin(async { Ok(Use::First) })
    }
}
