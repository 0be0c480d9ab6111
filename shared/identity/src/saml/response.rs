//! The response at the assertion consumer address.

use std::collections::BTreeSet;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coportal_core::ctx::Ctx;
use coportal_core::id::SsoConnectionId;
use coportal_core::problem::Problem;
use coportal_core::text::digest;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use saml_rs::{
    AcsEndpoint, AssertionSignaturePolicy, AudienceValidationPolicy, AuthnRequestSigningPolicy, BrowserInput, ClockSkew, EntityId,
    FormField, IdpDescriptor, MessageId, MetadataTrustPolicy, PendingAuthnRequest, RelayStateParam, ReplayCache, ReplayKey, ReplayPolicy,
    Saml, SamlError, SamlValidationContext, SpConfig, SpValidationPolicy, SsoResponse, SsoResponseBinding, SsoSession, XmlPolicy,
    XmlSignatureProfile,
};
use serde::{Deserialize, Serialize};

use super::metadata::SamlIdp;
use super::names::{NAME_ID_EMAIL, NAME_ID_PERSISTENT, NAME_ID_UNSPECIFIED};
use super::request::ServiceProvider;
use super::shape::{self, Read};
use crate::domain::{Domain, Email};
use crate::identity::{Identity, ShownClaim, email_within, tidy_name};
use crate::reason::{Reason, Refusal};

/// Longest `SAMLResponse`, in base 64.
const MAX: usize = 256 * 1024;
/// How far a provider's clock may be off ours, in milliseconds.
const SKEW_MS: i64 = 90_000;

/// Attributes that carry an e-mail address, by preference.
const EMAIL_ATTRIBUTES: &[&str] = &[
    "email",
    "mail",
    "emailaddress",
    "urn:oid:0.9.2342.19200300.100.1.3",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
];
/// Attributes that carry a name to show.
const NAME_ATTRIBUTES: &[&str] = &[
    "displayname",
    "name",
    "cn",
    "urn:oid:2.16.840.1.113730.3.1.241",
    "urn:oid:2.5.4.3",
    "http://schemas.microsoft.com/identity/claims/displayname",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
];

/// Which signature a connection asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SignedPart {
    /// The assertion's own.
    #[default]
    Assertion,
    /// The assertion's, or the response's, which covers it: for a provider that signs nothing else.
    AssertionOrResponse,
}

/// What was stored of a started sign-in.
#[derive(Debug, Clone, Copy)]
pub struct Pending<'p> {
    /// The connection that it was started for, which is the one in the address that the response came to.
    pub connection: SsoConnectionId,
    /// The request's id.
    pub request_id: &'p str,
    /// The state, as it came back in `RelayState` and was found.
    pub state: &'p str,
}

/// An id that must not come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenId {
    /// SHA-256 of its kind and text.
    pub hash: String,
    /// Until when it has to be remembered.
    pub until: Timestamp,
}

/// What the store writes at once when a response is believed.
#[derive(Debug)]
pub struct Settlement<'s> {
    /// The connection.
    pub connection: SsoConnectionId,
    /// The ids of response and assertion, each put under the condition that it is not there.
    pub seen: &'s [SeenId],
    /// Who signed in: what the hand-off code stands for.
    pub identity: &'s Identity,
}

/// Whether a response was used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Now for the first time; everything is written.
    First,
    /// It, or the sign-in's state, was used before; nothing is written.
    Again,
}

/// Spends a response: one transaction that deletes the sign-in's state, puts each id and stores the result, each under its condition.
pub trait ReplayStore: Send + Sync {
    /// Writes all of it or nothing.
    fn settle<'a>(&'a self, settlement: &'a Settlement<'a>) -> BoxFuture<'a, Result<Use, Problem>>;
}

/// A response that is good. Who it speaks of can be read once the store has spent it.
#[derive(Debug)]
pub struct Verified {
    connection: SsoConnectionId,
    shown: Vec<ShownClaim>,
    identity: Result<Identity, Refusal>,
    seen: Vec<SeenId>,
    assertion_id: String,
}

