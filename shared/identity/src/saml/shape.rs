//! The one shape of a response that is verified at all.
//!
//! Signature wrapping lives on what a schema allows and single sign-on does not need: a second assertion, a signature away from what it
//! signs, objects and extensions to hide things in. None of it is taken (the rules follow "On Breaking SAML", USENIX Security 2012, and
//! SAML Core, section 5.4).

use super::names::{ASSERTION, PROTOCOL, SIGNATURE, SUCCESS};
use super::response::SignedPart;
use super::xml::{Element, Markup, XmlError, read};
use crate::reason::{Reason, Refusal};

/// What our own reading of the response says: compared with the library's later, believed by nobody before.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) assertion_id: String,
    pub(super) issuer: String,
    pub(super) name_id: String,
}

const RSA_SHA2: [&str; 3] = [
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
];
const ECDSA_SHA2: [&str; 3] = [
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
];
const SHA2: [&str; 3] =
    ["http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2001/04/xmlenc#sha512"];
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// Whether a signature algorithm is one that a provider may use: RSA with SHA-2, and ECDSA with SHA-2 for a provider that published such
/// a key.
pub(super) fn algorithm_allowed(uri: &str, ecdsa: bool) -> bool {
    RSA_SHA2.contains(&uri) || ecdsa && ECDSA_SHA2.contains(&uri)
}

/// Reads a response and refuses any other shape than the one.
pub(super) fn check(xml: &str, signed: SignedPart, ecdsa: bool) -> Result<Read, Refusal> {
    let response = read(xml, Markup::Refused).map_err(unreadable)?;
    if !response.is(PROTOCOL, "Response") || response.attribute("Version") != Some("2.0") {
        return Err(malformed("the document is not a SAML 2.0 response"));
    }
    status(&response)?;
    let everything = response.descendants();
    if everything.iter().any(|element| element.name.starts_with("Encrypted")) {
        return Err(Reason::Encrypted.into());
    }
    // By local name, whatever the namespace: a reader that looks by local name alone must find one too.
    let count = |name: &str| everything.iter().filter(|element| element.name == name).count();
    if count("Response") != 1 || count("Assertion") != 1 {
        return Err(malformed("the response does not hold exactly one assertion"));
    }
    children(&response, &[(PROTOCOL, "Status"), (ASSERTION, "Issuer"), (SIGNATURE, "Signature"), (ASSERTION, "Assertion")])?;
    // Its value is compared by the library; one that is absent would be compared with nothing.
    if response.attribute("Destination").is_none() {
        return Err(Refusal::because(Reason::DestinationMismatch, "the response names no destination"));
    }
    let assertion = response.only(ASSERTION, "Assertion").ok_or_else(|| malformed("the assertion is not the response's own child"))?;
    children(
        assertion,
        &[
            (ASSERTION, "Issuer"),
            (SIGNATURE, "Signature"),
            (ASSERTION, "Subject"),
            (ASSERTION, "Conditions"),
            (ASSERTION, "AuthnStatement"),
            (ASSERTION, "AttributeStatement"),
        ],
    )?;
    for once in ["Subject", "Conditions", "AuthnStatement"] {
        if assertion.only(ASSERTION, once).is_none() {
            return Err(malformed(&format!("the assertion does not have exactly one {once}")));
        }
    }
    // A response that is signed must name its issuer (SAML Profiles, section 4.1.4.2); every provider does so anyway.
    let outer = response.only(ASSERTION, "Issuer").ok_or_else(|| malformed("the response does not have exactly one issuer"))?;
    let (on_response, on_assertion) = (signature(&response, ecdsa)?, signature(assertion, ecdsa)?);
    if everything.iter().filter(|element| element.name == "Signature").count() != usize::from(on_response) + usize::from(on_assertion) {
        return Err(malformed("a signature stands where none belongs"));
    }
    let enough = match signed {
        SignedPart::Assertion => on_assertion,
        SignedPart::AssertionOrResponse => on_assertion || on_response,
    };
    if !enough {
        return Err(Reason::NotSigned.into());
    }
    let subject = assertion.only(ASSERTION, "Subject");
    let name_id = subject.and_then(|subject| subject.only(ASSERTION, "NameID")).ok_or(Refusal::new(Reason::NameIdUnusable))?;
    if count("NameID") != 1 || !name_id.children.is_empty() {
        return Err(Reason::NameIdUnusable.into());
    }
    let issuer = assertion.only(ASSERTION, "Issuer").ok_or_else(|| malformed("the assertion has no issuer of its own"))?;
    // The response's own issuer is often not signed and never believed; one that differs is still no message of this provider's.
    if outer.text.trim() != issuer.text.trim() {
        return Err(Refusal::because(Reason::IssuerMismatch, "response and assertion name two issuers"));
    }
    let assertion_id = assertion.attribute("ID").filter(|id| !id.is_empty()).ok_or_else(|| malformed("the assertion has no id"))?;
    Ok(Read { assertion_id: assertion_id.to_owned(), issuer: issuer.text.trim().to_owned(), name_id: name_id.text.trim().to_owned() })
}

