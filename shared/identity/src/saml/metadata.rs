//! What a provider says of itself: its name, where browsers go, which keys sign.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode, Encode, Reader, SliceReader};

use super::names::{METADATA, NAME_ID_PERSISTENT, REDIRECT, SIGNATURE};
use super::xml::{Element, Markup, XmlError, escape, read};
use crate::fetch::{Fetch, FetchError, Guard, UrlRefusal, get};

/// Longest metadata that is read, in bytes.
const MAX: usize = 1024 * 1024;
/// Shortest RSA modulus, in bytes.
const RSA_LEAST: usize = 256;
/// Most keys that are kept.
const KEYS_MAX: usize = 16;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// Why metadata cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The URL cannot be fetched.
    #[error("the metadata URL: {0}")]
    Fetch(#[from] FetchError),
    /// More than 1 MB.
    #[error("the metadata is larger than 1 MB")]
    TooLarge,
    /// Not the XML that is read here.
    #[error("the metadata: {0}")]
    Xml(#[from] XmlError),
    /// XML, but no SAML metadata.
    #[error("the document is not SAML metadata")]
    NotMetadata,
    /// No identity provider in it, or not the one that was asked for.
    #[error("the metadata names no such identity provider")]
    NoProvider,
    /// Several identity providers: the admin chooses one of these entity ids.
    #[error("the metadata names several identity providers")]
    Several(Vec<String>),
    /// Its `validUntil` has passed.
    #[error("the metadata has expired")]
    Expired,
    /// No sign-on address by redirect, or one that a browser should not be sent to.
    #[error("the metadata names no usable sign-on address for the redirect binding")]
    NoSignOn,
    /// No signing key of RSA (2048 bits or more) or ECDSA.
    #[error("the metadata names no usable signing certificate")]
    NoKey,
}

impl MetadataError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.code(),
            Self::TooLarge => "metadata_too_large",
            Self::Xml(_) | Self::NotMetadata => "not_metadata",
            Self::NoProvider => "no_identity_provider",
            Self::Several(_) => "several_identity_providers",
            Self::Expired => "metadata_expired",
            Self::NoSignOn => "no_sign_on_address",
            Self::NoKey => "no_signing_certificate",
        }
    }
}

/// A key that may sign for a provider. It is taken as a key: that its certificate has run out is told to the admin and locks nobody out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey {
    /// The certificate, DER in base 64.
    pub certificate: String,
    /// SHA-256 of the DER, in hexadecimal: how the audit and the settings page name it.
    pub fingerprint: String,
    /// Whether it is an ECDSA key.
    pub ecdsa: bool,
    /// When the certificate ends.
    pub not_after: Timestamp,
}

/// A provider, as a connection stores it: everything that a response is checked against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamlIdp {
    /// Its entity id: the issuer of its assertions.
    pub entity_id: String,
    /// Where a browser takes the request (redirect binding).
    pub sso_url: Url,
    /// The keys that may sign, in the metadata's order.
    pub keys: Vec<SigningKey>,
    /// Whether it asks for signed requests.
    pub wants_signed_requests: bool,
}

impl SamlIdp {
    /// Reads metadata. `entity` chooses among several providers; `guard` admits, besides `https`, the sign-on addresses of a local run.
    ///
    /// # Errors
    /// [`MetadataError`], all but `Fetch`.
    pub fn from_metadata(xml: &str, entity: Option<&str>, guard: &Guard, now: Timestamp) -> Result<Self, MetadataError> {
        if xml.len() > MAX {
            return Err(MetadataError::TooLarge);
        }
        let root = read(xml.strip_prefix('\u{feff}').unwrap_or(xml), Markup::Allowed)?;
        let mut entities = Vec::new();
        collect(&root, now, &mut entities)?;
        let name = |entity: &Element| entity.attribute("entityID").unwrap_or_default().to_owned();
        entities.retain(|candidate| entity.is_none_or(|wanted| name(candidate) == wanted));
        let found = match entities.as_slice() {
            [] => return Err(MetadataError::NoProvider),
            [one] => *one,
            several => return Err(MetadataError::Several(several.iter().map(|entity| name(entity)).take(100).collect())),
        };
        let entity_id = name(found);
        // SAML Core, section 8.3.6: at most 1024 characters.
        if entity_id.trim().is_empty() || entity_id.len() > 1024 {
            return Err(MetadataError::NotMetadata);
        }
        let role = found.only(METADATA, "IDPSSODescriptor").ok_or(MetadataError::NotMetadata)?;
        let sign_on = role.all(METADATA, "SingleSignOnService").find(|service| service.attribute("Binding") == Some(REDIRECT));
        let sso_url = sign_on.and_then(|service| service.attribute("Location")).and_then(|location| usable(location, guard));
        let keys = keys(role);
        if keys.is_empty() {
            return Err(MetadataError::NoKey);
        }
        Ok(Self {
            entity_id,
            sso_url: sso_url.ok_or(MetadataError::NoSignOn)?,
            keys,
            wants_signed_requests: matches!(role.attribute("WantAuthnRequestsSigned"), Some("true" | "1")),
        })
    }

    /// Whether one of its keys is of ECDSA.
    #[must_use]
    pub fn signs_with_ecdsa(&self) -> bool {
        self.keys.iter().any(|key| key.ecdsa)
    }

    /// The keys whose certificate has ended or ends within 30 days: worth a line to the admin.
    pub fn expiring(&self, now: Timestamp) -> impl Iterator<Item = &SigningKey> {
        let soon = now.saturating_add(SignedDuration::from_hours(30 * 24)).unwrap_or(Timestamp::MAX);
        self.keys.iter().filter(move |key| key.not_after <= soon)
    }