impl Verified {
    /// What a dry run shows.
    #[must_use]
    pub fn shown(&self) -> &[ShownClaim] {
        &self.shown
    }

    /// The assertion's id, for the log.
    #[must_use]
    pub fn assertion_id(&self) -> &str {
        &self.assertion_id
    }

    /// Spends the response and gives out the identity.
    ///
    /// # Errors
    /// Outer: the store could not say. Inner: [`Reason::Replayed`], or why the connection's rules do not let the person in.
    pub async fn settle(self, store: &dyn ReplayStore) -> Result<Result<Identity, Refusal>, Problem> {
        let identity = match self.identity {
            Ok(identity) => identity,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let settlement = Settlement { connection: self.connection, seen: &self.seen, identity: &identity };
        Ok(match store.settle(&settlement).await? {
            Use::First => Ok(identity),
            Use::Again => Err(Reason::Replayed.into()),
        })
    }
}

/// Verifies a response. `form` are the fields of the POST, `domains` those that the connection's workspace has proved.
///
/// # Errors
/// Whatever keeps the response from being good. What a good one says against the connection's rules comes out of [`Verified::settle`].
pub fn verify(
    ctx: &Ctx,
    sp: &ServiceProvider,
    idp: &SamlIdp,
    signed: SignedPart,
    domains: &BTreeSet<Domain>,
    pending: Pending<'_>,
    form: &[(String, String)],
) -> Result<Verified, Refusal> {
    let xml = document(form, pending.state)?;
    let read = shape::check(&xml, signed, idp.signs_with_ecdsa())?;
    let mut recorder = Recorder::default();
    let session = session(ctx.now(), sp, idp, signed, pending, &xml, &mut recorder).map_err(|error| refused(&error))?;
    agree(&read, &session, idp, signed)?;
    Ok(Verified {
        connection: pending.connection,
        shown: shown(&session),
        identity: identity(&session, pending.connection, domains),
        seen: recorder.seen,
        assertion_id: read.assertion_id,
    })
}

/// The document in the form: one `SAMLResponse`, the `RelayState` that was found, and nothing that would make it another binding.
fn document(form: &[(String, String)], state: &str) -> Result<String, Refusal> {
    let malformed = |detail: &str| Refusal::because(Reason::Malformed, detail);
    let only = |name: &str| {
        let mut values = form.iter().filter(|(held, _)| held == name).map(|(_, value)| value.as_str());
        values.next().filter(|_| values.next().is_none())
    };
    if form.iter().any(|(name, _)| matches!(name.as_str(), "SAMLRequest" | "SAMLart" | "SigAlg" | "Signature")) {
        return Err(malformed("the form is of another binding"));
    }
    if only("RelayState") != Some(state) {
        return Err(Refusal::because(Reason::StateUnknown, "the relay state is not this sign-in's"));
    }
    let encoded = only("SAMLResponse").ok_or_else(|| malformed("the form does not hold exactly one SAMLResponse"))?;
    if encoded.len() > MAX {
        return Err(Reason::TooLarge.into());
    }
    let compact: String = encoded.chars().filter(|c| !matches!(c, '\r' | '\n' | '\t' | ' ')).collect();
    let bytes = STANDARD.decode(compact).map_err(|_| malformed("SAMLResponse is not base 64"))?;
    String::from_utf8(bytes).map_err(|_| malformed("SAMLResponse is not UTF-8"))
}

/// The library's replay trait is synchronous and our store is not: this notes what must not come again, and the store decides.
#[derive(Default)]
struct Recorder {
    seen: Vec<SeenId>,
}

impl ReplayCache for Recorder {
    fn check_and_store(&mut self, key: ReplayKey, expires_at: SystemTime) -> Result<(), SamlError> {
        let until = Timestamp::try_from(expires_at).map_err(|_| SamlError::Invalid("an expiry out of range".to_owned()))?;
        let hash = digest([key.kind().as_bytes(), key.value().as_bytes()]);
        self.seen.push(SeenId { hash, until });
        Ok(())
    }
}

/// The library, under the hardened policy (docs/adr/0022).
fn session(
    now: Timestamp,
    sp: &ServiceProvider,
    idp: &SamlIdp,
    signed: SignedPart,
    pending: Pending<'_>,
    xml: &str,
    recorder: &mut Recorder,
) -> Result<SsoSession, SamlError> {
    let mut policy = SpValidationPolicy::recommended();
    policy.audience = AudienceValidationPolicy::Validate;
    policy.authn_requests = AuthnRequestSigningPolicy::DoNotSignForCompatibility;
    policy.assertions = match signed {
        SignedPart::Assertion => AssertionSignaturePolicy::RequireSigned,
        SignedPart::AssertionOrResponse => AssertionSignaturePolicy::AllowUnsignedForCompatibility,
    };
    // The profile knows no ECDSA; for a provider that published such a key the shape has already held the algorithm to our list.
    policy.xml_signatures = if idp.signs_with_ecdsa() {
        XmlSignatureProfile::AllowProviderSupportedForCompatibility
    } else {
        XmlSignatureProfile::StrictRsaSha2
    };
    let mut limits = XmlPolicy::default();
    limits.limits.max_bytes = MAX;
    limits.limits.max_depth = 64;
    limits.limits.max_nodes = 20_000;
    let acs = AcsEndpoint::post(sp.acs_url(pending.connection))?;
    let config = SpConfig::builder(EntityId::try_new(sp.entity_id(pending.connection))?)
        .acs_endpoint(acs.clone())
        .validation(policy)
        .xml(limits)
        .build()?;
    let entity = EntityId::try_new(idp.entity_id.clone())?;
    // "Unsigned" is the metadata that we write ourselves from the stored row.
    let descriptor =
        IdpDescriptor::from_metadata_xml_for(entity.clone(), &idp.to_metadata(), MetadataTrustPolicy::UnsignedForCompatibility)?;
    let outstanding = PendingAuthnRequest::try_new(
        MessageId::try_new(pending.request_id)?,
        RelayStateParam::try_from_option(Some(pending.state))?,
        acs,
        SsoResponseBinding::Post,
        entity,
    )?;
    let fields = vec![FormField::new("SAMLResponse", STANDARD.encode(xml)), FormField::new("RelayState", pending.state)];
    let validation = SamlValidationContext::new(SystemTime::from(now), ReplayPolicy::RequireCache(recorder))
        .with_clock_skew(ClockSkew::from_millis(-SKEW_MS, SKEW_MS))
        .with_replay_retention(SignedDuration::from_hours(24).unsigned_abs());
    Saml::sp(config)?.finish_sso(&descriptor, &outstanding, BrowserInput::<SsoResponse>::post(fields), validation)
}

/// Two readings of one document must see one assertion, and a verified signature must cover it.
fn agree(read: &Read, session: &SsoSession, idp: &SamlIdp, signed: SignedPart) -> Result<(), Refusal> {
    let same = session.assertion_id().as_str() == read.assertion_id
        && session.issuer().as_str() == read.issuer
        && session.name_id().value() == read.name_id
        && read.issuer == idp.entity_id;
    if !same {
        return Err(Refusal::because(Reason::Malformed, "two readings of the response differ"));
    }
    let signatures = session.verified_xml_signatures();
    if signatures.is_empty() || signed == SignedPart::Assertion && !signatures.iter().any(covers_assertion) {
        return Err(Reason::NotSigned.into());
    }
    if !signatures.iter().all(|signature| shape::algorithm_allowed(signature.algorithm_uri(), idp.signs_with_ecdsa())) {
        return Err(Reason::AlgorithmRefused.into());
    }
    Ok(())
}

fn covers_assertion(signature: &saml_rs::VerifiedXmlSignature) -> bool {
    use saml_rs::VerifiedXmlSignatureCoverage as Coverage;
    matches!(signature.coverage(), Coverage::ConsumedAssertion | Coverage::ResponseRootAndConsumedAssertion)
}

fn shown(session: &SsoSession) -> Vec<ShownClaim> {
    let format = session.name_id().format().map(|format| format.as_uri().to_owned());
    let mut shown = vec![ShownClaim::new("Issuer", session.issuer().as_str()), ShownClaim::new("NameID", session.name_id().value())];
    shown.extend(format.map(|format| ShownClaim::new("NameID Format", format)));
    for attribute in session.attributes().as_slice().iter().take(100) {
        shown.extend(attribute.values().iter().take(20).map(|value| ShownClaim::new(attribute.name(), value.as_str())));
    }
    shown
}

/// The first value of the first attribute of these names, in the order of the names; names are compared without case.
fn attribute<'s>(session: &'s SsoSession, names: &[&str]) -> Option<&'s str> {
    names.iter().find_map(|name| {
        let mut held = session.attributes().as_slice().iter().filter(|attribute| attribute.name().eq_ignore_ascii_case(name));
        held.find_map(|attribute| attribute.values().first()).map(|value| value.as_str().trim()).filter(|text| !text.is_empty())
    })
}

