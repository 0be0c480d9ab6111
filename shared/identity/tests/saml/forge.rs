//! Responses, good and bad. Everything is written in canonical form (exclusive canonicalisation leaves it as it stands), so that the
//! digest of an element is the digest of its text.

use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::keys::Key;

pub(crate) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub(crate) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
pub(crate) const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
pub(crate) const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub(crate) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
pub(crate) const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
pub(crate) const DIGEST_SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
pub(crate) const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
pub(crate) const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
pub(crate) const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
pub(crate) const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// What a response says. `None` leaves a part out.
#[derive(Clone)]
pub(crate) struct Says {
    pub(crate) response_id: String,
    pub(crate) assertion_id: String,
    pub(crate) response_issuer: Option<String>,
    pub(crate) issuer: String,
    pub(crate) destination: Option<String>,
    pub(crate) in_response_to: Option<String>,
    pub(crate) confirmed_in_response_to: Option<String>,
    pub(crate) recipient: Option<String>,
    pub(crate) confirmation: String,
    pub(crate) confirmed_until: Option<String>,
    pub(crate) not_before: Option<String>,
    pub(crate) not_on_or_after: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) name_id: Option<String>,
    pub(crate) format: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) session_until: Option<String>,
    pub(crate) status: String,
}

fn part(name: &str, value: Option<&String>) -> String {
    value.map_or_else(String::new, |value| format!(" {name}=\"{value}\""))
}

impl Says {
    /// The assertion, unsigned.
    pub(crate) fn assertion(&self) -> String {
        let name_id =
            self.name_id.as_ref().map_or_else(String::new, |name| format!("<saml:NameID Format=\"{}\">{name}</saml:NameID>", self.format));
        let audience = self.audience.as_ref().map_or_else(String::new, |audience| {
            format!("<saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction>")
        });
        let attributes: String = self
            .attributes
            .iter()
            .map(|(name, value)| {
                format!("<saml:Attribute Name=\"{name}\"><saml:AttributeValue>{value}</saml:AttributeValue></saml:Attribute>")
            })
            .collect();
        let statement =
            if attributes.is_empty() { attributes } else { format!("<saml:AttributeStatement>{attributes}</saml:AttributeStatement>") };
        format!(
            "<saml:Assertion xmlns:saml=\"{ASSERTION}\" ID=\"{}\" IssueInstant=\"2026-11-22T10:00:00Z\" Version=\"2.0\"><saml:Issuer>{}</saml:Issuer><saml:Subject>{name_id}<saml:SubjectConfirmation Method=\"{}\"><saml:SubjectConfirmationData{}{}{}></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject><saml:Conditions{}{}>{audience}</saml:Conditions><saml:AuthnStatement AuthnInstant=\"2026-11-22T09:59:59Z\" SessionIndex=\"_s1\"{}><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>{statement}</saml:Assertion>",
            self.assertion_id,
            self.issuer,
            self.confirmation,
            part("InResponseTo", self.confirmed_in_response_to.as_ref()),
            part("NotOnOrAfter", self.confirmed_until.as_ref()),
            part("Recipient", self.recipient.as_ref()),
            part("NotBefore", self.not_before.as_ref()),
            part("NotOnOrAfter", self.not_on_or_after.as_ref()),
            part("SessionNotOnOrAfter", self.session_until.as_ref()),
        )
    }

    /// The response around these contents, unsigned.
    pub(crate) fn response(&self, contents: &str) -> String {
        let issuer = self
            .response_issuer
            .as_ref()
            .map_or_else(String::new, |issuer| format!("<saml:Issuer xmlns:saml=\"{ASSERTION}\">{issuer}</saml:Issuer>"));
        format!(
            "<samlp:Response xmlns:samlp=\"{PROTOCOL}\"{} ID=\"{}\"{} IssueInstant=\"2026-11-22T10:00:00Z\" Version=\"2.0\">{issuer}<samlp:Status><samlp:StatusCode Value=\"{}\"></samlp:StatusCode></samlp:Status>{contents}</samlp:Response>",
            part("Destination", self.destination.as_ref()),
            self.response_id,
            part("InResponseTo", self.in_response_to.as_ref()),
            self.status,
        )
    }

    /// The response with its assertion signed in the ordinary way.
    pub(crate) fn signed(&self, key: &Key) -> String {
        self.response(&sign(&self.assertion(), &self.assertion_id, &How::new(key)))
    }

    /// The response signed as a whole, its assertion not.
    pub(crate) fn response_signed(&self, key: &Key) -> String {
        sign(&self.response(&self.assertion()), &self.response_id, &How::new(key))
    }
}

