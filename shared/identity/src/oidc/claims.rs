//! From a verified ID token to an identity: the rules of each provider.

use std::collections::BTreeSet;

use openidconnect::core::CoreGenderClaim;
use openidconnect::{AdditionalClaims, IdTokenClaims};
use serde::{Deserialize, Serialize};

use super::Provider;
use super::tenant::TenantId;
use crate::domain::Domain;
use crate::identity::{Identity, ShownClaim, email_within, tidy_name};
use crate::reason::{Reason, Refusal};

/// The providers' own claims.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct OwnClaims {
    /// Google: the Workspace's domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hd: Option<String>,
    /// Entra: the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tid: Option<String>,
    /// Entra: 0 for a member, 1 for a guest (an optional claim).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) acct: Option<serde_json::Value>,
    /// Entra: whether the owner of the address's domain is verified (an optional claim; boolean, number or text by the token's version).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) xms_edov: Option<serde_json::Value>,
}

impl AdditionalClaims for OwnClaims {}

pub(super) type Claims = IdTokenClaims<OwnClaims, CoreGenderClaim>;

/// `true`, `1`, `"1"`, `"true"` and their negations.
fn lenient_bool(value: &serde_json::Value) -> Option<bool> {
    let text = match value {
        serde_json::Value::Bool(value) => return Some(*value),
        serde_json::Value::Number(number) => number.to_string(),
        serde_json::Value::String(text) => text.to_ascii_lowercase(),
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => return None,
    };
    match text.as_str() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

/// What the dry run shows.
pub(super) fn shown(claims: &Claims) -> Vec<ShownClaim> {
    let own = claims.additional_claims();
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    [
        ("iss", Some(claims.issuer().as_str().to_owned())),
        ("sub", Some(claims.subject().as_str().to_owned())),
        ("email", claims.email().map(|email| email.as_str().to_owned())),
        ("email_verified", claims.email_verified().map(|verified| verified.to_string())),
        ("name", name(claims)),
        ("hd", own.hd.clone()),
        ("tid", own.tid.clone()),
        ("acct", own.acct.as_ref().map(text)),
        ("xms_edov", own.xms_edov.as_ref().map(text)),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| ShownClaim::new(name, value)))
    .collect()
}

fn name(claims: &Claims) -> Option<String> {
    claims.name()?.get(None).and_then(|name| tidy_name(name.as_str()))
}

/// The person, by the provider's rules.
pub(super) fn identity(claims: &Claims, provider: &Provider, domains: &BTreeSet<Domain>) -> Result<Identity, Refusal> {
    let email_verified = match provider {
        Provider::Google { hosted_domain } => google(claims, hosted_domain.as_ref(), domains)?,
        Provider::Microsoft { tenant } => microsoft(claims, tenant)?,
    };
    let email = claims.email().ok_or(Refusal::new(Reason::EmailMissing))?;
    Ok(Identity {
        issuer: claims.issuer().as_str().to_owned(),
        subject: claims.subject().as_str().to_owned(),
        email: email_within(email.as_str(), domains)?,
        email_verified,
        name: name(claims),
        session_ends_at: None,
    })
}

/// The Workspace's domain of a Google token.
pub(super) fn hosted_domain(claims: &Claims) -> Option<Domain> {
    claims.additional_claims().hd.as_deref().and_then(|text| Domain::parse(text).ok())
}

fn google(claims: &Claims, accepted: Option<&Domain>, domains: &BTreeSet<Domain>) -> Result<bool, Refusal> {
    // An account made on a corporate address outside the Workspace has no `hd`: its holder may have left long ago.
    let hosted = hosted_domain(claims).ok_or(Refusal::new(Reason::HostedDomainMissing))?;
    let expected = accepted.map_or_else(|| domains.contains(&hosted), |accepted| *accepted == hosted);
    if !expected {
        return Err(Refusal::because(Reason::HostedDomainMismatch, hosted));
    }
    if claims.email_verified() != Some(true) {
        return Err(Reason::EmailUnverified.into());
    }
    Ok(true)
}

fn microsoft(claims: &Claims, tenant: &TenantId) -> Result<bool, Refusal> {
    let own = claims.additional_claims();
    let tid = own.tid.as_deref().and_then(TenantId::parse).ok_or(Refusal::because(Reason::TenantMismatch, "no tid claim"))?;
    if tid.is_personal() {
        return Err(Reason::PersonalAccount.into());
    }
    if tid != *tenant {
        return Err(Refusal::because(Reason::TenantMismatch, tid));
    }
    refuse_guest(own)?;
    match own.xms_edov.as_ref().map(lenient_bool) {
        Some(Some(true)) => Ok(true),
        // The tenant is bound and the domain is proved by DNS: without the claim the address is taken as the tenant's word.
        None => Ok(false),
        Some(Some(false) | None) => Err(Reason::EmailUnverified.into()),
    }
}

/// Absent means that the registration does not ask for the claim; present, it must say "member".
pub(super) fn refuse_guest(own: &OwnClaims) -> Result<(), Refusal> {
    if own.acct.as_ref().is_some_and(|acct| lenient_bool(acct) != Some(false)) { Err(Reason::GuestAccount.into()) } else { Ok(()) }
}