fn malformed(detail: &str) -> Refusal {
    Refusal::because(Reason::Malformed, detail)
}

fn unreadable(error: XmlError) -> Refusal {
    Refusal::because(Reason::Malformed, error)
}

/// A failure is told before anything else is asked: such a response has no assertion. It is only an explanation, since nobody has
/// verified it.
fn status(response: &Element) -> Result<(), Refusal> {
    let status = response.only(PROTOCOL, "Status").and_then(|status| status.only(PROTOCOL, "StatusCode"));
    let status = status.ok_or_else(|| malformed("the response has no status"))?;
    if status.attribute("Value") == Some(SUCCESS) {
        return Ok(());
    }
    let inner = status.only(PROTOCOL, "StatusCode").and_then(|code| code.attribute("Value"));
    let word = inner.or(status.attribute("Value")).and_then(|value| value.rsplit(':').next()).unwrap_or_default();
    let plain = !word.is_empty() && word.len() <= 60 && word.bytes().all(|b| b.is_ascii_alphanumeric());
    Err(if plain { Refusal::because(Reason::StatusFailure, word) } else { Refusal::new(Reason::StatusFailure) })
}

/// Only these children.
fn children(element: &Element, allowed: &[(&str, &str)]) -> Result<(), Refusal> {
    let stranger = element.children.iter().find(|child| !allowed.iter().any(|(namespace, name)| child.is(namespace, name)));
    stranger.map_or(Ok(()), |child| Err(malformed(&format!("{} has a child {}", element.name, child.name))))
}

/// Whether the element is signed by a signature of its own: one reference, to it, by transforms that leave nothing out.
fn signature(parent: &Element, ecdsa: bool) -> Result<bool, Refusal> {
    let mut signatures = parent.all(SIGNATURE, "Signature");
    let Some(signature) = signatures.next() else {
        return Ok(false);
    };
    if signatures.next().is_some() {
        return Err(malformed("two signatures on one element"));
    }
    children(signature, &[(SIGNATURE, "SignedInfo"), (SIGNATURE, "SignatureValue"), (SIGNATURE, "KeyInfo")])?;
    let wrong = || malformed("the signature is not of the one shape");
    let info = signature.only(SIGNATURE, "SignedInfo").ok_or_else(wrong)?;
    signature.only(SIGNATURE, "SignatureValue").filter(|value| value.children.is_empty()).ok_or_else(wrong)?;
    children(info, &[(SIGNATURE, "CanonicalizationMethod"), (SIGNATURE, "SignatureMethod"), (SIGNATURE, "Reference")])?;
    let reference = info.only(SIGNATURE, "Reference").ok_or_else(wrong)?;
    let own = parent.attribute("ID").filter(|id| !id.is_empty()).ok_or_else(wrong)?;
    if reference.attribute("URI").and_then(|uri| uri.strip_prefix('#')) != Some(own) {
        return Err(malformed("the signature does not refer to the element it stands in"));
    }
    children(reference, &[(SIGNATURE, "Transforms"), (SIGNATURE, "DigestMethod"), (SIGNATURE, "DigestValue")])?;
    reference.only(SIGNATURE, "DigestValue").filter(|value| value.children.is_empty()).ok_or_else(wrong)?;
    let transforms = reference.only(SIGNATURE, "Transforms").ok_or_else(wrong)?;
    children(transforms, &[(SIGNATURE, "Transform")])?;
    let uris: Vec<_> = transforms.children.iter().filter_map(|transform| transform.attribute("Algorithm")).collect();
    if uris != [ENVELOPED, EXCLUSIVE] {
        return Err(malformed("the signature uses other transforms than enveloped and exclusive"));
    }
    // What a transform may carry is the list of prefixes of the exclusive form, and nothing that would choose what is signed.
    let carried = |transform: &Element| transform.children.iter().all(|child| child.is(EXCLUSIVE, "InclusiveNamespaces"));
    if !transforms.children.iter().all(carried) || info.children.iter().any(|child| child.name != "Reference" && !carried(child)) {
        return Err(malformed("a transform carries something of its own"));
    }
    let method =
        |element: &Element, name: &str| element.only(SIGNATURE, name).and_then(|method| method.attribute("Algorithm")).map(str::to_owned);
    if method(info, "CanonicalizationMethod").as_deref() != Some(EXCLUSIVE) {
        return Err(malformed("the signature is canonicalised in another way than exclusive"));
    }
    let signs = method(info, "SignatureMethod").ok_or_else(wrong)?;
    let digests = method(reference, "DigestMethod").ok_or_else(wrong)?;
    if !algorithm_allowed(&signs, ecdsa) || !SHA2.contains(&digests.as_str()) {
        return Err(Refusal::new(Reason::AlgorithmRefused));
    }
    Ok(true)
}
