use futures_util::future::BoxFuture;
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;

use super::*;
use crate::testing::{ctx, now};

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

#[test]
fn a_domain_has_one_spelling() {
    for text in ["münchen.example", "MÜNCHEN.example", "xn--mnchen-3ya.example", "XN--MNCHEN-3YA.EXAMPLE.", "mu\u{308}nchen.example"] {
        assert_eq!(domain(text).as_str(), "xn--mnchen-3ya.example", "{text}");
    }
    assert_eq!(domain("straße.example").as_str(), "xn--strae-oqa.example", "not transitional: another domain than strasse.example");
    let long = format!("{}.example", "a.".repeat(120));
    for text in [
        "",
        ".",
        "com",
        "com.",
        "a..b",
        ".a.com",
        "a.com..",
        "-a.com",
        "a-.com",
        "a_b.com",
        "a b.com",
        "a.com/",
        "a.com:443",
        "user@a.com",
        "1.2.3.4",
        "1.2",
        "a.0x1f",
        "[::1]",
        "xn--a.com",
        "a\u{202e}.com",
        "a.com\0",
        &long,
        &format!("{}.com", "a".repeat(64)),
    ] {
        assert_eq!(Domain::parse(text), Err(DomainError::NotADomain), "{text:?}");
    }
    assert!(serde_json::from_str::<Domain>("\"not a domain\"").is_err());
}

#[test]
fn what_belongs_to_everybody_or_to_us_cannot_be_claimed() {
    // C23.
    let ours = [domain("coportal.example")];
    for (text, why) in [
        ("co.uk", DomainError::PublicSuffix),
        ("github.io", DomainError::PublicSuffix),
        ("com.au", DomainError::PublicSuffix),
        ("gmail.com", DomainError::Consumer),
        ("GoogleMail.com", DomainError::Consumer),
        ("outlook.com", DomainError::Consumer),
        ("mail.gmail.com", DomainError::Consumer),
        ("mailinator.com", DomainError::Consumer),
        ("coportal.example", DomainError::Ours),
        ("app.coportal.example", DomainError::Ours),
    ] {
        assert_eq!(domain(text).claimable(&ours), Err(why), "{text}");
    }
    for text in ["acme.co.uk", "acme.example", "eng.acme.com", "gmail.com.acme.example", "notgmail.com", "xcoportal.example"] {
        assert_eq!(domain(text).claimable(&ours), Ok(()), "{text}");
    }
}

#[test]
fn an_address_is_one_address() {
    let same = ["Zoe@Acme.COM", "zoe@acme.com.", " zoe@acme.com "].map(|text| Email::parse(text).unwrap());
    assert!(same.iter().all(|email| email.to_string() == "zoe@acme.com"));
    assert!(Email::parse("mi\u{212a}e@acme.com").is_err(), "the Kelvin sign is no k");
    assert_eq!(Email::parse("zoe\u{308}@acme.com"), Email::parse("zo\u{eb}@acme.com"));
    assert_eq!(format!("{:?}", same[0]), "…@acme.com");
    assert!(Email::parse(&format!("{}@acme.com", "a".repeat(65))).is_err());
}

struct Zone(Result<Vec<Vec<u8>>, LookupError>);

impl TxtLookup for Zone {
    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<Vec<u8>>, LookupError>> {
        assert_eq!(name, "_coportal-challenge.acme.com");
        Box::pin(async move { self.0.clone() })
    }
}

