//! SAML responses. Everything is written in canonical form (exclusive canonicalisation leaves it as it stands), so that the digest of an
//! element is the digest of its text.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use super::keys::{Key, KeyError};

/// Namespace of protocol messages.
pub const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// Namespace of assertions.
pub const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// Namespace of signatures.
pub const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
/// Exclusive canonical form.
pub const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// The transform that leaves the signature itself out.
pub const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
/// RSASSA-PKCS1-v1_5 with SHA-256.
pub const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
/// SHA-256 as digest.
pub const DIGEST_SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
/// Format of a lasting name id.
pub const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
/// Format of a name id that is an address.
pub const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";

/// A service provider's side of a connection: whom a response is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its entity id: the audience.
    pub entity_id: String,
    /// Its assertion consumer address: destination and recipient.
    pub acs_url: String,
}

/// What a response says. `None` leaves a part out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Says {
    /// `Response/@ID`.
    pub response_id: String,
    /// `Assertion/@ID`.
    pub assertion_id: String,
    /// `@IssueInstant` of both, and `AuthnStatement/@AuthnInstant`.
    pub issued: String,
    /// `Response/Issuer`.
    pub response_issuer: Option<String>,
    /// `Assertion/Issuer`.
    pub issuer: String,
    /// `Response/@Destination`.
    pub destination: Option<String>,
    /// `Response/@InResponseTo`.
    pub in_response_to: Option<String>,
    /// `SubjectConfirmationData/@InResponseTo`.
    pub confirmed_in_response_to: Option<String>,
    /// `SubjectConfirmationData/@Recipient`.
    pub recipient: Option<String>,
    /// `SubjectConfirmation/@Method`.
    pub confirmation: String,
    /// `SubjectConfirmationData/@NotOnOrAfter`.
    pub confirmed_until: Option<String>,
    /// `Conditions/@NotBefore`.
    pub not_before: Option<String>,
    /// `Conditions/@NotOnOrAfter`.
    pub not_on_or_after: Option<String>,
    /// `Audience`.
    pub audience: Option<String>,
    /// `NameID`, escaped.
    pub name_id: Option<String>,
    /// `NameID/@Format`.
    pub format: String,
    /// Names and values of attributes, escaped.
    pub attributes: Vec<(String, String)>,
    /// `AuthnStatement/@SessionNotOnOrAfter`.
    pub session_until: Option<String>,
    /// `StatusCode/@Value`.
    pub status: String,
}

/// An instant as SAML writes it, some minutes from another.
#[must_use]
pub fn instant(now: Timestamp, minutes: i64) -> String {
    let at = now.saturating_add(SignedDuration::from_mins(minutes)).unwrap_or(now);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Says {
    /// What a good response says: the answer to `request_id`, five minutes good, for the person `name_id` with this address.
    #[must_use]
    pub fn good(now: Timestamp, issuer: &str, connection: &Connection, request_id: &str, name_id: &str, email: &str) -> Self {
        Self {
            response_id: format!("_resp{}", now.as_nanosecond()),
            assertion_id: format!("_assert{}", now.as_nanosecond()),
            issued: instant(now, 0),
            response_issuer: Some(issuer.to_owned()),
            issuer: issuer.to_owned(),
            destination: Some(connection.acs_url.clone()),
            in_response_to: Some(request_id.to_owned()),
            confirmed_in_response_to: Some(request_id.to_owned()),
            recipient: Some(connection.acs_url.clone()),
            confirmation: "urn:oasis:names:tc:SAML:2.0:cm:bearer".to_owned(),
            confirmed_until: Some(instant(now, 5)),
            not_before: Some(instant(now, -2)),
            not_on_or_after: Some(instant(now, 5)),
            audience: Some(connection.entity_id.clone()),
            name_id: Some(name_id.to_owned()),
            format: PERSISTENT.to_owned(),
            attributes: vec![("email".to_owned(), email.to_owned())],
            session_until: Some(instant(now, 8 * 60)),
            status: "urn:oasis:names:tc:SAML:2.0:status:Success".to_owned(),
        }
    }

    /// The assertion, unsigned.
    #[must_use]
    pub fn assertion(&self) -> String {
        let name_id =
            self.name_id.as_ref().map_or_else(String::new, |name| format!("<saml:NameID Format=\"{}\">{name}</saml:NameID>", self.format));
        let audience = self.audience.as_ref().map_or_else(String::new, |audience| {
            format!("<saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction>")
        });
        let attribute = |(name, value): &(String, String)| {
            format!("<saml:Attribute Name=\"{name}\"><saml:AttributeValue>{value}</saml:AttributeValue></saml:Attribute>")
        };
        let attributes: String = self.attributes.iter().map(attribute).collect();
        let statement =
            if attributes.is_empty() { attributes } else { format!("<saml:AttributeStatement>{attributes}</saml:AttributeStatement>") };
        format!(
            "<saml:Assertion xmlns:saml=\"{ASSERTION}\" ID=\"{}\" IssueInstant=\"{issued}\" Version=\"2.0\"><saml:Issuer>{}</saml:Issuer><saml:Subject>{name_id}<saml:SubjectConfirmation Method=\"{}\"><saml:SubjectConfirmationData{}{}{}></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject><saml:Conditions{}{}>{audience}</saml:Conditions><saml:AuthnStatement AuthnInstant=\"{issued}\" SessionIndex=\"_s1\"{}><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>{statement}</saml:Assertion>",
            self.assertion_id,
            self.issuer,
            self.confirmation,
            part("InResponseTo", self.confirmed_in_response_to.as_ref()),
            part("NotOnOrAfter", self.confirmed_until.as_ref()),
            part("Recipient", self.recipient.as_ref()),
            part("NotBefore", self.not_before.as_ref()),
            part("NotOnOrAfter", self.not_on_or_after.as_ref()),
            part("SessionNotOnOrAfter", self.session_until.as_ref()),
            issued = self.issued,
        )
    }

    /// The response around these contents, unsigned.
    #[must_use]
    pub fn response(&self, contents: &str) -> String {
        let issuer = self
            .response_issuer
            .as_ref()
            .map_or_else(String::new, |issuer| format!("<saml:Issuer xmlns:saml=\"{ASSERTION}\">{issuer}</saml:Issuer>"));
        format!(
            "<samlp:Response xmlns:samlp=\"{PROTOCOL}\"{} ID=\"{}\"{} IssueInstant=\"{}\" Version=\"2.0\">{issuer}<samlp:Status><samlp:StatusCode Value=\"{}\"></samlp:StatusCode></samlp:Status>{contents}</samlp:Response>",
            part("Destination", self.destination.as_ref()),
            self.response_id,
            part("InResponseTo", self.in_response_to.as_ref()),
            self.issued,
            self.status,
        )
    }

    /// The response with its assertion signed in the ordinary way.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn signed(&self, key: &Key) -> Result<String, KeyError> {
        Ok(self.response(&sign(&self.assertion(), &self.assertion_id, &How::new(key))?))
    }

    /// The response signed as a whole, its assertion not.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn response_signed(&self, key: &Key) -> Result<String, KeyError> {
        sign(&self.response(&self.assertion()), &self.response_id, &How::new(key))
    }
}