    /// The least metadata that says what is stored, and nothing that the provider's own document may have said besides: this is what the
    /// verifier is given.
    pub(super) fn to_metadata(&self) -> String {
        let keys: String = self
            .keys
            .iter()
            .map(|key| {
                format!(
                    "<KeyDescriptor use=\"signing\"><KeyInfo xmlns=\"{SIGNATURE}\"><X509Data><X509Certificate>{}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>",
                    key.certificate
                )
            })
            .collect();
        format!(
            "<EntityDescriptor xmlns=\"{METADATA}\" entityID=\"{}\"><IDPSSODescriptor protocolSupportEnumeration=\"{}\">{keys}<NameIDFormat>{NAME_ID_PERSISTENT}</NameIDFormat><SingleSignOnService Binding=\"{REDIRECT}\" Location=\"{}\"/></IDPSSODescriptor></EntityDescriptor>",
            escape(&self.entity_id),
            super::names::PROTOCOL,
            escape(self.sso_url.as_str())
        )
    }
}

/// Fetches metadata by the guarded fetch and reads it.
///
/// # Errors
/// [`MetadataError`].
pub async fn fetch_metadata(
    fetch: &dyn Fetch,
    guard: &Guard,
    url: &str,
    entity: Option<&str>,
    now: Timestamp,
) -> Result<SamlIdp, MetadataError> {
    let url = guard.parse(url).map_err(FetchError::Url)?;
    let answer = get(fetch, &url, "application/samlmetadata+xml, application/xml, text/xml").await?;
    let xml = std::str::from_utf8(answer.body()).map_err(|_| MetadataError::Xml(XmlError::Malformed))?;
    SamlIdp::from_metadata(xml, entity, guard, now)
}

/// Every entity with the role of an identity provider, whose validity has not ended.
fn collect<'e>(element: &'e Element, now: Timestamp, found: &mut Vec<&'e Element>) -> Result<(), MetadataError> {
    let ended = |element: &Element| match element.attribute("validUntil") {
        None => Ok(false),
        Some(text) => text.parse::<Timestamp>().map(|until| until <= now).map_err(|_| MetadataError::NotMetadata),
    };
    if ended(element)? {
        return Err(MetadataError::Expired);
    }
    if element.is(METADATA, "EntityDescriptor") {
        for role in element.all(METADATA, "IDPSSODescriptor") {
            if ended(role)? {
                return Err(MetadataError::Expired);
            }
        }
        if element.all(METADATA, "IDPSSODescriptor").next().is_some() {
            found.push(element);
        }
        Ok(())
    } else if element.is(METADATA, "EntitiesDescriptor") {
        let inner = element.children.iter().filter(|child| child.namespace == METADATA && child.name.starts_with("Entit"));
        inner.into_iter().try_for_each(|child| collect(child, now, found))
    } else {
        Err(MetadataError::NotMetadata)
    }
}

/// A sign-on address that a browser may be sent to: `https`, or one of a local run.
fn usable(location: &str, guard: &Guard) -> Option<Url> {
    let plain = location.len() <= 2048 && !location.chars().any(|c| c.is_control() || c.is_whitespace());
    let url: Url = location.parse().ok().filter(|_| plain)?;
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    // Of what the guard refuses only the browser's own business is let through: an internal host or another port, which the browser
    // reaches from its own network. A scheme is not.
    let local = matches!(guard.check(&url), Ok(()) | Err(UrlRefusal::Host | UrlRefusal::Port | UrlRefusal::LiteralAddress));
    (bare && local && url.has_host()).then_some(url)
}

fn keys(role: &Element) -> Vec<SigningKey> {
    let descriptors = role.all(METADATA, "KeyDescriptor").filter(|key| matches!(key.attribute("use"), None | Some("signing")));
    let certificates = descriptors.flat_map(Element::descendants).filter(|element| element.is(SIGNATURE, "X509Certificate"));
    let mut keys: Vec<SigningKey> = Vec::new();
    for key in certificates.filter_map(|certificate| signing_key(&certificate.text)) {
        if keys.len() < KEYS_MAX && keys.iter().all(|held| held.fingerprint != key.fingerprint) {
            keys.push(key);
        }
    }
    keys
}

/// A certificate's key, if it is one that may sign.
fn signing_key(text: &str) -> Option<SigningKey> {
    let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(compact).ok()?;
    let certificate = Certificate::from_der(&der).ok()?;
    let key = &certificate.tbs_certificate.subject_public_key_info;
    let ecdsa = key.algorithm.oid == EC;
    let strong = ecdsa || key.algorithm.oid == RSA && rsa_bytes(key.subject_public_key.as_bytes()?)? >= RSA_LEAST;
    let end = certificate.tbs_certificate.validity.not_after.to_unix_duration().as_secs();
    let not_after = Timestamp::from_second(i64::try_from(end).ok()?).ok()?;
    let der = certificate.to_der().ok()?;
    strong.then(|| SigningKey { certificate: STANDARD.encode(&der), fingerprint: hex::encode(Sha256::digest(&der)), ecdsa, not_after })
}

/// Bytes of the modulus of `RSAPublicKey ::= SEQUENCE { modulus, publicExponent }` (RFC 8017, appendix A.1.1).
fn rsa_bytes(der: &[u8]) -> Option<usize> {
    let mut reader = SliceReader::new(der).ok()?;
    let bytes = reader.sequence(|inner| {
        let modulus = UintRef::decode(inner)?.as_bytes().len();
        UintRef::decode(inner)?;
        Ok(modulus)
    });
    bytes.ok()
}