#[tokio::test]
async fn only_the_exact_value_proves_a_domain() {
    // C23: the proof comes before the redirect.
    let challenge = Challenge::new(&ctx(), domain("acme.com"));
    let other = Challenge { value: Challenge::new(&ctx(), domain("acme.org")).value + "x", domain: domain("acme.com") };
    assert_eq!(challenge.record_name(), "_coportal-challenge.acme.com");
    let value = challenge.value.as_bytes().to_vec();
    let random = challenge.value.strip_prefix("coportal-domain-verification=").unwrap();
    assert!(random.len() == 40 && random.bytes().all(|b| b.is_ascii_alphanumeric()), "{random}");
    let fails = Err(LookupError("servfail".to_owned()));
    let quoted = [b"\"".as_slice(), &value, b"\""].concat();
    for (records, seen) in [
        (Ok(vec![value.clone()]), Observation::Present),
        (Ok(vec![b"v=spf1 -all".to_vec(), value.clone()]), Observation::Present),
        (Ok(vec![]), Observation::Absent),
        (Ok(vec![other.value.into_bytes()]), Observation::Absent),
        (Ok(vec![value.to_ascii_lowercase()]), Observation::Absent),
        (Ok(vec![quoted]), Observation::Absent),
        (Ok(vec![[value.as_slice(), b" "].concat()]), Observation::Absent),
        (fails, Observation::Unknown),
    ] {
        assert_eq!(observe(&Zone(records.clone()), &challenge).await.0, seen, "{records:?}");
    }
}

#[test]
fn each_challenge_is_its_own() {
    let ctx = ctx();
    let values: std::collections::BTreeSet<_> = (0..100).map(|_| Challenge::new(&ctx, domain("acme.com")).value).collect();
    assert_eq!(values.len(), 100);
}

fn day(n: i64) -> Timestamp {
    now() + (24 * n).hours()
}

#[test]
fn a_proof_that_goes_missing_is_warned_about_and_then_lapses() {
    let proven = ProofState::proven(now());
    assert_eq!(proven.due_at(), day(7));
    let once = proven.after(Observation::Absent, day(7));
    assert_eq!((once.standing(day(7)), once.due_at()), (Standing::Proven, day(8)));
    let twice = once.after(Observation::Absent, day(8));
    assert_eq!(twice.standing(day(8)), Standing::Warned);
    assert_eq!(twice.standing(day(20)), Standing::Warned);
    assert_eq!(twice.standing(day(21)), Standing::Lapsed, "14 days after it was first missing");
    assert_eq!(twice.after(Observation::Present, day(22)), ProofState::proven(day(22)), "and comes back");
}

#[test]
fn an_outage_of_the_dns_ends_nothing_for_four_weeks() {
    let mut proof = ProofState::proven(now());
    for n in 1..=27 {
        proof = proof.after(Observation::Unknown, day(n));
        assert_eq!(proof.standing(day(n)), Standing::Proven, "day {n}");
        assert_eq!(proof.due_at(), day(n) + 1.hours());
    }
    assert_eq!(proof.standing(day(28)), Standing::Lapsed);
}

proptest! {
    #[test]
    fn parsing_is_idempotent_and_never_widens(text in "\\PC{0,40}") {
        if let Ok(domain) = Domain::parse(&text) {
            prop_assert_eq!(Domain::parse(domain.as_str()).unwrap(), domain.clone());
            prop_assert!(domain.as_str().is_ascii() && domain.as_str().contains('.'));
            prop_assert_eq!(domain.as_str().to_ascii_lowercase(), domain.as_str());
        }
        if let Ok(email) = Email::parse(&text) {
            prop_assert_eq!(Email::parse(&email.to_string()).unwrap(), email);
        }
    }

    #[test]
    fn a_proof_lapses_only_after_its_grace(looks in prop::collection::vec((1..200i64, 0..3u8), 0..40)) {
        let mut at = now();
        let mut proof = ProofState::proven(at);
        for (hours, look) in looks {
            at += hours.hours();
            proof = proof.after([Observation::Present, Observation::Absent, Observation::Unknown][usize::from(look)], at);
            let unseen = proof.seen_at.duration_until(at).as_hours();
            if proof.standing(at) == Standing::Lapsed {
                prop_assert!(unseen >= 14 * 24);
            }
            prop_assert!(unseen < 28 * 24 || proof.standing(at) == Standing::Lapsed);
            prop_assert!(proof.due_at() > at);
        }
    }
}