fn part(name: &str, value: Option<&String>) -> String {
    value.map_or_else(String::new, |value| format!(" {name}=\"{value}\""))
}

/// How a signature is made.
#[derive(Clone)]
pub struct How<'k> {
    /// By which key.
    pub key: &'k Key,
    /// `SignatureMethod/@Algorithm`.
    pub algorithm: String,
    /// Signs with this secret instead: HMAC, by the algorithm's hash.
    pub hmac: Option<Vec<u8>>,
    /// `CanonicalizationMethod/@Algorithm`.
    pub canonicalization: String,
    /// The inside of `Transforms`.
    pub transforms: String,
    /// `DigestMethod/@Algorithm`.
    pub digest: String,
    /// The reference's URI, if it is not `#id`.
    pub uri: Option<String>,
    /// What stands beside the reference.
    pub more_references: String,
    /// Leaves the reference out.
    pub no_reference: bool,
    /// `KeyInfo`, whole.
    pub key_info: String,
    /// What stands at the end of the signature.
    pub tail: String,
}

impl<'k> How<'k> {
    /// The ordinary way.
    #[must_use]
    pub fn new(key: &'k Key) -> Self {
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

/// A transform without anything of its own.
#[must_use]
pub fn transform(uri: &str) -> String {
    format!("<ds:Transform Algorithm=\"{uri}\"></ds:Transform>")
}

/// A `KeyInfo` with this certificate.
#[must_use]
pub fn key_info(certificate: &str) -> String {
    format!("<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>")
}

fn hashed(uri: &str, octets: &[u8]) -> Vec<u8> {
    let algorithm = match uri.rsplit('#').next() {
        Some("sha384") => &SHA384,
        Some("sha512") => &SHA512,
        Some("sha1") => &SHA1_FOR_LEGACY_USE_ONLY,
        _ => &SHA256,
    };
    digest(algorithm, octets).as_ref().to_vec()
}

/// The signature over this element's text.
///
/// # Errors
/// [`KeyError`].
pub fn signature(element: &str, id: &str, how: &How<'_>) -> Result<String, KeyError> {
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
            let algorithm = if sha1 { hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY } else { hmac::HMAC_SHA256 };
            hmac::sign(&hmac::Key::new(algorithm, secret), canonical.as_bytes()).as_ref().to_vec()
        }
        None => how.key.sign(&how.algorithm, canonical.as_bytes())?,
    };
    Ok(format!(
        "<ds:Signature xmlns:ds=\"{DSIG}\"><ds:SignedInfo>{inside}</ds:SignedInfo><ds:SignatureValue>{}</ds:SignatureValue>{}{}</ds:Signature>",
        STANDARD.encode(value),
        how.key_info,
        how.tail
    ))
}

/// The element with its signature after its issuer.
///
/// # Errors
/// [`KeyError`].
pub fn sign(element: &str, id: &str, how: &How<'_>) -> Result<String, KeyError> {
    Ok(after_issuer(element, &signature(element, id, how)?))
}

/// The document with something put after its first issuer.
#[must_use]
pub fn after_issuer(document: &str, what: &str) -> String {
    document.replacen("</saml:Issuer>", &format!("</saml:Issuer>{what}"), 1)
}

/// The first stretch of a document from one mark to another, marks included; empty when they are not there.
#[must_use]
pub fn cut<'d>(document: &'d str, from: &str, to: &str) -> &'d str {
    let found = document.find(from).and_then(|start| {
        let rest = document.get(start..)?;
        rest.get(..rest.find(to)? + to.len())
    });
    found.unwrap_or_default()
}