fn identity(session: &SsoSession, connection: SsoConnectionId, domains: &BTreeSet<Domain>) -> Result<Identity, Refusal> {
    let name_id = session.name_id();
    let format = name_id.format().map_or(NAME_ID_UNSPECIFIED, |format| format.as_uri());
    // A transient name is another one at each sign-in; the rest (Windows names, entities) name no person of a web service.
    if name_id.value().is_empty() || ![NAME_ID_PERSISTENT, NAME_ID_EMAIL, NAME_ID_UNSPECIFIED].contains(&format) {
        return Err(Refusal::because(Reason::NameIdUnusable, format));
    }
    let from_name = (format != NAME_ID_PERSISTENT && Email::parse(name_id.value()).is_ok()).then_some(name_id.value());
    let email = if format == NAME_ID_EMAIL { from_name } else { attribute(session, EMAIL_ATTRIBUTES).or(from_name) };
    let email = email_within(email.ok_or(Refusal::new(Reason::EmailMissing))?, domains)?;
    let session_ends_at = session.authn_session().not_on_or_after().and_then(|instant| instant.as_str().parse().ok());
    Ok(Identity {
        issuer: format!("{connection} {}", session.issuer().as_str()),
        subject: [format, name_id.name_qualifier().unwrap_or(""), name_id.sp_name_qualifier().unwrap_or(""), name_id.value()].join(" "),
        email,
        email_verified: false,
        name: attribute(session, NAME_ATTRIBUTES).and_then(tidy_name),
        session_ends_at,
    })
}