/// How a signature is made.
#[derive(Clone)]
pub(crate) struct How<'k> {
    pub(crate) key: &'k Key,
    pub(crate) algorithm: String,
    /// Signs with this secret instead: HMAC, by the algorithm's hash.
    pub(crate) hmac: Option<Vec<u8>>,
    pub(crate) canonicalization: String,
    /// The inside of `Transforms`.
    pub(crate) transforms: String,
    pub(crate) digest: String,
    /// The reference's URI, if it is not `#id`.
    pub(crate) uri: Option<String>,
    /// What stands beside the reference.
    pub(crate) more_references: String,
    pub(crate) no_reference: bool,
    pub(crate) key_info: String,
    /// What stands at the end of the signature.
    pub(crate) tail: String,
}

impl<'k> How<'k> {
    pub(crate) fn new(key: &'k Key) -> Self {
        Self {
            key,
            algorithm: RSA_SHA256.to_owned(),
            hmac: None,
            canonicalization: EXCLUSIVE.to_owned(),
            transforms: format!("{}{}", transform(ENVELOPED), transform(EXCLUSIVE)),
            digest: DIGEST_SHA256.to_owned(),
            uri: None,
            more_references: String::new(),
            no_reference: false,
            key_info: String::new(),
            tail: String::new(),
        }
    }
}

pub(crate) fn transform(uri: &str) -> String {
    format!("<ds:Transform Algorithm=\"{uri}\"></ds:Transform>")
}

pub(crate) fn key_info(certificate: &str) -> String {
    format!("<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>")
}

fn hashed(uri: &str, octets: &[u8]) -> Vec<u8> {
    let algorithm = match uri.rsplit('#').next().unwrap() {
        "sha384" => &SHA384,
        "sha512" => &SHA512,
        "sha1" => &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
        _ => &SHA256,
    };
    digest(algorithm, octets).as_ref().to_vec()
}

/// The signature over this element's text.
pub(crate) fn signature(element: &str, id: &str, how: &How<'_>) -> String {
    let uri = how.uri.clone().unwrap_or_else(|| format!("#{id}"));
    let reference = format!(
        "<ds:Reference URI=\"{uri}\"><ds:Transforms>{}</ds:Transforms><ds:DigestMethod Algorithm=\"{}\"></ds:DigestMethod><ds:DigestValue>{}</ds:DigestValue></ds:Reference>",
        how.transforms,
        how.digest,
        STANDARD.encode(hashed(&how.digest, element.as_bytes())),
    );
    let reference = if how.no_reference { String::new() } else { reference };
    let inside = format!(
        "<ds:CanonicalizationMethod Algorithm=\"{}\"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm=\"{}\"></ds:SignatureMethod>{reference}{}",
        how.canonicalization, how.algorithm, how.more_references
    );
    let canonical = format!("<ds:SignedInfo xmlns:ds=\"{DSIG}\">{inside}</ds:SignedInfo>");
    let value = match &how.hmac {
        Some(secret) => {
            let sha1 = how.algorithm.ends_with("hmac-sha1");
            let algorithm = if sha1 { aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY } else { aws_lc_rs::hmac::HMAC_SHA256 };
            aws_lc_rs::hmac::sign(&aws_lc_rs::hmac::Key::new(algorithm, secret), canonical.as_bytes()).as_ref().to_vec()
        }
        None => how.key.sign(&how.algorithm, canonical.as_bytes()),
    };
    format!(
        "<ds:Signature xmlns:ds=\"{DSIG}\"><ds:SignedInfo>{inside}</ds:SignedInfo><ds:SignatureValue>{}</ds:SignatureValue>{}{}</ds:Signature>",
        STANDARD.encode(value),
        how.key_info,
        how.tail
    )
}

/// The element with its signature after its issuer.
pub(crate) fn sign(element: &str, id: &str, how: &How<'_>) -> String {
    after_issuer(element, &signature(element, id, how))
}

pub(crate) fn after_issuer(element: &str, what: &str) -> String {
    let end = element.find("</saml:Issuer>").unwrap() + "</saml:Issuer>".len();
    format!("{}{what}{}", &element[..end], &element[end..])
}

/// The one text between two marks, with the marks.
pub(crate) fn cut<'d>(document: &'d str, from: &str, to: &str) -> &'d str {
    let start = document.find(from).unwrap();
    let end = start + document[start..].find(to).unwrap() + to.len();
    &document[start..end]
}
