use coportal_identity::Reason;
use simulators::identity_provider::attacks::{EVIL, RESPONSE_ONLY, all};
use simulators::identity_provider::response::{RSA_SHA256, cut};
use simulators::identity_provider::{Attack, Stage};

use super::*;

fn attacks(world: &World) -> Vec<Attack> {
    let other = world.at(SsoConnectionId::new(Uuid::from_u128(2)));
    let own = world.at(world.connection);
    all(&Stage { key: &world.key, attacker: &world.attacker, says: world.says(), own, other, now: now() }).unwrap()
}

#[tokio::test]
async fn every_attack_is_refused() {
    let world = World::rsa();
    assert!(world.outcome(&world.says().signed(&world.key).unwrap()).await.is_ok(), "the document that the attacks begin with is good");
    let attacks = attacks(&world);
    let mut wrong = Vec::new();
    for attack in &attacks {
        match world.outcome(&attack.document).await {
            Ok(identity) => wrong.push(format!("{}: ACCEPTED as {}", attack.name, identity.subject)),
            Err(refusal) if !attack.reasons.contains(&refusal.reason.code()) => wrong.push(format!("{}: {refusal:?}", attack.name)),
            Err(_) => {}
        }
    }
    println!("SAML: {} attack documents refused, {} not as expected", attacks.len() - wrong.len(), wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(attacks.len() >= 150);
}

#[tokio::test]
async fn every_attack_is_refused_too_where_a_signed_response_is_enough() {
    let world = World { signed: SignedPart::AssertionOrResponse, ..World::rsa() };
    let attacks = attacks(&world);
    let mut refused = 0;
    for attack in &attacks {
        match world.outcome(&attack.document).await {
            Err(_) => refused += 1,
            Ok(identity) => {
                // The one that is no attack here.
                assert_eq!(attack.name, RESPONSE_ONLY);
                assert!(identity.subject.ends_with(" user-17"));
            }
        }
    }
    assert_eq!(refused, attacks.len() - 1);
    // A signed response whose assertion was exchanged afterwards.
    let whole = world.says().response_signed(&world.key).unwrap();
    assert!(world.outcome(&whole).await.is_ok());
    let refusal = world.outcome(&whole.replace("user-17", EVIL)).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::SignatureInvalid);
    let evil = Says { name_id: Some(EVIL.to_owned()), ..world.says() };
    let evil = whole.replace(cut(&whole, "<saml:Assertion ", "</saml:Assertion>"), &evil.assertion());
    assert_eq!(world.outcome(&evil).await.unwrap_err().reason, Reason::SignatureInvalid);
}

#[tokio::test]
async fn the_same_document_signed_with_sha_256_is_good() {
    // What makes the SHA-1 fixture an attack is its algorithm: its sibling, by the same key, passes.
    let certificate = include_str!("fixtures/certificate.txt").trim();
    let metadata = metadata_of(ISSUER, &Key::rsa().unwrap());
    let held = cut(&metadata, "<ds:X509Certificate>", "</ds:X509Certificate>").to_owned();
    let metadata = metadata.replace(&held, &format!("<ds:X509Certificate>{certificate}</ds:X509Certificate>"));
    let world = World::rsa();
    let world = World { idp: SamlIdp::from_metadata(&metadata, None, &guard(), now()).unwrap(), ..world };
    assert!(world.outcome(include_str!("fixtures/rsa-sha256.xml")).await.is_ok());
    assert_eq!(world.outcome(include_str!("fixtures/rsa-sha1.xml")).await.unwrap_err().reason, Reason::AlgorithmRefused);
}

#[test]
fn the_form_is_one_response_of_this_sign_in_and_binding() {
    let world = World::rsa();
    let good = World::form(&world.says().signed(&world.key).unwrap());
    assert!(world.verify_form(&good).is_ok());
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let with = |extra: (String, String)| good.iter().cloned().chain([extra]).collect::<Vec<_>>();
    let relay = |value: &str| vec![good[0].clone(), field("RelayState", value)];
    let (malformed, state) = (Reason::Malformed, Reason::StateUnknown);
    let deflated = "fVFNT8MwDL3zK6Lc261lg9VqK02bkCYBQmziwM1L3DVSm5Q4Rfv5pB1IcIBT/PH8/F6cM3ZtL9eDb8wLfQzEfnXuWsMw";
    for (form, reason) in [
        (vec![], state),
        (vec![good[0].clone()], state),
        (vec![good[1].clone()], malformed),
        (with(good[0].clone()), malformed),
        (with(good[1].clone()), state),
        (relay(""), state),
        (relay("another"), state),
        (relay("https://evil.example/"), state),
        (relay(&format!("{STATE} ")), state),
        (with(field("SAMLRequest", "x")), malformed),
        (with(field("SAMLart", "x")), malformed),
        (with(field("SigAlg", RSA_SHA256)), malformed),
        (with(field("Signature", "x")), malformed),
        (vec![field("SAMLResponse", "%%%"), good[1].clone()], malformed),
        (vec![field("SAMLResponse", "/w=="), good[1].clone()], malformed),
        (vec![field("SAMLResponse", deflated), good[1].clone()], malformed),
        (vec![field("samlresponse", &good[0].1), good[1].clone()], malformed),
        (vec![field("SAMLResponse", &"A".repeat(256 * 1024 + 1)), good[1].clone()], Reason::TooLarge),
    ] {
        let refusal = world.verify_form(&form).unwrap_err();
        assert_eq!(refusal.reason, reason, "{:?}", form.iter().map(|(name, _)| name).collect::<Vec<_>>());
    }
    // Line breaks in the base 64 are how many providers send it.
    let folded: String = good[0].1.as_bytes().chunks(76).map(|line| format!("{}\r\n", String::from_utf8_lossy(line))).collect();
    assert!(world.verify_form(&[field("SAMLResponse", &folded), good[1].clone()]).is_ok());
}

#[test]
fn no_refusal_repeats_the_message() {
    // A detail goes to the log and the admin's page: nothing of the assertion is in it.
    let world = World::rsa();
    for document in [
        "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\"/>".to_owned(),
        world.says().signed(&world.attacker).unwrap(),
        world.says().signed(&world.key).unwrap().replace("user-17", "x"),
    ] {
        let refusal = world.verify_form(&World::form(&document)).unwrap_err();
        assert!(!format!("{refusal:?}").contains("user-17") && !format!("{refusal:?}").to_lowercase().contains("ann@"), "{refusal:?}");
    }
}