/// The reason for a response that the library refused. Its own text may quote the message and is not kept.
fn refused(error: &SamlError) -> Refusal {
    use SamlError as E;
    let reason = if matches!(error, E::IssuerMismatch { .. }) {
        Reason::IssuerMismatch
    } else if matches!(error, E::DestinationMismatch { .. }) {
        Reason::DestinationMismatch
    } else if matches!(error, E::InResponseToMismatch { .. }) {
        Reason::RequestMismatch
    } else if matches!(error, E::RelayStateMismatch { .. }) {
        Reason::StateUnknown
    } else if matches!(error, E::AudienceMismatch { .. } | E::UnrecognizedCondition { .. }) {
        Reason::AudienceMismatch
    } else if matches!(error, E::TimeWindowInvalid { .. }) {
        Reason::TimeWindow
    } else if matches!(error, E::SubjectConfirmationInvalid { .. } | E::PrincipalMismatch) {
        Reason::ConfirmationInvalid
    } else if matches!(error, E::StatusNotSuccess { .. }) {
        Reason::StatusFailure
    } else if matches!(error, E::ReplayDetected { .. }) {
        Reason::Replayed
    } else if matches!(error, E::SignatureMissing | E::AssertionSignatureRequired) {
        Reason::NotSigned
    } else if matches!(error, E::AlgorithmUnsupported) {
        Reason::AlgorithmRefused
    } else if matches!(
        error,
        E::SignatureVerification { .. }
            | E::ReferenceResolution { .. }
            | E::SignedReferenceMismatch
            | E::NoTrustedCertificate
            | E::CertificateMismatch
    ) {
        Reason::SignatureInvalid
    } else {
        Reason::Malformed
    };
    Refusal::new(reason)
}
